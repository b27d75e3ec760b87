/* Proves that ids and tokens have exactly one text each and come back from it. How: known answers (RFC 4648 section 10 for
 * base64url; base32 by hand), there and back over random numbers and all lengths, and every single changed character of a text,
 * which must be refused or be another value whose text is exactly that. */
#include "support/test.h"

#include "base/text.h"

static void
known_answers(void **state)
{
    static const struct {
        const char *bytes;
        const char *base32;
        const char *base64;
    } rows[] = {
        {"", "", ""},
        {"f", "cr", "Zg"},
        {"fo", "csqg", "Zm8"},
        {"foo", "csqpy", "Zm9v"},
        {"foob", "csqpyrg", "Zm9vYg"},
        {"fooba", "csqpyrk1", "Zm9vYmE"},
        {"foobar", "csqpyrk1e8", "Zm9vYmFy"},
        {"\xFB\xFF\xFE", "zfzzw", "-__-"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aw_slice bytes = aw_slice_str(rows[i].bytes);
        char            text[32];

        assert_int_equal(aw_base32_chars(bytes.len), strlen(rows[i].base32));
        aw_base32_encode(bytes, text);
        assert_memory_equal(text, rows[i].base32, strlen(rows[i].base32));
        assert_int_equal(aw_base64_chars(bytes.len), strlen(rows[i].base64));
        aw_base64_encode(bytes, text);
        assert_memory_equal(text, rows[i].base64, strlen(rows[i].base64));
    }
}

static void
numbers(void **state)
{
    char     text[AW_BASE32_U64_CHARS];
    char     last[AW_BASE32_U64_CHARS];
    uint64_t value = 9;
    uint64_t random = 32;

    (void)state;
    aw_base32_u64(0, text);
    assert_memory_equal(text, "0000000000000", 13);
    aw_base32_u64(32, text);
    assert_memory_equal(text, "0000000000010", 13);
    aw_base32_u64(UINT64_MAX, text);
    assert_memory_equal(text, "fzzzzzzzzzzzz", 13);
    aw_base64_u64(UINT64_MAX, text);
    assert_memory_equal(text, "P__________", 11);
    /* Above 2^64, and the wrong length. */
    assert_false(aw_base32_to_u64(AW_SLICE("g000000000000"), &value));
    assert_false(aw_base64_to_u64(AW_SLICE("QAAAAAAAAAA"), &value));
    assert_false(aw_base32_to_u64(AW_SLICE("000000000000"), &value));
    assert_false(aw_base32_to_u64(AW_SLICE("00000000000000"), &value));
    assert_false(aw_base32_to_u64(AW_SLICE(""), &value));
    assert_int_equal(value, 9);
    aw_base32_fixed(1023, text, 2);
    assert_memory_equal(text, "zz", 2);
    aw_base32_fixed(33, text, 7);
    assert_memory_equal(text, "0000011", 7);
    assert_true(aw_base32_from_fixed(AW_SLICE("0000011"), &value) && value == 33);
    assert_true(aw_base32_from_fixed(AW_SLICE("000000000000000000fzzzzzzzzzzzz"), &value) && value == UINT64_MAX);
    assert_false(aw_base32_from_fixed(AW_SLICE("g000000000000"), &value)); /* 65 bits */
    assert_false(aw_base32_from_fixed(AW_SLICE("0u"), &value));
    assert_false(aw_base32_from_fixed(AW_SLICE(""), &value));
    for (int i = 0; i < 100000; i++) {
        uint64_t number = test_random(&random) >> (i % 64);
        uint64_t above = number == UINT64_MAX ? number : number + 1;

        aw_base32_u64(number, text);
        assert_true(aw_base32_to_u64(aw_slice_of(text, 13), &value) && value == number);
        aw_base32_u64(above, last);
        assert_true(above == number || memcmp(text, last, 13) < 0); /* sorts like the number */
        aw_base64_u64(number, text);
        assert_true(aw_base64_to_u64(aw_slice_of(text, 11), &value) && value == number);
    }
}

static void
decimals(void **state)
{
    static const struct {
        uint64_t    value;
        const char *text;
    } rows[] = {{0, "0"},
                {9, "9"},
                {10, "10"},
                {503, "503"},
                {UINT64_C(10000000000), "10000000000"},
                {UINT64_MAX, "18446744073709551615"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[AW_DECIMAL_U64_CHARS];

        assert_slice(aw_slice_of(text, aw_decimal_u64(rows[i].value, text)), rows[i].text);
    }
}

static void
byte_runs_there_and_back(void **state)
{
    unsigned char bytes[64];
    unsigned char back[64];
    char          text[128];
    uint64_t      random = 64;

    (void)state;
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        size_t got = 99;

        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)test_random(&random);
        aw_base32_encode(aw_slice_of(bytes, len), text);
        assert_true(aw_base32_decode(aw_slice_of(text, aw_base32_chars(len)), back, len, &got));
        assert_int_equal(got, len);
        assert_memory_equal(back, bytes, len);
        if (len > 0)
            assert_false(aw_base32_decode(aw_slice_of(text, aw_base32_chars(len)), back, len - 1, &got));
        aw_base64_encode(aw_slice_of(bytes, len), text);
        assert_true(aw_base64_decode(aw_slice_of(text, aw_base64_chars(len)), back, len, &got));
        assert_int_equal(got, len);
        assert_memory_equal(back, bytes, len);
        if (len > 0)
            assert_false(aw_base64_decode(aw_slice_of(text, aw_base64_chars(len)), back, len - 1, &got));
    }
}

