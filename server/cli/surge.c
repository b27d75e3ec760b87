/* surge.c - `aswolk surge`: the desk's surge: show, declare, end, undo. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 128
#define WORD_BYTES 36 /* a language or class, with its NUL */

struct surge_options {
    const char *reason;
    const char *lanes;
    const char *channels;
    const char *flights;
    const char *airports;
    const char *order;
    const char *targets;
    uint64_t    overflow_after_s;
    const char *notice;
    bool        receipts_only;
    bool        dry_run;
};

static const struct surge_options surge_defaults;

#define TEXT_ROW(label, what, member, words)                                                                                     \
    {                                                                                                                            \
        .name = (label), .type = AW_CLI_TEXT, .value = (what), .offset = offsetof(struct surge_options, member),                 \
        .about = (words)                                                                                                         \
    }
static const struct aw_cli_option surge_options[] = {
    TEXT_ROW("reason", "TEXT", reason, "on: why"),
    TEXT_ROW("lanes", "NAME,...", lanes, "on: where it holds (everywhere)"),
    TEXT_ROW("channels", "NAME,...", channels, "on: who is told: only messages on these"),
    TEXT_ROW("flights", "NUMBER/DATE,...", flights, "on: and about these flights, as KL1234/2026-04-15"),
    TEXT_ROW("airports", "CODE,...", airports, "on: or these airports"),
    TEXT_ROW("order", "ORDER", order, "on: how pulls choose: ratio or strict (as set)"),
    TEXT_ROW("targets", "CLASS=S,...", targets, "on: how long tickets of a class may wait, in seconds (as set)"),
    {.name = "overflow-after",
     .type = AW_CLI_NUMBER,
     .value = "S",
     .offset = offsetof(struct surge_options, overflow_after_s),
     .min = 1,
     .max = 604800,
     .about = "on: lanes help after so many seconds, if that is sooner"},
    TEXT_ROW("notice", "TEXT", notice, "on: what receipts say to who writes in no language of LANG=TEXT"),
    {.name = "receipts-only",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct surge_options, receipts_only),
     .about = "on: customers get no acknowledgement"},
    {.name = "dry-run",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct surge_options, dry_run),
     .about = "only show what would be"},
};

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

static void
print_names(const char *what, const json_t *names)
{
    const json_t *name;
    size_t        i;

    if (json_array_size(names) == 0)
        return;
    (void)printf("  %-9s", what);
    json_array_foreach(names, i, name)
    {
        if (json_is_object(name))
            (void)printf(" %s/%s", aw_cli_text(name, "number"), aw_cli_text(name, "date"));
        else
            (void)printf(" %s", json_string_value(name));
    }
    (void)printf("\n");
}

static void
print_policy(const json_t *policy)
{
    const json_t *receipt = json_object_get(policy, "receipt");
    const json_t *item;
    const char   *class_;
    size_t        i;

    if (aw_cli_text(policy, "order")[0] != '\0')
        (void)printf("  %-9s %s\n", "order", aw_cli_text(policy, "order"));
    json_object_foreach((json_t *)(uintptr_t)json_object_get(policy, "targets_s"), class_, item)(void)
        printf("  %-9s %s %" JSON_INTEGER_FORMAT " s\n", "target", class_, json_integer_value(item));
    if (aw_cli_number(policy, "overflow_after_s") > 0)
        (void)printf("  %-9s after %" PRIu64 " s\n", "overflow", aw_cli_number(policy, "overflow_after_s"));
    json_array_foreach(json_object_get(receipt, "notice"), i, item)
    {
        const char *lang = aw_cli_text(item, "lang");

        (void)printf("  %-9s %-5s", "notice", lang[0] == '\0' ? "*" : lang);
        aw_cli_print_text(aw_cli_text(item, "text"), " ");
    }
    if (strcmp(aw_cli_text(receipt, "acknowledgement"), "off") == 0)
        (void)printf("  receipts only\n");
}

