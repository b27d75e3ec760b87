/* surge_options_test.c - a load on a server for real use shows to each path the token of the role that it takes, from a folder of
 * files as `aswolk token add --out` writes them. */
#include "bench/surge/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void
write_token(const char *folder, const char *name, const char *text)
{
    char  path[64];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static enum aw_err
parse(struct surge_options *options, const char *folder, struct aw_why *why)
{
    char  program[] = "surge", mode[] = "flood", flag[] = "--tokens";
    char *argv[] = {program, mode, flag, (char *)(uintptr_t)folder, NULL};

    return surge_options_parse(options, 4, argv, why);
}

static void
test_tokens(void **state)
{
    char                 folder[] = "surge_options_test.XXXXXX", path[64];
    char                 long_text[400];
    struct surge_options options;
    struct aw_why        why = {""};

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(parse(&options, folder, &why), AW_E_CONFIG); /* nobody could post */
    assert_non_null(strstr(why.text, "gateway"));
    write_token(folder, "gateway", "aswolk_g\n");
    write_token(folder, "desk", "aswolk_d");
    write_token(folder, "monitor", "aswolk_m\n");
    assert_int_equal(parse(&options, folder, &why), AW_OK);
    assert_string_equal(options.token, "Bearer aswolk_g");
    assert_string_equal(surge_token_for(&options, "/v1/messages"), "Bearer aswolk_g");
    assert_string_equal(surge_token_for(&options, "/v1/leases"), "Bearer aswolk_d");
    assert_string_equal(surge_token_for(&options, "/v1/leases/x/complete"), "Bearer aswolk_d");
    assert_string_equal(surge_token_for(&options, "/metrics"), "Bearer aswolk_m");
    assert_string_equal(surge_token_for(&options, "/v1/tickets/t1"), "Bearer aswolk_g"); /* for want of a supervisor's */
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    write_token(folder, "supervisor", long_text);
    assert_int_equal(parse(&options, folder, &why), AW_E_CONFIG);
    write_token(folder, "supervisor", "aswolk_s\n");
    assert_int_equal(parse(&options, folder, &why), AW_OK);
    assert_string_equal(surge_token_for(&options, "/v1/tickets/t1"), "Bearer aswolk_s");
    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, ((const char *[]){"gateway", "desk", "supervisor", "monitor"})[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tokens)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
