/* trunk.c - one connection: finding the server, reading, gathering output, ending.
 *  The protocol session exists from the first moment, so that exchanges can be submitted before the connection stands; they
 * leave once the server's SETTINGS are there: sent earlier, those above its limit of streams would be refused. Output goes
 * through one shared buffer; only what the socket does not take is kept, and while something is kept nothing more is taken out
 * of the session, so that a server that does not read costs us one buffer.
 */
#include "client/internal.h"

#include "base/mem.h"
#include "port/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads a turn: a busy server must not keep the others waiting. */
#define READS_MAX 4

static void try_address(struct aw_trunk *trunk);

/* --- state ---------------------------------------------------------------------------------------------------------------- */

static void
move(struct aw_trunk *trunk, enum aw_trunk_state state)
{
    AW_ASSERT(state > trunk->state);
    trunk->state = state;
    if (!trunk->forgotten && aw_list_is_empty(&trunk->in_changed))
        aw_list_push_back(&trunk->client->changed, &trunk->in_changed);
}

void
aw_trunk_tell(struct aw_trunk *trunk)
{
    if (trunk->changed != NULL && !trunk->forgotten)
        trunk->changed(trunk->user, trunk, trunk->state);
}

void
aw_trunk_drain(struct aw_trunk *trunk, const char *why)
{
    if (trunk->state >= AW_TRUNK_DRAINING)
        return;
    if (why != NULL)
        (void)aw_why(&trunk->why, AW_E_CLOSED, "connection to %s: %s", trunk->url.authority, why);
    move(trunk, AW_TRUNK_DRAINING);
}

static void
close_socket(struct aw_trunk *trunk)
{
    trunk->standing = false;
    ev_io_stop(trunk->client->loop, &trunk->readable);
    ev_io_stop(trunk->client->loop, &trunk->writable);
    SSL_free(trunk->ssl);
    trunk->ssl = NULL;
    if (trunk->fd >= 0)
        (void)close(trunk->fd);
    trunk->fd = -1;
}

/* Decides all results, lets the library go, closes the socket. */
static void
end(struct aw_trunk *trunk, bool by_owner)
{
    struct aw_list *node = trunk->exchanges.next;

    while (node != &trunk->exchanges) {
        struct aw_exchange *exchange = AW_CONTAINER(node, struct aw_exchange, in_trunk);

        node = node->next;
        if (by_owner)
            aw_exchange_end(exchange, AW_EXCHANGE_CLOSED, "closed by this side");
        else if (!trunk->opened)
            aw_exchange_end(exchange, AW_EXCHANGE_UNREACHED, trunk->why.text);
        else
            aw_exchange_end(exchange, exchange->sent ? AW_EXCHANGE_LOST : AW_EXCHANGE_UNPROCESSED, trunk->why.text);
    }
    AW_ASSERT(trunk->exchange_count == 0);
    /* Deleting a session closes its streams without a word. */
    nghttp2_session_del(trunk->session);
    trunk->session = NULL;
    node = trunk->exchanges.next;
    while (node != &trunk->exchanges) {
        struct aw_exchange *exchange = AW_CONTAINER(node, struct aw_exchange, in_trunk);

        node = node->next;
        aw_exchange_let_go(exchange);
    }
    ev_timer_stop(trunk->client->loop, &trunk->connect_timer);
    close_socket(trunk);
    aw_list_remove(&trunk->in_dirty);
    trunk->pending_len = 0;
    trunk->pending_at = 0;
    move(trunk, AW_TRUNK_CLOSED);
}

void
aw_trunk_fail(struct aw_trunk *trunk, const char *format, ...)
{
    va_list args;

    if (trunk->state == AW_TRUNK_CLOSED)
        return;
    if (format != NULL) {
        va_start(args, format);
        (void)vsnprintf(trunk->why.text, sizeof(trunk->why.text), format, args);
        va_end(args);
    }
    end(trunk, false);
}

