/* run_eraser_test.c - proves that what journaled commands ask for is cut, all of it and nothing else, whatever comes between.
 *
 * The real state machine writes texts into a store with keys, and steps of the eraser, which has no thread here, carry out what
 * asks for an erasure. What can be read is asked of the store itself, of each text that was ever written: so what goes too much is
 * seen like what stays. Between the steps the journal is trimmed, the key file can't be replaced, the store is closed, or an older
 * one comes back. The walk is looked at alone, too, from one snapshot to the next.
 */
#include "base/hash.h"
#include "base/seal.h"
#include "commit/batch.h"
#include "commit/kept.h"
#include "commit/recover.h"
#include "core/state.h"
#include "run/eraser.h"
#include "run/read_erase.h"
#include "store/keyfile.h"
#include "support/test.h"
#include "unit/store_kit.h"

#include <stdlib.h>
#include <sys/stat.h>

#define NOW        UINT64_C(1776231000000)
#define SEQS_MAX   14000U
#define BODY_BYTES 24U
#define PIECE_MAX  4096U /* records of a snapshot, and texts of a cut */
#define STEPS_MAX  1000U

struct book {
    struct aw_journal       *journal;
    struct aw_table         *table;
    struct aw_state         *state;
    struct aw_batch          batch;
    struct aw_journal_head   head;
    struct aw_hash128        digest; /* before the batch under way */
    aw_ms                    now;
    struct aw_metrics       *metrics;
    struct aw_eraser        *eraser;
    struct aw_arena          arena;
    struct aw_blocks        *blocks;
    uint32_t                 per_batch;
    uint32_t                 count; /* in the batch under way */
    struct aw_journal_anchor anchor;
    /* By sequence number. */
    uint64_t            index_of[SEQS_MAX]; /* of its batch */
    struct aw_sha256    hash_of[SEQS_MAX];  /* of its batch */
    struct aw_ticket_id ticket_of[SEQS_MAX];
    uint64_t            customer_of[SEQS_MAX]; /* in whose ticket it is; 0: it is no text */
    char                texts[SEQS_MAX][BODY_BYTES + 1];
    bool                has_text[SEQS_MAX]; /* that nobody asked to erase, and is stored */
    char                scratch[256];
    char                folder[300];
    char                keys[300];
    char                blocker[320]; /* where the next key file is written */
};

static struct aw_state *
new_state(const struct book *book)
{
    struct aw_state_limits limits = {.tickets_max = 10000,
                                     .identities_max = 10000,
                                     .ids_max = 200000,
                                     .leases_max = 100,
                                     .lanes_max = 8,
                                     .agents_max = 20,
                                     .keys_max = 16,
                                     .facts_max = 10000,
                                     .flights_max = 16,
                                     .asides_max = 64,
                                     .replies_max = 1000,
                                     .commitments_max = 64,
                                     .contacts_max = 64,
                                     .preimage_bytes_max = 1 << 20};
    struct aw_state       *state = NULL;

    assert_int_equal(aw_state_new(&state, &limits, aw_journal_identity(book->journal)->shard, NULL), AW_OK);
    return state;
}

/* As a start does it: what the store has is replayed, and the eraser begins where the key file says. */
static void
start(struct book *book)
{
    struct aw_store_config config = KIT_CONFIG(book->folder);
    struct aw_recovery     recovery;
    struct aw_why          why = {.text = ""};

    config.keys = book->keys;
    if (aw_lmdb_open(&book->journal, &book->table, &config, &why) != AW_OK)
        fail_msg("%s", why.text);
    book->state = new_state(book);
    if (aw_recover(book->state, book->journal, book->table, NULL, &recovery, &why) != AW_OK)
        fail_msg("%s", why.text);
    book->head = recovery.head;
    assert_non_null(book->metrics = aw_metrics_new(2));
    assert_int_equal(aw_eraser_new(&book->eraser,
                                   &(struct aw_eraser_config){.journal = book->journal,
                                                              .keyring = aw_lmdb_keyring(book->journal),
                                                              .metrics = book->metrics,
                                                              .committer = aw_metrics_block(book->metrics, 0),
                                                              .block = aw_metrics_block(book->metrics, 1)},
                                   &why),
                     AW_OK);
    aw_eraser_tell(book->eraser, book->head.next_seq - 1);
}

