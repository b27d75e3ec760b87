/* Proves what a session does for clients that keep the rules or ask for something that is refused: requests reach the handler
 * whole and once, answers leave whole, each refusal has its status, and whatever ends first, a request is told of exactly once.
 * How: a raw peer in memory speaks frames; time is an argument. */
#include "support/http_rig.h"

static void
first_settings(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    assert_int_equal(rig->settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 100);
    assert_int_equal(rig->settings[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE], 65535);
    assert_int_equal(rig->settings[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE], 32768);
    assert_int_equal(rig->window_given, 1048576 - 65535);
    rig_end(&rig);
}

static void
get_is_answered(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_get(rig, 1, "/v1/lanes?limit=5");
    assert_int_equal(rig->requests, 1);
    assert_string_equal(rig->path, "/v1/lanes");
    assert_int_equal(rig->streams[1].status, 200);
    assert_string_equal(rig->streams[1].content_type, "text/plain");
    assert_string_equal(rig->streams[1].body, "done\n");
    assert_true(rig->streams[1].is_ended);
    assert_int_equal(rig->sent, 1);
    assert_int_equal(rig_answers(rig, 200), 1);
    rig_end(&rig);
}

static void
fields_reach_the_handler(void **state)
{
    struct rig        *rig = rig_open(RIG_HOLD);
    struct aw_request *request;

    (void)state;
    rig_request(rig, 0, 1, "POST", "/v1/messages?a=b?c",
                RIG_FIELDS("content-type", "application/json", "accept", "a", "accept", "b", "authorization", "Bearer x",
                           "aswolk-agent", "ann", "idempotency-key", "k1", "if-match", "\"1\"", "prefer", "p", "traceparent", "t",
                           "last-event-id", "7", "content-length", "6"));
    rig_data(rig, 0, 1, 2);
    assert_int_equal(rig->requests, 0); /* not before it is whole */
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 1, 4);
    assert_int_equal(rig->requests, 1);
    request = rig->held[0];
    assert_int_equal(request->method, AW_POST);
    assert_slice(request->path, "/v1/messages");
    assert_slice(request->query, "a=b?c");
    assert_slice(request->authority, "localhost");
    assert_slice(request->content_type, "application/json");
    assert_slice(request->accept, "a, b");
    assert_slice(request->authorization, "Bearer x");
    assert_slice(request->agent, "ann");
    assert_slice(request->idempotency_key, "k1");
    assert_slice(request->if_match, "\"1\"");
    assert_slice(request->if_none_match, "");
    assert_slice(request->prefer, "p");
    assert_slice(request->traceparent, "t");
    assert_slice(request->last_event_id, "7");
    assert_slice(request->body, "xxxxxx");
    assert_slice(request->peer.identity, "spiffe://test");
    assert_int_equal(request->peer.address[0], 1);
    assert_ptr_equal(request->user, NULL);
    rig_respond(rig, request, 200);
    assert_int_equal(rig->outputs, 1); /* an answer outside of a turn wakes the owner */
    rig_drain(rig);
    assert_int_equal(rig->streams[1].status, 200);
    rig_end(&rig);
}

static void
bodies_of_all_sizes_are_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 63, 64, 300, 4095, 4096, 4097, 16384, 65535, 65536, 200000, 1048576};
    struct rig         *rig = rig_open(RIG_HOLD);
    uint32_t            stream = 1;

    (void)state;
    for (int has_length = 0; has_length < 2; has_length++) {
        for (size_t i = 0; i < AW_ARRAY_LEN(sizes); i++, stream += 2) {
            char               text[24];
            const char *const  fields[] = {"content-length", text, NULL};
            struct aw_request *request;

            snprintf(text, sizeof(text), "%zu", sizes[i]);
            rig_request(rig, 0, stream, "POST", "/", has_length ? fields : NULL);
            rig_data(rig, NGHTTP2_FLAG_END_STREAM, stream, sizes[i]);
            assert_int_equal(rig->held_count, 1);
            request = rig->held[0];
            assert_int_equal(request->body.len, sizes[i]);
            for (size_t at = 0; at < sizes[i]; at++)
                assert_int_equal(request->body.ptr[at], 'x');
            rig_respond(rig, request, 200);
            rig_drain(rig);
            assert_int_equal(rig->streams[stream].status, 200);
            assert_int_equal(aw_edge_stats(rig->edge)->bodies_bytes_now, 0);
        }
    }
    rig_end(&rig);
}

static void
long_poll_costs_one_block(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    rig_request(rig, 0, 1, "POST", "/v1/leases",
                RIG_FIELDS("content-type", "application/json", "authorization", "Bearer 0123456789abcdef0123456789abcdef",
                           "aswolk-agent", "agent-17", "content-length", "64"));
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 1, 64);
    assert_int_equal(rig->held_count, 1);
    /* Under the address sanitizer every piece is a block of its own. */
    assert_true(aw_blocks_used(rig->blocks) <= 1024 + 32);
    assert_true(sizeof(struct aw_request) <= 640);
    rig_respond(rig, rig->held[0], 204);
    rig_drain(rig);
    assert_int_equal(rig->streams[1].status, 204);
    assert_int_equal(rig->streams[1].data, 0);
    assert_true(rig->streams[1].is_ended);
    assert_string_equal(rig->streams[1].content_type, "");
    rig_end(&rig);
}

