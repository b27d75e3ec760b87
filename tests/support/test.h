/* test.h - what every unit test includes: cmocka with the headers that it wants before it, and a few checks of our own.
 *
 * All inline: a unit test is one source linked to the libraries. Thread: the test's.
 */
#ifndef AW_TESTS_SUPPORT_TEST_H
#define AW_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The bytes of a slice are those of the string `expected`. */
#define assert_slice(slice, expected)                                                                                            \
    do {                                                                                                                         \
        struct aw_slice slice_ = (slice);                                                                                        \
        assert_int_equal(slice_.len, strlen(expected));                                                                          \
        assert_memory_equal(slice_.len == 0 ? "" : slice_.ptr, (expected), slice_.len);                                          \
    } while (0)

/* Whether `call(arg)` ends its process by SIGABRT, as a failed AW_ASSERT does. In a child with a silent stderr; no threads yet. */
static inline bool
test_aborts(void (*call)(void *arg), void *arg)
{
    int   status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        (void)dup2(null, STDERR_FILENO);
        call(arg);
        _exit(0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* xorshift64*: the same sequence on every machine; `state` is never 0. */
static inline uint64_t
test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

#endif
