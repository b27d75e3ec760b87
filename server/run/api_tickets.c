/* api_tickets.c - a ticket by its id: look, ask why it is where it is, give it class and lane, hold, let go, cancel, note
 * something about it. */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/lease_view.h"

#define THREAD_BYTES 4096U

struct look {
    struct aw_call        call;
    enum aw_media         media;
    struct aw_submission  submission;
    struct aw_submission  cancel;
    struct aw_query       query;
    struct aw_ticket_view view;
    struct aw_read       *read;
    struct aw_reply_view *replies; /* not with `why` */
    struct aw_ahead      *ahead;   /* asked for why; NULL: for the ticket itself */
};

/* What the state says of a waiting ticket's place. Room: `before` for AW_AHEAD_NEAREST_MAX, `helpers` for AW_LANE_HELPERS_MAX. */
static struct aw_why_answer
why_of(const struct look *look, struct aw_before *before, struct aw_lane_helper *helpers)
{
    const struct aw_ticket_help *help = &look->view.help;
    const struct aw_ahead       *ahead = look->ahead;
    struct aw_why_answer         why = {.as_of = look->query.now, .order = aw_order_name(ahead->order.order)};

    if (look->view.state != AW_TICKET_WAITING)
        return why;
    for (uint32_t i = 0; i < ahead->nearest_count; i++)
        before[i] = (struct aw_before){.ticket = ahead->nearest[i].ticket,
                                       .class_ = ahead->nearest[i].candidate.class_,
                                       .age_from = ahead->nearest[i].candidate.age,
                                       .departs_at = ahead->nearest[i].candidate.departs_at};
    for (uint32_t i = 0; i < help->count; i++)
        helpers[i] = (struct aw_lane_helper){aw_lanes_directory_name(look->call.io->shared->directory, help->by[i].lane),
                                             help->by[i].after_s};
    why.helpers = helpers;
    why.helper_count = help->count;
    why.queued_at = look->view.queued_at;
    why.lane_paused = look->query.is_paused;
    why.aside = look->view.is_aside;
    why.waited_s = ahead->at > ahead->own.age ? (ahead->at - ahead->own.age) / AW_MS_PER_S : 0;
    why.allowed_s = aw_order_allowed_ms(&ahead->order, ahead->at, &ahead->own) / AW_MS_PER_S;
    why.part = aw_order_part_name(aw_order_part(&ahead->order, ahead->at, &ahead->own));
    why.in_lane = ahead->in_lane;
    why.ahead = ahead->by_class;
    why.exact = ahead->in_one_step;
    why.nearest = before;
    why.nearest_count = ahead->nearest_count;
    return why;
}

static bool
write_look(struct aw_writer *writer, const struct look *look, const struct aw_ticket_answer *ticket)
{
    struct aw_before      before[AW_AHEAD_NEAREST_MAX];
    struct aw_lane_helper helpers[AW_LANE_HELPERS_MAX];
    struct aw_why_answer  why;

    if (look->ahead == NULL)
        return aw_proto_write_ticket(writer, ticket);
    why = why_of(look, before, helpers);
    aw_proto_write_why(writer, ticket, &why);
    return true;
}

static void
answer_look(struct look *look)
{
    const struct aw_ticket_view *view = &look->view;
    const struct aw_read_item   *item = &look->read->items[0];
    struct aw_slice              from_lanes[AW_TICKET_TRANSFERS_MAX];
    struct aw_ticket_answer      ticket = {.ticket = view->ticket,
                                           .state = view->state,
                                           .lane = view->lane_name,
                                           .class_ = view->class_,
                                           .gentle = view->gentle,
                                           .class_by_person = view->class_by_person,
                                           .reasons = item->reasons,
                                           .reason_count = item->reason_count,
                                           .opened_at = view->opened_at,
                                           .age_from = view->age,
                                           .closed_at = view->closed_at,
                                           .held_until = view->held_until,
                                           .is_deferred = view->is_deferred,
                                           .commitment = view->commitment,
                                           .contact = view->contact,
                                           .departs_at = view->departs_at,
                                           .reply_by = view->reply_by,
                                           .expires_at = view->expires_at,
                                           .holder = view->holder,
                                           .attempt = view->attempt,
                                           .promise = view->promise,
                                           .incident = view->incident,
                                           .messages_total = view->messages_total,
                                           .messages = item->messages,
                                           .message_count = item->message_count,
                                           .notes = item->notes,
                                           .note_count = item->note_count,
                                           .notes_total = view->notes_total,
                                           .from_lanes = from_lanes,
                                           .from_lane_count = view->transfers,
                                           .related = item->related,
                                           .related_count = item->related_count,
                                           .version = view->version};
    struct aw_arena             *arena = aw_call_arena(&look->call);
    struct aw_header_field       etag = {AW_SLICE("etag"), aw_api_etag(arena, view->version)};
    struct aw_buffer             buffer;
    struct aw_writer             writer;
    struct aw_reply_answer       replies[AW_REPLIES_SHOWN_MAX];

    for (uint32_t i = 0; i < view->transfers; i++)
        from_lanes[i] = aw_lanes_directory_name(look->call.io->shared->directory, view->from_lanes[i]);
    aw_api_reply_answers(look->replies, look->query.reply_count, replies);
    ticket.replies = replies;
    ticket.reply_count = look->query.reply_count;
    if (!aw_view_add_help(arena, look->call.io->shared->directory, &view->help, &ticket.reasons, &ticket.reason_count)) {
        aw_call_fail(&look->call, AW_E_MEMORY, "");
        return;
    }
    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, look->media);
    if (write_look(&writer, look, &ticket))
        aw_call_answer(&look->call, 200, look->media, &buffer, &etag, 1);
    else
        aw_call_fail(&look->call, AW_E_INTERNAL, "a stored message is damaged");
}

