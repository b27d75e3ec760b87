/* recover.c - anchor, checkpoint, ids, replay. */
#include "commit/recover.h"

#include <inttypes.h>
#include <string.h>

#define TELL_EVERY        65536U
#define TELL_CHUNKS       256U
#define ARENA_BLOCK_BYTES (64U * 1024U)

struct recovery {
    struct aw_state                  *state;
    struct aw_journal_reader         *reader;
    struct aw_table                  *table;
    const struct aw_recover_progress *progress;
    struct aw_why                    *why; /* borrows; may be NULL */
    struct aw_arena                   arena;
    struct aw_recovery                out;
    struct aw_journal_anchor          anchor;
    struct aw_checkpoint_mark         mark;
    enum aw_err                       mark_err;
    uint64_t                          last_seq; /* of the whole journal, for the progress */
    uint32_t                          chunks;   /* of the checkpoint, loaded so far */
    aw_ms                             last_now;
};

static void
tell(struct recovery *recovery, const char *phase, uint64_t done)
{
    if (recovery->progress != NULL && recovery->progress->tell != NULL)
        recovery->progress->tell(recovery->progress->user, phase, done, recovery->last_seq);
}

static enum aw_err
look_whether_to_go_on(struct recovery *recovery, struct aw_why *why)
{
    const struct aw_recover_progress *progress = recovery->progress;

    if (progress == NULL || progress->is_given_up == NULL || !progress->is_given_up(progress->user))
        return AW_OK;
    return aw_why(why, AW_E_CLOSED, "the start was given up");
}

static bool
is_same_receipt(const struct aw_out_message *a, const struct aw_out_message *b)
{
    return a->ticket.seq == b->ticket.seq && a->ticket.slot == b->ticket.slot && a->related.seq == b->related.seq &&
           a->lane == b->lane && a->class_ == b->class_ && a->folded == b->folded && a->reopened == b->reopened &&
           a->lane_unknown == b->lane_unknown && a->promise.made_at == b->promise.made_at &&
           a->promise.half_by == b->promise.half_by && a->promise.nine_of_ten_by == b->promise.nine_of_ten_by &&
           a->acknowledged == b->acknowledged && a->not_needed == b->not_needed && a->opted_out == b->opted_out;
}

/* Customers' addresses lie in the order in which the ticket came to know them. */
static bool
is_same_effect(const struct aw_effect *a, const struct aw_effect *b)
{
    return a->ticket_seq == b->ticket_seq && a->lane == b->lane && a->lane_before == b->lane_before && a->class_ == b->class_ &&
           a->class_before == b->class_before && a->state == b->state && a->state_before == b->state_before &&
           a->cause == b->cause && a->incident.seq == b->incident.seq && a->incident.slot == b->incident.slot &&
           a->deferral_over == b->deferral_over && aw_slice_eq(a->holder, b->holder) && a->address_count == b->address_count &&
           (a->address_count == 0 || memcmp(a->addresses, b->addresses, a->address_count * sizeof(a->addresses[0])) == 0);
}

static enum aw_err
replay_record(struct aw_state *state, const struct aw_batch_header *header, const struct aw_record *record,
              struct aw_arena *arena, const struct aw_replay_watch *watch, struct aw_why *why)
{
    struct aw_out_message written;
    struct aw_effect      effect;
    enum aw_surge_turn    turn;
    aw_ms                 kept_until, held_until;
    uint32_t              slot;
    uint32_t              incident;
    enum aw_err           refused;
    struct aw_command     command;
    enum aw_err           err = aw_record_read(record, arena, &command, why);

