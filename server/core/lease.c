/* lease.c - an agent's right to a ticket: given, prolonged, ended; timers; the first record after a start. What an agent does with
 * a ticket besides: transfer.c. */
#include "core/incident.h"
#include "core/outbox.h"

/* --- the lists of agents' leases (derived, oldest lease first) -------------------------------------------------------------- */

/* What the index by pull has as key: the agent is in the hash, the rest is for comparing. */
static struct aw_hash128
pull_hash(const struct aw_pull_key *pull_key)
{
    return (struct aw_hash128){.low = pull_key->key};
}

static void
list_lease(struct aw_state *state, uint32_t slot)
{
    struct aw_agent_links *agent = aw_rows_links(&state->agents, aw_lease_at(state, slot)->agent);
    struct aw_lease_links *lease = aw_rows_links(&state->leases, slot);
    struct aw_hash128      pull = pull_hash(&aw_lease_at(state, slot)->pull_key);

    *lease = (struct aw_lease_links){.prev = agent->last};
    if (pull.low != 0) {
        memcpy(lease->pull, &pull, sizeof(pull));
        aw_index_insert(&state->by_pull, slot);
    }
    if (agent->last != 0)
        ((struct aw_lease_links *)aw_rows_links(&state->leases, agent->last))->next = slot;
    else
        agent->first = slot;
    agent->last = slot;
}

static void
unlist_lease(struct aw_state *state, uint32_t slot)
{
    struct aw_agent_links       *agent = aw_rows_links(&state->agents, aw_lease_at(state, slot)->agent);
    const struct aw_lease_links *lease = aw_rows_links(&state->leases, slot);

    if (aw_lease_at(state, slot)->pull_key.key != 0)
        aw_index_remove(&state->by_pull, slot);
    if (lease->prev != 0)
        ((struct aw_lease_links *)aw_rows_links(&state->leases, lease->prev))->next = lease->next;
    else
        agent->first = lease->next;
    if (lease->next != 0)
        ((struct aw_lease_links *)aw_rows_links(&state->leases, lease->next))->prev = lease->prev;
    else
        agent->last = lease->prev;
}

void
aw_lease_load_all(struct aw_state *state)
{
    struct aw_timer first;

    /* An agent's leases are listed by their fence. The heap of the timers, not needed yet, sorts them. */
    AW_ASSERT(!aw_timers_first(&state->timers, &first));
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_LEASES].used; slot++) {
        if (aw_lease_at(state, slot)->ticket != 0)
            aw_timers_set(&state->timers, slot, aw_lease_at(state, slot)->fence);
    }
    while (aw_timers_first(&state->timers, &first)) {
        list_lease(state, first.slot);
        aw_timers_set(&state->timers, first.slot, 0);
    }
}

/* --- what clients are told ------------------------------------------------------------------------------------------------ */

static void
fill_out(const struct aw_state *state, uint32_t slot, struct aw_out_lease *out)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);

    *out = (struct aw_out_lease){
        .ticket = aw_ticket_id_at(state, slot),
        .lane_name = aw_lane_name(state, ticket->lane),
        .class_ = (enum aw_class)ticket->class_,
        .state = (enum aw_ticket_state)ticket->state,
        .gentle = (ticket->flags & AW_TICKET_GENTLE) != 0,
        .last_seq = ticket->last_seq,
        .message_seq = ticket->message_seq,
        .messages_total = ticket->messages,
        .notes_total = ticket->notes,
        .attempt = ticket->attempt,
        .opened_at = ticket->opened_at,
        .age = aw_ticket_age(ticket),
        .departs_at = ticket->departs_at,
        .reply_by = ticket->reply_by,
        .promise = aw_promise_of(ticket),
        .held_until = ticket->state == AW_TICKET_HELD ? ticket->until : 0,
        .commitment = aw_commitment_of(state, slot),
        .contact = aw_contact_of(state, slot),
    };
    if (aw_incident_of(state, ticket) != 0)
        out->incident = aw_incident_id_at(state, ticket->incident);
    if (ticket->state == AW_TICKET_LEASED) {
        const struct aw_lease_row *lease = aw_lease_at(state, ticket->link);

        out->lease = (struct aw_lease_id){.fence = lease->fence, .slot = slot, .shard = (uint8_t)state->globals.shard};
        out->seen_seq = lease->seen_seq;
        out->expires_at = lease->expires_at;
    }
    aw_ticket_fill_help(state, slot, &out->help);
}

