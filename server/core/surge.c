/* surge.c - the desk's surge: SURGE, and its part of UNDO.
 *
 * One row, made when the first surge is declared. What it says of the order of pulls is looked up by who pulls (run/surge_copy.h);
 * here it decides when lanes begin to help, and whether a message is acknowledged. A change of when lanes help sets the timers of
 * waiting tickets anew, in pieces as with a change of a lane; a lane that helps with a ticket already goes on until it is taken.
 */
#include "core/layout.h"

#define SLOT 1U

static bool
is_there(const struct aw_state *state)
{
    return state->globals.heads[AW_TABLE_SURGE].used != 0;
}

const struct aw_surge *
aw_surge_now(const struct aw_state *state)
{
    static const struct aw_surge none = {.since = 0};

    return is_there(state) ? &aw_surge_at(state, SLOT)->now : &none;
}

void
aw_state_surge(const struct aw_state *state, struct aw_surge_view *ret_view)
{
    *ret_view = (struct aw_surge_view){.version = 0};
    if (!is_there(state))
        return;
    ret_view->version = aw_surge_at(state, SLOT)->version;
    ret_view->now = aw_surge_at(state, SLOT)->now;
    ret_view->before = aw_surge_at(state, SLOT)->before;
    ret_view->change = (struct aw_change_id){
        .seq = aw_surge_at(state, SLOT)->change, .slot = SLOT, .shard = (uint8_t)state->globals.shard, .of = AW_CHANGE_SURGE};
}

uint64_t
aw_state_surge_version(const struct aw_state *state)
{
    return is_there(state) ? aw_surge_at(state, SLOT)->version : 0;
}

struct aw_order_settings
aw_state_order_in(const struct aw_state *state, const struct aw_order_settings *order, uint32_t lane)
{
    const struct aw_surge *surge = aw_surge_now(state);

    return aw_surge_holds_in(surge, lane) ? aw_surge_apply_order(surge, order) : *order;
}

bool
aw_surge_acknowledges(const struct aw_state *state, const struct aw_in_message *message, uint32_t lane)
{
    const struct aw_surge *surge = aw_surge_now(state);

    return surge->is_receipt == 0 || !aw_surge_covers(surge, message, lane);
}

uint32_t
aw_surge_help_after_s(const struct aw_state *state, uint32_t lane, uint32_t helper)
{
    const struct aw_surge *surge = aw_surge_now(state);
    uint32_t               after_s = aw_lane_at(state, lane)->help_after_s[helper];
    bool                   is_sooner = surge->overflow_after_s != 0 && surge->overflow_after_s < after_s;

    return is_sooner && aw_surge_holds_in(surge, lane) ? surge->overflow_after_s : after_s;
}

/* --- changing ------------------------------------------------------------------------------------------------------------- */

static bool
are_lanes_valid(const struct aw_state *state, const struct aw_surge *surge)
{
    for (uint32_t i = 0; i < surge->lane_count; i++) {
        if (surge->lanes[i] >= aw_state_lane_count(state) || (i > 0 && surge->lanes[i] <= surge->lanes[i - 1]))
            return false;
    }
    return true;
}

static bool
is_valid(const struct aw_state *state, const struct aw_surge *surge)
{
    if (surge->is_on != 1 || surge->since != 0 || surge->order > AW_SURGE_ORDER_STRICT || surge->is_receipt > 1 ||
        surge->overflow_after_s > AW_LANE_HELP_S_MAX || surge->lane_count > AW_SURGE_LANES_MAX ||
        surge->channel_count > AW_CHANNELS_MAX || surge->flight_count > AW_SURGE_FLIGHTS_MAX ||
        surge->airport_count > AW_SURGE_AIRPORTS_MAX || surge->notice_count > AW_SURGE_NOTICES_MAX)
        return false;
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        if (surge->target_s[i] > AW_SURGE_TARGET_S_MAX)
            return false;
    }
    for (uint32_t i = 0; i < surge->flight_count; i++) {
        if (surge->flights[i].hash == 0)
            return false;
    }
    return are_lanes_valid(state, surge);
}

