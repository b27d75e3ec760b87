/* store_kit.h - what the store's tests share: a scratch folder, batches whose bytes tell what they must be, and a check of a whole
 * store against them. Header only; each test uses a part of it.
 */
#ifndef AW_TESTS_UNIT_STORE_KIT_H
#define AW_TESTS_UNIT_STORE_KIT_H

#include "base/hash.h"
#include "port/journal.h"
#include "port/table.h"
#include "store/store.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#define KIT_UNUSED __attribute__((unused))
#define KIT_MIB    (UINT64_C(1) << 20)

/* A small store, so that tests reach its ends. The map is small too: the thread sanitizer has no place for a large one. */
#define KIT_CONFIG(path)                                                                                                         \
    {                                                                                                                            \
        .folder = (path), .access = AW_STORE_SERVE, .shard = 3, .bytes_max = 64 * KIT_MIB, .map_bytes = 1024 * KIT_MIB,          \
        .reserve_bytes = 1 * KIT_MIB, .readers_max = 16                                                                          \
    }

struct kit_random {
    uint64_t state;
};

static KIT_UNUSED uint64_t
kit_next(struct kit_random *random)
{
    /* xorshift64*; Vigna 2016. */
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * UINT64_C(2685821657736338717);
}

static KIT_UNUSED uint64_t
kit_below(struct kit_random *random, uint64_t end)
{
    return kit_next(random) % end;
}

