/* client_exchange_test.c - proves that every exchange gets exactly one result and the right one, whatever the server does.
 *  How: a small server in another thread (client_server.h) answers, resets, refuses, goes away or keeps silent, as the path
 * asks. `unprocessed` is checked against what the server counted: a request that it saw must never be called safe to repeat,
 * unless the server itself said so.
 */
#include "client/client.h"
#include "port/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/client_server.h"

struct bench {
    struct server     server;
    struct ev_loop   *loop;
    struct aw_client *client;
    struct aw_trunk  *trunk;
    struct aw_url     url;
    unsigned          opened, drained, closed; /* what `changed` told */
};

struct asked {
    struct bench        *bench;
    unsigned             results;
    enum aw_exchange_end end;
    bool                 unprocessed;
    unsigned             status;
    size_t               body_len;
    char                 body[512];
    char                 why[256];
    char                 note[64];
    uint32_t             field_count;
    /* Done in the callback. */
    bool                 closes_trunk;
    unsigned             again; /* how often it submits once more */
    struct aw_exchange **cancels;
};

static void ask(struct bench *bench, struct asked *asked, const char *path, const char *body, aw_ns timeout);

static void
on_done(void *user, const struct aw_exchange_result *result)
{
    struct asked   *asked = user;
    struct aw_slice note = aw_exchange_field_of(result, AW_SLICE("x-note"));

    asked->results++;
    asked->end = result->end;
    asked->unprocessed = result->unprocessed;
    asked->status = result->status;
    asked->body_len = result->body.len;
    asked->field_count = result->field_count;
    (void)snprintf(asked->body, sizeof(asked->body), "%.*s", AW_SLICE_ARGS(result->body));
    (void)snprintf(asked->why, sizeof(asked->why), "%s", result->why);
    (void)snprintf(asked->note, sizeof(asked->note), "%.*s", AW_SLICE_ARGS(note));
    assert_true(result->end == AW_EXCHANGE_ANSWERED || result->status == 0);
    if (asked->cancels != NULL)
        aw_exchange_cancel(asked->cancels);
    if (asked->again > 0) {
        asked->again--;
        ask(asked->bench, asked, "/echo", "", 0);
    }
    if (asked->closes_trunk)
        aw_trunk_close(&asked->bench->trunk);
}

static struct aw_exchange *
submit(struct bench *bench, struct asked *asked, const char *path, const char *body, aw_ns timeout)
{
    const struct aw_exchange_field   field = {AW_SLICE("x-note"), AW_SLICE("a note"), false};
    const struct aw_exchange_request request = {.method = body[0] != '\0' ? AW_SLICE("POST") : AW_SLICE("GET"),
                                                .path = aw_slice_str(path),
                                                .fields = &field,
                                                .field_count = 1,
                                                .body = aw_slice_str(body),
                                                .timeout = timeout};

    asked->bench = bench;
    return aw_exchange_submit(bench->trunk, &request, on_done, asked);
}

static void
ask(struct bench *bench, struct asked *asked, const char *path, const char *body, aw_ns timeout)
{
    assert_non_null(submit(bench, asked, path, body, timeout));
}

static void
on_changed(void *user, struct aw_trunk *trunk, enum aw_trunk_state state)
{
    struct bench *bench = user;

    assert_int_equal(aw_trunk_state(trunk), state);
    bench->opened += state == AW_TRUNK_OPEN;
    bench->drained += state == AW_TRUNK_DRAINING;
    bench->closed += state == AW_TRUNK_CLOSED;
}

static void
on_too_long(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    fail_msg("a result is missing after 20 s");
}

/* Runs until no exchange is unfinished. */
static void
settle(struct bench *bench)
{
    ev_timer guard;

    ev_timer_init(&guard, on_too_long, 20., 0.);
    ev_timer_start(bench->loop, &guard);
    while (aw_client_exchanges(bench->client) > 0)
        (void)ev_run(bench->loop, EVRUN_ONCE);
    ev_timer_stop(bench->loop, &guard);
}

