/* client_server.h - a small HTTP/2 server in a thread of its own, that does to its clients what their tests ask for.
 *
 * The path says what happens to a request:
 *   /echo       200 with the request's body and, in x-method, x-path and x-note, what else arrived
 *   /status/N   that status, no body           /big/N      200 with N bytes
 *   /fields/N   200 with N header fields       /continue   a 100, then 200
 *   /never      no answer                      /early      413 before the body is read, then RST_STREAM(NO_ERROR)
 *   /reset      RST_STREAM(INTERNAL_ERROR)     /refuse     RST_STREAM(REFUSED_STREAM)
 *   /hangup     closes the socket              /goaway     GOAWAY that names the stream before this one, closes 50 ms later
 *   /twice      refused the first time that it is asked for, 200 after that
 * Tests read the counters after server_stop, or by their atomics.
 */
#ifndef AW_TESTS_UNIT_CLIENT_SERVER_H
#define AW_TESTS_UNIT_CLIENT_SERVER_H

#include "base/assert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    /* Set before server_start. */
    uint32_t streams_max; /* 0: 100 */
    bool     tls;
    bool     no_alpn;
    bool     garbage; /* answers HTTP/1.1 text to everything */
    /* Set by it. */
    char        url[64];
    char        ca_file[64]; /* with tls: its certificate */
    atomic_uint connections;
    atomic_uint requests;
    atomic_uint resets; /* RST_STREAM that came in */
    atomic_uint twice;
    /* Its own. */
    pthread_t                  thread;
    struct ev_loop            *loop;
    ev_io                      acceptor;
    ev_async                   stopper;
    int                        fd;
    SSL_CTX                   *ctx;
    nghttp2_session_callbacks *callbacks;
    struct server_conn        *conns;
};

struct server_conn {
    struct server_conn   *next;
    struct server        *server;
    nghttp2_session      *session;
    SSL                  *ssl;
    ev_io                 io;
    ev_timer              later;
    bool                  hangup;
    int                   fd;
    struct server_stream *begins; /* later */
};

struct server_stream {
    char    method[16];
    char    path[256];
    char    note[256];
    char   *body; /* what came, then what goes */
    size_t  len;
    size_t  at;
    int32_t id;
    bool    answered;
    bool    goes_on; /* its answer has no end */
};

static void
server_conn_close(struct server_conn *conn)
{
    struct server_conn **at = &conn->server->conns;

    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
    ev_io_stop(conn->server->loop, &conn->io);
    ev_timer_stop(conn->server->loop, &conn->later);
    nghttp2_session_del(conn->session);
    SSL_free(conn->ssl);
    (void)close(conn->fd);
    free(conn);
}

static ssize_t
server_send(nghttp2_session *session, const uint8_t *bytes, size_t len, int flags, void *user)
{
    struct server_conn *conn = user;
    ssize_t             n;

    (void)session;
    (void)flags;
    if (conn->ssl != NULL) {
        int rc = SSL_write(conn->ssl, bytes, (int)len);

        return rc > 0 ? rc : NGHTTP2_ERR_WOULDBLOCK;
    }
    n = send(conn->fd, bytes, len, MSG_NOSIGNAL);
    return n >= 0 ? n : NGHTTP2_ERR_WOULDBLOCK;
}

static ssize_t
server_read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags, nghttp2_data_source *source,
                 void *user)
{
    struct server_stream *stream = source->ptr;
    size_t                len = stream->len - stream->at < room ? stream->len - stream->at : room;

    (void)session;
    (void)id;
    (void)user;
    memcpy(to, stream->body + stream->at, len);
    stream->at += len;
    if (stream->at == stream->len && !stream->goes_on)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return len == 0 && stream->goes_on ? NGHTTP2_ERR_DEFERRED : (ssize_t)len;
}

static nghttp2_nv
server_nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0};
}

static void
server_respond(struct server_conn *conn, struct server_stream *stream, const char *status, uint32_t extra_fields)
{
    static const char     text[] = "filler";
    nghttp2_nv            fields[260];
    size_t                count = 0;
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = server_read_body};

    fields[count++] = server_nv(":status", status);
    fields[count++] = server_nv("x-method", stream->method);
    fields[count++] = server_nv("x-path", stream->path);
    fields[count++] = server_nv("x-note", stream->note);
    while (extra_fields-- > 0 && count < AW_ARRAY_LEN(fields))
        fields[count++] = server_nv("x-filler", text);
    stream->answered = true;
    (void)nghttp2_submit_response(conn->session, stream->id, fields, count, stream->len > 0 ? &provider : NULL);
}

