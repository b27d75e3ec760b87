/* api_replies.c - gateways take replies, or wait for one, and report what became of them; supervisors look and redrive. */
#include "base/text.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/reply_draft.h"
#include "run/reply_words.h"

#include <string.h>

/* What a reply needs of the journal, at a guess. */
#define REPLY_BYTES 2048U

static const struct aw_slice no_reply = {"there is no reply by that id", sizeof("there is no reply by that id") - 1};

/* The token of a gateway's lease: that of a ticket's lease with the reply's low bits in place of a slot, so that neither passes for
 * the other's. */
static void
format_lease(const struct aw_shared *shared, const struct aw_out_reply *reply, char text[AW_ID_TEXT_BYTES])
{
    struct aw_lease_id lease = {.fence = reply->fence, .slot = (uint32_t)reply->reply.seq | 1U << 31, .shard = shared->shard};

    aw_lease_id_format(lease, &shared->token_key, text);
}

/* 0: it is no token of this reply. */
static uint64_t
fence_of(const struct aw_shared *shared, struct aw_message_id reply, struct aw_slice token)
{
    struct aw_lease_id lease;

    if (!aw_lease_id_parse(token, &shared->token_key, &lease) || lease.slot != ((uint32_t)reply.seq | 1U << 31))
        return 0;
    return lease.fence;
}

static bool
parse_reply(struct aw_call *call, struct aw_slice id, struct aw_message_id *ret_reply)
{
    if (aw_reply_id_parse(id, ret_reply) && ret_reply->shard == call->io->shared->shard)
        return true;
    aw_call_problem(call, &(struct aw_problem){.err = AW_E_NOT_FOUND, .detail = no_reply});
    return false;
}

/* Where its words are, or what they are made of. */
static struct aw_read_item
item_of(enum aw_reply_kind kind, struct aw_message_id reply, struct aw_message_id to, uint64_t ticket_seq, uint64_t chain_seq)
{
    if (kind == AW_REPLY_BY_AGENT)
        return (struct aw_read_item){.kind = AW_READ_REPLY, .last_seq = reply.seq};
    return (struct aw_read_item){.kind = AW_READ_ADDRESS, .last_seq = to.seq, .ticket_seq = ticket_seq, .chain_seq = chain_seq};
}

/* --- a gateway takes replies -------------------------------------------------------------------------------------------------- */

enum step { LEASE, WAIT, TEXTS, READ };

struct take {
    struct aw_call               call;
    enum step                    step;
    enum aw_media                media;
    struct aw_reply_pull_request want;
    struct aw_slice              gateway;
    struct aw_submission         submission; /* LEASE, WAIT and TEXTS */
    struct aw_submission         cancel;
    bool                         is_cancelling;
    bool                         time_is_up;
    bool                         has_waited;
    struct aw_entry              entry;
    struct aw_out_reply         *given;
    struct aw_reply_texts        texts; /* of those that the server itself wrote */
    struct aw_read              *read;
};

static void
lease(struct take *take)
{
    take->step = LEASE;
    take->entry.command = (struct aw_command){.kind = AW_COMMAND_REPLY_LEASE,
                                              .in.reply_lease = {.accounts = take->want.accounts,
                                                                 .account_count = take->want.account_count,
                                                                 .max = take->want.max,
                                                                 .lease_ms = take->want.lease_s * AW_MS_PER_S,
                                                                 .gateway = take->gateway,
                                                                 .replies = take->given}};
    take->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &take->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&take->call, &take->submission);
}

static void
wait_for_replies(struct take *take)
{
    struct aw_call *call = &take->call;

    if (take->want.wait_s == 0 || take->time_is_up || call->io->draining) {
        aw_call_answer_empty(call, 204);
        return;
    }
    if (!take->has_waited) {
        if (!aw_request_try_park(call->request)) {
            aw_call_fail(call, AW_E_TOO_MANY, "half of this connection's streams wait already; open another connection");
            return;
        }
        take->has_waited = true;
        aw_call_wait(call, call->io->now + take->want.wait_s * AW_NS_PER_S);
    }
    take->step = WAIT;
    take->submission = (struct aw_submission){
        .kind = AW_SUBMIT_AWAIT, .accounts = take->want.accounts, .account_count = take->want.account_count};
    aw_call_submit(call, &take->submission);
}