    if (err != AW_OK)
        return err;
    slot = command.out.u.ticket.ticket.slot;
    incident = command.out.u.incident.incident.slot;
    written = command.out.u.message;
    effect = command.out.effect;
    turn = aw_command_surge_turn(&command);
    kept_until = command.out.u.lease.help.kept_until;
    held_until = command.out.u.lease.held_until;
    refused = command.out.err;
    command.out = (struct aw_outcome_of){.err = AW_OK};
    if (command.kind == AW_COMMAND_SETTINGS && aw_state_fits(state, &command.in.settings, why) != AW_OK)
        return AW_E_TABLE_FULL;
    err = aw_state_apply(state, &command);
    if (!command.out.changed || err != refused)
        return aw_why(why, err == AW_E_TABLE_FULL ? AW_E_TABLE_FULL : AW_E_CORRUPT, "record %" PRIu64 " (%s) does not replay: %s",
                      record->seq, aw_command_name(record->kind), aw_err_text(err));
    if (command.out.seq != record->seq || command.out.prev_seq != record->prev_seq)
        return aw_why(why, AW_E_CORRUPT,
                      "record %" PRIu64 " replays as %" PRIu64 " behind %" PRIu64 ", but was written behind %" PRIu64,
                      record->seq, command.out.seq, command.out.prev_seq, record->prev_seq);
    if (record->kind == AW_COMMAND_MESSAGE && !is_same_receipt(&written, &command.out.u.message))
        return aw_why(why, AW_E_CORRUPT, "record %" PRIu64 " replays with another receipt than was given", record->seq);
    if (record->kind == AW_COMMAND_TRANSFER && command.out.u.lease.help.kept_until != kept_until)
        return aw_why(why, AW_E_CORRUPT, "record %" PRIu64 " replays as kept until another time than was told", record->seq);
    if (record->kind == AW_COMMAND_DEFER && err == AW_OK && command.out.u.lease.held_until != held_until)
        return aw_why(why, AW_E_CORRUPT, "record %" PRIu64 " replays as put off until another time than was told", record->seq);
    if (record->kind == AW_COMMAND_UNFOLD && command.out.u.ticket.ticket.slot != slot)
        return aw_why(why, AW_E_CORRUPT, "record %" PRIu64 " replays with another ticket than was made", record->seq);
    if (record->kind == AW_COMMAND_INCIDENT && command.out.u.incident.incident.slot != incident)
        return aw_why(why, AW_E_CORRUPT, "record %" PRIu64 " replays with another incident than was made", record->seq);
    if (turn != aw_command_surge_turn(&command))
        return aw_why(why, AW_E_CORRUPT, "record %" PRIu64 " replays with something else done to the surge than was written",
                      record->seq);
    if (!is_same_effect(&effect, &command.out.effect))
        return aw_why(why, AW_E_CORRUPT, "record %" PRIu64 " replays with something else done to its ticket than was written",
                      record->seq);
    if (watch != NULL)
        watch->applied(watch->user, header, &command);
    return AW_OK;
}

static enum aw_err
check_header(const struct aw_state *state, const struct aw_batch_header *header, const struct aw_journal_head *head,
             struct aw_why *why)
{
    if (header->sm_version != AW_SM_VERSION)
        return aw_why(why, AW_E_VERSION, "batch %" PRIu64 " was written by state machine version %u, this is version %u",
                      header->index, header->sm_version, AW_SM_VERSION);
    if (header->index != head->index + 1 || header->first_seq != head->next_seq)
        return aw_why(why, AW_E_CORRUPT,
                      "batch %" PRIu64 " at record %" PRIu64 " follows batch %" PRIu64 " that ended before %" PRIu64,
                      header->index, header->first_seq, head->index, head->next_seq);
    if (memcmp(&header->previous, &head->hash, sizeof(head->hash)) != 0)
        return aw_why(why, AW_E_CORRUPT, "batch %" PRIu64 " does not continue the chain: the batch before it was altered or lost",
                      header->index);
    if (!aw_hash128_eq(header->digest_before, aw_state_digest(state)))
        return aw_why(why, AW_E_CORRUPT, "batch %" PRIu64 " was written on another state than the replay gives", header->index);
    return AW_OK;
}

enum aw_err
aw_replay_batch(struct aw_state *state, struct aw_slice batch, struct aw_journal_head *head, struct aw_arena *arena,
                const struct aw_replay_watch *watch, struct aw_why *why)
{
    struct aw_batch_header header;
    struct aw_record       record;
    struct aw_slice        at;
    uint32_t               count = 0;
    enum aw_err            err = aw_batch_header_read(batch, &header, why);

    if (err == AW_OK)
        err = check_header(state, &header, head, why);
    if (err != AW_OK)
        return err;
    aw_state_begin(state, header.index, header.now);
    at = aw_slice_of(batch.ptr + AW_BATCH_HEADER_BYTES, batch.len - AW_BATCH_HEADER_BYTES);
    while ((err = aw_record_next(&at, &record, why)) == AW_OK) {
        aw_arena_reset(arena);
        err = replay_record(state, &header, &record, arena, watch, why);
        if (err != AW_OK)
            break;
        count++;
    }
    if (err != AW_E_AGAIN) {
        aw_why_prefix(why, "batch %" PRIu64, header.index);
        return err;
    }
    if (count != header.count)
        return aw_why(why, AW_E_CORRUPT, "batch %" PRIu64 " holds %u records, its header says %u", header.index, count,
                      header.count);
    if (!aw_batch_hash(&head->hash, batch, &head->hash))
        return aw_why(why, AW_E_MEMORY, "no memory to hash batch %" PRIu64, header.index);
    head->index = header.index;
    head->next_seq = header.first_seq + header.count;
    head->epoch = header.epoch;
    head->now = header.now;
    return AW_OK;
}

