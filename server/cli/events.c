/* events.c - `aswolk events` and `aswolk history`: what happened, and what happens. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Between two attempts to go on. */
#define PAUSE_MS_MIN 200U
#define PAUSE_MS_MAX 5000U

struct events_options {
    const char *after;
    const char *type;
    const char *ticket;
    const char *lane;
    bool        all;
};

static const struct events_options events_defaults;

static const struct aw_cli_option events_options[] = {
    {.name = "after",
     .type = AW_CLI_TEXT,
     .value = "ID",
     .offset = offsetof(struct events_options, after),
     .about = "begin behind this event; 0: with the oldest; without it with what happens next"},
    {.name = "all",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct events_options, all),
     .about = "all up to now, from the oldest or --after on, and then end: with --json an export"},
    {.name = "type",
     .type = AW_CLI_TEXT,
     .value = "TYPE",
     .offset = offsetof(struct events_options, type),
     .about = "only these, with commas between: ticket.opened; ticket stands for all of its kind"},
    {.name = "ticket",
     .type = AW_CLI_TEXT,
     .value = "ID",
     .offset = offsetof(struct events_options, ticket),
     .about = "only what happens to this ticket"},
    {.name = "lane",
     .type = AW_CLI_TEXT,
     .value = "LANE",
     .offset = offsetof(struct events_options, lane),
     .about = "only what happens in this lane"},
};

/* --- one event --------------------------------------------------------------------------------------------------------------- */