static void
read_given(struct take *take)
{
    uint32_t count = take->entry.command.out.u.reply_lease.count;

    take->step = READ;
    take->read = aw_api_read_new(&take->call, count, count * (size_t)REPLY_BYTES);
    if (take->read == NULL) {
        aw_call_fail(&take->call, AW_E_MEMORY, "");
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        take->read->items[i] = item_of(take->given[i].kind, take->given[i].reply, take->given[i].to, take->given[i].ticket.seq,
                                       take->given[i].chain_seq);
    aw_call_read(&take->call, take->read);
}

static void
look_up_texts(struct take *take)
{
    uint32_t count = take->entry.command.out.u.reply_lease.count;

    if (!aw_reply_texts_init(&take->texts, aw_call_arena(&take->call), count)) {
        aw_call_fail(&take->call, AW_E_MEMORY, "");
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        aw_reply_texts_note(&take->texts, take->given[i].text);
    if (take->texts.count == 0) {
        read_given(take);
        return;
    }
    if (!aw_reply_texts_ask(&take->texts, aw_call_arena(&take->call))) {
        aw_call_fail(&take->call, AW_E_MEMORY, "");
        return;
    }
    take->step = TEXTS;
    take->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &take->texts.query};
    aw_call_submit(&take->call, &take->submission);
}

static void
fill_answer(const struct take *take, uint32_t i, struct aw_slice token, struct aw_reply_answer *ret_answer)
{
    const struct aw_out_reply    *given = &take->given[i];
    const struct aw_read_item    *item = &take->read->items[i];
    const struct aw_account_name *account = &take->want.accounts[given->account];
    aw_ms                         now = take->call.io->wall;

    *ret_answer = (struct aw_reply_answer){
        .reply = given->reply,
        .ticket = given->ticket,
        .to = given->to,
        .state = AW_REPLY_LEASED,
        .lease = token,
        .channel = account->channel,
        .account = account->account,
        .customer = item->customer,
        .source_id = item->source_id,
        .agent = item->agent,
        .kind = given->kind,
        .visibility = item->visibility,
        .attempt = given->attempt,
        .is_uncertain = given->is_uncertain,
        .written_at = given->written_at,
        .expires_at = given->due_at,
        .expires_in_s = given->due_at > now ? (given->due_at - now) / AW_MS_PER_S : 0,
        .body = item->body,
    };
}

/* Words for what the server itself wrote. False: no memory. */
static bool
word(struct take *take, uint32_t i, struct aw_reply_answer *answer)
{
    const struct aw_out_reply *given = &take->given[i];
    const struct aw_text_view *text = aw_reply_texts_find(&take->texts, given->text);

    return text == NULL || take->read->items[i].err != AW_OK ||
           aw_reply_words(aw_call_arena(&take->call), &take->call.io->shared->table_key, text, given->ticket, &given->facts,
                          &take->read->items[i], &answer->body);
}

/* What cannot be read is shown without its content: its gateway reports it as failed, and it is dead before long. */
static void
answer_given(struct take *take)
{
    struct aw_arena        *arena = aw_call_arena(&take->call);
    uint32_t                count = take->read->count;
    struct aw_reply_answer *answers = aw_arena_take(arena, count * sizeof(answers[0]));
    char(*tokens)[AW_ID_TEXT_BYTES] = aw_arena_take(arena, count * sizeof(tokens[0]));
    struct aw_buffer buffer;
    struct aw_writer writer;

    if (answers == NULL || tokens == NULL) {
        aw_call_fail(&take->call, AW_E_MEMORY, "");
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        format_lease(take->call.io->shared, &take->given[i], tokens[i]);
        fill_answer(take, i, aw_slice_str(tokens[i]), &answers[i]);
        if (!word(take, i, &answers[i])) {
            aw_call_fail(&take->call, AW_E_MEMORY, "");
            return;
        }
    }
    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, take->media);
    if (aw_proto_write_replies(&writer, answers, count))
        aw_call_answer(&take->call, 200, take->media, &buffer, NULL, 0);
    else
        aw_call_fail(&take->call, AW_E_INTERNAL, "a stored reply is damaged");
}

