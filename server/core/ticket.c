/* ticket.c - a ticket's moves between its states, its class by the clock, its timer; what a person does to it: hold, unhold, place
 * and cancel. */
#include "core/incident.h"
#include "core/outbox.h"

#define MASK(state) (1U << (state))
/* How many tickets' lanes begin to help in a millisecond when all are due: fewer than timers are carried out. */
#define HELP_TIMERS_PER_MS 50U
/* One that finds no room is tried again after a minute, and so many in a millisecond. */
#define HELP_PUT_OFF_MS     (60U * 1000)
#define HELP_RETRIES_PER_MS 5U
/* What a full store has no bytes for is tried again after 10 s, what presses after one, and so many in a millisecond. */
#define LATE_PUT_OFF_MS     (10U * 1000)
#define PRESSING_PUT_OFF_MS 1000U
#define LATE_RETRIES_PER_MS 50U

static const unsigned next_states[AW_TICKET_CLOSED + 1] = {
    [AW_TICKET_FREE] = MASK(AW_TICKET_WAITING),
    [AW_TICKET_WAITING] = MASK(AW_TICKET_LEASED) | MASK(AW_TICKET_HELD) | MASK(AW_TICKET_CLOSED),
    [AW_TICKET_LEASED] = MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_HELD) | MASK(AW_TICKET_CLOSED),
    [AW_TICKET_HELD] = MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_CLOSED),
    [AW_TICKET_CLOSED] = MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_FREE),
};

void
aw_ticket_move(struct aw_ticket_row *ticket, enum aw_ticket_state next)
{
    AW_ASSERT(ticket->state <= AW_TICKET_CLOSED);
    AW_ASSERT((next_states[ticket->state] & MASK(next)) != 0);
    ticket->state = (uint64_t)next & 0xF;
}

/* --- counts and timers: derived, kept up by edit and done ----------------------------------------------------------------- */

static void
count(struct aw_state *state, const struct aw_ticket_row *ticket, int by)
{
    struct aw_lane_load *load = &state->lane_loads[ticket->lane];

    state->by_state[ticket->state][ticket->class_] += (uint64_t)(int64_t)by;
    if (aw_ticket_is_open(ticket))
        aw_incident_count(state, ticket, by);
    switch ((enum aw_ticket_state)ticket->state) {
    case AW_TICKET_WAITING:
        load->waiting[ticket->class_] += (uint32_t)by;
        if (ticket->helpers > 0) {
            load->helped += (uint32_t)by;
            state->helped += (uint64_t)(int64_t)by;
        }
        return;
    case AW_TICKET_LEASED:
        load->leased += (uint32_t)by;
        aw_agent_count(state, aw_lease_at(state, ticket->link)->agent, ticket->channel, by);
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

/* Whether who takes it now can still answer in time. */
static bool
can_reply(const struct aw_core_settings *settings, enum aw_class class_, aw_ms reply_by, aw_ms now)
{
    return reply_by > now && reply_by - now >= settings->handling_ms[class_];
}

/* CARE goes first anyway. */
static bool
is_closing(const struct aw_core_settings *settings, enum aw_class class_, aw_ms reply_by, aw_ms now)
{
    return class_ != AW_CLASS_CARE && can_reply(settings, class_, reply_by, now) && reply_by - now <= AW_CLOSING_MS;
}

void
aw_ticket_say(struct aw_ticket_row *ticket, enum aw_class class_)
{
    if (class_ == AW_CLASS_IMMINENT)
        class_ = AW_CLASS_DISRUPTED; /* imminent is what the clock says */
    if ((ticket->flags & AW_TICKET_CLASS_BY_PERSON) != 0) {
        if (class_ >= ticket->known_said)
            return;
        ticket->known_said = (uint64_t)class_ & 0xF;
    }
    if (class_ < ticket->said)
        ticket->said = (uint64_t)class_ & 0xF;
}

/* What clock and events give, whatever was said. */
static enum aw_class
class_by_facts(const struct aw_state *state, const struct aw_standing *standing, aw_ms now)
{
    enum aw_class class_ = aw_class_by_clock(&state->globals.settings, AW_CLASS_OTHER, standing->departs_at, now);

    return standing->is_disrupted && class_ > AW_CLASS_DISRUPTED ? AW_CLASS_DISRUPTED : class_;
}

static enum aw_class
class_of(const struct aw_state *state, const struct aw_ticket_row *ticket, const struct aw_standing *standing, aw_ms now)
{
    enum aw_class said = (enum aw_class)ticket->said;
    enum aw_class facts = class_by_facts(state, standing, now);

    if ((ticket->flags & AW_TICKET_CLASS_BY_PERSON) != 0 && facts >= ticket->known_facts)
        facts = AW_CLASS_OTHER; /* no news to the person who decided */
    if (said == AW_CLASS_IMMINENT && !standing->can_be_made)
        said = AW_CLASS_DISRUPTED; /* there is no departure to be ordered by */
    return facts < said ? facts : said;
}

enum aw_class
aw_ticket_class_told(const struct aw_state *state, const struct aw_told *told, aw_ms *ret_departs_at)
{
    struct aw_ticket_row row = {.said = (uint64_t)told->said & 0xF};
    struct aw_standing   standing = aw_facts_judge_told(state, told, state->now);

    *ret_departs_at = standing.departs_at;
    return class_of(state, &row, &standing, state->now);
}

bool
aw_ticket_has_changed(const struct aw_state *state, uint32_t slot, bool *ret_presses)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);
    struct aw_standing          standing = aw_facts_judge(state, slot, state->now);
    enum aw_class               class_ = class_of(state, ticket, &standing, state->now);
    bool                        closing = is_closing(&state->globals.settings, class_, ticket->reply_by, state->now);

    *ret_presses = class_ <= AW_CLASS_IMMINENT || closing;
    return ticket->outdated || class_ != ticket->class_ || standing.departs_at != ticket->departs_at ||
           closing != aw_ticket_is_closing(ticket);
}

