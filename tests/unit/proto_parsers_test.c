/* The two parsers against bodies made to hurt, and the quick reader of JSON against jansson.
 * How: lying lengths and reserved bytes by hand; every prefix and every changed byte of good bodies; deep nesting of 1 MiB; a
 * body of values without end; readers compared on the fuzzer's corpus of shapes below. Memory: every allocation made to fail in
 * turn. */
#include "proto_rig.h"

#include "proto/msgpack_bytes.h"
#include "proto/tree.h"

#include <pthread.h>

#define BYTES(literal)                                                                                                           \
    {                                                                                                                            \
        literal, sizeof(literal) - 1                                                                                             \
    }

struct hurt {
    struct aw_slice body;
    enum aw_fault   fault;
    const char     *field;
    const char     *words;
};

static const struct hurt hurts[] = {
    {BYTES("\xdd\xff\xff\xff\xff"), AW_FAULT_MALFORMED, "", "more elements are announced than bytes are left"},
    {BYTES("\xdf\xff\xff\xff\xff\xa1z"), AW_FAULT_MALFORMED, "", "more elements are announced"},
    {BYTES("\xdb\xff\xff\xff\xff"), AW_FAULT_MALFORMED, "", "at byte 0"},
    {BYTES("\x81\xa5lanes\xdc\xff\xff\xa1z"), AW_FAULT_MALFORMED, "lanes", "at byte 10"},
    {BYTES("\x81\xa4text\xd9\x05"
           "a"),
     AW_FAULT_MALFORMED, "text", "at byte 6"},
    {BYTES("\xc1"), AW_FAULT_MALFORMED, "", "at byte 0"},
    {BYTES("\x81\xa3max"), AW_FAULT_MALFORMED, "max", "it ends inside of a value"},
    {BYTES("\x80\x80"), AW_FAULT_MALFORMED, "", "something follows the value"},
    {BYTES("\x81\x01\x02"), AW_FAULT_MALFORMED, "", "a key is not a text"},
    {BYTES("\x82\xa1z\x01\xa1z\x02"), AW_FAULT_DUPLICATE, "z", "is there twice"},
    {BYTES("\x81\xa5match\x82\xa1z\x90\xa1z\x90"), AW_FAULT_DUPLICATE, "match.z", "is there twice"},
    {BYTES("\x81\xa4text\xa2\xff\xfe"), AW_FAULT_UTF8, "text", "not valid UTF-8"},
    {BYTES("\x81\xa4tags\x92\xa1z\xa3\xed\xa0\x80"), AW_FAULT_UTF8, "tags[1]", "not valid UTF-8"},
    {BYTES("\x81\xa2\xc0\xaf\x01"), AW_FAULT_UTF8, "??", "a key that is not valid UTF-8"},
    {BYTES("\x81\xa4text\xc4\x01z"), AW_FAULT_TYPE, "text", "of the type bin"},
    {BYTES("\x81\xa4text\xc5\x00\x01z"), AW_FAULT_TYPE, "text", "of the type bin"},
    {BYTES("\x81\xa8reply_by\xd6\xff\x00\x00\x00\x01"), AW_FAULT_TYPE, "reply_by", "times are texts"},
    {BYTES("\x81\xa4text\xc7\x02\x01zz"), AW_FAULT_TYPE, "text", "an extension type"},
    {BYTES("\x81\xa3max\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), AW_FAULT_RANGE, "max", "not a finite number"},
    {BYTES("\x81\xa3max\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"), AW_FAULT_TYPE, "max", "a whole number"},
    {BYTES("\x81\xa3max\xca\x3f\x80\x00\x00"), AW_FAULT_TYPE, "max", "a whole number"},
    {BYTES("\x81\xa3max\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), AW_FAULT_RANGE, "max", "from 1 to 100"},
    {BYTES("\x81\xa3max\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), AW_FAULT_RANGE, "max", "from 1 to 100"},
    {BYTES("\x81\xa3max\xe0"), AW_FAULT_RANGE, "max", "from 1 to 100"},
    {BYTES("\x81\xa3max\xc0"), AW_FAULT_TYPE, "max", "not null"},
    {BYTES("\x81\xa1z\x91\x91\x91\x91\x91\x91\x91\x91\x01"), AW_FAULT_DEPTH, "z[0][0][0][0][0][0][0]", "nested too deep"},
    {BYTES("\xde\x00\x41"
           "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
           "8901234567890"),
     AW_FAULT_MANY, "", "has 65 keys"},
};

static void
test_msgpack_made_to_hurt(void **state)
{
    struct rig *rig = *state;

    for (size_t i = 0; i < AW_ARRAY_LEN(hurts); i++) {
        struct aw_proto_problem problem = {.err = AW_OK};
        struct aw_pull_request  pull;
        /* A copy of exactly that length: the address sanitizer sees a read behind it. */
        char       *body = malloc(hurts[i].body.len);
        enum aw_err err;

        memcpy(body, hurts[i].body.ptr, hurts[i].body.len);
        err = aw_proto_decode_pull(&rig->arena, AW_MEDIA_MSGPACK, aw_slice_of(body, hurts[i].body.len), &pull, &problem);
        if (err == AW_OK || problem.fault != hurts[i].fault || strcmp(problem.field, hurts[i].field) != 0 ||
            strstr(problem.detail, hurts[i].words) == NULL)
            fail_msg("row %zu gave fault %d, field \"%s\": %s", i, problem.fault, problem.field, problem.detail);
        free(body);
    }
}

static void
test_deep_and_endless(void **state)
{
    static const char *const elements[] = {"1,", "{},", "[],", "\"\","};
    struct rig              *rig = *state;
    struct aw_proto_problem  problem;
    struct aw_message        message;
    char                    *body = malloc(AW_BODY_BYTES_MAX);
    struct aw_slice          whole = aw_slice_of(body, AW_BODY_BYTES_MAX);

    memset(body, '[', AW_BODY_BYTES_MAX);
    assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, whole, true, &message, &problem), AW_E_MALFORMED);
    assert_int_equal(problem.fault, AW_FAULT_DEPTH);
    memset(body, 0x91, AW_BODY_BYTES_MAX);
    assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_MSGPACK, whole, true, &message, &problem), AW_E_MALFORMED);
    assert_int_equal(problem.fault, AW_FAULT_DEPTH);
    /* Hundreds of thousands of values: refused for their number, not by running out of memory. */
    for (unsigned i = 0; i < AW_ARRAY_LEN(elements); i++) {
        size_t len = strlen(elements[i]);
        size_t at = 1;

        for (body[0] = '['; at + 2 * len < AW_BODY_BYTES_MAX; at += len)
            memcpy(body + at, elements[i], len);
        body[at - 1] = ']'; /* in the place of the last comma */
        assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, aw_slice_of(body, at), true, &message, &problem),
                         AW_E_BAD_VALUE);
        assert_int_equal(problem.fault, AW_FAULT_MANY);
    }
    memset(body, 0xc0, AW_BODY_BYTES_MAX);
    memcpy(body, "\xdd\x00\x0f\xff\xfb", 5);
    assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_MSGPACK, whole, true, &message, &problem), AW_E_BAD_VALUE);
    assert_int_equal(problem.fault, AW_FAULT_MANY);
    free(body);
}

