/* options.c - the command line, by one table. */
#include "bench/surge_sim/options.h"

#include "bench/common/options.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char sim_options_help[] =
    "surge_sim - the server's own queue, rules and state under a virtual clock: who waits how long in a disruption, by order\n"
    "\n"
    "  surge_sim [SCENARIO...] [options]   without a scenario: R4 R8 R8u R16u dup clu R8-ash\n"
    "  surge_sim --list                    the scenarios and policies\n"
    "\n"
    "  --policy NAME        only this one; may be given several times (all that fit the scenario)\n"
    "  --seeds N            runs of each, with the seeds S, S+1, ... (3)     --seed S   the first (1)\n"
    "  --hours H            virtual length, up to 192 (the scenario's)\n"
    "  --promises           what people are told when they ask, and how it came out; of the policy `guarded`\n"
    "  --fade-hours H       half-life of what arrives above the usual, as the forecast assumes (6)\n"
    "Report\n"
    "  --details            each class with median, P90, longest wait, share over target: mean and range over the seeds\n"
    "  --json FILE          everything, for programs; - for stdout in place of the tables\n"
    "  --svg DIR            plots: waiting over time by policy and by class, P90 of waited/target, the slowdown kappa\n"
    "  --check              exit status 1 when a policy misses a target of its scenario\n"
    "Variations, of every scenario in this run\n"
    "  --load X --staff X         times the tickets, times the agents (1)\n"
    "  --handling-cv X            spread of handling times   --wrap-up-min M   an agent's pause after each ticket\n"
    "  --patience-hours H         mean time after which a customer without an answer deletes the message (never)\n"
    "  --copies P --copy-min M    share that asks on a second channel too, how long after\n"
    "  --identified P             share of these that the gateway knows to be the same person\n"
    "  --follow-ups N             messages an hour of everyone who waits\n"
    "  --cluster-min M            what an answer for a whole flight takes longer\n"
    "  --supervisors N            who answer incidents, besides the staff\n"
    "  --answer-min M --again-min M   from taking one up to its first approved answer, and to a later one\n"
    "  --odd P                    share of these passengers who ask more than the others, and are left to an agent\n"
    "  --guard-min M --reserve-min M   of the guarded ratio (25, 15)\n"
    "\n"
    "Exit status: 0; 1 --check and a target was missed; 2 wrong usage; 3 no memory, or a file could not be written.\n";

#define AT(member) offsetof(struct sim_options, member)
static const struct bench_option table[] = {
    {"seeds", BENCH_U32, AT(seeds), 1, 1000},     {"seed", BENCH_U64, AT(seed), 0, 1e18},
    {"json", BENCH_TEXT, AT(json_file), 0, 0},    {"svg", BENCH_TEXT, AT(svg_folder), 0, 0},
    {"details", BENCH_FLAG, AT(details), 0, 0},   {"check", BENCH_FLAG, AT(check), 0, 0},
    {"list", BENCH_FLAG, AT(list), 0, 0},         {"help", BENCH_FLAG, AT(help), 0, 0},
    {"promises", BENCH_FLAG, AT(promises), 0, 0}, {"fade-hours", BENCH_REAL, AT(fade_hours), 0.1, 1000},
};

enum {
    HOURS,
    LOAD,
    STAFF,
    CV,
    WRAP_UP,
    PATIENCE,
    COPIES,
    COPY_MIN,
    IDENTIFIED,
    FOLLOW_UPS,
    CLUSTER_MIN,
    SUPERVISORS,
    ANSWER_MIN,
    AGAIN_MIN,
    ODD,
    GUARD,
    RESERVE,
    VARIATIONS
};
/* What may be varied: NAN as long as it was not given. */
#define VARIED(name, which, least, most)                                                                                         \
    {                                                                                                                            \
        name, BENCH_REAL, (which) * sizeof(double), least, most                                                                  \
    }
static const struct bench_option variations[] = {
    VARIED("hours", HOURS, 0.5, 192),
    VARIED("load", LOAD, 0.001, 100),
    VARIED("staff", STAFF, 0.01, 100),
    VARIED("handling-cv", CV, 0.01, 5),
    VARIED("wrap-up-min", WRAP_UP, 0, 60),
    VARIED("patience-hours", PATIENCE, 0.01, 1000),
    VARIED("copies", COPIES, 0, 1),
    VARIED("copy-min", COPY_MIN, 0, 1440),
    VARIED("identified", IDENTIFIED, 0, 1),
    VARIED("follow-ups", FOLLOW_UPS, 0, 60),
    VARIED("cluster-min", CLUSTER_MIN, 0, 600),
    VARIED("supervisors", SUPERVISORS, 0, 1000),
    VARIED("answer-min", ANSWER_MIN, 0, 600),
    VARIED("again-min", AGAIN_MIN, 0, 600),
    VARIED("odd", ODD, 0, 1),
    VARIED("guard-min", GUARD, 0, 600),
    VARIED("reserve-min", RESERVE, 0, 600),
};
AW_STATIC_ASSERT(AW_ARRAY_LEN(variations) == VARIATIONS, "an option for each");

