/* commit_parts_test.c - the committer's small parts: record clock, parking, batch, lanes directory.
 *
 * Record clock: random steps of both clocks; the time told never goes back, and never runs faster or slower than its slew allows.
 * Parking: against a list kept by hand; who is woken is always the one that waits longest of those that serve the lane.
 */
#include "commit/batch.h"
#include "commit/lanes_directory.h"
#include "commit/parking.h"
#include "commit/record_clock.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

#define LANES 4U
#define PULLS 64U

static uint64_t
below(uint64_t *random, uint64_t limit)
{
    return test_random(random) % limit;
}

/* --- record clock ------------------------------------------------------------------------------------------------------------- */

static void
test_clock_follows_the_wall(void **state)
{
    struct aw_record_clock clock;

    (void)state;
    aw_record_clock_start(&clock, 0, 1000000, 5 * AW_NS_PER_S);
    assert_int_equal(aw_record_clock_now(&clock, 1000000, 5 * AW_NS_PER_S), 1000000);
    assert_int_equal(aw_record_clock_now(&clock, 1001000, 6 * AW_NS_PER_S), 1001000);
}

static void
test_clock_starts_where_the_journal_ended(void **state)
{
    struct aw_record_clock clock;

    (void)state;
    /* The wall clock was set back while we were down: the journal's time goes on. */
    aw_record_clock_start(&clock, 2000000, 1000000, 0);
    assert_int_equal(aw_record_clock_now(&clock, 1000000, 0), 2000000);
    /* 16 s later it has been slowed by one. */
    assert_int_equal(aw_record_clock_now(&clock, 1016000, 16 * AW_NS_PER_S), 2015000);
    /* The downtime did pass when the wall clock is ahead. */
    aw_record_clock_start(&clock, 2000000, 9000000, 0);
    assert_int_equal(aw_record_clock_now(&clock, 9000000, 0), 9000000);
}

/* A clock that is centuries ahead: nothing runs over, time goes on, and what is reckoned from it can be written as text. */
static void
test_clock_far_ahead(void **state)
{
    struct aw_record_clock clock;
    aw_ms                  at;

    (void)state;
    aw_record_clock_start(&clock, 0, AW_MS_MAX, 0);
    at = aw_record_clock_now(&clock, AW_MS_MAX, 0);
    assert_true(at <= AW_MS_MAX / 2);
    assert_int_equal(aw_record_clock_now(&clock, AW_MS_MAX, 16 * AW_NS_PER_S), at + 15000); /* as if the wall clock stood */
    assert_int_equal(aw_record_clock_now(&clock, 1776231000000, 32 * AW_NS_PER_S), at + 30000);
    /* So it does behind the last time that a record can carry. */
    aw_record_clock_start(&clock, AW_RECORD_MS_MAX, 1776231000000, 0);
    assert_int_equal(aw_record_clock_now(&clock, 1776231000000, 0), AW_RECORD_MS_MAX);
    assert_int_equal(aw_record_clock_now(&clock, 1776231000000, 16 * AW_NS_PER_S), AW_RECORD_MS_MAX + 15000);
    /* It is followed by the slew, as any other. */
    aw_record_clock_start(&clock, 1776231000000, 1776231000000, 0);
    assert_int_equal(aw_record_clock_now(&clock, AW_MS_MAX, 16 * AW_NS_PER_S), 1776231017000);
}

static void
test_clock_survives_jumps(void **state)
{
    uint64_t               random = 7;
    struct aw_record_clock clock;
    aw_ns                  mono = 0;
    aw_ms                  wall = 1000000000, last = wall;

    (void)state;
    aw_record_clock_start(&clock, 0, wall, mono);
    for (int i = 0; i < 200000; i++) {
        aw_ns elapsed = below(&random, 3 * AW_NS_PER_MS);
        aw_ms now;

        mono += elapsed;
        wall += elapsed / AW_NS_PER_MS;
        if (i % 1000 == 0) /* somebody sets the clock, by up to a day, either way */
            wall += below(&random, 2 * 86400000) - 86400000;
        now = aw_record_clock_now(&clock, wall, mono);
        assert_true(now >= last);
        assert_true(now - last <= elapsed / AW_NS_PER_MS + elapsed / AW_NS_PER_MS / AW_SLEW_PARTS + 2);
        last = now;
    }
    /* Slowed at most by its part. */
    assert_true(last - 1000000000 >= mono / AW_NS_PER_MS / AW_SLEW_PARTS * (AW_SLEW_PARTS - 1) - AW_SLEW_PARTS);
}

/* --- parking ------------------------------------------------------------------------------------------------------------------ */