static int
kit_remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static KIT_UNUSED void
kit_remove(const char *path)
{
    (void)nftw(path, kit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A fresh folder under $TMPDIR; the store's folder is made inside. */
static KIT_UNUSED void
kit_scratch(char path[256])
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(path, 256, "%s/aswolk-store-XXXXXX", base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(path));
}

/* The same for who shows nothing about the disk and flushes thousands of times: in memory where the system has a place for that,
 * as waiting for a disk shows no more. */
static KIT_UNUSED void
kit_scratch_in_memory(char path[256])
{
    struct statvfs room;

    (void)snprintf(path, 256, "/dev/shm/aswolk-store-XXXXXX");
    if (getenv("TMPDIR") == NULL && statvfs("/dev/shm", &room) == 0 &&
        (uint64_t)room.f_bavail * room.f_frsize >= UINT64_C(64) << 20 && mkdtemp(path) != NULL)
        return;
    kit_scratch(path);
}

/* Bytes that depend on what they are and on their number, so that a value under a wrong key or of a wrong length is seen. */
static KIT_UNUSED void
kit_fill(char *to, size_t len, char kind, uint64_t number)
{
    struct kit_random random = {(number + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)(unsigned char)kind << 56 ^ len};
    size_t            at;

    for (at = 0; at < len; at++)
        to[at] = (char)(kit_next(&random) >> 32);
}

static KIT_UNUSED bool
kit_is_filled(struct aw_slice bytes, char kind, uint64_t number)
{
    char *want = malloc(bytes.len + 1);
    bool  same;

    if (want == NULL)
        return false;
    kit_fill(want, bytes.len, kind, number);
    same = memcmp(want, bytes.ptr, bytes.len) == 0;
    free(want);
    return same;
}

/* The shape of batch `index`: how large and how many depends on the index alone, so that a reader of the store knows what to expect
 * without remembering what was written. */
struct kit_shape {
    uint32_t count;
    uint32_t bytes;
    bool     ids;
    uint32_t body_bytes; /* of the first body, 0: no bodies; the next ones are a little longer */
};

static KIT_UNUSED struct kit_shape
kit_shape(uint64_t index)
{
    struct kit_random random = {index * UINT64_C(0xd1342543de82ef95) + 1};
    struct kit_shape  shape;

    (void)kit_next(&random);
    shape.count = 1 + (uint32_t)kit_below(&random, 12);
    shape.bytes = 200 + (uint32_t)kit_below(&random, index % 7 == 0 ? 30000 : 1500);
    shape.ids = index % 3 != 0;
    shape.body_bytes = index % 5 == 0 ? 0 : 1 + (uint32_t)kit_below(&random, index % 11 == 0 ? 9000 : 700);
    return shape;
}

/* What a writer knows. */
struct kit_writer {
    struct aw_journal *journal;
    uint64_t           index;    /* of the next batch */
    uint64_t           next_seq; /* of its first record */
};

#define KIT_BODIES_MAX 16U

/* Submits the batch that kit_shape says. */
static KIT_UNUSED enum aw_outcome
kit_submit(struct kit_writer *writer)
{
    struct kit_shape        shape = kit_shape(writer->index);
    struct aw_journal_body  bodies[KIT_BODIES_MAX];
    struct aw_journal_batch batch = {
        .index = writer->index, .first_seq = writer->next_seq, .count = shape.count, .bodies = bodies};
    char           *bytes = malloc(shape.bytes);
    char           *ids = malloc((size_t)shape.count * AW_ID_BYTES_MAX);
    enum aw_outcome outcome;
    uint32_t        i;

    assert_non_null(bytes);
    assert_non_null(ids);
    kit_fill(bytes, shape.bytes, 'j', writer->next_seq);
    batch.bytes = aw_slice_of(bytes, shape.bytes);
    if (shape.ids) {
        kit_fill(ids, (size_t)shape.count * AW_ID_BYTES_MAX, 'i', writer->next_seq);
        batch.ids = aw_slice_of(ids, (size_t)shape.count * AW_ID_BYTES_MAX);
    }
    for (i = 0; i < shape.count && shape.body_bytes != 0; i++) {
        size_t len = shape.body_bytes + i;
        char  *body = malloc(len);

        assert_non_null(body);
        kit_fill(body, len, 'b', writer->next_seq + i);
        bodies[i] = (struct aw_journal_body){.seq = writer->next_seq + i, .bytes = aw_slice_of(body, len)};
        batch.body_count++;
    }
    outcome = aw_journal_submit(writer->journal, &batch);
    if (outcome == AW_OUTCOME_OK) {
        writer->index++;
        writer->next_seq += shape.count;
    }
    for (i = 0; i < batch.body_count; i++)
        free((void *)(uintptr_t)batch.bodies[i].bytes.ptr);
    free(bytes);
    free(ids);
    return outcome;
}

/* Flushes, and takes the reports: they come in order and all say `want`. Returns how many. */
static KIT_UNUSED uint32_t
kit_flush(struct aw_journal *journal, enum aw_outcome want)
{
    struct aw_journal_done done;
    uint64_t               last = 0;
    uint32_t               count = 0;

    assert_int_equal(aw_journal_flush(journal), want);
    while (aw_journal_poll(journal, &done)) {
        assert_int_equal(done.outcome, want);
        if (last != 0)
            assert_int_equal(done.index, last + 1);
        last = done.index;
        count++;
    }
    return count;
}

static KIT_UNUSED void
kit_append(struct kit_writer *writer, uint32_t batches)
{
    uint32_t i;

    for (i = 0; i < batches; i++) {
        assert_int_equal(kit_submit(writer), AW_OUTCOME_OK);
        assert_int_equal(kit_flush(writer->journal, AW_OUTCOME_OK), 1);
    }
}

/* Where the first sequence number of batch `index` lies. */
static KIT_UNUSED uint64_t
kit_first_seq(uint64_t index)
{
    uint64_t seq = 1;
    uint64_t i;

    for (i = 1; i < index; i++)
        seq += kit_shape(i).count;
    return seq;
}

static KIT_UNUSED void
kit_check_batch(struct aw_journal_reader *reader, uint64_t index, uint64_t first_seq, struct aw_slice bytes)
{
    struct kit_shape shape = kit_shape(index);
    struct aw_slice  got;
    uint64_t         at;
    uint32_t         i;

    assert_int_equal(bytes.len, shape.bytes);
    assert_true(kit_is_filled(bytes, 'j', first_seq));
    assert_int_equal(aw_journal_read_batch(reader, first_seq + shape.count - 1, &got), AW_OK);
    assert_int_equal(got.len, shape.bytes);
    for (i = 0; i < shape.count; i++) {
        enum aw_err err = aw_journal_read_body(reader, first_seq + i, &got);

        assert_int_equal(err, shape.body_bytes == 0 ? AW_E_NOT_FOUND : AW_OK);
        if (err == AW_OK) {
            assert_int_equal(got.len, shape.body_bytes + i);
            assert_true(kit_is_filled(got, 'b', first_seq + i));
        }
    }
    if (!shape.ids)
        return;
    assert_int_equal(aw_journal_read_ids(reader, first_seq, &at, &got), AW_OK);
    assert_int_equal(at, first_seq);
    assert_int_equal(got.len, (size_t)shape.count * AW_ID_BYTES_MAX);
    assert_true(kit_is_filled(got, 'i', first_seq));
}

/* Reads the whole store: batches `from` up to some last one, without a gap, all as they were written. Returns the index behind the
 * last. `from` is the first batch that was not trimmed. */
static KIT_UNUSED uint64_t
kit_check(struct aw_journal *journal, uint64_t from)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(journal);
    struct aw_slice           bytes;
    uint64_t                  index = from;
    uint64_t                  seq = kit_first_seq(from);
    uint64_t                  first;
    uint64_t                  last;
    uint64_t                  at = 0;

    assert_non_null(reader);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    while (aw_journal_read_next(reader, at, &first, &bytes) == AW_OK) {
        assert_int_equal(first, seq);
        kit_check_batch(reader, index, first, bytes);
        seq += kit_shape(index).count;
        at = first + 1;
        index++;
    }
    assert_int_equal(aw_journal_read_batch(reader, seq, &bytes), AW_E_NOT_FOUND);
    if (index > from) {
        assert_int_equal(aw_journal_read_last(reader, &last, &bytes), AW_OK);
        assert_int_equal(last, first);
        assert_true(kit_is_filled(bytes, 'j', last));
    }
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    return index;
}