void
aw_ticket_outdate(struct aw_ticket_row *ticket)
{
    AW_ASSERT(ticket->state == AW_TICKET_WAITING);
    ticket->outdated = 1;
}

void
aw_ticket_refresh(const struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    struct aw_standing standing = aw_facts_judge(state, slot, state->now);

    ticket->departs_at = standing.departs_at & AW_ROW_SEQ_MAX;
    ticket->class_ = (uint64_t)class_of(state, ticket, &standing, state->now) & 0xF;
    ticket->flags &= 0xF & ~AW_TICKET_CLOSING;
    if (is_closing(&state->globals.settings, (enum aw_class)ticket->class_, ticket->reply_by, state->now))
        ticket->flags |= AW_TICKET_CLOSING;
}

/* When reply_by comes near, or can't be met any more; 0: never. */
static aw_ms
closing_change_at(const struct aw_core_settings *settings, enum aw_class class_, const struct aw_ticket_row *ticket, aw_ms now)
{
    uint64_t handling = settings->handling_ms[class_];

    if (is_closing(settings, class_, ticket->reply_by, now))
        return ticket->reply_by - handling + 1;
    if (class_ == AW_CLASS_CARE || handling > AW_CLOSING_MS || !can_reply(settings, class_, ticket->reply_by, now))
        return 0;
    return ticket->reply_by - AW_CLOSING_MS;
}

/* When the clock will next change class, departure or what is closing, as seen at `now`, which may be late for it; 0: never. */
static aw_ms
clock_change_at(const struct aw_state *state, uint32_t slot, const struct aw_ticket_row *ticket, aw_ms now)
{
    const struct aw_core_settings *settings = &state->globals.settings;
    uint64_t                       handling = settings->handling_ms[AW_CLASS_IMMINENT];
    struct aw_standing             standing = aw_facts_judge(state, slot, now);
    enum aw_class                  class_ = class_of(state, ticket, &standing, now);
    aw_ms                          closing = closing_change_at(settings, class_, ticket, now);
    aw_ms                          departure = 0;

    if (ticket->outdated || class_ != ticket->class_ || standing.departs_at != ticket->departs_at ||
        is_closing(settings, class_, ticket->reply_by, now) != aw_ticket_is_closing(ticket))
        return now > 0 ? now : 1; /* 0 would be no timer */
    if (standing.can_be_made) {
        if (class_ != AW_CLASS_CARE && class_ != AW_CLASS_IMMINENT && settings->imminent_ms >= handling &&
            standing.departs_at - now > settings->imminent_ms)
            departure = standing.departs_at - settings->imminent_ms;
        else if (class_ == AW_CLASS_IMMINENT || standing.has_later)
            departure = standing.departs_at - handling + 1;
    }
    return departure == 0 || (closing != 0 && closing < departure) ? closing : departure;
}

