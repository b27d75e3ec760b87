/* result.h - what one run was like for the people who waited, and several runs together.
 *
 * Waiting counts from the first message of a need until an agent takes it; who still waits at the end counts with the time waited
 * so far, so that nobody improves a figure by never being served. Who gave up counts until then.
 * Plain values of fixed size. Thread: any. Making a result fails only for want of memory.
 */
#ifndef AW_BENCH_SURGE_SIM_RESULT_H
#define AW_BENCH_SURGE_SIM_RESULT_H

#include "base/err.h"
#include "base/hash.h"
#include "bench/surge_sim/crowd.h"
#include "bench/surge_sim/promises.h"
#include "bench/surge_sim/watch.h"
#include "core/order.h"

#include <stdint.h>

enum sim_class_metric {
    SIM_NEEDS,
    SIM_P50_MIN,
    SIM_P90_MIN,
    SIM_MAX_MIN,
    SIM_MEAN_MIN,
    SIM_OVER_TARGET, /* share that waited longer than its class may */
    SIM_P90_RATIO,   /* P90 of waited/target */
    SIM_CLASS_METRICS
};

enum sim_run_metric {
    SIM_MISSED,        /* share of the departures that could be made when asked, missed while waiting; not those grounded then */
    SIM_DONE_LATE,     /* share of them that an agent took in time and was done with after the departure */
    SIM_CARE_OVER_30,  /* share of care that waited over 30 min */
    SIM_RATIO_SPREAD,  /* largest over smallest SIM_P90_RATIO of imminent, disrupted, general; less 1 */
    SIM_WORK_PER_NEED, /* tickets that an agent worked on, or still has to, over needs */
    SIM_UTILISATION,   /* busy time over time on duty */
    SIM_KAPPA_PEAK,    /* highest half hour of the mean waited/allowed of the tickets taken, care left out */
    SIM_CARE_OF_PULLS, /* highest half hour of the share of pulls that took care */
    SIM_LEFT_WAITING,  /* needs without an answer at the end */
    SIM_GAVE_UP,       /* needs whose customer left */
    SIM_WAITING_MOST,  /* tickets at one moment */
    /* Leases after airports closed; what they mean: watch.h. */
    SIM_CLOSED_LEASES,
    SIM_GROUNDED_LEASES,
    SIM_GROUNDED_AHEAD,
    SIM_GROUNDED_WRONG,
    SIM_GROUNDED_AS_DEPARTURE,
    /* Waits of those who waited at that moment or asked later: */
    SIM_REACH_P90_MIN,     /* departures that go */
    SIM_GROUNDED_P90_MIN,  /* those that do not */
    SIM_DISRUPTED_P90_MIN, /* `disrupted` without a departure */
    SIM_WINDOWS_MISSED,    /* share of the channels' windows that ended before an agent took it; those that end within the run */
    SIM_RUN_METRICS
};

#define SIM_BUCKETS_MAX 384U /* half hours */
#define SIM_BUCKET_MS   (30 * SIM_MIN)

/* Counted by the desk while it runs. */
struct sim_tally {
    uint64_t               work; /* tickets taken by agents, and waiting or held by one at the end */
    uint64_t               folded;
    uint64_t               duplicates;
    uint64_t               bulk_answered;
    uint64_t               held_out; /* of an incident, and left to an agent */
    uint64_t               answers;  /* approved */
    uint64_t               leases;
    uint64_t               refused; /* leases, to an entry that should have been stale */
    double                 busy_ms;
    double                 duty_ms;
    uint64_t               waiting_ms; /* integral of the tickets waiting over time */
    uint64_t               waited_ms;  /* sum of what each ticket waited: by Little's law the same */
    uint32_t               waiting_most;
    struct sim_watch_count closed;
    double                 kappa_sum[SIM_BUCKETS_MAX];
    uint32_t               kappa_count[SIM_BUCKETS_MAX];
    uint32_t               care_count[SIM_BUCKETS_MAX];
};

struct sim_result {
    double            of_class[AW_CLASS_COUNT][SIM_CLASS_METRICS];
    double            of_run[SIM_RUN_METRICS];
    double            waits[AW_CLASS_COUNT][SIM_BUCKETS_MAX]; /* P90 in min of those who asked in this half hour; < 0: nobody */
    double            kappa[SIM_BUCKETS_MAX];                 /* < 0: nothing was taken */
    unsigned          buckets;
    struct sim_tally  tally;
    struct sim_told   told;   /* zeros when nobody was */
    struct aw_hash128 digest; /* of the server's state at the end */
};

/* Reads the needs; `end` is the moment of the end. AW_E_MEMORY. */
AW_MUST_USE enum aw_err sim_result_make(struct sim_result *ret_result, const struct aw_order_settings *order,
                                        struct sim_crowd *crowd, const struct sim_tally *tally, aw_ms end);

/* Mean, least and most over runs. */
struct sim_spread {
    double mean, least, most;
};
/* `runs` were added before. */
void sim_spread_add(struct sim_spread *spread, unsigned runs, double value);

struct sim_summary {
    struct sim_spread of_class[AW_CLASS_COUNT][SIM_CLASS_METRICS];
    struct sim_spread of_run[SIM_RUN_METRICS];
    struct sim_spread told[SIM_ESTIMATORS][SIM_TOLD_METRICS];
    double            waits[AW_CLASS_COUNT][SIM_BUCKETS_MAX]; /* mean over the runs in which somebody asked; < 0: in none */
    double            kappa[SIM_BUCKETS_MAX];
    uint32_t          waits_count[AW_CLASS_COUNT][SIM_BUCKETS_MAX];
    uint32_t          kappa_count[SIM_BUCKETS_MAX];
    unsigned          buckets;
    unsigned          runs;
};
/* Starts from zeros. */
void sim_summary_add(struct sim_summary *summary, const struct sim_result *result);

/* Names for programs: "p90_min", "missed", ... */
const char *sim_class_metric_name(enum sim_class_metric metric);
const char *sim_run_metric_name(enum sim_run_metric metric);

#endif
