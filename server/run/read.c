/* read.c - walks the chain of a ticket's records, newest to oldest, and collects what was asked for. */
#include "proto/proto.h"
#include "run/read_erase.h"
#include "run/read_events.h"
#include "run/read_find.h"
#include "run/read_history.h"
#include "run/reader.h"

#include <stdio.h>
#include <string.h>

/* Records that one read walks over before it goes back, unfinished, to be pushed again: a few milliseconds of work, so that a walk
 * over a very long history does not keep a reader from the reads of others. */
#define RECORDS_PER_STEP 8192U
/* And what it reads of batches and bodies for a list of receipts. Each has a cost of its own beside: that is 1,024 of them. */
#define RECEIPTS_STEP_BYTES (256U * 1024U)
#define RECEIPT_BYTES       256U
/* Who posts one message several times in a request posts it soon again. */
#define SAME_WITHIN 32U

/* The memory that a read brought along. Goes on counting when it is too small, so that `need` is right at once. */
struct room {
    char  *at;
    size_t used;
    size_t room;
};

static void *
room_take(struct room *room, size_t size)
{
    size_t at = (room->used + 15) & ~(size_t)15;

    room->used = at + size;
    return room->used <= room->room ? room->at + at : NULL;
}

static struct aw_slice
room_copy(struct room *room, struct aw_slice bytes)
{
    char *to = room_take(room, bytes.len);

    if (to == NULL)
        return (struct aw_slice){NULL, 0};
    if (bytes.len > 0)
        memcpy(to, bytes.ptr, bytes.len);
    return aw_slice_of(to, bytes.len);
}

/* --- a ticket's records, newest first ------------------------------------------------------------------------------------- */

/* Messages that an UNFOLD took out of the ticket: they lie further down in its chain. */
struct gone {
    struct gone    *older;
    const uint64_t *messages;
    uint32_t        count;
};

/* Its chain, from the newest record down. A ticket that came to be by an UNFOLD begins with that record, which names its first
 * messages; those, too, may have been taken out since. */
struct chain {
    struct aw_journal_reader *reader;
    struct aw_arena          *scratch;
    struct aw_found          *found; /* the record that was come to */
    struct aw_read_item      *item;
    uint64_t                  next; /* 0: the end */
    uint64_t                  at;   /* the record that was looked for */
    struct gone              *gone;
    const uint64_t           *moved; /* what it began with, oldest first */
    uint32_t                  moved_count;
};

static bool
is_gone(const struct chain *chain, uint64_t seq)
{
    for (const struct gone *gone = chain->gone; gone != NULL; gone = gone->older) {
        for (uint32_t i = 0; i < gone->count; i++) {
            if (gone->messages[i] == seq)
                return true;
        }
    }
    return false;
}

static void
note_related(struct aw_read_item *item, struct aw_ticket_id ticket)
{
    for (uint32_t i = 0; i < item->related_count; i++) {
        if (item->related[i].seq == ticket.seq)
            return;
    }
    if (ticket.seq != 0 && ticket.seq != item->ticket_seq && item->related_count < AW_RELATED_MAX)
        item->related[item->related_count++] = ticket;
}

static enum aw_err
pass_unfold(struct chain *chain)
{
    struct aw_command          command;
    const struct aw_in_unfold *in = &command.in.unfold;
    struct gone               *gone;
    enum aw_err                err = aw_record_read(&chain->found->record, chain->scratch, &command, NULL);

    if (err != AW_OK)
        return err;
    if (command.out.seq == chain->item->ticket_seq) {
        note_related(chain->item, in->on.ticket);
        chain->moved = in->messages;
        chain->moved_count = in->message_count;
        chain->next = 0;
        return AW_OK;
    }
    note_related(chain->item, command.out.u.ticket.ticket);
    gone = aw_arena_take_zeroed(chain->scratch, 1, sizeof(*gone));
    if (gone == NULL)
        return AW_E_MEMORY;
    *gone = (struct gone){.older = chain->gone, .messages = in->messages, .count = in->message_count};
    chain->gone = gone;
    return AW_OK;
}

/* To the next record that belongs to the ticket. AW_E_AGAIN: there is none above `above_seq`. */
static enum aw_err
chain_next(struct chain *chain)
{
    for (;;) {
        bool        is_moved = chain->next == 0 && chain->moved_count > 0;
        uint64_t    seq = is_moved ? chain->moved[--chain->moved_count] : chain->next;
        enum aw_err err;

        if (seq <= chain->item->above_seq)
            return AW_E_AGAIN;
        if (is_moved && is_gone(chain, seq))
            continue;
        chain->at = seq;
        err = aw_find_record(chain->reader, chain->scratch, seq, chain->found);
        if (err != AW_OK)
            return err;
        if (is_moved)
            return AW_OK;
        chain->next = chain->found->record.prev_seq;
        if (chain->found->record.kind == AW_COMMAND_UNFOLD) {
            err = pass_unfold(chain);
            if (err != AW_OK)
                return err;
        } else if (chain->found->record.kind != AW_COMMAND_MESSAGE || !is_gone(chain, seq)) {
            return AW_OK;
        }
    }
}

