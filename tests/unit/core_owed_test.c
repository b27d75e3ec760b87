/* core_owed_test.c - proves what the server itself writes: who is acknowledged and who is not, in which language, by which text,
 * and that texts and accounts live as long as they are named.
 *
 * How: templates are set, messages come, gateways take what waits; a state loaded from a checkpoint goes on exactly alike, which it
 * does only when what is derived - who names which text and account - is made again from the rows.
 */
#include "core_kit.h"

#include "model/promise.h"
#include "model/surge.h"

#include <stdio.h>

static const struct aw_account_name both[] = {{{"twitter", 7}, {"main", 4}}, {{"mail", 4}, {"care", 4}}};

static const struct aw_own_text two[] = {{{"en", 2}, {"We have it.", 11}}, {{"nl-NL", 5}, {"We hebben het.", 14}}};
static const struct aw_own_text other[] = {{{"de", 2}, {"Es ist da.", 10}}};

static struct aw_state_limits
make_limits(void)
{
    struct aw_state_limits limits = kit_limits();

    limits.tickets_max = 20000;
    limits.identities_max = 20000;
    limits.ids_max = 20000;
    limits.replies_max = 12000;
    limits.preimage_bytes_max = 1U << 24;
    return limits;
}

static void
open_kit(struct kit *kit)
{
    struct aw_state_limits limits = make_limits();

    kit_open_with(kit, &limits);
}

