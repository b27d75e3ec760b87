/* ticket.c - a ticket's moves between its states, its class by the clock, its timer; hold, unhold and cancel. */
#include "core/layout.h"

#define MASK(state) (1U << (state))

static const unsigned next_states[AW_TICKET_CLOSED + 1] = {
    [AW_TICKET_FREE] = MASK(AW_TICKET_WAITING),
    [AW_TICKET_WAITING] = MASK(AW_TICKET_LEASED) | MASK(AW_TICKET_HELD) | MASK(AW_TICKET_CLOSED),
    [AW_TICKET_LEASED] = MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_CLOSED),
    [AW_TICKET_HELD] = MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_CLOSED),
    [AW_TICKET_CLOSED] = MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_FREE),
};

void
aw_ticket_move(struct aw_ticket_row *ticket, enum aw_ticket_state next)
{
    AW_ASSERT(ticket->state <= AW_TICKET_CLOSED);
    AW_ASSERT((next_states[ticket->state] & MASK(next)) != 0);
    ticket->state = (uint8_t)next;
}

/* --- counts and timers: derived, kept up by edit and done ----------------------------------------------------------------- */

static void
count(struct aw_state *state, const struct aw_ticket_row *ticket, int by)
{
    struct aw_lane_load *load = &state->lane_loads[ticket->lane];

    state->by_state[ticket->state][ticket->class_] += (uint64_t)(int64_t)by;
    switch ((enum aw_ticket_state)ticket->state) {
    case AW_TICKET_WAITING:
        load->waiting[ticket->class_] += (uint32_t)by;
        return;
    case AW_TICKET_LEASED:
        load->leased += (uint32_t)by;
        return;
    case AW_TICKET_HELD:
        load->held += (uint32_t)by;
        return;
    case AW_TICKET_FREE:
    case AW_TICKET_CLOSED:
        return;
    }
}

bool
aw_departure_can_be_made(const struct aw_core_settings *settings, aw_ms departs_at, aw_ms now)
{
    return departs_at >= now && departs_at - now >= settings->handling_ms[AW_CLASS_IMMINENT];
}

enum aw_class
aw_class_by_clock(const struct aw_core_settings *settings, enum aw_class class_, aw_ms departs_at, aw_ms now)
{
    if (class_ == AW_CLASS_CARE)
        return class_;
    if (departs_at != 0 && aw_departure_can_be_made(settings, departs_at, now) && departs_at - now <= settings->imminent_ms)
        return AW_CLASS_IMMINENT;
    return class_ == AW_CLASS_IMMINENT ? AW_CLASS_DISRUPTED : class_;
}

void
aw_ticket_say(struct aw_ticket_row *ticket, enum aw_class class_)
{
    if (class_ == AW_CLASS_IMMINENT)
        class_ = AW_CLASS_DISRUPTED; /* imminent is what the clock says */
    if (class_ < ticket->said)
        ticket->said = (uint64_t)class_ & 0xF;
}

static enum aw_class
class_of(const struct aw_state *state, const struct aw_ticket_row *ticket, const struct aw_standing *standing, aw_ms now)
{
    enum aw_class class_ = aw_class_by_clock(&state->globals.settings, (enum aw_class)ticket->said, standing->departs_at, now);

    return standing->is_disrupted && class_ > AW_CLASS_DISRUPTED ? AW_CLASS_DISRUPTED : class_;
}

bool
aw_ticket_has_changed(const struct aw_state *state, uint32_t slot)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);
    struct aw_standing          standing = aw_facts_judge(state, slot, state->now);

    return class_of(state, ticket, &standing, state->now) != ticket->class_ || standing.departs_at != ticket->departs_at;
}

void
aw_ticket_refresh(const struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    struct aw_standing standing = aw_facts_judge(state, slot, state->now);

    ticket->departs_at = standing.departs_at;
    ticket->class_ = (uint8_t)class_of(state, ticket, &standing, state->now);
}

