/* Proves that running out of memory at any single allocation, or at any size of the block pool, ends a request or a connection
 * cleanly: no handler is told twice or never, nothing is left. How: one conversation that uses every path runs once to count its
 * allocations, then once for each of them with that one failing; and under every limit of the pool. */
#include "support/http_rig.h"

/* A conversation: many kinds of request, answers at once, late, streaming and never. The rig's books are balanced by rig_close. */
static void
converse(struct rig *rig)
{
    struct aw_response head = {.status = 200, .content_type = AW_SLICE("text/event-stream")};
    static char        large[100000];

    if (!rig_start(rig))
        return;
    rig_hello(rig, 65535);
    rig_get(rig, 1, "/a");
    rig_request(rig, 0, 3, "POST", "/b", RIG_FIELDS("content-length", "300", "expect", "100-continue"));
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 3, 300);
    rig_request(rig, 0, 5, "POST", "/c", NULL);
    rig_data(rig, NGHTTP2_FLAG_END_STREAM, 5, 60000);
    rig_request(rig, 0, 7, "POST", "/", RIG_FIELDS("content-length", "2000000"));
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, 9, "BREW", "/", NULL);
    rig->mode = RIG_HOLD;
    rig->answer = aw_slice_of(large, sizeof(large));
    for (uint32_t stream = 11; stream < 21; stream += 2)
        rig_get(rig, stream, "/held");
    rig_request(rig, 0, 21, "POST", "/", NULL);
    rig_data(rig, 0, 21, 20000);
    if (rig->held_count > 0)
        rig_respond(rig, rig->held[0], 200);
    if (rig->held_count > 1 && aw_request_respond_begin(rig->held[1], &head)) {
        struct aw_request *streaming = rig->held[1];

        /* A refusal for want of memory leaves the stream as it was. */
        if (aw_request_write(streaming, aw_slice_of(large, 5000)) && aw_request_write(streaming, aw_slice_of(large, 20000)))
            rig->body_bytes = 0;
        aw_request_end(streaming);
    }
    rig_drain(rig);
    rig_u32_frame(rig, NGHTTP2_WINDOW_UPDATE, 0, 1 << 20);
    rig_u32_frame(rig, NGHTTP2_RST_STREAM, 15, NGHTTP2_CANCEL);
    rig_wait(rig, 1);
    aw_session_shutdown(rig->session, rig->now);
    rig_wait(rig, 3);
}

/* What must hold however far it came. */
static void
finish(struct rig *rig)
{
    rig_close(rig);
}

static void
each_allocation_fails_once(void **state)
{
    struct rig           *rig = malloc(sizeof(*rig));
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;
    uint64_t              total;

    (void)state;
    assert_non_null(rig);
    assert_true(rig_init(rig, &limits, 0, 64u << 20));
    converse(rig);
    total = rig->memory.count;
    assert_int_equal(rig->requests, 8);
    assert_int_equal(rig->sent, 4);
    finish(rig);
    assert_in_range(total, 50, 5000);
    for (uint64_t at = 1; at <= total; at++) {
        if (rig_init(rig, &limits, at, 64u << 20))
            converse(rig);
        finish(rig);
    }
    free(rig);
}

static void
every_size_of_the_pool(void **state)
{
    struct rig           *rig = malloc(sizeof(*rig));
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;

    (void)state;
    assert_non_null(rig);
    for (size_t bytes = 0; bytes < 20000; bytes += 97) {
        assert_true(rig_init(rig, &limits, 0, bytes));
        converse(rig);
        if (bytes == 0) {
            assert_int_equal(rig->requests, 0);
            assert_true(rig->streams[1].is_reset);
            assert_int_equal(rig->streams[1].reset_code, NGHTTP2_REFUSED_STREAM); /* safe to send again */
            assert_true(rig_cause(rig, AW_CAUSE_MEMORY) > 0);
        }
        finish(rig);
    }
    free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails_once),
        cmocka_unit_test(every_size_of_the_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
