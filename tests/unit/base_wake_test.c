/* Proves that no wake is lost, that a sleeper sleeps (no busy loop), and that a wake to one that is awake writes nothing. How: two
 * threads hand one token back and forth 100,000 times, each sleeping without a timeout whenever it has none, so that a single lost
 * wake stops the test, which its alarm then ends; once by aw_wake_wait and once by poll as an event loop does. */
#include "support/test.h"

#include "base/home.h"
#include "base/ring.h"
#include "base/wake.h"
#include "port/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

enum { HANDOVERS = 100000, ALARM_S = 100 };

static bool
is_readable(const struct aw_wake *wake)
{
    struct pollfd item = {.fd = aw_wake_fd(wake), .events = POLLIN};

    return poll(&item, 1, 0) == 1;
}

static void
a_wake_writes_only_to_a_sleeper(void **state)
{
    struct aw_wake wake;

    (void)state;
    assert_int_equal(aw_wake_init(&wake, NULL), AW_OK);
    aw_wake_up(&wake);
    assert_false(is_readable(&wake)); /* awake: nothing was written */
    aw_wake_prepare(&wake);
    aw_wake_up(&wake);
    aw_wake_up(&wake);
    aw_wake_up(&wake);
    assert_true(is_readable(&wake));
    aw_wake_clear(&wake);
    assert_false(is_readable(&wake)); /* one nap, one wake */
    aw_wake_up(&wake);
    assert_false(is_readable(&wake));
    aw_wake_fini(&wake);
}

/* A wake after prepare is not lost when the sleeper, seeing work, prepares anew instead of clearing. */
static void
preparing_twice_keeps_the_account(void **state)
{
    struct aw_wake wake;

    (void)state;
    assert_int_equal(aw_wake_init(&wake, NULL), AW_OK);
    aw_wake_prepare(&wake);
    aw_wake_up(&wake);
    aw_wake_prepare(&wake);
    assert_true(is_readable(&wake));
    aw_wake_wait(&wake, AW_NS_NEVER); /* ends at once: for no reason, but without harm */
    assert_false(is_readable(&wake));
    aw_wake_prepare(&wake);
    aw_wake_up(&wake);
    aw_wake_prepare(&wake);
    aw_wake_up(&wake);
    aw_wake_clear(&wake);
    assert_false(is_readable(&wake));
    aw_wake_fini(&wake);
}

static void
a_nap_ends_at_its_timeout(void **state)
{
    struct aw_wake wake;
    aw_ns          from = aw_clock_mono();

    (void)state;
    assert_int_equal(aw_wake_init(&wake, NULL), AW_OK);
    aw_wake_prepare(&wake);
    aw_wake_wait(&wake, 20 * AW_NS_PER_MS);
    assert_true(aw_clock_mono() - from >= 20 * AW_NS_PER_MS);
    aw_wake_prepare(&wake);
    aw_wake_wait(&wake, 0);
    aw_wake_up(&wake);
    assert_false(is_readable(&wake)); /* the nap is over */
    aw_wake_fini(&wake);
}

struct side {
    struct aw_wake     wake;
    struct aw_ring     ring; /* what comes to this side */
    struct aw_ring_in  in;
    struct aw_ring_out out;
    struct side       *other;
    bool               by_poll;
    uint64_t           naps;
    uint64_t           idle_naps; /* ended, and there was nothing */
};

static void
side_sleep(struct side *side)
{
    struct pollfd item = {.fd = aw_wake_fd(&side->wake), .events = POLLIN};

    aw_wake_prepare(&side->wake);
    if (!aw_ring_is_empty(&side->out)) {
        aw_wake_clear(&side->wake);
        return;
    }
    side->naps++;
    if (side->by_poll) {
        (void)poll(&item, 1, -1);
        aw_wake_clear(&side->wake);
    } else {
        aw_wake_wait(&side->wake, AW_NS_NEVER);
    }
    side->idle_naps += aw_ring_is_empty(&side->out);
}

static void *
side_run(void *arg)
{
    struct side *side = arg;
    uint64_t     taken = 0;

    while (taken < HANDOVERS) {
        uint64_t *token = aw_ring_try_pop(&side->out);

        if (token == NULL) {
            side_sleep(side);
            continue;
        }
        taken++;
        (*token)++;
        if (!aw_ring_try_push(&side->other->in, token))
            abort(); /* one token, two slots */
        aw_wake_up(&side->other->wake);
    }
    return NULL;
}

static void
hand_over(bool by_poll)
{
    struct side sides[2];
    pthread_t   threads[2];
    uint64_t    token = 0;

    alarm(ALARM_S);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(aw_wake_init(&sides[i].wake, NULL), AW_OK);
        assert_true(aw_ring_init(&sides[i].ring, 2, &sides[i].in, &sides[i].out));
        sides[i].other = &sides[1 - i];
        sides[i].by_poll = by_poll;
        sides[i].naps = 0;
        sides[i].idle_naps = 0;
    }
    assert_true(aw_ring_try_push(&sides[0].in, &token));
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, side_run, &sides[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    alarm(0);
    assert_int_equal(token, 2 * HANDOVERS);
    for (int i = 0; i < 2; i++) {
        /* A nap that ends for nothing is allowed when a waker's write came late; it must not be the rule. */
        assert_true(sides[i].idle_naps <= HANDOVERS);
        assert_true(sides[i].naps <= 2 * HANDOVERS);
        aw_wake_fini(&sides[i].wake);
        aw_ring_fini(&sides[i].ring);
    }
}

static void
no_wake_is_lost_in_wait(void **state)
{
    (void)state;
    hand_over(false);
}

static void
no_wake_is_lost_in_an_event_loop(void **state)
{
    (void)state;
    hand_over(true);
}

static void *
is_here_from_elsewhere(void *arg)
{
    return aw_home_is_here(arg) ? arg : NULL;
}

static void
a_home_is_one_thread(void **state)
{
    struct aw_home home = {0};
    pthread_t      thread;
    void          *result;

    (void)state;
    assert_false(aw_home_is_here(&home));
    aw_home_enter(&home);
    assert_true(aw_home_is_here(&home));
    assert_int_equal(pthread_create(&thread, NULL, is_here_from_elsewhere, &home), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wake_writes_only_to_a_sleeper),  cmocka_unit_test(preparing_twice_keeps_the_account),
        cmocka_unit_test(a_nap_ends_at_its_timeout),        cmocka_unit_test(no_wake_is_lost_in_wait),
        cmocka_unit_test(no_wake_is_lost_in_an_event_loop), cmocka_unit_test(a_home_is_one_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
