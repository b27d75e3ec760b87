/* forecast_board_test.c - proves that what is told of a census is what the forecast says of it, corrected and rounded as in the
 * simulator; that lanes are grouped by who serves them, as far as there are groups; and which promises are said to break.
 *
 * How: censuses made by hand; beside the first, the same queue is given to the forecast itself.
 */
#include "forecast/board.h"
#include "forecast/flow.h"
#include "forecast/promise.h"
#include "forecast/trust.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW    UINT64_C(1775000000000)
#define MINUTE UINT64_C(60000)
#define HOUR   (60 * MINUTE)
#define LANES  64U

static const struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;

static struct aw_board *
make_board(void)
{
    const struct aw_board_config config = {.lanes_max = LANES, .fade_ms = AW_BOARD_FADE_MS};
    struct aw_board             *board;

    assert_int_equal(aw_board_new(&board, &config), AW_OK);
    return board;
}

/* A look at `count` lanes that all give tickets out and were told nothing. */
static void
begin(struct aw_board *board, aw_ms now, uint32_t count)
{
    struct aw_census_lane lanes[LANES];

    for (uint32_t i = 0; i < count; i++)
        lanes[i] = (struct aw_census_lane){.group = AW_PROMISE_NO_GROUP, .gives = true};
    aw_board_begin(board, &order, now);
    aw_board_set_lanes(board, lanes, count);
}

static struct aw_census_ticket
waiting(uint32_t lane, enum aw_class class_, aw_ms since)
{
    return (struct aw_census_ticket){.lane = lane, .class_ = class_, .waits = true, .age = since, .asked_at = since};
}

static uint32_t
group_of(const struct aw_board *board, uint32_t lane)
{
    struct aw_lane_group move;

    assert_true(aw_board_next_move(board, lane, &move));
    assert_int_equal(move.lane, lane);
    return move.group;
}

static const struct aw_told_wait *
told_in(const struct aw_board *board, uint32_t lane, enum aw_class class_)
{
    return &aw_board_told(board, group_of(board, lane))[aw_promise_wait_of(class_, 0, 0)];
}

/* One a minute has come for ten hours, and all wait: what is told is what the forecast says, run as the simulator runs it. */
static void
test_as_the_forecast_says(void **unused)
{
    struct aw_board    *board = make_board();
    struct aw_forecast *forecasts[AW_SHARES];
    struct aw_trust     trust;

    (void)unused;
    begin(board, NOW, 1);
    aw_board_add_agents(board, NULL, 0, 3);
    aw_board_make_groups(board);
    aw_trust_init(&trust, &AW_TRUST_SETTINGS_DEFAULT);
    for (unsigned share = 0; share < AW_SHARES; share++) {
        const struct aw_forecast_staff staff = {.agents = 3};

        assert_int_equal(aw_forecast_new(&forecasts[share], 1), AW_OK);
        aw_forecast_begin(forecasts[share], &order, NOW);
        aw_forecast_set_fade(forecasts[share], AW_BOARD_FADE_MS * (share == AW_HALF ? 1 : AW_FORECAST_SLOWER));
        aw_forecast_add_pool(forecasts[share], 1, &staff, 1);
        aw_forecast_set_arrivals(forecasts[share], 0, AW_CLASS_GENERAL, (struct aw_forecast_arrivals){60, 60});
    }
    for (uint32_t i = 0; i < 600; i++) {
        struct aw_census_ticket ticket = waiting(0, AW_CLASS_GENERAL, NOW - (i + 1) * MINUTE);

        aw_board_add_ticket(board, &ticket);
        for (unsigned share = 0; share < AW_SHARES; share++)
            aw_forecast_add_waiting(forecasts[share], 0, AW_CLASS_GENERAL, ticket.age, 0, 1);
    }
    aw_board_run(board);
    aw_trust_begin(&trust, 0);
    aw_trust_learn(&trust);
    for (unsigned share = 0; share < AW_SHARES; share++)
        aw_forecast_run(forecasts[share]);
    for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++) {
        const struct aw_told_wait *told = told_in(board, 0, class_);
        struct aw_wait             raw, wait;

        for (unsigned share = 0; share < AW_SHARES; share++)
            raw.ms[share] = aw_forecast_wait_ms(forecasts[share], 0, class_, NOW + AW_PROMISE_LEAD_MS / 2);
        if (raw.ms[AW_HALF] == AW_FORECAST_NEVER) {
            assert_int_equal(told->steps[AW_HALF], 0);
            continue;
        }
        if (raw.ms[AW_NINE_OF_TEN] > AW_FORECAST_AHEAD_MS)
            raw.ms[AW_NINE_OF_TEN] = AW_FORECAST_AHEAD_MS;
        wait = aw_trust_correct(&trust, class_, &raw);
        for (unsigned share = 0; share < AW_SHARES; share++) {
            assert_int_equal(told->raw_s[share], raw.ms[share] / 1000);
            assert_int_equal(told->steps[share] * AW_PROMISE_STEP_MS, aw_promise_round_up(wait.ms[share]));
        }
    }
    assert_true(told_in(board, 0, AW_CLASS_GENERAL)->steps[AW_HALF] * AW_PROMISE_STEP_MS > 3 * HOUR);
    assert_in_range(told_in(board, 0, AW_CLASS_CARE)->steps[AW_HALF], 1, 2);
    for (unsigned share = 0; share < AW_SHARES; share++)
        aw_forecast_free(&forecasts[share]);
    aw_board_free(&board);
}

