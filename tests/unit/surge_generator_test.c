/* surge_generator_test.c - proves that the generator makes the surge of the model, the same one for the same seed.
 *
 * How: long runs are counted and compared with the measured figures (shares of follow-ups by window, quartiles of gaps,
 * channels, languages, classes, redeliveries) within tolerances that a run of this size keeps for any seed; the seed here is
 * fixed. The level W is compared with its published hours. Texts are checked for all languages.
 */
#include "support/test.h"

#include "base/mem.h"
#include "bench/arrivals/generator.h"
#include "bench/arrivals/random.h"
#include "bench/arrivals/texts.h"
#include "model/message.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define HOUR_MS 3600000U

static struct surge_generator *
open_level(enum surge_level level, double hours, uint64_t seed)
{
    const struct surge_config config = {.seed = seed, .level = level, .hours = hours, .start_hour = 12};
    struct surge_generator   *generator = surge_generator_new(&config);

    assert_non_null(generator);
    return generator;
}

static void
assert_near(double got, double want, double tolerance, const char *what)
{
    if (fabs(got - want) > tolerance)
        fail_msg("%s: %.4f, want %.4f within %.4f", what, got, want, tolerance);
}

/* --- one seed, one surge ---------------------------------------------------------------------------------------------------- */

static void
test_same_seed_same_arrivals(void **state)
{
    struct surge_generator *one = open_level(SURGE_W, 1, 42);
    struct surge_generator *two = open_level(SURGE_W, 1, 42);
    struct surge_generator *other = open_level(SURGE_W, 1, 43);
    struct surge_arrival    a, b, c;
    unsigned                count = 0;
    unsigned                differ = 0;
    aw_ms                   last = 0;

    (void)state;
    while (surge_generator_next(one, &a)) {
        assert_true(surge_generator_next(two, &b));
        assert_int_equal(a.at, b.at);
        assert_int_equal(a.message, b.message);
        assert_int_equal(a.customer, b.customer);
        assert_int_equal(a.text_seed, b.text_seed);
        assert_int_equal(a.departs_ms, b.departs_ms);
        assert_true(a.at >= last && a.at < HOUR_MS);
        last = a.at;
        if (surge_generator_next(other, &c))
            differ += c.customer != a.customer;
        count++;
    }
    assert_false(surge_generator_next(two, &b));
    assert_false(surge_generator_failed(one));
    assert_true(count > 10000 && differ > count / 2);
    surge_generator_free(&one);
    surge_generator_free(&two);
    surge_generator_free(&other);
}

/* A redelivery is the first delivery again, in everything but the time. */
static void
test_redeliveries_are_the_same_message(void **state)
{
    struct surge_generator *generator = open_level(SURGE_W, 2, 5);
    struct surge_arrival   *first = aw_new_array(struct surge_arrival, 200000);
    struct surge_arrival    arrival;
    unsigned                again = 0;

    (void)state;
    assert_non_null(first);
    while (surge_generator_next(generator, &arrival)) {
        assert_true(arrival.message < 200000);
        if (!arrival.redelivered) {
            assert_int_equal(arrival.at, arrival.written_at);
            first[arrival.message] = arrival;
            continue;
        }
        assert_true(arrival.at >= arrival.written_at + 60000 && arrival.at <= arrival.written_at + 4 * HOUR_MS);
        arrival.at = arrival.written_at;
        arrival.redelivered = false;
        assert_memory_equal(&arrival, &first[arrival.message], sizeof(arrival));
        again++;
    }
    assert_true(again > 500);
    free(first);
    surge_generator_free(&generator);
}

/* --- the figures of the model ----------------------------------------------------------------------------------------------- */

struct counts {
    uint64_t messages, redelivered, shots, near, baits, given, in_text;
    uint64_t within[3]; /* with an own previous one within 10 min, 2 h, 24 h */
    uint64_t follow, kinds[SURGE_KIND_COUNT];
    uint64_t channels[SURGE_CHANNEL_COUNT], langs[SURGE_LANG_COUNT], classes[AW_CLASS_COUNT];
    double  *gaps; /* in minutes */
    uint64_t gap_count;
    double   continuation_gaps;
};