static void
half_of_the_streams_may_park(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    for (uint32_t i = 0; i < 60; i++)
        rig_get(rig, 1 + 2 * i, "/v1/leases");
    assert_int_equal(rig->held_count, 60);
    for (size_t i = 0; i < 60; i++)
        assert_int_equal(aw_request_try_park(rig->held[i]), i < 50);
    assert_int_equal(aw_edge_stats(rig->edge)->parked_now, 50);
    rig_respond(rig, rig->held[0], 204);
    assert_int_equal(aw_edge_stats(rig->edge)->parked_now, 49);
    rig_u32_frame(rig, NGHTTP2_RST_STREAM, 5, NGHTTP2_CANCEL);
    assert_int_equal(aw_edge_stats(rig->edge)->parked_now, 48);
    assert_int_equal(rig->gone, 1);
    rig_end(&rig);
    assert_null(rig);
}

static void
head_and_no_content_have_no_data(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, 1, "HEAD", "/healthz", NULL);
    assert_int_equal(rig->streams[1].status, 200);
    assert_int_equal(rig->streams[1].data, 0);
    assert_true(rig->streams[1].is_ended);
    rig_end(&rig);
}

/* Refusals ---------------------------------------------------------------------------------------------------------------------*/

static void
assert_problem(const struct rig *rig, uint32_t stream, int status, const char *name)
{
    char type[128];

    snprintf(type, sizeof(type), "{\"status\":%d,\"type\":\"urn:aswolk:%s\",\"title\":\"", status, name);
    assert_int_equal(rig->streams[stream].status, status);
    assert_string_equal(rig->streams[stream].content_type, "application/problem+json");
    assert_memory_equal(rig->streams[stream].body, type, strlen(type));
    assert_true(rig->streams[stream].is_ended);
    assert_int_equal(rig->requests, 0);
}

static void
large_body_by_its_length(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", RIG_FIELDS("content-length", "1048577"));
    assert_problem(rig, 1, 413, "body-too-large"); /* before a byte of the body */
    assert_false(rig->streams[1].is_reset);        /* not at once: some clients would lose the answer */
    rig_wait(rig, 1);
    assert_true(rig->streams[1].is_reset);
    assert_int_equal(rig->streams[1].reset_code, NGHTTP2_NO_ERROR);
    assert_int_equal(rig_cause(rig, AW_CAUSE_BODY_LARGE), 1);
    rig_end(&rig);
}

static void
large_body_without_a_length(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", NULL);
    rig_data(rig, 0, 1, 1048576);
    assert_int_equal(rig->streams[1].status, 0);
    rig_data(rig, 0, 1, 1);
    assert_problem(rig, 1, 413, "body-too-large");
    rig_wait(rig, 1);
    assert_true(rig->streams[1].is_reset);
    assert_int_equal(aw_edge_stats(rig->edge)->bodies_bytes_now, 0);
    /* The connection's window has been given back all along. */
    assert_true(rig->window_given >= 1048576 - 65535 + 1048577 - 524288);
    rig_end(&rig);
}

static void
headers_too_large(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    char       *value = malloc(33000);

    (void)state;
    assert_non_null(value);
    memset(value, 'v', 32999);
    value[32999] = '\0';
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, 1, "GET", "/", RIG_FIELDS("x", value));
    assert_problem(rig, 1, 431, "header-fields-too-large");
    value[2100] = '\0';
    value[0] = '/';
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, 3, "GET", value, NULL);
    assert_problem(rig, 3, 431, "header-fields-too-large");
    /* Early: the body is still to come. */
    value[0] = 'v';
    memset(value, 'v', 32999);
    rig_request(rig, 0, 5, "POST", "/", RIG_FIELDS("x", value));
    assert_problem(rig, 5, 431, "header-fields-too-large");
    rig_wait(rig, 1);
    assert_true(rig->streams[5].is_reset);
    assert_int_equal(rig_cause(rig, AW_CAUSE_HEADERS), 3);
    free(value);
    rig_end(&rig);
}

static void
trailers_count_as_headers(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);
    nghttp2_nv  fields[120];

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", NULL);
    fields[0] = rig_nv("x-sum", "1");
    rig_headers(rig, NGHTTP2_FLAG_END_STREAM, 1, fields, 1);
    assert_int_equal(rig->requests, 1); /* dropped */
    assert_int_equal(rig->streams[1].status, 200);
    rig->requests = 0;
    rig->sent = 0;
    for (size_t i = 0; i < AW_ARRAY_LEN(fields); i++)
        fields[i] = rig_nv("x", "");
    rig_request(rig, 0, 3, "POST", "/", NULL);
    rig_headers(rig, NGHTTP2_FLAG_END_STREAM, 3, fields, AW_ARRAY_LEN(fields));
    assert_problem(rig, 3, 431, "header-fields-too-large");
    rig_end(&rig);
}

