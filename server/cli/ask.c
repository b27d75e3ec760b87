/* ask.c - talking to the server, patiently where a repeat is harmless, and saying what went wrong. */
#include "cli/cli.h"

#include "port/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How often a change is tried when others change the same. */
#define ROUNDS_MAX 5

/* A stream shows that it lives at least that often (setting event-comment-s): who is silent for longer is gone. */
#define SILENCE_S 60U

/* Between attempts when the server gave no Retry-After: doubles from the first to the last. */
#define PAUSE_MS_MIN 100U
#define PAUSE_MS_MAX 2000U

static volatile sig_atomic_t stopped;
static volatile sig_atomic_t interruptible; /* a call is under way that a signal may end */
static struct aw_link       *interrupted;   /* the link that it wakes; set before the handler is */

/* --- signals and time ----------------------------------------------------------------------------------------------------- */

static void
on_signal(int number)
{
    (void)number;
    stopped = 1;
    if (interruptible != 0)
        aw_link_interrupt(interrupted);
}

bool
aw_cli_stopped(void)
{
    return stopped != 0;
}

void
aw_cli_catch_signals(struct aw_cli *cli)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}; /* the second one ends us at once */

    interrupted = cli->link;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

void
aw_cli_sleep_ms(uint64_t ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    if (!aw_cli_stopped())
        (void)nanosleep(&time, NULL); /* a signal may shorten it */
}

uint64_t
aw_cli_now_ms(void)
{
    return aw_clock_mono() / AW_NS_PER_MS;
}

/* --- asking --------------------------------------------------------------------------------------------------------------- */

static void
add_field(struct aw_exchange_field *fields, uint32_t *count, const char *name, const char *value)
{
    if (name != NULL && value != NULL)
        fields[(*count)++] = (struct aw_exchange_field){aw_slice_str(name), aw_slice_str(value), false};
}

enum aw_exchange_end
aw_cli_ask(struct aw_cli *cli, const struct aw_cli_request *request, struct aw_exchange_result *ret_result)
{
    struct aw_exchange_field   fields[5];
    struct aw_exchange_request exchange = {.method = aw_slice_str(request->method),
                                           .path = aw_slice_str(request->path),
                                           .fields = fields,
                                           .body = request->body,
                                           .timeout = (cli->common.timeout_s + request->wait_s) * AW_NS_PER_S};

    add_field(fields, &exchange.field_count, "content-type", request->type);
    add_field(fields, &exchange.field_count, "accept",
              request->accept != NULL ? request->accept : "application/json, application/x-ndjson, */*;q=0.1");
    add_field(fields, &exchange.field_count, "aswolk-agent", cli->common.agent);
    add_field(fields, &exchange.field_count, "user-agent", "aswolk/" AW_VERSION);
    add_field(fields, &exchange.field_count, request->field, request->field_value);
    if (request->on_piece != NULL) {
        exchange.on_piece = request->on_piece;
        exchange.piece_user = request->piece_user;
        exchange.timeout = (cli->common.timeout_s + SILENCE_S) * AW_NS_PER_S;
    }
    interruptible = request->interruptible;
    if (request->interruptible && aw_cli_stopped()) {
        *ret_result = (struct aw_exchange_result){.end = AW_EXCHANGE_CLOSED, .unprocessed = true, .why = "interrupted"};
        return ret_result->end;
    }
    /* A signal that came just as an interruptible call ended would end this one: it is made again. */
    while (aw_client_call(cli->link, &exchange, ret_result) == AW_EXCHANGE_CLOSED && !request->interruptible)
        continue;
    interruptible = 0;
    if (ret_result->end == AW_EXCHANGE_ANSWERED)
        cli->reached = true;
    return ret_result->end;
}

bool
aw_cli_is_retryable(unsigned status)
{
    return status == 429 || status == 503 || status == 507;
}

uint64_t
aw_cli_retry_after_s(const struct aw_exchange_result *result, uint64_t fallback)
{
    uint64_t seconds;

    if (!aw_slice_to_u64(aw_exchange_field_of(result, AW_SLICE("retry-after")), 3600, &seconds))
        return fallback;
    return seconds == 0 ? 1 : seconds;
}

