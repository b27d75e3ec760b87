/* json_out.h - writes JSON (RFC 8259) into a buffer, with the commas set by itself. For answers and log lines on the hot path.
 *
 * Borrows the buffer until the last call. Thread: that of the buffer. Fails only through the buffer (`failed`): check it once at
 * the end. Wrong nesting is our own error and asserted. What comes out is always well-formed UTF-8: each byte of a string that
 * belongs to no well-formed sequence becomes U+FFFD.
 */
#ifndef AW_BASE_JSON_OUT_H
#define AW_BASE_JSON_OUT_H

#include "base/arena.h"
#include "base/assert.h"
#include "base/slice.h"
#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

struct aw_json {
    struct aw_buffer *_buffer;
    uint64_t          _objects; /* a bit a level: 1 an object, 0 an array; the lowest is the innermost */
    uint32_t          _depth;
    bool              _comma; /* something stands before in this level */
    bool              _named; /* a key was written, its value was not */
};

/* Deepest nesting of one document. */
#define AW_JSON_OUT_DEPTH_MAX 64

void aw_json_init(struct aw_json *json, struct aw_buffer *buffer);
void aw_json_object_begin(struct aw_json *json);
void aw_json_object_end(struct aw_json *json);
void aw_json_array_begin(struct aw_json *json);
void aw_json_array_end(struct aw_json *json);
/* The name of the next value; escaped like a string. */
void aw_json_key_slice(struct aw_json *json, struct aw_slice key);
void aw_json_string(struct aw_json *json, struct aw_slice value);
void aw_json_u64(struct aw_json *json, uint64_t value);
void aw_json_i64(struct aw_json *json, int64_t value);
void aw_json_bool(struct aw_json *json, bool value);
void aw_json_null(struct aw_json *json);
/* "2026-04-15T08:01:02.345Z"; null when `at` is 0, which means "not set". */
void aw_json_time(struct aw_json *json, aw_ms at);
/* One value that is JSON already; not checked. */
void aw_json_raw(struct aw_json *json, struct aw_slice value);
/* Ends a line of several documents: the next value starts anew. Only outside all objects and arrays. */
void aw_json_newline(struct aw_json *json);

/* Inline, so that the length of a literal is known when compiling. */
static inline void
aw_json_key(struct aw_json *json, const char *key)
{
    aw_json_key_slice(json, aw_slice_str(key));
}

static inline void
aw_json_str(struct aw_json *json, const char *value)
{
    aw_json_string(json, aw_slice_str(value));
}

#endif
