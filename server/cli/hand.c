/* hand.c - `aswolk transfer`, `aswolk defer` and `aswolk note`: what an agent does with a ticket besides answering it. */
#include "cli/cli.h"

#include "base/hash.h"
#include "base/text.h"
#include "port/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_BYTES_MAX 128U

struct transfer_options {
    const char *lane;
    const char *to;
    const char *note;
};

static const struct transfer_options transfer_defaults;

static const struct aw_cli_option transfer_options[] = {
    {.name = "lane",
     .letter = 'l',
     .type = AW_CLI_TEXT,
     .value = "LANE",
     .offset = offsetof(struct transfer_options, lane),
     .about = "where it goes; this or --to"},
    {.name = "to",
     .letter = 't',
     .type = AW_CLI_TEXT,
     .value = "AGENT",
     .offset = offsetof(struct transfer_options, to),
     .about = "the colleague whom it is for"},
    {.name = "note",
     .letter = 'n',
     .type = AW_CLI_TEXT,
     .value = "TEXT",
     .offset = offsetof(struct transfer_options, note),
     .about = "what those who take it should know"},
};

struct defer_options {
    const char *until;
    const char *in;
    const char *reason;
    const char *what;
};

static const struct defer_options defer_defaults = {.reason = "commitment"};

static const struct aw_cli_option defer_options[] = {
    {.name = "until",
     .letter = 'u',
     .type = AW_CLI_TEXT,
     .value = "TIME",
     .offset = offsetof(struct defer_options, until),
     .about = "when the customer is to hear at the latest (RFC 3339, such as 2026-04-15T08:00:00Z)"},
    {.name = "in",
     .letter = 'i',
     .type = AW_CLI_TEXT,
     .value = "DURATION",
     .offset = offsetof(struct defer_options, in),
     .about = "the same, from now: 90m, 4h, 3d"},
    {.name = "reason",
     .letter = 'r',
     .type = AW_CLI_TEXT,
     .value = "WORD",
     .offset = offsetof(struct defer_options, reason),
     .about = "who it waits for: customer, third_party or commitment (the default)"},
    {.name = "what",
     .letter = 'w',
     .type = AW_CLI_TEXT,
     .value = "TEXT",
     .offset = offsetof(struct defer_options, what),
     .about = "what was promised; whoever takes the ticket reads it"},
};

/* The lease that is looked for, by its ticket. */
struct search {
    const char *ticket;
    char       *token; /* ID_BYTES_MAX */
    bool        is_found;
};

static bool
look_at_lease(void *user, const json_t *lease)
{
    struct search *search = user;

    search->is_found = strcmp(aw_cli_text(lease, "ticket"), search->ticket) == 0;
    if (search->is_found)
        (void)snprintf(search->token, ID_BYTES_MAX, "%s", aw_cli_text(lease, "lease"));
    return !search->is_found;
}

/* A lease is named by its token, or by its ticket. */
static int
find_lease(struct aw_cli *cli, const char *name, char token[ID_BYTES_MAX])
{
    struct search search = {.ticket = name, .token = token};
    int           code;

    (void)snprintf(token, ID_BYTES_MAX, "%s", name);
    if (name[0] != 't')
        return AW_CLI_OK;
    code = aw_cli_each(cli, "/v1/leases", look_at_lease, &search);
    if (code != AW_CLI_OK || search.is_found)
        return code;
    aw_cli_error(cli, "%s does not hold %s", cli->common.agent != NULL ? cli->common.agent : "your agent", name);
    return AW_CLI_FAILED;
}

static int
run_transfer(struct aw_cli *cli, int argc, char **argv)
{
    const struct transfer_options *options = cli->options;
    char                           token[ID_BYTES_MAX], path[256];
    const char                    *kept_for;
    json_t                        *body, *done;
    int                            code;

    if (argc != 1 || (options->lane == NULL) == (options->to == NULL)) {
        aw_cli_error(cli, "takes one ticket or lease, and --lane or --to");
        return AW_CLI_USAGE;
    }
    if (strlen(argv[0]) >= ID_BYTES_MAX || !aw_cli_check_name(cli, "ticket or lease", argv[0]))
        return AW_CLI_USAGE;
    code = find_lease(cli, argv[0], token);
    if (code != AW_CLI_OK)
        return code;
    body = json_object();
    (void)json_object_set_new(body, options->to == NULL ? "lane" : "agent",
                              json_string(options->to == NULL ? options->lane : options->to));
    if (options->note != NULL)
        (void)json_object_set_new(body, "note", json_string(options->note));
    (void)snprintf(path, sizeof(path), "/v1/leases/%s/transfer", token);
    done = aw_cli_send(cli, "POST", path, body, NULL, &code); /* may be repeated by itself */
    if (done == NULL)
        return code;
    kept_for = aw_cli_text(done, "kept_for");
    if (cli->common.json)
        aw_cli_print_json(done);
    else if (options->to == NULL || kept_for[0] != '\0')
        (void)printf("%s waits in %s%s%s\n", aw_cli_text(done, "ticket"), aw_cli_text(done, "lane"),
                     kept_for[0] == '\0' ? "" : ", kept for ", kept_for);
    else
        (void)printf("%s waits in %s: as %s it waits for no one\n", aw_cli_text(done, "ticket"), aw_cli_text(done, "lane"),
                     aw_cli_text(done, "class"));
    json_decref(done);
    return AW_CLI_OK;
}

