/* core_promise_test.c - proves what customers are told: a ticket that opens is promised what was published for its lane, class and
 * departure, in every receipt and lease; what keeps a promise and what makes a new one; that it is judged once, moves at most
 * every two hours, and that all of it is read back from a checkpoint.
 *
 * How: forecasts made by hand, with a figure of its own in every place, and the lives of single tickets.
 */
#include "core/census.h"
#include "core/search.h"
#include "core_kit.h"

#define STEP AW_PROMISE_STEP_MS

/* Half and nine of ten: two figures that tell group, class and lead. */
static uint32_t
half_steps(uint32_t group, uint32_t wait)
{
    return 1 + 100 * group + wait;
}
static uint32_t
nine_steps(uint32_t group, uint32_t wait)
{
    return 1000 + half_steps(group, wait);
}

static struct aw_command
publish_with(struct kit *kit, uint32_t group, const struct aw_lane_group *lanes, uint32_t count)
{
    struct aw_told_wait waits[AW_PROMISE_WAITS];
    struct aw_command   command = {
          .kind = AW_COMMAND_FORECAST,
          .in.forecast = {.group = group, .base = kit->now, .waits = waits, .lanes = lanes, .lane_count = count}};

    for (uint32_t i = 0; i < AW_PROMISE_WAITS; i++)
        waits[i] = (struct aw_told_wait){.raw_s = {10 * i + group, 20 * i + group},
                                         .steps = {(uint16_t)half_steps(group, i), (uint16_t)nine_steps(group, i)}};
    (void)kit_apply(kit, &command);
    command.in.forecast.waits = NULL;
    return command;
}

/* `main` is of this group. */
static void
publish(struct kit *kit, uint32_t group)
{
    const struct aw_lane_group main_lane = {0, (uint8_t)group};

    assert_int_equal(publish_with(kit, group, &main_lane, 1).out.err, AW_OK);
}

static void
assert_told(struct aw_promise promise, aw_ms made_at, uint32_t half, uint32_t nine)
{
    assert_int_equal(promise.made_at, made_at);
    assert_int_equal(promise.half_by, made_at + half * STEP);
    assert_int_equal(promise.nine_of_ten_by, made_at + nine * STEP);
}

/* How many a search for them finds. */
static uint32_t
found_breaking(const struct kit *kit)
{
    struct aw_search_place found[4];
    struct aw_search       search = {
              .filter = {.lane = AW_SEARCH_LANE_ANY, .states = UINT8_MAX, .classes = UINT8_MAX, .is_breaking = true},
              .found = found,
              .room = 4};

    assert_int_equal(aw_search_begin(kit->state, &search), AW_OK);
    assert_true(aw_search_step(kit->state, &search, 1000));
    return search.count;
}

static struct aw_out_message
post(struct kit *kit, uint64_t id, enum aw_class class_)
{
    return kit_post(kit, (struct kit_post){.id = id, .who = {id}, .class_ = class_});
}

static struct aw_state_counts
counts_of(const struct kit *kit)
{
    struct aw_state_counts counts;

    aw_state_counts(kit->state, &counts);
    return counts;
}

static void
test_nothing_is_known_at_first(void **unused)
{
    struct kit            kit;
    struct aw_out_message out;

    (void)unused;
    kit_open(&kit);
    out = post(&kit, 1, AW_CLASS_GENERAL);
    assert_int_equal(out.promise.made_at, 0);
    assert_int_equal(kit_view(&kit, out.ticket).promise.made_at, 0);
    (void)kit_lease(&kit, out.ticket, "ann", KIT_HOUR);
    assert_int_equal(counts_of(&kit).promises_kept[AW_CLASS_GENERAL], 0);
    assert_int_equal(counts_of(&kit).promises_broken[AW_CLASS_GENERAL], 0);
    kit_close(&kit);
}

