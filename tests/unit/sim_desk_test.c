/* sim_desk_test.c - proves that the simulator is right where mathematics knows the answer, and the same for the same seed.
 *
 * How: single-server queues against the formulas of Pollaczek and Khinchine and of Cobham, averaged over many seeds; Little's law
 * to the millisecond on every policy; work that no order can change; each thing that people do (write again, give up, ask in
 * clusters) by what it must change; and the two scenarios that the server's order exists for, shortened.
 */
#include "unit/sim_kit.h"

#include "bench/surge_sim/report.h"
#include "support/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
assert_near(double got, double want, double share, const char *what)
{
    if (fabs(got - want) > share * want)
        fail_msg("%s: %.4f, want %.4f within %.1f %%", what, got, want, 100 * share);
}

/* --- one agent, known answers ----------------------------------------------------------------------------------------------- */

#define SERVICE_MIN 7.0
#define SERVICE_CV  0.7
#define PER_HOUR    6.0
#define RUNS        150U /* a quarter of it, under a sanitizer, is as near: the seeds are always the same */

static const struct sim_scenario one_agent = {.name = "one",
                                              .about = "",
                                              .hours = 192,
                                              .base_per_hour = PER_HOUR,
                                              .load = {{0, 1}},
                                              .load_points = 1,
                                              .staff = {{0, 1}},
                                              .staff_points = 1,
                                              .mix = {0, 0, 0, 0, 1},
                                              .handling_min = {7, 7, 7, 7, 7},
                                              .handling_cv = SERVICE_CV};

/* What is left of the ticket in work when somebody arrives, on average. */
static double
residual_min(void)
{
    return PER_HOUR / 60 * SERVICE_MIN * SERVICE_MIN * (1 + SERVICE_CV * SERVICE_CV) / 2;
}

static void
test_pollaczek_khinchine(void **state)
{
    const char *const policies[] = {"fifo", "guarded", "rabbitmq"}; /* of one class all are the same */
    double            load = PER_HOUR / 60 * SERVICE_MIN;
    uint32_t          runs = random_times(RUNS);

    (void)state;
    for (unsigned i = 0; i < AW_ARRAY_LEN(policies); i++) {
        double mean = 0;
        double busy = 0;

        for (uint64_t seed = 0; seed < runs; seed++) {
            struct sim_result *result = sim_kit_run(&one_agent, policies[i], seed);

            mean += result->of_class[AW_CLASS_OTHER][SIM_MEAN_MIN] / runs;
            busy += result->of_run[SIM_UTILISATION] / runs;
            free(result);
        }
        assert_near(mean, residual_min() / (1 - load), 0.05, policies[i]);
        assert_near(busy, load, 0.01, "utilisation");
    }
}

static void
test_cobham(void **state)
{
    struct sim_scenario two = one_agent;
    double              upper = 0.4 * PER_HOUR / 60 * SERVICE_MIN;
    double              all = PER_HOUR / 60 * SERVICE_MIN;
    double              care = 0, general = 0;
    uint32_t            runs = random_times(RUNS);

    (void)state;
    two.mix[AW_CLASS_CARE] = 0.4;
    two.mix[AW_CLASS_GENERAL] = 0.6;
    two.mix[AW_CLASS_OTHER] = 0;
    for (uint64_t seed = 0; seed < runs; seed++) {
        struct sim_result *result = sim_kit_run(&two, "strict", seed);

        care += result->of_class[AW_CLASS_CARE][SIM_MEAN_MIN] / runs;
        general += result->of_class[AW_CLASS_GENERAL][SIM_MEAN_MIN] / runs;
        free(result);
    }
    assert_near(care, residual_min() / (1 - upper), 0.05, "care");
    assert_near(general, residual_min() / ((1 - upper) * (1 - all)), 0.05, "general");
}

/* --- invariants of every policy --------------------------------------------------------------------------------------------- */

