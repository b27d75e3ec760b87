/* api_leases.c - what the holder of a lease does with it: extend, reply, complete, release, decline, transfer, defer; one, or
 * many in one request.
 *
 * One is many with a single line. Before the commit it is looked up where replies go (reply_draft.h). After it some lines need the
 * journal: new messages to be shown, and for a lease that is no longer held, how it ended: a repeat of the very request that ended
 * it gets the first answer.
 */
#include "proto/proto.h"
#include "run/api.h"
#include "run/api_lines.h"
#include "run/io.h"
#include "run/lease_view.h"
#include "run/reply_draft.h"

#include <string.h>

#define THREAD_BYTES 2048U

struct fenced {
    struct aw_call       call;
    enum aw_command_kind kind;
    struct aw_slice      agent;
    enum aw_media        media; /* of the answer */
    struct aw_slice      token; /* in the path; else each line names its own */
    struct aw_api_lines  lines;
    struct aw_drafts     drafts;      /* the replies that go with them */
    bool                 is_drafting; /* these are looked up first */
};

/* --- commands ----------------------------------------------------------------------------------------------------------------- */

/* What the body of a request, or one of its lines, asks for. */
struct want {
    uint32_t                   lease_s;  /* extend */
    struct aw_slice            words;    /* of those that have one text */
    struct aw_transfer_request transfer; /* transfer */
    struct aw_defer_request    defer;    /* defer */
    bool                       has_reply;
    struct aw_reply            reply; /* complete, reply */
};

/* Tells a repeat from another request: the same lease is ended with the same words, or it is not the same. */
static uint64_t
op_hash(const struct aw_hash_key *key, enum aw_command_kind kind, const struct want *want)
{
    const uint64_t        numbers[] = {want->defer.until, (uint64_t)want->defer.reason};
    const struct aw_slice texts[] = {want->words,         want->transfer.lane, want->transfer.agent,
                                     want->transfer.note, want->defer.what,    aw_slice_of(numbers, sizeof(numbers))};
    char                  bytes[1 + AW_RELEASE_REASON_BYTES_MAX + AW_ARRAY_LEN(texts) * sizeof(uint64_t)];
    size_t                len = 1;

    bytes[0] = (char)kind;
    if (kind != AW_COMMAND_TRANSFER && kind != AW_COMMAND_DEFER) {
        AW_ASSERT(want->words.len <= AW_RELEASE_REASON_BYTES_MAX);
        if (want->words.len > 0)
            memcpy(bytes + 1, want->words.ptr, want->words.len);
        return aw_hash64(key, bytes, 1 + want->words.len);
    }
    for (size_t i = 0; i < AW_ARRAY_LEN(texts); i++, len += sizeof(uint64_t)) {
        uint64_t hash = aw_hash64(key, texts[i].ptr, texts[i].len);

        memcpy(bytes + len, &hash, sizeof(hash));
    }
    return aw_hash64(key, bytes, len);
}

static void
refuse(struct aw_api_line *line, enum aw_err err, const char *field, const char *detail)
{
    line->entry = NULL;
    line->problem = (struct aw_problem){.err = err, .field = aw_slice_str(field), .detail = aw_slice_str(detail)};
}

/* What a transfer or a defer has besides. False: refused. */
static bool
set_kind(struct fenced *fenced, struct aw_api_line *line, struct aw_command *command, const struct want *want)
{
    const struct aw_in_fenced in = command->in.fenced;
    struct aw_in_transfer    *transfer = &command->in.transfer;
    struct aw_in_defer       *defer = &command->in.defer;
    bool                      is_noted = true;

    /* The whole of it: what lies behind its first part is nothing yet. */
    if (fenced->kind == AW_COMMAND_DEFER) {
        *defer = (struct aw_in_defer){.fenced = in, .until = want->defer.until, .reason = want->defer.reason};
        is_noted = aw_api_note(&fenced->call, want->defer.what, &defer->what);
    } else if (fenced->kind == AW_COMMAND_TRANSFER) {
        *transfer = (struct aw_in_transfer){.fenced = in, .lane = want->transfer.lane, .to = want->transfer.agent};
        if (transfer->to.len > 0 && !aw_api_is_agent(transfer->to)) {
            refuse(line, AW_E_BAD_VALUE, "agent", "agent is no name that an agent can have");
            return false;
        }
        is_noted = want->transfer.note.len == 0 || aw_api_note(&fenced->call, want->transfer.note, &transfer->note);
    }
    if (!is_noted)
        refuse(line, AW_E_MEMORY, "", "");
    return is_noted;
}

