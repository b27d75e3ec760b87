/* aside.c - tickets that not every agent may take now: some declined them, or one shall have them first. While one of these rows
 * counts, a ticket that waits lies in no queue: the committer offers it to those who may take it (ADR 0012). Rows stay through
 * holds and leases, but for that of a ticket that was for agents marked gentle first: a lease is what it was kept for. What of them
 * is over goes when the ticket comes back to wait, or by its timer. */
#include "core/layout.h"

/* Rows of one ticket are chained by slot, however they came: the order in which they are given back is part of the state. */
static struct aw_aside_links *
links_of(struct aw_state *state, uint32_t row)
{
    return aw_rows_links(&state->asides, row);
}

static bool
counts(const struct aw_state *state, const struct aw_aside_row *row)
{
    return row->until > state->now;
}

static void
chain(struct aw_state *state, uint32_t row)
{
    uint32_t *at = &state->ticket_asides[aw_aside_at(state, row)->ticket];

    while (*at != 0 && *at < row)
        at = &links_of(state, *at)->next;
    links_of(state, row)->next = *at;
    *at = row;
    state->asides_used[row / 64] |= UINT64_C(1) << row % 64;
}

static void
add(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, uint32_t agent, enum aw_aside_kind kind, aw_ms until)
{
    uint32_t             taken = aw_rows_take(&state->asides);
    struct aw_aside_row *row = aw_rows_change(&state->asides, taken);

    row->ticket = slot;
    row->agent = agent;
    row->until = until & AW_ROW_SEQ_MAX;
    row->kind = (uint8_t)kind;
    state->gentle_asides += kind == AW_ASIDE_GENTLE;
    ticket->flags |= AW_TICKET_ASIDE;
    chain(state, taken);
}

/* Gives back the rows for which `goes` says so. */
static void
drop(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket,
     bool (*goes)(const struct aw_state *, const struct aw_ticket_row *, const struct aw_aside_row *))
{
    uint32_t *at = &state->ticket_asides[slot];

    if ((ticket->flags & AW_TICKET_ASIDE) == 0)
        return;
    while (*at != 0) {
        uint32_t row = *at;

        if (!goes(state, ticket, aw_aside_at(state, row))) {
            at = &links_of(state, row)->next;
            continue;
        }
        *at = aw_aside_at(state, row)->links.next;
        state->asides_used[row / 64] &= ~(UINT64_C(1) << row % 64);
        state->gentle_asides -= aw_aside_at(state, row)->kind == AW_ASIDE_GENTLE;
        aw_rows_give(&state->asides, row);
    }
    if (state->ticket_asides[slot] == 0)
        ticket->flags &= 0xFU & ~(unsigned)AW_TICKET_ASIDE;
}

static bool
all_go(const struct aw_state *state, const struct aw_ticket_row *ticket, const struct aw_aside_row *row)
{
    (void)state;
    (void)ticket;
    (void)row;
    return true;
}

/* What gives way to a decline: who it was kept for does not want it, or somebody else had it meanwhile; and what is over. For
 * agents marked gentle nothing is kept by then: one of them had it. */
static bool
gives_way(const struct aw_state *state, const struct aw_ticket_row *ticket, const struct aw_aside_row *row)
{
    (void)ticket;
    return row->kind != AW_ASIDE_DECLINED || !counts(state, row);
}

static bool
is_offered(const struct aw_state *state, const struct aw_ticket_row *ticket, const struct aw_aside_row *row)
{
    (void)state;
    (void)ticket;
    return row->kind == AW_ASIDE_GENTLE;
}

static bool
is_past(const struct aw_state *state, const struct aw_ticket_row *ticket, const struct aw_aside_row *row)
{
    if (!counts(state, row) || (row->kind != AW_ASIDE_DECLINED && !aw_aside_may_keep(ticket)))
        return true;
    return row->kind == AW_ASIDE_KEPT && !aw_agent_takes(state, row->agent, (enum aw_class)ticket->class_);
}

void
aw_aside_drop(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    drop(state, slot, ticket, all_go);
}

void
aw_aside_take(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    drop(state, slot, ticket, is_offered);
}

void
aw_aside_prune(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    drop(state, slot, ticket, is_past);
}

bool
aw_aside_may_keep(const struct aw_ticket_row *ticket)
{
    return ticket->class_ != AW_CLASS_CARE && ticket->class_ != AW_CLASS_IMMINENT;
}

