/* core_incident_test.c - incidents: which tickets are part of which, as messages come, as a round finds those that were there
 * before and as people say; what is proposed; that a checkpoint gives all of it back and goes on where it was.
 *
 * A small state and commands in one line. What the server does by itself is carried out as the committer would do it: look, due,
 * apply. */
#include "core/told.h"
#include "core_kit.h"

#define FLIGHT  UINT64_C(0xf11)
#define OTHER   UINT64_C(0xf12)
#define BOOKING UINT64_C(0xb00c)
#define TICKETS 40U
/* Where what is named is noticed: so many places for each of so many ways of a hash (core/layout.h). */
#define PLACES_WAYS 4U
#define PLACES      (8192U / PLACES_WAYS)

static const struct aw_incident_key on_flight = {
    .kind = AW_INCIDENT_FLIGHT, .hash = FLIGHT, .name = {"KL641", 5}, .date_days = 20558};
static const struct aw_incident_key on_other = {
    .kind = AW_INCIDENT_FLIGHT, .hash = OTHER, .name = {"KL643", 5}, .date_days = 20558};
static const struct aw_incident_key on_booking = {.kind = AW_INCIDENT_BOOKING, .hash = BOOKING, .name = {"QX7K2P", 6}};
static const struct aw_incident_key on_airport = {.kind = AW_INCIDENT_AIRPORT, .name = {"AMS", 3}};

/* --- in one line ------------------------------------------------------------------------------------------------------------ */

/* Of customer `who`, naming this flight (0: none), from and to, this airport, and this booking (0: none). */
struct post {
    uint64_t    who;
    uint64_t    flight;
    const char *number;
    const char *from;
    const char *airport;
    uint64_t    booking;
};

static struct aw_ticket_id
post(struct kit *kit, struct post want)
{
    struct kit_room   room;
    struct aw_command command =
        kit_message(&(struct kit_post){.id = aw_state_seq(kit->state), .who = {want.who}, .class_ = AW_CLASS_GENERAL}, &room);
    struct aw_flight_fact  flight = {.flight_hash = want.flight, .number = aw_slice_str(want.number), .date_days = 20558};
    struct aw_airport_code airport;

    if (want.from != NULL)
        memcpy(flight.from, want.from, sizeof(flight.from));
    if (want.flight != 0) {
        command.in.message.flights = &flight;
        command.in.message.flight_count = 1;
    }
    if (want.airport != NULL) {
        memcpy(airport.letters, want.airport, sizeof(airport.letters));
        command.in.message.airports = &airport;
        command.in.message.airport_count = 1;
    }
    command.in.message.booking_hash = want.booking;
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.u.message.ticket;
}

static struct aw_out_incident
try_set(struct kit *kit, struct aw_in_incident in, enum aw_err want)
{
    struct aw_command command = {.kind = AW_COMMAND_INCIDENT, .in.incident = in};

    command.in.incident.by = AW_SLICE("sam");
    assert_int_equal(kit_apply(kit, &command), want);
    return command.out.u.incident;
}

static struct aw_incident_id
make(struct kit *kit, const struct aw_incident_key *keys, uint32_t count, enum aw_incident_follow follow)
{
    return try_set(kit,
                   (struct aw_in_incident){.state = AW_INCIDENT_OPEN,
                                           .title = AW_SLICE("ash"),
                                           .has_keys = true,
                                           .keys = keys,
                                           .key_count = count,
                                           .follow = follow},
                   AW_OK)
        .incident;
}

static enum aw_err
link_by(struct kit *kit, struct aw_ticket_id ticket, struct aw_incident_id incident, bool parts, struct aw_out_incident *ret_out)
{
    struct aw_command command = {
        .kind = AW_COMMAND_INCIDENT_LINK,
        .in.incident_link = {.ticket = ticket, .incident = incident, .parts = parts, .by = AW_SLICE("sam")}};
    enum aw_err err = kit_apply(kit, &command);

    if (ret_out != NULL)
        *ret_out = command.out.u.incident;
    return err;
}

/* As the committer does, until nothing is due. Returns how many records that made. */
static uint32_t
settle(struct kit *kit)
{
    struct aw_command command;
    uint32_t          records = 0;

    aw_state_begin(kit->state, aw_state_seq(kit->state) + 1, kit->now);
    aw_state_incidents_look(kit->state);
    for (int i = 0; i < 1000 && aw_state_due(kit->state, kit->now, &command); i++) {
        assert_int_equal(kit_apply(kit, &command), AW_OK);
        records += command.out.changed ? 1 : 0;
        aw_state_incidents_look(kit->state);
    }
    assert_false(aw_state_due(kit->state, kit->now, &command));
    return records;
}

static struct aw_incident_answer
view_of(const struct kit *kit, struct aw_incident_id incident)
{
    struct aw_incident_answer view;

    assert_int_equal(aw_state_incident(kit->state, incident, &view), AW_OK);
    return view;
}

static void
assert_part(const struct kit *kit, struct aw_ticket_id ticket, struct aw_incident_id incident)
{
    struct aw_incident_id is = kit_view(kit, ticket).incident;

    assert_int_equal(is.seq, incident.seq);
    assert_int_equal(is.slot, incident.slot);
}

static const struct aw_incident_id none = {.seq = 0};

/* --- who is part of what ---------------------------------------------------------------------------------------------------- */

/* Those that were there come by a round, later ones by their message; who names something else is left alone. */
static void
test_earlier_and_later_tickets(void **state)
{
    struct aw_ticket_id   early, other, late;
    struct aw_incident_id incident;
    struct kit            kit;

    (void)state;
    kit_open(&kit);
    early = post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    other = post(&kit, (struct post){.who = 2, .flight = OTHER});
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    assert_part(&kit, early, none);
    assert_int_equal(settle(&kit), 1);
    assert_part(&kit, early, incident);
    assert_part(&kit, other, none);
    late = post(&kit, (struct post){.who = 3, .flight = FLIGHT});
    assert_part(&kit, late, incident);
    (void)post(&kit, (struct post){.who = 2, .flight = FLIGHT}); /* now that he names it */
    assert_part(&kit, other, incident);
    assert_int_equal(view_of(&kit, incident).tickets, 3);
    assert_int_equal(view_of(&kit, incident).open, 3);
    (void)kit_on_ticket(&kit, AW_COMMAND_CANCEL, late, 0, 0);
    assert_int_equal(view_of(&kit, incident).tickets, 3);
    assert_int_equal(view_of(&kit, incident).open, 2);
    kit_close(&kit);
}