/* --- helping lanes ---------------------------------------------------------------------------------------------------------- */

static aw_ms
help_at(const struct aw_state *state, const struct aw_ticket_row *ticket, uint32_t helper)
{
    return aw_ticket_age(ticket) + aw_surge_help_after_s(state, ticket->lane, helper) * AW_MS_PER_S;
}

bool
aw_ticket_has_void_helpers(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    return ticket->helpers > 0 && ticket->help_turn != aw_lane_at(state, ticket->lane)->help_turn;
}

uint32_t
aw_ticket_helpers_due(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    const struct aw_lane_row *lane = aw_lane_at(state, ticket->lane);
    uint32_t                  due = 0;

    while (aw_state_lane_gives(state, ticket->lane) && due < lane->help_count && help_at(state, ticket, due) <= state->now)
        due++;
    return due;
}

uint32_t
aw_ticket_helpers(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    return aw_ticket_has_void_helpers(state, ticket) || !aw_state_lane_gives(state, ticket->lane) ? 0 : ticket->helpers;
}

bool
aw_ticket_waits_in(const struct aw_state *state, const struct aw_ticket_row *ticket, uint32_t lane)
{
    const struct aw_lane_row *home = aw_lane_at(state, ticket->lane);

    if (ticket->state != AW_TICKET_WAITING || lane == ticket->lane)
        return ticket->state == AW_TICKET_WAITING;
    for (uint32_t i = 0; i < aw_ticket_helpers(state, ticket); i++) {
        if (home->help_lanes[i] == lane)
            return true;
    }
    return false;
}

/* What is so of the entries that it has in queues. */
static void
leave_place(struct aw_ticket_row *ticket)
{
    ticket->helpers = 0;
    ticket->help_turn = 0;
    ticket->outdated = 0;
}

/* --- its timer -------------------------------------------------------------------------------------------------------------- */

/* Of two times, 0 being never. */
static aw_ms
earlier(aw_ms a, aw_ms b)
{
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return a < b ? a : b;
}

static aw_ms
aside_until(const struct aw_state *state, uint32_t slot, const struct aw_ticket_row *ticket)
{
    return (ticket->flags & AW_TICKET_ASIDE) != 0 ? aw_aside_until(state, slot) : 0;
}

/* When the next of its lane's helping lanes begins to help, or when those that do are void; 0: never. What is due already has its
 * turn at `from`: what is long due must not go before leases that run out. */
static aw_ms
help_change_at(const struct aw_state *state, const struct aw_ticket_row *ticket, aw_ms now, aw_ms from)
{
    const struct aw_lane_row *lane = aw_lane_at(state, ticket->lane);
    aw_ms                     at = now;

    if (!aw_ticket_has_void_helpers(state, ticket)) {
        if (ticket->helpers == lane->help_count || !aw_state_lane_gives(state, ticket->lane))
            return 0;
        at = help_at(state, ticket, ticket->helpers);
    }
    at = at <= now ? from : at;
    return at > 0 ? at : 1;
}

/* When its customer is to be asked whether he still waits; 0: never. Whom an agent has dealt with, and whose need is grave or has a
 * person's grief behind it, is asked by a person. */
static aw_ms
ask_at(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    uint64_t after = state->globals.settings.still_needed_ms;

    if (after == 0 || ticket->account == 0 || ticket->taken_s != 0 ||
        (ticket->marks & (AW_MARK_ASKED | AW_MARK_ASK_OVER | AW_MARK_COMMITTED)) != 0 || ticket->class_ == AW_CLASS_CARE ||
        (ticket->flags & AW_TICKET_GENTLE) != 0 || aw_template_first(state, AW_REPLY_STILL_NEEDED) == 0)
        return 0;
    return ticket->opened_at + after;
}

