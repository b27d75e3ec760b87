/* store_contract_test.c - both engines keep the contract of port/journal.h and port/table.h.
 *
 * Every test runs once against LMDB, most once more with keys, and once against the memory engine,
 * through one small table of how to open, crash and close.
 * Contents are made from their place (store_kit.h), so that a check of the whole store needs no memory of what was written.
 */
#include "store_kit.h"

struct engine {
    bool               lmdb;
    char               scratch[256];
    char               folder[300];
    char               keys[310];
    struct aw_journal *journal;
    struct aw_table   *table;
};

static void
open_lmdb(struct engine *engine)
{
    struct aw_store_config config = KIT_CONFIG(engine->folder);
    struct aw_why          why = {""};

    config.keys = engine->keys[0] == '\0' ? NULL : engine->keys;
    if (aw_lmdb_open(&engine->journal, &engine->table, &config, &why) != AW_OK)
        fail_msg("%s", why.text);
}

static int
setup_lmdb(void **state)
{
    struct engine *engine = calloc(1, sizeof(*engine));

    engine->lmdb = true;
    kit_scratch(engine->scratch);
    (void)snprintf(engine->folder, sizeof(engine->folder), "%s/store", engine->scratch);
    open_lmdb(engine);
    *state = engine;
    return 0;
}

/* The same with keys. Bodies are kept as they lie there, so tests that keep others are for stores without. */
static int
setup_sealed(void **state)
{
    struct engine *engine = calloc(1, sizeof(*engine));

    engine->lmdb = true;
    kit_scratch(engine->scratch);
    (void)snprintf(engine->folder, sizeof(engine->folder), "%s/store", engine->scratch);
    (void)snprintf(engine->keys, sizeof(engine->keys), "%s.keys", engine->folder);
    open_lmdb(engine);
    *state = engine;
    return 0;
}

static int
setup_memory(void **state)
{
    struct engine       *engine = calloc(1, sizeof(*engine));
    struct aw_fault_plan plan = {.lose_unflushed = true, .full_from_bytes = 64 * KIT_MIB};

    assert_int_equal(aw_memory_open(&engine->journal, &engine->table, &plan, NULL), AW_OK);
    *state = engine;
    return 0;
}

static int
teardown(void **state)
{
    struct engine *engine = *state;

    aw_journal_close(&engine->journal);
    assert_null(engine->journal);
    if (engine->lmdb)
        kit_remove(engine->scratch);
    free(engine);
    return 0;
}

/* What was not flushed is gone; what was is there. */
static void
reopen(struct engine *engine)
{
    struct aw_fault_plan   plan = {.lose_unflushed = true, .full_from_bytes = 64 * KIT_MIB};
    struct aw_journal_room room;

    if (engine->lmdb) {
        aw_journal_close(&engine->journal);
        open_lmdb(engine);
    } else {
        aw_memory_crash(engine->journal, &plan);
    }
    aw_journal_room(engine->journal, &room); /* before this there is none */
    assert_true(room.limit_bytes > 0);
}

static void
test_empty(void **state)
{
    struct engine            *engine = *state;
    struct aw_journal_reader *reader = aw_journal_reader_new(engine->journal);
    struct aw_journal_done    done;
    struct aw_journal_room    room;
    struct aw_slice           bytes;
    uint64_t                  seq;
    bool                      trimmed = false;

    assert_non_null(reader);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    assert_int_equal(aw_journal_read_last(reader, &seq, &bytes), AW_E_NOT_FOUND);
    assert_int_equal(aw_journal_read_next(reader, 0, &seq, &bytes), AW_E_NOT_FOUND);
    assert_int_equal(aw_journal_read_ids(reader, 0, &seq, &bytes), AW_E_NOT_FOUND);
    assert_int_equal(aw_journal_read_batch(reader, 1, &bytes), AW_E_NOT_FOUND);
    assert_int_equal(aw_journal_read_body(reader, 1, &bytes), AW_E_NOT_FOUND);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    assert_null(reader);
    aw_journal_reader_free(&reader);
    assert_false(aw_journal_poll(engine->journal, &done));
    assert_int_equal(aw_journal_flush(engine->journal), AW_OUTCOME_OK);
    assert_int_equal(aw_journal_trim_step(engine->journal, 100, 10, &trimmed), AW_OK);
    assert_true(trimmed);
    kit_check_table(engine->table, 0, 0, 0);
    aw_journal_room(engine->journal, &room);
    assert_true(room.limit_bytes > 0);
    assert_true(room.drain_bytes >= room.posts_bytes + room.reserve_bytes);
    assert_int_equal(room.limit_bytes, 64 * KIT_MIB);
    assert_int_equal(aw_journal_identity(engine->journal)->format, AW_STORE_FORMAT);
}

