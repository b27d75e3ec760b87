/* sim_crowd_test.c - proves that a scenario's customers are those of the model, and do only what they may.
 *
 * How: counts, shares and moments over whole runs against the model's figures, within what chance allows (four standard errors);
 * crowds whose needs are answered at once, late, or never.
 */
#include "support/test.h"

#include "bench/surge_sim/agenda.h"
#include "bench/surge_sim/crowd.h"

#include <math.h>
#include <stdlib.h>

static struct sim_crowd *
open_crowd(const struct sim_scenario *scenario, uint64_t seed)
{
    struct sim_crowd *crowd = sim_crowd_new(scenario, seed);

    assert_non_null(crowd);
    return crowd;
}

static void
assert_within(double got, double want, double tolerance, const char *what)
{
    if (fabs(got - want) > tolerance)
        fail_msg("%s: %.5f, want %.5f within %.5f", what, got, want, tolerance);
}

static double
expected_between(const struct sim_scenario *scenario, unsigned from, unsigned to)
{
    const unsigned steps = 512; /* an hour */
    double         sum = 0;

    for (unsigned step = from * steps; step < to * steps; step++)
        sum += sim_scenario_load(scenario, (step + 0.5) / steps) * scenario->base_per_hour / steps;
    return sum;
}

static void
test_counts_by_hour(void **state)
{
    const struct sim_scenario *scenario = sim_scenario_find("R8");
    struct sim_crowd          *crowd = open_crowd(scenario, 1);
    double                     hours[48] = {0};
    double                     all = expected_between(scenario, 0, 48);
    aw_ms                      last = 0;

    (void)state;
    while (sim_crowd_next_at(crowd) != 0) {
        struct sim_event event = sim_crowd_take(crowd);

        assert_true(event.at >= last && event.at >= SIM_START && event.at < SIM_START + 48 * SIM_HOUR);
        assert_int_equal(event.act, SIM_POST);
        last = event.at;
        hours[(event.at - SIM_START) / SIM_HOUR]++;
    }
    assert_within(all, 31668, 2, "the model's total");
    assert_within(sim_crowd_count(crowd), all, 4 * sqrt(all), "needs");
    for (unsigned i = 0; i < 48; i++) {
        double want = expected_between(scenario, i, i + 1);

        assert_within(hours[i], want, 4.5 * sqrt(want), "needs of one hour");
    }
    assert_false(sim_crowd_failed(crowd));
    sim_crowd_free(&crowd);
    assert_null(crowd);
}

static void
test_classes_and_departures(void **state)
{
    const struct sim_scenario *scenario = sim_scenario_find("R8u");
    struct sim_crowd          *crowd = open_crowd(scenario, 7);
    double                     classes[AW_CLASS_COUNT] = {0};
    double                     lead = 0, square = 0;
    double                     count;

    (void)state;
    while (sim_crowd_next_at(crowd) != 0)
        (void)sim_crowd_take(crowd);
    count = sim_crowd_count(crowd);
    for (uint32_t i = 0; i < sim_crowd_count(crowd); i++) {
        const struct sim_need *need = sim_crowd_need(crowd, i);
        double                 minutes = (double)(need->departs_at - need->asked_at) / (double)SIM_MIN;

        classes[need->class_]++;
        assert_int_equal(need->departs_at != 0, need->class_ == AW_CLASS_IMMINENT);
        if (need->class_ != AW_CLASS_IMMINENT)
            continue;
        assert_true(minutes >= 29.99 && minutes <= 360.01);
        lead += minutes;
        square += minutes * minutes;
    }
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        double share = scenario->mix[i] / 100;

        assert_within(classes[i] / count, share, 4 * sqrt(share * (1 - share) / count), "share of a class");
    }
    lead /= classes[AW_CLASS_IMMINENT];
    square /= classes[AW_CLASS_IMMINENT];
    assert_within(lead, 195, 4 * 95.3 / sqrt(classes[AW_CLASS_IMMINENT]), "mean time to departure");
    assert_within(sqrt(square - lead * lead), 95.3, 3, "its deviation");
    sim_crowd_free(&crowd);
}

