/* commit_units_test.c - the committer where agents have units by channel: what waits moves to a shelf of its own while others pull,
 * step by step without threads; pulls that wait are woken for what their agent has a unit for, and for nothing else.
 *
 * Proves: at every moment of a move a pull gets the ticket that goes before all others that its agent may have; who took one in
 * vain moves it, so it can't happen twice; a start puts all where they belong; no wake is lost and none is in vain,
 * however many pulls of an agent wait; short of room a ticket with helpers moves as far as it is taken in vain, and then for good.
 */
#include "commit/choice.h"
#include "support/commit_rig.h"

#define TICKETS 4800U

static struct aw_command
post_on(struct desk *desk, const char *channel)
{
    struct one one;

    desk->sources++;
    one_make_post(&one, desk->sources, desk->sources)->channel = aw_slice_str(channel);
    one.entry.command.in.message.body = AW_SLICE("hello");
    desk_carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    return one.entry.command;
}

/* An agent's units of one channel. Carried out, but what follows from it may take further steps. */
static void
set_units(struct desk *desk, const char *agent, const char *channel, uint32_t units)
{
    const struct aw_agent_units each = {.channel = aw_slice_str(channel), .units = units};
    struct one                  one;

    one_make(&one, AW_COMMAND_AGENT)->entry.command.in.agent = (struct aw_in_agent){
        .name = aw_slice_str(agent), .units = &each, .unit_count = 1, .units_total = AW_UNITS_NO_TOTAL, .by = AW_SLICE("sam")};
    desk_carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
}

static struct aw_choice_of
choice_of(struct desk *desk, unsigned full)
{
    static const struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;

    return (struct aw_choice_of){.lanes = desk->lanes, .directory = &desk->directory, .full = (uint16_t)full, .order = &order};
}

static uint32_t
chat_shelf(const struct desk *desk)
{
    return aw_state_find_channel(desk->state, AW_SLICE("chat"));
}

static uint16_t
full_of(struct desk *desk, const char *agent)
{
    return aw_state_agent_full(desk->state, aw_state_find_agent(desk->state, aw_slice_str(agent)));
}

/* The ticket that a pull would get; 0: none. */
static uint32_t
next_for(struct desk *desk, unsigned full)
{
    struct aw_choice_of of = choice_of(desk, full);
    struct aw_choice    choice;

    return aw_choice_find(&of, desk->wall, &choice) ? choice.head.slot : 0;
}

/* Asks for the lease of what was taken; the outcome. */
static struct aw_outcome_of
lease_for(struct desk *desk, const char *agent, const struct aw_choice *choice)
{
    struct one one;

    one_make(&one, AW_COMMAND_LEASE)->entry.command.in.lease =
        (struct aw_in_lease){.slot = choice->head.slot,
                             .version = choice->head.version,
                             .through = choice->head.lane + 1,
                             .taken_from = {{.lane = (uint16_t)choice->head.lane, .queues = (uint8_t)(1U << choice->head.queue)}},
                             .taken_count = 1,
                             .agent = aw_slice_str(agent),
                             .lease_ms = 60000};
    one.submission.choices = 1;
    desk_carry_out(desk, &one.submission);
    return one.entry.command.out;
}

static struct aw_outcome_of
pull_for(struct desk *desk, const char *agent, unsigned full)
{
    struct aw_choice_of of = choice_of(desk, full);
    struct aw_choice    choice;

    assert_true(aw_choice_take(&of, desk->wall, &choice));
    return lease_for(desk, agent, &choice);
}

static void
complete(struct desk *desk, const char *agent, struct aw_lease_id lease)
{
    struct one one;

    one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = lease, .agent = aw_slice_str(agent)};
    desk_carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
}

/* Every other ticket is a chat, the oldest one too; later ones were received earlier, so that the move comes to the heads last.
 * Returns the slots, oldest first. */
static const uint32_t *
fill(struct desk *desk)
{
    static uint32_t slots[TICKETS];

    for (uint32_t i = TICKETS; i-- > 0;) {
        struct one            one;
        struct aw_in_message *in = one_make_post(&one, i + 1, i + 1);

        in->channel = i % 2 == 0 ? AW_SLICE("chat") : AW_SLICE("mail");
        in->body = AW_SLICE("hello");
        in->received_at = desk->wall - (TICKETS - i) * AW_LANES_TICK_MS;
        desk_carry_out(desk, &one.submission);
        slots[i] = one.entry.command.out.u.message.ticket.slot;
    }
    desk->sources = TICKETS;
    return slots;
}

