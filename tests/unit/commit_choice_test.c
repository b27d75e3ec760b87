/* commit_choice_test.c - proves that a pull gets the head that the rule puts first, out of the lanes that are its own and open, and
 * that two pulls never get the same entry; that shelves which are passed over change nothing of that, nor tickets that move to one.
 *
 * How: random tickets in hundreds of lanes, taken until none is left, each against a slow model that looks at every ticket; the
 * cases that a random walk meets seldom, one by one; and several threads that take, or look at, what another pushes and moves.
 */
#include "commit/choice.h"

#include "base/mem.h"
#include "commit/lanes_directory.h"

#include "support/random.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define NOW         UINT64_C(1800000000000)
#define MIN         UINT64_C(60000)
#define TICK        UINT64_C(100)
#define LANES_MAX   4096U
#define TICKETS_MAX 65536U

struct fixture {
    struct aw_qsbr            qsbr;
    struct aw_lanes          *lanes;
    struct aw_lanes_directory directory;
    struct aw_order_settings  order;
};

static int
set_up(void **state)
{
    struct fixture              *fixture = aligned_alloc(AW_CACHE_LINE, sizeof(*fixture));
    const struct aw_lanes_config config = {
        .lanes_max = LANES_MAX, .tickets_max = TICKETS_MAX, .base = NOW - 2000 * MIN, .bytes_max = UINT64_C(256) << 20};

    assert_non_null(fixture);
    *fixture = (struct fixture){.order = AW_ORDER_SETTINGS_DEFAULT};
    aw_qsbr_init(&fixture->qsbr);
    assert_int_equal(aw_lanes_new(&fixture->lanes, &config, &fixture->qsbr), AW_OK);
    assert_true(aw_lanes_directory_init(&fixture->directory, LANES_MAX));
    for (uint32_t lane = 0; lane < LANES_MAX; lane++)
        aw_lanes_directory_add(&fixture->directory, lane, AW_SLICE("lane"), AW_LANE_OPEN);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    aw_lanes_directory_fini(&fixture->directory);
    aw_lanes_free(&fixture->lanes);
    free(fixture);
    return 0;
}

static struct aw_choice_of
all_of(struct fixture *fixture)
{
    return (struct aw_choice_of){.lanes = fixture->lanes, .directory = &fixture->directory, .order = &fixture->order};
}

static void
push(struct fixture *fixture, uint32_t lane, enum aw_class class_, aw_ms age, aw_ms departs_at, uint32_t slot, uint32_t version)
{
    aw_lanes_show(fixture->lanes, slot, version, age);
    assert_int_equal(aw_lanes_push(fixture->lanes, lane, class_, class_ == AW_CLASS_IMMINENT ? departs_at : age, slot, version),
                     AW_OK);
}

static void
expect(const struct aw_choice_of *of, uint32_t slot)
{
    struct aw_choice found;
    struct aw_choice taken;

    assert_true(aw_choice_find(of, NOW, &found));
    assert_true(aw_choice_take(of, NOW, &taken));
    assert_int_equal(found.head.slot, taken.head.slot);
    assert_int_equal(taken.head.slot, slot);
}

static void
expect_none(const struct aw_choice_of *of)
{
    struct aw_choice choice;

    assert_false(aw_choice_find(of, NOW, &choice));
    assert_false(aw_choice_take(of, NOW, &choice));
}

/* --- against a model -------------------------------------------------------------------------------------------------------- */

#define MODEL_LANES   600U
#define MODEL_TICKETS 1500U

struct model_ticket {
    struct aw_order_candidate candidate; /* as its class's queue shows it */
    uint32_t                  lane;
    uint32_t                  shelf;
    uint32_t                  peer;   /* the next of its lane, in a ring */
    uint32_t                  pushed; /* the order of pushes, where keys are the same */
    bool                      waiting;
    bool                      closing;
};

