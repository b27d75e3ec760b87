/* Proves that slices cut, trim and compare by bytes, that numbers stop at their limit, and that exactly the well-formed UTF-8
 * sequences pass. How: edge cases by hand; UTF-8 against all 2^16 two-byte and 2^24 three-byte strings that matter, judged by
 * decoding and encoding again, and all four-byte strings at the borders of each byte. */
#include "support/test.h"

#include "base/slice.h"

static void
compares_ignore_case_in_ascii_only(void **state)
{
    (void)state;
    assert_true(aw_slice_eq_nocase(AW_SLICE("Application/JSON"), AW_SLICE("application/json")));
    assert_false(aw_slice_eq_nocase(AW_SLICE("a"), AW_SLICE("ab")));
    assert_false(aw_slice_eq_nocase(AW_SLICE("@"), AW_SLICE("`"))); /* 0x20 apart, no letters */
    assert_false(aw_slice_eq_nocase(AW_SLICE("["), AW_SLICE("{")));
    assert_false(aw_slice_eq_nocase(AW_SLICE("\xC4"), AW_SLICE("\xE4"))); /* letters in Latin-1, not here */
    assert_true(aw_slice_eq_nocase((struct aw_slice){NULL, 0}, AW_SLICE("")));
    assert_true(aw_slice_eq(AW_SLICE("a\0b"), AW_SLICE("a\0b")));
    assert_false(aw_slice_eq(AW_SLICE("a\0b"), AW_SLICE("a\0c")));
}

static void
starts_and_trims(void **state)
{
    (void)state;
    assert_true(aw_slice_starts(AW_SLICE("/v1/messages"), AW_SLICE("/v1/")));
    assert_true(aw_slice_starts(AW_SLICE("/v1/"), AW_SLICE("/v1/")));
    assert_false(aw_slice_starts(AW_SLICE("/v1"), AW_SLICE("/v1/")));
    assert_true(aw_slice_starts((struct aw_slice){NULL, 0}, (struct aw_slice){NULL, 0}));
    assert_slice(aw_slice_trim(AW_SLICE(" \t a b\t ")), "a b");
    assert_slice(aw_slice_trim(AW_SLICE(" \t ")), "");
    assert_slice(aw_slice_trim(AW_SLICE("\r\n")), "\r\n");
    assert_slice(aw_slice_trim((struct aw_slice){NULL, 0}), "");
}

static void
cuts_at_the_first_separator(void **state)
{
    struct aw_slice rest = AW_SLICE("a,,b");

    (void)state;
    assert_slice(aw_slice_cut(&rest, ','), "a");
    assert_slice(aw_slice_cut(&rest, ','), "");
    assert_slice(aw_slice_cut(&rest, ','), "b");
    assert_null(rest.ptr);
    assert_int_equal(rest.len, 0);
    assert_slice(aw_slice_cut(&rest, ','), "");
    /* A separator at the end leaves an empty rest that is there. */
    rest = AW_SLICE("a,");
    assert_slice(aw_slice_cut(&rest, ','), "a");
    assert_non_null(rest.ptr);
    assert_int_equal(rest.len, 0);
}

