/* Lanes: entries come back in order with their keys and ages, from the shelf that they are on; stale ones are dropped, hints never
 * hide an entry, loads give what pushes give, memory is little and comes back; and the bound: a pull over several lanes never
 * overtakes an entry whose push returned before it began. */
#include "commit/lanes.h"

#include "base/mem.h"

#include "support/random.h"
#include "support/stamp.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define BASE UINT64_C(1800000000000)
#define MIB  (1U << 20)

struct fixture {
    struct aw_qsbr   qsbr;
    struct aw_lanes *lanes;
};

static int
set_up(void **state)
{
    struct fixture              *fixture = aw_new(struct fixture);
    const struct aw_lanes_config config = {.lanes_max = 1000, .tickets_max = 1000000, .base = BASE, .bytes_max = 256 * MIB};

    assert_non_null(fixture);
    aw_qsbr_init(&fixture->qsbr);
    assert_int_equal(aw_lanes_new(&fixture->lanes, &config, &fixture->qsbr), AW_OK);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    aw_lanes_free(&fixture->lanes);
    assert_null(fixture->lanes);
    aw_lanes_free(&fixture->lanes);
    free(fixture);
    return 0;
}

static void
push(struct aw_lanes *lanes, uint32_t lane, enum aw_class class_, aw_ms key, uint32_t slot, uint32_t version)
{
    aw_lanes_show(lanes, slot, version, BASE + slot * 1000);
    assert_int_equal(aw_lanes_push(lanes, lane, class_, key, slot, version), AW_OK);
}

static void
expect(struct aw_lanes *lanes, uint32_t lane, enum aw_class class_, uint32_t slot)
{
    struct aw_head head;

    assert_true(aw_lanes_peek(lanes, lane, 0, class_, &head));
    assert_false(head.stale);
    assert_int_equal(head.slot, slot);
    assert_true(aw_lanes_try_take(lanes, &head));
    assert_false(aw_lanes_try_take(lanes, &head));
}

static void
expect_empty(struct aw_lanes *lanes, uint32_t lane, enum aw_class class_)
{
    struct aw_head head;

    assert_false(aw_lanes_peek(lanes, lane, 0, class_, &head));
}

static void
settle(struct aw_lanes *lanes)
{
    for (int idle = 0; idle < 10;) /* a sweep may take several steps to come round */
        idle = aw_lanes_reclaim(lanes) > 0 ? 0 : idle + 1;
}

static void
test_heads(void **state)
{
    struct aw_lanes *lanes = ((struct fixture *)*state)->lanes;
    struct aw_head   head;

    expect_empty(lanes, 3, AW_CLASS_CARE);
    push(lanes, 3, AW_CLASS_GENERAL, BASE + 5099, 7, 2);
    push(lanes, 3, AW_CLASS_GENERAL, BASE + 5000, 8, 1); /* the same tick: behind 7 */
    push(lanes, 3, AW_CLASS_CARE, BASE + 9000, 9, 1);
    expect_empty(lanes, 3, AW_CLASS_OTHER);
    expect_empty(lanes, 2, AW_CLASS_GENERAL);
    assert_true(aw_lanes_peek(lanes, 3, 0, AW_CLASS_GENERAL, &head));
    assert_int_equal(head.lane, 3);
    assert_int_equal(head.class_, AW_CLASS_GENERAL);
    assert_int_equal(head.key, BASE + 5000);
    assert_int_equal(head.age, BASE + 7000);
    assert_int_equal(head.slot, 7);
    assert_int_equal(head.version, 2);
    push(lanes, 3, AW_CLASS_GENERAL, BASE + 100, 10, 1);
    assert_false(aw_lanes_try_take(lanes, &head)); /* something more urgent came */
    expect(lanes, 3, AW_CLASS_GENERAL, 10);
    expect(lanes, 3, AW_CLASS_GENERAL, 7);
    expect(lanes, 3, AW_CLASS_GENERAL, 8);
    expect_empty(lanes, 3, AW_CLASS_GENERAL);
    expect(lanes, 3, AW_CLASS_CARE, 9);
}