static void
run_until_closed(struct bench *bench)
{
    ev_timer guard;

    ev_timer_init(&guard, on_too_long, 20., 0.);
    ev_timer_start(bench->loop, &guard);
    while (bench->closed == 0)
        (void)ev_run(bench->loop, EVRUN_ONCE);
    ev_timer_stop(bench->loop, &guard);
}

static void
begin(struct bench *bench, struct aw_client_config config)
{
    struct aw_why why = {""};

    server_start(&bench->server);
    bench->loop = ev_loop_new(EVFLAG_AUTO);
    config.loop = bench->loop;
    if (aw_client_new(&bench->client, &config, &why) != AW_OK)
        fail_msg("%s", why.text);
    assert_int_equal(aw_url_parse(aw_slice_str(bench->server.url), &bench->url, &why), AW_OK);
    assert_int_equal(aw_trunk_open(&bench->trunk, bench->client, &bench->url, on_changed, bench, &why), AW_OK);
}

static void
finish(struct bench *bench)
{
    aw_trunk_close(&bench->trunk);
    aw_client_free(&bench->client);
    ev_loop_destroy(bench->loop);
    server_stop(&bench->server);
}

static void
test_answers(void **state)
{
    struct bench bench = {.opened = 0};
    struct asked echo = {.results = 0}, missing = echo, empty = echo, informed = echo;

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 8});
    ask(&bench, &echo, "/echo", "hello", 0);
    ask(&bench, &missing, "/status/404", "", 0);
    ask(&bench, &empty, "/echo", "", 0);
    ask(&bench, &informed, "/continue", "", 0);
    assert_int_equal(aw_trunk_exchanges(bench.trunk), 4);
    settle(&bench);
    assert_int_equal(echo.results, 1);
    assert_int_equal(echo.end, AW_EXCHANGE_ANSWERED);
    assert_int_equal(echo.status, 200);
    assert_string_equal(echo.body, "hello");
    assert_string_equal(echo.note, "a note");
    assert_string_equal(echo.why, "");
    assert_int_equal(missing.status, 404);
    assert_int_equal(empty.status, 200);
    assert_int_equal(empty.body_len, 0);
    assert_int_equal(informed.status, 200);
    assert_int_equal(bench.opened, 1);
    assert_int_equal(bench.closed, 0);
    finish(&bench);
    assert_int_equal(bench.closed, 0); /* not told of its own close */
}

/* More exchanges than streams: they wait, all are answered; submitting from the callback works. */
static void
test_many_calls_on_few_streams(void **state)
{
    static struct asked asked[500];
    struct bench        bench = {.server.streams_max = 3};

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 500});
    memset(asked, 0, sizeof(asked));
    for (size_t i = 0; i < AW_ARRAY_LEN(asked); i++) {
        asked[i].again = 4;
        ask(&bench, &asked[i], "/echo", "x", 10 * AW_NS_PER_S);
    }
    settle(&bench);
    for (size_t i = 0; i < AW_ARRAY_LEN(asked); i++) {
        assert_int_equal(asked[i].results, 5);
        assert_int_equal(asked[i].end, AW_EXCHANGE_ANSWERED);
    }
    assert_int_equal(aw_trunk_streams_max(bench.trunk), 3);
    assert_int_equal(atomic_load(&bench.server.connections), 1);
    assert_int_equal(atomic_load(&bench.server.requests), 5 * AW_ARRAY_LEN(asked));
    finish(&bench);
}

static void
test_calls_max(void **state)
{
    struct bench bench = {.opened = 0};
    struct asked asked[3] = {{.results = 0}}, over = {.results = 0};

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 3});
    for (size_t i = 0; i < AW_ARRAY_LEN(asked); i++)
        ask(&bench, &asked[i], "/echo", "x", 0);
    assert_null(submit(&bench, &over, "/echo", "x", 0));
    settle(&bench);
    assert_non_null(submit(&bench, &over, "/echo", "x", 0));
    settle(&bench);
    assert_int_equal(over.results, 1);
    finish(&bench);
}

