/* core_streams_test.c - what streams go by: how a lease ended and by whom, a number that changes with whatever an agent holds, and
 * an extend that only says that messages were seen. */
#include "core_kit.h"

static struct aw_lease_id
lease(struct kit *kit, uint32_t slot, const char *agent)
{
    struct aw_ticket_view view;
    struct aw_command     command = {.kind = AW_COMMAND_LEASE,
                                     .in.lease = {.slot = slot, .agent = aw_slice_str(agent), .lease_ms = KIT_MINUTE}};

    assert_true(aw_state_ticket_at(kit->state, slot, &view));
    command.in.lease.version = view.version;
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command.out.u.lease.lease;
}

static struct aw_command
fenced(struct kit *kit, enum aw_command_kind kind, struct aw_lease_id id, const char *agent, uint64_t op_hash, uint64_t lease_ms)
{
    struct aw_command command = {
        .kind = kind,
        .in.fenced = {
            .lease = id, .agent = aw_slice_str(agent), .op_hash = op_hash, .lease_ms = lease_ms, .words = AW_SLICE("so")}};

    (void)kit_apply(kit, &command);
    return command;
}

static void
check_fate(const struct kit *kit, struct aw_lease_id id, enum aw_lease_fate fate, enum aw_lease_end end)
{
    enum aw_lease_end got = AW_LEASE_END_NONE;

    assert_int_equal(aw_state_lease_fate(kit->state, id.slot, id.fence, &got), fate);
    if (fate == AW_LEASE_GONE)
        assert_int_equal(got, end);
}

static uint32_t
post(struct kit *kit, uint64_t id, uint64_t who)
{
    return kit_try_post(kit, (struct kit_post){.id = id, .who = {who}, .class_ = AW_CLASS_GENERAL}).out.u.message.ticket.slot;
}

static void
test_how_a_lease_ended(void **unused)
{
    struct kit         kit;
    struct aw_lease_id first, second;
    struct aw_command  timer = {.kind = AW_COMMAND_TIMER};
    uint32_t           slot;

    (void)unused;
    kit_open(&kit);
    slot = post(&kit, 1, 1);
    first = lease(&kit, slot, "ann");
    check_fate(&kit, first, AW_LEASE_RUNS, AW_LEASE_END_NONE);
    assert_int_equal(fenced(&kit, AW_COMMAND_RELEASE, first, "ann", 7, 0).out.err, AW_OK);
    check_fate(&kit, first, AW_LEASE_ENDED, AW_LEASE_END_NONE);
    second = lease(&kit, slot, "bob");
    check_fate(&kit, first, AW_LEASE_ENDED, AW_LEASE_END_NONE); /* still, though another has it */
    assert_int_equal(fenced(&kit, AW_COMMAND_RELEASE, second, "bob", 0, 0).out.err, AW_OK);
    check_fate(&kit, second, AW_LEASE_GONE, AW_LEASE_END_RELEASED); /* by the server: it had no words of its own */
    check_fate(&kit, first, AW_LEASE_GONE, AW_LEASE_END_EXPIRED);   /* two ago: nobody knows */
    first = lease(&kit, slot, "ann");
    kit.now += KIT_MINUTE;
    aw_state_begin(kit.state, aw_state_seq(kit.state) + 1, kit.now);
    check_fate(&kit, first, AW_LEASE_GONE, AW_LEASE_END_EXPIRED); /* before its TIMER */
    assert_true(aw_state_due(kit.state, kit.now, &timer));
    assert_int_equal(kit_apply(&kit, &timer), AW_OK);
    second = lease(&kit, slot, "bob");
    check_fate(&kit, first, AW_LEASE_GONE, AW_LEASE_END_EXPIRED); /* and when somebody else has it */
    (void)kit_on_ticket(&kit, AW_COMMAND_CANCEL, timer.out.u.ticket.ticket, 0, 0);
    check_fate(&kit, second, AW_LEASE_GONE, AW_LEASE_END_CLOSED);
    kit_close(&kit);
}