static void
on_taken(struct take *take)
{
    enum aw_err err = take->submission.err != AW_OK ? take->submission.err : take->entry.command.out.err;

    if (err != AW_OK)
        aw_call_fail(&take->call, err, "");
    else if (take->entry.command.out.u.reply_lease.count > 0)
        look_up_texts(take);
    else
        wait_for_replies(take);
}

static void
on_take_back(struct aw_call *call)
{
    struct take *take = (struct take *)call;
    bool         failed;

    switch (take->step) {
    case LEASE:
        on_taken(take);
        return;
    case WAIT:
        take->is_cancelling = false;
        /* A token that ended is given nothing more; the others that wait were woken as well. */
        if (take->submission.err == AW_E_CLOSED || (take->submission.err == AW_OK && aw_access_is_over(call->request)))
            aw_call_answer_empty(call, 204);
        else if (take->submission.err != AW_OK)
            aw_call_fail(call, take->submission.err, "");
        else
            lease(take);
        return;
    case TEXTS:
        if (take->submission.err != AW_OK)
            aw_call_fail(call, take->submission.err, "");
        else
            read_given(take);
        return;
    case READ:
        if (aw_api_read_again(call, take->read, &failed))
            return;
        if (failed)
            aw_call_fail(call, AW_E_MEMORY, "");
        else
            answer_given(take);
        return;
    }
    AW_UNREACHABLE();
}

static void
cancel_wait(struct take *take)
{
    if (take->step != WAIT || take->is_cancelling)
        return;
    take->is_cancelling = true;
    take->cancel = (struct aw_submission){.kind = AW_SUBMIT_CANCEL, .target = &take->submission};
    aw_call_submit(&take->call, &take->cancel);
}

static void
on_take_leave(struct aw_call *call)
{
    cancel_wait((struct take *)call);
}

static void
on_take_time(struct aw_call *call)
{
    ((struct take *)call)->time_is_up = true;
    cancel_wait((struct take *)call);
}

/* A client that leaves with replies in hand gets no word: they come back when their leases are over, as after its crash. */
static const struct aw_call_ops take_ops = {.on_back = on_take_back, .on_leave = on_take_leave, .on_time = on_take_time};

void
aw_api_take_replies(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct take            *take = aw_call_new(io, request, &take_ops, sizeof(*take));
    struct aw_proto_problem problem;
    enum aw_media           media;

    (void)id;
    if (take == NULL || !aw_api_agent(&take->call, &take->gateway) || !aw_api_media(&take->call, false, &media) ||
        !aw_call_negotiate(&take->call, false, &take->media))
        return;
    if (aw_proto_decode_reply_pull(&request->arena, media, request->body, &take->want, &problem) != AW_OK) {
        aw_api_refuse_body(&take->call, &problem);
        return;
    }
    if (take->want.account_count == 0) {
        aw_api_refuse_field(&take->call, "accounts", "name one or more");
        return;
    }
    for (uint32_t i = 0; i < take->want.account_count; i++) {
        if (!aw_access_account(&take->call, take->want.accounts[i].channel, take->want.accounts[i].account))
            return;
    }
    take->given = aw_arena_take_zeroed(&request->arena, take->want.max, sizeof(take->given[0]));
    if (take->given == NULL)
        aw_call_fail(&take->call, AW_E_MEMORY, "");
    else
        lease(take);
}

/* --- one reply ---------------------------------------------------------------------------------------------------------------- */

