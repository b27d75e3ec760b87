/* http_rig.h - one session in memory with a peer that says exactly what it is told, byte by byte, and reads every frame.
 *
 * The peer is raw on purpose: a real client library would refuse to send what these tests send. rig_close demands that nothing is
 * left: no request, no block, no allocation. Thread: the test's.
 */
#ifndef AW_TESTS_SUPPORT_HTTP_RIG_H
#define AW_TESTS_SUPPORT_HTTP_RIG_H

#include "support/test.h"

#include "http/edge.h"
#include "http/request.h"
#include "http/session.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#define RIG_STREAMS  4096
#define RIG_HELD     1024
#define RIG_START    (1000 * AW_NS_PER_S)
#define RIG_PREFACE  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define RIG_PATH_MAX 64

/* An allocator that counts, and fails at one allocation. */
struct rig_memory {
    size_t   live;
    uint64_t count;
    uint64_t fail_at; /* this allocation fails; 0: none */
};

static inline bool
rig_memory_fails(struct rig_memory *memory)
{
    return ++memory->count == memory->fail_at;
}

static inline void *
rig_take(size_t size, void *user)
{
    struct rig_memory *memory = user;

    if (rig_memory_fails(memory))
        return NULL;
    memory->live++;
    return malloc(size == 0 ? 1 : size);
}

static inline void
rig_give(void *ptr, void *user)
{
    struct rig_memory *memory = user;

    if (ptr != NULL)
        memory->live--;
    free(ptr);
}

static inline void *
rig_take_zeroed(size_t count, size_t size, void *user)
{
    struct rig_memory *memory = user;

    if (rig_memory_fails(memory))
        return NULL;
    memory->live++;
    return calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
}

static inline void *
rig_resize(void *ptr, size_t size, void *user)
{
    struct rig_memory *memory = user;

    if (rig_memory_fails(memory))
        return NULL;
    if (ptr == NULL)
        memory->live++;
    return realloc(ptr, size == 0 ? 1 : size);
}

/* What the server sent on one stream. */
struct rig_stream {
    int      status; /* of the final answer */
    int      informational;
    size_t   data;
    bool     is_ended;
    bool     is_reset;
    uint32_t reset_code;
    char     body[512]; /* the first bytes */
    char     content_type[64];
    char     retry_after[16];
    char     allow[64];
};

enum rig_mode {
    RIG_ANSWER, /* 200 at once */
    RIG_HOLD,   /* keeps the request in held[] */
    RIG_REFUSE  /* check() says 401 */
};

struct rig {
    struct rig_memory     memory;
    struct aw_http_limits limits;
    struct aw_blocks     *blocks;
    struct aw_edge       *edge;
    struct aw_session    *session;
    aw_ns                 now;
    enum rig_mode         mode;
    struct aw_slice       answer;
    /* The peer. */
    nghttp2_hd_deflater *deflater;
    nghttp2_hd_inflater *inflater;
    uint8_t             *in; /* owns: bytes from the server that are no whole frame yet */
    size_t               in_bytes;
    size_t               in_room;
    bool                 is_deaf; /* does not pull */
    bool                 is_raw;  /* what comes is no HTTP/2 */
    struct rig_stream    streams[RIG_STREAMS];
    uint64_t             frames[256]; /* by type */
    uint64_t             goaways;
    uint32_t             goaway_last[8];
    uint32_t             goaway_code[8];
    uint64_t             pings; /* from the server, not acks */
    uint8_t              ping[8];
    uint8_t              ping_ack[8];
    uint64_t             settings_acks;
    int                  first_type;      /* of all frames; -1 before it */
    size_t               frame_bytes_max; /* payload */
    uint64_t             window_given;    /* of the connection */
    uint32_t             settings[8];
    /* What the handlers saw. */
    uint64_t           requests;
    uint64_t           gone;
    uint64_t           sent;
    uint64_t           drained;
    uint64_t           lost; /* on_sent(false) */
    size_t             held_count;
    struct aw_request *held[RIG_HELD];
    char               path[RIG_PATH_MAX];
    size_t             body_bytes;
    uint64_t           outputs;
};

