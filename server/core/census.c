/* census.c - see census.h. */
#include "core/census.h"

#include "core/layout.h"

/* Its row counts seconds; told is the end of that second. Once it has passed whoever looks sees it, so each is told of in exactly
 * one of two looks. */
static aw_ms
taken_at(const struct aw_ticket_row *row)
{
    return row->taken_s == 0 ? 0 : row->opened_at + row->taken_s * AW_MS_PER_S - 1;
}

/* A ticket that was leased once, and answered then: when it was taken and when it closed tell how long that took. */
static uint64_t
handled_ms(const struct aw_ticket_row *row)
{
    aw_ms began_at = row->taken_s == 0 ? 0 : row->opened_at + (row->taken_s - 1) * AW_MS_PER_S;

    if (row->state != AW_TICKET_CLOSED || row->attempt != 1 || row->ended_kind != AW_COMMAND_COMPLETE || row->taken_s == 0)
        return 0;
    return row->until > began_at ? row->until - began_at : 0;
}

static struct aw_census_ticket
told_of(const struct aw_state *state, uint32_t slot)
{
    const struct aw_ticket_row *row = aw_ticket_at(state, slot);
    bool                        is_promised = row->promised_at != 0;

    return (struct aw_census_ticket){
        .ticket = aw_ticket_id_at(state, slot),
        .lane = row->lane,
        .class_ = (enum aw_class)row->class_,
        .waits = row->state == AW_TICKET_WAITING,
        .age = aw_ticket_age(row),
        .departs_at = row->departs_at,
        .asked_at = is_promised ? row->promised_at : row->opened_at,
        .taken_at = taken_at(row),
        .handled_ms = handled_ms(row),
        .closed_at = row->state == AW_TICKET_CLOSED ? row->until : 0,
        .promise = aw_promise_of(row),
        .promised_at = row->promised_at,
        .promised_class = (enum aw_class)row->promised_class,
        .told_ms = is_promised ? row->told_nine * AW_PROMISE_STEP_MS : 0,
        .raw_ms = {row->raw_half_s * AW_MS_PER_S, row->raw_nine_s * AW_MS_PER_S},
        .may_move = aw_promise_may_move(state, row),
    };
}

void
aw_census_step(const struct aw_state *state, struct aw_census *census, uint32_t slots)
{
    uint32_t used = state->globals.heads[AW_TABLE_TICKETS].used;

    census->count = 0;
    for (; census->next <= used && slots > 0 && census->count < census->room; census->next++, slots--) {
        const struct aw_ticket_row *row = aw_ticket_at(state, census->next);
        struct aw_census_ticket     told;

        if (row->state == AW_TICKET_FREE)
            continue;
        told = told_of(state, census->next);
        if (told.waits || told.asked_at > census->since || told.taken_at > census->since || told.closed_at > census->since)
            census->tickets[census->count++] = told;
    }
    if (census->next > used)
        census->next = 0;
}

struct aw_census_lane
aw_census_lane(const struct aw_state *state, uint32_t lane)
{
    const struct aw_lane_row *row = aw_lane_at(state, lane);

    return (struct aw_census_lane){.group = row->group == 0 ? AW_PROMISE_NO_GROUP : (uint8_t)(row->group - 1),
                                   .gives = row->pause == AW_LANE_OPEN || row->pause == AW_LANE_PAUSED_IN};
}

void
aw_census_told(const struct aw_state *state, uint32_t group, struct aw_told_group *ret_told)
{
    const struct aw_forecast_row *row;

    *ret_told = (struct aw_told_group){.at = 0};
    if (!aw_rows_has(&state->forecast, group + 1))
        return;
    row = aw_rows_at(&state->forecast, group + 1);
    ret_told->at = row->at;
    ret_told->base = row->base;
    memcpy(ret_told->waits, row->waits, sizeof(ret_told->waits));
}
