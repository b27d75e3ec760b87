/* No operation of one thread waits for another: a thread that is stopped anywhere holds nobody up. A signal stops the writer or a
 * popper at whatever instruction it has come to; meanwhile each other thread must finish 200 more operations. Then it goes on,
 * and the next one is stopped. The same test on a heap under a mutex must find threads that wait, which shows that it would.
 *
 * 200 freezes; AW_TEST_TIMES=1000 makes 2,000 of them. */
#include "commit/calendar.h"

#include "base/mem.h"

#include "support/heap.h"
#include "support/random.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#define THREADS     4 /* the first is the writer */
#define GOAL        200
#define WAITING_MAX 10000U
#define NOBODY      THREADS
#define ARENA_BYTES ((size_t)512 << 20)

struct bench;
struct worker {
    struct bench          *bench;
    int                    number;
    struct aw_qsbr_reader *reader; /* poppers */
    pthread_t              thread;
    struct random          random;
    _Atomic uint64_t       done; /* operations finished; an answer of "empty" is one */
};
struct bench {
    bool                     is_heap;
    pthread_mutex_t          mutex; /* of the heap */
    struct heap              heap;
    _Atomic int              holder; /* of the mutex */
    struct aw_qsbr           qsbr;
    struct aw_calendar       calendar;
    struct aw_calendar_pool *pool;
    struct worker            workers[THREADS];
    _Atomic bool             stop;
};

/* --- stopping a thread ---------------------------------------------------------------------------------------------------- */

static _Thread_local volatile sig_atomic_t is_inside; /* an operation */
static _Atomic bool                        is_parked;
static _Atomic bool                        was_inside;
static sem_t                               go_on;

/* Where the thread is stopped. Of what it calls only sem_wait is not on the list of async-signal-safe functions; glibc's is a loop
 * around a futex without a lock, and the others' code has no semaphore. */
static void
park(int signal_number)
{
    int error = errno;

    (void)signal_number; /* there is but one */
    atomic_store(&was_inside, is_inside != 0);
    atomic_store(&is_parked, true);
    while (sem_wait(&go_on) != 0) /* interrupted: never by another of ours */
        continue;
    atomic_store(&is_parked, false);
    errno = error;
}

/* --- what the threads do -------------------------------------------------------------------------------------------------- */

/* Arrivals in order with some urgent and some far ones. */
static uint32_t
some_tick(struct random *random, uint64_t number)
{
    uint32_t now = 1000 + (uint32_t)(number / 8);

    switch (random_below(random, 8)) {
    case 0:
        return now - random_below(random, 1000);
    case 1:
        return now + 100000 + random_below(random, 64);
    default:
        return now + random_below(random, 10);
    }
}

static void
push_calendar(struct bench *bench, struct random *random, uint64_t number)
{
    struct aw_calendar_item items[4];
    uint32_t                count = 1 + random_below(random, AW_ARRAY_LEN(items));
    enum aw_err             err;

    if (aw_calendar_waiting(bench->pool, &bench->calendar) > WAITING_MAX) {
        (void)aw_calendar_clean(bench->pool, &bench->calendar, 128); /* else they may only look waiting */
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct aw_calendar_item){&bench->calendar, number + i, some_tick(random, number)};
    err = aw_calendar_push_items(bench->pool, items, count);
    AW_ASSERT(err == AW_OK);
    if (number % 16 == 0)
        (void)(aw_calendar_clean(bench->pool, &bench->calendar, 128) + aw_calendar_pool_reclaim(bench->pool, 256));
}

static void
pop_calendar(struct bench *bench)
{
    struct aw_calendar_head head;

    while (aw_calendar_peek(bench->pool, &bench->calendar, &head))
        if (aw_calendar_try_pop(&bench->calendar, &head))
            return;
}

static void
use_heap(struct bench *bench, struct worker *self, uint64_t number)
{
    uint32_t tick;
    uint64_t entry;

    AW_ASSERT(pthread_mutex_lock(&bench->mutex) == 0);
    atomic_store(&bench->holder, self->number);
    if (self->number > 0)
        (void)(heap_pop(&bench->heap, &tick, &entry) ? 1 : 0); /* empty is an answer too */
    else if (bench->heap.count < WAITING_MAX)
        heap_push(&bench->heap, some_tick(&self->random, number), number);
    atomic_store(&bench->holder, NOBODY);
    AW_ASSERT(pthread_mutex_unlock(&bench->mutex) == 0);
}

static void *
worker_main(void *arg)
{
    struct worker *self = arg;
    struct bench  *bench = self->bench;

    if (self->number == 0)
        aw_calendar_pool_enter(bench->pool);
    for (uint64_t number = 0; !atomic_load_explicit(&bench->stop, memory_order_relaxed); number++) {
        is_inside = 1;
        if (self->number > 0)
            aw_qsbr_quiet(&bench->qsbr, self->reader);
        if (bench->is_heap)
            use_heap(bench, self, number);
        else if (self->number == 0)
            push_calendar(bench, &self->random, number);
        else
            pop_calendar(bench);
        is_inside = 0;
        atomic_fetch_add_explicit(&self->done, 1, memory_order_relaxed);
    }
    if (self->number > 0)
        aw_qsbr_offline(self->reader);
    return NULL;
}

