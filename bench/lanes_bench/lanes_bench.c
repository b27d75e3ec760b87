/* lanes_bench - the calendars beside heaps under a mutex, in one run: throughput, latency of pops beside a busy writer, time to
 * load, bytes an entry; each with the floor and the aim that it has. And what the choice of a pull takes over many lanes.
 *
 * What is compared takes turns inside a repetition, and a ratio is taken inside a repetition; printed are the smallest, the median
 * and the largest ratio. Keys: `sla`, five moving deadlines (10 min to 24 h ahead of a clock that moves one tick for ten
 * entries); `one`, the same with one entry a tick; `uni`, nine of ten anywhere in the far half of 19 days, the rest urgent.
 * `mix`: one thread, 16 pushes and 16 pops in turn, by its processor time. `1+1`: a pusher and a popper. `drain`: two poppers.
 * Pushes come in groups of 16, as a commit hands them over; a heap takes its mutex for each operation, or, where it says `group`,
 * once a group. Last comes a table of all goals with what this run reached, as ADR 0004 has it. */
#include "commit/calendar.h"
#include "commit/choice.h"
#include "commit/lanes.h"

#include "base/mem.h"

#include "tests/support/heap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define REPETITIONS_MAX 15
#define GROUP           16
#define RANGE           (1U << 24) /* ticks of `uni` */
#define GIB             (UINT64_C(1) << 30)

enum keys { KEYS_SLA, KEYS_ONE, KEYS_UNI };

struct source {
    enum keys keys;
    uint64_t  random;
    uint64_t  number;
};

static uint32_t
random_below(uint64_t *state, uint32_t end)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 32) * end >> 32);
}

static uint32_t
next_tick(struct source *source)
{
    static const uint32_t ahead[5] = {6000, 12000, 36000, 144000, 864000};
    uint32_t              dice = random_below(&source->random, 100);
    uint64_t              number = source->number++;
    uint32_t              class_ = dice < 3 ? 0 : dice < 10 ? 1 : dice < 40 ? 2 : dice < 80 ? 3 : 4;

    switch (source->keys) {
    case KEYS_SLA:
        return (uint32_t)(number / 10) + ahead[class_];
    case KEYS_ONE:
        return (uint32_t)number + ahead[class_];
    case KEYS_UNI:
        return dice < 10 ? random_below(&source->random, 1000) : RANGE / 2 + random_below(&source->random, RANGE / 2);
    }
    AW_UNREACHABLE();
}

static uint64_t
now_ns(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at); /* can't fail for this clock */
    return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

/* Of this thread: with one thread nobody else has to get on, so that what others do on the machine need not count. */
static uint64_t
cpu_ns(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at); /* can't fail for this clock */
    return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

/* --- goals ---------------------------------------------------------------------------------------------------------------- */

enum goal_name {
    GOAL_ONE_ONE_10M,
    GOAL_ONE_ONE_1M,
    GOAL_MIX_10M,
    GOAL_MIX_1M,
    GOAL_UNIFORM_10M,
    GOAL_UNIFORM_1M,
    GOAL_DRAIN_10M,
    GOAL_DRAIN_1M,
    GOAL_BURSTS,
    GOAL_FLAT_OUT,
    GOAL_PEEK,
    GOAL_LOAD_ONE,
    GOAL_LOAD_ONE_SHUFFLED,
    GOAL_LOAD_MANY,
    GOAL_LOAD_MANY_SHUFFLED,
    GOAL_BYTES_ONE,
    GOAL_BYTES_ONE_SHUFFLED,
    GOAL_BYTES_MANY,
    GOAL_BYTES_MANY_SHUFFLED,
    GOAL_NONE
};

#define LARGE 10U /* times as many entries, where it says 10 M */