/* Keys outside the range go to its ends and still come, in order. */
static void
test_clamped(void **state)
{
    struct aw_lanes *lanes = ((struct fixture *)*state)->lanes;
    struct aw_head   head;

    push(lanes, 0, AW_CLASS_IMMINENT, AW_MS_MAX, 1, 1);
    push(lanes, 0, AW_CLASS_IMMINENT, UINT64_MAX, 2, 1);
    push(lanes, 0, AW_CLASS_IMMINENT, BASE + 1000, 3, 1);
    push(lanes, 0, AW_CLASS_IMMINENT, 0, 4, 1);
    push(lanes, 0, AW_CLASS_IMMINENT, BASE - 1, 5, 1);
    aw_lanes_show(lanes, 4, 1, 0);
    assert_true(aw_lanes_peek(lanes, 0, 0, AW_CLASS_IMMINENT, &head));
    assert_int_equal(head.key, BASE);
    assert_int_equal(head.age, BASE);
    expect(lanes, 0, AW_CLASS_IMMINENT, 4);
    expect(lanes, 0, AW_CLASS_IMMINENT, 5);
    expect(lanes, 0, AW_CLASS_IMMINENT, 3);
    assert_true(aw_lanes_peek(lanes, 0, 0, AW_CLASS_IMMINENT, &head));
    assert_int_equal(head.key, BASE + 100 * ((UINT64_C(1) << 30) - 1));
    expect(lanes, 0, AW_CLASS_IMMINENT, 1);
    expect(lanes, 0, AW_CLASS_IMMINENT, 2);
    expect_empty(lanes, 0, AW_CLASS_IMMINENT);
}

static void
test_stale(void **state)
{
    struct aw_lanes      *lanes = ((struct fixture *)*state)->lanes;
    struct aw_lanes_count count;
    struct aw_head        head;

    /* Moved to another lane and back: the first entry has the key of the last, but not its version. */
    push(lanes, 0, AW_CLASS_GENERAL, BASE, 1, 1);
    push(lanes, 1, AW_CLASS_GENERAL, BASE, 1, 2);
    push(lanes, 0, AW_CLASS_GENERAL, BASE, 1, 3);
    expect_empty(lanes, 1, AW_CLASS_GENERAL);
    assert_true(aw_lanes_peek(lanes, 0, 0, AW_CLASS_GENERAL, &head));
    assert_int_equal(head.version, 3);
    expect(lanes, 0, AW_CLASS_GENERAL, 1);
    expect_empty(lanes, 0, AW_CLASS_GENERAL);
    aw_lanes_count(lanes, 0, AW_CLASS_GENERAL, &count);
    assert_int_equal(count.pushed, 2);
    assert_int_equal(count.stale, 1);
    settle(lanes);
    aw_lanes_count(lanes, 0, AW_CLASS_GENERAL, &count);
    assert_int_equal(count.waiting, 0);
    assert_int_equal(count.taken, 1);
    /* A head seen before its ticket changed can still be taken; the committer refuses the lease. */
    push(lanes, 2, AW_CLASS_GENERAL, BASE, 2, 1);
    assert_true(aw_lanes_peek(lanes, 2, 0, AW_CLASS_GENERAL, &head));
    aw_lanes_show(lanes, 2, 2, BASE);
    assert_true(aw_lanes_try_take(lanes, &head));
    /* Very many: a peek gives up for this time, and says so. */
    for (uint32_t i = 0; i < 200; i++)
        push(lanes, 4, AW_CLASS_OTHER, BASE, 5, i);
    aw_lanes_show(lanes, 5, 1000, BASE);
    for (int calls = 1;; calls++) {
        if (!aw_lanes_peek(lanes, 4, 0, AW_CLASS_OTHER, &head)) {
            assert_int_equal(calls, 4);
            break;
        }
        assert_true(head.stale);
    }
    aw_lanes_count(lanes, 4, AW_CLASS_OTHER, &count);
    assert_int_equal(count.stale, 200);
}

static void
test_hints(void **state)
{
    struct aw_lanes *lanes = ((struct fixture *)*state)->lanes;

    assert_int_equal(aw_lanes_find(lanes, 0, 0), 1000);
    push(lanes, 999, AW_CLASS_OTHER, BASE, 1, 1);
    push(lanes, 17, AW_CLASS_CARE, BASE, 2, 1);
    push(lanes, 17, AW_CLASS_OTHER, BASE, 3, 1);
    assert_int_equal(aw_lanes_queues(lanes, 17, 0), 1 << AW_CLASS_CARE | 1 << AW_CLASS_OTHER);
    assert_int_equal(aw_lanes_queues(lanes, 16, 0), 0);
    assert_int_equal(aw_lanes_find(lanes, 0, 0), 17);
    assert_int_equal(aw_lanes_find(lanes, 17, 0), 17);
    assert_int_equal(aw_lanes_find(lanes, 18, 0), 999);
    expect(lanes, 17, AW_CLASS_CARE, 2);
    expect_empty(lanes, 17, AW_CLASS_CARE);
    settle(lanes);
    assert_int_equal(aw_lanes_queues(lanes, 17, 0), 1 << AW_CLASS_OTHER);
    push(lanes, 17, AW_CLASS_CARE, BASE, 2, 2);
    assert_int_equal(aw_lanes_queues(lanes, 17, 0), 1 << AW_CLASS_CARE | 1 << AW_CLASS_OTHER);
    expect(lanes, 999, AW_CLASS_OTHER, 1);
    expect_empty(lanes, 999, AW_CLASS_OTHER);
    settle(lanes);
    assert_int_equal(aw_lanes_find(lanes, 18, 0), 1000);
}

