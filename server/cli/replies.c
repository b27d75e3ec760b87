/* replies.c - `aswolk replies`: which there are, one with what it says, letting one go or not, and sending dead ones after all. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_BYTES_MAX 64U

struct replies_options {
    const char *state;
    const char *ticket;
    const char *by;
    const char *channel;
    const char *account;
    const char *code;
    const char *reason;
    uint64_t    max;
    bool        dry_run;
};

static const struct replies_options replies_defaults;

static const struct aw_cli_option replies_options[] = {
    {.name = "state",
     .type = AW_CLI_TEXT,
     .value = "STATE",
     .offset = offsetof(struct replies_options, state),
     .about = "list: pending, waiting, leased, failed, dead, sent, delivered, read, refused"},
    {.name = "ticket",
     .type = AW_CLI_TEXT,
     .value = "TICKET",
     .offset = offsetof(struct replies_options, ticket),
     .about = "list, redrive: of this one"},
    {.name = "by",
     .type = AW_CLI_TEXT,
     .value = "AGENT",
     .offset = offsetof(struct replies_options, by),
     .about = "list: who wrote it"},
    {.name = "channel",
     .type = AW_CLI_TEXT,
     .value = "NAME",
     .offset = offsetof(struct replies_options, channel),
     .about = "list, redrive: that it goes out on"},
    {.name = "account",
     .type = AW_CLI_TEXT,
     .value = "NAME",
     .offset = offsetof(struct replies_options, account),
     .about = "list, redrive: that it goes out on"},
    {.name = "code",
     .type = AW_CLI_TEXT,
     .value = "CODE",
     .offset = offsetof(struct replies_options, code),
     .about = "redrive: what it died of"},
    {.name = "reason",
     .letter = 'r',
     .type = AW_CLI_TEXT,
     .value = "TEXT",
     .offset = offsetof(struct replies_options, reason),
     .about = "refuse: what its writer should know"},
    {.name = "max",
     .type = AW_CLI_NUMBER,
     .value = "N",
     .min = 1,
     .max = 1000,
     .offset = offsetof(struct replies_options, max),
     .about = "redrive: at most so many"},
    {.name = "dry-run",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct replies_options, dry_run),
     .about = "redrive: only tell how many"},
};

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

static void
print_reply(const json_t *reply)
{
    (void)printf("%-16s %-9s ", aw_cli_text(reply, "reply"), aw_cli_text(reply, "state"));
    aw_cli_put_text(aw_cli_text(reply, "agent"), 12);
    (void)printf(" %-24s %-20s %s/", aw_cli_text(reply, "written_at"), aw_cli_text(reply, "ticket"),
                 aw_cli_text(reply, "channel"));
    aw_cli_put_text(aw_cli_text(reply, "account"), 0);
    (void)fputs(aw_cli_text(reply, "code")[0] == '\0' ? "" : " ", stdout);
    aw_cli_put_text(aw_cli_text(reply, "code"), 0);
    (void)printf("%s\n", aw_cli_flag(reply, "uncertain") ? " may have been sent" : "");
}

/* With --json a line a reply. */
static bool
list_one(void *user, const json_t *reply)
{
    const struct aw_cli *cli = user;

    if (cli->common.json)
        aw_cli_print_json(reply);
    else
        print_reply(reply);
    return true;
}

static bool
add_filter(char *path, const char *name, const char *value)
{
    size_t len = strlen(path);

    if (value == NULL)
        return true;
    (void)snprintf(path + len, AW_CLI_PATH_BYTES - len, "%s%s=", strchr(path, '?') == NULL ? "?" : "&", name);
    return aw_cli_add_encoded(path, AW_CLI_PATH_BYTES - 128, value); /* a cursor comes behind it */
}

static int
list(struct aw_cli *cli)
{
    const struct replies_options *options = cli->options;
    char                          path[AW_CLI_PATH_BYTES] = "/v1/replies";

    if (!add_filter(path, "state", options->state) || !add_filter(path, "ticket", options->ticket) ||
        !add_filter(path, "agent", options->by) || !add_filter(path, "channel", options->channel) ||
        !add_filter(path, "account", options->account)) {
        aw_cli_error(cli, "these are no names");
        return AW_CLI_USAGE;
    }
    if (!cli->common.json)
        (void)printf("%-16s %-9s %-12s %-24s %-20s %s\n", "reply", "state", "by", "written", "ticket", "channel/account");
    return aw_cli_each(cli, path, list_one, cli);
}

