/* read_history.c - down a chain of records, or up the journal; then a page of what was come to is written. */
#include "run/read_history.h"

#include "base/text.h"

/* Records in a turn: of a chain each may mean another batch, in the journal they lie side by side. */
#define CHAIN_RECORDS_PER_TURN   512U
#define JOURNAL_RECORDS_PER_TURN 4096U

#define KEY AW_WRITER_KEY

static uint64_t *
place_of(struct aw_history_read *history, uint64_t number)
{
    return &history->seqs[number % (history->limit + 1)];
}

static void
note(struct aw_history_read *history, uint64_t seq)
{
    *place_of(history, history->count) = seq;
    history->count++;
}

/* --- a known ticket ---------------------------------------------------------------------------------------------------------- */

/* From the newest down: what is come to last is what the page shows. What was trimmed or is damaged ends it: all before is lost. */
static enum aw_err
walk_chain(struct aw_history_read *history, struct aw_journal_reader *reader, struct aw_arena *scratch)
{
    struct aw_found found = {.header = {.count = 0}};

    if (history->at == 0)
        history->at = history->last_seq;
    for (uint32_t i = 0; history->at > history->above; i++) {
        enum aw_err err;

        if (i == CHAIN_RECORDS_PER_TURN)
            return AW_E_AGAIN;
        err = aw_find_record(reader, scratch, history->at, &found);
        if (err == AW_E_NOT_FOUND || err == AW_E_CORRUPT) {
            history->lost = history->at;
            break;
        }
        if (err != AW_OK)
            return err;
        note(history, history->at);
        /* One that an unfolding made begins with that record; what lies before is another's. */
        if (history->at == history->ticket.seq)
            break;
        history->at = found.record.prev_seq;
    }
    history->is_walked = true;
    return AW_OK;
}

/* --- a forgotten one --------------------------------------------------------------------------------------------------------- */

static bool
is_same(struct aw_ticket_id a, struct aw_ticket_id b)
{
    return a.seq == b.seq && a.slot == b.slot && a.shard == b.shard;
}

static bool
begins(const struct aw_history_read *history, const struct aw_command *command)
{
    if (command->kind == AW_COMMAND_UNFOLD)
        return is_same(command->out.u.ticket.ticket, history->ticket);
    return command->kind == AW_COMMAND_MESSAGE && is_same(command->out.u.message.ticket, history->ticket);
}

/* Whether the record shows that it can't go on: its slot serves another ticket, or it can't reopen any more. */
static bool
ends(const struct aw_history_read *history, const struct aw_command *command, aw_ms now)
{
    uint32_t slot;

    if (history->closed_at != 0 && now - history->closed_at > history->reopen_ms)
        return true;
    return aw_command_slot(command, &slot) && slot == history->ticket.slot &&
           command->out.effect.ticket_seq > history->ticket.seq;
}

/* Takes what is the ticket's into the page; true when the walk is over. */
static bool
look_at(struct aw_history_read *history, const struct aw_command *command, aw_ms now)
{
    bool is_own = command->out.effect.ticket_seq == history->ticket.seq || command->out.seq == history->ticket.seq;

    if (ends(history, command, now))
        return true;
    if (!is_own)
        return false;
    if (command->out.seq > history->above)
        note(history, command->out.seq);
    history->closed_at = command->out.effect.state == AW_TICKET_CLOSED ? now : 0;
    return history->count > history->limit;
}

/* The records of one batch from `at` on. */
static enum aw_err
walk_batch(struct aw_history_read *history, struct aw_arena *scratch, struct aw_slice batch, uint32_t *looked)
{
    struct aw_batch_header header;
    struct aw_record       record;
    struct aw_slice        at;
    enum aw_err            err = aw_batch_header_read(batch, &header, NULL);

    if (err != AW_OK)
        return err;
    at = aw_slice_of(batch.ptr + AW_BATCH_HEADER_BYTES, batch.len - AW_BATCH_HEADER_BYTES);
    while (!history->is_walked && history->at <= history->until && (err = aw_record_next(&at, &record, NULL)) == AW_OK) {
        struct aw_command command;

        if (record.seq < history->at)
            continue;
        aw_arena_reset(scratch);
        err = aw_record_read(&record, scratch, &command, NULL);
        if (err != AW_OK)
            return err;
        if (record.seq == history->ticket.seq && !begins(history, &command))
            return AW_E_NOT_FOUND; /* no ticket began there */
        history->is_walked = look_at(history, &command, header.now);
        history->at = record.seq + 1;
        (*looked)++;
    }
    return err == AW_E_AGAIN ? AW_OK : err;
}

