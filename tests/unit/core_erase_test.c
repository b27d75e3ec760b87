/* core_erase_test.c - proves what an erasure does to a customer's tickets and to replies that wait, that nothing of it is undone by
 * what he or a gateway does later.
 */
#include "core_kit.h"

static const struct aw_account_name web = {{"web", 3}, {"main", 4}};

static struct aw_command
erase(struct kit *kit, struct aw_ticket_id ticket, uint64_t through)
{
    struct aw_command command = {.kind = AW_COMMAND_ERASE,
                                 .in.erase = {.customer = {7, 8}, .through = through, .ticket = ticket, .by = AW_SLICE("sam")}};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_out_message
post(struct kit *kit, uint64_t id, uint64_t who)
{
    return kit_post(kit, (struct kit_post){.id = id, .who = {who}, .class_ = AW_CLASS_GENERAL, .channel = "web"});
}

static uint64_t
reply(struct kit *kit, struct aw_lease_id lease, const struct aw_out_message *to, const char *agent, uint64_t op)
{
    struct aw_command command = {.kind = AW_COMMAND_REPLY,
                                 .in.fenced = {.lease = lease,
                                               .agent = aw_slice_str(agent),
                                               .op_hash = op,
                                               .reply = {.is_there = true,
                                                         .to = {.seq = to->record_seq, .shard = KIT_SHARD},
                                                         .to_ticket = to->ticket,
                                                         .channel = web.channel,
                                                         .account = web.account}}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.seq;
}

static struct aw_out_reply
take(struct kit *kit, uint32_t want)
{
    struct aw_out_reply given = {.fence = 0};
    struct aw_command   command = {.kind = AW_COMMAND_REPLY_LEASE,
                                   .in.reply_lease = {.accounts = &web,
                                                      .account_count = 1,
                                                      .max = 1,
                                                      .lease_ms = KIT_MINUTE,
                                                      .gateway = AW_SLICE("gate"),
                                                      .replies = &given}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
    assert_int_equal(command.out.u.reply_lease.count, want);
    return given;
}

static enum aw_reply_state
state_of(const struct kit *kit, uint64_t seq)
{
    struct aw_reply_view view;

    assert_int_equal(aw_state_reply(kit->state, seq, &view), AW_OK);
    return view.state;
}

/* Whoever holds it; a word on it is dropped; he who writes again is somebody new. Once. */
static void
test_open(void **unused)
{
    struct kit             kit;
    struct aw_out_message  first;
    struct aw_lease_id     lease;
    struct aw_command      command;
    struct aw_state_counts counts;
    enum aw_lease_end      end;
    aw_ms                  withdrawn_at;

    (void)unused;
    kit_open(&kit);
    first = post(&kit, 1, 1);
    assert_int_equal(kit_defer(&kit, kit_lease(&kit, first.ticket, "ann", KIT_HOUR), "ann", kit.now + KIT_DAY).out.err, AW_OK);
    (void)post(&kit, 2, 1);
    lease = kit_lease(&kit, first.ticket, "ann", KIT_HOUR);
    command = erase(&kit, first.ticket, aw_state_seq(kit.state));
    assert_true(command.out.changed);
    assert_int_equal(command.out.event.kind, AW_EVENT_HIDDEN);
    assert_int_equal(command.out.effect.state_before, AW_TICKET_LEASED);
    assert_int_equal(command.out.effect.state, AW_TICKET_CLOSED);
    assert_true(aw_slice_eq(command.out.effect.holder, AW_SLICE("ann")));
    assert_int_equal(kit_view(&kit, first.ticket).last_seq, command.out.seq);
    assert_int_equal(aw_state_lease_fate(kit.state, lease.slot, lease.fence, &end), AW_LEASE_GONE);
    assert_int_equal(end, AW_LEASE_END_CLOSED);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_COMPLETE, lease, "ann", 1).out.err, AW_E_LEASE_LOST);
    assert_int_equal(aw_state_message(kit.state, first.record_seq, first.ticket, &withdrawn_at), AW_E_NOT_FOUND);
    assert_false(erase(&kit, first.ticket, aw_state_seq(kit.state)).out.changed);
    assert_int_not_equal(post(&kit, 3, 1).ticket.seq, first.ticket.seq);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.erased_tickets, 1);
    assert_int_equal(counts.commitments + counts.commitments_kept + counts.commitments_broken, 0);
    kit_close(&kit);
}

/* The record that stands for the customer is there in any case; a ticket in which he wrote since, or that is another one, is not
 * touched; a closed one is not reopened. */
