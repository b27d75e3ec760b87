/* run_read_test.c - what the reader threads find: messages of a ticket, first receipts, how a lease ended.
 *
 * The real state machine writes real batches into both engines; bodies and batches are large enough to lie in pieces, so that what
 * a reader gives lasts only until its next read. Proves: every text is that of its own message; the limits by sequence, number and
 * bytes; a read whose memory is too small says how much it needs, and then finds the same; every kind of ending; and with a pool of
 * threads beside a writer, that what was durable when a read was pushed is found.
 */
#include "base/hash.h"
#include "commit/batch.h"
#include "commit/recover.h"
#include "core/state.h"
#include "run/reader.h"
#include "support/test.h"
#include "unit/read_kit.h"
#include "unit/store_kit.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define NOW        UINT64_C(1776231000000)
#define BODY_BYTES 5000U
#define ROOM       (4U << 20)

struct book {
    struct aw_journal     *journal;
    struct aw_table       *table;
    struct aw_state       *state;
    struct aw_batch        batch;
    struct aw_journal_head head;
    struct aw_hash128      digest;
    aw_ms                  now;
    char                   folder[256];
    bool                   lmdb;
    char                   body[BODY_BYTES + AW_REASONS_ENCODED_BYTES_MAX];
};

/* Of the store that is open. */
static uint8_t shard;

static void
open_book(struct book *book, bool lmdb)
{
    static const struct aw_fault_plan plan;
    struct aw_state_limits            limits = {.tickets_max = 1000,
                                                .identities_max = 1000,
                                                .ids_max = 200000,
                                                .leases_max = 100,
                                                .lanes_max = 8,
                                                .agents_max = 20,
                                                .keys_max = 16,
                                                .facts_max = 5000,
                                                .flights_max = 16,
                                                .asides_max = 64,
                                                .replies_max = 1000,
                                                .commitments_max = 64,
                                                .contacts_max = 64,
                                                .preimage_bytes_max = 1 << 20};
    struct aw_why                     why = {.text = ""};

    *book = (struct book){.now = NOW, .lmdb = lmdb, .head = {.next_seq = 1}};
    assert_true(aw_hash_init());
    if (lmdb) {
        char path[300];

        kit_scratch(book->folder);
        (void)snprintf(path, sizeof(path), "%s/store", book->folder);
        if (aw_lmdb_open(&book->journal, &book->table, &(struct aw_store_config)KIT_CONFIG(path), &why) != AW_OK)
            fail_msg("%s", why.text);
    } else {
        assert_int_equal(aw_memory_open(&book->journal, &book->table, &plan, &why), AW_OK);
    }
    assert_int_equal(aw_state_new(&book->state, &limits, aw_journal_identity(book->journal)->shard, &why), AW_OK);
    shard = aw_journal_identity(book->journal)->shard;
    assert_true(aw_batch_init(&book->batch, AW_BATCH_BYTES_DEFAULT));
}

static void
close_book(struct book *book)
{
    aw_batch_fini(&book->batch);
    aw_state_free(&book->state);
    aw_journal_close(&book->journal);
    if (book->lmdb)
        kit_remove(book->folder);
}

static void
begin(struct book *book)
{
    aw_batch_reset(&book->batch);
    book->digest = aw_state_digest(book->state);
    aw_state_begin(book->state, book->head.index + 1, book->now);
}

static enum aw_err
apply(struct book *book, struct aw_command *command)
{
    enum aw_err err = aw_state_apply(book->state, command);

    if (command->out.changed)
        aw_batch_add(&book->batch, command, book->now);
    return err;
}

static void
commit(struct book *book)
{
    const struct aw_store_identity *identity = aw_journal_identity(book->journal);
    struct aw_batch_header          header = {.shard = identity->shard,
                                              .sm_version = AW_SM_VERSION,
                                              .index = book->head.index + 1,
                                              .now = book->now,
                                              .digest_before = book->digest,
                                              .previous = book->head.hash};
    struct aw_journal_batch         batch;
    struct aw_journal_done          done;

    assert_true(aw_batch_close(&book->batch, &header, &book->head.hash, &batch));
    assert_int_equal(aw_journal_submit(book->journal, &batch), AW_OUTCOME_OK);
    assert_int_equal(aw_journal_flush(book->journal), AW_OUTCOME_OK);
    while (aw_journal_poll(book->journal, &done))
        assert_int_equal(done.outcome, AW_OUTCOME_OK);
    book->head.index++;
    book->head.next_seq = header.first_seq + header.count;
    book->now += 1000;
}

