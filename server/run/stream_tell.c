/* stream_tell.c - what a stream tells: the difference between what its client was told and what its agent holds. */
#include "base/text.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/lease_view.h"
#include "run/stream.h"

#include <string.h>

#define THREAD_BYTES 2048U /* for the new messages of a ticket, at a guess */

/* --- events ------------------------------------------------------------------------------------------------------------------- */

/* Leases whose event has left are the client's. */
void
aw_stream_forget_told(struct aw_stream *stream)
{
    uint64_t left = stream->has_begun ? aw_feed_left(&stream->feed) : 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < stream->own_count; i++) {
        if (stream->own[i].end == 0 || stream->own[i].end > left)
            stream->own[kept++] = stream->own[i];
    }
    stream->own_count = kept;
}

void
aw_stream_begin_event(struct aw_stream *stream, struct aw_writer *writer, struct aw_slice name)
{
    aw_metric_add(aw_stream_io(stream)->metrics, AW_METRIC_AGENT_STREAM_EVENTS, 1);
    aw_feed_begin_event(&stream->feed, writer, &stream->out, name, stream->found.seq);
}

void
aw_stream_end_event(struct aw_stream *stream, struct aw_writer *writer)
{
    aw_feed_end_event(&stream->feed, writer, &stream->out);
}

void
aw_stream_fail(struct aw_stream *stream, enum aw_err err)
{
    if (stream->end != AW_STREAM_GOES_ON && stream->end != AW_STREAM_DRAINING)
        return;
    stream->end = AW_STREAM_FAILED;
    stream->failure = err;
}

/* The texts of `news` lie in `text`. */
static struct aw_lease_news
news_of(const struct aw_stream *stream, const struct aw_stream_known *known, char text[AW_ID_TEXT_BYTES])
{
    aw_ms now = aw_stream_io(stream)->wall;

    aw_lease_id_format(known->lease, &aw_stream_io(stream)->shared->token_key, text);
    return (struct aw_lease_news){.lease = aw_slice_str(text),
                                  .ticket = known->ticket,
                                  .expires_at = known->expires_at,
                                  .expires_in_s = known->expires_at > now ? (known->expires_at - now) / AW_MS_PER_S : 0};
}

/* Nothing of what the turn has brought leaves: its leases were told to nobody. */
static void
forget_written(struct aw_stream *stream)
{
    for (uint32_t i = 0; i < stream->own_count; i++) {
        if (stream->own[i].end == AW_STREAM_WRITTEN)
            stream->own[i].end = 0;
    }
}

/* Sends what the turn has brought. */
void
aw_stream_send(struct aw_stream *stream)
{
    if (stream->out.failed) {
        aw_stream_fail(stream, AW_E_MEMORY);
        forget_written(stream);
        aw_buffer_init(&stream->out, &stream->work);
    } else if (stream->out.len > 0) {
        for (uint32_t i = 0; i < stream->own_count; i++) {
            if (stream->own[i].end == AW_STREAM_WRITTEN)
                stream->own[i].end = stream->feed.sent + stream->out.len;
        }
        (void)aw_feed_send(&stream->feed, aw_buffer_slice(&stream->out)); /* what waits is seen by go_on */
    }
    stream->out = (struct aw_buffer){.len = 0};
}

aw_ms
aw_stream_ending_at(const struct aw_stream *stream, const struct aw_stream_known *known)
{
    return known->expires_at - stream->want.ending_s * AW_MS_PER_S;
}

/* Nothing else writes into the turn's memory just now: nothing is out, or the stream is parked. */
void
aw_stream_tell_endings(struct aw_stream *stream)
{
    aw_ms now = aw_stream_io(stream)->wall;

    if (!stream->has_begun || stream->want.ending_s == 0 || aw_feed_is_waiting(&stream->feed))
        return;
    aw_arena_reset(&stream->work);
    aw_buffer_init(&stream->out, &stream->work);
    for (uint32_t i = 0; i < stream->known_count; i++) {
        struct aw_stream_known *known = &stream->known[i];
        char                    text[AW_ID_TEXT_BYTES];
        struct aw_lease_news    news;
        struct aw_writer        writer;

        if (known->ending_for == known->expires_at || aw_stream_ending_at(stream, known) > now || known->expires_at <= now)
            continue;
        known->ending_for = known->expires_at;
        news = news_of(stream, known, text);
        aw_stream_begin_event(stream, &writer, AW_SLICE("ending"));
        aw_proto_write_news_ending(&writer, &news);
        aw_stream_end_event(stream, &writer);
    }
    aw_stream_send(stream);
}