bool
aw_ticket_ask_is_due(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    aw_ms at = ask_at(state, ticket);

    return at != 0 && at <= state->now;
}

/* As with help, what is long due has its turn at `from`. */
static aw_ms
ask_change_at(const struct aw_state *state, const struct aw_ticket_row *ticket, aw_ms now, aw_ms from)
{
    aw_ms at = ask_at(state, ticket);

    return at == 0 || at > now ? at : from > 0 ? from : 1;
}

/* Without what was promised of it. What is due already of the clock has its turn at `clock_from`, of helpers and questions at
 * `help_from`. */
static aw_ms
state_timer_of(const struct aw_state *state, uint32_t slot, aw_ms now, aw_ms clock_from, aw_ms help_from)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);
    aw_ms                       clock = 0;

    if (ticket->state == AW_TICKET_WAITING || ticket->state == AW_TICKET_HELD)
        clock = clock_change_at(state, slot, ticket, now);
    if (clock != 0 && clock <= now && clock_from > now)
        clock = clock_from;

    switch ((enum aw_ticket_state)ticket->state) {
    case AW_TICKET_LEASED:
        return aw_lease_at(state, ticket->link)->expires_at;
    case AW_TICKET_WAITING:
        return earlier(earlier(clock, aside_until(state, slot, ticket)),
                       earlier(help_change_at(state, ticket, now, help_from), ask_change_at(state, ticket, now, help_from)));
    case AW_TICKET_HELD:
        return earlier(clock, ticket->until);
    case AW_TICKET_FREE:
    case AW_TICKET_CLOSED:
        return 0;
    }
    AW_UNREACHABLE();
}

static aw_ms
timer_of(const struct aw_state *state, uint32_t slot, aw_ms now, aw_ms help_from)
{
    return earlier(state_timer_of(state, slot, now, now, help_from), aw_commitment_due(state, slot));
}

/* When many are due at once they come one after the other, so that what comes due meanwhile - a lease that runs out, a departure
 * that becomes imminent - finds its place between them. A start has other turns than a change of a lane: nothing follows from it,
 * as a timer's record is what counts. */
static aw_ms
help_turn_of(uint32_t slot, aw_ms now)
{
    return now + slot / HELP_TIMERS_PER_MS;
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
    aw_timers_set(&state->timers, slot, timer_of(state, slot, state->now, state->now));
}

void
aw_ticket_load_all(struct aw_state *state)
{
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_TICKETS].used; slot++) {
        const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);

        if (ticket->state == AW_TICKET_FREE)
            continue;
        count(state, ticket, 1);
        aw_timers_set(&state->timers, slot, timer_of(state, slot, state->globals.now, help_turn_of(slot, state->globals.now)));
    }
}

void
aw_ticket_rearm(struct aw_state *state, uint32_t slot)
{
    aw_timers_set(&state->timers, slot, timer_of(state, slot, state->now, state->now));
}

void
aw_state_put_off_help(struct aw_state *state, uint32_t slot)
{
    aw_ms from = state->now + HELP_PUT_OFF_MS + slot / HELP_RETRIES_PER_MS;

    aw_timers_set(&state->timers, slot, timer_of(state, slot, state->now, from));
}

void
aw_state_put_off_late(struct aw_state *state, const struct aw_in_timer *timer)
{
    uint32_t slot = timer->slot;
    aw_ms    late = timer->turn == AW_TIMER_TURN_PRESSING ? PRESSING_PUT_OFF_MS : LATE_PUT_OFF_MS;
    aw_ms    from = state->now + late + slot / LATE_RETRIES_PER_MS;

    AW_ASSERT(timer->turn != AW_TIMER_TURN_NOW);
    aw_timers_set(&state->timers, slot,
                  earlier(state_timer_of(state, slot, state->now, from, from), aw_commitment_due(state, slot)));
    if (timer->turn == AW_TIMER_TURN_PRESSING || timer->turn == AW_TIMER_TURN_CLASS)
        aw_timers_mark_late(&state->timers, slot);
}

uint32_t
aw_state_late_count(const struct aw_state *state)
{
    return aw_timers_late_count(&state->timers);
}

