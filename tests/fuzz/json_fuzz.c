/* json_fuzz.c - any bytes as JSON: every request, and the quick reader against jansson. */
#include "proto/tree.h"

#include "proto_round.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the quick reader takes, jansson takes too, with the same tree. */
static void
check_readers_agree(struct aw_arena *arena, struct aw_slice body)
{
    struct aw_scratch      *scratch = aw_scratch_begin();
    struct aw_proto_problem problem;
    msgpack_object          quick;
    msgpack_object          judged;

    AW_ASSERT(scratch != NULL);
    if (aw_json_scan(scratch, arena, body, &quick)) {
        enum aw_err err = aw_tree_from_json_judged(scratch, arena, body, &judged, &problem);

        AW_ASSERT(err == AW_OK);
        AW_ASSERT(msgpack_object_equal(quick, judged));
    }
    aw_scratch_end(scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aw_slice  body = size == 0 ? AW_SLICE("") : aw_slice_of(data, size);
    struct aw_arena *arena = round_arena();

    check_readers_agree(arena, body);
    round_body(arena, AW_MEDIA_JSON, body);
    return 0;
}