static struct aw_command
set(struct kit *kit, const struct aw_own_text *texts, uint32_t count, uint64_t if_version)
{
    struct aw_command command = {.kind = AW_COMMAND_TEMPLATE,
                                 .in.template_ = {.kind = AW_REPLY_ACKNOWLEDGEMENT,
                                                  .texts = texts,
                                                  .text_count = count,
                                                  .if_match.version = if_version,
                                                  .by = AW_SLICE("sam")}};

    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_command
post(struct kit *kit, uint64_t id, const char *lang)
{
    return kit_try_post(kit, (struct kit_post){.id = id, .who = {id}, .class_ = AW_CLASS_GENERAL, .lang = lang});
}

static bool
take(struct kit *kit, struct aw_out_reply *ret_reply)
{
    struct aw_command command = {.kind = AW_COMMAND_REPLY_LEASE,
                                 .in.reply_lease = {.accounts = both,
                                                    .account_count = 2,
                                                    .max = 1,
                                                    .lease_ms = KIT_MINUTE,
                                                    .gateway = AW_SLICE("gate"),
                                                    .replies = ret_reply}};

    *ret_reply = (struct aw_out_reply){.fence = 0};
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.u.reply_lease.count == 1;
}

static void
sent(struct kit *kit, const struct aw_out_reply *reply)
{
    struct aw_command command = {.kind = AW_COMMAND_REPLY_STATUS,
                                 .in.reply_status = {.reply = reply->reply, .fence = reply->fence, .state = AW_REPLY_SENT}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
}

static void
has_text(const struct kit *kit, const struct aw_out_reply *reply, const char *lang, const char *words)
{
    struct aw_text_view text;

    assert_int_equal(aw_state_text(kit->state, reply->text, &text), AW_OK);
    assert_true(aw_slice_eq(aw_slice_of(text.lang, text.lang_len), aw_slice_str(lang)));
    assert_true(aw_slice_eq(aw_slice_of(text.words, text.len), aw_slice_str(words)));
}

static struct aw_state_counts
counts(const struct kit *kit)
{
    struct aw_state_counts counts;

    aw_state_counts(kit->state, &counts);
    return counts;
}

/* A second state, made of a checkpoint of this one. */
static void
copy(struct kit *kit, struct kit *ret_copy)
{
    struct aw_state_limits    limits = make_limits();
    struct aw_checkpoint_mark mark;
    struct aw_chunk           chunk;

    *ret_copy = (struct kit){.now = kit->now};
    assert_int_equal(aw_state_new(&ret_copy->state, &limits, KIT_SHARD, NULL), AW_OK);
    assert_true(aw_state_cut_begin(kit->state, &mark));
    while (aw_state_cut_next(kit->state, &chunk, &mark))
        assert_int_equal(aw_state_load_chunk(ret_copy->state, &chunk, NULL), AW_OK);
    aw_state_cut_end(kit->state);
    assert_int_equal(aw_state_load_finish(ret_copy->state, &mark, NULL), AW_OK);
}

static void
test_a_template_is_set(void **unused)
{
    static const struct aw_own_text twice[] = {{{"en", 2}, {"a", 1}}, {{"EN-gb", 5}, {"b", 1}}};
    static const struct aw_own_text nowhere[] = {{{"e", 1}, {"a", 1}}};
    static const struct aw_own_text nothing[] = {{{"en", 2}, {"", 0}}};
    static char                     room[AW_OWN_TEXT_BYTES_MAX + 1];
    struct aw_own_text              large[] = {{{"en", 2}, {room, AW_OWN_TEXT_BYTES_MAX}},
                                               {{"nl", 2}, {room, AW_OWN_TEXT_BYTES_MAX}},
                                               {{"de", 2}, {room, AW_OWN_TEXT_BYTES_MAX}},
                                               {{"fr", 2}, {room, 1}}};
    struct aw_text_view             views[AW_OWN_TEXTS_MAX];
    struct aw_command               dry;
    uint64_t                        version;
    struct kit                      kit;

    (void)unused;
    memset(room, 'x', sizeof(room));
    open_kit(&kit);
    assert_int_equal(set(&kit, twice, 2, 0).out.err, AW_E_BAD_VALUE);
    assert_int_equal(set(&kit, nowhere, 1, 0).out.err, AW_E_BAD_VALUE);
    assert_int_equal(set(&kit, nothing, 1, 0).out.err, AW_E_BAD_VALUE);
    assert_int_equal(set(&kit, large, 4, 0).out.err, AW_E_BAD_VALUE);
    assert_int_equal(set(&kit, large, 3, 0).out.err, AW_OK);
    large[0].words.len++;
    assert_int_equal(set(&kit, large, 1, 0).out.err, AW_E_BAD_VALUE);
    assert_int_equal(set(&kit, two, 2, 2).out.err, AW_E_PRECONDITION);
    assert_int_equal(set(&kit, two, 2, 1).out.u.template_.version, 2);
    assert_false(set(&kit, two, 2, 0).out.changed);
    dry =
        (struct aw_command){.kind = AW_COMMAND_TEMPLATE,
                            .in.template_ = {.kind = AW_REPLY_ACKNOWLEDGEMENT, .texts = other, .text_count = 1, .dry_run = true}};
    assert_int_equal(kit_apply(&kit, &dry), AW_OK);
    assert_false(dry.out.changed);
    assert_int_equal(aw_state_template(kit.state, AW_REPLY_ACKNOWLEDGEMENT, views, &version), 2);
    assert_int_equal(version, 2);
    assert_memory_equal(views[0].words, "We have it.", 11);
    assert_memory_equal(views[1].lang, "nl-NL", 5);
    assert_int_equal(aw_state_template(kit.state, AW_REPLY_STILL_NEEDED, views, &version), 0);
    assert_int_equal(version, 0);
    assert_int_equal(set(&kit, NULL, 0, 0).out.u.template_.version, 3);
    assert_int_equal(counts(&kit).own_texts, 0);
    kit_close(&kit);
}

static void
test_languages(void **unused)
{
    static const struct {
        const char *lang, *text_lang, *words;
    } cases[] = {
        {"nl", "nl-NL", "We hebben het."}, {"NL-be", "nl-NL", "We hebben het."}, {"en-GB", "en", "We have it."},
        {"fr", "en", "We have it."},       {NULL, "en", "We have it."},          {"nld", "en", "We have it."},
    };
    struct kit          kit;
    struct aw_out_reply reply;

    (void)unused;
    open_kit(&kit);
    assert_false(post(&kit, 1, "nl").out.u.message.acknowledged);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aw_command command = post(&kit, i + 2, cases[i].lang);

        assert_true(command.out.u.message.acknowledged);
        assert_true(take(&kit, &reply));
        assert_int_equal(reply.reply.seq, command.out.seq);
        assert_int_equal(reply.to.seq, command.out.seq);
        assert_int_equal(reply.kind, AW_REPLY_ACKNOWLEDGEMENT);
        has_text(&kit, &reply, cases[i].text_lang, cases[i].words);
        sent(&kit, &reply);
    }
    assert_false(take(&kit, &reply));
    assert_int_equal(counts(&kit).owed[AW_REPLY_ACKNOWLEDGEMENT], 6);
    kit_close(&kit);
}

/* Who opens a ticket by talking to us is told, once. */
static void
test_who_is_acknowledged(void **unused)
{
    struct kit_post       first = {.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL};
    struct kit_post       again = {.id = 2, .who = {1}, .class_ = AW_CLASS_GENERAL};
    struct kit_post       about = {.id = 3, .who = {3}, .class_ = AW_CLASS_GENERAL, .addressed = AW_ADDRESSED_ABOUT_US};
    struct kit_post       reopens = {.id = 4, .who = {1}, .class_ = AW_CLASS_GENERAL};
    struct aw_out_message message;
    struct kit            kit;

    (void)unused;
    open_kit(&kit);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    message = kit_post(&kit, first);
    assert_true(message.acknowledged);
    assert_true(kit_post(&kit, first).duplicate);
    assert_false(kit_post(&kit, again).acknowledged);
    assert_false(kit_post(&kit, about).acknowledged);
    kit_complete(&kit, kit_lease(&kit, message.ticket, "ann", KIT_HOUR), "ann");
    message = kit_post(&kit, reopens);
    assert_true(message.reopened);
    assert_false(message.acknowledged);
    assert_int_equal(counts(&kit).replied, 1);
    kit_close(&kit);
}

/* What people write goes first, whatever came before. */
static void
test_goes_behind_people(void **unused)
{
    struct kit            kit;
    struct aw_out_reply   reply;
    struct aw_out_message message;
    struct aw_command     answer;

    (void)unused;
    open_kit(&kit);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    message = post(&kit, 1, "en").out.u.message;
    answer = (struct aw_command){.kind = AW_COMMAND_REPLY,
                                 .in.fenced = {.lease = kit_lease(&kit, message.ticket, "ann", KIT_HOUR),
                                               .agent = AW_SLICE("ann"),
                                               .op_hash = 1,
                                               .reply = {.is_there = true,
                                                         .to = {.seq = message.record_seq, .shard = KIT_SHARD},
                                                         .to_ticket = message.ticket,
                                                         .channel = both[0].channel,
                                                         .account = both[0].account}}};
    assert_int_equal(kit_apply(&kit, &answer), AW_OK);
    assert_true(take(&kit, &reply));
    assert_int_equal(reply.kind, AW_REPLY_BY_AGENT);
    assert_int_equal(reply.text.slot, 0);
    assert_true(take(&kit, &reply));
    assert_int_equal(reply.kind, AW_REPLY_ACKNOWLEDGEMENT);
    kit_close(&kit);
}

/* A reply says what its text said when it was written; the text goes with the last reply that names it. */
static void
test_replaced_texts_stay(void **unused)
{
    struct kit          kit, second;
    struct aw_out_reply reply;

    (void)unused;
    open_kit(&kit);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    (void)post(&kit, 1, "nl");
    assert_int_equal(set(&kit, other, 1, 0).out.err, AW_OK);
    assert_int_equal(counts(&kit).own_texts, 2); /* English had no reply */
    (void)post(&kit, 2, "nl");
    copy(&kit, &second);
    for (int i = 0; i < 2; i++) {
        struct kit *at = i == 0 ? &kit : &second;

        assert_true(take(at, &reply));
        has_text(at, &reply, "nl-NL", "We hebben het.");
        sent(at, &reply);
        assert_true(take(at, &reply));
        has_text(at, &reply, "de", "Es ist da.");
        sent(at, &reply);
        assert_int_equal(set(at, NULL, 0, 0).out.err, AW_OK);
        assert_int_equal(counts(at).own_texts, 2);
        at->now += 8 * KIT_DAY; /* rows of replies that were sent go with the next ones */
        assert_int_equal(set(at, other, 1, 0).out.err, AW_OK);
        for (uint64_t id = 3; id < 5; id++)
            assert_true(post(at, id, "de").out.u.message.acknowledged);
        assert_int_equal(counts(at).own_texts, 1);
    }
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(second.state)));
    kit_close(&second);
    kit_close(&kit);
}

