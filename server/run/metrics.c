/* metrics.c - blocks of counters, and the text. */
#include "run/metrics.h"

#include "base/mem.h"
#include "run/gateways.h"
#include "run/oldest.h"

#include <inttypes.h>
#include <stdlib.h>

struct aw_metrics *
aw_metrics_new(uint32_t threads)
{
    struct aw_metrics *metrics = aw_new(struct aw_metrics);

    if (metrics == NULL)
        return NULL;
    aw_histogram_init(&metrics->commit_ns);
    aw_histogram_init(&metrics->group_records);
    metrics->stats = aw_stats_new(AW_METRICS_COUNT, threads);
    metrics->blocks = aw_new_array(struct aw_metrics_block, threads);
    metrics->block_count = threads;
    if (metrics->stats == NULL || metrics->blocks == NULL) {
        aw_metrics_free(&metrics);
        return NULL;
    }
    for (uint32_t i = 0; i < threads; i++) {
        metrics->blocks[i].counters = aw_stats_join(metrics->stats);
        AW_ASSERT(metrics->blocks[i].counters != NULL);
    }
    return metrics;
}

void
aw_metrics_free(struct aw_metrics **metrics)
{
    if (*metrics == NULL)
        return;
    aw_stats_free(&(*metrics)->stats);
    free((*metrics)->blocks);
    free(*metrics);
    *metrics = NULL;
}

struct aw_metrics_block *
aw_metrics_block(struct aw_metrics *metrics, uint32_t thread)
{
    AW_ASSERT(thread < metrics->block_count);
    return &metrics->blocks[thread];
}

uint64_t
aw_metric_sum(const struct aw_metrics *metrics, unsigned metric)
{
    return aw_stats_sum(metrics->stats, metric);
}

void
aw_metrics_take_edge(struct aw_metrics_block *block, const struct aw_edge_stats *stats)
{
    aw_metric_set(block, AW_METRIC_CONNECTIONS_NOW, stats->connections_now);
    aw_metric_set(block, AW_METRIC_REQUESTS_NOW, stats->requests_now);
    aw_metric_set(block, AW_METRIC_BODIES_NOW, stats->bodies_bytes_now);
    aw_metric_set(block, AW_METRIC_UNDELIVERED, stats->undelivered);
    aw_metric_set(block, AW_METRIC_BYTES_IN, stats->bytes_in);
    aw_metric_set(block, AW_METRIC_BYTES_OUT, stats->bytes_out);
    for (unsigned i = 0; i < AW_CAUSES; i++)
        aw_metric_set(block, AW_METRIC_CAUSE_0 + i, stats->causes[i]);
    for (unsigned i = 0; i <= AW_STATUS_MAX - AW_STATUS_MIN; i++)
        aw_metric_set(block, AW_METRIC_STATUS_0 + i, stats->answers[i]);
}

/* --- the text ----------------------------------------------------------------------------------------------------------------- */

static void
family(struct aw_buffer *buffer, const char *name, const char *type, const char *help)
{
    aw_buffer_printf(buffer, "# TYPE aswolk_%s %s\n# HELP aswolk_%s %s\n", name, type, name, help);
}

