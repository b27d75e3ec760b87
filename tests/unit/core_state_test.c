/* Proves the rules of the state machine one by one, with a small state and a table of cases where a rule has cases. Each command
 * also checks that an error changed nothing and that the digest kept up is the digest computed (core_kit.h). */
#include "core/layout.h" /* of an older checkpoint's globals, and of one that is at its four billionth record */
#include "core_kit.h"

#include <stdio.h>

/* --- messages ------------------------------------------------------------------------------------------------------------- */

static void
test_a_message_opens_a_ticket(void **unused)
{
    struct kit            kit;
    struct aw_command     command;
    struct aw_out_message out;
    struct aw_ticket_view view;

    (void)unused;
    kit_open(&kit);
    command =
        kit_try_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL, .gentle = true, .reply_by = 5});
    out = command.out.u.message;
    assert_true(command.out.changed);
    assert_int_equal(command.out.seq, 1);
    assert_int_equal(command.out.prev_seq, 0);
    assert_int_equal(out.ticket.seq, 1);
    assert_int_equal(out.ticket.shard, KIT_SHARD);
    assert_int_equal(out.record_seq, 1);
    assert_int_equal(out.related.seq, 0);
    assert_true(aw_slice_eq(out.lane_name, AW_SLICE("main")));
    assert_false(out.folded || out.reopened || out.duplicate || out.lane_unknown);
    view = kit_view(&kit, out.ticket);
    assert_int_equal(view.state, AW_TICKET_WAITING);
    assert_int_equal(view.class_, AW_CLASS_GENERAL);
    assert_true(view.gentle);
    assert_int_equal(view.messages_total, 1);
    assert_int_equal(view.message_seq, 1);
    assert_int_equal(view.last_seq, 1);
    assert_int_equal(view.opened_at, KIT_START);
    assert_int_equal(view.reply_by, 5);
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(command.out.event.slot, out.ticket.slot);
    assert_int_equal(command.out.event.version, view.version);
    assert_int_equal(command.out.event.class_, AW_CLASS_GENERAL);
    assert_int_equal(command.out.event.key, KIT_START);
    kit_close(&kit);
}

static void
test_a_source_id_is_a_duplicate_for_its_time(void **unused)
{
    struct kit              kit;
    struct aw_command       first, again;
    struct aw_core_settings settings = AW_CORE_SETTINGS_DEFAULT;
    struct aw_command       set = {.kind = AW_COMMAND_SETTINGS};

    (void)unused;
    kit_open(&kit);
    first = kit_try_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_OTHER});
    kit.now += settings.dedupe_ms; /* the last moment */
    again = kit_try_post(&kit, (struct kit_post){.id = 1, .who = {2}, .class_ = AW_CLASS_CARE});
    assert_int_equal(again.out.err, AW_OK);
    assert_false(again.out.changed);
    assert_true(again.out.u.message.duplicate);
    assert_int_equal(again.out.u.message.first_seq, first.out.seq);
    assert_int_equal(again.out.event.kind, AW_EVENT_NONE);
    kit.now++;
    again = kit_try_post(&kit, (struct kit_post){.id = 1, .who = {2}, .class_ = AW_CLASS_CARE});
    assert_true(again.out.changed);
    assert_false(again.out.u.message.duplicate);
    /* Shorter, then longer: what was forgotten in between stays forgotten; what was not is known again for its full time. */
    set.in.settings = settings;
    set.in.settings.dedupe_ms = KIT_HOUR;
    assert_int_equal(kit_apply(&kit, &set), AW_OK);
    kit.now += 10;
    (void)kit_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_OTHER});
    kit.now += KIT_HOUR;
    set.in.settings.dedupe_ms = KIT_DAY;
    assert_int_equal(kit_apply(&kit, &set), AW_OK);
    assert_false(kit_post(&kit, (struct kit_post){.id = 1, .who = {2}, .class_ = AW_CLASS_CARE}).duplicate);
    assert_true(kit_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_OTHER}).duplicate);
    kit_close(&kit);
}

static void
test_age_counts_from_receipt_within_the_backdate(void **unused)
{
    static const struct {
        int64_t received; /* before acceptance; 0: not sent */
        int64_t age;      /* before acceptance */
    } cases[] = {{0, 0}, {1, 1}, {5000, 5000}, {24 * 3600000, 24 * 3600000}, {24 * 3600000 + 1, 0}, {-1, 0}, {-100000, 0}};
    struct kit kit;

    (void)unused;
    kit_open(&kit);
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        aw_ms               received = cases[i].received == 0 ? 0 : kit.now - (aw_ms)cases[i].received;
        struct aw_ticket_id ticket =
            kit_post(&kit, (struct kit_post){.id = i, .who = {i + 1}, .class_ = AW_CLASS_OTHER, .received_at = received}).ticket;
        struct aw_ticket_view view = kit_view(&kit, ticket);

        assert_int_equal(view.age, kit.now - (aw_ms)cases[i].age);
        assert_int_equal(view.opened_at, kit.now);
        assert_int_equal(view.key, view.age);
    }
    kit_close(&kit);
}

/* --- lanes ---------------------------------------------------------------------------------------------------------------- */

static void
test_a_lane_is_chosen_by_name_then_by_match(void **unused)
{
    struct aw_slice            german[] = {AW_SLICE("de"), AW_SLICE("de-AT")}, english[] = {AW_SLICE("en")};
    struct aw_slice            twitter[] = {AW_SLICE("twitter")}, refund[] = {AW_SLICE("refund"), AW_SLICE("money")};
    struct aw_slice            second[] = {AW_SLICE("second")};
    const struct aw_lane_match is_german = {.langs = german, .lang_count = 2};
    const struct aw_lane_match is_german_twitter = {.langs = german, .lang_count = 2, .channels = twitter, .channel_count = 1};
    const struct aw_lane_match is_refund = {.tags = refund, .tag_count = 2};
    const struct aw_lane_match is_english_second = {
        .langs = english, .lang_count = 1, .accounts = second, .account_count = 1, .tags = refund, .tag_count = 2};
    const struct {
        struct kit_post post;
        const char     *lane;
        bool            unknown;
    } cases[] = {
        {{.lang = "fr"}, "main", false},
        {{.lang = "de", .channel = "mail"}, "german", false},
        {{.lang = "de-AT", .channel = "mail"}, "german", false},
        {{.lang = "de-ATX", .channel = "mail"}, "main", false},
        {{.lang = "de", .channel = "twitter"}, "german-twitter", false},
        {{.lang = "de", .channel = "mail", .tags = {AW_SLICE("money")}}, "german", false}, /* as many lists: the smaller index */
        {{.lang = "de", .channel = "twitter", .tags = {AW_SLICE("money")}}, "german-twitter", false},
        {{.lang = "fr", .tags = {AW_SLICE("x"), AW_SLICE("refund")}}, "refunds", false},
        {{.lang = "fr", .tags = {AW_SLICE("x")}}, "main", false},
        {{.lang = "en", .account = "second", .tags = {AW_SLICE("refund")}}, "english-second", false},
        {{.lang = "en", .account = "other", .tags = {AW_SLICE("refund")}}, "refunds", false},
        {{.lang = "de", .lane = "refunds"}, "refunds", false},
        {{.lang = "de", .lane = "nowhere"}, "main", true}, /* not by match: that is what the reason would not explain */
        {{.lang = "de", .lane = "plain"}, "plain", false},
        {{.lang = "de", .lane = "main"}, "main", false},
        {{.lang = "de", .addressed = AW_ADDRESSED_ABOUT_US}, "listening", false},
        {{.lang = "de", .lane = "refunds", .addressed = AW_ADDRESSED_BYSTANDER}, "listening", false},
    };
    struct kit kit;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(kit_lane(&kit, "plain", AW_LANE_OPEN, NULL).out.u.lane.lane, 2);
    assert_int_equal(kit_lane(&kit, "german", AW_LANE_OPEN, &is_german).out.u.lane.lane, 3);
    assert_int_equal(kit_lane(&kit, "german-twitter", AW_LANE_OPEN, &is_german_twitter).out.err, AW_OK);
    assert_int_equal(kit_lane(&kit, "refunds", AW_LANE_OPEN, &is_refund).out.err, AW_OK);
    assert_int_equal(kit_lane(&kit, "english-second", AW_LANE_OPEN, &is_english_second).out.err, AW_OK);
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        struct kit_post       post = cases[i].post;
        struct aw_out_message out;

        post.id = i;
        post.who[0] = i + 1;
        post.class_ = AW_CLASS_OTHER;
        out = kit_post(&kit, post);
        if (!aw_slice_eq(out.lane_name, aw_slice_str(cases[i].lane)))
            fail_msg("case %zu went to %.*s, not to %s", i, AW_SLICE_ARGS(out.lane_name), cases[i].lane);
        assert_int_equal(out.lane_unknown, cases[i].unknown);
    }
    kit_close(&kit);
}

static void
test_lanes_are_made_changed_and_versioned(void **unused)
{
    struct aw_slice       langs[AW_LANE_MATCH_MAX + 1], values[4 * AW_LANE_MATCH_MAX];
    struct aw_lane_match  match = {.langs = langs, .lang_count = 2};
    struct aw_lane_answer answer;
    struct aw_command     command;
    struct kit            kit;
    uint32_t              lane;

    (void)unused;
    kit_open(&kit);
    for (size_t i = 0; i < AW_ARRAY_LEN(langs); i++)
        langs[i] = AW_SLICE("de");
    assert_int_equal(aw_state_lane_count(kit.state), 2);
    assert_int_equal(aw_state_find_lane(kit.state, AW_SLICE("listening"), &lane), AW_OK);
    assert_int_equal(lane, 1);
    assert_int_equal(aw_state_find_lane(kit.state, AW_SLICE("Main"), &lane), AW_E_NOT_FOUND);

    command = kit_lane(&kit, "de", AW_LANE_OPEN, &match);
    assert_true(command.out.changed && command.out.u.lane.created);
    assert_int_equal(command.out.u.lane.version, 1);
    assert_int_equal(command.out.event.kind, AW_EVENT_LANE);
    assert_int_equal(command.out.event.lane, 2);
    command = kit_lane(&kit, "de", AW_LANE_OPEN, &match); /* the same again */
    assert_false(command.out.changed || command.out.u.lane.created);
    assert_int_equal(command.out.u.lane.version, 1);
    command = kit_lane(&kit, "de", AW_LANE_PAUSED_OUT, &match);
    assert_int_equal(command.out.event.kind, AW_EVENT_LANE);
    assert_int_equal(command.out.event.pause, AW_LANE_PAUSED_OUT);
    assert_int_equal(command.out.u.lane.version, 2);
    match.lang_count = 1;
    command = kit_lane(&kit, "de", AW_LANE_PAUSED_OUT, &match);
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE); /* no queue needs to know */
    assert_int_equal(command.out.u.lane.version, 3);
    aw_state_lane(kit.state, 2, values, &answer);
    assert_true(aw_slice_eq(answer.name, AW_SLICE("de")));
    assert_int_equal(answer.pause, AW_LANE_PAUSED_OUT);
    assert_int_equal(answer.match.lang_count, 1);
    assert_int_equal(answer.match.tag_count, 0);
    assert_true(aw_slice_eq(answer.match.langs[0], AW_SLICE("de")));
    assert_int_equal(answer.version, 3);

    command = (struct aw_command){.kind = AW_COMMAND_LANE, .in.lane = {.name = AW_SLICE("de"), .if_match.version = 2}};
    assert_int_equal(kit_apply(&kit, &command), AW_E_PRECONDITION);
    command.in.lane.if_match.version = 3;
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    /* Any version, but one; or one of several; or none that there is. */
    command.in.lane = (struct aw_in_lane){.name = AW_SLICE("new"), .if_match.version = AW_VERSION_SOME};
    assert_int_equal(kit_apply(&kit, &command), AW_E_PRECONDITION);
    command.in.lane = (struct aw_in_lane){
        .name = AW_SLICE("de"), .if_match = {.version = 9, .others = (const uint64_t[]){AW_VERSION_NONE, 8}, .other_count = 2}};
    assert_int_equal(kit_apply(&kit, &command), AW_E_PRECONDITION);
    command.in.lane = (struct aw_in_lane){.name = AW_SLICE("new"), .if_match.version = 1};
    assert_int_equal(kit_apply(&kit, &command), AW_E_PRECONDITION);
    command.in.lane = (struct aw_in_lane){.name = AW_SLICE("de"), .pause = AW_LANE_PAUSED_IN, .only_create = true};
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_false(command.out.changed);
    command.in.lane.name = AW_SLICE("created");
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.u.lane.created);
    kit_close(&kit);
}

