/* Proves that turns are shared out evenly by cost, that who comes now and then hardly waits for who always has something, that
 * nobody can be first again and again by coming and going, and that what waits may leave at any time. How: costs are given. */
#include "support/test.h"

#include "base/turns.h"

#define PARTIES 8U
#define QUANTUM 100U

/* Something that waits. */
struct job {
    struct aw_list node;
    uint32_t       cost;
};

static void
add(struct aw_turns *turns, uint32_t party, struct job *job, uint32_t cost)
{
    *job = (struct job){.cost = cost};
    aw_list_init(&job->node);
    aw_turns_add(turns, party, &job->node);
}

/* Does what is next; whose it was, or PARTIES. */
static uint32_t
take(struct aw_turns *turns)
{
    uint32_t        party = PARTIES;
    struct aw_list *node = aw_turns_next(turns, &party);

    if (node == NULL)
        return PARTIES;
    aw_list_remove(node);
    aw_turns_charge(turns, party, AW_CONTAINER(node, struct job, node)->cost);
    return party;
}

static void
test_even_by_cost(void **state)
{
    struct aw_turns   turns;
    static struct job jobs[3][1000];
    const uint32_t    costs[3] = {10, 70, 250};
    uint64_t          spent[3] = {0};

    (void)state;
    assert_true(aw_turns_init(&turns, PARTIES, QUANTUM));
    assert_int_equal(take(&turns), PARTIES);
    for (uint32_t party = 0; party < 3; party++) {
        for (uint32_t i = 0; i < 1000; i++)
            add(&turns, party, &jobs[party][i], costs[party]);
    }
    for (uint32_t i = 0; i < 900; i++) {
        uint32_t party = take(&turns);

        assert_true(party < 3);
        spent[party] += costs[party];
        for (uint32_t other = 0; other < 3; other++) /* at any time, up to a quantum and one job each */
            assert_true(spent[party] <= spent[other] + 2 * (QUANTUM + 250));
    }
    while (take(&turns) < PARTIES)
        ;
    aw_turns_fini(&turns);
}

/* One has always a lot that waits, the other now and then one thing: it is done next. */
static void
test_who_wants_little_is_next(void **state)
{
    struct aw_turns   turns;
    static struct job flood[5000];
    struct job        single;
    uint32_t          done = 0;

    (void)state;
    assert_true(aw_turns_init(&turns, PARTIES, QUANTUM));
    for (uint32_t i = 0; i < 5000; i++)
        add(&turns, 3, &flood[i], 30);
    for (uint32_t i = 0; i < 100; i++) {
        for (uint32_t j = 0; j < 20; j++, done++)
            assert_int_equal(take(&turns), 3);
        assert_false(aw_turns_has_fresh(&turns));
        add(&turns, 5, &single, 30);
        assert_true(aw_turns_has_fresh(&turns));
        assert_int_equal(take(&turns), 5);
        assert_false(aw_turns_has_fresh(&turns));
    }
    while (take(&turns) < PARTIES)
        done++;
    assert_int_equal(done, 5000);
    aw_turns_fini(&turns);
}

/* Who comes back as soon as he was served gets no more than his half. */
static void
test_coming_and_going_wins_nothing(void **state)
{
    struct aw_turns   turns;
    static struct job flood[2000];
    struct job        again;
    uint32_t          counts[2] = {0, 0};

    (void)state;
    assert_true(aw_turns_init(&turns, PARTIES, QUANTUM));
    for (uint32_t i = 0; i < 2000; i++)
        add(&turns, 0, &flood[i], 50);
    add(&turns, 1, &again, 50);
    for (uint32_t i = 0; i < 2000; i++) {
        uint32_t party = take(&turns);

        assert_true(party <= 1);
        counts[party]++;
        if (party == 1)
            add(&turns, 1, &again, 50);
    }
    assert_in_range(counts[1], 900, 1100);
    aw_list_remove(&again.node);
    while (take(&turns) < PARTIES)
        ;
    aw_turns_fini(&turns);
}

static void
test_who_is_alone_is_never_held_up(void **state)
{
    struct aw_turns turns;
    struct job      job;

    (void)state;
    assert_true(aw_turns_init(&turns, PARTIES, QUANTUM));
    for (uint32_t i = 0; i < 100; i++) {
        add(&turns, 2, &job, 1000000); /* many times what a turn may cost */
        assert_int_equal(take(&turns), 2);
    }
    aw_turns_fini(&turns);
}

static void
test_leaving(void **state)
{
    struct aw_turns turns;
    struct job      jobs[3];

    (void)state;
    assert_true(aw_turns_init(&turns, PARTIES, QUANTUM));
    for (uint32_t i = 0; i < 3; i++)
        add(&turns, i, &jobs[i], 10);
    aw_list_remove(&jobs[0].node);
    aw_list_remove(&jobs[2].node);
    assert_int_equal(take(&turns), 1);
    assert_int_equal(take(&turns), PARTIES);
    assert_false(aw_turns_has_fresh(&turns));
    aw_turns_fini(&turns);
    aw_turns_fini(&turns); /* of a zeroed one */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_even_by_cost),
        cmocka_unit_test(test_who_wants_little_is_next),
        cmocka_unit_test(test_coming_and_going_wins_nothing),
        cmocka_unit_test(test_who_is_alone_is_never_held_up),
        cmocka_unit_test(test_leaving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