/* All its times lie on ticks, as the lanes would round them. */
static struct model_ticket
random_ticket(struct random *random, uint32_t slot)
{
    struct model_ticket ticket = {
        .candidate = {.class_ = (enum aw_class)random_below(random, AW_CLASS_COUNT),
                      .age = NOW - random_below(random, 1500) * MIN - random_below(random, 600) * TICK,
                      .id = slot},
        .lane = random_below(random, MODEL_LANES) * 5, /* most lanes have none */
        .pushed = slot,
        .waiting = true,
    };

    if (ticket.candidate.class_ == AW_CLASS_CARE && random_below(random, 4) != 0)
        ticket.candidate.class_ = AW_CLASS_DISRUPTED; /* else care hides the other rules */
    if (ticket.candidate.class_ == AW_CLASS_IMMINENT)
        ticket.candidate.departs_at = NOW - 10 * MIN + random_below(random, 370) * MIN;
    if (random_below(random, 3) == 0)
        ticket.candidate.reply_by = NOW - 10 * MIN + random_below(random, 1000) * MIN;
    ticket.closing = ticket.candidate.reply_by != 0 && random_below(random, 2) == 0;
    return ticket;
}

/* When all have their lanes, which they keep. */
static void
link_peers(struct model_ticket *tickets)
{
    uint32_t first[LANES_MAX] = {0};

    for (uint32_t slot = 1; slot < MODEL_TICKETS; slot++) {
        uint32_t *at = &first[tickets[slot].lane];

        if (*at == 0)
            *at = tickets[slot].peer = slot;
        tickets[slot].peer = tickets[*at].peer;
        tickets[*at].peer = slot;
    }
}

static bool
are_together(const struct model_ticket *a, const struct model_ticket *b)
{
    return a->lane == b->lane && a->shelf == b->shelf;
}

/* Whether `a` lies before `b` in a queue that both are in; equal keys in the order of their pushes. */
static bool
is_ahead(const struct model_ticket *a, const struct model_ticket *b, bool by_age)
{
    aw_ms key_a = a->candidate.class_ == AW_CLASS_IMMINENT && !by_age ? a->candidate.departs_at : a->candidate.age;
    aw_ms key_b = b->candidate.class_ == AW_CLASS_IMMINENT && !by_age ? b->candidate.departs_at : b->candidate.age;

    return key_a != key_b ? key_a < key_b : a->pushed < b->pushed;
}

static bool
is_first_to_close(const struct model_ticket *tickets, uint32_t slot)
{
    const struct model_ticket *ticket = &tickets[slot];

    for (uint32_t i = ticket->peer; i != slot; i = tickets[i].peer) {
        aw_ms other = tickets[i].candidate.reply_by;

        if (tickets[i].waiting && tickets[i].closing && are_together(&tickets[i], ticket) &&
            (other < ticket->candidate.reply_by || (other == ticket->candidate.reply_by && tickets[i].pushed < ticket->pushed)))
            return false;
    }
    return ticket->closing;
}

static bool
is_head(const struct model_ticket *tickets, uint32_t slot, bool by_age)
{
    for (uint32_t i = tickets[slot].peer; i != slot; i = tickets[i].peer) {
        if (tickets[i].waiting && are_together(&tickets[i], &tickets[slot]) &&
            tickets[i].candidate.class_ == tickets[slot].candidate.class_ && is_ahead(&tickets[i], &tickets[slot], by_age))
            return false;
    }
    return true;
}

/* The slot that the rule puts first, of all heads in the lanes that `serves` tells but on the shelves `full`, and not of the
 * classes `barred`, which hide who closes after them; 0: there is none. */
static uint32_t
model_choose(const struct model_ticket *tickets, const struct aw_order_settings *order, const bool *serves, unsigned full,
             unsigned barred)
{
    static struct aw_order_candidate candidates[3 * MODEL_TICKETS];
    size_t                           count = 0;

    for (uint32_t slot = 1; slot < MODEL_TICKETS; slot++) {
        if (!tickets[slot].waiting || !serves[tickets[slot].lane] || (full >> tickets[slot].shelf & 1) != 0 ||
            (barred >> tickets[slot].candidate.class_ & 1) != 0)
            continue;
        if (is_head(tickets, slot, false))
            candidates[count++] = tickets[slot].candidate;
        if (tickets[slot].candidate.class_ == AW_CLASS_IMMINENT && is_head(tickets, slot, true)) {
            candidates[count] = tickets[slot].candidate;
            candidates[count++].departs_at = AW_MS_MAX;
        }
        if (is_first_to_close(tickets, slot)) {
            candidates[count] = tickets[slot].candidate;
            candidates[count++].departs_at = tickets[slot].candidate.class_ == AW_CLASS_IMMINENT ? AW_MS_MAX : 0;
        }
    }
    return count == 0 ? 0 : (uint32_t)candidates[aw_order_choose(order, NOW, candidates, count)].id;
}

