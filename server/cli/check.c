/* check.c - `aswolk check`: what in a reply must not go out, by the rules that the server has in use. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX 65536U

struct check_options {
    const char *channel;
    bool        is_public;
};

static const struct check_options check_defaults;

static const struct aw_cli_option check_options[] = {
    {.name = "public",
     .letter = 'p',
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct check_options, is_public),
     .about = "others will be able to read it"},
    {.name = "channel",
     .letter = 'c',
     .type = AW_CLI_TEXT,
     .value = "NAME",
     .offset = offsetof(struct check_options, channel),
     .about = "that it goes out on: naming that one sends nobody away"},
};

/* The text of the command line, or standard input for "-". False: said why not. */
static bool
read_text(const struct aw_cli *cli, const char *argument, char text[TEXT_BYTES_MAX + 1])
{
    size_t len;

    if (strcmp(argument, "-") == 0)
        len = fread(text, 1, TEXT_BYTES_MAX, stdin);
    else
        len = strnlen(argument, TEXT_BYTES_MAX + 1);
    if (len > TEXT_BYTES_MAX || (strcmp(argument, "-") == 0 && fgetc(stdin) != EOF)) {
        aw_cli_error(cli, "a text has at most %u bytes", TEXT_BYTES_MAX);
        return false;
    }
    if (strcmp(argument, "-") != 0)
        memcpy(text, argument, len);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
    return true;
}

static void
print_checked(const struct aw_cli *cli, json_t *answer)
{
    const json_t *span;
    size_t        i;

    if (cli->common.json) {
        aw_cli_print_json(answer);
        return;
    }
    json_array_foreach(json_object_get(answer, "spans"), i, span)
    {
        (void)printf("%-8s bytes %" PRIu64 " to %" PRIu64 ", rule %s:", aw_cli_text(span, "kind"), aw_cli_number(span, "begin"),
                     aw_cli_number(span, "end"), aw_cli_text(span, "rule"));
        aw_cli_print_text(aw_cli_text(span, "words"), " ");
    }
    if (json_is_true(json_object_get(answer, "more")))
        (void)printf("and more\n");
    if (json_is_true(json_object_get(answer, "cut")))
        (void)printf("too many phrases: the rest was not read\n");
    if (json_is_true(json_object_get(answer, "clean")))
        (void)printf("clean\n");
}

static int
ask(struct aw_cli *cli, const char *text)
{
    const struct check_options *options = cli->options;
    struct aw_cli_request       request = {.method = "POST", .path = "/v1/replies/check", .type = "application/json"};
    struct aw_exchange_result   result;
    json_t *want = json_pack("{s:s,s:s}", "text", text, "visibility", options->is_public ? "public" : "private");
    json_t *answer;
    char   *body;
    int     code;

    if (want == NULL) {
        aw_cli_error(cli, "the text is no UTF-8");
        return AW_CLI_USAGE;
    }
    if (options->channel != NULL)
        (void)json_object_set_new(want, "channel", json_string(options->channel)); /* the server refuses what is no name */
    body = json_dumps(want, JSON_COMPACT);
    json_decref(want);
    AW_ASSERT(body != NULL);
    request.body = aw_slice_str(body);
    if (aw_cli_ask(cli, &request, &result) != AW_EXCHANGE_ANSWERED || result.status != 200) {
        free(body);
        return aw_cli_report(cli, &result);
    }
    free(body);
    answer = aw_cli_json(&result);
    if (answer == NULL)
        return AW_CLI_FAILED;
    print_checked(cli, answer);
    code = json_is_true(json_object_get(answer, "clean")) ? AW_CLI_OK : AW_CLI_FAILED;
    json_decref(answer);
    return code;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    static char text[TEXT_BYTES_MAX + 1];

    if (argc != 1) {
        aw_cli_error(cli, "takes one text, or - for standard input");
        return AW_CLI_USAGE;
    }
    return read_text(cli, argv[0], text) ? ask(cli, text) : AW_CLI_USAGE;
}

const struct aw_cli_command aw_cli_check = {
    .name = "check",
    .arguments = "TEXT|-",
    .summary = "what in a reply must not go out",
    .about =
        "Asks the server what in a text sends the customer elsewhere (a phone number, \"mail us\", the airport's desk, a form,\n"
        "another channel, a link to somebody else's host) or, with --public, tells others too much (a booking, a number, an\n"
        "address, a name with a flight). Nothing is sent or stored. For those who write templates.\n"
        "Exit code 0 when it is clean, 1 when not.",
    .options = check_options,
    .option_count = AW_ARRAY_LEN(check_options),
    .defaults = &check_defaults,
    .defaults_bytes = sizeof(check_defaults),
    .run = run,
};
