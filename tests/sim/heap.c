/* heap.c - allocations and mappings that fail when a history says so. The program is linked with --wrap for each of these, so calls
 * from our libraries come by here, and those inside others' libraries do not. */
#include "sim/faults.h"

#include <stdlib.h>
#include <sys/mman.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int   __real_posix_memalign(void **ret_ptr, size_t align, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
int   __wrap_posix_memalign(void **ret_ptr, size_t align, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);

static uint64_t allocations_left, mappings_left;
static bool     has_failed;

bool
sim_heap_fail(uint64_t allocation, uint64_t mapping)
{
    bool failed = has_failed;

    allocations_left = allocation;
    mappings_left = mapping;
    has_failed = false;
    return failed;
}

static bool
fails(uint64_t *left)
{
    if (*left == 0 || --*left != 0)
        return false;
    has_failed = true;
    return true;
}

void *
__wrap_malloc(size_t size)
{
    return fails(&allocations_left) ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return fails(&allocations_left) ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
    return fails(&allocations_left) ? NULL : __real_realloc(old, size);
}

int
__wrap_posix_memalign(void **ret_ptr, size_t align, size_t size)
{
    return fails(&allocations_left) ? 12 /* ENOMEM */ : __real_posix_memalign(ret_ptr, align, size);
}

void *
__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails(&mappings_left) ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);
}
