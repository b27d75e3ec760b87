/* top.c - `aswolk top`: the desk at a glance, again and again: the surge, agents, promises, classes, what comes and goes a second,
 * the longest lanes. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LANES_SHOWN_MAX 100U
#define LANE_NAME_BYTES 64

struct top_options {
    uint64_t every_s;
    uint64_t count;
    uint64_t lanes;
};

static const struct top_options top_defaults = {.every_s = 2, .lanes = 10};

static const struct aw_cli_option top_options[] = {
    {.name = "every",
     .type = AW_CLI_NUMBER,
     .value = "SECONDS",
     .offset = offsetof(struct top_options, every_s),
     .min = 1,
     .max = 3600,
     .about = "how often to look (2)"},
    {.name = "count",
     .letter = 'n',
     .type = AW_CLI_NUMBER,
     .value = "N",
     .offset = offsetof(struct top_options, count),
     .min = 1,
     .max = UINT32_MAX,
     .about = "end after so many looks (never)"},
    {.name = "lanes",
     .type = AW_CLI_NUMBER,
     .value = "N",
     .offset = offsetof(struct top_options, lanes),
     .min = 0,
     .max = LANES_SHOWN_MAX,
     .about = "show the N lanes in which most tickets wait (10)"},
};

static const char *const class_names[] = {"care", "imminent", "disrupted", "general", "other"};

struct lane {
    char     name[LANE_NAME_BYTES + 1];
    uint64_t waiting;
    uint64_t leased;
};
struct lanes {
    struct lane at[LANES_SHOWN_MAX]; /* most waiting first */
    size_t      count;
    size_t      max;
};

/* What is counted ever, at the look before. */
struct before {
    bool     is_there;
    uint64_t at_ms;
    uint64_t messages;
    uint64_t opened;
    uint64_t completed;
};

/* --- lanes ---------------------------------------------------------------------------------------------------------------- */

static bool
note_lane(void *user, const json_t *item)
{
    struct lanes *lanes = user;
    const json_t *waiting = json_object_get(item, "waiting");
    struct lane   lane = {.leased = aw_cli_number(item, "leased")};
    size_t        place;

    for (size_t i = 0; i < AW_ARRAY_LEN(class_names); i++)
        lane.waiting += aw_cli_number(waiting, class_names[i]);
    (void)snprintf(lane.name, sizeof(lane.name), "%s", aw_cli_text(item, "lane"));
    if (lane.waiting + lane.leased == 0)
        return true;
    for (place = lanes->count; place > 0 && lanes->at[place - 1].waiting < lane.waiting; place--)
        ;
    if (place == lanes->max)
        return true;
    if (lanes->count < lanes->max)
        lanes->count++;
    memmove(&lanes->at[place + 1], &lanes->at[place], (lanes->count - 1 - place) * sizeof(lanes->at[0]));
    lanes->at[place] = lane;
    return true;
}

/* --- the screen ----------------------------------------------------------------------------------------------------------- */

static void
print_span(const json_t *seconds)
{
    json_int_t s = json_integer_value(seconds);

    if (!json_is_integer(seconds))
        (void)printf(" %9s", "-");
    else if (s < 120)
        (void)printf(" %7" JSON_INTEGER_FORMAT " s", s);
    else if (s < 7200)
        (void)printf(" %5" JSON_INTEGER_FORMAT " min", s / 60);
    else
        (void)printf(" %7" JSON_INTEGER_FORMAT " h", s / 3600);
}

static void
print_classes(const json_t *stats)
{
    const json_t *classes = json_object_get(stats, "classes");

    (void)printf("%-10s %9s %8s %8s %9s %9s %9s\n", "class", "waiting", "leased", "held", "oldest", "target", "waited/allowed");
    for (size_t i = 0; i < AW_ARRAY_LEN(class_names); i++) {
        const json_t *of = json_object_get(classes, class_names[i]);
        double        kappa = json_number_value(json_object_get(of, "kappa"));

        (void)printf("%-10s %9" PRIu64 " %8" PRIu64 " %8" PRIu64, class_names[i], aw_cli_number(of, "waiting"),
                     aw_cli_number(of, "leased"), aw_cli_number(of, "held"));
        print_span(json_object_get(of, "oldest_s"));
        print_span(json_object_get(of, "target_s"));
        (void)printf(" %9.2f%s\n", kappa, kappa > 1.0 ? "  late" : "");
    }
}

static void
print_rates(const json_t *stats, struct before *before, uint64_t now_ms)
{
    struct before now = {.is_there = true,
                         .at_ms = now_ms,
                         .messages = aw_cli_number(stats, "messages"),
                         .opened = aw_cli_number(stats, "opened"),
                         .completed = aw_cli_number(stats, "completed")};

    /* Smaller ones are those of another store. */
    if (before->is_there && now.at_ms > before->at_ms && now.messages >= before->messages && now.opened >= before->opened &&
        now.completed >= before->completed) {
        double s = (double)(now.at_ms - before->at_ms) / 1000.0;

        (void)printf("a second   %.1f messages, %.1f tickets opened, %.1f completed\n",
                     (double)(now.messages - before->messages) / s, (double)(now.opened - before->opened) / s,
                     (double)(now.completed - before->completed) / s);
    }
    *before = now;
}

static void
print_ratio(const json_t *stats, const char *key, const char *what)
{
    const json_t *ratio = json_object_get(stats, key);

    if (json_is_number(ratio))
        (void)printf(", %.3f %s", json_number_value(ratio), what);
}

