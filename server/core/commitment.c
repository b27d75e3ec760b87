/* commitment.c - an agent's word to a customer: the ticket that is put off until then, and whether the word was kept.
 *
 * DEFER ends the lease and holds the ticket (HELD, with the mark DEFERRED); the word has a row of its own (the mark COMMITTED) that
 * lasts longer than the hold. The ticket comes back to its queue by a TIMER before the word is due, defer_back_ms before, but not
 * until half of the time has passed; sooner when the customer writes, or when it becomes more urgent. It is for who gave the word
 * first. What a person does with the hold ends the deferral, not the word: that ends when the customer hears from us (REPLY, or
 * COMPLETE; kept, if in time), when another DEFER takes its place, and when the ticket is cancelled. A reply that waits for a
 * colleague is heard when that one lets it go; until then the word stays, also with a ticket that was closed by it. A word that is
 * due counts as broken, whatever state its ticket is in; its row stays until the customer hears all the same.
 */
#include "core/layout.h"

#include <string.h>

static const struct aw_commitment_row *
row_of(const struct aw_state *state, uint32_t slot)
{
    uint32_t row = state->ticket_commitments[slot];

    AW_ASSERT(row != 0);
    return aw_commitment_at(state, row);
}

static struct aw_commitment_row *
change(struct aw_state *state, uint32_t slot)
{
    AW_ASSERT(state->ticket_commitments[slot] != 0);
    return aw_rows_change(&state->commitments, state->ticket_commitments[slot]);
}

aw_ms
aw_commitment_due(const struct aw_state *state, uint32_t slot)
{
    if ((aw_ticket_at(state, slot)->marks & AW_MARK_COMMITTED) == 0 || row_of(state, slot)->is_broken)
        return 0;
    return row_of(state, slot)->due_at;
}

bool
aw_commitment_is_due(const struct aw_state *state, uint32_t slot)
{
    aw_ms due_at = aw_commitment_due(state, slot);

    return due_at != 0 && due_at <= state->now;
}

void
aw_commitment_break(struct aw_state *state, uint32_t slot)
{
    AW_ASSERT(aw_commitment_is_due(state, slot));
    change(state, slot)->is_broken = 1;
    state->commitments_overdue++;
    state->globals.commitments_broken++;
}

void
aw_commitment_drop(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    uint32_t row = state->ticket_commitments[slot];

    if ((ticket->marks & AW_MARK_COMMITTED) == 0)
        return;
    state->commitments_overdue -= aw_commitment_at(state, row)->is_broken;
    aw_rows_give(&state->commitments, row);
    state->ticket_commitments[slot] = 0;
    ticket->marks &= (uint16_t)~AW_MARK_COMMITTED;
}

void
aw_commitment_answered(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    if ((ticket->marks & AW_MARK_COMMITTED) == 0)
        return;
    if (aw_commitment_is_due(state, slot)) /* its TIMER has not come round yet */
        aw_commitment_break(state, slot);
    else if (!row_of(state, slot)->is_broken)
        state->globals.commitments_kept++;
    aw_commitment_drop(state, slot, ticket);
}

/* Not for so long that nobody else could keep the word. */
void
aw_commitment_offer(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket)
{
    const struct aw_commitment_row *row = row_of(state, slot);
    uint64_t                        left = row->due_at > state->now ? row->due_at - state->now : 0;
    uint64_t                        ms = state->globals.settings.kept_transfer_ms;

    AW_ASSERT((ticket->marks & AW_MARK_DEFERRED) != 0);
    if (ms > left / 2)
        ms = left / 2;
    aw_aside_let_go(state, slot, ticket);
    if (ms > 0 && aw_agent_is_ready(state, row->agent) && aw_agent_serves(state, row->agent, ticket->lane) &&
        aw_aside_admits(state, slot, row->agent) == AW_OK)
        aw_aside_hand(state, slot, ticket, row->agent, ms);
}

void
aw_commitment_load_all(struct aw_state *state)
{
    for (uint32_t row = 1; row <= state->globals.heads[AW_TABLE_COMMITMENTS].used; row++) {
        if (aw_commitment_at(state, row)->ticket == 0)
            continue;
        state->ticket_commitments[aw_commitment_at(state, row)->ticket] = row;
        state->commitments_overdue += aw_commitment_at(state, row)->is_broken;
    }
}

/* --- DEFER ---------------------------------------------------------------------------------------------------------------- */

static enum aw_err
check(const struct aw_state *state, const struct aw_in_defer *in)
{
    if (in->until <= state->now || in->until - state->now > AW_DEFER_MS_MAX)
        return AW_E_BAD_VALUE;
    return state->ticket_commitments[in->fenced.lease.slot] != 0 || aw_rows_room(&state->commitments) > 0 ? AW_OK
                                                                                                          : AW_E_TABLE_FULL;
}

static aw_ms
back_at(const struct aw_state *state, aw_ms until)
{
    uint64_t half = (until - state->now + 1) / 2;
    uint64_t before = state->globals.settings.defer_back_ms;

    return until - (before < half ? before : half);
}