/* Tickets that wait where it holds. */
static uint32_t
count_waiting(const struct aw_state *state, const struct aw_surge *surge)
{
    uint64_t waiting = 0;

    for (uint32_t lane = 0; lane < aw_state_lane_count(state); lane++) {
        for (unsigned class_ = 0; class_ < AW_CLASS_COUNT && aw_surge_holds_in(surge, lane); class_++)
            waiting += state->lane_loads[lane].waiting[class_];
    }
    return (uint32_t)waiting;
}

static enum aw_surge_turn
turn_of(const struct aw_surge *before, const struct aw_surge *now)
{
    if (before->is_on == now->is_on)
        return before->is_on != 0 ? AW_SURGE_CHANGED : AW_SURGE_STAYS;
    return now->is_on != 0 ? AW_SURGE_DECLARED : AW_SURGE_ENDED;
}

/* What the command's outcome tells of a surge that is to be `now`, and was something else before. */
static void
fill_out(const struct aw_state *state, struct aw_command *command, const struct aw_surge *now, bool dry_run)
{
    const struct aw_surge *before = aw_surge_now(state);
    struct aw_surge_view   view;

    aw_state_surge(state, &view);
    command->out.u.change.now =
        (struct aw_change_answer){.of = AW_CHANGE_SURGE,
                                  .surge = {.turn = turn_of(before, now), .version = view.version, .change = view.change},
                                  .tickets = count_waiting(state, now->is_on != 0 ? now : before),
                                  .dry_run = dry_run};
}

static void
change(struct aw_state *state, struct aw_command *command, const struct aw_surge *now, bool can_be_undone)
{
    uint64_t              seq = aw_state_record(state, command);
    struct aw_surge_mark *mark = &command->out.u.change.now.surge;
    struct aw_surge_row  *row;
    bool                  helps = now->overflow_after_s != 0 || aw_surge_now(state)->overflow_after_s != 0;

    if (!is_there(state)) {
        uint32_t slot = aw_rows_take(&state->surge);

        AW_ASSERT(slot == SLOT);
        command->out.u.change.created = true;
    }
    row = aw_rows_change(&state->surge, SLOT);
    row->before = row->now;
    row->now = *now;
    row->change = can_be_undone ? seq : 0;
    row->version++;
    mark->version = row->version;
    mark->change =
        (struct aw_change_id){.seq = row->change, .slot = SLOT, .shard = (uint8_t)state->globals.shard, .of = AW_CHANGE_SURGE};
    if (helps)
        aw_ticket_rearm_slowly(state);
}

void
aw_apply_surge(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_surge *in = &command->in.surge;
    const struct aw_surge    *before = aw_surge_now(state);
    struct aw_surge           now = {.since = 0};

    if (in->surge != NULL && !is_valid(state, in->surge)) {
        command->out.err = AW_E_BAD_VALUE;
        return;
    }
    if (!aw_if_match_holds(&in->if_match, aw_state_surge_version(state))) {
        command->out.err = AW_E_PRECONDITION;
        return;
    }
    if (in->surge != NULL) {
        now = *in->surge;
        now.since = before->is_on != 0 ? before->since : state->now;
    }
    fill_out(state, command, &now, in->dry_run);
    if (aw_surge_is_same(before, &now)) {
        command->out.u.change.now.surge.turn = AW_SURGE_STAYS;
        return;
    }
    if (!in->dry_run)
        change(state, command, &now, true);
}

void
aw_surge_undo(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_undo *in = &command->in.undo;
    struct aw_surge          before = aw_surge_at(state, SLOT)->before;

    if (aw_surge_at(state, SLOT)->change != in->change.seq) {
        command->out.err = AW_E_OVERTAKEN;
        return;
    }
    fill_out(state, command, &before, in->dry_run);
    if (!in->dry_run)
        change(state, command, &before, false);
}

void
aw_surge_repeat(const struct aw_state *state, struct aw_command *command, const struct aw_change_kept *kept)
{
    fill_out(state, command, aw_surge_now(state), false);
    command->out.u.change.now.surge.turn = AW_SURGE_STAYS;
    command->out.u.change.now.surge.version = kept->version;
    command->out.u.change.now.tickets = kept->tickets;
    command->out.u.change.now.duplicate = true;
}
