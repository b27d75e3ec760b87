/* core_contact_test.c - who only talked about us: written to once, until he writes himself; not at all once he opted out, also not
 * by what is on its way; nothing of it forgotten early. And who may be answered elsewhere.
 *
 * How: one life at a time. Beside the state another one, loaded from a checkpoint of it, answers alike.
 */
#include "core/told.h"
#include "core_kit.h"

static const struct aw_account_name account = {{"twitter", 7}, {"main", 4}};

/* Every customer's hash on the channel. */
static struct aw_hash128
contact_of(uint64_t who)
{
    return kit_hash(who + 5000);
}

static struct aw_out_message
post_with(struct kit *kit, uint64_t id, uint64_t who, uint8_t addressed, bool opts_out, struct aw_hash128 in_reply_to)
{
    struct kit_post   post = {.id = id, .who = {who}, .class_ = AW_CLASS_GENERAL, .addressed = addressed};
    struct kit_room   room;
    struct aw_command command = kit_message(&post, &room);

    command.in.message.contact = contact_of(who);
    command.in.message.opts_out = opts_out;
    command.in.message.visibility = addressed == AW_ADDRESSED_TO_US ? AW_VISIBILITY_PRIVATE : AW_VISIBILITY_PUBLIC;
    command.in.message.in_reply_to = in_reply_to;
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.u.message;
}

static struct aw_out_message
post(struct kit *kit, uint64_t id, uint64_t who, uint8_t addressed)
{
    return post_with(kit, id, who, addressed, false, (struct aw_hash128){0});
}

