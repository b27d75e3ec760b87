/* core_effect_test.c - proves that a record tells what became of its ticket: which one, lane, class and state before and after,
 * what the clock had to say, and who lost a lease by somebody else's doing.
 *
 * How: one command after the other on a small state; the effect of each is compared with what is known to have happened.
 */
#include "core_kit.h"

static void
check(const struct aw_effect *effect, struct aw_ticket_id ticket, enum aw_ticket_state before, enum aw_ticket_state after)
{
    assert_int_equal(effect->ticket_seq, ticket.seq);
    assert_int_equal(effect->state_before, before);
    assert_int_equal(effect->state, after);
}

static struct aw_command
post(struct kit *kit, uint64_t id, enum aw_class class_)
{
    return kit_try_post(kit, (struct kit_post){.id = id, .who = {1}, .class_ = class_});
}

static bool
has_address(const struct aw_effect *effect, uint64_t address)
{
    for (uint32_t i = 0; i < effect->address_count; i++) {
        if (effect->addresses[i] == address)
            return true;
    }
    return false;
}

/* Applies the timer that is due; fails when none is. */
static struct aw_effect
timer(struct kit *kit, uint64_t ms)
{
    struct aw_command command;

    kit->now += ms;
    assert_true(aw_state_due(kit->state, kit->now, &command));
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    assert_true(command.out.changed);
    return command.out.effect;
}

static void
test_messages(void **state)
{
    struct aw_command   command;
    struct aw_ticket_id ticket;
    struct kit          kit;

    (void)state;
    kit_open(&kit);
    command = post(&kit, 1, AW_CLASS_GENERAL);
    ticket = command.out.u.message.ticket;
    check(&command.out.effect, ticket, AW_TICKET_FREE, AW_TICKET_WAITING);
    assert_int_equal(command.out.effect.class_before, AW_CLASS_NONE);
    assert_int_equal(command.out.effect.class_, AW_CLASS_GENERAL);
    command = post(&kit, 2, AW_CLASS_CARE);
    check(&command.out.effect, ticket, AW_TICKET_WAITING, AW_TICKET_WAITING);
    assert_int_equal(command.out.effect.class_before, AW_CLASS_GENERAL);
    assert_int_equal(command.out.effect.class_, AW_CLASS_CARE);
    command = post(&kit, 2, AW_CLASS_CARE); /* a duplicate changes nothing and has no effect */
    assert_int_equal(command.out.effect.ticket_seq, 0);
    kit_complete(&kit, kit_lease(&kit, ticket, "ann", KIT_MINUTE), "ann");
    command = post(&kit, 3, AW_CLASS_OTHER);
    check(&command.out.effect, ticket, AW_TICKET_CLOSED, AW_TICKET_WAITING);
    assert_true(command.out.u.message.reopened);
    kit_close(&kit);
}

static void
test_leases(void **state)
{
    struct aw_command   command;
    struct aw_ticket_id ticket;
    struct aw_effect    effect;
    struct aw_lease_id  lease;
    struct kit          kit;

    (void)state;
    kit_open(&kit);
    ticket = post(&kit, 1, AW_CLASS_GENERAL).out.u.message.ticket;
    command = kit_try_lease(&kit, ticket.slot, kit_view(&kit, ticket).version, "ann", KIT_MINUTE);
    check(&command.out.effect, ticket, AW_TICKET_WAITING, AW_TICKET_LEASED);
    effect = timer(&kit, KIT_MINUTE);
    check(&effect, ticket, AW_TICKET_LEASED, AW_TICKET_WAITING);
    assert_int_equal(effect.cause, AW_TIMER_LEASE_OVER);
    assert_true(aw_slice_eq(effect.holder, AW_SLICE("ann")));
    lease = kit_lease(&kit, ticket, "ann", 5 * KIT_MINUTE);
    command = kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "ann", 1);
    check(&command.out.effect, ticket, AW_TICKET_LEASED, AW_TICKET_LEASED);
    (void)post(&kit, 2, AW_CLASS_GENERAL);
    command = kit_fenced(&kit, AW_COMMAND_COMPLETE, lease, "ann", 2); /* refused, and recorded: the holder was told */
    assert_int_equal(command.out.err, AW_E_NEW_MESSAGES);
    check(&command.out.effect, ticket, AW_TICKET_LEASED, AW_TICKET_LEASED);
    command = kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 3);
    check(&command.out.effect, ticket, AW_TICKET_LEASED, AW_TICKET_WAITING);
    assert_int_equal(command.out.effect.holder.len, 0); /* he did it himself: the record names him already */
    (void)kit_lease(&kit, ticket, "bob", KIT_MINUTE);
    command = kit_on_ticket(&kit, AW_COMMAND_CANCEL, ticket, 0, 0);
    check(&command.out.effect, ticket, AW_TICKET_LEASED, AW_TICKET_CLOSED);
    assert_true(aw_slice_eq(command.out.effect.holder, AW_SLICE("bob")));
    command = kit_on_ticket(&kit, AW_COMMAND_CANCEL, ticket, 0, 0);
    assert_int_equal(command.out.err, AW_E_WRONG_STATE);
    assert_int_equal(command.out.effect.ticket_seq, 0);
    kit_close(&kit);
}

