/* The calendar under its writer and three poppers is linearizable: short histories are recorded and each is searched for an
 * order in which a plain priority queue would have given the same answers (Wing and Gong 1993, with Lowe's memory of states
 * seen, 2017). As each popped entry is fixed by the history, the state of the plain queue is the set of operations already put
 * in order.
 *
 * So that rare paths are common, this test compiles the calendar again with chunks of one to three entries and a delay at each
 * point where threads meet. It also leaves out one rule of the protocol at a time: then histories must turn out bad, which
 * shows that the checker would notice. Hence the only inclusions of a .c in the tests. */
#include "base/assert.h"

#include "support/random.h"
#include "support/stamp.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define TSAN_STATUS 66 /* the sanitizer's, of a process with a report */

enum rule {
    NO_RULE,
    RULE_1_READY,
    RULE_1_SEEK,
    RULE_2,
    RULE_3,
    RULE_4,
    RULE_4_RELEASE,
    RULE_4_RELAXED,
    RULE_5,
    RULE_6,
    RULE_7,
    RULE_7_LOWEST,
    RULE_CAS
};
static enum rule                    without;      /* set between histories */
static uint32_t                     sparse_below; /* as above */
static _Thread_local struct random *chaos_random; /* NULL: no delays here */

/* Without rule 4: the value of a tail that this thread stored and nobody else can see yet. */
static _Thread_local struct {
    _Atomic uint8_t *place; /* NULL: none */
    uint8_t          value;
} lingering;

/* A store buffer in software, as this machine's empties itself too soon to be caught: what is published stays in it until the
 * next point, which comes after the cursor was read. */
static inline void
linger(uintptr_t place, uint64_t value)
{
    lingering.place = (_Atomic uint8_t *)place; /* NOLINT(performance-no-int-to-ptr): drops no qualifier on the way */
    lingering.value = (uint8_t)value;
}

static void
chaos(void)
{
    uint32_t dice;

    if (chaos_random == NULL)
        return;
    dice = random_below(chaos_random, 64);
    if (dice < 6)
        (void)sched_yield(); /* never fails on Linux */
    else if (dice < 16)
        for (volatile uint32_t spin = random_below(chaos_random, 256); spin > 0;)
            spin = spin - 1;
    if (lingering.place != NULL) {
        atomic_store_explicit(lingering.place, lingering.value, memory_order_release);
        lingering.place = NULL;
    }
}

#define PUBLISH(place, value)                                                                                                    \
    (without == RULE_4 && sizeof(*(place)) == 1 ? linger((uintptr_t)(place), value)                                              \
     : without == RULE_4_RELEASE                ? atomic_store_explicit(place, value, memory_order_release)                      \
     : without == RULE_4_RELAXED                ? atomic_store_explicit(place, value, memory_order_relaxed)                      \
                                                : atomic_store_explicit(place, value, memory_order_seq_cst))
#define AW_CALENDAR_TEST
#define CHUNK_CAPS    1, 2, 3
#define CHUNK_CLASSES 3
#define SPARSE_BELOW  sparse_below
#define POINT()       chaos()
#define WITHOUT(rule) (without == (rule))
#undef AW_AUDIT
/* Where a rule is left out, the checker has to notice. */
#define AW_AUDIT(fact) AW_IMPLIES(without == NO_RULE, fact)
/* NOLINTBEGIN(bugprone-suspicious-include): built here with its test points on */
#include "commit/calendar.c"
#include "commit/calendar_clean.c"
#include "commit/calendar_group.c"
#include "commit/calendar_index.c"
#include "commit/calendar_pool.c"
#include "commit/calendar_take.c"
/* NOLINTEND(bugprone-suspicious-include) */

/* --- recording ------------------------------------------------------------------------------------------------------------ */

#define POPPERS     3
#define PREFILL_MAX 4
#define PUSHES_MAX  10 /* calls */
#define ENTRIES_MAX 18 /* before the last call */
#define POPS_MAX    5  /* a popper */
#define OPS_MAX     64
#define NOTHING     UINT32_MAX

