/* model.c - see model.h. */
#include "sim/model.h"

#include "commit/lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const model_agents[MODEL_AGENTS] = {"ann", "ben", "cid", "dot"};

#define REQUIRE(fact, ...)                                                                                                       \
    do {                                                                                                                         \
        if (!(fact))                                                                                                             \
            sim_broken(__VA_ARGS__);                                                                                             \
    } while (0)
#define NUM(value) ((unsigned long long)(value))

bool
model_init(struct model *model, struct aw_journal *journal, const struct aw_core_settings *settings)
{
    memset(model, 0, offsetof(struct model, records));
    memset(model->lanes, 0, sizeof(model->lanes));
    model->has_second_lane = false;
    model->touched_count = 0;
    model->settings = *settings;
    model->reader = aw_journal_reader_new(journal);
    model->blocks = aw_blocks_new(16384, 65536);
    if (model->reader == NULL || model->blocks == NULL)
        return false;
    aw_arena_init(&model->arena, model->blocks);
    return true;
}

void
model_fini(struct model *model)
{
    aw_journal_reader_free(&model->reader);
    if (model->blocks != NULL)
        aw_arena_reset(&model->arena);
    aw_blocks_free(&model->blocks);
}

/* --- finding ------------------------------------------------------------------------------------------------------------------ */

struct model_ticket *
model_find(struct model *model, uint64_t ticket_seq)
{
    for (uint32_t i = model->ticket_count; i-- > 0;) {
        if (model->tickets[i].id.seq == ticket_seq)
            return &model->tickets[i];
    }
    return NULL;
}

struct model_ticket *
model_in_slot(struct model *model, uint32_t slot)
{
    for (uint32_t i = model->ticket_count; i-- > 0;) {
        if (model->tickets[i].id.slot == slot)
            return &model->tickets[i];
    }
    return NULL;
}

struct model_reply *
model_find_reply(struct model *model, uint64_t seq)
{
    for (uint32_t i = 0; i < model->reply_count; i++) {
        if (model->replies[i].seq == seq)
            return &model->replies[i];
    }
    return NULL;
}

static uint32_t
agent_of(struct aw_slice name)
{
    for (uint32_t i = 0; i < MODEL_AGENTS; i++) {
        if (aw_slice_eq(name, aw_slice_str(model_agents[i])))
            return i;
    }
    return MODEL_NOBODY;
}

static bool
is_open(const struct model_ticket *ticket)
{
    return ticket->state != AW_TICKET_CLOSED;
}

static void
touch(struct model *model, struct model_ticket *ticket)
{
    if (ticket->is_touched)
        return;
    ticket->is_touched = true;
    model->touched[model->touched_count++] = (uint32_t)(ticket - model->tickets);
}

/* --- messages ----------------------------------------------------------------------------------------------------------------- */

/* Five minutes before a departure it can no longer be made: who could still have been helped when he wrote is stranded then. */
static enum aw_class
class_at(const struct model_ticket *ticket, aw_ms now)
{
    const uint64_t handling = UINT64_C(300000), near = UINT64_C(6) * 3600000;
    enum aw_class  said = ticket->said;
    aw_ms          departs_at = ticket->departs_at;

    if (said == AW_CLASS_CARE || departs_at == 0 || departs_at > now + near)
        return said;
    if (departs_at >= now + handling)
        return AW_CLASS_IMMINENT;
    return departs_at >= ticket->departs_said_at + handling && said > AW_CLASS_DISRUPTED ? AW_CLASS_DISRUPTED : said;
}

/* The ticket that this customer's next message belongs to; NULL: a new one. */
static struct model_ticket *
home_of(struct model *model, uint32_t customer, aw_ms now)
{
    struct model_ticket *last = NULL;

    for (uint32_t i = 0; i < model->ticket_count; i++) {
        struct model_ticket *ticket = &model->tickets[i];

        if (ticket->customer != customer)
            continue;
        if (is_open(ticket))
            return ticket;
        if (now - ticket->closed_at < model->settings.reopen_ms && (last == NULL || ticket->closed_at >= last->closed_at))
            last = ticket;
    }
    return last;
}