/* What is owed is not for posts, but for all else; and it comes back. */
static void
test_owed(void **state)
{
    struct engine         *engine = *state;
    struct aw_journal_room before, owing, all, after;

    aw_journal_room(engine->journal, &before);
    assert_true(before.posts_bytes > 10 * KIT_MIB);
    aw_journal_set_owed(engine->journal, 40 * KIT_MIB); /* more than an engine has ready by itself */
    aw_journal_room(engine->journal, &owing);
    assert_true(owing.posts_bytes > 0);
    assert_true(owing.drain_bytes >= before.drain_bytes);
    assert_true(owing.drain_bytes >= owing.posts_bytes + owing.reserve_bytes + 40 * KIT_MIB);
    assert_int_equal(owing.reserve_bytes, before.reserve_bytes);
    aw_journal_set_owed(engine->journal, 640 * KIT_MIB); /* more than there is */
    aw_journal_room(engine->journal, &all);
    assert_int_equal(all.posts_bytes, 0);
    assert_true(all.drain_bytes >= owing.drain_bytes);
    aw_journal_set_owed(engine->journal, 0);
    aw_journal_room(engine->journal, &after);
    assert_true(after.posts_bytes >= before.posts_bytes);
}

static void
test_append_and_read(void **state)
{
    struct engine           *engine = *state;
    struct kit_writer        writer = {engine->journal, 1, 1};
    struct aw_store_identity before = *aw_journal_identity(engine->journal);

    kit_append(&writer, 200);
    assert_int_equal(kit_check(engine->journal, 1), 201);
    reopen(engine);
    assert_memory_equal(aw_journal_identity(engine->journal), &before, sizeof(before));
    assert_int_equal(kit_check(engine->journal, 1), 201);
    writer.journal = engine->journal;
    kit_append(&writer, 50);
    assert_int_equal(kit_check(engine->journal, 1), 251);
}

static void
test_group(void **state)
{
    struct engine    *engine = *state;
    struct kit_writer writer = {engine->journal, 1, 1};
    uint32_t          i;

    for (i = 0; i < AW_SUBMITS_MAX; i++)
        assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
    /* Taken, not durable: no reader sees it. */
    assert_int_equal(kit_check(engine->journal, 1), 1);
    assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), AW_SUBMITS_MAX);
    assert_int_equal(kit_check(engine->journal, 1), AW_SUBMITS_MAX + 1);
}

static void
test_unflushed_is_lost(void **state)
{
    struct engine    *engine = *state;
    struct kit_writer writer = {engine->journal, 1, 1};
    struct kit_writer flushed;

    kit_append(&writer, 20);
    flushed = writer;
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
    reopen(engine);
    assert_int_equal(kit_check(engine->journal, 1), 21);
    flushed.journal = engine->journal;
    kit_append(&flushed, 3);
    assert_int_equal(kit_check(engine->journal, 1), 24);
}

static void
test_large_values(void **state)
{
    struct engine            *engine = *state;
    static const size_t       sizes[] = {1, 2009, 2010, 2011, 2022, 2023, 4031, 4032, 4033, 131072, AW_JOURNAL_VALUE_BYTES_MAX};
    struct aw_journal_reader *reader = aw_journal_reader_new(engine->journal);
    char                     *bytes = malloc(AW_JOURNAL_VALUE_BYTES_MAX);
    struct aw_slice           got;
    size_t                    i;

    for (i = 0; i < AW_ARRAY_LEN(sizes); i++) {
        struct aw_journal_body  body = {.seq = i + 1, .bytes = aw_slice_of(bytes, sizes[i])};
        struct aw_journal_batch batch = {.index = i + 1,
                                         .first_seq = i + 1,
                                         .count = 1,
                                         .bytes = aw_slice_of(bytes, sizes[i]),
                                         .bodies = &body,
                                         .body_count = 1};

        kit_fill(bytes, sizes[i], 'x', i);
        assert_int_equal(aw_journal_submit(engine->journal, &batch), AW_OUTCOME_OK);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 1);
    }
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    for (i = 0; i < AW_ARRAY_LEN(sizes); i++) {
        struct aw_slice body;

        /* A batch and a body are held side by side. */
        assert_int_equal(aw_journal_read_batch(reader, i + 1, &got), AW_OK);
        assert_int_equal(aw_journal_read_body(reader, i + 1, &body), AW_OK);
        assert_int_equal(got.len, sizes[i]);
        assert_int_equal(body.len, sizes[i]);
        assert_true(kit_is_filled(got, 'x', i));
        assert_true(kit_is_filled(body, 'x', i));
    }
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    free(bytes);
}

