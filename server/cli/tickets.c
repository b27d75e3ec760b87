/* tickets.c - `aswolk tickets` and `aswolk bulk`: those that fit a filter, and one change of them all. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- which tickets ----------------------------------------------------------------------------------------------------------- */

/* As the server calls them; a row in `parameters` each. */
struct filter {
    const char *state;
    const char *lane;
    const char *class_;
    const char *customer;
    const char *channel;
    const char *account;
    const char *flight;
    const char *airport;
    const char *booking;
    const char *agent;
    const char *older_than_s;
    const char *deferred;
    const char *incident;
    const char *promise;
};

enum shape { TEXT, LIST, NUMBER, FLAG };

static const struct {
    const char *name;
    size_t      at;
    enum shape  shape;
} parameters[] = {
    {"state", offsetof(struct filter, state), LIST},       {"lane", offsetof(struct filter, lane), TEXT},
    {"class", offsetof(struct filter, class_), LIST},      {"customer", offsetof(struct filter, customer), TEXT},
    {"channel", offsetof(struct filter, channel), TEXT},   {"account", offsetof(struct filter, account), TEXT},
    {"flight", offsetof(struct filter, flight), TEXT},     {"airport", offsetof(struct filter, airport), TEXT},
    {"agent", offsetof(struct filter, agent), TEXT},       {"older_than_s", offsetof(struct filter, older_than_s), NUMBER},
    {"deferred", offsetof(struct filter, deferred), FLAG}, {"incident", offsetof(struct filter, incident), TEXT},
    {"promise", offsetof(struct filter, promise), TEXT},   {"booking", offsetof(struct filter, booking), TEXT},
};

/* Both commands have these, in front of their own. --agent is who asks, as with every command. */
#define FILTER_OPTIONS(tag)                                                                                                      \
    {.name = "state",                                                                                                            \
     .type = AW_CLI_TEXT,                                                                                                        \
     .value = "STATE,...",                                                                                                       \
     .offset = offsetof(struct tag, filter.state),                                                                               \
     .about = "waiting, leased, held, closed; without it those that are open"},                                                  \
        {.name = "lane",                                                                                                         \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "LANE",                                                                                                        \
         .offset = offsetof(struct tag, filter.lane),                                                                            \
         .about = "in this lane"},                                                                                               \
        {.name = "class",                                                                                                        \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "CLASS,...",                                                                                                   \
         .offset = offsetof(struct tag, filter.class_),                                                                          \
         .about = "care, imminent, disrupted, general, other"},                                                                  \
        {.name = "customer",                                                                                                     \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "ID",                                                                                                          \
         .offset = offsetof(struct tag, filter.customer),                                                                        \
         .about = "of this customer, by the id of --channel and --account"},                                                     \
        {.name = "channel",                                                                                                      \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "CHANNEL",                                                                                                     \
         .offset = offsetof(struct tag, filter.channel),                                                                         \
         .about = "whose newest message came by this channel"},                                                                  \
        {.name = "account",                                                                                                      \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "ACCOUNT",                                                                                                     \
         .offset = offsetof(struct tag, filter.account),                                                                         \
         .about = "with --customer (main)"},                                                                                     \
        {.name = "flight",                                                                                                       \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "NUMBER/DATE",                                                                                                 \
         .offset = offsetof(struct tag, filter.flight),                                                                          \
         .about = "about this flight: KL1234/2026-04-15"},                                                                       \
        {.name = "airport",                                                                                                      \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "IATA",                                                                                                        \
         .offset = offsetof(struct tag, filter.airport),                                                                         \
         .about = "about this airport, by itself or as an end of a flight"},                                                     \
        {.name = "booking",                                                                                                      \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "CODE",                                                                                                        \
         .offset = offsetof(struct tag, filter.booking),                                                                         \
         .about = "about this booking"},                                                                                         \
        {.name = "holder",                                                                                                       \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "AGENT",                                                                                                       \
         .offset = offsetof(struct tag, filter.agent),                                                                           \
         .about = "held by this agent"},                                                                                         \
        {.name = "older-than",                                                                                                   \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "SECONDS",                                                                                                     \
         .offset = offsetof(struct tag, filter.older_than_s),                                                                    \
         .about = "by age"},                                                                                                     \
        {.name = "deferred",                                                                                                     \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "yes|no",                                                                                                      \
         .offset = offsetof(struct tag, filter.deferred),                                                                        \
         .about = "put off by who held them, or not"},                                                                           \
        {.name = "incident",                                                                                                     \
         .type = AW_CLI_TEXT,                                                                                                    \
         .value = "INCIDENT",                                                                                                    \
         .offset = offsetof(struct tag, filter.incident),                                                                        \
         .about = "part of this incident"},                                                                                      \
    {                                                                                                                            \
        .name = "promise", .type = AW_CLI_TEXT, .value = "breaking", .offset = offsetof(struct tag, filter.promise),             \
        .about = "whose customers were told that it takes longer"                                                                \
    }

