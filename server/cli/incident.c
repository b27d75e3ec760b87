/* incident.c - `aswolk incident`: incidents made, changed and closed, their tickets, and one answer for all of them. */
#include "base/hash.h"
#include "base/text.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 160
#define ID_BYTES   64
#define LANG_BYTES 36

struct incident_options {
    const char *flights;
    const char *airports;
    const char *bookings;
    const char *tickets;
    const char *state;
    const char *digest;
    bool        no_follow;
    bool        dry_run;
};

static const struct incident_options incident_defaults;

static const struct aw_cli_option incident_options[] = {
    {.name = "flights",
     .type = AW_CLI_TEXT,
     .value = "KL1234/DATE,...",
     .offset = offsetof(struct incident_options, flights),
     .about = "make: open tickets about any of these are part of it"},
    {.name = "airports",
     .type = AW_CLI_TEXT,
     .value = "AMS,...",
     .offset = offsetof(struct incident_options, airports),
     .about = "make: and about any of these, or a flight from or to one"},
    {.name = "bookings",
     .type = AW_CLI_TEXT,
     .value = "CODE,...",
     .offset = offsetof(struct incident_options, bookings),
     .about = "make: and about any of these"},
    {.name = "tickets",
     .type = AW_CLI_TEXT,
     .value = "ID,...",
     .offset = offsetof(struct incident_options, tickets),
     .about = "make: and these"},
    {.name = "no-follow",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct incident_options, no_follow),
     .about = "make: without tickets that come later"},
    {.name = "state",
     .type = AW_CLI_TEXT,
     .value = "STATE",
     .offset = offsetof(struct incident_options, state),
     .about = "list: only those that are proposed, open or closed"},
    {.name = "digest",
     .type = AW_CLI_TEXT,
     .value = "DIGEST",
     .offset = offsetof(struct incident_options, digest),
     .about = "answer: approve what a dry run has shown"},
    {.name = "dry-run",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct incident_options, dry_run),
     .about = "make, open, close, answer: only show what would be"},
};

/* --- what is printed -------------------------------------------------------------------------------------------------------- */

static void
print_keys(const json_t *incident)
{
    const json_t *key;
    size_t        i;

    json_array_foreach(json_object_get(incident, "flights"), i, key)
    {
        (void)printf(" %s/%s", aw_cli_text(key, "number"), aw_cli_text(key, "date"));
    }
    json_array_foreach(json_object_get(incident, "airports"), i, key)
    {
        (void)printf(" %s", json_string_value(key));
    }
    json_array_foreach(json_object_get(incident, "bookings"), i, key)
    {
        (void)printf(" booking ");
        aw_cli_put_text(json_string_value(key), 0);
    }
}

static void
print_incident(const json_t *incident)
{
    const json_t *refusal;
    size_t        i;

    (void)printf("%s  %-8s  %6" PRIu64 " open  %6" PRIu64 " answered%s  ", aw_cli_text(incident, "incident"),
                 aw_cli_text(incident, "state"), aw_cli_number(incident, "open"), aw_cli_number(incident, "answered"),
                 aw_cli_flag(incident, "answering") ? " (goes on)" : "");
    aw_cli_put_text(aw_cli_text(incident, "title"), 0);
    (void)fputc(' ', stdout);
    print_keys(incident);
    (void)printf("%s\n", aw_cli_flag(incident, "dry_run") ? "  (dry run)" : "");
    json_array_foreach(json_object_get(incident, "refused"), i, refusal)
    {
        (void)printf("  %s: %s %s\n", aw_cli_text(refusal, "ticket"), aw_cli_text(refusal, "type"),
                     aw_cli_text(refusal, "incident"));
    }
}

static bool
print_each(void *user, const json_t *incident)
{
    const struct aw_cli *cli = user;

    if (cli->common.json)
        aw_cli_print_json(incident);
    else
        print_incident(incident);
    return true;
}

static void
print_tried(const json_t *page)
{
    const json_t *item;
    size_t        i;

    json_array_foreach(json_object_get(page, "items"), i, item)
    {
        const char *why = aw_cli_text(item, "held_out");

        if (why[0] != '\0') {
            (void)printf("%s  held out: %s\n", aw_cli_text(item, "ticket"), why);
            continue;
        }
        (void)printf("%s  %s\n", aw_cli_text(item, "ticket"), aw_cli_text(item, "lang"));
        aw_cli_print_text(aw_cli_text(item, "text"), "    ");
    }
}

static void
print_sum(const json_t *page)
{
    const json_t *count;
    const char   *why;

    (void)printf("%" PRIu64 " would be answered", aw_cli_number(page, "goes"));
    json_object_foreach((json_t *)(uintptr_t)json_object_get(page, "held_out"), why, count)
    {
        (void)printf(", %" JSON_INTEGER_FORMAT " %s", json_integer_value(count), why);
    }
    (void)printf("\n");
}

