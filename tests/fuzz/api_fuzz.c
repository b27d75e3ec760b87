/* api_fuzz.c - requests to the whole server: header values, paths, queries and bodies, through the handlers of every route into a
 * state that remembers what was there before, and what comes back.
 *
 * An input is a few requests, with a line `===` between two:
 *
 *   METHOD PATH [ROLE]       ROLE: whose token it shows (gateway, agent, desk, supervisor, monitor); none: no token
 *   name: value              as many fields as there are
 *                            an empty line, then the body
 * In all of it {message}, {ticket}, {lease}, {reply}, {incident}, {change} and {etag} stand for what an answer named last, and {n}
 * for a number that no input had before.
 *
 * Each is sent when the one before is answered. What it proves beyond memory errors and our assertions: everything that does not
 * wait is answered; no answer is 500; what is refused says why, as a problem; what says that it is JSON is JSON; and the client's
 * side finds nothing wrong with the frames and fields of an answer.
 *
 * The server is one for many inputs, with its store in a scratch folder, and is stopped and started on what it left after
 * RUNS_PER_START. So what an input does can depend on those before it: a finding that does not come back alone is looked for with
 * its predecessors, by the corpus in order.
 */
#include "access/line.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/slice.h"
#include "run/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RUNS_PER_START 20000U
#define REQUESTS_MAX   8U
#define FIELDS_MAX     16U
#define REQUEST_BYTES  16384U
#define BODY_BYTES     (256U * 1024U)
#define NAME_BYTES     128U
#define ANSWER_MS      20000 /* of what does not wait */
#define PATIENT_MS     15    /* of what may: then the client leaves */
#define START_MS       60000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A server that runs holds memory by pointers in reserved address space, where the leak sanitizer does not look. */
int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
    return 1;
}

enum known { MESSAGE, TICKET, LEASE, REPLY, INCIDENT, CHANGE, ETAG, KNOWN };

static const char *const known_names[KNOWN] = {"message", "ticket", "lease", "reply", "incident", "change", "etag"};
static const char *const role_names[AW_TOKEN_ROLES] = {"gateway", "agent", "desk", "supervisor", "monitor"};

static struct {
    pthread_t          thread;
    struct aw_settings settings;
    char               folder[256];
    int                port;
    uint64_t           runs;
    uint64_t           requests;
    char               known[KNOWN][NAME_BYTES];
} server;

struct request {
    char   method[16];
    char   path[REQUEST_BYTES];
    char   fields[REQUEST_BYTES]; /* name NUL value NUL, as often */
    size_t field_at[FIELDS_MAX];
    size_t fields_len;
    size_t field_count;
    char   body[REQUEST_BYTES];
    size_t body_len;
    size_t body_sent;
    char   token[AW_TOKEN_SECRET_CHARS + 8];
    bool   has_type;
};

/* What came of one. */
struct answer {
    int32_t  stream;
    unsigned status;
    char     type[64];
    char    *body; /* owns */
    size_t   len;
    bool     is_cut; /* longer than there is room */
    bool     is_whole;
    bool     is_closed;
};

struct link {
    int              fd; /* -1: none */
    nghttp2_session *h2;
    struct request   request;
    struct answer    answer;
};

static struct link link_ = {.fd = -1};

/* --- the server ----------------------------------------------------------------------------------------------------------- */

static void
secret_of(enum aw_token_role role, char secret[AW_TOKEN_SECRET_CHARS + 1])
{
    AW_ASSERT(snprintf(secret, AW_TOKEN_SECRET_CHARS + 1, "aswolk_%064x", (unsigned)role + 1) == (int)AW_TOKEN_SECRET_CHARS);
}

static void
write_file(const char *name, const char *text)
{
    char  path[300];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", server.folder, name);
    file = fopen(path, "we");
    AW_ASSERT(file != NULL);
    AW_ASSERT(fputs(text, file) >= 0);
    AW_ASSERT(fflush(file) == 0);
    (void)fclose(file); /* flushed */
    AW_ASSERT(chmod(path, 0600) == 0);
}

