/* The desk's surge: which messages, lanes and pulls it holds for, declare, change, end and undo with versions, what a trial leaves
 * alone, bounds, lanes that help earlier while it lasts, and that a checkpoint and a replay go on with it.
 * How: values are asked directly; commands go through the state machine, whose digest is checked after each. */
#include "core_kit.h"

#include "core/layout.h"
#include "model/surge.h"

static struct aw_command
try_surge(struct kit *kit, const struct aw_surge *surge, uint64_t if_version, bool dry_run)
{
    struct aw_command command = {.kind = AW_COMMAND_SURGE,
                                 .in.surge = {.surge = surge, .if_match.version = if_version, .dry_run = dry_run}};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_command
try_undo(struct kit *kit, struct aw_change_id change)
{
    struct aw_command command = {.kind = AW_COMMAND_UNDO, .in.undo.change = change};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_surge
simple(void)
{
    return (struct aw_surge){
        .is_on = 1, .order = AW_SURGE_ORDER_STRICT, .target_s = {[AW_CLASS_GENERAL] = 36000}, .reason = "ash"};
}

/* --- what it holds for ------------------------------------------------------------------------------------------------------ */

static void
test_lanes(void **unused)
{
    struct aw_surge surge = {.is_on = 1, .lane_count = 2, .lanes = {3, 7}};

    (void)unused;
    assert_true(aw_surge_holds_in(&surge, 3));
    assert_false(aw_surge_holds_in(&surge, 4));
    assert_true(aw_surge_holds_in_any(&surge, (const uint32_t[]){1, 5, 7, 9}, 4));
    assert_false(aw_surge_holds_in_any(&surge, (const uint32_t[]){1, 5, 9}, 3));
    assert_true(aw_surge_holds_in_any(&surge, NULL, 0));
    surge.lane_count = 0;
    assert_true(aw_surge_holds_in(&surge, 4));
    assert_true(aw_surge_holds_in_any(&surge, (const uint32_t[]){1}, 1));
    surge.is_on = 0;
    assert_false(aw_surge_holds_in(&surge, 3));
    assert_false(aw_surge_holds_in_any(&surge, NULL, 0));
}

static void
test_messages(void **unused)
{
    const struct aw_flight_fact  flight = {.flight_hash = 11, .from = {'A', 'M', 'S'}, .to = {'J', 'F', 'K'}};
    const struct aw_flight_fact  unknown = {.flight_hash = 0};
    const struct aw_airport_code airport = {{'R', 'T', 'M'}};
    struct aw_in_message         message = {.channel = AW_SLICE("twitter")};
    struct aw_surge              surge = {.is_on = 1, .lane_count = 1, .lanes = {2}, .channel_count = 1, .channels = {"twitter"}};

    (void)unused;
    assert_true(aw_surge_covers(&surge, &message, 2));
    message.addressed = AW_ADDRESSED_ABOUT_US; /* who does not talk to us is told nothing */
    assert_false(aw_surge_covers(&surge, &message, 2));
    message.addressed = AW_ADDRESSED_TO_US;
    assert_false(aw_surge_covers(&surge, &message, 3));
    message.channel = AW_SLICE("twitte");
    assert_false(aw_surge_covers(&surge, &message, 2));
    surge.channel_count = 0;
    assert_true(aw_surge_covers(&surge, &message, 2));
    surge.flight_count = 1;
    surge.flights[0].hash = 11;
    assert_false(aw_surge_covers(&surge, &message, 2));
    message.flights = &unknown;
    message.flight_count = 1;
    assert_false(aw_surge_covers(&surge, &message, 2));
    message.flights = &flight;
    assert_true(aw_surge_covers(&surge, &message, 2));
    surge.flights[0].hash = 12;
    assert_false(aw_surge_covers(&surge, &message, 2));
    surge.airport_count = 1;
    memcpy(surge.airports[0].letters, "JFK", 3);
    assert_true(aw_surge_covers(&surge, &message, 2));
    memcpy(surge.airports[0].letters, "RTM", 3);
    assert_false(aw_surge_covers(&surge, &message, 2));
    message.airports = &airport;
    message.airport_count = 1;
    assert_true(aw_surge_covers(&surge, &message, 2));
    surge.is_on = 0;
    assert_false(aw_surge_covers(&surge, &message, 2));
}

static void
test_words_and_order(void **unused)
{
    struct aw_surge surge = {
        .is_on = 1, .notice_count = 2, .notices = {{.lang = "pt", .text = "oi"}, {.lang = "nl", .text = "druk"}}};
    struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;
    struct aw_order_settings now;

    (void)unused;
    assert_true(aw_slice_eq(aw_surge_notice(&surge, AW_SLICE("pt-BR")), AW_SLICE("oi")));
    assert_true(aw_slice_eq(aw_surge_notice(&surge, AW_SLICE("NL")), AW_SLICE("druk")));
    assert_int_equal(aw_surge_notice(&surge, AW_SLICE("en")).len, 0);
    surge.notices[1].lang[0] = '\0';
    assert_true(aw_slice_eq(aw_surge_notice(&surge, AW_SLICE("en")), AW_SLICE("druk")));
    assert_true(aw_slice_eq(aw_surge_notice(&surge, (struct aw_slice){NULL, 0}), AW_SLICE("druk")));
    memset(surge.notices[0].text, 'x', sizeof(surge.notices[0].text)); /* no zero behind it */
    assert_int_equal(aw_surge_notice(&surge, AW_SLICE("pt")).len, AW_SURGE_NOTICE_BYTES_MAX);

    now = aw_surge_apply_order(&surge, &order);
    assert_memory_equal(&now, &order, sizeof(now));
    surge.order = AW_SURGE_ORDER_STRICT;
    surge.target_s[AW_CLASS_OTHER] = 60;
    now = aw_surge_apply_order(&surge, &order);
    assert_int_equal(now.order, AW_ORDER_STRICT);
    assert_int_equal(now.target_ms[AW_CLASS_OTHER], 60000);
    assert_int_equal(now.target_ms[AW_CLASS_CARE], order.target_ms[AW_CLASS_CARE]);
    surge.is_on = 0;
    now = aw_surge_apply_order(&surge, &order);
    assert_memory_equal(&now, &order, sizeof(now));
}

/* --- changes ----------------------------------------------------------------------------------------------------------------- */

static void
test_declare_change_end_and_undo(void **unused)
{
    struct kit           kit;
    struct aw_surge      surge = simple();
    struct aw_surge_view view;
    struct aw_command    first, command;

    (void)unused;
    kit_open(&kit);
    (void)kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL});
    aw_state_surge(kit.state, &view);
    assert_int_equal(view.version, 0);
    assert_int_equal(view.now.is_on, 0);
    command = try_surge(&kit, NULL, 0, false); /* there is none */
    assert_false(command.out.changed);
    command = try_surge(&kit, &surge, 0, true);
    assert_false(command.out.changed);
    assert_int_equal(command.out.u.change.now.surge.turn, AW_SURGE_DECLARED);
    assert_int_equal(command.out.u.change.now.tickets, 1);
    assert_int_equal(try_surge(&kit, &surge, AW_VERSION_SOME, false).out.err, AW_E_PRECONDITION);

    first = try_surge(&kit, &surge, 0, false);
    assert_true(first.out.u.change.created);
    assert_int_equal(first.out.u.change.now.surge.turn, AW_SURGE_DECLARED);
    assert_int_equal(first.out.u.change.now.surge.version, 1);
    kit.now += KIT_HOUR;
    assert_false(try_surge(&kit, &surge, 1, false).out.changed); /* as asked already */
    surge.target_s[AW_CLASS_GENERAL] = 7200;
    command = try_surge(&kit, &surge, 1, false);
    assert_false(command.out.u.change.created);
    assert_int_equal(command.out.u.change.now.surge.turn, AW_SURGE_CHANGED);
    aw_state_surge(kit.state, &view);
    assert_int_equal(view.now.since, KIT_START); /* it lasts */
    assert_int_equal(view.change.seq, command.out.seq);
    assert_int_equal(try_undo(&kit, first.out.u.change.now.surge.change).out.err, AW_E_OVERTAKEN);

    command = try_surge(&kit, NULL, 0, false);
    assert_int_equal(command.out.u.change.now.surge.turn, AW_SURGE_ENDED);
    assert_int_equal(command.out.u.change.now.tickets, 1);
    aw_state_surge(kit.state, &view);
    assert_int_equal(view.now.is_on, 0);
    assert_int_equal(view.now.since, 0);
    command = try_undo(&kit, command.out.u.change.now.surge.change);
    assert_int_equal(command.out.err, AW_OK);
    assert_int_equal(command.out.u.change.now.surge.turn, AW_SURGE_DECLARED);
    aw_state_surge(kit.state, &view);
    assert_int_equal(view.now.since, KIT_START);
    assert_int_equal(view.now.target_s[AW_CLASS_GENERAL], 7200);
    assert_int_equal(view.change.seq, 0); /* an undo is not undone */
    assert_int_equal(view.version, 4);
    kit_close(&kit);
}

