/* Proves that a connection moves bytes between a socket and its session under the rules of an event loop: bounded turns, output
 * only as the socket takes it, answers that wake the loop, deadlines, and an end in which the peer still reads the last GOAWAY.
 * With and without TLS. How: a socket pair, a client library at the other end, time as an argument. */
#include "support/http_pki.h"

#include "http/conn.h"
#include "http/tls.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define HELD 64

struct wire {
    struct aw_blocks *blocks;
    struct aw_edge   *edge;
    struct aw_conn   *conn;
    SSL_CTX          *server_ctx;
    SSL_CTX          *client_ctx;
    aw_ns             now;
    enum aw_turn      turn;
    bool              is_closed; /* the connection was freed */
    enum aw_cause     cause;
    /* Handlers. */
    bool               is_holding;
    struct aw_request *held[HELD];
    size_t             held_count;
    size_t             requests;
    size_t             gone;
    size_t             sent;
    size_t             lost;
    size_t             wakes;
    size_t             known;
    size_t             answer_bytes;
    char               identity[64];
    bool               was_tls;
    /* The client. */
    int              fd;
    SSL             *ssl;
    nghttp2_session *h2;
    size_t           answers;
    size_t           received;
    size_t           goaways;
    bool             is_eof;
    bool             is_deaf;
};

static char answer_text[4 << 20];

static void
respond(struct wire *wire, struct aw_request *request)
{
    struct aw_response response = {.status = 200, .body = aw_slice_of(answer_text, wire->answer_bytes)};

    aw_request_respond(request, &response);
}

static void
on_request(void *user, struct aw_request *request)
{
    struct wire *wire = user;

    wire->requests++;
    wire->was_tls = request->peer.is_tls;
    snprintf(wire->identity, sizeof(wire->identity), "%.*s", AW_SLICE_ARGS(request->peer.identity));
    if (aw_slice_eq(request->path, AW_SLICE("/known")))
        aw_request_mark_known(request);
    if (wire->is_holding)
        wire->held[wire->held_count++] = request;
    else
        respond(wire, request);
}

static void
on_gone(void *user, struct aw_request *request)
{
    struct wire *wire = user;

    wire->gone++;
    aw_request_discard(request);
}

static void
on_sent(void *user, struct aw_request *request, bool delivered)
{
    struct wire *wire = user;

    (void)request;
    if (delivered)
        wire->sent++;
    else
        wire->lost++;
}

static void
on_wake(void *owner, struct aw_conn *conn)
{
    struct wire *wire = owner;

    assert_ptr_equal(conn, wire->conn);
    assert_ptr_equal(aw_conn_owner(conn), wire);
    wire->wakes++;
}

static void
on_known(void *owner, struct aw_conn *conn)
{
    struct wire *wire = owner;

    assert_ptr_equal(conn, wire->conn);
    wire->known++;
}

static int
client_on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct wire *wire = user;

    (void)h2;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        wire->goaways++;
    return 0;
}

static int
client_on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *user)
{
    struct wire *wire = user;

    (void)h2;
    (void)flags;
    (void)stream;
    (void)data;
    wire->received += len;
    return 0;
}

static int
client_on_close(nghttp2_session *h2, int32_t stream, uint32_t code, void *user)
{
    struct wire *wire = user;

    (void)h2;
    (void)stream;
    if (code == NGHTTP2_NO_ERROR)
        wire->answers++;
    return 0;
}

static void
client_start(struct wire *wire)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_settings_entry     window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30};

    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_on_close);
    assert_int_equal(nghttp2_session_client_new(&wire->h2, callbacks, wire), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(wire->h2, NGHTTP2_FLAG_NONE, &window, 1), 0);
    assert_int_equal(nghttp2_session_set_local_window_size(wire->h2, NGHTTP2_FLAG_NONE, 0, 1 << 30), 0);
}