/* Families of a single number. `metric` below AW_METRICS_COUNT. */
static const struct {
    const char *name;
    const char *type;
    const char *help;
    unsigned    metric;
} singles[] = {
    {"duplicates", "counter", "Messages that had been posted before.", AW_METRIC_DUPLICATES},
    {"posts_refused", "counter", "Messages refused for lack of room.", AW_METRIC_REFUSED},
    {"pulls", "counter", "Pulls.", AW_METRIC_PULLS},
    {"pulls_empty", "counter", "Pulls that ended with nothing.", AW_METRIC_PULLS_EMPTY},
    {"leases_granted", "counter", "Leases granted.", AW_METRIC_LEASES_GRANTED},
    {"leases_given_back", "counter", "Leases given back because their client was gone.", AW_METRIC_LEASES_GIVEN_BACK},
    {"stale_choices", "counter", "Tickets chosen by a pull that had changed meanwhile.", AW_METRIC_STALE_CHOICES},
    {"unreadable_messages", "counter", "Messages given out with a lease that are damaged in the store.", AW_METRIC_UNREADABLE},
    {"woken_in_vain", "counter", "Long polls woken that found nothing.", AW_METRIC_WOKEN_IN_VAIN},
    {"undelivered", "counter", "Answers whose last byte did not leave.", AW_METRIC_UNDELIVERED},
    {"bytes_in", "counter", "Bytes received, behind TLS.", AW_METRIC_BYTES_IN},
    {"bytes_out", "counter", "Bytes sent, behind TLS.", AW_METRIC_BYTES_OUT},
    {"commits", "counter", "Groups flushed to disk.", AW_METRIC_GROUPS},
    {"records", "counter", "Commands applied.", AW_METRIC_RECORDS},
    {"batches", "counter", "Journal batches written.", AW_METRIC_BATCHES},
    {"checkpoints", "counter", "Checkpoints finished.", AW_METRIC_CHECKPOINTS},
    {"events_told", "counter", "Events told on streams.", AW_METRIC_EVENTS_TOLD},
    {"searches", "counter", "Pages of tickets that were searched for.", AW_METRIC_SEARCHES},
    {"bulk_changed", "counter", "Tickets changed as one of many.", AW_METRIC_BULK_DONE},
    {"bulk_refused", "counter", "Tickets of which such a change was refused.", AW_METRIC_BULK_REFUSED},
    {"event_streams", "gauge", "Streams of events open.", AW_METRIC_EVENT_STREAMS},
    {"parked_pulls", "gauge", "Long polls and streams waiting for work.", AW_METRIC_PARKED},
    {"agent_streams", "gauge", "Streams of agents open.", AW_METRIC_AGENT_STREAMS},
    {"agent_streams_joined", "counter", "Streams of agents begun.", AW_METRIC_AGENT_STREAMS_JOINED},
    {"agent_stream_events", "counter", "Events sent to agents.", AW_METRIC_AGENT_STREAM_EVENTS},
    {"requests_open", "gauge", "Requests received and not yet answered and gone.", AW_METRIC_REQUESTS_NOW},
    {"connections", "gauge", "Connections open.", AW_METRIC_CONNECTIONS_NOW},
    {"bodies_bytes", "gauge", "Request bodies held.", AW_METRIC_BODIES_NOW},
    {"work_out", "gauge", "Submissions and reads in the hands of other threads.", AW_METRIC_OUT},
    {"journal_seq", "gauge", "Last record of the journal.", AW_METRIC_SEQ},
    {"epoch", "gauge", "Starts of this store.", AW_METRIC_EPOCH},
    {"forecasts", "counter", "How long it takes was looked at and published.", AW_METRIC_FORECASTS},
    {"forecast_microseconds", "gauge", "What the last of these looks took as a whole, with waiting for its turns.",
     AW_METRIC_FORECAST_US},
    {"journal_first_seq", "gauge", "First record of the journal; older ones were trimmed.", AW_METRIC_TRIM_FIRST_SEQ},
    {"trimmed_records", "counter", "Records trimmed since the start.", AW_METRIC_TRIM_RECORDS},
    {"room_short", "gauge", "1 while bodies of closed tickets go before their time.", AW_METRIC_TRIM_SHORT},
    {"trim_damaged", "gauge", "1 when the journal is damaged at its old end and not trimmed any more.", AW_METRIC_TRIM_DAMAGED},
    {"key_generation", "gauge", "Newest keys of the key file: an older copy of it opens no store that has gone on. 0: no keys.",
     AW_METRIC_KEY_GENERATION},
    {"keys_late", "gauge", "1 while fresh keys could not be made in time.", AW_METRIC_KEYS_LATE},
    {"tokens", "gauge", "Tokens and certificates in use, also those that have expired.", AW_METRIC_TOKENS},
    {"tokens_stale", "gauge", "1 while the file of tokens can't be read: the old ones count, also those revoked since.",
     AW_METRIC_TOKENS_STALE},
    {"certificate_stale", "gauge", "1 while certificate or key can't be read: new connections get the old ones.",
     AW_METRIC_CERTIFICATE_STALE},
    {"texts_erased", "counter", "Texts that can't be read any more since the start, as somebody asked for it.",
     AW_METRIC_TEXTS_ERASED},
    {"erasures_stuck", "gauge", "1 while texts can't be erased: the key file can't be replaced, or the journal is damaged.",
     AW_METRIC_ERASURES_STUCK},
    {"accept_rests", "counter", "Rests of the listeners, as there was no descriptor or no memory for a connection.",
     AW_METRIC_ACCEPT_RESTS},
    {"certificate_ends_seconds", "gauge", "When the certificate that is served, or one of its chain, ends, as Unix time.",
     AW_METRIC_CERTIFICATE_ENDS},
    {"lanes_shut", "gauge", "1 while no leases are given, as the memory of the queues is used up.", AW_METRIC_LANES_SHUT},
    {"classes_late", "gauge", "Tickets in the place of an old class or departure, as a full store has no room for the change.",
     AW_METRIC_CLASSES_LATE},
};

