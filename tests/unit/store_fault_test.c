/* store_fault_test.c - whatever write fails, and whenever: nothing acknowledged is lost, and a broken store stays broken.
 *
 * The test runs itself again as a child with the library tests/preload/faults.c in front of libc. The child opens a store, appends
 * batches, writes the index of each acknowledged one into a pipe, and stops when the store breaks (or the rule kills it). Then the
 * parent, without faults, opens the store and reads all of it: every acknowledged batch must be there, and nothing but a prefix of
 * what was submitted. First fault at the 1st call, then the 2nd, and so on until a child gets through without meeting it.
 */
#include "store_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BATCHES 16U /* of a child; with a checkpoint and a trim among them */

enum child_end {
    CHILD_DONE = 0,      /* all went well: the fault was not met */
    CHILD_WRONG = 1,     /* a check of the child failed */
    CHILD_BROKE = 10,    /* the store broke, and stayed broken */
    CHILD_NO_STORE = 11, /* the store did not open */
    CHILD_KILLED = 12,   /* by the rule */
};

/* The child's part. */

static void
child_require(bool fact, int line)
{
    if (fact)
        return;
    (void)fprintf(stderr, "child: line %d\n", line);
    _exit(CHILD_WRONG);
}
#define REQUIRE(fact) child_require((fact), __LINE__)

/* After BROKEN every call says so, and no reader sees anything. */
static void
child_check_latch(struct kit_writer *writer, struct aw_table *table, struct aw_journal_reader *reader)
{
    static const struct aw_checkpoint_mark mark = {.seq = 1};
    struct aw_checkpoint_mark              got;
    struct aw_journal_done                 done;
    struct aw_journal_room                 room;
    bool                                   all;

    while (aw_journal_poll(writer->journal, &done))
        REQUIRE(done.outcome == AW_OUTCOME_BROKEN || done.outcome == AW_OUTCOME_OK);
    REQUIRE(kit_submit(writer) == AW_OUTCOME_BROKEN);
    REQUIRE(aw_journal_flush(writer->journal) == AW_OUTCOME_BROKEN);
    REQUIRE(!aw_journal_poll(writer->journal, &done));
    REQUIRE(aw_journal_trim_step(writer->journal, 10, 10, &all) == AW_E_IO);
    REQUIRE(kit_put_chunk(table, 1, 9, 9) == AW_OUTCOME_BROKEN);
    REQUIRE(aw_table_mark(table, &mark) == AW_OUTCOME_BROKEN);
    REQUIRE(aw_table_abandon(table) == AW_OUTCOME_BROKEN);
    REQUIRE(aw_table_drop_step(table, 1, &all) == AW_OUTCOME_BROKEN);
    REQUIRE(aw_table_read_mark(table, &got) == AW_E_IO);
    REQUIRE(aw_journal_read_begin(reader) == AW_E_IO);
    aw_journal_room(writer->journal, &room);
    REQUIRE(room.drain_bytes == 0 && room.posts_bytes == 0);
}

/* Takes reports; true when one says BROKEN. */
static bool
child_poll(struct aw_journal *journal, int acks)
{
    struct aw_journal_done done;
    bool                   broke = false;

    while (aw_journal_poll(journal, &done)) {
        if (done.outcome == AW_OUTCOME_OK) {
            REQUIRE(!broke);
            REQUIRE(write(acks, &done.index, sizeof(done.index)) == (ssize_t)sizeof(done.index));
        } else {
            REQUIRE(done.outcome == AW_OUTCOME_BROKEN);
            broke = true;
        }
    }
    return broke;
}

/* One flush of one or two batches, and now and then of rows, a mark or a trim. False: broken. */
static bool
child_step(struct kit_writer *writer, struct aw_table *table, int acks)
{
    struct aw_checkpoint_mark mark;
    bool                      done;

    if (kit_submit(writer) != AW_OUTCOME_OK)
        return false;
    if (writer->index % 4 == 0 && kit_submit(writer) != AW_OUTCOME_OK)
        return false;
    if (writer->index == 6 && kit_put_chunk(table, 1, 0, 0) != AW_OUTCOME_OK)
        return false;
    if (writer->index == 9) {
        mark = kit_mark(1, 1);
        if (aw_table_mark(table, &mark) != AW_OUTCOME_OK)
            return false;
    }
    if (writer->index > 12 && aw_journal_trim_step(writer->journal, kit_first_seq(4), 20, &done) != AW_OK)
        return false;
    if (aw_journal_flush(writer->journal) != AW_OUTCOME_OK)
        return false;
    return !child_poll(writer->journal, acks);
}