#define CUSTOMERS 1000000U
#define GAPS_MAX  400000U

static void
count_gap(struct counts *counts, const struct surge_arrival *arrival, aw_ms *last)
{
    static const double windows[3] = {10, 120, 1440};
    double              gap;

    if (last[arrival->customer] != 0) {
        gap = (double)(arrival->at - (last[arrival->customer] - 1)) / 60000;
        for (unsigned i = 0; i < 3; i++)
            counts->within[i] += gap <= windows[i];
        if (arrival->number > 0 && counts->gap_count < GAPS_MAX)
            counts->gaps[counts->gap_count++] = gap;
    }
    last[arrival->customer] = arrival->at + 1;
}

/* Counts from `from_hour` on: before, follow-ups of earlier hours are missing. */
static struct counts
count_level(enum surge_level level, double hours, double from_hour, uint64_t seed)
{
    struct surge_generator *generator = open_level(level, hours, seed);
    struct counts           counts = {.gaps = calloc(GAPS_MAX, sizeof(double))};
    aw_ms                  *last = calloc(CUSTOMERS, sizeof(aw_ms));
    struct surge_arrival    arrival;
    aw_ms                   from = (aw_ms)(from_hour * HOUR_MS);

    assert_non_null(counts.gaps);
    assert_non_null(last);
    while (surge_generator_next(generator, &arrival)) {
        struct counts before = counts;

        if (arrival.redelivered) {
            counts.redelivered += arrival.at >= from;
            continue;
        }
        count_gap(&counts, &arrival, last);
        if (arrival.at < from) {
            counts = before;
            continue;
        }
        counts.messages++;
        counts.follow += arrival.number > 0;
        counts.kinds[arrival.kind]++;
        counts.channels[arrival.channel]++;
        counts.langs[arrival.lang]++;
        counts.classes[arrival.class_]++;
        counts.shots += arrival.shot;
        counts.near += arrival.near_duplicate;
        counts.baits += arrival.bait;
        counts.given += arrival.flight_given;
        counts.in_text += arrival.flight_in_text;
    }
    free(last);
    surge_generator_free(&generator);
    return counts;
}

static int
compare(const void *a, const void *b)
{
    double one = *(const double *)a;
    double two = *(const double *)b;

    return one < two ? -1 : one > two;
}

static double
share(uint64_t part, const struct counts *counts)
{
    return (double)part / (double)counts->messages;
}

static void
check_gaps(struct counts *counts)
{
    qsort(counts->gaps, counts->gap_count, sizeof(double), compare);
    assert_near(counts->gaps[counts->gap_count / 4], 4.1, 0.4, "first quartile of gaps");
    assert_near(counts->gaps[counts->gap_count / 2], 19, 1.5, "median gap");
    assert_near(counts->gaps[counts->gap_count * 3 / 4], 87, 8, "third quartile of gaps");
    assert_near(counts->gaps[counts->gap_count * 95 / 100], 564, 90, "95th percentile of gaps");
}

/* Ten weeks of a normal desk. */
static void
test_normal(void **state)
{
    struct counts counts = count_level(SURGE_N, 70 * 24, 24, 11);

    (void)state;
    assert_near((double)counts.messages / (69 * 86400.0), 0.058, 0.003, "messages a second");
    assert_near(share(counts.within[0], &counts), 0.166, 0.010, "own previous within 10 min");
    assert_near(share(counts.within[1], &counts), 0.342, 0.012, "own previous within 2 h");
    assert_near(share(counts.within[2], &counts), 0.429, 0.014, "own previous within 24 h");
    check_gaps(&counts);
    assert_near(share(counts.redelivered, &counts), 0.01, 0.001, "redelivered");
    assert_near((double)counts.kinds[SURGE_ANSWER] / (double)counts.follow, 0.333, 0.01, "answers among follow-ups");
    assert_near((double)counts.kinds[SURGE_NUDGE] / (double)counts.follow, 0.25, 0.01, "nudges among follow-ups");
    assert_near((double)counts.kinds[SURGE_CONTINUATION] / (double)counts.follow, 0.1, 0.005, "continuations among follow-ups");
    assert_near(share(counts.classes[AW_CLASS_CARE], &counts), 0.006, 0.001, "care");
    assert_near(share(counts.classes[AW_CLASS_IMMINENT], &counts), 0.135, 0.005, "imminent");
    assert_near(share(counts.classes[AW_CLASS_DISRUPTED], &counts), 0.17, 0.005, "disrupted");
    assert_near(share(counts.baits, &counts), 0.009, 0.001, "baits");
    assert_near(share(counts.in_text, &counts), 0.075, 0.003, "flight in the text");
    assert_true(counts.shots > 0);
    free(counts.gaps);
}

