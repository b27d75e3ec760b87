/* post.c - `aswolk post`: messages from files, pipes or the command line; every line is accounted for.
 *  Lines go in batches, one batch under way at a time, so that a customer's messages keep their order. A batch whose answer was
 * lost is sent again: the server knows a source_id it has, and gives the first receipt again. Lines that it refuses for lack of
 * room or because it is too busy are sent again after its Retry-After, until --retry-s is over.
 */
#include "cli/cli.h"
#include "cli/lines.h"

#include "base/hash.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_LINES_MAX 10000U
#define BATCH_BYTES_MAX (1024U * 1024U)
#define PROBLEMS_SHOWN  10U
#define PROGRESS_MS     200U

struct post_options {
    uint64_t    batch;
    uint64_t    retry_s;
    bool        tweets;
    bool        now;
    bool        receipts;
    const char *text;
    const char *channel;
    const char *account;
    const char *source_id;
    const char *customer;
    const char *lang;
    const char *lane;
    const char *class_;
    const char *care;
    const char *tags;
    const char *booking;
};

static const struct post_options post_defaults = {.batch = 500, .retry_s = 60};

#define ROW(option, letter_, type_, value_, member, about_)                                                                      \
    {                                                                                                                            \
        .name = (option), .letter = (letter_), .type = (type_), .value = (value_),                                               \
        .offset = offsetof(struct post_options, member), .about = (about_)                                                       \
    }
static const struct aw_cli_option post_options[] = {
    {.name = "batch",
     .letter = 'n',
     .type = AW_CLI_NUMBER,
     .value = "N",
     .offset = offsetof(struct post_options, batch),
     .min = 1,
     .max = BATCH_LINES_MAX,
     .about = "lines in one request; default 500"},
    {.name = "retry-s",
     .type = AW_CLI_NUMBER,
     .value = "SECONDS",
     .offset = offsetof(struct post_options, retry_s),
     .min = 0,
     .max = 86400,
     .about = "how long a batch is tried again when the server is busy, full or gone; default 60"},
    ROW("receipts", 'r', AW_CLI_FLAG, NULL, receipts,
        "print each line's receipt or problem, `line` counted over the whole input"),
    ROW("tweets", 0, AW_CLI_FLAG, NULL, tweets, "lines are tweets of the data set, not messages; see above"),
    ROW("now", 0, AW_CLI_FLAG, NULL, now, "with --tweets: leave received_at out, so that they count as written now"),
    ROW("text", 0, AW_CLI_TEXT, "TEXT", text, "post this one message instead of lines"),
    ROW("channel", 0, AW_CLI_TEXT, "NAME", channel, "with --text: its channel; default web"),
    ROW("customer", 0, AW_CLI_TEXT, "ID", customer, "with --text: who wrote it; required"),
    ROW("source-id", 0, AW_CLI_TEXT, "ID", source_id, "with --text: its id on the channel; default a random one"),
    ROW("account", 0, AW_CLI_TEXT, "NAME", account, "with --text: which of our accounts got it"),
    ROW("lang", 0, AW_CLI_TEXT, "TAG", lang, "with --text: its language"),
    ROW("lane", 0, AW_CLI_TEXT, "NAME", lane, "with --text: the lane asked for"),
    ROW("class", 0, AW_CLI_TEXT, "CLASS", class_, "with --text: a hint"),
    ROW("care", 0, AW_CLI_TEXT, "CODE,...", care,
        "with --text: medical, reduced_mobility, unaccompanied_minor, bereavement, safety"),
    ROW("tags", 0, AW_CLI_TEXT, "TAG,...", tags, "with --text: its tags"),
    ROW("booking", 0, AW_CLI_TEXT, "CODE", booking, "with --text: the booking code"),
};

struct totals {
    uint64_t lines;
    uint64_t opened;
    uint64_t folded;
    uint64_t reopened;
    uint64_t duplicates;
    uint64_t differing;
    uint64_t refused;
    uint64_t unsent;     /* certainly not taken, but not judged either */
    uint64_t unanswered; /* sent, no answer: they may be stored */
    uint64_t repeated;   /* lines of batches that were sent again after a lost answer */
    uint64_t problems;   /* told or counted */
};

struct line {
    uint64_t number; /* over the whole input, from 1 */
    uint32_t begin;  /* in the batch's bytes */
    uint32_t len;    /* with its line end */
};

