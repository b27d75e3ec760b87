/* agents.c - `aswolk agents`: what agents are set to and how much they hold, and setting one. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name of 64 bytes, all of them encoded, and what stands before it. */
#define PATH_BYTES (3 * 64 + 32)

struct agents_options {
    const char *lanes;
    const char *classes;
    const char *approval;
    const char *gentle;
    const char *units;
    const char *units_total;
};

static const struct agents_options agents_defaults;

static const struct aw_cli_option agents_options[] = {
    {.name = "lanes",
     .type = AW_CLI_TEXT,
     .value = "NAME,...",
     .offset = offsetof(struct agents_options, lanes),
     .about = "set: where it takes tickets from when it names no lanes; \"\" for all"},
    {.name = "classes",
     .type = AW_CLI_TEXT,
     .value = "NAME,...",
     .offset = offsetof(struct agents_options, classes),
     .about = "set: of which it is given tickets; \"\" for all"},
    {.name = "approval",
     .type = AW_CLI_TEXT,
     .value = "yes|no",
     .offset = offsetof(struct agents_options, approval),
     .about = "set: its replies wait for a colleague"},
    {.name = "gentle",
     .type = AW_CLI_TEXT,
     .value = "yes|no",
     .offset = offsetof(struct agents_options, gentle),
     .about = "set: gentle tickets are offered to it first"},
    {.name = "units",
     .type = AW_CLI_TEXT,
     .value = "CHANNEL=N,...",
     .offset = offsetof(struct agents_options, units),
     .about = "set: how many tickets at once, by channel; \"\" for no bounds"},
    {.name = "units-total",
     .type = AW_CLI_TEXT,
     .value = "N",
     .offset = offsetof(struct agents_options, units_total),
     .about = "set: how many at once in all; \"\" for any number"},
};

/* --- looking -------------------------------------------------------------------------------------------------------------- */

static void
print_list(const char *name, const json_t *list)
{
    const json_t *word;
    size_t        i;

    json_array_foreach(list, i, word)
    {
        (void)printf("%s%s%s%s", i == 0 ? "  " : "", i == 0 ? name : "", i == 0 ? "=" : ",", json_string_value(word));
    }
}

static void
print_agent(const json_t *agent)
{
    const json_t *total = json_object_get(agent, "units_total");
    const char   *channel;
    const json_t *units;

    aw_cli_put_text(aw_cli_text(agent, "agent"), 24);
    (void)printf(" %7" PRIu64 "  %-6s", aw_cli_number(agent, "leases"),
                 json_is_true(json_object_get(agent, "gentle")) ? "gentle" : "-");
    json_object_foreach((json_t *)(uintptr_t)json_object_get(agent, "units"), channel, units)
    {
        (void)printf(" %s=%" PRIu64 "/%" JSON_INTEGER_FORMAT, channel, aw_cli_number(json_object_get(agent, "held"), channel),
                     json_integer_value(units));
    }
    if (json_is_integer(total))
        (void)printf(" total=%" JSON_INTEGER_FORMAT, json_integer_value(total));
    if (json_is_true(json_object_get(agent, "approval")))
        (void)printf("  needs approval");
    if (strcmp(aw_cli_text(agent, "presence"), "ready") != 0)
        (void)printf("  %s", aw_cli_text(agent, "presence"));
    print_list("classes", json_object_get(agent, "classes"));
    print_list("lanes", json_object_get(agent, "lanes"));
    (void)printf("\n");
}

static void
print_head(void)
{
    (void)printf("%-24s %7s  %-6s %s\n", "agent", "leases", "gentle", "units held/at once, classes and lanes (none: all)");
}

/* With --json a line an agent. */
static bool
list_one(void *user, const json_t *agent)
{
    const struct aw_cli *cli = user;

    if (cli->common.json)
        aw_cli_print_json(agent);
    else
        print_agent(agent);
    return true;
}

static int
list(struct aw_cli *cli)
{
    if (!cli->common.json)
        print_head();
    return aw_cli_each(cli, "/v1/agents", list_one, cli);
}

/* People's names have spaces and letters that a path has not. */
static void
path_of(const char *name, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "/v1/agents/");
    if (!aw_cli_add_encoded(path, PATH_BYTES, name))
        AW_UNREACHABLE(); /* its length was checked */
}

static int
show(struct aw_cli *cli, const char *path)
{
    int     code;
    json_t *agent = aw_cli_get(cli, path, &code);

    if (agent == NULL)
        return code;
    if (cli->common.json) {
        aw_cli_print_json(agent);
    } else {
        print_head();
        print_agent(agent);
    }
    json_decref(agent);
    return AW_CLI_OK;
}

/* --- changing ------------------------------------------------------------------------------------------------------------- */

/* "7"; *ret_ok false for anything else. */
static json_t *
number_of(const char *text, bool *ret_ok)
{
    char    *end;
    uint64_t number = strtoull(text, &end, 10);

    *ret_ok &= text[0] >= '0' && text[0] <= '9' && *end == '\0' && number <= INT32_MAX;
    return json_integer((json_int_t)(number <= INT32_MAX ? number : 0));
}

