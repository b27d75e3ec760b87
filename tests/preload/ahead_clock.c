/* ahead_clock.c - the wall clock stands ahead, or behind: a library for LD_PRELOAD that lets days go by between two starts, or sets
 * the clock of a running server.
 *
 *   ASWOLK_AHEAD_S     seconds that are added to CLOCK_REALTIME
 *   ASWOLK_AHEAD_FILE  a file of 8 bytes with more of them, a signed number; it may change at any time
 * Monotonic time is as it is. Thread: any.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *from_file;
static pthread_once_t          once = PTHREAD_ONCE_INIT;

static void
map_file(void)
{
    const char *path = getenv("ASWOLK_AHEAD_FILE");
    int         fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void       *ptr = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*from_file), PROT_READ, MAP_SHARED, fd, 0);

    if (ptr != MAP_FAILED)
        from_file = ptr;
    if (fd >= 0)
        (void)close(fd);
}

__attribute__((visibility("default"))) int
clock_gettime(clockid_t clock_id, struct timespec *tp)
{
    const char *ahead = getenv("ASWOLK_AHEAD_S");
    /* By system call: what we stand in for must not be found again. */
    int rc = (int)syscall(SYS_clock_gettime, clock_id, tp);

    if (rc != 0 || clock_id != CLOCK_REALTIME)
        return rc;
    (void)pthread_once(&once, map_file);
    tp->tv_sec += ahead == NULL ? 0 : strtol(ahead, NULL, 10);
    tp->tv_sec += from_file == NULL ? 0 : (time_t)*from_file;
    return rc;
}
