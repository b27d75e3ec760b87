/* run_query_test.c - parameters of a query: cut, decoded, and nothing that is malformed reads beyond its end. */
#include "run/query.h"

#include "support/test.h"

struct want {
    const char *name, *value;
};

static struct aw_blocks *blocks;

static void
take_all(const char *text, const struct want *wants, size_t count)
{
    struct aw_slice     query = aw_slice_str(text);
    struct aw_arena     arena;
    struct aw_parameter parameter;
    bool                failed;

    aw_arena_init(&arena, blocks);
    for (size_t i = 0; i < count; i++) {
        assert_true(aw_query_take(&arena, &query, &parameter, &failed));
        assert_true(aw_slice_eq(parameter.name, aw_slice_str(wants[i].name)));
        assert_true(aw_slice_eq(parameter.value, aw_slice_str(wants[i].value)));
    }
    assert_false(aw_query_take(&arena, &query, &parameter, &failed));
    assert_false(failed);
    aw_arena_reset(&arena);
}

static void
parameters_are_taken_one_by_one(void **state)
{
    static const struct want plain[] = {{"lanes", "main,nl"}, {"units", "3"}};
    static const struct want coded[] = {{"lanes", "main,nl"}, {"a b", "c d=e"}};
    static const struct want odd[] = {{"a", ""}, {"", "b"}, {"c", ""}};
    static const struct want broken[] = {{"a", "%"}, {"b", "%4"}, {"c", "%zz"}, {"d", "100%A"}};

    (void)state;
    take_all("", NULL, 0);
    take_all("&&", NULL, 0);
    take_all("lanes=main,nl&units=3", plain, AW_ARRAY_LEN(plain));
    take_all("lanes=main%2Cnl&a+b=c%20d=e", coded, AW_ARRAY_LEN(coded));
    take_all("a&&=b&c=&", odd, AW_ARRAY_LEN(odd));
    take_all("a=%&b=%4&c=%zz&d=100%A", broken, AW_ARRAY_LEN(broken));
}

static void
paths_are_decoded(void **state)
{
    struct aw_arena arena;
    struct aw_slice text;

    (void)state;
    aw_arena_init(&arena, blocks);
    assert_true(aw_percent_decode(&arena, AW_SLICE("J%c3%B6rg+1%2"), &text));
    assert_true(aw_slice_eq(text, AW_SLICE("J\xc3\xb6rg+1%2")));
    assert_true(aw_percent_decode(&arena, AW_SLICE(""), &text));
    assert_int_equal(text.len, 0);
    aw_arena_reset(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parameters_are_taken_one_by_one), cmocka_unit_test(paths_are_decoded)};
    int                     failed;

    blocks = aw_blocks_new(1024, 1 << 20);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    aw_blocks_free(&blocks);
    return failed;
}