/* An empty body is not the same as none. */
static void
test_empty_body(void **state)
{
    struct engine          *engine = *state;
    struct aw_journal_body  body = {.seq = 2, .bytes = {NULL, 0}};
    struct aw_journal_batch batch = {
        .index = 1, .first_seq = 1, .count = 3, .bytes = AW_SLICE("batch"), .bodies = &body, .body_count = 1};
    struct aw_journal_reader *reader = aw_journal_reader_new(engine->journal);
    struct aw_slice           got;
    uint64_t                  at;

    assert_int_equal(aw_journal_submit(engine->journal, &batch), AW_OUTCOME_OK);
    assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 1);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    assert_int_equal(aw_journal_read_body(reader, 1, &got), AW_E_NOT_FOUND);
    assert_int_equal(aw_journal_read_body(reader, 2, &got), AW_OK);
    assert_int_equal(got.len, 0);
    assert_int_equal(aw_journal_read_body(reader, 3, &got), AW_E_NOT_FOUND);
    assert_int_equal(aw_journal_find_body(reader, 0, &at), AW_OK);
    assert_int_equal(at, 2);
    assert_int_equal(aw_journal_find_body(reader, 2, &at), AW_OK);
    assert_int_equal(at, 2);
    assert_int_equal(aw_journal_find_body(reader, 3, &at), AW_E_NOT_FOUND);
    assert_int_equal(aw_journal_find_batch(reader, 0, &at), AW_OK);
    assert_int_equal(at, 1);
    assert_int_equal(aw_journal_find_batch(reader, 1, &at), AW_OK);
    assert_int_equal(at, 1);
    assert_int_equal(aw_journal_find_batch(reader, 2, &at), AW_E_NOT_FOUND);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
}

static void
test_snapshot(void **state)
{
    struct engine            *engine = *state;
    struct kit_writer         writer = {engine->journal, 1, 1};
    struct aw_journal_reader *reader = aw_journal_reader_new(engine->journal);
    struct aw_slice           bytes;
    uint64_t                  seq;
    bool                      done = false;
    int                       i;

    kit_append(&writer, 30);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    kit_append(&writer, 60);
    for (i = 0; !done && i < 100; i++) {
        assert_int_equal(aw_journal_trim_step(engine->journal, kit_first_seq(60), 50, &done), AW_OK);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
    }
    assert_true(done);
    kit_append(&writer, 60);
    /* The snapshot is of before all that. */
    assert_int_equal(aw_journal_read_last(reader, &seq, &bytes), AW_OK);
    assert_int_equal(seq, kit_first_seq(30));
    for (i = 1; i <= 30; i++) {
        assert_int_equal(aw_journal_read_next(reader, kit_first_seq((uint64_t)i), &seq, &bytes), AW_OK);
        kit_check_batch(reader, (uint64_t)i, seq, bytes);
    }
    assert_int_equal(aw_journal_read_batch(reader, kit_first_seq(31), &bytes), AW_E_NOT_FOUND);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    assert_int_equal(kit_check(engine->journal, 60), 151);
}