/* --- requests --------------------------------------------------------------------------------------------------------------- */

/* Takes the body; prints the incident as it is answered. */
static int
change(struct aw_cli *cli, const char *method, const char *path, json_t *body)
{
    char     key[AW_BASE32_U64_CHARS + 1] = "";
    uint64_t random;
    json_t  *answer;
    int      code;

    if (!aw_random(&random, sizeof(random)))
        AW_UNREACHABLE();       /* the kernel always has some */
    aw_base32_u64(random, key); /* an answer that was lost is asked for again, and it is done once */
    answer = aw_cli_send(cli, method, path, body, key, &code);

    if (answer == NULL)
        return code;
    (void)print_each(cli, answer);
    if (json_array_size(json_object_get(answer, "refused")) > 0)
        code = AW_CLI_PARTLY;
    json_decref(answer);
    return code;
}

static json_t *
body_of(const struct incident_options *options)
{
    json_t *body = json_object();

    if (options->dry_run)
        (void)json_object_set_new(body, "dry_run", json_true());
    return body;
}

/* "KL1234/2026-04-15,..."; NULL when one is not like that. */
static json_t *
flights_of(const char *text)
{
    json_t       *names = aw_cli_list(text);
    json_t       *flights = json_array();
    const json_t *name;
    size_t        i;

    json_array_foreach(names, i, name)
    {
        const char *slash = strchr(json_string_value(name), '/');

        if (slash == NULL) {
            json_decref(flights);
            flights = NULL;
            break;
        }
        (void)json_array_append_new(flights, json_pack("{s:s%,s:s}", "number", json_string_value(name),
                                                       (size_t)(slash - json_string_value(name)), "date", slash + 1));
    }
    json_decref(names);
    return flights;
}

static int
make(struct aw_cli *cli, const char *title)
{
    const struct incident_options *options = cli->options;
    json_t                        *body = body_of(options);
    json_t                        *flights = options->flights == NULL ? NULL : flights_of(options->flights);

    if (options->flights != NULL && flights == NULL) {
        json_decref(body);
        aw_cli_error(cli, "--flights takes KL1234/2026-04-15,...");
        return AW_CLI_USAGE;
    }
    (void)json_object_set_new(body, "title", json_string(title));
    if (flights != NULL)
        (void)json_object_set_new(body, "flights", flights);
    if (options->airports != NULL)
        (void)json_object_set_new(body, "airports", aw_cli_list(options->airports));
    if (options->bookings != NULL)
        (void)json_object_set_new(body, "bookings", aw_cli_list(options->bookings));
    if (options->tickets != NULL)
        (void)json_object_set_new(body, "tickets", aw_cli_list(options->tickets));
    if (options->no_follow)
        (void)json_object_set_new(body, "follow", json_false());
    return change(cli, "POST", "/v1/incidents", body);
}

static int
set_state(struct aw_cli *cli, const char *id, const char *state)
{
    char    path[PATH_BYTES];
    json_t *body = body_of(cli->options);

    (void)snprintf(path, sizeof(path), "/v1/incidents/%s", id);
    (void)json_object_set_new(body, "state", json_string(state));
    return change(cli, "PATCH", path, body);
}

static int
link_tickets(struct aw_cli *cli, const char *id, const char *verb, char **tickets, int count)
{
    char    path[PATH_BYTES];
    json_t *list = json_array();

    for (int i = 0; i < count; i++)
        (void)json_array_append_new(list, json_string(tickets[i]));
    (void)snprintf(path, sizeof(path), "/v1/incidents/%s/%s", id, verb);
    return change(cli, "POST", path, json_pack("{s:o}", "tickets", list));
}

/* --- answers ---------------------------------------------------------------------------------------------------------------- */

/* "en=..." each; NULL when one is not like that. */
static json_t *
texts_of(char **arguments, int count)
{
    json_t *texts = json_array();

    for (int i = 0; i < count; i++) {
        const char *equals = strchr(arguments[i], '=');

        if (equals == NULL || equals == arguments[i] || equals - arguments[i] >= LANG_BYTES) {
            json_decref(texts);
            return NULL;
        }
        (void)json_array_append_new(
            texts, json_pack("{s:s%,s:s}", "lang", arguments[i], (size_t)(equals - arguments[i]), "text", equals + 1));
    }
    return texts;
}

/* All pages. */
static int
try_answer(struct aw_cli *cli, const char *path, const json_t *texts)
{
    json_t *cursor = NULL, *page = NULL;
    int     code;

    for (;;) {
        json_t *body = json_pack("{s:O,s:b}", "texts", texts, "dry_run", 1);

        if (cursor != NULL)
            (void)json_object_set(body, "cursor", cursor);
        json_decref(page);
        page = aw_cli_send(cli, "POST", path, body, NULL, &code);
        if (page == NULL)
            break;
        if (cli->common.json)
            aw_cli_print_json(page);
        else
            print_tried(page);
        json_decref(cursor);
        cursor = json_incref(json_object_get(page, "next"));
        if (!json_is_string(cursor))
            break;
    }
    if (page != NULL && !cli->common.json) {
        print_sum(page);
        (void)printf("--digest %s approves this\n", aw_cli_text(page, "digest"));
    }
    json_decref(cursor);
    json_decref(page);
    return code;
}