static void
test_what_is_told(void **unused)
{
    struct kit            kit;
    struct aw_out_message out;
    struct aw_command     again;

    (void)unused;
    kit_open(&kit);
    publish(&kit, 2);
    for (uint32_t class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
        uint32_t wait = class_ > AW_CLASS_IMMINENT ? class_ - 1 : class_;

        if (class_ == AW_CLASS_IMMINENT)
            continue;
        out = post(&kit, 1 + class_, (enum aw_class)class_);
        assert_told(out.promise, kit.now, half_steps(2, wait), nine_steps(2, wait));
        assert_told(kit_view(&kit, out.ticket).promise, kit.now, half_steps(2, wait), nine_steps(2, wait));
    }
    /* By departure, from when it was published. */
    kit.now += 60000;
    out = kit_post(
        &kit, (struct kit_post){
                  .id = 11, .who = {11}, .class_ = AW_CLASS_GENERAL, .departs_at = KIT_START + 3 * KIT_HOUR + 9 * KIT_MINUTE});
    assert_int_equal(out.class_, AW_CLASS_IMMINENT);
    assert_told(out.promise, kit.now, half_steps(2, 4 + 18), nine_steps(2, 4 + 18));
    out = kit_post(&kit, (struct kit_post){
                             .id = 12, .who = {12}, .class_ = AW_CLASS_GENERAL, .departs_at = KIT_START + 6 * KIT_HOUR + 30000});
    assert_told(out.promise, kit.now, half_steps(2, 4 + 36), nine_steps(2, 4 + 36));
    /* Who was only talked about is promised nothing; the same message twice keeps what is recorded. */
    out = kit_post(&kit, (struct kit_post){.id = 13, .who = {13}, .class_ = AW_CLASS_OTHER, .addressed = AW_ADDRESSED_ABOUT_US});
    assert_int_equal(out.promise.made_at, 0);
    again = kit_try_post(&kit, (struct kit_post){.id = 11, .who = {11}});
    assert_true(again.out.u.message.duplicate);
    kit_close(&kit);
}

static void
test_a_forecast_grows_old(void **unused)
{
    struct kit kit;

    (void)unused;
    kit_open(&kit);
    publish(&kit, 0);
    kit.now += AW_PROMISE_GOOD_MS;
    assert_int_not_equal(post(&kit, 1, AW_CLASS_OTHER).promise.made_at, 0);
    kit.now += 1;
    assert_int_equal(post(&kit, 2, AW_CLASS_OTHER).promise.made_at, 0);
    publish(&kit, 0);
    assert_int_not_equal(post(&kit, 3, AW_CLASS_OTHER).promise.made_at, 0);
    kit_close(&kit);
}

static void
test_lanes_have_groups(void **unused)
{
    struct kit            kit;
    struct aw_lane_group  lanes[] = {{0, 1}, {2, 1}};
    struct aw_lane_group  wrong = {7, 1}, none = {0, AW_PROMISE_NO_GROUP}, beyond = {0, AW_PROMISE_GROUPS_MAX};
    struct aw_out_message out;

    (void)unused;
    kit_open(&kit);
    kit_lane(&kit, "refunds", AW_LANE_OPEN, NULL);
    assert_int_equal(publish_with(&kit, 1, &wrong, 1).out.err, AW_E_NOT_FOUND);
    assert_int_equal(publish_with(&kit, 1, &beyond, 1).out.err, AW_E_BAD_VALUE);
    assert_int_equal(publish_with(&kit, AW_PROMISE_GROUPS_MAX, lanes, 1).out.err, AW_E_BAD_VALUE);
    assert_int_equal(publish_with(&kit, 15, lanes, 1).out.err, AW_OK);
    assert_int_equal(publish_with(&kit, 1, lanes, 2).out.err, AW_OK);
    out = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_CARE, .lane = "refunds"});
    assert_told(out.promise, kit.now, half_steps(1, 0), nine_steps(1, 0));
    /* A lane of no group is told nothing; a new one neither, before it has one. */
    assert_int_equal(publish_with(&kit, 1, &none, 1).out.err, AW_OK);
    assert_int_equal(post(&kit, 2, AW_CLASS_CARE).promise.made_at, 0);
    kit_lane(&kit, "new", AW_LANE_OPEN, NULL);
    out = kit_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_CARE, .lane = "new"});
    assert_int_equal(out.promise.made_at, 0);
    /* A lane that is changed stays in its group. */
    kit_lane(&kit, "refunds", AW_LANE_PAUSED_OUT, NULL);
    out = kit_post(&kit, (struct kit_post){.id = 4, .who = {4}, .class_ = AW_CLASS_CARE, .lane = "refunds"});
    assert_told(out.promise, kit.now, half_steps(1, 0), nine_steps(1, 0));
    kit_close(&kit);
}

