/* api_approve.c - replies that wait for a colleague, and all others: a list; let one go, or refuse it. */
#include "base/text.h"
#include "core/reply_search.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/list_request.h"

#define REPLIES_PER_PAGE 50U

/* --- a list ------------------------------------------------------------------------------------------------------------------- */

struct list {
    struct aw_call         call;
    enum aw_media          media;
    struct aw_submission   submission;
    struct aw_submission   cancel;
    struct aw_query        query;
    struct aw_reply_search search;
};

static struct aw_reply_answer
answer_of(const struct aw_reply_found *found)
{
    const struct aw_reply_view *view = &found->view;

    return (struct aw_reply_answer){.reply = view->reply,
                                    .ticket = view->ticket,
                                    .to = view->to,
                                    .state = view->state,
                                    .channel = aw_slice_of(found->channel, found->channel_len),
                                    .account = aw_slice_of(found->account, found->account_len),
                                    .kind = view->kind,
                                    .agent = view->agent,
                                    .code = aw_slice_of(view->code, view->code_len),
                                    .attempt = view->attempt,
                                    .is_uncertain = view->is_uncertain,
                                    .written_at = view->written_at,
                                    .retry_at = view->due_at};
}

static void
answer_list(struct list *list)
{
    const struct aw_reply_search *search = &list->search;
    struct aw_arena              *arena = aw_call_arena(&list->call);
    struct aw_reply_answer       *answers = aw_arena_take(arena, search->count * sizeof(answers[0]));
    struct aw_slice               next = {NULL, 0};
    struct aw_header_field        link;
    struct aw_buffer              buffer;
    struct aw_writer              writer;

    if (answers == NULL && search->count > 0) {
        aw_call_fail(&list->call, AW_E_MEMORY, "");
        return;
    }
    for (uint32_t i = 0; i < search->count; i++)
        answers[i] = answer_of(&search->found[i]);
    if (search->has_more)
        next = aw_api_next(&list->call, search->found[search->count - 1].view.reply.seq, &link);
    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, list->media);
    aw_proto_write_reply_page(&writer, answers, search->count, next);
    buffer.failed |= search->has_more && next.len == 0;
    aw_call_answer(&list->call, 200, list->media, &buffer, &link, search->has_more);
}

static void
on_list_back(struct aw_call *call)
{
    struct list *list = (struct list *)call;

    if (list->submission.err != AW_OK)
        aw_call_fail(call, list->submission.err, "");
    else
        answer_list(list);
}

/* Nobody needs it any more. */
static void
on_list_left(struct aw_call *call)
{
    struct list *list = (struct list *)call;

    list->cancel = (struct aw_submission){.kind = AW_SUBMIT_CANCEL, .target = &list->submission};
    aw_call_submit(call, &list->cancel);
}

static const struct aw_call_ops list_ops = {.on_back = on_list_back, .on_leave = on_list_left};

static bool
read_query(struct list *list)
{
    struct aw_call         *call = &list->call;
    struct aw_list_request  request;
    struct aw_reply_filter  want;
    struct aw_proto_problem problem;
    struct aw_ticket_id     ticket = {.seq = 0};
    uint64_t                after = 0;

    if (!aw_list_request_read(call, false, &request))
        return false;
    if (request.has_cursor && !aw_base32_to_u64(request.cursor, &after)) {
        aw_api_refuse_field(call, "cursor", "takes what `next` gave");
        return false;
    }
    if (aw_proto_decode_query(aw_call_arena(call), request.filter, request.count, AW_OBJECT_REPLY_FILTER, &want, &problem) !=
        AW_OK) {
        aw_api_refuse_body(call, &problem);
        return false;
    }
    if (want.ticket.len > 0 && (!aw_ticket_id_parse(want.ticket, &ticket) || ticket.shard != call->io->shared->shard)) {
        aw_api_refuse_field(call, "ticket", "is no id of a ticket");
        return false;
    }
    list->search = (struct aw_reply_search){.state = want.state,
                                            .ticket_seq = ticket.seq,
                                            .agent = want.agent,
                                            .channel = want.channel,
                                            .account = want.account,
                                            .after = after};
    return true;
}

void
aw_api_list_replies(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct list *list = aw_call_new(io, request, &list_ops, sizeof(*list));

    (void)id;
    if (list == NULL || !aw_access_every_lane(&list->call) || !aw_call_negotiate(&list->call, false, &list->media) ||
        !read_query(list))
        return;
    list->search.found = aw_arena_take(&request->arena, REPLIES_PER_PAGE * sizeof(list->search.found[0]));
    list->search.room = REPLIES_PER_PAGE;
    if (list->search.found == NULL) {
        aw_call_fail(&list->call, AW_E_MEMORY, "");
        return;
    }
    list->query = (struct aw_query){.kind = AW_QUERY_REPLIES, .reply_search = &list->search};
    list->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &list->query};
    aw_call_submit(&list->call, &list->submission);
}