static struct model_ticket *
open_ticket(struct model *model, const struct model_source *source, const struct aw_command *command)
{
    struct model_ticket *ticket = &model->tickets[model->ticket_count++];
    bool                 is_late = source->received_at != 0 && source->received_at <= model->now &&
                   model->now - source->received_at <= model->settings.backdate_ms;

    REQUIRE(model->ticket_count <= MODEL_TICKETS_MAX, "the test's list of tickets is too short");
    REQUIRE(command->out.effect.lane == (source->customer % 4 == 0 && model->has_second_lane ? 2 : 0),
            "record %llu: a message came to lane %u", NUM(command->out.seq), command->out.effect.lane);
    *ticket = (struct model_ticket){.id = {.seq = command->out.seq},
                                    .customer = source->customer,
                                    .lane = command->out.effect.lane,
                                    .said = AW_CLASS_OTHER,
                                    .age = is_late ? source->received_at : model->now,
                                    .kept_for = MODEL_NOBODY,
                                    .state = AW_TICKET_WAITING};
    return ticket;
}

/* Who closed it may have it first, for a while: whether he is there is not looked at here. */
static void
reopen(struct model *model, struct model_ticket *ticket)
{
    ticket->state = AW_TICKET_WAITING;
    if (ticket->ended_kind == AW_COMMAND_COMPLETE) {
        ticket->kept_for = ticket->ended_agent;
        ticket->kept_until = model->now + model->settings.kept_ms;
    }
}

static void
come_back(struct model *model, struct model_ticket *ticket)
{
    ticket->state = AW_TICKET_WAITING;
    if (ticket->is_deferred) {
        ticket->kept_for = ticket->ended_agent;
        ticket->kept_until = model->now + model->settings.kept_transfer_ms;
    }
    ticket->is_deferred = false;
    ticket->held_until = 0;
}

static void
on_message(struct model *model, const struct aw_command *command)
{
    uint64_t             number = command->in.message.id_hash.low;
    struct model_source *source;
    struct model_ticket *ticket;

    REQUIRE(number < model->source_count, "record %llu: nobody posted that", NUM(command->out.seq));
    source = &model->sources[number];
    REQUIRE(source->seq == 0 || model->now - source->accepted_at >= model->settings.dedupe_ms,
            "record %llu: source %llu was accepted before, as %llu", NUM(command->out.seq), NUM(number), NUM(source->seq));
    ticket = home_of(model, source->customer, model->now);
    REQUIRE(command->out.effect.ticket_seq == (ticket == NULL ? command->out.seq : ticket->id.seq),
            "record %llu: a message of customer %u came to ticket %llu, not to %llu", NUM(command->out.seq), source->customer,
            NUM(command->out.effect.ticket_seq), NUM(ticket == NULL ? command->out.seq : ticket->id.seq));
    if (ticket == NULL)
        ticket = open_ticket(model, source, command);
    else if (ticket->state == AW_TICKET_CLOSED)
        reopen(model, ticket);
    else if (ticket->state == AW_TICKET_HELD && ticket->is_deferred)
        come_back(model, ticket);
    if (source->class_ < ticket->said)
        ticket->said = source->class_;
    if (source->departs_at != 0 && ticket->departs_at == 0) {
        ticket->departs_at = source->departs_at;
        ticket->departs_said_at = model->now;
    }
    if (ticket->state != AW_TICKET_LEASED || class_at(ticket, model->now) < ticket->class_ || ticket->messages == 0)
        ticket->class_ = class_at(ticket, model->now);
    ticket->message_seq = command->out.seq;
    ticket->messages++;
    source->seq_before = source->seq;
    source->seq = command->out.seq;
    source->ticket = ticket->id.seq;
    source->accepted_at = model->now;
    touch(model, ticket);
}

/* --- leases ------------------------------------------------------------------------------------------------------------------- */

static struct model_ticket *
ticket_of(struct model *model, const struct aw_command *command)
{
    struct model_ticket *ticket = model_find(model, command->out.effect.ticket_seq);

    REQUIRE(ticket != NULL, "record %llu: about ticket %llu, which never was", NUM(command->out.seq),
            NUM(command->out.effect.ticket_seq));
    touch(model, ticket);
    return ticket;
}