void
aw_ticket_rearm_slowly(struct aw_state *state)
{
    uint32_t used = state->globals.heads[AW_TABLE_TICKETS].used;

    /* All that there are, from where it is: those that come later get the right time by themselves. */
    state->rearm_end = used;
    state->rearm_left = used;
    if (state->rearm_next == 0 || state->rearm_next > used)
        state->rearm_next = 1;
}

/* Help that is due already keeps the turn that it has, so that no stream of changes puts it off for ever. */
static void
rearm_in_turn(struct aw_state *state, uint32_t slot)
{
    aw_ms now = state->now;
    aw_ms old = aw_timers_at(&state->timers, slot);
    aw_ms at = timer_of(state, slot, now, help_turn_of(slot, now));

    if (at > now && old > 0 && old < at && timer_of(state, slot, now, now) <= now)
        at = old;
    aw_timers_set(&state->timers, slot, at);
}

void
aw_state_rearm(struct aw_state *state)
{
    for (uint32_t i = 0; i < AW_REARM_TICKETS && state->rearm_left > 0; i++, state->rearm_left--) {
        uint32_t slot = state->rearm_next;

        if (aw_ticket_at(state, slot)->state == AW_TICKET_WAITING)
            rearm_in_turn(state, slot);
        state->rearm_next = slot < state->rearm_end ? slot + 1 : 1;
    }
}

void
aw_ticket_rearm_all(struct aw_state *state)
{
    aw_ms now = state->now;

    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_TICKETS].used; slot++)
        aw_timers_set(&state->timers, slot, timer_of(state, slot, now, help_turn_of(slot, now)));
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
        .reply_by = ticket->reply_by,
        .closing = aw_ticket_is_closing(ticket),
    };
}

void
aw_ticket_help(const struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, struct aw_event *ret_event)
{
    const struct aw_lane_row *lane = aw_lane_at(state, ticket->lane);
    uint32_t                  due = aw_ticket_helpers_due(state, ticket);

    AW_ASSERT(ticket->state == AW_TICKET_WAITING);
    AW_ASSERT(!aw_ticket_has_void_helpers(state, ticket));
    AW_ASSERT(due <= AW_LANE_HELPERS_MAX);
    tell(ret_event, (ticket->flags & AW_TICKET_ASIDE) != 0 ? AW_EVENT_ASIDE : AW_EVENT_HELPED, slot, ticket);
    for (uint32_t i = ticket->helpers; i < due; i++)
        ret_event->others[ret_event->other_count++] = (struct aw_lane_queues){.lane = lane->help_lanes[i]};
    ret_event->shelf = (uint8_t)aw_ticket_shelf(state, ticket);
    ticket->helpers = due & 7U;
    ticket->help_turn = lane->help_turn;
}

void
aw_ticket_queue(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, struct aw_event *ret_event)
{
    if (ticket->state != AW_TICKET_WAITING)
        aw_ticket_move(ticket, AW_TICKET_WAITING);
    aw_ticket_refresh(state, slot, ticket);
    ticket->until = state->now;
    ticket->marks &= (uint16_t)~AW_MARK_DEFERRED;
    aw_aside_prune(state, slot, ticket);
    leave_place(ticket);
    ticket->version = aw_ticket_version_after(ticket->version);
    tell(ret_event, (ticket->flags & AW_TICKET_ASIDE) != 0 ? AW_EVENT_ASIDE : AW_EVENT_QUEUED, slot, ticket);
    ret_event->shelf = (uint8_t)aw_ticket_shelf(state, ticket);
}

void
aw_ticket_hide(struct aw_ticket_row *ticket, uint32_t slot, struct aw_event *ret_event)
{
    leave_place(ticket);
    ticket->version = aw_ticket_version_after(ticket->version);
    tell(ret_event, AW_EVENT_HIDDEN, slot, ticket);
}

/* --- the list of closed tickets, longest closed first --------------------------------------------------------------------- */