static void
test_lanes_have_limits(void **unused)
{
    struct aw_slice      langs[AW_LANE_MATCH_MAX + 1];
    struct aw_lane_match match = {.langs = langs, .lang_count = AW_LANE_MATCH_MAX};
    struct aw_command    command = {.kind = AW_COMMAND_LANE, .in.lane = {.name = AW_SLICE("9")}};
    struct kit           kit;
    char                 name[AW_LANE_BYTES_MAX + 2];

    (void)unused;
    kit_open(&kit);
    for (size_t i = 0; i < AW_ARRAY_LEN(langs); i++)
        langs[i] = AW_SLICE("de");
    assert_int_equal(kit_lane(&kit, "full", AW_LANE_OPEN, &match).out.err, AW_OK);
    match.lang_count = AW_LANE_MATCH_MAX + 1;
    assert_int_equal(kit_lane(&kit, "x", AW_LANE_OPEN, &match).out.err, AW_E_BAD_VALUE);
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(kit_lane(&kit, name, AW_LANE_OPEN, NULL).out.err, AW_E_BAD_VALUE);
    assert_int_equal(kit_lane(&kit, "", AW_LANE_OPEN, NULL).out.err, AW_E_BAD_VALUE);
    name[AW_LANE_BYTES_MAX] = '\0';
    assert_int_equal(kit_lane(&kit, name, AW_LANE_OPEN, NULL).out.err, AW_OK);
    /* kit_limits: 8 lanes */
    assert_int_equal(kit_lane(&kit, "5", AW_LANE_OPEN, NULL).out.err, AW_OK);
    assert_int_equal(kit_lane(&kit, "6", AW_LANE_OPEN, NULL).out.err, AW_OK);
    assert_int_equal(kit_lane(&kit, "7", AW_LANE_OPEN, NULL).out.err, AW_OK);
    assert_int_equal(kit_lane(&kit, "8", AW_LANE_OPEN, NULL).out.err, AW_OK);
    assert_int_equal(kit_lane(&kit, "9", AW_LANE_OPEN, NULL).out.err, AW_E_TABLE_FULL);
    assert_int_equal(kit_lane(&kit, "8", AW_LANE_PAUSED_IN, NULL).out.err, AW_OK);
    assert_int_equal(aw_state_admits(kit.state, &command), AW_E_TABLE_FULL);
    command.in.lane.if_match.version = AW_VERSION_SOME; /* another refusal goes before */
    assert_int_equal(aw_state_admits(kit.state, &command), AW_OK);
    assert_int_equal(kit_apply(&kit, &command), AW_E_PRECONDITION);
    kit_close(&kit);
}

static void
test_a_paused_lane_takes_nothing_in_or_gives_nothing_out(void **unused)
{
    static const struct {
        enum aw_lane_pause pause;
        bool               in;
        bool               out;
    } cases[] = {{AW_LANE_OPEN, true, true},
                 {AW_LANE_PAUSED_IN, false, true},
                 {AW_LANE_PAUSED_OUT, true, false},
                 {AW_LANE_PAUSED_BOTH, false, false}};
    struct kit kit;

    (void)unused;
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        struct aw_ticket_id waiting, closed;
        struct aw_command   command;

        kit_open(&kit);
        waiting = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_OTHER}).ticket;
        closed = kit_answered(&kit, 2, 2);
        (void)kit_lane(&kit, "main", cases[i].pause, NULL);
        command = kit_try_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_OTHER});
        assert_int_equal(command.out.err, cases[i].in ? AW_OK : AW_E_LANE_PAUSED);
        command = kit_try_post(&kit, (struct kit_post){.id = 4, .who = {2}, .class_ = AW_CLASS_OTHER});
        assert_int_equal(command.out.err, cases[i].in ? AW_OK : AW_E_LANE_PAUSED);
        assert_int_equal(kit_view(&kit, closed).state, cases[i].in ? AW_TICKET_WAITING : AW_TICKET_CLOSED);
        assert_true(kit_post(&kit, (struct kit_post){.id = 5, .who = {1}, .class_ = AW_CLASS_OTHER}).folded);
        command = kit_try_lease(&kit, waiting.slot, kit_view(&kit, waiting).version, "ann", KIT_MINUTE);
        assert_int_equal(command.out.err, cases[i].out ? AW_OK : AW_E_STALE);
        kit_close(&kit);
    }
}

/* --- folding -------------------------------------------------------------------------------------------------------------- */

static void
test_a_customer_has_one_ticket(void **unused)
{
    struct kit            kit;
    struct aw_out_message first, out;
    struct aw_ticket_view view;
    struct aw_command     command;

    (void)unused;
    kit_open(&kit);
    first = kit_post(&kit, (struct kit_post){.id = 1, .who = {1, 10}, .class_ = AW_CLASS_GENERAL, .reply_by = 7});
    kit.now += 1000;
    command = kit_try_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_OTHER});
    out = command.out.u.message;
    assert_true(out.folded);
    assert_int_equal(out.ticket.seq, first.ticket.seq);
    assert_int_equal(command.out.prev_seq, 1);
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE); /* neither gains nor loses its place */
    view = kit_view(&kit, first.ticket);
    assert_int_equal(view.class_, AW_CLASS_GENERAL);
    assert_int_equal(view.age, KIT_START);
    assert_int_equal(view.messages_total, 2);
    assert_int_equal(view.message_seq, 2);
    assert_int_equal(view.reply_by, 7);
    /* By the verified identity alone, and from now on by the identity that this one brings. */
    assert_true(kit_post(&kit, (struct kit_post){.id = 3, .who = {2, 10}, .class_ = AW_CLASS_OTHER}).folded);
    out = kit_post(&kit, (struct kit_post){.id = 4, .who = {2}, .class_ = AW_CLASS_OTHER});
    assert_true(out.folded);
    assert_int_equal(out.ticket.slot, first.ticket.slot);
    assert_false(kit_post(&kit, (struct kit_post){.id = 5, .who = {3}, .class_ = AW_CLASS_OTHER}).folded);
    /* Talk about us is never folded, not even onto itself. */
    for (uint64_t id = 6; id < 8; id++) {
        out =
            kit_post(&kit, (struct kit_post){.id = id, .who = {1}, .class_ = AW_CLASS_OTHER, .addressed = AW_ADDRESSED_ABOUT_US});
        assert_false(out.folded);
    }
    kit_close(&kit);
}

static void
test_of_two_open_tickets_the_older_is_joined(void **unused)
{
    struct kit            kit;
    struct aw_out_message a, b, c, out;

    (void)unused;
    kit_open(&kit);
    a = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_OTHER});
    b = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_OTHER});
    c = kit_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_OTHER});
    out = kit_post(&kit, (struct kit_post){.id = 4, .who = {3, 2, 1}, .class_ = AW_CLASS_OTHER});
    assert_int_equal(out.ticket.seq, a.ticket.seq);
    assert_int_equal(out.related.seq, b.ticket.seq);
    out =
        kit_post(&kit, (struct kit_post){.id = 5, .who = {3}, .class_ = AW_CLASS_OTHER}); /* now also an identity of the older */
    assert_int_equal(out.ticket.seq, a.ticket.seq);
    assert_int_equal(out.related.seq, c.ticket.seq);
    /* With the older closed, the open one counts, not the one to reopen. */
    kit_complete(&kit, kit_lease(&kit, a.ticket, "ann", KIT_MINUTE), "ann");
    out = kit_post(&kit, (struct kit_post){.id = 6, .who = {3}, .class_ = AW_CLASS_OTHER});
    assert_int_equal(out.ticket.seq, c.ticket.seq);
    assert_true(out.folded);
    kit_close(&kit);
}

static void
test_a_closed_ticket_reopens_for_a_while(void **unused)
{
    struct kit            kit;
    struct aw_ticket_id   a, b;
    struct aw_command     command;
    struct aw_ticket_view view;
    uint64_t              reopen_ms = AW_CORE_SETTINGS_DEFAULT.reopen_ms;

    (void)unused;
    kit_open(&kit);
    a = kit_answered(&kit, 1, 1);
    kit.now += KIT_MINUTE;
    b = kit_answered(&kit, 2, 2);
    assert_int_equal(kit_view(&kit, b).closed_at, kit.now);
    kit.now += reopen_ms - KIT_MINUTE - 1;
    /* Both match: the one closed last reopens, with its age. */
    command = kit_try_post(&kit, (struct kit_post){.id = 3, .who = {1, 2}, .class_ = AW_CLASS_OTHER});
    assert_true(command.out.u.message.reopened);
    assert_false(command.out.u.message.folded);
    assert_int_equal(command.out.u.message.ticket.seq, b.seq);
    assert_int_equal(command.out.u.message.related.seq, 0);
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    view = kit_view(&kit, b);
    assert_int_equal(view.state, AW_TICKET_WAITING);
    assert_int_equal(view.age, KIT_START + KIT_MINUTE);
    assert_int_equal(view.class_, AW_CLASS_GENERAL);
    assert_int_equal(view.closed_at, 0);
    assert_int_equal(command.out.event.version, view.version);
    /* `a` could reopen for one millisecond more, but its customer is found in `b`, which is open. */
    assert_int_equal(kit_post(&kit, (struct kit_post){.id = 4, .who = {1}, .class_ = AW_CLASS_OTHER}).ticket.seq, b.seq);
    assert_int_equal(kit_view(&kit, a).state, AW_TICKET_CLOSED);
    kit_close(&kit);

    kit_open(&kit);
    a = kit_answered(&kit, 1, 1);
    kit.now += reopen_ms;
    command = kit_try_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_OTHER});
    assert_false(command.out.u.message.reopened);
    assert_int_not_equal(command.out.u.message.ticket.seq, a.seq);
    assert_int_equal(aw_state_ticket(kit.state, a, &view), AW_E_NOT_FOUND); /* its slot was taken at once */
    kit_close(&kit);
}

static void
test_an_identity_names_few_tickets(void **unused)
{
    struct aw_state_limits limits = kit_limits();
    struct aw_state_counts counts;
    struct kit             kit;
    struct aw_ticket_id    tickets[AW_IDENTITY_TICKETS_MAX + 2];
    struct aw_out_message  out;
    uint64_t               id = 1;

    (void)unused;
    limits.identities_max = 1000;
    kit_open_with(&kit, &limits);
    /* A shared number gets into ever older tickets: it joins the oldest and is missed in the youngest. */
    for (uint64_t i = 0; i < AW_ARRAY_LEN(tickets); i++)
        tickets[i] = kit_post(&kit, (struct kit_post){.id = id++, .who = {i + 1}, .class_ = AW_CLASS_OTHER}).ticket;
    for (uint64_t i = AW_ARRAY_LEN(tickets); i-- > 0;) {
        out = kit_post(&kit, (struct kit_post){.id = id++, .who = {i + 1, 100}, .class_ = AW_CLASS_OTHER});
        assert_int_equal(out.ticket.seq, tickets[i].seq);
        out = kit_post(&kit, (struct kit_post){.id = id++, .who = {100}, .class_ = AW_CLASS_OTHER});
        assert_int_equal(out.ticket.seq, tickets[i].seq);
    }
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.identities, AW_ARRAY_LEN(tickets) + AW_IDENTITY_TICKETS_MAX);
    kit_close(&kit);
}

