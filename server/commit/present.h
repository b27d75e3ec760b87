/* present.h - who works just now, and in which lanes: what a forecaster is told of agents.
 *
 * Present is who holds leases, waits for a ticket, or did one of both a moment ago, and takes tickets (it is not on a break).
 * Its lanes are those that its last pull served: kept here since the start, as sets that agents share, at most AW_LANE_SETS_MAX;
 * beyond these an agent counts with the set that differs least. An agent who holds leases and has not pulled since the start counts
 * by its settings; one who waits for its first ticket, and has no number yet, by what it waits for. Nothing depends on it but
 * forecasts.
 * Owns its tables, in address space that is touched as it is needed. Thread: the committer. Fails: init, for lack of memory.
 */
#ifndef AW_COMMIT_PRESENT_H
#define AW_COMMIT_PRESENT_H

#include "base/time.h"
#include "model/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define AW_LANE_SETS_MAX 64U
/* So long after its last pull one counts as present: agents come back for the next ticket within that. */
#define AW_PRESENT_AGENT_MS (UINT64_C(90) * 1000)

struct aw_lane_set {
    uint64_t hash;
    aw_ms    made_at; /* whoever pulled last before that is not of this set */
    aw_ms    used_at;
    uint32_t lane_count;                   /* 0: all lanes */
    uint32_t lanes[AW_LANES_PER_PULL_MAX]; /* ascending */
};
struct aw_present_agent {
    aw_ms    seen_at; /* 0: not since the start */
    uint32_t set;
    uint32_t hash; /* of the lanes that it pulled last, so that a repeat costs nothing */
};
struct aw_present {
    struct aw_lane_set      *_sets;   /* owns: AW_LANE_SETS_MAX; [0]: all lanes */
    struct aw_present_agent *_agents; /* owns: by agent */
    uint32_t                 _agents_max;
    uint32_t                 _count; /* of sets */
};

AW_MUST_USE bool aw_present_init(struct aw_present *present, uint32_t agents_max);
void             aw_present_fini(struct aw_present *present);
/* This agent pulls from these lanes (NULL: all), ascending. `agent` 0: one that has no number yet, and is not noted. */
void aw_present_note(struct aw_present *present, uint32_t agent, const uint32_t *lanes, uint32_t lane_count, aw_ms now);
/* Somebody without a number waits for tickets of these lanes: the set that he counts with. */
uint32_t aw_present_find(struct aw_present *present, const uint32_t *lanes, uint32_t lane_count, aw_ms now);
/* When it pulled last, and its set; 0: not since the start, or so long ago that its set is another one now. */
aw_ms                     aw_present_seen(const struct aw_present *present, uint32_t agent, uint32_t *ret_set);
const struct aw_lane_set *aw_present_set(const struct aw_present *present, uint32_t set);
uint32_t                  aw_present_sets(const struct aw_present *present);

#endif
