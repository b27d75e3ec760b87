/* work.c - `aswolk work`: an agent's loop. Pulls, shows, completes; by hand, by a program over a pipe, or by itself.
 *  A pull carries an Idempotency-Key: when its answer is lost, the repeat gets the same leases and no ticket waits for a lease
 * that nobody knows of. Complete and release may be repeated by themselves.
 */
#include "cli/cli.h"

#include "base/hash.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_S 60U
/* A customer who writes faster than we read is left to a person. */
#define NEW_MESSAGES_MAX 20U

struct work_options {
    bool        once;
    bool        drain;
    bool        auto_;
    const char *lanes;
    const char *disposition;
    uint64_t    max;
    uint64_t    wait_s;
    uint64_t    lease_s;
    uint64_t    tickets;
};

static const struct work_options work_defaults = {.max = 1, .wait_s = 25, .lease_s = 300};

static const struct aw_cli_option work_options[] = {
    {.name = "once",
     .letter = '1',
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct work_options, once),
     .about = "one pull, then end"},
    {.name = "drain",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct work_options, drain),
     .about = "go on until a pull finds nothing, then end"},
    {.name = "tickets",
     .type = AW_CLI_NUMBER,
     .value = "N",
     .offset = offsetof(struct work_options, tickets),
     .min = 1,
     .max = UINT32_MAX,
     .about = "end after this many tickets"},
    {.name = "auto",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct work_options, auto_),
     .about = "complete each ticket at once, without asking"},
    {.name = "disposition",
     .letter = 'd',
     .type = AW_CLI_TEXT,
     .value = "TEXT",
     .offset = offsetof(struct work_options, disposition),
     .about = "with --auto: how it ended, in the desk's words"},
    {.name = "lanes",
     .letter = 'l',
     .type = AW_CLI_TEXT,
     .value = "NAME,...",
     .offset = offsetof(struct work_options, lanes),
     .about = "where to take tickets from; default those that the agent is set to"},
    {.name = "max",
     .letter = 'm',
     .type = AW_CLI_NUMBER,
     .value = "N",
     .offset = offsetof(struct work_options, max),
     .min = 1,
     .max = 100,
     .about = "tickets in one pull; default 1"},
    {.name = "wait-s",
     .letter = 'w',
     .type = AW_CLI_NUMBER,
     .value = "SECONDS",
     .offset = offsetof(struct work_options, wait_s),
     .min = 0,
     .max = 50,
     .about = "how long a pull waits for a ticket; default 25"},
    {.name = "lease-s",
     .type = AW_CLI_NUMBER,
     .value = "SECONDS",
     .offset = offsetof(struct work_options, lease_s),
     .min = 5,
     .max = 3600,
     .about = "how long a ticket stays ours; default 300"},
};

struct work {
    struct aw_cli             *cli;
    const struct work_options *options;
    bool                       prompts; /* a person sits there */
    bool                       ended;   /* quit, end of input, or a signal */
    uint64_t                   completed;
    uint64_t                   released;
    uint64_t                   lost; /* leases that were over before we were done */
    uint64_t                   failed;
};

/* --- requests on a lease -------------------------------------------------------------------------------------------------- */

/* What happened, one line: JSON or text. */
static void
tell(const struct work *work, const char *what, const json_t *lease, const json_t *more)
{
    json_t *line;

    if (!work->cli->common.json) {
        if (work->prompts || strcmp(what, "completed") != 0)
            (void)printf("%s %s\n", aw_cli_text(lease, "ticket"), what);
        return;
    }
    line = json_pack("{s:s,s:s}", "event", what, "ticket", aw_cli_text(lease, "ticket"));
    if (line != NULL && more != NULL)
        (void)json_object_update_missing(line, (json_t *)(uintptr_t)more);
    aw_cli_print_json(line);
    json_decref(line);
}

/* POST /v1/leases/{lease}/{verb}. The answer's body, or NULL; *ret_status 0 when there was no answer (said so). */
static json_t *
ask_lease(struct work *work, const json_t *lease, const char *verb, json_t *body, unsigned *ret_status)
{
    struct aw_cli_request     request = {.method = "POST", .type = "application/json"};
    struct aw_exchange_result result;
    char                      path[256];
    char                     *text = json_dumps(body, JSON_COMPACT);
    json_t                   *answer = NULL;
    unsigned                  repeats;

    json_decref(body);
    *ret_status = 0;
    if (text == NULL) {
        aw_cli_error(work->cli, "that is not UTF-8");
        return NULL;
    }
    (void)snprintf(path, sizeof(path), "/v1/leases/%s/%s", aw_cli_text(lease, "lease"), verb);
    request.path = path;
    request.body = aw_slice_str(text);
    if (aw_cli_ask_patiently(work->cli, &request, PATIENCE_S, &result, &repeats) == AW_EXCHANGE_ANSWERED) {
        *ret_status = result.status;
        answer = json_loadb(result.body.ptr == NULL ? "" : result.body.ptr, result.body.len, 0, NULL);
    } else {
        (void)aw_cli_report(work->cli, &result);
    }
    free(text);
    return answer;
}

