/* response_time.c - `aswolk response-time`: how long it takes, as everybody is told. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct response_time_options {
    const char *lane;
    const char *lang;
    const char *channel;
    const char *of;
};

static const struct response_time_options response_time_defaults;

static const struct aw_cli_option response_time_options[] = {
    {.name = "lane",
     .type = AW_CLI_TEXT,
     .value = "LANE",
     .offset = offsetof(struct response_time_options, lane),
     .about = "only this lane (all)"},
    {.name = "lang",
     .type = AW_CLI_TEXT,
     .value = "LANG",
     .offset = offsetof(struct response_time_options, lang),
     .about = "where a message in this language would go; and the sentence's"},
    {.name = "channel",
     .type = AW_CLI_TEXT,
     .value = "CHANNEL",
     .offset = offsetof(struct response_time_options, channel),
     .about = "where a message by this channel would go"},
    {.name = "class",
     .type = AW_CLI_TEXT,
     .value = "CLASS",
     .offset = offsetof(struct response_time_options, of),
     .about = "which class the sentence is about (general)"},
};

static const char *const class_names[] = {"care", "imminent", "disrupted", "general", "other"};

static void
print_span(uint64_t seconds)
{
    uint64_t minutes = seconds / 60;

    if (minutes <= 180) /* told in quarters of an hour up to there, in hours beyond */
        (void)printf("%4" PRIu64 " min", minutes);
    else
        (void)printf("%4" PRIu64 " h  ", (minutes + 59) / 60);
}

/* With --json a line each. */
static bool
print(void *user, const json_t *item)
{
    const struct aw_cli *cli = user;
    const json_t        *sentence;
    const char          *lang;

    if (cli->common.json) {
        aw_cli_print_json(item);
        return true;
    }
    (void)printf("%s\n", aw_cli_text(item, "lane"));
    for (size_t i = 0; i < AW_ARRAY_LEN(class_names); i++) {
        const json_t *time = json_object_get(json_object_get(item, "classes"), class_names[i]);

        (void)printf("  %-10s ", class_names[i]);
        if (json_is_null(time)) {
            (void)printf("not known\n");
            continue;
        }
        (void)printf("half within ");
        print_span(aw_cli_number(time, "half_s"));
        (void)printf("  nine of ten within ");
        print_span(aw_cli_number(time, "nine_of_ten_s"));
        (void)printf("\n");
    }
    json_object_foreach((json_t *)(uintptr_t)json_object_get(item, "sentences"), lang, sentence)
    {
        (void)printf("  %s: %s\n", lang, json_string_value(sentence));
    }
    return true;
}

static int
run_response_time(struct aw_cli *cli, int argc, char **argv)
{
    const struct response_time_options *options = cli->options;
    const struct {
        const char *name;
        const char *value;
    } parameters[] = {{"class", options->of != NULL ? options->of : "general"},
                      {"lane", options->lane},
                      {"lang", options->lang},
                      {"channel", options->channel}};
    char   path[AW_CLI_PATH_BYTES] = "/v1/response-time";
    size_t len = 0;

    (void)argv;
    if (argc != 0) {
        aw_cli_error(cli, "takes no arguments");
        return AW_CLI_USAGE;
    }
    for (size_t i = 0; i < AW_ARRAY_LEN(parameters); i++) {
        if (parameters[i].value == NULL)
            continue;
        len = strlen(path);
        (void)snprintf(path + len, sizeof(path) - len, "%c%s=", i == 0 ? '?' : '&', parameters[i].name);
        if (!aw_cli_add_encoded(path, sizeof(path), parameters[i].value)) {
            aw_cli_error(cli, "that is too long");
            return AW_CLI_USAGE;
        }
    }
    return aw_cli_each(cli, path, print, cli);
}

const struct aw_cli_command aw_cli_response_time = {
    .name = "response-time",
    .arguments = "",
    .summary = "how long people wait, as they are told",
    .about = "By lane and class: half of those who write now are helped within the first time, nine of ten within the\n"
             "second. The server looks anew every --forecast-every-s; nothing is known where nobody works.",
    .options = response_time_options,
    .option_count = AW_ARRAY_LEN(response_time_options),
    .defaults = &response_time_defaults,
    .defaults_bytes = sizeof(response_time_defaults),
    .run = run_response_time,
};