enum aw_exchange_end
aw_cli_ask_patiently(struct aw_cli *cli, const struct aw_cli_request *request, uint64_t patience_s,
                     struct aw_exchange_result *ret_result, unsigned *ret_repeats)
{
    uint64_t until = aw_cli_now_ms() + patience_s * 1000;
    uint64_t pause_ms = PAUSE_MS_MIN;
    uint64_t wait_ms;

    *ret_repeats = 0;
    for (;;) {
        enum aw_exchange_end end = aw_cli_ask(cli, request, ret_result);

        if (end == AW_EXCHANGE_ANSWERED && !aw_cli_is_retryable(ret_result->status))
            return end;
        if ((end == AW_EXCHANGE_UNREACHED && !cli->reached) || end == AW_EXCHANGE_TOO_LARGE || aw_cli_stopped())
            return end;
        wait_ms = pause_ms;
        if (end == AW_EXCHANGE_ANSWERED)
            wait_ms = aw_cli_retry_after_s(ret_result, 0) * 1000 + pause_ms;
        if (aw_cli_now_ms() + wait_ms > until)
            return end; /* the last answer, or the last failure */
        if (end != AW_EXCHANGE_ANSWERED && !ret_result->unprocessed)
            (*ret_repeats)++;
        aw_cli_sleep_ms(wait_ms);
        pause_ms = pause_ms * 2 > PAUSE_MS_MAX ? PAUSE_MS_MAX : pause_ms * 2;
    }
}

/* --- saying what went wrong ----------------------------------------------------------------------------------------------- */

