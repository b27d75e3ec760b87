/* commit_atomic_test.c - proves that an atomic submission is carried out whole, in one batch, or not at all: whichever of its
 * commands fails, wherever in a batch or group it comes, and when there is no room for all of it.
 *
 * How: the committer on the memory engine, step by step; what a refused one left is the digest of before.
 */
#include "support/commit_rig.h"
#include "support/random.h"

#define TICKETS 4000U

struct many {
    struct aw_submission submission;
    struct aw_entry      entries[AW_ATOMIC_MAX];
};

static struct aw_ticket_id tickets[TICKETS];

static void
open_with_tickets(struct desk *desk, const struct aw_fault_plan *plan, uint32_t count)
{
    desk_open(desk, plan);
    assert_int_equal(desk_start(desk), AW_OK);
    for (uint32_t i = 0; i < count; i++) {
        struct one one;

        (void)one_make_post(&one, i + 1, i + 1);
        desk_carry_out(desk, &one.submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        tickets[i] = one.entry.command.out.u.message.ticket;
    }
}

/* Of tickets first to first + count - 1; `words` in each record. */
static struct many *
make(struct many *many, enum aw_command_kind kind, uint32_t first, uint32_t count, struct aw_slice words)
{
    many->submission = (struct aw_submission){
        .kind = AW_SUBMIT_COMMANDS, .entries = many->entries, .count = count, .woken_lane = AW_LANE_NONE, .is_atomic = true};
    for (uint32_t i = 0; i < count; i++)
        many->entries[i].command = (struct aw_command){
            .kind = kind,
            .in.ticket = {.ticket = tickets[first + i], .by = AW_SLICE("sam"), .words = words, .class_ = AW_CLASS_NONE}};
    return many;
}

static void
check_all_done(const struct many *many)
{
    assert_int_equal(many->submission.err, AW_OK);
    for (uint32_t i = 0; i < many->submission.count; i++) {
        assert_int_equal(many->entries[i].command.out.err, AW_OK);
        assert_true(many->entries[i].command.out.changed);
        assert_int_equal(many->entries[i].point.index, many->entries[0].point.index);
    }
}

/* None was done: `odd` failed by itself, the others with it. */
static void
check_none_done(const struct many *many, uint32_t odd, enum aw_err err, enum aw_err others)
{
    for (uint32_t i = 0; i < many->submission.count; i++) {
        assert_int_equal(many->entries[i].command.out.err, i == odd ? err : others);
        assert_false(many->entries[i].command.out.changed);
        assert_int_equal(many->entries[i].point.index, 0);
    }
}

static void
test_any_one_fails(void **state)
{
    static struct many many;
    struct desk        desk;

    (void)state;
    open_with_tickets(&desk, NULL, 50);
    for (uint32_t odd = 0; odd < 50; odd += 7) {
        struct aw_hash128 before = aw_state_digest(desk.state);
        uint64_t          seq = aw_state_seq(desk.state);

        make(&many, AW_COMMAND_HOLD, 0, 50, AW_SLICE("x"))->entries[odd].command.in.ticket.ticket.seq++;
        desk_carry_out(&desk, &many.submission);
        check_none_done(&many, odd, AW_E_NOT_FOUND, AW_E_NONE_DONE);
        assert_true(aw_hash128_eq(before, aw_state_digest(desk.state)));
        assert_int_equal(aw_state_seq(desk.state), seq);
    }
    desk_carry_out(&desk, &make(&many, AW_COMMAND_HOLD, 0, 50, AW_SLICE("x"))->submission);
    check_all_done(&many);
    desk_carry_out(&desk, &make(&many, AW_COMMAND_UNHOLD, 0, 50, AW_SLICE("x"))->submission);
    check_all_done(&many);
    make(&many, AW_COMMAND_CANCEL, 0, 50, AW_SLICE("x"));
    for (uint32_t i = 0; i < 50; i++)
        many.entries[i].command.in.ticket.dry_run = true;
    desk_carry_out(&desk, &many.submission);
    for (uint32_t i = 0; i < 50; i++)
        assert_true(many.entries[i].command.out.err == AW_OK && !many.entries[i].command.out.changed);
    desk_close(&desk);
}

static void
make_lanes(struct desk *desk)
{
    static const char *const names[] = {"open", "paused"};

    for (uint32_t i = 0; i < 2; i++) {
        struct one one;

        one_make(&one, AW_COMMAND_LANE)->entry.command.in.lane =
            (struct aw_in_lane){.name = aw_slice_str(names[i]), .pause = i == 0 ? AW_LANE_OPEN : AW_LANE_PAUSED_IN};
        desk_carry_out(desk, &one.submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
    }
}

/* Somebody takes the next ticket, and perhaps puts it off. */
static void
work(struct desk *desk, struct random *random)
{
    const struct aw_lane_queues from = {.lane = 0, .queues = 1U << AW_CLASS_GENERAL};
    struct aw_head              head;
    struct aw_lease_id          lease;
    struct one                  one;

    if (!aw_lanes_peek(desk->lanes, 0, 0, AW_CLASS_GENERAL, &head) || !aw_lanes_try_take(desk->lanes, &head))
        return;
    one_make(&one, AW_COMMAND_LEASE)->entry.command.in.lease = (struct aw_in_lease){.slot = head.slot,
                                                                                    .version = head.version,
                                                                                    .through = head.lane + 1,
                                                                                    .taken_from = {from},
                                                                                    .taken_count = 1,
                                                                                    .agent = AW_SLICE("mia"),
                                                                                    .lease_ms = 600000};
    desk_carry_out(desk, &one.submission);
    if (one.entry.command.out.err != AW_OK || random_below(random, 2) == 0)
        return;
    lease = one.entry.command.out.u.lease.lease;
    one_make(&one, AW_COMMAND_DEFER)->entry.command.in.defer =
        (struct aw_in_defer){.fenced = {.lease = lease, .agent = AW_SLICE("mia"), .op_hash = head.slot},
                             .until = desk->wall + DAY_MS,
                             .reason = AW_DEFER_COMMITMENT,
                             .what = {.bytes = AW_SLICE("news"), .len = 4}};
    desk_carry_out(desk, &one.submission);
    assert_true(one.entry.command.out.err == AW_OK || one.entry.command.out.err == AW_E_TABLE_FULL);
}

static void
make_random(struct many *many, struct random *random, uint32_t tickets_made)
{
    static const enum aw_command_kind kinds[] = {AW_COMMAND_HOLD, AW_COMMAND_UNHOLD, AW_COMMAND_CANCEL, AW_COMMAND_PLACE,
                                                 AW_COMMAND_PLACE};
    static const char *const          lanes[] = {NULL, "open", "main", "paused", "nowhere"};
    uint32_t                          count = 1 + random_below(random, random_below(random, 3) == 0 ? 20 : 3);
    uint32_t                          first = random_below(random, tickets_made - count);
    enum aw_command_kind              kind = kinds[random_below(random, AW_ARRAY_LEN(kinds))];

    make(many, kind, first, count, AW_SLICE("x"));
    for (uint32_t i = 0; i < count; i++) {
        struct aw_in_ticket *in = &many->entries[i].command.in.ticket;

        if (kind == AW_COMMAND_PLACE) {
            in->class_ = (uint8_t)random_below(random, AW_CLASS_COUNT);
            in->lane = aw_slice_str(lanes[random_below(random, 20) < 19 ? random_below(random, 3) : random_below(random, 5)]);
            in->hold = random_below(random, 3) == 0 ? AW_HOLD_ON : AW_HOLD_AS_IS;
        }
        if (random_below(random, 40) == 0)
            in->if_match.version = 1;
    }
}

/* Tickets in all states, and changes of all kinds: what was tried is what comes of it, for each of them. */
static void
test_random_changes(void **state)
{
    static struct many many;
    struct random      random = random_of(random_seed(7));
    struct desk        desk;
    uint32_t           done = 0, refused = 0, made = 400;

    (void)state;
    open_with_tickets(&desk, NULL, made);
    make_lanes(&desk);
    for (uint32_t i = 0; i < 3000; i++) {
        struct aw_hash128 before;
        bool              fails = false;

        desk_pass(&desk, random_below(&random, 1000));
        if (random_below(&random, 3) == 0)
            work(&desk, &random);
        if (made < TICKETS && random_below(&random, 2) == 0) {
            struct one one;

            (void)one_make_post(&one, made + 1, made + 1);
            desk_carry_out(&desk, &one.submission);
            tickets[made++] = one.entry.command.out.u.message.ticket;
        }
        desk_step(&desk); /* what time has to say is said */
        before = aw_state_digest(desk.state);
        make_random(&many, &random, made);
        desk_carry_out(&desk, &many.submission);
        for (uint32_t k = 0; k < many.submission.count; k++)
            fails |= many.entries[k].command.out.err != AW_OK;
        for (uint32_t k = 0; k < many.submission.count; k++)
            assert_true((many.entries[k].command.out.err != AW_OK) == fails);
        assert_true(!fails || aw_hash128_eq(before, aw_state_digest(desk.state)));
        done += !fails;
        refused += fails;
    }
    assert_true(done > 100 && refused > 100);
    desk_close(&desk);
}

/* One batch each, though the one before is almost full; others' commands lie before, between and behind. */
static void
test_whole_batches(void **state)
{
    static struct many manys[4];
    struct desk        desk;
    struct one         others[5];

    (void)state;
    open_with_tickets(&desk, NULL, TICKETS);
    for (uint32_t i = 0; i < 5; i++) {
        (void)one_make_post(&others[i], TICKETS + i, 2 * TICKETS + i);
        assert_true(aw_ring_try_push(&desk.in, &others[i].submission));
        if (i < 4)
            assert_true(aw_ring_try_push(
                &desk.in, &make(&manys[i], AW_COMMAND_HOLD, i * 1000, 1000, AW_SLICE("words that take some room"))->submission));
    }
    desk_step(&desk);
    for (uint32_t i = 0; i < 9; i++)
        assert_non_null(aw_ring_try_pop(&desk.out));
    for (uint32_t i = 0; i < 4; i++)
        check_all_done(&manys[i]);
    assert_true(manys[0].entries[0].point.index < manys[3].entries[0].point.index);
    desk_close(&desk);
}

/* More than a group takes: the rest has the next one, and nothing stands still. */
static void
test_more_than_a_group(void **state)
{
    static struct many manys[20];
    struct desk        desk;
    uint32_t           back = 0;

    (void)state;
    open_with_tickets(&desk, NULL, 1000);
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(aw_ring_try_push(&desk.in, &make(&manys[i], AW_COMMAND_HOLD, 0, 1000, AW_SLICE(""))->submission));
    }
    for (uint32_t steps = 0; back < 20; steps++) {
        assert_true(steps < 3);
        desk_step(&desk);
        while (aw_ring_try_pop(&desk.out) != NULL)
            check_all_done(&manys[back++]);
    }
    desk_close(&desk);
}

/* No room: in one batch, for the keys, in the store. */
static void
test_no_room(void **state)
{
    static struct many   many;
    static char          words[AW_RELEASE_REASON_BYTES_MAX];
    struct aw_fault_plan plan = {.full_from_bytes = 4 << 20};
    struct aw_hash128    before;
    struct desk          desk;
    struct one           one;
    uint32_t             posted = 1000;

    (void)state;
    memset(words, 'w', sizeof(words));
    open_with_tickets(&desk, &plan, posted);
    before = aw_state_digest(desk.state);
    desk_carry_out(&desk, &make(&many, AW_COMMAND_HOLD, 0, 1000, aw_slice_of(words, sizeof(words)))->submission);
    check_none_done(&many, UINT32_MAX, AW_OK, AW_E_BODY_LARGE);
    make(&many, AW_COMMAND_HOLD, 0, 17, AW_SLICE("")); /* one more than there are keys */
    for (uint32_t i = 0; i < 17; i++)
        many.entries[i].command.once = (struct aw_once){.key = {i + 1, i + 1}, .request = 1};
    desk_carry_out(&desk, &many.submission);
    check_none_done(&many, UINT32_MAX, AW_OK, AW_E_TABLE_FULL);
    assert_true(aw_hash128_eq(before, aw_state_digest(desk.state)));
    many.submission.count = 16;
    desk_carry_out(&desk, &many.submission);
    check_all_done(&many);
    desk_carry_out(&desk, &many.submission); /* the same again: known, and nothing changes */
    for (uint32_t i = 0; i < 16; i++)
        assert_true(many.entries[i].command.out.err == AW_OK && many.entries[i].command.out.repeated);
    do {
        posted++;
        (void)one_make_post(&one, posted, posted);
        desk_carry_out(&desk, &one.submission);
    } while (one.entry.command.out.err == AW_OK);
    assert_int_equal(one.entry.command.out.err, AW_E_STORE_FULL);
    for (uint32_t rounds = 0;; rounds++) { /* what is kept for draining is used up in the end, never in the middle */
        assert_true(rounds < 1000);
        before = aw_state_digest(desk.state);
        desk_carry_out(&desk, &make(&many, AW_COMMAND_HOLD, 100, 200, AW_SLICE(""))->submission);
        if (many.entries[0].command.out.err != AW_OK)
            break;
        check_all_done(&many);
    }
    check_none_done(&many, UINT32_MAX, AW_OK, AW_E_STORE_FULL);
    assert_true(aw_hash128_eq(before, aw_state_digest(desk.state)));
    desk_close(&desk);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_one_fails),     cmocka_unit_test(test_random_changes), cmocka_unit_test(test_whole_batches),
        cmocka_unit_test(test_more_than_a_group), cmocka_unit_test(test_no_room),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