struct goal {
    const char *what;
    const char *unit;
    double      floor;
    double      aim; /* below the floor where less is better */
    double      values[REPETITIONS_MAX];
    int         count;
};
/* Ratios are to the binary heap. */
static struct goal goals[GOAL_NONE] = {
    [GOAL_ONE_ONE_10M] = {.what = "1 pusher + 1 popper, five deadlines, 10 M", .unit = "x", .floor = 3, .aim = 4.5},
    [GOAL_ONE_ONE_1M] = {.what = "the same, 1 M", .unit = "x", .floor = 1.4, .aim = 2},
    [GOAL_MIX_10M] = {.what = "one-thread mix, 10 M", .unit = "x", .floor = 2.5, .aim = 3.5},
    [GOAL_MIX_1M] = {.what = "the same, 1 M", .unit = "x", .floor = 0.7, .aim = 1},
    [GOAL_UNIFORM_10M] = {.what = "uniform keys 1+1, 10 M", .unit = "x", .floor = 1.6, .aim = 2.2},
    [GOAL_UNIFORM_1M] = {.what = "the same, 1 M", .unit = "x", .floor = 0.8, .aim = 1.2},
    [GOAL_DRAIN_10M] = {.what = "two-popper drain, one entry a tick, 10 M", .unit = "x", .floor = 2.5, .aim = 8},
    [GOAL_DRAIN_1M] = {.what = "the same, 1 M", .unit = "x", .floor = 0.8, .aim = 2},
    [GOAL_BURSTS] = {.what = "pop p99.9, bursts of 256 at 0.3 M/s (heap / ours)", .unit = "x", .floor = 8, .aim = 20},
    [GOAL_FLAT_OUT] = {.what = "pop p99.9, writer flat out (heap / ours)", .unit = "x", .floor = 100, .aim = 300},
    [GOAL_PEEK] = {.what = "peek, warm", .unit = " ns", .floor = 10, .aim = 4},
    [GOAL_LOAD_ONE] = {.what = "10 M into one lane, in order", .unit = " s", .floor = 1, .aim = 0.5},
    [GOAL_LOAD_ONE_SHUFFLED] = {.what = "the same, shuffled", .unit = " s", .floor = 1, .aim = 0.5},
    [GOAL_LOAD_MANY] = {.what = "10 M into 2,000 lanes (zipf), in order", .unit = " s", .floor = 4, .aim = 2},
    [GOAL_LOAD_MANY_SHUFFLED] = {.what = "the same, shuffled", .unit = " s", .floor = 4, .aim = 2},
    [GOAL_BYTES_ONE] = {.what = "bytes an entry, 10 M, one lane, in order", .unit = "", .floor = 20, .aim = 14},
    [GOAL_BYTES_ONE_SHUFFLED] = {.what = "the same, shuffled", .unit = "", .floor = 20, .aim = 14},
    [GOAL_BYTES_MANY] = {.what = "bytes an entry, 10 M, 2,000 lanes, in order", .unit = "", .floor = 32, .aim = 24},
    [GOAL_BYTES_MANY_SHUFFLED] = {.what = "the same, shuffled", .unit = "", .floor = 32, .aim = 24},
};

static void
goal_note(enum goal_name name, double value)
{
    if (name != GOAL_NONE && goals[name].count < REPETITIONS_MAX)
        goals[name].values[goals[name].count++] = value;
}

static int
by_value(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;

    return (*left > *right) - (*left < *right);
}

/* Whether the median is as good as `bound`. */
static bool
goal_reaches(const struct goal *goal, double bound)
{
    double median = goal->values[goal->count / 2];

    return goal->aim < goal->floor ? median <= bound : median >= bound;
}

static void
print_value(double value)
{
    printf(value < 100 ? "%.3g" : "%.0f", value);
}

/* What was not measured in this run has no row. */
static void
print_goals(uint64_t entries)
{
    printf("\n%s| what | floor | aim | min/median/max | the median reaches |\n| --- | --- | --- | --- | --- |\n",
           entries == 1000000 ? "" : "Not with 1 M and 10 M entries, which the goals are for.\n\n");
    for (size_t i = 0; i < AW_ARRAY_LEN(goals); i++) {
        struct goal *goal = &goals[i];

        if (goal->count == 0)
            continue;
        qsort(goal->values, (size_t)goal->count, sizeof(double), by_value);
        printf("| %s | %.4g%s | %.4g%s | ", goal->what, goal->floor, goal->unit, goal->aim, goal->unit);
        print_value(goal->values[0]);
        for (int of = 2; of > 0 && goal->count > 1; of--) {
            printf("/");
            print_value(goal->values[of == 2 ? goal->count / 2 : goal->count - 1]);
        }
        printf("%s | %s |\n", goal->unit,
               goal_reaches(goal, goal->aim)     ? "aim"
               : goal_reaches(goal, goal->floor) ? "floor"
                                                 : "neither");
    }
    printf("| freezes that block others | 0 of 2,000 | | AW_TEST_TIMES=1000 calendar_freeze_test | |\n"
           "| histories, small chunks | 1 M, 0 bad | 10 M | AW_TEST_TIMES=2500 calendar_history_test | |\n");
}

