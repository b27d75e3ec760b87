/* transfer.c - an agent hands the ticket that he holds to another lane, or to a colleague. */
#include "core/layout.h"

static bool
was_in(const struct aw_ticket_row *ticket, uint32_t lane)
{
    for (uint32_t i = 0; i < aw_ticket_transfers(ticket); i++) {
        if (ticket->from_lanes[i] == lane + 1)
            return true;
    }
    return false;
}

/* Where it goes: its lane from then on, and the agent that it is for; 0: for all. */
struct goal {
    uint32_t lane;
    uint32_t agent;
};

static enum aw_transfer_refusal
find_goal(const struct aw_state *state, const struct aw_in_transfer *in, const struct aw_ticket_row *ticket,
          struct goal *ret_goal)
{
    struct goal goal = {.lane = ticket->lane};

    AW_ASSERT((in->lane.len == 0) != (in->to.len == 0));
    if (in->lane.len > 0 && aw_state_find_lane(state, in->lane, &goal.lane) != AW_OK)
        return AW_TRANSFER_NO_LANE;
    if (in->to.len > 0) {
        goal.agent = aw_agent_find(state, in->to);
        if (goal.agent == 0)
            return AW_TRANSFER_NO_AGENT;
        if (goal.agent == aw_lease_at(state, ticket->link)->agent)
            return AW_TRANSFER_TO_SELF;
    }
    *ret_goal = goal;
    if (goal.agent == 0 && goal.lane == ticket->lane)
        return AW_TRANSFER_SAME_LANE;
    if (goal.agent == 0 && was_in(ticket, goal.lane))
        return AW_TRANSFER_BACK;
    if (aw_ticket_transfers(ticket) == AW_TICKET_TRANSFERS_MAX)
        return AW_TRANSFER_TOO_OFTEN;
    if (goal.agent != 0 &&
        (!aw_agent_serves(state, goal.agent, goal.lane) || !aw_agent_takes(state, goal.agent, (enum aw_class)ticket->class_)))
        return AW_TRANSFER_NOT_SERVED;
    return AW_TRANSFER_GOES;
}

/* Whether it may be kept for that agent; what the clock says of its class then is not known yet. */
static bool
may_be_kept(const struct aw_state *state, const struct aw_ticket_row *ticket, const struct goal *goal)
{
    return goal->agent != 0 && state->globals.settings.kept_transfer_ms > 0 && ticket->class_ != AW_CLASS_CARE;
}

static enum aw_err
check(const struct aw_state *state, uint32_t slot, const struct goal *goal, enum aw_transfer_refusal refusal)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);
    unsigned                    pause = aw_lane_at(state, goal->lane)->pause;

    switch (refusal) {
    case AW_TRANSFER_GOES:
        break;
    case AW_TRANSFER_NO_LANE:
    case AW_TRANSFER_NO_AGENT:
        return AW_E_NOT_FOUND;
    case AW_TRANSFER_TO_SELF:
        return AW_E_BAD_VALUE;
    case AW_TRANSFER_SAME_LANE:
    case AW_TRANSFER_BACK:
    case AW_TRANSFER_TOO_OFTEN:
    case AW_TRANSFER_NOT_SERVED:
        return AW_E_TRANSFER_REFUSED;
    }
    if (goal->lane != ticket->lane && (pause == AW_LANE_PAUSED_IN || pause == AW_LANE_PAUSED_BOTH))
        return AW_E_LANE_PAUSED;
    return may_be_kept(state, ticket, goal) ? aw_aside_admits(state, slot, goal->agent) : AW_OK;
}

void
aw_apply_transfer(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_transfer *in = &command->in.transfer;
    uint32_t                     slot = in->fenced.lease.slot;
    struct aw_ticket_row        *ticket;
    struct goal                  goal = {.lane = 0};
    enum aw_transfer_refusal     refusal;

    if (!aw_lease_is_held(state, command))
        return;
    refusal = find_goal(state, in, aw_ticket_at(state, slot), &goal);
    command->out.u.lease.refusal = refusal;
    command->out.err = check(state, slot, &goal, refusal);
    if (command->out.err != AW_OK)
        return;
    ticket = aw_lease_begin(state, command);
    aw_lease_end(state, ticket, AW_COMMAND_TRANSFER, in->fenced.op_hash);
    ticket->from_lanes[aw_ticket_transfers(ticket)] = (uint16_t)(ticket->lane + 1U);
    ticket->lane = (uint16_t)goal.lane;
    if (in->note.len > 0 && ticket->notes < UINT16_MAX)
        ticket->notes++;
    aw_aside_let_go(state, slot, ticket); /* who it was kept for had it */
    if (may_be_kept(state, ticket, &goal))
        aw_aside_hand(state, slot, ticket, goal.agent, state->globals.settings.kept_transfer_ms);
    aw_ticket_queue(state, slot, ticket, &command->out.event); /* where it turns out that an imminent one waits for no one */
    state->globals.transferred++;
    aw_lease_done(state, command);
}
