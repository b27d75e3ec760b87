#include "http/conn.h"

#include "http/internal.h"
#include "http/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* HANDSHAKE -> OPEN -> CLOSING -> LINGERING -> CLOSED
 *   |            |        |                      ^
 *   +------------+--------+----------------------+
 * CLOSING sends what is left, GOAWAY last; LINGERING has shut its sending side and reads until the peer is through, because closing
 * with unread bytes would make the kernel send a reset, which eats the GOAWAY on its way. */
enum conn_state { CONN_HANDSHAKE, CONN_OPEN, CONN_CLOSING, CONN_LINGERING, CONN_CLOSED, CONN_STATES };

struct aw_conn {
    struct aw_conn_config config;
    struct aw_edge       *edge;    /* borrows */
    struct aw_session    *session; /* owns; NULL before the handshake is done */
    SSL                  *ssl;     /* owns; NULL without TLS */
    struct aw_list        all_link;
    struct aw_list        turn_link;
    enum conn_state       state;
    enum aw_cause         cause;
    /* Framed but not accepted by the socket. */
    char  *unsent; /* owns; NULL while there is nothing */
    size_t unsent_at;
    size_t unsent_bytes; /* behind unsent_at */
    size_t unsent_room;
    /* Times. */
    aw_ns  socket_window_at; /* start of this rate window of the socket; 0: nothing waits */
    size_t socket_moved;
    aw_ns  linger_at;
    bool   is_wake_noted;
    bool   is_write_blocked; /* the socket took less than it was offered */
    bool   is_read_left;     /* a turn ended before the input did, and TLS holds bytes that raise no event */
    bool   tls_reads_to_write;
    bool   tls_writes_to_read;
    char   identity[AW_TLS_IDENTITY_BYTES];
};

static void
conn_move(struct aw_conn *conn, enum conn_state state)
{
    static const unsigned allowed[CONN_STATES] = {
        [CONN_HANDSHAKE] = 1u << CONN_OPEN | 1u << CONN_LINGERING | 1u << CONN_CLOSED,
        [CONN_OPEN] = 1u << CONN_CLOSING | 1u << CONN_CLOSED,
        [CONN_CLOSING] = 1u << CONN_LINGERING | 1u << CONN_CLOSED,
        [CONN_LINGERING] = 1u << CONN_CLOSED,
        [CONN_CLOSED] = 0,
    };

    AW_ASSERT((allowed[conn->state] & 1u << state) != 0);
    conn->state = state;
}

/* The first cause stays. */
static void
conn_set_cause(struct aw_conn *conn, enum aw_cause cause)
{
    if (conn->cause != AW_CAUSE_NONE || (conn->session != NULL && aw_session_cause(conn->session) != AW_CAUSE_NONE))
        return;
    conn->cause = cause;
    conn->edge->stats.causes[cause]++;
}

static void
conn_close(struct aw_conn *conn, enum aw_cause cause)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn_set_cause(conn, cause);
    if (conn->state == CONN_HANDSHAKE)
        conn->edge->stats.handshakes_now--;
    conn_move(conn, CONN_CLOSED);
}

/* Start and end ----------------------------------------------------------------------------------------------------------------*/

static void
conn_on_output(void *owner)
{
    struct aw_conn *conn = owner;

    if (conn->is_wake_noted || conn->config.on_wake == NULL)
        return;
    conn->is_wake_noted = true;
    conn->config.on_wake(conn->config.owner, conn);
}

static void
conn_on_known(void *owner)
{
    struct aw_conn *conn = owner;

    if (conn->config.on_known != NULL)
        conn->config.on_known(conn->config.owner, conn);
}

/* AW_E_MEMORY or AW_OK. */
static enum aw_err
conn_open(struct aw_conn *conn)
{
    struct aw_session_config config = {
        .edge = conn->edge,
        .peer = conn->config.peer,
        .accept_at = conn->config.accept_at,
        .owner = conn,
        .on_output = conn_on_output,
        .on_known = conn_on_known,
    };

    return aw_session_new(&conn->session, &config);
}