static void
server_goaway(struct server_conn *conn, struct server_stream *stream)
{
    (void)nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, stream->id - 2, NGHTTP2_NO_ERROR, (const uint8_t *)"nightly",
                                7);
    ev_timer_set(&conn->later, 0.05, 0.);
    ev_timer_start(conn->server->loop, &conn->later);
}

static void
server_handle(struct server_conn *conn, struct server_stream *stream)
{
    struct server *server = conn->server;
    const char    *path = stream->path;
    size_t         len;

    atomic_fetch_add(&server->requests, 1);
    if (strcmp(path, "/refuse") == 0 || (strcmp(path, "/twice") == 0 && atomic_fetch_add(&server->twice, 1) == 0)) {
        (void)nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_REFUSED_STREAM);
    } else if (strcmp(path, "/twice") == 0 || strncmp(path, "/echo", 5) == 0) {
        server_respond(conn, stream, "200", 0);
    } else if (strcmp(path, "/silence") == 0) { /* it begins after a while, and then nothing more comes */
        stream->goes_on = true;
        conn->begins = stream;
        ev_timer_set(&conn->later, 0.2, 0.);
        ev_timer_start(server->loop, &conn->later);
    } else if (strncmp(path, "/status/", 8) == 0) {
        stream->len = 0;
        server_respond(conn, stream, path + 8, 0);
    } else if (strncmp(path, "/big/", 5) == 0) {
        len = strtoul(path + 5, NULL, 10);
        free(stream->body);
        stream->body = malloc(len + 1);
        AW_ASSERT(stream->body != NULL);
        memset(stream->body, 'b', len);
        stream->len = len;
        server_respond(conn, stream, "200", 0);
    } else if (strncmp(path, "/fields/", 8) == 0) {
        server_respond(conn, stream, "200", (uint32_t)strtoul(path + 8, NULL, 10));
    } else if (strcmp(path, "/continue") == 0) {
        nghttp2_nv field = server_nv(":status", "100");

        (void)nghttp2_submit_headers(conn->session, NGHTTP2_FLAG_NONE, stream->id, NULL, &field, 1, NULL);
        server_respond(conn, stream, "200", 0);
    } else if (strcmp(path, "/reset") == 0) {
        (void)nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
    } else if (strcmp(path, "/hangup") == 0) {
        conn->hangup = true;
    } else if (strcmp(path, "/goaway") == 0) {
        server_goaway(conn, stream);
    }
}

static int
server_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
                 size_t value_len, uint8_t flags, void *user)
{
    struct server_stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)flags;
    (void)user;
    if (stream == NULL)
        return 0;
    if (name_len == 7 && memcmp(name, ":method", 7) == 0)
        (void)snprintf(stream->method, sizeof(stream->method), "%.*s", (int)value_len, (const char *)value);
    if (name_len == 5 && memcmp(name, ":path", 5) == 0)
        (void)snprintf(stream->path, sizeof(stream->path), "%.*s", (int)value_len, (const char *)value);
    if (name_len == 6 && memcmp(name, "x-note", 6) == 0)
        (void)snprintf(stream->note, sizeof(stream->note), "%.*s", (int)value_len, (const char *)value);
    return 0;
}

static int
server_on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct server_stream *stream = calloc(1, sizeof(*stream));

    (void)user;
    AW_ASSERT(stream != NULL);
    stream->id = frame->hd.stream_id;
    (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
    return 0;
}

static int
server_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len, void *user)
{
    struct server_stream *stream = nghttp2_session_get_stream_user_data(session, id);
    char                 *larger;

    (void)flags;
    (void)user;
    if (stream == NULL || stream->answered)
        return 0;
    larger = realloc(stream->body, stream->len + len + 1);
    AW_ASSERT(larger != NULL);
    memcpy(larger + stream->len, bytes, len);
    stream->body = larger;
    stream->len += len;
    return 0;
}