static void
print_agents(const json_t *stats)
{
    const json_t *presence = json_object_get(stats, "presence");

    (void)printf("agents     %" PRIu64 " known (%" PRIu64 " ready, %" PRIu64 " wrap-up, %" PRIu64 " break, %" PRIu64
                 " leaving), %" PRIu64 " leases, %" PRIu64 " pulls wait\n",
                 aw_cli_number(stats, "agents"), aw_cli_number(presence, "ready"), aw_cli_number(presence, "wrap_up"),
                 aw_cli_number(presence, "break"), aw_cli_number(presence, "leaving"), aw_cli_number(stats, "leases"),
                 aw_cli_number(stats, "parked_pulls"));
}

static void
print_today(const json_t *stats)
{
    const json_t *team = json_object_get(stats, "team");

    (void)printf("today      %" PRIu64 " completed", aw_cli_number(team, "completed"));
    if (aw_cli_number(team, "goal") > 0)
        (void)printf(" of %" PRIu64, aw_cli_number(team, "goal"));
    (void)printf(", %" PRIu64 " replies, %" PRIu64 " given back, %" PRIu64 " put off\n", aw_cli_number(team, "replied"),
                 aw_cli_number(team, "returned"), aw_cli_number(team, "deferred"));
}

/* Whether words to customers were kept: how long it would take, and what agents promised. */
static void
print_words(const json_t *stats)
{
    const json_t *promises = json_object_get(stats, "promises");

    (void)printf("promises   %" PRIu64 " kept, %" PRIu64 " broken, %" PRIu64 " moved; commitments %" PRIu64 " kept, %" PRIu64
                 " broken, %" PRIu64 " open\n",
                 aw_cli_number(promises, "kept"), aw_cli_number(promises, "broken"), aw_cli_number(promises, "moved"),
                 aw_cli_number(stats, "commitments_kept"), aw_cli_number(stats, "commitments_broken"),
                 aw_cli_number(stats, "commitments"));
}

static void
print_screen(const struct aw_cli *cli, const json_t *stats, const struct lanes *lanes, struct before *before, uint64_t now_ms)
{
    (void)printf("%s  %s  role %s  order %s\n", cli->common.server, aw_cli_text(stats, "as_of"), aw_cli_text(stats, "role"),
                 aw_cli_text(stats, "order"));
    if (aw_cli_text(stats, "surge_since")[0] != '\0')
        (void)printf("SURGE      since %s\n", aw_cli_text(stats, "surge_since"));
    print_agents(stats);
    print_today(stats);
    print_words(stats);
    (void)printf("ever       %" PRIu64 " messages, %" PRIu64 " tickets, %" PRIu64 " completed", aw_cli_number(stats, "messages"),
                 aw_cli_number(stats, "opened"), aw_cli_number(stats, "completed"));
    print_ratio(stats, "messages_per_ticket", "messages a ticket");
    print_ratio(stats, "recontact_rate", "reopened of one closed");
    (void)printf("\n");
    print_rates(stats, before, now_ms);
    (void)printf("\n");
    print_classes(stats);
    for (size_t i = 0; i < lanes->count; i++) {
        if (i == 0)
            (void)printf("\n%-24s %9s %8s\n", "lane", "waiting", "leased");
        (void)printf("%-24s %9" PRIu64 " %8" PRIu64 "\n", lanes->at[i].name, lanes->at[i].waiting, lanes->at[i].leased);
    }
}

/* One look. On a terminal it takes the place of the one before. */
static int
look(struct aw_cli *cli, struct before *before, bool is_first)
{
    const struct top_options *options = cli->options;
    struct lanes             *lanes;
    json_t                   *stats;
    uint64_t                  now_ms;
    int                       code;

    stats = aw_cli_get(cli, "/v1/stats", &code);
    if (stats == NULL)
        return code;
    now_ms = aw_cli_now_ms(); /* of what was counted: the lanes take a while */
    if (cli->common.json) {
        aw_cli_print_json(stats);
        (void)fflush(stdout);
        json_decref(stats);
        return AW_CLI_OK;
    }
    lanes = calloc(1, sizeof(*lanes));
    if (lanes == NULL) {
        json_decref(stats);
        aw_cli_error(cli, "no memory");
        return AW_CLI_FAILED;
    }
    lanes->max = options->lanes;
    code = lanes->max > 0 ? aw_cli_each(cli, "/v1/lanes", note_lane, lanes) : AW_CLI_OK;
    if (code == AW_CLI_OK) {
        if (isatty(STDOUT_FILENO))
            (void)fputs("\033[H\033[2J", stdout);
        else if (!is_first)
            (void)fputs("\n", stdout);
        print_screen(cli, stats, lanes, before, now_ms);
        (void)fflush(stdout);
    }
    free(lanes);
    json_decref(stats);
    return code;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    const struct top_options *options = cli->options;
    struct before             before = {.is_there = false};
    int                       code = AW_CLI_OK;

    (void)argv;
    if (argc > 0) {
        aw_cli_error(cli, "takes no arguments");
        return AW_CLI_USAGE;
    }
    aw_cli_catch_signals(cli);
    for (uint64_t i = 0; code == AW_CLI_OK && !aw_cli_stopped(); i++) {
        if (i > 0)
            aw_cli_sleep_ms(options->every_s * 1000);
        if (!aw_cli_stopped())
            code = look(cli, &before, i == 0);
        if (i + 1 == options->count)
            break;
    }
    return code;
}

const struct aw_cli_command aw_cli_top = {
    .name = "top",
    .arguments = "",
    .summary = "the desk at a glance, every two seconds",
    .about =
        "Shows the surge, agents and promises, by class what waits, for how long and how late, what comes and goes a second,\n"
        "and the longest lanes, until it is interrupted. With --json one line of GET /v1/stats a look. Example: aswolk top "
        "--every 5",
    .options = top_options,
    .option_count = AW_ARRAY_LEN(top_options),
    .defaults = &top_defaults,
    .defaults_bytes = sizeof(top_defaults),
    .run = run,
};