static void
stop(struct book *book)
{
    aw_eraser_free(&book->eraser);
    aw_metrics_free(&book->metrics);
    aw_state_free(&book->state);
    aw_journal_close(&book->journal);
}

static int
setup(void **state)
{
    struct book *book = calloc(1, sizeof(*book));

    assert_non_null(book);
    assert_true(aw_hash_init());
    assert_true(aw_seal_init());
    book->now = NOW;
    book->per_batch = 1;
    book->anchor = (struct aw_journal_anchor){.next_seq = 1};
    kit_scratch(book->scratch);
    (void)snprintf(book->folder, sizeof(book->folder), "%s/store", book->scratch);
    (void)snprintf(book->keys, sizeof(book->keys), "%s/store.keys", book->scratch);
    (void)snprintf(book->blocker, sizeof(book->blocker), "%s.new", book->keys);
    assert_true(aw_batch_init(&book->batch, AW_BATCH_BYTES_DEFAULT));
    assert_non_null(book->blocks = aw_blocks_new(65536, 4 << 20));
    aw_arena_init(&book->arena, book->blocks);
    start(book);
    *state = book;
    return 0;
}

static int
teardown(void **state)
{
    struct book *book = *state;

    stop(book);
    aw_arena_reset(&book->arena);
    aw_blocks_free(&book->blocks);
    aw_batch_fini(&book->batch);
    kit_remove(book->scratch);
    free(book);
    return 0;
}

/* --- what is written ---------------------------------------------------------------------------------------------------------- */

static void
commit(struct book *book)
{
    struct aw_batch_header  header = {.shard = aw_journal_identity(book->journal)->shard,
                                      .sm_version = AW_SM_VERSION,
                                      .index = book->head.index + 1,
                                      .now = book->now,
                                      .digest_before = book->digest,
                                      .previous = book->head.hash};
    struct aw_journal_batch batch;
    struct aw_journal_done  done;

    if (book->count == 0)
        return;
    assert_true(aw_batch_close(&book->batch, &header, &book->head.hash, &batch));
    assert_int_equal(aw_journal_submit(book->journal, &batch), AW_OUTCOME_OK);
    assert_int_equal(aw_journal_flush(book->journal), AW_OUTCOME_OK);
    while (aw_journal_poll(book->journal, &done))
        assert_int_equal(done.outcome, AW_OUTCOME_OK);
    for (uint32_t i = 0; i < header.count; i++) {
        book->index_of[header.first_seq + i] = header.index;
        book->hash_of[header.first_seq + i] = book->head.hash;
    }
    book->head.index++;
    book->head.next_seq = header.first_seq + header.count;
    book->now += 1000;
    book->count = 0;
}

/* The number of the next record. */
static uint64_t
next_seq(const struct book *book)
{
    return book->head.next_seq + book->count;
}

/* Durable when its batch is full, or at the next commit. */
static void
write_one(struct book *book, struct aw_command *command)
{
    uint64_t seq = next_seq(book);

    assert_true(seq < SEQS_MAX);
    if (book->count == 0) {
        aw_batch_reset(&book->batch);
        book->digest = aw_state_digest(book->state);
        aw_state_begin(book->state, book->head.index + 1, book->now);
    }
    assert_int_equal(aw_state_apply(book->state, command), AW_OK);
    assert_true(command->out.changed);
    assert_int_equal(command->out.seq, seq);
    aw_batch_add(&book->batch, command, book->now);
    if (++book->count == book->per_batch)
        commit(book);
}

/* Of this record; the batch borrows it. */
static struct aw_slice
text_of(struct book *book, uint64_t seq)
{
    (void)snprintf(book->texts[seq], BODY_BYTES + 1, "the text of %012llu", (unsigned long long)seq);
    return aw_slice_of(book->texts[seq], BODY_BYTES);
}

/* By what he is known: where he writes, and his phone. */
static void
name(uint64_t customer, uint64_t phone, struct aw_hash128 identities[2])
{
    identities[0] = (struct aw_hash128){customer, aw_address_of((struct aw_hash128){customer, 2})};
    identities[1] = (struct aw_hash128){phone, 1};
}

