/* Proves that a gateway's bucket lets in what it should and no message more, over threads too; that the wait which a refusal names
 * is exactly enough; that a batch above the burst goes into debt; and that names are bounded. How: times are given. */
#include "support/test.h"

#include "run/gateways.h"

#include <pthread.h>
#include <stdio.h>

#define NOW (1000 * AW_NS_PER_S)

static struct aw_gateways *
make(uint32_t rate_per_s, uint32_t burst_max)
{
    static const struct aw_hash_key key = {{1, 2, 3}};
    struct aw_gateways             *gateways;

    assert_true(aw_hash_init());
    assert_int_equal(aw_gateways_new(&gateways, &key, (struct aw_gateway_limit){rate_per_s, burst_max}), AW_OK);
    return gateways;
}

static bool
admits(struct aw_gateways *gateways, uint32_t index, uint32_t count, aw_ns now)
{
    return aw_gateways_try_post(gateways, index, count, now).is_admitted;
}

static void
test_a_burst_then_the_rate(void **state)
{
    struct aw_gateways      *gateways = make(10, 50);
    uint32_t                 one = aw_gateways_find(gateways, AW_SLICE("one"));
    uint32_t                 two = aw_gateways_find(gateways, AW_SLICE("two"));
    struct aw_gateway_answer answer;
    uint32_t                 admitted = 0;

    (void)state;
    for (int i = 0; i < 60; i++)
        admitted += admits(gateways, one, 1, NOW);
    assert_int_equal(admitted, 50);
    for (uint64_t ms = 0; ms < 10000; ms += 10)
        admitted += admits(gateways, one, 1, NOW + ms * AW_NS_PER_MS);
    assert_int_equal(admitted, 50 + 99); /* the token of the last second is not whole yet */
    assert_true(admits(gateways, two, 50, NOW));
    answer = aw_gateways_try_post(gateways, two, 20, NOW + AW_NS_PER_S);
    assert_false(answer.is_admitted);
    assert_int_equal(answer.left_count, 10);
    assert_int_equal(answer.full_s, 4);
    assert_int_equal(answer.retry_after_s, 1);
    aw_gateways_free(&gateways);
}

/* For batches of every size, at any fill: refused a moment before the wait is over, let in when it is. */
static void
test_the_wait_is_true(void **state)
{
    struct aw_gateways *gateways = make(7, 100);
    uint32_t            index = aw_gateways_find(gateways, AW_SLICE("mail"));
    aw_ns               now = NOW;

    (void)state;
    for (uint32_t count = 1; count <= 300; count++) {
        struct aw_gateway_answer answer;

        while (admits(gateways, index, 40, now)) {
        }
        answer = aw_gateways_try_post(gateways, index, count, now);
        if (answer.is_admitted)
            continue;
        assert_true(answer.retry_after_s > 0);
        assert_false(admits(gateways, index, count, now + (answer.retry_after_s - 1) * AW_NS_PER_S));
        now += answer.retry_after_s * AW_NS_PER_S;
        assert_true(admits(gateways, index, count, now));
    }
    aw_gateways_free(&gateways);
}

static void
test_a_batch_above_the_burst(void **state)
{
    struct aw_gateways      *gateways = make(100, 200);
    uint32_t                 index = aw_gateways_find(gateways, AW_SLICE("mail"));
    struct aw_gateway_answer answer;

    (void)state;
    assert_true(admits(gateways, index, 1, NOW));
    answer = aw_gateways_try_post(gateways, index, 10000, NOW);
    assert_false(answer.is_admitted);
    assert_int_equal(answer.retry_after_s, 1); /* then the bucket is full */
    answer = aw_gateways_try_post(gateways, index, 10000, NOW + AW_NS_PER_S);
    assert_true(answer.is_admitted);
    assert_int_equal(answer.left_count, 0);
    assert_int_equal(answer.full_s, 100);
    answer = aw_gateways_try_post(gateways, index, 1, NOW + AW_NS_PER_S);
    assert_int_equal(answer.retry_after_s, 99); /* 9800 of debt and one token */
    assert_false(admits(gateways, index, 1, NOW + 99 * AW_NS_PER_S));
    assert_true(admits(gateways, index, 1, NOW + 100 * AW_NS_PER_S));
    aw_gateways_free(&gateways);
}

static void
test_change(void **state)
{
    struct aw_gateways    *gateways = make(0, 10);
    uint32_t               index = aw_gateways_find(gateways, AW_SLICE("mail"));
    struct aw_gateway_view view;

    (void)state;
    assert_true(admits(gateways, index, 1000000, NOW));
    aw_gateways_change(gateways, (struct aw_gateway_limit){1, 10});
    assert_true(admits(gateways, index, 10, NOW));
    assert_false(admits(gateways, index, 1, NOW));
    aw_gateways_change(gateways, (struct aw_gateway_limit){1, 10}); /* the same: nothing is given anew */
    assert_false(admits(gateways, index, 1, NOW));
    aw_gateways_change(gateways, (struct aw_gateway_limit){2, 10});
    assert_true(admits(gateways, index, 10, NOW));
    assert_false(admits(gateways, index, 3, NOW));
    aw_gateways_change(gateways, (struct aw_gateway_limit){0, 10});
    assert_true(admits(gateways, index, 5, NOW));
    assert_true(aw_gateways_view(gateways, index, &view));
    assert_true(aw_slice_eq(view.name, AW_SLICE("mail")));
    assert_int_equal(view.posted_count, 1000025);
    assert_int_equal(view.refused_count, 5);
    aw_gateways_free(&gateways);
}