static enum aw_err
load_chunk(void *user, const struct aw_chunk *chunk)
{
    struct recovery *recovery = user;
    enum aw_err      err = look_whether_to_go_on(recovery, recovery->why);

    /* They stand for the records up to the cut. */
    if (recovery->chunks++ % TELL_CHUNKS == 0)
        tell(recovery, "checkpoint", recovery->mark.seq / ((uint64_t)recovery->mark.chunks + 1) * recovery->chunks);
    return err == AW_OK ? aw_state_load_chunk(recovery->state, chunk, recovery->why) : err;
}

/* Only ids of messages up to the cut: those behind it come with the replay. */
static enum aw_err
load_ids(struct recovery *recovery, uint64_t cut_seq, struct aw_why *why)
{
    uint64_t        first = recovery->anchor.next_seq, told = 0;
    struct aw_slice bytes;
    enum aw_err     err;

    while ((err = aw_journal_read_ids(recovery->reader, first, &first, &bytes)) == AW_OK && first <= cut_seq) {
        err = look_whether_to_go_on(recovery, why);
        if (err != AW_OK)
            return err;
        if (bytes.len % AW_ID_ENTRY_BYTES != 0)
            return aw_why(why, AW_E_CORRUPT, "the source ids of record %" PRIu64 " are cut short", first);
        for (size_t at = 0; at < bytes.len; at += AW_ID_ENTRY_BYTES) {
            struct aw_id_entry entry;

            aw_id_entry_read((const uint8_t *)bytes.ptr + at, &entry);
            if (entry.seq > cut_seq)
                break;
            err = aw_state_load_id(recovery->state, entry.hash, entry.seq, entry.accepted_at, recovery->last_now);
            if (err != AW_OK)
                return aw_why(why, err, "the table of source ids is too small for what is stored (setting ids-max)");
        }
        if (first - told >= TELL_EVERY) {
            told = first;
            tell(recovery, "ids", first);
        }
        first++;
    }
    return err == AW_OK || err == AW_E_NOT_FOUND ? AW_OK : aw_why(why, err, "reading the source ids failed");
}

static enum aw_err
check_first(const struct aw_journal_anchor *anchor, uint64_t first, struct aw_slice batch, struct aw_why *why)
{
    struct aw_batch_header header;
    enum aw_err            err = AW_OK;

    if (first != anchor->next_seq)
        return aw_why(why, AW_E_CORRUPT, "the journal begins with record %" PRIu64 ", its anchor says %" PRIu64, first,
                      anchor->next_seq);
    err = aw_batch_header_read(batch, &header, why);
    if (err != AW_OK)
        return err;
    if (header.index != anchor->index + 1 || memcmp(&header.previous, &anchor->hash, sizeof(anchor->hash)) != 0)
        return aw_why(why, AW_E_CORRUPT,
                      "batch %" PRIu64 ", the oldest, does not continue the chain of the anchor at batch %" PRIu64, header.index,
                      anchor->index);
    return AW_OK;
}

enum aw_err
aw_check_anchor(struct aw_journal_reader *reader, struct aw_journal_anchor *ret_anchor, struct aw_why *why)
{
    struct aw_journal_anchor anchor;
    struct aw_slice          batch;
    uint64_t                 first, from;
    enum aw_err              err = aw_journal_read_anchor(reader, &anchor);

    if (err != AW_OK)
        return aw_why(why, err, "the anchor, where the trimmed journal begins, fails its checks");
    /* Below the anchor there may be what a trim has left; without one, nothing may be missing. */
    from = anchor.index == 0 ? 0 : anchor.next_seq;
    err = aw_journal_read_next(reader, from, &first, &batch);
    if (err == AW_OK)
        err = check_first(&anchor, first, batch, why);
    else if (err == AW_E_NOT_FOUND && anchor.index == 0)
        err = AW_OK; /* an empty journal */
    else
        err = aw_why(why, err == AW_E_NOT_FOUND ? AW_E_CORRUPT : err,
                     "the batch behind the anchor, at record %" PRIu64 ", cannot be read: %s", from,
                     err == AW_E_NOT_FOUND ? "it is not there" : aw_err_text(err));
    if (err == AW_OK)
        *ret_anchor = anchor;
    return err;
}