/* Folding, a transfer and a lease keep it; who comes back after it was answered gets a new one. */
static void
test_what_keeps_it(void **unused)
{
    struct kit            kit;
    struct aw_out_message out, joined;
    struct aw_lease_id    lease;
    struct aw_command     command;
    aw_ms                 opened_at;

    (void)unused;
    kit_open(&kit);
    kit_lane(&kit, "refunds", AW_LANE_OPEN, NULL);
    publish(&kit, 0);
    out = post(&kit, 1, AW_CLASS_GENERAL);
    opened_at = kit.now;
    kit.now += KIT_MINUTE;
    publish(&kit, 3);
    joined = kit_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_DISRUPTED});
    assert_true(joined.folded);
    assert_told(joined.promise, opened_at, half_steps(0, 2), nine_steps(0, 2));
    command = kit_try_lease(&kit, out.ticket.slot, kit_view(&kit, out.ticket).version, "ann", KIT_HOUR);
    assert_told(command.out.u.lease.promise, opened_at, half_steps(0, 2), nine_steps(0, 2));
    lease = command.out.u.lease.lease;
    assert_int_equal(kit_transfer(&kit, lease, "ann", "refunds", NULL).out.err, AW_OK);
    assert_told(kit_view(&kit, out.ticket).promise, opened_at, half_steps(0, 2), nine_steps(0, 2));
    kit_complete(&kit, kit_lease(&kit, out.ticket, "bob", KIT_HOUR), "bob");
    assert_int_equal(kit_place(&kit, out.ticket, AW_CLASS_OTHER, NULL).out.err, AW_E_WRONG_STATE);
    assert_int_equal(counts_of(&kit).promises_kept[AW_CLASS_GENERAL], 1); /* of all its leases the first counts */
    /* In a lane of which nothing is known any more. */
    joined = kit_post(&kit, (struct kit_post){.id = 3, .who = {1}, .class_ = AW_CLASS_GENERAL});
    assert_true(joined.reopened);
    assert_int_equal(joined.promise.made_at, 0);
    kit_close(&kit);
}

static void
test_reopened_is_told_anew(void **unused)
{
    struct kit            kit;
    struct aw_out_message out;

    (void)unused;
    kit_open(&kit);
    publish(&kit, 0);
    out = post(&kit, 1, AW_CLASS_GENERAL);
    kit_complete(&kit, kit_lease(&kit, out.ticket, "ann", KIT_HOUR), "ann");
    kit.now += KIT_HOUR;
    publish(&kit, 1);
    out = kit_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_GENERAL});
    assert_true(out.reopened);
    assert_told(out.promise, kit.now, half_steps(1, 2), nine_steps(1, 2));
    kit_complete(&kit, kit_lease(&kit, out.ticket, "ann", KIT_HOUR), "ann");
    assert_int_equal(counts_of(&kit).promises_kept[AW_CLASS_GENERAL], 2);
    kit_close(&kit);
}

static void
test_kept_and_broken(void **unused)
{
    struct kit            kit;
    struct aw_out_message kept, broken;
    struct aw_lease_id    lease;

    (void)unused;
    kit_open(&kit);
    publish(&kit, 0);
    kept = post(&kit, 1, AW_CLASS_CARE);
    broken = post(&kit, 2, AW_CLASS_CARE);
    kit.now += nine_steps(0, 0) * STEP;
    lease = kit_lease(&kit, kept.ticket, "ann", KIT_HOUR);
    kit.now += 1;
    (void)kit_lease(&kit, broken.ticket, "bob", KIT_HOUR);
    assert_int_equal(counts_of(&kit).promises_kept[AW_CLASS_CARE], 1);
    assert_int_equal(counts_of(&kit).promises_broken[AW_CLASS_CARE], 1);
    /* What comes back and is taken later was kept all the same. */
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 1).out.err, AW_OK);
    (void)kit_lease(&kit, kept.ticket, "ann", KIT_HOUR);
    assert_int_equal(counts_of(&kit).promises_kept[AW_CLASS_CARE], 1);
    assert_int_equal(counts_of(&kit).promises_broken[AW_CLASS_CARE], 1);
    kit_close(&kit);
}

