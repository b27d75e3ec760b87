/* commit_fill_test.c - proves how a group is filled: who comes meanwhile is taken into it, whoever posts much beside him; what
 * comes when it has no room left waits for the next; and a flush that had nothing to write does not say how long flushes take.
 */
#include "support/commit_rig.h"

#include "base/hash.h"
#include "commit/parts.h"

#define BULK 600U

/* What another thread does, and how time goes by, while the committer is at work. */
struct meanwhile {
    struct desk *desk;
    struct one  *arrivals; /* pushed at the next submit */
    uint32_t     arrival_count;
    aw_ns        flush_ns;
};

static enum aw_fault
on_draw(void *user, enum aw_fault_at at)
{
    struct meanwhile *meanwhile = user;

    if (at == AW_FAULT_AT_FLUSH)
        fake_mono += meanwhile->flush_ns;
    if (at != AW_FAULT_AT_SUBMIT)
        return AW_FAULT_NONE;
    for (uint32_t i = 0; i < meanwhile->arrival_count; i++)
        assert_true(aw_ring_try_push(&meanwhile->desk->in, &meanwhile->arrivals[i].submission));
    meanwhile->arrival_count = 0;
    return AW_FAULT_NONE;
}

static void
open_desk(struct desk *desk, struct meanwhile *meanwhile, uint64_t ahead_bytes)
{
    struct aw_fault_plan plan = {.ahead_bytes = ahead_bytes, .draw = on_draw, .user = meanwhile};

    desk_open(desk, &plan);
    desk->parties_max = 3;
    *meanwhile = (struct meanwhile){.desk = desk};
}

static void
push_post(struct desk *desk, struct one *one, uint32_t party, uint64_t source)
{
    struct aw_in_message *in = one_make_post(one, 100 + source % 50, source);

    memset(one->body, 'b', sizeof(one->body));
    in->body = aw_slice_of(one->body, 900);
    one->submission.party = party;
    if (desk != NULL)
        assert_true(aw_ring_try_push(&desk->in, &one->submission));
}

static struct one *
push_bulk(struct desk *desk)
{
    struct one *bulk = calloc(BULK, sizeof(*bulk));

    assert_non_null(bulk);
    for (uint32_t i = 0; i < BULK; i++)
        push_post(desk, &bulk[i], 1, 1000 + i);
    return bulk;
}

/* A drain that is refused: there is no such ticket. */
static void
make_hold(struct one *one)
{
    one_make(one, AW_COMMAND_HOLD)->entry.command.in.ticket = (struct aw_in_ticket){.by = AW_SLICE("sam")};
}

/* Takes what came back. Returns how many of it are of `ones`. */
static uint32_t
take_back(struct desk *desk, const struct one *ones, uint32_t count)
{
    const struct aw_submission *back;
    uint32_t                    mine = 0;

    while ((back = aw_ring_try_pop(&desk->out)) != NULL) {
        assert_int_equal(back->err, AW_OK);
        if (back >= &ones[0].submission && back <= &ones[count - 1].submission)
            mine++;
    }
    return mine;
}

/* Posts that one batch holds. */
static uint32_t
batch_posts(void)
{
    struct meanwhile meanwhile;
    struct desk      desk;
    struct one      *bulk;
    uint32_t         count = 0;

    open_desk(&desk, &meanwhile, 0);
    assert_int_equal(desk_start(&desk), AW_OK);
    bulk = push_bulk(&desk);
    desk_step(&desk);
    assert_int_equal(take_back(&desk, bulk, BULK), BULK);
    while (count < BULK && bulk[count].entry.point.index == bulk[0].entry.point.index)
        count++;
    assert_in_range(count, AW_TURN_POSTS, BULK / 2);
    desk_close(&desk);
    free(bulk);
    return count;
}

