/* calendar_parts.h - what the files of the calendar share: chunks, nodes, the words of the cursor, and what leads from one file to
 * the next. For calendar*.c only; the protocol, with its rules by number, stands at the top of calendar.c.
 *
 *   calendar.c         pushes: chains of chunks, and how the cursor meets what was published
 *   calendar_index.c   which chain a tick has: the trie of nodes, as its writer sees it
 *   calendar_group.c   pushes in groups
 *   calendar_take.c    peeks and pops, the only part that other threads run
 *   calendar_clean.c   unlinks what is empty; counts what waits
 *   calendar_pool.c    the arena, and the grace periods of what was unlinked
 *
 * Who owns: chunks and nodes are blocks of the pool's arena, named by indices. Thread: the writer, where a comment does not say
 * any. Nothing here fails: room was asked for before.
 */
#ifndef AW_COMMIT_CALENDAR_PARTS_H
#define AW_COMMIT_CALENDAR_PARTS_H

#include "base/home.h"
#include "commit/calendar.h"
#include "commit/slab.h"

/* --- points of the test --------------------------------------------------------------------------------------------------- */

/* One test compiles the calendar again with smaller chunks, with delays where threads meet, and with one rule at a time left out,
 * to show that it would notice (tests/unit/calendar_history_test.c). */
#ifndef AW_CALENDAR_TEST
#define CHUNK_CAPS    1, 4, 6, 8, 16, 24, 32, 64, 128, 254
#define CHUNK_CLASSES 10
#define SPARSE_BELOW  5 /* entries in two ticks */
#define POINT()       ((void)0)
#define WITHOUT(rule) false
/* The one store that shows new entries to searches (rules 1 and 4). */
#define PUBLISH(place, value) atomic_store_explicit(place, value, memory_order_seq_cst)
#endif

/* --- chunks, nodes, pool -------------------------------------------------------------------------------------------------- */

#define LEVELS                5
#define DIGIT_BITS            6
#define DIGIT_MASK            63U
#define NODE_CLASSES          9
#define FINGERS               512 /* a power of two */
#define LONES_MAX             4   /* lone chunks in front of larger ones, but for what is left of a push of several entries */
#define LARGE_CHUNKS_PER_PAGE 8   /* of 2 KiB each, without their headers: */
#define CHUNK_BYTES_PER_PAGE  (LARGE_CHUNKS_PER_PAGE * 254 * sizeof(uint64_t))

/* Capacities by size class: chunks first. A chunk's position fits 8 bits; the largest chunk is 2 KiB. A node grows by copying;
 * beyond 32 children it has all 64 places, so that it need not grow again. */
static const uint8_t chunk_caps[CHUNK_CLASSES] = {CHUNK_CAPS};
static const uint8_t node_caps[NODE_CLASSES] = {2, 4, 6, 8, 12, 16, 24, 32, 64};

/* A chunk has one entry (struct lone) or several (struct many). In a sparse queue nearly all ticks have one or two entries, so
 * that lone ones are all that can be spared: the tail of one is 1 when it is linked, its head is the bit GONE. */
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

/* --- words and blocks: any thread ----------------------------------------------------------------------------------------- */

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

/* --- small things: writer ------------------------------------------------------------------------------------------------- */

/* Words of digits of a node with room for so many children. */
static inline unsigned
words_for(uint8_t cap)
{
    return cap == 64 || cap <= 8 ? 1 : cap <= 16 ? 2 : 4;
}

/* Pages that a push of `count` entries takes at most: large chunks, one page for each smaller class of chunks, one for a path
 * of new nodes, one for a grown node. */
static inline size_t
pages_needed(size_t count)
{
    return count / (CHUNK_BYTES_PER_PAGE / sizeof(uint64_t)) + CHUNK_CLASSES + 2 + 1;
}

/* The first chunk of a chain, from `index` on, that is not a lone one; NULL: none. Few of these are in a row. */
static inline struct many *
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

/* What of a chunk has left is counted now, as the cursor leaves it at `pos`. */
static inline void
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

/* The first tick that may still hold entries: all below are gone. */
static inline uint64_t
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

static inline struct finger *
finger_of(struct aw_calendar_pool *pool, const struct aw_calendar *calendar, uint32_t window)
{
    uint64_t mixed = ((uintptr_t)calendar / sizeof(*calendar) * 2654435761U + window) * UINT64_C(0x9e3779b97f4a7c15);

    return &pool->fingers[mixed >> 32 & (FINGERS - 1)];
}

/* The leaf of this tick if it is at hand; 0: it may exist all the same. */
static inline uint32_t
finger_find(struct aw_calendar_pool *pool, const struct aw_calendar *calendar, uint32_t tick)
{
    const struct finger *finger = finger_of(pool, calendar, tick >> DIGIT_BITS);

    return finger->calendar == calendar && finger->window == tick >> DIGIT_BITS ? finger->leaf : 0;
}

static inline void
finger_keep(struct aw_calendar_pool *pool, const struct aw_calendar *calendar, uint32_t tick, uint32_t leaf)
{
    *finger_of(pool, calendar, tick >> DIGIT_BITS) =
        (struct finger){.calendar = calendar, .window = tick >> DIGIT_BITS, .leaf = leaf};
}

/* The leaf of this window goes away. */
static inline void
finger_forget(struct aw_calendar_pool *pool, const struct aw_calendar *calendar, uint32_t window)
{
    struct finger *finger = finger_of(pool, calendar, window);

    if (finger->calendar == calendar && finger->window == window)
        *finger = (struct finger){.calendar = NULL};
}

/* --- from file to file ---------------------------------------------------------------------------------------------------- */

/* calendar_take.c */
/* The first entry of a chain that is not gone. False: none. The heads are true while the cursor is elsewhere or in SEEK.
 * Thread: any. */
bool aw_calendar_chain_find(const struct aw_calendar_pool *pool, uint32_t index, uint64_t *ret_ready);
/* Rule 2: who leaves a chunk at `pos` says so before. Thread: any. */
void aw_calendar_chunk_leave(struct chunk *chunk, uint8_t pos);

/* calendar_index.c */
/* The chain of `tick`, or 0. */
AW_MUST_USE uint32_t aw_calendar_tick_find(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick);
/* Links the chain of a tick that has none, by one store. */
void aw_calendar_tick_insert(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, uint32_t chain);

/* calendar_pool.c */
/* No new reader can find the block any more. */
void aw_calendar_block_retire(struct aw_calendar_pool *pool, uint32_t index);

/* calendar.c */
/* Rule 5, before a push that may lower the cursor to `tick`. */
void aw_calendar_clean_above(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick);
/* Links entries for which there is room, and publishes them; the cursor has still to meet them. The first one's chunk. */
AW_MUST_USE uint32_t aw_calendar_tick_push(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick,
                                           const uint64_t *entries, size_t count);
/* Rule 1, second half: makes the cursor account for entries of `tick` from chunk `index` on, which are published. True when the
 * cursor, after that, was seen or set where it accounts for all that was published at this tick or later; false when these
 * entries were found to be gone already. */
bool aw_calendar_meet(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, uint32_t index);

#endif
