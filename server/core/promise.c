/* promise.c - FORECAST, PROMISE, and what a ticket's customer was told: when it opened, how that came out, and that it will not. */
#include "core/outbox.h"

/* --- what is published ------------------------------------------------------------------------------------------------------ */

enum aw_err
aw_forecast_admits(const struct aw_state *state, const struct aw_in_forecast *in)
{
    if (in->group >= AW_PROMISE_GROUPS_MAX || in->lane_count > AW_PROMISE_LANES_MAX)
        return AW_E_BAD_VALUE;
    for (uint32_t i = 0; i < in->lane_count; i++) {
        const struct aw_lane_group *lane = &in->lanes[i];

        if (!aw_rows_has(&state->lanes, lane->lane + 1U))
            return AW_E_NOT_FOUND;
        if (lane->group >= AW_PROMISE_GROUPS_MAX && lane->group != AW_PROMISE_NO_GROUP)
            return AW_E_BAD_VALUE;
    }
    return AW_OK;
}

void
aw_apply_forecast(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_forecast *in = &command->in.forecast;
    struct aw_forecast_row      *row;

    command->out.err = aw_forecast_admits(state, in);
    if (command->out.err != AW_OK)
        return;
    (void)aw_state_record(state, command);
    while (state->globals.heads[AW_TABLE_FORECAST].used <= in->group)
        (void)aw_rows_take(&state->forecast);
    row = aw_rows_change(&state->forecast, in->group + 1);
    row->at = state->now;
    row->base = in->base;
    memcpy(row->waits, in->waits, sizeof(row->waits));
    for (uint32_t i = 0; i < in->lane_count; i++) {
        struct aw_lane_row *lane = aw_rows_change(&state->lanes, in->lanes[i].lane + 1U);

        lane->group = in->lanes[i].group == AW_PROMISE_NO_GROUP ? 0 : in->lanes[i].group + 1U;
    }
}

/* NULL: nothing is told there now. */
static const struct aw_told_wait *
told_to(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    uint32_t                      group = aw_lane_at(state, ticket->lane)->group;
    enum aw_class                 class_ = (enum aw_class)ticket->class_;
    const struct aw_forecast_row *row;
    const struct aw_told_wait    *wait;

    if (!aw_rows_has(&state->forecast, group))
        return NULL;
    row = aw_rows_at(&state->forecast, group);
    wait = &row->waits[aw_promise_wait_of(class_, row->base, ticket->departs_at)];
    return state->now - row->at <= AW_PROMISE_GOOD_MS && wait->steps[AW_HALF] != 0 ? wait : NULL;
}

/* --- of a ticket ------------------------------------------------------------------------------------------------------------ */

void
aw_promise_make(const struct aw_state *state, struct aw_ticket_row *ticket, bool is_told)
{
    const struct aw_told_wait *wait = is_told ? told_to(state, ticket) : NULL;

    ticket->moved_min = 0;
    ticket->moved_half = 0;
    ticket->moved_nine = 0;
    ticket->taken_s = 0;
    ticket->promised_at = wait == NULL ? 0 : state->now & AW_ROW_SEQ_MAX;
    ticket->promised_class = wait == NULL ? 0 : ticket->class_;
    ticket->raw_half_s = wait == NULL ? 0 : wait->raw_s[AW_HALF] & AW_PROMISE_RAW_S_MAX;
    ticket->raw_nine_s = wait == NULL ? 0 : wait->raw_s[AW_NINE_OF_TEN] & AW_PROMISE_RAW_S_MAX;
    ticket->told_half = wait == NULL ? 0 : wait->steps[AW_HALF] & AW_PROMISE_STEPS_MAX;
    ticket->told_nine = wait == NULL ? 0 : wait->steps[AW_NINE_OF_TEN] & AW_PROMISE_STEPS_MAX;
}

void
aw_promise_share(struct aw_ticket_row *ticket, const struct aw_ticket_row *from)
{
    ticket->promised_at = from->promised_at;
    ticket->moved_min = from->moved_min;
    ticket->raw_half_s = from->raw_half_s;
    ticket->raw_nine_s = from->raw_nine_s;
    ticket->told_half = from->told_half;
    ticket->told_nine = from->told_nine;
    ticket->moved_half = from->moved_half;
    ticket->moved_nine = from->moved_nine;
    ticket->promised_class = from->promised_class;
    ticket->taken_s = from->taken_s;
}

static aw_ms
steps_after(const struct aw_ticket_row *ticket, uint64_t steps)
{
    return ticket->promised_at + steps * AW_PROMISE_STEP_MS;
}