enum aw_err
aw_aside_admits(const struct aw_state *state, uint32_t slot, uint32_t agent)
{
    uint32_t count = 0;

    for (uint32_t at = state->ticket_asides[slot]; at != 0; at = aw_aside_at(state, at)->links.next) {
        const struct aw_aside_row *row = aw_aside_at(state, at);

        if (gives_way(state, NULL, row) || row->agent == agent)
            return AW_OK; /* makes room, or has it */
        count++;
    }
    return count < AW_TICKET_ASIDES_MAX && aw_rows_room(&state->asides) > 0 ? AW_OK : AW_E_TABLE_FULL;
}

void
aw_aside_decline(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, uint32_t agent)
{
    aw_ms until = state->now + state->globals.settings.decline_ms;

    drop(state, slot, ticket, gives_way);
    for (uint32_t row = state->ticket_asides[slot]; row != 0; row = aw_aside_at(state, row)->links.next) {
        if (aw_aside_at(state, row)->agent == agent) {
            ((struct aw_aside_row *)aw_rows_change(&state->asides, row))->until = until & AW_ROW_SEQ_MAX;
            return;
        }
    }
    add(state, slot, ticket, agent, AW_ASIDE_DECLINED, until);
}

void
aw_aside_let_go(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    drop(state, slot, ticket, gives_way);
}

void
aw_aside_hand(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, uint32_t agent, uint64_t ms)
{
    for (uint32_t at = state->ticket_asides[slot]; at != 0; at = aw_aside_at(state, at)->links.next) {
        if (aw_aside_at(state, at)->agent == agent) {
            struct aw_aside_row *row = aw_rows_change(&state->asides, at);

            row->kind = AW_ASIDE_KEPT;
            row->until = (state->now + ms) & AW_ROW_SEQ_MAX;
            return;
        }
    }
    add(state, slot, ticket, agent, AW_ASIDE_KEPT, state->now + ms);
}

void
aw_aside_keep(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, uint32_t agent)
{
    const struct aw_core_settings *settings = &state->globals.settings;
    uint64_t                       ms = (ticket->flags & AW_TICKET_GENTLE) != 0 ? settings->kept_gentle_ms : settings->kept_ms;

    AW_ASSERT(state->ticket_asides[slot] == 0);
    if (ms > 0 && aw_aside_may_keep(ticket) && aw_agent_takes(state, agent, (enum aw_class)ticket->class_) &&
        aw_rows_room(&state->asides) > 0)
        add(state, slot, ticket, agent, AW_ASIDE_KEPT, state->now + ms);
}

/* A flood of gentle tickets must neither take the room of declines, which have half of the rows for themselves, nor make each look
 * long: what is too much goes to the queue. */
void
aw_aside_gentle_first(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    uint64_t ms = state->globals.settings.gentle_first_ms;

    AW_ASSERT(state->ticket_asides[slot] == 0);
    if (ms > 0 && (ticket->flags & AW_TICKET_GENTLE) != 0 && aw_aside_may_keep(ticket) &&
        state->gentle_asides < AW_GENTLE_ASIDES_MAX && aw_rows_room(&state->asides) > aw_state_aside_count(state) &&
        aw_agent_gentle_is_there(state, ticket->lane, (enum aw_class)ticket->class_))
        add(state, slot, ticket, 0, AW_ASIDE_GENTLE, state->now + ms);
}

aw_ms
aw_aside_until(const struct aw_state *state, uint32_t slot)
{
    aw_ms until = 0;

    for (uint32_t row = state->ticket_asides[slot]; row != 0; row = aw_aside_at(state, row)->links.next) {
        if (until == 0 || aw_aside_at(state, row)->until < until)
            until = aw_aside_at(state, row)->until;
    }
    return until;
}

void
aw_aside_load_all(struct aw_state *state)
{
    for (uint32_t row = 1; row <= state->globals.heads[AW_TABLE_ASIDES].used; row++) {
        if (aw_aside_at(state, row)->ticket == 0)
            continue;
        chain(state, row);
        state->gentle_asides += aw_aside_at(state, row)->kind == AW_ASIDE_GENTLE;
    }
}

/* --- looking -------------------------------------------------------------------------------------------------------------- */