/* It was answered when the incident was made, and is open again as a colleague did not let that answer go. */
static void
test_reopened_by_a_refused_reply(void **state)
{
    struct aw_command     agent = {.kind = AW_COMMAND_AGENT}, done = {.kind = AW_COMMAND_COMPLETE};
    struct aw_command     refuse = {.kind = AW_COMMAND_APPROVE, .in.approve.by = AW_SLICE("sam")};
    struct aw_in_reply    reply = {.is_there = true, .channel = AW_SLICE("web"), .account = AW_SLICE("main")};
    struct aw_ticket_id   ticket;
    struct aw_incident_id incident;
    struct kit            kit;

    (void)state;
    kit_open(&kit);
    agent.in.agent = (struct aw_in_agent){
        .name = AW_SLICE("vol"), .needs_approval = true, .units_total = AW_UNITS_NO_TOTAL, .by = AW_SLICE("sam")};
    assert_int_equal(kit_apply(&kit, &agent), AW_OK);
    ticket = post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    reply.to = (struct aw_message_id){.seq = ticket.seq, .shard = KIT_SHARD};
    reply.to_ticket = ticket;
    done.in.fenced = (struct aw_in_fenced){
        .lease = kit_lease(&kit, ticket, "vol", KIT_HOUR), .agent = AW_SLICE("vol"), .op_hash = 1, .reply = reply};
    assert_int_equal(kit_apply(&kit, &done), AW_OK);
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    assert_int_equal(settle(&kit), 0); /* what is closed is linked to none */
    assert_part(&kit, ticket, none);
    refuse.in.approve.reply = (struct aw_message_id){.seq = done.out.u.lease.reply_seq, .shard = KIT_SHARD};
    assert_int_equal(kit_apply(&kit, &refuse), AW_OK);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_WAITING);
    assert_part(&kit, ticket, incident);
    assert_int_equal(view_of(&kit, incident).open, 1);
    assert_int_equal(settle(&kit), 0);
    kit_close(&kit);
}

/* By booking as by flight; a flight by the same hash is none. What a ticket is about besides does not hide it, nor does it change
 * the class. */
static void
test_bookings(void **state)
{
    struct aw_ticket_id       early, other, flight, late;
    struct aw_incident_id     incident;
    struct aw_incident_answer view;
    struct kit                kit;

    (void)state;
    kit_open(&kit);
    early = post(&kit, (struct post){.who = 1, .flight = FLIGHT, .booking = BOOKING});
    other = post(&kit, (struct post){.who = 2, .booking = BOOKING + 1});
    flight = post(&kit, (struct post){.who = 3, .flight = BOOKING});
    incident = make(&kit, &on_booking, 1, AW_FOLLOW_LATER);
    assert_int_equal(settle(&kit), 1);
    assert_part(&kit, early, incident);
    assert_part(&kit, flight, none);
    late = post(&kit, (struct post){.who = 4, .booking = BOOKING});
    assert_part(&kit, late, incident);
    assert_int_equal(kit_view(&kit, late).class_, AW_CLASS_GENERAL);
    (void)post(&kit, (struct post){.who = 2, .booking = BOOKING});
    assert_part(&kit, other, incident);
    view = view_of(&kit, incident);
    assert_int_equal(view.key_count, 1);
    assert_int_equal(view.keys[0].kind, AW_INCIDENT_BOOKING);
    assert_memory_equal(view.keys[0].name, "QX7K2P", 6);
    assert_int_equal(view.keys[0].name_len, 6);
    (void)try_set(&kit, (struct aw_in_incident){.incident = incident, .has_keys = true}, AW_OK); /* none is left */
    assert_int_equal(view_of(&kit, incident).key_count, 0);
    assert_part(&kit, post(&kit, (struct post){.who = 5, .booking = BOOKING}), none);
    kit_close(&kit);
}

/* A booking that a person knew of is no news to him; a flight is. */
static void
test_a_booking_is_no_news(void **state)
{
    struct aw_command   cancelled = {.kind = AW_COMMAND_FLIGHT,
                                     .in.flight = {.flight_hash = FLIGHT,
                                                   .number = AW_SLICE("KL641"),
                                                   .date_days = 20558,
                                                   .state = AW_FLIGHT_CANCELLED,
                                                   .by = AW_SLICE("sam")}};
    struct aw_ticket_id ticket;
    struct kit          kit;

    (void)state;
    kit_open(&kit);
    ticket = post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    assert_int_equal(kit_apply(&kit, &cancelled), AW_OK);
    (void)settle(&kit);
    assert_int_equal(kit_view(&kit, ticket).class_, AW_CLASS_DISRUPTED);
    (void)kit_place(&kit, ticket, AW_CLASS_OTHER, NULL);
    (void)post(&kit, (struct post){.who = 1, .booking = BOOKING});
    assert_int_equal(kit_view(&kit, ticket).class_, AW_CLASS_OTHER);
    (void)post(&kit, (struct post){.who = 1, .flight = OTHER});
    assert_int_equal(kit_view(&kit, ticket).class_, AW_CLASS_DISRUPTED);
    kit_close(&kit);
}

static void
test_one_that_does_not_follow(void **state)
{
    struct aw_ticket_id   early, late;
    struct aw_incident_id incident;
    struct kit            kit;

    (void)state;
    kit_open(&kit);
    early = post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_NOT);
    late = post(&kit, (struct post){.who = 2, .flight = FLIGHT});
    assert_int_equal(settle(&kit), 1);
    assert_part(&kit, early, incident);
    assert_part(&kit, late, none);
    kit_close(&kit);
}

/* An airport has who names it, and flights from it. The incident that was made first has the ticket. */
static void
test_airports_and_the_first(void **state)
{
    struct aw_ticket_id   by_name, by_flight;
    struct aw_incident_id first, second;
    struct kit            kit;

    (void)state;
    kit_open(&kit);
    by_name = post(&kit, (struct post){.who = 1, .airport = "AMS"});
    by_flight = post(&kit, (struct post){.who = 2, .flight = FLIGHT, .from = "AMS"});
    first = make(&kit, &on_airport, 1, AW_FOLLOW_LATER);
    second = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    assert_int_equal(settle(&kit), 2);
    assert_part(&kit, by_name, first);
    assert_part(&kit, by_flight, first);
    /* With the first closed, the other may have them, and the first is no part of it any more. */
    (void)try_set(&kit, (struct aw_in_incident){.incident = first, .state = AW_INCIDENT_CLOSED}, AW_OK);
    assert_int_equal(settle(&kit), 1);
    assert_part(&kit, by_name, first);
    assert_part(&kit, by_flight, second);
    assert_int_equal(view_of(&kit, first).open, 1);
    assert_int_equal(view_of(&kit, second).open, 1);
    kit_close(&kit);
}

