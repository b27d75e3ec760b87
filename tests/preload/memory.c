/* memory.c - calls for memory fail in one kind of thread, at a moment that a test chooses: a library for LD_PRELOAD.
 *
 * $ASWOLK_MEMORY names a file of 48 bytes, mapped by us and by the test, so that asking costs no system call:
 *   thread  name of the threads, as pthread_setname_np gave it; empty: none
 *   from    the call from which on they fail: 1 is the first since `calls` was set to 0
 *   count   how many of them fail
 *   calls   so many were counted
 *   failed  so many have failed
 * Calls are malloc, calloc, realloc, posix_memalign and aligned_alloc, in the thread with that name. Not for sanitizers, which
 * bring these functions themselves. Thread: any.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

struct rule {
    char             thread[16];
    uint64_t         from;
    uint64_t         count;
    _Atomic uint64_t calls;
    _Atomic uint64_t failed;
};

/* glibc's own, under the names that it keeps for this. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *ptr, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);

static struct rule *rule;

__attribute__((constructor)) static void
map_rule(void)
{
    const char *path = getenv("ASWOLK_MEMORY");
    int         fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void       *ptr = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*rule), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (ptr != MAP_FAILED)
        rule = ptr;
    if (fd >= 0)
        (void)close(fd);
}

static bool
fails(void)
{
    char     name[16] = "";
    uint64_t call;

    if (rule == NULL || rule->thread[0] == '\0' || prctl(PR_GET_NAME, name) != 0 ||
        strncmp(name, rule->thread, sizeof(name)) != 0)
        return false;
    call = atomic_fetch_add(&rule->calls, 1) + 1;
    if (call < rule->from || call - rule->from >= rule->count)
        return false;
    (void)atomic_fetch_add(&rule->failed, 1);
    errno = ENOMEM;
    return true;
}

/* Parameters are named as libc names them. */
EXPORT void *
malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

EXPORT void *
calloc(size_t nmemb, size_t size)
{
    return fails() ? NULL : __libc_calloc(nmemb, size);
}

EXPORT void *
realloc(void *ptr, size_t size)
{
    return size > 0 && fails() ? NULL : __libc_realloc(ptr, size);
}

EXPORT void *
aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

EXPORT int
posix_memalign(void **memptr, size_t alignment, size_t size)
{
    void *ptr = fails() ? NULL : __libc_memalign(alignment, size);

    if (ptr == NULL)
        return ENOMEM;
    *memptr = ptr;
    return 0;
}
