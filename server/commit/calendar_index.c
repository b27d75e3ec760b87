/* calendar_index.c - which chain a tick has: a trie of nodes, changed by one store at a time (rules 1 and 4 in calendar.c). */
#include "commit/calendar_parts.h"

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
    aw_calendar_block_retire(pool, old_index);
    return index;
}

uint32_t
aw_calendar_tick_find(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick)
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
void
aw_calendar_tick_insert(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick, uint32_t chain)
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
