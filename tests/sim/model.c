/* model.c - see model.h. */
#include "sim/model_parts.h"

#include "commit/lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const model_agents[MODEL_AGENTS] = {"ann", "ben", "cid", "dot"};

bool
model_init(struct model *model, struct aw_journal *journal, const struct aw_core_settings *settings,
           const struct aw_state_limits *limits)
{
    struct aw_why why;

    memset(model, 0, offsetof(struct model, records));
    memset(model->lanes, 0, sizeof(model->lanes));
    memset(model->help, 0, sizeof(model->help));
    for (uint32_t i = 0; i < MODEL_AGENTS; i++)
        model->units[i] = MODEL_NOBODY;
    model->has_second_lane = false;
    model->touched_count = 0;
    model->settings = *settings;
    model->reader = aw_journal_reader_new(journal);
    model->blocks = aw_blocks_new(16384, 65536);
    if (model->reader == NULL || model->blocks == NULL || aw_state_new(&model->shadow, limits, 0, &why) != AW_OK)
        return false;
    model->shadow_head.next_seq = 1;
    aw_arena_init(&model->arena, model->blocks);
    return true;
}

void
model_fini(struct model *model)
{
    aw_state_free(&model->shadow);
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

struct model_message *
model_find_message(struct model *model, uint64_t seq)
{
    for (uint32_t i = model->message_count; i-- > 0;) {
        if (model->messages[i].seq == seq)
            return &model->messages[i];
    }
    return NULL;
}

uint32_t
model_agent_of(struct aw_slice name)
{
    for (uint32_t i = 0; i < MODEL_AGENTS; i++) {
        if (aw_slice_eq(name, aw_slice_str(model_agents[i])))
            return i;
    }
    return MODEL_NOBODY;
}

void
model_touch(struct model *model, struct model_ticket *ticket)
{
    if (ticket->is_touched)
        return;
    ticket->is_touched = true;
    model->touched[model->touched_count++] = (uint32_t)(ticket - model->tickets);
}

/* --- messages ----------------------------------------------------------------------------------------------------------------- */

void
model_retell(const struct model *model, struct model_ticket *ticket)
{
    ticket->said = AW_CLASS_OTHER;
    ticket->departs_at = 0;
    ticket->messages = 0;
    ticket->withdrawn = 0;
    for (uint32_t i = 0; i < model->message_count; i++) {
        const struct model_message *message = &model->messages[i];
        const struct model_source  *source = &model->sources[message->source];

        if (message->ticket != ticket->id.seq)
            continue;
        if (source->class_ < ticket->said)
            ticket->said = source->class_;
        if (source->departs_at != 0 && ticket->departs_at == 0) {
            ticket->departs_at = source->departs_at;
            ticket->departs_said_at = message->at;
        }
        ticket->message_seq = message->seq;
        ticket->messages++;
        ticket->withdrawn += message->is_withdrawn;
        ticket->is_listening = source->is_talk;
    }
}

/* The ticket that this customer's next message belongs to; NULL: a new one. Of those that closed in one moment, the one about which
 * there is a later record. */
static struct model_ticket *
home_of(struct model *model, uint32_t customer)
{
    struct model_ticket *last = NULL;

    for (uint32_t i = 0; i < model->ticket_count; i++) {
        struct model_ticket *ticket = &model->tickets[i];

        if (ticket->customer != customer || !ticket->is_known)
            continue;
        if (model_is_open(ticket))
            return ticket;
        if (model->now - ticket->closed_at < model->settings.reopen_ms &&
            (last == NULL || ticket->closed_at > last->closed_at ||
             (ticket->closed_at == last->closed_at && ticket->last_seq > last->last_seq)))
            last = ticket;
    }
    return last;
}

void
model_make_known(struct model *model, struct model_ticket *ticket)
{
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        struct model_ticket *other = &model->tickets[i];

        if (other != ticket && other->customer == ticket->customer && !model_is_open(other))
            other->is_known = false;
    }
    ticket->is_known = true;
}

/* In which lane somebody is who writes this. */
static uint32_t
lane_of(const struct model *model, const struct model_source *source)
{
    if (source->is_talk)
        return 1;
    return source->customer % 4 == 0 && model->has_second_lane ? 2 : 0;
}

struct model_ticket *
model_new_ticket(struct model *model, struct aw_ticket_id id, uint32_t customer, uint32_t lane)
{
    struct model_ticket *ticket = &model->tickets[model->ticket_count++];

    REQUIRE(model->ticket_count <= MODEL_TICKETS_MAX, "the test's list of tickets is too short");
    *ticket =
        (struct model_ticket){.id = id, .customer = customer, .lane = lane, .kept_for = MODEL_NOBODY, .state = AW_TICKET_WAITING};
    return ticket;
}