static void
push_on(struct aw_lanes *lanes, uint32_t shelf, uint32_t lane, enum aw_class class_, uint32_t slot, uint32_t version)
{
    aw_lanes_show_shelf(lanes, slot, shelf);
    push(lanes, lane, class_, BASE + slot * 1000, slot, version);
}

static uint32_t
head_on(struct aw_lanes *lanes, uint32_t shelf, uint32_t lane, unsigned queue)
{
    struct aw_head head;

    if (!aw_lanes_peek(lanes, lane, shelf, queue, &head))
        return 0;
    assert_int_equal(head.shelf, shelf);
    assert_int_equal(head.lane, lane);
    assert_false(head.stale);
    return head.slot;
}

/* Each shelf has its own heads and hints; what is shown on another one is stale; lanes count all of them. */
static void
test_shelves(void **state)
{
    struct aw_lanes      *lanes = ((struct fixture *)*state)->lanes;
    struct aw_lanes_count count;

    assert_int_equal(aw_lanes_shelves(lanes), 1);
    assert_int_equal(aw_lanes_find_any(lanes, 0), 1000);
    push_on(lanes, 15, 8, AW_CLASS_GENERAL, 1, 1);
    push_on(lanes, 0, 8, AW_CLASS_GENERAL, 2, 1);
    push_on(lanes, 15, 8, AW_CLASS_GENERAL, 3, 1);
    push_on(lanes, 4, 999, AW_CLASS_IMMINENT, 4, 1);
    assert_int_equal(aw_lanes_shelves(lanes), 1 | 1 << 4 | 1 << 15);
    assert_int_equal(head_on(lanes, 15, 8, AW_CLASS_GENERAL), 1);
    assert_int_equal(head_on(lanes, 0, 8, AW_CLASS_GENERAL), 2);
    assert_int_equal(head_on(lanes, 4, 8, AW_CLASS_GENERAL), 0);
    assert_int_equal(head_on(lanes, 4, 999, AW_CLASS_IMMINENT), 4);
    assert_int_equal(aw_lanes_queues(lanes, 999, 4), 1 << AW_CLASS_IMMINENT | 1 << AW_LANES_BY_AGE);
    assert_int_equal(aw_lanes_queues(lanes, 999, 0), 0);
    assert_int_equal(aw_lanes_find(lanes, 0, 0), 8);
    assert_int_equal(aw_lanes_find(lanes, 0, 4), 999);
    assert_int_equal(aw_lanes_find(lanes, 9, 15), 1000);
    assert_int_equal(aw_lanes_find_any(lanes, 0), 8);
    assert_int_equal(aw_lanes_find_any(lanes, 9), 999);
    aw_lanes_count(lanes, 8, AW_CLASS_GENERAL, &count);
    assert_int_equal(count.waiting, 3);
    assert_int_equal(count.pushed, 3);
    push_on(lanes, 0, 8, AW_CLASS_GENERAL, 1, 2); /* another channel: another shelf */
    assert_int_equal(head_on(lanes, 15, 8, AW_CLASS_GENERAL), 3);
    assert_int_equal(head_on(lanes, 0, 8, AW_CLASS_GENERAL), 1);
    aw_lanes_show(lanes, 3, 2, BASE);
    assert_int_equal(head_on(lanes, 15, 8, AW_CLASS_GENERAL), 0);
    settle(lanes);
    assert_int_equal(aw_lanes_queues(lanes, 8, 15), 0);
    assert_int_equal(aw_lanes_queues(lanes, 8, 0), 1 << AW_CLASS_GENERAL);
    assert_int_equal(aw_lanes_find(lanes, 0, 15), 1000);
    aw_lanes_count(lanes, 8, AW_CLASS_GENERAL, &count);
    assert_int_equal(count.waiting, 2);
    assert_int_equal(count.stale, 2);
    assert_int_equal(count.taken, 0);
}