/* One command in a batch of its own. */
static enum aw_err
write_one(struct book *book, struct aw_command *command)
{
    enum aw_err err;

    begin(book);
    err = apply(book, command);
    commit(book);
    return err;
}

/* A body that tells its number in every byte. */
static struct aw_slice
body_of(struct book *book, uint64_t number, size_t len)
{
    assert_true(len <= BODY_BYTES);
    memset(book->body, (int)('a' + number % 26), len);
    (void)snprintf(book->body, 16, "%llu", (unsigned long long)number);
    return aw_slice_of(book->body, len);
}

/* Behind the body that was made last: a MessagePack list of two reasons, of which one tells the number. */
static void
add_reasons(struct book *book, uint64_t number, struct aw_in_message *in)
{
    char   word[128];
    int    len = snprintf(word, sizeof(word), "departure:%llu of %070d", (unsigned long long)number, 0);
    size_t room = sizeof(book->body) - in->body.len;

    assert_in_range(len, 70, sizeof(word) - 1);
    in->reasons_bytes = (uint32_t)snprintf(book->body + in->body.len, room, "\x92\xachint:general\xd9%c%.70s", 70, word);
    assert_in_range(in->reasons_bytes, 70, room - 1);
    in->posted_hash = number + 1;
    in->body.len += in->reasons_bytes;
}

/* Posts message `number` of `customer`; its record. `breaks`: the list of its reasons is none. */
static struct aw_out_message
post_one(struct book *book, uint64_t customer, uint64_t number, size_t body_bytes, bool breaks, uint64_t *ret_seq)
{
    struct aw_hash128    identity = {customer, 1};
    struct aw_in_message in = {.id_hash = {number, 2},
                               .identities = &identity,
                               .identity_count = 1,
                               .channel = AW_SLICE("web"),
                               .account = AW_SLICE("main"),
                               .class_ = AW_CLASS_GENERAL,
                               .body = body_of(book, number, body_bytes)};
    struct aw_command    command = {.kind = AW_COMMAND_MESSAGE};

    add_reasons(book, number, &in);
    if (breaks)
        in.reasons_bytes -= 1;
    command.in.message = in;
    assert_int_equal(write_one(book, &command), AW_OK);
    *ret_seq = command.out.seq;
    return command.out.u.message;
}

static struct aw_out_message
post(struct book *book, uint64_t customer, uint64_t number, size_t body_bytes, uint64_t *ret_seq)
{
    return post_one(book, customer, number, body_bytes, false, ret_seq);
}

static struct aw_read_item
read_item(struct book *book, struct aw_read_item want, char *memory, size_t room, size_t bytes_max, size_t *ret_need)
{
    return read_kit_item(book->journal, want, memory, room, bytes_max, ret_need);
}

static void
check_message(const struct aw_stored_message *message, uint64_t seq, uint64_t number, size_t len)
{
    char head[16];

    (void)snprintf(head, sizeof(head), "%llu", (unsigned long long)number);
    assert_int_equal(message->id.seq, seq);
    assert_int_equal(message->id.shard, shard);
    assert_false(message->erased);
    assert_int_equal(message->body.len, len);
    assert_memory_equal(message->body.ptr, head, strlen(head) + 1);
    for (size_t i = 16; i < len; i++)
        assert_int_equal(message->body.ptr[i], 'a' + number % 26);
}

