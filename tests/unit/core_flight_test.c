/* Flight and airport events: which departure counts, who is stranded, that an event before a message does what it does after it,
 * that an undo gives the order that was, limits, and that a checkpoint in the middle goes on as the state that it was taken of.
 * How: tickets with one or two flights or only an airport, an event, and the ticket's class and key. */
#include "core_kit.h"

#include "model/record.h"

#define DEPARTS (KIT_START + 3 * KIT_HOUR)

/* --- one line a command ------------------------------------------------------------------------------------------------------ */

struct trip {
    uint64_t    flight; /* 0: no flight, only the airport `from` */
    aw_ms       departs_at;
    const char *from;
    const char *to;
};

static struct aw_command
try_say(struct kit *kit, uint64_t id, uint64_t who, enum aw_class class_, const struct trip *trips, size_t count)
{
    struct kit_post        post = {.id = id, .who = {who}, .class_ = class_};
    struct kit_room        room;
    struct aw_command      command = kit_message(&post, &room);
    struct aw_flight_fact  flights[4] = {{.flight_hash = 0}};
    struct aw_airport_code airports[4];

    for (size_t i = 0; i < count; i++) {
        struct aw_flight_fact *fact = &flights[command.in.message.flight_count];

        if (trips[i].flight == 0) {
            memcpy(airports[command.in.message.airport_count++].letters, trips[i].from, 3);
            continue;
        }
        fact->flight_hash = trips[i].flight;
        fact->departs_at = trips[i].departs_at;
        if (trips[i].from != NULL)
            memcpy(fact->from, trips[i].from, 3);
        if (trips[i].to != NULL)
            memcpy(fact->to, trips[i].to, 3);
        command.in.message.flight_count++;
    }
    command.in.message.flights = flights;
    command.in.message.airports = airports;
    (void)kit_apply(kit, &command);
    command.in.message.flights = NULL;
    return command;
}

static struct aw_ticket_id
say(struct kit *kit, uint64_t who, enum aw_class class_, struct trip trip)
{
    struct aw_command command = try_say(kit, who * 100 + aw_state_seq(kit->state), who, class_, &trip, 1);

    assert_int_equal(command.out.err, AW_OK);
    return command.out.u.message.ticket;
}