static void
test_trim(void **state)
{
    struct engine    *engine = *state;
    struct kit_writer writer = {engine->journal, 1, 1};
    uint64_t          cut = kit_first_seq(150);
    bool              done = false;
    uint32_t          steps = 0;

    kit_append(&writer, 200);
    while (!done) {
        assert_int_equal(aw_journal_trim_step(engine->journal, cut, 8, &done), AW_OK);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
        assert_true(++steps < 1000);
    }
    assert_true(steps > 3); /* it was in steps */
    assert_int_equal(kit_check(engine->journal, 150), 201);
    reopen(engine);
    writer.journal = engine->journal;
    assert_int_equal(kit_check(engine->journal, 150), 201);
    kit_append(&writer, 10);
    /* In the middle of a batch: the whole batch stays. */
    done = false;
    while (!done) {
        assert_int_equal(aw_journal_trim_step(engine->journal, kit_first_seq(180) - 1, 100, &done), AW_OK);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
    }
    assert_true(kit_shape(179).count > 1);
    assert_int_equal(kit_check(engine->journal, 179), 211);
    /* All of it: the newest stays, and so the sequence goes on. */
    done = false;
    while (!done) {
        assert_int_equal(aw_journal_trim_step(engine->journal, UINT64_MAX, 100, &done), AW_OK);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
    }
    assert_int_equal(kit_check(engine->journal, 210), 211);
    reopen(engine);
    writer.journal = engine->journal;
    kit_append(&writer, 10);
    assert_int_equal(kit_check(engine->journal, 210), 221);
}

static void
write_generation(struct engine *engine, uint64_t round, uint32_t tables, uint32_t per_table)
{
    uint32_t table;
    uint32_t chunk;

    for (table = 0; table < tables; table++) {
        for (chunk = 0; chunk < per_table; chunk++)
            assert_int_equal(kit_put_chunk(engine->table, round, table, chunk), AW_OUTCOME_OK);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
    }
}

static void
test_generations(void **state)
{
    struct engine            *engine = *state;
    struct aw_checkpoint_mark mark;
    uint64_t                  round;

    for (round = 1; round <= 6; round++) {
        write_generation(engine, round, 4, 20);
        kit_check_table(engine->table, round - 1, 4, 20);
        mark = kit_mark(round, 80);
        assert_int_equal(aw_table_mark(engine->table, &mark), AW_OUTCOME_OK);
        kit_check_table(engine->table, round - 1, 4, 20);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
        kit_check_table(engine->table, round, 4, 20);
        if (round % 2 == 0)
            reopen(engine);
        kit_check_table(engine->table, round, 4, 20);
        kit_drop_all(engine->journal, engine->table, 7);
        kit_check_table(engine->table, round, 4, 20);
    }
}

static void
test_generation_lost(void **state)
{
    struct engine            *engine = *state;
    struct aw_checkpoint_mark mark = kit_mark(1, 40);

    /* A crash before any mark. */
    write_generation(engine, 9, 2, 10);
    reopen(engine);
    kit_check_table(engine->table, 0, 0, 0);
    assert_int_equal(aw_table_abandon(engine->table), AW_OUTCOME_OK);
    kit_drop_all(engine->journal, engine->table, 100);
    write_generation(engine, 1, 4, 10);
    assert_int_equal(aw_table_mark(engine->table, &mark), AW_OUTCOME_OK);
    assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
    /* A mark that was put, but not flushed. */
    write_generation(engine, 2, 4, 10);
    mark = kit_mark(2, 40);
    assert_int_equal(aw_table_mark(engine->table, &mark), AW_OUTCOME_OK);
    reopen(engine);
    kit_check_table(engine->table, 1, 4, 10);
    assert_int_equal(aw_table_abandon(engine->table), AW_OUTCOME_OK);
    kit_drop_all(engine->journal, engine->table, 3);
    /* Given up half-way, without a crash. */
    write_generation(engine, 3, 2, 10);
    assert_int_equal(aw_table_abandon(engine->table), AW_OUTCOME_OK);
    kit_drop_all(engine->journal, engine->table, 3);
    kit_check_table(engine->table, 1, 4, 10);
    write_generation(engine, 4, 1, 10);
    mark = kit_mark(4, 10);
    assert_int_equal(aw_table_mark(engine->table, &mark), AW_OUTCOME_OK);
    assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
    kit_check_table(engine->table, 4, 1, 10);
}

/* A mark without chunks: the state was empty. */
static void
test_generation_empty(void **state)
{
    struct engine            *engine = *state;
    struct aw_checkpoint_mark mark = kit_mark(1, 0);

    assert_int_equal(aw_table_mark(engine->table, &mark), AW_OUTCOME_OK);
    assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
    reopen(engine);
    kit_check_table(engine->table, 1, 0, 1);
}