static bool
is_at_rest(const struct desk *desk)
{
    return aw_committer_next_due(desk->committer, fake_mono) > fake_mono;
}

/* All that waits on the other shelves. */
static void
drain(struct desk *desk, const uint32_t *slots, unsigned full, uint32_t first, uint32_t step)
{
    struct aw_choice_of of = choice_of(desk, full);
    struct aw_choice    choice;

    for (uint32_t i = first; i < TICKETS; i += step) {
        assert_true(aw_choice_take(&of, desk->wall, &choice));
        assert_int_equal(choice.head.slot, slots[i]);
        aw_lanes_show(desk->lanes, choice.head.slot, choice.head.version + 1, choice.head.age);
    }
    assert_false(aw_choice_find(&of, desk->wall, &choice));
}

static void
test_moves_while_others_pull(void **state)
{
    struct desk     desk;
    const uint32_t *slots;
    unsigned        steps = 0;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    slots = fill(&desk);
    assert_int_equal(aw_lanes_shelves(desk.lanes), 1);
    set_units(&desk, "ann", "chat", 0);
    assert_false(is_at_rest(&desk));
    while (!is_at_rest(&desk)) {
        assert_int_equal(next_for(&desk, 0), slots[0]); /* for who has no bound it is always the oldest */
        desk_step(&desk);
        assert_true(++steps < 100);
    }
    assert_true(steps > 1);
    assert_int_equal(aw_lanes_shelves(desk.lanes), 1 | 1 << chat_shelf(&desk));
    assert_int_equal(next_for(&desk, 0), slots[0]);
    assert_int_equal(full_of(&desk, "ann"), 1 << chat_shelf(&desk));
    drain(&desk, slots, full_of(&desk, "ann"), 1, 2);
    drain(&desk, slots, 0, 0, 2);
    desk_close(&desk);
}

/* A lone agent who pulls while it moves takes chats in vain, each at most once, and gets the oldest mail in the end. */
static void
test_in_vain_only_once(void **state)
{
    struct desk     desk;
    const uint32_t *slots;
    uint32_t        vain = 0;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    slots = fill(&desk);
    set_units(&desk, "ann", "chat", 0);
    for (;; vain++) {
        struct aw_outcome_of out = pull_for(&desk, "ann", full_of(&desk, "ann"));

        if (out.err == AW_OK) {
            assert_int_equal(out.u.lease.ticket.slot, slots[1]);
            break;
        }
        assert_int_equal(out.err, AW_E_STALE);
        assert_in_range(vain, 0, TICKETS / 2);
    }
    assert_true(vain > 0);
    while (!is_at_rest(&desk))
        desk_step(&desk);
    assert_int_equal(pull_for(&desk, "ann", full_of(&desk, "ann")).u.lease.ticket.slot, slots[3]);
    assert_int_equal(pull_for(&desk, "bob", 0).u.lease.ticket.slot, slots[0]); /* what came back is in its place */
    desk_close(&desk);
}

/* A new ticket goes to its shelf at once, whatever still moves; who writes on another channel goes there. */
static void
test_new_ones_beside_a_move(void **state)
{
    struct desk       desk;
    const uint32_t   *slots;
    struct aw_command chat;
    struct one        one;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    slots = fill(&desk);
    set_units(&desk, "ann", "chat", 0);
    assert_false(is_at_rest(&desk));
    chat = post_on(&desk, "chat");
    assert_int_equal(aw_lanes_shown_shelf(desk.lanes, chat.out.u.message.ticket.slot), chat_shelf(&desk));
    one_make_post(&one, 1, TICKETS + 10)->channel = AW_SLICE("mail"); /* the oldest, a chat */
    one.entry.command.in.message.body = AW_SLICE("again");
    desk_carry_out(&desk, &one.submission);
    assert_true(one.entry.command.out.u.message.folded);
    while (!is_at_rest(&desk))
        desk_step(&desk);
    assert_int_equal(next_for(&desk, 1U << chat_shelf(&desk)), slots[0]); /* with its age */
    desk_close(&desk);
}

