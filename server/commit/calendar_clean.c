/* calendar_clean.c - unlinks what is empty below the cursor (rule 5 in calendar.c), and counts what waits. */
#include "commit/calendar_parts.h"

struct cleaning {
    struct aw_calendar_pool *pool;
    struct aw_calendar      *calendar;
    uint64_t                 floor; /* ticks below are empty */
    uint32_t                 stop;  /* in the tick of the floor, chunks before this one are empty; 0: none is known to be */
    size_t                   left;  /* how many chunks may still be unlinked */
};

/* Entries that were ever put into the chunk. */
static uint8_t
chunk_tail(struct chunk *chunk)
{
    return chunk_is_lone(chunk) ? 1 : atomic_load_explicit(&as_many(chunk)->tail, memory_order_relaxed); /* the writer's own */
}

/* Nothing leads to this chunk any more, and all its entries are gone. */
static void
chunk_retire(struct cleaning *cleaning, uint32_t index)
{
    struct chunk *chunk = chunk_at(cleaning->pool, index);

    chunk_count(cleaning->calendar, chunk, chunk_tail(chunk));
    aw_calendar_block_retire(cleaning->pool, index);
    cleaning->left--;
}

/* Unlinks chunks from the front of the chain at `place` up to `stop` (0: all of them). True when none is left but the last. */
static bool
chain_clean(struct cleaning *cleaning, _Atomic uint32_t *place, uint32_t stop)
{
    struct aw_calendar_pool *pool = cleaning->pool;
    uint32_t                 index = chain_of(atomic_load_explicit(place, memory_order_relaxed)); /* the writer's own */
    uint32_t                 last;
    struct many             *keeper;

    while (index != stop && cleaning->left > 0) {
        struct chunk *chunk = chunk_at(pool, index);
        uint32_t      next = chunk_next(chunk, memory_order_relaxed); /* the writer's own */

        AW_AUDIT(chunk_head(chunk) == chunk_tail(chunk));
        if (next == 0) { /* the caller clears what leads here first: readers must not find 0 in a live place */
            AW_ASSERT(stop == 0);
            return true;
        }
        if (!chunk_is_lone(chunk) && (keeper = chain_keeper(pool, next, &last)) != NULL)
            keeper->last = as_many(chunk)->last;
        /* Release: pairs with the loads of a child in node_find and of the root in cursor_resolve. */
        atomic_store_explicit(place, next | CHAIN, memory_order_release);
        chunk_retire(cleaning, index);
        index = next;
    }
    return false;
}

/* Retires what a place led to that no search can reach any more; `first` is its first tick. */
static void
child_retire(struct cleaning *cleaning, uint32_t child, unsigned level, uint64_t first)
{
    if (is_chain(child)) {
        cleaning->calendar->_ticks--;
        chunk_retire(cleaning, chain_of(child));
        return;
    }
    if (level == 0)
        finger_forget(cleaning->pool, cleaning->calendar, (uint32_t)(first >> DIGIT_BITS));
    aw_calendar_block_retire(cleaning->pool, child);
}

/* Fetches the chunks of a leaf that are about to be unlinked: a popper's core had them last. */
static void
leaf_fetch(const struct cleaning *cleaning, struct node *node, uint64_t live, uint64_t base)
{
    for (; live != 0 && base + (unsigned)__builtin_ctzll(live) < cleaning->floor; live &= live - 1) {
        /* Relaxed: the writer's own. */
        uint32_t child = atomic_load_explicit(node_place(node, (unsigned)__builtin_ctzll(live)), memory_order_relaxed);

        __builtin_prefetch(chunk_at(cleaning->pool, chain_of(child)), 1);
    }
}

/* Unlinks what is empty below `place`, whose first tick is `base`; `level` is that of a node there. True when all of it is,
 * and only the place itself still leads to it. */