static int
answer(struct aw_cli *cli, const char *id, char **arguments, int count)
{
    const struct incident_options *options = cli->options;
    char                           path[PATH_BYTES];
    json_t                        *texts = texts_of(arguments, count);
    int                            code;

    if (texts == NULL || options->dry_run == (options->digest != NULL)) {
        aw_cli_error(cli,
                     texts == NULL ? "answer takes LANG=TEXT..." : "answer takes --dry-run, then --digest of what that showed");
        json_decref(texts);
        return AW_CLI_USAGE;
    }
    (void)snprintf(path, sizeof(path), "/v1/incidents/%s/answer", id);
    if (options->dry_run)
        code = try_answer(cli, path, texts);
    else
        code = change(cli, "POST", path, json_pack("{s:O,s:s}", "texts", texts, "digest", options->digest));
    json_decref(texts);
    return code;
}

/* --- the command ------------------------------------------------------------------------------------------------------------ */

static int
list(struct aw_cli *cli)
{
    const struct incident_options *options = cli->options;
    char                           path[PATH_BYTES];

    if (options->state != NULL && (!aw_cli_check_name(cli, "state", options->state) || strlen(options->state) > ID_BYTES))
        return AW_CLI_USAGE;
    (void)snprintf(path, sizeof(path), "/v1/incidents%s%s", options->state != NULL ? "?state=" : "",
                   options->state != NULL ? options->state : "");
    return aw_cli_each(cli, path, print_each, cli);
}

static int
show(struct aw_cli *cli, const char *id)
{
    char    path[PATH_BYTES];
    int     code;
    json_t *incident;

    (void)snprintf(path, sizeof(path), "/v1/incidents/%s", id);
    incident = aw_cli_get(cli, path, &code);
    if (incident == NULL)
        return code;
    (void)print_each(cli, incident);
    json_decref(incident);
    return AW_CLI_OK;
}

static int
run_on(struct aw_cli *cli, const char *verb, int argc, char **argv)
{
    const char *id = argv[0];

    if (!aw_cli_check_name(cli, "incident", id) || strlen(id) > ID_BYTES)
        return AW_CLI_USAGE;
    if (strcmp(verb, "show") == 0 && argc == 1)
        return show(cli, id);
    if (strcmp(verb, "open") == 0 && argc == 1)
        return set_state(cli, id, "open");
    if (strcmp(verb, "close") == 0 && argc == 1)
        return set_state(cli, id, "closed");
    if ((strcmp(verb, "link") == 0 || strcmp(verb, "unlink") == 0) && argc > 1)
        return link_tickets(cli, id, verb, argv + 1, argc - 1);
    if (strcmp(verb, "answer") == 0 && argc > 1)
        return answer(cli, id, argv + 1, argc - 1);
    aw_cli_error(cli,
                 "takes nothing, make TITLE, show ID, open ID, close ID, link ID TICKET..., unlink ID TICKET..., or answer ID "
                 "LANG=TEXT...");
    return AW_CLI_USAGE;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    if (argc == 0 || (argc == 1 && strcmp(argv[0], "list") == 0))
        return list(cli);
    if (argc == 2 && strcmp(argv[0], "make") == 0)
        return make(cli, argv[1]);
    if (argc == 1) {
        aw_cli_error(cli, "%s of which incident?", argv[0]);
        return AW_CLI_USAGE;
    }
    return run_on(cli, argv[0], argc - 1, argv + 1);
}

const struct aw_cli_command aw_cli_incident = {
    .name = "incident",
    .arguments =
        "[list | make TITLE | show ID | open ID | close ID | link ID TICKET... | unlink ID TICKET... | answer ID LANG=TEXT...]",
    .summary = "tickets that one answer can resolve",
    .about =
        "Lists incidents, those that the server proposes too; makes, opens and closes them; puts tickets in and takes them out;\n"
        "answers all at once. answer first shows with --dry-run what each customer would read and who is held out, and why;\n"
        "then the same with --digest approves it. open makes one that was proposed. Fields of a text: aswolk help template.\n"
        "Example: aswolk incident make 'ash over Europe' --airports AMS,CDG --flights KL641/2026-04-15\n"
        "         aswolk incident answer ID 'en=Your flight {flight} now leaves {new_departure}.' --dry-run",
    .options = incident_options,
    .option_count = AW_ARRAY_LEN(incident_options),
    .defaults = &incident_defaults,
    .defaults_bytes = sizeof(incident_defaults),
    .run = run,
};
