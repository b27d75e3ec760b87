/* verify.h - the end of the audit: looks up each ticket that holds acknowledged messages which no completion of ours covered.
 *
 * A ticket must still be waiting, leased or held, and hold these messages. A closed one was closed by nobody here, a missing
 * one is lost: both are breaches. The exception are completions whose outcome nobody told, and what an earlier run stored:
 * these tickets may be closed.
 *
 * Who owns: the caller; the fleet is borrowed and must outlive it. Thread: that of the loop.
 */
#ifndef AW_BENCH_SURGE_VERIFY_H
#define AW_BENCH_SURGE_VERIFY_H

#include "bench/surge/fleet.h"
#include "bench/surge/ledger.h"

struct surge_look;

struct surge_verify_config {
    struct ev_loop      *loop;
    struct surge_fleet  *fleet;  /* borrows */
    struct surge_ledger *ledger; /* borrows */
    const char          *token;
    uint64_t             limit; /* messages to look for, spread evenly over the book */
    bool                 msgpack;
    void (*finished)(void *user);
    void *user;
};

struct surge_verify {
    struct surge_verify_config config;
    uint32_t                  *open; /* owns: entries by ticket and message */
    uint64_t                   count;
    uint64_t                   at;
    struct surge_look         *looks; /* owns */
    uint32_t                   busy;
    bool                       told;
    /* What came of it, in messages. */
    uint64_t open_messages; /* that no completion of ours covered */
    uint64_t waiting;       /* found in a ticket that is open */
    uint64_t closed;        /* found in a closed ticket, rightly: see above */
    uint64_t unverified;    /* the server did not tell */
};

/* False: no memory. Calls `finished` from the loop, also when there is nothing to do. */
AW_MUST_USE bool surge_verify_start(struct surge_verify *verify, const struct surge_verify_config *config);
/* Before the fleet is closed. Accepts a zeroed struct. */
void surge_verify_close(struct surge_verify *verify);

#endif
