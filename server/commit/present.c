/* present.c - see present.h. */
#include "commit/present.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/reserve.h"

#include <string.h>

/* A set that nobody pulled from for so long is given to another list of lanes: whoever still had it is not present by then, and one
 * with a lease of hours counts by its settings. */
#define SET_KEPT_MS (UINT64_C(4) * 3600000)

static size_t
agents_bytes(uint32_t agents_max)
{
    return ((size_t)agents_max + 1) * sizeof(struct aw_present_agent);
}
#define SETS_BYTES (AW_LANE_SETS_MAX * sizeof(struct aw_lane_set))

bool
aw_present_init(struct aw_present *present, uint32_t agents_max)
{
    *present = (struct aw_present){._agents_max = agents_max, ._count = 1};
    present->_sets = aw_reserve_take(SETS_BYTES);
    present->_agents = aw_reserve_take(agents_bytes(agents_max));
    if (present->_sets != NULL && present->_agents != NULL)
        return true;
    aw_present_fini(present);
    return false;
}

void
aw_present_fini(struct aw_present *present)
{
    aw_reserve_give(present->_sets, SETS_BYTES);
    aw_reserve_give(present->_agents, agents_bytes(present->_agents_max));
    present->_sets = NULL;
    present->_agents = NULL;
}

/* Lanes that are in one of both only; ascending lists. */
static uint32_t
difference(const struct aw_lane_set *set, const uint32_t *lanes, uint32_t count)
{
    uint32_t a = 0, b = 0, differ = 0;

    if (set->lane_count == 0)
        return UINT32_MAX; /* all lanes is like no list */
    while (a < set->lane_count || b < count) {
        bool takes_a = b == count || (a < set->lane_count && set->lanes[a] <= lanes[b]);
        bool takes_b = a == set->lane_count || (b < count && lanes[b] <= set->lanes[a]);

        differ += takes_a != takes_b;
        a += takes_a;
        b += takes_b;
    }
    return differ;
}

static uint32_t
make_set(struct aw_present *present, uint32_t number, uint64_t hash, const uint32_t *lanes, uint32_t count, aw_ms now)
{
    struct aw_lane_set *set = &present->_sets[number];

    set->hash = hash;
    set->made_at = now;
    set->lane_count = count;
    memcpy(set->lanes, lanes, count * sizeof(lanes[0]));
    return number;
}

static uint32_t
find_set(struct aw_present *present, uint64_t hash, const uint32_t *lanes, uint32_t count, aw_ms now)
{
    uint32_t nearest = 1, least = UINT32_MAX, oldest = 1;

    for (uint32_t i = 1; i < present->_count; i++) {
        uint32_t differ;

        if (present->_sets[i].hash == hash)
            return i;
        differ = difference(&present->_sets[i], lanes, count);
        nearest = differ < least ? i : nearest;
        least = differ < least ? differ : least;
        oldest = present->_sets[i].used_at < present->_sets[oldest].used_at ? i : oldest;
    }
    if (present->_count < AW_LANE_SETS_MAX)
        return make_set(present, present->_count++, hash, lanes, count, now);
    if (now - present->_sets[oldest].used_at > SET_KEPT_MS)
        return make_set(present, oldest, hash, lanes, count, now);
    return nearest;
}

/* Whether its set is still that of the lanes that it pulled from. */
static bool
has_set(const struct aw_present *present, const struct aw_present_agent *row)
{
    return row->seen_at != 0 && row->seen_at >= present->_sets[row->set].made_at;
}

static uint64_t
hash_of(const uint32_t *lanes, uint32_t count)
{
    return lanes == NULL ? 0 : aw_hash_name(lanes, count * sizeof(lanes[0]));
}

uint32_t
aw_present_find(struct aw_present *present, const uint32_t *lanes, uint32_t lane_count, aw_ms now)
{
    uint32_t set = 0;

    AW_ASSERT(lane_count <= AW_LANES_PER_PULL_MAX);
    if (lanes != NULL && lane_count > 0)
        set = find_set(present, hash_of(lanes, lane_count), lanes, lane_count, now);
    present->_sets[set].used_at = now;
    return set;
}

void
aw_present_note(struct aw_present *present, uint32_t agent, const uint32_t *lanes, uint32_t lane_count, aw_ms now)
{
    struct aw_present_agent *row;
    uint64_t                 hash;

    if (agent == 0)
        return;
    AW_ASSERT(agent <= present->_agents_max);
    AW_ASSERT(lane_count <= AW_LANES_PER_PULL_MAX);
    row = &present->_agents[agent];
    hash = hash_of(lanes, lane_count);
    if (!has_set(present, row) || row->hash != (uint32_t)hash)
        row->set = aw_present_find(present, lanes, lane_count, now);
    row->hash = (uint32_t)hash;
    row->seen_at = now;
    present->_sets[row->set].used_at = now;
}

aw_ms
aw_present_seen(const struct aw_present *present, uint32_t agent, uint32_t *ret_set)
{
    AW_ASSERT(agent <= present->_agents_max);
    *ret_set = present->_agents[agent].set;
    return has_set(present, &present->_agents[agent]) ? present->_agents[agent].seen_at : 0;
}

const struct aw_lane_set *
aw_present_set(const struct aw_present *present, uint32_t set)
{
    AW_ASSERT(set < present->_count);
    return &present->_sets[set];
}

uint32_t
aw_present_sets(const struct aw_present *present)
{
    return present->_count;
}