struct post {
    struct aw_cli             *cli;
    const struct post_options *options;
    struct totals              totals;
    struct aw_cli_lines       *lines;
    uint64_t                   base; /* lines of the files before */
    uint64_t                   began_ms;
    uint64_t                   shown_ms;
    bool                       progress;
    int                        failure; /* exit code that ends the run; AW_CLI_OK: go on */
    /* The batch. */
    char        *bytes;
    size_t       len;
    uint32_t     count;
    struct line *batch;
};

/* --- telling -------------------------------------------------------------------------------------------------------------- */

static void
clear_progress(const struct post *post)
{
    if (post->progress)
        (void)fputs("\r\033[K", stderr);
}

static void
tell_problem(struct post *post, uint64_t number, const char *words)
{
    if (post->totals.problems++ >= PROBLEMS_SHOWN)
        return;
    clear_progress(post);
    (void)fprintf(stderr, "line %" PRIu64 ": %s\n", number, words);
}

static void
show_progress(struct post *post)
{
    static const char    bar[] = "########################################";
    uint64_t             now = aw_cli_now_ms();
    struct aw_cli_lines *lines = post->lines;
    uint64_t             rate = now > post->began_ms ? post->totals.lines * 1000 / (now - post->began_ms) : 0;
    int                  width = (int)sizeof(bar) - 1, filled;

    if (!post->progress || now < post->shown_ms + PROGRESS_MS)
        return;
    post->shown_ms = now;
    if (lines == NULL || lines->bytes_total == 0) {
        (void)fprintf(stderr, "\r\033[K%" PRIu64 " lines, %" PRIu64 "/s", post->totals.lines, rate);
        return;
    }
    filled = (int)((uint64_t)width * lines->bytes_read / lines->bytes_total);
    filled = filled > width ? width : filled;
    (void)fprintf(stderr, "\r\033[K[%-*.*s] %" PRIu64 " lines, %" PRIu64 "/s", width, filled, bar, post->totals.lines, rate);
}

/* --- answers -------------------------------------------------------------------------------------------------------------- */

static void
count_receipt(struct totals *totals, const json_t *receipt)
{
    if (aw_cli_flag(receipt, "duplicate"))
        totals->duplicates++;
    else if (aw_cli_flag(receipt, "reopened"))
        totals->reopened++;
    else if (aw_cli_flag(receipt, "folded"))
        totals->folded++;
    else
        totals->opened++;
    if (aw_cli_flag(receipt, "differs"))
        totals->differing++;
}

static void
print_line_answer(const struct post *post, json_t *answer, uint64_t number)
{
    if (!post->options->receipts)
        return;
    clear_progress(post);
    (void)json_object_set_new(answer, "line", json_integer((json_int_t)number));
    aw_cli_print_json(answer);
}

static void
refuse_line(struct post *post, json_t *answer, uint64_t number, unsigned status)
{
    char words[512];

    post->totals.refused++;
    aw_cli_problem_line(answer, status, words, sizeof(words));
    tell_problem(post, number, words);
    print_line_answer(post, answer, number);
}

/* One line of the answer. True when this line of the batch is to be sent again. */
static bool
take_answer(struct post *post, struct aw_slice text, uint64_t number, bool may_retry, uint64_t *retry_after_s)
{
    json_t  *answer = json_loadb(text.ptr, text.len, 0, NULL);
    unsigned status = (unsigned)aw_cli_number(answer, "status");
    uint64_t after = aw_cli_number(answer, "retry_after_s");
    bool     again = false;

    if (status >= 200 && status < 300) {
        count_receipt(&post->totals, answer);
        print_line_answer(post, answer, number);
    } else if (may_retry && aw_cli_is_retryable(status)) {
        again = true;
        *retry_after_s = after > *retry_after_s ? after : *retry_after_s;
    } else if (answer == NULL) {
        post->totals.unanswered++;
        tell_problem(post, number, "the answer to it is no JSON");
    } else {
        refuse_line(post, answer, number, status);
    }
    json_decref(answer);
    return again;
}

/* --- batches -------------------------------------------------------------------------------------------------------------- */

/* Goes over the answers of a batch; what is left in it afterwards is to be sent again. */
static void
take_answers(struct post *post, struct aw_slice body, bool may_retry, uint64_t *ret_retry_after_s)
{
    uint32_t count = post->count;

    *ret_retry_after_s = 0;
    post->count = 0;
    post->len = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct aw_slice text = aw_slice_cut(&body, '\n');
        struct line     line = post->batch[i];

        if (text.len == 0) {
            post->totals.unanswered++;
            tell_problem(post, line.number, "the server gave no answer to it");
        } else if (take_answer(post, text, line.number, may_retry, ret_retry_after_s)) {
            memmove(post->bytes + post->len, post->bytes + line.begin, line.len);
            line.begin = (uint32_t)post->len;
            post->batch[post->count++] = line;
            post->len += line.len;
        }
    }
}

