/* Media types and Accept fields; and bodies of several values. How: tables. */
#include "proto_rig.h"

static void
test_content_types(void **state)
{
    static const struct {
        const char   *text;
        bool          ok;
        enum aw_media media;
    } rows[] = {
        {"application/json", true, AW_MEDIA_JSON},
        {"Application/JSON", true, AW_MEDIA_JSON},
        {" application/json ; charset=utf-8", true, AW_MEDIA_JSON},
        {"application/json;charset=\"UTF-8\"", true, AW_MEDIA_JSON},
        {"application/json; profile=\"a;charset=latin1\"", true, AW_MEDIA_JSON},
        {"application/json;", true, AW_MEDIA_JSON},
        {"application/json; charset=iso-8859-1", false, AW_MEDIA_COUNT},
        {"application/msgpack", true, AW_MEDIA_MSGPACK},
        {"application/x-ndjson", true, AW_MEDIA_NDJSON},
        {"application/vnd.msgpack-seq", true, AW_MEDIA_MSGPACK_SEQ},
        {"application/x-msgpack", false, AW_MEDIA_COUNT},
        {"text/html", false, AW_MEDIA_COUNT},
        {"application/jsonx", false, AW_MEDIA_COUNT},
        {"", false, AW_MEDIA_COUNT},
    };

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(rows); i++) {
        enum aw_media media = AW_MEDIA_COUNT;

        if (aw_media_parse(aw_slice_str(rows[i].text), &media) != rows[i].ok || media != rows[i].media)
            fail_msg("%s: %d", rows[i].text, media);
    }
    for (unsigned i = 0; i < AW_MEDIA_COUNT; i++) {
        enum aw_media media = AW_MEDIA_COUNT;

        assert_true(aw_media_parse(aw_media_type((enum aw_media)i), &media));
        assert_int_equal(media, i);
    }
}

static void
test_accept(void **state)
{
    static const enum aw_media offered[] = {AW_MEDIA_JSON, AW_MEDIA_MSGPACK};
    static const struct {
        const char   *accept;
        enum aw_media media; /* AW_MEDIA_COUNT: 406 */
    } rows[] = {
        {"", AW_MEDIA_JSON},
        {"*/*", AW_MEDIA_JSON},
        {"application/*", AW_MEDIA_JSON},
        {"application/msgpack", AW_MEDIA_MSGPACK},
        {"application/msgpack, */*;q=0.1", AW_MEDIA_MSGPACK},
        {"application/json;q=0.5, application/msgpack", AW_MEDIA_MSGPACK},
        {"application/json;q=0.5, application/msgpack;q=0.499", AW_MEDIA_JSON},
        {"application/json;q=0, */*", AW_MEDIA_MSGPACK},
        {"application/json;q=0.000", AW_MEDIA_COUNT},
        {"text/html", AW_MEDIA_COUNT},
        {"text/html, application/json", AW_MEDIA_JSON},
        {"text/*", AW_MEDIA_COUNT},
        {"APPLICATION/MSGPACK;Q=1", AW_MEDIA_MSGPACK},
        {"application/json;profile=\"a,b;q=0\"", AW_MEDIA_JSON},
        {"application/json;q=broken", AW_MEDIA_JSON},
        {",,,", AW_MEDIA_COUNT},
        {"application/msgpack;q=1.0, application/json;q=1.0", AW_MEDIA_JSON},
    };

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(rows); i++) {
        enum aw_media media = AW_MEDIA_COUNT;
        bool          ok = aw_media_negotiate(aw_slice_str(rows[i].accept), offered, AW_ARRAY_LEN(offered), &media);

        if (media != rows[i].media || ok != (rows[i].media != AW_MEDIA_COUNT))
            fail_msg("%s: %d", rows[i].accept, media);
    }
}

static void
test_problem_media(void **state)
{
    static const struct {
        const char   *accept;
        enum aw_media body;
        enum aw_media media;
    } rows[] = {
        {"", AW_MEDIA_JSON, AW_MEDIA_PROBLEM_JSON},
        {"", AW_MEDIA_MSGPACK_SEQ, AW_MEDIA_PROBLEM_MSGPACK},
        {"*/*", AW_MEDIA_MSGPACK, AW_MEDIA_PROBLEM_MSGPACK},
        {"application/msgpack", AW_MEDIA_JSON, AW_MEDIA_PROBLEM_MSGPACK},
        {"application/problem+msgpack", AW_MEDIA_JSON, AW_MEDIA_PROBLEM_MSGPACK},
        {"application/json", AW_MEDIA_MSGPACK, AW_MEDIA_PROBLEM_JSON},
        {"application/msgpack, application/problem+json", AW_MEDIA_JSON, AW_MEDIA_PROBLEM_JSON},
        {"text/html", AW_MEDIA_MSGPACK, AW_MEDIA_PROBLEM_JSON},
    };

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(rows); i++)
        assert_int_equal(aw_media_for_problem(aw_slice_str(rows[i].accept), rows[i].body), rows[i].media);
}