/* Phone 0: none is known. */
static uint64_t
post_by(struct book *book, uint64_t customer, uint64_t phone, enum aw_addressed addressed)
{
    struct aw_hash128 identities[2];
    uint64_t          seq = next_seq(book);
    struct aw_command command = {.kind = AW_COMMAND_MESSAGE,
                                 .in.message = {.id_hash = {seq, 3},
                                                .identities = identities,
                                                .identity_count = phone != 0 ? 2 : 1,
                                                .contact = {customer, 2},
                                                .channel = AW_SLICE("web"),
                                                .account = AW_SLICE("main"),
                                                .addressed = (uint8_t)addressed,
                                                .class_ = AW_CLASS_GENERAL,
                                                .body = text_of(book, seq)}};

    name(customer, phone, identities);

    write_one(book, &command);
    book->has_text[seq] = true;
    book->customer_of[seq] = customer;
    book->ticket_of[seq] = command.out.u.message.ticket;
    return seq;
}

static uint64_t
post(struct book *book, uint64_t customer)
{
    return post_by(book, customer, 0, AW_ADDRESSED_TO_US);
}

/* The second of two messages becomes a ticket of its own. */
static void
unfold(struct book *book, uint64_t first, uint64_t second, uint64_t phone)
{
    struct aw_hash128 left[2], taken[2];
    struct aw_command command = {
        .kind = AW_COMMAND_UNFOLD,
        .in.unfold = {.on = {.ticket = book->ticket_of[first], .by = AW_SLICE("sue")},
                      .messages = &second,
                      .message_count = 1,
                      .newest_seq = second,
                      .messages_total = 2,
                      .taken = {.messages = 1, .first_seq = second, .last_seq = second, .identities = taken, .identity_count = 2},
                      .left = {.messages = 1, .first_seq = first, .last_seq = first, .identities = left, .identity_count = 2}}};

    name(book->customer_of[first], phone, left);
    name(book->customer_of[second], phone, taken);
    write_one(book, &command);
    book->ticket_of[second] = command.out.u.ticket.ticket;
}

static uint64_t
note(struct book *book, uint64_t message)
{
    uint64_t          seq = next_seq(book);
    struct aw_command command = {.kind = AW_COMMAND_NOTE,
                                 .in.note = {.on = {.ticket = book->ticket_of[message], .by = AW_SLICE("mia")},
                                             .body = {.bytes = text_of(book, seq), .len = BODY_BYTES}}};

    write_one(book, &command);
    book->has_text[seq] = true;
    book->customer_of[seq] = book->customer_of[message];
    return seq;
}

static void
withdraw(struct book *book, uint64_t message)
{
    struct aw_ticket_id ticket = book->ticket_of[message];
    struct aw_command   command = {
          .kind = AW_COMMAND_WITHDRAW,
          .in.withdraw = {.message = {.seq = message, .shard = ticket.shard}, .ticket = ticket, .by = AW_SLICE("gate")}};

    write_one(book, &command);
    book->has_text[message] = false;
}

/* All that he wrote so far, and what was written about him. */
static void
erase(struct book *book, uint64_t customer)
{
    struct aw_command command = {.kind = AW_COMMAND_ERASE,
                                 .in.erase = {.customer = {customer, 2}, .through = next_seq(book) - 1, .by = AW_SLICE("sam")}};

    for (uint64_t seq = 1; seq < next_seq(book); seq++)
        book->has_text[seq] = book->has_text[seq] && book->customer_of[seq] != customer;
    write_one(book, &command);
}

/* Closes the ticket of this message. */
static void
erase_ticket(struct book *book, uint64_t message)
{
    struct aw_command command = {.kind = AW_COMMAND_ERASE,
                                 .in.erase = {.customer = {book->customer_of[message], 2},
                                              .through = next_seq(book) - 1,
                                              .ticket = book->ticket_of[message],
                                              .by = AW_SLICE("sam")}};

    write_one(book, &command);
}

/* --- what is trimmed ---------------------------------------------------------------------------------------------------------- */