static enum aw_err
walk_journal(struct aw_history_read *history, struct aw_journal_reader *reader, struct aw_arena *scratch)
{
    uint32_t looked = 0;

    if (history->at == 0)
        history->at = history->ticket.seq;
    while (!history->is_walked && history->at <= history->until) {
        struct aw_slice batch;
        uint64_t        before = history->at;
        enum aw_err     err;

        if (looked >= JOURNAL_RECORDS_PER_TURN)
            return AW_E_AGAIN;
        err = aw_journal_read_batch(reader, history->at, &batch);
        if (err == AW_OK)
            err = walk_batch(history, scratch, batch, &looked);
        if (err == AW_OK && history->at == before && !history->is_walked)
            err = AW_E_CORRUPT; /* a batch without the record that it must have */
        if (err != AW_OK)
            return err;
    }
    history->is_walked = true;
    return AW_OK;
}

/* --- the page ---------------------------------------------------------------------------------------------------------------- */

/* Of a chain the page is what was come to last, the oldest last; of the journal what was come to first. */
static uint64_t
seq_of(struct aw_history_read *history, uint32_t item)
{
    return *place_of(history, history->is_forgotten ? item : history->count - 1 - item);
}

static enum aw_err
write_item(struct aw_history_read *history, struct aw_journal_reader *reader, struct aw_arena *scratch, struct aw_found *found,
           uint64_t seq, struct aw_writer *writer)
{
    struct aw_command command;
    enum aw_err       err = aw_find_record(reader, scratch, seq, found);

    if (err == AW_OK)
        err = aw_record_read(&found->record, scratch, &command, NULL);
    if (err == AW_OK)
        aw_proto_write_event(writer, &history->source, &command, found->header.now);
    return err;
}

static void
write_next(struct aw_history_read *history, struct aw_writer *writer)
{
    char text[AW_BASE32_U64_CHARS];

    KEY(writer, "next");
    if (history->next == 0) {
        aw_writer_null(writer);
        return;
    }
    aw_base32_u64(history->next, text);
    aw_writer_str(writer, aw_slice_of(text, sizeof(text)));
}

static enum aw_err
write_page(struct aw_history_read *history, struct aw_journal_reader *reader, struct aw_arena *scratch, struct aw_buffer *buffer)
{
    uint32_t         count = (uint32_t)(history->count < history->limit ? history->count : history->limit);
    bool             has_gap = history->lost != 0;
    struct aw_found  found = {.header = {.count = 0}};
    struct aw_writer writer;
    enum aw_err      err = AW_OK;

    history->next = history->count > history->limit ? seq_of(history, count - 1) : 0;
    aw_writer_init(&writer, buffer, history->media);
    aw_writer_begin_map(&writer);
    KEY(&writer, "items");
    aw_writer_begin_array(&writer, count + has_gap);
    if (has_gap)
        aw_proto_write_gap(&writer, &history->source, history->above == 0 ? history->ticket.seq : history->above + 1,
                           history->lost);
    for (uint32_t i = 0; err == AW_OK && i < count; i++)
        err = write_item(history, reader, scratch, &found, seq_of(history, i), &writer);
    if (err != AW_OK)
        return err;
    aw_writer_end_array(&writer);
    write_next(history, &writer);
    aw_writer_end_map(&writer);
    return AW_OK;
}

enum aw_err
aw_read_history(struct aw_history_read *history, struct aw_journal_reader *reader, struct aw_arena *scratch, char *memory,
                size_t room, size_t *need)
{
    struct aw_buffer buffer;
    enum aw_err      err = AW_OK;

    AW_ASSERT(history->limit >= 1);
    AW_ASSERT(history->limit <= AW_HISTORY_PAGE_MAX);
    if (!history->is_walked)
        err = history->is_forgotten ? walk_journal(history, reader, scratch) : walk_chain(history, reader, scratch);
    if (err != AW_OK)
        return err;
    if (history->is_forgotten && history->count == 0 && history->above == 0)
        return AW_E_NOT_FOUND;
    aw_buffer_init_fixed(&buffer, memory, room);
    err = write_page(history, reader, scratch, &buffer);
    if (buffer.failed)
        *need = 2 * room;
    history->body = aw_buffer_slice(&buffer);
    return err;
}