static bool
is_problem(const json_t *answer, const char *name)
{
    const char *type = strrchr(aw_cli_text(answer, "type"), ':');

    return type != NULL && strcmp(type + 1, name) == 0;
}

enum after { AFTER_DONE, AFTER_NEW_MESSAGES, AFTER_LOST, AFTER_FAILED };

static enum after
judge(struct work *work, const json_t *lease, const json_t *answer, unsigned status, const char *done)
{
    char words[512];

    if (status >= 200 && status < 300) {
        tell(work, done, lease, NULL);
        return AFTER_DONE;
    }
    if (is_problem(answer, "new-messages")) {
        tell(work, "new-messages", lease, answer);
        if (!work->cli->common.json)
            aw_cli_show_messages(json_object_get(answer, "messages"));
        return AFTER_NEW_MESSAGES;
    }
    if (status == 0) {
        work->failed++;
        return AFTER_FAILED;
    }
    aw_cli_problem_line(answer, status, words, sizeof(words));
    aw_cli_error(work->cli, "%s: %s", aw_cli_text(lease, "ticket"), words);
    tell(work, is_problem(answer, "lease-lost") ? "lost" : "refused", lease, answer);
    if (is_problem(answer, "lease-lost") || status == 404) {
        work->lost++;
        return AFTER_LOST;
    }
    work->failed++;
    return AFTER_FAILED;
}

static enum after
complete(struct work *work, const json_t *lease, const char *disposition)
{
    json_t    *body = json_object();
    unsigned   status;
    json_t    *answer;
    enum after after;

    if (disposition != NULL && disposition[0] != '\0')
        (void)json_object_set_new(body, "disposition", json_string(disposition));
    answer = ask_lease(work, lease, "complete", body, &status);
    after = judge(work, lease, answer, status, "completed");
    work->completed += after == AFTER_DONE;
    json_decref(answer);
    return after;
}

static enum after
release(struct work *work, const json_t *lease, const char *reason)
{
    json_t    *body = json_pack("{s:s}", "reason", reason);
    unsigned   status;
    json_t    *answer = ask_lease(work, lease, "release", body, &status);
    enum after after = judge(work, lease, answer, status, "released");

    work->released += after == AFTER_DONE;
    json_decref(answer);
    return after;
}

static enum after
extend(struct work *work, const json_t *lease, const char *seconds)
{
    uint64_t   lease_s = work->options->lease_s;
    json_t    *body, *answer;
    unsigned   status;
    enum after after;

    if (seconds[0] != '\0' && !aw_slice_to_u64(aw_slice_str(seconds), 3600, &lease_s)) {
        aw_cli_error(work->cli, "extend takes seconds, up to 3600");
        return AFTER_NEW_MESSAGES; /* ask again */
    }
    body = json_pack("{s:I}", "lease_s", (json_int_t)lease_s);
    answer = ask_lease(work, lease, "extend", body, &status);
    after = judge(work, lease, answer, status, "extended");
    if (after == AFTER_DONE && !work->cli->common.json)
        aw_cli_show_messages(json_object_get(answer, "messages"));
    json_decref(answer);
    return after;
}

/* --- one ticket ----------------------------------------------------------------------------------------------------------- */

/* Completes at once; messages that came meanwhile are shown, and then it completes again. */
static void
work_auto(struct work *work, const json_t *lease)
{
    for (unsigned i = 0; i < NEW_MESSAGES_MAX; i++) {
        if (complete(work, lease, work->options->disposition) != AFTER_NEW_MESSAGES)
            return;
    }
    (void)release(work, lease, "new messages kept coming");
}

/* The lines of a bulk completion; the caller frees them. */
static char *
completions(const struct work *work, const json_t *leases)
{
    const json_t *lease;
    char         *text = NULL;
    size_t        len = 0, i;
    FILE         *to = open_memstream(&text, &len);

    AW_ASSERT(to != NULL);
    json_array_foreach(leases, i, lease)
    {
        json_t *line = json_pack("{s:s,s:s*}", "lease", aw_cli_text(lease, "lease"), "disposition", work->options->disposition);

        (void)json_dumpf(line, to, JSON_COMPACT);
        (void)fputc('\n', to);
        json_decref(line);
    }
    (void)fclose(to); /* of memory, which was there when it was written */
    return text;
}

static struct aw_slice
copy_of(struct aw_slice bytes)
{
    char *copy = malloc(bytes.len + 1);

    AW_ASSERT(copy != NULL);
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    return aw_slice_of(copy, bytes.len);
}