static void
walk(struct fixture *fixture, struct random *random, const struct aw_choice_of *of, const bool *serves)
{
    static struct model_ticket tickets[MODEL_TICKETS];
    uint32_t                   version[MODEL_TICKETS];
    uint32_t                   expected;

    for (uint32_t slot = 1; slot < MODEL_TICKETS; slot++) {
        tickets[slot] = random_ticket(random, slot);
        version[slot] = 1 + random_below(random, 3);
        aw_lanes_show_window(fixture->lanes, slot, tickets[slot].candidate.class_, tickets[slot].candidate.reply_by,
                             tickets[slot].closing);
        for (uint32_t old = 0; old < version[slot]; old++) /* all but the last are stale, in other lanes or classes */
            push(fixture, old + 1 < version[slot] ? random_below(random, MODEL_LANES) * 5 : tickets[slot].lane,
                 tickets[slot].candidate.class_, tickets[slot].candidate.age, tickets[slot].candidate.departs_at, slot, old + 1);
    }
    link_peers(tickets);
    while ((expected = model_choose(tickets, of->order, serves, 0, 0)) != 0) {
        expect(of, expected);
        tickets[expected].waiting = false;
        aw_lanes_show(fixture->lanes, expected, version[expected] + 1, NOW); /* leased: its other entries are stale */
        fixture->order.order = random_below(random, 8) == 0 ? AW_ORDER_STRICT : AW_ORDER_RATIO; /* live: the keys stay */
    }
    expect_none(of);
    for (uint32_t slot = 1; slot < MODEL_TICKETS; slot++)
        aw_lanes_show(fixture->lanes, slot, 1000, NOW);
}

static void
test_all_lanes(void **state)
{
    struct fixture     *fixture = *state;
    struct random       random = random_of(random_seed(1));
    struct aw_choice_of of = all_of(fixture);
    static bool         serves[LANES_MAX];

    for (uint32_t lane = 0; lane < LANES_MAX; lane++)
        serves[lane] = true;
    walk(fixture, &random, &of, serves);
}

/* Hundreds of lanes, most of them empty; others have tickets, and some of its own are paused. */
static void
test_many_lanes(void **state)
{
    struct fixture     *fixture = *state;
    struct random       random = random_of(random_seed(2));
    struct aw_choice_of of = all_of(fixture);
    uint32_t            list[900];
    static bool         serves[LANES_MAX];

    for (uint32_t i = 0; i < AW_ARRAY_LEN(list); i++) {
        list[i] = i * 3;
        serves[list[i]] = true;
    }
    for (uint32_t lane = 0; lane < LANES_MAX; lane += 35) {
        bool is_out = random_below(&random, 2) == 0;

        aw_lanes_directory_set_pause(&fixture->directory, lane, is_out ? AW_LANE_PAUSED_OUT : AW_LANE_PAUSED_IN);
        serves[lane] = serves[lane] && !is_out;
    }
    of.lane_list = list;
    of.lane_count = AW_ARRAY_LEN(list);
    walk(fixture, &random, &of, serves);
}

/* To a shelf that its channel has got meanwhile. */
static void
move(struct fixture *fixture, struct model_ticket *ticket, uint32_t slot, uint32_t shelf, uint32_t *pushed)
{
    const struct aw_order_candidate *candidate = &ticket->candidate;
    aw_ms                            key = candidate->class_ == AW_CLASS_IMMINENT ? candidate->departs_at : candidate->age;

    aw_lanes_begin_move(fixture->lanes, slot, shelf);
    assert_int_equal(aw_lanes_push(fixture->lanes, ticket->lane, candidate->class_, key, slot, 1), AW_OK);
    aw_lanes_end_move(fixture->lanes, slot);
    ticket->shelf = shelf;
    ticket->pushed = (*pushed)++;
}