static void
render_singles(const struct aw_metrics *metrics, struct aw_buffer *buffer)
{
    for (size_t i = 0; i < AW_ARRAY_LEN(singles); i++) {
        bool counter = singles[i].type[0] == 'c';

        family(buffer, singles[i].name, singles[i].type, singles[i].help);
        aw_buffer_printf(buffer, "aswolk_%s%s %" PRIu64 "\n", singles[i].name, counter ? "_total" : "",
                         aw_metric_sum(metrics, singles[i].metric));
    }
}

/* Since the store was made: they survive a restart, as what they count does. */
static void
render_ever(const struct aw_state_counts *counts, struct aw_buffer *buffer)
{
    const struct {
        const char *name;
        const char *help;
        uint64_t    count;
    } ever[] = {
        {"posts", "Messages accepted.", counts->messages},
        {"tickets_opened", "Tickets opened.", counts->opened},
        {"messages_folded", "Messages that joined an open ticket.", counts->folded},
        {"tickets_reopened", "Closed tickets opened again by a message.", counts->reopened},
        {"tickets_closed", "Tickets closed, by whatever.", counts->closed},
        {"tickets_closes_refused", "Tickets closed by a reply that was refused, and open again.", counts->closes_refused},
        {"tickets_completed", "Tickets completed.", counts->completed},
        {"tickets_cancelled", "Tickets cancelled.", counts->cancelled},
        {"tickets_not_needed", "Tickets closed by their customers: no longer needed, or opted out.", counts->not_needed},
        {"first_contacts", "Replies written to customers who only talked about us, let go or not.", counts->first_contacts},
        {"leases_expired", "Leases that ran out.", counts->expired},
        {"leases_released", "Leases given back by their agent.", counts->released},
        {"leases_declined", "Leases declined by their agent.", counts->declined},
        {"promises_moved", "Promises that were told anew, as they would not be kept.", counts->promises_moved},
        {"leases_transferred", "Leases ended as their agent handed the ticket on.", counts->transferred},
        {"messages_withdrawn", "Messages that their customers took back.", counts->withdrawn},
        {"customers_erased", "Customers whose texts were to be erased.", counts->erased},
        {"tickets_erased", "Tickets of theirs that were closed for good, or had been closed lately.", counts->erased_tickets},
        {"tickets_withdrawn", "Tickets closed as all of their messages were taken back.", counts->withdrawn_tickets},
        {"leases_deferred", "Leases ended as their agent put the ticket off.", counts->deferred},
        {"commitments_kept", "What agents gave their word for, and the customer heard in time.", counts->commitments_kept},
        {"commitments_broken", "The same, and the customer had not heard when it was due.", counts->commitments_broken},
    };

    for (size_t i = 0; i < AW_ARRAY_LEN(ever); i++) {
        family(buffer, ever[i].name, "counter", ever[i].help);
        aw_buffer_printf(buffer, "aswolk_%s_total %" PRIu64 "\n", ever[i].name, ever[i].count);
    }
}

