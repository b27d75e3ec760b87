/* Answers: every field of every answer, in JSON byte for byte, and the same in MessagePack.
 * How: the JSON is written out here; the MessagePack is copied into JSON and must be that text. */
#include "proto_rig.h"

#include "proto/tree.h"

static const struct aw_slice     reasons[] = {{"flight \"KL1234\"", 15}, {"rule 7", 6}};
static const struct aw_ticket_id ticket = {.seq = 1234567, .slot = 89, .shard = 1};
#define TICKET_TEXT "t01000002s15nm7"

/* Both forms are valid, and say the same: `expected`. */
static void
check(struct rig *rig, struct aw_slice json, struct aw_slice msgpack, const char *expected)
{
    struct aw_proto_problem problem;
    struct aw_buffer        buffer;
    struct aw_writer        writer;

    if (!aw_slice_eq(json, aw_slice_str(expected)))
        fail_msg("\n  wrote    %.*s\n  expected %s", AW_SLICE_ARGS(json), expected);
    if (aw_msgpack_check(msgpack, &problem) != AW_OK)
        fail_msg("%s: %s", expected, problem.detail);
    aw_buffer_init(&buffer, &rig->arena);
    aw_writer_init(&writer, &buffer, AW_MEDIA_JSON);
    assert_true(aw_writer_copy(&writer, msgpack));
    if (!aw_slice_eq(aw_buffer_slice(&buffer), json))
        fail_msg("\n  MessagePack says %.*s\n  JSON says        %s", AW_SLICE_ARGS(aw_buffer_slice(&buffer)), expected);
}

/* Runs `statement`, which writes with `writer`, for both encodings, and checks what comes out. */
#define CHECK(rig, expected, statement)                                                                                          \
    do {                                                                                                                         \
        struct aw_slice slices_[2];                                                                                              \
        for (unsigned i_ = 0; i_ < 2; i_++) {                                                                                    \
            struct aw_buffer buffer_;                                                                                            \
            struct aw_writer writer;                                                                                             \
            aw_buffer_init(&buffer_, &(rig)->arena);                                                                             \
            aw_writer_init(&writer, &buffer_, i_ == 0 ? AW_MEDIA_JSON : AW_MEDIA_MSGPACK);                                       \
            statement;                                                                                                           \
            assert_false(buffer_.failed);                                                                                        \
            slices_[i_] = aw_buffer_slice(&buffer_);                                                                             \
        }                                                                                                                        \
        check((rig), slices_[0], slices_[1], (expected));                                                                        \
    } while (0)

static struct aw_sha256
a_hash(void)
{
    struct aw_sha256 hash;

    for (size_t i = 0; i < sizeof(hash.bytes); i++)
        hash.bytes[i] = (uint8_t)(i * 8 + 7);
    return hash;
}
#define HASH_TEXT "070f171f272f373f474f575f676f777f878f979fa7afb7bfc7cfd7dfe7eff7ff"

static struct aw_slice
a_body(struct rig *rig, const char *json)
{
    struct aw_proto_problem problem;
    struct aw_message       message;

    if (aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, aw_slice_str(json), false, &message, &problem) != AW_OK)
        fail_msg("%s", problem.detail);
    return rig_write(rig, AW_MEDIA_MSGPACK, AW_OBJECT_MESSAGE, &message);
}