/* --- messages ------------------------------------------------------------------------------------------------------------- */

/* Messages are collected newest first; one list node a message, in scratch. */
struct collected {
    struct collected        *older;
    struct aw_stored_message message;
    struct aw_slice          source_id;
    struct aw_slice         *reasons;
    uint32_t                 reason_count;
    bool                     is_word; /* no message: only reasons */
};

struct collected_note {
    struct collected_note *older;
    struct aw_stored_note  note;
};
/* What agents wrote, newest first: notes to each other, or replies. Each list has room of its own: it pushes out no message. */
struct collected_notes {
    struct collected_note *newest;
    struct collected_note *oldest;
    uint32_t               count;
    size_t                 bytes; /* with those that there was no room for: these and older ones are left out */
};

/* A message that its customer took back: met before the message is. */
struct withdrawal {
    struct withdrawal *next;
    uint64_t           seq;
    aw_ms              at;
};

/* What a colleague decided on a reply: met before the reply is. */
struct decision {
    struct decision *next;
    uint64_t         seq;
    bool             goes;
};

struct thread_walk {
    bool                      is_erased; /* the record that erases the ticket was met: of all before it nothing is shown */
    struct decision          *decisions;
    struct withdrawal        *withdrawals;
    struct aw_journal_reader *reader;
    struct aw_arena          *scratch;
    struct aw_read_item      *item;
    struct collected         *newest;
    struct collected         *oldest;
    uint32_t                  count;
    size_t                    bytes;
    size_t                    bytes_max;
    struct collected_notes    notes;
    struct collected_notes    replies;
};

static void
append(struct thread_walk *walk, struct collected *node)
{
    if (walk->oldest == NULL)
        walk->newest = node;
    else
        walk->oldest->older = node;
    walk->oldest = node;
}

/* Fills what is kept of a message. All of it is copied: what the reader gives lasts only until its next batch or body. */
static enum aw_err
copy_message(struct thread_walk *walk, struct collected *node, const struct aw_found *found, struct aw_slice body)
{
    struct aw_command       command;
    struct aw_message_parts parts = {.reason_count = 0};
    enum aw_err             err = aw_record_read(&found->record, walk->scratch, &command, NULL);

    if (err != AW_OK)
        return err;
    note_related(walk->item, command.out.u.message.related);
    node->message.id = (struct aw_message_id){.seq = found->record.seq, .shard = found->header.shard};
    node->message.accepted_at = found->header.now;
    if (body.len > 0 && !aw_proto_message_parts(body, command.in.message.reasons_bytes, &parts))
        node->message.unreadable = true;
    node->reasons = aw_arena_take(walk->scratch, parts.reason_count * sizeof(node->reasons[0]));
    if (node->reasons == NULL || !aw_arena_copy(walk->scratch, parts.posted, &node->message.body))
        return AW_E_MEMORY;
    for (; node->reason_count < parts.reason_count; node->reason_count++) {
        if (!aw_arena_copy(walk->scratch, parts.reasons[node->reason_count], &node->reasons[node->reason_count]))
            return AW_E_MEMORY;
    }
    return AW_OK;
}

/* A person gave it its class: a reason of its own, beside those of the messages. */
static enum aw_err
collect_word(struct thread_walk *walk, const struct aw_found *found)
{
    struct aw_command command;
    struct collected *node = aw_arena_take_zeroed(walk->scratch, 1, sizeof(*node));
    char              text[AW_REASON_BYTES_MAX + 1];
    enum aw_err       err = aw_record_read(&found->record, walk->scratch, &command, NULL);

    if (err != AW_OK || command.in.ticket.class_ == AW_CLASS_NONE)
        return err;
    if (node == NULL || (node->reasons = aw_arena_take(walk->scratch, sizeof(node->reasons[0]))) == NULL)
        return AW_E_MEMORY;
    (void)snprintf(text, sizeof(text), "set to %s by %.*s", aw_class_name((enum aw_class)command.in.ticket.class_),
                   (int)command.in.ticket.by.len, command.in.ticket.by.ptr);
    if (!aw_arena_copy(walk->scratch, aw_slice_str(text), &node->reasons[0]))
        return AW_E_MEMORY;
    node->reason_count = 1;
    node->is_word = true;
    append(walk, node);
    return AW_OK;
}

static bool
is_damage(enum aw_err err)
{
    return err == AW_E_CORRUPT || err == AW_E_IO;
}