/* As the server takes it; NULL: nothing is asked. */
static const char *
value_of(const struct filter *filter, size_t index)
{
    const char *value = *(const char *const *)(const void *)((const char *)filter + parameters[index].at);

    if (value == NULL || parameters[index].shape != FLAG)
        return value;
    return strcmp(value, "yes") == 0 ? "true" : strcmp(value, "no") == 0 ? "false" : value;
}

static bool
is_empty(const struct filter *filter)
{
    bool empty = true;

    for (size_t i = 0; i < AW_ARRAY_LEN(parameters); i++)
        empty = empty && value_of(filter, i) == NULL;
    return empty;
}

/* --- aswolk tickets ----------------------------------------------------------------------------------------------------------- */

struct tickets_options {
    struct filter filter;
    uint64_t      count;
};

static const struct tickets_options tickets_defaults = {.count = 100};

static const struct aw_cli_option tickets_options[] = {
    FILTER_OPTIONS(tickets_options),
    {.name = "count",
     .letter = 'n',
     .type = AW_CLI_NUMBER,
     .value = "N",
     .offset = offsetof(struct tickets_options, count),
     .min = 0,
     .max = UINT32_MAX,
     .about = "show the N oldest (100); 0: all"},
};

struct listing {
    struct aw_cli *cli;
    uint64_t       left;
    bool           has_more;
};

static bool
print_ticket(void *user, const json_t *ticket)
{
    struct listing *listing = user;
    const char     *until = aw_cli_text(ticket, "held_until");

    if (listing->left == 0) {
        listing->has_more = true;
        return false;
    }
    listing->left--;
    if (listing->cli->common.json) {
        aw_cli_print_json(ticket);
        return true;
    }
    (void)printf("%-14s %-8s %-10s %-20s %s", aw_cli_text(ticket, "ticket"), aw_cli_text(ticket, "state"),
                 aw_cli_text(ticket, "class"), aw_cli_text(ticket, "lane"),
                 aw_cli_text(ticket, json_object_get(ticket, "age_from") != NULL ? "age_from" : "opened_at"));
    if (aw_cli_text(ticket, "holder")[0] != '\0') {
        (void)printf("  held by ");
        aw_cli_put_text(aw_cli_text(ticket, "holder"), 0);
    }
    if (until[0] != '\0')
        (void)printf("  until %s", until);
    if (aw_cli_text(ticket, "departs_at")[0] != '\0')
        (void)printf("  departs %s", aw_cli_text(ticket, "departs_at"));
    (void)fputc('\n', stdout);
    return true;
}