static void
test_links_by_people(void **state)
{
    struct aw_ticket_id    ticket;
    struct aw_incident_id  first, second;
    struct aw_out_incident out;
    struct kit             kit;

    (void)state;
    kit_open(&kit);
    ticket = post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    first = make(&kit, &on_other, 1, AW_FOLLOW_LATER);
    second = make(&kit, NULL, 0, AW_FOLLOW_LATER);
    assert_int_equal(link_by(&kit, ticket, first, false, NULL), AW_OK);
    assert_part(&kit, ticket, first);
    assert_int_equal(link_by(&kit, ticket, first, false, NULL), AW_OK); /* again: nothing */
    assert_int_equal(view_of(&kit, first).tickets, 1);
    assert_int_equal(link_by(&kit, ticket, second, false, &out), AW_E_OTHER_INCIDENT);
    assert_int_equal(out.other.seq, first.seq);
    assert_int_equal(link_by(&kit, ticket, second, true, NULL), AW_OK); /* it is no part of it */
    assert_part(&kit, ticket, first);
    assert_int_equal(link_by(&kit, ticket, first, true, NULL), AW_OK);
    assert_part(&kit, ticket, none);
    assert_int_equal(view_of(&kit, first).tickets, 0);
    assert_int_equal(view_of(&kit, first).open, 0);
    assert_int_equal(link_by(&kit, ticket, second, false, NULL), AW_OK);
    assert_part(&kit, ticket, second);
    (void)kit_on_ticket(&kit, AW_COMMAND_CANCEL, ticket, 0, 0);
    assert_int_equal(link_by(&kit, ticket, first, false, NULL), AW_E_WRONG_STATE);
    assert_int_equal(link_by(&kit, (struct aw_ticket_id){.seq = 7, .slot = 60, .shard = KIT_SHARD}, first, false, NULL),
                     AW_E_NOT_FOUND);
    assert_int_equal(link_by(&kit, ticket, (struct aw_incident_id){.seq = 9, .slot = 9, .shard = KIT_SHARD}, false, NULL),
                     AW_E_NOT_FOUND);
    kit_close(&kit);
}

/* Who was taken out stays out, whatever he writes and however often it is looked; a person may link him again. */
static void
test_taken_out_stays_out(void **state)
{
    struct aw_ticket_id   ticket;
    struct aw_incident_id incident;
    struct kit            kit;

    (void)state;
    kit_open(&kit);
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    ticket = post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    assert_int_equal(link_by(&kit, ticket, incident, true, NULL), AW_OK);
    (void)post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    (void)try_set(&kit, (struct aw_in_incident){.incident = incident, .title = AW_SLICE("another")}, AW_OK);
    assert_int_equal(settle(&kit), 0);
    assert_part(&kit, ticket, none);
    assert_int_equal(link_by(&kit, ticket, incident, false, NULL), AW_OK);
    assert_part(&kit, ticket, incident);
    kit_close(&kit);
}

/* What the server found and what changed before it got there: nothing is done, and it goes on. */
static void
test_found_and_changed_since(void **state)
{
    struct aw_ticket_id tickets[3];
    struct aw_command   command;
    struct kit          kit;

    (void)state;
    kit_open(&kit);
    for (uint64_t i = 0; i < 3; i++)
        tickets[i] = post(&kit, (struct post){.who = 1 + i, .flight = FLIGHT});
    (void)make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    aw_state_incidents_look(kit.state);
    assert_true(aw_state_due(kit.state, kit.now, &command));
    assert_int_equal(command.kind, AW_COMMAND_INCIDENT_LINK);
    (void)kit_on_ticket(&kit, AW_COMMAND_CANCEL, tickets[0], 0, 0);
    assert_int_equal(settle(&kit), 2);
    assert_part(&kit, tickets[0], none);
    kit_close(&kit);
}

/* --- what an incident may become -------------------------------------------------------------------------------------------- */

static void
test_refusals(void **state)
{
    const struct aw_incident_key twice[] = {on_flight, on_flight};
    struct aw_incident_id        incident;
    struct aw_out_incident       out;
    struct kit                   kit;

    (void)state;
    kit_open(&kit);
    (void)try_set(&kit, (struct aw_in_incident){.state = AW_INCIDENT_OPEN}, AW_E_BAD_VALUE);
    (void)try_set(&kit, (struct aw_in_incident){.title = AW_SLICE("ash")}, AW_E_BAD_VALUE);
    (void)try_set(&kit, (struct aw_in_incident){.state = AW_INCIDENT_CLOSED, .title = AW_SLICE("ash")}, AW_E_BAD_VALUE);
    (void)try_set(&kit,
                  (struct aw_in_incident){
                      .state = AW_INCIDENT_OPEN, .title = AW_SLICE("ash"), .has_keys = true, .keys = twice, .key_count = 2},
                  AW_E_BAD_VALUE);
    out = try_set(&kit, (struct aw_in_incident){.state = AW_INCIDENT_OPEN, .title = AW_SLICE("ash"), .dry_run = true}, AW_OK);
    assert_int_equal(out.incident.seq, 0);
    assert_int_equal(out.state, AW_INCIDENT_OPEN);
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    (void)try_set(&kit, (struct aw_in_incident){.incident = incident, .state = AW_INCIDENT_PROPOSED}, AW_E_WRONG_STATE);
    (void)try_set(&kit, (struct aw_in_incident){.incident = incident, .if_match.version = 9}, AW_E_PRECONDITION);
    out = try_set(&kit, (struct aw_in_incident){.incident = incident, .title = AW_SLICE("ash")}, AW_OK); /* as it is */
    assert_int_equal(out.version, 1);
    out = try_set(&kit, (struct aw_in_incident){.incident = incident, .state = AW_INCIDENT_CLOSED, .if_match.version = 1}, AW_OK);
    assert_int_equal(out.version, 2);
    assert_int_equal(view_of(&kit, incident).state, AW_INCIDENT_CLOSED);
    incident.seq++;
    (void)try_set(&kit, (struct aw_in_incident){.incident = incident, .state = AW_INCIDENT_OPEN}, AW_E_NOT_FOUND);
    kit_close(&kit);
}

/* The table is full: what is closed longest makes room, what is open never does. A ticket of the one that went is part of none. */
static void
test_room(void **state)
{
    struct aw_incident_id incidents[AW_INCIDENTS_MAX];
    struct aw_ticket_id   ticket;
    struct kit            kit;

    (void)state;
    kit_open(&kit);
    ticket = post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    for (uint32_t i = 0; i < AW_INCIDENTS_MAX; i++)
        incidents[i] = make(&kit, i == 7 ? &on_flight : NULL, i == 7 ? 1 : 0, AW_FOLLOW_LATER);
    assert_int_equal(settle(&kit), 1);
    assert_part(&kit, ticket, incidents[7]);
    (void)try_set(&kit, (struct aw_in_incident){.state = AW_INCIDENT_OPEN, .title = AW_SLICE("more")}, AW_E_TABLE_FULL);
    (void)try_set(&kit, (struct aw_in_incident){.incident = incidents[7], .state = AW_INCIDENT_CLOSED}, AW_OK);
    (void)try_set(&kit, (struct aw_in_incident){.incident = incidents[3], .state = AW_INCIDENT_CLOSED}, AW_OK);
    incidents[8] = make(&kit, &on_other, 1, AW_FOLLOW_LATER);
    assert_int_equal(incidents[8].slot, incidents[7].slot);
    assert_part(&kit, ticket, none);
    assert_int_equal(view_of(&kit, incidents[8]).open, 0);
    assert_int_equal(view_of(&kit, incidents[3]).state, AW_INCIDENT_CLOSED);
    assert_int_equal(link_by(&kit, ticket, incidents[8], false, NULL), AW_OK);
    assert_int_equal(view_of(&kit, incidents[8]).open, 1);
    kit_close(&kit);
}