/* Journal, rows and a trim in one flush: all or nothing. */
static void
test_one_unit(void **state)
{
    struct engine            *engine = *state;
    struct kit_writer         writer = {engine->journal, 1, 1};
    struct aw_checkpoint_mark mark = kit_mark(1, 1);
    bool                      done;

    kit_append(&writer, 40);
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
    assert_int_equal(kit_put_chunk(engine->table, 1, 0, 0), AW_OUTCOME_OK);
    assert_int_equal(aw_table_mark(engine->table, &mark), AW_OUTCOME_OK);
    assert_int_equal(aw_journal_trim_step(engine->journal, kit_first_seq(5), 300, &done), AW_OK);
    reopen(engine);
    assert_int_equal(kit_check(engine->journal, 1), 41);
    kit_check_table(engine->table, 0, 0, 0);
    writer = (struct kit_writer){engine->journal, 41, kit_first_seq(41)};
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
    assert_int_equal(kit_put_chunk(engine->table, 1, 0, 0), AW_OUTCOME_OK);
    assert_int_equal(aw_table_mark(engine->table, &mark), AW_OUTCOME_OK);
    assert_int_equal(aw_journal_trim_step(engine->journal, kit_first_seq(5), 300, &done), AW_OK);
    assert_true(done);
    assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 1);
    reopen(engine);
    assert_int_equal(kit_check(engine->journal, 5), 42);
    kit_check_table(engine->table, 1, 1, 1);
}

/* --- what outlives its batch -------------------------------------------------------------------------------------------------- */

static enum aw_outcome
keep(struct engine *engine, enum aw_kept_kind kind, uint64_t seq, size_t len)
{
    char           *bytes = malloc(len + 1);
    struct aw_kept  kept = {.seq = seq, .owner = (uint32_t)seq * 3, .bytes = aw_slice_of(bytes, len)};
    enum aw_outcome outcome;

    kit_fill(bytes, len, kind == AW_KEPT_RECORD ? 'k' : 'K', seq);
    outcome = aw_journal_keep(engine->journal, kind, &kept);
    free(bytes);
    return outcome;
}

static size_t
kept_bytes(uint64_t seq)
{
    return seq % 10 == 0 ? 20000 + seq : 30 + seq % 400;
}

/* Exactly those of 1 to `end` are there that `is_there` says, in order, each as it was kept. */
static void
check_kept(struct aw_journal_reader *reader, enum aw_kept_kind kind, uint64_t end, bool (*is_there)(uint64_t seq))
{
    struct aw_kept kept;
    uint64_t       from = 0;

    for (uint64_t seq = 1; seq <= end; seq++) {
        assert_int_equal(aw_journal_read_kept(reader, kind, seq, &kept), is_there(seq) ? AW_OK : AW_E_NOT_FOUND);
        if (!is_there(seq))
            continue;
        assert_int_equal(kept.seq, seq);
        assert_int_equal(kept.owner, (uint32_t)seq * 3);
        assert_int_equal(kept.bytes.len, kept_bytes(seq));
        assert_true(kit_is_filled(kept.bytes, kind == AW_KEPT_RECORD ? 'k' : 'K', seq));
        assert_int_equal(aw_journal_find_kept(reader, kind, from, &kept), AW_OK);
        assert_int_equal(kept.seq, seq);
        assert_int_equal(kept.owner, (uint32_t)seq * 3);
        from = seq + 1;
    }
    assert_int_equal(aw_journal_find_kept(reader, kind, from, &kept), AW_E_NOT_FOUND);
}

static void
check_kept_now(struct engine *engine, uint64_t end, bool (*is_there)(uint64_t seq))
{
    struct aw_journal_reader *reader = aw_journal_reader_new(engine->journal);

    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    check_kept(reader, AW_KEPT_RECORD, end, is_there);
    check_kept(reader, AW_KEPT_BODY, end, is_there);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
}

static bool
all(uint64_t seq)
{
    return seq % 2 == 0;
}

static bool
all_to_400(uint64_t seq)
{
    return all(seq) && seq <= 400;
}

