/* commit_committer_test.c - the committer with the real state machine and lanes, on the memory engine, step by step without
 * threads.
 *
 * Proves: nothing is answered before it is durable and nothing after a failed flush; a crash loses nothing that was answered and a
 * recovery gives the same digest, with and without a checkpoint; a full store refuses posts and goes on draining; parked pulls are
 * woken in order and no wake is lost; a ticket taken and not leased comes back; who asks and leaves is not looked for any further.
 */
#include "commit/parts.h"
#include "support/commit_rig.h"

static struct one *
make_post(struct one *one, uint64_t customer, uint64_t source, struct aw_slice lane)
{
    struct aw_in_message *in = one_make_post(one, customer, source);
    int                   len = snprintf(one->body, sizeof(one->body), "body of %llu", (unsigned long long)source);

    in->lane = lane;
    in->body = aw_slice_of(one->body, (size_t)len);
    return one;
}

static uint64_t
post(struct desk *desk, uint64_t customer, uint64_t source)
{
    struct one one;

    desk_carry_out(desk, &make_post(&one, customer, source, (struct aw_slice){NULL, 0})->submission);
    assert_int_equal(one.submission.err, AW_OK);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    return one.entry.command.out.seq;
}

/* Takes the head of main/general. False: there is none. */
static bool
take(struct desk *desk, uint32_t lane, struct aw_head *head)
{
    return aw_lanes_peek(desk->lanes, lane, 0, AW_CLASS_GENERAL, head) && aw_lanes_try_take(desk->lanes, head);
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
    return one;
}

static struct one *
make_fenced(struct one *one, enum aw_command_kind kind, struct aw_lease_id lease)
{
    one_make(one, kind)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = lease, .agent = AW_SLICE("mia"), .lease_ms = 60000};
    return one;
}

/* --- tests -------------------------------------------------------------------------------------------------------------------- */

static void
test_post_lease_complete(void **state)
{
    struct desk    desk;
    struct aw_head head;
    struct one     one;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    (void)post(&desk, 1, 1);
    assert_true(take(&desk, 0, &head));
    desk_carry_out(&desk, &make_lease(&one, &head)->submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    assert_true(one.entry.point.index > 1);
    assert_false(take(&desk, 0, &head));
    desk_carry_out(&desk, &make_fenced(&one, AW_COMMAND_COMPLETE, one.entry.command.out.u.lease.lease)->submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    assert_true(aw_committer_is_idle(desk.committer));
    desk_close(&desk);
}

static void
test_duplicate_waits_for_its_original(void **state)
{
    struct desk desk;
    struct one  first, second;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    /* Both in one group: the second learns of the first, and neither comes back before the flush. */
    assert_true(aw_ring_try_push(&desk.in, &make_post(&first, 1, 7, AW_SLICE("main"))->submission));
    assert_true(aw_ring_try_push(&desk.in, &make_post(&second, 1, 7, AW_SLICE("main"))->submission));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &first.submission);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &second.submission);
    assert_true(second.entry.command.out.u.message.duplicate);
    assert_int_equal(second.entry.command.out.u.message.first_seq, first.entry.command.out.seq);
    desk_close(&desk);
}

/* Every flush in turn fails: what was answered before is there after a restart, nothing is answered after. */
static void
test_failed_flush_latches(void **state)
{
    (void)state;
    for (uint64_t fail_at = 1; fail_at <= 6; fail_at++) {
        struct aw_fault_plan plan = {.fail_flush_at = fail_at, .lose_unflushed = true}, none = {.fail_flush_at = 0};
        struct desk          desk;
        uint64_t             acknowledged = 0;
        struct one           one;
        struct aw_head       head;

        desk_open(&desk, &plan);
        if (desk_start(&desk) == AW_OK) {
            for (uint64_t i = 1; i <= 10; i++) {
                desk_carry_out(&desk, &make_post(&one, i, i, AW_SLICE("main"))->submission);
                if (one.submission.err == AW_OK) {
                    assert_int_equal(acknowledged, i - 1); /* no success behind the first failure */
                    acknowledged = i;
                } else {
                    assert_int_equal(one.submission.err, AW_E_STORE_BROKEN);
                }
            }
            assert_int_equal(aw_committer_role(desk.committer), AW_ROLE_BROKEN);
        }
        assert_true(acknowledged < 10);
        desk_stop(&desk);
        aw_memory_crash(desk.journal, &none);
        assert_int_equal(desk_start(&desk), AW_OK);
        for (uint64_t i = 0; i < acknowledged; i++)
            assert_true(take(&desk, 0, &head));
        assert_false(take(&desk, 0, &head));
        desk_close(&desk);
    }
}

/* Random work, then a crash; the state of the restart is that of before, but for the epoch. */
static void
work(struct desk *desk, uint64_t *random, unsigned rounds)
{
    struct aw_lease_id held[64];
    unsigned           count = 0;

    for (unsigned i = 0; i < rounds; i++) {
        struct one     one = {.submission = {.err = AW_OK}};
        struct aw_head head;

        desk_pass(desk, test_random(random) % 2000);
        if (test_random(random) % 3 != 0) {
            desk_carry_out(desk,
                           &make_post(&one, test_random(random) % 300, test_random(random) % 2000, AW_SLICE("main"))->submission);
        } else if (count < 64 && test_random(random) % 2 == 0) {
            if (!take(desk, 0, &head))
                continue;
            desk_carry_out(desk, &make_lease(&one, &head)->submission);
            if (one.entry.command.out.err == AW_OK)
                held[count++] = one.entry.command.out.u.lease.lease;
        } else if (count > 0) {
            enum aw_command_kind kind = test_random(random) % 2 == 0 ? AW_COMMAND_COMPLETE : AW_COMMAND_RELEASE;

            desk_carry_out(desk, &make_fenced(&one, kind, held[--count])->submission);
        }
        assert_int_equal(one.submission.err, AW_OK);
    }
}

static void
test_recovery_gives_the_same_state(void **state)
{
    uint64_t random = 99;

    (void)state;
    for (uint64_t checkpoint_bytes = 0; checkpoint_bytes <= 20000; checkpoint_bytes += 10000) {
        struct aw_fault_plan plan = {.lose_unflushed = true};
        struct desk          desk;

        desk_open(&desk, &plan);
        desk.checkpoint_bytes = checkpoint_bytes;
        assert_int_equal(desk_start(&desk), AW_OK);
        for (unsigned crash = 0; crash < 5; crash++) {
            struct aw_hash128 before, replayed;
            struct aw_state  *state_of_replay;
            uint64_t          seq;

            work(&desk, &random, 400);
            before = aw_state_digest(desk.state);
            seq = aw_state_seq(desk.state);
            assert_true(aw_hash128_eq(before, aw_state_digest_slow(desk.state)));
            desk_stop(&desk);
            aw_memory_crash(desk.journal, &plan);
            /* Without the epoch of the new start: recover alone. */
            {
                struct aw_state_limits limits = AW_STATE_LIMITS_DEFAULT;
                struct aw_recovery     recovery;
                struct aw_why          why = {.text = ""};

                assert_int_equal(aw_state_new(&state_of_replay, &limits, 0, NULL), AW_OK);
                if (aw_recover(state_of_replay, desk.journal, desk.table, NULL, &recovery, &why) != AW_OK)
                    fail_msg("%s", why.text);
                assert_int_equal(recovery.head.next_seq, seq + 1);
                replayed = aw_state_digest(state_of_replay);
                aw_state_free(&state_of_replay);
            }
            assert_true(aw_hash128_eq(before, replayed));
            assert_int_equal(desk_start(&desk), AW_OK);
        }
        if (checkpoint_bytes != 0) {
            assert_true(desk.checkpoints > 0);
            assert_true(desk.recovery.checkpoint_seq > 0);
        }
        desk_close(&desk);
    }
}

/* Limits that are lower than what a checkpoint holds are refused in words that say which. */
static void
test_recovery_says_what_is_too_small(void **state)
{
    struct aw_state_limits limits = {.tickets_max = 3,
                                     .identities_max = 100,
                                     .ids_max = 100,
                                     .leases_max = 100,
                                     .lanes_max = 16,
                                     .agents_max = 100,
                                     .keys_max = 16,
                                     .facts_max = 100,
                                     .flights_max = 16,
                                     .asides_max = 64,
                                     .replies_max = 1000,
                                     .commitments_max = 64,
                                     .contacts_max = 64,
                                     .preimage_bytes_max = 1 << 20};
    struct aw_recovery     recovery;
    struct aw_why          why = {.text = ""};
    struct aw_state       *small;
    struct desk            desk;

    (void)state;
    desk_open(&desk, NULL);
    desk.checkpoint_bytes = 1000;
    assert_int_equal(desk_start(&desk), AW_OK);
    for (uint64_t i = 1; desk.checkpoints == 0; i++)
        (void)post(&desk, i, i);
    desk_stop(&desk);
    assert_int_equal(aw_state_new(&small, &limits, 0, NULL), AW_OK);
    assert_int_equal(aw_recover(small, desk.journal, desk.table, NULL, &recovery, &why), AW_E_TABLE_FULL);
    assert_non_null(strstr(why.text, "checkpoint"));
    assert_non_null(strstr(why.text, "its limit is 2"));
    aw_state_free(&small);
    aw_journal_close(&desk.journal);
}

