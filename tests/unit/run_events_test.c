/* run_events_test.c - proves that a walk over the journal as events tells each record once, in order, however it is cut into
 * pieces; that filters take what they say; that what is not there is told as a gap, and nothing else is; and the same for the
 * pages of one ticket's history.
 *
 * How: batches are written by hand into the engine in memory. Pieces of the least size that there may be are read one after the
 * other, and compared with one read of all; then the beginning is trimmed, and a record in the middle damaged.
 */
#include "commit/batch.h"
#include "model/record.h"
#include "run/read_events.h"
#include "run/read_history.h"
#include "run/reader.h"
#include "store/store.h"
#include "support/test.h"

#include <jansson.h>
#include <stdlib.h>

#define BATCHES    40U
#define PER_BATCH  50U
#define RECORDS    (BATCHES * PER_BATCH)
#define ALL_BYTES  (4U << 20)
#define NOW        UINT64_C(1776240300000)
#define TICKETS    2U
#define OTHER_LANE 3U

struct book {
    struct aw_journal *journal;
    struct aw_table   *table;
    struct aw_blocks  *blocks;
    struct aw_arena    scratch;
    char              *memory;
};

static struct aw_slice
lane_name(void *user, uint32_t lane)
{
    (void)user;
    return lane == OTHER_LANE ? AW_SLICE("dutch") : AW_SLICE("main");
}

/* Every fifth record makes a lane, the others are of tickets in turn; those of one ticket are in another lane. */
static struct aw_command
command_at(uint64_t seq)
{
    struct aw_command command = {
        .kind = AW_COMMAND_LANE, .in.lane.name = AW_SLICE("dutch"), .out = {.seq = seq, .changed = true}};
    uint64_t ticket = 1 + seq % TICKETS;

    if (seq % 5 == 0)
        return command;
    command =
        (struct aw_command){.kind = seq % 2 == 0 ? AW_COMMAND_EXTEND : AW_COMMAND_LEASE, .out = {.seq = seq, .changed = true}};
    if (command.kind == AW_COMMAND_EXTEND)
        command.in.fenced = (struct aw_in_fenced){.lease.slot = (uint32_t)ticket, .agent = AW_SLICE("ann")};
    else
        command.in.lease = (struct aw_in_lease){.slot = (uint32_t)ticket, .agent = AW_SLICE("ann")};
    command.out.effect = (struct aw_effect){.ticket_seq = ticket,
                                            .lane = ticket == 2 ? OTHER_LANE : 0,
                                            .lane_before = ticket == 2 ? OTHER_LANE : 0,
                                            .class_ = AW_CLASS_CARE,
                                            .class_before = AW_CLASS_CARE,
                                            .state = AW_TICKET_LEASED,
                                            .state_before = AW_TICKET_LEASED};
    for (command.out.prev_seq = seq - 1; command.out.prev_seq > 0; command.out.prev_seq--) {
        if (command.out.prev_seq % 5 != 0 && 1 + command.out.prev_seq % TICKETS == ticket)
            break;
    }
    return command;
}

/* `damaged`: this record gets a wrong byte; 0: none. */
static void
open_book(struct book *book, uint64_t damaged)
{
    static const struct aw_fault_plan plan;
    struct aw_batch                   batch;
    struct aw_sha256                  hash = {{0}};
    struct aw_why                     why;
    uint64_t                          seq = 1;

    assert_true(aw_hash_init());
    assert_int_equal(aw_memory_open(&book->journal, &book->table, &plan, &why), AW_OK);
    book->blocks = aw_blocks_new(65536, 4 << 20);
    book->memory = malloc(ALL_BYTES);
    assert_non_null(book->blocks);
    assert_non_null(book->memory);
    aw_arena_init(&book->scratch, book->blocks);
    assert_true(aw_batch_init(&batch, AW_BATCH_BYTES_DEFAULT));
    for (unsigned i = 0; i < BATCHES; i++) {
        struct aw_batch_header  header = {.sm_version = AW_SM_VERSION, .index = i + 1, .now = NOW + i, .previous = hash};
        struct aw_journal_batch closed;
        struct aw_journal_done  done;

        aw_batch_reset(&batch);
        for (unsigned j = 0; j < PER_BATCH; j++, seq++) {
            struct aw_command command = command_at(seq);
            uint8_t          *at = batch._bytes + batch._used;

            aw_batch_add(&batch, &command, NOW + i);
            at[AW_RECORD_HEADER_BYTES] ^= seq == damaged ? 1 : 0;
        }
        assert_true(aw_batch_close(&batch, &header, &hash, &closed));
        assert_int_equal(aw_journal_submit(book->journal, &closed), AW_OUTCOME_OK);
        assert_int_equal(aw_journal_flush(book->journal), AW_OUTCOME_OK);
        assert_true(aw_journal_poll(book->journal, &done));
    }
    aw_batch_fini(&batch);
}