static void
check_threads(bool lmdb)
{
    static char         memory[ROOM];
    struct book         book;
    uint64_t            seqs[12];
    struct aw_read_item item, want = {.kind = AW_READ_THREAD, .messages_max = 200};
    size_t              need, again;

    open_book(&book, lmdb);
    for (uint64_t i = 0; i < 12; i++) {
        uint64_t other;

        (void)post(&book, 1, i, BODY_BYTES - i, &seqs[i]);
        (void)post(&book, 2, 100 + i, 3000, &other); /* somebody else's lie between */
    }
    want.last_seq = seqs[11];
    item = read_item(&book, want, memory, ROOM, ROOM, &need);
    assert_int_equal(item.err, AW_OK);
    assert_int_equal(item.message_count, 12);
    for (uint64_t i = 0; i < 12; i++)
        check_message(&item.messages[i], seqs[i], i, BODY_BYTES - i);
    /* Reasons: those of the newest first, no word twice. */
    assert_slice(item.reasons[0], "hint:general");
    assert_memory_equal(item.reasons[1].ptr, "departure:11 of 0000", 20);
    assert_memory_equal(item.reasons[2].ptr, "departure:10 of 0000", 20);
    assert_true(item.reason_count <= AW_REASONS_MAX);
    /* Too little memory: what it says that it needs is enough. */
    for (size_t room = 0; room < need; room += 977) {
        (void)read_item(&book, want, memory, room, ROOM, &again);
        assert_true(again > room);
        assert_true(again >= need);
        item = read_item(&book, want, memory, again, ROOM, &again);
        assert_int_equal(again, need);
        for (uint64_t i = 0; i < 12; i++)
            check_message(&item.messages[i], seqs[i], i, BODY_BYTES - i);
    }
    /* Only newer ones; only so many; only so many bytes, the newest in any case. */
    want.above_seq = seqs[8];
    item = read_item(&book, want, memory, ROOM, ROOM, &need);
    assert_int_equal(item.message_count, 3);
    check_message(&item.messages[0], seqs[9], 9, BODY_BYTES - 9);
    want = (struct aw_read_item){.kind = AW_READ_THREAD, .last_seq = seqs[11], .messages_max = 2};
    item = read_item(&book, want, memory, ROOM, ROOM, &need);
    assert_int_equal(item.message_count, 2);
    check_message(&item.messages[0], seqs[10], 10, BODY_BYTES - 10);
    want.messages_max = 200;
    item = read_item(&book, want, memory, ROOM, 3 * (BODY_BYTES + AW_REASONS_ENCODED_BYTES_MAX), &need);
    assert_int_equal(item.message_count, 3);
    item = read_item(&book, want, memory, ROOM, 1, &need);
    assert_int_equal(item.message_count, 1);
    check_message(&item.messages[0], seqs[11], 11, BODY_BYTES - 11);
    want.last_seq = 1000000;
    assert_int_equal(read_item(&book, want, memory, ROOM, ROOM, &need).err, AW_E_NOT_FOUND);
    close_book(&book);
}

/* A body that is not what its record says is shown as damaged, and gives no reasons; the others of its ticket are shown. */
static void
check_broken(bool lmdb)
{
    static char         memory[ROOM];
    struct book         book;
    uint64_t            seqs[3];
    size_t              need;
    struct aw_read_item item, want = {.kind = AW_READ_THREAD, .messages_max = 200};

    open_book(&book, lmdb);
    for (uint64_t i = 0; i < 3; i++)
        (void)post_one(&book, 1, i, 100, i == 1, &seqs[i]);
    want.last_seq = seqs[2];
    item = read_item(&book, want, memory, ROOM, ROOM, &need);
    assert_int_equal(item.err, AW_OK);
    assert_int_equal(item.message_count, 3);
    check_message(&item.messages[0], seqs[0], 0, 100);
    check_message(&item.messages[2], seqs[2], 2, 100);
    assert_true(item.messages[1].unreadable);
    assert_int_equal(item.messages[1].body.len, 0);
    assert_int_equal(item.reason_count, 3);
    item = read_item(&book, (struct aw_read_item){.kind = AW_READ_RECEIPT, .last_seq = seqs[1]}, memory, ROOM, ROOM, &need);
    assert_int_equal(item.err, AW_OK);
    assert_int_equal(item.receipt.reason_count, 0);
    assert_true(item.posted_hash == 2);
    close_book(&book);
}

