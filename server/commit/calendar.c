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
 *
 * Pops are ordered by the modification order of the cursor; a push takes effect at its exchange of the cursor, or, where it
 * needs none, when its entries became visible, since a later search must find them (rules 1 and 4).
 */
#include "commit/calendar.h"

#include "base/home.h"
#include "base/mem.h"
#include "commit/slab.h"

#include <stdlib.h>

/* One test compiles this file again with smaller chunks, with delays where threads meet, and with one rule at a time left out,
 * to show that it would notice (tests/unit/calendar_history_test.c). */
#ifndef AW_CALENDAR_TEST
#define CHUNK_CAPS    1, 2, 4, 8, 16, 32, 64, 128, 254
#define CHUNK_CLASSES 9
#define POINT()       ((void)0)
#define WITHOUT(rule) false
#endif
/* The one store that shows new entries to searches (rules 1 and 4). */
#define PUBLISH(place, value)                                                                                                    \
    (WITHOUT(RULE_4) ? atomic_store_explicit(place, value, memory_order_release)                                                 \
                     : atomic_store_explicit(place, value, memory_order_seq_cst))

#define LEVELS                5
#define DIGIT_BITS            6
#define DIGIT_MASK            63U
#define NODE_CLASSES          9
#define BYTES_MIN             (UINT64_C(1) << 20)
#define BYTES_MAX             (UINT64_C(16) << 30) /* indices of 31 bits */
#define FINGERS               512                  /* a power of two */
#define LARGE_CHUNKS_PER_PAGE 8                    /* of 2 KiB each, without their headers: */
#define CHUNK_BYTES_PER_PAGE  (LARGE_CHUNKS_PER_PAGE * 254 * sizeof(uint64_t))

/* Capacities by size class: chunks first. A chunk's position fits 8 bits; the largest chunk is 2 KiB. A node with its children
 * packed grows by copying; from 32 children on it has all 64 places, so that it need not grow again. */
static const uint8_t chunk_caps[CHUNK_CLASSES] = {CHUNK_CAPS};
static const uint8_t node_caps[NODE_CLASSES] = {1, 3, 5, 7, 11, 15, 23, 31, 64};

struct chunk {
    uint32_t         tick;
    _Atomic uint32_t next; /* chunk; 0: the last of its tick so far */
    uint32_t         link; /* writer: the last chunk of this tick, in the first one; the limbo's list when unlinked */
    _Atomic uint8_t  head; /* entries before it are gone; behind the truth while the cursor is in this chunk */
    _Atomic uint8_t  tail; /* entries before it are published */
    uint8_t          cap;
    uint8_t          counted; /* writer: of the entries gone, how many are in _gone */
    _Atomic uint64_t entries[];
};
/* `slots` says which children have a place, packed in order of their bit; it only grows, and only at its high end, so that the
 * place of a child never changes under a reader. `live` says which of them lead to a chain. */
struct node {
    _Atomic uint64_t live;
    _Atomic uint64_t slots;
    uint32_t         link; /* writer: the limbo's list */
    _Atomic uint32_t children[];
};

/* Where a calendar has the leaf of a window of 64 ticks: pushes come in runs, so that most need no walk from the root. */
struct finger {
    const struct aw_calendar *calendar; /* NULL: free */
    uint32_t                  window;   /* tick / 64 */
    uint32_t                  leaf;
};

/* What was unlinked: `fresh` since the last epoch was taken, `aging` until that epoch has passed, `ripe` to be given back.
 * Lists through the blocks' links. */
