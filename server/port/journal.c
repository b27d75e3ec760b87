/* journal.c - the port's calls: check what the contract says about the caller, then ask the engine. */
#include "port/journal.h"

const struct aw_store_identity *
aw_journal_identity(struct aw_journal *journal)
{
    AW_ASSERT(journal != NULL);
    return journal->ops->identity(journal);
}

/* Body sequence numbers ascend and lie within the batch. */
static bool
bodies_are_in_order(const struct aw_journal_batch *batch)
{
    uint64_t seq_min = batch->first_seq;
    uint32_t i;

    for (i = 0; i < batch->body_count; i++) {
        if (batch->bodies[i].seq < seq_min || batch->bodies[i].seq - batch->first_seq >= batch->count)
            return false;
        seq_min = batch->bodies[i].seq + 1;
    }
    return true;
}

enum aw_outcome
aw_journal_submit(struct aw_journal *journal, const struct aw_journal_batch *batch)
{
    AW_ASSERT(journal != NULL);
    AW_ASSERT(batch != NULL);
    AW_ASSERT(batch->index != 0);
    AW_ASSERT(batch->first_seq != 0);
    AW_ASSERT(batch->first_seq <= AW_SEQ_MAX);
    AW_ASSERT(batch->count != 0);
    AW_ASSERT(batch->bytes.len != 0);
    AW_ASSERT(batch->bytes.len <= AW_JOURNAL_VALUE_BYTES_MAX);
    AW_ASSERT(batch->ids.len <= (size_t)batch->count * AW_ID_BYTES_MAX);
    AW_ASSERT(batch->ids.len <= AW_JOURNAL_VALUE_BYTES_MAX);
    AW_AUDIT(bodies_are_in_order(batch));
    return journal->ops->submit(journal, batch);
}

enum aw_outcome
aw_journal_flush(struct aw_journal *journal)
{
    AW_ASSERT(journal != NULL);
    return journal->ops->flush(journal);
}

bool
aw_journal_poll(struct aw_journal *journal, struct aw_journal_done *ret_done)
{
    AW_ASSERT(journal != NULL);
    AW_ASSERT(ret_done != NULL);
    return journal->ops->poll(journal, ret_done);
}

void
aw_journal_set_owed(struct aw_journal *journal, uint64_t bytes)
{
    AW_ASSERT(journal != NULL);
    journal->ops->set_owed(journal, bytes);
}

void
aw_journal_room(struct aw_journal *journal, struct aw_journal_room *ret_room)
{
    AW_ASSERT(journal != NULL);
    journal->ops->room(journal, ret_room);
    AW_ASSERT(ret_room->posts_bytes <= ret_room->drain_bytes);
}

uint64_t
aw_journal_cost(struct aw_journal *journal, uint64_t record_bytes, uint64_t body_bytes)
{
    AW_ASSERT(journal != NULL);
    return journal->ops->cost(journal, record_bytes, body_bytes);
}

enum aw_err
aw_journal_trim_step(struct aw_journal *journal, uint64_t below_seq, uint32_t pages_max, bool *ret_done)
{
    AW_ASSERT(journal != NULL);
    AW_ASSERT(pages_max != 0);
    AW_ASSERT(ret_done != NULL);
    return journal->ops->trim_step(journal, below_seq, below_seq, pages_max, ret_done);
}

enum aw_err
aw_journal_trim_bodies_step(struct aw_journal *journal, uint64_t below_seq, uint32_t pages_max, bool *ret_done)
{
    AW_ASSERT(journal != NULL);
    AW_ASSERT(pages_max != 0);
    AW_ASSERT(ret_done != NULL);
    return journal->ops->trim_step(journal, 0, below_seq, pages_max, ret_done);
}

enum aw_outcome
aw_journal_keep(struct aw_journal *journal, enum aw_kept_kind kind, const struct aw_kept *kept)
{
    AW_ASSERT(journal != NULL);
    AW_ASSERT((unsigned)kind < AW_KEPT_KINDS);
    AW_ASSERT(kept != NULL);
    AW_ASSERT(kept->seq != 0);
    AW_ASSERT(kept->seq <= AW_SEQ_MAX);
    AW_ASSERT(kept->bytes.len <= AW_KEPT_BYTES_MAX);
    return journal->ops->keep(journal, kind, kept);
}

enum aw_outcome
aw_journal_unkeep(struct aw_journal *journal, enum aw_kept_kind kind, uint64_t seq)
{
    AW_ASSERT(journal != NULL);
    AW_ASSERT((unsigned)kind < AW_KEPT_KINDS);
    return journal->ops->unkeep(journal, kind, seq);
}