static int
show(struct aw_cli *cli, const char *reply)
{
    char          path[ID_BYTES_MAX + 32];
    int           code;
    json_t       *answer;
    const json_t *content;

    (void)snprintf(path, sizeof(path), "/v1/replies/%s", reply);
    answer = aw_cli_get(cli, path, &code);
    if (answer == NULL)
        return code;
    content = json_object_get(answer, "content");
    if (cli->common.json) {
        aw_cli_print_json(answer);
    } else {
        print_reply(answer);
        aw_cli_print_text(aw_cli_text(content, "text"), "    ");
    }
    json_decref(answer);
    return AW_CLI_OK;
}

/* --- changing --------------------------------------------------------------------------------------------------------------- */

static int
decide(struct aw_cli *cli, const char *verb, const char *reply)
{
    const struct replies_options *options = cli->options;
    char                          path[ID_BYTES_MAX + 32];
    json_t                       *body = json_object(), *answer;
    int                           code;

    if (options->reason != NULL)
        (void)json_object_set_new(body, strcmp(verb, "refuse") == 0 ? "reason" : "note", json_string(options->reason));
    (void)snprintf(path, sizeof(path), "/v1/replies/%s/%s", reply, verb);
    answer = aw_cli_send(cli, "POST", path, body, NULL, &code); /* may be repeated by itself */
    if (answer == NULL)
        return code;
    if (cli->common.json)
        aw_cli_print_json(answer);
    else
        (void)printf("%s is %s\n", aw_cli_text(answer, "reply"), aw_cli_text(answer, "state"));
    json_decref(answer);
    return AW_CLI_OK;
}

static void
add_text(json_t *body, const char *name, const char *value)
{
    if (value != NULL)
        (void)json_object_set_new(body, name, json_string(value));
}

static int
redrive(struct aw_cli *cli)
{
    const struct replies_options *options = cli->options;
    json_t                       *body = json_object(), *answer;
    int                           code;

    add_text(body, "channel", options->channel);
    add_text(body, "account", options->account);
    add_text(body, "code", options->code);
    add_text(body, "ticket", options->ticket);
    if (options->max > 0)
        (void)json_object_set_new(body, "max", json_integer((json_int_t)options->max));
    if (options->dry_run)
        (void)json_object_set_new(body, "dry_run", json_true());
    answer = aw_cli_send(cli, "POST", "/v1/replies/redrive", body, NULL, &code); /* what it did is dead no more */
    if (answer == NULL)
        return code;
    if (cli->common.json)
        aw_cli_print_json(answer);
    else
        (void)printf("%" PRIu64 " %s sent after all, %" PRIu64 " left\n", aw_cli_number(answer, "replies"),
                     options->dry_run ? "would be" : "will be", aw_cli_number(answer, "left"));
    json_decref(answer);
    return AW_CLI_OK;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    const struct replies_options *options = cli->options;
    const char                   *verb = argc > 0 ? argv[0] : "list";
    bool                          decides = strcmp(verb, "approve") == 0 || strcmp(verb, "refuse") == 0;
    bool                          names_one = decides || strcmp(verb, "show") == 0;

    if (!names_one && strcmp(verb, "list") != 0 && strcmp(verb, "redrive") != 0) {
        aw_cli_error(cli, "takes list, show, approve, refuse or redrive");
        return AW_CLI_USAGE;
    }
    if (argc > 1 + names_one || (names_one && argc != 2)) {
        aw_cli_error(cli, "%s takes %s", verb, names_one ? "the id of a reply" : "nothing more");
        return AW_CLI_USAGE;
    }
    if (strcmp(verb, "refuse") == 0 && options->reason == NULL) {
        aw_cli_error(cli, "refuse needs a --reason");
        return AW_CLI_USAGE;
    }
    if (!names_one)
        return strcmp(verb, "list") == 0 ? list(cli) : redrive(cli);
    if (strlen(argv[1]) > ID_BYTES_MAX || !aw_cli_check_name(cli, "reply id", argv[1]))
        return AW_CLI_USAGE;
    return decides ? decide(cli, verb, argv[1]) : show(cli, argv[1]);
}

const struct aw_cli_command aw_cli_replies = {
    .name = "replies",
    .arguments = "[list | show R | approve R | refuse R | redrive]",
    .summary = "replies on their way out: list, show, approve, refuse, redrive",
    .about =
        "Lists replies, oldest first, by where they are. One that is pending was written by who needs a colleague's approval:\n"
        "approve lets it go; refuse tells its writer why, and the ticket is open again. redrive sends dead ones after all.\n"
        "Example: aswolk replies list --state pending",
    .options = replies_options,
    .option_count = AW_ARRAY_LEN(replies_options),
    .defaults = &replies_defaults,
    .defaults_bytes = sizeof(replies_defaults),
    .run = run,
};