static void
unknown_methods(void **state)
{
    static const char *const methods[] = {"TRACE", "OPTIONS", "BREW", "get", "GETT"};
    struct rig              *rig = rig_open(RIG_ANSWER);
    uint32_t                 stream = 1;

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(methods); i++, stream += 2) {
        rig_request(rig, NGHTTP2_FLAG_END_STREAM, stream, methods[i], "/", NULL);
        assert_problem(rig, stream, 405, "method-not-allowed");
        assert_string_equal(rig->streams[stream].allow, "GET, HEAD, POST, PUT, PATCH, DELETE");
    }
    rig_headers(rig, NGHTTP2_FLAG_END_STREAM, stream,
                (nghttp2_nv[]){rig_nv(":method", "CONNECT"), rig_nv(":authority", "localhost:1")}, 2);
    assert_problem(rig, stream, 405, "method-not-allowed");
    rig_end(&rig);
}

/* All but 401, 408, 413 and 431 wait for the end of the input. */
static void
late_refusals_wait(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", RIG_FIELDS("content-encoding", "gzip"));
    rig_data(rig, 0, 1, 100);
    assert_int_equal(rig->streams[1].status, 0);
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 1, 100);
    assert_problem(rig, 1, 415, "unsupported-media-type");
    assert_false(rig->streams[1].is_reset);
    rig_request(rig, 0, 3, "POST", "/", RIG_FIELDS("content-encoding", "identity"));
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 3, 100);
    assert_int_equal(rig->streams[3].status, 200);
    rig_end(&rig);
}

static void
bad_authority(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_headers(rig, NGHTTP2_FLAG_END_STREAM, 1,
                (nghttp2_nv[]){rig_nv(":method", "GET"), rig_nv(":scheme", "http"), rig_nv(":authority", "admin@localhost"),
                               rig_nv(":path", "/")},
                4);
    assert_problem(rig, 1, 400, "malformed");
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, 3, "GET", "/", RIG_FIELDS("host", "elsewhere"));
    assert_problem(rig, 3, 400, "malformed");
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, 5, "GET", "/", RIG_FIELDS("authorization", "a", "authorization", "b"));
    assert_problem(rig, 5, 400, "malformed");
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, 7, "GET", "/", RIG_FIELDS("host", "LOCALHOST"));
    assert_int_equal(rig->streams[7].status, 200);
    /* The scheme is what the client says, also behind a proxy that ends TLS: it is not compared. */
    rig_headers(rig, NGHTTP2_FLAG_END_STREAM, 9,
                (nghttp2_nv[]){rig_nv(":method", "GET"), rig_nv(":scheme", "https"), rig_nv(":path", "/"), rig_nv("host", "a")},
                4);
    assert_int_equal(rig->streams[9].status, 200);
    assert_int_equal(rig_cause(rig, AW_CAUSE_REQUEST), 3);
    rig_end(&rig);
}

static void
early_data_is_for_reading(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, 1, "POST", "/", RIG_FIELDS("early-data", "1"));
    assert_problem(rig, 1, 425, "too-early");
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, 3, "GET", "/", RIG_FIELDS("early-data", "1"));
    assert_int_equal(rig->streams[3].status, 200);
    rig_end(&rig);
}

static void
strangers_send_no_body(void **state)
{
    struct rig *rig = rig_open(RIG_REFUSE);

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", RIG_FIELDS("content-length", "1000"));
    assert_problem(rig, 1, 401, "unauthorized");
    rig_wait(rig, 1);
    assert_true(rig->streams[1].is_reset);
    rig_end(&rig);
}

static void
expect_gets_100(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", RIG_FIELDS("expect", "100-continue", "content-length", "5"));
    assert_int_equal(rig->streams[1].informational, 100);
    assert_int_equal(rig->streams[1].status, 0);
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 1, 5);
    assert_int_equal(rig->streams[1].status, 200);
    assert_int_equal(rig->body_bytes, 5);
    /* Refused at once instead, whatever the refusal: the client holds its body back. */
    rig->requests = rig->sent = 0;
    rig_request(rig, 0, 3, "BREW", "/", RIG_FIELDS("expect", "100-continue", "content-length", "5"));
    assert_int_equal(rig->streams[3].informational, 0);
    assert_problem(rig, 3, 405, "method-not-allowed");
    rig_end(&rig);
}

static void
slow_body_gets_408(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", NULL);
    for (int i = 0; i < 9 && rig->streams[1].status == 0; i++) {
        rig_data(rig, 0, 1, 1);
        rig_wait(rig, 1);
    }
    assert_problem(rig, 1, 408, "body-too-slow");
    rig_wait(rig, 1);
    assert_true(rig->streams[1].is_reset);
    assert_int_equal(rig_cause(rig, AW_CAUSE_BODY_SLOW), 1);
    rig_end(&rig);
}