static void
check_receipts(bool lmdb)
{
    static char           memory[ROOM];
    struct book           book;
    struct aw_out_message first, second;
    struct aw_read_item   item;
    uint64_t              a, b;
    size_t                need;
    struct aw_command     hold = {.kind = AW_COMMAND_HOLD};

    open_book(&book, lmdb);
    first = post(&book, 1, 1, BODY_BYTES, &a);
    second = post(&book, 1, 2, 10, &b);
    item = read_item(&book, (struct aw_read_item){.kind = AW_READ_RECEIPT, .last_seq = b}, memory, ROOM, ROOM, &need);
    assert_int_equal(item.err, AW_OK);
    assert_int_equal(item.receipt.message.seq, b);
    assert_int_equal(item.receipt.ticket.seq, first.ticket.seq);
    assert_int_equal(second.ticket.seq, first.ticket.seq);
    assert_true(item.receipt.folded);
    assert_int_equal(item.receipt.reason_count, 2);
    assert_memory_equal(item.receipt.reasons[1].ptr, "departure:2 of 0000", 19);
    assert_int_equal(item.receipt.commit.index, 2);
    assert_memory_equal(&item.receipt.commit.hash, &book.head.hash, sizeof(book.head.hash));
    (void)read_item(&book, (struct aw_read_item){.kind = AW_READ_RECEIPT, .last_seq = b}, memory, 5, ROOM, &need);
    assert_true(need > 5);
    /* A record that is no message has no receipt. */
    hold.in.ticket = (struct aw_in_ticket){.ticket = first.ticket, .by = AW_SLICE("mia")};
    assert_int_equal(write_one(&book, &hold), AW_OK);
    item = read_item(&book, (struct aw_read_item){.kind = AW_READ_RECEIPT, .last_seq = hold.out.seq}, memory, ROOM, ROOM, &need);
    assert_int_equal(item.err, AW_E_NOT_FOUND);
    close_book(&book);
}

/* Reads a list as an io thread does, turn by turn. Returns how many there were. */
static uint32_t
read_list(struct book *book, struct aw_read *read)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(book->journal);
    struct aw_blocks         *blocks = aw_blocks_new(65536, 4 << 20);
    struct aw_arena           scratch;
    uint32_t                  turns = 0;

    assert_non_null(reader);
    assert_non_null(blocks);
    aw_arena_init(&scratch, blocks);
    do {
        assert_true(turns++ < 1000);
        assert_int_equal(aw_journal_read_begin(reader), AW_OK);
        aw_read_carry_out(read, reader, &scratch);
        aw_journal_read_end(reader);
    } while (read->is_unfinished);
    aw_journal_reader_free(&reader);
    aw_blocks_free(&blocks);
    return turns;
}

#define LISTED 300U

static void
check_listed(const struct aw_read_item *item, uint64_t seq, uint64_t number)
{
    char word[32];

    (void)snprintf(word, sizeof(word), "departure:%llu of 0", (unsigned long long)number);
    assert_int_equal(item->err, AW_OK);
    assert_int_equal(item->receipt.message.seq, seq);
    assert_int_equal(item->posted_hash, number + 1);
    assert_int_equal(item->receipt.reason_count, 2);
    assert_slice(item->receipt.reasons[0], "hint:general");
    assert_memory_equal(item->receipt.reasons[1].ptr, word, strlen(word));
}

/* Receipts of many messages with large bodies take many turns of a reader, as others wait behind each; also when the memory was too
 * little at first. One that is asked for again and again is read once, but many of it take turns as well. */
static void
check_list(bool lmdb)
{
    static char                memory[ROOM];
    static struct aw_read_item items[8 * LISTED];
    static uint64_t            seqs[LISTED];
    struct book                book;
    struct aw_read             read = {.items = items, .count = LISTED, .memory = memory, .room = 100};
    const uint32_t             turns = LISTED * BODY_BYTES / (256U * 1024U);
    uint64_t                   other;

    open_book(&book, lmdb);
    for (uint32_t i = 0; i < LISTED; i++) {
        struct aw_out_message first = post(&book, 1 + i % 7, i, BODY_BYTES, &seqs[i]);

        assert_true(first.ticket.seq > 0);
        items[i] = (struct aw_read_item){.kind = AW_READ_RECEIPT, .last_seq = seqs[i]};
    }
    items[7].last_seq = seqs[LISTED - 1] + 1; /* is not there */
    assert_in_range(read_list(&book, &read), turns, 2 * turns);
    assert_in_range(read.need, LISTED * 100, ROOM);
    read.room = read.need;
    assert_in_range(read_list(&book, &read), turns, 2 * turns);
    assert_int_equal(read.need, read.room);
    for (uint32_t i = 0; i < LISTED; i++) {
        if (i == 7)
            assert_int_equal(items[i].err, AW_E_NOT_FOUND);
        else
            check_listed(&items[i], seqs[i], i);
    }
    for (uint32_t i = 0; i < AW_ARRAY_LEN(items); i++)
        items[i] = (struct aw_read_item){.kind = AW_READ_RECEIPT, .last_seq = seqs[i % 2]};
    (void)post(&book, 1, LISTED, BODY_BYTES, &other);
    read = (struct aw_read){.items = items, .count = AW_ARRAY_LEN(items), .memory = memory, .room = ROOM};
    assert_int_equal(read_list(&book, &read), 3);
    for (uint32_t i = 0; i < AW_ARRAY_LEN(items); i++)
        check_listed(&items[i], seqs[i % 2], i % 2);
    assert_in_range(read.need, 1, 3000);
    close_book(&book);
}

