/* calendar_group.c - pushes in groups: their ways are walked side by side, the cursor meets all at once (rule 7 in calendar.c). */
#include "commit/calendar_parts.h"

#define GROUP_MAX 16U /* pushes whose ways are walked side by side */

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

/* One step along a chain, to its last chunk, and there to the place of the next entry. */
static uint32_t
chain_step(struct aw_calendar_pool *pool, uint32_t chain)
{
    struct chunk *chunk = chunk_at(pool, chain_of(chain));
    uint32_t      next = chunk_is_lone(chunk) ? chunk_next(chunk, memory_order_relaxed) : as_many(chunk)->last;

    if (next == chain_of(chain)) {
        uint8_t tail = atomic_load_explicit(&as_many(chunk)->tail, memory_order_relaxed); /* the writer's own */

        __builtin_prefetch(&as_many(chunk)->entries[tail], 1);
        return 0;
    }
    if (next == 0)
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
    for (unsigned steps = LEVELS + 1 + LONES_MAX + 2; steps > 0 && left != 0; steps--)
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
    if (aw_calendar_meet(pool, calendar, items[lowest].tick, at[lowest]) || WITHOUT(RULE_7_LOWEST))
        return others;
    for (unsigned rest = left & ~others; rest != 0; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctz(rest);

        (void)aw_calendar_meet(pool, calendar, items[i].tick, at[i]); /* gone already is fine */
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
            aw_calendar_clean_above(pool, items[i].calendar, items[i].tick);
    for (size_t i = 0; i < count; i++) {
        if (WITHOUT(RULE_7))
            aw_calendar_clean_above(pool, items[i].calendar, items[i].tick);
        at[i] = aw_calendar_tick_push(pool, items[i].calendar, items[i].tick, &items[i].entry, 1);
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
