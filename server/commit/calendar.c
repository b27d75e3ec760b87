/* The protocol.
 *
 * Entries sit in chunks, chunks of one tick in a chain, oldest first. A 64-ary trie of bitmaps finds the chain of a tick: five
 * levels of six bits. The cursor is in one of three states:
 *
 *            push below its tick
 *              .------------.
 *              v            |      exhausted
 *   EMPTY -> READY --------------> SEEK --.
 *     ^        ^  `-pop: pos + 1   |  ^   | push
 *     |        `----- found -------+  `---'
 *     `-------- nothing found -----'
 *
 *   READY(chunk, pos)    the next entry is chunk[pos], or, when there is none yet, the tick of the chunk is exhausted
 *   SEEK(version, tick)  nothing is handed out; the first entry at or after `tick` has to be found, and anybody may do it
 *   EMPTY                nothing waits
 *
 * Rules, each with a test that fails without it (tests/unit/calendar_history_test.c):
 * 1. A push publishes its entries by a seq_cst store, then reads the cursor by a seq_cst load. READY at a lower or equal tick:
 *    done. READY at a higher tick, or EMPTY: the cursor is set to the new entry. SEEK: replaced by a fresh SEEK from the lower
 *    of both ticks, always, even if the new entry lies ahead of the search: one under way may have passed it.
 * 2. Who leaves a chunk first raises chunk->head to the position reached, never lowers it: a thread that was stopped there may
 *    come back much later with an old position.
 * 3. Leaving an exhausted tick leads to SEEK from this same tick: an entry may have been appended since the last look.
 * 4. A search reads all it depends on by seq_cst loads after the seq_cst exchange that entered SEEK. So of a push and a search
 *    that run side by side either the search finds the entry, or the push finds the search and replaces its word.
 * 5. Only the writer unlinks, and only what lies below the cursor (everything when EMPTY); it frees after a grace period
 *    (QSBR). It unlinks before a push lowers the cursor, so that searches do not wade through emptied chains.
 * 6. SEEK words carry fresh versions: a search that slept can't complete in a later SEEK. It would take 2^32 searches in one
 *    calendar during one stalled one to meet its own version again. READY words need none: READY(chunk, pos) always means the
 *    same entry, as positions only grow and a chunk's index is reused only after a grace period. EMPTY needs none: only the
 *    writer leaves it.
 * 7. A group of pushes publishes all its entries, then lets the cursor meet the lowest for all: what was found or set there is at
 *    or below each of them. Cleaning comes before the first is published, since rule 5 counts on the cursor having met all.
 *
 * Pops are ordered by the modification order of the cursor; a push takes effect at its exchange of the cursor, or, where it
 * needs none, when its entries became visible, since a later search must find them (rules 1 and 4).
 */
#include "commit/calendar.h"

#include "commit/calendar_parts.h"

#define CROWDED_ROOM  6U /* with its header 64 bytes: one cache line */
#define GROWS_TWOFOLD 8U /* chunks from this one on; smaller ones grow by a class, as half of one stays empty where ticks end */

/* Whether ticks have few entries: all that wait in this calendar, less than two and a half on average. There an entry in a chunk of
 * its own takes the least memory. Where ticks are crowded, each is met again and again by pushes, pops and cleaning, long after the
 * last cache forgot it: there few chunks are few misses, and less memory as well. */
static bool
is_sparse(const struct aw_calendar *calendar)
{
    return 2 * (calendar->_pushed - calendar->_gone) < SPARSE_BELOW * calendar->_ticks;
}

/* The smallest chunk of at least `least`, or a larger one if `count` entries fill it. */
static uint32_t
chunk_class(uint32_t least, size_t count)
{
    uint32_t class_ = 0;

    while (class_ + 1 < CHUNK_CLASSES && (chunk_caps[class_] < least || chunk_caps[class_ + 1] <= count))
        class_++;
    return class_;
}

