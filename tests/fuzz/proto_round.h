/* proto_round.h - what must hold for any body, in any encoding; shared by json_fuzz.c and msgpack_fuzz.c.
 *
 * A body that is taken is written again, in both encodings, and read again: the second reading gives the same canonical bytes as
 * the first. A body that is refused gets a problem with words.
 */
#ifndef AW_TESTS_FUZZ_PROTO_ROUND_H
#define AW_TESTS_FUZZ_PROTO_ROUND_H

#include "proto/proto.h"

#include <stddef.h>

#define ROUND_OBJECT_BYTES 8192U

/* Room for any object of the table. */
union round_object {
    max_align_t alignment;
    char        bytes[ROUND_OBJECT_BYTES];
};

static inline void
round_check_problem(enum aw_err err, const struct aw_proto_problem *problem)
{
    AW_ASSERT(err == problem->err);
    AW_ASSERT(err == AW_E_MALFORMED || err == AW_E_UNKNOWN_FIELD || err == AW_E_BAD_VALUE || err == AW_E_BODY_LARGE);
    AW_ASSERT(problem->detail[0] != '\0');
    AW_ASSERT(aw_slice_is_utf8(aw_slice_str(problem->detail)));
    AW_ASSERT(aw_slice_is_utf8(aw_slice_str(problem->field)));
}

static inline enum aw_err
round_decode(struct aw_arena *arena, enum aw_media media, struct aw_slice body, enum aw_object_kind kind, bool lenient,
             union round_object *ret)
{
    struct aw_proto_problem problem;
    enum aw_err             err;

    AW_ASSERT(aw_object_of(kind)->bytes <= sizeof(*ret));
    if (kind == AW_OBJECT_MESSAGE)
        err = aw_proto_decode_message(arena, media, body, lenient, (struct aw_message *)(void *)ret, &problem);
    else
        err = aw_proto_decode(arena, media, body, kind, ret->bytes, &problem);
    if (err != AW_OK)
        round_check_problem(err, &problem);
    return err;
}

static inline struct aw_slice
round_write(struct aw_arena *arena, enum aw_media media, enum aw_object_kind kind, const union round_object *object)
{
    struct aw_buffer buffer;
    struct aw_writer writer;

    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, media);
    aw_proto_write_object(&writer, kind, object);
    AW_ASSERT(!buffer.failed);
    return aw_buffer_slice(&buffer);
}

static inline void
round_object(struct aw_arena *arena, enum aw_media media, struct aw_slice body, enum aw_object_kind kind, bool lenient)
{
    static const enum aw_media both[] = {AW_MEDIA_JSON, AW_MEDIA_MSGPACK};
    union round_object         first;
    union round_object         second;
    struct aw_slice            canonical;

    if (round_decode(arena, media, body, kind, lenient, &first) != AW_OK)
        return;
    canonical = round_write(arena, AW_MEDIA_MSGPACK, kind, &first);
    AW_IMPLIES(kind == AW_OBJECT_MESSAGE, canonical.len <= AW_MESSAGE_ENCODED_BYTES_MAX);
    for (unsigned i = 0; i < AW_ARRAY_LEN(both); i++) {
        struct aw_slice again = round_write(arena, both[i], kind, &first);
        enum aw_err     err = round_decode(arena, both[i], again, kind, false, &second);

        AW_ASSERT(err == AW_OK);
        AW_ASSERT(aw_slice_eq(round_write(arena, AW_MEDIA_MSGPACK, kind, &second), canonical));
    }
    if (kind == AW_OBJECT_MESSAGE) {
        struct aw_buffer buffer;
        struct aw_writer writer;
        bool             copied;

        /* A stored body is written into answers without being decoded: the same JSON comes out. */
        aw_buffer_init(&buffer, arena);
        aw_writer_init(&writer, &buffer, AW_MEDIA_JSON);
        copied = aw_writer_copy(&writer, canonical);
        AW_ASSERT(copied);
        AW_ASSERT(aw_slice_eq(aw_buffer_slice(&buffer), round_write(arena, AW_MEDIA_JSON, kind, &first)));
        AW_ASSERT(aw_proto_body_get(canonical, AW_SLICE("channel")).len > 1);
    }
}

static inline void
round_lines(enum aw_media media, struct aw_slice body)
{
    struct aw_proto_problem problem;
    struct aw_lines         lines;
    struct aw_line          line;
    uint32_t                last = 0;
    enum aw_err             err = aw_lines_init(&lines, media, body, &problem);

    if (err != AW_OK) {
        round_check_problem(err, &problem);
        return;
    }
    while ((err = aw_lines_next(&lines, &line, &problem)) == AW_OK) {
        AW_ASSERT(line.number > last);
        AW_ASSERT(line.bytes.len > 0);
        AW_ASSERT(line.bytes.ptr >= body.ptr && line.bytes.ptr + line.bytes.len <= body.ptr + body.len);
        last = line.number;
    }
    if (err != AW_E_AGAIN)
        round_check_problem(err, &problem);
}

/* Everything above for one body. The arena's memory is kept between calls. */
static inline void
round_body(struct aw_arena *arena, enum aw_media media, struct aw_slice body)
{
    for (unsigned kind = 0; kind < AW_OBJECT_COUNT; kind++)
        round_object(arena, media, body, (enum aw_object_kind)kind, false);
    round_object(arena, media, body, AW_OBJECT_MESSAGE, true);
    round_lines(aw_media_is_msgpack(media) ? AW_MEDIA_MSGPACK_SEQ : AW_MEDIA_NDJSON, body);
    aw_arena_reset(arena);
}

/* The fuzzer's arena: made at the first input, lives as long as the program. */
static inline struct aw_arena *
round_arena(void)
{
    static struct aw_blocks *blocks;
    static struct aw_arena   arena;

    if (blocks == NULL) {
        blocks = aw_blocks_new(64 * AW_KIB, 256 * AW_MIB);
        AW_ASSERT(blocks != NULL);
        aw_arena_init(&arena, blocks);
    }
    return &arena;
}

#endif
