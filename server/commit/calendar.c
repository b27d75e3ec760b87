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

#include "base/home.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "commit/slab.h"

#include <stdlib.h>

/* One test compiles this file again with smaller chunks, with delays where threads meet, and with one rule at a time left out,
 * to show that it would notice (tests/unit/calendar_history_test.c). */
#ifndef AW_CALENDAR_TEST
#define CHUNK_CAPS    1, 4, 8, 16, 24, 32, 64, 128, 254
#define CHUNK_CLASSES 9
#define POINT()       ((void)0)
#define WITHOUT(rule) false
/* The one store that shows new entries to searches (rules 1 and 4). */
#define PUBLISH(place, value) atomic_store_explicit(place, value, memory_order_seq_cst)
#endif

#define LEVELS                5
#define DIGIT_BITS            6
#define DIGIT_MASK            63U
#define NODE_CLASSES          9
#define BYTES_MIN             (UINT64_C(1) << 20)
#define BYTES_MAX             (UINT64_C(16) << 30) /* indices of 31 bits */
#define FINGERS               512                  /* a power of two */
#define GROUP_MAX             16U                  /* pushes whose ways are walked side by side */
#define GIVE_AHEAD            8U
#define LARGE_CHUNKS_PER_PAGE 8 /* of 2 KiB each, without their headers: */
#define CHUNK_BYTES_PER_PAGE  (LARGE_CHUNKS_PER_PAGE * 254 * sizeof(uint64_t))

/* Capacities by size class: chunks first. A chunk's position fits 8 bits; the largest chunk is 2 KiB. A node grows by copying;
 * beyond 32 children it has all 64 places, so that it need not grow again. */
static const uint8_t chunk_caps[CHUNK_CLASSES] = {CHUNK_CAPS};
static const uint8_t node_caps[NODE_CLASSES] = {2, 4, 6, 8, 12, 16, 24, 32, 64};

/* A chunk has one entry (struct lone) or several (struct many). In a sparse queue nearly all ticks have one or two entries, so
 * that a lone one is all that can be spared: its tail is 1 when it is linked, its head is the bit GONE. */
struct chunk {
    _Atomic uint32_t label; /* tick << 2 | GONE | LONE; only GONE changes */
    _Atomic uint32_t next;  /* chunk (0: the last of its tick so far) | COUNTED; the writer's */
};
#define LONE    UINT32_C(1)
#define GONE    UINT32_C(2)
#define COUNTED UINT32_C(0x80000000) /* a lone entry is gone and in _gone */
struct lone {
    struct chunk     chunk;
    _Atomic uint64_t entry;
};
struct many {
    struct chunk     chunk;
    uint32_t         last; /* writer: the last chunk of this tick, in the first chunk of its chain that is not a lone one */
    _Atomic uint8_t  head; /* entries before it are gone; behind the truth while the cursor is in this chunk */
    _Atomic uint8_t  tail; /* entries before it are published */
    uint8_t          cap;
    uint8_t          counted; /* writer: of the entries gone, how many are in _gone */
    _Atomic uint64_t entries[];
};
/* `live` says which children lead to a chain. A child has a place from when it is first added on, behind those that were there, so
 * that the places of others never change under a reader and a child may come in any order. digits[] says whose place it is, one
 * byte a place, in one, two or four words; then follow the places. A node with all 64 places needs no digits. */
struct node {
    _Atomic uint64_t live;
    _Atomic uint64_t digits[];
};
#define DIGIT_FREE 0x7fU /* a place without a child */
#define DIGIT_NONE 0x7eU /* no place: the node is smaller than its words of digits */
/* The digits leave the highest bit of each byte free; those of the first word say how many words there are. */
#define BYTE_ONES  UINT64_C(0x0101010101010101)
#define BYTE_TOPS  UINT64_C(0x8080808080808080)
#define WORDS_TWO  (UINT64_C(1) << 7)
#define WORDS_FOUR (UINT64_C(1) << 15)
#define ALL_PLACES (UINT64_C(1) << 23)

/* Where a calendar has the leaf of a window of 64 ticks: pushes come in runs, so that most need no walk from the root. */
struct finger {
    const struct aw_calendar *calendar; /* NULL: free */
    uint32_t                  window;   /* tick / 64 */
    uint32_t                  leaf;
};

/* Blocks that no new reader can find. */
struct limbo {
    uint32_t *blocks; /* owns: address space for all that the arena can hold */
    size_t    count;
};

/* What was unlinked: `fresh` since the last epoch was taken, `aging` until that epoch has passed, `ripe` to be given back. */
struct aw_calendar_pool {
    struct aw_slab  slab; /* owns; its start is for all, the rest and what follows for the writer */
    struct aw_home  home;
    struct aw_qsbr *qsbr; /* borrows; outlives the pool */
    struct limbo    fresh;
    struct limbo    aging;
    struct limbo    ripe;
    uint64_t        epoch; /* of aging */
    size_t          retired_bytes;
    size_t          bytes_max;
    struct finger   fingers[FINGERS];
};