/* Where the thread ends too soon. */
static enum aw_err
collect_damaged(struct thread_walk *walk, uint64_t seq, uint8_t shard)
{
    struct collected *node = aw_arena_take_zeroed(walk->scratch, 1, sizeof(*node));

    if (node == NULL)
        return AW_E_MEMORY;
    node->message = (struct aw_stored_message){.id = {.seq = seq, .shard = shard}, .unreadable = true};
    walk->count++;
    append(walk, node);
    return AW_OK;
}

static enum aw_err
collect_withdrawal(struct thread_walk *walk, const struct aw_found *found)
{
    struct withdrawal *withdrawal = aw_arena_take_zeroed(walk->scratch, 1, sizeof(*withdrawal));
    struct aw_command  command;
    enum aw_err        err = aw_record_read(&found->record, walk->scratch, &command, NULL);

    if (err != AW_OK || withdrawal == NULL)
        return err != AW_OK ? err : AW_E_MEMORY;
    *withdrawal = (struct withdrawal){.next = walk->withdrawals, .seq = command.in.withdraw.message.seq, .at = found->header.now};
    walk->withdrawals = withdrawal;
    return AW_OK;
}

static aw_ms
withdrawn_at(const struct thread_walk *walk, uint64_t seq)
{
    const struct withdrawal *withdrawal = walk->withdrawals;

    while (withdrawal != NULL && withdrawal->seq != seq)
        withdrawal = withdrawal->next;
    return withdrawal == NULL ? 0 : withdrawal->at;
}

static enum aw_err
read_shown(struct thread_walk *walk, uint64_t seq, struct aw_slice *ret_body)
{
    return walk->is_erased ? AW_E_NOT_FOUND : aw_journal_read_body(walk->reader, seq, ret_body);
}

static enum aw_err
collect(struct thread_walk *walk, const struct aw_found *found, bool *full)
{
    struct collected *node = aw_arena_take_zeroed(walk->scratch, 1, sizeof(*node));
    struct aw_slice   body = {NULL, 0};
    enum aw_err       err;

    if (node == NULL)
        return AW_E_MEMORY;
    node->message.withdrawn_at = withdrawn_at(walk, found->record.seq);
    err = node->message.withdrawn_at != 0 ? AW_OK : read_shown(walk, found->record.seq, &body);
    node->message.erased = err == AW_E_NOT_FOUND;
    node->message.unreadable = is_damage(err);
    if (err != AW_OK && !node->message.erased && !node->message.unreadable)
        return err;
    /* The newest is always given, however large. */
    if (walk->count > 0 && walk->bytes + body.len > walk->bytes_max) {
        *full = true;
        return AW_OK;
    }
    err = copy_message(walk, node, found, body);
    if (err != AW_OK)
        return err;
    walk->bytes += body.len;
    walk->count++;
    append(walk, node);
    return AW_OK;
}

static enum aw_err
collect_decision(struct thread_walk *walk, const struct aw_command *command)
{
    struct decision *decision = aw_arena_take_zeroed(walk->scratch, 1, sizeof(*decision));

    if (decision == NULL)
        return AW_E_MEMORY;
    *decision =
        (struct decision){.next = walk->decisions, .seq = command->in.approve.reply.seq, .goes = command->in.approve.goes};
    walk->decisions = decision;
    return AW_OK;
}

static enum aw_note_fate
fate_of(const struct thread_walk *walk, uint64_t seq, const struct aw_command *command)
{
    const struct decision *decision = walk->decisions;

    if ((command->kind != AW_COMMAND_REPLY && command->kind != AW_COMMAND_COMPLETE) ||
        command->out.u.lease.reply_state != AW_REPLY_PENDING)
        return AW_NOTE_GOES;
    while (decision != NULL && decision->seq != seq)
        decision = decision->next;
    return decision == NULL ? AW_NOTE_PENDING : decision->goes ? AW_NOTE_GOES : AW_NOTE_REFUSED;
}

/* What an agent wrote, if he did. */
static enum aw_err
collect_note(struct thread_walk *walk, struct collected_notes *notes, const struct aw_found *found)
{
    struct collected_note *node;
    struct aw_command      command;
    struct aw_in_body      content;
    struct aw_slice        body = {NULL, 0};
    enum aw_err            err = aw_record_read(&found->record, walk->scratch, &command, NULL);

    if (err == AW_OK && command.kind == AW_COMMAND_APPROVE)
        err = collect_decision(walk, &command);
    if (err != AW_OK || !aw_command_body(&command, &content))
        return err;
    notes->bytes += content.len;
    if (notes->count == AW_NOTES_SHOWN_MAX || notes->bytes > AW_NOTES_BYTES_MAX)
        return AW_OK;
    err = read_shown(walk, found->record.seq, &body);
    if (err != AW_OK && err != AW_E_NOT_FOUND && !is_damage(err))
        return err;
    node = aw_arena_take_zeroed(walk->scratch, 1, sizeof(*node));
    if (node == NULL)
        return AW_E_MEMORY;
    node->note = (struct aw_stored_note){.id = {.seq = found->record.seq, .shard = found->header.shard},
                                         .written_at = found->header.now,
                                         .erased = err == AW_E_NOT_FOUND,
                                         .unreadable = is_damage(err),
                                         .fate = fate_of(walk, found->record.seq, &command)};
    if (!aw_arena_copy(walk->scratch, aw_command_by(&command), &node->note.by) ||
        !aw_arena_copy(walk->scratch, body, &node->note.body))
        return AW_E_MEMORY;
    if (notes->oldest == NULL)
        notes->newest = node;
    else
        notes->oldest->older = node;
    notes->oldest = node;
    notes->count++;
    return AW_OK;
}

