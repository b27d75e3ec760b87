/* core_approve_test.c - replies that wait for a colleague: who decides, what becomes of the ticket, what gateways know of it, which
 * are found; all of it read back from a checkpoint.
 *
 * How: one life at a time, step by step.
 */
#include "core/reply_search.h"
#include "core_kit.h"

static const struct aw_account_name web = {{"web", 3}, {"main", 4}};

static void
set_approval(struct kit *kit, const char *name, bool needs)
{
    struct aw_command command = {
        .kind = AW_COMMAND_AGENT,
        .in.agent = {
            .name = aw_slice_str(name), .needs_approval = needs, .units_total = AW_UNITS_NO_TOTAL, .by = AW_SLICE("sue")}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
}

static struct aw_command
write_reply(struct kit *kit, enum aw_command_kind kind, struct aw_lease_id lease, const struct aw_out_message *to,
            const char *agent)
{
    struct aw_command command = {.kind = kind,
                                 .in.fenced = {.lease = lease,
                                               .agent = aw_slice_str(agent),
                                               .op_hash = to->record_seq,
                                               .reply = {.is_there = true,
                                                         .to = {.seq = to->record_seq, .shard = KIT_SHARD},
                                                         .to_ticket = to->ticket,
                                                         .channel = web.channel,
                                                         .account = web.account}}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command;
}

/* A ticket of its own, completed by `agent` with a reply that is still to be decided on. */
static uint64_t
answer(struct kit *kit, uint64_t id, enum aw_class class_, const char *agent, struct aw_out_message *ret_message)
{
    struct aw_command command;

    *ret_message = kit_post(kit, (struct kit_post){.id = id, .who = {id}, .class_ = class_});
    command = write_reply(kit, AW_COMMAND_COMPLETE, kit_lease(kit, ret_message->ticket, agent, KIT_HOUR), ret_message, agent);
    assert_int_equal(command.out.u.lease.reply_state, AW_REPLY_PENDING);
    assert_int_equal(kit_view(kit, ret_message->ticket).state, AW_TICKET_CLOSED);
    return command.out.u.lease.reply_seq;
}

static struct aw_command
decide(struct kit *kit, uint64_t reply, bool goes, const char *by)
{
    struct aw_command command = {
        .kind = AW_COMMAND_APPROVE,
        .in.approve = {.reply = {.seq = reply, .shard = KIT_SHARD}, .goes = goes, .by = aw_slice_str(by)}};

    if (!goes)
        command.in.approve.note.len = 7;
    (void)kit_apply(kit, &command);
    return command;
}

/* How many a gateway gets. */
static uint32_t
take(struct kit *kit)
{
    struct aw_command command = {
        .kind = AW_COMMAND_REPLY_LEASE,
        .in.reply_lease = {.accounts = &web, .account_count = 1, .max = 10, .lease_ms = KIT_MINUTE, .gateway = AW_SLICE("gate")}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.u.reply_lease.count;
}

static enum aw_reply_state
state_of(const struct kit *kit, uint64_t reply)
{
    struct aw_reply_view view;

    assert_int_equal(aw_state_reply(kit->state, reply, &view), AW_OK);
    return view.state;
}

static void
test_goes_out_when_approved(void **unused)
{
    struct kit            kit;
    struct aw_out_message message;
    struct aw_command     command;
    uint64_t              reply;

    (void)unused;
    kit_open(&kit);
    set_approval(&kit, "vol", true);
    set_approval(&kit, "val", true);
    reply = answer(&kit, 1, AW_CLASS_GENERAL, "vol", &message);
    assert_int_equal(take(&kit), 0);
    assert_int_equal(decide(&kit, reply, true, "vol").out.err, AW_E_FORBIDDEN); /* his own */
    assert_int_equal(decide(&kit, reply, true, "val").out.err, AW_E_FORBIDDEN); /* hers would wait as well */
    assert_int_equal(decide(&kit, reply + 1000, true, "ann").out.err, AW_E_NOT_FOUND);
    command = decide(&kit, reply, true, "ann"); /* never heard of before: she needs none */
    assert_int_equal(command.out.err, AW_OK);
    assert_true(command.out.changed);
    assert_int_equal(command.out.u.reply.state, AW_REPLY_WAITING);
    assert_int_equal(command.out.effect.ticket_seq, message.ticket.seq);
    assert_int_equal(command.out.prev_seq, reply); /* in the ticket's history */
    assert_int_equal(kit_view(&kit, message.ticket).state, AW_TICKET_CLOSED);
    assert_false(decide(&kit, reply, true, "bob").out.changed); /* as asked already */
    command = decide(&kit, reply, false, "ann");
    assert_int_equal(command.out.err, AW_E_WRONG_STATE);
    assert_int_equal(command.out.u.reply.state, AW_REPLY_WAITING);
    assert_int_equal(take(&kit), 1);
    assert_false(decide(&kit, reply, true, "bob").out.changed);
    kit_close(&kit);
}

/* Of an agent who needs none there is nothing to decide; what he wrote before that was changed is decided as it was written. */
static void
test_who_needs_it(void **unused)
{
    struct kit            kit;
    struct aw_out_message message, other;
    struct aw_lease_id    lease;
    struct aw_command     command;
    uint64_t              reply;

    (void)unused;
    kit_open(&kit);
    message = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL});
    command = write_reply(&kit, AW_COMMAND_COMPLETE, kit_lease(&kit, message.ticket, "ann", KIT_HOUR), &message, "ann");
    assert_int_equal(command.out.u.lease.reply_state, AW_REPLY_WAITING);
    assert_int_equal(decide(&kit, command.out.u.lease.reply_seq, true, "bob").out.err, AW_E_WRONG_STATE);
    set_approval(&kit, "ann", true);
    reply = answer(&kit, 2, AW_CLASS_GENERAL, "ann", &other);
    set_approval(&kit, "ann", false);
    assert_int_equal(state_of(&kit, reply), AW_REPLY_PENDING);
    assert_int_equal(decide(&kit, reply, true, "ann").out.err, AW_E_FORBIDDEN);
    /* While its ticket goes on: a reply that keeps the lease waits too, and refused it leaves the lease alone. */
    set_approval(&kit, "ann", true);
    message = kit_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_GENERAL});
    lease = kit_lease(&kit, message.ticket, "ann", KIT_HOUR);
    command = write_reply(&kit, AW_COMMAND_REPLY, lease, &message, "ann");
    assert_int_equal(command.out.u.lease.reply_state, AW_REPLY_PENDING);
    assert_int_equal(decide(&kit, command.out.u.lease.reply_seq, false, "bob").out.err, AW_OK);
    assert_int_equal(kit_view(&kit, message.ticket).state, AW_TICKET_LEASED);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "ann", 9).out.err, AW_OK);
    kit_close(&kit);
}

