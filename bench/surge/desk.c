/* desk.c - agents and their leases.
 *
 *   IDLE -> PULLING -> HANDLING -> COMPLETING -> (HANDLING while it holds more) -> IDLE; IDLE -> STOPPED
 * An agent whose connection went during a pull does not know what it was given: it asks for its leases first (ASKING).
 */
#include "bench/surge/desk.h"

#include "base/mem.h"
#include "bench/surge/answers.h"
#include "port/clock.h"
#include "proto/media.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_S      0.1 /* after a refusal */
#define TOKEN_BYTES  256U
#define LINE_BYTES   (TOKEN_BYTES + 64U) /* of a completion among many */
#define PULL_BYTES   96U                 /* of a pull's body, without its lanes */
#define PULL_SLACK_S 15                  /* beyond the long poll itself */

enum state { AGENT_IDLE, AGENT_ASKING, AGENT_PULLING, AGENT_HANDLING, AGENT_COMPLETING, AGENT_STOPPED };

struct surge_lease {
    struct surge_lease *next; /* in its bucket of held */
    uint64_t            ticket;
    aw_ns               valid_until; /* at least */
    uint32_t            token_len;
    uint32_t            count;
    uint32_t            room;
    bool                partial;    /* the ticket has more messages than are shown */
    bool                completing; /* the server may have ended it: no proof of two holders any more */
    bool                repeated;
    uint32_t           *entries; /* owns: the messages shown, oldest first */
    char                token[TOKEN_BYTES];
};

struct surge_agent {
    struct surge_desk   *desk;
    uint32_t             line;
    enum state           state;
    bool                 unsure; /* may hold leases that it was not told of */
    aw_ns                asked_at;
    aw_ns                due;          /* when the pull under way was to be sent */
    bool                 owes;         /* its turn was taken, and the pull could not be sent yet */
    struct surge_pulled  last;         /* what came of it */
    char                *pull_body[2]; /* owns: waiting, and without waiting */
    struct surge_lease **leases;       /* owns */
    uint32_t             count;
    uint32_t             room;
    uint32_t             sent; /* of them, how many the completion under way names */
    ev_timer             timer;
    char                *body; /* owns: of the completion under way */
    size_t               body_room;
    char                 name[24];
};

static void next(struct surge_agent *agent);

static uint32_t
number_of(const struct surge_agent *agent)
{
    return (uint32_t)(agent - agent->desk->agents);
}

static void
move(struct surge_agent *agent, enum state to)
{
    static const uint8_t allowed[] = {
        [AGENT_IDLE] = 1 << AGENT_IDLE | 1 << AGENT_ASKING | 1 << AGENT_PULLING | 1 << AGENT_HANDLING | 1 << AGENT_STOPPED,
        [AGENT_ASKING] = 1 << AGENT_IDLE,
        [AGENT_PULLING] = 1 << AGENT_IDLE,
        [AGENT_HANDLING] = 1 << AGENT_COMPLETING | 1 << AGENT_HANDLING,
        [AGENT_COMPLETING] = 1 << AGENT_IDLE | 1 << AGENT_HANDLING,
        [AGENT_STOPPED] = 0,
    };

    AW_ASSERT((allowed[agent->state] & 1 << to) != 0);
    agent->state = to;
}

/* --- who holds what --------------------------------------------------------------------------------------------------------- */

