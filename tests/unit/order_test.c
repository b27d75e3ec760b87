/* The guarded ratio: a case for every rule and tie of section 6; the choice does not depend on the order of the candidates;
 * and against a slow reference that follows the text step by step, in floating point, over random cases away from ties. */
#include "core/order.h"

#include "support/random.h"

#define MIN      UINT64_C(60000)
#define NOW      UINT64_C(1800000000000)
#define CASE_MAX 5

/* Minutes before and after NOW, for readable tables. */
#define WAITS(minutes)   (NOW - (minutes)*MIN)
#define DEPARTS(minutes) (NOW + (minutes)*MIN)

static const struct aw_order_settings defaults = AW_ORDER_SETTINGS_DEFAULT;

struct order_case {
    const char               *what;
    enum aw_order             order;
    struct aw_order_candidate candidates[CASE_MAX]; /* the first is the one to choose; ids tell where they end */
};

#define CARE(minutes, id_)                                                                                                       \
    {                                                                                                                            \
        AW_CLASS_CARE, WAITS(minutes), 0, 0, id_                                                                                 \
    }
#define IMMINENT(minutes, departs, id_)                                                                                          \
    {                                                                                                                            \
        AW_CLASS_IMMINENT, WAITS(minutes), DEPARTS(departs), 0, id_                                                              \
    }
#define DISRUPTED(minutes, id_)                                                                                                  \
    {                                                                                                                            \
        AW_CLASS_DISRUPTED, WAITS(minutes), 0, 0, id_                                                                            \
    }
#define GENERAL(minutes, id_)                                                                                                    \
    {                                                                                                                            \
        AW_CLASS_GENERAL, WAITS(minutes), 0, 0, id_                                                                              \
    }
#define OTHER(minutes, id_)                                                                                                      \
    {                                                                                                                            \
        AW_CLASS_OTHER, WAITS(minutes), 0, 0, id_                                                                                \
    }