static void
render_promises(const struct aw_state_counts *counts, struct aw_buffer *buffer)
{
    family(buffer, "promises_total", "counter",
           "Promises by the class they were made in: an agent took the ticket in time (kept), or not.");
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        aw_buffer_printf(buffer,
                         "aswolk_promises_total{class=\"%s\",outcome=\"kept\"} %" PRIu64
                         "\naswolk_promises_total{class=\"%s\",outcome=\"broken\"} %" PRIu64 "\n",
                         aw_class_name((enum aw_class)i), counts->promises_kept[i], aw_class_name((enum aw_class)i),
                         counts->promises_broken[i]);
}

static void
render_tickets(const struct aw_state_counts *counts, struct aw_buffer *buffer)
{
    family(buffer, "tickets", "gauge", "Tickets by state and class.");
    for (unsigned state = AW_TICKET_WAITING; state <= AW_TICKET_CLOSED; state++) {
        for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
            aw_buffer_printf(buffer, "aswolk_tickets{state=\"%s\",class=\"%s\"} %" PRIu64 "\n",
                             aw_ticket_state_name((enum aw_ticket_state)state), aw_class_name((enum aw_class)i),
                             counts->tickets[state][i]);
    }
    family(buffer, "agents", "gauge", "Agents ever seen or set, by presence.");
    for (unsigned i = 0; i < AW_PRESENCE_COUNT; i++)
        aw_buffer_printf(buffer, "aswolk_agents{presence=\"%s\"} %" PRIu64 "\n", aw_presence_name((enum aw_presence)i),
                         counts->by_presence[i]);
    family(buffer, "tickets_helped", "gauge", "Tickets that wait, and agents of other lanes may be given them too.");
    aw_buffer_printf(buffer, "aswolk_tickets_helped %" PRIu64 "\n", counts->helped);
    family(buffer, "leases", "gauge", "Leases running.");
    aw_buffer_printf(buffer, "aswolk_leases %" PRIu64 "\n", counts->leases);
    family(buffer, "lanes", "gauge", "Lanes.");
    aw_buffer_printf(buffer, "aswolk_lanes %" PRIu64 "\n", counts->lanes);
    family(buffer, "contacts", "gauge", "Customers who only talked about us, written to or opted out.");
    aw_buffer_printf(buffer, "aswolk_contacts{opted_out=\"no\"} %" PRIu64 "\naswolk_contacts{opted_out=\"yes\"} %" PRIu64 "\n",
                     counts->contacts - counts->opted_out, counts->opted_out);
    family(buffer, "commitments", "gauge",
           "Tickets with an agent's word to a customer who has not heard, by whether it is overdue.");
    aw_buffer_printf(buffer, "aswolk_commitments{overdue=\"no\"} %" PRIu64 "\naswolk_commitments{overdue=\"yes\"} %" PRIu64 "\n",
                     counts->commitments - counts->commitments_overdue, counts->commitments_overdue);
    family(buffer, "replies", "gauge", "Replies by state, those that are over as long as they are known.");
    for (unsigned state = AW_REPLY_PENDING; state < AW_REPLY_STATES; state++)
        aw_buffer_printf(buffer, "aswolk_replies{state=\"%s\"} %" PRIu64 "\n", aw_reply_state_name((enum aw_reply_state)state),
                         counts->replies[state]);
    family(buffer, "owed_total", "counter", "Replies that the server itself wrote, by kind.");
    for (unsigned kind = AW_REPLY_ACKNOWLEDGEMENT; kind < AW_REPLY_KINDS; kind++)
        aw_buffer_printf(buffer, "aswolk_owed_total{kind=\"%s\"} %" PRIu64 "\n", aw_reply_kind_name((enum aw_reply_kind)kind),
                         counts->owed[kind]);
    family(buffer, "owed_left_out_total", "counter", "Replies that the server did not write for lack of room in the outbox.");
    aw_buffer_printf(buffer, "aswolk_owed_left_out_total %" PRIu64 "\n", counts->owed_left_out);
    family(buffer, "table_rows", "gauge", "Rows of the state's tables in use.");
    aw_buffer_printf(buffer,
                     "aswolk_table_rows{table=\"tickets\"} %" PRIu64 "\naswolk_table_rows{table=\"identities\"} %" PRIu64
                     "\naswolk_table_rows{table=\"ids\"} %" PRIu64 "\naswolk_table_rows{table=\"agents\"} %" PRIu64
                     "\naswolk_table_rows{table=\"idempotency_keys\"} %" PRIu64 "\naswolk_table_rows{table=\"facts\"} %" PRIu64
                     "\naswolk_table_rows{table=\"flights\"} %" PRIu64 "\naswolk_table_rows{table=\"asides\"} %" PRIu64
                     "\naswolk_table_rows{table=\"channels\"} %" PRIu64 "\naswolk_table_rows{table=\"texts\"} %" PRIu64 "\n",
                     counts->tickets_used, counts->identities, counts->ids, counts->agents, counts->keys, counts->facts,
                     counts->flights, counts->asides, counts->channels, counts->own_texts);
    family(buffer, "state_bytes", "gauge", "Memory of the state's tables.");
    aw_buffer_printf(buffer, "aswolk_state_bytes %" PRIu64 "\n", counts->bytes);
}