static void
close_book(struct book *book)
{
    aw_arena_reset(&book->scratch);
    aw_blocks_free(&book->blocks);
    aw_journal_close(&book->journal);
    free(book->memory);
}

static void
read_piece(struct book *book, struct aw_events_read *events, char *memory, size_t room)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(book->journal);

    assert_non_null(reader);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    assert_int_equal(aw_read_events(events, reader, &book->scratch, memory, room), AW_OK);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    aw_arena_reset(&book->scratch);
}

/* All from `from` to the end, in pieces of `room`. Returns how many events. */
static uint32_t
read_all(struct book *book, struct aw_events_read *want, size_t room, size_t *ret_len)
{
    uint32_t count = 0;
    size_t   len = 0;

    want->until = RECORDS;
    for (uint64_t next = want->from; next <= want->until; next = want->next) {
        want->from = next;
        assert_true(len + room <= ALL_BYTES);
        read_piece(book, want, book->memory + len, room);
        assert_true(want->next > next || want->bytes.len == 0);
        len += want->bytes.len;
        count += want->count;
    }
    *ret_len = len;
    return count;
}

static struct aw_events_read
make_want(enum aw_media media)
{
    static const uint8_t store[16];

    return (struct aw_events_read){.source = {.store = store, .lane_name = lane_name},
                                   .filter = {.types = UINT64_MAX, .lane = AW_EVENT_LANE_ANY},
                                   .media = media,
                                   .from = 1};
}

/* The lines of NDJSON, each parsed; checks that the ids ascend by `step` from `first` (0: any way up). Returns how many. */
static uint32_t
check_lines(const char *bytes, size_t len, uint64_t first, uint64_t step, uint32_t *ret_gaps)
{
    uint32_t count = 0;
    uint64_t last = 0;

    *ret_gaps = 0;
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        json_t     *event;
        uint64_t    id;

        assert_non_null(end);
        event = json_loadb(bytes, (size_t)(end - bytes), 0, NULL);
        assert_non_null(event);
        id = strtoull(json_string_value(json_object_get(event, "id")), NULL, 10);
        if (strcmp(json_string_value(json_object_get(event, "type")), "aswolk.events.gap") == 0) {
            (*ret_gaps)++;
        } else {
            assert_true(step == 0 ? id > last : id == first + count * step);
            last = id;
            count++;
        }
        json_decref(event);
        len -= (size_t)(end + 1 - bytes);
        bytes = end + 1;
    }
    return count;
}

static void
test_pieces(void **state)
{
    static const enum aw_media medias[] = {AW_MEDIA_NDJSON, AW_MEDIA_EVENTS, AW_MEDIA_MSGPACK_SEQ};
    struct book                book;
    uint32_t                   gaps;

    (void)state;
    open_book(&book, 0);
    for (size_t i = 0; i < AW_ARRAY_LEN(medias); i++) {
        struct aw_events_read want = make_want(medias[i]), again = want;
        size_t                len, small_len;
        char                 *whole;

        assert_int_equal(read_all(&book, &want, 2U << 20, &len), RECORDS);
        whole = malloc(len);
        assert_non_null(whole);
        memcpy(whole, book.memory, len);
        assert_int_equal(read_all(&book, &again, AW_EVENTS_ROOM_MIN, &small_len), RECORDS);
        assert_int_equal(small_len, len);
        assert_memory_equal(book.memory, whole, len);
        if (medias[i] == AW_MEDIA_NDJSON)
            assert_int_equal(check_lines(whole, len, 1, 1, &gaps), RECORDS);
        free(whole);
    }
    close_book(&book);
}

