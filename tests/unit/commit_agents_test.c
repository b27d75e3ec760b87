/* commit_agents_test.c - the committer and what agents are set to, step by step without threads: a pull that waits, or comes to
 * wait, by old settings is sent back; a gentle ticket wakes the longest waiting pull of a gentle agent who serves its lane, and
 * nobody else; the directory is as the state after each command and after each start; no block of it is lost.
 */
#include "support/commit_rig.h"

struct waiting {
    struct aw_submission submission;
    struct aw_park_node  nodes[2];
    uint32_t             lanes[2];
};

static struct aw_outcome_of
set(struct desk *desk, const char *name, struct aw_in_agent in)
{
    struct one one;

    in.name = aw_slice_str(name);
    in.by = AW_SLICE("sam");
    one_make(&one, AW_COMMAND_AGENT)->entry.command.in.agent = in;
    assert_true(aw_ring_try_push(&desk->in, &one.submission));
    desk_step(desk);
    return one.entry.command.out;
}

static struct aw_in_agent
gentle(void)
{
    return (struct aw_in_agent){.is_gentle = true, .units_total = AW_UNITS_NO_TOTAL};
}

static const struct aw_agent_settings *
settings_of(struct desk *desk, const char *name)
{
    return aw_agents_row_settings(aw_agents_directory_find(&desk->agents, aw_slice_str(name)));
}

/* What came back, one after the other; NULL: nothing more. */
static void *
back(struct desk *desk)
{
    return aw_ring_try_pop(&desk->out);
}

/* `count` 0: all lanes. It goes by the agent's settings as they are now. */
static struct aw_submission *
park(struct desk *desk, struct waiting *pull, const char *name, uint32_t lane, uint32_t count)
{
    const struct aw_agent_settings *settings = settings_of(desk, name);

    *pull = (struct waiting){.submission = {.kind = AW_SUBMIT_PARK}, .lanes = {lane}};
    pull->submission.park = (struct aw_park){.agent = aw_slice_str(name),
                                             .lanes = count > 0 ? pull->lanes : NULL,
                                             .lane_count = count,
                                             .nodes = pull->nodes,
                                             .stamp = settings == NULL ? 0 : settings->stamp,
                                             .woken_lane = AW_LANE_NONE};
    aw_list_init(&pull->nodes[0].link);
    aw_list_init(&pull->nodes[1].link);
    assert_true(aw_ring_try_push(&desk->in, &pull->submission));
    desk_step(desk);
    return &pull->submission;
}

static struct aw_out_message
post(struct desk *desk, bool is_gentle)
{
    struct one            one;
    struct aw_in_message *in;

    desk->sources++;
    in = one_make_post(&one, desk->sources, desk->sources);
    in->gentle = is_gentle;
    in->body = AW_SLICE("hello");
    assert_true(aw_ring_try_push(&desk->in, &one.submission));
    desk_step(desk);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    return one.entry.command.out.u.message;
}

