/* sim_policy_test.c - proves that each policy is what its name says, on a handful of tickets, and that the command line says
 * what is wrong with it.
 *
 * How: the same five waiting tickets are put where the policy puts them and taken one by one; the order is written down for each.
 */
#include "support/test.h"

#include "bench/surge_sim/options.h"
#include "bench/surge_sim/policy.h"
#include "bench/surge_sim/study.h"

#include <string.h>

#define NOW          (SIM_START + 10 * SIM_HOUR)
#define AGO(minutes) (NOW - (minutes)*SIM_MIN)
#define IN(minutes)  (NOW + (minutes)*SIM_MIN)

struct waiting {
    char          letter;
    enum aw_class class_;
    aw_ms         age;
    aw_ms         departs_at;
};

static const struct waiting five[] = {
    {'o', AW_CLASS_OTHER, AGO(600), 0},        {'g', AW_CLASS_GENERAL, AGO(300), 0}, {'d', AW_CLASS_DISRUPTED, AGO(150), 0},
    {'i', AW_CLASS_IMMINENT, AGO(24), IN(90)}, {'c', AW_CLASS_CARE, AGO(2), 0},
};
/* Three with a departure: far and old, near and young, and one that is missed by now. */
static const struct waiting flights[] = {
    {'f', AW_CLASS_IMMINENT, AGO(100), IN(200)},
    {'n', AW_CLASS_IMMINENT, AGO(1), IN(20)},
    {'m', AW_CLASS_IMMINENT, AGO(60), IN(2)},
    {'d', AW_CLASS_DISRUPTED, AGO(90), 0},
};

/* Takes all, and writes down in which order. */
static void
take_all(const char *name, const struct waiting *tickets, unsigned count, char *ret_letters)
{
    const struct sim_policy *policy = sim_policy_find(name);
    struct aw_order_settings settings = AW_ORDER_SETTINGS_DEFAULT;
    bool                     taken[8] = {false};

    assert_non_null(policy);
    settings.order = policy->order;
    for (unsigned turn = 0; turn < count; turn++) {
        struct sim_heads heads = {.count = 0};
        unsigned         at[SIM_QUEUES] = {0};
        unsigned         best;

        for (unsigned queue = 0; queue < SIM_QUEUES; queue++) {
            aw_ms least = UINT64_MAX;

            for (unsigned i = 0; i < count; i++) {
                bool          is_missed = tickets[i].class_ == AW_CLASS_IMMINENT && tickets[i].departs_at < NOW + 5 * SIM_MIN;
                enum aw_class now = is_missed ? AW_CLASS_DISRUPTED : tickets[i].class_;
                struct sim_waiting waiting = {.class_ = tickets[i].class_,
                                              .now = now,
                                              .age = tickets[i].age,
                                              .key = now == AW_CLASS_IMMINENT ? tickets[i].departs_at : tickets[i].age};
                struct sim_place   place = policy->place(&settings, &waiting);

                if (taken[i] || place.queue != queue || place.key >= least)
                    continue;
                least = place.key;
                at[heads.count] = i;
                heads.candidates[heads.count] =
                    (struct aw_order_candidate){.class_ = (enum aw_class)queue,
                                                .age = tickets[i].age,
                                                .departs_at = queue == AW_CLASS_IMMINENT ? tickets[i].departs_at : 0,
                                                .id = i + 1};
            }
            heads.count += least != UINT64_MAX;
        }
        best = policy->choose != NULL ? policy->choose(&settings, NOW, &heads, turn)
                                      : (unsigned)aw_order_choose(&settings, NOW, heads.candidates, heads.count);
        ret_letters[turn] = tickets[at[best]].letter;
        for (unsigned i = 0; i < count; i++)
            taken[i] = taken[i] || tickets[i].letter == ret_letters[turn];
    }
    ret_letters[count] = '\0';
}