/* Which list what this record tells belongs to; NULL: to none. */
static struct collected_notes *
notes_of(struct thread_walk *walk, enum aw_command_kind kind)
{
    if (kind == AW_COMMAND_REPLY || kind == AW_COMMAND_COMPLETE)
        return &walk->replies;
    if (kind == AW_COMMAND_NOTE || kind == AW_COMMAND_TRANSFER || kind == AW_COMMAND_DEFER || kind == AW_COMMAND_APPROVE)
        return &walk->notes;
    return NULL;
}

static bool
has_reason(const struct aw_slice *reasons, uint32_t count, struct aw_slice reason)
{
    for (uint32_t i = 0; i < count; i++) {
        if (aw_slice_eq(reasons[i], reason))
            return true;
    }
    return false;
}

/* Newest messages first, so that what is known latest is kept when there are more words than are shown. */
static void
give_reasons(struct thread_walk *walk, struct room *room)
{
    struct aw_read_item *item = walk->item;

    item->reasons = room_take(room, AW_REASONS_MAX * sizeof(item->reasons[0]));
    item->reason_count = 0;
    for (struct collected *node = walk->newest; node != NULL; node = node->older) {
        for (uint32_t i = 0; i < node->reason_count; i++) {
            if (item->reasons == NULL) {
                (void)room_copy(room, node->reasons[i]); /* counts: the next try brings enough */
                continue;
            }
            if (item->reason_count < AW_REASONS_MAX && !has_reason(item->reasons, item->reason_count, node->reasons[i]))
                item->reasons[item->reason_count++] = room_copy(room, node->reasons[i]);
        }
    }
}

static bool
is_same_text(struct aw_slice a, struct aw_slice b, struct aw_slice key)
{
    struct aw_slice text_a = {NULL, 0}, text_b = {NULL, 0};

    return aw_proto_body_text(a, key, &text_a) == aw_proto_body_text(b, key, &text_b) && aw_slice_eq(text_a, text_b);
}

/* Only who wrote a message can have edited it. */
static bool
is_edit_of(const struct collected *edit, struct aw_slice replaces, const struct collected *node)
{
    return aw_slice_eq(node->source_id, replaces) && is_same_text(edit->message.body, node->message.body, AW_SLICE("channel")) &&
           is_same_text(edit->message.body, node->message.body, AW_SLICE("account")) &&
           is_same_text(edit->message.body, node->message.body, AW_SLICE("customer"));
}

/* Marks what a later message of the thread says to be an edit of. */
static void
note_edits(struct thread_walk *walk)
{
    for (struct collected *node = walk->newest; node != NULL; node = node->older) {
        if (!aw_proto_body_text(node->message.body, AW_SLICE("source_id"), &node->source_id))
            node->source_id = (struct aw_slice){NULL, 0}; /* it is erased, or no message */
    }
    for (struct collected *edit = walk->newest; edit != NULL; edit = edit->older) {
        struct aw_slice   replaces = {NULL, 0};
        struct collected *node = edit->older;

        if (!aw_proto_body_text(edit->message.body, AW_SLICE("replaces"), &replaces))
            continue;
        while (node != NULL && !is_edit_of(edit, replaces, node))
            node = node->older;
        if (node != NULL && node->message.replaced_by.seq == 0)
            node->message.replaced_by = edit->message.id;
    }
}

static void
give_messages(struct thread_walk *walk, struct room *room)
{
    struct aw_read_item *item = walk->item;
    uint32_t             at = walk->count;

    item->messages = room_take(room, walk->count * sizeof(item->messages[0]));
    item->message_count = walk->count;
    for (struct collected *node = walk->newest; node != NULL; node = node->older) {
        struct aw_slice body = node->message.body.len == 0 ? (struct aw_slice){NULL, 0} : room_copy(room, node->message.body);

        if (item->messages == NULL || node->is_word)
            continue;
        item->messages[--at] = node->message;
        item->messages[at].body = body;
    }
}