static struct surge_lease **
bucket_of(struct surge_desk *desk, uint64_t ticket)
{
    return &desk->held[(ticket * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SURGE_HELD_BUCKETS];
}

static void
hold(struct surge_desk *desk, struct surge_lease *lease, const struct surge_agent *agent, aw_ns now)
{
    struct surge_lease **bucket = bucket_of(desk, lease->ticket);

    for (struct surge_lease *other = *bucket; other != NULL; other = other->next) {
        char text[AW_ID_TEXT_BYTES];

        if (other->ticket != lease->ticket || other->completing || other->valid_until <= now)
            continue;
        surge_entry_ticket(&desk->config.ledger->entries[lease->entries[0]], text);
        surge_ledger_breach(desk->config.ledger, SURGE_BREACH_TWO_HOLDERS, "%s, also by %s", text, agent->name);
    }
    lease->next = *bucket;
    *bucket = lease;
    desk->leases_now++;
}

static void
drop(struct surge_desk *desk, struct surge_lease *lease)
{
    struct surge_lease **at = bucket_of(desk, lease->ticket);

    while (*at != lease)
        at = &(*at)->next;
    *at = lease->next;
    desk->leases_now--;
    free(lease->entries);
    free(lease);
}

/* Takes lease number `index` from the agent. */
static void
forget(struct surge_agent *agent, uint32_t index)
{
    drop(agent->desk, agent->leases[index]);
    agent->count--;
    memmove(&agent->leases[index], &agent->leases[index + 1], (agent->count - index) * sizeof(agent->leases[0]));
}

/* --- what a lease shows ----------------------------------------------------------------------------------------------------- */

static bool
add_entry(struct surge_lease *lease, uint32_t entry)
{
    if (lease->count == lease->room) {
        uint32_t  room = lease->room == 0 ? 4 : 2 * lease->room;
        uint32_t *entries = realloc(lease->entries, room * sizeof(*entries));

        if (entries == NULL)
            return false;
        lease->entries = entries;
        lease->room = room;
    }
    lease->entries[lease->count++] = entry;
    return true;
}

/* Notes each message of a raw list. *ret_new: how many no completion covers yet; *ret_since: the earliest receipt among these. */
static bool
note_messages(struct surge_desk *desk, struct surge_lease *lease, struct aw_slice raw, struct aw_slice ticket, bool msgpack,
              uint32_t *ret_new, aw_ns *ret_since)
{
    struct surge_ledger *ledger = desk->config.ledger;
    struct surge_walk    walk;

    surge_walk_begin(&walk, raw, msgpack);
    if (raw.len == 0 || !surge_walk_list(&walk))
        return raw.len == 0;
    while (surge_walk_item(&walk)) {
        struct surge_message_answer message;
        uint32_t                    entry;
        aw_ns                       acked_at;

        if (!surge_answer_message(&walk, &message))
            return false;
        entry = surge_ledger_show(ledger, message.message, ticket, message.source);
        if (entry == UINT32_MAX)
            continue; /* counted as a breach */
        if (!add_entry(lease, entry))
            return false;
        desk->shown++;
        acked_at = ledger->entries[entry].acked_at;
        if (surge_ledger_is_covered(ledger, entry))
            continue;
        ++*ret_new;
        if (acked_at != 0 && acked_at < *ret_since)
            *ret_since = acked_at;
    }
    return !walk.failed;
}

static void
count_lease(struct surge_agent *agent, const struct surge_lease_answer *answer, uint32_t new_, aw_ns since, aw_ns at)
{
    struct surge_desk *desk = agent->desk;
    enum aw_class      class_;

    desk->leases++;
    if (new_ == 0)
        surge_ledger_breach(desk->config.ledger, SURGE_BREACH_ANSWERED_AGAIN, "ticket %.*s", AW_SLICE_ARGS(answer->ticket));
    if (!aw_class_parse(answer->class_, &class_))
        return;
    agent->last.class_ = class_;
    agent->last.acked_at = since;
    if (since == UINT64_MAX) /* of an earlier run, or so quick that its receipt was not read yet: as the server says */
        aw_histogram_record(&desk->waited[class_], answer->waited_s * AW_NS_PER_S);
    else
        aw_histogram_record(&desk->waited[class_], since < at ? at - since : 0);
}

/* False: the answer is not what it should be, or there is no memory. */
static bool
take_lease(struct surge_agent *agent, struct surge_walk *walk, bool msgpack, aw_ns at)
{
    struct surge_desk        *desk = agent->desk;
    struct surge_lease       *lease;
    struct surge_lease_answer answer;
    uint32_t                  new_ = 0;
    aw_ns                     since = AW_NS_NEVER;

    if (!surge_answer_lease(walk, &answer) || answer.lease.len == 0 || answer.lease.len > TOKEN_BYTES)
        return false;
    lease = aw_new(struct surge_lease);
    if (lease == NULL)
        return false;
    memcpy(lease->token, answer.lease.ptr, answer.lease.len);
    lease->token_len = (uint32_t)answer.lease.len;
    if (!note_messages(desk, lease, answer.messages, answer.ticket, msgpack, &new_, &since) || lease->count == 0) {
        surge_ledger_breach(desk->config.ledger, SURGE_BREACH_EMPTY_LEASE, "ticket %.*s", AW_SLICE_ARGS(answer.ticket));
        free(lease->entries);
        free(lease);
        return true; /* the others of this answer may be well */
    }
    lease->ticket = desk->config.ledger->entries[lease->entries[0]].ticket;
    lease->partial = answer.messages_total > lease->count;
    /* It was granted after it was asked for, and may have run since. */
    lease->valid_until = agent->asked_at + answer.expires_in_s * AW_NS_PER_S;
    if (lease->partial)
        new_++; /* what is new may be among what is not shown */
    count_lease(agent, &answer, new_, since, at);
    hold(desk, lease, agent, at);
    agent->leases[agent->count++] = lease;
    return true;
}

static bool
take_leases(struct surge_agent *agent, const struct aw_exchange_result *result)
{
    bool              msgpack = surge_answer_is_msgpack(result);
    struct surge_walk walk;

    surge_walk_begin(&walk, result->body, msgpack);
    if (!surge_answer_leases(&walk))
        return false;
    while (surge_walk_item(&walk)) {
        if (agent->count == agent->room || !take_lease(agent, &walk, msgpack, result->at))
            return false;
    }
    return !walk.failed;
}

/* --- requests --------------------------------------------------------------------------------------------------------------- */

static void
pause_agent(struct surge_agent *agent, double seconds)
{
    ev_timer_set(&agent->timer, seconds, 0.);
    ev_timer_start(agent->desk->config.loop, &agent->timer);
}

/* False: its line is not open (it goes on when it is), or there is no room (it goes on after a pause). */
static bool
ask(struct surge_agent *agent, const char *method, const char *path, struct aw_slice body, enum aw_media media,
    uint64_t timeout_s, aw_exchange_done *done)
{
    const char                *token = surge_token_for(agent->desk->config.options, path);
    struct aw_trunk           *trunk = surge_fleet_trunk(&agent->desk->fleet, agent->line);
    struct aw_exchange_field   fields[4];
    struct aw_exchange_request request = {.method = aw_slice_str(method),
                                          .path = aw_slice_str(path),
                                          .fields = fields,
                                          .body = body,
                                          .timeout = timeout_s * AW_NS_PER_S};

    fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("aswolk-agent"), aw_slice_str(agent->name), false};
    fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("accept"), aw_media_type(media), false};
    if (body.len > 0)
        fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("content-type"), aw_media_type(media), false};
    if (token != NULL)
        fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("authorization"), aw_slice_str(token), true};
    if (trunk == NULL)
        return false;
    if (aw_exchange_submit(trunk, &request, done, agent) != NULL)
        return true;
    pause_agent(agent, PAUSE_S);
    return false;
}