static void
test_filters(void **state)
{
    struct aw_events_read want = make_want(AW_MEDIA_NDJSON);
    struct book           book;
    uint32_t              gaps, lanes = 0, of_two = 0;
    size_t                len;

    (void)state;
    open_book(&book, 0);
    for (uint64_t seq = 1; seq <= RECORDS; seq++) {
        lanes += seq % 5 == 0;
        of_two += seq % 5 != 0 && 1 + seq % TICKETS == 2;
    }
    want.filter.types = UINT64_C(1) << AW_EVENT_TYPE_LANE_SET;
    assert_int_equal(read_all(&book, &want, AW_EVENTS_ROOM_MIN, &len), lanes);
    assert_int_equal(check_lines(book.memory, len, 5, 5, &gaps), lanes);
    want = make_want(AW_MEDIA_NDJSON);
    want.filter.ticket = (struct aw_ticket_id){.seq = 2, .slot = 2};
    assert_int_equal(read_all(&book, &want, AW_EVENTS_ROOM_MIN, &len), of_two);
    want = make_want(AW_MEDIA_NDJSON);
    want.filter.lane = OTHER_LANE; /* its own records too */
    assert_int_equal(read_all(&book, &want, AW_EVENTS_ROOM_MIN, &len), of_two + lanes);
    assert_int_equal(check_lines(book.memory, len, 0, 0, &gaps), of_two + lanes);
    want = make_want(AW_MEDIA_NDJSON);
    want.from = RECORDS - 9;
    assert_int_equal(read_all(&book, &want, AW_EVENTS_ROOM_MIN, &len), 10);
    close_book(&book);
}

static void
test_trimmed(void **state)
{
    struct aw_journal_anchor anchor = {.index = 4, .next_seq = 4 * PER_BATCH + 1};
    struct aw_events_read    want = make_want(AW_MEDIA_EVENTS);
    static const char        gap[] = "id: 200\nevent: gap\ndata: {";
    struct book              book;
    size_t                   len;
    uint32_t                 gaps;
    bool                     done = false;

    (void)state;
    open_book(&book, 0);
    anchor.kept_seq = anchor.next_seq;
    anchor.body_seq = anchor.next_seq;
    assert_int_equal(aw_journal_set_anchor(book.journal, &anchor), AW_OUTCOME_OK);
    while (!done) {
        assert_int_equal(aw_journal_trim_step(book.journal, anchor.next_seq, 100, &done), AW_OK);
        assert_int_equal(aw_journal_flush(book.journal), AW_OUTCOME_OK);
    }
    assert_int_equal(read_all(&book, &want, AW_EVENTS_ROOM_MIN, &len), RECORDS - 200 + 1);
    assert_memory_equal(book.memory, gap, sizeof(gap) - 1);
    /* It is told whatever else is asked for, and only when something was asked for that is not there. */
    want = make_want(AW_MEDIA_NDJSON);
    want.from = 77;
    want.filter.types = UINT64_C(1) << AW_EVENT_TYPE_SERVER_STARTED;
    assert_int_equal(read_all(&book, &want, AW_EVENTS_ROOM_MIN, &len), 1);
    assert_int_equal(check_lines(book.memory, len, 0, 0, &gaps), 0);
    assert_int_equal(gaps, 1);
    want = make_want(AW_MEDIA_NDJSON);
    want.from = 201;
    assert_int_equal(read_all(&book, &want, AW_EVENTS_ROOM_MIN, &len), RECORDS - 200);
    close_book(&book);
}

/* Reads the page that `want` asks for, however many turns that takes; checks that its items are numbered from `first` upwards with
 * the steps of the ticket's records. Returns how many there are, the gap with them. */
