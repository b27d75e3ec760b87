/* query_fuzz.c - any bytes behind the `?` of a path: taken apart, decoded, and read as each filter that has one. What is read is
 * written and read again, as a body this time. */
#include "base/arena.h"
#include "run/query.h"

#include "proto_round.h"

#define PARAMETERS_MAX 40U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_filter(struct aw_arena *arena, const struct aw_pair *pairs, uint32_t count, enum aw_object_kind kind)
{
    static const enum aw_media both[] = {AW_MEDIA_JSON, AW_MEDIA_MSGPACK};
    struct aw_proto_problem    problem;
    union round_object         filter;
    enum aw_err                err;

    AW_ASSERT(aw_object_of(kind)->bytes <= sizeof(filter));
    err = aw_proto_decode_query(arena, pairs, count, kind, filter.bytes, &problem);
    if (err != AW_OK) {
        round_check_problem(err, &problem);
        return;
    }
    for (unsigned i = 0; i < AW_ARRAY_LEN(both); i++)
        round_object(arena, both[i], round_write(arena, both[i], kind, &filter), kind, false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aw_slice     query = size == 0 ? AW_SLICE("") : aw_slice_of(data, size);
    struct aw_arena    *arena = round_arena();
    struct aw_parameter parameter;
    struct aw_slice     decoded;
    struct aw_pair      pairs[PARAMETERS_MAX];
    uint32_t            count = 0;
    bool                failed = false;
    bool                had_room = aw_percent_decode(arena, query, &decoded);

    AW_ASSERT(had_room && decoded.len <= query.len);
    while (count < PARAMETERS_MAX && aw_query_take(arena, &query, &parameter, &failed)) {
        AW_ASSERT(parameter.name.len + parameter.value.len <= size);
        pairs[count++] = (struct aw_pair){parameter.name, parameter.value};
    }
    AW_ASSERT(!failed);
    check_filter(arena, pairs, count, AW_OBJECT_TICKET_FILTER);
    check_filter(arena, pairs, count, AW_OBJECT_REPLY_FILTER);
    aw_arena_reset(arena);
    return 0;
}