struct op {
    uint64_t from;  /* invoked */
    uint64_t to;    /* returned */
    uint32_t entry; /* pushed or popped; NOTHING: the queue was said to be empty */
    uint32_t tick;
    bool     is_push;
};
/* What one thread did. */
struct track {
    struct op ops[48];
    uint32_t  count;
};
struct bench {
    struct aw_qsbr           qsbr;
    struct aw_calendar       calendar;
    struct aw_calendar_pool *pool;
    struct aw_qsbr_reader   *readers[POPPERS + 1];
    _Atomic uint32_t         round; /* poppers begin when it changes */
    _Atomic uint32_t         done;
    _Atomic bool             stop;
    struct track             tracks[POPPERS + 1]; /* the writer's is the last */
    uint64_t                 seed;
    uint32_t                 entries; /* pushed so far in this history */
};

static void
record(struct track *track, uint64_t from, bool is_push, uint32_t tick, uint32_t entry)
{
    AW_ASSERT(track->count < AW_ARRAY_LEN(track->ops));
    track->ops[track->count++] = (struct op){.from = from, .to = stamp(), .entry = entry, .tick = tick, .is_push = is_push};
}

static void
do_push(struct bench *bench, struct track *track, uint32_t tick)
{
    uint64_t    entry = bench->entries++;
    uint64_t    from = stamp();
    enum aw_err err = aw_calendar_push(bench->pool, &bench->calendar, tick, &entry, 1);

    AW_ASSERT(err == AW_OK);
    record(track, from, true, tick, (uint32_t)entry);
}

/* Few ticks, so that chains are common; around a border of digits, so that searches climb. */
static uint32_t
some_tick(struct random *random, uint32_t shape)
{
    static const uint32_t ticks[4][4] = {{5, 6, 7, 8}, {62, 63, 64, 65}, {0, 4095, 4096, AW_CALENDAR_TICK_MAX}, {9, 9, 9, 8}};

    return ticks[shape][random_below(random, 4)];
}

/* Two or three pushes in one call: all of them lie between its begin and its end, in any order but that of equal ticks, which is
 * that of their numbers. */
static void
do_push_items(struct bench *bench, struct track *track, struct random *random, uint32_t shape)
{
    struct aw_calendar_item items[3];
    uint32_t                count = 2 + random_below(random, 2);
    uint64_t                from;
    enum aw_err             err;

    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct aw_calendar_item){&bench->calendar, bench->entries++, some_tick(random, shape)};
    from = stamp();
    err = aw_calendar_push_items(bench->pool, items, count);
    AW_ASSERT(err == AW_OK);
    for (uint32_t i = 0; i < count; i++)
        record(track, from, true, items[i].tick, (uint32_t)items[i].entry);
}

static bool
do_pop(struct bench *bench, struct track *track)
{
    struct aw_calendar_head head = {.entry = NOTHING};
    uint64_t                from = stamp();

    while (aw_calendar_peek(bench->pool, &bench->calendar, &head))
        if (aw_calendar_try_pop(&bench->calendar, &head)) {
            record(track, from, false, head.tick, (uint32_t)head.entry);
            return true;
        }
    record(track, from, false, 0, NOTHING);
    return false;
}

struct popper {
    struct bench *bench;
    uint32_t      which;
};

static void *
popper_main(void *arg)
{
    struct popper *self = arg;
    struct bench  *bench = self->bench;
    struct random  random = random_of(bench->seed * 16 + self->which);
    struct random  delays = random_of(bench->seed * 32 + self->which);
    struct track  *track = &bench->tracks[self->which];
    uint32_t       round = 0;

    chaos_random = &delays;
    for (;;) {
        while (atomic_load(&bench->round) == round)
            if (atomic_load(&bench->stop)) {
                chaos_random = NULL;
                return NULL;
            } else {
                (void)sched_yield(); /* never fails on Linux */
            }
        round++;
        for (uint32_t left = 1 + random_below(&random, POPS_MAX); left > 0; left--) {
            aw_qsbr_quiet(&bench->qsbr, bench->readers[self->which]);
            (void)do_pop(bench, track); /* empty is an answer too */
        }
        aw_qsbr_offline(bench->readers[self->which]);
        atomic_fetch_add(&bench->done, 1);
    }
}