static void
keep(struct book *book, struct aw_journal_reader *reader, uint64_t seq)
{
    uint8_t                bytes[AW_KEPT_RECORD_BYTES_MAX];
    struct aw_batch_header header;
    struct aw_kept_record  record = {.index = book->index_of[seq], .hash = book->hash_of[seq]};
    struct aw_kept         kept = {.seq = seq, .owner = 1};
    struct aw_slice        batch;

    assert_int_equal(aw_journal_read_batch(reader, seq, &batch), AW_OK);
    assert_int_equal(aw_batch_header_read(batch, &header, NULL), AW_OK);
    batch = aw_slice_of(batch.ptr + AW_BATCH_HEADER_BYTES, batch.len - AW_BATCH_HEADER_BYTES);
    do {
        assert_int_equal(aw_record_next(&batch, &record.record, NULL), AW_OK);
    } while (record.record.seq != seq);
    record.now = header.now;
    record.shard = header.shard;
    kept.bytes = aw_slice_of((const char *)bytes, aw_kept_write(&record, bytes));
    assert_int_equal(aw_journal_keep(book->journal, AW_KEPT_RECORD, &kept), AW_OUTCOME_OK);
    book->anchor.kept[AW_KEPT_RECORD]++;
    if (!book->has_text[seq])
        return;
    kept.bytes = (struct aw_slice){NULL, 0};
    assert_int_equal(aw_journal_keep(book->journal, AW_KEPT_BODY, &kept), AW_OUTCOME_OK);
    book->anchor.kept[AW_KEPT_BODY]++;
}

/* The journal begins with `first_seq`, the first of its batch; of what is below, what `every` divides is kept. */
static void
trim(struct book *book, uint64_t first_seq, uint64_t every)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(book->journal);
    bool                      done = false;

    assert_non_null(reader);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    for (uint64_t seq = book->anchor.next_seq; seq < first_seq; seq++) {
        if (seq % every == 0)
            keep(book, reader, seq);
        else
            book->has_text[seq] = false;
    }
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    book->anchor.index = book->index_of[first_seq - 1];
    book->anchor.hash = book->hash_of[first_seq - 1];
    book->anchor.next_seq = book->anchor.kept_seq = book->anchor.body_seq = first_seq;
    assert_int_equal(aw_journal_set_anchor(book->journal, &book->anchor), AW_OUTCOME_OK);
    while (!done) {
        assert_int_equal(aw_journal_trim_step(book->journal, first_seq, 100, &done), AW_OK);
        assert_int_equal(aw_journal_flush(book->journal), AW_OUTCOME_OK);
    }
}

/* --- what is there ------------------------------------------------------------------------------------------------------------ */

/* All that was written is durable, and the eraser told. */
static void
tell(struct book *book)
{
    commit(book);
    aw_eraser_tell(book->eraser, book->head.next_seq - 1);
}

/* One step, which cuts no more than a piece. False: there was nothing to do. */
static bool
step(struct book *book)
{
    uint64_t before = aw_metric_sum(book->metrics, AW_METRIC_TEXTS_ERASED);
    aw_ns    rest = aw_eraser_step(book->eraser);

    assert_true(aw_metric_sum(book->metrics, AW_METRIC_TEXTS_ERASED) - before <= PIECE_MAX);
    assert_int_equal(aw_metric_sum(book->metrics, AW_METRIC_ERASURES_STUCK), 0);
    return rest != AW_NS_NEVER;
}

/* Returns how many steps there were. */
static uint32_t
settle(struct book *book)
{
    uint32_t steps = 0;

    tell(book);
    while (step(book))
        assert_true(++steps < STEPS_MAX);
    return steps;
}

/* Whether each text can be read as it should. */
static void
check_texts(struct book *book)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(book->journal);
    struct aw_slice           body;

    assert_non_null(reader);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    for (uint64_t seq = 1; seq < book->head.next_seq; seq++) {
        enum aw_err err = aw_journal_read_body(reader, seq, &body);

        if (err != (book->has_text[seq] ? AW_OK : AW_E_NOT_FOUND))
            fail_msg("text %llu: %s", (unsigned long long)seq, aw_err_name(err));
        if (err == AW_OK)
            assert_memory_equal(body.ptr, text_of(book, seq).ptr, BODY_BYTES);
    }
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
}

static uint64_t
through(const struct book *book)
{
    return aw_keyring_erased_through(aw_lmdb_keyring(book->journal));
}

