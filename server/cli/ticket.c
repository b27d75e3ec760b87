/* ticket.c - `aswolk ticket` and `aswolk message`: one of them, and what a supervisor may do to a ticket. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ticket_options {
    const char *class_;
    const char *lane;
    bool        hold;
    bool        unhold;
    bool        cancel;
    bool        dry_run;
    bool        why;
    const char *unfold;
    const char *until;
    const char *reason;
};

static const struct ticket_options ticket_defaults;

static const struct aw_cli_option ticket_options[] = {
    {.name = "why",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct ticket_options, why),
     .about = "show why it is where it is, and who goes before it"},
    {.name = "class",
     .type = AW_CLI_TEXT,
     .value = "CLASS",
     .offset = offsetof(struct ticket_options, class_),
     .about = "how urgent it is: care, imminent, disrupted, general, other"},
    {.name = "lane",
     .type = AW_CLI_TEXT,
     .value = "LANE",
     .offset = offsetof(struct ticket_options, lane),
     .about = "move it there"},
    {.name = "hold",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct ticket_options, hold),
     .about = "take it out of its queue, until --until or --unhold"},
    {.name = "until",
     .type = AW_CLI_TEXT,
     .value = "TIME",
     .offset = offsetof(struct ticket_options, until),
     .about = "with --hold: when it comes back by itself (RFC 3339, such as 2026-04-15T08:00:00Z)"},
    {.name = "unhold",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct ticket_options, unhold),
     .about = "put it back into its queue"},
    {.name = "cancel",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct ticket_options, cancel),
     .about = "close it without an answer"},
    {.name = "unfold",
     .type = AW_CLI_TEXT,
     .value = "MESSAGE",
     .offset = offsetof(struct ticket_options, unfold),
     .about = "take this message out of it: it becomes a ticket of its own; several separated by commas"},
    {.name = "reason",
     .type = AW_CLI_TEXT,
     .value = "TEXT",
     .offset = offsetof(struct ticket_options, reason),
     .about = "why, for its history"},
    {.name = "dry-run",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct ticket_options, dry_run),
     .about = "only show what would be"},
};

/* What lies between the commas. */
static json_t *
split(const char *list)
{
    json_t *items = json_array();

    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ",");

        (void)json_array_append_new(items, json_stringn(at, len));
        at += len;
        if (*at == '\0')
            return items;
    }
}

static void
show_change(const json_t *answer, const struct ticket_options *options)
{
    const char *ticket = aw_cli_text(answer, options->unfold != NULL && options->dry_run ? "from" : "ticket");

    if (options->unfold != NULL)
        (void)printf(options->dry_run ? "a new ticket, taken out of %s," : "%s, a new ticket,", ticket);
    else
        (void)fputs(ticket, stdout);
    (void)printf(" %s now %s", options->dry_run ? "would be" : "is", aw_cli_text(answer, "state"));
    if (!options->cancel)
        (void)printf(", %s in %s", aw_cli_text(answer, "class"), aw_cli_text(answer, "lane"));
    (void)fputc('\n', stdout);
}

/* Who goes before it. */
static void
show_why(const json_t *why)
{
    const json_t *ahead = json_object_get(why, "ahead");
    const char   *name;
    json_t       *value;
    size_t        i;

    if (strcmp(aw_cli_text(why, "state"), "waiting") != 0)
        return;
    (void)printf("  in its place since %s%s\n", aw_cli_text(why, "queued_at"),
                 aw_cli_flag(why, "lane_paused") ? "; its lane is paused and gives nothing out" : "");
    if (aw_cli_flag(why, "aside"))
        (void)printf("  aside: it was declined, or is kept for an agent, so not all may take it now\n");
    (void)printf("  waited %" PRIu64 " s of %" PRIu64 " s; order %s, by %s\n", aw_cli_number(why, "waited_s"),
                 aw_cli_number(why, "allowed_s"), aw_cli_text(why, "order"), aw_cli_text(why, "part"));
    (void)printf("  %s%" PRIu64 " wait in its lane; before it go:", aw_cli_flag(why, "exact") ? "" : "about ",
                 aw_cli_number(why, "in_lane"));
    json_object_foreach((json_t *)(uintptr_t)ahead, name, value)
    {
        (void)printf(" %s %" PRIu64, name, (uint64_t)json_integer_value(value));
    }
    (void)fputc('\n', stdout);
    json_array_foreach(json_object_get(why, "nearest"), i, value)
    {
        (void)printf("    %s  %s  since %s", aw_cli_text(value, "ticket"), aw_cli_text(value, "class"),
                     aw_cli_text(value, "age_from"));
        (void)printf("%s%s\n", aw_cli_text(value, "departs_at")[0] == '\0' ? "" : "  departs ", aw_cli_text(value, "departs_at"));
    }
}

static json_t *
make_body(const struct ticket_options *options)
{
    json_t *body = json_object();

    if (options->unfold != NULL)
        (void)json_object_set_new(body, "messages", split(options->unfold));
    if (options->class_ != NULL)
        (void)json_object_set_new(body, "class", json_string(options->class_));
    if (options->lane != NULL)
        (void)json_object_set_new(body, "lane", json_string(options->lane));
    if (options->hold || options->unhold)
        (void)json_object_set_new(body, "hold", json_boolean(options->hold));
    if (options->until != NULL)
        (void)json_object_set_new(body, "hold_until", json_string(options->until));
    if (options->reason != NULL)
        (void)json_object_set_new(body, "reason", json_string(options->reason));
    if (options->dry_run)
        (void)json_object_set_new(body, "dry_run", json_true());
    return body;
}