struct patience {
    uint64_t asked;
    uint64_t gives_up_at;
};

static bool
is_out_of_patience(void *user)
{
    struct patience *patience = user;

    return ++patience->asked == patience->gives_up_at;
}

/* A recovery may be given up at each of its steps; the store is as it was. */
static void
test_recovery_is_given_up(void **state)
{
    struct desk       desk;
    struct patience   patience = {.gives_up_at = 0};
    struct aw_hash128 digest;
    uint64_t          number = 0;

    (void)state;
    desk_open(&desk, NULL);
    desk.checkpoint_bytes = 20000;
    assert_int_equal(desk_start(&desk), AW_OK);
    for (; desk.checkpoints == 0; number++)
        (void)post(&desk, number, number);
    for (uint64_t last = number + 3; number < last; number++)
        (void)post(&desk, number, number);
    digest = aw_state_digest(desk.state);
    desk_stop(&desk);
    for (bool over = false; !over;) {
        struct aw_recover_progress progress = {.is_given_up = is_out_of_patience, .user = &patience};
        struct aw_recovery         recovery;
        struct aw_why              why = {.text = ""};
        struct aw_state           *replayed;
        enum aw_err                err;

        patience = (struct patience){.gives_up_at = patience.gives_up_at + 1};
        assert_int_equal(aw_state_new(&replayed, &desk_limits, 0, NULL), AW_OK);
        err = aw_recover(replayed, desk.journal, desk.table, &progress, &recovery, &why);
        over = err == AW_OK;
        if (over) {
            assert_true(aw_hash128_eq(aw_state_digest(replayed), digest));
            assert_true(recovery.checkpoint_seq > 0 && recovery.batches >= 3);
            assert_true(patience.asked > 2 + recovery.batches); /* chunks, ids, batches */
            assert_int_equal(patience.gives_up_at, patience.asked + 1);
        } else {
            assert_int_equal(err, AW_E_CLOSED);
            assert_int_equal(patience.asked, patience.gives_up_at);
        }
        aw_state_free(&replayed);
    }
    assert_int_equal(desk_start(&desk), AW_OK);
    desk_close(&desk);
}

