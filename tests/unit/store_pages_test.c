/* store_pages_test.c - the walk through the pages: silent on every store that we make, and no flipped byte passes unseen.
 *
 * A store with batches, bodies, ids, a checkpoint, what was kept and a trimmed beginning is flipped in one byte after the other (a
 * sample of them, all heads). Then either it is refused by name, or the walk names the page, or a value fails its check when it is
 * read, or all that can be read is what was written. Nothing else may happen, and no call may change the file.
 */
#include "store_kit.h"

#include "store/pages.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>

struct place {
    char     scratch[256];
    char     folder[300];
    char     path[400];
    uint8_t *bytes; /* of the sound file */
    size_t   len;
    uint32_t sound; /* what a whole reading comes to */
};

static struct aw_journal *
must_open(const char *folder, enum aw_store_access access, struct aw_table **ret_table)
{
    struct aw_store_config config = KIT_CONFIG(folder);
    struct aw_journal     *journal = NULL;
    struct aw_why          why = {""};

    config.access = access;
    if (aw_lmdb_open(&journal, ret_table, &config, &why) != AW_OK)
        fail_msg("%s", why.text);
    return journal;
}

static void
keep_some(struct aw_journal *journal)
{
    char            bytes[3000];
    struct aw_kept  kept = {.owner = 5, .bytes = aw_slice_of(bytes, sizeof(bytes))};
    enum aw_outcome outcome = AW_OUTCOME_OK;

    kit_fill(bytes, sizeof(bytes), 'k', 1);
    for (unsigned i = 0; outcome == AW_OUTCOME_OK && i < 40; i++) {
        kept.seq = 3 + i;
        outcome = aw_journal_keep(journal, i % 2 == 0 ? AW_KEPT_RECORD : AW_KEPT_BODY, &kept);
    }
    assert_int_equal(outcome, AW_OUTCOME_OK);
    (void)kit_flush(journal, AW_OUTCOME_OK);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(aw_journal_unkeep(journal, AW_KEPT_RECORD, 3 + i), AW_OUTCOME_OK);
    (void)kit_flush(journal, AW_OUTCOME_OK);
}

static void
must_be_sound(const char *folder)
{
    struct aw_pages_sum sum = {0};
    struct aw_table    *table;
    struct aw_journal  *journal = must_open(folder, AW_STORE_READ, &table);
    struct aw_why       why = {""};

    if (aw_lmdb_check(journal, &sum, &why) != AW_OK)
        fail_msg("%s", why.text);
    assert_true(sum.pages > sum.free + 2);
    aw_journal_close(&journal);
}

/* All that a store has: also pages that are free, by a trim and by a checkpoint that was replaced. */
static void
make_store(const char *folder, uint32_t batches)
{
    struct aw_journal_anchor  anchor = {.index = batches / 2};
    struct aw_table          *table = NULL;
    struct kit_writer         writer = {must_open(folder, AW_STORE_SERVE, &table), 1, 1};
    struct aw_checkpoint_mark mark;
    bool                      done = false;

    kit_append(&writer, batches);
    for (uint64_t round = 1; round <= 3; round++) {
        for (uint32_t i = 0; i < 8; i++)
            assert_int_equal(kit_put_chunk(table, round, i / 4, i % 4), AW_OUTCOME_OK);
        mark = kit_mark(round, 8);
        assert_int_equal(aw_table_mark(table, &mark), AW_OUTCOME_OK);
        (void)kit_flush(writer.journal, AW_OUTCOME_OK);
        kit_drop_all(writer.journal, table, 3);
    }
    keep_some(writer.journal);
    anchor.next_seq = anchor.kept_seq = anchor.body_seq = kit_first_seq(anchor.index + 1);
    assert_int_equal(aw_journal_set_anchor(writer.journal, &anchor), AW_OUTCOME_OK);
    while (!done) {
        assert_int_equal(aw_journal_trim_step(writer.journal, anchor.next_seq, 20, &done), AW_OK);
        (void)kit_flush(writer.journal, AW_OUTCOME_OK);
    }
    kit_append(&writer, 3);
    aw_journal_close(&writer.journal);
}

/* --- reading all ---------------------------------------------------------------------------------------------------------- */