/* A pull is over. An agent that waited for work to come lets its turns of that time pass. */
static void
tell_pulled(struct surge_agent *agent, bool empty, aw_ns at)
{
    const struct surge_desk_config *config = &agent->desk->config;

    agent->last.agent = number_of(agent);
    agent->last.empty = empty;
    agent->last.due = agent->due;
    agent->last.sent_at = agent->asked_at;
    agent->last.at = at;
    if (config->pace != NULL && (empty || agent->last.acked_at > agent->asked_at))
        surge_pace_pass(config->pace, agent->last.agent);
    if (config->pulled != NULL)
        config->pulled(config->user, &agent->last);
}

/* The answer to a pull, or to the question what the agent holds. */
static void
on_pulled(void *user, const struct aw_exchange_result *result)
{
    struct surge_agent *agent = user;
    struct surge_desk  *desk = agent->desk;
    bool                pulled = agent->state == AGENT_PULLING;
    char                name[32];

    move(agent, AGENT_IDLE);
    if (result->end != AW_EXCHANGE_ANSWERED) {
        agent->unsure = !result->unprocessed || agent->unsure;
        surge_tally_add(&desk->failed, aw_slice_str(aw_exchange_end_name(result->end)), 1);
        if (result->end != AW_EXCHANGE_CLOSED)
            pause_agent(agent, PAUSE_S);
        return;
    }
    if (result->status == 204) {
        agent->unsure = false;
        desk->empty_pulls++;
        if (pulled)
            tell_pulled(agent, true, result->at);
        if (desk->stopping && pulled)
            move(agent, AGENT_STOPPED);
        next(agent);
        return;
    }
    if (result->status != 200 || !take_leases(agent, result)) {
        surge_tally_add(&desk->refused, result->status == 200 ? AW_SLICE("bad-answer") : surge_answer_problem(result, name), 1);
        if (agent->count == 0) {
            pause_agent(agent, PAUSE_S);
            return;
        }
    } else {
        agent->unsure = false;
    }
    if (pulled && agent->count > 0) {
        aw_histogram_record(&desk->pull_wait, result->at - agent->due);
        tell_pulled(agent, false, result->at);
    }
    next(agent);
}