/* --- the queues ----------------------------------------------------------------------------------------------------------- */

enum kind { HEAP2, HEAP4, HEAP2_GROUP, CALENDAR, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = {"binary", "4-ary", "binary, group", "calendar"};

struct queue {
    enum kind                kind;
    struct heap              heap;
    pthread_mutex_t          mutex;
    struct aw_qsbr           qsbr;
    struct aw_calendar       calendar;
    struct aw_calendar_pool *pool;
    uint64_t                 groups;
};

static struct queue *
queue_new(enum kind kind)
{
    struct queue *queue = aw_new(struct queue);

    AW_ASSERT(queue != NULL);
    queue->kind = kind;
    AW_ASSERT(pthread_mutex_init(&queue->mutex, NULL) == 0);
    aw_qsbr_init(&queue->qsbr);
    if (aw_calendar_pool_new(&queue->pool, 4 * GIB, &queue->qsbr) != AW_OK)
        abort();
    return queue;
}

static void
queue_free(struct queue *queue)
{
    heap_fini(&queue->heap);
    aw_calendar_pool_free(&queue->pool);
    free(queue);
}

/* The writer's upkeep, as the committer does it between batches. */
static void
queue_keep(struct queue *queue)
{
    (void)aw_calendar_clean(queue->pool, &queue->calendar, 2048); /* how much does not matter */
    (void)aw_calendar_pool_reclaim(queue->pool, 4096);            /* as above */
}

/* The functions of a plain mutex of our own can't fail. */
static void
heap_push_group(struct queue *queue, const struct aw_calendar_item *items, size_t count)
{
    if (queue->kind == HEAP2_GROUP)
        (void)pthread_mutex_lock(&queue->mutex);
    for (size_t i = 0; i < count; i++) {
        if (queue->kind == HEAP2_GROUP) {
            heap_push(&queue->heap, items[i].tick, items[i].entry);
            continue;
        }
        (void)pthread_mutex_lock(&queue->mutex);
        if (queue->kind == HEAP4)
            heap4_push(&queue->heap, items[i].tick, items[i].entry);
        else
            heap_push(&queue->heap, items[i].tick, items[i].entry);
        (void)pthread_mutex_unlock(&queue->mutex);
    }
    if (queue->kind == HEAP2_GROUP)
        (void)pthread_mutex_unlock(&queue->mutex);
}

static void
push_group(struct queue *queue, struct source *source, size_t count)
{
    struct aw_calendar_item items[GROUP];

    for (size_t i = 0; i < count; i++)
        items[i] = (struct aw_calendar_item){.calendar = &queue->calendar, .tick = next_tick(source), .entry = source->number};
    if (queue->kind != CALENDAR) {
        heap_push_group(queue, items, count);
        return;
    }
    if (aw_calendar_push_items(queue->pool, items, count) != AW_OK)
        abort();
    if (++queue->groups % 64 == 0)
        queue_keep(queue);
}

static void
fill(struct queue *queue, struct source *source, uint64_t entries)
{
    for (; entries > 0; entries -= entries < GROUP ? entries : GROUP)
        push_group(queue, source, entries < GROUP ? entries : GROUP);
}

static bool
queue_pop(struct queue *queue, uint64_t *ret_entry)
{
    struct aw_calendar_head head;
    uint32_t                tick;
    bool                    found;

    if (queue->kind != CALENDAR) {
        (void)pthread_mutex_lock(&queue->mutex);
        found = queue->kind == HEAP4 ? heap4_pop(&queue->heap, &tick, ret_entry) : heap_pop(&queue->heap, &tick, ret_entry);
        (void)pthread_mutex_unlock(&queue->mutex);
        return found;
    }
    while (aw_calendar_peek(queue->pool, &queue->calendar, &head))
        if (aw_calendar_try_pop(&queue->calendar, &head)) {
            *ret_entry = head.entry;
            return true;
        }
    return false;
}

/* --- throughput ----------------------------------------------------------------------------------------------------------- */

struct popper {
    struct queue          *queue;
    struct aw_qsbr_reader *reader;
    _Atomic bool          *stop;
    pthread_t              thread;
    uint64_t               pops_max;
    uint64_t               pops;
    uint64_t               checksum;
};

static void *
popper_main(void *arg)
{
    struct popper *self = arg;
    uint64_t       entry = 0;

    while (!atomic_load_explicit(self->stop, memory_order_relaxed) && self->pops < self->pops_max) {
        aw_qsbr_quiet(&self->queue->qsbr, self->reader);
        for (int i = 0; i < GROUP; i++)
            if (queue_pop(self->queue, &entry)) {
                self->pops++;
                self->checksum ^= entry;
            }
    }
    aw_qsbr_offline(self->reader);
    return NULL;
}

enum workload { MIX, ONE_ONE, DRAIN };

static uint64_t
mix(struct queue *queue, struct source *source, uint64_t entries)
{
    uint64_t entry = 0;
    uint64_t operations = 0;

    for (; operations < entries; operations += (uint64_t)2 * GROUP) {
        push_group(queue, source, GROUP);
        for (int i = 0; i < GROUP; i++)
            AW_ASSERT(queue_pop(queue, &entry));
    }
    return operations;
}

/* Operations a second. */
static double
run_workload(enum workload workload, enum keys keys, enum kind kind, uint64_t entries)
{
    struct queue *queue = queue_new(kind);
    struct source source = {.keys = keys, .random = 88172645463325252U};
    _Atomic bool  stop = false;
    struct popper poppers[2] = {{.queue = queue, .stop = &stop}, {.queue = queue, .stop = &stop}};
    int           threads = workload == DRAIN ? 2 : workload == ONE_ONE ? 1 : 0;
    uint64_t      operations = 0;
    uint64_t      start;
    uint64_t      spent;

    fill(queue, &source, entries);
    start = workload == MIX ? cpu_ns() : now_ns();
    for (int i = 0; i < threads; i++) {
        poppers[i].reader = aw_qsbr_join(&queue->qsbr);
        poppers[i].pops_max = workload == ONE_ONE ? entries / 2 : UINT64_MAX;
        AW_ASSERT(pthread_create(&poppers[i].thread, NULL, popper_main, &poppers[i]) == 0);
    }
    switch (workload) {
    case MIX:
        operations = mix(queue, &source, entries);
        break;
    case ONE_ONE:
        fill(queue, &source, entries / 2);
        operations = entries / 2;
        (void)pthread_join(poppers[0].thread, NULL); /* ours, and it ends when as many were popped */
        threads = 0;
        operations += poppers[0].pops;
        break;
    case DRAIN:
        (void)nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL); /* shorter is fine */
        break;
    }
    atomic_store(&stop, true);
    spent = (workload == MIX ? cpu_ns() : now_ns()) - start;
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(poppers[i].thread, NULL); /* ours, and it ends */
        operations += poppers[i].pops;
    }
    queue_free(queue);
    return (double)operations * 1e9 / (double)spent;
}

