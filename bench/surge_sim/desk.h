/* desk.h - one run: a crowd, the server's state machine and lanes, an order, and agents, under a virtual clock.
 *
 * Every command, also that an airport closes, goes through aw_state_apply, every waiting ticket through the server's lanes; what is
 * left out is what lies around them: the wire, the disk and the milliseconds of a commit. At one moment timers come first, then
 * agents that are done and airports that close, then customers, then the pulls of idle agents.
 *
 * Thread: the caller's. A run owns what it needs and gives it back. The same setup gives the same result, to the last bit.
 */
#ifndef AW_BENCH_SURGE_SIM_DESK_H
#define AW_BENCH_SURGE_SIM_DESK_H

#include "base/err.h"
#include "base/why.h"
#include "bench/surge_sim/policy.h"
#include "bench/surge_sim/result.h"
#include "bench/surge_sim/scenario.h"

struct sim_setup {
    const struct sim_scenario *scenario; /* borrows */
    const struct sim_policy   *policy;   /* borrows */
    struct aw_order_settings   order;
    uint64_t                   seed;
    double                     fade_hours; /* of the forecast; 0: nobody is told anything */
    uint64_t                   look_ms;    /* how often one is made */
};

/* AW_E_MEMORY, or what the server's parts return when they have no room. aw_hash_init was called before. */
AW_MUST_USE enum aw_err sim_desk_run(const struct sim_setup *setup, struct sim_result *ret_result, struct aw_why *why);

#endif