static void
set_command(struct fenced *fenced, struct aw_api_line *line, struct aw_entry *entry, const struct want *want)
{
    const struct aw_shared *shared = fenced->call.io->shared;
    struct aw_in_fenced     in = {.agent = fenced->agent, .lease_ms = want->lease_s * AW_MS_PER_S, .words = want->words};

    if (!aw_lease_id_parse(line->token, &shared->token_key, &in.lease) || in.lease.shard != shared->shard) {
        refuse(line, AW_E_NOT_FOUND, "", "there is no lease by that name");
        return;
    }
    in.op_hash = op_hash(&shared->table_key, fenced->kind, want);
    entry->command = (struct aw_command){.kind = fenced->kind, .in.fenced = in};
    if (set_kind(fenced, line, &entry->command, want))
        line->entry = entry;
}

/* The reply that goes with a line's command, which is set. */
static void
set_reply(struct fenced *fenced, struct aw_api_line *line, const struct aw_reply *want)
{
    const struct aw_hash_key *key = &fenced->call.io->shared->table_key;
    struct aw_command        *command = &line->entry->command;
    bool                      is_large;

    if (aw_draft_make(&fenced->call, want, command, &line->draft, &is_large))
        command->in.fenced.op_hash = aw_draft_hash(line->draft, key, command->in.fenced.op_hash);
    else
        refuse(line, is_large ? AW_E_BODY_LARGE : AW_E_MEMORY, "", "");
}

/* Those of all lines. False: no memory. */
static bool
gather_drafts(struct fenced *fenced)
{
    const struct aw_api_lines *lines = &fenced->lines;

    fenced->drafts.list = aw_arena_take(aw_call_arena(&fenced->call), lines->count * sizeof(fenced->drafts.list[0]));
    if (fenced->drafts.list == NULL)
        return false;
    for (uint32_t i = 0; i < lines->count; i++) {
        if (lines->lines[i].entry != NULL && lines->lines[i].draft != NULL)
            fenced->drafts.list[fenced->drafts.count++] = lines->lines[i].draft;
    }
    return true;
}

/* --- after the commit --------------------------------------------------------------------------------------------------------- */

static bool
is_lost(const struct aw_api_line *line)
{
    const struct aw_outcome_of *out = &line->entry->command.out;

    return out->err == AW_E_LEASE_LOST || (out->err == AW_E_NOT_FOUND && out->u.lease.refusal == AW_TRANSFER_GOES);
}

/* Whether its answer tells more than a repeat finds in the state. */
static bool
tells_more(enum aw_command_kind kind)
{
    return kind == AW_COMMAND_TRANSFER || kind == AW_COMMAND_DEFER;
}

/* What of the journal this line's answer needs. False: nothing. */
static bool
needs_read(const struct aw_api_line *line, struct aw_read_item *ret_item)
{
    const struct aw_command   *command = &line->entry->command;
    const struct aw_out_lease *out = &command->out.u.lease;

    /* Only what ended an earlier lease than the last one can be a repeat that the state does not know. An extend or a reply ends
     * nothing. Where a transfer went, and when a deferral ends, is known by its record alone. */
    if ((is_lost(line) && out->last_seq != 0 && !out->is_last_end && command->kind != AW_COMMAND_EXTEND &&
         command->kind != AW_COMMAND_REPLY) ||
        (tells_more(command->kind) && command->out.err == AW_OK && !command->out.changed)) {
        *ret_item =
            (struct aw_read_item){.kind = AW_READ_ENDING, .last_seq = out->last_seq, .fence = command->in.fenced.lease.fence};
        return true;
    }
    if (command->out.err == AW_E_NEW_MESSAGES ||
        (command->out.err == AW_OK && command->kind == AW_COMMAND_EXTEND && out->seen_seq < out->message_seq)) {
        *ret_item = (struct aw_read_item){.kind = AW_READ_THREAD,
                                          .last_seq = out->last_seq,
                                          .ticket_seq = out->ticket.seq,
                                          .above_seq = out->seen_seq,
                                          .messages_max = AW_LEASE_MESSAGES_MAX};
        return true;
    }
    return false;
}