void
aw_ticket_close(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    struct aw_globals *globals = &state->globals;

    AW_ASSERT(ticket->link == 0);
    aw_aside_drop(state, slot, ticket);
    ticket->marks &= (uint16_t)~AW_MARK_DEFERRED;
    aw_ticket_move(ticket, AW_TICKET_CLOSED);
    ticket->until = state->now;
    ticket->link_back = globals->closed_last;
    if (globals->closed_last != 0)
        ((struct aw_ticket_row *)aw_rows_change(&state->tickets, globals->closed_last))->link = slot;
    else
        globals->closed_first = slot;
    globals->closed_last = slot;
    globals->closed++;
}

void
aw_ticket_end(struct aw_state *state, struct aw_command *command, uint32_t slot, struct aw_ticket_row *ticket)
{
    if (ticket->state == AW_TICKET_LEASED)
        aw_lease_end(state, ticket, command->kind, 0);
    aw_commitment_drop(state, slot, ticket);
    aw_ticket_close(state, slot, ticket);
    aw_ticket_hide(ticket, slot, &command->out.event);
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
    ticket->marks &= (uint16_t)~AW_MARK_COMPLETED;
}

/* --- what a person does to it ---------------------------------------------------------------------------------------------- */

enum aw_err
aw_ticket_find(const struct aw_state *state, const struct aw_in_ticket *in)
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

void
aw_ticket_fill_out(const struct aw_state *state, struct aw_command *command, const struct aw_ticket_row *row)
{
    command->out.u.ticket = (struct aw_out_ticket){
        .ticket = command->in.ticket.ticket,
        .state = (enum aw_ticket_state)row->state,
        .version = row->version,
        .class_ = (enum aw_class)row->class_,
        .lane_name = aw_lane_name(state, row->lane),
        .held_until = row->state == AW_TICKET_HELD ? row->until : 0,
    };
}

/* What they have in common: find, check, refuse. */
static bool
may_change(const struct aw_state *state, struct aw_command *command, unsigned allowed)
{
    const struct aw_ticket_row *ticket;

    command->out.err = aw_ticket_find(state, &command->in.ticket);
    if (command->out.err == AW_E_NOT_FOUND)
        return false;
    ticket = aw_ticket_at(state, command->in.ticket.ticket.slot);
    aw_ticket_fill_out(state, command, ticket);
    if (command->out.err == AW_OK && (MASK(ticket->state) & allowed) == 0)
        command->out.err = AW_E_WRONG_STATE;
    return command->out.err == AW_OK;
}

/* The record, and the ticket's row to change. */
static struct aw_ticket_row *
begin(struct aw_state *state, struct aw_command *command)
{
    struct aw_ticket_row *ticket = aw_ticket_edit(state, command->in.ticket.ticket.slot);

    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = aw_state_record(state, command) & AW_ROW_SEQ_MAX;
    return ticket;
}

static void
end(struct aw_state *state, struct aw_command *command)
{
    aw_ticket_done(state, command->in.ticket.ticket.slot);
    aw_ticket_fill_out(state, command, aw_ticket_at(state, command->in.ticket.ticket.slot));
}

static enum aw_err
move_to_lane(const struct aw_state *state, struct aw_slice name, struct aw_ticket_row *would, bool *ret_unknown)
{
    uint32_t lane;
    unsigned pause;

    if (aw_state_find_lane(state, name, &lane) != AW_OK) {
        *ret_unknown = true;
        return AW_E_NOT_FOUND;
    }
    pause = aw_lane_at(state, lane)->pause;
    if (lane != would->lane && (pause == AW_LANE_PAUSED_IN || pause == AW_LANE_PAUSED_BOTH))
        return AW_E_LANE_PAUSED;
    would->lane = (uint16_t)lane;
    memset(would->from_lanes, 0, sizeof(would->from_lanes)); /* who says where it belongs lets agents begin anew */
    return AW_OK;
}

/* A person's word stands against all that was known when it was given: what messages had said, clock and events. What is more
 * urgent than that counts again when it comes. */
static void
give_class(const struct aw_state *state, uint32_t slot, enum aw_class class_, struct aw_ticket_row *would)
{
    struct aw_standing standing = aw_facts_judge(state, slot, state->now);

    if ((would->flags & AW_TICKET_CLASS_BY_PERSON) == 0)
        would->known_said = would->said;
    would->flags |= AW_TICKET_CLASS_BY_PERSON;
    would->known_facts = (uint64_t)class_by_facts(state, &standing, state->now) & 0xF;
    would->said = (uint64_t)class_ & 0xF;
    aw_ticket_refresh(state, slot, would);
}