static void
test_large_bodies_both_ways(void **state)
{
    const size_t len = 3 * 1024 * 1024;
    struct bench bench = {.opened = 0};
    struct asked up = {.results = 0}, down = up, over = up, after = up;
    char        *body = malloc(len + 1);

    (void)state;
    assert_non_null(body);
    memset(body, 'u', len);
    body[len] = '\0';
    begin(&bench, (struct aw_client_config){.exchanges_max = 8, .answer_bytes_max = 4 * 1024 * 1024});
    ask(&bench, &up, "/echo", body, 0);
    ask(&bench, &down, "/big/4194304", "", 0);
    ask(&bench, &over, "/big/4194305", "", 0);
    settle(&bench);
    assert_int_equal(up.end, AW_EXCHANGE_ANSWERED);
    assert_int_equal(up.body_len, len);
    assert_int_equal(down.end, AW_EXCHANGE_ANSWERED);
    assert_int_equal(down.body_len, 4194304);
    assert_int_equal(over.end, AW_EXCHANGE_TOO_LARGE);
    assert_false(over.unprocessed);
    ask(&bench, &after, "/echo", "still there", 0);
    settle(&bench);
    assert_string_equal(after.body, "still there");
    finish(&bench);
    free(body);
}

static void
test_too_many_fields(void **state)
{
    struct bench bench = {.opened = 0};
    struct asked some = {.results = 0}, many = some;

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 8});
    ask(&bench, &some, "/fields/61", "", 0);
    ask(&bench, &many, "/fields/62", "", 0);
    settle(&bench);
    assert_int_equal(some.end, AW_EXCHANGE_ANSWERED);
    assert_int_equal(some.field_count, AW_ANSWER_FIELDS_MAX);
    assert_int_equal(many.end, AW_EXCHANGE_TOO_LARGE);
    finish(&bench);
}

static void
test_reset_and_refused(void **state)
{
    struct bench bench = {.opened = 0};
    struct asked reset = {.results = 0}, refused = reset, early = reset, after = reset;
    char        *body = calloc(1, 400001);

    (void)state;
    assert_non_null(body);
    memset(body, 'e', 400000);
    begin(&bench, (struct aw_client_config){.exchanges_max = 8});
    ask(&bench, &reset, "/reset", "", 0);
    ask(&bench, &refused, "/refuse", "", 0);
    ask(&bench, &early, "/early", body, 0);
    settle(&bench);
    assert_int_equal(reset.end, AW_EXCHANGE_RESET);
    assert_false(reset.unprocessed);
    assert_int_equal(refused.end, AW_EXCHANGE_UNPROCESSED);
    assert_true(refused.unprocessed);
    assert_int_equal(early.end, AW_EXCHANGE_ANSWERED);
    assert_int_equal(early.status, 413);
    ask(&bench, &after, "/echo", "x", 0);
    settle(&bench);
    assert_int_equal(after.end, AW_EXCHANGE_ANSWERED);
    finish(&bench);
    free(body);
}

static void
on_piece(void *user, struct aw_slice piece)
{
    assert_true(piece.len > 0);
    *(aw_ns *)user = aw_clock_mono();
}

/* Of an answer that goes on it is silence that ends it: time begins anew with each piece. */
static void
test_silence(void **state)
{
    struct bench                     bench = {.server.streams_max = 1};
    aw_ns                            last = 0;
    const struct aw_exchange_request request = {.method = AW_SLICE("POST"),
                                                .path = AW_SLICE("/silence"),
                                                .body = AW_SLICE("a piece"),
                                                .timeout = 400 * AW_NS_PER_MS,
                                                .on_piece = on_piece,
                                                .piece_user = &last};

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 8});
    while (last == 0) { /* on a slow machine it may not begin in time */
        struct asked asked = {.bench = &bench};

        assert_non_null(aw_exchange_submit(bench.trunk, &request, on_done, &asked));
        while (asked.results == 0)
            (void)ev_run(bench.loop, EVRUN_ONCE);
        assert_int_equal(asked.end, AW_EXCHANGE_TIMEOUT);
    }
    assert_true(aw_clock_mono() - last >= request.timeout);
    finish(&bench);
}