/* When the clock will next change class or departure, as seen at `now`, which may be late for it; 0: never. */
static aw_ms
clock_change_at(const struct aw_state *state, uint32_t slot, const struct aw_ticket_row *ticket, aw_ms now)
{
    const struct aw_core_settings *settings = &state->globals.settings;
    uint64_t                       handling = settings->handling_ms[AW_CLASS_IMMINENT];
    struct aw_standing             standing = aw_facts_judge(state, slot, now);
    enum aw_class                  class_ = class_of(state, ticket, &standing, now);

    if (class_ != ticket->class_ || standing.departs_at != ticket->departs_at)
        return now > 0 ? now : 1; /* 0 would be no timer */
    if (!standing.can_be_made)
        return 0;
    if (class_ != AW_CLASS_CARE && class_ != AW_CLASS_IMMINENT && settings->imminent_ms >= handling)
        return standing.departs_at - settings->imminent_ms;
    return class_ == AW_CLASS_IMMINENT || standing.has_later ? standing.departs_at - handling + 1 : 0;
}

static aw_ms
timer_of(const struct aw_state *state, uint32_t slot, aw_ms now)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);
    aw_ms                       clock;

    switch ((enum aw_ticket_state)ticket->state) {
    case AW_TICKET_LEASED:
        return aw_lease_at(state, ticket->link)->expires_at;
    case AW_TICKET_WAITING:
        return clock_change_at(state, slot, ticket, now);
    case AW_TICKET_HELD:
        clock = clock_change_at(state, slot, ticket, now);
        return clock == 0 || (ticket->until != 0 && ticket->until < clock) ? ticket->until : clock;
    case AW_TICKET_FREE:
    case AW_TICKET_CLOSED:
        return 0;
    }
    AW_UNREACHABLE();
}

struct aw_ticket_row *
aw_ticket_edit(struct aw_state *state, uint32_t slot)
{
    struct aw_ticket_row *ticket = aw_rows_change(&state->tickets, slot);

    if (ticket->state != AW_TICKET_FREE)
        count(state, ticket, -1);
    return ticket;
}

void
aw_ticket_done(struct aw_state *state, uint32_t slot)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);

    if (ticket->state != AW_TICKET_FREE)
        count(state, ticket, 1);
    aw_timers_set(&state->timers, slot, timer_of(state, slot, state->now));
}

void
aw_ticket_load_all(struct aw_state *state)
{
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_TICKETS].used; slot++) {
        const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);

        if (ticket->state == AW_TICKET_FREE)
            continue;
        count(state, ticket, 1);
        aw_timers_set(&state->timers, slot, timer_of(state, slot, state->globals.now));
    }
}

void
aw_ticket_rearm(struct aw_state *state, uint32_t slot)
{
    aw_timers_set(&state->timers, slot, timer_of(state, slot, state->now));
}

void
aw_ticket_rearm_all(struct aw_state *state)
{
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_TICKETS].used; slot++)
        aw_ticket_rearm(state, slot);
}

/* --- its queue ------------------------------------------------------------------------------------------------------------ */

static void
tell(struct aw_event *ret_event, enum aw_event_kind kind, uint32_t slot, const struct aw_ticket_row *ticket)
{
    *ret_event = (struct aw_event){
        .kind = kind,
        .slot = slot,
        .version = ticket->version,
        .lane = ticket->lane,
        .class_ = (enum aw_class)ticket->class_,
        .key = aw_ticket_key(ticket),
        .age = aw_ticket_age(ticket),
    };
}

void
aw_ticket_queue(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, struct aw_event *ret_event)
{
    if (ticket->state != AW_TICKET_WAITING)
        aw_ticket_move(ticket, AW_TICKET_WAITING);
    aw_ticket_refresh(state, slot, ticket);
    ticket->version++;
    tell(ret_event, AW_EVENT_QUEUED, slot, ticket);
}

void
aw_ticket_hide(struct aw_ticket_row *ticket, uint32_t slot, struct aw_event *ret_event)
{
    ticket->version++;
    tell(ret_event, AW_EVENT_HIDDEN, slot, ticket);
}

/* --- the list of closed tickets, longest closed first --------------------------------------------------------------------- */

void
aw_ticket_close(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    struct aw_globals *globals = &state->globals;

    AW_ASSERT(ticket->link == 0);
    aw_ticket_move(ticket, AW_TICKET_CLOSED);
    ticket->until = state->now;
    ticket->link_back = globals->closed_last;
    if (globals->closed_last != 0)
        ((struct aw_ticket_row *)aw_rows_change(&state->tickets, globals->closed_last))->link = slot;
    else
        globals->closed_first = slot;
    globals->closed_last = slot;
}