/* What some messages tell; a message that is not the ticket's is told apart from a ticket of which nothing is left. */
static void
check_tellings(bool lmdb)
{
    static char             memory[ROOM];
    struct book             book;
    struct aw_core_settings settings = AW_CORE_SETTINGS_DEFAULT;
    uint64_t                seqs[3], other;
    uint64_t                wanted[2];
    size_t                  need;
    struct aw_read_item     item, want = {.kind = AW_READ_TOLD, .settings = &settings, .wanted = wanted, .wanted_count = 2};

    open_book(&book, lmdb);
    for (uint64_t i = 0; i < 3; i++)
        want.ticket_seq = post(&book, 1, i, 100, &seqs[i]).ticket.seq;
    (void)post(&book, 2, 100, 100, &other);
    want.last_seq = seqs[2];
    wanted[0] = seqs[0];
    wanted[1] = seqs[2];
    item = read_item(&book, want, memory, ROOM, ROOM, &need);
    assert_int_equal(item.err, AW_OK);
    assert_int_equal(item.taken->told.messages, 2);
    assert_int_equal(item.left->told.messages, 1);
    wanted[1] = other;
    item = read_item(&book, want, memory, ROOM, ROOM, &need);
    assert_int_equal(item.err, AW_E_NOT_FOUND);
    assert_int_equal(item.missing, 1);
    want.last_seq = 1000000;
    want.missing = 0; /* as an attempt before has left it */
    item = read_item(&book, want, memory, ROOM, ROOM, &need);
    assert_int_equal(item.err, AW_E_NOT_FOUND);
    assert_int_equal(item.missing, want.wanted_count);
    close_book(&book);
}

static struct aw_lease_id
lease(struct book *book, struct aw_ticket_id ticket)
{
    struct aw_command     command = {.kind = AW_COMMAND_LEASE};
    struct aw_ticket_view view;

    assert_int_equal(aw_state_ticket(book->state, ticket, &view), AW_OK);
    command.in.lease =
        (struct aw_in_lease){.slot = ticket.slot, .version = view.version, .agent = AW_SLICE("mia"), .lease_ms = 60000};
    assert_int_equal(write_one(book, &command), AW_OK);
    return command.out.u.lease.lease;
}

static enum aw_err
fenced(struct book *book, enum aw_command_kind kind, struct aw_lease_id id, uint64_t op_hash)
{
    struct aw_command command = {.kind = kind};

    command.in.fenced = (struct aw_in_fenced){.lease = id, .agent = AW_SLICE("mia"), .op_hash = op_hash, .lease_ms = 60000};
    return write_one(book, &command);
}

static uint64_t
note(struct book *book, struct aw_ticket_id ticket, uint64_t number, size_t body_bytes)
{
    struct aw_command command = {.kind = AW_COMMAND_NOTE};

    command.in.note.on = (struct aw_in_ticket){.ticket = ticket, .by = AW_SLICE("eve")};
    command.in.note.body = (struct aw_in_body){.bytes = body_of(book, number, body_bytes), .len = (uint32_t)body_bytes};
    assert_int_equal(write_one(book, &command), AW_OK);
    return command.out.seq;
}

static void
check_note(const struct aw_stored_note *got, uint64_t seq, uint64_t number, size_t len)
{
    const struct aw_stored_message message = {.id = got->id, .body = got->body, .erased = got->erased};

    assert_true(aw_slice_eq(got->by, AW_SLICE("eve")));
    assert_true(got->written_at > 0);
    check_message(&message, seq, number, len);
}