/* One that moves is there and here, then here alone, with all of its entries and its version; its window goes with it. */
static void
test_moves(void **state)
{
    struct aw_lanes *lanes = ((struct fixture *)*state)->lanes;
    struct aw_head   head;

    aw_lanes_show_window(lanes, 7, AW_CLASS_IMMINENT, BASE + 40000, true);
    push_on(lanes, 0, 3, AW_CLASS_IMMINENT, 7, 5);
    aw_lanes_begin_move(lanes, 7, 9);
    assert_int_equal(head_on(lanes, 0, 3, AW_CLASS_IMMINENT), 7);
    assert_int_equal(head_on(lanes, 0, 3, AW_LANES_BY_AGE), 7);
    assert_int_equal(aw_lanes_push(lanes, 3, AW_CLASS_IMMINENT, BASE + 7000, 7, 5), AW_OK);
    assert_int_equal(head_on(lanes, 9, 3, AW_CLASS_IMMINENT), 7);
    assert_int_equal(head_on(lanes, 0, 3, AW_LANES_BY_WINDOW), 7);
    assert_true(aw_lanes_peek(lanes, 3, 0, AW_CLASS_IMMINENT, &head));
    aw_lanes_end_move(lanes, 7);
    assert_int_equal(aw_lanes_shown_shelf(lanes, 7), 9);
    assert_true(aw_lanes_try_take(lanes, &head)); /* who saw it before may still have it */
    for (unsigned queue = 0; queue < AW_LANES_QUEUES; queue++) {
        bool lies_there = queue == AW_CLASS_IMMINENT || queue == AW_LANES_BY_AGE || queue == AW_LANES_BY_WINDOW;

        assert_int_equal(head_on(lanes, 0, 3, queue), 0);
        assert_int_equal(head_on(lanes, 9, 3, queue), lies_there ? 7 : 0);
    }
    assert_true(aw_lanes_peek(lanes, 3, 9, AW_LANES_BY_WINDOW, &head));
    assert_int_equal(head.reply_by, BASE + 40000);
    assert_int_equal(head.class_, AW_CLASS_IMMINENT);
    assert_int_equal(head.version, 5);
}

/* An imminent ticket is found by departure and by age; once it is shown anew, its other entry is stale. */
static void
test_two_orders(void **state)
{
    struct aw_lanes *lanes = ((struct fixture *)*state)->lanes;
    struct aw_head   head;

    /* Ages go by slot: 1 has waited longest and departs last. */
    push(lanes, 5, AW_CLASS_IMMINENT, BASE + 900000, 1, 1);
    push(lanes, 5, AW_CLASS_IMMINENT, BASE + 500000, 2, 1);
    push(lanes, 5, AW_CLASS_IMMINENT, BASE + 700000, 3, 1);
    assert_int_equal(aw_lanes_queues(lanes, 5, 0), 1 << AW_CLASS_IMMINENT | 1 << AW_LANES_BY_AGE);
    assert_true(aw_lanes_peek(lanes, 5, 0, AW_LANES_BY_AGE, &head));
    assert_int_equal(head.class_, AW_CLASS_IMMINENT);
    assert_int_equal(head.queue, AW_LANES_BY_AGE);
    assert_int_equal(head.slot, 1);
    assert_int_equal(head.key, BASE + 1000);
    assert_int_equal(head.age, BASE + 1000);
    assert_true(aw_lanes_try_take(lanes, &head));
    aw_lanes_show(lanes, 1, 2, BASE + 1000); /* leased */
    expect(lanes, 5, AW_CLASS_IMMINENT, 2);
    /* Until the lease of 2 is published its other entry can be taken too: the committer refuses that lease. */
    assert_true(aw_lanes_peek(lanes, 5, 0, AW_LANES_BY_AGE, &head));
    assert_int_equal(head.slot, 2);
    aw_lanes_show(lanes, 2, 2, BASE + 2000);
    assert_true(aw_lanes_peek(lanes, 5, 0, AW_LANES_BY_AGE, &head));
    assert_int_equal(head.slot, 3);
    expect(lanes, 5, AW_CLASS_IMMINENT, 3);
    aw_lanes_show(lanes, 3, 2, BASE + 3000);
    assert_false(aw_lanes_peek(lanes, 5, 0, AW_LANES_BY_AGE, &head));
    expect_empty(lanes, 5, AW_CLASS_IMMINENT); /* the first one's */
    settle(lanes);
    assert_int_equal(aw_lanes_queues(lanes, 5, 0), 0);
}

static void
push_window(struct aw_lanes *lanes, enum aw_class class_, aw_ms reply_by, bool closing, uint32_t slot)
{
    aw_lanes_show_window(lanes, slot, class_, reply_by, closing);
    push(lanes, 5, class_, BASE + slot * 1000, slot, 1);
}