static void
test_timeout(void **state)
{
    struct bench bench = {.server.streams_max = 1};
    struct asked late = {.results = 0}, behind = late, after = late, far = late;
    aw_ns        start;

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 8});
    ask(&bench, &after, "/echo", "", 0); /* so that what follows is with the server long before its time is over */
    settle(&bench);
    after = (struct asked){.results = 0};
    start = aw_clock_mono();
    ask(&bench, &late, "/never", "", AW_NS_PER_S);
    ask(&bench, &far, "/echo", "", 20 * AW_NS_PER_S); /* beyond a turn of the wheel */
    while (late.results == 0)
        (void)ev_run(bench.loop, EVRUN_ONCE);
    assert_int_equal(late.end, AW_EXCHANGE_TIMEOUT);
    assert_false(late.unprocessed); /* the server had it */
    assert_true(aw_clock_mono() - start >= AW_NS_PER_S);
    settle(&bench);
    assert_int_equal(far.end, AW_EXCHANGE_ANSWERED);
    /* With the only stream taken, the next one never leaves: it is safe to repeat. */
    late = (struct asked){.results = 0};
    ask(&bench, &late, "/never", "", 2 * AW_NS_PER_S);
    while (atomic_load(&bench.server.requests) < 4)
        (void)ev_run(bench.loop, EVRUN_NOWAIT);
    ask(&bench, &behind, "/echo", "x", 100 * AW_NS_PER_MS);
    settle(&bench);
    assert_int_equal(behind.end, AW_EXCHANGE_TIMEOUT);
    assert_true(behind.unprocessed);
    assert_int_equal(late.results, 1);
    ask(&bench, &after, "/echo", "x", 10 * AW_NS_PER_S);
    settle(&bench);
    assert_int_equal(after.end, AW_EXCHANGE_ANSWERED);
    assert_int_equal(atomic_load(&bench.server.requests), 5);
    finish(&bench);
}

static void
test_cancel(void **state)
{
    struct bench        bench = {.opened = 0};
    struct asked        cancelled = {.results = 0}, unsent = cancelled, after = cancelled, killer = cancelled, victim = cancelled;
    struct aw_exchange *exchange, *early;

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 8});
    early = submit(&bench, &unsent, "/echo", "x", 0);
    aw_exchange_cancel(&early); /* before the trunk stands */
    assert_null(early);
    exchange = submit(&bench, &cancelled, "/never", "", 0);
    while (atomic_load(&bench.server.requests) < 1)
        (void)ev_run(bench.loop, EVRUN_NOWAIT);
    aw_exchange_cancel(&exchange);
    while (atomic_load(&bench.server.resets) < 1)
        (void)ev_run(bench.loop, EVRUN_NOWAIT);
    /* From a callback, also when the other one is done already and only its callback is missing. */
    killer.cancels = &exchange;
    ask(&bench, &killer, "/echo", "1", 0);
    exchange = submit(&bench, &victim, "/echo", "2", 0);
    settle(&bench);
    ask(&bench, &after, "/echo", "x", 0);
    settle(&bench);
    assert_int_equal(after.results, 1);
    assert_int_equal(killer.results, 1);
    assert_int_equal(unsent.results + cancelled.results + victim.results, 0);
    finish(&bench);
}

/* The server names the stream before; what is above is safe, what is below is answered, what was not sent is safe. */
static void
test_goaway(void **state)
{
    struct bench  bench = {.server.streams_max = 3};
    struct asked  below = {.results = 0}, at = below, above = below, unsent[5];
    struct aw_why why = {""};

    (void)state;
    memset(unsent, 0, sizeof(unsent));
    begin(&bench, (struct aw_client_config){.exchanges_max = 20});
    while (bench.opened == 0)
        (void)ev_run(bench.loop, EVRUN_ONCE);
    ask(&bench, &below, "/big/100000", "", 0);
    ask(&bench, &at, "/goaway", "", 0);
    ask(&bench, &above, "/never", "", 0);
    for (size_t i = 0; i < AW_ARRAY_LEN(unsent); i++)
        ask(&bench, &unsent[i], "/echo", "x", 0);
    settle(&bench);
    run_until_closed(&bench);
    assert_int_equal(below.end, AW_EXCHANGE_ANSWERED);
    assert_int_equal(below.body_len, 100000);
    assert_int_equal(at.end, AW_EXCHANGE_UNPROCESSED);
    assert_int_equal(above.end, AW_EXCHANGE_UNPROCESSED);
    for (size_t i = 0; i < AW_ARRAY_LEN(unsent); i++) {
        assert_int_equal(unsent[i].results, 1);
        assert_int_equal(unsent[i].end, AW_EXCHANGE_UNPROCESSED);
        assert_true(unsent[i].unprocessed);
    }
    assert_int_equal(bench.drained, 1);
    assert_non_null(strstr(aw_trunk_why(bench.trunk), "nightly"));
    assert_null(submit(&bench, &below, "/echo", "", 0));
    /* The caller connects again. */
    aw_trunk_close(&bench.trunk);
    assert_int_equal(aw_trunk_open(&bench.trunk, bench.client, &bench.url, on_changed, &bench, &why), AW_OK);
    below = (struct asked){.results = 0};
    ask(&bench, &below, "/echo", "", 0);
    settle(&bench);
    assert_int_equal(below.end, AW_EXCHANGE_ANSWERED);
    finish(&bench);
}

