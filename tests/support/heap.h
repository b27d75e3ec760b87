/* heap.h - the slow, obvious priority queue: a heap of (tick, number of the push), binary or with four children a node. What the
 * calendars are compared with, in tests and benches (there behind a mutex). Thread: one at a time. */
#ifndef AW_TESTS_SUPPORT_HEAP_H
#define AW_TESTS_SUPPORT_HEAP_H

#include "base/assert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct heap_entry {
    uint64_t order; /* tick << 32 | number of the push: first in first out inside a tick */
    uint64_t entry;
};
struct heap {
    struct heap_entry *entries; /* owns */
    size_t             count;
    size_t             room;
    uint32_t           pushes;
};

static inline void
heap_fini(struct heap *heap)
{
    free(heap->entries);
    *heap = (struct heap){.entries = NULL};
}

/* The body of both heaps: `arity` is a constant where it is inlined. */
static inline __attribute__((always_inline)) void
heap_push_by(size_t arity, struct heap *heap, uint32_t tick, uint64_t entry)
{
    struct heap_entry new_entry = {(uint64_t)tick << 32 | heap->pushes++, entry};
    size_t            at = heap->count++;

    if (heap->count > heap->room) {
        heap->room = heap->room == 0 ? 1024 : heap->room * 2;
        heap->entries = realloc(heap->entries, heap->room * sizeof(*heap->entries));
        AW_ASSERT(heap->entries != NULL);
    }
    for (; at > 0 && heap->entries[(at - 1) / arity].order > new_entry.order; at = (at - 1) / arity)
        heap->entries[at] = heap->entries[(at - 1) / arity];
    heap->entries[at] = new_entry;
}

static inline bool
heap_peek(const struct heap *heap, uint32_t *ret_tick, uint64_t *ret_entry)
{
    if (heap->count == 0)
        return false;
    *ret_tick = (uint32_t)(heap->entries[0].order >> 32);
    *ret_entry = heap->entries[0].entry;
    return true;
}

static inline __attribute__((always_inline)) bool
heap_pop_by(size_t arity, struct heap *heap, uint32_t *ret_tick, uint64_t *ret_entry)
{
    struct heap_entry last;
    size_t            at = 0;

    if (!heap_peek(heap, ret_tick, ret_entry))
        return false;
    last = heap->entries[--heap->count];
    for (size_t child = 1; child < heap->count; child = arity * at + 1) {
        size_t end = child + arity < heap->count ? child + arity : heap->count;

        for (size_t other = child + 1; other < end; other++)
            if (heap->entries[other].order < heap->entries[child].order)
                child = other;
        if (last.order <= heap->entries[child].order)
            break;
        heap->entries[at] = heap->entries[child];
        at = child;
    }
    heap->entries[at] = last;
    return true;
}

static inline void
heap_push(struct heap *heap, uint32_t tick, uint64_t entry)
{
    heap_push_by(2, heap, tick, entry);
}

static inline bool
heap_pop(struct heap *heap, uint32_t *ret_tick, uint64_t *ret_entry)
{
    return heap_pop_by(2, heap, ret_tick, ret_entry);
}

/* Four children a node: half as deep, and a node's children lie in one or two lines of the cache. */
static inline void
heap4_push(struct heap *heap, uint32_t tick, uint64_t entry)
{
    heap_push_by(4, heap, tick, entry);
}

static inline bool
heap4_pop(struct heap *heap, uint32_t *ret_tick, uint64_t *ret_entry)
{
    return heap_pop_by(4, heap, ret_tick, ret_entry);
}

#endif