/* The end of a channel's window is told with every entry; closing tickets of all classes are found by it. */
static void
test_windows(void **state)
{
    struct aw_lanes *lanes = ((struct fixture *)*state)->lanes;
    struct aw_head   head;

    push_window(lanes, AW_CLASS_OTHER, BASE + 900099, true, 1);
    push_window(lanes, AW_CLASS_IMMINENT, BASE + 700000, true, 2);
    push_window(lanes, AW_CLASS_GENERAL, BASE + 500000, false, 3);
    push_window(lanes, AW_CLASS_GENERAL, 0, false, 4);
    assert_int_equal(aw_lanes_queues(lanes, 5, 0), 1 << AW_CLASS_OTHER | 1 << AW_CLASS_IMMINENT | 1 << AW_CLASS_GENERAL |
                                                       1 << AW_LANES_BY_AGE | 1 << AW_LANES_BY_WINDOW);
    assert_true(aw_lanes_peek(lanes, 5, 0, AW_CLASS_OTHER, &head));
    assert_int_equal(head.reply_by, BASE + 900000);
    assert_true(aw_lanes_peek(lanes, 5, 0, AW_CLASS_GENERAL, &head));
    assert_int_equal(head.reply_by, BASE + 500000);
    expect(lanes, 5, AW_CLASS_GENERAL, 3);
    assert_true(aw_lanes_peek(lanes, 5, 0, AW_CLASS_GENERAL, &head));
    assert_int_equal(head.reply_by, 0);
    assert_true(aw_lanes_peek(lanes, 5, 0, AW_LANES_BY_WINDOW, &head));
    assert_int_equal(head.slot, 2);
    assert_int_equal(head.class_, AW_CLASS_IMMINENT);
    assert_int_equal(head.queue, AW_LANES_BY_WINDOW);
    assert_int_equal(head.key, BASE + 700000);
    assert_int_equal(head.age, BASE + 2000);
    assert_true(aw_lanes_try_take(lanes, &head));
    /* Refused the lease: back where it was. Then leased: the other two are stale. */
    assert_int_equal(aw_lanes_push_back(lanes, 5, 1U << AW_LANES_BY_WINDOW, BASE + 2000, 2, 1), AW_OK);
    assert_true(aw_lanes_peek(lanes, 5, 0, AW_LANES_BY_WINDOW, &head));
    assert_int_equal(head.slot, 2);
    assert_int_equal(head.key, BASE + 700000);
    assert_true(aw_lanes_try_take(lanes, &head));
    aw_lanes_show(lanes, 2, 2, BASE + 2000);
    expect_empty(lanes, 5, AW_CLASS_IMMINENT);
    assert_false(aw_lanes_peek(lanes, 5, 0, AW_LANES_BY_AGE, &head));
    assert_true(aw_lanes_peek(lanes, 5, 0, AW_LANES_BY_WINDOW, &head));
    assert_int_equal(head.slot, 1);
    assert_int_equal(head.class_, AW_CLASS_OTHER);
    /* The slot serves another ticket: without a window it is told none, and lies in one queue. */
    push_window(lanes, AW_CLASS_CARE, 0, false, 1);
    aw_lanes_show(lanes, 1, 2, BASE);
    assert_int_equal(aw_lanes_push(lanes, 5, AW_CLASS_CARE, BASE, 1, 2), AW_OK);
    assert_true(aw_lanes_peek(lanes, 5, 0, AW_CLASS_CARE, &head));
    assert_int_equal(head.reply_by, 0);
    assert_false(aw_lanes_peek(lanes, 5, 0, AW_LANES_BY_WINDOW, &head));
}