/* One history: a few pushes alone, then all threads together, then the rest is popped alone. */
static void
run_history(struct bench *bench, struct random *random)
{
    struct track *track = &bench->tracks[POPPERS];
    uint32_t      shape = random_below(random, 4);

    bench->entries = 0;
    sparse_below = random_below(random, 3) * 5; /* so that ticks have both kinds of chunks */
    for (uint32_t i = 0; i <= POPPERS; i++)
        bench->tracks[i].count = 0;
    for (uint32_t left = random_below(random, PREFILL_MAX + 1); left > 0; left--)
        do_push(bench, track, some_tick(random, shape));
    atomic_store(&bench->done, 0);
    atomic_fetch_add(&bench->round, 1);
    for (uint32_t left = 1 + random_below(random, PUSHES_MAX); left > 0 && bench->entries < ENTRIES_MAX; left--) {
        if (random_below(random, 3) == 0)
            do_push_items(bench, track, random, shape);
        else
            do_push(bench, track, some_tick(random, shape));
        if (random_below(random, 4) == 0)
            (void)aw_calendar_clean(bench->pool, &bench->calendar, 1 + random_below(random, 4)); /* as far as it comes */
        if (random_below(random, 4) == 0)
            (void)aw_calendar_pool_reclaim(bench->pool, 100); /* as above */
        if (random_below(random, 3) == 0)
            (void)sched_yield(); /* never fails on Linux */
    }
    while (atomic_load(&bench->done) < POPPERS)
        (void)sched_yield(); /* never fails on Linux */
    /* At most one more than was pushed, even when the queue has gone wrong and repeats itself. */
    for (uint32_t left = bench->entries; left > 0 && do_pop(bench, track); left--)
        continue;
}

/* --- checking ------------------------------------------------------------------------------------------------------------- */

#define SEEN_SLOTS (1U << 14)

struct checker {
    struct op ops[OPS_MAX];
    uint32_t  count;
    uint64_t  seen[SEEN_SLOTS]; /* sets of operations from which no order was found; 0: free */
    uint32_t  seen_count;
};

static int
by_start(const void *a, const void *b)
{
    const struct op *left = a;
    const struct op *right = b;

    return (left->from > right->from) - (left->from < right->from);
}

static bool
seen_before(struct checker *checker, uint64_t set)
{
    uint64_t at = set * UINT64_C(0x9e3779b97f4a7c15) >> 50;

    for (; checker->seen[at] != 0; at = (at + 1) % SEEN_SLOTS)
        if (checker->seen[at] == set)
            return true;
    AW_ASSERT(++checker->seen_count < SEEN_SLOTS / 2);
    checker->seen[at] = set;
    return false;
}

/* What a plain queue would give after the operations of `set`. Pushes come from one thread, so their numbers are their order. */
static uint32_t
model_first(const struct checker *checker, uint64_t set)
{
    uint64_t best = UINT64_MAX;
    uint64_t gone = 0;

    for (uint32_t i = 0; i < checker->count; i++)
        if ((set >> i & 1) != 0 && !checker->ops[i].is_push && checker->ops[i].entry != NOTHING)
            gone |= UINT64_C(1) << checker->ops[i].entry;
    for (uint32_t i = 0; i < checker->count; i++) {
        const struct op *op = &checker->ops[i];

        if ((set >> i & 1) != 0 && op->is_push && (gone >> op->entry & 1) == 0) {
            uint64_t order = (uint64_t)op->tick << 32 | op->entry;

            best = order < best ? order : best;
        }
    }
    return best == UINT64_MAX ? NOTHING : (uint32_t)best;
}