#define ATTEMPT_MAX UINT16_MAX

void
aw_state_seen_by(const struct aw_state *state, struct aw_lease_id lease, struct aw_seen *ret_seen)
{
    const struct aw_ticket_row *ticket = aw_rows_has(&state->tickets, lease.slot) ? aw_ticket_at(state, lease.slot) : NULL;
    bool                        is_held = ticket != NULL && ticket->state == AW_TICKET_LEASED;
    const struct aw_lease_row  *row = is_held ? aw_lease_at(state, ticket->link) : NULL;

    *ret_seen = (struct aw_seen){.message_seq = 0};
    if (row != NULL && row->fence == lease.fence)
        *ret_seen =
            (struct aw_seen){.message_seq = row->seen_seq, .ticket_seq = ticket->opened_seq, .last_seq = ticket->last_seq};
}

/* --- giving --------------------------------------------------------------------------------------------------------------- */

enum aw_err
aw_lease_admits(const struct aw_state *state, const struct aw_in_lease *in)
{
    if (aw_rows_room(&state->leases) == 0)
        return AW_E_TABLE_FULL;
    if (aw_rows_room(&state->agents) == 0 && aw_agent_find(state, in->agent) == 0)
        return AW_E_TABLE_FULL;
    return aw_outbox_admits(state); /* who takes a ticket can answer it */
}

enum aw_err
aw_release_admits(const struct aw_state *state, const struct aw_in_fenced *in)
{
    const struct aw_ticket_row *ticket;

    if (!in->gives_back || !aw_rows_has(&state->tickets, in->lease.slot))
        return AW_OK;
    ticket = aw_ticket_at(state, in->lease.slot);
    if (ticket->state != AW_TICKET_LEASED || aw_lease_at(state, ticket->link)->fence != in->lease.fence)
        return AW_OK;
    return aw_lease_at(state, ticket->link)->links.is_told ? AW_E_STALE : AW_OK;
}

/* Whether a pull may take leases under its key. All that run count, so the order in which they are found does not matter. */
static enum aw_err
check_pull(const struct aw_state *state, const struct aw_pull_key *pull_key)
{
    enum aw_err err = AW_OK;
    uint32_t    slot = pull_key->key == 0 ? 0 : aw_index_find(&state->by_pull, pull_hash(pull_key));

    for (; slot != 0; slot = aw_index_find_next(&state->by_pull, slot)) {
        const struct aw_lease_row *lease = aw_lease_at(state, slot);

        if (lease->expires_at <= state->now)
            continue;
        if (lease->pull_key.request != pull_key->request)
            return AW_E_KEY_REUSED;
        if (lease->pull_key.pull != pull_key->pull)
            err = AW_E_AGAIN;
    }
    return err;
}

bool
aw_state_pull_runs(const struct aw_state *state, const struct aw_pull_key *pull_key)
{
    return check_pull(state, pull_key) != AW_OK;
}

uint32_t
aw_state_lease_count(const struct aw_state *state)
{
    return state->globals.heads[AW_TABLE_LEASES].live;
}

/* A helping lane of which the state knows no more, or not yet, gives nothing: what was found there is told stale, and leaves it. */
static bool
is_given_through(const struct aw_state *state, const struct aw_ticket_row *ticket, uint32_t through)
{
    uint32_t lane = through == 0 ? ticket->lane : through - 1;

    return aw_state_lane_gives(state, ticket->lane) && aw_ticket_waits_in(state, ticket, lane) &&
           aw_state_lane_gives(state, lane);
}