aw_ms
model_age_of(const struct model *model, const struct model_source *source, aw_ms accepted_at)
{
    bool is_late = source->received_at != 0 && source->received_at <= accepted_at &&
                   accepted_at - source->received_at <= model->settings.backdate_ms;

    return is_late ? source->received_at : accepted_at;
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

void
model_end_lease(struct model_ticket *ticket, enum aw_command_kind kind, uint64_t op_hash)
{
    ticket->ended_fence = ticket->fence;
    ticket->ended_kind = kind;
    ticket->ended_op = op_hash;
    ticket->ended_agent = ticket->agent;
    ticket->fence = 0;
}

void
model_answered(struct model *model, struct model_ticket *ticket)
{
    if (ticket->word.due_at == 0)
        return;
    if (!ticket->word.is_broken)
        *(ticket->word.due_at > model->now ? &model->words_kept : &model->words_broken) += 1;
    ticket->word.due_at = 0;
}

void
model_close(struct model *model, struct model_ticket *ticket)
{
    ticket->state = AW_TICKET_CLOSED;
    ticket->closed_at = model->now;
    ticket->is_deferred = false;
    ticket->is_completed = false;
    ticket->kept_for = MODEL_NOBODY;
    memset(ticket->declined_until, 0, sizeof(ticket->declined_until));
}

/* A word to who opts out is none any more: what he says ends his ticket, if that is closed. */
static void
close_anew(struct model *model, struct model_ticket *ticket)
{
    ticket->is_completed = false;
    ticket->word.due_at = 0;
    ticket->closed_at = model->now;
}

static void
add_message(struct model *model, const struct aw_command *command, uint32_t source)
{
    REQUIRE(model->message_count < MODEL_MESSAGES_MAX, "the test's list of messages is too short");
    model->messages[model->message_count++] = (struct model_message){.seq = command->out.seq,
                                                                     .source = source,
                                                                     .named = command->out.u.message.ticket,
                                                                     .ticket = command->out.effect.ticket_seq,
                                                                     .at = model->now};
    model->sources[source].seq = command->out.seq;
    model->sources[source].accepted_at = model->now;
}

/* One that opens a ticket is acknowledged, if that is set so, the customer has an account, and there is room. */
static void
acknowledge(struct model *model, const struct aw_command *command, const struct model_ticket *ticket, bool may)
{
    REQUIRE(may || !command->out.u.message.acknowledged, "record %llu: acknowledged what should not be", NUM(command->out.seq));
    if (command->out.u.message.acknowledged)
        model_add_owed(model, ticket, command->out.seq, AW_REPLY_ACKNOWLEDGEMENT);
    else
        model->left_out += may;
}

/* Whether it closes a ticket that is there: the customer needs no answer any more, or opts out and asks for nothing. What a closed
 * one's class was only the state knows. */
static void
judge_not_needed(const struct aw_command *command, const struct model_source *source, const struct model_ticket *ticket,
                 bool opts_out, bool was_out)
{
    bool says = source->not_needed && ticket->is_asked;
    bool ends = opts_out && (ticket->is_listening || (was_out && !model_is_open(ticket)));
    bool may = ticket->state != AW_TICKET_LEASED && source->class_ != AW_CLASS_CARE &&
               (!model_is_open(ticket) || ticket->class_ != AW_CLASS_CARE);

    REQUIRE(command->out.u.message.not_needed ? may && (says || ends) : !may || (!says && !ends) || !model_is_open(ticket),
            "record %llu: ticket %llu %s", NUM(command->out.seq), NUM(ticket->id.seq),
            command->out.u.message.not_needed ? "is closed by who did not say so" : "stays, and needs no answer any more");
}

/* To which it belongs; NULL: a new one. */
static struct model_ticket *
place_of(struct model *model, const struct aw_command *command, const struct model_source *source)
{
    struct model_ticket *may = NULL, *answered = NULL, *home;

    if (source->is_talk)
        return NULL;
    answered = model_answered_by(model, source, &may);
    if (answered != NULL || (may != NULL && command->out.effect.ticket_seq == may->id.seq))
        return may;
    home = home_of(model, source->customer);
    return home;
}

static void
on_message(struct model *model, const struct aw_command *command)
{
    uint64_t             number = command->in.message.id_hash.low;
    struct model_source *source;
    struct model_ticket *ticket;
    bool                 was_out, opts_out, opens, is_new;

    REQUIRE(number < model->source_count, "record %llu: nobody posted that", NUM(command->out.seq));
    source = &model->sources[number];
    REQUIRE(source->seq == 0 || model->now - source->accepted_at >= model->settings.dedupe_ms,
            "record %llu: source %llu was accepted before, as %llu", NUM(command->out.seq), NUM(number), NUM(source->seq));
    ticket = place_of(model, command, source);
    opens = ticket == NULL;
    is_new = opens;
    REQUIRE(command->out.effect.ticket_seq == (opens ? command->out.seq : ticket->id.seq),
            "record %llu: a message of customer %u came to ticket %llu, not to %llu", NUM(command->out.seq), source->customer,
            NUM(command->out.effect.ticket_seq), NUM(opens ? command->out.seq : ticket->id.seq));
    was_out = model->contacts[source->customer].opted_out_at != 0;
    opts_out = model->has_contacts && !source->is_talk && model_hear(model, source);
    REQUIRE(command->out.u.message.opted_out == opts_out, "record %llu: customer %u %s", NUM(command->out.seq), source->customer,
            opts_out ? "opts out, and is not heard" : "does not opt out");
    if (opens) {
        REQUIRE(command->out.effect.lane == lane_of(model, source), "record %llu: a message came to lane %u",
                NUM(command->out.seq), command->out.effect.lane);
        ticket = model_new_ticket(model, command->out.u.message.ticket, source->customer, command->out.effect.lane);
        ticket->age = model_age_of(model, source, model->now);
        ticket->opened_at = model->now;
    } else {
        judge_not_needed(command, source, ticket, opts_out, was_out);
    }
    if (!opens && !model_is_open(ticket) && !command->out.u.message.not_needed)
        ticket->reply_by = 0; /* that was answered */
    model_note_window(ticket, source, model->now, opens);
    add_message(model, command, (uint32_t)number);
    model_retell(model, ticket);
    ticket->has_account = !source->is_talk && !opts_out;
    if (command->out.u.message.not_needed) {
        if (model_is_open(ticket))
            model_close(model, ticket);
        close_anew(model, ticket);
    } else if (!opens && ticket->state == AW_TICKET_CLOSED) {
        reopen(model, ticket);
        ticket->ask_over = true;
        is_new = true;
    } else if (ticket->state == AW_TICKET_HELD && ticket->is_deferred) {
        come_back(model, ticket);
    }
    if (!command->out.u.message.not_needed)
        model_join(model, ticket);
    if (ticket->state != AW_TICKET_LEASED || model_class_at(model, ticket, model->now, NULL) < ticket->class_ || opens)
        ticket->class_ = model_class_at(model, ticket, model->now, NULL);
    if (is_new)
        model_make_promise(model, ticket, !opts_out && !source->is_talk);
    if (!source->is_talk)
        model_make_known(model, ticket);
    if (opens)
        acknowledge(model, command, ticket, model->has_text[AW_REPLY_ACKNOWLEDGEMENT] && !source->is_talk && !opts_out);
    (void)model_ticket_of(model, command);
}

static void
on_withdraw(struct model *model, const struct aw_command *command)
{
    struct model_ticket  *ticket = model_ticket_of(model, command);
    struct model_message *message = model_find_message(model, command->in.withdraw.message.seq);

    REQUIRE(message != NULL && !message->is_withdrawn, "record %llu: takes back what is not there", NUM(command->out.seq));
    REQUIRE(message->ticket == ticket->id.seq, "record %llu: message %llu is not of ticket %llu", NUM(command->out.seq),
            NUM(message->seq), NUM(ticket->id.seq));
    message->is_withdrawn = true;
    message->erase_seq = command->out.seq;
    model->asked_seq = command->out.seq;
    model_retell(model, ticket);
    if (ticket->withdrawn < ticket->messages)
        return;
    model_drop_owed(model, ticket); /* there is nobody to be told */
    ticket->word.due_at = 0;
    if (!model_is_open(ticket))
        return;
    if (ticket->state == AW_TICKET_LEASED)
        model_end_lease(ticket, command->kind, 0);
    model_close(model, ticket);
}

/* Under a key, so that it is there once, however often somebody asks. */
static void
on_note(struct model *model, const struct aw_command *command)
{
    struct model_ticket *ticket = model_ticket_of(model, command);
    uint64_t             number = command->once.key.low;

    REQUIRE(number < MODEL_NOTES_MAX && model_is_open(ticket), "record %llu: a note that nobody wrote", NUM(command->out.seq));
    REQUIRE(model->noted_at[number] == 0 || model->now - model->noted_at[number] >= AW_ONCE_MS,
            "record %llu: note %llu is written a second time", NUM(command->out.seq), NUM(number));
    model->noted_at[number] = model->now;
    ticket->notes++;
    model_add_text(model, ticket, command->out.seq, (uint32_t)number, 30);
}

/* --- leases ------------------------------------------------------------------------------------------------------------------- */

struct model_ticket *
model_ticket_of(struct model *model, const struct aw_command *command)
{
    struct model_ticket *ticket = model_find(model, command->out.effect.ticket_seq);

    REQUIRE(ticket != NULL, "record %llu: about ticket %llu, which never was", NUM(command->out.seq),
            NUM(command->out.effect.ticket_seq));
    ticket->last_seq = command->out.seq;
    model_touch(model, ticket);
    return ticket;
}

static bool
gives(const struct model *model, uint32_t lane)
{
    return model->lanes[lane] == AW_LANE_OPEN || model->lanes[lane] == AW_LANE_PAUSED_IN;
}

/* Whether it waited so long that this lane helps. */
static bool
is_helped_by(const struct model *model, const struct model_ticket *ticket, uint32_t lane)
{
    const struct model_help *help = &model->help[ticket->lane];

    return help->is_there && help->lane == lane && ticket->age + help->after_ms <= model->now;
}

/* By a lane that gives, and no more than the agent may hold. */
static void
judge_lease(struct model *model, const struct aw_command *command, const struct model_ticket *ticket, uint32_t agent)
{
    uint32_t through = command->in.lease.through == 0 ? ticket->lane : command->in.lease.through - 1, held = 0;

    REQUIRE(gives(model, ticket->lane) && gives(model, through), "record %llu: leased from a lane that gives nothing out",
            NUM(command->out.seq));
    REQUIRE(through == ticket->lane || is_helped_by(model, ticket, through),
            "record %llu: leased through lane %u, which does not help", NUM(command->out.seq), through);
    for (uint32_t i = 0; i < model->ticket_count; i++)
        held += model->tickets[i].state == AW_TICKET_LEASED && model->tickets[i].agent == agent;
    REQUIRE(held < model->units[agent], "record %llu: %s holds %u already, and may hold %u", NUM(command->out.seq),
            model_agents[agent], held, model->units[agent]);
}

static void
on_lease(struct model *model, const struct aw_command *command)
{
    const struct aw_in_lease *in = &command->in.lease;
    struct model_ticket      *ticket = model_ticket_of(model, command);
    uint32_t                  agent = model_agent_of(in->agent);

    REQUIRE(agent != MODEL_NOBODY, "record %llu: leased to nobody", NUM(command->out.seq));
    REQUIRE(ticket->state != AW_TICKET_LEASED, "record %llu: ticket %llu is leased to %s by %llu, and to %s as well",
            NUM(command->out.seq), NUM(ticket->id.seq), model_agents[ticket->agent], NUM(ticket->fence), model_agents[agent]);
    REQUIRE(ticket->state == AW_TICKET_WAITING, "record %llu: leased a ticket that does not wait", NUM(command->out.seq));
    REQUIRE(ticket->declined_until[agent] <= model->now, "record %llu: %s declined this ticket", NUM(command->out.seq),
            model_agents[agent]);
    judge_lease(model, command, ticket, agent);
    model_judge_promise(model, ticket);
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
    struct model_ticket       *ticket = model_ticket_of(model, command);

    REQUIRE(ticket->state == AW_TICKET_LEASED && ticket->fence == in->lease.fence,
            "record %llu: %s under token %llu of ticket %llu, whose token is %llu", NUM(command->out.seq),
            aw_command_name(command->kind), NUM(in->lease.fence), NUM(ticket->id.seq),
            NUM(ticket->state == AW_TICKET_LEASED ? ticket->fence : 0));
    REQUIRE(model->now < ticket->expires_at, "record %llu: %s under a token that ended %llu ms ago", NUM(command->out.seq),
            aw_command_name(command->kind), NUM(model->now - ticket->expires_at));
    REQUIRE(model_agent_of(in->agent) == ticket->agent, "record %llu: by another agent than its holder", NUM(command->out.seq));
    return ticket;
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
        model_add_reply(model, ticket, command);
    if (!command->in.fenced.reply.is_there ||
        !model->needs_approval[ticket->agent]) /* else he hears when a colleague lets it go */
        model_answered(model, ticket);
    model_end_lease(ticket, command->kind, command->in.fenced.op_hash);
    model_close(model, ticket);
    ticket->is_completed = true;
}

/* It comes back with its class as the clock says it, and its age. */
static void
requeue(struct model *model, struct model_ticket *ticket)
{
    ticket->state = AW_TICKET_WAITING;
    ticket->class_ = model_class_at(model, ticket, model->now, NULL);
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
        model_add_reply(model, ticket, command);
        if (!model->needs_approval[ticket->agent]) /* else he hears of it when a colleague lets it go */
            model_answered(model, ticket);
        return;
    }
    if (command->kind == AW_COMMAND_DEFER && has_news(ticket, command))
        return;
    model_end_lease(ticket, command->kind, in->op_hash);
    requeue(model, ticket);
    if (command->kind == AW_COMMAND_DECLINE)
        ticket->declined_until[ticket->agent] = model->now + model->settings.decline_ms;
    if (command->kind == AW_COMMAND_TRANSFER)
        ticket->lane = command->out.effect.lane;
    if (command->kind == AW_COMMAND_TRANSFER && command->in.transfer.to.len > 0) {
        ticket->kept_for = model_agent_of(command->in.transfer.to);
        ticket->kept_until = model->now + model->settings.kept_transfer_ms;
        ticket->declined_until[ticket->kept_for] = 0;
    }
    if (command->kind == AW_COMMAND_DEFER) {
        ticket->state = AW_TICKET_HELD;
        ticket->is_deferred = true;
        ticket->held_until = command->in.defer.until;
        ticket->word = (struct model_word){.due_at = command->in.defer.until, .seq = command->out.seq};
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
    struct model_ticket *ticket = model_ticket_of(model, command);

    switch (command->out.effect.cause) {
    case AW_TIMER_LEASE_OVER:
        REQUIRE(ticket->state == AW_TICKET_LEASED && ticket->expires_at <= model->now,
                "record %llu: a lease ended %llu ms before its time", NUM(command->out.seq),
                NUM(ticket->expires_at - model->now));
        model_end_lease(ticket, AW_COMMAND_TIMER, 0);
        requeue(model, ticket);
        return;
    case AW_TIMER_HOLD_OVER:
        REQUIRE(ticket->state == AW_TICKET_HELD, "record %llu: not held", NUM(command->out.seq));
        REQUIRE(ticket->is_deferred || (ticket->held_until != 0 && ticket->held_until <= model->now),
                "record %llu: a hold ended before its time", NUM(command->out.seq));
        come_back(model, ticket);
        ticket->class_ = model_class_at(model, ticket, model->now, NULL);
        return;
    case AW_TIMER_CLASS_CHANGED:
        if (ticket->is_deferred && model_class_at(model, ticket, model->now, NULL) < ticket->class_)
            come_back(model, ticket);
        ticket->class_ = model_class_at(model, ticket, model->now, NULL);
        return;
    case AW_TIMER_COMMITMENT_DUE:
        REQUIRE(ticket->word.due_at != 0 && ticket->word.due_at <= model->now && !ticket->word.is_broken,
                "record %llu: no word is broken", NUM(command->out.seq));
        ticket->word.is_broken = true;
        model->words_broken++;
        return;
    case AW_TIMER_ASIDE_OVER:
    case AW_TIMER_HELPERS_VOID:
        ticket->class_ = model_class_at(model, ticket, model->now, NULL); /* as it goes to its queue anew */
        return;
    case AW_TIMER_HELP_DUE:
        REQUIRE(ticket->state == AW_TICKET_WAITING && is_helped_by(model, ticket, model->help[ticket->lane].lane),
                "record %llu: another lane helps before its time", NUM(command->out.seq));
        return;
    case AW_TIMER_STILL_NEEDED:
        model_on_ask(model, command, ticket);
        return;
    case AW_TIMER_NOTHING:
        return;
    }
}

static void
on_desk(struct model *model, const struct aw_command *command)
{
    struct model_ticket *ticket = model_ticket_of(model, command);

    if (command->kind == AW_COMMAND_HOLD) {
        REQUIRE(ticket->state == AW_TICKET_WAITING || ticket->state == AW_TICKET_HELD, "record %llu: held out of turn",
                NUM(command->out.seq));
        ticket->state = AW_TICKET_HELD;
        ticket->is_deferred = false;
        ticket->held_until = command->in.ticket.until;
    } else if (command->kind == AW_COMMAND_UNHOLD) {
        REQUIRE(ticket->state == AW_TICKET_HELD, "record %llu: not held", NUM(command->out.seq));
        come_back(model, ticket);
        ticket->class_ = model_class_at(model, ticket, model->now, NULL);
    } else if (command->kind == AW_COMMAND_CANCEL) {
        REQUIRE(model_is_open(ticket), "record %llu: not open", NUM(command->out.seq));
        if (ticket->state == AW_TICKET_LEASED)
            model_end_lease(ticket, command->kind, 0);
        ticket->word.due_at = 0; /* it is not kept by that */
        model_close(model, ticket);
    } else {
        ticket->lane = command->out.effect.lane;
        if (ticket->state == AW_TICKET_WAITING)
            ticket->class_ = model_class_at(model, ticket, model->now, NULL);
    }
}

/* --- reading ------------------------------------------------------------------------------------------------------------------ */

static void
on_lane(struct model *model, const struct aw_command *command)
{
    uint32_t lane;

    REQUIRE(aw_state_find_lane(model->state, command->in.lane.name, &lane) == AW_OK && lane < MODEL_LANES_MAX, "a lane is lost");
    model->lanes[lane] = command->in.lane.pause;
    model->help[lane].is_there = command->in.lane.helper_count > 0;
    model->help[lane].turn++;
    if (command->in.lane.helper_count > 0) {
        REQUIRE(aw_state_find_lane(model->state, command->in.lane.helpers[0].lane, &model->help[lane].lane) == AW_OK,
                "a lane that helps is lost");
        model->help[lane].after_ms = command->in.lane.helpers[0].after_s * AW_MS_PER_S;
    }
    model->has_second_lane |= lane == 2;
}

static void
on_agent(struct model *model, const struct aw_command *command)
{
    uint32_t agent = model_agent_of(command->in.agent.name);

    REQUIRE(agent != MODEL_NOBODY, "record %llu: sets nobody", NUM(command->out.seq));
    model->needs_approval[agent] = command->in.agent.needs_approval;
    model->units[agent] = command->in.agent.units_total;
    if (command->in.agent.unit_count > 0 && command->in.agent.units[0].units < model->units[agent])
        model->units[agent] = command->in.agent.units[0].units;
}

/* What is about no ticket. */
static void
on_other(struct model *model, const struct aw_command *command)
{
    enum aw_command_kind kind = command->kind;

    if (kind == AW_COMMAND_EPOCH)
        on_epoch(model, command);
    else if (kind == AW_COMMAND_LANE)
        on_lane(model, command);
    else if (kind == AW_COMMAND_AGENT)
        on_agent(model, command);
    else if (kind == AW_COMMAND_CHANNEL)
        model_on_channel(model, command);
    else if (kind == AW_COMMAND_TEMPLATE)
        model->has_text[command->in.template_.kind] = command->in.template_.text_count > 0;
    else if (kind == AW_COMMAND_FORECAST)
        model_on_forecast(model, command);
    else if (kind == AW_COMMAND_PROMISE)
        model_on_promise(model, command);
    else if (kind == AW_COMMAND_FLIGHT)
        model_on_flight(model, command);
    else if (kind == AW_COMMAND_AIRPORT)
        model_on_airport(model, command);
    else if (kind == AW_COMMAND_UNDO)
        model_on_undo(model, command);
    else if (kind == AW_COMMAND_INCIDENT)
        model_on_incident(model, command);
    else if (kind == AW_COMMAND_INCIDENT_ANSWER)
        model_on_answer(model, command);
    else if (kind == AW_COMMAND_ERASE)
        model_on_erase(model, command);
    else if (kind == AW_COMMAND_OPT_OUT)
        model_on_opt_out(model, command);
    else if (kind == AW_COMMAND_REPLY_LEASE)
        model_on_reply_lease(model, command);
    else if (kind == AW_COMMAND_REPLY_STATUS)
        model_on_reply_status(model, command);
    else if (kind == AW_COMMAND_REPLY_TIMER)
        model_on_reply_timer(model, command);
    else if (kind == AW_COMMAND_REDRIVE)
        model_on_redrive(model);
    else
        REQUIRE(kind == AW_COMMAND_SETTINGS, "record %llu: nobody asked for a %s", NUM(command->out.seq), aw_command_name(kind));
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
    else if (aw_command_is_bulk(kind))
        on_desk(model, command);
    else if (kind == AW_COMMAND_NOTE)
        on_note(model, command);
    else if (kind == AW_COMMAND_WITHDRAW)
        on_withdraw(model, command);
    else if (kind == AW_COMMAND_APPROVE)
        model_on_approve(model, command);
    else if (kind == AW_COMMAND_UNFOLD)
        model_on_unfold(model, command);
    else if (kind == AW_COMMAND_INCIDENT_LINK)
        model_on_link(model, command);
    else if (kind == AW_COMMAND_INCIDENT_TIMER)
        model_on_incident_timer(model, command);
    else
        on_other(model, command);
}

/* With what a ticket's new version waits. */
static void
note_shown(struct model *model, const struct aw_event *event)
{
    struct model_ticket *ticket;

    if (event->kind != AW_EVENT_QUEUED && event->kind != AW_EVENT_ASIDE && event->kind != AW_EVENT_HIDDEN)
        return;
    ticket = model_in_slot(model, event->slot);
    if (ticket != NULL)
        ticket->shown_by = event->reply_by;
}

/* The second state has just followed this record: it can be asked for what the record does not say. */
static void
on_applied(void *user, const struct aw_batch_header *header, const struct aw_command *command)
{
    struct model *model = user;
    uint64_t      seq = command->out.seq;

    REQUIRE(header->now >= model->now, "batch %llu: record time goes back", NUM(header->index));
    REQUIRE(seq == model->read_seq + 1, "record %llu follows %llu", NUM(seq), NUM(model->read_seq));
    REQUIRE(seq < MODEL_RECORDS_MAX, "the test's list of records is too short");
    model->now = header->now;
    model->read_seq = seq;
    on_record(model, command);
    note_shown(model, &command->out.event);
    model->records[seq] = (struct model_record){.kind = (uint8_t)command->kind};
}

static void
read_batch(struct model *model, struct aw_slice batch)
{
    const struct aw_replay_watch watch = {on_applied, model};
    struct aw_why                why = {.text = ""};

    REQUIRE(aw_replay_batch(model->shadow, batch, &model->shadow_head, &model->arena, &watch, &why) == AW_OK,
            "a second state does not follow the journal: %s", why.text);
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
    enum aw_class         class_;

    if (err != AW_OK) {
        REQUIRE(!model_is_open(ticket) && model->now - ticket->closed_at >= model->settings.reopen_ms, "ticket %llu is lost",
                number);
        return;
    }
    REQUIRE(view.state == ticket->state, "ticket %llu is %d, not %d", number, (int)view.state, (int)ticket->state);
    REQUIRE(view.age == ticket->age, "ticket %llu: its age moved by %lld ms", number, (long long)(view.age - ticket->age));
    REQUIRE(view.messages_total == ticket->messages, "ticket %llu has %u messages, not %u", number, view.messages_total,
            ticket->messages);
    REQUIRE(view.notes_total == ticket->notes, "ticket %llu has %u notes, not %u", number, view.notes_total, ticket->notes);
    REQUIRE(view.message_seq == ticket->message_seq, "ticket %llu: its newest message is %llu, not %llu", number,
            NUM(view.message_seq), NUM(ticket->message_seq));
    if (model_is_open(ticket))
        REQUIRE(view.commitment.due_at == ticket->word.due_at, "ticket %llu: an agent's word is due at %llu, not %llu", number,
                NUM(view.commitment.due_at), NUM(ticket->word.due_at));
    REQUIRE(view.contact.is_listening == (ticket->is_listening && model->has_contacts),
            "ticket %llu: who talks about whom is lost", number);
    REQUIRE(view.incident.seq == model_incident_of(ticket), "ticket %llu is part of incident %llu, not %llu", number,
            NUM(view.incident.seq), NUM(model_incident_of(ticket)));
    REQUIRE(view.lane == ticket->lane, "ticket %llu lies in lane %u, not %u", number, view.lane, ticket->lane);
    if (ticket->state == AW_TICKET_LEASED) {
        REQUIRE(view.lease.fence == ticket->fence, "ticket %llu: held by token %llu, not %llu", number, NUM(view.lease.fence),
                NUM(ticket->fence));
        REQUIRE(view.expires_at == ticket->expires_at, "ticket %llu: its lease ends at %llu, not %llu", number,
                NUM(view.expires_at), NUM(ticket->expires_at));
        REQUIRE(model_agent_of(view.holder) == ticket->agent, "ticket %llu: another holder", number);
    }
    /* The word of clock and events counts from when a ticket is next looked at. */
    class_ = model_class_at(model, ticket, model->now, NULL);
    if ((ticket->departs_at != 0 || ticket->is_retold) && view.class_ == class_)
        ticket->class_ = class_;
    ticket->goes_at = view.departs_at;
    if (model_is_open(ticket))
        REQUIRE(view.class_ == ticket->class_, "ticket %llu is of class %d, not %d", number, (int)view.class_,
                (int)ticket->class_);
    model_compare_times(model, ticket, &view);
    if (model->is_start)
        ticket->shown_by = view.reply_by;
    ticket->is_closing = view.closing;
    REQUIRE(!view.is_aside || may_be_aside(model, ticket), "ticket %llu waits aside for no reason", number);
    ticket->is_aside = view.is_aside;
    ticket->helped_turn = 0;
    if (ticket->state == AW_TICKET_WAITING && view.help.count > 0) {
        REQUIRE(view.help.count == 1 && is_helped_by(model, ticket, view.help.by[0].lane), "ticket %llu: lane %u helps", number,
                view.help.by[0].lane);
        ticket->helped_turn = model->help[ticket->lane].turn;
    }
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
    struct aw_slice             body = {NULL, 0};
    const struct model_message *message = model_find_message(model, ticket->message_seq);
    enum aw_err                 err = aw_journal_read_body(model->reader, ticket->message_seq, &body);

    if (message != NULL && message->erase_seq != 0)
        return;
    REQUIRE(message != NULL && err == AW_OK &&
                aw_slice_eq(body, model_body(message->source, model->sources[message->source].body_bytes)),
            "message %llu of ticket %llu cannot be read: %s", NUM(ticket->message_seq), NUM(ticket->id.seq), aw_err_name(err));
}

static void
check_bodies(struct model *model)
{
    REQUIRE(aw_journal_read_begin(model->reader) == AW_OK, "the journal cannot be read");
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        if (model_is_open(&model->tickets[i]))
            check_body(model, &model->tickets[i]);
    }
    aw_journal_read_end(model->reader);
}

