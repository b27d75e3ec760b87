/* slow_clock.c - reading the clock takes long in one kind of thread: a library for LD_PRELOAD that widens races.
 *
 * Our threads read the clock between looking for work and going to sleep. Made slow there, a wake-up that can be lost is lost each
 * time instead of once in a thousand runs.
 *   ASWOLK_SLOW_THREAD  name of the threads, as pthread_setname_np gave it
 *   ASWOLK_SLOW_US      how long a reading takes there, in microseconds
 * Thread: any.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int
clock_gettime(clockid_t clock_id, struct timespec *tp)
{
    const char     *thread = getenv("ASWOLK_SLOW_THREAD");
    const char     *us = getenv("ASWOLK_SLOW_US");
    char            name[16] = "";
    struct timespec pause = {0};

    if (thread != NULL && us != NULL && prctl(PR_GET_NAME, name) == 0 && strncmp(name, thread, sizeof(name)) == 0) {
        pause.tv_nsec = strtol(us, NULL, 10) * 1000;
        (void)syscall(SYS_nanosleep, &pause, NULL); /* a signal may end it early: it is no promise */
    }
    /* By system call: what we stand in for must not be found again. */
    return (int)syscall(SYS_clock_gettime, clock_id, tp);
}