static void
commit_to(struct aw_state *state, struct aw_ticket_row *ticket, const struct aw_command *command, uint32_t agent)
{
    const struct aw_in_defer *in = &command->in.defer;
    uint32_t                  slot = in->fenced.lease.slot;
    struct aw_commitment_row *row;

    aw_commitment_drop(state, slot, ticket);
    state->ticket_commitments[slot] = aw_rows_take(&state->commitments);
    row = change(state, slot);
    row->ticket = slot;
    row->agent = agent;
    row->seq = command->out.seq & AW_ROW_SEQ_MAX;
    row->reason = (uint8_t)in->reason;
    row->due_at = in->until;
    row->made_at = state->now;
    ticket->marks |= AW_MARK_COMMITTED;
}

void
aw_apply_defer(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_defer *in = &command->in.defer;
    uint32_t                  slot = in->fenced.lease.slot;
    struct aw_ticket_row     *ticket;
    uint32_t                  agent;

    if (!aw_lease_is_held(state, command) || aw_lease_has_news(state, command))
        return;
    command->out.err = check(state, in);
    if (command->out.err != AW_OK)
        return;
    ticket = aw_lease_begin(state, command);
    agent = aw_lease_at(state, ticket->link)->agent;
    aw_lease_end(state, ticket, AW_COMMAND_DEFER, in->fenced.op_hash);
    aw_aside_let_go(state, slot, ticket); /* who it was kept for had it */
    commit_to(state, ticket, command, agent);
    if (in->what.len > 0 && ticket->notes < UINT16_MAX)
        ticket->notes++;
    aw_ticket_move(ticket, AW_TICKET_HELD);
    ticket->until = back_at(state, in->until);
    ticket->marks |= AW_MARK_DEFERRED;
    aw_ticket_refresh(state, slot, ticket); /* so that it comes back for what is new, not for what he knew */
    aw_ticket_hide(ticket, slot, &command->out.event);
    state->globals.deferred++;
    aw_lease_done(state, command);
}

/* --- looking -------------------------------------------------------------------------------------------------------------- */

struct aw_commitment
aw_commitment_of(const struct aw_state *state, uint32_t slot)
{
    const struct aw_commitment_row *row;

    if ((aw_ticket_at(state, slot)->marks & AW_MARK_COMMITTED) == 0)
        return (struct aw_commitment){.due_at = 0};
    row = row_of(state, slot);
    return (struct aw_commitment){.due_at = row->due_at,
                                  .made_at = row->made_at,
                                  .seq = row->seq,
                                  .by = aw_agent_name(state, row->agent),
                                  .reason = (enum aw_defer_reason)row->reason,
                                  .is_broken = row->is_broken || row->due_at <= state->now};
}

/* What a list is ordered by: due first, and of the same moment by row. */
static uint64_t
key_of(const struct aw_state *state, uint32_t row)
{
    return aw_commitment_at(state, row)->due_at << AW_COMMITMENTS_BITS | row;
}
AW_STATIC_ASSERT(AW_COMMITMENTS_MAX < UINT64_C(1) << AW_COMMITMENTS_BITS, "a row fits beside its time");
AW_STATIC_ASSERT(AW_MS_MAX >> (63 - AW_COMMITMENTS_BITS) == 0, "a time fits beside its row, and the key a cursor");

static bool
is_wanted(const struct aw_state *state, const struct aw_due_look *look, uint32_t row)
{
    const struct aw_commitment_row *commitment = aw_commitment_at(state, row);

    return commitment->ticket != 0 &&
           (look->agent.len == 0 || aw_slice_eq(aw_agent_name(state, commitment->agent), look->agent)) &&
           (!look->is_broken || commitment->is_broken || commitment->due_at <= state->now);
}

uint32_t
aw_state_commitments(const struct aw_state *state, struct aw_due_look *look, struct aw_ticket_view *ret_views, uint32_t room)
{
    uint64_t keys[AW_DUE_LOOK_MAX + 1] = {0}; /* the smallest, ascending */
    uint32_t count = 0, most = room + 1, at;

    AW_ASSERT(room > 0);
    AW_ASSERT(room <= AW_DUE_LOOK_MAX);
    for (uint32_t row = 1; row <= state->globals.heads[AW_TABLE_COMMITMENTS].used; row++) {
        uint64_t key = key_of(state, row);

        if (!is_wanted(state, look, row) || key <= look->after || (count == most && key >= keys[count - 1]))
            continue;
        at = count < most ? count++ : count - 1;
        for (; at > 0 && keys[at - 1] > key; at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
    }
    look->next = count > room ? keys[room - 1] : 0;
    count = count > room ? room : count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = (uint32_t)(keys[i] & ((UINT64_C(1) << AW_COMMITMENTS_BITS) - 1));

        if (!aw_state_ticket_at(state, aw_commitment_at(state, row)->ticket, &ret_views[i]))
            AW_UNREACHABLE();
    }
    return count;
}