/* Whether it is known what was taken back, as long as anybody is shown the ticket. */
static void
compare_message(struct model *model, const struct model_message *message, const struct model_ticket *ticket)
{
    aw_ms       withdrawn_at = 0;
    enum aw_err err = aw_state_message(model->state, message->seq, message->named, &withdrawn_at);

    REQUIRE(err != AW_OK || ticket->erased_at == 0, "message %llu of ticket %llu is shown, which is erased", NUM(message->seq),
            NUM(ticket->id.seq));
    if (err != AW_OK && ticket->erased_at == 0) {
        REQUIRE(!model_is_open(ticket) && model->clock - ticket->closed_at >= model->settings.reopen_ms,
                "message %llu of ticket %llu is not known any more", NUM(message->seq), NUM(ticket->id.seq));
    }
    if (err != AW_OK)
        return;
    REQUIRE(message->is_withdrawn == (withdrawn_at != 0), "message %llu, which %s taken back, %s", NUM(message->seq),
            message->is_withdrawn ? "was" : "was not", message->is_withdrawn ? "is shown again" : "is not shown");
}

static void
compare_messages(struct model *model)
{
    for (uint32_t i = 0; i < model->message_count; i++) {
        const struct model_ticket *ticket = model_find(model, model->messages[i].ticket);

        REQUIRE(ticket != NULL, "message %llu is of no ticket", NUM(model->messages[i].seq));
        if (model->is_start || ticket->is_touched)
            compare_message(model, &model->messages[i], ticket);
    }
}

