/* Proves that a log event is one line of JSON in one write, that levels and the clock work, and that a line too long is cut to a
 * whole JSON line that says so. How: the log writes into a packet socket, which keeps the border of every write. */
#include "support/test.h"

#include "base/log.h"

#include <sys/socket.h>

static int sockets[2];

static aw_ms
fixed_clock(void)
{
    return 1776240062345;
}

static int
start(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sockets);
}

static int
stop(void **state)
{
    (void)state;
    aw_log_init(STDERR_FILENO, AW_LOG_INFO, NULL);
    return close(sockets[0]) + close(sockets[1]);
}

/* The next write as a whole, NUL-terminated; "" when there was none. */
static const char *
next_write(void)
{
    static char text[AW_LOG_LINE_BYTES * 2];
    ssize_t     got = recv(sockets[1], text, sizeof(text) - 1, 0);

    text[got < 0 ? 0 : got] = '\0';
    return text;
}

static void
one_event_is_one_line(void **state)
{
    (void)state;
    aw_log_init(sockets[0], AW_LOG_INFO, fixed_clock);
    aw_log(AW_LOG_INFO, "ready", aw_log_str("listen", "127.0.0.1:8480"), aw_log_num("ready_ms", 212), aw_log_int("delta", -3),
           aw_log_bool("dev", true), aw_log_time("since", 1), aw_log_err(AW_E_STORE_FULL),
           aw_log_slice("path", AW_SLICE("a\"\n\xFF")));
    assert_string_equal(next_write(),
                        "{\"level\":\"info\",\"ts\":\"2026-04-15T08:01:02.345Z\",\"msg\":\"ready\",\"listen\":\"127.0.0.1:8480\","
                        "\"ready_ms\":212,\"delta\":-3,\"dev\":true,\"since\":\"1970-01-01T00:00:00.001Z\","
                        "\"err\":\"STORE_FULL\",\"path\":\"a\\\"\\n\uFFFD\"}\n");
    aw_log(AW_LOG_ERROR, "bare");
    assert_string_equal(next_write(), "{\"level\":\"error\",\"ts\":\"2026-04-15T08:01:02.345Z\",\"msg\":\"bare\"}\n");
    aw_log_init(sockets[0], AW_LOG_INFO, NULL);
    aw_log(AW_LOG_WARN, "early");
    assert_string_equal(next_write(), "{\"level\":\"warn\",\"msg\":\"early\"}\n");
    assert_string_equal(next_write(), "");
}

static struct aw_log_pair
counted(int *calls)
{
    (*calls)++;
    return aw_log_num("calls", (uint64_t)*calls);
}

static void
levels_below_the_minimum_cost_nothing(void **state)
{
    int calls = 0;

    (void)state;
    aw_log_init(sockets[0], AW_LOG_WARN, NULL);
    aw_log(AW_LOG_DEBUG, "no", counted(&calls));
    aw_log(AW_LOG_INFO, "no", counted(&calls));
    assert_int_equal(calls, 0);
    assert_string_equal(next_write(), "");
    aw_log(AW_LOG_WARN, "yes", counted(&calls));
    assert_int_equal(calls, 1);
    assert_string_equal(next_write(), "{\"level\":\"warn\",\"msg\":\"yes\",\"calls\":1}\n");
}

static void
level_names(void **state)
{
    enum aw_log_level level = AW_LOG_ERROR;

    (void)state;
    assert_true(aw_log_level_parse(AW_SLICE("debug"), &level));
    assert_int_equal(level, AW_LOG_DEBUG);
    assert_true(aw_log_level_parse(AW_SLICE("error"), &level));
    assert_int_equal(level, AW_LOG_ERROR);
    assert_false(aw_log_level_parse(AW_SLICE("Info"), &level));
    assert_false(aw_log_level_parse(AW_SLICE(""), &level));
    assert_int_equal(level, AW_LOG_ERROR);
}

static void
a_long_line_is_cut_between_pairs(void **state)
{
    char long_text[AW_LOG_LINE_BYTES + 8];
    int  cut = 0;

    (void)state;
    memset(long_text, 'y', sizeof(long_text));
    aw_log_init(sockets[0], AW_LOG_INFO, NULL);
    /* Around the limit, byte by byte: what fits is whole, what does not is left out, and the small pair behind it still comes. */
    for (size_t len = AW_LOG_LINE_BYTES - 100; len < AW_LOG_LINE_BYTES + 8; len++) {
        /* {"level":"info","msg":"m","k":"..."} and the room that the tail may need. */
        const size_t around = strlen("{\"level\":\"info\",\"msg\":\"m\",\"k\":\"\"") + strlen(",\"cut\":true}\n");
        const char  *line;

        aw_log(AW_LOG_INFO, "m", aw_log_slice("k", aw_slice_of(long_text, len)), aw_log_num("n", 7));
        line = next_write();
        assert_true(strlen(line) <= AW_LOG_LINE_BYTES);
        assert_int_equal(line[strlen(line) - 1], '\n');
        assert_int_equal(line[strlen(line) - 2], '}');
        if (len + around > AW_LOG_LINE_BYTES) {
            assert_string_equal(line, "{\"level\":\"info\",\"msg\":\"m\",\"n\":7,\"cut\":true}\n");
            cut++;
        } else if (len + around + strlen(",\"n\":7") > AW_LOG_LINE_BYTES) {
            assert_non_null(strstr(line, "yy\",\"cut\":true}\n"));
            cut++;
        } else {
            assert_non_null(strstr(line, "yy\",\"n\":7}\n"));
        }
    }
    assert_true(cut > 0 && cut < 108);
    aw_log_write(AW_LOG_INFO, "m", (const struct aw_log_pair[]){{.key = NULL}}, 1);
    assert_string_equal(next_write(), "{\"level\":\"info\",\"msg\":\"m\"}\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_event_is_one_line),
        cmocka_unit_test(levels_below_the_minimum_cost_nothing),
        cmocka_unit_test(level_names),
        cmocka_unit_test(a_long_line_is_cut_between_pairs),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