/* What was trimmed must be in the checkpoint. */
static enum aw_err
check_mark(const struct aw_journal_anchor *anchor, const struct aw_checkpoint_mark *mark, struct aw_why *why)
{
    if (mark->index < anchor->index || mark->seq + 1 < anchor->next_seq)
        return aw_why(why, AW_E_CORRUPT,
                      "the journal was trimmed up to batch %" PRIu64 ", the last checkpoint reaches only to batch %" PRIu64,
                      anchor->index, mark->index);
    if (mark->index == anchor->index &&
        (mark->seq + 1 != anchor->next_seq || memcmp(&mark->hash, &anchor->hash, sizeof(mark->hash)) != 0))
        return aw_why(why, AW_E_CORRUPT, "anchor and checkpoint name different hashes of batch %" PRIu64, mark->index);
    return AW_OK;
}

static enum aw_err
load_checkpoint(struct recovery *recovery, struct aw_why *why)
{
    const struct aw_checkpoint_mark *mark = &recovery->mark;
    enum aw_err                      err = recovery->mark_err;

    if (err == AW_E_NOT_FOUND && recovery->anchor.index > 0)
        return aw_why(why, AW_E_CORRUPT, "the journal was trimmed up to batch %" PRIu64 ", but there is no checkpoint",
                      recovery->anchor.index);
    if (err == AW_E_NOT_FOUND)
        return AW_OK;
    if (err != AW_OK)
        return aw_why(why, err, "the mark of the last checkpoint cannot be read");
    err = check_mark(&recovery->anchor, mark, why);
    if (err != AW_OK)
        return err;
    if (mark->sm_version != AW_SM_VERSION)
        return aw_why(why, AW_E_VERSION, "the checkpoint was written by state machine version %u, this is version %u",
                      mark->sm_version, AW_SM_VERSION);
    err = aw_table_read_chunks(recovery->table, load_chunk, recovery, why);
    if (err == AW_E_AGAIN)
        return err; /* nothing was loaded */
    if (err == AW_OK)
        err = load_ids(recovery, mark->seq, why);
    if (err == AW_OK)
        err = aw_state_load_finish(recovery->state, mark, why);
    if (err != AW_OK) {
        aw_why_prefix(why, "checkpoint at record %" PRIu64, mark->seq);
        return err;
    }
    recovery->out.checkpoint_seq = mark->seq;
    recovery->out.head = (struct aw_journal_head){.index = mark->index,
                                                  .next_seq = mark->seq + 1,
                                                  .epoch = aw_state_epoch(recovery->state),
                                                  .now = aw_state_now(recovery->state),
                                                  .hash = mark->hash};
    return AW_OK;
}

static enum aw_err
replay_rest(struct recovery *recovery, struct aw_why *why)
{
    struct aw_recovery *out = &recovery->out;
    struct aw_slice     batch;
    uint64_t            first, told = out->head.next_seq;
    enum aw_err         err;

    while ((err = aw_journal_read_next(recovery->reader, out->head.next_seq, &first, &batch)) == AW_OK) {
        uint64_t before = out->head.next_seq;

        err = look_whether_to_go_on(recovery, why);
        if (err != AW_OK)
            return err;
        if (first != before)
            return aw_why(why, AW_E_CORRUPT, "records %" PRIu64 " to %" PRIu64 " are missing", before, first - 1);
        err = aw_replay_batch(recovery->state, batch, &out->head, &recovery->arena, NULL, why);
        if (err != AW_OK)
            return err;
        out->batches++;
        out->bytes += batch.len;
        out->records += out->head.next_seq - before;
        if (out->head.next_seq - told >= TELL_EVERY) {
            told = out->head.next_seq;
            tell(recovery, "replay", told);
        }
    }
    return err == AW_E_NOT_FOUND ? AW_OK : aw_why(why, err, "reading the journal failed at record %" PRIu64, out->head.next_seq);
}