/* The very request that ended this lease, again. */
static bool
is_repeat(const struct fenced *fenced, const struct aw_api_line *line)
{
    const struct aw_read_item *item = aw_api_line_item(&fenced->lines, line);

    return is_lost(line) && item != NULL && item->err == AW_OK && item->ended_kind == (unsigned)fenced->kind &&
           item->ended_op_hash == line->entry->command.in.fenced.op_hash;
}

/* Where it went. */
static void
tell_transfer(const struct fenced *fenced, const struct aw_api_line *line, struct aw_done_answer *done)
{
    const struct aw_command   *command = &line->entry->command;
    const struct aw_out_lease *out = &command->out.u.lease;
    const struct aw_read_item *item = aw_api_line_item(&fenced->lines, line);
    bool                       is_first = command->out.changed;

    done->lane = is_first ? out->lane_name : aw_lanes_directory_name(fenced->call.io->shared->directory, item->ended_lane);
    done->class_ = is_first ? out->class_ : item->ended_class;
    done->kept_until = is_first ? out->help.kept_until : item->ended_kept_until;
    done->tells_kept = command->in.transfer.to.len > 0;
    if (done->kept_until != 0)
        done->kept_for = command->in.transfer.to;
}

/* What it wrote, and of a reply what its ticket is. */
static void
tell_reply(const struct fenced *fenced, const struct aw_api_line *line, struct aw_done_answer *done)
{
    const struct aw_command   *command = &line->entry->command;
    const struct aw_out_lease *out = &command->out.u.lease;
    bool                       is_read = command->out.err != AW_OK; /* done before, as the journal tells */

    if (fenced->kind == AW_COMMAND_REPLY)
        done->state = out->state;
    done->reply = (struct aw_message_id){.seq = is_read ? aw_api_line_item(&fenced->lines, line)->ended_seq : out->reply_seq,
                                         .shard = fenced->call.io->shared->shard};
    done->reply_state = is_read ? AW_REPLY_NONE : out->reply_state;
}

/* The answer when all went well, or went well the first time. */
static bool
make_done(const struct fenced *fenced, const struct aw_api_line *line, struct aw_done_answer *ret_done)
{
    const struct aw_command   *command = &line->entry->command;
    const struct aw_out_lease *out = &command->out.u.lease;
    const struct aw_read_item *item = aw_api_line_item(&fenced->lines, line);
    aw_ms                      now = fenced->call.io->wall;

    if (command->out.err != AW_OK && !is_repeat(fenced, line))
        return false;
    if (tells_more(fenced->kind) && !command->out.changed && (item == NULL || item->err != AW_OK))
        return false; /* what was answered can't be read */
    *ret_done = (struct aw_done_answer){.lease = line->token,
                                        .ticket = out->ticket,
                                        .state = fenced->kind == AW_COMMAND_COMPLETE ? AW_TICKET_CLOSED
                                                 : fenced->kind == AW_COMMAND_DEFER  ? AW_TICKET_HELD
                                                 : fenced->kind != AW_COMMAND_EXTEND ? AW_TICKET_WAITING
                                                                                     : AW_TICKET_LEASED,
                                        .duplicate = !command->out.changed};
    if (fenced->kind == AW_COMMAND_TRANSFER)
        tell_transfer(fenced, line, ret_done);
    if (fenced->kind == AW_COMMAND_DEFER)
        ret_done->held_until = command->out.changed ? out->held_until : item->ended_held_until;
    if (line->draft != NULL)
        tell_reply(fenced, line, ret_done);
    if (fenced->kind == AW_COMMAND_EXTEND) {
        ret_done->expires_at = out->expires_at;
        ret_done->expires_in_s = out->expires_at > now ? (out->expires_at - now) / AW_MS_PER_S : 0;
        if (item != NULL && item->err == AW_OK) {
            ret_done->messages = item->messages;
            ret_done->message_count = item->message_count;
        }
    }
    return true;
}