static bool
is_500(uint64_t seq)
{
    return seq == 500;
}

static bool
most(uint64_t seq)
{
    return all(seq) && seq % 3 != 0;
}

static bool
none(uint64_t seq)
{
    (void)seq;
    return false;
}

static void
keep_all(struct engine *engine, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        if (!all(seq))
            continue;
        assert_int_equal(keep(engine, AW_KEPT_RECORD, seq, kept_bytes(seq)), AW_OUTCOME_OK);
        assert_int_equal(keep(engine, AW_KEPT_BODY, seq, kept_bytes(seq)), AW_OUTCOME_OK);
        if (seq % 40 == 0)
            (void)kit_flush(engine->journal, AW_OUTCOME_OK);
    }
    (void)kit_flush(engine->journal, AW_OUTCOME_OK);
}

/* Deletes what `stays` does not say, as many a flush as the engine takes. */
static void
unkeep_all(struct engine *engine, uint64_t end, bool (*stays)(uint64_t seq))
{
    for (uint64_t seq = 1; seq <= end; seq++) {
        for (unsigned kind = 0; kind < AW_KEPT_KINDS && !stays(seq); kind++) {
            enum aw_outcome outcome = aw_journal_unkeep(engine->journal, (enum aw_kept_kind)kind, seq);

            if (outcome == AW_OUTCOME_FULL) {
                (void)kit_flush(engine->journal, AW_OUTCOME_OK);
                outcome = aw_journal_unkeep(engine->journal, (enum aw_kept_kind)kind, seq);
            }
            assert_int_equal(outcome, AW_OUTCOME_OK); /* one that is not there is none to delete */
        }
    }
}

static void
test_kept(void **state)
{
    struct engine            *engine = *state;
    struct aw_journal_reader *reader = aw_journal_reader_new(engine->journal);
    struct aw_journal_room    full, empty;

    keep_all(engine, 1, 400);
    check_kept_now(engine, 400, all);
    /* Not flushed: nobody sees it, and a crash forgets it. */
    assert_int_equal(keep(engine, AW_KEPT_RECORD, 402, kept_bytes(402)), AW_OUTCOME_OK);
    assert_int_equal(aw_journal_unkeep(engine->journal, AW_KEPT_RECORD, 2), AW_OUTCOME_OK);
    check_kept_now(engine, 402, all_to_400);
    aw_journal_reader_free(&reader);
    reopen(engine);
    check_kept_now(engine, 402, all_to_400);
    /* A snapshot sees what was there when it began. */
    reader = aw_journal_reader_new(engine->journal);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    unkeep_all(engine, 400, most);
    (void)kit_flush(engine->journal, AW_OUTCOME_OK);
    check_kept(reader, AW_KEPT_RECORD, 400, all);
    check_kept(reader, AW_KEPT_BODY, 400, all);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    check_kept_now(engine, 400, most);
    reopen(engine);
    check_kept_now(engine, 400, most);
    aw_journal_room(engine->journal, &full);
    unkeep_all(engine, 400, none);
    (void)kit_flush(engine->journal, AW_OUTCOME_OK);
    check_kept_now(engine, 400, none);
    aw_journal_room(engine->journal, &empty);
    assert_true(empty.used_bytes + 1000000 < full.used_bytes);
    /* And it goes on behind. */
    assert_int_equal(keep(engine, AW_KEPT_RECORD, 500, kept_bytes(500)), AW_OUTCOME_OK);
    (void)kit_flush(engine->journal, AW_OUTCOME_OK);
    reopen(engine);
    reader = aw_journal_reader_new(engine->journal);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    check_kept(reader, AW_KEPT_RECORD, 500, is_500);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
}