/* False: too long. */
static bool
make_path(const struct filter *filter, uint64_t count, char path[AW_CLI_PATH_BYTES])
{
    /* One more than is shown tells whether there are more. */
    (void)snprintf(path, AW_CLI_PATH_BYTES, "/v1/tickets?limit=%u", count == 0 || count >= 100 ? 100U : (unsigned)count + 1U);
    for (size_t i = 0; i < AW_ARRAY_LEN(parameters); i++) {
        const char *value = value_of(filter, i);
        size_t      len = strlen(path);

        if (value == NULL)
            continue;
        if (len + 32 > AW_CLI_PATH_BYTES)
            return false;
        (void)snprintf(path + len, AW_CLI_PATH_BYTES - len, "&%s=", parameters[i].name);
        if (!aw_cli_add_encoded(path, AW_CLI_PATH_BYTES - 128, value)) /* a cursor comes behind it */
            return false;
    }
    return true;
}

static int
run_tickets(struct aw_cli *cli, int argc, char **argv)
{
    const struct tickets_options *options = cli->options;
    struct listing                listing = {.cli = cli, .left = options->count == 0 ? UINT64_MAX : options->count};
    char                          path[AW_CLI_PATH_BYTES];
    int                           code;

    (void)argv;
    if (argc > 0) {
        aw_cli_error(cli, "takes no arguments; aswolk ticket ID shows one");
        return AW_CLI_USAGE;
    }
    if (!make_path(&options->filter, options->count, path)) {
        aw_cli_error(cli, "that is more than a request can ask for");
        return AW_CLI_USAGE;
    }
    if (!cli->common.json)
        (void)printf("%-14s %-8s %-10s %-20s %s\n", "ticket", "state", "class", "lane", "since");
    code = aw_cli_each(cli, path, print_ticket, &listing);
    if (code == AW_CLI_OK && listing.has_more && !cli->common.json)
        (void)printf("There are more: --count 0 shows all.\n");
    return code;
}

const struct aw_cli_command aw_cli_tickets = {
    .name = "tickets",
    .arguments = "",
    .summary = "tickets by state, lane, class, customer, flight, booking, age",
    .about = "Lists the tickets that fit all that is asked, oldest first, as they are now. With --json one a line. Example:\n"
             "aswolk tickets --state waiting --class care,imminent --older-than 1800",
    .options = tickets_options,
    .option_count = AW_ARRAY_LEN(tickets_options),
    .defaults = &tickets_defaults,
    .defaults_bytes = sizeof(tickets_defaults),
    .run = run_tickets,
};

/* --- aswolk bulk -------------------------------------------------------------------------------------------------------------- */

struct bulk_options {
    struct filter filter;
    bool          all;
    bool          hold;
    bool          unhold;
    bool          cancel;
    bool          dry_run;
    bool          atomic;
    const char   *until;
    const char   *to_lane;
    const char   *to_class;
    const char   *reason;
};

static const struct bulk_options bulk_defaults;

static const struct aw_cli_option bulk_options[] = {
    FILTER_OPTIONS(bulk_options),
    {.name = "all", .type = AW_CLI_FLAG, .offset = offsetof(struct bulk_options, all), .about = "all that are open"},
    {.name = "hold",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct bulk_options, hold),
     .about = "take them out of their queues, until --until or --unhold"},
    {.name = "until",
     .type = AW_CLI_TEXT,
     .value = "TIME",
     .offset = offsetof(struct bulk_options, until),
     .about = "with --hold: when they come back by themselves (RFC 3339)"},
    {.name = "unhold",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct bulk_options, unhold),
     .about = "put them back into their queues"},
    {.name = "to-lane",
     .type = AW_CLI_TEXT,
     .value = "LANE",
     .offset = offsetof(struct bulk_options, to_lane),
     .about = "move them there"},
    {.name = "to-class",
     .type = AW_CLI_TEXT,
     .value = "CLASS",
     .offset = offsetof(struct bulk_options, to_class),
     .about = "how urgent they are"},
    {.name = "cancel",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct bulk_options, cancel),
     .about = "close them without an answer"},
    {.name = "reason",
     .type = AW_CLI_TEXT,
     .value = "TEXT",
     .offset = offsetof(struct bulk_options, reason),
     .about = "why, for their histories"},
    {.name = "dry-run",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct bulk_options, dry_run),
     .about = "only show what would be"},
    {.name = "atomic",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct bulk_options, atomic),
     .about = "all of them, at most 1,000, or none"},
};

