/* cli_fuzz.c - what `aswolk` reads besides a server's answers: its command line, files of messages, tweets and receipts.
 *
 * The first byte chooses what the rest is:
 *   l  a file of lines: those that come are those that are there, blank ones left out
 *   t  a tweet: what becomes of it is a JSON object with the texts that a message needs
 *   r  a receipt: it is judged against a record, and what differs is said of its fields
 *   o  a command line: the number of a command, then its words, each ended by a zero byte. Numbers lie in their bounds
 *   s  an answer that goes on, in pieces of as many bytes as the second byte says: its lines do not depend on the pieces
 *   n  a list of words
 * What getopt and the commands say on stderr goes nowhere.
 */
#include "base/arena.h"
#include "base/hash.h"
#include "cli/cli.h"
#include "cli/lines.h"
#include "cli/receipts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS_MAX 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct aw_cli_command *const commands[] = {
    &aw_cli_post,       &aw_cli_work,    &aw_cli_transfer,       &aw_cli_defer,    &aw_cli_commitments, &aw_cli_contacts,
    &aw_cli_erase,      &aw_cli_note,    &aw_cli_ticket,         &aw_cli_tickets,  &aw_cli_bulk,        &aw_cli_message,
    &aw_cli_check,      &aw_cli_lanes,   &aw_cli_agents,         &aw_cli_template, &aw_cli_presence,    &aw_cli_replies,
    &aw_cli_incident,   &aw_cli_journal, &aw_cli_verify_command, &aw_cli_backup,   &aw_cli_restore,     &aw_cli_receipt,
    &aw_cli_rotate_key, &aw_cli_audit,   &aw_cli_token,          &aw_cli_whoami,   &aw_cli_health,      &aw_cli_response_time,
    &aw_cli_top,        &aw_cli_surge,   &aw_cli_events,         &aw_cli_history,
};

/* --- lines ------------------------------------------------------------------------------------------------------------------ */

/* The next line that is not blank, the simple way. */
static bool
next_line(struct aw_slice *text, struct aw_slice *ret_line)
{
    while (text->ptr != NULL) {
        struct aw_slice line = aw_slice_cut(text, '\n');
        size_t          blanks = 0;

        while (blanks < line.len && (line.ptr[blanks] == ' ' || line.ptr[blanks] == '\t' || line.ptr[blanks] == '\r'))
            blanks++;
        if (blanks < line.len) {
            *ret_line = line;
            return true;
        }
    }
    return false;
}

static void
check_lines(struct aw_slice text)
{
    struct aw_cli_lines lines;
    struct aw_slice     line, same;
    struct aw_why       why = {""};
    uint64_t            number = 0;
    char                path[64];
    int                 fd = memfd_create("lines", MFD_CLOEXEC);
    enum aw_cli_line    came;
    enum aw_err         err;

    AW_ASSERT(fd >= 0 && write(fd, text.ptr, text.len) == (ssize_t)text.len);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    err = aw_cli_lines_open(&lines, path, &why);
    AW_ASSERT(err == AW_OK);
    while ((came = aw_cli_lines_next(&lines, &line)) == AW_CLI_LINE_OK) {
        bool is_there = next_line(&text, &same);

        AW_ASSERT(is_there && aw_slice_eq(line, same));
        AW_ASSERT(lines.number > number);
        number = lines.number;
    }
    AW_ASSERT(came == AW_CLI_LINE_END && !next_line(&text, &same));
    aw_cli_lines_close(&lines);
    (void)close(fd); /* of memory */
}

/* --- tweets and receipts ---------------------------------------------------------------------------------------------------- */

static void
check_tweet(struct aw_slice line)
{
    static const char *const needed[] = {"channel", "source_id", "customer", "text"};
    struct aw_why            why = {""};
    char                    *text = NULL;
    json_t                  *message;

    if (aw_cli_tweet_map(line, line.len % 2 == 0, &text, &why) != AW_OK) {
        AW_ASSERT(why.text[0] != '\0');
        return;
    }
    message = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    AW_ASSERT(message != NULL);
    for (size_t i = 0; i < AW_ARRAY_LEN(needed); i++)
        AW_ASSERT(json_is_string(json_object_get(message, needed[i])));
    json_decref(message);
    free(text);
}

static void
check_receipt(struct aw_slice line)
{
    static struct aw_blocks  *blocks;
    const struct aw_cli_place place = {.index = 3, .at = 1776261600000};
    const struct aw_slice     body = AW_SLICE("\x80\x91\xad"
                                                  "care: medical"); /* a map of nothing; one reason */
    const bool                is_gone = line.len % 2 == 0;
    struct aw_command         command = {.kind = AW_COMMAND_MESSAGE};
    struct aw_cli_receipts    receipts = {.all = NULL};
    struct aw_cli_receipt    *receipt;
    struct aw_sha256          hash = {{1}};
    struct aw_arena           arena;
    enum aw_err               err;

    if (blocks == NULL)
        blocks = aw_blocks_new(64 * AW_KIB, 16 * AW_MIB);
    AW_ASSERT(blocks != NULL && aw_hash_init());
    command.out.seq = 5;
    command.out.u.message.ticket.slot = 1;
    command.out.u.message.ticket.seq = 5;
    command.in.message.reasons_bytes = (uint32_t)body.len - 1;
    err = aw_cli_receipts_add(&receipts, 1, line);
    AW_ASSERT(err == AW_OK);
    receipt = receipts.all;
    if (receipts.count == 1 && receipt->verdict == AW_CLI_VERDICT_OPEN) {
        aw_arena_init(&arena, blocks);
        err = aw_cli_receipt_compare(receipt, &place, &command, is_gone ? AW_SLICE("") : body, &arena);
        AW_ASSERT(err == AW_OK);
        AW_ASSERT(receipt->lacks_reasons == is_gone);
        err = aw_cli_receipt_compare_commit(receipt, place.index, &hash);
        AW_ASSERT(err == AW_OK);
        err = aw_cli_receipt_compare_lane(receipt, AW_SLICE("main"));
        AW_ASSERT(err == AW_OK);
        AW_ASSERT((receipt->verdict == AW_CLI_VERDICT_DIFFERS) == (json_array_size(receipt->differs) > 0));
        aw_arena_reset(&arena);
    } else if (receipts.count == 1) {
        AW_ASSERT(receipt->verdict == AW_CLI_VERDICT_NO_RECEIPT && receipt->words != NULL);
    }
    aw_cli_receipts_free(&receipts);
}