/* "R4, R8, ..." */
static enum aw_err
refuse_scenario(const char *name, struct aw_why *why)
{
    char   known[128] = "";
    size_t len = 0;

    for (unsigned i = 0; sim_scenario_at(i) != NULL; i++)
        len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "", sim_scenario_at(i)->name);
    return aw_why(why, AW_E_CONFIG, "there is no scenario \"%s\"; there are %s", name, known);
}

static enum aw_err
add_scenario(struct sim_options *options, const char *name, struct aw_why *why)
{
    const struct sim_scenario *scenario = sim_scenario_find(name);

    if (scenario == NULL)
        return refuse_scenario(name, why);
    if (options->scenario_count == SIM_SCENARIOS_MAX)
        return aw_why(why, AW_E_CONFIG, "at most %u scenarios", SIM_SCENARIOS_MAX);
    options->scenarios[options->scenario_count++] = *scenario;
    return AW_OK;
}

static enum aw_err
add_policy(struct sim_options *options, const char *name, struct aw_why *why)
{
    const struct sim_policy *policy = sim_policy_find(name);

    if (policy == NULL)
        return aw_why(why, AW_E_CONFIG, "there is no policy \"%s\"; surge_sim --list names them", name);
    if (options->policy_count == SIM_POLICIES_MAX)
        return aw_why(why, AW_E_CONFIG, "at most %u policies", SIM_POLICIES_MAX);
    options->policies[options->policy_count++] = policy;
    return AW_OK;
}

static void
scale(struct sim_point *points, unsigned count, double times)
{
    for (unsigned i = 0; i < count; i++)
        points[i].value = times * points[i].value;
}

static void
vary(struct sim_scenario *scenario, const double values[VARIATIONS])
{
    double *const places[VARIATIONS] = {[HOURS] = &scenario->hours,
                                        [CV] = &scenario->handling_cv,
                                        [WRAP_UP] = &scenario->wrap_up_min,
                                        [PATIENCE] = &scenario->patience_hours,
                                        [COPIES] = &scenario->copies,
                                        [COPY_MIN] = &scenario->copy_min,
                                        [IDENTIFIED] = &scenario->identified,
                                        [FOLLOW_UPS] = &scenario->follow_ups_per_hour,
                                        [CLUSTER_MIN] = &scenario->cluster_min,
                                        [ANSWER_MIN] = &scenario->answer_min,
                                        [AGAIN_MIN] = &scenario->again_min,
                                        [ODD] = &scenario->odd};

    for (unsigned i = 0; i < VARIATIONS; i++) {
        if (places[i] != NULL && !isnan(values[i]))
            *places[i] = values[i];
    }
    if (!isnan(values[LOAD]))
        scenario->base_per_hour *= values[LOAD];
    if (!isnan(values[SUPERVISORS]))
        scenario->supervisors = (unsigned)values[SUPERVISORS];
    if (!isnan(values[STAFF]))
        scale(scenario->staff, scenario->staff_points, values[STAFF]);
}

static enum aw_err
parse_one(struct sim_options *options, double values[VARIATIONS], int argc, const char *const *argv, int *at, struct aw_why *why)
{
    const char *name = argv[*at] + 2;
    enum aw_err err = bench_option_take(table, AW_ARRAY_LEN(table), options, argc, argv, at, why);

    if (err == AW_E_NOT_FOUND)
        err = bench_option_take(variations, AW_ARRAY_LEN(variations), values, argc, argv, at, why);
    if (err != AW_E_NOT_FOUND)
        return err;
    if (strcmp(name, "policy") != 0)
        return aw_why(why, AW_E_CONFIG, "--%s is unknown; see surge_sim --help", name);
    if (*at + 1 == argc)
        return aw_why(why, AW_E_CONFIG, "--policy wants a name; surge_sim --list names them");
    return add_policy(options, argv[++*at], why);
}

enum aw_err
sim_options_parse(struct sim_options *ret_options, int argc, const char *const *argv, struct aw_why *why)
{
    static const char *const judged[] = {"R4", "R8", "R8u", "R16u", "dup", "clu", "R8-ash"};
    struct sim_options      *options = ret_options;
    double                   values[VARIATIONS];

    *options = (struct sim_options){.order = AW_ORDER_SETTINGS_DEFAULT, .seed = 1, .seeds = 3, .fade_hours = 6};
    for (unsigned i = 0; i < VARIATIONS; i++)
        values[i] = (double)NAN;
    for (int at = 1; at < argc; at++) {
        enum aw_err err = strncmp(argv[at], "--", 2) == 0 ? parse_one(options, values, argc, argv, &at, why)
                                                          : add_scenario(options, argv[at], why);

        if (err != AW_OK)
            return err;
    }
    if (options->scenario_count == 0) {
        for (unsigned i = 0; i < AW_ARRAY_LEN(judged); i++)
            options->scenarios[options->scenario_count++] = *sim_scenario_find(judged[i]);
    }
    for (unsigned i = 0; i < options->scenario_count; i++)
        vary(&options->scenarios[i], values);
    if (!isnan(values[GUARD]))
        options->order.guard_ms = (uint64_t)(values[GUARD] * (double)SIM_MIN);
    if (!isnan(values[RESERVE]))
        options->order.reserve_ms = (uint64_t)(values[RESERVE] * (double)SIM_MIN);
    return AW_OK;
}
