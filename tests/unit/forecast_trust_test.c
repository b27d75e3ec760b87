/* forecast_trust_test.c - proves that what people waited corrects what is forecast for the next, also by those who wait yet; that
 * what is measured of the present is what happened; and which words waits are told in.
 *
 * How: waits that are made as many times longer as the test says, and the share of the next ones that keeps what is then told.
 */
#include "support/random.h"
#include "support/test.h"

#include "forecast/flow.h"
#include "forecast/promise.h"
#include "forecast/trust.h"

#include <math.h>

#define MIN  UINT64_C(60000)
#define HOUR (60 * MIN)

static const struct aw_wait hour = {{HOUR, HOUR}};

static double
unit_of(struct random *random)
{
    return ((double)random_below(random, 1000000) + 0.5) / 1e6;
}

static void
test_begins_as_told(void **state)
{
    struct aw_trust trust;
    struct aw_wait  wait;

    (void)state;
    aw_trust_init(&trust, &AW_TRUST_SETTINGS_DEFAULT);
    wait = aw_trust_correct(&trust, AW_CLASS_GENERAL, &hour);
    assert_in_range(wait.ms[AW_HALF], HOUR - MIN, HOUR + MIN);
    assert_true(fabs(aw_trust_factor(&trust, AW_CLASS_GENERAL, AW_NINE_OF_TEN) - AW_TRUST_SETTINGS_DEFAULT.first_spread) < 0.02);
    assert_true(wait.ms[AW_NINE_OF_TEN] > wait.ms[AW_HALF]);
    wait = aw_trust_correct(&trust, AW_CLASS_CARE, &(struct aw_wait){{0, 0}});
    assert_in_range(wait.ms[AW_HALF], 0, 5000);
    assert_in_range(wait.ms[AW_NINE_OF_TEN], 0, 2 * MIN);
    wait = aw_trust_correct(&trust, AW_CLASS_CARE, &(struct aw_wait){{UINT64_MAX, UINT64_MAX}});
    assert_int_equal(wait.ms[AW_NINE_OF_TEN], UINT64_MAX);
}

/* Between 0.85 and 1.25 times the forecast, evenly: half are within 1.05, nine of ten within 1.21. Other classes learn nothing. */
static void
test_learns_the_spread(void **state)
{
    struct random   random = random_of(1);
    struct aw_trust trust;

    (void)state;
    aw_trust_init(&trust, &AW_TRUST_SETTINGS_DEFAULT);
    for (unsigned i = 0; i < 4000; i++)
        aw_trust_add_taken(&trust, AW_CLASS_IMMINENT, &hour, 0, (uint64_t)((double)HOUR * (0.85 + 0.4 * unit_of(&random))));
    aw_trust_learn(&trust);
    assert_true(fabs(aw_trust_factor(&trust, AW_CLASS_IMMINENT, AW_HALF) - 1.05) < 0.02);
    assert_true(fabs(aw_trust_factor(&trust, AW_CLASS_IMMINENT, AW_NINE_OF_TEN) - 1.21) < 0.02);
    assert_true(fabs(aw_trust_factor(&trust, AW_CLASS_OTHER, AW_HALF) - 1) < 0.01);
}

/* Forecasts were right; then all who come wait a quarter longer, and none of them has been taken yet. */
static void
test_who_still_waits_counts(void **state)
{
    struct aw_trust trust;
    double          right, sooner;

    (void)state;
    aw_trust_init(&trust, &AW_TRUST_SETTINGS_DEFAULT);
    for (unsigned i = 0; i < 100; i++)
        aw_trust_add_taken(&trust, AW_CLASS_DISRUPTED, &hour, 0, HOUR);
    aw_trust_learn(&trust);
    right = aw_trust_factor(&trust, AW_CLASS_DISRUPTED, AW_NINE_OF_TEN);
    assert_true(fabs(right - 1) < 0.1);
    for (unsigned i = 0; i < 100; i++)
        aw_trust_add_waiting(&trust, AW_CLASS_DISRUPTED, &hour, 0, HOUR / 2); /* says nothing yet */
    aw_trust_learn(&trust);
    assert_true(fabs(aw_trust_factor(&trust, AW_CLASS_DISRUPTED, AW_NINE_OF_TEN) - right) < 0.01);
    for (unsigned i = 0; i < 100; i++)
        aw_trust_add_waiting(&trust, AW_CLASS_DISRUPTED, &hour, 0, HOUR * 5 / 4);
    aw_trust_learn(&trust);
    sooner = aw_trust_factor(&trust, AW_CLASS_DISRUPTED, AW_NINE_OF_TEN);
    assert_true(sooner > 1.2);
    aw_trust_begin(&trust, MIN); /* they wait no more, and nobody was taken */
    aw_trust_learn(&trust);
    assert_true(fabs(aw_trust_factor(&trust, AW_CLASS_DISRUPTED, AW_NINE_OF_TEN) - right) < 0.01);
}

