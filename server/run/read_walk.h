/* read_walk.h - all records from a number on, in order: those that were kept of trimmed batches, then the journal's.
 *
 * Goes on over many snapshots: within each it begins anew at the number that it came to, wherever that lies by then. So nothing is
 * missed when the journal is trimmed meanwhile. Who owns: the caller; a record borrows from the reader until the next one. Thread:
 * the reader's. Fails: AW_E_AGAIN at the end; AW_E_CORRUPT, what comes next can't be read, and the walk goes on behind it: behind
 * its batch, or the record that was kept; AW_E_IO, AW_E_MEMORY, and it stays.
 */
#ifndef AW_RUN_READ_WALK_H
#define AW_RUN_READ_WALK_H

#include "model/record.h"
#include "port/journal.h"

struct aw_walk {
    uint64_t at;    /* the next record to come to */
    uint64_t until; /* the last one */
    /* Of the snapshot. */
    struct aw_journal_reader *_reader;
    uint64_t                  _first; /* below lies what was kept */
    struct aw_slice           _rest;  /* of the batch under way */
    aw_ms                     _now;
};

/* In a snapshot that the reader has just begun. */
AW_MUST_USE enum aw_err aw_walk_begin(struct aw_walk *walk, struct aw_journal_reader *reader);
/* Whether what it came to last was kept of a trimmed batch. */
static inline bool
aw_walk_is_kept(const struct aw_walk *walk, uint64_t seq)
{
    return seq < walk->_first;
}
AW_MUST_USE enum aw_err aw_walk_next(struct aw_walk *walk, struct aw_record *ret_record, aw_ms *ret_now);

#endif
