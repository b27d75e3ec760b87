/* random.h - what tests with random operations share: a seed, a range, how often. Thread: one a struct. */
#ifndef AW_TESTS_SUPPORT_RANDOM_H
#define AW_TESTS_SUPPORT_RANDOM_H

#include "support/sanitizer.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

struct random {
    uint64_t state; /* never 0 */
};

static inline struct random
random_of(uint64_t seed)
{
    return (struct random){(seed + 1) * UINT64_C(0x9e3779b97f4a7c15)};
}

static inline uint64_t
random_next(struct random *random)
{
    return test_random(&random->state);
}

/* Below `end`, which is at least 1. */
static inline uint32_t
random_below(struct random *random, uint32_t end)
{
    return (uint32_t)((random_next(random) >> 32) * end >> 32);
}

/* From AW_TEST_SEED, else `seed`; printed, so that a failure can be had again. */
static inline uint64_t
random_seed(uint64_t seed)
{
    const char *text = getenv("AW_TEST_SEED");

    if (text != NULL)
        seed = strtoull(text, NULL, 0);
    printf("seed %llu\n", (unsigned long long)seed);
    return seed;
}

/* How often to repeat: `count`, less under sanitizers, which are slow; AW_TEST_TIMES per cent of that for a long run. */
static inline uint32_t
random_times(uint32_t count)
{
    const char *text = getenv("AW_TEST_TIMES");
    uint64_t    percent = text == NULL ? 100 : strtoull(text, NULL, 10);

#if defined(WITH_TSAN)
    percent = percent / 8 + 1;
#elif defined(WITH_ASAN)
    percent = percent / 4 + 1;
#endif
    return (uint32_t)(count * percent / 100);
}

#endif