/* The last batch tells how far there is to go, and the time by which old source ids are passed over. */
static enum aw_err
look_ahead(struct recovery *recovery, struct aw_why *why)
{
    struct aw_batch_header header;
    struct aw_slice        batch;
    uint64_t               first;
    enum aw_err            err = aw_journal_read_last(recovery->reader, &first, &batch);

    if (err == AW_E_NOT_FOUND)
        return AW_OK;
    if (err != AW_OK)
        return aw_why(why, err, "the last batch cannot be read");
    err = aw_batch_header_read(batch, &header, why);
    if (err != AW_OK) {
        aw_why_prefix(why, "last batch, at record %" PRIu64, first);
        return err;
    }
    recovery->last_seq = header.first_seq + header.count - 1;
    recovery->last_now = header.now;
    return AW_OK;
}

/* Before the snapshot of the journal and behind its begin, so that it is that snapshot's mark. */
static enum aw_err
begin_snapshot(struct recovery *recovery, struct aw_why *why)
{
    struct aw_checkpoint_mark *mark = &recovery->mark;
    uint64_t                   index;
    enum aw_err                before = aw_table_read_mark(recovery->table, mark);
    enum aw_err                err = aw_journal_read_begin(recovery->reader);

    if (err != AW_OK)
        return aw_why(why, err, "the store cannot be read");
    index = mark->index;
    recovery->mark_err = aw_table_read_mark(recovery->table, mark);
    if (recovery->mark_err == before && mark->index == index)
        return AW_OK;
    aw_journal_read_end(recovery->reader);
    return AW_E_AGAIN;
}

/* AW_E_AGAIN: a server that we read beside has written another checkpoint meanwhile. Nothing was loaded. */
static enum aw_err
recover_snapshot(struct recovery *recovery, bool to_the_end, struct aw_why *why)
{
    enum aw_err err = begin_snapshot(recovery, why);

    if (err != AW_OK)
        return err;
    err = aw_check_anchor(recovery->reader, &recovery->anchor, why);
    recovery->out.first_seq = recovery->anchor.next_seq;
    if (err == AW_OK)
        err = look_ahead(recovery, why);
    if (err == AW_E_CORRUPT && !to_the_end)
        err = AW_OK; /* it is not asked for, and whoever goes on to it finds it */
    if (err == AW_OK)
        err = load_checkpoint(recovery, why);
    if (err == AW_OK && to_the_end)
        err = replay_rest(recovery, why);
    aw_journal_read_end(recovery->reader);
    return err;
}

static enum aw_err
recover(struct aw_state *state, struct aw_journal *journal, struct aw_table *table, const struct aw_recover_progress *progress,
        bool to_the_end, struct aw_recovery *ret_recovery, struct aw_why *why)
{
    struct recovery recovery = {
        .state = state, .table = table, .progress = progress, .why = why, .out = {.head = {.next_seq = 1}}};
    struct aw_blocks *blocks = aw_blocks_new(ARENA_BLOCK_BYTES, 16 * ARENA_BLOCK_BYTES);
    enum aw_err       err = AW_E_MEMORY;

    recovery.reader = aw_journal_reader_new(journal);
    if (blocks == NULL || recovery.reader == NULL) {
        err = aw_why(why, AW_E_MEMORY, "no memory to read the store");
        goto done;
    }
    aw_arena_init(&recovery.arena, blocks);
    do {
        err = recover_snapshot(&recovery, to_the_end, why);
    } while (err == AW_E_AGAIN);
    aw_arena_reset(&recovery.arena);
    if (err == AW_OK)
        *ret_recovery = recovery.out;
done:
    aw_journal_reader_free(&recovery.reader);
    aw_blocks_free(&blocks);
    return err;
}

enum aw_err
aw_recover(struct aw_state *state, struct aw_journal *journal, struct aw_table *table, const struct aw_recover_progress *progress,
           struct aw_recovery *ret_recovery, struct aw_why *why)
{
    return recover(state, journal, table, progress, true, ret_recovery, why);
}

enum aw_err
aw_recover_checkpoint(struct aw_state *state, struct aw_journal *journal, struct aw_table *table,
                      const struct aw_recover_progress *progress, struct aw_recovery *ret_recovery, struct aw_why *why)
{
    return recover(state, journal, table, progress, false, ret_recovery, why);
}
