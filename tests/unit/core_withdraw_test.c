/* core_withdraw_test.c - proves what a withdrawal does to its ticket, that it counts once, and that it goes with its message. */
#include "core_kit.h"

static struct aw_command
withdraw(struct kit *kit, uint64_t seq, struct aw_ticket_id named)
{
    struct aw_command command = {
        .kind = AW_COMMAND_WITHDRAW,
        .in.withdraw = {.message = {.seq = seq, .shard = KIT_SHARD}, .ticket = named, .by = AW_SLICE("gateway")}};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_out_message
post(struct kit *kit, uint64_t id, uint64_t who)
{
    return kit_post(kit, (struct kit_post){.id = id, .who = {who}, .class_ = AW_CLASS_GENERAL, .lane = "main"});
}

static void
check_withdrawn(const struct kit *kit, const struct aw_out_message *message, aw_ms at)
{
    aw_ms withdrawn_at = 1;

    assert_int_equal(aw_state_message(kit->state, message->record_seq, message->ticket, &withdrawn_at), AW_OK);
    assert_int_equal(withdrawn_at, at);
}

/* The others stay; it counts once, and is a record of the ticket. */
static void
test_one_of_several(void **unused)
{
    struct kit            kit;
    struct aw_out_message first, second;
    struct aw_command     command;
    uint32_t              version;

    (void)unused;
    kit_open(&kit);
    first = post(&kit, 1, 1);
    second = post(&kit, 2, 1);
    assert_int_equal(aw_state_find_message(kit.state, kit_hash(1000001)), first.record_seq);
    assert_int_equal(aw_state_find_message(kit.state, kit_hash(1000003)), 0);
    version = kit_view(&kit, first.ticket).version;
    kit.now += KIT_MINUTE;
    command = withdraw(&kit, second.record_seq, second.ticket);
    assert_int_equal(command.out.err, AW_OK);
    assert_int_equal(command.out.prev_seq, second.record_seq);
    assert_int_equal(command.out.effect.state, AW_TICKET_WAITING);
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    assert_int_equal(kit_view(&kit, first.ticket).last_seq, command.out.seq);
    assert_int_equal(kit_view(&kit, first.ticket).version, version);
    check_withdrawn(&kit, &first, 0);
    check_withdrawn(&kit, &second, kit.now);
    command = withdraw(&kit, second.record_seq, second.ticket);
    assert_int_equal(command.out.err, AW_OK);
    assert_false(command.out.changed);
    (void)kit_lease(&kit, first.ticket, "ann", KIT_HOUR);
    assert_int_equal(kit_view(&kit, first.ticket).withdrawn, 1);
    second.ticket.seq++;
    assert_int_equal(withdraw(&kit, first.record_seq, second.ticket).out.err, AW_E_NOT_FOUND);
    kit_close(&kit);
}

/* Whoever holds it; a word on it is neither kept nor broken; the customer may write again. */
static void
test_nothing_is_left(void **unused)
{
    struct kit             kit;
    struct aw_out_message  first, second;
    struct aw_lease_id     lease;
    struct aw_command      command;
    struct aw_state_counts counts;
    enum aw_lease_end      end;

    (void)unused;
    kit_open(&kit);
    first = post(&kit, 1, 1);
    assert_int_equal(kit_defer(&kit, kit_lease(&kit, first.ticket, "ann", KIT_HOUR), "ann", kit.now + KIT_DAY).out.err, AW_OK);
    second = post(&kit, 2, 1);
    lease = kit_lease(&kit, first.ticket, "ann", KIT_HOUR);
    assert_true(withdraw(&kit, first.record_seq, first.ticket).out.changed);
    assert_int_equal(kit_view(&kit, first.ticket).state, AW_TICKET_LEASED);
    command = withdraw(&kit, second.record_seq, second.ticket);
    assert_int_equal(command.out.u.ticket.state, AW_TICKET_CLOSED);
    assert_int_equal(command.out.effect.state_before, AW_TICKET_LEASED);
    assert_int_equal(command.out.event.kind, AW_EVENT_HIDDEN);
    assert_int_equal(aw_state_lease_fate(kit.state, lease.slot, lease.fence, &end), AW_LEASE_GONE);
    assert_int_equal(end, AW_LEASE_END_CLOSED);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_COMPLETE, lease, "ann", 1).out.err, AW_E_LEASE_LOST);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.withdrawn, 2);
    assert_int_equal(counts.withdrawn_tickets, 1);
    assert_int_equal(counts.commitments + counts.commitments_kept + counts.commitments_broken, 0);
    second = post(&kit, 3, 1);
    assert_true(second.reopened);
    assert_int_equal(withdraw(&kit, second.record_seq, second.ticket).out.u.ticket.state, AW_TICKET_CLOSED);
    kit_close(&kit);
}

/* Also of a closed ticket, without a change in which of two closed later; not of one that is over. */
static void
test_closed(void **unused)
{
    struct kit            kit;
    struct aw_out_message first, second;
    aw_ms                 withdrawn_at;

    (void)unused;
    kit_open(&kit);
    first = kit_post(&kit, (struct kit_post){.id = 1, .who = {1, 9}, .class_ = AW_CLASS_GENERAL});
    kit_complete(&kit, kit_lease(&kit, first.ticket, "ann", KIT_HOUR), "ann");
    kit.now += KIT_MINUTE;
    second = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL});
    kit_complete(&kit, kit_lease(&kit, second.ticket, "ann", KIT_HOUR), "ann");
    assert_true(withdraw(&kit, first.record_seq, first.ticket).out.changed);
    assert_int_equal(kit_view(&kit, first.ticket).state, AW_TICKET_CLOSED);
    check_withdrawn(&kit, &first, kit.now);
    assert_int_equal(kit_post(&kit, (struct kit_post){.id = 3, .who = {9, 2}, .class_ = AW_CLASS_GENERAL}).ticket.seq,
                     second.ticket.seq);
    kit.now += AW_CORE_SETTINGS_DEFAULT.reopen_ms;
    assert_int_equal(withdraw(&kit, first.record_seq, first.ticket).out.err, AW_E_NOT_FOUND);
    assert_int_equal(aw_state_message(kit.state, first.record_seq, first.ticket, &withdrawn_at), AW_E_NOT_FOUND);
    kit_close(&kit);
}