static void
test_refused_it_is_open_again(void **unused)
{
    struct kit             kit;
    struct aw_out_message  message;
    struct aw_command      command;
    struct aw_ticket_view  before, view;
    struct aw_state_counts counts;
    uint64_t               reply;

    (void)unused;
    kit_open(&kit);
    set_approval(&kit, "vol", true);
    reply = answer(&kit, 1, AW_CLASS_GENERAL, "vol", &message);
    before = kit_view(&kit, message.ticket);
    kit_wait(&kit, KIT_MINUTE);
    command = decide(&kit, reply, false, "ann");
    assert_int_equal(command.out.err, AW_OK);
    assert_int_equal(command.out.u.reply.state, AW_REPLY_REFUSED);
    assert_int_equal(command.out.event.kind, AW_EVENT_ASIDE);
    assert_int_equal(command.out.effect.state_before, AW_TICKET_CLOSED);
    assert_int_equal(command.out.effect.state, AW_TICKET_WAITING);
    view = kit_view(&kit, message.ticket);
    assert_int_equal(view.state, AW_TICKET_WAITING);
    assert_int_equal(view.age, before.age);
    assert_int_equal(view.notes_total, 1); /* why */
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.reopened, 0); /* by its customer, that is */
    assert_int_equal(counts.closed, 1);
    assert_int_equal(counts.closes_refused, 1);
    assert_true(aw_slice_eq(aw_state_kept_for(kit.state, message.ticket.slot), AW_SLICE("vol")));
    assert_false(decide(&kit, reply, false, "bob").out.changed);
    assert_int_equal(decide(&kit, reply, true, "bob").out.err, AW_E_WRONG_STATE);
    assert_int_equal(take(&kit), 0);
    /* He puts it right; that waits again, and the refused one is never sent, whatever a gateway says. */
    command = write_reply(&kit, AW_COMMAND_COMPLETE, kit_lease(&kit, message.ticket, "vol", KIT_HOUR), &message, "vol");
    assert_int_equal(decide(&kit, command.out.u.lease.reply_seq, true, "ann").out.err, AW_OK);
    command = (struct aw_command){.kind = AW_COMMAND_REPLY_STATUS,
                                  .in.reply_status = {.reply = {.seq = reply, .shard = KIT_SHARD}, .state = AW_REPLY_SENT}};
    assert_int_equal(kit_apply(&kit, &command), AW_E_LEASE_LOST);
    assert_int_equal(take(&kit), 1);
    kit_close(&kit);
}