/* What the posts may take ends where a batch does, and a drain comes just then: the batch after it takes none of both. */
static void
test_drain_comes_when_posts_are_shut_out(void **state)
{
    struct meanwhile meanwhile;
    struct desk      desk;
    struct one       drain, *bulk;
    uint32_t         posts = batch_posts();
    uint64_t         needed;
    uint32_t         back;

    (void)state;
    open_desk(&desk, &meanwhile, 0);
    push_post(NULL, &drain, 1, 1);
    needed = aw_journal_cost(desk.journal, aw_record_bytes_max(&drain.entry.command), 900) + AW_DRAIN_BYTES_PER_TICKET;
    aw_journal_close(&desk.journal);
    open_desk(&desk, &meanwhile, posts * needed + AW_ROOM_BESIDE_BYTES);
    assert_int_equal(desk_start(&desk), AW_OK);
    bulk = push_bulk(&desk);
    make_hold(&drain);
    meanwhile.arrivals = &drain;
    meanwhile.arrival_count = 1;
    desk_step(&desk);
    assert_int_equal(meanwhile.arrival_count, 0);
    assert_int_equal(take_back(&desk, bulk, BULK), posts);
    assert_int_equal(drain.entry.command.out.err, AW_OK); /* not yet asked */
    for (back = posts; back < BULK;) {
        uint32_t more;

        desk_step(&desk);
        more = take_back(&desk, bulk, BULK);
        assert_int_not_equal(more, 0);
        back += more;
    }
    assert_int_equal(drain.entry.command.out.err, AW_E_NOT_FOUND);
    desk_close(&desk);
    free(bulk);
}

/* Another party and a drain come when the first batch of many posts is closed: they are in the same flush, and it comes soon. */
static void
test_newcomers_join(void **state)
{
    struct meanwhile meanwhile;
    struct desk      desk;
    struct one       newcomers[2], *bulk;
    uint32_t         posts = batch_posts(), back;

    (void)state;
    open_desk(&desk, &meanwhile, 0);
    assert_int_equal(desk_start(&desk), AW_OK);
    bulk = push_bulk(&desk);
    push_post(NULL, &newcomers[0], 2, 1);
    make_hold(&newcomers[1]);
    meanwhile.arrivals = newcomers;
    meanwhile.arrival_count = 2;
    desk_step(&desk);
    back = take_back(&desk, bulk, BULK);
    assert_in_range(back, posts, posts + 2 * AW_TURN_POSTS);
    assert_int_equal(newcomers[0].entry.command.out.err, AW_OK);
    assert_in_range(newcomers[0].entry.point.index, bulk[0].entry.point.index + 1, bulk[0].entry.point.index + 2);
    assert_int_equal(newcomers[1].entry.command.out.err, AW_E_NOT_FOUND);
    while (back < BULK) { /* while it is not alone it has its part in each group */
        uint32_t more;

        desk_step(&desk);
        more = take_back(&desk, bulk, BULK);
        assert_int_not_equal(more, 0);
        back += more;
    }
    desk_close(&desk);
    free(bulk);
}

/* Flushes take long. Then a checkpoint is written, without a batch and in no time: groups are filled as long as before. */
static void
test_flush_without_a_batch(void **state)
{
    struct meanwhile meanwhile;
    struct desk      desk;
    struct one       first, other, *bulk;

    (void)state;
    open_desk(&desk, &meanwhile, 0);
    desk.checkpoint_bytes = 1;
    fake_mono_step = 100;
    meanwhile.flush_ns = 4 * AW_NS_PER_MS;
    assert_int_equal(desk_start(&desk), AW_OK);
    push_post(&desk, &first, 1, 1);
    desk_step(&desk);
    assert_int_equal(take_back(&desk, &first, 1), 1);
    meanwhile.flush_ns = 0;
    for (unsigned i = 0; i < 10; i++)
        desk_step(&desk);
    assert_int_not_equal(desk.checkpoints, 0);
    bulk = push_bulk(&desk);
    push_post(&desk, &other, 2, 2);
    desk_step(&desk);
    assert_int_equal(take_back(&desk, bulk, BULK), BULK);
    desk_close(&desk);
    free(bulk);
    fake_mono_step = 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain_comes_when_posts_are_shut_out),
        cmocka_unit_test(test_newcomers_join),
        cmocka_unit_test(test_flush_without_a_batch),
    };

    return aw_hash_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
