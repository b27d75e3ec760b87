/* Proves that what the writer writes is JSON, byte for byte what RFC 8259 asks, and never ill-formed UTF-8, whatever goes in. How:
 * expected texts by hand; every byte alone at every distance from the eight-byte steps of the fast path against a slow writer of
 * the test's own; random bytes; misuse must abort; a buffer without room must fail and stay whole. */
#include "support/test.h"

#include "base/json_out.h"

#include <stdio.h>

static struct aw_blocks *blocks;
static struct aw_arena   arena;

static int
start(void **state)
{
    (void)state;
    blocks = aw_blocks_new(16384, 1 << 24);
    if (blocks == NULL)
        return -1;
    aw_arena_init(&arena, blocks);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    aw_arena_reset(&arena);
    aw_blocks_free(&blocks);
    return 0;
}

static void
commas_come_by_themselves(void **state)
{
    struct aw_buffer buffer;
    struct aw_json   json;

    (void)state;
    aw_buffer_init(&buffer, &arena);
    aw_json_init(&json, &buffer);
    aw_json_object_begin(&json);
    aw_json_key(&json, "empty");
    aw_json_object_begin(&json);
    aw_json_object_end(&json);
    aw_json_key(&json, "none");
    aw_json_array_begin(&json);
    aw_json_array_end(&json);
    aw_json_key(&json, "list");
    aw_json_array_begin(&json);
    aw_json_u64(&json, 0);
    aw_json_u64(&json, UINT64_MAX);
    aw_json_i64(&json, INT64_MIN);
    aw_json_i64(&json, INT64_MAX);
    aw_json_i64(&json, -1);
    aw_json_bool(&json, true);
    aw_json_bool(&json, false);
    aw_json_null(&json);
    aw_json_array_begin(&json);
    aw_json_str(&json, "x");
    aw_json_array_end(&json);
    aw_json_object_begin(&json);
    aw_json_key(&json, "a");
    aw_json_raw(&json, AW_SLICE("[1,2]"));
    aw_json_key(&json, "b");
    aw_json_time(&json, 1776240062345);
    aw_json_key(&json, "c");
    aw_json_time(&json, 0);
    aw_json_object_end(&json);
    aw_json_array_end(&json);
    aw_json_key(&json, "last");
    aw_json_string(&json, (struct aw_slice){NULL, 0});
    aw_json_object_end(&json);
    aw_json_newline(&json);
    aw_json_str(&json, "next");
    assert_false(buffer.failed);
    assert_slice(aw_buffer_slice(&buffer), "{\"empty\":{},\"none\":[],\"list\":[0,18446744073709551615,-9223372036854775808,"
                                           "9223372036854775807,-1,true,false,null,[\"x\"],{\"a\":[1,2],"
                                           "\"b\":\"2026-04-15T08:01:02.345Z\",\"c\":null}],\"last\":\"\"}\n\"next\"");
}

static struct aw_slice
written(struct aw_buffer *buffer, struct aw_slice text)
{
    struct aw_json json;

    aw_buffer_init(buffer, &arena);
    aw_json_init(&json, buffer);
    aw_json_string(&json, text);
    assert_false(buffer->failed);
    return aw_buffer_slice(buffer);
}

static void
escapes_are_the_short_ones(void **state)
{
    struct aw_buffer buffer;

    (void)state;
    assert_slice(written(&buffer, AW_SLICE("\"\\/\b\f\n\r\t")), "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    assert_slice(written(&buffer, AW_SLICE("\0\x01\x1f\x7f")), "\"\\u0000\\u0001\\u001f\x7f\"");
    assert_slice(written(&buffer, AW_SLICE("Grüße, 你好, 🛫")), "\"Grüße, 你好, 🛫\"");
}

static void
ill_formed_bytes_become_replacements(void **state)
{
    struct aw_buffer buffer;

    (void)state;
    assert_slice(written(&buffer, AW_SLICE("\xFF")), "\"\uFFFD\"");
    assert_slice(written(&buffer, AW_SLICE("a\xC3")), "\"a\uFFFD\"");
    assert_slice(written(&buffer, AW_SLICE("\xC3(")), "\"\uFFFD(\"");
    assert_slice(written(&buffer, AW_SLICE("\xE2\x82")), "\"\uFFFD\uFFFD\"");
    assert_slice(written(&buffer, AW_SLICE("\xED\xA0\x80")), "\"\uFFFD\uFFFD\uFFFD\""); /* a surrogate */
    assert_slice(written(&buffer, AW_SLICE("\xC0\xAF")), "\"\uFFFD\uFFFD\"");           /* an overlong slash */
    assert_slice(written(&buffer, AW_SLICE("\xC3\"")), "\"\uFFFD\\\"\"");
}