/* The same, with rows that lie in another order than the tickets: who gives way is the youngest ticket, not the first row. */
static void
test_the_youngest_ticket_gives_an_identity_up(void **unused)
{
    struct aw_state_limits limits = kit_limits();
    struct kit             kit;
    struct aw_ticket_id    tickets[AW_IDENTITY_TICKETS_MAX + 2];
    uint64_t               id = 1;

    (void)unused;
    limits.identities_max = 1000;
    kit_open_with(&kit, &limits);
    for (uint64_t i = 0; i < AW_ARRAY_LEN(tickets); i++)
        tickets[i] = kit_post(&kit, (struct kit_post){.id = id++, .who = {i + 1}, .class_ = AW_CLASS_OTHER}).ticket;
    for (uint64_t i = 0; i < 4; i++) { /* rows that will be free, the last one first */
        struct aw_ticket_id gone =
            kit_post(&kit, (struct kit_post){.id = id++, .who = {50 + i}, .class_ = AW_CLASS_OTHER}).ticket;

        assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_CANCEL, gone, 0, 0).out.err, AW_OK);
    }
    kit.now += AW_CORE_SETTINGS_DEFAULT.reopen_ms;
    (void)kit_post(&kit, (struct kit_post){.id = id++, .who = {60}, .class_ = AW_CLASS_OTHER});
    for (uint64_t i = AW_ARRAY_LEN(tickets); i-- > 0;)
        (void)kit_post(&kit, (struct kit_post){.id = id++, .who = {i + 1, 100}, .class_ = AW_CLASS_OTHER});
    for (uint64_t i = 0; i < AW_IDENTITY_TICKETS_MAX; i++) {
        struct aw_out_message out = kit_post(&kit, (struct kit_post){.id = id++, .who = {100}, .class_ = AW_CLASS_OTHER});

        assert_int_equal(out.ticket.seq, tickets[i].seq);
        assert_int_equal(out.related.seq, i + 1 < AW_IDENTITY_TICKETS_MAX ? tickets[i + 1].seq : 0);
        assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_CANCEL, tickets[i], 0, 0).out.err, AW_OK);
    }
    kit_close(&kit);
}

static void
test_a_ticket_stops_collecting_identities(void **unused)
{
    struct aw_state_limits limits = kit_limits();
    struct kit             kit;

    (void)unused;
    limits.identities_max = 1000;
    kit_open_with(&kit, &limits);
    for (uint64_t i = 0; i < AW_TICKET_IDENTITIES_MAX; i++)
        (void)kit_post(&kit, (struct kit_post){.id = i, .who = {1, i + 2}, .class_ = AW_CLASS_OTHER});
    assert_true(kit_post(&kit, (struct kit_post){.id = 200, .who = {AW_TICKET_IDENTITIES_MAX}, .class_ = AW_CLASS_OTHER}).folded);
    assert_false(
        kit_post(&kit, (struct kit_post){.id = 201, .who = {AW_TICKET_IDENTITIES_MAX + 1}, .class_ = AW_CLASS_OTHER}).folded);
    kit_close(&kit);
}

/* Every name that a message can bring is taken in, and finds the ticket again. */
static void
test_a_message_with_all_identities_opens_a_ticket(void **unused)
{
    struct aw_state_limits limits = kit_limits();
    struct kit_post        post = {.id = 1, .class_ = AW_CLASS_OTHER};
    struct aw_ticket_id    ticket;
    struct kit             kit;

    (void)unused;
    limits.identities_max = 1000;
    kit_open_with(&kit, &limits);
    for (uint64_t i = 0; i < AW_IDENTITY_HASHES_MAX; i++)
        post.who[i] = i + 1;
    ticket = kit_post(&kit, post).ticket;
    for (uint64_t i = 0; i < AW_IDENTITY_HASHES_MAX; i++) {
        struct aw_out_message again = kit_post(&kit, (struct kit_post){.id = i + 2, .who = {i + 1}, .class_ = AW_CLASS_OTHER});

        assert_true(again.folded);
        assert_int_equal(again.ticket.slot, ticket.slot);
    }
    kit_close(&kit);
}

/* --- class and departure -------------------------------------------------------------------------------------------------- */

static void
test_class_follows_facts_and_the_clock(void **unused)
{
    const enum aw_class care = AW_CLASS_CARE, imminent = AW_CLASS_IMMINENT, disrupted = AW_CLASS_DISRUPTED;
    const enum aw_class general = AW_CLASS_GENERAL, other = AW_CLASS_OTHER;
    const struct {
        enum aw_class class_;
        int64_t       departs; /* minutes from now; INT64_MAX: none */
        enum aw_class want;
    } cases[] = {
        {care, INT64_MAX, care},
        {care, 60, care},
        {general, INT64_MAX, general},
        {general, 60, imminent},
        {other, 60, imminent},
        {disrupted, 60, imminent},
        {general, 360, imminent},
        {general, 361, general},
        {general, 5, imminent},
        {general, 4, general},
        {disrupted, -5, disrupted},
        {other, -500, other},
        {imminent, INT64_MAX, disrupted},
        {imminent, 60, imminent},
        {imminent, 4, disrupted},
        {imminent, 1000, disrupted},
    };
    struct kit kit;

    (void)unused;
    kit_open(&kit);
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        aw_ms                 departs = cases[i].departs == INT64_MAX ? 0 : kit.now + (aw_ms)(cases[i].departs * 60000);
        struct aw_out_message out =
            kit_post(&kit, (struct kit_post){.id = i, .who = {i + 1}, .class_ = cases[i].class_, .departs_at = departs});

        if (out.class_ != cases[i].want)
            fail_msg("case %zu: class %d", i, (int)out.class_);
        assert_int_equal(kit_view(&kit, out.ticket).key, out.class_ == AW_CLASS_IMMINENT ? departs : kit.now);
    }
    kit_close(&kit);
}

static void
test_the_clock_makes_a_ticket_imminent_and_then_disrupted(void **unused)
{
    struct kit            kit;
    struct aw_ticket_id   ticket, held;
    struct aw_command     command;
    aw_ms                 departs = KIT_START + 10 * KIT_HOUR;
    struct aw_ticket_view view;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_OTHER, .departs_at = departs}).ticket;
    held = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_OTHER, .departs_at = departs}).ticket;
    (void)kit_on_ticket(&kit, AW_COMMAND_HOLD, held, 0, 0);
    assert_int_equal(aw_state_next_due(kit.state), KIT_START + 4 * KIT_HOUR);
    kit.now = KIT_START + 4 * KIT_HOUR - 1;
    assert_false(aw_state_due(kit.state, kit.now, &command));
    kit.now++;
    assert_true(aw_state_due(kit.state, kit.now, &command));
    assert_int_equal(command.in.timer.slot, ticket.slot); /* of two at one time the smaller slot */
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(command.out.event.class_, AW_CLASS_IMMINENT);
    assert_int_equal(command.out.event.key, departs);
    assert_int_equal(command.out.event.age, KIT_START);
    assert_int_equal(command.out.prev_seq, 1);
    assert_true(aw_state_due(kit.state, kit.now, &command));
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_true(command.out.changed);
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE); /* held: in no queue */
    assert_int_equal(kit_view(&kit, held).class_, AW_CLASS_IMMINENT);
    /* The last moment at which it can still be made is five minutes before. */
    assert_int_equal(aw_state_next_due(kit.state), departs - 5 * KIT_MINUTE + 1);
    assert_int_equal(kit_wait(&kit, departs - 5 * KIT_MINUTE - kit.now), 0);
    assert_int_equal(kit_wait(&kit, 1), 2);
    view = kit_view(&kit, ticket);
    assert_int_equal(view.class_, AW_CLASS_DISRUPTED);
    assert_int_equal(view.key, KIT_START);
    assert_int_equal(kit_view(&kit, held).state, AW_TICKET_HELD);
    assert_int_equal(kit_view(&kit, held).class_, AW_CLASS_DISRUPTED);
    assert_int_equal(aw_state_next_due(kit.state), 0);
    kit_close(&kit);
}

/* Four hours before its channel closes a ticket is looked for by that time too, until the last moment at which it can be
 * handled. */
static void
test_the_clock_makes_a_ticket_closing(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket, held, care;
    struct aw_command   command;
    aw_ms               reply_by = KIT_START + 24 * KIT_HOUR;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL, .reply_by = reply_by}).ticket;
    held = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL, .reply_by = reply_by}).ticket;
    care = kit_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_CARE, .reply_by = reply_by}).ticket;
    (void)kit_on_ticket(&kit, AW_COMMAND_HOLD, held, 0, 0);
    assert_false(kit_view(&kit, ticket).closing);
    assert_int_equal(aw_state_next_due(kit.state), reply_by - AW_CLOSING_MS);
    kit.now = reply_by - AW_CLOSING_MS;
    assert_true(aw_state_due(kit.state, kit.now, &command));
    assert_int_equal(command.in.timer.slot, ticket.slot);
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(command.out.event.class_, AW_CLASS_GENERAL);
    assert_int_equal(command.out.event.key, KIT_START); /* its place by age is the same */
    assert_int_equal(command.out.event.reply_by, reply_by);
    assert_true(command.out.event.closing);
    assert_true(aw_state_due(kit.state, kit.now, &command));
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE); /* held: in no queue */
    assert_true(kit_view(&kit, held).closing);
    assert_false(kit_view(&kit, care).closing); /* goes first anyway */
    /* Six minutes are what a general one takes. */
    assert_int_equal(aw_state_next_due(kit.state), reply_by - 6 * KIT_MINUTE + 1);
    assert_int_equal(kit_wait(&kit, reply_by - 6 * KIT_MINUTE - kit.now), 0);
    assert_int_equal(kit_wait(&kit, 1), 2);
    assert_false(kit_view(&kit, ticket).closing);
    assert_int_equal(aw_state_next_due(kit.state), 0);
    kit_close(&kit);
}

/* Who writes again neither gains nor loses time, but for a channel that closes sooner, or one that was closed. */
static void
test_reply_by_is_that_of_the_first_message(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket, other;
    struct aw_command   command;
    aw_ms               day = KIT_START + 24 * KIT_HOUR;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    command = kit_try_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_OTHER, .reply_by = day});
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED); /* pulls learn of it */
    assert_int_equal(command.out.event.reply_by, day);
    assert_false(command.out.event.closing);
    command = kit_try_post(&kit, (struct kit_post){.id = 3, .who = {1}, .class_ = AW_CLASS_OTHER, .reply_by = day + 1});
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    command = kit_try_post(&kit, (struct kit_post){.id = 4, .who = {1}, .class_ = AW_CLASS_OTHER, .reply_by = KIT_START});
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE); /* over when it came */
    assert_int_equal(kit_view(&kit, ticket).reply_by, day);
    command =
        kit_try_post(&kit, (struct kit_post){.id = 5, .who = {1}, .class_ = AW_CLASS_OTHER, .reply_by = day - 22 * KIT_HOUR});
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_true(command.out.event.closing);
    /* A message between the moment and its timer: the ticket is closing from then on, and its queues hear of it. */
    other =
        kit_post(&kit, (struct kit_post){.id = 20, .who = {9}, .class_ = AW_CLASS_GENERAL, .reply_by = kit.now + 5 * KIT_HOUR})
            .ticket;
    kit.now += KIT_HOUR;
    command = kit_try_post(&kit, (struct kit_post){.id = 21, .who = {9}, .class_ = AW_CLASS_OTHER});
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_true(command.out.event.closing);
    kit_complete(&kit, kit_lease(&kit, other, "ann", KIT_HOUR), "ann");
    /* Missed; then the customer opens the channel anew. */
    assert_int_equal(kit_wait(&kit, 2 * KIT_HOUR), 1);
    assert_int_equal(kit_view(&kit, ticket).reply_by, day - 22 * KIT_HOUR);
    assert_false(kit_view(&kit, ticket).closing);
    (void)kit_try_post(&kit, (struct kit_post){.id = 6, .who = {1}, .class_ = AW_CLASS_OTHER});
    assert_int_equal(kit_view(&kit, ticket).reply_by, day - 22 * KIT_HOUR);
    (void)kit_try_post(&kit, (struct kit_post){.id = 7, .who = {1}, .class_ = AW_CLASS_OTHER, .reply_by = day + KIT_HOUR});
    assert_int_equal(kit_view(&kit, ticket).reply_by, day + KIT_HOUR);
    /* An answer settles it: what comes after reopening counts alone. */
    kit_complete(&kit, kit_lease(&kit, ticket, "ann", KIT_HOUR), "ann");
    (void)kit_try_post(&kit, (struct kit_post){.id = 8, .who = {1}, .class_ = AW_CLASS_OTHER, .reply_by = day + 2 * KIT_HOUR});
    assert_int_equal(kit_view(&kit, ticket).reply_by, day + 2 * KIT_HOUR);
    kit_close(&kit);
}

