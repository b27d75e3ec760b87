/* options.c - one table of options gives parser and help. */
#include "cli/cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX   48
#define FIRST_LONG    256 /* what getopt_long returns for the option at index 0 */
#define HELP          (FIRST_LONG + OPTIONS_MAX)
#define TIMEOUT_S_MAX 3600U

static const struct aw_cli_option common_options[] = {
    {.name = "server",
     .letter = 's',
     .type = AW_CLI_TEXT,
     .value = "URL",
     .offset = offsetof(struct aw_cli_common, server),
     .about = "default $ASWOLK_SERVER, else http://127.0.0.1:8480"},
    {.name = "agent",
     .letter = 'a',
     .type = AW_CLI_TEXT,
     .value = "NAME",
     .offset = offsetof(struct aw_cli_common, agent),
     .about = "who is asking; default $ASWOLK_AGENT, else whom the token names, else $USER"},
    {.name = "token-file",
     .type = AW_CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct aw_cli_common, token_file),
     .about = "holds the token to show; default $ASWOLK_TOKEN_FILE"},
    {.name = "timeout",
     .letter = 't',
     .type = AW_CLI_NUMBER,
     .value = "SECONDS",
     .offset = offsetof(struct aw_cli_common, timeout_s),
     .min = 1,
     .max = TIMEOUT_S_MAX,
     .about = "longest wait for an answer; default 30"},
    {.name = "cacert",
     .type = AW_CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct aw_cli_common, cacert),
     .about = "certificates (PEM) to trust with https; default those of the system"},
    {.name = "cert",
     .type = AW_CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct aw_cli_common, cert),
     .about = "with https: our certificate (PEM), if the server asks for one; default $ASWOLK_CERT"},
    {.name = "key",
     .type = AW_CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct aw_cli_common, key),
     .about = "its key (PEM); default $ASWOLK_KEY"},
    {.name = "insecure",
     .letter = 'k',
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct aw_cli_common, insecure),
     .about = "with https: take any certificate (for `aswolkd --dev` only)"},
    {.name = "keys",
     .type = AW_CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct aw_cli_common, keys),
     .about = "the keys of the data folder DIR; default DIR.keys beside it"},
    {.name = "store-key",
     .type = AW_CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct aw_cli_common, store_key),
     .about = "what seals those, as aswolkd has it"},
    {.name = "json",
     .letter = 'j',
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct aw_cli_common, json),
     .about = "answers as JSON on stdout, for programs"},
};

/* An offline command asks no server but reads a folder, as a rule; the others read none. */
static bool
is_offered(const struct aw_cli_command *command, const struct aw_cli_option *option)
{
    bool is_of_folder = strcmp(option->name, "keys") == 0 || strcmp(option->name, "store-key") == 0;

    if (strcmp(option->name, "json") == 0)
        return true;
    return is_of_folder ? command->offline && !command->keyless : !command->offline;
}

struct parser {
    struct aw_cli              *cli;
    const struct aw_cli_option *rows[OPTIONS_MAX];
    void                       *bases[OPTIONS_MAX];
    struct option               longs[OPTIONS_MAX + 2];
    char                        letters[2 * OPTIONS_MAX + 4];
    int                         count;
};

static void
add_row(struct parser *parser, const struct aw_cli_option *row, void *base)
{
    size_t at = strlen(parser->letters);

    AW_ASSERT(parser->count < OPTIONS_MAX);
    parser->rows[parser->count] = row;
    parser->bases[parser->count] = base;
    parser->longs[parser->count] =
        (struct option){row->name, row->type == AW_CLI_FLAG ? no_argument : required_argument, NULL, FIRST_LONG + parser->count};
    parser->count++;
    if (row->letter == 0)
        return;
    parser->letters[at++] = row->letter;
    if (row->type != AW_CLI_FLAG)
        parser->letters[at] = ':';
}

static int
find_row(const struct parser *parser, int chosen)
{
    if (chosen >= FIRST_LONG)
        return chosen - FIRST_LONG;
    for (int i = 0; i < parser->count; i++) {
        if (parser->rows[i]->letter == chosen)
            return i;
    }
    AW_UNREACHABLE();
}

static bool
take_value(const struct parser *parser, int at, const char *value)
{
    const struct aw_cli_option *row = parser->rows[at];
    char                       *field = (char *)parser->bases[at] + row->offset;
    uint64_t                    number;

    switch (row->type) {
    case AW_CLI_FLAG:
        *(bool *)(void *)field = true;
        return true;
    case AW_CLI_TEXT:
        if (!aw_slice_is_utf8(aw_slice_str(value))) { /* a list would lose that one, and match more than was meant */
            aw_cli_error(parser->cli, "--%s takes UTF-8", row->name);
            return false;
        }
        memcpy(field, &value, sizeof(value));
        return true;
    case AW_CLI_NUMBER:
        if (!aw_slice_to_u64(aw_slice_str(value), row->max, &number) || number < row->min) {
            aw_cli_error(parser->cli, "--%s takes a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"", row->name, row->min,
                         row->max, value);
            return false;
        }
        memcpy(field, &number, sizeof(number));
        return true;
    }
    AW_UNREACHABLE();
}

bool
aw_cli_options_read(struct aw_cli *cli, int argc, char **argv, int *ret_first, bool *ret_help)
{
    struct parser parser = {.cli = cli, .letters = "h"};
    int           chosen;

    for (size_t i = 0; i < AW_ARRAY_LEN(common_options); i++) {
        if (is_offered(cli->command, &common_options[i]))
            add_row(&parser, &common_options[i], &cli->common);
    }
    for (size_t i = 0; i < cli->command->option_count; i++)
        add_row(&parser, &cli->command->options[i], cli->options);
    parser.longs[parser.count] = (struct option){"help", no_argument, NULL, HELP};
    *ret_help = false;
    optind = 0; /* getopt begins anew, also when it was left in the middle of a word (glibc) */
    opterr = 1; /* getopt names the wrong option by itself, behind argv[0] */
    while ((chosen = getopt_long(argc, argv, parser.letters, parser.longs, NULL)) != -1) {
        if (chosen == '?')
            return false;
        if (chosen == 'h' || chosen == HELP) {
            *ret_help = true;
            return true;
        }
        if (!take_value(&parser, find_row(&parser, chosen), optarg))
            return false;
    }
    *ret_first = optind;
    return true;
}

static void
print_row(const struct aw_cli_option *row)
{
    char left[64];

    (void)snprintf(left, sizeof(left), "%c%c%c --%s%s%s", row->letter == 0 ? ' ' : '-', row->letter == 0 ? ' ' : row->letter,
                   row->letter == 0 ? ' ' : ',', row->name, row->value == NULL ? "" : " ", row->value == NULL ? "" : row->value);
    (void)printf("  %-28s %s\n", left, row->about);
}

void
aw_cli_options_help(const struct aw_cli_command *command)
{
    (void)printf("Usage: aswolk %s [OPTION...]%s%s\n\n%s\n", command->name, command->arguments[0] == '\0' ? "" : " ",
                 command->arguments, command->about);
    if (command->option_count > 0)
        (void)printf("\nOptions:\n");
    for (size_t i = 0; i < command->option_count; i++)
        print_row(&command->options[i]);
    (void)printf("\nCommon options:\n");
    for (size_t i = 0; i < AW_ARRAY_LEN(common_options); i++) {
        if (is_offered(command, &common_options[i]))
            print_row(&common_options[i]);
    }
    (void)printf("  %-28s %s\n", "-h, --help", "this text");
}