/* Urgent ones wait for nobody; one that somebody else answered since stays closed; who left is not waited for. */
static void
test_refused_for_others(void **unused)
{
    struct kit            kit;
    struct aw_out_message message;
    struct aw_command     presence = {.kind = AW_COMMAND_PRESENCE,
                                      .in.presence = {.name = AW_SLICE("vol"), .presence = AW_PRESENCE_LEAVING}};
    uint64_t              reply;

    (void)unused;
    kit_open(&kit);
    set_approval(&kit, "vol", true);
    reply = answer(&kit, 1, AW_CLASS_CARE, "vol", &message);
    assert_int_equal(decide(&kit, reply, false, "ann").out.event.kind, AW_EVENT_QUEUED);
    reply = answer(&kit, 2, AW_CLASS_GENERAL, "vol", &message);
    (void)kit_post(&kit, (struct kit_post){.id = 20, .who = {2}, .class_ = AW_CLASS_GENERAL}); /* it reopens */
    assert_int_equal(decide(&kit, reply, false, "ann").out.event.kind, AW_EVENT_NONE);
    assert_int_equal(kit_view(&kit, message.ticket).state, AW_TICKET_WAITING);
    reply = answer(&kit, 3, AW_CLASS_GENERAL, "vol", &message);
    (void)kit_post(&kit, (struct kit_post){.id = 30, .who = {3}, .class_ = AW_CLASS_GENERAL});
    kit_wait(&kit, KIT_HOUR); /* kept for nobody any more */
    kit_complete(&kit, kit_lease(&kit, message.ticket, "bob", KIT_MINUTE), "bob");
    assert_int_equal(decide(&kit, reply, false, "ann").out.err, AW_OK);
    assert_int_equal(kit_view(&kit, message.ticket).state, AW_TICKET_CLOSED);
    reply = answer(&kit, 4, AW_CLASS_GENERAL, "vol", &message);
    assert_int_equal(kit_apply(&kit, &presence), AW_OK);
    assert_int_equal(decide(&kit, reply, false, "ann").out.event.kind, AW_EVENT_QUEUED);
    kit_close(&kit);
}

/* Its ticket is forgotten, and its slot another's: it goes out all the same, and that one hears nothing of it. */
/* Nor does it open again what was closed since, in another way, by a person or by its customer's word; nor one of which nothing is
 * left, as its customer took back what he wrote. */