static bool
is_withdrawn(const struct kit *kit, uint64_t reply)
{
    struct aw_reply_view view;

    assert_int_equal(aw_state_reply(kit->state, reply, &view), AW_OK);
    return view.is_hidden && view.state == AW_REPLY_DEAD &&
           aw_slice_eq(aw_slice_of(view.code, view.code_len), AW_SLICE("withdrawn"));
}

static bool
withdraw(struct kit *kit, const struct aw_command *message)
{
    struct aw_command command = {.kind = AW_COMMAND_WITHDRAW,
                                 .in.withdraw = {.message = {.seq = message->out.seq, .shard = KIT_SHARD},
                                                 .ticket = message->out.u.message.ticket,
                                                 .by = AW_SLICE("gate")}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.changed;
}

/* When nothing is left that tells to whom it goes, it does not go: what waits, what is to be tried again, and what comes back from
 * a gateway, which may still say that it was sent. None is redriven. Other tickets' go, and his next one. */
static void
test_all_is_withdrawn(void **unused)
{
    struct aw_command   redrive = {.kind = AW_COMMAND_REDRIVE, .in.redrive = {.max = 10, .by = AW_SLICE("sue")}};
    struct aw_command   status = {.kind = AW_COMMAND_REPLY_STATUS,
                                  .in.reply_status = {.state = AW_REPLY_FAILED, .by = AW_SLICE("gate")}};
    struct aw_out_reply failed, silent, told, reply;
    struct aw_command   messages[5];
    struct kit          kit, second;

    (void)unused;
    open_kit(&kit);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    for (uint64_t id = 0; id < 5; id++)
        messages[id] = post(&kit, id + 1, "en");
    assert_true(take(&kit, &failed) && take(&kit, &silent) && take(&kit, &told));
    status.in.reply_status.reply = failed.reply;
    status.in.reply_status.fence = failed.fence;
    assert_int_equal(kit_apply(&kit, &status), AW_OK);
    for (uint64_t id = 0; id < 4; id++)
        assert_true(withdraw(&kit, &messages[id]));
    assert_true(is_withdrawn(&kit, failed.reply.seq));
    assert_true(is_withdrawn(&kit, messages[3].out.seq));
    assert_false(is_withdrawn(&kit, silent.reply.seq));
    sent(&kit, &told);
    copy(&kit, &second);
    for (int i = 0; i < 2; i++) {
        struct kit *at = i == 0 ? &kit : &second;

        assert_true(take(at, &reply));
        assert_int_equal(reply.reply.seq, messages[4].out.seq);
        sent(at, &reply);
        (void)kit_wait(at, KIT_HOUR);
        assert_true(is_withdrawn(at, silent.reply.seq));
        assert_int_equal(kit_apply(at, &redrive), AW_OK);
        assert_int_equal(redrive.out.u.redrive.count, 0);
        assert_false(take(at, &reply));
        messages[0] = kit_try_post(at, (struct kit_post){.id = 9, .who = {9}, .class_ = AW_CLASS_GENERAL, .lang = "en"});
        assert_true(take(at, &reply));
        assert_int_equal(reply.reply.seq, messages[0].out.seq);
    }
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(second.state)));
    kit_close(&second);
    kit_close(&kit);
}