/* AW_E_MEMORY or AW_OK. */
static enum aw_err
conn_start_tls(struct aw_conn *conn)
{
    conn->ssl = SSL_new(conn->config.ssl_ctx);
    if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->config.fd) != 1) {
        ERR_clear_error();
        return AW_E_MEMORY;
    }
    SSL_set_accept_state(conn->ssl);
    conn->config.peer.is_tls = true;
    return AW_OK;
}

enum aw_err
aw_conn_new(struct aw_conn **ret_conn, const struct aw_conn_config *config)
{
    struct aw_edge *edge = config->edge;
    struct aw_conn *conn;
    enum aw_err     err;

    AW_ON(edge);
    AW_ASSERT(config->fd >= 0);
    conn = edge->mem.calloc(1, sizeof(*conn), edge->mem.mem_user_data);
    if (conn == NULL)
        return AW_E_MEMORY;
    conn->config = *config;
    conn->edge = edge;
    conn->config.peer.identity = (struct aw_slice){NULL, 0};
    conn->config.peer.is_tls = false;
    aw_list_init(&conn->all_link);
    aw_list_init(&conn->turn_link);
    conn->state = config->ssl_ctx == NULL ? CONN_OPEN : CONN_HANDSHAKE;
    err = config->ssl_ctx == NULL ? conn_open(conn) : conn_start_tls(conn);
    if (err != AW_OK) {
        SSL_free(conn->ssl);
        edge->mem.free(conn, edge->mem.mem_user_data);
        return err;
    }
    edge->stats.connections++;
    edge->stats.connections_now++;
    if (conn->state == CONN_HANDSHAKE)
        edge->stats.handshakes_now++;
    *ret_conn = conn;
    return AW_OK;
}

void
aw_conn_free(struct aw_conn **ptr)
{
    struct aw_conn *conn = *ptr;
    struct aw_edge *edge;

    if (conn == NULL)
        return;
    edge = conn->edge;
    AW_ON(edge);
    conn_close(conn, AW_CAUSE_DRAIN);
    conn->is_wake_noted = true; /* answers given from inside on_gone wake nobody */
    aw_session_free(&conn->session);
    aw_list_remove(&conn->all_link);
    aw_list_remove(&conn->turn_link);
    SSL_free(conn->ssl);
    close(conn->config.fd);
    edge->mem.free(conn->unsent, edge->mem.mem_user_data);
    edge->stats.connections_now--;
    edge->mem.free(conn, edge->mem.mem_user_data);
    *ptr = NULL;
}

/* The transport ----------------------------------------------------------------------------------------------------------------*/

/* What an operation of TLS that did not succeed waits for. AW_E_AGAIN, AW_E_CLOSED, or AW_E_IO for whatever breaks it. */
static enum aw_err
tls_error(struct aw_conn *conn, int result, bool is_read)
{
    int code = SSL_get_error(conn->ssl, result);

    ERR_clear_error();
    if (code == SSL_ERROR_WANT_READ) {
        conn->tls_reads_to_write = !is_read;
        return AW_E_AGAIN;
    }
    if (code == SSL_ERROR_WANT_WRITE) {
        conn->tls_writes_to_read = is_read;
        return AW_E_AGAIN;
    }
    return code == SSL_ERROR_ZERO_RETURN || code == SSL_ERROR_SYSCALL ? AW_E_CLOSED : AW_E_IO;
}

/* AW_OK and some bytes, AW_E_AGAIN, AW_E_CLOSED or AW_E_IO. */
static enum aw_err
transport_read(struct aw_conn *conn, char *into, size_t room, size_t *ret_count)
{
    ssize_t count;

    if (conn->ssl != NULL) {
        int result;

        ERR_clear_error();
        conn->tls_writes_to_read = false;
        result = SSL_read_ex(conn->ssl, into, room, ret_count);
        return result == 1 ? AW_OK : tls_error(conn, result, true);
    }
    do {
        count = recv(conn->config.fd, into, room, 0);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        *ret_count = (size_t)count;
        return AW_OK;
    }
    if (count == 0 || errno == ECONNRESET)
        return AW_E_CLOSED;
    return errno == EAGAIN || errno == EWOULDBLOCK ? AW_E_AGAIN : AW_E_IO;
}

