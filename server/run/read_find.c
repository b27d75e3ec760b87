/* read_find.c - where a record lies. */
#include "run/read_find.h"

#include "commit/kept.h"

/* Its batch was trimmed: what was kept of it for its ticket. */
static enum aw_err
find_kept(struct aw_journal_reader *reader, uint64_t seq, struct aw_found *found)
{
    struct aw_kept_record record;
    struct aw_kept        kept;
    enum aw_err           err = aw_journal_read_kept(reader, AW_KEPT_RECORD, seq, &kept);

    found->header.count = 0; /* the batch that was found before may not lie in the reader's memory any more */
    if (err == AW_OK)
        err = aw_kept_read(kept.bytes, &record, NULL);
    if (err == AW_OK && record.record.seq != seq)
        err = AW_E_CORRUPT;
    if (err != AW_OK)
        return err;
    found->header = (struct aw_batch_header){.shard = record.shard, .index = record.index, .now = record.now};
    found->record = record.record;
    found->hash = record.hash;
    found->has_hash = true;
    return AW_OK;
}

/* Where the records of a batch lie: a walk through all of a large one would else step over the ones before it for each. */
static enum aw_err
find_offsets(struct aw_found *found, struct aw_arena *scratch)
{
    struct aw_slice  at = aw_slice_of(found->batch.ptr + AW_BATCH_HEADER_BYTES, found->batch.len - AW_BATCH_HEADER_BYTES);
    struct aw_record record;

    if (found->offsets_room < found->header.count) {
        found->offsets_room = found->header.count;
        found->offsets = aw_arena_take(scratch, found->offsets_room * sizeof(found->offsets[0]));
    }
    if (found->offsets == NULL)
        return AW_E_MEMORY;
    for (uint32_t i = 0; i < found->header.count; i++) {
        found->offsets[i] = (uint32_t)(at.ptr - found->batch.ptr);
        if (aw_record_next(&at, &record, NULL) != AW_OK || record.seq != found->header.first_seq + i)
            return AW_E_CORRUPT;
    }
    found->has_offsets = true;
    return AW_OK;
}

enum aw_err
aw_find_record(struct aw_journal_reader *reader, struct aw_arena *scratch, uint64_t seq, struct aw_found *found)
{
    enum aw_err     err = AW_OK;
    struct aw_slice at;

    /* Neighbours in a chain often lie in one batch. */
    if (found->header.count == 0 || seq < found->header.first_seq || seq >= found->header.first_seq + found->header.count) {
        err = aw_journal_read_batch(reader, seq, &found->batch);
        if (err == AW_E_NOT_FOUND)
            return find_kept(reader, seq, found);
        if (err == AW_OK)
            found->bytes_read += found->batch.len;
        if (err == AW_OK)
            err = aw_batch_header_read(found->batch, &found->header, NULL);
        found->has_hash = false;
        found->was_used = false;
        found->has_offsets = false;
    }
    if (err == AW_OK && found->was_used && !found->has_offsets)
        err = find_offsets(found, scratch);
    if (err != AW_OK)
        return err;
    found->was_used = true;
    if (!found->has_offsets)
        return aw_record_find(found->batch, seq, &found->record, NULL);
    at = aw_slice_of(found->batch.ptr, found->batch.len);
    at.ptr += found->offsets[seq - found->header.first_seq];
    at.len -= found->offsets[seq - found->header.first_seq];
    return aw_record_next(&at, &found->record, NULL);
}

enum aw_err
aw_find_hash(struct aw_found *found, struct aw_sha256 *ret_hash)
{
    if (!found->has_hash && !aw_batch_hash(&found->header.previous, found->batch, &found->hash))
        return AW_E_MEMORY;
    found->has_hash = true;
    *ret_hash = found->hash;
    return AW_OK;
}

void
aw_found_forget(struct aw_found *found)
{
    found->was_used = false;
    found->has_offsets = false;
    found->offsets = NULL;
    found->offsets_room = 0;
}