/* Why it is not transferred. */
static struct aw_problem
make_refusal(enum aw_err err, enum aw_transfer_refusal refusal)
{
    static const struct {
        const char *field;
        const char *detail;
    } words[] = {
        [AW_TRANSFER_NO_LANE] = {"lane", "there is no lane by that name"},
        [AW_TRANSFER_NO_AGENT] = {"agent", "nobody by that name was ever here"},
        [AW_TRANSFER_TO_SELF] = {"agent", "agent holds the ticket already"},
        [AW_TRANSFER_SAME_LANE] = {"lane", "the ticket is in that lane"},
        [AW_TRANSFER_BACK] = {"lane", "the ticket came from that lane; a supervisor may move it there"},
        [AW_TRANSFER_TOO_OFTEN] = {"", "the ticket was transferred as often as agents may; a supervisor may move it"},
        [AW_TRANSFER_NOT_SERVED] = {"agent", "agent is not set to serve the ticket's lane, or to take its class"},
    };

    return (struct aw_problem){
        .err = err, .field = aw_slice_str(words[refusal].field), .detail = aw_slice_str(words[refusal].detail)};
}

/* Why its reply is not taken. BAD_VALUE is the state machine's word: the message is none of this ticket. */
static void
tell_refusal(const struct aw_draft *draft, struct aw_problem *problem)
{
    if (problem->err == AW_E_BAD_VALUE)
        *problem = (struct aw_problem){
            .err = AW_E_REPLY_REFUSED, .field = AW_SLICE("to"), .detail = AW_SLICE("to is no message of this ticket")};
    else if (problem->err == AW_E_CHANNEL_CHANGE_REFUSED)
        *problem = (struct aw_problem){
            .err = AW_E_CHANNEL_CHANGE_REFUSED,
            .field = AW_SLICE("consent"),
            .detail =
                aw_slice_str(draft->why_refused != NULL ? draft->why_refused
                                                        : "consent is no message of this ticket's customer, or was withdrawn")};
    else if (problem->err == AW_E_REPLY_REFUSED)
        *problem =
            (struct aw_problem){.err = AW_E_REPLY_REFUSED, .field = draft->refused, .detail = aw_slice_str(draft->why_refused)};
    else if (problem->err == AW_E_REPLY_CHECK)
        *problem = (struct aw_problem){.err = AW_E_REPLY_CHECK,
                                       .field = draft->refused,
                                       .detail = aw_slice_str(draft->why_refused),
                                       .spans = draft->flagged.spans,
                                       .span_count = draft->flagged.span_count};
    else if (problem->err == AW_E_TABLE_FULL)
        problem->detail =
            AW_SLICE("no more replies can be kept just now (replies-max, or 100 of one ticket): others go out first; "
                     "or no more first contacts (contacts-max)");
}

/* Who only talked about us, and why he is not written to. */
static struct aw_slice
make_contact_detail(struct aw_arena *arena, const struct aw_contact *contact)
{
    struct aw_buffer buffer;
    char             at[AW_TIME_TEXT_BYTES];

    aw_time_format(contact->opted_out_at != 0 ? contact->opted_out_at : contact->contacted_at, at);
    aw_buffer_init(&buffer, arena);
    aw_buffer_printf(&buffer, contact->opted_out_at != 0 ? "opted out at %s" : "already contacted at %s", at);
    return buffer.failed ? (struct aw_slice){NULL, 0} : aw_buffer_slice(&buffer);
}

