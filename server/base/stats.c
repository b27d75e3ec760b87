#include "base/stats.h"

#include "base/mem.h"

#include <stdlib.h>

#define EXACT_BITS    6 /* values below 2^6 have a bucket each */
#define EXACT_BUCKETS (1U << EXACT_BITS)
#define STEP_BITS     5 /* 2^5 buckets a doubling */
#define STEPS         (1U << STEP_BITS)

struct aw_stats {
    char    *blocks; /* owns: blocks_max blocks of block_bytes */
    size_t   block_bytes;
    uint32_t counters;
    uint32_t blocks_max;
    uint32_t joined;
};

static struct aw_stats_block *
block_at(const struct aw_stats *stats, uint32_t i)
{
    return (struct aw_stats_block *)(void *)(stats->blocks + i * stats->block_bytes);
}

struct aw_stats *
aw_stats_new(uint32_t counters, uint32_t blocks_max)
{
    struct aw_stats *stats = aw_new(struct aw_stats);
    size_t           bytes = sizeof(struct aw_stats_block) + counters * sizeof(uint64_t);

    AW_ASSERT(counters > 0);
    AW_ASSERT(blocks_max > 0);
    if (stats == NULL)
        return NULL;
    *stats = (struct aw_stats){.counters = counters, .blocks_max = blocks_max};
    /* One line more than needed: processors fetch lines in pairs, and the neighbour's must not come along. */
    stats->block_bytes = (bytes + AW_CACHE_LINE - 1) / AW_CACHE_LINE * AW_CACHE_LINE + AW_CACHE_LINE;
    stats->blocks = aw_mem_zeroed(blocks_max, stats->block_bytes, AW_CACHE_LINE);
    if (stats->blocks == NULL) {
        free(stats);
        return NULL;
    }
    for (uint32_t i = 0; i < blocks_max; i++)
        block_at(stats, i)->_count = counters;
    return stats;
}

void
aw_stats_free(struct aw_stats **stats)
{
    if (*stats == NULL)
        return;
    free((*stats)->blocks);
    free(*stats);
    *stats = NULL;
}

struct aw_stats_block *
aw_stats_join(struct aw_stats *stats)
{
    if (stats->joined == stats->blocks_max)
        return NULL;
    return block_at(stats, stats->joined++);
}

/* The sums read all blocks, also those not given out, which are zero: `joined` is then nobody's business while threads run. */
uint64_t
aw_stats_sum(const struct aw_stats *stats, uint32_t counter)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < stats->blocks_max; i++)
        sum += aw_stats_get(block_at(stats, i), counter);
    return sum;
}

uint64_t
aw_stats_max(const struct aw_stats *stats, uint32_t counter)
{
    uint64_t max = 0;

    for (uint32_t i = 0; i < stats->blocks_max; i++) {
        uint64_t value = aw_stats_get(block_at(stats, i), counter);

        if (value > max)
            max = value;
    }
    return max;
}

/* The bucket of `value`: its own below 64, else by the position of its highest bit and the five bits behind that. */
static uint32_t
bucket_of(uint64_t value)
{
    uint32_t top;

    if (value < EXACT_BUCKETS)
        return (uint32_t)value;
    if (value >> AW_HISTOGRAM_VALUE_BITS != 0)
        return AW_HISTOGRAM_BUCKETS - 1;
    top = 63 - (uint32_t)__builtin_clzll(value);
    return EXACT_BUCKETS + (top - EXACT_BITS) * STEPS + ((uint32_t)(value >> (top - STEP_BITS)) & (STEPS - 1));
}

/* The largest value that falls into the bucket. */
static uint64_t
bucket_end(uint32_t bucket)
{
    uint32_t top;
    uint32_t step;

    if (bucket < EXACT_BUCKETS)
        return bucket;
    if (bucket == AW_HISTOGRAM_BUCKETS - 1)
        return UINT64_MAX;
    top = EXACT_BITS + (bucket - EXACT_BUCKETS) / STEPS;
    step = (bucket - EXACT_BUCKETS) % STEPS;
    return ((uint64_t)(STEPS + step + 1) << (top - STEP_BITS)) - 1;
}

void
aw_histogram_init(struct aw_histogram *histogram)
{
    for (uint32_t i = 0; i < AW_HISTOGRAM_BUCKETS; i++)
        atomic_init(&histogram->_buckets[i], 0);
    atomic_init(&histogram->_sum, 0);
    atomic_init(&histogram->_max, 0);
}

/* Relaxed, as in aw_stats_add: one writer, and nobody orders anything by these words. */
static uint64_t
peek(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void
poke(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

void
aw_histogram_record(struct aw_histogram *histogram, uint64_t value)
{
    _Atomic uint64_t *bucket = &histogram->_buckets[bucket_of(value)];

    poke(bucket, peek(bucket) + 1);
    poke(&histogram->_sum, peek(&histogram->_sum) + value);
    if (value > peek(&histogram->_max))
        poke(&histogram->_max, value);
}

void
aw_histogram_collect(const struct aw_histogram *histogram, struct aw_histogram_view *view)
{
    uint64_t max = peek(&histogram->_max);

    /* The count is that of the buckets read here, so that quantiles are always of a whole. */
    for (uint32_t i = 0; i < AW_HISTOGRAM_BUCKETS; i++) {
        uint64_t count = peek(&histogram->_buckets[i]);

        view->buckets[i] += count;
        view->count += count;
    }
    view->sum += peek(&histogram->_sum);
    if (max > view->max)
        view->max = max;
}

void
aw_histogram_merge(struct aw_histogram_view *view, const struct aw_histogram_view *from)
{
    for (uint32_t i = 0; i < AW_HISTOGRAM_BUCKETS; i++)
        view->buckets[i] += from->buckets[i];
    view->count += from->count;
    view->sum += from->sum;
    if (from->max > view->max)
        view->max = from->max;
}

uint64_t
aw_histogram_quantile(const struct aw_histogram_view *view, uint32_t per_million)
{
    const uint64_t million = 1000000;
    uint64_t       rank;
    uint64_t       seen = 0;

    AW_ASSERT(per_million <= million);
    if (view->count == 0)
        return 0;
    /* ceil(count * per_million / million), split so that it cannot overflow; the first value has rank 1. */
    rank = view->count / million * per_million + (view->count % million * per_million + million - 1) / million;
    if (rank == 0)
        rank = 1;
    for (uint32_t i = 0; i < AW_HISTOGRAM_BUCKETS; i++) {
        seen += view->buckets[i];
        if (seen >= rank)
            return bucket_of(view->max) == i ? view->max : bucket_end(i);
    }
    AW_UNREACHABLE();
}

uint64_t
aw_histogram_count_up_to(const struct aw_histogram_view *view, uint64_t value)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < AW_HISTOGRAM_BUCKETS && bucket_end(i) <= value; i++)
        count += view->buckets[i];
    return count;
}