static enum aw_err
read_chunk(void *user, const struct aw_chunk *chunk)
{
    uint32_t *crc = user;

    *crc = aw_crc32c(*crc, chunk->bytes.ptr, chunk->bytes.len);
    return AW_OK;
}

static enum aw_err
read_journal(struct aw_journal_reader *reader, uint32_t *crc)
{
    struct aw_slice bytes;
    uint64_t        first, from = 0;
    enum aw_err     err;

    while ((err = aw_journal_read_next(reader, from, &first, &bytes)) == AW_OK) {
        *crc = aw_crc32c(*crc, bytes.ptr, bytes.len);
        for (uint64_t seq = from == 0 ? first : from; seq <= first + 16; seq++) {
            err = aw_journal_read_body(reader, seq, &bytes);
            if (err == AW_OK)
                *crc = aw_crc32c(*crc, bytes.ptr, bytes.len);
            else if (err != AW_E_NOT_FOUND)
                return err;
        }
        from = first + 1;
    }
    if (err != AW_E_NOT_FOUND)
        return err;
    for (from = 0; (err = aw_journal_read_ids(reader, from, &first, &bytes)) == AW_OK; from = first + 1)
        *crc = aw_crc32c(*crc, bytes.ptr, bytes.len);
    return err == AW_E_NOT_FOUND ? AW_OK : err;
}

static enum aw_err
read_kept(struct aw_journal_reader *reader, uint32_t *crc)
{
    struct aw_kept found, kept;
    enum aw_err    err = AW_OK;

    for (unsigned kind = 0; kind < AW_KEPT_KINDS; kind++) {
        for (uint64_t seq = 0; (err = aw_journal_find_kept(reader, (enum aw_kept_kind)kind, seq, &found)) == AW_OK;
             seq = found.seq + 1) {
            err = aw_journal_read_kept(reader, (enum aw_kept_kind)kind, found.seq, &kept);
            if (err != AW_OK)
                return err;
            *crc = aw_crc32c(*crc, kept.bytes.ptr, kept.bytes.len) ^ kept.owner;
        }
        if (err != AW_E_NOT_FOUND)
            return err;
    }
    return AW_OK;
}

/* AW_OK and what it comes to, or why not. */
static enum aw_err
read_all(const char *folder, enum aw_pages_depth depth, uint32_t *ret_crc, struct aw_why *why)
{
    struct aw_store_config    config = KIT_CONFIG(folder);
    struct aw_journal        *journal = NULL;
    struct aw_table          *table;
    struct aw_journal_reader *reader;
    struct aw_journal_anchor  anchor;
    struct aw_checkpoint_mark mark;
    struct aw_pages_sum       sum;
    uint32_t                  crc = 0;
    enum aw_err               err;

    config.access = AW_STORE_READ;
    err = aw_lmdb_open(&journal, &table, &config, why);
    if (err != AW_OK)
        return err;
    if (depth == AW_PAGES_ALL)
        err = aw_lmdb_check(journal, &sum, why);
    if (err != AW_OK) {
        aw_journal_close(&journal);
        return err;
    }
    reader = aw_journal_reader_new(journal);
    assert_non_null(reader);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    err = aw_journal_read_anchor(reader, &anchor);
    if (err == AW_OK) {
        crc = aw_crc32c(crc, &anchor, sizeof(anchor));
        err = aw_table_read_mark(table, &mark);
    }
    if (err == AW_OK) {
        crc = aw_crc32c(crc, &mark, sizeof(mark));
        err = aw_table_read_chunks(table, read_chunk, &crc, why);
    }
    if (err == AW_OK)
        err = read_journal(reader, &crc);
    if (err == AW_OK)
        err = read_kept(reader, &crc);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    crc = aw_crc32c(crc, aw_journal_identity(journal), sizeof(struct aw_store_identity));
    aw_journal_close(&journal);
    *ret_crc = crc;
    return err;
}

/* --- tests ---------------------------------------------------------------------------------------------------------------- */

static int
setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    kit_scratch(place->scratch);
    (void)snprintf(place->folder, sizeof(place->folder), "%s/store", place->scratch);
    (void)snprintf(place->path, sizeof(place->path), "%s/data.mdb", place->folder);
    *state = place;
    return 0;
}

static int
teardown(void **state)
{
    struct place *place = *state;

    kit_remove(place->scratch);
    free(place->bytes);
    free(place);
    return 0;
}