static inline void
rig_respond(struct rig *rig, struct aw_request *request, uint16_t status)
{
    struct aw_response response = {.status = status, .content_type = AW_SLICE("text/plain"), .body = rig->answer};

    if (status == 204)
        response.body = response.content_type = (struct aw_slice){NULL, 0};
    aw_request_respond(request, &response);
}

static inline void
rig_forget(struct rig *rig, struct aw_request *request)
{
    for (size_t i = 0; i < rig->held_count; i++) {
        if (rig->held[i] == request) {
            rig->held[i] = rig->held[--rig->held_count];
            return;
        }
    }
}

static inline void
rig_on_request(void *user, struct aw_request *request)
{
    struct rig *rig = user;

    rig->requests++;
    snprintf(rig->path, sizeof(rig->path), "%.*s", AW_SLICE_ARGS(request->path));
    rig->body_bytes += request->body.len;
    if (rig->mode == RIG_HOLD) {
        assert_true(rig->held_count < RIG_HELD);
        rig->held[rig->held_count++] = request;
    } else {
        rig_respond(rig, request, 200);
    }
}

static inline void
rig_on_gone(void *user, struct aw_request *request)
{
    struct rig *rig = user;

    rig->gone++;
    assert_true(aw_request_is_gone(request));
    rig_forget(rig, request);
    aw_request_discard(request);
}

static inline void
rig_on_drained(void *user, struct aw_request *request)
{
    struct rig *rig = user;

    (void)request;
    rig->drained++;
}

static inline void
rig_on_sent(void *user, struct aw_request *request, bool delivered)
{
    struct rig *rig = user;

    rig_forget(rig, request);
    if (delivered)
        rig->sent++;
    else
        rig->lost++;
}

static inline enum aw_err
rig_check(void *user, const struct aw_request *request)
{
    struct rig *rig = user;

    (void)request;
    return rig->mode == RIG_REFUSE ? AW_E_UNAUTHORIZED : AW_OK;
}

static inline void
rig_on_output(void *owner)
{
    struct rig *rig = owner;

    rig->outputs++;
}

/* False without memory. */
static inline bool
rig_init(struct rig *rig, const struct aw_http_limits *limits, uint64_t fail_at, size_t blocks_bytes_max)
{
    struct aw_edge_config edge = {.bodies_bytes_max = 512u << 20, .seed = 1};

    memset(rig, 0, sizeof(*rig));
    rig->limits = *limits;
    rig->now = RIG_START;
    rig->first_type = -1;
    rig->answer = AW_SLICE("done\n");
    rig->memory.fail_at = fail_at;
    rig->blocks = aw_blocks_new(AW_HTTP_BLOCK_BYTES, blocks_bytes_max);
    assert_non_null(rig->blocks);
    edge.limits = *limits;
    edge.blocks = rig->blocks;
    edge.handlers = (struct aw_handlers){rig, rig_check, rig_on_request, rig_on_gone, rig_on_sent, rig_on_drained};
    edge.memory = (struct aw_http_memory){&rig->memory, rig_take, rig_give, rig_take_zeroed, rig_resize};
    assert_int_equal(nghttp2_hd_deflate_new(&rig->deflater, 4096), 0);
    assert_int_equal(nghttp2_hd_inflate_new(&rig->inflater), 0);
    return aw_edge_new(&rig->edge, &edge) == AW_OK;
}

static inline bool
rig_start(struct rig *rig)
{
    struct aw_session_config config = {
        .edge = rig->edge,
        .peer = {.address = {1}, .identity = {"spiffe://test", 13}},
        .accept_at = rig->now,
        .owner = rig,
        .on_output = rig_on_output,
    };

    return aw_session_new(&rig->session, &config) == AW_OK;
}

