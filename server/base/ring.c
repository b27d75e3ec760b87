#include "base/ring.h"

#include <stdlib.h>

bool
aw_ring_init(struct aw_ring *ring, size_t slots, struct aw_ring_in *ret_in, struct aw_ring_out *ret_out)
{
    void **items;

    AW_ASSERT(slots >= 2);
    AW_ASSERT((slots & (slots - 1)) == 0);
    items = calloc(slots, sizeof(*items));
    if (items == NULL)
        return false;
    ring->_slots = items;
    ring->_mask = slots - 1;
    atomic_init(&ring->_head, 0);
    atomic_init(&ring->_tail, 0);
    *ret_in = (struct aw_ring_in){._ring = ring};
    *ret_out = (struct aw_ring_out){._ring = ring};
    return true;
}

void
aw_ring_fini(struct aw_ring *ring)
{
    free(ring->_slots);
    ring->_slots = NULL;
}

bool
aw_ring_try_push(struct aw_ring_in *in, void *item)
{
    struct aw_ring *ring = in->_ring;

    AW_ASSERT(item != NULL);
    if (in->_tail - in->_head_seen > ring->_mask) {
        /* Pairs with the release in try_pop: the reader is done with the slots before _head. */
        in->_head_seen = atomic_load_explicit(&ring->_head, memory_order_acquire);
        if (in->_tail - in->_head_seen > ring->_mask)
            return false;
    }
    ring->_slots[in->_tail & ring->_mask] = item;
    in->_tail++;
    /* Pairs with the acquire in see_tail: the reader sees the slot and what the item points to. */
    atomic_store_explicit(&ring->_tail, in->_tail, memory_order_release);
    return true;
}

/* Whether there is something to pop; looks at the shared word only when the last look is used up. */
static bool
see_tail(struct aw_ring_out *out)
{
    if (out->_head == out->_tail_seen) {
        /* Pairs with the release in try_push. */
        out->_tail_seen = atomic_load_explicit(&out->_ring->_tail, memory_order_acquire);
    }
    return out->_head != out->_tail_seen;
}

void *
aw_ring_try_pop(struct aw_ring_out *out)
{
    struct aw_ring *ring = out->_ring;
    void           *item;

    if (!see_tail(out))
        return NULL;
    item = ring->_slots[out->_head & ring->_mask];
    out->_head++;
    /* Pairs with the acquire in try_push: the writer may use the slot again. */
    atomic_store_explicit(&ring->_head, out->_head, memory_order_release);
    return item;
}

bool
aw_ring_is_empty(struct aw_ring_out *out)
{
    return !see_tail(out);
}
