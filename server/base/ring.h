/* ring.h - the one way from one thread to another: a bounded ring of pointers with one writer and one reader.
 *
 * A ring has two ends of different types, so that the wrong side has nothing to push with. What is pushed changes owner: after a
 * push that succeeded the writer must not touch the pointed-to thing again until it comes back by another ring.
 * Thread: the writer end belongs to one thread, the reader end to one other. Neither ever waits.
 * Owns: its slots, until aw_ring_fini (both threads stopped).
 */
#ifndef AW_BASE_RING_H
#define AW_BASE_RING_H

#include "base/assert.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shared by both ends; each end's own words sit on a cache line of their own. */
struct aw_ring {
    void **_slots;
    size_t _mask;
    _Alignas(AW_CACHE_LINE) _Atomic size_t _head; /* next to read; written by the reader */
    _Alignas(AW_CACHE_LINE) _Atomic size_t _tail; /* next to write; written by the writer */
};
struct aw_ring_in {
    struct aw_ring *_ring;
    size_t          _tail;
    size_t          _head_seen; /* the reader's position when we last looked */
};
struct aw_ring_out {
    struct aw_ring *_ring;
    size_t          _head;
    size_t          _tail_seen;
};

/* slots: a power of two, 2 or more. False when out of memory. */
AW_MUST_USE bool aw_ring_init(struct aw_ring *ring, size_t slots, struct aw_ring_in *ret_in, struct aw_ring_out *ret_out);
void             aw_ring_fini(struct aw_ring *ring);
/* False when the ring is full: nothing changed. Thread: the writer. */
AW_MUST_USE bool aw_ring_try_push(struct aw_ring_in *in, void *item);
/* NULL when the ring is empty. Thread: the reader. */
AW_MUST_USE void *aw_ring_try_pop(struct aw_ring_out *out);
/* Whether a pop would give something; may be stale by the time it returns. Thread: the reader. */
AW_MUST_USE bool aw_ring_is_empty(struct aw_ring_out *out);

#endif