static struct aw_command
answer_as(struct kit *kit, enum aw_command_kind kind, const struct aw_out_message *to, const char *agent)
{
    struct aw_command command = {.kind = kind,
                                 .in.fenced = {.lease = kit_lease(kit, to->ticket, agent, KIT_HOUR),
                                               .agent = aw_slice_str(agent),
                                               .op_hash = to->record_seq,
                                               .reply = {.is_there = true,
                                                         .to = {.seq = to->record_seq, .shard = KIT_SHARD},
                                                         .to_ticket = to->ticket,
                                                         .channel = account.channel,
                                                         .account = account.account}}};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_command
answer(struct kit *kit, const struct aw_out_message *to)
{
    return answer_as(kit, AW_COMMAND_COMPLETE, to, "ann");
}

/* He talks about us, and an agent writes to him: what becomes of that. */
static enum aw_err
write_to(struct kit *kit, uint64_t id, uint64_t who)
{
    struct aw_out_message message = post(kit, id, who, AW_ADDRESSED_ABOUT_US);
    struct aw_command     command = answer(kit, &message);

    if (command.out.err != AW_OK)
        assert_int_equal(kit_fenced(kit, AW_COMMAND_COMPLETE, command.in.fenced.lease, "ann", 1).out.err, AW_OK);
    return command.out.err;
}

static struct aw_command
opt(struct kit *kit, uint64_t who, bool is_in)
{
    struct aw_command command = {
        .kind = AW_COMMAND_OPT_OUT,
        .in.opt_out = {.contact = contact_of(who), .channel = account.channel, .is_in = is_in, .by = AW_SLICE("sam")}};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_contact
contact(const struct kit *kit, uint64_t who)
{
    return aw_state_contact(kit->state, contact_of(who));
}

static enum aw_reply_state
state_of(const struct kit *kit, uint64_t reply, const char *code)
{
    struct aw_reply_view view;

    assert_int_equal(aw_state_reply(kit->state, reply, &view), AW_OK);
    assert_true(aw_slice_eq(aw_slice_of(view.code, view.code_len), aw_slice_str(code)));
    return view.state;
}

static uint32_t
take_reply(struct kit *kit, struct aw_out_reply *ret_reply)
{
    struct aw_command command = {.kind = AW_COMMAND_REPLY_LEASE,
                                 .in.reply_lease = {.accounts = &account,
                                                    .account_count = 1,
                                                    .max = 1,
                                                    .lease_ms = KIT_MINUTE,
                                                    .gateway = AW_SLICE("gate"),
                                                    .replies = ret_reply}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.u.reply_lease.count;
}

/* Goes on in a state that was loaded from a checkpoint. */
static void
reload(struct kit *kit)
{
    struct aw_state_limits    limits = kit_limits();
    struct aw_state          *loaded = NULL;
    struct aw_checkpoint_mark mark;
    struct aw_chunk           chunk;

    assert_int_equal(aw_state_new(&loaded, &limits, KIT_SHARD, NULL), AW_OK);
    assert_true(aw_state_cut_begin(kit->state, &mark));
    while (aw_state_cut_next(kit->state, &chunk, &mark))
        assert_int_equal(aw_state_load_chunk(loaded, &chunk, NULL), AW_OK);
    aw_state_cut_end(kit->state);
    assert_int_equal(aw_state_load_finish(loaded, &mark, NULL), AW_OK);
    aw_state_free(&kit->state);
    kit->state = loaded;
}

/* Once, however often he talks about us, until he writes to us; an answer in a ticket of his own is none of this. */
static void
test_once_until_he_writes(void **unused)
{
    struct kit            kit;
    struct aw_out_message own, second;
    struct aw_command     command;
    struct aw_contact     known;

    (void)unused;
    kit_open(&kit);
    own = post(&kit, 1, 1, AW_ADDRESSED_TO_US);
    assert_int_equal(answer(&kit, &own).out.err, AW_OK);
    assert_false(kit_view(&kit, own.ticket).contact.is_listening);
    second = post(&kit, 2, 1, AW_ADDRESSED_ABOUT_US);
    known = kit_view(&kit, second.ticket).contact;
    assert_true(known.is_listening && aw_contact_is_first(&known));
    kit.now += KIT_MINUTE;
    command = answer(&kit, &second);
    assert_int_equal(command.out.err, AW_OK);
    known = contact(&kit, 1);
    assert_int_equal(known.contacted_at, kit.now);
    assert_int_equal(known.until, kit.now + 365 * KIT_DAY);
    assert_int_equal(known.reply.seq, command.out.u.lease.reply_seq);
    reload(&kit);
    second = post(&kit, 3, 1, AW_ADDRESSED_BYSTANDER);
    assert_int_equal(kit_view(&kit, second.ticket).contact.contacted_at, known.contacted_at);
    command = answer_as(&kit, AW_COMMAND_REPLY, &second, "ann");
    assert_int_equal(command.out.err, AW_E_CONTACT_REFUSED);
    assert_int_equal(command.out.u.lease.contact.contacted_at, known.contacted_at);
    command.kind = AW_COMMAND_COMPLETE;
    assert_int_equal(kit_apply(&kit, &command), AW_E_CONTACT_REFUSED);
    assert_int_equal(kit_view(&kit, second.ticket).state, AW_TICKET_LEASED);
    own = post(&kit, 4, 1, AW_ADDRESSED_TO_US);
    assert_int_equal(contact(&kit, 1).contacted_at, 0);
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(answer(&kit, &own).out.err, AW_OK);
    assert_int_equal(write_to(&kit, 5, 1), AW_E_CONTACT_REFUSED);
    assert_int_equal(write_to(&kit, 6, 2), AW_OK);
    kit_close(&kit);
}

/* A message that joins the ticket, as an answer to what we wrote, makes it one of his own. */
static void
test_an_answer_is_writing(void **unused)
{
    const struct aw_hash128 id = kit_hash(77);
    struct kit              kit;
    struct aw_out_message   message, other;
    struct aw_out_reply     reply;
    struct aw_command       report = {.kind = AW_COMMAND_REPLY_STATUS};

    (void)unused;
    kit_open(&kit);
    message = post(&kit, 1, 1, AW_ADDRESSED_ABOUT_US);
    assert_int_equal(answer(&kit, &message).out.err, AW_OK);
    assert_int_equal(take_reply(&kit, &reply), 1);
    report.in.reply_status =
        (struct aw_in_reply_status){.reply = reply.reply, .fence = reply.fence, .state = AW_REPLY_SENT, .provider = id};
    assert_int_equal(kit_apply(&kit, &report), AW_OK);
    /* In public, and not to us by name: a ticket of its own, but he wrote. */
    other = post_with(&kit, 2, 1, AW_ADDRESSED_ABOUT_US, false, id);
    assert_false(other.reopened || other.folded);
    assert_int_equal(contact(&kit, 1).contacted_at, 0);
    assert_int_equal(answer(&kit, &other).out.err, AW_OK);
    message = post_with(&kit, 3, 1, AW_ADDRESSED_TO_US, false, id);
    assert_true(message.reopened);
    assert_false(kit_view(&kit, message.ticket).contact.is_listening);
    assert_int_equal(opt(&kit, 1, false).out.err, AW_OK);
    assert_int_equal(answer(&kit, &message).out.err, AW_OK);
    kit_close(&kit);
}

/* "stop", as the whole answer: his ticket is closed, or what opens is not acknowledged. Of others it is a message. */
static void
test_he_says_stop(void **unused)
{
    const struct aw_hash128         id = kit_hash(77);
    static const struct aw_own_text text = {{"en", 2}, {"We have it.", 11}};
    struct aw_command               template_ = {.kind = AW_COMMAND_TEMPLATE};
    struct kit                      kit;
    struct aw_out_message           message;
    struct aw_out_reply             reply;
    struct aw_command               report = {.kind = AW_COMMAND_REPLY_STATUS};

    (void)unused;
    kit_open(&kit);
    template_.in.template_ = (struct aw_in_template){.kind = AW_REPLY_ACKNOWLEDGEMENT, .texts = &text, .text_count = 1};
    assert_int_equal(kit_apply(&kit, &template_), AW_OK);
    message = post(&kit, 1, 1, AW_ADDRESSED_ABOUT_US);
    assert_false(message.acknowledged);
    (void)answer(&kit, &message);
    assert_int_equal(take_reply(&kit, &reply), 1);
    report.in.reply_status =
        (struct aw_in_reply_status){.reply = reply.reply, .fence = reply.fence, .state = AW_REPLY_SENT, .provider = id};
    assert_int_equal(kit_apply(&kit, &report), AW_OK);
    message = post_with(&kit, 2, 1, AW_ADDRESSED_TO_US, true, id);
    assert_true(message.opted_out && message.not_needed);
    assert_int_equal(kit_view(&kit, message.ticket).state, AW_TICKET_CLOSED);
    assert_int_equal(contact(&kit, 1).opted_out_at, kit.now);
    assert_int_equal(write_to(&kit, 3, 2), AW_OK);
    message = post_with(&kit, 4, 2, AW_ADDRESSED_TO_US, true, (struct aw_hash128){0});
    assert_true(message.opted_out && !message.acknowledged && !message.not_needed);
    assert_int_equal(kit_view(&kit, message.ticket).state, AW_TICKET_WAITING);
    message = post_with(&kit, 5, 3, AW_ADDRESSED_TO_US, true, (struct aw_hash128){0});
    assert_true(!message.opted_out && message.acknowledged);
    assert_int_equal(contact(&kit, 3).opted_out_at, 0);
    reload(&kit);
    /* Again: what is closed stays so, and nothing is acknowledged. */
    message = post_with(&kit, 8, 1, AW_ADDRESSED_TO_US, true, id);
    assert_true(message.opted_out && message.not_needed && !message.reopened);
    assert_int_equal(kit_view(&kit, message.ticket).state, AW_TICKET_CLOSED);
    assert_true(opt(&kit, 4, false).out.changed);
    message = post_with(&kit, 9, 4, AW_ADDRESSED_TO_US, true, (struct aw_hash128){0});
    assert_true(message.opted_out && !message.acknowledged && !message.not_needed);
    /* It stays so when he writes to us, who is answered then. */
    message = post(&kit, 6, 1, AW_ADDRESSED_TO_US);
    assert_int_equal(answer(&kit, &message).out.err, AW_OK);
    assert_int_equal(write_to(&kit, 7, 1), AW_E_CONTACT_REFUSED);
    kit_close(&kit);
}

static void
test_opting_out_and_in(void **unused)
{
    struct kit             kit;
    struct aw_command      command;
    struct aw_state_counts counts;
    struct aw_hash128      digest;

    (void)unused;
    kit_open(&kit);
    digest = aw_state_digest(kit.state);
    assert_false(opt(&kit, 1, true).out.changed);
    command = opt(&kit, 1, false);
    assert_true(command.out.changed);
    assert_int_equal(command.out.u.contact.opted_out_at, kit.now);
    assert_false(aw_hash128_eq(digest, aw_state_digest(kit.state)));
    kit.now += 4000 * KIT_DAY; /* for good */
    command = opt(&kit, 1, false);
    assert_int_equal(command.out.err, AW_OK);
    assert_false(command.out.changed);
    assert_int_equal(write_to(&kit, 1, 1), AW_E_CONTACT_REFUSED);
    command =
        (struct aw_command){.kind = AW_COMMAND_OPT_OUT, .in.opt_out = {.contact = contact_of(1), .is_in = true, .dry_run = true}};
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_false(command.out.changed);
    command.in.opt_out.contact = (struct aw_hash128){0};
    assert_int_equal(kit_apply(&kit, &command), AW_E_BAD_VALUE);
    assert_true(opt(&kit, 1, true).out.changed);
    assert_int_equal(write_to(&kit, 2, 1), AW_OK);
    assert_true(opt(&kit, 1, false).out.changed);
    assert_int_not_equal(contact(&kit, 1).contacted_at, 0);
    assert_int_equal(write_to(&kit, 3, 2), AW_OK);
    assert_true(opt(&kit, 2, true).out.changed); /* who was only written to */
    assert_int_equal(contact(&kit, 2).contacted_at, 0);
    assert_false(opt(&kit, 2, true).out.changed);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.contacts, 1);
    assert_int_equal(counts.opted_out, 1);
    assert_int_equal(counts.first_contacts, 2);
    kit_close(&kit);
}

/* What waits, or comes back from a gateway, goes to him no more; what was sent is told all the same. */
static void
test_what_is_on_its_way(void **unused)
{
    struct kit            kit;
    struct aw_out_message message;
    struct aw_out_reply   taken;
    struct aw_command     command, redrive = {.kind = AW_COMMAND_REDRIVE, .in.redrive = {.max = 10}};
    struct aw_command     report = {.kind = AW_COMMAND_REPLY_STATUS};
    uint64_t              reply;

    (void)unused;
    kit_open(&kit);
    message = post(&kit, 1, 1, AW_ADDRESSED_ABOUT_US);
    reply = answer(&kit, &message).out.u.lease.reply_seq;
    assert_true(opt(&kit, 1, false).out.changed);
    assert_int_equal(state_of(&kit, reply, "opted-out"), AW_REPLY_DEAD);
    assert_int_equal(take_reply(&kit, &taken), 0);
    assert_int_equal(kit_apply(&kit, &redrive), AW_OK);
    assert_int_equal(redrive.out.u.redrive.count, 0);
    message = post(&kit, 2, 2, AW_ADDRESSED_ABOUT_US);
    reply = answer(&kit, &message).out.u.lease.reply_seq;
    assert_int_equal(take_reply(&kit, &taken), 1);
    assert_true(opt(&kit, 2, false).out.changed);
    assert_int_equal(state_of(&kit, reply, ""), AW_REPLY_LEASED);
    reload(&kit);
    assert_int_equal(kit_wait(&kit, 2 * KIT_MINUTE), 1);
    assert_int_equal(state_of(&kit, reply, "opted-out"), AW_REPLY_DEAD);
    report.in.reply_status = (struct aw_in_reply_status){.reply = taken.reply, .fence = taken.fence, .state = AW_REPLY_SENT};
    assert_int_equal(kit_apply(&kit, &report), AW_OK);
    assert_int_equal(state_of(&kit, reply, "opted-out"), AW_REPLY_SENT);
    /* What waits to be tried again as well. */
    message = post(&kit, 3, 3, AW_ADDRESSED_ABOUT_US);
    command = answer(&kit, &message);
    assert_int_equal(take_reply(&kit, &taken), 1);
    report.in.reply_status = (struct aw_in_reply_status){
        .reply = taken.reply, .fence = taken.fence, .state = AW_REPLY_FAILED, .code = AW_SLICE("503")};
    assert_int_equal(kit_apply(&kit, &report), AW_OK);
    assert_true(opt(&kit, 3, false).out.changed);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE), 1);
    assert_int_equal(state_of(&kit, command.out.u.lease.reply_seq, "opted-out"), AW_REPLY_DEAD);
    kit_close(&kit);
}