static struct aw_command
try_flight(struct kit *kit, uint64_t flight, enum aw_flight_state state, aw_ms departs_at)
{
    struct aw_command command = {.kind = AW_COMMAND_FLIGHT,
                                 .in.flight = {.flight_hash = flight,
                                               .number = AW_SLICE("KL1234"),
                                               .date_days = (uint32_t)(KIT_START / KIT_DAY),
                                               .state = state,
                                               .departs_at = departs_at}};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_command
try_airport(struct kit *kit, const char *code, aw_ms from, aw_ms until)
{
    struct aw_command command = {.kind = AW_COMMAND_AIRPORT, .in.airport = {.from = from, .until = until}};

    memcpy(command.in.airport.code.letters, code, 3);
    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_command
try_undo(struct kit *kit, struct aw_change_id change)
{
    struct aw_command command = {.kind = AW_COMMAND_UNDO, .in.undo = {.change = change}};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_change_id
change_of(const struct aw_command *command)
{
    assert_int_equal(command->out.err, AW_OK);
    assert_true(command->out.changed);
    return command->out.u.change.now.of == AW_CHANGE_FLIGHT ? command->out.u.change.now.flight.change
                                                            : command->out.u.change.now.airport.change;
}

static void
expect(struct kit *kit, struct aw_ticket_id ticket, enum aw_class class_, aw_ms departs_at)
{
    struct aw_ticket_view view;

    (void)kit_wait(kit, 0);
    view = kit_view(kit, ticket);
    assert_int_equal(view.class_, class_);
    assert_int_equal(view.departs_at, departs_at);
    assert_int_equal(view.key, class_ == AW_CLASS_IMMINENT ? departs_at : view.age);
}

/* --- events ----------------------------------------------------------------------------------------------------------------- */

struct outcome {
    const char          *what;
    struct trip          trip;
    bool                 is_airport; /* the event: else FLIGHT 7 */
    enum aw_flight_state state;
    aw_ms                from; /* new departure, or begin of the closure of AMS */
    aw_ms                until;
    enum aw_class        class_;
    aw_ms                departs_at;
};

/* All tickets are GENERAL by their words. */
static const struct outcome outcomes[] = {
    {"cancelled", {7, DEPARTS, "AMS", "JFK"}, false, AW_FLIGHT_CANCELLED, 0, 0, AW_CLASS_DISRUPTED, 0},
    {"another one", {8, DEPARTS, "AMS", "JFK"}, false, AW_FLIGHT_CANCELLED, 0, 0, AW_CLASS_IMMINENT, DEPARTS},
    {"delayed", {7, DEPARTS, NULL, NULL}, false, AW_FLIGHT_DELAYED, DEPARTS + KIT_HOUR, 0, AW_CLASS_IMMINENT, DEPARTS + KIT_HOUR},
    {"sooner",
     {7, DEPARTS, NULL, NULL},
     false,
     AW_FLIGHT_SCHEDULED,
     DEPARTS - KIT_HOUR,
     0,
     AW_CLASS_IMMINENT,
     DEPARTS - KIT_HOUR},
    {"known late", {7, 0, NULL, NULL}, false, AW_FLIGHT_SCHEDULED, DEPARTS, 0, AW_CLASS_IMMINENT, DEPARTS},
    {"closed from", {7, DEPARTS, "AMS", "JFK"}, true, 0, DEPARTS, DEPARTS + 1, AW_CLASS_DISRUPTED, 0},
    {"closed to", {7, DEPARTS, "JFK", "AMS"}, true, 0, DEPARTS - KIT_HOUR, DEPARTS + 1, AW_CLASS_DISRUPTED, 0},
    {"closed before", {7, DEPARTS, "AMS", "JFK"}, true, 0, KIT_START, DEPARTS, AW_CLASS_IMMINENT, DEPARTS},
    {"closed after", {7, DEPARTS, "AMS", "JFK"}, true, 0, DEPARTS + 1, DEPARTS + 2, AW_CLASS_IMMINENT, DEPARTS},
    {"closed elsewhere", {7, DEPARTS, "LHR", "JFK"}, true, 0, KIT_START, DEPARTS + 1, AW_CLASS_IMMINENT, DEPARTS},
    {"no time known", {7, 0, "AMS", "JFK"}, true, 0, KIT_START, DEPARTS, AW_CLASS_DISRUPTED, 0},
    {"only an airport", {0, 0, "AMS", NULL}, true, 0, KIT_START, DEPARTS, AW_CLASS_DISRUPTED, 0},
    {"only another", {0, 0, "LHR", NULL}, true, 0, KIT_START, DEPARTS, AW_CLASS_GENERAL, 0},
};

static struct aw_command
happen(struct kit *kit, const struct outcome *o)
{
    return o->is_airport ? try_airport(kit, "AMS", o->from, o->until) : try_flight(kit, 7, o->state, o->from);
}

static void
test_an_event_before_and_after_the_message(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < AW_ARRAY_LEN(outcomes); i++) {
        const struct outcome *o = &outcomes[i];
        struct kit            kit;
        struct aw_ticket_id   ticket;

        kit_open(&kit);
        ticket = say(&kit, 1, AW_CLASS_GENERAL, o->trip);
        (void)change_of(&(struct aw_command){.out = happen(&kit, o).out});
        expect(&kit, ticket, o->class_, o->departs_at);
        ticket = say(&kit, 2, AW_CLASS_GENERAL, o->trip);
        expect(&kit, ticket, o->class_, o->departs_at);
        assert_int_equal(kit_view(&kit, ticket).age, KIT_START);
        kit_close(&kit);
    }
}

static void
test_an_undo_gives_the_order_that_was(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < AW_ARRAY_LEN(outcomes); i++) {
        struct kit          kit;
        struct aw_hash128   before;
        struct aw_command   command;
        struct aw_change_id change;
        struct aw_ticket_id tickets[AW_ARRAY_LEN(outcomes)];

        kit_open(&kit);
        for (size_t t = 0; t < AW_ARRAY_LEN(outcomes); t++)
            tickets[t] = say(&kit, t + 1, t % 3 == 0 ? AW_CLASS_OTHER : AW_CLASS_GENERAL, outcomes[t].trip);
        kit.now += KIT_MINUTE;
        before = aw_state_order_digest(kit.state);
        command = happen(&kit, &outcomes[i]);
        change = change_of(&command);
        (void)kit_wait(&kit, 0);
        assert_false(aw_hash128_eq(before, aw_state_order_digest(kit.state)));
        assert_int_equal(try_undo(&kit, change).out.err, AW_OK);
        (void)kit_wait(&kit, 0);
        assert_true(aw_hash128_eq(before, aw_state_order_digest(kit.state)));
        for (size_t t = 0; t < AW_ARRAY_LEN(outcomes); t++)
            assert_int_equal(kit_view(&kit, tickets[t]).state, AW_TICKET_WAITING);
        kit_close(&kit);
    }
}

static void
test_rebooked_passengers_have_no_departure(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id near, far;

    (void)unused;
    kit_open(&kit);
    near = say(&kit, 1, AW_CLASS_GENERAL, (struct trip){7, DEPARTS, NULL, NULL});
    far = say(&kit, 2, AW_CLASS_GENERAL, (struct trip){7, 0, NULL, NULL});
    assert_int_equal(try_flight(&kit, 7, AW_FLIGHT_REBOOKED, 0).out.u.change.now.tickets, 2);
    expect(&kit, near, AW_CLASS_DISRUPTED, 0); /* was that near to a departure once */
    expect(&kit, far, AW_CLASS_GENERAL, 0);
    kit_close(&kit);
}

static void
test_of_two_flights_the_one_that_goes(void **unused)
{
    const struct trip   trips[] = {{7, DEPARTS, "AMS", "LHR"}, {8, DEPARTS + KIT_HOUR, "LHR", "JFK"}};
    struct kit          kit;
    struct aw_command   command;
    struct aw_change_id change;
    struct aw_ticket_id ticket;

    (void)unused;
    kit_open(&kit);
    ticket = try_say(&kit, 1, 1, AW_CLASS_GENERAL, trips, 2).out.u.message.ticket;
    expect(&kit, ticket, AW_CLASS_IMMINENT, DEPARTS);
    command = try_flight(&kit, 7, AW_FLIGHT_CANCELLED, 0);
    assert_int_equal(command.out.u.change.now.tickets, 1);
    change = change_of(&command);
    expect(&kit, ticket, AW_CLASS_IMMINENT, DEPARTS + KIT_HOUR);
    command = try_airport(&kit, "LHR", KIT_START, KIT_START + KIT_DAY);
    assert_int_equal(command.out.u.change.now.tickets, 1); /* both flights name it */
    expect(&kit, ticket, AW_CLASS_DISRUPTED, 0);
    assert_int_equal(try_undo(&kit, change).out.err, AW_OK);
    expect(&kit, ticket, AW_CLASS_DISRUPTED, 0);
    assert_int_equal(try_airport(&kit, "LHR", 0, 0).out.err, AW_OK);
    expect(&kit, ticket, AW_CLASS_IMMINENT, DEPARTS);
    /* Missed: the next one counts, then none. */
    (void)kit_wait(&kit, DEPARTS - kit.now);
    expect(&kit, ticket, AW_CLASS_IMMINENT, DEPARTS + KIT_HOUR);
    (void)kit_wait(&kit, KIT_HOUR);
    expect(&kit, ticket, AW_CLASS_DISRUPTED, DEPARTS + KIT_HOUR);
    kit_close(&kit);
}

static void
test_a_far_departure_moves_its_timer(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    uint32_t            version;
    aw_ms               far = KIT_START + 30 * KIT_HOUR;

    (void)unused;
    kit_open(&kit);
    ticket = say(&kit, 1, AW_CLASS_OTHER, (struct trip){7, far, NULL, NULL});
    version = kit_view(&kit, ticket).version;
    assert_int_equal(try_flight(&kit, 7, AW_FLIGHT_DELAYED, far + KIT_HOUR).out.err, AW_OK);
    expect(&kit, ticket, AW_CLASS_OTHER, far + KIT_HOUR);
    assert_int_equal(kit_view(&kit, ticket).version, version); /* its place in the queue is the same */
    assert_int_equal(aw_state_next_due(kit.state), far + KIT_HOUR - 6 * KIT_HOUR);
    kit_close(&kit);
}

static void
test_the_leased_and_the_held(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id leased, held, closed;
    struct aw_lease_id  lease;

    (void)unused;
    kit_open(&kit);
    leased = say(&kit, 1, AW_CLASS_GENERAL, (struct trip){7, DEPARTS, NULL, NULL});
    held = say(&kit, 2, AW_CLASS_GENERAL, (struct trip){7, DEPARTS, NULL, NULL});
    closed = say(&kit, 3, AW_CLASS_GENERAL, (struct trip){7, DEPARTS, NULL, NULL});
    lease = kit_lease(&kit, leased, "ann", KIT_HOUR);
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_HOLD, held, 0, 0).out.err, AW_OK);
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_CANCEL, closed, 0, 0).out.err, AW_OK);
    assert_int_equal(try_flight(&kit, 7, AW_FLIGHT_CANCELLED, 0).out.u.change.now.tickets, 2);
    expect(&kit, leased, AW_CLASS_IMMINENT, DEPARTS); /* as it was given out */
    expect(&kit, held, AW_CLASS_DISRUPTED, 0);
    assert_int_equal(kit_view(&kit, held).state, AW_TICKET_HELD);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 1).out.event.class_, AW_CLASS_DISRUPTED);
    expect(&kit, leased, AW_CLASS_DISRUPTED, 0);
    /* Reopened: it hears it too. */
    (void)say(&kit, 3, AW_CLASS_OTHER, (struct trip){0, 0, "AMS", NULL});
    expect(&kit, closed, AW_CLASS_DISRUPTED, 0);
    kit_close(&kit);
}