/* --- writing -------------------------------------------------------------------------------------------------------------- */

/* Bytes taken; 0 when the socket takes none just now; -1 when it failed and the trunk was closed. */
static long
write_some(struct aw_trunk *trunk, const char *bytes, size_t len)
{
    long n;

    if (trunk->ssl != NULL) {
        n = aw_client_tls_write(trunk, bytes, len);
        if (n < 0)
            aw_trunk_fail(trunk, NULL);
        return n;
    }
    n = send(trunk->fd, bytes, len, MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    aw_trunk_fail(trunk, "connection to %s: %s", trunk->url.authority, strerror(errno));
    return -1;
}

/* False when the trunk was closed. */
static bool
write_pending(struct aw_trunk *trunk)
{
    while (trunk->pending_at < trunk->pending_len) {
        long n = write_some(trunk, trunk->pending + trunk->pending_at, trunk->pending_len - trunk->pending_at);

        if (n < 0)
            return false;
        if (n == 0) {
            ev_io_start(trunk->client->loop, &trunk->writable);
            return true;
        }
        trunk->pending_at += (size_t)n;
    }
    trunk->pending_at = 0;
    trunk->pending_len = 0;
    ev_io_stop(trunk->client->loop, &trunk->writable);
    return true;
}

/* Keeps what the socket did not take. False when there is no memory and the trunk was closed. */
static bool
keep(struct aw_trunk *trunk, const char *bytes, size_t len)
{
    if (trunk->pending_len + len > trunk->pending_room) {
        char *larger = realloc(trunk->pending, trunk->pending_len + len);

        if (larger == NULL) {
            aw_trunk_fail(trunk, "connection to %s: no memory for output", trunk->url.authority);
            return false;
        }
        trunk->pending = larger;
        trunk->pending_room = trunk->pending_len + len;
    }
    memcpy(trunk->pending + trunk->pending_len, bytes, len);
    trunk->pending_len += len;
    return true;
}

static bool
write_or_keep(struct aw_trunk *trunk, const char *bytes, size_t len)
{
    long n;

    while (len > 0 && trunk->pending_len == 0) {
        n = write_some(trunk, bytes, len);
        if (n < 0)
            return false;
        if (n == 0)
            break;
        bytes += n;
        len -= (size_t)n;
    }
    if (len == 0)
        return true;
    ev_io_start(trunk->client->loop, &trunk->writable);
    return keep(trunk, bytes, len);
}

static void
gather(struct aw_trunk *trunk)
{
    char          *output = trunk->client->output;
    size_t         len = 0;
    const uint8_t *piece;
    ssize_t        n;

    while (trunk->pending_len == 0) {
        n = nghttp2_session_mem_send(trunk->session, &piece);
        if (n < 0) {
            aw_trunk_fail(trunk, "connection to %s: %s", trunk->url.authority, nghttp2_strerror((int)n));
            return;
        }
        if (len > 0 && (n == 0 || len + (size_t)n > OUTPUT_BYTES)) {
            if (!write_or_keep(trunk, output, len))
                return;
            len = 0;
        }
        if (n == 0)
            return;
        if (trunk->pending_len > 0 || (size_t)n > OUTPUT_BYTES) {
            if (!write_or_keep(trunk, (const char *)piece, (size_t)n))
                return;
            continue;
        }
        memcpy(output + len, piece, (size_t)n);
        len += (size_t)n;
    }
    AW_ASSERT(len == 0);
}

void
aw_trunk_flush(struct aw_trunk *trunk)
{
    if (!trunk->standing)
        return;
    if (trunk->pending_len == 0)
        gather(trunk);
    if (!trunk->standing)
        return;
    if (nghttp2_session_want_read(trunk->session) != 0 || nghttp2_session_want_write(trunk->session) != 0 ||
        trunk->pending_len > 0)
        return;
    if (!trunk->opened)
        aw_trunk_fail(trunk, "%s does not speak HTTP/2", trunk->url.authority);
    else
        aw_trunk_fail(trunk, trunk->why.text[0] == '\0' ? "%s broke the protocol" : NULL, trunk->url.authority);
}

static void
on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct aw_trunk  *trunk = watcher->data;
    struct aw_client *client = trunk->client;

    (void)loop;
    (void)events;
    if (!trunk->standing)
        return; /* closed by another event of this turn */
    client->now = aw_clock_mono();
    if (write_pending(trunk) && trunk->pending_len == 0)
        aw_client_dirty(trunk);
    aw_client_deliver(client);
}

