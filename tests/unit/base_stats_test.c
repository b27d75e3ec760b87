/* Proves that counters add up over threads while they run, and that a histogram's quantiles lie at most 1/32 above the truth and
 * never below it, with count, sum and largest value exact. How: random values of many shapes are recorded and also kept and sorted,
 * and every quantile is compared with the sorted truth; the borders of each bucket are walked; two writers and a reader run at
 * once (under the thread sanitizer). */
#include "support/test.h"

#include "base/mem.h"
#include "base/stats.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static void
counters_add_up(void **state)
{
    struct aw_stats       *stats = aw_stats_new(3, 2);
    struct aw_stats_block *a;
    struct aw_stats_block *b;

    (void)state;
    assert_non_null(stats);
    a = aw_stats_join(stats);
    b = aw_stats_join(stats);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(aw_stats_join(stats));
    assert_int_equal((uintptr_t)a % AW_CACHE_LINE, 0);
    assert_true((uintptr_t)b - (uintptr_t)a >= 2 * AW_CACHE_LINE); /* no line in common, and no pair of lines */
    aw_stats_add(a, 0, 5);
    aw_stats_add(b, 0, 7);
    aw_stats_add(a, 2, 1);
    assert_int_equal(aw_stats_sum(stats, 0), 12);
    assert_int_equal(aw_stats_sum(stats, 1), 0);
    assert_int_equal(aw_stats_sum(stats, 2), 1);
    /* A gauge raised by one and lowered by the other. */
    aw_stats_sub(b, 2, 1);
    assert_int_equal(aw_stats_sum(stats, 2), 0);
    aw_stats_set(a, 1, 40);
    aw_stats_set(b, 1, 30);
    assert_int_equal(aw_stats_get(a, 1), 40);
    assert_int_equal(aw_stats_max(stats, 1), 40);
    aw_stats_free(&stats);
    assert_null(stats);
    aw_stats_free(&stats);
}

static void
count_beyond(void *arg)
{
    aw_stats_add(arg, 3, 1);
}

static void
a_counter_that_is_not_there_is_our_bug(void **state)
{
    struct aw_stats *stats = aw_stats_new(3, 1);

    (void)state;
    assert_true(test_aborts(count_beyond, aw_stats_join(stats)));
    aw_stats_free(&stats);
}

static int
by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Records `count` values and compares every per-mille quantile, and some finer ones, with the sorted values. */
static void
check_quantiles(uint64_t *values, size_t count)
{
    struct aw_histogram      *histogram = aw_new(struct aw_histogram);
    struct aw_histogram_view *view = aw_new(struct aw_histogram_view);
    uint64_t                  sum = 0;

    assert_non_null(histogram);
    assert_non_null(view);
    aw_histogram_init(histogram);
    for (size_t i = 0; i < count; i++) {
        aw_histogram_record(histogram, values[i]);
        sum += values[i];
    }
    aw_histogram_collect(histogram, view);
    qsort(values, count, sizeof(values[0]), by_value);
    assert_int_equal(view->count, count);
    assert_true(view->sum == sum);
    assert_true(view->max == values[count - 1]);
    for (uint32_t q = 0; q <= 1000000; q += q < 999000 ? 1000 : 10) {
        size_t   rank = (count * q + 999999) / 1000000;
        uint64_t truth = values[rank == 0 ? 0 : rank - 1];
        uint64_t got = aw_histogram_quantile(view, q);

        if (got < truth || got - truth > truth / 32)
            fail_msg("quantile %u: %llu, in truth %llu", q, (unsigned long long)got, (unsigned long long)truth);
    }
    assert_true(aw_histogram_quantile(view, 1000000) == values[count - 1]);
    free(histogram);
    free(view);
}

static void
quantiles_keep_their_bound(void **state)
{
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    uint64_t        random = 46;

    (void)state;
    for (unsigned bits = 1; bits <= 46; bits += 3) {
        for (size_t i = 0; i < COUNT; i++)
            values[i] = test_random(&random) >> (64 - bits);
        check_quantiles(values, COUNT);
    }
    /* Every magnitude alike, as latencies with a long tail are. */
    for (size_t i = 0; i < COUNT; i++)
        values[i] = (test_random(&random) >> 18) >> (test_random(&random) % 46);
    check_quantiles(values, COUNT);
    values[0] = 12345;
    check_quantiles(values, 1);
}