/* Chunks of a checkpoint: `tables` of `chunks` each, filled by generation number `round`. */
static KIT_UNUSED size_t
kit_chunk_bytes(uint64_t round, uint32_t table, uint32_t chunk)
{
    struct kit_random random = {round * 1000003 + table * 1009 + chunk + 1};

    return 1 + (size_t)(kit_next(&random) % (chunk % 9 == 0 ? AW_CHUNK_BYTES_MAX : 5000));
}

static KIT_UNUSED enum aw_outcome
kit_put_chunk(struct aw_table *table, uint64_t round, uint32_t number, uint32_t chunk)
{
    size_t          len = kit_chunk_bytes(round, number, chunk);
    char           *bytes = malloc(len);
    struct aw_chunk put = {.table = number, .chunk = chunk, .bytes = {bytes, len}};
    enum aw_outcome outcome;

    assert_non_null(bytes);
    kit_fill(bytes, len, 't', round * 1000 + number * 100 + chunk);
    outcome = aw_table_put(table, &put);
    free(bytes);
    return outcome;
}

struct kit_chunks {
    uint64_t round;
    uint32_t per_table;
    uint32_t seen;
};

static KIT_UNUSED enum aw_err
kit_check_chunk(void *user, const struct aw_chunk *chunk)
{
    struct kit_chunks *chunks = user;

    assert_int_equal(chunk->table, chunks->seen / chunks->per_table);
    assert_int_equal(chunk->chunk, chunks->seen % chunks->per_table);
    assert_int_equal(chunk->bytes.len, kit_chunk_bytes(chunks->round, chunk->table, chunk->chunk));
    assert_true(kit_is_filled(chunk->bytes, 't', chunks->round * 1000 + chunk->table * 100 + chunk->chunk));
    chunks->seen++;
    return AW_OK;
}

static KIT_UNUSED struct aw_checkpoint_mark
kit_mark(uint64_t round, uint32_t chunks)
{
    struct aw_checkpoint_mark mark = {.seq = round * 10, .index = round, .sm_version = 7, .chunks = chunks};

    memset(&mark.hash, (int)round, sizeof(mark.hash));
    mark.digest = (struct aw_hash128){round, ~round};
    return mark;
}

/* The current checkpoint is that of `round` (0: there is none). */
static KIT_UNUSED void
kit_check_table(struct aw_table *table, uint64_t round, uint32_t tables, uint32_t per_table)
{
    struct aw_checkpoint_mark want = kit_mark(round, tables * per_table);
    struct aw_checkpoint_mark mark;
    struct kit_chunks         chunks = {.round = round, .per_table = per_table};
    struct aw_why             why = {""};

    memset(&mark, 0, sizeof(mark));
    if (round == 0) {
        assert_int_equal(aw_table_read_mark(table, &mark), AW_E_NOT_FOUND);
        return;
    }
    assert_int_equal(aw_table_read_mark(table, &mark), AW_OK);
    assert_int_equal(mark.seq, want.seq);
    assert_int_equal(mark.index, want.index);
    assert_int_equal(mark.sm_version, want.sm_version);
    assert_int_equal(mark.chunks, want.chunks);
    assert_memory_equal(mark.hash.bytes, want.hash.bytes, sizeof(mark.hash.bytes));
    assert_true(aw_hash128_eq(mark.digest, want.digest));
    assert_int_equal(aw_table_read_chunks(table, kit_check_chunk, &chunks, &why), AW_OK);
    assert_int_equal(chunks.seen, tables * per_table);
}

/* Deletes all waste, a few chunks a flush. */
static KIT_UNUSED void
kit_drop_all(struct aw_journal *journal, struct aw_table *table, uint32_t chunks_max)
{
    bool done = false;

    while (!done) {
        assert_int_equal(aw_table_drop_step(table, chunks_max, &done), AW_OUTCOME_OK);
        assert_int_equal(kit_flush(journal, AW_OUTCOME_OK), 0);
    }
}

#endif