struct pull {
    struct aw_submission submission;
    struct aw_park_node  nodes[LANES];
    uint32_t             lanes[LANES];
    uint64_t             order; /* when it parked first; kept over wakes in vain */
    bool                 freed; /* while it waited, and nobody looked for it since */
};

static void
make_pull(struct pull *pull, unsigned mask)
{
    *pull = (struct pull){.submission = {.kind = AW_SUBMIT_PARK}};
    pull->submission.park.woken_lane = AW_LANE_NONE;
    pull->submission.park.nodes = pull->nodes;
    for (uint32_t lane = 0; lane < LANES; lane++) {
        aw_list_init(&pull->nodes[lane].link);
        if (mask != 0 && (mask & (1U << lane)) != 0)
            pull->lanes[pull->submission.park.lane_count++] = lane;
    }
    if (mask != 0)
        pull->submission.park.lanes = pull->lanes;
}

static bool
serves(const struct pull *pull, uint32_t lane)
{
    if (pull->submission.park.lanes == NULL)
        return true;
    for (uint32_t i = 0; i < pull->submission.park.lane_count; i++) {
        if (pull->lanes[i] == lane)
            return true;
    }
    return false;
}

#define PARK_AGENTS 7U
static const char *const park_agents[PARK_AGENTS] = {"ann", "bob", "cyd", "dan", "eve", "fay", "gus"};

static const uint8_t park_barred[PARK_AGENTS] = {0, 0, 0, 0x01, 0x1E, 0x03, 0};

/* Of those that may take from one of these shelves. */
static struct pull *
longest(struct pull *pulls, uint32_t lane, const struct aw_park_shelves *shelves, const uint16_t full[PARK_AGENTS])
{
    struct pull *best = NULL;

    for (uint32_t i = 0; i < PULLS; i++) {
        unsigned may = 0;

        for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
            if ((park_barred[i % PARK_AGENTS] >> class_ & 1) == 0)
                may |= shelves->of[class_] & ~(unsigned)full[i % PARK_AGENTS];
        }
        if (pulls[i].submission.park.parked && serves(&pulls[i], lane) && may != 0 &&
            (best == NULL || pulls[i].order < best->order))
            best = &pulls[i];
    }
    return best;
}

/* An agent's units change: its pulls that wait know, and are found one after the other, longest waiting first. */
static void
set_full(struct aw_parking *parking, struct pull *pulls, uint32_t agent, uint16_t was, uint16_t full)
{
    struct aw_slice       name = aw_slice_str(park_agents[agent]);
    struct aw_submission *pull = NULL;
    uint32_t              parked = 0, found = 0;
    uint64_t              number = 0;

    for (uint32_t i = agent; i < PULLS; i += PARK_AGENTS) {
        parked += pulls[i].submission.park.parked;
        pulls[i].freed |= pulls[i].submission.park.parked && (was & ~full) != 0;
    }
    aw_parking_set_full(parking, name, full);
    while ((pull = aw_parking_next_of(parking, name, pull)) != NULL) {
        assert_int_equal(pull->park.full, full);
        assert_true(pull->park.number > number);
        number = pull->park.number;
        found++;
    }
    assert_int_equal(found, parked);
}

/* At most so many of those whose agent got more: each is told once, as long as it is there. */
static void
take_freed(struct aw_parking *parking, struct pull *pulls, uint64_t max)
{
    struct aw_submission *pull;
    uint64_t              taken = 0;

    while (taken < max && (pull = aw_parking_take_freed(parking)) != NULL) {
        struct pull *freed = AW_CONTAINER(pull, struct pull, submission);

        assert_true(freed->freed && pull->park.parked);
        freed->freed = false;
        taken++;
    }
    for (uint32_t i = 0; i < PULLS && taken < max; i++)
        assert_false(pulls[i].freed && pulls[i].submission.park.parked);
    assert_true(taken == max || !aw_parking_has_freed(parking));
}

/* Another pull with its key was given leases: woken, but for no lane. */
static void
wake_key(struct aw_parking *parking, struct pull *pulls, uint64_t number)
{
    struct aw_pull_key    key = {.key = number};
    struct aw_submission *woken = aw_parking_wake_key(parking, &key);

    if (woken == NULL) {
        for (uint32_t p = 0; p < PULLS; p++)
            assert_false(pulls[p].submission.park.parked && pulls[p].submission.park.key.key == key.key);
        return;
    }
    assert_int_equal(woken->park.key.key, key.key);
    assert_int_equal(woken->park.woken_lane, AW_LANE_NONE);
    assert_false(woken->park.parked);
}

