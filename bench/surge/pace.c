/* pace.c - see pace.h. A timer descriptor, since the loop's own timers are only good to a millisecond. */
#include "bench/surge/pace.h"

#include "base/mem.h"
#include "bench/surge/source.h"
#include "port/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

static aw_ns
due_of(const struct surge_pace *pace, uint64_t number)
{
    return pace->started_at + surge_due_of(number, pace->rate);
}

static void
arm(struct surge_pace *pace, aw_ns at)
{
    const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at / AW_NS_PER_S), .tv_nsec = (long)(at % AW_NS_PER_S)}};

    (void)timerfd_settime(pace->timer_fd, TFD_TIMER_ABSTIME, &when, NULL); /* a valid time: cannot fail */
}

static void
on_timer(struct ev_loop *loop, ev_io *io, int events)
{
    struct surge_pace *pace = io->data;
    aw_ns              now = aw_clock_mono();
    uint64_t           times;

    (void)loop;
    (void)events;
    (void)!read(pace->timer_fd, &times, sizeof(times)); /* only to make it unreadable again */
    while (pace->rate > 0 && due_of(pace, pace->number) <= now) {
        uint32_t agent = (uint32_t)(pace->number++ % pace->agents);

        pace->due(pace->user, agent);
    }
    if (pace->rate > 0)
        arm(pace, due_of(pace, pace->number));
}

enum aw_err
surge_pace_open(struct surge_pace *pace, struct ev_loop *loop, uint32_t agents, void (*due)(void *user, uint32_t agent),
                void *user, struct aw_why *why)
{
    int         fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    enum aw_err err = fd < 0 ? aw_why_errno(why, AW_E_IO, errno, "timerfd") : AW_OK;

    AW_ASSERT(agents > 0);
    *pace = (struct surge_pace){.loop = loop, .due = due, .user = user, .agents = agents, .timer_fd = fd};
    if (err != AW_OK)
        return err;
    ev_io_init(&pace->timer, on_timer, fd, EV_READ);
    pace->timer.data = pace;
    ev_io_start(loop, &pace->timer);
    pace->taken = aw_new_array(uint64_t, agents);
    if (pace->taken == NULL) {
        surge_pace_close(pace);
        return aw_why(why, AW_E_MEMORY, "out of memory");
    }
    return AW_OK;
}

void
surge_pace_start(struct surge_pace *pace, double rate, aw_ns now)
{
    pace->rate = rate;
    pace->started_at = now;
    pace->number = 0;
    memset(pace->taken, 0, pace->agents * sizeof(pace->taken[0]));
    if (rate > 0)
        arm(pace, now);
}

/* How many turns of this agent came. */
static uint64_t
came(const struct surge_pace *pace, uint32_t agent)
{
    return pace->number / pace->agents + (agent < pace->number % pace->agents);
}

bool
surge_pace_take(struct surge_pace *pace, uint32_t agent, aw_ns *ret_due)
{
    if (pace->rate <= 0 || pace->taken[agent] >= came(pace, agent))
        return false;
    *ret_due = due_of(pace, pace->taken[agent] * pace->agents + agent);
    pace->taken[agent]++;
    return true;
}

void
surge_pace_pass(struct surge_pace *pace, uint32_t agent)
{
    uint64_t turns = came(pace, agent);

    if (pace->taken[agent] < turns)
        pace->taken[agent] = turns;
}

void
surge_pace_close(struct surge_pace *pace)
{
    if (pace->loop == NULL)
        return;
    ev_io_stop(pace->loop, &pace->timer);
    (void)close(pace->timer_fd); /* a timer holds nothing */
    free(pace->taken);
    *pace = (struct surge_pace){.loop = NULL};
}