static enum aw_err
move(struct kit *kit, struct aw_ticket_id ticket, aw_ms half_by, aw_ms nine_of_ten_by)
{
    struct aw_command command = {.kind = AW_COMMAND_PROMISE,
                                 .in.promise = {.ticket = ticket, .half_by = half_by, .nine_of_ten_by = nine_of_ten_by}};

    return kit_apply(kit, &command);
}

static void
test_a_promise_moves(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket, strange;
    aw_ms               last;
    struct aw_promise   promise;

    (void)unused;
    kit_open(&kit);
    ticket = post(&kit, 9, AW_CLASS_CARE).ticket;
    assert_int_equal(move(&kit, ticket, kit.now + KIT_HOUR, kit.now + 2 * KIT_HOUR), AW_E_STALE); /* nothing was promised */
    publish(&kit, 0);
    ticket = post(&kit, 1, AW_CLASS_CARE).ticket;
    promise = kit_view(&kit, ticket).promise;
    kit.now = promise.half_by + 90000;
    last = promise.nine_of_ten_by;
    assert_int_equal(move(&kit, ticket, kit.now, last), AW_E_STALE); /* not later than it was */
    assert_int_equal(move(&kit, ticket, kit.now - 1, last + 1), AW_E_BAD_VALUE);
    assert_int_equal(move(&kit, ticket, last + 2, last + 1), AW_E_BAD_VALUE);
    strange = ticket;
    strange.seq++;
    assert_int_equal(move(&kit, strange, kit.now, last + STEP), AW_E_NOT_FOUND);
    assert_false(kit_view(&kit, ticket).promise_breaking);
    assert_int_equal(found_breaking(&kit), 0);
    assert_int_equal(move(&kit, ticket, kit.now + 1, last + 1), AW_OK);
    assert_true(kit_view(&kit, ticket).promise_breaking);
    assert_int_equal(found_breaking(&kit), 1);
    promise = kit_view(&kit, ticket).promise;
    assert_in_range(promise.made_at, kit.now, kit.now + KIT_MINUTE); /* to the minute */
    assert_in_range(promise.half_by, kit.now + 1, kit.now + STEP);
    assert_int_equal(promise.nine_of_ten_by, last + STEP);
    /* At most once in two hours. */
    kit.now = promise.made_at + AW_PROMISE_MOVES_MS - 1;
    assert_int_equal(move(&kit, ticket, last + 2 * STEP, last + 2 * STEP), AW_E_STALE);
    kit.now++;
    assert_int_equal(move(&kit, ticket, last + 2 * STEP, last + 2 * STEP), AW_OK);
    assert_int_equal(kit_view(&kit, ticket).promise.nine_of_ten_by, last + 2 * STEP);
    assert_int_equal(counts_of(&kit).promises_moved, 2);
    /* It is judged by what was told first; and whoever holds it needs no new one. */
    kit.now = last + 1;
    (void)kit_lease(&kit, ticket, "ann", KIT_DAY);
    assert_int_equal(counts_of(&kit).promises_broken[AW_CLASS_CARE], 1);
    assert_false(kit_view(&kit, ticket).promise_breaking);
    kit.now += 3 * KIT_HOUR;
    assert_int_equal(move(&kit, ticket, kit.now + KIT_HOUR, kit.now + 9 * KIT_DAY), AW_E_STALE);
    kit_close(&kit);
}