void
aw_ticket_unclose(struct aw_state *state, struct aw_ticket_row *ticket)
{
    struct aw_globals *globals = &state->globals;

    AW_ASSERT(ticket->state == AW_TICKET_CLOSED);
    if (ticket->link_back != 0)
        ((struct aw_ticket_row *)aw_rows_change(&state->tickets, ticket->link_back))->link = ticket->link;
    else
        globals->closed_first = ticket->link;
    if (ticket->link != 0)
        ((struct aw_ticket_row *)aw_rows_change(&state->tickets, ticket->link))->link_back = ticket->link_back;
    else
        globals->closed_last = ticket->link_back;
    ticket->link = 0;
    ticket->link_back = 0;
    ticket->until = 0;
}

/* --- hold, unhold, cancel ------------------------------------------------------------------------------------------------- */

/* The ticket that the command names, when it is there in the version that it asks for. */
static enum aw_err
find_named(const struct aw_state *state, const struct aw_in_ticket *in)
{
    const struct aw_ticket_row *ticket;

    if (in->ticket.shard != state->globals.shard || !aw_rows_has(&state->tickets, in->ticket.slot))
        return AW_E_NOT_FOUND;
    ticket = aw_ticket_at(state, in->ticket.slot);
    if (ticket->state == AW_TICKET_FREE || ticket->opened_seq != in->ticket.seq)
        return AW_E_NOT_FOUND;
    if (!aw_if_match_holds(&in->if_match, ticket->version))
        return AW_E_PRECONDITION;
    return AW_OK;
}

static void
fill_out(const struct aw_state *state, struct aw_command *command)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, command->in.ticket.ticket.slot);

    command->out.u.ticket = (struct aw_out_ticket){
        .ticket = command->in.ticket.ticket, .state = (enum aw_ticket_state)ticket->state, .version = ticket->version};
}

/* What the three have in common: find, check, refuse. NULL: refused, or nothing to do; out tells. */
static struct aw_ticket_row *
begin(struct aw_state *state, struct aw_command *command, unsigned allowed)
{
    uint32_t              slot = command->in.ticket.ticket.slot;
    struct aw_ticket_row *ticket;

    command->out.err = find_named(state, &command->in.ticket);
    if (command->out.err == AW_E_NOT_FOUND)
        return NULL;
    fill_out(state, command);
    if (command->out.err == AW_OK && (MASK(aw_ticket_at(state, slot)->state) & allowed) == 0)
        command->out.err = AW_E_WRONG_STATE;
    if (command->out.err != AW_OK)
        return NULL;
    ticket = aw_ticket_edit(state, slot);
    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = aw_state_record(state, command) & AW_ROW_SEQ_MAX;
    return ticket;
}

static void
end(struct aw_state *state, struct aw_command *command)
{
    aw_ticket_done(state, command->in.ticket.ticket.slot);
    fill_out(state, command);
}

void
aw_apply_hold(struct aw_state *state, struct aw_command *command)
{
    uint32_t              slot = command->in.ticket.ticket.slot;
    struct aw_ticket_row *ticket = begin(state, command, MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_HELD));

    if (ticket == NULL)
        return;
    if (ticket->state == AW_TICKET_WAITING)
        aw_ticket_move(ticket, AW_TICKET_HELD);
    ticket->until = command->in.ticket.until;
    aw_ticket_hide(ticket, slot, &command->out.event);
    end(state, command);
}

void
aw_apply_unhold(struct aw_state *state, struct aw_command *command)
{
    uint32_t              slot = command->in.ticket.ticket.slot;
    struct aw_ticket_row *ticket = begin(state, command, MASK(AW_TICKET_HELD));

    if (ticket == NULL)
        return;
    ticket->until = 0;
    aw_ticket_queue(state, slot, ticket, &command->out.event);
    end(state, command);
}

void
aw_apply_cancel(struct aw_state *state, struct aw_command *command)
{
    uint32_t              slot = command->in.ticket.ticket.slot;
    struct aw_ticket_row *ticket = begin(state, command, MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_LEASED) | MASK(AW_TICKET_HELD));

    if (ticket == NULL)
        return;
    if (ticket->state == AW_TICKET_LEASED)
        aw_lease_end(state, ticket, AW_COMMAND_CANCEL, 0);
    aw_ticket_close(state, slot, ticket);
    aw_ticket_hide(ticket, slot, &command->out.event);
    state->globals.cancelled++;
    end(state, command);
}