/* Sends the change; the answer tells the ticket's new state. */
static int
change(struct aw_cli *cli, const char *id, const struct ticket_options *options)
{
    struct aw_exchange_result result;
    bool                      is_patch = !options->cancel && options->unfold == NULL;
    struct aw_cli_request     request = {.method = is_patch ? "PATCH" : "POST", .type = "application/json"};
    char                      path[256];
    json_t                   *body = make_body(options), *answer;
    char                     *text;
    int                       code;

    (void)snprintf(path, sizeof(path), "/v1/tickets/%s%s", id,
                   options->cancel           ? "/cancel"
                   : options->unfold != NULL ? "/unfold"
                                             : "");
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (text == NULL) {
        aw_cli_error(cli, "out of memory");
        return AW_CLI_FAILED;
    }
    request.path = path;
    request.body = aw_slice_str(text);
    (void)aw_cli_ask(cli, &request, &result);
    free(text);
    code = aw_cli_report(cli, &result);
    if (code != AW_CLI_OK)
        return code;
    answer = aw_cli_json(&result);
    if (answer == NULL)
        return AW_CLI_FAILED;
    if (cli->common.json)
        aw_cli_print_json(answer);
    else
        show_change(answer, options);
    json_decref(answer);
    return AW_CLI_OK;
}

static int
run_ticket(struct aw_cli *cli, int argc, char **argv)
{
    const struct ticket_options *options = cli->options;
    char                         path[256];
    json_t                      *ticket;
    bool                         places;
    int                          code;

    if (argc != 1) {
        aw_cli_error(cli, "takes one ticket id, such as the `ticket` of a receipt");
        return AW_CLI_USAGE;
    }
    places = options->class_ != NULL || options->lane != NULL || options->hold || options->unhold;
    if (places + options->cancel + options->why + (options->unfold != NULL) > 1 || (options->hold && options->unhold) ||
        (options->until != NULL && !options->hold)) {
        aw_cli_error(cli, "--hold (with --until) and --unhold exclude each other; --cancel, --unfold and --why go alone");
        return AW_CLI_USAGE;
    }
    if (strlen(argv[0]) > 64 || !aw_cli_check_name(cli, "ticket id", argv[0]))
        return AW_CLI_USAGE;
    if (places || options->cancel || options->unfold != NULL)
        return change(cli, argv[0], options);
    (void)snprintf(path, sizeof(path), options->why ? "/v1/tickets/%s/why" : "/v1/tickets/%s", argv[0]);
    ticket = aw_cli_get(cli, path, &code);
    if (ticket == NULL)
        return code;
    if (cli->common.json)
        aw_cli_print_json(ticket);
    else
        aw_cli_show_ticket(ticket);
    if (options->why && !cli->common.json)
        show_why(ticket);
    json_decref(ticket);
    return AW_CLI_OK;
}

static void
show_message(const json_t *message)
{
    const json_t *receipt = json_object_get(message, "receipt");

    (void)printf("%s  ticket %s  %s  lane %s%s\n", aw_cli_text(message, "message"), aw_cli_text(receipt, "ticket"),
                 aw_cli_text(receipt, "class"), aw_cli_text(receipt, "lane"), aw_cli_flag(receipt, "folded") ? "  folded" : "");
    aw_cli_print_text(aw_cli_text(message, "account"), "  account    ");
    aw_cli_print_text(aw_cli_text(message, "source_id"), "  source_id  ");
    aw_cli_show_message(message);
}

static int
run_message(struct aw_cli *cli, int argc, char **argv)
{
    char    path[256];
    json_t *message;
    int     code;

    if (argc != 1) {
        aw_cli_error(cli, "takes one message id, such as the `message` of a receipt");
        return AW_CLI_USAGE;
    }
    if (strlen(argv[0]) > 64 || !aw_cli_check_name(cli, "message id", argv[0]))
        return AW_CLI_USAGE;
    (void)snprintf(path, sizeof(path), "/v1/messages/%s", argv[0]);
    message = aw_cli_get(cli, path, &code);
    if (message == NULL)
        return code;
    if (cli->common.json)
        aw_cli_print_json(message);
    else
        show_message(message);
    json_decref(message);
    return AW_CLI_OK;
}

const struct aw_cli_command aw_cli_ticket = {
    .name = "ticket",
    .arguments = "ID",
    .summary = "one ticket: its state and its messages; class, lane, hold, unfold, cancel",
    .about = "Shows a ticket with its messages, or changes it. Exit code 1 when there is none by that id.",
    .options = ticket_options,
    .option_count = AW_ARRAY_LEN(ticket_options),
    .defaults = &ticket_defaults,
    .defaults_bytes = sizeof(ticket_defaults),
    .run = run_ticket,
};

const struct aw_cli_command aw_cli_message = {
    .name = "message",
    .arguments = "ID",
    .summary = "one message and its receipt",
    .about = "Shows a message as it was posted, and the receipt that was given. Exit code 1 when there is none by that id.",
    .run = run_message,
};