static struct aw_problem
make_problem(struct fenced *fenced, const struct aw_api_line *line)
{
    struct aw_problem problem = line->problem;

    if (line->entry != NULL) {
        enum aw_transfer_refusal refusal = line->entry->command.out.u.lease.refusal;

        problem = (struct aw_problem){.err = line->entry->command.out.err};
        if (problem.err == AW_OK) /* carried out before, but what was answered can't be read */
            problem.err = aw_api_line_item(&fenced->lines, line)->err;
        else if (refusal != AW_TRANSFER_GOES)
            problem = make_refusal(problem.err, refusal);
        if (is_lost(line)) {
            problem.err = AW_E_LEASE_LOST;
            problem.state = aw_lease_view_state(line->entry->command.out.u.lease.end);
        }
        if (problem.err == AW_E_TABLE_FULL && fenced->kind == AW_COMMAND_DEFER)
            problem.detail = AW_SLICE("no more words can be kept just now (commitments-max); release it");
        else if (problem.err == AW_E_TABLE_FULL)
            problem.detail = AW_SLICE("no more of this can be remembered just now (of one ticket, or asides-max); release it");
        if (problem.err == AW_E_BAD_VALUE && fenced->kind == AW_COMMAND_DEFER)
            problem = (struct aw_problem){
                .err = AW_E_BAD_VALUE, .field = AW_SLICE("until"), .detail = AW_SLICE("until lies ahead, within 366 days")};
        if (problem.err == AW_E_FORBIDDEN)
            problem.detail = AW_SLICE("another agent holds this lease");
        if (line->draft != NULL)
            tell_refusal(line->draft, &problem);
        if (problem.err == AW_E_CONTACT_REFUSED)
            problem.detail = make_contact_detail(aw_call_arena(&fenced->call), &line->entry->command.out.u.lease.contact);
    }
    problem.line = line->number;
    problem.retry_after_s = aw_retry_after_s(problem.err);
    return problem;
}

static bool
write_problem(struct fenced *fenced, const struct aw_api_line *line, struct aw_writer *writer)
{
    struct aw_problem          problem = make_problem(fenced, line);
    const struct aw_read_item *item = problem.err == AW_E_NEW_MESSAGES ? aw_api_line_item(&fenced->lines, line) : NULL;

    if (item != NULL && item->err == AW_OK && fenced->lines.many)
        return aw_proto_write_problem_messages_line(writer, &problem, item->messages, item->message_count);
    if (item != NULL && item->err == AW_OK)
        return aw_proto_write_problem_messages(writer, &problem, item->messages, item->message_count);
    if (fenced->lines.many)
        aw_proto_write_problem_line(writer, &problem);
    else
        aw_proto_write_problem(writer, &problem);
    return true;
}

static void
answer_one(struct fenced *fenced)
{
    struct aw_call       *call = &fenced->call;
    struct aw_api_line   *line = &fenced->lines.lines[0];
    enum aw_media         media = fenced->media;
    uint16_t              status = 200;
    struct aw_done_answer done;
    struct aw_buffer      buffer;
    struct aw_writer      writer;
    bool                  ok;

    aw_buffer_init(&buffer, aw_call_arena(call));
    if (make_done(fenced, line, &done)) {
        aw_writer_init(&writer, &buffer, media);
        ok = aw_proto_write_done(&writer, &done);
    } else {
        struct aw_problem problem = make_problem(fenced, line);

        if (problem.err != AW_E_NEW_MESSAGES) {
            aw_call_problem(call, &problem);
            return;
        }
        status = (uint16_t)aw_err_status(problem.err);
        media = aw_media_for_problem(call->request->accept, media);
        aw_writer_init(&writer, &buffer, media);
        ok = write_problem(fenced, line, &writer);
    }
    if (ok)
        aw_call_answer(call, status, media, &buffer, NULL, 0);
    else
        aw_call_fail(call, AW_E_INTERNAL, "a stored message is damaged");
}