/* NULL: there was no room. */
static struct aw_stored_note *
give_notes(const struct collected_notes *notes, struct room *room)
{
    struct aw_stored_note *given = room_take(room, notes->count * sizeof(given[0]));
    uint32_t               at = notes->count;

    for (struct collected_note *node = notes->newest; node != NULL; node = node->older) {
        struct aw_slice by = room_copy(room, node->note.by);
        struct aw_slice body = node->note.body.len == 0 ? (struct aw_slice){NULL, 0} : room_copy(room, node->note.body);

        if (given == NULL)
            continue;
        given[--at] = node->note;
        given[at].by = by;
        given[at].body = body;
    }
    return given;
}

static enum aw_err
read_thread(struct aw_read *read, struct aw_read_item *item, struct aw_journal_reader *reader, struct aw_arena *scratch,
            struct room *room, struct aw_found *found)
{
    struct thread_walk walk = {.reader = reader, .scratch = scratch, .item = item, .bytes_max = read->bytes_max};
    struct chain       chain = {.reader = reader, .scratch = scratch, .found = found, .item = item, .next = item->last_seq};
    bool               full = false;
    enum aw_err        err = AW_OK;

    item->related_count = 0;
    while (!full && walk.count < item->messages_max) {
        err = chain_next(&chain);
        /* The beginning of a long thread may have been trimmed: what is left is the answer. */
        if (err == AW_E_AGAIN || (err == AW_E_NOT_FOUND && walk.count > 0))
            break;
        if (err == AW_OK && found->record.kind == AW_COMMAND_MESSAGE)
            err = collect(&walk, found, &full);
        else if (err == AW_OK && found->record.kind == AW_COMMAND_WITHDRAW)
            err = collect_withdrawal(&walk, found);
        else if (err == AW_OK && found->record.kind == AW_COMMAND_ERASE)
            walk.is_erased = true;
        else if (err == AW_OK && found->record.kind == AW_COMMAND_PLACE)
            err = collect_word(&walk, found);
        else if (err == AW_OK && notes_of(&walk, found->record.kind) != NULL)
            err = collect_note(&walk, notes_of(&walk, found->record.kind), found);
        if (is_damage(err) || (err == AW_E_NOT_FOUND && item->is_open)) {
            err = collect_damaged(&walk, chain.at, read->shard);
            found->header.count = 0; /* what was read of it is nothing */
            full = true;
        }
        if (err != AW_OK)
            return err;
    }
    note_edits(&walk);
    give_messages(&walk, room);
    item->note_count = walk.notes.count;
    item->notes = give_notes(&walk.notes, room);
    item->reply_count = walk.replies.count;
    item->replies = give_notes(&walk.replies, room);
    give_reasons(&walk, room);
    return AW_OK;
}

/* --- what they tell ------------------------------------------------------------------------------------------------------- */

static bool
is_wanted(const struct aw_read_item *item, uint64_t seq)
{
    for (uint32_t i = 0; i < item->wanted_count; i++) {
        if (item->wanted[i] == seq)
            return true;
    }
    return false;
}

/* The ticket's messages, newest first. */
static enum aw_err
list_messages(struct chain *chain, uint64_t *messages, uint32_t *ret_count)
{
    enum aw_err err = AW_OK;

    *ret_count = 0;
    for (uint32_t steps = 0; (err = chain_next(chain)) == AW_OK; steps++) {
        if (steps == AW_TOLD_RECORDS_MAX)
            return AW_E_BAD_VALUE;
        if (chain->found->record.kind == AW_COMMAND_MESSAGE)
            messages[(*ret_count)++] = chain->found->record.seq;
    }
    return err == AW_E_AGAIN ? AW_OK : err;
}

static enum aw_err
find_missing(struct aw_read_item *item, const uint64_t *messages, uint32_t count)
{
    for (uint32_t i = 0; i < item->wanted_count; i++) {
        uint32_t at = 0;

        while (at < count && messages[at] != item->wanted[i])
            at++;
        if (at == count) {
            item->missing = i;
            return AW_E_NOT_FOUND;
        }
    }
    return AW_OK;
}

static enum aw_err
read_told(struct aw_read_item *item, struct aw_journal_reader *reader, struct aw_arena *scratch, struct room *room,
          struct aw_found *found)
{
    struct chain chain = {.reader = reader, .scratch = scratch, .found = found, .item = item, .next = item->last_seq};
    uint64_t    *messages = aw_arena_take(scratch, AW_TOLD_RECORDS_MAX * sizeof(messages[0]));
    uint32_t     count = 0;
    enum aw_err  err = messages == NULL ? AW_E_MEMORY : list_messages(&chain, messages, &count);