static void
honest_slow_body_passes(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", NULL);
    for (int i = 0; i < 40; i++) {
        rig_data(rig, 0, 1, 1100);
        rig_wait(rig, 1);
    }
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 1, 0);
    assert_int_equal(rig->streams[1].status, 200);
    assert_int_equal(rig->body_bytes, 44000);
    /* The same line shared by twenty uploads: each moves a twentieth. */
    for (uint32_t i = 0; i < 20; i++)
        rig_request(rig, 0, 3 + 2 * i, "POST", "/", NULL);
    for (int second = 0; second < 30; second++) {
        for (uint32_t i = 0; i < 20; i++)
            rig_data(rig, 0, 3 + 2 * i, 64);
        rig_wait(rig, 1);
    }
    for (uint32_t i = 0; i < 20; i++) {
        rig_data(rig, NGHTTP2_FLAG_END_STREAM, 3 + 2 * i, 1);
        assert_int_equal(rig->streams[3 + 2 * i].status, 200);
    }
    rig_end(&rig);
}

static void
bodies_beyond_the_memory(void **state)
{
    struct rig           *rig = malloc(sizeof(*rig));
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;
    uint32_t              refused = 0;

    (void)state;
    assert_non_null(rig);
    limits.bodies_bytes_max = 1 << 18;
    assert_true(rig_init(rig, &limits, 0, 64u << 20));
    assert_true(rig_start(rig));
    rig_hello(rig, 65535);
    for (uint32_t i = 0; i < 10; i++) {
        rig_request(rig, 0, 1 + 2 * i, "POST", "/", NULL);
        rig_data(rig, 0, 1 + 2 * i, 40000);
    }
    assert_true(aw_edge_stats(rig->edge)->bodies_bytes_now <= 1 << 18);
    for (uint32_t i = 0; i < 10; i++) {
        rig_data(rig, NGHTTP2_FLAG_END_STREAM, 1 + 2 * i, 0);
        assert_true(rig->streams[1 + 2 * i].is_ended);
        if (rig->streams[1 + 2 * i].status == 503) {
            assert_string_equal(rig->streams[1 + 2 * i].retry_after, "1");
            refused++;
        }
    }
    assert_in_range(refused, 1, 9);
    assert_int_equal(rig->requests, 10 - refused);
    assert_int_equal(rig_cause(rig, AW_CAUSE_BODIES), refused);
    rig_close(rig);
    free(rig);
}

static void
window_is_withheld_and_given_back(void **state)
{
    struct rig           *rig = malloc(sizeof(*rig));
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;

    (void)state;
    assert_non_null(rig);
    limits.bodies_bytes_max = 1 << 18;
    assert_true(rig_init(rig, &limits, 0, 64u << 20));
    assert_true(rig_start(rig));
    rig->mode = RIG_HOLD;
    rig_hello(rig, 65535);
    /* 200 KiB are held by a request that is away. */
    rig_request(rig, 0, 1, "POST", "/", RIG_FIELDS("content-length", "204800"));
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 1, 204800);
    assert_int_equal(rig->held_count, 1);
    rig_request(rig, 0, 3, "POST", "/", RIG_FIELDS("content-length", "49152"));
    rig->frames[NGHTTP2_WINDOW_UPDATE] = 0;
    rig_data(rig, 0, 3, 40000);
    assert_int_equal(rig->frames[NGHTTP2_WINDOW_UPDATE], 0);
    rig_respond(rig, rig->held[0], 200);
    rig_drain(rig);
    rig_wait(rig, 1);
    assert_true(rig->frames[NGHTTP2_WINDOW_UPDATE] > 0);
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 3, 9152);
    assert_int_equal(rig->requests, 2);
    rig_close(rig);
    free(rig);
}

/* Ends -------------------------------------------------------------------------------------------------------------------------*/

static void
aborted_upload_is_nothing(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_request(rig, 0, 1, "POST", "/", NULL);
    rig_data(rig, 0, 1, 5000);
    rig_u32_frame(rig, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
    assert_int_equal(rig->requests, 0);
    assert_int_equal(aw_edge_stats(rig->edge)->requests_now, 0);
    /* A body shorter than its length is an error of the stream. */
    rig_request(rig, 0, 3, "POST", "/", RIG_FIELDS("content-length", "10"));
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 3, 5);
    assert_int_equal(rig->requests, 0);
    assert_int_equal(rig->streams[3].reset_code, NGHTTP2_PROTOCOL_ERROR);
    rig_request(rig, 0, 5, "POST", "/", NULL);
    rig_data(rig, 0, 5, 5000);
    rig_end(&rig);
}