struct one {
    struct aw_call                 call;
    enum aw_media                  media;
    struct aw_message_id           reply;
    struct aw_submission           submission;
    struct aw_query                query;
    struct aw_entry                entry;
    struct aw_reply_view           view;
    struct aw_reply_texts          texts;
    struct aw_read                *read;
    struct aw_query                shown;
    struct aw_message_look         look; /* of one that is forgotten: whether its ticket is still shown */
    bool                           is_asked;
    struct aw_reply_status_request want;
    struct aw_slice                by;
    bool                           is_report;
};

static bool
read_one(struct one *one)
{
    one->read = aw_api_read_new(&one->call, 1, REPLY_BYTES);
    if (one->read == NULL) {
        aw_call_fail(&one->call, AW_E_MEMORY, "");
        return false;
    }
    one->read->items[0] = item_of(one->view.kind, one->reply, one->view.to, one->view.ticket.seq, one->view.chain_seq);
    aw_call_read(&one->call, one->read);
    return true;
}

static void
from_view(const struct aw_reply_view *view, struct aw_reply_answer *ret_answer)
{
    *ret_answer = (struct aw_reply_answer){.reply = view->reply,
                                           .ticket = view->ticket,
                                           .to = view->to,
                                           .state = view->state,
                                           .agent = view->agent,
                                           .kind = view->kind,
                                           .code = aw_slice_of(view->code, view->code_len),
                                           .attempt = view->attempt,
                                           .is_uncertain = view->is_uncertain,
                                           .written_at = view->written_at,
                                           .retry_at = view->state == AW_REPLY_FAILED ? view->due_at : 0};
}

void
aw_api_reply_answers(const struct aw_reply_view *views, uint32_t count, struct aw_reply_answer *ret_answers)
{
    for (uint32_t i = 0; i < count; i++)
        from_view(&views[i], &ret_answers[i]);
}

static void
ask_for_it(struct one *one)
{
    one->query = (struct aw_query){.kind = AW_QUERY_REPLY, .seq = one->reply.seq, .replies = &one->view};
    one->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &one->query};
    aw_call_submit(&one->call, &one->submission);
}

/* What the state says of it is there. */
static void
go_on_with(struct one *one)
{
    struct aw_arena *arena = aw_call_arena(&one->call);

    if (one->view.text.slot == 0 || one->texts.count > 0) {
        (void)read_one(one);
        return;
    }
    if (!aw_reply_texts_init(&one->texts, arena, 1)) {
        aw_call_fail(&one->call, AW_E_MEMORY, "");
        return;
    }
    aw_reply_texts_note(&one->texts, one->view.text);
    if (!aw_reply_texts_ask(&one->texts, arena)) {
        aw_call_fail(&one->call, AW_E_MEMORY, "");
        return;
    }
    one->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &one->texts.query};
    aw_call_submit(&one->call, &one->submission);
}

static bool
word_one(struct one *one, struct aw_reply_answer *answer)
{
    const struct aw_text_view *text = aw_reply_texts_find(&one->texts, one->view.text);

    return text == NULL || one->read->items[0].err != AW_OK || one->view.is_hidden ||
           aw_reply_words(aw_call_arena(&one->call), &one->call.io->shared->table_key, text, one->view.ticket, &one->view.facts,
                          &one->read->items[0], &answer->body);
}

/* What it says, and to whom. Of an erased one that is there until its key is cut, and nobody is shown it; whether one that is
 * forgotten is erased only its ticket tells, of which nothing is shown either once that is not. */
static void
fill_content(struct one *one, struct aw_reply_answer *answer)
{
    const struct aw_read_item *item = &one->read->items[0];

    if (one->query.err == AW_OK ? one->view.is_hidden : one->look.err != AW_OK)
        return;
    answer->customer = item->customer;
    answer->source_id = item->source_id;
    answer->body = item->body;
}