static void
test_full_store_goes_on_draining(void **state)
{
    struct aw_fault_plan plan = {.full_from_bytes = 200000};
    struct desk          desk;
    struct aw_head       head;
    struct one           one;
    uint64_t             accepted = 0, drained = 0;

    (void)state;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    for (uint64_t i = 1; i < 5000; i++) {
        desk_carry_out(&desk, &make_post(&one, i, i, AW_SLICE("main"))->submission);
        assert_int_equal(one.submission.err, AW_OK);
        if (one.entry.command.out.err != AW_OK)
            break;
        accepted++;
    }
    assert_int_equal(one.entry.command.out.err, AW_E_STORE_FULL);
    assert_int_equal(aw_committer_role(desk.committer), AW_ROLE_FULL);
    while (take(&desk, 0, &head)) {
        desk_carry_out(&desk, &make_lease(&one, &head)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        desk_carry_out(&desk, &make_fenced(&one, AW_COMMAND_COMPLETE, one.entry.command.out.u.lease.lease)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        drained++;
    }
    assert_true(accepted > 10);
    assert_int_equal(drained, accepted);
    /* What was kept for draining them is room again. */
    assert_int_equal(aw_committer_role(desk.committer), AW_ROLE_ACTIVE);
    desk_carry_out(&desk, &make_post(&one, 5000, 5000, AW_SLICE("main"))->submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    desk_close(&desk);
}

/* How long it takes is told as long as there is room for posts, and no longer. */
static void
test_forecasts_leave_room_for_draining(void **state)
{
    static const struct aw_told_wait waits[AW_PROMISE_WAITS];
    struct aw_fault_plan             plan = {.full_from_bytes = 400000};
    struct desk                      desk;
    struct aw_head                   head;
    struct one                       one;
    unsigned                         accepted = 0, drained = 0;

    (void)state;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    for (uint64_t i = 1; i <= 20; i++) {
        desk_carry_out(&desk, &make_post(&one, i, i, AW_SLICE("main"))->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
    }
    for (; accepted < 5000; accepted++) {
        one_make(&one, AW_COMMAND_FORECAST)->entry.command.in.forecast =
            (struct aw_in_forecast){.base = desk.wall, .waits = waits};
        desk_carry_out(&desk, &one.submission);
        if (one.entry.command.out.err != AW_OK)
            break;
    }
    assert_int_equal(one.entry.command.out.err, AW_E_STORE_FULL);
    assert_true(accepted > 10);
    while (take(&desk, 0, &head)) {
        desk_carry_out(&desk, &make_lease(&one, &head)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        desk_carry_out(&desk, &make_fenced(&one, AW_COMMAND_COMPLETE, one.entry.command.out.u.lease.lease)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        drained++;
    }
    assert_int_equal(drained, 20);
    desk_close(&desk);
}

static void
make_note(struct one *one, struct aw_ticket_id ticket, uint32_t bytes)
{
    static const char words[8192];
    struct aw_in_body body = {.bytes = {words, bytes}, .len = bytes};

    assert_true(bytes <= sizeof(words));
    assert_true(aw_sha256(&body.bytes, 1, &body.hash));
    one_make(one, AW_COMMAND_NOTE)->entry.command.in.note =
        (struct aw_in_note){.on = {.ticket = ticket, .by = AW_SLICE("mia")}, .body = body};
}

/* More notes at once than there is room for, of sizes that use up the last of it: they leave what draining needs. */
static void
test_notes_leave_room_for_draining(void **state)
{
    enum { NOTES = 120 };
    static const uint32_t sizes[] = {8000, 8000, 8000, 6000, 5000, 4000, 3000, 2500, 2000, 1500, 1000, 700};
    struct aw_fault_plan  plan = {.full_from_bytes = 400000};
    struct one           *notes = calloc(NOTES, sizeof(*notes));
    struct desk           desk;
    struct aw_ticket_id   ticket = {.seq = 0};
    struct aw_head        head;
    struct one            one;
    unsigned              accepted = 0;

    (void)state;
    assert_non_null(notes);
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    for (uint64_t i = 1; i <= 20; i++) {
        desk_carry_out(&desk, &make_post(&one, i, i, AW_SLICE("main"))->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        ticket = one.entry.command.out.u.message.ticket;
    }
    for (unsigned i = 0; i < NOTES; i++) {
        make_note(&notes[i], ticket, sizes[i * AW_ARRAY_LEN(sizes) / NOTES]);
        assert_true(aw_ring_try_push(&desk.in, &notes[i].submission));
    }
    for (unsigned i = 0; i < NOTES; i++) {
        struct aw_submission *done;

        while ((done = aw_ring_try_pop(&desk.out)) ==
               NULL) /* those that find no room with the others are tried in a group of theirs */
            desk_step(&desk);
        assert_ptr_equal(done, &notes[i].submission);
        accepted += notes[i].entry.command.out.err == AW_OK ? 1 : 0;
    }
    assert_true(accepted > 3);
    assert_int_equal(notes[NOTES - 1].entry.command.out.err, AW_E_STORE_FULL);
    while (take(&desk, 0, &head)) {
        desk_carry_out(&desk, &make_lease(&one, &head)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        desk_carry_out(&desk, &make_fenced(&one, AW_COMMAND_COMPLETE, one.entry.command.out.u.lease.lease)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
    }
    desk_close(&desk);
    free(notes);
}

/* Sets something of each kind, always otherwise than it is. */
static void
make_change(struct one *one, unsigned number, struct aw_ticket_id ticket)
{
    static const struct aw_own_text text = {.lang = {"en", 2}, .words = {"We have it.", 11}};
    static const struct aw_pace     pace = {.account = AW_SLICE("main"), .replies = 1, .slice_s = 1};
    const bool                      is_odd = number / 6 % 2 != 0;

    switch (number % 6) {
    case 0:
        one_make(one, AW_COMMAND_AGENT)->entry.command.in.agent = (struct aw_in_agent){
            .name = AW_SLICE("eva"), .needs_approval = is_odd, .units_total = AW_UNITS_NO_TOTAL, .by = AW_SLICE("eva")};
        return;
    case 1:
        one_make(one, AW_COMMAND_LANE)->entry.command.in.lane =
            (struct aw_in_lane){.name = AW_SLICE("main"), .pause = is_odd ? AW_LANE_PAUSED_IN : AW_LANE_OPEN};
        return;
    case 2:
        one_make(one, AW_COMMAND_CHANNEL)->entry.command.in.channel =
            (struct aw_in_channel){.name = AW_SLICE("web"), .paces = &pace, .pace_count = is_odd, .by = AW_SLICE("eva")};
        return;
    case 3:
        one_make(one, AW_COMMAND_TEMPLATE)->entry.command.in.template_ = (struct aw_in_template){
            .kind = AW_REPLY_ACKNOWLEDGEMENT, .texts = &text, .text_count = is_odd, .by = AW_SLICE("eva")};
        return;
    case 4:
        one_make(one, AW_COMMAND_ERASE)->entry.command.in.erase = (struct aw_in_erase){.customer = {1, 9}, .by = AW_SLICE("eva")};
        return;
    default:
        one_make(one, AW_COMMAND_HOLD)->entry.command.in.ticket = (struct aw_in_ticket){
            .ticket = ticket, .until = WALL0 + DAY_MS + number, .by = AW_SLICE("eva"), .class_ = AW_CLASS_NONE};
        return;
    }
}

static enum aw_err
be(struct desk *desk, struct aw_slice agent, enum aw_presence presence)
{
    struct one one;

    one_make(&one, AW_COMMAND_PRESENCE)->entry.command.in.presence =
        (struct aw_in_presence){.name = agent, .presence = presence, .by = agent};
    desk_carry_out(desk, &one.submission);
    return one.entry.command.out.err;
}

/* Somebody sets things, over and over, until each kind is refused: then all that drains goes on, and what was taken back by it. */
static void
test_changes_leave_what_drains(void **state)
{
    struct aw_fault_plan plan = {.full_from_bytes = 1600000};
    struct aw_ticket_id  held;
    struct desk          desk;
    struct aw_head       head;
    struct one           one;
    uint64_t             accepted = 0, drained = 0;
    unsigned             refused = 0, number = 0;

    (void)state;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    (void)post(&desk, 1, 1);
    assert_int_equal(be(&desk, AW_SLICE("mia"), AW_PRESENCE_BREAK), AW_OK);
    desk_carry_out(&desk, &make_post(&one, 2, 2, AW_SLICE("main"))->submission);
    held = one.entry.command.out.u.message.ticket;
    for (accepted = 2; one.entry.command.out.err == AW_OK; accepted++)
        desk_carry_out(&desk, &make_post(&one, accepted + 1, accepted + 1, AW_SLICE("main"))->submission);
    assert_int_equal(one.entry.command.out.err, AW_E_STORE_FULL);
    accepted--;
    for (; refused < 60; number++) {
        assert_true(number < 100000);
        make_change(&one, number, held);
        desk_carry_out(&desk, &one.submission);
        if (one.entry.command.out.err != AW_OK)
            assert_int_equal(one.entry.command.out.err, AW_E_STORE_FULL);
        refused = one.entry.command.out.err == AW_OK ? 0 : refused + 1;
    }
    assert_true(number > 60 + 12); /* some were carried out */
    assert_int_equal(be(&desk, AW_SLICE("ben"), AW_PRESENCE_BREAK), AW_E_STORE_FULL);
    assert_int_equal(be(&desk, AW_SLICE("mia"), AW_PRESENCE_READY), AW_OK);
    one_make(&one, AW_COMMAND_UNHOLD)->entry.command.in.ticket =
        (struct aw_in_ticket){.ticket = held, .by = AW_SLICE("eva"), .class_ = AW_CLASS_NONE};
    desk_carry_out(&desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    for (; take(&desk, 0, &head); drained++) {
        desk_carry_out(&desk, &make_lease(&one, &head)->submission);
        if (one.entry.command.out.err == AW_E_STALE) {
            drained--; /* its older entry, from before it was held */
            continue;
        }
        assert_int_equal(one.entry.command.out.err, AW_OK);
        desk_carry_out(&desk, &make_fenced(&one, AW_COMMAND_COMPLETE, one.entry.command.out.u.lease.lease)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
    }
    assert_int_equal(drained, accepted);
    make_change(&one, number, held); /* what was owed to them is free */
    desk_carry_out(&desk, &one.submission);
    assert_int_not_equal(one.entry.command.out.err, AW_E_STORE_FULL);
    desk_close(&desk);
}

/* What is at hand for draining, beyond all that is owed to what is open and the reserve's last shares. */
static bool
drains_are_safe(const struct desk *desk, uint64_t open)
{
    struct aw_journal_room room;

    aw_journal_room(desk->journal, &room);
    return room.drain_bytes >= open * AW_DRAIN_BYTES_PER_TICKET + room.reserve_bytes / 2;
}

static uint64_t
waiting_of(const struct desk *desk, enum aw_class class_)
{
    struct aw_lanes_count count;

    aw_lanes_count(desk->lanes, 0, class_, &count);
    return count.waiting;
}

static bool
drain_one(struct desk *desk, enum aw_class class_)
{
    struct aw_head head;
    struct one     one;

    do {
        if (!aw_lanes_peek(desk->lanes, 0, 0, class_, &head) || !aw_lanes_try_take(desk->lanes, &head))
            return false;
        desk_carry_out(desk, &make_lease(&one, &head)->submission);
    } while (one.entry.command.out.err == AW_E_STALE); /* its entry from before a change */
    assert_int_equal(one.entry.command.out.err, AW_OK);
    desk_carry_out(desk, &make_fenced(&one, AW_COMMAND_COMPLETE, one.entry.command.out.u.lease.lease)->submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    return true;
}

/* Posts until the store is full; one in `share` knows the second flight, the others the first. */
static uint64_t
fill_store(struct desk *desk, const struct aw_flight_fact facts[2], uint32_t share, uint64_t *ret_second)
{
    struct one one;
    uint64_t   open = 0;

    for (*ret_second = 0;; open++) {
        bool is_second = open % share == share - 1;

        make_post(&one, open + 1, open + 1, AW_SLICE("main"));
        one.entry.command.in.message.flights = &facts[is_second];
        one.entry.command.in.message.flight_count = 1;
        desk_carry_out(desk, &one.submission);
        if (one.entry.command.out.err != AW_OK)
            break;
        *ret_second += is_second;
    }
    assert_int_equal(one.entry.command.out.err, AW_E_STORE_FULL);
    assert_int_equal(waiting_of(desk, AW_CLASS_GENERAL), open);
    return open;
}

static void
cancel_flight(struct desk *desk, uint64_t open)
{
    struct one one;

    one_make(&one, AW_COMMAND_FLIGHT)->entry.command.in.flight = (struct aw_in_flight){
        .flight_hash = 7, .number = AW_SLICE("KL7"), .date_days = WALL0 / DAY_MS + 1, .state = AW_FLIGHT_CANCELLED};
    desk_carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    for (unsigned i = 0; i < 100; i++) {
        desk_pass(desk, 50);
        desk_step(desk);
        assert_true(drains_are_safe(desk, open));
    }
}

/* A flight is cancelled in a full store: each of its tickets changes its class with a record of its own, for which nothing was
 * kept, and there are more of them than the reserve can take. That ends before what is owed to the tickets, nothing else waits
 * behind them, and it goes on by itself as they are drained. */
static void
test_changed_classes_leave_what_drains(void **state)
{
    const struct aw_flight_fact facts[2] = {{.flight_hash = 7, .departs_at = WALL0 + DAY_MS},
                                            {.flight_hash = 7, .departs_at = WALL0 + DAY_MS}};
    struct aw_fault_plan        plan = {.full_from_bytes = 1600000, .reserve_bytes = 40000};
    struct desk                 desk;
    uint64_t                    open, second, changed;

    (void)state;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    open = fill_store(&desk, facts, 2, &second);
    cancel_flight(&desk, open);
    changed = waiting_of(&desk, AW_CLASS_DISRUPTED);
    assert_in_range(changed, 1, open - 1);
    assert_true(aw_committer_next_due(desk.committer, fake_mono) > fake_mono); /* they are not tried all the time */
    while (drain_one(&desk, AW_CLASS_DISRUPTED))
        open--;
    for (unsigned i = 0; i < 100; i++) {
        desk_pass(&desk, 1000);
        desk_step(&desk);
        assert_true(drains_are_safe(&desk, open));
    }
    assert_int_equal(waiting_of(&desk, AW_CLASS_DISRUPTED), open);
    assert_int_equal(aw_state_late_count(desk.state), 0);
    while (drain_one(&desk, AW_CLASS_DISRUPTED))
        open--;
    assert_int_equal(open, 0);
    desk_close(&desk);
}

static void
pass_seconds(struct desk *desk, unsigned seconds, uint64_t open)
{
    for (unsigned i = 0; i < seconds; i++) {
        desk_pass(desk, 1000);
        desk_step(desk);
        assert_true(drains_are_safe(desk, open));
    }
}

/* After a cancellation has used up what there was for it: who is about to miss his flight has bytes of his own, and when those are
 * used up as well, has all that comes back before the others have any. */
static void
test_who_is_imminent_goes_before_late_classes(void **state)
{
    const aw_ms                 soon = WALL0 + AW_CORE_SETTINGS_DEFAULT.imminent_ms + UINT64_C(600000);
    const struct aw_flight_fact facts[2] = {{.flight_hash = 7, .departs_at = WALL0 + DAY_MS},
                                            {.flight_hash = 8, .departs_at = soon}};
    struct aw_fault_plan        plan = {.full_from_bytes = 1600000, .reserve_bytes = 40000};
    struct desk                 desk;
    uint64_t                    open, second, disrupted, imminent;

    (void)state;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    open = fill_store(&desk, facts, 4, &second);
    cancel_flight(&desk, open);
    disrupted = waiting_of(&desk, AW_CLASS_DISRUPTED);
    assert_in_range(disrupted, 1, open - second - 1);
    assert_int_equal(aw_state_late_count(desk.state), open - second - disrupted);
    pass_seconds(&desk, 700, open);
    imminent = waiting_of(&desk, AW_CLASS_IMMINENT);
    assert_in_range(imminent, 5, second - 1);
    assert_int_equal(waiting_of(&desk, AW_CLASS_DISRUPTED), disrupted);
    assert_int_equal(aw_state_late_count(desk.state), open - disrupted - imminent);
    while (imminent < second) {
        assert_int_equal(waiting_of(&desk, AW_CLASS_DISRUPTED), disrupted);
        assert_true(drain_one(&desk, AW_CLASS_DISRUPTED));
        disrupted--;
        open--;
        pass_seconds(&desk, 12, open);
        imminent = waiting_of(&desk, AW_CLASS_IMMINENT);
    }
    assert_true(disrupted > 0 && aw_state_late_count(desk.state) > 0);
    desk_close(&desk);
}

/* Without bytes they rest, whatever the queues have room for: else all come back ten times a second. */
static void
test_late_classes_rest_when_queues_are_short_too(void **state)
{
    const struct aw_flight_fact facts[2] = {{.flight_hash = 7, .departs_at = WALL0 + DAY_MS},
                                            {.flight_hash = 7, .departs_at = WALL0 + DAY_MS}};
    struct aw_fault_plan        plan = {.full_from_bytes = 1600000, .reserve_bytes = 40000};
    struct desk                 desk;
    uint64_t                    open, second;

    (void)state;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    open = fill_store(&desk, facts, 2, &second);
    cancel_flight(&desk, open);
    desk.committer->lanes_reserve = UINT32_MAX; /* far more than there is */
    desk_pass(&desk, 30000);
    for (unsigned i = 0; i < 20; i++)
        desk_step(&desk);
    assert_true(aw_state_late_count(desk.state) > 100);
    assert_true(aw_state_next_due(desk.state) > desk.wall + 5000);
    desk_close(&desk);
}

/* Of what there is in a full store, a question leaves the most to others, who is imminent the least. */
static void
test_order_in_a_full_store(void **state)
{
    static const enum aw_timer_turn order[] = {AW_TIMER_TURN_NOW, AW_TIMER_TURN_PRESSING, AW_TIMER_TURN_CLASS};
    struct aw_command               timer = {.kind = AW_COMMAND_TIMER};
    struct aw_command               flight = {.kind = AW_COMMAND_FLIGHT};
    struct desk                     desk;
    uint64_t                        kept;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    (void)post(&desk, 1, 1);
    kept = aw_group_bytes_kept(desk.committer, &timer);
    assert_int_equal(kept, 0);
    for (unsigned i = 1; i < AW_ARRAY_LEN(order); i++) {
        timer.in.timer.turn = order[i];
        assert_true(aw_group_bytes_kept(desk.committer, &timer) > kept);
        kept = aw_group_bytes_kept(desk.committer, &timer);
    }
    assert_true(aw_group_bytes_kept(desk.committer, &flight) > kept);
    timer.in.timer.turn = AW_TIMER_TURN_QUESTION;
    assert_true(aw_group_bytes_kept(desk.committer, &timer) > aw_group_bytes_kept(desk.committer, &flight));
    desk_close(&desk);
}

/* One burst of more than what is allocated ahead, of notes and of posts behind them: the store is far from full, and says so. */
static void
test_a_burst_is_no_full_store(void **state)
{
    enum { NOTES = 60, POSTS = 60 };
    static const char    words[4000];
    struct one          *ones = calloc(NOTES + POSTS, sizeof(*ones));
    struct aw_fault_plan plan = {.ahead_bytes = 40000};
    struct desk          desk;
    struct aw_ticket_id  ticket;
    struct one           one;
    unsigned             groups = 0;

    (void)state;
    assert_non_null(ones);
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    desk_carry_out(&desk, &make_post(&one, 1, 1, AW_SLICE("main"))->submission);
    ticket = one.entry.command.out.u.message.ticket;
    for (unsigned i = 0; i < NOTES + POSTS; i++) {
        if (i < NOTES)
            make_note(&ones[i], ticket, 5000);
        else
            make_post(&ones[i], i, i, AW_SLICE("main"))->entry.command.in.message.body = aw_slice_of(words, sizeof(words));
        assert_true(aw_ring_try_push(&desk.in, &ones[i].submission));
    }
    for (unsigned done = 0; done < NOTES + POSTS; groups++) {
        desk_step(&desk);
        while (aw_ring_try_pop(&desk.out) != NULL)
            done++;
        assert_int_equal(aw_committer_role(desk.committer), AW_ROLE_ACTIVE);
    }
    for (unsigned i = 0; i < NOTES + POSTS; i++)
        assert_int_equal(ones[i].entry.command.out.err, AW_OK);
    assert_true(groups > 5);
    desk_close(&desk);
    free(ones);
}

/* Trims a little and lets the committer look; nobody posts. Returns the room for posts that it saw. */
static uint64_t
trim_some(struct desk *desk)
{
    struct aw_journal_room room;
    bool                   done;

    assert_int_equal(aw_journal_trim_step(desk->journal, UINT64_MAX, 1, &done), AW_OK);
    assert_int_equal(aw_journal_flush(desk->journal), AW_OUTCOME_OK);
    aw_journal_room(desk->journal, &room);
    assert_true(aw_committer_next_due(desk->committer, fake_mono) <= fake_mono + AW_NS_PER_S);
    desk_step(desk);
    return room.posts_bytes;
}

/* The same with leases of pulls that name as many lanes as they may: their records say so, and must still find room. */
static void
test_full_store_drains_to_pulls_of_many_lanes(void **state)
{
    struct aw_fault_plan plan = {.full_from_bytes = 812000};
    struct desk          desk;
    struct aw_head       head;
    struct one           one;
    uint32_t             lanes[AW_LANES_PER_PULL_MAX];
    uint64_t             accepted = 0, drained = 0;

    (void)state;
    for (uint32_t i = 0; i < AW_LANES_PER_PULL_MAX; i++)
        lanes[i] = i;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    do {
        accepted++;
        desk_carry_out(&desk, &make_post(&one, accepted, accepted, AW_SLICE("main"))->submission);
    } while (one.entry.command.out.err == AW_OK);
    assert_int_equal(one.entry.command.out.err, AW_E_STORE_FULL);
    for (; take(&desk, 0, &head); drained++) {
        make_lease(&one, &head)->entry.command.in.lease.choice =
            (struct aw_lease_choice){.at = desk.wall, .lanes = lanes, .lane_count = AW_LANES_PER_PULL_MAX};
        desk_carry_out(&desk, &one.submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        desk_carry_out(&desk, &make_fenced(&one, AW_COMMAND_COMPLETE, one.entry.command.out.u.lease.lease)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
    }
    assert_int_equal(drained, accepted - 1);
    desk_close(&desk);
}

/* A large post is refused where small ones still fit: the role is full until there is room for the large one and an eighth of the
 * reserve more, and then becomes active by a look that no post asks for. Small posts come until less is left than the large one
 * takes, and more than the last of the small: so nothing hangs by the bytes of a record. */
static void
test_role_does_not_flap(void **state)
{
    static const char      large[60000];
    struct aw_fault_plan   plan = {.full_from_bytes = 819750};
    const uint64_t         margin = plan.full_from_bytes / 8 / 8;
    struct desk            desk;
    struct one             one;
    struct aw_journal_room left;
    uint64_t               next = 0, room = 0;
    uint32_t               hesitations = 0;

    (void)state;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    do {
        next++;
        desk_carry_out(&desk, &make_post(&one, next, next, AW_SLICE("main"))->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        aw_journal_room(desk.journal, &left);
    } while (left.posts_bytes > sizeof(large));
    next++;
    make_post(&one, next, next, AW_SLICE("main"))->entry.command.in.message.body = aw_slice_of(large, sizeof(large));
    desk_carry_out(&desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_E_STORE_FULL);
    assert_int_equal(desk.role_changes, 2); /* active, full */
    for (unsigned i = 0; i < 3; i++) {
        next++;
        desk_carry_out(&desk, &make_post(&one, next, next, AW_SLICE("main"))->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        assert_int_equal(aw_committer_role(desk.committer), AW_ROLE_FULL);
    }
    for (unsigned i = 0; i < 10000 && aw_committer_role(desk.committer) == AW_ROLE_FULL; i++) {
        hesitations += room > sizeof(large) + 3072; /* the large one would have fitted */
        room = trim_some(&desk);
    }
    assert_int_equal(aw_committer_role(desk.committer), AW_ROLE_ACTIVE);
    assert_true(room > sizeof(large) + margin);
    assert_true(hesitations > 0);
    assert_int_equal(desk.role_changes, 3);
    make_post(&one, next, next + 1, AW_SLICE("main"))->entry.command.in.message.body = aw_slice_of(large, sizeof(large));
    desk_carry_out(&desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    desk_close(&desk);
}

static void
test_lease_runs_out(void **state)
{
    struct desk    desk;
    struct aw_head head;
    struct one     one;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    (void)post(&desk, 1, 1);
    assert_true(take(&desk, 0, &head));
    desk_carry_out(&desk, &make_lease(&one, &head)->submission);
    assert_int_equal(aw_committer_next_due(desk.committer, fake_mono), fake_mono + 60000 * AW_NS_PER_MS);
    desk_pass(&desk, 59999);
    desk_step(&desk);
    assert_false(take(&desk, 0, &head));
    desk_pass(&desk, 2);
    desk_step(&desk);
    assert_true(take(&desk, 0, &head));
    desk_carry_out(&desk, &make_fenced(&one, AW_COMMAND_COMPLETE, one.entry.command.out.u.lease.lease)->submission);
    assert_int_equal(one.entry.command.out.err, AW_E_LEASE_LOST);
    desk_close(&desk);
}

static struct aw_submission *
make_park(struct aw_submission *pull, struct aw_park_node *node)
{
    *pull = (struct aw_submission){.kind = AW_SUBMIT_PARK};
    pull->park.nodes = node;
    pull->park.woken_lane = AW_LANE_NONE;
    aw_list_init(&node->link);
    return pull;
}

static void
test_parked_pulls(void **state)
{
    struct desk          desk;
    struct aw_submission a, b, cancel = {.kind = AW_SUBMIT_CANCEL, .target = &b};
    struct aw_park_node  node_a, node_b;
    struct aw_head       head;
    struct one           one;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    assert_true(aw_ring_try_push(&desk.in, make_park(&a, &node_a)));
    assert_true(aw_ring_try_push(&desk.in, make_park(&b, &node_b)));
    desk_step(&desk);
    assert_null(aw_ring_try_pop(&desk.out));
    assert_int_equal(aw_committer_parked(desk.committer), 2);
    /* One ticket: the first that parked is woken, and nobody else. */
    assert_true(aw_ring_try_push(&desk.in, &make_post(&one, 1, 1, AW_SLICE("main"))->submission));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &a);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &one.submission);
    assert_null(aw_ring_try_pop(&desk.out));
    /* It leaves without taking it: the other one is woken in its place. */
    a.park.leaving = true;
    assert_true(aw_ring_try_push(&desk.in, &a));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &a);
    assert_int_equal(a.park.end, AW_PARK_CANCELLED);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &b);
    assert_int_equal(b.park.end, AW_PARK_WOKEN);
    /* Somebody was faster: it parks again; a cancel brings it back. */
    assert_true(take(&desk, 0, &head));
    assert_true(aw_ring_try_push(&desk.in, &b));
    desk_step(&desk);
    assert_int_equal(aw_committer_parked(desk.committer), 1);
    assert_true(aw_ring_try_push(&desk.in, &cancel));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &b);
    assert_int_equal(b.park.end, AW_PARK_CANCELLED);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &cancel);
    desk_close(&desk);
}

struct lane_pull {
    struct aw_submission submission;
    struct aw_park_node  nodes[2];
};

static struct aw_submission *
make_lane_pull(struct lane_pull *pull, const uint32_t *lanes, uint32_t count)
{
    *pull = (struct lane_pull){.submission = {.kind = AW_SUBMIT_PARK}};
    pull->submission.park.lanes = lanes;
    pull->submission.park.lane_count = count;
    pull->submission.park.nodes = pull->nodes;
    pull->submission.park.woken_lane = AW_LANE_NONE;
    for (uint32_t i = 0; i < count; i++)
        aw_list_init(&pull->nodes[i].link);
    return &pull->submission;
}

/* A pull of two lanes parks while both have a ticket: for the first of them somebody else is woken, who waits longer, and for the
 * second the pull itself. */
static void
test_park_looks_at_all_lanes(void **state)
{
    static const uint32_t lanes[2] = {0, 1};
    struct desk           desk;
    struct lane_pull      on_way, other, both;
    struct one            one, two;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    assert_true(aw_ring_try_push(&desk.in, make_lane_pull(&on_way, lanes, 1)));
    assert_true(aw_ring_try_push(&desk.in, make_lane_pull(&other, lanes, 1)));
    assert_true(aw_ring_try_push(&desk.in, &make_post(&one, 1, 1, AW_SLICE("main"))->submission));
    assert_true(aw_ring_try_push(&desk.in, &make_post(&two, 2, 2, AW_SLICE("listening"))->submission));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &on_way.submission);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &one.submission);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &two.submission);
    assert_null(aw_ring_try_pop(&desk.out));
    assert_true(aw_ring_try_push(&desk.in, make_lane_pull(&both, lanes, 2)));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &other.submission);
    assert_int_equal(other.submission.park.woken_lane, 0);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &both.submission);
    assert_int_equal(both.submission.park.end, AW_PARK_WOKEN);
    assert_int_equal(both.submission.park.woken_lane, 1);
    assert_int_equal(aw_committer_parked(desk.committer), 0);
    desk_close(&desk);
}

/* Of a waiting ticket: who goes before it. */
struct look {
    struct aw_submission  submission;
    struct aw_query       query;
    struct aw_ticket_view view;
    struct aw_ahead       ahead;
};

static void
ask_ahead(struct desk *desk, struct look *look, struct aw_ticket_id ticket)
{
    *look =
        (struct look){.submission = {.kind = AW_SUBMIT_QUERY}, .ahead = {.order = AW_ORDER_SETTINGS_DEFAULT, .at = desk->wall}};
    look->query =
        (struct aw_query){.kind = AW_QUERY_AHEAD, .ticket = ticket, .room = 1, .views = &look->view, .ahead = &look->ahead};
    look->submission.query = &look->query;
    assert_true(aw_ring_try_push(&desk->in, &look->submission));
}

/* A look that takes several steps ends when its client is gone, at whatever point it is; the next one begins at once. */
static void
test_looks_are_cancelled(void **state)
{
    struct desk         desk;
    struct look         looks[3], one_step;
    struct one          last;
    struct aw_ticket_id ticket;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    for (uint64_t i = 1; i < 4500; i++)
        (void)post(&desk, i, i);
    desk_carry_out(&desk, &make_post(&last, 4500, 4500, AW_SLICE("main"))->submission);
    ticket = last.entry.command.out.u.message.ticket;
    for (unsigned i = 0; i < 3; i++)
        ask_ahead(&desk, &looks[i], ticket);
    desk_step(&desk);
    assert_null(aw_ring_try_pop(&desk.out)); /* the first is in its middle, the others wait */
    for (unsigned i = 0; i < 2; i++) {
        struct aw_submission cancel = {.kind = AW_SUBMIT_CANCEL, .target = &looks[i].submission};

        assert_true(aw_ring_try_push(&desk.in, &cancel));
        desk_step(&desk); /* and a step of the third */
        assert_ptr_equal(aw_ring_try_pop(&desk.out), &looks[i].submission);
        assert_int_equal(looks[i].submission.err, AW_E_CLOSED);
        assert_ptr_equal(aw_ring_try_pop(&desk.out), &cancel);
        if (i == 0)
            assert_null(aw_ring_try_pop(&desk.out));
    }
    while (!aw_committer_is_idle(desk.committer))
        desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &looks[2].submission);
    assert_int_equal(looks[2].submission.err, AW_OK);
    assert_int_equal(looks[2].ahead.by_class[AW_CLASS_GENERAL], 4499);
    assert_false(looks[2].ahead.in_one_step);
    /* Asked and cancelled in one go, and cancelled after it was answered. */
    ask_ahead(&desk, &one_step, ticket);
    for (unsigned i = 0; i < 2; i++) {
        struct aw_submission cancel = {.kind = AW_SUBMIT_CANCEL, .target = &one_step.submission};

        assert_true(aw_ring_try_push(&desk.in, &cancel));
        desk_step(&desk);
        if (i == 0)
            assert_ptr_equal(aw_ring_try_pop(&desk.out), &one_step.submission);
        assert_ptr_equal(aw_ring_try_pop(&desk.out), &cancel);
    }
    assert_true(aw_committer_is_idle(desk.committer));
    desk_close(&desk);
}

/* Between two steps of a look the committer has three times as long for others, and sleeps if there are none. */
static void
test_looks_rest(void **state)
{
    struct desk         desk;
    struct look         look;
    struct one          last, piece;
    struct aw_ticket_id ticket, first;
    aw_ns               due;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    for (uint64_t i = 1; i < desk_limits.tickets_max - 1; i++)
        (void)post(&desk, i, i);
    desk_carry_out(&desk, &make_post(&last, 9000, 9000, AW_SLICE("main"))->submission);
    ticket = last.entry.command.out.u.message.ticket;
    desk_carry_out(&desk, &make_post(&last, 1, 9001, AW_SLICE("main"))->submission);
    first = last.entry.command.out.u.message.ticket;
    ask_ahead(&desk, &look, ticket);
    fake_mono_step = AW_NS_PER_MS; /* a step takes as long */
    desk_step(&desk);
    fake_mono_step = 0;
    due = aw_committer_next_due(desk.committer, fake_mono);
    assert_int_equal(due, fake_mono + 3 * AW_NS_PER_MS);
    fake_mono = due - 1;
    desk_step(&desk);
    assert_null(aw_ring_try_pop(&desk.out));
    assert_int_equal(aw_committer_next_due(desk.committer, fake_mono), due);
    fake_mono = due;
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &look.submission);
    assert_int_equal(look.submission.err, AW_OK);
    assert_true(aw_committer_next_due(desk.committer, fake_mono) > due);
    /* A piece of bulk work counts as well. */
    fake_mono += AW_NS_PER_S;
    one_make(&piece, AW_COMMAND_HOLD)->entry.command.in.ticket = (struct aw_in_ticket){.ticket = ticket, .by = AW_SLICE("sam")};
    piece.submission.rests = true;
    assert_true(aw_ring_try_push(&desk.in, &piece.submission));
    ask_ahead(&desk, &look, first);
    fake_mono_step = AW_NS_PER_MS;
    desk_step(&desk);
    fake_mono_step = 0;
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &piece.submission);
    assert_int_equal(piece.entry.command.out.err, AW_OK);
    assert_null(aw_ring_try_pop(&desk.out));
    assert_true(aw_committer_next_due(desk.committer, fake_mono) > fake_mono);
    while (!aw_committer_is_idle(desk.committer)) {
        fake_mono = aw_committer_next_due(desk.committer, fake_mono);
        desk_step(&desk);
    }
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &look.submission);
    desk_close(&desk);
}

static void
pause_main(struct desk *desk, struct one *one, enum aw_lane_pause pause)
{
    one_make(one, AW_COMMAND_LANE)->entry.command.in.lane = (struct aw_in_lane){.name = AW_SLICE("main"), .pause = pause};
    assert_true(aw_ring_try_push(&desk->in, &one->submission));
    desk_step(desk);
}

/* As many are woken at once as there are tickets, not one a flush; in the order in which they parked. */
static void
test_opened_lane_wakes_as_many_as_it_has(void **state)
{
    enum { PULLS = 8, TICKETS = 5 };
    struct desk          desk;
    struct aw_submission pulls[PULLS];
    struct aw_park_node  nodes[PULLS];
    struct one           one;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    pause_main(&desk, &one, AW_LANE_PAUSED_OUT);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &one.submission);
    for (uint64_t i = 1; i <= TICKETS; i++)
        (void)post(&desk, i, i);
    for (unsigned i = 0; i < PULLS; i++)
        assert_true(aw_ring_try_push(&desk.in, make_park(&pulls[i], &nodes[i])));
    desk_step(&desk);
    assert_null(aw_ring_try_pop(&desk.out));
    pause_main(&desk, &one, AW_LANE_OPEN);
    for (unsigned i = 0; i < TICKETS; i++) {
        assert_ptr_equal(aw_ring_try_pop(&desk.out), &pulls[i]);
        assert_int_equal(pulls[i].park.end, AW_PARK_WOKEN);
    }
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &one.submission);
    assert_null(aw_ring_try_pop(&desk.out));
    for (unsigned i = TICKETS; i < PULLS; i++) {
        struct aw_submission cancel = {.kind = AW_SUBMIT_CANCEL, .target = &pulls[i]};

        assert_true(aw_ring_try_push(&desk.in, &cancel));
        desk_step(&desk);
        assert_ptr_equal(aw_ring_try_pop(&desk.out), &pulls[i]);
        assert_ptr_equal(aw_ring_try_pop(&desk.out), &cancel);
    }
    desk_close(&desk);
}