struct row {
    const char    *name;
    enum workload  workload;
    enum keys      keys;
    bool           large; /* LARGE times as many entries */
    enum goal_name goal;
};
static const struct row rows[] = {
    {"1+1 sla", ONE_ONE, KEYS_SLA, true, GOAL_ONE_ONE_10M}, {"1+1 sla", ONE_ONE, KEYS_SLA, false, GOAL_ONE_ONE_1M},
    {"mix sla", MIX, KEYS_SLA, true, GOAL_MIX_10M},         {"mix sla", MIX, KEYS_SLA, false, GOAL_MIX_1M},
    {"1+1 uni", ONE_ONE, KEYS_UNI, true, GOAL_UNIFORM_10M}, {"1+1 uni", ONE_ONE, KEYS_UNI, false, GOAL_UNIFORM_1M},
    {"drain one", DRAIN, KEYS_ONE, true, GOAL_DRAIN_10M},   {"drain one", DRAIN, KEYS_ONE, false, GOAL_DRAIN_1M},
    {"1+1 one", ONE_ONE, KEYS_ONE, false, GOAL_NONE},       {"mix one", MIX, KEYS_ONE, false, GOAL_NONE},
    {"mix uni", MIX, KEYS_UNI, false, GOAL_NONE},           {"drain sla", DRAIN, KEYS_SLA, false, GOAL_NONE},
};

static void
print_range(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), by_value);
    printf("  %5.2f %5.2f %5.2f", values[0], values[count / 2], values[count - 1]);
}