static void
on_lease(struct model *model, const struct aw_command *command)
{
    const struct aw_in_lease *in = &command->in.lease;
    struct model_ticket      *ticket = ticket_of(model, command);
    uint32_t                  agent = agent_of(in->agent);

    REQUIRE(agent != MODEL_NOBODY, "record %llu: leased to nobody", NUM(command->out.seq));
    REQUIRE(ticket->state != AW_TICKET_LEASED, "record %llu: ticket %llu is leased to %s by %llu, and to %s as well",
            NUM(command->out.seq), NUM(ticket->id.seq), model_agents[ticket->agent], NUM(ticket->fence), model_agents[agent]);
    REQUIRE(ticket->state == AW_TICKET_WAITING, "record %llu: leased a ticket that does not wait", NUM(command->out.seq));
    REQUIRE(ticket->declined_until[agent] <= model->now, "record %llu: %s declined this ticket", NUM(command->out.seq),
            model_agents[agent]);
    REQUIRE(model->lanes[ticket->lane] == AW_LANE_OPEN || model->lanes[ticket->lane] == AW_LANE_PAUSED_IN,
            "record %llu: leased from a lane that gives nothing out", NUM(command->out.seq));
    ticket->state = AW_TICKET_LEASED;
    ticket->fence = command->out.seq;
    ticket->agent = agent;
    ticket->expires_at = model->now + in->lease_ms;
    ticket->seen_seq = ticket->message_seq;
    ticket->is_aside = false;
}

/* The lease runs, and this is its token and its agent. */
static struct model_ticket *
held_by(struct model *model, const struct aw_command *command)
{
    const struct aw_in_fenced *in = &command->in.fenced;
    struct model_ticket       *ticket = ticket_of(model, command);

    REQUIRE(ticket->state == AW_TICKET_LEASED && ticket->fence == in->lease.fence,
            "record %llu: %s under token %llu of ticket %llu, whose token is %llu", NUM(command->out.seq),
            aw_command_name(command->kind), NUM(in->lease.fence), NUM(ticket->id.seq),
            NUM(ticket->state == AW_TICKET_LEASED ? ticket->fence : 0));
    REQUIRE(model->now < ticket->expires_at, "record %llu: %s under a token that ended %llu ms ago", NUM(command->out.seq),
            aw_command_name(command->kind), NUM(model->now - ticket->expires_at));
    REQUIRE(agent_of(in->agent) == ticket->agent, "record %llu: by another agent than its holder", NUM(command->out.seq));
    return ticket;
}

static void
end_lease(struct model_ticket *ticket, enum aw_command_kind kind, uint64_t op_hash)
{
    ticket->ended_fence = ticket->fence;
    ticket->ended_kind = kind;
    ticket->ended_op = op_hash;
    ticket->ended_agent = ticket->agent;
    ticket->fence = 0;
}

static void
on_reply(struct model *model, const struct model_ticket *ticket, uint64_t seq)
{
    REQUIRE(model->reply_count < MODEL_REPLIES_MAX, "the test's list of replies is too short");
    model->replies[model->reply_count++] = (struct model_reply){.seq = seq, .ticket = ticket->id.seq, .state = AW_REPLY_WAITING};
}

/* Its holder did not know of the newest message: the command told him, and did no more. */
static bool
has_news(struct model_ticket *ticket, const struct aw_command *command)
{
    if (ticket->message_seq <= ticket->seen_seq)
        return false;
    REQUIRE(command->out.effect.state == AW_TICKET_LEASED, "record %llu: done with over a message that was not seen",
            NUM(command->out.seq));
    ticket->seen_seq = ticket->message_seq;
    return true;
}

static void
on_complete(struct model *model, const struct aw_command *command)
{
    struct model_ticket *ticket = held_by(model, command);

    if (has_news(ticket, command))
        return;
    if (command->in.fenced.reply.is_there)
        on_reply(model, ticket, command->out.seq);
    end_lease(ticket, command->kind, command->in.fenced.op_hash);
    ticket->state = AW_TICKET_CLOSED;
    ticket->closed_at = model->now;
    ticket->kept_for = MODEL_NOBODY;
    memset(ticket->declined_until, 0, sizeof(ticket->declined_until));
}

/* It comes back with its class as the clock says it, and its age. */
static void
requeue(struct model *model, struct model_ticket *ticket)
{
    ticket->state = AW_TICKET_WAITING;
    ticket->class_ = class_at(ticket, model->now);
}

