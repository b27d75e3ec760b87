/* forecast_run_test.c - proves that the forward run is the server's rule with as many agents: against formulas where there are
 * some, and ticket by ticket against a desk that takes one after the other by core/order.
 *
 * How: queues of one class, of two with arrivals, of all at random with departures that are missed on the way; agents who come and
 * go, lanes of several pools; what is asked for and not there; the same twice.
 */
#include "support/random.h"
#include "support/test.h"

#include "core/order.h"
#include "forecast/forecast.h"

#include <math.h>

#define NOW  UINT64_C(1776231000000)
#define MIN  UINT64_C(60000)
#define HOUR (60 * MIN)

static struct aw_order_settings order;

static struct aw_forecast *
begin(uint32_t groups)
{
    struct aw_forecast *forecast;

    order = AW_ORDER_SETTINGS_DEFAULT;
    assert_int_equal(aw_forecast_new(&forecast, groups), AW_OK);
    aw_forecast_begin(forecast, &order, NOW);
    return forecast;
}

static void
add_agents(struct aw_forecast *forecast, uint32_t groups, double agents)
{
    const struct aw_forecast_staff staff = {.from = NOW - HOUR, .agents = agents};

    aw_forecast_add_pool(forecast, groups, &staff, 1);
}

static void
assert_near(uint64_t ms, double expected_ms, double share)
{
    if (fabs((double)ms - expected_ms) > share * expected_ms + 30000)
        fail_msg("%.1f min instead of %.1f", (double)ms / (double)MIN, expected_ms / (double)MIN);
}

static uint64_t
wait_of(const struct aw_forecast *forecast, enum aw_class class_)
{
    return aw_forecast_wait_ms(forecast, 0, class_, 0);
}

/* 600 tickets of 6 minutes over 10 agents: the new one waits 6 hours, who came in the middle half of it. */
static void
test_one_class(void **state)
{
    struct aw_forecast *forecast = begin(1);

    (void)state;
    for (unsigned i = 1; i <= 600; i++)
        aw_forecast_add_waiting(forecast, 0, AW_CLASS_GENERAL, NOW - i * MIN, 0, 1);
    add_agents(forecast, 1, 10);
    aw_forecast_run(forecast);
    assert_near(wait_of(forecast, AW_CLASS_GENERAL), 6 * HOUR, 0.005);
    for (unsigned i = 1; i < 600; i += 7)
        assert_near(aw_forecast_left_ms(forecast, 0, AW_CLASS_GENERAL, NOW - i * MIN, 0), (600.5 - i) * 6 * MIN / 10, 0.01);
    assert_int_equal(aw_forecast_left_ms(forecast, 0, AW_CLASS_GENERAL, NOW - 700 * MIN, 0), AW_FORECAST_NEVER);
    assert_near(wait_of(forecast, AW_CLASS_CARE), 0, 0);
    aw_forecast_free(&forecast);
    aw_forecast_free(&forecast);
}

/* Care comes all the time and goes first: of 10 agents 4 are left for the others. Then its surge fades. */
static void
test_arrivals_go_before(void **state)
{
    struct aw_forecast *forecast = begin(1);
    double              work_ms = 100 * 6 * (double)MIN, tau_ms = 2 * (double)HOUR / log(2), at_ms = 0;

    (void)state;
    aw_forecast_add_waiting(forecast, 0, AW_CLASS_GENERAL, NOW - 30 * MIN, 0, 100);
    aw_forecast_set_handling(forecast, AW_CLASS_CARE, 10 * (double)MIN);
    aw_forecast_set_arrivals(forecast, 0, AW_CLASS_CARE, (struct aw_forecast_arrivals){36, 36});
    add_agents(forecast, 1, 10);
    aw_forecast_run(forecast);
    assert_near(wait_of(forecast, AW_CLASS_GENERAL), work_ms / 4, 0.01);

    aw_forecast_begin(forecast, &order, NOW);
    aw_forecast_add_waiting(forecast, 0, AW_CLASS_GENERAL, NOW - 30 * MIN, 0, 100);
    aw_forecast_set_handling(forecast, AW_CLASS_CARE, 10 * (double)MIN);
    aw_forecast_set_arrivals(forecast, 0, AW_CLASS_CARE, (struct aw_forecast_arrivals){48, 12});
    aw_forecast_set_fade(forecast, 2 * HOUR);
    add_agents(forecast, 1, 10);
    aw_forecast_run(forecast);
    for (unsigned i = 0; i < 50; i++) /* agents' time = the work there is + 2 agents always + 6 that fade */
        at_ms = (work_ms + 6 * tau_ms * (1 - exp(-at_ms / tau_ms))) / 8;
    assert_near(wait_of(forecast, AW_CLASS_GENERAL), at_ms, 0.01);
    aw_forecast_free(&forecast);
}

