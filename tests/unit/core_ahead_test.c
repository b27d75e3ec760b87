/* core_ahead_test.c - proves that a look through the tickets counts those that go before one, and names the last of them.
 *
 * How: random tickets in several lanes, some held, leased or closed; each that waits is looked at in steps of random size, and
 * compared with a sort of all others by the rule, under both orders.
 */
#include "core/ahead.h"

#include "support/random.h"
#include "unit/core_kit.h"

#define TICKETS 300U

static const struct aw_order_settings *the_order; /* of the sort */
static aw_ms                           the_now;

static int
compare(const void *a, const void *b)
{
    if (aw_order_goes_before(the_order, the_now, a, b))
        return -1;
    return aw_order_goes_before(the_order, the_now, b, a);
}

static void
make_tickets(struct kit *kit, struct random *random)
{
    static const char *const lanes[] = {"main", "nl", "en"};
    struct aw_command        command;

    assert_int_equal(kit_lane(kit, "nl", AW_LANE_OPEN, NULL).out.err, AW_OK);
    assert_int_equal(kit_lane(kit, "en", AW_LANE_OPEN, NULL).out.err, AW_OK);
    for (uint64_t i = 1; i <= TICKETS; i++) {
        struct kit_post     post = {.id = i, .who = {i}, .lane = lanes[random_below(random, 3)]};
        struct aw_ticket_id ticket;

        post.class_ = (enum aw_class)random_below(random, AW_CLASS_COUNT);
        post.departs_at = random_below(random, 2) == 0 ? 0 : kit->now + random_below(random, 8 * KIT_HOUR);
        post.received_at = kit->now - random_below(random, 12 * KIT_HOUR);
        kit->now += random_below(random, 1000);
        ticket = kit_post(kit, post).ticket;
        switch (random_below(random, 8)) {
        case 0:
            assert_int_equal(kit_on_ticket(kit, AW_COMMAND_HOLD, ticket, 0, 0).out.err, AW_OK);
            break;
        case 1:
            assert_int_equal(kit_on_ticket(kit, AW_COMMAND_CANCEL, ticket, 0, 0).out.err, AW_OK);
            break;
        case 2:
            command = kit_try_lease(kit, ticket.slot, kit_view(kit, ticket).version, "ann", KIT_HOUR);
            assert_true(command.out.err == AW_OK || command.out.err == AW_E_TABLE_FULL);
            break;
        default:
            break;
        }
    }
}

/* All that wait in a lane, in order. */
static uint32_t
sort_lane(const struct kit *kit, uint32_t lane, struct aw_order_candidate candidates[TICKETS])
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < aw_state_ticket_slots(kit->state); slot++) {
        struct aw_ticket_view view;

        if (!aw_state_ticket_at(kit->state, slot, &view) || view.state != AW_TICKET_WAITING || view.lane != lane)
            continue;
        candidates[count++] = (struct aw_order_candidate){.class_ = view.class_,
                                                          .age = view.age,
                                                          .departs_at = view.class_ == AW_CLASS_IMMINENT ? view.departs_at : 0,
                                                          .id = slot};
    }
    if (count > 0)
        qsort(candidates, count, sizeof(candidates[0]), compare);
    return count;
}

static void
check_one(const struct kit *kit, struct random *random, const struct aw_order_candidate *sorted, uint32_t count, uint32_t place)
{
    struct aw_ahead       ahead = {.order = *the_order, .at = the_now};
    uint64_t              by_class[AW_CLASS_COUNT] = {0};
    uint32_t              step = 1 + random_below(random, TICKETS + 50);
    struct aw_ticket_view view;

    assert_true(aw_state_ticket_at(kit->state, (uint32_t)sorted[place].id, &view));
    aw_ahead_begin(kit->state, &ahead, &view);
    while (!aw_ahead_step(kit->state, &ahead, step))
        assert_false(ahead.in_one_step);
    assert_int_equal(ahead.in_one_step, step >= aw_state_ticket_slots(kit->state) - 1);
    assert_int_equal(ahead.in_lane, count);
    for (uint32_t i = 0; i < place; i++)
        by_class[sorted[i].class_]++;
    assert_memory_equal(ahead.by_class, by_class, sizeof(by_class));
    assert_int_equal(ahead.nearest_count, place < AW_AHEAD_NEAREST_MAX ? place : AW_AHEAD_NEAREST_MAX);
    for (uint32_t i = 0; i < ahead.nearest_count; i++)
        assert_int_equal(ahead.nearest[i].ticket.slot, sorted[place - 1 - i].id);
}

static void
test_against_a_sort(void **state)
{
    struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;
    struct random            random = random_of(random_seed(5));
    struct aw_state_limits   limits = kit_limits();
    struct kit               kit;

    (void)state;
    limits.tickets_max = 2 * TICKETS;
    limits.identities_max = limits.ids_max = 4 * TICKETS;
    kit_open_with(&kit, &limits);
    make_tickets(&kit, &random);
    the_order = &order;
    the_now = kit.now;
    for (unsigned strict = 0; strict < 2; strict++) {
        order.order = strict == 1 ? AW_ORDER_STRICT : AW_ORDER_RATIO;
        for (uint32_t lane = 0; lane < aw_state_lane_count(kit.state); lane++) {
            struct aw_order_candidate sorted[TICKETS];
            uint32_t                  count = sort_lane(&kit, lane, sorted);

            for (uint32_t place = 0; place < count; place++)
                check_one(&kit, &random, sorted, count, place);
        }
    }
    kit_close(&kit);
}

/* Since when it lies where it does: what moves it sets the time anew, a message that moves nothing does not. */
static void
test_queued_at(void **state)
{
    struct aw_out_message out;
    struct kit            kit;
    aw_ms                 posted;

    (void)state;
    kit_open(&kit);
    out = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_OTHER});
    posted = kit.now;
    assert_int_equal(kit_view(&kit, out.ticket).queued_at, posted);
    kit.now += KIT_MINUTE;
    (void)kit_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_OTHER});
    assert_int_equal(kit_view(&kit, out.ticket).queued_at, posted);
    (void)kit_post(&kit, (struct kit_post){.id = 3, .who = {1}, .class_ = AW_CLASS_GENERAL});
    assert_int_equal(kit_view(&kit, out.ticket).queued_at, kit.now);
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_HOLD, out.ticket, 0, 0).out.err, AW_OK);
    assert_int_equal(kit_view(&kit, out.ticket).queued_at, 0);
    assert_int_equal(kit_view(&kit, out.ticket).held_until, 0);
    kit.now += KIT_MINUTE;
    assert_int_equal(kit_wait(&kit, KIT_HOUR), 0); /* no time ends this hold */
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_UNHOLD, out.ticket, 0, 0).out.err, AW_OK);
    assert_int_equal(kit_view(&kit, out.ticket).queued_at, kit.now);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_sort),
        cmocka_unit_test(test_queued_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