static void
test_a_follow_up_raises_and_never_lowers(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_command   command;
    struct aw_lease_id  lease;
    uint32_t            version;
    aw_ms               later = KIT_START + 5 * KIT_HOUR, sooner = KIT_START + 3 * KIT_HOUR;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    version = kit_view(&kit, ticket).version;
    command = kit_try_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_OTHER, .departs_at = later});
    assert_int_equal(command.out.u.message.class_, AW_CLASS_IMMINENT);
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(command.out.event.version, version + 1);
    assert_int_equal(command.out.event.key, later);
    /* An earlier departure moves it within its class; a later one is not news. */
    command = kit_try_post(&kit, (struct kit_post){.id = 3, .who = {1}, .class_ = AW_CLASS_OTHER, .departs_at = sooner});
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(command.out.event.key, sooner);
    command = kit_try_post(&kit, (struct kit_post){.id = 4, .who = {1}, .class_ = AW_CLASS_DISRUPTED, .departs_at = later});
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    assert_int_equal(kit_view(&kit, ticket).departs_at, sooner);
    /* One that has left gives way to the next. */
    assert_int_equal(kit_wait(&kit, sooner - KIT_START), 1);
    assert_int_equal(kit_view(&kit, ticket).class_, AW_CLASS_IMMINENT);
    assert_int_equal(kit_view(&kit, ticket).key, later);
    (void)kit_try_post(&kit, (struct kit_post){.id = 5, .who = {1}, .class_ = AW_CLASS_OTHER, .departs_at = sooner - 1});
    assert_int_equal(kit_view(&kit, ticket).departs_at, later);
    (void)kit_try_post(&kit, (struct kit_post){.id = 6, .who = {1}, .class_ = AW_CLASS_OTHER, .departs_at = later});
    assert_int_equal(kit_view(&kit, ticket).class_, AW_CLASS_IMMINENT);
    /* Leased: the fields change, no queue hears of it; lowered it is not, not even by the clock, until it comes back. */
    lease = kit_lease(&kit, ticket, "ann", 50 * KIT_HOUR);
    kit.now = later;
    command = kit_try_post(&kit, (struct kit_post){.id = 7, .who = {1}, .class_ = AW_CLASS_OTHER});
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    assert_int_equal(kit_view(&kit, ticket).class_, AW_CLASS_IMMINENT);
    command = kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 1);
    assert_int_equal(command.out.event.class_, AW_CLASS_DISRUPTED);
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    command = kit_try_post(&kit, (struct kit_post){.id = 8, .who = {1}, .class_ = AW_CLASS_CARE, .gentle = true});
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    assert_int_equal(command.out.u.message.class_, AW_CLASS_CARE);
    command = kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 2);
    assert_int_equal(command.out.event.class_, AW_CLASS_CARE);
    command =
        kit_try_post(&kit, (struct kit_post){.id = 9, .who = {1}, .class_ = AW_CLASS_OTHER, .departs_at = kit.now + KIT_HOUR});
    assert_int_equal(command.out.u.message.class_, AW_CLASS_CARE); /* care is more than a flight */
    assert_true(kit_view(&kit, ticket).gentle);
    kit_close(&kit);
}

/* --- leases --------------------------------------------------------------------------------------------------------------- */

static void
test_a_lease_is_one_holders(void **unused)
{
    struct kit            kit;
    struct aw_ticket_id   ticket;
    struct aw_ticket_view view;
    struct aw_command     command;
    uint32_t              version;
    uint64_t              fence;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    version = kit_view(&kit, ticket).version;
    assert_int_equal(kit_try_lease(&kit, ticket.slot, version + 1, "ann", KIT_MINUTE).out.err, AW_E_STALE);
    assert_int_equal(kit_try_lease(&kit, ticket.slot + 1, version, "ann", KIT_MINUTE).out.err, AW_E_STALE);
    assert_int_equal(kit_try_lease(&kit, 0, 0, "ann", KIT_MINUTE).out.err, AW_E_STALE);
    assert_int_equal(kit_try_lease(&kit, ticket.slot, version, "", KIT_MINUTE).out.err, AW_E_BAD_VALUE);
    command = kit_try_lease(&kit, ticket.slot, version, "ann", KIT_MINUTE);
    assert_int_equal(command.out.err, AW_OK);
    assert_int_equal(command.out.event.kind, AW_EVENT_HIDDEN);
    assert_int_equal(command.out.event.version, version + 1);
    fence = command.out.u.lease.lease.fence;
    assert_int_equal(fence, command.out.seq);
    assert_int_equal(command.out.u.lease.attempt, 1);
    assert_int_equal(command.out.u.lease.message_seq, 1);
    assert_int_equal(command.out.u.lease.seen_seq, 0);
    assert_int_equal(command.out.u.lease.messages_total, 1);
    assert_int_equal(command.out.u.lease.last_seq, fence);
    assert_int_equal(command.out.u.lease.expires_at, kit.now + KIT_MINUTE);
    view = kit_view(&kit, ticket);
    assert_int_equal(view.state, AW_TICKET_LEASED);
    assert_true(aw_slice_eq(view.holder, AW_SLICE("ann")));
    assert_int_equal(view.seen_seq, 1);
    assert_int_equal(kit_try_lease(&kit, ticket.slot, view.version, "bob", KIT_MINUTE).out.err, AW_E_STALE);
    /* Expires, comes back with its age, and the next one's token is larger. */
    assert_int_equal(aw_state_next_due(kit.state), kit.now + KIT_MINUTE);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE - 1), 0);
    assert_int_equal(kit_wait(&kit, 1), 1);
    view = kit_view(&kit, ticket);
    assert_int_equal(view.state, AW_TICKET_WAITING);
    assert_int_equal(view.version, version + 2);
    assert_int_equal(view.key, KIT_START);
    command = kit_try_lease(&kit, ticket.slot, view.version, "bob", KIT_MINUTE);
    assert_true(command.out.u.lease.lease.fence > fence);
    assert_int_equal(command.out.u.lease.attempt, 2);
    kit_close(&kit);
}

static void
test_what_a_lost_lease_is_told(void **unused)
{
    static const struct {
        const char       *how;
        enum aw_lease_end end;
    } cases[] = {{"time", AW_LEASE_END_EXPIRED},     {"timer", AW_LEASE_END_EXPIRED}, {"release", AW_LEASE_END_RELEASED},
                 {"complete", AW_LEASE_END_CLOSED},  {"cancel", AW_LEASE_END_CLOSED}, {"taken", AW_LEASE_END_TAKEN_OVER},
                 {"reopened", AW_LEASE_END_EXPIRED}, {"held", AW_LEASE_END_EXPIRED}};
    static const enum aw_command_kind kinds[] = {AW_COMMAND_EXTEND, AW_COMMAND_COMPLETE, AW_COMMAND_RELEASE};
    struct kit                        kit;

    (void)unused;
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        const char         *how = cases[i].how;
        struct aw_ticket_id ticket;
        struct aw_lease_id  lease;

        kit_open(&kit);
        ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
        lease = kit_lease(&kit, ticket, "ann", KIT_MINUTE);
        if (strcmp(how, "time") == 0)
            kit.now += KIT_MINUTE; /* its timer was not applied: it is over all the same */
        else if (strcmp(how, "release") == 0)
            assert_int_equal(kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 1).out.err, AW_OK);
        else if (strcmp(how, "complete") == 0 || strcmp(how, "reopened") == 0)
            kit_complete(&kit, lease, "ann");
        else if (strcmp(how, "cancel") == 0)
            assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_CANCEL, ticket, 0, 0).out.err, AW_OK);
        else
            assert_int_equal(kit_wait(&kit, KIT_MINUTE), 1);
        if (strcmp(how, "taken") == 0)
            (void)kit_lease(&kit, ticket, "bob", KIT_MINUTE);
        if (strcmp(how, "held") == 0)
            assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, 0, 0).out.err, AW_OK);
        if (strcmp(how, "reopened") == 0)
            assert_true(kit_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_GENERAL}).reopened);
        for (size_t k = 0; k < AW_ARRAY_LEN(kinds); k++) {
            struct aw_command command = kit_fenced(&kit, kinds[k], lease, "ann", 99);

            if (command.out.err != AW_E_LEASE_LOST || command.out.u.lease.end != cases[i].end)
                fail_msg("%s, command %zu: err %d, end %d", how, k, (int)command.out.err, (int)command.out.u.lease.end);
        }
        kit_close(&kit);
    }
}

static void
test_a_lease_is_refused_to_others(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket, again;
    struct aw_lease_id  lease, wrong;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    lease = kit_lease(&kit, ticket, "ann", KIT_MINUTE);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "bob", 1).out.err, AW_E_FORBIDDEN);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_COMPLETE, lease, "an", 1).out.err, AW_E_FORBIDDEN);
    wrong = lease;
    wrong.slot = 40;
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_EXTEND, wrong, "ann", 1).out.err, AW_E_NOT_FOUND);
    wrong.slot = 0;
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_EXTEND, wrong, "ann", 1).out.err, AW_E_NOT_FOUND);
    wrong = lease;
    wrong.shard++;
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_EXTEND, wrong, "ann", 1).out.err, AW_E_NOT_FOUND);
    /* A token of a ticket whose slot serves another one now. */
    kit_complete(&kit, lease, "ann");
    kit.now += AW_CORE_SETTINGS_DEFAULT.reopen_ms;
    again = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL}).ticket;
    assert_int_equal(again.slot, ticket.slot);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "ann", 1).out.err, AW_E_NOT_FOUND);
    kit_close(&kit);
}

static void
test_extend_and_new_messages(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_lease_id  lease;
    struct aw_command   command;
    uint64_t            seen;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    kit.now += 1000;
    command = kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "ann", 1);
    assert_int_equal(command.out.u.lease.expires_at, kit.now + 5 * KIT_MINUTE); /* as asked, though sooner than before */
    assert_int_equal(aw_state_next_due(kit.state), kit.now + 5 * KIT_MINUTE);
    assert_int_equal(command.out.u.lease.seen_seq, 1);
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    command = kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "ann", 1);
    assert_true(command.out.changed); /* each counts anew */
    /* Extend brings the new message, so that complete goes through. */
    assert_true(kit_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_GENERAL}).folded);
    seen = kit_view(&kit, ticket).seen_seq;
    command = kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "ann", 1);
    assert_int_equal(command.out.u.lease.seen_seq, seen);
    assert_true(command.out.u.lease.message_seq > seen);
    assert_int_equal(kit_view(&kit, ticket).seen_seq, command.out.u.lease.message_seq);
    /* Complete brings another one, as an error; the lease stays valid, and the next complete goes through. */
    assert_true(kit_post(&kit, (struct kit_post){.id = 3, .who = {1}, .class_ = AW_CLASS_GENERAL}).folded);
    seen = kit_view(&kit, ticket).seen_seq;
    command = kit_fenced(&kit, AW_COMMAND_COMPLETE, lease, "ann", 2);
    assert_int_equal(command.out.err, AW_E_NEW_MESSAGES);
    assert_true(command.out.changed);
    assert_int_equal(command.out.u.lease.seen_seq, seen);
    assert_int_equal(command.out.u.lease.state, AW_TICKET_LEASED);
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    assert_int_equal(kit_view(&kit, ticket).expires_at, command.out.u.lease.expires_at);
    command = kit_fenced(&kit, AW_COMMAND_COMPLETE, lease, "ann", 2);
    assert_int_equal(command.out.err, AW_OK);
    assert_int_equal(command.out.u.lease.state, AW_TICKET_CLOSED);
    assert_int_equal(command.out.event.kind, AW_EVENT_HIDDEN);
    kit_close(&kit);
}