/* A chunk with the first of the entries, known to nobody yet. *count is lowered by what fitted. */
static uint32_t
chunk_make(struct aw_calendar_pool *pool, uint32_t tick, uint32_t least, const uint64_t *entries, size_t *count)
{
    uint32_t      class_ = chunk_class(least, *count);
    uint32_t      index = aw_slab_take(&pool->slab, class_);
    struct chunk *chunk = chunk_at(pool, index);
    uint8_t       fit = *count < chunk_caps[class_] ? (uint8_t)*count : chunk_caps[class_];

    /* Relaxed: published as a whole by the store that links the chunk. */
    atomic_store_explicit(&chunk->label, tick << 2 | (class_ == 0 ? LONE : 0), memory_order_relaxed);
    atomic_store_explicit(&chunk->next, 0, memory_order_relaxed);
    if (class_ == 0) {
        atomic_store_explicit(&as_lone(chunk)->entry, entries[0], memory_order_relaxed);
    } else {
        struct many *many = as_many(chunk);

        many->last = index;
        many->cap = chunk_caps[class_];
        many->counted = 0;
        atomic_store_explicit(&many->head, 0, memory_order_relaxed);
        atomic_store_explicit(&many->tail, fit, memory_order_relaxed);
        for (uint8_t i = 0; i < fit; i++)
            atomic_store_explicit(&many->entries[i], entries[i], memory_order_relaxed);
    }
    *count -= fit;
    return index;
}

/* Links new chunks with these entries behind the last one of a chain, the first of them with room for `least`. Returns it. */
static uint32_t
chain_extend(struct aw_calendar_pool *pool, uint32_t last, struct many *keeper, uint32_t least, const uint64_t *entries,
             size_t count)
{
    struct chunk *chunk = chunk_at(pool, last);
    uint32_t      at = 0;

    while (count > 0) {
        size_t   left = count;
        uint32_t next = chunk_make(pool, chunk_tick(chunk), least, entries, &left);

        at = at == 0 ? next : at;
        if (keeper != NULL)
            keeper->last = next;
        else if (!chunk_is_lone(chunk_at(pool, next)))
            keeper = as_many(chunk_at(pool, next)); /* and its last, as it was made */
        POINT();
        /* Pairs with the loads of next in aw_calendar_chain_find and cursor_advance. Relaxed load: the writer's own. */
        PUBLISH(&chunk->next, next | (atomic_load_explicit(&chunk->next, memory_order_relaxed) & COUNTED));
        chunk = chunk_at(pool, next);
        entries += count - left;
        count = left;
        least = 1; /* what is left of this push is all that is known to come */
    }
    return at;
}

/* The room that the chunk behind the last one of a chain begins with: more than that one's, but for the first few where ticks are
 * sparse. `keeper`: as chain_keeper has it. */
static uint32_t
chain_room(const struct aw_calendar_pool *pool, const struct aw_calendar *calendar, uint32_t first, const struct many *keeper,
           uint32_t last)
{
    uint8_t  cap = chunk_cap(chunk_at(pool, last));
    unsigned lones = 0;

    if (keeper != NULL || !is_sparse(calendar))
        return cap < GROWS_TWOFOLD ? cap + 1U : 2U * cap;
    for (uint32_t i = first; i != 0; i = chunk_next(chunk_at(pool, i), memory_order_relaxed)) /* the writer's own */
        lones++;
    return lones < LONES_MAX ? 1 : 2;
}

/* Puts entries at the end of a chain that readers know. Returns the chunk that holds the first of them. */
static uint32_t
chain_append(struct aw_calendar_pool *pool, const struct aw_calendar *calendar, uint32_t first, const uint64_t *entries,
             size_t count)
{
    uint32_t      last = first;
    struct many  *keeper = chain_keeper(pool, first, &last);
    struct chunk *chunk = chunk_at(pool, last);
    uint32_t      at = 0;
    uint32_t      more;

    if (!chunk_is_lone(chunk)) {
        struct many *many = as_many(chunk);
        uint8_t      tail = atomic_load_explicit(&many->tail, memory_order_relaxed); /* the writer's own */
        size_t       fit = count < (size_t)(many->cap - tail) ? count : (size_t)(many->cap - tail);

        if (fit > 0) {
            at = last;
            for (size_t i = 0; i < fit; i++) /* relaxed: published by tail */
                atomic_store_explicit(&many->entries[tail + i], entries[i], memory_order_relaxed);
            POINT();
            /* Pairs with the loads of tail in aw_calendar_chain_find and chunk_read. */
            PUBLISH(&many->tail, (uint8_t)(tail + fit));
            entries += fit;
            count -= fit;
        }
    }
    if (count == 0)
        return at;
    more = chain_extend(pool, last, keeper, chain_room(pool, calendar, first, keeper, last), entries, count);
    return at == 0 ? more : at;
}

