/* main.c - what the store costs beside a plain append: the same messages, in the same groups, each group flushed.
 *
 * raw    one LMDB tree, appended: a body a message
 * store  the LMDB engine through its port: a batch of records a group, a body and 32 bytes of id a message
 * In turns, several rounds; the medians of both and their ratios are printed, for absolute figures drift. Bytes are those given
 * to the kernel in writes (/proc/self/io wchar): its write_bytes counts whole folios of a file system with large ones.
 *   store_bench [folder [seconds a run [rounds]]]
 */
#include "base/hash.h"
#include "port/clock.h"
#include "store/store.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BODY_BYTES   300U
#define RECORD_BYTES 120U
#define HEADER_BYTES 160U
#define GROUP_MAX    1000U
#define ROUNDS_MAX   15U
#define COMMITS_MAX  200000U

struct result {
    double per_second;
    double bytes_each; /* written, a message */
    double commit_us;  /* median */
    double commit_us_p99;
};

struct subject {
    const char *name;
    /* Opens in a fresh folder; false: could not. */
    bool (*open)(struct subject *subject, const char *folder);
    bool (*append)(struct subject *subject, uint32_t group);
    void (*close)(struct subject *subject);
    MDB_env           *env;
    MDB_dbi            tree;
    struct aw_journal *journal;
    uint64_t           next;
    uint64_t           index;
};

static char     body_bytes[BODY_BYTES];
static char     batch_bytes[HEADER_BYTES + RECORD_BYTES * GROUP_MAX];
static char     id_bytes[AW_ID_BYTES_MAX * GROUP_MAX];
static uint32_t commit_ns[COMMITS_MAX];

static bool
raw_open(struct subject *raw, const char *folder)
{
    MDB_txn *txn;

    if (mkdir(folder, 0700) != 0 || mdb_env_create(&raw->env) != MDB_SUCCESS)
        return false;
    if (mdb_env_set_mapsize(raw->env, (size_t)1 << 40) != MDB_SUCCESS ||
        mdb_env_open(raw->env, folder, MDB_NOTLS, 0600) != MDB_SUCCESS)
        return false;
    return mdb_txn_begin(raw->env, NULL, 0, &txn) == MDB_SUCCESS &&
           mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &raw->tree) == MDB_SUCCESS && mdb_txn_commit(txn) == MDB_SUCCESS;
}

static bool
raw_append(struct subject *raw, uint32_t group)
{
    MDB_txn *txn;

    if (mdb_txn_begin(raw->env, NULL, 0, &txn) != MDB_SUCCESS)
        return false;
    for (; group != 0; group--) {
        uint64_t key_value = raw->next++;
        MDB_val  key = {sizeof(key_value), &key_value};
        MDB_val  value = {BODY_BYTES, body_bytes};

        if (mdb_put(txn, raw->tree, &key, &value, MDB_APPEND) != MDB_SUCCESS)
            return false;
    }
    return mdb_txn_commit(txn) == MDB_SUCCESS;
}

static void
raw_close(struct subject *raw)
{
    mdb_env_close(raw->env);
}

static bool
store_open(struct subject *store, const char *folder)
{
    struct aw_store_config config = {.folder = folder, .access = AW_STORE_SERVE};
    struct aw_table       *table;
    struct aw_why          why = {""};

    store->next = 1;
    store->index = 1;
    if (aw_lmdb_open(&store->journal, &table, &config, &why) == AW_OK)
        return true;
    (void)fprintf(stderr, "%s\n", why.text);
    return false;
}

static bool
store_append(struct subject *store, uint32_t group)
{
    static struct aw_journal_body bodies[GROUP_MAX];
    struct aw_journal_batch       batch = {.index = store->index++, .first_seq = store->next, .count = group, .bodies = bodies};
    struct aw_journal_done        done;
    uint32_t                      i;

    for (i = 0; i < group; i++)
        bodies[i] = (struct aw_journal_body){.seq = store->next++, .bytes = aw_slice_of(body_bytes, BODY_BYTES)};
    batch.body_count = group;
    batch.bytes = aw_slice_of(batch_bytes, HEADER_BYTES + (size_t)RECORD_BYTES * group);
    batch.ids = aw_slice_of(id_bytes, (size_t)AW_ID_BYTES_MAX * group);
    return aw_journal_submit(store->journal, &batch) == AW_OUTCOME_OK && aw_journal_flush(store->journal) == AW_OUTCOME_OK &&
           aw_journal_poll(store->journal, &done) && done.outcome == AW_OUTCOME_OK;
}

static void
store_close(struct subject *store)
{
    aw_journal_close(&store->journal);
}

/* Bytes that this process has written so far. */
static uint64_t
bytes_written(void)
{
    char     line[128];
    uint64_t bytes = 0;
    FILE    *file = fopen("/proc/self/io", "r");

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "wchar: ", 7) == 0)
            bytes = strtoull(line + 7, NULL, 10);
    }
    (void)fclose(file);
    return bytes;
}