/* The file as it is, without the blocks allocated ahead. */
static void
load(struct place *place)
{
    struct aw_pages_sum sum = {0};
    struct aw_why       why = {""};
    int                 fd = open(place->path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(aw_pages_check(fd, 0, AW_PAGES_ALL, NULL, &sum, &why), AW_OK);
    place->len = (size_t)(sum.pages * sum.page_bytes);
    place->bytes = malloc(place->len);
    assert_non_null(place->bytes);
    assert_int_equal(ftruncate(fd, (off_t)place->len), 0);
    assert_int_equal(pread(fd, place->bytes, place->len, 0), place->len);
    (void)close(fd);
    assert_int_equal(read_all(place->folder, AW_PAGES_ALL, &place->sound, &why), AW_OK);
}

static void
put_byte(const struct place *place, size_t at, uint8_t byte)
{
    int fd = open(place->path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    (void)close(fd);
}

static bool
is_seen(const struct place *place, size_t at, uint8_t flip, enum aw_pages_depth depth)
{
    struct aw_why why = {""};
    uint32_t      crc = 0;
    enum aw_err   err;

    put_byte(place, at, place->bytes[at] ^ flip);
    err = read_all(place->folder, depth, &crc, &why);
    /* A start does not read what lies in leaves of bodies: one of them may then seem to be gone. */
    if (err == AW_OK && crc != place->sound && depth == AW_PAGES_ALL)
        fail_msg("byte %zu of page %zu, flipped by %x, passes for what was written", at % 4096, at / 4096, flip);
    if (err != AW_OK && err != AW_E_CORRUPT && err != AW_E_VERSION)
        fail_msg("byte %zu of page %zu, flipped by %x: %s", at % 4096, at / 4096, flip, aw_err_text(err));
    put_byte(place, at, place->bytes[at]);
    return err != AW_OK;
}

static void
test_flipped_bytes(void **state)
{
    struct place     *place = *state;
    struct kit_random random = {20261122};
    unsigned          seen = 0;

    make_store(place->folder, 24);
    load(place);
    /* The heads byte by byte, then the beginning of each page, then anywhere. */
    for (size_t at = 16; at < 152; at++) {
        (void)is_seen(place, at, 1, AW_PAGES_ALL);
        (void)is_seen(place, 4096 + at, 0x80, AW_PAGES_ALL);
    }
    for (size_t page = 2; page < place->len / 4096; page++) {
        for (size_t at = 0; at < 20; at += 2)
            seen += is_seen(place, page * 4096 + at, 1, AW_PAGES_ALL);
    }
    assert_true(seen > 20 * 4);
    seen = 0;
    for (unsigned i = 0; i < 600; i++)
        seen += is_seen(place, 8192 + kit_below(&random, place->len - 8192), (uint8_t)(1 + kit_below(&random, 255)),
                        i % 2 == 0 ? AW_PAGES_ALL : AW_PAGES_START);
    assert_true(seen > 100); /* the rest lies in free pages, or between entries */
    must_be_sound(place->folder);
}

static void
test_sound_stores(void **state)
{
    struct place     *place = *state;
    struct aw_table  *table = NULL;
    struct kit_writer writer = {must_open(place->folder, AW_STORE_SERVE, &table), 1, 1};

    for (unsigned i = 0; i < 30; i++) {
        aw_journal_close(&writer.journal); /* LMDB opens a file once a process */
        must_be_sound(place->folder);
        writer.journal = must_open(place->folder, AW_STORE_SERVE, &table);
        kit_append(&writer, 7);
    }
    aw_journal_close(&writer.journal);
    kit_remove(place->folder);
    make_store(place->folder, 120);
    must_be_sound(place->folder);
}

/* Lists of free pages that lie in runs of pages. Counts those that are shorter than the run they were written over. */
static unsigned
count_shortened(MDB_env *env)
{
    MDB_txn    *txn;
    MDB_cursor *cursor;
    MDB_val     key, value;
    unsigned    found = 0;

    assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), MDB_SUCCESS);
    assert_int_equal(mdb_cursor_open(txn, 0, &cursor), MDB_SUCCESS);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
        uint32_t pages = 0;

        if (value.mv_size > 4096) /* the page's head lies before it */
            memcpy(&pages, (const char *)value.mv_data - 4, sizeof(pages));
        found += pages > (16 + value.mv_size + 4095) / 4096;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return found;
}