static void
on_fenced(struct model *model, const struct aw_command *command)
{
    const struct aw_in_fenced *in = &command->in.fenced;
    struct model_ticket       *ticket = held_by(model, command);

    if (command->kind == AW_COMMAND_EXTEND) {
        ticket->expires_at = in->lease_ms == 0 ? ticket->expires_at : model->now + in->lease_ms;
        ticket->seen_seq = ticket->message_seq;
        return;
    }
    if (command->kind == AW_COMMAND_REPLY) {
        on_reply(model, ticket, command->out.seq);
        return;
    }
    if (command->kind == AW_COMMAND_DEFER && has_news(ticket, command))
        return;
    end_lease(ticket, command->kind, in->op_hash);
    requeue(model, ticket);
    if (command->kind == AW_COMMAND_DECLINE)
        ticket->declined_until[ticket->agent] = model->now + model->settings.decline_ms;
    if (command->kind == AW_COMMAND_TRANSFER)
        ticket->lane = command->out.effect.lane;
    if (command->kind == AW_COMMAND_TRANSFER && command->in.transfer.to.len > 0) {
        ticket->kept_for = agent_of(command->in.transfer.to);
        ticket->kept_until = model->now + model->settings.kept_transfer_ms;
        ticket->declined_until[ticket->kept_for] = 0;
    }
    if (command->kind == AW_COMMAND_DEFER) {
        ticket->state = AW_TICKET_HELD;
        ticket->is_deferred = true;
        ticket->held_until = command->in.defer.until;
    }
}

static void
on_epoch(struct model *model, const struct aw_command *command)
{
    REQUIRE(command->in.epoch.epoch == model->epoch + 1, "epoch %llu follows %llu", NUM(command->in.epoch.epoch),
            NUM(model->epoch));
    model->epoch++;
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        struct model_ticket *ticket = &model->tickets[i];

        if (ticket->state == AW_TICKET_LEASED && ticket->expires_at < model->now + 30000)
            ticket->expires_at = model->now + 30000;
    }
    for (uint32_t i = 0; i < model->reply_count; i++) {
        struct model_reply *reply = &model->replies[i];

        if (reply->state == AW_REPLY_LEASED && reply->until < model->now + 30000)
            reply->until = model->now + 30000;
    }
}

static void
on_timer(struct model *model, const struct aw_command *command)
{
    struct model_ticket *ticket = ticket_of(model, command);

    switch (command->out.effect.cause) {
    case AW_TIMER_LEASE_OVER:
        REQUIRE(ticket->state == AW_TICKET_LEASED && ticket->expires_at <= model->now,
                "record %llu: a lease ended %llu ms before its time", NUM(command->out.seq),
                NUM(ticket->expires_at - model->now));
        end_lease(ticket, AW_COMMAND_TIMER, 0);
        requeue(model, ticket);
        return;
    case AW_TIMER_HOLD_OVER:
        REQUIRE(ticket->state == AW_TICKET_HELD, "record %llu: not held", NUM(command->out.seq));
        REQUIRE(ticket->is_deferred || (ticket->held_until != 0 && ticket->held_until <= model->now),
                "record %llu: a hold ended before its time", NUM(command->out.seq));
        come_back(model, ticket);
        ticket->class_ = class_at(ticket, model->now);
        return;
    case AW_TIMER_CLASS_CHANGED:
        if (ticket->is_deferred && class_at(ticket, model->now) < ticket->class_)
            come_back(model, ticket);
        ticket->class_ = class_at(ticket, model->now);
        return;
    case AW_TIMER_ASIDE_OVER:
    case AW_TIMER_COMMITMENT_DUE:
    case AW_TIMER_NOTHING:
    case AW_TIMER_HELPERS_VOID:
    case AW_TIMER_HELP_DUE:
    case AW_TIMER_STILL_NEEDED:
        return;
    }
}