static void
test_staff(void **state)
{
    const struct aw_forecast_staff staff[] = {{NOW + HOUR, 5}, {NOW + 2 * HOUR, 20}, {NOW + 3 * HOUR, 0}};
    struct aw_forecast            *forecast = begin(1);

    (void)state;
    aw_forecast_add_waiting(forecast, 0, AW_CLASS_GENERAL, NOW - MIN, 0, 150); /* 50 in the second hour, 200 in the third */
    aw_forecast_add_pool(forecast, 1, staff, 3);
    aw_forecast_run(forecast);
    assert_near(wait_of(forecast, AW_CLASS_GENERAL), 2.5 * HOUR, 0.005);
    aw_forecast_begin(forecast, &order, NOW);
    aw_forecast_add_waiting(forecast, 0, AW_CLASS_GENERAL, NOW - MIN, 0, 251);
    aw_forecast_add_pool(forecast, 1, staff, 3);
    aw_forecast_run(forecast);
    assert_int_equal(wait_of(forecast, AW_CLASS_GENERAL), AW_FORECAST_NEVER);
    assert_near(aw_forecast_left_ms(forecast, 0, AW_CLASS_GENERAL, NOW - MIN, 0), 2.375 * HOUR, 0.005); /* half of them */
    assert_near(wait_of(forecast, AW_CLASS_CARE), HOUR, 0);
    aw_forecast_begin(forecast, &order, NOW);
    aw_forecast_run(forecast); /* nobody there */
    assert_int_equal(wait_of(forecast, AW_CLASS_CARE), AW_FORECAST_NEVER);
    aw_forecast_free(&forecast);
}

/* Lanes of their own agents, and a pool that serves both. */
static void
test_groups(void **state)
{
    struct aw_forecast *forecast = begin(2);

    (void)state;
    for (unsigned shared = 0; shared < 2; shared++) {
        aw_forecast_begin(forecast, &order, NOW);
        aw_forecast_add_waiting(forecast, 0, AW_CLASS_GENERAL, NOW - 90 * MIN, 0, 100);
        aw_forecast_add_waiting(forecast, 1, AW_CLASS_GENERAL, NOW - 30 * MIN, 0, 50);
        add_agents(forecast, shared ? 3 : 1, 5);
        add_agents(forecast, shared ? 3 : 2, 5);
        aw_forecast_run(forecast);
        assert_near(aw_forecast_wait_ms(forecast, 0, AW_CLASS_GENERAL, 0), (shared ? 90 : 120) * (double)MIN, 0.02);
        assert_near(aw_forecast_wait_ms(forecast, 1, AW_CLASS_GENERAL, 0), (shared ? 90 : 60) * (double)MIN, 0.02);
        assert_near(aw_forecast_left_ms(forecast, 0, AW_CLASS_GENERAL, NOW - 90 * MIN, 0), (shared ? 30 : 60) * (double)MIN,
                    0.02);
    }
    aw_forecast_free(&forecast);
}