/* What was forecast long ago says little, when it is told late as well as when it lies back. */
/* When nobody was there to take it, nothing could be forecast: that teaches nothing, and is told as it is. */
static void
test_never(void **state)
{
    const struct aw_wait     never = {{AW_FORECAST_NEVER, AW_FORECAST_NEVER}};
    struct aw_trust_settings settings = AW_TRUST_SETTINGS_DEFAULT;
    struct aw_trust          trust;
    double                   before;

    (void)state;
    settings.most = 4;
    aw_trust_init(&trust, &settings);
    before = aw_trust_factor(&trust, AW_CLASS_GENERAL, AW_HALF);
    for (unsigned i = 0; i < 2000; i++) {
        aw_trust_add_taken(&trust, AW_CLASS_GENERAL, &never, 60 * MIN, 60 * MIN);
        aw_trust_add_waiting(&trust, AW_CLASS_GENERAL, &never, 60 * MIN, 60 * MIN);
    }
    aw_trust_learn(&trust);
    assert_true(aw_trust_factor(&trust, AW_CLASS_GENERAL, AW_HALF) == before);
    assert_true(aw_trust_correct(&trust, AW_CLASS_GENERAL, &never).ms[AW_HALF] == AW_FORECAST_NEVER);
}

static void
test_forgets(void **state)
{
    struct aw_trust trust, late;

    (void)state;
    aw_trust_init(&trust, &AW_TRUST_SETTINGS_DEFAULT);
    late = trust;
    for (unsigned i = 0; i < 1000; i++)
        aw_trust_add_taken(&trust, AW_CLASS_DISRUPTED, &(struct aw_wait){{HOUR, HOUR}}, 0, 75 * MIN);
    aw_trust_learn(&trust);
    assert_true(aw_trust_factor(&trust, AW_CLASS_DISRUPTED, AW_HALF) > 1.2);
    aw_trust_begin(&trust, 24 * HOUR);
    aw_trust_learn(&trust);
    assert_true(fabs(aw_trust_factor(&trust, AW_CLASS_DISRUPTED, AW_HALF) - 1) < 0.02);
    for (unsigned i = 0; i < 1000; i++)
        aw_trust_add_taken(&late, AW_CLASS_DISRUPTED, &(struct aw_wait){{12 * HOUR, 12 * HOUR}}, 0, 24 * HOUR);
    aw_trust_learn(&late);
    assert_true(fabs(aw_trust_factor(&late, AW_CLASS_DISRUPTED, AW_HALF) - 1) < 0.02);
}

/* Waits between 0.8 and 1.2 times the forecast, and `told_ms` told. */
static double
factor_when_told(uint64_t told_ms, unsigned still_waiting)
{
    struct random   random = random_of(2);
    struct aw_trust trust;

    aw_trust_init(&trust, &AW_TRUST_SETTINGS_DEFAULT);
    for (unsigned i = 0; i < 4000; i++)
        aw_trust_add_taken(&trust, AW_CLASS_GENERAL, &hour, told_ms, (uint64_t)((double)HOUR * (0.8 + 0.4 * unit_of(&random))));
    for (unsigned i = 0; i < still_waiting; i++)
        aw_trust_add_waiting(&trust, AW_CLASS_GENERAL, &(struct aw_wait){{24 * HOUR, 24 * HOUR}}, told_ms, 61 * MIN);
    aw_trust_learn(&trust);
    return aw_trust_factor(&trust, AW_CLASS_GENERAL, AW_NINE_OF_TEN);
}

/* When all keep what they are told, less is told: as much as seven of ten keep before it is rounded up; else as much as nine. */
static void
test_rounding_is_counted(void **state)
{
    (void)state;
    assert_true(fabs(factor_when_told(75 * MIN, 0) - 1.08) < 0.02);
    assert_true(fabs(factor_when_told(60 * MIN, 0) - 1.16) < 0.02); /* half of them waited longer */
    assert_true(fabs(factor_when_told(5 * MIN, 0) - 1.16) < 0.02);  /* nobody can be told less: these are not asked */
    assert_true(fabs(factor_when_told(60 * MIN + MIN / 2, 8000) - 1.16) < 0.02);
}

