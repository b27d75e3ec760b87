/* tally.h - how often each of a few names was seen: refusals by reason, failures by kind.
 *
 * A value. Thread: one. Cannot fail: beyond TALLY_NAMES_MAX different names the rest is counted as "other".
 */
#ifndef AW_BENCH_SURGE_TALLY_H
#define AW_BENCH_SURGE_TALLY_H

#include "base/slice.h"

#include <stdint.h>
#include <stdio.h>

#define SURGE_TALLY_NAMES_MAX  24
#define SURGE_TALLY_NAME_BYTES 48

struct surge_tally {
    uint32_t count;
    struct {
        char     name[SURGE_TALLY_NAME_BYTES]; /* cut when longer */
        uint64_t times;
    } rows[SURGE_TALLY_NAMES_MAX];
};

static inline void
surge_tally_add(struct surge_tally *tally, struct aw_slice name, uint64_t times)
{
    uint32_t at = 0;

    if (name.len >= SURGE_TALLY_NAME_BYTES)
        name.len = SURGE_TALLY_NAME_BYTES - 1;
    while (at < tally->count && !aw_slice_eq(aw_slice_str(tally->rows[at].name), name))
        at++;
    if (at == SURGE_TALLY_NAMES_MAX)
        at--;
    if (at == tally->count) {
        if (at == SURGE_TALLY_NAMES_MAX - 1)
            name = AW_SLICE("other");
        (void)snprintf(tally->rows[at].name, SURGE_TALLY_NAME_BYTES, "%.*s", AW_SLICE_ARGS(name));
        tally->count++;
    }
    tally->rows[at].times += times;
}

static inline uint64_t
surge_tally_sum(const struct surge_tally *tally)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < tally->count; i++)
        sum += tally->rows[i].times;
    return sum;
}

#endif
