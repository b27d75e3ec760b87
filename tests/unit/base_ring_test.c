/* Proves that a ring keeps order, loses and invents nothing, says full and empty truly, and hands over what its items point to.
 * How: fill and drain by hand over the wrap of its indices; then two threads pass a million counted items through a small ring,
 * each item's contents written by one and checked by the other (under the thread sanitizer a missing order is a reported race). */
#include "support/test.h"

#include "base/ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static void
full_and_empty_are_told(void **state)
{
    struct aw_ring     ring;
    struct aw_ring_in  in;
    struct aw_ring_out out;
    int                items[8];

    (void)state;
    assert_true(aw_ring_init(&ring, 4, &in, &out));
    for (int round = 0; round < 100; round++) {
        int filled = round % 4 + 1;

        assert_true(aw_ring_is_empty(&out));
        assert_null(aw_ring_try_pop(&out));
        for (int i = 0; i < filled; i++)
            assert_true(aw_ring_try_push(&in, &items[i]));
        if (filled == 4)
            assert_false(aw_ring_try_push(&in, &items[7])); /* refused, and below not found */
        assert_false(aw_ring_is_empty(&out));
        for (int i = 0; i < filled; i++)
            assert_ptr_equal(aw_ring_try_pop(&out), &items[i]);
    }
    assert_null(aw_ring_try_pop(&out));
    aw_ring_fini(&ring);
}

/* Positions only grow; after 2^64 pushes they wrap. Nobody waits that long, so the ends are put close to it. */
static void
positions_may_wrap(void **state)
{
    struct aw_ring     ring;
    struct aw_ring_in  in;
    struct aw_ring_out out;
    int                items[4];

    (void)state;
    assert_true(aw_ring_init(&ring, 4, &in, &out));
    in._tail = in._head_seen = out._head = out._tail_seen = SIZE_MAX - 5;
    atomic_init(&ring._head, SIZE_MAX - 5);
    atomic_init(&ring._tail, SIZE_MAX - 5);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 4; i++)
            assert_true(aw_ring_try_push(&in, &items[i]));
        assert_false(aw_ring_try_push(&in, &items[0]));
        for (int i = 0; i < 4; i++)
            assert_ptr_equal(aw_ring_try_pop(&out), &items[i]);
        assert_true(aw_ring_is_empty(&out));
    }
    aw_ring_fini(&ring);
}

static void
push_nothing(void *arg)
{
    if (!aw_ring_try_push(arg, NULL))
        _exit(1);
}

static void
nothing_cannot_be_pushed(void **state)
{
    struct aw_ring     ring;
    struct aw_ring_in  in;
    struct aw_ring_out out;

    (void)state;
    assert_true(aw_ring_init(&ring, 2, &in, &out));
    assert_true(test_aborts(push_nothing, &in));
    aw_ring_fini(&ring);
}

enum { ITEMS = 1000000, CELLS = 64 };

struct cell {
    uint64_t number;
    uint64_t check;
};
/* Cells go to the reader by one ring and come back by the other: a thing has one owner at a time. */
struct pair {
    struct aw_ring     there;
    struct aw_ring     back;
    struct aw_ring_in  there_in;
    struct aw_ring_out there_out;
    struct aw_ring_in  back_in;
    struct aw_ring_out back_out;
};

static void *
write_items(void *arg)
{
    struct pair *pair = arg;

    for (uint64_t number = 0; number < ITEMS;) {
        struct cell *cell = aw_ring_try_pop(&pair->back_out);

        if (cell == NULL) {
            sched_yield();
            continue;
        }
        cell->number = number;
        cell->check = ~number;
        while (!aw_ring_try_push(&pair->there_in, cell))
            sched_yield();
        number++;
    }
    return NULL;
}

static void
two_threads_pass_a_million_items(void **state)
{
    struct pair pair;
    struct cell cells[CELLS];
    pthread_t   writer;
    uint64_t    expected = 0;
    uint64_t    wrong = 0;

    (void)state;
    assert_true(aw_ring_init(&pair.there, 16, &pair.there_in, &pair.there_out));
    assert_true(aw_ring_init(&pair.back, CELLS, &pair.back_in, &pair.back_out));
    for (int i = 0; i < CELLS; i++)
        assert_true(aw_ring_try_push(&pair.back_in, &cells[i]));
    assert_int_equal(pthread_create(&writer, NULL, write_items, &pair), 0);
    while (expected < ITEMS) {
        struct cell *cell = aw_ring_try_pop(&pair.there_out);

        if (cell == NULL) {
            sched_yield();
            continue;
        }
        wrong += cell->number != expected || cell->check != ~expected;
        expected++;
        cell->number = UINT64_MAX; /* a writer that still looked would be a race */
        wrong += !aw_ring_try_push(&pair.back_in, cell);
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(wrong, 0);
    assert_true(aw_ring_is_empty(&pair.there_out));
    aw_ring_fini(&pair.there);
    aw_ring_fini(&pair.back);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_and_empty_are_told),
        cmocka_unit_test(positions_may_wrap),
        cmocka_unit_test(nothing_cannot_be_pushed),
        cmocka_unit_test(two_threads_pass_a_million_items),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