/* --- proposals -------------------------------------------------------------------------------------------------------------- */

static void
test_five_tickets_propose(void **state)
{
    struct aw_incident_answer views[4];
    struct kit                kit;
    uint32_t                  next;

    (void)state;
    kit_open(&kit);
    for (uint64_t i = 0; i < 4; i++)
        (void)post(&kit, (struct post){.who = 1 + i, .flight = FLIGHT, .number = "KL641", .from = "AMS"});
    (void)post(&kit, (struct post){.who = 1, .flight = FLIGHT, .number = "KL641"}); /* the same ticket again */
    assert_int_equal(settle(&kit), 0);
    (void)post(&kit, (struct post){.who = 5, .flight = FLIGHT, .number = "KL641"});
    assert_int_equal(settle(&kit), 1);
    assert_int_equal(aw_state_incidents(kit.state, AW_INCIDENT_PROPOSED, 0, views, 4, &next), 1); /* and none for AMS */
    assert_memory_equal(views[0].title, "KL641 2026-04-15", 16);
    assert_int_equal(views[0].key_count, 1);
    assert_memory_equal(views[0].keys[0].name, "KL641", 5);
    assert_int_equal(views[0].open, 0);
    for (uint64_t i = 0; i < 9; i++) /* it is known */
        (void)post(&kit, (struct post){.who = 11 + i, .flight = FLIGHT, .number = "KL641"});
    assert_int_equal(settle(&kit), 0);
    (void)try_set(&kit, (struct aw_in_incident){.incident = views[0].incident, .state = AW_INCIDENT_OPEN}, AW_OK);
    assert_int_equal(settle(&kit), 14);
    assert_int_equal(view_of(&kit, views[0].incident).open, 14);
    kit_close(&kit);
}

/* Somebody made it while the proposal was on its way. */
static void
test_made_before_it_is_proposed(void **state)
{
    struct aw_incident_answer views[4];
    struct aw_command         command;
    struct kit                kit;
    uint32_t                  next;

    (void)state;
    kit_open(&kit);
    for (uint64_t i = 0; i < 5; i++)
        (void)post(&kit, (struct post){.who = 1 + i, .airport = "AMS"});
    assert_true(aw_state_due(kit.state, kit.now, &command));
    assert_int_equal(command.kind, AW_COMMAND_INCIDENT);
    (void)make(&kit, &on_airport, 1, AW_FOLLOW_LATER);
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_false(command.out.changed);
    assert_int_equal(settle(&kit), 5); /* all are linked to the one that was made */
    assert_int_equal(aw_state_incidents(kit.state, AW_INCIDENT_PROPOSED, 0, views, 4, &next), 0);
    kit_close(&kit);
}

/* What is about to be proposed keeps its place, though others that share it were named since. */
static void
test_proposed_among_many(void **state)
{
    struct aw_incident_answer views[8];
    struct kit                kit;
    uint32_t                  next;

    (void)state;
    kit_open(&kit);
    for (uint64_t i = 0; i < 5; i++)
        (void)post(&kit, (struct post){.who = 1 + i, .flight = FLIGHT, .number = "KL641"});
    kit.now += 1;
    for (uint64_t i = 1; i <= 2 * PLACES_WAYS; i++)
        (void)post(&kit, (struct post){.who = 10 + i, .flight = FLIGHT + i * PLACES, .number = "KL9"});
    assert_int_equal(settle(&kit), 1);
    assert_int_equal(aw_state_incidents(kit.state, AW_INCIDENT_PROPOSED, 0, views, 8, &next), 1);
    assert_memory_equal(views[0].title, "KL641 ", 6);
    assert_memory_equal(views[0].keys[0].name, "KL641", 5);
    kit_close(&kit);
}

static void
test_what_does_not_propose(void **state)
{
    struct aw_incident_id incident;
    struct kit            kit;

    (void)state;
    kit_open(&kit);
    for (uint64_t i = 0; i < 10; i++, kit.now += 3 * KIT_MINUTE) /* four in ten minutes */
        (void)post(&kit, (struct post){.who = 1 + i, .airport = "AMS"});
    assert_int_equal(settle(&kit), 0);
    for (uint64_t i = 0; i < 5; i++)
        (void)post(&kit, (struct post){.who = 21 + i, .airport = "AMS"});
    assert_int_equal(settle(&kit), 1);
    incident = make(&kit, &on_other, 1, AW_FOLLOW_LATER); /* who closed it knows of it */
    (void)try_set(&kit, (struct aw_in_incident){.incident = incident, .state = AW_INCIDENT_CLOSED}, AW_OK);
    for (uint64_t i = 0; i < 9; i++)
        (void)post(&kit, (struct post){.who = 31 + i, .flight = OTHER, .number = "KL643"});
    assert_int_equal(settle(&kit), 0);
    for (uint64_t i = 0; i < UINT64_C(6) * (AW_TICKET_FACTS_MAX + 1); i++) /* one ticket, which forgets its first flights */
        (void)post(&kit, (struct post){.who = 60, .flight = 0x1000 + i % (AW_TICKET_FACTS_MAX + 1), .number = "KL1"});
    assert_int_equal(settle(&kit), 0);
    kit_close(&kit);
}

/* --- answers ---------------------------------------------------------------------------------------------------------------- */

static const struct aw_own_text texts[] = {{{"en", 2}, {"It goes at {departure}.", 23}}, {{"nl", 2}, {"Om {departure}.", 15}}};

static struct aw_incident_try
try_out(struct kit *kit, struct aw_incident_id incident, unsigned needs, struct aw_incident_item *items, uint32_t room)
{
    struct aw_incident_try try_ = {
        .incident = incident, .texts = texts, .text_count = 2, .needs = needs, .items = items, .room = room};

    assert_int_equal(aw_incident_try_begin(kit->state, &try_), AW_OK);
    while (!aw_incident_try_step(kit->state, &try_, 3))
        ;
    return try_;
}

static enum aw_err
approve(struct kit *kit, const struct aw_incident_try *try_)
{
    struct aw_command command = {.kind = AW_COMMAND_INCIDENT_ANSWER,
                                 .in.incident_answer = {.incident = try_->incident,
                                                        .texts = try_->texts,
                                                        .text_count = try_->text_count,
                                                        .needs = (uint8_t)try_->needs,
                                                        .through = try_->through,
                                                        .facts = try_->facts,
                                                        .by = AW_SLICE("sam")}};

    return kit_apply(kit, &command);
}

static uint32_t
replies_to(const struct kit *kit, struct aw_ticket_id ticket)
{
    struct aw_reply_view views[4];

    return aw_state_replies_of(kit->state, ticket.seq, views, 4);
}

