/* run.h - one run from the first connection to the end of the audit, and what came of it.
 *
 * Thread: the calling one; makes an event loop of its own and returns when all is done. An interrupt (SIGINT) ends the
 * posting, a second one the run.
 */
#ifndef AW_BENCH_SURGE_RUN_H
#define AW_BENCH_SURGE_RUN_H

#include "base/stats.h"
#include "base/why.h"
#include "bench/surge/ledger.h"
#include "bench/surge/options.h"
#include "bench/surge/tally.h"
#include "model/class.h"

struct surge_park;
struct surge_work;

struct surge_result {
    bool   broken; /* it broke off; `why` says why. What follows is what was known by then */
    char   why[300];
    bool   stalled;   /* draining stopped because nothing moved any more */
    bool   has_desk;  /* agents worked */
    bool   has_audit; /* a ledger was kept */
    double post_s;    /* from the first to the last answer of the gateways */
    double total_s;   /* with the agents; without the looking up */
    double verify_s;
    /* Gateways, in messages. */
    uint64_t                 posted, requests, accepted, duplicates, recovered, differing, folded, opened, reopened, repeats;
    struct surge_tally       refused, failed;
    struct aw_histogram_view latency;
    uint64_t                 connection_losses, connection_goodbyes;
    /* Agents. */
    uint64_t                 pulls, empty_pulls, leases, shown, completed, repeated, overtaken, lost, unknown;
    struct surge_tally       desk_refused, desk_failed;
    struct aw_histogram_view pull_wait, complete, waited[AW_CLASS_COUNT];
    /* The audit. */
    uint64_t acknowledged, answered, earlier, open_messages, looked_up, waiting, closed, unverified;
    uint64_t breaches[SURGE_BREACH_COUNT];
    char     examples[SURGE_BREACH_COUNT][160];
    bool     audit_passed;
    /* A desk at work; owned by whoever has the result. */
    struct surge_work *work; /* NULL: it was another kind of run */
    struct surge_park *park; /* owned so too: of pulls that wait */
};

/* `url` and `target` instead of those of the options; with SURGE_ANY neither agents nor audit. `run` begins the made-up ids.
 * AW_OK also when the run broke off; AW_E_CONFIG, AW_E_IO, AW_E_MEMORY, AW_E_NOT_FOUND when it could not begin. */
AW_MUST_USE enum aw_err surge_run(const struct surge_options *options, const struct aw_url *url, enum surge_target target,
                                  const char *run, struct surge_result *ret_result, struct aw_why *why);

#endif
