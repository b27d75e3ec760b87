/* What agents did today: each kind is counted for the agent and for all, a new day (UTC) begins with nothing, and only by a record;
 * and on how many channels tickets were written.
 * How: tickets are leased and given up in every way, at both sides of midnight. */
#include "core_kit.h"

static struct aw_day
day_of(const struct kit *kit, const char *agent)
{
    struct aw_day day;

    assert_int_equal(aw_state_agent_day(kit->state, aw_slice_str(agent), kit->now, &day), AW_OK);
    return day;
}

static void
check_day(struct aw_day day, aw_ms now, uint32_t taken, uint32_t completed, uint32_t returned)
{
    assert_int_equal(day.day, now / KIT_DAY);
    assert_int_equal(day.taken, taken);
    assert_int_equal(day.completed, completed);
    assert_int_equal(day.returned, returned);
    assert_int_equal(day.replied, 0);
}

static void
test_days(void **unused)
{
    struct kit          kit;
    struct aw_day       day;
    struct aw_ticket_id tickets[5];
    struct aw_lease_id  leases[5];

    (void)unused;
    kit_open(&kit);
    kit.now = (KIT_START / KIT_DAY + 1) * KIT_DAY - KIT_HOUR;
    (void)kit_lane(&kit, "nl", AW_LANE_OPEN, NULL);
    assert_int_equal(aw_state_agent_day(kit.state, AW_SLICE("ann"), kit.now, &day), AW_E_NOT_FOUND);
    for (unsigned i = 0; i < 5; i++) {
        tickets[i] = kit_post(&kit, (struct kit_post){.id = i, .who = {i + 1}, .class_ = AW_CLASS_OTHER}).ticket;
        leases[i] = kit_lease(&kit, tickets[i], i < 4 ? "ann" : "bob", KIT_DAY);
    }
    kit_complete(&kit, leases[0], "ann");
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_RELEASE, leases[1], "ann", 1).out.err, AW_OK);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_DECLINE, leases[2], "ann", 2).out.err, AW_OK);
    assert_int_equal(kit_transfer(&kit, leases[3], "ann", "nl", NULL).out.err, AW_OK);
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_CANCEL, tickets[4], 0, 0).out.err, AW_OK); /* somebody else's doing */
    check_day(day_of(&kit, "ann"), kit.now, 4, 1, 3);
    check_day(day_of(&kit, "bob"), kit.now, 1, 0, 0);
    check_day(aw_state_day(kit.state, kit.now), kit.now, 5, 1, 3);

    kit.now += KIT_HOUR;
    check_day(day_of(&kit, "ann"), kit.now, 0, 0, 0);
    check_day(aw_state_day(kit.state, kit.now), kit.now, 0, 0, 0);
    leases[1] = kit_lease(&kit, tickets[1], "bob", KIT_HOUR);
    check_day(day_of(&kit, "bob"), kit.now, 1, 0, 0);
    check_day(day_of(&kit, "ann"), kit.now, 0, 0, 0);
    check_day(aw_state_day(kit.state, kit.now), kit.now, 1, 0, 0);
    (void)kit_wait(&kit, 2 * KIT_HOUR); /* a lease that runs out is nothing that he did */
    check_day(day_of(&kit, "bob"), kit.now, 1, 0, 0);
    kit_close(&kit);
}

static void
test_channels_of_tickets(void **unused)
{
    struct kit             kit;
    struct aw_state_counts counts;
    const char *const      channels[] = {"web", "mail", "web", "mail", "twitter"};

    (void)unused;
    kit_open(&kit);
    for (unsigned i = 0; i < AW_ARRAY_LEN(channels); i++)
        (void)kit_post(&kit, (struct kit_post){.id = i, .who = {1}, .class_ = AW_CLASS_OTHER, .channel = channels[i]});
    (void)kit_post(&kit, (struct kit_post){.id = 9, .who = {2}, .class_ = AW_CLASS_OTHER, .channel = "web"});
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.opened, 2);
    assert_int_equal(counts.ticket_channels, 4);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_channels_of_tickets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
