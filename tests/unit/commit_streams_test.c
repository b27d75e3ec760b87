/* commit_streams_test.c - streams of agents at the committer, step by step without threads.
 *
 * Proves: a stream that parks by old news is sent back at once, one that waits as soon as anything of its agent's leases changed,
 * and no other; of two streams of an agent the later one stays, whichever parks first; a stream whose units are taken is not woken
 * for a ticket, nor for one that waits aside for its agent alone, and a lease beyond its units is refused and its ticket goes back.
 */
#include "commit/choice.h"
#include "support/commit_rig.h"

struct stream {
    struct aw_submission  park;
    struct aw_park_node   node;
    struct aw_stream_look found;
};

static void
look(struct desk *desk, struct stream *stream, const char *agent)
{
    struct aw_ticket_view views[8];
    struct aw_query       query = {
              .kind = AW_QUERY_STREAM, .name = aw_slice_str(agent), .room = 8, .views = views, .look = &stream->found};
    struct aw_submission submission = {.kind = AW_SUBMIT_QUERY, .query = &query};

    desk_carry_out(desk, &submission);
    assert_int_equal(query.err, AW_OK);
    assert_int_equal(query.count, stream->found.held);
    stream->park.park.stream = stream->found.stream;
    stream->park.park.news = stream->found.news;
}

static void
join(struct desk *desk, struct stream *stream, const char *agent, uint32_t units)
{
    static const struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;

    *stream = (struct stream){.park = {.kind = AW_SUBMIT_PARK}};
    stream->park.park = (struct aw_park){
        .agent = aw_slice_str(agent), .order = &order, .nodes = &stream->node, .units = units, .woken_lane = AW_LANE_NONE};
    aw_list_init(&stream->node.link);
    look(desk, stream, agent);
}

/* Gives it away; what comes back then, NULL: nothing. */
static struct aw_submission *
park(struct desk *desk, struct stream *stream)
{
    assert_true(aw_ring_try_push(&desk->in, &stream->park));
    desk_step(desk);
    return aw_ring_try_pop(&desk->out);
}

static void
check_nothing_more(struct desk *desk)
{
    desk_step(desk);
    assert_null(aw_ring_try_pop(&desk->out));
}

/* Carries it out; what came back besides. */
static struct aw_submission *
carry_out(struct desk *desk, struct one *one)
{
    struct aw_submission *other = NULL, *back;

    assert_true(aw_ring_try_push(&desk->in, &one->submission));
    desk_step(desk);
    while ((back = aw_ring_try_pop(&desk->out)) != NULL) {
        if (back != &one->submission) {
            assert_null(other);
            other = back;
        }
    }
    return other;
}

static struct one *
make_post(struct desk *desk, struct one *one, uint64_t customer)
{
    one_make_post(one, customer, ++desk->sources);
    one->entry.command.in.message.body = AW_SLICE("hello");
    return one;
}

/* Of the ticket that a pull of this agent chose, as its stream if there is one. */
static struct one *
make_lease(struct desk *desk, struct one *one, const char *agent, struct stream *stream)
{
    static const struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;
    const struct aw_choice_of             of = {.lanes = desk->lanes, .directory = &desk->directory, .order = &order};
    struct aw_choice                      choice;

    assert_true(aw_choice_take(&of, desk->wall, &choice));
    one_make(one, AW_COMMAND_LEASE)->entry.command.in.lease =
        (struct aw_in_lease){.slot = choice.head.slot,
                             .version = choice.head.version,
                             .through = choice.head.lane + 1,
                             .taken_from = {{.lane = (uint16_t)choice.head.lane, .queues = (uint8_t)(1U << choice.head.queue)}},
                             .taken_count = 1,
                             .agent = aw_slice_str(agent),
                             .lease_ms = 60000};
    one->submission.choices = 1;
    one->submission.pull = stream == NULL ? NULL : &stream->park.park;
    return one;
}

static void
make_complete(struct one *one, const char *agent, const struct one *lease)
{
    const struct aw_lease_id id = lease->entry.command.out.u.lease.lease;

    one_make(one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = id, .agent = aw_slice_str(agent), .op_hash = 5};
}