static void
test_receipt(void **state)
{
    struct rig       *rig = *state;
    struct aw_receipt receipt = {.message = {.seq = 40, .shard = 1},
                                 .ticket = ticket,
                                 .lane = AW_SLICE("main"),
                                 .class_ = AW_CLASS_GENERAL,
                                 .commit = {.index = UINT64_MAX, .hash = a_hash()}};

    CHECK(rig,
          "{\"message\":\"m0118\",\"ticket\":\"" TICKET_TEXT "\",\"lane\":\"main\",\"class\":\"general\",\"reasons\":[],"
          "\"folded\":false,\"duplicate\":false,\"promise\":null,\"commit\":{\"index\":18446744073709551615,\"hash\":\"" HASH_TEXT
          "\"}}",
          aw_proto_write_receipt(&writer, &receipt));
    receipt.related = (struct aw_ticket_id){.seq = 2, .slot = 3, .shard = 1};
    receipt.reasons = reasons;
    receipt.reason_count = 2;
    receipt.folded = receipt.reopened = receipt.duplicate = receipt.differs = true;
    receipt.promise = (struct aw_promise){.made_at = 1000, .half_by = 61000, .nine_of_ten_by = 3601000};
    receipt.commit.index = 7;
    CHECK(rig,
          "{\"message\":\"m0118\",\"ticket\":\"" TICKET_TEXT "\",\"related\":\"t0100000032\","
          "\"lane\":\"main\",\"class\":\"general\",\"reasons\":[\"flight \\\"KL1234\\\"\",\"rule 7\"],\"folded\":true,"
          "\"reopened\":true,\"duplicate\":true,\"differs\":true,\"promise\":{\"made_at\":\"1970-01-01T00:00:01.000Z\","
          "\"half_by\":\"1970-01-01T00:01:01.000Z\",\"nine_of_ten_by\":\"1970-01-01T01:00:01.000Z\"},\"commit\":{\"index\":7,"
          "\"hash\":\"" HASH_TEXT "\"}}",
          aw_proto_write_receipt(&writer, &receipt));
}

static void
test_lease(void **state)
{
    struct rig              *rig = *state;
    struct aw_stored_message messages[3] = {
        {.id = {.seq = 1},
         .accepted_at = 1000,
         .body = a_body(rig, "{\"channel\":\"web\",\"source_id\":\"1\",\"customer\":\"c\","
                             "\"text\":\"a\",\"flights\":[{\"number\":\"KL1\",\"from\":\"AMS\"},"
                             "{\"number\":\"KL2\",\"date\":\"2026-04-15\"}]}")},
        {.id = {.seq = 2}, .accepted_at = 2000, .erased = true},
        {.id = {.seq = 3},
         .accepted_at = 3000,
         .body = a_body(rig, "{\"channel\":\"web\",\"source_id\":\"2\",\"customer\":\"c\","
                             "\"text\":\"b\",\"flights\":[{\"number\":\"KL2\",\"date\":\"2026-04-16\"},"
                             "{\"number\":\"KL1\",\"to\":\"LHR\"}]}")},
    };
    struct aw_lease_answer lease = {.lease = AW_SLICE("lTOKEN"),
                                    .ticket = ticket,
                                    .lane = AW_SLICE("en"),
                                    .reasons = reasons,
                                    .reason_count = 1,
                                    .class_ = AW_CLASS_CARE,
                                    .gentle = true,
                                    .opened_at = 2000,
                                    .age_from = 1000,
                                    .waited_s = 77,
                                    .expires_at = 300000,
                                    .expires_in_s = 290,
                                    .attempt = 2,
                                    .customer = AW_SLICE("c"),
                                    .channel = AW_SLICE("web"),
                                    .account = AW_SLICE("main"),
                                    .visibility = AW_VISIBILITY_PRIVATE,
                                    .messages = messages,
                                    .message_count = 3,
                                    .messages_total = 300};

    CHECK(rig,
          "{\"leases\":[{\"lease\":\"lTOKEN\",\"ticket\":\"" TICKET_TEXT "\",\"lane\":\"en\",\"class\":\"care\","
          "\"reasons\":[\"flight \\\"KL1234\\\"\"],\"gentle\":true,\"opened_at\":\"1970-01-01T00:00:02.000Z\","
          "\"age_from\":\"1970-01-01T00:00:01.000Z\",\"waited_s\":77,\"expires_at\":\"1970-01-01T00:05:00.000Z\","
          "\"expires_in_s\":290,\"attempt\":2,\"customer\":\"c\",\"reply_to\":{\"channel\":\"web\",\"account\":\"main\","
          "\"visibility\":\"private\",\"reply_by\":null},\"promise\":null,\"incident\":null,"
          "\"flights\":[{\"number\":\"KL2\",\"date\":\"2026-04-16\"},{\"number\":\"KL1\",\"to\":\"LHR\"},"
          "{\"number\":\"KL2\",\"date\":\"2026-04-15\"}],\"previous\":[],\"messages_total\":300,"
          "\"messages\":[{\"message\":\"m001\",\"accepted_at\":\"1970-01-01T00:00:01.000Z\",\"channel\":\"web\",\"source_id\":"
          "\"1\","
          "\"customer\":\"c\",\"text\":\"a\",\"flights\":[{\"number\":\"KL1\",\"from\":\"AMS\"},{\"number\":\"KL2\","
          "\"date\":\"2026-04-15\"}]},{\"message\":\"m002\",\"accepted_at\":\"1970-01-01T00:00:02.000Z\",\"erased\":true},"
          "{\"message\":\"m003\",\"accepted_at\":\"1970-01-01T00:00:03.000Z\",\"channel\":\"web\",\"source_id\":\"2\","
          "\"customer\":\"c\",\"text\":\"b\",\"flights\":[{\"number\":\"KL2\",\"date\":\"2026-04-16\"},{\"number\":\"KL1\","
          "\"to\":\"LHR\"}]}]}]}",
          assert_true(aw_proto_write_leases(&writer, &lease, 1)));
    CHECK(rig, "{\"leases\":[]}", assert_true(aw_proto_write_leases(&writer, NULL, 0)));
    CHECK(rig, "{\"items\":[],\"next\":null}", assert_true(aw_proto_write_held(&writer, NULL, 0, (struct aw_slice){NULL, 0})));
    CHECK(rig, "{\"items\":[],\"next\":\"abc\"}", assert_true(aw_proto_write_held(&writer, NULL, 0, AW_SLICE("abc"))));
    /* A broken body is told, never written. */
    messages[2].body.len--;
    for (unsigned media = AW_MEDIA_JSON; media <= AW_MEDIA_MSGPACK; media++) {
        struct aw_buffer buffer;
        struct aw_writer writer;

        aw_buffer_init(&buffer, &rig->arena);
        aw_writer_init(&writer, &buffer, (enum aw_media)media);
        assert_false(aw_proto_write_lease(&writer, &lease));
    }
}