/* Who needs a colleague's word makes the contact when he writes; refused it was none. Opted out meanwhile it can't be let go. */
static void
test_with_approval(void **unused)
{
    struct kit             kit;
    struct aw_out_message  message;
    struct aw_state_counts counts;
    struct aw_command      command, decide = {.kind = AW_COMMAND_APPROVE};
    struct aw_command      set = {.kind = AW_COMMAND_AGENT,
                                  .in.agent = {.name = AW_SLICE("vol"), .needs_approval = true, .units_total = AW_UNITS_NO_TOTAL}};

    (void)unused;
    kit_open(&kit);
    assert_int_equal(kit_apply(&kit, &set), AW_OK);
    message = post(&kit, 1, 1, AW_ADDRESSED_ABOUT_US);
    command = answer_as(&kit, AW_COMMAND_COMPLETE, &message, "vol");
    assert_int_equal(write_to(&kit, 2, 1), AW_E_CONTACT_REFUSED);
    decide.in.approve =
        (struct aw_in_approve){.reply = {command.out.u.lease.reply_seq, KIT_SHARD}, .by = AW_SLICE("ann"), .note.len = 2};
    assert_int_equal(kit_apply(&kit, &decide), AW_OK);
    assert_int_equal(contact(&kit, 1).contacted_at, 0);
    message = post(&kit, 3, 1, AW_ADDRESSED_ABOUT_US);
    command = answer_as(&kit, AW_COMMAND_COMPLETE, &message, "vol");
    assert_int_equal(command.out.err, AW_OK);
    assert_true(opt(&kit, 1, false).out.changed);
    decide.in.approve =
        (struct aw_in_approve){.reply = {command.out.u.lease.reply_seq, KIT_SHARD}, .goes = true, .by = AW_SLICE("vol")};
    assert_int_equal(kit_apply(&kit, &decide), AW_E_FORBIDDEN); /* nothing of the customer is told to him */
    decide.in.approve.by = AW_SLICE("ann");
    assert_int_equal(kit_apply(&kit, &decide), AW_E_CONTACT_REFUSED);
    assert_int_equal(state_of(&kit, command.out.u.lease.reply_seq, ""), AW_REPLY_PENDING);
    decide.in.approve.goes = false;
    decide.in.approve.note.len = 2;
    assert_int_equal(kit_apply(&kit, &decide), AW_OK);
    assert_int_not_equal(contact(&kit, 1).opted_out_at, 0); /* that stays */
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.first_contacts, 2); /* never goes down */
    assert_int_equal(counts.closed - counts.closes_refused, 1);
    assert_int_equal(counts.closed, 3);
    kit_close(&kit);
}