static void
test_closed_otherwise_since(void **unused)
{
    struct kit            kit;
    struct aw_out_message message, second, third;
    struct aw_command     withdraw = {.kind = AW_COMMAND_WITHDRAW};
    uint64_t              replies[3], seqs[2];

    (void)unused;
    kit_open(&kit);
    set_approval(&kit, "vol", true);
    replies[0] = answer(&kit, 1, AW_CLASS_GENERAL, "vol", &message);
    assert_true(kit_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_GENERAL}).reopened);
    (void)kit_on_ticket(&kit, AW_COMMAND_CANCEL, message.ticket, 0, 0);
    replies[1] = answer(&kit, 3, AW_CLASS_GENERAL, "vol", &second);
    seqs[0] = second.record_seq;
    seqs[1] = kit_post(&kit, (struct kit_post){.id = 4, .who = {3}, .class_ = AW_CLASS_GENERAL}).record_seq;
    for (unsigned i = 0; i < 2; i++) {
        withdraw.in.withdraw = (struct aw_in_withdraw){.message = {.seq = seqs[i], .shard = KIT_SHARD}, .ticket = second.ticket};
        assert_int_equal(kit_apply(&kit, &withdraw), AW_OK);
    }
    replies[2] = answer(&kit, 5, AW_CLASS_GENERAL, "vol", &third);
    withdraw.in.withdraw =
        (struct aw_in_withdraw){.message = {.seq = third.record_seq, .shard = KIT_SHARD}, .ticket = third.ticket};
    assert_int_equal(kit_apply(&kit, &withdraw), AW_OK);
    for (unsigned i = 0; i < 3; i++) {
        struct aw_ticket_id ticket = i == 0 ? message.ticket : i == 1 ? second.ticket : third.ticket;

        assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_CLOSED);
        assert_int_equal(decide(&kit, replies[i], false, "ann").out.err, AW_OK);
        assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_CLOSED);
    }
    kit_close(&kit);
}

static void
test_outlives_its_ticket(void **unused)
{
    struct kit             kit;
    struct aw_state_limits limits = kit_limits();
    struct aw_out_message  message;
    struct aw_command      command;
    uint64_t               replies[2], last_seq;
    struct aw_ticket_view  view;

    (void)unused;
    limits.tickets_max = 3;
    kit_open_with(&kit, &limits);
    set_approval(&kit, "vol", true);
    replies[0] = answer(&kit, 1, AW_CLASS_GENERAL, "vol", &message);
    replies[1] = answer(&kit, 2, AW_CLASS_GENERAL, "vol", &message);
    kit_wait(&kit, 2 * KIT_DAY); /* behind reopen_ms */
    for (uint64_t id = 3; id <= 4; id++)
        message = kit_post(&kit, (struct kit_post){.id = id, .who = {id}, .class_ = AW_CLASS_GENERAL});
    last_seq = kit_view(&kit, message.ticket).last_seq;
    for (unsigned i = 0; i < 2; i++) {
        command = decide(&kit, replies[i], i == 0, "ann");
        assert_int_equal(command.out.err, AW_OK);
        assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
        assert_int_equal(command.out.effect.ticket_seq, 0);
        assert_int_equal(command.out.prev_seq, replies[i]);
    }
    view = kit_view(&kit, message.ticket);
    assert_int_equal(view.last_seq, last_seq);
    assert_int_equal(view.notes_total, 0);
    assert_int_equal(take(&kit), 1);
    kit_close(&kit);
}

/* --- which are found -------------------------------------------------------------------------------------------------------- */

static uint32_t
find(const struct kit *kit, struct aw_reply_search *search, uint32_t slots)
{
    uint32_t steps = 1;

    aw_reply_search_begin(search);
    while (!aw_reply_search_step(kit->state, search, slots))
        steps++;
    return steps;
}

