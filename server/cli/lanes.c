/* lanes.c - `aswolk lanes`: the queues, what waits in them, and pausing them. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lanes_options {
    const char *pause;
    const char *langs;
    const char *channels;
    const char *accounts;
    const char *tags;
    const char *overflow;
};

static const struct lanes_options lanes_defaults;

static const struct aw_cli_option lanes_options[] = {
    {.name = "pause",
     .letter = 'p',
     .type = AW_CLI_TEXT,
     .value = "WAY",
     .offset = offsetof(struct lanes_options, pause),
     .about = "put: none, in (takes nothing), out (gives nothing) or both"},
    {.name = "langs",
     .type = AW_CLI_TEXT,
     .value = "TAG,...",
     .offset = offsetof(struct lanes_options, langs),
     .about = "put: takes messages in these languages; \"\" for any"},
    {.name = "channels",
     .type = AW_CLI_TEXT,
     .value = "NAME,...",
     .offset = offsetof(struct lanes_options, channels),
     .about = "put: takes messages of these channels; \"\" for any"},
    {.name = "accounts",
     .type = AW_CLI_TEXT,
     .value = "NAME,...",
     .offset = offsetof(struct lanes_options, accounts),
     .about = "put: takes messages to these accounts; \"\" for any"},
    {.name = "tags",
     .type = AW_CLI_TEXT,
     .value = "TAG,...",
     .offset = offsetof(struct lanes_options, tags),
     .about = "put: takes messages with any of these tags; \"\" for any"},
    {.name = "overflow",
     .letter = 'o',
     .type = AW_CLI_TEXT,
     .value = "NAME:S,...",
     .offset = offsetof(struct lanes_options, overflow),
     .about = "put: agents of these lanes help with what has waited S seconds; \"\" for nobody"},
};

static const char *const classes[] = {"care", "imminent", "disrupted", "general", "other"};

/* --- looking -------------------------------------------------------------------------------------------------------------- */

static void
print_match(const json_t *match)
{
    static const char *const keys[] = {"langs", "channels", "accounts", "tags"};
    const json_t            *value;
    size_t                   i;

    for (size_t k = 0; k < AW_ARRAY_LEN(keys); k++) {
        json_array_foreach(json_object_get(match, keys[k]), i, value)
        {
            (void)printf("%s%s%s", i == 0 ? "  " : ",", i == 0 ? keys[k] : "", i == 0 ? "=" : "");
            (void)printf("%s", json_string_value(value));
        }
    }
}

static void
print_overflow(const json_t *overflow)
{
    const json_t *helper;
    size_t        i;

    json_array_foreach(overflow, i, helper)
    {
        (void)printf("%s%s:%" PRIu64, i == 0 ? "  overflow=" : ",", aw_cli_text(helper, "lane"),
                     aw_cli_number(helper, "after_s"));
    }
}

static void
print_lane(const json_t *lane)
{
    const json_t *waiting = json_object_get(lane, "waiting");
    uint64_t      sum = 0;

    for (size_t i = 0; i < AW_ARRAY_LEN(classes); i++)
        sum += aw_cli_number(waiting, classes[i]);
    (void)printf("%-20s %9" PRIu64, aw_cli_text(lane, "lane"), sum);
    for (size_t i = 0; i < AW_ARRAY_LEN(classes); i++)
        (void)printf(" %9" PRIu64, aw_cli_number(waiting, classes[i]));
    (void)printf(" %8" PRIu64 " %8" PRIu64 " %6s", aw_cli_number(lane, "leased"), aw_cli_number(lane, "held"),
                 aw_cli_text(lane, "pause"));
    print_match(json_object_get(lane, "match"));
    print_overflow(json_object_get(lane, "overflow"));
    (void)printf("\n");
}

static void
print_head(void)
{
    (void)printf("%-20s %9s", "lane", "waiting");
    for (size_t i = 0; i < AW_ARRAY_LEN(classes); i++)
        (void)printf(" %9s", classes[i]);
    (void)printf(" %8s %8s %6s\n", "leased", "held", "pause");
}

static bool
take_lane(void *user, const json_t *lane)
{
    (void)json_array_append((json_t *)user, (json_t *)(uintptr_t)lane);
    return true;
}

/* With --json all pages as one. */
static int
list(struct aw_cli *cli)
{
    json_t       *lanes = json_array();
    const json_t *lane;
    size_t        i;
    int           code = aw_cli_each(cli, "/v1/lanes", take_lane, lanes);

    if (code == AW_CLI_OK && cli->common.json) {
        json_t *all = json_pack("{s:O,s:n}", "items", lanes, "next");

        aw_cli_print_json(all);
        json_decref(all);
    } else if (code == AW_CLI_OK) {
        print_head();
        json_array_foreach(lanes, i, lane)
        {
            print_lane(lane);
        }
    }
    json_decref(lanes);
    return code;
}