/* Ends everything and demands that nothing is left. */
static inline void
rig_close(struct rig *rig)
{
    aw_session_free(&rig->session);
    assert_int_equal(rig->held_count, 0);
    if (rig->edge != NULL) {
        const struct aw_edge_stats *stats = aw_edge_stats(rig->edge);

        assert_int_equal(stats->sessions_now, 0);
        assert_int_equal(stats->requests_now, 0);
        assert_int_equal(stats->parked_now, 0);
        assert_int_equal(stats->bodies_bytes_now, 0);
        assert_int_equal(rig->requests, rig->gone + rig->sent + rig->lost);
    }
    aw_edge_free(&rig->edge);
    assert_int_equal(aw_blocks_used(rig->blocks), 0);
    assert_int_equal(rig->memory.live, 0);
    aw_blocks_free(&rig->blocks);
    nghttp2_hd_deflate_del(rig->deflater);
    nghttp2_hd_inflate_del(rig->inflater);
    free(rig->in);
}

/* The peer reads ---------------------------------------------------------------------------------------------------------------*/

static inline uint32_t
rig_u32(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void
rig_copy_value(char *to, size_t room, const nghttp2_nv *nv)
{
    size_t len = nv->valuelen < room - 1 ? nv->valuelen : room - 1;

    memcpy(to, nv->value, len);
    to[len] = '\0';
}

static inline bool
rig_name_is(const nghttp2_nv *nv, const char *name)
{
    return nv->namelen == strlen(name) && memcmp(nv->name, name, nv->namelen) == 0;
}

static inline void
rig_read_headers(struct rig *rig, struct rig_stream *stream, const uint8_t *at, size_t len, bool is_last)
{
    for (;;) {
        nghttp2_nv nv;
        int        flags = 0;
        ssize_t    used = nghttp2_hd_inflate_hd2(rig->inflater, &nv, &flags, at, len, is_last);

        assert_true(used >= 0);
        at += used;
        len -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            if (rig_name_is(&nv, ":status")) {
                int status = (nv.value[0] - '0') * 100 + (nv.value[1] - '0') * 10 + (nv.value[2] - '0');

                if (status < 200)
                    stream->informational = status;
                else
                    stream->status = status;
            } else if (rig_name_is(&nv, "content-type")) {
                rig_copy_value(stream->content_type, sizeof(stream->content_type), &nv);
            } else if (rig_name_is(&nv, "retry-after")) {
                rig_copy_value(stream->retry_after, sizeof(stream->retry_after), &nv);
            } else if (rig_name_is(&nv, "allow")) {
                rig_copy_value(stream->allow, sizeof(stream->allow), &nv);
            }
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            nghttp2_hd_inflate_end_headers(rig->inflater);
            return;
        }
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && len == 0)
            return;
    }
}

static inline void
rig_read_frame(struct rig *rig, const uint8_t *head, const uint8_t *payload, size_t len)
{
    uint32_t           number = rig_u32(head + 5) & 0x7fffffff;
    struct rig_stream *stream = &rig->streams[number % RIG_STREAMS];
    uint8_t            type = head[3];
    uint8_t            flags = head[4];

    rig->frames[type]++;
    if (rig->first_type < 0)
        rig->first_type = type;
    if (len > rig->frame_bytes_max)
        rig->frame_bytes_max = len;
    if (type == NGHTTP2_HEADERS) {
        rig_read_headers(rig, stream, payload, len, (flags & NGHTTP2_FLAG_END_HEADERS) != 0);
        stream->is_ended |= (flags & NGHTTP2_FLAG_END_STREAM) != 0;
    } else if (type == NGHTTP2_DATA) {
        if (stream->data + len < sizeof(stream->body))
            memcpy(stream->body + stream->data, payload, len);
        stream->data += len;
        stream->is_ended |= (flags & NGHTTP2_FLAG_END_STREAM) != 0;
    } else if (type == NGHTTP2_RST_STREAM) {
        stream->is_reset = true;
        stream->reset_code = rig_u32(payload);
    } else if (type == NGHTTP2_GOAWAY) {
        rig->goaway_last[rig->goaways % 8] = rig_u32(payload) & 0x7fffffff;
        rig->goaway_code[rig->goaways % 8] = rig_u32(payload + 4);
        rig->goaways++;
    } else if (type == NGHTTP2_PING && (flags & NGHTTP2_FLAG_ACK) == 0) {
        rig->pings++;
        memcpy(rig->ping, payload, 8);
    } else if (type == NGHTTP2_PING) {
        memcpy(rig->ping_ack, payload, 8);
    } else if (type == NGHTTP2_WINDOW_UPDATE && number == 0) {
        rig->window_given += rig_u32(payload);
    } else if (type == NGHTTP2_SETTINGS && (flags & NGHTTP2_FLAG_ACK) == 0) {
        for (size_t i = 0; i + 6 <= len; i += 6)
            rig->settings[payload[i + 1] % 8] = rig_u32(payload + i + 2);
    } else if (type == NGHTTP2_SETTINGS) {
        rig->settings_acks++;
    }
}

