/* server_notify.c - what the service manager is told: how far a start is, that we serve, that we still move, that we end.
 *
 * The committer is what everything waits for: only while it takes turns is the watchdog fed. It is woken after each look, so that
 * one that has nothing to do takes a turn, too; one that hangs in a flush or a loop does not, and the manager ends us.
 */
#include "base/log.h"
#include "commit/committer.h"
#include "port/clock.h"
#include "run/server_parts.h"

#define START_LOOK_S    0.5
#define STATUS_LOOK_S   5.0
#define PAGES_TELL      AW_NS_PER_S
#define EXTEND_START_US 30000000 /* a start that gets on may take this much longer, each time */

void
aw_server_tell_pages(void *user, uint64_t pages, uint64_t pages_total)
{
    struct aw_server *server = user;
    aw_ns             now = aw_clock_mono();

    if (server->notified_pages_at != 0 && now < server->notified_pages_at + PAGES_TELL)
        return;
    if (aw_notify_tell(&server->notify, "EXTEND_TIMEOUT_USEC=%d\nSTATUS=checking the store: page %llu of %llu", EXTEND_START_US,
                       (unsigned long long)pages, (unsigned long long)pages_total))
        server->notified_pages_at = now;
}

static void
tell_start(struct aw_server *server)
{
    uint64_t done = aw_metric_sum(server->metrics, AW_METRIC_PROGRESS), total = aw_metric_sum(server->metrics, AW_METRIC_TOTAL);

    if (done != server->notified_progress &&
        aw_notify_tell(&server->notify, "EXTEND_TIMEOUT_USEC=%d\nSTATUS=reading the store: record %llu of %llu", EXTEND_START_US,
                       (unsigned long long)done, (unsigned long long)total))
        server->notified_progress = done;
}

/* Until it was heard: a manager that was not told READY=1 ends a start that is over. */
static void
tell_role(struct aw_server *server, enum aw_role role)
{
    if (aw_notify_tell(&server->notify, "%sSTATUS=%s; listening on %s%s%s",
                       server->notified_role == AW_ROLE_STARTING ? "READY=1\n" : "", aw_role_name(role), server->plain.text,
                       server->plain.text[0] != '\0' && server->tls.text[0] != '\0' ? " and " : "", server->tls.text))
        server->notified_role = role;
}

static void
on_look(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct aw_server *server = ev_userdata(loop);
    enum aw_role      role = (enum aw_role)aw_metric_sum(server->metrics, AW_METRIC_ROLE);
    uint64_t          turns = aw_metric_sum(server->metrics, AW_METRIC_COMMITTER_TURNS);
    double            every_s = (double)server->notify.watchdog / AW_NS_PER_S / 4;

    (void)events;
    if (role == AW_ROLE_STARTING || turns == 0) {
        tell_start(server);
        return;
    }
    if (role != server->notified_role)
        tell_role(server, role);
    if (server->notify.watchdog > 0 && turns != server->notified_turns)
        (void)aw_notify_tell(&server->notify, "WATCHDOG=1"); /* it is told again long before it would end us */
    server->notified_turns = turns;
    aw_wake_up(aw_committer_wake(server->committer));
    timer->repeat = server->notify.watchdog > 0 && every_s < STATUS_LOOK_S ? every_s : STATUS_LOOK_S;
    if (role != server->notified_role)
        timer->repeat = START_LOOK_S < timer->repeat ? START_LOOK_S : timer->repeat;
    ev_timer_again(loop, timer);
}

void
aw_server_watch_notify(struct aw_server *server)
{
    if (server->notify.fd < 0)
        return;
    server->notified_role = AW_ROLE_STARTING;
    ev_timer_init(&server->notify_timer, on_look, 0.0, START_LOOK_S);
    ev_timer_again(server->loop, &server->notify_timer);
}
