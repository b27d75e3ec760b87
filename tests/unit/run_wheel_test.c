/* run_wheel_test.c - deadlines against a naive list of them.
 *
 * Proves: no node comes early, none later than two ticks when the wheel is asked each tick, none is lost or comes twice,
 * whatever is added and removed meanwhile; a wheel that was not asked for minutes takes new deadlines and gives all of them at
 * their times.
 */
#include "run/wheel.h"
#include "support/test.h"

#include <stdlib.h>

#define START (UINT64_C(1234567) * AW_NS_PER_S)

struct timer {
    struct aw_wheel_node node;
    bool                 set;
};

static struct aw_wheel wheel;

static struct timer *
timer_of(struct aw_wheel_node *node)
{
    return AW_CONTAINER(node, struct timer, node);
}

static void
test_never_early_and_hardly_late(void **state)
{
    static const aw_ns waits[] = {
        0, 1, AW_WHEEL_TICK_NS - 1, AW_WHEEL_TICK_NS, AW_WHEEL_TICK_NS + 1, AW_NS_PER_S, 25 * AW_NS_PER_S, AW_WHEEL_WAIT_NS_MAX};

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(waits); i++) {
        struct timer timer = {.set = true};
        aw_ns        now = START + i * 7919;
        aw_ns        at = now + waits[i];

        aw_wheel_init(&wheel, now);
        aw_wheel_node_init(&timer.node);
        aw_wheel_add(&wheel, &timer.node, at, now);
        assert_int_equal(wheel.count, 1);
        assert_null(aw_wheel_pop(&wheel, at));
        assert_ptr_equal(aw_wheel_pop(&wheel, at + AW_WHEEL_TICK_NS), &timer.node);
        assert_null(aw_wheel_pop(&wheel, at + AW_WHEEL_TICK_NS));
        assert_int_equal(wheel.count, 0);
    }
}

static void
test_remove_is_harmless(void **state)
{
    struct timer a, b;

    (void)state;
    aw_wheel_init(&wheel, START);
    aw_wheel_node_init(&a.node);
    aw_wheel_node_init(&b.node);
    aw_wheel_remove(&wheel, &a.node);
    assert_int_equal(wheel.count, 0);
    aw_wheel_add(&wheel, &a.node, START + AW_NS_PER_S, START);
    aw_wheel_add(&wheel, &b.node, START + AW_NS_PER_S, START);
    aw_wheel_remove(&wheel, &a.node);
    aw_wheel_remove(&wheel, &a.node);
    assert_int_equal(wheel.count, 1);
    assert_ptr_equal(aw_wheel_pop(&wheel, START + 2 * AW_NS_PER_S), &b.node);
    assert_null(aw_wheel_pop(&wheel, START + 2 * AW_NS_PER_S));
}

/* The wheel is empty for a day, then used again: its cursor must have followed. */
static void
test_empty_for_a_day(void **state)
{
    struct timer timer;
    aw_ns        later = START + UINT64_C(86400) * AW_NS_PER_S;

    (void)state;
    aw_wheel_init(&wheel, START);
    aw_wheel_node_init(&timer.node);
    aw_wheel_add(&wheel, &timer.node, later + AW_NS_PER_S, later);
    assert_null(aw_wheel_pop(&wheel, later + AW_NS_PER_S));
    assert_ptr_equal(aw_wheel_pop(&wheel, later + AW_NS_PER_S + AW_WHEEL_TICK_NS), &timer.node);
}