/* --- The quick reader and jansson ------------------------------------------------------------------------------------------- */

enum reading { QUICK, JUDGED, REFUSED };

struct shape {
    const char  *body;
    enum reading reading; /* who takes it */
};

static const struct shape shapes[] = {
    {"{}", QUICK},
    {" { \"a\" : [ 1 , -2 , true , false , null , \"x\" , { } , [ ] ] }\r\n\t ", QUICK},
    {"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\udeeb\"}", QUICK},
    {"{\"a\":\"\\u0000\"}", QUICK},
    {"{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x9b\xab\"}", QUICK},
    {"{\"a\":-0,\"b\":0,\"c\":999999999999999999,\"d\":-999999999999999999}", QUICK},
    {"{\"\":1}", QUICK},
    {"\"text\"", QUICK},
    {"[[[[[[[[]]]]]]]]", QUICK},
    {"{\"a\":9223372036854775807}", JUDGED},
    {"{\"a\":-9223372036854775808}", JUDGED},
    {"{\"a\":1.5}", JUDGED},
    {"{\"a\":1e2}", JUDGED},
    {"{\"\\u0061\":1}", JUDGED},
    {"{\"a\":9223372036854775808}", REFUSED},
    {"{\"a\":1e999}", REFUSED},
    {"{\"a\":1,\"a\":2}", REFUSED},
    {"{\"\\u0000\":1}", REFUSED},
    {"[[[[[[[[[]]]]]]]]]", REFUSED},
    {"{\"a\":01}", REFUSED},
    {"{\"a\":-}", REFUSED},
    {"{\"a\":+1}", REFUSED},
    {"{\"a\":.5}", REFUSED},
    {"{\"a\":1.}", REFUSED},
    {"{\"a\":tru}", REFUSED},
    {"{\"a\":truE}", REFUSED},
    {"{\"a\":True}", REFUSED},
    {"{\"a\":NaN}", REFUSED},
    {"{'a':1}", REFUSED},
    {"{\"a\":1,}", REFUSED},
    {"[1,]", REFUSED},
    {"{\"a\" 1}", REFUSED},
    {"{\"a\":1}}", REFUSED},
    {"{\"a\":\"\x01\"}", REFUSED},
    {"{\"a\":\"\\x41\"}", REFUSED},
    {"{\"a\":\"\\u12g4\"}", REFUSED},
    {"{\"a\":\"\\ud800\"}", REFUSED},
    {"{\"a\":\"\\ud800\\u0041\"}", REFUSED},
    {"{\"a\":\"\\udc00\"}", REFUSED},
    {"{\"a\":\"\xff\"}", REFUSED},
    {"{\"a\":\"\xf4\x90\x80\x80\"}", REFUSED},
    {"{\"a\":\"\\", REFUSED},
    {"{\"a\":\"\\u00", REFUSED},
    {"// comment\n{}", REFUSED},
    {"{\v}", REFUSED},
};