/* What waits aside in a lane that is opened is offered too, by steps, however much it is. */
static void
test_opened_lane_offers_what_is_aside(void **state)
{
    enum { TICKETS = 200 };
    static const struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;
    static struct aw_submission           pulls[TICKETS];
    static struct aw_park_node            nodes[TICKETS];
    struct desk                           desk;
    struct aw_head                        head;
    struct one                            one;
    unsigned                              back = 0, steps = 1;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    for (uint64_t i = 1; i <= TICKETS; i++) {
        (void)post(&desk, i, i);
        assert_true(take(&desk, 0, &head));
        desk_carry_out(&desk, &make_lease(&one, &head)->submission);
        desk_carry_out(&desk, &make_fenced(&one, AW_COMMAND_DECLINE, one.entry.command.out.u.lease.lease)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
    }
    assert_int_equal(aw_state_aside_count(desk.state), TICKETS);
    pause_main(&desk, &one, AW_LANE_PAUSED_OUT);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &one.submission);
    for (unsigned i = 0; i < TICKETS; i++) {
        make_park(&pulls[i], &nodes[i])->park.agent = AW_SLICE("bob");
        pulls[i].park.order = &order;
        assert_true(aw_ring_try_push(&desk.in, &pulls[i]));
    }
    desk_step(&desk);
    assert_null(aw_ring_try_pop(&desk.out));
    pause_main(&desk, &one, AW_LANE_OPEN);
    for (;; desk_step(&desk), steps++) {
        unsigned before = back;

        for (struct aw_submission *next; (next = aw_ring_try_pop(&desk.out)) != NULL; back += next != &one.submission)
            assert_true(next == &one.submission || next->park.offered_slot != 0);
        assert_true(back > before);
        if (back == TICKETS)
            break;
        assert_int_equal(aw_committer_next_due(desk.committer, fake_mono), fake_mono); /* it goes on by itself */
    }
    assert_true(steps > 1);
    desk_close(&desk);
}