static void
test_care_stays(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;

    (void)unused;
    kit_open(&kit);
    ticket = say(&kit, 1, AW_CLASS_CARE, (struct trip){7, DEPARTS, NULL, NULL});
    assert_int_equal(try_flight(&kit, 7, AW_FLIGHT_CANCELLED, 0).out.err, AW_OK);
    expect(&kit, ticket, AW_CLASS_CARE, 0);
    kit_close(&kit);
}

static void
test_who_writes_after_the_closure_is_not_stranded(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id during, after;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(try_airport(&kit, "AMS", KIT_START, KIT_START + KIT_HOUR).out.err, AW_OK);
    during = say(&kit, 1, AW_CLASS_GENERAL, (struct trip){0, 0, "AMS", NULL});
    (void)kit_wait(&kit, KIT_HOUR);
    after = say(&kit, 2, AW_CLASS_GENERAL, (struct trip){0, 0, "AMS", NULL});
    expect(&kit, during, AW_CLASS_DISRUPTED, 0);
    expect(&kit, after, AW_CLASS_GENERAL, 0);
    kit_close(&kit);
}

/* --- refusals, undo, dry runs, keys ------------------------------------------------------------------------------------------ */

static void
test_undo_is_refused_when_it_is_too_late(void **unused)
{
    struct kit               kit;
    struct aw_change_id      first, second;
    struct aw_flight_answer  flight;
    struct aw_airport_answer airport;
    struct aw_command        command;

    (void)unused;
    kit_open(&kit);
    command = try_flight(&kit, 7, AW_FLIGHT_CANCELLED, 0);
    first = change_of(&command);
    assert_true(command.out.u.change.created);
    command = try_flight(&kit, 7, AW_FLIGHT_DELAYED, DEPARTS);
    second = change_of(&command);
    assert_false(command.out.u.change.created);
    assert_int_equal(try_undo(&kit, first).out.err, AW_E_OVERTAKEN);
    assert_int_equal(try_undo(&kit, second).out.err, AW_OK);
    assert_int_equal(aw_state_flight(kit.state, 7, &flight), AW_OK);
    assert_int_equal(flight.state, AW_FLIGHT_CANCELLED);
    assert_int_equal(flight.departs_at, 0);
    assert_int_equal(flight.version, 3);
    assert_int_equal(flight.change.seq, 0);
    assert_int_equal(try_undo(&kit, second).out.err, AW_E_OVERTAKEN);
    second.slot = 9;
    assert_int_equal(try_undo(&kit, second).out.err, AW_E_NOT_FOUND);
    /* Undone to nothing: it is not there, and comes back under a version of its own. */
    command = try_airport(&kit, "AMS", KIT_START, DEPARTS);
    first = change_of(&command);
    assert_int_equal(try_undo(&kit, first).out.err, AW_OK);
    assert_int_equal(aw_state_airport(kit.state, command.in.airport.code, &airport), AW_E_NOT_FOUND);
    assert_true(try_airport(&kit, "AMS", KIT_START, DEPARTS).out.u.change.created);
    assert_int_equal(aw_state_airport(kit.state, command.in.airport.code, &airport), AW_OK);
    assert_int_equal(airport.version, 3);
    kit_close(&kit);
}