static void
test_a_repeat_gets_the_first_answer(void **unused)
{
    static const enum aw_command_kind kinds[] = {AW_COMMAND_COMPLETE, AW_COMMAND_RELEASE};
    struct kit                        kit;

    (void)unused;
    for (size_t i = 0; i < AW_ARRAY_LEN(kinds); i++) {
        struct aw_ticket_id ticket;
        struct aw_lease_id  lease;
        struct aw_command   command;

        kit_open(&kit);
        ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
        lease = kit_lease(&kit, ticket, "ann", KIT_MINUTE);
        assert_int_equal(kit_fenced(&kit, kinds[i], lease, "ann", UINT64_C(0x1234567800000005)).out.err, AW_OK);
        kit.now += KIT_HOUR;
        command = kit_fenced(&kit, kinds[i], lease, "ann", UINT64_C(0x1234567800000005));
        assert_int_equal(command.out.err, AW_OK);
        assert_false(command.out.changed);
        assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
        assert_int_equal(command.out.u.lease.ticket.seq, ticket.seq);
        assert_int_equal(kit_fenced(&kit, kinds[i], lease, "ann", 6).out.err, AW_E_LEASE_LOST);
        assert_int_equal(kit_fenced(&kit, kinds[1 - i], lease, "ann", UINT64_C(0x1234567800000005)).out.err, AW_E_LEASE_LOST);
        if (kinds[i] == AW_COMMAND_RELEASE) { /* also while somebody else has it */
            (void)kit_lease(&kit, ticket, "bob", KIT_MINUTE);
            assert_int_equal(kit_fenced(&kit, kinds[i], lease, "ann", UINT64_C(0x1234567800000005)).out.err, AW_OK);
        }
        kit_close(&kit);
    }
}

static void
test_a_start_gives_running_leases_time(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id short_one, long_one, near_one;
    struct aw_lease_id  lease;
    struct aw_command   command = {.kind = AW_COMMAND_EPOCH, .in.epoch.epoch = 5};

    (void)unused;
    kit_open(&kit);
    short_one = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    long_one = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL}).ticket;
    lease = kit_lease(&kit, short_one, "ann", KIT_MINUTE);
    (void)kit_lease(&kit, long_one, "ann", 3 * KIT_HOUR);
    near_one = kit_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_GENERAL}).ticket;
    (void)kit_lease(&kit, near_one, "ann", KIT_HOUR + 30001); /* has a little more than that left */
    kit.now += KIT_HOUR; /* we were down; the first has run out meanwhile, but nobody was told */
    assert_int_equal(kit_apply(&kit, &command), AW_OK);
    assert_int_equal(aw_state_epoch(kit.state), 5);
    assert_int_equal(kit_view(&kit, short_one).expires_at, kit.now + 30000);
    assert_int_equal(kit_view(&kit, long_one).expires_at, KIT_START + 3 * KIT_HOUR);
    assert_int_equal(kit_view(&kit, near_one).expires_at, kit.now + 30001);
    assert_int_equal(aw_state_next_due(kit.state), kit.now + 30000);
    kit.now += 29999;
    kit_complete(&kit, lease, "ann");
    kit_close(&kit);
}

static void
test_an_agents_leases_are_listed_oldest_first(void **unused)
{
    struct kit            kit;
    struct aw_ticket_id   tickets[4];
    struct aw_ticket_view views[8];
    struct aw_lease_id    leases[4];
    struct aw_pull_key    pull = {.key = 77, .request = 1, .pull = 1}, again = {.key = 77, .request = 1, .pull = 2};
    struct aw_pull_key    other = {.key = 78, .request = 1, .pull = 1};
    uint32_t              count;

    (void)unused;
    kit_open(&kit);
    for (uint64_t i = 0; i < 4; i++) {
        struct aw_command command = {.kind = AW_COMMAND_LEASE, .in.lease = {.agent = AW_SLICE("ann"), .lease_ms = KIT_HOUR}};

        tickets[i] = kit_post(&kit, (struct kit_post){.id = i, .who = {i + 1}, .class_ = AW_CLASS_GENERAL}).ticket;
        command.in.lease.slot = tickets[i].slot;
        command.in.lease.version = kit_view(&kit, tickets[i]).version;
        if (i >= 2)
            command.in.lease.pull_key = pull;
        if (i == 3)
            command.in.lease.lease_ms = KIT_MINUTE;
        assert_int_equal(kit_apply(&kit, &command), AW_OK);
        leases[i] = command.out.u.lease.lease;
    }
    assert_int_equal(aw_state_leases_of(kit.state, AW_SLICE("bob"), 0, views, 8), 0);
    assert_int_equal(aw_state_leases_of(kit.state, AW_SLICE("ann"), 0, views, 8), 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(views[i].lease.fence, leases[i].fence);
    assert_int_equal(aw_state_leases_of(kit.state, AW_SLICE("ann"), leases[0].fence, views, 2), 2);
    assert_int_equal(views[0].ticket.seq, tickets[1].seq);
    assert_int_equal(aw_state_leases_of_pull(kit.state, AW_SLICE("ann"), &again, views, 8, &count), AW_OK);
    assert_int_equal(count, 2);
    assert_int_equal(aw_state_leases_of_pull(kit.state, AW_SLICE("ann"), &other, views, 8, &count), AW_OK);
    assert_int_equal(count, 0);
    kit_complete(&kit, leases[1], "ann"); /* out of the middle */
    kit_complete(&kit, leases[0], "ann"); /* the first */
    assert_int_equal(aw_state_leases_of(kit.state, AW_SLICE("ann"), 0, views, 8), 2);
    assert_int_equal(views[0].ticket.seq, tickets[2].seq);
    kit.now += KIT_MINUTE;
    aw_state_begin(kit.state, 100, kit.now); /* the last ran out: it does not run any more, timer or not */
    assert_int_equal(aw_state_leases_of(kit.state, AW_SLICE("ann"), 0, views, 8), 1);
    assert_int_equal(aw_state_leases_of_pull(kit.state, AW_SLICE("ann"), &again, views, 8, &count), AW_OK);
    assert_int_equal(count, 1);
    kit_close(&kit);
}

static struct aw_command
lease_by(struct kit *kit, struct aw_ticket_id ticket, struct aw_pull_key pull)
{
    struct aw_command command = {.kind = AW_COMMAND_LEASE,
                                 .in.lease = {.slot = ticket.slot,
                                              .version = kit_view(kit, ticket).version,
                                              .agent = AW_SLICE("ann"),
                                              .lease_ms = KIT_MINUTE,
                                              .pull_key = pull}};

    (void)kit_apply(kit, &command);
    return command;
}

static void
test_one_pull_under_a_key_gets_leases(void **unused)
{
    struct aw_pull_key    first = {.key = 77, .request = 1, .pull = 1}, second = {.key = 77, .request = 1, .pull = 2};
    struct aw_pull_key    differs = {.key = 77, .request = 9, .pull = 3};
    struct kit            kit;
    struct aw_ticket_id   a, b, c;
    struct aw_ticket_view views[4];
    struct aw_command     granted, release;
    uint32_t              count = 0;

    (void)unused;
    kit_open(&kit);
    a = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    b = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL}).ticket;
    c = kit_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_GENERAL}).ticket;
    assert_false(aw_state_pull_runs(kit.state, &second));
    granted = lease_by(&kit, a, first);
    assert_int_equal(granted.out.err, AW_OK);
    assert_int_equal(lease_by(&kit, b, first).out.err, AW_OK); /* the same pull takes several */
    assert_int_equal(lease_by(&kit, c, second).out.err, AW_E_AGAIN);
    assert_int_equal(lease_by(&kit, c, differs).out.err, AW_E_KEY_REUSED);
    assert_true(aw_state_pull_runs(kit.state, &second));
    assert_false(aw_state_pull_runs(kit.state, &first));
    assert_int_equal(aw_state_leases_of_pull(kit.state, AW_SLICE("ann"), &differs, views, 4, &count), AW_E_KEY_REUSED);
    /* What a repeat was told is not given back by the first, whose answer did not arrive; what nobody was told of is. */
    release =
        (struct aw_command){.kind = AW_COMMAND_RELEASE,
                            .in.fenced = {.lease = granted.out.u.lease.lease, .agent = AW_SLICE("ann"), .gives_back = true}};
    assert_int_equal(aw_state_admits(kit.state, &release), AW_OK);
    assert_int_equal(aw_state_leases_of_pull(kit.state, AW_SLICE("ann"), &second, views, 4, &count), AW_OK);
    assert_int_equal(count, 2);
    assert_int_equal(aw_state_admits(kit.state, &release), AW_E_STALE);
    release.in.fenced.gives_back = false;
    assert_int_equal(aw_state_admits(kit.state, &release), AW_OK);
    /* When its leases are over the key is free again, for whatever body. */
    kit.now += KIT_MINUTE;
    assert_int_equal(lease_by(&kit, c, differs).out.err, AW_OK);
    kit_close(&kit);
}

/* --- requests with a key -------------------------------------------------------------------------------------------------- */

static struct aw_command
kit_once(struct kit *kit, enum aw_command_kind kind, struct aw_ticket_id ticket, uint64_t key, uint64_t request)
{
    struct aw_command command = {
        .kind = kind, .once = {.key = kit_hash(key), .request = request}, .in.ticket = {.ticket = ticket}};

    (void)kit_apply(kit, &command);
    return command;
}

static void
test_a_request_with_a_key_is_carried_out_once(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_command   first, again;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    assert_int_equal(kit_once(&kit, AW_COMMAND_UNHOLD, ticket, 7, 1).out.err, AW_E_WRONG_STATE);
    /* What was refused is not remembered: the key may be used for what the client does next. */
    first = kit_once(&kit, AW_COMMAND_HOLD, ticket, 7, 2);
    assert_true(first.out.changed);
    assert_false(first.out.repeated);
    assert_true(kit_on_ticket(&kit, AW_COMMAND_UNHOLD, ticket, 0, 0).out.changed);
    again = kit_once(&kit, AW_COMMAND_HOLD, ticket, 7, 2);
    assert_int_equal(again.out.err, AW_OK);
    assert_true(again.out.repeated);
    assert_false(again.out.changed);
    assert_int_equal(again.out.seq, first.out.seq);
    assert_int_equal(again.out.event.kind, AW_EVENT_NONE);
    assert_int_equal(again.out.u.ticket.ticket.seq, ticket.seq);
    assert_int_equal(again.out.u.ticket.ticket.slot, ticket.slot);
    assert_int_equal(again.out.u.ticket.ticket.shard, KIT_SHARD);
    assert_int_equal(again.out.u.ticket.state, AW_TICKET_HELD); /* as it was then */
    assert_int_equal(again.out.u.ticket.version, first.out.u.ticket.version);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_WAITING);
    assert_int_equal(kit_once(&kit, AW_COMMAND_HOLD, ticket, 7, 3).out.err, AW_E_KEY_REUSED);
    /* For 24 h to the millisecond. */
    kit.now += AW_ONCE_MS - 1;
    assert_true(kit_once(&kit, AW_COMMAND_HOLD, ticket, 7, 2).out.repeated);
    kit.now += 1;
    again = kit_once(&kit, AW_COMMAND_HOLD, ticket, 7, 2);
    assert_true(again.out.changed);
    assert_true(kit_once(&kit, AW_COMMAND_HOLD, ticket, 7, 2).out.repeated);
    kit_close(&kit);
}

static void
test_keys_have_a_limit_and_none_is_forgotten_early(void **unused)
{
    struct kit             kit;
    struct aw_ticket_id    ticket;
    struct aw_state_counts counts;
    uint32_t               max = kit_limits().keys_max;
    struct aw_command      command;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    for (uint64_t key = 1; key <= max; key++) {
        assert_true(kit_once(&kit, AW_COMMAND_HOLD, ticket, key, 1).out.changed);
        kit.now += KIT_MINUTE;
    }
    command = kit_once(&kit, AW_COMMAND_HOLD, ticket, 1000, 1);
    assert_int_equal(command.out.err, AW_E_TABLE_FULL);
    assert_int_equal(aw_state_admits(kit.state, &command), AW_E_TABLE_FULL);
    command.once = (struct aw_once){.request = 0};
    assert_int_equal(aw_state_admits(kit.state, &command), AW_OK);
    assert_true(kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, 0, 0).out.changed);
    for (uint64_t key = 1; key <= max; key++)
        assert_true(kit_once(&kit, AW_COMMAND_HOLD, ticket, key, 1).out.repeated);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.keys, max);
    /* Two of them are over: there is room, and those that went are new again. */
    kit.now = KIT_START + AW_ONCE_MS + KIT_MINUTE;
    assert_true(kit_once(&kit, AW_COMMAND_HOLD, ticket, 1000, 1).out.changed);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.keys, max - 1);
    assert_true(kit_once(&kit, AW_COMMAND_HOLD, ticket, 1, 1).out.changed);
    assert_int_equal(kit_once(&kit, AW_COMMAND_HOLD, ticket, 2, 1).out.err, AW_E_TABLE_FULL);
    assert_true(kit_once(&kit, AW_COMMAND_HOLD, ticket, 3, 1).out.repeated);
    kit_close(&kit);
}

