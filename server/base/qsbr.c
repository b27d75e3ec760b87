#include "base/qsbr.h"

#include <stddef.h>

#define OFFLINE UINT64_MAX

/* Two things must hold before the owner reuses what it unlinked.
 * - A reader that was online has let go: it stored _seen >= epoch with release after its last look, and the owner acquires that.
 *   Its later looks find the unlinking, because it had acquired _epoch, which the owner released after unlinking.
 * - A reader that looked offline does not come back with an old view. It comes online by an exchange on _seen; the owner, having
 *   read OFFLINE, confirms by a compare-exchange that writes OFFLINE again. Of these two one comes first: the owner's, and then the
 *   reader acquires from it and finds the unlinking; or the reader's, and then the owner's fails and shows an epoch. */

void
aw_qsbr_init(struct aw_qsbr *qsbr)
{
    atomic_init(&qsbr->_epoch, 0);
    qsbr->_count = 0;
    qsbr->_floor = 0;
    for (uint32_t i = 0; i < AW_QSBR_READERS_MAX; i++)
        atomic_init(&qsbr->_readers[i]._seen, OFFLINE);
}

struct aw_qsbr_reader *
aw_qsbr_join(struct aw_qsbr *qsbr)
{
    if (qsbr->_count == AW_QSBR_READERS_MAX)
        return NULL;
    return &qsbr->_readers[qsbr->_count++];
}

void
aw_qsbr_quiet(struct aw_qsbr *qsbr, struct aw_qsbr_reader *reader)
{
    /* Pairs with the release in retire. */
    uint64_t epoch = atomic_load_explicit(&qsbr->_epoch, memory_order_acquire);
    /* Relaxed: only this thread changes the value. */
    uint64_t seen = atomic_load_explicit(&reader->_seen, memory_order_relaxed);

    if (seen == epoch)
        return;
    if (seen == OFFLINE) {
        /* Pairs with the compare-exchange in seen_by. */
        (void)atomic_exchange_explicit(&reader->_seen, epoch, memory_order_acq_rel);
    } else {
        /* Pairs with the acquire load in seen_by. */
        atomic_store_explicit(&reader->_seen, epoch, memory_order_release);
    }
}

void
aw_qsbr_offline(struct aw_qsbr_reader *reader)
{
    /* Pairs with the acquires in seen_by. */
    atomic_store_explicit(&reader->_seen, OFFLINE, memory_order_release);
}

uint64_t
aw_qsbr_retire(struct aw_qsbr *qsbr)
{
    /* Relaxed: only the owner changes it. */
    uint64_t epoch = atomic_load_explicit(&qsbr->_epoch, memory_order_relaxed) + 1;

    /* Pairs with the acquire in quiet. */
    atomic_store_explicit(&qsbr->_epoch, epoch, memory_order_release);
    return epoch;
}

/* The reader's last epoch, or OFFLINE when it surely holds nothing that was unlinked before this call. */
static uint64_t
seen_by(struct aw_qsbr_reader *reader)
{
    /* Pairs with the releases in quiet and offline. */
    uint64_t seen = atomic_load_explicit(&reader->_seen, memory_order_acquire);

    if (seen != OFFLINE)
        return seen;
    /* Pairs with the exchange in quiet. On failure `seen` becomes the epoch that the reader came back with. */
    (void)atomic_compare_exchange_strong_explicit(&reader->_seen, &seen, OFFLINE, memory_order_acq_rel, memory_order_acquire);
    return seen;
}

/* The newest epoch that every reader has passed. */
static uint64_t
floor_of(struct aw_qsbr *qsbr)
{
    /* Relaxed: only the owner changes it. */
    uint64_t floor = atomic_load_explicit(&qsbr->_epoch, memory_order_relaxed);

    for (uint32_t i = 0; i < qsbr->_count; i++) {
        uint64_t seen = seen_by(&qsbr->_readers[i]);

        if (seen < floor)
            floor = seen;
    }
    return floor;
}

bool
aw_qsbr_passed(struct aw_qsbr *qsbr, uint64_t epoch)
{
    if (epoch > qsbr->_floor)
        qsbr->_floor = floor_of(qsbr);
    return epoch <= qsbr->_floor;
}

uint64_t
aw_qsbr_lag(struct aw_qsbr *qsbr)
{
    qsbr->_floor = floor_of(qsbr);
    return atomic_load_explicit(&qsbr->_epoch, memory_order_relaxed) - qsbr->_floor; /* relaxed: the owner's own */
}