struct outcome {
    struct aw_cli *cli;
    bool           dry_run;
    bool           has_end;
    uint64_t       done;
    uint64_t       failed;
    bool           is_bad;
};

static void
print_line(const struct outcome *outcome, const json_t *line)
{
    uint64_t status = aw_cli_number(line, "status");
    char     problem[512];

    if (status != 200) {
        aw_cli_problem_line(line, (unsigned)status, problem, sizeof(problem));
        (void)printf("%s: %s\n", aw_cli_text(line, "ticket"), problem);
        return;
    }
    (void)printf("%s %s now %s", aw_cli_text(line, "ticket"), outcome->dry_run ? "would be" : "is", aw_cli_text(line, "state"));
    if (aw_cli_text(line, "lane")[0] != '\0')
        (void)printf(", %s in %s", aw_cli_text(line, "class"), aw_cli_text(line, "lane"));
    (void)fputc('\n', stdout);
}

static void
take_line(void *user, const char *text)
{
    struct outcome *outcome = user;
    json_t         *line = json_loads(text, 0, NULL);

    if (!json_is_object(line)) {
        outcome->is_bad = true;
    } else if (outcome->cli->common.json) {
        aw_cli_print_json(line);
    } else if (json_object_get(line, "line") != NULL) {
        print_line(outcome, line);
    }
    if (line != NULL && json_object_get(line, "line") == NULL) {
        outcome->has_end = true;
        outcome->done = aw_cli_number(line, "done");
        outcome->failed = aw_cli_number(line, "failed");
    }
    json_decref(line);
}

static json_t *
filter_of(const struct filter *filter)
{
    json_t *object = json_object();

    for (size_t i = 0; i < AW_ARRAY_LEN(parameters); i++) {
        const char *value = value_of(filter, i);
        json_t     *json;

        if (value == NULL)
            continue;
        if (parameters[i].shape == LIST)
            json = aw_cli_list(value);
        else if (parameters[i].shape == NUMBER && value[0] != '\0' && strspn(value, "0123456789") == strlen(value))
            json = json_integer((json_int_t)strtoull(value, NULL, 10));
        else if (parameters[i].shape == FLAG && (strcmp(value, "true") == 0 || strcmp(value, "false") == 0))
            json = json_boolean(value[0] == 't');
        else
            json = json_string(value); /* what is no number, and no flag, the server refuses by name */
        (void)json_object_set_new(object, parameters[i].name, json);
    }
    return object;
}