static void
test_nobody_works(void **unused)
{
    struct aw_board      *board = make_board();
    struct aw_census_lane was_told = {.group = 3, .gives = true};
    struct aw_lane_group  move;

    (void)unused;
    begin(board, NOW, 4);
    aw_board_add_agents(board, NULL, 0, 0);
    aw_board_make_groups(board);
    aw_board_run(board);
    assert_false(aw_board_next_move(board, 0, &move));
    for (uint32_t group = 0; group < AW_PROMISE_GROUPS_MAX; group++)
        assert_null(aw_board_told(board, group));
    /* The last one went home: what was told there counts no more. */
    aw_board_begin(board, &order, NOW + MINUTE);
    aw_board_set_lanes(board, &was_told, 1);
    aw_board_make_groups(board);
    aw_board_run(board);
    assert_int_equal(group_of(board, 0), AW_PROMISE_NO_GROUP);
    /* A lane that gives nothing out. */
    was_told.gives = false;
    aw_board_begin(board, &order, NOW + 2 * MINUTE);
    aw_board_set_lanes(board, &was_told, 1);
    aw_board_add_agents(board, NULL, 0, 5);
    aw_board_make_groups(board);
    aw_board_run(board);
    assert_int_equal(group_of(board, 0), AW_PROMISE_NO_GROUP);
    aw_board_free(&board);
}

static void
test_lanes_of_their_own(void **unused)
{
    static const uint32_t left[] = {0, 2}, right[] = {1};
    struct aw_board      *board = make_board();
    uint32_t              first;

    (void)unused;
    for (unsigned round = 0; round < 2; round++) {
        struct aw_census_lane lanes[3];

        begin(board, NOW + round * 30000, 3);
        for (unsigned lane = 0; lane < 3 && round == 1; lane++)
            lanes[lane] = (struct aw_census_lane){.group = lane == 1 ? 9 : 4, .gives = true};
        if (round == 1)
            aw_board_set_lanes(board, lanes, 3);
        aw_board_add_agents(board, right, 1, 10);
        aw_board_add_agents(board, left, 2, 1);
        aw_board_make_groups(board);
        for (uint32_t i = 0; i < 100; i++) {
            struct aw_census_ticket ticket = waiting(2, AW_CLASS_GENERAL, NOW - 2 * HOUR);

            aw_board_add_ticket(board, &ticket);
        }
        aw_board_run(board);
        if (round == 1)
            break;
        first = group_of(board, 0);
        assert_int_equal(group_of(board, 2), first);
        assert_int_not_equal(group_of(board, 1), first);
        assert_true(told_in(board, 0, AW_CLASS_GENERAL)->steps[AW_HALF] > 12);
        assert_int_equal(told_in(board, 1, AW_CLASS_GENERAL)->steps[AW_HALF], 1);
    }
    /* A group keeps its number: no lane moves. */
    assert_non_null(aw_board_told(board, 4));
    assert_non_null(aw_board_told(board, 9));
    assert_false(aw_board_next_move(board, 0, &(struct aw_lane_group){.lane = 0}));
    aw_board_free(&board);
}

