/* commit_present_test.c - proves that who pulls from which lanes is kept as few sets: shared by agents, given to the nearest when
 * there are too many, and to others when nobody has pulled from one for long.
 */
#include "commit/present.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define AGENTS 200U
#define NOW    UINT64_C(1775000000000)

static uint32_t
note(struct aw_present *present, uint32_t agent, const uint32_t *lanes, uint32_t count, aw_ms now)
{
    uint32_t set;

    aw_present_note(present, agent, lanes, count, now);
    assert_int_equal(aw_present_seen(present, agent, &set), now);
    return set;
}

static void
test_sets_are_shared(void **unused)
{
    static const uint32_t left[] = {1, 4}, right[] = {2};
    struct aw_present     present;
    uint32_t              set;

    (void)unused;
    assert_true(aw_present_init(&present, AGENTS));
    assert_int_equal(aw_present_seen(&present, 7, &set), 0);
    aw_present_note(&present, 0, NULL, 0, NOW); /* one without a number */
    assert_int_equal(note(&present, 1, NULL, 0, NOW), 0);
    set = note(&present, 2, left, 2, NOW);
    assert_int_not_equal(set, 0);
    assert_int_equal(note(&present, 3, left, 2, NOW + 1), set);
    assert_int_not_equal(note(&present, 4, right, 1, NOW + 1), set);
    assert_int_equal(aw_present_sets(&present), 3);
    assert_int_equal(aw_present_set(&present, set)->lane_count, 2);
    assert_int_equal(aw_present_set(&present, set)->lanes[1], 4);
    assert_int_equal(aw_present_set(&present, 0)->lane_count, 0);
    /* The same agent from other lanes, and from all. */
    assert_int_not_equal(note(&present, 2, right, 1, NOW + 2), set);
    assert_int_equal(note(&present, 2, NULL, 0, NOW + 3), 0);
    aw_present_fini(&present);
}

static void
test_too_many_sets(void **unused)
{
    struct aw_present present;
    uint32_t          first[] = {0, 10, 20}, like_it[] = {0, 10, 21};
    uint32_t          set;

    (void)unused;
    assert_true(aw_present_init(&present, AGENTS));
    set = note(&present, 1, first, 3, NOW);
    for (uint32_t i = 2; i < AW_LANE_SETS_MAX; i++) {
        uint32_t lanes[] = {1000 + i};

        assert_int_equal(note(&present, i, lanes, 1, NOW + i), i);
    }
    assert_int_equal(aw_present_sets(&present), AW_LANE_SETS_MAX);
    assert_int_equal(note(&present, 100, like_it, 3, NOW + 1000), set); /* the nearest */
    assert_int_equal(aw_present_set(&present, set)->lanes[2], 20);
    /* Hours later one that nobody used since is given to it: the oldest of these. */
    (void)note(&present, 1, first, 3, NOW + 4 * 3600000 + 500);
    assert_int_equal(note(&present, 101, like_it, 3, NOW + 4 * 3600000 + 1000), 2);
    assert_int_equal(aw_present_set(&present, 2)->lanes[2], 21);
    assert_int_equal(aw_present_set(&present, set)->lanes[2], 20);
    /* Who had it is of that set no more, also when it comes back with what it pulled from then. */
    assert_int_equal(aw_present_seen(&present, 2, &set), 0);
    assert_int_equal(aw_present_set(&present, note(&present, 2, (uint32_t[]){1002}, 1, NOW + 5 * 3600000))->lanes[0], 1002);
    aw_present_fini(&present);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets_are_shared),
        cmocka_unit_test(test_too_many_sets),
    };

    return aw_hash_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