/* Of how many generations the file has keys of bodies; all of their values' keys stay. */
static uint32_t
generations(const struct book *book)
{
    struct aw_keys keys;
    uint8_t        uuid[16];
    uint32_t       count = 0, last = 0;

    assert_int_equal(aw_keyfile_read(book->keys, NULL, &keys, uuid, NULL), AW_OK);
    assert_int_equal(keys.generation_count, keys.last_generation);
    for (size_t i = 0; i < keys.tree.count; i++) {
        count += keys.tree.nodes[i].generation != last;
        last = keys.tree.nodes[i].generation;
    }
    aw_keys_fini(&keys);
    return count;
}

/* --- the walk ----------------------------------------------------------------------------------------------------------------- */

/* A few records a snapshot, and between these the journal goes: each record that was there when its turn came is met, once. */
static void
test_walk_over_trims(void **state)
{
    enum { RECORDS = 90, EVERY = 3, PIECE = 2 };
    struct book              *book = *state;
    struct aw_journal_reader *reader = aw_journal_reader_new(book->journal);
    struct aw_walk            walk = {.at = 1, .until = RECORDS - 1};
    struct aw_record          record;
    uint64_t                  want = 1;
    enum aw_err               err = AW_OK;
    aw_ms                     now;

    assert_non_null(reader);
    for (uint64_t i = 0; i < RECORDS; i++)
        (void)post(book, 1 + i % 7);
    for (uint64_t first = 3; err == AW_OK; first = first + 5 < RECORDS ? first + 5 : RECORDS) {
        assert_int_equal(aw_journal_read_begin(reader), AW_OK);
        err = aw_walk_begin(&walk, reader);
        for (unsigned i = 0; i < PIECE && err == AW_OK; i++) {
            err = aw_walk_next(&walk, &record, &now);
            while (want < book->anchor.next_seq && want % EVERY != 0)
                want++;
            if (err != AW_OK)
                break;
            assert_int_equal(record.seq, want);
            assert_int_equal(record.kind, AW_COMMAND_MESSAGE);
            assert_int_equal(now, NOW + (want - 1) * 1000);
            want++;
        }
        aw_journal_read_end(reader);
        trim(book, first, EVERY);
    }
    assert_int_equal(err, AW_E_AGAIN);
    assert_true(want >= RECORDS);
    assert_true(walk.at >= RECORDS);
    aw_journal_reader_free(&reader);
}

/* --- the look ----------------------------------------------------------------------------------------------------------------- */

static void
look_through(struct book *book, struct aw_erase_look *look, uint32_t records, uint64_t trimmed_to)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(book->journal);
    enum aw_err               err = AW_E_AGAIN;

    assert_non_null(reader);
    for (uint32_t i = 0; err == AW_E_AGAIN; i++) {
        assert_true(i < STEPS_MAX);
        assert_int_equal(aw_journal_read_begin(reader), AW_OK);
        err = aw_erase_look_step(look, reader, &book->arena, records);
        aw_journal_read_end(reader);
        if (i == 10 && trimmed_to != 0)
            trim(book, trimmed_to, 1);
    }
    assert_int_equal(err, AW_OK);
    aw_arena_reset(&book->arena);
    aw_journal_reader_free(&reader);
}

/* His messages up to one record, other texts of his tickets up to the one that closed them, in pieces of any size, also when the
 * journal is trimmed under the look; counted without those that are gone. */
