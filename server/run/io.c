/* io.c - the event loop of one io thread. */
#include "run/io.h"

#include "base/log.h"
#include "base/mem.h"
#include "port/clock.h"
#include "run/access.h"
#include "run/api.h"
#include "run/gateways.h"
#include "run/orderbook.h"
#include "run/processor.h"
#include "run/rulebook.h"
#include "run/tokenbook.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

/* Connections that may be on their way from the acceptor at once; more wait in the listener's queue. */
#define ARRIVALS_SLOTS 1024U
/* What a request may have out at once: one submission, and a cancel of it, or reads. */
#define OUT_PER_REQUEST 2U
#define BLOCK_BYTES     AW_HTTP_BLOCK_BYTES
/* Deadlines are looked at once a second, but who stops the server waits for them. */
#define DRAIN_LOOK_S .05

/* A connection as this thread watches it. */
struct link {
    struct ev_io       watcher;
    struct aw_io      *io;      /* borrows */
    struct aw_conn    *conn;    /* owns */
    struct aw_arrival *arrival; /* owns until it goes back to the acceptor */
    int                events;  /* what the loop reported and no turn has served yet */
};

/* What tells an io thread to drain. */
static struct aw_arrival drain_arrival;

/* --- connections ------------------------------------------------------------------------------------------------------------- */

static void
close_link(struct link *link)
{
    struct aw_io      *io = link->io;
    struct aw_arrival *arrival = link->arrival;

    ev_io_stop(io->loop, &link->watcher);
    aw_conn_free(&link->conn);
    if (arrival->ssl_ctx != NULL)
        SSL_CTX_free(arrival->ssl_ctx);
    arrival->ssl_ctx = NULL;
    arrival->io = io->number;
    if (!aw_ring_try_push(&io->departures_in, arrival))
        AW_UNREACHABLE(); /* it has a slot for every connection */
    aw_wake_up(io->acceptor_wake);
    free(link);
}

static void
give_turn(struct aw_io *io, struct aw_conn *conn)
{
    if (aw_list_is_empty(aw_conn_turn_link(conn)))
        aw_list_push_back(aw_conn_is_bulk(conn) ? &io->bulk_turns : &io->turns, aw_conn_turn_link(conn));
}

/* After any call on a connection: close it, call it again later, or watch what it wants. */
static void
settle(struct link *link, enum aw_turn turn)
{
    unsigned wants;
    int      events = 0, priority;

    if (turn == AW_TURN_CLOSED) {
        close_link(link);
        return;
    }
    priority = aw_conn_is_bulk(link->conn) ? EV_MINPRI : 0; /* the loop serves those with a higher one first */
    if (turn == AW_TURN_AGAIN)
        give_turn(link->io, link->conn);
    wants = aw_conn_wants(link->conn);
    if (wants & AW_WANTS_READ)
        events |= EV_READ;
    if (wants & AW_WANTS_WRITE)
        events |= EV_WRITE;
    if (events == (link->watcher.events & (EV_READ | EV_WRITE)) && (events == 0) == !ev_is_active(&link->watcher) &&
        priority == ev_priority(&link->watcher))
        return;
    ev_io_stop(link->io->loop, &link->watcher);
    ev_set_priority(&link->watcher, priority);
    ev_io_set(&link->watcher, aw_conn_fd(link->conn), events);
    if (events != 0)
        ev_io_start(link->io->loop, &link->watcher);
}

/* Lets it do what it may by now. */
static enum aw_turn
serve(struct link *link)
{
    int events = link->events;

    link->events = 0;
    return aw_conn_on_ready(link->conn, (events & EV_READ) != 0, (events & EV_WRITE) != 0, link->io->now);
}

static void
on_socket(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct link *link = watcher->data;

    link->events |= events;
    if (!link->io->is_contended || !aw_conn_is_bulk(link->conn)) {
        settle(link, serve(link));
        return;
    }
    /* In the order in which they came, each in its turn: the loop would always begin with the same ones. */
    ev_io_stop(loop, watcher);
    give_turn(link->io, link->conn);
}