static bool
place_clean(struct cleaning *cleaning, _Atomic uint32_t *place, unsigned level, uint64_t base)
{
    uint32_t     index = atomic_load_explicit(place, memory_order_relaxed); /* the writer's own */
    struct node *node;
    uint64_t     live;

    if (is_chain(index)) {
        uint64_t tick = chunk_tick(chunk_at(cleaning->pool, chain_of(index)));

        if (tick < cleaning->floor)
            return chain_clean(cleaning, place, 0);
        if (tick == cleaning->floor && cleaning->stop != 0)
            (void)chain_clean(cleaning, place, cleaning->stop); /* false: the chunk under the cursor stays */
        return false;
    }
    node = node_at(cleaning->pool, index);
    live = atomic_load_explicit(&node->live, memory_order_relaxed); /* the writer's own */
    if (level == 0)
        leaf_fetch(cleaning, node, live, base);
    while (live != 0 && cleaning->left > 0) {
        unsigned          bit = (unsigned)__builtin_ctzll(live);
        uint64_t          first = base + ((uint64_t)bit << (level * DIGIT_BITS));
        _Atomic uint32_t *below = node_place(node, bit);

        if (first > cleaning->floor || !place_clean(cleaning, below, level - 1, first))
            break;
        live &= live - 1;
        /* Release: pairs with the load of live in node_find. A search that misses it finds what is empty, for a grace period. */
        atomic_store_explicit(&node->live, live, memory_order_release);
        child_retire(cleaning, atomic_load_explicit(below, memory_order_relaxed), level - 1, first);
    }
    return live == 0;
}

size_t
aw_calendar_clean(struct aw_calendar_pool *pool, struct aw_calendar *calendar, size_t max)
{
    uint64_t cursor = atomic_load_explicit(&calendar->_cursor, memory_order_acquire); /* pairs with the exchanges, for heads */
    struct cleaning cleaning = {
        .pool = pool,
        .calendar = calendar,
        .floor = cursor_floor(pool, cursor),
        .stop = word_state(cursor) == READY ? word_chunk(cursor) : 0,
        .left = max,
    };

    AW_ON(pool);
    /* Relaxed: the writer's own. */
    if (max > 0 && atomic_load_explicit(&calendar->_root, memory_order_relaxed) != 0 &&
        place_clean(&cleaning, &calendar->_root, LEVELS - 1, 0)) {
        uint32_t root = atomic_load_explicit(&calendar->_root, memory_order_relaxed);

        atomic_store_explicit(&calendar->_root, 0, memory_order_release); /* pairs with the load in cursor_resolve */
        child_retire(&cleaning, root, LEVELS - 1, 0);
        AW_AUDIT(calendar->_ticks == 0);
    }
    return max - cleaning.left;
}

/* Of the entries gone, how many are in _gone. */
static uint8_t
chunk_counted(struct chunk *chunk)
{
    if (chunk_is_lone(chunk))
        return (atomic_load_explicit(&chunk->next, memory_order_relaxed) & COUNTED) != 0; /* the writer's own */
    return as_many(chunk)->counted;
}

uint64_t
aw_calendar_waiting(const struct aw_calendar_pool *pool, const struct aw_calendar *calendar)
{
    /* Acquire: a chunk that a popper moved to may be looked at. */
    uint64_t cursor = atomic_load_explicit(&calendar->_cursor, memory_order_acquire);
    uint64_t waiting = calendar->_pushed - calendar->_gone;

    if (word_state(cursor) == READY) {
        struct chunk *chunk = chunk_at(pool, word_chunk(cursor));

        if (word_pos(cursor) > chunk_counted(chunk))
            waiting -= (uint64_t)(word_pos(cursor) - chunk_counted(chunk));
    }
    return waiting;
}

bool
aw_calendar_is_empty(const struct aw_calendar *calendar)
{
    return word_state(atomic_load_explicit(&calendar->_cursor, memory_order_acquire)) == EMPTY; /* pairs with the exchanges */
}
