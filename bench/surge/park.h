/* park.h - very many pulls wait, next to nothing comes: what they cost, and how fast the one that is meant wakes.
 *
 * All pulls are sent and wait; for a time nothing happens; then single tickets come on schedule, and whoever gets one keeps it and
 * pulls again, so that as many wait as before; in the end the server may be told to stop. Each post must end exactly one
 * pull, no pull may end otherwise before its time, and while nothing comes the server must not work.
 *
 * Thread: the calling one; makes an event loop of its own and returns when all is done.
 */
#ifndef AW_BENCH_SURGE_PARK_H
#define AW_BENCH_SURGE_PARK_H

#include "bench/surge/process.h"
#include "bench/surge/run.h"

/* What must not be. */
enum surge_park_breach {
    SURGE_PARK_EARLY,   /* a pull that ended with nothing, long before its time */
    SURGE_PARK_SPINS,   /* the server wrote or answered pulls while nothing came and none ended */
    SURGE_PARK_TWICE,   /* a post that woke two */
    SURGE_PARK_UNASKED, /* a lease of something that was not posted here, or a second one in an answer */
    SURGE_PARK_UNWOKEN, /* a post that is stored and woke nobody */
    SURGE_PARK_DRAIN,   /* a pull that ended otherwise than with 204 when the server was told to stop */
    SURGE_PARK_BREACHES
};
const char *surge_park_breach_name(enum surge_park_breach breach);

struct surge_park {
    uint32_t pulls;
    uint32_t connections; /* that they wait on */
    double   parking_s;   /* from the first to be sent until the server counts all of them */
    bool     has_process; /* the server is local: --pid */
    /* Before and with the connections; with the pulls; at the end of the idle time; after the posts. */
    struct surge_process before, connected, parked, idle, posted;
    double               idle_s, posting_s;
    uint64_t             idle_commits; /* by the server's count */
    uint64_t             renewed;      /* pulls whose time was over, sent again */
    uint64_t             posts, acknowledged, woken, woken_in_vain;
    bool                 drained;
    double               drain_s; /* from the signal until the last pull ended */
    uint64_t             drain_ended;
    struct surge_tally   drain_other; /* of these, what ended otherwise than with 204 */
    uint64_t             breaches[SURGE_PARK_BREACHES];
    struct aw_histogram  wake;    /* from the time that the post was due until the lease was read */
    struct aw_histogram  receipt; /* the same until its receipt was */
};

/* With AW_OK, also when the run broke off, the result's `park` is set, and the caller's to free. */
AW_MUST_USE enum aw_err surge_park_run(const struct surge_options *options, const char *run, struct surge_result *ret_result,
                                       struct aw_why *why);

#endif