static void
test_look(void **state)
{
    static const uint32_t pieces[] = {1, 3, 1000};
    struct book          *book = *state;
    struct aw_erase_wish  wish = {.customer = {7, 2}};
    struct aw_erase_look  look;
    uint64_t              first, second, noted;

    for (uint64_t i = 0; i < 20; i++)
        (void)post(book, 100 + i);
    first = post(book, 7);
    (void)note(book, post(book, 8));
    second = post(book, 7);
    wish.through = second;
    noted = note(book, first);
    (void)post(book, 7);
    (void)post(book, 9);
    aw_erase_look_init(&look, &wish, 1, next_seq(book) - 1, false);
    look_through(book, &look, 7, 0);
    assert_int_equal(look.seq_count, 2); /* he wrote since, and maybe that answers it */
    aw_erase_look_fini(&look);
    withdraw(book, second);
    (void)settle(book);
    erase_ticket(book, first);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        uint64_t want[] = {first, second, noted};

        aw_erase_look_init(&look, &wish, 1, next_seq(book) - 1, false);
        look_through(book, &look, pieces[i], i == 0 ? 22 : 0);
        assert_int_equal(look.ticket_count, 1);
        assert_int_equal(look.tickets[0].id.seq, first);
        assert_int_equal(look.tickets[0].messages, 3); /* also what came behind */
        assert_int_equal(look.seq_count, 3);
        assert_memory_equal(look.seqs, want, sizeof(want));
        aw_erase_look_fini(&look);
    }
    aw_erase_look_init(&look, &wish, 1, next_seq(book) - 1, true);
    look_through(book, &look, 2, 0);
    assert_int_equal(look.messages, 1);
    assert_int_equal(look.notes, 1);
    assert_int_equal(look.replies, 0);
    assert_int_equal(look.seq_count, 0);
    aw_erase_look_fini(&look);
    wish.customer.low = 999;
    aw_erase_look_init(&look, &wish, 1, next_seq(book) - 1, false);
    look_through(book, &look, 5, 0);
    assert_int_equal(look.ticket_count + look.seq_count, 0);
    aw_erase_look_fini(&look);
}

/* --- the eraser --------------------------------------------------------------------------------------------------------------- */

/* One text, at and beside each border of the tree's nodes, then customers among them: what is beside stays. */
static void
test_neighbours(void **state)
{
    static const uint64_t numbers[] = {1, 3, 4, 15, 16, 17, 64, 100, 255, 256};
    struct book          *book = *state;

    book->per_batch = 10;
    for (uint64_t i = 1; i <= 300; i++)
        (void)post(book, i % 5 == 0 ? 5 : i);
    (void)settle(book);
    check_texts(book);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (numbers[i] == 100)
            erase(book, 5);
        else if (book->has_text[numbers[i]])
            withdraw(book, numbers[i]);
        (void)settle(book);
        assert_int_equal(through(book), book->head.next_seq - 1);
        check_texts(book);
    }
    assert_int_equal(aw_metric_sum(book->metrics, AW_METRIC_ERASED_THROUGH), through(book));
    (void)post(book, 5); /* he is new */
    (void)settle(book);
    check_texts(book);
}

/* More than a cut takes, more customers than are looked for at once, and more records than a snapshot gives: all of it goes, in
 * pieces, and once. */
static void
test_pieces(void **state)
{
    enum { MESSAGES = 5000, WISHES = 150 };
    struct book *book = *state;
    uint32_t     steps;

    book->per_batch = 250;
    for (uint64_t i = 1; i <= MESSAGES; i++)
        (void)post(book, i);
    for (uint64_t i = 1; i <= MESSAGES; i++) {
        if (i % 100 != 0)
            withdraw(book, i);
    }
    for (uint64_t i = MESSAGES + 1; i <= MESSAGES + WISHES; i++)
        (void)note(book, post(book, i));
    for (uint64_t i = MESSAGES + 1; i < MESSAGES + WISHES; i++)
        erase(book, i);
    steps = settle(book);
    assert_true(steps >= (book->head.next_seq - 1) / PIECE_MAX + WISHES / 64);
    assert_int_equal(aw_metric_sum(book->metrics, AW_METRIC_TEXTS_ERASED), MESSAGES - MESSAGES / 100 + 2 * (WISHES - 1));
    check_texts(book);
    assert_int_equal(settle(book), 0);
}

/* The journal goes while it is looked through: what was kept of it is found, with what asks for its erasure. */
static void
test_trimmed_meanwhile(void **state)
{
    enum { MESSAGES = 6000, EVERY = 10 };
    struct book *book = *state;
    bool         is_trimmed = false;

    book->per_batch = 250;
    for (uint64_t i = 1; i <= MESSAGES; i++)
        (void)post(book, i % EVERY == 0 ? 1 + i / EVERY % 2 : 10 + i % 50);
    withdraw(book, EVERY);
    erase(book, 1); /* each other one of those that are kept */
    book->per_batch = 1;
    tell(book);
    for (uint32_t i = 0; step(book); i++) {
        assert_true(i < STEPS_MAX);
        if (!is_trimmed)
            trim(book, MESSAGES - 250 + 1, EVERY);
        is_trimmed = true;
    }
    assert_true(is_trimmed);
    assert_int_equal(through(book), book->head.next_seq - 1);
    check_texts(book);
}