/* Beside the state that never started again. What is counted is derived at a start, and in no digest. */
static void
compare_shadow(struct model *model)
{
    struct aw_state_counts counts, others;
    uint64_t               kept = 0, broken = 0;

    REQUIRE(aw_hash128_eq(aw_state_digest(model->state), aw_state_digest(model->shadow)),
            "at record %llu the state is not what the journal gives", NUM(model->read_seq));
    if (!model->is_start)
        return;
    REQUIRE(aw_hash128_eq(aw_state_order_digest(model->state), aw_state_order_digest(model->shadow)),
            "a start has the tickets in another order");
    aw_state_counts(model->state, &counts);
    aw_state_counts(model->shadow, &others);
    counts.bytes = others.bytes = 0; /* of tables touched */
    counts.ids = others.ids = 0;     /* those that are over may be forgotten or not */
    REQUIRE(memcmp(&counts, &others, sizeof(counts)) == 0, "a start counts otherwise");
    REQUIRE(counts.commitments_kept == model->words_kept && counts.commitments_broken == model->words_broken,
            "%llu words are kept and %llu broken, not %llu and %llu", NUM(counts.commitments_kept),
            NUM(counts.commitments_broken), NUM(model->words_kept), NUM(model->words_broken));
    REQUIRE(counts.promises_moved == model->promises_moved, "%llu promises were moved, not %llu", NUM(counts.promises_moved),
            NUM(model->promises_moved));
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        kept += counts.promises_kept[i];
        broken += counts.promises_broken[i];
    }
    REQUIRE(kept == model->promises_kept && broken == model->promises_broken,
            "%llu promises are kept and %llu broken, not %llu and %llu", NUM(kept), NUM(broken), NUM(model->promises_kept),
            NUM(model->promises_broken));
    REQUIRE(counts.owed_left_out == model->left_out, "%llu texts that are owed are missing, not %llu", NUM(model->left_out),
            NUM(counts.owed_left_out));
}