static void
random_moves(struct fixture *fixture, struct random *random, struct model_ticket *tickets, uint32_t *pushed)
{
    for (unsigned i = 0; i < 3; i++) {
        uint32_t slot = 1 + random_below(random, MODEL_TICKETS - 1);

        if (tickets[slot].waiting && tickets[slot].shelf == 0 && slot % 3 != 0)
            move(fixture, &tickets[slot], slot, 1 + slot % 7 * 2, pushed);
    }
}

/* An agent whose units are full now here, now there, and who is given now these classes, now those, while tickets move to shelves
 * of their own. */
static void
test_shelves(void **state)
{
    struct fixture            *fixture = *state;
    struct random              random = random_of(random_seed(4));
    struct aw_choice_of        of = all_of(fixture);
    static struct model_ticket tickets[MODEL_TICKETS];
    static bool                serves[LANES_MAX];
    uint32_t                   pushed = MODEL_TICKETS, left = MODEL_TICKETS - 1;

    for (uint32_t lane = 0; lane < LANES_MAX; lane++)
        serves[lane] = true;
    for (uint32_t slot = 1; slot < MODEL_TICKETS; slot++) {
        tickets[slot] = random_ticket(&random, slot);
        tickets[slot].lane = random_below(&random, 10);
        tickets[slot].shelf = random_below(&random, 2) == 0 ? 0 : random_below(&random, AW_LANES_SHELVES);
        aw_lanes_show_window(fixture->lanes, slot, tickets[slot].candidate.class_, tickets[slot].candidate.reply_by,
                             tickets[slot].closing);
        aw_lanes_show_shelf(fixture->lanes, slot, tickets[slot].shelf);
        push(fixture, tickets[slot].lane, tickets[slot].candidate.class_, tickets[slot].candidate.age,
             tickets[slot].candidate.departs_at, slot, 1);
    }
    link_peers(tickets);
    while (left > 0) {
        uint32_t expected;

        random_moves(fixture, &random, tickets, &pushed);
        of.full = (uint16_t)random_next(&random);
        of.full &= (uint16_t)random_next(&random); /* a quarter of the shelves */
        of.barred = (uint8_t)(random_next(&random) & AW_CLASSES_ALL & random_next(&random));
        expected = model_choose(tickets, of.order, serves, of.full, of.barred);
        if (expected == 0) {
            expect_none(&of);
            continue;
        }
        expect(&of, expected);
        tickets[expected].waiting = false;
        aw_lanes_show(fixture->lanes, expected, 2, NOW);
        left--;
    }
    of.full = 0;
    of.barred = 0;
    expect_none(&of);
    assert_int_not_equal(aw_lanes_shelves(fixture->lanes), 1);
}

/* --- one by one ------------------------------------------------------------------------------------------------------------- */

static void
test_nothing(void **state)
{
    struct fixture     *fixture = *state;
    struct aw_choice_of of = all_of(fixture);
    struct aw_choice    choices[AW_CHOICE_HEADS_MAX];

    expect_none(&of);
    of.lane_list = (const uint32_t[]){7};
    expect_none(&of); /* a list of none */
    assert_int_equal(aw_choice_look(fixture->lanes, 7, choices), 0);
}

/* A paused lane is looked at, but gives nothing; without a directory no lane is paused. */
static void
test_paused(void **state)
{
    struct fixture     *fixture = *state;
    struct aw_choice_of of = all_of(fixture);
    struct aw_choice    choices[AW_CHOICE_HEADS_MAX];

    push(fixture, 3, AW_CLASS_CARE, NOW - MIN, 0, 1, 1);
    push(fixture, 4, AW_CLASS_OTHER, NOW - MIN, 0, 2, 1);
    aw_lanes_directory_set_pause(&fixture->directory, 3, AW_LANE_PAUSED_BOTH);
    assert_int_equal(aw_choice_look(fixture->lanes, 3, choices), 1);
    assert_int_equal(choices[0].head.slot, 1);
    expect(&of, 2);
    expect_none(&of);
    of = (struct aw_choice_of){
        .lanes = fixture->lanes, .lane_list = (const uint32_t[]){3}, .lane_count = 1, .order = &fixture->order};
    expect(&of, 1);
}