/* Who held it once and whose lanes it left by a supervisor's hand is not known any more: he does not see it. */
bool
aw_api_may_see(struct aw_call *call, const struct aw_ticket_view *view)
{
    const struct aw_token     *token = aw_access_token(call->request);
    struct aw_lanes_directory *directory = call->io->shared->directory;
    struct aw_slice            agent;

    if (token == NULL || aw_token_has_lane(token, view->lane_name))
        return true;
    for (uint32_t i = 0; i < view->transfers; i++) {
        if (aw_token_has_lane(token, aw_lanes_directory_name(directory, view->from_lanes[i])))
            return true;
    }
    if (view->holder.len > 0) {
        if (!aw_api_agent(call, &agent))
            return false;
        if (aw_slice_eq(agent, view->holder))
            return true;
    }
    return aw_access_lane(call, view->lane_name, "");
}

static void
on_looked(struct aw_call *call)
{
    struct look *look = (struct look *)call;
    enum aw_err  err = look->submission.err != AW_OK ? look->submission.err : look->query.err;
    bool         failed;

    if (err != AW_OK) {
        aw_call_fail(call, err,
                     err == AW_E_NOT_FOUND ? "there is no such ticket, or it was closed longer ago than it may reopen" : "");
        return;
    }
    if (look->read == NULL && !aw_api_may_see(call, &look->view))
        return;
    if (look->read == NULL) {
        look->read = aw_api_read_new(call, 1, THREAD_BYTES);
        if (look->read == NULL) {
            aw_call_fail(call, AW_E_MEMORY, "");
            return;
        }
        look->read->items[0] = (struct aw_read_item){.kind = AW_READ_THREAD,
                                                     .last_seq = look->view.last_seq,
                                                     .ticket_seq = look->view.ticket.seq,
                                                     .messages_max = AW_LEASE_MESSAGES_MAX};
        aw_call_read(call, look->read);
        return;
    }
    if (aw_api_read_again(call, look->read, &failed))
        return;
    err = failed ? AW_E_MEMORY : look->read->items[0].err;
    if (err != AW_OK)
        aw_call_fail(call, err, "");
    else
        answer_look(look);
}

/* Who goes before a ticket is looked up in steps, which nobody needs any more. */
static void
on_look_left(struct aw_call *call)
{
    struct look *look = (struct look *)call;

    if (look->ahead == NULL || look->read != NULL)
        return;
    look->cancel = (struct aw_submission){.kind = AW_SUBMIT_CANCEL, .target = &look->submission};
    aw_call_submit(call, &look->cancel);
}

static const struct aw_call_ops look_ops = {.on_back = on_looked, .on_leave = on_look_left};

static void
ask(struct look *look, struct aw_slice id)
{
    struct aw_ticket_id ticket;

    if (!aw_call_negotiate(&look->call, false, &look->media))
        return;
    if (!aw_ticket_id_parse(id, &ticket) || ticket.shard != look->call.io->shared->shard) {
        aw_call_fail(&look->call, AW_E_NOT_FOUND, "there is no ticket by that id");
        return;
    }
    if (look->ahead == NULL) {
        look->replies = aw_arena_take(aw_call_arena(&look->call), AW_REPLIES_SHOWN_MAX * sizeof(look->replies[0]));
        if (look->replies == NULL) {
            aw_call_fail(&look->call, AW_E_MEMORY, "");
            return;
        }
    }
    look->query = (struct aw_query){.kind = look->ahead == NULL ? AW_QUERY_TICKET : AW_QUERY_AHEAD,
                                    .ticket = ticket,
                                    .room = 1,
                                    .views = &look->view,
                                    .replies = look->replies,
                                    .ahead = look->ahead};
    look->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &look->query};
    aw_call_submit(&look->call, &look->submission);
}