static int
child_main(const char *folder, int acks)
{
    struct aw_store_config    config = KIT_CONFIG(folder);
    struct kit_writer         writer = {NULL, 1, 1};
    struct aw_journal_reader *reader;
    struct aw_table          *table;
    struct aw_why             why = {""};

    if (aw_lmdb_open(&writer.journal, &table, &config, &why) != AW_OK)
        return CHILD_NO_STORE;
    reader = aw_journal_reader_new(writer.journal);
    REQUIRE(reader != NULL);
    while (writer.index <= BATCHES) {
        if (child_step(&writer, table, acks))
            continue;
        (void)child_poll(writer.journal, acks);
        child_check_latch(&writer, table, reader);
        aw_journal_reader_free(&reader);
        aw_journal_close(&writer.journal);
        return CHILD_BROKE;
    }
    aw_journal_reader_free(&reader);
    aw_journal_close(&writer.journal);
    return CHILD_DONE;
}

/* Another process takes what the disk has left. */
static void
child_take_disk(const char *folder)
{
    static char bytes[65536];
    char        path[400];
    size_t      len = sizeof(bytes);
    int         fd;

    (void)snprintf(path, sizeof(path), "%s/../taken", folder);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    REQUIRE(fd >= 0);
    while (len >= 512) {
        if (write(fd, bytes, len) <= 0)
            len /= 2;
    }
    REQUIRE(close(fd) == 0);
}

/* Fills a store on a disk of which `space` says how much there is: first the posts end, then records still go in. */
static int
child_disk_main(const char *folder, const char *fault_file)
{
    static char             bytes[3000];
    struct aw_store_config  config = KIT_CONFIG(folder);
    struct aw_journal_room  room;
    struct aw_journal      *journal;
    struct aw_table        *table;
    struct aw_why           why = {""};
    struct aw_journal_done  done;
    struct aw_journal_body  body = {.bytes = aw_slice_of(bytes, sizeof(bytes))};
    struct aw_journal_batch batch = {.count = 1, .bytes = aw_slice_of(bytes, 300), .bodies = &body, .body_count = 1};
    uint64_t                index = 1;
    uint64_t                drained = 0;

    REQUIRE(aw_lmdb_open(&journal, &table, &config, &why) == AW_OK);
    for (aw_journal_room(journal, &room); room.posts_bytes > 10000; index++) {
        batch.index = batch.first_seq = body.seq = index;
        REQUIRE(aw_journal_submit(journal, &batch) == AW_OUTCOME_OK);
        REQUIRE(aw_journal_flush(journal) == AW_OUTCOME_OK);
        while (aw_journal_poll(journal, &done))
            REQUIRE(done.outcome == AW_OUTCOME_OK);
        aw_journal_room(journal, &room);
    }
    REQUIRE(index > 500);                            /* it took many */
    REQUIRE(room.drain_bytes >= room.reserve_bytes); /* the whole reserve is left */
    REQUIRE(room.used_bytes < room.limit_bytes / 2); /* it was the disk, not the limit */
    if (fault_file == NULL)
        child_take_disk(folder);
    batch.body_count = 0;
    while (aw_journal_cost(journal, 300, 0) <= room.drain_bytes) {
        batch.index = batch.first_seq = index++;
        REQUIRE(aw_journal_submit(journal, &batch) == AW_OUTCOME_OK);
        REQUIRE(aw_journal_flush(journal) == AW_OUTCOME_OK);
        while (aw_journal_poll(journal, &done))
            REQUIRE(done.outcome == AW_OUTCOME_OK);
        drained++;
        aw_journal_room(journal, &room);
    }
    REQUIRE(drained > 500);
    if (fault_file != NULL) {
        int i;

        /* The disk gets room again: by itself it goes on. */
        REQUIRE(unlink(fault_file) == 0);
        for (i = 0; room.posts_bytes == 0 && i < 100; i++) {
            (void)usleep(20000);
            aw_journal_room(journal, &room);
        }
        REQUIRE(room.posts_bytes > 10 * KIT_MIB);
    }
    aw_journal_close(&journal);
    /* A full disk does not keep a store from opening. */
    REQUIRE(aw_lmdb_open(&journal, &table, &config, &why) == AW_OK);
    aw_journal_close(&journal);
    return CHILD_DONE;
}

/* The parent's part. */

struct run {
    enum child_end end;
    uint64_t       acknowledged; /* the highest index */
};