/* More sets of lanes than there are groups and pools: every lane is told something all the same. */
static void
test_more_than_groups(void **unused)
{
    struct aw_board *board = make_board();

    (void)unused;
    begin(board, NOW, 40);
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t lanes[] = {i, 40};

        aw_board_add_agents(board, lanes, 1, 1 + i % 3);
    }
    aw_board_make_groups(board);
    aw_board_run(board);
    for (uint32_t lane = 0; lane < 40; lane++)
        assert_int_not_equal(told_in(board, lane, AW_CLASS_OTHER)->steps[AW_HALF], 0);
    aw_board_free(&board);
}

/* Forty teams with as many tickets and agents each are told about the same, whichever of them are one group. */
static void
test_teams_beyond_groups(void **unused)
{
    struct aw_board *board = make_board();
    uint32_t         least = UINT32_MAX, most = 0, lanes_of[AW_PROMISE_GROUPS_MAX] = {0};

    (void)unused;
    begin(board, NOW, 42);
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t lanes[] = {i, 40 + i % 2};

        aw_board_add_agents(board, lanes, i < 38 ? 1 : 2, 2);
    }
    aw_board_make_groups(board);
    for (uint32_t i = 0; i < 400; i++) {
        struct aw_census_ticket ticket = waiting(i % 40, AW_CLASS_GENERAL, NOW - (5 + i / 40) * MINUTE);

        aw_board_add_ticket(board, &ticket);
    }
    aw_board_run(board);
    for (uint32_t lane = 0; lane < 40; lane++) {
        uint32_t steps = told_in(board, lane, AW_CLASS_GENERAL)->steps[AW_HALF];

        least = steps < least ? steps : least;
        most = steps > most ? steps : most;
        lanes_of[group_of(board, lane)]++;
    }
    assert_true(least > 0 && most <= least + 3);
    for (uint32_t group = 0; group < AW_PROMISE_GROUPS_MAX; group++)
        assert_in_range(lanes_of[group], 2, 3);
    /* Who is served by the same is in one group, also beyond. */
    assert_int_equal(group_of(board, 40), group_of(board, 38));
    assert_int_equal(group_of(board, 41), group_of(board, 39));
    aw_board_free(&board);
}

static struct aw_census_ticket
promised(aw_ms since, uint64_t told_ms)
{
    struct aw_census_ticket ticket = waiting(0, AW_CLASS_GENERAL, since);

    ticket.promised_at = since;
    ticket.promised_class = AW_CLASS_GENERAL;
    ticket.told_ms = told_ms;
    ticket.raw_ms[AW_HALF] = told_ms;
    ticket.raw_ms[AW_NINE_OF_TEN] = told_ms;
    ticket.promise = (struct aw_promise){.made_at = since, .half_by = since + told_ms, .nine_of_ten_by = since + told_ms};
    ticket.may_move = true;
    return ticket;
}