/* --- looking ------------------------------------------------------------------------------------------------------------------ */

void
aw_stream_ask(struct aw_stream *stream)
{
    struct aw_pull       *pull = &stream->pull;
    uint32_t              room = stream->has_begun ? stream->known_count + AW_STREAM_TURN_MAX : AW_STREAM_KNOWN_MAX + 1;
    struct aw_told_lease *told = aw_arena_take(&stream->work, stream->known_count * sizeof(told[0]));
    uint64_t             *own = aw_arena_take(&stream->work, stream->own_count * sizeof(own[0]));

    if (stream->has_begun && room > AW_STREAM_KNOWN_MAX)
        room = AW_STREAM_KNOWN_MAX;
    stream->query = (struct aw_query){.kind = AW_QUERY_STREAM,
                                      .name = pull->agent,
                                      .room = room,
                                      .views = aw_arena_take(&stream->work, room * sizeof(struct aw_ticket_view)),
                                      .look = &stream->found};
    if (told == NULL || own == NULL || stream->query.views == NULL) {
        aw_stream_fail(stream, AW_E_MEMORY);
        aw_stream_go_on(stream);
        return;
    }
    for (uint32_t i = 0; i < stream->known_count; i++)
        told[i] = (struct aw_told_lease){.fence = stream->known[i].lease.fence, .slot = stream->known[i].lease.slot};
    for (uint32_t i = 0; i < stream->own_count; i++)
        own[i] = stream->own[i].lease.fence;
    stream->found.own = own;
    stream->found.own_count = stream->own_count;
    stream->found.told = told;
    stream->found.told_count = stream->known_count;
    pull->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &stream->query};
    stream->step = AW_STREAM_LOOK;
    aw_call_submit(&pull->call, &pull->submission);
}

/* Leases that run no more are forgotten; of those that nobody of the client's side ended it is told. */
static void
tell_lost(struct aw_stream *stream)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < stream->known_count; i++) {
        const struct aw_told_lease *lease = &stream->found.told[i];
        char                        text[AW_ID_TEXT_BYTES];
        struct aw_lease_news        news;
        struct aw_writer            writer;

        if (lease->fate == AW_LEASE_RUNS) {
            stream->known[kept++] = stream->known[i];
            continue;
        }
        if (lease->fate == AW_LEASE_ENDED)
            continue;
        news = news_of(stream, &stream->known[i], text);
        news.state = aw_lease_view_state(lease->end);
        aw_stream_begin_event(stream, &writer, AW_SLICE("lost"));
        aw_proto_write_news_lost(&writer, &news);
        aw_stream_end_event(stream, &writer);
    }
    stream->known_count = kept;
}

static void
tell_presence(struct aw_stream *stream)
{
    struct aw_writer writer;

    if (stream->presence == stream->found.presence)
        return;
    stream->presence = stream->found.presence;
    aw_stream_begin_event(stream, &writer, AW_SLICE("presence"));
    aw_writer_begin_map(&writer);
    AW_WRITER_KEY(&writer, "presence");
    aw_writer_str(&writer, aw_slice_str(aw_presence_name(stream->presence)));
    aw_writer_end_map(&writer);
    aw_stream_end_event(stream, &writer);
}

/* Customers took messages of their tickets back: who has them looks again. */
static void
tell_withdrawals(struct aw_stream *stream)
{
    for (uint32_t i = 0; i < stream->known_count; i++) {
        struct aw_stream_known *known = &stream->known[i];
        char                    text[AW_ID_TEXT_BYTES];
        struct aw_lease_news    news;
        struct aw_writer        writer;

        if (!known->is_poorer)
            continue;
        known->is_poorer = false;
        news = news_of(stream, known, text);
        news.withdrawn = known->withdrawn;
        aw_stream_begin_event(stream, &writer, AW_SLICE("withdrawn"));
        aw_proto_write_news_withdrawn(&writer, &news);
        aw_stream_end_event(stream, &writer);
    }
}

