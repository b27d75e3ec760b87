/* bound.h - what no order can do better, with these customers and these agents.
 *
 * A schedule of somebody who knows all that will be asked and when, but not how long a single ticket will take; nor does any order.
 * Agents are a fluid: each gives a minute of work every minute, to any ticket, and lays one down for another at no cost. A ticket
 * takes what its class takes on average, in whole minutes: so this bounds the mean over seeds, and a run may be lucky. `care` is
 * taken within half an hour where anybody could; among such schedules it is the one that makes most departures.
 *
 * It is found by giving each minute to whatever is due first (Glover 1967: a greatest matching of a convex graph), and tickets that
 * can be served together are a matroid: all minutes that can be given out, less those that `care` alone can have, are the most
 * that departures can have beside it.
 *
 * Thread: any. Nothing is kept. Fails only for want of memory.
 */
#ifndef AW_BENCH_SURGE_SIM_BOUND_H
#define AW_BENCH_SURGE_SIM_BOUND_H

#include "base/err.h"
#include "bench/surge_sim/result.h"
#include "bench/surge_sim/scenario.h"

struct sim_bound {
    double missed;       /* share of the departures that could be made; none of `care` that could be in time is late for them */
    double care_over_30; /* share of care that is not taken within half an hour */
};

/* The least that any order reaches with this seed. AW_E_MEMORY. */
AW_MUST_USE enum aw_err sim_bound_find(struct sim_bound *ret_bound, const struct sim_scenario *scenario,
                                       const struct aw_order_settings *order, uint64_t seed);

struct sim_bounds {
    struct sim_spread missed;
    struct sim_spread care_over_30;
    unsigned          runs;
};
/* Starts from zeros. */
void sim_bounds_add(struct sim_bounds *bounds, const struct sim_bound *bound);

#endif