/* Eight messages with eight flights each: the latest eight. */
static void
test_lease_flights(void **state)
{
    struct rig              *rig = *state;
    struct aw_stored_message messages[2] = {{.id = {.seq = 1}}, {.id = {.seq = 2}}};
    struct aw_lease_answer   lease = {.lease = AW_SLICE("l"), .ticket = ticket, .messages = messages, .message_count = 2};
    struct aw_buffer         buffer;
    struct aw_writer         writer;
    struct aw_slice          text;

    for (unsigned i = 0; i < 2; i++) {
        struct aw_buffer body;

        aw_buffer_init(&body, &rig->arena);
        aw_buffer_add_str(&body, "{\"channel\":\"web\",\"source_id\":\"1\",\"customer\":\"c\",\"text\":\"a\",\"flights\":[");
        for (unsigned flight = 0; flight < AW_FLIGHTS_MAX - i; flight++)
            aw_buffer_printf(&body, "%s{\"number\":\"KL%u\"}", flight > 0 ? "," : "", 100 * (i + 1) + flight);
        aw_buffer_add(&body, "]}", 3);
        messages[i].body = a_body(rig, body.ptr);
    }
    aw_buffer_init(&buffer, &rig->arena);
    aw_writer_init(&writer, &buffer, AW_MEDIA_JSON);
    assert_true(aw_proto_write_lease(&writer, &lease));
    aw_buffer_add(&buffer, "", 1);
    text = aw_buffer_slice(&buffer);
    assert_non_null(strstr(text.ptr,
                           ",\"flights\":[{\"number\":\"KL200\"},{\"number\":\"KL201\"},{\"number\":\"KL202\"},"
                           "{\"number\":\"KL203\"},{\"number\":\"KL204\"},{\"number\":\"KL205\"},{\"number\":\"KL206\"},"
                           "{\"number\":\"KL100\"}],\"previous\""));
}