/* Their tickets became part of an incident, or of none. */
static void
tell_incidents(struct aw_stream *stream)
{
    for (uint32_t i = 0; i < stream->known_count; i++) {
        struct aw_stream_known *known = &stream->known[i];
        char                    text[AW_ID_TEXT_BYTES];
        struct aw_lease_news    news;
        struct aw_writer        writer;

        if (!known->is_moved)
            continue;
        known->is_moved = false;
        news = news_of(stream, known, text);
        news.incident = known->incident;
        aw_stream_begin_event(stream, &writer, AW_SLICE("incident"));
        aw_proto_write_news_incident(&writer, &news);
        aw_stream_end_event(stream, &writer);
    }
}

static struct aw_stream_known *
find_known(const struct aw_stream *stream, uint64_t fence)
{
    for (uint32_t i = 0; i < stream->known_count; i++) {
        if (stream->known[i].lease.fence == fence)
            return &stream->known[i];
    }
    return NULL;
}

/* Moves the leases that the client was not told of to the front of the views; takes over what has changed of the others. Returns
 * how many are new, at most `max`. */
static uint32_t
sort_views(struct aw_stream *stream, uint32_t max)
{
    struct aw_ticket_view *views = stream->query.views;
    uint32_t               count = 0;

    for (uint32_t i = 0; i < stream->query.count; i++) {
        struct aw_stream_known *known = find_known(stream, views[i].lease.fence);

        if (known != NULL) {
            known->expires_at = views[i].expires_at;
            known->is_behind = views[i].message_seq > views[i].seen_seq;
            known->is_poorer = views[i].withdrawn > known->withdrawn;
            known->withdrawn = views[i].withdrawn;
            known->is_moved = views[i].incident.seq != known->incident.seq;
            known->incident = views[i].incident;
        } else if (count < max) {
            views[count++] = views[i];
        }
    }
    return count;
}

/* In the request's memory; what is left behind by growing is no more than what is in use. */
static bool
make_room(struct aw_stream *stream, uint32_t count)
{
    uint32_t                room = stream->known_room == 0 ? 4 : stream->known_room;
    struct aw_stream_known *known;

    if (count <= stream->known_room)
        return true;
    while (room < count)
        room *= 2;
    known = aw_arena_take(aw_call_arena_kept(&stream->pull.call), room * sizeof(known[0]));
    if (known == NULL)
        return false;
    if (stream->known_count > 0)
        memcpy(known, stream->known, stream->known_count * sizeof(known[0]));
    stream->known = known;
    stream->known_room = room;
    return true;
}

static void
end_turn(struct aw_stream *stream)
{
    aw_stream_send(stream);
    aw_stream_go_on(stream);
}

void
aw_stream_end_in_failure(struct aw_stream *stream, enum aw_err err)
{
    aw_stream_fail(stream, err);
    stream->out = (struct aw_buffer){.len = 0}; /* what was written may be half of it */
    forget_written(stream);
    aw_stream_go_on(stream);
}

/* --- leases ------------------------------------------------------------------------------------------------------------------- */

static void
read_leases(struct aw_stream *stream, uint32_t count)
{
    stream->pull.granted = count;
    stream->pull.is_repeat = true; /* they are those of the query */
    stream->step = AW_STREAM_READ_LEASES;
    if (!make_room(stream, stream->known_count + count) || !aw_pull_read_messages(&stream->pull))
        aw_stream_end_in_failure(stream, AW_E_MEMORY);
}

/* Its event stands in `out`. */
static void
note_known(struct aw_stream *stream, const struct aw_ticket_view *view)
{
    stream->known[stream->known_count++] = (struct aw_stream_known){.lease = view->lease,
                                                                    .ticket = view->ticket,
                                                                    .told_seq = view->message_seq,
                                                                    .is_behind = view->message_seq > view->seen_seq,
                                                                    .incident = view->incident,
                                                                    .withdrawn = view->withdrawn,
                                                                    .expires_at = view->expires_at};
    stream->must_look |= view->message_seq > view->seen_seq;
    for (uint32_t i = 0; i < stream->own_count; i++) {
        if (stream->own[i].lease.fence == view->lease.fence)
            stream->own[i].end = AW_STREAM_WRITTEN;
    }
}

