/* api_held.c - GET /v1/leases: what an agent holds. */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/pull.h"

/* Leases in one answer; a cursor goes on. */
#define HELD_PER_PAGE 100U

struct held {
    struct aw_pull  pull;
    struct aw_query query; /* of which the leases are, as those of a repeat */
    enum aw_media   media;
    uint64_t        after; /* the last lease of this page, when there is another one; else 0 */
};

static void
answer_held(struct held *held)
{
    struct aw_call         *call = &held->pull.call;
    struct aw_slice         next = {NULL, 0};
    struct aw_lease_answer *leases;
    struct aw_header_field  link;
    struct aw_buffer        buffer;
    struct aw_writer        writer;
    enum aw_err             err = aw_pull_make_views(&held->pull, &leases);

    if (err != AW_OK) {
        aw_call_fail(call, err == AW_E_MEMORY ? err : AW_E_INTERNAL, err == AW_E_MEMORY ? "" : "a stored message cannot be read");
        return;
    }
    if (held->after != 0)
        next = aw_api_next(call, held->after, &link);
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, held->media);
    buffer.failed |= held->after != 0 && next.len == 0;
    if (aw_proto_write_held(&writer, leases, held->pull.granted, next))
        aw_call_answer(call, 200, held->media, &buffer, &link, held->after != 0);
    else
        aw_call_fail(call, AW_E_INTERNAL, "a stored message is damaged");
}

static void
on_held(struct aw_call *call)
{
    struct held    *held = (struct held *)call;
    struct aw_pull *pull = &held->pull;
    bool            failed;

    if (pull->read == NULL) {
        enum aw_err err = pull->submission.err != AW_OK ? pull->submission.err : held->query.err;

        pull->granted = held->query.count;
        if (pull->granted > HELD_PER_PAGE) { /* one more than is shown was asked for: there is another page */
            pull->granted = HELD_PER_PAGE;
            held->after = held->query.views[HELD_PER_PAGE - 1].lease.fence;
        }
        if (err != AW_OK || !aw_pull_read_messages(pull))
            aw_call_fail(call, err != AW_OK ? err : AW_E_MEMORY, "");
        return;
    }
    if (aw_api_read_again(call, pull->read, &failed))
        return;
    if (failed)
        aw_call_fail(call, AW_E_MEMORY, "");
    else
        answer_held(held);
}

static const struct aw_call_ops held_ops = {.on_back = on_held};

void
aw_api_held(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct held    *held = aw_call_new(io, request, &held_ops, sizeof(*held));
    struct aw_pull *pull = &held->pull;
    uint64_t        after;

    (void)id;
    if (held == NULL || !aw_api_agent(&pull->call, &pull->agent) || !aw_call_negotiate(&pull->call, false, &held->media) ||
        !aw_api_cursor(&pull->call, &after))
        return;
    pull->is_repeat = true;
    pull->query = &held->query;
    held->query = (struct aw_query){.kind = AW_QUERY_LEASES_OF,
                                    .name = pull->agent,
                                    .above_fence = after,
                                    .room = HELD_PER_PAGE + 1,
                                    .views = aw_arena_take(&request->arena, (HELD_PER_PAGE + 1) * sizeof(struct aw_ticket_view))};
    pull->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = pull->query};
    if (held->query.views == NULL)
        aw_call_fail(&pull->call, AW_E_MEMORY, "");
    else
        aw_call_submit(&pull->call, &pull->submission);
}
