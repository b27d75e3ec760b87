/* sim_watch_test.c - proves that the watch counts what it says, on tickets of which the answer is plain, and in a small closure of
 * a region: 0 for the server's orders, and not 0 for an order that knows no flights and for a server that nobody told.
 *
 * How: one grounded ticket is leased beside one departure, on both sides of each border of the rule; then whole runs.
 */
#include "unit/sim_kit.h"

#include "bench/surge_sim/watch.h"

#define NOW          (SIM_START + 10 * SIM_HOUR)
#define AGO(minutes) (NOW - (minutes)*SIM_MIN)
#define IN(minutes)  (NOW + (minutes)*SIM_MIN)

static const struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;

/* What a lease of a grounded ticket that waited an hour (its whole target) counts as beside this departure. */
struct row {
    const char *what;
    aw_ms       asked_at, departs_at;
    bool        is_ahead, is_wrong;
};
static const struct row rows[] = {
    {"waited less of its target", AGO(19), IN(200), true, false},
    {"waited as much", AGO(20), IN(200), true, false},
    {"waited more", AGO(21), IN(200), true, true},
    {"an earlier tick of the queues", AGO(20) - 1, IN(200), true, true},
    {"in danger", AGO(1), IN(30) - 1, true, true},
    {"not yet in danger", AGO(1), IN(30), true, false},
    {"just in reach", AGO(1), IN(5), true, true},
    {"out of reach", AGO(1), IN(5) - 1, false, false},
};

static void
test_one_beside_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AW_ARRAY_LEN(rows); i++) {
        struct sim_watch      *watch = sim_watch_new(8, &order);
        struct sim_need        grounded = {.asked_at = AGO(60), .departs_at = IN(90), .grounded_at = AGO(10)};
        struct sim_need        departure = {.asked_at = rows[i].asked_at, .departs_at = rows[i].departs_at};
        struct sim_watch_count count;

        assert_non_null(watch);
        sim_watch_wait(watch, 3, &grounded);
        sim_watch_wait(watch, 4, &departure);
        sim_watch_leave(watch, 3);
        sim_watch_lease(watch, NOW, &grounded, AW_CLASS_DISRUPTED); /* before the closure: not looked at */
        assert_int_equal(sim_watch_count(watch).leases, 0);
        sim_watch_close(watch, NOW);
        sim_watch_lease(watch, NOW, &grounded, AW_CLASS_DISRUPTED);
        count = sim_watch_count(watch);
        if (count.grounded != 1 || count.ahead != rows[i].is_ahead || count.wrong != rows[i].is_wrong)
            fail_msg("%s: ahead %d, wrong %d", rows[i].what, (int)count.ahead, (int)count.wrong);
        assert_int_equal(sim_watch_has_departure(watch, NOW), rows[i].is_ahead);
        sim_watch_leave(watch, 4);
        assert_false(sim_watch_has_departure(watch, NOW));
        sim_watch_lease(watch, NOW, &departure, AW_CLASS_IMMINENT);
        sim_watch_lease(watch, NOW, &grounded, AW_CLASS_DISRUPTED); /* alone */
        assert_int_equal(sim_watch_count(watch).leases, 3);
        assert_int_equal(sim_watch_count(watch).grounded, 2);
        assert_int_equal(sim_watch_count(watch).ahead, count.ahead);
        assert_int_equal(sim_watch_count(watch).departed, 0);
        sim_watch_lease(watch, NOW, &grounded, AW_CLASS_IMMINENT);
        assert_int_equal(sim_watch_count(watch).departed, 1);
        sim_watch_free(&watch);
    }
}

/* The one with the claim may stand anywhere in the list, and lists change. */
static void
test_many(void **state)
{
    struct sim_watch *watch = sim_watch_new(64, &order);
    struct sim_need   grounded = {.asked_at = AGO(60), .departs_at = IN(90), .grounded_at = AGO(10)};
    struct sim_need   patient = {.asked_at = AGO(1), .departs_at = IN(200)};
    struct sim_need   urgent = {.asked_at = AGO(1), .departs_at = IN(20)};

    (void)state;
    assert_non_null(watch);
    sim_watch_close(watch, NOW);
    for (uint32_t slot = 1; slot < 64; slot++)
        sim_watch_wait(watch, slot, slot == 40 ? &urgent : &patient);
    sim_watch_wait(watch, 40, &urgent); /* waits already */
    for (uint32_t slot = 1; slot < 40; slot += 2)
        sim_watch_leave(watch, slot);
    sim_watch_leave(watch, 1); /* left already */
    sim_watch_lease(watch, NOW, &grounded, AW_CLASS_DISRUPTED);
    assert_int_equal(sim_watch_count(watch).wrong, 1);
    sim_watch_leave(watch, 40);
    sim_watch_lease(watch, NOW, &grounded, AW_CLASS_DISRUPTED);
    assert_int_equal(sim_watch_count(watch).wrong, 1);
    assert_int_equal(sim_watch_count(watch).ahead, 2);
    for (uint32_t slot = 1; slot < 64; slot++)
        sim_watch_leave(watch, slot);
    sim_watch_lease(watch, NOW, &grounded, AW_CLASS_DISRUPTED);
    assert_int_equal(sim_watch_count(watch).ahead, 2);
    sim_watch_free(&watch);
    sim_watch_free(&watch);
}

/* A tenth of R8-ash, until some hours after the closure. */
static struct sim_watch_count
run_ash(const char *policy, uint64_t seed)
{
    struct sim_scenario    scenario = sim_kit_part("R8-ash", 10);
    struct sim_result     *result;
    struct sim_watch_count count;

    scenario.hours = 14;
    result = sim_kit_run(&scenario, policy, seed);
    count = result->tally.closed;
    free(result);
    return count;
}

static void
test_a_region_closes(void **state)
{
    struct sim_watch_count guarded, literal, strict, due, deaf;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        guarded = run_ash("guarded", seed);
        literal = run_ash("guarded-literal", seed);
        strict = run_ash("strict-departures", seed);
        due = run_ash("edf", seed);
        deaf = run_ash("guarded-deaf", seed);
        assert_true(guarded.grounded > 50);
        assert_true(guarded.ahead > 20);
        assert_int_equal(guarded.wrong, 0);
        assert_int_equal(guarded.departed, 0);
        assert_true(literal.leases > 500 && literal.grounded < guarded.grounded);
        assert_int_equal(literal.ahead, 0);
        assert_int_equal(strict.ahead, 0);
        assert_true(due.wrong > 20);
        assert_true(deaf.wrong > 20);
        assert_true(deaf.departed > 20);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_beside_one),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_a_region_closes),
    };

    return cmocka_run_group_tests(tests, sim_kit_start, NULL);
}