/* A pull chose a ticket that is gone by the time of its lease. What waits aside does not take its place: there may be something
 * more urgent in the queues. The pull is refused and looks again; when it finds nothing there, it gets that. */
static void
test_stale_choice_gives_no_way_to_what_is_aside(void **state)
{
    static const struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;
    struct aw_park                        bob = {.agent = AW_SLICE("bob"), .order = &order, .woken_lane = AW_LANE_NONE};
    struct desk                           desk;
    struct aw_head                        aside, head;
    struct one                            one;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    (void)post(&desk, 1, 1);
    assert_true(take(&desk, 0, &aside));
    desk_carry_out(&desk, &make_lease(&one, &aside)->submission);
    desk_carry_out(&desk, &make_fenced(&one, AW_COMMAND_DECLINE, one.entry.command.out.u.lease.lease)->submission);
    (void)post(&desk, 2, 2);
    assert_true(take(&desk, 0, &head));
    desk_carry_out(&desk, &make_lease(&one, &head)->submission); /* somebody was faster */
    assert_int_equal(one.entry.command.out.err, AW_OK);
    make_lease(&one, &head)->submission.pull = &bob;
    one.entry.command.in.lease.agent = bob.agent;
    desk_carry_out(&desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_E_STALE);
    one_make(&one, AW_COMMAND_LEASE)->submission.pull = &bob;
    one.entry.command.in.lease = (struct aw_in_lease){.agent = bob.agent, .lease_ms = 60000};
    desk_carry_out(&desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    assert_int_equal(one.entry.command.out.u.lease.ticket.slot, aside.slot);
    desk_close(&desk);
}

/* A watch comes back with the first publication behind what it saw, at once when that was before, by a cancel, and when the store
 * fails. Nothing happening wakes nobody. */
static void
test_watches(void **state)
{
    struct aw_fault_plan plan = {.fail_flush_at = 3};
    struct desk          desk;
    struct aw_submission watch, cancel = {.kind = AW_SUBMIT_CANCEL, .target = &watch};
    struct one           one;
    uint64_t             seen;

    (void)state;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    seen = aw_lanes_published(desk.lanes);
    watch = (struct aw_submission){.kind = AW_SUBMIT_WATCH, .seen_seq = seen};
    assert_true(aw_ring_try_push(&desk.in, &watch));
    desk_step(&desk);
    desk_step(&desk);
    assert_null(aw_ring_try_pop(&desk.out));
    assert_true(aw_committer_next_due(desk.committer, fake_mono) > fake_mono); /* it does not keep the committer awake */
    assert_true(aw_ring_try_push(&desk.in, &make_post(&one, 1, 1, AW_SLICE("main"))->submission));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &watch);
    assert_int_equal(watch.err, AW_OK);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &one.submission);
    assert_int_equal(aw_lanes_published(desk.lanes), seen + 1);
    desk_carry_out(&desk, &watch); /* it has missed one: at once */
    watch.seen_seq = seen + 1;
    assert_true(aw_ring_try_push(&desk.in, &watch));
    desk_step(&desk);
    assert_true(aw_ring_try_push(&desk.in, &cancel));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &watch);
    assert_int_equal(watch.err, AW_E_CLOSED);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &cancel);
    assert_true(aw_ring_try_push(&desk.in, &watch));
    desk_step(&desk);
    assert_true(aw_ring_try_push(&desk.in, &make_post(&one, 2, 2, AW_SLICE("main"))->submission));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &one.submission);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &watch);
    assert_int_equal(watch.err, AW_E_STORE_BROKEN);
    desk_carry_out(&desk, &watch);
    assert_int_equal(watch.err, AW_E_STORE_BROKEN);
    assert_true(aw_committer_is_idle(desk.committer));
    desk_close(&desk);
}