    item->taken = room_take(room, sizeof(*item->taken));
    item->left = room_take(room, sizeof(*item->left));
    item->missing = item->wanted_count;
    if (err == AW_OK)
        err = find_missing(item, messages, count);
    if (err != AW_OK || item->left == NULL)
        return err;
    *item->taken = (struct aw_telling){.told = {.messages = 0}};
    *item->left = (struct aw_telling){.told = {.messages = 0}};
    while (count-- > 0) {
        struct aw_command command;

        err = aw_find_record(reader, scratch, messages[count], found);
        if (err == AW_OK)
            err = aw_record_read(&found->record, scratch, &command, NULL);
        if (err != AW_OK)
            return err;
        if (command.out.u.message.reopened) { /* what came before was answered, as in message.c */
            item->taken->told.reply_by = 0;
            item->left->told.reply_by = 0;
        }
        aw_telling_add(is_wanted(item, messages[count]) ? item->taken : item->left, item->settings, &command.in.message,
                       messages[count], found->header.now);
    }
    (void)aw_telling_end(item->taken); /* they are reached through the item */
    (void)aw_telling_end(item->left);
    return AW_OK;
}

/* A body that is gone leaves `ret_body` empty. */
static enum aw_err
read_body(struct aw_journal_reader *reader, uint64_t seq, struct aw_slice *ret_body)
{
    enum aw_err err = aw_journal_read_body(reader, seq, ret_body);

    if (err == AW_E_NOT_FOUND || is_damage(err)) {
        *ret_body = (struct aw_slice){NULL, 0};
        return AW_OK;
    }
    return err;
}

/* They go with the text. */
static enum aw_err
read_reasons(struct aw_receipt *receipt, const struct aw_in_message *in, struct aw_found *found, struct aw_journal_reader *reader,
             struct room *room)
{
    struct aw_message_parts parts;
    struct aw_slice         body;
    struct aw_slice        *reasons;
    enum aw_err             err = read_body(reader, found->record.seq, &body);

    if (err == AW_OK)
        found->bytes_read += body.len;
    if (err != AW_OK || !aw_proto_message_parts(body, in->reasons_bytes, &parts))
        return err;
    reasons = room_take(room, parts.reason_count * sizeof(reasons[0]));
    for (uint32_t i = 0; i < parts.reason_count; i++) {
        struct aw_slice copy = room_copy(room, parts.reasons[i]);

        if (reasons != NULL)
            reasons[i] = copy;
    }
    receipt->reasons = reasons;
    receipt->reason_count = parts.reason_count;
    return AW_OK;
}

static enum aw_err
read_receipt(struct aw_read_item *item, struct aw_journal_reader *reader, struct aw_arena *scratch, struct room *room,
             struct aw_found *found)
{
    struct aw_command            command;
    const struct aw_in_message  *in = &command.in.message;
    const struct aw_out_message *out = &command.out.u.message;
    struct aw_receipt           *receipt = &item->receipt;
    enum aw_err                  err = aw_find_record(reader, scratch, item->last_seq, found);

    if (err == AW_OK && found->record.kind != AW_COMMAND_MESSAGE)
        return AW_E_NOT_FOUND;
    if (err == AW_OK)
        err = aw_record_read(&found->record, scratch, &command, NULL);
    if (err != AW_OK)
        return err;
    *receipt = (struct aw_receipt){.message = {.seq = found->record.seq, .shard = found->header.shard},
                                   .ticket = out->ticket,
                                   .related = out->related,
                                   .class_ = out->class_,
                                   .folded = out->folded,
                                   .reopened = out->reopened,
                                   .promise = out->promise,
                                   .commit = {.index = found->header.index}};
    item->lane = out->lane;
    item->lane_unknown = out->lane_unknown;
    item->body_hash = in->body_hash;
    item->posted_hash = in->posted_hash;
    if (in->reasons_bytes > 0)
        err = read_reasons(receipt, in, found, reader, room);
    return err == AW_OK ? aw_find_hash(found, &receipt->commit.hash) : err;
}

/* Walks from the newest record down to the grant. What its holder did names the lease that it ended; timer and cancel name only the
 * ticket, so there the oldest one behind the grant counts: nothing else can have been this lease's end. */
static enum aw_err
read_ending(struct aw_read_item *item, struct aw_journal_reader *reader, struct aw_arena *scratch, struct aw_found *found)
{
    uint32_t steps = 0;

    for (uint64_t seq = item->resume_seq != 0 ? item->resume_seq : item->last_seq; seq > item->fence;
         seq = found->record.prev_seq) {
        enum aw_err err;

        item->resume_seq = seq;
        if (steps++ == RECORDS_PER_STEP)
            return AW_E_AGAIN;
        err = aw_find_record(reader, scratch, seq, found);
        if (err != AW_OK)
            return err;
        if (aw_command_is_fenced(found->record.kind) && found->record.kind != AW_COMMAND_EXTEND) {
            struct aw_command command;

            err = aw_record_read(&found->record, scratch, &command, NULL);
            if (err != AW_OK)
                return err;
            if (command.in.fenced.lease.fence != item->fence || command.out.err != AW_OK)
                continue;
            item->ended_kind = command.kind;
            item->ended_seq = seq;
            item->ended_op_hash = command.in.fenced.op_hash;
            item->ended_at = found->header.now;
            item->ended_class = (enum aw_class)command.out.effect.class_;
            item->ended_lane = command.out.effect.lane;
            item->ended_kept_until = command.out.u.lease.help.kept_until;
            item->ended_held_until = command.out.u.lease.held_until;
            return AW_OK;
        }
        if (found->record.kind == AW_COMMAND_TIMER || found->record.kind == AW_COMMAND_CANCEL) {
            item->ended_kind = found->record.kind;
            item->ended_at = found->header.now;
        }
    }
    return AW_OK;
}