/* A load in small pieces gives every queue the same order as pushes of the same entries one by one. */
static void
test_load(void **state)
{
    struct aw_lanes             *lanes = ((struct fixture *)*state)->lanes;
    const struct aw_lanes_config config = {.lanes_max = 1000, .tickets_max = 1000000, .base = BASE, .bytes_max = 256 * MIB};
    struct aw_lanes             *pushed = NULL;
    struct aw_lanes_load        *load = NULL;
    struct aw_qsbr               qsbr;
    struct random                random = random_of(random_seed(3));
    uint32_t                     count = 50000;
    uint32_t                     by_age = 0, by_window = 0;

    aw_qsbr_init(&qsbr);
    assert_int_equal(aw_lanes_new(&pushed, &config, &qsbr), AW_OK);
    assert_int_equal(aw_lanes_load_new(&load, lanes, 7000), AW_OK);
    for (uint32_t slot = 0; slot < count; slot++) {
        uint32_t      lane = random_below(&random, 40) * 25;
        enum aw_class class_ = (enum aw_class)random_below(&random, AW_CLASS_COUNT);
        aw_ms         key = BASE + 100 * random_below(&random, 1 + random_below(&random, 5000));

        bool  closing = random_below(&random, 4) == 0;
        aw_ms reply_by = BASE + 100 * random_below(&random, 300);

        aw_lanes_show_window(pushed, slot, class_, reply_by, closing);
        aw_lanes_show_window(lanes, slot, class_, reply_by, closing);
        aw_lanes_show_shelf(pushed, slot, slot % 3 * 7);
        aw_lanes_show_shelf(lanes, slot, slot % 3 * 7);
        push(pushed, lane, class_, key, slot, 1);
        aw_lanes_show(lanes, slot, 1, BASE + slot * 1000);
        assert_int_equal(aw_lanes_load_add(load, lane, class_, key, slot, 1), AW_OK);
    }
    assert_int_equal(aw_lanes_load_finish(load), AW_OK);
    aw_lanes_load_free(&load);
    assert_null(load);
    for (uint32_t place = 0; place < 1000 * AW_LANES_SHELVES * AW_LANES_QUEUES; place++) {
        uint32_t       lane = place / AW_LANES_QUEUES / AW_LANES_SHELVES;
        uint32_t       shelf = place / AW_LANES_QUEUES % AW_LANES_SHELVES;
        unsigned       queue = place % AW_LANES_QUEUES;
        struct aw_head head, other;

        while (aw_lanes_peek(pushed, lane, shelf, queue, &head)) {
            assert_true(aw_lanes_peek(lanes, lane, shelf, queue, &other));
            assert_int_equal(head.slot, other.slot);
            assert_int_equal(head.class_, other.class_);
            assert_true(aw_lanes_try_take(pushed, &head) && aw_lanes_try_take(lanes, &other));
            by_age += queue == AW_LANES_BY_AGE;
            by_window += queue == AW_LANES_BY_WINDOW;
            count -= queue < AW_CLASS_COUNT;
        }
        assert_false(aw_lanes_peek(lanes, lane, shelf, queue, &other));
    }
    assert_true(by_age > 5000 && by_age < 15000);        /* one in five is imminent */
    assert_true(by_window > 10000 && by_window < 15000); /* one in four is closing */
    assert_int_equal(count, 0);
    aw_lanes_free(&pushed);
}

/* Bytes an entry of a load in pieces, the entries of a lane over so many ticks. */
static double
load_bytes(uint32_t lane_count, uint32_t ticks, bool in_order)
{
    const uint32_t               count = 200000;
    const struct aw_lanes_config config = {.lanes_max = lane_count, .tickets_max = count, .base = BASE, .bytes_max = 64 * MIB};
    struct random                random = random_of(5);
    struct aw_lanes             *lanes = NULL;
    struct aw_lanes_load        *load = NULL;
    struct aw_qsbr               qsbr;
    double                       bytes;

    aw_qsbr_init(&qsbr);
    assert_int_equal(aw_lanes_new(&lanes, &config, &qsbr), AW_OK);
    assert_int_equal(aw_lanes_load_new(&load, lanes, count / 10), AW_OK);
    for (uint32_t slot = 0; slot < count; slot++) {
        uint32_t tick = in_order ? (uint32_t)((uint64_t)slot * ticks / count) : random_below(&random, ticks);

        aw_lanes_show(lanes, slot, 1, BASE);
        assert_int_equal(aw_lanes_load_add(load, random_below(&random, lane_count), AW_CLASS_GENERAL,
                                           BASE + (aw_ms)tick * AW_LANES_TICK_MS, slot, 1),
                         AW_OK);
    }
    assert_int_equal(aw_lanes_load_finish(load), AW_OK);
    aw_lanes_load_free(&load);
    bytes = (double)aw_lanes_queue_bytes(lanes) / count;
    assert_int_equal(aw_lanes_bytes(lanes), aw_lanes_queue_bytes(lanes) + count * sizeof(uint64_t)); /* no windows */
    aw_lanes_show_window(lanes, 99, AW_CLASS_GENERAL, BASE + 1000, false);
    assert_int_equal(aw_lanes_bytes(lanes), aw_lanes_queue_bytes(lanes) + (count + 100) * sizeof(uint64_t));
    aw_lanes_free(&lanes);
    return bytes;
}