static struct bench *
bench_start(bool is_heap)
{
    struct bench *bench = aw_new(struct bench);

    assert_non_null(bench);
    bench->is_heap = is_heap;
    atomic_init(&bench->holder, NOBODY);
    assert_int_equal(pthread_mutex_init(&bench->mutex, NULL), 0);
    aw_qsbr_init(&bench->qsbr);
    assert_int_equal(aw_calendar_pool_new(&bench->pool, ARENA_BYTES, &bench->qsbr), AW_OK);
    for (int i = 0; i < THREADS; i++) {
        bench->workers[i] = (struct worker){.bench = bench, .number = i, .random = random_of((uint64_t)i)};
        bench->workers[i].reader = i > 0 ? aw_qsbr_join(&bench->qsbr) : NULL;
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&bench->workers[i].thread, NULL, worker_main, &bench->workers[i]), 0);
    return bench;
}

static void
bench_stop(struct bench *bench)
{
    atomic_store(&bench->stop, true);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(bench->workers[i].thread, NULL), 0);
    aw_calendar_pool_enter(bench->pool);
    aw_calendar_pool_free(&bench->pool);
    heap_fini(&bench->heap);
    free(bench);
}

/* --- freezing ------------------------------------------------------------------------------------------------------------- */

static uint64_t
now_ms(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at); /* can't fail for this clock */
    return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static void
tell_who_waits(const struct bench *bench, int frozen, const uint64_t goals[THREADS])
{
    for (int i = 0; i < THREADS && !bench->is_heap; i++) {
        uint64_t done = atomic_load(&bench->workers[i].done);

        if (done < goals[i])
            printf("while %d is stopped%s, %d did %" PRIu64 " of %d operations\n", frozen,
                   atomic_load(&was_inside) ? " inside one" : "", i, done + GOAL - goals[i], GOAL);
    }
}

/* All others finish GOAL operations more, before `ms` have passed. */
static bool
others_go_on(struct bench *bench, int frozen, uint64_t ms)
{
    uint64_t end = now_ms() + ms;
    uint64_t goals[THREADS];

    for (int i = 0; i < THREADS; i++)
        goals[i] = i == frozen ? 0 : atomic_load(&bench->workers[i].done) + GOAL;
    for (;;) {
        bool reached = true;

        for (int i = 0; i < THREADS; i++)
            reached = reached && atomic_load(&bench->workers[i].done) >= goals[i];
        if (reached)
            return true;
        if (now_ms() > end) {
            tell_who_waits(bench, frozen, goals);
            return false;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL); /* shorter is fine */
    }
}

struct freezes {
    uint32_t count;
    uint32_t inside; /* an operation */
    uint32_t blocked;
};

/* Stops one thread after the other. `ms`: how long the others have. Stops early after the first freeze that blocked somebody when
 * `until_blocked`. */
static struct freezes
freeze(bool is_heap, uint32_t count, uint64_t ms, bool until_blocked)
{
    struct random  random = random_of(random_seed(2));
    struct bench  *bench = bench_start(is_heap);
    struct freezes freezes = {.count = 0};

    while (freezes.count < count && !(until_blocked && freezes.blocked > 0)) {
        int frozen = (int)random_below(&random, THREADS);

        (void)nanosleep(&(struct timespec){.tv_nsec = random_below(&random, 50000)}, NULL); /* as above */
        assert_int_equal(pthread_kill(bench->workers[frozen].thread, SIGUSR1), 0);
        while (!atomic_load(&is_parked))
            (void)sched_yield(); /* never fails on Linux */
        freezes.count++;
        freezes.inside += atomic_load(&was_inside);
        /* On the heap only the one who holds the mutex blocks; without that, the others were just slow. */
        if (!others_go_on(bench, frozen, ms) && (!is_heap || atomic_load(&bench->holder) == frozen))
            freezes.blocked++;
        assert_int_equal(sem_post(&go_on), 0);
        while (atomic_load(&is_parked))
            (void)sched_yield(); /* as above */
    }
    bench_stop(bench);
    return freezes;
}

static int
set_up(void **state)
{
    struct sigaction action = {.sa_handler = park, .sa_flags = SA_RESTART};

    (void)state;
    return sem_init(&go_on, 0, 0) != 0 || sigaction(SIGUSR1, &action, NULL) != 0;
}

static void
test_calendar(void **state)
{
    struct freezes freezes;

    (void)state;
#ifdef WITH_TSAN
    skip(); /* it delivers signals between operations only, where stopping proves nothing */
#endif
    freezes = freeze(false, random_times(200), 30000, false);
    printf("%u freezes, %u of them inside an operation, %u blocked others\n", freezes.count, freezes.inside, freezes.blocked);
    assert_true(freezes.inside > freezes.count / 10); /* else it would show little */
    assert_int_equal(freezes.blocked, 0);
}

static void
test_mutex_is_noticed(void **state)
{
    struct freezes freezes;

    (void)state;
#ifdef WITH_TSAN
    skip(); /* as above */
#endif
    freezes = freeze(true, 10000, 300, true);
    printf("heap under a mutex: freeze %u blocked others\n", freezes.count);
    assert_int_equal(freezes.blocked, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_mutex_is_noticed),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
