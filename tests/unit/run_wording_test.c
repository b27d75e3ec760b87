/* run_wording_test.c - texts with fields, durations and times in words.
 *
 * Proves: each language says one and many, joins two units and rounds up, never below a minute; times name the day as that language
 * does; a field is what is known or its own words; a part in brackets goes out whole or not at all; every malformed text is refused
 * at its place, and a text that passed the check is rendered whatever is known.
 */
#include "run/wording.h"
#include "support/test.h"

#include <stdio.h>

#define S   UINT64_C(1000)
#define MIN (60 * S)
#define H   (60 * MIN)

static char room[1024];

static const char *
duration(enum aw_language language, uint64_t ms)
{
    struct aw_buffer buffer;

    aw_buffer_init_fixed(&buffer, room, sizeof(room) - 1);
    aw_wording_add_duration(&buffer, language, ms);
    assert_false(buffer.failed);
    room[buffer.len] = '\0';
    return room;
}

static const char *
time_words(enum aw_language language, const char *rfc3339)
{
    struct aw_buffer buffer;
    aw_ms            at;

    assert_true(aw_time_parse(aw_slice_str(rfc3339), &at));
    aw_buffer_init_fixed(&buffer, room, sizeof(room) - 1);
    aw_wording_add_time(&buffer, language, at);
    assert_false(buffer.failed);
    room[buffer.len] = '\0';
    return room;
}

static const char *
render(const char *text, const struct aw_wording_facts *facts)
{
    struct aw_buffer buffer;

    aw_buffer_init_fixed(&buffer, room, sizeof(room) - 1);
    aw_wording_render(&buffer, AW_LANGUAGE_EN, aw_slice_str(text), facts);
    assert_false(buffer.failed);
    room[buffer.len] = '\0';
    return room;
}

/* A name that could be more than a name is none. */
static void
test_names(void **state)
{
    static const char *const good[] = {
        "Mia", "Jean-Luc d'Arc", "Zo\xc3\xab M\xc3\xbcller", "M. Chen", "Dr. O'Neil Jr.", "\xe6\x9d\x8e\xe5\xa8\x9c", ""};
    static const char *const bad[] = {"Mia\nCall us",    "Mia\x7f",      "Mia\xc2\x85", "Mia\xe2\x80\xa8now",
                                      "Mia\xe2\x80\xae", /* NOLINT(misc-misleading-bidirectional): that is what is refused */
                                      "Mia\xe2\x81\xa6", /* NOLINT(misc-misleading-bidirectional) */
                                      "Mia 7",           "evil.example", "x/y",         "tel:you",
                                      "@aswolk",         "a.\xc3\xa9",   "0800"};
    char                     longest[AW_WORDING_NAME_BYTES_MAX + 1];

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(good); i++)
        assert_true(aw_slice_eq(aw_wording_name(aw_slice_str(good[i])), aw_slice_str(good[i])));
    for (size_t i = 0; i < AW_ARRAY_LEN(bad); i++) {
        if (aw_wording_name(aw_slice_str(bad[i])).len != 0)
            fail_msg("%s", bad[i]);
    }
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(aw_wording_name(aw_slice_of(longest, sizeof(longest) - 1)).len, AW_WORDING_NAME_BYTES_MAX);
    assert_int_equal(aw_wording_name(aw_slice_of(longest, sizeof(longest))).len, 0);
}

static void
test_languages(void **state)
{
    (void)state;
    assert_int_equal(aw_language_of(AW_SLICE("nl-BE")), AW_LANGUAGE_NL);
    assert_int_equal(aw_language_of(AW_SLICE("DE")), AW_LANGUAGE_DE);
    assert_int_equal(aw_language_of(AW_SLICE("nld")), AW_LANGUAGE_OTHER);
    assert_int_equal(aw_language_of((struct aw_slice){NULL, 0}), AW_LANGUAGE_OTHER);
    for (unsigned i = 0; i < AW_LANGUAGES; i++)
        assert_int_equal(aw_language_of(aw_slice_str(aw_language_tag((enum aw_language)i))), i);
}