/* "90m" from now as RFC 3339. */
static bool
later(const char *duration, char text[AW_TIME_TEXT_BYTES])
{
    char    *end;
    uint64_t number = strtoull(duration, &end, 10);
    uint64_t unit_s = strcmp(end, "m") == 0 ? 60 : strcmp(end, "h") == 0 ? 3600 : strcmp(end, "d") == 0 ? 86400 : 0;

    if (end == duration || duration[0] == '-' || number == 0 || number > 366U * 24 * 60 || unit_s == 0)
        return false;
    aw_time_format(aw_clock_wall() + number * unit_s * AW_MS_PER_S, text);
    return true;
}

static int
run_defer(struct aw_cli *cli, int argc, char **argv)
{
    const struct defer_options *options = cli->options;
    char                        token[ID_BYTES_MAX], path[256], until[AW_TIME_TEXT_BYTES];
    json_t                     *done;
    int                         code;

    if (argc != 1 || options->what == NULL || (options->until == NULL) == (options->in == NULL)) {
        aw_cli_error(cli, "takes one ticket or lease, --what, and --until or --in");
        return AW_CLI_USAGE;
    }
    if (strlen(argv[0]) >= ID_BYTES_MAX || !aw_cli_check_name(cli, "ticket or lease", argv[0]))
        return AW_CLI_USAGE;
    if (options->in != NULL && !later(options->in, until)) {
        aw_cli_error(cli, "--in takes a number and m, h or d, such as 90m");
        return AW_CLI_USAGE;
    }
    code = find_lease(cli, argv[0], token);
    if (code != AW_CLI_OK)
        return code;
    (void)snprintf(path, sizeof(path), "/v1/leases/%s/defer", token);
    done = aw_cli_send(cli, "POST", path,
                       json_pack("{s:s, s:s, s:s}", "until", options->in != NULL ? until : options->until, "reason",
                                 options->reason, "what", options->what),
                       NULL, &code); /* may be repeated by itself */
    if (done == NULL)
        return code;
    if (cli->common.json)
        aw_cli_print_json(done);
    else
        (void)printf("%s comes back at %s\n", aw_cli_text(done, "ticket"), aw_cli_text(done, "held_until"));
    json_decref(done);
    return AW_CLI_OK;
}

static int
run_note(struct aw_cli *cli, int argc, char **argv)
{
    char     key[AW_BASE32_U64_CHARS + 1] = "", path[256];
    uint64_t random;
    json_t  *done;
    int      code;

    if (argc != 2 || argv[1][0] == '\0') {
        aw_cli_error(cli, "takes one ticket id and a text");
        return AW_CLI_USAGE;
    }
    if (strlen(argv[0]) >= ID_BYTES_MAX || !aw_cli_check_name(cli, "ticket id", argv[0]))
        return AW_CLI_USAGE;
    if (!aw_random(&random, sizeof(random)))
        AW_UNREACHABLE();       /* the kernel always has some */
    aw_base32_u64(random, key); /* an answer that was lost is asked for again, and the note is there once */
    (void)snprintf(path, sizeof(path), "/v1/tickets/%s/notes", argv[0]);
    done = aw_cli_send(cli, "POST", path, json_pack("{s:s}", "text", argv[1]), key, &code);
    if (done == NULL)
        return code;
    if (cli->common.json)
        aw_cli_print_json(done);
    else
        (void)printf("%s of %s\n", aw_cli_text(done, "note"), aw_cli_text(done, "ticket"));
    json_decref(done);
    return AW_CLI_OK;
}

const struct aw_cli_command aw_cli_transfer = {
    .name = "transfer",
    .arguments = "TICKET",
    .summary = "hand a ticket that we hold to another lane or to a colleague",
    .about =
        "Takes a ticket that --agent holds, or the token of its lease. Age and thread go with it. Agents may do so twice, and\n"
        "not back to a lane that it came from; aswolk ticket --lane moves it in any case.",
    .options = transfer_options,
    .option_count = AW_ARRAY_LEN(transfer_options),
    .defaults = &transfer_defaults,
    .defaults_bytes = sizeof(transfer_defaults),
    .run = run_transfer,
};

const struct aw_cli_command aw_cli_defer = {
    .name = "defer",
    .arguments = "TICKET",
    .summary = "put a ticket that we hold off, with a word to the customer until when",
    .about = "Takes a ticket that --agent holds, or the token of its lease. It comes back before it is due, to this agent first; "
             "sooner\n"
             "when the customer writes. aswolk commitments lists what is due.",
    .options = defer_options,
    .option_count = AW_ARRAY_LEN(defer_options),
    .defaults = &defer_defaults,
    .defaults_bytes = sizeof(defer_defaults),
    .run = run_defer,
};

const struct aw_cli_command aw_cli_note = {
    .name = "note",
    .arguments = "TICKET TEXT",
    .summary = "tell colleagues something about a ticket; never sent to the customer",
    .about = "Whoever gets or looks at the ticket reads it with the thread. Up to 8 KiB.",
    .run = run_note,
};