static void
test_finds_the_oldest(void **unused)
{
    struct kit             kit;
    struct aw_out_message  message;
    struct aw_reply_found  found[3];
    uint64_t               replies[8];
    struct aw_reply_search search = {.state = AW_REPLY_PENDING, .found = found, .room = 3};

    (void)unused;
    kit_open(&kit);
    set_approval(&kit, "vol", true);
    set_approval(&kit, "val", true);
    for (uint64_t i = 0; i < 8; i++)
        replies[i] = answer(&kit, i + 1, AW_CLASS_GENERAL, i % 2 == 0 ? "vol" : "val", &message);
    assert_int_equal(decide(&kit, replies[1], true, "ann").out.err, AW_OK);
    assert_true(find(&kit, &search, 2) > 3);
    assert_int_equal(search.count, 3);
    assert_true(search.has_more);
    assert_int_equal(found[0].view.reply.seq, replies[0]);
    assert_int_equal(found[1].view.reply.seq, replies[2]);
    assert_memory_equal(found[2].channel, "web", found[2].channel_len);
    search.after = found[2].view.reply.seq;
    (void)find(&kit, &search, 100);
    assert_int_equal(search.count, 3);
    assert_int_equal(found[0].view.reply.seq, replies[4]);
    search = (struct aw_reply_search){.agent = AW_SLICE("val"), .found = found, .room = 3, .after = replies[3]};
    (void)find(&kit, &search, 100);
    assert_int_equal(search.count, 2);
    assert_false(search.has_more);
    search = (struct aw_reply_search){.ticket_seq = message.ticket.seq, .channel = AW_SLICE("web"), .found = found, .room = 3};
    (void)find(&kit, &search, 100);
    assert_int_equal(search.count, 1);
    search.account = AW_SLICE("other");
    (void)find(&kit, &search, 100);
    assert_int_equal(search.count, 0);
    kit_close(&kit);
}

/* --- checkpoints ------------------------------------------------------------------------------------------------------------ */

/* From a checkpoint all goes on alike. */
static void
test_read_back(void **unused)
{
    struct kit                kit, other;
    struct aw_state_limits    limits = kit_limits();
    struct aw_out_message     message;
    struct aw_checkpoint_mark mark;
    struct aw_chunk           chunk;
    uint64_t                  replies[3];

    (void)unused;
    kit_open(&kit);
    set_approval(&kit, "vol", true);
    for (uint64_t i = 0; i < 3; i++)
        replies[i] = answer(&kit, i + 1, AW_CLASS_GENERAL, "vol", &message);
    assert_int_equal(decide(&kit, replies[2], false, "ann").out.err, AW_OK);
    other = (struct kit){.now = kit.now};
    assert_int_equal(aw_state_new(&other.state, &limits, KIT_SHARD, NULL), AW_OK);
    assert_true(aw_state_cut_begin(kit.state, &mark));
    while (aw_state_cut_next(kit.state, &chunk, &mark))
        assert_int_equal(aw_state_load_chunk(other.state, &chunk, NULL), AW_OK);
    aw_state_cut_end(kit.state);
    assert_int_equal(aw_state_load_finish(other.state, &mark, NULL), AW_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(decide(&kit, replies[i], i == 0, "ann").out.err, decide(&other, replies[i], i == 0, "ann").out.err);
        assert_int_equal(take(&kit), take(&other));
        assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(other.state)));
    }
    assert_int_equal(state_of(&other, replies[0]), AW_REPLY_LEASED);
    kit_close(&other);
    kit_close(&kit);
}

/* What the customer was promised to hear he has not heard while a colleague looks at it, nor when that is refused. */
static void
test_a_word_waits_for_the_colleague(void **unused)
{
    struct kit             kit;
    struct aw_out_message  first, second;
    struct aw_lease_id     lease;
    struct aw_command      command;
    struct aw_state_counts counts;

    (void)unused;
    kit_open(&kit);
    set_approval(&kit, "ann", true);
    first = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL});
    assert_int_equal(kit_defer(&kit, kit_lease(&kit, first.ticket, "ann", KIT_HOUR), "ann", kit.now + KIT_DAY).out.err, AW_OK);
    second = kit_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_GENERAL});
    lease = kit_lease(&kit, first.ticket, "ann", KIT_HOUR);
    command = write_reply(&kit, AW_COMMAND_REPLY, lease, &first, "ann");
    assert_int_equal(decide(&kit, command.out.u.lease.reply_seq, false, "bob").out.err, AW_OK);
    command = write_reply(&kit, AW_COMMAND_REPLY, lease, &second, "ann");
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.commitments, 1);
    assert_int_equal(counts.commitments_kept, 0);
    /* A word that he gives after it is another one. */
    assert_int_equal(kit_defer(&kit, lease, "ann", kit.now + KIT_DAY).out.err, AW_OK);
    assert_int_equal(decide(&kit, command.out.u.lease.reply_seq, true, "bob").out.err, AW_OK);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.commitments, 1);
    second = kit_post(&kit, (struct kit_post){.id = 3, .who = {1}, .class_ = AW_CLASS_GENERAL});
    lease = kit_lease(&kit, first.ticket, "ann", KIT_HOUR);
    command = write_reply(&kit, AW_COMMAND_REPLY, lease, &second, "ann");
    assert_int_equal(decide(&kit, command.out.u.lease.reply_seq, true, "bob").out.err, AW_OK);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.commitments, 0);
    assert_int_equal(counts.commitments_kept, 1);
    kit_check_digest(&kit);
    kit_close(&kit);
}