static void
on_conn_wake(void *owner, struct aw_conn *conn)
{
    struct link *link = owner;

    give_turn(link->io, conn);
}

/* From here on it does not count for its address. Without memory it still does, which only keeps others of that address out. */
static void
on_conn_known(void *owner, struct aw_conn *conn)
{
    struct link       *link = owner;
    struct aw_io      *io = link->io;
    struct aw_arrival *news = aw_new(struct aw_arrival);

    (void)conn;
    if (news == NULL)
        return;
    *news = (struct aw_arrival){.known = link->arrival};
    if (!aw_ring_try_push(&io->departures_in, news))
        AW_UNREACHABLE(); /* it has a slot for this of every connection, too */
    aw_wake_up(io->acceptor_wake);
}

/* Every connection that asked for a turn gets one; those that ask again wait for the next round, so that sockets are served too. */
static void
run_turns(struct aw_list *turns, uint32_t most)
{
    struct aw_list  now;
    struct aw_list *node;

    aw_list_init(&now);
    for (uint32_t i = 0; i < most && (node = aw_list_first(turns)) != NULL; i++) {
        aw_list_remove(node);
        aw_list_push_back(&now, node);
    }
    while ((node = aw_list_first(&now)) != NULL) {
        struct link *link = aw_conn_owner(aw_conn_of_turn(node));

        aw_list_remove(node);
        settle(link, serve(link));
    }
}

static void
arrive(struct aw_io *io, struct aw_arrival *arrival)
{
    struct link          *link = aw_new(struct link);
    struct aw_conn_config config;

    io->tls_arrived += arrival->ssl_ctx != NULL;
    if (link == NULL)
        goto refuse;
    link->io = io;
    link->arrival = arrival;
    config = (struct aw_conn_config){.edge = io->edge,
                                     .fd = arrival->fd,
                                     .ssl_ctx = arrival->ssl_ctx,
                                     .peer = arrival->peer,
                                     .accept_at = arrival->accept_at,
                                     .owner = link,
                                     .on_wake = on_conn_wake,
                                     .on_known = on_conn_known};
    ev_io_init(&link->watcher, on_socket, arrival->fd, 0);
    link->watcher.data = link;
    if (aw_conn_new(&link->conn, &config) != AW_OK)
        goto refuse;
    aw_list_push_back(&io->conns, aw_conn_all_link(link->conn));
    settle(link, AW_TURN_IDLE);
    return;
refuse:
    free(link);
    (void)close(arrival->fd); /* nothing was sent on it */
    if (arrival->ssl_ctx != NULL)
        SSL_CTX_free(arrival->ssl_ctx);
    arrival->ssl_ctx = NULL;
    arrival->io = io->number;
    if (!aw_ring_try_push(&io->departures_in, arrival))
        AW_UNREACHABLE();
    aw_wake_up(io->acceptor_wake);
}

static void
begin_drain(struct aw_io *io)
{
    io->draining = true;
    ev_timer_stop(io->loop, &io->second);
    ev_timer_set(&io->second, DRAIN_LOOK_S, DRAIN_LOOK_S);
    ev_timer_start(io->loop, &io->second);
    for (struct aw_list *node = io->conns.next; node != &io->conns; node = node->next)
        aw_conn_shutdown(aw_conn_of_all(node), io->now);
    aw_api_drain(io);
    aw_surge_copy_drain(io);
}

/* Between two requests: no text is being read now. */
static void
change_rules(struct aw_io *io, struct aw_rules_kit *kit)
{
    struct aw_rules_kit *old = io->rules;

    io->rules = kit;
    if (!aw_ring_try_push(&io->departures_in, &old->arrival))
        AW_UNREACHABLE(); /* it has slots for them beside those for the connections */
    aw_wake_up(io->acceptor_wake);
}

/* Between two requests: no pull is choosing now. */
static void
change_order(struct aw_io *io, struct aw_order_slip *slip)
{
    io->order = slip->order;
    aw_surge_copy_renew(io);
    if (!aw_ring_try_push(&io->departures_in, &slip->arrival))
        AW_UNREACHABLE(); /* as above */
    aw_wake_up(io->acceptor_wake);
}

