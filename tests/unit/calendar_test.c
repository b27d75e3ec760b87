/* The calendar as a priority queue, in one thread: against a binary heap with the same operations, at the ends of the range of
 * ticks, with long chains, with its arena full; and that memory comes back. */
#include "commit/calendar.h"

#include "support/heap.h"
#include "support/random.h"

#define MIB (UINT64_C(1) << 20)

struct fixture {
    struct aw_qsbr           qsbr;
    struct aw_calendar_pool *pool;
    struct aw_calendar       calendar;
};

static int
set_up(void **state)
{
    struct fixture *fixture = aligned_alloc(AW_CACHE_LINE, sizeof(*fixture));

    *fixture = (struct fixture){.pool = NULL};
    aw_qsbr_init(&fixture->qsbr);
    assert_int_equal(aw_calendar_pool_new(&fixture->pool, 512 * MIB, &fixture->qsbr), AW_OK);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    aw_calendar_pool_free(&fixture->pool);
    assert_null(fixture->pool);
    free(fixture);
    return 0;
}

static void
push(struct fixture *fixture, uint32_t tick, uint64_t entry)
{
    assert_int_equal(aw_calendar_push(fixture->pool, &fixture->calendar, tick, &entry, 1), AW_OK);
}

static bool
pop(struct fixture *fixture, uint32_t *ret_tick, uint64_t *ret_entry)
{
    struct aw_calendar_head head;

    if (!aw_calendar_peek(fixture->pool, &fixture->calendar, &head))
        return false;
    assert_true(aw_calendar_try_pop(&fixture->calendar, &head));
    assert_false(aw_calendar_try_pop(&fixture->calendar, &head)); /* a head is good for one pop */
    *ret_tick = head.tick;
    *ret_entry = head.entry;
    return true;
}

static void
expect(struct fixture *fixture, uint32_t tick, uint64_t entry)
{
    uint32_t got_tick = 0;
    uint64_t got_entry = 0;

    assert_true(pop(fixture, &got_tick, &got_entry));
    assert_int_equal(got_tick, tick);
    assert_int_equal(got_entry, entry);
}

static void
expect_empty(struct fixture *fixture)
{
    struct aw_calendar_head head;

    assert_false(aw_calendar_peek(fixture->pool, &fixture->calendar, &head));
    assert_true(aw_calendar_is_empty(&fixture->calendar));
}

/* Cleans and frees until nothing is left to do. */
static void
settle(struct fixture *fixture)
{
    while (aw_calendar_clean(fixture->pool, &fixture->calendar, SIZE_MAX) > 0)
        continue;
    for (int i = 0; i < 3; i++) /* fresh, aging, ripe */
        while (aw_calendar_pool_reclaim(fixture->pool, SIZE_MAX) > 0)
            continue;
}

static void
test_order(void **state)
{
    struct fixture *fixture = *state;

    expect_empty(fixture);
    push(fixture, 100, 1);
    push(fixture, 50, 2);
    push(fixture, 100, 3);
    push(fixture, 70, 4);
    assert_int_equal(aw_calendar_waiting(fixture->pool, &fixture->calendar), 4);
    expect(fixture, 50, 2);
    push(fixture, 50, 5); /* joins the end of an exhausted tick */
    push(fixture, 60, 6);
    expect(fixture, 50, 5);
    expect(fixture, 60, 6);
    push(fixture, 10, 7); /* below all */
    expect(fixture, 10, 7);
    expect(fixture, 70, 4);
    expect(fixture, 100, 1);
    push(fixture, 70, 8); /* back to a tick left long ago, out of the middle of another */
    expect(fixture, 70, 8);
    expect(fixture, 100, 3);
    expect_empty(fixture);
    settle(fixture);
    assert_int_equal(aw_calendar_waiting(fixture->pool, &fixture->calendar), 0);
    push(fixture, 100, 9); /* an empty one, in the tick that was last */
    expect(fixture, 100, 9);
    expect_empty(fixture);
}

