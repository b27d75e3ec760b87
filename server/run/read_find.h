/* read_find.h - a record by its number, for reads that follow a chain: in the journal, or kept behind its end.
 *
 * Keeps the batch of the last one at hand, as neighbours of a chain often lie in one. Who owns: a reader; what is found borrows
 * from the journal's reader until its next batch. Thread: a reader. Fails: AW_E_NOT_FOUND, AW_E_CORRUPT, AW_E_IO, AW_E_MEMORY.
 */
#ifndef AW_RUN_READ_FIND_H
#define AW_RUN_READ_FIND_H

#include "model/record.h"
#include "port/journal.h"

/* A record with the batch that holds it. */
struct aw_found {
    struct aw_slice        batch;
    struct aw_batch_header header; /* count 0: nothing found yet, or a kept record without its batch */
    struct aw_record       record;
    struct aw_sha256       hash; /* of the batch, once it was asked for */
    bool                   has_hash;
    bool                   was_used; /* a record of this batch was found for the item under way */
    bool                   has_offsets;
    uint32_t              *offsets; /* of its records, once a second one was sought; in scratch, for this item */
    uint32_t               offsets_room;
    size_t                 bytes_read; /* of batches, all that were read for it; its reader adds bodies */
};

AW_MUST_USE enum aw_err aw_find_record(struct aw_journal_reader *reader, struct aw_arena *scratch, uint64_t seq,
                                       struct aw_found *found);
/* Computed once a batch: re-posts come in runs. (The next batch holds this hash too, but reading it would take this one's place
 * in the reader's memory.) */
AW_MUST_USE enum aw_err aw_find_hash(struct aw_found *found, struct aw_sha256 *ret_hash);
/* The scratch memory was reset: what lay there is forgotten, the batch is not. */
void aw_found_forget(struct aw_found *found);

#endif
