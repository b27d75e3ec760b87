/* The calendar under load: each entry leaves exactly once and unharmed, while memory is reused all the time (poisoned when
 * free, so that a look at it after its grace period stands out). (Stopped threads: calendar_freeze_test.c.) */
#include "commit/calendar.h"

#include "base/mem.h"

#include "support/random.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define POPPERS 3
#define MIB     (1U << 20)

struct popper {
    struct bench          *bench;
    struct aw_qsbr_reader *reader;
    pthread_t              thread;
};
struct bench {
    struct aw_qsbr           qsbr;
    struct aw_calendar       calendar;
    struct aw_calendar_pool *pool;
    struct popper            poppers[POPPERS];
    _Atomic uint8_t         *seen;  /* how often each entry was popped */
    uint64_t                 count; /* entries of this run */
    _Atomic uint64_t         left;  /* not popped yet */
    _Atomic bool             stop;
};

/* An entry names its tick, so that a popper can tell a torn or reused one. */
static uint64_t
entry_of(uint32_t tick, uint64_t number)
{
    return (uint64_t)tick << 32 | number;
}

static bool
pop_checked(struct popper *self)
{
    struct bench           *bench = self->bench;
    struct aw_calendar_head head;

    aw_qsbr_quiet(&bench->qsbr, self->reader);
    if (!aw_calendar_peek(bench->pool, &bench->calendar, &head) || !aw_calendar_try_pop(&bench->calendar, &head))
        return false;
    AW_ASSERT(head.entry >> 32 == head.tick);
    if (bench->seen != NULL) {
        AW_ASSERT((uint32_t)head.entry < bench->count);
        AW_ASSERT(atomic_fetch_add_explicit(&bench->seen[(uint32_t)head.entry], 1, memory_order_relaxed) == 0);
        atomic_fetch_sub_explicit(&bench->left, 1, memory_order_relaxed);
    }
    return true;
}

static void *
popper_main(void *arg)
{
    struct popper *self = arg;

    while (!atomic_load(&self->bench->stop))
        if (!pop_checked(self))
            (void)sched_yield(); /* never fails on Linux */
    aw_qsbr_offline(self->reader);
    return NULL;
}

static struct bench *
bench_start(size_t bytes_max, uint64_t count)
{
    struct bench *bench = aw_new(struct bench);

    assert_non_null(bench);
    aw_qsbr_init(&bench->qsbr);
    assert_int_equal(aw_calendar_pool_new(&bench->pool, bytes_max, &bench->qsbr), AW_OK);
    if (count > 0) {
        bench->seen = calloc(count, sizeof(*bench->seen));
        assert_non_null(bench->seen);
    }
    bench->count = count;
    atomic_store(&bench->left, count);
    for (int i = 0; i < POPPERS; i++) {
        bench->poppers[i].bench = bench;
        bench->poppers[i].reader = aw_qsbr_join(&bench->qsbr);
        assert_int_equal(pthread_create(&bench->poppers[i].thread, NULL, popper_main, &bench->poppers[i]), 0);
    }
    return bench;
}

static void
bench_stop(struct bench *bench)
{
    atomic_store(&bench->stop, true);
    for (int i = 0; i < POPPERS; i++)
        assert_int_equal(pthread_join(bench->poppers[i].thread, NULL), 0);
    aw_calendar_pool_free(&bench->pool);
    free(bench->seen);
    free(bench);
}

/* Arrivals in order with some urgent and some far ones; `spread` ticks wide. */
static uint32_t
some_tick(struct random *random, uint64_t number, uint32_t spread)
{
    uint32_t now = 1000 + (uint32_t)(number / 8);

    switch (random_below(random, 8)) {
    case 0:
        return now - random_below(random, 1000);
    case 1:
        return now + 100000 + random_below(random, 64);
    default:
        return now + random_below(random, spread);
    }
}

static void
run_exactly_once(uint64_t seed, uint32_t spread, uint64_t count)
{
    struct bench *bench = bench_start(2 * MIB, count);
    struct random random = random_of(seed);

    for (uint64_t i = 0; i < count;) {
        uint32_t    tick = some_tick(&random, i, spread);
        uint64_t    entry = entry_of(tick, i);
        enum aw_err err = aw_calendar_push(bench->pool, &bench->calendar, tick, &entry, 1);

        if (err == AW_OK) {
            i++;
        } else {
            assert_int_equal(err, AW_E_TABLE_FULL); /* 2 MiB are soon full: memory must come round */
            (void)sched_yield();                    /* never fails on Linux */
        }
        if (err != AW_OK || i % 64 == 0)
            (void)(aw_calendar_clean(bench->pool, &bench->calendar, 128) + aw_calendar_pool_reclaim(bench->pool, 256));
    }
    while (atomic_load(&bench->left) > 0)
        (void)sched_yield(); /* never fails on Linux */
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(atomic_load(&bench->seen[i]), 1);
    assert_true(aw_calendar_is_empty(&bench->calendar) || aw_calendar_waiting(bench->pool, &bench->calendar) < 2000);
    bench_stop(bench);
}

static void
test_exactly_once(void **state)
{
    uint64_t seed = random_seed(1);

    (void)state;
    run_exactly_once(seed, 1, random_times(400000));
    run_exactly_once(seed + 1, 100, random_times(400000));
    run_exactly_once(seed + 2, 100000, random_times(400000));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