static void
take_down(struct desk *desk, struct stream *stream)
{
    struct aw_submission cancel = {.kind = AW_SUBMIT_CANCEL, .target = &stream->park};

    assert_true(aw_ring_try_push(&desk->in, &cancel));
    desk_step(desk);
    assert_ptr_equal(aw_ring_try_pop(&desk->out), &stream->park);
    assert_int_equal(stream->park.park.end, AW_PARK_CANCELLED);
    assert_ptr_equal(aw_ring_try_pop(&desk->out), &cancel);
}

static void
test_news(void **state)
{
    struct desk   desk;
    struct stream ann, bob;
    struct one    one, lease;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    join(&desk, &ann, "ann", 1);
    join(&desk, &bob, "bob", 9);
    assert_null(carry_out(&desk, make_post(&desk, &one, 1)));
    assert_null(carry_out(&desk, make_lease(&desk, &lease, "ann", NULL)));
    assert_int_equal(lease.entry.command.out.err, AW_OK);
    /* By old news: back at once. Then it waits. */
    assert_ptr_equal(park(&desk, &ann), &ann.park);
    assert_int_equal(ann.park.park.end, AW_PARK_NEWS);
    look(&desk, &ann, "ann");
    assert_int_equal(ann.found.held, 1);
    assert_null(park(&desk, &ann));
    assert_null(park(&desk, &bob));
    check_nothing_more(&desk);
    /* The customer writes again; the agent completes. Each is news, for ann alone. */
    assert_ptr_equal(carry_out(&desk, make_post(&desk, &one, 1)), &ann.park);
    assert_int_equal(ann.park.park.end, AW_PARK_NEWS);
    look(&desk, &ann, "ann");
    assert_null(park(&desk, &ann));
    one_make(&one, AW_COMMAND_EXTEND)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = lease.entry.command.out.u.lease.lease, .agent = AW_SLICE("ann")};
    assert_ptr_equal(carry_out(&desk, &one), &ann.park);
    look(&desk, &ann, "ann");
    assert_null(park(&desk, &ann));
    make_complete(&one, "ann", &lease);
    assert_ptr_equal(carry_out(&desk, &one), &ann.park);
    assert_int_equal(ann.park.park.end, AW_PARK_NEWS);
    take_down(&desk, &bob);
    desk_close(&desk);
}

/* A stream that looked before somebody set its agent's presence looks again, though it goes by the agent's settings as they are. */
static void
test_presence_is_news(void **state)
{
    struct desk                     desk;
    struct stream                   ann;
    struct one                      one;
    const struct aw_agent_settings *settings;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    join(&desk, &ann, "ann", 1);
    one_make(&one, AW_COMMAND_PRESENCE)->entry.command.in.presence =
        (struct aw_in_presence){.name = AW_SLICE("ann"), .presence = AW_PRESENCE_BREAK};
    assert_null(carry_out(&desk, &one));
    assert_int_equal(one.entry.command.out.err, AW_OK);
    settings = aw_agents_row_settings(aw_agents_directory_find(&desk.agents, AW_SLICE("ann")));
    assert_non_null(settings);
    ann.park.park.stamp = settings->stamp;
    assert_ptr_equal(park(&desk, &ann), &ann.park);
    assert_int_equal(ann.park.park.end, AW_PARK_NEWS);
    look(&desk, &ann, "ann");
    assert_int_equal(ann.found.presence, AW_PRESENCE_BREAK);
    desk_close(&desk);
}

static enum aw_err
give_back(struct desk *desk, const struct one *lease)
{
    struct one one;

    one_make(&one, AW_COMMAND_RELEASE)->entry.command.in.fenced = (struct aw_in_fenced){
        .lease = lease->entry.command.out.u.lease.lease, .agent = AW_SLICE("ann"), .op_hash = 7, .gives_back = true};
    assert_null(carry_out(desk, &one));
    return one.entry.command.out.err;
}

/* What a stream was shown of other pulls' leases stays its agent's, though the answer of that pull got lost; what it was granted
 * itself it may give back. */
