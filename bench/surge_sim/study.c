#include "bench/surge_sim/study.h"

#include "base/mem.h"
#include "bench/surge_sim/desk.h"

#include <stdlib.h>
#include <string.h>

static bool
fits(const struct sim_policy *policy, const struct sim_scenario *scenario)
{
    if (policy->answers_clusters || policy->answers_incidents)
        return scenario->clusters > 0;
    if (policy->is_deaf || policy->holds_grounded)
        return scenario->closing > 0;
    if (policy->windows != SIM_WINDOWS_QUEUED)
        return scenario->windowed > 0;
    if (policy->is_bound)
        return strcmp(scenario->name, "R16u") == 0; /* where the targets come near what can be had */
    if (strcmp(policy->name, "guarded-unfolded") == 0)
        return scenario->copies > 0 || scenario->follow_ups_per_hour > 0 || scenario->is_generated;
    return true;
}

static void
choose_policies(struct sim_study *study, const struct sim_options *options)
{
    for (unsigned i = 0; i < options->policy_count; i++)
        study->policies[study->count++] = options->policies[i];
    if (study->count > 0)
        return;
    for (unsigned i = 0; sim_policy_at(i) != NULL && study->count < SIM_POLICIES_MAX; i++) {
        if (fits(sim_policy_at(i), study->scenario))
            study->policies[study->count++] = sim_policy_at(i);
    }
}

static enum aw_err
find_bounds(struct sim_study *study, const struct sim_options *options, struct aw_why *why)
{
    for (uint32_t seed = 0; seed < options->seeds; seed++) {
        struct sim_bound bound;

        if (sim_bound_find(&bound, study->scenario, &options->order, options->seed + seed) != AW_OK)
            return aw_why(why, AW_E_MEMORY, "no memory for the bound");
        sim_bounds_add(&study->bounds, &bound);
    }
    return AW_OK;
}

enum aw_err
sim_study_run(struct sim_study *ret_study, const struct sim_options *options, unsigned scenario, sim_study_progress *progress,
              struct aw_why *why)
{
    struct sim_study   study = {.scenario = &options->scenarios[scenario], .is_told = options->promises};
    struct sim_result *result = aw_new(struct sim_result);
    enum aw_err        err = AW_OK;

    choose_policies(&study, options);
    study.summaries = aw_new_array(struct sim_summary, study.count);
    if (result == NULL || study.summaries == NULL)
        err = aw_why(why, AW_E_MEMORY, "no memory for the results");
    for (unsigned i = 0; i < study.count && err == AW_OK; i++) {
        for (uint32_t seed = 0; seed < options->seeds && err == AW_OK; seed++) {
            struct sim_setup setup = {
                .scenario = study.scenario, .policy = study.policies[i], .order = options->order, .seed = options->seed + seed};

            if (options->promises && strcmp(setup.policy->name, "guarded") == 0) {
                setup.fade_hours = options->fade_hours;
                setup.look_ms = SIM_LOOK_MS;
            }

            if (progress != NULL)
                progress(setup.scenario, setup.policy, setup.seed);
            err = sim_desk_run(&setup, result, why);
            if (err == AW_OK)
                sim_summary_add(&study.summaries[i], result);
        }
    }
    free(result);
    if (err == AW_OK)
        err = find_bounds(&study, options, why);
    if (err != AW_OK) {
        sim_study_fini(&study);
        return err;
    }
    *ret_study = study;
    return AW_OK;
}

void
sim_study_fini(struct sim_study *study)
{
    free(study->summaries);
    *study = (struct sim_study){0};
}

/* --- targets ---------------------------------------------------------------------------------------------------------------- */

static const struct sim_target targets[] = {
    {"R4", "care over 30 min", SIM_CARE_OVER_30, 0},
    {"R4", "departures missed while waiting", SIM_MISSED, 0.005},
    {"R8", "care over 30 min", SIM_CARE_OVER_30, 0},
    {"R8", "departures missed while waiting", SIM_MISSED, 0.005},
    {"R8", "P90 waited/target of imminent, disrupted, general apart", SIM_RATIO_SPREAD, 0.1},
    {"R8u", "care over 30 min", SIM_CARE_OVER_30, 0},
    {"R8u", "departures missed while waiting", SIM_MISSED, 0.005},
    {"R16u", "care over 30 min", SIM_CARE_OVER_30, 0.001},
    {"R16u", "departures missed while waiting", SIM_MISSED, 0.2},
    {"R8-ash", "leases of a grounded departure before one in reach with the better claim", SIM_GROUNDED_WRONG, 0},
    {"R8-ash", "leases of a grounded departure as one in reach", SIM_GROUNDED_AS_DEPARTURE, 0},
    {"R8-ash", "care over 30 min", SIM_CARE_OVER_30, 0},
    {"R8-ash", "departures missed while waiting", SIM_MISSED, 0.005},
    {"dup", "work items a need", SIM_WORK_PER_NEED, 1.05},
};

