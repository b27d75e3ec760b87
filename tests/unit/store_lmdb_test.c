/* store_lmdb_test.c - what only the LMDB engine has: a folder, a lock, a format, processes beside it, pages.
 *
 * Files are checked byte by byte where nothing may be touched; the count of pages is compared with a walk over LMDB's free list,
 * made by LMDB itself on the closed file.
 */
#include "store_kit.h"

#include "core/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct place {
    char scratch[256];
    char folder[300];
};

static int
setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    kit_scratch(place->scratch);
    (void)snprintf(place->folder, sizeof(place->folder), "%s/store", place->scratch);
    *state = place;
    return 0;
}

static int
teardown(void **state)
{
    struct place *place = *state;

    kit_remove(place->scratch);
    free(place);
    return 0;
}

static enum aw_err
try_open(struct aw_journal **journal, struct aw_table **table, const char *folder, enum aw_store_access access,
         struct aw_why *why)
{
    struct aw_store_config config = KIT_CONFIG(folder);

    config.access = access;
    return aw_lmdb_open(journal, table, &config, why);
}

static struct aw_journal *
must_open(const char *folder, enum aw_store_access access)
{
    struct aw_journal *journal = NULL;
    struct aw_table   *table;
    struct aw_why      why = {""};

    if (try_open(&journal, &table, folder, access, &why) != AW_OK)
        fail_msg("%s", why.text);
    return journal;
}

static void
make_store(const char *folder, uint32_t batches)
{
    struct kit_writer writer = {must_open(folder, AW_STORE_SERVE), 1, 1};

    kit_append(&writer, batches);
    aw_journal_close(&writer.journal);
}

static void
data_path(char path[400], const struct place *place)
{
    (void)snprintf(path, 400, "%s/data.mdb", place->folder);
}

/* CRC-32C of a whole file, and its length. */
static uint32_t
file_crc(const char *path, off_t *ret_len)
{
    static char bytes[1 << 16];
    struct stat status;
    uint32_t    crc = 0;
    ssize_t     len;
    int         fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    *ret_len = status.st_size;
    while ((len = read(fd, bytes, sizeof(bytes))) > 0)
        crc = aw_crc32c(crc, bytes, (size_t)len);
    (void)close(fd);
    return crc;
}

static void
test_in_use(void **state)
{
    struct place      *place = *state;
    struct aw_journal *journal = must_open(place->folder, AW_STORE_SERVE);
    struct aw_journal *second = NULL;
    struct aw_table   *table;
    struct aw_why      why = {""};
    char               pid[32];

    assert_int_equal(try_open(&second, &table, place->folder, AW_STORE_SERVE, &why), AW_E_IN_USE);
    assert_null(second);
    (void)snprintf(pid, sizeof(pid), "process id %ld ", (long)getpid());
    assert_non_null(strstr(why.text, pid));
    aw_journal_close(&journal);
    journal = must_open(place->folder, AW_STORE_SERVE);
    aw_journal_close(&journal);
}