/* Later than any flight of these tests is remembered, when no ticket names it. */
#define LONG_OVER (5 * KIT_DAY)

/* An undo under a key is answered again for a day. By then its flight may be forgotten, and the row another one's. */
static void
test_repeated_undo_shows_no_other_flight(void **unused)
{
    struct kit              kit;
    struct aw_state_limits  limits = kit_limits();
    struct aw_command       command = {.kind = AW_COMMAND_UNDO, .once = {.key = kit_hash(77), .request = 5}};
    struct aw_command       again = command;
    struct aw_flight_answer flight;
    struct aw_command       other;

    (void)unused;
    limits.flights_max = 1;
    kit_open_with(&kit, &limits);
    other = try_flight(&kit, 7, AW_FLIGHT_CANCELLED, 0);
    kit.now += LONG_OVER; /* told long before, taken back just now */
    command.in.undo.change = change_of(&other);
    (void)kit_apply(&kit, &command);
    assert_int_equal(command.out.err, AW_OK);
    again.in.undo = command.in.undo;
    (void)kit_apply(&kit, &again);
    assert_int_equal(again.out.err, AW_OK);
    assert_true(again.out.repeated);
    assert_int_equal(again.out.u.change.now.tickets, command.out.u.change.now.tickets);
    assert_int_equal(try_flight(&kit, 8, AW_FLIGHT_CANCELLED, 0).out.err, AW_OK); /* in its row */
    assert_int_equal(aw_state_flight(kit.state, 7, &flight), AW_E_NOT_FOUND);
    again = (struct aw_command){.kind = AW_COMMAND_UNDO, .once = command.once, .in.undo = command.in.undo};
    (void)kit_apply(&kit, &again);
    assert_int_equal(again.out.err, AW_E_OVERTAKEN);
    assert_false(again.out.repeated);
    kit_close(&kit);
}

