/* Proves that a connection which abuses the protocol is ended with the right code and counted under the right cause, that it
 * costs bounded memory until then, and that a client which keeps the rules is not. How: a raw peer in memory sends each flood;
 * one frame fewer than the limit must pass. */
#include "support/http_rig.h"

/* Sends `frame` until the connection ends; returns how many were taken. */
static uint64_t
flood(struct rig *rig, const void *frame, size_t len, uint64_t max)
{
    uint64_t count = 0;

    while (count < max && !aw_session_is_done(rig->session)) {
        rig_feed(rig, frame, len);
        count++;
    }
    return count;
}

static void
rapid_reset(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);
    uint32_t    count = 0;

    (void)state;
    while (!aw_session_is_done(rig->session) && count < 5000) {
        rig_get(rig, 1 + 2 * count, "/");
        rig_u32_frame(rig, NGHTTP2_RST_STREAM, 1 + 2 * count, NGHTTP2_CANCEL);
        count++;
    }
    assert_in_range(count, 200, 210);
    rig_assert_ended(rig, AW_CAUSE_RESET, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(rig->gone, rig->requests - 1); /* the last one ends with the connection */
    rig_end(&rig);
}

/* A client that cancels polls now and then lives on; so does one that cancels a burst. */
static void
honest_resets_pass(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    for (uint32_t i = 0; i < 900; i++) {
        rig_get(rig, 1 + 2 * i, "/");
        rig_u32_frame(rig, NGHTTP2_RST_STREAM, 1 + 2 * i, NGHTTP2_CANCEL);
        if (i >= 150)
            rig->now += AW_NS_PER_S / 15;
        rig_frame(rig, NGHTTP2_PING, 0, 0, "12345678", 8);
        if (i % 15 == 0)
            aw_session_step(rig->session, rig->now);
    }
    assert_int_equal(rig->goaways, 0);
    assert_int_equal(rig->gone, 900);
    rig_end(&rig);
}

/* CVE-2025-8671: the client provokes our resets. */
static void
made_you_reset(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);
    uint32_t    count = 0;

    (void)state;
    while (!aw_session_is_done(rig->session) && count < 5000) {
        rig_get(rig, 1 + 2 * count, "/");
        rig_u32_frame(rig, NGHTTP2_WINDOW_UPDATE, 1 + 2 * count, 0x7fffffff);
        count++;
    }
    assert_in_range(count, 370, 510);
    rig_assert_ended(rig, AW_CAUSE_GLITCH, count > 400 ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_NO_ERROR);
    assert_int_equal(rig->gone, rig->requests); /* the work of each was told to stop */
    rig_end(&rig);
}

static void
malformed_requests(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    uint32_t    count = 0;

    (void)state;
    while (!aw_session_is_done(rig->session) && count < 5000) {
        rig_request(rig, NGHTTP2_FLAG_END_STREAM, 1 + 2 * count, "GET", "/", RIG_FIELDS("Upper", "x"));
        if (count == 0) {
            assert_true(rig->streams[1].is_reset);
            assert_int_equal(rig->streams[1].reset_code, NGHTTP2_PROTOCOL_ERROR);
        }
        count++;
    }
    assert_in_range(count, 370, 510);
    assert_int_equal(rig->requests, 0);
    assert_int_equal(aw_session_cause(rig->session), AW_CAUSE_GLITCH);
    rig_end(&rig);
}

/* At three quarters of the bucket the connection is drained: what is open is still answered. */
static void
glitches_drain_before_they_kill(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    rig_get(rig, 1, "/");
    rig_request(rig, 0, 3, "POST", "/", NULL);
    for (int i = 0; i < 380; i++)
        rig_data(rig, 0, 3, 0);
    assert_int_equal(rig->goaways, 1);
    assert_int_equal(rig->goaway_last[0], 0x7fffffff);
    assert_int_equal(aw_session_cause(rig->session), AW_CAUSE_GLITCH);
    rig_respond(rig, rig->held[0], 200);
    rig_drain(rig);
    assert_int_equal(rig->streams[1].status, 200);
    rig_end(&rig);
}