/* --- the command line ------------------------------------------------------------------------------------------------------- */

static void
check_values(const struct aw_cli_command *command, const void *options)
{
    for (size_t i = 0; i < command->option_count; i++) {
        const struct aw_cli_option *row = &command->options[i];
        const char                 *text;
        uint64_t                    number, from;

        if (row->type == AW_CLI_NUMBER) {
            memcpy(&number, (const char *)options + row->offset, sizeof(number));
            memcpy(&from, (const char *)command->defaults + row->offset, sizeof(from));
            AW_ASSERT((number >= row->min && number <= row->max) || number == from);
        } else if (row->type == AW_CLI_TEXT) {
            memcpy(&text, (const char *)options + row->offset, sizeof(text));
            AW_ASSERT(text == NULL || aw_slice_is_utf8(aw_slice_str(text)));
        }
    }
}

static void
check_options(struct aw_slice input)
{
    static char   name[] = "aswolk";
    static FILE  *nowhere;
    FILE         *kept = stderr;
    char         *argv[WORDS_MAX + 2] = {name};
    int           argc = 1, first = 0;
    struct aw_cli cli = {.common = {.timeout_s = 30}};
    char         *words = malloc(input.len + 1);
    bool          wants_help, is_read;

    AW_ASSERT(words != NULL);
    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "we");
    AW_ASSERT(nowhere != NULL);
    cli.command = commands[input.len == 0 ? 0 : (unsigned char)input.ptr[0] % AW_ARRAY_LEN(commands)];
    if (input.len > 0)
        memcpy(words, input.ptr, input.len);
    words[input.len] = '\0';
    for (size_t at = 1; at < input.len && argc <= WORDS_MAX; at += strlen(words + at) + 1)
        argv[argc++] = words + at;
    if (cli.command->defaults_bytes > 0) {
        cli.options = malloc(cli.command->defaults_bytes);
        AW_ASSERT(cli.options != NULL);
        memcpy(cli.options, cli.command->defaults, cli.command->defaults_bytes);
    }
    stderr = nowhere;
    is_read = aw_cli_options_read(&cli, argc, argv, &first, &wants_help);
    stderr = kept;
    if (is_read && !wants_help) {
        AW_ASSERT(first >= 1 && first <= argc);
        check_values(cli.command, cli.options);
        AW_ASSERT(cli.common.timeout_s >= 1 && cli.common.timeout_s <= 3600);
    }
    free(cli.options);
    free(words);
}

/* --- an answer that goes on --------------------------------------------------------------------------------------------------- */

struct heard {
    uint64_t lines;
    uint64_t sum;
};

static void
hear(void *user, const char *line)
{
    struct heard *heard = user;

    heard->lines++;
    for (; *line != '\0'; line++)
        heard->sum = heard->sum * 31 + (unsigned char)*line;
    heard->sum = heard->sum * 31;
}

static struct heard
split_by(struct aw_slice text, size_t piece)
{
    struct heard           heard = {0, 0};
    struct aw_cli_splitter splitter;

    aw_cli_splitter_init(&splitter, hear, &heard);
    for (size_t at = 0; at < text.len; at += piece)
        aw_cli_split(&splitter, aw_slice_of(text.ptr + at, text.len - at < piece ? text.len - at : piece));
    aw_cli_splitter_fini(&splitter);
    return heard;
}

static void
check_split(struct aw_slice input)
{
    size_t          piece = input.len == 0 ? 1 : (size_t)(unsigned char)input.ptr[0] + 1;
    struct aw_slice text = input.len == 0 ? input : aw_slice_of(input.ptr + 1, input.len - 1);
    struct heard    whole = split_by(text, text.len + 1), pieces = split_by(text, piece);

    AW_ASSERT(whole.lines == pieces.lines && whole.sum == pieces.sum);
}

static void
check_list(struct aw_slice input)
{
    char   *text = malloc(input.len + 1);
    json_t *list, *item;
    size_t  i;

    AW_ASSERT(text != NULL);
    if (input.len > 0)
        memcpy(text, input.ptr, input.len);
    text[input.len] = '\0';
    if (aw_slice_is_utf8(aw_slice_str(text))) { /* options.c takes nothing else */
        list = aw_cli_list(text);
        AW_ASSERT(json_is_array(list));
        json_array_foreach(list, i, item)
        {
            AW_ASSERT(json_is_string(item));
        }
        json_decref(list);
    }
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aw_slice rest = size < 2 ? AW_SLICE("") : aw_slice_of(data + 1, size - 1);

    switch (size == 0 ? 'l' : data[0]) {
    case 't':
        check_tweet(rest);
        break;
    case 'r':
        check_receipt(rest);
        break;
    case 'o':
        check_options(rest);
        break;
    case 's':
        check_split(rest);
        break;
    case 'n':
        check_list(rest);
        break;
    default:
        check_lines(rest);
        break;
    }
    return 0;
}