static void
test_message(void **state)
{
    struct rig       *rig = *state;
    struct aw_receipt receipt = {.message = {.seq = 1}, .ticket = ticket, .lane = AW_SLICE("main"), .commit = {.hash = a_hash()}};
    struct aw_stored_message message = {
        .id = {.seq = 1},
        .accepted_at = 1000,
        .body = a_body(rig, "{\"channel\":\"web\",\"source_id\":\"1\",\"customer\":\"c\",\"text\":\"a\"}")};

    CHECK(rig,
          "{\"message\":\"m001\",\"accepted_at\":\"1970-01-01T00:00:01.000Z\",\"channel\":\"web\",\"source_id\":\"1\","
          "\"customer\":\"c\",\"text\":\"a\",\"receipt\":{\"message\":\"m001\",\"ticket\":\"" TICKET_TEXT
          "\",\"lane\":\"main\",\"class\":\"care\",\"reasons\":[],\"folded\":false,\"duplicate\":false,\"promise\":null,"
          "\"commit\":{\"index\":0,\"hash\":\"" HASH_TEXT "\"}}}",
          assert_true(aw_proto_write_message(&writer, &message, &receipt)));
}

static void
test_ticket(void **state)
{
    struct rig              *rig = *state;
    struct aw_ticket_answer  answer = {.ticket = ticket,
                                       .state = AW_TICKET_WAITING,
                                       .lane = AW_SLICE("main"),
                                       .class_ = AW_CLASS_IMMINENT,
                                       .opened_at = 1000,
                                       .age_from = 1000,
                                       .closed_at = 4000,
                                       .held_until = 5000,
                                       .departs_at = 6000,
                                       .expires_at = 7000,
                                       .holder = AW_SLICE("anna"),
                                       .attempt = 1,
                                       .messages_total = 4,
                                       .version = 9};
    static const char *const states[] = {
        [AW_TICKET_WAITING] = "\"state\":\"waiting\",",
        [AW_TICKET_LEASED] = "\"state\":\"leased\",\"holder\":\"anna\",\"expires_at\":\"1970-01-01T00:00:07.000Z\",",
        [AW_TICKET_HELD] = "\"state\":\"held\",\"held_until\":\"1970-01-01T00:00:05.000Z\",",
        [AW_TICKET_CLOSED] = "\"state\":\"closed\",\"closed_at\":\"1970-01-01T00:00:04.000Z\",",
    };

    for (unsigned i = AW_TICKET_WAITING; i <= AW_TICKET_CLOSED; i++) {
        char expected[1024];

        answer.state = (enum aw_ticket_state)i;
        (void)snprintf(
            expected, sizeof(expected),
            "{\"ticket\":\"" TICKET_TEXT "\",%s\"lane\":\"main\",\"class\":\"imminent\",\"reasons\":[],"
            "\"class_by_person\":false,\"gentle\":false,\"opened_at\":\"1970-01-01T00:00:01.000Z\","
            "\"departs_at\":\"1970-01-01T00:00:06.000Z\",\"reply_by\":null,\"attempt\":1,\"promise\":null,\"incident\":null,"
            "\"version\":9,\"related\":[],\"messages_total\":4,\"replies\":[],\"messages\":[]}",
            states[i]);
        CHECK(rig, expected, assert_true(aw_proto_write_ticket(&writer, &answer)));
    }
}