/* A full table refuses new flights, before anything changed; not what needs no row: one that is known, a trial, a repeat. */
static void
test_full_table_of_flights(void **unused)
{
    struct kit             kit;
    struct aw_state_limits limits = kit_limits();
    struct aw_command      known = {.kind = AW_COMMAND_FLIGHT,
                                    .once = {.key = kit_hash(78), .request = 6},
                                    .in.flight = {.flight_hash = 7,
                                                  .number = AW_SLICE("KL1234"),
                                                  .date_days = (uint32_t)(KIT_START / KIT_DAY),
                                                  .state = AW_FLIGHT_CANCELLED}};
    struct aw_command      fresh = known;

    (void)unused;
    limits.flights_max = 1;
    kit_open_with(&kit, &limits);
    (void)kit_apply(&kit, &known);
    assert_int_equal(known.out.err, AW_OK);
    fresh.once = (struct aw_once){.request = 0};
    fresh.in.flight.flight_hash = 8;
    assert_int_equal(aw_state_admits(kit.state, &fresh), AW_E_TABLE_FULL);
    fresh.in.flight.if_match.version = AW_VERSION_SOME; /* another refusal goes before */
    assert_int_equal(aw_state_admits(kit.state, &fresh), AW_OK);
    assert_int_equal(kit_apply(&kit, &fresh), AW_E_PRECONDITION);
    fresh.in.flight.if_match.version = 0;
    fresh.in.flight.dry_run = true;
    assert_int_equal(aw_state_admits(kit.state, &fresh), AW_OK);
    (void)kit_apply(&kit, &fresh);
    assert_int_equal(fresh.out.err, AW_OK);
    assert_false(fresh.out.changed);
    assert_int_equal(aw_state_admits(kit.state, &known), AW_OK); /* known, and a repeat */
    /* Its flight is forgotten, and the row another one's: the repeat still needs none. */
    kit.now += LONG_OVER - KIT_DAY / 2;
    known.once = (struct aw_once){.key = kit_hash(79), .request = 7};
    known.in.flight.state = AW_FLIGHT_REBOOKED;
    known.out = (struct aw_outcome_of){.err = AW_OK};
    (void)kit_apply(&kit, &known);
    assert_int_equal(known.out.err, AW_OK);
    kit.now += KIT_HOUR;
    fresh = (struct aw_command){.kind = AW_COMMAND_FLIGHT, .in.flight = known.in.flight};
    fresh.in.flight.flight_hash = 8;
    fresh.in.flight.date_days += 5;
    (void)kit_apply(&kit, &fresh);
    assert_int_equal(fresh.out.err, AW_OK);
    assert_int_equal(aw_state_admits(kit.state, &known), AW_OK);
    kit_close(&kit);
}