static void
test_range(void **state)
{
    static const uint32_t ticks[] = {
        0, 1, 63, 64, 4095, 4096, 262143, 262144, 16777215, 16777216, 1073741760, AW_CALENDAR_TICK_MAX - 1, AW_CALENDAR_TICK_MAX};
    struct fixture *fixture = *state;

    for (int round = 0; round < 3; round++) {
        for (size_t i = AW_ARRAY_LEN(ticks); i > 0; i--)
            push(fixture, ticks[i - 1], i);
        for (size_t i = 0; i < AW_ARRAY_LEN(ticks); i++)
            expect(fixture, ticks[i], i + 1);
        expect_empty(fixture);
        for (size_t i = 0; i < AW_ARRAY_LEN(ticks); i++) { /* one at a time, each in an empty calendar */
            push(fixture, ticks[i], i);
            expect(fixture, ticks[i], i);
            expect_empty(fixture);
        }
    }
}

/* All that was clamped lies in one tick: a chain of thousands of chunks must neither be slow nor lose its order. */
static void
test_long_chain(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t  count = 300000;

    for (uint64_t i = 0; i < count; i++)
        push(fixture, AW_CALENDAR_TICK_MAX, i);
    push(fixture, AW_CALENDAR_TICK_MAX - 1, count);
    expect(fixture, AW_CALENDAR_TICK_MAX - 1, count);
    for (uint64_t i = 0; i < count; i++) {
        expect(fixture, AW_CALENDAR_TICK_MAX, i);
        if (i % 1000 == 7) { /* out of the middle of the chain, and back */
            push(fixture, 5, i);
            expect(fixture, 5, i);
        }
        if (i % 10000 == 9)
            (void)aw_calendar_clean(fixture->pool, &fixture->calendar, 20); /* bounded; how far it came does not matter */
    }
    expect_empty(fixture);
    settle(fixture);
    assert_int_equal(aw_calendar_pool_bytes(fixture->pool), 0);
    assert_int_equal(aw_calendar_waiting(fixture->pool, &fixture->calendar), 0);
}

/* Several at once: the same as one after the other, whatever the size of the last chunk and of the batch. */
static void
test_push_many(void **state)
{
    struct fixture *fixture = *state;
    uint64_t        entries[1000];
    uint64_t        next = 0;
    uint64_t        seen = 0;

    assert_int_equal(aw_calendar_push(fixture->pool, &fixture->calendar, 7, NULL, 0), AW_OK);
    expect_empty(fixture);
    for (size_t count = 1; count <= AW_ARRAY_LEN(entries); count += 1 + count / 3) {
        for (size_t i = 0; i < count; i++)
            entries[i] = next++;
        assert_int_equal(aw_calendar_push(fixture->pool, &fixture->calendar, 7, entries, count), AW_OK);
        expect(fixture, 7, seen++);
    }
    while (seen < next)
        expect(fixture, 7, seen++);
    expect_empty(fixture);
}

/* A tick as the model of a desk has it: mostly arrivals in order, some urgent, some far, and clusters around the digits'
 * borders. */
static uint32_t
random_tick(struct random *random, uint32_t now, uint32_t shape)
{
    switch (random_below(random, 4) + 4 * shape) {
    case 0:
    case 1:
    case 2:
        return now + random_below(random, 8);
    case 3:
        return random_below(random, now + 1);
    case 4:
        return random_below(random, AW_CALENDAR_TICK_MAX + 1);
    case 5:
        return random_below(random, 16) * 64 + 62 + random_below(random, 4);
    case 6:
        return random_below(random, 8) * 262144 + random_below(random, 2) * 4095;
    case 7:
        return random_below(random, 2) * AW_CALENDAR_TICK_MAX;
    case 8:
    case 9:
        return random_below(random, 300);
    default:
        return random_below(random, 100000);
    }
}

