/* forecast.h - how long those wait who come now, and how much longer those who wait already, if things go on as they are: the
 * server's own rule (core/order), run forward on a bucketed copy of the queue until everybody has been taken.
 *
 * The copy is a flow: tickets are counted by class, age and departure, not one by one; agents take them at the pace of their
 * handling times; what arrives meanwhile waits as well, and goes before or behind by the rule. What comes out is one wait for each
 * class and departure, which is right as far as what was told of arrivals, handling and agents is. How far that can be trusted is
 * learned by comparing (forecast/trust.h), what is told of the present is measured (forecast/flow.h), and what is published is
 * rounded up (forecast/promise.h).
 *
 * A group is a set of lanes whose tickets may be taken by the same agents: to the rule they are one queue. A pool is a set of
 * agents who serve the same groups. A desk without lanes of its own is one group and one pool.
 *
 * Limits: ages count to a minute, those of imminent tickets to two minutes, and their departures to ten; who has waited longer
 * than three days (imminent: than a day before the departure) counts as that; a forecast looks three days ahead. A ticket with a
 * departure further away than six hours is `disrupted` here, also when its hour comes; windows of channels (reply_by), helping
 * lanes and what waits aside are left to trust.h.
 *
 * Who calls: a thread of its own, every 30 s: begin, what is known, run; then it asks. Nothing here reads a clock, and only
 * aw_forecast_new takes memory. Doubles: the same calls on the same build give the same answer; what is published of it is
 * recorded, so that no replay computes it. A run costs what buckets cost, not tickets: 200,000 tickets that came over 20 hours
 * take 1.2 ms to add and 1.5 ms to run in one group, 27 ms in 16 groups with 16 pools.
 * Owns its tables: 5 MB of address space a group, touched where tickets are. Thread: one at a time.
 */
#ifndef AW_FORECAST_FORECAST_H
#define AW_FORECAST_FORECAST_H

#include "base/err.h"
#include "base/time.h"
#include "model/order.h"

#include <stdbool.h>
#include <stdint.h>

#define AW_FORECAST_GROUPS_MAX 16U
#define AW_FORECAST_POOLS_MAX  16U
#define AW_FORECAST_STAFF_MAX  48U
/* How far it looks ahead, and how far back ages count. */
#define AW_FORECAST_AHEAD_MS (UINT64_C(72) * 3600000)
#define AW_FORECAST_BACK_MS  (UINT64_C(72) * 3600000)
/* Departures of those who will ask, by ten minutes between asking and departure. */
#define AW_FORECAST_LEADS   36U
#define AW_FORECAST_LEAD_MS (UINT64_C(10) * 60000)
/* Of the two waits that trust.h wants, the second is of a run whose half-life is so many times as long: as if a surge went on. */
#define AW_FORECAST_SLOWER 4U
/* No answer within AW_FORECAST_AHEAD_MS. */
#define AW_FORECAST_NEVER UINT64_MAX

struct aw_forecast;

struct aw_forecast_staff {
    aw_ms  from;
    double agents;
};

/* What arrives of a class in a group. It is `per_hour` now, and what that is above or below the usual halves every `fade_ms`. */
struct aw_forecast_arrivals {
    double per_hour;
    double usual_per_hour;
};

/* AW_E_MEMORY; `groups` is at most AW_FORECAST_GROUPS_MAX. */
AW_MUST_USE enum aw_err aw_forecast_new(struct aw_forecast **ret_forecast, uint32_t groups);
/* Takes the address, accepts NULL, leaves NULL. */
void aw_forecast_free(struct aw_forecast **forecast);

/* Forgets all that was told. */
void aw_forecast_begin(struct aw_forecast *forecast, const struct aw_order_settings *order, aw_ms now);
/* So many tickets of this class wait since `age`. `departure` counts for imminent ones. In any order. */
void aw_forecast_add_waiting(struct aw_forecast *forecast, uint32_t group, enum aw_class class_, aw_ms age, aw_ms departure,
                             double tickets);
/* How long an agent has a ticket of this class, with what comes before the next pull; more than 0. */
void aw_forecast_set_handling(struct aw_forecast *forecast, enum aw_class class_, double ms);
void aw_forecast_set_arrivals(struct aw_forecast *forecast, uint32_t group, enum aw_class class_,
                              struct aw_forecast_arrivals arrivals);
/* The half-life, for all classes. */
void aw_forecast_set_fade(struct aw_forecast *forecast, uint64_t fade_ms);
/* Which share of imminent ones asks how long before departure; all 0: evenly. */
void aw_forecast_set_leads(struct aw_forecast *forecast, const double shares[AW_FORECAST_LEADS]);
/* Agents who serve these groups (bits), by time: the last entry with from <= t counts; before the first there are none. At most
 * AW_FORECAST_POOLS_MAX pools, AW_FORECAST_STAFF_MAX entries each, ascending. */
void aw_forecast_add_pool(struct aw_forecast *forecast, uint32_t groups, const struct aw_forecast_staff *staff, uint32_t count);

void aw_forecast_run(struct aw_forecast *forecast);

/* After a run: the wait of a ticket that comes now, in ms. `departure` counts for imminent ones. AW_FORECAST_NEVER. */
uint64_t aw_forecast_wait_ms(const struct aw_forecast *forecast, uint32_t group, enum aw_class class_, aw_ms departure);
/* The same over the whole desk: what at least this share of those who come now waits at most, groups counting by what arrives there
 * of this class; all alike when nothing does. 0 < share <= 1. */
uint64_t aw_forecast_desk_wait_ms(const struct aw_forecast *forecast, enum aw_class class_, aw_ms departure, double share);
/* Whether one like it was added that waits: of others nothing is known. */
AW_MUST_USE bool aw_forecast_has(const struct aw_forecast *forecast, uint32_t group, enum aw_class class_, aw_ms age,
                                 aw_ms departure);
/* How much longer one waits that was added so. AW_FORECAST_NEVER also when there is none like it. */
uint64_t aw_forecast_left_ms(const struct aw_forecast *forecast, uint32_t group, enum aw_class class_, aw_ms age,
                             aw_ms departure);
/* How many buckets were taken from in this run: what its time goes by. */
uint64_t aw_forecast_picks(const struct aw_forecast *forecast);

#endif