/* Notes come with the thread, in order, the last ones of them; they take no room from messages, nor these from them. */
static void
check_notes(bool lmdb)
{
    static char           memory[ROOM];
    struct book           book;
    struct aw_ticket_view view;
    struct aw_out_message opened;
    uint64_t              first, second, notes[80];
    struct aw_read_item   item, want = {.kind = AW_READ_THREAD, .messages_max = 200};
    size_t                need, again;

    open_book(&book, lmdb);
    opened = post(&book, 1, 1, 4000, &first);
    for (uint64_t i = 0; i < 40; i++)
        notes[i] = note(&book, opened.ticket, i, 100);
    (void)post(&book, 1, 2, 4000, &second);
    for (uint64_t i = 40; i < 60; i++)
        notes[i] = note(&book, opened.ticket, i, 100);
    assert_int_equal(aw_state_ticket(book.state, opened.ticket, &view), AW_OK);
    assert_int_equal(view.last_seq, notes[59]);
    want.last_seq = view.last_seq;
    want.ticket_seq = opened.ticket.seq;
    (void)read_item(&book, want, memory, 64, ROOM, &need);
    assert_in_range(need, 65, ROOM);
    item = read_item(&book, want, memory, need, ROOM, &again);
    assert_in_range(again, 65, need); /* words that both messages have are counted twice before */
    assert_int_equal(item.message_count, 2);
    check_message(&item.messages[0], first, 1, 4000);
    check_message(&item.messages[1], second, 2, 4000);
    assert_int_equal(item.note_count, AW_NOTES_SHOWN_MAX);
    for (uint32_t i = 0; i < item.note_count; i++)
        check_note(&item.notes[i], notes[10 + i], 10 + i, 100);
    /* Room for one message: all notes behind it, and those before it are not looked for. */
    item = read_item(&book, want, memory, ROOM, 5000, &need);
    assert_int_equal(item.message_count, 1);
    assert_int_equal(item.note_count, AW_NOTES_SHOWN_MAX);
    /* Long ones: as many as there is room for, then no older one, though it would fit. */
    for (uint64_t i = 60; i < 80; i++)
        notes[i] = note(&book, opened.ticket, i, BODY_BYTES);
    want.last_seq = notes[79];
    item = read_item(&book, want, memory, ROOM, ROOM, &need);
    assert_int_equal(item.note_count, AW_NOTES_BYTES_MAX / BODY_BYTES);
    for (uint32_t i = 0; i < item.note_count; i++)
        check_note(&item.notes[i], notes[80 - item.note_count + i], 80 - item.note_count + i, BODY_BYTES);
    assert_int_equal(item.message_count, 2);
    close_book(&book);
}

static void
expire(struct book *book)
{
    struct aw_command timer;

    book->now += 61000;
    begin(book);
    assert_true(aw_state_due(book->state, book->now, &timer));
    assert_int_equal(apply(book, &timer), AW_OK);
    assert_true(timer.out.changed);
    commit(book);
}

static void
check_ending(struct book *book, struct aw_ticket_id ticket, struct aw_lease_id id, unsigned kind, uint64_t op_hash)
{
    static char           memory[64];
    struct aw_ticket_view view;
    struct aw_read_item   item;
    size_t                need;

    assert_int_equal(aw_state_ticket(book->state, ticket, &view), AW_OK);
    item = read_item(book, (struct aw_read_item){.kind = AW_READ_ENDING, .last_seq = view.last_seq, .fence = id.fence}, memory,
                     sizeof(memory), ROOM, &need);
    assert_int_equal(item.err, AW_OK);
    assert_int_equal(item.ended_kind, kind);
    assert_int_equal(item.ended_op_hash, op_hash);
}

/* Follow-ups of one customer, `per_batch` in a batch. */
static void
post_many_small(struct book *book, uint64_t customer, uint64_t first, uint32_t count, uint32_t per_batch)
{
    struct aw_hash128 identity = {customer, 1};
    struct aw_command command = {.kind = AW_COMMAND_MESSAGE};
    struct aw_slice   body = AW_SLICE("b");

    for (uint32_t i = 0; i < count; i++) {
        command.in.message = (struct aw_in_message){.id_hash = {first + i, 2},
                                                    .identities = &identity,
                                                    .identity_count = 1,
                                                    .channel = AW_SLICE("web"),
                                                    .account = AW_SLICE("main"),
                                                    .class_ = AW_CLASS_GENERAL,
                                                    .body = body};
        if (i % per_batch == 0)
            begin(book);
        assert_int_equal(apply(book, &command), AW_OK);
        assert_true(command.out.changed);
        if (i % per_batch == per_batch - 1 || i == count - 1)
            commit(book);
    }
}