/* "web=3,mail=0" */
static json_t *
units_of(const char *text, bool *ret_ok)
{
    json_t       *pairs = aw_cli_list(text);
    json_t       *units = json_object();
    const json_t *pair;
    size_t        i;

    json_array_foreach(pairs, i, pair)
    {
        const char *equals = strchr(json_string_value(pair), '=');
        char        channel[64];

        *ret_ok &= equals != NULL && (size_t)(equals - json_string_value(pair)) < sizeof(channel);
        if (!*ret_ok)
            break;
        (void)snprintf(channel, sizeof(channel), "%.*s", (int)(equals - json_string_value(pair)), json_string_value(pair));
        (void)json_object_set_new(units, channel, number_of(equals + 1, ret_ok));
    }
    json_decref(pairs);
    return units;
}

/* PUT replaces the whole, so what was not named is taken from the agent as it is now. NULL: an option is not understood. */
static char *
put_body(const struct aw_cli *cli, const json_t *agent)
{
    const struct agents_options *options = cli->options;
    json_t                      *body = json_object();
    json_t                      *now = (json_t *)(uintptr_t)agent;
    bool                         ok = true;
    char                        *text;

    if (options->lanes != NULL)
        (void)json_object_set_new(body, "lanes", aw_cli_list(options->lanes));
    else if (json_is_array(json_object_get(now, "lanes")))
        (void)json_object_set(body, "lanes", json_object_get(now, "lanes"));
    if (options->classes != NULL)
        (void)json_object_set_new(body, "classes", aw_cli_list(options->classes));
    else if (json_is_array(json_object_get(now, "classes")))
        (void)json_object_set(body, "classes", json_object_get(now, "classes"));
    if (options->approval != NULL)
        (void)json_object_set_new(body, "approval", json_boolean(strcmp(options->approval, "yes") == 0));
    else if (json_is_true(json_object_get(now, "approval")))
        (void)json_object_set_new(body, "approval", json_true());
    if (options->gentle != NULL)
        (void)json_object_set_new(body, "gentle", json_boolean(strcmp(options->gentle, "yes") == 0));
    else if (json_is_true(json_object_get(now, "gentle")))
        (void)json_object_set_new(body, "gentle", json_true());
    if (options->units != NULL)
        (void)json_object_set_new(body, "units", units_of(options->units, &ok));
    else if (now != NULL)
        (void)json_object_set(body, "units", json_object_get(now, "units"));
    if (options->units_total != NULL && options->units_total[0] != '\0')
        (void)json_object_set_new(body, "units_total", number_of(options->units_total, &ok));
    else if (options->units_total == NULL && json_is_integer(json_object_get(now, "units_total")))
        (void)json_object_set(body, "units_total", json_object_get(now, "units_total"));
    text = ok ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (text == NULL)
        aw_cli_error(cli, "--units takes CHANNEL=N,... and --units-total a number");
    return text;
}

static int
set(struct aw_cli *cli, const char *path)
{
    int code = aw_cli_put(cli, path, "this agent", put_body);

    return code == AW_CLI_OK ? show(cli, path) : code;
}

/* NULL: not given. */
static bool
is_yes_or_no(const char *word)
{
    return word == NULL || strcmp(word, "yes") == 0 || strcmp(word, "no") == 0;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    const struct agents_options *options = cli->options;
    bool                         has_options = options->lanes != NULL || options->classes != NULL || options->approval != NULL ||
                       options->gentle != NULL || options->units != NULL || options->units_total != NULL;
    bool sets_one = argc == 2 && strcmp(argv[0], "set") == 0;
    char path[PATH_BYTES];

    if (argc > 2 || (argc == 2 && !sets_one) || (has_options && !sets_one)) {
        aw_cli_error(cli, has_options ? "--lanes, --units and the others go with set NAME" : "takes nothing, NAME, or set NAME");
        return AW_CLI_USAGE;
    }
    if (!is_yes_or_no(options->gentle) || !is_yes_or_no(options->approval)) {
        aw_cli_error(cli, "--%s takes yes or no", is_yes_or_no(options->gentle) ? "approval" : "gentle");
        return AW_CLI_USAGE;
    }
    if (argc == 0)
        return list(cli);
    if (argv[argc - 1][0] == '\0' || strlen(argv[argc - 1]) > 64) {
        aw_cli_error(cli, "an agent's name has 1 to 64 bytes");
        return AW_CLI_USAGE;
    }
    path_of(argv[argc - 1], path);
    return sets_one ? set(cli, path) : show(cli, path);
}

const struct aw_cli_command aw_cli_agents = {
    .name = "agents",
    .arguments = "[NAME | set NAME]",
    .summary = "agents: list them, set the lanes and units of one",
    .about =
        "Lists all agents with what they hold and what they are set to; or one; or sets one. set changes only what its options\n"
        "name and keeps the rest. Example: aswolk agents set mia --lanes dutch,main --units whatsapp=3,phone=1 --gentle yes",
    .options = agents_options,
    .option_count = AW_ARRAY_LEN(agents_options),
    .defaults = &agents_defaults,
    .defaults_bytes = sizeof(agents_defaults),
    .run = run,
};