static void
every_bucket_border_is_right(void **state)
{
    static struct aw_histogram      histogram;
    static struct aw_histogram_view view;

    (void)state;
    for (unsigned bit = 5; bit < 46; bit++) {
        for (uint64_t step = 32; step < 64; step++) {
            uint64_t edge = step << (bit - 5);

            for (uint64_t value = edge - 1; value <= edge + 1; value++) {
                uint64_t got;

                aw_histogram_init(&histogram);
                view = (struct aw_histogram_view){0};
                aw_histogram_record(&histogram, value);
                aw_histogram_record(&histogram, UINT64_MAX); /* so that the maximum does not hide the bucket's end */
                aw_histogram_collect(&histogram, &view);
                got = aw_histogram_quantile(&view, 500000);
                assert_true(got >= value);
                assert_true(got - value <= value / 32);
                assert_int_equal(aw_histogram_count_up_to(&view, got), 1);
                assert_int_equal(aw_histogram_count_up_to(&view, got - 1), 0);
            }
        }
    }
}

static void
the_ends_of_the_range(void **state)
{
    static struct aw_histogram      histogram;
    static struct aw_histogram_view view;
    static struct aw_histogram_view sum;

    (void)state;
    aw_histogram_init(&histogram);
    aw_histogram_collect(&histogram, &view);
    assert_int_equal(view.count, 0);
    assert_int_equal(aw_histogram_quantile(&view, 999000), 0);
    aw_histogram_record(&histogram, 0);
    aw_histogram_record(&histogram, UINT64_MAX);
    aw_histogram_record(&histogram, UINT64_C(1) << 46);
    aw_histogram_collect(&histogram, &view);
    assert_int_equal(view.count, 3);
    assert_int_equal(aw_histogram_quantile(&view, 1), 0);
    assert_true(aw_histogram_quantile(&view, 1000000) == UINT64_MAX);
    assert_int_equal(aw_histogram_count_up_to(&view, 0), 1);
    assert_int_equal(aw_histogram_count_up_to(&view, UINT64_MAX), 3);
    aw_histogram_merge(&sum, &view);
    aw_histogram_merge(&sum, &view);
    assert_int_equal(sum.count, 6);
    assert_true(sum.max == UINT64_MAX);
    assert_true(sum.sum == 2 * view.sum);
}

enum { WRITERS = 2, RECORDS = 300000 };

struct writer {
    struct aw_stats_block *block;
    struct aw_histogram    histogram;
};

static void *
writer_run(void *arg)
{
    struct writer *writer = arg;

    for (uint64_t i = 0; i < RECORDS; i++) {
        aw_stats_add(writer->block, 0, 1);
        aw_histogram_record(&writer->histogram, i);
    }
    return NULL;
}

static void
a_reader_may_look_any_time(void **state)
{
    static struct writer            writers[WRITERS];
    static struct aw_histogram_view view;
    struct aw_stats                *stats = aw_stats_new(1, WRITERS);
    pthread_t                       threads[WRITERS];
    uint64_t                        last = 0;

    (void)state;
    for (int i = 0; i < WRITERS; i++) {
        writers[i].block = aw_stats_join(stats);
        aw_histogram_init(&writers[i].histogram);
        assert_int_equal(pthread_create(&threads[i], NULL, writer_run, &writers[i]), 0);
    }
    while (last < WRITERS * RECORDS) {
        uint64_t now = aw_stats_sum(stats, 0);

        assert_true(now >= last);
        last = now;
        view = (struct aw_histogram_view){0};
        for (int i = 0; i < WRITERS; i++)
            aw_histogram_collect(&writers[i].histogram, &view);
        assert_true(view.count <= WRITERS * RECORDS);
        assert_true(aw_histogram_quantile(&view, 999000) < RECORDS + RECORDS / 32);
        sched_yield();
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    view = (struct aw_histogram_view){0};
    for (int i = 0; i < WRITERS; i++)
        aw_histogram_collect(&writers[i].histogram, &view);
    assert_int_equal(view.count, WRITERS * RECORDS);
    assert_int_equal(view.max, RECORDS - 1);
    aw_stats_free(&stats);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_add_up),
        cmocka_unit_test(a_counter_that_is_not_there_is_our_bug),
        cmocka_unit_test(quantiles_keep_their_bound),
        cmocka_unit_test(every_bucket_border_is_right),
        cmocka_unit_test(the_ends_of_the_range),
        cmocka_unit_test(a_reader_may_look_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