/* Who waits for work when the store fails is told so at once, and so is who comes to wait later. */
static void
test_broken_store_ends_parked_pulls(void **state)
{
    static const uint32_t lane[1] = {1};
    struct aw_fault_plan  plan = {.fail_flush_at = 2};
    struct desk           desk;
    struct aw_submission  all;
    struct aw_park_node   node;
    struct lane_pull      one_lane;
    struct one            one;

    (void)state;
    desk_open(&desk, &plan);
    assert_int_equal(desk_start(&desk), AW_OK);
    assert_true(aw_ring_try_push(&desk.in, make_park(&all, &node)));
    assert_true(aw_ring_try_push(&desk.in, make_lane_pull(&one_lane, lane, 1)));
    desk_step(&desk);
    assert_int_equal(aw_committer_parked(desk.committer), 2);
    assert_true(aw_ring_try_push(&desk.in, &make_post(&one, 1, 1, AW_SLICE("main"))->submission));
    desk_step(&desk);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &one.submission);
    assert_int_equal(one.submission.err, AW_E_STORE_BROKEN);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &all);
    assert_int_equal(all.err, AW_E_STORE_BROKEN);
    assert_ptr_equal(aw_ring_try_pop(&desk.out), &one_lane.submission);
    assert_int_equal(one_lane.submission.err, AW_E_STORE_BROKEN);
    desk_carry_out(&desk, make_park(&all, &node));
    assert_int_equal(all.err, AW_E_STORE_BROKEN);
    assert_true(aw_committer_is_idle(desk.committer));
    desk_close(&desk);
}