static void
reset_while_away(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    rig_get(rig, 1, "/");
    rig_get(rig, 3, "/");
    assert_int_equal(rig->requests, 2);
    rig_u32_frame(rig, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
    assert_int_equal(rig->gone, 1);
    rig_u32_frame(rig, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
    assert_int_equal(rig->gone, 1);
    rig_wait(rig, 3);
    assert_int_equal(rig->gone, 1);
    assert_int_equal(rig->held_count, 1);
    rig_end(&rig); /* the other ends with the connection: rig_close balances the books */
}

static void
reset_before_the_answer_left(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    rig_get(rig, 1, "/");
    rig->is_deaf = true;
    rig_respond(rig, rig->held[0], 200);
    rig_u32_frame(rig, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
    assert_int_equal(rig->lost, 1);
    assert_int_equal(rig->gone, 0);
    assert_int_equal(aw_edge_stats(rig->edge)->undelivered, 1);
    rig->is_deaf = false;
    rig_drain(rig);
    assert_int_equal(rig->streams[1].status, 0);
    rig_end(&rig);
}

static void
delivered_means_written(void **state)
{
    struct rig     *rig = rig_open(RIG_HOLD);
    struct aw_slice piece;
    size_t          total = 0;

    (void)state;
    rig_get(rig, 1, "/");
    rig_respond(rig, rig->held[0], 200);
    while ((piece = aw_session_pull(rig->session, rig->now)).len > 0)
        total += piece.len;
    assert_int_equal(rig->sent, 0);
    aw_session_wrote(rig->session, total - 1, rig->now);
    assert_int_equal(rig->sent, 0);
    aw_session_wrote(rig->session, 1, rig->now);
    assert_int_equal(rig->sent, 1);
    /* Framed but never written: lost with the connection. */
    rig_get(rig, 3, "/");
    rig_respond(rig, rig->held[0], 200);
    while (aw_session_pull(rig->session, rig->now).len > 0)
        ;
    rig->is_deaf = true;
    aw_session_free(&rig->session);
    assert_int_equal(rig->lost, 1);
    rig_end(&rig);
}

/* Keeps gone requests, to answer them afterwards. */
static void
keep_on_gone(void *user, struct aw_request *request)
{
    struct rig *rig = user;

    (void)request;
    rig->gone++;
}

static void
answer_to_a_request_that_is_gone(void **state)
{
    struct rig           *rig = malloc(sizeof(*rig));
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;
    struct aw_edge_config config = {.bodies_bytes_max = 1 << 20};
    struct aw_edge       *plain;

    (void)state;
    assert_non_null(rig);
    assert_true(rig_init(rig, &limits, 0, 1 << 20));
    plain = rig->edge;
    config.limits = limits;
    config.blocks = rig->blocks;
    config.handlers = (struct aw_handlers){rig, NULL, rig_on_request, keep_on_gone, rig_on_sent, NULL};
    assert_int_equal(aw_edge_new(&rig->edge, &config), AW_OK);
    assert_true(rig_start(rig));
    rig->mode = RIG_HOLD;
    rig_hello(rig, 65535);
    for (uint32_t i = 0; i < 4; i++)
        rig_get(rig, 1 + 2 * i, "/");
    rig_u32_frame(rig, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
    assert_int_equal(rig->gone, 1);
    assert_true(aw_request_is_gone(rig->held[0]));
    assert_false(aw_request_try_park(rig->held[0]) == false);
    rig_respond(rig, rig->held[0], 200);
    assert_int_equal(rig->lost, 1);
    aw_session_free(&rig->session);
    assert_int_equal(rig->gone, 4);
    assert_int_equal(rig->held_count, 3);
    assert_false(aw_request_respond_begin(rig->held[0], &(struct aw_response){.status = 200}));
    assert_false(aw_request_write(rig->held[0], AW_SLICE("x")));
    aw_request_end(rig->held[0]);
    assert_int_equal(rig->lost, 2);
    while (rig->held_count > 0)
        aw_request_discard(rig->held[--rig->held_count]);
    rig->requests = rig->gone = rig->lost = 0;
    aw_edge_free(&rig->edge);
    rig->edge = plain;
    rig_close(rig);
    free(rig);
}

static void
streaming_answers(void **state)
{
    struct rig        *rig = rig_open(RIG_HOLD);
    struct aw_response head = {.status = 200, .content_type = AW_SLICE("text/event-stream")};
    struct aw_request *request;
    char               big[70000];
    size_t             written = 0;

    (void)state;
    memset(big, 'e', sizeof(big));
    rig_get(rig, 1, "/v1/stream");
    request = rig->held[0];
    assert_true(aw_request_try_park(request));
    assert_true(aw_request_respond_begin(request, &head));
    rig_drain(rig);
    assert_int_equal(aw_edge_stats(rig->edge)->parked_now, 1); /* it keeps its place among those that wait */
    assert_int_equal(rig->streams[1].status, 200);
    assert_string_equal(rig->streams[1].content_type, "text/event-stream");
    assert_false(rig->streams[1].is_ended);
    rig_wait(rig, 25); /* nothing to send is not slow */
    assert_true(aw_request_write(request, AW_SLICE(": hello\n\n")));
    rig_drain(rig);
    assert_int_equal(rig->streams[1].data, 9);
    assert_int_equal(rig->drained, 1);
    /* Nobody reads: the buffer takes so much and no more, all or nothing. */
    rig->is_deaf = true;
    assert_false(aw_request_write(request, aw_slice_of(big, sizeof(big))));
    while (aw_request_write(request, aw_slice_of(big, 1000)))
        written += 1000;
    assert_int_equal(written, 65000);
    assert_int_equal(aw_request_unsent(request), written);
    rig->is_deaf = false;
    rig_drain(rig);
    assert_true(rig->streams[1].data <= 65535);
    assert_int_equal(rig->drained, rig->streams[1].data == 9 + written ? 2 : 1);
    rig_u32_frame(rig, NGHTTP2_WINDOW_UPDATE, 1, 100000);
    rig_u32_frame(rig, NGHTTP2_WINDOW_UPDATE, 0, 100000);
    assert_int_equal(rig->streams[1].data, 9 + written);
    assert_int_equal(rig->drained, 2);
    assert_int_equal(aw_request_unsent(request), 0);
    assert_true(aw_request_write(request, AW_SLICE("end")));
    aw_request_end(request);
    assert_int_equal(aw_edge_stats(rig->edge)->parked_now, 0);
    rig_drain(rig);
    assert_int_equal(rig->streams[1].data, 9 + written + 3);
    assert_true(rig->streams[1].is_ended);
    assert_int_equal(rig->sent, 1);
    /* Reset in the middle: gone, once. */
    rig_get(rig, 3, "/v1/stream");
    request = rig->held[0];
    assert_true(aw_request_respond_begin(request, &head));
    assert_true(aw_request_write(request, AW_SLICE("x")));
    rig_u32_frame(rig, NGHTTP2_RST_STREAM, 3, NGHTTP2_CANCEL);
    assert_int_equal(rig->gone, 1);
    /* Cut off by us, with bytes on their way: a reset, never an end. */
    rig_get(rig, 5, "/v1/stream");
    request = rig->held[0];
    assert_true(aw_request_respond_begin(request, &head));
    rig_drain(rig);
    rig->is_deaf = true;
    assert_true(aw_request_write(request, aw_slice_of(big, 60000)));
    aw_request_abort(request);
    rig->is_deaf = false;
    rig_drain(rig);
    assert_int_equal(rig->lost, 1);
    assert_false(rig->streams[5].is_ended);
    assert_true(rig->streams[5].is_reset);
    rig_get(rig, 7, "/v1/stream");
    assert_true(aw_request_respond_begin(rig->held[0], &head));
    rig_end(&rig);
}

static void
date_and_more_fields(void **state)
{
    struct rig        *rig = rig_open(RIG_HOLD);
    struct aw_response response = {.status = 429, .field_count = 16};

    (void)state;
    aw_edge_set_date(rig->edge, UINT64_C(784111777000));
    for (size_t i = 0; i < 16; i++)
        response.fields[i] = (struct aw_header_field){AW_SLICE("x-more"), AW_SLICE("v")};
    response.fields[3] = (struct aw_header_field){AW_SLICE("retry-after"), AW_SLICE("7")};
    rig_get(rig, 1, "/");
    aw_request_respond(rig->held[0], &response);
    rig_drain(rig);
    assert_int_equal(rig->streams[1].status, 429);
    assert_string_equal(rig->streams[1].retry_after, "7");
    assert_int_equal(rig_answers(rig, 429), 1);
    rig_end(&rig);
}

/* Drain and idleness -----------------------------------------------------------------------------------------------------------*/

static void
drain_in_two_goaways(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    rig_get(rig, 1, "/");
    aw_session_shutdown(rig->session, rig->now);
    rig_drain(rig);
    assert_int_equal(rig->goaways, 1);
    assert_int_equal(rig->goaway_last[0], 0x7fffffff);
    assert_int_equal(rig->goaway_code[0], NGHTTP2_NO_ERROR);
    assert_int_equal(rig->pings, 1);
    rig_get(rig, 3, "/"); /* was under way: still served */
    assert_int_equal(rig->requests, 2);
    rig_frame(rig, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, rig->ping, 8);
    rig_wait(rig, 1);
    assert_int_equal(rig->goaways, 2);
    assert_int_equal(rig->goaway_last[1], 3);
    rig_get(rig, 5, "/"); /* too late: never processed */
    assert_int_equal(rig->requests, 2);
    assert_false(aw_session_is_done(rig->session));
    rig_respond(rig, rig->held[0], 200);
    rig_respond(rig, rig->held[1], 204);
    rig_drain(rig);
    assert_int_equal(rig->sent, 2);
    assert_true(aw_session_is_done(rig->session));
    assert_int_equal(aw_session_cause(rig->session), AW_CAUSE_DRAIN);
    rig_end(&rig);
}

static void
drain_ends_by_force(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    rig_get(rig, 1, "/");
    rig_request(rig, 0, 3, "POST", "/", NULL);
    aw_session_shutdown(rig->session, rig->now);
    rig_wait(rig, 2); /* no ack: the round ends by its deadline */
    assert_int_equal(rig->goaways, 2);
    for (int i = 0; i < 10; i++) {
        rig_data(rig, 0, 3, 2000);
        rig_wait(rig, 1);
    }
    assert_int_equal(rig->gone, 1);
    assert_int_equal(rig->streams[1].status, 503);
    assert_int_equal(rig->streams[3].status, 503);
    for (unsigned stream = 1; stream <= 3; stream += 2) {
        assert_string_equal(rig->streams[stream].content_type, "application/problem+json");
        assert_non_null(strstr(rig->streams[stream].body, "\"urn:aswolk:draining\""));
        assert_string_equal(rig->streams[stream].retry_after, "1");
        assert_true(rig->streams[stream].is_ended);
    }
    rig_wait(rig, 3);
    assert_true(aw_session_is_done(rig->session));
    rig_end(&rig);
}

static void
idle_and_known_connections(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    for (int i = 0; i < 59; i++) {
        rig_wait(rig, 1);
        rig_frame(rig, NGHTTP2_PING, 0, 0, "12345678", 8); /* prolongs nothing */
        assert_int_equal(rig->goaways, 0);
    }
    rig_wait(rig, 3);
    assert_int_equal(rig->goaways, 2);
    assert_int_equal(rig->goaway_code[1], NGHTTP2_NO_ERROR);
    assert_int_equal(aw_session_cause(rig->session), AW_CAUSE_IDLE);
    assert_true(aw_session_is_done(rig->session));
    rig_end(&rig);
    rig = rig_open(RIG_HOLD);
    rig_get(rig, 1, "/");
    aw_request_mark_known(rig->held[0]);
    rig_respond(rig, rig->held[0], 200);
    rig_drain(rig);
    rig_wait(rig, 299);
    assert_int_equal(rig->goaways, 0);
    rig_wait(rig, 3);
    assert_int_equal(rig->goaways, 2);
    rig_end(&rig);
}

static void
dead_peers_are_found(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    rig_get(rig, 1, "/v1/leases");
    rig_wait(rig, 31);
    assert_int_equal(rig->pings, 1);
    rig_frame(rig, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, rig->ping, 8);
    rig_wait(rig, 31);
    assert_int_equal(rig->pings, 2);
    assert_int_equal(rig->gone, 0);
    rig_wait(rig, 11);
    assert_int_equal(aw_session_cause(rig->session), AW_CAUSE_PING);
    assert_true(aw_session_is_done(rig->session));
    rig_end(&rig);
}

/* A streaming answer with nothing to send moves no bytes: only a PING tells that its reader is gone. */
static void
dead_readers_are_found(void **state)
{
    struct rig        *rig = rig_open(RIG_HOLD);
    struct aw_response head = {.status = 200, .content_type = AW_SLICE("text/event-stream")};

    (void)state;
    rig_get(rig, 1, "/v1/stream");
    assert_true(aw_request_respond_begin(rig->held[0], &head));
    rig_wait(rig, 31);
    assert_int_equal(rig->pings, 1);
    rig_frame(rig, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, rig->ping, 8);
    assert_true(aw_request_write(rig->held[0], AW_SLICE(": still here\n\n"))); /* output proves nothing about the reader */
    rig_wait(rig, 31);
    assert_int_equal(rig->pings, 2);
    assert_int_equal(rig->gone, 0);
    rig_wait(rig, 11);
    assert_int_equal(aw_session_cause(rig->session), AW_CAUSE_PING);
    assert_true(aw_session_is_done(rig->session));
    rig_end(&rig);
}

static void
age_ends_connections_apart(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);
    uint64_t    seconds = 0;

    (void)state;
    rig_get(rig, 1, "/");
    while (rig->goaways == 0 && seconds < 4000) {
        rig_wait(rig, 1);
        if (rig->pings > 0) {
            rig_frame(rig, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, rig->ping, 8);
            rig->pings = 0;
        }
        seconds++;
    }
    assert_in_range(seconds, 3240, 3960);
    assert_int_equal(aw_session_cause(rig->session), AW_CAUSE_AGE);
    assert_int_equal(rig->held_count, 1); /* what is open goes on */
    rig_end(&rig);
}

static void
hello_deadlines(void **state)
{
    struct rig           *rig = malloc(sizeof(*rig));
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;

    (void)state;
    assert_non_null(rig);
    /* No byte at all; a preface without SETTINGS; no ack. */
    for (int i = 0; i < 3; i++) {
        assert_true(rig_init(rig, &limits, 0, 1 << 20));
        assert_true(rig_start(rig));
        if (i > 0)
            rig_feed(rig, RIG_PREFACE, sizeof(RIG_PREFACE) - 1);
        if (i > 1)
            rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
        rig_wait(rig, i > 1 ? 9 : 4);
        assert_int_equal(rig->goaways, 0);
        rig_wait(rig, 2);
        rig_assert_ended(rig, i > 1 ? AW_CAUSE_SETTINGS : AW_CAUSE_HELLO, NGHTTP2_SETTINGS_TIMEOUT);
        rig_close(rig);
    }
    free(rig);
}

/* Other protocols --------------------------------------------------------------------------------------------------------------*/

static void
first_line(struct rig *rig, const char *text, size_t len, size_t chunk)
{
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;

    assert_true(rig_init(rig, &limits, 0, 1 << 20));
    assert_true(rig_start(rig));
    rig->is_deaf = true;
    for (size_t at = 0; at < len; at += chunk)
        rig_feed(rig, text + at, len - at < chunk ? len - at : chunk);
    rig->is_deaf = false;
}

static void
http1_is_told_how_to_connect(void **state)
{
    static const char *const lines[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/1.1\r\n\r\n",
                                        "POST /v1/messages HTTP/1.0\r\n", "P HTTP/1.1", "OPTIONS *  HTTP/1.1\r\n"};
    struct rig              *rig = malloc(sizeof(*rig));

    (void)state;
    assert_non_null(rig);
    for (size_t i = 0; i < AW_ARRAY_LEN(lines); i++) {
        for (size_t chunk = 1; chunk <= 40; chunk += 13) {
            const char *body;
            const char *length;

            first_line(rig, lines[i], strlen(lines[i]), chunk);
            rig->is_raw = true;
            rig_drain(rig);
            rig_read_bytes(rig, "", 1);
            assert_int_equal(strncmp((char *)rig->in, "HTTP/1.1 505 ", 13), 0);
            body = strstr((char *)rig->in, "\r\n\r\n");
            assert_non_null(body);
            length = strstr((char *)rig->in, "content-length: ");
            assert_non_null(length);
            assert_int_equal(strlen(body + 4), strtoul(length + strlen("content-length: "), NULL, 10));
            assert_non_null(strstr(body, "curl --http2-prior-knowledge"));
            assert_true(aw_session_is_done(rig->session));
            assert_int_equal(aw_session_cause(rig->session), AW_CAUSE_HTTP1);
            assert_int_equal(rig_answers(rig, 505), 1);
            rig_close(rig);
        }
    }
    free(rig);
}

static void
garbage_gets_a_goaway(void **state)
{
    static const struct aw_slice lines[] = {{"\x16\x03\x01\x02\x00\x01\x00", 7},
                                            {"hello\r\n", 7},
                                            {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 24},
                                            {"\0", 1},
                                            {"GET /\n", 6}};
    struct rig                  *rig = malloc(sizeof(*rig));
    char                         long_line[1000];

    (void)state;
    assert_non_null(rig);
    memset(long_line, 'a', sizeof(long_line));
    for (size_t i = 0; i < AW_ARRAY_LEN(lines); i++) {
        first_line(rig, lines[i].ptr, lines[i].len, 3);
        rig_drain(rig);
        rig_assert_ended(rig, AW_CAUSE_GARBAGE, NGHTTP2_PROTOCOL_ERROR);
        rig_close(rig);
    }
    /* A line without an end. */
    first_line(rig, "", 0, 1);
    for (int i = 0; i < 10; i++)
        rig_feed(rig, long_line, sizeof(long_line));
    rig_drain(rig);
    rig_assert_ended(rig, AW_CAUSE_GARBAGE, NGHTTP2_PROTOCOL_ERROR);
    rig_close(rig);
    free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_settings),
        cmocka_unit_test(get_is_answered),
        cmocka_unit_test(fields_reach_the_handler),
        cmocka_unit_test(bodies_of_all_sizes_are_whole),
        cmocka_unit_test(long_poll_costs_one_block),
        cmocka_unit_test(half_of_the_streams_may_park),
        cmocka_unit_test(head_and_no_content_have_no_data),
        cmocka_unit_test(large_body_by_its_length),
        cmocka_unit_test(large_body_without_a_length),
        cmocka_unit_test(headers_too_large),
        cmocka_unit_test(trailers_count_as_headers),
        cmocka_unit_test(unknown_methods),
        cmocka_unit_test(late_refusals_wait),
        cmocka_unit_test(bad_authority),
        cmocka_unit_test(early_data_is_for_reading),
        cmocka_unit_test(strangers_send_no_body),
        cmocka_unit_test(expect_gets_100),
        cmocka_unit_test(slow_body_gets_408),
        cmocka_unit_test(honest_slow_body_passes),
        cmocka_unit_test(bodies_beyond_the_memory),
        cmocka_unit_test(window_is_withheld_and_given_back),
        cmocka_unit_test(aborted_upload_is_nothing),
        cmocka_unit_test(reset_while_away),
        cmocka_unit_test(reset_before_the_answer_left),
        cmocka_unit_test(delivered_means_written),
        cmocka_unit_test(answer_to_a_request_that_is_gone),
        cmocka_unit_test(streaming_answers),
        cmocka_unit_test(date_and_more_fields),
        cmocka_unit_test(drain_in_two_goaways),
        cmocka_unit_test(drain_ends_by_force),
        cmocka_unit_test(idle_and_known_connections),
        cmocka_unit_test(dead_peers_are_found),
        cmocka_unit_test(dead_readers_are_found),
        cmocka_unit_test(age_ends_connections_apart),
        cmocka_unit_test(hello_deadlines),
        cmocka_unit_test(http1_is_told_how_to_connect),
        cmocka_unit_test(garbage_gets_a_goaway),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