static enum reading
read_both(struct rig *rig, struct aw_slice body)
{
    struct aw_scratch      *scratch = aw_scratch_begin();
    struct aw_proto_problem problem;
    msgpack_object          quick;
    msgpack_object          judged;
    bool                    is_quick;
    enum aw_err             err;

    assert_non_null(scratch);
    is_quick = aw_json_scan(scratch, &rig->arena, body, &quick);
    err = aw_tree_from_json_judged(scratch, &rig->arena, body, &judged, &problem);
    if (is_quick && (err != AW_OK || !msgpack_object_equal(quick, judged)))
        fail_msg("the readers differ on %.*s", AW_SLICE_ARGS(body));
    aw_scratch_end(scratch);
    return is_quick ? QUICK : err == AW_OK ? JUDGED : REFUSED;
}

static void
test_readers_agree(void **state)
{
    for (size_t i = 0; i < AW_ARRAY_LEN(shapes); i++) {
        enum reading reading = read_both(*state, aw_slice_str(shapes[i].body));

        if (reading != shapes[i].reading)
            fail_msg("%s: %d", shapes[i].body, reading);
    }
}

/* Every prefix and every changed byte of a good body: no reader crashes, and they agree. */
static void
test_damaged_bodies(void **state)
{
    struct rig     *rig = *state;
    struct aw_slice json = rig_file(rig, "tests/golden/message_full.json");
    uint32_t        readings[3] = {0};

    for (size_t len = 0; len < json.len; len++) {
        char *body = malloc(len + 1);

        memcpy(body, json.ptr, len);
        (void)read_both(rig, aw_slice_of(body, len));
        free(body);
    }
    for (size_t i = 0; i < json.len; i++) {
        for (unsigned change = 1; change < 256; change = change * 2 + 1) {
            char *body = malloc(json.len);

            memcpy(body, json.ptr, json.len);
            body[i] = (char)(body[i] ^ (char)change);
            readings[read_both(rig, aw_slice_of(body, json.len))]++;
            free(body);
        }
    }
    assert_true(readings[QUICK] > 100);
    assert_true(readings[REFUSED] > 100);
}

