/* Proves that a real client library gets along with a session: a hundred streams at once, large bodies and answers under flow
 * control in both directions, early answers, a drain while requests are open. How: a client session of nghttp2 and ours exchange
 * bytes in memory, in pieces of random sizes. */
#include "support/random.h"

#include "http/edge.h"
#include "http/session.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#define CALLS 400

struct call {
    int32_t  stream;
    size_t   to_send;
    size_t   given;
    size_t   received;
    int      status;
    bool     is_closed;
    uint32_t code;
};

struct pair {
    struct aw_blocks  *blocks;
    struct aw_edge    *edge;
    struct aw_session *server;
    nghttp2_session   *client;
    struct random      random;
    aw_ns              now;
    struct call        calls[CALLS];
    size_t             call_count;
    /* Handler. */
    size_t             answer_bytes;
    bool               is_holding;
    struct aw_request *held[CALLS];
    size_t             held_count;
    size_t             requests;
    size_t             sent;
    size_t             lost;
    size_t             body_bytes;
};

static char pattern[1 << 20];

static void
respond(struct pair *pair, struct aw_request *request)
{
    struct aw_response response = {.status = 200, .content_type = AW_SLICE("application/octet-stream")};

    response.body = aw_slice_of(pattern, pair->answer_bytes);
    aw_request_respond(request, &response);
}

static void
on_request(void *user, struct aw_request *request)
{
    struct pair *pair = user;

    pair->requests++;
    pair->body_bytes += request->body.len;
    assert_memory_equal(request->body.len == 0 ? "" : request->body.ptr, pattern, request->body.len);
    if (pair->is_holding)
        pair->held[pair->held_count++] = request;
    else
        respond(pair, request);
}

static void
on_gone(void *user, struct aw_request *request)
{
    (void)user;
    aw_request_discard(request);
}

static void
on_sent(void *user, struct aw_request *request, bool delivered)
{
    struct pair *pair = user;

    (void)request;
    if (delivered)
        pair->sent++;
    else
        pair->lost++;
}

static struct call *
find_call(struct pair *pair, int32_t stream)
{
    for (size_t i = 0; i < pair->call_count; i++) {
        if (pair->calls[i].stream == stream)
            return &pair->calls[i];
    }
    return NULL;
}

static int
client_on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
                 size_t value_len, uint8_t flags, void *user)
{
    struct call *call = find_call(user, frame->hd.stream_id);

    (void)h2;
    (void)flags;
    if (call != NULL && name_len == 7 && memcmp(name, ":status", 7) == 0 && value_len == 3)
        call->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + value[2] - '0';
    return 0;
}

static int
client_on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *user)
{
    struct call *call = find_call(user, stream);

    (void)h2;
    (void)flags;
    AW_ASSERT(call != NULL);
    if (call->status == 200)
        assert_memory_equal(data, pattern + call->received, len);
    call->received += len;
    return 0;
}

static int
client_on_close(nghttp2_session *h2, int32_t stream, uint32_t code, void *user)
{
    struct call *call = find_call(user, stream);

    (void)h2;
    AW_ASSERT(call != NULL);
    call->is_closed = true;
    call->code = code;
    return 0;
}

static ssize_t
client_read_body(nghttp2_session *h2, int32_t stream, uint8_t *buf, size_t length, uint32_t *flags, nghttp2_data_source *source,
                 void *user)
{
    struct call *call = source->ptr;

    (void)h2;
    (void)stream;
    (void)user;
    if (length > call->to_send)
        length = call->to_send;
    memcpy(buf, pattern + call->given, length);
    call->given += length;
    call->to_send -= length;
    if (call->to_send == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)length;
}

