/* study.h - all runs that were asked for, and the targets that the server's own order is held to.
 *
 * The caller owns a study; one scenario by all policies that fit it, all on the same arrivals. Thread: one at a time.
 */
#ifndef AW_BENCH_SURGE_SIM_STUDY_H
#define AW_BENCH_SURGE_SIM_STUDY_H

#include "base/err.h"
#include "base/why.h"
#include "bench/surge_sim/bound.h"
#include "bench/surge_sim/options.h"
#include "bench/surge_sim/result.h"

struct sim_study {
    const struct sim_scenario *scenario; /* borrows */
    const struct sim_policy   *policies[SIM_POLICIES_MAX];
    struct sim_summary        *summaries; /* owns: by policy */
    unsigned                   count;
    bool                       is_told; /* what people are told was looked at, of `guarded` */
    struct sim_bounds          bounds;
};

/* What a run sees while it lasts; may be NULL. */
typedef void sim_study_progress(const struct sim_scenario *scenario, const struct sim_policy *policy, uint64_t seed);

/* AW_E_MEMORY and what a run returns; then there is nothing to free. */
AW_MUST_USE enum aw_err sim_study_run(struct sim_study *ret_study, const struct sim_options *options, unsigned scenario,
                                      sim_study_progress *progress, struct aw_why *why);
void                    sim_study_fini(struct sim_study *study);

/* A promise about one figure of the policy `guarded` in one scenario: the mean over the seeds. With 0 every seed keeps it. */
struct sim_target {
    const char         *scenario;
    const char         *words;
    enum sim_run_metric metric;
    double              most;
};
/* The n-th target of this scenario; NULL behind the last. */
const struct sim_target *sim_target_at(const char *scenario, unsigned number);
/* How much lower a figure is than the same of `guarded`: of the means over the seeds. */
struct sim_fall_target {
    const char           *scenario;
    const char           *policy;
    const char           *words;
    enum aw_class         class_;
    enum sim_class_metric metric;
    double                least; /* share of it */
};
/* The n-th target of this scenario; NULL behind the last. */
const struct sim_fall_target *sim_fall_target_at(const char *scenario, unsigned number);
/* What was reached. False: one of the two was not run. */
AW_MUST_USE bool sim_study_fall(const struct sim_study *study, const struct sim_fall_target *target, double *ret_fall);
/* The same about what the forecast tells, with a roster; the mean lies within. */
struct sim_told_target {
    const char          *words;
    enum sim_told_metric metric;
    double               least, most;
};
/* The n-th, for R4, R8 and R8u; NULL behind the last, and for other scenarios. */
const struct sim_told_target *sim_told_target_at(const char *scenario, unsigned number);
bool                          sim_told_target_is_met(const struct sim_told_target *target, const struct sim_summary *guarded);
/* The policy `guarded` of a study; NULL when it was not run. */
const struct sim_summary *sim_study_guarded(const struct sim_study *study);
bool                      sim_target_is_met(const struct sim_target *target, const struct sim_summary *guarded);

#endif