/* The outbox keeps a quarter, and the room that leases need: what is left out is counted, and nothing else changes. */
static void
test_room(void **unused)
{
    struct aw_state_limits limits = make_limits();
    struct aw_ticket_id    ticket;
    struct kit             kit;

    (void)unused;
    limits.replies_max = 8;
    kit_open_with(&kit, &limits);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    ticket = post(&kit, 1, "en").out.u.message.ticket;
    (void)kit_lease(&kit, ticket, "ann", KIT_HOUR);
    for (uint64_t id = 2; id <= 5; id++)
        assert_true(post(&kit, id, "en").out.u.message.acknowledged);
    assert_false(post(&kit, 6, "en").out.u.message.acknowledged);
    assert_int_equal(counts(&kit).owed_left_out, 1);
    assert_int_equal(counts(&kit).replies[AW_REPLY_WAITING], 5);
    kit_close(&kit);
}

/* Tickets name at most so many accounts; a name is free again when the last ticket that has it is. */
static void
test_accounts_of_tickets(void **unused)
{
    struct kit          kit, second;
    struct aw_out_reply reply;
    struct aw_command   command;
    struct kit_room     room;
    char                name[24];

    (void)unused;
    open_kit(&kit);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    for (uint64_t id = 1; id <= 4097; id++) {
        struct kit_post post = {.id = id, .who = {id}, .class_ = AW_CLASS_GENERAL, .account = name};

        (void)snprintf(name, sizeof(name), "a%u", (unsigned)id);
        command = kit_message(&post, &room); /* not by kit_apply: its checks look through all rows */
        aw_state_begin(kit.state, aw_state_seq(kit.state) + 1, kit.now);
        assert_int_equal(aw_state_apply(kit.state, &command), AW_OK);
        assert_int_equal(command.out.u.message.acknowledged, id <= 4096);
    }
    copy(&kit, &second);
    for (int i = 0; i < 2; i++) {
        struct kit *at = i == 0 ? &kit : &second;

        /* The first customer writes to the account of the second: his own is nobody's any more. */
        (void)kit_post(at, (struct kit_post){.id = 5000, .who = {1}, .class_ = AW_CLASS_GENERAL, .account = "a2"});
        assert_true(kit_post(at, (struct kit_post){.id = 5001, .who = {5001}, .class_ = AW_CLASS_GENERAL, .account = "new"})
                        .acknowledged);
        assert_false(kit_post(at, (struct kit_post){.id = 5002, .who = {5002}, .class_ = AW_CLASS_GENERAL, .account = "new2"})
                         .acknowledged);
        assert_true(kit_post(at, (struct kit_post){.id = 5003, .who = {5003}, .class_ = AW_CLASS_GENERAL, .account = "new"})
                        .acknowledged);
    }
    assert_false(take(&kit, &reply));
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(second.state)));
    kit_close(&second);
    kit_close(&kit);
}