static enum aw_err
check_lease(const struct aw_state *state, const struct aw_in_lease *in)
{
    const struct aw_ticket_row *ticket;
    enum aw_err                 err;

    if (in->agent.len == 0 || in->agent.len > AW_AGENT_BYTES_MAX)
        return AW_E_BAD_VALUE;
    if (!aw_rows_has(&state->tickets, in->slot))
        return AW_E_STALE;
    ticket = aw_ticket_at(state, in->slot);
    if (ticket->state != AW_TICKET_WAITING || ticket->version != in->version)
        return AW_E_STALE;
    if (!is_given_through(state, ticket, in->through))
        return AW_E_STALE;
    if (!aw_state_may_take(state, in->slot, aw_agent_find(state, in->agent)))
        return AW_E_STALE;
    err = check_pull(state, &in->pull_key);
    return err == AW_OK ? aw_lease_admits(state, in) : err;
}

void
aw_apply_lease(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_lease *in = &command->in.lease;
    struct aw_ticket_row     *ticket;
    struct aw_lease_row      *lease;
    uint32_t                  agent, slot;
    uint64_t                  seq;

    command->out.err = check_lease(state, in);
    if (command->out.err != AW_OK)
        return;
    seq = aw_state_record(state, command);
    agent = aw_agent_find(state, in->agent);
    if (agent == 0)
        agent = aw_agent_make(state, in->agent);
    slot = aw_rows_take(&state->leases);
    ticket = aw_ticket_edit(state, in->slot);
    lease = aw_rows_change(&state->leases, slot);
    lease->ticket = in->slot;
    lease->agent = agent;
    lease->fence = seq & AW_ROW_SEQ_MAX;
    lease->through = (uint16_t)(in->through == ticket->lane + 1U ? 0 : in->through);
    lease->expires_at = state->now + in->lease_ms;
    lease->seen_seq = ticket->message_seq;
    lease->pull_key = in->pull_key;
    list_lease(state, slot);
    aw_agent_took(state, agent);
    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = seq & AW_ROW_SEQ_MAX;
    if (ticket->attempt < ATTEMPT_MAX)
        ticket->attempt++;
    aw_ticket_move(ticket, AW_TICKET_LEASED);
    aw_promise_judge(state, ticket);
    ticket->link = slot;
    aw_aside_take(state, in->slot, ticket);
    aw_ticket_hide(ticket, in->slot, &command->out.event);
    aw_ticket_done(state, in->slot);
    fill_out(state, in->slot, &command->out.u.lease);
    command->out.u.lease.seen_seq = 0; /* before this, the holder had seen nothing */
}

/* --- fenced commands ------------------------------------------------------------------------------------------------------ */

void
aw_lease_end(struct aw_state *state, struct aw_ticket_row *ticket, enum aw_command_kind kind, uint64_t op_hash)
{
    uint32_t slot = ticket->link;

    AW_ASSERT(ticket->state == AW_TICKET_LEASED);
    AW_ASSERT(aw_ticket_at(state, aw_lease_at(state, slot)->ticket) == ticket);
    ticket->ended_fence = aw_lease_at(state, slot)->fence & AW_ROW_SEQ_MAX;
    ticket->ended_kind = (uint8_t)kind;
    ticket->ended_agent = aw_lease_at(state, slot)->agent;
    ticket->ended_op = (uint32_t)(op_hash ^ op_hash >> 32);
    aw_agent_ended(state, ticket->ended_agent, kind);
    ticket->link = 0;
    unlist_lease(state, slot);
    aw_rows_give(&state->leases, slot);
}