/* --auto with several tickets: one request completes them all; those for which that is not the end go on one by one. */
static void
work_auto_all(struct work *work, const json_t *leases)
{
    struct aw_cli_request     request = {.method = "POST", .path = "/v1/leases/complete", .type = "application/x-ndjson"};
    struct aw_exchange_result result;
    struct aw_slice           answers = {NULL, 0};
    char                     *text = completions(work, leases);
    const json_t             *lease;
    size_t                    i;
    unsigned                  repeats;

    request.body = aw_slice_str(text);
    (void)aw_cli_ask_patiently(work->cli, &request, PATIENCE_S, &result, &repeats);
    free(text);
    if (result.end == AW_EXCHANGE_ANSWERED && result.status == 200)
        answers = copy_of(result.body); /* the next request would take it away */
    else
        (void)aw_cli_report(work->cli, &result);
    text = (char *)(uintptr_t)answers.ptr;
    json_array_foreach(leases, i, lease)
    {
        struct aw_slice line = aw_slice_cut(&answers, '\n');
        json_t         *answer = json_loadb(line.len == 0 ? "" : line.ptr, line.len, 0, NULL);
        enum after      after = judge(work, lease, answer, (unsigned)aw_cli_number(answer, "status"), "completed");

        work->completed += after == AFTER_DONE;
        if (after == AFTER_NEW_MESSAGES)
            work_auto(work, lease);
        json_decref(answer);
    }
    free(text);
}

