/* Proves that times are read as RFC 3339 section 5.6 says, refused otherwise, and written back the same. How: tables of good and
 * bad texts, all days from 1970 to 9999 against a calendar that counts day by day, random times there and back, and the good text
 * with every single byte changed, which must be refused or still be a time of the same shape. */
#include "support/test.h"

#include "base/time.h"
#include "port/clock.h"

#include <stdio.h>
#include <time.h>

static void
good_times(void **state)
{
    static const struct {
        const char *text;
        aw_ms       at;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.001Z", 1},
        {"1970-01-01T00:00:01Z", 1000},
        {"1985-04-12T23:20:50.52Z", 482196050520}, /* the examples of RFC 3339 section 5.8 */
        {"1996-12-19T16:39:57-08:00", 851042397000},
        {"1990-12-31T23:59:60Z", 662687999999},
        {"1990-12-31T15:59:60-08:00", 662687999999},
        {"1937-01-01T12:00:27.87+00:20", AW_MS_MAX + 1}, /* before 1970: refused */
        {"2026-04-15T08:01:02.345Z", 1776240062345},
        {"2026-04-15t08:01:02.345z", 1776240062345},
        {"2026-04-15T08:01:02.3Z", 1776240062300},
        {"2026-04-15T08:01:02.34Z", 1776240062340},
        {"2026-04-15T08:01:02.345999999Z", 1776240062345}, /* cut, not rounded */
        {"2026-04-15T08:01:02.999999999Z", 1776240062999},
        {"2026-04-15T10:01:02.345+02:00", 1776240062345},
        {"2026-04-15T08:01:02.345-00:00", 1776240062345},
        {"2026-04-16T07:46:02.345+23:45", 1776240062345},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"1969-12-31T23:30:00-01:00", 1800000},
        {"9999-12-31T23:59:59.999Z", AW_MS_MAX},
        {"9999-12-31T23:59:60Z", AW_MS_MAX},
        {"0001-01-01T00:00:00Z", AW_MS_MAX + 1},
        {"9999-12-31T23:59:59-00:01", AW_MS_MAX + 1},
        {"1970-01-01T00:00:00+00:01", AW_MS_MAX + 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        aw_ms at = 77;
        bool  good = rows[i].at <= AW_MS_MAX;

        if (aw_time_parse(aw_slice_str(rows[i].text), &at) != good || at != (good ? rows[i].at : 77))
            fail_msg("%s gave %llu", rows[i].text, (unsigned long long)at);
    }
}

static void
bad_times(void **state)
{
    static const char *const rows[] = {
        "",
        "2026",
        "2026-04-15",
        "2026-04-15T08:01:02",
        "2026-04-15T08:01Z",
        "2026-04-15 08:01:02Z",
        "2026-04-15T08:01:02.Z",
        "2026-04-15T08:01:02,5Z",
        "2026-04-15T08:01:02.1234567890Z",
        "2026-04-15T24:00:00Z",
        "2026-04-15T08:60:00Z",
        "2026-04-15T08:00:61Z",
        "2026-04-15T08:00:60Z",      /* a leap second in the middle of a day */
        "2026-04-15T23:59:60+01:00", /* is 22:59:60 UTC */
        "2026-00-15T08:00:00Z",
        "2026-13-15T08:00:00Z",
        "2026-04-00T08:00:00Z",
        "2026-04-31T08:00:00Z",
        "2026-02-29T08:00:00Z",
        "2100-02-29T08:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-4-15T08:00:00Z",
        "2026-04-15T8:00:00Z",
        "+2026-04-15T08:00:00Z",
        "02026-04-15T08:00:00Z",
        "2026-04-15T08:01:02+24:00",
        "2026-04-15T08:01:02+01:60",
        "2026-04-15T08:01:02+0100",
        "2026-04-15T08:01:02+01",
        "2026-04-15T08:01:02+1:00",
        "2026-04-15T08:01:02ZZ",
        "2026-04-15T08:01:02Z ",
        " 2026-04-15T08:01:02Z",
        "2026-04-15T-8:01:02Z",
        "2026-04-15T08:01:02GMT",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        aw_ms at = 77;

        if (aw_time_parse(aw_slice_str(rows[i]), &at) || at != 77)
            fail_msg("%s was taken", rows[i]);
    }
    /* A NUL is a byte like any other, and bytes behind the slice are not read. */
    assert_false(aw_time_parse(AW_SLICE("2026-04-15T08:01:02Z\0"), &(aw_ms){0}));
    assert_false(aw_time_parse(aw_slice_of("2026-04-15T08:01:02Z", 19), &(aw_ms){0}));
}