/* The posted text `key` of a body that may be gone. */
static struct aw_slice
posted(struct room *room, struct aw_slice body, struct aw_slice key)
{
    struct aw_slice text;

    if (!aw_proto_body_text(body, key, &text))
        return (struct aw_slice){NULL, 0};
    return room_copy(room, text);
}

/* What the message itself said is gone: the same customer's address by another one of the ticket, the newest that is there. */
static enum aw_err
find_customer(struct aw_read_item *item, struct aw_journal_reader *reader, struct aw_arena *scratch, struct room *room,
              struct aw_found *found, struct aw_hash128 customer)
{
    struct chain chain = {.reader = reader, .scratch = scratch, .found = found, .item = item, .next = item->chain_seq};
    enum aw_err  err = AW_OK;

    for (uint32_t steps = 0; err == AW_OK && item->customer.len == 0 && steps < AW_TOLD_RECORDS_MAX; steps++) {
        struct aw_command command;
        struct aw_slice   body;

        err = chain_next(&chain);
        if (err != AW_OK || found->record.kind != AW_COMMAND_MESSAGE)
            continue;
        err = aw_record_read(&found->record, scratch, &command, NULL);
        if (err != AW_OK || !aw_hash128_eq(command.in.message.identities[0], customer))
            continue;
        err = read_body(reader, found->record.seq, &body);
        if (err == AW_OK)
            item->customer = posted(room, body, AW_SLICE("customer"));
    }
    return err == AW_E_MEMORY ? err : AW_OK; /* the rest of the ticket may be gone, or damaged */
}

static enum aw_err
read_address(struct aw_read_item *item, uint64_t seq, struct aw_journal_reader *reader, struct aw_arena *scratch,
             struct room *room, struct aw_found *found)
{
    struct aw_command           command;
    const struct aw_in_message *in = &command.in.message;
    struct aw_slice             body;
    enum aw_err                 err = aw_find_record(reader, scratch, seq, found);

    if (err == AW_OK && found->record.kind != AW_COMMAND_MESSAGE)
        return AW_E_NOT_FOUND;
    if (err == AW_OK)
        err = aw_record_read(&found->record, scratch, &command, NULL);
    if (err != AW_OK)
        return err;
    item->to = (struct aw_message_id){.seq = seq, .shard = found->header.shard};
    item->to_ticket = command.out.u.message.ticket;
    item->channel = room_copy(room, in->channel);
    item->account = room_copy(room, in->account);
    item->visibility = in->visibility;
    item->addressed = in->addressed;
    err = read_body(reader, seq, &body);
    if (err != AW_OK)
        return err;
    /* Read again for more room, it may have been erased meanwhile. */
    item->customer = item->source_id = item->name = item->flights = (struct aw_slice){NULL, 0};
    if (body.len == 0 && item->chain_seq != 0)
        return find_customer(item, reader, scratch, room, found, in->identities[0]);
    item->customer = posted(room, body, AW_SLICE("customer"));
    item->source_id = posted(room, body, AW_SLICE("source_id"));
    item->name = posted(room, aw_proto_body_get(body, AW_SLICE("meta")), AW_SLICE("name"));
    item->flights = room_copy(room, aw_proto_body_get(body, AW_SLICE("flights")));
    return AW_OK;
}

static enum aw_err
read_note(struct aw_read_item *item, struct aw_journal_reader *reader, struct aw_arena *scratch, struct room *room,
          struct aw_found *found)
{
    struct aw_command command;
    struct aw_in_body content;
    struct aw_slice   body;
    enum aw_err       err = aw_find_record(reader, scratch, item->last_seq, found);

    if (err == AW_OK)
        err = aw_record_read(&found->record, scratch, &command, NULL);
    if (err != AW_OK)
        return err;
    if (!aw_command_body(&command, &content))
        return AW_E_NOT_FOUND;
    err = read_body(reader, item->last_seq, &body);
    if (err == AW_OK && body.len > 0)
        item->body = room_copy(room, body);
    return err;
}

static enum aw_err
read_reply(struct aw_read_item *item, struct aw_journal_reader *reader, struct aw_arena *scratch, struct room *room,
           struct aw_found *found)
{
    struct aw_command         command;
    const struct aw_in_reply *reply = &command.in.fenced.reply;
    struct aw_slice           body;
    enum aw_err               err = aw_find_record(reader, scratch, item->last_seq, found);