/* How a lease ended behind which `count` messages came: found step by step, and no step takes long. */
static void
check_long_history(bool lmdb, uint32_t count, uint32_t per_batch)
{
    struct book               book;
    struct aw_out_message     opened;
    struct aw_lease_id        released;
    struct aw_ticket_view     view;
    struct aw_read_item       item;
    struct aw_read            read = {.items = &item, .count = 1, .is_unfinished = true};
    struct aw_journal_reader *reader;
    struct aw_blocks         *blocks = aw_blocks_new(65536, 4 << 20);
    struct aw_arena           scratch;
    uint64_t                  seq, steps = 0;
    double                    slowest_ms = 0;

    open_book(&book, lmdb);
    opened = post(&book, 1, 1, 100, &seq);
    released = lease(&book, opened.ticket);
    assert_int_equal(fenced(&book, AW_COMMAND_RELEASE, released, 77), AW_OK);
    post_many_small(&book, 1, 1000, count, per_batch);
    assert_int_equal(aw_state_ticket(book.state, opened.ticket, &view), AW_OK);
    assert_int_equal(view.messages_total, count + 1);
    item = (struct aw_read_item){.kind = AW_READ_ENDING, .last_seq = view.last_seq, .fence = released.fence};
    reader = aw_journal_reader_new(book.journal);
    assert_non_null(reader);
    assert_non_null(blocks);
    aw_arena_init(&scratch, blocks);
    for (; read.is_unfinished; steps++) {
        struct timespec began, ended;
        double          took_ms;

        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
        assert_int_equal(aw_journal_read_begin(reader), AW_OK);
        aw_read_carry_out(&read, reader, &scratch);
        aw_journal_read_end(reader);
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
        took_ms = (double)(ended.tv_sec - began.tv_sec) * 1e3 + (double)(ended.tv_nsec - began.tv_nsec) / 1e6;
        slowest_ms = took_ms > slowest_ms ? took_ms : slowest_ms;
        assert_int_equal(item.err, read.is_unfinished ? AW_E_AGAIN : AW_OK);
    }
    assert_int_equal(item.ended_kind, AW_COMMAND_RELEASE);
    assert_int_equal(item.ended_op_hash, 77);
    assert_true(steps >= count / 10000);
    print_message("    %u messages, %u a batch: %llu steps, the slowest %.1f ms\n", count, per_batch, (unsigned long long)steps,
                  slowest_ms);
    assert_true(slowest_ms < 1000); /* a walk that steps over whole batches for each record takes minutes */
    aw_journal_reader_free(&reader);
    aw_blocks_free(&blocks);
    close_book(&book);
}

static void
check_endings(bool lmdb)
{
    struct book           book;
    struct aw_lease_id    released, expired, refused, last, held;
    struct aw_out_message opened;
    struct aw_command     cancel = {.kind = AW_COMMAND_CANCEL};
    uint64_t              seq;

    open_book(&book, lmdb);
    opened = post(&book, 1, 1, 100, &seq);
    released = lease(&book, opened.ticket);
    check_ending(&book, opened.ticket, released, 0, 0); /* it runs */
    assert_int_equal(fenced(&book, AW_COMMAND_EXTEND, released, 5), AW_OK);
    assert_int_equal(fenced(&book, AW_COMMAND_RELEASE, released, 77), AW_OK);
    expired = lease(&book, opened.ticket);
    expire(&book);
    refused = lease(&book, opened.ticket);
    (void)post(&book, 1, 2, 100, &seq); /* a follow-up that its holder has not seen */
    assert_int_equal(fenced(&book, AW_COMMAND_COMPLETE, refused, 88), AW_E_NEW_MESSAGES);
    check_ending(&book, opened.ticket, refused, 0, 0); /* a refused complete ends nothing */
    expire(&book);
    last = lease(&book, opened.ticket);
    assert_int_equal(fenced(&book, AW_COMMAND_COMPLETE, last, 99), AW_OK);
    check_ending(&book, opened.ticket, released, AW_COMMAND_RELEASE, 77);
    check_ending(&book, opened.ticket, expired, AW_COMMAND_TIMER, 0);
    check_ending(&book, opened.ticket, refused, AW_COMMAND_TIMER, 0);
    check_ending(&book, opened.ticket, last, AW_COMMAND_COMPLETE, 99);
    opened = post(&book, 2, 3, 100, &seq);
    held = lease(&book, opened.ticket);
    cancel.in.ticket = (struct aw_in_ticket){.ticket = opened.ticket, .by = AW_SLICE("mia")};
    assert_int_equal(write_one(&book, &cancel), AW_OK);
    check_ending(&book, opened.ticket, held, AW_COMMAND_CANCEL, 0);
    close_book(&book);
}

