/* core_transfer_test.c - proves what a transfer does to its ticket and to who may have it, what it refuses, and that a note moves
 * nothing; core_model_test has them in every order, beside all else. */
#include "core_kit.h"

static struct aw_ticket_id
open_one(struct kit *kit, uint64_t who, enum aw_class class_)
{
    return kit_post(kit, (struct kit_post){.id = who, .who = {who}, .class_ = class_, .lane = "main"}).ticket;
}

/* Leased by ann and handed on. */
static struct aw_command
hand_on(struct kit *kit, struct aw_ticket_id ticket, const char *lane, const char *to)
{
    return kit_transfer(kit, kit_lease(kit, ticket, "ann", KIT_HOUR), "ann", lane, to);
}

static enum aw_err
try_take(struct kit *kit, struct aw_ticket_id ticket, const char *agent)
{
    return kit_try_lease(kit, ticket.slot, kit_view(kit, ticket).version, agent, KIT_MINUTE).out.err;
}

/* Agents are known when they were set. */
static void
set_agent(struct kit *kit, const char *name, const uint32_t *lanes, uint32_t lane_count)
{
    struct aw_command command = {.kind = AW_COMMAND_AGENT,
                                 .in.agent = {.name = aw_slice_str(name),
                                              .lanes = lanes,
                                              .lane_count = lane_count,
                                              .units_total = AW_UNITS_NO_TOTAL,
                                              .by = AW_SLICE("sam")}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
}

static void
open_desk(struct kit *kit)
{
    kit_open(kit);
    assert_int_equal(kit_lane(kit, "refunds", AW_LANE_OPEN, NULL).out.err, AW_OK);
    assert_int_equal(kit_lane(kit, "german", AW_LANE_OPEN, NULL).out.err, AW_OK);
    assert_int_equal(kit_lane(kit, "shut", AW_LANE_PAUSED_IN, NULL).out.err, AW_OK);
    set_agent(kit, "bob", NULL, 0);
}

static void
test_to_a_lane(void **unused)
{
    struct kit            kit;
    struct aw_ticket_id   ticket;
    struct aw_ticket_view before, after;
    struct aw_command     command;
    struct aw_lease_id    lease;

    (void)unused;
    open_desk(&kit);
    ticket = open_one(&kit, 1, AW_CLASS_GENERAL);
    kit.now += KIT_HOUR;
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    before = kit_view(&kit, ticket);
    command = kit_transfer(&kit, lease, "ann", "refunds", NULL);
    assert_int_equal(command.out.err, AW_OK);
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    after = kit_view(&kit, ticket);
    assert_int_equal(command.out.event.lane, after.lane);
    assert_true(aw_slice_eq(after.lane_name, AW_SLICE("refunds")));
    assert_int_equal(after.state, AW_TICKET_WAITING);
    assert_int_equal(after.age, before.age);
    assert_int_equal(after.class_, before.class_);
    assert_int_equal(after.transfers, 1);
    assert_int_equal(after.from_lanes[0], before.lane);
    /* The same again has its answer; another one comes too late. */
    command = kit_transfer(&kit, lease, "ann", "refunds", NULL);
    assert_int_equal(command.out.err, AW_OK);
    assert_false(command.out.changed);
    command = kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 1);
    assert_int_equal(command.out.err, AW_E_LEASE_LOST);
    assert_int_equal(command.out.u.lease.end, AW_LEASE_END_RELEASED);
    kit_close(&kit);
}

static void
test_what_is_refused(void **unused)
{
    static const struct {
        const char              *lane;
        const char              *to;
        enum aw_err              err;
        enum aw_transfer_refusal refusal;
    } cases[] = {
        {"nowhere", NULL, AW_E_NOT_FOUND, AW_TRANSFER_NO_LANE},
        {NULL, "nobody", AW_E_NOT_FOUND, AW_TRANSFER_NO_AGENT},
        {NULL, "ann", AW_E_BAD_VALUE, AW_TRANSFER_TO_SELF},
        {"main", NULL, AW_E_TRANSFER_REFUSED, AW_TRANSFER_SAME_LANE},
        {NULL, "gus", AW_E_TRANSFER_REFUSED, AW_TRANSFER_NOT_SERVED},
        {"shut", NULL, AW_E_LANE_PAUSED, AW_TRANSFER_GOES},
    };
    const uint32_t      german[] = {3};
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_lease_id  lease;

    (void)unused;
    open_desk(&kit);
    set_agent(&kit, "gus", german, 1);
    ticket = open_one(&kit, 1, AW_CLASS_GENERAL);
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        struct aw_command command = kit_transfer(&kit, lease, "ann", cases[i].lane, cases[i].to);

        assert_int_equal(command.out.err, cases[i].err);
        assert_int_equal(command.out.u.lease.refusal, cases[i].refusal);
        assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_LEASED);
    }
    assert_int_equal(kit_transfer(&kit, lease, "bob", "refunds", NULL).out.err, AW_E_FORBIDDEN);
    kit_close(&kit);
}

