/* kept.h - a record that outlives its batch: what lies in the journal's `kept`, and how it is read again.
 *
 * kept record   u32 magic, u32 CRC-32C of all behind it, u64 batch index, u64 record time, u8 shard, 7 zero, 32 batch hash, then
 *               the record as it lay in its batch (model/record.h)
 * So a receipt can name its commit, and a message its time, when their batch is gone. The entry's owner is the ticket's slot: the
 * ticket in that slot, if it was opened at or before the record, is the one that the record belongs to. An ERASE of no ticket has
 * owner 0.
 *
 * To change this: raise AW_STORE_FORMAT. Thread: any. Owns nothing. Fails by AW_E_CORRUPT.
 */
#ifndef AW_COMMIT_KEPT_H
#define AW_COMMIT_KEPT_H

#include "model/limits.h"
#include "model/record.h"
#include "port/journal.h"

#define AW_KEPT_HEAD_BYTES       64U
#define AW_KEPT_RECORD_BYTES_MAX (AW_KEPT_HEAD_BYTES + AW_RECORD_BYTES_MAX)

/* What a reader needs of a record's batch, and the record. */
struct aw_kept_record {
    uint64_t         index;
    aw_ms            now; /* at most AW_RECORD_MS_MAX */
    uint8_t          shard;
    struct aw_sha256 hash;
    struct aw_record record; /* borrows from where it was read or will be written from */
};

/* Writes it to `to`, which has AW_KEPT_RECORD_BYTES_MAX. Returns its bytes. */
size_t aw_kept_write(const struct aw_kept_record *kept, uint8_t *to);
/* Checks both CRCs, the entry's and the record's. */
AW_MUST_USE enum aw_err aw_kept_read(struct aw_slice bytes, struct aw_kept_record *ret_kept, struct aw_why *why);

#endif
