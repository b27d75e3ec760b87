/* heap.c - allocations and mappings that fail when a history says so. The program is linked with --wrap for each of these, so calls
 * from our libraries come by here, and those inside others' libraries do not.
 *
 * Mappings that were given back are kept for the next start, zeroed: a history starts a server several times, each with some eighty
 * tables, and most of its time would be the kernel's. */
#include "sim/faults.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAPPINGS_MAX 512U
/* Smaller ones are zeroed by hand: the kernel would take their pages and give them back one by one. */
#define ZEROED_BYTES_MAX ((size_t)64 << 10)

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
int   __real_munmap(void *at, size_t size);
int   __wrap_munmap(void *at, size_t size);
int   __real_mprotect(void *at, size_t size, int protection);
int   __wrap_mprotect(void *at, size_t size, int protection);

/* One that is in use or was. */
struct mapping {
    char  *at;
    size_t size;
    size_t guard; /* bytes at its end that nobody may touch */
    bool   is_free;
};
static struct mapping mappings[MAPPINGS_MAX];
static uint32_t       mapping_count;

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

static void
zero(const struct mapping *mapping)
{
    size_t size = mapping->size - mapping->guard;

    if (size <= ZEROED_BYTES_MAX)
        memset(mapping->at, 0, size);
    else
        (void)madvise(mapping->at, size, MADV_DONTNEED); /* anonymous and private: it reads as zeros */
}

static struct mapping *
find_mapping(const void *at)
{
    for (uint32_t i = 0; i < mapping_count; i++) {
        if ((const char *)at >= mappings[i].at && (const char *)at < mappings[i].at + mappings[i].size)
            return &mappings[i];
    }
    return NULL;
}

void *
__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapped;

    if (fails(&mappings_left))
        return MAP_FAILED;
    for (uint32_t i = 0; at == NULL && fd == -1 && i < mapping_count; i++) {
        if (!mappings[i].is_free || mappings[i].size != size)
            continue;
        mappings[i].is_free = false;
        zero(&mappings[i]);
        return mappings[i].at;
    }
    mapped = __real_mmap(at, size, protection, flags, fd, offset);
    if (mapped != MAP_FAILED && fd == -1 && mapping_count < MAPPINGS_MAX)
        mappings[mapping_count++] = (struct mapping){.at = mapped, .size = size};
    return mapped;
}

int
__wrap_munmap(void *at, size_t size)
{
    struct mapping *mapping = find_mapping(at);

    if (mapping == NULL || mapping->at != at || mapping->size != size)
        return __real_munmap(at, size);
    mapping->is_free = true;
    return 0;
}

int
__wrap_mprotect(void *at, size_t size, int protection)
{
    struct mapping *mapping = find_mapping(at);
    int             result = 0;

    if (mapping == NULL)
        return __real_mprotect(at, size, protection);
    if (mapping->guard == 0)
        result = __real_mprotect(at, size, protection);
    if (result == 0)
        mapping->guard = size;
    return result;
}