static int
show(struct aw_cli *cli, const char *name)
{
    char    path[256];
    json_t *lane;
    int     code;

    (void)snprintf(path, sizeof(path), "/v1/lanes/%s", name);
    lane = aw_cli_get(cli, path, &code);
    if (lane == NULL)
        return code;
    if (cli->common.json) {
        aw_cli_print_json(lane);
    } else {
        print_head();
        print_lane(lane);
    }
    json_decref(lane);
    return AW_CLI_OK;
}

/* --- changing ------------------------------------------------------------------------------------------------------------- */

/* A list that was named replaces the one that the lane has; "" empties it. */
static void
set_list(json_t *match, const char *key, const char *values)
{
    if (values != NULL)
        (void)json_object_set_new(match, key, aw_cli_list(values));
}

/* NAME:S,... as the API has it. NULL: it is not of this form. */
static json_t *
read_overflow(const char *text)
{
    json_t *names = aw_cli_list(text);
    json_t *overflow = json_array();
    json_t *name;
    size_t  i;
    bool    is_right = true;

    json_array_foreach(names, i, name)
    {
        const char *helper = json_string_value(name);
        const char *colon = strrchr(helper, ':');
        char       *end = NULL;
        uint64_t    after_s = colon == NULL || colon[1] < '0' || colon[1] > '9' ? 0 : strtoull(colon + 1, &end, 10);

        is_right = is_right && end != NULL && *end == '\0' && after_s > 0 && after_s <= INT64_MAX;
        if (is_right)
            (void)json_array_append_new(overflow, json_pack("{s:o,s:I}", "lane", json_stringn(helper, (size_t)(colon - helper)),
                                                            "after_s", (json_int_t)after_s));
    }
    json_decref(names);
    if (is_right)
        return overflow;
    json_decref(overflow);
    return NULL;
}

static bool
is_overflow(const char *text)
{
    json_t *overflow = read_overflow(text);
    bool    is_right = overflow != NULL;

    json_decref(overflow);
    return is_right;
}

/* PUT replaces the whole lane, so what was not named is taken from the lane as it is now. */
static char *
put_body(const struct aw_cli *cli, const json_t *lane)
{
    const struct lanes_options *options = cli->options;
    json_t                     *body = json_object();
    json_t                     *match = lane == NULL ? json_object() : json_deep_copy(json_object_get(lane, "match"));
    const char                 *pause = options->pause == NULL ? aw_cli_text(lane, "pause") : options->pause;
    char                       *text;

    set_list(match, "langs", options->langs);
    set_list(match, "channels", options->channels);
    set_list(match, "accounts", options->accounts);
    set_list(match, "tags", options->tags);
    if (pause[0] != '\0')
        (void)json_object_set_new(body, "pause", json_string(pause));
    (void)json_object_set_new(body, "match", match);
    if (options->overflow != NULL)
        (void)json_object_set_new(body, "overflow", read_overflow(options->overflow));
    else if (lane != NULL)
        (void)json_object_set(body, "overflow", json_object_get(lane, "overflow"));
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (text == NULL)
        aw_cli_error(cli, "out of memory");
    return text;
}

static int
put(struct aw_cli *cli, const char *name)
{
    char path[256];
    char what[128];
    int  code;

    (void)snprintf(path, sizeof(path), "/v1/lanes/%s", name);
    (void)snprintf(what, sizeof(what), "lane %s", name);
    code = aw_cli_put(cli, path, what, put_body);
    return code == AW_CLI_OK ? show(cli, name) : code;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    const struct lanes_options *options = cli->options;
    bool                        has_options = options->pause != NULL || options->langs != NULL || options->channels != NULL ||
                       options->accounts != NULL || options->tags != NULL || options->overflow != NULL;
    bool puts_one = argc == 2 && strcmp(argv[0], "put") == 0;

    if (argc > 2 || (argc == 2 && !puts_one) || (has_options && !puts_one)) {
        aw_cli_error(cli, has_options ? "--pause, --langs and the others go with put NAME" : "takes nothing, NAME, or put NAME");
        return AW_CLI_USAGE;
    }
    if (options->overflow != NULL && !is_overflow(options->overflow)) {
        aw_cli_error(cli, "--overflow wants NAME:SECONDS, or several with commas");
        return AW_CLI_USAGE;
    }
    if (argc == 0)
        return list(cli);
    if (strlen(argv[argc - 1]) > 64 || !aw_cli_check_name(cli, "name of a lane", argv[argc - 1]))
        return AW_CLI_USAGE;
    return puts_one ? put(cli, argv[1]) : show(cli, argv[0]);
}

const struct aw_cli_command aw_cli_lanes = {
    .name = "lanes",
    .arguments = "[NAME | put NAME]",
    .summary = "the queues: list them, make, change or pause one",
    .about =
        "Lists all lanes with what waits in them by class; or one; or makes or changes one. put changes only what its options\n"
        "name and keeps the rest; a lane that does not exist is made. Example: aswolk lanes put dutch --langs nl --pause out",
    .options = lanes_options,
    .option_count = AW_ARRAY_LEN(lanes_options),
    .defaults = &lanes_defaults,
    .defaults_bytes = sizeof(lanes_defaults),
    .run = run,
};