static void
run_against_heap(struct fixture *fixture, uint64_t seed, uint32_t shape, uint32_t operations)
{
    struct random random = random_of(seed);
    struct heap   heap = {.entries = NULL};
    uint32_t      now = 1000;
    uint32_t      bias = 50;

    for (uint32_t i = 0; i < operations; i++) {
        uint32_t tick = 0;
        uint64_t entry = 0;

        if (i % 4096 == 0)
            bias = 20 + random_below(&random, 61); /* long growth, long draining */
        now += random_below(&random, 3) == 0;
        if (random_below(&random, 100) < bias) {
            tick = random_tick(&random, now, shape);
            push(fixture, tick, i);
            heap_push(&heap, tick, i);
        } else if (heap_pop(&heap, &tick, &entry)) {
            expect(fixture, tick, entry);
        } else {
            expect_empty(fixture);
        }
        if (random_below(&random, 64) == 0)
            (void)aw_calendar_clean(fixture->pool, &fixture->calendar, 1 + random_below(&random, 100)); /* as far as it comes */
        if (random_below(&random, 64) == 0)
            (void)aw_calendar_pool_reclaim(fixture->pool, 1 + random_below(&random, 100)); /* as above */
        if (i % 1024 == 0) {
            settle(fixture);
            assert_int_equal(aw_calendar_waiting(fixture->pool, &fixture->calendar), heap.count);
        }
    }
    while (heap.count > 0) {
        uint32_t tick = 0;
        uint64_t entry = 0;

        assert_true(heap_pop(&heap, &tick, &entry));
        expect(fixture, tick, entry);
    }
    expect_empty(fixture);
    settle(fixture);
    assert_int_equal(aw_calendar_pool_bytes(fixture->pool), 0);
    heap_fini(&heap);
}

static void
test_against_heap(void **state)
{
    struct fixture *fixture = *state;
    uint64_t        seed = random_seed(1);

    for (uint32_t shape = 0; shape < 3; shape++)
        for (uint32_t round = 0; round < 4; round++)
            run_against_heap(fixture, seed + 16 * shape + round, shape, random_times(100000));
}

/* Groups of pushes into two calendars, of any size and order, against a heap for each. */
static void
test_items(void **state)
{
    struct fixture         *fixture = *state;
    struct aw_calendar      other = {._root = 0};
    struct aw_calendar     *calendars[2] = {&fixture->calendar, &other};
    struct heap             heaps[2] = {{.entries = NULL}, {.entries = NULL}};
    struct random           random = random_of(random_seed(4));
    uint64_t                number = 0;
    struct aw_calendar_head head;

    for (uint32_t round = 0; round < random_times(20000); round++) {
        struct aw_calendar_item items[40];
        uint32_t                count = random_below(&random, AW_ARRAY_LEN(items) + 1);

        for (uint32_t i = 0; i < count; i++) {
            uint32_t which = random_below(&random, 2);

            items[i] = (struct aw_calendar_item){calendars[which], number++, random_tick(&random, 1000 + round, round / 64 % 3)};
            heap_push(&heaps[which], items[i].tick, items[i].entry);
        }
        assert_int_equal(aw_calendar_push_items(fixture->pool, items, count), AW_OK);
        for (uint32_t left = random_below(&random, 42); left > 0; left--) {
            uint32_t which = random_below(&random, 2);
            uint32_t tick = 0;
            uint64_t entry = 0;

            if (heap_pop(&heaps[which], &tick, &entry)) {
                assert_true(aw_calendar_peek(fixture->pool, calendars[which], &head));
                assert_int_equal(head.tick, tick);
                assert_int_equal(head.entry, entry);
                assert_true(aw_calendar_try_pop(calendars[which], &head));
            } else {
                assert_false(aw_calendar_peek(fixture->pool, calendars[which], &head));
            }
        }
        if (round % 8 == 0)
            (void)aw_calendar_pool_reclaim(fixture->pool, SIZE_MAX); /* as far as it comes */
    }
    for (uint32_t which = 0; which < 2; which++) {
        (void)aw_calendar_clean(fixture->pool, calendars[which], SIZE_MAX); /* what is emptied is counted */
        assert_int_equal(aw_calendar_waiting(fixture->pool, calendars[which]), heaps[which].count);
        while (aw_calendar_peek(fixture->pool, calendars[which], &head))
            assert_true(aw_calendar_try_pop(calendars[which], &head));
        while (aw_calendar_clean(fixture->pool, calendars[which], 100) > 0)
            continue;
        heap_fini(&heaps[which]);
    }
}