static void
test_why(void **state)
{
    static const uint64_t       ahead[AW_CLASS_COUNT] = {1, 2, 3, 4, 5};
    const struct aw_lane_helper helper = {.lane = AW_SLICE("dutch"), .after_s = 600};
    const struct aw_before      nearest = {.ticket = ticket, .class_ = AW_CLASS_CARE, .age_from = 2000};
    struct rig                 *rig = *state;
    struct aw_ticket_answer     answer = {.ticket = ticket,
                                          .state = AW_TICKET_WAITING,
                                          .lane = AW_SLICE("main"),
                                          .class_ = AW_CLASS_GENERAL,
                                          .opened_at = 1000,
                                          .age_from = 1000,
                                          .version = 9};
    const struct aw_why_answer  why = {.as_of = 3000,
                                       .order = "ratio",
                                       .queued_at = 1000,
                                       .lane_paused = true,
                                       .helpers = &helper,
                                       .helper_count = 1,
                                       .waited_s = 2,
                                       .allowed_s = 14400,
                                       .part = "ratio",
                                       .in_lane = 20,
                                       .ahead = ahead,
                                       .exact = true,
                                       .nearest = &nearest,
                                       .nearest_count = 1};

#define WHY_HEAD(state)                                                                                                          \
    "{\"ticket\":\"" TICKET_TEXT "\",\"state\":" state ",\"lane\":\"main\",\"class\":\"general\",\"reasons\":[],"                \
    "\"class_by_person\":false,\"gentle\":false,\"opened_at\":\"1970-01-01T00:00:01.000Z\",\"departs_at\":null,"                 \
    "\"reply_by\":null,\"attempt\":0,\"promise\":null,\"incident\":null,\"version\":9,\"related\":[],"                           \
    "\"messages_total\":0,"                                                                                                      \
    "\"as_of\":\"1970-01-01T00:00:03.000Z\",\"order\":\"ratio\""
    CHECK(rig,
          WHY_HEAD(
              "\"waiting\"") ",\"queued_at\":\"1970-01-01T00:00:01.000Z\",\"lane_paused\":true,\"aside\":false,"
                             "\"helped_by\":[{\"lane\":\"dutch\",\"after_s\":600}],\"waited_s\":2,"
                             "\"allowed_s\":14400,\"part\":\"ratio\",\"in_lane\":20,\"ahead\":{\"care\":1,\"imminent\":2,"
                             "\"disrupted\":3,\"general\":4,\"other\":5},\"exact\":true,\"nearest\":[{\"ticket\":\"" TICKET_TEXT
                             "\",\"class\":\"care\",\"age_from\":\"1970-01-01T00:00:02.000Z\",\"departs_at\":null}]}",
          aw_proto_write_why(&writer, &answer, &why));
    answer.state = AW_TICKET_HELD;
    CHECK(rig, WHY_HEAD("\"held\",\"held_until\":null") "}", aw_proto_write_why(&writer, &answer, &why));
#undef WHY_HEAD
}

static void
test_lane(void **state)
{
    static const struct aw_slice langs[] = {{"en", 2}, {"nl", 2}};
    struct rig                  *rig = *state;
    struct aw_lane_answer        lane = {.name = AW_SLICE("main"),
                                         .pause = AW_LANE_PAUSED_OUT,
                                         .match = {.langs = langs, .lang_count = 2},
                                         .waiting = {1, 2, 3, 4, 5},
                                         .leased = 6,
                                         .held = 7,
                                         .helped = 9,
                                         .helpers = {{AW_SLICE("dutch"), 600}, {AW_SLICE("german"), 3600}},
                                         .helper_count = 2,
                                         .version = 8};

    CHECK(rig,
          "{\"items\":[{\"lane\":\"main\",\"pause\":\"out\",\"match\":{\"langs\":[\"en\",\"nl\"],\"channels\":[],\"accounts\":[],"
          "\"tags\":[]},\"overflow\":[{\"lane\":\"dutch\",\"after_s\":600},{\"lane\":\"german\",\"after_s\":3600}],"
          "\"waiting\":{\"care\":1,\"imminent\":2,\"disrupted\":3,\"general\":4,\"other\":5},\"leased\":6,\"held\":7,"
          "\"helped\":9,\"version\":8}],\"next\":null}",
          aw_proto_write_lanes(&writer, &lane, 1, (struct aw_slice){NULL, 0}));
    CHECK(rig, "{\"items\":[],\"next\":\"abc\"}", aw_proto_write_lanes(&writer, NULL, 0, AW_SLICE("abc")));
}