static void
test_names_are_bounded(void **state)
{
    struct aw_gateways    *gateways = make(1, 1);
    bool                   is_taken[AW_GATEWAYS_MAX] = {false};
    struct aw_gateway_view view;
    char                   name[16];

    (void)state;
    assert_false(aw_gateways_view(gateways, AW_GATEWAYS_OTHERS, &view));
    for (uint32_t i = 0; i < AW_GATEWAYS_MAX + 10; i++) {
        size_t   len = (size_t)snprintf(name, sizeof(name), "gateway-%u", i);
        uint32_t index = aw_gateways_find(gateways, aw_slice_of(name, len));

        assert_int_equal(aw_gateways_find(gateways, aw_slice_of(name, len)), index);
        if (i >= AW_GATEWAYS_MAX) {
            assert_int_equal(index, AW_GATEWAYS_OTHERS);
            continue;
        }
        assert_true(index < AW_GATEWAYS_MAX);
        assert_false(is_taken[index]);
        is_taken[index] = true;
        assert_true(aw_gateways_view(gateways, index, &view));
        assert_true(aw_slice_eq(view.name, aw_slice_of(name, len)));
    }
    assert_true(admits(gateways, AW_GATEWAYS_OTHERS, 1, NOW));
    assert_false(admits(gateways, AW_GATEWAYS_OTHERS, 1, NOW));
    assert_true(aw_gateways_view(gateways, AW_GATEWAYS_OTHERS, &view));
    aw_gateways_free(&gateways);
}

static void
test_rivals(void **state)
{
    struct aw_gateways *gateways = make(0, 1);
    uint32_t            one = aw_gateways_find(gateways, AW_SLICE("one"));
    uint32_t            two = aw_gateways_find(gateways, AW_SLICE("two"));

    (void)state;
    assert_false(aw_gateways_is_contended(gateways, NOW));
    assert_true(admits(gateways, one, 1, NOW));
    assert_true(admits(gateways, one, 1, NOW));
    assert_false(aw_gateways_is_contended(gateways, NOW));
    assert_true(admits(gateways, two, 1, NOW));
    assert_true(aw_gateways_is_contended(gateways, NOW));
    assert_true(admits(gateways, one, 1, NOW + AW_NS_PER_S / 2));
    assert_true(admits(gateways, one, 1, NOW + AW_NS_PER_S / 2));
    assert_true(aw_gateways_is_contended(gateways, NOW + AW_NS_PER_S / 2));
    assert_false(aw_gateways_is_contended(gateways, NOW + AW_NS_PER_S));
    aw_gateways_change(gateways, (struct aw_gateway_limit){1, 2});
    assert_true(admits(gateways, one, 2, NOW + 2 * AW_NS_PER_S));
    assert_true(admits(gateways, two, 1, NOW + 3 * AW_NS_PER_S));
    assert_false(admits(gateways, one, 2, NOW + 3 * AW_NS_PER_S));
    assert_false(aw_gateways_is_contended(gateways, NOW + 3 * AW_NS_PER_S)); /* who is refused is nobody's rival */
    aw_gateways_free(&gateways);
}

#define THREADS 4

struct poster {
    struct aw_gateways *gateways;
    uint32_t            admitted;
};

static void *
post_often(void *argument)
{
    struct poster *poster = argument;
    char           name[16];

    for (uint32_t i = 0; i < 20000; i++) {
        size_t len = (size_t)snprintf(name, sizeof(name), "g%u", i % 8);

        poster->admitted += admits(poster->gateways, aw_gateways_find(poster->gateways, aw_slice_of(name, len)), 3, NOW);
    }
    return NULL;
}

static void
test_threads_share_a_bucket(void **state)
{
    struct aw_gateways *gateways = make(1, 999);
    struct poster       posters[THREADS];
    pthread_t           threads[THREADS];
    uint32_t            admitted = 0;
    uint64_t            posted = 0, refused = 0;

    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.gateways = gateways};
        assert_int_equal(pthread_create(&threads[i], NULL, post_often, &posters[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        admitted += posters[i].admitted;
    }
    assert_int_equal(admitted, 8 * 333);
    for (uint32_t i = 0; i < AW_GATEWAYS_MAX; i++) {
        struct aw_gateway_view view;

        if (aw_gateways_view(gateways, i, &view)) {
            assert_int_equal(view.posted_count, 999);
            posted += view.posted_count;
            refused += view.refused_count;
        }
    }
    assert_int_equal(posted, 8 * 999);
    assert_int_equal(posted + refused, 3 * THREADS * 20000);
    aw_gateways_free(&gateways);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_the_rate),   cmocka_unit_test(test_the_wait_is_true),
        cmocka_unit_test(test_a_batch_above_the_burst), cmocka_unit_test(test_change),
        cmocka_unit_test(test_names_are_bounded),       cmocka_unit_test(test_rivals),
        cmocka_unit_test(test_threads_share_a_bucket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
