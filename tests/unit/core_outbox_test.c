/* core_outbox_test.c - proves the rules of core/outbox.h: each reply goes out in its turn, at its account's pace, once as far as
 * anybody can tell; it fails, comes back, dies and is redriven; the table is bounded and no complete is refused for it.
 *
 * How: lives of single replies, step by step; then a long random run against a plain list of replies, in which every choice is
 * looked up by going through all of them, and at the end of which a state loaded from a checkpoint goes on exactly alike.
 */
#include "core_kit.h"

#define SECOND UINT64_C(1000)

static const struct aw_account_name both[] = {{{"twitter", 7}, {"main", 4}}, {{"mail", 4}, {"care", 4}}};

/* Few replies, and room for all the tickets that they are about. */
static struct aw_state_limits
make_limits(void)
{
    struct aw_state_limits limits = kit_limits();

    limits.tickets_max = 5000;
    limits.identities_max = 5000;
    limits.ids_max = 5000;
    limits.replies_max = 40;
    return limits;
}

static void
open_kit(struct kit *kit)
{
    struct aw_state_limits limits = make_limits();

    kit_open_with(kit, &limits);
}

/* --- in one line ------------------------------------------------------------------------------------------------------------ */

static struct aw_out_message
post(struct kit *kit, uint64_t id, enum aw_class class_)
{
    return kit_post(kit, (struct kit_post){.id = id, .who = {id}, .class_ = class_});
}

static struct aw_command
make_reply(enum aw_command_kind kind, struct aw_lease_id lease, const struct aw_out_message *to, uint64_t op)
{
    return (struct aw_command){.kind = kind,
                               .in.fenced = {.lease = lease,
                                             .agent = AW_SLICE("ann"),
                                             .op_hash = op,
                                             .reply = {.is_there = true,
                                                       .to = {.seq = to->record_seq, .shard = KIT_SHARD},
                                                       .to_ticket = to->ticket,
                                                       .channel = both[0].channel,
                                                       .account = both[0].account}}};
}

static struct aw_command
try_reply(struct kit *kit, enum aw_command_kind kind, struct aw_lease_id lease, const struct aw_out_message *to, uint64_t op)
{
    struct aw_command command = make_reply(kind, lease, to, op);

    (void)kit_apply(kit, &command);
    return command;
}

/* A ticket of its own, answered; its id is the reply's. */
static uint64_t
answer(struct kit *kit, uint64_t id, enum aw_class class_)
{
    struct aw_out_message message = post(kit, id, class_);
    struct aw_lease_id    lease = kit_lease(kit, message.ticket, "ann", KIT_HOUR);
    struct aw_command     command = try_reply(kit, AW_COMMAND_COMPLETE, lease, &message, id);

    assert_int_equal(command.out.err, AW_OK);
    assert_int_equal(command.out.u.lease.reply_seq, command.out.seq);
    assert_int_equal(command.out.u.lease.reply_state, AW_REPLY_WAITING);
    return command.out.seq;
}

struct given {
    struct aw_out_reply replies[AW_REPLIES_PER_LEASE_MAX];
    uint32_t            count;
};