static size_t
take_arrivals(struct aw_io *io)
{
    struct aw_arrival *arrival;
    size_t             taken = 0;

    while ((arrival = aw_ring_try_pop(&io->arrivals_out)) != NULL) {
        if (arrival == &drain_arrival)
            begin_drain(io);
        else if (arrival->kit != NULL)
            change_rules(io, arrival->kit);
        else if (arrival->slip != NULL)
            change_order(io, arrival->slip);
        else if (arrival->tokens != NULL)
            aw_access_change(io, arrival->tokens);
        else
            arrive(io, arrival);
        taken++;
    }
    return taken;
}

/* --- mailboxes --------------------------------------------------------------------------------------------------------------- */

static bool
is_look(const struct aw_submission *submission)
{
    return submission->kind == AW_SUBMIT_QUERY &&
           (submission->query->kind == AW_QUERY_AHEAD || submission->query->kind == AW_QUERY_SEARCH ||
            submission->query->kind == AW_QUERY_REPLIES || submission->query->kind == AW_QUERY_INCIDENT_TRY);
}

/* What follows the surge is out as long as the thread runs: no work of anybody's. */
static bool
is_work(const struct aw_submission *submission)
{
    return submission->kind != AW_SUBMIT_FOLLOW;
}

static void
send(struct aw_io *io, struct aw_submission *submission)
{
    if (!aw_ring_try_push(&io->to_committer, submission))
        AW_UNREACHABLE(); /* with_committer counts what both rings hold at most */
    io->with_committer++;
    io->rouse_committer = true;
}

/* out_max keeps new requests away long before the mailboxes are full. But errands of answers that were not delivered come without a
 * request, and requests for the metrics are taken at any time: they may have to wait here. */
void
aw_io_submit(struct aw_io *io, struct aw_submission *submission)
{
    io->out += is_work(submission);
    io->out_parked += submission->kind == AW_SUBMIT_PARK || submission->kind == AW_SUBMIT_AWAIT;
    io->out_looks += is_look(submission);
    io->choices_out += submission->choices;
    AW_ASSERT(io->choices_out <= AW_IO_CHOICES_MAX);
    if (io->with_committer < io->mailbox_slots && aw_list_is_empty(&io->backlog)) {
        send(io, submission);
        return;
    }
    aw_list_init(&submission->link);
    aw_list_push_back(&io->backlog, &submission->link);
}

static void
send_backlog(struct aw_io *io)
{
    struct aw_list *link;

    while (io->with_committer < io->mailbox_slots && (link = aw_list_first(&io->backlog)) != NULL) {
        aw_list_remove(link);
        send(io, AW_CONTAINER(link, struct aw_submission, link));
    }
}

void
aw_io_read(struct aw_io *io, struct aw_read *read)
{
    io->out++;
    aw_readers_push(io->shared->readers, read);
}

static size_t
take_back(struct aw_io *io)
{
    struct aw_submission *submission;
    struct aw_read       *read;
    size_t                taken = 0;

    while ((submission = aw_ring_try_pop(&io->from_committer)) != NULL) {
        io->out -= is_work(submission);
        io->out_parked -= submission->kind == AW_SUBMIT_PARK || submission->kind == AW_SUBMIT_AWAIT;
        io->out_looks -= is_look(submission);
        io->with_committer--;
        AW_ASSERT(submission->choices <= io->choices_out);
        io->choices_out -= submission->choices;
        submission->choices = 0;
        if (!aw_api_events_back(io, submission) && !aw_surge_copy_back(io, submission))
            aw_call_submission_back(submission);
        taken++;
    }
    send_backlog(io);
    while ((read = aw_readers_pop(io->shared->readers, io->number)) != NULL) {
        io->out--;
        aw_call_read_back(read);
        taken++;
    }
    return taken;
}

static void
rouse_committer(struct aw_io *io)
{
    if (!io->rouse_committer)
        return;
    io->rouse_committer = false;
    aw_wake_up(aw_committer_wake(io->shared->committer));
}

