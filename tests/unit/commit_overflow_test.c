/* commit_overflow_test.c - a lane that another one helps, on the committer with the real state machine and lanes, step by step.
 *
 * Proves: a ticket comes into the queue of the helping lane in its time and wakes who waits there; what was taken and is refused
 * goes back to the lanes that it was taken from, but not to one that helps no more; who helps after a crash is who helped before;
 * entries that nobody meets do not pile up; with less than half of the room for entries tickets wait for help and leave what there
 * is to all else, also to what else time has to say of them; a full store lets lanes help, but not at the cost of what drains.
 */
#include "support/commit_rig.h"

enum { MAIN = 0, RED = 2, BLUE = 3 };
#define AFTER_S 60U

/* Who helps red, or nobody. */
static void
set_red(struct desk *desk, bool is_helped, enum aw_lane_pause pause)
{
    const struct aw_lane_helper helper = {.lane = AW_SLICE("blue"), .after_s = AFTER_S};
    struct one                  one;

    one_make(&one, AW_COMMAND_LANE)->entry.command.in.lane =
        (struct aw_in_lane){.name = AW_SLICE("red"), .pause = pause, .helpers = &helper, .helper_count = is_helped};
    assert_true(aw_ring_try_push(&desk->in, &one.submission));
    desk_step(desk);
    while (aw_ring_try_pop(&desk->out) != &one.submission) /* whom it woke comes first */
        ;
    assert_int_equal(one.entry.command.out.err, AW_OK);
}

static void
open_lanes(struct desk *desk)
{
    static const char *const names[] = {"red", "blue"};
    struct one               one;

    assert_int_equal(desk_start(desk), AW_OK);
    for (unsigned i = 0; i < AW_ARRAY_LEN(names); i++) {
        one_make(&one, AW_COMMAND_LANE)->entry.command.in.lane = (struct aw_in_lane){.name = aw_slice_str(names[i])};
        desk_carry_out(desk, &one.submission);
        assert_int_equal(one.entry.command.out.u.lane.lane, RED + i);
    }
    set_red(desk, true, AW_LANE_OPEN);
}

/* A post into red; the slot of its ticket, 0 when it was refused. */
static uint32_t
post_departure(struct desk *desk, aw_ms departs_at)
{
    struct one            one;
    struct aw_in_message *in = one_make_post(&one, desk->sources + 1, desk->sources + 1);

    desk->sources++;
    in->lane = AW_SLICE("red");
    in->body = AW_SLICE("help");
    in->departs_at = departs_at;
    desk_carry_out(desk, &one.submission);
    return one.entry.command.out.err == AW_OK ? one.entry.command.out.u.message.ticket.slot : 0;
}

static uint32_t
post(struct desk *desk)
{
    return post_departure(desk, 0);
}

/* Time enough that all are helped, and steps enough. */
static void
wait_for_help(struct desk *desk)
{
    desk_pass(desk, AFTER_S * AW_MS_PER_S + 1);
    for (unsigned i = 0; i < 20; i++) {
        desk_pass(desk, 200);
        desk_step(desk);
    }
}

static bool
take(struct desk *desk, uint32_t lane, struct aw_head *head)
{
    return aw_lanes_peek(desk->lanes, lane, 0, AW_CLASS_GENERAL, head) && aw_lanes_try_take(desk->lanes, head);
}

static uint64_t
waiting_in(const struct desk *desk, uint32_t lane)
{
    struct aw_lanes_count count;

    aw_lanes_count(desk->lanes, lane, AW_CLASS_GENERAL, &count);
    return count.waiting;
}

static struct one *
make_lease(struct one *one, const struct aw_head *head)
{
    const struct aw_lane_queues from = {.lane = (uint16_t)head->lane, .queues = (uint8_t)(1U << head->queue)};

    one_make(one, AW_COMMAND_LEASE)->entry.command.in.lease = (struct aw_in_lease){.slot = head->slot,
                                                                                   .version = head->version,
                                                                                   .through = head->lane + 1,
                                                                                   .taken_from = {from},
                                                                                   .taken_count = 1,
                                                                                   .agent = AW_SLICE("mia"),
                                                                                   .lease_ms = 60000};
    one->submission.choices = 1;
    return one;
}

