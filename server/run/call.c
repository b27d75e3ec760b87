/* call.c - submissions out and back, and the one answer. */
#include "run/call.h"

#include "proto/proto.h"
#include "run/access.h"
#include "run/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *
aw_call_new(struct aw_io *io, struct aw_request *request, const struct aw_call_ops *ops, size_t size)
{
    struct aw_call *call = aw_arena_take_zeroed(&request->arena, 1, size);

    if (call == NULL) {
        aw_request_fail(request, &(struct aw_problem){.err = AW_E_MEMORY});
        return NULL;
    }
    call->ops = ops;
    call->io = io;
    call->request = request;
    aw_wheel_node_init(&call->node);
    request->user = call;
    return call;
}

struct aw_arena *
aw_call_arena(struct aw_call *call)
{
    AW_ASSERT(call->out == 0); /* another thread may be reading it */
    return call->work != NULL ? call->work : &call->request->arena;
}

struct aw_arena *
aw_call_arena_kept(struct aw_call *call)
{
    AW_ASSERT(call->out == 0);
    return &call->request->arena;
}

void
aw_call_submit(struct aw_call *call, struct aw_submission *submission)
{
    submission->io = call->io->number;
    submission->owner = call;
    call->out++;
    aw_io_submit(call->io, submission);
}

void
aw_call_read(struct aw_call *call, struct aw_read *read)
{
    read->io = call->io->number;
    read->owner = call;
    call->out++;
    aw_io_read(call->io, read);
}

void
aw_call_wait(struct aw_call *call, aw_ns at)
{
    aw_wheel_remove(&call->io->wheel, &call->node);
    aw_wheel_add(&call->io->wheel, &call->node, at, call->io->now);
    if (!ev_is_active(&call->io->tick))
        ev_timer_again(call->io->loop, &call->io->tick);
}

/* Nothing is out any more: go on, or clear away after a client that left. */
static void
go_on(struct aw_call *call)
{
    if (call->out > 0)
        return;
    if (!call->gone) {
        call->ops->on_back(call);
        return;
    }
    if (call->ops->on_gone != NULL && call->ops->on_gone(call))
        return;
    AW_ASSERT(call->out == 0);
    aw_wheel_remove(&call->io->wheel, &call->node);
    aw_access_leave(call->io, call->request);
    aw_request_discard(call->request);
}

void
aw_call_submission_back(struct aw_submission *submission)
{
    struct aw_call *call = submission->owner;

    if (call == NULL) {
        free(AW_CONTAINER(submission, struct aw_errand, submission));
        return;
    }
    AW_ASSERT(call->out > 0);
    call->out--;
    go_on(call);
}

void
aw_call_read_back(struct aw_read *read)
{
    struct aw_call *call = read->owner;

    AW_ASSERT(call->out > 0);
    call->out--;
    go_on(call);
}

void
aw_call_request_gone(struct aw_request *request)
{
    struct aw_call *call = request->user;

    call->gone = true;
    aw_wheel_remove(&call->io->wheel, &call->node);
    if (call->out > 0) {
        if (call->ops->on_leave != NULL)
            call->ops->on_leave(call);
        return;
    }
    go_on(call);
}

void
aw_call_request_sent(struct aw_request *request, bool delivered)
{
    struct aw_call *call = request->user;

    if (call != NULL && call->ops->on_sent != NULL)
        call->ops->on_sent(call, delivered);
}

void
aw_call_request_drained(struct aw_request *request)
{
    struct aw_call *call = request->user;

    if (call->ops->on_room != NULL)
        call->ops->on_room(call);
}

struct aw_errand *
aw_errand_new(uint32_t count, struct aw_slice agent)
{
    struct aw_errand *errand = calloc(1, sizeof(*errand) + count * sizeof(errand->entries[0]));

    if (errand == NULL)
        return NULL;
    AW_ASSERT(agent.len <= sizeof(errand->agent_bytes));
    memcpy(errand->agent_bytes, agent.ptr, agent.len);
    errand->agent = aw_slice_of(errand->agent_bytes, agent.len);
    errand->submission = (struct aw_submission){
        .kind = AW_SUBMIT_COMMANDS, .entries = errand->entries, .count = count, .woken_lane = AW_LANE_NONE};
    return errand;
}

void
aw_errand_send(struct aw_io *io, struct aw_errand *errand)
{
    errand->submission.io = io->number;
    aw_io_submit(io, &errand->submission);
}

static bool
is_msgpack_request(const struct aw_request *request)
{
    enum aw_media media;

    return aw_media_parse(request->content_type, &media) && aw_media_is_msgpack(media);
}

bool
aw_call_negotiate(struct aw_call *call, bool sequence, enum aw_media *ret_media)
{
    enum aw_media offered[2] = {sequence ? AW_MEDIA_NDJSON : AW_MEDIA_JSON, sequence ? AW_MEDIA_MSGPACK_SEQ : AW_MEDIA_MSGPACK};
    bool          msgpack = is_msgpack_request(call->request);

    /* Without a preference the answer is in the request's own encoding. */
    if (msgpack) {
        enum aw_media first = offered[0];

        offered[0] = offered[1];
        offered[1] = first;
    }
    if (aw_media_negotiate(call->request->accept, offered, AW_ARRAY_LEN(offered), ret_media))
        return true;
    aw_call_fail(call, AW_E_NOT_ACCEPTABLE,
                 sequence ? "this path answers application/x-ndjson or application/vnd.msgpack-seq"
                          : "this path answers application/json or application/msgpack");
    return false;
}