/* A thread that was stopped finds the wheel far behind; new deadlines then lie more than a turn ahead of its cursor. */
static void
test_stopped_for_minutes(void **state)
{
    (void)state;
    for (aw_ns stop = AW_NS_PER_S; stop <= 600 * AW_NS_PER_S; stop += 7 * AW_NS_PER_S) {
        aw_ns        now = START + stop;
        struct timer old, fresh;
        aw_ns        at = now + AW_WHEEL_WAIT_NS_MAX;

        aw_wheel_init(&wheel, START);
        aw_wheel_node_init(&old.node);
        aw_wheel_node_init(&fresh.node);
        aw_wheel_add(&wheel, &old.node, START + AW_NS_PER_S / 2, START);
        aw_wheel_add(&wheel, &fresh.node, at, now);
        assert_ptr_equal(aw_wheel_pop(&wheel, now), &old.node);
        for (aw_ns t = now; t <= at; t += AW_WHEEL_TICK_NS)
            assert_null(aw_wheel_pop(&wheel, t));
        assert_ptr_equal(aw_wheel_pop(&wheel, at + AW_WHEEL_TICK_NS), &fresh.node);
    }
}

/* What aw_api_drain does: everything, whatever its time. */
static void
test_drain_gives_all(void **state)
{
    enum { COUNT = 5000 };
    struct timer *timers = calloc(COUNT, sizeof(timers[0]));
    unsigned      given = 0;

    (void)state;
    assert_non_null(timers);
    aw_wheel_init(&wheel, START);
    for (unsigned i = 0; i < COUNT; i++) {
        aw_wheel_node_init(&timers[i].node);
        aw_wheel_add(&wheel, &timers[i].node, START + i * (AW_WHEEL_WAIT_NS_MAX / COUNT), START);
    }
    while (aw_wheel_pop(&wheel, START + AW_WHEEL_SLOTS * AW_WHEEL_TICK_NS) != NULL)
        given++;
    assert_int_equal(given, COUNT);
    /* And goes on at the time that it is. */
    aw_wheel_add(&wheel, &timers[0].node, START + AW_NS_PER_S, START);
    assert_ptr_equal(aw_wheel_pop(&wheel, START + 2 * AW_NS_PER_S), &timers[0].node);
    free(timers);
}

/* Random adds, removes and steps of time, some of them long, against a walk over all. */
static void
test_against_a_list(void **state)
{
    enum { COUNT = 500 };
    static struct timer timers[COUNT];
    uint64_t            random = 20260414;
    aw_ns               now = START, asked = START;

    (void)state;
    aw_wheel_init(&wheel, now);
    for (unsigned i = 0; i < COUNT; i++) {
        aw_wheel_node_init(&timers[i].node);
        timers[i].set = false;
    }
    for (unsigned round = 0; round < 200000; round++) {
        struct timer         *timer = &timers[test_random(&random) % COUNT];
        struct aw_wheel_node *node;

        if (!timer->set) {
            aw_wheel_add(&wheel, &timer->node, now + test_random(&random) % (AW_WHEEL_WAIT_NS_MAX + 1), now);
            timer->set = true;
        } else if (test_random(&random) % 4 == 0) {
            aw_wheel_remove(&wheel, &timer->node);
            timer->set = false;
        }
        if (test_random(&random) % 2 == 0)
            continue;
        now += test_random(&random) % (2 * AW_WHEEL_TICK_NS);
        if (test_random(&random) % 5000 == 0)
            now += test_random(&random) % (200 * AW_NS_PER_S); /* stopped */
        if (test_random(&random) % 3 != 0)
            continue;
        while ((node = aw_wheel_pop(&wheel, now)) != NULL) {
            assert_true(timer_of(node)->set);
            assert_true(node->at <= now);
            timer_of(node)->set = false;
        }
        asked = now;
        for (unsigned i = 0; i < COUNT; i++)
            assert_false(timers[i].set && timers[i].node.at + 2 * AW_WHEEL_TICK_NS <= asked);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_early_and_hardly_late),
        cmocka_unit_test(test_remove_is_harmless),
        cmocka_unit_test(test_empty_for_a_day),
        cmocka_unit_test(test_stopped_for_minutes),
        cmocka_unit_test(test_drain_gives_all),
        cmocka_unit_test(test_against_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
