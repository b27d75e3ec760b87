/* core_commitment_test.c - proves when a ticket that was put off comes back and for whom, and when a word counts as kept or broken;
 * core_model_test has it in every order, beside all else. */
#include "core_kit.h"

static struct aw_lease_id
leased_by(struct kit *kit, uint64_t who, const char *agent, struct aw_ticket_id *ret_ticket)
{
    *ret_ticket = kit_post(kit, (struct kit_post){.id = who, .who = {who}, .class_ = AW_CLASS_GENERAL, .lane = "main"}).ticket;
    return kit_lease(kit, *ret_ticket, agent, KIT_HOUR);
}

static struct aw_ticket_id
deferred(struct kit *kit, uint64_t who, uint64_t ms)
{
    struct aw_ticket_id ticket;
    struct aw_lease_id  lease = leased_by(kit, who, "ann", &ticket);

    assert_int_equal(kit_defer(kit, lease, "ann", kit->now + ms).out.err, AW_OK);
    return ticket;
}

static struct aw_state_counts
counted(const struct kit *kit)
{
    struct aw_state_counts counts;

    aw_state_counts(kit->state, &counts);
    return counts;
}

static bool
is_for(const struct kit *kit, struct aw_ticket_id ticket, const char *agent)
{
    return aw_slice_eq(kit_view(kit, ticket).help.kept_for, aw_slice_str(agent));
}

static void
test_it_comes_back_before_it_is_due(void **unused)
{
    static const struct {
        uint64_t until, back;
    } cases[] = {
        {3 * KIT_DAY, 3 * KIT_DAY - KIT_HOUR}, /* defer_back_ms before */
        {KIT_HOUR, KIT_HOUR / 2},              /* half of the time */
        {1, 0},
    };

    (void)unused;
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        struct kit          kit;
        struct aw_ticket_id ticket;
        struct aw_lease_id  lease;
        struct aw_command   command;
        aw_ms               opened;

        kit_open(&kit);
        lease = leased_by(&kit, 1, "ann", &ticket);
        opened = kit.now;
        kit.now += KIT_MINUTE;
        command = kit_defer(&kit, lease, "ann", kit.now + cases[i].until);
        assert_int_equal(command.out.err, AW_OK);
        assert_int_equal(command.out.event.kind, AW_EVENT_HIDDEN);
        assert_int_equal(command.out.u.lease.held_until, kit.now + cases[i].back);
        assert_true(kit_view(&kit, ticket).is_deferred);
        assert_int_equal(kit_view(&kit, ticket).notes_total, 1);
        assert_int_equal(kit_view(&kit, ticket).commitment.due_at, kit.now + cases[i].until);
        if (cases[i].back > 0)
            assert_int_equal(kit_wait(&kit, cases[i].back - 1), 0);
        assert_int_equal(kit_wait(&kit, 1), cases[i].until > 1 ? 1 : 2);
        assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_WAITING);
        assert_false(kit_view(&kit, ticket).is_deferred);
        assert_int_equal(kit_view(&kit, ticket).age, opened);
        kit_close(&kit);
    }
}

/* For who gave his word, while there is still time for others to keep it. */
static void
test_whom_it_comes_back_for(void **unused)
{
    const uint32_t      other_lane[] = {1};
    struct aw_command   set = {.kind = AW_COMMAND_AGENT,
                               .in.agent = {.name = AW_SLICE("ann"), .lanes = other_lane, .lane_count = 1, .units_total = 9}};
    struct aw_command   away = {.kind = AW_COMMAND_PRESENCE,
                                .in.presence = {.name = AW_SLICE("ann"), .presence = AW_PRESENCE_BREAK}};
    struct kit          kit;
    struct aw_ticket_id ticket;

    (void)unused;
    kit_open(&kit);
    ticket = deferred(&kit, 1, KIT_DAY);
    assert_int_equal(kit_wait(&kit, KIT_DAY - KIT_HOUR), 1);
    assert_true(is_for(&kit, ticket, "ann"));
    assert_int_equal(kit_try_lease(&kit, ticket.slot, kit_view(&kit, ticket).version, "bob", KIT_HOUR).out.err, AW_E_STALE);
    assert_int_equal(kit_wait(&kit, 15 * KIT_MINUTE), 1); /* kept_transfer_ms */
    assert_true(is_for(&kit, ticket, ""));
    /* Half of what is left. */
    ticket = deferred(&kit, 2, 8 * KIT_MINUTE);
    assert_int_equal(kit_wait(&kit, 4 * KIT_MINUTE), 1);
    assert_int_equal(kit_view(&kit, ticket).help.kept_until, kit.now + 2 * KIT_MINUTE);
    /* Not for who is set to other lanes, nor for who is away. */
    ticket = deferred(&kit, 3, KIT_DAY);
    assert_int_equal(kit_apply(&kit, &set), AW_OK);
    (void)kit_post(&kit, (struct kit_post){.id = 30, .who = {3}, .class_ = AW_CLASS_GENERAL});
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_WAITING);
    assert_true(is_for(&kit, ticket, ""));
    set.in.agent.lanes = NULL;
    set.in.agent.lane_count = 0;
    assert_int_equal(kit_apply(&kit, &set), AW_OK);
    ticket = deferred(&kit, 4, KIT_DAY);
    assert_int_equal(kit_apply(&kit, &away), AW_OK);
    (void)kit_post(&kit, (struct kit_post){.id = 40, .who = {4}, .class_ = AW_CLASS_GENERAL});
    assert_true(is_for(&kit, ticket, ""));
    kit_close(&kit);
}