static void
test_shown_is_not_given_back(void **state)
{
    struct desk   desk;
    struct stream ann;
    struct one    one, lease;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t fence;

        desk_open(&desk, NULL);
        assert_int_equal(desk_start(&desk), AW_OK);
        join(&desk, &ann, "ann", 2);
        assert_null(carry_out(&desk, make_post(&desk, &one, 1)));
        assert_null(carry_out(&desk, make_lease(&desk, &lease, "ann", i == 0 ? NULL : &ann)));
        assert_int_equal(lease.entry.command.out.err, AW_OK);
        fence = lease.entry.command.out.u.lease.lease.fence;
        ann.found.own = &fence;
        ann.found.own_count = i;
        look(&desk, &ann, "ann");
        assert_int_equal(ann.found.held, 1);
        assert_int_equal(give_back(&desk, &lease), i == 0 ? AW_E_STALE : AW_OK);
        desk_close(&desk);
    }
}

/* Whichever parks first, the earlier one goes. */
static void
test_replaced(void **state)
{
    struct desk   desk;
    struct stream first, second, other;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    join(&desk, &other, "bob", 1);
    assert_null(park(&desk, &other));
    join(&desk, &first, "ann", 1);
    assert_null(park(&desk, &first));
    join(&desk, &second, "ann", 1);
    check_nothing_more(&desk);
    assert_ptr_equal(park(&desk, &second), &first.park);
    assert_int_equal(first.park.park.end, AW_PARK_REPLACED);
    assert_ptr_equal(park(&desk, &first), &first.park); /* it was busy when the other one parked */
    assert_int_equal(first.park.park.end, AW_PARK_REPLACED);
    check_nothing_more(&desk);
    assert_int_equal(aw_committer_parked(desk.committer), 2);
    take_down(&desk, &second);
    take_down(&desk, &other);
    desk_close(&desk);
}

static void
test_units(void **state)
{
    struct desk   desk;
    struct stream ann;
    struct one    one, lease, beyond;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    join(&desk, &ann, "ann", 1);
    assert_null(carry_out(&desk, make_post(&desk, &one, 1)));
    assert_null(carry_out(&desk, make_post(&desk, &one, 2)));
    assert_null(carry_out(&desk, make_lease(&desk, &lease, "ann", NULL))); /* a pull of hers was faster */
    assert_null(carry_out(&desk, make_lease(&desk, &beyond, "ann", &ann)));
    assert_int_equal(beyond.entry.command.out.err, AW_E_STALE);
    assert_false(beyond.entry.command.out.changed);
    look(&desk, &ann, "ann");
    assert_null(park(&desk, &ann)); /* the ticket lies there: not for her */
    assert_null(carry_out(&desk, make_post(&desk, &one, 3)));
    check_nothing_more(&desk);
    make_complete(&one, "ann", &lease);
    assert_ptr_equal(carry_out(&desk, &one), &ann.park);
    look(&desk, &ann, "ann");
    assert_int_equal(ann.found.held, 0);
    assert_ptr_equal(park(&desk, &ann), &ann.park); /* it went back, and waits for her now */
    assert_int_equal(ann.park.park.end, AW_PARK_WOKEN);
    assert_null(carry_out(&desk, make_lease(&desk, &beyond, "ann", &ann)));
    assert_int_equal(beyond.entry.command.out.err, AW_OK);
    /* One that waits aside for her alone: neither told at once nor again and again while her unit is taken. */
    assert_null(carry_out(&desk, make_post(&desk, &one, 1))); /* reopens what she completed */
    look(&desk, &ann, "ann");
    ann.park.park.woken_lane = AW_LANE_NONE;
    assert_null(park(&desk, &ann));
    for (int i = 0; i < 5; i++)
        check_nothing_more(&desk);
    assert_int_equal(aw_state_aside_count(desk.state), 1);
    make_complete(&one, "ann", &beyond);
    assert_ptr_equal(carry_out(&desk, &one), &ann.park);
    look(&desk, &ann, "ann");
    assert_ptr_equal(park(&desk, &ann), &ann.park);
    assert_int_equal(ann.park.park.end, AW_PARK_WOKEN);
    assert_int_not_equal(ann.park.park.woken_lane == AW_LANE_NONE ? ann.park.park.offered_slot : 1, 0);
    desk_close(&desk);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_news), cmocka_unit_test(test_presence_is_news),
                                       cmocka_unit_test(test_shown_is_not_given_back), cmocka_unit_test(test_replaced),
                                       cmocka_unit_test(test_units)};

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