static void
test_threads(void **state)
{
    (void)state;
    check_threads(false);
    check_threads(true);
}

static void
test_notes(void **state)
{
    (void)state;
    check_notes(false);
    check_notes(true);
}

static void
test_receipts(void **state)
{
    (void)state;
    check_receipts(false);
    check_receipts(true);
    check_list(false);
    check_list(true);
}

static void
test_broken(void **state)
{
    (void)state;
    check_broken(false);
    check_broken(true);
}

static void
test_tellings(void **state)
{
    (void)state;
    check_tellings(false);
    check_tellings(true);
}

static void
test_a_long_history_is_read_in_steps(void **state)
{
    (void)state;
    check_long_history(true, 100000, 1000);
    check_long_history(false, 100000, 1);
}

static void
test_endings(void **state)
{
    (void)state;
    check_endings(false);
    check_endings(true);
}

/* A pool beside a writer: each read asks for the record that has just become durable, while others keep the readers' snapshots
 * busy. Through every read, its message is there. */
static void
test_pool_sees_what_is_durable(void **state)
{
    enum { READS = 600, BACK = 8 };
    struct wait_slot {
        struct aw_read      read;
        struct aw_read_item item;
        char                memory[16384];
        uint64_t            number;
        bool                out;
    };
    struct aw_readers_config config = {.threads = 2, .io_count = 1, .mailbox_slots = 64};
    struct wait_slot        *slots = calloc(BACK, sizeof(slots[0]));
    struct aw_readers       *pool;
    struct aw_wake           wake;
    struct book              book;
    struct aw_why            why = {.text = ""};
    unsigned                 out = 0, found = 0;

    (void)state;
    assert_non_null(slots);
    open_book(&book, true);
    config.journal = book.journal;
    assert_int_equal(aw_wake_init(&wake, &why), AW_OK);
    assert_int_equal(aw_readers_start(&pool, &config, &why), AW_OK);
    aw_readers_join(pool, 0, &wake);
    for (uint64_t i = 0; i < READS || out > 0;) {
        struct aw_read *back = aw_readers_pop(pool, 0);

        if (back != NULL) {
            struct wait_slot *slot = back->owner;

            assert_int_equal(slot->item.err, AW_OK);
            assert_true(back->need <= back->room);
            assert_int_equal(slot->item.message_count, 1);
            check_message(&slot->item.messages[0], slot->item.last_seq, slot->number, 4000);
            slot->out = false;
            out--;
            found++;
            continue;
        }
        if (i == READS || out == BACK) {
            (void)sched_yield(); /* fails never */
            continue;
        }
        for (unsigned k = 0; k < BACK; k++) {
            struct wait_slot *slot = &slots[k];
            uint64_t          seq;

            if (slot->out || i == READS)
                continue;
            (void)post(&book, i, i, 4000, &seq);
            slot->number = i++;
            slot->item = (struct aw_read_item){.kind = AW_READ_THREAD, .last_seq = seq, .messages_max = 200};
            slot->read = (struct aw_read){.owner = slot,
                                          .items = &slot->item,
                                          .count = 1,
                                          .memory = slot->memory,
                                          .room = sizeof(slot->memory),
                                          .bytes_max = ROOM};
            slot->out = true;
            out++;
            aw_readers_push(pool, &slot->read);
        }
    }
    assert_int_equal(found, READS);
    aw_readers_stop(&pool);
    aw_wake_fini(&wake);
    close_book(&book);
    free(slots);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_receipts),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_tellings),
        cmocka_unit_test(test_endings),
        cmocka_unit_test(test_a_long_history_is_read_in_steps),
        cmocka_unit_test(test_pool_sees_what_is_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
