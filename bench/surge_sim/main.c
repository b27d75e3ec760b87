/* main.c - the program: every scenario, its tables and plots, the targets, the exit status. */
#include "base/hash.h"
#include "bench/surge_sim/plot.h"
#include "bench/surge_sim/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_MISSED = 1, EXIT_USAGE = 2, EXIT_BROKEN = 3 };

static void
show_progress(const struct sim_scenario *scenario, const struct sim_policy *policy, uint64_t seed)
{
    (void)fprintf(stderr, "\r%-6s %-18s seed %-6llu", scenario->name, policy->name, (unsigned long long)seed);
}

static FILE *
open_json(const struct sim_options *options)
{
    if (options->json_file == NULL)
        return NULL;
    return strcmp(options->json_file, "-") == 0 ? stdout : fopen(options->json_file, "w");
}

/* Where the tables go: nowhere when stdout is for JSON. */
static FILE *
text_of(const struct sim_options *options)
{
    return options->json_file != NULL && strcmp(options->json_file, "-") == 0 ? stderr : stdout;
}

static enum aw_err
run_all(const struct sim_options *options, FILE *json, unsigned *ret_missed, struct aw_why *why)
{
    FILE       *text = text_of(options);
    bool        is_watched = isatty(STDERR_FILENO) == 1;
    enum aw_err err = AW_OK;

    (void)fprintf(text, "seed %llu, %u seeds\n", (unsigned long long)options->seed, options->seeds);
    if (json != NULL)
        sim_report_json_begin(json, options);
    for (unsigned i = 0; i < options->scenario_count && err == AW_OK; i++) {
        struct sim_study study;

        err = sim_study_run(&study, options, i, is_watched ? show_progress : NULL, why);
        if (err != AW_OK)
            break;
        if (is_watched)
            (void)fprintf(stderr, "\r%40s\r", "");
        sim_report_text(text, &study, options);
        *ret_missed += sim_report_targets(text, &study, options);
        (void)fflush(text);
        if (json != NULL)
            sim_report_json_study(json, &study, i == 0);
        if (options->svg_folder != NULL)
            err = sim_plot_study(options->svg_folder, &study, why);
        sim_study_fini(&study);
    }
    if (err == AW_OK && json != NULL && !sim_report_json_end(json))
        err = aw_why(why, AW_E_IO, "%s cannot be written", options->json_file);
    return err;
}

int
main(int argc, char **argv)
{
    static struct sim_options options;
    struct aw_why             why = {0};
    FILE                     *json;
    unsigned                  missed = 0;
    enum aw_err               err;

    if (sim_options_parse(&options, argc, (const char *const *)argv, &why) != AW_OK) {
        (void)fprintf(stderr, "surge_sim: %s\n", why.text);
        return EXIT_USAGE;
    }
    if (options.help || options.list) {
        if (options.help)
            (void)fputs(sim_options_help, stdout);
        else
            sim_report_list(stdout);
        return EXIT_SUCCESS;
    }
    json = open_json(&options);
    if ((options.json_file != NULL && json == NULL) || !aw_hash_init()) {
        (void)fprintf(stderr, "surge_sim: %s cannot be opened\n", json == NULL ? options.json_file : "the libraries");
        return EXIT_BROKEN;
    }
    err = run_all(&options, json, &missed, &why);
    if (json != NULL && json != stdout && fclose(json) != 0 && err == AW_OK)
        err = aw_why(&why, AW_E_IO, "%s cannot be written", options.json_file);
    if (err != AW_OK) {
        (void)fprintf(stderr, "surge_sim: %s\n", why.text);
        return EXIT_BROKEN;
    }
    return options.check && missed > 0 ? EXIT_MISSED : EXIT_SUCCESS;
}