static void
test_what_brings_it_back_sooner(void **unused)
{
    struct kit            kit;
    struct aw_ticket_id   ticket;
    struct aw_out_message joined;
    struct aw_lease_id    lease;

    (void)unused;
    kit_open(&kit);
    /* The customer writes: his word is no news to who deferred it before, so it is his. */
    ticket = deferred(&kit, 1, KIT_DAY);
    joined = kit_post(&kit, (struct kit_post){.id = 10, .who = {1}, .class_ = AW_CLASS_GENERAL});
    assert_true(joined.folded);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_WAITING);
    assert_true(is_for(&kit, ticket, "ann"));
    /* A need for care waits for no one. */
    ticket = deferred(&kit, 2, KIT_DAY);
    (void)kit_post(&kit, (struct kit_post){.id = 20, .who = {2}, .class_ = AW_CLASS_CARE});
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_WAITING);
    assert_true(is_for(&kit, ticket, ""));
    /* A departure comes near; not one that was near already when the agent put it off. */
    ticket =
        kit_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_OTHER, .departs_at = kit.now + 8 * KIT_HOUR})
            .ticket;
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    assert_int_equal(kit_defer(&kit, lease, "ann", kit.now + KIT_DAY).out.err, AW_OK);
    (void)kit_wait(&kit, 2 * KIT_HOUR - 1);
    assert_true(kit_view(&kit, ticket).is_deferred);
    (void)kit_wait(&kit, 1);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_WAITING);
    assert_int_equal(kit_view(&kit, ticket).class_, AW_CLASS_IMMINENT);
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    assert_int_equal(kit_defer(&kit, lease, "ann", kit.now + KIT_HOUR).out.err, AW_OK);
    (void)kit_wait(&kit, KIT_MINUTE);
    assert_true(kit_view(&kit, ticket).is_deferred);
    kit_close(&kit);
}

/* A person's hold, or its end, goes before the deferral; the word stands. */
static void
test_what_a_person_does_with_it(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_command   command;

    (void)unused;
    kit_open(&kit);
    ticket = deferred(&kit, 1, KIT_DAY);
    command = kit_place(&kit, ticket, AW_CLASS_DISRUPTED, NULL);
    assert_false(command.out.effect.deferral_over); /* another class is no reason for it to come back */
    assert_true(kit_view(&kit, ticket).is_deferred);
    command = kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, 0, 0);
    assert_true(command.out.effect.deferral_over);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_HELD);
    assert_false(kit_view(&kit, ticket).is_deferred);
    (void)kit_post(&kit, (struct kit_post){.id = 10, .who = {1}, .class_ = AW_CLASS_GENERAL});
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_HELD); /* as any that a person holds */
    assert_int_equal(kit_wait(&kit, KIT_DAY), 1);
    assert_true(kit_view(&kit, ticket).commitment.is_broken);
    ticket = deferred(&kit, 2, KIT_DAY);
    command = kit_on_ticket(&kit, AW_COMMAND_UNHOLD, ticket, 0, 0);
    assert_true(command.out.effect.deferral_over);
    assert_true(is_for(&kit, ticket, "")); /* for all: a person said so */
    ticket = deferred(&kit, 3, KIT_DAY);
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_CANCEL, ticket, 0, 0).out.err, AW_OK);
    assert_int_equal(kit_wait(&kit, 2 * KIT_DAY), 1); /* the second one's word, and no other's */
    assert_int_equal(counted(&kit).commitments_broken, 2);
    assert_int_equal(counted(&kit).commitments_kept, 0);
    kit_close(&kit);
}