static void
test_done(void **state)
{
    struct rig              *rig = *state;
    struct aw_stored_message message = {.id = {.seq = 5}, .accepted_at = 1000, .erased = true};
    struct aw_done_answer    done = {.lease = AW_SLICE("lX"),
                                     .ticket = ticket,
                                     .state = AW_TICKET_LEASED,
                                     .expires_at = 61000,
                                     .expires_in_s = 60,
                                     .messages = &message,
                                     .message_count = 1};

    CHECK(rig,
          "{\"lease\":\"lX\",\"ticket\":\"" TICKET_TEXT "\",\"state\":\"leased\",\"expires_at\":\"1970-01-01T00:01:01.000Z\","
          "\"expires_in_s\":60,\"duplicate\":false,\"messages\":[{\"message\":\"m005\",\"accepted_at\":\"1970-01-01T00:00:01."
          "000Z\","
          "\"erased\":true}]}",
          assert_true(aw_proto_write_done(&writer, &done)));
    done = (struct aw_done_answer){.ticket = ticket, .state = AW_TICKET_HELD, .version = 3, .duplicate = true};
    CHECK(rig, "{\"ticket\":\"" TICKET_TEXT "\",\"state\":\"held\",\"held_until\":null,\"version\":3,\"duplicate\":true}",
          assert_true(aw_proto_write_done(&writer, &done)));
    done = (struct aw_done_answer){.lease = AW_SLICE("lX"), .ticket = ticket, .state = AW_TICKET_CLOSED};
    CHECK(rig, "{\"lease\":\"lX\",\"ticket\":\"" TICKET_TEXT "\",\"state\":\"closed\",\"duplicate\":false}",
          assert_true(aw_proto_write_done(&writer, &done)));
}

static void
test_problem(void **state)
{
    struct rig              *rig = *state;
    struct aw_proto_problem  wrong;
    struct aw_message        unused;
    struct aw_stored_message message = {.id = {.seq = 5}, .accepted_at = 1000, .erased = true};
    struct aw_problem        problem = {.err = AW_E_STORE_FULL, .retry_after_s = 30};

    CHECK(rig,
          "{\"status\":507,\"type\":\"urn:aswolk:store-full\",\"title\":\"no room in the store; retry after the hinted delay\","
          "\"retry_after_s\":30}",
          aw_proto_write_problem(&writer, &problem));
    problem = (struct aw_problem){.err = AW_E_LEASE_LOST, .state = AW_SLICE("expired"), .detail = AW_SLICE("a\nb")};
    CHECK(rig,
          "{\"status\":409,\"type\":\"urn:aswolk:lease-lost\",\"title\":\"the lease named in the request is no longer held\","
          "\"detail\":\"a\\nb\",\"state\":\"expired\"}",
          aw_proto_write_problem(&writer, &problem));
    problem = (struct aw_problem){.err = AW_E_NEW_MESSAGES};
    CHECK(rig,
          "{\"status\":409,\"type\":\"urn:aswolk:new-messages\",\"title\":\"the customer wrote again; read the new messages "
          "first\","
          "\"messages\":[{\"message\":\"m005\",\"accepted_at\":\"1970-01-01T00:00:01.000Z\",\"erased\":true}]}",
          assert_true(aw_proto_write_problem_messages(&writer, &problem, &message, 1)));
    assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, AW_SLICE("{\"colour\":1}"), false, &unused, &wrong),
                     AW_E_UNKNOWN_FIELD);
    problem = aw_proto_problem_answer(&wrong, 12);
    CHECK(rig,
          "{\"line\":12,\"status\":400,\"type\":\"urn:aswolk:unknown-field\",\"title\":\"a field is not part of this request\","
          "\"detail\":\"colour is not a field of a message\",\"field\":\"colour\"}",
          aw_proto_write_problem(&writer, &problem));
    /* Every error has a problem that can be written; those that are not for clients are told as `internal`. */
    for (unsigned err = AW_OK + 1; err < AW_ERR_COUNT; err++) {
        bool        is_ours = err >= AW_E_IO;
        enum aw_err told = is_ours ? AW_E_INTERNAL : (enum aw_err)err;
        char        expected[512];

        problem = (struct aw_problem){.err = (enum aw_err)err};
        (void)snprintf(expected, sizeof(expected), "{\"status\":%d,\"type\":\"urn:aswolk:%s\",\"title\":\"%s\"}",
                       aw_err_status(problem.err), aw_err_problem(told), aw_err_text(told));
        CHECK(rig, expected, aw_proto_write_problem(&writer, &problem));
    }
}