static int
server_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct server_conn   *conn = user;
    struct server_stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    if (frame->hd.type == NGHTTP2_RST_STREAM)
        atomic_fetch_add(&conn->server->resets, 1);
    if (stream == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && strcmp(stream->path, "/early") == 0) {
        server_respond(conn, stream, "413", 0);
        return 0;
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && !stream->answered)
        server_handle(conn, stream);
    return 0;
}

static int
server_on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct server_stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)user;
    if (stream != NULL && strcmp(stream->path, "/early") == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static int
server_on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct server_stream *stream = nghttp2_session_get_stream_user_data(session, id);
    struct server_conn   *conn = user;

    (void)code;
    if (stream != NULL && conn->begins == stream) {
        conn->begins = NULL;
        ev_timer_stop(conn->server->loop, &conn->later);
    }
    if (stream != NULL)
        free(stream->body);
    free(stream);
    (void)nghttp2_session_set_stream_user_data(session, id, NULL);
    return 0;
}

/* Deleting a session tells nothing about its streams; numbers are few in tests. */
static void
server_free_streams(struct server_conn *conn)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(conn->session);

    for (int32_t id = 1; id <= last; id += 2)
        (void)server_on_close(conn->session, id, 0, conn);
}

static void
server_on_later(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct server_conn *conn = timer->data;

    (void)loop;
    (void)events;
    if (conn->begins != NULL) {
        server_respond(conn, conn->begins, "200", 0);
        conn->begins = NULL;
        (void)nghttp2_session_send(conn->session);
        return;
    }
    server_free_streams(conn);
    server_conn_close(conn);
}

static ssize_t
server_recv(struct server_conn *conn, uint8_t *bytes, size_t room)
{
    int n;

    if (conn->ssl == NULL)
        return recv(conn->fd, bytes, room, 0);
    n = SSL_read(conn->ssl, bytes, (int)room);
    if (n > 0)
        return n;
    switch (SSL_get_error(conn->ssl, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    default:
        return 0;
    }
}

static void
server_on_io(struct ev_loop *loop, ev_io *io, int events)
{
    static const char   http1[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    struct server_conn *conn = io->data;
    uint8_t             bytes[16384];
    ssize_t             n;
    bool                gone = false;

    (void)events;
    while ((n = server_recv(conn, bytes, sizeof(bytes))) > 0 && !gone) {
        if (conn->server->garbage) {
            (void)send(conn->fd, http1, sizeof(http1) - 1, MSG_NOSIGNAL);
            gone = true;
        } else {
            gone = nghttp2_session_mem_recv(conn->session, bytes, (size_t)n) < 0 || conn->hangup;
        }
    }
    gone = gone || n == 0 || (errno != EAGAIN && errno != EINTR);
    if (!gone && (conn->ssl == NULL || SSL_is_init_finished(conn->ssl)))
        gone = nghttp2_session_send(conn->session) != 0;
    if (gone) {
        server_free_streams(conn);
        server_conn_close(conn);
        return;
    }
    /* Writing whenever there is something left to write. */
    ev_io_stop(loop, io);
    ev_io_set(io, conn->fd, EV_READ | (nghttp2_session_want_write(conn->session) ? EV_WRITE : 0));
    ev_io_start(loop, io);
}

static void
server_on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    int                    one = 1;
    struct server         *server = io->data;
    struct server_conn    *conn = calloc(1, sizeof(*conn));
    nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                       server->streams_max == 0 ? 100 : server->streams_max};

    (void)events;
    AW_ASSERT(conn != NULL);
    conn->server = server;
    conn->fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    AW_ASSERT(conn->fd >= 0);
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    atomic_fetch_add(&server->connections, 1);
    conn->next = server->conns;
    server->conns = conn;
    AW_ASSERT(nghttp2_session_server_new(&conn->session, server->callbacks, conn) == 0);
    (void)nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, &settings, 1);
    if (server->tls) {
        conn->ssl = SSL_new(server->ctx);
        AW_ASSERT(conn->ssl != NULL && SSL_set_fd(conn->ssl, conn->fd) == 1);
        SSL_set_accept_state(conn->ssl);
    }
    ev_io_init(&conn->io, server_on_io, conn->fd, EV_READ);
    conn->io.data = conn;
    ev_timer_init(&conn->later, server_on_later, 0., 0.);
    conn->later.data = conn;
    ev_io_start(loop, &conn->io);
}