/* Of three groups: one hour, two hours, never; the first gets half of what comes, the others a quarter each. */
static void
test_whole_desk(void **state)
{
    struct aw_forecast *forecast = begin(3);
    uint64_t            one, two;

    (void)state;
    for (unsigned arrivals = 0; arrivals < 2; arrivals++) {
        aw_forecast_begin(forecast, &order, NOW);
        for (unsigned i = 0; i < 3; i++) {
            double per_hour = i == 0 ? 1e-3 : 5e-4;

            aw_forecast_add_waiting(forecast, i, AW_CLASS_GENERAL, NOW - HOUR, 0, 50 * (i + 1));
            if (arrivals)
                aw_forecast_set_arrivals(forecast, i, AW_CLASS_GENERAL, (struct aw_forecast_arrivals){per_hour, per_hour});
        }
        add_agents(forecast, 1, 5);
        add_agents(forecast, 2, 5);
        aw_forecast_run(forecast);
        one = aw_forecast_wait_ms(forecast, 0, AW_CLASS_GENERAL, 0);
        two = aw_forecast_wait_ms(forecast, 1, AW_CLASS_GENERAL, 0);
        assert_near(one, HOUR, 0.01);
        assert_near(two, 2 * HOUR, 0.01);
        assert_int_equal(aw_forecast_desk_wait_ms(forecast, AW_CLASS_GENERAL, 0, 0.5), arrivals ? one : two);
        assert_int_equal(aw_forecast_desk_wait_ms(forecast, AW_CLASS_GENERAL, 0, 0.65), two);
        assert_int_equal(aw_forecast_desk_wait_ms(forecast, AW_CLASS_GENERAL, 0, 0.75), arrivals ? two : AW_FORECAST_NEVER);
        assert_int_equal(aw_forecast_desk_wait_ms(forecast, AW_CLASS_GENERAL, 0, 0.9), AW_FORECAST_NEVER);
    }
    aw_forecast_free(&forecast);
}

/* --- against a desk --------------------------------------------------------------------------------------------------------- */

enum { TICKETS = 1500, AGENTS = 20 };

struct ticket {
    struct aw_order_candidate candidate;
    double                    taken_ms;
    bool                      is_taken;
};

static void
make_tickets(struct ticket *tickets, struct random *random)
{
    for (unsigned i = 0; i < TICKETS; i++) {
        struct aw_order_candidate *candidate = &tickets[i].candidate;

        tickets[i] = (struct ticket){.taken_ms = 0};
        candidate->class_ = random_below(random, 25) == 0 ? AW_CLASS_CARE : (enum aw_class)(1 + random_below(random, 4));
        candidate->age = NOW - random_below(random, 3 * HOUR);
        candidate->departs_at = candidate->class_ == AW_CLASS_IMMINENT ? NOW + 6 * MIN + random_below(random, 350 * MIN) : 0;
        candidate->id = i + 1;
    }
}

/* One agent after the other takes the best of all; each ticket takes the handling time of its class. */
static void
work(struct ticket *tickets)
{
    double free_ms[AGENTS];

    for (unsigned i = 0; i < AGENTS; i++) /* not all at the same moment */
        free_ms[i] = (double)i * 6 * MIN / AGENTS;
    for (unsigned turn = 0; turn < TICKETS; turn++) {
        struct ticket *best = NULL;
        unsigned       agent = 0;
        aw_ms          now;

        for (unsigned i = 1; i < AGENTS; i++)
            agent = free_ms[i] < free_ms[agent] ? i : agent;
        now = NOW + (aw_ms)free_ms[agent];
        for (unsigned i = 0; i < TICKETS; i++) {
            if (!tickets[i].is_taken &&
                (best == NULL || aw_order_goes_before(&order, now, &tickets[i].candidate, &best->candidate)))
                best = &tickets[i];
        }
        best->is_taken = true;
        best->taken_ms = free_ms[agent];
        if (best->candidate.class_ == AW_CLASS_IMMINENT &&
            best->candidate.departs_at < now + order.handling_ms[AW_CLASS_IMMINENT])
            free_ms[agent] += (double)order.handling_ms[AW_CLASS_DISRUPTED];
        else
            free_ms[agent] += (double)order.handling_ms[best->candidate.class_];
    }
}