static void
print_goal(enum goal_name name)
{
    if (name != GOAL_NONE)
        printf("  %5.1f %5.1f", goals[name].floor, goals[name].aim);
    else
        printf("  %5s %5s", "-", "-");
}

static void
compare_row(const struct row *row, uint64_t entries, int repetitions)
{
    double rates[KIND_COUNT][REPETITIONS_MAX];
    double ratios[KIND_COUNT][REPETITIONS_MAX];

    for (int i = 0; i < repetitions; i++) {
        for (int kind = 0; kind < KIND_COUNT; kind++)
            rates[kind][i] = run_workload(row->workload, row->keys, (enum kind)kind, entries);
        for (int kind = 0; kind < CALENDAR; kind++)
            ratios[kind][i] = rates[CALENDAR][i] / rates[kind][i];
        goal_note(row->goal, ratios[HEAP2][i]);
    }
    printf("%-10s %9llu", row->name, (unsigned long long)entries);
    print_goal(row->goal);
    for (int kind = 0; kind < CALENDAR; kind++)
        print_range(ratios[kind], repetitions);
    qsort(rates[CALENDAR], (size_t)repetitions, sizeof(double), by_value);
    printf("  %6.1f\n", rates[CALENDAR][repetitions / 2] / 1e6);
    (void)fflush(stdout); /* for the eye */
}

static void
compare_throughput(const char *only, uint64_t entries, int repetitions)
{
    printf("\noperations a second as a ratio to a heap under a mutex, min med max\n");
    printf("%-10s %9s  %5s %5s", "load", "entries", "floor", "aim");
    for (int kind = 0; kind < CALENDAR; kind++)
        printf("  %17s", kind_names[kind]);
    printf("  M op/s\n");
    for (size_t i = 0; i < AW_ARRAY_LEN(rows); i++)
        if (only == NULL || strcmp(only, rows[i].name) == 0)
            compare_row(&rows[i], rows[i].large ? entries * LARGE : entries, repetitions);
}

/* --- latency of pops beside a writer -------------------------------------------------------------------------------------- */

#define SAMPLERS    3
#define SAMPLES_MAX 400000U

struct sampler {
    struct queue          *queue;
    struct aw_qsbr_reader *reader;
    _Atomic bool          *stop;
    pthread_t              thread;
    uint32_t              *ns; /* borrows; SAMPLES_MAX of them */
    uint32_t               count;
};

/* Eight pops, then a sleep, as an event loop has it. Pops come right after a sleep, so that the scheduler rarely takes the
 * processor away inside one: what is seen is the queue. */
static void *
sampler_main(void *arg)
{
    struct sampler *self = arg;
    uint64_t        entry = 0;

    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* longer naps do no harm */
    while (!atomic_load_explicit(self->stop, memory_order_relaxed) && self->count + 8 <= SAMPLES_MAX) {
        aw_qsbr_quiet(&self->queue->qsbr, self->reader);
        for (int i = 0; i < 8; i++) {
            uint64_t start = now_ns();

            (void)(queue_pop(self->queue, &entry) ? 1 : 0); /* empty takes its time too */
            self->ns[self->count++] = (uint32_t)(now_ns() - start);
        }
        aw_qsbr_offline(self->reader);
        (void)nanosleep(&(struct timespec){.tv_nsec = 40000}, NULL); /* shorter is fine */
    }
    return NULL;
}

static int
by_ns(const void *a, const void *b)
{
    const uint32_t *left = a;
    const uint32_t *right = b;

    return (*left > *right) - (*left < *right);
}

/* Two seconds of pushes in bursts of 256 at 0.3 M/s, or flat out. */
static void
push_for_a_while(struct queue *queue, struct source *source, bool in_bursts)
{
    uint64_t start = now_ns();

    for (uint64_t pushed = 0; now_ns() - start < 2000000000; pushed += 256) {
        while (in_bursts && (now_ns() - start) * 3 / 10000 < pushed)
            continue;
        fill(queue, source, 256);
    }
}

enum { P50, P99, P999, P9999, POINT_COUNT };

