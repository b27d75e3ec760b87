/* record.h - how commands lie in the journal: batches of records, little-endian, packed.
 *
 * batch   header (AW_BATCH_HEADER_BYTES) then `count` records
 *   header: magic "awb1", header version, uuid, shard, index, epoch, sm_version, now, first_seq, count, bytes, state digest
 *   before the batch, previous hash, CRC-32C. The batch's own hash = SHA-256(previous hash, all bytes of the batch); it is not
 *   stored in itself: the next header holds it, and whoever needs the last one computes it.
 * record  u32 bytes (whole record), u32 crc (CRC-32C of all behind it, over the stored bytes), u64 seq, u64 prev_seq, u16 kind,
 *   u16 version, u32 reserved 0, then the fields of the kind's version (record.c lists them)
 *
 * To change a record: add fields behind the last one, raise the kind's version, keep the reader of every older version, add a
 * golden record to tests/golden. A kind or version that this build does not know stops a start (AW_E_VERSION) and nothing is
 * touched. Thread: any. Owns nothing. Fails by AW_E_CORRUPT (a check failed) and AW_E_VERSION.
 */
#ifndef AW_MODEL_RECORD_H
#define AW_MODEL_RECORD_H

#include "base/arena.h"
#include "base/why.h"
#include "model/command.h"

#define AW_SM_VERSION          1U
#define AW_BATCH_HEADER_BYTES  160U
#define AW_RECORD_HEADER_BYTES 32U

struct aw_batch_header {
    uint8_t           uuid[16];
    uint8_t           shard;
    uint32_t          sm_version;
    uint64_t          index;
    uint64_t          epoch;
    aw_ms             now; /* at most AW_RECORD_MS_MAX */
    uint64_t          first_seq;
    uint32_t          count;
    uint32_t          bytes; /* whole batch */
    struct aw_hash128 digest_before;
    struct aw_sha256  previous;
};

struct aw_record {
    enum aw_command_kind kind;
    uint16_t             version;
    uint64_t             seq;
    uint64_t             prev_seq;
    struct aw_slice      fields;
    struct aw_slice      bytes; /* the whole record */
};

/* Writes exactly AW_BATCH_HEADER_BYTES. */
void aw_batch_header_write(const struct aw_batch_header *header, uint8_t *to);
/* Reads and checks the header: magic, CRC, versions (AW_E_VERSION also for a newer state machine), lengths, ranges. The records are
 * not looked at. `batch` is the whole batch. */
AW_MUST_USE enum aw_err aw_batch_header_read(struct aw_slice batch, struct aw_batch_header *ret_header, struct aw_why *why);
/* SHA-256 over previous hash and the batch's bytes. False when the library fails. */
AW_MUST_USE bool aw_batch_hash(const struct aw_sha256 *previous, struct aw_slice batch, struct aw_sha256 *ret_hash);

/* The bytes that this command's record will take (without the body); at most AW_RECORD_BYTES_MAX. Asserts, as writing does, that
 * strings and lists keep model/limits.h: whoever made the command had to check them. */
size_t aw_record_bytes_max(const struct aw_command *command);
/* Writes the record of a command that changed something (out.seq and out.prev_seq are set) to `to`, which has room for
 * aw_record_bytes_max. Returns its bytes. */
size_t aw_record_write(const struct aw_command *command, uint8_t *to);

/* Walks the records of a batch: *at starts as the batch without its header. AW_E_AGAIN at the end, AW_E_CORRUPT. Kind and
 * version are passed on as they are: aw_record_read refuses what it does not know. That seqs are consecutive is for the caller
 * to check. */
AW_MUST_USE enum aw_err aw_record_next(struct aw_slice *at, struct aw_record *ret_record, struct aw_why *why);
/* Finds record `seq` in a batch. AW_E_NOT_FOUND. */
AW_MUST_USE enum aw_err aw_record_find(struct aw_slice batch, uint64_t seq, struct aw_record *ret_record, struct aw_why *why);
/* Decodes a record into a command: strings borrow from the record, arrays from the arena; `body` is left empty; of the
 * outcome only seq and prev_seq are set. AW_E_CORRUPT, AW_E_VERSION, AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_record_read(const struct aw_record *record, struct aw_arena *arena, struct aw_command *ret_command,
                                       struct aw_why *why);

/* Hashes for the duplicate table, as the ids tree holds them: per message u64 seq, u64 accepted_at, 16 bytes hash. */
struct aw_id_entry {
    struct aw_hash128 hash;
    uint64_t          seq;
    aw_ms             accepted_at;
};
#define AW_ID_ENTRY_BYTES 32U
void aw_id_entry_write(const struct aw_id_entry *entry, uint8_t *to);
void aw_id_entry_read(const uint8_t *from, struct aw_id_entry *ret_entry);

#endif
