/* batch.c - fills one batch. */
#include "commit/batch.h"

#include "model/limits.h"

#include <stdlib.h>

bool
aw_batch_init(struct aw_batch *batch, size_t bytes_max)
{
    AW_ASSERT(bytes_max >= AW_BATCH_BYTES_DEFAULT);
    AW_ASSERT(bytes_max <= AW_BATCH_BYTES_MAX);
    *batch = (struct aw_batch){._bytes_max = bytes_max};
    batch->_bytes = malloc(bytes_max);
    batch->_ids = malloc((size_t)AW_BATCH_RECORDS_MAX * AW_ID_ENTRY_BYTES);
    batch->_bodies = malloc(AW_BATCH_RECORDS_MAX * sizeof(batch->_bodies[0]));
    if (batch->_bytes == NULL || batch->_ids == NULL || batch->_bodies == NULL) {
        aw_batch_fini(batch);
        return false;
    }
    aw_batch_reset(batch);
    return true;
}

void
aw_batch_fini(struct aw_batch *batch)
{
    free(batch->_bytes);
    free(batch->_ids);
    free(batch->_bodies);
    *batch = (struct aw_batch){0};
}

void
aw_batch_reset(struct aw_batch *batch)
{
    batch->_used = AW_BATCH_HEADER_BYTES;
    batch->_body_bytes = 0;
    batch->_id_count = 0;
    batch->_body_count = 0;
    batch->_count = 0;
    batch->_first_seq = 0;
}

bool
aw_batch_fits(const struct aw_batch *batch, size_t record_bytes_max, size_t body_bytes)
{
    return batch->_count < AW_BATCH_RECORDS_MAX &&
           batch->_used + batch->_body_bytes + record_bytes_max + body_bytes <= batch->_bytes_max;
}

bool
aw_batch_fits_many(const struct aw_batch *batch, uint32_t count, size_t record_bytes_max)
{
    return batch->_count + count <= AW_BATCH_RECORDS_MAX &&
           batch->_used + batch->_body_bytes + record_bytes_max <= batch->_bytes_max;
}

void
aw_batch_add(struct aw_batch *batch, const struct aw_command *command, aw_ms now)
{
    struct aw_in_body body;
    size_t            bytes;

    AW_ASSERT(command->out.changed);
    AW_ASSERT(batch->_count < AW_BATCH_RECORDS_MAX);
    AW_ASSERT(batch->_bytes_max - batch->_used >= aw_record_bytes_max(command));
    if (batch->_count == 0)
        batch->_first_seq = command->out.seq;
    AW_ASSERT(command->out.seq == batch->_first_seq + batch->_count);
    bytes = aw_record_write(command, batch->_bytes + batch->_used);
    AW_ASSERT(bytes <= aw_record_bytes_max(command));
    batch->_used += bytes;
    batch->_count++;
    if (command->kind == AW_COMMAND_MESSAGE) {
        struct aw_id_entry entry = {.hash = command->in.message.id_hash, .seq = command->out.seq, .accepted_at = now};

        aw_id_entry_write(&entry, batch->_ids + (size_t)batch->_id_count++ * AW_ID_ENTRY_BYTES);
    }
    if (aw_command_body(command, &body)) {
        batch->_bodies[batch->_body_count++] = (struct aw_journal_body){command->out.seq, body.bytes};
        batch->_body_bytes += body.bytes.len;
    }
}

bool
aw_batch_close(struct aw_batch *batch, struct aw_batch_header *header, struct aw_sha256 *ret_hash,
               struct aw_journal_batch *ret_batch)
{
    struct aw_slice bytes = aw_slice_of(batch->_bytes, batch->_used);

    AW_ASSERT(batch->_count > 0);
    header->first_seq = batch->_first_seq;
    header->count = batch->_count;
    header->bytes = (uint32_t)batch->_used;
    aw_batch_header_write(header, batch->_bytes);
    if (!aw_batch_hash(&header->previous, bytes, ret_hash))
        return false;
    *ret_batch = (struct aw_journal_batch){
        .index = header->index,
        .first_seq = batch->_first_seq,
        .count = batch->_count,
        .bytes = bytes,
        .ids = aw_slice_of(batch->_ids, (size_t)batch->_id_count * AW_ID_ENTRY_BYTES),
        .bodies = batch->_bodies,
        .body_count = batch->_body_count,
    };
    return true;
}

uint32_t
aw_batch_count(const struct aw_batch *batch)
{
    return batch->_count;
}
