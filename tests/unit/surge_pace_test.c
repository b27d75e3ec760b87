/* surge_pace_test.c - proves that turns go round in order, that a busy agent owes its turn and is told when it was due, and that
 * one which waited for work owes nothing; and that agents' lanes are the same for the same seed, from one to all.
 *
 * How: on a real loop that runs until a number of turns came, however late.
 */
#include "support/test.h"

#include "bench/surge/lane_sets.h"
#include "bench/surge/pace.h"
#include "bench/surge/source.h"
#include "port/clock.h"

#include <string.h>

#define AGENTS 3U

struct crowd {
    struct surge_pace pace;
    uint32_t          order[64];
    uint32_t          count;
    uint32_t          until;
};

static void
on_due(void *user, uint32_t agent)
{
    struct crowd *crowd = user;

    if (crowd->count < AW_ARRAY_LEN(crowd->order))
        crowd->order[crowd->count] = agent;
    if (++crowd->count == crowd->until)
        ev_break(crowd->pace.loop, EVBREAK_ALL);
}

static void
run_until(struct crowd *crowd, uint32_t turns)
{
    crowd->until = crowd->count + turns;
    (void)ev_run(crowd->pace.loop, 0);
}

static void
test_turns(void **state)
{
    struct crowd    crowd = {.count = 0};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct aw_why   why;
    aw_ns           started, due, former;

    (void)state;
    assert_non_null(loop);
    assert_int_equal(surge_pace_open(&crowd.pace, loop, AGENTS, on_due, &crowd, &why), AW_OK);
    assert_false(surge_pace_take(&crowd.pace, 0, &due));
    started = aw_clock_mono();
    surge_pace_start(&crowd.pace, 1000, started);
    run_until(&crowd, 7);
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(crowd.order[i], i % AGENTS);
    /* Agent 1 was busy: it owes its turns in their order, each due when it came. */
    assert_true(surge_pace_take(&crowd.pace, 1, &former));
    assert_int_equal(former, started + surge_due_of(1, 1000));
    assert_true(surge_pace_take(&crowd.pace, 1, &due));
    assert_int_equal(due, started + surge_due_of(1 + AGENTS, 1000));
    /* Agent 0 waited for work; of what came meanwhile nothing is owed, of what comes later all. */
    surge_pace_pass(&crowd.pace, 0);
    assert_false(surge_pace_take(&crowd.pace, 0, &due));
    former = crowd.pace.number;
    run_until(&crowd, 2 * AGENTS);
    assert_true(surge_pace_take(&crowd.pace, 0, &due));
    assert_true(due >= started + surge_due_of(former, 1000));
    /* A new schedule forgets the old one. */
    surge_pace_start(&crowd.pace, 0, 0);
    assert_false(surge_pace_take(&crowd.pace, 2, &due));
    surge_pace_close(&crowd.pace);
    ev_loop_destroy(loop);
}

static uint32_t
names_in(const char *list)
{
    uint32_t count = 0;

    for (const char *at = strchr(list, '"'); at != NULL; at = strchr(at + 1, '"'))
        count++;
    return count / 2;
}

static void
test_lane_sets(void **state)
{
    struct surge_lane_sets sets, same, other;
    uint32_t               least = UINT32_MAX, most = 0, differ = 0;

    (void)state;
    assert_true(surge_lane_sets_init(&sets, 400, 500, 7));
    assert_true(surge_lane_sets_init(&same, 400, 500, 7));
    assert_true(surge_lane_sets_init(&other, 400, 500, 8));
    for (uint32_t i = 0; i < 500; i++) {
        uint32_t count = names_in(sets.lists[i]);

        least = count < least ? count : least;
        most = count > most ? count : most;
        assert_string_equal(sets.lists[i], same.lists[i]);
        differ += strcmp(sets.lists[i], other.lists[i]) != 0;
        for (uint32_t lane = 0, found = 0; lane < 400; lane++) { /* no lane twice */
            char        name[SURGE_LANE_NAME_BYTES + 2] = "\"";
            const char *at;

            surge_lane_name(lane, name + 1);
            at = strstr(sets.lists[i], name);
            found += at != NULL;
            assert_true(at == NULL || strstr(at + 1, name) == NULL);
            if (lane == 399)
                assert_int_equal(found, count);
        }
    }
    assert_int_equal(least, 1);
    assert_int_equal(most, 400);
    assert_int_equal(sets.least, 1);
    assert_int_equal(sets.most, 400);
    assert_true(differ > 400);
    surge_lane_sets_fini(&sets);
    surge_lane_sets_fini(&same);
    surge_lane_sets_fini(&other);
    assert_true(surge_lane_sets_init(&sets, 1, 1, 1));
    assert_string_equal(sets.lists[0], "[\"desk-0000\"]");
    surge_lane_sets_fini(&sets);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_lane_sets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
