/* ahead_clock.c - the wall clock stands ahead: a library for LD_PRELOAD that lets days go by between two starts.
 *
 * ASWOLK_AHEAD_S seconds are added to CLOCK_REALTIME; monotonic time is as it is. Thread: any.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int
clock_gettime(clockid_t clock_id, struct timespec *tp)
{
    const char *ahead = getenv("ASWOLK_AHEAD_S");
    /* By system call: what we stand in for must not be found again. */
    int rc = (int)syscall(SYS_clock_gettime, clock_id, tp);

    if (rc == 0 && ahead != NULL && clock_id == CLOCK_REALTIME)
        tp->tv_sec += strtol(ahead, NULL, 10);
    return rc;
}