/* The first event. */
static bool
write_held(struct aw_stream *stream, const struct aw_lease_answer *leases)
{
    struct aw_slice  next = {NULL, 0};
    char             cursor[AW_BASE32_U64_CHARS];
    struct aw_writer writer;

    if (stream->more_above != 0) {
        aw_base32_u64(stream->more_above, cursor);
        next = aw_slice_of(cursor, sizeof(cursor));
    }
    aw_stream_begin_event(stream, &writer, AW_SLICE("held"));
    if (!aw_proto_write_held(&writer, leases, stream->pull.granted, next))
        return false;
    aw_stream_end_event(stream, &writer);
    return true;
}

static bool
write_leases(struct aw_stream *stream, const struct aw_lease_answer *leases)
{
    for (uint32_t i = 0; i < stream->pull.granted; i++) {
        struct aw_writer writer;

        aw_stream_begin_event(stream, &writer, AW_SLICE("lease"));
        if (!aw_proto_write_lease(&writer, &leases[i]))
            return false;
        aw_stream_end_event(stream, &writer);
    }
    return true;
}

void
aw_stream_tell_leases(struct aw_stream *stream)
{
    struct aw_lease_answer *leases;
    enum aw_err             err = aw_pull_make_views(&stream->pull, &leases);
    bool                    is_first = !stream->has_begun;

    if (err != AW_OK) {
        aw_stream_end_in_failure(stream, err == AW_E_MEMORY ? err : AW_E_INTERNAL);
        return;
    }
    if (is_first && !aw_feed_begin(&stream->feed, &stream->pull.call, stream->want.media)) {
        stream->step = AW_STREAM_NOTHING; /* the client is gone: on_gone comes */
        return;
    }
    stream->has_begun = true;
    aw_pull_tell_of_damage(&stream->pull);
    if (!(is_first ? write_held(stream, leases) : write_leases(stream, leases))) {
        aw_stream_end_in_failure(stream, AW_E_INTERNAL);
        return;
    }
    for (uint32_t i = 0; i < stream->pull.granted; i++)
        note_known(stream, &stream->query.views[i]);
    tell_presence(stream);
    end_turn(stream);
}

/* --- follow-ups --------------------------------------------------------------------------------------------------------------- */

/* As an extend that leaves the end where it is: from then on they count as seen, and are told. True: it is under way. */
static bool
see(struct aw_stream *stream)
{
    struct aw_pull  *pull = &stream->pull;
    struct aw_entry *entries = NULL;
    uint32_t         count = 0;

    for (uint32_t i = 0; i < stream->known_count && count < AW_STREAM_TURN_MAX; i++) {
        if (!stream->known[i].is_behind)
            continue;
        if (entries == NULL)
            entries = aw_arena_take_zeroed(&stream->work, AW_STREAM_TURN_MAX, sizeof(entries[0]));
        if (entries == NULL)
            return false; /* no memory just now: the next look finds them again */
        entries[count++].command =
            (struct aw_command){.kind = AW_COMMAND_EXTEND, .in.fenced = {.lease = stream->known[i].lease, .agent = pull->agent}};
        stream->known[i].is_behind = false;
    }
    if (count == 0)
        return false;
    stream->must_look = true; /* there may be more of them */
    pull->entries = entries;
    pull->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = entries, .count = count, .woken_lane = AW_LANE_NONE};
    stream->step = AW_STREAM_SEE;
    aw_call_submit(&pull->call, &pull->submission);
    return true;
}

/* Nothing was forgotten since it was asked for. */
static struct aw_stream_known *
known_of(const struct aw_stream *stream, const struct aw_entry *entry)
{
    struct aw_stream_known *known = find_known(stream, entry->command.in.fenced.lease.fence);

    AW_ASSERT(known != NULL);
    return known;
}

/* Those of which the client was told nothing yet, here or by an extend of its own, move to the front; returns how many. */
static uint32_t
sort_seen(struct aw_stream *stream)
{
    struct aw_submission *submission = &stream->pull.submission;
    uint32_t              count = 0;

    for (uint32_t i = 0; i < submission->count; i++) {
        const struct aw_outcome_of   *out = &submission->entries[i].command.out;
        const struct aw_stream_known *known = known_of(stream, &submission->entries[i]);

        if (out->err == AW_E_STORE_FULL || out->err == AW_E_OVERLOADED)
            aw_stream_rest(stream); /* the next look finds it again */
        if (out->err == AW_OK && out->changed && out->u.lease.message_seq > known->told_seq)
            submission->entries[count++] = submission->entries[i];
    }
    return count;
}