/* When a surge says that receipts are all, nobody is written to where it holds. */
static void
test_receipts_only(void **unused)
{
    struct aw_surge   surge = {.is_on = 1, .is_receipt = 1, .channel_count = 1, .channels = {"mail"}};
    struct aw_command command = {.kind = AW_COMMAND_SURGE, .in.surge = {.surge = &surge}};
    struct kit        kit;

    (void)unused;
    open_kit(&kit);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_false(
        kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL, .channel = "mail"}).acknowledged);
    assert_true(post(&kit, 2, "en").out.u.message.acknowledged);
    kit_close(&kit);
}

/* --- promises --------------------------------------------------------------------------------------------------------------- */

static void
promise_hours(struct kit *kit, uint16_t half, uint16_t nine)
{
    struct aw_told_wait        waits[AW_PROMISE_WAITS];
    const struct aw_lane_group lane = {0, 0};
    const uint16_t             steps = (uint16_t)(KIT_HOUR / AW_PROMISE_STEP_MS);
    struct aw_command          command = {.kind = AW_COMMAND_FORECAST};

    command.in.forecast = (struct aw_in_forecast){.base = kit->now, .waits = waits, .lanes = &lane, .lane_count = 1};
    for (uint32_t i = 0; i < AW_PROMISE_WAITS; i++)
        waits[i] = (struct aw_told_wait){.raw_s = {1, 2}, .steps = {(uint16_t)(half * steps), (uint16_t)(nine * steps)}};
    assert_int_equal(kit_apply(kit, &command), AW_OK);
}

/* What is told is the promise of that moment, and it stays; who is in a hurry is told before others. */
static void
test_a_promise_moves(void **unused)
{
    struct kit            kit;
    struct aw_out_message calm, urgent;
    struct aw_out_reply   reply;
    struct aw_command     command = {.kind = AW_COMMAND_TEMPLATE,
                                     .in.template_ = {.kind = AW_REPLY_PROMISE_MOVED, .texts = two, .text_count = 2}};

    (void)unused;
    open_kit(&kit);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    promise_hours(&kit, 1, 2);
    calm = post(&kit, 1, "en").out.u.message;
    urgent = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_CARE});
    kit.now += KIT_HOUR;
    for (int i = 0; i < 2; i++) {
        command = (struct aw_command){.kind = AW_COMMAND_PROMISE,
                                      .in.promise = {.ticket = i == 0 ? calm.ticket : urgent.ticket,
                                                     .half_by = kit.now + KIT_HOUR,
                                                     .nine_of_ten_by = kit.now + 5 * KIT_HOUR}};
        assert_int_equal(kit_apply(&kit, &command), AW_OK);
    }
    assert_int_equal(counts(&kit).owed[AW_REPLY_PROMISE_MOVED], 2);
    assert_true(take(&kit, &reply));
    assert_int_equal(reply.kind, AW_REPLY_PROMISE_MOVED);
    assert_int_equal(reply.ticket.seq, urgent.ticket.seq);
    assert_int_equal(reply.facts.promise.nine_of_ten_by, kit.now + 5 * KIT_HOUR);
    sent(&kit, &reply);
    for (uint64_t hours = 2; take(&kit, &reply); hours = 6) { /* the acknowledgements, as it was promised; then what came of it */
        bool is_moved = reply.kind == AW_REPLY_PROMISE_MOVED;

        assert_int_equal(reply.facts.promise.nine_of_ten_by, KIT_START + (is_moved ? 6 : 2) * KIT_HOUR);
        AW_IMPLIES(is_moved, reply.ticket.seq == calm.ticket.seq && hours == 6);
        sent(&kit, &reply);
    }
    kit_close(&kit);
}