/* --- reading -------------------------------------------------------------------------------------------------------------- */

/* Bytes; 0 nothing just now; -1 ended, with the reason in `why`. */
static long
read_some(struct aw_trunk *trunk, char *bytes, size_t room)
{
    long n;

    if (trunk->ssl != NULL)
        return aw_client_tls_read(trunk, bytes, room);
    n = recv(trunk->fd, bytes, room, 0);
    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        (void)aw_why_errno(&trunk->why, AW_E_IO, errno, "connection to %s", trunk->url.authority);
    return -1;
}

/* What frames of the connection change, once the library has returned. */
static void
note_frames(struct aw_trunk *trunk)
{
    if (trunk->saw_settings && !trunk->opened) {
        trunk->opened = true;
        ev_timer_stop(trunk->client->loop, &trunk->connect_timer);
        move(trunk, AW_TRUNK_OPEN);
    }
    if (trunk->saw_goaway)
        aw_trunk_drain(trunk, NULL);
}

static void
read_turn(struct aw_trunk *trunk)
{
    struct aw_client *client = trunk->client;

    for (unsigned i = 0; i < READS_MAX; i++) {
        long n = read_some(trunk, client->input, READ_BYTES);

        if (n == 0)
            return;
        if (n < 0) {
            aw_trunk_fail(trunk, trunk->why.text[0] == '\0' ? "%s closed the connection" : NULL, trunk->url.authority);
            return;
        }
        if (!aw_client_session_read(trunk, client->input, (size_t)n)) {
            aw_client_dirty(trunk);
            aw_trunk_fail(trunk, NULL);
            return;
        }
        note_frames(trunk);
        aw_client_dirty(trunk);
        if (trunk->ssl == NULL && (size_t)n < READ_BYTES)
            return; /* the socket is empty: not worth asking */
    }
    if (trunk->ssl != NULL && SSL_has_pending(trunk->ssl)) /* no event will tell of what OpenSSL holds */
        ev_feed_event(client->loop, &trunk->readable, EV_READ);
}

static void
on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct aw_trunk *trunk = watcher->data;

    (void)loop;
    (void)events;
    if (!trunk->standing)
        return; /* closed by another event of this turn */
    trunk->client->now = aw_clock_mono();
    read_turn(trunk);
    aw_client_deliver(trunk->client);
}

/* --- connecting ----------------------------------------------------------------------------------------------------------- */

static void
stand(struct aw_trunk *trunk)
{
    struct aw_client *client = trunk->client;

    trunk->standing = true;
    ev_io_stop(client->loop, &trunk->writable);
    ev_set_cb(&trunk->readable, on_readable);
    ev_set_cb(&trunk->writable, on_writable);
    ev_io_start(client->loop, &trunk->readable);
    trunk->why.text[0] = '\0'; /* of addresses that did not answer */
    aw_client_dirty(trunk);
}

static void
handshake(struct aw_trunk *trunk)
{
    int rc = aw_client_tls_handshake(trunk);

    if (rc < 0)
        aw_trunk_fail(trunk, NULL); /* another address would give the same server */
    else if (rc > 0)
        stand(trunk);
}

