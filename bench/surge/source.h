/* source.h - where messages come from: a file, the generator, or a flood of equal ones. One message at a time, in order of the
 * time at which it is to be sent.
 *
 * Who owns: the caller, until `fini`. Thread: one. Writing fails only through the buffer; a message that did not fit may be
 * written again.
 */
#ifndef AW_BENCH_SURGE_SOURCE_H
#define AW_BENCH_SURGE_SOURCE_H

#include "base/arena.h"
#include "base/assert.h"
#include "base/time.h"
#include "base/why.h"
#include "bench/surge/options.h"

#include <stdbool.h>

struct surge_source {
    void *user;
    /* When the next message is to be sent, since the start of the run; 0 with `is_closed_loop`. False: there are no more. */
    bool (*due)(void *user, aw_ns *ret_due);
    /* Writes it, with the end of its line in a sequence; its key for the ledger. */
    void (*write)(void *user, struct aw_buffer *buffer, enum aw_media media, uint64_t *ret_key);
    void (*next)(void *user);
    void (*fini)(void *user);
    uint64_t expected;       /* messages, about */
    aw_ns    ends;           /* closed loop: nothing new after so long; 0: no end but `due`'s */
    bool     is_closed_loop; /* the next is sent when an answer comes; there is no intended time */
    bool     has_unique_ids; /* by design: nobody posts the same twice */
};

/* `run` begins every id that is made up. `wall` is the time at the start of the run. All: AW_E_MEMORY; replay also AW_E_IO and
 * AW_E_CONFIG. */
AW_MUST_USE enum aw_err surge_replay_open(struct surge_source *ret_source, const struct surge_options *options, aw_ms wall,
                                          struct aw_why *why);
AW_MUST_USE enum aw_err surge_synth_open(struct surge_source *ret_source, const struct surge_options *options, const char *run,
                                         aw_ms wall, struct aw_why *why);
AW_MUST_USE enum aw_err surge_flood_open(struct surge_source *ret_source, const struct surge_options *options, const char *run,
                                         struct aw_why *why);

/* For a desk at work: `tickets` messages as fast as answers come; then `rate` a second until somebody ends it. Borrow `options`. */
AW_MUST_USE enum aw_err surge_backlog_open(struct surge_source *ret_source, const struct surge_options *options, const char *run,
                                           struct aw_why *why);
AW_MUST_USE enum aw_err surge_trickle_open(struct surge_source *ret_source, const struct surge_options *options, const char *run,
                                           struct aw_why *why);
/* Where those fly from who are to be grounded. */
#define SURGE_AIRPORT "AMS"

/* When message number `number` is due at `rate` a second. */
static inline aw_ns
surge_due_of(uint64_t number, double rate)
{
    return (aw_ns)((double)number * ((double)AW_NS_PER_S / rate));
}

/* When what happened `ms` after the start is due at this speed. */
static inline aw_ns
surge_due_at(aw_ms ms, double speed)
{
    return (aw_ns)((double)ms * (double)AW_NS_PER_MS / speed);
}

#endif