struct aw_calendar_pool {
    struct aw_slab  slab; /* owns; its start is for all, the rest and what follows for the writer */
    struct aw_home  home;
    struct aw_qsbr *qsbr; /* borrows; outlives the pool */
    uint32_t        fresh;
    uint32_t        aging;
    uint32_t        ripe;
    uint64_t        epoch; /* of aging */
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

/* Where the child with this bit has its place. */
static inline _Atomic uint32_t *
node_place(struct node *node, unsigned bit)
{
    /* Relaxed: whoever saw the bit in `live` also sees it here (node_add), and later bits are higher ones. */
    uint64_t slots = atomic_load_explicit(&node->slots, memory_order_relaxed);
    uint64_t below = slots & (bit_of(bit) - 1);

    /* The first child and a full node are the common cases; counting bits is a call on machines that may lack the instruction. */
    if (below == 0)
        return &node->children[0];
    if (slots == UINT64_MAX)
        return &node->children[bit];
    return &node->children[__builtin_popcountll(below)];
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
    return atomic_compare_exchange_strong_explicit(&calendar->_cursor, &from, to, memory_order_seq_cst, memory_order_relaxed);
}

/* --- popping: any thread -------------------------------------------------------------------------------------------------- */

/* Rule 2. The new value is passed on by the exchange of the cursor that follows; hence relaxed. At most 254 rounds, as each that
 * fails found a higher value. */
static void
chunk_leave(struct chunk *chunk, uint8_t pos)
{
    uint8_t head = atomic_load_explicit(&chunk->head, memory_order_relaxed);

    POINT();
    if (WITHOUT(RULE_2)) {
        atomic_store_explicit(&chunk->head, pos, memory_order_relaxed);
        return;
    }
    while (head < pos &&
           !atomic_compare_exchange_weak_explicit(&chunk->head, &head, pos, memory_order_relaxed, memory_order_relaxed))
        continue;
}

/* The first entry of a chain that is not gone. False: none. The heads are true while the cursor is elsewhere or in SEEK. */
static bool
chain_find(const struct aw_calendar_pool *pool, uint32_t index, uint64_t *ret_ready)
{
    while (index != 0) {
        struct chunk *chunk = chunk_at(pool, index);
        uint8_t       head = atomic_load_explicit(&chunk->head, memory_order_relaxed); /* passed on by the cursor */
        uint8_t tail = atomic_load_explicit(&chunk->tail, memory_order_seq_cst); /* rule 4: pairs with the stores in append */

        if (head < tail) {
            *ret_ready = word_ready(index, head);
            return true;
        }
        if (tail < chunk->cap)
            return false;
        index = atomic_load_explicit(&chunk->next, memory_order_seq_cst); /* rule 4: pairs with the store in append */
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
    /* Acquire: pairs with the store in append; not a search, so the order against the cursor does not matter. */
    uint32_t next = word_pos(ready) == chunk->cap ? atomic_load_explicit(&chunk->next, memory_order_acquire) : 0;

    chunk_leave(chunk, word_pos(ready));
    if (next != 0)
        (void)cursor_swap(calendar, ready, word_ready(next, 0)); /* entries of a tick leave in order: all of next are there */
    else
        (void)cursor_swap(calendar, ready, word_seek(fresh_version(calendar), chunk->tick + (WITHOUT(RULE_3) ? 1 : 0)));
}

bool
aw_calendar_peek(const struct aw_calendar_pool *pool, struct aw_calendar *calendar, struct aw_calendar_head *ret_head)
{
    for (;;) {
        /* Seq_cst, so that a peek that begins after a push returned sees what that push left. */
        uint64_t cursor = atomic_load_explicit(&calendar->_cursor, memory_order_seq_cst);

        POINT();
        switch (word_state(cursor)) {
        case EMPTY:
            return false;
        case READY: {
            struct chunk *chunk = chunk_at(pool, word_chunk(cursor));
            uint8_t       pos = word_pos(cursor);

            /* Acquire: pairs with the store in append, for the entry. */
            if (pos < atomic_load_explicit(&chunk->tail, memory_order_acquire)) {
                /* Relaxed: written once, before tail. */
                uint64_t entry = atomic_load_explicit(&chunk->entries[pos], memory_order_relaxed);

                *ret_head = (struct aw_calendar_head){.entry = entry, .tick = chunk->tick, ._cursor = cursor};
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

/* A class is a size and a kind, so that the limbo knows where a block keeps its link. */
static uint32_t
class_bytes(uint32_t class_)
{
    size_t bytes = class_ < CHUNK_CLASSES
                       ? offsetof(struct chunk, entries) + sizeof(uint64_t) * chunk_caps[class_]
                       : offsetof(struct node, children) + sizeof(uint32_t) * node_caps[class_ - CHUNK_CLASSES];

    return (uint32_t)((bytes + AW_SLAB_UNIT - 1) / AW_SLAB_UNIT * AW_SLAB_UNIT);
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
    if (err != AW_OK) {
        free(pool);
        return err;
    }
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
    aw_slab_fini(&(*pool)->slab);
    free(*pool);
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
size_t
aw_calendar_pool_room(const struct aw_calendar_pool *pool)
{
    size_t pages = aw_slab_pages_free(&pool->slab);
    size_t spare = CHUNK_CLASSES + NODE_CLASSES + pages_needed(0);

    return pages <= spare ? 0 : (pages - spare) * LARGE_CHUNKS_PER_PAGE;
}

size_t
aw_calendar_pool_bytes(const struct aw_calendar_pool *pool)
{
    return aw_slab_bytes_used(&pool->slab);
}

static uint32_t *
block_link(struct aw_calendar_pool *pool, uint32_t index)
{
    return aw_slab_class_of(&pool->slab, index) < CHUNK_CLASSES ? &chunk_at(pool, index)->link : &node_at(pool, index)->link;
}

/* No new reader can find the block any more. */
static void
block_retire(struct aw_calendar_pool *pool, uint32_t index)
{
    if (WITHOUT(RULE_5)) {
        aw_slab_give(&pool->slab, index);
        return;
    }
    *block_link(pool, index) = pool->fresh;
    pool->fresh = index;
}

size_t
aw_calendar_pool_reclaim(struct aw_calendar_pool *pool, size_t max)
{
    size_t work = 0;

    AW_ON(pool);
    if (pool->ripe == 0 && pool->aging != 0 && aw_qsbr_passed(pool->qsbr, pool->epoch)) {
        pool->ripe = pool->aging;
        pool->aging = 0;
    }
    if (pool->aging == 0 && pool->fresh != 0) {
        pool->aging = pool->fresh;
        pool->fresh = 0;
        pool->epoch = aw_qsbr_retire(pool->qsbr);
    }
    for (; pool->ripe != 0 && work < max; work++) {
        uint32_t index = pool->ripe;

        pool->ripe = *block_link(pool, index);
        aw_slab_give(&pool->slab, index);
    }
    return work;
}

/* --- pushing: writer ------------------------------------------------------------------------------------------------------ */

/* The chunk that follows one of `cap` (0: the first of its tick) when `count` entries wait for a place: it doubles, or is as
 * large as those entries can fill. */
static uint32_t
chunk_class(uint8_t cap, size_t count)
{
    uint32_t class_ = 0;

    while (class_ + 1 < CHUNK_CLASSES && (chunk_caps[class_] <= cap || chunk_caps[class_ + 1] <= count))
        class_++;
    return class_;
}

/* A chunk with the first of the entries, known to nobody yet. *count is lowered by what fitted. */
static uint32_t
chunk_make(struct aw_calendar_pool *pool, uint32_t tick, uint8_t cap, const uint64_t *entries, size_t *count)
{
    uint32_t      class_ = chunk_class(cap, *count);
    uint32_t      index = aw_slab_take(&pool->slab, class_);
    struct chunk *chunk = chunk_at(pool, index);
    uint8_t       fit = *count < chunk_caps[class_] ? (uint8_t)*count : chunk_caps[class_];

    chunk->tick = tick;
    chunk->link = index;
    chunk->cap = chunk_caps[class_];
    chunk->counted = 0;
    /* Relaxed: published as a whole by the store that links the chunk. */
    atomic_store_explicit(&chunk->next, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->head, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->tail, fit, memory_order_relaxed);
    for (uint8_t i = 0; i < fit; i++)
        atomic_store_explicit(&chunk->entries[i], entries[i], memory_order_relaxed);
    *count -= fit;
    return index;
}

/* Puts entries behind the last chunk of a chain that readers know. Returns the chunk that holds the first of them. */
static uint32_t
chain_append(struct aw_calendar_pool *pool, struct chunk *first, const uint64_t *entries, size_t count)
{
    uint32_t at = 0;

    while (count > 0) {
        struct chunk *last = chunk_at(pool, first->link);
        uint8_t       tail = atomic_load_explicit(&last->tail, memory_order_relaxed); /* the writer's own */

        if (tail < last->cap) {
            size_t fit = count < (size_t)(last->cap - tail) ? count : (size_t)(last->cap - tail);

            at = at == 0 ? first->link : at;
            for (size_t i = 0; i < fit; i++) /* relaxed: published by tail */
                atomic_store_explicit(&last->entries[tail + i], entries[i], memory_order_relaxed);
            POINT();
            /* Pairs with the loads of tail in chain_find and peek. */
            PUBLISH(&last->tail, (uint8_t)(tail + fit));
            entries += fit;
            count -= fit;
        } else {
            size_t   left = count;
            uint32_t next = chunk_make(pool, last->tick, last->cap, entries, &left);

            at = at == 0 ? next : at;
            first->link = next;
            POINT();
            /* Pairs with the loads of next in chain_find and cursor_advance. */
            PUBLISH(&last->next, next);
            entries += count - left;
            count = left;
        }
    }
    return at;
}

/* A chain that nobody knows yet. Its first chunk. */
static uint32_t
chain_make(struct aw_calendar_pool *pool, uint32_t tick, const uint64_t *entries, size_t count)
{
    size_t   left = count;
    uint32_t first = chunk_make(pool, tick, 0, entries, &left);

    if (left > 0)
        (void)chain_append(pool, chunk_at(pool, first), entries + (count - left), left); /* the first chunk holds the first */
    return first;
}

static uint32_t
node_make(struct aw_calendar_pool *pool, int children)
{
    uint32_t     class_ = 0;
    uint32_t     index;
    struct node *node;

    while (node_caps[class_] < children)
        class_++;
    index = aw_slab_take(&pool->slab, CHUNK_CLASSES + class_);
    node = node_at(pool, index);
    /* Relaxed: published by the store that links the node. */
    atomic_store_explicit(&node->live, 0, memory_order_relaxed);
    /* With room for all, places need no packing and children need no copy again. */
    atomic_store_explicit(&node->slots, node_caps[class_] == 64 ? UINT64_MAX : 0, memory_order_relaxed);
    node->link = 0;
    return index;
}

/* Gives `child` the place of `bit` in a node that has one, or has room behind the highest. False: the node must grow. */
static bool
node_add(struct aw_calendar_pool *pool, uint32_t index, unsigned bit, uint32_t child)
{
    struct node *node = node_at(pool, index);
    /* Relaxed: only the writer changes them. */
    uint64_t live = atomic_load_explicit(&node->live, memory_order_relaxed);
    uint64_t slots = atomic_load_explicit(&node->slots, memory_order_relaxed);

    AW_ASSERT((live & bit_of(bit)) == 0);
    if ((slots & bit_of(bit)) == 0) {
        if (slots >= bit_of(bit) ||
            __builtin_popcountll(slots) == node_caps[aw_slab_class_of(&pool->slab, index) - CHUNK_CLASSES])
            return false;
        slots |= bit_of(bit);
        atomic_store_explicit(&node->slots, slots, memory_order_relaxed); /* published by live */
    }
    /* Release: a search that still has the bit from an earlier life of this place may follow it before it is set again. */
    atomic_store_explicit(node_place(node, bit), child, memory_order_release);
    POINT();
    /* Pairs with the load of live in node_find. */
    PUBLISH(&node->live, live | bit_of(bit));
    return true;
}

/* A copy with room for one child more, and with that child, put where the node was. */
static uint32_t
node_grow(struct aw_calendar_pool *pool, _Atomic uint32_t *place, unsigned bit, uint32_t child)
{
    uint32_t     old_index = atomic_load_explicit(place, memory_order_relaxed); /* the writer's own */
    struct node *old = node_at(pool, old_index);
    uint64_t     live = atomic_load_explicit(&old->live, memory_order_relaxed) | bit_of(bit); /* the writer's own */
    uint32_t     index = node_make(pool, __builtin_popcountll(live));
    struct node *node = node_at(pool, index);

    /* Relaxed: published by the store to `place`. */
    if (atomic_load_explicit(&node->slots, memory_order_relaxed) == 0)
        atomic_store_explicit(&node->slots, live, memory_order_relaxed);
    for (uint64_t rest = live; rest != 0; rest &= rest - 1) {
        unsigned at = (unsigned)__builtin_ctzll(rest);
        uint32_t value = at == bit ? child : atomic_load_explicit(node_place(old, at), memory_order_relaxed);

        atomic_store_explicit(node_place(node, at), value, memory_order_relaxed);
    }
    atomic_store_explicit(&node->live, live, memory_order_relaxed);
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
    return index != 0 && chunk_at(pool, chain_of(index))->tick == tick ? chain_of(index) : 0;
}

/* A path of nodes, from `level` down to where the two ticks part, that leads to both chains; nobody knows it yet. *ret_leaf:
 * the node that holds both, if it is a leaf, else 0. */
static uint32_t
chains_part(struct aw_calendar_pool *pool, unsigned level, uint32_t early, uint32_t late, uint32_t *ret_leaf)
{
    uint32_t tick = chunk_at(pool, chain_of(early))->tick;
    uint32_t other = chunk_at(pool, chain_of(late))->tick;
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
    AW_ASSERT(fits); /* places were made for them, and taken from low to high */
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
        bool     is_early = tick < chunk_at(pool, chain_of(index))->tick;
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

/* Writer: what of `chunk` has left is counted now, as the cursor leaves it at `pos`. */
static void
chunk_count(struct aw_calendar *calendar, struct chunk *chunk, uint8_t pos)
{
    if (pos > chunk->counted) {
        calendar->_gone += (uint64_t)(pos - chunk->counted);
        chunk->counted = pos;
    }
}

/* Rule 1, second half: makes the cursor account for entries of `tick` from chunk `index` on, which are published. */
static void
cursor_meet(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, uint32_t index)
{
    for (;;) {
        uint64_t cursor = atomic_load_explicit(&calendar->_cursor, memory_order_seq_cst);
        uint64_t next = EMPTY;

        POINT();
        switch (word_state(cursor)) {
        case READY: {
            struct chunk *chunk = chunk_at(pool, word_chunk(cursor));

            if (chunk->tick <= tick || WITHOUT(RULE_1_READY))
                return;
            /* A search may have found the entries, and poppers may have taken them and gone on already. */
            if (!chain_find(pool, index, &next))
                return;
            chunk_leave(chunk, word_pos(cursor));
            chunk_count(calendar, chunk, word_pos(cursor));
            break;
        }
        case EMPTY:
            if (!chain_find(pool, index, &next))
                return;
            break;
        case SEEK:
            if (WITHOUT(RULE_1_SEEK) && tick >= word_tick(cursor))
                return;
            next = word_seek(fresh_version(calendar), tick < word_tick(cursor) ? tick : word_tick(cursor));
            break;
        }
        if (cursor_swap(calendar, cursor, next))
            return;
    }
}

/* The first tick that may still hold entries: all below are gone. */
static uint64_t
cursor_floor(const struct aw_calendar_pool *pool, uint64_t cursor)
{
    switch (word_state(cursor)) {
    case READY:
        return chunk_at(pool, word_chunk(cursor))->tick;
    case SEEK:
        return word_tick(cursor);
    case EMPTY:
        return (uint64_t)AW_CALENDAR_TICK_MAX + 1;
    }
    AW_UNREACHABLE();
}

enum aw_err
aw_calendar_push(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, const uint64_t *entries,
                 size_t count)
{
    uint32_t chain;
    uint32_t at;

    AW_ON(pool);
    AW_ASSERT(tick <= AW_CALENDAR_TICK_MAX);
    if (count == 0)
        return AW_OK;
    if (aw_slab_pages_free(&pool->slab) < pages_needed(count))
        return AW_E_TABLE_FULL;
    /* Rule 5. Acquire: pairs with the exchanges of the poppers, for the heads. */
    if (cursor_floor(pool, atomic_load_explicit(&calendar->_cursor, memory_order_acquire)) > tick)
        (void)aw_calendar_clean(pool, calendar, SIZE_MAX); /* how much does not matter */
    chain = tick_find(pool, calendar, tick);
    if (chain != 0) {
        at = chain_append(pool, chunk_at(pool, chain), entries, count);
    } else {
        at = chain_make(pool, tick, entries, count);
        tick_insert(pool, calendar, tick, at);
    }
    calendar->_pushed += count;
    cursor_meet(pool, calendar, tick, at);
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

/* Unlinks chunks from the front of the chain at `place` up to `stop` (0: all of them). True when none is left but the last. */
static bool
chain_clean(struct cleaning *cleaning, _Atomic uint32_t *place, uint32_t stop)
{
    struct aw_calendar_pool *pool = cleaning->pool;
    uint32_t                 index = chain_of(atomic_load_explicit(place, memory_order_relaxed)); /* the writer's own */

    while (index != stop && cleaning->left > 0) {
        struct chunk *chunk = chunk_at(pool, index);
        uint32_t      next = atomic_load_explicit(&chunk->next, memory_order_relaxed); /* the writer's own */

        AW_AUDIT(atomic_load_explicit(&chunk->head, memory_order_relaxed) ==
                 atomic_load_explicit(&chunk->tail, memory_order_relaxed));
        if (next == 0) { /* the caller clears what leads here first: readers must not find 0 in a live place */
            AW_ASSERT(stop == 0);
            return true;
        }
        chunk_at(pool, next)->link = chunk->link;
        /* Release: pairs with the loads of a child in node_find and of the root in cursor_resolve. */
        atomic_store_explicit(place, next | CHAIN, memory_order_release);
        chunk_count(cleaning->calendar, chunk, atomic_load_explicit(&chunk->tail, memory_order_relaxed));
        block_retire(pool, index);
        cleaning->left--;
        index = next;
    }
    return false;
}

/* Retires what a place led to that no search can reach any more; `first` is its first tick. */
static void
child_retire(struct cleaning *cleaning, uint32_t child, unsigned level, uint64_t first)
{
    struct aw_calendar_pool *pool = cleaning->pool;

    if (is_chain(child)) {
        struct chunk *chunk = chunk_at(pool, chain_of(child));

        /* Relaxed: the writer's own. */
        chunk_count(cleaning->calendar, chunk, atomic_load_explicit(&chunk->tail, memory_order_relaxed));
        cleaning->left--;
    } else if (level == 0) {
        finger_forget(pool, cleaning->calendar, (uint32_t)(first >> DIGIT_BITS));
    }
    block_retire(pool, chain_of(child));
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
        uint64_t tick = chunk_at(cleaning->pool, chain_of(index))->tick;

        if (tick < cleaning->floor)
            return chain_clean(cleaning, place, 0);
        if (tick == cleaning->floor && cleaning->stop != 0)
            (void)chain_clean(cleaning, place, cleaning->stop); /* false: the chunk under the cursor stays */
        return false;
    }
    node = node_at(cleaning->pool, index);
    live = atomic_load_explicit(&node->live, memory_order_relaxed); /* the writer's own */
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

uint64_t
aw_calendar_waiting(const struct aw_calendar_pool *pool, const struct aw_calendar *calendar)
{
    /* Acquire: a chunk that a popper moved to may be looked at. */
    uint64_t cursor = atomic_load_explicit(&calendar->_cursor, memory_order_acquire);
    uint64_t waiting = calendar->_pushed - calendar->_gone;

    if (word_state(cursor) == READY) {
        struct chunk *chunk = chunk_at(pool, word_chunk(cursor));

        if (word_pos(cursor) > chunk->counted)
            waiting -= (uint64_t)(word_pos(cursor) - chunk->counted);
    }
    return waiting;
}

bool
aw_calendar_is_empty(const struct aw_calendar *calendar)
{
    return word_state(atomic_load_explicit(&calendar->_cursor, memory_order_acquire)) == EMPTY; /* pairs with the exchanges */
}