/* A connection with TLS (over a certificate made on the spot) or without. `limits` NULL: the defaults. */
static struct wire *
wire_new(bool is_tls, const struct aw_http_limits *limits)
{
    struct wire          *wire = calloc(1, sizeof(*wire));
    struct aw_edge_config config = {.limits = AW_HTTP_LIMITS_DEFAULT, .bodies_bytes_max = 64 << 20};
    struct aw_conn_config conn = {.owner = wire, .on_wake = on_wake, .on_known = on_known};
    int                   fds[2];

    assert_non_null(wire);
    if (limits != NULL)
        config.limits = *limits;
    wire->now = 5 * AW_NS_PER_S;
    wire->answer_bytes = 100;
    wire->blocks = aw_blocks_new(AW_HTTP_BLOCK_BYTES, 64 << 20);
    config.blocks = wire->blocks;
    config.handlers = (struct aw_handlers){wire, NULL, on_request, on_gone, on_sent, NULL};
    assert_int_equal(aw_edge_new(&wire->edge, &config), AW_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    wire->fd = fds[1];
    if (is_tls) {
        struct aw_tls_pair   pair;
        struct aw_tls_config tls = {.now = (aw_ms)time(NULL) * AW_MS_PER_S};

        assert_int_equal(aw_tls_make_pair(&pair, tls.now), AW_OK);
        tls.cert_pem = aw_slice_of(pair.cert_pem, pair.cert_bytes);
        tls.key_pem = aw_slice_of(pair.key_pem, pair.key_bytes);
        assert_int_equal(aw_tls_new(&wire->server_ctx, &tls, NULL), AW_OK);
        aw_tls_pair_fini(&pair);
        wire->client_ctx = SSL_CTX_new(TLS_client_method());
        wire->ssl = SSL_new(wire->client_ctx);
        SSL_set_mode(wire->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        assert_int_equal(SSL_set_alpn_protos(wire->ssl, (const unsigned char *)"\2h2", 3), 0);
        SSL_set_fd(wire->ssl, wire->fd);
        SSL_set_connect_state(wire->ssl);
    }
    conn.edge = wire->edge;
    conn.fd = fds[0];
    conn.ssl_ctx = wire->server_ctx;
    conn.accept_at = wire->now;
    assert_int_equal(aw_conn_new(&wire->conn, &conn), AW_OK);
    client_start(wire);
    return wire;
}

static void
wire_free(struct wire *wire)
{
    const struct aw_edge_stats *stats = aw_edge_stats(wire->edge);

    aw_conn_free(&wire->conn);
    nghttp2_session_del(wire->h2);
    SSL_free(wire->ssl);
    SSL_CTX_free(wire->client_ctx);
    aw_tls_free(&wire->server_ctx);
    close(wire->fd);
    assert_int_equal(stats->connections_now, 0);
    assert_int_equal(stats->handshakes_now, 0);
    assert_int_equal(stats->sessions_now, 0);
    assert_int_equal(stats->requests_now, 0);
    assert_int_equal(stats->bodies_bytes_now, 0);
    assert_int_equal(wire->requests, wire->gone + wire->sent + wire->lost);
    aw_edge_free(&wire->edge);
    assert_int_equal(aw_blocks_used(wire->blocks), 0);
    aw_blocks_free(&wire->blocks);
    free(wire);
}

/* The transport of the client. 0: would block; -1: end or error. */
static ssize_t
client_write(struct wire *wire, const void *bytes, size_t len)
{
    size_t  count = 0;
    ssize_t result;

    if (wire->ssl != NULL) {
        ERR_clear_error();
        if (SSL_write_ex(wire->ssl, bytes, len, &count) == 1)
            return (ssize_t)count;
        result = SSL_get_error(wire->ssl, 0);
        return result == SSL_ERROR_WANT_READ || result == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    result = send(wire->fd, bytes, len, MSG_NOSIGNAL);
    if (result < 0)
        return errno == EAGAIN ? 0 : -1;
    return result;
}

static ssize_t
client_read(struct wire *wire, void *bytes, size_t len)
{
    size_t  count = 0;
    ssize_t result;

    if (wire->ssl != NULL) {
        ERR_clear_error();
        if (SSL_read_ex(wire->ssl, bytes, len, &count) == 1)
            return (ssize_t)count;
        result = SSL_get_error(wire->ssl, 0);
        return result == SSL_ERROR_WANT_READ || result == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    result = recv(wire->fd, bytes, len, 0);
    if (result > 0)
        return result;
    return result < 0 && errno == EAGAIN ? 0 : -1;
}

/* Sends and receives what there is. Whether anything moved. */
static bool
client_step(struct wire *wire)
{
    static uint8_t bytes[65536];
    const uint8_t *out;
    bool           is_moving = false;
    ssize_t        len;

    while (!wire->is_eof && (len = nghttp2_session_mem_send(wire->h2, &out)) > 0) {
        for (ssize_t at = 0; at < len;) {
            ssize_t count = client_write(wire, out + at, (size_t)(len - at));

            if (count < 0)
                return is_moving;
            if (count == 0 && wire->conn != NULL)
                wire->turn = aw_conn_on_ready(wire->conn, true, true, wire->now);
            at += count;
        }
        is_moving = true;
    }
    while (!wire->is_deaf && !wire->is_eof && (len = client_read(wire, bytes, sizeof(bytes))) != 0) {
        if (len < 0) {
            wire->is_eof = true;
            return true;
        }
        assert_int_equal(nghttp2_session_mem_recv(wire->h2, bytes, (size_t)len), len);
        is_moving = true;
    }
    return is_moving;
}

/* One turn of the server; frees the connection when it says so. */
static void
server_turn(struct wire *wire, bool is_step)
{
    if (wire->conn == NULL)
        return;
    wire->turn = is_step ? aw_conn_step(wire->conn, wire->now) : aw_conn_on_ready(wire->conn, true, true, wire->now);
    if (wire->turn != AW_TURN_CLOSED)
        return;
    wire->cause = aw_conn_cause(wire->conn);
    aw_conn_free(&wire->conn);
    wire->is_closed = true;
}

static void
drive(struct wire *wire)
{
    int quiet = 0;

    /* A handshake is several rounds in which the client's library moves nothing that we see. */
    while (quiet < 4) {
        bool is_moving = client_step(wire);

        server_turn(wire, false);
        quiet = is_moving || (wire->conn != NULL && wire->turn == AW_TURN_AGAIN) ? 0 : quiet + 1;
    }
}

static void
wait_seconds(struct wire *wire, int seconds)
{
    for (int i = 0; i < seconds && wire->conn != NULL; i++) {
        wire->now += AW_NS_PER_S;
        server_turn(wire, true);
        drive(wire);
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

static void
get(struct wire *wire, const char *path)
{
    nghttp2_nv fields[4] = {nv(":method", "GET"), nv(":scheme", "https"), nv(":authority", "localhost"), nv(":path", path)};

    assert_true(nghttp2_submit_request(wire->h2, NULL, fields, 4, NULL, NULL) > 0);
}

static ssize_t
read_body(nghttp2_session *h2, int32_t stream, uint8_t *buf, size_t length, uint32_t *flags, nghttp2_data_source *source,
          void *user)
{
    size_t *left = source->ptr;

    (void)h2;
    (void)stream;
    (void)user;
    if (length > *left)
        length = *left;
    memset(buf, 'b', length);
    *left -= length;
    if (*left == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)length;
}

static void
post(struct wire *wire, size_t *bytes)
{
    nghttp2_nv fields[4] = {nv(":method", "POST"), nv(":scheme", "https"), nv(":authority", "localhost"), nv(":path", "/p")};
    nghttp2_data_provider body = {.source.ptr = bytes, .read_callback = read_body};

    assert_true(nghttp2_submit_request(wire->h2, NULL, fields, 4, &body, NULL) > 0);
}

/* Tests, each for both transports: *state is true for TLS --------------------------------------------------------------------*/

static bool plain = false;
static bool tls = true;

static bool
is_tls(void **state)
{
    return *(bool *)*state;
}

static void
answers(void **state)
{
    struct wire *wire = wire_new(is_tls(state), NULL);

    for (int i = 0; i < 90; i++)
        get(wire, "/");
    drive(wire);
    assert_int_equal(wire->requests, 90);
    assert_int_equal(wire->sent, 90);
    assert_int_equal(wire->answers, 90);
    assert_int_equal(wire->received, 9000);
    assert_int_equal(wire->was_tls, is_tls(state));
    assert_int_equal(aw_edge_stats(wire->edge)->handshakes, is_tls(state));
    assert_int_equal(aw_conn_wants(wire->conn), AW_WANTS_READ);
    assert_int_equal(wire->turn, AW_TURN_IDLE);
    wire_free(wire);
}

static void
large_both_ways(void **state)
{
    struct wire *wire = wire_new(is_tls(state), NULL);
    size_t       left[4] = {1000000, 1000000, 1048576, 7};

    wire->answer_bytes = sizeof(answer_text);
    for (int i = 0; i < 4; i++)
        post(wire, &left[i]);
    drive(wire);
    assert_int_equal(wire->answers, 4);
    assert_int_equal(wire->sent, 4);
    assert_int_equal(wire->received, 4 * sizeof(answer_text));
    wire_free(wire);
}

static void
answers_wake_the_loop_once(void **state)
{
    struct wire *wire = wire_new(is_tls(state), NULL);

    wire->is_holding = true;
    get(wire, "/known");
    get(wire, "/known");
    drive(wire);
    assert_int_equal(wire->held_count, 2);
    assert_int_equal(wire->known, 1);
    assert_int_equal(wire->wakes, 0);
    respond(wire, wire->held[0]);
    respond(wire, wire->held[1]);
    assert_int_equal(wire->wakes, 1);
    assert_int_equal(aw_conn_on_ready(wire->conn, false, false, wire->now), AW_TURN_IDLE);
    assert_int_equal(wire->sent, 2);
    drive(wire);
    assert_int_equal(wire->answers, 2);
    wire_free(wire);
}

static void
turns_are_bounded(void **state)
{
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;
    struct wire          *wire;
    uint64_t              before;
    size_t                left = 1000000;

    limits.read_turn_bytes = 10000;
    limits.stream_window_bytes = 1 << 20;
    wire = wire_new(is_tls(state), &limits);
    drive(wire);
    before = aw_edge_stats(wire->edge)->bytes_in;
    post(wire, &left);
    /* As much as the socket takes, without the server's help. */
    for (int i = 0; i < 10; i++) {
        const uint8_t *out;
        ssize_t        len = nghttp2_session_mem_send(wire->h2, &out);

        if (len <= 0 || client_write(wire, out, (size_t)len) != len)
            break;
    }
    wire->turn = aw_conn_on_ready(wire->conn, true, false, wire->now);
    assert_in_range(aw_edge_stats(wire->edge)->bytes_in - before, 9000, 10000);
    if (is_tls(state)) {
        /* A record of 16 KiB was decrypted whole: its rest raises no event. */
        assert_int_equal(wire->turn, AW_TURN_AGAIN);
        before = aw_edge_stats(wire->edge)->bytes_in;
        wire->turn = aw_conn_on_ready(wire->conn, false, false, wire->now);
        assert_in_range(aw_edge_stats(wire->edge)->bytes_in - before, 1000, 10000);
    }
    wire_free(wire);
}

static void
unread_socket(void **state)
{
    struct wire *wire = wire_new(is_tls(state), NULL);

    wire->answer_bytes = sizeof(answer_text);
    drive(wire);
    wire->is_deaf = true;
    for (int i = 0; i < 20; i++)
        get(wire, "/");
    drive(wire);
    assert_int_equal(wire->requests, 20);
    assert_true((aw_conn_wants(wire->conn) & AW_WANTS_WRITE) != 0);
    /* Not more than one chunk waits here, whatever was answered. */
    wait_seconds(wire, 7);
    assert_non_null(wire->conn);
    wait_seconds(wire, 2);
    assert_true(wire->is_closed);
    assert_int_equal(wire->cause, AW_CAUSE_SOCKET_SLOW);
    assert_int_equal(wire->lost, 20);
    wire_free(wire);
}

static void
peer_leaves(void **state)
{
    struct wire *wire = wire_new(is_tls(state), NULL);

    wire->is_holding = true;
    get(wire, "/");
    get(wire, "/");
    drive(wire);
    assert_int_equal(wire->held_count, 2);
    respond(wire, wire->held[0]);
    shutdown(wire->fd, SHUT_RDWR);
    server_turn(wire, false);
    assert_true(wire->is_closed);
    assert_int_equal(wire->gone, 1);
    assert_int_equal(wire->sent + wire->lost, 1);
    wire_free(wire);
}

static void
drain_and_linger(void **state)
{
    struct wire *wire = wire_new(is_tls(state), NULL);

    wire->is_holding = true;
    get(wire, "/");
    drive(wire);
    aw_conn_shutdown(wire->conn, wire->now);
    assert_int_equal(wire->wakes, 1);
    drive(wire);
    wait_seconds(wire, 1);
    assert_int_equal(wire->goaways, 2);
    assert_false(wire->is_eof);
    respond(wire, wire->held[0]);
    drive(wire);
    assert_int_equal(wire->answers, 1);
    assert_true(wire->is_eof); /* our side is shut; we wait for the peer's end, 2 s at most */
    assert_false(wire->is_closed);
    wait_seconds(wire, 1);
    assert_false(wire->is_closed);
    wait_seconds(wire, 1);
    assert_true(wire->is_closed);
    assert_int_equal(wire->cause, AW_CAUSE_DRAIN);
    wire_free(wire);
}

/* Nobody waits for anything: the round trip between the two GOAWAYs is all that a drain takes, and without an answer its limit. */
static void
drain_of_an_idle_one(void **state)
{
    struct wire *wire = wire_new(is_tls(state), NULL);

    get(wire, "/");
    drive(wire);
    assert_int_equal(wire->answers, 1);
    aw_conn_shutdown(wire->conn, wire->now);
    drive(wire);
    assert_true(wire->goaways > 0); /* behind the first one the client's library looks at nothing more */
    assert_true(wire->is_closed);
    assert_int_equal(wire->cause, AW_CAUSE_DRAIN);
    wire_free(wire);

    wire = wire_new(is_tls(state), NULL);
    drive(wire);
    wire->is_deaf = true;
    aw_conn_shutdown(wire->conn, wire->now);
    server_turn(wire, false);
    assert_false(wire->is_closed);
    assert_int_equal(aw_conn_next_deadline(wire->conn), wire->now + AW_NS_PER_S);
    wire->now += AW_NS_PER_S;
    server_turn(wire, true);
    assert_true(wire->is_closed);
    assert_int_equal(wire->cause, AW_CAUSE_DRAIN);
    wire_free(wire);
}

/* A request that was on its way when the first GOAWAY left is answered, and only then it ends. */
static void
drain_meets_a_request(void **state)
{
    struct wire *wire = wire_new(is_tls(state), NULL);

    drive(wire);
    wire->is_holding = true;
    get(wire, "/");
    aw_conn_shutdown(wire->conn, wire->now);
    drive(wire);
    assert_int_equal(wire->goaways, 2);
    assert_false(wire->is_eof);
    respond(wire, wire->held[0]);
    drive(wire);
    assert_int_equal(wire->answers, 1);
    assert_true(wire->is_eof);
    assert_false(wire->is_closed); /* it may still be reading: as above */
    wait_seconds(wire, 2);
    assert_true(wire->is_closed);
    wire_free(wire);
}

static void
silent_peer(void **state)
{
    struct wire *wire = wire_new(is_tls(state), NULL);

    for (int i = 0; i < 4; i++) {
        wire->now += AW_NS_PER_S;
        server_turn(wire, true);
    }
    assert_false(wire->is_closed);
    assert_int_equal(aw_conn_next_deadline(wire->conn), (aw_ns)10 * AW_NS_PER_S);
    for (int i = 0; i < 4; i++) {
        wire->now += AW_NS_PER_S;
        server_turn(wire, true);
    }
    assert_true(wire->is_closed);
    assert_int_equal(wire->cause, AW_CAUSE_HELLO);
    wire_free(wire);
}

static void
http1_without_tls(void **state)
{
    struct wire *wire = wire_new(false, NULL);
    char         text[2048] = "";
    size_t       len = 0;
    ssize_t      count;

    (void)state;
    assert_int_equal(client_write(wire, "POST /v1/messages HTTP/1.1\r\nHost: a\r\n\r\n{}", 42), 42);
    server_turn(wire, false);
    while ((count = recv(wire->fd, text + len, sizeof(text) - 1 - len, 0)) > 0)
        len += (size_t)count;
    assert_int_equal(count, 0); /* and then the end */
    assert_int_equal(strncmp(text, "HTTP/1.1 505 ", 13), 0);
    assert_non_null(strstr(text, "--http2-prior-knowledge"));
    assert_false(wire->is_closed);
    shutdown(wire->fd, SHUT_WR);
    server_turn(wire, false);
    assert_true(wire->is_closed);
    assert_int_equal(wire->cause, AW_CAUSE_HTTP1);
    assert_int_equal(aw_edge_stats(wire->edge)->answers[505 - AW_STATUS_MIN], 1);
    wire_free(wire);
}

static void
plain_text_on_the_tls_port(void **state)
{
    struct wire *wire = wire_new(true, NULL);

    (void)state;
    assert_int_equal(send(wire->fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    server_turn(wire, false);
    assert_true(wire->is_closed);
    assert_int_equal(wire->cause, AW_CAUSE_HANDSHAKE);
    wire_free(wire);
}

static void
shutdown_in_a_handshake(void **state)
{
    struct wire *wire = wire_new(true, NULL);

    (void)state;
    assert_int_equal(aw_edge_stats(wire->edge)->handshakes_now, 1);
    aw_conn_shutdown(wire->conn, wire->now);
    server_turn(wire, true);
    assert_true(wire->is_closed);
    wire_free(wire);
}

static void
memory_of_idle_connections(void **state)
{
    struct wire *wire = wire_new(is_tls(state), NULL);

    get(wire, "/");
    drive(wire);
    assert_int_equal(aw_blocks_used(wire->blocks), 0);
    wire_free(wire);
}

#define BOTH(test)                                                                                                               \
    {#test, test, NULL, NULL, &plain},                                                                                           \
    {                                                                                                                            \
#test " (TLS)", test, NULL, NULL, &tls                                                                                   \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(answers),
        BOTH(large_both_ways),
        BOTH(answers_wake_the_loop_once),
        BOTH(turns_are_bounded),
        BOTH(unread_socket),
        BOTH(peer_leaves),
        BOTH(drain_and_linger),
        BOTH(drain_of_an_idle_one),
        BOTH(drain_meets_a_request),
        BOTH(silent_peer),
        BOTH(memory_of_idle_connections),
        cmocka_unit_test(http1_without_tls),
        cmocka_unit_test(plain_text_on_the_tls_port),
        cmocka_unit_test(shutdown_in_a_handshake),
    };

    signal(SIGPIPE, SIG_IGN); /* as run does: OpenSSL writes without MSG_NOSIGNAL */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
