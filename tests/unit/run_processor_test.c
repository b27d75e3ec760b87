/* run_processor_test.c - short turns on a processor: granted where this kernel grants others, which is tried first; what the kernel
 * says afterwards, and that nothing else of the thread's scheduling changes. Where it does not grant them that is what is said. And
 * who often lets others go first keeps most of his share.
 */
#include "run/processor.h"
#include "tests/support/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CHOSEN_NS (2 * AW_PROCESSOR_TURN_NS)
#define NICE_MAX  19

struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t  nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

struct trial {
    int               policy;
    bool              is_chosen; /* turns of CHOSEN_NS, before */
    bool              is_made;   /* the thread could be made so */
    bool              can_be;    /* other short turns were granted */
    bool              is_granted;
    struct attributes before, after;
};

static bool
get(struct attributes *attributes)
{
    attributes->size = sizeof(*attributes);
    return syscall(SYS_sched_getattr, 0, attributes, sizeof(*attributes), 0) == 0;
}

static bool
set(struct attributes *attributes, uint64_t turn_ns)
{
    attributes->runtime_ns = turn_ns;
    return syscall(SYS_sched_setattr, 0, attributes, 0) == 0 && get(attributes);
}

/* Gives way a little more than it did, which is allowed to everybody, unless it does so as far as can be. */
static bool
make(const struct trial *trial)
{
    const struct sched_param none = {0};
    const id_t               self = (id_t)syscall(SYS_gettid); /* on Linux a nice value is a thread's */
    int                      nice;

    errno = 0;
    nice = getpriority(PRIO_PROCESS, self);
    if (errno != 0 || (nice < NICE_MAX && setpriority(PRIO_PROCESS, self, nice + 1) != 0))
        return false;
    return sched_setscheduler(0, trial->policy, &none) == 0;
}

static void *
try_it(void *arg)
{
    struct trial *trial = arg;

    trial->is_made = make(trial) && get(&trial->before);
    if (trial->is_made) {
        trial->can_be = set(&trial->before, CHOSEN_NS) && trial->before.runtime_ns == CHOSEN_NS && trial->policy == SCHED_OTHER;
        if (trial->can_be && !trial->is_chosen)
            trial->is_made = set(&trial->before, 0);
    }
    trial->is_granted = aw_processor_try_short_turns();
    trial->is_made = trial->is_made && get(&trial->after);
    return NULL;
}

static struct trial
try_with(int policy, bool is_chosen)
{
    struct trial trial = {.policy = policy, .is_chosen = is_chosen};
    pthread_t    thread;

    assert_int_equal(pthread_create(&thread, NULL, try_it, &trial), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (!trial.is_made) {
        print_message("no thread of policy %d here, or nothing is told about it\n", policy);
        skip();
    }
    assert_int_equal(trial.after.policy, policy);
    assert_int_equal(trial.after.nice, trial.before.nice);
    return trial;
}

static void
test_ordinary_thread(void **state)
{
    struct trial trial = try_with(SCHED_OTHER, false);

    (void)state;
    assert_int_equal(trial.is_granted, trial.can_be);
    assert_int_equal(trial.after.runtime_ns, trial.can_be ? AW_PROCESSOR_TURN_NS : trial.before.runtime_ns);
}

static void
test_another_policy_stays(void **state)
{
    struct trial trial = try_with(SCHED_BATCH, false);

    (void)state;
    assert_false(trial.is_granted);
    assert_true(trial.after.runtime_ns == trial.before.runtime_ns);
}

static void
test_chosen_turns_stay(void **state)
{
    struct trial trial = try_with(SCHED_OTHER, true);

    (void)state;
    assert_false(trial.is_granted);
    assert_true(trial.after.runtime_ns == trial.before.runtime_ns);
}

/* --- shares ------------------------------------------------------------------------------------------------------------------- */

#define USED_NS  (200 * AW_NS_PER_MS) /* by both */
#define PIECE_NS (10 * AW_NS_PER_US)  /* of work before others are let */

struct share {
    cpu_set_t   one;
    atomic_bool is_begun, is_over;
    bool        is_made;
    clockid_t   other; /* the spinner's */
    aw_ns       used_ns, spun_ns;
};

static aw_ns
read_clock(clockid_t clock)
{
    struct timespec now = {0};

    (void)clock_gettime(clock, &now);
    return (aw_ns)now.tv_sec * AW_NS_PER_S + (aw_ns)now.tv_nsec;
}

static void *
spin(void *arg)
{
    struct share *share = arg;

    share->is_made = sched_setaffinity(0, sizeof(share->one), &share->one) == 0;
    atomic_store(&share->is_begun, true);
    while (!atomic_load_explicit(&share->is_over, memory_order_relaxed))
        ;
    return NULL;
}

static void *
share_out(void *arg)
{
    aw_ns         used = 0;
    struct share *share = arg;
    aw_ns         began, spun;

    if (sched_setaffinity(0, sizeof(share->one), &share->one) == 0 && aw_processor_try_short_turns()) {
        began = read_clock(CLOCK_THREAD_CPUTIME_ID);
        spun = read_clock(share->other);
        do {
            for (unsigned i = 0; i < 100; i++) {
                aw_ns until = read_clock(CLOCK_MONOTONIC) + PIECE_NS;

                while (read_clock(CLOCK_MONOTONIC) < until)
                    ;
                aw_processor_let_others(&used);
            }
            share->used_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - began;
            share->spun_ns = read_clock(share->other) - spun;
        } while (share->used_ns + share->spun_ns < USED_NS);
    }
    atomic_store(&share->is_over, true);
    return NULL;
}

/* Beside one who never does it has a third of a processor; with a yield after each piece it would have a tenth or less. */
static void
test_letting_others_costs_half_at_most(void **state)
{
    struct share share = {.used_ns = 0};
    pthread_t    spinner, sharer;

    (void)state;
    CPU_SET(sched_getcpu(), &share.one);
    assert_int_equal(pthread_create(&spinner, NULL, spin, &share), 0);
    assert_int_equal(pthread_getcpuclockid(spinner, &share.other), 0);
    while (!atomic_load(&share.is_begun))
        (void)sched_yield();
    assert_int_equal(pthread_create(&sharer, NULL, share_out, &share), 0);
    assert_int_equal(pthread_join(sharer, NULL), 0);
    assert_int_equal(pthread_join(spinner, NULL), 0);
    if (!share.is_made || share.used_ns == 0) {
        print_message("not both on one processor, or no short turns here\n");
        skip();
    }
    assert_true(share.used_ns * 4 > share.spun_ns);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordinary_thread),
        cmocka_unit_test(test_another_policy_stays),
        cmocka_unit_test(test_chosen_turns_stay),
        cmocka_unit_test(test_letting_others_costs_half_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