static enum aw_err
lease(struct desk *desk, const struct aw_head *head, struct aw_out_lease *ret_out)
{
    struct one one;

    desk_carry_out(desk, &make_lease(&one, head)->submission);
    *ret_out = one.entry.command.out.u.lease;
    return one.entry.command.out.err;
}

static void
test_waits_in_both(void **state)
{
    struct desk         desk;
    struct aw_head      head, other;
    struct aw_out_lease out;
    struct one          one;
    uint32_t            slot;

    (void)state;
    desk_open(&desk, NULL);
    open_lanes(&desk);
    slot = post(&desk);
    assert_false(take(&desk, BLUE, &head));
    wait_for_help(&desk);
    assert_true(aw_lanes_peek(desk.lanes, RED, 0, AW_CLASS_GENERAL, &other));
    assert_true(take(&desk, BLUE, &head));
    assert_int_equal(head.slot, slot);
    assert_int_equal(lease(&desk, &head, &out), AW_OK);
    assert_int_equal(out.help.by[0].lane, BLUE);
    assert_int_equal(out.help.by[0].after_s, AFTER_S);
    assert_true(aw_slice_eq(out.lane_name, AW_SLICE("red")));
    /* Whoever took the other one is too late. */
    assert_false(aw_lanes_peek(desk.lanes, RED, 0, AW_CLASS_GENERAL, &other));
    one_make(&one, AW_COMMAND_RELEASE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = out.lease, .agent = AW_SLICE("mia"), .op_hash = 1};
    desk_carry_out(&desk, &one.submission);
    desk_step(&desk);
    assert_true(take(&desk, RED, &head) && take(&desk, BLUE, &other));
    assert_int_equal(head.version, other.version);
    desk_close(&desk);
}

static void
test_refused_goes_back_where_it_was(void **state)
{
    struct desk    desk;
    struct aw_head head, other;
    struct one     one;

    (void)state;
    desk_open(&desk, NULL);
    open_lanes(&desk);
    (void)post(&desk);
    wait_for_help(&desk);
    for (unsigned i = 0; i < 100; i++) {
        bool is_both = i % 3 == 2;

        assert_true(take(&desk, i % 2 == 0 ? RED : BLUE, &head));
        if (is_both)
            assert_true(take(&desk, i % 2 == 0 ? BLUE : RED, &other));
        make_lease(&one, &head)->entry.command.in.lease.agent = AW_SLICE("");
        if (is_both) {
            one.entry.command.in.lease.taken_from[one.entry.command.in.lease.taken_count++] =
                (struct aw_lane_queues){.lane = (uint16_t)other.lane, .queues = (uint8_t)(1U << other.queue)};
            one.submission.choices++;
        }
        desk_carry_out(&desk, &one.submission);
        assert_int_equal(one.entry.command.out.err, AW_E_BAD_VALUE);
        assert_int_equal(waiting_in(&desk, RED), 1);
        assert_int_equal(waiting_in(&desk, BLUE), 1);
        assert_int_equal(waiting_in(&desk, MAIN), 0);
    }
    desk_close(&desk);
}

/* Taken in the helping lane before that helped no more: refused, gone from there, and there again when it helps again. */
static void
test_help_that_ends_meanwhile(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        struct desk         desk;
        struct aw_head      head;
        struct aw_out_lease out;

        desk_open(&desk, NULL);
        open_lanes(&desk);
        (void)post(&desk);
        wait_for_help(&desk);
        assert_true(take(&desk, BLUE, &head));
        set_red(&desk, way == 1, way == 1 ? AW_LANE_PAUSED_OUT : AW_LANE_OPEN);
        assert_int_equal(lease(&desk, &head, &out), AW_E_STALE);
        assert_false(take(&desk, BLUE, &head));
        desk_pass(&desk, 1000);
        desk_step(&desk);
        desk_step(&desk);
        assert_true(aw_lanes_peek(desk.lanes, RED, 0, AW_CLASS_GENERAL, &head));
        assert_false(take(&desk, BLUE, &head));
        set_red(&desk, true, AW_LANE_OPEN);
        wait_for_help(&desk);
        assert_true(take(&desk, BLUE, &head));
        assert_int_equal(lease(&desk, &head, &out), AW_OK);
        desk_close(&desk);
    }
}