static void
test_littles_law(void **state)
{
    const char *const scenarios[] = {"R8", "dup", "clu"};

    (void)state;
    for (unsigned i = 0; i < AW_ARRAY_LEN(scenarios); i++) {
        struct sim_scenario scenario = sim_kit_part(scenarios[i], 10);

        scenario.hours = 20; /* ends in the middle of it */
        for (unsigned policy = 0; sim_policy_at(policy) != NULL; policy++) {
            struct sim_result *result = sim_kit_run(&scenario, sim_policy_at(policy)->name, 5);

            assert_true(result->tally.waiting_ms > 1000 * SIM_HOUR);
            assert_int_equal(result->tally.waiting_ms, result->tally.waited_ms);
            free(result);
        }
    }
}

/* Each need takes the same time whenever it is handled, so no order changes the work or the arrivals. */
static void
test_an_order_changes_no_work(void **state)
{
    struct sim_scenario scenario = sim_kit_part("R8", 10);
    struct sim_result  *fifo;

    (void)state;
    /* In the last hours nobody asks, so that everybody is served. */
    scenario.load[scenario.load_points++] = (struct sim_point){40, 1};
    scenario.load[scenario.load_points++] = (struct sim_point){40, 0};
    fifo = sim_kit_run(&scenario, "fifo", 9);
    assert_int_equal((int)fifo->of_run[SIM_LEFT_WAITING], 0);
    for (unsigned policy = 0; sim_policy_at(policy) != NULL; policy++) {
        struct sim_result *other;

        if (sim_policy_at(policy)->is_bound)
            continue;
        other = sim_kit_run(&scenario, sim_policy_at(policy)->name, 9);
        assert_int_equal(other->tally.work, fifo->tally.work);
        assert_int_equal(other->tally.refused, 0);
        assert_near(other->tally.busy_ms, fifo->tally.busy_ms, 1e-3, sim_policy_at(policy)->name);
        for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++)
            assert_true(other->of_class[class_][SIM_NEEDS] == fifo->of_class[class_][SIM_NEEDS]);
        free(other);
    }
    free(fifo);
}

/* --- the same seed ---------------------------------------------------------------------------------------------------------- */

static char *
report_of(uint64_t seed)
{
    const char *const  argv[] = {"surge_sim", "dup",  "--seeds",  "2",    "--seed",   seed == 3 ? "3" : "4",
                                 "--load",    "0.05", "--staff",  "0.05", "--policy", "guarded",
                                 "--policy",  "edf",  "--details"};
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
    assert_true(bytes > 3000);
    return text;
}

static void
test_same_seed_same_report(void **state)
{
    char *one = report_of(3);
    char *two = report_of(3);
    char *other = report_of(4);

    (void)state;
    assert_string_equal(one, two);
    assert_string_not_equal(one, other);
    free(one);
    free(two);
    free(other);
}

static void
test_same_seed_same_state(void **state)
{
    struct sim_scenario scenario = sim_kit_part("R16u", 10);
    struct sim_result  *one = sim_kit_run(&scenario, "guarded", 11);
    struct sim_result  *two = sim_kit_run(&scenario, "guarded", 11);
    struct sim_result  *other = sim_kit_run(&scenario, "guarded", 12);

    (void)state;
    assert_true(aw_hash128_eq(one->digest, two->digest));
    assert_false(aw_hash128_eq(one->digest, other->digest));
    assert_memory_equal(one->of_class, two->of_class, sizeof(one->of_class));
    assert_memory_equal(one->waits, two->waits, sizeof(one->waits));
    free(one);
    free(two);
    free(other);
}

/* --- what people do --------------------------------------------------------------------------------------------------------- */

static void
test_folding(void **state)
{
    struct sim_scenario scenario = sim_kit_part("dup", 10);
    struct sim_result  *folded = sim_kit_run(&scenario, "guarded", 2);
    struct sim_result  *unfolded = sim_kit_run(&scenario, "guarded-unfolded", 2);
    struct sim_result  *strangers;

    (void)state;
    assert_true(folded->of_run[SIM_WORK_PER_NEED] < 1.05);
    assert_true(folded->tally.folded > 1000);
    assert_int_equal(unfolded->tally.folded, 0);
    assert_true(unfolded->of_run[SIM_WORK_PER_NEED] > 2);
    scenario.identified = 0; /* nobody knows who the second channel's writer is */
    strangers = sim_kit_run(&scenario, "guarded", 2);
    assert_true(strangers->of_run[SIM_WORK_PER_NEED] > 1.2);
    free(folded);
    free(unfolded);
    free(strangers);
}