static void
measure_latency(enum kind kind, bool in_bursts, uint64_t entries, double *ret_points)
{
    static uint32_t samples[SAMPLERS * SAMPLES_MAX];
    struct queue   *queue = queue_new(kind);
    struct source   source = {.keys = KEYS_SLA, .random = 88172645463325252U};
    _Atomic bool    stop = false;
    struct sampler  samplers[SAMPLERS];
    uint64_t        count = 0;

    /* Room ahead: that a heap moves when it grows is not what is compared. */
    queue->heap.room = kind == CALENDAR ? 0 : 1U << 27;
    queue->heap.entries = kind == CALENDAR ? NULL : malloc(queue->heap.room * sizeof(*queue->heap.entries));
    AW_ASSERT(kind == CALENDAR || queue->heap.entries != NULL);
    fill(queue, &source, entries);
    for (int i = 0; i < SAMPLERS; i++) {
        samplers[i] = (struct sampler){.queue = queue, .stop = &stop, .ns = samples + (size_t)i * SAMPLES_MAX};
        samplers[i].reader = aw_qsbr_join(&queue->qsbr);
        AW_ASSERT(pthread_create(&samplers[i].thread, NULL, sampler_main, &samplers[i]) == 0);
    }
    push_for_a_while(queue, &source, in_bursts);
    atomic_store(&stop, true);
    for (int i = 0; i < SAMPLERS; i++) {
        (void)pthread_join(samplers[i].thread, NULL); /* ours, and it ends */
        memmove(samples + count, samplers[i].ns, samplers[i].count * sizeof(samples[0]));
        count += samplers[i].count;
    }
    qsort(samples, count, sizeof(samples[0]), by_ns);
    for (int point = 0; point < POINT_COUNT; point++) {
        static const uint64_t shares[POINT_COUNT] = {5000, 9900, 9990, 9999};
        uint64_t              at = count * shares[point] / 10000;

        ret_points[point] = samples[at];
    }
    queue_free(queue);
}

static void
compare_latency(uint64_t entries, int repetitions)
{
    for (int bursts = 1; bursts >= 0; bursts--) {
        enum goal_name goal = bursts != 0 ? GOAL_BURSTS : GOAL_FLAT_OUT;
        double         points[KIND_COUNT][POINT_COUNT][REPETITIONS_MAX];
        double         ratios[KIND_COUNT][REPETITIONS_MAX];

        for (int i = 0; i < repetitions; i++) {
            for (int kind = 0; kind < KIND_COUNT; kind++) {
                double now[POINT_COUNT];

                measure_latency((enum kind)kind, bursts != 0, entries, now);
                for (int point = 0; point < POINT_COUNT; point++)
                    points[kind][point][i] = now[point];
            }
            for (int kind = 0; kind < KIND_COUNT; kind++)
                ratios[kind][i] = points[kind][P999][i] / points[CALENDAR][P999][i];
            goal_note(goal, ratios[HEAP2][i]);
        }
        printf("\npops of three poppers beside a writer %s, medians in ns; p99.9 as a ratio to the calendar's, min med max"
               " (floor %.0f, aim %.0f)\n%-14s %8s %8s %8s %9s\n",
               bursts != 0 ? "in bursts of 256 at 0.3 M/s" : "flat out", goals[goal].floor, goals[goal].aim, "queue", "p50",
               "p99", "p99.9", "p99.99");
        for (int kind = 0; kind < KIND_COUNT; kind++) {
            printf("%-14s", kind_names[kind]);
            for (int point = 0; point < POINT_COUNT; point++) {
                qsort(points[kind][point], (size_t)repetitions, sizeof(double), by_value);
                printf(" %8.0f", points[kind][point][repetitions / 2]);
            }
            print_range(ratios[kind], repetitions);
            printf("\n");
        }
        (void)fflush(stdout); /* for the eye */
    }
}

/* --- single operations ---------------------------------------------------------------------------------------------------- */

