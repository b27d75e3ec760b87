/* store_copy_test.c - a copy made while its source grows and is trimmed between the steps: it opens, its pages and values are
 * sound, it begins and ends where it says, and it has checkpoint, kept and notes of the last snapshot. One that fails or is dropped
 * leaves nothing.
 */
#include "store_kit.h"

#include "store/copy.h"
#include "store/pages.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char scratch[256];
    char from[300];
    char to[300];
};

static int
setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    kit_scratch(place->scratch);
    (void)snprintf(place->from, sizeof(place->from), "%s/store", place->scratch);
    (void)snprintf(place->to, sizeof(place->to), "%s/copy", place->scratch);
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

static bool
is_there(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

static void
checkpoint(struct aw_journal *journal, struct aw_table *table, uint64_t round)
{
    struct aw_checkpoint_mark mark = kit_mark(round, 6);

    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(kit_put_chunk(table, round, i / 3, i % 3), AW_OUTCOME_OK);
    assert_int_equal(aw_table_mark(table, &mark), AW_OUTCOME_OK);
    (void)kit_flush(journal, AW_OUTCOME_OK);
    kit_drop_all(journal, table, 3);
}

/* Batches up to `index` go; one of their records and one body are kept. */
static void
trim(struct aw_journal *journal, uint64_t index)
{
    struct aw_journal_anchor anchor = {.index = index, .next_seq = kit_first_seq(index + 1), .kept = {1, 1}};
    struct aw_kept           kept = {.seq = 2, .owner = 9, .bytes = aw_slice_str("kept of it")};
    bool                     done = false;

    anchor.kept_seq = anchor.body_seq = anchor.next_seq;
    if (index < 30) { /* the first time */
        assert_int_equal(aw_journal_keep(journal, AW_KEPT_RECORD, &kept), AW_OUTCOME_OK);
        assert_int_equal(aw_journal_keep(journal, AW_KEPT_BODY, &kept), AW_OUTCOME_OK);
    }
    assert_int_equal(aw_journal_set_anchor(journal, &anchor), AW_OUTCOME_OK);
    while (!done) {
        assert_int_equal(aw_journal_trim_step(journal, anchor.next_seq, 50, &done), AW_OK);
        (void)kit_flush(journal, AW_OUTCOME_OK);
    }
}

static void
check_copy(const struct place *place, uint64_t round, const struct aw_copy_sum *sum)
{
    struct aw_table          *table = NULL;
    struct aw_journal        *journal = must_open(place->to, AW_STORE_READ, &table);
    struct aw_journal_reader *reader = aw_journal_reader_new(journal);
    struct aw_journal_anchor  anchor = {0};
    struct aw_pages_sum       pages = {0};
    struct aw_kept            kept = {0};
    struct aw_copy_note       note = {.kind = AW_COPY_RESTORE};
    struct aw_why             why = {""};
    struct aw_slice           bytes;
    uint64_t                  first, at, index;

    assert_non_null(reader);
    assert_int_equal(aw_lmdb_check(journal, &pages, &why), AW_OK);
    kit_check_table(table, round, 2, 3);
    assert_int_equal(aw_copy_read_note(journal, &note), AW_OK);
    assert_int_equal(note.kind, AW_COPY_BACKUP);
    assert_int_equal(note.made_at, 12345);
    assert_int_equal(note.next_seq, sum->next_seq);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    assert_int_equal(aw_journal_read_anchor(reader, &anchor), AW_OK);
    for (at = anchor.next_seq, index = anchor.index + 1; at < sum->next_seq; at += kit_shape(index).count, index++) {
        assert_int_equal(aw_journal_read_next(reader, at, &first, &bytes), AW_OK);
        assert_int_equal(first, at);
        kit_check_batch(reader, index, first, bytes);
    }
    assert_int_equal(at, sum->next_seq);
    assert_int_equal(aw_journal_read_next(reader, at, &first, &bytes), AW_E_NOT_FOUND);
    assert_int_equal(aw_journal_read_kept(reader, AW_KEPT_RECORD, 2, &kept), AW_OK);
    assert_int_equal(kept.owner, 9);
    assert_true(aw_slice_eq(kept.bytes, aw_slice_str("kept of it")));
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    aw_journal_close(&journal);
}

static void
test_beside_a_writer(void **state)
{
    struct place         *place = *state;
    struct aw_table      *table = NULL;
    struct kit_writer     writer = {must_open(place->from, AW_STORE_SERVE, &table), 1, 1};
    struct aw_copy_config config = {.to = place->to, .kind = AW_COPY_BACKUP, .now = 12345, .held_bytes_max = KIT_MIB};
    struct aw_copy       *copy = NULL;
    struct aw_copy_sum    sum = {0};
    struct aw_why         why = {""};
    unsigned              steps = 0;
    uint64_t              round = 1;

    /* 9 MiB and more: several pieces. */
    for (unsigned i = 0; i < 60; i++) {
        for (unsigned j = 0; j < 50; j++)
            assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
        assert_int_equal(kit_flush(writer.journal, AW_OUTCOME_OK), 50);
    }
    checkpoint(writer.journal, table, round);
    assert_int_equal(aw_copy_begin(&copy, writer.journal, &config, &why), AW_OK);
    while (!sum.is_done) {
        if (aw_copy_step(copy, &sum, &why) != AW_OK)
            fail_msg("%s", why.text);
        steps++;
        if (sum.is_done)
            break;
        kit_append(&writer, 30);
        checkpoint(writer.journal, table, ++round);
        if (steps <= 2)
            trim(writer.journal, steps == 1 ? 20 : 2900); /* behind what was copied, then before it */
    }
    assert_true(steps > 3);
    assert_int_equal(aw_copy_finish(copy, &why), AW_OK);
    aw_copy_free(&copy);
    assert_int_equal(sum.next_seq, writer.next_seq);
    aw_journal_close(&writer.journal);
    check_copy(place, round, &sum);
}

static void
test_leaves_nothing(void **state)
{
    struct place         *place = *state;
    struct aw_table      *table = NULL;
    struct kit_writer     writer = {must_open(place->from, AW_STORE_SERVE, &table), 1, 1};
    struct aw_copy_config config = {.to = place->to, .kind = AW_COPY_RESTORE};
    struct aw_copy       *copy = NULL, *other = NULL;
    struct aw_copy_sum    sum = {0};
    struct aw_why         why = {""};
    char                  part[320], file[340];

    (void)snprintf(part, sizeof(part), "%s.part", place->to);
    kit_append(&writer, 10);
    assert_int_equal(aw_copy_begin(&copy, writer.journal, &config, &why), AW_OK);
    assert_int_equal(aw_copy_step(copy, &sum, &why), AW_OK);
    assert_true(is_there(part));
    /* Another can't make it meanwhile, nor take away what is there. */
    assert_int_equal(aw_copy_begin(&other, writer.journal, &config, &why), AW_E_IN_USE);
    assert_null(other);
    (void)snprintf(file, sizeof(file), "%s/data.mdb", part);
    assert_true(is_there(file));
    aw_copy_free(&copy);
    assert_false(is_there(part) || is_there(place->to));
    /* What is no backup can't be restored: seen at the end, and gone. */
    assert_int_equal(aw_copy_begin(&copy, writer.journal, &config, &why), AW_OK);
    assert_int_equal(aw_copy_step(copy, &sum, &why), AW_OK);
    assert_int_equal(aw_copy_step(copy, &sum, &why), AW_E_CORRUPT);
    aw_copy_free(&copy);
    assert_false(is_there(part) || is_there(place->to));
    /* Not into a folder that has something, nor beside a .part that is not a copy's. */
    config.to = place->from;
    assert_int_equal(aw_copy_begin(&copy, writer.journal, &config, &why), AW_E_IN_USE);
    config.to = place->to;
    assert_int_equal(mkdir(part, 0700), 0);
    (void)snprintf(part, sizeof(part), "%s.part/letters", place->to);
    assert_int_equal(mkdir(part, 0700), 0);
    assert_int_equal(aw_copy_begin(&copy, writer.journal, &config, &why), AW_E_IN_USE);
    assert_null(copy);
    assert_true(is_there(part));
    aw_journal_close(&writer.journal);
}

/* The folder was moved away under a copy, and another one has its name: what was not checked is not given the name of what was. */
static void
test_exchanged(void **state)
{
    struct place         *place = *state;
    struct aw_table      *table = NULL;
    struct kit_writer     writer = {must_open(place->from, AW_STORE_SERVE, &table), 1, 1};
    struct aw_copy_config config = {.to = place->to, .kind = AW_COPY_BACKUP};
    struct aw_copy       *copy = NULL;
    struct aw_copy_sum    sum = {0};
    struct aw_why         why = {""};
    char                  part[320], away[320];

    (void)snprintf(part, sizeof(part), "%s.part", place->to);
    (void)snprintf(away, sizeof(away), "%s.away", place->to);
    kit_append(&writer, 10);
    assert_int_equal(aw_copy_begin(&copy, writer.journal, &config, &why), AW_OK);
    while (!sum.is_done)
        assert_int_equal(aw_copy_step(copy, &sum, &why), AW_OK);
    assert_int_equal(rename(part, away), 0);
    assert_int_equal(mkdir(part, 0700), 0);
    assert_int_equal(aw_copy_finish(copy, &why), AW_E_IN_USE);
    aw_copy_free(&copy);
    assert_true(is_there(part) && is_there(away) && !is_there(place->to));
    /* What a finished copy is called is never what an unfinished one is. */
    config.to = part;
    assert_int_equal(aw_copy_begin(&copy, writer.journal, &config, &why), AW_E_IN_USE);
    aw_journal_close(&writer.journal);
}

/* More than is copied between two looks. */
static void
fill_kept(struct aw_journal *journal)
{
    static uint8_t bytes[AW_KEPT_BYTES_MAX];

    for (uint64_t seq = 1; seq <= 20; seq++) {
        struct aw_kept kept = {.seq = seq, .owner = 9, .bytes = aw_slice_of(bytes, sizeof(bytes))};

        assert_int_equal(aw_journal_keep(journal, AW_KEPT_BODY, &kept), AW_OUTCOME_OK);
        assert_int_equal(kit_flush(journal, AW_OUTCOME_OK), 0);
    }
}

static enum aw_err
copy_beside(const struct place *place, uint64_t held_bytes_max)
{
    struct aw_copy_config config = {.to = place->to, .kind = AW_COPY_BACKUP, .held_bytes_max = held_bytes_max};
    struct aw_table      *table = NULL;
    struct aw_journal    *journal = must_open(place->from, AW_STORE_READ, &table);
    struct aw_copy       *copy = NULL;
    struct aw_copy_sum    sum = {0};
    struct aw_why         why = {""};
    enum aw_err           err = aw_copy_begin(&copy, journal, &config, &why);

    while (err == AW_OK && !sum.is_done)
        err = aw_copy_step(copy, &sum, &why);
    aw_copy_free(&copy);
    aw_journal_close(&journal);
    return err;
}

/* Each commit frees some pages; without room, as long as a copy holds these, it waits for some. */
static void
write_for_ever(const char *folder)
{
    struct aw_table   *table = NULL;
    struct aw_journal *journal = must_open(folder, AW_STORE_SERVE, &table);
    struct aw_kept     kept = {.seq = 0, .owner = 9, .bytes = AW_SLICE("kept of it")};

    for (bool is_well = true; is_well;) {
        enum aw_outcome kept_one, dropped;

        kept.seq++;
        kept_one = aw_journal_keep(journal, AW_KEPT_RECORD, &kept);
        dropped = aw_journal_unkeep(journal, AW_KEPT_RECORD, kept.seq - 1);
        is_well = kept_one != AW_OUTCOME_BROKEN && dropped != AW_OUTCOME_BROKEN && aw_journal_flush(journal) == AW_OUTCOME_OK;
    }
    _exit(1); /* the other one then never sees what it waits for */
}

/* Another process that writes without end: what the last snapshot keeps from it is bounded, and the copy gives up; with nobody at
 * work, or with a larger bound, it does not. */
static void
test_gives_up(void **state)
{
    struct place     *place = *state;
    struct aw_table  *table = NULL;
    struct kit_writer writer = {must_open(place->from, AW_STORE_SERVE, &table), 1, 1};
    char              part[320];
    enum aw_err       err = AW_OK;
    pid_t             child;

    (void)snprintf(part, sizeof(part), "%s.part", place->to);
    kit_append(&writer, 10);
    fill_kept(writer.journal);
    aw_journal_close(&writer.journal);
    assert_int_equal(copy_beside(place, 64 * 1024), AW_OK);
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        write_for_ever(place->from);
    }
    for (unsigned i = 0; i < 1000 && err == AW_OK; i++) { /* it may have been another's turn */
        err = copy_beside(place, 64 * 1024);
        assert_false(is_there(part) || is_there(place->to));
    }
    assert_int_equal(copy_beside(place, UINT64_MAX), AW_OK);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(err, AW_E_OVERLOADED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_beside_a_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exchanged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gives_up, setup, teardown),
    };

    return aw_hash_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
