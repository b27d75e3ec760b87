/* calendar_take.c - peeks and pops, by any thread (rules 2, 3, 4 and 6 in calendar.c). Nothing here allocates, frees or waits. */
#include "commit/calendar_parts.h"

/* Rule 2. The new value is passed on by the exchange of the cursor that follows; hence relaxed. At most 254 rounds, as each that
 * fails found a higher value. */
void
aw_calendar_chunk_leave(struct chunk *chunk, uint8_t pos)
{
    _Atomic uint8_t *place;
    uint8_t          head;

    if (chunk_is_lone(chunk)) {
        if (pos > 0)
            (void)atomic_fetch_or_explicit(&chunk->label, GONE, memory_order_relaxed); /* what it was does not matter */
        return;
    }
    place = &as_many(chunk)->head;
    head = atomic_load_explicit(place, memory_order_relaxed);
    POINT();
    if (WITHOUT(RULE_2)) {
        atomic_store_explicit(place, pos, memory_order_relaxed);
        return;
    }
    while (head < pos && !atomic_compare_exchange_weak_explicit(place, &head, pos, memory_order_relaxed, memory_order_relaxed))
        continue;
}

/* What comes after this chunk lies in no cache: it is fetched while these entries are handled. */
static inline void
chunk_prefetch_next(const struct aw_calendar_pool *pool, struct chunk *chunk)
{
    __builtin_prefetch(chunk_at(pool, chunk_next(chunk, memory_order_relaxed)), 1); /* a guess will do */
}

bool
aw_calendar_chain_find(const struct aw_calendar_pool *pool, uint32_t index, uint64_t *ret_ready)
{
    while (index != 0) {
        struct chunk *chunk = chunk_at(pool, index);
        uint8_t       head = chunk_head(chunk);
        uint8_t       tail = 1;

        if (!chunk_is_lone(chunk)) /* rule 4: pairs with the store of tail in chain_append */
            tail = atomic_load_explicit(&as_many(chunk)->tail, memory_order_seq_cst);
        if (head < tail) {
            *ret_ready = word_ready(index, head);
            chunk_prefetch_next(pool, chunk);
            return true;
        }
        if (tail < chunk_cap(chunk))
            return false;
        index = chunk_next(chunk, memory_order_seq_cst); /* rule 4: pairs with the store in chain_extend */
    }
    return false;
}

/* Where ticks are sparse, each search ends at a chunk that no cache holds: the next search's is fetched while this entry is
 * handled. */
static inline void
chain_prefetch(const struct aw_calendar_pool *pool, struct node *node, uint64_t live)
{
    uint32_t child;

    if (live == 0)
        return;
    child = atomic_load_explicit(node_place(node, (unsigned)__builtin_ctzll(live)), memory_order_relaxed); /* a guess will do */
    if (is_chain(child))
        __builtin_prefetch(chunk_at(pool, chain_of(child)), 1);
}

/* The first entry below the node at or after `from`. What lies before in the same child is gone, and harmless to look at. */
static bool
node_find(const struct aw_calendar_pool *pool, uint32_t index, unsigned level, uint32_t from, uint64_t *ret_ready)
{
    struct node *node = node_at(pool, index);
    unsigned     first = digit(from, level);
    uint64_t     live = atomic_load_explicit(&node->live, memory_order_seq_cst); /* rule 4: pairs with the store in node_add */

    POINT();
    for (live &= ~UINT64_C(0) << first; live != 0; live &= live - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(live);
        /* Rule 4: pairs with the stores in node_add, node_grow and aw_calendar_tick_insert. */
        uint32_t child = atomic_load_explicit(node_place(node, bit), memory_order_seq_cst);

        if (is_chain(child)) {
            if (aw_calendar_chain_find(pool, chain_of(child), ret_ready)) {
                chain_prefetch(pool, node, live & (live - 1));
                return true;
            }
        } else if (node_find(pool, child, level - 1, bit == first ? from : 0, ret_ready)) {
            return true;
        }
    }
    return false;
}

/* From SEEK to READY or EMPTY, unless somebody else gets ahead. */
static void
cursor_resolve(const struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint64_t seek)
{
    uint64_t found = EMPTY;
    uint32_t root = atomic_load_explicit(&calendar->_root, memory_order_seq_cst); /* rule 4: pairs with the stores of _root */

    POINT();
    if (is_chain(root))
        (void)aw_calendar_chain_find(pool, chain_of(root), &found); /* found stays EMPTY */
    else if (root != 0)
        (void)node_find(pool, root, LEVELS - 1, word_tick(seek), &found); /* as above */
    (void)cursor_swap(calendar, seek, found); /* failed: the caller looks at the cursor again anyway */
}

/* From the end of a chunk to its successor, or to SEEK (rule 3). */
static void
cursor_advance(const struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint64_t ready)
{
    struct chunk *chunk = chunk_at(pool, word_chunk(ready));
    /* Acquire: pairs with the store in chain_extend; not a search, so the order against the cursor does not matter. */
    uint32_t next = word_pos(ready) == chunk_cap(chunk) ? chunk_next(chunk, memory_order_acquire) : 0;

    aw_calendar_chunk_leave(chunk, word_pos(ready));
    if (next != 0) {
        (void)cursor_swap(calendar, ready, word_ready(next, 0)); /* entries of a tick leave in order: all of next are there */
        chunk_prefetch_next(pool, chunk_at(pool, next));
        return;
    }
    (void)cursor_swap(calendar, ready, word_seek(fresh_version(calendar), chunk_tick(chunk) + (WITHOUT(RULE_3) ? 1 : 0)));
}

/* The entry at this position; false: it is not there yet. */
static inline bool
chunk_read(struct chunk *chunk, uint8_t pos, uint64_t *ret_entry)
{
    /* Relaxed, here and below: written once, before tail or before the chunk was linked. */
    if (chunk_is_lone(chunk)) {
        *ret_entry = atomic_load_explicit(&as_lone(chunk)->entry, memory_order_relaxed);
        return pos == 0;
    }
    /* Acquire: pairs with the store in chain_append, for the entry. */
    if (pos >= atomic_load_explicit(&as_many(chunk)->tail, memory_order_acquire))
        return false;
    *ret_entry = atomic_load_explicit(&as_many(chunk)->entries[pos], memory_order_relaxed);
    return true;
}

bool
aw_calendar_peek(const struct aw_calendar_pool *pool, struct aw_calendar *calendar, struct aw_calendar_head *ret_head)
{
    for (;;) {
        /* Seq_cst, so that a peek that begins after a push returned sees what that push left: pairs with the exchanges. */
        uint64_t cursor = atomic_load_explicit(&calendar->_cursor, memory_order_seq_cst);

        POINT();
        switch (word_state(cursor)) {
        case EMPTY:
            return false;
        case READY: {
            struct chunk *chunk = chunk_at(pool, word_chunk(cursor));
            uint64_t      entry;

            if (chunk_read(chunk, word_pos(cursor), &entry)) {
                *ret_head = (struct aw_calendar_head){.entry = entry, .tick = chunk_tick(chunk), ._cursor = cursor};
                return true;
            }
            cursor_advance(pool, calendar, cursor);
            break;
        }
        case SEEK:
            cursor_resolve(pool, calendar, cursor);
            break;
        }
    }
}

bool
aw_calendar_try_pop(struct aw_calendar *calendar, const struct aw_calendar_head *head)
{
    return cursor_swap(calendar, head->_cursor, head->_cursor + word_ready(0, 1) - READY);
}
