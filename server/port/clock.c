#include "port/clock.h"

#include <time.h>

static struct timespec
read_clock(clockid_t clock)
{
    struct timespec now;
    int             failed = clock_gettime(clock, &now);

    AW_ASSERT(failed == 0);
    return now;
}

static aw_ns
ns_of(clockid_t clock)
{
    struct timespec now = read_clock(clock);

    return (aw_ns)now.tv_sec * AW_NS_PER_S + (aw_ns)now.tv_nsec;
}

aw_ns
aw_clock_mono(void)
{
    return ns_of(CLOCK_MONOTONIC);
}

aw_ns
aw_clock_thread(void)
{
    return ns_of(CLOCK_THREAD_CPUTIME_ID);
}

aw_ms
aw_clock_wall(void)
{
    struct timespec now = read_clock(CLOCK_REALTIME);
    aw_ms           ms = (aw_ms)now.tv_sec * AW_MS_PER_S + (aw_ms)now.tv_nsec / AW_NS_PER_MS;

    /* A machine without a battery-backed clock may start before 1970 or far ahead; both ends stay writable as text. */
    if (now.tv_sec < 0 || ms == 0)
        return 1;
    return ms > AW_MS_MAX ? AW_MS_MAX : ms;
}