static void
pull(struct surge_agent *agent)
{
    struct surge_desk *desk = agent->desk;
    bool               msgpack = aw_media_is_msgpack(desk->config.options->media);
    const char        *body = agent->pull_body[desk->stopping];

    agent->asked_at = aw_clock_mono();
    if (desk->config.pace == NULL)
        agent->due = agent->asked_at;
    if (agent->unsure) {
        if (ask(agent, "GET", "/v1/leases", (struct aw_slice){NULL, 0}, msgpack ? AW_MEDIA_MSGPACK : AW_MEDIA_JSON, PULL_SLACK_S,
                on_pulled))
            move(agent, AGENT_ASKING);
        return;
    }
    agent->owes = true;
    if (!ask(agent, "POST", "/v1/leases", aw_slice_str(body), AW_MEDIA_JSON, desk->config.options->wait_s + PULL_SLACK_S,
             on_pulled))
        return;
    agent->owes = false;
    desk->pulls++;
    move(agent, AGENT_PULLING);
}

/* --- completing ------------------------------------------------------------------------------------------------------------- */

static void
mark(struct surge_desk *desk, const struct surge_lease *lease, void (*how)(struct surge_ledger *, uint32_t))
{
    for (uint32_t i = 0; i < lease->count; i++)
        how(desk->config.ledger, lease->entries[i]);
}

static void
count_completed(struct surge_agent *agent, uint32_t index, bool duplicate)
{
    struct surge_desk  *desk = agent->desk;
    struct surge_lease *lease = agent->leases[index];

    mark(desk, lease, surge_ledger_answered);
    if (lease->partial)
        surge_ledger_answer_older(desk->config.ledger, lease->entries[0]);
    desk->completed++;
    desk->repeated += duplicate && lease->repeated;
    forget(agent, index);
}

/* The lease is no longer ours, and the server did not say that we completed it. */
static void
count_lost(struct surge_agent *agent, uint32_t index)
{
    struct surge_lease *lease = agent->leases[index];

    /* A completion that went unanswered may have been done, and the ticket reopened since. */
    mark(agent->desk, lease, lease->repeated ? surge_ledger_maybe : surge_ledger_refused);
    agent->desk->lost++;
    forget(agent, index);
}

/* What became of the completion of lease number `index`. True: it is gone from the list; false: the agent still holds it. */
static bool
settle(struct surge_agent *agent, uint32_t index, const struct surge_line_answer *answer, bool msgpack, struct aw_slice reason)
{
    struct surge_desk  *desk = agent->desk;
    struct surge_lease *lease = agent->leases[index];
    uint32_t            new_ = 0;
    aw_ns               since = UINT64_MAX;
    char                ticket[AW_ID_TEXT_BYTES];

    if (answer->status == 200) {
        count_completed(agent, index, answer->duplicate);
        return true;
    }
    if (aw_slice_eq(answer->problem, AW_SLICE("lease-lost"))) {
        count_lost(agent, index);
        return true;
    }
    mark(desk, lease, surge_ledger_refused);
    lease->completing = false;
    if (aw_slice_eq(answer->problem, AW_SLICE("new-messages"))) {
        surge_entry_ticket(&desk->config.ledger->entries[lease->entries[0]], ticket);
        desk->overtaken++;
        if (note_messages(desk, lease, answer->messages, aw_slice_str(ticket), msgpack, &new_, &since) && new_ > 0)
            return false;
    }
    surge_tally_add(&desk->refused, reason, 1);
    return false;
}