static void
test_who_will_be_late(void **unused)
{
    struct aw_board        *board = make_board();
    struct aw_census_ticket near = promised(NOW - 2 * HOUR, 3 * HOUR), far = promised(NOW - MINUTE, HOUR), moved, held, fine;
    struct aw_promise       promise;

    (void)unused;
    fine = promised(NOW - MINUTE, 48 * HOUR);
    begin(board, NOW, 1);
    aw_board_add_agents(board, NULL, 0, 1);
    aw_board_make_groups(board);
    for (uint32_t i = 0; i < 100; i++) {
        struct aw_census_ticket other = waiting(0, AW_CLASS_GENERAL, NOW - HOUR);

        aw_board_add_ticket(board, &other);
    }
    aw_board_add_ticket(board, &near);
    aw_board_add_ticket(board, &far);
    aw_board_add_ticket(board, &fine);
    aw_board_run(board);
    assert_false(aw_board_is_breaking(board, &near, &promise));
    assert_false(aw_board_is_breaking(board, &fine, &promise));
    assert_true(aw_board_is_breaking(board, &far, &promise)); /* a hundred before it, six minutes each */
    assert_int_equal(promise.made_at, NOW);
    assert_true(promise.half_by > far.promise.nine_of_ten_by);
    assert_true(promise.nine_of_ten_by >= promise.half_by);
    moved = far;
    moved.may_move = false;
    assert_false(aw_board_is_breaking(board, &moved, &promise));
    held = far;
    held.waits = false;
    assert_false(aw_board_is_breaking(board, &held, &promise));
    aw_board_free(&board);
}

/* What the run never saw says nothing of a promise: who came while the look went on, and who came back, or into another class or
 * lane, between its two censuses. */
static void
test_who_was_not_counted(void **unused)
{
    struct aw_board        *board = make_board();
    struct aw_census_ticket ticket;
    struct aw_promise       promise;

    (void)unused;
    begin(board, NOW, 2);
    aw_board_add_agents(board, NULL, 0, 20);
    aw_board_make_groups(board);
    for (uint32_t i = 0; i < 3; i++) {
        struct aw_census_ticket other = waiting(0, AW_CLASS_GENERAL, NOW - (5 + i) * MINUTE);

        aw_board_add_ticket(board, &other);
    }
    aw_board_run(board);
    for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++) {
        ticket = promised(NOW + 20, 5 * MINUTE);
        ticket.class_ = class_;
        ticket.departs_at = class_ == AW_CLASS_IMMINENT ? NOW + 3 * HOUR : 0;
        assert_false(aw_board_is_breaking(board, &ticket, &promise));
        ticket = promised(NOW - HOUR, 5 * MINUTE);
        ticket.class_ = class_;
        assert_false(aw_board_is_breaking(board, &ticket, &promise));
    }
    aw_board_free(&board);
}

/* Those who waited longer than was forecast make what is told next longer. */
static void
test_what_came_true_counts(void **unused)
{
    struct aw_board *boards[2] = {make_board(), make_board()};
    uint32_t         told[2];

    (void)unused;
    for (unsigned i = 0; i < 2; i++) {
        begin(boards[i], NOW, 1);
        aw_board_add_agents(boards[i], NULL, 0, 2);
        aw_board_make_groups(boards[i]);
        for (uint32_t k = 0; k < 400; k++) {
            struct aw_census_ticket ticket = waiting(0, AW_CLASS_GENERAL, NOW - 20 * HOUR);
            struct aw_census_ticket taken = promised(NOW - 4 * HOUR, 2 * HOUR);

            taken.waits = false;
            taken.taken_at = NOW - HOUR - k * 1000;
            aw_board_add_ticket(boards[i], &ticket);
            if (i == 1)
                aw_board_add_ticket(boards[i], &taken);
        }
        aw_board_run(boards[i]);
        told[i] = told_in(boards[i], 0, AW_CLASS_GENERAL)->steps[AW_HALF];
    }
    assert_true(told[1] > told[0]);
    aw_board_free(&boards[0]);
    aw_board_free(&boards[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_forecast_says), cmocka_unit_test(test_nobody_works),
        cmocka_unit_test(test_lanes_of_their_own),   cmocka_unit_test(test_more_than_groups),
        cmocka_unit_test(test_teams_beyond_groups),  cmocka_unit_test(test_who_will_be_late),
        cmocka_unit_test(test_who_was_not_counted),  cmocka_unit_test(test_what_came_true_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