/* What an entry takes stays near what ADR 0004 says; here, pages that are partly used weigh more. */
static void
test_bytes(void **state)
{
    (void)state;
    assert_true(load_bytes(1, 20000, true) < 13.0); /* ten a tick */
    assert_true(load_bytes(1, 20000, false) < 16.6);
    assert_true(load_bytes(50, 20000, true) < 25.0); /* one in five ticks */
    assert_true(load_bytes(50, 4000, false) < 24.0); /* one a tick, as chance has it */
}

/* As many as room says go in, wherever; then the load and the push say no; drained, there is room again. */
static void
test_full(void **state)
{
    const struct aw_lanes_config config = {.lanes_max = 100, .tickets_max = 100, .base = BASE, .bytes_max = 2 * MIB};
    struct aw_lanes             *lanes = NULL;
    struct aw_lanes_load        *load = NULL;
    struct aw_qsbr               qsbr;
    struct random                random = random_of(4);
    struct aw_head               head;
    enum aw_err                  err = AW_OK;
    size_t                       room;

    (void)state; /* small lanes of its own */
    aw_qsbr_init(&qsbr);
    assert_int_equal(aw_lanes_new(&lanes, &config, &qsbr), AW_OK);
    room = aw_lanes_room(lanes);
    assert_true(room > 100);
    aw_lanes_show(lanes, 1, 1, BASE);
    for (size_t i = 0; i < room; i++)
        assert_int_equal(aw_lanes_push(lanes, random_below(&random, 100), AW_CLASS_OTHER,
                                       BASE + 100 * (uint64_t)random_below(&random, 1000000000), 1, 1),
                         AW_OK);
    while (aw_lanes_room(lanes) > 0)
        assert_int_equal(aw_lanes_push(lanes, random_below(&random, 100), AW_CLASS_OTHER, BASE, 1, 1), AW_OK);
    /* All entries of an imminent ticket that is closing, or none. */
    aw_lanes_show_window(lanes, 1, AW_CLASS_IMMINENT, BASE, true);
    assert_int_equal(aw_lanes_push(lanes, 0, AW_CLASS_IMMINENT, BASE, 1, 1), AW_E_TABLE_FULL);
    assert_false(aw_lanes_peek(lanes, 0, 0, AW_CLASS_IMMINENT, &head));
    assert_false(aw_lanes_peek(lanes, 0, 0, AW_LANES_BY_AGE, &head));
    assert_false(aw_lanes_peek(lanes, 0, 0, AW_LANES_BY_WINDOW, &head));
    aw_lanes_show_window(lanes, 1, AW_CLASS_OTHER, 0, false);
    while (err == AW_OK)
        err = aw_lanes_push(lanes, random_below(&random, 100), AW_CLASS_OTHER, BASE, 1, 1);
    assert_int_equal(err, AW_E_TABLE_FULL);
    assert_int_equal(aw_lanes_load_new(&load, lanes, 10), AW_OK);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(aw_lanes_load_add(load, 1, AW_CLASS_OTHER, BASE, 1, 1), AW_OK);
    assert_int_equal(aw_lanes_load_add(load, 1, AW_CLASS_OTHER, BASE, 1, 1), AW_E_TABLE_FULL);
    aw_lanes_load_free(&load);
    for (uint32_t lane = aw_lanes_find(lanes, 0, 0); lane < 100; lane = aw_lanes_find(lanes, lane + 1, 0))
        while (aw_lanes_peek(lanes, lane, 0, AW_CLASS_OTHER, &head))
            assert_true(aw_lanes_try_take(lanes, &head));
    settle(lanes);
    assert_int_equal(aw_lanes_room(lanes), room);
    aw_lanes_free(&lanes);
}

/* --- threads -------------------------------------------------------------------------------------------------------------- */

#define PULLERS 3
#define LANES   4

#define PER_TICK 3 /* entries of one key */

/* Of one entry; slots rise with keys. */
struct times {
    uint64_t pushed; /* its push returned */
    uint64_t begun;  /* the pull that took it began */
    uint64_t chosen; /* and had seen all lanes */
    uint64_t taken;  /* and returned */
};
struct run {
    struct aw_qsbr   qsbr;
    struct aw_lanes *lanes;
    _Atomic bool     stop;
    struct times    *times; /* owns: by slot */
    uint32_t         count;
    _Atomic uint32_t left;
};
struct puller {
    struct run            *run;
    struct aw_qsbr_reader *reader;
    pthread_t              thread;
};