/* Pushes of one tick take effect in the order of their numbers, also inside one call. */
static bool
may_push(const struct checker *checker, uint64_t set, const struct op *op)
{
    for (uint32_t i = 0; i < checker->count; i++)
        if ((set >> i & 1) == 0 && checker->ops[i].is_push && checker->ops[i].tick == op->tick &&
            checker->ops[i].entry < op->entry)
            return false;
    return true;
}

static bool
order_found(struct checker *checker, uint64_t set)
{
    uint64_t all = checker->count == 64 ? UINT64_MAX : (UINT64_C(1) << checker->count) - 1;
    uint64_t end = UINT64_MAX; /* the first return among those not yet in order: later calls must wait */
    uint32_t first = NOTHING;

    if (set == all)
        return true;
    if (set != 0 && seen_before(checker, set))
        return false;
    for (uint32_t i = 0; i < checker->count; i++)
        if ((set >> i & 1) == 0 && checker->ops[i].to < end)
            end = checker->ops[i].to;
    first = model_first(checker, set);
    for (uint32_t i = 0; i < checker->count && checker->ops[i].from <= end; i++)
        if ((set >> i & 1) == 0 &&
            (checker->ops[i].is_push ? may_push(checker, set, &checker->ops[i]) : checker->ops[i].entry == first) &&
            order_found(checker, set | UINT64_C(1) << i))
            return true;
    return false;
}

static bool
is_linearizable(struct checker *checker, const struct bench *bench)
{
    checker->count = 0;
    checker->seen_count = 0;
    memset(checker->seen, 0, sizeof(checker->seen));
    for (uint32_t i = 0; i <= POPPERS; i++)
        for (uint32_t at = 0; at < bench->tracks[i].count; at++) {
            AW_ASSERT(checker->count < OPS_MAX);
            checker->ops[checker->count++] = bench->tracks[i].ops[at];
        }
    qsort(checker->ops, checker->count, sizeof(checker->ops[0]), by_start);
    return order_found(checker, 0);
}

static void
print_history(const struct checker *checker)
{
    for (uint32_t i = 0; i < checker->count; i++) {
        const struct op *op = &checker->ops[i];

        printf("%8llu %8llu %s %d at %u\n", (unsigned long long)(op->from - checker->ops[0].from),
               (unsigned long long)(op->to - checker->ops[0].from), op->is_push ? "push" : "pop ", (int)op->entry, op->tick);
    }
}

/* --- running -------------------------------------------------------------------------------------------------------------- */

static void
bench_renew(struct bench *bench)
{
    aw_calendar_pool_free(&bench->pool);
    bench->calendar = (struct aw_calendar){._root = 0};
    assert_int_equal(aw_calendar_pool_new(&bench->pool, 64U << 20, &bench->qsbr), AW_OK);
}

