/* core_overflow_test.c - lanes that help others, with many tickets: who helps changes while a round through them is under way.
 *
 * Proves: no ticket that is there when a round begins is left out of it, wherever it begins and however many come meanwhile; no
 * stream of changes puts off help that is due.
 */
#include "unit/core_kit.h"

#include <string.h>

enum { ROUND = 2 * AW_REARM_TICKETS + 1000, LATER = 3000, AFTER_S = 60 };

static void
open_many(struct kit *kit)
{
    struct aw_state_limits limits = kit_limits();

    limits.tickets_max = ROUND + LATER + 1; /* slot 0 is none */
    limits.identities_max = 2 * limits.tickets_max;
    limits.ids_max = 2 * limits.tickets_max;
    kit_open_with(kit, &limits);
    assert_int_equal(kit_lane(kit, "red", AW_LANE_OPEN, NULL).out.err, AW_OK);
    assert_int_equal(kit_lane(kit, "blue", AW_LANE_OPEN, NULL).out.err, AW_OK);
}

/* As kit_apply, without a look through all rows. */
static void
apply(struct kit *kit, struct aw_command *command)
{
    aw_state_begin(kit->state, aw_state_seq(kit->state) + 1, kit->now);
    assert_int_equal(aw_state_apply(kit->state, command), AW_OK);
}

static void
post_many(struct kit *kit, uint64_t first, uint64_t count)
{
    for (uint64_t id = first; id < first + count; id++) {
        struct kit_post   post = {.id = id, .who = {id}, .class_ = AW_CLASS_GENERAL, .lane = "red"};
        struct kit_room   room;
        struct aw_command command = kit_message(&post, &room);

        apply(kit, &command);
    }
}

static void
set_helpers(struct kit *kit, uint32_t after_s)
{
    const struct aw_lane_helper helper = {.lane = AW_SLICE("blue"), .after_s = after_s};
    struct aw_command           command = {.kind = AW_COMMAND_LANE,
                                           .in.lane = {.name = AW_SLICE("red"), .helpers = &helper, .helper_count = 1}};

    apply(kit, &command);
}

/* A piece of the round, as the committer does before the timers. */
static void
rearm(struct kit *kit)
{
    aw_state_begin(kit->state, aw_state_seq(kit->state) + 1, kit->now);
    aw_state_rearm(kit->state);
}

static void
rearm_all(struct kit *kit)
{
    for (unsigned i = 0; i <= (ROUND + LATER) / AW_REARM_TICKETS; i++)
        rearm(kit);
}

static void
come_due(struct kit *kit)
{
    struct aw_command command;

    while (aw_state_due(kit->state, kit->now, &command))
        apply(kit, &command);
}

static uint32_t
helped(const struct kit *kit)
{
    struct aw_ticket_view view;
    uint32_t              count = 0;

    for (uint32_t slot = 0; slot < aw_state_ticket_slots(kit->state); slot++)
        count += aw_state_ticket_at(kit->state, slot, &view) && view.help.count > 0;
    return count;
}

/* `pieces` of a first round, then another change begins one there, and tickets come before each of its pieces. */
static void
check_round(unsigned pieces)
{
    struct kit kit;
    uint64_t   next = ROUND + 1;

    open_many(&kit);
    post_many(&kit, 1, ROUND);
    set_helpers(&kit, 2 * AFTER_S);
    for (unsigned i = 0; i < pieces; i++)
        rearm(&kit);
    set_helpers(&kit, AFTER_S);
    for (; next <= ROUND + LATER; next += LATER / 3) {
        post_many(&kit, next, LATER / 3);
        rearm(&kit);
    }
    assert_true(aw_state_next_due(kit.state) > kit.now); /* the round is over: it took as many pieces */
    kit.now += (AFTER_S + 1) * AW_MS_PER_S;
    come_due(&kit);
    assert_int_equal(helped(&kit), ROUND + LATER);
    kit_check_digest(&kit);
    kit_close(&kit);
}

static void
test_no_ticket_is_left_out(void **state)
{
    (void)state;
    for (unsigned pieces = 0; pieces <= 3; pieces++)
        check_round(pieces);
}

/* The last of so many has its turn 180 ms after the change that made it due, and a change comes each 100 ms. */
static void
test_changes_put_nothing_off(void **state)
{
    struct kit kit;
    uint32_t   most = 0;

    (void)state;
    open_many(&kit);
    post_many(&kit, 1, ROUND);
    kit.now += 10 * AFTER_S * AW_MS_PER_S;
    for (uint32_t i = 0; i < 10 && most < ROUND; i++) {
        uint32_t count;

        set_helpers(&kit, AFTER_S + i);
        rearm_all(&kit);
        kit.now += 100;
        come_due(&kit);
        count = helped(&kit);
        most = count > most ? count : most;
    }
    assert_int_equal(most, ROUND);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_ticket_is_left_out),
        cmocka_unit_test(test_changes_put_nothing_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