/* An undo under a key is answered again, also after the surge went on. */
static void
test_undo_under_a_key(void **unused)
{
    struct kit        kit;
    struct aw_surge   surge = simple();
    struct aw_command command, again;

    (void)unused;
    kit_open(&kit);
    command = try_surge(&kit, &surge, 0, false);
    command = (struct aw_command){.kind = AW_COMMAND_UNDO,
                                  .once = {.key = kit_hash(7), .request = 5},
                                  .in.undo = {.change = command.out.u.change.now.surge.change, .dry_run = true}};
    assert_int_equal(kit_apply(&kit, &command), AW_OK); /* nothing is remembered of a trial */
    command.in.undo.dry_run = false;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(command.out.u.change.now.surge.turn, AW_SURGE_ENDED);
    (void)try_surge(&kit, &surge, 0, false);
    again = command;
    assert_int_equal(kit_apply(&kit, &again), AW_OK);
    assert_true(again.out.repeated);
    assert_true(again.out.u.change.now.duplicate);
    assert_int_equal(again.out.u.change.now.of, AW_CHANGE_SURGE);
    assert_int_equal(again.out.u.change.now.surge.version, 2);
    kit_close(&kit);
}

static void
test_bounds(void **unused)
{
    struct kit      kit;
    struct aw_surge bad;

    (void)unused;
    kit_open(&kit);
    for (unsigned i = 0;; i++) {
        bad = simple();
        if (i == 0)
            bad.lanes[bad.lane_count++] = 2; /* there are two: 0 and 1 */
        else if (i == 1)
            bad = (struct aw_surge){.is_on = 1, .lane_count = 2, .lanes = {1, 1}};
        else if (i == 2)
            bad.lane_count = AW_SURGE_LANES_MAX + 1;
        else if (i == 3)
            bad.channel_count = AW_CHANNELS_MAX + 1;
        else if (i == 4)
            bad.flight_count = AW_SURGE_FLIGHTS_MAX + 1;
        else if (i == 5)
            bad.flight_count = 1; /* without a hash */
        else if (i == 6)
            bad.airport_count = AW_SURGE_AIRPORTS_MAX + 1;
        else if (i == 7)
            bad.notice_count = AW_SURGE_NOTICES_MAX + 1;
        else if (i == 8)
            bad.order = AW_SURGE_ORDER_STRICT + 1;
        else if (i == 9)
            bad.target_s[0] = AW_SURGE_TARGET_S_MAX + 1;
        else if (i == 10)
            bad.overflow_after_s = AW_LANE_HELP_S_MAX + 1;
        else if (i == 11)
            bad.is_on = 0; /* off is said by leaving it out */
        else
            break;
        assert_int_equal(try_surge(&kit, &bad, 0, false).out.err, AW_E_BAD_VALUE);
    }
    assert_int_equal(aw_state_surge_version(kit.state), 0);
    assert_int_equal(
        try_undo(&kit, (struct aw_change_id){.seq = 1, .slot = 1, .shard = KIT_SHARD, .of = AW_CHANGE_SURGE}).out.err,
        AW_E_NOT_FOUND);
    kit_close(&kit);
}