static inline void
rig_read_bytes(struct rig *rig, const char *bytes, size_t len)
{
    size_t at = 0;

    if (rig->in_bytes + len > rig->in_room) {
        rig->in_room = (rig->in_bytes + len) * 2;
        rig->in = realloc(rig->in, rig->in_room);
        assert_non_null(rig->in);
    }
    memcpy(rig->in + rig->in_bytes, bytes, len);
    rig->in_bytes += len;
    while (!rig->is_raw && rig->in_bytes - at >= 9) {
        const uint8_t *head = rig->in + at;
        size_t         length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];

        if (rig->in_bytes - at < 9 + length)
            break;
        rig_read_frame(rig, head, head + 9, length);
        at += 9 + length;
    }
    memmove(rig->in, rig->in + at, rig->in_bytes - at);
    rig->in_bytes -= at;
}

/* Pulls everything and reads it. */
static inline void
rig_drain(struct rig *rig)
{
    while (!rig->is_deaf) {
        struct aw_slice piece = aw_session_pull(rig->session, rig->now);
        size_t          len = piece.len;

        if (len == 0)
            return;
        rig_read_bytes(rig, piece.ptr, len);
        aw_session_wrote(rig->session, len, rig->now);
    }
}

/* The peer writes --------------------------------------------------------------------------------------------------------------*/

static inline void
rig_feed(struct rig *rig, const void *bytes, size_t len)
{
    aw_session_feed(rig->session, aw_slice_of(bytes, len), rig->now);
    rig_drain(rig);
}

static inline void
rig_frame_head(uint8_t head[9], uint8_t type, uint8_t flags, uint32_t stream, size_t len)
{
    head[0] = (uint8_t)(len >> 16);
    head[1] = (uint8_t)(len >> 8);
    head[2] = (uint8_t)len;
    head[3] = type;
    head[4] = flags;
    head[5] = (uint8_t)(stream >> 24);
    head[6] = (uint8_t)(stream >> 16);
    head[7] = (uint8_t)(stream >> 8);
    head[8] = (uint8_t)stream;
}

static inline void
rig_frame(struct rig *rig, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len)
{
    uint8_t *frame = malloc(9 + len);

    assert_non_null(frame);
    rig_frame_head(frame, type, flags, stream, len);
    if (len > 0)
        memcpy(frame + 9, payload, len);
    rig_feed(rig, frame, 9 + len);
    free(frame);
}

