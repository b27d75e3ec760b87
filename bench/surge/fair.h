/* fair.h - what one gateway feels of another's flood: a single poster alone, beside a flood on the same server, beside the same
 * flood on another server of this machine, and beside it on a server that limits each gateway's rate, in turn.
 *
 * The flood is a process of its own, so that its work is not taken for the server's; but it has the machine's processors, as the
 * other server has. So two ratios are told: to the poster alone, and to the poster beside a flood that only shares the machine. The
 * poster posts the next message when the last one was answered or, with a rate, at random moments, as customers write: who posts
 * again at once always finds the flood's next flush begun. The flood looks at the status of what it gets and no further, wherever
 * it goes, and does not wait when it is refused.
 *
 * Thread: the calling one; makes event loops and child processes of its own, and leaves none.
 */
#ifndef AW_BENCH_SURGE_FAIR_H
#define AW_BENCH_SURGE_FAIR_H

#include "base/json_out.h"
#include "base/why.h"
#include "bench/surge/options.h"

#include <stdio.h>

#define SURGE_FAIR_ROUNDS_MAX 99U

/* Of one round, with floods of one size. */
struct surge_fair_spell {
    double   p50_ms;
    double   p99_ms;
    uint64_t posts;
    double   flood_per_second; /* messages in bodies that were answered 2xx, whatever is said of each */
    double   refused_per_second;
};
enum surge_fair_kind {
    SURGE_FAIR_ALONE,
    SURGE_FAIR_BESIDE,
    SURGE_FAIR_ELSEWHERE,
    SURGE_FAIR_LIMITED,
    SURGE_FAIR_FLOOD,
    SURGE_FAIR_KINDS
};

struct surge_fair_size {
    uint32_t                batch; /* messages a request of the flood */
    uint32_t                connections, streams;
    struct surge_fair_spell spells[SURGE_FAIR_KINDS][SURGE_FAIR_ROUNDS_MAX];
};

struct surge_fair {
    uint32_t               rounds;
    bool                   has_elsewhere;
    bool                   has_limited;
    struct surge_fair_size sizes[SURGE_LIST_MAX];
    uint32_t               size_count;
};

/* AW_E_MEMORY, AW_E_IO, AW_E_NOT_FOUND, AW_E_CONFIG, and what was measured by then is nothing. */
AW_MUST_USE enum aw_err surge_fair_run(const struct surge_options *options, const char *run, struct surge_fair *ret_fair,
                                       struct aw_why *why);
void                    surge_fair_text(const struct surge_fair *fair, FILE *to);
/* False: it could not be written. */
AW_MUST_USE bool surge_fair_json(const struct surge_fair *fair, FILE *to);

#endif