/* Peeks all lanes, takes the least. False: nothing there, or somebody was quicker. */
static bool
pull(struct run *run)
{
    struct aw_head best = {.slot = UINT32_MAX};
    uint64_t       begun = stamp();
    uint64_t       chosen;

    for (uint32_t lane = aw_lanes_find(run->lanes, 0, 0); lane < LANES; lane = aw_lanes_find(run->lanes, lane + 1, 0)) {
        struct aw_head head;

        if (aw_lanes_peek(run->lanes, lane, 0, AW_CLASS_GENERAL, &head) && head.slot < best.slot)
            best = head;
    }
    chosen = stamp();
    if (best.slot == UINT32_MAX || !aw_lanes_try_take(run->lanes, &best))
        return false;
    AW_ASSERT(run->times[best.slot].taken == 0); /* nobody took it before */
    run->times[best.slot].begun = begun;
    run->times[best.slot].chosen = chosen;
    run->times[best.slot].taken = stamp();
    return true;
}

static void *
puller_main(void *arg)
{
    struct puller *self = arg;
    struct run    *run = self->run;

    while (!atomic_load(&run->stop)) {
        aw_qsbr_quiet(&run->qsbr, self->reader);
        if (pull(run))
            atomic_fetch_sub(&run->left, 1);
        else
            (void)sched_yield(); /* never fails on Linux */
    }
    aw_qsbr_offline(self->reader);
    return NULL;
}

/* How many entries were taken by a pull that ended before the pull of an earlier key had chosen, although the push of that one
 * had returned before the first began. Pushes are in order of slot, so those that had returned are a prefix. */
static uint32_t
count_overtaken(const struct run *run)
{
    uint64_t *last = calloc(run->count + 1, sizeof(*last)); /* by slot: when the last of the slots up to it was chosen */
    uint32_t  overtaken = 0;

    assert_non_null(last);
    for (uint32_t slot = 1; slot <= run->count; slot++)
        last[slot] = run->times[slot].chosen > last[slot - 1] ? run->times[slot].chosen : last[slot - 1];
    for (uint32_t slot = 1; slot <= run->count; slot++) {
        uint32_t low = 0;
        uint32_t high = slot / PER_TICK * PER_TICK; /* slots below have an earlier key */

        high = high == 0 ? 0 : high - 1;
        while (low < high) {
            uint32_t middle = low + (high - low + 1) / 2;

            if (run->times[middle].pushed < run->times[slot].begun)
                low = middle;
            else
                high = middle - 1;
        }
        overtaken += last[low] > run->times[slot].taken;
    }
    free(last);
    return overtaken;
}

static void
test_bound(void **state)
{
    struct run                   run = {.count = random_times(500000)};
    const struct aw_lanes_config config = {.lanes_max = LANES, .tickets_max = run.count + 1, .base = BASE, .bytes_max = 64 * MIB};
    struct puller                pullers[PULLERS];
    struct random                random = random_of(random_seed(5));

    (void)state; /* lanes of its own */
    aw_qsbr_init(&run.qsbr);
    assert_int_equal(aw_lanes_new(&run.lanes, &config, &run.qsbr), AW_OK);
    run.times = calloc(run.count + 1, sizeof(*run.times));
    assert_non_null(run.times);
    atomic_store(&run.left, run.count);
    for (int i = 0; i < PULLERS; i++) {
        pullers[i] = (struct puller){.run = &run, .reader = aw_qsbr_join(&run.qsbr)};
        assert_int_equal(pthread_create(&pullers[i].thread, NULL, puller_main, &pullers[i]), 0);
    }
    for (uint32_t slot = 1; slot <= run.count; slot++) {
        aw_lanes_show(run.lanes, slot, 1, BASE);
        assert_int_equal(
            aw_lanes_push(run.lanes, random_below(&random, LANES), AW_CLASS_GENERAL, BASE + slot / PER_TICK * 100, slot, 1),
            AW_OK);
        run.times[slot].pushed = stamp();
        if (slot % 32 == 0)
            (void)aw_lanes_reclaim(run.lanes); /* as far as it comes */
        if (random_below(&random, 64) == 0)
            (void)sched_yield(); /* never fails on Linux; lets the queues run dry */
    }
    while (atomic_load(&run.left) > 0)
        (void)sched_yield(); /* as above; a lost entry ends in the test's time limit */
    atomic_store(&run.stop, true);
    for (int i = 0; i < PULLERS; i++)
        assert_int_equal(pthread_join(pullers[i].thread, NULL), 0);
    assert_int_equal(count_overtaken(&run), 0);
    run.times[1].chosen = UINT64_MAX; /* and it would notice: all others have overtaken this one now */
    assert_true(count_overtaken(&run) > run.count / 2);
    aw_lanes_free(&run.lanes);
    free(run.times);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_heads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clamped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hints, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shelves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_moves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_orders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_windows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_load, set_up, tear_down),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
