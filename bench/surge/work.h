/* work.h - a desk at work: a backlog waits, agents pull on schedule, hold what they got, complete it; posts go on meanwhile.
 *
 * `pulls` goes through a list of rates, each once more beside searches, if asked for. `ground` stays at one: an airport closes over
 * many of the tickets, then that is undone, again and again, and the run tells how long each took to be in effect, what pulls felt
 * of it, and whether each ticket is in its old place at the end.
 *
 * Thread: the calling one; makes an event loop of its own and returns when all is done.
 */
#ifndef AW_BENCH_SURGE_WORK_H
#define AW_BENCH_SURGE_WORK_H

#include "bench/surge/run.h"

#define SURGE_STEPS_MAX (2U * SURGE_LIST_MAX + 4U * SURGE_CYCLES_MAX + 2U)

/* What the server says about its commits, between two looks. */
struct surge_commits {
    uint64_t groups;
    double   seconds;
    double   records;
};

/* A time with one rate, and the pulls that were due in it. */
struct surge_step {
    const char               *name;
    double                    rate;
    aw_ns                     started_at;
    aw_ns                     ended_at;
    uint32_t                  times;   /* steps of this name and rate are one in the result */
    double                    seconds; /* of all of them */
    uint64_t                  pulls;   /* answered */
    uint64_t                  empty;
    struct aw_histogram      *waiting;  /* from the intended time: the ticket was acknowledged before the pull was sent */
    struct aw_histogram      *parked;   /* from the ticket's receipt: it came while the pull waited */
    struct aw_histogram      *searches; /* NULL: nobody searched */
    struct aw_histogram_view *waiting_view;
    struct aw_histogram_view *parked_view;
    struct aw_histogram_view *searches_view;
    struct surge_commits      commits;
};

struct surge_work {
    uint32_t          lanes, lanes_least, lanes_median, lanes_most; /* all; of an agent */
    uint64_t          backlog;
    double            fill_s;
    struct surge_step steps[SURGE_STEPS_MAX];
    uint32_t          step_count;
    bool              has_floor;
    uint64_t          searches_refused;
    /* Of single flushes: before the agents came, and after they left. */
    struct aw_histogram floor[2];
    bool                is_ground;
    /* Ground. The slowest of all cycles, in seconds since the request was sent. */
    uint64_t grounded;
    double   close_answered_s, close_effective_s, undo_answered_s, undo_effective_s;
    uint64_t grounded_leases; /* of tickets that should have lost their place, pulled after the order was in effect: none */
    uint64_t compared;        /* tickets that waited before and after */
    uint64_t displaced;       /* of these, in another place than before: none */
    uint64_t order_before;    /* digests of the places of those compared */
    uint64_t order_after;
};

/* With AW_OK, also when the run broke off, the result's `work` is set, and the caller's to free with surge_work_free. */
AW_MUST_USE enum aw_err surge_work_run(const struct surge_options *options, const char *run, struct surge_result *ret_result,
                                       struct aw_why *why);
/* Takes the address, accepts NULL, leaves NULL. */
void surge_work_free(struct surge_work **work);
/* The highest rate at which 99 of 100 pulls took at most `limit`, of those for which a ticket waited; 0: none. */
double surge_work_best(const struct surge_work *work, aw_ns limit);

#endif