/* Nobody told what became of the completion under way. */
static void
on_untold(struct surge_agent *agent, const struct aw_exchange_result *result)
{
    struct surge_desk *desk = agent->desk;

    surge_tally_add(&desk->failed, aw_slice_str(aw_exchange_end_name(result->end)), 1);
    if (desk->config.options->retry && result->end != AW_EXCHANGE_CLOSED) {
        for (uint32_t i = 0; i < agent->sent; i++)
            agent->leases[i]->repeated = agent->leases[i]->repeated || !result->unprocessed;
        move(agent, AGENT_HANDLING); /* the same again: the server knows what it did */
        pause_agent(agent, PAUSE_S);
        return;
    }
    for (; agent->sent > 0; agent->sent--) {
        mark(desk, agent->leases[0], result->unprocessed ? surge_ledger_refused : surge_ledger_maybe);
        desk->unknown += !result->unprocessed;
        forget(agent, 0);
    }
    move(agent, AGENT_IDLE);
    if (result->end != AW_EXCHANGE_CLOSED)
        pause_agent(agent, PAUSE_S);
}

/* Lines are in order; one that is missing leaves its lease with the agent, which tries again. False: the answer is broken. */
static bool
settle_many(struct surge_agent *agent, const struct aw_exchange_result *result, bool *ret_left)
{
    bool                     msgpack = surge_answer_is_msgpack(result);
    uint32_t                 index = 0;
    struct surge_walk        walk;
    struct surge_line_answer answer;

    surge_walk_begin(&walk, result->body, msgpack);
    for (uint32_t line = 0; line < agent->sent; line++) {
        if (!surge_walk_more(&walk) || !surge_answer_line(&walk, &answer) || answer.line != line + 1) {
            surge_tally_add(&agent->desk->refused, AW_SLICE("bad-answer"), 1);
            return false;
        }
        if (!settle(agent, index, &answer, msgpack, answer.problem.len > 0 ? answer.problem : AW_SLICE("bad-answer"))) {
            *ret_left = true;
            index++;
        }
    }
    return true;
}

static bool
settle_one(struct surge_agent *agent, const struct aw_exchange_result *result)
{
    bool                     msgpack = surge_answer_is_msgpack(result);
    struct surge_line_answer answer = {.line = 0};
    struct surge_walk        walk;
    char                     name[32];

    surge_walk_begin(&walk, result->body, msgpack);
    if (result->body.len > 0 && !surge_answer_line(&walk, &answer))
        answer = (struct surge_line_answer){.line = 0};
    answer.status = result->status;
    return settle(agent, 0, &answer, msgpack, surge_answer_problem(result, name));
}

static void
on_completed(void *user, const struct aw_exchange_result *result)
{
    struct surge_agent *agent = user;
    struct surge_desk  *desk = agent->desk;
    uint64_t            before = desk->completed;
    bool                left = false;
    char                name[32];

    if (result->end != AW_EXCHANGE_ANSWERED) {
        on_untold(agent, result);
        return;
    }
    desk->last_at = result->at;
    aw_histogram_record(&desk->complete, result->at - agent->asked_at);
    if (!desk->config.options->bulk) {
        left = !settle_one(agent, result);
    } else if (result->status == 200) {
        left = !settle_many(agent, result, &left) || left;
    } else {
        surge_tally_add(&desk->refused, surge_answer_problem(result, name), 1);
        left = true;
    }
    for (uint32_t i = 0; i < agent->count; i++) { /* those of which nothing was said are open again */
        if (agent->leases[i]->completing)
            mark(desk, agent->leases[i], surge_ledger_refused);
        agent->leases[i]->completing = false;
    }
    agent->sent = 0;
    move(agent, agent->count > 0 ? AGENT_HANDLING : AGENT_IDLE);
    if (left) /* it handles them again, with what is new */
        pause_agent(agent, (double)desk->config.options->handling_ms / 1e3 + 0.01);
    else
        next(agent);
    if (desk->completed > before)
        desk->config.worked(desk->config.user);
}