static void
measure_operations(uint64_t entries)
{
    static const char *const names[] = {"sla", "one", "uni"};

    printf("\none thread, %llu entries\n%-4s %9s %9s %9s %9s %12s\n", (unsigned long long)entries, "keys", "push ns", "pop ns",
           "peek ns", "clean ns", "bytes/entry");
    for (int keys = KEYS_SLA; keys <= KEYS_UNI; keys++) {
        struct queue           *queue = queue_new(CALENDAR);
        struct source           source = {.keys = (enum keys)keys, .random = 88172645463325252U};
        struct aw_calendar_head head;
        uint64_t                entry = 0;
        uint64_t                peeks = 0;
        uint64_t                at[5];
        size_t                  bytes;

        at[0] = now_ns();
        fill(queue, &source, entries);
        at[1] = now_ns();
        bytes = aw_calendar_pool_bytes(queue->pool);
        for (uint64_t i = 0; i < entries; i++)
            peeks += aw_calendar_peek(queue->pool, &queue->calendar, &head);
        AW_ASSERT(peeks == entries);
        at[2] = now_ns();
        while (queue_pop(queue, &entry))
            continue;
        at[3] = now_ns();
        (void)aw_calendar_clean(queue->pool, &queue->calendar, SIZE_MAX); /* all of it */
        while (aw_calendar_pool_bytes(queue->pool) > 0)
            (void)aw_calendar_pool_reclaim(queue->pool, 4096);
        at[4] = now_ns();
        goal_note(GOAL_PEEK, (double)(at[2] - at[1]) / (double)entries);
        printf("%-4s %9.1f %9.1f %9.1f %9.1f %12.1f\n", names[keys], (double)(at[1] - at[0]) / (double)entries,
               (double)(at[3] - at[2]) / (double)entries, (double)(at[2] - at[1]) / (double)entries,
               (double)(at[4] - at[3]) / (double)entries, (double)bytes / (double)entries);
        queue_free(queue);
    }
}

/* --- loading -------------------------------------------------------------------------------------------------------------- */

/* A lane as often as its number is small, roughly as 1/n. */
static uint32_t
zipf_lane(uint64_t *random, uint32_t lanes)
{
    uint32_t span = 1;

    while (span < lanes && random_below(random, 11) != 0)
        span *= 2;
    return random_below(random, span < lanes ? span : lanes);
}

static void
measure_load(uint64_t entries, uint32_t lane_count, bool in_order, enum goal_name seconds, enum goal_name bytes)
{
    struct aw_lanes_config config = {.lanes_max = lane_count, .tickets_max = (uint32_t)entries, .base = 1, .bytes_max = 4 * GIB};
    struct aw_qsbr        *qsbr = aw_new(struct aw_qsbr);
    struct aw_lanes       *lanes = NULL;
    struct aw_lanes_load  *load = NULL;
    uint64_t               random = 88172645463325252U;
    uint64_t               start;
    uint64_t               spent;

    AW_ASSERT(qsbr != NULL);
    aw_qsbr_init(qsbr);
    if (aw_lanes_new(&lanes, &config, qsbr) != AW_OK || aw_lanes_load_new(&load, lanes, 1U << 20) != AW_OK)
        abort();
    start = now_ns();
    for (uint32_t slot = 0; slot < entries; slot++) {
        uint32_t lane = lane_count == 1 ? 0 : zipf_lane(&random, lane_count);
        aw_ms    key = in_order ? (aw_ms)slot * 10 : (aw_ms)random_below(&random, (uint32_t)entries) * 10;

        aw_lanes_show(lanes, slot, 1, key);
        if (aw_lanes_load_add(load, lane, AW_CLASS_GENERAL, key, slot, 1) != AW_OK)
            abort();
    }
    if (aw_lanes_load_finish(load) != AW_OK)
        abort();
    spent = now_ns() - start;
    goal_note(seconds, (double)spent / 1e9);
    goal_note(bytes, (double)aw_lanes_queue_bytes(lanes) / (double)entries);
    printf("%9llu entries, %4u lane(s), %-9s %6.2f s (floor %.0f, aim %.1f); %5.1f bytes/entry (floor %.0f, aim %.0f)\n",
           (unsigned long long)entries, lane_count, in_order ? "in order" : "shuffled", (double)spent / 1e9, goals[seconds].floor,
           goals[seconds].aim, (double)aw_lanes_queue_bytes(lanes) / (double)entries, goals[bytes].floor, goals[bytes].aim);
    (void)fflush(stdout); /* for the eye */
    aw_lanes_load_free(&load);
    aw_lanes_free(&lanes);
    free(qsbr);
}

static void
measure_loads(uint64_t entries)
{
    printf("\nloading; bytes without the tables by ticket; floor and aim are those of 10 M entries\n");
    measure_load(entries, 1, true, GOAL_LOAD_ONE, GOAL_BYTES_ONE);
    measure_load(entries, 1, false, GOAL_LOAD_ONE_SHUFFLED, GOAL_BYTES_ONE_SHUFFLED);
    measure_load(entries, 2000, true, GOAL_LOAD_MANY, GOAL_BYTES_MANY);
    measure_load(entries, 2000, false, GOAL_LOAD_MANY_SHUFFLED, GOAL_BYTES_MANY_SHUFFLED);
}