static void
test_damaged_msgpack(void **state)
{
    struct rig             *rig = *state;
    struct aw_slice         json = rig_file(rig, "tests/golden/message_full.json");
    struct aw_proto_problem problem;
    struct aw_message       message;
    struct aw_slice         good;
    uint32_t                taken = 0;
    uint32_t                copied = 0;

    assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, json, false, &message, &problem), AW_OK);
    good = rig_write(rig, AW_MEDIA_MSGPACK, AW_OBJECT_MESSAGE, &message);
    for (size_t i = 0; i < 2 * good.len; i++) {
        bool   cut = i < good.len;
        size_t len = cut ? i : good.len;

        for (unsigned value = 0; value < (cut ? 1 : 256); value++) {
            char            *body = malloc(len + 1);
            struct aw_buffer buffer;
            struct aw_writer writer;
            struct aw_slice  slice = aw_slice_of(body, len);

            memcpy(body, good.ptr, len);
            if (!cut)
                body[i - good.len] = (char)value;
            aw_buffer_init(&buffer, &rig->arena);
            aw_writer_init(&writer, &buffer, AW_MEDIA_JSON);
            taken += aw_proto_decode_message(&rig->arena, AW_MEDIA_MSGPACK, slice, false, &message, &problem) == AW_OK;
            copied += aw_writer_copy(&writer, slice);
            (void)aw_proto_body_get(slice, AW_SLICE("meta"));
            free(body);
        }
    }
    assert_true(copied >= taken);
    assert_true(taken > good.len); /* itself, and letters changed into other letters */
}

/* --- Memory ----------------------------------------------------------------------------------------------------------------- */

/* Every allocation from the arena fails once, by a pool that ends there; then every one of jansson's. */
static void
test_out_of_memory(void **state)
{
    static const char *const bodies[] = {"tests/golden/message_full.json", "tests/golden/message_text_forms.json"};
    struct rig              *rig = *state;
    uint32_t                 failures = 0;

    for (size_t i = 0; i < AW_ARRAY_LEN(bodies); i++) {
        struct aw_slice json = rig_file(rig, bodies[i]);
        enum aw_err     err = AW_E_MEMORY;

        for (size_t room = 0; err != AW_OK; room += 48) {
            struct aw_blocks       *blocks = aw_blocks_new(512, room);
            struct aw_arena         arena;
            struct aw_proto_problem problem;
            struct aw_message       message;

            aw_arena_init(&arena, blocks);
            err = aw_proto_decode_message(&arena, AW_MEDIA_JSON, json, true, &message, &problem);
            if (err != AW_OK) {
                assert_int_equal(err, AW_E_MEMORY);
                assert_int_equal(problem.fault, AW_FAULT_MEMORY);
                failures++;
            }
            aw_arena_reset(&arena);
            aw_blocks_free(&blocks);
            assert_true(room < AW_MIB);
        }
    }
    assert_true(failures > 5);
}