void
aw_call_answer(struct aw_call *call, uint16_t status, enum aw_media media, const struct aw_buffer *buffer,
               const struct aw_header_field *fields, size_t field_count)
{
    struct aw_response response = {.status = status, .content_type = aw_media_type(media), .body = aw_buffer_slice(buffer)};

    AW_ASSERT(call->out == 0);
    if (buffer->failed) {
        aw_call_fail(call, AW_E_MEMORY, "no memory for the answer");
        return;
    }
    AW_ASSERT(!call->answered);
    AW_ASSERT(field_count <= AW_ARRAY_LEN(response.fields));
    call->answered = true;
    aw_wheel_remove(&call->io->wheel, &call->node);
    for (size_t i = 0; i < field_count; i++)
        response.fields[i] = fields[i];
    response.field_count = field_count;
    aw_request_respond(call->request, &response);
}

bool
aw_call_begin_stream(struct aw_call *call, const struct aw_response *head)
{
    AW_ASSERT(call->out == 0);
    AW_ASSERT(!call->answered);
    if (call->request->method != AW_HEAD)
        return aw_request_respond_begin(call->request, head);
    call->answered = true;
    aw_wheel_remove(&call->io->wheel, &call->node);
    aw_request_respond(call->request, head);
    return false;
}

static void
end_stream(struct aw_call *call)
{
    AW_ASSERT(call->out == 0);
    AW_ASSERT(!call->answered);
    call->answered = true;
    aw_wheel_remove(&call->io->wheel, &call->node);
}

void
aw_call_end_stream(struct aw_call *call)
{
    end_stream(call);
    aw_request_end(call->request);
}

void
aw_call_abort_stream(struct aw_call *call)
{
    end_stream(call);
    aw_request_abort(call->request);
}

void
aw_call_answer_empty(struct aw_call *call, uint16_t status)
{
    struct aw_response response = {.status = status};

    AW_ASSERT(call->out == 0);
    AW_ASSERT(!call->answered);
    call->answered = true;
    aw_wheel_remove(&call->io->wheel, &call->node);
    aw_request_respond(call->request, &response);
}

uint32_t
aw_retry_after_s(enum aw_err err)
{
    switch (aw_err_retry(err)) {
    case AW_RETRY_NEVER:
    case AW_RETRY_NOW:
        return 0;
    case AW_RETRY_LATER:
        break;
    }
    /* Room comes with an operator or a trim, a broken store with a restart; the others pass within moments. */
    if (err == AW_E_STORE_FULL || err == AW_E_TABLE_FULL || err == AW_E_LANE_PAUSED)
        return 30;
    return err == AW_E_STORE_BROKEN ? 10 : 1;
}

static struct aw_response
make_failure(struct aw_request *request, const struct aw_problem *problem, const struct aw_header_field *fields,
             size_t field_count)
{
    struct aw_problem  full = *problem;
    struct aw_response response = {.status = (uint16_t)aw_err_status(problem->err)};
    enum aw_media      media = aw_media_for_problem_to(request->accept, request->content_type);
    struct aw_buffer   buffer;
    struct aw_writer   writer;
    char              *seconds;

    if (full.retry_after_s == 0)
        full.retry_after_s = aw_retry_after_s(full.err);
    aw_buffer_init(&buffer, &request->arena);
    aw_writer_init(&writer, &buffer, media);
    aw_proto_write_problem(&writer, &full);
    if (!buffer.failed) {
        response.content_type = aw_media_type(media);
        response.body = aw_buffer_slice(&buffer);
    } /* else the status alone has to do */
    seconds = aw_arena_take(&request->arena, 12);
    if (full.retry_after_s > 0 && seconds != NULL) {
        int len = snprintf(seconds, 12, "%u", full.retry_after_s);

        response.fields[response.field_count++] =
            (struct aw_header_field){AW_SLICE("retry-after"), aw_slice_of(seconds, (size_t)len)};
    }
    if (full.err == AW_E_UNAUTHORIZED)
        response.fields[response.field_count++] = (struct aw_header_field){AW_SLICE("www-authenticate"), AW_SLICE("Bearer")};
    for (size_t i = 0; i < field_count; i++)
        response.fields[response.field_count++] = fields[i];
    return response;
}

void
aw_request_fail_with(struct aw_request *request, const struct aw_problem *problem, const struct aw_header_field *fields,
                     size_t field_count)
{
    struct aw_response response = make_failure(request, problem, fields, field_count);

    aw_request_respond(request, &response);
}

void
aw_request_fail(struct aw_request *request, const struct aw_problem *problem)
{
    aw_request_fail_with(request, problem, NULL, 0);
}

void
aw_call_set_broken(const struct aw_call *call, struct aw_problem *problem)
{
    if (aw_err_told(problem->err) == AW_E_INTERNAL && aw_metric_sum(call->io->shared->metrics, AW_METRIC_ROLE) == AW_ROLE_BROKEN)
        *problem = (struct aw_problem){.err = AW_E_STORE_BROKEN, .line = problem->line};
}

void
aw_call_problem_with(struct aw_call *call, const struct aw_problem *problem, const struct aw_header_field *fields,
                     size_t field_count)
{
    struct aw_problem  told = *problem;
    struct aw_response response;

    AW_ASSERT(call->out == 0);
    AW_ASSERT(!call->answered);
    aw_call_set_broken(call, &told);
    call->answered = true;
    aw_wheel_remove(&call->io->wheel, &call->node);
    response = make_failure(call->request, &told, fields, field_count);
    if (call->ops->on_failed != NULL)
        call->ops->on_failed(call);
    aw_request_respond(call->request, &response);
}

void
aw_call_problem(struct aw_call *call, const struct aw_problem *problem)
{
    aw_call_problem_with(call, problem, NULL, 0);
}

void
aw_call_fail(struct aw_call *call, enum aw_err err, const char *detail)
{
    aw_call_problem(call, &(struct aw_problem){.err = err, .detail = aw_slice_str(detail)});
}