/* Any change to any character: refused, or the text of another value. */
static void
one_text_a_value(void **state)
{
    unsigned char bytes[9] = "12345678";
    char          text[16];
    char          again[16];

    (void)state;
    for (size_t len = 1; len <= sizeof(bytes); len++) {
        for (size_t at = 0; at < aw_base32_chars(len); at++) {
            for (int byte = 0; byte < 256; byte++) {
                unsigned char back[16];
                size_t        got;

                aw_base32_encode(aw_slice_of(bytes, len), text);
                text[at] = (char)byte;
                if (aw_base32_decode(aw_slice_of(text, aw_base32_chars(len)), back, sizeof(back), &got)) {
                    aw_base32_encode(aw_slice_of(back, got), again);
                    assert_memory_equal(again, text, aw_base32_chars(len));
                }
                if (at >= aw_base64_chars(len))
                    continue;
                aw_base64_encode(aw_slice_of(bytes, len), text);
                text[at] = (char)byte;
                if (aw_base64_decode(aw_slice_of(text, aw_base64_chars(len)), back, sizeof(back), &got)) {
                    aw_base64_encode(aw_slice_of(back, got), again);
                    assert_memory_equal(again, text, aw_base64_chars(len));
                }
            }
        }
    }
}

static void
other_spellings_are_refused(void **state)
{
    static const char *const base32[] = {
        "CR", "cR", "co", "ci", "cl", "cu", "cr======", "cr ", "c", "cs0", "csqg1", "cz", "csqh"};
    static const char *const base64[] = {"Zg==", "Zg=", "Z", "Zh", "Zm9", "+/+/", "Zm8 ", "Zm9vY"};
    unsigned char            back[16];
    size_t                   got = 99;

    (void)state;
    for (size_t i = 0; i < sizeof(base32) / sizeof(base32[0]); i++) {
        if (aw_base32_decode(aw_slice_str(base32[i]), back, sizeof(back), &got))
            fail_msg("%s was taken", base32[i]);
    }
    for (size_t i = 0; i < sizeof(base64) / sizeof(base64[0]); i++) {
        if (aw_base64_decode(aw_slice_str(base64[i]), back, sizeof(back), &got))
            fail_msg("%s was taken", base64[i]);
    }
    assert_int_equal(got, 99);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),    cmocka_unit_test(numbers),
        cmocka_unit_test(decimals),         cmocka_unit_test(byte_runs_there_and_back),
        cmocka_unit_test(one_text_a_value), cmocka_unit_test(other_spellings_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