/* What ended a lease, told to somebody who still names it. */
static enum aw_lease_end
end_of(const struct aw_ticket_row *ticket, uint64_t fence)
{
    if (ticket->state == AW_TICKET_CLOSED)
        return AW_LEASE_END_CLOSED;
    if (ticket->state == AW_TICKET_LEASED)
        return AW_LEASE_END_TAKEN_OVER;
    if (ticket->ended_fence == fence && (ticket->ended_kind == AW_COMMAND_RELEASE || ticket->ended_kind == AW_COMMAND_DECLINE ||
                                         ticket->ended_kind == AW_COMMAND_TRANSFER || ticket->ended_kind == AW_COMMAND_DEFER))
        return AW_LEASE_END_RELEASED;
    return AW_LEASE_END_EXPIRED;
}

/* The lease that ended last of its ticket's. */
static enum aw_lease_fate
fate_of_last(const struct aw_ticket_row *ticket, enum aw_lease_end *ret_end)
{
    /* Without an op_hash it was given back for want of somebody who reads the answer. */
    if (ticket->ended_kind == AW_COMMAND_TIMER)
        *ret_end = AW_LEASE_END_EXPIRED;
    else if (ticket->ended_kind == AW_COMMAND_CANCEL || ticket->ended_kind == AW_COMMAND_WITHDRAW ||
             ticket->ended_kind == AW_COMMAND_ERASE)
        *ret_end = AW_LEASE_END_CLOSED;
    else if (ticket->ended_kind == AW_COMMAND_RELEASE && ticket->ended_op == 0)
        *ret_end = AW_LEASE_END_RELEASED;
    else
        return AW_LEASE_ENDED;
    return AW_LEASE_GONE;
}

enum aw_lease_fate
aw_state_lease_fate(const struct aw_state *state, uint32_t slot, uint64_t fence, enum aw_lease_end *ret_end)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);

    *ret_end = AW_LEASE_END_CLOSED;
    if (ticket->state == AW_TICKET_FREE || ticket->opened_seq >= fence)
        return AW_LEASE_GONE; /* the slot serves another ticket by now */
    if (ticket->state == AW_TICKET_LEASED && aw_lease_at(state, ticket->link)->fence == fence) {
        *ret_end = AW_LEASE_END_EXPIRED; /* if its time is over; its TIMER has not come round yet */
        return aw_lease_at(state, ticket->link)->expires_at <= state->now ? AW_LEASE_GONE : AW_LEASE_RUNS;
    }
    if (ticket->ended_fence == fence)
        return fate_of_last(ticket, ret_end);
    *ret_end = end_of(ticket, fence);
    return AW_LEASE_GONE;
}

void
aw_state_note_told(struct aw_state *state, const struct aw_ticket_view *views, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct aw_ticket_row *ticket = aw_ticket_at(state, views[i].ticket.slot);

        AW_ASSERT(ticket->state == AW_TICKET_LEASED);
        ((struct aw_lease_links *)aw_rows_links(&state->leases, ticket->link))->is_told = true;
    }
}

/* The same request once more: it has its answer already. */
static bool
is_repeat(const struct aw_ticket_row *ticket, const struct aw_command *command)
{
    uint64_t op_hash = command->in.fenced.op_hash;

    return ticket->ended_fence == command->in.fenced.lease.fence && ticket->ended_kind == command->kind &&
           ticket->ended_op == (uint32_t)(op_hash ^ op_hash >> 32);
}

bool
aw_lease_is_held(const struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_fenced  *in = &command->in.fenced;
    struct aw_out_lease        *out = &command->out.u.lease;
    const struct aw_ticket_row *ticket;
    bool                        is_same;

    if (in->lease.shard != state->globals.shard || !aw_rows_has(&state->tickets, in->lease.slot)) {
        command->out.err = AW_E_NOT_FOUND;
        return false;
    }
    ticket = aw_ticket_at(state, in->lease.slot);
    if (ticket->state == AW_TICKET_FREE || ticket->opened_seq >= in->lease.fence) {
        command->out.err = AW_E_NOT_FOUND; /* the slot serves another ticket now */
        return false;
    }
    fill_out(state, in->lease.slot, out);
    if (is_repeat(ticket, command))
        return false; /* AW_OK, unchanged */
    is_same = ticket->state == AW_TICKET_LEASED && out->lease.fence == in->lease.fence;
    if (is_same && state->now < out->expires_at) {
        if (aw_slice_eq(aw_agent_name(state, aw_lease_at(state, ticket->link)->agent), in->agent))
            return true;
        command->out.err = AW_E_FORBIDDEN;
        return false;
    }
    command->out.err = AW_E_LEASE_LOST;
    out->end = is_same ? AW_LEASE_END_EXPIRED : end_of(ticket, in->lease.fence);
    out->is_last_end = is_same || ticket->ended_fence == in->lease.fence;
    if (is_same)
        out->state = AW_TICKET_WAITING; /* as good as: its timer has not come round yet */
    return false;
}