static void
test_connection_lost(void **state)
{
    struct bench bench = {.server.streams_max = 2};
    struct asked parked = {.results = 0}, hangup = parked, unsent = parked;

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 8});
    while (bench.opened == 0)
        (void)ev_run(bench.loop, EVRUN_ONCE);
    ask(&bench, &parked, "/never", "", 0);
    while (atomic_load(&bench.server.requests) < 1) /* by now the server's SETTINGS are here */
        (void)ev_run(bench.loop, EVRUN_NOWAIT);
    ask(&bench, &hangup, "/hangup", "", 0);
    ask(&bench, &unsent, "/echo", "", 0);
    run_until_closed(&bench);
    assert_int_equal(parked.end, AW_EXCHANGE_LOST);
    assert_false(parked.unprocessed);
    assert_int_equal(hangup.end, AW_EXCHANGE_LOST);
    assert_int_equal(unsent.end, AW_EXCHANGE_UNPROCESSED);
    assert_true(unsent.unprocessed);
    assert_false(aw_trunk_never_opened(bench.trunk));
    assert_string_not_equal(aw_trunk_why(bench.trunk), "");
    finish(&bench);
}

static void
test_close_from_callback_and_with_calls(void **state)
{
    struct bench bench = {.opened = 0};
    struct asked closer = {.closes_trunk = true}, parked[4];

    (void)state;
    memset(parked, 0, sizeof(parked));
    begin(&bench, (struct aw_client_config){.exchanges_max = 8});
    for (size_t i = 0; i < AW_ARRAY_LEN(parked); i++)
        ask(&bench, &parked[i], "/never", "", 0);
    ask(&bench, &closer, "/echo", "", 0);
    settle(&bench);
    assert_null(bench.trunk);
    assert_int_equal(closer.end, AW_EXCHANGE_ANSWERED);
    for (size_t i = 0; i < AW_ARRAY_LEN(parked); i++) {
        assert_int_equal(parked[i].results, 1);
        assert_int_equal(parked[i].end, AW_EXCHANGE_CLOSED);
    }
    finish(&bench);
}

static void
test_refused_connection(void **state)
{
    struct bench bench = {.opened = 0};
    struct asked asked = {.results = 0};

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 8});
    aw_trunk_close(&bench.trunk);
    server_stop(&bench.server); /* nobody listens there now */
    {
        struct aw_why why = {""};

        assert_int_equal(aw_trunk_open(&bench.trunk, bench.client, &bench.url, on_changed, &bench, &why), AW_OK);
    }
    ask(&bench, &asked, "/echo", "", 0);
    settle(&bench);
    assert_int_equal(asked.end, AW_EXCHANGE_UNREACHED);
    assert_true(asked.unprocessed);
    assert_non_null(strstr(asked.why, "refused"));
    assert_true(aw_trunk_never_opened(bench.trunk));
    assert_int_equal(bench.closed, 1);
    server_start(&bench.server);
    finish(&bench);
}