/* Of the heads of all queues. */
static void
render_ages(const struct aw_metrics_view *view, struct aw_buffer *buffer)
{
    struct aw_oldest oldest[AW_CLASS_COUNT];

    aw_oldest_find(view->lanes, view->directory, view->order, view->now, oldest);
    family(buffer, "oldest_age_seconds", "gauge", "Age of the oldest waiting ticket.");
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        aw_buffer_printf(buffer, "aswolk_oldest_age_seconds{class=\"%s\"} %.1f\n", aw_class_name((enum aw_class)i),
                         oldest[i].age != 0 && view->now > oldest[i].age ? (double)(view->now - oldest[i].age) / 1000.0 : 0.0);
    family(buffer, "kappa", "gauge", "Waited over allowed, of the ticket that is worst off.");
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        aw_buffer_printf(buffer, "aswolk_kappa{class=\"%s\"} %.3f\n", aw_class_name((enum aw_class)i),
                         (double)oldest[i].kappa_permille / 1000.0);
}

static void
render_surge(const struct aw_metrics_view *view, struct aw_buffer *buffer)
{
    const struct aw_surge *surge = &view->surge->now;

    family(buffer, "surge", "gauge", "1 while a surge is declared.");
    aw_buffer_printf(buffer, "aswolk_surge %u\n", (unsigned)surge->is_on);
    family(buffer, "surge_age_seconds", "gauge", "Time since the surge was declared; 0: none is.");
    aw_buffer_printf(buffer, "aswolk_surge_age_seconds %.1f\n",
                     surge->is_on != 0 && view->now > surge->since ? (double)(view->now - surge->since) / 1000.0 : 0.0);
    family(buffer, "surge_version", "counter", "Changes of the surge since the store was made.");
    aw_buffer_printf(buffer, "aswolk_surge_version_total %" PRIu64 "\n", view->surge->version);
    family(buffer, "target_seconds", "gauge", "How long a ticket may wait, by which a pull over all lanes chooses.");
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        aw_buffer_printf(buffer, "aswolk_target_seconds{class=\"%s\"} %" PRIu64 "\n", aw_class_name((enum aw_class)i),
                         view->order->target_ms[i] / AW_MS_PER_S);
}

