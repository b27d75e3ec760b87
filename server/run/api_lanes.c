/* api_lanes.c - lanes: list, look, make or change. */
#include "proto/check.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"

/* Lanes in one answer; a cursor goes on. Each takes AW_LANE_TEXTS_BYTES while it is asked for. */
#define LANES_PER_PAGE 100U

struct lanes {
    struct aw_call       call;
    enum aw_media        media;
    struct aw_submission submission;
    struct aw_query      query;
    struct aw_entry      entry; /* PUT */
    struct aw_slice      name;
    bool                 created;
};

static bool
make_query(struct lanes *lanes, enum aw_query_kind kind, uint32_t room)
{
    struct aw_arena *arena = aw_call_arena(&lanes->call);

    lanes->query = (struct aw_query){.kind = kind,
                                     .name = lanes->name,
                                     .room = room,
                                     .lanes = aw_arena_take(arena, room * sizeof(struct aw_lane_answer)),
                                     .values = aw_arena_take(arena, room * 4 * AW_LANE_MATCH_MAX * sizeof(struct aw_slice)),
                                     .texts = aw_arena_take(arena, (size_t)room * AW_LANE_TEXTS_BYTES)};
    lanes->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &lanes->query};
    if (lanes->query.lanes != NULL && lanes->query.values != NULL && lanes->query.texts != NULL)
        return true;
    aw_call_fail(&lanes->call, AW_E_MEMORY, "");
    return false;
}

/* One lane more than is shown was asked for: it tells whether there is another page. */
static void
answer_list(struct lanes *lanes)
{
    bool                   has_more = lanes->query.count > LANES_PER_PAGE;
    uint32_t               count = has_more ? LANES_PER_PAGE : lanes->query.count;
    struct aw_slice        next = {NULL, 0};
    struct aw_header_field link;
    struct aw_buffer       buffer;
    struct aw_writer       writer;

    if (has_more)
        next = aw_api_next(&lanes->call, lanes->query.skip + count, &link);
    aw_buffer_init(&buffer, aw_call_arena(&lanes->call));
    aw_writer_init(&writer, &buffer, lanes->media);
    aw_proto_write_lanes(&writer, lanes->query.lanes, count, next);
    buffer.failed |= has_more && next.len == 0;
    aw_call_answer(&lanes->call, 200, lanes->media, &buffer, &link, has_more);
}

static void
answer_query(struct lanes *lanes)
{
    struct aw_buffer       buffer;
    struct aw_writer       writer;
    struct aw_header_field etag;

    if (lanes->query.kind == AW_QUERY_LANES) {
        answer_list(lanes);
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(&lanes->call));
    aw_writer_init(&writer, &buffer, lanes->media);
    etag = (struct aw_header_field){AW_SLICE("etag"), aw_api_etag(aw_call_arena(&lanes->call), lanes->query.lanes[0].version)};
    aw_proto_write_lane(&writer, &lanes->query.lanes[0]);
    aw_call_answer(&lanes->call, lanes->created ? 201 : 200, lanes->media, &buffer, &etag, 1);
}

static void
on_back(struct aw_call *call)
{
    struct lanes *lanes = (struct lanes *)call;
    enum aw_err   err = lanes->submission.err;

    if (err == AW_OK)
        err = lanes->submission.kind == AW_SUBMIT_QUERY ? lanes->query.err : lanes->entry.command.out.err;
    if (err != AW_OK) {
        aw_call_fail(call, err, err == AW_E_NOT_FOUND ? "there is no lane by that name" : "");
        return;
    }
    if (lanes->submission.kind == AW_SUBMIT_QUERY) {
        answer_query(lanes);
        return;
    }
    /* After a change, what the lane is now. */
    lanes->created = lanes->entry.command.out.u.lane.created;
    if (make_query(lanes, AW_QUERY_LANE, 1))
        aw_call_submit(call, &lanes->submission);
}

static const struct aw_call_ops lanes_ops = {.on_back = on_back};

void
aw_api_list_lanes(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct lanes *lanes = aw_call_new(io, request, &lanes_ops, sizeof(*lanes));
    uint64_t      after;

    (void)id;
    if (lanes == NULL || !aw_call_negotiate(&lanes->call, false, &lanes->media) || !aw_api_cursor(&lanes->call, &after) ||
        !make_query(lanes, AW_QUERY_LANES, LANES_PER_PAGE + 1))
        return;
    /* No lane ever goes away, so a place is a number of lanes; beyond the last there are none. */
    lanes->query.skip = after < UINT32_MAX ? (uint32_t)after : UINT32_MAX;
    aw_call_submit(&lanes->call, &lanes->submission);
}

void
aw_api_get_lane(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct lanes *lanes = aw_call_new(io, request, &lanes_ops, sizeof(*lanes));

    if (lanes == NULL || !aw_call_negotiate(&lanes->call, false, &lanes->media))
        return;
    lanes->name = id;
    if (make_query(lanes, AW_QUERY_LANE, 1))
        aw_call_submit(&lanes->call, &lanes->submission);
}

/* No lane ever goes away: one that is there now is there when the command is carried out. False: answered. */
static bool
check_helpers(struct lanes *lanes, const struct aw_lane_request *want)
{
    for (uint32_t i = 0; i < want->helper_count; i++) {
        struct aw_slice  helper = want->helpers[i].lane;
        bool             is_own = aw_slice_eq(helper, lanes->name);
        struct aw_buffer field;

        if (!is_own && aw_lanes_directory_find(lanes->call.io->shared->directory, helper) != AW_LANE_NONE)
            continue;
        aw_buffer_init(&field, aw_call_arena(&lanes->call));
        aw_buffer_printf(&field, "overflow[%u].lane", i);
        aw_call_problem(&lanes->call, &(struct aw_problem){.err = AW_E_BAD_VALUE,
                                                           .field = aw_buffer_slice(&field),
                                                           .detail = is_own ? AW_SLICE("a lane can't help itself")
                                                                            : AW_SLICE("there is no lane by that name")});
        return false;
    }
    return true;
}

void
aw_api_put_lane(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct lanes           *lanes = aw_call_new(io, request, &lanes_ops, sizeof(*lanes));
    struct aw_lane_request  want;
    struct aw_proto_problem problem;
    struct aw_slice         by;
    enum aw_media           media;
    struct aw_if_match      if_match;

    if (lanes == NULL || !aw_api_agent(&lanes->call, &by) || !aw_api_media(&lanes->call, false, &media) ||
        !aw_call_negotiate(&lanes->call, false, &lanes->media) || !aw_api_if_match(&lanes->call, &if_match))
        return;
    if (id.len > AW_LANE_BYTES_MAX || !aw_check_name(id)) { /* the path is not decoded: a name is what needs no encoding */
        aw_call_fail(&lanes->call, AW_E_BAD_VALUE, "a lane's name has 1 to 64 of a-z 0-9 - _ .");
        return;
    }
    if (aw_proto_decode_lane_put(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&lanes->call, &problem);
        return;
    }
    lanes->name = id;
    if (!check_helpers(lanes, &want))
        return;
    lanes->entry.command = (struct aw_command){.kind = AW_COMMAND_LANE,
                                               .in.lane = {.name = id,
                                                           .pause = want.pause,
                                                           .match = want.match,
                                                           .helpers = want.helpers,
                                                           .helper_count = want.helper_count,
                                                           .if_match = if_match}};
    lanes->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &lanes->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&lanes->call, &lanes->submission);
}