/* --- the loop ---------------------------------------------------------------------------------------------------------------- */

static void
read_clocks(struct aw_io *io)
{
    io->now = aw_clock_mono();
    io->wall = aw_clock_wall();
}

/* One that is late is judged after what it has sent and nobody has read yet. */
static void
step(struct link *link)
{
    enum aw_turn turn = link->events == 0 ? AW_TURN_IDLE : serve(link);

    settle(link, turn == AW_TURN_CLOSED ? turn : aw_conn_step(link->conn, link->io->now));
}

static void
on_second(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct aw_io *io = timer->data;

    (void)loop;
    (void)events;
    aw_edge_set_date(io->edge, io->wall);
    for (struct aw_list *node = io->conns.next, *next; node != &io->conns; node = next) {
        struct aw_conn *conn = aw_conn_of_all(node);

        next = node->next;
        if (aw_conn_next_deadline(conn) <= io->now)
            step(aw_conn_owner(conn));
    }
    aw_access_sweep(io);
    aw_metrics_take_edge(io->metrics, aw_edge_stats(io->edge));
    aw_metric_set(io->metrics, AW_METRIC_OUT, io->out);
}

static void
on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct aw_io         *io = timer->data;
    struct aw_wheel_node *node;

    (void)events;
    while ((node = aw_wheel_pop(&io->wheel, io->now)) != NULL) {
        struct aw_call *call = AW_CONTAINER(node, struct aw_call, node);

        call->ops->on_time(call);
    }
    if (io->wheel.count == 0)
        ev_timer_stop(loop, timer);
}

static void
on_wake(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events; /* the check watcher clears it */
}

/* Only keeps the loop from sleeping. */
static void
on_idle(struct ev_loop *loop, struct ev_idle *idle, int events)
{
    (void)loop;
    (void)idle;
    (void)events;
}

static bool
is_drained(const struct aw_io *io)
{
    return io->draining && io->out == 0 && aw_list_is_empty(&io->conns) && !aw_surge_copy_is_out(io);
}

/* Before each sleep: everything that came back is answered, everything that was answered is written, and only then we sleep. */
static void
on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    struct aw_io *io = prepare->data;
    bool          busy;

    (void)events;
    take_arrivals(io);
    take_back(io);
    aw_surge_copy_begin(io);
    aw_api_posts_step(io);
    rouse_committer(io); /* what was read is committed while answers are written */
    run_turns(&io->turns, UINT32_MAX);
    run_turns(&io->bulk_turns, io->is_contended ? AW_POSTS_BULK_MAX : UINT32_MAX);
    rouse_committer(io);
    aw_metric_set(io->metrics, AW_METRIC_TLS_SETTLED, io->tls_arrived - aw_edge_stats(io->edge)->handshakes_now);
    if (is_drained(io)) {
        io->drained = true;
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    aw_wake_prepare(&io->wake);
    busy = !aw_list_is_empty(&io->turns) || !aw_list_is_empty(&io->bulk_turns) || aw_posts_has_next(&io->posts) ||
           !aw_ring_is_empty(&io->from_committer) || !aw_ring_is_empty(&io->arrivals_out) ||
           aw_readers_has_back(io->shared->readers, io->number);
    if (busy)
        ev_idle_start(loop, &io->idle);
    else
        ev_idle_stop(loop, &io->idle);
    aw_qsbr_offline(io->quiet);
    /* A flood would keep this thread busy for as long as the kernel lets it, and the committer and the other io threads, by whom a
     * light gateway is served, would wait for that. */
    if (busy && io->is_contended && io->has_short_turns)
        aw_processor_let_others(&io->processor_used);
}

static void
on_check(struct ev_loop *loop, struct ev_check *check, int events)
{
    struct aw_io *io = check->data;

    (void)loop;
    (void)events;
    aw_qsbr_quiet(io->shared->qsbr, io->quiet);
    aw_wake_clear(&io->wake);
    read_clocks(io);
    io->is_contended = aw_gateways_is_contended(io->shared->gateways, io->now);
}