/* All chunks of a checkpoint, in memory of their own. */
struct taken {
    struct aw_checkpoint_mark mark;
    struct aw_chunk           chunks[16];
    char                     *bytes[16];
    uint32_t                  count;
};

static void
take_checkpoint(struct kit *kit, struct taken *taken)
{
    struct aw_chunk *chunk = taken->chunks;

    assert_true(aw_state_cut_begin(kit->state, &taken->mark));
    for (; aw_state_cut_next(kit->state, chunk, &taken->mark); chunk = &taken->chunks[taken->count]) {
        taken->bytes[taken->count] = malloc(chunk->bytes.len);
        assert_non_null(taken->bytes[taken->count]);
        memcpy(taken->bytes[taken->count], chunk->bytes.ptr, chunk->bytes.len);
        chunk->bytes.ptr = taken->bytes[taken->count++];
        assert_true(taken->count < AW_ARRAY_LEN(taken->chunks));
    }
    aw_state_cut_end(kit->state);
}

static void
load_checkpoint(struct kit *kit, const struct taken *taken)
{
    struct aw_state_limits limits = kit_limits();
    struct aw_why          why = {""};

    assert_int_equal(aw_state_new(&kit->state, &limits, KIT_SHARD, &why), AW_OK);
    for (uint32_t i = 0; i < taken->count; i++)
        assert_int_equal(aw_state_load_chunk(kit->state, &taken->chunks[i], &why), AW_OK);
    if (aw_state_load_finish(kit->state, &taken->mark, &why) != AW_OK)
        fail_msg("%s", why.text);
    for (uint32_t i = 0; i < taken->count; i++)
        free(taken->bytes[i]);
}

static void
test_keys_and_pulls_survive_a_checkpoint(void **unused)
{
    struct aw_pull_key  first = {.key = 77, .request = 1, .pull = 1}, second = {.key = 77, .request = 1, .pull = 2};
    struct taken        taken = {.count = 0};
    struct kit          kit;
    struct aw_ticket_id a, b;
    struct aw_command   held;

    (void)unused;
    kit_open(&kit);
    a = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    b = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL}).ticket;
    for (uint64_t key = 1; key <= 3; key++)
        held = kit_once(&kit, AW_COMMAND_HOLD, a, key, 1);
    assert_int_equal(lease_by(&kit, b, first).out.err, AW_OK);
    take_checkpoint(&kit, &taken);
    aw_state_free(&kit.state);
    load_checkpoint(&kit, &taken);
    kit_check_digest(&kit);
    for (uint64_t key = 1; key <= 3; key++)
        assert_true(kit_once(&kit, AW_COMMAND_HOLD, a, key, 1).out.repeated);
    assert_int_equal(kit_once(&kit, AW_COMMAND_HOLD, a, 3, 1).out.seq, held.out.seq);
    assert_int_equal(kit_once(&kit, AW_COMMAND_HOLD, a, 3, 2).out.err, AW_E_KEY_REUSED);
    assert_true(aw_state_pull_runs(kit.state, &second));
    kit.now += AW_ONCE_MS;
    assert_true(kit_once(&kit, AW_COMMAND_HOLD, a, 3, 2).out.changed); /* the list goes on where it was */
    assert_true(kit_once(&kit, AW_COMMAND_HOLD, a, 3, 2).out.repeated);
    kit_close(&kit);
}

/* What an earlier ticket in the slot left in a queue is never taken for the new one's. */
static void
test_a_slot_used_again_has_newer_versions(void **unused)
{
    struct kit            kit;
    struct aw_out_message first, second;
    uint32_t              newest;
    enum { LEASES = 5 };

    (void)unused;
    kit_open(&kit);
    first = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL});
    for (int i = 0; i < LEASES; i++)
        assert_int_equal(kit_fenced(&kit, AW_COMMAND_RELEASE, kit_lease(&kit, first.ticket, "ann", KIT_MINUTE), "ann", 1).out.err,
                         AW_OK);
    kit_complete(&kit, kit_lease(&kit, first.ticket, "ann", KIT_MINUTE), "ann");
    newest = kit_view(&kit, first.ticket).version;
    kit.now += AW_CORE_SETTINGS_DEFAULT.reopen_ms;
    second = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL});
    assert_int_equal(second.ticket.slot, first.ticket.slot);
    assert_true(kit_view(&kit, second.ticket).version > newest);
    for (uint32_t version = 0; version <= newest; version++)
        assert_int_equal(kit_try_lease(&kit, second.ticket.slot, version, "ann", KIT_MINUTE).out.err, AW_E_STALE);
    kit_close(&kit);
}

/* --- hold, unhold, cancel, and all moves ---------------------------------------------------------------------------------- */

/* A ticket in the given state; `lease` is set when it is or was leased. */
static struct aw_ticket_id
make_in(struct kit *kit, enum aw_ticket_state state, struct aw_lease_id *lease)
{
    struct aw_ticket_id ticket = kit_post(kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;

    *lease = (struct aw_lease_id){.slot = ticket.slot, .shard = ticket.shard, .fence = 1000};
    if (state == AW_TICKET_LEASED || state == AW_TICKET_CLOSED)
        *lease = kit_lease(kit, ticket, "ann", KIT_HOUR);
    if (state == AW_TICKET_CLOSED)
        kit_complete(kit, *lease, "ann");
    if (state == AW_TICKET_HELD)
        assert_int_equal(kit_on_ticket(kit, AW_COMMAND_HOLD, ticket, 0, 0).out.err, AW_OK);
    assert_int_equal(kit_view(kit, ticket).state, state);
    return ticket;
}

static enum aw_err
try_kind(struct kit *kit, enum aw_command_kind kind, struct aw_ticket_id ticket, struct aw_lease_id lease)
{
    switch (kind) {
    case AW_COMMAND_LEASE:
        return kit_try_lease(kit, ticket.slot, kit_view(kit, ticket).version, "ann", KIT_HOUR).out.err;
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
        return kit_fenced(kit, kind, lease, "ann", 4711).out.err;
    case AW_COMMAND_TRANSFER:
        return kit_transfer(kit, lease, "ann", "listening", NULL).out.err;
    case AW_COMMAND_DEFER:
        return kit_defer(kit, lease, "ann", kit->now + KIT_HOUR).out.err;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
        return kit_on_ticket(kit, kind, ticket, 0, 0).out.err;
    case AW_COMMAND_NOTE:
        return kit_note(kit, ticket, "eve").out.err;
    case AW_COMMAND_PLACE:
        return kit_place(kit, ticket, AW_CLASS_DISRUPTED, NULL).out.err;
    case AW_COMMAND_MESSAGE:
        return kit_try_post(kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_GENERAL}).out.err;
    case AW_COMMAND_EPOCH:
    case AW_COMMAND_SETTINGS:
    case AW_COMMAND_LANE:
    case AW_COMMAND_FLIGHT:
    case AW_COMMAND_AIRPORT:
    case AW_COMMAND_UNDO:
    case AW_COMMAND_AGENT:
    case AW_COMMAND_PRESENCE:
    case AW_COMMAND_TIMER:
    case AW_COMMAND_ERASE:    /* core_erase_test */
    case AW_COMMAND_WITHDRAW: /* core_withdraw_test has it */
    case AW_COMMAND_OPT_OUT:  /* core_contact_test */
    case AW_COMMAND_UNFOLD:   /* core_model_test has it */
    case AW_COMMAND_CHANNEL:
    case AW_COMMAND_TEMPLATE:
    case AW_COMMAND_REPLY: /* core_outbox_test has these */
    case AW_COMMAND_REPLY_LEASE:
    case AW_COMMAND_REPLY_STATUS:
    case AW_COMMAND_REPLY_TIMER:
    case AW_COMMAND_REDRIVE:
    case AW_COMMAND_APPROVE:
    case AW_COMMAND_FORECAST: /* core_promise_test has these */
    case AW_COMMAND_PROMISE:
    case AW_COMMAND_INCIDENT: /* core_incident_test has these */
    case AW_COMMAND_INCIDENT_LINK:
    case AW_COMMAND_INCIDENT_ANSWER:
    case AW_COMMAND_INCIDENT_TIMER:
    case AW_COMMAND_SURGE: /* core_surge_test has it */
        break;
    }
    AW_UNREACHABLE();
}

static void
test_every_move_and_every_refusal(void **unused)
{
    static const struct {
        enum aw_command_kind kind;
        struct {
            enum aw_err          err;
            enum aw_ticket_state next;
        } from[4]; /* WAITING, LEASED, HELD, CLOSED */
    } cases[] = {
#define W AW_TICKET_WAITING
#define L AW_TICKET_LEASED
#define H AW_TICKET_HELD
#define C AW_TICKET_CLOSED
        {AW_COMMAND_LEASE, {{AW_OK, L}, {AW_E_STALE, L}, {AW_E_STALE, H}, {AW_E_STALE, C}}},
        {AW_COMMAND_EXTEND, {{AW_E_LEASE_LOST, W}, {AW_OK, L}, {AW_E_LEASE_LOST, H}, {AW_E_LEASE_LOST, C}}},
        {AW_COMMAND_COMPLETE, {{AW_E_LEASE_LOST, W}, {AW_OK, C}, {AW_E_LEASE_LOST, H}, {AW_E_LEASE_LOST, C}}},
        {AW_COMMAND_RELEASE, {{AW_E_LEASE_LOST, W}, {AW_OK, W}, {AW_E_LEASE_LOST, H}, {AW_E_LEASE_LOST, C}}},
        {AW_COMMAND_DECLINE, {{AW_E_LEASE_LOST, W}, {AW_OK, W}, {AW_E_LEASE_LOST, H}, {AW_E_LEASE_LOST, C}}},
        {AW_COMMAND_TRANSFER, {{AW_E_LEASE_LOST, W}, {AW_OK, W}, {AW_E_LEASE_LOST, H}, {AW_E_LEASE_LOST, C}}},
        {AW_COMMAND_DEFER, {{AW_E_LEASE_LOST, W}, {AW_OK, H}, {AW_E_LEASE_LOST, H}, {AW_E_LEASE_LOST, C}}},
        {AW_COMMAND_HOLD, {{AW_OK, H}, {AW_E_WRONG_STATE, L}, {AW_OK, H}, {AW_E_WRONG_STATE, C}}},
        {AW_COMMAND_UNHOLD, {{AW_E_WRONG_STATE, W}, {AW_E_WRONG_STATE, L}, {AW_OK, W}, {AW_E_WRONG_STATE, C}}},
        {AW_COMMAND_CANCEL, {{AW_OK, C}, {AW_OK, C}, {AW_OK, C}, {AW_E_WRONG_STATE, C}}},
        {AW_COMMAND_PLACE, {{AW_OK, W}, {AW_OK, L}, {AW_OK, H}, {AW_E_WRONG_STATE, C}}},
        {AW_COMMAND_NOTE, {{AW_OK, W}, {AW_OK, L}, {AW_OK, H}, {AW_E_WRONG_STATE, C}}},
        {AW_COMMAND_MESSAGE, {{AW_OK, W}, {AW_OK, L}, {AW_OK, H}, {AW_OK, W}}},
#undef W
#undef L
#undef H
#undef C
    };
    static const enum aw_ticket_state states[] = {AW_TICKET_WAITING, AW_TICKET_LEASED, AW_TICKET_HELD, AW_TICKET_CLOSED};
    struct kit                        kit;

    (void)unused;
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        for (size_t from = 0; from < AW_ARRAY_LEN(states); from++) {
            struct aw_lease_id  lease;
            struct aw_ticket_id ticket;
            enum aw_err         err;

            kit_open(&kit);
            ticket = make_in(&kit, states[from], &lease);
            err = try_kind(&kit, cases[i].kind, ticket, lease);
            if (err != cases[i].from[from].err || kit_view(&kit, ticket).state != cases[i].from[from].next)
                fail_msg("%s from %d: err %s, now %d", aw_command_name(cases[i].kind), (int)states[from], aw_err_name(err),
                         (int)kit_view(&kit, ticket).state);
            kit_close(&kit);
        }
    }
}