static void
on_desk(struct model *model, const struct aw_command *command)
{
    struct model_ticket *ticket = ticket_of(model, command);

    if (command->kind == AW_COMMAND_HOLD) {
        REQUIRE(ticket->state == AW_TICKET_WAITING || ticket->state == AW_TICKET_HELD, "record %llu: held out of turn",
                NUM(command->out.seq));
        ticket->state = AW_TICKET_HELD;
        ticket->is_deferred = false;
        ticket->held_until = command->in.ticket.until;
    } else if (command->kind == AW_COMMAND_UNHOLD) {
        REQUIRE(ticket->state == AW_TICKET_HELD, "record %llu: not held", NUM(command->out.seq));
        come_back(model, ticket);
        ticket->class_ = class_at(ticket, model->now);
    } else if (command->kind == AW_COMMAND_CANCEL) {
        REQUIRE(is_open(ticket), "record %llu: not open", NUM(command->out.seq));
        if (ticket->state == AW_TICKET_LEASED)
            end_lease(ticket, command->kind, 0);
        ticket->is_deferred = false;
        ticket->state = AW_TICKET_CLOSED;
        ticket->closed_at = model->now;
        ticket->kept_for = MODEL_NOBODY;
        memset(ticket->declined_until, 0, sizeof(ticket->declined_until));
    } else {
        ticket->lane = command->out.effect.lane;
        if (ticket->state != AW_TICKET_LEASED)
            ticket->class_ = class_at(ticket, model->now);
    }
}

/* --- replies ------------------------------------------------------------------------------------------------------------------ */

static bool
is_out(const struct model_reply *reply)
{
    return reply->state == AW_REPLY_SENT || reply->state == AW_REPLY_DEAD;
}

/* The record does not say which were given out: whatever the state says is judged by what it was before. Of several in a group each
 * asked for another time; a start may have prolonged that. */
static void
on_reply_lease(struct model *model, const struct aw_command *command)
{
    for (uint32_t i = 0; i < model->reply_count; i++) {
        struct model_reply  *reply = &model->replies[i];
        struct aw_reply_view view;

        if (is_out(reply) || aw_state_reply(model->state, reply->seq, &view) != AW_OK || view.attempt == reply->given ||
            (!model->is_start && view.due_at != model->now + command->in.reply_lease.lease_ms))
            continue;
        REQUIRE(reply->state != AW_REPLY_LEASED, "record %llu: reply %llu is given out twice at once", NUM(command->out.seq),
                NUM(reply->seq));
        reply->state = AW_REPLY_LEASED;
        reply->fence = command->out.seq;
        reply->given = view.attempt;
        reply->until = model->now + command->in.reply_lease.lease_ms;
    }
}

static void
on_reply_status(struct model *model, const struct aw_command *command)
{
    const struct aw_in_reply_status *in = &command->in.reply_status;
    struct model_reply              *reply = model_find_reply(model, in->reply.seq);

    REQUIRE(reply != NULL, "record %llu: of a reply that never was", NUM(command->out.seq));
    if (in->state == AW_REPLY_SENT) {
        REQUIRE(reply->state != AW_REPLY_SENT, "record %llu: reply %llu was sent before", NUM(command->out.seq), NUM(reply->seq));
        reply->state = AW_REPLY_SENT;
        reply->sent_seq = command->out.seq;
        return;
    }
    REQUIRE(reply->state == AW_REPLY_LEASED && reply->fence == in->fence, "record %llu: reply %llu failed under an old lease",
            NUM(command->out.seq), NUM(reply->seq));
    reply->state = reply->given >= model->settings.reply_attempts_max ? AW_REPLY_DEAD : AW_REPLY_WAITING;
}

static void
on_reply_timer(struct model *model, const struct aw_command *command)
{
    struct model_reply *reply = model_find_reply(model, command->in.reply_timer.seq);

    REQUIRE(reply != NULL, "record %llu: of a reply that never was", NUM(command->out.seq));
    if (reply->state != AW_REPLY_LEASED)
        return; /* it failed, and may be tried again now */
    REQUIRE(reply->until <= model->now, "record %llu: a gateway's lease ended before its time", NUM(command->out.seq));
    reply->state = reply->given >= model->settings.reply_attempts_max ? AW_REPLY_DEAD : AW_REPLY_WAITING;
}

/* --- reading ------------------------------------------------------------------------------------------------------------------ */

static void
on_lane(struct model *model, const struct aw_command *command)
{
    uint32_t lane;

    REQUIRE(aw_state_find_lane(model->state, command->in.lane.name, &lane) == AW_OK && lane < MODEL_LANES_MAX, "a lane is lost");
    model->lanes[lane] = command->in.lane.pause;
    model->has_second_lane |= lane == 2;
}