static void
lose_batch(struct post *post, const struct aw_exchange_result *result)
{
    clear_progress(post);
    post->failure = aw_cli_report(post->cli, result);
    if (result->end == AW_EXCHANGE_ANSWERED || result->unprocessed)
        post->totals.unsent += post->count;
    else
        post->totals.unanswered += post->count;
    if (post->count > 0)
        aw_cli_error(post->cli, "stopped at lines %" PRIu64 " to %" PRIu64 "; nothing behind them was sent",
                     post->batch[0].number, post->batch[post->count - 1].number);
    post->count = 0;
    post->len = 0;
}

/* Sends the batch until each line is answered or given up. False: the run ends. */
static bool
send_batch(struct post *post)
{
    uint64_t until = aw_cli_now_ms() + post->options->retry_s * 1000;

    while (post->count > 0) {
        const struct aw_cli_request request = {
            .method = "POST", .path = "/v1/messages", .type = "application/x-ndjson", .body = {post->bytes, post->len}};
        struct aw_exchange_result result;
        uint64_t                  now = aw_cli_now_ms(), retry_after_s;
        unsigned                  repeats;

        (void)aw_cli_ask_patiently(post->cli, &request, until > now ? (until - now) / 1000 : 0, &result, &repeats);
        if (repeats > 0)
            post->totals.repeated += post->count;
        if (result.end != AW_EXCHANGE_ANSWERED || result.status != 200) {
            lose_batch(post, &result);
            return false;
        }
        take_answers(post, result.body, aw_cli_now_ms() < until && !aw_cli_stopped(), &retry_after_s);
        if (post->count > 0)
            aw_cli_sleep_ms(retry_after_s == 0 ? 1000 : retry_after_s * 1000);
        show_progress(post);
    }
    return !aw_cli_stopped();
}

static bool
add_line(struct post *post, struct aw_slice line, uint64_t number)
{
    if (post->count == post->options->batch || post->len + line.len + 1 > BATCH_BYTES_MAX) {
        if (!send_batch(post))
            return false;
    }
    AW_ASSERT(post->len + line.len + 1 <= BATCH_BYTES_MAX);
    memcpy(post->bytes + post->len, line.ptr, line.len);
    post->bytes[post->len + line.len] = '\n';
    post->batch[post->count++] = (struct line){.number = number, .begin = (uint32_t)post->len, .len = (uint32_t)line.len + 1};
    post->len += line.len + 1;
    return true;
}

static bool
add_tweet(struct post *post, struct aw_slice line, uint64_t number)
{
    struct aw_why why = {""};
    char         *text = NULL;
    bool          goes_on;

    if (aw_cli_tweet_map(line, post->options->now, &text, &why) != AW_OK) {
        post->totals.refused++;
        tell_problem(post, number, why.text);
        return true;
    }
    goes_on = add_line(post, aw_slice_str(text), number);
    free(text);
    return goes_on;
}

static bool
post_file(struct post *post, const char *path)
{
    struct aw_cli_lines lines;
    struct aw_slice     line;
    struct aw_why       why = {""};
    bool                goes_on = true;

    if (aw_cli_lines_open(&lines, path, &why) != AW_OK) {
        aw_cli_error(post->cli, "%s", why.text);
        aw_cli_lines_close(&lines);
        post->failure = AW_CLI_FAILED;
        return false;
    }
    post->lines = &lines;
    while (goes_on) {
        enum aw_cli_line got = aw_cli_lines_next(&lines, &line);

        if (got == AW_CLI_LINE_END)
            break;
        if (got == AW_CLI_LINE_ERROR) {
            aw_cli_error(post->cli, "%s: %s", path, strerror(errno));
            post->failure = AW_CLI_FAILED;
            break;
        }
        post->totals.lines++;
        if (got == AW_CLI_LINE_TOO_LONG) {
            post->totals.refused++;
            tell_problem(post, post->base + lines.number, "longer than one request may be (1 MiB); not sent");
        } else if (post->options->tweets) {
            goes_on = add_tweet(post, line, post->base + lines.number);
        } else {
            goes_on = add_line(post, line, post->base + lines.number);
        }
    }
    post->base += lines.number;
    aw_cli_lines_close(&lines);
    post->lines = NULL;
    return goes_on && post->failure == AW_CLI_OK;
}

