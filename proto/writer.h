/* writer.h - one way to write an answer, for JSON and MessagePack.
 *
 * Borrows the buffer until the last call. Thread: that of the buffer. Fails only through the buffer (`failed`): check it once at
 * the end. Wrong nesting is our own error and asserted.
 * MessagePack maps begin with their number of pairs: a map gets a head of one byte, and one that turns out to have more than 15
 * pairs is moved up by two bytes at its end. So every map is as short as can be, and callers need not count fields that are there
 * only sometimes; the price is one memmove for a large map (a lease). The length of a list is always known, so it is asked for.
 */
#ifndef AW_PROTO_WRITER_H
#define AW_PROTO_WRITER_H

#include "base/arena.h"
#include "base/assert.h"
#include "base/json_out.h"
#include "base/slice.h"
#include "base/time.h"
#include "proto/media.h"

#include <stdbool.h>
#include <stdint.h>

#define AW_WRITER_DEPTH_MAX 24

struct aw_writer_level {
    size_t   head;  /* where in the buffer a map's first byte is */
    uint32_t count; /* pairs or elements written */
    uint32_t announced;
    bool     map;
};
struct aw_writer {
    struct aw_buffer      *_buffer;
    bool                   _msgpack;
    bool                   _named; /* a key was written, its value was not */
    uint32_t               _depth;
    struct aw_json         _json;
    struct aw_writer_level _levels[AW_WRITER_DEPTH_MAX];
};

/* `media`: any of the JSON or MessagePack ones. */
void aw_writer_init(struct aw_writer *writer, struct aw_buffer *buffer, enum aw_media media);
/* Whether it writes MessagePack. */
static inline bool
aw_writer_is_msgpack(const struct aw_writer *writer)
{
    return writer->_msgpack;
}
void aw_writer_begin_map(struct aw_writer *writer);
void aw_writer_end_map(struct aw_writer *writer);
/* Exactly `count` values follow. */
void aw_writer_begin_array(struct aw_writer *writer, uint32_t count);
void aw_writer_end_array(struct aw_writer *writer);
void aw_writer_key(struct aw_writer *writer, struct aw_slice key);
/* Valid UTF-8, at most 4 GiB. */
void aw_writer_str(struct aw_writer *writer, struct aw_slice value);
void aw_writer_u64(struct aw_writer *writer, uint64_t value);
void aw_writer_i64(struct aw_writer *writer, int64_t value);
void aw_writer_real(struct aw_writer *writer, double value); /* finite */
void aw_writer_bool(struct aw_writer *writer, bool value);
void aw_writer_null(struct aw_writer *writer);
/* RFC 3339; null when 0. */
void aw_writer_time(struct aw_writer *writer, aw_ms at);
/* Writes a stored MessagePack value in the writer's encoding. False when `value` is not exactly one value of ours; what was
 * written then is broken: drop the buffer. */
AW_MUST_USE bool aw_writer_copy(struct aw_writer *writer, struct aw_slice value);
/* The pairs of a stored map, into the map that is open. False like aw_writer_copy. */
AW_MUST_USE bool aw_writer_copy_entries(struct aw_writer *writer, struct aw_slice map);
/* Ends one line of several (JSON: a newline; MessagePack: nothing); the next value starts anew. */
void aw_writer_end_line(struct aw_writer *writer);

/* Keys are literals. */
#define AW_WRITER_KEY(writer, literal) aw_writer_key((writer), AW_SLICE(literal))

#endif