static void
test_start(void **state)
{
    struct aw_fault_plan plan = {.lose_unflushed = true};
    struct desk          desk;
    const uint32_t      *slots;

    (void)state;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    slots = fill(&desk);
    set_units(&desk, "ann", "chat", 0);
    desk_crash(&desk, NULL); /* in the middle of the move */
    assert_int_equal(desk_start(&desk), AW_OK);
    desk_step(&desk);
    assert_true(is_at_rest(&desk));
    drain(&desk, slots, full_of(&desk, "ann"), 1, 2);
    drain(&desk, slots, 0, 0, 2);
    desk_close(&desk);
}

/* --- a move without room ------------------------------------------------------------------------------------------------------ */

enum { RED = 2, BLUE = 3, UNUSED = 9 };
#define AFTER_S 60U

/* A chat in red that blue helps with; its slot. */
static uint32_t
post_helped(struct desk *desk)
{
    const struct aw_lane_helper helper = {.lane = AW_SLICE("blue"), .after_s = AFTER_S};
    static const char *const    names[] = {"red", "blue", "red"};
    struct one                  one;
    struct aw_in_message       *in;

    for (unsigned i = 0; i < AW_ARRAY_LEN(names); i++) {
        one_make(&one, AW_COMMAND_LANE)->entry.command.in.lane =
            (struct aw_in_lane){.name = aw_slice_str(names[i]), .helpers = &helper, .helper_count = i == 2};
        desk_carry_out(desk, &one.submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        assert_int_equal(one.entry.command.out.u.lane.lane, i == 1 ? BLUE : RED);
    }
    in = one_make_post(&one, 1, 1);
    in->channel = AW_SLICE("chat");
    in->lane = AW_SLICE("red");
    in->body = AW_SLICE("help");
    desk_carry_out(desk, &one.submission);
    desk_pass(desk, AFTER_S * AW_MS_PER_S + 1);
    desk_step(desk);
    assert_true(aw_state_waits_in(desk->state, one.entry.command.out.u.message.ticket.slot, BLUE));
    return one.entry.command.out.u.message.ticket.slot;
}

/* Takes the room of the queues, all but somewhat less than the reserve, or gives it back. */
static void
set_short(struct desk *desk, bool is_short)
{
    uint64_t       reserve = aw_committer_lanes_reserve(desk_limits.leases_max, DESK_CHOICES_MAX);
    struct aw_head head;

    while (is_short && aw_lanes_room(desk->lanes) >= reserve - 100)
        assert_int_equal(aw_lanes_push(desk->lanes, UNUSED, AW_CLASS_GENERAL, desk->wall, 1, UINT32_MAX), AW_OK);
    while (!is_short && aw_lanes_peek(desk->lanes, UNUSED, 0, AW_CLASS_GENERAL, &head))
        ; /* each look drops some that are stale */
}

/* A lone agent takes it in vain once from each queue that it lies in, and it is where it belongs as soon as there is room. */
static void
test_in_vain_without_room(void **state)
{
    struct aw_choice_of of;
    struct aw_choice    choice;
    struct desk         desk;
    struct aw_head      head;
    uint32_t            slot, vain = 0;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    slot = post_helped(&desk);
    set_short(&desk, true);
    set_units(&desk, "ann", "chat", 0);
    of = choice_of(&desk, full_of(&desk, "ann"));
    for (; aw_choice_find(&of, desk.wall, &choice); vain++) {
        assert_int_equal(pull_for(&desk, "ann", of.full).err, AW_E_STALE);
        assert_in_range(vain, 0, 1);
        assert_int_equal(next_for(&desk, 0), slot); /* for who may have it, it is always there */
    }
    assert_int_equal(vain, 2);
    assert_true(aw_lanes_is_moving(desk.lanes, slot));
    set_short(&desk, false);
    for (unsigned i = 0; i < 1000 && aw_lanes_is_moving(desk.lanes, slot); i++)
        desk_step(&desk);
    assert_false(aw_lanes_is_moving(desk.lanes, slot));
    while (!is_at_rest(&desk))
        desk_step(&desk);
    for (uint32_t lane = RED; lane <= BLUE; lane++) {
        assert_false(aw_lanes_peek(desk.lanes, lane, 0, AW_CLASS_GENERAL, &head));
        assert_true(aw_lanes_peek(desk.lanes, lane, chat_shelf(&desk), AW_CLASS_GENERAL, &head));
        assert_int_equal(head.slot, slot);
        assert_false(head.stale);
    }
    assert_int_equal(pull_for(&desk, "bob", 0).u.lease.ticket.slot, slot);
    assert_int_equal(next_for(&desk, 0), 0);
    desk_close(&desk);
}

/* One of its entries alone was taken in vain; the other one, which nobody took, moves with it when there is room. */
static void
test_half_moved(void **state)
{
    struct desk    desk;
    struct aw_head head;
    uint32_t       slot;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    slot = post_helped(&desk);
    set_short(&desk, true);
    set_units(&desk, "ann", "chat", 0);
    assert_int_equal(pull_for(&desk, "ann", full_of(&desk, "ann")).err, AW_E_STALE);
    assert_int_equal(aw_lanes_peek(desk.lanes, RED, 0, AW_CLASS_GENERAL, &head) +
                         aw_lanes_peek(desk.lanes, BLUE, 0, AW_CLASS_GENERAL, &head),
                     1);
    set_short(&desk, false);
    for (unsigned i = 0; i < 1000 && aw_lanes_is_moving(desk.lanes, slot); i++)
        desk_step(&desk);
    for (uint32_t lane = RED; lane <= BLUE; lane++) {
        assert_false(aw_lanes_peek(desk.lanes, lane, 0, AW_CLASS_GENERAL, &head));
        assert_true(aw_lanes_peek(desk.lanes, lane, chat_shelf(&desk), AW_CLASS_GENERAL, &head));
    }
    desk_close(&desk);
}

/* --- pulls that wait ---------------------------------------------------------------------------------------------------------- */

struct waiting {
    struct aw_submission submission;
    struct aw_park_node  node;
};

static void
park(struct desk *desk, struct waiting *pull, const char *agent)
{
    const struct aw_agent_settings *settings =
        aw_agents_row_settings(aw_agents_directory_find(&desk->agents, aw_slice_str(agent)));
    static const struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;

    *pull = (struct waiting){.submission = {.kind = AW_SUBMIT_PARK}};
    pull->submission.park.agent = aw_slice_str(agent);
    pull->submission.park.stamp = settings == NULL ? 0 : settings->stamp;
    pull->submission.park.order = &order;
    pull->submission.park.nodes = &pull->node;
    pull->submission.park.woken_lane = AW_LANE_NONE;
    aw_list_init(&pull->node.link);
    assert_true(aw_ring_try_push(&desk->in, &pull->submission));
    desk_step(desk);
}

/* What came back besides the submission that was carried out. */
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
    assert_int_equal(one->entry.command.out.err, AW_OK);
    return other;
}

