/* timers.h - which slot is due next: a heap of (time, slot), smallest first, ties by the smaller slot.
 *
 * Each slot has at most one time. The heap has four children a node (a quarter of a cache line each), so a million timers are ten
 * steps deep. Derived from the rows: neither in a checkpoint nor in the digest.
 *
 * Who owns: its arrays, until fini. Thread: that of its owner. Fails: only init.
 */
#ifndef AW_CORE_TIMERS_H
#define AW_CORE_TIMERS_H

#include "base/assert.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aw_timer {
    aw_ms    at;
    uint32_t slot;
    bool     is_late; /* aw_timers_mark_late */
    uint8_t  _reserved[3];
};

struct aw_timers {
    struct aw_timer *_heap;      /* owns; from 0 */
    uint32_t        *_positions; /* owns: by slot, place in the heap + 1; 0: no time set */
    uint32_t         _count;
    uint32_t         _late_count;
    uint32_t         _slots_max;
};

/* Slots are below `slots_max`. False when the address space can't be had. */
AW_MUST_USE bool aw_timers_init(struct aw_timers *timers, uint32_t slots_max);
void             aw_timers_fini(struct aw_timers *timers);
/* Sets or moves the time of a slot; 0: none. */
void aw_timers_set(struct aw_timers *timers, uint32_t slot, aw_ms at);
/* Marks a slot that has a time as late for what it was to do, until its time is set again, also to the same. */
void aw_timers_mark_late(struct aw_timers *timers, uint32_t slot);
/* How many are marked. */
uint32_t aw_timers_late_count(const struct aw_timers *timers);
/* When it is due; 0: it has no time. */
aw_ms aw_timers_at(const struct aw_timers *timers, uint32_t slot);
/* The earliest; false when none is set. */
AW_MUST_USE bool aw_timers_first(const struct aw_timers *timers, struct aw_timer *ret_timer);
size_t           aw_timers_bytes(const struct aw_timers *timers);

#endif
