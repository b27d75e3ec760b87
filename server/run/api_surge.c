/* api_surge.c - the desk's surge: look, declare, change, end. It is undone as flights and airports are (api_flights.c). */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"

#include <string.h>

struct surge {
    struct aw_call          call;
    enum aw_media           media;
    struct aw_submission    submission;
    struct aw_query         query;
    struct aw_surge_view   *view;
    struct aw_entry         entry; /* PUT */
    struct aw_surge        *want;  /* NULL: off */
    struct aw_surge_request request;
};

/* --- the answer ------------------------------------------------------------------------------------------------------------- */

void
aw_api_answer_surge(struct aw_call *call, enum aw_media media, const struct aw_surge_view *view,
                    const struct aw_out_change *change)
{
    struct aw_slice        lanes[AW_SURGE_LANES_MAX];
    struct aw_surge_answer answer = {.surge = &view->now, .lanes = lanes, .version = view->version, .change = view->change};
    struct aw_header_field etag;
    struct aw_buffer       buffer;
    struct aw_writer       writer;

    /* Of what this request changed, not of what others did since: an If-Match by it must fail then. */
    if (change != NULL && !change->now.dry_run)
        answer.version = change->now.surge.version;
    etag = (struct aw_header_field){AW_SLICE("etag"), aw_api_etag(aw_call_arena(call), answer.version)};
    if (change != NULL) {
        answer.is_change = true;
        answer.tickets = change->now.tickets;
        answer.dry_run = change->now.dry_run;
        answer.duplicate = change->now.duplicate;
    }
    if (answer.dry_run)
        answer.surge = &view->before;
    for (uint32_t i = 0; i < answer.surge->lane_count; i++)
        lanes[i] = aw_lanes_directory_name(call->io->shared->directory, answer.surge->lanes[i]);
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, media);
    aw_proto_write_surge(&writer, &answer);
    aw_call_answer(call, change != NULL && change->created ? 201 : 200, media, &buffer, &etag,
                   view->version > 0 && !answer.dry_run);
}

static void
ask(struct surge *surge)
{
    surge->query = (struct aw_query){.kind = AW_QUERY_SURGE, .surge = surge->view};
    surge->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &surge->query};
    aw_call_submit(&surge->call, &surge->submission);
}

/* With a dry run what would be takes the place of what an undo would bring. */
static void
answer(struct surge *surge)
{
    bool is_put = surge->entry.command.kind == AW_COMMAND_SURGE;

    if (surge->request.dry_run) {
        surge->view->before = (struct aw_surge){.since = 0};
        if (surge->want != NULL) {
            surge->view->before = *surge->want;
            surge->view->before.since = surge->view->now.is_on != 0 ? surge->view->now.since : surge->query.now;
        }
    }
    aw_api_answer_surge(&surge->call, surge->media, surge->view, is_put ? &surge->entry.command.out.u.change : NULL);
}

static void
on_back(struct aw_call *call)
{
    struct surge *surge = (struct surge *)call;
    bool          is_query = surge->submission.kind == AW_SUBMIT_QUERY;
    enum aw_err   err = surge->submission.err;

    if (err == AW_OK && !is_query)
        err = surge->entry.command.out.err;
    if (err != AW_OK)
        aw_call_fail(call, err, "");
    else if (is_query)
        answer(surge);
    else /* after a change, what it is now */
        ask(surge);
}

static const struct aw_call_ops surge_ops = {.on_back = on_back};

/* NULL: answered. */
static struct surge *
begin(struct aw_io *io, struct aw_request *request)
{
    struct surge *surge = aw_call_new(io, request, &surge_ops, sizeof(*surge));

    if (surge == NULL || !aw_call_negotiate(&surge->call, false, &surge->media))
        return NULL;
    surge->view = aw_arena_take_zeroed(&request->arena, 1, sizeof(*surge->view));
    if (surge->view != NULL)
        return surge;
    aw_call_fail(&surge->call, AW_E_MEMORY, "");
    return NULL;
}