static void
on_handshake(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct aw_trunk *trunk = watcher->data;

    (void)loop;
    (void)events;
    trunk->client->now = aw_clock_mono();
    if (trunk->state == AW_TRUNK_CONNECTING && !trunk->standing)
        handshake(trunk);
    aw_client_deliver(trunk->client);
}

static void
next_address(struct aw_trunk *trunk, int errnum)
{
    (void)aw_why_errno(&trunk->why, AW_E_IO, errnum, "connect to %s", trunk->url.authority);
    close_socket(trunk);
    trunk->address = trunk->address->ai_next;
    try_address(trunk);
}

static void
connected(struct aw_trunk *trunk)
{
    struct ev_loop *loop = trunk->client->loop;
    int             one = 1;

    /* Our writes are whole turns already; waiting to join them would only add a delay. */
    (void)setsockopt(trunk->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!trunk->url.tls) {
        stand(trunk);
        return;
    }
    if (!aw_client_tls_start(trunk)) {
        aw_trunk_fail(trunk, "TLS with %s: out of memory", trunk->url.authority);
        return;
    }
    ev_set_cb(&trunk->readable, on_handshake);
    ev_set_cb(&trunk->writable, on_handshake);
    ev_io_start(loop, &trunk->readable);
    handshake(trunk);
}

