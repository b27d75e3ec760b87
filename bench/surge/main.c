/* main.c - the program: options, rounds, the report, the exit status. */
#include "base/hash.h"
#include "base/text.h"
#include "bench/surge/fair.h"
#include "bench/surge/park.h"
#include "bench/surge/report.h"
#include "bench/surge/work.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { EXIT_AUDIT = 1, EXIT_USAGE = 2, EXIT_BROKEN = 3 };

#define RUN_BYTES 32

/* A flood may want a thousand connections. */
static void
raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* else it is said when a connection has no room */
    }
}

/* Ids of two runs must not meet, unless that was asked for. */
static bool
name_run(const struct surge_options *options, char name[RUN_BYTES])
{
    uint64_t random = 0;
    char     text[AW_BASE32_U64_CHARS];

    if (options->run != NULL) {
        (void)snprintf(name, RUN_BYTES, "%s", options->run);
        return strlen(options->run) <= 20;
    }
    if (!aw_random(&random, sizeof(random)))
        return false;
    aw_base32_u64(random, text);
    (void)snprintf(name, RUN_BYTES, "%.*s", 8, text + sizeof(text) - 8);
    return true;
}

static double
rate_of(const struct surge_result *result)
{
    return result->post_s > 0 ? (double)(result->accepted + result->duplicates + result->recovered) / result->post_s : 0;
}

/* One round; the baseline first. */
static enum aw_err
run_round(struct surge_report *report, uint32_t round, const char *name, struct surge_result *result, struct aw_why *why)
{
    const struct surge_options *options = report->options;
    char                        round_name[RUN_BYTES + 12];
    enum aw_err                 err = AW_OK;

    (void)snprintf(round_name, sizeof(round_name), options->rounds > 1 ? "%s-%u" : "%s", name, round + 1);
    if (options->has_baseline) {
        err = surge_run(options, &options->baseline, SURGE_ANY, round_name, result, why);
        if (err != AW_OK || result->broken) {
            if (err == AW_OK)
                err = aw_why(why, AW_E_IO, "%s", result->why);
            aw_why_prefix(why, "baseline");
            return err;
        }
        report->baseline[round] = rate_of(result);
    }
    if (options->mode == SURGE_PULLS || options->mode == SURGE_GROUND)
        err = surge_work_run(options, round_name, result, why);
    else if (options->mode == SURGE_PARK)
        err = surge_park_run(options, round_name, result, why);
    else
        err = surge_run(options, &options->url, options->target, round_name, result, why);
    if (err == AW_OK) {
        report->rates[round] = rate_of(result);
        report->audits_passed = report->audits_passed && (!result->has_audit || result->audit_passed);
    }
    return err;
}

/* The round that the report tells of: the first that failed, else the one with the median rate (of an even number: the lower). */
static const struct surge_result *
choose(const struct surge_report *report, const struct surge_result *results)
{
    const struct surge_result *best = &results[0];
    double                     median = surge_median(report->rates, report->rounds);

    for (uint32_t i = 0; i < report->rounds; i++) {
        if (results[i].broken || (results[i].has_audit && !results[i].audit_passed))
            return &results[i];
    }
    for (uint32_t i = 0; i < report->rounds; i++) {
        bool nearer = report->rates[i] <= median && (report->rates[i] > rate_of(best) || rate_of(best) > median);

        if (nearer)
            best = &results[i];
    }
    return best;
}

static bool
write_json(const struct surge_report *report)
{
    const char *path = report->options->json_file;
    FILE       *file;
    bool        ok;

    if (path == NULL)
        return true;
    if (strcmp(path, "-") == 0)
        return surge_report_json(report, stdout);
    file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        return false;
    }
    ok = surge_report_json(report, file);
    return fclose(file) == 0 && ok;
}

static int
run_all(const struct surge_options *options, const char *name, struct surge_result *results)
{
    struct surge_report report = {.options = options, .run = name, .has_baseline = options->has_baseline, .audits_passed = true};
    struct aw_why       why;

    while (report.rounds < options->rounds) {
        if (run_round(&report, report.rounds, name, &results[report.rounds], &why) != AW_OK) {
            (void)fprintf(stderr, "surge: %s\n", why.text);
            return EXIT_BROKEN;
        }
        if (results[report.rounds++].broken)
            break;
    }
    report.result = choose(&report, results);
    surge_report_text(&report, options->json_file != NULL && strcmp(options->json_file, "-") == 0 ? stderr : stdout);
    if (!write_json(&report) || report.result->broken)
        return EXIT_BROKEN;
    return report.audits_passed ? EXIT_SUCCESS : EXIT_AUDIT;
}

/* The report of another kind of run. */
static int
run_fair(const struct surge_options *options, const char *name)
{
    struct surge_fair *fair = calloc(1, sizeof(*fair));
    const char        *path = options->json_file;
    bool               is_stdout = path != NULL && strcmp(path, "-") == 0;
    FILE              *json = path == NULL || is_stdout ? NULL : fopen(path, "w");
    struct aw_why      why;
    bool               ok = true;

    if (fair == NULL || surge_fair_run(options, name, fair, &why) != AW_OK) {
        (void)fprintf(stderr, "surge: %s\n", fair == NULL ? "out of memory" : why.text);
        free(fair);
        return EXIT_BROKEN;
    }
    surge_fair_text(fair, is_stdout ? stderr : stdout);
    if (is_stdout)
        ok = surge_fair_json(fair, stdout);
    else if (path != NULL)
        ok = json != NULL && surge_fair_json(fair, json);
    if (json != NULL)
        ok = fclose(json) == 0 && ok;
    free(fair);
    return ok ? EXIT_SUCCESS : EXIT_BROKEN;
}

int
main(int argc, char **argv)
{
    struct surge_options options;
    struct surge_result *results;
    struct aw_why        why;
    char                 name[RUN_BYTES];
    int                  status;

    if (surge_options_parse(&options, argc, argv, &why) != AW_OK) {
        (void)fprintf(stderr, "surge: %s\n", why.text);
        return EXIT_USAGE;
    }
    if (options.help) {
        (void)fputs(surge_options_help, stdout);
        return EXIT_SUCCESS;
    }
    if (!aw_hash_init() || !name_run(&options, name)) {
        (void)fprintf(stderr, "surge: %s\n", options.run != NULL ? "--run: at most 20 characters" : "no random numbers");
        return EXIT_USAGE;
    }
    raise_descriptors();
    if (options.mode == SURGE_FAIR)
        return run_fair(&options, name);
    results = calloc(options.rounds, sizeof(*results));
    if (results == NULL) {
        (void)fprintf(stderr, "surge: out of memory\n");
        return EXIT_BROKEN;
    }
    status = run_all(&options, name, results);
    for (uint32_t i = 0; i < options.rounds; i++) {
        surge_work_free(&results[i].work);
        free(results[i].park);
    }
    free(results);
    return status;
}
