/* store_memory_test.c - the memory engine's fault plan: what fails, when, and what a crash leaves. */
#include "store_kit.h"

static struct aw_journal *journal;
static struct aw_table   *table;

static void
open_with(const struct aw_fault_plan *plan)
{
    assert_int_equal(aw_memory_open(&journal, &table, plan, NULL), AW_OK);
}

static void
test_identity(void **state)
{
    struct aw_fault_plan     plan = {.seed = 5};
    struct aw_store_identity first;

    (void)state;
    open_with(&plan);
    first = *aw_journal_identity(journal);
    aw_memory_crash(journal, NULL);
    assert_memory_equal(aw_journal_identity(journal), &first, sizeof(first));
    aw_journal_close(&journal);
    open_with(&plan);
    assert_memory_equal(aw_journal_identity(journal), &first, sizeof(first));
    aw_journal_close(&journal);
    plan.seed = 6;
    open_with(&plan);
    assert_memory_not_equal(aw_journal_identity(journal), &first, sizeof(first));
    aw_journal_close(&journal);
}

static void
test_late_completions(void **state)
{
    struct aw_fault_plan   plan = {.completion_delay = 3};
    struct aw_journal_done done;
    struct kit_writer      writer;
    uint32_t               i;

    (void)state;
    open_with(&plan);
    writer = (struct kit_writer){journal, 1, 1};
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
    assert_int_equal(aw_journal_flush(journal), AW_OUTCOME_OK);
    for (i = 0; i < 3; i++)
        assert_false(aw_journal_poll(journal, &done));
    for (i = 1; i <= 2; i++) {
        assert_true(aw_journal_poll(journal, &done));
        assert_int_equal(done.index, i);
        assert_int_equal(done.outcome, AW_OUTCOME_OK);
    }
    assert_false(aw_journal_poll(journal, &done));
    aw_journal_close(&journal);
}

/* A flush that failed: nothing is acknowledged, and the crash behind it keeps or loses what it held, whole. */
static void
check_failed_flush(bool keeps)
{
    struct aw_fault_plan      plan = {.fail_flush_at = 4, .fail_flush_keeps = keeps, .lose_unflushed = true};
    struct aw_checkpoint_mark mark = kit_mark(1, 1);
    struct aw_journal_reader *reader;
    struct kit_writer         writer;
    struct aw_journal_done    done;

    open_with(&plan);
    writer = (struct kit_writer){journal, 1, 1};
    kit_append(&writer, 3);
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
    assert_int_equal(kit_put_chunk(table, 1, 0, 0), AW_OUTCOME_OK);
    assert_int_equal(aw_table_mark(table, &mark), AW_OUTCOME_OK);
    assert_int_equal(kit_flush(journal, AW_OUTCOME_BROKEN), 1);
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_BROKEN);
    assert_int_equal(aw_journal_flush(journal), AW_OUTCOME_BROKEN);
    assert_false(aw_journal_poll(journal, &done));
    assert_int_equal(kit_put_chunk(table, 1, 0, 1), AW_OUTCOME_BROKEN);
    assert_int_equal(aw_table_mark(table, &mark), AW_OUTCOME_BROKEN);
    assert_int_equal(aw_table_abandon(table), AW_OUTCOME_BROKEN);
    reader = aw_journal_reader_new(journal);
    assert_int_equal(aw_journal_read_begin(reader), AW_E_IO);
    aw_journal_reader_free(&reader);
    aw_memory_crash(journal, NULL);
    assert_int_equal(kit_check(journal, 1), keeps ? 5 : 4);
    kit_check_table(table, keeps ? 1 : 0, 1, 1);
    writer = (struct kit_writer){journal, keeps ? 5 : 4, kit_first_seq(keeps ? 5 : 4)};
    kit_append(&writer, 5);
    aw_journal_close(&journal);
}

static void
test_failed_flush(void **state)
{
    (void)state;
    check_failed_flush(true);
    check_failed_flush(false);
}

static void
test_failed_submit(void **state)
{
    struct aw_fault_plan plan = {.fail_submit_at = 3, .lose_unflushed = true};
    struct kit_writer    writer;

    (void)state;
    open_with(&plan);
    writer = (struct kit_writer){journal, 1, 1};
    kit_append(&writer, 1);
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_BROKEN);
    /* The one that was taken before is reported; the one that was not is not. */
    assert_int_equal(kit_flush(journal, AW_OUTCOME_BROKEN), 1);
    aw_memory_crash(journal, NULL);
    assert_int_equal(kit_check(journal, 1), 2);
    aw_journal_close(&journal);
}

static void
test_crash_that_keeps(void **state)
{
    struct aw_fault_plan plan = {.lose_unflushed = false};
    struct kit_writer    writer;

    (void)state;
    open_with(&plan);
    writer = (struct kit_writer){journal, 1, 1};
    kit_append(&writer, 2);
    assert_int_equal(kit_submit(&writer), AW_OUTCOME_OK);
    aw_memory_crash(journal, NULL);
    assert_int_equal(kit_check(journal, 1), 4);
    aw_journal_close(&journal);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),      cmocka_unit_test(test_late_completions), cmocka_unit_test(test_failed_flush),
        cmocka_unit_test(test_failed_submit), cmocka_unit_test(test_crash_that_keeps),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
