/* template.c - `aswolk template`: in which words the server itself writes to customers. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 128
#define LANG_BYTES 36

struct template_options {
    bool   dry_run;
    char **texts; /* of the command line: LANG=TEXT, or LANG= */
    int    text_count;
    bool   is_off;
};

static const struct template_options template_defaults = {.dry_run = false};

static const struct aw_cli_option template_options[] = {
    {.name = "dry-run",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct template_options, dry_run),
     .about = "set: only show what would be, rendered on sample data"},
};

static const char *const kinds[] = {"acknowledgement", "promise_moved", "still_needed"};

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

static void
print_template(const struct aw_cli *cli, const json_t *template_)
{
    const json_t *text;
    size_t        i;

    if (cli->common.json) {
        aw_cli_print_json(template_);
        return;
    }
    (void)printf("%s%s\n", aw_cli_text(template_, "template"),
                 json_array_size(json_object_get(template_, "texts")) == 0 ? ": off" : "");
    json_array_foreach(json_object_get(template_, "texts"), i, text)
    {
        const json_t *rendered = json_object_get(text, "rendered");

        (void)printf("  %-5s%s", aw_cli_text(text, "lang"), i == 0 ? " (and all others)" : "");
        aw_cli_print_text(aw_cli_text(text, rendered == NULL ? "text" : "rendered"), "  ");
    }
}

static int
show(struct aw_cli *cli, const char *kind)
{
    char    path[PATH_BYTES];
    int     code;
    json_t *template_;

    (void)snprintf(path, sizeof(path), "/v1/templates/%s", kind);
    template_ = aw_cli_get(cli, path, &code);
    if (template_ == NULL)
        return code;
    print_template(cli, template_);
    json_decref(template_);
    return AW_CLI_OK;
}

static int
list(struct aw_cli *cli)
{
    int code = AW_CLI_OK;

    for (size_t i = 0; i < AW_ARRAY_LEN(kinds) && code == AW_CLI_OK; i++)
        code = show(cli, kinds[i]);
    return code;
}

/* --- changing --------------------------------------------------------------------------------------------------------------- */

static const char *
words_of(const char *argument, char lang[LANG_BYTES])
{
    const char *equals = strchr(argument, '=');

    if (equals == NULL || equals == argument || (size_t)(equals - argument) >= LANG_BYTES)
        return NULL;
    (void)snprintf(lang, LANG_BYTES, "%.*s", (int)(equals - argument), argument);
    return equals + 1;
}

/* Puts one text into the place of the one for this language, or behind all; none in its place takes it out. */
static void
put_text(json_t *texts, const char *lang, const char *words)
{
    size_t i = 0;

    while (i < json_array_size(texts) && strcmp(aw_cli_text(json_array_get(texts, i), "lang"), lang) != 0)
        i++;
    if (words[0] == '\0')
        (void)json_array_remove(texts, i);
    else if (i < json_array_size(texts))
        (void)json_array_set_new(texts, i, json_pack("{s:s,s:s}", "lang", lang, "text", words));
    else
        (void)json_array_append_new(texts, json_pack("{s:s,s:s}", "lang", lang, "text", words));
}

/* PUT replaces all texts, so those that are not named are taken from the template as it is now. */
static char *
put_body(const struct aw_cli *cli, const json_t *now)
{
    const struct template_options *options = cli->options;
    json_t                        *body = json_object();
    json_t                        *texts = options->is_off ? json_array() : json_deep_copy(json_object_get(now, "texts"));
    char                          *text;

    for (int i = 0; i < options->text_count; i++) {
        char        lang[LANG_BYTES];
        const char *words = words_of(options->texts[i], lang);

        AW_ASSERT(words != NULL); /* as run() looked */
        put_text(texts, lang, words);
    }
    (void)json_object_set_new(body, "texts", texts);
    if (options->dry_run)
        (void)json_object_set_new(body, "dry_run", json_true());
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (text == NULL)
        aw_cli_error(cli, "a text is no UTF-8");
    return text;
}

static int
try_out(struct aw_cli *cli, const char *path)
{
    struct aw_cli_request     request = {.method = "PUT", .path = path, .type = "application/json"};
    struct aw_exchange_result result;
    int                       code;
    json_t                   *template_ = aw_cli_get(cli, path, &code);
    char                     *body;

    if (template_ == NULL)
        return code;
    body = put_body(cli, template_);
    json_decref(template_);
    if (body == NULL)
        return AW_CLI_USAGE;
    request.body = aw_slice_str(body);
    (void)aw_cli_ask(cli, &request, &result);
    free(body);
    code = aw_cli_report(cli, &result);
    template_ = code == AW_CLI_OK ? aw_cli_json(&result) : NULL;
    if (template_ == NULL)
        return code == AW_CLI_OK ? AW_CLI_FAILED : code;
    print_template(cli, template_);
    json_decref(template_);
    return AW_CLI_OK;
}

static int
set(struct aw_cli *cli, const char *kind)
{
    const struct template_options *options = cli->options;
    char                           path[PATH_BYTES];
    int                            code;

    (void)snprintf(path, sizeof(path), "/v1/templates/%s", kind);
    if (options->dry_run)
        return try_out(cli, path);
    code = aw_cli_put(cli, path, "this template", put_body);
    return code == AW_CLI_OK ? show(cli, kind) : code;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    struct template_options *options = cli->options;
    bool                     sets_one = argc > 2 && strcmp(argv[0], "set") == 0;
    char                     lang[LANG_BYTES];

    options->is_off = argc == 2 && strcmp(argv[0], "off") == 0;
    if ((argc > 1 && !sets_one && !options->is_off) || (options->dry_run && !sets_one)) {
        aw_cli_error(cli, "takes nothing, KIND, off KIND, or set KIND LANG=TEXT...");
        return AW_CLI_USAGE;
    }
    if (argc == 0)
        return list(cli);
    if (!aw_cli_check_name(cli, "kind of template", argv[argc == 1 ? 0 : 1]) || strlen(argv[argc == 1 ? 0 : 1]) > 64)
        return AW_CLI_USAGE;
    if (argc == 1)
        return show(cli, argv[0]);
    options->texts = argv + 2;
    options->text_count = argc - 2;
    for (int i = 0; i < options->text_count; i++) {
        if (words_of(options->texts[i], lang) == NULL) {
            aw_cli_error(cli, "\"%s\" is not LANG=TEXT", options->texts[i]);
            return AW_CLI_USAGE;
        }
    }
    return set(cli, argv[1]);
}

const struct aw_cli_command aw_cli_template = {
    .name = "template",
    .arguments = "[KIND | off KIND | set KIND LANG=TEXT...]",
    .summary = "what the server itself writes to customers",
    .about =
        "Shows, sets or turns off what the server itself writes: acknowledgement (a message opened a ticket), promise_moved (it\n"
        "will take longer than was promised), still_needed (after --still-needed-after-s of waiting). set changes the languages\n"
        "that it names and keeps the others; LANG= takes one out; the first is for all languages that have none. Fields:\n"
        "{name|guest}, {ticket}, {flight}, {departure}, {new_departure}, {half_by}, {nine_of_ten_by}, {half_in},\n"
        "{nine_of_ten_in}; what stands in [brackets] goes out only when all its fields are known. Example:\n"
        "aswolk template set acknowledgement 'en=We have your message, {name|guest}.[ Half get an answer within {half_in}.]'",
    .options = template_options,
    .option_count = AW_ARRAY_LEN(template_options),
    .defaults = &template_defaults,
    .defaults_bytes = sizeof(template_defaults),
    .run = run,
};