static inline nghttp2_nv
rig_nv(const char *name, const char *value)
{
    union {
        const char *given;
        uint8_t    *taken;
    } n = {.given = name}, v = {.given = value};

    return (nghttp2_nv){n.taken, v.taken, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* HEADERS of these fields; returns nothing, as all the rig does fails by assertion. */
static inline void
rig_headers(struct rig *rig, uint8_t flags, uint32_t stream, const nghttp2_nv *fields, size_t count)
{
    static uint8_t block[1 << 20];
    ssize_t        len = nghttp2_hd_deflate_hd(rig->deflater, block, sizeof(block), fields, count);
    size_t         at = 0;

    assert_true(len >= 0);
    /* In frames of at most 16 KiB, the last with END_HEADERS. */
    for (bool is_first = true; is_first || at < (size_t)len; is_first = false) {
        size_t  part = (size_t)len - at < 16384 ? (size_t)len - at : 16384;
        uint8_t end = at + part == (size_t)len ? NGHTTP2_FLAG_END_HEADERS : 0;

        rig_frame(rig, is_first ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, (uint8_t)(end | (is_first ? flags : 0)), stream,
                  block + at, part);
        at += part;
    }
}

/* Up to four more fields as name, value pairs, NULL-terminated. */
static inline void
rig_request(struct rig *rig, uint8_t flags, uint32_t stream, const char *method, const char *path, const char *const *more)
{
    nghttp2_nv fields[16];
    size_t     count = 0;

    fields[count++] = rig_nv(":method", method);
    fields[count++] = rig_nv(":scheme", "http");
    fields[count++] = rig_nv(":authority", "localhost");
    fields[count++] = rig_nv(":path", path);
    for (; more != NULL && more[0] != NULL; more += 2) {
        assert_true(count < 16);
        fields[count++] = rig_nv(more[0], more[1]);
    }
    rig_headers(rig, flags, stream, fields, count);
}

#define RIG_FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void
rig_get(struct rig *rig, uint32_t stream, const char *path)
{
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, stream, "GET", path, NULL);
}

static inline void
rig_data(struct rig *rig, uint8_t flags, uint32_t stream, size_t len)
{
    char *bytes = calloc(1, len + 1);

    assert_non_null(bytes);
    memset(bytes, 'x', len);
    for (size_t at = 0; at < len || at == 0; at += 16384) {
        size_t part = len - at < 16384 ? len - at : 16384;

        rig_frame(rig, NGHTTP2_DATA, at + part == len ? flags : 0, stream, bytes + at, part);
        if (len == 0)
            break;
    }
    free(bytes);
}

static inline void
rig_u32_frame(struct rig *rig, uint8_t type, uint32_t stream, uint32_t value)
{
    uint8_t payload[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};

    rig_frame(rig, type, 0, stream, payload, sizeof(payload));
}

/* Preface, SETTINGS, ack: an open connection. `window`: of the peer's streams. */
static inline void
rig_hello(struct rig *rig, uint32_t window)
{
    uint8_t settings[6] = {0,
                           NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                           (uint8_t)(window >> 24),
                           (uint8_t)(window >> 16),
                           (uint8_t)(window >> 8),
                           (uint8_t)window};

    rig_feed(rig, RIG_PREFACE, sizeof(RIG_PREFACE) - 1);
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, settings, sizeof(settings));
    rig_frame(rig, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
}

/* A rig with default limits and an open connection. */
static inline struct rig *
rig_open(enum rig_mode mode)
{
    struct rig           *rig = malloc(sizeof(*rig));
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;

    assert_non_null(rig);
    assert_true(rig_init(rig, &limits, 0, 64u << 20));
    assert_true(rig_start(rig));
    rig->mode = mode;
    rig_hello(rig, 65535);
    return rig;
}

static inline void
rig_end(struct rig **rig)
{
    rig_close(*rig);
    free(*rig);
    *rig = NULL;
}

/* Time passes as with a real loop, which looks once a second whether anything is due. */
static inline void
rig_wait(struct rig *rig, uint64_t seconds)
{
    for (uint64_t i = 0; i < seconds; i++) {
        rig->now += AW_NS_PER_S;
        if (aw_session_next_deadline(rig->session) <= rig->now)
            aw_session_step(rig->session, rig->now);
        rig_drain(rig);
    }
}

static inline uint64_t
rig_cause(const struct rig *rig, enum aw_cause cause)
{
    return aw_edge_stats(rig->edge)->causes[cause];
}

static inline uint64_t
rig_answers(const struct rig *rig, unsigned status)
{
    return aw_edge_stats(rig->edge)->answers[status - AW_STATUS_MIN];
}

/* The connection was ended with this code, for this cause. */
static inline void
rig_assert_ended(struct rig *rig, enum aw_cause cause, uint32_t code)
{
    assert_string_equal(aw_cause_name(aw_session_cause(rig->session)), aw_cause_name(cause));
    assert_true(rig->goaways > 0);
    assert_int_equal(rig->goaway_code[(rig->goaways - 1) % 8], code);
    assert_true(aw_session_is_done(rig->session));
}

#endif