void
aw_cli_error(const struct aw_cli *cli, const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    (void)fprintf(stderr, "aswolk %s: ", cli->command->name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

/* The first errors that people make, and their cures. */
static int
report_unreached(struct aw_cli *cli, const struct aw_exchange_result *result)
{
    bool is_tls = strncmp(cli->common.server, "https:", 6) == 0;

    aw_cli_error(cli, "cannot reach %s: %s", cli->common.server, result->why);
    if (strstr(result->why, "Connection refused") != NULL)
        (void)fprintf(stderr, "Nothing listens there. Start a server with: aswolkd --dev --data DIR\n"
                              "or name another one with --server URL or $ASWOLK_SERVER.\n");
    else if (strstr(result->why, "certificate") != NULL)
        (void)fprintf(stderr,
                      "Name the certificate to trust with --cacert FILE (aswolkd --dev keeps its own in its data folder,\n"
                      "dev-cert.pem), or take any with --insecure.\n");
    else if (strstr(result->why, "host ") == NULL)
        (void)fprintf(stderr, "Is that a port of aswolkd, and %s:// right for it? Its %s port needs %s://.\n",
                      is_tls ? "https" : "http", is_tls ? "plain" : "TLS", is_tls ? "http" : "https");
    return AW_CLI_UNREACHED;
}

int
aw_cli_report(struct aw_cli *cli, const struct aw_exchange_result *result)
{
    char    line[512];
    json_t *problem;

    switch (result->end) {
    case AW_EXCHANGE_ANSWERED:
        break;
    case AW_EXCHANGE_UNREACHED:
        return report_unreached(cli, result);
    case AW_EXCHANGE_CLOSED:
        aw_cli_error(cli, "interrupted");
        return AW_CLI_FAILED;
    case AW_EXCHANGE_TIMEOUT:
        aw_cli_error(cli, "%s did not answer within %" PRIu64 " s; the request may have been carried out", cli->common.server,
                     cli->common.timeout_s);
        return AW_CLI_UNREACHED;
    case AW_EXCHANGE_UNPROCESSED:
    case AW_EXCHANGE_LOST:
    case AW_EXCHANGE_RESET:
    case AW_EXCHANGE_TOO_LARGE:
        aw_cli_error(cli, "no answer from %s: %s%s", cli->common.server, result->why,
                     result->unprocessed ? "" : "; the request may have been carried out");
        return AW_CLI_UNREACHED;
    }
    if (result->status >= 200 && result->status < 300)
        return AW_CLI_OK;
    problem = json_loadb(result->body.ptr == NULL ? "" : result->body.ptr, result->body.len, JSON_DISABLE_EOF_CHECK, NULL);
    aw_cli_problem_line(problem, result->status, line, sizeof(line));
    aw_cli_error(cli, "%s", line);
    if (cli->common.json && problem != NULL)
        aw_cli_print_json(problem);
    json_decref(problem);
    return AW_CLI_FAILED;
}

json_t *
aw_cli_json(const struct aw_exchange_result *result)
{
    json_error_t error;
    json_t      *value = json_loadb(result->body.ptr == NULL ? "" : result->body.ptr, result->body.len, 0, &error);

    if (value == NULL)
        (void)fprintf(stderr, "aswolk: the answer is no JSON: %s\n", error.text);
    return value;
}

json_t *
aw_cli_get(struct aw_cli *cli, const char *path, int *ret_exit)
{
    const struct aw_cli_request request = {.method = "GET", .path = path};
    struct aw_exchange_result   result;
    json_t                     *value;

    (void)aw_cli_ask(cli, &request, &result);
    *ret_exit = aw_cli_report(cli, &result);
    if (*ret_exit != AW_CLI_OK)
        return NULL;
    value = aw_cli_json(&result);
    if (value == NULL)
        *ret_exit = AW_CLI_FAILED;
    return value;
}

/* *ret_again when somebody changed it in between. */
static int
put_once(struct aw_cli *cli, const char *path, aw_cli_make_body *make_body, bool *ret_again)
{
    struct aw_cli_request     request = {.method = "GET", .path = path};
    struct aw_exchange_result result;
    char                      etag[64] = "";
    json_t                   *now = NULL;
    char                     *text;
    int                       code;

    *ret_again = false;
    (void)aw_cli_ask(cli, &request, &result);
    if (result.end != AW_EXCHANGE_ANSWERED || result.status != 404) {
        struct aw_slice value = aw_exchange_field_of(&result, AW_SLICE("etag"));

        code = aw_cli_report(cli, &result);
        if (code != AW_CLI_OK)
            return code;
        (void)snprintf(etag, sizeof(etag), "%.*s", AW_SLICE_ARGS(value));
        now = aw_cli_json(&result);
        if (now == NULL)
            return AW_CLI_FAILED;
    }
    text = make_body(cli, now);
    json_decref(now);
    if (text == NULL)
        return AW_CLI_USAGE;
    request = (struct aw_cli_request){.method = "PUT",
                                      .path = path,
                                      .type = "application/json",
                                      .body = aw_slice_str(text),
                                      .field = "if-match",
                                      .field_value = etag};
    if (etag[0] == '\0')
        request.field = NULL;
    (void)aw_cli_ask(cli, &request, &result);
    free(text);
    *ret_again = result.end == AW_EXCHANGE_ANSWERED && result.status == 412;
    return *ret_again ? AW_CLI_FAILED : aw_cli_report(cli, &result);
}

int
aw_cli_put(struct aw_cli *cli, const char *path, const char *what, aw_cli_make_body *make_body)
{
    bool again = true;
    int  code = AW_CLI_FAILED;

    for (unsigned i = 0; i < ROUNDS_MAX && again; i++)
        code = put_once(cli, path, make_body, &again);
    if (again)
        aw_cli_error(cli, "others keep changing %s; nothing was changed here", what);
    return code;
}

/* NULL: *ret_exit says why. `path` has no cursor. */
static json_t *
get_page(struct aw_cli *cli, const char *path, const char *cursor, int *ret_exit)
{
    char page[AW_CLI_PATH_BYTES];
    int  len = snprintf(page, sizeof(page), "%s%s%s", path,
                       cursor[0] == '\0'           ? ""
                        : strchr(path, '?') == NULL ? "?cursor="
                                                    : "&cursor=",
                        cursor);

    if ((size_t)len < sizeof(page))
        return aw_cli_get(cli, page, ret_exit);
    aw_cli_error(cli, "that is more than a request can ask for");
    *ret_exit = AW_CLI_USAGE;
    return NULL;
}

int
aw_cli_each(struct aw_cli *cli, const char *path, aw_cli_item *each, void *user)
{
    char cursor[128] = "";
    bool more = true;

    while (more) {
        const json_t *item;
        size_t        i;
        int           code;
        json_t       *page = get_page(cli, path, cursor, &code);

        if (page == NULL)
            return code;
        json_array_foreach(json_object_get(page, "items"), i, item)
        {
            more = more && each(user, item);
        }
        (void)snprintf(cursor, sizeof(cursor), "%s", aw_cli_text(page, "next"));
        more = more && cursor[0] != '\0';
        json_decref(page);
    }
    return AW_CLI_OK;
}

/* An event has at most 16 KiB, a line of a bulk answer much less. */
#define LINE_BYTES_MAX (64U * 1024U)

void
aw_cli_splitter_init(struct aw_cli_splitter *splitter, void (*take)(void *user, const char *line), void *user)
{
    *splitter = (struct aw_cli_splitter){.take = take, .user = user, ._line = malloc(LINE_BYTES_MAX)};
    AW_ASSERT(splitter->_line != NULL);
}

void
aw_cli_splitter_fini(struct aw_cli_splitter *splitter)
{
    free(splitter->_line);
    splitter->_line = NULL;
}

void
aw_cli_splitter_reset(struct aw_cli_splitter *splitter)
{
    splitter->_len = 0;
}

void
aw_cli_split(void *user, struct aw_slice piece)
{
    struct aw_cli_splitter *splitter = user;

    for (size_t i = 0; i < piece.len && !splitter->is_bad; i++) {
        if (splitter->_len == LINE_BYTES_MAX - 1) {
            splitter->is_bad = true;
            break;
        }
        splitter->_line[splitter->_len++] = piece.ptr[i];
        if (piece.ptr[i] != '\n')
            continue;
        splitter->_line[splitter->_len - 1] = '\0';
        splitter->take(splitter->user, splitter->_line);
        splitter->_len = 0;
    }
    (void)fflush(stdout); /* main looks whether it worked */
}

bool
aw_cli_add_encoded(char *path, size_t room, const char *text)
{
    size_t len = strlen(path);

    for (; *text != '\0'; text++) {
        bool is_plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9') ||
                        strchr("-._~", *text) != NULL;

        if (len + 4 > room)
            return false;
        len += (size_t)snprintf(path + len, room - len, is_plain ? "%c" : "%%%02X", (unsigned char)*text);
    }
    return true;
}

bool
aw_cli_check_name(const struct aw_cli *cli, const char *what, const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    if (name[0] != '\0' && strspn(name, allowed) == strlen(name))
        return true;
    aw_cli_error(cli, "\"%s\" is no %s", name, what);
    return false;
}

#define SEND_PATIENCE_S 60U

json_t *
aw_cli_send(struct aw_cli *cli, const char *method, const char *path, json_t *body, const char *key, int *ret_exit)
{
    struct aw_cli_request     request = {.method = method, .path = path, .type = "application/json"};
    struct aw_exchange_result result;
    char                     *text = json_dumps(body, JSON_COMPACT);
    json_t                   *answer;
    unsigned                  repeats;

    json_decref(body);
    if (text == NULL) {
        aw_cli_error(cli, "that is not UTF-8");
        *ret_exit = AW_CLI_USAGE;
        return NULL;
    }
    request.body = aw_slice_str(text);
    request.field = key == NULL ? NULL : "idempotency-key";
    request.field_value = key;
    (void)aw_cli_ask_patiently(cli, &request, SEND_PATIENCE_S, &result, &repeats);
    free(text);
    *ret_exit = aw_cli_report(cli, &result);
    answer = *ret_exit == AW_CLI_OK ? aw_cli_json(&result) : NULL;
    if (*ret_exit == AW_CLI_OK && answer == NULL)
        *ret_exit = AW_CLI_FAILED;
    return answer;
}