static void
lease(struct desk *desk, uint32_t slot, const char *name)
{
    struct aw_ticket_view view;
    struct one            one;

    assert_true(aw_state_ticket_at(desk->state, slot, &view));
    one_make(&one, AW_COMMAND_LEASE)->entry.command.in.lease =
        (struct aw_in_lease){.slot = slot, .version = view.version, .agent = aw_slice_str(name), .lease_ms = 3600000};
    assert_true(aw_ring_try_push(&desk->in, &one.submission));
    desk_step(desk);
    assert_ptr_equal(back(desk), &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
}

static void
cancel(struct desk *desk, struct waiting *pull)
{
    struct aw_submission submission = {.kind = AW_SUBMIT_CANCEL, .target = &pull->submission};

    assert_true(aw_ring_try_push(&desk->in, &submission));
    desk_step(desk);
    assert_ptr_equal(back(desk), &pull->submission);
    assert_ptr_equal(back(desk), &submission);
}

/* Whoever waits, or comes to wait, by old settings is sent back: named lanes or not. Others are not. */
static void
test_sent_back(void **state)
{
    struct desk    desk;
    struct waiting ann, bob, late;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    park(&desk, &ann, "ann", 0, 1);
    park(&desk, &bob, "bob", 0, 0);
    assert_null(back(&desk));
    assert_int_equal(set(&desk, "ann", gentle()).err, AW_OK);
    assert_ptr_equal(back(&desk), &ann.submission);
    assert_int_equal(ann.submission.park.end, AW_PARK_AGAIN);
    assert_non_null(back(&desk)); /* the command itself */
    assert_null(back(&desk));
    assert_int_equal(aw_committer_parked(desk.committer), 1);
    /* It looked before the command, and comes after it. */
    park(&desk, &late, "ann", 0, 0);
    assert_null(back(&desk));
    late.submission.park.stamp = 0;
    cancel(&desk, &late);
    late.submission.park.end = AW_PARK_WOKEN;
    assert_true(aw_ring_try_push(&desk.in, &late.submission));
    desk_step(&desk);
    assert_ptr_equal(back(&desk), &late.submission);
    assert_int_equal(late.submission.park.end, AW_PARK_AGAIN);
    /* The same once more changes nothing, and sends nobody back. */
    park(&desk, &late, "ann", 0, 0);
    assert_false(set(&desk, "ann", gentle()).changed);
    assert_non_null(back(&desk));
    assert_null(back(&desk));
    cancel(&desk, &late);
    cancel(&desk, &bob);
    desk_close(&desk);
}

/* Posts, and gives what came back besides the post itself; NULL: nobody was woken. */
static void *
woken_by(struct desk *desk, enum aw_class class_)
{
    struct one            one;
    struct aw_in_message *in;
    void                 *first, *second;

    desk->sources++;
    in = one_make_post(&one, desk->sources, desk->sources);
    in->class_ = class_;
    in->body = AW_SLICE("hello");
    assert_true(aw_ring_try_push(&desk->in, &one.submission));
    desk_step(desk);
    first = back(desk);
    second = back(desk);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    assert_null(back(desk));
    return first == &one.submission ? second : first;
}

/* Who is not given a class is not woken for it, however long it waits; others are. */
static void
test_classes_wake(void **state)
{
    struct desk        desk;
    struct waiting     vol, ann, late;
    struct aw_in_agent no_care = {.barred = 1U << AW_CLASS_CARE, .units_total = AW_UNITS_NO_TOTAL};

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    assert_int_equal(set(&desk, "vol", no_care).err, AW_OK);
    assert_non_null(back(&desk)); /* the command itself */
    assert_int_equal(settings_of(&desk, "vol")->barred, no_care.barred);
    park(&desk, &vol, "vol", 0, 0);
    assert_null(woken_by(&desk, AW_CLASS_CARE));
    park(&desk, &late, "vol", 0, 1);
    assert_null(back(&desk)); /* what waits is not for her, wherever she waits */
    park(&desk, &ann, "ann", 0, 0);
    assert_ptr_equal(back(&desk), &ann.submission);
    assert_int_equal(ann.submission.park.end, AW_PARK_WOKEN);
    assert_ptr_equal(woken_by(&desk, AW_CLASS_GENERAL), &vol.submission);
    /* She comes back without it: the general one is there still, so who waits is woken again, each for that alone. */
    assert_true(aw_ring_try_push(&desk.in, &vol.submission));
    desk_step(&desk);
    assert_ptr_equal(back(&desk), &vol.submission);
    assert_ptr_equal(back(&desk), &late.submission);
    assert_null(back(&desk));
    desk_close(&desk);
}

static void
test_gentle_wakes(void **state)
{
    struct desk    desk;
    struct waiting ann, far, gia, ida;
    uint32_t       slot;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    assert_int_equal(set(&desk, "gia", gentle()).err, AW_OK);
    assert_int_equal(set(&desk, "ida", gentle()).err, AW_OK);
    assert_non_null(back(&desk));
    assert_non_null(back(&desk));
    slot = post(&desk, false).ticket.slot;
    assert_non_null(back(&desk));
    lease(&desk, slot, "gia");
    park(&desk, &ann, "ann", 0, 0); /* waits longest, but is not gentle */
    park(&desk, &far, "gia", 1, 1); /* is, but does not serve the lane */
    park(&desk, &gia, "gia", 0, 1);
    park(&desk, &ida, "ida", 0, 0);
    assert_null(back(&desk));
    slot = post(&desk, true).ticket.slot;
    assert_ptr_equal(back(&desk), &gia.submission);
    assert_int_equal(gia.submission.park.offered_slot, slot);
    assert_non_null(back(&desk));
    assert_null(back(&desk));
    assert_int_equal(aw_lanes_directory_asides(&desk.directory, false), 0);
    assert_int_equal(aw_lanes_directory_asides(&desk.directory, true), 1);
    /* She gives up: the next one is woken for it. */
    gia.submission.park.leaving = true;
    assert_true(aw_ring_try_push(&desk.in, &gia.submission));
    desk_step(&desk);
    assert_ptr_equal(back(&desk), &ida.submission);
    assert_int_equal(ida.submission.park.offered_slot, slot);
    assert_ptr_equal(back(&desk), &gia.submission);
    assert_null(back(&desk));
    /* So does she: nobody gentle is left, so it waits; and then it is for whoever waits longest. */
    ida.submission.park.leaving = true;
    assert_true(aw_ring_try_push(&desk.in, &ida.submission));
    desk_step(&desk);
    assert_ptr_equal(back(&desk), &ida.submission);
    assert_null(back(&desk));
    desk_pass(&desk, 60000);
    desk_step(&desk);
    assert_ptr_equal(back(&desk), &ann.submission);
    assert_int_equal(ann.submission.park.woken_lane, 0);
    assert_int_equal(ann.submission.park.offered_slot, 0);
    ann.submission.park.leaving = true;
    assert_true(aw_ring_try_push(&desk.in, &ann.submission));
    desk_step(&desk);
    assert_ptr_equal(back(&desk), &ann.submission);
    cancel(&desk, &far);
    desk_close(&desk);
}

/* Also when commands are refused or change nothing, and when the same agent is set twice in one group. */
static void
test_directory(void **state)
{
    static const uint32_t lanes[] = {0, 1}, nowhere[] = {9};
    struct desk           desk;
    struct one            one, two;
    struct aw_in_agent    in = gentle();

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    in.lanes = nowhere;
    in.lane_count = 1;
    assert_int_equal(set(&desk, "ann", in).err, AW_E_BAD_VALUE);
    assert_null(settings_of(&desk, "ann"));
    assert_int_equal(desk.agents._reserved, 0);
    in.lanes = lanes;
    in.lane_count = 2;
    assert_int_equal(set(&desk, "ann", in).err, AW_OK);
    assert_false(set(&desk, "ann", in).changed);
    assert_int_equal(desk.agents._reserved, 0);
    one_make(&one, AW_COMMAND_AGENT)->entry.command.in.agent =
        (struct aw_in_agent){.name = AW_SLICE("bob"), .units_total = 2, .by = AW_SLICE("sam")};
    one_make(&two, AW_COMMAND_AGENT)->entry.command.in.agent = in;
    two.entry.command.in.agent.name = AW_SLICE("bob");
    assert_true(aw_ring_try_push(&desk.in, &one.submission));
    assert_true(aw_ring_try_push(&desk.in, &two.submission));
    desk_step(&desk);
    while (back(&desk) != NULL)
        ;
    assert_int_equal(two.entry.command.out.err, AW_OK);
    assert_int_equal(desk.agents._reserved, 0);
    for (int start = 0; start < 2; start++) {
        const struct aw_agent_settings *ann = settings_of(&desk, "ann"), *bob = settings_of(&desk, "bob");

        assert_true(ann->is_gentle && bob->is_gentle);
        assert_int_equal(ann->lane_count, 2);
        assert_int_equal(ann->lanes[1], 1);
        assert_int_equal(bob->lane_count, 2);
        assert_null(settings_of(&desk, "cas"));
        desk_crash(&desk, NULL);
        assert_int_equal(desk_start(&desk), AW_OK);
        assert_int_equal(desk.agents._reserved, 0);
    }
    desk_close(&desk);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sent_back),
        cmocka_unit_test(test_classes_wake),
        cmocka_unit_test(test_gentle_wakes),
        cmocka_unit_test(test_directory),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
