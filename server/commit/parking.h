/* parking.h - pulls that found nothing, and who is woken when something comes: the longest waiting one that serves the lane.
 *
 * A parked pull is linked once for every lane that it names (or once in the list of those that serve all lanes), in order of its
 * number, which it keeps when a wake found nothing. A woken pull is linked nowhere until it comes back. Each wake is for one lane;
 * until the woken pull comes back in any form, the lane counts it as on its way, so that tickets and wakes stay even: whoever comes
 * back makes the committer look at that lane again, and no ticket waits beside an idle agent because a wake was lost.
 *
 * A pull whose agent has no unit free on some shelves (park.full), or is not given some classes (park.barred), is passed over for
 * tickets of these. Where nobody was found, nobody is looked for again before a pull is parked or an agent has units again: agents
 * at their limit do not make a flood dear.
 * Who owns: parked submissions belong to the parking while they are linked. Thread: the committer.
 * Fails: only in init, for lack of memory.
 */
#ifndef AW_COMMIT_PARKING_H
#define AW_COMMIT_PARKING_H

#include "commit/submission.h"

#define AW_PARK_KEY_BUCKETS   256U
#define AW_PARK_AGENT_BUCKETS 4096U

/* Where a lane has tickets: by class the shelves, 1 << shelf each. */
struct aw_park_shelves {
    uint16_t of[AW_CLASS_COUNT];
};
struct aw_park_idle {
    uint64_t               news;
    struct aw_park_shelves shelves;
};

struct aw_parking {
    struct aw_list      *_lanes;  /* lanes_max lists of aw_park_node */
    uint32_t            *_on_way; /* wakes for a lane that did not come back yet */
    struct aw_park_idle *_idle;   /* by lane: what nobody was found for when _news was so */
    uint64_t             _news;   /* counts what may make a pull eligible */
    uint32_t             _lanes_max;
    struct aw_list       _all;                        /* those that serve every lane */
    struct aw_list       _keyed[AW_PARK_KEY_BUCKETS]; /* those with an Idempotency-Key, by its hash */
    struct aw_list      *_agents;                     /* AW_PARK_AGENT_BUCKETS lists, by the hash of the agent; each by number */
    struct aw_list       _gentle;                     /* those of agents marked gentle, by number */
    struct aw_list       _freed;                      /* those whose agent got more, until somebody looked for them */
    uint64_t             _next_number;
    uint64_t             _count;
    uint64_t             _streams; /* of them */
};

AW_MUST_USE bool aw_parking_init(struct aw_parking *parking, uint32_t lanes_max);
void             aw_parking_fini(struct aw_parking *parking);
/* Takes the submission. */
void aw_parking_add(struct aw_parking *parking, struct aw_submission *pull);
/* Gives it back: it is linked no more. It must be parked. */
void aw_parking_remove(struct aw_parking *parking, struct aw_submission *pull);
/* Gives the longest waiting pull that serves `lane` and may take from one of these shelves, marked as woken for the lane; NULL when
 * there is none. */
struct aw_submission *aw_parking_wake(struct aw_parking *parking, uint32_t lane, const struct aw_park_shelves *shelves);
/* Gives a pull with this key, marked as woken for no lane; NULL when there is none. */
struct aw_submission *aw_parking_wake_key(struct aw_parking *parking, const struct aw_pull_key *key);
/* The longest waiting pull that serves `lane` and of which `may` says yes; NULL when there is none. It stays parked. */
struct aw_submission *aw_parking_find(struct aw_parking *parking, uint32_t                             lane,
                                      bool (*may)(void *user, const struct aw_submission *pull), void *user);
/* The longest waiting pull of this agent that serves `lane` and may take something; NULL when there is none. It stays parked. */
struct aw_submission *aw_parking_find_agent(struct aw_parking *parking, uint32_t lane, struct aw_slice agent);
/* As aw_parking_find, among the pulls of agents that are marked gentle. */
struct aw_submission *aw_parking_find_gentle(struct aw_parking *parking, uint32_t                             lane,
                                             bool (*may)(void *user, const struct aw_submission *pull), void *user);
/* The shelves of which this agent can take nothing are these from now on. Its pulls that may take from more than before are to be
 * looked for: see aw_parking_take_freed. */
void aw_parking_set_full(struct aw_parking *parking, struct aw_slice agent, uint16_t full);
/* The next pull whose agent got more since somebody looked for it, told once; NULL when there is none. It stays parked. */
struct aw_submission *aw_parking_take_freed(struct aw_parking *parking);
bool                  aw_parking_has_freed(const struct aw_parking *parking);
/* The pull of this agent that waits longest behind `behind`, one of its own that is parked (NULL: of all); NULL when there is none.
 * It stays parked. */
struct aw_submission *aw_parking_next_of(struct aw_parking *parking, struct aw_slice agent, const struct aw_submission *behind);
/* Of each agent with a parked pull in this bucket (of AW_PARK_AGENT_BUCKETS) the one that waits longest: the next behind `behind`
 * (NULL: the first); NULL when there is none. It stays parked. */
struct aw_submission *aw_parking_next_agent(struct aw_parking *parking, uint32_t bucket, const struct aw_submission *behind);
/* Gives this parked pull, marked as woken for the ticket aside in `slot`. */
void aw_parking_wake_for(struct aw_parking *parking, struct aw_submission *pull, uint32_t slot);
/* A woken pull came back; *woken_lane is cleared. Returns that lane, or AW_LANE_NONE when it had not been woken. */
uint32_t aw_parking_came_back(struct aw_parking *parking, uint32_t *woken_lane);
/* Wakes for the lane that are on their way. */
uint32_t aw_parking_on_way(const struct aw_parking *parking, uint32_t lane);
uint64_t aw_parking_count(const struct aw_parking *parking);
uint64_t aw_parking_streams(const struct aw_parking *parking);
/* Whether a parked pull may take nothing, wherever it lies. */
static inline bool
aw_park_is_full(const struct aw_park *park)
{
    return park->full == UINT16_MAX;
}
/* Of these, the shelves from which this pull may take. */
static inline struct aw_park_shelves
aw_park_may_take(const struct aw_park *park, const struct aw_park_shelves *shelves)
{
    struct aw_park_shelves may = {.of = {0}};

    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        may.of[i] = (park->barred >> i & 1) != 0 ? 0 : (uint16_t)(shelves->of[i] & ~(unsigned)park->full);
    return may;
}
static inline bool
aw_park_shelves_any(const struct aw_park_shelves *shelves)
{
    unsigned all = 0;

    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        all |= shelves->of[i];
    return all != 0;
}
/* Any parked pull, for a drain; NULL when none is left. Gives it back, not marked as woken. */
struct aw_submission *aw_parking_take_any(struct aw_parking *parking);

#endif