/* First contacts leave a quarter of the rows to opt-outs; none is forgotten before its time, then the oldest make room. */
static void
test_room(void **unused)
{
    const uint32_t rows = kit_limits().contacts_max;
    struct kit     kit;
    uint64_t       id = 1;

    (void)unused;
    kit_open(&kit);
    for (uint64_t who = 1; who <= rows - rows / 4; who++) {
        assert_int_equal(write_to(&kit, id++, who), AW_OK);
        kit.now += KIT_MINUTE;
    }
    assert_int_equal(write_to(&kit, id++, 50), AW_E_TABLE_FULL);
    for (uint64_t who = 60; who < 60 + rows / 4; who++)
        assert_true(opt(&kit, who, false).out.changed);
    assert_int_equal(opt(&kit, 70, false).out.err, AW_E_TABLE_FULL);
    assert_true(opt(&kit, 1, false).out.changed); /* has its row already */
    kit.now = KIT_START + 365 * KIT_DAY + KIT_MINUTE - 1;
    assert_int_equal(write_to(&kit, id++, 50), AW_E_TABLE_FULL);
    assert_int_equal(write_to(&kit, id++, 2), AW_E_CONTACT_REFUSED);
    kit.now++;
    reload(&kit);
    assert_int_equal(write_to(&kit, id++, 2), AW_OK); /* in its own place */
    kit.now += 2 * KIT_DAY;
    assert_int_equal(opt(&kit, 70, false).out.err, AW_OK);
    assert_int_equal(contact(&kit, 3).contacted_at, 0);
    assert_int_not_equal(contact(&kit, 60).opted_out_at, 0);
    kit_close(&kit);
}