/* A ticket that ann put off and completed since; her reply is still to be decided on. */
static uint64_t
complete_after_a_word(struct kit *kit, uint64_t who, struct aw_ticket_id *ret_ticket)
{
    struct aw_ticket_id ticket =
        kit_post(kit, (struct kit_post){.id = 10 * who, .who = {who}, .class_ = AW_CLASS_GENERAL}).ticket;
    struct aw_out_message message;
    struct aw_command     command;

    assert_int_equal(kit_defer(kit, kit_lease(kit, ticket, "ann", KIT_HOUR), "ann", kit->now + KIT_DAY).out.err, AW_OK);
    message = kit_post(kit, (struct kit_post){.id = 10 * who + 1, .who = {who}, .class_ = AW_CLASS_GENERAL});
    command = write_reply(kit, AW_COMMAND_COMPLETE, kit_lease(kit, ticket, "ann", KIT_HOUR), &message, "ann");
    assert_int_equal(kit_view(kit, ticket).state, AW_TICKET_CLOSED);
    *ret_ticket = ticket;
    return command.out.u.lease.reply_seq;
}

static void
check_words(const struct kit *kit, uint64_t open, uint64_t kept, uint64_t broken)
{
    struct aw_state_counts counts;

    aw_state_counts(kit->state, &counts);
    assert_int_equal(counts.commitments, open);
    assert_int_equal(counts.commitments_kept, kept);
    assert_int_equal(counts.commitments_broken, broken);
}

/* Nor when the ticket was completed with it. */
static void
test_a_word_outlasts_a_close(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    uint64_t            reply;

    (void)unused;
    kit_open(&kit);
    set_approval(&kit, "ann", true);
    reply = complete_after_a_word(&kit, 1, &ticket);
    check_words(&kit, 1, 0, 0);
    assert_int_equal(decide(&kit, reply, true, "bob").out.err, AW_OK);
    check_words(&kit, 0, 1, 0);
    /* Not let go: the ticket is open again, with its word. */
    reply = complete_after_a_word(&kit, 2, &ticket);
    assert_int_equal(decide(&kit, reply, false, "bob").out.err, AW_OK);
    assert_int_equal(kit_view(&kit, ticket).commitment.due_at, kit.now + KIT_DAY);
    kit_complete(&kit, kit_lease(&kit, ticket, "ann", KIT_HOUR), "ann");
    check_words(&kit, 0, 2, 0);
    /* Let go too late. */
    reply = complete_after_a_word(&kit, 3, &ticket);
    assert_int_equal(kit_wait(&kit, KIT_DAY), 1);
    check_words(&kit, 1, 2, 1);
    assert_int_equal(decide(&kit, reply, true, "bob").out.err, AW_OK);
    check_words(&kit, 0, 2, 1);
    (void)complete_after_a_word(&kit, 4, &ticket);
    check_words(&kit, 1, 2, 1);
    kit_check_digest(&kit);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_out_when_approved),
        cmocka_unit_test(test_who_needs_it),
        cmocka_unit_test(test_refused_it_is_open_again),
        cmocka_unit_test(test_refused_for_others),
        cmocka_unit_test(test_closed_otherwise_since),
        cmocka_unit_test(test_outlives_its_ticket),
        cmocka_unit_test(test_finds_the_oldest),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_a_word_waits_for_the_colleague),
        cmocka_unit_test(test_a_word_outlasts_a_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