void
model_sync(struct model *model, const struct aw_state *state, bool is_start)
{
    struct aw_slice batch;
    uint64_t        first;
    aw_ms           due_at;

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
    model_compare_replies(model);
    compare_messages(model);
    compare_shadow(model);
    due_at = aw_state_next_due(state);
    if (model->has_room && (due_at == 0 || due_at > model->clock))
        model_judge_rest(model);
    if (is_start)
        check_bodies(model);
    while (model->touched_count > 0)
        model->tickets[model->touched[--model->touched_count]].is_touched = false;
}

/* --- the order of pulls ------------------------------------------------------------------------------------------------------- */

bool
model_is_on_offer(const struct model *model, const struct model_ticket *ticket)
{
    return ticket->state == AW_TICKET_WAITING && !ticket->is_aside && ticket->in_hand == 0 && gives(model, ticket->lane);
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

/* Whether it surely waits in this one, its own or one that helps. */
static bool
waits_in(const struct model *model, const struct model_ticket *ticket, uint32_t lane)
{
    const struct model_help *help = &model->help[ticket->lane];

    if (ticket->lane == lane)
        return true;
    return ticket->helped_turn != 0 && ticket->helped_turn == help->turn && help->lane == lane && gives(model, lane);
}

/* Imminent tickets wait in two queues of a lane, first in first out within a tick: whether this one surely is the first in one of
 * them. One that was taken out of the other queue, or of its own lane, still lies in this one. */
static bool
is_head(const struct model *model, const struct model_ticket *ticket, uint32_t lane, bool by_age)
{
    aw_ms key = by_age ? ticket->age : ticket->goes_at;

    for (uint32_t i = 0; i < model->ticket_count; i++) {
        const struct model_ticket *other = &model->tickets[i];
        aw_ms                      other_key = by_age ? other->age : other->goes_at;

        if (other != ticket && other->class_ == AW_CLASS_IMMINENT && (other->lane == lane || other->helped_turn != 0) &&
            other->state == AW_TICKET_WAITING && other_key / AW_LANES_TICK_MS <= key / AW_LANES_TICK_MS)
            return false;
    }
    return true;
}

/* What was taken may have been found in either of its queues. */
static bool
overtakes_as(aw_ms now, const struct model_ticket *taken, const struct rule_ticket *other)
{
    struct rule_ticket by_class = {taken->class_, taken->age, taken->goes_at, taken->shown_by};
    struct rule_ticket by_age = {taken->class_, taken->age, 0, taken->shown_by};

    return rule_overtakes(now, &by_class, other) && (taken->class_ != AW_CLASS_IMMINENT || rule_overtakes(now, &by_age, other));
}

/* Those that are closing wait in one more queue: whether it surely is the first there. */
static bool
is_first_to_close(const struct model *model, const struct model_ticket *ticket, uint32_t lane)
{
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        const struct model_ticket *other = &model->tickets[i];

        if (other != ticket && other->is_closing && (other->lane == lane || other->helped_turn != 0) &&
            other->state == AW_TICKET_WAITING && other->shown_by / AW_LANES_TICK_MS <= ticket->shown_by / AW_LANES_TICK_MS)
            return false;
    }
    return true;
}