static void
answer_many(struct fenced *fenced)
{
    struct aw_buffer buffer;
    struct aw_writer writer;
    bool             ok = true;

    aw_buffer_init(&buffer, aw_call_arena(&fenced->call));
    aw_writer_init(&writer, &buffer, fenced->media);
    for (uint32_t i = 0; ok && i < fenced->lines.count; i++) {
        struct aw_api_line   *line = &fenced->lines.lines[i];
        struct aw_done_answer done;

        if (line->entry != NULL && make_done(fenced, line, &done))
            ok = aw_proto_write_done_line(&writer, line->number, 200, &done);
        else
            ok = write_problem(fenced, line, &writer);
    }
    if (ok)
        aw_call_answer(&fenced->call, 200, fenced->media, &buffer, NULL, 0);
    else
        aw_call_fail(&fenced->call, AW_E_INTERNAL, "a stored message is damaged");
}

static void
answer(struct fenced *fenced)
{
    if (fenced->lines.many)
        answer_many(fenced);
    else
        answer_one(fenced);
}

static void
on_back(struct aw_call *call)
{
    struct fenced *fenced = (struct fenced *)call;
    bool           failed;

    if (fenced->is_drafting) {
        if (aw_drafts_go_on(call, &fenced->drafts) == AW_DRAFTING_OUT)
            return;
        fenced->is_drafting = false;
        aw_call_submit(call, &fenced->lines.submission);
        return;
    }
    if (fenced->lines.submission.err != AW_OK) {
        aw_call_fail(call, fenced->lines.submission.err, "");
    } else if (fenced->lines.read == NULL) {
        if (aw_api_lines_read(call, &fenced->lines, needs_read, THREAD_BYTES) == AW_READING_NONE)
            answer(fenced);
    } else if (!aw_api_read_again(call, fenced->lines.read, &failed)) {
        if (failed)
            aw_call_fail(call, AW_E_MEMORY, "");
        else
            answer(fenced);
    }
}

/* --- requests ----------------------------------------------------------------------------------------------------------------- */

static const struct aw_call_ops fenced_ops = {.on_back = on_back};

/* The body of a single request. */
static enum aw_err
decode_one(enum aw_command_kind kind, struct aw_arena *arena, enum aw_media media, struct aw_slice body, struct want *ret_want,
           struct aw_proto_problem *problem)
{
    struct aw_extend_request   extend;
    struct aw_complete_request complete;
    struct aw_release_request  release;
    enum aw_err                err;

    *ret_want = (struct want){.lease_s = 0};
    if (kind == AW_COMMAND_EXTEND) {
        err = aw_proto_decode_extend(arena, media, body, &extend, problem);
        if (err == AW_OK)
            ret_want->lease_s = extend.lease_s;
    } else if (kind == AW_COMMAND_COMPLETE) {
        err = aw_proto_decode_complete(arena, media, body, &complete, problem);
        if (err == AW_OK)
            *ret_want = (struct want){.words = complete.disposition, .has_reply = complete.reply_known, .reply = complete.reply};
    } else if (kind == AW_COMMAND_REPLY) {
        err = aw_proto_decode_reply(arena, media, body, &ret_want->reply, problem);
        ret_want->has_reply = err == AW_OK;
    } else if (kind == AW_COMMAND_TRANSFER) {
        err = aw_proto_decode_transfer(arena, media, body, &ret_want->transfer, problem);
    } else if (kind == AW_COMMAND_DEFER) {
        err = aw_proto_decode_defer(arena, media, body, &ret_want->defer, problem);
    } else {
        err = aw_proto_decode_release(arena, media, body, &release, problem);
        if (err == AW_OK)
            ret_want->words = release.reason;
    }
    return err;
}

static enum aw_err
decode_line(enum aw_command_kind kind, struct aw_arena *arena, enum aw_media media, struct aw_slice bytes,
            struct aw_api_line *line, struct want *ret_want, struct aw_proto_problem *problem)
{
    struct aw_extend_line   extend;
    struct aw_complete_line complete;
    enum aw_err             err;

