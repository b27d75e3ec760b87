/* Proves that the error table answers for every error: each has a name, a text, a problem that may stand in a URN, a status that
 * may be sent, and that names and problems are unique. How: walks all values of the enum. Also that aw_why cuts and never
 * overruns, and may quote itself. */
#include "support/test.h"

#include "base/err.h"
#include "base/why.h"

#include <errno.h>

static void
every_error_is_described(void **state)
{
    (void)state;
    for (int i = 0; i < AW_ERR_COUNT; i++) {
        enum aw_err err = (enum aw_err)i;
        int         status = aw_err_status(err);

        assert_true(strlen(aw_err_name(err)) > 0);
        assert_true(strlen(aw_err_text(err)) > 0);
        assert_true(strlen(aw_err_problem(err)) > 0);
        assert_int_equal(strspn(aw_err_problem(err), "abcdefghijklmnopqrstuvwxyz-"), strlen(aw_err_problem(err)));
        assert_true(err == AW_OK ? status == 200 : status >= 400 && status <= 599);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(aw_err_name(err), aw_err_name((enum aw_err)k));
            assert_string_not_equal(aw_err_problem(err), aw_err_problem((enum aw_err)k));
        }
    }
}

static void
rows_say_what_the_contract_says(void **state)
{
    (void)state;
    assert_string_equal(aw_err_name(AW_OK), "OK");
    assert_string_equal(aw_err_name(AW_E_STORE_FULL), "STORE_FULL");
    assert_string_equal(aw_err_problem(AW_E_STORE_FULL), "store-full");
    assert_int_equal(aw_err_status(AW_E_STORE_FULL), 507);
    assert_int_equal(aw_err_retry(AW_E_STORE_FULL), AW_RETRY_LATER);
    assert_int_equal(aw_err_status(AW_E_NEW_MESSAGES), 409);
    assert_int_equal(aw_err_retry(AW_E_NEW_MESSAGES), AW_RETRY_NOW);
    /* An error that should not leave the process is answered as our failure. */
    assert_int_equal(aw_err_status(AW_E_CORRUPT), 500);
}

static void
name_of_no_error(void *arg)
{
    (void)aw_err_name((enum aw_err)(AW_ERR_COUNT + *(int *)arg));
}

static void
a_value_outside_the_table_is_our_bug(void **state)
{
    int beyond = 0;

    (void)state;
    assert_true(test_aborts(name_of_no_error, &beyond));
}

static void
why_formats_and_returns_the_error(void **state)
{
    struct aw_why why = {.text = "untouched"};

    (void)state;
    assert_int_equal(aw_why(&why, AW_E_IO, "open %s", "data"), AW_E_IO);
    assert_string_equal(why.text, "open data");
    assert_int_equal(aw_why_errno(&why, AW_E_IO, ENOENT, "open %s", "data"), AW_E_IO);
    assert_string_equal(why.text, "open data: No such file or directory");
    aw_why_prefix(&why, "shard %d", 3);
    assert_string_equal(why.text, "shard 3: open data: No such file or directory");
    /* No struct, no words. */
    assert_int_equal(aw_why(NULL, AW_E_IO, "x"), AW_E_IO);
    assert_int_equal(aw_why_errno(NULL, AW_E_CONFIG, EINVAL, "x"), AW_E_CONFIG);
    aw_why_prefix(NULL, "x");
}

static void
why_may_quote_itself(void **state)
{
    struct aw_why why;

    (void)state;
    (void)aw_why(&why, AW_E_IO, "inner");
    (void)aw_why(&why, AW_E_IO, "outer (%s)", why.text);
    assert_string_equal(why.text, "outer (inner)");
    aw_why_prefix(&why, "%s again", why.text);
    assert_string_equal(why.text, "outer (inner) again: outer (inner)");
}

static void
why_is_cut_at_its_limit(void **state)
{
    struct aw_why why;
    char          text[AW_WHY_BYTES * 2];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t len = AW_WHY_BYTES - 4; len < AW_WHY_BYTES + 4; len++) {
        size_t kept = len < AW_WHY_BYTES ? len : AW_WHY_BYTES - 1;

        text[len] = '\0';
        (void)aw_why(&why, AW_E_IO, "%s", text);
        assert_int_equal(strlen(why.text), kept);
        aw_why_prefix(&why, "head");
        assert_int_equal(strlen(why.text), AW_WHY_BYTES - 1);
        assert_memory_equal(why.text, "head: x", 7);
        (void)aw_why_errno(&why, AW_E_IO, ENOENT, "%s", text);
        assert_int_equal(strlen(why.text), AW_WHY_BYTES - 1);
        text[len] = 'x';
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_is_described),
        cmocka_unit_test(rows_say_what_the_contract_says),
        cmocka_unit_test(a_value_outside_the_table_is_our_bug),
        cmocka_unit_test(why_formats_and_returns_the_error),
        cmocka_unit_test(why_may_quote_itself),
        cmocka_unit_test(why_is_cut_at_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