/* --- still needed? ---------------------------------------------------------------------------------------------------------- */

static void
ask_after(struct kit *kit, uint64_t ms)
{
    struct aw_core_settings settings = *aw_state_settings(kit->state);
    struct aw_command       command = {.kind = AW_COMMAND_SETTINGS};

    settings.still_needed_ms = ms;
    command.in.settings = settings;
    assert_int_equal(kit_apply(kit, &command), AW_OK);
}

static void
ask_by(struct kit *kit, const struct aw_own_text *texts, uint32_t count)
{
    struct aw_command command = {.kind = AW_COMMAND_TEMPLATE,
                                 .in.template_ = {.kind = AW_REPLY_STILL_NEEDED, .texts = texts, .text_count = count}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
    aw_state_rearm(kit->state); /* few tickets: one piece */
}

static struct aw_out_message
say_no_more(struct kit *kit, struct kit_post post)
{
    struct kit_room   room;
    struct aw_command command = kit_message(&post, &room);

    command.in.message.not_needed = true;
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.u.message;
}

static struct aw_out_message
no_more(struct kit *kit, uint64_t id, uint64_t who)
{
    return say_no_more(kit, (struct kit_post){.id = id, .who = {who}, .class_ = AW_CLASS_GENERAL});
}

/* Once, after the time, whoever waits; not whom a person should ask or has dealt with, nor who wrote again after an answer. */
static void
test_who_is_asked(void **unused)
{
    struct kit_post     posts[] = {{.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL},
                                   {.id = 2, .who = {2}, .class_ = AW_CLASS_CARE},
                                   {.id = 3, .who = {3}, .class_ = AW_CLASS_GENERAL, .gentle = true},
                                   {.id = 4, .who = {4}, .class_ = AW_CLASS_GENERAL, .addressed = AW_ADDRESSED_ABOUT_US},
                                   {.id = 5, .who = {5}, .class_ = AW_CLASS_GENERAL},
                                   {.id = 7, .who = {7}, .class_ = AW_CLASS_GENERAL}};
    struct aw_ticket_id tickets[6];
    struct aw_out_reply reply;
    struct kit          kit, second;

    (void)unused;
    open_kit(&kit);
    ask_after(&kit, KIT_HOUR);
    for (unsigned i = 0; i < 6; i++)
        tickets[i] = kit_post(&kit, posts[i]).ticket;
    (void)kit_fenced(&kit, AW_COMMAND_RELEASE, kit_lease(&kit, tickets[5], "ann", KIT_HOUR), "ann", 1); /* he was begun with */
    kit_complete(&kit, kit_lease(&kit, tickets[4], "ann", KIT_HOUR), "ann");
    assert_true(kit_post(&kit, (struct kit_post){.id = 6, .who = {5}, .class_ = AW_CLASS_GENERAL}).reopened);
    assert_int_equal(kit_wait(&kit, 10 * KIT_MINUTE), 1); /* it was kept for who had answered */
    ask_by(&kit, two, 2);
    assert_int_equal(kit_wait(&kit, 50 * KIT_MINUTE - 1), 0);
    copy(&kit, &second);
    for (int i = 0; i < 2; i++) {
        struct kit *at = i == 0 ? &kit : &second;

        assert_int_equal(kit_wait(at, 1), 1);
        assert_true(take(at, &reply));
        assert_int_equal(reply.kind, AW_REPLY_STILL_NEEDED);
        assert_int_equal(reply.ticket.seq, tickets[0].seq);
        assert_false(take(at, &reply));
        assert_int_equal(kit_wait(at, KIT_DAY), 1); /* the gateway's lease */
    }
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(second.state)));
    kit_close(&second);
    kit_close(&kit);
}

/* Who waits already is asked when there is something to ask by, and nobody is when there is not. */
static void
test_asked_when_there_are_words(void **unused)
{
    struct kit          kit;
    struct aw_out_reply reply;

    (void)unused;
    open_kit(&kit);
    (void)post(&kit, 1, "nl");
    ask_after(&kit, KIT_HOUR);
    assert_int_equal(kit_wait(&kit, 2 * KIT_HOUR), 0);
    ask_by(&kit, two, 2);
    ask_by(&kit, NULL, 0);
    assert_int_equal(kit_wait(&kit, KIT_HOUR), 0);
    ask_by(&kit, two, 2);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE), 1);
    assert_true(take(&kit, &reply));
    has_text(&kit, &reply, "nl-NL", "We hebben het.");
    kit_close(&kit);
}

