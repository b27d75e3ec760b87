/* qsbr.h - when may memory that other threads might still read be used again? After each of them has passed a quiet point.
 *
 * Quiescent-state-based reclamation (Hart, McKenney, Brown, Walpole 2007), one retiring thread. A reader announces a quiet point
 * once a loop turn and goes offline around its sleep; the owner takes an epoch when it retires something and reuses it once
 * aw_qsbr_passed says so. Reading costs nothing. A reader stopped while online delays reuse, not work: memory grows meanwhile
 * (see aw_qsbr_lag).
 * Thread: each reader slot belongs to one thread; retire/passed to the owner.
 */
#ifndef AW_BASE_QSBR_H
#define AW_BASE_QSBR_H

#include "base/assert.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define AW_QSBR_READERS_MAX 64

struct aw_qsbr_reader {
    _Alignas(AW_CACHE_LINE) _Atomic uint64_t _seen; /* epoch at the last quiet point; UINT64_MAX when offline */
};
struct aw_qsbr {
    _Alignas(AW_CACHE_LINE) _Atomic uint64_t _epoch;
    struct aw_qsbr_reader _readers[AW_QSBR_READERS_MAX];
    uint32_t              _count;
    _Alignas(AW_CACHE_LINE) uint64_t _floor; /* owner: every reader has passed the epochs up to here */
};

void aw_qsbr_init(struct aw_qsbr *qsbr);
/* A reader slot, offline at first. NULL when there is none left. Before the threads start. */
AW_MUST_USE struct aw_qsbr_reader *aw_qsbr_join(struct aw_qsbr *qsbr);
/* The reader holds no pointer into shared memory at this moment (and is online from here on). */
void aw_qsbr_quiet(struct aw_qsbr *qsbr, struct aw_qsbr_reader *reader);
/* The reader will hold none until its next aw_qsbr_quiet: before it sleeps. */
void aw_qsbr_offline(struct aw_qsbr_reader *reader);
/* An epoch for what the owner unlinked just before. Thread: owner. */
uint64_t aw_qsbr_retire(struct aw_qsbr *qsbr);
/* Whether every reader has been quiet since `epoch` was taken. Thread: owner. */
AW_MUST_USE bool aw_qsbr_passed(struct aw_qsbr *qsbr, uint64_t epoch);
/* How many retire epochs the slowest online reader is behind. Thread: owner. */
uint64_t aw_qsbr_lag(struct aw_qsbr *qsbr);

#endif