/* Both entries of an imminent ticket show, the one by departure with it; after the lease neither does. */
static void
test_imminent_shows_twice(void **state)
{
    struct fixture     *fixture = *state;
    struct aw_choice_of of = all_of(fixture);
    struct aw_choice    choices[AW_CHOICE_HEADS_MAX];
    struct aw_choice    taken;

    push(fixture, 9, AW_CLASS_IMMINENT, NOW - 90 * MIN, NOW + 120 * MIN, 5, 1);
    assert_int_equal(aw_choice_look(fixture->lanes, 9, choices), 2);
    assert_int_equal(choices[0].head.queue, AW_CLASS_IMMINENT);
    assert_int_equal(choices[0].candidate.departs_at, NOW + 120 * MIN);
    assert_int_equal(choices[1].head.queue, AW_LANES_BY_AGE);
    assert_int_equal(choices[1].candidate.departs_at, AW_MS_MAX);
    assert_int_equal(choices[1].candidate.age, NOW - 90 * MIN);
    assert_true(aw_choice_take(&of, NOW, &taken));
    assert_int_equal(taken.head.slot, 5);
    assert_true(aw_choice_find(&of, NOW, &taken)); /* until the lease is published */
    aw_lanes_show(fixture->lanes, 5, 2, NOW - 90 * MIN);
    expect_none(&of);
}

/* A queue that begins with more stale entries than one peek drops is not taken for an empty one. */
static void
test_many_stale(void **state)
{
    struct fixture     *fixture = *state;
    struct aw_choice_of of = all_of(fixture);

    for (uint32_t slot = 1; slot <= 1000; slot++) {
        push(fixture, 2, AW_CLASS_GENERAL, NOW - 1000 * MIN + slot * TICK, 0, slot, 1);
        aw_lanes_show(fixture->lanes, slot, 2, NOW);
    }
    push(fixture, 2, AW_CLASS_GENERAL, NOW - MIN, 0, 2000, 1);
    expect(&of, 2000);
    expect_none(&of);
}

/* --- several pulls at once -------------------------------------------------------------------------------------------------- */

#define TAKERS 3U
#define COUNT  30000U

struct taker {
    pthread_t              thread;
    struct aw_qsbr_reader *reader;
    struct shared         *shared;
};
struct shared {
    struct fixture  *fixture;
    struct taker     takers[TAKERS];
    _Atomic uint32_t taken;            /* in all */
    _Atomic uint32_t times[COUNT + 1]; /* by slot */
};

static void *
run_taker(void *arg)
{
    struct shared         *shared = ((struct taker *)arg)->shared;
    struct aw_choice_of    of = all_of(shared->fixture);
    struct aw_qsbr_reader *reader = ((struct taker *)arg)->reader;
    struct aw_choice       choice;

    while (atomic_load(&shared->taken) < COUNT) {
        if (aw_choice_take(&of, NOW, &choice)) {
            (void)atomic_fetch_add(&shared->times[choice.head.slot], 1);
            (void)atomic_fetch_add(&shared->taken, 1);
        }
        aw_qsbr_quiet(&shared->fixture->qsbr, reader);
    }
    aw_qsbr_offline(reader);
    return NULL;
}

