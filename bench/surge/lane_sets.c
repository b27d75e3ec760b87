/* lane_sets.c - see lane_sets.h. */
#include "bench/surge/lane_sets.h"

#include "base/mem.h"
#include "bench/arrivals/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST_BYTES_PER_LANE (SURGE_LANE_NAME_BYTES + 3U) /* quotes and a comma */

void
surge_lane_name(uint32_t lane, char name[SURGE_LANE_NAME_BYTES])
{
    (void)snprintf(name, SURGE_LANE_NAME_BYTES, "desk-%04u", lane);
}

/* The first `count` of a shuffled list. NULL: no memory. */
static char *
make_list(uint32_t *order, uint32_t lanes, uint32_t count, struct surge_random *random)
{
    size_t room = (size_t)count * LIST_BYTES_PER_LANE + 3;
    char  *list = malloc(room);
    size_t len = 0;

    for (uint32_t i = 0; list != NULL && i < count; i++) {
        uint32_t other = i + (uint32_t)surge_random_below(random, lanes - i);
        uint32_t lane = order[other];
        char     name[SURGE_LANE_NAME_BYTES];

        order[other] = order[i];
        order[i] = lane;
        surge_lane_name(lane, name);
        len += (size_t)snprintf(list + len, room - len, "%c\"%s\"", i == 0 ? '[' : ',', name);
    }
    if (list != NULL)
        (void)snprintf(list + len, room - len, "]");
    return list;
}

static uint32_t
size_of(uint32_t agent, const struct surge_lane_sets *sets)
{
    double part = sets->agents > 1 ? (double)agent / (double)(sets->agents - 1) : 0;

    return (uint32_t)lround(exp(part * log((double)sets->lanes)));
}

bool
surge_lane_sets_init(struct surge_lane_sets *sets, uint32_t lanes, uint32_t agents, uint64_t seed)
{
    struct surge_random random = surge_random_of(seed);
    uint32_t           *order = aw_new_array(uint32_t, lanes);
    bool                ok = order != NULL;

    AW_ASSERT(lanes > 0 && agents > 0);
    *sets = (struct surge_lane_sets){.lanes = lanes, .agents = agents, .lists = aw_new_array(char *, agents)};
    sets->least = size_of(0, sets);
    sets->median = size_of(agents / 2, sets);
    sets->most = size_of(agents - 1, sets);
    ok = ok && sets->lists != NULL;
    for (uint32_t i = 0; ok && i < lanes; i++)
        order[i] = i;
    for (uint32_t i = 0; ok && i < agents; i++) {
        /* In steps that visit each agent once, so that neighbours, who share connections and turns, differ in size. */
        uint32_t at = (uint32_t)((uint64_t)i * 61 % agents);

        sets->lists[i] = make_list(order, lanes, size_of(agents % 61 == 0 ? i : at, sets), &random);
        ok = sets->lists[i] != NULL;
    }
    free(order);
    if (!ok)
        surge_lane_sets_fini(sets);
    return ok;
}

void
surge_lane_sets_fini(struct surge_lane_sets *sets)
{
    for (uint32_t i = 0; sets->lists != NULL && i < sets->agents; i++)
        free(sets->lists[i]);
    free(sets->lists);
    *sets = (struct surge_lane_sets){.lists = NULL};
}