static void
test_news_count_what_is_held(void **unused)
{
    struct kit         kit;
    struct aw_lease_id id;
    uint32_t           slot, other, ann, news;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(aw_state_agent_news(kit.state, 0), 0);
    assert_int_equal(aw_state_agent_held(kit.state, 0), 0);
    slot = post(&kit, 1, 1);
    id = lease(&kit, slot, "ann");
    ann = aw_state_find_agent(kit.state, AW_SLICE("ann"));
    news = aw_state_agent_news(kit.state, ann);
    assert_int_not_equal(news, 0);
    assert_int_equal(aw_state_agent_held(kit.state, ann), 1);
    other = post(&kit, 2, 2);
    (void)lease(&kit, other, "bob");
    assert_int_equal(aw_state_agent_news(kit.state, ann), news); /* it is none of hers */
    assert_int_equal(post(&kit, 3, 1), slot);
    assert_int_not_equal(aw_state_agent_news(kit.state, ann), news);
    news = aw_state_agent_news(kit.state, ann);
    assert_int_equal(fenced(&kit, AW_COMMAND_EXTEND, id, "ann", 0, KIT_MINUTE).out.err, AW_OK);
    assert_int_not_equal(aw_state_agent_news(kit.state, ann), news);
    news = aw_state_agent_news(kit.state, ann);
    assert_int_equal(fenced(&kit, AW_COMMAND_COMPLETE, id, "ann", 1, 0).out.err, AW_OK);
    assert_int_not_equal(aw_state_agent_news(kit.state, ann), news);
    assert_int_equal(aw_state_agent_held(kit.state, ann), 0);
    kit_close(&kit);
}

static void
test_seen_leaves_the_end(void **unused)
{
    struct kit            kit;
    struct aw_ticket_view view;
    struct aw_lease_id    id;
    struct aw_command     command;
    uint32_t              slot;
    aw_ms                 expires_at;

    (void)unused;
    kit_open(&kit);
    slot = post(&kit, 1, 1);
    id = lease(&kit, slot, "ann");
    expires_at = kit.now + KIT_MINUTE;
    kit.now += 1000;
    command = fenced(&kit, AW_COMMAND_EXTEND, id, "ann", 0, 0);
    assert_int_equal(command.out.err, AW_OK);
    assert_false(command.out.changed); /* nothing came */
    (void)post(&kit, 2, 1);
    assert_int_equal(fenced(&kit, AW_COMMAND_COMPLETE, id, "bob", 1, 0).out.err, AW_E_FORBIDDEN);
    command = fenced(&kit, AW_COMMAND_EXTEND, id, "ann", 0, 0);
    assert_true(command.out.changed);
    assert_true(command.out.u.lease.seen_seq < command.out.u.lease.message_seq); /* what it had seen before */
    assert_int_equal(command.out.u.lease.expires_at, expires_at);
    assert_true(aw_state_ticket_at(kit.state, slot, &view));
    assert_int_equal(view.seen_seq, view.message_seq);
    assert_int_equal(view.expires_at, expires_at);
    assert_int_equal(fenced(&kit, AW_COMMAND_COMPLETE, id, "ann", 1, 0).out.err, AW_OK);
    kit_close(&kit);
}

/* What a stream was shown is not taken back because the answer of the pull that got it was lost. */
static void
test_told_is_not_given_back(void **unused)
{
    struct kit            kit;
    struct aw_ticket_view views[2];
    struct aw_command     command = {.kind = AW_COMMAND_RELEASE,
                                     .in.fenced = {.agent = AW_SLICE("ann"), .words = AW_SLICE("gone"), .gives_back = true}};

    (void)unused;
    kit_open(&kit);
    command.in.fenced.lease = lease(&kit, post(&kit, 1, 1), "ann");
    assert_int_equal(aw_state_admits(kit.state, &command), AW_OK);
    assert_int_equal(aw_state_leases_of(kit.state, AW_SLICE("ann"), 0, views, 2), 1);
    aw_state_note_told(kit.state, views, 1);
    assert_int_equal(aw_state_admits(kit.state, &command), AW_E_STALE);
    kit_check_digest(&kit);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_a_lease_ended),
        cmocka_unit_test(test_news_count_what_is_held),
        cmocka_unit_test(test_seen_leaves_the_end),
        cmocka_unit_test(test_told_is_not_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
