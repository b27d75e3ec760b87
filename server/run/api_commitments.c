/* api_commitments.c - GET /v1/commitments: what agents gave customers their word for, what is due first, first. */
#include "base/text.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/query.h"

#define WORDS_BYTES (16U * 1024U)

struct list {
    struct aw_call       call;
    enum aw_media        media;
    struct aw_submission submission;
    struct aw_query      query;
    struct aw_due_look   look;
    struct aw_read      *read; /* what was promised, of each */
};

static void
fill(const struct list *list, uint32_t i, struct aw_commitment_answer *ret_answer)
{
    const struct aw_ticket_view *view = &list->query.views[i];
    const struct aw_read_item   *item = &list->read->items[i];

    *ret_answer = (struct aw_commitment_answer){.ticket = view->ticket,
                                                .state = view->state,
                                                .lane = view->lane_name,
                                                .class_ = view->class_,
                                                .holder = view->holder,
                                                .back_at = view->is_deferred ? view->held_until : 0,
                                                .commitment = view->commitment};
    if (item->err == AW_OK && item->body.len > 0 && !aw_proto_body_text(item->body, AW_SLICE("text"), &ret_answer->what))
        ret_answer->what = (struct aw_slice){NULL, 0};
}

static void
answer(struct list *list)
{
    uint32_t                     count = list->query.count;
    struct aw_arena             *arena = aw_call_arena(&list->call);
    struct aw_commitment_answer *answers = aw_arena_take(arena, count * sizeof(answers[0]));
    struct aw_slice              next = {NULL, 0};
    struct aw_header_field       link;
    struct aw_buffer             buffer;
    struct aw_writer             writer;

    if (answers == NULL && count > 0) {
        aw_call_fail(&list->call, AW_E_MEMORY, "");
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        fill(list, i, &answers[i]);
    if (list->look.next != 0)
        next = aw_api_next(&list->call, list->look.next, &link);
    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, list->media);
    aw_proto_write_commitments(&writer, answers, count, next);
    buffer.failed |= list->look.next != 0 && next.len == 0;
    aw_call_answer(&list->call, 200, list->media, &buffer, &link, list->look.next != 0);
}

static void
on_back(struct aw_call *call)
{
    struct list *list = (struct list *)call;
    enum aw_err  err = list->submission.err != AW_OK ? list->submission.err : list->query.err;
    bool         failed;

    if (err != AW_OK) {
        aw_call_fail(call, err, "");
        return;
    }
    if (list->read != NULL) {
        if (aw_api_read_again(call, list->read, &failed))
            return;
        if (failed)
            aw_call_fail(call, AW_E_MEMORY, "");
        else
            answer(list);
        return;
    }
    if (list->query.count == 0) {
        answer(list);
        return;
    }
    list->read = aw_api_read_new(call, list->query.count, WORDS_BYTES);
    if (list->read == NULL) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return;
    }
    for (uint32_t i = 0; i < list->query.count; i++)
        list->read->items[i] = (struct aw_read_item){.kind = AW_READ_NOTE, .last_seq = list->query.views[i].commitment.seq};
    aw_call_read(call, list->read);
}

static const struct aw_call_ops list_ops = {.on_back = on_back};

/* False: answered. */
static bool
set_parameter(struct list *list, const struct aw_parameter *parameter)
{
    bool is_known = true;

    if (aw_slice_eq(parameter->name, AW_SLICE("agent"))) {
        if (aw_api_is_agent(parameter->value)) {
            list->look.agent = parameter->value;
            return true;
        }
        aw_api_refuse_field(&list->call, "agent", "agent is no name that an agent can have");
        return false;
    }
    if (aw_slice_eq(parameter->name, AW_SLICE("broken"))) {
        list->look.is_broken = aw_slice_eq(parameter->value, AW_SLICE("true"));
        if (list->look.is_broken || aw_slice_eq(parameter->value, AW_SLICE("false")))
            return true;
        aw_api_refuse_field(&list->call, "broken", "broken is true or false");
        return false;
    }
    is_known = aw_slice_eq(parameter->name, AW_SLICE("cursor"));
    if (is_known && aw_base32_to_u64(parameter->value, &list->look.after))
        return true;
    if (is_known)
        aw_api_refuse_field(&list->call, "cursor", "cursor is what `next` of the page before gave");
    else
        aw_call_problem(&list->call, &(struct aw_problem){.err = AW_E_UNKNOWN_FIELD,
                                                          .field = aw_slice_is_utf8(parameter->name) ? parameter->name
                                                                                                     : (struct aw_slice){NULL, 0},
                                                          .detail = AW_SLICE("the query takes agent, broken and cursor")});
    return false;
}

void
aw_api_list_commitments(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct list        *list = aw_call_new(io, request, &list_ops, sizeof(*list));
    struct aw_slice     query = request->query;
    struct aw_parameter parameter;
    bool                failed;

    (void)id;
    if (list == NULL || !aw_call_negotiate(&list->call, false, &list->media))
        return;
    while (aw_query_take(&request->arena, &query, &parameter, &failed)) {
        if (!set_parameter(list, &parameter))
            return;
    }
    list->query = (struct aw_query){.kind = AW_QUERY_DUE,
                                    .room = AW_DUE_LOOK_MAX,
                                    .views = aw_arena_take(&request->arena, AW_DUE_LOOK_MAX * sizeof(struct aw_ticket_view)),
                                    .due = &list->look};
    list->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &list->query};
    if (failed || list->query.views == NULL)
        aw_call_fail(&list->call, AW_E_MEMORY, "");
    else
        aw_call_submit(&list->call, &list->submission);
}
