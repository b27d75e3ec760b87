/* lanes_bench - the calendars beside a binary heap under a mutex, in one run: throughput, latency of pops beside a busy
 * writer, time to load, bytes an entry. Each figure is the median of interleaved repetitions; a ratio is taken inside a
 * repetition.
 *
 *   lanes_bench [entries, default 1000000] [repetitions, default 3]
 *
 * Loads of keys: `sla`, five moving deadlines (10 min to 24 h ahead of a clock that moves one tick for ten entries); `one`,
 * the same with one entry a tick; `uni`, nine of ten anywhere in the far half of the range, the rest urgent. */
#include "commit/calendar.h"
#include "commit/lanes.h"

#include "base/mem.h"

#include "tests/support/heap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define REPETITIONS_MAX 15
#define RANGE           (1U << 24) /* ticks of `uni`: 19 days */
#define GIB             (UINT64_C(1) << 30)

enum keys { KEYS_SLA, KEYS_ONE, KEYS_UNI, KEYS_COUNT };
static const char *const keys_names[KEYS_COUNT] = {"sla", "one", "uni"};

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
    case KEYS_COUNT:
        break;
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

/* --- the two queues ------------------------------------------------------------------------------------------------------- */

struct queue {
    bool                     is_heap;
    struct heap              heap;
    pthread_mutex_t          mutex;
    struct aw_qsbr           qsbr;
    struct aw_calendar       calendar;
    struct aw_calendar_pool *pool;
    uint32_t                 pushes;
};

