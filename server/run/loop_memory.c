/* loop_memory.c - see loop_memory.h. */
#include "run/loop_memory.h"

#include "base/log.h"

#include <ev.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* In front of what is taken from the reserve: how long it is. */
struct head {
    _Alignas(max_align_t) size_t bytes;
};

static _Alignas(max_align_t) unsigned char reserve[AW_LOOP_RESERVE_BYTES];
static _Atomic size_t used; /* whoever moves it on owns what lies between; nothing else is told by it: relaxed, all of it */

static bool
is_of_reserve(const void *ptr)
{
    uintptr_t at = (uintptr_t)ptr, begin = (uintptr_t)reserve;

    return at >= begin && at < begin + sizeof(reserve);
}

static size_t
bytes_of(void *ptr)
{
    if (ptr == NULL)
        return 0;
    return is_of_reserve(ptr) ? ((struct head *)ptr - 1)->bytes : malloc_usable_size(ptr);
}

/* NULL: it is used up. */
static void *
take(size_t bytes)
{
    size_t       all = sizeof(struct head) + (bytes + sizeof(struct head) - 1) / sizeof(struct head) * sizeof(struct head);
    size_t       at = atomic_load_explicit(&used, memory_order_relaxed);
    struct head *head;

    do {
        if (all > sizeof(reserve) - at)
            return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&used, &at, at + all, memory_order_relaxed, memory_order_relaxed));
    head = (struct head *)(void *)(reserve + at);
    head->bytes = all - sizeof(struct head);
    return head + 1;
}

static void
give_back(void *ptr)
{
    if (!is_of_reserve(ptr))
        free(ptr);
}

/* Of a block that realloc could not make longer, or that it does not know. */
static void *
move(void *ptr, size_t bytes)
{
    size_t before = bytes_of(ptr);
    void  *moved;

    if (before >= bytes)
        return ptr;
    moved = is_of_reserve(ptr) ? malloc(bytes) : NULL;
    if (moved == NULL) {
        moved = take(bytes);
        if (moved == NULL)
            return NULL;
        aw_log(AW_LOG_ERROR, "no memory for an event loop: it grows by the reserve", aw_log_num("bytes", bytes),
               aw_log_num("left", sizeof(reserve) - atomic_load_explicit(&used, memory_order_relaxed)));
    }
    if (before > 0)
        memcpy(moved, ptr, before);
    give_back(ptr);
    return moved;
}

void *
aw_loop_memory(void *ptr, long size)
{
    void *grown;

    if (size <= 0) {
        give_back(ptr);
        return NULL;
    }
    grown = is_of_reserve(ptr) ? NULL : realloc(ptr, (size_t)size);
    return grown != NULL ? grown : move(ptr, (size_t)size);
}

size_t
aw_loop_memory_used(void)
{
    return atomic_load_explicit(&used, memory_order_relaxed);
}

void
aw_loop_memory_use(void)
{
    ev_set_allocator(aw_loop_memory);
}