static void
test_hold_by_id_and_version(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket, other;
    struct aw_command   command;
    uint32_t            version;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    version = kit_view(&kit, ticket).version;
    other = ticket;
    other.seq++;
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_HOLD, other, 0, 0).out.err, AW_E_NOT_FOUND);
    other = ticket;
    other.shard++;
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_CANCEL, other, 0, 0).out.err, AW_E_NOT_FOUND);
    other = ticket;
    other.slot = 63;
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_CANCEL, other, 0, 0).out.err, AW_E_NOT_FOUND);
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, 0, version + 1).out.err, AW_E_PRECONDITION);
    command = kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, kit.now + KIT_HOUR, version);
    assert_int_equal(command.out.err, AW_OK);
    assert_int_equal(command.out.event.kind, AW_EVENT_HIDDEN);
    assert_int_equal(command.out.u.ticket.version, version + 1);
    assert_int_equal(command.out.u.ticket.state, AW_TICKET_HELD);
    assert_int_equal(kit_view(&kit, ticket).held_until, kit.now + KIT_HOUR);
    /* Held again: another end; then over by time. */
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, kit.now + 2 * KIT_HOUR, 0).out.err, AW_OK);
    assert_int_equal(kit_wait(&kit, 2 * KIT_HOUR - 1), 0);
    assert_int_equal(kit_wait(&kit, 1), 1);
    assert_int_equal(kit_view(&kit, ticket).state, AW_TICKET_WAITING);
    assert_int_equal(kit_view(&kit, ticket).held_until, 0);
    assert_int_equal(kit_view(&kit, ticket).key, KIT_START);
    /* Without an end, until a person ends it. */
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, 0, 0).out.err, AW_OK);
    assert_int_equal(aw_state_next_due(kit.state), 0);
    command = kit_on_ticket(&kit, AW_COMMAND_UNHOLD, ticket, 0, 0);
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    kit_close(&kit);
}

static void
test_a_timer_leaves_alone_what_moved_on(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_lease_id  lease;
    struct aw_command   timer, late;

    (void)unused;
    kit_open(&kit);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    lease = kit_lease(&kit, ticket, "ann", KIT_MINUTE);
    assert_true(aw_state_due(kit.state, kit.now + KIT_MINUTE, &timer));
    /* Extended after the timer was read: same version, but its time has not come. */
    (void)kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "ann", 1);
    kit.now += KIT_MINUTE;
    late = timer;
    assert_int_equal(kit_apply(&kit, &late), AW_OK);
    assert_false(late.out.changed);
    /* Completed: another version. */
    kit_complete(&kit, lease, "ann");
    kit.now += KIT_HOUR;
    late = timer;
    assert_int_equal(kit_apply(&kit, &late), AW_OK);
    assert_false(late.out.changed);
    late.in.timer = (struct aw_in_timer){.slot = 50};
    assert_int_equal(kit_apply(&kit, &late), AW_OK);
    assert_false(late.out.changed);
    kit_close(&kit);
}

static void
test_settings_reset_the_timers(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_command   set = {.kind = AW_COMMAND_SETTINGS, .in.settings = AW_CORE_SETTINGS_DEFAULT};

    (void)unused;
    kit_open(&kit);
    assert_int_equal(kit_apply(&kit, &set), AW_OK);
    assert_false(set.out.changed); /* the same */
    ticket = kit_post(&kit,
                      (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL, .departs_at = KIT_START + 10 * KIT_HOUR})
                 .ticket;
    set.in.settings.imminent_ms = 9 * KIT_HOUR;
    assert_int_equal(kit_apply(&kit, &set), AW_OK);
    assert_true(set.out.changed);
    assert_int_equal(aw_state_next_due(kit.state), KIT_START + KIT_HOUR);
    assert_int_equal(kit_wait(&kit, KIT_HOUR), 1);
    assert_int_equal(kit_view(&kit, ticket).class_, AW_CLASS_IMMINENT);
    set.in.settings.handling_ms[AW_CLASS_IMMINENT] = KIT_HOUR;
    assert_int_equal(kit_apply(&kit, &set), AW_OK);
    assert_int_equal(aw_state_next_due(kit.state), KIT_START + 9 * KIT_HOUR + 1);
    set.in.settings.backdate_ms = AW_CORE_BACKDATE_MS_MAX + 1;
    assert_int_equal(kit_apply(&kit, &set), AW_E_BAD_VALUE);
    set.in.settings = AW_CORE_SETTINGS_DEFAULT;
    set.in.settings.handling_ms[3] = AW_DURATION_MS_MAX + 1;
    assert_int_equal(kit_apply(&kit, &set), AW_E_BAD_VALUE);
    assert_int_equal(aw_state_settings(kit.state)->imminent_ms, 9 * KIT_HOUR);
    kit_close(&kit);
}

/* --- limits --------------------------------------------------------------------------------------------------------------- */

static struct aw_command
admits_and_post(struct kit *kit, uint64_t id, uint64_t who, uint64_t other)
{
    struct kit_post   post = {.id = id, .who = {who, other}, .class_ = AW_CLASS_GENERAL};
    struct kit_room   room;
    struct aw_command command = kit_message(&post, &room);
    enum aw_err       admitted;

    aw_state_begin(kit->state, aw_state_seq(kit->state) + 1, kit->now);
    admitted = aw_state_admits(kit->state, &command);
    (void)kit_apply(kit, &command);
    assert_int_equal(admitted, command.out.err);
    return command;
}

/* What is decided when a table is full goes by the limit that the journal tells, not by how large the table was made. */
static void
test_limits_are_those_of_the_settings(void **unused)
{
    struct aw_state_limits limits = kit_limits();
    struct aw_command      set = {.kind = AW_COMMAND_SETTINGS, .in.settings = AW_CORE_SETTINGS_DEFAULT};
    struct aw_why          why = {.text = ""};
    struct kit             small, large;

    (void)unused;
    limits.tickets_max = 9;
    kit_open_with(&small, &limits);
    limits.tickets_max = 60;
    kit_open_with(&large, &limits);
    set.in.settings.tables.tickets_max = 9;
    assert_int_equal(kit_apply(&small, &set), AW_OK);
    assert_int_equal(kit_apply(&large, &set), AW_OK);
    for (uint64_t id = 1; id <= 12; id++) {
        enum aw_err err = id <= 8 ? AW_OK : AW_E_TABLE_FULL;

        assert_int_equal(admits_and_post(&small, id, id, 0).out.err, err);
        assert_int_equal(admits_and_post(&large, id, id, 0).out.err, err);
    }
    assert_true(aw_hash128_eq(aw_state_digest(small.state), aw_state_digest(large.state)));
    set.in.settings.tables.tickets_max = 60;
    assert_int_equal(aw_state_fits(small.state, &set.in.settings, &why), AW_E_TABLE_FULL);
    assert_non_null(strstr(why.text, "tickets-max 60"));
    assert_int_equal(kit_apply(&small, &set), AW_E_BAD_VALUE);
    assert_int_equal(kit_apply(&large, &set), AW_OK);
    assert_int_equal(admits_and_post(&large, 20, 20, 0).out.err, AW_OK);
    kit_close(&large);
    kit_close(&small);
}

static void
test_the_table_of_tickets_has_a_limit(void **unused)
{
    struct aw_state_limits limits = kit_limits();
    struct aw_state_counts counts;
    struct kit             kit;
    uint64_t               id = 1;

    (void)unused;
    limits.tickets_max = 9;
    kit_open_with(&kit, &limits);
    for (; id <= 8; id++)
        assert_int_equal(admits_and_post(&kit, id, id, 0).out.err, AW_OK);
    assert_int_equal(admits_and_post(&kit, 9, 9, 0).out.err, AW_E_TABLE_FULL);
    assert_int_equal(admits_and_post(&kit, 10, 3, 0).out.err, AW_OK); /* a follow-up needs none */
    assert_true(admits_and_post(&kit, 8, 8, 0).out.u.message.duplicate);
    /* Closed ones keep their slots until nobody may reopen them. */
    for (uint32_t slot = 1; slot <= 8; slot++) {
        struct aw_ticket_view view;

        assert_true(aw_state_ticket_at(kit.state, slot, &view));
        (void)kit_on_ticket(&kit, AW_COMMAND_CANCEL, view.ticket, 0, 0);
        kit.now += KIT_MINUTE;
    }
    assert_int_equal(aw_state_ticket_slots(kit.state), 9);
    assert_int_equal(admits_and_post(&kit, 11, 11, 0).out.err, AW_E_TABLE_FULL);
    assert_true(admits_and_post(&kit, 12, 8, 0).out.u.message.reopened);
    kit.now += AW_CORE_SETTINGS_DEFAULT.reopen_ms;
    for (id = 20; id < 27; id++)
        assert_int_equal(admits_and_post(&kit, id, id, 0).out.err, AW_OK);
    assert_int_equal(admits_and_post(&kit, 30, 30, 0).out.err, AW_E_TABLE_FULL);
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.tickets_used, counts.tickets_max);
    assert_int_equal(counts.tickets[AW_TICKET_WAITING][AW_CLASS_GENERAL], 8);
    kit_close(&kit);
}

static void
test_the_table_of_identities_has_a_limit(void **unused)
{
    struct aw_state_limits limits = kit_limits();
    struct kit             kit;

    (void)unused;
    limits.identities_max = 4;
    kit_open_with(&kit, &limits);
    assert_int_equal(admits_and_post(&kit, 1, 1, 10).out.err, AW_OK);
    assert_int_equal(admits_and_post(&kit, 2, 2, 0).out.err, AW_OK);
    assert_int_equal(admits_and_post(&kit, 3, 3, 30).out.err, AW_E_TABLE_FULL); /* two more than there is room for */
    assert_int_equal(admits_and_post(&kit, 4, 2, 20).out.err, AW_OK);
    assert_int_equal(admits_and_post(&kit, 5, 2, 20).out.err, AW_OK);
    assert_int_equal(admits_and_post(&kit, 6, 2, 21).out.err, AW_E_TABLE_FULL);
    /* Room comes back with the tickets that held them. */
    for (uint32_t slot = 1; slot <= 2; slot++) {
        struct aw_ticket_view view;

        assert_true(aw_state_ticket_at(kit.state, slot, &view));
        (void)kit_on_ticket(&kit, AW_COMMAND_CANCEL, view.ticket, 0, 0);
    }
    kit.now += AW_CORE_SETTINGS_DEFAULT.reopen_ms;
    assert_int_equal(admits_and_post(&kit, 7, 3, 30).out.err, AW_OK);
    kit_close(&kit);
}

static void
test_the_table_of_ids_has_a_limit(void **unused)
{
    struct aw_state_limits limits = kit_limits();
    struct kit             kit;

    (void)unused;
    limits.ids_max = 5;
    kit_open_with(&kit, &limits);
    for (uint64_t id = 0; id < 5; id++)
        assert_int_equal(admits_and_post(&kit, id, 1, 0).out.err, AW_OK);
    assert_int_equal(admits_and_post(&kit, 5, 1, 0).out.err, AW_E_TABLE_FULL);
    kit.now += AW_CORE_SETTINGS_DEFAULT.dedupe_ms;
    assert_int_equal(admits_and_post(&kit, 5, 1, 0).out.err, AW_E_TABLE_FULL); /* none is forgotten early */
    assert_true(admits_and_post(&kit, 4, 1, 0).out.u.message.duplicate);
    kit.now++;
    assert_int_equal(admits_and_post(&kit, 5, 1, 0).out.err, AW_OK);
    kit_close(&kit);
}

