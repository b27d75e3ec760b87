/* ledger.h - the book of one run: what the server acknowledged, and what became of it. The audit reads it.
 *
 * Each message has one entry, made by its receipt or by a lease that shows it, whichever is seen first (they come on different
 * connections). What must not be is counted as a breach at the moment it is seen, with an example in words.
 *
 * A message may be shown by a second lease rightly: its ticket was answered, the customer wrote again, and the ticket
 * reopened. A lease is wrong when nothing in it is new: then somebody answers twice. So "in exactly one completed lease" is
 * checked as: each lease holds a message that no completion before it had, no two valid leases of one ticket, and at the end
 * every message answered.
 *
 * 40 bytes a message and two indexes of 8 bytes each at their fullest. The caller owns it. Thread: one. Fails only for want of
 * memory (`failed`); after that the book is not to be believed.
 */
#ifndef AW_BENCH_SURGE_LEDGER_H
#define AW_BENCH_SURGE_LEDGER_H

#include "base/assert.h"
#include "base/slice.h"
#include "base/time.h"
#include "model/ids.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum surge_breach {
    SURGE_BREACH_BAD_ID,         /* an id that is none */
    SURGE_BREACH_REUSED_ID,      /* one message id for two different messages */
    SURGE_BREACH_STORED_TWICE,   /* two message ids for one (channel, account, source_id) */
    SURGE_BREACH_TWO_FIRSTS,     /* two receipts that are no duplicates for one message */
    SURGE_BREACH_OTHER_RECEIPT,  /* a duplicate whose ticket is not that of the first receipt */
    SURGE_BREACH_TWO_HOLDERS,    /* a ticket leased while a lease of it was valid */
    SURGE_BREACH_ANSWERED_AGAIN, /* a ticket leased with nothing new since its completion */
    SURGE_BREACH_EMPTY_LEASE,    /* a lease without a message */
    SURGE_BREACH_LOST,           /* acknowledged, not completed by us, and not waiting either */
    SURGE_BREACH_COUNT
};
/* "stored-twice", ... */
const char *surge_breach_name(enum surge_breach breach);

enum surge_mark {
    SURGE_ACKNOWLEDGED = 1,  /* a receipt came */
    SURGE_OURS = 64,         /* stored in this run: by its first receipt, or a duplicate after we had posted it again */
    SURGE_FIRST_RECEIPT = 2, /* one that was no duplicate */
    SURGE_COMPLETING = 4,    /* in a lease whose completion was sent */
    SURGE_ANSWERED = 8,      /* in a lease whose completion was confirmed */
    SURGE_MAYBE = 16,        /* in one whose completion's outcome nobody told */
    SURGE_CHECKED = 32,      /* found waiting at the end */
};

struct surge_entry {
    uint64_t message;  /* shard and sequence */
    uint64_t ticket;   /* sequence; 0: not known yet */
    uint64_t source;   /* surge_source_key; 0: not kept */
    aw_ns    acked_at; /* when the first receipt was read; 0: none yet */
    uint32_t slot;     /* of the ticket */
    uint32_t marks;
};

struct surge_ledger {
    struct surge_entry *entries; /* owns; in order of first sight */
    uint32_t            count;
    uint32_t            room;
    uint32_t           *by_message; /* owns; entry number + 1; 0: free */
    uint32_t           *by_source;
    uint32_t            index_mask;
    bool                keeps_sources;
    bool                failed;
    /* Sums over the entries. */
    uint64_t acknowledged; /* stored in this run */
    uint64_t answered;     /* of these */
    uint64_t earlier; /* entries that were only ever called duplicates: of an earlier run, so they may be answered long ago */
    uint64_t breaches[SURGE_BREACH_COUNT];
    char     examples[SURGE_BREACH_COUNT][160]; /* the first of each */
};

/* For about `expected` messages; grows. `keeps_sources`: false saves an index where every source id is posted once by design. */
AW_MUST_USE bool surge_ledger_init(struct surge_ledger *ledger, uint64_t expected, bool keeps_sources);
void             surge_ledger_fini(struct surge_ledger *ledger);

/* One number for (channel, account, source_id), never 0. Two different ones agree with probability 2^-64. */
uint64_t surge_source_key(struct aw_slice channel, struct aw_slice account, struct aw_slice source_id);

enum surge_receipt {
    SURGE_RECEIPT_FIRST,
    SURGE_RECEIPT_DUPLICATE,
    SURGE_RECEIPT_RECOVERED /* a duplicate of what we posted before without learning the outcome */
};

/* A receipt came. False: its ids are none (counted as a breach). `source` 0: not known. */
bool surge_ledger_acknowledge(struct surge_ledger *ledger, struct aw_slice message, struct aw_slice ticket, uint64_t source,
                              enum surge_receipt receipt, aw_ns at);
/* A lease shows this message: its entry number, made when there is none. UINT32_MAX: the id is none (counted). */
uint32_t surge_ledger_show(struct surge_ledger *ledger, struct aw_slice message, struct aw_slice ticket, uint64_t source);
/* The completion of a lease that holds this entry was sent, confirmed, refused (it is open again), or nobody knows. */
void surge_ledger_completing(struct surge_ledger *ledger, uint32_t entry);
void surge_ledger_answered(struct surge_ledger *ledger, uint32_t number);
void surge_ledger_refused(struct surge_ledger *ledger, uint32_t entry);
void surge_ledger_maybe(struct surge_ledger *ledger, uint32_t entry);
/* A lease showed only the last messages of its ticket: those before `entry` were answered with it. Walks the whole book. */
void surge_ledger_answer_older(struct surge_ledger *ledger, uint32_t number);
/* Whether a completion that was sent or confirmed already covers it. */
bool surge_ledger_is_covered(const struct surge_ledger *ledger, uint32_t entry);
/* Stored in this run, and no completion is confirmed. */
uint64_t surge_ledger_open(const struct surge_ledger *ledger);

void     surge_ledger_breach(struct surge_ledger *ledger, enum surge_breach breach, const char *format, ...) AW_PRINTF(3, 4);
uint64_t surge_ledger_breaches(const struct surge_ledger *ledger);

/* The texts of an entry's ids. */
void surge_entry_message(const struct surge_entry *entry, char text[AW_ID_TEXT_BYTES]);
void surge_entry_ticket(const struct surge_entry *entry, char text[AW_ID_TEXT_BYTES]);

#endif