static void *
run(void *arg)
{
    struct aw_io *io = arg;

    io->has_short_turns = aw_processor_try_short_turns();
    aw_home_enter(&io->home);
    aw_edge_enter(io->edge);
    read_clocks(io);
    aw_qsbr_quiet(io->shared->qsbr, io->quiet); /* online until the first sleep */
    aw_wheel_init(&io->wheel, io->now);
    aw_edge_set_date(io->edge, io->wall);
    ev_run(io->loop, 0);
    aw_qsbr_offline(io->quiet);
    aw_metrics_take_edge(io->metrics, aw_edge_stats(io->edge));
    return NULL;
}

/* --- start and end ----------------------------------------------------------------------------------------------------------- */

static void
watch(struct aw_io *io)
{
    ev_io_init(&io->wake_watcher, on_wake, aw_wake_fd(&io->wake), EV_READ);
    ev_prepare_init(&io->prepare, on_prepare);
    ev_check_init(&io->check, on_check);
    ev_idle_init(&io->idle, on_idle);
    ev_timer_init(&io->second, on_second, 1., 1.);
    ev_timer_init(&io->tick, on_tick, 0., (double)AW_WHEEL_TICK_NS / 1e9);
    io->prepare.data = io;
    io->check.data = io;
    io->second.data = io;
    io->tick.data = io;
    ev_set_priority(&io->check, EV_MAXPRI); /* clocks and the quiet point come before any socket is served */
    ev_io_start(io->loop, &io->wake_watcher);
    ev_prepare_start(io->loop, &io->prepare);
    ev_check_start(io->loop, &io->check);
    ev_timer_start(io->loop, &io->second);
}

/* This thread's share. */
static uint64_t
bodies_bytes_max(const struct aw_io *io)
{
    return io->shared->settings->bodies_bytes_max / io->shared->settings->io_threads;
}

static enum aw_err
make_edge(struct aw_io *io)
{
    const struct aw_settings *settings = io->shared->settings;
    struct aw_edge_config     config = {.limits = AW_HTTP_LIMITS_DEFAULT,
                                        .handlers = aw_api_handlers(io),
                                        .blocks = io->blocks,
                                        .bodies_bytes_max = bodies_bytes_max(io)};

    config.limits.connections_max = (uint32_t)settings->connections_max;
    config.limits.drain_ms = (uint32_t)(settings->drain_s * AW_MS_PER_S);
    config.limits.hello_ms = (uint32_t)settings->http_hello_ms;
    config.limits.settings_ack_ms = (uint32_t)settings->http_settings_ack_ms;
    config.limits.frame_ms = (uint32_t)settings->http_frame_ms;
    config.limits.rate_window_ms = (uint32_t)settings->http_rate_window_ms;
    config.limits.idle_ms = (uint32_t)settings->http_idle_ms;
    config.limits.quiet_ms = (uint32_t)settings->http_quiet_ms;
    config.limits.ping_ack_ms = (uint32_t)settings->http_ping_ack_ms;
    config.limits.age_ms = (uint32_t)settings->http_age_ms;
    config.limits.resets_burst_max = (uint32_t)settings->http_resets_burst;
    config.limits.resets_per_s = (uint32_t)settings->http_resets_per_s;
    config.limits.glitches_burst_max = (uint32_t)settings->http_glitches_burst;
    config.limits.glitches_per_s = (uint32_t)settings->http_glitches_per_s;
    config.limits.controls_burst_max = (uint32_t)settings->http_controls_burst;
    config.limits.controls_per_s = (uint32_t)settings->http_controls_per_s;
    if (!aw_random(&config.seed, sizeof(config.seed)))
        return AW_E_IO;
    return aw_edge_new(&io->edge, &config);
}

static size_t
power_of_two(uint64_t least)
{
    size_t size = 2;

    while (size < least)
        size *= 2;
    return size;
}

uint32_t
aw_io_mailbox_slots(const struct aw_settings *settings)
{
    return (uint32_t)power_of_two((settings->requests_max + 1) * OUT_PER_REQUEST);
}