static void
test_what_changes_nothing(void **unused)
{
    struct kit        kit;
    struct aw_command command, again;

    (void)unused;
    kit_open(&kit);
    (void)say(&kit, 1, AW_CLASS_GENERAL, (struct trip){7, DEPARTS, "AMS", NULL});
    command = (struct aw_command){
        .kind = AW_COMMAND_FLIGHT,
        .once = {.key = {1, 2}, .request = 3},
        .in.flight = {.flight_hash = 7, .number = AW_SLICE("KL1"), .state = AW_FLIGHT_CANCELLED, .dry_run = true}};
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_false(command.out.changed);
    assert_int_equal(command.out.u.change.now.tickets, 1);
    assert_true(command.out.u.change.now.dry_run);
    command.in.flight.dry_run = false;
    command.in.flight.if_match.version = 1;
    assert_int_equal(kit_apply(&kit, &command), AW_E_PRECONDITION);
    command.in.flight.if_match.version = 0;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.changed);
    /* The same again, after another change: what was answered then. */
    assert_int_equal(try_flight(&kit, 7, AW_FLIGHT_SCHEDULED, 0).out.err, AW_OK);
    again = command;
    assert_int_equal(kit_apply(&kit, &again), AW_OK);
    assert_true(again.out.repeated);
    assert_true(again.out.u.change.now.duplicate);
    assert_int_equal(again.out.u.change.now.tickets, 1);
    assert_int_equal(again.out.u.change.now.flight.change.seq, command.out.seq);
    assert_int_equal(again.out.u.change.now.flight.version, 1);
    again.once.request = 4;
    assert_int_equal(kit_apply(&kit, &again), AW_E_KEY_REUSED);
    /* As asked already. */
    again = try_flight(&kit, 7, AW_FLIGHT_SCHEDULED, 0);
    assert_false(again.out.changed);
    assert_int_equal(again.out.u.change.now.flight.version, 2);
    assert_int_equal(try_flight(&kit, 7, AW_FLIGHT_DELAYED, 0).out.err, AW_E_BAD_VALUE);
    assert_int_equal(try_flight(&kit, 7, AW_FLIGHT_CANCELLED, DEPARTS).out.err, AW_E_BAD_VALUE);
    assert_int_equal(try_airport(&kit, "AMS", DEPARTS, DEPARTS).out.err, AW_E_BAD_VALUE);
    assert_int_equal(try_airport(&kit, "AmS", KIT_START, DEPARTS).out.err, AW_E_BAD_VALUE);
    kit_close(&kit);
}

/* --- limits ------------------------------------------------------------------------------------------------------------------ */