static const struct order_case cases[] = {
    {"one alone", AW_ORDER_RATIO, {OTHER(0, 1)}},
    {"0: care before all, however fresh", AW_ORDER_RATIO, {CARE(0, 4), OTHER(99999, 1), IMMINENT(500, 6, 2), DISRUPTED(9999, 3)}},
    {"0: the oldest care", AW_ORDER_RATIO, {CARE(9, 4), CARE(8, 1), CARE(1, 2)}},
    {"0: care of one age: the smaller id", AW_ORDER_RATIO, {CARE(9, 1), CARE(9, 2)}},
    {"1: a departure in danger before any ratio", AW_ORDER_RATIO, {IMMINENT(0, 29, 4), DISRUPTED(99999, 1), OTHER(99999, 2)}},
    {"1: danger ends at handling + guard: 30 min", AW_ORDER_RATIO, {DISRUPTED(999, 4), IMMINENT(0, 30, 1)}},
    {"1: the earliest that can be made", AW_ORDER_RATIO, {IMMINENT(1, 6, 4), IMMINENT(99, 7, 1), IMMINENT(999, 29, 2)}},
    {"1: made while slack >= handling: 5 min", AW_ORDER_RATIO, {IMMINENT(0, 5, 4), IMMINENT(9, 6, 1)}},
    {"1: one that can't be made is not preferred", AW_ORDER_RATIO, {IMMINENT(1, 20, 4), IMMINENT(30, 4, 1), IMMINENT(30, 0, 2)}},
    {"1: one departure: the older", AW_ORDER_RATIO, {IMMINENT(9, 20, 4), IMMINENT(8, 20, 1)}},
    {"1: one departure, one age: the smaller id", AW_ORDER_RATIO, {IMMINENT(9, 20, 1), IMMINENT(9, 20, 2)}},
    {"2: 61/60 before 240/240", AW_ORDER_RATIO, {DISRUPTED(61, 4), GENERAL(240, 1), OTHER(1440, 2)}},
    {"2: 250/240 before 62/60", AW_ORDER_RATIO, {GENERAL(250, 4), DISRUPTED(62, 1)}},
    {"2: 1500/1440 before 61/60", AW_ORDER_RATIO, {OTHER(1500, 4), DISRUPTED(61, 1)}},
    {"2: imminent far away: target 20", AW_ORDER_RATIO, {IMMINENT(21, 300, 4), DISRUPTED(62, 1)}},
    {"2: and behind a larger ratio", AW_ORDER_RATIO, {DISRUPTED(66, 4), IMMINENT(21, 300, 1)}},
    {"2: imminent at 31: allowed 16, not 20", AW_ORDER_RATIO, {IMMINENT(17, 31, 4), DISRUPTED(63, 1)}},
    {"2: one that can't be made counts as disrupted", AW_ORDER_RATIO, {DISRUPTED(40, 4), IMMINENT(39, 4, 1)}},
    {"2: reply_by shortens", AW_ORDER_RATIO, {{AW_CLASS_OTHER, WAITS(20), 0, DEPARTS(10), 4}, DISRUPTED(119, 1)}},
    {"2: reply_by later than the target does not lengthen",
     AW_ORDER_RATIO,
     {{AW_CLASS_DISRUPTED, WAITS(60), 0, DEPARTS(600), 4}, GENERAL(230, 1)}},
    {"2: reply_by counts while it can be met: handling, 4 min",
     AW_ORDER_RATIO,
     {{AW_CLASS_OTHER, WAITS(20), 0, DEPARTS(4), 4}, DISRUPTED(299, 1)}},
    {"2: and not a moment longer", AW_ORDER_RATIO, {GENERAL(4, 4), {AW_CLASS_OTHER, WAITS(20), 0, DEPARTS(4) - 1, 1}}},
    {"2: nor when it is past", AW_ORDER_RATIO, {GENERAL(4, 4), {AW_CLASS_OTHER, WAITS(20), 0, NOW - 5 * MIN, 1}}},
    {"2: reply_by of an imminent one",
     AW_ORDER_RATIO,
     {{AW_CLASS_IMMINENT, WAITS(20), DEPARTS(99), DEPARTS(10), 4}, DISRUPTED(119, 1)}},
    {"0: reply_by is nothing to care", AW_ORDER_RATIO, {CARE(9, 4), {AW_CLASS_CARE, WAITS(8), 0, DEPARTS(11), 1}}},
    {"1: nor to a departure in danger", AW_ORDER_RATIO, {IMMINENT(0, 29, 4), {AW_CLASS_OTHER, WAITS(999), 0, DEPARTS(5), 1}}},
    {"strict: reply_by is nothing", AW_ORDER_STRICT, {GENERAL(1, 4), {AW_CLASS_OTHER, WAITS(999), 0, DEPARTS(5), 1}}},
    {"3: equal ratios: the older", AW_ORDER_RATIO, {GENERAL(240, 4), DISRUPTED(60, 1)}},
    {"3: equal ratios, one age: the smaller id", AW_ORDER_RATIO, {GENERAL(100, 1), GENERAL(100, 2)}},
    {"3: nobody has waited: the older is the one ahead of the clock the least",
     AW_ORDER_RATIO,
     {{AW_CLASS_OTHER, NOW + 5, 0, 0, 4}, {AW_CLASS_DISRUPTED, NOW + 6, 0, 0, 1}}},
    {"strict: by class", AW_ORDER_STRICT, {CARE(0, 9), IMMINENT(9, 20, 1), DISRUPTED(999, 2), GENERAL(9999, 3), OTHER(99999, 4)}},
    {"strict: imminent by departure", AW_ORDER_STRICT, {IMMINENT(0, 100, 4), IMMINENT(90, 101, 1), DISRUPTED(9999, 2)}},
    {"strict: no ratio", AW_ORDER_STRICT, {DISRUPTED(0, 4), GENERAL(99999, 1)}},
    {"strict: one that can't be made counts as disrupted",
     AW_ORDER_STRICT,
     {IMMINENT(0, 300, 4), IMMINENT(99, 3, 1), DISRUPTED(100, 2)}},
    {"strict: ties", AW_ORDER_STRICT, {DISRUPTED(7, 1), DISRUPTED(7, 2), DISRUPTED(6, 3)}},
};

