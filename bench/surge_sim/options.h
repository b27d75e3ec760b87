/* options.h - the command line of surge_sim. Plain values; texts borrow from argv. Thread: main. */
#ifndef AW_BENCH_SURGE_SIM_OPTIONS_H
#define AW_BENCH_SURGE_SIM_OPTIONS_H

#include "base/err.h"
#include "base/why.h"
#include "bench/surge_sim/policy.h"
#include "bench/surge_sim/scenario.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_SCENARIOS_MAX 16U
#define SIM_POLICIES_MAX  16U

struct sim_options {
    struct sim_scenario      scenarios[SIM_SCENARIOS_MAX]; /* with the variations applied */
    unsigned                 scenario_count;
    const struct sim_policy *policies[SIM_POLICIES_MAX]; /* none: those that fit the scenario */
    unsigned                 policy_count;
    struct aw_order_settings order;
    uint64_t                 seed;
    uint32_t                 seeds;
    double                   fade_hours;
    bool                     promises;
    const char              *json_file;
    const char              *svg_folder;
    bool                     details;
    bool                     check;
    bool                     list;
    bool                     help;
};

extern const char sim_options_help[];

/* AW_E_CONFIG: `why` says which word is wrong, and what would be right. */
AW_MUST_USE enum aw_err sim_options_parse(struct sim_options *ret_options, int argc, const char *const *argv, struct aw_why *why);

#endif