static struct pair *
pair_new(const struct aw_http_limits *limits)
{
    struct pair               *pair = calloc(1, sizeof(*pair));
    struct aw_edge_config      config = {.limits = *limits, .bodies_bytes_max = 512u << 20};
    nghttp2_session_callbacks *callbacks;

    assert_non_null(pair);
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)(i * 7 + i / 251);
    pair->random = random_of(random_seed(17));
    pair->now = AW_NS_PER_S;
    pair->answer_bytes = 200;
    pair->blocks = aw_blocks_new(AW_HTTP_BLOCK_BYTES, 64 << 20);
    config.blocks = pair->blocks;
    config.handlers = (struct aw_handlers){pair, NULL, on_request, on_gone, on_sent, NULL};
    assert_int_equal(aw_edge_new(&pair->edge, &config), AW_OK);
    assert_int_equal(aw_session_new(&pair->server, &(struct aw_session_config){.edge = pair->edge, .accept_at = pair->now}),
                     AW_OK);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_on_close);
    assert_int_equal(nghttp2_session_client_new(&pair->client, callbacks, pair), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(pair->client, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    return pair;
}

static void
pair_free(struct pair *pair)
{
    const struct aw_edge_stats *stats = aw_edge_stats(pair->edge);

    nghttp2_session_del(pair->client);
    aw_session_free(&pair->server);
    assert_int_equal(stats->requests_now, 0);
    assert_int_equal(stats->bodies_bytes_now, 0);
    aw_edge_free(&pair->edge);
    assert_int_equal(aw_blocks_used(pair->blocks), 0);
    aw_blocks_free(&pair->blocks);
    free(pair);
}

/* Client to server, in pieces. Whether anything moved. */
static bool
move_up(struct pair *pair)
{
    const uint8_t *bytes;
    ssize_t        len = nghttp2_session_mem_send(pair->client, &bytes);

    assert_true(len >= 0);
    for (size_t at = 0; at < (size_t)len;) {
        size_t part = 1 + random_below(&pair->random, 3000);

        if (part > (size_t)len - at)
            part = (size_t)len - at;
        aw_session_feed(pair->server, aw_slice_of(bytes + at, part), pair->now);
        at += part;
    }
    return len > 0;
}

static bool
move_down(struct pair *pair)
{
    struct aw_slice bytes = aw_session_pull(pair->server, pair->now);
    size_t          len = bytes.len;
    union {
        const char    *given;
        const uint8_t *taken;
    } ptr = {.given = bytes.ptr};

    if (len > 0)
        assert_int_equal(nghttp2_session_mem_recv(pair->client, ptr.taken, len), (ssize_t)len);
    aw_session_wrote(pair->server, len, pair->now);
    return len > 0;
}

static void
run(struct pair *pair)
{
    bool is_moving = true;

    while (is_moving) {
        is_moving = move_up(pair);
        aw_session_step(pair->server, pair->now);
        while (move_down(pair))
            is_moving = true;
    }
}

static nghttp2_nv
nv(const char *name, const char *value)
{
    union {
        const char *given;
        uint8_t    *taken;
    } n = {.given = name}, v = {.given = value};

    return (nghttp2_nv){n.taken, v.taken, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static struct call *
post(struct pair *pair, size_t bytes, bool has_length)
{
    char                  length[24];
    nghttp2_nv            fields[5] = {nv(":method", "POST"), nv(":scheme", "http"), nv(":authority", "localhost"),
                                       nv(":path", "/v1/messages")};
    struct call          *call = &pair->calls[pair->call_count++];
    nghttp2_data_provider body = {.source.ptr = call, .read_callback = client_read_body};

    snprintf(length, sizeof(length), "%zu", bytes);
    fields[4] = nv("content-length", length);
    call->to_send = bytes;
    call->stream = nghttp2_submit_request(pair->client, NULL, fields, has_length ? 5 : 4, &body, NULL);
    assert_true(call->stream > 0);
    return call;
}

static void
many_streams(void **state)
{
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;
    struct pair          *pair = pair_new(&limits);
    size_t                bytes = 0;

    (void)state;
    for (size_t i = 0; i < CALLS; i++) {
        size_t len = random_below(&pair->random, 900);

        post(pair, len, i % 2 == 0);
        bytes += len;
    }
    run(pair);
    assert_int_equal(pair->requests, CALLS);
    assert_int_equal(pair->sent, CALLS);
    assert_int_equal(pair->body_bytes, bytes);
    for (size_t i = 0; i < CALLS; i++) {
        assert_int_equal(pair->calls[i].status, 200);
        assert_int_equal(pair->calls[i].received, 200);
        assert_true(pair->calls[i].is_closed);
        assert_int_equal(pair->calls[i].code, NGHTTP2_NO_ERROR);
    }
    pair_free(pair);
}

static void
large_bodies_and_answers(void **state)
{
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;
    struct pair          *pair = pair_new(&limits);

    (void)state;
    pair->answer_bytes = sizeof(pattern);
    for (size_t i = 0; i < 3; i++)
        post(pair, sizeof(pattern), i % 2 == 0);
    run(pair);
    assert_int_equal(pair->sent, 3);
    assert_int_equal(pair->body_bytes, 3 * sizeof(pattern));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pair->calls[i].received, sizeof(pattern));
    pair_free(pair);
}

/* More is uploaded at once than may be held: some finish, the rest is told to come back; nothing hangs. */
static void
more_than_fits(void **state)
{
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;
    struct pair          *pair = pair_new(&limits);
    size_t                done = 0;

    (void)state;
    for (size_t i = 0; i < 20; i++)
        post(pair, 800000, i % 2 == 0);
    for (int second = 0; second < 60; second++) {
        run(pair);
        assert_true(aw_edge_stats(pair->edge)->bodies_bytes_now <= limits.bodies_bytes_max);
        pair->now += AW_NS_PER_S;
        aw_session_step(pair->server, pair->now);
    }
    for (size_t i = 0; i < 20; i++) {
        assert_true(pair->calls[i].is_closed);
        assert_true(pair->calls[i].status == 200 || pair->calls[i].status == 503);
        done += pair->calls[i].status == 200;
    }
    assert_in_range(done, 1, 20);
    assert_int_equal(done, pair->sent);
    pair_free(pair);
}

static void
too_large_is_told_early(void **state)
{
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;
    struct pair          *pair = pair_new(&limits);

    (void)state;
    post(pair, 900000, false);
    post(pair, 1048577, true);
    pair->calls[1].to_send = 1000000; /* it would begin in any case */
    run(pair);
    assert_int_equal(pair->calls[1].status, 413);
    assert_false(pair->calls[1].is_closed);
    pair->now += AW_NS_PER_S;
    run(pair);
    assert_int_equal(pair->calls[0].status, 200);
    assert_true(pair->calls[1].is_closed);
    assert_int_equal(pair->requests, 1);
    pair_free(pair);
}

static void
drain_while_open(void **state)
{
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;
    struct pair          *pair = pair_new(&limits);

    (void)state;
    pair->is_holding = true;
    for (size_t i = 0; i < 10; i++)
        post(pair, 10, true);
    run(pair);
    assert_int_equal(pair->held_count, 10);
    aw_session_shutdown(pair->server, pair->now);
    run(pair); /* the library answers the PING between the GOAWAYs */
    assert_false(aw_session_is_done(pair->server));
    assert_int_equal(nghttp2_session_check_request_allowed(pair->client), 0);
    for (size_t i = 0; i < 10; i++)
        respond(pair, pair->held[i]);
    run(pair);
    assert_int_equal(pair->sent, 10);
    assert_true(aw_session_is_done(pair->server));
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(pair->calls[i].status, 200);
    pair_free(pair);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_streams),     cmocka_unit_test(large_bodies_and_answers),
        cmocka_unit_test(more_than_fits),   cmocka_unit_test(too_large_is_told_early),
        cmocka_unit_test(drain_while_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