/* The next command; false at the end of the input or when a signal came. */
static bool
read_command(struct work *work, char *line, size_t room)
{
    if (work->prompts) {
        (void)printf("[c]omplete [HOW], [r]elease [WHY], [e]xtend [SECONDS], [s]kip, [q]uit> ");
        (void)fflush(stdout);
    }
    (void)fflush(stdout);
    if (aw_cli_stopped() || fgets(line, (int)room, stdin) == NULL) {
        if (work->prompts)
            (void)printf("\n");
        return false;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return true;
}

static void
work_by_hand(struct work *work, const json_t *lease)
{
    char line[512];

    for (;;) {
        enum after after = AFTER_NEW_MESSAGES;
        char      *rest;

        if (!read_command(work, line, sizeof(line)) || strcmp(line, "q") == 0 || strcmp(line, "quit") == 0) {
            work->ended = true;
            (void)release(work, lease, "agent left");
            return;
        }
        rest = line + strcspn(line, " ");
        rest += strspn(rest, " ");
        if (line[0] == 'c')
            after = complete(work, lease, rest);
        else if (line[0] == 'r')
            after = release(work, lease, rest[0] == '\0' ? "agent's choice" : rest);
        else if (line[0] == 'e')
            after = extend(work, lease, rest) == AFTER_LOST ? AFTER_LOST : AFTER_NEW_MESSAGES;
        else if (line[0] == 's')
            return; /* the lease runs out by itself, or is completed later by its token */
        else
            aw_cli_error(work->cli, "\"%s\" is none of complete, release, extend, skip, quit", line);
        if (after == AFTER_DONE || after == AFTER_LOST)
            return;
    }
}

static void
show(struct work *work, const json_t *lease)
{
    if (work->cli->common.json)
        tell(work, "lease", lease, lease);
    else
        aw_cli_show_lease(lease);
}

static void
work_lease(struct work *work, const json_t *lease)
{
    show(work, lease);
    if (work->ended || aw_cli_stopped())
        (void)release(work, lease, "agent left");
    else
        work_by_hand(work, lease);
}

static void
work_all(struct work *work, const json_t *leases)
{
    const json_t *lease;
    size_t        i;

    if (work->options->auto_ && !aw_cli_stopped() && json_array_size(leases) > 0) {
        json_array_foreach(leases, i, lease)
        {
            show(work, lease);
        }
        work_auto_all(work, leases);
        return;
    }
    json_array_foreach(leases, i, lease)
    {
        work_lease(work, lease);
    }
}

/* --- the loop ------------------------------------------------------------------------------------------------------------- */

static char *
pull_body(const struct work_options *options, uint64_t max)
{
    json_t *body = json_pack("{s:I,s:I,s:I}", "max", (json_int_t)max, "wait_s", (json_int_t)options->wait_s, "lease_s",
                             (json_int_t)options->lease_s);
    char   *text;

    if (options->lanes != NULL)
        (void)json_object_set_new(body, "lanes", aw_cli_list(options->lanes));
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

static uint64_t
tickets_left(const struct work *work)
{
    uint64_t done = work->completed + work->released + work->lost;

    if (work->options->tickets == 0)
        return work->options->max;
    return work->options->tickets <= done ? 0 : work->options->tickets - done;
}

/* One pull. Returns its leases (an empty list for 204), or NULL with the exit code. */
static json_t *
pull(struct work *work, int *ret_exit)
{
    uint64_t                  left = tickets_left(work);
    struct aw_cli_request     request = {.method = "POST", .path = "/v1/leases", .type = "application/json"};
    struct aw_exchange_result result;
    char                      key[AW_BASE32_U64_CHARS + 1] = "";
    uint64_t                  random;
    char                     *text = pull_body(work->options, left < work->options->max ? left : work->options->max);
    json_t                   *answer = NULL, *leases;
    unsigned                  repeats;

    if (!aw_random(&random, sizeof(random)))
        AW_UNREACHABLE(); /* the kernel always has some */
    aw_base32_u64(random, key);
    request.body = aw_slice_str(text);
    request.wait_s = work->options->wait_s;
    request.interruptible = true;
    request.field = "idempotency-key";
    request.field_value = key;
    (void)aw_cli_ask_patiently(work->cli, &request, PATIENCE_S, &result, &repeats);
    free(text);
    *ret_exit = AW_CLI_OK;
    if (result.end == AW_EXCHANGE_CLOSED || (result.end == AW_EXCHANGE_ANSWERED && result.status == 204))
        return json_array();
    *ret_exit = aw_cli_report(work->cli, &result);
    if (*ret_exit != AW_CLI_OK)
        return NULL;
    answer = aw_cli_json(&result);
    leases = json_incref(json_object_get(answer, "leases"));
    json_decref(answer);
    if (!json_is_array(leases)) {
        aw_cli_error(work->cli, "the answer holds no leases");
        json_decref(leases);
        *ret_exit = AW_CLI_FAILED;
        return NULL;
    }
    return leases;
}

static void
print_summary(const struct work *work)
{
    if (work->cli->common.json) {
        (void)printf("{\"event\":\"end\",\"completed\":%" PRIu64 ",\"released\":%" PRIu64 ",\"lost\":%" PRIu64
                     ",\"failed\":%" PRIu64 "}\n",
                     work->completed, work->released, work->lost, work->failed);
        return;
    }
    (void)printf("%" PRIu64 " completed, %" PRIu64 " released", work->completed, work->released);
    if (work->lost > 0)
        (void)printf(", %" PRIu64 " lost to others or to time", work->lost);
    if (work->failed > 0)
        (void)printf(", %" PRIu64 " failed", work->failed);
    (void)printf("\n");
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    struct work work = {.cli = cli, .options = cli->options};
    int         code = AW_CLI_OK;

    (void)argv;
    if (argc > 0 || (work.options->disposition != NULL && !work.options->auto_)) {
        aw_cli_error(cli, argc > 0 ? "takes no arguments" : "--disposition goes with --auto");
        return AW_CLI_USAGE;
    }
    work.prompts = !work.options->auto_ && !cli->common.json && isatty(STDIN_FILENO) != 0;
    aw_cli_catch_signals(cli);
    while (!work.ended && !aw_cli_stopped() && tickets_left(&work) > 0) {
        json_t *leases = pull(&work, &code);

        if (leases == NULL)
            break;
        work_all(&work, leases);
        work.ended = work.ended || work.options->once || (work.options->drain && json_array_size(leases) == 0);
        json_decref(leases);
        (void)fflush(stdout);
    }
    print_summary(&work);
    if (code == AW_CLI_OK && work.lost + work.failed > 0)
        code = work.completed + work.released > 0 ? AW_CLI_PARTLY : AW_CLI_FAILED;
    else if (code != AW_CLI_OK && work.completed + work.released > 0)
        code = AW_CLI_PARTLY;
    return code;
}

const struct aw_cli_command aw_cli_work = {
    .name = "work",
    .arguments = "",
    .summary = "be an agent: pull tickets, show them, complete them",
    .about = "Pulls the most urgent tickets under a lease and shows them. Then, for each, reads a command from standard input:\n"
             "  complete [HOW]     it is answered           extend [SECONDS]  more time, and what the customer wrote since\n"
             "  release [WHY]      back to its place        skip              leave it; the lease runs out by itself\n"
             "  quit               release it and end\n"
             "The first letter is enough. At the end of the input and on Ctrl-C what is held is released. When the customer "
             "wrote\n"
             "meanwhile, complete changes nothing and shows the new messages first.\n"
             "\n"
             "With --json every event is a line: lease, completed, released, extended, new-messages, lost, refused, end.\n"
             "Exit code 0 also when a pull found nothing; 4 when some tickets were lost or failed.",
    .options = work_options,
    .option_count = AW_ARRAY_LEN(work_options),
    .defaults = &work_defaults,
    .defaults_bytes = sizeof(work_defaults),
    .run = run,
};