struct aw_ticket_row *
aw_lease_begin(struct aw_state *state, struct aw_command *command)
{
    struct aw_ticket_row *ticket = aw_ticket_edit(state, command->in.fenced.lease.slot);

    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = aw_state_record(state, command) & AW_ROW_SEQ_MAX;
    return ticket;
}

void
aw_lease_done(struct aw_state *state, struct aw_command *command)
{
    struct aw_out_lease *out = &command->out.u.lease;
    uint64_t             seen_seq = out->seen_seq;

    aw_ticket_done(state, command->in.fenced.lease.slot);
    fill_out(state, command->in.fenced.lease.slot, out);
    out->lease = command->in.fenced.lease;
    out->seen_seq = seen_seq;
}

bool
aw_lease_has_news(struct aw_state *state, struct aw_command *command)
{
    struct aw_ticket_row *ticket;

    if (aw_ticket_at(state, command->in.fenced.lease.slot)->message_seq <= command->out.u.lease.seen_seq)
        return false;
    ticket = aw_lease_begin(state, command);
    ((struct aw_lease_row *)aw_rows_change(&state->leases, ticket->link))->seen_seq = ticket->message_seq;
    command->out.err = AW_E_NEW_MESSAGES;
    aw_lease_done(state, command);
    return true;
}

void
aw_apply_extend(struct aw_state *state, struct aw_command *command)
{
    struct aw_ticket_row *ticket;
    struct aw_lease_row  *lease;

    if (!aw_lease_is_held(state, command))
        return;
    if (command->in.fenced.lease_ms == 0 && command->out.u.lease.seen_seq == command->out.u.lease.message_seq)
        return;
    ticket = aw_lease_begin(state, command);
    lease = aw_rows_change(&state->leases, ticket->link);
    if (command->in.fenced.lease_ms > 0)
        lease->expires_at = state->now + command->in.fenced.lease_ms;
    lease->seen_seq = ticket->message_seq;
    aw_lease_done(state, command);
}

/* Tells of the reply that this request wrote, now or the first time. */
static void
tell_reply(const struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_fenced *in = &command->in.fenced;
    uint32_t row = aw_outbox_find_written(state, aw_ticket_at(state, in->lease.slot), in->lease.fence, in->op_hash);

    if (row == 0)
        return;
    command->out.u.lease.reply_seq = aw_reply_at(state, row)->seq;
    command->out.u.lease.reply_state = (enum aw_reply_state)aw_reply_at(state, row)->state;
}

void
aw_apply_reply(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_fenced *in = &command->in.fenced;
    bool                       goes_on = aw_lease_is_held(state, command);
    struct aw_ticket_row      *ticket;
    uint32_t                   agent;

    if (command->out.err == AW_OK || command->out.err == AW_E_LEASE_LOST)
        tell_reply(state, command);
    if (command->out.u.lease.reply_seq != 0) {
        command->out.err = AW_OK; /* it was written before, also when the lease is over since */
        return;
    }
    if (!goes_on)
        return;
    command->out.err = aw_outbox_check(state, command);
    if (command->out.err == AW_OK)
        command->out.err = aw_outbox_admits_reply(state, aw_ticket_at(state, in->lease.slot));
    if (command->out.err != AW_OK)
        return;
    agent = aw_lease_at(state, aw_ticket_at(state, in->lease.slot)->link)->agent;
    ticket = aw_lease_begin(state, command);
    if (!aw_agent_needs_approval(state, agent)) /* else the customer hears when a colleague lets it go */
        aw_commitment_answered(state, in->lease.slot, ticket);
    aw_lease_done(state, command);
    aw_outbox_add(state, command, agent);
    tell_reply(state, command);
}