static void
answer_one(struct one *one)
{
    const struct aw_read_item *item = &one->read->items[0];
    struct aw_reply_answer     answer;
    struct aw_buffer           buffer;
    struct aw_writer           writer;

    from_view(&one->view, &answer);
    if (one->query.err != AW_OK)
        answer = (struct aw_reply_answer){
            .reply = one->reply, .ticket = item->to_ticket, .to = item->to, .agent = item->agent, .written_at = item->written_at};
    answer.channel = item->channel;
    answer.account = item->account;
    answer.visibility = item->visibility;
    fill_content(one, &answer);
    if (!word_one(one, &answer)) {
        aw_call_fail(&one->call, AW_E_MEMORY, "");
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(&one->call));
    aw_writer_init(&writer, &buffer, one->media);
    if (aw_proto_write_reply(&writer, &answer))
        aw_call_answer(&one->call, 200, one->media, &buffer, NULL, 0);
    else
        aw_call_fail(&one->call, AW_E_INTERNAL, "a stored reply is damaged");
}

/* A gateway what goes out on its accounts; an agent of some lanes what it wrote. False: answered 403. */
static bool
may_see(struct one *one)
{
    const struct aw_token     *token = aw_access_token(one->call.request);
    const struct aw_read_item *item = &one->read->items[0];
    struct aw_slice            agent;

    if (token == NULL || (token->lane_count == 0 && token->account_count == 0))
        return true;
    if (token->account_count > 0)
        return aw_access_account(&one->call, item->channel, item->account);
    if (!aw_api_agent(&one->call, &agent))
        return false;
    return aw_slice_eq(agent, one->view.agent) || aw_slice_eq(agent, item->agent) || aw_access_every_lane(&one->call);
}

/* Of one that the state knows no more. */
static void
ask_whether_shown(struct one *one)
{
    const struct aw_read_item *item = &one->read->items[0];

    one->is_asked = true;
    one->look = (struct aw_message_look){.seq = item->to.seq, .ticket = item->to_ticket};
    one->shown = (struct aw_query){.kind = AW_QUERY_MESSAGES, .messages = &one->look, .room = 1};
    one->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &one->shown};
    aw_call_submit(&one->call, &one->submission);
}

static void
on_one_back(struct aw_call *call)
{
    struct one *one = (struct one *)call;
    bool        failed;

    if (one->submission.err != AW_OK) {
        aw_call_fail(call, one->submission.err, "");
        return;
    }
    if (one->is_asked) {
        answer_one(one);
        return;
    }
    if (one->read == NULL) {
        go_on_with(one);
        return;
    }
    if (aw_api_read_again(call, one->read, &failed))
        return;
    if (failed)
        aw_call_fail(call, AW_E_MEMORY, "");
    else if (one->read->items[0].err == AW_E_NOT_FOUND && one->view.kind == AW_REPLY_BY_AGENT)
        aw_call_problem(call, &(struct aw_problem){.err = AW_E_NOT_FOUND, .detail = no_reply});
    else if (one->read->items[0].err != AW_OK && one->read->items[0].err != AW_E_NOT_FOUND)
        aw_call_fail(call, AW_E_INTERNAL, "a stored reply cannot be read");
    else if (!may_see(one))
        return;
    else if (one->query.err == AW_OK)
        answer_one(one);
    else
        ask_whether_shown(one);
}

static const struct aw_call_ops one_ops = {.on_back = on_one_back};

void
aw_api_get_reply(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct one *one = aw_call_new(io, request, &one_ops, sizeof(*one));

    if (one == NULL || !aw_call_negotiate(&one->call, false, &one->media) || !parse_reply(&one->call, id, &one->reply))
        return;
    ask_for_it(one);
}

/* --- what became of it -------------------------------------------------------------------------------------------------------- */

static bool
is_one_of(struct aw_slice code, const char *const *codes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (aw_slice_eq(code, aw_slice_str(codes[i])))
            return true;
    }
    return false;
}

/* To try again is no use: an HTTP status by which a provider refuses this very message, or the word for why. */
static bool
is_permanent(struct aw_slice code)
{
    static const char *const codes[] = {"400",
                                        "403",
                                        "404",
                                        "410",
                                        "413",
                                        "415",
                                        "422",
                                        "recipient-unknown",
                                        "recipient-blocked",
                                        "window-closed",
                                        "content-refused",
                                        "too-long"};

    return is_one_of(code, codes, AW_ARRAY_LEN(codes));
}

