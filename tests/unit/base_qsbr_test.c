/* Proves that nothing is reused while a reader may look at it, and that everything is once they have all moved on. How: the rules
 * one by one in one thread; then an owner replaces a shared object as fast as it can, poisons what has passed and uses it again,
 * while readers that come and go (online turns, naps) check every object they see: poison or a torn object is a failure, and under
 * the thread sanitizer so is a reuse that is not ordered after the reader's last look. */
#include "support/test.h"

#include "base/qsbr.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static void
passes_when_every_reader_was_quiet(void **state)
{
    static struct aw_qsbr  qsbr;
    struct aw_qsbr_reader *a;
    struct aw_qsbr_reader *b;
    uint64_t               first;
    uint64_t               second;

    (void)state;
    aw_qsbr_init(&qsbr);
    first = aw_qsbr_retire(&qsbr);
    assert_true(aw_qsbr_passed(&qsbr, first)); /* no readers */
    a = aw_qsbr_join(&qsbr);
    b = aw_qsbr_join(&qsbr);
    first = aw_qsbr_retire(&qsbr);
    assert_true(aw_qsbr_passed(&qsbr, first)); /* both offline */

    aw_qsbr_quiet(&qsbr, a);
    aw_qsbr_quiet(&qsbr, b);
    first = aw_qsbr_retire(&qsbr);
    assert_false(aw_qsbr_passed(&qsbr, first));
    aw_qsbr_quiet(&qsbr, a);
    assert_false(aw_qsbr_passed(&qsbr, first)); /* b has not moved */
    second = aw_qsbr_retire(&qsbr);
    assert_int_equal(aw_qsbr_lag(&qsbr), 2);
    aw_qsbr_quiet(&qsbr, b);
    assert_true(aw_qsbr_passed(&qsbr, first));
    assert_false(aw_qsbr_passed(&qsbr, second)); /* a saw the first only */
    assert_int_equal(aw_qsbr_lag(&qsbr), 1);
    aw_qsbr_offline(a);
    assert_true(aw_qsbr_passed(&qsbr, second)); /* asleep, a holds nothing */
    assert_int_equal(aw_qsbr_lag(&qsbr), 0);

    /* Back online a counts again. */
    aw_qsbr_quiet(&qsbr, a);
    first = aw_qsbr_retire(&qsbr);
    aw_qsbr_quiet(&qsbr, b);
    assert_false(aw_qsbr_passed(&qsbr, first));
    aw_qsbr_quiet(&qsbr, a);
    assert_true(aw_qsbr_passed(&qsbr, first));
}

static void
slots_end(void **state)
{
    static struct aw_qsbr qsbr;

    (void)state;
    aw_qsbr_init(&qsbr);
    for (int i = 0; i < AW_QSBR_READERS_MAX; i++)
        assert_non_null(aw_qsbr_join(&qsbr));
    assert_null(aw_qsbr_join(&qsbr));
}

enum { OBJECTS = 32, READERS = 2, TURNS = 100000, LOOKS = 20000, POISON = 0x5A5A5A5A };

struct object {
    uint64_t words[8]; /* all the same, or all poison when nobody may look */
};

static struct {
    struct aw_qsbr           qsbr;
    _Atomic(struct object *) shared;
    _Atomic uint32_t         busy; /* readers that have not looked LOOKS times yet */
    _Atomic bool             stop;
    struct object            objects[OBJECTS];
    uint64_t                 retired_at[OBJECTS];
} world;

struct reader {
    struct aw_qsbr_reader *slot;
    uint64_t               looks;
    uint64_t               wrong;
    uint64_t               naps;
    uint64_t               random;
};

static void *
reader_run(void *arg)
{
    struct reader *reader = arg;

    while (!atomic_load_explicit(&world.stop, memory_order_acquire)) {
        aw_qsbr_quiet(&world.qsbr, reader->slot);
        for (int look = 0; look < 4; look++) {
            /* Pairs with the release in replace. */
            const struct object *object = atomic_load_explicit(&world.shared, memory_order_acquire);

            for (int i = 0; i < 8; i++)
                reader->wrong += object->words[i] == POISON || object->words[i] != object->words[0];
            if (++reader->looks == LOOKS)
                atomic_fetch_sub_explicit(&world.busy, 1, memory_order_relaxed);
        }
        if (test_random(&reader->random) % 4 == 0) {
            aw_qsbr_offline(reader->slot);
            reader->naps++;
            sched_yield();
        }
    }
    aw_qsbr_offline(reader->slot);
    return NULL;
}

/* Publishes object `next` with the number `turn` and retires the one before. */
static void
replace(uint32_t next, uint32_t before, uint64_t turn)
{
    for (int i = 0; i < 8; i++)
        world.objects[next].words[i] = turn;
    /* Pairs with the acquire in reader_run. */
    atomic_store_explicit(&world.shared, &world.objects[next], memory_order_release);
    world.retired_at[before] = aw_qsbr_retire(&world.qsbr);
}

static void
nothing_is_reused_under_a_reader(void **state)
{
    struct reader readers[READERS];
    pthread_t     threads[READERS];
    uint64_t      turn = 1;

    (void)state;
    aw_qsbr_init(&world.qsbr);
    atomic_init(&world.shared, &world.objects[0]);
    atomic_init(&world.busy, READERS);
    atomic_init(&world.stop, false);
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.slot = aw_qsbr_join(&world.qsbr), .random = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, reader_run, &readers[i]), 0);
    }
    for (; turn <= TURNS || atomic_load_explicit(&world.busy, memory_order_relaxed) > 0; turn++) {
        uint32_t next = (uint32_t)(turn % OBJECTS);

        while (!aw_qsbr_passed(&world.qsbr, world.retired_at[next]))
            sched_yield();
        for (int i = 0; i < 8; i++)
            world.objects[next].words[i] = POISON;
        replace(next, (uint32_t)((turn - 1) % OBJECTS), turn);
    }
    atomic_store_explicit(&world.stop, true, memory_order_release);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(readers[i].wrong, 0);
        assert_true(readers[i].looks >= LOOKS);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_when_every_reader_was_quiet),
        cmocka_unit_test(slots_end),
        cmocka_unit_test(nothing_is_reused_under_a_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