static struct aw_park_shelves
some_shelves(uint64_t *random)
{
    struct aw_park_shelves shelves = {.of = {0}};

    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++)
        shelves.of[class_] = (uint16_t)(below(random, 3) == 0 ? below(random, 8) : 0);
    return shelves;
}

/* A walk over all buckets comes by each agent that waits once: by the pull that it has waited with longest. */
static void
check_agents(struct aw_parking *parking, const struct pull *pulls)
{
    const struct pull *longest_of[PARK_AGENTS] = {NULL};

    for (uint32_t i = 0; i < PULLS; i++) {
        const struct pull **longest_one = &longest_of[i % PARK_AGENTS];

        if (pulls[i].submission.park.parked && (*longest_one == NULL || pulls[i].order < (*longest_one)->order))
            *longest_one = &pulls[i];
    }
    for (uint32_t bucket = 0; bucket < AW_PARK_AGENT_BUCKETS; bucket++) {
        const struct aw_submission *pull = aw_parking_next_agent(parking, bucket, NULL);

        for (; pull != NULL; pull = aw_parking_next_agent(parking, bucket, pull)) {
            uint32_t agent = (uint32_t)((const struct pull *)pull - pulls) % PARK_AGENTS;

            assert_ptr_equal(pull, &longest_of[agent]->submission);
            longest_of[agent] = NULL;
        }
    }
    for (uint32_t i = 0; i < PARK_AGENTS; i++)
        assert_null(longest_of[i]);
}

static void
test_parking_wakes_the_longest_waiting(void **state)
{
    uint64_t          random = 11;
    struct aw_parking parking;
    struct pull      *pulls = calloc(PULLS, sizeof(*pulls));
    uint64_t          order = 0;
    uint16_t          full[PARK_AGENTS] = {0};

    (void)state;
    assert_non_null(pulls);
    assert_true(aw_parking_init(&parking, LANES));
    for (uint32_t i = 0; i < PULLS; i++) {
        make_pull(&pulls[i], (unsigned)below(&random, 1U << LANES));
        pulls[i].submission.park.key.key = i % 8; /* 0: none */
        pulls[i].submission.park.agent = aw_slice_str(park_agents[i % PARK_AGENTS]);
    }
    for (int i = 0; i < 100000; i++) {
        struct pull *pull = &pulls[below(&random, PULLS)];
        uint32_t     lane = (uint32_t)below(&random, LANES);

        if (i % 1000 == 0)
            check_agents(&parking, pulls);
        switch (below(&random, 5)) {
        case 0: /* parks, or comes back to its place after a wake in vain */
            if (pull->submission.park.parked)
                break;
            (void)aw_parking_came_back(&parking, &pull->submission.park.woken_lane);
            if (pull->submission.park.number == 0)
                pull->order = ++order;
            pull->submission.park.full = full[(size_t)(pull - pulls) % PARK_AGENTS];
            pull->submission.park.barred = park_barred[(size_t)(pull - pulls) % PARK_AGENTS];
            pull->freed = false;
            aw_parking_add(&parking, &pull->submission);
            break;
        case 1: /* leaves */
            if (pull->submission.park.parked)
                aw_parking_remove(&parking, &pull->submission);
            (void)aw_parking_came_back(&parking, &pull->submission.park.woken_lane);
            pull->submission.park.number = 0;
            break;
        case 2:
            wake_key(&parking, pulls, 1 + below(&random, 9));
            break;
        case 3: {
            uint32_t agent = (uint32_t)below(&random, PARK_AGENTS);
            uint16_t was = full[agent];

            full[agent] = (uint16_t)(below(&random, 4) == 0 ? 0xFFFF : below(&random, 8));
            set_full(&parking, pulls, agent, was, full[agent]);
            take_freed(&parking, pulls, below(&random, PULLS));
            break;
        }
        default: {
            const struct aw_park_shelves shelves = some_shelves(&random);
            struct pull                 *want = longest(pulls, lane, &shelves, full);
            struct aw_submission        *woken = aw_parking_wake(&parking, lane, &shelves);

            assert_ptr_equal(woken, want == NULL ? NULL : &want->submission);
            if (woken != NULL) {
                assert_int_equal(woken->park.woken_lane, lane);
                assert_true(aw_parking_on_way(&parking, lane) > 0);
            }
        }
        }
    }
    while (aw_parking_take_any(&parking) != NULL)
        ;
    assert_int_equal(aw_parking_count(&parking), 0);
    aw_parking_fini(&parking);
    free(pulls);
}

/* --- lanes directory ---------------------------------------------------------------------------------------------------------- */