/* Whose "no more" tells of a grave need or of grief is answered by a person. */
static void
test_not_needed_but_grave(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id tickets[2];

    (void)unused;
    open_kit(&kit);
    ask_by(&kit, two, 2);
    ask_after(&kit, KIT_HOUR);
    for (uint64_t id = 1; id <= 2; id++)
        tickets[id - 1] = post(&kit, id, "nl").out.u.message.ticket;
    assert_int_equal(kit_wait(&kit, KIT_HOUR), 2);
    assert_false(say_no_more(&kit, (struct kit_post){.id = 3, .who = {1}, .class_ = AW_CLASS_CARE}).not_needed);
    assert_false(
        say_no_more(&kit, (struct kit_post){.id = 4, .who = {2}, .class_ = AW_CLASS_GENERAL, .gentle = true}).not_needed);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(kit_view(&kit, tickets[i]).state, AW_TICKET_WAITING);
    kit_close(&kit);
}

/* What the server itself writes leaves half of a ticket's replies to who works on it. */
static void
test_leaves_replies_to_people(void **unused)
{
    struct kit            kit;
    struct aw_out_message message;
    struct aw_command     command = {.kind = AW_COMMAND_TEMPLATE,
                                     .in.template_ = {.kind = AW_REPLY_PROMISE_MOVED, .texts = two, .text_count = 2}};

    (void)unused;
    open_kit(&kit);
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    promise_hours(&kit, 1, 2);
    message = post(&kit, 1, "en").out.u.message;
    for (unsigned i = 0; i < AW_TICKET_REPLIES_MAX / 2 + 1; i++) {
        kit.now += 2 * KIT_HOUR;
        command = (struct aw_command){
            .kind = AW_COMMAND_PROMISE,
            .in.promise = {.ticket = message.ticket, .half_by = kit.now + KIT_HOUR, .nine_of_ten_by = kit.now + 5 * KIT_HOUR}};
        assert_int_equal(kit_apply(&kit, &command), AW_OK);
    }
    assert_int_equal(counts(&kit).owed[AW_REPLY_PROMISE_MOVED], AW_TICKET_REPLIES_MAX / 2);
    assert_int_equal(counts(&kit).owed_left_out, 1);
    command.in.promise.half_by = kit.now += 2 * KIT_HOUR;
    command.in.promise.nine_of_ten_by = kit.now + AW_PROMISE_MOVED_MS_MAX + 1; /* no reply could tell that */
    assert_int_equal(kit_apply(&kit, &command), AW_E_STALE);
    command.in.promise.nine_of_ten_by--;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    kit_close(&kit);
}

/* The message is read for as long as what answers it may be sent; once withdrawn it says nothing, also after a start. */
static void
test_message_of_a_reply(void **unused)
{
    struct kit            kit, second;
    struct aw_out_message message;
    struct aw_out_reply   reply;
    struct aw_command     command = {.kind = AW_COMMAND_WITHDRAW};

    (void)unused;
    open_kit(&kit);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    message = post(&kit, 1, "en").out.u.message;
    (void)kit_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_GENERAL}); /* tells to whom it goes */
    assert_true(aw_state_reply_reads(kit.state, message.record_seq));
    assert_false(aw_state_reply_reads(kit.state, message.record_seq + 1));
    command.in.withdraw =
        (struct aw_in_withdraw){.message = {.seq = message.record_seq, .shard = KIT_SHARD}, .ticket = message.ticket};
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    copy(&kit, &second);
    for (int i = 0; i < 2; i++) {
        struct kit *at = i == 0 ? &kit : &second;

        assert_true(aw_state_reply_reads(at->state, message.record_seq));
        assert_true(take(at, &reply));
        assert_true(reply.facts.is_withdrawn);
        command = (struct aw_command){.kind = AW_COMMAND_REPLY_STATUS,
                                      .in.reply_status = {.reply = reply.reply, .fence = reply.fence, .state = AW_REPLY_READ}};
        assert_int_equal(kit_apply(at, &command), AW_OK);
        assert_false(aw_state_reply_reads(at->state, message.record_seq));
    }
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(second.state)));
    kit_close(&second);
    kit_close(&kit);
}