static void
test_wakes_who_waits_there(void **state)
{
    static const uint32_t blue[] = {BLUE};
    struct desk           desk;
    struct aw_park_node   node = {.pull = NULL};
    struct aw_submission  pull = {.kind = AW_SUBMIT_PARK,
                                  .park = {.agent = AW_SLICE("mia"),
                                           .order = &AW_ORDER_SETTINGS_DEFAULT,
                                           .lanes = blue,
                                           .lane_count = 1,
                                           .nodes = &node,
                                           .woken_lane = AW_LANE_NONE}};

    (void)state;
    aw_list_init(&node.link);
    desk_open(&desk, NULL);
    open_lanes(&desk);
    assert_true(aw_ring_try_push(&desk.in, &pull));
    desk_step(&desk);
    assert_int_not_equal(post(&desk), 0);
    assert_null(aw_ring_try_pop(&desk.out));
    wait_for_help(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &pull);
    assert_int_equal(pull.park.end, AW_PARK_WOKEN);
    pull.park.leaving = true;
    desk_carry_out(&desk, &pull);
    desk_close(&desk);
}

/* Some are helped, some not yet, one is leased through the helping lane, when the machine stops. */
static void
test_after_a_crash(void **state)
{
    struct aw_fault_plan plan = {.lose_unflushed = true};
    struct desk          desk;
    struct aw_head       head;
    struct aw_out_lease  out;

    (void)state;
    for (uint64_t checkpoint_bytes = 0; checkpoint_bytes <= 1000; checkpoint_bytes += 1000) {
        desk_open(&desk, &plan);
        desk.checkpoint_bytes = checkpoint_bytes;
        open_lanes(&desk);
        for (unsigned i = 0; i < 20; i++)
            (void)post(&desk);
        wait_for_help(&desk);
        assert_true(take(&desk, BLUE, &head));
        assert_int_equal(lease(&desk, &head, &out), AW_OK);
        for (unsigned i = 0; i < 10; i++)
            (void)post(&desk);
        desk_crash(&desk, &plan);
        assert_int_equal(desk_start(&desk), AW_OK);
        assert_true(checkpoint_bytes == 0 || desk.recovery.checkpoint_seq > 0);
        assert_true(aw_hash128_eq(aw_state_digest(desk.state), aw_state_digest_slow(desk.state)));
        assert_int_equal(waiting_in(&desk, RED), 29);
        assert_int_equal(waiting_in(&desk, BLUE), 19);
        assert_int_equal(aw_state_leases_of(desk.state, AW_SLICE("mia"), 0, &(struct aw_ticket_view){.lane = 0}, 1), 1);
        wait_for_help(&desk);
        while (take(&desk, BLUE, &head))
            assert_int_equal(lease(&desk, &head, &out), AW_OK);
        assert_false(take(&desk, RED, &head));
        desk_close(&desk);
    }
}

