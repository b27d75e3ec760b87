/* searches.h - supervisors who search without a pause: each asks again when the answer came.
 *
 * The caller owns it. Thread: that of the loop. Callbacks come from the loop.
 */
#ifndef AW_BENCH_SURGE_SEARCHES_H
#define AW_BENCH_SURGE_SEARCHES_H

#include "base/stats.h"
#include "bench/surge/fleet.h"

struct surge_searcher;

struct surge_searches {
    const struct surge_fleet *fleet; /* borrows */
    const char               *token;
    uint32_t                  count;
    struct aw_histogram      *took;      /* borrows: of the answers, from the sending; NULL: nobody searches now */
    struct surge_searcher    *searchers; /* owns */
    uint64_t                  refused;   /* no answer, or another than a list; then this one searches no more */
};

/* False: no memory. */
AW_MUST_USE bool surge_searches_open(struct surge_searches *searches, const struct surge_fleet *fleet, const char *token,
                                     uint32_t count);
void             surge_searches_start(struct surge_searches *searches, struct aw_histogram *took);
/* What is under way is answered, and counts no more. */
void surge_searches_stop(struct surge_searches *searches);
/* Before the fleet is closed. Accepts a zeroed struct. */
void surge_searches_close(struct surge_searches *searches);

#endif