struct aw_promise
aw_promise_of(const struct aw_ticket_row *ticket)
{
    bool has_moved = ticket->moved_min != 0;

    if (ticket->promised_at == 0)
        return (struct aw_promise){.made_at = 0};
    return (struct aw_promise){
        .made_at = ticket->promised_at + ticket->moved_min * (AW_MS_PER_S * 60),
        .half_by = steps_after(ticket, has_moved ? ticket->moved_half : ticket->told_half),
        .nine_of_ten_by = steps_after(ticket, has_moved ? ticket->moved_nine : ticket->told_nine),
    };
}

void
aw_promise_judge(struct aw_state *state, struct aw_ticket_row *ticket)
{
    uint64_t taken_s = (state->now - ticket->opened_at) / AW_MS_PER_S + 1;

    if (ticket->taken_s != 0)
        return;
    ticket->taken_s = taken_s < UINT32_MAX ? (uint32_t)taken_s : UINT32_MAX;
    if (ticket->promised_at == 0)
        return;
    if (state->now <= steps_after(ticket, ticket->told_nine))
        state->globals.promises_kept[ticket->promised_class]++;
    else
        state->globals.promises_broken[ticket->promised_class]++;
}

/* --- a promise moves -------------------------------------------------------------------------------------------------------- */

/* How many whole `unit_ms` lie between when it was promised and `at`, rounded up; above `max`: it can't be told. */
static uint64_t
units_until(const struct aw_ticket_row *ticket, aw_ms at, uint64_t unit_ms)
{
    return at > ticket->promised_at ? (at - ticket->promised_at + unit_ms - 1) / unit_ms : 0;
}

bool
aw_promise_may_move(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    return ticket->promised_at != 0 && ticket->taken_s == 0 && units_until(ticket, state->now, 60 * AW_MS_PER_S) <= UINT16_MAX &&
           (ticket->moved_min == 0 || state->now >= aw_promise_of(ticket).made_at + AW_PROMISE_MOVES_MS);
}

static enum aw_err
check_move(const struct aw_state *state, const struct aw_in_promise *in)
{
    const struct aw_ticket_row *ticket =
        aw_rows_has(&state->tickets, in->ticket.slot) ? aw_ticket_at(state, in->ticket.slot) : NULL;

    if (ticket == NULL || ticket->state == AW_TICKET_FREE || ticket->opened_seq != in->ticket.seq ||
        in->ticket.shard != state->globals.shard)
        return AW_E_NOT_FOUND;
    if (in->half_by > in->nine_of_ten_by || in->half_by < state->now)
        return AW_E_BAD_VALUE;
    if (ticket->state != AW_TICKET_WAITING || !aw_promise_may_move(state, ticket) ||
        in->nine_of_ten_by <= aw_promise_of(ticket).nine_of_ten_by ||
        units_until(ticket, in->nine_of_ten_by, AW_PROMISE_STEP_MS) > UINT16_MAX ||
        in->nine_of_ten_by - state->now > AW_PROMISE_MOVED_MS_MAX)
        return AW_E_STALE;
    return AW_OK;
}

void
aw_apply_promise(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_promise *in = &command->in.promise;
    uint32_t                    slot = in->ticket.slot;
    struct aw_ticket_row       *ticket;
    struct aw_owed              owed;
    uint64_t                    minutes, seq;

    command->out.err = check_move(state, in);
    if (command->out.err != AW_OK)
        return;
    seq = aw_state_record(state, command);
    ticket = aw_ticket_edit(state, slot);
    minutes = units_until(ticket, state->now, 60 * AW_MS_PER_S);
    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = seq & AW_ROW_SEQ_MAX;
    ticket->moved_min = (minutes > 0 ? minutes : 1) & UINT16_MAX;
    ticket->moved_half = units_until(ticket, in->half_by, AW_PROMISE_STEP_MS) & UINT16_MAX;
    ticket->moved_nine = units_until(ticket, in->nine_of_ten_by, AW_PROMISE_STEP_MS) & UINT16_MAX;
    aw_ticket_done(state, slot);
    state->globals.promises_moved++;
    command->out.u.promise = aw_promise_of(aw_ticket_at(state, slot));
    owed = (struct aw_owed){.kind = AW_REPLY_PROMISE_MOVED,
                            .texts = aw_template_first(state, AW_REPLY_PROMISE_MOVED),
                            .facts = aw_outbox_facts_of(state, slot)};
    (void)aw_outbox_owe(state, command, slot, &owed); /* what can't be written is counted there; the event is told anyway */
}