static size_t
read_page(struct book *book, struct aw_history_read *want, uint64_t first, unsigned *ret_turns)
{
    struct aw_read_item    item = {.kind = AW_READ_HISTORY, .history = want};
    struct aw_read         read = {.items = &item, .count = 1, .memory = book->memory, .room = 1000};
    struct aw_history_read fresh = *want;
    json_t                *page, *event;
    size_t                 i, count;

    *ret_turns = 0;
    do {
        struct aw_journal_reader *reader = aw_journal_reader_new(book->journal);

        assert_non_null(reader);
        assert_int_equal(aw_journal_read_begin(reader), AW_OK);
        aw_read_carry_out(&read, reader, &book->scratch);
        aw_journal_read_end(reader);
        aw_journal_reader_free(&reader);
        (*ret_turns)++;
        if (read.need > read.room)
            read.room = read.need;
        else if (!read.is_unfinished)
            break;
        assert_true(read.room <= ALL_BYTES);
    } while (true);
    assert_int_equal(item.err, AW_OK);
    page = json_loadb(want->body.ptr, want->body.len, 0, NULL);
    assert_non_null(page);
    json_array_foreach(json_object_get(page, "items"), i, event)
    {
        if (strcmp(json_string_value(json_object_get(event, "type")), "aswolk.events.gap") == 0) {
            assert_int_equal(i, 0);
            continue;
        }
        assert_int_equal(strtoull(json_string_value(json_object_get(event, "id")), NULL, 10), first);
        do
            first++;
        while (first % 5 == 0 || 1 + first % TICKETS != want->ticket.seq);
    }
    count = json_array_size(json_object_get(page, "items"));
    assert_int_equal(json_is_null(json_object_get(page, "next")), want->next == 0);
    json_decref(page);
    fresh.next = want->next;
    *want = fresh;
    return count;
}

/* Down a chain that is longer than a turn, in pages; and one whose older part is gone. */
static void
test_history(void **state)
{
    static const uint8_t     store[16];
    struct aw_journal_anchor anchor = {.index = 20, .next_seq = 20 * PER_BATCH + 1};
    struct aw_history_read   want = {.source = {.store = store, .lane_name = lane_name},
                                     .ticket = {.seq = 2, .slot = 2},
                                     .last_seq = RECORDS - 1,
                                     .limit = AW_HISTORY_PAGE_MAX};
    struct book              book;
    unsigned                 turns, most = 0;
    size_t                   count, all = 0;
    bool                     done = false;

    (void)state;
    open_book(&book, 0);
    do {
        uint64_t first = want.above + 1;

        while (first % 5 == 0 || 1 + first % TICKETS != want.ticket.seq)
            first++;
        count = read_page(&book, &want, first, &turns);
        assert_in_range(count, 1, AW_HISTORY_PAGE_MAX);
        most = turns > most ? turns : most;
        all += count;
        want.above = want.next;
    } while (want.next != 0);
    assert_int_equal(all, RECORDS / 2 * 4 / 5);
    assert_true(most >= 3); /* a turn is not enough for the chain, nor the room for the page */
    anchor.kept_seq = anchor.next_seq;
    anchor.body_seq = anchor.next_seq;
    assert_int_equal(aw_journal_set_anchor(book.journal, &anchor), AW_OUTCOME_OK);
    while (!done) {
        assert_int_equal(aw_journal_trim_step(book.journal, anchor.next_seq, 100, &done), AW_OK);
        assert_int_equal(aw_journal_flush(book.journal), AW_OUTCOME_OK);
    }
    want.above = 0;
    assert_int_equal(read_page(&book, &want, 1001, &turns), AW_HISTORY_PAGE_MAX + 1);
    close_book(&book);
}

/* From the damaged record to the end of its batch. */
static void
test_damaged(void **state)
{
    struct aw_events_read want = make_want(AW_MEDIA_NDJSON);
    struct book           book;
    uint32_t              gaps;
    size_t                len;

    (void)state;
    open_book(&book, 120);
    assert_int_equal(read_all(&book, &want, AW_EVENTS_ROOM_MIN, &len), RECORDS - 31 + 1);
    assert_int_equal(check_lines(book.memory, len, 0, 0, &gaps), RECORDS - 31);
    assert_int_equal(gaps, 1);
    close_book(&book);
    open_book(&book, RECORDS); /* the very last one */
    want = make_want(AW_MEDIA_NDJSON);
    assert_int_equal(read_all(&book, &want, AW_EVENTS_ROOM_MIN, &len), RECORDS);
    assert_int_equal(check_lines(book.memory, len, 1, 1, &gaps), RECORDS - 1);
    assert_int_equal(gaps, 1);
    close_book(&book);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),  cmocka_unit_test(test_filters), cmocka_unit_test(test_trimmed),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