static struct one *
make_post(struct desk *desk, struct one *one, const char *channel)
{
    desk->sources++;
    one_make_post(one, desk->sources, desk->sources)->channel = aw_slice_str(channel);
    one->entry.command.in.message.body = AW_SLICE("hello");
    return one;
}

static void
leave(struct desk *desk, struct waiting *pull)
{
    struct aw_submission cancel = {.kind = AW_SUBMIT_CANCEL, .target = &pull->submission};

    assert_true(aw_ring_try_push(&desk->in, &cancel));
    desk_step(desk);
    assert_ptr_equal(aw_ring_try_pop(&desk->out), &pull->submission);
    assert_ptr_equal(aw_ring_try_pop(&desk->out), &cancel);
}

static void
test_woken_for_what_it_may_take(void **state)
{
    struct desk        desk;
    struct waiting     ann, bob;
    struct one         one;
    struct aw_lease_id lease;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    set_units(&desk, "ann", "chat", 1);
    (void)post_on(&desk, "chat");
    lease = pull_for(&desk, "ann", full_of(&desk, "ann")).u.lease.lease;
    assert_int_equal(full_of(&desk, "ann"), 1 << chat_shelf(&desk));
    /* A chat comes: not for ann. Mail is. */
    park(&desk, &ann, "ann");
    assert_null(carry_out(&desk, make_post(&desk, &one, "chat")));
    assert_ptr_equal(carry_out(&desk, make_post(&desk, &one, "mail")), &ann.submission);
    assert_int_equal(ann.submission.park.woken_lane, 0);
    /* She comes back empty-handed: the mail is still there, and she is woken again; the chat lies there all the time. */
    assert_true(aw_ring_try_push(&desk.in, &ann.submission));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &ann.submission);
    (void)pull_for(&desk, "ann", full_of(&desk, "ann"));
    assert_true(aw_ring_try_push(&desk.in, &ann.submission));
    desk_step(&desk);
    assert_null(aw_ring_try_pop(&desk.out));
    /* Another chat while bob waits behind her: for him. */
    assert_int_equal(pull_for(&desk, "bob", 0).err, AW_OK);
    park(&desk, &bob, "bob");
    assert_ptr_equal(carry_out(&desk, make_post(&desk, &one, "chat")), &bob.submission);
    /* A unit of hers gets free while it lies there: for her, too. */
    one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = lease, .agent = AW_SLICE("ann")};
    assert_ptr_equal(carry_out(&desk, &one), &ann.submission);
    /* Both come back without it; somebody is woken for it again. */
    assert_true(aw_ring_try_push(&desk.in, &bob.submission));
    assert_true(aw_ring_try_push(&desk.in, &ann.submission));
    desk_step(&desk);
    assert_non_null(aw_ring_try_pop(&desk.out));
    desk_close(&desk);
}