static void
test_ndjson(void **state)
{
    static const struct {
        const char *text;
        uint32_t    number;
    } expected[] = {{"{\"a\":1}", 1}, {"{}", 4}, {"x", 5}, {"last", 7}};
    struct aw_proto_problem problem;
    struct aw_lines         lines;
    struct aw_line          line;
    uint32_t                count = 0;

    (void)state;
    assert_int_equal(aw_lines_init(&lines, AW_MEDIA_NDJSON, AW_SLICE("{\"a\":1}\r\n\n \t\r\n  {}\nx\n\r\nlast"), &problem),
                     AW_OK);
    while (aw_lines_next(&lines, &line, &problem) == AW_OK) {
        assert_slice(line.bytes, expected[count].text);
        assert_int_equal(line.number, expected[count].number);
        count++;
    }
    assert_int_equal(count, AW_ARRAY_LEN(expected));
    assert_int_equal(aw_lines_next(&lines, &line, &problem), AW_E_AGAIN);
    assert_int_equal(aw_lines_init(&lines, AW_MEDIA_NDJSON, AW_SLICE(""), &problem), AW_OK);
    assert_int_equal(aw_lines_next(&lines, &line, &problem), AW_E_AGAIN);
    assert_int_equal(aw_lines_init(&lines, AW_MEDIA_JSON, AW_SLICE("{\n}"), &problem), AW_OK);
    assert_int_equal(aw_lines_next(&lines, &line, &problem), AW_OK);
    assert_slice(line.bytes, "{\n}");
    assert_int_equal(aw_lines_next(&lines, &line, &problem), AW_E_AGAIN);
}

static void
test_msgpack_sequence(void **state)
{
    struct aw_proto_problem problem;
    struct aw_lines         lines;
    struct aw_line          line;

    (void)state;
    assert_int_equal(aw_lines_init(&lines, AW_MEDIA_MSGPACK_SEQ, AW_SLICE("\x81\xa1z\x91\x01\x80\xc1\x80"), &problem), AW_OK);
    assert_int_equal(aw_lines_next(&lines, &line, &problem), AW_OK);
    assert_int_equal(line.bytes.len, 5);
    assert_int_equal(aw_lines_next(&lines, &line, &problem), AW_OK);
    assert_int_equal(line.bytes.len, 1);
    assert_int_equal(line.number, 2);
    assert_int_equal(aw_lines_next(&lines, &line, &problem), AW_E_MALFORMED);
    assert_int_equal(line.number, 3);
    assert_non_null(strstr(problem.detail, "ends the sequence: from byte 6 on"));
    assert_int_equal(aw_lines_next(&lines, &line, &problem), AW_E_AGAIN);
}

/* 10,000 lines are taken, one more is not; blank ones do not count. */
static void
test_lines_limit(void **state)
{
    struct rig *rig = *state;

    for (unsigned over = 0; over < 2; over++) {
        struct aw_proto_problem problem;
        struct aw_lines         lines;
        struct aw_line          line;
        struct aw_buffer        ndjson;
        struct aw_buffer        sequence;
        uint32_t                count = 0;

        aw_buffer_init(&ndjson, &rig->arena);
        aw_buffer_init(&sequence, &rig->arena);
        for (unsigned i = 0; i < AW_BATCH_LINES_MAX + over; i++) {
            aw_buffer_add_str(&ndjson, "{}\n\n");
            aw_buffer_add_str(&sequence, "\x80");
        }
        assert_int_equal(aw_lines_init(&lines, AW_MEDIA_MSGPACK_SEQ, aw_buffer_slice(&sequence), &problem),
                         over ? AW_E_BODY_LARGE : AW_OK);
        assert_int_equal(aw_lines_init(&lines, AW_MEDIA_NDJSON, aw_buffer_slice(&ndjson), &problem),
                         over ? AW_E_BODY_LARGE : AW_OK);
        if (over) {
            assert_non_null(strstr(problem.detail, "more than 10000 lines"));
            return;
        }
        while (aw_lines_next(&lines, &line, &problem) == AW_OK)
            count++;
        assert_int_equal(count, AW_BATCH_LINES_MAX);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_content_types), rig_test(test_accept),           rig_test(test_problem_media),
        rig_test(test_ndjson),        rig_test(test_msgpack_sequence), rig_test(test_lines_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