/* --- an engine that breaks in a checkpoint: its calls fail from then on */

static const struct aw_table_ops   *live_table;
static const struct aw_journal_ops *live_journal;
static struct aw_table_ops          breaking_table;
static struct aw_journal_ops        dead_journal;
static struct desk                 *breaking_desk;
static unsigned                     marks_refused;

static enum aw_outcome
put_chunk(struct aw_table *table, const struct aw_chunk *chunk)
{
    enum aw_outcome outcome;

    table->ops = live_table;
    outcome = aw_table_put(table, chunk);
    table->ops = &breaking_table;
    return outcome;
}

static enum aw_outcome
break_at_mark(struct aw_table *table, const struct aw_checkpoint_mark *mark)
{
    (void)table;
    (void)mark;
    marks_refused++;
    breaking_desk->journal->ops = &dead_journal;
    return AW_OUTCOME_BROKEN;
}

static enum aw_outcome
dead_flush(struct aw_journal *journal)
{
    (void)journal;
    return AW_OUTCOME_BROKEN;
}

static void
dead_room(struct aw_journal *journal, struct aw_journal_room *ret_room)
{
    (void)journal;
    *ret_room = (struct aw_journal_room){.limit_bytes = 0};
}

/* Nobody asks for anything when the engine fails: the role says so all the same, and the committer rests instead of trying. */
static void
test_engine_that_breaks_in_a_checkpoint(void **state)
{
    struct desk desk;

    (void)state;
    desk_open(&desk, NULL);
    desk.checkpoint_bytes = 4000;
    assert_int_equal(desk_start(&desk), AW_OK);
    live_table = desk.table->ops;
    live_journal = desk.journal->ops;
    breaking_table = *live_table;
    breaking_table.put = put_chunk;
    breaking_table.mark = break_at_mark;
    dead_journal = *live_journal;
    dead_journal.flush = dead_flush;
    dead_journal.room = dead_room;
    breaking_desk = &desk;
    marks_refused = 0;
    desk_step(&desk);
    for (uint64_t i = 1; aw_committer_next_due(desk.committer, fake_mono) != fake_mono; i++)
        (void)post(&desk, i, i); /* until a checkpoint is under way */
    desk.table->ops = &breaking_table;
    for (unsigned i = 0; i < 100 && marks_refused == 0; i++)
        desk_step(&desk);
    assert_int_equal(marks_refused, 1);
    desk_step(&desk);
    assert_int_equal(aw_committer_role(desk.committer), AW_ROLE_BROKEN);
    assert_int_equal(marks_refused, 1);
    assert_true(aw_committer_next_due(desk.committer, fake_mono) == AW_NS_NEVER);
    desk.table->ops = live_table;
    desk.journal->ops = live_journal;
    desk_close(&desk);
}

/* Each hold leaves an entry in the queue that nobody needs any more. They end with a refusal, not with an arena that overflows
 * under the committer; and whoever pulls drops them, which makes room again. */