static char *
body_of(const struct bulk_options *options, int argc, char **argv)
{
    json_t *body = json_object();
    char   *text;

    if (argc > 0)
        (void)json_object_set_new(body, "tickets", json_array());
    else
        (void)json_object_set_new(body, "filter", filter_of(&options->filter));
    for (int i = 0; i < argc; i++)
        (void)json_array_append_new(json_object_get(body, "tickets"), json_string(argv[i]));
    if (options->hold || options->unhold)
        (void)json_object_set_new(body, "hold", json_boolean(options->hold));
    if (options->until != NULL)
        (void)json_object_set_new(body, "hold_until", json_string(options->until));
    if (options->to_lane != NULL)
        (void)json_object_set_new(body, "lane", json_string(options->to_lane));
    if (options->to_class != NULL)
        (void)json_object_set_new(body, "class", json_string(options->to_class));
    if (options->cancel)
        (void)json_object_set_new(body, "cancel", json_true());
    if (options->reason != NULL)
        (void)json_object_set_new(body, "reason", json_string(options->reason));
    if (options->dry_run)
        (void)json_object_set_new(body, "dry_run", json_true());
    if (options->atomic)
        (void)json_object_set_new(body, "atomic", json_true());
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

/* What was done is done, also when the answer broke off: sent again, it does the rest. */
static int
report(struct aw_cli *cli, const struct outcome *outcome, const struct aw_exchange_result *result)
{
    if (result->end == AW_EXCHANGE_ANSWERED && result->status / 100 != 2)
        return aw_cli_report(cli, result);
    if (!outcome->has_end || outcome->is_bad) {
        aw_cli_error(cli, "the answer broke off: what was shown is done, and of the rest some may be");
        return result->end == AW_EXCHANGE_ANSWERED ? AW_CLI_FAILED : aw_cli_report(cli, result);
    }
    if (!cli->common.json)
        (void)printf("%" PRIu64 " %s, %" PRIu64 " refused\n", outcome->done, outcome->dry_run ? "would be changed" : "done",
                     outcome->failed);
    if (outcome->failed == 0)
        return AW_CLI_OK;
    return outcome->done > 0 ? AW_CLI_PARTLY : AW_CLI_FAILED;
}

static int
send(struct aw_cli *cli, const struct bulk_options *options, const char *body)
{
    struct outcome            outcome = {.cli = cli, .dry_run = options->dry_run};
    struct aw_cli_splitter    lines;
    struct aw_exchange_result result;
    struct aw_cli_request     request = {.method = "POST",
                                         .path = "/v1/tickets/bulk",
                                         .type = "application/json",
                                         .body = aw_slice_str(body),
                                         .accept = "application/x-ndjson",
                                         .on_piece = aw_cli_split,
                                         .piece_user = &lines,
                                         .interruptible = true};

    aw_cli_splitter_init(&lines, take_line, &outcome);
    aw_cli_catch_signals(cli);
    (void)aw_cli_ask(cli, &request, &result);
    outcome.is_bad |= lines.is_bad;
    aw_cli_splitter_fini(&lines);
    return report(cli, &outcome, &result);
}

static int
run_bulk(struct aw_cli *cli, int argc, char **argv)
{
    const struct bulk_options *options = cli->options;
    bool                       places = options->to_lane != NULL || options->to_class != NULL || options->hold || options->unhold;
    bool                       filters = options->all || !is_empty(&options->filter);
    char                      *body;
    int                        code;

    if (filters == (argc > 0) || (options->all && !is_empty(&options->filter))) {
        aw_cli_error(cli, "takes tickets, or options that say which ones, or --all");
        return AW_CLI_USAGE;
    }
    if (places == options->cancel || (options->hold && options->unhold) || (options->until != NULL && !options->hold)) {
        aw_cli_error(cli, "takes --cancel, or some of --hold (with --until) or --unhold, --to-lane and --to-class");
        return AW_CLI_USAGE;
    }
    body = body_of(options, argc, argv);
    if (body == NULL) {
        aw_cli_error(cli, "that is not UTF-8");
        return AW_CLI_USAGE;
    }
    code = send(cli, options, body);
    free(body);
    return code;
}

const struct aw_cli_command aw_cli_bulk = {
    .name = "bulk",
    .arguments = "[TICKET...]",
    .summary = "one change of many tickets: hold, unhold, move, class, cancel",
    .about = "Changes the tickets that are named, or all that fit what is asked (as aswolk tickets shows them), one by one and "
             "beside\n"
             "other work; --dry-run shows what would become of each. Exit code 4 when some were refused, 1 when all were.\n"
             "Examples: aswolk bulk --lane en --class other --hold --reason \"after the storm\" --dry-run\n"
             "          aswolk bulk --flight KL1234/2026-04-15 --to-class disrupted",
    .options = bulk_options,
    .option_count = AW_ARRAY_LEN(bulk_options),
    .defaults = &bulk_defaults,
    .defaults_bytes = sizeof(bulk_defaults),
    .run = run_bulk,
};