void
aw_api_get_ticket(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct look *look = aw_call_new(io, request, &look_ops, sizeof(*look));

    if (look != NULL)
        ask(look, id);
}

void
aw_api_why(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct look *look = aw_call_new(io, request, &look_ops, sizeof(*look));

    if (look == NULL)
        return;
    look->ahead = aw_arena_take(aw_call_arena(&look->call), sizeof(*look->ahead));
    if (look->ahead == NULL) {
        aw_call_fail(&look->call, AW_E_MEMORY, "");
        return;
    }
    *look->ahead = (struct aw_ahead){.order = io->order, .at = io->wall};
    ask(look, id);
}

/* --- class, lane, hold, cancel ---------------------------------------------------------------------------------------------- */

struct change {
    struct aw_call       call;
    enum aw_media        media;
    struct aw_submission submission;
    struct aw_entry      entry;
    struct aw_once       once; /* POST */
    /* Whether the ticket may be seen has to be asked first: a note by a token of some lanes. */
    struct aw_query       query;
    struct aw_ticket_view view;
    bool                  is_asking;
};

struct aw_done_answer
aw_api_ticket_done(const struct aw_command *command)
{
    const struct aw_out_ticket *out = &command->out.u.ticket;
    struct aw_done_answer       done = {.ticket = out->ticket,
                                        .state = out->state,
                                        .duplicate = command->out.repeated,
                                        .dry_run = command->in.ticket.dry_run,
                                        .lane = command->kind == AW_COMMAND_PLACE || command->kind == AW_COMMAND_HOLD ||
                                                  command->kind == AW_COMMAND_UNHOLD
                                                    ? out->lane_name
                                                    : AW_SLICE(""),
                                        .class_ = out->class_,
                                        .held_until = out->held_until,
                                        .version = out->version};

    if (command->kind == AW_COMMAND_NOTE)
        done.note = (struct aw_message_id){.seq = command->out.seq, .shard = out->ticket.shard};
    return done;
}

struct aw_problem
aw_api_ticket_problem(const struct aw_command *command, enum aw_err err)
{
    const struct aw_out_ticket *out = &command->out.u.ticket;
    struct aw_problem           problem = {.err = err};

    if (err == AW_E_WRONG_STATE) {
        problem.state = aw_slice_str(aw_ticket_state_name(out->state));
    } else if (err == AW_E_NOT_FOUND && out->lane_unknown) {
        problem.field = AW_SLICE("lane");
        problem.detail = AW_SLICE("there is no lane by that name");
    } else if (err == AW_E_NOT_FOUND) {
        problem.detail = AW_SLICE("there is no ticket by that id");
    } else if (err == AW_E_TABLE_FULL && command->kind == AW_COMMAND_NOTE) {
        problem.detail = AW_SLICE("no more notes of this ticket, or no more idempotency-keys, can be kept just now");
    } else if (err == AW_E_TABLE_FULL && aw_once_is_set(&command->once)) {
        problem.detail = AW_SLICE("no more idempotency-keys can be kept just now; without one the request is carried out");
    }
    return problem;
}

static void
submit_entry(struct change *change)
{
    change->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &change->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&change->call, &change->submission);
}

static void
on_asked(struct change *change)
{
    enum aw_err err = change->submission.err != AW_OK ? change->submission.err : change->query.err;

    change->is_asking = false;
    if (err != AW_OK)
        aw_call_fail(&change->call, err, err == AW_E_NOT_FOUND ? "there is no ticket by that id" : "");
    else if (aw_api_may_see(&change->call, &change->view))
        submit_entry(change);
}

static void
on_changed(struct aw_call *call)
{
    struct change           *change = (struct change *)call;
    const struct aw_command *command = &change->entry.command;
    enum aw_err              err = change->submission.err != AW_OK ? change->submission.err : command->out.err;
    struct aw_done_answer    done = aw_api_ticket_done(command);
    struct aw_problem        problem = aw_api_ticket_problem(command, err);
    struct aw_header_field   etag;
    struct aw_buffer         buffer;
    struct aw_writer         writer;

    if (change->is_asking) {
        on_asked(change);
        return;
    }
    if (err != AW_OK) {
        aw_call_problem(call, &problem);
        return;
    }
    etag = (struct aw_header_field){AW_SLICE("etag"), aw_api_etag(aw_call_arena(call), done.version)};
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, change->media);
    if (aw_proto_write_done(&writer, &done))
        aw_call_answer(call, 200, change->media, &buffer, &etag, 1);
    else
        aw_call_fail(call, AW_E_INTERNAL, "");
}