/* Her last unit goes to another pull of hers while she is on her way to what she was woken for: then it is for who waits behind. */
static void
test_full_while_woken(void **state)
{
    struct desk          desk;
    struct aw_choice_of  of;
    struct aw_choice     in_hand;
    struct aw_outcome_of out;
    struct waiting       ann, bob;
    struct one           one;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    set_units(&desk, "ann", "chat", 1);
    (void)post_on(&desk, "chat");
    of = choice_of(&desk, 0);
    assert_true(aw_choice_take(&of, desk.wall, &in_hand));
    park(&desk, &ann, "ann");
    park(&desk, &bob, "bob");
    assert_ptr_equal(carry_out(&desk, make_post(&desk, &one, "chat")), &ann.submission);
    out = lease_for(&desk, "ann", &in_hand);
    assert_int_equal(out.err, AW_OK);
    assert_true(aw_ring_try_push(&desk.in, &ann.submission));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &bob.submission);
    one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = out.u.lease.lease, .agent = AW_SLICE("ann")};
    assert_ptr_equal(carry_out(&desk, &one), &ann.submission);
    desk_close(&desk);
}

/* A lease that runs out frees a unit as well; more units, too: who waits looks again. */
static void
test_woken_when_a_unit_is_free(void **state)
{
    struct desk    desk;
    struct waiting ann;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    set_units(&desk, "ann", "chat", 1);
    (void)post_on(&desk, "chat");
    (void)pull_for(&desk, "ann", full_of(&desk, "ann"));
    park(&desk, &ann, "ann");
    (void)post_on(&desk, "chat");
    assert_null(aw_ring_try_pop(&desk.out));
    desk_pass(&desk, 60001);
    desk_step(&desk);
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &ann.submission);
    assert_int_equal(ann.submission.park.end, AW_PARK_WOKEN);
    assert_int_equal(full_of(&desk, "ann"), 0);
    complete(&desk, "ann", pull_for(&desk, "ann", 0).u.lease.lease);
    (void)pull_for(&desk, "ann", 0);
    park(&desk, &ann, "ann");
    assert_null(aw_ring_try_pop(&desk.out));
    leave(&desk, &ann);
    desk_close(&desk);
}

/* A customer who comes back is kept for who knows the case: without a unit she is not woken for it, however many of her pulls wait,
 * and when she has one, they are. */
static void
test_kept_for_who_has_no_unit(void **state)
{
    struct desk        desk;
    struct waiting     first, second;
    struct one         one;
    struct aw_lease_id lease;
    uint32_t           slot;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    set_units(&desk, "ann", "chat", 1);
    slot = post_on(&desk, "chat").out.u.message.ticket.slot;
    complete(&desk, "ann", pull_for(&desk, "ann", 0).u.lease.lease);
    (void)post_on(&desk, "chat");
    lease = pull_for(&desk, "ann", 0).u.lease.lease;
    park(&desk, &first, "ann");
    park(&desk, &second, "ann");
    one_make_post(&one, 1, 100)->channel = AW_SLICE("chat"); /* the first customer */
    one.entry.command.in.message.body = AW_SLICE("again");
    assert_null(carry_out(&desk, &one));
    assert_true(one.entry.command.out.u.message.reopened);
    assert_int_equal(one.entry.command.out.event.kind, AW_EVENT_ASIDE);
    desk_step(&desk);
    assert_null(aw_ring_try_pop(&desk.out));
    one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = lease, .agent = AW_SLICE("ann")};
    assert_true(aw_ring_try_push(&desk.in, &one.submission));
    desk_step(&desk);
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(aw_ring_try_pop(&desk.out)); /* each of hers: they may serve other lanes */
    assert_int_equal(first.submission.park.offered_slot, slot);
    assert_int_equal(second.submission.park.offered_slot, slot);
    desk_close(&desk);
}