static void
print_surge(const struct aw_cli *cli, const json_t *surge)
{
    const json_t *scope = json_object_get(surge, "scope");

    if (cli->common.json) {
        aw_cli_print_json(surge);
        return;
    }
    if (strcmp(aw_cli_text(surge, "state"), "on") != 0) {
        (void)printf("no surge%s\n", aw_cli_flag(surge, "dry_run") ? " (dry run)" : "");
        return;
    }
    (void)printf("surge since %s%s", aw_cli_text(surge, "since"), aw_cli_text(surge, "reason")[0] == '\0' ? "" : ": ");
    aw_cli_put_text(aw_cli_text(surge, "reason"), 0);
    if (json_object_get(surge, "tickets") != NULL)
        (void)printf(", %" PRIu64 " tickets wait where it holds%s", aw_cli_number(surge, "tickets"),
                     aw_cli_flag(surge, "dry_run") ? " (dry run)" : "");
    (void)printf("\n");
    print_names("lanes", json_object_get(scope, "lanes"));
    print_names("channels", json_object_get(scope, "channels"));
    print_names("flights", json_object_get(scope, "flights"));
    print_names("airports", json_object_get(scope, "airports"));
    print_policy(json_object_get(surge, "policy"));
}

/* Takes `surge`; NULL: what was said already. */
static int
tell(const struct aw_cli *cli, json_t *surge, int code)
{
    if (surge == NULL)
        return code;
    print_surge(cli, surge);
    json_decref(surge);
    return AW_CLI_OK;
}

/* --- declaring -------------------------------------------------------------------------------------------------------------- */

static void
add_names(json_t *to, const char *key, const char *names)
{
    if (names != NULL)
        (void)json_object_set_new(to, key, aw_cli_list(names));
}

/* "KL1234/2026-04-15,..." False: it is none. */
static bool
add_flights(json_t *scope, const char *text)
{
    json_t       *names = aw_cli_list(text == NULL ? "" : text);
    json_t       *flights = json_array();
    const json_t *name;
    bool          is_right = true;
    size_t        i;

    json_array_foreach(names, i, name)
    {
        const char *flight = json_string_value(name);
        const char *slash = strchr(flight, '/');

        is_right &= slash != NULL;
        if (slash != NULL)
            (void)json_array_append_new(
                flights, json_pack("{s:o,s:s}", "number", json_stringn(flight, (size_t)(slash - flight)), "date", slash + 1));
    }
    (void)json_object_set_new(scope, "flights", flights);
    json_decref(names);
    return is_right;
}

/* What stands before the first `=`. NULL: it is not there, or too long. */
static const char *
cut_word(const char *text, char word[WORD_BYTES])
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text || (size_t)(equals - text) >= WORD_BYTES)
        return NULL;
    (void)snprintf(word, WORD_BYTES, "%.*s", (int)(equals - text), text);
    return equals + 1;
}

/* "disrupted=7200,..." */
static bool
add_targets(json_t *policy, const char *text)
{
    json_t       *pairs = aw_cli_list(text == NULL ? "" : text);
    json_t       *targets = json_object();
    const json_t *pair;
    bool          is_right = true;
    size_t        i;

    json_array_foreach(pairs, i, pair)
    {
        char        class_[WORD_BYTES];
        const char *value = cut_word(json_string_value(pair), class_);
        char       *end = NULL;
        uint64_t    seconds = value == NULL ? 0 : strtoull(value, &end, 10);

        is_right &= end != NULL && end != value && *end == '\0' && value[0] != '-' && seconds <= UINT32_MAX;
        if (is_right)
            (void)json_object_set_new(targets, class_, json_integer((json_int_t)seconds));
    }
    (void)json_object_set_new(policy, "targets_s", targets);
    json_decref(pairs);
    return is_right;
}

static bool
add_notices(json_t *receipt, const char *any, int count, char **texts)
{
    json_t *notices = json_array();
    bool    is_right = true;

    for (int i = 0; i < count && is_right; i++) {
        char        lang[WORD_BYTES];
        const char *text = cut_word(texts[i], lang);

        is_right = text != NULL;
        if (is_right)
            (void)json_array_append_new(notices, json_pack("{s:s,s:s}", "lang", lang, "text", text));
    }
    if (any != NULL)
        (void)json_array_append_new(notices, json_pack("{s:s}", "text", any));
    (void)json_object_set_new(receipt, "notice", notices);
    return is_right;
}