/* The same for writing. */
static enum aw_err
transport_write(struct aw_conn *conn, const char *from, size_t len, size_t *ret_count)
{
    ssize_t count;

    AW_ASSERT(len > 0);
    if (conn->ssl != NULL) {
        int result;

        ERR_clear_error();
        conn->tls_reads_to_write = false;
        result = SSL_write_ex(conn->ssl, from, len, ret_count);
        return result == 1 ? AW_OK : tls_error(conn, result, false);
    }
    do {
        count = send(conn->config.fd, from, len, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count >= 0) {
        *ret_count = (size_t)count;
        return AW_OK;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return AW_E_AGAIN;
    return errno == EPIPE || errno == ECONNRESET ? AW_E_CLOSED : AW_E_IO;
}

/* Writes until nothing is left or the socket is full; *ret_count tells how much was accepted. AW_OK, AW_E_AGAIN or a failure. */
static enum aw_err
transport_write_all(struct aw_conn *conn, const char *from, size_t len, size_t *ret_count)
{
    enum aw_err err = AW_OK;

    *ret_count = 0;
    while (*ret_count < len) {
        size_t count = 0;

        err = transport_write(conn, from + *ret_count, len - *ret_count, &count);
        if (err != AW_OK)
            break;
        *ret_count += count;
    }
    return err;
}

/* Output -----------------------------------------------------------------------------------------------------------------------*/

/* Keeps what the socket did not take. False without memory. */
static bool
keep_unsent(struct aw_conn *conn, const char *from, size_t len)
{
    struct aw_edge *edge = conn->edge;

    AW_ASSERT(conn->unsent == NULL);
    conn->unsent = edge->mem.malloc(len, edge->mem.mem_user_data);
    if (conn->unsent == NULL)
        return false;
    memcpy(conn->unsent, from, len);
    conn->unsent_at = 0;
    conn->unsent_bytes = len;
    return true;
}

static void
note_written(struct aw_conn *conn, size_t count, aw_ns now)
{
    conn->socket_moved += count;
    if (conn->session != NULL && count > 0)
        aw_session_wrote(conn->session, count, now);
}

/* Sends what an earlier turn left. AW_OK when nothing is left. */
static enum aw_err
flush_unsent(struct aw_conn *conn, aw_ns now)
{
    struct aw_edge *edge = conn->edge;
    size_t          count;
    enum aw_err     err;

    if (conn->unsent == NULL)
        return AW_OK;
    err = transport_write_all(conn, conn->unsent + conn->unsent_at, conn->unsent_bytes, &count);
    conn->unsent_at += count;
    conn->unsent_bytes -= count;
    if (conn->unsent_bytes == 0) {
        edge->mem.free(conn->unsent, edge->mem.mem_user_data);
        conn->unsent = NULL;
        conn->socket_window_at = 0;
    }
    note_written(conn, count, now);
    return err;
}

/* Frames up to one chunk into the thread's scratch. */
static size_t
gather(struct aw_conn *conn, aw_ns now)
{
    char  *out = conn->edge->out;
    size_t len = 0;

    while (AW_HTTP_OUT_CHUNK_BYTES - len >= AW_HTTP_FRAME_BYTES_MAX) {
        struct aw_slice piece = aw_session_pull(conn->session, now);

        if (piece.len == 0)
            break;
        AW_ASSERT(piece.len <= AW_HTTP_OUT_CHUNK_BYTES - len);
        memcpy(out + len, piece.ptr, piece.len);
        len += piece.len;
    }
    return len;
}

/* Frames and writes until the session has nothing, the socket is full, or the turn's share is used up. Nothing is framed before all
 * that was has left: what a peer does not read stays in the library's queue, where the limits count it. */
static enum aw_err
flush(struct aw_conn *conn, aw_ns now)
{
    size_t      total = 0;
    enum aw_err err = flush_unsent(conn, now);

    while (err == AW_OK && total < conn->edge->limits.write_turn_bytes) {
        size_t len = gather(conn, now);
        size_t count;

        if (len == 0)
            break;
        err = transport_write_all(conn, conn->edge->out, len, &count);
        if (count < len && err == AW_E_AGAIN && !keep_unsent(conn, conn->edge->out + count, len - count))
            err = AW_E_MEMORY;
        note_written(conn, count, now);
        total += count;
    }
    if (err == AW_E_AGAIN && conn->socket_window_at == 0) {
        conn->socket_window_at = now; /* from here on it owes us progress */
        conn->socket_moved = 0;
    }
    conn->is_write_blocked = err == AW_E_AGAIN;
    return err;
}

static void
conn_fail(struct aw_conn *conn, enum aw_err err)
{
    AW_ASSERT(err != AW_OK);
    if (err == AW_E_AGAIN)
        return;
    if (err == AW_E_MEMORY)
        conn_close(conn, AW_CAUSE_MEMORY);
    else
        conn_close(conn, err == AW_E_CLOSED ? AW_CAUSE_PEER : AW_CAUSE_IO);
}

/* The end ----------------------------------------------------------------------------------------------------------------------*/

static void
begin_linger(struct aw_conn *conn, aw_ns now)
{
    if (conn->ssl != NULL && SSL_is_init_finished(conn->ssl)) {
        ERR_clear_error();
        (void)SSL_shutdown(conn->ssl); /* close_notify, if there is room for it: its loss harms nobody who read the GOAWAY */
        ERR_clear_error();
    }
    if (shutdown(conn->config.fd, SHUT_WR) != 0) {
        conn_close(conn, AW_CAUSE_PEER);
        return;
    }
    /* A client that keeps an idle connection for later reads nothing meanwhile: waiting for its end would only hold up ours. */
    if (conn->session != NULL && aw_session_was_quiet(conn->session))
        conn->linger_at = now;
    else
        conn->linger_at = aw_after(now, conn->edge->limits.linger_ms);
    conn_move(conn, CONN_LINGERING);
}

/* Reads below TLS and throws away. */
static void
linger(struct aw_conn *conn)
{
    size_t left = conn->edge->limits.read_turn_bytes;

    while (left > 0) {
        ssize_t count = recv(conn->config.fd, conn->edge->in, AW_HTTP_READ_CHUNK_BYTES, 0);

        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (count <= 0) {
            conn_close(conn, AW_CAUSE_PEER);
            return;
        }
        left -= (size_t)count < left ? (size_t)count : left;
    }
}

static void
check_done(struct aw_conn *conn, aw_ns now)
{
    if (conn->state == CONN_OPEN && aw_session_is_done(conn->session))
        conn_move(conn, CONN_CLOSING);
    if (conn->state == CONN_CLOSING && conn->unsent == NULL)
        begin_linger(conn, now);
}

/* Input ------------------------------------------------------------------------------------------------------------------------*/

static void
shake_hands(struct aw_conn *conn)
{
    int         result;
    enum aw_err err;

    ERR_clear_error();
    conn->tls_writes_to_read = false;
    result = SSL_do_handshake(conn->ssl);
    if (result != 1) {
        err = tls_error(conn, result, true);
        if (err != AW_E_AGAIN)
            conn_close(conn, AW_CAUSE_HANDSHAKE);
        return;
    }
    conn->edge->stats.handshakes_now--;
    conn->edge->stats.handshakes++;
    conn->config.peer.identity = aw_slice_of(conn->identity, aw_tls_identity(conn->ssl, conn->identity));
    conn->config.peer.identity_ends_at = aw_tls_identity_ends_at(conn->ssl);
    conn_move(conn, CONN_OPEN);
    if (conn_open(conn) != AW_OK)
        conn_close(conn, AW_CAUSE_MEMORY);
}

static bool
may_read(const struct aw_conn *conn)
{
    return conn->state == CONN_OPEN && conn->unsent_bytes < conn->edge->limits.output_bytes_max / 2 &&
           aw_session_wants_read(conn->session);
}

/* Reads chunk by chunk, flushing after each, until the input or the turn's share ends. */
static void
read_turn(struct aw_conn *conn, aw_ns now)
{
    size_t left = aw_conn_is_bulk(conn) ? AW_HTTP_READ_CHUNK_BYTES : conn->edge->limits.read_turn_bytes;

    conn->is_read_left = false;
    while (left > 0 && may_read(conn)) {
        size_t      want = left < AW_HTTP_READ_CHUNK_BYTES ? left : AW_HTTP_READ_CHUNK_BYTES;
        size_t      count = 0;
        enum aw_err err = transport_read(conn, conn->edge->in, want, &count);

        if (err != AW_OK) {
            conn_fail(conn, err);
            return;
        }
        aw_session_feed(conn->session, aw_slice_of(conn->edge->in, count), now);
        err = flush(conn, now);
        if (err != AW_OK)
            conn_fail(conn, err);
        left -= count;
        /* A short read from a socket means that it is dry; TLS gives one record at a time. */
        if (conn->ssl == NULL && count < want)
            return;
    }
    conn->is_read_left = conn->state == CONN_OPEN && conn->ssl != NULL && SSL_pending(conn->ssl) > 0;
}

static enum aw_turn
turn_of(const struct aw_conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return AW_TURN_CLOSED;
    return conn->is_read_left && may_read(conn) ? AW_TURN_AGAIN : AW_TURN_IDLE;
}

enum aw_turn
aw_conn_on_ready(struct aw_conn *conn, bool readable, bool writable, aw_ns now)
{
    AW_ON(conn->edge);
    conn->is_wake_noted = false;
    if (conn->state == CONN_HANDSHAKE)
        shake_hands(conn);
    if (conn->state == CONN_OPEN || conn->state == CONN_CLOSING) {
        /* Without word from the loop a blocked socket need not be tried again. */
        enum aw_err err =
            conn->is_write_blocked && !writable && !(readable && conn->tls_reads_to_write) ? AW_E_AGAIN : flush(conn, now);

        if (err != AW_OK)
            conn_fail(conn, err);
    }
    if (conn->state == CONN_OPEN && (readable || conn->is_read_left || (writable && conn->tls_writes_to_read)))
        read_turn(conn, now);
    if (conn->state == CONN_OPEN || conn->state == CONN_CLOSING)
        check_done(conn, now);
    if (conn->state == CONN_LINGERING)
        linger(conn);
    if (conn->state == CONN_LINGERING && now >= conn->linger_at)
        conn_close(conn, AW_CAUSE_PEER);
    conn->is_wake_noted = false;
    return turn_of(conn);
}

/* Deadlines --------------------------------------------------------------------------------------------------------------------*/

static void
step_socket(struct aw_conn *conn, aw_ns now)
{
    const struct aw_http_limits *limits = &conn->edge->limits;

    if (conn->socket_window_at == 0 || now < aw_after(conn->socket_window_at, limits->rate_window_ms))
        return;
    if (conn->socket_moved < limits->rate_window_bytes) {
        conn_close(conn, AW_CAUSE_SOCKET_SLOW);
        return;
    }
    conn->socket_window_at = now;
    conn->socket_moved = 0;
}

enum aw_turn
aw_conn_step(struct aw_conn *conn, aw_ns now)
{
    const struct aw_http_limits *limits = &conn->edge->limits;

    AW_ON(conn->edge);
    switch (conn->state) {
    case CONN_HANDSHAKE:
        if (now >= aw_after(conn->config.accept_at, limits->hello_ms))
            conn_close(conn, AW_CAUSE_HELLO);
        break;
    case CONN_OPEN:
    case CONN_CLOSING:
        step_socket(conn, now);
        if (conn->state == CONN_CLOSED)
            break;
        aw_session_step(conn->session, now);
        return aw_conn_on_ready(conn, false, false, now);
    case CONN_LINGERING:
        if (now >= conn->linger_at)
            conn_close(conn, AW_CAUSE_PEER);
        break;
    case CONN_CLOSED:
    case CONN_STATES:
        break;
    }
    return turn_of(conn);
}

aw_ns
aw_conn_next_deadline(const struct aw_conn *conn)
{
    const struct aw_http_limits *limits = &conn->edge->limits;
    aw_ns                        at = AW_NS_NEVER;

    switch (conn->state) {
    case CONN_HANDSHAKE:
        return aw_after(conn->config.accept_at, limits->hello_ms);
    case CONN_OPEN:
    case CONN_CLOSING:
        at = aw_session_next_deadline(conn->session);
        if (conn->socket_window_at != 0 && aw_after(conn->socket_window_at, limits->rate_window_ms) < at)
            at = aw_after(conn->socket_window_at, limits->rate_window_ms);
        return at;
    case CONN_LINGERING:
        return conn->linger_at;
    case CONN_CLOSED:
    case CONN_STATES:
        break;
    }
    return 0;
}

unsigned
aw_conn_wants(const struct aw_conn *conn)
{
    unsigned wants = 0;

    switch (conn->state) {
    case CONN_HANDSHAKE:
        return conn->tls_writes_to_read ? AW_WANTS_WRITE : AW_WANTS_READ;
    case CONN_OPEN:
    case CONN_CLOSING:
        if (may_read(conn) || conn->tls_reads_to_write)
            wants |= AW_WANTS_READ;
        if (conn->unsent != NULL || conn->tls_writes_to_read || aw_session_wants_write(conn->session))
            wants |= AW_WANTS_WRITE;
        return wants;
    case CONN_LINGERING:
        return AW_WANTS_READ;
    case CONN_CLOSED:
    case CONN_STATES:
        break;
    }
    return 0;
}

void
aw_conn_shutdown(struct aw_conn *conn, aw_ns now)
{
    AW_ON(conn->edge);
    if (conn->state == CONN_OPEN)
        aw_session_shutdown(conn->session, now);
    else if (conn->state == CONN_HANDSHAKE)
        conn_close(conn, AW_CAUSE_DRAIN);
}

/* What the owner asks ----------------------------------------------------------------------------------------------------------*/

bool
aw_conn_is_bulk(const struct aw_conn *conn)
{
    return conn->session != NULL && aw_session_is_bulk(conn->session);
}

int
aw_conn_fd(const struct aw_conn *conn)
{
    return conn->config.fd;
}

enum aw_cause
aw_conn_cause(const struct aw_conn *conn)
{
    if (conn->cause != AW_CAUSE_NONE)
        return conn->cause;
    return conn->session == NULL ? AW_CAUSE_NONE : aw_session_cause(conn->session);
}

const struct aw_peer *
aw_conn_peer(const struct aw_conn *conn)
{
    return &conn->config.peer;
}

void *
aw_conn_owner(const struct aw_conn *conn)
{
    return conn->config.owner;
}

struct aw_list *
aw_conn_all_link(struct aw_conn *conn)
{
    return &conn->all_link;
}

struct aw_list *
aw_conn_turn_link(struct aw_conn *conn)
{
    return &conn->turn_link;
}

struct aw_conn *
aw_conn_of_all(struct aw_list *link)
{
    return AW_CONTAINER(link, struct aw_conn, all_link);
}

struct aw_conn *
aw_conn_of_turn(struct aw_list *link)
{
    return AW_CONTAINER(link, struct aw_conn, turn_link);
}