/* A week at ten times the normal level. */
static void
test_disruption(void **state)
{
    struct counts counts = count_level(SURGE_D, 8 * 24, 24, 12);

    (void)state;
    assert_near((double)counts.messages / (7 * 86400.0), 0.55, 0.025, "messages a second");
    assert_near(share(counts.within[0], &counts), 0.207, 0.008, "own previous within 10 min");
    assert_near(share(counts.within[1], &counts), 0.427, 0.012, "own previous within 2 h");
    assert_near(share(counts.within[2], &counts), 0.535, 0.020, "own previous within 24 h");
    check_gaps(&counts);
    assert_near(share(counts.redelivered, &counts), 0.056, 0.002, "redelivered");
    assert_near((double)counts.kinds[SURGE_NUDGE] / (double)counts.follow, 0.5, 0.01, "nudges among follow-ups");
    assert_near(share(counts.channels[SURGE_FACEBOOK], &counts), 0.40, 0.01, "facebook");
    assert_near(share(counts.channels[SURGE_WHATSAPP], &counts), 0.30, 0.01, "whatsapp");
    assert_near(share(counts.langs[SURGE_EN], &counts), 0.50, 0.01, "English");
    assert_near(share(counts.langs[SURGE_NL], &counts), 0.35, 0.01, "Dutch");
    assert_near(share(counts.classes[AW_CLASS_CARE], &counts), 0.012, 0.001, "care");
    assert_near(share(counts.classes[AW_CLASS_IMMINENT], &counts), 0.235, 0.006, "imminent");
    assert_near(share(counts.classes[AW_CLASS_OTHER], &counts), 0.098, 0.005, "other");
    assert_near(share(counts.near, &counts), 0.03, 0.002, "near-duplicates");
    assert_near(share(counts.given, &counts), 0.5, 0.01, "flight handed in");
    free(counts.gaps);
}

/* W over several seeds: a week's worth in its second hour, 242,000 messages in twelve. */
static void
test_week_in_the_hour(void **state)
{
    double hours[12] = {0};
    double sum = 0;
    double episodes = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct surge_generator *generator = open_level(SURGE_W, 12, seed);
        struct surge_arrival    arrival;

        while (surge_generator_next(generator, &arrival)) {
            hours[arrival.at / HOUR_MS] += !arrival.redelivered;
            sum += !arrival.redelivered;
            episodes += !arrival.redelivered && arrival.number == 0;
        }
        surge_generator_free(&generator);
    }
    assert_near(hours[0] / 8, 21600, 4300, "first hour");
    assert_near(hours[1] / 8, 35000, 7000, "second hour");
    assert_near(sum / 8, 242000, 17000, "twelve hours");
    assert_near(episodes / 8, 130000, 9000, "episodes");
}