/* Elsewhere only with a message of the ticket that says so, moved or not, and not taken back; not who only talked about us. */
static void
test_consent(void **unused)
{
    struct kit            kit;
    struct aw_out_message own, other, talk;
    struct aw_command     command = {.kind = AW_COMMAND_REPLY}, withdraw = {.kind = AW_COMMAND_WITHDRAW};
    struct aw_in_reply   *reply = &command.in.fenced.reply;

    (void)unused;
    kit_open(&kit);
    own = post(&kit, 1, 1, AW_ADDRESSED_TO_US);
    other = post(&kit, 2, 2, AW_ADDRESSED_TO_US);
    talk = post(&kit, 3, 1, AW_ADDRESSED_ABOUT_US);
    command.in.fenced = (struct aw_in_fenced){.lease = kit_lease(&kit, own.ticket, "ann", KIT_HOUR),
                                              .agent = AW_SLICE("ann"),
                                              .op_hash = 1,
                                              .reply = {.is_there = true,
                                                        .to = {.seq = own.record_seq, .shard = KIT_SHARD},
                                                        .to_ticket = own.ticket,
                                                        .channel = AW_SLICE("mail"),
                                                        .account = AW_SLICE("main"),
                                                        .consent = {.seq = other.record_seq, .shard = KIT_SHARD},
                                                        .consent_ticket = other.ticket}};
    assert_int_equal(kit_apply(&kit, &command), AW_E_CHANNEL_CHANGE_REFUSED);
    reply->consent.seq = own.record_seq;
    reply->consent_ticket = own.ticket;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.changed);
    other = post(&kit, 4, 1, AW_ADDRESSED_TO_US);
    reply->consent.seq = other.record_seq;
    withdraw.in.withdraw =
        (struct aw_in_withdraw){.message = {.seq = other.record_seq, .shard = KIT_SHARD}, .ticket = other.ticket};
    assert_int_equal(kit_apply(&kit, &withdraw), AW_OK);
    command.in.fenced.op_hash = 2;
    assert_int_equal(kit_apply(&kit, &command), AW_E_CHANNEL_CHANGE_REFUSED);
    command.in.fenced.lease = kit_lease(&kit, talk.ticket, "ann", KIT_HOUR);
    *reply = (struct aw_in_reply){.is_there = true,
                                  .to = {.seq = talk.record_seq, .shard = KIT_SHARD},
                                  .to_ticket = talk.ticket,
                                  .channel = AW_SLICE("mail"),
                                  .account = AW_SLICE("main"),
                                  .consent = {.seq = talk.record_seq, .shard = KIT_SHARD},
                                  .consent_ticket = talk.ticket};
    assert_int_equal(kit_apply(&kit, &command), AW_E_CHANNEL_CHANGE_REFUSED);
    assert_int_equal(contact(&kit, 1).contacted_at, 0);
    kit_close(&kit);
}