/* Nobody pulls in the helping lane; what its own lane gives out does not stay behind there. */
static void
test_nothing_piles_up(void **state)
{
    struct desk desk;

    (void)state;
    desk_open(&desk, NULL);
    open_lanes(&desk);
    for (unsigned round = 0; round < 300; round++) {
        struct aw_head      head;
        struct aw_out_lease out;
        struct one          one;

        assert_int_not_equal(post(&desk), 0);
        wait_for_help(&desk);
        assert_true(take(&desk, RED, &head));
        assert_int_equal(lease(&desk, &head, &out), AW_OK);
        one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
            (struct aw_in_fenced){.lease = out.lease, .agent = AW_SLICE("mia"), .op_hash = 1};
        desk_carry_out(&desk, &one.submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        assert_in_range(waiting_in(&desk, BLUE), 0, 2);
    }
    desk_close(&desk);
}

/* Holds a ticket of main and brings it back until the queues have no more room than that, or none: nobody looks there, so all that
 * it leaves behind stays. */
static enum aw_err
fill_queues(struct desk *desk, size_t room)
{
    struct one          one;
    struct aw_ticket_id ticket;

    (void)one_make_post(&one, desk->sources + 1, desk->sources + 1);
    desk->sources++;
    desk_carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    ticket = one.entry.command.out.u.message.ticket;
    do {
        one_make(&one, AW_COMMAND_HOLD)->entry.command.in.ticket = (struct aw_in_ticket){.ticket = ticket, .by = AW_SLICE("sue")};
        desk_carry_out(desk, &one.submission);
        one_make(&one, AW_COMMAND_UNHOLD)->entry.command.in.ticket =
            (struct aw_in_ticket){.ticket = ticket, .by = AW_SLICE("sue")};
        desk_carry_out(desk, &one.submission);
    } while (one.entry.command.out.err == AW_OK && aw_lanes_room(desk->lanes) > room);
    return one.entry.command.out.err;
}

/* All that was left behind in main goes. */
static void
empty_queues(struct desk *desk)
{
    struct aw_head head;

    while (aw_lanes_peek(desk->lanes, MAIN, 0, AW_CLASS_GENERAL, &head) && head.stale)
        ; /* a peek drops a bounded number */
}

static void
step_for(struct desk *desk, unsigned minutes)
{
    for (unsigned i = 0; i < minutes * 100; i++) {
        desk_pass(desk, 600);
        desk_step(desk);
    }
}

/* Without room in the queues tickets wait for help, and the committer rests meanwhile; with room again they get it. */
static void
test_without_room(void **state)
{
    enum { POSTS = 100 };
    struct desk desk;

    (void)state;
    desk_open(&desk, NULL);
    open_lanes(&desk);
    for (unsigned i = 0; i < POSTS; i++)
        assert_int_not_equal(post(&desk), 0);
    assert_int_equal(fill_queues(&desk, 0), AW_E_TABLE_FULL);
    wait_for_help(&desk);
    assert_int_equal(waiting_in(&desk, BLUE), 0);
    assert_true(aw_committer_next_due(desk.committer, fake_mono) > fake_mono);
    empty_queues(&desk);
    step_for(&desk, 2);
    assert_int_equal(waiting_in(&desk, BLUE), POSTS);
    desk_close(&desk);
}

/* With less than half of the room all goes on but help: posts, and a departure that comes near while its help is put off. */
static void
test_half_of_the_room(void **state)
{
    enum { POSTS = 20 };
    const size_t          reserve = aw_committer_lanes_reserve(desk_limits.leases_max, DESK_CHOICES_MAX);
    struct desk           desk;
    struct aw_lanes_count imminent;
    size_t                half;

    (void)state;
    desk_open(&desk, NULL);
    open_lanes(&desk);
    half = (aw_lanes_room(desk.lanes) + reserve) / 2;
    assert_int_equal(fill_queues(&desk, half), AW_OK);
    for (unsigned i = 0; i < POSTS - 1; i++)
        assert_int_not_equal(post(&desk), 0);
    /* Imminent from 6 hours before: half a minute after its help is due, and half a minute before that is tried again. */
    assert_int_not_equal(post_departure(&desk, desk.wall + 6 * 60 * 60000 + (AFTER_S + 30) * AW_MS_PER_S), 0);
    wait_for_help(&desk);
    assert_int_equal(waiting_in(&desk, BLUE), 0);
    assert_true(aw_committer_next_due(desk.committer, fake_mono) > fake_mono);
    desk_pass(&desk, 30 * AW_MS_PER_S);
    desk_step(&desk);
    aw_lanes_count(desk.lanes, RED, AW_CLASS_IMMINENT, &imminent);
    assert_int_equal(imminent.waiting, 1);
    assert_int_not_equal(post(&desk), 0);
    step_for(&desk, 2);
    assert_int_equal(waiting_in(&desk, BLUE), 0);
    empty_queues(&desk);
    step_for(&desk, 2);
    assert_int_equal(waiting_in(&desk, BLUE), POSTS);
    desk_close(&desk);
}

static void
complete_one(struct desk *desk, uint32_t lane)
{
    struct aw_head      head;
    struct aw_out_lease out;
    struct one          one;

    enum aw_err err;

    do {
        assert_true(take(desk, lane, &head));
        err = lease(desk, &head, &out);
    } while (err == AW_E_STALE); /* an older entry of it */
    assert_int_equal(err, AW_OK);
    one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = out.lease, .agent = AW_SLICE("mia"), .op_hash = 1};
    desk_carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
}