/* The lines of a batch: JSON ends each with a newline, MessagePack puts one behind the other. */
static void
test_lines(void **state)
{
    struct rig           *rig = *state;
    struct aw_problem     problem = {.err = AW_E_MALFORMED, .line = 1};
    struct aw_problem     unseen = {.err = AW_E_NEW_MESSAGES, .line = 3};
    struct aw_done_answer done = {.ticket = ticket, .state = AW_TICKET_CLOSED};
    struct aw_receipt     receipt = {.message = {.seq = 1}, .ticket = ticket, .lane = AW_SLICE("main")};
    struct aw_slice       written[2];

    for (unsigned i = 0; i < 2; i++) {
        struct aw_buffer buffer;
        struct aw_writer writer;

        aw_buffer_init(&buffer, &rig->arena);
        aw_writer_init(&writer, &buffer, i == 0 ? AW_MEDIA_NDJSON : AW_MEDIA_MSGPACK_SEQ);
        aw_proto_write_problem_line(&writer, &problem);
        assert_true(aw_proto_write_done_line(&writer, 2, 200, &done));
        assert_true(aw_proto_write_problem_messages_line(&writer, &unseen, NULL, 0));
        aw_proto_write_receipt_line(&writer, 4, 202, &receipt);
        written[i] = aw_buffer_slice(&buffer);
    }
    for (unsigned i = 0; i < 2; i++) {
        struct aw_proto_problem wrong;
        struct aw_lines         lines;
        struct aw_line          line;
        uint32_t                count = 0;

        assert_int_equal(aw_lines_init(&lines, i == 0 ? AW_MEDIA_NDJSON : AW_MEDIA_MSGPACK_SEQ, written[i], &wrong), AW_OK);
        while (aw_lines_next(&lines, &line, &wrong) == AW_OK) {
            char start[16];

            count++;
            (void)snprintf(start, sizeof(start), "{\"line\":%u,", count);
            if (i == 0)
                assert_true(aw_slice_starts(line.bytes, aw_slice_str(start)));
            else
                assert_int_equal(aw_proto_body_get(line.bytes, AW_SLICE("line")).ptr[0], count);
        }
        assert_int_equal(count, 4);
    }
}

static void
test_body_get(void **state)
{
    struct rig     *rig = *state;
    struct aw_slice body =
        a_body(rig, "{\"channel\":\"web\",\"source_id\":\"1\",\"customer\":\"c\",\"text\":\"a\",\"tags\":[\"x\"]}");
    struct aw_slice text;

    assert_slice(aw_proto_body_get(body, AW_SLICE("channel")), "\xa3web");
    assert_slice(aw_proto_body_get(body, AW_SLICE("tags")), "\x91\xa1x");
    assert_null(aw_proto_body_get(body, AW_SLICE("lane")).ptr);
    assert_true(aw_proto_body_text(body, AW_SLICE("channel"), &text));
    assert_slice(text, "web");
    assert_false(aw_proto_body_text(body, AW_SLICE("tags"), &text));
    assert_false(aw_proto_body_text(body, AW_SLICE("lane"), &text));
    assert_slice(text, "web");
    assert_null(aw_proto_body_get(AW_SLICE(""), AW_SLICE("lane")).ptr);
    assert_null(aw_proto_body_get(AW_SLICE("\x91\x01"), AW_SLICE("lane")).ptr);
    assert_null(aw_proto_body_get(aw_slice_of(body.ptr, body.len - 1), AW_SLICE("tags")).ptr);
}

