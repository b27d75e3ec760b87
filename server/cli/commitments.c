/* commitments.c - `aswolk commitments`: what agents gave customers their word for. */
#include "cli/cli.h"

#include <stdio.h>

struct commitments_options {
    const char *of;
    bool        broken;
};

static const struct commitments_options commitments_defaults;

static const struct aw_cli_option commitments_options[] = {
    {.name = "of",
     .type = AW_CLI_TEXT,
     .value = "AGENT",
     .offset = offsetof(struct commitments_options, of),
     .about = "only the words that this agent gave"},
    {.name = "broken",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct commitments_options, broken),
     .about = "only what was not done in time"},
};

/* With --json a line each. */
static bool
print(void *user, const json_t *item)
{
    const struct aw_cli *cli = user;
    const json_t        *commitment = json_object_get(item, "commitment");

    if (cli->common.json) {
        aw_cli_print_json(item);
        return true;
    }
    (void)printf("%s  %-7s ", aw_cli_text(commitment, "due_at"),
                 aw_cli_flag(commitment, "broken") ? "BROKEN" : aw_cli_text(item, "state"));
    aw_cli_put_text(aw_cli_text(commitment, "by"), 16);
    (void)printf(" %s  %s\n", aw_cli_text(item, "ticket"), aw_cli_text(commitment, "reason"));
    aw_cli_print_text(aw_cli_text(item, "what"), "    ");
    return true;
}

static int
run_commitments(struct aw_cli *cli, int argc, char **argv)
{
    const struct commitments_options *options = cli->options;
    char                              path[AW_CLI_PATH_BYTES];

    (void)argv;
    if (argc != 0) {
        aw_cli_error(cli, "takes no arguments");
        return AW_CLI_USAGE;
    }
    (void)snprintf(path, sizeof(path), "/v1/commitments?broken=%s%s", options->broken ? "true" : "false",
                   options->of != NULL ? "&agent=" : "");
    if (options->of != NULL && !aw_cli_add_encoded(path, sizeof(path), options->of)) {
        aw_cli_error(cli, "that name is too long");
        return AW_CLI_USAGE;
    }
    return aw_cli_each(cli, path, print, cli);
}

const struct aw_cli_command aw_cli_commitments = {
    .name = "commitments",
    .arguments = "",
    .summary = "list what agents gave customers their word for, what is due first, first",
    .about = "Of tickets that are open. A word is kept when the customer hears before it is due.",
    .options = commitments_options,
    .option_count = AW_ARRAY_LEN(commitments_options),
    .defaults = &commitments_defaults,
    .defaults_bytes = sizeof(commitments_defaults),
    .run = run_commitments,
};