static void
write_tokens(void)
{
    char   text[2048];
    size_t len = 0;

    for (unsigned role = 0; role < AW_TOKEN_ROLES; role++) {
        char             secret[AW_TOKEN_SECRET_CHARS + 1], hash[2 * sizeof(struct aw_sha256) + 1];
        struct aw_sha256 sum;
        bool             is_hashed;

        secret_of((enum aw_token_role)role, secret);
        is_hashed = aw_token_hash_secret(aw_slice_str(secret), &sum);
        AW_ASSERT(is_hashed);
        for (size_t i = 0; i < sizeof(sum.bytes); i++)
            (void)snprintf(hash + 2 * i, 3, "%02x", sum.bytes[i]);
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "{\"name\":\"%s\",\"role\":\"%s\",\"hash\":\"%s\",\"made_at\":\"2026-04-15T08:00:00Z\"}\n",
                                role_names[role], role_names[role], hash);
    }
    AW_ASSERT(len < sizeof(text));
    write_file("tokens", text);
}

static int
free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t          len = sizeof(address);
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    AW_ASSERT(fd >= 0 && bind(fd, (const struct sockaddr *)&address, len) == 0);
    AW_ASSERT(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void *
serve(void *unused)
{
    struct aw_why why = {""};
    enum aw_err   err = aw_server_run(&server.settings, &why);

    (void)unused;
    if (err != AW_OK)
        fprintf(stderr, "the server ended: %s\n", why.text);
    AW_ASSERT(err == AW_OK);
    return NULL;
}

static void
start_server(void)
{
    static char   texts[7][400];
    static char   flags[][40] = {"--dev",
                                 "--tls-listen=",
                                 "--log-level=error",
                                 "--io-threads=1",
                                 "--reader-threads=1",
                                 "--forecast-every-s=1",
                                 "--tickets-max=20000",
                                 "--identities-max=20000",
                                 "--ids-max=100000",
                                 "--leases-max=4000",
                                 "--idempotency-keys-max=20000",
                                 "--facts-max=40000",
                                 "--replies-max=20000",
                                 "--contacts-max=20000",
                                 "--lanes-max=64",
                                 "--agents-max=256",
                                 "--flights-max=256",
                                 "--requests-max=1024",
                                 "--checkpoint-bytes=1048576",
                                 "--memory-bytes-max=268435456",
                                 "--bodies-bytes-max=67108864",
                                 "--store-bytes-max=1073741824",
                                 "--store-reserve-bytes=16777216",
                                 "--http-resets-burst=1000",
                                 "--http-resets-per-s=33",
                                 "--http-glitches-burst=10000",
                                 "--http-glitches-per-s=1000",
                                 "--drain-s=2"};
    char         *argv[AW_ARRAY_LEN(flags) + 8];
    int           argc = 0;
    struct aw_why why = {""};
    enum aw_err   err;

    server.port = free_port();
    (void)snprintf(texts[0], sizeof(texts[0]), "aswolkd");
    (void)snprintf(texts[1], sizeof(texts[1]), "--data=%s/data", server.folder);
    (void)snprintf(texts[2], sizeof(texts[2]), "--listen=127.0.0.1:%d", server.port);
    (void)snprintf(texts[3], sizeof(texts[3]), "--tokens=%s/tokens", server.folder);
    (void)snprintf(texts[4], sizeof(texts[4]), "--rules=%s/rules", server.folder);
    for (int i = 0; i < 5; i++)
        argv[argc++] = texts[i];
    for (size_t i = 0; i < AW_ARRAY_LEN(flags); i++)
        argv[argc++] = flags[i];
    argv[argc] = NULL;
    aw_settings_init(&server.settings);
    err = aw_settings_parse(&server.settings, argc, argv, &why);
    if (err == AW_OK)
        err = aw_settings_check(&server.settings, &why);
    if (err != AW_OK)
        fprintf(stderr, "%s\n", why.text);
    AW_ASSERT(err == AW_OK);
    AW_ASSERT(pthread_create(&server.thread, NULL, serve, NULL) == 0);
}

static void
stop_server(void)
{
    AW_ASSERT(kill(getpid(), SIGTERM) == 0); /* its loop watches for that */
    AW_ASSERT(pthread_join(server.thread, NULL) == 0);
    aw_settings_fini(&server.settings);
}

static int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

/* At the end of the process. */
static void
end_server(void)
{
    stop_server();
    (void)nftw(server.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
prepare(void)
{
    const char *base = getenv("TMPDIR");
    char        path[300];

    if (server.folder[0] != '\0')
        return;
    /* Memory, where there is some: what a flush costs teaches nothing here. */
    if (access("/dev/shm", W_OK) == 0)
        base = "/dev/shm";
    (void)snprintf(server.folder, sizeof(server.folder), "%s/aswolk-api-XXXXXX", base == NULL ? P_tmpdir : base);
    AW_ASSERT(aw_hash_init() && mkdtemp(server.folder) != NULL);
    (void)snprintf(path, sizeof(path), "%s/rules", server.folder);
    AW_ASSERT(mkdir(path, 0700) == 0);
    (void)snprintf(path, sizeof(path), "%s/rules/replies", server.folder);
    AW_ASSERT(mkdir(path, 0700) == 0);
    /* Few words, as a compiler under sanitizers is slow. */
    write_file("rules/few.rules", "language en\nrule a care medical\nsay ill\n+ I am ill\n- I am well\n");
    write_file("rules/replies/few.rules", "language en\nrule line refer phone\nsay our hotline\n+ our hotline\n- our line\n");
    write_tokens();
    AW_ASSERT(atexit(end_server) == 0);
    start_server();
}

/* --- reading the input ---------------------------------------------------------------------------------------------------- */

static const char *
value_of(struct aw_slice name, char number[32])
{
    if (aw_slice_eq(name, AW_SLICE("n"))) {
        (void)snprintf(number, 32, "%llu", (unsigned long long)++server.requests);
        return number;
    }
    for (unsigned i = 0; i < KNOWN; i++) {
        if (aw_slice_eq(name, aw_slice_str(known_names[i])))
            return server.known[i];
    }
    return NULL;
}

/* Copies with what {name} stands for; what does not fit is left away. */
static size_t
put_in(struct aw_slice text, char *to, size_t room)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len && len < room; i++) {
        const char *end = text.ptr[i] == '{' ? memchr(text.ptr + i, '}', text.len - i) : NULL;
        char        number[32];
        const char *value =
            end == NULL ? NULL : value_of(aw_slice_of(text.ptr + i + 1, (size_t)(end - text.ptr) - i - 1), number);

        if (value == NULL) {
            to[len++] = text.ptr[i];
            continue;
        }
        for (; *value != '\0' && len < room; value++)
            to[len++] = *value;
        i = (size_t)(end - text.ptr);
    }
    return len;
}

static void
take_first(struct request *request, struct aw_slice line)
{
    struct aw_slice method = aw_slice_cut(&line, ' ');
    struct aw_slice path = aw_slice_cut(&line, ' ');
    size_t          len = method.len < sizeof(request->method) - 1 ? method.len : sizeof(request->method) - 1;

    if (len > 0)
        memcpy(request->method, method.ptr, len);
    request->path[put_in(path, request->path, sizeof(request->path) - 1)] = '\0';
    for (unsigned role = 0; role < AW_TOKEN_ROLES; role++) {
        if (aw_slice_eq(line, aw_slice_str(role_names[role]))) {
            memcpy(request->token, "Bearer ", 7);
            secret_of((enum aw_token_role)role, request->token + 7);
        }
    }
}

static void
take_field(struct request *request, struct aw_slice line)
{
    struct aw_slice name = aw_slice_cut(&line, ':');
    char           *to = request->fields + request->fields_len;
    size_t          room = sizeof(request->fields) - request->fields_len;
    size_t          len;

    if (request->field_count == FIELDS_MAX || name.len == 0 || name.len + 2 >= room)
        return;
    if (line.len > 0 && line.ptr[0] == ' ')
        line = aw_slice_of(line.ptr + 1, line.len - 1);
    memcpy(to, name.ptr, name.len);
    to[name.len] = '\0';
    len = line.len == 0 ? 0 : put_in(line, to + name.len + 1, room - name.len - 2);
    to[name.len + 1 + len] = '\0';
    request->field_at[request->field_count++] = request->fields_len;
    request->fields_len += name.len + len + 2;
    request->has_type = request->has_type || strcmp(to, "content-type") == 0;
}

/* The next of the input. False: there is none. */
static bool
take_request(struct aw_slice *input, struct request *request)
{
    const char     *end = input->len == 0 ? NULL : memmem(input->ptr, input->len, "\n===\n", 5);
    struct aw_slice text = end == NULL ? *input : aw_slice_of(input->ptr, (size_t)(end - input->ptr));
    struct aw_slice line;

    if (input->len == 0)
        return false;
    *input = end == NULL ? (struct aw_slice){NULL, 0} : aw_slice_of(end + 5, input->len - text.len - 5);
    *request = (struct request){.method = ""};
    take_first(request, aw_slice_cut(&text, '\n'));
    while (text.ptr != NULL) {
        line = aw_slice_cut(&text, '\n');
        if (line.len == 0)
            break;
        take_field(request, line);
    }
    if (text.ptr != NULL && text.len > 0)
        request->body_len = put_in(text, request->body, sizeof(request->body));
    return true;
}

/* --- the client ----------------------------------------------------------------------------------------------------------- */

static int
on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
          size_t value_len, uint8_t flags, void *user)
{
    struct answer  *answer = &((struct link *)user)->answer;
    struct aw_slice field = aw_slice_of(name, name_len), text = value_len == 0 ? AW_SLICE("") : aw_slice_of(value, value_len);
    uint64_t        status;

    (void)h2;
    (void)flags;
    if (frame->hd.stream_id != answer->stream)
        return 0;
    if (aw_slice_eq(field, AW_SLICE(":status"))) {
        AW_ASSERT(aw_slice_to_u64(text, 599, &status) && status >= 100);
        answer->status = (unsigned)status;
    } else if (aw_slice_eq(field, AW_SLICE("content-type"))) {
        (void)snprintf(answer->type, sizeof(answer->type), "%.*s", (int)text.len, text.ptr);
    } else if (aw_slice_eq(field, AW_SLICE("etag"))) {
        (void)snprintf(server.known[ETAG], NAME_BYTES, "%.*s", (int)text.len, text.ptr);
    }
    return 0;
}