/* The same rule, one byte at a time, with printf. */
static size_t
slow(const char *text, size_t len, char *out)
{
    char  *at = out;
    size_t step;

    *at++ = '"';
    for (size_t i = 0; i < len; i += step) {
        unsigned char byte = (unsigned char)text[i];

        step = aw_utf8_step(text + i, len - i);
        if (step == 0) {
            at += snprintf(at, 8, "\uFFFD");
            step = 1;
        } else if (step > 1) {
            memcpy(at, text + i, step);
            at += step;
        } else if (byte == '"' || byte == '\\') {
            at += snprintf(at, 8, "\\%c", byte);
        } else if (byte >= 0x20) {
            *at++ = (char)byte;
        } else if (byte == '\b' || byte == '\f' || byte == '\n' || byte == '\r' || byte == '\t') {
            at += snprintf(at, 8, "\\%c", "btn?fr"[byte - 8]);
        } else {
            at += snprintf(at, 8, "\\u%04x", byte);
        }
    }
    *at++ = '"';
    return (size_t)(at - out);
}

static void
check_against_slow(const char *text, size_t len)
{
    char             expected[1024];
    size_t           expected_len = slow(text, len, expected);
    struct aw_buffer buffer;
    struct aw_slice  got = written(&buffer, aw_slice_of(text, len));

    assert_int_equal(got.len, expected_len);
    assert_memory_equal(got.ptr, expected, expected_len);
    assert_true(aw_slice_is_utf8(got));
    aw_arena_reset(&arena);
}

static void
every_byte_at_every_place(void **state)
{
    char text[24];

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, 'x', sizeof(text));
            text[at] = (char)byte;
            check_against_slow(text, sizeof(text));
            check_against_slow(text, at + 1);
        }
    }
}

static void
random_strings(void **state)
{
    static const char *const pieces[] = {"a", "bcdefghij", "\"",   "\\",   "\n",       "\x1F",
                                         "é", "你",        "🛫", "\x80", "\xF0\x9F", "\xED\xB0"};
    uint64_t                 random = 8259;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char   text[128];
        size_t len = 0;

        while (len < 100) {
            const char *piece = pieces[test_random(&random) % (sizeof(pieces) / sizeof(pieces[0]))];

            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        check_against_slow(text, test_random(&random) % len);
    }
}

/* Writes a small document into the first `size` bytes of `room`. */
static struct aw_buffer
write_within(char *room, size_t size)
{
    struct aw_buffer buffer;
    struct aw_json   json;

    aw_buffer_init_fixed(&buffer, room, size);
    aw_json_init(&json, &buffer);
    aw_json_object_begin(&json);
    aw_json_key(&json, "name");
    aw_json_str(&json, "a\"b\x01 and more");
    aw_json_key(&json, "at");
    aw_json_time(&json, 1);
    aw_json_object_end(&json);
    return buffer;
}

static void
no_room_is_failure_and_not_overrun(void **state)
{
    char   room[128];
    size_t need = write_within(room, sizeof(room)).len;

    (void)state;
    assert_true(need > 50 && need < sizeof(room));
    for (size_t size = 0; size < sizeof(room); size++) {
        struct aw_buffer buffer;

        memset(room, '#', sizeof(room));
        buffer = write_within(room, size);
        assert_int_equal(buffer.failed, size < need);
        assert_true(buffer.len <= size);
        for (size_t i = size; i < sizeof(room); i++)
            assert_int_equal(room[i], '#');
    }
}

static void
value_without_key(void *arg)
{
    struct aw_json *json = arg;

    aw_json_object_begin(json);
    aw_json_null(json);
}

static void
key_in_array(void *arg)
{
    struct aw_json *json = arg;

    aw_json_array_begin(json);
    aw_json_key(json, "a");
}

static void
wrong_end(void *arg)
{
    struct aw_json *json = arg;

    aw_json_array_begin(json);
    aw_json_object_end(json);
}

static void
key_without_value(void *arg)
{
    struct aw_json *json = arg;

    aw_json_object_begin(json);
    aw_json_key(json, "a");
    aw_json_object_end(json);
}

static void
two_documents(void *arg)
{
    struct aw_json *json = arg;

    aw_json_null(json);
    aw_json_null(json);
}

static void
too_deep(void *arg)
{
    struct aw_json *json = arg;

    for (int i = 0; i <= AW_JSON_OUT_DEPTH_MAX; i++)
        aw_json_array_begin(json);
}

static void
misuse_is_our_bug(void **state)
{
    void (*const misuses[])(void *) = {value_without_key, key_in_array, wrong_end, key_without_value, two_documents, too_deep};

    (void)state;
    for (size_t i = 0; i < sizeof(misuses) / sizeof(misuses[0]); i++) {
        char             room[256];
        struct aw_buffer buffer;
        struct aw_json   json;

        aw_buffer_init_fixed(&buffer, room, sizeof(room));
        aw_json_init(&json, &buffer);
        assert_true(test_aborts(misuses[i], &json));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(escapes_are_the_short_ones),
        cmocka_unit_test(ill_formed_bytes_become_replacements),
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(random_strings),
        cmocka_unit_test(no_room_is_failure_and_not_overrun),
        cmocka_unit_test(misuse_is_our_bug),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
