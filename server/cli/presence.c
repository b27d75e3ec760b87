/* presence.c - `aswolk presence`: whether an agent takes tickets. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 64U

struct presence_options {
    const char *of;
};

static const struct presence_options presence_defaults;

static const struct aw_cli_option presence_options[] = {
    {.name = "of",
     .type = AW_CLI_TEXT,
     .value = "AGENT",
     .offset = offsetof(struct presence_options, of),
     .about = "whose; else of --agent"},
};

/* Of --of, of --agent, or whom the token names. False: *ret_code says why not. */
static bool
find_name(struct aw_cli *cli, char name[NAME_BYTES_MAX + 2], int *ret_code)
{
    const struct presence_options *options = cli->options;
    const char                    *given = options->of != NULL ? options->of : cli->common.agent;
    json_t                        *who;

    if (given != NULL) {
        (void)snprintf(name, NAME_BYTES_MAX + 2, "%s", given);
        return true;
    }
    who = aw_cli_get(cli, "/v1/whoami", ret_code);
    if (who == NULL)
        return false;
    (void)snprintf(name, NAME_BYTES_MAX + 2, "%s", aw_cli_text(who, "name"));
    json_decref(who);
    return true;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    char    name[NAME_BYTES_MAX + 2];
    char    path[3 * NAME_BYTES_MAX + 32] = "/v1/agents/";
    json_t *answer;
    int     code;

    if (!find_name(cli, name, &code))
        return code;
    if (argc > 1 || name[0] == '\0' || strlen(name) > NAME_BYTES_MAX || !aw_cli_add_encoded(path, sizeof(path) - 16, name)) {
        aw_cli_error(cli, "takes ready, wrap_up, break or leaving, or nothing; a name has 1 to 64 bytes");
        return AW_CLI_USAGE;
    }
    if (argc == 0) {
        answer = aw_cli_get(cli, path, &code);
    } else {
        (void)snprintf(path + strlen(path), 16, "/presence");
        answer = aw_cli_send(cli, "PUT", path, json_pack("{s:s}", "presence", argv[0]), NULL, &code);
    }
    if (answer == NULL)
        return code;
    if (cli->common.json)
        aw_cli_print_json(answer);
    else
        (void)printf("%s is %s, with %llu tickets\n", aw_cli_text(answer, "agent"), aw_cli_text(answer, "presence"),
                     (unsigned long long)aw_cli_number(answer, "leases"));
    json_decref(answer);
    return AW_CLI_OK;
}

const struct aw_cli_command aw_cli_presence = {
    .name = "presence",
    .arguments = "[ready | wrap_up | break | leaving]",
    .summary = "whether an agent takes tickets",
    .about = "Tells it, or sets it. Only who is ready is given tickets; what it holds it goes on with. Who is leaving is gone "
             "when it\n"
             "holds nothing more.",
    .options = presence_options,
    .option_count = AW_ARRAY_LEN(presence_options),
    .defaults = &presence_defaults,
    .defaults_bytes = sizeof(presence_defaults),
    .run = run,
};