static void
test_limits(void **unused)
{
    struct aw_state_limits limits = kit_limits();
    struct kit             kit;
    struct aw_command      command;
    struct aw_state_counts counts;

    (void)unused;
    limits.facts_max = 4;
    limits.flights_max = 3;
    kit_open_with(&kit, &limits);
    for (uint64_t i = 1; i <= 4; i++)
        (void)say(&kit, i, AW_CLASS_GENERAL, (struct trip){i, DEPARTS, NULL, NULL});
    command = try_say(&kit, 9999, 9, AW_CLASS_GENERAL, (struct trip[]){{7, DEPARTS, NULL, NULL}}, 1);
    assert_int_equal(command.out.err, AW_E_TABLE_FULL);
    assert_int_equal(aw_state_admits(kit.state, &(struct aw_command){.kind = AW_COMMAND_MESSAGE,
                                                                     .in.message = {.identities = &(struct aw_hash128){1, 2},
                                                                                    .identity_count = 1,
                                                                                    .departs_at = 1}}),
                     AW_E_TABLE_FULL);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(try_flight(&kit, i, AW_FLIGHT_CANCELLED, 0).out.err, AW_OK);
    assert_int_equal(try_flight(&kit, 4, AW_FLIGHT_CANCELLED, 0).out.err, AW_E_TABLE_FULL);
    /* Over, but an open ticket names them still; then only one. */
    (void)kit_wait(&kit, 5 * KIT_DAY);
    assert_int_equal(try_flight(&kit, 4, AW_FLIGHT_CANCELLED, 0).out.err, AW_E_TABLE_FULL);
    command = try_flight(&kit, 2, AW_FLIGHT_CANCELLED, 0);
    assert_false(command.out.changed);
    for (uint32_t slot = 1; slot < 3; slot++) {
        struct aw_ticket_view view;

        assert_true(aw_state_ticket_at(kit.state, slot, &view));
        assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_CANCEL, view.ticket, 0, 0).out.err, AW_OK);
    }
    assert_int_equal(try_flight(&kit, 4, AW_FLIGHT_CANCELLED, 0).out.err, AW_OK);
    aw_state_counts(kit.state, &counts);
    assert_in_range(counts.flights, 2, 3);
    /* A closed ticket gives its facts back when it is taken for a new one. */
    (void)kit_wait(&kit, 2 * KIT_DAY);
    (void)say(&kit, 9, AW_CLASS_GENERAL, (struct trip){7, kit.now + KIT_HOUR, NULL, NULL});
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.facts, 3);
    kit_close(&kit);
}

static void
test_a_ticket_keeps_so_many(void **unused)
{
    struct kit             kit;
    struct aw_state_counts counts;
    struct aw_ticket_id    ticket = {.seq = 0};

    (void)unused;
    kit_open(&kit);
    for (uint64_t i = 0; i < AW_TICKET_FACTS_MAX + 1; i++) {
        kit.now += 1;
        ticket = say(&kit, 1, AW_CLASS_GENERAL, (struct trip){100 + i, DEPARTS + i * KIT_MINUTE, NULL, NULL});
    }
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.facts, AW_TICKET_FACTS_MAX);
    expect(&kit, ticket, AW_CLASS_IMMINENT, DEPARTS + KIT_MINUTE); /* the first gave way */
    /* Said again, a flight takes no more room, and its newest time counts. */
    (void)say(&kit, 1, AW_CLASS_GENERAL, (struct trip){101, DEPARTS + 2 * KIT_HOUR, "AMS", "JFK"});
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.facts, AW_TICKET_FACTS_MAX);
    expect(&kit, ticket, AW_CLASS_IMMINENT, DEPARTS + 2 * KIT_MINUTE);
    assert_int_equal(try_airport(&kit, "JFK", KIT_START, KIT_START + KIT_DAY).out.u.change.now.tickets, 1);
    kit_close(&kit);
}

/* --- checkpoint and replay --------------------------------------------------------------------------------------------------- */

static void
load_into(struct kit *to, struct kit *from)
{
    struct aw_checkpoint_mark mark;
    struct aw_chunk           chunk;
    struct aw_why             why = {""};

    kit_open(to);
    assert_true(aw_state_cut_begin(from->state, &mark));
    while (aw_state_cut_next(from->state, &chunk, &mark))
        assert_int_equal(aw_state_load_chunk(to->state, &chunk, &why), AW_OK);
    aw_state_cut_end(from->state);
    if (aw_state_load_finish(to->state, &mark, &why) != AW_OK)
        fail_msg("%s", why.text);
    to->now = from->now;
}

/* Both go on with the same commands, in which facts are added, dropped, and their rows taken again. */
static void
go_on(struct kit *kit, struct aw_change_id change)
{
    (void)kit_wait(kit, 0);
    assert_int_equal(try_undo(kit, change).out.err, AW_OK);
    (void)kit_wait(kit, KIT_HOUR);
    (void)try_airport(kit, "AMS", kit->now, kit->now + KIT_DAY);
    (void)kit_wait(kit, 0);
    for (uint64_t i = 1; i <= 20; i++) {
        struct aw_ticket_id ticket =
            say(kit, 50 + i, AW_CLASS_OTHER, (struct trip){1 + i % 4, kit->now + i * KIT_HOUR, "AMS", "JFK"});

        (void)say(kit, 50 + i, AW_CLASS_OTHER, (struct trip){0, 0, "LHR", NULL});
        assert_int_equal(kit_on_ticket(kit, AW_COMMAND_CANCEL, ticket, 0, 0).out.err, AW_OK);
    }
    (void)kit_wait(kit, 2 * KIT_DAY);
    for (uint64_t i = 1; i <= 20; i++)
        (void)say(kit, 80 + i, AW_CLASS_OTHER, (struct trip){1 + i % 4, kit->now + KIT_DAY, "AMS", "JFK"});
    (void)kit_wait(kit, KIT_DAY);
}