/* Through all slots, in pieces of one. */
static struct aw_census_ticket
find_in_census(const struct kit *kit, struct aw_ticket_id ticket, aw_ms since, bool *ret_is_there)
{
    struct aw_census_ticket found = {.lane = 0}, one = {.lane = 0};
    struct aw_census        census = {.since = since, .tickets = &one, .room = 1, .next = 1};
    uint32_t                steps = 0;

    *ret_is_there = false;
    while (census.next != 0) {
        aw_census_step(kit->state, &census, 1);
        assert_in_range(++steps, 1, aw_state_ticket_slots(kit->state));
        if (census.count == 0 || one.ticket.seq != ticket.seq)
            continue;
        assert_false(*ret_is_there);
        *ret_is_there = true;
        found = one;
    }
    return found;
}

/* Wherever in a minute it moved: once in two hours, for whoever asks for it and for whoever looks. After 45 days never. */
static void
test_how_often_it_moves(void **unused)
{
    static const aw_ms after[] = {1000, 31000, 60000, 61000};

    (void)unused;
    for (unsigned i = 0; i < 4; i++) {
        struct kit          kit;
        struct aw_ticket_id ticket;
        aw_ms               by;
        bool                is_there;

        kit_open(&kit);
        publish(&kit, 0);
        ticket = post(&kit, 1, AW_CLASS_CARE).ticket;
        kit.now += after[i];
        by = kit_view(&kit, ticket).promise.nine_of_ten_by;
        assert_int_equal(move(&kit, ticket, by + STEP, by + STEP), AW_OK);
        assert_false(find_in_census(&kit, ticket, kit.now, &is_there).may_move);
        assert_int_equal(move(&kit, ticket, by + 2 * STEP, by + 2 * STEP), AW_E_STALE);
        kit.now += KIT_MINUTE;
        assert_int_equal(move(&kit, ticket, by + 2 * STEP, by + 2 * STEP), AW_E_STALE);
        assert_false(find_in_census(&kit, ticket, kit.now, &is_there).may_move);
        kit.now += AW_PROMISE_MOVES_MS;
        (void)post(&kit, 2, AW_CLASS_OTHER); /* time goes on by what happens */
        assert_true(find_in_census(&kit, ticket, kit.now, &is_there).may_move);
        assert_int_equal(move(&kit, ticket, kit.now, by + 2 * STEP), AW_OK);
        kit.now += 46 * KIT_DAY;
        assert_int_equal(move(&kit, ticket, kit.now, kit.now + KIT_DAY), AW_E_STALE);
        assert_false(find_in_census(&kit, ticket, kit.now, &is_there).may_move);
        kit_close(&kit);
    }
}

static void
test_read_back(void **unused)
{
    struct kit                kit, again;
    struct aw_state_limits    limits = kit_limits();
    struct aw_checkpoint_mark mark;
    struct aw_chunk           chunk;
    struct aw_why             why;
    struct aw_ticket_id       ticket;
    struct aw_out_message     one, two;

    (void)unused;
    kit_open(&kit);
    publish(&kit, 5);
    ticket = post(&kit, 1, AW_CLASS_CARE).ticket;
    (void)kit_lease(&kit, post(&kit, 2, AW_CLASS_OTHER).ticket, "ann", KIT_HOUR);
    assert_int_equal(move(&kit, ticket, kit.now + KIT_HOUR, kit.now + 9 * KIT_DAY), AW_OK);
    again = kit;
    assert_int_equal(aw_state_new(&again.state, &limits, KIT_SHARD, &why), AW_OK);
    assert_true(aw_state_cut_begin(kit.state, &mark));
    while (aw_state_cut_next(kit.state, &chunk, &mark))
        assert_int_equal(aw_state_load_chunk(again.state, &chunk, &why), AW_OK);
    aw_state_cut_end(kit.state);
    assert_int_equal(aw_state_load_finish(again.state, &mark, &why), AW_OK);
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(again.state)));
    assert_true(kit_view(&again, ticket).promise_breaking);
    assert_int_equal(kit_view(&again, ticket).promise.nine_of_ten_by, kit_view(&kit, ticket).promise.nine_of_ten_by);
    assert_int_equal(counts_of(&again).promises_kept[AW_CLASS_OTHER], 1);
    one = post(&kit, 3, AW_CLASS_GENERAL);
    two = post(&again, 3, AW_CLASS_GENERAL);
    assert_told(one.promise, kit.now, half_steps(5, 2), nine_steps(5, 2));
    assert_told(two.promise, kit.now, half_steps(5, 2), nine_steps(5, 2));
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(again.state)));
    aw_state_free(&again.state);
    kit_close(&kit);
}

