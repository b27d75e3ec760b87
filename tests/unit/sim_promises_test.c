/* sim_promises_test.c - proves that what people are told is judged as it is said to be, that telling changes nothing of a run, and
 * that the forecast is nearer than what else is in use, in a small surge of a few hours.
 *
 * How: runs of a tenth of R8 with and without; the share that kept what it was told, of need by need, for figures that are known.
 */
#include "unit/sim_kit.h"

#include "bench/surge_sim/report.h"

static struct sim_result *
run(double fade_hours, uint64_t seed)
{
    struct sim_scenario scenario = sim_kit_part("R8", 10);
    struct sim_setup    setup = {.scenario = &scenario,
                                 .policy = sim_policy_find("guarded"),
                                 .order = AW_ORDER_SETTINGS_DEFAULT,
                                 .seed = seed,
                                 .fade_hours = fade_hours,
                                 .look_ms = 5 * SIM_MIN};
    struct sim_result  *result = aw_new(struct sim_result);
    struct aw_why       why = {0};

    assert_non_null(result);
    scenario.hours = 6;
    if (sim_desk_run(&setup, result, &why) != AW_OK)
        fail_msg("%s", why.text);
    return result;
}

static void
test_nearer_than_others(void **state)
{
    struct sim_result *silent = run(0, 1), *told = run(6, 1), *again = run(6, 1);

    (void)state;
    assert_true(aw_hash128_eq(silent->digest, told->digest));
    assert_memory_equal(&told->told, &again->told, sizeof(told->told));
    assert_true(told->told.of[SIM_FORECAST][SIM_TOLD_ERROR] < 0.25);
    for (enum sim_estimator other = SIM_HEAD_OF_LINE; other < SIM_ESTIMATORS; other++)
        assert_true(told->told.of[SIM_FORECAST][SIM_TOLD_ERROR] < told->told.of[other][SIM_TOLD_ERROR]);
    assert_true(told->told.of[SIM_FORECAST][SIM_TOLD_COVERED] >
                0.7); /* a surge begins, and nobody looks but every five minutes */
    free(silent);
    free(told);
    free(again);
}

static char *
report(const char *what)
{
    const char *const  argv[] = {"surge_sim", "R8", "--seeds", "1", "--hours", "0.5", "--policy", "guarded", what};
    struct sim_options options;
    struct aw_why      why = {0};
    struct sim_study   study;
    char              *text = NULL;
    size_t             bytes = 0;
    FILE              *to = open_memstream(&text, &bytes);

    assert_non_null(to);
    assert_int_equal(sim_options_parse(&options, (int)AW_ARRAY_LEN(argv), argv, &why), AW_OK);
    assert_int_equal(sim_study_run(&study, &options, 0, NULL, &why), AW_OK);
    sim_report_text(to, &study, &options);
    (void)sim_report_targets(to, &study, &options);
    sim_report_json_begin(to, &options);
    sim_report_json_study(to, &study, true);
    assert_true(sim_report_json_end(to));
    sim_study_fini(&study);
    assert_int_equal(fclose(to), 0);
    return text;
}

/* In tables, targets and JSON when asked for, else nowhere. */
static void
test_report(void **state)
{
    char *with = report("--promises"), *without = report("--details");

    (void)state;
    assert_non_null(strstr(with, "last-to-enter-corrected"));
    assert_non_null(strstr(with, "P50 off, median"));
    assert_non_null(strstr(with, "\"told\":{\"forecast\":{\"covered\""));
    assert_null(strstr(without, "told"));
    free(with);
    free(without);
}

static void
test_targets(void **state)
{
    static struct sim_summary     summary;
    const struct sim_told_target *target = sim_told_target_at("R8u", 0);

    (void)state;
    assert_non_null(target);
    assert_null(sim_told_target_at("R8u", 9));
    assert_null(sim_told_target_at("dup", 0));
    summary.told[SIM_FORECAST][target->metric].mean = 0.9;
    assert_true(sim_told_target_is_met(target, &summary));
    summary.told[SIM_FORECAST][target->metric].mean = 0.98;
    assert_false(sim_told_target_is_met(target, &summary));
    summary.told[SIM_FORECAST][target->metric].mean = 0.87;
    assert_false(sim_told_target_is_met(target, &summary));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearer_than_others),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_targets),
    };

    return cmocka_run_group_tests(tests, sim_kit_start, NULL);
}