/* Of reasons nothing is told that is not theirs, whatever length is claimed and wherever the body breaks off. */
static void
test_message_parts(void **state)
{
    struct rig             *rig = *state;
    struct aw_slice         posted = a_body(rig, "{\"channel\":\"web\",\"source_id\":\"1\",\"customer\":\"c\",\"text\":\"a\"}");
    struct aw_slice         long_ones[AW_REASONS_MAX];
    char                    longest[AW_REASON_BYTES_MAX];
    struct aw_message_parts parts;
    struct aw_buffer        buffer;
    uint32_t                len;

    memset(longest, 'r', sizeof(longest));
    for (size_t i = 0; i < AW_REASONS_MAX; i++)
        long_ones[i] = aw_slice_of(longest, sizeof(longest));
    assert_true(aw_proto_message_parts(posted, 0, &parts));
    assert_true(aw_slice_eq(parts.posted, posted));
    assert_int_equal(parts.reason_count, 0);
    aw_buffer_init(&buffer, &rig->arena);
    aw_buffer_add(&buffer, posted.ptr, posted.len);
    assert_true(aw_proto_encode_reasons(&buffer, NULL, 0));
    assert_int_equal(buffer.len, posted.len);
    assert_true(aw_proto_encode_reasons(&buffer, reasons, 2));
    len = (uint32_t)(buffer.len - posted.len);
    assert_true(aw_proto_message_parts(aw_buffer_slice(&buffer), len, &parts));
    assert_true(aw_slice_eq(parts.posted, posted));
    assert_int_equal(parts.reason_count, 2);
    assert_slice(parts.reasons[0], "flight \"KL1234\"");
    assert_slice(parts.reasons[1], "rule 7");
    for (uint32_t claimed = 1; claimed <= buffer.len + 1; claimed++)
        assert_true(aw_proto_message_parts(aw_buffer_slice(&buffer), claimed, &parts) == (claimed == len));
    for (uint32_t cut = 1; cut < len; cut++)
        assert_false(aw_proto_message_parts(aw_slice_of(buffer.ptr, buffer.len - cut), len - cut, &parts));
    assert_false(aw_proto_message_parts(AW_SLICE("\x91\x01"), 2, &parts));                                  /* no text */
    assert_false(aw_proto_message_parts(AW_SLICE("\x99\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0"), 10, &parts)); /* too many */
    assert_false(aw_proto_message_parts(AW_SLICE("\x81\xa0\xa0"), 3, &parts));                              /* no list */
    aw_buffer_init(&buffer, &rig->arena);
    assert_true(aw_proto_encode_reasons(&buffer, long_ones, AW_REASONS_MAX));
    assert_int_equal(buffer.len, AW_REASONS_ENCODED_BYTES_MAX);
    assert_true(aw_proto_message_parts(aw_buffer_slice(&buffer), AW_REASONS_ENCODED_BYTES_MAX, &parts));
    assert_int_equal(parts.posted.len, 0);
    assert_true(aw_slice_eq(parts.reasons[AW_REASONS_MAX - 1], long_ones[0]));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_receipt), rig_test(test_lease), rig_test(test_lease_flights), rig_test(test_message),
        rig_test(test_ticket),  rig_test(test_why),   rig_test(test_lane),          rig_test(test_done),
        rig_test(test_problem), rig_test(test_lines), rig_test(test_body_get),      rig_test(test_message_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