/* He says "stop": the server itself writes nothing to that ticket later, until he writes again. */
static void
test_nothing_unasked(void **unused)
{
    static const struct aw_own_text text = {{"en", 2}, {"Do you still wait?", 18}};
    struct aw_command               template_ = {.kind = AW_COMMAND_TEMPLATE}, set = {.kind = AW_COMMAND_SETTINGS};
    struct aw_state_counts          counts;
    struct kit                      kit;

    (void)unused;
    kit_open(&kit);
    set.in.settings = *aw_state_settings(kit.state);
    set.in.settings.still_needed_ms = 10 * KIT_MINUTE;
    assert_int_equal(kit_apply(&kit, &set), AW_OK);
    template_.in.template_ = (struct aw_in_template){.kind = AW_REPLY_STILL_NEEDED, .texts = &text, .text_count = 1};
    assert_int_equal(kit_apply(&kit, &template_), AW_OK);
    assert_int_equal(write_to(&kit, 1, 2), AW_OK);
    assert_true(post_with(&kit, 2, 2, AW_ADDRESSED_TO_US, true, (struct aw_hash128){0}).opted_out);
    reload(&kit);
    (void)kit_wait(&kit, 20 * KIT_MINUTE);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.owed[AW_REPLY_STILL_NEEDED], 0);
    assert_true(post(&kit, 3, 2, AW_ADDRESSED_TO_US).folded);
    (void)kit_wait(&kit, 20 * KIT_MINUTE);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.owed[AW_REPLY_STILL_NEEDED], 1);
    kit_close(&kit);
}

/* Talk about us, and the answer to our reply that joined it. */
struct pair {
    struct aw_out_message talk;
    struct aw_out_message own;
};