static void
render_histogram(const struct aw_histogram *histogram, const char *name, const char *help, double scale, const uint64_t *bounds,
                 size_t bound_count, struct aw_buffer *buffer)
{
    /* 11 KiB: too much for a stack that a handler shares, so it lives in the request's arena. */
    struct aw_histogram_view *view = aw_arena_take_zeroed(buffer->arena, 1, sizeof(*view));

    if (view == NULL) {
        buffer->failed = true;
        return;
    }
    aw_histogram_collect(histogram, view);
    family(buffer, name, "histogram", help);
    for (size_t i = 0; i < bound_count; i++)
        aw_buffer_printf(buffer, "aswolk_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, (double)bounds[i] * scale,
                         aw_histogram_count_up_to(view, bounds[i]));
    aw_buffer_printf(buffer, "aswolk_%s_bucket{le=\"+Inf\"} %" PRIu64 "\naswolk_%s_sum %g\naswolk_%s_count %" PRIu64 "\n", name,
                     view->count, name, (double)view->sum * scale, name, view->count);
}

static void
render_commits(const struct aw_metrics *metrics, struct aw_buffer *buffer)
{
    static const uint64_t times[] = {100000,   200000,   500000,   1000000,   2000000,   5000000,
                                     10000000, 20000000, 50000000, 100000000, 500000000, 1000000000};
    static const uint64_t groups[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};

    render_histogram(&metrics->commit_ns, "commit_seconds", "Time of one flush.", 1e-9, times, AW_ARRAY_LEN(times), buffer);
    render_histogram(&metrics->group_records, "commit_batch_messages", "Commands that shared one flush.", 1.0, groups,
                     AW_ARRAY_LEN(groups), buffer);
}

static void
render_kept(const struct aw_metrics *metrics, aw_ms now, struct aw_buffer *buffer)
{
    aw_ms oldest = aw_metric_sum(metrics, AW_METRIC_TRIM_OLDEST);

    family(buffer, "kept", "gauge", "Records and bodies kept for their tickets when their batch was trimmed.");
    aw_buffer_printf(buffer, "aswolk_kept{kind=\"records\"} %" PRIu64 "\naswolk_kept{kind=\"bodies\"} %" PRIu64 "\n",
                     aw_metric_sum(metrics, AW_METRIC_TRIM_KEPT_RECORDS), aw_metric_sum(metrics, AW_METRIC_TRIM_KEPT_BODIES));
    family(buffer, "kept_oldest_age_seconds", "gauge", "Age of the oldest kept record, as the last sweep saw it.");
    aw_buffer_printf(buffer, "aswolk_kept_oldest_age_seconds %.1f\n",
                     oldest != 0 && now > oldest ? (double)(now - oldest) / 1000.0 : 0.0);
}

static void
render_store(const struct aw_metrics *metrics, struct aw_buffer *buffer)
{
    family(buffer, "store_bytes", "gauge", "The store: used, its limit, the reserve for draining, room for posts.");
    aw_buffer_printf(buffer,
                     "aswolk_store_bytes{kind=\"used\"} %" PRIu64 "\naswolk_store_bytes{kind=\"limit\"} %" PRIu64
                     "\naswolk_store_bytes{kind=\"reserve\"} %" PRIu64 "\naswolk_store_bytes{kind=\"room\"} %" PRIu64 "\n",
                     aw_metric_sum(metrics, AW_METRIC_STORE_USED), aw_metric_sum(metrics, AW_METRIC_STORE_LIMIT),
                     aw_metric_sum(metrics, AW_METRIC_STORE_RESERVE), aw_metric_sum(metrics, AW_METRIC_STORE_ROOM));
    family(buffer, "role", "stateset", "What this server is just now.");
    for (unsigned role = AW_ROLE_STARTING; role <= AW_ROLE_BROKEN; role++)
        aw_buffer_printf(buffer, "aswolk_role{aswolk_role=\"%s\"} %u\n", aw_role_name((enum aw_role)role),
                         aw_metric_sum(metrics, AW_METRIC_ROLE) == role);
}