void
aw_apply_complete(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_fenced *in = &command->in.fenced;
    struct aw_ticket_row      *ticket;
    uint32_t                   agent;

    if (!aw_lease_is_held(state, command)) {
        if (command->out.err == AW_OK && in->reply.is_there)
            tell_reply(state, command);
        return;
    }
    if (aw_lease_has_news(state, command))
        return;
    if (in->reply.is_there)
        command->out.err = aw_outbox_check(state, command);
    if (command->out.err != AW_OK)
        return;
    ticket = aw_lease_begin(state, command);
    agent = aw_lease_at(state, ticket->link)->agent;
    aw_agent_completed(state, agent);
    aw_lease_end(state, ticket, AW_COMMAND_COMPLETE, in->op_hash);
    if (!in->reply.is_there || !aw_agent_needs_approval(state, agent)) /* else the customer hears when a colleague lets it go */
        aw_commitment_answered(state, in->lease.slot, ticket);
    aw_ticket_close(state, in->lease.slot, ticket);
    ticket->marks |= AW_MARK_COMPLETED;
    aw_ticket_hide(ticket, in->lease.slot, &command->out.event);
    state->globals.completed++;
    aw_lease_done(state, command);
    if (in->reply.is_there) {
        aw_outbox_add(state, command, agent);
        tell_reply(state, command);
    }
}

void
aw_apply_release(struct aw_state *state, struct aw_command *command)
{
    struct aw_ticket_row *ticket;

    if (!aw_lease_is_held(state, command))
        return;
    ticket = aw_lease_begin(state, command);
    aw_lease_end(state, ticket, AW_COMMAND_RELEASE, command->in.fenced.op_hash);
    aw_ticket_queue(state, command->in.fenced.lease.slot, ticket, &command->out.event);
    state->globals.released++;
    aw_lease_done(state, command);
}

void
aw_apply_decline(struct aw_state *state, struct aw_command *command)
{
    uint32_t              slot = command->in.fenced.lease.slot;
    struct aw_ticket_row *ticket;
    uint32_t              agent;

    if (!aw_lease_is_held(state, command))
        return;
    agent = aw_lease_at(state, aw_ticket_at(state, slot)->link)->agent;
    command->out.err = aw_aside_admits(state, slot, agent);
    if (command->out.err != AW_OK)
        return;
    ticket = aw_lease_begin(state, command);
    aw_lease_end(state, ticket, AW_COMMAND_DECLINE, command->in.fenced.op_hash);
    aw_aside_decline(state, slot, ticket, agent);
    aw_ticket_queue(state, slot, ticket, &command->out.event);
    state->globals.declined++;
    aw_lease_done(state, command);
}

/* --- timers and starts ---------------------------------------------------------------------------------------------------- */

