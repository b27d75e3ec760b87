/* msgpack_fuzz.c - any bytes as MessagePack: every request, and as a stored body that is written into answers. */
#include "proto/tree.h"

#include "proto_round.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
copy(struct aw_arena *arena, enum aw_media media, struct aw_slice value, struct aw_slice *ret_copy)
{
    struct aw_buffer buffer;
    struct aw_writer writer;
    bool             ok;

    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, media);
    ok = aw_writer_copy(&writer, value);
    AW_ASSERT(!buffer.failed);
    *ret_copy = aw_buffer_slice(&buffer);
    return ok;
}

/* A whole body can be copied into answers, and its copy has the one shortest form; a broken one is refused or has the form at
 * least. */
static void
check_copy(struct aw_arena *arena, struct aw_slice body)
{
    struct aw_proto_problem problem;
    struct aw_slice         json;
    struct aw_slice         once;
    struct aw_slice         twice;
    bool                    whole = aw_msgpack_check(body, &problem) == AW_OK;
    bool                    to_json = copy(arena, AW_MEDIA_JSON, body, &json);
    bool                    to_msgpack = copy(arena, AW_MEDIA_MSGPACK, body, &once);
    bool                    again;

    AW_ASSERT(to_json == to_msgpack);
    AW_IMPLIES(whole, to_json);
    if (!to_msgpack)
        return;
    AW_ASSERT(aw_msgpack_measure(body) == body.len);
    AW_ASSERT(aw_slice_is_utf8(json));
    again = copy(arena, AW_MEDIA_MSGPACK, once, &twice);
    AW_ASSERT(again);
    AW_ASSERT(aw_slice_eq(once, twice));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aw_slice  body = size == 0 ? AW_SLICE("") : aw_slice_of(data, size);
    struct aw_arena *arena = round_arena();

    check_copy(arena, body);
    (void)aw_proto_body_get(body, AW_SLICE("text")); /* any answer is right that stays inside of the body */
    round_body(arena, AW_MEDIA_MSGPACK, body);
    return 0;
}