static bool
make_body(struct surge_agent *agent)
{
    size_t len = 0;

    if (agent->body_room < (size_t)agent->count * LINE_BYTES) {
        char *body = realloc(agent->body, (size_t)agent->count * LINE_BYTES);

        if (body == NULL)
            return false;
        agent->body = body;
        agent->body_room = (size_t)agent->count * LINE_BYTES;
    }
    for (uint32_t i = 0; i < agent->count; i++)
        len += (size_t)snprintf(agent->body + len, agent->body_room - len, "{\"lease\":\"%.*s\",\"disposition\":\"answered\"}\n",
                                (int)agent->leases[i]->token_len, agent->leases[i]->token);
    return true;
}

static void
complete(struct surge_agent *agent)
{
    struct surge_desk *desk = agent->desk;
    bool               bulk = desk->config.options->bulk;
    uint64_t           timeout_s = (uint64_t)desk->config.options->timeout_s + 1;
    uint32_t           count = bulk ? agent->count : 1;
    char               path[TOKEN_BYTES + 32];
    bool               sent;

    if (bulk && !make_body(agent)) {
        pause_agent(agent, PAUSE_S);
        return;
    }
    agent->asked_at = aw_clock_mono();
    if (bulk) {
        sent = ask(agent, "POST", "/v1/leases/complete", aw_slice_str(agent->body), AW_MEDIA_NDJSON, timeout_s, on_completed);
    } else {
        (void)snprintf(path, sizeof(path), "/v1/leases/%.*s/complete", (int)agent->leases[0]->token_len, agent->leases[0]->token);
        sent = ask(agent, "POST", path, AW_SLICE("{\"disposition\":\"answered\"}"), AW_MEDIA_JSON, timeout_s, on_completed);
    }
    if (!sent)
        return;
    agent->sent = count;
    for (uint32_t i = 0; i < count; i++) {
        agent->leases[i]->completing = true;
        mark(desk, agent->leases[i], surge_ledger_completing);
    }
    move(agent, AGENT_COMPLETING);
}

/* --- an agent's day --------------------------------------------------------------------------------------------------------- */

static void
tell_finished(struct surge_desk *desk)
{
    if (desk->at_work > 0 || desk->told)
        return;
    desk->told = true;
    desk->config.finished(desk->config.user);
}

static void
stop(struct surge_agent *agent)
{
    if (agent->state != AGENT_STOPPED)
        move(agent, AGENT_STOPPED);
    AW_ASSERT(agent->desk->at_work > 0);
    agent->desk->at_work--;
    tell_finished(agent->desk);
}

/* Goes on, whatever is to be done next. */
static void
next(struct surge_agent *agent)
{
    struct surge_desk *desk = agent->desk;
    uint32_t           handling_ms = desk->config.options->handling_ms;

    if (agent->state == AGENT_STOPPED) {
        stop(agent);
        return;
    }
    if (agent->count > 0) {
        move(agent, AGENT_HANDLING);
        if (handling_ms == 0)
            complete(agent);
        else
            pause_agent(agent, (double)handling_ms / 1e3 * (desk->config.options->bulk ? agent->count : 1));
        return;
    }
    if (desk->stopping && !desk->draining && !agent->unsure)
        stop(agent);
    else if (desk->config.pace == NULL || agent->owes || surge_pace_take(desk->config.pace, number_of(agent), &agent->due))
        pull(agent);
}

void
surge_desk_due(struct surge_desk *desk, uint32_t number)
{
    struct surge_agent *agent = &desk->agents[number];

    if (agent->state == AGENT_IDLE && !ev_is_active(&agent->timer) && !desk->stopping)
        next(agent);
}

static void
on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct surge_agent *agent = timer->data;

    (void)loop;
    (void)events;
    if (agent->state == AGENT_HANDLING)
        complete(agent);
    else if (agent->state == AGENT_IDLE)
        next(agent);
}

static void
on_opened(void *user, uint32_t line)
{
    struct surge_desk *desk = user;

    if (!desk->started) {
        if (desk->fleet.open == desk->fleet.config.count)
            desk->config.ready(desk->config.user);
        return;
    }
    for (uint32_t i = line; i < desk->config.options->agents; i += desk->fleet.config.count) {
        struct surge_agent *agent = &desk->agents[i];

        if (!ev_is_active(&agent->timer))
            on_pause_over(desk->config.loop, &agent->timer, 0);
    }
}

static void
on_died(void *user, uint32_t line)
{
    struct surge_desk *desk = user;

    (void)line;
    desk->config.broken(desk->config.user, desk->fleet.why);
}