static uint64_t
fill_store(struct desk *desk)
{
    uint64_t posts = 0;

    while (post(desk) != 0)
        posts++;
    assert_int_equal(aw_committer_role(desk->committer), AW_ROLE_FULL);
    return posts;
}

/* Nobody pulls from the lane itself: a full store gives help of its reserve, so that it is drained. */
static void
test_full_store_is_helped(void **state)
{
    struct aw_fault_plan plan = {.full_from_bytes = 202000};
    struct desk          desk;
    uint64_t             posts;

    (void)state;
    desk_open(&desk, &plan);
    open_lanes(&desk);
    posts = fill_store(&desk);
    assert_int_equal(waiting_in(&desk, BLUE), 0);
    wait_for_help(&desk);
    assert_int_equal(waiting_in(&desk, BLUE), posts);
    for (; posts > 0; posts--)
        complete_one(&desk, BLUE);
    desk_close(&desk);
}

/* Helpers that come and go write a record for each ticket each time: that ends before what is owed to the tickets. */
static void
test_help_leaves_what_drains(void **state)
{
    struct aw_fault_plan plan = {.full_from_bytes = 203000};
    struct desk          desk;
    struct one           one;
    uint64_t             posts, waiting;

    (void)state;
    desk_open(&desk, &plan);
    open_lanes(&desk);
    posts = fill_store(&desk);
    for (unsigned i = 0; i < 1000; i++) {
        const struct aw_lane_helper helper = {.lane = AW_SLICE("blue"), .after_s = AFTER_S};

        wait_for_help(&desk);
        one_make(&one, AW_COMMAND_LANE)->entry.command.in.lane =
            (struct aw_in_lane){.name = AW_SLICE("red"), .helpers = &helper, .helper_count = i % 2};
        assert_true(aw_ring_try_push(&desk.in, &one.submission));
        desk_step(&desk);
        assert_ptr_equal(aw_ring_try_pop(&desk.out), &one.submission);
        if (one.entry.command.out.err != AW_OK)
            break;
    }
    assert_int_equal(one.entry.command.out.err, AW_E_STORE_FULL);
    for (waiting = posts; waiting > 0; waiting--)
        complete_one(&desk, RED);
    wait_for_help(&desk);
    set_red(&desk, true, AW_LANE_OPEN);
    desk_close(&desk);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_in_both),
        cmocka_unit_test(test_refused_goes_back_where_it_was),
        cmocka_unit_test(test_help_that_ends_meanwhile),
        cmocka_unit_test(test_wakes_who_waits_there),
        cmocka_unit_test(test_after_a_crash),
        cmocka_unit_test(test_nothing_piles_up),
        cmocka_unit_test(test_without_room),
        cmocka_unit_test(test_half_of_the_room),
        cmocka_unit_test(test_full_store_is_helped),
        cmocka_unit_test(test_help_leaves_what_drains),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