static void
test_each_once(void **state)
{
    struct fixture      *fixture = *state;
    struct random        random = random_of(random_seed(3));
    static struct shared shared;

    shared.fixture = fixture;
    for (unsigned i = 0; i < TAKERS; i++) {
        shared.takers[i].shared = &shared;
        shared.takers[i].reader = aw_qsbr_join(&fixture->qsbr);
        assert_non_null(shared.takers[i].reader);
    }
    for (unsigned i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&shared.takers[i].thread, NULL, run_taker, &shared.takers[i]), 0);
    for (uint32_t slot = 1; slot <= COUNT; slot++) { /* none is imminent: those may be taken twice before they are leased */
        enum aw_class class_ = random_below(&random, 2) == 0 ? AW_CLASS_CARE : AW_CLASS_OTHER;

        push(fixture, random_below(&random, 300), class_, NOW - random_below(&random, 1000) * MIN, 0, slot, 1);
        if (slot % 64 == 0)
            (void)aw_lanes_reclaim(fixture->lanes); /* how much is its own affair */
    }
    for (unsigned i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_join(shared.takers[i].thread, NULL), 0);
    for (uint32_t slot = 1; slot <= COUNT; slot++)
        assert_int_equal(atomic_load(&shared.times[slot]), 1);
}

/* The ticket that goes before all others moves from shelf to shelf while others look: none of them misses it. */

#define MOVES 200U

struct watcher {
    pthread_t              thread;
    struct aw_qsbr_reader *reader;
    struct watched        *watched;
};
struct watched {
    struct fixture  *fixture;
    struct watcher   watchers[TAKERS];
    _Atomic uint32_t slot;   /* the one that must be found; 0: none just now */
    _Atomic uint32_t seen;   /* looks that counted since this was set to 0 */
    _Atomic uint32_t missed; /* looks that did not find it, in all */
    _Atomic bool     is_over;
};

static void *
run_watcher(void *arg)
{
    struct watcher     *watcher = arg;
    struct watched     *watched = watcher->watched;
    struct aw_choice_of of = all_of(watched->fixture);

    while (!atomic_load(&watched->is_over)) {
        uint32_t         slot = atomic_load(&watched->slot);
        struct aw_choice choice;
        bool             any = aw_choice_find(&of, NOW, &choice);

        if (slot != 0 && atomic_load(&watched->slot) == slot) {
            if (!any || choice.head.slot != slot)
                (void)atomic_fetch_add(&watched->missed, 1);
            (void)atomic_fetch_add(&watched->seen, 1);
        }
        aw_qsbr_quiet(&watched->fixture->qsbr, watcher->reader);
    }
    aw_qsbr_offline(watcher->reader);
    return NULL;
}

static void
test_moves_hide_nothing(void **state)
{
    struct fixture       *fixture = *state;
    static struct watched watched;

    watched.fixture = fixture;
    for (unsigned i = 0; i < TAKERS; i++) {
        watched.watchers[i].watched = &watched;
        watched.watchers[i].reader = aw_qsbr_join(&fixture->qsbr);
        assert_non_null(watched.watchers[i].reader);
    }
    for (unsigned i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&watched.watchers[i].thread, NULL, run_watcher, &watched.watchers[i]), 0);
    for (uint32_t slot = 1; slot <= MOVES; slot++) {
        aw_ms age = NOW - (slot & 1) * 3 * MIN - MIN;

        push(fixture, slot % 5, AW_CLASS_CARE, age, 0, slot, 1);
        atomic_store(&watched.slot, slot);
        while (atomic_load(&watched.seen) == 0) /* somebody is looking */
            (void)sched_yield();
        aw_lanes_begin_move(fixture->lanes, slot, 1 + slot % (AW_LANES_SHELVES - 1));
        assert_int_equal(aw_lanes_push(fixture->lanes, slot % 5, AW_CLASS_CARE, age, slot, 1), AW_OK);
        aw_lanes_end_move(fixture->lanes, slot);
        atomic_store(&watched.seen, 0);
        while (atomic_load(&watched.seen) == 0)
            (void)sched_yield();
        atomic_store(&watched.slot, 0);
        aw_lanes_show(fixture->lanes, slot, 2, NOW);
        atomic_store(&watched.seen, 0);
        (void)aw_lanes_reclaim(fixture->lanes);
    }
    atomic_store(&watched.is_over, true);
    for (unsigned i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_join(watched.watchers[i].thread, NULL), 0);
    assert_int_equal(atomic_load(&watched.missed), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_lanes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_lanes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shelves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_moves_hide_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_imminent_shows_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_once, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