/* A chain that nobody knows yet, the first chunk with room for `least`. Its first chunk. */
static uint32_t
chain_make(struct aw_calendar_pool *pool, uint32_t tick, uint32_t least, const uint64_t *entries, size_t count)
{
    size_t       left = count;
    uint32_t     first = chunk_make(pool, tick, least, entries, &left);
    struct many *keeper = chunk_is_lone(chunk_at(pool, first)) ? NULL : as_many(chunk_at(pool, first));

    (void)chain_extend(pool, first, keeper, 1, entries + (count - left), left); /* the first chunk holds the first */
    return first;
}

bool
aw_calendar_meet(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, uint32_t index)
{
    for (;;) {
        uint64_t cursor = atomic_load_explicit(&calendar->_cursor, memory_order_seq_cst);
        uint64_t next = EMPTY;

        POINT();
        switch (word_state(cursor)) {
        case READY: {
            struct chunk *chunk = chunk_at(pool, word_chunk(cursor));

            if (chunk_tick(chunk) <= tick || WITHOUT(RULE_1_READY))
                return true;
            /* A search may have found the entries, and poppers may have taken them and gone on already. */
            if (!aw_calendar_chain_find(pool, index, &next))
                return false;
            aw_calendar_chunk_leave(chunk, word_pos(cursor));
            chunk_count(calendar, chunk, word_pos(cursor));
            break;
        }
        case EMPTY:
            if (!aw_calendar_chain_find(pool, index, &next))
                return false;
            break;
        case SEEK:
            if (WITHOUT(RULE_1_SEEK) && tick >= word_tick(cursor))
                return true;
            next = word_seek(fresh_version(calendar), tick < word_tick(cursor) ? tick : word_tick(cursor));
            break;
        }
        if (cursor_swap(calendar, cursor, next))
            return true;
    }
}

uint32_t
aw_calendar_tick_push(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, const uint64_t *entries,
                      size_t count)
{
    uint32_t chain = aw_calendar_tick_find(pool, calendar, tick);
    uint32_t at;

    AW_ASSERT(tick <= AW_CALENDAR_TICK_MAX);
    calendar->_pushed += count;
    if (chain != 0)
        return chain_append(pool, calendar, chain, entries, count);
    calendar->_ticks++;
    at = chain_make(pool, tick, is_sparse(calendar) ? 1 : CROWDED_ROOM, entries, count);
    aw_calendar_tick_insert(pool, calendar, tick, at);
    return at;
}

void
aw_calendar_clean_above(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick)
{
    /* Acquire: pairs with the exchanges of the poppers, for the heads. */
    if (cursor_floor(pool, atomic_load_explicit(&calendar->_cursor, memory_order_acquire)) > tick)
        (void)aw_calendar_clean(pool, calendar, SIZE_MAX); /* how much does not matter */
}

enum aw_err
aw_calendar_push(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, const uint64_t *entries,
                 size_t count)
{
    uint32_t at;

    AW_ON(pool);
    if (aw_slab_pages_free(&pool->slab) < pages_needed(count))
        return AW_E_TABLE_FULL;
    if (count == 0)
        return AW_OK;
    aw_calendar_clean_above(pool, calendar, tick);
    at = aw_calendar_tick_push(pool, calendar, tick, entries, count);
    (void)aw_calendar_meet(pool, calendar, tick, at); /* gone already is fine */
    return AW_OK;
}
