#include "base/log.h"

#include "base/arena.h"
#include "base/json_out.h"

#include <errno.h>
#include <unistd.h>

/* What must still fit behind the last pair. */
#define TAIL_BYTES (sizeof(",\"cut\":true}\n") - 1)

static const char *const level_names[] = {
    [AW_LOG_DEBUG] = "debug", [AW_LOG_INFO] = "info", [AW_LOG_WARN] = "warn", [AW_LOG_ERROR] = "error"};

/* Written by aw_log_init before the threads start, then read-only for all. */
static int               log_fd = STDERR_FILENO;
static enum aw_log_level log_level_min = AW_LOG_INFO;
static aw_ms (*log_clock)(void);

void
aw_log_init(int fd, enum aw_log_level level_min, aw_ms (*clock)(void))
{
    log_fd = fd;
    log_level_min = level_min;
    log_clock = clock;
}

bool
aw_log_is_on(enum aw_log_level level)
{
    return level >= log_level_min;
}

bool
aw_log_level_parse(struct aw_slice text, enum aw_log_level *ret_level)
{
    for (size_t i = 0; i < AW_ARRAY_LEN(level_names); i++) {
        if (aw_slice_eq(text, aw_slice_str(level_names[i]))) {
            *ret_level = (enum aw_log_level)i;
            return true;
        }
    }
    return false;
}

static void
add_pair(struct aw_json *json, const struct aw_log_pair *pair)
{
    aw_json_key(json, pair->key);
    switch (pair->kind) {
    case AW_LOG_KIND_STRING:
        aw_json_string(json, pair->string);
        return;
    case AW_LOG_KIND_U64:
        aw_json_u64(json, pair->number);
        return;
    case AW_LOG_KIND_I64:
        aw_json_i64(json, pair->integer);
        return;
    case AW_LOG_KIND_BOOL:
        aw_json_bool(json, pair->number != 0);
        return;
    case AW_LOG_KIND_TIME:
        aw_json_time(json, pair->number);
        return;
    }
    AW_UNREACHABLE();
}

/* Adds the pair, or leaves the line as it was and returns false. */
static bool
try_pair(struct aw_buffer *line, struct aw_json *json, const struct aw_log_pair *pair)
{
    size_t len = line->len;

    add_pair(json, pair);
    if (!line->failed)
        return true;
    line->len = len;
    line->failed = false;
    return false;
}

static void
write_line(const struct aw_buffer *line)
{
    ssize_t put;

    do {
        put = write(log_fd, line->ptr, line->len);
    } while (put < 0 && errno == EINTR);
}

void
aw_log_write(enum aw_log_level level, const char *msg, const struct aw_log_pair *pairs, size_t count)
{
    char             bytes[AW_LOG_LINE_BYTES];
    struct aw_buffer line;
    struct aw_json   json;
    bool             cut = false;

    AW_ASSERT((unsigned)level < AW_ARRAY_LEN(level_names));
    aw_buffer_init_fixed(&line, bytes, sizeof(bytes) - TAIL_BYTES);
    aw_json_init(&json, &line);
    aw_json_object_begin(&json);
    aw_json_key(&json, "level");
    aw_json_str(&json, level_names[level]);
    if (log_clock != NULL) {
        aw_json_key(&json, "ts");
        aw_json_time(&json, log_clock());
    }
    cut |= !try_pair(&line, &json, &(struct aw_log_pair){.key = "msg", .string = aw_slice_str(msg)});
    for (size_t i = 1; i < count; i++)
        cut |= !try_pair(&line, &json, &pairs[i]);
    line.room = sizeof(bytes);
    if (cut) {
        aw_json_key(&json, "cut");
        aw_json_bool(&json, true);
    }
    aw_json_object_end(&json);
    aw_json_newline(&json);
    AW_ASSERT(!line.failed);
    write_line(&line);
}