/* Between the record that closes his ticket and the one that asks for his texts, the record of his message is trimmed. What was
 * written in the ticket is younger, and still there; so is what was written in another one, closed for somebody else. */
static void
test_closed_then_trimmed(void **state)
{
    struct book *book = *state;
    uint64_t     his = post(book, 1), others = post(book, 2), last;

    (void)note(book, his);
    last = note(book, others);
    erase_ticket(book, his);
    erase_ticket(book, others);
    trim(book, others + 1, SEQS_MAX);
    erase(book, 1);
    (void)settle(book);
    check_texts(book);
    assert_true(book->has_text[last]);
    erase(book, 2);
    (void)settle(book);
    check_texts(book);
    assert_false(book->has_text[last]);
}

/* Nothing is cut while the file can't be replaced, and nothing is forgotten: it rests longer and longer, and what comes meanwhile
 * goes with the rest. */
static void
test_stuck(void **state)
{
    static const uint64_t rests_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
    struct book          *book = *state;
    uint64_t              before;

    for (uint64_t i = 1; i <= 40; i++)
        (void)post(book, i);
    (void)note(book, 30);
    (void)settle(book);
    before = through(book);
    (void)unlink(book->blocker); /* it may not be there */
    assert_int_equal(mkdir(book->blocker, 0700), 0);
    for (uint64_t i = 0; i < sizeof(rests_s) / sizeof(rests_s[0]); i++) {
        withdraw(book, 2 + i);
        if (i == 3)
            erase(book, 30);
        tell(book);
        for (unsigned turns = 0; aw_eraser_step(book->eraser) != (aw_ns)(rests_s[i] * AW_NS_PER_S); turns++)
            assert_true(turns < 3); /* of a customer it looks in turns, before it tries */
        assert_int_equal(aw_metric_sum(book->metrics, AW_METRIC_ERASURES_STUCK), 1);
        assert_int_equal(aw_metric_sum(book->metrics, AW_METRIC_TEXTS_ERASED), 0);
        assert_int_equal(through(book), before);
    }
    assert_int_equal(rmdir(book->blocker), 0);
    (void)aw_eraser_step(book->eraser);
    assert_int_equal(aw_metric_sum(book->metrics, AW_METRIC_ERASURES_STUCK), 0);
    (void)settle(book);
    assert_int_equal(through(book), book->head.next_seq - 1);
    check_texts(book);
}

/* What was asked for and not done is done behind the next start, from where the file says, and not again behind the one after. */
static void
test_restarts(void **state)
{
    struct book *book = *state;
    uint64_t     done;

    for (uint64_t i = 1; i <= 30; i++)
        (void)post(book, i);
    withdraw(book, 3);
    (void)settle(book);
    done = through(book);
    assert_int_equal(done, book->head.next_seq - 1);
    withdraw(book, 5);
    erase(book, 6);
    stop(book);
    start(book);
    assert_int_equal(through(book), done);
    assert_int_equal(aw_metric_sum(book->metrics, AW_METRIC_TEXTS_ERASED), 0);
    (void)settle(book);
    assert_int_equal(aw_metric_sum(book->metrics, AW_METRIC_TEXTS_ERASED), 2);
    done = through(book);
    assert_int_equal(done, book->head.next_seq - 1);
    (void)post(book, 31);
    stop(book);
    start(book);
    (void)settle(book);
    assert_int_equal(aw_metric_sum(book->metrics, AW_METRIC_TEXTS_ERASED), 0);
    assert_int_equal(through(book), done); /* nothing asked for anything: the file need not say more */
    check_texts(book);
}