/* Twice, never back; a supervisor begins anew, reopening does not. */
static void
test_no_ping_pong(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_command   command;

    (void)unused;
    open_desk(&kit);
    ticket = open_one(&kit, 1, AW_CLASS_GENERAL);
    assert_int_equal(hand_on(&kit, ticket, "refunds", NULL).out.err, AW_OK);
    command = hand_on(&kit, ticket, "main", NULL);
    assert_int_equal(command.out.u.lease.refusal, AW_TRANSFER_BACK);
    assert_int_equal(kit_transfer(&kit, command.in.transfer.fenced.lease, "ann", NULL, "bob").out.err, AW_OK);
    assert_int_equal(kit_wait(&kit, KIT_HOUR), 1);
    command = hand_on(&kit, ticket, "german", NULL);
    assert_int_equal(command.out.u.lease.refusal, AW_TRANSFER_TOO_OFTEN);
    /* It is answered and reopens. */
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_COMPLETE, command.in.transfer.fenced.lease, "ann", 1).out.err, AW_OK);
    assert_true(kit_post(&kit, (struct kit_post){.id = 9, .who = {1}, .class_ = AW_CLASS_GENERAL}).reopened);
    assert_int_equal(kit_view(&kit, ticket).transfers, 2);
    (void)kit_wait(&kit, KIT_HOUR);
    assert_int_equal(kit_place(&kit, ticket, AW_CLASS_DISRUPTED, NULL).out.err, AW_OK);
    assert_int_equal(kit_view(&kit, ticket).transfers, 2);
    assert_true(kit_place(&kit, ticket, AW_CLASS_NONE, "refunds").out.changed); /* where it is: the word counts */
    assert_int_equal(kit_view(&kit, ticket).transfers, 0);
    assert_int_equal(hand_on(&kit, ticket, "main", NULL).out.err, AW_OK);
    kit_close(&kit);
}

static void
test_to_a_colleague(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_command   command;

    (void)unused;
    open_desk(&kit);
    ticket = open_one(&kit, 1, AW_CLASS_GENERAL);
    /* Bob declined it; now he shall have it all the same. */
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_DECLINE, kit_lease(&kit, ticket, "bob", KIT_MINUTE), "bob", 1).out.event.kind,
                     AW_EVENT_ASIDE);
    command = hand_on(&kit, ticket, NULL, "bob");
    assert_int_equal(command.out.err, AW_OK);
    assert_int_equal(command.out.event.kind, AW_EVENT_ASIDE);
    assert_int_equal(command.out.u.lease.help.kept_until, kit.now + 15 * KIT_MINUTE);
    assert_true(aw_slice_eq(command.out.u.lease.help.kept_for, AW_SLICE("bob")));
    assert_int_equal(command.out.u.lease.help.declined, 0);
    assert_int_equal(try_take(&kit, ticket, "cyd"), AW_E_STALE);
    assert_int_equal(kit_wait(&kit, 15 * KIT_MINUTE - 1), 0);
    assert_int_equal(try_take(&kit, ticket, "cyd"), AW_E_STALE);
    assert_int_equal(kit_wait(&kit, 1), 1);
    assert_false(kit_view(&kit, ticket).is_aside);
    assert_int_equal(try_take(&kit, ticket, "cyd"), AW_OK);
    kit_close(&kit);
}