static size_t
case_count(const struct order_case *case_)
{
    size_t count = 0;

    while (count < CASE_MAX && case_->candidates[count].id != 0)
        count++;
    return count;
}

static void
test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        struct aw_order_settings  settings = defaults;
        struct aw_order_candidate turned[CASE_MAX];
        size_t                    count = case_count(&cases[i]);

        settings.order = cases[i].order;
        for (size_t turn = 0; turn < count; turn++) { /* the one to choose at each place */
            for (size_t at = 0; at < count; at++)
                turned[(at + turn) % count] = cases[i].candidates[at];
            if (aw_order_choose(&settings, NOW, turned, count) != turn)
                fail_msg("%s", cases[i].what);
        }
    }
}

static void
shuffle(struct random *random, struct aw_order_candidate *candidates, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t                    at = random_below(random, (uint32_t)i);
        struct aw_order_candidate swapped = candidates[at];

        candidates[at] = candidates[i - 1];
        candidates[i - 1] = swapped;
    }
}

static struct aw_order_candidate
random_candidate(struct random *random, uint64_t id, uint32_t grain)
{
    struct aw_order_candidate candidate = {
        .class_ = (enum aw_class)random_below(random, AW_CLASS_COUNT),
        .age = NOW - (uint64_t)random_below(random, 300 * grain) * MIN / grain,
        .id = id,
    };

    if (candidate.class_ == AW_CLASS_CARE && random_below(random, 4) != 0)
        candidate.class_ = AW_CLASS_GENERAL; /* else care hides the other rules */
    if (candidate.class_ == AW_CLASS_IMMINENT)
        candidate.departs_at = NOW - 10 * MIN + (uint64_t)random_below(random, 370 * grain) * MIN / grain;
    if (random_below(random, 4) == 0)
        candidate.reply_by = NOW - 10 * MIN + (uint64_t)random_below(random, 300 * grain) * MIN / grain;
    return candidate;
}

/* Coarse times, so that ties are common: the ticket chosen is the same for every order of the candidates. */
static void
test_permutations(void **state)
{
    struct random random = random_of(random_seed(1));

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct aw_order_settings  settings = defaults;
        struct aw_order_candidate candidates[12];
        size_t                    count = 1 + random_below(&random, AW_ARRAY_LEN(candidates));
        uint64_t                  chosen;

        settings.order = random_below(&random, 4) == 0 ? AW_ORDER_STRICT : AW_ORDER_RATIO;
        for (size_t i = 0; i < count; i++)
            candidates[i] = random_candidate(&random, i + 1, 1);
        chosen = candidates[aw_order_choose(&settings, NOW, candidates, count)].id;
        for (int again = 0; again < 8; again++) {
            shuffle(&random, candidates, count);
            assert_int_equal(candidates[aw_order_choose(&settings, NOW, candidates, count)].id, chosen);
        }
    }
}

/* --- the reference: minutes as doubles, one pass a rule ------------------------------------------------------------------- */

static double
minutes_from_now(aw_ms at)
{
    return ((double)at - (double)NOW) / 60000.0;
}

