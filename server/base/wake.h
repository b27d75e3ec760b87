/* wake.h - rouses a sleeping thread, at most once a nap.
 *
 * The sleeper: aw_wake_prepare, look once more at its rings, then sleep in aw_wake_wait (or poll aw_wake_fd). Others: put
 * something into a ring, then aw_wake_up. A wake that comes between prepare and wait is not lost; wakes to one that is awake cost
 * one atomic exchange and no system call (why not a load: wake.c), so wake once a batch, not once an item.
 * Owns: an eventfd. Thread: wait/prepare by the sleeper, aw_wake_up by any. Never blocks but in aw_wake_wait.
 */
#ifndef AW_BASE_WAKE_H
#define AW_BASE_WAKE_H

#include "base/assert.h"
#include "base/err.h"
#include "base/time.h"
#include "base/why.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct aw_wake {
    int _fd;
    /* Sleeper only. */
    bool     _napping; /* between prepare and clear */
    uint64_t _owed;    /* what wakers wrote, or are about to write, and we have not read */
    /* Shared. */
    _Alignas(AW_CACHE_LINE) _Atomic uint32_t _asleep;
};

/* AW_E_IO when the kernel gives no descriptor. */
AW_MUST_USE enum aw_err aw_wake_init(struct aw_wake *wake, struct aw_why *why);
void                    aw_wake_fini(struct aw_wake *wake);
/* For an event loop: readable after a wake. */
int aw_wake_fd(const struct aw_wake *wake);
/* From here on a wake writes the descriptor. The caller then looks at its rings once more and sleeps only if they are empty. */
void aw_wake_prepare(struct aw_wake *wake);
/* Sleeps until a wake or `timeout` (AW_NS_NEVER: no end), then drains the descriptor. */
void aw_wake_wait(struct aw_wake *wake, aw_ns timeout);
/* For an event loop: at the end of every sleep, whatever ended it, or when the caller decided not to sleep. */
void aw_wake_clear(struct aw_wake *wake);
void aw_wake_up(struct aw_wake *wake);

#endif