static void
test_durations(void **state)
{
    (void)state;
    assert_string_equal(duration(AW_LANGUAGE_EN, 0), "1 minute");
    assert_string_equal(duration(AW_LANGUAGE_EN, MIN + 1), "2 minutes");
    assert_string_equal(duration(AW_LANGUAGE_EN, 59 * MIN + 1), "1 hour");
    assert_string_equal(duration(AW_LANGUAGE_EN, H + 30 * MIN), "1 hour and 30 minutes");
    assert_string_equal(duration(AW_LANGUAGE_EN, 48 * H), "48 hours");
    assert_string_equal(duration(AW_LANGUAGE_EN, 48 * H + 1), "2 days and 1 hour");
    assert_string_equal(duration(AW_LANGUAGE_EN, 71 * H + 1), "3 days");
    assert_string_equal(duration(AW_LANGUAGE_NL, 2 * H + MIN), "2 uur en 1 minuut");
    assert_string_equal(duration(AW_LANGUAGE_DE, 96 * H), "4 Tagen");
    assert_string_equal(duration(AW_LANGUAGE_FR, 5 * H + 5 * MIN), "5 heures et 5 minutes");
    assert_string_equal(duration(AW_LANGUAGE_ES, 49 * H), "2 días y 1 hora");
    assert_string_equal(duration(AW_LANGUAGE_OTHER, 2 * H + 30 * MIN), "2 h 30 min");
    assert_string_equal(duration(AW_LANGUAGE_EN, UINT64_MAX), "213503982334 days and 15 hours");
}

static void
test_times(void **state)
{
    (void)state;
    assert_string_equal(time_words(AW_LANGUAGE_EN, "2026-04-16T14:20:59Z"), "16 April, 14:20 UTC");
    assert_string_equal(time_words(AW_LANGUAGE_NL, "2026-01-01T00:00:00Z"), "1 januari, 00:00 UTC");
    assert_string_equal(time_words(AW_LANGUAGE_DE, "2026-03-01T09:05:00Z"), "1. März, 09:05 UTC");
    assert_string_equal(time_words(AW_LANGUAGE_FR, "2026-08-01T09:05:00Z"), "1er août, 09:05 UTC");
    assert_string_equal(time_words(AW_LANGUAGE_FR, "2026-08-02T09:05:00Z"), "2 août, 09:05 UTC");
    assert_string_equal(time_words(AW_LANGUAGE_ES, "2026-12-31T23:59:59Z"), "31 de diciembre, 23:59 UTC");
    assert_string_equal(time_words(AW_LANGUAGE_OTHER, "2026-04-16T14:20:00Z"), "2026-04-16 14:20 UTC");
}

static const struct aw_wording_facts nothing = {.departs_at = 0};

static struct aw_wording_facts
everything(void)
{
    aw_ms at;

    assert_true(aw_time_parse(AW_SLICE("2026-04-16T12:00:00Z"), &at));
    return (struct aw_wording_facts){
        .name = AW_SLICE("Jo {x} [y]"),
        .ticket = AW_SLICE("t1"),
        .flight = AW_SLICE("KL1234"),
        .departs_at = at,
        .new_departs_at = at + H,
        .promise = {.made_at = at, .half_by = at + H, .nine_of_ten_by = at + 3 * H},
    };
}