static void
test_directory(void **state)
{
    struct aw_lanes_directory directory;

    (void)state;
    assert_true(aw_lanes_directory_init(&directory, 8));
    assert_int_equal(aw_lanes_directory_find(&directory, AW_SLICE("main")), UINT32_MAX);
    aw_lanes_directory_add(&directory, 0, AW_SLICE("main"), AW_LANE_OPEN);
    aw_lanes_directory_add(&directory, 1, AW_SLICE("dutch"), AW_LANE_PAUSED_OUT);
    assert_int_equal(aw_lanes_directory_count(&directory), 2);
    assert_int_equal(aw_lanes_directory_find(&directory, AW_SLICE("dutch")), 1);
    assert_int_equal(aw_lanes_directory_find(&directory, AW_SLICE("dutc")), UINT32_MAX);
    assert_true(aw_lanes_directory_gives(&directory, 0));
    assert_false(aw_lanes_directory_gives(&directory, 1));
    assert_true(aw_lanes_directory_takes(&directory, 1));
    aw_lanes_directory_set_pause(&directory, 1, AW_LANE_PAUSED_BOTH);
    assert_false(aw_lanes_directory_takes(&directory, 1));
    assert_slice(aw_lanes_directory_name(&directory, 1), "dutch");
    aw_lanes_directory_fini(&directory);
}

/* As many as there is room for: each is found, and nothing else. */
static void
test_full_directory(void **state)
{
    static char               names[4096][12];
    const uint32_t            count = AW_ARRAY_LEN(names);
    struct aw_lanes_directory directory;

    (void)state;
    assert_true(aw_lanes_directory_init(&directory, count));
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "desk-%u", i);
        assert_int_equal(aw_lanes_directory_find(&directory, aw_slice_str(names[i])), UINT32_MAX);
        aw_lanes_directory_add(&directory, i, aw_slice_str(names[i]), AW_LANE_OPEN);
    }
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(aw_lanes_directory_find(&directory, aw_slice_str(names[i])), i);
    assert_int_equal(aw_lanes_directory_find(&directory, AW_SLICE("desk-4096")), UINT32_MAX);
    assert_int_equal(aw_lanes_directory_find(&directory, AW_SLICE("")), UINT32_MAX);
    aw_lanes_directory_fini(&directory);
}

/* --- batch -------------------------------------------------------------------------------------------------------------------- */

static void
test_batch_closes_on_bytes(void **state)
{
    struct aw_hash128 identity = {1, 2};
    struct aw_command command = {.kind = AW_COMMAND_MESSAGE,
                                 .in.message = {.identities = &identity,
                                                .identity_count = 1,
                                                .channel = AW_SLICE("web"),
                                                .account = AW_SLICE("main"),
                                                .class_ = AW_CLASS_OTHER}};
    char              body[60000] = {0};
    struct aw_batch   batch;
    uint32_t          count = 0;

    (void)state;
    assert_true(aw_batch_init(&batch, AW_BATCH_BYTES_DEFAULT));
    command.in.message.body = aw_slice_of(body, sizeof(body));
    while (aw_batch_fits(&batch, aw_record_bytes_max(&command), sizeof(body))) {
        command.out = (struct aw_outcome_of){.changed = true, .seq = 10 + count, .prev_seq = 0};
        aw_batch_add(&batch, &command, 77);
        count++;
    }
    assert_int_equal(count, AW_BATCH_BYTES_DEFAULT / sizeof(body));
    assert_int_equal(aw_batch_count(&batch), count);
    {
        struct aw_batch_header  header = {.index = 3, .now = 77, .sm_version = AW_SM_VERSION}, read;
        struct aw_journal_batch out;
        struct aw_sha256        hash;

        assert_true(aw_batch_close(&batch, &header, &hash, &out));
        assert_int_equal(out.first_seq, 10);
        assert_int_equal(out.body_count, count);
        assert_int_equal(out.ids.len, count * AW_ID_ENTRY_BYTES);
        assert_int_equal(aw_batch_header_read(out.bytes, &read, NULL), AW_OK);
        assert_int_equal(read.count, count);
        assert_int_equal(read.first_seq, 10);
    }
    aw_batch_fini(&batch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_follows_the_wall),
        cmocka_unit_test(test_clock_starts_where_the_journal_ended),
        cmocka_unit_test(test_clock_far_ahead),
        cmocka_unit_test(test_clock_survives_jumps),
        cmocka_unit_test(test_parking_wakes_the_longest_waiting),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_full_directory),
        cmocka_unit_test(test_batch_closes_on_bytes),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