/* --- opening and closing ---------------------------------------------------------------------------------------------------- */

/* False: no memory. */
static bool
make_bodies(struct surge_agent *agent)
{
    const struct surge_desk_config *config = &agent->desk->config;
    const struct surge_options     *options = config->options;
    const char                     *lanes = config->lanes == NULL ? NULL : config->lanes[number_of(agent)];
    size_t                          room = PULL_BYTES + (lanes == NULL ? 0 : strlen(lanes));

    for (unsigned i = 0; i < 2; i++) {
        agent->pull_body[i] = malloc(room);
        if (agent->pull_body[i] == NULL)
            return false;
        (void)snprintf(agent->pull_body[i], room, "{%s%s%s\"max\":%u,\"wait_s\":%u,\"lease_s\":%u}",
                       lanes == NULL ? "" : "\"lanes\":", lanes == NULL ? "" : lanes, lanes == NULL ? "" : ",", options->max,
                       i == 0 ? options->wait_s : 0, options->lease_s);
    }
    return true;
}

static bool
make_agents(struct surge_desk *desk)
{
    const struct surge_options *options = desk->config.options;

    desk->agents = aw_new_array(struct surge_agent, options->agents);
    if (desk->agents == NULL)
        return false;
    for (uint32_t i = 0; i < options->agents; i++) {
        struct surge_agent *agent = &desk->agents[i];

        agent->desk = desk;
        agent->line = i % options->agent_connections;
        /* After a restart it may be told of leases of an earlier pull beside those of the last one. */
        agent->room = 2 * 100;
        agent->leases = aw_new_array(struct surge_lease *, agent->room);
        ev_init(&agent->timer, on_pause_over);
        agent->timer.data = agent;
        (void)snprintf(agent->name, sizeof(agent->name), "surge-%05u", i);
        if (agent->leases == NULL || !make_bodies(agent))
            return false;
    }
    return true;
}

enum aw_err
surge_desk_open(struct surge_desk *desk, const struct surge_desk_config *config, struct aw_why *why)
{
    const struct surge_fleet_config fleet = {.loop = config->loop,
                                             .client = config->client,
                                             .url = config->url,
                                             .count = config->options->agent_connections,
                                             .retry = config->options->retry,
                                             .opened = on_opened,
                                             .died = on_died,
                                             .user = desk};
    enum aw_err                     err = AW_E_MEMORY;

    *desk = (struct surge_desk){.config = *config, .at_work = config->options->agents};
    if (make_agents(desk))
        err = surge_fleet_open(&desk->fleet, &fleet, why);
    else
        (void)aw_why(why, AW_E_MEMORY, "out of memory");
    if (err != AW_OK)
        surge_desk_close(desk);
    return err;
}

void
surge_desk_start(struct surge_desk *desk, aw_ns now)
{
    desk->started = true;
    desk->started_at = now;
    desk->last_at = now;
    for (uint32_t i = 0; i < desk->config.options->agents; i++)
        next(&desk->agents[i]);
}

void
surge_desk_stop(struct surge_desk *desk, bool drain)
{
    if (desk->stopping)
        return;
    desk->stopping = true;
    desk->draining = drain;
    if (!desk->started)
        desk->at_work = 0;
    for (uint32_t i = 0; desk->started && desk->config.pace != NULL && i < desk->config.options->agents; i++) {
        if (desk->agents[i].state == AGENT_IDLE && !ev_is_active(&desk->agents[i].timer))
            next(&desk->agents[i]); /* no turn comes any more that would tell it */
    }
    tell_finished(desk);
}

void
surge_desk_close(struct surge_desk *desk)
{
    desk->told = true;
    surge_fleet_close(&desk->fleet);
    for (uint32_t i = 0; desk->agents != NULL && i < desk->config.options->agents; i++) {
        struct surge_agent *agent = &desk->agents[i];

        ev_timer_stop(desk->config.loop, &agent->timer);
        while (agent->count > 0)
            forget(agent, agent->count - 1);
        free(agent->leases);
        free(agent->body);
        free(agent->pull_body[0]);
        free(agent->pull_body[1]);
    }
    free(desk->agents);
    desk->agents = NULL;
}