static void
render_answers(const struct aw_metrics *metrics, struct aw_buffer *buffer)
{
    family(buffer, "answers", "counter", "Answers by status.");
    for (unsigned i = 0; i <= AW_STATUS_MAX - AW_STATUS_MIN; i++) {
        uint64_t count = aw_metric_sum(metrics, AW_METRIC_STATUS_0 + i);

        if (count > 0)
            aw_buffer_printf(buffer, "aswolk_answers_total{code=\"%u\"} %" PRIu64 "\n", AW_STATUS_MIN + i, count);
    }
    family(buffer, "limits", "counter", "Requests refused and connections ended, by cause.");
    for (unsigned i = 1; i < AW_CAUSES; i++)
        aw_buffer_printf(buffer, "aswolk_limits_total{cause=\"%s\"} %" PRIu64 "\n", aw_cause_name((enum aw_cause)i),
                         aw_metric_sum(metrics, AW_METRIC_CAUSE_0 + i));
}

/* Quotes and backslashes are what a label's value needs escaped; a name holds no control characters. */
static void
add_label(struct aw_buffer *buffer, struct aw_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            aw_buffer_add_str(buffer, "\\");
        aw_buffer_add(buffer, value.ptr + i, 1);
    }
}

static void
render_gateways(const struct aw_gateways *gateways, struct aw_buffer *buffer)
{
    family(buffer, "gateway_messages", "counter",
           "Messages that each gateway posted, and those refused because it was too fast.");
    for (uint32_t i = 0; i <= AW_GATEWAYS_OTHERS; i++) {
        struct aw_gateway_view view;

        if (!aw_gateways_view(gateways, i, &view))
            continue;
        aw_buffer_add_str(buffer, "aswolk_gateway_messages_total{gateway=\"");
        add_label(buffer, view.name);
        aw_buffer_printf(buffer, "\",outcome=\"taken\"} %" PRIu64 "\naswolk_gateway_messages_total{gateway=\"",
                         view.posted_count);
        add_label(buffer, view.name);
        aw_buffer_printf(buffer, "\",outcome=\"refused\"} %" PRIu64 "\n", view.refused_count);
    }
}

static void
render_erasures(const struct aw_metrics *metrics, struct aw_buffer *buffer)
{
    bool is_pending = aw_metric_sum(metrics, AW_METRIC_ERASE_ASKED) > aw_metric_sum(metrics, AW_METRIC_ERASED_THROUGH);

    family(buffer, "erasures_pending", "gauge", "1 while who has store and keys can still read texts that are to be erased.");
    aw_buffer_printf(buffer, "aswolk_erasures_pending %d\n", is_pending);
}

void
aw_metrics_render(const struct aw_metrics *metrics, const struct aw_metrics_view *view, struct aw_buffer *buffer)
{
    render_singles(metrics, buffer);
    render_ever(view->counts, buffer);
    render_tickets(view->counts, buffer);
    render_promises(view->counts, buffer);
    render_ages(view, buffer);
    render_surge(view, buffer);
    render_commits(metrics, buffer);
    render_store(metrics, buffer);
    render_kept(metrics, view->now, buffer);
    render_erasures(metrics, buffer);
    render_answers(metrics, buffer);
    render_gateways(view->gateways, buffer);
    family(buffer, "build", "info", "Which aswolk this is.");
    aw_buffer_printf(buffer, "aswolk_build_info{version=\"%s\"} 1\n# EOF\n", AW_VERSION);
}