/* What a forecaster is told of a ticket, from when it opens until it is answered. */
static void
test_census(void **unused)
{
    struct kit              kit;
    struct aw_ticket_id     ticket;
    struct aw_lease_id      lease;
    struct aw_census_ticket told;
    bool                    is_there;
    aw_ms                   opened_at;

    (void)unused;
    kit_open(&kit);
    publish(&kit, 1);
    (void)post(&kit, 9, AW_CLASS_OTHER);
    ticket = post(&kit, 1, AW_CLASS_GENERAL).ticket;
    opened_at = kit.now;
    kit.now += 10 * KIT_MINUTE;
    told = find_in_census(&kit, ticket, kit.now, &is_there); /* who waits is told always */
    assert_true(is_there && told.waits && told.may_move);
    assert_int_equal(told.asked_at, opened_at);
    assert_int_equal(told.promised_class, AW_CLASS_GENERAL);
    assert_int_equal(told.told_ms, nine_steps(1, 2) * STEP);
    assert_int_equal(told.raw_ms[AW_HALF], 21000);
    assert_int_equal(told.raw_ms[AW_NINE_OF_TEN], 41000);
    assert_int_equal(told.taken_at, 0);
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    told = find_in_census(&kit, ticket, kit.now - 1, &is_there);
    assert_true(is_there && !told.waits && !told.may_move);
    assert_int_equal(told.taken_at, kit.now + 999); /* in the second that begins now */
    assert_int_equal(told.handled_ms, 0);
    (void)find_in_census(&kit, ticket, kit.now + 999, &is_there);
    assert_false(is_there); /* nothing happened to it since */
    kit.now += 4 * KIT_MINUTE;
    kit_complete(&kit, lease, "ann");
    told = find_in_census(&kit, ticket, kit.now - 1, &is_there);
    assert_true(is_there);
    assert_int_equal(told.closed_at, kit.now);
    assert_int_equal(told.handled_ms, 4 * KIT_MINUTE);
    kit_close(&kit);
}

/* Each that was taken is of one look, also when that was a moment after the one before. */
static void
test_census_misses_nobody(void **unused)
{
    static const aw_ms look_ms = 30000;

    (void)unused;
    for (aw_ms offset = 0; offset < 2000; offset += 250) {
        struct kit          kit;
        struct aw_ticket_id ticket;
        uint32_t            looks = 0;
        aw_ms               began_at;

        kit_open(&kit);
        ticket = post(&kit, 1, AW_CLASS_GENERAL).ticket;
        began_at = kit.now + 1300;
        kit.now = began_at + offset;
        (void)kit_lease(&kit, ticket, "ann", KIT_HOUR);
        /* What the look at `began_at` itself told is before it was taken. */
        for (aw_ms since = began_at; since <= began_at + look_ms; since += look_ms) {
            bool                    is_there;
            struct aw_census_ticket told = find_in_census(&kit, ticket, since, &is_there);

            looks += is_there && told.taken_at > since && told.taken_at <= since + look_ms;
        }
        assert_int_equal(looks, 1);
        kit_close(&kit);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_at_first),
        cmocka_unit_test(test_what_is_told),
        cmocka_unit_test(test_a_forecast_grows_old),
        cmocka_unit_test(test_lanes_have_groups),
        cmocka_unit_test(test_what_keeps_it),
        cmocka_unit_test(test_reopened_is_told_anew),
        cmocka_unit_test(test_kept_and_broken),
        cmocka_unit_test(test_a_promise_moves),
        cmocka_unit_test(test_how_often_it_moves),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_census),
        cmocka_unit_test(test_census_misses_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