/* What time has to say about this ticket now. *ret_presses, of a class that changed: it is one that can't wait. */
static enum aw_timer_cause
judge(const struct aw_state *state, uint32_t slot, bool *ret_presses)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);

    *ret_presses = false;
    if (aw_commitment_is_due(state, slot))
        return AW_TIMER_COMMITMENT_DUE; /* needs no place in a queue, so nothing keeps it from its turn */
    switch ((enum aw_ticket_state)ticket->state) {
    case AW_TICKET_LEASED:
        return aw_lease_at(state, ticket->link)->expires_at <= state->now ? AW_TIMER_LEASE_OVER : AW_TIMER_NOTHING;
    case AW_TICKET_HELD:
        if (ticket->until != 0 && ticket->until <= state->now)
            return AW_TIMER_HOLD_OVER;
        return aw_ticket_has_changed(state, slot, ret_presses) ? AW_TIMER_CLASS_CHANGED : AW_TIMER_NOTHING;
    case AW_TICKET_WAITING:
        if ((ticket->flags & AW_TICKET_ASIDE) != 0 && aw_aside_until(state, slot) <= state->now)
            return AW_TIMER_ASIDE_OVER;
        if (aw_ticket_has_changed(state, slot, ret_presses))
            return AW_TIMER_CLASS_CHANGED;
        if (aw_ticket_has_void_helpers(state, ticket))
            return AW_TIMER_HELPERS_VOID;
        if (aw_ticket_helpers_due(state, ticket) > ticket->helpers)
            return AW_TIMER_HELP_DUE;
        return aw_ticket_ask_is_due(state, ticket) ? AW_TIMER_STILL_NEEDED : AW_TIMER_NOTHING;
    case AW_TICKET_FREE:
    case AW_TICKET_CLOSED:
        return AW_TIMER_NOTHING;
    }
    AW_UNREACHABLE();
}

static enum aw_timer_turn
turn_of(enum aw_timer_cause cause, bool presses)
{
    switch (cause) {
    case AW_TIMER_CLASS_CHANGED:
        return presses ? AW_TIMER_TURN_PRESSING : AW_TIMER_TURN_CLASS;
    case AW_TIMER_HELPERS_VOID:
    case AW_TIMER_HELP_DUE:
        return AW_TIMER_TURN_HELP;
    case AW_TIMER_STILL_NEEDED:
        return AW_TIMER_TURN_QUESTION;
    case AW_TIMER_NOTHING:
    case AW_TIMER_LEASE_OVER:
    case AW_TIMER_HOLD_OVER:
    case AW_TIMER_ASIDE_OVER:
    case AW_TIMER_COMMITMENT_DUE:
        return AW_TIMER_TURN_NOW;
    }
    AW_UNREACHABLE();
}

static uint32_t
pushes_of(const struct aw_state *state, const struct aw_ticket_row *ticket, enum aw_timer_cause cause)
{
    uint32_t helpers;

    if (cause == AW_TIMER_NOTHING || cause == AW_TIMER_LEASE_OVER || cause == AW_TIMER_COMMITMENT_DUE ||
        cause == AW_TIMER_STILL_NEEDED)
        return 0;
    if ((ticket->flags & AW_TICKET_ASIDE) != 0 && turn_of(cause, false) == AW_TIMER_TURN_HELP)
        return 0;
    helpers = aw_lane_at(state, ticket->lane)->help_count;
    return ticket->state == AW_TICKET_WAITING && ticket->helpers < helpers ? helpers - ticket->helpers : 1;
}

void
aw_timer_judge(const struct aw_state *state, struct aw_in_timer *timer)
{
    bool                presses;
    enum aw_timer_cause cause = judge(state, timer->slot, &presses);

    timer->turn = turn_of(cause, presses);
    timer->pushes = pushes_of(state, aw_ticket_at(state, timer->slot), cause);
}

/* Once a ticket, whether there is room to write it or not: it does no good to ask late. */
static void
ask_still_needed(struct aw_state *state, struct aw_command *command)
{
    uint32_t       slot = command->in.timer.slot;
    struct aw_owed owed = {.kind = AW_REPLY_STILL_NEEDED,
                           .texts = aw_template_first(state, AW_REPLY_STILL_NEEDED),
                           .facts = aw_outbox_facts_of(state, slot)};

    if (aw_outbox_owe(state, command, slot, &owed))
        ((struct aw_ticket_row *)aw_rows_change(&state->tickets, slot))->marks |= AW_MARK_ASKED;
}

