/* calendar_pool.c - the arena of calendars, and what was unlinked until its readers are gone. */
#include "base/mem.h"
#include "base/reserve.h"
#include "commit/calendar_parts.h"

#include <stdlib.h>

#define BYTES_MIN  (UINT64_C(1) << 20)
#define BYTES_MAX  (UINT64_C(16) << 30) /* indices of 31 bits */
#define GIVE_AHEAD 8U

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

void
aw_calendar_block_retire(struct aw_calendar_pool *pool, uint32_t index)
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
