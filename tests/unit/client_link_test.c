/* client_link_test.c - proves that the waiting client answers each call, connects again when it must, and repeats only what is
 * safe. */
#include "client/link.h"
#include "port/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/client_server.h"

static struct aw_link *
open_link(const struct server *server)
{
    struct aw_link_config config = {.insecure = true};
    struct aw_link       *link = NULL;
    struct aw_why         why = {""};

    assert_int_equal(aw_url_parse(aw_slice_str(server->url), &config.url, &why), AW_OK);
    assert_int_equal(aw_link_open(&link, &config, &why), AW_OK);
    return link;
}

static enum aw_exchange_end
get(struct aw_link *link, const char *path, struct aw_exchange_result *ret_result)
{
    const struct aw_exchange_request request = {
        .method = AW_SLICE("GET"), .path = aw_slice_str(path), .timeout = 5 * AW_NS_PER_S};

    return aw_client_call(link, &request, ret_result);
}

static void
test_calls_share_a_connection(void **state)
{
    struct server             server = {.streams_max = 0};
    struct aw_exchange_result result;
    struct aw_link           *link;

    (void)state;
    server_start(&server);
    link = open_link(&server);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(get(link, "/big/1000", &result), AW_EXCHANGE_ANSWERED);
        assert_int_equal(result.status, 200);
        assert_int_equal(result.body.len, 1000);
        assert_int_equal(result.body.ptr[999], 'b');
        assert_true(aw_slice_eq(aw_exchange_field_of(&result, AW_SLICE("x-path")), AW_SLICE("/big/1000")));
    }
    assert_int_equal(atomic_load(&server.connections), 1);
    aw_link_close(&link);
    assert_null(link);
    server_stop(&server);
}

static void
test_connects_again(void **state)
{
    struct server             server = {.streams_max = 0};
    struct aw_exchange_result result;
    struct aw_link           *link;

    (void)state;
    server_start(&server);
    link = open_link(&server);
    assert_int_equal(get(link, "/hangup", &result), AW_EXCHANGE_LOST); /* the server had it: not repeated */
    assert_string_not_equal(result.why, "");
    assert_int_equal(atomic_load(&server.requests), 1);
    assert_int_equal(get(link, "/echo", &result), AW_EXCHANGE_ANSWERED);
    assert_int_equal(atomic_load(&server.connections), 2);
    aw_link_close(&link);
    server_stop(&server);
}

static void
test_repeats_once_what_is_safe(void **state)
{
    struct server             server = {.streams_max = 0};
    struct aw_exchange_result result;
    struct aw_link           *link;

    (void)state;
    server_start(&server);
    link = open_link(&server);
    assert_int_equal(get(link, "/twice", &result), AW_EXCHANGE_ANSWERED);
    assert_int_equal(atomic_load(&server.requests), 2);
    assert_int_equal(get(link, "/refuse", &result), AW_EXCHANGE_UNPROCESSED); /* twice refused: the caller is told */
    assert_int_equal(atomic_load(&server.requests), 4);
    aw_link_close(&link);
    server_stop(&server);
}

static void
test_unreached(void **state)
{
    struct server             server = {.streams_max = 0};
    struct aw_exchange_result result;
    struct aw_link           *link;

    (void)state;
    server_start(&server);
    link = open_link(&server);
    server_stop(&server);
    assert_int_equal(get(link, "/echo", &result), AW_EXCHANGE_UNREACHED);
    assert_non_null(strstr(result.why, "refused"));
    assert_int_equal(get(link, "/echo", &result), AW_EXCHANGE_UNREACHED);
    aw_link_close(&link);
}

static void
test_unknown_host(void **state)
{
    struct aw_link_config     config = {.insecure = true};
    struct aw_link           *link = NULL;
    struct aw_exchange_result result;
    struct aw_why             why = {""};

    (void)state;
    assert_int_equal(aw_url_parse(AW_SLICE("http://no-such-host.invalid:1"), &config.url, &why), AW_OK);
    assert_int_equal(aw_link_open(&link, &config, &why), AW_OK);
    assert_int_equal(get(link, "/", &result), AW_EXCHANGE_UNREACHED);
    assert_non_null(strstr(result.why, "no-such-host.invalid"));
    aw_link_close(&link);
}

struct interrupter {
    struct aw_link *link;
    struct server  *server;
    unsigned        requests; /* the call is under way when the server has seen so many */
};

static void *
interrupt_later(void *arg)
{
    struct interrupter *interrupter = arg;

    while (atomic_load(&interrupter->server->requests) < interrupter->requests)
        (void)usleep(1000); /* shorter is fine */
    aw_link_interrupt(interrupter->link);
    return NULL;
}

static void
test_timeout_and_interrupt(void **state)
{
    const struct aw_exchange_request request = {
        .method = AW_SLICE("GET"), .path = AW_SLICE("/never"), .timeout = 100 * AW_NS_PER_MS};
    struct server             server = {.streams_max = 0};
    struct aw_exchange_result result;
    struct interrupter        interrupter = {.server = &server};
    struct aw_link           *link;
    pthread_t                 thread;

    (void)state;
    server_start(&server);
    link = open_link(&server);
    assert_int_equal(get(link, "/echo", &result), AW_EXCHANGE_ANSWERED); /* so that the time goes to the answer alone */
    assert_int_equal(aw_client_call(link, &request, &result), AW_EXCHANGE_TIMEOUT);
    interrupter.link = link;
    interrupter.requests = atomic_load(&server.requests) + 1;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_later, &interrupter), 0);
    assert_int_equal(get(link, "/never", &result), AW_EXCHANGE_CLOSED);
    (void)pthread_join(thread, NULL);
    assert_int_equal(get(link, "/echo", &result), AW_EXCHANGE_ANSWERED); /* goes on as before */
    assert_int_equal(atomic_load(&server.connections), 1);
    aw_link_close(&link);
    server_stop(&server);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_share_a_connection),
        cmocka_unit_test(test_connects_again),
        cmocka_unit_test(test_repeats_once_what_is_safe),
        cmocka_unit_test(test_unreached),
        cmocka_unit_test(test_unknown_host),
        cmocka_unit_test(test_timeout_and_interrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