static void
server_on_stop(struct ev_loop *loop, ev_async *stopper, int events)
{
    (void)stopper;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void *
server_main(void *arg)
{
    struct server *server = arg;
    sigset_t       pipe;

    /* Blocked for this thread only: a SIGPIPE that the client causes must end the test. */
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    (void)ev_run(server->loop, 0);
    while (server->conns != NULL) {
        server_free_streams(server->conns);
        server_conn_close(server->conns);
    }
    return NULL;
}

static int
server_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    for (unsigned at = 0; at + 2 < in_len; at += in[at] + 1U) {
        if (in[at] == 2 && memcmp(in + at + 1, "h2", 2) == 0) {
            *out = in + at + 1;
            *out_len = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A certificate for 127.0.0.1, signed by itself. */
static void
server_make_tls(struct server *server)
{
    EVP_PKEY       *key = EVP_EC_gen("P-256");
    X509           *cert = X509_new();
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    FILE           *file;

    AW_ASSERT(key != NULL && cert != NULL && san != NULL);
    (void)X509_set_version(cert, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    (void)X509_set_issuer_name(cert, X509_get_subject_name(cert));
    (void)X509_set_pubkey(cert, key);
    (void)X509_add_ext(cert, san, -1);
    AW_ASSERT(X509_sign(cert, key, EVP_sha256()) > 0);
    server->ctx = SSL_CTX_new(TLS_server_method());
    AW_ASSERT(server->ctx != NULL && SSL_CTX_use_certificate(server->ctx, cert) == 1);
    AW_ASSERT(SSL_CTX_use_PrivateKey(server->ctx, key) == 1);
    (void)SSL_CTX_set_mode(server->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!server->no_alpn)
        SSL_CTX_set_alpn_select_cb(server->ctx, server_on_alpn, NULL);
    (void)snprintf(server->ca_file, sizeof(server->ca_file), "client_test_ca_%d.pem", (int)getpid());
    file = fopen(server->ca_file, "w");
    AW_ASSERT(file != NULL);
    (void)PEM_write_X509(file, cert);
    (void)fclose(file);
    X509_EXTENSION_free(san);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void
server_start(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          len = sizeof(address);

    server->loop = ev_loop_new(EVFLAG_AUTO);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    AW_ASSERT(server->loop != NULL && server->fd >= 0);
    AW_ASSERT(bind(server->fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(server->fd, 64) == 0);
    AW_ASSERT(getsockname(server->fd, (struct sockaddr *)&address, &len) == 0);
    (void)snprintf(server->url, sizeof(server->url), "%s://127.0.0.1:%u", server->tls ? "https" : "http",
                   ntohs(address.sin_port));
    if (server->tls)
        server_make_tls(server);
    AW_ASSERT(nghttp2_session_callbacks_new(&server->callbacks) == 0);
    nghttp2_session_callbacks_set_send_callback(server->callbacks, server_send);
    nghttp2_session_callbacks_set_on_begin_headers_callback(server->callbacks, server_on_begin);
    nghttp2_session_callbacks_set_on_header_callback(server->callbacks, server_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(server->callbacks, server_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(server->callbacks, server_on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(server->callbacks, server_on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(server->callbacks, server_on_close);
    ev_io_init(&server->acceptor, server_on_accept, server->fd, EV_READ);
    server->acceptor.data = server;
    ev_io_start(server->loop, &server->acceptor);
    ev_async_init(&server->stopper, server_on_stop);
    ev_async_start(server->loop, &server->stopper);
    AW_ASSERT(pthread_create(&server->thread, NULL, server_main, server) == 0);
}

static void
server_stop(struct server *server)
{
    ev_async_send(server->loop, &server->stopper);
    (void)pthread_join(server->thread, NULL);
    nghttp2_session_callbacks_del(server->callbacks);
    SSL_CTX_free(server->ctx);
    if (server->ca_file[0] != '\0')
        (void)unlink(server->ca_file);
    (void)close(server->fd);
    ev_loop_destroy(server->loop);
}

#endif