static void
copy_file(const char *from, const char *to)
{
    static char bytes[65536];
    FILE       *in = fopen(from, "r"), *out = fopen(to, "w");
    size_t      len;

    assert_non_null(in);
    assert_non_null(out);
    while ((len = fread(bytes, 1, sizeof(bytes), in)) > 0)
        assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

/* An older store, under the keys of now: no text comes back, and what is asked for there under numbers that were looked at before
 * is carried out. */
static void
test_an_older_store(void **state)
{
    struct book *book = *state;
    char         data[320], older[320];

    (void)snprintf(data, sizeof(data), "%s/data.mdb", book->folder);
    (void)snprintf(older, sizeof(older), "%s/older", book->scratch);
    for (uint64_t i = 1; i <= 20; i++)
        (void)post(book, i);
    stop(book);
    copy_file(data, older);
    start(book);
    for (uint64_t i = 2; i < 8; i++)
        withdraw(book, i);
    erase(book, 9);
    (void)settle(book);
    assert_int_equal(through(book), book->head.next_seq - 1);
    stop(book);
    copy_file(older, data);
    start(book);
    assert_int_equal(book->head.next_seq, 21);
    assert_int_equal(through(book), 20);
    check_texts(book);
    withdraw(book, 12);
    erase(book, 15);
    (void)post(book, 21);
    (void)settle(book);
    assert_int_equal(through(book), book->head.next_seq - 1);
    check_texts(book);
}

/* With a cut go the keys of bodies that are stored no more, but not of what was kept. */
static void
test_floor(void **state)
{
    struct book *book = *state;

    for (unsigned round = 0; round < 5; round++) {
        for (uint64_t i = 1; i <= 20; i++)
            (void)post(book, round * 20 + i);
        stop(book);
        start(book);
    }
    withdraw(book, 50);
    withdraw(book, 60);
    (void)settle(book);
    assert_int_equal(generations(book), 6);
    trim(book, 101, 30);
    erase(book, 998); /* who never wrote */
    (void)settle(book);
    assert_int_equal(generations(book), 5); /* of 30 and behind */
    check_texts(book);
    for (uint64_t seq = 30; seq <= 90; seq += 30) {
        assert_int_equal(aw_journal_unkeep(book->journal, AW_KEPT_RECORD, seq), AW_OUTCOME_OK);
        assert_int_equal(aw_journal_unkeep(book->journal, AW_KEPT_BODY, seq), AW_OUTCOME_OK);
        book->has_text[seq] = false;
    }
    assert_int_equal(aw_journal_flush(book->journal), AW_OUTCOME_OK);
    (void)post(book, 101);
    erase(book, 999);
    (void)settle(book);
    assert_true(generations(book) <= 2);
    check_texts(book);
}

/* When all messages are trimmed, what colleagues wrote tells whose it is; but not before those whose messages left the ticket. */
static void
test_mentions(void **state)
{
    struct book *book = *state;
    uint64_t     first = post_by(book, 1, 9, AW_ADDRESSED_TO_US), second = post_by(book, 2, 9, AW_ADDRESSED_TO_US);
    uint64_t     other = post(book, 3), talk = post_by(book, 4, 0, AW_ADDRESSED_ABOUT_US), notes;

    assert_int_equal(book->ticket_of[first].seq, book->ticket_of[second].seq);
    notes = note(book, first); /* of both */
    unfold(book, first, second, 9);
    (void)note(book, first);
    (void)note(book, second);
    (void)note(book, other);
    (void)note(book, talk);
    trim(book, notes, UINT64_MAX);
    for (uint64_t customer = 2; customer <= 5; customer++) {
        erase(book, customer);
        (void)settle(book);
        check_texts(book);
    }
    assert_true(book->has_text[notes] && book->has_text[notes + 2]);
    erase(book, 1);
    (void)settle(book);
    check_texts(book);
}

/* A text that was kept outlives the record by which somebody's messages left its ticket: it tells nothing of him any more. */
static void
test_kept_mention(void **state)
{
    struct book *book = *state;
    uint64_t     first = post_by(book, 1, 9, AW_ADDRESSED_TO_US), second = post_by(book, 2, 9, AW_ADDRESSED_TO_US);
    uint64_t     text = note(book, first), last;

    unfold(book, first, second, 9);
    last = note(book, second);
    trim(book, last, text);
    assert_true(book->has_text[text] && !book->has_text[first]);
    erase(book, 2);
    (void)settle(book);
    check_texts(book);
    assert_true(book->has_text[text] && !book->has_text[last]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_walk_over_trims, setup, teardown),
        cmocka_unit_test_setup_teardown(test_look, setup, teardown),
        cmocka_unit_test_setup_teardown(test_neighbours, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trimmed_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_then_trimmed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stuck, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restarts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_older_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_floor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mentions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept_mention, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