static void
every_day_until_9999(void **state)
{
    static const uint32_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t              days = 0;

    (void)state;
    for (uint32_t year = 1970; year <= 9999; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        for (uint32_t month = 1; month <= 12; month++) {
            uint32_t last = lengths[month - 1] + (month == 2 && leap ? 1 : 0);

            for (uint32_t day = 1; day <= last; day++, days++) {
                char     expected[40];
                char     text[11];
                uint32_t back = 0;

                (void)snprintf(expected, sizeof(expected), "%04u-%02u-%02u", year, month, day);
                aw_date_format(days, text);
                if (strcmp(text, expected) != 0 || !aw_date_parse(aw_slice_str(text), &back) || back != days)
                    fail_msg("day %u is %s, written %s, read %u", days, expected, text, back);
            }
        }
    }
    assert_int_equal(days, AW_MS_MAX / 86400000 + 1);
    assert_false(aw_date_parse(AW_SLICE("1969-12-31"), &days));
    assert_false(aw_date_parse(AW_SLICE("2026-04-15Z"), &days));
    assert_false(aw_date_parse(AW_SLICE("2026-02-30"), &days));
    assert_false(aw_date_parse(AW_SLICE("2026-04-1"), &days));
}

static void
times_there_and_back(void **state)
{
    uint64_t random = 20260415;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        aw_ms at = test_random(&random) % (AW_MS_MAX + 1);
        aw_ms back = 0;
        char  text[AW_TIME_TEXT_BYTES];

        aw_time_format(at, text);
        if (strlen(text) != AW_TIME_TEXT_BYTES - 1 || !aw_time_parse(aw_slice_str(text), &back) || back != at)
            fail_msg("%llu was written %s", (unsigned long long)at, text);
    }
}

/* The C library's calendar, as an independent witness. */
static void
times_agree_with_the_c_library(void **state)
{
    uint64_t random = 7;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        aw_ms     at = test_random(&random) % (AW_MS_MAX + 1);
        time_t    seconds = (time_t)(at / 1000);
        struct tm tm;
        char      expected[64];
        char      text[AW_TIME_TEXT_BYTES];

        assert_non_null(gmtime_r(&seconds, &tm));
        (void)snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                       tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(at % 1000));
        aw_time_format(at, text);
        assert_string_equal(text, expected);
    }
}

static void
one_changed_byte_is_seen(void **state)
{
    static const char good[] = "2026-04-15T08:01:02.345Z";
    char              text[sizeof(good)];

    (void)state;
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        for (int byte = 0; byte < 256; byte++) {
            bool  digit = good[i] >= '0' && good[i] <= '9';
            aw_ms at = 0;

            memcpy(text, good, sizeof(good));
            text[i] = (char)byte;
            if (!aw_time_parse(aw_slice_of(text, sizeof(good) - 1), &at))
                continue;
            /* Taken: then it is the same byte, another digit, or the letter in lower case. */
            if (byte != good[i] && !(digit && byte >= '0' && byte <= '9') && !(good[i] >= 'A' && byte == (good[i] | 0x20)))
                fail_msg("byte %zu as %02x was taken", i, byte);
        }
    }
}

static void
format_after_9999(void *arg)
{
    char text[AW_TIME_TEXT_BYTES];

    aw_time_format(*(aw_ms *)arg, text);
}

static void
a_time_that_has_no_text_is_our_bug(void **state)
{
    aw_ms at = AW_MS_MAX + 1;

    (void)state;
    assert_true(test_aborts(format_after_9999, &at));
}

static void
clocks_run(void **state)
{
    aw_ns mono = aw_clock_mono();
    aw_ms before = (aw_ms)time(NULL);
    aw_ms wall = aw_clock_wall();
    aw_ms after = (aw_ms)time(NULL);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        aw_ns next = aw_clock_mono();

        assert_true(next >= mono);
        mono = next;
    }
    assert_true(wall >= 1 && wall <= AW_MS_MAX);
    assert_in_range(wall / 1000, before, after + 1); /* time() looks at a clock that may be a tick behind */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_times),
        cmocka_unit_test(bad_times),
        cmocka_unit_test(every_day_until_9999),
        cmocka_unit_test(times_there_and_back),
        cmocka_unit_test(times_agree_with_the_c_library),
        cmocka_unit_test(one_changed_byte_is_seen),
        cmocka_unit_test(a_time_that_has_no_text_is_our_bug),
        cmocka_unit_test(clocks_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
