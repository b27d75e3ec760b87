/* log.h - one JSON line a log event, in a single write(2), so that lines of several threads never mix.
 *
 *     aw_log(AW_LOG_INFO, "ready", aw_log_str("listen", address), aw_log_num("ready_ms", ms));
 *     {"level":"info","ts":"2026-04-15T08:01:02.345Z","msg":"ready","listen":"127.0.0.1:8480","ready_ms":212}
 *
 * Never message text and never a token: ids, counts, names and errors only. A line has at most AW_LOG_LINE_BYTES; pairs that do not
 * fit are left out and the line ends with "cut":true. Only `run` logs above debug level. A full pipe at the other end makes the
 * writer wait; an error of write is dropped, there being nowhere to report it.
 * Thread: aw_log by any; aw_log_init before the threads start. Before aw_log_init lines go to stderr without a time.
 */
#ifndef AW_BASE_LOG_H
#define AW_BASE_LOG_H

#include "base/assert.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A pipe takes this much in one piece (PIPE_BUF on Linux). */
#define AW_LOG_LINE_BYTES 4096

enum aw_log_level { AW_LOG_DEBUG, AW_LOG_INFO, AW_LOG_WARN, AW_LOG_ERROR };
enum aw_log_kind { AW_LOG_KIND_STRING, AW_LOG_KIND_U64, AW_LOG_KIND_I64, AW_LOG_KIND_BOOL, AW_LOG_KIND_TIME };

struct aw_log_pair {
    const char      *key; /* borrows, as `string` does, until aw_log returns */
    enum aw_log_kind kind;
    struct aw_slice  string;
    uint64_t         number; /* also the bool and the time */
    int64_t          integer;
};

/* `clock` gives the wall time of a line (NULL: none is written). `fd` is borrowed. */
void aw_log_init(int fd, enum aw_log_level level_min, aw_ms (*clock)(void));
bool aw_log_is_on(enum aw_log_level level);
/* "debug" and so on; false when it is none of them. */
AW_MUST_USE bool aw_log_level_parse(struct aw_slice text, enum aw_log_level *ret_level);
/* For aw_log. pairs[0] is skipped: it keeps the array from being empty. */
void aw_log_write(enum aw_log_level level, const char *msg, const struct aw_log_pair *pairs, size_t count);

/* aw_log(level, msg, pair...): the pairs are evaluated only when the level is on. */
#define aw_log(level, msg, ...)                                                                                                  \
    do {                                                                                                                         \
        if (aw_log_is_on(level))                                                                                                 \
            aw_log_write((level), (msg), (const struct aw_log_pair[]){{.key = NULL}, __VA_ARGS__},                               \
                         sizeof((const struct aw_log_pair[]){{.key = NULL}, __VA_ARGS__}) / sizeof(struct aw_log_pair));         \
    } while (0)

static inline struct aw_log_pair
aw_log_slice(const char *key, struct aw_slice value)
{
    return (struct aw_log_pair){.key = key, .kind = AW_LOG_KIND_STRING, .string = value};
}

static inline struct aw_log_pair
aw_log_str(const char *key, const char *value)
{
    return aw_log_slice(key, aw_slice_str(value));
}

static inline struct aw_log_pair
aw_log_num(const char *key, uint64_t value)
{
    return (struct aw_log_pair){.key = key, .kind = AW_LOG_KIND_U64, .number = value};
}

static inline struct aw_log_pair
aw_log_int(const char *key, int64_t value)
{
    return (struct aw_log_pair){.key = key, .kind = AW_LOG_KIND_I64, .integer = value};
}

static inline struct aw_log_pair
aw_log_bool(const char *key, bool value)
{
    return (struct aw_log_pair){.key = key, .kind = AW_LOG_KIND_BOOL, .number = value};
}

/* null when `at` is 0. */
static inline struct aw_log_pair
aw_log_time(const char *key, aw_ms at)
{
    return (struct aw_log_pair){.key = key, .kind = AW_LOG_KIND_TIME, .number = at};
}

/* The error's name under the key "err". */
static inline struct aw_log_pair
aw_log_err(enum aw_err err)
{
    return aw_log_str("err", aw_err_name(err));
}

#endif