static void
test_handling(void **state)
{
    const struct sim_scenario *scenario = sim_scenario_find("R8");
    struct sim_crowd          *crowd = open_crowd(scenario, 3);
    double                     sum[AW_CLASS_COUNT] = {0}, square[AW_CLASS_COUNT] = {0}, count[AW_CLASS_COUNT] = {0};

    (void)state;
    while (sim_crowd_next_at(crowd) != 0)
        (void)sim_crowd_take(crowd);
    for (uint32_t i = 0; i < sim_crowd_count(crowd); i++) {
        enum aw_class class_ = sim_crowd_need(crowd, i)->class_;
        double        minutes = sim_crowd_handling_min(crowd, i, 0);

        assert_true(minutes == sim_crowd_handling_min(crowd, i, 0) && minutes != sim_crowd_handling_min(crowd, i, 1));
        sum[class_] += minutes;
        square[class_] += minutes * minutes;
        count[class_]++;
    }
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        double mean = sum[i] / count[i];
        double deviation = sqrt(square[i] / count[i] - mean * mean);

        assert_within(mean, scenario->handling_min[i], 4 * 0.7 * scenario->handling_min[i] / sqrt(count[i]), "mean handling");
        assert_within(deviation / mean, 0.7, 0.1, "its variation");
    }
    sim_crowd_free(&crowd);
}

/* Copies of a quarter; half a message an hour of whoever has waited, for exactly as long as they wait. */
static void
test_writing_again(void **state)
{
    struct sim_scenario scenario = *sim_scenario_find("dup");
    struct sim_crowd   *crowd;
    double              copies = 0, follow_ups = 0, waited_h = 0, needs;
    double              writers_known = 0;

    (void)state;
    scenario.copy_min = 1;
    crowd = open_crowd(&scenario, 5);
    for (aw_ms at; (at = sim_crowd_next_at(crowd)) != 0;) {
        struct sim_event event = sim_crowd_take(crowd);
        struct sim_need *need = sim_crowd_need(crowd, event.need);

        writers_known += event.verified == need->person;
        if (event.at == need->asked_at)
            continue;
        copies += event.writer % 2 == 1;
        follow_ups += event.writer % 2 == 0;
        /* Everybody is answered at the first follow-up, and then writes no more. */
        assert_true(event.writer % 2 == 1 || need->answered_at == 0);
        if (event.writer % 2 == 0)
            need->answered_at = at;
    }
    needs = sim_crowd_count(crowd);
    for (uint32_t i = 0; i < sim_crowd_count(crowd); i++) {
        const struct sim_need *need = sim_crowd_need(crowd, i);
        aw_ms                  until = need->answered_at != 0 ? need->answered_at : SIM_START + 48 * SIM_HOUR;

        waited_h += (double)(until - need->asked_at) / (double)SIM_HOUR;
    }
    assert_within(copies / needs, 0.25, 4 * sqrt(0.25 * 0.75 / needs), "copies");
    assert_within(follow_ups / waited_h, 0.5, 4 * 0.5 / sqrt(follow_ups), "messages an hour of waiting");
    assert_true(writers_known == needs + copies + follow_ups);
    sim_crowd_free(&crowd);
}

static void
test_giving_up(void **state)
{
    struct sim_scenario scenario = *sim_scenario_find("R4");
    struct sim_crowd   *crowd;
    double              left = 0, answered = 0;

    (void)state;
    scenario.patience_hours = 1;
    scenario.hours = 10;
    crowd = open_crowd(&scenario, 5);
    while (sim_crowd_next_at(crowd) != 0) {
        struct sim_event event = sim_crowd_take(crowd);
        struct sim_need *need = sim_crowd_need(crowd, event.need);

        if (event.act == SIM_GIVE_UP) {
            assert_int_equal(need->answered_at, 0);
            assert_int_equal(need->left_at, event.at);
            left++;
        } else if (event.need % 2 == 0) {
            need->answered_at = event.at;
            answered++;
        }
    }
    /* Of the others all but the last ones had the time. */
    assert_true(left > 0.7 * answered && left < answered);
    sim_crowd_free(&crowd);
}