/* --- what it decides --------------------------------------------------------------------------------------------------------- */

static void
test_acknowledgements(void **unused)
{
    struct kit           kit;
    struct aw_surge      surge = simple();
    struct aw_in_message message = {.channel = AW_SLICE("mail")};

    (void)unused;
    kit_open(&kit);
    assert_true(aw_surge_acknowledges(kit.state, &message, 0));
    surge.is_receipt = 1;
    surge.channel_count = 1;
    memcpy(surge.channels[0], "twitter", 7);
    (void)try_surge(&kit, &surge, 0, false);
    assert_true(aw_surge_acknowledges(kit.state, &message, 0));
    message.channel = AW_SLICE("twitter");
    assert_false(aw_surge_acknowledges(kit.state, &message, 0));
    (void)try_surge(&kit, NULL, 0, false);
    assert_true(aw_surge_acknowledges(kit.state, &message, 0));
    kit_close(&kit);
}

/* Sets timers anew and carries out those that are due. */
static void
run_timers(struct kit *kit)
{
    struct aw_command command;

    aw_state_begin(kit->state, aw_state_seq(kit->state) + 1, kit->now);
    aw_state_rearm(kit->state);
    while (aw_state_due(kit->state, kit->now, &command))
        (void)kit_apply(kit, &command);
}