/* Changes one byte of what the meta tree holds under "identity"; flip must not be 0, so that whatever was there is now wrong. */
static void
patch_identity(const char *path, size_t at, uint8_t flip)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi  meta;
    char     name[] = "identity";
    MDB_val  key = {sizeof(name) - 1, name};
    MDB_val  old;
    uint8_t  bytes[256];

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_set_mapsize(env, 1024 * KIT_MIB), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    assert_int_equal(mdb_get(txn, meta, &key, &old), 0);
    assert_true(old.mv_size <= sizeof(bytes) && at < old.mv_size);
    memcpy(bytes, old.mv_data, old.mv_size);
    bytes[at] ^= flip;
    old.mv_data = bytes;
    assert_int_equal(mdb_put(txn, meta, &key, &old, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void
check_refused(const struct place *place, enum aw_err want)
{
    static const enum aw_store_access accesses[] = {AW_STORE_SERVE, AW_STORE_READ};
    char                              path[400];
    size_t                            i;

    data_path(path, place);
    for (i = 0; i < AW_ARRAY_LEN(accesses); i++) {
        struct aw_journal *journal = NULL;
        struct aw_table   *table;
        struct aw_why      why = {""};
        off_t              len;
        off_t              len_after;
        uint32_t           crc = file_crc(path, &len);

        assert_int_equal(try_open(&journal, &table, place->folder, accesses[i], &why), want);
        assert_null(journal);
        assert_int_not_equal(why.text[0], '\0');
        assert_int_equal(file_crc(path, &len_after), crc);
        assert_int_equal(len_after, len);
    }
}

static void
test_newer_format(void **state)
{
    struct place *place = *state;
    char          path[400];

    make_store(place->folder, 5);
    data_path(path, place);
    patch_identity(path, 16, AW_STORE_FORMAT ^ (AW_STORE_FORMAT + 1));
    check_refused(place, AW_E_VERSION);
}

static void
test_damaged_identity(void **state)
{
    struct place *place = *state;
    char          path[400];

    make_store(place->folder, 5);
    data_path(path, place);
    patch_identity(path, 25, 0x5a);
    check_refused(place, AW_E_CORRUPT);
}

static void
test_not_a_store(void **state)
{
    struct place *place = *state;
    char          path[400];
    int           fd;

    assert_int_equal(mkdir(place->folder, 0700), 0);
    data_path(path, place);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    check_refused(place, AW_E_CORRUPT); /* empty */
    assert_int_equal(write(fd, "This is not a store, and it is longer than a page head needs.", 60), 60);
    assert_int_equal(ftruncate(fd, 20000), 0);
    check_refused(place, AW_E_CORRUPT);
    (void)close(fd);
}

static void
test_truncated(void **state)
{
    struct place *place = *state;
    char          path[400];

    make_store(place->folder, 100);
    data_path(path, place);
    assert_int_equal(truncate(path, 5 * 4096), 0);
    check_refused(place, AW_E_CORRUPT);
}

static void
test_wrong_settings(void **state)
{
    struct place          *place = *state;
    struct aw_store_config config = KIT_CONFIG(place->folder);
    struct aw_journal     *journal = NULL;
    struct aw_table       *table;
    struct aw_why          why = {""};

    make_store(place->folder, 1);
    config.shard = 4;
    assert_int_equal(aw_lmdb_open(&journal, &table, &config, &why), AW_E_CONFIG);
    config.shard = 3;
    config.map_bytes = config.bytes_max / 2;
    assert_int_equal(aw_lmdb_open(&journal, &table, &config, &why), AW_E_CONFIG);
    assert_null(journal);
}

static void
test_bad_folders(void **state)
{
    struct place      *place = *state;
    struct aw_journal *journal = NULL;
    struct aw_table   *table;
    struct aw_why      why = {""};
    char               path[400];
    int                fd = open(place->folder, O_WRONLY | O_CREAT, 0600);

    /* A file where the folder should be. */
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(try_open(&journal, &table, place->folder, AW_STORE_SERVE, &why), AW_E_IO);
    assert_non_null(strstr(why.text, "not a folder"));
    /* Its parent is missing. */
    (void)snprintf(path, sizeof(path), "%s/no/store", place->scratch);
    assert_int_equal(try_open(&journal, &table, path, AW_STORE_SERVE, &why), AW_E_IO);
    /* A file system that takes no writes, also not from root. */
    assert_int_equal(try_open(&journal, &table, "/proc/store", AW_STORE_SERVE, &why), AW_E_IO);
    /* A tool finds nothing, and leaves nothing. */
    (void)snprintf(path, sizeof(path), "%s/none", place->scratch);
    assert_int_equal(try_open(&journal, &table, path, AW_STORE_READ, &why), AW_E_NOT_FOUND);
    assert_int_equal(access(path, F_OK), -1);
    assert_null(journal);
}

static void
test_no_room_for_the_reserve(void **state)
{
    struct place          *place = *state;
    struct aw_store_config config = KIT_CONFIG(place->folder);
    struct aw_journal     *journal = NULL;
    struct aw_table       *table;
    struct aw_why          why = {""};

    config.bytes_max = 2 * KIT_MIB;
    config.reserve_bytes = 4 * KIT_MIB;
    assert_int_equal(aw_lmdb_open(&journal, &table, &config, &why), AW_E_IO);
    assert_non_null(strstr(why.text, "reserve"));
    assert_null(journal);
}

/* A creation that was cut off leaves nothing that is taken for a store. */
static void
test_half_created(void **state)
{
    struct place      *place = *state;
    struct aw_journal *journal;
    char               path[400];
    int                fd;

    assert_int_equal(mkdir(place->folder, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/data.mdb.new", place->folder);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "half", 4), 4);
    (void)close(fd);
    journal = must_open(place->folder, AW_STORE_SERVE);
    assert_int_equal(kit_check(journal, 1), 1);
    aw_journal_close(&journal);
    assert_int_equal(access(path, F_OK), -1);
}

/* A tool in another process reads while the server writes: always a prefix, and growing. */
static void
test_reader_process(void **state)
{
    struct place     *place = *state;
    struct kit_writer writer;
    int               status;
    int               go[2];
    pid_t             pid;

    assert_int_equal(pipe(go), 0);
    pid = fork(); /* before the environment is opened: LMDB's do not survive a fork */
    assert_true(pid >= 0);
    if (pid == 0) {
        struct aw_journal *journal;
        uint64_t           last = 1;
        char               byte;

        (void)close(go[1]);
        while (read(go[0], &byte, 1) == 1) {
            uint64_t next;

            journal = must_open(place->folder, AW_STORE_READ);
            next = kit_check(journal, 1);
            if (next < last || next == 1)
                _exit(1);
            last = next;
            aw_journal_close(&journal);
        }
        _exit(0);
    }
    (void)close(go[0]);
    writer = (struct kit_writer){must_open(place->folder, AW_STORE_SERVE), 1, 1};
    while (writer.index < 400) {
        kit_append(&writer, 20);
        assert_int_equal(write(go[1], "g", 1), 1);
    }
    (void)close(go[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    /* And when no server runs. */
    aw_journal_close(&writer.journal);
    writer.journal = must_open(place->folder, AW_STORE_READ);
    assert_int_equal(kit_check(writer.journal, 1), writer.index);
    aw_journal_close(&writer.journal);
}

static void
put_checkpoint(struct aw_journal *journal, struct aw_table *table, uint64_t round, uint32_t chunks)
{
    struct aw_checkpoint_mark mark = kit_mark(round, chunks);

    kit_drop_all(journal, table, 1000);
    for (uint32_t i = 0; i < chunks; i++)
        assert_int_equal(kit_put_chunk(table, round, 0, i), AW_OUTCOME_OK);
    assert_int_equal(aw_table_mark(table, &mark), AW_OUTCOME_OK);
    assert_int_equal(kit_flush(journal, AW_OUTCOME_OK), 0);
    kit_drop_all(journal, table, 1000);
}

static enum aw_err
count_chunk(void *user, const struct aw_chunk *chunk)
{
    (void)chunk;
    (*(uint32_t *)user)++;
    return AW_OK;
}

/* Waits for the writer on the other end. */
static void
take_turn(const int to[2], const int from[2])
{
    char byte;

    if (write(to[1], "g", 1) != 1 || read(from[0], &byte, 1) != 1)
        _exit(9);
}

/* A tool's open table while the server replaces the checkpoint: nothing of two checkpoints together, and then the new one. Exit
 * code: which step was wrong. */
static void
read_beside(const char *folder, const int to[2], const int from[2])
{
    struct aw_journal        *journal;
    struct aw_table          *table;
    struct aw_checkpoint_mark mark;
    struct aw_why             why = {""};
    uint32_t                  seen;

    take_turn(to, from); /* there is a first one */
    if (try_open(&journal, &table, folder, AW_STORE_READ, &why) != AW_OK)
        _exit(1);
    for (uint64_t round = 1; round <= 3; round++) { /* both trees, and the first once more */
        if (aw_table_read_mark(table, &mark) != AW_OK || mark.index != round)
            _exit(2);
        take_turn(to, from);
        seen = 0;
        if (aw_table_read_chunks(table, count_chunk, &seen, &why) != AW_E_AGAIN || seen != 0)
            _exit(3);
        if (aw_table_read_mark(table, &mark) != AW_OK || mark.index != round + 1)
            _exit(4);
        if (aw_table_read_chunks(table, count_chunk, &seen, &why) != AW_OK || seen != mark.chunks)
            _exit(5);
    }
    aw_journal_close(&journal);
    _exit(0);
}

static void
test_checkpoint_replaced(void **state)
{
    struct place      *place = *state;
    struct aw_journal *journal = NULL;
    struct aw_table   *table = NULL;
    struct aw_why      why = {""};
    int                go[2], done[2], status;
    char               byte;
    pid_t              pid;

    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(done), 0);
    pid = fork(); /* before the environment is opened: LMDB's do not survive a fork */
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(go[0]);
        (void)close(done[1]);
        read_beside(place->folder, go, done);
    }
    (void)close(go[1]);
    (void)close(done[0]);
    assert_int_equal(try_open(&journal, &table, place->folder, AW_STORE_SERVE, &why), AW_OK);
    for (uint64_t round = 1; read(go[0], &byte, 1) == 1; round++) {
        put_checkpoint(journal, table, round, (uint32_t)(3 * round));
        assert_int_equal(write(done[1], "d", 1), 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    aw_journal_close(&journal);
}

struct reading {
    struct aw_journal *journal;
    _Atomic uint64_t   acknowledged;
    _Atomic bool       stop;
    _Atomic uint64_t   rounds;
};

/* Sees everything acknowledged before read_begin; and what it sees is whole. */
static void *
read_on(void *user)
{
    struct reading           *reading = user;
    struct aw_journal_reader *reader = aw_journal_reader_new(reading->journal);

    if (reader == NULL)
        return (void *)1;
    while (!atomic_load(&reading->stop)) {
        uint64_t        known = atomic_load(&reading->acknowledged);
        struct aw_slice bytes;
        uint64_t        first;

        if (aw_journal_read_begin(reader) != AW_OK)
            return (void *)2;
        if (known != 0) {
            if (aw_journal_read_last(reader, &first, &bytes) != AW_OK || first < kit_first_seq(known))
                return (void *)3;
            if (!kit_is_filled(bytes, 'j', first))
                return (void *)4;
        }
        aw_journal_read_end(reader);
        atomic_fetch_add(&reading->rounds, 1);
    }
    aw_journal_reader_free(&reader);
    return NULL;
}

static void
test_reader_threads(void **state)
{
    struct place     *place = *state;
    struct reading    reading = {.journal = must_open(place->folder, AW_STORE_SERVE)};
    struct kit_writer writer = {reading.journal, 1, 1};
    pthread_t         threads[3];
    void             *result;
    uint32_t          i;

    for (i = 0; i < AW_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &reading), 0);
    while (writer.index < 600 || atomic_load(&reading.rounds) < 100) {
        bool done;

        kit_append(&writer, 1);
        atomic_store(&reading.acknowledged, writer.index - 1);
        if (writer.index % 50 == 0 && writer.index > 100) {
            assert_int_equal(aw_journal_trim_step(writer.journal, kit_first_seq(writer.index - 100), 100, &done), AW_OK);
        }
    }
    atomic_store(&reading.stop, true);
    for (i = 0; i < AW_ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    aw_journal_close(&reading.journal);
}

/* Pages by LMDB's own account: end = two heads + trees + free list. */
static void
check_pages(const char *path)
{
    static const char *const names[] = {"meta", "journal", "bodies", "ids", "table0", "table1", "kept", "kept_bodies"};
    MDB_env                 *env;
    MDB_txn                 *txn;
    MDB_cursor              *cursor;
    MDB_envinfo              info;
    MDB_stat                 stat_tree;
    MDB_val                  key;
    MDB_val                  value;
    uint64_t                 pages = 2;
    uint64_t                 overflow = 0;
    MDB_dbi                  tree;
    size_t                   i;

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_RDONLY, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    for (i = 0; i < AW_ARRAY_LEN(names) + 2; i++) {
        if (i < 2)
            tree = (MDB_dbi)i;
        else
            assert_int_equal(mdb_dbi_open(txn, names[i - 2], i == 2 ? 0 : MDB_INTEGERKEY, &tree), 0);
        assert_int_equal(mdb_stat(txn, tree, &stat_tree), 0);
        pages += stat_tree.ms_branch_pages + stat_tree.ms_leaf_pages + stat_tree.ms_overflow_pages;
        if (i >= 1)
            overflow += stat_tree.ms_overflow_pages;
    }
    assert_int_equal(overflow, 0); /* no value lies on a run of pages */
    assert_int_equal(mdb_cursor_open(txn, 0, &cursor), 0);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        pages += *(size_t *)value.mv_data;
    assert_int_equal(mdb_env_info(env, &info), 0);
    assert_int_equal(pages, info.me_last_pgno + 1);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
}

/* What the store calls used is what LMDB uses, and a full store of 8 MiB, filled in random ways, never grows beyond its limit:
 * not by posts, not by draining, not by trimming. The file is allocated up to the limit, so one page more would be seen in its
 * length. */
static void
test_limit_is_kept(void **state)
{
    struct place          *place = *state;
    struct aw_store_config config = KIT_CONFIG(place->folder);
    struct kit_random      random = {99};
    struct aw_journal_room room;
    struct aw_journal     *journal;
    struct aw_table       *table;
    struct aw_why          why = {""};
    struct stat            status;
    static char            bytes[40000];
    char                   path[400];
    uint64_t               index = 1;
    uint64_t               fulls = 0;

    data_path(path, place);
    config.bytes_max = 8 * KIT_MIB;
    assert_int_equal(aw_lmdb_open(&journal, &table, &config, &why), AW_OK);
    while (fulls < 300) {
        uint32_t batches = 1 + (uint32_t)kit_below(&random, 8);
        bool     done;

        for (; batches != 0; batches--) {
            struct aw_journal_body  body = {.seq = index, .bytes = {bytes, 1 + kit_below(&random, 4000)}};
            struct aw_journal_batch batch = {.index = index,
                                             .first_seq = index,
                                             .count = 1,
                                             .bytes = {bytes, 160 + kit_below(&random, 4000)},
                                             .bodies = &body,
                                             .body_count = (uint32_t)kit_below(&random, 2)};
            /* To the last page, past all admission: submit itself must know when to say no. */
            enum aw_outcome outcome = aw_journal_submit(journal, &batch);

            if (outcome == AW_OUTCOME_OK) {
                index++;
                continue;
            }
            assert_int_equal(outcome, AW_OUTCOME_FULL);
            fulls++;
            assert_int_equal(
                aw_journal_trim_step(journal, index - kit_below(&random, 30), 1 + (uint32_t)kit_below(&random, 60), &done),
                AW_OK);
        }
        (void)kit_flush(journal, AW_OUTCOME_OK);
        assert_int_equal(stat(path, &status), 0);
        assert_true((uint64_t)status.st_size <= config.bytes_max);
        aw_journal_room(journal, &room);
        assert_true(room.used_bytes <= config.bytes_max);
    }
    aw_journal_close(&journal);
    check_pages(path);
}

/* A reader that stands still holds its pages: the room shrinks by them, and comes back. */
static void
test_held_pages(void **state)
{
    struct place             *place = *state;
    struct kit_writer         writer = {must_open(place->folder, AW_STORE_SERVE), 1, 1};
    struct aw_journal_reader *reader = aw_journal_reader_new(writer.journal);
    struct aw_journal_room    before;
    struct aw_journal_room    held;
    struct aw_journal_room    after;
    bool                      done = false;
    char                      path[400];

    kit_append(&writer, 600);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    aw_journal_room(writer.journal, &before);
    while (!done) {
        assert_int_equal(aw_journal_trim_step(writer.journal, kit_first_seq(590), 400, &done), AW_OK);
        assert_int_equal(kit_flush(writer.journal, AW_OUTCOME_OK), 0);
    }
    kit_append(&writer, 20);
    aw_journal_room(writer.journal, &held);
    assert_true(held.used_bytes < before.used_bytes / 4); /* they are free */
    assert_true(held.drain_bytes <= before.drain_bytes);  /* but not for use */
    aw_journal_read_end(reader);
    kit_append(&writer, 3);
    aw_journal_room(writer.journal, &after);
    assert_true(after.drain_bytes > held.drain_bytes + before.used_bytes / 2);
    aw_journal_reader_free(&reader);
    aw_journal_close(&writer.journal);
    data_path(path, place);
    check_pages(path);
}

static void
test_limit_reloaded(void **state)
{
    struct place          *place = *state;
    struct kit_writer      writer = {must_open(place->folder, AW_STORE_SERVE), 1, 1};
    struct aw_journal_room room;

    kit_append(&writer, 300);
    aw_lmdb_set_bytes_max(writer.journal, KIT_MIB / 2);
    aw_journal_room(writer.journal, &room);
    assert_int_equal(room.posts_bytes, 0);
    assert_int_equal(room.limit_bytes, KIT_MIB / 2);
    aw_lmdb_set_bytes_max(writer.journal, 32 * KIT_MIB);
    aw_journal_room(writer.journal, &room);
    assert_true(room.posts_bytes > 16 * KIT_MIB);
    kit_append(&writer, 10);
    assert_int_equal(kit_check(writer.journal, 1), 311);
    aw_journal_close(&writer.journal);
}

/* Who catches up with a large debt while serving does it in steps of a bounded size, and comes to its end; one that is found at a
 * start has its room before anybody is served. */
static void
test_room_in_steps(void **state)
{
    struct place          *place = *state;
    struct aw_store_config config = KIT_CONFIG(place->folder);
    struct kit_writer      writer = {NULL, 1, 1};
    struct aw_table       *table;
    struct aw_journal_room room;
    struct aw_why          why = {""};
    struct stat            before, after;
    char                   path[400];

    config.bytes_max = 1024 * KIT_MIB;
    assert_int_equal(aw_lmdb_open(&writer.journal, &table, &config, &why), AW_OK);
    data_path(path, place);
    kit_append(&writer, 3);
    aw_journal_set_owed(writer.journal, KIT_MIB);
    assert_int_equal(stat(path, &before), 0);
    aw_journal_set_owed(writer.journal, 300 * KIT_MIB);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_size - before.st_size, 192 * KIT_MIB);
    do
        aw_journal_room(writer.journal, &room);
    while (room.posts_bytes == 0);
    assert_int_equal(stat(path, &after), 0);
    assert_in_range(after.st_size, 300 * KIT_MIB, 400 * KIT_MIB);
    kit_append(&writer, 3);
    aw_journal_close(&writer.journal);
    assert_int_equal(aw_lmdb_open(&writer.journal, &table, &config, &why), AW_OK);
    aw_journal_set_owed(writer.journal, 300 * KIT_MIB);
    aw_journal_room(writer.journal, &room);
    assert_int_not_equal(room.posts_bytes, 0);
    kit_append(&writer, 3);
    aw_journal_close(&writer.journal);
}

/* What a checkpoint is said to take before it is begun is no less than what it takes, however large its chunks are. */
static void
test_what_a_checkpoint_takes(void **state)
{
    static const uint32_t  lengths[] = {AW_CUT_BYTES, AW_CUT_BYTES - 81, 20000, 2049, 1990, 144, 1};
    struct place          *place = *state;
    struct aw_table       *table = NULL;
    struct aw_store_config config = KIT_CONFIG(place->folder);
    struct aw_journal     *journal;
    struct aw_journal_room before, after;
    struct aw_why          why = {""};
    static char            bytes[AW_CUT_BYTES];
    char                   keys[400];

    (void)snprintf(keys, sizeof(keys), "%s/store.keys", place->scratch);
    config.keys = keys; /* what seals a chunk takes room as well */
    assert_int_equal(aw_lmdb_open(&journal, &table, &config, &why), AW_OK);
    for (uint32_t i = 0; i < AW_ARRAY_LEN(lengths); i++) {
        struct aw_checkpoint_mark mark = {.seq = i + 1, .chunks = 60};
        uint64_t                  said = 0;

        aw_journal_room(journal, &before);
        for (uint32_t number = 0; number < mark.chunks; number++) {
            struct aw_chunk chunk = {.table = 1, .chunk = number, .bytes = {bytes, lengths[i]}};

            assert_int_equal(aw_table_put(table, &chunk), AW_OUTCOME_OK);
            said += lengths[i] + AW_CUT_EXTRA_BYTES;
        }
        assert_int_equal(aw_table_mark(table, &mark), AW_OUTCOME_OK);
        (void)kit_flush(journal, AW_OUTCOME_OK);
        aw_journal_room(journal, &after);
        assert_true(after.used_bytes > before.used_bytes);
        if (after.used_bytes - before.used_bytes > said)
            fail_msg("chunks of %u bytes: %llu taken, %llu said", lengths[i],
                     (unsigned long long)(after.used_bytes - before.used_bytes), (unsigned long long)said);
        kit_drop_all(journal, table, 3);
    }
    aw_journal_close(&journal);
}

/* A flipped bit in a body or batch is found by its checksum. */
static void
test_damaged_value(void **state)
{
    struct place             *place = *state;
    struct aw_journal        *journal = must_open(place->folder, AW_STORE_SERVE);
    struct aw_journal_reader *reader;
    struct aw_slice           got;
    static const char         text[] = "a body that can be found in the file";
    struct aw_journal_body    body = {.seq = 1, .bytes = AW_SLICE(text)};
    struct aw_journal_batch   batch = {
          .index = 1, .first_seq = 1, .count = 1, .bytes = AW_SLICE("batch"), .bodies = &body, .body_count = 1};
    char  path[400];
    char  page[4096];
    int   fd;
    off_t at;
    bool  found = false;

    assert_int_equal(aw_journal_submit(journal, &batch), AW_OUTCOME_OK);
    assert_int_equal(kit_flush(journal, AW_OUTCOME_OK), 1);
    aw_journal_close(&journal);
    data_path(path, place);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (at = 0; !found && pread(fd, page, sizeof(page), at) == (ssize_t)sizeof(page); at += (off_t)sizeof(page)) {
        char *hit = memmem(page, sizeof(page), text, sizeof(text) - 1);

        if (hit == NULL)
            continue;
        found = true;
        *hit ^= 4;
        assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
    }
    (void)close(fd);
    assert_true(found);
    journal = must_open(place->folder, AW_STORE_SERVE);
    reader = aw_journal_reader_new(journal);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    assert_int_equal(aw_journal_read_batch(reader, 1, &got), AW_OK);
    assert_int_equal(aw_journal_read_body(reader, 1, &got), AW_E_CORRUPT);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    aw_journal_close(&journal);
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_in_use),           TEST(test_newer_format),
        TEST(test_damaged_identity), TEST(test_not_a_store),
        TEST(test_truncated),        TEST(test_wrong_settings),
        TEST(test_bad_folders),      TEST(test_half_created),
        TEST(test_reader_process),   TEST(test_checkpoint_replaced),
        TEST(test_reader_threads),   TEST(test_no_room_for_the_reserve),
        TEST(test_limit_is_kept),    TEST(test_held_pages),
        TEST(test_limit_reloaded),   TEST(test_damaged_value),
        TEST(test_room_in_steps),    TEST(test_what_a_checkpoint_takes),
    };
#undef TEST

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