void
aw_stream_seen(struct aw_stream *stream)
{
    struct aw_pull *pull = &stream->pull;
    uint32_t        count;

    if (pull->submission.err != AW_OK) {
        aw_stream_end_in_failure(stream, pull->submission.err);
        return;
    }
    count = sort_seen(stream);
    if (count == 0) {
        end_turn(stream);
        return;
    }
    pull->read = aw_api_read_new(&pull->call, count, (size_t)count * THREAD_BYTES);
    if (pull->read == NULL) {
        aw_stream_end_in_failure(stream, AW_E_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct aw_out_lease *out = &pull->entries[i].command.out.u.lease;
        uint64_t                   told_seq = known_of(stream, &pull->entries[i])->told_seq;

        pull->read->items[i] = (struct aw_read_item){.kind = AW_READ_THREAD,
                                                     .last_seq = out->last_seq,
                                                     .ticket_seq = out->ticket.seq,
                                                     .above_seq = out->seen_seq > told_seq ? out->seen_seq : told_seq,
                                                     .messages_max = AW_LEASE_MESSAGES_MAX,
                                                     .is_open = true};
    }
    stream->step = AW_STREAM_READ_MESSAGES;
    aw_call_read(&pull->call, pull->read);
}

void
aw_stream_tell_messages(struct aw_stream *stream)
{
    struct aw_pull *pull = &stream->pull;

    for (uint32_t i = 0; i < pull->read->count; i++) {
        const struct aw_out_lease *out = &pull->entries[i].command.out.u.lease;
        const struct aw_read_item *item = &pull->read->items[i];
        struct aw_stream_known    *known = known_of(stream, &pull->entries[i]);
        char                       text[AW_ID_TEXT_BYTES];
        struct aw_lease_news       news = news_of(stream, known, text);
        struct aw_writer           writer;

        news.messages = item->messages;
        news.message_count = item->message_count;
        news.messages_total = out->messages_total;
        stream->found.seq = out->last_seq > stream->found.seq ? out->last_seq : stream->found.seq;
        aw_stream_begin_event(stream, &writer, AW_SLICE("messages"));
        if (item->err != AW_OK || !aw_proto_write_news_messages(&writer, &news)) {
            aw_stream_end_in_failure(stream, item->err == AW_E_MEMORY ? AW_E_MEMORY : AW_E_INTERNAL);
            return;
        }
        aw_stream_end_event(stream, &writer);
        known->told_seq = out->message_seq;
    }
    end_turn(stream);
}

void
aw_stream_looked(struct aw_stream *stream)
{
    struct aw_pull *pull = &stream->pull;
    enum aw_err     err = pull->submission.err != AW_OK ? pull->submission.err : stream->query.err;
    uint32_t        count;

    stream->must_look = false;
    stream->may_take = true;
    if (err != AW_OK) {
        aw_stream_end_in_failure(stream, err);
        return;
    }
    aw_buffer_init(&stream->out, &stream->work);
    tell_lost(stream);
    if (stream->has_begun)
        tell_presence(stream);
    pull->park.park.stream = stream->found.stream;
    pull->park.park.news = stream->found.news;
    if (!stream->has_begun && stream->query.count > AW_STREAM_KNOWN_MAX)
        stream->more_above = stream->query.views[AW_STREAM_KNOWN_MAX - 1].lease.fence;
    count = sort_views(stream, stream->has_begun ? AW_STREAM_TURN_MAX : AW_STREAM_KNOWN_MAX);
    tell_incidents(stream);
    tell_withdrawals(stream);
    if (stream->has_begun && stream->known_count + count > AW_STREAM_KNOWN_MAX)
        count = AW_STREAM_KNOWN_MAX - stream->known_count;
    stream->must_look = count > 0; /* there may be more of them */
    if (count > 0 || !stream->has_begun)
        read_leases(stream, count);
    else if (!see(stream))
        end_turn(stream);
}