static struct pair
talk_and_answer(struct kit *kit)
{
    const struct aw_hash128 id = kit_hash(77);
    struct aw_command       report = {.kind = AW_COMMAND_REPLY_STATUS};
    struct pair             pair = {.talk = post(kit, 1, 1, AW_ADDRESSED_ABOUT_US)};
    struct aw_out_reply     reply;

    (void)answer(kit, &pair.talk);
    assert_int_equal(take_reply(kit, &reply), 1);
    report.in.reply_status =
        (struct aw_in_reply_status){.reply = reply.reply, .fence = reply.fence, .state = AW_REPLY_SENT, .provider = id};
    assert_int_equal(kit_apply(kit, &report), AW_OK);
    pair.own = post_with(kit, 2, 1, AW_ADDRESSED_TO_US, false, id);
    assert_true(pair.own.reopened);
    return pair;
}

static struct aw_ticket_id
unfold(struct kit *kit, const struct pair *pair, bool takes_talk)
{
    const uint64_t           seqs[] = {pair->talk.record_seq, pair->own.record_seq};
    static struct aw_telling tellings[2];
    struct aw_command        command = {.kind = AW_COMMAND_UNFOLD};
    struct aw_in_unfold     *in = &command.in.unfold;

    for (unsigned i = 0; i < 2; i++) {
        struct kit_post   post = {.id = i + 1, .who = {1}, .class_ = AW_CLASS_GENERAL};
        struct kit_room   room;
        struct aw_command message;

        post.addressed = i == 0 ? AW_ADDRESSED_ABOUT_US : AW_ADDRESSED_TO_US;
        message = kit_message(&post, &room);
        message.in.message.contact = contact_of(1);
        tellings[i] = (struct aw_telling){.told = {.messages = 0}};
        aw_telling_add(&tellings[i], aw_state_settings(kit->state), &message.in.message, seqs[i], kit->now);
    }
    *in = (struct aw_in_unfold){.on = {.ticket = pair->talk.ticket, .by = AW_SLICE("sam")},
                                .messages = &seqs[takes_talk ? 0 : 1],
                                .message_count = 1,
                                .newest_seq = pair->own.record_seq,
                                .messages_total = 2,
                                .taken = *aw_telling_end(&tellings[takes_talk ? 0 : 1]),
                                .left = *aw_telling_end(&tellings[takes_talk ? 1 : 0])};
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.u.ticket.ticket;
}

/* Taken apart, talk is talk again, whichever of the two tickets has it: who opted out is not written to there, nor does what he
 * writes later join it. The other one is his own. */
static void
test_unfolded_talk_is_talk(void **unused)
{
    (void)unused;
    for (int takes_talk = 0; takes_talk < 2; takes_talk++) {
        struct kit            kit;
        struct pair           pair;
        struct aw_ticket_id   taken, talk, own;
        struct aw_out_message message;

        kit_open(&kit);
        pair = talk_and_answer(&kit);
        assert_false(kit_view(&kit, pair.talk.ticket).contact.is_listening);
        assert_true(opt(&kit, 1, false).out.changed);
        taken = unfold(&kit, &pair, takes_talk != 0);
        talk = takes_talk != 0 ? taken : pair.talk.ticket;
        own = takes_talk != 0 ? pair.talk.ticket : taken;
        reload(&kit);
        assert_true(kit_view(&kit, talk).contact.is_listening);
        assert_int_not_equal(kit_view(&kit, talk).contact.opted_out_at, 0);
        assert_false(kit_view(&kit, own).contact.is_listening);
        message = post(&kit, 3, 1, AW_ADDRESSED_TO_US);
        assert_true(message.folded);
        assert_int_equal(message.ticket.seq, own.seq);
        pair.talk.ticket = talk;
        assert_int_equal(answer(&kit, &pair.talk).out.err, AW_E_CONTACT_REFUSED);
        pair.own.ticket = own;
        pair.own.record_seq = message.record_seq;
        assert_int_equal(answer(&kit, &pair.own).out.err, AW_OK);
        kit_close(&kit);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once_until_he_writes),
        cmocka_unit_test(test_an_answer_is_writing),
        cmocka_unit_test(test_he_says_stop),
        cmocka_unit_test(test_opting_out_and_in),
        cmocka_unit_test(test_what_is_on_its_way),
        cmocka_unit_test(test_with_approval),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_consent),
        cmocka_unit_test(test_nothing_unasked),
        cmocka_unit_test(test_unfolded_talk_is_talk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
