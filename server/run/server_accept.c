/* server_accept.c - the main thread's connections: accepted, given to the least loaded io thread, and what comes back. */
#include "base/log.h"
#include "port/clock.h"
#include "run/server_parts.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

static struct aw_io *
least_loaded(struct aw_server *server)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < server->io_count; i++) {
        if (server->io_loads[i] < server->io_loads[best])
            best = i;
    }
    return &server->ios[best];
}

/* True: the socket is somebody's. False: it is still ours to close. */
static bool
hand_over(struct aw_server *server, int fd, const struct aw_peer *peer, bool tls)
{
    struct aw_arrival *arrival = calloc(1, sizeof(*arrival));
    struct aw_io      *io = least_loaded(server);

    if (arrival == NULL)
        return false;
    *arrival = (struct aw_arrival){.fd = fd, .peer = *peer, .accept_at = aw_clock_mono()};
    if (tls && SSL_CTX_up_ref(server->ssl_ctx) == 1)
        arrival->ssl_ctx = server->ssl_ctx;
    if ((tls && arrival->ssl_ctx == NULL) || !aw_io_try_arrive(io, arrival)) {
        SSL_CTX_free(arrival->ssl_ctx); /* accepts NULL */
        free(arrival);
        return false;
    }
    server->io_loads[io->number]++;
    server->tls_handed += tls;
    return true;
}

/* Handshakes are the dearest thing a stranger can ask for: above a number of them the others wait in the listener's queue. Those on
 * their way to an io thread count. */
static bool
is_full(struct aw_server *server, const struct aw_listener *listener)
{
    return aw_gate_is_full(server->gate) ||
           (listener->tls &&
            server->tls_handed - aw_metric_sum(server->metrics, AW_METRIC_TLS_SETTLED) >= AW_HTTP_LIMITS_DEFAULT.handshakes_max);
}

static void
rest(struct aw_server *server, struct aw_listener *listener)
{
    ev_io_stop(server->loop, &listener->watcher);
    ev_timer_again(server->loop, &listener->rest);
}

/* Who has no descriptor left finds that out ten times a second: the log says it when it begins and when it is over. */
static void
note_failure(struct aw_server *server, struct aw_listener *listener, enum aw_err err)
{
    aw_metric_add(aw_metrics_block(server->metrics, server->io_count + 1), AW_METRIC_ACCEPT_RESTS, 1);
    if (!listener->is_failing)
        aw_log(AW_LOG_ERROR, "connections can't be accepted; those that are there go on",
               aw_log_str("why", err == AW_E_OVERLOADED ? "no descriptor or no memory is left for one" : "the listener fails"),
               aw_log_str("listen", listener->text));
    listener->is_failing = true;
}

static void
note_success(struct aw_listener *listener)
{
    if (listener->is_failing)
        aw_log(AW_LOG_INFO, "connections are accepted again", aw_log_str("listen", listener->text));
    listener->is_failing = false;
}

static void
on_rested(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct aw_server   *server = ev_userdata(loop);
    struct aw_listener *listener = AW_CONTAINER(timer, struct aw_listener, rest);

    (void)events;
    aw_spare_renew(&server->spare);
    ev_timer_stop(loop, timer);
    ev_io_start(loop, &listener->watcher);
}

static void
on_acceptable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct aw_server   *server = ev_userdata(loop);
    struct aw_listener *listener = AW_CONTAINER(watcher, struct aw_listener, watcher);

    (void)events;
    for (unsigned i = 0; i < AW_HTTP_LIMITS_DEFAULT.accept_batch_max; i++) {
        struct aw_peer      peer;
        enum aw_gate_answer answer;
        enum aw_err         err;
        int                 fd;

        if (is_full(server, listener)) {
            rest(server, listener);
            return;
        }
        err = aw_accept(watcher->fd, &server->spare, &fd, &peer);
        if (err == AW_E_CLOSED)
            continue;
        if (err == AW_E_AGAIN)
            return;
        if (err != AW_OK) {
            note_failure(server, listener, err);
            rest(server, listener);
            return;
        }
        note_success(listener);
        answer = aw_gate_try_enter(server->gate, &peer);
        if (answer != AW_GATE_OPEN) {
            (void)close(fd); /* nothing was read from it */
            aw_metric_add(aw_server_metrics(server), AW_METRIC_CAUSE_0 + AW_CAUSE_ADDRESS, 1);
        } else if (!hand_over(server, fd, &peer, listener->tls)) {
            aw_gate_leave(server->gate, &peer, false);
            (void)close(fd);
            aw_metric_add(aw_server_metrics(server), AW_METRIC_CAUSE_0 + AW_CAUSE_MEMORY, 1);
        }
    }
}

bool
aw_server_take_departures(struct aw_server *server)
{
    bool returned = false;

    for (uint32_t i = 0; i < server->io_started; i++) { /* a start that failed has fewer */
        struct aw_arrival *arrival;

        while ((arrival = aw_io_departed(&server->ios[i])) != NULL) {
            if (arrival->kit != NULL) {
                aw_rulebook_take(server->rulebook, arrival->kit);
                continue;
            }
            if (arrival->slip != NULL) {
                aw_orderbook_take(server->orderbook, arrival->slip);
                returned = true;
                continue;
            }
            if (arrival->tokens != NULL) {
                aw_tokenbook_take(server->tokenbook, arrival->tokens);
                returned = true;
                continue;
            }
            if (arrival->known != NULL) { /* it comes before that connection does */
                aw_gate_mark_known(server->gate, &arrival->known->peer);
                arrival->known->was_known = true;
                free(arrival);
                continue;
            }
            aw_gate_leave(server->gate, &arrival->peer, arrival->was_known);
            server->io_loads[i]--;
            free(arrival);
        }
    }
    return returned;
}

static void
watch_listener(struct aw_server *server, struct aw_listener *listener, bool tls)
{
    listener->tls = tls;
    if (listener->fd < 0)
        return;
    ev_io_init(&listener->watcher, on_acceptable, listener->fd, EV_READ);
    ev_timer_init(&listener->rest, on_rested, 0., AW_HTTP_LIMITS_DEFAULT.accept_rest_ms / 1e3);
    ev_io_start(server->loop, &listener->watcher);
}

void
aw_server_watch_listeners(struct aw_server *server)
{
    watch_listener(server, &server->plain, false);
    watch_listener(server, &server->tls, true);
}

static void
close_listener(struct aw_server *server, struct aw_listener *listener)
{
    if (listener->fd < 0)
        return;
    if (server->loop != NULL) {
        ev_io_stop(server->loop, &listener->watcher);
        ev_timer_stop(server->loop, &listener->rest);
    }
    (void)close(listener->fd); /* a listener holds nothing that could be lost */
    listener->fd = -1;
}

void
aw_server_close_listeners(struct aw_server *server)
{
    close_listener(server, &server->plain);
    close_listener(server, &server->tls);
}