static double
reference_ratio(const struct aw_order_candidate *candidate)
{
    static const double targets[AW_CLASS_COUNT] = {10, 20, 60, 240, 1440};
    static const double handling[AW_CLASS_COUNT] = {10, 5, 8, 6, 4};
    double              slack = minutes_from_now(candidate->departs_at);
    double              window = minutes_from_now(candidate->reply_by);
    double              allowed = targets[candidate->class_];
    double              least = handling[candidate->class_];

    if (candidate->class_ == AW_CLASS_IMMINENT) {
        if (slack < 5) {
            allowed = targets[AW_CLASS_DISRUPTED];
            least = handling[AW_CLASS_DISRUPTED];
        } else if (slack - 15 < allowed) {
            allowed = slack - 15;
        }
    }
    if (candidate->reply_by != 0 && window >= least && window < allowed)
        allowed = window;
    return -minutes_from_now(candidate->age) / (allowed < 1 ? 1 : allowed);
}

/* -1: too close to call in floating point. */
static int
reference_choose(const struct aw_order_candidate *candidates, int count)
{
    int    best = -1;
    double second = -1;

    AW_ASSERT(count > 0);
    for (int i = 0; i < count; i++)
        if (candidates[i].class_ == AW_CLASS_CARE && (best < 0 || candidates[i].age < candidates[best].age))
            best = i;
    if (best >= 0)
        return best;
    for (int i = 0; i < count; i++)
        if (candidates[i].class_ == AW_CLASS_IMMINENT && minutes_from_now(candidates[i].departs_at) >= 5 &&
            (best < 0 || candidates[i].departs_at < candidates[best].departs_at))
            best = i;
    if (best >= 0 && minutes_from_now(candidates[best].departs_at) < 30)
        return best;
    best = 0;
    for (int i = 1; i < count; i++)
        if (reference_ratio(&candidates[i]) > reference_ratio(&candidates[best]))
            best = i;
    for (int i = 0; i < count; i++)
        if (i != best && reference_ratio(&candidates[i]) > second)
            second = reference_ratio(&candidates[i]);
    return reference_ratio(&candidates[best]) - second < 1e-9 ? -1 : best;
}

static void
test_against_reference(void **state)
{
    struct random random = random_of(random_seed(2));
    uint32_t      compared = 0;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        struct aw_order_candidate candidates[10];
        int                       count = 1 + (int)random_below(&random, AW_ARRAY_LEN(candidates));
        int                       expected;

        for (int i = 0; i < count; i++)
            candidates[i] = random_candidate(&random, (uint64_t)i + 1, 60000);
        expected = reference_choose(candidates, count);
        if (expected < 0)
            continue;
        compared++;
        assert_int_equal(aw_order_choose(&defaults, NOW, candidates, (size_t)count), expected);
    }
    assert_true(compared > 190000);
}

static void
test_kappa(void **state)
{
    const struct aw_order_candidate fresh = GENERAL(0, 1);
    const struct aw_order_candidate twice = DISRUPTED(120, 1);
    const struct aw_order_candidate half = CARE(5, 1);
    const struct aw_order_candidate near = IMMINENT(32, 31, 1);
    const struct aw_order_candidate missed = IMMINENT(60, 2, 1);
    const struct aw_order_candidate ages = {AW_CLASS_IMMINENT, 0, DEPARTS(15), 0, 1};

    (void)state;
    assert_int_equal(aw_order_kappa(&defaults, NOW, &fresh), 0);
    assert_int_equal(aw_order_kappa(&defaults, NOW, &twice), 2000);
    assert_int_equal(aw_order_kappa(&defaults, NOW, &half), 500);
    assert_int_equal(aw_order_kappa(&defaults, NOW, &near), 2000);
    assert_int_equal(aw_order_kappa(&defaults, NOW, &missed), 1000);
    assert_int_equal(aw_order_kappa(&defaults, NOW, &ages), UINT32_MAX);
    assert_int_equal(aw_order_allowed_ms(&defaults, NOW, &near), 16 * MIN);
    assert_int_equal(aw_order_allowed_ms(&defaults, NOW, &ages), MIN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_permutations),
        cmocka_unit_test(test_against_reference),
        cmocka_unit_test(test_kappa),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