static void
test_giving_up(void **state)
{
    struct sim_scenario scenario = sim_kit_part("R8", 10);
    struct sim_result  *patient = sim_kit_run(&scenario, "fifo", 2);
    struct sim_result  *impatient;

    (void)state;
    scenario.patience_hours = 4;
    impatient = sim_kit_run(&scenario, "fifo", 2);
    assert_int_equal((int)patient->of_run[SIM_GAVE_UP], 0);
    assert_true(impatient->of_run[SIM_GAVE_UP] > 100);
    assert_int_equal(impatient->tally.waiting_ms, impatient->tally.waited_ms);
    /* Who is left waits less, and nobody is lost from the count. */
    assert_true(impatient->of_class[AW_CLASS_OTHER][SIM_P90_MIN] < patient->of_class[AW_CLASS_OTHER][SIM_P90_MIN]);
    assert_true(impatient->of_run[SIM_WORK_PER_NEED] < 1);
    free(patient);
    free(impatient);
}

static void
test_wrap_up(void **state)
{
    struct sim_scenario scenario = one_agent;
    struct sim_result  *without = sim_kit_run(&scenario, "fifo", 8);
    struct sim_result  *with;

    (void)state;
    scenario.wrap_up_min = 2;
    with = sim_kit_run(&scenario, "fifo", 8);
    /* Two minutes more a ticket, on the same tickets. */
    assert_near(with->tally.busy_ms - without->tally.busy_ms, (double)(2 * SIM_MIN * without->tally.work), 0.02, "pauses");
    free(without);
    free(with);
}

static void
test_clusters(void **state)
{
    struct sim_scenario scenario = sim_kit_part("clu", 10);
    struct sim_result  *single = sim_kit_run(&scenario, "guarded", 2);
    struct sim_result  *bulk = sim_kit_run(&scenario, "guarded-clusters", 2);

    (void)state;
    assert_int_equal(single->tally.bulk_answered, 0);
    assert_true(bulk->tally.bulk_answered > 100);
    assert_int_equal(bulk->tally.bulk_answered + bulk->tally.work, single->tally.work);
    assert_true(bulk->of_class[AW_CLASS_DISRUPTED][SIM_P90_MIN] < single->of_class[AW_CLASS_DISRUPTED][SIM_P90_MIN]);
    free(single);
    free(bulk);
}

/* Passengers of a flight get one answer; who asks more, and who was taken before, has an agent. Without anybody who answers, it is
 * as if there were no incidents. */
static void
test_incidents(void **state)
{
    struct sim_scenario scenario = sim_kit_part("clu", 10);
    struct sim_result  *plain = sim_kit_run(&scenario, "guarded", 2);
    struct sim_result  *answered = sim_kit_run(&scenario, "guarded-incidents", 2);
    struct sim_result  *odd, *nobody;

    (void)state;
    scenario.odd = 0.3;
    odd = sim_kit_run(&scenario, "guarded-incidents", 2);
    scenario.supervisors = 0;
    nobody = sim_kit_run(&scenario, "guarded-incidents", 2);
    assert_int_equal(answered->of_run[SIM_LEFT_WAITING], 0);
    assert_true(answered->tally.answers >= scenario.clusters / 2);
    assert_true(answered->tally.bulk_answered > 100);
    assert_int_equal(answered->tally.held_out, 0);
    assert_true(answered->tally.work + answered->tally.bulk_answered == plain->tally.work);
    assert_true(answered->of_class[AW_CLASS_DISRUPTED][SIM_P90_MIN] < 0.7 * plain->of_class[AW_CLASS_DISRUPTED][SIM_P90_MIN]);
    assert_int_equal(odd->of_run[SIM_LEFT_WAITING], 0);
    assert_true(odd->tally.held_out > 0);
    assert_true(odd->tally.work + odd->tally.bulk_answered == plain->tally.work);
    assert_true(odd->tally.bulk_answered < answered->tally.bulk_answered);
    assert_int_equal(nobody->tally.answers, 0);
    assert_memory_equal(nobody->of_class, plain->of_class, sizeof(plain->of_class));
    free(plain);
    free(answered);
    free(odd);
    free(nobody);
}

