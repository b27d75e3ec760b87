/* run_posts_test.c - proves that one gateway gets half of the places for posts and half of the bytes of their requests, whatever
 * the others leave, and that what it gives back is there again.
 */
#include "run/posts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_MAX 100U
#define BYTES_MAX 1000U

static void
enter(struct aw_posts *posts, uint32_t gateway, uint64_t bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_true(aw_posts_try_enter(posts, gateway, bytes));
}

static void
leave(struct aw_posts *posts, uint32_t gateway, uint64_t bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_null(aw_posts_leave(posts, gateway, false));
        aw_posts_drop(posts, gateway, bytes);
    }
}

static void
test_half_of_the_places(void **unused)
{
    struct aw_posts posts;

    (void)unused;
    assert_true(aw_posts_init(&posts, COUNT_MAX, BYTES_MAX));
    enter(&posts, 1, 1, COUNT_MAX / 2);
    assert_false(aw_posts_try_enter(&posts, 1, 1));
    enter(&posts, 2, 1, COUNT_MAX / 2);
    assert_false(aw_posts_try_enter(&posts, 3, 1)); /* there is none left */
    leave(&posts, 1, 1, 1);
    assert_true(aw_posts_try_enter(&posts, 3, 1));
    leave(&posts, 1, 1, COUNT_MAX / 2 - 1);
    leave(&posts, 2, 1, COUNT_MAX / 2);
    leave(&posts, 3, 1, 1);
    aw_posts_fini(&posts);
}

static void
test_half_of_the_bytes(void **unused)
{
    struct aw_posts posts;

    (void)unused;
    assert_true(aw_posts_init(&posts, COUNT_MAX, BYTES_MAX));
    enter(&posts, 1, 100, 5);
    assert_false(aw_posts_try_enter(&posts, 1, 1));
    enter(&posts, 2, 100, 4); /* the other one is not held up */
    assert_false(aw_posts_try_enter(&posts, 2, 101));
    /* Its place is free with its answer, its bytes when that has left. */
    assert_null(aw_posts_leave(&posts, 1, false));
    assert_false(aw_posts_try_enter(&posts, 1, 1));
    aw_posts_drop(&posts, 1, 100);
    assert_true(aw_posts_try_enter(&posts, 1, 100));
    leave(&posts, 1, 100, 5);
    leave(&posts, 2, 100, 4);
    /* One is taken however long it is, but only one. */
    enter(&posts, 1, BYTES_MAX, 1);
    assert_false(aw_posts_try_enter(&posts, 1, 1));
    leave(&posts, 1, BYTES_MAX, 1);
    aw_posts_fini(&posts);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_half_of_the_places), cmocka_unit_test(test_half_of_the_bytes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
