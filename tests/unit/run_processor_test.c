/* run_processor_test.c - short turns on a processor: granted where this kernel grants others, which is tried first; what the kernel
 * says afterwards, and that nothing else of the thread's scheduling changes. Where it does not grant them that is what is said.
 */
#include "run/processor.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t  nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

struct trial {
    int               policy;
    bool              can_be; /* other short turns were granted */
    bool              is_granted;
    struct attributes before, after;
};

static void *
try_it(void *arg)
{
    struct trial            *trial = arg;
    const struct sched_param none = {0};

    assert_int_equal(setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 7), 0); /* on Linux, of the thread */
    assert_int_equal(sched_setscheduler(0, trial->policy, &none), 0);
    assert_int_equal(syscall(SYS_sched_getattr, 0, &trial->before, sizeof(trial->before), 0), 0);
    trial->before.runtime_ns = 2 * AW_PROCESSOR_TURN_NS;
    (void)syscall(SYS_sched_setattr, 0, &trial->before, 0);
    assert_int_equal(syscall(SYS_sched_getattr, 0, &trial->before, sizeof(trial->before), 0), 0);
    trial->can_be = trial->before.runtime_ns == 2 * AW_PROCESSOR_TURN_NS && trial->policy == SCHED_OTHER;
    trial->is_granted = aw_processor_try_short_turns();
    assert_int_equal(syscall(SYS_sched_getattr, 0, &trial->after, sizeof(trial->after), 0), 0);
    aw_processor_let_others();
    return NULL;
}

static struct trial
try_with(int policy)
{
    struct trial trial = {.policy = policy, .before = {.size = sizeof(trial.before)}, .after = {.size = sizeof(trial.after)}};
    pthread_t    thread;

    assert_int_equal(pthread_create(&thread, NULL, try_it, &trial), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return trial;
}

static void
test_ordinary_thread(void **state)
{
    struct trial trial = try_with(SCHED_OTHER);

    (void)state;
    assert_int_equal(trial.is_granted, trial.can_be);
    assert_int_equal(trial.after.runtime_ns, trial.can_be ? AW_PROCESSOR_TURN_NS : trial.before.runtime_ns);
    assert_int_equal(trial.after.policy, SCHED_OTHER);
    assert_int_equal(trial.after.nice, 7);
}

static void
test_another_policy_stays(void **state)
{
    struct trial trial = try_with(SCHED_BATCH);

    (void)state;
    assert_false(trial.is_granted);
    assert_int_equal(trial.after.policy, SCHED_BATCH);
    assert_true(trial.after.runtime_ns == trial.before.runtime_ns);
    assert_int_equal(trial.after.nice, 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordinary_thread),
        cmocka_unit_test(test_another_policy_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
