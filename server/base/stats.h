/* stats.h - numbers about ourselves that cost the hot path next to nothing: counters and histograms.
 *
 * Each thread writes a block of its own (no shared cache line, no locked instruction); anyone may read, and adds the blocks up.
 * A sum is not a snapshot: each word is exact, two words may be a moment apart.
 * Owns its blocks. Thread: named at each call. Fails only by NULL.
 */
#ifndef AW_BASE_STATS_H
#define AW_BASE_STATS_H

#include "base/assert.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* What the numbers mean is the caller's: 0 to counters - 1. */
struct aw_stats;

/* One thread's counters; followed by as many words as there are counters. */
struct aw_stats_block {
    _Alignas(AW_CACHE_LINE) uint32_t _count;
    _Atomic uint64_t _words[];
};

/* For at most `blocks_max` writing threads. NULL when out of memory. */
AW_MUST_USE struct aw_stats *aw_stats_new(uint32_t counters, uint32_t blocks_max);
/* All writers have stopped. Takes the address, accepts NULL, leaves NULL. */
void aw_stats_free(struct aw_stats **stats);
/* A block for one thread, all zero; borrows from `stats`. NULL when all are given out. Thread: the starting one, before the
 * others. */
AW_MUST_USE struct aw_stats_block *aw_stats_join(struct aw_stats *stats);
/* The sum over all blocks, modulo 2^64: a gauge that one thread raises and another lowers still adds up. Thread: any. */
uint64_t aw_stats_sum(const struct aw_stats *stats, uint32_t counter);
/* The largest over all blocks. Thread: any. */
uint64_t aw_stats_max(const struct aw_stats *stats, uint32_t counter);

/* Thread: the block's. Relaxed, and no locked instruction: nobody else writes this word, and nobody orders anything by it. */
static inline void
aw_stats_add(struct aw_stats_block *block, uint32_t counter, uint64_t amount)
{
    AW_ASSERT(counter < block->_count);
    atomic_store_explicit(&block->_words[counter], atomic_load_explicit(&block->_words[counter], memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static inline void
aw_stats_sub(struct aw_stats_block *block, uint32_t counter, uint64_t amount)
{
    aw_stats_add(block, counter, 0 - amount);
}

static inline void
aw_stats_set(struct aw_stats_block *block, uint32_t counter, uint64_t value)
{
    AW_ASSERT(counter < block->_count);
    atomic_store_explicit(&block->_words[counter], value, memory_order_relaxed);
}

static inline uint64_t
aw_stats_get(const struct aw_stats_block *block, uint32_t counter)
{
    AW_ASSERT(counter < block->_count);
    return atomic_load_explicit(&block->_words[counter], memory_order_relaxed);
}

/* A histogram of durations in nanoseconds (or of anything else), with buckets of equal relative width: values below 64 are exact,
 * above them a doubling has 32 buckets, so that a quantile is at most 1/32 (3.2 %) above the true value and never below it.
 * Values from 2^46 (19 hours in ns) on share the last bucket; the largest value is kept exactly. */
#define AW_HISTOGRAM_VALUE_BITS 46
#define AW_HISTOGRAM_BUCKETS    (64 + (AW_HISTOGRAM_VALUE_BITS - 6) * 32 + 1)

/* 11 kB. All zero is empty. */
struct aw_histogram {
    _Atomic uint64_t _buckets[AW_HISTOGRAM_BUCKETS];
    _Atomic uint64_t _sum;
    _Atomic uint64_t _max;
};

/* What a reader collects: one histogram or the sum of several. All zero is empty. */
struct aw_histogram_view {
    uint64_t buckets[AW_HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t sum; /* modulo 2^64 */
    uint64_t max; /* 0 when empty */
};

void aw_histogram_init(struct aw_histogram *histogram);
/* Thread: the one that owns the histogram. */
void aw_histogram_record(struct aw_histogram *histogram, uint64_t value);
/* Adds what `histogram` holds to `view`. Thread: any. */
void aw_histogram_collect(const struct aw_histogram *histogram, struct aw_histogram_view *view);
/* Adds `from` to `view`. */
void aw_histogram_merge(struct aw_histogram_view *view, const struct aw_histogram_view *from);
/* The least value that `per_million` of a million recorded values do not exceed (500000: the median; 1000000: the largest); 0 when
 * empty. Integers, so that two machines agree. */
uint64_t aw_histogram_quantile(const struct aw_histogram_view *view, uint32_t per_million);
/* How many recorded values are at most `value`, counting a bucket that `value` cuts as not. */
uint64_t aw_histogram_count_up_to(const struct aw_histogram_view *view, uint64_t value);

#endif