/* A listener that never accepts a handshake of TLS: the deadline of the connection ends it. */
static void
test_connect_timeout(void **state)
{
    struct bench  bench = {.opened = 0};
    struct asked  asked = {.results = 0};
    struct aw_why why = {""};

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 8, .connect_ns_max = 200 * AW_NS_PER_MS});
    aw_trunk_close(&bench.trunk);
    bench.url.tls = true; /* to a server that speaks no TLS and waits for more */
    assert_int_equal(aw_trunk_open(&bench.trunk, bench.client, &bench.url, on_changed, &bench, &why), AW_OK);
    ask(&bench, &asked, "/echo", "", 0);
    settle(&bench);
    assert_int_equal(asked.end, AW_EXCHANGE_UNREACHED);
    finish(&bench);
}

static void
test_server_without_http2(void **state)
{
    struct bench bench = {.server.garbage = true};
    struct asked asked = {.results = 0};

    (void)state;
    begin(&bench, (struct aw_client_config){.exchanges_max = 8});
    ask(&bench, &asked, "/echo", "", 0);
    settle(&bench);
    assert_int_equal(asked.end, AW_EXCHANGE_UNREACHED);
    assert_non_null(strstr(asked.why, "HTTP/2"));
    finish(&bench);
}

/* --- TLS ------------------------------------------------------------------------------------------------------------------ */

static void
tls_case(struct server server, bool with_ca, bool insecure, enum aw_exchange_end end, const char *why)
{
    struct bench            bench = {.server = server};
    struct asked            asked = {.results = 0}, big = asked;
    struct aw_client_config config = {.exchanges_max = 8, .insecure = insecure};
    struct aw_why           text = {""};

    server_start(&bench.server);
    bench.loop = ev_loop_new(EVFLAG_AUTO);
    config.loop = bench.loop;
    config.ca_file = with_ca ? bench.server.ca_file : NULL;
    assert_int_equal(aw_client_new(&bench.client, &config, &text), AW_OK);
    assert_int_equal(aw_url_parse(aw_slice_str(bench.server.url), &bench.url, &text), AW_OK);
    assert_int_equal(aw_trunk_open(&bench.trunk, bench.client, &bench.url, on_changed, &bench, &text), AW_OK);
    ask(&bench, &asked, "/echo", "over TLS", 0);
    ask(&bench, &big, "/big/1000000", "", 0);
    settle(&bench);
    assert_int_equal(asked.end, end);
    assert_int_equal(big.end, end);
    if (end == AW_EXCHANGE_ANSWERED) {
        assert_string_equal(asked.body, "over TLS");
        assert_int_equal(big.body_len, 1000000);
    }
    if (strstr(asked.why, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", asked.why, why);
    finish(&bench);
}

static void
test_tls(void **state)
{
    (void)state;
    tls_case((struct server){.tls = true}, true, false, AW_EXCHANGE_ANSWERED, "");
    tls_case((struct server){.tls = true}, false, true, AW_EXCHANGE_ANSWERED, "");
    tls_case((struct server){.tls = true}, false, false, AW_EXCHANGE_UNREACHED, "certificate");
    tls_case((struct server){.tls = true, .no_alpn = true}, true, false, AW_EXCHANGE_UNREACHED, "not HTTP/2");
}

static void
test_bad_ca_file(void **state)
{
    struct aw_client       *client = NULL;
    struct ev_loop         *loop = ev_loop_new(EVFLAG_AUTO);
    struct aw_client_config config = {.loop = loop, .ca_file = "no such file.pem"};
    struct aw_why           why = {""};

    (void)state;
    assert_int_equal(aw_client_new(&client, &config, &why), AW_E_CONFIG);
    assert_null(client);
    assert_non_null(strstr(why.text, "no such file.pem"));
    ev_loop_destroy(loop);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_many_calls_on_few_streams),
        cmocka_unit_test(test_calls_max),
        cmocka_unit_test(test_large_bodies_both_ways),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_reset_and_refused),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_goaway),
        cmocka_unit_test(test_connection_lost),
        cmocka_unit_test(test_close_from_callback_and_with_calls),
        cmocka_unit_test(test_refused_connection),
        cmocka_unit_test(test_connect_timeout),
        cmocka_unit_test(test_server_without_http2),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_bad_ca_file),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