/* "42 2026-04-15T08:05:00.000Z ticket.leased t0000000013 state="leased" by="ann"" */
static void
print_event(const struct aw_cli *cli, const json_t *event)
{
    const char *type = aw_cli_text(event, "type"), *key;
    json_t     *value;

    if (cli->common.json) {
        aw_cli_print_json(event);
        return;
    }
    (void)printf("%s %s %s", aw_cli_text(event, "id"), aw_cli_text(event, "time"),
                 strncmp(type, "aswolk.", 7) == 0 ? type + 7 : type);
    if (json_object_get(event, "subject") != NULL)
        (void)printf(" %s", aw_cli_text(event, "subject"));
    json_object_foreach(json_object_get(event, "data"), key, value)
    {
        if (strcmp(key, "ticket") == 0)
            continue;
        (void)printf(" %s=", key);
        (void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    }
    (void)fputc('\n', stdout);
}

/* --- the stream ------------------------------------------------------------------------------------------------------------- */

struct tail {
    struct aw_cli         *cli;
    struct aw_cli_splitter lines;
    bool                   is_lines; /* NDJSON; else server-sent events */
    uint64_t               last;     /* what was told last, or looked through */
    bool                   has_last;
};

static void
note_last(struct tail *tail, const char *text)
{
    tail->has_last = aw_slice_to_u64(aw_slice_str(text), UINT64_MAX - 1, &tail->last) || tail->has_last;
}

static void
take_event(struct tail *tail, const char *text)
{
    json_t *event = json_loads(text, 0, NULL);

    if (!json_is_object(event)) {
        tail->lines.is_bad = true;
    } else {
        print_event(tail->cli, event);
        note_last(tail, aw_cli_text(event, "id"));
    }
    json_decref(event);
}

/* A gap has an id of its own, which is no number: in NDJSON what it is known by is what comes behind it. */
static void
take_line(void *user, const char *line)
{
    struct tail *tail = user;

    tail->cli->reached = true;
    if (tail->is_lines) {
        if (line[0] != '\0')
            take_event(tail, line);
    } else if (strncmp(line, "data: ", 6) == 0) {
        take_event(tail, line + 6);
    } else if (strncmp(line, "id: ", 4) == 0) {
        note_last(tail, line + 4);
    }
}

/* "aswolk." may be left out. False: too long, or no names. */
static bool
add_types(char *path, size_t room, const char *types)
{
    struct aw_slice rest = aw_slice_str(types);
    const char     *comma = "&type=";

    while (rest.len > 0) {
        struct aw_slice name = aw_slice_cut(&rest, ',');
        const char     *before = aw_slice_starts(name, AW_SLICE("aswolk")) ? "" : "aswolk.";
        size_t          len = strlen(path);

        if ((size_t)snprintf(path + len, room - len, "%s%s%.*s", comma, before, AW_SLICE_ARGS(name)) >= room - len)
            return false;
        comma = ",";
    }
    return strspn(types, "abcdefghijklmnopqrstuvwxyz.,") == strlen(types);
}

/* Everything but where it begins, which changes. False: said why not. */
static bool
make_filters(const struct aw_cli *cli, char *path, size_t room)
{
    const struct events_options *options = cli->options;
    uint64_t                     after;

    path[0] = '\0';
    if (options->after != NULL && !aw_slice_to_u64(aw_slice_str(options->after), UINT64_MAX - 1, &after)) {
        aw_cli_error(cli, "--after takes the number of an event, not \"%s\"", options->after);
        return false;
    }
    if ((options->ticket != NULL && !aw_cli_check_name(cli, "ticket id", options->ticket)) ||
        (options->lane != NULL && !aw_cli_check_name(cli, "lane", options->lane)))
        return false;
    if (options->ticket != NULL)
        (void)snprintf(path, room, "&ticket=%.64s", options->ticket);
    if (options->lane != NULL)
        (void)snprintf(path + strlen(path), room - strlen(path), "&lane=%.64s", options->lane);
    if (options->type == NULL || add_types(path, room, options->type))
        return true;
    aw_cli_error(cli, "--type takes names of types with commas between, not \"%s\"", options->type);
    return false;
}

/* One connection's worth. Returns how it ended. */
static enum aw_exchange_end
follow_once(struct tail *tail, const char *filters, struct aw_exchange_result *ret_result)
{
    const struct events_options *options = tail->cli->options;
    char                         path[1024];
    struct aw_cli_request        request = {.method = "GET",
                                            .path = path,
                                            .interruptible = true,
                                            .accept = tail->is_lines ? "application/x-ndjson" : "text/event-stream",
                                            .on_piece = aw_cli_split,
                                            .piece_user = &tail->lines};

    if (tail->has_last)
        (void)snprintf(path, sizeof(path), "/v1/events?after=%" PRIu64 "%s", tail->last, filters);
    else if (options->after != NULL)
        (void)snprintf(path, sizeof(path), "/v1/events?after=%s%s", options->after, filters);
    else
        (void)snprintf(path, sizeof(path), "/v1/events?%s", filters);
    aw_cli_splitter_reset(&tail->lines);
    return aw_cli_ask(tail->cli, &request, ret_result);
}

/* Goes on behind what was told last, as long as the server comes back. */
static int
follow(struct tail *tail, const char *filters)
{
    uint64_t pause_ms = PAUSE_MS_MIN;

    for (;;) {
        struct aw_exchange_result result;
        uint64_t                  last = tail->last, wait_ms;
        enum aw_exchange_end      end = follow_once(tail, filters, &result);

        if (tail->lines.is_bad) {
            aw_cli_error(tail->cli, "what %s told is no event", tail->cli->common.server);
            return AW_CLI_FAILED;
        }
        if (aw_cli_stopped())
            return tail->is_lines ? AW_CLI_FAILED : AW_CLI_OK; /* an export that was stopped is none */
        if (end == AW_EXCHANGE_ANSWERED && result.status / 100 == 2 && tail->is_lines)
            return AW_CLI_OK;
        if (end == AW_EXCHANGE_ANSWERED && result.status / 100 != 2 && !aw_cli_is_retryable(result.status))
            return aw_cli_report(tail->cli, &result);
        if (!tail->cli->reached)
            return aw_cli_report(tail->cli, &result);
        pause_ms = tail->last != last ? PAUSE_MS_MIN : pause_ms * 2 > PAUSE_MS_MAX ? PAUSE_MS_MAX : pause_ms * 2;
        wait_ms = end == AW_EXCHANGE_ANSWERED ? aw_cli_retry_after_s(&result, 0) * 1000 : 0;
        aw_cli_sleep_ms(wait_ms > pause_ms ? wait_ms : pause_ms);
    }
}

static int
run_events(struct aw_cli *cli, int argc, char **argv)
{
    const struct events_options *options = cli->options;
    char                         filters[512];
    struct tail                  tail = {.cli = cli, .is_lines = options->all};
    int                          code;

    (void)argv;
    if (argc > 0) {
        aw_cli_error(cli, "it takes no argument");
        return AW_CLI_USAGE;
    }
    if (!make_filters(cli, filters, sizeof(filters)))
        return AW_CLI_USAGE;
    aw_cli_splitter_init(&tail.lines, take_line, &tail);
    aw_cli_catch_signals(cli);
    code = follow(&tail, filters);
    aw_cli_splitter_fini(&tail.lines);
    return code;
}

const struct aw_cli_command aw_cli_events = {
    .name = "events",
    .arguments = "",
    .summary = "what happens, as it happens, or all that did",
    .about = "Shows each thing that happened once and in order: when, what, to which ticket, by whom. It goes on until it is\n"
             "interrupted, also when the server is started again meanwhile; the number in front of an event is what --after\n"
             "takes. What was trimmed is shown as events.gap. --all ends with what happened last; with --json that is an export\n"
             "of the whole history, an event a line.",
    .options = events_options,
    .option_count = AW_ARRAY_LEN(events_options),
    .defaults = &events_defaults,
    .defaults_bytes = sizeof(events_defaults),
    .run = run_events,
};

/* --- aswolk history --------------------------------------------------------------------------------------------------------- */

static bool
print_one(void *user, const json_t *event)
{
    print_event(user, event);
    return true;
}

static int
run_history(struct aw_cli *cli, int argc, char **argv)
{
    char path[256];

    if (argc != 1) {
        aw_cli_error(cli, "it takes one ticket id");
        return AW_CLI_USAGE;
    }
    if (strlen(argv[0]) > 64 || !aw_cli_check_name(cli, "ticket id", argv[0]))
        return AW_CLI_USAGE;
    (void)snprintf(path, sizeof(path), "/v1/tickets/%.64s/history", argv[0]);
    return aw_cli_each(cli, path, print_one, cli);
}

const struct aw_cli_command aw_cli_history = {
    .name = "history",
    .arguments = "TICKET",
    .summary = "who did what to a ticket, and when",
    .about = "Shows the events of one ticket, oldest first, as `aswolk events` does; with --json one a line. A ticket that was\n"
             "forgotten is looked for in the journal.",
    .run = run_history,
};