static void
test_places(void **state)
{
    struct aw_command   command;
    struct aw_ticket_id ticket;
    struct aw_effect    effect;
    struct kit          kit;

    (void)state;
    kit_open(&kit);
    (void)kit_lane(&kit, "dutch", AW_LANE_OPEN, NULL);
    ticket = post(&kit, 1, AW_CLASS_GENERAL).out.u.message.ticket;
    command = kit_place(&kit, ticket, AW_CLASS_CARE, "dutch");
    check(&command.out.effect, ticket, AW_TICKET_WAITING, AW_TICKET_WAITING);
    assert_int_equal(command.out.effect.lane_before, 0);
    assert_int_equal(command.out.effect.lane, 2); /* behind main and listening */
    assert_int_equal(command.out.effect.class_before, AW_CLASS_GENERAL);
    assert_int_equal(command.out.effect.class_, AW_CLASS_CARE);
    command = kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, kit.now + KIT_HOUR, 0);
    check(&command.out.effect, ticket, AW_TICKET_WAITING, AW_TICKET_HELD);
    effect = timer(&kit, KIT_HOUR);
    check(&effect, ticket, AW_TICKET_HELD, AW_TICKET_WAITING);
    assert_int_equal(effect.cause, AW_TIMER_HOLD_OVER);
    assert_int_equal(effect.holder.len, 0);
    kit_close(&kit);
}

/* A departure comes near by the clock alone. */
static void
test_clock(void **state)
{
    struct aw_ticket_id ticket;
    struct aw_effect    effect;
    struct kit          kit;

    (void)state;
    kit_open(&kit);
    ticket =
        kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL, .departs_at = kit.now + 7 * KIT_HOUR})
            .ticket;
    effect = timer(&kit, KIT_HOUR + 1);
    check(&effect, ticket, AW_TICKET_WAITING, AW_TICKET_WAITING);
    assert_int_equal(effect.cause, AW_TIMER_CLASS_CHANGED);
    assert_int_equal(effect.class_before, AW_CLASS_GENERAL);
    assert_int_equal(effect.class_, AW_CLASS_IMMINENT);
    kit_close(&kit);
}

/* What a colleague wrote tells whose ticket it is: each address once, no other identity, and who only talks about us. */
static void
test_addresses(void **state)
{
    static const uint64_t anna = AW_ADDRESS_BIT | 5, ben = AW_ADDRESS_BIT | 6;
    struct aw_command     command;
    struct aw_ticket_id   ticket;
    struct kit_room       room;
    struct kit            kit;

    (void)state;
    kit_open(&kit);
    (void)kit_post(&kit, (struct kit_post){.id = 1, .who = {AW_ADDRESS_BIT | 9}, .class_ = AW_CLASS_GENERAL});
    ticket = kit_post(&kit, (struct kit_post){.id = 2, .who = {anna, 8}, .class_ = AW_CLASS_GENERAL}).ticket;
    command = kit_try_post(&kit, (struct kit_post){.id = 3, .who = {ben, 8}, .class_ = AW_CLASS_GENERAL});
    assert_int_equal(command.out.u.message.ticket.seq, ticket.seq);
    assert_int_equal(command.out.effect.address_count, 0);
    command = (struct aw_command){.kind = AW_COMMAND_NOTE,
                                  .in.note = {.on = {.ticket = ticket, .by = AW_SLICE("ann")}, .body = {.len = 1}}};
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(command.out.effect.address_count, 2);
    assert_true(has_address(&command.out.effect, anna) && has_address(&command.out.effect, ben));
    command = kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, kit.now + KIT_HOUR, 0);
    assert_int_equal(command.out.effect.address_count, 0); /* no text */
    command = kit_message(&(struct kit_post){.id = 4, .who = {11}, .class_ = AW_CLASS_GENERAL}, &room);
    command.in.message.addressed = AW_ADDRESSED_ABOUT_US;
    command.in.message.contact = (struct aw_hash128){.low = 4, .high = 4};
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    ticket = command.out.u.message.ticket;
    command = (struct aw_command){.kind = AW_COMMAND_NOTE,
                                  .in.note = {.on = {.ticket = ticket, .by = AW_SLICE("ann")}, .body = {.len = 1}}};
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.effect.address_count == 1 && has_address(&command.out.effect, AW_ADDRESS_BIT | 4));
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_leases),    cmocka_unit_test(test_places),
        cmocka_unit_test(test_clock),    cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
