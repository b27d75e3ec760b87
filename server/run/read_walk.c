/* read_walk.c - see read_walk.h. */
#include "run/read_walk.h"

#include "commit/kept.h"

enum aw_err
aw_walk_begin(struct aw_walk *walk, struct aw_journal_reader *reader)
{
    struct aw_journal_anchor anchor;
    enum aw_err              err = aw_journal_read_anchor(reader, &anchor);

    walk->_reader = reader;
    walk->_rest = (struct aw_slice){NULL, 0};
    walk->_first = anchor.next_seq;
    return err;
}

static enum aw_err
next_kept(struct aw_walk *walk, struct aw_record *ret_record, aw_ms *ret_now)
{
    struct aw_kept_record record;
    struct aw_kept        kept;
    enum aw_err           err = aw_journal_find_kept(walk->_reader, AW_KEPT_RECORD, walk->at, &kept);

    if (err == AW_E_NOT_FOUND || (err == AW_OK && kept.seq >= walk->_first)) {
        walk->at = walk->_first;
        return AW_E_NOT_FOUND;
    }
    if (err == AW_OK)
        err = aw_journal_read_kept(walk->_reader, AW_KEPT_RECORD, kept.seq, &kept);
    if (err == AW_OK)
        err = aw_kept_read(kept.bytes, &record, NULL);
    if (err != AW_OK)
        return err == AW_E_NOT_FOUND ? AW_E_CORRUPT : err;
    *ret_record = record.record;
    *ret_now = record.now;
    return AW_OK;
}

/* The batch with the record that is next. */
static enum aw_err
open_batch(struct aw_walk *walk)
{
    struct aw_batch_header header;
    struct aw_slice        batch;
    enum aw_err            err = aw_journal_read_batch(walk->_reader, walk->at, &batch);

    if (err == AW_OK)
        err = aw_batch_header_read(batch, &header, NULL);
    if (err != AW_OK)
        return err == AW_E_NOT_FOUND ? AW_E_AGAIN : err;
    walk->_rest = aw_slice_of(batch.ptr + AW_BATCH_HEADER_BYTES, batch.len - AW_BATCH_HEADER_BYTES);
    walk->_now = header.now;
    return AW_OK;
}

static enum aw_err
next_of_journal(struct aw_walk *walk, struct aw_record *ret_record, aw_ms *ret_now)
{
    enum aw_err err = walk->_rest.len == 0 ? open_batch(walk) : AW_OK;

    if (err != AW_OK)
        return err;
    do {
        err = aw_record_next(&walk->_rest, ret_record, NULL);
    } while (err == AW_OK && ret_record->seq < walk->at);
    if (err == AW_OK && ret_record->seq != walk->at)
        err = AW_E_CORRUPT;
    *ret_now = walk->_now;
    return err == AW_E_AGAIN ? AW_E_CORRUPT : err; /* a batch without the record that it must have */
}

/* What is next can't be read: behind it. Where a batch ends that can't be read is told by the next one. */
static enum aw_err
pass(struct aw_walk *walk)
{
    struct aw_kept kept;
    uint64_t       first;
    enum aw_err    err;

    walk->_rest = (struct aw_slice){NULL, 0};
    if (walk->at < walk->_first) {
        err = aw_journal_find_kept(walk->_reader, AW_KEPT_RECORD, walk->at, &kept);
        if (err == AW_OK)
            walk->at = kept.seq + 1;
        return err == AW_OK ? AW_E_CORRUPT : AW_E_IO;
    }
    err = aw_journal_find_batch(walk->_reader, walk->at + 1, &first);
    if (err != AW_OK && err != AW_E_NOT_FOUND)
        return AW_E_IO;
    walk->at = err == AW_OK ? first : walk->until + 1;
    return AW_E_CORRUPT;
}

enum aw_err
aw_walk_next(struct aw_walk *walk, struct aw_record *ret_record, aw_ms *ret_now)
{
    enum aw_err err = AW_E_NOT_FOUND;

    if (walk->at > walk->until)
        return AW_E_AGAIN;
    if (walk->at < walk->_first)
        err = next_kept(walk, ret_record, ret_now);
    if (err == AW_E_NOT_FOUND)
        err = walk->at > walk->until ? AW_E_AGAIN : next_of_journal(walk, ret_record, ret_now);
    if (err == AW_OK && ret_record->seq > walk->until)
        return AW_E_AGAIN;
    if (err == AW_OK)
        walk->at = ret_record->seq + 1;
    return err == AW_E_CORRUPT || err == AW_E_VERSION ? pass(walk) : err;
}
