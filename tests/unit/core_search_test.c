/* core_search_test.c - proves that a look finds exactly the tickets that fit, oldest first or by slot, page after page, and that
 * what changes meanwhile is neither found twice nor shown as what it is not any more.
 *
 * How: random tickets in several lanes, channels and states; random filters in steps of random size, page by page, against a plain
 * walk over all tickets; then changes between two steps.
 */
#include "core/search.h"

#include "support/random.h"
#include "unit/core_kit.h"

#define TICKETS 300U
#define ALL     (1U << AW_TICKET_WAITING | 1U << AW_TICKET_LEASED | 1U << AW_TICKET_HELD | 1U << AW_TICKET_CLOSED)

static const struct aw_search_filter any = {.lane = AW_SEARCH_LANE_ANY, .states = ALL, .classes = (1U << AW_CLASS_COUNT) - 1};

static void
make_tickets(struct kit *kit, struct random *random)
{
    static const char *const lanes[] = {"main", "nl", "en"};
    static const char *const channels[] = {"twitter", "mail", "web"};
    static const char *const agents[] = {"ann", "bob"};

    assert_int_equal(kit_lane(kit, "nl", AW_LANE_OPEN, NULL).out.err, AW_OK);
    assert_int_equal(kit_lane(kit, "en", AW_LANE_OPEN, NULL).out.err, AW_OK);
    for (uint64_t i = 1; i <= TICKETS; i++) {
        struct kit_post     post = {.id = i,
                                    .who = {i},
                                    .lane = lanes[random_below(random, 3)],
                                    .channel = channels[random_below(random, 3)],
                                    .class_ = (enum aw_class)random_below(random, AW_CLASS_COUNT)};
        struct aw_ticket_id ticket;
        struct aw_command   command;

        post.received_at = kit->now - random_below(random, 50) * KIT_MINUTE; /* equal ages are common */
        kit->now += random_below(random, 3) * KIT_MINUTE;
        ticket = kit_post(kit, post).ticket;
        switch (random_below(random, 8)) {
        case 0: /* or it joined one that is held already */
            (void)kit_on_ticket(kit, AW_COMMAND_HOLD, ticket, 0, 0);
            break;
        case 1:
            (void)kit_on_ticket(kit, AW_COMMAND_CANCEL, ticket, 0, 0);
            break;
        case 2:
            command = kit_try_lease(kit, ticket.slot, kit_view(kit, ticket).version, agents[random_below(random, 2)], KIT_DAY);
            assert_true(command.out.err == AW_OK || command.out.err == AW_E_STALE || command.out.err == AW_E_TABLE_FULL);
            break;
        default:
            break;
        }
    }
}

static struct aw_search_filter
random_filter(const struct kit *kit, struct random *random)
{
    static const char *const channels[] = {"twitter", "mail", "web", "phone"};
    static const char *const agents[] = {"ann", "bob", "eve"};
    struct aw_search_filter  filter = any;

    if (random_below(random, 2) == 0)
        filter.states = (uint8_t)(random_below(random, 32) & ALL);
    if (random_below(random, 2) == 0)
        filter.classes = (uint8_t)random_below(random, 1U << AW_CLASS_COUNT);
    if (random_below(random, 3) == 0)
        filter.lane = random_below(random, 4);
    if (random_below(random, 3) == 0)
        filter.channel = aw_slice_str(channels[random_below(random, 4)]);
    if (random_below(random, 6) == 0)
        filter.agent = aw_slice_str(agents[random_below(random, 3)]);
    if (random_below(random, 3) == 0)
        filter.age_before = kit->now - random_below(random, 300) * KIT_MINUTE;
    return filter;
}

/* The same, told from the view. */
static bool
should_fit(const struct aw_search_filter *filter, const struct aw_ticket_view *view)
{
    return (filter->states >> view->state & 1) != 0 && (filter->classes >> view->class_ & 1) != 0 &&
           (filter->lane == AW_SEARCH_LANE_ANY || view->lane == filter->lane) &&
           (filter->channel.len == 0 || aw_slice_eq(view->channel_name, filter->channel)) &&
           (filter->agent.len == 0 || aw_slice_eq(view->holder, filter->agent)) &&
           (filter->age_before == 0 || view->age < filter->age_before);
}