/* What is structured says what the class says: codes with care, a departure within six hours with imminent, none so near else. */
static void
test_facts_fit_the_class(void **state)
{
    struct surge_generator *generator = open_level(SURGE_W, 2, 3);
    struct surge_arrival    arrival;
    unsigned                cares = 0;
    unsigned                imminent = 0;

    (void)state;
    while (surge_generator_next(generator, &arrival)) {
        int64_t lead_min = (arrival.departs_ms - (int64_t)arrival.written_at) / 60000;
        char    number[9];

        assert_int_equal(arrival.care != 0, arrival.class_ == AW_CLASS_CARE);
        assert_false(arrival.bait && arrival.class_ == AW_CLASS_CARE);
        surge_flight_number(arrival.flight, number);
        assert_true(strlen(number) >= 3 && strlen(number) <= AW_FLIGHT_NUMBER_BYTES_MAX);
        cares += arrival.class_ == AW_CLASS_CARE;
        if (arrival.class_ != AW_CLASS_IMMINENT) {
            assert_true(lead_min < 0 || lead_min > 380);
            continue;
        }
        imminent++;
        assert_true(arrival.flight_given && arrival.departure_given);
        assert_true(lead_min >= 28 && lead_min <= 361);
    }
    assert_true(cares > 200 && imminent > 5000);
    surge_generator_free(&generator);
}

/* --- texts ------------------------------------------------------------------------------------------------------------------ */

static void
test_texts(void **state)
{
    static char             room[80 * 1024], again[80 * 1024];
    struct surge_generator *generator = open_level(SURGE_W, 1, 9);
    struct surge_arrival    arrival;
    uint64_t                count = 0;
    double                  bytes = 0;
    unsigned                seen = 0;

    (void)state;
    while (surge_generator_next(generator, &arrival)) {
        struct aw_buffer one, two;

        aw_buffer_init_fixed(&one, room, sizeof(room));
        aw_buffer_init_fixed(&two, again, sizeof(again));
        surge_texts_write(&arrival, &one);
        surge_texts_write(&arrival, &two);
        assert_false(one.failed);
        assert_true(one.len > 0 && one.len <= AW_TEXT_BYTES_MAX);
        assert_true(aw_slice_is_utf8(aw_buffer_slice(&one)));
        assert_true(aw_slice_eq(aw_buffer_slice(&one), aw_buffer_slice(&two)));
        seen |= 1U << arrival.lang;
        if (arrival.channel != SURGE_MAIL && !arrival.flight_in_text && !arrival.near_duplicate) {
            bytes += (double)one.len;
            count++;
        }
    }
    assert_int_equal(seen, (1U << SURGE_LANG_COUNT) - 1);
    assert_near(bytes / (double)count, 126, 12, "mean length of short messages");
    surge_generator_free(&generator);
}

/* --- random numbers --------------------------------------------------------------------------------------------------------- */

static void
test_distributions(void **state)
{
    struct surge_random random = surge_random_of(1);
    double              unit = 0, normal = 0, square = 0, gamma = 0, beta = 0, few = 0, many = 0;
    const unsigned      n = 200000;

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        double x = surge_random_normal(&random);

        unit += surge_random_unit(&random);
        normal += x;
        square += x * x;
        gamma += surge_random_gamma(&random, 44.4);
        beta += surge_random_beta(&random, 3.11, 2.43);
        few += (double)surge_random_poisson(&random, 0.3);
        many += (double)surge_random_poisson(&random, 500);
    }
    assert_near(unit / n, 0.5, 0.003, "unit");
    assert_near(normal / n, 0, 0.01, "normal");
    assert_near(square / n, 1, 0.02, "normal's variance");
    assert_near(gamma / n, 44.4, 0.1, "gamma");
    assert_near(beta / n, 3.11 / 5.54, 0.003, "beta");
    assert_near(few / n, 0.3, 0.01, "poisson");
    assert_near(many / n, 500, 0.3, "poisson of a large mean");
    /* The published first output of xoshiro256++ for the state 1, 2, 3, 4. */
    random = (struct surge_random){{1, 2, 3, 4}};
    assert_int_equal(surge_random_u64(&random), 41943041);
    assert_int_equal(surge_random_u64(&random), 58720359);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_arrivals),
        cmocka_unit_test(test_redeliveries_are_the_same_message),
        cmocka_unit_test(test_normal),
        cmocka_unit_test(test_disruption),
        cmocka_unit_test(test_week_in_the_hour),
        cmocka_unit_test(test_facts_fit_the_class),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_distributions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