/* Who it was kept for had it, and hands it on to all. */
static void
test_kept_no_more(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_command   command;

    (void)unused;
    open_desk(&kit);
    ticket = open_one(&kit, 1, AW_CLASS_GENERAL);
    assert_int_equal(hand_on(&kit, ticket, NULL, "bob").out.event.kind, AW_EVENT_ASIDE);
    command = kit_transfer(&kit, kit_lease(&kit, ticket, "bob", KIT_MINUTE), "bob", "refunds", NULL);
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(aw_state_aside_count(kit.state), 0);
    assert_int_equal(try_take(&kit, ticket, "cyd"), AW_OK);
    kit_close(&kit);
}

/* The most urgent wait for no one, also when it is the clock that makes them so. */
static void
test_nobody_waits_for_care(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_command   command;

    (void)unused;
    open_desk(&kit);
    ticket = open_one(&kit, 1, AW_CLASS_CARE);
    command = hand_on(&kit, ticket, NULL, "bob");
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(command.out.u.lease.help.kept_until, 0);
    assert_int_equal(try_take(&kit, ticket, "cyd"), AW_OK);
    ticket =
        kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL, .departs_at = kit.now + 7 * KIT_HOUR})
            .ticket;
    command = hand_on(&kit, ticket, NULL, "bob");
    assert_true(command.out.u.lease.help.kept_until > 0);
    command = kit_try_lease(&kit, ticket.slot, kit_view(&kit, ticket).version, "bob", 3 * KIT_HOUR);
    assert_int_equal(command.out.err, AW_OK);
    kit.now += 2 * KIT_HOUR; /* it came near while bob had it */
    command = kit_transfer(&kit, command.out.u.lease.lease, "bob", NULL, "ann");
    assert_int_equal(command.out.u.lease.class_, AW_CLASS_IMMINENT);
    assert_int_equal(command.out.u.lease.help.kept_until, 0);
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(aw_state_aside_count(kit.state), 0);
    kit_close(&kit);
}

/* Rows for who is kept for are few: without one the transfer is refused before anything changes; to a lane it always goes. */
static void
test_no_room_to_keep(void **unused)
{
    struct kit         kit;
    struct aw_lease_id lease;

    (void)unused;
    open_desk(&kit);
    for (uint64_t who = 1; who <= kit_limits().asides_max; who++)
        assert_int_equal(hand_on(&kit, open_one(&kit, who, AW_CLASS_GENERAL), NULL, "bob").out.err, AW_OK);
    lease = kit_lease(&kit, open_one(&kit, 50, AW_CLASS_GENERAL), "ann", KIT_HOUR);
    assert_int_equal(kit_transfer(&kit, lease, "ann", NULL, "bob").out.err, AW_E_TABLE_FULL);
    assert_int_equal(kit_transfer(&kit, lease, "ann", "refunds", NULL).out.err, AW_OK);
    kit_close(&kit);
}

/* Who holds the ticket completes it though somebody noted something meanwhile; there is an end to it. */
static void
test_notes(void **unused)
{
    struct kit            kit;
    struct aw_ticket_id   ticket;
    struct aw_ticket_view before, after;
    struct aw_lease_id    lease;

    (void)unused;
    open_desk(&kit);
    ticket = open_one(&kit, 1, AW_CLASS_GENERAL);
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    before = kit_view(&kit, ticket);
    assert_int_equal(kit_note(&kit, ticket, "eve").out.event.kind, AW_EVENT_NONE);
    after = kit_view(&kit, ticket);
    assert_int_equal(after.notes_total, 1);
    assert_int_equal(after.version, before.version);
    assert_int_equal(after.messages_total, before.messages_total);
    assert_int_equal(after.message_seq, before.message_seq);
    assert_int_equal(after.last_seq, aw_state_seq(kit.state));
    for (unsigned i = 1; i < AW_TICKET_NOTES_MAX; i++)
        assert_int_equal(kit_note(&kit, ticket, "eve").out.err, AW_OK);
    assert_int_equal(kit_note(&kit, ticket, "eve").out.err, AW_E_TABLE_FULL);
    kit_complete(&kit, lease, "ann");
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_a_lane),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_no_ping_pong),
        cmocka_unit_test(test_to_a_colleague),
        cmocka_unit_test(test_nobody_waits_for_care),
        cmocka_unit_test(test_no_room_to_keep),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_kept_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