static void
test_a_checkpoint_in_the_middle_of_an_event(void **unused)
{
    struct kit          kit, loaded;
    struct aw_command   command;
    struct aw_change_id change;
    struct aw_ticket_id ticket;

    (void)unused;
    kit_open(&kit);
    for (uint64_t i = 1; i <= 12; i++)
        ticket = say(&kit, i, AW_CLASS_GENERAL, (struct trip){i % 3, DEPARTS, "AMS", "JFK"});
    (void)try_flight(&kit, 1, AW_FLIGHT_DELAYED, DEPARTS + KIT_HOUR);
    (void)kit_wait(&kit, 0);
    command = try_airport(&kit, "JFK", KIT_START, KIT_START + KIT_DAY);
    change = change_of(&command);
    assert_int_equal(command.out.u.change.now.tickets, 8);   /* with i % 3 == 0 only AMS was named */
    assert_true(aw_state_due(kit.state, kit.now, &command)); /* not one has moved yet */
    load_into(&loaded, &kit);
    assert_int_equal(aw_state_next_due(loaded.state), aw_state_next_due(kit.state));
    (void)kit_wait(&kit, 0);
    (void)kit_wait(&loaded, 0);
    assert_true(aw_hash128_eq(aw_state_order_digest(kit.state), aw_state_order_digest(loaded.state)));
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(loaded.state)));
    go_on(&kit, change);
    go_on(&loaded, change);
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(loaded.state)));
    assert_int_equal(kit_view(&loaded, ticket).class_, kit_view(&kit, ticket).class_);
    kit_close(&loaded);
    kit_close(&kit);
}

static void
test_lists_go_row_by_row(void **unused)
{
    struct kit               kit;
    struct aw_flight_answer  flights[2];
    struct aw_airport_answer airports[2];
    struct aw_command        undone;
    uint32_t                 next;

    (void)unused;
    kit_open(&kit);
    for (uint64_t i = 1; i <= 4; i++) {
        undone = try_flight(&kit, i, AW_FLIGHT_DELAYED, DEPARTS + i);
        (void)try_airport(&kit, i % 2 == 0 ? "AMS" : "JFK", KIT_START, DEPARTS + i);
    }
    (void)try_undo(&kit, change_of(&undone));
    assert_int_equal(aw_state_flights(kit.state, 0, flights, 2, &next), 2);
    assert_int_equal(flights[1].departs_at, DEPARTS + 2);
    assert_int_equal(aw_state_flights(kit.state, next, flights, 2, &next), 1);
    assert_int_equal(flights[0].departs_at, DEPARTS + 3);
    assert_int_equal(next, 0);
    assert_int_equal(aw_state_airports(kit.state, 0, airports, 2, &next), 2);
    assert_int_equal(next, 0);
    assert_int_equal(aw_state_airports(kit.state, UINT32_MAX, airports, 2, &next), 0);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event_before_and_after_the_message),
        cmocka_unit_test(test_an_undo_gives_the_order_that_was),
        cmocka_unit_test(test_rebooked_passengers_have_no_departure),
        cmocka_unit_test(test_of_two_flights_the_one_that_goes),
        cmocka_unit_test(test_a_far_departure_moves_its_timer),
        cmocka_unit_test(test_the_leased_and_the_held),
        cmocka_unit_test(test_care_stays),
        cmocka_unit_test(test_who_writes_after_the_closure_is_not_stranded),
        cmocka_unit_test(test_undo_is_refused_when_it_is_too_late),
        cmocka_unit_test(test_repeated_undo_shows_no_other_flight),
        cmocka_unit_test(test_full_table_of_flights),
        cmocka_unit_test(test_what_changes_nothing),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_a_ticket_keeps_so_many),
        cmocka_unit_test(test_a_checkpoint_in_the_middle_of_an_event),
        cmocka_unit_test(test_lists_go_row_by_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
