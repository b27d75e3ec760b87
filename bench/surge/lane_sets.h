/* lane_sets.h - the lanes of a desk and which of them each agent serves, the same for the same seed.
 *
 * How many lanes an agent serves is spread evenly over the orders of magnitude, from one to all of them: a third of the agents
 * serve at most seven of 400 lanes, a third more than fifty. Which ones is drawn; an agent of few may have only lanes where nothing
 * waits, and then waits for work to come.
 *
 * The caller owns it. Thread: one. Fails only for want of memory.
 */
#ifndef AW_BENCH_SURGE_LANE_SETS_H
#define AW_BENCH_SURGE_LANE_SETS_H

#include "base/assert.h"

#include <stdbool.h>
#include <stdint.h>

#define SURGE_LANE_NAME_BYTES 16U

struct surge_lane_sets {
    uint32_t lanes;
    uint32_t agents;
    uint32_t least; /* of the sizes of their sets */
    uint32_t median;
    uint32_t most;
    char   **lists; /* owns: by agent, a JSON list of names */
};

AW_MUST_USE bool surge_lane_sets_init(struct surge_lane_sets *sets, uint32_t lanes, uint32_t agents, uint64_t seed);
/* Accepts a zeroed struct. */
void surge_lane_sets_fini(struct surge_lane_sets *sets);
void surge_lane_name(uint32_t lane, char name[SURGE_LANE_NAME_BYTES]);

#endif