static void
on_record(struct model *model, const struct aw_command *command)
{
    enum aw_command_kind kind = command->kind;

    if (kind == AW_COMMAND_MESSAGE)
        on_message(model, command);
    else if (kind == AW_COMMAND_LEASE)
        on_lease(model, command);
    else if (kind == AW_COMMAND_COMPLETE)
        on_complete(model, command);
    else if (aw_command_is_fenced(kind))
        on_fenced(model, command);
    else if (kind == AW_COMMAND_TIMER)
        on_timer(model, command);
    else if (kind == AW_COMMAND_EPOCH)
        on_epoch(model, command);
    else if (aw_command_is_bulk(kind))
        on_desk(model, command);
    else if (kind == AW_COMMAND_LANE)
        on_lane(model, command);
    else if (kind == AW_COMMAND_REPLY_LEASE)
        on_reply_lease(model, command);
    else if (kind == AW_COMMAND_REPLY_STATUS)
        on_reply_status(model, command);
    else if (kind == AW_COMMAND_REPLY_TIMER)
        on_reply_timer(model, command);
    else
        REQUIRE(kind == AW_COMMAND_SETTINGS, "record %llu: nobody asked for a %s", NUM(command->out.seq), aw_command_name(kind));
}

static void
read_batch(struct model *model, struct aw_slice batch)
{
    struct aw_batch_header header;
    struct aw_record       record;
    struct aw_why          why = {.text = ""};
    struct aw_slice        at = aw_slice_of(batch.ptr + AW_BATCH_HEADER_BYTES, batch.len - AW_BATCH_HEADER_BYTES);

    REQUIRE(aw_batch_header_read(batch, &header, &why) == AW_OK, "a batch is damaged: %s", why.text);
    REQUIRE(header.now >= model->now, "batch %llu: record time goes back", NUM(header.index));
    model->now = header.now;
    while (aw_record_next(&at, &record, &why) == AW_OK) {
        struct aw_command command;
        uint32_t          slot = 0;

        aw_arena_reset(&model->arena);
        REQUIRE(aw_record_read(&record, &model->arena, &command, &why) == AW_OK, "a record is damaged: %s", why.text);
        REQUIRE(record.seq == model->read_seq + 1, "record %llu follows %llu", NUM(record.seq), NUM(model->read_seq));
        REQUIRE(record.seq < MODEL_RECORDS_MAX, "the test's list of records is too short");
        model->read_seq = record.seq;
        on_record(model, &command);
        if (aw_command_slot(&command, &slot))
            ticket_of(model, &command)->id.slot = slot;
        model->records[record.seq] = (struct model_record){.kind = (uint8_t)command.kind, .slot = slot};
    }
}

/* --- comparing ---------------------------------------------------------------------------------------------------------------- */

/* Something that a person or an agent said keeps it from some. */
static bool
may_be_aside(const struct model *model, const struct model_ticket *ticket)
{
    bool may = ticket->kept_for != MODEL_NOBODY;

    (void)model;
    for (uint32_t i = 0; i < MODEL_AGENTS; i++)
        may |= ticket->declined_until[i] != 0;
    return may;
}