static void
test_leases_and_agents_have_limits(void **unused)
{
    static const char *const agents[] = {"a", "b", "c"};
    struct aw_state_limits   limits = kit_limits();
    struct kit               kit;
    struct aw_ticket_id      tickets[6];
    struct aw_command        command;

    (void)unused;
    limits.agents_max = 2;
    limits.leases_max = 3;
    kit_open_with(&kit, &limits);
    for (uint64_t i = 0; i < 6; i++)
        tickets[i] = kit_post(&kit, (struct kit_post){.id = i, .who = {i + 1}, .class_ = AW_CLASS_GENERAL}).ticket;
    for (size_t i = 0; i < 2; i++)
        (void)kit_lease(&kit, tickets[i], agents[i], KIT_MINUTE);
    command = kit_try_lease(&kit, tickets[2].slot, kit_view(&kit, tickets[2]).version, agents[2], KIT_MINUTE);
    assert_int_equal(command.out.err, AW_E_TABLE_FULL);
    assert_int_equal(aw_state_admits(kit.state, &command), AW_E_TABLE_FULL);
    (void)kit_lease(&kit, tickets[2], agents[0], KIT_MINUTE);
    command = kit_try_lease(&kit, tickets[3].slot, kit_view(&kit, tickets[3]).version, agents[0], KIT_MINUTE);
    assert_int_equal(command.out.err, AW_E_TABLE_FULL);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE), 3);
    (void)kit_lease(&kit, tickets[3], agents[1], KIT_MINUTE);
    kit_close(&kit);
}

static void
test_limits_out_of_range_are_refused(void **unused)
{
    struct aw_state       *state = NULL;
    struct aw_state_limits limits = kit_limits();
    struct aw_why          why;

    (void)unused;
    limits.lanes_max = 1;
    assert_int_equal(aw_state_new(&state, &limits, 0, &why), AW_E_CONFIG);
    limits.lanes_max = AW_STATE_LANES_MAX + 1;
    assert_int_equal(aw_state_new(&state, &limits, 0, &why), AW_E_CONFIG);
    limits = kit_limits();
    limits.ids_max = 0;
    assert_int_equal(aw_state_new(&state, &limits, 0, &why), AW_E_CONFIG);
    limits = kit_limits();
    limits.tickets_max = UINT32_MAX;
    assert_int_equal(aw_state_new(&state, &limits, 0, &why), AW_E_CONFIG);
    assert_null(state);
    aw_state_free(&state);
}

/* As many agents may have declined a ticket as one may; declines whose time is over give way, also while it is leased. */
static void
test_declines_that_are_over_count_no_more(void **unused)
{
    struct kit             kit;
    struct aw_state_limits limits = kit_limits();
    struct aw_ticket_id    ticket;
    struct aw_lease_id     lease;
    char                   name[16];

    (void)unused;
    limits.agents_max = AW_TICKET_ASIDES_MAX + 1;
    limits.asides_max = AW_TICKET_ASIDES_MAX; /* the table is full, too */
    kit_open_with(&kit, &limits);
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    for (unsigned i = 0; i < AW_TICKET_ASIDES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "agent-%u", i);
        lease = kit_lease(&kit, ticket, name, KIT_MINUTE);
        assert_int_equal(kit_fenced(&kit, AW_COMMAND_DECLINE, lease, name, 1).out.err, AW_OK);
    }
    lease = kit_lease(&kit, ticket, "one more", KIT_HOUR);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_DECLINE, lease, "one more", 2).out.err, AW_E_TABLE_FULL);
    kit.now += aw_state_settings(kit.state)->decline_ms;
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_DECLINE, lease, "one more", 2).out.err, AW_OK);
    assert_int_equal(aw_state_aside_count(kit.state), 1);
    kit_close(&kit);
}

/* The number of a ticket's place comes round after 2^32, and is never 0, which would be a ticket that is not there. */
static void
test_version_comes_round(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_lease_id  lease;
    uint32_t            before = 0;

    (void)unused;
    kit_open(&kit);
    kit.state->globals.seq = UINT32_MAX; /* as after so many records */
    ticket = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket;
    assert_int_equal(kit_view(&kit, ticket).version, 2); /* opened, and put into its queue */
    kit.state->globals.seq = UINT64_C(2) * UINT32_MAX - 8;
    ticket = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL}).ticket;
    for (unsigned i = 0; i < 20; i++) {
        uint32_t version = kit_view(&kit, ticket).version;

        assert_int_not_equal(version, 0);
        assert_int_not_equal(version, before);
        before = version;
        lease = kit_lease(&kit, ticket, "ann", KIT_MINUTE);
        assert_int_equal(kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", i).out.err, AW_OK);
    }
    assert_true(before < 100);
    kit_close(&kit);
}

static void
test_counts_follow_the_tickets(void **unused)
{
    struct kit             kit;
    struct aw_state_counts counts;
    struct aw_lane_answer  lane;
    struct aw_slice        values[4 * AW_LANE_MATCH_MAX];
    struct aw_ticket_id    a, b, c;
    struct aw_lease_id     lease;

    (void)unused;
    kit_open(&kit);
    a = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_CARE}).ticket;
    b = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL}).ticket;
    c = kit_post(&kit, (struct kit_post){.id = 3, .who = {3}, .class_ = AW_CLASS_GENERAL}).ticket;
    (void)kit_post(&kit, (struct kit_post){.id = 4, .who = {3}, .class_ = AW_CLASS_GENERAL});
    lease = kit_lease(&kit, a, "ann", KIT_MINUTE);
    (void)kit_on_ticket(&kit, AW_COMMAND_HOLD, b, 0, 0);
    aw_state_lane(kit.state, 0, values, &lane);
    assert_int_equal(lane.waiting[AW_CLASS_GENERAL], 1);
    assert_int_equal(lane.waiting[AW_CLASS_CARE], 0);
    assert_int_equal(lane.leased, 1);
    assert_int_equal(lane.held, 1);
    kit_complete(&kit, lease, "ann");
    (void)kit_on_ticket(&kit, AW_COMMAND_CANCEL, b, 0, 0);
    (void)kit_lease(&kit, c, "ann", KIT_MINUTE);
    (void)kit_wait(&kit, KIT_MINUTE);
    lease = kit_lease(&kit, c, "bob", KIT_MINUTE);
    (void)kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "bob", 1);
    (void)kit_post(&kit, (struct kit_post){.id = 5, .who = {1}, .class_ = AW_CLASS_OTHER});
    aw_state_counts(kit.state, &counts);
    assert_int_equal(counts.messages, 5);
    assert_int_equal(counts.opened, 3);
    assert_int_equal(counts.folded, 1);
    assert_int_equal(counts.reopened, 1);
    assert_int_equal(counts.completed, 1);
    assert_int_equal(counts.cancelled, 1);
    assert_int_equal(counts.expired, 1);
    assert_int_equal(counts.released, 1);
    assert_int_equal(counts.leases, 0);
    assert_int_equal(counts.agents, 2);
    assert_int_equal(counts.lanes, 2);
    assert_int_equal(counts.ids, 5);
    assert_int_equal(counts.identities, 3);
    assert_int_equal(counts.tickets[AW_TICKET_WAITING][AW_CLASS_CARE], 1);
    assert_int_equal(counts.tickets[AW_TICKET_WAITING][AW_CLASS_GENERAL], 1);
    assert_int_equal(counts.tickets[AW_TICKET_CLOSED][AW_CLASS_GENERAL], 1);
    assert_true(counts.bytes > 0);
    kit_close(&kit);
}

/* Help that finds no room is put off; the moment at which the ticket becomes imminent is not. */
static void
test_help_put_off(void **state)
{
    const struct aw_lane_helper helper = {.lane = AW_SLICE("blue"), .after_s = 60};
    const struct aw_in_lane     red = {.name = AW_SLICE("red"), .pause = AW_LANE_OPEN, .helpers = &helper, .helper_count = 1};
    struct aw_command           lane = {.kind = AW_COMMAND_LANE, .in.lane = red};
    struct kit                  kit;
    struct aw_ticket_id         ticket;
    aw_ms                       imminent_at;

    (void)state;
    kit_open(&kit);
    assert_int_equal(kit_lane(&kit, "blue", AW_LANE_OPEN, NULL).out.err, AW_OK);
    assert_int_equal(kit_apply(&kit, &lane), AW_OK);
    imminent_at = kit.now + 90 * 1000;
    ticket =
        kit_post(&kit,
                 (struct kit_post){
                     .id = 1, .who = {1}, .class_ = AW_CLASS_GENERAL, .lane = "red", .departs_at = imminent_at + 6 * KIT_HOUR})
            .ticket;
    assert_int_equal(aw_state_next_due(kit.state), kit.now + 60 * 1000);
    kit.now += 61 * 1000;
    aw_state_begin(kit.state, 1000, kit.now);
    assert_true(aw_state_due(kit.state, kit.now, &lane));
    assert_int_equal(lane.in.timer.slot, ticket.slot);
    assert_int_equal(lane.in.timer.turn, AW_TIMER_TURN_HELP);
    aw_state_put_off_help(kit.state, ticket.slot);
    assert_int_equal(aw_state_next_due(kit.state), imminent_at);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_opens_a_ticket),
        cmocka_unit_test(test_a_source_id_is_a_duplicate_for_its_time),
        cmocka_unit_test(test_age_counts_from_receipt_within_the_backdate),
        cmocka_unit_test(test_a_lane_is_chosen_by_name_then_by_match),
        cmocka_unit_test(test_lanes_are_made_changed_and_versioned),
        cmocka_unit_test(test_lanes_have_limits),
        cmocka_unit_test(test_a_paused_lane_takes_nothing_in_or_gives_nothing_out),
        cmocka_unit_test(test_a_customer_has_one_ticket),
        cmocka_unit_test(test_of_two_open_tickets_the_older_is_joined),
        cmocka_unit_test(test_a_closed_ticket_reopens_for_a_while),
        cmocka_unit_test(test_an_identity_names_few_tickets),
        cmocka_unit_test(test_the_youngest_ticket_gives_an_identity_up),
        cmocka_unit_test(test_a_ticket_stops_collecting_identities),
        cmocka_unit_test(test_a_message_with_all_identities_opens_a_ticket),
        cmocka_unit_test(test_class_follows_facts_and_the_clock),
        cmocka_unit_test(test_the_clock_makes_a_ticket_imminent_and_then_disrupted),
        cmocka_unit_test(test_the_clock_makes_a_ticket_closing),
        cmocka_unit_test(test_reply_by_is_that_of_the_first_message),
        cmocka_unit_test(test_a_follow_up_raises_and_never_lowers),
        cmocka_unit_test(test_a_lease_is_one_holders),
        cmocka_unit_test(test_what_a_lost_lease_is_told),
        cmocka_unit_test(test_a_lease_is_refused_to_others),
        cmocka_unit_test(test_extend_and_new_messages),
        cmocka_unit_test(test_a_repeat_gets_the_first_answer),
        cmocka_unit_test(test_a_start_gives_running_leases_time),
        cmocka_unit_test(test_an_agents_leases_are_listed_oldest_first),
        cmocka_unit_test(test_one_pull_under_a_key_gets_leases),
        cmocka_unit_test(test_a_request_with_a_key_is_carried_out_once),
        cmocka_unit_test(test_keys_have_a_limit_and_none_is_forgotten_early),
        cmocka_unit_test(test_keys_and_pulls_survive_a_checkpoint),
        cmocka_unit_test(test_a_slot_used_again_has_newer_versions),
        cmocka_unit_test(test_every_move_and_every_refusal),
        cmocka_unit_test(test_hold_by_id_and_version),
        cmocka_unit_test(test_a_timer_leaves_alone_what_moved_on),
        cmocka_unit_test(test_settings_reset_the_timers),
        cmocka_unit_test(test_limits_are_those_of_the_settings),
        cmocka_unit_test(test_the_table_of_tickets_has_a_limit),
        cmocka_unit_test(test_the_table_of_identities_has_a_limit),
        cmocka_unit_test(test_the_table_of_ids_has_a_limit),
        cmocka_unit_test(test_leases_and_agents_have_limits),
        cmocka_unit_test(test_limits_out_of_range_are_refused),
        cmocka_unit_test(test_declines_that_are_over_count_no_more),
        cmocka_unit_test(test_version_comes_round),
        cmocka_unit_test(test_counts_follow_the_tickets),
        cmocka_unit_test(test_help_put_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