/* Does to a copy of the row what is asked for. */
static enum aw_err
place(const struct aw_state *state, const struct aw_command *command, enum aw_hold hold, struct aw_ticket_row *would,
      bool *ret_unknown)
{
    const struct aw_in_ticket *in = &command->in.ticket;
    enum aw_err                err = AW_OK;

    if (command->kind == AW_COMMAND_PLACE && in->lane.len > 0)
        err = move_to_lane(state, in->lane, would, ret_unknown);
    if (err != AW_OK)
        return err;
    if (command->kind == AW_COMMAND_PLACE && in->class_ != AW_CLASS_NONE)
        give_class(state, in->ticket.slot, (enum aw_class)in->class_, would);
    if (hold != AW_HOLD_AS_IS) {
        would->until = hold == AW_HOLD_ON ? in->until : 0;
        would->marks &= (uint16_t)~AW_MARK_DEFERRED; /* his word goes before that of who put it off */
    }
    if (hold == AW_HOLD_ON && would->state == AW_TICKET_WAITING)
        aw_ticket_move(would, AW_TICKET_HELD);
    else if (hold == AW_HOLD_OFF)
        aw_ticket_move(would, AW_TICKET_WAITING);
    return AW_OK;
}

static void
apply_place(struct aw_state *state, struct aw_command *command, enum aw_hold hold, unsigned allowed)
{
    const struct aw_in_ticket  *in = &command->in.ticket;
    uint32_t                    slot = in->ticket.slot;
    const struct aw_ticket_row *ticket;
    struct aw_ticket_row       *row, would;
    bool                        is_unknown = false;

    if (!may_change(state, command, allowed))
        return;
    ticket = aw_ticket_at(state, slot);
    would = *ticket;
    command->out.err = place(state, command, hold, &would, &is_unknown);
    command->out.u.ticket.lane_unknown = is_unknown;
    if (command->out.err != AW_OK)
        return;
    if (in->dry_run || (hold == AW_HOLD_AS_IS && memcmp(&would, ticket, sizeof(would)) == 0)) {
        if (would.state == AW_TICKET_WAITING)
            aw_ticket_refresh(state, slot, &would);
        aw_ticket_fill_out(state, command, &would);
        return;
    }
    row = begin(state, command);
    would.last_seq = row->last_seq;
    *row = would;
    if (row->state == AW_TICKET_WAITING)
        aw_ticket_queue(state, slot, row, &command->out.event);
    else
        aw_ticket_hide(row, slot, &command->out.event);
    end(state, command);
}

void
aw_apply_hold(struct aw_state *state, struct aw_command *command)
{
    apply_place(state, command, AW_HOLD_ON, MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_HELD));
}

void
aw_apply_unhold(struct aw_state *state, struct aw_command *command)
{
    apply_place(state, command, AW_HOLD_OFF, MASK(AW_TICKET_HELD));
}

void
aw_apply_place(struct aw_state *state, struct aw_command *command)
{
    static const unsigned allowed[] = {
        [AW_HOLD_AS_IS] = MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_LEASED) | MASK(AW_TICKET_HELD),
        [AW_HOLD_ON] = MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_HELD),
        [AW_HOLD_OFF] = MASK(AW_TICKET_HELD),
    };

    apply_place(state, command, command->in.ticket.hold, allowed[command->in.ticket.hold]);
}

void
aw_apply_cancel(struct aw_state *state, struct aw_command *command)
{
    uint32_t              slot = command->in.ticket.ticket.slot;
    struct aw_ticket_row *ticket;

    if (!may_change(state, command, MASK(AW_TICKET_WAITING) | MASK(AW_TICKET_LEASED) | MASK(AW_TICKET_HELD)))
        return;
    if (command->in.ticket.dry_run) {
        command->out.u.ticket.state = AW_TICKET_CLOSED;
        command->out.u.ticket.held_until = 0;
        return;
    }
    ticket = begin(state, command);
    aw_ticket_end(state, command, slot, ticket);
    state->globals.cancelled++;
    end(state, command);
}