/* Each ticket that was shown as going is closed with one reply; one leased in between is left, as are those that came later. */
static void
test_answer(void **state)
{
    struct aw_incident_item items[TICKETS];
    struct aw_ticket_id     tickets[6], later;
    struct aw_incident_id   incident;
    struct aw_incident_try  try_;
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    for (uint64_t i = 0; i < 6; i++)
        tickets[i] = post(&kit, (struct post){.who = 1 + i, .flight = FLIGHT});
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    assert_int_equal(try_.count, 6);
    assert_int_equal(try_.verdicts[AW_VERDICT_GOES], 6);
    later = post(&kit, (struct post){.who = 10, .flight = FLIGHT});
    (void)kit_lease(&kit, tickets[2], "ann", KIT_HOUR);
    (void)post(&kit, (struct post){.who = 4, .flight = FLIGHT}); /* of tickets[3]: he writes again */
    assert_int_equal(approve(&kit, &try_), AW_OK);
    assert_int_equal(approve(&kit, &try_), AW_E_WRONG_STATE);
    assert_true(view_of(&kit, incident).is_answering);
    assert_int_equal(settle(&kit), 4 + 1); /* four tickets, and the end */
    assert_false(view_of(&kit, incident).is_answering);
    assert_int_equal(view_of(&kit, incident).answered, 4);
    assert_int_equal(view_of(&kit, incident).open, 3);
    for (uint32_t i = 0; i < 6; i++) {
        bool goes = i != 2 && i != 3;

        assert_int_equal(kit_view(&kit, tickets[i]).state == AW_TICKET_CLOSED, goes);
        assert_int_equal(replies_to(&kit, tickets[i]), goes ? 1 : 0);
    }
    assert_int_equal(kit_view(&kit, later).state, AW_TICKET_WAITING);
    /* Who writes again comes back with his age, and this incident answers him no more. */
    (void)post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    assert_int_equal(kit_view(&kit, tickets[0]).state, AW_TICKET_WAITING);
    assert_part(&kit, tickets[0], incident);
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    assert_int_equal(try_.verdicts[AW_VERDICT_ANSWERED], 1);
    assert_int_equal(try_.verdicts[AW_VERDICT_LEASED], 1);
    assert_int_equal(try_.verdicts[AW_VERDICT_GOES], 2);
    assert_int_equal(approve(&kit, &try_), AW_OK);
    assert_int_equal(settle(&kit), 2 + 1);
    assert_int_equal(replies_to(&kit, tickets[0]), 1);
    kit_close(&kit);
}

/* What was held out when it was shown does not go, although nothing holds it any more. */
static void
test_as_it_was_shown(void **state)
{
    struct aw_incident_item items[TICKETS];
    struct aw_ticket_id     leased, held, noted, same;
    struct aw_incident_id   incident;
    struct aw_incident_try  try_;
    struct aw_lease_id      lease;
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    leased = post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    held = post(&kit, (struct post){.who = 2, .flight = FLIGHT});
    noted = post(&kit, (struct post){.who = 3, .flight = FLIGHT});
    same = post(&kit, (struct post){.who = 4, .flight = FLIGHT});
    lease = kit_lease(&kit, leased, "ann", KIT_HOUR);
    (void)kit_on_ticket(&kit, AW_COMMAND_HOLD, held, 0, 0);
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    assert_int_equal(try_.verdicts[AW_VERDICT_GOES], 2);
    (void)kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 77);
    (void)kit_on_ticket(&kit, AW_COMMAND_UNHOLD, held, 0, 0);
    (void)kit_on_ticket(&kit, AW_COMMAND_HOLD, noted, 0, 0);
    (void)kit_on_ticket(&kit, AW_COMMAND_UNHOLD, noted, 0, 0);
    assert_int_equal(approve(&kit, &try_), AW_OK);
    assert_int_equal(settle(&kit), 1 + 1);
    assert_int_equal(replies_to(&kit, leased), 0);
    assert_int_equal(replies_to(&kit, held), 0);
    assert_int_equal(replies_to(&kit, noted), 0);
    assert_int_equal(replies_to(&kit, same), 1);
    kit_close(&kit);
}

static enum aw_err
delay(struct kit *kit, aw_ms departs_at)
{
    struct aw_command command = {.kind = AW_COMMAND_FLIGHT,
                                 .in.flight = {.flight_hash = FLIGHT,
                                               .number = AW_SLICE("KL641"),
                                               .date_days = 20558,
                                               .state = AW_FLIGHT_DELAYED,
                                               .departs_at = departs_at,
                                               .by = AW_SLICE("sam")}};

    return kit_apply(kit, &command);
}

/* A flight or the keys change while the answer is under way: nobody is told what was not shown. */
static void
test_changed_under_way(void **state)
{
    struct aw_incident_item items[TICKETS];
    struct aw_incident_id   incident;
    struct aw_incident_try  try_;
    struct kit              kit;

    (void)state;
    for (int keys = 0; keys < 2; keys++) {
        kit_open(&kit);
        incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
        for (uint64_t i = 0; i < 3; i++)
            (void)post(&kit, (struct post){.who = 1 + i, .flight = FLIGHT});
        try_ = try_out(&kit, incident, 0, items, TICKETS);
        assert_int_equal(try_.verdicts[AW_VERDICT_GOES], 3);
        assert_int_equal(approve(&kit, &try_), AW_OK);
        if (keys != 0)
            (void)try_set(&kit,
                          (struct aw_in_incident){.incident = incident, .has_keys = true, .keys = &on_airport, .key_count = 1},
                          AW_OK);
        else
            assert_int_equal(delay(&kit, kit.now + 9 * KIT_HOUR), AW_OK);
        (void)settle(&kit);
        assert_int_equal(view_of(&kit, incident).answered, 0);
        assert_false(view_of(&kit, incident).is_answering);
        kit_close(&kit);
    }
}

/* By way of another incident nothing is forgotten: who was answered is not answered so again, who was taken out stays out. */
static void
test_nothing_is_forgotten(void **state)
{
    struct aw_incident_item items[TICKETS];
    struct aw_ticket_id     answered, parted;
    struct aw_incident_id   first, second;
    struct aw_incident_try  try_;
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    first = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    answered = post(&kit, (struct post){.who = 1, .flight = FLIGHT, .airport = "AMS"});
    try_ = try_out(&kit, first, 0, items, TICKETS);
    assert_int_equal(approve(&kit, &try_), AW_OK);
    (void)settle(&kit);
    assert_int_equal(replies_to(&kit, answered), 1);
    parted = post(&kit, (struct post){.who = 2, .flight = FLIGHT, .airport = "AMS"});
    (void)link_by(&kit, parted, first, true, NULL);
    (void)try_set(&kit, (struct aw_in_incident){.incident = first, .state = AW_INCIDENT_CLOSED}, AW_OK);
    second = make(&kit, &on_airport, 1, AW_FOLLOW_LATER);
    (void)post(&kit, (struct post){.who = 1, .airport = "AMS"});
    (void)post(&kit, (struct post){.who = 2, .airport = "AMS"});
    (void)settle(&kit);
    assert_part(&kit, answered, second);
    assert_part(&kit, parted, none);
    try_ = try_out(&kit, second, 0, items, TICKETS);
    assert_int_equal(try_.verdicts[AW_VERDICT_ANSWERED], 1);
    assert_int_equal(try_.verdicts[AW_VERDICT_GOES], 0);
    assert_int_equal(link_by(&kit, parted, second, false, NULL), AW_OK);
    assert_part(&kit, parted, second);
    kit_close(&kit);
}