    *ret_want = (struct want){.lease_s = 0};
    if (kind == AW_COMMAND_EXTEND) {
        err = aw_proto_decode_extend_line(arena, media, bytes, &extend, problem);
        if (err == AW_OK) {
            line->token = extend.lease;
            ret_want->lease_s = extend.lease_s;
        }
        return err;
    }
    err = aw_proto_decode_complete_line(arena, media, bytes, &complete, problem);
    if (err == AW_OK) {
        line->token = complete.lease;
        *ret_want = (struct want){.words = complete.disposition, .has_reply = complete.reply_known, .reply = complete.reply};
    }
    return err;
}

static bool
may_override(const struct aw_request *request)
{
    const struct aw_token *token = aw_access_token(request);

    return token == NULL || token->may_override;
}

static void
read_line(struct aw_call *call, struct aw_api_line *line, enum aw_media media, struct aw_slice bytes, struct aw_entry *entry)
{
    struct fenced          *fenced = (struct fenced *)call;
    struct aw_arena        *arena = aw_call_arena(call);
    struct aw_proto_problem problem;
    struct want             want;
    enum aw_err             err;

    line->token = fenced->token;
    if (fenced->token.len > 0)
        err = decode_one(fenced->kind, arena, media, bytes, &want, &problem);
    else
        err = decode_line(fenced->kind, arena, media, bytes, line, &want, &problem);
    if (err == AW_OK && want.has_reply && want.reply.is_override && !may_override(call->request)) {
        line->problem = (struct aw_problem){.err = AW_E_FORBIDDEN,
                                            .line = line->number,
                                            .field = AW_SLICE("override"),
                                            .detail = AW_SLICE("this token may not override the check of replies")};
        return;
    }
    if (err == AW_OK)
        set_command(fenced, line, entry, &want);
    else
        aw_api_line_refuse(call, line, &problem);
    if (err == AW_OK && line->entry != NULL && want.has_reply)
        set_reply(fenced, line, &want.reply);
}

/* `token`: of the path, which then names the only lease; empty: each line of the body names one. */
static void
carry_out(struct aw_io *io, struct aw_request *request, enum aw_command_kind kind, struct aw_slice token)
{
    struct fenced *fenced = aw_call_new(io, request, &fenced_ops, sizeof(*fenced));
    enum aw_media  media;

    if (fenced == NULL || !aw_api_agent(&fenced->call, &fenced->agent) || !aw_api_media(&fenced->call, token.len == 0, &media))
        return;
    fenced->kind = kind;
    fenced->token = token;
    fenced->lines.many = aw_media_is_sequence(media);
    if (!aw_call_negotiate(&fenced->call, fenced->lines.many, &fenced->media) ||
        !aw_api_lines_take(&fenced->call, &fenced->lines, media, read_line))
        return;
    if (fenced->lines.submission.count == 0) {
        answer(fenced);
    } else if (!gather_drafts(fenced)) {
        aw_call_fail(&fenced->call, AW_E_MEMORY, "");
    } else if (fenced->drafts.count > 0) {
        fenced->is_drafting = true;
        (void)aw_drafts_begin(&fenced->call, &fenced->drafts); /* goes on in on_back */
    } else {
        aw_call_submit(&fenced->call, &fenced->lines.submission);
    }
}

void
aw_api_extend(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    carry_out(io, request, AW_COMMAND_EXTEND, id);
}

void
aw_api_complete(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    carry_out(io, request, AW_COMMAND_COMPLETE, id);
}

void
aw_api_reply(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    carry_out(io, request, AW_COMMAND_REPLY, id);
}

void
aw_api_release(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    carry_out(io, request, AW_COMMAND_RELEASE, id);
}

void
aw_api_decline(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    carry_out(io, request, AW_COMMAND_DECLINE, id);
}

void
aw_api_transfer(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    carry_out(io, request, AW_COMMAND_TRANSFER, id);
}

void
aw_api_defer(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    carry_out(io, request, AW_COMMAND_DEFER, id);
}

void
aw_api_extend_many(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    (void)id;
    carry_out(io, request, AW_COMMAND_EXTEND, (struct aw_slice){NULL, 0});
}

void
aw_api_complete_many(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    (void)id;
    carry_out(io, request, AW_COMMAND_COMPLETE, (struct aw_slice){NULL, 0});
}