void
aw_api_get_surge(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct surge *surge = begin(io, request);

    (void)id;
    if (surge != NULL)
        ask(surge);
}

/* --- the change ------------------------------------------------------------------------------------------------------------- */

static void
copy_text(char *to, struct aw_slice text)
{
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
}

/* False: answered. */
static bool
copy_lanes(struct surge *surge, struct aw_surge *to)
{
    const struct aw_surge_scope_request *scope = &surge->request.scope;
    const uint32_t                      *lanes;
    uint32_t                             count;

    if (!aw_api_find_lanes(&surge->call, scope->lanes, scope->lane_count, &lanes, &count))
        return false;
    AW_ASSERT(count <= AW_SURGE_LANES_MAX);
    for (uint32_t i = 0; i < count; i++)
        to->lanes[i] = (uint16_t)lanes[i];
    to->lane_count = (uint8_t)count;
    return true;
}

static void
copy_scope(const struct surge *surge, struct aw_surge *to)
{
    const struct aw_surge_scope_request *scope = &surge->request.scope;

    for (uint32_t i = 0; i < scope->channel_count; i++)
        copy_text(to->channels[i], scope->channels[i]);
    to->channel_count = (uint8_t)scope->channel_count;
    for (uint32_t i = 0; i < scope->flight_count; i++) {
        const struct aw_surge_flight_request *flight = &scope->flights[i];

        to->flights[i].hash = aw_api_flight_hash(&surge->call.io->shared->table_key, flight->number, flight->date_days);
        to->flights[i].date_days = flight->date_days;
        copy_text(to->flights[i].number, flight->number);
    }
    to->flight_count = (uint8_t)scope->flight_count;
    for (uint32_t i = 0; i < scope->airport_count; i++)
        memcpy(to->airports[i].letters, scope->airports[i].ptr, sizeof(to->airports[i].letters));
    to->airport_count = (uint8_t)scope->airport_count;
}

static void
copy_policy(const struct surge *surge, struct aw_surge *to)
{
    const struct aw_surge_policy_request *policy = &surge->request.policy;

    to->order = policy->order;
    to->overflow_after_s = policy->overflow_after_s;
    to->is_receipt = policy->receipt.is_receipt;
    memcpy(to->target_s, policy->targets.target_s, sizeof(to->target_s));
    for (uint32_t i = 0; i < policy->receipt.notice_count; i++) {
        copy_text(to->notices[i].lang, policy->receipt.notices[i].lang);
        copy_text(to->notices[i].text, policy->receipt.notices[i].text);
    }
    to->notice_count = (uint8_t)policy->receipt.notice_count;
}

/* False: answered. */
static bool
make_want(struct surge *surge)
{
    if (surge->request.is_on == 0)
        return true;
    surge->want = aw_arena_take_zeroed(aw_call_arena(&surge->call), 1, sizeof(*surge->want));
    if (surge->want == NULL) {
        aw_call_fail(&surge->call, AW_E_MEMORY, "");
        return false;
    }
    surge->want->is_on = 1;
    copy_text(surge->want->reason, surge->request.reason);
    copy_scope(surge, surge->want);
    copy_policy(surge, surge->want);
    return copy_lanes(surge, surge->want);
}

void
aw_api_put_surge(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct surge           *surge = begin(io, request);
    struct aw_in_surge      in = {.surge = NULL};
    struct aw_proto_problem problem;
    enum aw_media           media;

    (void)id;
    if (surge == NULL || !aw_api_agent(&surge->call, &in.by) || !aw_api_media(&surge->call, false, &media) ||
        !aw_api_if_match(&surge->call, &in.if_match))
        return;
    if (aw_proto_decode_surge_put(&request->arena, media, request->body, &surge->request, &problem) != AW_OK) {
        aw_api_refuse_body(&surge->call, &problem);
        return;
    }
    if (!make_want(surge))
        return;
    in.surge = surge->want;
    in.dry_run = surge->request.dry_run;
    surge->entry.command = (struct aw_command){.kind = AW_COMMAND_SURGE, .in.surge = in};
    surge->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &surge->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&surge->call, &surge->submission);
}
