/* stamp.h - points in time that threads on different cores can compare, for recorded histories. Thread: any. */
#ifndef AW_TESTS_SUPPORT_STAMP_H
#define AW_TESTS_SUPPORT_STAMP_H

#include <stdint.h>
#include <time.h>

/* Ordered against what the processor did before and will do after, but without the effect of a locked instruction: that would
 * empty the store buffer and hide a missing fence. */
static inline uint64_t
stamp(void)
{
#if defined(__x86_64__)
    uint64_t at;

    __builtin_ia32_lfence();
    at = __builtin_ia32_rdtsc();
    __builtin_ia32_lfence();
    return at;
#else
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at); /* can't fail for this clock */
    return (uint64_t)at.tv_sec * 1000000000U + (uint64_t)at.tv_nsec;
#endif
}

#endif