/* A pull compares the heads of queues, which are exact but for imminent tickets that are first neither by departure nor by age. */
static bool
overtakes(const struct model *model, aw_ms now, const struct model_ticket *taken, const struct model_ticket *other, uint32_t lane)
{
    struct rule_ticket by_class = {other->class_, other->age, other->goes_at, 0};
    struct rule_ticket by_age = {other->class_, other->age, 0, 0};

    if (other->is_closing && is_first_to_close(model, other, lane)) {
        struct rule_ticket by_window = {other->class_, other->age, 0, other->shown_by};

        if (overtakes_as(now, taken, &by_window))
            return true;
    }
    if (other->class_ != AW_CLASS_IMMINENT)
        return overtakes_as(now, taken, &by_class);
    return (is_head(model, other, lane, false) && overtakes_as(now, taken, &by_class)) ||
           (is_head(model, other, lane, true) && overtakes_as(now, taken, &by_age));
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

        if (other == taken || !model_is_on_offer(model, other))
            continue;
        for (uint32_t lane = 0; lane < MODEL_LANES_MAX; lane++)
            REQUIRE(!serves(lanes, count, lane) || !waits_in(model, other, lane) || !overtakes(model, now, taken, other, lane),
                    "ticket %llu (class %d, age %llu) overtook %llu (class %d, age %llu) in lane %u at %llu", NUM(taken->id.seq),
                    (int)taken->class_, NUM(taken->age), NUM(other->id.seq), (int)other->class_, NUM(other->age), lane, NUM(now));
    }
}

bool
model_is_drained(const struct model *model, char *ret_left)
{
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        const struct model_ticket *ticket = &model->tickets[i];

        if (!model_is_open(ticket))
            continue;
        if (ret_left != NULL)
            (void)snprintf(ret_left, MODEL_LEFT_BYTES, "ticket %llu in state %d%s, lane %u, slot %u", NUM(ticket->id.seq),
                           (int)ticket->state, ticket->is_aside ? " aside" : "", ticket->lane, ticket->id.slot);
        return false;
    }
    for (uint32_t i = 0; i < model->incident_count; i++) {
        if (!model->incidents[i].is_answering)
            continue;
        if (ret_left != NULL)
            (void)snprintf(ret_left, MODEL_LEFT_BYTES, "incident %llu is being answered", NUM(model->incidents[i].id.seq));
        return false;
    }
    for (uint32_t i = 0; i < model->reply_count; i++) {
        if (model_is_out(&model->replies[i]) && model->replies[i].bounced == 0)
            continue;
        if (ret_left != NULL)
            (void)snprintf(ret_left, MODEL_LEFT_BYTES, "reply %llu in state %d", NUM(model->replies[i].seq),
                           (int)model->replies[i].state);
        return false;
    }
    return true;
}