/* The store has no room for what the server would link or propose: what was approved goes on, and links come later. */
static void
test_no_room_for_links(void **state)
{
    struct aw_incident_item items[TICKETS];
    struct aw_ticket_id     ticket;
    struct aw_incident_id   incident, other;
    struct aw_incident_try  try_;
    struct aw_command       command;
    struct kit              kit;
    uint32_t                skipped = 0;

    (void)state;
    kit_open(&kit);
    ticket = post(&kit, (struct post){.who = 50, .flight = OTHER});
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    for (uint64_t i = 0; i < 3; i++)
        (void)post(&kit, (struct post){.who = 1 + i, .flight = FLIGHT});
    for (uint64_t i = 0; i < 5; i++)
        (void)post(&kit, (struct post){.who = 10 + i, .airport = "CDG"});
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    other = make(&kit, &on_other, 1, AW_FOLLOW_LATER);
    assert_int_equal(approve(&kit, &try_), AW_OK);
    aw_state_incidents_look(kit.state);
    for (int i = 0; i < 100 && aw_state_due(kit.state, kit.now, &command); i++) {
        if (command.kind == AW_COMMAND_INCIDENT || command.kind == AW_COMMAND_INCIDENT_LINK) {
            aw_state_incidents_skip(kit.state, &command, kit.now + 1000);
            skipped++;
        } else {
            assert_int_equal(kit_apply(&kit, &command), AW_OK);
        }
        aw_state_incidents_look(kit.state);
    }
    assert_int_equal(skipped, 2);
    assert_int_equal(view_of(&kit, incident).answered, 3);
    assert_false(view_of(&kit, incident).is_answering);
    assert_part(&kit, ticket, none);
    assert_int_equal(aw_state_next_due(kit.state), kit.now + 1000);
    kit.now += 1000;
    assert_int_equal(settle(&kit), 1);
    assert_part(&kit, ticket, other);
    kit_close(&kit);
}

/* Of two messages the one that named the flight, or the booking, is taken out: its ticket is part, the one that stays is not, or of
 * another one. */
static void
test_unfold(void **state)
{
    static struct aw_telling taken, left;
    struct aw_ticket_id      ticket;
    struct aw_incident_id    incident, other;
    struct kit               kit;

    (void)state;
    for (int round = 0; round < 4; round++) {
        bool              names_other = round % 2 != 0, by_booking = round >= 2;
        uint64_t          out[1];
        struct aw_command command = {.kind = AW_COMMAND_UNFOLD,
                                     .in.unfold = {.messages = out, .message_count = 1, .messages_total = 2}};

        kit_open(&kit);
        incident = make(&kit, by_booking ? &on_booking : &on_flight, 1, AW_FOLLOW_LATER);
        other = make(&kit, &on_airport, 1, AW_FOLLOW_LATER);
        taken = left = (struct aw_telling){.told = {.messages = 0}};
        for (uint64_t i = 0; i < 2; i++) {
            struct aw_flight_fact  flight = {.flight_hash = FLIGHT, .number = AW_SLICE("KL641"), .date_days = 20558};
            struct aw_airport_code airport = {{'A', 'M', 'S'}};
            struct kit_room        room;
            struct aw_command      message =
                kit_message(&(struct kit_post){.id = i + 1, .who = {1}, .class_ = AW_CLASS_GENERAL}, &room);

            message.in.message.flights = &flight;
            message.in.message.flight_count = i == 0 && !by_booking ? 1 : 0;
            message.in.message.airports = &airport;
            message.in.message.airport_count = i == 0 || !names_other ? 0 : 1;
            message.in.message.booking_hash = i == 0 && by_booking ? BOOKING : 0;
            assert_int_equal(kit_apply(&kit, &message), AW_OK);
            command.in.unfold.on.ticket = ticket = message.out.u.message.ticket;
            command.in.unfold.newest_seq = message.out.seq;
            aw_telling_add(i == 0 ? &taken : &left, aw_state_settings(kit.state), &message.in.message, message.out.seq, kit.now);
            if (i == 0)
                out[0] = message.out.seq;
        }
        assert_part(&kit, ticket, incident);
        command.in.unfold.on.by = AW_SLICE("sam");
        command.in.unfold.taken = *aw_telling_end(&taken);
        command.in.unfold.left = *aw_telling_end(&left);
        assert_int_equal(kit_apply(&kit, &command), AW_OK);
        assert_part(&kit, ticket, names_other ? other : none);
        assert_part(&kit, command.out.u.ticket.ticket, incident);
        assert_int_equal(view_of(&kit, incident).open, 1);
        assert_int_equal(view_of(&kit, incident).tickets, 1);
        assert_int_equal(view_of(&kit, other).open, names_other);
        kit_close(&kit);
    }
}

/* Who is held out, and why. */
static void
test_verdicts(void **state)
{
    struct aw_incident_item items[TICKETS];
    struct aw_ticket_id     ticket;
    struct aw_incident_id   incident;
    struct aw_incident_try  try_;
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    incident = make(&kit, &on_airport, 1, AW_FOLLOW_LATER);
    ticket = post(&kit, (struct post){.who = 1, .airport = "AMS"});
    (void)kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, 0, 0);
    ticket = post(&kit, (struct post){.who = 2, .airport = "AMS"});
    (void)kit_place(&kit, ticket, AW_CLASS_DISRUPTED, NULL);
    ticket = post(&kit, (struct post){.who = 3, .airport = "AMS"});
    (void)kit_place(&kit, ticket, AW_CLASS_CARE, NULL);
    (void)post(&kit, (struct post){.who = 4, .flight = FLIGHT, .airport = "AMS"});
    (void)post(&kit, (struct post){.who = 4, .flight = OTHER});
    (void)post(&kit, (struct post){.who = 5, .flight = FLIGHT, .from = "AMS"});
    (void)post(&kit, (struct post){.who = 6, .airport = "AMS"});
    try_ = try_out(&kit, incident, AW_NEEDS_PRIVATE, items, TICKETS); /* all of these wrote in public */
    assert_int_equal(try_.verdicts[AW_VERDICT_PUBLIC], 2);
    assert_int_equal(try_.verdicts[AW_VERDICT_GOES], 0);
    try_ = try_out(&kit, incident, AW_NEEDS_FLIGHT, items, 2);
    assert_int_equal(try_.count, 2);
    assert_int_equal(try_.next, items[1].ticket.slot);
    assert_int_equal(try_.verdicts[AW_VERDICT_HELD], 1);
    assert_int_equal(try_.verdicts[AW_VERDICT_CLASS], 1);
    assert_int_equal(try_.verdicts[AW_VERDICT_CARE], 1);
    assert_int_equal(try_.verdicts[AW_VERDICT_SEVERAL], 1);
    assert_int_equal(try_.verdicts[AW_VERDICT_FACTS], 1);
    assert_int_equal(try_.verdicts[AW_VERDICT_GOES], 1);
    kit_close(&kit);
}