static struct queue *
queue_new(bool is_heap)
{
    struct queue *queue = aw_new(struct queue);

    AW_ASSERT(queue != NULL);
    queue->is_heap = is_heap;
    AW_ASSERT(pthread_mutex_init(&queue->mutex, NULL) == 0);
    aw_qsbr_init(&queue->qsbr);
    if (aw_calendar_pool_new(&queue->pool, 8 * GIB, &queue->qsbr) != AW_OK)
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

static void
queue_push(struct queue *queue, uint32_t tick, uint64_t entry)
{
    if (queue->is_heap) {
        (void)pthread_mutex_lock(&queue->mutex); /* a plain mutex of our own can't fail */
        heap_push(&queue->heap, tick, entry);
        (void)pthread_mutex_unlock(&queue->mutex); /* as above */
        return;
    }
    if (aw_calendar_push(queue->pool, &queue->calendar, tick, &entry, 1) != AW_OK)
        abort();
    if (++queue->pushes % 1024 == 0)
        (void)(aw_calendar_clean(queue->pool, &queue->calendar, 2048) + aw_calendar_pool_reclaim(queue->pool, 4096));
}

static bool
queue_pop(struct queue *queue, uint64_t *ret_entry)
{
    struct aw_calendar_head head;
    uint32_t                tick;
    bool                    found;

    if (queue->is_heap) {
        (void)pthread_mutex_lock(&queue->mutex);
        found = heap_pop(&queue->heap, &tick, ret_entry);
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

/* --- workloads: operations a second --------------------------------------------------------------------------------------- */

struct worker {
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
    struct worker *self = arg;
    uint64_t       entry = 0;

    while (!atomic_load_explicit(self->stop, memory_order_relaxed) && self->pops < self->pops_max) {
        aw_qsbr_quiet(&self->queue->qsbr, self->reader);
        for (int i = 0; i < 16; i++)
            if (queue_pop(self->queue, &entry)) {
                self->pops++;
                self->checksum ^= entry;
            }
    }
    aw_qsbr_offline(self->reader);
    return NULL;
}

static void
fill(struct queue *queue, struct source *source, uint64_t entries)
{
    for (uint64_t i = 0; i < entries; i++)
        queue_push(queue, next_tick(source), source->number);
}

enum workload { MIX, ONE_ONE, DRAIN, WORKLOAD_COUNT };
static const char *const workload_names[WORKLOAD_COUNT] = {"mix", "1+1", "drain"};

static double
run_workload(enum workload workload, enum keys keys, bool is_heap, uint64_t entries)
{
    struct queue *queue = queue_new(is_heap);
    struct source source = {.keys = keys, .random = 88172645463325252U};
    _Atomic bool  stop = false;
    struct worker workers[2] = {{.queue = queue, .stop = &stop}, {.queue = queue, .stop = &stop}};
    int           threads = workload == DRAIN ? 2 : workload == ONE_ONE ? 1 : 0;
    uint64_t      operations = 0;
    uint64_t      entry = 0;
    uint64_t      start;
    uint64_t      spent;

    fill(queue, &source, entries);
    start = now_ns();
    for (int i = 0; i < threads; i++) {
        workers[i].reader = aw_qsbr_join(&queue->qsbr);
        workers[i].pops_max = workload == ONE_ONE ? entries / 2 : UINT64_MAX;
        AW_ASSERT(pthread_create(&workers[i].thread, NULL, popper_main, &workers[i]) == 0);
    }
    switch (workload) {
    case MIX:
        for (; operations < entries; operations += 32) {
            fill(queue, &source, 16);
            for (int i = 0; i < 16; i++)
                AW_ASSERT(queue_pop(queue, &entry));
        }
        break;
    case ONE_ONE:
        for (; operations < entries / 2; operations++)
            queue_push(queue, next_tick(&source), source.number);
        (void)pthread_join(workers[0].thread, NULL); /* ours, and it ends when as many were popped */
        threads = 0;
        operations += workers[0].pops;
        break;
    case DRAIN:
        nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL);
        break;
    case WORKLOAD_COUNT:
        break;
    }
    atomic_store(&stop, true);
    spent = now_ns() - start;
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(workers[i].thread, NULL); /* ours, and it ends */
        operations += workers[i].pops;
    }
    queue_free(queue);
    return (double)operations * 1e9 / (double)spent;
}

static int
by_value(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;

    return (*left > *right) - (*left < *right);
}

static void
compare_throughput(uint64_t entries, int repetitions)
{
    printf("%-6s %-4s %14s %14s %24s\n", "load", "keys", "heap op/s", "calendar op/s", "ratio min/med/max");
    for (int workload = 0; workload < WORKLOAD_COUNT; workload++)
        for (int keys = 0; keys < KEYS_COUNT; keys++) {
            double heap[REPETITIONS_MAX] = {0};
            double calendar[REPETITIONS_MAX] = {0};
            double ratio[REPETITIONS_MAX] = {0};

            for (int i = 0; i < repetitions; i++) {
                heap[i] = run_workload((enum workload)workload, (enum keys)keys, true, entries);
                calendar[i] = run_workload((enum workload)workload, (enum keys)keys, false, entries);
                ratio[i] = calendar[i] / heap[i];
            }
            qsort(heap, (size_t)repetitions, sizeof(double), by_value);
            qsort(calendar, (size_t)repetitions, sizeof(double), by_value);
            qsort(ratio, (size_t)repetitions, sizeof(double), by_value);
            printf("%-6s %-4s %14.0f %14.0f %10.2f/%.2f/%.2f\n", workload_names[workload], keys_names[keys],
                   heap[repetitions / 2], calendar[repetitions / 2], ratio[0], ratio[repetitions / 2], ratio[repetitions - 1]);
            (void)fflush(stdout); /* for the eye */
        }
}

/* --- single operations ---------------------------------------------------------------------------------------------------- */

static void
measure_operations(uint64_t entries)
{
    printf("%-4s %9s %9s %9s %9s %12s\n", "keys", "push ns", "pop ns", "peek ns", "clean ns", "bytes/entry");
    for (int keys = 0; keys < KEYS_COUNT; keys++) {
        struct queue           *queue = queue_new(false);
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
        printf("%-4s %9.1f %9.1f %9.1f %9.1f %12.1f\n", keys_names[keys], (double)(at[1] - at[0]) / (double)entries,
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
measure_load(uint64_t entries, uint32_t lane_count, bool in_order)
{
    struct aw_lanes_config config = {.lanes_max = lane_count, .tickets_max = (uint32_t)entries, .base = 1, .bytes_max = 4 * GIB};
    struct aw_qsbr        *qsbr = aw_new(struct aw_qsbr);
    struct aw_lanes       *lanes = NULL;
    struct aw_lanes_load  *load = NULL;
    uint64_t               random = 88172645463325252U;
    uint64_t               start;
    uint64_t               spent;
    struct aw_lanes_count  count;

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
    aw_lanes_count(lanes, 0, AW_CLASS_GENERAL, &count);
    printf("%5u lane(s), %-9s %6.2f s %6.1f ns/entry; %5.1f bytes/entry with the table of 8; lane 0 has %llu\n", lane_count,
           in_order ? "in order" : "shuffled", (double)spent / 1e9, (double)spent / (double)entries,
           (double)aw_lanes_bytes(lanes) / (double)entries, (unsigned long long)count.waiting);
    aw_lanes_load_free(&load);
    aw_lanes_free(&lanes);
    free(qsbr);
}

/* --- latency of pops beside a writer -------------------------------------------------------------------------------------- */

#define SAMPLES_MAX 2000000U

struct sampler {
    struct queue          *queue;
    struct aw_qsbr_reader *reader;
    _Atomic bool          *stop;
    pthread_t              thread;
    uint32_t              *ns; /* owns */
    uint32_t               count;
};

static void *
sampler_main(void *arg)
{
    struct sampler *self = arg;
    uint64_t        entry = 0;

    while (!atomic_load_explicit(self->stop, memory_order_relaxed) && self->count < SAMPLES_MAX) {
        uint64_t start = now_ns();

        aw_qsbr_quiet(&self->queue->qsbr, self->reader);
        (void)(queue_pop(self->queue, &entry) ? 1 : 0); /* empty takes its time too */
        self->ns[self->count++] = (uint32_t)(now_ns() - start);
        for (volatile int pause = 300; pause > 0;)
            pause = pause - 1;
    }
    aw_qsbr_offline(self->reader);
    return NULL;
}

static int
by_ns(const void *a, const void *b)
{
    const uint32_t *left = a;
    const uint32_t *right = b;

    return (*left > *right) - (*left < *right);
}

/* One popper, so that with the writer there are as many threads as cores. `burst`: pushes at once, at 0.3 M/s; 0: flat out. */
static void
measure_latency(bool is_heap, uint32_t burst, uint64_t entries)
{
    struct queue  *queue = queue_new(is_heap);
    struct source  source = {.keys = KEYS_SLA, .random = 88172645463325252U};
    _Atomic bool   stop = false;
    struct sampler sampler = {.queue = queue, .stop = &stop, .ns = malloc(SAMPLES_MAX * sizeof(uint32_t))};
    uint64_t       start;

    AW_ASSERT(sampler.ns != NULL);
    fill(queue, &source, entries);
    sampler.reader = aw_qsbr_join(&queue->qsbr);
    AW_ASSERT(pthread_create(&sampler.thread, NULL, sampler_main, &sampler) == 0);
    start = now_ns();
    for (uint64_t pushed = 0; now_ns() - start < 1000000000;) {
        if (burst != 0 && (now_ns() - start) * 3 / 10000 < pushed)
            continue;
        fill(queue, &source, burst == 0 ? 64 : burst);
        pushed += burst;
    }
    atomic_store(&stop, true);
    (void)pthread_join(sampler.thread, NULL); /* ours, and it ends */
    qsort(sampler.ns, sampler.count, sizeof(uint32_t), by_ns);
    printf("%-9s %-9s p50 %6u  p99 %7u  p99.9 %8u  p99.99 %9u ns\n", burst == 0 ? "flat out" : "in bursts",
           is_heap ? "heap" : "calendar", sampler.ns[sampler.count / 2], sampler.ns[sampler.count / 100 * 99],
           sampler.ns[sampler.count / 1000 * 999], sampler.ns[(uint64_t)sampler.count * 9999 / 10000]);
    free(sampler.ns);
    queue_free(queue);
}

int
main(int argc, char **argv)
{
    uint64_t entries = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    int      repetitions = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 3;

    if (entries < 1000 || entries > UINT32_MAX || repetitions < 1 || repetitions > REPETITIONS_MAX) {
        (void)fprintf(stderr, "usage: lanes_bench [entries, 1000 or more] [repetitions, 1 to %d]\n", REPETITIONS_MAX);
        return 2;
    }
    measure_operations(entries);
    measure_load(entries, 1, true);
    measure_load(entries, 1, false);
    measure_load(entries, 2000, true);
    measure_load(entries, 2000, false);
    for (int i = 0; i < 2; i++) {
        measure_latency(i == 0, 256, 1000000);
        measure_latency(i == 0, 0, 1000000);
    }
    compare_throughput(entries, repetitions);
    return 0;
}