/* Nine of ten within a twentieth, or three minutes; all but one in fifty within a tenth, or ten. */
static void
check_against_desk(struct aw_forecast *forecast, struct ticket *tickets, uint64_t seed)
{
    struct random random = random_of(seed);
    unsigned      off = 0, far_off = 0;

    make_tickets(tickets, &random);
    aw_forecast_begin(forecast, &order, NOW);
    for (unsigned i = 0; i < TICKETS; i++) {
        const struct aw_order_candidate *candidate = &tickets[i].candidate;

        aw_forecast_add_waiting(forecast, 0, candidate->class_, candidate->age, candidate->departs_at, 1);
    }
    add_agents(forecast, 1, AGENTS);
    aw_forecast_run(forecast);
    work(tickets);
    for (unsigned i = 0; i < TICKETS; i++) {
        const struct aw_order_candidate *candidate = &tickets[i].candidate;
        double left_ms = (double)aw_forecast_left_ms(forecast, 0, candidate->class_, candidate->age, candidate->departs_at);
        double error_ms = fabs(left_ms - tickets[i].taken_ms);

        off += error_ms > fmax(tickets[i].taken_ms / 20, 3 * (double)MIN);
        far_off += error_ms > fmax(tickets[i].taken_ms / 10, 10 * (double)MIN);
    }
    if (off > TICKETS / 10 || far_off > TICKETS / 50)
        fail_msg("seed %lu: %u off, %u far off", (unsigned long)seed, off, far_off);
}

static void
test_as_a_desk_does(void **state)
{
    static struct ticket tickets[TICKETS];
    struct aw_forecast  *forecast = begin(1);

    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        order.order = seed % 2 == 0 ? AW_ORDER_STRICT : AW_ORDER_RATIO;
        check_against_desk(forecast, tickets, seed);
    }
    aw_forecast_free(&forecast);
}

/* --- limits ----------------------------------------------------------------------------------------------------------------- */

/* Who has waited for a week, departures beyond the hours that count, 200,000 at once: and not one bucket more than there are. */
static void
test_limits(void **state)
{
    struct aw_forecast *forecast = begin(1);
    uint64_t            again[2] = {0, 0};

    (void)state;
    for (unsigned run = 0; run < 2; run++) {
        aw_forecast_begin(forecast, &order, NOW);
        aw_forecast_add_waiting(forecast, 0, AW_CLASS_OTHER, NOW - 200 * HOUR, 0, 3);
        aw_forecast_add_waiting(forecast, 0, AW_CLASS_OTHER, NOW + HOUR, 0, 3); /* a clock ahead of ours */
        aw_forecast_add_waiting(forecast, 0, AW_CLASS_IMMINENT, NOW - 30 * HOUR, NOW + 100 * HOUR, 3);
        aw_forecast_add_waiting(forecast, 0, AW_CLASS_IMMINENT, NOW - 30 * HOUR, NOW - HOUR, 3);
        for (unsigned i = 0; i < 200000; i++)
            aw_forecast_add_waiting(forecast, 0, (enum aw_class)(i % AW_CLASS_COUNT), NOW - i * 360, NOW + i % 300 * MIN, 1);
        for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++)
            aw_forecast_set_arrivals(forecast, 0, class_, (struct aw_forecast_arrivals){100, 100});
        add_agents(forecast, 1, 600);
        aw_forecast_run(forecast);
        assert_true(aw_forecast_left_ms(forecast, 0, AW_CLASS_OTHER, NOW - 200 * HOUR, 0) < AW_FORECAST_AHEAD_MS);
        assert_true(aw_forecast_left_ms(forecast, 0, AW_CLASS_OTHER, NOW + HOUR, 0) < AW_FORECAST_AHEAD_MS);
        assert_true(aw_forecast_left_ms(forecast, 0, AW_CLASS_IMMINENT, NOW - 30 * HOUR, NOW + 100 * HOUR) <
                    AW_FORECAST_AHEAD_MS);
        assert_true(aw_forecast_wait_ms(forecast, 0, AW_CLASS_IMMINENT, NOW + 20 * HOUR) < AW_FORECAST_AHEAD_MS);
        assert_in_range(aw_forecast_picks(forecast), 4000, 60000);
        again[run] = wait_of(forecast, AW_CLASS_OTHER);
    }
    assert_int_equal(again[0], again[1]);
    assert_in_range(again[0], 20 * HOUR, 60 * HOUR);
    aw_forecast_free(&forecast);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_class), cmocka_unit_test(test_arrivals_go_before), cmocka_unit_test(test_staff),
        cmocka_unit_test(test_groups),    cmocka_unit_test(test_whole_desk),         cmocka_unit_test(test_as_a_desk_does),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