/* There is no room to note it. */
static void
test_a_full_table(void **unused)
{
    struct kit             kit;
    struct aw_state_limits limits = kit_limits();
    struct aw_out_message  message;

    (void)unused;
    limits.facts_max = 1;
    kit_open_with(&kit, &limits);
    message = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_OTHER, .departs_at = KIT_START + KIT_DAY});
    assert_int_equal(withdraw(&kit, message.record_seq, message.ticket).out.err, AW_E_TABLE_FULL);
    kit_close(&kit);
}

/* More than one settle of the ledger can hold go with their ticket, and its rows are there for others. */
static void
test_very_many(void **unused)
{
    struct kit             kit;
    struct aw_state_limits limits = kit_limits();
    struct aw_out_message  first, last;

    (void)unused;
    limits.ids_max = AW_TICKET_WITHDRAWN_MAX + 10;
    limits.facts_max = AW_TICKET_WITHDRAWN_MAX;
    kit_open_with(&kit, &limits);
    first = post(&kit, 1, 1);
    for (uint64_t id = 2; id <= AW_TICKET_WITHDRAWN_MAX + 1; id++) {
        last = post(&kit, id, 1);
        assert_int_equal(withdraw(&kit, last.record_seq, last.ticket).out.err, AW_OK);
    }
    assert_int_equal(withdraw(&kit, first.record_seq, first.ticket).out.err, AW_E_TABLE_FULL);
    kit_complete(&kit, kit_lease(&kit, first.ticket, "ann", KIT_HOUR), "ann");
    kit.now += AW_CORE_SETTINGS_DEFAULT.reopen_ms;
    last = post(&kit, AW_TICKET_WITHDRAWN_MAX + 2, 2);
    kit_check_digest(&kit);
    assert_int_equal(withdraw(&kit, first.record_seq, first.ticket).out.err, AW_E_NOT_FOUND);
    assert_int_equal(withdraw(&kit, last.record_seq, last.ticket).out.err, AW_OK);
    kit_close(&kit);
}

/* All that still says something is not taken out: the ticket would only get another name. */
static void
test_nothing_would_be_left(void **unused)
{
    struct kit            kit;
    struct aw_out_message first, second;
    uint64_t              messages[1];
    struct aw_command     unfold = {.kind = AW_COMMAND_UNFOLD};

    (void)unused;
    kit_open(&kit);
    first = post(&kit, 1, 1);
    second = post(&kit, 2, 1);
    messages[0] = first.record_seq;
    unfold.in.unfold = (struct aw_in_unfold){
        .on = {.ticket = first.ticket, .by = AW_SLICE("sam"), .dry_run = true},
        .messages = messages,
        .message_count = 1,
        .newest_seq = second.record_seq,
        .messages_total = 2,
        .taken = {.messages = 1, .first_seq = first.record_seq, .last_seq = first.record_seq},
        .left = {.messages = 1, .first_seq = second.record_seq, .last_seq = second.record_seq},
    };
    assert_int_equal(kit_apply(&kit, &unfold), AW_OK); /* it would be */
    assert_int_equal(withdraw(&kit, second.record_seq, second.ticket).out.err, AW_OK);
    assert_int_equal(kit_apply(&kit, &unfold), AW_E_BAD_VALUE);
    kit_close(&kit);
}

/* A message that was taken out, and then taken back: when its new ticket is forgotten, it does not come back to the one that its
 * record names and that lives on. */
static void
test_its_new_ticket_is_forgotten(void **unused)
{
    struct kit            kit;
    struct aw_out_message first, second, other;
    aw_ms                 withdrawn_at;
    struct aw_command     unfold;

    (void)unused;
    kit_open(&kit);
    first = post(&kit, 1, 1);
    second = post(&kit, 2, 1);
    unfold = kit_unfolding(&first, &second);
    assert_int_equal(kit_apply(&kit, &unfold), AW_OK);
    assert_int_equal(withdraw(&kit, second.record_seq, second.ticket).out.err, AW_OK);
    check_withdrawn(&kit, &second, kit.now);
    kit.now += 2 * KIT_DAY;
    other = first;
    for (uint64_t id = 10; aw_state_ticket(kit.state, unfold.out.u.ticket.ticket, &(struct aw_ticket_view){.lane = 0}) == AW_OK;
         id++)
        other = post(&kit, id, id);
    assert_int_equal(aw_state_message(kit.state, second.record_seq, second.ticket, &withdrawn_at), AW_E_NOT_FOUND);
    assert_int_equal(withdraw(&kit, second.record_seq, second.ticket).out.err, AW_E_NOT_FOUND);
    check_withdrawn(&kit, &first, 0);
    check_withdrawn(&kit, &other, 0);
    assert_int_equal(kit_view(&kit, first.ticket).state, AW_TICKET_WAITING);
    kit_check_digest(&kit);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_of_several),
        cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_very_many),
        cmocka_unit_test(test_a_full_table),
        cmocka_unit_test(test_nothing_would_be_left),
        cmocka_unit_test(test_its_new_ticket_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