/* How many of `count` histories no order explains; stops at `enough`. */
static uint32_t
count_bad(enum rule broken, uint64_t seed, uint32_t count, uint32_t enough)
{
    struct bench   *bench = aw_new(struct bench);
    struct checker *checker = aw_new(struct checker);
    struct popper   poppers[POPPERS];
    pthread_t       threads[POPPERS];
    struct random   random = random_of(seed);
    struct random   delays = random_of(seed + 1);
    uint32_t        bad = 0;
    uint32_t        done = 0;

    aw_qsbr_init(&bench->qsbr);
    bench->seed = seed;
    bench_renew(bench);
    without = broken;
    for (uint32_t i = 0; i < POPPERS; i++) {
        bench->readers[i] = aw_qsbr_join(&bench->qsbr);
        poppers[i] = (struct popper){bench, i};
        assert_int_equal(pthread_create(&threads[i], NULL, popper_main, &poppers[i]), 0);
    }
    chaos_random = &delays;
    for (; done < count && bad < enough; done++) {
        run_history(bench, &random);
        if (!is_linearizable(checker, bench)) {
            bad++;
            if (broken == NO_RULE)
                print_history(checker);
            bench_renew(bench); /* what is wrong now must not count again */
        }
    }
    chaos_random = NULL;
    atomic_store(&bench->stop, true);
    for (uint32_t i = 0; i < POPPERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    printf("%u of %u histories bad\n", bad, done);
    without = NO_RULE;
    aw_calendar_pool_free(&bench->pool);
    free(checker);
    free(bench);
    return bad;
}

/* The checker itself, on histories whose answer is known. */
static void
test_checker(void **state)
{
    struct checker *checker = aw_new(struct checker);
    const struct op good[] = {{1, 2, 0, 9, true}, {3, 6, 1, 5, true}, {4, 5, 0, 9, false}, {7, 8, 1, 5, false}};
    const struct op overtaken[] = {{1, 2, 0, 9, true}, {3, 4, 1, 5, true}, {5, 6, 0, 9, false}, {7, 8, 1, 5, false}};
    const struct op lost[] = {{1, 2, 0, 9, true}, {3, 4, NOTHING, 0, false}};
    const struct op twice[] = {{1, 2, 0, 9, true}, {3, 4, 0, 9, false}, {5, 6, 0, 9, false}};
    const struct op not_fifo[] = {{1, 2, 0, 9, true}, {3, 4, 1, 9, true}, {5, 8, 1, 9, false}, {7, 9, 0, 9, false}};
    const struct op unordered[] = {{1, 2, 0, 9, true}, {3, 4, 1, 9, true}, {5, 8, 0, 9, false}, {7, 9, 1, 9, false}};
    const struct {
        const struct op *ops;
        uint32_t         count;
        bool             fine;
    } cases[] = {{good, 4, true},   {overtaken, 4, false}, {lost, 2, false},
                 {twice, 3, false}, {not_fifo, 4, true},   {unordered, 4, true}};

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        memset(checker, 0, sizeof(*checker));
        memcpy(checker->ops, cases[i].ops, cases[i].count * sizeof(struct op));
        checker->count = cases[i].count;
        assert_int_equal(order_found(checker, 0), cases[i].fine);
    }
    free(checker);
}

static void
test_linearizable(void **state)
{
    (void)state;
    assert_int_equal(count_bad(NO_RULE, random_seed(1), random_times(40000), UINT32_MAX), 0);
}

/* A crash ends the child, instead of going on as a failed test in it. */
static void
child_is_silent(void)
{
    static const int signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
    int              null = open("/dev/null", O_WRONLY);

    (void)dup2(null, STDERR_FILENO); /* no harm if it stays loud */
    (void)dup2(null, STDOUT_FILENO);
    for (size_t i = 0; i < AW_ARRAY_LEN(signals); i++)
        AW_ASSERT(signal(signals[i], SIG_DFL) != SIG_ERR);
}

/* Each rule left out must show: by a bad history, or by a crash where memory is reused too early. In a child, for the crashes;
 * alarm ends one that hangs, which is noticed too. */
static void
test_broken(void **state)
{
    static const enum rule   rules[] = {RULE_1_READY, RULE_1_SEEK, RULE_2, RULE_3,        RULE_4,
                                        RULE_5,       RULE_6,      RULE_7, RULE_7_LOWEST, RULE_CAS};
    static const char *const names[] = {
        "1 (READY)", "1 (SEEK)", "2", "3", "4", "5", "6", "7 (cleaning)", "7 (lowest)", "that the cursor moves by exchange"};

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(rules); i++) {
        int   status = 0;
        pid_t child;

        printf("without rule %s: ", names[i]);
        (void)fflush(stdout); /* else the child prints it again */
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            child_is_silent();
            alarm(60);
            _exit(count_bad(rules[i], 3, 400000, 1) > 0 ? 1 : 0);
        }
        assert_true(waitpid(child, &status, 0) == child);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
        printf("noticed (%s)\n", WIFSIGNALED(status) ? "crash" : "bad history");
    }
}

/* Entries published by relaxed stores: this machine keeps their order all the same, and no history turns out bad. The thread
 * sanitizer goes by the rules of the language and must report that a popper reads what nothing orders behind the writer. */