    if (err == AW_OK && found->record.kind != AW_COMMAND_REPLY && found->record.kind != AW_COMMAND_COMPLETE)
        return AW_E_NOT_FOUND;
    if (err == AW_OK)
        err = aw_record_read(&found->record, scratch, &command, NULL);
    if (err != AW_OK || !reply->is_there)
        return err != AW_OK ? err : AW_E_NOT_FOUND;
    item->written_at = found->header.now;
    item->agent = room_copy(room, command.in.fenced.agent);
    item->to = reply->to;
    item->to_ticket = reply->to_ticket;
    item->channel = room_copy(room, reply->channel);
    item->account = room_copy(room, reply->account);
    item->visibility = reply->visibility;
    err = read_body(reader, item->last_seq, &body);
    if (err != AW_OK)
        return err;
    item->customer = posted(room, body, AW_SLICE("customer"));
    item->source_id = posted(room, body, AW_SLICE("source_id"));
    body = aw_proto_body_get(body, AW_SLICE("content"));
    item->body = body.len == 0 ? body : room_copy(room, body);
    return AW_OK;
}

/* The receipt of an earlier item, when it is the same message's; NULL: there is none nearby. */
static const struct aw_read_item *
find_same(const struct aw_read *read, uint32_t at)
{
    for (uint32_t i = at > SAME_WITHIN ? at - SAME_WITHIN : 0; i < at; i++) {
        const struct aw_read_item *item = &read->items[i];

        if (item->kind == AW_READ_RECEIPT && item->last_seq == read->items[at].last_seq && item->err == AW_OK)
            return item;
    }
    return NULL;
}

static void
carry_out_receipt(struct aw_read *read, uint32_t at, struct aw_journal_reader *reader, struct aw_arena *scratch,
                  struct room *room, struct aw_found *found)
{
    const struct aw_read_item *same = find_same(read, at);

    found->bytes_read += RECEIPT_BYTES;
    if (same != NULL)
        read->items[at] = *same;
    else
        read->items[at].err = read_receipt(&read->items[at], reader, scratch, room, found);
}

static void
carry_out_item(struct aw_read *read, uint32_t at, struct aw_journal_reader *reader, struct aw_arena *scratch, struct room *room,
               struct aw_found *found)
{
    struct aw_read_item *item = &read->items[at];

    switch (item->kind) {
    case AW_READ_THREAD:
        item->err = read_thread(read, item, reader, scratch, room, found);
        return;
    case AW_READ_RECEIPT:
        carry_out_receipt(read, at, reader, scratch, room, found);
        return;
    case AW_READ_NOTE:
        item->err = read_note(item, reader, scratch, room, found);
        return;
    case AW_READ_ADDRESS:
        item->err = read_address(item, item->last_seq, reader, scratch, room, found);
        return;
    case AW_READ_REPLY:
        item->err = read_reply(item, reader, scratch, room, found);
        return;
    case AW_READ_TOLD:
        item->err = read_told(item, reader, scratch, room, found);
        return;
    case AW_READ_EVENTS:
        item->err = aw_read_events(item->events, reader, scratch, read->memory, read->room);
        return;
    case AW_READ_HISTORY:
        item->err = aw_read_history(item->history, reader, scratch, read->memory, read->room, &room->used);
        return;
    case AW_READ_ERASE:
        item->err = aw_erase_look_step(item->erase, reader, scratch, RECORDS_PER_STEP);
        return;
    case AW_READ_ENDING:
        if (item->err == AW_E_AGAIN || item->resume_seq == 0)
            item->err = read_ending(item, reader, scratch, found);
        return;
    }
    AW_UNREACHABLE();
}

/* One turn is one step: the rest of the items waits for the next one. */
static void
put_off(struct aw_read *read, uint32_t next, size_t used)
{
    read->is_unfinished = true;
    read->_next = next;
    read->_used = used;
}

void
aw_read_carry_out(struct aw_read *read, struct aw_journal_reader *reader, struct aw_arena *scratch)
{
    struct room     room = {.at = read->memory, .used = read->is_unfinished ? read->_used : 0, .room = read->room};
    struct aw_found found = {.header = {.count = 0}};
    uint32_t        first = read->is_unfinished ? read->_next : 0;

    read->is_unfinished = false;
    for (uint32_t i = first; i < read->count; i++) {
        size_t used = room.used;

        if (i > first && read->items[i].kind == AW_READ_RECEIPT && found.bytes_read >= RECEIPTS_STEP_BYTES) {
            put_off(read, i, used);
            return;
        }
        aw_found_forget(&found); /* the scratch memory is another item's by now */
        carry_out_item(read, i, reader, scratch, &room, &found);
        aw_arena_reset(scratch);
        if (read->items[i].err == AW_E_AGAIN) {
            put_off(read, i, used);
            return;
        }
    }
    read->need = room.used;
}
