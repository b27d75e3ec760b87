/* agenda.h - what is to happen, earliest first; things of one moment in the order in which they were noted.
 *
 * A heap of small entries. The caller owns the agenda. Thread: one at a time. Fails only for want of memory, which is told by
 * sim_agenda_note.
 */
#ifndef AW_BENCH_SURGE_SIM_AGENDA_H
#define AW_BENCH_SURGE_SIM_AGENDA_H

#include "base/assert.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_entry {
    aw_ms    at;
    uint64_t order; /* set by the agenda */
    uint32_t what;
    uint32_t who;
};

struct sim_agenda {
    struct sim_entry *_heap; /* owns */
    size_t            _count;
    size_t            _room;
    uint64_t          _orders;
};

/* False: no memory, and nothing changed. */
AW_MUST_USE bool sim_agenda_note(struct sim_agenda *agenda, aw_ms at, uint32_t what, uint32_t who);
/* NULL when nothing is to come. Borrowed until the next call. */
const struct sim_entry *sim_agenda_first(const struct sim_agenda *agenda);
void                    sim_agenda_drop_first(struct sim_agenda *agenda);
void                    sim_agenda_fini(struct sim_agenda *agenda);

#endif