static int
on_chunk(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *user)
{
    struct answer *answer = &((struct link *)user)->answer;
    size_t         room = BODY_BYTES - answer->len;

    (void)h2;
    (void)flags;
    if (stream != answer->stream)
        return 0;
    answer->is_cut = answer->is_cut || len > room;
    memcpy(answer->body + answer->len, data, len < room ? len : room);
    answer->len += len < room ? len : room;
    return 0;
}

static int
on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct answer *answer = &((struct link *)user)->answer;

    (void)h2;
    if (frame->hd.stream_id == answer->stream && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        answer->is_whole = true;
    return 0;
}

static int
on_close(nghttp2_session *h2, int32_t stream, uint32_t code, void *user)
{
    struct answer *answer = &((struct link *)user)->answer;

    (void)h2;
    (void)code;
    if (stream == answer->stream)
        answer->is_closed = true;
    return 0;
}

static int
on_invalid_frame(nghttp2_session *h2, const nghttp2_frame *frame, int code, void *user)
{
    (void)h2;
    (void)user;
    fprintf(stderr, "the server sent a frame of type %d that is wrong: %s\n", frame->hd.type, nghttp2_strerror(code));
    AW_UNREACHABLE();
}

static int
on_invalid_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
                  size_t value_len, uint8_t flags, void *user)
{
    (void)h2;
    (void)frame;
    (void)flags;
    (void)user;
    fprintf(stderr, "the server sent a field that is wrong: %.*s: %.*s\n", (int)name_len, name, (int)value_len, value);
    AW_UNREACHABLE();
}