static void
test_hold_and_unhold_for_ever(void **state)
{
    struct desk         desk;
    struct aw_ticket_id ticket;
    struct aw_head      head;
    struct one          one;
    uint64_t            rounds = 0;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    desk_carry_out(&desk, &make_post(&one, 1, 1, AW_SLICE("main"))->submission);
    ticket = one.entry.command.out.u.message.ticket;
    for (;;) {
        one_make(&one, AW_COMMAND_HOLD)->entry.command.in.ticket = (struct aw_in_ticket){.ticket = ticket, .by = AW_SLICE("mia")};
        desk_carry_out(&desk, &one.submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        one_make(&one, AW_COMMAND_UNHOLD)->entry.command.in.ticket =
            (struct aw_in_ticket){.ticket = ticket, .by = AW_SLICE("mia")};
        desk_carry_out(&desk, &one.submission);
        if (one.entry.command.out.err != AW_OK)
            break;
        rounds++;
    }
    assert_int_equal(one.entry.command.out.err, AW_E_TABLE_FULL);
    assert_true(rounds > 10000);
    while (aw_lanes_peek(desk.lanes, 0, 0, AW_CLASS_GENERAL, &head))
        assert_true(head.stale); /* a peek drops a bounded number */
    for (unsigned i = 0; i < 1000; i++)
        desk_step(&desk);
    one_make(&one, AW_COMMAND_UNHOLD)->entry.command.in.ticket = (struct aw_in_ticket){.ticket = ticket, .by = AW_SLICE("mia")};
    desk_carry_out(&desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    assert_true(take(&desk, 0, &head));
    assert_false(head.stale);
    desk_close(&desk);
}

/* Leases the ticket at the head for very long; returns it. */
static struct aw_lease_id
lease_first(struct desk *desk, uint32_t *ret_slot)
{
    struct aw_head head;
    struct one     one;

    assert_true(take(desk, 0, &head));
    make_lease(&one, &head)->entry.command.in.lease.lease_ms = AW_DURATION_MS_MAX;
    desk_carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    *ret_slot = head.slot;
    return one.entry.command.out.u.lease.lease;
}

/* A hold with an end is ended by a timer, which asks nobody: it too must leave the arena alone when that is used up. It is tried
 * again until there is room; a lease that runs out meanwhile does not wait behind it. */
static void
test_holds_that_end_for_ever(void **state)
{
    struct desk           desk;
    struct aw_ticket_id   ticket;
    struct aw_ticket_view view;
    struct aw_head        head;
    struct aw_lease_id    lease;
    struct one            one;
    uint64_t              rounds = 0;
    uint32_t              leased;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    (void)post(&desk, 2, 2);
    lease = lease_first(&desk, &leased);
    desk_carry_out(&desk, &make_post(&one, 1, 1, AW_SLICE("main"))->submission);
    ticket = one.entry.command.out.u.message.ticket;
    assert_true(aw_lanes_peek(desk.lanes, 0, 0, AW_CLASS_GENERAL, &head));
    do {
        one_make(&one, AW_COMMAND_HOLD)->entry.command.in.ticket =
            (struct aw_in_ticket){.ticket = ticket, .until = desk.wall + 1000, .by = AW_SLICE("mia")};
        desk_carry_out(&desk, &one.submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        desk_pass(&desk, 2000);
        desk_step(&desk);
        assert_true(aw_state_ticket_at(desk.state, head.slot, &view));
        rounds++;
        assert_true(rounds < 10000000);
    } while (view.state == AW_TICKET_WAITING);
    assert_true(rounds > 10000);
    assert_true(aw_lanes_room(desk.lanes) <= aw_committer_lanes_reserve(desk_limits.leases_max, DESK_CHOICES_MAX));
    assert_int_equal(desk.shut_changes, 0);
    desk_carry_out(&desk, &make_fenced(&one, AW_COMMAND_EXTEND, lease)->submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    assert_true(aw_state_ticket_at(desk.state, leased, &view) && view.state == AW_TICKET_LEASED);
    desk_pass(&desk, 61000);
    desk_step(&desk);
    assert_true(aw_state_ticket_at(desk.state, leased, &view) && view.state == AW_TICKET_WAITING);
    for (unsigned i = 0; i < 100000 && aw_committer_next_due(desk.committer, fake_mono) == fake_mono; i++)
        desk_step(&desk); /* until what these weeks have left is trimmed */
    /* It rests, but is not forgotten. */
    assert_in_range(aw_committer_next_due(desk.committer, fake_mono), fake_mono + 1, fake_mono + AW_NS_PER_S);
    while (aw_lanes_peek(desk.lanes, 0, 0, AW_CLASS_GENERAL, &head) && head.stale)
        ; /* a peek drops a bounded number */
    for (unsigned i = 0; i < 1000; i++) {
        desk_pass(&desk, 1);
        desk_step(&desk);
    }
    assert_true(take(&desk, 0, &head) && !head.stale && head.slot == leased);
    assert_true(take(&desk, 0, &head) && !head.stale && head.slot == ticket.slot);
    desk_close(&desk);
}

/* The memory of what was in the queues, gone round by round, which a stopped thread might still look at. */
struct stopped {
    struct desk            desk;
    struct aw_qsbr_reader *reader;
    uint64_t               source;
    uint64_t               posted;
    uint64_t               rounds;
};

static enum aw_err
post_one(struct stopped *test)
{
    struct one one;

    test->source++;
    desk_carry_out(&test->desk, &make_post(&one, test->source, test->source, (struct aw_slice){NULL, 0})->submission);
    test->posted += one.entry.command.out.err == AW_OK;
    return one.entry.command.out.err;
}

/* Takes as many as may be in hand, leases them and gives them back. False: the lanes were shut before. */
static bool
go_round(struct stopped *test)
{
    struct desk       *desk = &test->desk;
    struct aw_head     head;
    struct aw_lease_id leases[DESK_CHOICES_MAX];
    struct one         one;
    unsigned           count = 0;

    while (count < DESK_CHOICES_MAX && !aw_lanes_is_shut(desk->lanes) && take(desk, 0, &head)) {
        desk_carry_out(desk, &make_lease(&one, &head)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        leases[count++] = one.entry.command.out.u.lease.lease;
    }
    for (unsigned i = 0; i < count; i++) {
        desk_carry_out(desk, &make_fenced(&one, AW_COMMAND_RELEASE, leases[i])->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
    }
    test->rounds++;
    return count == DESK_CHOICES_MAX;
}

/* A thread that looked at the lanes and is stopped for good. Nothing that it might see is freed, while tickets go out and come
 * back: first posts are refused, with the word that this is not for long, then pulls. All that is out then, leased or in hand,
 * finds its way back; and when the thread goes on, so does everything. */
static void
test_reader_stopped_for_good(void **state)
{
    struct stopped test = {.source = 0};
    struct desk   *desk = &test.desk;
    struct aw_head heads[DESK_CHOICES_MAX];
    struct aw_head head;
    struct one     one;
    uint64_t       posts_stopped_at = 0;

    (void)state;
    desk_open(desk, NULL);
    desk->leases_max = DESK_CHOICES_MAX; /* the least: what is kept for leases takes the most rounds to use up */
    desk->lanes_room_bytes = 1 << 18;
    assert_int_equal(desk_start(desk), AW_OK);
    test.reader = aw_qsbr_join(&desk->qsbr);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(post_one(&test), AW_OK);
    aw_qsbr_quiet(&desk->qsbr, test.reader);
    while (go_round(&test)) {
        enum aw_err err = test.rounds % 64 == 0 ? post_one(&test) : AW_OK;

        assert_true(err == AW_OK || err == AW_E_OVERLOADED);
        if (err != AW_OK && posts_stopped_at == 0)
            posts_stopped_at = test.rounds;
        assert_true(test.rounds < 1000000);
    }
    assert_in_range(posts_stopped_at, 1, test.rounds);
    assert_int_equal(desk->shut_changes, 1);
    assert_int_equal(post_one(&test), AW_E_OVERLOADED);
    /* Others had asked before it was shut, and took what they might; they are refused, or leave, or are served. */
    for (unsigned i = 0; i < DESK_CHOICES_MAX; i++)
        assert_true(take(desk, 0, &heads[i]));
    for (unsigned i = 0; i < DESK_CHOICES_MAX; i++) {
        make_lease(&one, &heads[i]);
        if (i % 2 == 0)
            one.entry.command.in.lease.agent = (struct aw_slice){NULL, 0}; /* refused */
        desk_carry_out(desk, &one.submission);
        assert_int_equal(one.entry.command.out.err, i % 2 == 0 ? AW_E_BAD_VALUE : AW_OK);
    }
    desk_pass(desk, 61000);
    desk_step(desk); /* their leases run out */
    assert_int_equal(aw_state_lease_count(desk->state), 0);
    assert_true(aw_lanes_is_shut(desk->lanes));
    assert_in_range(aw_committer_next_due(desk->committer, fake_mono), fake_mono, fake_mono + AW_NS_PER_S);
    aw_qsbr_offline(test.reader);
    for (unsigned i = 0; i < 10000 && aw_lanes_is_shut(desk->lanes); i++)
        desk_step(desk);
    assert_int_equal(desk->shut_changes, 2);
    for (unsigned i = 0; i < 10000; i++)
        desk_step(desk);
    assert_int_equal(post_one(&test), AW_OK);
    for (; test.posted > 0; test.posted--) { /* each ticket is there, once */
        assert_true(take(desk, 0, &head));
        desk_carry_out(desk, &make_lease(&one, &head)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
        desk_carry_out(desk, &make_fenced(&one, AW_COMMAND_COMPLETE, one.entry.command.out.u.lease.lease)->submission);
        assert_int_equal(one.entry.command.out.err, AW_OK);
    }
    assert_false(take(desk, 0, &head));
    desk_close(desk);
}

static void
test_paused_lane_keeps_its_tickets(void **state)
{
    struct desk    desk;
    struct aw_head head;
    struct one     one;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    (void)post(&desk, 1, 1);
    assert_true(take(&desk, 0, &head));
    one_make(&one, AW_COMMAND_LANE)->entry.command.in.lane =
        (struct aw_in_lane){.name = AW_SLICE("main"), .pause = AW_LANE_PAUSED_OUT};
    desk_carry_out(&desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    assert_false(aw_lanes_directory_gives(&desk.directory, 0));
    /* The choice was made before the pause: refused, and the ticket is back in its queue. */
    desk_carry_out(&desk, &make_lease(&one, &head)->submission);
    assert_int_equal(one.entry.command.out.err, AW_E_STALE);
    assert_true(take(&desk, 0, &head));
    desk_close(&desk);
}

static uint64_t
waiting_in(const struct desk *desk, unsigned queue)
{
    struct aw_lanes_count count;

    aw_lanes_count(desk->lanes, 0, (enum aw_class)queue, &count);
    return count.waiting;
}

/* An imminent ticket lies in two queues. However often it is taken out of one of them and refused, it goes back to that one alone:
 * entries that nobody bounds would use up the arena. */
static void
test_refused_imminent_goes_back_where_it_was(void **state)
{
    static const unsigned queues[] = {AW_CLASS_IMMINENT, AW_LANES_BY_AGE};
    struct desk           desk;
    struct aw_head        head, other;
    struct one            one;

    (void)state;
    desk_open(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    make_post(&one, 1, 1, AW_SLICE("main"))->entry.command.in.message.departs_at = desk.wall + 2 * 3600000;
    desk_carry_out(&desk, &one.submission);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(aw_lanes_peek(desk.lanes, 0, 0, queues[i % 2], &head) && aw_lanes_try_take(desk.lanes, &head));
        make_lease(&one, &head)->entry.command.in.lease.agent = AW_SLICE("");
        desk_carry_out(&desk, &one.submission);
        assert_int_equal(one.entry.command.out.err, AW_E_BAD_VALUE);
        assert_int_equal(waiting_in(&desk, AW_CLASS_IMMINENT), 1);
        assert_int_equal(waiting_in(&desk, AW_LANES_BY_AGE), 1);
    }
    /* A pull may meet both. */
    assert_true(aw_lanes_peek(desk.lanes, 0, 0, AW_LANES_BY_AGE, &other) && aw_lanes_try_take(desk.lanes, &other));
    assert_true(aw_lanes_peek(desk.lanes, 0, 0, AW_CLASS_IMMINENT, &head) && aw_lanes_try_take(desk.lanes, &head));
    make_lease(&one, &head)->entry.command.in.lease.agent = AW_SLICE("");
    one.entry.command.in.lease.taken_from[0].queues |= 1U << AW_LANES_BY_AGE;
    desk_carry_out(&desk, &one.submission);
    assert_int_equal(waiting_in(&desk, AW_CLASS_IMMINENT), 1);
    assert_int_equal(waiting_in(&desk, AW_LANES_BY_AGE), 1);
    desk_close(&desk);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_post_lease_complete),
        cmocka_unit_test(test_duplicate_waits_for_its_original),
        cmocka_unit_test(test_failed_flush_latches),
        cmocka_unit_test(test_recovery_gives_the_same_state),
        cmocka_unit_test(test_recovery_says_what_is_too_small),
        cmocka_unit_test(test_recovery_is_given_up),
        cmocka_unit_test(test_full_store_goes_on_draining),
        cmocka_unit_test(test_forecasts_leave_room_for_draining),
        cmocka_unit_test(test_notes_leave_room_for_draining),
        cmocka_unit_test(test_changes_leave_what_drains),
        cmocka_unit_test(test_changed_classes_leave_what_drains),
        cmocka_unit_test(test_who_is_imminent_goes_before_late_classes),
        cmocka_unit_test(test_late_classes_rest_when_queues_are_short_too),
        cmocka_unit_test(test_order_in_a_full_store),
        cmocka_unit_test(test_a_burst_is_no_full_store),
        cmocka_unit_test(test_full_store_drains_to_pulls_of_many_lanes),
        cmocka_unit_test(test_role_does_not_flap),
        cmocka_unit_test(test_lease_runs_out),
        cmocka_unit_test(test_parked_pulls),
        cmocka_unit_test(test_park_looks_at_all_lanes),
        cmocka_unit_test(test_looks_are_cancelled),
        cmocka_unit_test(test_looks_rest),
        cmocka_unit_test(test_watches),
        cmocka_unit_test(test_opened_lane_wakes_as_many_as_it_has),
        cmocka_unit_test(test_opened_lane_offers_what_is_aside),
        cmocka_unit_test(test_stale_choice_gives_no_way_to_what_is_aside),
        cmocka_unit_test(test_broken_store_ends_parked_pulls),
        cmocka_unit_test(test_engine_that_breaks_in_a_checkpoint),
        cmocka_unit_test(test_hold_and_unhold_for_ever),
        cmocka_unit_test(test_holds_that_end_for_ever),
        cmocka_unit_test(test_reader_stopped_for_good),
        cmocka_unit_test(test_paused_lane_keeps_its_tickets),
        cmocka_unit_test(test_refused_imminent_goes_back_where_it_was),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