static void
test_kept_or_broken(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_lease_id  lease;

    (void)unused;
    kit_open(&kit);
    /* Kept by an answer in time; the ticket's next life has no word. */
    ticket = deferred(&kit, 1, KIT_DAY);
    assert_int_equal(kit_wait(&kit, KIT_DAY - KIT_HOUR), 1);
    lease = kit_lease(&kit, ticket, "ann", 2 * KIT_HOUR);
    kit_complete(&kit, lease, "ann");
    assert_int_equal(counted(&kit).commitments_kept, 1);
    assert_int_equal(counted(&kit).commitments, 0);
    /* Broken while somebody works on it: the lease runs on, and a late answer keeps nothing. */
    ticket = deferred(&kit, 2, KIT_DAY);
    (void)kit_wait(&kit, KIT_DAY - KIT_HOUR);
    lease = kit_lease(&kit, ticket, "ann", 3 * KIT_HOUR);
    assert_int_equal(kit_wait(&kit, KIT_HOUR), 1);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_LEASED);
    assert_int_equal(counted(&kit).commitments_overdue, 1);
    kit_complete(&kit, lease, "ann");
    assert_int_equal(counted(&kit).commitments_overdue, 0);
    assert_int_equal(counted(&kit).commitments_broken, 1);
    assert_int_equal(counted(&kit).commitments_kept, 1);
    /* Answered after it was due, before its timer came round. */
    ticket = deferred(&kit, 3, KIT_HOUR);
    (void)kit_wait(&kit, KIT_HOUR / 2);
    lease = kit_lease(&kit, ticket, "ann", 3 * KIT_HOUR);
    kit.now += KIT_HOUR;
    kit_complete(&kit, lease, "ann");
    assert_int_equal(counted(&kit).commitments_broken, 2);
    /* A new word takes the place of the old one, and nobody kept or broke that. */
    ticket = deferred(&kit, 4, KIT_HOUR);
    (void)kit_wait(&kit, 50 * KIT_MINUTE);
    lease = kit_lease(&kit, ticket, "bob", KIT_HOUR);
    assert_int_equal(kit_defer(&kit, lease, "bob", kit.now + 3 * KIT_DAY).out.err, AW_OK);
    assert_int_equal(counted(&kit).commitments, 1);
    assert_true(aw_slice_eq(kit_view(&kit, ticket).commitment.by, AW_SLICE("bob")));
    assert_int_equal(kit_wait(&kit, KIT_DAY), 0);
    assert_int_equal(counted(&kit).deferred, 5);
    assert_int_equal(counted(&kit).commitments_broken, 2);
    assert_int_equal(counted(&kit).commitments_kept, 1);
    kit_close(&kit);
}

/* A start gives a running lease its grace, and puts off no word for it. */
static void
test_a_start_does_not_put_off_a_word(void **unused)
{
    struct aw_command   epoch = {.kind = AW_COMMAND_EPOCH, .in.epoch.epoch = 1};
    struct kit          kit;
    struct aw_ticket_id ticket;

    (void)unused;
    kit_open(&kit);
    ticket = deferred(&kit, 1, 20000);
    (void)kit_wait(&kit, 10000);
    (void)kit_lease(&kit, ticket, "ann", 5000);
    assert_int_equal(kit_apply(&kit, &epoch), AW_OK);
    assert_int_equal(kit_wait(&kit, 10000), 1);
    assert_true(kit_view(&kit, ticket).commitment.is_broken);
    assert_int_equal(counted(&kit).commitments_broken, 1);
    kit_close(&kit);
}

static void
test_what_is_refused(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_lease_id  lease;
    struct aw_command   command;

    (void)unused;
    kit_open(&kit);
    lease = leased_by(&kit, 1, "ann", &ticket);
    assert_int_equal(kit_defer(&kit, lease, "ann", kit.now).out.err, AW_E_BAD_VALUE);
    assert_int_equal(kit_defer(&kit, lease, "ann", kit.now + AW_DEFER_MS_MAX + 1).out.err, AW_E_BAD_VALUE);
    assert_int_equal(kit_defer(&kit, lease, "bob", kit.now + KIT_HOUR).out.err, AW_E_FORBIDDEN);
    /* What the holder was not given would be put off unseen. */
    (void)kit_post(&kit, (struct kit_post){.id = 10, .who = {1}, .class_ = AW_CLASS_GENERAL});
    command = kit_defer(&kit, lease, "ann", kit.now + KIT_HOUR);
    assert_int_equal(command.out.err, AW_E_NEW_MESSAGES);
    assert_true(command.out.changed);
    command = kit_defer(&kit, lease, "ann", kit.now + KIT_HOUR);
    assert_int_equal(command.out.err, AW_OK);
    /* The same again, also when the ticket came back long ago. */
    (void)kit_wait(&kit, 3 * KIT_HOUR);
    command.out = (struct aw_outcome_of){.err = AW_OK};
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_false(command.out.changed);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 1).out.u.lease.end, AW_LEASE_END_RELEASED);
    for (uint64_t who = 2; who <= kit_limits().commitments_max; who++)
        (void)deferred(&kit, who, KIT_DAY);
    lease = leased_by(&kit, 50, "ann", &ticket);
    assert_int_equal(kit_defer(&kit, lease, "ann", kit.now + KIT_HOUR).out.err, AW_E_TABLE_FULL);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_LEASED);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_comes_back_before_it_is_due),
        cmocka_unit_test(test_whom_it_comes_back_for),
        cmocka_unit_test(test_what_brings_it_back_sooner),
        cmocka_unit_test(test_what_a_person_does_with_it),
        cmocka_unit_test(test_kept_or_broken),
        cmocka_unit_test(test_a_start_does_not_put_off_a_word),
        cmocka_unit_test(test_what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
