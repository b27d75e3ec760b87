/* sim_bound_test.c - proves that the bound is the fluid's where arithmetic knows it, that departures pay for care and not the other
 * way round, and that no order beats it.
 *
 * How: steady loads of which it is plain what share can not be served; each policy in a quarter of R16u beside the bound.
 */
#include "unit/sim_kit.h"

#include "bench/surge_sim/bound.h"

#include <math.h>

#define SEEDS 4

static const struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;

/* So many of care and of imminent an hour, who leave in an hour, for a hundred hours. */
static struct sim_bound
bound_of(unsigned agents, double care_per_hour, double imminent_per_hour)
{
    struct sim_scenario steady = {.name = "steady",
                                  .about = "",
                                  .hours = 100,
                                  .base_per_hour = care_per_hour + imminent_per_hour,
                                  .load = {{0, 1}},
                                  .load_points = 1,
                                  .staff = {{0, agents}},
                                  .staff_points = 1,
                                  .mix = {care_per_hour, imminent_per_hour, 0, 0, 0},
                                  .handling_min = {10, 5, 8, 6, 4},
                                  .handling_cv = 0.7,
                                  .lead_min_least = 60,
                                  .lead_min_most = 60};
    struct sim_bound    mean = {0};

    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct sim_bound bound;

        assert_int_equal(sim_bound_find(&bound, &steady, &order, seed), AW_OK);
        mean.missed += bound.missed / 10;
        mean.care_over_30 += bound.care_over_30 / 10;
    }
    return mean;
}

static void
assert_near(double got, double want, const char *what)
{
    if (fabs(got - want) > 0.01)
        fail_msg("%s: %.4f, want %.4f", what, got, want);
}

static void
test_steady_loads(void **state)
{
    struct sim_bound bound = bound_of(10, 12, 24); /* 4 agents' work for 10 */

    (void)state;
    assert_true(bound.missed == 0 && bound.care_over_30 == 0);
    bound = bound_of(2, 0, 48); /* 4 for 2 */
    assert_near(bound.missed, 0.5, "departures alone");
    bound = bound_of(4, 12, 36); /* 2 and 3 for 4 */
    assert_near(bound.missed, 1.0 / 3, "what care leaves");
    assert_near(bound.care_over_30, 0, "care first");
    bound = bound_of(3, 24, 24); /* 4 and 2 for 3: all of it is care's */
    assert_near(bound.missed, 1, "nothing left");
    assert_near(bound.care_over_30, 0.25, "care alone");
}

/* Orders that take care first; with chance in handling times an order may be lucky by a little in one run, hence the mean. */
static void
test_no_order_is_better(void **state)
{
    static const char *const policies[] = {"guarded", "strict-departures", "strict"};
    double                   bound = 0;
    double                   missed[AW_ARRAY_LEN(policies)] = {0};
    struct sim_scenario      scenario = sim_kit_part("R16u", 4);

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_bound one;

        assert_int_equal(sim_bound_find(&one, &scenario, &order, seed), AW_OK);
        bound += one.missed / SEEDS;
        for (unsigned i = 0; i < AW_ARRAY_LEN(policies); i++) {
            struct sim_result *result = sim_kit_run(&scenario, policies[i], seed);

            missed[i] += result->of_run[SIM_MISSED] / SEEDS;
            free(result);
        }
    }
    assert_true(bound > 0.1);
    for (unsigned i = 0; i < AW_ARRAY_LEN(policies); i++)
        assert_true(missed[i] > bound);
    assert_true(missed[0] < bound + 0.02); /* ours is near it, the one that knows no departures is not */
    assert_true(missed[2] > bound + 0.2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady_loads),
        cmocka_unit_test(test_no_order_is_better),
    };

    return cmocka_run_group_tests(tests, sim_kit_start, NULL);
}