static void
compare(struct model *model, struct model_ticket *ticket)
{
    struct aw_ticket_view view;
    enum aw_err           err = aw_state_ticket(model->state, ticket->id, &view);
    unsigned long long    number = NUM(ticket->id.seq);

    if (err != AW_OK) {
        REQUIRE(!is_open(ticket) && model->now - ticket->closed_at >= model->settings.reopen_ms, "ticket %llu is lost", number);
        return;
    }
    REQUIRE(view.state == ticket->state, "ticket %llu is %d, not %d", number, (int)view.state, (int)ticket->state);
    REQUIRE(view.age == ticket->age, "ticket %llu: its age moved by %lld ms", number, (long long)(view.age - ticket->age));
    REQUIRE(view.messages_total == ticket->messages, "ticket %llu has %u messages, not %u", number, view.messages_total,
            ticket->messages);
    REQUIRE(view.lane == ticket->lane, "ticket %llu lies in lane %u, not %u", number, view.lane, ticket->lane);
    if (ticket->state == AW_TICKET_LEASED) {
        REQUIRE(view.lease.fence == ticket->fence, "ticket %llu: held by token %llu, not %llu", number, NUM(view.lease.fence),
                NUM(ticket->fence));
        REQUIRE(view.expires_at == ticket->expires_at, "ticket %llu: its lease ends at %llu, not %llu", number,
                NUM(view.expires_at), NUM(ticket->expires_at));
        REQUIRE(agent_of(view.holder) == ticket->agent, "ticket %llu: another holder", number);
    }
    /* The clock's word counts from when a ticket is next touched. */
    if (ticket->departs_at != 0 && view.class_ == class_at(ticket, model->now))
        ticket->class_ = view.class_;
    if (is_open(ticket))
        REQUIRE(view.class_ == ticket->class_, "ticket %llu is of class %d, not %d", number, (int)view.class_,
                (int)ticket->class_);
    REQUIRE(!view.is_aside || may_be_aside(model, ticket), "ticket %llu waits aside for no reason", number);
    ticket->is_aside = view.is_aside;
    ticket->version = view.version;
}

struct aw_slice
model_body(uint32_t number, uint32_t bytes)
{
    static char text[MODEL_SOURCES_MAX + MODEL_BODY_BYTES_MAX]; /* each begins elsewhere in it */
    uint32_t    word = 1;

    for (size_t i = 0; text[0] == '\0' && i < sizeof(text); i++) {
        word = word * 1664525U + 1013904223U;
        text[sizeof(text) - 1 - i] = (char)('a' + (word >> 24) % 26);
    }
    AW_ASSERT(number < MODEL_SOURCES_MAX && bytes <= MODEL_BODY_BYTES_MAX);
    return aw_slice_of(text + number, bytes);
}

/* Whoever is given this ticket can read its newest message, however much was trimmed. */
static void
check_body(struct model *model, const struct model_ticket *ticket)
{
    struct aw_slice body;
    enum aw_err     err = aw_journal_read_body(model->reader, ticket->message_seq, &body);
    struct aw_slice posted = {NULL, 0};

    for (uint32_t i = 0; i < model->source_count; i++) {
        if (model->sources[i].seq == ticket->message_seq)
            posted = model_body(i, model->sources[i].body_bytes);
    }
    REQUIRE(err == AW_OK && aw_slice_eq(body, posted), "message %llu of ticket %llu cannot be read: %s", NUM(ticket->message_seq),
            NUM(ticket->id.seq), aw_err_name(err));
}

static void
check_bodies(struct model *model)
{
    REQUIRE(aw_journal_read_begin(model->reader) == AW_OK, "the journal cannot be read");
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        if (is_open(&model->tickets[i]))
            check_body(model, &model->tickets[i]);
    }
    aw_journal_read_end(model->reader);
}

void
model_sync(struct model *model, const struct aw_state *state, bool is_start)
{
    struct aw_slice batch;
    uint64_t        first;

    model->state = state;
    model->is_start = is_start;
    if (!is_start && aw_state_seq(state) == model->read_seq)
        return;
    REQUIRE(aw_journal_read_begin(model->reader) == AW_OK, "the journal cannot be read");
    while (aw_journal_read_next(model->reader, model->read_seq + 1, &first, &batch) == AW_OK) {
        REQUIRE(first == model->read_seq + 1, "records %llu to %llu are gone", NUM(model->read_seq + 1), NUM(first - 1));
        read_batch(model, batch);
    }
    aw_journal_read_end(model->reader);
    REQUIRE(aw_state_seq(state) == model->read_seq, "the state knows of record %llu, durable is %llu", NUM(aw_state_seq(state)),
            NUM(model->read_seq));
    for (uint32_t i = 0; i < (is_start ? model->ticket_count : model->touched_count); i++)
        compare(model, &model->tickets[is_start ? i : model->touched[i]]);
    if (is_start)
        check_bodies(model);
    while (model->touched_count > 0)
        model->tickets[model->touched[--model->touched_count]].is_touched = false;
}

/* --- the order of pulls ------------------------------------------------------------------------------------------------------- */