/* A body is found by the same call when its tree has lost it. */
static void
test_kept_body_is_a_body(void **state)
{
    struct engine            *engine = *state;
    struct kit_writer         writer = {engine->journal, 1, 1};
    struct aw_journal_reader *reader;
    struct aw_slice           bytes;
    uint64_t                  seq = kit_first_seq(3);
    bool                      done = false;

    kit_append(&writer, 20);
    assert_int_equal(keep(engine, AW_KEPT_BODY, seq, 50), AW_OUTCOME_OK);
    while (!done) {
        assert_int_equal(aw_journal_trim_bodies_step(engine->journal, kit_first_seq(10), 300, &done), AW_OK);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
    }
    reader = aw_journal_reader_new(engine->journal);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    assert_int_equal(aw_journal_read_body(reader, seq, &bytes), AW_OK);
    assert_true(kit_is_filled(bytes, 'K', seq));
    assert_int_equal(aw_journal_read_body(reader, kit_first_seq(4), &bytes), AW_E_NOT_FOUND);
    assert_int_equal(aw_journal_read_batch(reader, seq, &bytes), AW_OK); /* batches and ids stay */
    assert_int_equal(aw_journal_read_ids(reader, 1, &seq, &bytes), AW_OK);
    assert_int_equal(seq, 1);
    for (uint64_t index = 10; index <= 20; index++) { /* what lies behind has its bodies */
        assert_int_equal(aw_journal_read_next(reader, kit_first_seq(index), &seq, &bytes), AW_OK);
        kit_check_batch(reader, index, seq, bytes);
    }
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
}

static void
check_anchor(struct engine *engine, const struct aw_journal_anchor *want)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(engine->journal);
    struct aw_journal_anchor  anchor;

    memset(&anchor, 0, sizeof(anchor));
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    assert_int_equal(aw_journal_read_anchor(reader, &anchor), AW_OK);
    assert_memory_equal(&anchor, want, sizeof(anchor));
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
}

/* Anchor, copy and deletion are one unit. */
static void
test_anchor(void **state)
{
    struct engine           *engine = *state;
    struct kit_writer        writer = {engine->journal, 1, 1};
    struct aw_journal_anchor none_yet = {.next_seq = 1, .kept_seq = 1, .body_seq = 1};
    struct aw_journal_anchor anchor = {.index = 4, .next_seq = kit_first_seq(5), .kept = {1, 0}};
    bool                     done;

    anchor.kept_seq = anchor.next_seq + 1;
    anchor.body_seq = anchor.next_seq + 2;
    memset(anchor.hash.bytes, 0x5A, sizeof(anchor.hash.bytes));
    check_anchor(engine, &none_yet);
    kit_append(&writer, 20);
    for (unsigned flushed = 0; flushed < 2; flushed++) {
        assert_int_equal(aw_journal_set_anchor(engine->journal, &anchor), AW_OUTCOME_OK);
        assert_int_equal(keep(engine, AW_KEPT_RECORD, 2, kept_bytes(2)), AW_OUTCOME_OK);
        assert_int_equal(aw_journal_trim_step(engine->journal, anchor.next_seq, 300, &done), AW_OK);
        assert_true(done);
        if (flushed)
            (void)kit_flush(engine->journal, AW_OUTCOME_OK);
        else
            check_anchor(engine, &none_yet);
        reopen(engine);
        assert_int_equal(kit_check(engine->journal, flushed ? 5 : 1), 21);
        check_anchor(engine, flushed ? &anchor : &none_yet);
    }
}

/* Posts until their room is used up by the costs alone, asking for room only after each flush; no submit may say FULL. Then small
 * records into the reserve, then trimming, which must work in the fullest store and give the room back. */
static void
fill(struct engine *engine, struct kit_random *random, uint64_t *index, uint64_t *posts)
{
    static char bytes[80000];

    for (;;) {
        struct aw_journal_room room;
        uint32_t               batches = 1 + (uint32_t)kit_below(random, 20);
        uint64_t               admitted = 0;
        uint32_t               i;

        aw_journal_room(engine->journal, &room);
        for (i = 0; i < batches; i++) {
            size_t                  record = 100 + kit_below(random, 400);
            size_t                  body_len = 1 + kit_below(random, kit_below(random, 10) == 0 ? 70000 : 3000);
            struct aw_journal_body  body = {.seq = *index, .bytes = aw_slice_of(bytes, body_len)};
            struct aw_journal_batch batch = {.index = *index,
                                             .first_seq = *index,
                                             .count = 1,
                                             .bytes = aw_slice_of(bytes, record + 160),
                                             .ids = aw_slice_of(bytes, AW_ID_BYTES_MAX),
                                             .bodies = &body,
                                             .body_count = 1};

            admitted += aw_journal_cost(engine->journal, record, body_len);
            if (admitted > room.posts_bytes)
                break;
            assert_int_equal(aw_journal_submit(engine->journal, &batch), AW_OUTCOME_OK);
            (*index)++;
            (*posts)++;
        }
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), i);
        if (i < batches && room.posts_bytes < 20000)
            return;
    }
}