static void
path_beside_us(char path[512], const char *name)
{
    ssize_t len = readlink("/proc/self/exe", path, 400);
    char   *slash;

    assert_true(len > 0);
    path[len] = '\0';
    slash = strrchr(path, '/');
    assert_non_null(slash);
    (void)snprintf(slash + 1, (size_t)(512 - (slash + 1 - path)), "%s", name);
}

/* Becomes the child. */
static void
exec_child(const char *mode, const char *folder, int acks, const char *rule, const char *fault_file)
{
    char library[512];
    char number[16];

    path_beside_us(library, "libaw_faults.so");
    if (access(library, R_OK) != 0) {
        (void)fprintf(stderr, "%s is missing\n", library);
        _exit(CHILD_WRONG);
    }
    (void)snprintf(number, sizeof(number), "%d", acks);
    (void)setenv("LD_PRELOAD", library, 1);
    if (rule != NULL)
        (void)setenv("ASWOLK_FAULT", rule, 1);
    if (fault_file != NULL)
        (void)setenv("ASWOLK_FAULT_FILE", fault_file, 1);
    (void)execl("/proc/self/exe", "store_fault_test", mode, folder, number, fault_file, (char *)NULL);
    _exit(CHILD_WRONG);
}

static struct run
run_child(const char *mode, const char *folder, const char *rule, const char *fault_file)
{
    struct run run = {CHILD_WRONG, 0};
    uint64_t   index;
    int        acks[2];
    int        status;
    pid_t      pid;

    assert_int_equal(pipe(acks), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(acks[0]);
        exec_child(mode, folder, acks[1], rule, fault_file);
    }
    (void)close(acks[1]);
    while (read(acks[0], &index, sizeof(index)) == (ssize_t)sizeof(index))
        run.acknowledged = index;
    (void)close(acks[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        run.end = CHILD_KILLED;
    else if (WIFEXITED(status))
        run.end = (enum child_end)WEXITSTATUS(status);
    return run;
}

/* Where the store now starts: 1, or 4 when the child's trim got through. */
static uint64_t
first_index(struct aw_journal *journal)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(journal);
    struct aw_slice           bytes;
    uint64_t                  first;
    uint64_t                  index;

    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    if (aw_journal_read_next(reader, 0, &first, &bytes) != AW_OK)
        first = 1;
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    for (index = 1; kit_first_seq(index) < first; index++)
        ;
    assert_int_equal(kit_first_seq(index), first);
    return index;
}

/* Opens the store without faults: all acknowledged batches are there, and it can go on. */
static void
check_after(const char *folder, const struct run *run)
{
    struct aw_store_config config = KIT_CONFIG(folder);
    struct aw_why          why = {""};
    struct kit_writer      writer;
    struct aw_journal     *journal;
    struct aw_table       *table;
    uint64_t               first;
    uint64_t               next;

    if (aw_lmdb_open(&journal, &table, &config, &why) != AW_OK)
        fail_msg("%s", why.text);
    first = first_index(journal);
    /* Bodies of trimmed batches may be gone before their batches: the check of those starts where trimming aimed at. */
    assert_true(first <= 4);
    next = kit_check(journal, first);
    assert_true(next > run->acknowledged);
    assert_true(next <= run->acknowledged + 3);
    assert_int_equal(aw_table_abandon(table), AW_OUTCOME_OK);
    kit_drop_all(journal, table, 10);
    writer = (struct kit_writer){journal, next, kit_first_seq(next)};
    kit_append(&writer, 3);
    assert_int_equal(kit_check(journal, first), next + 3);
    aw_journal_close(&journal);
}

/* Fails the 1st, 2nd, ... call until one child meets no fault. Returns how many did. */
static uint32_t
sweep(const char *call, const char *fault)
{
    char     scratch[256];
    char     folder[300];
    char     rule[64];
    uint32_t met = 0;
    uint32_t nth;

    for (nth = 1; nth < 1000; nth++) {
        struct run run;

        kit_scratch(scratch);
        (void)snprintf(folder, sizeof(folder), "%s/store", scratch);
        (void)snprintf(rule, sizeof(rule), "%s:%u:%s", call, nth, fault);
        run = run_child("appends", folder, rule, NULL);
        assert_int_not_equal(run.end, CHILD_WRONG);
        check_after(folder, &run);
        kit_remove(scratch);
        if (run.end == CHILD_DONE) {
            assert_true(run.acknowledged >= BATCHES);
            return met;
        }
        met++;
    }
    fail_msg("%s never came to an end", call);
    return 0;
}

static void
test_fdatasync(void **state)
{
    (void)state;
    assert_true(sweep("fdatasync", "EIO") >= BATCHES / 2);
}

static void
test_write(void **state)
{
    (void)state;
    assert_true(sweep("write", "EIO") >= BATCHES);
}

static void
test_write_no_space(void **state)
{
    (void)state;
    assert_true(sweep("write", "ENOSPC") >= BATCHES);
}

static void
test_write_short(void **state)
{
    (void)state;
    assert_true(sweep("write", "SHORT") >= BATCHES);
}

static void
test_fallocate(void **state)
{
    (void)state;
    assert_true(sweep("fallocate", "EIO") >= 1);
}

/* Dead before each single call that changes the store. */
static void
test_kill(void **state)
{
    (void)state;
    assert_true(sweep("any", "KILL") >= 2 * BATCHES);
}

/* Dead at moments that have nothing to do with our calls; every second time after the first acknowledgement, however slow the
 * machine is. */
static void
test_kill_random(void **state)
{
    struct kit_random random = {20260415};
    uint32_t          killed = 0;
    uint32_t          i;

    (void)state;
    for (i = 0; i < 60; i++) {
        char       scratch[256];
        char       folder[300];
        struct run run = {CHILD_WRONG, 0};
        uint64_t   index;
        int        acks[2];
        int        status;
        pid_t      pid;

        kit_scratch(scratch);
        (void)snprintf(folder, sizeof(folder), "%s/store", scratch);
        assert_int_equal(pipe(acks), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)close(acks[0]);
            _exit(child_main(folder, acks[1]));
        }
        (void)close(acks[1]);
        if (i % 2 == 1 && read(acks[0], &index, sizeof(index)) == (ssize_t)sizeof(index))
            run.acknowledged = index;
        (void)usleep((useconds_t)kit_below(&random, i % 2 == 1 ? 3000 : 30000));
        (void)kill(pid, SIGKILL);
        while (read(acks[0], &index, sizeof(index)) == (ssize_t)sizeof(index))
            run.acknowledged = index;
        (void)close(acks[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        killed += WIFSIGNALED(status) && run.acknowledged != 0 ? 1 : 0;
        check_after(folder, &run);
        kit_remove(scratch);
    }
    assert_true(killed > 0);
}

/* A disk of 12 MiB, by the library: the store's own limit is 64. */
static void
test_disk_full(void **state)
{
    char       scratch[256];
    char       folder[300];
    char       fault_file[300];
    FILE      *file;
    struct run run;

    (void)state;
    kit_scratch(scratch);
    (void)snprintf(folder, sizeof(folder), "%s/store", scratch);
    (void)snprintf(fault_file, sizeof(fault_file), "%s/fault", scratch);
    file = fopen(fault_file, "w");
    assert_non_null(file);
    (void)fprintf(file, "space:%llu:ENOSPC\n", (unsigned long long)(12 * KIT_MIB));
    assert_int_equal(fclose(file), 0);
    run = run_child("disk", folder, NULL, fault_file);
    assert_int_equal(run.end, CHILD_DONE);
    kit_remove(scratch);
}

/* The same on a real one, and another process takes what is left: the reserve is ours already. */
static void
test_disk_full_real(void **state)
{
    char  scratch[256];
    pid_t pid;
    int   status;

    (void)state;
    kit_scratch(scratch);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char folder[300];

        /* In a mount namespace of its own, so that nothing stays mounted. */
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("tmpfs", scratch, "tmpfs", 0, "size=12m") != 0)
            _exit(77);
        (void)snprintf(folder, sizeof(folder), "%s/store", scratch);
        _exit(child_disk_main(folder, NULL));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    kit_remove(scratch);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* mounting needs a privilege that this user does not have */
    assert_int_equal(WEXITSTATUS(status), CHILD_DONE);
}

int
main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fdatasync),   cmocka_unit_test(test_write),     cmocka_unit_test(test_write_no_space),
        cmocka_unit_test(test_write_short), cmocka_unit_test(test_fallocate), cmocka_unit_test(test_kill),
        cmocka_unit_test(test_kill_random), cmocka_unit_test(test_disk_full), cmocka_unit_test(test_disk_full_real),
    };

    if (!aw_hash_init())
        return 1;
    if (argc >= 4 && strcmp(argv[1], "appends") == 0)
        return child_main(argv[2], (int)strtol(argv[3], NULL, 10));
    if (argc >= 4 && strcmp(argv[1], "disk") == 0)
        return child_disk_main(argv[2], argc > 4 ? argv[4] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
