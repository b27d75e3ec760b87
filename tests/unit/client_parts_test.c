/* client_parts_test.c - proves the small parts of the client: addresses of servers, and the pool under the protocol library.
 *  How: tables of addresses that are taken and refused; pieces of random sizes, each filled with its own byte, so that two that
 * overlap or one that was not carried over by a resize would show.
 */
#include "client/pool.h"
#include "client/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_urls_taken(void **state)
{
    static const struct {
        const char *text, *host, *port, *authority;
        bool        tls;
    } rows[] = {
        {"http://127.0.0.1:8480", "127.0.0.1", "8480", "127.0.0.1:8480", false},
        {"http://localhost", "localhost", "80", "localhost:80", false},
        {"https://desk.example.org", "desk.example.org", "443", "desk.example.org:443", true},
        {"https://desk.example.org:8443/", "desk.example.org", "8443", "desk.example.org:8443", true},
        {"http://[::1]:65535", "::1", "65535", "[::1]:65535", false},
        {"https://[fe80::1]", "fe80::1", "443", "[fe80::1]:443", true},
        {"http://a:0080", "a", "80", "a:80", false},
    };

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(rows); i++) {
        struct aw_url url;
        struct aw_why why = {""};

        assert_int_equal(aw_url_parse(aw_slice_str(rows[i].text), &url, &why), AW_OK);
        assert_string_equal(url.host, rows[i].host);
        assert_string_equal(url.port, rows[i].port);
        assert_string_equal(url.authority, rows[i].authority);
        assert_int_equal(url.tls, rows[i].tls);
    }
}

static void
test_urls_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "127.0.0.1:8480",
        "ftp://host",
        "http://",
        "http://:80",
        "http://host:",
        "http://host:0",
        "http://host:65536",
        "http://host:80x",
        "http://host:-1",
        "http://user@host",
        "http://host/path",
        "http://host?query",
        "http://[::1",
        "http://[::g]:80",
        "http://[127.0.0.1]",
        "http://ho st",
        "HTTP://host",
    };
    char long_host[400] = "http://";

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(rows); i++) {
        struct aw_url url;
        struct aw_why why = {""};

        if (aw_url_parse(aw_slice_str(rows[i]), &url, &why) != AW_E_BAD_VALUE)
            fail_msg("\"%s\" was taken", rows[i]);
        assert_string_not_equal(why.text, "");
    }
    memset(long_host + 7, 'a', 255);
    {
        struct aw_url url;
        struct aw_why why = {""};

        assert_int_equal(aw_url_parse(aw_slice_of(long_host, 7 + 255), &url, &why), AW_OK);
        long_host[7 + 255] = 'a';
        assert_int_equal(aw_url_parse(aw_slice_of(long_host, 7 + 256), &url, &why), AW_E_BAD_VALUE);
    }
}

static uint64_t
next(uint64_t *rng)
{
    *rng ^= *rng << 13;
    *rng ^= *rng >> 7;
    *rng ^= *rng << 17;
    return *rng;
}

static void
check_filled(const uint8_t *piece, size_t size, uint8_t byte)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(piece[i], byte);
}

static void
test_pool(void **state)
{
    struct {
        uint8_t *piece;
        size_t   size;
        uint8_t  byte;
    } held[200] = {{.piece = NULL}};
    struct aw_pool pool;
    uint64_t       rng = 88172645463325252;

    (void)state;
    aw_pool_init(&pool);
    for (unsigned round = 0; round < 50000; round++) {
        size_t   at = next(&rng) % AW_ARRAY_LEN(held);
        size_t   size = next(&rng) % (next(&rng) % 8 == 0 ? 40000 : 500);
        uint8_t *piece;

        if (held[at].piece != NULL)
            check_filled(held[at].piece, held[at].size, held[at].byte);
        switch (next(&rng) % 4) {
        case 0:
            aw_pool_give(&pool, held[at].piece);
            held[at].piece = NULL;
            held[at].size = 0;
            continue;
        case 1:
            aw_pool_give(&pool, held[at].piece);
            piece = aw_pool_take_zeroed(&pool, size, 1);
            assert_non_null(piece);
            check_filled(piece, size, 0);
            break;
        default:
            piece = aw_pool_resize(&pool, held[at].piece, size);
            assert_non_null(piece);
            check_filled(piece, held[at].size < size ? held[at].size : size, held[at].byte);
            break;
        }
        assert_int_equal((uintptr_t)piece % 16, 0);
        held[at].piece = piece;
        held[at].size = size;
        held[at].byte = (uint8_t)next(&rng);
        memset(piece, held[at].byte, size);
    }
    assert_null(aw_pool_take_zeroed(&pool, SIZE_MAX / 2, 4));
    for (size_t i = 0; i < AW_ARRAY_LEN(held); i++)
        aw_pool_give(&pool, held[i].piece);
    aw_pool_fini(&pool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_taken),
        cmocka_unit_test(test_urls_refused),
        cmocka_unit_test(test_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