static void
test_fields(void **state)
{
    struct aw_wording_facts all = everything();

    (void)state;
    assert_int_equal(aw_wording_known(&nothing), 0);
    assert_int_equal(aw_wording_known(&all), AW_WORDING_ALL);
    assert_string_equal(render("Dear {name|guest}: {ticket}", &all), "Dear Jo {x} [y]: t1");
    assert_string_equal(render("{flight} {departure} > {new_departure}", &all),
                        "KL1234 16 April, 12:00 UTC > 16 April, 13:00 UTC");
    assert_string_equal(render("{half_by} {nine_of_ten_by}", &all), "16 April, 13:00 UTC 16 April, 15:00 UTC");
    assert_string_equal(render("{half_in}, {nine_of_ten_in}", &all), "1 hour, 3 hours");
    assert_string_equal(render("Dear {name|guest}{flight|}.", &nothing), "Dear guest.");
    assert_string_equal(render("We have it.[ Within {half_in}: {flight}.][ {name|You}.]", &nothing), "We have it. You.");
    all.flight = (struct aw_slice){NULL, 0};
    assert_string_equal(render("We have it.[ Within {half_in}: {flight}.] Bye", &all), "We have it. Bye");
    assert_string_equal(render("{{name}} [[x] ] }", &nothing), "{name}} [x] ] }");
    assert_string_equal(render("", &nothing), "");
}

static void
test_needs(void **state)
{
    (void)state;
    assert_int_equal(aw_wording_needs(AW_SLICE("{name|x} [{half_by}] {flight} {ticket}")),
                     AW_WORDING_BIT(AW_WORDING_FLIGHT) | AW_WORDING_BIT(AW_WORDING_TICKET));
}

static void
test_flaws(void **state)
{
    static const struct {
        const char *text;
        const char *field;
        uint32_t    begin, end;
    } cases[] = {
        {"Dear {nme}, x", "nme", 5, 10},
        {"Dear {name", "", 5, 10},
        {"Dear {}", "", 5, 7},
        {"Dear {|x}", "", 5, 9},
        {"Dear {Name|x}", "Name", 5, 13},
        {"Dear {name}", "name", 5, 11},
        {"x {half_by}", "half_by", 2, 11},
        {"x [{new_departure}]", "new_departure", 3, 18},
        {"x [{flight} [y]]", "", 12, 16},
        {"x [y", "", 4, 4},
        {"x {name|{flight}}", "name", 2, 16},
        {"{", "", 0, 1},
        {"[", "", 1, 1},
    };
    uint32_t               allowed = AW_WORDING_ALL & ~AW_WORDING_BIT(AW_WORDING_NEW_DEPARTURE);
    struct aw_wording_flaw flaw;

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        assert_false(aw_wording_check(aw_slice_str(cases[i].text), allowed, AW_WORDING_BIT(AW_WORDING_TICKET), &flaw));
        assert_true(aw_slice_eq(flaw.field, aw_slice_str(cases[i].field)));
        assert_int_equal(flaw.begin, cases[i].begin);
        assert_int_equal(flaw.end, cases[i].end);
        assert_non_null(flaw.why);
    }
    assert_true(
        aw_wording_check(AW_SLICE("{ticket} {name|} [{half_by}] ] }"), allowed, AW_WORDING_BIT(AW_WORDING_TICKET), &flaw));
    assert_true(aw_wording_check(AW_SLICE("{name}"), allowed, AW_WORDING_ALL, &flaw));
}

/* Any text out of these characters is refused, or is rendered with nothing known without an assertion that fails. */
static void
test_all_short_texts(void **state)
{
    static const char *const parts[] = {"{", "}", "[", "]", "|", "name", "flight", "a"};
    struct aw_wording_flaw   flaw;
    uint32_t                 rendered = 0;

    (void)state;
    for (uint32_t n = 0; n < 8 * 8 * 8 * 8 * 8; n++) {
        char   text[64];
        size_t len = 0;

        for (uint32_t i = 0, left = n; i < 5; i++, left /= 8)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", parts[left % 8]);
        if (!aw_wording_check(aw_slice_of(text, len), AW_WORDING_ALL, 0, &flaw)) {
            assert_true(flaw.begin <= flaw.end && flaw.end <= len);
            continue;
        }
        (void)render(text, &nothing);
        rendered++;
    }
    assert_true(rendered > 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_languages),       cmocka_unit_test(test_durations),
        cmocka_unit_test(test_times), cmocka_unit_test(test_fields),          cmocka_unit_test(test_needs),
        cmocka_unit_test(test_flaws), cmocka_unit_test(test_all_short_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