enum aw_outcome
aw_journal_set_anchor(struct aw_journal *journal, const struct aw_journal_anchor *anchor)
{
    AW_ASSERT(journal != NULL);
    AW_ASSERT(anchor != NULL);
    AW_ASSERT(anchor->next_seq != 0);
    AW_ASSERT(anchor->kept_seq >= anchor->next_seq);
    AW_ASSERT(anchor->body_seq >= anchor->next_seq);
    return journal->ops->set_anchor(journal, anchor);
}

struct aw_journal_reader *
aw_journal_reader_new(struct aw_journal *journal)
{
    AW_ASSERT(journal != NULL);
    return journal->ops->reader_new(journal);
}

/* Every engine's reader starts with this head. */
static const struct aw_journal_ops *
ops_of(struct aw_journal_reader *reader)
{
    AW_ASSERT(reader != NULL);
    return ((struct aw_journal_reader_head *)(void *)reader)->journal->ops;
}

void
aw_journal_reader_free(struct aw_journal_reader **reader)
{
    if (*reader == NULL)
        return;
    ops_of(*reader)->reader_free(*reader);
    *reader = NULL;
}

enum aw_err
aw_journal_read_begin(struct aw_journal_reader *reader)
{
    return ops_of(reader)->read_begin(reader);
}

void
aw_journal_read_end(struct aw_journal_reader *reader)
{
    ops_of(reader)->read_end(reader);
}

enum aw_err
aw_journal_read_batch(struct aw_journal_reader *reader, uint64_t seq, struct aw_slice *ret_bytes)
{
    return ops_of(reader)->read_batch(reader, seq, ret_bytes);
}

enum aw_err
aw_journal_read_body(struct aw_journal_reader *reader, uint64_t seq, struct aw_slice *ret_bytes)
{
    enum aw_err    err = ops_of(reader)->read_body(reader, seq, ret_bytes);
    struct aw_kept kept;

    if (err != AW_E_NOT_FOUND)
        return err;
    err = aw_journal_read_kept(reader, AW_KEPT_BODY, seq, &kept);
    if (err == AW_OK)
        *ret_bytes = kept.bytes;
    return err;
}

enum aw_err
aw_journal_find_body(struct aw_journal_reader *reader, uint64_t seq, uint64_t *ret_seq)
{
    return ops_of(reader)->find_body(reader, seq, ret_seq);
}

enum aw_err
aw_journal_find_batch(struct aw_journal_reader *reader, uint64_t first_seq, uint64_t *ret_first_seq)
{
    return ops_of(reader)->find_batch(reader, first_seq, ret_first_seq);
}

enum aw_err
aw_journal_read_next(struct aw_journal_reader *reader, uint64_t first_seq, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    return ops_of(reader)->read_next(reader, first_seq, ret_first_seq, ret_bytes);
}

enum aw_err
aw_journal_read_last(struct aw_journal_reader *reader, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    return ops_of(reader)->read_last(reader, ret_first_seq, ret_bytes);
}

enum aw_err
aw_journal_read_ids(struct aw_journal_reader *reader, uint64_t first_seq, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    return ops_of(reader)->read_ids(reader, first_seq, ret_first_seq, ret_bytes);
}

enum aw_err
aw_journal_read_anchor(struct aw_journal_reader *reader, struct aw_journal_anchor *ret_anchor)
{
    enum aw_err err = ops_of(reader)->read_anchor(reader, ret_anchor);

    if (err != AW_E_NOT_FOUND)
        return err;
    *ret_anchor = (struct aw_journal_anchor){.next_seq = 1, .kept_seq = 1, .body_seq = 1};
    return AW_OK;
}

enum aw_err
aw_journal_read_kept(struct aw_journal_reader *reader, enum aw_kept_kind kind, uint64_t seq, struct aw_kept *ret_kept)
{
    AW_ASSERT((unsigned)kind < AW_KEPT_KINDS);
    return ops_of(reader)->read_kept(reader, kind, seq, ret_kept);
}

enum aw_err
aw_journal_find_kept(struct aw_journal_reader *reader, enum aw_kept_kind kind, uint64_t seq, struct aw_kept *ret_kept)
{
    AW_ASSERT((unsigned)kind < AW_KEPT_KINDS);
    return ops_of(reader)->find_kept(reader, kind, seq, ret_kept);
}

void
aw_journal_close(struct aw_journal **journal)
{
    if (*journal == NULL)
        return;
    (*journal)->ops->close(*journal);
    *journal = NULL;
}