static void
test_others(void **unused)
{
    struct kit             kit;
    struct aw_out_message  first, second;
    struct aw_ticket_id    other;
    struct aw_command      stale;
    struct aw_state_counts counts;
    uint64_t               through;

    (void)unused;
    kit_open(&kit);
    assert_true(erase(&kit, (struct aw_ticket_id){.slot = 0}, 0).out.changed);
    first = post(&kit, 1, 1);
    second = post(&kit, 2, 2);
    through = aw_state_seq(kit.state);
    (void)post(&kit, 3, 2);
    stale = erase(&kit, second.ticket, through);
    assert_true(stale.out.u.erase.stays && !stale.out.changed);
    assert_int_equal(kit_view(&kit, second.ticket).state, AW_TICKET_WAITING);
    other = first.ticket;
    other.seq++;
    assert_false(erase(&kit, other, through).out.changed);
    other = first.ticket;
    other.slot += 1000;
    assert_false(erase(&kit, other, through).out.changed);
    kit_complete(&kit, kit_lease(&kit, first.ticket, "ann", KIT_HOUR), "ann");
    assert_true(erase(&kit, first.ticket, through).out.changed);
    assert_int_not_equal(post(&kit, 4, 1).ticket.seq, first.ticket.seq);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.erased, 1);
    assert_int_equal(counts.reopened, 0);
    kit_close(&kit);
}

/* What waits never goes; what a gateway has may be told to be sent, and does not come back; none is redriven. */
static void
test_replies(void **unused)
{
    struct kit        kit;
    struct aw_command agent = {
        .kind = AW_COMMAND_AGENT,
        .in.agent = {.name = AW_SLICE("vol"), .needs_approval = true, .units_total = AW_UNITS_NO_TOTAL, .by = AW_SLICE("sue")}};
    struct aw_command     redrive = {.kind = AW_COMMAND_REDRIVE, .in.redrive = {.max = 10, .by = AW_SLICE("sue")}};
    struct aw_command     status = {.kind = AW_COMMAND_REPLY_STATUS,
                                    .in.reply_status = {.state = AW_REPLY_FAILED, .by = AW_SLICE("gate")}};
    struct aw_out_message first, second;
    struct aw_out_reply   given;
    struct aw_lease_id    lease;
    uint64_t              waits, pending;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(kit_apply(&kit, &agent), AW_OK);
    first = post(&kit, 1, 1);
    second = post(&kit, 2, 2);
    lease = kit_lease(&kit, first.ticket, "ann", KIT_HOUR);
    (void)reply(&kit, lease, &first, "ann", 1);
    given = take(&kit, 1);
    waits = reply(&kit, lease, &first, "ann", 2);
    pending = reply(&kit, kit_lease(&kit, second.ticket, "vol", KIT_HOUR), &second, "vol", 3);
    assert_int_equal(state_of(&kit, pending), AW_REPLY_PENDING);
    assert_true(erase(&kit, first.ticket, aw_state_seq(kit.state)).out.changed);
    assert_true(erase(&kit, second.ticket, aw_state_seq(kit.state)).out.changed);
    assert_int_equal(state_of(&kit, waits), AW_REPLY_DEAD);
    assert_int_equal(state_of(&kit, pending), AW_REPLY_REFUSED);
    assert_int_equal(state_of(&kit, given.reply.seq), AW_REPLY_LEASED);
    (void)take(&kit, 0);
    status.in.reply_status.reply = given.reply;
    status.in.reply_status.fence = given.fence;
    assert_int_equal(kit_apply(&kit, &status), AW_OK);
    (void)kit_wait(&kit, KIT_HOUR);
    assert_int_equal(state_of(&kit, given.reply.seq), AW_REPLY_DEAD);
    assert_int_equal(kit_apply(&kit, &redrive), AW_OK);
    assert_int_equal(redrive.out.u.redrive.count, 0);
    (void)take(&kit, 0);
    kit_close(&kit);
}

