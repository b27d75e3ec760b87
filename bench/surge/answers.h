/* answers.h - what the server's answers say, as far as the audit needs it.
 *
 * Texts borrow from the answer, until its callback returns. Thread: one. False: the answer is not what it should be.
 */
#ifndef AW_BENCH_SURGE_ANSWERS_H
#define AW_BENCH_SURGE_ANSWERS_H

#include "bench/surge/walk.h"
#include "client/client.h"

#include <stdbool.h>
#include <stdint.h>

/* A receipt, a line of an answer to several, or a problem: whichever fields were there. */
struct surge_line_answer {
    uint64_t        line;   /* 0: not told */
    uint64_t        status; /* 0: not told */
    struct aw_slice message;
    struct aw_slice ticket;
    struct aw_slice problem;  /* "store-full"; empty: none */
    struct aw_slice messages; /* the raw list of new messages beside a problem */
    uint64_t        retry_after_s;
    bool            duplicate;
    bool            differs;
    bool            folded;
    bool            reopened;
};

struct surge_lease_answer {
    struct aw_slice lease;
    struct aw_slice ticket;
    struct aw_slice class_;
    struct aw_slice messages; /* the raw list */
    struct aw_slice state;    /* of a ticket */
    uint64_t        expires_in_s;
    uint64_t        messages_total;
    uint64_t        waited_s;
};

struct surge_message_answer {
    struct aw_slice message;
    uint64_t        source; /* key for the ledger */
};

bool surge_answer_is_msgpack(const struct aw_exchange_result *result);
/* The next map at the cursor. */
AW_MUST_USE bool surge_answer_line(struct surge_walk *walk, struct surge_line_answer *ret_answer);
/* A lease or a ticket. */
AW_MUST_USE bool surge_answer_lease(struct surge_walk *walk, struct surge_lease_answer *ret_answer);
/* Enters {leases: [...]}; then surge_answer_lease for each surge_walk_item. */
AW_MUST_USE bool surge_answer_leases(struct surge_walk *walk);
/* A message inside a list of messages. */
AW_MUST_USE bool surge_answer_message(struct surge_walk *walk, struct surge_message_answer *ret_answer);
/* The name of a problem whatever the answer is: its type, or "status-418". Writes into `name` when needed. */
struct aw_slice surge_answer_problem(const struct aw_exchange_result *result, char name[32]);
/* Retry-After in seconds; 0 when there is none. */
uint64_t surge_answer_retry_after_s(const struct aw_exchange_result *result);

#endif