/* The generator's arrivals: episodes and second deliveries, which only a server that folds knows. */
static void
test_generated(void **state)
{
    struct sim_scenario scenario = *sim_scenario_find("W");
    struct sim_result  *folded;
    struct sim_result  *unfolded;

    (void)state;
    scenario.hours = 1;
    folded = sim_kit_run(&scenario, "guarded", 2);
    unfolded = sim_kit_run(&scenario, "rabbitmq", 2);
    assert_true(folded->tally.duplicates > 300);
    assert_true(folded->tally.folded > 1000);
    assert_int_equal(unfolded->tally.duplicates, 0);
    assert_int_equal(unfolded->tally.folded, 0);
    assert_true(unfolded->of_run[SIM_WAITING_MOST] > folded->of_run[SIM_WAITING_MOST]);
    free(folded);
    free(unfolded);
}

/* A handling that outlasts a lease is prolonged, never lost. */
static void
test_long_handling(void **state)
{
    struct sim_scenario scenario = one_agent;
    struct sim_result  *result;

    (void)state;
    scenario.hours = 24;
    scenario.handling_min[AW_CLASS_OTHER] = 150;
    scenario.handling_cv = 0.1;
    result = sim_kit_run(&scenario, "guarded", 1);
    assert_int_equal(result->tally.leases, 24 * 60 / 150 + 1);
    free(result);
}

/* --- what the order is for -------------------------------------------------------------------------------------------------- */

/* The classes share one slowdown; with imminent ones found by departure alone they would not. */
static void
test_one_slowdown(void **state)
{
    const struct sim_scenario *scenario = sim_scenario_find("R8");
    struct sim_result         *guarded = sim_kit_run(scenario, "guarded", 1);
    struct sim_result         *one_order = sim_kit_run(scenario, "guarded-one-order", 1);

    (void)state;
    assert_true(guarded->of_run[SIM_RATIO_SPREAD] <= 0.1);
    assert_true(guarded->of_run[SIM_MISSED] <= 0.005);
    assert_true(one_order->of_run[SIM_RATIO_SPREAD] > 2);
    free(guarded);
    free(one_order);
}

static void
test_guarded_order(void **state)
{
    const struct sim_scenario *scenario = sim_scenario_find("R8u");
    struct sim_result         *guarded = sim_kit_run(scenario, "guarded", 1);
    struct sim_result         *fifo = sim_kit_run(scenario, "fifo", 1);

    (void)state;
    assert_true(guarded->of_run[SIM_CARE_OVER_30] == 0);
    assert_true(guarded->of_run[SIM_MISSED] <= 0.005);
    assert_true(fifo->of_run[SIM_CARE_OVER_30] > 0.5);
    assert_true(fifo->of_run[SIM_MISSED] > 0.5);
    free(guarded);
    free(fifo);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pollaczek_khinchine),
        cmocka_unit_test(test_cobham),
        cmocka_unit_test(test_littles_law),
        cmocka_unit_test(test_an_order_changes_no_work),
        cmocka_unit_test(test_same_seed_same_report),
        cmocka_unit_test(test_same_seed_same_state),
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_giving_up),
        cmocka_unit_test(test_wrap_up),
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_incidents),
        cmocka_unit_test(test_generated),
        cmocka_unit_test(test_long_handling),
        cmocka_unit_test(test_one_slowdown),
        cmocka_unit_test(test_guarded_order),
    };

    return cmocka_run_group_tests(tests, sim_kit_start, NULL);
}