/* A ticket in which he wrote since stays: what was written to him before does not go, what answers him now does. */
static void
test_replies_before(void **unused)
{
    struct kit            kit;
    struct aw_out_message first, second;
    struct aw_command     command;
    struct aw_lease_id    lease;
    uint64_t              through, before, since;

    (void)unused;
    kit_open(&kit);
    first = post(&kit, 1, 1);
    lease = kit_lease(&kit, first.ticket, "ann", KIT_HOUR);
    before = reply(&kit, lease, &first, "ann", 1);
    through = aw_state_seq(kit.state);
    second = post(&kit, 2, 1);
    since = reply(&kit, lease, &second, "ann", 2);
    command = erase(&kit, first.ticket, through);
    assert_true(command.out.changed && command.out.u.erase.stays && command.out.u.erase.spares);
    assert_int_equal(command.out.effect.ticket_seq, 0);
    assert_int_equal(kit_view(&kit, first.ticket).state, AW_TICKET_LEASED);
    assert_int_not_equal(kit_view(&kit, first.ticket).last_seq, command.out.seq);
    assert_int_equal(state_of(&kit, before), AW_REPLY_DEAD);
    assert_int_equal(state_of(&kit, since), AW_REPLY_WAITING);
    assert_false(erase(&kit, first.ticket, through).out.changed);
    assert_int_equal(take(&kit, 1).reply.seq, since);
    kit_close(&kit);
}

/* One that is forgotten is closed no more, but what waits is written to him all the same. Another one may have its row. */
static void
test_replies_forgotten(void **unused)
{
    struct kit            kit;
    struct aw_out_message first;
    struct aw_ticket_view view;
    struct aw_command     command;
    struct aw_lease_id    lease;
    uint64_t              waits;
    uint64_t              id = 2;

    (void)unused;
    kit_open(&kit);
    first = post(&kit, 1, 1);
    lease = kit_lease(&kit, first.ticket, "ann", KIT_HOUR);
    waits = reply(&kit, lease, &first, "ann", 1);
    kit_complete(&kit, lease, "ann");
    (void)kit_wait(&kit, 30 * KIT_DAY);
    while (aw_state_ticket(kit.state, first.ticket, &view) != AW_E_NOT_FOUND)
        (void)post(&kit, id, id), id++;
    command = erase(&kit, first.ticket, aw_state_seq(kit.state));
    assert_true(command.out.changed && command.out.u.erase.spares && !command.out.u.erase.stays);
    assert_int_equal(command.out.effect.ticket_seq, 0);
    assert_int_equal(state_of(&kit, waits), AW_REPLY_DEAD);
    (void)take(&kit, 0);
    assert_false(erase(&kit, first.ticket, aw_state_seq(kit.state)).out.changed);
    kit_close(&kit);
}

/* A ticket that lost messages since it was looked at may not be his any more. */
static void
test_moved(void **unused)
{
    struct kit            kit;
    struct aw_out_message first;
    struct aw_command     command = {.kind = AW_COMMAND_ERASE,
                                     .in.erase = {.customer = {7, 8}, .messages = 3, .by = AW_SLICE("sam")}};
    uint64_t              waits;

    (void)unused;
    kit_open(&kit);
    first = post(&kit, 1, 1);
    waits = reply(&kit, kit_lease(&kit, first.ticket, "ann", KIT_HOUR), &first, "ann", 1);
    (void)post(&kit, 2, 1);
    command.in.erase.ticket = first.ticket;
    command.in.erase.through = aw_state_seq(kit.state);
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.u.erase.moved && command.out.u.erase.spares && !command.out.changed);
    assert_int_equal(kit_view(&kit, first.ticket).state, AW_TICKET_LEASED);
    assert_int_equal(state_of(&kit, waits), AW_REPLY_WAITING);
    command.in.erase.messages = 2;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.changed && !command.out.u.erase.spares);
    assert_int_equal(state_of(&kit, waits), AW_REPLY_DEAD);
    kit_close(&kit);
}

/* When a ticket of his stays, nobody may have been unfolded since it was looked: he himself comes last, and is refused. */
static void
test_unfolded_since(void **unused)
{
    struct kit            kit;
    struct aw_out_message first, second;
    struct aw_command     command = {.kind = AW_COMMAND_ERASE, .in.erase = {.customer = {7, 8}, .by = AW_SLICE("sam")}};
    struct aw_command     unfold;

    (void)unused;
    kit_open(&kit);
    first = post(&kit, 1, 1);
    second = post(&kit, 2, 1);
    unfold = kit_unfolding(&first, &second);
    command.in.erase.looked = command.in.erase.through = aw_state_seq(kit.state);
    assert_int_equal(kit_apply(&kit, &unfold), AW_OK);
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.u.erase.moved && !command.out.changed);
    command.in.erase.looked = 0; /* all of his are closed */
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.changed && !command.out.u.erase.moved);
    command.in.erase.looked = unfold.out.seq;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.changed && !command.out.u.erase.moved);
    kit_check_digest(&kit);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_replies_before),
        cmocka_unit_test(test_replies_forgotten),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_unfolded_since),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