static const struct aw_call_ops change_ops = {.on_back = on_changed};

/* NULL: answered. */
static struct change *
begin_change(struct aw_io *io, struct aw_request *request, struct aw_slice id, enum aw_media *ret_media,
             struct aw_in_ticket *ret_in)
{
    struct change *change = aw_call_new(io, request, &change_ops, sizeof(*change));

    *ret_in = (struct aw_in_ticket){.until = 0};
    if (change == NULL || !aw_api_agent(&change->call, &ret_in->by) || !aw_api_media(&change->call, false, ret_media) ||
        !aw_call_negotiate(&change->call, false, &change->media) || !aw_api_if_match(&change->call, &ret_in->if_match))
        return NULL;
    if (aw_ticket_id_parse(id, &ret_in->ticket) && ret_in->ticket.shard == io->shared->shard)
        return change;
    aw_call_fail(&change->call, AW_E_NOT_FOUND, "there is no ticket by that id");
    return NULL;
}

static void
submit_command(struct change *change, const struct aw_command *command)
{
    change->entry.command = *command;
    submit_entry(change);
}

/* What agents may do to a ticket that they do not hold. */
static void
submit_if_seen(struct change *change, const struct aw_command *command)
{
    const struct aw_token *token = aw_access_token(change->call.request);

    change->entry.command = *command;
    if (token == NULL || token->lane_count == 0) {
        submit_entry(change);
        return;
    }
    change->is_asking = true;
    change->query =
        (struct aw_query){.kind = AW_QUERY_TICKET, .ticket = command->in.note.on.ticket, .room = 1, .views = &change->view};
    change->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &change->query};
    aw_call_submit(&change->call, &change->submission);
}

static void
submit_change(struct change *change, enum aw_command_kind kind, const struct aw_in_ticket *in)
{
    submit_command(change, &(struct aw_command){.kind = kind, .once = change->once, .in.ticket = *in});
}

void
aw_api_patch_ticket(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct aw_in_ticket      in;
    enum aw_media            media;
    struct change           *change = begin_change(io, request, id, &media, &in);
    struct aw_ticket_request want;
    struct aw_proto_problem  problem;

    if (change == NULL)
        return;
    if (aw_proto_decode_ticket_patch(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&change->call, &problem);
        return;
    }
    if (want.hold_until != 0 && want.hold_until <= io->wall) {
        aw_api_refuse_field(&change->call, "hold_until", "hold_until lies in the past");
        return;
    }
    in.until = want.hold_until;
    in.words = want.reason;
    in.dry_run = want.dry_run;
    in.class_ = want.class_;
    in.lane = want.lane;
    in.hold = !want.hold_known ? AW_HOLD_AS_IS : want.hold ? AW_HOLD_ON : AW_HOLD_OFF;
    if (want.class_ != AW_CLASS_NONE || want.lane.len > 0)
        submit_change(change, AW_COMMAND_PLACE, &in);
    else
        submit_change(change, want.hold ? AW_COMMAND_HOLD : AW_COMMAND_UNHOLD, &in);
}

void
aw_api_cancel_ticket(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct aw_in_ticket      in;
    enum aw_media            media;
    struct change           *change = begin_change(io, request, id, &media, &in);
    struct aw_cancel_request want;
    struct aw_proto_problem  problem;

    if (change == NULL || !aw_api_once(&change->call, in.by, &change->once))
        return;
    if (aw_proto_decode_ticket_cancel(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&change->call, &problem);
        return;
    }
    in.words = want.reason;
    in.dry_run = want.dry_run;
    submit_change(change, AW_COMMAND_CANCEL, &in);
}

void
aw_api_note_ticket(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct aw_command       command = {.kind = AW_COMMAND_NOTE};
    enum aw_media           media;
    struct change          *change = begin_change(io, request, id, &media, &command.in.note.on);
    struct aw_note_request  want;
    struct aw_proto_problem problem;

    if (change == NULL || !aw_api_once(&change->call, command.in.note.on.by, &command.once))
        return;
    if (aw_proto_decode_note(&request->arena, media, request->body, &want, &problem) != AW_OK)
        aw_api_refuse_body(&change->call, &problem);
    else if (!aw_api_note(&change->call, want.text, &command.in.note.body))
        aw_call_fail(&change->call, AW_E_MEMORY, "");
    else
        submit_if_seen(change, &command);
}