/* Who names a booking beside the one that is a key is about more than that; of an incident by flight that is nothing odd. */
static void
test_several_bookings(void **state)
{
    struct aw_incident_item items[TICKETS];
    struct aw_incident_id   incident;
    struct aw_incident_try  try_;
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    incident = make(&kit, &on_booking, 1, AW_FOLLOW_LATER);
    (void)post(&kit, (struct post){.who = 1, .booking = BOOKING});
    (void)post(&kit, (struct post){.who = 2, .booking = BOOKING});
    (void)post(&kit, (struct post){.who = 2, .booking = BOOKING + 1});
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    assert_int_equal(try_.verdicts[AW_VERDICT_GOES], 1);
    assert_int_equal(try_.verdicts[AW_VERDICT_SEVERAL], 1);
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    (void)post(&kit, (struct post){.who = 3, .flight = FLIGHT, .booking = BOOKING + 2});
    (void)post(&kit, (struct post){.who = 3, .booking = BOOKING + 3});
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    assert_int_equal(try_.verdicts[AW_VERDICT_GOES], 1);
    kit_close(&kit);
}

static uint64_t
texts_kept(const struct kit *kit)
{
    struct aw_state_counts counts;

    aw_state_counts(kit->state, &counts);
    return counts.own_texts;
}

/* The same words again take no new rows, however often they are approved; other words do. */
static void
test_same_words_again(void **state)
{
    const struct aw_own_text turned[] = {texts[1], texts[0]};
    struct aw_incident_item  items[TICKETS];
    struct aw_incident_id    incident;
    struct aw_incident_try   try_;
    struct kit               kit;
    uint64_t                 rows = 0;

    (void)state;
    kit_open(&kit);
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    for (uint64_t i = 0; i < 5; i++) {
        (void)post(&kit, (struct post){.who = 1 + i, .flight = FLIGHT});
        try_ = try_out(&kit, incident, 0, items, TICKETS);
        assert_int_equal(approve(&kit, &try_), AW_OK);
        (void)settle(&kit);
        assert_int_equal(view_of(&kit, incident).answered, i + 1);
        rows = i == 0 ? texts_kept(&kit) : rows;
        assert_int_equal(texts_kept(&kit), rows);
    }
    (void)post(&kit, (struct post){.who = 9, .flight = FLIGHT});
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    try_.texts = turned;
    assert_int_equal(approve(&kit, &try_), AW_OK);
    (void)settle(&kit);
    assert_true(texts_kept(&kit) > rows); /* the replies still name the others */
    kit_close(&kit);
}

/* An incident that made room for another one while its tickets were looked through is told of no more, nor is the other one. */
static void
test_gone_while_looked_at(void **state)
{
    struct aw_incident_item items[TICKETS];
    struct aw_incident_id   incidents[AW_INCIDENTS_MAX], other;
    struct aw_incident_try  try_ = {.texts = texts, .text_count = 2, .items = items, .room = TICKETS};
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    for (uint32_t i = 0; i < AW_INCIDENTS_MAX; i++)
        incidents[i] = make(&kit, NULL, 0, AW_FOLLOW_LATER);
    for (uint64_t i = 0; i < 4; i++)
        (void)post(&kit, (struct post){.who = 1 + i, .flight = FLIGHT});
    try_.incident = incidents[5];
    assert_int_equal(aw_incident_try_begin(kit.state, &try_), AW_OK);
    assert_false(aw_incident_try_step(kit.state, &try_, 1));
    assert_false(try_.is_gone);
    (void)try_set(&kit, (struct aw_in_incident){.incident = incidents[5], .state = AW_INCIDENT_CLOSED}, AW_OK);
    other = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    assert_int_equal(other.slot, incidents[5].slot);
    (void)settle(&kit);
    assert_true(aw_incident_try_step(kit.state, &try_, TICKETS));
    assert_true(try_.is_gone);
    assert_int_equal(try_.count, 0);
    kit_close(&kit);
}

/* All that waits goes out, as a gateway sends it: then it makes room. */
static uint32_t
send_all(struct kit *kit)
{
    const struct aw_account_name account = {AW_SLICE("twitter"), AW_SLICE("main")};
    struct aw_out_reply          replies[AW_REPLIES_PER_LEASE_MAX] = {{.fence = 0}};
    struct aw_command            command = {.kind = AW_COMMAND_REPLY_LEASE,
                                            .in.reply_lease = {.accounts = &account,
                                                               .account_count = 1,
                                                               .max = AW_REPLIES_PER_LEASE_MAX,
                                                               .lease_ms = KIT_MINUTE,
                                                               .gateway = AW_SLICE("gate"),
                                                               .replies = replies}};
    uint32_t                     count;

    assert_int_equal(kit_apply(kit, &command), AW_OK);
    count = command.out.u.reply_lease.count;
    for (uint32_t i = 0; i < count; i++) {
        struct aw_command sent = {.kind = AW_COMMAND_REPLY_STATUS,
                                  .in.reply_status = {.reply = replies[i].reply, .state = AW_REPLY_SENT, .by = AW_SLICE("gate")}};

        assert_int_equal(kit_apply(kit, &sent), AW_OK);
    }
    return count;
}

/* As the committer does, also when the outbox is full. */
static void
settle_or_rest(struct kit *kit)
{
    struct aw_command command;

    aw_state_begin(kit->state, aw_state_seq(kit->state) + 1, kit->now);
    aw_state_incidents_look(kit->state);
    for (int i = 0; i < 1000 && aw_state_due(kit->state, kit->now, &command); i++) {
        if (kit_apply(kit, &command) == AW_E_TABLE_FULL)
            aw_state_incidents_rest(kit->state, kit->now + 1000);
        aw_state_incidents_look(kit->state);
    }
    assert_false(aw_state_due(kit->state, kit->now, &command));
}

/* The outbox fills up: the rest waits, tickets are linked all the same, and when there is room again it goes on to the end. */
static void
test_full_outbox(void **state)
{
    struct aw_state_limits  limits = kit_limits();
    struct aw_incident_item items[TICKETS];
    struct aw_incident_id   incident, other;
    struct aw_incident_try  try_;
    struct aw_ticket_id     ticket;
    struct kit              kit;
    uint32_t                sent = 0;

    (void)state;
    limits.replies_max = 8;
    kit_open_with(&kit, &limits);
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    for (uint64_t i = 0; i < 20; i++)
        (void)post(&kit, (struct post){.who = 1 + i, .flight = FLIGHT});
    ticket = post(&kit, (struct post){.who = 30, .flight = OTHER});
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    assert_int_equal(try_.verdicts[AW_VERDICT_GOES], 20);
    assert_int_equal(approve(&kit, &try_), AW_OK);
    settle_or_rest(&kit);
    assert_in_range(view_of(&kit, incident).answered, 1, 7);
    assert_true(view_of(&kit, incident).is_answering);
    assert_int_equal(aw_state_next_due(kit.state), kit.now + 1000);
    other = make(&kit, &on_other, 1, AW_FOLLOW_LATER);
    settle_or_rest(&kit);
    assert_part(&kit, ticket, other);
    for (int i = 0; i < 20 && view_of(&kit, incident).is_answering; i++) {
        sent += send_all(&kit);
        kit.now += 1000;
        settle_or_rest(&kit);
    }
    sent += send_all(&kit);
    assert_false(view_of(&kit, incident).is_answering);
    assert_int_equal(view_of(&kit, incident).answered, 20);
    assert_int_equal(sent, 20);
    kit_close(&kit);
}

