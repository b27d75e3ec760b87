/* run_loop_memory_test.c - proves that the lists of an event loop grow when there is no memory, keep what they hold, and that the
 * reserve is taken for nothing else.
 *
 * How: the process is given hardly more address space than it has, so that large blocks can't be made. Not under the sanitizers,
 * which need more of it than there is.
 */
#include "base/log.h"
#include "run/loop_memory.h"
#include "support/sanitizer.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ev.h>

#define MIB ((size_t)1 << 20)

static void
fill(void *ptr, size_t bytes, int word)
{
    memset(ptr, word, bytes);
}

static void
check(const unsigned char *ptr, size_t bytes, int word)
{
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(ptr[i], word);
}

/* As long as there is memory. */
static void
test_plenty(void **state)
{
    unsigned char *ptr = aw_loop_memory(NULL, 96);

    (void)state;
    assert_non_null(ptr);
    fill(ptr, 96, 7);
    ptr = aw_loop_memory(ptr, (long)MIB);
    assert_non_null(ptr);
    check(ptr, 96, 7);
    assert_null(aw_loop_memory(ptr, 0));
    assert_null(aw_loop_memory(NULL, 0));
    assert_int_equal(aw_loop_memory_used(), 0);
}

#if !defined(WITH_ASAN) && !defined(WITH_TSAN)

/* Blocks of a MiB and more can't be made any more. */
static struct rlimit
limit_memory(void)
{
    FILE         *file = fopen("/proc/self/statm", "re");
    char          line[128];
    struct rlimit before, now;

    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file)); /* it begins with the pages of the whole */
    (void)fclose(file);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    now = before;
    now.rlim_cur = strtoul(line, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE) + MIB / 2;
    assert_int_equal(setrlimit(RLIMIT_AS, &now), 0);
    return before;
}

static void
test_none(void **state)
{
    unsigned char *small = aw_loop_memory(NULL, 96), *large;
    struct rlimit  before = limit_memory();

    (void)state;
    fill(small, 96, 7);
    large = aw_loop_memory(small, (long)MIB);
    assert_non_null(large);
    check(large, 96, 7);
    fill(large, MIB, 8);
    assert_in_range(aw_loop_memory_used(), MIB, MIB + 64);
    assert_ptr_equal(aw_loop_memory(large, 96), large); /* a list that shrinks stays */
    large = aw_loop_memory(large, (long)(2 * MIB));
    assert_non_null(large);
    check(large, MIB, 8);
    assert_null(aw_loop_memory(NULL, (long)AW_LOOP_RESERVE_BYTES)); /* then libev ends the process */
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    fill(large, 2 * MIB, 9);
    large = aw_loop_memory(large, (long)(3 * MIB)); /* there is memory again */
    assert_non_null(large);
    check(large, 2 * MIB, 9);
    assert_in_range(aw_loop_memory_used(), 3 * MIB, 3 * MIB + 128);
    assert_null(aw_loop_memory(large, 0));
}

static void
on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    ++*(unsigned *)timer->data;
    (void)loop;
}

/* A loop that grows by it goes on. */
static void
test_loop(void **state)
{
    enum { TIMERS = 100000 };
    ev_timer       *timers = calloc(TIMERS, sizeof(*timers));
    struct ev_loop *loop;
    struct rlimit   before;
    unsigned        fired = 0;
    size_t          used = aw_loop_memory_used();

    (void)state;
    assert_non_null(timers);
    aw_loop_memory_use();
    loop = ev_loop_new(EVFLAG_AUTO);
    assert_non_null(loop);
    before = limit_memory();
    for (unsigned i = 0; i < TIMERS; i++) {
        ev_timer_init(&timers[i], on_time, 0., 0.);
        timers[i].data = &fired;
        ev_timer_start(loop, &timers[i]);
    }
    (void)ev_run(loop, 0);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(fired, TIMERS);
    assert_true(aw_loop_memory_used() > used);
    ev_loop_destroy(loop);
    free(timers);
}

#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plenty),
#if !defined(WITH_ASAN) && !defined(WITH_TSAN)
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_loop),
#endif
    };

    aw_log_init(STDERR_FILENO, AW_LOG_ERROR, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