/* Full: refused before anything changed, as many as room said are taken, and it goes on when there is room again. */
static void
test_full(void **state)
{
    struct aw_qsbr           qsbr;
    struct aw_calendar_pool *pool = NULL;
    struct aw_calendar       calendar = {._root = 0};
    struct random            random = random_of(7);
    uint64_t                 pushed = 0;

    (void)state; /* a small pool of its own */
    aw_qsbr_init(&qsbr);
    assert_int_equal(aw_calendar_pool_new(&pool, 1000, &qsbr), AW_E_CONFIG);
    assert_int_equal(aw_calendar_pool_new(&pool, 2 * MIB, &qsbr), AW_OK);
    for (int round = 0; round < 20; round++) {
        struct aw_calendar_head head;
        uint32_t                last = 0;

        size_t      promised = aw_calendar_pool_room(pool);
        enum aw_err err = AW_OK;

        /* The worst that we know: each in a tick of its own, far from all others. */
        for (; err == AW_OK; pushed += err == AW_OK)
            err = aw_calendar_push(pool, &calendar, random_below(&random, AW_CALENDAR_TICK_MAX), &pushed, 1);
        assert_int_equal(err, AW_E_TABLE_FULL);
        assert_true(promised > 64 && pushed >= promised);
        assert_int_equal(aw_calendar_pool_room(pool), 0);
        assert_int_equal(aw_calendar_waiting(pool, &calendar), pushed);
        for (; pushed > 0; pushed--) {
            assert_true(aw_calendar_peek(pool, &calendar, &head));
            assert_true(aw_calendar_try_pop(&calendar, &head));
            assert_true(head.tick >= last);
            last = head.tick;
        }
        assert_false(aw_calendar_peek(pool, &calendar, &head));
        while (aw_calendar_clean(pool, &calendar, 100) + aw_calendar_pool_reclaim(pool, 100) > 0)
            continue;
    }
    aw_calendar_pool_free(&pool);
}

/* A reader that stays online keeps what was unlinked; when it goes, all comes back. */
static void
test_grace(void **state)
{
    struct fixture         *fixture = *state;
    struct aw_qsbr_reader  *reader = aw_qsbr_join(&fixture->qsbr);
    struct aw_calendar_head head;
    uint64_t                entry = 0;
    uint32_t                tick = 0;

    assert_non_null(reader);
    aw_qsbr_quiet(&fixture->qsbr, reader);
    for (uint32_t i = 0; i < 10000; i++)
        push(fixture, i, i);
    assert_true(aw_calendar_peek(fixture->pool, &fixture->calendar, &head));
    while (pop(fixture, &tick, &entry))
        continue;
    settle(fixture);
    assert_true(aw_calendar_pool_bytes(fixture->pool) > 10000 * sizeof(uint64_t));
    assert_false(aw_calendar_try_pop(&fixture->calendar, &head)); /* and its old view is refused */
    aw_qsbr_offline(reader);
    settle(fixture);
    assert_int_equal(aw_calendar_pool_bytes(fixture->pool), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_range, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_push_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_against_heap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_items, set_up, tear_down),
        cmocka_unit_test(test_full),
        cmocka_unit_test_setup_teardown(test_grace, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