static void
test_sanitizer_notices(void **state)
{
#ifdef WITH_TSAN
    int   status = 0;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        child_is_silent();
        alarm(60);
        exit(count_bad(RULE_4_RELAXED, 3, 2000, 1) > 0 ? 1 : 0); /* not _exit: the sanitizer changes the status at the end */
    }
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == TSAN_STATUS);
#else
    (void)state;
    skip();
#endif
}

/* --- store before load ---------------------------------------------------------------------------------------------------- */

/* The writer appends to an exhausted tick while a popper leaves it for EMPTY. Without the seq_cst store of rule 4 the entry
 * can sit in the writer's store buffer while both look elsewhere: nobody will ever find it. Only real hardware shows this, and
 * only now and then. */
struct race {
    struct bench    *bench;
    _Atomic uint32_t go;
    _Atomic uint32_t done;
    uint32_t         rounds;
    uint32_t         found; /* popper: how often it came after the push */
};

static void *
race_popper(void *arg)
{
    struct race *race = arg;

    for (uint32_t round = 1; round <= race->rounds; round++) {
        struct aw_calendar_head head;

        for (uint32_t spins = 0; atomic_load_explicit(&race->go, memory_order_acquire) != round; spins++)
            if (spins > 10000) /* the other core is somebody else's just now */
                (void)sched_yield();
        aw_qsbr_quiet(&race->bench->qsbr, race->bench->readers[0]);
        race->found += aw_calendar_peek(race->bench->pool, &race->bench->calendar, &head);
        atomic_store_explicit(&race->done, round, memory_order_release);
    }
    return NULL;
}

static uint32_t
count_lost(enum rule broken, uint32_t rounds)
{
    struct race   race = {.bench = aw_new(struct bench), .rounds = rounds};
    struct bench *bench = race.bench;
    struct random random = random_of(5);
    pthread_t     thread;
    uint32_t      lost = 0;

    aw_qsbr_init(&bench->qsbr);
    bench->readers[0] = aw_qsbr_join(&bench->qsbr);
    bench_renew(bench);
    without = broken;
    assert_int_equal(pthread_create(&thread, NULL, race_popper, &race), 0);
    for (uint32_t round = 1; round <= rounds; round++) {
        struct aw_calendar_head head;
        uint64_t                entry = round;

        atomic_store_explicit(&race.go, round, memory_order_release);
        /* The popper sees this a little later: so much is guessed. */
        for (volatile uint32_t spin = random_below(&random, 256); spin > 0;)
            spin = spin - 1;
        assert_int_equal(aw_calendar_push(bench->pool, &bench->calendar, 7, &entry, 1), AW_OK);
        for (uint32_t spins = 0; atomic_load_explicit(&race.done, memory_order_acquire) != round; spins++)
            if (spins > 10000)
                (void)sched_yield();
        if (!aw_calendar_peek(bench->pool, &bench->calendar, &head)) {
            lost++;
            bench->calendar = (struct aw_calendar){._version = round}; /* the popper is between rounds */
        } else {
            assert_true(aw_calendar_try_pop(&bench->calendar, &head));
        }
        if (round % 64 == 0)
            (void)(aw_calendar_clean(bench->pool, &bench->calendar, SIZE_MAX) + aw_calendar_pool_reclaim(bench->pool, SIZE_MAX));
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    without = NO_RULE;
    aw_calendar_pool_free(&bench->pool);
    free(bench);
    printf("%u of %u entries lost; seen at once %u\n", lost, rounds, race.found);
    return lost;
}

static void
test_lost_entry(void **state)
{
    (void)state;
    assert_int_equal(count_lost(NO_RULE, random_times(1000000)), 0);
    /* For the eye only: whether this machine shows it is up to chance and to its load. */
    printf("without rule 4: ");
    (void)count_lost(RULE_4_RELEASE, random_times(100000));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checker),           cmocka_unit_test(test_linearizable), cmocka_unit_test(test_broken),
        cmocka_unit_test(test_sanitizer_notices), cmocka_unit_test(test_lost_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