static struct given
take(struct kit *kit, uint32_t max)
{
    struct given      given;
    struct aw_command command = {.kind = AW_COMMAND_REPLY_LEASE,
                                 .in.reply_lease = {.accounts = both,
                                                    .account_count = 2,
                                                    .max = max,
                                                    .lease_ms = KIT_MINUTE,
                                                    .gateway = AW_SLICE("gate"),
                                                    .replies = given.replies}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
    given.count = command.out.u.reply_lease.count;
    assert_int_equal(command.out.changed, given.count > 0);
    return given;
}

static struct aw_out_reply
take_one(struct kit *kit)
{
    struct given given = take(kit, 1);

    assert_int_equal(given.count, 1);
    assert_int_equal(given.replies[0].state, AW_REPLY_LEASED);
    return given.replies[0];
}

static struct aw_command
report(struct kit *kit, uint64_t reply, uint64_t fence, enum aw_reply_state state, const char *code)
{
    struct aw_command command = {
        .kind = AW_COMMAND_REPLY_STATUS,
        .in.reply_status = {
            .reply = {.seq = reply, .shard = KIT_SHARD}, .fence = fence, .state = state, .code = aw_slice_str(code)}};

    (void)kit_apply(kit, &command);
    return command;
}

/* As a provider's webhook: it names its own id of the reply, and no lease. */
static struct aw_command
tell(struct kit *kit, uint64_t reply, uint64_t provider, enum aw_reply_state state)
{
    struct aw_command command = {
        .kind = AW_COMMAND_REPLY_STATUS,
        .in.reply_status = {.reply = {.seq = reply, .shard = KIT_SHARD}, .provider = kit_hash(provider), .state = state}};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_reply_view
view_of(const struct kit *kit, uint64_t reply)
{
    struct aw_reply_view view;

    assert_int_equal(aw_state_reply(kit->state, reply, &view), AW_OK);
    return view;
}

static struct aw_command
redrive(struct kit *kit, struct aw_in_redrive in)
{
    struct aw_command command = {.kind = AW_COMMAND_REDRIVE, .in.redrive = in};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_command
set_pace(struct kit *kit, const struct aw_pace *paces, uint32_t count)
{
    struct aw_command command = {.kind = AW_COMMAND_CHANNEL,
                                 .in.channel = {.name = both[0].channel, .paces = paces, .pace_count = count}};

    (void)kit_apply(kit, &command);
    return command;
}

/* --- lives ------------------------------------------------------------------------------------------------------------------ */

static void
test_sent_delivered_read(void **unused)
{
    struct kit          kit;
    struct aw_out_reply given;
    uint64_t            reply;

    (void)unused;
    open_kit(&kit);
    reply = answer(&kit, 1, AW_CLASS_GENERAL);
    assert_int_equal(aw_state_replies_ready_at(kit.state, both, 2, kit.now), kit.now);
    given = take_one(&kit);
    assert_int_equal(given.reply.seq, reply);
    assert_int_equal(given.attempt, 1);
    assert_false(given.is_uncertain);
    assert_int_equal(aw_state_replies_ready_at(kit.state, both, 2, kit.now), 0);
    assert_true(aw_state_reply_is_open(kit.state, reply));
    assert_true(report(&kit, reply, given.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_true(aw_state_reply_is_open(kit.state, reply)); /* it may fail, and its text is needed again */
    /* The same again says nothing new; nor does what came before. */
    assert_false(report(&kit, reply, given.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_true(report(&kit, reply, 0, AW_REPLY_READ, NULL).out.changed);
    assert_false(aw_state_reply_is_open(kit.state, reply));
    assert_false(report(&kit, reply, 0, AW_REPLY_DELIVERED, NULL).out.changed);
    assert_false(report(&kit, reply, 0, AW_REPLY_FAILED, "500").out.changed);
    assert_int_equal(view_of(&kit, reply).state, AW_REPLY_READ);
    assert_int_equal(report(&kit, 999, 0, AW_REPLY_SENT, NULL).out.err, AW_E_NOT_FOUND);
    assert_int_equal(report(&kit, reply, 0, AW_REPLY_WAITING, NULL).out.err, AW_E_BAD_VALUE);
    assert_int_equal(kit_wait(&kit, KIT_DAY), 0);
    kit_close(&kit);
}

static void
test_a_reply_is_written_once(void **unused)
{
    struct kit            kit;
    struct aw_out_message message;
    struct aw_lease_id    lease;
    struct aw_command     first, again;

    (void)unused;
    open_kit(&kit);
    message = post(&kit, 1, AW_CLASS_GENERAL);
    lease = kit_lease(&kit, message.ticket, "ann", KIT_MINUTE);
    first = try_reply(&kit, AW_COMMAND_REPLY, lease, &message, 7);
    assert_true(first.out.changed);
    assert_int_equal(kit_view(&kit, message.ticket).state, AW_TICKET_LEASED);
    again = try_reply(&kit, AW_COMMAND_REPLY, lease, &message, 7);
    assert_int_equal(again.out.err, AW_OK);
    assert_false(again.out.changed);
    assert_int_equal(again.out.u.lease.reply_seq, first.out.seq);
    assert_true(try_reply(&kit, AW_COMMAND_REPLY, lease, &message, 8).out.changed);
    assert_true(try_reply(&kit, AW_COMMAND_COMPLETE, lease, &message, 9).out.changed);
    /* Also when the lease is over by now. */
    again = try_reply(&kit, AW_COMMAND_REPLY, lease, &message, 7);
    assert_int_equal(again.out.err, AW_OK);
    assert_int_equal(again.out.u.lease.reply_seq, first.out.seq);
    again = try_reply(&kit, AW_COMMAND_COMPLETE, lease, &message, 9);
    assert_int_equal(again.out.err, AW_OK);
    assert_int_not_equal(again.out.u.lease.reply_seq, 0);
    assert_int_equal(try_reply(&kit, AW_COMMAND_REPLY, lease, &message, 10).out.err, AW_E_LEASE_LOST);
    assert_int_equal(take(&kit, 100).count, 3);
    kit_close(&kit);
}

static void
test_what_a_reply_may_answer(void **unused)
{
    struct kit            kit;
    struct aw_out_message mine, other;
    struct aw_lease_id    lease;
    struct aw_command     command;
    struct aw_in_body     body;

    (void)unused;
    open_kit(&kit);
    mine = post(&kit, 1, AW_CLASS_GENERAL);
    other = post(&kit, 2, AW_CLASS_GENERAL);
    lease = kit_lease(&kit, mine.ticket, "ann", KIT_MINUTE);
    assert_int_equal(try_reply(&kit, AW_COMMAND_REPLY, lease, &other, 1).out.err, AW_E_BAD_VALUE);
    assert_int_equal(try_reply(&kit, AW_COMMAND_COMPLETE, lease, &other, 1).out.err, AW_E_BAD_VALUE);
    command = make_reply(AW_COMMAND_COMPLETE, lease, &mine, 2);
    command.in.fenced.reply.refusal = AW_E_KEY_REUSED;
    assert_int_equal(kit_apply(&kit, &command), AW_E_KEY_REUSED);
    assert_int_equal(kit_view(&kit, mine.ticket).state, AW_TICKET_LEASED);
    /* New messages go before: nothing is written, the holder reads them first. */
    (void)kit_post(&kit, (struct kit_post){.id = 3, .who = {1}, .class_ = AW_CLASS_GENERAL});
    command = try_reply(&kit, AW_COMMAND_COMPLETE, lease, &mine, 2);
    assert_int_equal(command.out.err, AW_E_NEW_MESSAGES);
    assert_false(aw_command_body(&command, &body));
    assert_int_equal(take(&kit, 100).count, 0);
    assert_int_equal(try_reply(&kit, AW_COMMAND_COMPLETE, lease, &mine, 2).out.err, AW_OK);
    kit_close(&kit);
}

static void
test_failed_tried_again_and_dead(void **unused)
{
    static const uint64_t delays[] = {5, 10, 20, 40, 80, 160, 320};
    struct kit            kit;
    struct aw_out_reply   given;
    struct aw_command     command;
    uint64_t              reply;

    (void)unused;
    open_kit(&kit);
    reply = answer(&kit, 1, AW_CLASS_GENERAL);
    for (unsigned i = 0; i < AW_ARRAY_LEN(delays); i++) {
        given = take_one(&kit);
        assert_int_equal(given.attempt, i + 1);
        command = report(&kit, reply, given.fence, AW_REPLY_FAILED, "429");
        assert_int_equal(command.out.u.reply.state, AW_REPLY_FAILED);
        assert_int_equal(command.out.u.reply.due_at, kit.now + delays[i] * SECOND);
        command = report(&kit, reply, given.fence, AW_REPLY_FAILED, "429");
        assert_int_equal(command.out.err, AW_OK);
        assert_false(command.out.changed);
        assert_int_equal(kit_wait(&kit, delays[i] * SECOND - 1), 0);
        assert_int_equal(take(&kit, 1).count, 0);
        assert_int_equal(kit_wait(&kit, 1), 1);
        /* Of an attempt that is over it can't fail any more. */
        assert_int_equal(report(&kit, reply, given.fence + 1, AW_REPLY_FAILED, "429").out.err, AW_E_LEASE_LOST);
    }
    given = take_one(&kit);
    assert_int_equal(report(&kit, reply, given.fence, AW_REPLY_FAILED, "429").out.u.reply.state, AW_REPLY_DEAD);
    assert_int_equal(view_of(&kit, reply).code_len, 3);
    assert_memory_equal(view_of(&kit, reply).code, "429", 3);
    assert_int_equal(kit_wait(&kit, KIT_DAY), 0);
    assert_int_equal(
        redrive(&kit, (struct aw_in_redrive){.max = 10, .code = AW_SLICE("429"), .dry_run = true}).out.u.redrive.count, 1);
    assert_int_equal(redrive(&kit, (struct aw_in_redrive){.max = 10, .code = AW_SLICE("500")}).out.u.redrive.count, 0);
    assert_int_equal(redrive(&kit, (struct aw_in_redrive){.max = 10, .channel = AW_SLICE("mail")}).out.u.redrive.count, 0);
    assert_int_equal(redrive(&kit, (struct aw_in_redrive){.max = 10, .since = kit.now}).out.u.redrive.count, 0);
    assert_int_equal(view_of(&kit, reply).state, AW_REPLY_DEAD);
    assert_int_equal(redrive(&kit, (struct aw_in_redrive){.max = 10, .channel = both[0].channel}).out.u.redrive.count, 1);
    given = take_one(&kit);
    assert_int_equal(given.attempt, 1);
    kit_close(&kit);
}

static void
test_what_providers_say(void **unused)
{
    struct kit          kit;
    struct aw_out_reply given;
    struct aw_command   command;
    uint64_t            reply;

    (void)unused;
    open_kit(&kit);
    reply = answer(&kit, 1, AW_CLASS_GENERAL);
    given = take_one(&kit);
    command = (struct aw_command){.kind = AW_COMMAND_REPLY_STATUS,
                                  .in.reply_status = {.reply = {.seq = reply, .shard = KIT_SHARD},
                                                      .fence = given.fence,
                                                      .state = AW_REPLY_FAILED,
                                                      .is_uncertain = true,
                                                      .retry_after_ms = KIT_HOUR}};
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(command.out.u.reply.due_at, kit.now + KIT_HOUR);
    assert_int_equal(kit_wait(&kit, KIT_HOUR), 1);
    given = take_one(&kit);
    assert_true(given.is_uncertain);
    /* It was sent after all, as the provider says later: no lease is asked for, and who sends it now is told. */
    assert_true(report(&kit, reply, 0, AW_REPLY_DELIVERED, NULL).out.changed);
    assert_false(report(&kit, reply, given.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_int_equal(kit_wait(&kit, KIT_DAY), 0);
    /* One that was taken, but could not be delivered. */
    reply = answer(&kit, 2, AW_CLASS_GENERAL);
    given = take_one(&kit);
    assert_true(report(&kit, reply, given.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_int_equal(report(&kit, reply, 0, AW_REPLY_FAILED, "unreachable").out.u.reply.state, AW_REPLY_FAILED);
    assert_int_equal(kit_wait(&kit, KIT_HOUR), 1);
    given = take_one(&kit);
    command.in.reply_status.reply.seq = reply;
    command.in.reply_status.fence = given.fence;
    command.in.reply_status.is_permanent = true;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(command.out.u.reply.state, AW_REPLY_DEAD);
    kit_close(&kit);
}

/* A webhook comes at least once: what it says again makes no third sending. */
static void
test_a_failure_told_twice(void **unused)
{
    struct kit          kit;
    struct aw_out_reply given;
    uint64_t            reply;

    (void)unused;
    open_kit(&kit);
    reply = answer(&kit, 1, AW_CLASS_GENERAL);
    assert_int_equal(report(&kit, reply, 0, AW_REPLY_FAILED, "500").out.err, AW_E_LEASE_LOST); /* nobody sent it */
    given = take_one(&kit);
    assert_true(report(&kit, reply, given.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_true(tell(&kit, reply, 1, AW_REPLY_SENT).out.changed);
    assert_int_equal(tell(&kit, reply, 1, AW_REPLY_FAILED).out.u.reply.state, AW_REPLY_FAILED);
    for (unsigned i = 0; i < 3; i++) { /* FAILED, WAITING, LEASED */
        struct aw_command again = tell(&kit, reply, 1, AW_REPLY_FAILED);

        assert_int_equal(again.out.err, AW_OK);
        assert_false(again.out.changed);
        if (i == 0)
            assert_int_equal(kit_wait(&kit, KIT_MINUTE), 1);
        else if (i == 1)
            given = take_one(&kit);
    }
    assert_true(report(&kit, reply, given.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_true(tell(&kit, reply, 2, AW_REPLY_SENT).out.changed);
    assert_int_equal(tell(&kit, reply, 1, AW_REPLY_FAILED).out.err, AW_OK);
    assert_int_equal(view_of(&kit, reply).state, AW_REPLY_SENT);
    assert_int_equal(tell(&kit, reply, 2, AW_REPLY_FAILED).out.u.reply.state, AW_REPLY_FAILED);
    kit_close(&kit);
}

static void
test_a_gateway_that_is_gone(void **unused)
{
    struct kit          kit;
    struct aw_out_reply given;
    uint64_t            reply;

    (void)unused;
    open_kit(&kit);
    reply = answer(&kit, 1, AW_CLASS_GENERAL);
    for (unsigned i = 0; i < 8; i++) {
        given = take_one(&kit);
        assert_int_equal(given.is_uncertain, i > 0);
        assert_int_equal(kit_wait(&kit, KIT_MINUTE - 1), 0);
        assert_int_equal(kit_wait(&kit, 1), 1);
        assert_int_equal(report(&kit, reply, given.fence, AW_REPLY_FAILED, "500").out.err, AW_E_LEASE_LOST);
    }
    assert_int_equal(view_of(&kit, reply).state, AW_REPLY_DEAD);
    assert_memory_equal(view_of(&kit, reply).code, "lease-expired", 13);
    kit_close(&kit);
}

/* Whose lease ran out says nothing of what another one sent since; who sent it may. */
static void
test_failed_counts_from_who_sent_it(void **unused)
{
    struct kit          kit;
    struct aw_out_reply first, second;
    uint64_t            reply;

    (void)unused;
    open_kit(&kit);
    reply = answer(&kit, 1, AW_CLASS_GENERAL);
    first = take_one(&kit);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE), 1);
    second = take_one(&kit);
    assert_true(report(&kit, reply, second.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_int_equal(report(&kit, reply, first.fence, AW_REPLY_FAILED, "500").out.err, AW_E_LEASE_LOST);
    assert_int_equal(view_of(&kit, reply).state, AW_REPLY_SENT);
    assert_int_equal(report(&kit, reply, second.fence, AW_REPLY_FAILED, "500").out.u.reply.state, AW_REPLY_FAILED);
    /* The other way round: sent under the lease that ran out, while another one tries. */
    reply = answer(&kit, 2, AW_CLASS_GENERAL);
    first = take_one(&kit);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE), 2);
    (void)take(&kit, 1);
    second = take_one(&kit);
    assert_int_equal(second.reply.seq, reply);
    assert_true(report(&kit, reply, first.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_int_equal(report(&kit, reply, second.fence, AW_REPLY_FAILED, "500").out.err, AW_E_LEASE_LOST);
    assert_int_equal(report(&kit, reply, first.fence, AW_REPLY_FAILED, "500").out.u.reply.state, AW_REPLY_FAILED);
    kit_close(&kit);
}

/* A provider's webhook may be here before the gateway's report. */
static void
test_uncertain_until_its_holder_tells(void **unused)
{
    struct kit          kit;
    struct aw_out_reply first, second;
    uint64_t            reply;

    (void)unused;
    open_kit(&kit);
    reply = answer(&kit, 1, AW_CLASS_GENERAL);
    first = take_one(&kit);
    assert_false(report(&kit, reply, 0, AW_REPLY_DELIVERED, NULL).out.u.reply.is_uncertain);
    assert_false(report(&kit, reply, first.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_false(view_of(&kit, reply).is_uncertain);
    /* What is only sent may come back. */
    reply = answer(&kit, 2, AW_CLASS_GENERAL);
    first = take_one(&kit);
    assert_true(tell(&kit, reply, 1, AW_REPLY_SENT).out.u.reply.is_uncertain);
    assert_true(tell(&kit, reply, 2, AW_REPLY_SENT).out.u.reply.is_uncertain);
    assert_false(report(&kit, reply, first.fence, AW_REPLY_SENT, NULL).out.u.reply.is_uncertain);
    assert_false(report(&kit, reply, first.fence, AW_REPLY_SENT, NULL).out.changed);
    /* Told sent under a lease that is over, which says nothing of the one that runs. */
    reply = answer(&kit, 3, AW_CLASS_GENERAL);
    first = take_one(&kit);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE), 1);
    second = take_one(&kit);
    assert_true(report(&kit, reply, first.fence, AW_REPLY_SENT, NULL).out.u.reply.is_uncertain);
    assert_false(report(&kit, reply, first.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_true(view_of(&kit, reply).is_uncertain);
    assert_true(report(&kit, reply, second.fence, AW_REPLY_SENT, NULL).out.changed);
    assert_false(view_of(&kit, reply).is_uncertain);
    assert_false(report(&kit, reply, second.fence, AW_REPLY_SENT, NULL).out.changed);
    kit_close(&kit);
}

static void
test_urgent_first_and_age_kept(void **unused)
{
    struct kit            kit;
    struct aw_out_message message;
    struct aw_lease_id    lease;
    struct aw_command     command;
    uint64_t              replies[5];
    struct given          given;

    (void)unused;
    open_kit(&kit);
    message = post(&kit, 1, AW_CLASS_GENERAL);
    lease = kit_lease(&kit, message.ticket, "ann", KIT_HOUR);
    command = make_reply(AW_COMMAND_REPLY, lease, &message, 1);
    command.in.fenced.reply.is_bulk = true;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    replies[4] = command.out.seq;
    replies[2] = answer(&kit, 2, AW_CLASS_OTHER);
    replies[3] = answer(&kit, 3, AW_CLASS_DISRUPTED);
    replies[0] = answer(&kit, 4, AW_CLASS_CARE);
    command = make_reply(AW_COMMAND_REPLY, lease, &message, 2);
    command.in.fenced.reply.channel = both[1].channel;
    command.in.fenced.reply.account = both[1].account;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    given = take(&kit, 1);
    assert_int_equal(given.replies[0].reply.seq, replies[0]);
    assert_int_equal(take_one(&kit).reply.seq, replies[2]);
    /* What comes back has the place of its age. */
    assert_int_equal(report(&kit, replies[2], given.replies[0].fence, AW_REPLY_FAILED, "429").out.err, AW_E_LEASE_LOST);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE), 2);
    given = take(&kit, 100);
    assert_int_equal(given.count, 5);
    assert_int_equal(given.replies[0].reply.seq, replies[0]);
    assert_int_equal(given.replies[1].reply.seq, replies[2]);
    assert_int_equal(given.replies[2].reply.seq, replies[3]);
    assert_int_equal(given.replies[3].reply.seq, command.out.seq);
    assert_int_equal(given.replies[3].account, 1);
    assert_int_equal(given.replies[4].reply.seq, replies[4]);
    kit_close(&kit);
}

/* --- pace ------------------------------------------------------------------------------------------------------------------- */

/* Asked at random moments, an account never gives more than its pace in any stretch of its slice, and loses nothing of it for
 * long: over many slices it gives at least eight ninths. */
static void
test_pace_in_any_stretch(void **unused)
{
    enum { PACE = 5, SLICE_S = 30, ROUNDS = 400 };
    const struct aw_pace paces[] = {{both[0].account, PACE, SLICE_S}};
    struct kit           kit;
    aw_ms                times[ROUNDS * PACE] = {0}, began;
    uint32_t             count = 0;
    uint64_t             id = 1;

    (void)unused;
    open_kit(&kit);
    assert_int_equal(set_pace(&kit, paces, 1).out.u.channel.version, 1);
    assert_false(set_pace(&kit, paces, 1).out.changed);
    began = kit.now;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct aw_state_counts counts;
        struct given           given;
        aw_ms                  ready;

        for (aw_state_counts(kit.state, &counts); counts.replies[AW_REPLY_WAITING] < 8; counts.replies[AW_REPLY_WAITING]++)
            (void)answer(&kit, id++, AW_CLASS_GENERAL);
        ready = aw_state_replies_ready_at(kit.state, both, 2, kit.now);
        given = take(&kit, 1 + i % 7);
        assert_int_equal(given.count > 0, ready == kit.now);
        for (uint32_t j = 0; j < given.count; j++) {
            times[count++] = kit.now;
            assert_true(report(&kit, given.replies[j].reply.seq, given.replies[j].fence, AW_REPLY_SENT, NULL).out.changed);
        }
        (void)kit_wait(&kit, ready > kit.now ? ready - kit.now : (i * 7919 + 13) % 3000);
    }
    for (uint32_t i = PACE; i < count; i++)
        assert_true(times[i] - times[i - PACE] >= SLICE_S * SECOND);
    assert_true(count * SLICE_S * SECOND * 10 >= (kit.now - began) * PACE * 6);
    assert_int_equal(set_pace(&kit, NULL, 0).out.u.channel.version, 2);
    kit_close(&kit);
}

static void
test_channels_are_set(void **unused)
{
    const struct aw_pace   twice[] = {{AW_SLICE("a"), 1, 1}, {AW_SLICE("a"), 2, 1}};
    const struct aw_pace   none[] = {{AW_SLICE("a"), 0, 1}};
    const struct aw_pace   two[] = {{AW_SLICE("a"), 3, 60}, {AW_SLICE("b"), 2, 1}};
    struct aw_channel_view view;
    struct aw_command      command;
    struct kit             kit;

    (void)unused;
    open_kit(&kit);
    assert_int_equal(aw_state_channel(kit.state, both[0].channel, &view), AW_E_NOT_FOUND);
    assert_int_equal(set_pace(&kit, twice, 2).out.err, AW_E_BAD_VALUE);
    assert_int_equal(set_pace(&kit, none, 1).out.err, AW_E_BAD_VALUE);
    command = (struct aw_command){.kind = AW_COMMAND_CHANNEL,
                                  .in.channel = {.name = both[0].channel, .paces = two, .pace_count = 2, .dry_run = true}};
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(aw_state_channel(kit.state, both[0].channel, &view), AW_E_NOT_FOUND);
    command.in.channel.dry_run = false;
    command.in.channel.if_match.version = 4;
    assert_int_equal(kit_apply(&kit, &command), AW_E_PRECONDITION);
    command.in.channel.if_match.version = 0;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(aw_state_channel(kit.state, both[0].channel, &view), AW_OK);
    assert_int_equal(view.pace_count, 2);
    assert_int_equal(view.paces[0].replies, 3);
    assert_int_equal(view.paces[1].slice_s, 1);
    kit_close(&kit);
}

/* --- the customer answers --------------------------------------------------------------------------------------------------- */

static struct aw_out_message
say_in_reply(struct kit *kit, uint64_t id, uint64_t who, enum aw_visibility visibility, uint64_t provider)
{
    struct kit_room   room;
    struct aw_command command = kit_message(&(struct kit_post){.id = id, .who = {who}, .class_ = AW_CLASS_GENERAL}, &room);

    command.in.message.visibility = (uint8_t)visibility;
    command.in.message.in_reply_to = kit_hash(provider);
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.u.message;
}

static void
test_in_reply_to(void **unused)
{
    struct kit            kit;
    struct aw_out_message message;
    struct aw_out_reply   given;
    struct aw_command     command;
    uint64_t              reply;

    (void)unused;
    open_kit(&kit);
    reply = answer(&kit, 1, AW_CLASS_GENERAL);
    given = take_one(&kit);
    command = report(&kit, reply, given.fence, AW_REPLY_SENT, NULL);
    command.in.reply_status.provider = kit_hash(77);
    command.in.reply_status.fence = 0;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.changed);
    /* Somebody else by all that is known of him; but he answers what was sent to one alone. In public anybody can. */
    assert_int_not_equal(say_in_reply(&kit, 2, 99, AW_VISIBILITY_PUBLIC, 77).ticket.seq, given.ticket.seq);
    message = say_in_reply(&kit, 3, 98, AW_VISIBILITY_PRIVATE, 77);
    assert_true(message.reopened);
    assert_int_equal(message.ticket.seq, given.ticket.seq);
    message = say_in_reply(&kit, 4, 97, AW_VISIBILITY_PRIVATE, 77);
    assert_true(message.folded);
    assert_int_equal(message.ticket.seq, given.ticket.seq);
    assert_int_not_equal(say_in_reply(&kit, 5, 96, AW_VISIBILITY_PUBLIC, 77).ticket.seq, given.ticket.seq);
    assert_int_equal(say_in_reply(&kit, 6, 97, AW_VISIBILITY_PUBLIC, 77).ticket.seq, given.ticket.seq);
    assert_false(say_in_reply(&kit, 7, 95, AW_VISIBILITY_PRIVATE, 78).folded);
    /* Closed for too long: a ticket of its own. */
    kit_complete(&kit, kit_lease(&kit, message.ticket, "ann", KIT_HOUR), "ann");
    (void)kit_wait(&kit, KIT_DAY);
    assert_int_not_equal(say_in_reply(&kit, 8, 94, AW_VISIBILITY_PRIVATE, 77).ticket.seq, given.ticket.seq);
    kit_close(&kit);
}

/* A gateway that tells one id for all: it is that of the newest reply, and reports about others name nothing. */
static void
test_one_id_for_all(void **unused)
{
    struct kit          kit;
    struct aw_out_reply given[3];

    (void)unused;
    open_kit(&kit);
    for (unsigned i = 0; i < 3; i++)
        (void)answer(&kit, i + 1, AW_CLASS_GENERAL);
    for (unsigned i = 0; i < 3; i++)
        given[i] = take_one(&kit);
    assert_true(tell(&kit, given[0].reply.seq, 5, AW_REPLY_SENT).out.changed);
    assert_true(tell(&kit, given[2].reply.seq, 5, AW_REPLY_SENT).out.changed);
    assert_true(tell(&kit, given[1].reply.seq, 5, AW_REPLY_SENT).out.changed);
    for (unsigned i = 0; i < 3; i++)
        assert_false(tell(&kit, given[i].reply.seq, 5, AW_REPLY_SENT).out.changed);
    assert_int_equal(say_in_reply(&kit, 10, 99, AW_VISIBILITY_PRIVATE, 5).ticket.seq, given[2].ticket.seq);
    assert_false(tell(&kit, given[0].reply.seq, 5, AW_REPLY_FAILED).out.changed);
    assert_false(tell(&kit, given[1].reply.seq, 5, AW_REPLY_FAILED).out.changed);
    assert_true(tell(&kit, given[2].reply.seq, 5, AW_REPLY_FAILED).out.changed);
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest_slow(kit.state)));
    kit_close(&kit);
}

/* --- a full table ----------------------------------------------------------------------------------------------------------- */

static void
test_full_table(void **unused)
{
    struct kit            kit;
    struct aw_out_message messages[4];
    struct aw_lease_id    leases[4];
    struct aw_out_reply   given;
    uint64_t              first;
    uint64_t              id = 10;

    (void)unused;
    open_kit(&kit);
    first = answer(&kit, 1, AW_CLASS_GENERAL);
    given = take_one(&kit);
    assert_true(report(&kit, first, given.fence, AW_REPLY_SENT, NULL).out.changed);
    for (unsigned i = 0; i < 4; i++) {
        messages[i] = post(&kit, id++, AW_CLASS_GENERAL);
        leases[i] = kit_lease(&kit, messages[i].ticket, "ann", KIT_HOUR);
    }
    /* Up to as many as keep a row for every lease; what was sent makes room. */
    while (try_reply(&kit, AW_COMMAND_REPLY, leases[0], &messages[0], id).out.err == AW_OK)
        id++;
    assert_int_equal(try_reply(&kit, AW_COMMAND_REPLY, leases[0], &messages[0], id).out.err, AW_E_TABLE_FULL);
    messages[3] = post(&kit, id++, AW_CLASS_GENERAL);
    assert_int_equal(kit_try_lease(&kit, messages[3].ticket.slot, kit_view(&kit, messages[3].ticket).version, "ann", 1).out.err,
                     AW_E_TABLE_FULL);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(try_reply(&kit, AW_COMMAND_COMPLETE, leases[i], &messages[i], id++).out.err, AW_OK);
    {
        struct aw_reply_view view;

        assert_int_equal(aw_state_reply(kit.state, first, &view), AW_OK); /* one row was left for the fourth lease */
    }
    given = take_one(&kit);
    assert_int_equal(aw_state_replies_of(kit.state, given.ticket.seq, (struct aw_reply_view[3]){{.state = 0}}, 3), 3);
    /* Sent ones are forgotten after their window, one after the other, as new ones come. */
    for (unsigned i = 0; i < 20; i++) {
        struct given some = take(&kit, 100);

        for (uint32_t j = 0; j < some.count; j++)
            assert_true(report(&kit, some.replies[j].reply.seq, some.replies[j].fence, AW_REPLY_SENT, NULL).out.changed);
        (void)kit_wait(&kit, KIT_DAY);
        (void)answer(&kit, id++, AW_CLASS_GENERAL);
    }
    assert_int_equal(aw_state_reply(kit.state, first, &(struct aw_reply_view){.state = 0}), AW_E_NOT_FOUND);
    kit_close(&kit);
}

/* Its holder may ask again: what was written under a lease that runs goes last. */
static void
test_full_table_keeps_what_may_be_repeated(void **unused)
{
    struct kit            kit;
    struct aw_out_message message;
    struct aw_lease_id    lease;
    struct aw_command     first, again;
    struct aw_out_reply   given;

    (void)unused;
    open_kit(&kit);
    message = post(&kit, 1, AW_CLASS_GENERAL);
    lease = kit_lease(&kit, message.ticket, "ann", KIT_HOUR);
    first = try_reply(&kit, AW_COMMAND_REPLY, lease, &message, 7);
    given = take_one(&kit);
    assert_true(report(&kit, given.reply.seq, given.fence, AW_REPLY_SENT, NULL).out.changed);
    for (uint64_t id = 100; id < 160; id++) {
        (void)answer(&kit, id, AW_CLASS_GENERAL);
        given = take_one(&kit);
        assert_true(report(&kit, given.reply.seq, given.fence, AW_REPLY_SENT, NULL).out.changed);
    }
    again = try_reply(&kit, AW_COMMAND_REPLY, lease, &message, 7);
    assert_false(again.out.changed);
    assert_int_equal(again.out.u.lease.reply_seq, first.out.seq);
    kit_complete(&kit, lease, "ann");
    for (uint64_t id = 200; id < 240; id++) {
        (void)answer(&kit, id, AW_CLASS_GENERAL);
        given = take_one(&kit);
        assert_true(report(&kit, given.reply.seq, given.fence, AW_REPLY_SENT, NULL).out.changed);
    }
    assert_int_equal(aw_state_reply(kit.state, first.out.seq, &(struct aw_reply_view){.state = 0}), AW_E_NOT_FOUND);
    kit_close(&kit);
}

/* --- against a plain list ----------------------------------------------------------------------------------------------------- */

#define MODEL_REPLIES 4000U

struct model_reply {
    uint64_t            seq;
    uint64_t            fence;
    enum aw_reply_state state;
    unsigned            rank;
    unsigned            account;
};
struct model {
    struct model_reply replies[MODEL_REPLIES];
    uint32_t           count;
};

static uint64_t
draw(uint64_t *rng, uint64_t end)
{
    uint64_t z = (*rng += UINT64_C(0x9e3779b97f4a7c15)); /* SplitMix64 (Steele, Lea, Flood 2014) */

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % end;
}

static struct model_reply *
next_of(struct model *model)
{
    struct model_reply *best = NULL;

    for (uint32_t i = 0; i < model->count; i++) {
        struct model_reply *reply = &model->replies[i];

        if (reply->state == AW_REPLY_WAITING &&
            (best == NULL || reply->rank < best->rank || (reply->rank == best->rank && reply->seq < best->seq)))
            best = reply;
    }
    return best;
}

/* The states that time or a report gave: asked for. Forgotten ones were over. */
static void
follow(struct model *model, const struct kit *kit)
{
    for (uint32_t i = 0; i < model->count; i++) {
        struct aw_reply_view view;

        if (aw_state_reply(kit->state, model->replies[i].seq, &view) == AW_OK)
            model->replies[i].state = view.state;
        else
            assert_true(model->replies[i].state >= AW_REPLY_DEAD);
    }
}

static void
write_one(struct model *model, struct kit *kit, uint64_t *rng, uint64_t id)
{
    enum aw_class         class_ = (enum aw_class)(draw(rng, 3) == 0 ? AW_CLASS_CARE : AW_CLASS_GENERAL);
    struct aw_out_message message = post(kit, id, class_);
    struct aw_command     command;
    unsigned              account = (unsigned)draw(rng, 2);

    command = make_reply(AW_COMMAND_COMPLETE, kit_lease(kit, message.ticket, "ann", KIT_HOUR), &message, id);
    command.in.fenced.reply.channel = both[account].channel;
    command.in.fenced.reply.account = both[account].account;
    command.in.fenced.reply.is_bulk = draw(rng, 4) == 0;
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    assert_true(model->count < MODEL_REPLIES);
    model->replies[model->count++] = (struct model_reply){.seq = command.out.seq,
                                                          .state = AW_REPLY_WAITING,
                                                          .account = account,
                                                          .rank = command.in.fenced.reply.is_bulk ? 3U
                                                                  : class_ == AW_CLASS_CARE       ? 0U
                                                                                                  : 2U};
}

static void
take_some(struct model *model, struct kit *kit, uint32_t max)
{
    struct given given = take(kit, max);

    for (uint32_t i = 0; i < given.count; i++) {
        struct model_reply *reply = next_of(model);

        assert_non_null(reply);
        assert_int_equal(given.replies[i].reply.seq, reply->seq);
        assert_int_equal(given.replies[i].account, reply->account);
        reply->state = AW_REPLY_LEASED;
        reply->fence = given.replies[i].fence;
    }
    if (given.count < max)
        assert_null(next_of(model));
}

static void
report_one(struct model *model, struct kit *kit, uint64_t *rng)
{
    static const enum aw_reply_state states[] = {AW_REPLY_SENT, AW_REPLY_FAILED, AW_REPLY_FAILED, AW_REPLY_DELIVERED};
    struct model_reply              *reply = model->count == 0 ? NULL : &model->replies[draw(rng, model->count)];

    if (reply != NULL)
        (void)report(kit, reply->seq, reply->fence, states[draw(rng, 4)], "503");
}

/* A second state, from a checkpoint of the first, gives out the same replies. */
static void
go_on_alike(struct kit *kit)
{
    struct aw_state_limits    limits = make_limits();
    struct aw_checkpoint_mark mark;
    struct aw_chunk           chunk;
    struct kit                other = {.now = kit->now};
    struct given              a, b;

    assert_int_equal(aw_state_new(&other.state, &limits, KIT_SHARD, NULL), AW_OK);
    assert_true(aw_state_cut_begin(kit->state, &mark));
    while (aw_state_cut_next(kit->state, &chunk, &mark))
        assert_int_equal(aw_state_load_chunk(other.state, &chunk, NULL), AW_OK);
    aw_state_cut_end(kit->state);
    assert_int_equal(aw_state_load_finish(other.state, &mark, NULL), AW_OK);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(kit_wait(kit, KIT_MINUTE), kit_wait(&other, KIT_MINUTE));
        a = take(kit, 3);
        b = take(&other, 3);
        assert_int_equal(a.count, b.count);
        for (uint32_t j = 0; j < a.count; j++)
            assert_int_equal(a.replies[j].reply.seq, b.replies[j].reply.seq);
        assert_true(aw_hash128_eq(aw_state_digest(kit->state), aw_state_digest(other.state)));
    }
    kit_close(&other);
}

static void
test_random_run(void **unused)
{
    struct model *model = calloc(1, sizeof(*model));
    struct kit    kit;
    uint64_t      rng = 0x0b0c5;

    (void)unused;
    assert_non_null(model);
    open_kit(&kit);
    for (uint64_t id = 1; id <= 3000; id++) {
        struct aw_state_counts counts;

        aw_state_counts(kit.state, &counts);
        switch (draw(&rng, 5)) {
        case 0:
        case 1:
            if (counts.replies[AW_REPLY_WAITING] + counts.replies[AW_REPLY_LEASED] + counts.replies[AW_REPLY_FAILED] < 30)
                write_one(model, &kit, &rng, id);
            break;
        case 2:
            take_some(model, &kit, 1 + (uint32_t)draw(&rng, 4));
            break;
        case 3:
            report_one(model, &kit, &rng);
            break;
        default:
            (void)kit_wait(&kit, draw(&rng, KIT_MINUTE));
            if (draw(&rng, 20) == 0)
                (void)redrive(&kit, (struct aw_in_redrive){.max = 1 + (uint32_t)draw(&rng, 3)});
            break;
        }
        follow(model, &kit);
        if (id % 500 == 0)
            go_on_alike(&kit);
        follow(model, &kit);
    }
    kit_close(&kit);
    free(model);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sent_delivered_read),
        cmocka_unit_test(test_a_reply_is_written_once),
        cmocka_unit_test(test_what_a_reply_may_answer),
        cmocka_unit_test(test_failed_tried_again_and_dead),
        cmocka_unit_test(test_what_providers_say),
        cmocka_unit_test(test_a_failure_told_twice),
        cmocka_unit_test(test_a_gateway_that_is_gone),
        cmocka_unit_test(test_failed_counts_from_who_sent_it),
        cmocka_unit_test(test_uncertain_until_its_holder_tells),
        cmocka_unit_test(test_urgent_first_and_age_kept),
        cmocka_unit_test(test_pace_in_any_stretch),
        cmocka_unit_test(test_channels_are_set),
        cmocka_unit_test(test_in_reply_to),
        cmocka_unit_test(test_one_id_for_all),
        cmocka_unit_test(test_full_table),
        cmocka_unit_test(test_full_table_keeps_what_may_be_repeated),
        cmocka_unit_test(test_random_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