static int
compare(const void *a, const void *b)
{
    const struct aw_search_place *one = a;
    const struct aw_search_place *other = b;

    if (one->age != other->age)
        return one->age < other->age ? -1 : 1;
    return one->slot < other->slot ? -1 : one->slot > other->slot;
}

static uint32_t
walk(const struct kit *kit, const struct aw_search_filter *filter, enum aw_search_order order,
     struct aw_search_place places[TICKETS])
{
    uint32_t count = 0;

    for (uint32_t slot = 1; slot < aw_state_ticket_slots(kit->state); slot++) {
        struct aw_ticket_view view;

        if (aw_state_ticket_at(kit->state, slot, &view) && should_fit(filter, &view))
            places[count++] =
                (struct aw_search_place){.age = view.age, .seq = view.ticket.seq, .slot = slot, .version = view.version};
    }
    if (order == AW_SEARCH_OLDEST && count > 0)
        qsort(places, count, sizeof(places[0]), compare);
    return count;
}

/* One page. */
static void
look(const struct kit *kit, struct aw_search *search, uint32_t step)
{
    assert_int_equal(aw_search_begin(kit->state, search), AW_OK);
    while (!aw_search_step(kit->state, search, step))
        assert_false(search->in_one_step);
}

static void
check_filter(const struct kit *kit, struct random *random, const struct aw_search_filter *filter, enum aw_search_order order)
{
    struct aw_search_place places[TICKETS] = {{.slot = 0}}, found[TICKETS];
    uint32_t               count = walk(kit, filter, order, places);
    struct aw_search search = {.filter = *filter, .order = order, .found = found, .room = 1 + random_below(random, TICKETS)};
    uint32_t         step = 1 + random_below(random, TICKETS + 50);
    uint32_t         at = 0;

    do {
        struct aw_ticket_view views[TICKETS];

        look(kit, &search, step);
        assert_true(search.count <= search.room);
        assert_int_equal(aw_search_views(kit->state, &search, views), search.count);
        for (uint32_t i = 0; i < search.count; i++, at++) {
            assert_true(at < count);
            assert_memory_equal(&found[i], &places[at], sizeof(found[i]));
            assert_int_equal(views[i].ticket.slot, places[at].slot);
        }
        if (order == AW_SEARCH_OLDEST) {
            assert_int_equal(search.total, count);
            assert_int_equal(search.has_more, at < count);
        }
        if (search.has_more)
            search.after = found[search.count - 1];
    } while (search.has_more);
    assert_int_equal(at, count);
}

static void
test_against_a_walk(void **state)
{
    struct random          random = random_of(random_seed(6));
    struct aw_state_limits limits = kit_limits();
    struct kit             kit;

    (void)state;
    limits.tickets_max = 2 * TICKETS;
    limits.identities_max = limits.ids_max = 4 * TICKETS;
    limits.leases_max = TICKETS;
    kit_open_with(&kit, &limits);
    make_tickets(&kit, &random);
    for (unsigned i = 0; i < 400; i++) {
        struct aw_search_filter filter = random_filter(&kit, &random);

        check_filter(&kit, &random, &filter, i % 2 == 0 ? AW_SEARCH_OLDEST : AW_SEARCH_BY_SLOT);
    }
    kit_close(&kit);
}

/* --- by one thing ---------------------------------------------------------------------------------------------------------- */

static uint32_t
found_by(const struct kit *kit, const struct aw_search_filter *filter, struct aw_ticket_view views[16])
{
    struct aw_search_place found[16];
    struct aw_search       search = {.filter = *filter, .order = AW_SEARCH_OLDEST, .found = found, .room = 16};

    look(kit, &search, 1);
    assert_false(search.has_more);
    assert_int_equal(search.total, search.count);
    return aw_search_views(kit->state, &search, views);
}