/* --- the summary ---------------------------------------------------------------------------------------------------------- */

static int
exit_code(const struct post *post)
{
    const struct totals *totals = &post->totals;
    uint64_t             done = totals->opened + totals->folded + totals->reopened + totals->duplicates;

    if (totals->refused + totals->unsent + totals->unanswered == 0 && post->failure == AW_CLI_OK)
        return AW_CLI_OK;
    if (done > 0)
        return AW_CLI_PARTLY;
    return post->failure != AW_CLI_OK ? post->failure : AW_CLI_FAILED;
}

static void
print_summary(const struct post *post)
{
    const struct totals *totals = &post->totals;
    double               seconds = (double)(aw_cli_now_ms() - post->began_ms) / 1000;
    uint64_t             accepted = totals->opened + totals->folded + totals->reopened;

    clear_progress(post);
    if (totals->problems > PROBLEMS_SHOWN)
        (void)fprintf(stderr, "... and %" PRIu64 " more lines with problems\n", totals->problems - PROBLEMS_SHOWN);
    if (post->cli->common.json) {
        (void)printf("{\"lines\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"opened\":%" PRIu64 ",\"folded\":%" PRIu64
                     ",\"reopened\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"differing\":%" PRIu64 ",\"refused\":%" PRIu64
                     ",\"unsent\":%" PRIu64 ",\"unanswered\":%" PRIu64 ",\"repeated\":%" PRIu64 ",\"seconds\":%.3f}\n",
                     totals->lines, accepted, totals->opened, totals->folded, totals->reopened, totals->duplicates,
                     totals->differing, totals->refused, totals->unsent, totals->unanswered, totals->repeated, seconds);
        return;
    }
    if (post->options->receipts)
        return;
    (void)printf("%" PRIu64 " lines: %" PRIu64 " accepted (%" PRIu64 " opened a ticket, %" PRIu64 " folded, %" PRIu64
                 " reopened one), %" PRIu64 " duplicates, %" PRIu64 " refused",
                 totals->lines, accepted, totals->opened, totals->folded, totals->reopened, totals->duplicates, totals->refused);
    if (totals->differing > 0)
        (void)printf(", %" PRIu64 " duplicates with another body", totals->differing);
    if (totals->unsent > 0)
        (void)printf(", %" PRIu64 " not taken", totals->unsent);
    if (totals->unanswered > 0)
        (void)printf(", %" PRIu64 " without an answer (post them again)", totals->unanswered);
    (void)printf("; %.1f s\n", seconds);
    if (totals->repeated > 0)
        (void)printf("%" PRIu64 " lines were sent again after a lost answer: duplicates may be our own\n", totals->repeated);
}

static int
post_files(struct aw_cli *cli, int argc, char **argv)
{
    struct post post = {.cli = cli, .options = cli->options};
    bool        goes_on = true;

    post.progress = isatty(STDERR_FILENO) != 0 && !cli->common.json;
    post.bytes = malloc(BATCH_BYTES_MAX);
    post.batch = malloc(post.options->batch * sizeof(*post.batch));
    AW_ASSERT(post.bytes != NULL && post.batch != NULL);
    post.began_ms = aw_cli_now_ms();
    if (post.options->tweets && !cli->common.json)
        (void)fprintf(stderr, "--tweets: %s%s\n", aw_cli_tweets_about, post.options->now ? "; --now: nor is received_at" : "");
    aw_cli_catch_signals(cli);
    for (int i = 0; i < argc && goes_on; i++)
        goes_on = post_file(&post, argv[i]);
    /* After a file that could not be read, what was read before it still goes. */
    if (post.count > 0 && !aw_cli_stopped())
        (void)send_batch(&post);
    if (aw_cli_stopped() && post.failure == AW_CLI_OK)
        post.failure = AW_CLI_FAILED;
    print_summary(&post);
    free(post.bytes);
    free(post.batch);
    return exit_code(&post);
}

/* --- one message ---------------------------------------------------------------------------------------------------------- */

static void
set_text(json_t *object, const char *key, const char *value)
{
    if (value != NULL)
        (void)json_object_set_new(object, key, json_string(value));
}

static void
set_list(json_t *object, const char *key, const char *values)
{
    if (values != NULL)
        (void)json_object_set_new(object, key, aw_cli_list(values));
}