/* --- words and blocks ----------------------------------------------------------------------------------------------------- */

enum state { EMPTY = 0, READY = 1, SEEK = 2 };

static inline enum state
word_state(uint64_t word)
{
    return (enum state)(word & 3);
}

static inline uint64_t
word_ready(uint32_t chunk, uint8_t pos)
{
    return (uint64_t)chunk << 32 | (uint64_t)pos << 2 | READY;
}

static inline uint64_t
word_seek(uint32_t version, uint32_t tick)
{
    return (uint64_t)version << 32 | (uint64_t)tick << 2 | SEEK;
}

static inline uint32_t
word_chunk(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static inline uint8_t
word_pos(uint64_t word)
{
    return (uint8_t)(word >> 2);
}

static inline uint32_t
word_tick(uint64_t word)
{
    return (uint32_t)word >> 2;
}

static inline struct chunk *
chunk_at(const struct aw_calendar_pool *pool, uint32_t index)
{
    return aw_slab_at(&pool->slab, index);
}

static inline struct node *
node_at(const struct aw_calendar_pool *pool, uint32_t index)
{
    return aw_slab_at(&pool->slab, index);
}

/* A child is a chain, or a node one level down. A chain may hang at any level, where it is the only one: a queue with one
 * waiting tick needs no node at all. */
#define CHAIN UINT32_C(0x80000000)

static inline bool
is_chain(uint32_t child)
{
    return (child & CHAIN) != 0;
}

static inline uint32_t
chain_of(uint32_t child)
{
    return child & ~CHAIN;
}

static inline unsigned
digit(uint32_t tick, unsigned level)
{
    return tick >> (level * DIGIT_BITS) & DIGIT_MASK;
}

static inline uint64_t
bit_of(unsigned digit_)
{
    return UINT64_C(1) << digit_;
}

/* The highest bit of each byte that is `value`. */
static inline uint64_t
bytes_equal(uint64_t word, unsigned value)
{
    uint64_t differ = (word & ~BYTE_TOPS) ^ (BYTE_ONES * value);

    return ~(differ + ~BYTE_TOPS) & BYTE_TOPS;
}

static inline unsigned
digit_words(uint64_t first)
{
    return (first & WORDS_TWO) != 0 ? 2 : (first & WORDS_FOUR) != 0 ? 4 : 1;
}

static inline _Atomic uint32_t *
node_places(struct node *node, unsigned words)
{
    return (void *)((char *)node + offsetof(struct node, digits) + words * sizeof(uint64_t));
}

/* The place of the child with this digit, or a free one for DIGIT_FREE; NULL: there is none. */
static inline _Atomic uint32_t *
node_search(struct node *node, unsigned digit_)
{
    /* Relaxed, here and below: whoever saw the bit in `live` also sees the digit (node_add). */
    uint64_t          first = atomic_load_explicit(&node->digits[0], memory_order_relaxed);
    unsigned          words = digit_words(first);
    _Atomic uint32_t *places = node_places(node, words);
    uint64_t          equal = bytes_equal(first, digit_);

    if ((first & ALL_PLACES) != 0)
        return &places[digit_];
    for (unsigned i = 1; equal == 0 && i < words; i++) {
        equal = bytes_equal(atomic_load_explicit(&node->digits[i], memory_order_relaxed), digit_);
        places += 8;
    }
    return equal == 0 ? NULL : &places[(unsigned)__builtin_ctzll(equal) / 8];
}

/* The place of a child that was added. */
static inline _Atomic uint32_t *
node_place(struct node *node, unsigned digit_)
{
    _Atomic uint32_t *place = node_search(node, digit_);

    AW_ASSERT(place != NULL);
    return place;
}

static inline uint32_t
chunk_tick(const struct chunk *chunk)
{
    return atomic_load_explicit(&chunk->label, memory_order_relaxed) >> 2; /* never changes */
}

static inline bool
chunk_is_lone(const struct chunk *chunk)
{
    return (atomic_load_explicit(&chunk->label, memory_order_relaxed) & LONE) != 0; /* as above */
}

static inline struct lone *
as_lone(struct chunk *chunk)
{
    return AW_CONTAINER(chunk, struct lone, chunk);
}

static inline struct many *
as_many(struct chunk *chunk)
{
    return AW_CONTAINER(chunk, struct many, chunk);
}

static inline uint8_t
chunk_cap(struct chunk *chunk)
{
    return chunk_is_lone(chunk) ? 1 : as_many(chunk)->cap;
}

static inline uint32_t
chunk_next(struct chunk *chunk, memory_order order)
{
    return atomic_load_explicit(&chunk->next, order) & ~COUNTED;
}

/* Relaxed: passed on by the exchanges of the cursor. */
static inline uint8_t
chunk_head(struct chunk *chunk)
{
    uint32_t label = atomic_load_explicit(&chunk->label, memory_order_relaxed);

    if ((label & LONE) != 0)
        return (label & GONE) != 0;
    return atomic_load_explicit(&as_many(chunk)->head, memory_order_relaxed);
}

static inline uint32_t
fresh_version(struct aw_calendar *calendar)
{
    /* Relaxed: only unlike all others, in no order. */
    return WITHOUT(RULE_6) ? 0 : atomic_fetch_add_explicit(&calendar->_version, 1, memory_order_relaxed) + 1;
}

/* Seq_cst on success: what was read before can't be moved behind it, and what a search reads comes after it (rule 4). */
static inline bool
cursor_swap(struct aw_calendar *calendar, uint64_t from, uint64_t to)
{
    POINT();
    if (WITHOUT(RULE_CAS)) {
        if (atomic_load_explicit(&calendar->_cursor, memory_order_seq_cst) != from) /* pairs with nothing: a broken variant */
            return false;
        POINT();
        atomic_store_explicit(&calendar->_cursor, to, memory_order_seq_cst); /* as above */
        return true;
    }
    return atomic_compare_exchange_strong_explicit(&calendar->_cursor, &from, to, memory_order_seq_cst, memory_order_relaxed);
}

/* --- popping: any thread -------------------------------------------------------------------------------------------------- */

/* Rule 2. The new value is passed on by the exchange of the cursor that follows; hence relaxed. At most 254 rounds, as each that
 * fails found a higher value. */
static void
chunk_leave(struct chunk *chunk, uint8_t pos)
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

/* The first entry of a chain that is not gone. False: none. The heads are true while the cursor is elsewhere or in SEEK. */
static bool
chain_find(const struct aw_calendar_pool *pool, uint32_t index, uint64_t *ret_ready)
{
    while (index != 0) {
        struct chunk *chunk = chunk_at(pool, index);
        uint8_t       head = chunk_head(chunk);
        uint8_t       tail = 1;

        if (!chunk_is_lone(chunk)) /* rule 4: pairs with the store of tail in chain_append */
            tail = atomic_load_explicit(&as_many(chunk)->tail, memory_order_seq_cst);
        if (head < tail) {
            *ret_ready = word_ready(index, head);
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
        /* Rule 4: pairs with the stores in node_add, node_grow and tick_insert. */
        uint32_t child = atomic_load_explicit(node_place(node, bit), memory_order_seq_cst);

        if (is_chain(child)) {
            if (chain_find(pool, chain_of(child), ret_ready)) {
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
        (void)chain_find(pool, chain_of(root), &found); /* found stays EMPTY */
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

    chunk_leave(chunk, word_pos(ready));
    if (next != 0)
        (void)cursor_swap(calendar, ready, word_ready(next, 0)); /* entries of a tick leave in order: all of next are there */
    else
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

/* --- memory: writer ------------------------------------------------------------------------------------------------------- */

/* Words of digits of a node with room for so many children. */
static unsigned
words_for(uint8_t cap)
{
    return cap == 64 || cap <= 8 ? 1 : cap <= 16 ? 2 : 4;
}

static uint32_t
class_bytes(uint32_t class_)
{
    size_t bytes;

    if (class_ == 0)
        bytes = sizeof(struct lone);
    else if (class_ < CHUNK_CLASSES)
        bytes = offsetof(struct many, entries) + sizeof(uint64_t) * chunk_caps[class_];
    else
        bytes = offsetof(struct node, digits) + sizeof(uint64_t) * words_for(node_caps[class_ - CHUNK_CLASSES]) +
                sizeof(uint32_t) * node_caps[class_ - CHUNK_CLASSES];
    return (uint32_t)((bytes + AW_SLAB_UNIT - 1) / AW_SLAB_UNIT * AW_SLAB_UNIT);
}

/* The smallest block is a lone chunk, and all of them may be in limbo at once. */
static size_t
limbo_bytes(size_t arena_bytes)
{
    return arena_bytes / sizeof(struct lone) * sizeof(uint32_t);
}

static bool
limbo_init(struct limbo *limbo, size_t arena_bytes)
{
    limbo->blocks = aw_reserve_take(limbo_bytes(arena_bytes));
    return limbo->blocks != NULL;
}

static void
pool_free(struct aw_calendar_pool *pool, size_t bytes_max)
{
    aw_slab_fini(&pool->slab);
    aw_reserve_give(pool->fresh.blocks, limbo_bytes(bytes_max));
    aw_reserve_give(pool->aging.blocks, limbo_bytes(bytes_max));
    aw_reserve_give(pool->ripe.blocks, limbo_bytes(bytes_max));
    free(pool);
}

enum aw_err
aw_calendar_pool_new(struct aw_calendar_pool **ret_pool, size_t bytes_max, struct aw_qsbr *qsbr)
{
    struct aw_calendar_pool *pool;
    uint32_t                 sizes[CHUNK_CLASSES + NODE_CLASSES];
    enum aw_err              err;

    if (bytes_max < BYTES_MIN || bytes_max > BYTES_MAX)
        return AW_E_CONFIG;
    pool = aw_new(struct aw_calendar_pool);
    if (pool == NULL)
        return AW_E_MEMORY;
    for (uint32_t i = 0; i < AW_ARRAY_LEN(sizes); i++)
        sizes[i] = class_bytes(i);
    err = aw_slab_init(&pool->slab, bytes_max, sizes, AW_ARRAY_LEN(sizes));
    if (err == AW_OK &&
        !(limbo_init(&pool->fresh, bytes_max) && limbo_init(&pool->aging, bytes_max) && limbo_init(&pool->ripe, bytes_max)))
        err = AW_E_MEMORY;
    if (err != AW_OK) {
        pool_free(pool, bytes_max);
        return err;
    }
    pool->bytes_max = bytes_max;
    pool->qsbr = qsbr;
    aw_home_enter(&pool->home);
    *ret_pool = pool;
    return AW_OK;
}

void
aw_calendar_pool_free(struct aw_calendar_pool **pool)
{
    if (*pool == NULL)
        return;
    pool_free(*pool, (*pool)->bytes_max);
    *pool = NULL;
}

void
aw_calendar_pool_enter(struct aw_calendar_pool *pool)
{
    aw_home_enter(&pool->home);
}

/* Pages that a push of `count` entries takes at most: large chunks, one page for each smaller class of chunks, one for a path
 * of new nodes, one for a grown node. */
static size_t
pages_needed(size_t count)
{
    return count / (CHUNK_BYTES_PER_PAGE / sizeof(uint64_t)) + CHUNK_CLASSES + 2 + 1;
}

/* The most that an entry pushed alone takes is the largest chunk (less for one in a new tick: a small chunk, a path of small
 * nodes, a copied node); each class may leave one page partly used; and the last push must still find what it needs. */
static size_t
pages_spare(void)
{
    return CHUNK_CLASSES + NODE_CLASSES + pages_needed(0);
}

size_t
aw_calendar_pool_room(const struct aw_calendar_pool *pool)
{
    size_t pages = aw_slab_pages_free(&pool->slab);

    return pages <= pages_spare() ? 0 : (pages - pages_spare()) * LARGE_CHUNKS_PER_PAGE;
}

size_t
aw_calendar_pool_bytes_for(size_t room)
{
    size_t pages = pages_spare() + room / LARGE_CHUNKS_PER_PAGE + (room % LARGE_CHUNKS_PER_PAGE != 0);

    return (pages + 1) * AW_SLAB_PAGE_BYTES; /* one is never used */
}

size_t
aw_calendar_pool_bytes(const struct aw_calendar_pool *pool)
{
    return aw_slab_bytes_used(&pool->slab);
}

size_t
aw_calendar_pool_retired(const struct aw_calendar_pool *pool)
{
    return pool->retired_bytes;
}

static size_t
block_bytes(const struct aw_calendar_pool *pool, uint32_t index)
{
    return class_bytes(aw_slab_class_of(&pool->slab, index));
}

/* No new reader can find the block any more. */
static void
block_retire(struct aw_calendar_pool *pool, uint32_t index)
{
    if (WITHOUT(RULE_5)) {
        aw_slab_give(&pool->slab, index);
        return;
    }
    pool->fresh.blocks[pool->fresh.count++] = index;
    pool->retired_bytes += block_bytes(pool, index);
}

static void
limbo_swap(struct limbo *a, struct limbo *b)
{
    struct limbo old = *a;

    *a = *b;
    *b = old;
}

size_t
aw_calendar_pool_reclaim(struct aw_calendar_pool *pool, size_t max)
{
    struct limbo *ripe = &pool->ripe;
    size_t        work = 0;

    AW_ON(pool);
    if (ripe->count == 0 && pool->aging.count > 0 && aw_qsbr_passed(pool->qsbr, pool->epoch))
        limbo_swap(ripe, &pool->aging);
    if (pool->aging.count == 0 && pool->fresh.count > 0) {
        limbo_swap(&pool->aging, &pool->fresh);
        pool->epoch = aw_qsbr_retire(pool->qsbr);
    }
    for (; ripe->count > 0 && work < max; work++) {
        uint32_t index = ripe->blocks[--ripe->count];

        /* They lie in another core's cache, or in none. */
        if (ripe->count >= GIVE_AHEAD)
            __builtin_prefetch(aw_slab_at(&pool->slab, ripe->blocks[ripe->count - GIVE_AHEAD]), 1);
        pool->retired_bytes -= block_bytes(pool, index);
        aw_slab_give(&pool->slab, index);
    }
    return work;
}

/* --- pushing: writer ------------------------------------------------------------------------------------------------------ */

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

/* The first chunk of a chain, from `index` on, that is not a lone one; NULL: none. There are hardly two in a row. */
static struct many *
chain_keeper(const struct aw_calendar_pool *pool, uint32_t index, uint32_t *ret_last)
{
    while (index != 0) {
        struct chunk *chunk = chunk_at(pool, index);

        *ret_last = index;
        if (!chunk_is_lone(chunk)) {
            *ret_last = as_many(chunk)->last;
            return as_many(chunk);
        }
        index = chunk_next(chunk, memory_order_relaxed); /* the writer's own */
    }
    return NULL;
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
        /* Pairs with the loads of next in chain_find and cursor_advance. Relaxed load: the writer's own. */
        PUBLISH(&chunk->next, next | (atomic_load_explicit(&chunk->next, memory_order_relaxed) & COUNTED));
        chunk = chunk_at(pool, next);
        entries += count - left;
        count = left;
        least = 1; /* what is left of this push is all that is known to come */
    }
    return at;
}

/* Puts entries at the end of a chain that readers know. Returns the chunk that holds the first of them. */
static uint32_t
chain_append(struct aw_calendar_pool *pool, uint32_t first, const uint64_t *entries, size_t count)
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
            /* Pairs with the loads of tail in chain_find and chunk_read. */
            PUBLISH(&many->tail, (uint8_t)(tail + fit));
            entries += fit;
            count -= fit;
        }
    }
    more = chain_extend(pool, last, keeper, UINT32_C(2) * chunk_cap(chunk), entries, count);
    return at == 0 ? more : at;
}

/* A chain that nobody knows yet. Its first chunk. */
static uint32_t
chain_make(struct aw_calendar_pool *pool, uint32_t tick, const uint64_t *entries, size_t count)
{
    size_t       left = count;
    uint32_t     first = chunk_make(pool, tick, 1, entries, &left);
    struct many *keeper = chunk_is_lone(chunk_at(pool, first)) ? NULL : as_many(chunk_at(pool, first));

    (void)chain_extend(pool, first, keeper, 1, entries + (count - left), left); /* the first chunk holds the first */
    return first;
}

static uint32_t
node_make(struct aw_calendar_pool *pool, int children)
{
    uint32_t     class_ = 0;
    uint32_t     index;
    uint8_t      cap;
    unsigned     words;
    struct node *node;

    while (node_caps[class_] < children)
        class_++;
    index = aw_slab_take(&pool->slab, CHUNK_CLASSES + class_);
    node = node_at(pool, index);
    cap = node_caps[class_];
    words = words_for(cap);
    /* Relaxed: published by the store that links the node. */
    atomic_store_explicit(&node->live, 0, memory_order_relaxed);
    for (unsigned i = 0; i < words; i++) {
        unsigned free = cap >= 8 * (i + 1) ? 8 : cap - 8 * i;
        uint64_t digits = BYTE_ONES * DIGIT_NONE | (free == 0 ? 0 : BYTE_ONES >> (64 - 8 * free));

        if (i == 0)
            digits |= cap == 64 ? ALL_PLACES : words == 4 ? WORDS_FOUR : words == 2 ? WORDS_TWO : 0;
        atomic_store_explicit(&node->digits[i], digits, memory_order_relaxed);
    }
    return index;
}

/* The place for a child that has none yet. NULL: the node must grow. */
static _Atomic uint32_t *
node_new_place(struct node *node, unsigned digit_)
{
    _Atomic uint32_t *place = node_search(node, DIGIT_FREE);
    uint64_t          first = atomic_load_explicit(&node->digits[0], memory_order_relaxed); /* the writer's own */
    unsigned          at;
    uint64_t          digits;

    if (place == NULL)
        return NULL;
    at = (unsigned)(place - node_places(node, digit_words(first)));
    digits = atomic_load_explicit(&node->digits[at / 8], memory_order_relaxed);
    digits ^= (uint64_t)(DIGIT_FREE ^ digit_) << (at % 8 * 8);
    /* Published by live. */
    atomic_store_explicit(&node->digits[at / 8], digits, memory_order_relaxed);
    return place;
}

/* Links `child` under `digit_`. False: the node must grow. */
static bool
node_add(struct aw_calendar_pool *pool, uint32_t index, unsigned digit_, uint32_t child)
{
    struct node      *node = node_at(pool, index);
    uint64_t          live = atomic_load_explicit(&node->live, memory_order_relaxed); /* the writer's own */
    _Atomic uint32_t *place = node_search(node, digit_);

    AW_ASSERT((live & bit_of(digit_)) == 0);
    if (place == NULL)
        place = node_new_place(node, digit_);
    if (place == NULL)
        return false;
    /* Release: a search that still has the bit from an earlier life of this place may follow it before it is set again: pairs with
     * the load of a child in node_find. */
    atomic_store_explicit(place, child, memory_order_release);
    POINT();
    /* Pairs with the load of live in node_find. */
    PUBLISH(&node->live, live | bit_of(digit_));
    return true;
}

/* A copy with room for one child more, and with that child, put where the node was. */
static uint32_t
node_grow(struct aw_calendar_pool *pool, _Atomic uint32_t *place, unsigned digit_, uint32_t child)
{
    uint32_t     old_index = atomic_load_explicit(place, memory_order_relaxed); /* the writer's own */
    struct node *old = node_at(pool, old_index);
    uint64_t     live = atomic_load_explicit(&old->live, memory_order_relaxed); /* the writer's own */
    uint32_t     index = node_make(pool, __builtin_popcountll(live) + 1);
    bool         fits = true;

    for (uint64_t rest = live; rest != 0; rest &= rest - 1) {
        unsigned at = (unsigned)__builtin_ctzll(rest);

        fits = node_add(pool, index, at, atomic_load_explicit(node_place(old, at), memory_order_relaxed)) && fits;
    }
    fits = node_add(pool, index, digit_, child) && fits;
    AW_ASSERT(fits); /* places were made for them */
    POINT();
    /* Pairs with the load of the child in node_find, or of the root in cursor_resolve. */
    PUBLISH(place, index);
    block_retire(pool, old_index);
    return index;
}

static struct finger *
finger_of(struct aw_calendar_pool *pool, const struct aw_calendar *calendar, uint32_t window)
{
    uint64_t mixed = ((uintptr_t)calendar / sizeof(*calendar) * 2654435761U + window) * UINT64_C(0x9e3779b97f4a7c15);

    return &pool->fingers[mixed >> 32 & (FINGERS - 1)];
}

/* The leaf of this tick if it is at hand; 0: it may exist all the same. */
static uint32_t
finger_find(struct aw_calendar_pool *pool, const struct aw_calendar *calendar, uint32_t tick)
{
    const struct finger *finger = finger_of(pool, calendar, tick >> DIGIT_BITS);

    return finger->calendar == calendar && finger->window == tick >> DIGIT_BITS ? finger->leaf : 0;
}

static void
finger_keep(struct aw_calendar_pool *pool, const struct aw_calendar *calendar, uint32_t tick, uint32_t leaf)
{
    *finger_of(pool, calendar, tick >> DIGIT_BITS) =
        (struct finger){.calendar = calendar, .window = tick >> DIGIT_BITS, .leaf = leaf};
}

/* The leaf of this window goes away. */
static void
finger_forget(struct aw_calendar_pool *pool, const struct aw_calendar *calendar, uint32_t window)
{
    struct finger *finger = finger_of(pool, calendar, window);

    if (finger->calendar == calendar && finger->window == window)
        *finger = (struct finger){.calendar = NULL};
}

/* The chain of `tick`, or 0. */
static uint32_t
tick_find(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick)
{
    uint32_t index = finger_find(pool, calendar, tick);
    unsigned level = index != 0 ? 0 : LEVELS - 1;

    if (index == 0)
        index = atomic_load_explicit(&calendar->_root, memory_order_relaxed); /* here and below: the writer's own */
    while (index != 0 && !is_chain(index)) {
        struct node *node = node_at(pool, index);
        unsigned     bit = digit(tick, level);

        if ((atomic_load_explicit(&node->live, memory_order_relaxed) & bit_of(bit)) == 0)
            return 0;
        if (level == 0)
            finger_keep(pool, calendar, tick, index);
        index = atomic_load_explicit(node_place(node, bit), memory_order_relaxed);
        level--;
    }
    return index != 0 && chunk_tick(chunk_at(pool, chain_of(index))) == tick ? chain_of(index) : 0;
}

/* A path of nodes, from `level` down to where the two ticks part, that leads to both chains; nobody knows it yet. *ret_leaf:
 * the node that holds both, if it is a leaf, else 0. */
static uint32_t
chains_part(struct aw_calendar_pool *pool, unsigned level, uint32_t early, uint32_t late, uint32_t *ret_leaf)
{
    uint32_t tick = chunk_tick(chunk_at(pool, chain_of(early)));
    uint32_t other = chunk_tick(chunk_at(pool, chain_of(late)));
    unsigned at = (31U - (unsigned)__builtin_clz(tick ^ other)) / DIGIT_BITS;
    uint32_t made = node_make(pool, 2);
    bool     fits = node_add(pool, made, digit(tick, at), early) && node_add(pool, made, digit(other, at), late);

    AW_ASSERT(at <= level);
    *ret_leaf = at == 0 ? made : 0;
    while (at < level) {
        uint32_t child = made;

        made = node_make(pool, 1);
        fits = node_add(pool, made, digit(tick, ++at), child) && fits;
    }
    AW_ASSERT(fits); /* places were made for them */
    return made;
}

/* Links the chain of a tick that has none, by one store: a place in the node where the walk ends, or a path from a chain that
 * was alone there to both. */
static void
tick_insert(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, uint32_t chain)
{
    _Atomic uint32_t *place = &calendar->_root;
    unsigned          level = LEVELS - 1; /* of a node at `place` */
    uint32_t          index = finger_find(pool, calendar, tick);
    uint32_t          leaf = 0;

    if (index != 0 && node_add(pool, index, digit(tick, 0), chain | CHAIN))
        return;
    for (;; level--) {
        index = atomic_load_explicit(place, memory_order_relaxed); /* here and below: the writer's own */
        if (index == 0 || is_chain(index) ||
            (atomic_load_explicit(&node_at(pool, index)->live, memory_order_relaxed) & bit_of(digit(tick, level))) == 0)
            break;
        place = node_place(node_at(pool, index), digit(tick, level));
    }
    if (index == 0) {
        /* Pairs with the load of the root in cursor_resolve. */
        PUBLISH(place, chain | CHAIN);
    } else if (is_chain(index)) {
        bool     is_early = tick < chunk_tick(chunk_at(pool, chain_of(index)));
        uint32_t path = chains_part(pool, level, is_early ? chain | CHAIN : index, is_early ? index : chain | CHAIN, &leaf);

        POINT();
        /* Pairs with the loads of a child in node_find and of the root in cursor_resolve. */
        PUBLISH(place, path);
    } else {
        if (!node_add(pool, index, digit(tick, level), chain | CHAIN))
            index = node_grow(pool, place, digit(tick, level), chain | CHAIN);
        leaf = level == 0 ? index : 0;
    }
    if (leaf != 0)
        finger_keep(pool, calendar, tick, leaf);
}

/* What of a chunk has left is counted now, as the cursor leaves it at `pos`. */
static void
chunk_count(struct aw_calendar *calendar, struct chunk *chunk, uint8_t pos)
{
    if (chunk_is_lone(chunk)) {
        uint32_t next = atomic_load_explicit(&chunk->next, memory_order_relaxed); /* the writer's own */

        if (pos == 0 || (next & COUNTED) != 0)
            return;
        calendar->_gone++;
        /* Release: it hides the store that published what follows, so pairs with the same loads. */
        atomic_store_explicit(&chunk->next, next | COUNTED, memory_order_release);
    } else if (pos > as_many(chunk)->counted) {
        calendar->_gone += (uint64_t)(pos - as_many(chunk)->counted);
        as_many(chunk)->counted = pos;
    }
}

/* Rule 1, second half: makes the cursor account for entries of `tick` from chunk `index` on, which are published. True when the
 * cursor, after that, was seen or set where it accounts for all that was published at this tick or later; false when these
 * entries were found to be gone already. */
static bool
cursor_meet(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, uint32_t index)
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
            if (!chain_find(pool, index, &next))
                return false;
            chunk_leave(chunk, word_pos(cursor));
            chunk_count(calendar, chunk, word_pos(cursor));
            break;
        }
        case EMPTY:
            if (!chain_find(pool, index, &next))
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

/* The first tick that may still hold entries: all below are gone. */
static uint64_t
cursor_floor(const struct aw_calendar_pool *pool, uint64_t cursor)
{
    switch (word_state(cursor)) {
    case READY:
        return chunk_tick(chunk_at(pool, word_chunk(cursor)));
    case SEEK:
        return word_tick(cursor);
    case EMPTY:
        return (uint64_t)AW_CALENDAR_TICK_MAX + 1;
    }
    AW_UNREACHABLE();
}

/* Links entries for which there is room, and publishes them; the cursor has still to meet them. The first one's chunk. */
static uint32_t
tick_push(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, const uint64_t *entries, size_t count)
{
    uint32_t chain = tick_find(pool, calendar, tick);
    uint32_t at;

    AW_ASSERT(tick <= AW_CALENDAR_TICK_MAX);
    calendar->_pushed += count;
    if (chain != 0)
        return chain_append(pool, chain, entries, count);
    at = chain_make(pool, tick, entries, count);
    tick_insert(pool, calendar, tick, at);
    return at;
}

/* Rule 5, before a push that may lower the cursor to `tick`. */
static void
clean_above(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick)
{
    /* Acquire: pairs with the exchanges of the poppers, for the heads. */
    if (cursor_floor(pool, atomic_load_explicit(&calendar->_cursor, memory_order_acquire)) > tick)
        (void)aw_calendar_clean(pool, calendar, SIZE_MAX); /* how much does not matter */
}

enum aw_err
aw_calendar_push(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, const uint64_t *entries,
                 size_t count)
{
    AW_ON(pool);
    if (aw_slab_pages_free(&pool->slab) < pages_needed(count))
        return AW_E_TABLE_FULL;
    if (count == 0)
        return AW_OK;
    clean_above(pool, calendar, tick);
    (void)cursor_meet(pool, calendar, tick, tick_push(pool, calendar, tick, entries, count)); /* gone already is fine */
    return AW_OK;
}

/* --- pushing in groups: writer -------------------------------------------------------------------------------------------- */

/* One step down for an item whose way has come to `child`, at `level`; the next child, or 0 at the end. Only fetches: what is
 * pushed in between may change the way, so nothing is kept but the leaf. */
static uint32_t
way_step(struct aw_calendar_pool *pool, const struct aw_calendar_item *item, uint32_t child, unsigned level)
{
    struct node      *node = node_at(pool, child);
    unsigned          bit = digit(item->tick, level);
    uint64_t          live = atomic_load_explicit(&node->live, memory_order_relaxed); /* here and below: the writer's own */
    _Atomic uint32_t *place;

    if (level == 0)
        finger_keep(pool, item->calendar, item->tick, child);
    if ((live & bit_of(bit)) == 0)
        return 0;
    place = node_place(node, bit);
    child = atomic_load_explicit(place, memory_order_relaxed);
    __builtin_prefetch(chunk_at(pool, chain_of(child)), 1);
    return child;
}

/* One step along a chain, on the way to its last chunk. */
static uint32_t
chain_step(struct aw_calendar_pool *pool, uint32_t chain)
{
    struct chunk *chunk = chunk_at(pool, chain_of(chain));
    uint32_t      next = chunk_is_lone(chunk) ? chunk_next(chunk, memory_order_relaxed) : as_many(chunk)->last;

    if (next == 0 || next == chain_of(chain))
        return 0;
    __builtin_prefetch(chunk_at(pool, next), 1);
    return next | CHAIN;
}

/* Fetches what pushes of these items will look at, all ways side by side: one way alone is a chain of cache misses. */
static void
group_fetch(struct aw_calendar_pool *pool, const struct aw_calendar_item *items, size_t count)
{
    uint32_t at[GROUP_MAX];
    unsigned level[GROUP_MAX];
    unsigned left = 0; /* a set bit: this way goes on */

    for (size_t i = 0; i < count; i++) {
        uint32_t leaf = finger_find(pool, items[i].calendar, items[i].tick);

        level[i] = leaf != 0 ? 0 : LEVELS - 1;
        at[i] = leaf != 0 ? leaf : atomic_load_explicit(&items[i].calendar->_root, memory_order_relaxed); /* the writer's own */
        left |= at[i] != 0 ? 1U << i : 0;
        __builtin_prefetch(chunk_at(pool, chain_of(at[i])), 1);
    }
    for (unsigned steps = LEVELS + 2; steps > 0 && left != 0; steps--)
        for (unsigned rest = left; rest != 0; rest &= rest - 1) {
            unsigned i = (unsigned)__builtin_ctz(rest);

            at[i] = is_chain(at[i]) ? chain_step(pool, at[i]) : way_step(pool, &items[i], at[i], level[i]--);
            if (at[i] == 0)
                left &= ~(1U << i);
        }
}

/* Rule 1, second half, for all items of a group that go into the calendar of the first of `left`; all are published. The first of
 * the lowest tick stands for the others, so that the cursor, which the poppers' cores keep, is fetched once a group. Returns
 * those of other calendars. */
static unsigned
group_meet(struct aw_calendar_pool *pool, const struct aw_calendar_item *items, const uint32_t *at, unsigned left)
{
    struct aw_calendar *calendar = items[__builtin_ctz(left)].calendar;
    unsigned            lowest = (unsigned)__builtin_ctz(left);
    unsigned            others = 0;

    for (unsigned rest = left; rest != 0; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctz(rest);

        if (items[i].calendar != calendar)
            others |= 1U << i;
        else if (items[i].tick < items[lowest].tick && !WITHOUT(RULE_7_LOWEST))
            lowest = i;
    }
    if (cursor_meet(pool, calendar, items[lowest].tick, at[lowest]) || WITHOUT(RULE_7_LOWEST))
        return others;
    for (unsigned rest = left & ~others; rest != 0; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctz(rest);

        (void)cursor_meet(pool, calendar, items[i].tick, at[i]); /* gone already is fine */
    }
    return others;
}

static void
group_push(struct aw_calendar_pool *pool, const struct aw_calendar_item *items, size_t count)
{
    uint32_t at[GROUP_MAX];
    unsigned left = (1U << count) - 1;

    group_fetch(pool, items, count);
    /* All before the first is published: from there until the cursor met it, an entry may lie where cleaning finds all gone. */
    for (size_t i = 0; i < count; i++)
        if (i == 0 || items[i].calendar != items[i - 1].calendar || items[i].tick < items[i - 1].tick)
            clean_above(pool, items[i].calendar, items[i].tick);
    for (size_t i = 0; i < count; i++) {
        if (WITHOUT(RULE_7))
            clean_above(pool, items[i].calendar, items[i].tick);
        at[i] = tick_push(pool, items[i].calendar, items[i].tick, &items[i].entry, 1);
    }
    while (left != 0)
        left = group_meet(pool, items, at, left);
}

enum aw_err
aw_calendar_push_items(struct aw_calendar_pool *pool, const struct aw_calendar_item *items, size_t count)
{
    AW_ON(pool);
    if (aw_calendar_pool_room(pool) < count)
        return AW_E_TABLE_FULL;
    for (size_t i = 0; i < count; i += GROUP_MAX)
        group_push(pool, &items[i], count - i < GROUP_MAX ? count - i : GROUP_MAX);
    return AW_OK;
}

/* --- unlinking: writer ---------------------------------------------------------------------------------------------------- */

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
    block_retire(cleaning->pool, index);
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
        chunk_retire(cleaning, chain_of(child));
        return;
    }
    if (level == 0)
        finger_forget(cleaning->pool, cleaning->calendar, (uint32_t)(first >> DIGIT_BITS));
    block_retire(cleaning->pool, child);
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