const struct sim_target *
sim_target_at(const char *scenario, unsigned number)
{
    for (unsigned i = 0; i < AW_ARRAY_LEN(targets); i++) {
        if (strcmp(targets[i].scenario, scenario) == 0 && number-- == 0)
            return &targets[i];
    }
    return NULL;
}

static const struct sim_summary *
find_policy(const struct sim_study *study, const char *policy)
{
    for (unsigned i = 0; i < study->count; i++) {
        if (strcmp(study->policies[i]->name, policy) == 0)
            return &study->summaries[i];
    }
    return NULL;
}

const struct sim_summary *
sim_study_guarded(const struct sim_study *study)
{
    return find_policy(study, "guarded");
}

static const struct sim_fall_target fall_targets[] = {
    {"clu", "guarded-incidents", "P90 of disrupted against nobody answering incidents", AW_CLASS_DISRUPTED, SIM_P90_MIN, 0.6},
};

const struct sim_fall_target *
sim_fall_target_at(const char *scenario, unsigned number)
{
    for (unsigned i = 0; i < AW_ARRAY_LEN(fall_targets); i++) {
        if (strcmp(fall_targets[i].scenario, scenario) == 0 && number-- == 0)
            return &fall_targets[i];
    }
    return NULL;
}

bool
sim_study_fall(const struct sim_study *study, const struct sim_fall_target *target, double *ret_fall)
{
    const struct sim_summary *before = sim_study_guarded(study);
    const struct sim_summary *after = find_policy(study, target->policy);

    if (before == NULL || after == NULL || before->of_class[target->class_][target->metric].mean == 0)
        return false;
    *ret_fall = 1 - after->of_class[target->class_][target->metric].mean / before->of_class[target->class_][target->metric].mean;
    return true;
}

bool
sim_target_is_met(const struct sim_target *target, const struct sim_summary *guarded)
{
    return guarded->of_run[target->metric].mean <= target->most;
}

static const struct sim_told_target told_targets[] = {
    {"told more than 5 min, and waited at most the P90", SIM_TOLD_COVERED_CHOSEN, 0.88, 0.97},
    {"the same in care", SIM_TOLD_COVERED_CLASS + AW_CLASS_CARE, 0.85, 1},
    {"in imminent", SIM_TOLD_COVERED_CLASS + AW_CLASS_IMMINENT, 0.85, 1},
    {"in disrupted", SIM_TOLD_COVERED_CLASS + AW_CLASS_DISRUPTED, 0.85, 1},
    {"in general", SIM_TOLD_COVERED_CLASS + AW_CLASS_GENERAL, 0.85, 1},
    {"in other", SIM_TOLD_COVERED_CLASS + AW_CLASS_OTHER, 0.85, 1},
    {"hours in which 80 % of those who asked did", SIM_TOLD_HOURS, 0.9, 1},
    {"P90/actual, median", SIM_TOLD_OVER_ACTUAL, 0, 1.6},
    {"P50 off, median", SIM_TOLD_ERROR, 0, 0.15},
};

const struct sim_told_target *
sim_told_target_at(const char *scenario, unsigned number)
{
    static const char *const judged[] = {"R4", "R8", "R8u"};

    for (unsigned i = 0; i < AW_ARRAY_LEN(judged); i++) {
        if (strcmp(judged[i], scenario) == 0 && number < AW_ARRAY_LEN(told_targets))
            return &told_targets[number];
    }
    return NULL;
}

bool
sim_told_target_is_met(const struct sim_told_target *target, const struct sim_summary *guarded)
{
    double mean = guarded->told[SIM_FORECAST][target->metric].mean;

    return target->least <= mean && mean <= target->most;
}