/* NULL: said why. */
static json_t *
make_body(const struct aw_cli *cli, int count, char **texts)
{
    const struct surge_options *options = cli->options;
    json_t                     *body = json_pack("{s:s,s:{},s:{s:{}}}", "state", "on", "scope", "policy", "receipt");
    json_t                     *scope = json_object_get(body, "scope");
    json_t                     *policy = json_object_get(body, "policy");
    json_t                     *receipt = json_object_get(policy, "receipt");
    const char                 *wrong = NULL;

    if (!add_flights(scope, options->flights))
        wrong = "--flights wants NUMBER/DATE, or several with commas";
    if (!add_targets(policy, options->targets))
        wrong = "--targets wants CLASS=SECONDS, or several with commas";
    if (!add_notices(receipt, options->notice, count, texts))
        wrong = "a notice is LANG=TEXT";
    if (wrong != NULL) {
        aw_cli_error(cli, "%s", wrong);
        json_decref(body);
        return NULL;
    }
    add_names(scope, "lanes", options->lanes);
    add_names(scope, "channels", options->channels);
    add_names(scope, "airports", options->airports);
    if (options->order != NULL)
        (void)json_object_set_new(policy, "order", json_string(options->order));
    if (options->overflow_after_s > 0)
        (void)json_object_set_new(policy, "overflow_after_s", json_integer((json_int_t)options->overflow_after_s));
    if (options->receipts_only)
        (void)json_object_set_new(receipt, "acknowledgement", json_string("off"));
    if (options->reason != NULL)
        (void)json_object_set_new(body, "reason", json_string(options->reason));
    return body;
}

/* Takes `body`. */
static int
put(struct aw_cli *cli, json_t *body)
{
    const struct surge_options *options = cli->options;
    int                         code = AW_CLI_OK;
    json_t                     *surge;

    if (options->dry_run)
        (void)json_object_set_new(body, "dry_run", json_true());
    surge = aw_cli_send(cli, "PUT", "/v1/surge", body, NULL, &code);
    return tell(cli, surge, code);
}

static int
undo(struct aw_cli *cli)
{
    const struct surge_options *options = cli->options;
    char                        path[PATH_BYTES];
    int                         code = AW_CLI_OK;
    json_t                     *surge = aw_cli_get(cli, "/v1/surge", &code);

    if (surge == NULL)
        return code;
    (void)snprintf(path, sizeof(path), "/v1/changes/%s/undo", aw_cli_text(surge, "change"));
    if (aw_cli_text(surge, "change")[0] == '\0') {
        aw_cli_error(cli, "there is no change of the surge that can be undone");
        json_decref(surge);
        return AW_CLI_FAILED;
    }
    json_decref(surge);
    /* Sent again it is 409 change-overtaken: an undo is not undone, and says so. */
    surge = aw_cli_send(cli, "POST", path, json_pack("{s:b}", "dry_run", options->dry_run), NULL, &code);
    return tell(cli, surge, code);
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    const struct surge_options *options = cli->options;
    const char                 *verb = argc == 0 ? "" : argv[0];
    bool                        is_on = strcmp(verb, "on") == 0;
    bool                        has_options = options->reason != NULL || options->lanes != NULL || options->channels != NULL ||
                       options->flights != NULL || options->airports != NULL || options->order != NULL ||
                       options->targets != NULL || options->overflow_after_s > 0 || options->notice != NULL ||
                       options->receipts_only;
    json_t *body;
    int     code;

    if ((argc > 0 && !is_on && strcmp(verb, "off") != 0 && strcmp(verb, "undo") != 0) || (argc > 1 && !is_on) ||
        (has_options && !is_on) || (argc == 0 && options->dry_run)) {
        aw_cli_error(cli,
                     has_options && !is_on ? "what a surge is goes with on" : "takes nothing, on [LANG=TEXT...], off or undo");
        return AW_CLI_USAGE;
    }
    if (is_on) {
        body = make_body(cli, argc - 1, argv + 1);
        return body == NULL ? AW_CLI_USAGE : put(cli, body);
    }
    if (strcmp(verb, "off") == 0)
        return put(cli, json_pack("{s:s}", "state", "off"));
    if (argc > 0)
        return undo(cli);
    body = aw_cli_get(cli, "/v1/surge", &code);
    return tell(cli, body, code);
}

const struct aw_cli_command aw_cli_surge = {
    .name = "surge",
    .arguments = "[on [LANG=TEXT...] | off | undo]",
    .summary = "the desk's surge: show it, declare, end or undo it",
    .about = "Shows the surge that is declared. on declares one, or another in its place: what is not named is as it is set; "
             "LANG=TEXT\n"
             "is what receipts say in a language. off ends it; undo brings back what was before the last change.\n"
             "Example: aswolk surge on --reason ash --order strict --targets disrupted=7200 --notice \"We are very busy.\" "
             "nl=\"Het is druk.\"",
    .options = surge_options,
    .option_count = AW_ARRAY_LEN(surge_options),
    .defaults = &surge_defaults,
    .defaults_bytes = sizeof(surge_defaults),
    .run = run,
};