static void
test_clusters(void **state)
{
    struct sim_crowd *crowd = open_crowd(sim_scenario_find("clu"), 5);
    double            may = 0, are = 0, of_one[41] = {0};

    (void)state;
    while (sim_crowd_next_at(crowd) != 0)
        (void)sim_crowd_take(crowd);
    for (uint32_t i = 0; i < sim_crowd_count(crowd); i++) {
        const struct sim_need *need = sim_crowd_need(crowd, i);
        bool                   can = need->class_ == AW_CLASS_DISRUPTED || need->class_ == AW_CLASS_GENERAL;

        assert_true(need->cluster <= 40 && (can || need->cluster == 0));
        may += can;
        are += need->cluster != 0;
        of_one[need->cluster]++;
    }
    assert_within(are / may, 0.5, 4 * 0.5 / sqrt(may), "share in clusters");
    for (unsigned i = 1; i <= 40; i++)
        assert_within(of_one[i], are / 40, 4.5 * sqrt(are / 40), "one cluster");
    sim_crowd_free(&crowd);
}

/* The level W: as many messages as the generator makes, one need an episode, a second delivery under the first one's number. */
static void
test_generated(void **state)
{
    struct sim_scenario     scenario = *sim_scenario_find("W");
    struct surge_config     config = {.seed = 4, .level = SURGE_W, .hours = 1, .start_hour = 12};
    struct surge_generator *generator;
    struct surge_arrival    arrival;
    struct sim_crowd       *crowd;
    uint32_t                episodes = 0;

    (void)state;
    scenario.hours = 1;
    crowd = open_crowd(&scenario, 4);
    generator = surge_generator_new(&config);
    assert_non_null(generator);
    while (surge_generator_next(generator, &arrival)) {
        struct sim_event       event = sim_crowd_take(crowd);
        const struct sim_need *need = sim_crowd_need(crowd, event.need);

        assert_int_equal(event.at, SIM_START + arrival.at);
        assert_int_equal(event.message, arrival.message + 1);
        episodes += arrival.number == 0 && !arrival.redelivered;
        assert_int_equal(sim_crowd_count(crowd), episodes);
        assert_int_equal(need->class_ == AW_CLASS_CARE, arrival.class_ == AW_CLASS_CARE);
        if (need->class_ == AW_CLASS_IMMINENT)
            assert_true(need->departs_at >= need->asked_at + 5 * SIM_MIN && need->departs_at <= need->asked_at + 6 * SIM_HOUR);
    }
    assert_int_equal(sim_crowd_next_at(crowd), 0);
    assert_true(episodes > 5000);
    surge_generator_free(&generator);
    sim_crowd_free(&crowd);
}

static void
test_agenda(void **state)
{
    struct sim_agenda agenda = {0};
    aw_ms             last = 0;
    uint32_t          last_who = 0;

    (void)state;
    assert_null(sim_agenda_first(&agenda));
    for (uint32_t i = 0; i < 5000; i++)
        assert_true(sim_agenda_note(&agenda, 1 + i * 7919U % 100, 0, i));
    for (uint32_t i = 0; i < 5000; i++) {
        const struct sim_entry *entry = sim_agenda_first(&agenda);

        assert_non_null(entry);
        assert_true(entry->at > last || (entry->at == last && entry->who > last_who));
        last = entry->at;
        last_who = entry->who;
        sim_agenda_drop_first(&agenda);
    }
    assert_null(sim_agenda_first(&agenda));
    sim_agenda_fini(&agenda);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agenda),   cmocka_unit_test(test_counts_by_hour), cmocka_unit_test(test_classes_and_departures),
        cmocka_unit_test(test_handling), cmocka_unit_test(test_writing_again),  cmocka_unit_test(test_giving_up),
        cmocka_unit_test(test_clusters), cmocka_unit_test(test_generated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
