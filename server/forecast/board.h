/* board.h - what is told at the desk: from who waits and who works, by the rule run forward, corrected by what came true.
 *
 * A look: begin; lanes and agents as they are; groups; every ticket of a census (core/census.h); run. Then it says what each group
 * of lanes is told from now on, and of a ticket that waits, whether its promise will break. Lanes that are served by the same sets
 * of agents are a group; where there are more groups or sets of agents than a forecast takes, those that differ least are one. A
 * lane that nobody serves, or that gives nothing out, has none: nothing is known there.
 *
 * What it knows of the past is of the tickets themselves: at its first look, of all those of the last day, so that a restart
 * forgets little. Arrivals fade to what was usual over that day, by half in `fade_ms`.
 * Owns its tables. Thread: one at a time. Takes memory only in aw_board_new. Reads no clock.
 */
#ifndef AW_FORECAST_BOARD_H
#define AW_FORECAST_BOARD_H

#include "core/census.h"
#include "forecast/forecast.h"
#include "model/promise.h"

struct aw_board;

struct aw_board_config {
    uint32_t lanes_max;
    uint64_t fade_ms;
};
#define AW_BOARD_FADE_MS (UINT64_C(6) * 3600000)

/* AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_board_new(struct aw_board **ret_board, const struct aw_board_config *config);
/* Takes the address, accepts NULL, leaves NULL. */
void aw_board_free(struct aw_board **board);

/* --- a look --------------------------------------------------------------------------------------------------------------- */

/* `now` is a record time, never before that of the last look. */
void aw_board_begin(struct aw_board *board, const struct aw_order_settings *order, aw_ms now);
/* `since` of the census that it wants. */
aw_ms aw_board_since(const struct aw_board *board);
void  aw_board_set_lanes(struct aw_board *board, const struct aw_census_lane *lanes, uint32_t count);
/* So many agents serve these lanes, ascending; none: all lanes. One who is not given some classes counts as one who takes all: what
 * that makes wrong is put right by class (forecast/trust.h). */
void aw_board_add_agents(struct aw_board *board, const uint32_t *lanes, uint32_t lane_count, uint32_t agents);
/* When lanes and agents are told. */
void aw_board_make_groups(struct aw_board *board);
void aw_board_add_ticket(struct aw_board *board, const struct aw_census_ticket *ticket);
void aw_board_run(struct aw_board *board);

/* --- what came out -------------------------------------------------------------------------------------------------------- */

/* AW_PROMISE_WAITS of them, counting from `now`; NULL: no lane is of this group. */
const struct aw_told_wait *aw_board_told(const struct aw_board *board, uint32_t group);
/* The next lane from `from` on whose group is another one than the lanes were told with; false: there is none. */
AW_MUST_USE bool aw_board_next_move(const struct aw_board *board, uint32_t from, struct aw_lane_group *ret_move);
/* Whether this ticket's promise, which may move, is one that will most likely not be kept; then what to tell. Never when no ticket
 * like it was added: of that one the run says nothing. */
AW_MUST_USE bool aw_board_is_breaking(const struct aw_board *board, const struct aw_census_ticket *ticket,
                                      struct aw_promise *ret_promise);

#endif
