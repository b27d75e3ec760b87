/* batch.h - one batch while it is being filled: records in its buffer, bodies borrowed, hashes for the duplicate table.
 *
 * Owns: its buffers, reserved once for batch_bytes_max. Borrows: bodies, until aw_batch_reset (after the submit).
 * Thread: the committer. Fails: only in new, for lack of memory; the caller asks aw_batch_fits before it adds.
 */
#ifndef AW_COMMIT_BATCH_H
#define AW_COMMIT_BATCH_H

#include "model/record.h"
#include "port/journal.h"

/* Most records in one batch: also what a crash test or an audit has to look through. */
#define AW_BATCH_RECORDS_MAX 4096U

struct aw_batch {
    uint8_t                *_bytes;
    size_t                  _bytes_max; /* records and bodies together close it; both trees then stay within one etcd value */
    size_t                  _used;
    size_t                  _body_bytes;
    uint8_t                *_ids;
    uint32_t                _id_count;
    struct aw_journal_body *_bodies;
    uint32_t                _body_count;
    uint32_t                _count;
    uint64_t                _first_seq;
};

AW_MUST_USE bool aw_batch_init(struct aw_batch *batch, size_t bytes_max);
void             aw_batch_fini(struct aw_batch *batch);
void             aw_batch_reset(struct aw_batch *batch);
/* Whether a record and body of at most these sizes still fit. An empty batch takes any legal one. */
bool aw_batch_fits(const struct aw_batch *batch, size_t record_bytes_max, size_t body_bytes);
/* The same for `count` records, without bodies, of so many bytes together. */
bool aw_batch_fits_many(const struct aw_batch *batch, uint32_t count, size_t record_bytes_max);
/* Adds the record of a command that changed something at `now`. Copies the record, borrows the body. */
void aw_batch_add(struct aw_batch *batch, const struct aw_command *command, aw_ms now);
/* Writes the header (count, first_seq and bytes are filled in here) and gives the batch as the journal takes it; borrows from
 * the batch. It must not be empty. False when hashing failed. */
AW_MUST_USE bool aw_batch_close(struct aw_batch *batch, struct aw_batch_header *header, struct aw_sha256 *ret_hash,
                                struct aw_journal_batch *ret_batch);
uint32_t         aw_batch_count(const struct aw_batch *batch);

#endif