enum aw_err
aw_io_init(struct aw_io *io, uint32_t number, const struct aw_shared *shared, struct aw_why *why)
{
    const struct aw_settings *settings = shared->settings;
    enum aw_err               err;

    *io = (struct aw_io){
        .number = number, .shared = shared, .out_max = settings->requests_max, .mailbox_slots = aw_io_mailbox_slots(settings)};
    aw_list_init(&io->conns);
    aw_list_init(&io->turns);
    aw_list_init(&io->bulk_turns);
    aw_list_init(&io->watchers);
    aw_list_init(&io->backlog);
    if (!aw_posts_init(&io->posts, io->out_max / 4, bodies_bytes_max(io)))
        return aw_why(why, AW_E_MEMORY, "no memory");
    aw_list_init(&io->visits);
    io->sweep_at = AW_MS_MAX;
    err = aw_wake_init(&io->wake, why);
    if (err != AW_OK)
        return err;
    io->order = *aw_orderbook_order(shared->orderbook);
    aw_surge_copy_renew(io);
    io->metrics = aw_metrics_block(shared->metrics, number);
    io->quiet = aw_qsbr_join(shared->qsbr);
    io->blocks = aw_blocks_new(BLOCK_BYTES, settings->memory_bytes_max / settings->io_threads);
    io->loop = ev_loop_new(EVFLAG_AUTO);
    if (io->quiet == NULL || io->blocks == NULL || io->loop == NULL ||
        !aw_ring_init(&io->arrivals, ARRIVALS_SLOTS, &io->arrivals_in, &io->arrivals_out) ||
        !aw_ring_init(&io->departures, power_of_two(2 * settings->connections_max + 2 * ARRIVALS_SLOTS), &io->departures_in,
                      &io->departures_out))
        return aw_why(why, AW_E_MEMORY, "no memory for io thread %u", number);
    if (make_edge(io) != AW_OK)
        return aw_why(why, AW_E_MEMORY, "no memory for the HTTP edge of io thread %u", number);
    aw_committer_mailbox(shared->committer, number, &io->wake, &io->to_committer, &io->from_committer);
    aw_readers_join(shared->readers, number, &io->wake);
    return AW_OK;
}

enum aw_err
aw_io_start(struct aw_io *io, struct aw_wake *acceptor_wake, struct aw_why *why)
{
    char name[16];

    io->acceptor_wake = acceptor_wake;
    io->rules = aw_rulebook_first(io->shared->rulebook, io->number);
    if (io->shared->tokenbook != NULL)
        io->tokens = aw_tokenbook_first(io->shared->tokenbook, io->number);
    watch(io);
    if (pthread_create(&io->thread, NULL, run, io) != 0)
        return aw_why(why, AW_E_MEMORY, "io thread %u cannot be started", io->number);
    (void)snprintf(name, sizeof(name), "io%u", io->number);
    (void)pthread_setname_np(io->thread, name); /* only for people who look at the process */
    return AW_OK;
}

void
aw_io_fini(struct aw_io *io)
{
    if (io->shared == NULL)
        return; /* its start never began */
    aw_edge_free(&io->edge);
    aw_blocks_free(&io->blocks);
    if (io->loop != NULL)
        ev_loop_destroy(io->loop);
    aw_ring_fini(&io->arrivals);
    aw_ring_fini(&io->departures);
    aw_wake_fini(&io->wake);
    aw_posts_fini(&io->posts);
}

bool
aw_io_try_arrive(struct aw_io *io, struct aw_arrival *arrival)
{
    if (!aw_ring_try_push(&io->arrivals_in, arrival))
        return false;
    aw_wake_up(&io->wake);
    return true;
}

struct aw_arrival *
aw_io_departed(struct aw_io *io)
{
    return aw_ring_try_pop(&io->departures_out);
}

void
aw_io_drain(struct aw_io *io)
{
    while (!aw_ring_try_push(&io->arrivals_in, &drain_arrival))
        aw_wake_up(&io->wake); /* nothing arrives any more, so it empties */
    aw_wake_up(&io->wake);
}
