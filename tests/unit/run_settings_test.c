/* run_settings_test.c - flags, config files and what is refused of them.
 *
 * Proves: defaults are those of the table; a flag wins over the file wherever it stands; every kind of wrong line or flag is
 * refused with words that name it (and the line); every combination that makes no sense is refused at the check, each by the one
 * setting that differs from a set that passes.
 */
#include "model/limits.h"
#include "run/settings.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

#define ARGS_MAX 16

/* Parses `words` as the arguments of a program. */
static enum aw_err
parse(struct aw_settings *settings, struct aw_why *why, const char *const *words)
{
    static char  program[] = "aswolkd";
    static char *argv[ARGS_MAX]; /* may be read again */
    int          argc = 1;

    argv[0] = program;
    for (; words[argc - 1] != NULL; argc++) {
        assert_true(argc < ARGS_MAX);
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    *why = (struct aw_why){.text = ""};
    aw_settings_init(settings);
    return aw_settings_parse(settings, argc, argv, why);
}
#define PARSE(settings, why, ...) parse((settings), (why), (const char *const[]){__VA_ARGS__, NULL})

static const char *
write_config(const void *bytes, size_t len)
{
    static char path[4096];
    const char *folder = getenv("TMPDIR");
    int         fd;

    (void)snprintf(path, sizeof(path), "%s/aw-settings-XXXXXX", folder != NULL ? folder : "/tmp");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    (void)close(fd);
    return path;
}

static const char *
config(const char *text)
{
    return write_config(text, strlen(text));
}

static void
rewrite(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
test_defaults(void **state)
{
    struct aw_settings settings;

    (void)state;
    aw_settings_init(&settings);
    assert_string_equal(settings.data, "");
    assert_string_equal(settings.listen, "127.0.0.1:8480");
    assert_false(settings.dev);
    assert_int_equal(settings.tickets_max, 12000000);
    assert_int_equal(settings.dedupe_days, 7);
    assert_int_equal(settings.reopen_h, 24);
    assert_int_equal(settings.lease_grace_s, 30);
    assert_false(settings.help);
    aw_settings_fini(&settings);
}

static void
test_flags(void **state)
{
    struct aw_settings settings;
    struct aw_why      why;

    (void)state;
    assert_int_equal(PARSE(&settings, &why, "--dev", "--data", "here", "--tickets-max=5000", "--listen=", "--order", "strict"),
                     AW_OK);
    assert_true(settings.dev);
    assert_string_equal(settings.data, "here");
    assert_string_equal(settings.listen, "");
    assert_string_equal(settings.order, "strict");
    assert_int_equal(settings.tickets_max, 5000);
    /* The last one counts; a flag may be taken back. */
    assert_int_equal(PARSE(&settings, &why, "--dev", "--dev=false", "--shard=1", "--shard=255"), AW_OK);
    assert_false(settings.dev);
    assert_int_equal(settings.shard, 255);
    assert_int_equal(PARSE(&settings, &why, "--help"), AW_OK);
    assert_true(settings.help);
    assert_int_equal(PARSE(&settings, &why, "-h"), AW_OK);
    assert_true(settings.help);
    assert_int_equal(PARSE(&settings, &why, "--version"), AW_OK);
    assert_true(settings.version);
    /* The ends of a range belong to it. */
    assert_int_equal(PARSE(&settings, &why, "--lanes-max=8"), AW_OK);
    assert_int_equal(PARSE(&settings, &why, "--lanes-max=65535"), AW_OK);
}

static void
test_refused_flags(void **state)
{
    static const struct {
        const char *flag;
        const char *value; /* NULL: none */
        const char *words; /* in the refusal */
    } bad[] = {
        {"data", NULL, "'data' is no flag"},
        {"-d", NULL, "'-d' is no flag"},
        {"--tickets", "5", "there is no flag --tickets;"},
        {"--Tickets-max=5000", NULL, "there is no flag --Tickets-max;"},
        {"--", NULL, "there is no flag --;"},
        {"--data", NULL, "--data needs a value"},
        {"--config", NULL, "--config needs a value"},
        {"--dev=yes", NULL, "dev is true or false, not 'yes'"},
        {"--dev=", NULL, "dev is true or false, not ''"},
        {"--tickets-max", "", "tickets-max takes a whole number from 1000 to 200000000, not ''"},
        {"--tickets-max", "5k", "not '5k'"},
        {"--tickets-max", "-5", "not '-5'"},
        {"--tickets-max", " 5000", "not ' 5000'"},
        {"--tickets-max", "0x1000", "not '0x1000'"},
        {"--tickets-max", "999", "from 1000 to"},
        {"--tickets-max", "200000001", "to 200000000"},
        {"--tickets-max", "99999999999999999999999", "to 200000000"},
        {"--lanes-max", "65536", "to 65535"},
        {"--shard", "256", "from 0 to 255"},
    };
    struct aw_settings settings;
    struct aw_why      why;

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(bad); i++) {
        assert_int_equal(PARSE(&settings, &why, bad[i].flag, bad[i].value), AW_E_CONFIG);
        if (strstr(why.text, bad[i].words) == NULL)
            fail_msg("%s %s: \"%s\" does not say \"%s\"", bad[i].flag, bad[i].value == NULL ? "" : bad[i].value, why.text,
                     bad[i].words);
    }
}

static void
test_config_file(void **state)
{
    struct aw_settings settings;
    struct aw_why      why;
    const char        *path = config("# a desk\r\n"
                                            "\n"
                                            "  data =  /var/lib/a = b  \r\n"
                                            "dev=true\n"
                                            "tickets-max = 7000\n"
                                            "tickets-max = 8000\n"
                                            "tls-listen =\n"
                                            "  # comment = none\n"
                                            "order = strict");

    (void)state;
    assert_int_equal(PARSE(&settings, &why, "--config", path), AW_OK);
    assert_string_equal(settings.data, "/var/lib/a = b");
    assert_true(settings.dev);
    assert_int_equal(settings.tickets_max, 8000);
    assert_string_equal(settings.tls_listen, "");
    assert_string_equal(settings.order, "strict");
    aw_settings_fini(&settings);
    /* Flags win, before and behind it. */
    assert_int_equal(PARSE(&settings, &why, "--tickets-max=9000", "--config", path, "--data=there", "--dev=false"), AW_OK);
    assert_string_equal(settings.data, "there");
    assert_false(settings.dev);
    assert_int_equal(settings.tickets_max, 9000);
    assert_string_equal(settings.order, "strict");
    aw_settings_fini(&settings);
    (void)unlink(path);
    path = config("");
    assert_int_equal(PARSE(&settings, &why, "--config", path), AW_OK);
    aw_settings_fini(&settings);
    (void)unlink(path);
}

static void
test_refused_config_files(void **state)
{
    static const struct {
        const char *text;
        const char *words;
    } bad[] = {
        {"data", "line 1: 'data' is no `name = value`"},
        {"\n\ntickets = 5\n", "line 3: there is no setting 'tickets'"},
        {"# x\ntickets-max = 5\n", "line 2: tickets-max takes a whole number"},
        {"dev = 1\n", "line 1: dev is true or false, not '1'"},
        {"dev\n", "line 1"},
        {"config = other\n", "line 1: there is no setting 'config'"},
        {"--data = x\n", "line 1: there is no setting '--data'"},
        {"= x\n", "line 1: there is no setting ''"},
        {"shard = 1 # mine\n", "line 1: shard takes a whole number"},
    };
    struct aw_settings settings;
    struct aw_why      why;

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(bad); i++) {
        const char *path = config(bad[i].text);

        assert_int_equal(PARSE(&settings, &why, "--config", path), AW_E_CONFIG);
        aw_settings_fini(&settings);
        assert_non_null(strstr(why.text, path));
        if (strstr(why.text, bad[i].words) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", why.text, bad[i].words);
        (void)unlink(path);
    }
    assert_int_equal(PARSE(&settings, &why, "--config=/nowhere/at/all"), AW_E_CONFIG);
    assert_non_null(strstr(why.text, "/nowhere/at/all"));
    aw_settings_fini(&settings);
    assert_int_equal(PARSE(&settings, &why, "--config=/"), AW_E_CONFIG);
    aw_settings_fini(&settings);
}

/* Bytes that would make the rest of a file vanish, and a file that is too large. */
static void
test_config_files_that_are_none(void **state)
{
    static const char  zero[] = "dev = true\n\0data = x\n";
    struct aw_settings settings;
    struct aw_why      why;
    const char        *path = write_config(zero, sizeof(zero) - 1);
    char              *large;

    (void)state;
    assert_int_equal(PARSE(&settings, &why, "--config", path), AW_E_CONFIG);
    assert_non_null(strstr(why.text, "zero byte"));
    aw_settings_fini(&settings);
    (void)unlink(path);
    large = malloc(300 * 1024);
    assert_non_null(large);
    memset(large, '\n', 300 * 1024);
    path = write_config(large, 300 * 1024);
    assert_int_equal(PARSE(&settings, &why, "--config", path), AW_E_CONFIG);
    assert_non_null(strstr(why.text, "larger than"));
    aw_settings_fini(&settings);
    (void)unlink(path);
    free(large);
}

static void
good(struct aw_settings *settings)
{
    aw_settings_init(settings);
    settings->dev = true;
    settings->data = "somewhere";
}

static void
check_refused(const struct aw_settings *settings, const char *words)
{
    struct aw_why why = {.text = ""};

    assert_int_equal(aw_settings_check(settings, &why), AW_E_CONFIG);
    if (strstr(why.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, words);
}
#define CHECK_REFUSED(words, field, value)                                                                                       \
    do {                                                                                                                         \
        struct aw_settings s_;                                                                                                   \
        good(&s_);                                                                                                               \
        s_.field = (value);                                                                                                      \
        check_refused(&s_, (words));                                                                                             \
    } while (0)

static void
test_combinations(void **state)
{
    struct aw_settings settings;
    struct aw_why      why = {.text = ""};

    (void)state;
    good(&settings);
    assert_int_equal(aw_settings_check(&settings, &why), AW_OK);
    settings.listen = "";
    assert_int_equal(aw_settings_check(&settings, &why), AW_OK);
    settings.tls_listen = "";
    check_refused(&settings, "one of --listen and --tls-listen is needed");
    CHECK_REFUSED("--data DIR is needed", data, "");
    CHECK_REFUSED("no tokens are configured", dev, false);
    CHECK_REFUSED("belong together", tls_cert, "cert.pem");
    CHECK_REFUSED("belong together", tls_key, "key.pem");
    CHECK_REFUSED("--order is ratio or strict, not 'fifo'", order, "fifo");
    CHECK_REFUSED("at most half", store_reserve_bytes, settings.store_bytes_max / 2 + 1);
    CHECK_REFUSED("--leases-max above --tickets-max", leases_max, settings.tickets_max + 1);
    CHECK_REFUSED("has no room for one body", bodies_bytes_max, AW_BODY_BYTES_MAX - 1);
    good(&settings);
    settings.io_threads = 8;
    settings.bodies_bytes_max = 8 * AW_BODY_BYTES_MAX - 1;
    check_refused(&settings, "has no room for one body");
    settings.bodies_bytes_max++;
    assert_int_equal(aw_settings_check(&settings, &why), AW_OK);
}

/* For real use: tokens, TLS with a certificate of one's own, and no plain text, which is off unless somebody asks for it. */
static void
test_without_dev(void **state)
{
    struct aw_settings settings;
    struct aw_why      why = {.text = ""};

    (void)state;
    assert_int_equal(PARSE(&settings, &why, "--data=here"), AW_OK);
    assert_string_equal(settings.listen, "");
    check_refused(&settings, "no tokens are configured");
    settings.tokens = "tokens";
    check_refused(&settings, "--tls-cert and --tls-key are needed");
    settings.tls_cert = "cert.pem";
    check_refused(&settings, "belong together");
    settings.tls_key = "key.pem";
    settings.tls_listen = "0.0.0.0:8443";
    assert_int_equal(aw_settings_check(&settings, &why), AW_OK);
    settings.tls_listen = "";
    check_refused(&settings, "one of --listen and --tls-listen is needed");
    settings.tls_listen = "0.0.0.0:8443";
    settings.listen = "127.0.0.1:8480";
    check_refused(&settings, "--listen is plain text");
    /* The same text as the default, but somebody wrote it. */
    assert_int_equal(PARSE(&settings, &why, "--data=here", "--tokens=tokens", "--listen=127.0.0.1:8480"), AW_OK);
    check_refused(&settings, "--listen is plain text");
    assert_int_equal(PARSE(&settings, &why, "--data=here", "--dev"), AW_OK);
    assert_string_equal(settings.listen, "127.0.0.1:8480");
}

/* Without tokens nothing but loopback: also not what only looks like it. */
static void
test_loopback_only(void **state)
{
    static const char *const loopback[] = {"127.0.0.1:0", "127.1.2.3:8480", "[::1]:8480", "localhost:8480"};
    static const char *const others[] = {"0.0.0.0:8480",
                                         "[::]:8480",
                                         "10.0.0.1:8480",
                                         "127.0.0.1.example.org:8480",
                                         "127.example.org:8480",
                                         "localhost.example.org:8480",
                                         "[::1]",
                                         "::1:8480",
                                         ":8480",
                                         "8480",
                                         "[::ffff:10.0.0.1]:8480",
                                         "128.0.0.1:8480"};
    struct aw_settings       settings;
    struct aw_why            why = {.text = ""};

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(loopback); i++) {
        good(&settings);
        settings.listen = loopback[i];
        settings.tls_listen = loopback[i];
        if (aw_settings_check(&settings, &why) != AW_OK)
            fail_msg("%s: %s", loopback[i], why.text);
    }
    for (size_t i = 0; i < AW_ARRAY_LEN(others); i++) {
        CHECK_REFUSED("serves loopback only", listen, others[i]);
        CHECK_REFUSED("serves loopback only", tls_listen, others[i]);
    }
}

/* What SIGHUP does: the file anew, the flags as they were; what can't change while the server runs is named. */
static void
test_read_again(void **state)
{
    struct aw_settings first;
    struct aw_settings again;
    struct aw_why      why;
    char               names[256];
    const char        *path = config("order = ratio\ntickets-max = 500000\nlanes-max = 9\ntarget-care-min = 11");

    (void)state;
    assert_int_equal(PARSE(&first, &why, "--config", path, "--dev", "--data=here", "--target-other-min=77"), AW_OK);
    rewrite(path, "order = strict\ntickets-max = 600000\ntarget-care-min = 12\ntarget-other-min = 78\nlog-level = debug");
    assert_int_equal(aw_settings_read_again(&again, &first, &why), AW_OK);
    assert_string_equal(again.order, "strict");
    assert_int_equal(again.target_care_min, 12);
    assert_int_equal(again.target_other_min, 77);
    assert_int_equal(again.target_general_min, 240);
    aw_settings_differ(&first, &again, names, sizeof(names));
    assert_string_equal(names, "log-level, tickets-max, lanes-max");
    aw_settings_differ(&first, &again, names, sizeof("log-level, tickets-max"));
    assert_string_equal(names, "log-level, tickets-max");
    aw_settings_differ(&first, &again, names, sizeof("log-level, tickets-max") - 1);
    assert_string_equal(names, "log-level");
    aw_settings_differ(&again, &again, names, sizeof(names));
    assert_string_equal(names, "");
    aw_settings_fini(&again);
    /* Parsed, but refused by the check; a line that is wrong; and no file at all. */
    rewrite(path, "order = chaos");
    assert_int_equal(aw_settings_read_again(&again, &first, &why), AW_E_CONFIG);
    rewrite(path, "target-care-min = 0");
    assert_int_equal(aw_settings_read_again(&again, &first, &why), AW_E_CONFIG);
    assert_non_null(strstr(why.text, "line 1"));
    (void)unlink(path);
    assert_int_equal(aw_settings_read_again(&again, &first, &why), AW_E_CONFIG);
    assert_string_equal(first.order, "ratio"); /* untouched all the while */
    aw_settings_fini(&first);
}

static void
test_help_names_every_setting(void **state)
{
    static const char *const flags[] = {
#define AW_TEXT(field, name, value, words, what)         "--" name " ",
#define AW_FLAG(field, name, what)                       "--" name " ",
#define AW_NUMBER(field, name, value, least, most, what) "--" name " N",
#include "run/settings.def"
#undef AW_TEXT
#undef AW_FLAG
#undef AW_NUMBER
    };
    char  *text = NULL;
    size_t len = 0;
    FILE  *to = open_memstream(&text, &len);

    (void)state;
    assert_non_null(to);
    aw_settings_help(to);
    assert_int_equal(fclose(to), 0);
    for (size_t i = 0; i < AW_ARRAY_LEN(flags); i++) {
        if (strstr(text, flags[i]) == NULL)
            fail_msg("the help does not tell %s", flags[i]);
    }
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_refused_flags),
        cmocka_unit_test(test_config_file),
        cmocka_unit_test(test_refused_config_files),
        cmocka_unit_test(test_config_files_that_are_none),
        cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_without_dev),
        cmocka_unit_test(test_loopback_only),
        cmocka_unit_test(test_read_again),
        cmocka_unit_test(test_help_names_every_setting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
