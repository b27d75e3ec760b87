/* latch.h - a fact that becomes true once and stays so, told to all threads.
 *
 * Who sees it set also sees what the setter wrote before. Owns nothing. Thread: aw_latch_set by one, aw_latch_is_set by any.
 * Zeroed memory is a latch that is not set. Nothing fails.
 */
#ifndef AW_BASE_LATCH_H
#define AW_BASE_LATCH_H

#include <stdatomic.h>
#include <stdbool.h>

struct aw_latch {
    _Atomic bool _set;
};

static inline void
aw_latch_set(struct aw_latch *latch)
{
    /* Pairs with the acquire in aw_latch_is_set. */
    atomic_store_explicit(&latch->_set, true, memory_order_release);
}

static inline bool
aw_latch_is_set(const struct aw_latch *latch)
{
    /* Pairs with the release in aw_latch_set. */
    return atomic_load_explicit(&latch->_set, memory_order_acquire);
}

#endif