/* An identity finds what is known by it, also what is closed, and combines with the rest. */
static void
test_identity(void **state)
{
    struct aw_search_filter filter = any;
    struct aw_ticket_view   views[16];
    struct aw_ticket_id     first, second;
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    first = kit_answered(&kit, 1, 7);
    kit.now += KIT_HOUR;
    second = kit_post(&kit, (struct kit_post){.id = 2, .who = {8, 9}, .class_ = AW_CLASS_GENERAL}).ticket;
    (void)kit_post(&kit, (struct kit_post){.id = 3, .who = {10}, .class_ = AW_CLASS_GENERAL});
    filter.identity = kit_hash(9);
    assert_int_equal(found_by(&kit, &filter, views), 1);
    assert_int_equal(views[0].ticket.seq, second.seq);
    filter.states = 1U << AW_TICKET_HELD;
    assert_int_equal(found_by(&kit, &filter, views), 0);
    filter.states = ALL;
    filter.identity = kit_hash(7);
    assert_int_equal(found_by(&kit, &filter, views), 1);
    assert_int_equal(views[0].ticket.seq, first.seq);
    assert_int_equal(views[0].state, AW_TICKET_CLOSED);
    filter.identity = kit_hash(99);
    assert_int_equal(found_by(&kit, &filter, views), 0);
    kit_close(&kit);
}

static struct aw_ticket_id
post_about(struct kit *kit, uint64_t id, uint64_t flight, const char *from, const char *to, const char *airport)
{
    struct kit_room        room;
    struct kit_post        post = {.id = id, .who = {id}, .class_ = AW_CLASS_GENERAL};
    struct aw_command      command = kit_message(&post, &room);
    struct aw_flight_fact  fact = {.flight_hash = flight, .departs_at = kit->now + KIT_DAY};
    struct aw_airport_code code;

    memcpy(fact.from, from, sizeof(fact.from));
    memcpy(fact.to, to, sizeof(fact.to));
    command.in.message.flights = &fact;
    command.in.message.flight_count = flight == 0 ? 0 : 1;
    if (airport != NULL) {
        memcpy(code.letters, airport, sizeof(code.letters));
        command.in.message.airports = &code;
        command.in.message.airport_count = 1;
    }
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.u.message.ticket;
}

/* A flight, an airport at either end of one or alone, and both together. */
static void
test_flight_and_airport(void **state)
{
    struct aw_search_filter filter = any;
    struct aw_ticket_view   views[16];
    struct aw_ticket_id     there, back;
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    there = post_about(&kit, 1, 77, "AMS", "JFK", NULL);
    back = post_about(&kit, 2, 78, "JFK", "AMS", NULL);
    (void)post_about(&kit, 3, 0, "\0\0", "\0\0", "AMS");
    (void)kit_post(&kit, (struct kit_post){.id = 4, .who = {4}, .class_ = AW_CLASS_GENERAL});
    filter.flight = 77;
    assert_int_equal(found_by(&kit, &filter, views), 1);
    assert_int_equal(views[0].ticket.slot, there.slot);
    filter.airport = (struct aw_airport_code){{'J', 'F', 'K'}};
    assert_int_equal(found_by(&kit, &filter, views), 1);
    filter.flight = 0;
    assert_int_equal(found_by(&kit, &filter, views), 2);
    assert_int_equal(views[1].ticket.slot, back.slot);
    filter.airport = (struct aw_airport_code){{'A', 'M', 'S'}};
    assert_int_equal(found_by(&kit, &filter, views), 3);
    filter.airport = (struct aw_airport_code){{'L', 'H', 'R'}};
    assert_int_equal(found_by(&kit, &filter, views), 0);
    kit_close(&kit);
}