bool
model_is_on_offer(const struct model *model, const struct model_ticket *ticket)
{
    enum aw_lane_pause pause = model->lanes[ticket->lane];

    return ticket->state == AW_TICKET_WAITING && !ticket->is_aside && ticket->in_hand == 0 &&
           (pause == AW_LANE_OPEN || pause == AW_LANE_PAUSED_IN);
}

static bool
serves(const uint32_t *lanes, uint32_t count, uint32_t lane)
{
    for (uint32_t i = 0; lanes != NULL && i < count; i++) {
        if (lanes[i] == lane)
            return true;
    }
    return lanes == NULL;
}

/* Imminent tickets wait in two queues, first in first out within a tick: whether this one surely is the first in one of them.
 * One that was taken out of the other queue still lies in this one. */
static bool
is_head(const struct model *model, const struct model_ticket *ticket, bool by_age)
{
    aw_ms key = by_age ? ticket->age : ticket->departs_at;

    for (uint32_t i = 0; i < model->ticket_count; i++) {
        const struct model_ticket *other = &model->tickets[i];
        aw_ms                      other_key = by_age ? other->age : other->departs_at;

        if (other != ticket && other->class_ == AW_CLASS_IMMINENT && other->lane == ticket->lane &&
            other->state == AW_TICKET_WAITING && other_key / AW_LANES_TICK_MS <= key / AW_LANES_TICK_MS)
            return false;
    }
    return true;
}

/* What was taken may have been found in either of its queues. */
static bool
overtakes_as(aw_ms now, const struct model_ticket *taken, const struct rule_ticket *other)
{
    struct rule_ticket by_class = {taken->class_, taken->age, taken->departs_at};
    struct rule_ticket by_age = {taken->class_, taken->age, 0};

    return rule_overtakes(now, &by_class, other) && (taken->class_ != AW_CLASS_IMMINENT || rule_overtakes(now, &by_age, other));
}

/* A pull compares the heads of queues, which are exact but for imminent tickets that are first neither by departure nor by age. */
static bool
overtakes(const struct model *model, aw_ms now, const struct model_ticket *taken, const struct model_ticket *other)
{
    struct rule_ticket by_class = {other->class_, other->age, other->departs_at};
    struct rule_ticket by_age = {other->class_, other->age, 0};

    if (other->class_ != AW_CLASS_IMMINENT)
        return overtakes_as(now, taken, &by_class);
    return (is_head(model, other, false) && overtakes_as(now, taken, &by_class)) ||
           (is_head(model, other, true) && overtakes_as(now, taken, &by_age));
}

void
model_judge_choice(struct model *model, uint32_t slot, uint32_t version, aw_ms now, const uint32_t *lanes, uint32_t count)
{
    struct model_ticket *taken = model_in_slot(model, slot);

    REQUIRE(taken != NULL, "slot %u was given out and never had a ticket that is durable", slot);
    if (taken->state != AW_TICKET_WAITING || taken->version != version)
        return; /* the committer says no to that */
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        const struct model_ticket *other = &model->tickets[i];

        if (other == taken || !model_is_on_offer(model, other) || !serves(lanes, count, other->lane))
            continue;
        REQUIRE(!overtakes(model, now, taken, other),
                "ticket %llu (class %d, age %llu) overtook %llu (class %d, age %llu) at %llu", NUM(taken->id.seq),
                (int)taken->class_, NUM(taken->age), NUM(other->id.seq), (int)other->class_, NUM(other->age), NUM(now));
    }
}

bool
model_is_drained(const struct model *model, char *ret_left)
{
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        const struct model_ticket *ticket = &model->tickets[i];

        if (!is_open(ticket))
            continue;
        if (ret_left != NULL)
            (void)snprintf(ret_left, MODEL_LEFT_BYTES, "ticket %llu in state %d%s, lane %u, slot %u", NUM(ticket->id.seq),
                           (int)ticket->state, ticket->is_aside ? " aside" : "", ticket->lane, ticket->id.slot);
        return false;
    }
    for (uint32_t i = 0; i < model->reply_count; i++) {
        if (is_out(&model->replies[i]))
            continue;
        if (ret_left != NULL)
            (void)snprintf(ret_left, MODEL_LEFT_BYTES, "reply %llu in state %d", NUM(model->replies[i].seq),
                           (int)model->replies[i].state);
        return false;
    }
    return true;
}