/* The word of who was asked closes the ticket; of anybody else, or while somebody holds it, it is a message like any other. */
static void
test_not_needed(void **unused)
{
    struct kit            kit;
    struct aw_out_message message;
    struct aw_ticket_id   ticket, held;

    (void)unused;
    open_kit(&kit);
    ask_by(&kit, two, 2);
    ticket = post(&kit, 1, "nl").out.u.message.ticket;
    held = post(&kit, 2, "nl").out.u.message.ticket;
    assert_false(no_more(&kit, 3, 1).not_needed); /* nobody asked */
    ask_after(&kit, KIT_HOUR);
    assert_int_equal(kit_wait(&kit, KIT_HOUR), 2);
    (void)kit_lease(&kit, held, "ann", KIT_HOUR);
    assert_false(no_more(&kit, 4, 2).not_needed);
    assert_int_equal(kit_view(&kit, held).state, AW_TICKET_LEASED);
    assert_false(kit_post(&kit, (struct kit_post){.id = 5, .who = {1}, .class_ = AW_CLASS_GENERAL}).not_needed);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_WAITING);
    message = no_more(&kit, 6, 1);
    assert_true(message.not_needed);
    assert_false(message.reopened);
    assert_int_equal(message.ticket.seq, ticket.seq);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_CLOSED);
    assert_true(no_more(&kit, 7, 1).not_needed); /* said twice, it stays closed */
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_CLOSED);
    assert_int_equal(counts(&kit).not_needed, 1);
    message = kit_post(&kit, (struct kit_post){.id = 8, .who = {1}, .class_ = AW_CLASS_GENERAL});
    assert_true(message.reopened);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_WAITING);
    kit_close(&kit);
}

/* Several replies of one ticket that die by one record enter the list of the dead in the order that they were written in, whichever
 * rows they have: a state loaded from a checkpoint finds them in another order, and must not go on otherwise. */
static void
test_several_die_at_once(void **unused)
{
    struct kit          kit, second;
    struct aw_out_reply reply;
    struct aw_command   messages[2];

    (void)unused;
    open_kit(&kit);
    assert_int_equal(set(&kit, two, 2, 0).out.err, AW_OK);
    for (uint64_t id = 1; id <= 8; id++) { /* their rows are given back, and taken again the other way round */
        kit_complete(&kit, kit_lease(&kit, post(&kit, id, "en").out.u.message.ticket, "ann", KIT_HOUR), "ann");
        assert_true(take(&kit, &reply));
        sent(&kit, &reply);
    }
    kit.now += 8 * KIT_DAY;
    ask_after(&kit, KIT_HOUR);
    ask_by(&kit, two, 2);
    for (uint64_t id = 0; id < 2; id++)
        messages[id] = post(&kit, 9 + id, "en");
    assert_int_equal(kit_wait(&kit, KIT_HOUR), 2);
    copy(&kit, &second);
    for (int i = 0; i < 2; i++) {
        struct kit       *at = i == 0 ? &kit : &second;
        struct aw_command erase = {.kind = AW_COMMAND_ERASE,
                                   .in.erase = {.customer = {1, 1},
                                                .through = aw_state_seq(at->state),
                                                .ticket = messages[1].out.u.message.ticket,
                                                .messages = 1,
                                                .by = AW_SLICE("sue")}};

        assert_true(withdraw(at, &messages[0]));
        assert_int_equal(kit_apply(at, &erase), AW_OK);
        assert_int_equal(counts(at).replies[AW_REPLY_DEAD], 4);
    }
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(second.state)));
    kit_close(&second);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_template_is_set),
        cmocka_unit_test(test_languages),
        cmocka_unit_test(test_who_is_acknowledged),
        cmocka_unit_test(test_goes_behind_people),
        cmocka_unit_test(test_replaced_texts_stay),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_accounts_of_tickets),
        cmocka_unit_test(test_who_is_asked),
        cmocka_unit_test(test_asked_when_there_are_words),
        cmocka_unit_test(test_not_needed),
        cmocka_unit_test(test_not_needed_but_grave),
        cmocka_unit_test(test_leaves_replies_to_people),
        cmocka_unit_test(test_message_of_a_reply),
        cmocka_unit_test(test_receipts_only),
        cmocka_unit_test(test_all_is_withdrawn),
        cmocka_unit_test(test_several_die_at_once),
        cmocka_unit_test(test_a_promise_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