/* Refused before it was sent. Of any other failure nobody can tell whether the provider sent it all the same. */
static bool
is_certain(struct aw_slice code)
{
    static const char *const codes[] = {"401", "429", "rate-limited", "not-connected"};

    return is_permanent(code) || is_one_of(code, codes, AW_ARRAY_LEN(codes));
}

static void
submit_report(struct one *one, const struct aw_read_item *item)
{
    const struct aw_shared               *shared = one->call.io->shared;
    const struct aw_reply_status_request *want = &one->want;
    struct aw_in_reply_status            *in = &one->entry.command.in.reply_status;

    one->entry.command.kind = AW_COMMAND_REPLY_STATUS;
    *in = (struct aw_in_reply_status){.reply = one->reply,
                                      .fence = want->lease.len > 0 ? fence_of(shared, one->reply, want->lease) : 0,
                                      .state = want->state,
                                      .code = want->code,
                                      .is_permanent = is_permanent(want->code),
                                      .is_uncertain = want->state == AW_REPLY_FAILED && !is_certain(want->code),
                                      .retry_after_ms = want->retry_after_s * AW_MS_PER_S,
                                      .by = one->by};
    if (want->provider_id.len > 0) {
        AW_ASSERT(item != NULL); /* who names one has asked for the reply first */
        in->provider = aw_api_provider_hash(&shared->table_key, item->channel, item->account, want->provider_id);
    }
    one->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &one->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    one->is_report = true;
    aw_call_submit(&one->call, &one->submission);
}

static void
answer_report(struct one *one)
{
    const struct aw_outcome_of *out = &one->entry.command.out;
    struct aw_reply_answer      answer = {.reply = out->u.reply.reply,
                                          .ticket = out->u.reply.ticket,
                                          .to = out->u.reply.to,
                                          .state = out->u.reply.state,
                                          .kind = out->u.reply.kind,
                                          .attempt = out->u.reply.attempt,
                                          .is_uncertain = out->u.reply.is_uncertain,
                                          .written_at = out->u.reply.written_at,
                                          .retry_at = out->u.reply.due_at,
                                          .duplicate = !out->changed};
    struct aw_buffer            buffer;
    struct aw_writer            writer;

    if (out->err != AW_OK) {
        aw_call_problem(&one->call,
                        &(struct aw_problem){.err = out->err,
                                             .detail = out->err == AW_E_NOT_FOUND ? no_reply : (struct aw_slice){NULL, 0},
                                             .state = out->err == AW_E_LEASE_LOST
                                                          ? aw_slice_str(aw_reply_state_name(out->u.reply.state))
                                                          : (struct aw_slice){NULL, 0}});
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(&one->call));
    aw_writer_init(&writer, &buffer, one->media);
    aw_proto_write_reported(&writer, &answer);
    aw_call_answer(&one->call, 200, one->media, &buffer, NULL, 0);
}

static void
on_report_back(struct aw_call *call)
{
    struct one *one = (struct one *)call;
    bool        failed;

    if (one->is_report) {
        if (one->submission.err != AW_OK)
            aw_call_fail(call, one->submission.err, "");
        else
            answer_report(one);
        return;
    }
    if (one->read == NULL) {
        enum aw_err err = one->submission.err != AW_OK ? one->submission.err : one->query.err;

        if (err == AW_E_NOT_FOUND)
            aw_call_problem(call, &(struct aw_problem){.err = err, .detail = no_reply});
        else if (err != AW_OK)
            aw_call_fail(call, err, "");
        else
            (void)read_one(one);
        return;
    }
    if (aw_api_read_again(call, one->read, &failed))
        return;
    if (failed)
        aw_call_fail(call, AW_E_MEMORY, "");
    else if (one->read->items[0].err == AW_E_NOT_FOUND)
        aw_call_problem(call, &(struct aw_problem){.err = AW_E_NOT_FOUND, .detail = no_reply});
    else if (one->read->items[0].err != AW_OK)
        aw_call_fail(call, AW_E_INTERNAL, "a stored reply cannot be read");
    else if (aw_access_account(call, one->read->items[0].channel, one->read->items[0].account))
        submit_report(one, &one->read->items[0]);
}