/* Far more of an agent's pulls than one step looks for, one of which leaves in between: all others are woken, in their order. */
#define MANY 400U

static void
test_many_pulls_of_one_agent(void **state)
{
    static struct waiting pulls[MANY];
    struct aw_submission  cancel = {.kind = AW_SUBMIT_CANCEL, .target = &pulls[MANY - 2].submission};
    struct aw_submission *back;
    struct desk           desk;
    struct one            one;
    struct aw_lease_id    lease;
    uint32_t              next = 0, steps = 0;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    set_units(&desk, "ann", "chat", 1);
    (void)post_on(&desk, "chat");
    lease = pull_for(&desk, "ann", 0).u.lease.lease;
    for (uint32_t i = 0; i < MANY; i++)
        park(&desk, &pulls[i], "ann");
    (void)post_on(&desk, "chat");
    one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = lease, .agent = AW_SLICE("ann")};
    assert_true(aw_ring_try_push(&desk.in, &one.submission));
    desk_step(&desk);
    assert_false(is_at_rest(&desk));
    assert_true(aw_ring_try_push(&desk.in, &cancel));
    for (; !is_at_rest(&desk); steps++)
        desk_step(&desk);
    assert_true(steps > 1);
    while ((back = aw_ring_try_pop(&desk.out)) != NULL) {
        if (back == &one.submission || back == &cancel)
            continue;
        if (back == cancel.target) {
            assert_int_equal(back->park.end, AW_PARK_CANCELLED);
            continue;
        }
        next += &pulls[next].submission == cancel.target;
        assert_ptr_equal(back, &pulls[next++].submission);
        assert_int_equal(back->park.end, AW_PARK_WOKEN);
    }
    assert_int_equal(next, MANY);
    desk_close(&desk);
}

/* Her unit is taken again before all were looked for: the rest waits on, and is woken when she has it back. */
static void
test_unit_taken_again_meanwhile(void **state)
{
    static struct waiting pulls[MANY];
    struct desk           desk;
    struct one            one;
    struct aw_lease_id    lease;
    uint64_t              woken = 0;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    set_units(&desk, "ann", "chat", 1);
    (void)post_on(&desk, "chat");
    lease = pull_for(&desk, "ann", 0).u.lease.lease;
    for (uint32_t i = 0; i < MANY; i++)
        park(&desk, &pulls[i], "ann");
    (void)post_on(&desk, "chat");
    (void)post_on(&desk, "chat");
    one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = lease, .agent = AW_SLICE("ann")};
    assert_true(aw_ring_try_push(&desk.in, &one.submission));
    desk_step(&desk);
    while (aw_ring_try_pop(&desk.out) != NULL)
        woken++;
    lease = pull_for(&desk, "ann", 0).u.lease.lease;
    while (!is_at_rest(&desk))
        desk_step(&desk);
    assert_null(aw_ring_try_pop(&desk.out));
    assert_int_equal(aw_committer_parked(desk.committer), MANY + 1 - woken);
    one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = lease, .agent = AW_SLICE("ann"), .op_hash = 2};
    assert_true(aw_ring_try_push(&desk.in, &one.submission));
    do
        desk_step(&desk);
    while (!is_at_rest(&desk));
    assert_int_equal(aw_committer_parked(desk.committer), 0);
    desk_close(&desk);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_while_others_pull),    cmocka_unit_test(test_in_vain_only_once),
        cmocka_unit_test(test_new_ones_beside_a_move),     cmocka_unit_test(test_start),
        cmocka_unit_test(test_woken_for_what_it_may_take), cmocka_unit_test(test_full_while_woken),
        cmocka_unit_test(test_woken_when_a_unit_is_free),  cmocka_unit_test(test_kept_for_who_has_no_unit),
        cmocka_unit_test(test_many_pulls_of_one_agent),    cmocka_unit_test(test_unit_taken_again_meanwhile),
        cmocka_unit_test(test_in_vain_without_room),       cmocka_unit_test(test_half_moved),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