static void
test_help_comes_earlier(void **unused)
{
    struct kit            kit;
    struct aw_surge       surge = {.is_on = 1, .overflow_after_s = 600};
    struct aw_lane_helper helper = {.lane = AW_SLICE("main"), .after_s = 3600};
    struct aw_command     lane = {.kind = AW_COMMAND_LANE,
                                  .in.lane = {.name = AW_SLICE("nl"), .helpers = &helper, .helper_count = 1}};
    struct aw_ticket_id   early, late;

    (void)unused;
    kit_open(&kit);
    (void)kit_apply(&kit, &lane);
    early = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL, .lane = "nl"}).ticket;
    kit.now += 700000;
    late = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL, .lane = "nl"}).ticket;
    run_timers(&kit);
    assert_int_equal(kit_view(&kit, early).help.count, 0);
    surge.lane_count = 1; /* it holds elsewhere */
    (void)try_surge(&kit, &surge, 0, false);
    run_timers(&kit);
    assert_int_equal(kit_view(&kit, early).help.count, 0);
    surge.lane_count = 0;
    (void)try_surge(&kit, &surge, 0, false);
    run_timers(&kit);
    assert_int_equal(kit_view(&kit, early).help.count, 1);
    assert_int_equal(kit_view(&kit, early).help.by[0].after_s, 600);
    assert_int_equal(kit_view(&kit, late).help.count, 0);
    (void)try_surge(&kit, NULL, 0, false);
    run_timers(&kit);
    kit.now += 700000;
    run_timers(&kit);
    assert_int_equal(kit_view(&kit, early).help.count, 1); /* goes on until it is taken */
    assert_int_equal(kit_view(&kit, late).help.count, 0);
    kit.now += 3600000;
    run_timers(&kit);
    assert_int_equal(kit_view(&kit, late).help.count, 1);
    kit_close(&kit);
}

/* --- checkpoint -------------------------------------------------------------------------------------------------------------- */

static void
test_a_checkpoint(void **unused)
{
    struct kit                from, to;
    struct aw_surge           surge = simple();
    struct aw_surge_view      a, b;
    struct aw_checkpoint_mark mark;
    struct aw_chunk           chunk;
    struct aw_command         first;
    struct aw_why             why;

    (void)unused;
    kit_open(&from);
    kit_open(&to);
    first = try_surge(&from, &surge, 0, false);
    assert_true(aw_state_cut_begin(from.state, &mark));
    surge.order = AW_SURGE_ORDER_RATIO;
    (void)try_surge(&from, &surge, 0, false); /* behind the cut */
    while (aw_state_cut_next(from.state, &chunk, &mark))
        assert_int_equal(aw_state_load_chunk(to.state, &chunk, &why), AW_OK);
    aw_state_cut_end(from.state);
    assert_int_equal(aw_state_load_finish(to.state, &mark, &why), AW_OK);
    aw_state_surge(to.state, &a);
    assert_int_equal(a.version, 1);
    assert_int_equal(a.now.order, AW_SURGE_ORDER_STRICT);
    assert_int_equal(a.change.seq, first.out.seq);
    to.now = from.now;
    (void)try_surge(&to, &surge, 0, false);
    aw_state_surge(from.state, &a);
    aw_state_surge(to.state, &b);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_true(aw_hash128_eq(aw_state_digest(from.state), aw_state_digest(to.state)));
    kit_close(&from);
    kit_close(&to);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_words_and_order),
        cmocka_unit_test(test_declare_change_end_and_undo),
        cmocka_unit_test(test_undo_under_a_key),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_acknowledgements),
        cmocka_unit_test(test_help_comes_earlier),
        cmocka_unit_test(test_a_checkpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