static void
test_out_of_memory_in_jansson(void **state)
{
    struct rig *rig = *state;
    enum aw_err err = AW_E_MEMORY;
    uint32_t    nth = 0;

    /* A fraction in an unknown field is nothing for the quick reader. */
    while (err != AW_OK) {
        struct aw_proto_problem problem;
        struct aw_message       message;

        assert_true(nth < 1000);
        aw_scratch_fail_at(++nth);
        err = aw_proto_decode_message(
            &rig->arena, AW_MEDIA_JSON,
            AW_SLICE(
                "{\"channel\":\"web\",\"source_id\":\"1\",\"customer\":\"c\",\"text\":\"a long text that grows its buffer more "
                "than once\",\"x\":1.5,\"meta\":{\"a\":\"b\"},\"tags\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]}"),
            true, &message, &problem);
        if (err != AW_OK) {
            assert_int_equal(err, AW_E_MEMORY);
            assert_int_equal(problem.fault, AW_FAULT_MEMORY);
        }
    }
    aw_scratch_fail_at(0);
    assert_true(nth > 20);
}

/* An answer that finds no room fails by its buffer, never by a wrong byte. */
static void
test_no_room_for_an_answer(void **state)
{
    struct rig             *rig = *state;
    struct aw_slice         json = rig_file(rig, "tests/golden/message_full.json");
    struct aw_proto_problem problem;
    struct aw_message       message;
    struct aw_slice         whole;

    assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, json, false, &message, &problem), AW_OK);
    for (unsigned media = AW_MEDIA_JSON; media <= AW_MEDIA_MSGPACK; media++) {
        whole = rig_write(rig, (enum aw_media)media, AW_OBJECT_MESSAGE, &message);
        for (size_t room = 0; room <= whole.len; room++) {
            char            *bytes = malloc(room + 1);
            struct aw_buffer buffer;
            struct aw_writer writer;

            aw_buffer_init_fixed(&buffer, bytes, room);
            aw_writer_init(&writer, &buffer, (enum aw_media)media);
            aw_proto_write_object(&writer, AW_OBJECT_MESSAGE, &message);
            /* A MessagePack map of more than 15 fields needs its two more bytes only at its end: any room but all is too little.
             * */
            assert_int_equal(buffer.failed, room < whole.len);
            if (!buffer.failed)
                assert_memory_equal(bytes, whole.ptr, whole.len);
            free(bytes);
        }
    }
}

/* --- Threads ---------------------------------------------------------------------------------------------------------------- */

/* A thread decodes by both parsers, then ends: its scratch goes with it (the address sanitizer would tell). */
static void *
decode_much(void *arg)
{
    static const char json[] = "{\"channel\":\"web\",\"source_id\":\"1\",\"customer\":\"c\",\"text\":\"t\",\"x\":1.5}";
    void             *state;
    struct rig       *rig;
    uintptr_t         taken = 0;

    (void)arg;
    (void)rig_setup(&state);
    rig = state;
    for (int i = 0; i < 2000; i++) {
        struct aw_proto_problem problem;
        struct aw_message       message;
        struct aw_slice         stored;

        /* The fraction brings jansson in. */
        taken += aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, AW_SLICE(json), true, &message, &problem) == AW_OK;
        stored = rig_write(rig, AW_MEDIA_MSGPACK, AW_OBJECT_MESSAGE, &message);
        taken += aw_proto_decode_message(&rig->arena, AW_MEDIA_MSGPACK, stored, false, &message, &problem) == AW_OK;
        aw_arena_reset(&rig->arena);
    }
    (void)rig_teardown(&state);
    return (void *)taken;
}

static void
test_threads(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, decode_much, NULL), 0);
    for (size_t i = 0; i < AW_ARRAY_LEN(threads); i++) {
        void *taken;

        assert_int_equal(pthread_join(threads[i], &taken), 0);
        assert_int_equal((uintptr_t)taken, 4000);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_msgpack_made_to_hurt),     rig_test(test_deep_and_endless),      rig_test(test_readers_agree),
        rig_test(test_damaged_bodies),           rig_test(test_damaged_msgpack),       rig_test(test_out_of_memory),
        rig_test(test_out_of_memory_in_jansson), rig_test(test_no_room_for_an_answer), rig_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