static ssize_t
read_body(nghttp2_session *h2, int32_t stream, uint8_t *to, size_t room, uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct request *request = &((struct link *)user)->request;
    size_t          left = request->body_len - request->body_sent;
    size_t          len = left < room ? left : room;

    (void)h2;
    (void)stream;
    (void)source;
    memcpy(to, request->body + request->body_sent, len);
    request->body_sent += len;
    if (request->body_sent == request->body_len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static void
leave(struct link *link)
{
    if (link->fd >= 0)
        (void)close(link->fd);
    nghttp2_session_del(link->h2);
    link->h2 = NULL;
    link->fd = -1;
}

static void
sleep_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void
join(struct link *link)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)server.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    nghttp2_settings_entry     settings = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24};
    nghttp2_session_callbacks *callbacks;
    int                        one = 1, waited = 0;

    while (link->fd < 0) { /* a server that starts does not listen yet */
        link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        AW_ASSERT(link->fd >= 0);
        if (connect(link->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
            break;
        (void)close(link->fd);
        link->fd = -1;
        sleep_ms(10);
        waited += 10;
        AW_ASSERT(waited < START_MS);
    }
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* only for speed */
    AW_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    AW_ASSERT(nghttp2_session_client_new(&link->h2, callbacks, link) == 0);
    nghttp2_session_callbacks_del(callbacks);
    AW_ASSERT(nghttp2_submit_settings(link->h2, NGHTTP2_FLAG_NONE, &settings, 1) == 0);
    AW_ASSERT(nghttp2_session_set_local_window_size(link->h2, NGHTTP2_FLAG_NONE, 0, 1 << 26) == 0);
}

/* False: the connection is gone. */
static bool
flush(struct link *link)
{
    const uint8_t *bytes;
    ssize_t        len;

    while ((len = nghttp2_session_mem_send(link->h2, &bytes)) > 0) {
        while (len > 0) {
            ssize_t n = send(link->fd, bytes, (size_t)len, MSG_NOSIGNAL);

            if (n <= 0)
                return false;
            bytes += n;
            len -= n;
        }
    }
    return len == 0;
}

/* One round of reading. False: the connection is gone. */
static bool
turn(struct link *link, int timeout_ms)
{
    struct pollfd poll_ = {.fd = link->fd, .events = POLLIN};
    uint8_t       bytes[16384];
    ssize_t       n;

    if (!flush(link))
        return false;
    if (poll(&poll_, 1, timeout_ms) <= 0)
        return true;
    n = recv(link->fd, bytes, sizeof(bytes), 0);
    if (n <= 0 || nghttp2_session_mem_recv(link->h2, bytes, (size_t)n) != n)
        return false;
    return flush(link) && (nghttp2_session_want_read(link->h2) != 0 || nghttp2_session_want_write(link->h2) != 0);
}

static nghttp2_nv
field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

static bool
submit(struct link *link)
{
    struct request       *request = &link->request;
    nghttp2_data_provider body = {.read_callback = read_body};
    nghttp2_nv            fields[FIELDS_MAX + 6];
    size_t                count = 0;

    fields[count++] = field(":method", request->method);
    fields[count++] = field(":scheme", "http");
    fields[count++] = field(":authority", "a");
    fields[count++] = field(":path", request->path);
    if (request->token[0] != '\0')
        fields[count++] = field("authorization", request->token);
    if (!request->has_type && request->body_len > 0)
        fields[count++] = field("content-type", "application/json");
    for (size_t i = 0; i < request->field_count; i++) {
        const char *name = request->fields + request->field_at[i];

        fields[count++] = field(name, name + strlen(name) + 1);
    }
    link->answer = (struct answer){.body = link->answer.body};
    link->answer.stream = nghttp2_submit_request(link->h2, NULL, fields, count, request->body_len > 0 ? &body : NULL, NULL);
    return link->answer.stream > 0;
}

/* What may wait as long as it likes. */
static bool
is_patient(const struct request *request)
{
    return strncmp(request->path, "/v1/stream", 10) == 0 || strncmp(request->path, "/v1/events", 10) == 0 ||
           strncmp(request->path, "/v1/leases", 10) == 0 || strncmp(request->path, "/v1/replies/leases", 18) == 0;
}

static uint64_t
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* can't fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* False: the connection is gone. */
static bool
exchange(struct link *link)
{
    bool     may_wait = is_patient(&link->request);
    uint64_t until = now_ms() + (may_wait ? PATIENT_MS : ANSWER_MS);

    if (link->fd < 0)
        join(link);
    if (link->answer.body == NULL)
        link->answer.body = malloc(BODY_BYTES + 1);
    AW_ASSERT(link->answer.body != NULL);
    if (!submit(link))
        return false;
    while (!link->answer.is_closed && now_ms() < until) {
        if (!turn(link, may_wait ? 1 : 1000))
            return false;
    }
    if (link->answer.is_closed)
        return true;
    if (!may_wait)
        fprintf(stderr, "no answer: %s %s\n", link->request.method, link->request.path);
    AW_ASSERT(may_wait);
    AW_ASSERT(nghttp2_submit_rst_stream(link->h2, NGHTTP2_FLAG_NONE, link->answer.stream, NGHTTP2_CANCEL) == 0);
    return flush(link);
}

/* --- looking at the answer -------------------------------------------------------------------------------------------------- */

/* "ticket":"..." and the like, wherever. */
static void
learn(const char *body)
{
    for (unsigned i = 0; i < ETAG; i++) {
        char        key[32];
        const char *at, *end;

        (void)snprintf(key, sizeof(key), "\"%s\":\"", known_names[i]);
        at = strstr(body, key);
        end = at == NULL ? NULL : strchr(at + strlen(key), '"');
        if (end != NULL && (size_t)(end - at) - strlen(key) < NAME_BYTES)
            (void)snprintf(server.known[i], NAME_BYTES, "%.*s", (int)(end - at - (ptrdiff_t)strlen(key)), at + strlen(key));
    }
}

static void
check(const struct link *link)
{
    const struct answer *answer = &link->answer;
    bool                 is_head = strcmp(link->request.method, "HEAD") == 0;
    json_t              *json;

    if (answer->status == 0)
        return; /* a reset: the request was none */
    if (answer->status == 500)
        fprintf(stderr, "500: %s %s\n", link->request.method, link->request.path);
    AW_ASSERT(answer->status != 500);
    AW_IMPLIES(answer->status >= 400, strncmp(answer->type, "application/problem+", 20) == 0);
    if (!answer->is_whole || answer->is_cut || is_head)
        return;
    answer->body[answer->len] = '\0';
    if (strcmp(answer->type, "application/json") == 0 || strcmp(answer->type, "application/problem+json") == 0) {
        json = json_loadb(answer->body, answer->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (json == NULL)
            fprintf(stderr, "no JSON: %s\n", answer->body);
        AW_ASSERT(json != NULL);
        AW_IMPLIES(answer->status >= 400, json_integer_value(json_object_get(json, "status")) == answer->status);
        AW_IMPLIES(answer->status >= 400, json_is_string(json_object_get(json, "title")));
        json_decref(json);
    }
    if (memchr(answer->body, '\0', answer->len) == NULL)
        learn(answer->body);
}

/* Until it answers what it was asked, not that it is starting. */
static void
wait_until_ready(struct link *link)
{
    for (int waited = 0; link->answer.status != 200; waited += 10) {
        link->request = (struct request){.method = "GET", .path = "/readyz", .token = "Bearer "};
        secret_of(AW_TOKEN_MONITOR, link->request.token + 7);
        AW_ASSERT(waited < START_MS);
        if (!exchange(link))
            leave(link);
        else if (link->answer.status != 200)
            sleep_ms(10);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aw_slice input = size == 0 ? (struct aw_slice){NULL, 0} : aw_slice_of(data, size);

    prepare();
    if (++server.runs % RUNS_PER_START == 0) {
        leave(&link_);
        stop_server();
        start_server();
    }
    if (server.runs % RUNS_PER_START == 0 || server.runs == 1) {
        link_.answer.status = 0;
        wait_until_ready(&link_);
    }
    for (unsigned i = 0; i < REQUESTS_MAX && take_request(&input, &link_.request); i++) {
        if (exchange(&link_))
            check(&link_);
        else
            leave(&link_);
    }
    return 0;
}