static void
empty_data_flood(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    uint8_t     frame[9];
    uint64_t    count;

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", NULL);
    rig_frame_head(frame, NGHTTP2_DATA, 0, 1, 0);
    count = flood(rig, frame, sizeof(frame), 100000);
    assert_in_range(count, 500, 502);
    rig_assert_ended(rig, AW_CAUSE_GLITCH, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(rig->requests, 0);
    rig_end(&rig);
}

/* Nothing but padding is empty too. */
static void
padded_empty_data_flood(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    uint8_t     frame[9 + 256] = {0};

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", NULL);
    rig_frame_head(frame, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, 256);
    frame[9] = 255;
    assert_in_range(flood(rig, frame, sizeof(frame), 100000), 500, 502);
    rig_assert_ended(rig, AW_CAUSE_GLITCH, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_end(&rig);
}

/* type, flags, stream, payload; how many are borne; the cause. */
struct control_case {
    const char *name;
    uint8_t     type;
    uint8_t     flags;
    uint32_t    stream;
    size_t      len;
    uint64_t    least;
    uint64_t    most;
};

static void
control_floods(void **state)
{
    static const struct control_case cases[] = {
        {"PING", NGHTTP2_PING, 0, 0, 8, 1900, 2001},
        {"PING ack", NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, 8, 1900, 2001},
        {"SETTINGS", NGHTTP2_SETTINGS, 0, 0, 0, 190, 201},
        {"SETTINGS ack", NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, 0, 1, 2001},
        {"unknown type", 0x42, 0, 0, 20, 1900, 2001},
        {"unknown type on a stream", 0x42, 0xff, 1, 0, 1900, 2001},
        {"PRIORITY on idle streams", NGHTTP2_PRIORITY, 0, 201, 5, 1900, 2001},
        {"PRIORITY_UPDATE", 0x10, 0, 0, 8, 1900, 2001},
        {"GOAWAY", NGHTTP2_GOAWAY, 0, 0, 8, 1, 2001},
        {"DATA on a closed stream", NGHTTP2_DATA, 0, 1, 0, 1900, 2010},
        {"full DATA on a closed stream", NGHTTP2_DATA, 0, 1, 16000, 1900, 2010},
    };
    uint8_t frame[9 + 16384] = {0};

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        struct rig *rig = rig_open(RIG_ANSWER);
        uint64_t    count;

        /* Stream 1 was reset by us: the library ignores what comes behind that. */
        rig_request(rig, 0, 1, "POST", "/", RIG_FIELDS("Upper", "x"));
        assert_true(rig->streams[1].is_reset);
        rig_frame_head(frame, cases[i].type, cases[i].flags, cases[i].stream, cases[i].len);
        count = flood(rig, frame, 9 + cases[i].len, 100000);
        if (count < cases[i].least || count > cases[i].most)
            fail_msg("%s: %llu frames were taken", cases[i].name, (unsigned long long)count);
        if (cases[i].least > 1)
            rig_assert_ended(rig, AW_CAUSE_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM);
        rig_end(&rig);
    }
}

static void
window_update_flood(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    uint8_t     frame[13] = {0};

    (void)state;
    rig_frame_head(frame, NGHTTP2_WINDOW_UPDATE, 0, 0, 4);
    frame[12] = 1;
    assert_in_range(flood(rig, frame, sizeof(frame), 100000), 1900, 2001);
    rig_assert_ended(rig, AW_CAUSE_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_end(&rig);
}

/* A peer that sends and never reads: acks pile up in the library, not in a buffer of ours. */
static void
floods_from_a_deaf_peer(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    uint8_t     frame[17] = {0};
    uint64_t    count = 0;

    (void)state;
    rig->is_deaf = true;
    rig_frame_head(frame, NGHTTP2_PING, 0, 0, 8);
    while (aw_session_wants_read(rig->session) && count < 100000) {
        rig_feed(rig, frame, sizeof(frame));
        count++;
    }
    assert_in_range(count, 200, 203);
    rig->is_deaf = false;
    rig_drain(rig);
    rig_assert_ended(rig, AW_CAUSE_OUTBOUND, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_end(&rig);
}

/* Requests whose answers are never fetched: at most as many as streams, however often they are sent. */
static void
answers_to_a_deaf_peer(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig->is_deaf = true;
    for (uint32_t i = 0; i < 1500 && aw_session_wants_read(rig->session); i++)
        rig_get(rig, 1 + 2 * i, "/");
    assert_true(rig->requests <= 100);
    rig->is_deaf = false;
    rig_drain(rig);
    rig_end(&rig);
}

/* The limit on all queued frames, set below the library's own on acks. */
static void
frames_nobody_fetches(void **state)
{
    struct rig           *rig = malloc(sizeof(*rig));
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;
    int                   count = 0;

    (void)state;
    assert_non_null(rig);
    limits.outbound_frames_max = 20;
    assert_true(rig_init(rig, &limits, 0, 1 << 20));
    assert_true(rig_start(rig));
    rig_hello(rig, 65535);
    rig->is_deaf = true;
    while (aw_session_wants_read(rig->session) && count < 1000) {
        rig_frame(rig, NGHTTP2_PING, 0, 0, "12345678", 8);
        count++;
    }
    assert_in_range(count, 20, 22);
    rig->is_deaf = false;
    rig_drain(rig);
    rig_assert_ended(rig, AW_CAUSE_OUTBOUND, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_close(rig);
    free(rig);
}

static void
large_settings(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    uint8_t     entries[33 * 6];

    (void)state;
    for (size_t i = 0; i < 33; i++)
        memcpy(entries + 6 * i, "\0\4\0\0\xff\xff", 6);
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, entries, 32 * 6);
    assert_int_equal(rig->goaways, 0);
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, entries, 33 * 6);
    assert_int_equal(rig->goaways, 1);
    assert_int_equal(rig->goaway_code[0], NGHTTP2_ENHANCE_YOUR_CALM);
    rig_end(&rig);
}

static void
continuation_flood(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    int         count = 0;

    (void)state;
    rig_frame(rig, NGHTTP2_HEADERS, 0, 1, "\x82\x86\x84", 3);
    while (!aw_session_is_done(rig->session) && count < 1000) {
        rig_frame(rig, NGHTTP2_CONTINUATION, 0, 1, NULL, 0);
        count++;
    }
    assert_int_equal(count, 9);
    rig_assert_ended(rig, AW_CAUSE_CONTINUATION, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_end(&rig);
}

/* 100 fields pass, 101 are answered, 401 reset the stream; one-byte references to the static table are fields like others. */
static void
many_tiny_fields(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    uint8_t     block[16000];
    size_t      blocks_used;

    (void)state;
    memset(block, 0x90, sizeof(block));           /* accept-encoding: gzip, deflate */
    memcpy(block, "\x82\x86\x84\x41\x01\x61", 6); /* GET http / a */
    rig_frame(rig, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block, 6 + 96);
    assert_int_equal(rig->streams[1].status, 200);
    rig_frame(rig, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 3, block, 6 + 97);
    assert_int_equal(rig->streams[3].status, 431);
    blocks_used = aw_blocks_used(rig->blocks);
    rig_frame(rig, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 5, block, sizeof(block));
    assert_int_equal(rig->streams[5].status, 0);
    assert_true(rig->streams[5].is_reset);
    assert_int_equal(aw_blocks_used(rig->blocks), blocks_used);
    assert_int_equal(rig->requests, 1);
    rig_end(&rig);
}

/* Cookie crumbs, and a large value in the dynamic table that is referred to again and again. */
static void
hpack_bomb(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    uint8_t     block[8000];
    size_t      len = 0;

    (void)state;
    memcpy(block, "\x82\x86\x84\x01\x01\x61", 6);
    len = 6;
    memcpy(block + len, "\x40\x01x\x7f\xc1\x1e", 6); /* x: 4032 bytes, indexed; length 127 + 65 + 30 * 128 */
    len += 6;
    memset(block + len, 'b', 4032);
    len += 4032;
    rig_frame(rig, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block, len);
    assert_int_equal(rig->streams[1].status, 200);
    memset(block + 6, 0xbe, sizeof(block) - 6);
    rig_frame(rig, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 3, block, 6 + 10);
    assert_int_equal(rig->streams[3].status, 431);
    rig_frame(rig, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 5, block, sizeof(block));
    assert_true(rig->streams[5].is_reset);
    assert_int_equal(rig->requests, 1);
    assert_true(rig->memory.live < 100);
    memset(block + 6, 0x80 | 32, 300); /* cookie, empty: crumbs count apart */
    rig_frame(rig, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 7, block, 6 + 300);
    assert_int_equal(rig->streams[7].status, 431);
    rig_end(&rig);
}

static void
stream_numbers(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    /* Passed over: an error of the connection. */
    rig_get(rig, 5, "/");
    rig_get(rig, 3, "/");
    rig_assert_ended(rig, AW_CAUSE_PROTOCOL, NGHTTP2_PROTOCOL_ERROR);
    rig_end(&rig);
    /* Closed by a reset of ours: borne, up to the bucket. */
    rig = rig_open(RIG_ANSWER);
    rig_request(rig, 0, 1, "POST", "/", RIG_FIELDS("Upper", "x"));
    for (int i = 0; i < 70; i++) {
        rig_get(rig, 1, "/");
        assert_int_equal(rig->goaways, 0);
    }
    for (int i = 0; i < 31; i++)
        rig_get(rig, 1, "/");
    assert_int_equal(aw_session_cause(rig->session), AW_CAUSE_GLITCH);
    assert_int_equal(rig->requests, 0);
    rig_end(&rig);
    /* Closed in order: RFC 9113 section 5.1 lets nothing follow. */
    rig = rig_open(RIG_ANSWER);
    rig_get(rig, 1, "/");
    rig_get(rig, 1, "/");
    assert_int_equal(rig->goaway_code[0], NGHTTP2_STREAM_CLOSED);
    rig_end(&rig);
    /* Closed so long ago that the number is forgotten: still closed. */
    rig = rig_open(RIG_ANSWER);
    for (uint32_t i = 0; i < 300; i++)
        rig_get(rig, 1 + 2 * i, "/");
    rig_get(rig, 1, "/");
    assert_int_equal(rig->goaways, 0);
    rig_get(rig, 601, "/");
    assert_int_equal(rig->streams[601].status, 200);
    rig_end(&rig);
}

static void
too_many_streams(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        rig_get(rig, 1 + 2 * i, "/");
    assert_int_equal(rig->requests, 100);
    rig_get(rig, 201, "/");
    assert_int_equal(rig->requests, 100);
    rig_assert_ended(rig, AW_CAUSE_PROTOCOL, NGHTTP2_PROTOCOL_ERROR);
    rig_end(&rig);
}

/* Slow peers -------------------------------------------------------------------------------------------------------------------*/

static void
dripped_headers(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    uint8_t     frame[9];
    int         count = 0;

    (void)state;
    rig_frame_head(frame, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, 1000);
    rig_feed(rig, frame, sizeof(frame));
    while (!aw_session_is_done(rig->session) && count < 100) {
        rig_feed(rig, "\x90", 1);
        rig_wait(rig, 1);
        count++;
    }
    assert_int_equal(count, 5);
    rig_assert_ended(rig, AW_CAUSE_FRAME_SLOW, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_end(&rig);
    /* A header block in many frames, or half a frame head. */
    rig = rig_open(RIG_ANSWER);
    rig_frame(rig, NGHTTP2_HEADERS, 0, 1, "\x82\x86\x84", 3);
    rig_wait(rig, 4);
    rig_frame(rig, NGHTTP2_CONTINUATION, 0, 1, "\x82", 0);
    assert_int_equal(rig->goaways, 0);
    rig_wait(rig, 1);
    rig_assert_ended(rig, AW_CAUSE_FRAME_SLOW, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_end(&rig);
    rig = rig_open(RIG_ANSWER);
    rig_feed(rig, "\0\0", 2);
    rig_wait(rig, 5);
    rig_assert_ended(rig, AW_CAUSE_FRAME_SLOW, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_end(&rig);
}

static char big_answer[300000];

static void
window_zero_reader(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig->answer = aw_slice_of(big_answer, sizeof(big_answer));
    rig_get(rig, 1, "/");
    assert_int_equal(rig->streams[1].data, 65535);
    rig_wait(rig, 8);
    assert_false(rig->streams[1].is_reset); /* what was sent at first counts for the first window */
    rig_wait(rig, 9);
    assert_true(rig->streams[1].is_reset);
    assert_int_equal(rig->streams[1].reset_code, NGHTTP2_CANCEL);
    assert_int_equal(rig_cause(rig, AW_CAUSE_ANSWER_SLOW), 1);
    assert_int_equal(rig->lost, 1);
    assert_int_equal(rig->goaways, 0); /* an error of the stream, not of the connection */
    rig_end(&rig);
}

static void
window_drip_reader(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    int         seconds = 0;

    (void)state;
    rig->answer = aw_slice_of(big_answer, sizeof(big_answer));
    rig_get(rig, 1, "/");
    while (!rig->streams[1].is_reset && seconds < 60) {
        rig_wait(rig, 1);
        rig_u32_frame(rig, NGHTTP2_WINDOW_UPDATE, 1, 1);
        rig_u32_frame(rig, NGHTTP2_WINDOW_UPDATE, 0, 1);
        seconds++;
    }
    assert_in_range(seconds, 8, 20);
    assert_int_equal(rig->lost, 1);
    rig_end(&rig);
}

/* 2 KiB a second is slow but honest. */
static void
slow_reader_passes(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    int         seconds = 0;

    (void)state;
    rig->answer = aw_slice_of(big_answer, 120000);
    rig_get(rig, 1, "/");
    while (!rig->streams[1].is_ended && seconds < 100) {
        rig_u32_frame(rig, NGHTTP2_WINDOW_UPDATE, 1, 2048);
        rig_u32_frame(rig, NGHTTP2_WINDOW_UPDATE, 0, 2048);
        rig_wait(rig, 1);
        seconds++;
    }
    assert_int_equal(rig->streams[1].data, 120000);
    assert_int_equal(rig->sent, 1);
    rig_end(&rig);
}

/* A socket that takes nothing for a while is the line's fault, which the connection judges: no stream is reset for it. */
static void
slow_line_resets_no_stream(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig->answer = aw_slice_of(big_answer, 60000);
    rig->is_deaf = true;
    rig_get(rig, 1, "/");
    rig_wait(rig, 25);
    rig->is_deaf = false;
    rig_drain(rig);
    assert_false(rig->streams[1].is_reset);
    assert_int_equal(rig->streams[1].data, 60000);
    assert_int_equal(rig->sent, 1);
    rig_end(&rig);
}

/* Without any window of the connection, many streams: each is ended, the connection lives. */
static void
many_answers_behind_a_shut_window(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    uint32_t    reset = 0;

    (void)state;
    rig->answer = aw_slice_of(big_answer, 5000);
    for (uint32_t i = 0; i < 50; i++)
        rig_get(rig, 1 + 2 * i, "/");
    rig_wait(rig, 20);
    for (uint32_t i = 0; i < 50; i++)
        reset += rig->streams[1 + 2 * i].is_reset;
    assert_in_range(reset, 36, 38); /* 13 answers fit the window of the connection */
    assert_int_equal(rig->lost, reset);
    assert_int_equal(rig->sent, 50 - reset);
    rig_end(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rapid_reset),
        cmocka_unit_test(honest_resets_pass),
        cmocka_unit_test(made_you_reset),
        cmocka_unit_test(malformed_requests),
        cmocka_unit_test(glitches_drain_before_they_kill),
        cmocka_unit_test(empty_data_flood),
        cmocka_unit_test(padded_empty_data_flood),
        cmocka_unit_test(control_floods),
        cmocka_unit_test(window_update_flood),
        cmocka_unit_test(floods_from_a_deaf_peer),
        cmocka_unit_test(answers_to_a_deaf_peer),
        cmocka_unit_test(frames_nobody_fetches),
        cmocka_unit_test(large_settings),
        cmocka_unit_test(continuation_flood),
        cmocka_unit_test(many_tiny_fields),
        cmocka_unit_test(hpack_bomb),
        cmocka_unit_test(stream_numbers),
        cmocka_unit_test(too_many_streams),
        cmocka_unit_test(dripped_headers),
        cmocka_unit_test(window_zero_reader),
        cmocka_unit_test(window_drip_reader),
        cmocka_unit_test(slow_reader_passes),
        cmocka_unit_test(slow_line_resets_no_stream),
        cmocka_unit_test(many_answers_behind_a_shut_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