static void
test_no_more_than_so_much(void **state)
{
    struct aw_trust_settings settings = AW_TRUST_SETTINGS_DEFAULT;
    struct aw_trust          trust;

    (void)state;
    settings.most = 1.5;
    aw_trust_init(&trust, &settings);
    for (unsigned i = 0; i < 1000; i++) {
        aw_trust_add_taken(&trust, AW_CLASS_GENERAL, &(struct aw_wait){{0, MIN}}, 0, HOUR);
        aw_trust_add_taken(&trust, AW_CLASS_OTHER, &(struct aw_wait){{100 * HOUR, 100 * HOUR}}, 0, MIN);
    }
    aw_trust_learn(&trust);
    for (enum aw_share share = AW_HALF; share < AW_SHARES; share++) {
        assert_true(aw_trust_factor(&trust, AW_CLASS_GENERAL, share) == 1.5);
        assert_true(aw_trust_factor(&trust, AW_CLASS_OTHER, share) == 1 / 1.5);
    }
}

static void
test_pace(void **state)
{
    struct aw_flow_settings settings = {.arrivals_ms = AW_FLOW_ARRIVALS_MS,
                                        .habits_ms = AW_FLOW_HABITS_MS,
                                        .usual_per_hour = {10, 20, 30, 40, 50},
                                        .handling_ms = {MIN, MIN, MIN, MIN, MIN},
                                        .handling_weight = 10};
    struct aw_flow          flow;
    aw_ms                   now = 100 * HOUR;

    (void)state;
    aw_flow_init(&flow, &settings);
    assert_true(aw_flow_arrivals(&flow, AW_CLASS_GENERAL).per_hour == 40);
    assert_true(aw_flow_handling_ms(&flow, AW_CLASS_GENERAL) == (double)MIN);
    for (unsigned i = 0; i < 480; i++, now += MIN / 2) { /* four hours; 240 an hour */
        aw_flow_add_arrival(&flow, AW_CLASS_IMMINENT, now, now + (i % 4 == 0 ? 25 : 45) * MIN);
        aw_flow_add_arrival(&flow, AW_CLASS_GENERAL, now, 0);
        aw_flow_add_arrival(&flow, AW_CLASS_GENERAL, now, 0);
        aw_flow_add_handled(&flow, AW_CLASS_GENERAL, 5 * MIN);
        aw_flow_look(&flow, 0); /* as if it had not been */
        aw_flow_look(&flow, MIN / 2);
    }
    assert_true(fabs(aw_flow_arrivals(&flow, AW_CLASS_GENERAL).per_hour - 240) < 1);
    assert_true(aw_flow_arrivals(&flow, AW_CLASS_GENERAL).usual_per_hour == 40);
    assert_true(aw_flow_arrivals(&flow, AW_CLASS_OTHER).per_hour < 1);
    assert_in_range((uint64_t)aw_flow_handling_ms(&flow, AW_CLASS_GENERAL), MIN * 48 / 10, 5 * MIN);
    assert_true(fabs(aw_flow_leads(&flow)[4] / aw_flow_leads(&flow)[2] - 3) < 0.1);
    assert_true(aw_flow_leads(&flow)[3] == 0);
    aw_flow_add_arrival(&flow, AW_CLASS_IMMINENT, now, now + 40 * HOUR);
    assert_true(aw_flow_leads(&flow)[AW_FORECAST_LEADS - 1] == 1);
}

static void
test_steps(void **state)
{
    static const struct {
        uint64_t wait_ms, told_min;
    } rows[] = {
        {0, 5},         {1, 5},           {5 * MIN, 5},         {5 * MIN + 1, 10}, {30 * MIN, 30},      {30 * MIN + 1, 45},
        {45 * MIN, 45}, {180 * MIN, 180}, {180 * MIN + 1, 240}, {10 * HOUR, 600},  {10 * HOUR + 1, 660}};

    (void)state;
    for (unsigned i = 0; i < AW_ARRAY_LEN(rows); i++)
        assert_int_equal(aw_promise_round_up(rows[i].wait_ms), rows[i].told_min * MIN);
    assert_int_equal(aw_promise_round_up(UINT64_MAX), UINT64_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins_as_told),
        cmocka_unit_test(test_learns_the_spread),
        cmocka_unit_test(test_who_still_waits_counts),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_forgets),
        cmocka_unit_test(test_no_more_than_so_much),
        cmocka_unit_test(test_rounding_is_counted),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