static void
on_connecting(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct aw_trunk *trunk = watcher->data;
    int              errnum = 0;
    socklen_t        len = sizeof(errnum);

    (void)loop;
    (void)events;
    trunk->client->now = aw_clock_mono();
    if (trunk->state == AW_TRUNK_CONNECTING) {
        if (getsockopt(trunk->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
            errnum = errno;
        ev_io_stop(trunk->client->loop, &trunk->writable);
        if (errnum == 0)
            connected(trunk);
        else
            next_address(trunk, errnum);
    }
    aw_client_deliver(trunk->client);
}

static void
try_address(struct aw_trunk *trunk)
{
    const struct addrinfo *address = trunk->address;

    if (address == NULL) {
        aw_trunk_fail(trunk, NULL);
        return;
    }
    trunk->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (trunk->fd < 0) {
        next_address(trunk, errno);
        return;
    }
    ev_io_set(&trunk->readable, trunk->fd, EV_READ);
    ev_io_set(&trunk->writable, trunk->fd, EV_WRITE);
    ev_set_cb(&trunk->writable, on_connecting);
    if (connect(trunk->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        next_address(trunk, errno);
        return;
    }
    ev_io_start(trunk->client->loop, &trunk->writable); /* also when it stands already: all results come from the loop */
}

static void
on_connect_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct aw_trunk *trunk = timer->data;

    (void)loop;
    (void)events;
    trunk->client->now = aw_clock_mono();
    aw_trunk_fail(trunk, "connect to %s: no answer within %llu ms", trunk->url.authority,
                  (unsigned long long)(trunk->client->connect_ns_max / AW_NS_PER_MS));
    aw_client_deliver(trunk->client);
}

/* The first step is made from the loop, so that no result comes before aw_trunk_open has returned. */
static void
on_begin(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct aw_trunk  *trunk = timer->data;
    struct aw_client *client = trunk->client;

    (void)events;
    ev_timer_init(timer, on_connect_timeout, (double)client->connect_ns_max / 1e9, 0.);
    ev_timer_start(loop, timer);
    client->now = aw_clock_mono();
    try_address(trunk);
    aw_client_deliver(client);
}

static struct aw_trunk *
trunk_new(struct aw_client *client, const struct aw_url *url, aw_trunk_changed *changed, void *user)
{
    struct aw_trunk *trunk = aw_new(struct aw_trunk);

    if (trunk == NULL)
        return NULL;
    trunk->client = client;
    trunk->url = *url;
    trunk->changed = changed;
    trunk->user = user;
    trunk->fd = -1;
    aw_list_init(&trunk->in_client);
    aw_list_init(&trunk->in_dirty);
    aw_list_init(&trunk->in_changed);
    aw_list_init(&trunk->exchanges);
    ev_init(&trunk->readable, on_readable);
    ev_init(&trunk->writable, on_writable);
    ev_timer_init(&trunk->connect_timer, on_begin, 0., 0.);
    trunk->readable.data = trunk;
    trunk->writable.data = trunk;
    trunk->connect_timer.data = trunk;
    return trunk;
}

enum aw_err
aw_trunk_open(struct aw_trunk **ret_trunk, struct aw_client *client, const struct aw_url *url, aw_trunk_changed *changed,
              void *user, struct aw_why *why)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct aw_trunk      *trunk = trunk_new(client, url, changed, user);
    int                   rc;

    if (trunk == NULL || !aw_client_session_new(trunk)) {
        aw_trunk_free(trunk);
        return aw_why(why, AW_E_MEMORY, "out of memory");
    }
    rc = getaddrinfo(url->host, url->port, &hints, &trunk->addresses);
    if (rc != 0) {
        aw_trunk_free(trunk);
        return aw_why(why, rc == EAI_MEMORY ? AW_E_MEMORY : AW_E_NOT_FOUND, "host %s: %s", url->host, gai_strerror(rc));
    }
    trunk->address = trunk->addresses;
    ev_timer_start(client->loop, &trunk->connect_timer);
    aw_list_push_back(&client->trunks, &trunk->in_client);
    *ret_trunk = trunk;
    return AW_OK;
}

/* --- ending --------------------------------------------------------------------------------------------------------------- */

void
aw_trunk_free(struct aw_trunk *trunk)
{
    if (trunk == NULL)
        return;
    AW_ASSERT(aw_list_is_empty(&trunk->exchanges));
    aw_list_remove(&trunk->in_client);
    aw_list_remove(&trunk->in_dirty);
    aw_list_remove(&trunk->in_changed);
    nghttp2_session_del(trunk->session);
    if (trunk->addresses != NULL)
        freeaddrinfo(trunk->addresses);
    free(trunk->pending);
    free(trunk);
}

void
aw_trunk_close(struct aw_trunk **trunk_of)
{
    struct aw_trunk  *trunk = *trunk_of;
    struct aw_client *client;

    if (trunk == NULL)
        return;
    *trunk_of = NULL;
    client = trunk->client;
    AW_ASSERT(!trunk->forgotten);
    trunk->forgotten = true;
    aw_list_remove(&trunk->in_changed);
    if (trunk->standing) {
        (void)nghttp2_session_terminate_session(trunk->session, NGHTTP2_NO_ERROR);
        if (trunk->pending_len == 0)
            gather(trunk);
    }
    if (trunk->ssl != NULL && SSL_is_init_finished(trunk->ssl))
        (void)SSL_shutdown(trunk->ssl); /* close_notify, as far as the socket takes it */
    if (trunk->state != AW_TRUNK_CLOSED)
        end(trunk, true);
    aw_client_deliver_of(trunk);
    aw_list_remove(&trunk->in_client);
    aw_list_push_back(&client->forgotten, &trunk->in_client);
    aw_client_sweep(client);
}

enum aw_trunk_state
aw_trunk_state(const struct aw_trunk *trunk)
{
    return trunk->state;
}

const char *
aw_trunk_why(const struct aw_trunk *trunk)
{
    return trunk->why.text;
}

bool
aw_trunk_never_opened(const struct aw_trunk *trunk)
{
    return trunk->state == AW_TRUNK_CLOSED && !trunk->opened;
}

uint32_t
aw_trunk_exchanges(const struct aw_trunk *trunk)
{
    return trunk->exchange_count;
}

uint32_t
aw_trunk_streams_max(const struct aw_trunk *trunk)
{
    return trunk->session == NULL ? 0
                                  : nghttp2_session_get_remote_settings(trunk->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}