/* --- one that waits for a colleague ------------------------------------------------------------------------------------------- */

struct approve {
    struct aw_call       call;
    enum aw_media        media;
    struct aw_submission submission;
    struct aw_entry      entry;
};

static void
refuse(struct approve *approve, const struct aw_outcome_of *out)
{
    struct aw_problem problem = {.err = out->err};

    if (out->err == AW_E_NOT_FOUND)
        problem.detail = AW_SLICE("there is no reply by that id");
    else if (out->err == AW_E_FORBIDDEN)
        problem.detail = AW_SLICE("who wrote it may not decide on it, nor who needs approval himself");
    else if (out->err == AW_E_CONTACT_REFUSED)
        problem.detail = AW_SLICE("its customer only talked about us, and opted out meanwhile");
    else if (out->err == AW_E_WRONG_STATE)
        problem.state = aw_slice_str(aw_reply_state_name(out->u.reply.state));
    aw_call_problem(&approve->call, &problem);
}

static void
on_decided(struct aw_call *call)
{
    struct approve             *approve = (struct approve *)call;
    const struct aw_outcome_of *out = &approve->entry.command.out;
    const struct aw_out_reply  *reply = &out->u.reply;
    struct aw_reply_answer      answer;
    struct aw_buffer            buffer;
    struct aw_writer            writer;

    if (approve->submission.err != AW_OK) {
        aw_call_fail(call, approve->submission.err, "");
        return;
    }
    if (out->err != AW_OK) {
        refuse(approve, out);
        return;
    }
    answer = (struct aw_reply_answer){.reply = reply->reply,
                                      .ticket = reply->ticket,
                                      .to = reply->to,
                                      .state = reply->state,
                                      .attempt = reply->attempt,
                                      .is_uncertain = reply->is_uncertain,
                                      .written_at = reply->written_at,
                                      .retry_at = reply->due_at,
                                      .duplicate = !out->changed};
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, approve->media);
    aw_proto_write_reported(&writer, &answer);
    aw_call_answer(call, 200, approve->media, &buffer, NULL, 0);
}

static const struct aw_call_ops approve_ops = {.on_back = on_decided};

/* NULL: answered. */
static struct approve *
begin(struct aw_io *io, struct aw_request *request, struct aw_slice id, enum aw_media *ret_media)
{
    struct approve       *approve = aw_call_new(io, request, &approve_ops, sizeof(*approve));
    struct aw_in_approve *in;

    if (approve == NULL)
        return NULL;
    in = &approve->entry.command.in.approve;
    approve->entry.command.kind = AW_COMMAND_APPROVE;
    if (!aw_access_every_lane(&approve->call) || !aw_api_agent(&approve->call, &in->by) ||
        !aw_api_media(&approve->call, false, ret_media) || !aw_call_negotiate(&approve->call, false, &approve->media))
        return NULL;
    if (aw_reply_id_parse(id, &in->reply))
        return approve;
    aw_call_fail(&approve->call, AW_E_NOT_FOUND, "there is no reply by that id");
    return NULL;
}

/* Empty: none. */
static void
submit_with(struct approve *approve, struct aw_slice note)
{
    if (note.len > 0 && !aw_api_note(&approve->call, note, &approve->entry.command.in.approve.note)) {
        aw_call_fail(&approve->call, AW_E_MEMORY, "");
        return;
    }
    approve->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &approve->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&approve->call, &approve->submission);
}

void
aw_api_approve_reply(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct aw_approve_request want;
    struct aw_proto_problem   problem;
    enum aw_media             media;
    struct approve           *approve = begin(io, request, id, &media);

    if (approve == NULL)
        return;
    if (aw_proto_decode_reply_approve(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&approve->call, &problem);
        return;
    }
    approve->entry.command.in.approve.goes = true;
    submit_with(approve, want.note);
}

void
aw_api_refuse_reply(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct aw_refuse_request want;
    struct aw_proto_problem  problem;
    enum aw_media            media;
    struct approve          *approve = begin(io, request, id, &media);

    if (approve == NULL)
        return;
    if (aw_proto_decode_reply_refuse(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&approve->call, &problem);
        return;
    }
    submit_with(approve, want.reason);
}