static int
print_receipt(struct aw_cli *cli, const struct aw_exchange_result *result)
{
    json_t *receipt = aw_cli_json(result);

    if (receipt == NULL)
        return AW_CLI_FAILED;
    if (cli->common.json || ((const struct post_options *)cli->options)->receipts)
        aw_cli_print_json(receipt);
    else
        (void)printf("message %s  ticket %s  %s  lane %s%s%s\n", aw_cli_text(receipt, "message"), aw_cli_text(receipt, "ticket"),
                     aw_cli_text(receipt, "class"), aw_cli_text(receipt, "lane"),
                     aw_cli_flag(receipt, "folded") ? "  folded" : "", aw_cli_flag(receipt, "duplicate") ? "  duplicate" : "");
    json_decref(receipt);
    return AW_CLI_OK;
}

static int
post_text(struct aw_cli *cli, const struct post_options *options)
{
    struct aw_cli_request     request = {.method = "POST", .path = "/v1/messages", .type = "application/json"};
    struct aw_exchange_result result;
    json_t                   *message = json_object();
    char                      id[64] = "cli-";
    uint64_t                  random;
    char                     *text;
    unsigned                  repeats;
    int                       code;

    if (!aw_random(&random, sizeof(random)))
        AW_UNREACHABLE(); /* the kernel always has some */
    aw_base32_u64(random, id + 4);
    set_text(message, "channel", options->channel == NULL ? "web" : options->channel);
    set_text(message, "account", options->account);
    set_text(message, "source_id", options->source_id == NULL ? id : options->source_id);
    set_text(message, "customer", options->customer);
    set_text(message, "text", options->text);
    set_text(message, "lang", options->lang);
    set_text(message, "lane", options->lane);
    set_text(message, "class", options->class_);
    set_list(message, "care", options->care);
    set_list(message, "tags", options->tags);
    set_text(message, "booking", options->booking);
    text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    if (text == NULL) {
        aw_cli_error(cli, "out of memory");
        return AW_CLI_FAILED;
    }
    request.body = aw_slice_str(text);
    aw_cli_catch_signals(cli);
    (void)aw_cli_ask_patiently(cli, &request, options->retry_s, &result, &repeats);
    code = aw_cli_report(cli, &result);
    if (code == AW_CLI_OK)
        code = print_receipt(cli, &result);
    free(text);
    return code;
}

static bool
has_text_options(const struct post_options *options)
{
    return options->channel != NULL || options->account != NULL || options->source_id != NULL || options->customer != NULL ||
           options->lang != NULL || options->lane != NULL || options->class_ != NULL || options->care != NULL ||
           options->tags != NULL || options->booking != NULL;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    const struct post_options *options = cli->options;

    if (options->text == NULL && has_text_options(options)) {
        aw_cli_error(cli, "--channel, --customer and the others describe one --text; lines name them themselves");
        return AW_CLI_USAGE;
    }
    if (options->text != NULL && (argc > 0 || options->tweets)) {
        aw_cli_error(cli, "--text goes without FILE and --tweets");
        return AW_CLI_USAGE;
    }
    if (options->text != NULL && options->customer == NULL) {
        aw_cli_error(cli, "--text needs --customer: tickets belong to somebody");
        return AW_CLI_USAGE;
    }
    if (options->text != NULL)
        return post_text(cli, options);
    if (argc == 0 || (options->now && !options->tweets)) {
        aw_cli_error(cli, argc == 0 ? "names no FILE; use - for standard input, or --text" : "--now goes with --tweets");
        return AW_CLI_USAGE;
    }
    return post_files(cli, argc, argv);
}

const struct aw_cli_command aw_cli_post = {
    .name = "post",
    .arguments = "FILE... | --text TEXT --customer ID",
    .summary = "take messages in: from files, a pipe or the command line",
    .about =
        "Posts each line of FILE (- for standard input) as a message: NDJSON, fields as in POST /v1/messages. Blank lines are\n"
        "passed over, a bad line is refused alone and named with its number. Nothing is posted twice: what the server already\n"
        "has by its source_id is counted as a duplicate, so a run that broke off is simply started again.\n"
        "\n"
        "With --tweets a line is a tweet of the data set and is mapped: channel, source_id, customer, lang and received_at go\n"
        "as they are; text_repaired, else text, becomes text; to becomes account (main without one); airline, label and\n"
        "whatever else a line has are not sent.\n"
        "\n"
        "Exit code 0 when every line was accepted or a duplicate, 4 when some were, 1 or 3 when none was.",
    .options = post_options,
    .option_count = AW_ARRAY_LEN(post_options),
    .defaults = &post_defaults,
    .defaults_bytes = sizeof(post_defaults),
    .run = run,
};