/* Closed meanwhile: nobody else is answered, also when it is opened again. */
static void
test_closed_meanwhile(void **state)
{
    struct aw_incident_item items[TICKETS];
    struct aw_incident_id   incident;
    struct aw_incident_try  try_;
    struct aw_command       command;
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    for (uint64_t i = 0; i < 5; i++)
        (void)post(&kit, (struct post){.who = 1 + i, .flight = FLIGHT});
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    assert_int_equal(approve(&kit, &try_), AW_OK);
    aw_state_incidents_look(kit.state);
    assert_true(aw_state_due(kit.state, kit.now, &command));
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    (void)try_set(&kit, (struct aw_in_incident){.incident = incident, .state = AW_INCIDENT_CLOSED}, AW_OK);
    assert_int_equal(settle(&kit), 0);
    (void)try_set(&kit, (struct aw_in_incident){.incident = incident, .state = AW_INCIDENT_OPEN}, AW_OK);
    assert_int_equal(settle(&kit), 0);
    assert_int_equal(view_of(&kit, incident).answered, 1);
    assert_false(view_of(&kit, incident).is_answering);
    kit_close(&kit);
}

/* What was shown is not what would be said any more: nothing is approved. */
static void
test_what_was_shown_changed(void **state)
{
    struct aw_incident_item items[TICKETS];
    struct aw_command       flight = {.kind = AW_COMMAND_FLIGHT,
                                      .in.flight = {.flight_hash = FLIGHT,
                                                    .number = AW_SLICE("KL641"),
                                                    .date_days = 20558,
                                                    .state = AW_FLIGHT_CANCELLED,
                                                    .by = AW_SLICE("sam")}};
    struct aw_incident_id   incident;
    struct aw_incident_try  try_;
    struct kit              kit;

    (void)state;
    kit_open(&kit);
    incident = make(&kit, &on_flight, 1, AW_FOLLOW_LATER);
    (void)post(&kit, (struct post){.who = 1, .flight = FLIGHT});
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    assert_int_equal(kit_apply(&kit, &flight), AW_OK);
    assert_int_equal(approve(&kit, &try_), AW_E_PRECONDITION);
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    (void)try_set(&kit, (struct aw_in_incident){.incident = incident, .title = AW_SLICE("another")}, AW_OK);
    assert_int_equal(approve(&kit, &try_), AW_E_PRECONDITION);
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    try_.through = aw_state_seq(kit.state) + 1;
    assert_int_equal(approve(&kit, &try_), AW_E_PRECONDITION);
    (void)try_set(&kit, (struct aw_in_incident){.incident = incident, .state = AW_INCIDENT_CLOSED}, AW_OK);
    assert_int_equal(aw_incident_try_begin(kit.state, &try_), AW_E_WRONG_STATE);
    kit_close(&kit);
}

/* --- restarts --------------------------------------------------------------------------------------------------------------- */

/* A checkpoint in the middle of a round: the digest is the same, counts are, and a start goes on by itself. */
static void
test_checkpoint(void **state)
{
    const struct aw_incident_key keys[] = {on_flight, on_booking};
    struct aw_incident_item      items[TICKETS];
    struct aw_incident_try       try_;
    struct aw_checkpoint_mark    mark;
    struct aw_incident_id        incident;
    struct aw_ticket_id          tickets[TICKETS];
    struct aw_chunk              chunk;
    struct aw_why                why;
    struct kit                   kit, again;

    (void)state;
    kit_open(&kit);
    kit_open(&again);
    for (uint64_t i = 0; i < TICKETS; i++)
        tickets[i] = post(&kit, (struct post){.who = 1 + i,
                                              .flight = i % 4 == 0   ? FLIGHT
                                                        : i % 4 == 2 ? 0
                                                                     : OTHER,
                                              .booking = i % 4 == 2 ? BOOKING : 0});
    incident = make(&kit, keys, 2, AW_FOLLOW_LATER);
    assert_int_equal(link_by(&kit, tickets[1], incident, false, NULL), AW_OK);
    assert_int_equal(link_by(&kit, tickets[0], incident, false, NULL), AW_OK);
    assert_int_equal(link_by(&kit, tickets[0], incident, true, NULL), AW_OK);
    try_ = try_out(&kit, incident, 0, items, TICKETS);
    assert_int_equal(approve(&kit, &try_), AW_OK);
    assert_true(aw_state_cut_begin(kit.state, &mark));
    while (aw_state_cut_next(kit.state, &chunk, &mark))
        assert_int_equal(aw_state_load_chunk(again.state, &chunk, &why), AW_OK);
    aw_state_cut_end(kit.state);
    assert_int_equal(aw_state_load_finish(again.state, &mark, &why), AW_OK);
    again.now = kit.now;
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(again.state)));
    assert_int_equal(view_of(&again, incident).open, 1);
    assert_int_equal(settle(&again), 1 + 1 + TICKETS / 2 - 1); /* one is answered, the end, and the rest is linked */
    assert_int_equal(settle(&kit), 1 + 1 + TICKETS / 2 - 1);
    assert_int_equal(view_of(&again, incident).answered, 1);
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(again.state)));
    assert_part(&again, tickets[0], none);
    kit_close(&again);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_earlier_and_later_tickets),
        cmocka_unit_test(test_reopened_by_a_refused_reply),
        cmocka_unit_test(test_one_that_does_not_follow),
        cmocka_unit_test(test_bookings),
        cmocka_unit_test(test_a_booking_is_no_news),
        cmocka_unit_test(test_airports_and_the_first),
        cmocka_unit_test(test_links_by_people),
        cmocka_unit_test(test_taken_out_stays_out),
        cmocka_unit_test(test_found_and_changed_since),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_five_tickets_propose),
        cmocka_unit_test(test_made_before_it_is_proposed),
        cmocka_unit_test(test_proposed_among_many),
        cmocka_unit_test(test_what_does_not_propose),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_as_it_was_shown),
        cmocka_unit_test(test_changed_under_way),
        cmocka_unit_test(test_nothing_is_forgotten),
        cmocka_unit_test(test_no_room_for_links),
        cmocka_unit_test(test_unfold),
        cmocka_unit_test(test_several_bookings),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_same_words_again),
        cmocka_unit_test(test_gone_while_looked_at),
        cmocka_unit_test(test_full_outbox),
        cmocka_unit_test(test_closed_meanwhile),
        cmocka_unit_test(test_what_was_shown_changed),
        cmocka_unit_test(test_checkpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
