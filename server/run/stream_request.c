/* stream_request.c - see stream_request.h. */
#include "run/stream_request.h"

#include "proto/proto.h"
#include "run/api.h"
#include "run/feed.h"
#include "run/query.h"

enum { LANES, UNITS, LEASE_S, ENDING_S, PARAMETERS };

struct texts {
    struct aw_slice of[PARAMETERS]; /* ptr NULL: not there */
};

static const char *const names[PARAMETERS] = {
    [LANES] = "lanes", [UNITS] = "units", [LEASE_S] = "lease_s", [ENDING_S] = "ending_s"};

static bool
refuse(struct aw_call *call, struct aw_slice field, enum aw_err err, const char *detail)
{
    aw_call_problem(call, &(struct aw_problem){.err = err, .field = field, .detail = aw_slice_str(detail)});
    return false;
}

static bool
take_texts(struct aw_call *call, struct texts *ret_texts)
{
    struct aw_slice     query = call->request->query;
    struct aw_parameter parameter;
    bool                failed;

    *ret_texts = (struct texts){.of = {{NULL, 0}}};
    while (aw_query_take(aw_call_arena(call), &query, &parameter, &failed)) {
        unsigned at = 0;

        while (at < PARAMETERS && !aw_slice_eq(aw_slice_str(names[at]), parameter.name))
            at++;
        if (at == PARAMETERS && !aw_slice_is_utf8(parameter.name))
            return refuse(call, (struct aw_slice){NULL, 0}, AW_E_UNKNOWN_FIELD,
                          "the query takes lanes, units, lease_s, ending_s");
        if (at == PARAMETERS)
            return refuse(call, parameter.name, AW_E_UNKNOWN_FIELD, "the query takes lanes, units, lease_s, ending_s");
        if (ret_texts->of[at].ptr != NULL)
            return refuse(call, aw_slice_str(names[at]), AW_E_BAD_VALUE, "given twice");
        ret_texts->of[at] = parameter.value;
    }
    if (failed)
        aw_call_fail(call, AW_E_MEMORY, "");
    return !failed;
}

/* A number of the query, `fallback` without. */
static bool
read_number(struct aw_call *call, const struct texts *texts, unsigned which, uint64_t least, uint64_t most, uint64_t fallback,
            uint64_t *ret_number)
{
    struct aw_buffer detail;

    *ret_number = fallback;
    if (texts->of[which].ptr == NULL || (aw_slice_to_u64(texts->of[which], most, ret_number) && *ret_number >= least))
        return true;
    aw_buffer_init(&detail, aw_call_arena(call));
    aw_buffer_printf(&detail, "takes %llu to %llu", (unsigned long long)least, (unsigned long long)most);
    aw_call_problem(call, &(struct aw_problem){
                              .err = AW_E_BAD_VALUE, .field = aw_slice_str(names[which]), .detail = aw_buffer_slice(&detail)});
    return false;
}

static bool
find_lanes(struct aw_call *call, struct aw_slice text, const uint32_t **ret_lanes, uint32_t *ret_count)
{
    struct aw_slice *lanes = aw_arena_take(aw_call_arena(call), AW_LANES_PER_PULL_MAX * sizeof(lanes[0]));
    uint32_t         count = 0;

    if (lanes == NULL) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return false;
    }
    do {
        if (count == AW_LANES_PER_PULL_MAX)
            return refuse(call, aw_slice_str(names[LANES]), AW_E_BAD_VALUE, "too many lanes");
        lanes[count++] = aw_slice_cut(&text, ',');
    } while (text.ptr != NULL);
    return aw_api_find_lanes(call, lanes, count, ret_lanes, ret_count);
}

bool
aw_stream_request_read(struct aw_call *call, struct aw_stream_request *ret_want, const uint32_t **ret_lanes,
                       uint32_t *ret_lane_count)
{
    struct texts texts;
    uint64_t     units, ending_max, ending;

    if (!aw_feed_negotiate(call, &ret_want->media) || !take_texts(call, &texts) ||
        !read_number(call, &texts, UNITS, 1, AW_STREAM_UNITS_MAX, 1, &units) ||
        !read_number(call, &texts, LEASE_S, AW_LEASE_S_MIN, AW_LEASE_S_MAX, AW_LEASE_S_DEFAULT, &ret_want->lease_s))
        return false;
    ret_want->units = (uint32_t)units;
    ending_max = ret_want->lease_s / AW_STREAM_ENDING_SHARE;
    ending = ending_max < AW_STREAM_ENDING_S ? ending_max : AW_STREAM_ENDING_S;
    if (!read_number(call, &texts, ENDING_S, 0, ending_max, ending, &ret_want->ending_s))
        return false;
    *ret_lanes = NULL;
    *ret_lane_count = 0;
    return texts.of[LANES].ptr == NULL || find_lanes(call, texts.of[LANES], ret_lanes, ret_lane_count);
}
