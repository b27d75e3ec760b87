/* options.c - the command line, by one table. */
#include "bench/surge_sim/options.h"

#include "base/slice.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
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
    "Report\n"
    "  --details            each class with median, P90, longest wait, share over target: mean and range over the seeds\n"
    "  --json FILE          everything, for programs; - for stdout in place of the tables\n"
    "  --svg DIR            plots: waiting over time by policy and by class, P90 of waited/target, the slowdown kappa\n"
    "  --check              exit status 1 when the policy `guarded` misses a target of its scenario\n"
    "Variations, of every scenario in this run\n"
    "  --load X --staff X         times the tickets, times the agents (1)\n"
    "  --handling-cv X            spread of handling times   --wrap-up-min M   an agent's pause after each ticket\n"
    "  --patience-hours H         mean time after which a customer without an answer deletes the message (never)\n"
    "  --copies P --copy-min M    share that asks on a second channel too, how long after\n"
    "  --identified P             share of these that the gateway knows to be the same person\n"
    "  --follow-ups N             messages an hour of everyone who waits\n"
    "  --cluster-min M            what an answer for a whole flight takes longer\n"
    "  --guard-min M --reserve-min M   of the guarded ratio (25, 15)\n"
    "\n"
    "Exit status: 0; 1 --check and a target was missed; 2 wrong usage; 3 no memory, or a file could not be written.\n";

enum kind { KIND_FLAG, KIND_TEXT, KIND_U32, KIND_U64 };

struct option {
    const char *name;
    enum kind   kind;
    size_t      at;
    uint64_t    most;
};
#define AT(member) offsetof(struct sim_options, member)
static const struct option table[] = {
    {"seeds", KIND_U32, AT(seeds), 1000},   {"seed", KIND_U64, AT(seed), UINT64_C(1) << 60},
    {"json", KIND_TEXT, AT(json_file), 0},  {"svg", KIND_TEXT, AT(svg_folder), 0},
    {"details", KIND_FLAG, AT(details), 0}, {"check", KIND_FLAG, AT(check), 0},
    {"list", KIND_FLAG, AT(list), 0},       {"help", KIND_FLAG, AT(help), 0},
};

/* What may be varied: a real number, NAN as long as it was not given. */
struct variation {
    const char *name;
    double      least, most;
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
    GUARD,
    RESERVE,
    VARIATIONS
};
static const struct variation variations[VARIATIONS] = {
    [HOURS] = {"hours", 0.5, 192},        [LOAD] = {"load", 0.001, 100},           [STAFF] = {"staff", 0.01, 100},
    [CV] = {"handling-cv", 0.01, 5},      [WRAP_UP] = {"wrap-up-min", 0, 60},      [PATIENCE] = {"patience-hours", 0.01, 1000},
    [COPIES] = {"copies", 0, 1},          [COPY_MIN] = {"copy-min", 0, 1440},      [IDENTIFIED] = {"identified", 0, 1},
    [FOLLOW_UPS] = {"follow-ups", 0, 60}, [CLUSTER_MIN] = {"cluster-min", 0, 600}, [GUARD] = {"guard-min", 0, 600},
    [RESERVE] = {"reserve-min", 0, 600},
};

static bool
to_real(const char *text, const struct variation *variation, double *ret_value)
{
    char  *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(value) || value < variation->least || value > variation->most)
        return false;
    *ret_value = value;
    return true;
}

static bool
set(struct sim_options *options, const struct option *option, const char *value)
{
    char    *at = (char *)options + option->at;
    uint64_t number = 0;

    if (option->kind == KIND_FLAG) {
        *(bool *)at = true;
        return true;
    }
    if (option->kind == KIND_TEXT) {
        memcpy(at, &value, sizeof(value));
        return value[0] != '\0';
    }
    if (!aw_slice_to_u64(aw_slice_str(value), option->most, &number) || (option->kind == KIND_U32 && number == 0))
        return false;
    if (option->kind == KIND_U32)
        *(uint32_t *)(void *)at = (uint32_t)number;
    else
        *(uint64_t *)(void *)at = number;
    return true;
}

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
                                        [CLUSTER_MIN] = &scenario->cluster_min};

    for (unsigned i = 0; i < VARIATIONS; i++) {
        if (places[i] != NULL && !isnan(values[i]))
            *places[i] = values[i];
    }
    if (!isnan(values[LOAD]))
        scenario->base_per_hour *= values[LOAD];
    if (!isnan(values[STAFF]))
        scale(scenario->staff, scenario->staff_points, values[STAFF]);
}

static enum aw_err
parse_one(struct sim_options *options, double values[VARIATIONS], int argc, const char *const *argv, int *at, struct aw_why *why)
{
    const char *name = argv[*at] + 2;

    for (unsigned i = 0; i < AW_ARRAY_LEN(table); i++) {
        const char *value;

        if (strcmp(table[i].name, name) != 0)
            continue;
        value = table[i].kind == KIND_FLAG || *at + 1 == argc ? NULL : argv[++*at];
        if (table[i].kind != KIND_FLAG && value == NULL)
            return aw_why(why, AW_E_CONFIG, "--%s wants a value", name);
        return set(options, &table[i], value) ? AW_OK : aw_why(why, AW_E_CONFIG, "--%s: \"%s\" is no value for it", name, value);
    }
    for (unsigned i = 0; i < VARIATIONS; i++) {
        if (strcmp(variations[i].name, name) != 0)
            continue;
        if (*at + 1 == argc)
            return aw_why(why, AW_E_CONFIG, "--%s wants a value", name);
        if (!to_real(argv[++*at], &variations[i], &values[i]))
            return aw_why(why, AW_E_CONFIG, "--%s wants a number from %g to %g", name, variations[i].least, variations[i].most);
        return AW_OK;
    }
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

    *options = (struct sim_options){.order = AW_ORDER_SETTINGS_DEFAULT, .seed = 1, .seeds = 3};
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