static void
act(struct aw_state *state, struct aw_command *command, enum aw_timer_cause cause)
{
    uint32_t              slot = command->in.timer.slot;
    struct aw_ticket_row *ticket = aw_ticket_edit(state, slot);
    uint64_t              class_ = ticket->class_;
    aw_ms                 key = aw_ticket_key(ticket);
    bool                  closing = aw_ticket_is_closing(ticket);
    bool                  comes_back = false;

    command->out.prev_seq = ticket->last_seq;
    command->out.effect.cause = cause;
    ticket->last_seq = aw_state_record(state, command) & AW_ROW_SEQ_MAX;
    if (cause == AW_TIMER_LEASE_OVER) {
        aw_lease_end(state, ticket, AW_COMMAND_TIMER, 0);
        state->globals.expired++;
    } else if (cause == AW_TIMER_HOLD_OVER) {
        comes_back = (ticket->marks & AW_MARK_DEFERRED) != 0;
        ticket->until = 0;
    }
    if (cause == AW_TIMER_CLASS_CHANGED) {
        aw_ticket_refresh(state, slot, ticket);
        comes_back = (ticket->marks & AW_MARK_DEFERRED) != 0 && ticket->class_ < class_; /* who put it off did not know that */
    }
    if (comes_back)
        aw_commitment_offer(state, slot, ticket);
    /* One that is held has no place in a queue, and a departure far away gives none: then only the row changes. */
    if (cause == AW_TIMER_HELP_DUE)
        aw_ticket_help(state, slot, ticket, &command->out.event);
    else if (cause == AW_TIMER_COMMITMENT_DUE)
        aw_commitment_break(state, slot);
    else if (cause == AW_TIMER_STILL_NEEDED)
        ticket->marks |= AW_MARK_ASK_OVER;
    else if (cause != AW_TIMER_CLASS_CHANGED || comes_back ||
             (ticket->state == AW_TICKET_WAITING && (ticket->outdated || ticket->class_ != class_ ||
                                                     aw_ticket_key(ticket) != key || aw_ticket_is_closing(ticket) != closing)))
        aw_ticket_queue(state, slot, ticket, &command->out.event);
    aw_ticket_done(state, slot);
    if (cause == AW_TIMER_STILL_NEEDED)
        ask_still_needed(state, command);
}

void
aw_apply_timer(struct aw_state *state, struct aw_command *command)
{
    uint32_t                    slot = command->in.timer.slot;
    const struct aw_ticket_row *ticket;
    enum aw_timer_cause         cause;
    bool                        presses;

    if (!aw_rows_has(&state->tickets, slot))
        return;
    ticket = aw_ticket_at(state, slot);
    cause = ticket->version == command->in.timer.version ? judge(state, slot, &presses) : AW_TIMER_NOTHING;
    if (cause != AW_TIMER_NOTHING) {
        act(state, command, cause);
    } else if (ticket->state != AW_TICKET_FREE) {
        /* Set for nothing, as after a change of settings: without a new time the same timer would be due for ever. */
        (void)aw_ticket_edit(state, slot);
        aw_ticket_done(state, slot);
    }
    if (ticket->state != AW_TICKET_FREE)
        command->out.u.ticket = (struct aw_out_ticket){
            .ticket = aw_ticket_id_at(state, slot), .state = (enum aw_ticket_state)ticket->state, .version = ticket->version};
}

void
aw_apply_epoch(struct aw_state *state, struct aw_command *command)
{
    aw_ms least = state->now + state->globals.settings.lease_grace_ms;

    (void)aw_state_record(state, command);
    state->globals.epoch = command->in.epoch.epoch;
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_LEASES].used; slot++) {
        const struct aw_lease_row *lease = aw_lease_at(state, slot);

        if (lease->ticket == 0 || lease->expires_at >= least)
            continue;
        ((struct aw_lease_row *)aw_rows_change(&state->leases, slot))->expires_at = least;
        aw_ticket_rearm(state, lease->ticket);
        aw_ledger_settle(&state->ledger); /* there may be more leases than one settle can hold */
    }
    aw_outbox_epoch(state, least);
}
