#include "base/reserve.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Reservations from here on ask for huge pages: their rows are met in random order, and most of that time is misses of the TLB.
 * Smaller ones would only waste the rest of a page of 2 MiB. */
#define HUGE_BYTES_MIN ((size_t)64 << 20)

static size_t
page_bytes(void)
{
    long bytes = sysconf(_SC_PAGESIZE);

    AW_ASSERT(bytes > 0);
    return (size_t)bytes;
}

static size_t
round_to_page(size_t bytes)
{
    return (bytes + page_bytes() - 1) & ~(page_bytes() - 1);
}

void *
aw_reserve_take(size_t bytes)
{
    size_t size;
    char  *ptr;

    if (bytes == 0 || bytes > SIZE_MAX - 2 * page_bytes())
        return NULL;
    size = round_to_page(bytes);
    ptr = mmap(NULL, size + page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ptr == MAP_FAILED)
        return NULL;
    if (mprotect(ptr + size, page_bytes(), PROT_NONE) != 0) {
        (void)munmap(ptr, size + page_bytes()); /* the failure to report is the other one */
        return NULL;
    }
    if (size >= HUGE_BYTES_MIN)
        (void)madvise(ptr, size, MADV_HUGEPAGE); /* a kernel without them serves small ones */
    return ptr;
}

void
aw_reserve_give(void *ptr, size_t bytes)
{
    if (ptr == NULL)
        return;
    if (munmap(ptr, round_to_page(bytes) + page_bytes()) != 0)
        AW_UNREACHABLE(); /* not what aw_reserve_take returned */
}