static int
by_size_u32(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static int
by_size_double(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static void
remove_files(const char *folder)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "lock"};
    char                     path[4096];
    size_t                   i;

    for (i = 0; i < AW_ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static bool
run(struct subject *subject, const char *base, uint32_t group, aw_ns length, struct result *ret_result)
{
    char     folder[4000];
    uint64_t bytes;
    uint64_t commits = 0;
    uint64_t middle, late;
    aw_ns    start;
    aw_ns    now;
    bool     ok;

    (void)snprintf(folder, sizeof(folder), "%s/%s", base, subject->name);
    remove_files(folder);
    ok = subject->open(subject, folder);
    bytes = bytes_written();
    start = now = aw_clock_mono();
    while (ok && now - start < length && commits < COMMITS_MAX) {
        aw_ns before = now;

        ok = subject->append(subject, group);
        now = aw_clock_mono();
        commit_ns[commits++] = (uint32_t)(now - before);
    }
    if (!ok)
        return false;
    bytes = bytes_written() - bytes;
    subject->close(subject);
    remove_files(folder);
    qsort(commit_ns, commits, sizeof(commit_ns[0]), by_size_u32);
    ret_result->per_second = (double)commits * group / ((double)(now - start) / 1e9);
    ret_result->bytes_each = (double)bytes / (double)(commits * group);
    middle = commits / 2;
    late = commits * 99 / 100;
    ret_result->commit_us = commit_ns[middle] / 1e3;
    ret_result->commit_us_p99 = commit_ns[late] / 1e3;
    return true;
}

static double
median(const struct result *results, uint32_t count, size_t offset)
{
    double   values[ROUNDS_MAX];
    uint32_t i;

    AW_ASSERT(count > 0 && count <= ROUNDS_MAX);
    for (i = 0; i < count; i++)
        memcpy(&values[i], (const char *)&results[i] + offset, sizeof(double));
    qsort(values, count, sizeof(values[0]), by_size_double);
    return values[count / 2];
}

static void
print(const char *name, const struct result *results, uint32_t rounds)
{
    (void)printf("  %-5s %9.0f messages/s %8.0f B each   commit p50 %6.0f us  p99 %6.0f us\n", name,
                 median(results, rounds, offsetof(struct result, per_second)),
                 median(results, rounds, offsetof(struct result, bytes_each)),
                 median(results, rounds, offsetof(struct result, commit_us)),
                 median(results, rounds, offsetof(struct result, commit_us_p99)));
}

static double
ratio(const struct result *store, const struct result *raw, uint32_t rounds, size_t offset)
{
    return median(store, rounds, offset) / median(raw, rounds, offset);
}

static bool
compare(const char *base, uint32_t group, aw_ns length, uint32_t rounds)
{
    struct result raw_results[ROUNDS_MAX];
    struct result store_results[ROUNDS_MAX];
    uint32_t      i;

    for (i = 0; i < rounds; i++) {
        struct subject raw = {.name = "raw", .open = raw_open, .append = raw_append, .close = raw_close};
        struct subject store = {.name = "store", .open = store_open, .append = store_append, .close = store_close};

        if (!run(&raw, base, group, length, &raw_results[i]) || !run(&store, base, group, length, &store_results[i]))
            return false;
    }
    (void)printf("groups of %u\n", group);
    print("raw", raw_results, rounds);
    print("store", store_results, rounds);
    (void)printf("  store/raw: rate %.2f  bytes %.2f  commit p50 %.2f\n",
                 ratio(store_results, raw_results, rounds, offsetof(struct result, per_second)),
                 ratio(store_results, raw_results, rounds, offsetof(struct result, bytes_each)),
                 ratio(store_results, raw_results, rounds, offsetof(struct result, commit_us)));
    return true;
}

int
main(int argc, char **argv)
{
    static const uint32_t groups[] = {1, 10, 100, 1000};
    const char           *base = argc > 1 ? argv[1] : "store_bench.data";
    double                seconds = argc > 2 ? strtod(argv[2], NULL) : 2.0;
    unsigned long         rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;
    size_t                i;

    if (!aw_hash_init() || seconds <= 0 || rounds == 0 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "usage: store_bench [folder [seconds a run [rounds, at most %u]]]\n", ROUNDS_MAX);
        return 2;
    }
    if (mkdir(base, 0700) != 0 && errno != EEXIST) {
        perror(base);
        return 1;
    }
    memset(body_bytes, 'b', sizeof(body_bytes));
    memset(batch_bytes, 'r', sizeof(batch_bytes));
    memset(id_bytes, 'i', sizeof(id_bytes));
    for (i = 0; i < AW_ARRAY_LEN(groups); i++) {
        if (!compare(base, groups[i], (aw_ns)(seconds * 1e9), (uint32_t)rounds)) {
            (void)fprintf(stderr, "store_bench: a run failed\n");
            return 1;
        }
    }
    (void)rmdir(base);
    return 0;
}