static void
numbers_stop_at_their_limit(void **state)
{
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "0x1",
                                      "/",
                                      ":",
                                      "18446744073709551616",
                                      "18446744073709551620",
                                      "99999999999999999999",
                                      "100000000000000000000"};
    uint64_t                 value = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(aw_slice_to_u64(aw_slice_str(bad[i]), UINT64_MAX, &value));
        assert_int_equal(value, 7);
    }
    assert_true(aw_slice_to_u64(AW_SLICE("18446744073709551615"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_true(aw_slice_to_u64(AW_SLICE("0000000000000000000000000000042"), 42, &value));
    assert_int_equal(value, 42);
    assert_false(aw_slice_to_u64(AW_SLICE("43"), 42, &value));
    assert_int_equal(value, 42);
    assert_true(aw_slice_to_u64(AW_SLICE("0"), 0, &value));
    assert_int_equal(value, 0);
}

/* The number of bytes that encode `code`, written to `bytes`: the rule of RFC 3629 section 3 read forwards. */
static size_t
encode(uint32_t code, unsigned char bytes[4])
{
    if (code < 0x80) {
        bytes[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        bytes[0] = (unsigned char)(0xC0 | code >> 6);
        bytes[1] = (unsigned char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        bytes[0] = (unsigned char)(0xE0 | code >> 12);
        bytes[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
        bytes[2] = (unsigned char)(0x80 | (code & 0x3F));
        return 3;
    }
    bytes[0] = (unsigned char)(0xF0 | code >> 18);
    bytes[1] = (unsigned char)(0x80 | (code >> 12 & 0x3F));
    bytes[2] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
    bytes[3] = (unsigned char)(0x80 | (code & 0x3F));
    return 4;
}

static void
utf8_takes_every_scalar_value_and_no_surrogate(void **state)
{
    unsigned char bytes[4];

    (void)state;
    for (uint32_t code = 0; code <= 0x110FFF; code++) {
        bool   good = code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
        size_t len = encode(code, bytes);

        if (aw_utf8_step((const char *)bytes, len) != (good ? len : 0) || aw_slice_is_utf8(aw_slice_of(bytes, len)) != good)
            fail_msg("U+%04X", code);
        /* Cut short, a sequence is nothing, and no byte behind the end is looked at. */
        for (size_t cut = 1; good && cut < len; cut++) {
            if (aw_utf8_step((const char *)bytes, cut) != 0)
                fail_msg("U+%04X cut to %zu", code, cut);
        }
    }
}

/* What `len` bytes mean, by decoding without any check, then demanding that encoding gives the same bytes. */
static bool
is_one_sequence(const unsigned char *at, size_t len)
{
    static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    unsigned char              again[4];
    uint32_t                   code = at[0] & masks[len];

    for (size_t i = 1; i < len; i++)
        code = code << 6 | (at[i] & 0x3F);
    return code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF) && encode(code, again) == len && memcmp(at, again, len) == 0;
}

static void
utf8_agrees_with_encoding_again(void **state)
{
    static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xFF};
    unsigned char              at[4];

    (void)state;
    for (uint32_t word = 0; word < 0x1000000; word++) {
        at[0] = (unsigned char)(word >> 16);
        at[1] = (unsigned char)(word >> 8);
        at[2] = (unsigned char)word;
        if ((aw_utf8_step((const char *)at, 3) == 3) != is_one_sequence(at, 3) ||
            (at[2] == 0 && (aw_utf8_step((const char *)at, 2) == 2) != is_one_sequence(at, 2)))
            fail_msg("%02x %02x %02x", at[0], at[1], at[2]);
    }
    for (uint32_t word = 0; word < 0x10000; word++) {
        at[0] = (unsigned char)(word >> 8);
        at[1] = (unsigned char)word;
        for (size_t i = 0; i < sizeof(edges); i++) {
            for (size_t k = 0; k < sizeof(edges); k++) {
                at[2] = edges[i];
                at[3] = edges[k];
                if ((aw_utf8_step((const char *)at, 4) == 4) != is_one_sequence(at, 4))
                    fail_msg("%02x %02x %02x %02x", at[0], at[1], at[2], at[3]);
            }
        }
    }
}

/* The fast path takes eight bytes at a time: a bad byte must be found at every distance from the start and the end. */
static void
utf8_finds_a_bad_byte_anywhere(void **state)
{
    char text[40];

    (void)state;
    for (size_t len = 1; len <= sizeof(text); len++) {
        for (size_t bad = 0; bad < len; bad++) {
            memset(text, 'a', sizeof(text));
            assert_true(aw_slice_is_utf8(aw_slice_of(text, len)));
            text[bad] = (char)0xFF;
            assert_false(aw_slice_is_utf8(aw_slice_of(text, len)));
            text[bad] = (char)0xC3; /* a lead byte whose second is missing */
            assert_false(aw_slice_is_utf8(aw_slice_of(text, len)));
            if (bad + 1 < len) {
                text[bad + 1] = (char)0xA9;
                assert_true(aw_slice_is_utf8(aw_slice_of(text, len)));
            }
        }
    }
    assert_true(aw_slice_is_utf8((struct aw_slice){NULL, 0}));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_ignore_case_in_ascii_only),
        cmocka_unit_test(starts_and_trims),
        cmocka_unit_test(cuts_at_the_first_separator),
        cmocka_unit_test(numbers_stop_at_their_limit),
        cmocka_unit_test(utf8_takes_every_scalar_value_and_no_surrogate),
        cmocka_unit_test(utf8_agrees_with_encoding_again),
        cmocka_unit_test(utf8_finds_a_bad_byte_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