static bool
allows(const struct aw_state *state, const struct aw_aside_row *row, uint32_t agent)
{
    switch ((enum aw_aside_kind)row->kind) {
    case AW_ASIDE_DECLINED:
        return row->agent != agent;
    case AW_ASIDE_KEPT:
        return row->agent == agent;
    case AW_ASIDE_GENTLE:
        return aw_state_agent_is_gentle(state, agent);
    }
    AW_UNREACHABLE();
}

bool
aw_state_may_take(const struct aw_state *state, uint32_t slot, uint32_t agent)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);

    if ((aw_state_agent_full(state, agent) >> ticket->channel & 1) != 0 ||
        !aw_agent_takes(state, agent, (enum aw_class)ticket->class_))
        return false;
    for (uint32_t at = state->ticket_asides[slot]; at != 0; at = aw_aside_at(state, at)->links.next) {
        const struct aw_aside_row *row = aw_aside_at(state, at);

        if (counts(state, row) && !allows(state, row, agent))
            return false;
    }
    return true;
}

uint32_t
aw_state_find_agent(const struct aw_state *state, struct aw_slice name)
{
    return aw_agent_find(state, name);
}

/* The row of the agent that it is kept for; NULL: it is for nobody alone. */
static const struct aw_aside_row *
kept_row(const struct aw_state *state, uint32_t slot)
{
    for (uint32_t at = state->ticket_asides[slot]; at != 0; at = aw_aside_at(state, at)->links.next) {
        const struct aw_aside_row *row = aw_aside_at(state, at);

        if (row->kind == AW_ASIDE_KEPT && counts(state, row))
            return row;
    }
    return NULL;
}

struct aw_slice
aw_state_kept_for(const struct aw_state *state, uint32_t slot)
{
    const struct aw_aside_row *row = kept_row(state, slot);

    return row == NULL ? (struct aw_slice){NULL, 0} : aw_agent_name(state, row->agent);
}

aw_ms
aw_aside_kept_until(const struct aw_state *state, uint32_t slot)
{
    const struct aw_aside_row *row = kept_row(state, slot);

    return row == NULL ? 0 : row->until;
}

uint32_t
aw_aside_declined(const struct aw_state *state, uint32_t slot)
{
    uint32_t declined = 0;

    for (uint32_t at = state->ticket_asides[slot]; at != 0; at = aw_aside_at(state, at)->links.next)
        declined += aw_aside_at(state, at)->kind == AW_ASIDE_DECLINED && counts(state, aw_aside_at(state, at));
    return declined;
}

uint32_t
aw_state_aside_count(const struct aw_state *state)
{
    return state->globals.heads[AW_TABLE_ASIDES].live;
}

uint32_t
aw_state_aside_count_for(const struct aw_state *state, uint32_t agent)
{
    return aw_state_aside_count(state) - (aw_state_agent_is_gentle(state, agent) ? 0 : state->gentle_asides);
}

bool
aw_state_is_for_gentle(const struct aw_state *state, uint32_t slot)
{
    for (uint32_t at = state->ticket_asides[slot]; at != 0; at = aw_aside_at(state, at)->links.next) {
        if (aw_aside_at(state, at)->kind == AW_ASIDE_GENTLE && counts(state, aw_aside_at(state, at)))
            return true;
    }
    return false;
}

uint32_t
aw_state_next_aside(const struct aw_state *state, uint32_t after)
{
    uint32_t words = state->globals.heads[AW_TABLE_ASIDES].used / 64 + 1;
    uint64_t mask = ~UINT64_C(0) << (after + 1) % 64;

    /* By the words of what is used, as a table that was full once is mostly empty later. */
    for (uint32_t word = (after + 1) / 64; word < words; word++, mask = ~UINT64_C(0)) {
        for (uint64_t used = state->asides_used[word] & mask; used != 0; used &= used - 1) {
            uint32_t at = word * 64 + (uint32_t)__builtin_ctzll(used);
            uint32_t slot = aw_aside_at(state, at)->ticket;

            /* A ticket is met at its first row only. */
            if (state->ticket_asides[slot] == at && aw_ticket_at(state, slot)->state == AW_TICKET_WAITING)
                return at;
        }
    }
    return 0;
}

uint32_t
aw_state_aside_ticket(const struct aw_state *state, uint32_t aside)
{
    AW_ASSERT(aw_aside_at(state, aside)->ticket != 0);
    return aw_aside_at(state, aside)->ticket;
}
