/* cmocka.h - as much of cmocka as the tests of the lanes use, for a target whose cmocka is not at hand. A failed check ends the
 * program. Thread: one. */
#ifndef AW_TESTS_AARCH64_CMOCKA_H
#define AW_TESTS_AARCH64_CMOCKA_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
    int (*set_up)(void **state);
    int (*tear_down)(void **state);
};
#define cmocka_unit_test(test)                                                                                                   \
    {                                                                                                                            \
#test, test, NULL, NULL                                                                                                  \
    }
#define cmocka_unit_test_setup_teardown(test, set_up, tear_down)                                                                 \
    {                                                                                                                            \
#test, test, set_up, tear_down                                                                                           \
    }

static jmp_buf test_skipped;

#define skip() longjmp(test_skipped, 1)

static inline void
test_check(bool holds, const char *file, int line, const char *fact)
{
    if (holds)
        return;
    (void)fprintf(stderr, "%s:%d: %s\n", file, line, fact);
    abort();
}

#define assert_true(a)         test_check((a) ? true : false, __FILE__, __LINE__, #a)
#define assert_false(a)        test_check(!(a), __FILE__, __LINE__, "not " #a)
#define assert_non_null(a)     test_check((a) != NULL, __FILE__, __LINE__, #a " is not NULL")
#define assert_null(a)         test_check((a) == NULL, __FILE__, __LINE__, #a " is NULL")
#define assert_ptr_equal(a, b) test_check((a) == (b), __FILE__, __LINE__, #a " == " #b)
/* Both as unsigned 64 bits, like cmocka's. */
#define assert_int_equal(a, b)              test_check((uint64_t)(a) == (uint64_t)(b), __FILE__, __LINE__, #a " == " #b)
#define assert_int_not_equal(a, b)          test_check((uint64_t)(a) != (uint64_t)(b), __FILE__, __LINE__, #a " != " #b)
#define assert_memory_equal(a, b, size)     test_check(memcmp(a, b, size) == 0, __FILE__, __LINE__, #a " is as " #b)
#define assert_in_range(a, least, most)     test_check((a) >= (least) && (a) <= (most), __FILE__, __LINE__, #a " in range")
#define cmocka_run_group_tests(tests, a, b) test_run_group(tests, sizeof(tests) / sizeof((tests)[0]), a, b)

static inline int
test_run_group(const struct CMUnitTest *tests, size_t count, int (*set_up)(void **state), int (*tear_down)(void **state))
{
    void *group = NULL;

    if (set_up != NULL)
        assert_int_equal(set_up(&group), 0);
    for (size_t i = 0; i < count; i++) {
        void *state = group;

        printf("%s\n", tests[i].name);
        (void)fflush(stdout); /* for the eye */
        if (tests[i].set_up != NULL)
            assert_int_equal(tests[i].set_up(&state), 0);
        if (setjmp(test_skipped) == 0)
            tests[i].run(&state);
        else
            printf("  skipped\n");
        if (tests[i].tear_down != NULL)
            assert_int_equal(tests[i].tear_down(&state), 0);
    }
    if (tear_down != NULL)
        assert_int_equal(tear_down(&group), 0);
    printf("%zu tests passed\n", count);
    return 0;
}

#endif