static void
test_orders_of_five(void **state)
{
    static const struct {
        const char *policy;
        const char *letters;
    } rows[] = {
        {"fifo", "ogdic"},            /* the oldest */
        {"edf", "dgico"},             /* due 90 and 60 min ago, 4 min ago, in 8 min, in 14 h */
        {"strict", "cidgo"},          /* by class */
        {"ratio", "dgioc"},           /* 2.5, 1.25, 1.2, 0.42, 0.2 */
        {"rabbitmq", "cidgo"},        /* by class */
        {"rabbitmq-quorum", "icogd"}, /* two of the upper level, then by age */
        {"beanstalkd", "cidgo"},      /* by class */
        {"beanstalkd-due", "dgico"},  /* as edf */
        {"strict-departures", "cidgo"},
        {"guarded", "cdgio"}, /* care, then by ratio: nobody is about to miss a departure */
        {"departures-first", "icdgo"},
    };
    char letters[8];

    (void)state;
    for (unsigned i = 0; i < AW_ARRAY_LEN(rows); i++) {
        take_all(rows[i].policy, five, AW_ARRAY_LEN(five), letters);
        assert_string_equal(letters, rows[i].letters);
    }
}

static void
test_departures(void **state)
{
    char letters[8];

    (void)state;
    take_all("strict", flights, 4, letters);
    assert_string_equal(letters, "fmnd"); /* by age; knows no departures */
    take_all("strict-departures", flights, 4, letters);
    assert_string_equal(letters, "nfdm"); /* by departure; the missed one is disrupted, and younger */
    take_all("guarded", flights, 4, letters);
    assert_string_equal(letters, "nfdm"); /* the one in danger, then 5.0, 1.5, 1.0 */
}

static enum aw_err
parse(struct sim_options *options, struct aw_why *why, const char *a, const char *b)
{
    const char *const argv[] = {"surge_sim", a, b};

    *why = (struct aw_why){0};
    return sim_options_parse(options, b != NULL ? 3 : 2, argv, why);
}

static void
test_wrong_words(void **state)
{
    static const struct {
        const char *a, *b, *says;
    } rows[] = {
        {"R9", NULL, "R8u"},
        {"--policy", "lifo", "lifo"},
        {"--policy", NULL, "wants a name"},
        {"--seeds", NULL, "wants a value"},
        {"--seeds", "0", "1 to 1000"},
        {"--seeds", "many", "1 to 1000"},
        {"--svg", "", "no value"},
        {"--hours", "1000", "0.5 to 192"},
        {"--hours", NULL, "wants a value"},
        {"--identified", "nan", "0 to 1"},
        {"--colour", "red", "unknown"},
    };
    struct sim_options options;
    struct aw_why      why;

    (void)state;
    for (unsigned i = 0; i < AW_ARRAY_LEN(rows); i++) {
        assert_int_equal(parse(&options, &why, rows[i].a, rows[i].b), AW_E_CONFIG);
        if (strstr(why.text, rows[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", why.text, rows[i].says);
    }
}

static void
test_right_words(void **state)
{
    struct sim_options options;
    struct aw_why      why;

    (void)state;
    assert_int_equal(parse(&options, &why, "--check", NULL), AW_OK);
    assert_int_equal(options.scenario_count, 7);
    assert_true(options.check && !options.help && !options.details);
    assert_int_equal(parse(&options, &why, "--staff", "2"), AW_OK);
    assert_int_equal(sim_scenario_staff_most(&options.scenarios[1]), 260);
    assert_int_equal(parse(&options, &why, "--guard-min", "40"), AW_OK);
    assert_int_equal(options.order.guard_ms, 40 * SIM_MIN);
    assert_int_equal(parse(&options, &why, "--identified", "0.5"), AW_OK);
    assert_true(options.scenarios[4].identified == 0.5);
}

/* Targets are for scenarios that exist; one that is missed is told from one that is reached. */
static void
test_targets(void **state)
{
    static struct sim_summary summary;
    const struct sim_target  *target = sim_target_at("dup", 0);

    (void)state;
    assert_non_null(target);
    assert_null(sim_target_at("dup", 1));
    assert_null(sim_target_at("none", 0));
    summary.of_run[SIM_WORK_PER_NEED].mean = 1.05;
    assert_true(sim_target_is_met(target, &summary));
    summary.of_run[SIM_WORK_PER_NEED].mean = 1.051;
    assert_false(sim_target_is_met(target, &summary));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_of_five), cmocka_unit_test(test_departures), cmocka_unit_test(test_wrong_words),
        cmocka_unit_test(test_right_words),    cmocka_unit_test(test_targets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