static const struct aw_call_ops report_ops = {.on_back = on_report_back};

/* A token that is not for every account: which this reply goes out on has to be looked up. */
static bool
is_bound(const struct aw_request *request)
{
    const struct aw_token *token = aw_access_token(request);

    return token != NULL && token->account_count > 0;
}

void
aw_api_report_reply(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct one             *one = aw_call_new(io, request, &report_ops, sizeof(*one));
    struct aw_proto_problem problem;
    enum aw_media           media;

    if (one == NULL || !aw_api_agent(&one->call, &one->by) || !aw_api_media(&one->call, false, &media) ||
        !aw_call_negotiate(&one->call, false, &one->media) || !parse_reply(&one->call, id, &one->reply))
        return;
    if (aw_proto_decode_reply_status(&request->arena, media, request->body, &one->want, &problem) != AW_OK)
        aw_api_refuse_body(&one->call, &problem);
    else if (one->want.provider_id.len > 0 || is_bound(request)) /* the provider's id is its own in this channel and account */
        ask_for_it(one);
    else
        submit_report(one, NULL);
}

/* --- redrive ------------------------------------------------------------------------------------------------------------------ */

struct redrive {
    struct aw_call            call;
    enum aw_media             media;
    struct aw_redrive_request want;
    struct aw_submission      submission;
    struct aw_entry           entry;
};

static void
on_redriven(struct aw_call *call)
{
    struct redrive             *redrive = (struct redrive *)call;
    const struct aw_outcome_of *out = &redrive->entry.command.out;
    enum aw_err                 err = redrive->submission.err != AW_OK ? redrive->submission.err : out->err;
    struct aw_redrive_answer    answer = {
           .replies = out->u.redrive.count, .left = out->u.redrive.left, .dry_run = redrive->want.dry_run};
    struct aw_buffer buffer;
    struct aw_writer writer;

    if (err != AW_OK) {
        aw_call_fail(call, err, err == AW_E_TABLE_FULL ? "the outbox is full of replies on their way (replies-max)" : "");
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, redrive->media);
    aw_proto_write_redriven(&writer, &answer);
    aw_call_answer(call, 200, redrive->media, &buffer, NULL, 0);
}

static const struct aw_call_ops redrive_ops = {.on_back = on_redriven};

void
aw_api_redrive(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct redrive         *redrive = aw_call_new(io, request, &redrive_ops, sizeof(*redrive));
    struct aw_in_redrive   *in;
    struct aw_proto_problem problem;
    struct aw_slice         by;
    enum aw_media           media;

    (void)id;
    if (redrive == NULL || !aw_api_agent(&redrive->call, &by) || !aw_api_media(&redrive->call, false, &media) ||
        !aw_call_negotiate(&redrive->call, false, &redrive->media))
        return;
    if (aw_proto_decode_redrive(&request->arena, media, request->body, &redrive->want, &problem) != AW_OK) {
        aw_api_refuse_body(&redrive->call, &problem);
        return;
    }
    in = &redrive->entry.command.in.redrive;
    redrive->entry.command.kind = AW_COMMAND_REDRIVE;
    *in = (struct aw_in_redrive){.channel = redrive->want.channel,
                                 .account = redrive->want.account,
                                 .code = redrive->want.code,
                                 .since = redrive->want.since,
                                 .max = redrive->want.max,
                                 .by = by,
                                 .dry_run = redrive->want.dry_run};
    if (redrive->want.ticket.len > 0 && !aw_ticket_id_parse(redrive->want.ticket, &in->ticket)) {
        aw_api_refuse_field(&redrive->call, "ticket", "is no id of a ticket");
        return;
    }
    redrive->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &redrive->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&redrive->call, &redrive->submission);
}