static void
test_booking(void **state)
{
    struct kit_room         room;
    struct aw_search_filter filter = any;
    struct aw_ticket_view   views[16];
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    (void)post_about(&kit, 1, 77, "AMS", "JFK", NULL);
    for (uint64_t i = 2; i <= 3; i++) {
        struct aw_command command = kit_message(&(struct kit_post){.id = i, .who = {i}, .class_ = AW_CLASS_GENERAL}, &room);

        command.in.message.booking_hash = 75 + i; /* 77: as the flight, 78 */
        assert_int_equal(kit_apply(&kit, &command), AW_OK);
    }
    filter.booking = 77;
    assert_int_equal(found_by(&kit, &filter, views), 1);
    assert_int_equal(views[0].ticket.slot, 2);
    filter.flight = 77;
    assert_int_equal(found_by(&kit, &filter, views), 0); /* not the same ticket */
    filter.booking = 0;
    assert_int_equal(found_by(&kit, &filter, views), 1);
    assert_int_equal(views[0].ticket.slot, 1);
    kit_close(&kit);
}

/* A channel that nobody wrote on has no tickets; one that came when all numbers were given can't be told from others. */
static void
test_channels_without_numbers(void **state)
{
    struct aw_search_place  found[1];
    struct aw_search        search = {.filter = any, .order = AW_SEARCH_OLDEST, .found = found, .room = 1};
    struct aw_search_filter filter = any;
    struct aw_ticket_view   views[16];
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    filter.channel = AW_SLICE("fax");
    assert_int_equal(found_by(&kit, &filter, views), 0);
    for (uint64_t i = 1; i <= AW_CHANNELS_TOLD_MAX + 1; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "c%u", (unsigned)i);
        (void)kit_post(&kit, (struct kit_post){.id = i, .who = {i}, .class_ = AW_CLASS_GENERAL, .channel = name});
    }
    filter.channel = AW_SLICE("c1");
    assert_int_equal(found_by(&kit, &filter, views), 1);
    assert_true(aw_slice_eq(views[0].channel_name, AW_SLICE("c1")));
    search.filter.channel = AW_SLICE("fax");
    assert_int_equal(aw_search_begin(kit.state, &search), AW_E_BAD_VALUE);
    kit_close(&kit);
}

/* --- what changes meanwhile ------------------------------------------------------------------------------------------------- */

/* What was found and does not fit any more is not shown; what came later is not in a look by slot, as it could go on for ever. */
static void
test_changes_between_steps(void **state)
{
    struct aw_search_place found[16] = {{.slot = 0}};
    struct aw_search       search = {.filter = any, .order = AW_SEARCH_OLDEST, .found = found, .room = 16};
    struct aw_ticket_view  views[16];
    struct aw_ticket_id    tickets[6];
    struct kit             kit;

    (void)state;
    kit_open(&kit);
    search.filter.states = 1U << AW_TICKET_WAITING;
    for (uint64_t i = 0; i < 6; i++)
        tickets[i] = kit_post(&kit, (struct kit_post){.id = i + 1, .who = {i + 1}, .class_ = AW_CLASS_GENERAL}).ticket;
    assert_int_equal(aw_search_begin(kit.state, &search), AW_OK);
    assert_false(aw_search_step(kit.state, &search, 3));
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_HOLD, tickets[0], 0, 0).out.err, AW_OK);
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_HOLD, tickets[5], 0, 0).out.err, AW_OK);
    assert_true(aw_search_step(kit.state, &search, 100));
    assert_false(search.in_one_step);
    assert_int_equal(search.count, 5);
    assert_int_equal(aw_search_views(kit.state, &search, views), 4);
    assert_int_equal(views[0].ticket.slot, tickets[1].slot);

    search = (struct aw_search){.filter = search.filter, .order = AW_SEARCH_BY_SLOT, .found = found, .room = 2};
    look(&kit, &search, 100);
    assert_true(search.has_more);
    (void)kit_post(&kit, (struct kit_post){.id = 9, .who = {9}, .class_ = AW_CLASS_GENERAL});
    search.after = found[1];
    search.room = 16;
    look(&kit, &search, 100);
    assert_int_equal(search.count, 2);
    assert_false(search.has_more);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_walk),           cmocka_unit_test(test_identity),
        cmocka_unit_test(test_flight_and_airport),       cmocka_unit_test(test_booking),
        cmocka_unit_test(test_channels_without_numbers), cmocka_unit_test(test_changes_between_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