/* --- the choice of a pull --------------------------------------------------------------------------------------------------- */

#define CHOICE_PER_LANE 200U
#define CHOICE_TIMES    100000U

static struct aw_lanes *
choice_lanes(struct aw_qsbr *qsbr, uint32_t lane_count, uint32_t shelves)
{
    uint32_t               tickets = lane_count * CHOICE_PER_LANE;
    struct aw_lanes_config config = {.lanes_max = 4096, .tickets_max = tickets, .base = 1, .bytes_max = GIB};
    struct aw_lanes       *lanes = NULL;
    uint64_t               random = 88172645463325252U;

    if (aw_lanes_new(&lanes, &config, qsbr) != AW_OK)
        abort();
    for (uint32_t slot = 0; slot < tickets; slot++) {
        enum aw_class class_ =
            (enum aw_class)(1 + random_below(&random, AW_CLASS_COUNT - 1)); /* care would end each comparison */
        aw_ms key = 1000000 + (aw_ms)random_below(&random, 36000000);

        aw_lanes_show_shelf(lanes, slot, random_below(&random, shelves));
        aw_lanes_show(lanes, slot, 1, key);
        if (aw_lanes_push(lanes, slot % lane_count, class_, key, slot, 1) != AW_OK)
            abort();
    }
    return lanes;
}

static double
choice_ns(const struct aw_choice_of *of)
{
    struct aw_choice choice;
    uint64_t         start = now_ns();
    uint32_t         found = 0;

    for (uint32_t i = 0; i < CHOICE_TIMES / of->lane_count; i++)
        found += aw_choice_find(of, 40000000, &choice);
    AW_ASSERT(found == CHOICE_TIMES / of->lane_count);
    return (double)(now_ns() - start) / found;
}

static void
measure_choices(void)
{
    static const uint32_t    lane_counts[] = {1, 40, 1000};
    static const uint32_t    shelves[] = {1, 2, 7, 16};
    struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;
    uint32_t                 list[1000];

    printf("\nchoice of a pull, us; %u tickets a lane in 4 classes\n%5s %8s %10s %14s\n", CHOICE_PER_LANE, "lanes", "shelves",
           "all", "all but one");
    for (uint32_t i = 0; i < AW_ARRAY_LEN(list); i++)
        list[i] = i;
    for (size_t i = 0; i < AW_ARRAY_LEN(lane_counts); i++) {
        for (size_t j = 0; j < AW_ARRAY_LEN(shelves); j++) {
            struct aw_qsbr     *qsbr = aw_new(struct aw_qsbr);
            struct aw_choice_of of = {.lane_list = list, .lane_count = lane_counts[i], .order = &order};
            double              all;

            AW_ASSERT(qsbr != NULL);
            aw_qsbr_init(qsbr);
            of.lanes = choice_lanes(qsbr, lane_counts[i], shelves[j]);
            all = choice_ns(&of);
            of.full = 1U << 1; /* of no use to anybody where there is one */
            printf("%5u %8u %10.2f %14.2f\n", lane_counts[i], shelves[j], all / 1e3, choice_ns(&of) / 1e3);
            aw_lanes_free(&of.lanes);
            free(qsbr);
        }
    }
}

int
main(int argc, char **argv)
{
    uint64_t    entries = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    int         repetitions = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 5;
    const char *only = argc > 3 ? argv[3] : NULL;

    if (entries < 1000 || entries > 20000000 || repetitions < 1 || repetitions > REPETITIONS_MAX) {
        (void)fprintf(stderr,
                      "usage: lanes_bench [entries, default 1000000] [repetitions, default 5, at most %d] [part]\n"
                      "  Where a row says so there are ten times as many entries.\n"
                      "  part: operations, load, choice, latency, or the name of a row, such as \"1+1 sla\"\n",
                      REPETITIONS_MAX);
        return 2;
    }
    if (only == NULL || strcmp(only, "operations") == 0) {
        measure_operations(entries);
        measure_operations(entries * LARGE);
    }
    if (only == NULL || strcmp(only, "load") == 0)
        measure_loads(entries * LARGE);
    if (only == NULL || strcmp(only, "choice") == 0)
        measure_choices();
    if (only == NULL || strcmp(only, "latency") == 0)
        compare_latency(entries, repetitions);
    compare_throughput(only, entries, repetitions);
    print_goals(entries);
    return 0;
}