static void
drain(struct engine *engine, uint64_t *index, uint64_t *records)
{
    static const char bytes[400] = "d";

    for (;;) {
        struct aw_journal_room  room;
        struct aw_journal_batch batch = {
            .index = *index, .first_seq = *index, .count = 1, .bytes = aw_slice_of(bytes, sizeof(bytes))};

        aw_journal_room(engine->journal, &room);
        if (aw_journal_cost(engine->journal, sizeof(bytes) - 160, 0) > room.drain_bytes)
            return;
        assert_int_equal(aw_journal_submit(engine->journal, &batch), AW_OUTCOME_OK);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 1);
        (*index)++;
        (*records)++;
    }
}

static void
fill_some(struct engine *engine, uint64_t *index, uint32_t batches)
{
    for (; batches != 0; batches--, (*index)++) {
        struct aw_journal_batch batch = {.index = *index, .first_seq = *index, .count = 1, .bytes = AW_SLICE("some")};

        assert_int_equal(aw_journal_submit(engine->journal, &batch), AW_OUTCOME_OK);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 1);
    }
}

static void
test_room(void **state)
{
    struct engine         *engine = *state;
    struct kit_random      random = {7};
    struct aw_journal_room room;
    static char            big[60000];
    uint64_t               index = 1;
    uint64_t               posts = 0;
    uint64_t               records = 0;
    uint64_t               before;
    int                    round;

    for (round = 0; round < 3; round++) {
        bool                    done = false;
        struct aw_journal_body  body = {.seq = 0, .bytes = aw_slice_of(big, sizeof(big))};
        struct aw_journal_batch batch = {.count = 1, .bytes = aw_slice_of(big, 200), .bodies = &body, .body_count = 1};

        before = posts;
        fill(engine, &random, &index, &posts);
        assert_true(posts - before > 1000);
        aw_journal_room(engine->journal, &room);
        assert_true(room.posts_bytes < 30000);
        assert_true(room.drain_bytes >= room.posts_bytes + room.reserve_bytes - 4096);
        before = records;
        drain(engine, &index, &records);
        assert_true(records - before > 500); /* a reserve of 1 MiB: 400 bytes and worst-case pages each */
        /* FULL changes nothing. */
        batch.index = index;
        batch.first_seq = index;
        body.seq = index;
        assert_int_equal(aw_journal_submit(engine->journal, &batch), AW_OUTCOME_FULL);
        assert_int_equal(kit_put_chunk(engine->table, 1, 0, 0), AW_OUTCOME_FULL);
        assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
        reopen(engine);
        while (!done) {
            assert_int_equal(aw_journal_trim_step(engine->journal, index - 5, 300, &done), AW_OK);
            assert_int_equal(kit_flush(engine->journal, AW_OUTCOME_OK), 0);
        }
        /* Pages freed by the last commit come back with the next ones. */
        fill_some(engine, &index, 4);
        aw_journal_room(engine->journal, &room);
        assert_true(room.posts_bytes > 50 * KIT_MIB);
        assert_true(room.used_bytes < 2 * KIT_MIB);
    }
}

static const struct CMUnitTest tests[] = {
#define BOTH(test)                                                                                                               \
    {#test " lmdb", test, setup_lmdb, teardown, NULL},                                                                           \
    {                                                                                                                            \
#test " memory", test, setup_memory, teardown, NULL                                                                      \
    }
#define ALL(test) {#test " sealed", test, setup_sealed, teardown, NULL}, BOTH(test)
    ALL(test_empty),        ALL(test_owed),        ALL(test_append_and_read),      ALL(test_group),
    ALL(test_large_values), ALL(test_empty_body),  ALL(test_unflushed_is_lost),    ALL(test_snapshot),
    ALL(test_trim),         ALL(test_generations), ALL(test_generation_lost),      ALL(test_generation_empty),
    ALL(test_one_unit),     BOTH(test_kept),       BOTH(test_kept_body_is_a_body), BOTH(test_anchor),
    BOTH(test_room),
#undef ALL
#undef BOTH
};

int
main(void)
{
    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