/* A store that gave back the pages of `count` values at once, and uses them bit by bit. */
static unsigned
use_up_free_pages(const struct place *place, uint64_t count)
{
    static char bytes[1500];
    unsigned    shortened = 0;
    MDB_env    *env;
    MDB_txn    *txn;
    MDB_dbi     tree;
    int         fd;

    assert_int_equal(mdb_env_create(&env), MDB_SUCCESS);
    assert_int_equal(mdb_env_set_mapsize(env, 256 * KIT_MIB), MDB_SUCCESS);
    assert_int_equal(mdb_env_set_maxdbs(env, 1), MDB_SUCCESS);
    assert_int_equal(mkdir(place->folder, 0700), 0);
    assert_int_equal(mdb_env_open(env, place->folder, MDB_NOTLS | MDB_NOSYNC, 0600), MDB_SUCCESS);
    assert_int_equal(mdb_env_get_fd(env, &fd), MDB_SUCCESS);
    for (uint64_t round = 0; round < 8; round++) {
        struct aw_pages_sum sum = {0};
        struct aw_why       why = {""};

        assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), MDB_SUCCESS);
        assert_int_equal(mdb_dbi_open(txn, "bodies", MDB_INTEGERKEY | MDB_CREATE, &tree), MDB_SUCCESS);
        if (round == 1)
            assert_int_equal(mdb_drop(txn, tree, 0), MDB_SUCCESS);
        for (uint64_t i = 0; i < (round == 0 ? count : round == 1 ? 0 : 37 * round); i++) {
            uint64_t number = round * 100000 + i;
            MDB_val  key = {sizeof(number), &number}, value = {sizeof(bytes), bytes};

            assert_int_equal(mdb_put(txn, tree, &key, &value, 0), MDB_SUCCESS);
        }
        assert_int_equal(mdb_txn_commit(txn), MDB_SUCCESS);
        shortened += count_shortened(env);
        if (aw_pages_check(fd, 0, AW_PAGES_ALL, NULL, &sum, &why) != AW_OK)
            fail_msg("%llu values, round %llu: %s", (unsigned long long)count, (unsigned long long)round, why.text);
    }
    mdb_env_close(env);
    kit_remove(place->folder);
    return shortened;
}

/* No commit of ours frees so many pages, but LMDB's own tools do. Which counts end in a list that is shorter than its run depends
 * on LMDB. */
static void
test_long_lists_of_free_pages(void **state)
{
    uint64_t count = 7400;

    while (use_up_free_pages(*state, count) == 0) {
        count += 100;
        assert_true(count < 15000);
    }
}

/* An older head with a number that makes it the newest: its pages are sound, and what was acknowledged last would be gone. */
static void
test_stale_head(void **state)
{
    struct place *place = *state;
    struct aw_why why = {""};
    uint64_t      numbers[2], older;
    uint32_t      crc;

    make_store(place->folder, 20);
    load(place);
    memcpy(&numbers[0], place->bytes + 144, 8);
    memcpy(&numbers[1], place->bytes + 4096 + 144, 8);
    older = numbers[0] < numbers[1] ? 144 : 4096 + 144;
    put_byte(place, older, place->bytes[older] ^ 0x40);
    assert_int_equal(read_all(place->folder, AW_PAGES_START, &crc, &why), AW_E_CORRUPT);
    assert_non_null(strstr(why.text, "do not follow each other"));
}

static void
test_cut_short(void **state)
{
    static const size_t lengths[] = {12288, 8192, 5000, 4096, 100, 1};
    struct place       *place = *state;
    struct aw_why       why = {""};
    uint32_t            crc;

    make_store(place->folder, 20);
    load(place);
    for (size_t i = 0; i < AW_ARRAY_LEN(lengths); i++) {
        assert_int_equal(truncate(place->path, (off_t)lengths[i]), 0);
        assert_int_equal(read_all(place->folder, AW_PAGES_START, &crc, &why), AW_E_CORRUPT);
        if (strstr(why.text, "cut short") == NULL)
            fail_msg("%zu bytes: %s", lengths[i], why.text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sound_stores, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flipped_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale_head, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_short, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_lists_of_free_pages, setup, teardown),
    };

    return aw_hash_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
