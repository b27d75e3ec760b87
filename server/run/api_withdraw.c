/* api_withdraw.c - POST /v1/messages/withdraw: the channel says that messages were deleted there.
 *
 * A source id is looked up with the committer, which ticket that message's record names by a reader, a few lines at a time; then
 * the commands go as those of any lines do.
 */
#include "proto/proto.h"
#include "run/api.h"
#include "run/api_lines.h"
#include "run/io.h"

#define LINES_PER_READ 200U
#define ADDRESS_BYTES  1024U

struct withdraw {
    struct aw_call       call;
    enum aw_media        media; /* of the answer */
    struct aw_slice      by;
    struct aw_api_lines  lines;
    struct aw_submission submission; /* of the query */
    struct aw_query      query;
    struct aw_hash128   *hashes; /* by entry */
    uint64_t            *seqs;
    struct aw_read      *read;
    uint32_t             read_from; /* entry of its first item */
    bool                 is_submitted;
};

static const char not_known[] = "no message by that id is known any more";

/* --- answers ------------------------------------------------------------------------------------------------------------------ */

static bool
make_done(const struct withdraw *withdraw, const struct aw_api_line *line, struct aw_done_answer *ret_done)
{
    const struct aw_command *command = line->entry == NULL ? NULL : &line->entry->command;

    if (command == NULL || command->out.err != AW_OK)
        return false;
    *ret_done = (struct aw_done_answer){.message = command->in.withdraw.message,
                                        .ticket = command->out.u.ticket.ticket,
                                        .state = command->out.u.ticket.state,
                                        .duplicate = !command->out.changed};
    ret_done->ticket.shard = withdraw->call.io->shared->shard;
    return true;
}

static struct aw_problem
make_problem(const struct aw_api_line *line)
{
    struct aw_problem problem = line->problem;

    if (line->entry != NULL)
        problem = (struct aw_problem){.err = line->entry->command.out.err};
    if (problem.err == AW_E_NOT_FOUND)
        problem.detail = aw_slice_str(not_known);
    problem.line = line->number;
    problem.retry_after_s = aw_retry_after_s(problem.err);
    return problem;
}

static void
answer_one(struct withdraw *withdraw)
{
    struct aw_call       *call = &withdraw->call;
    struct aw_problem     problem = make_problem(&withdraw->lines.lines[0]);
    struct aw_done_answer done;
    struct aw_buffer      buffer;
    struct aw_writer      writer;

    if (!make_done(withdraw, &withdraw->lines.lines[0], &done)) {
        aw_call_problem(call, &problem);
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, withdraw->media);
    if (aw_proto_write_done(&writer, &done))
        aw_call_answer(call, 200, withdraw->media, &buffer, NULL, 0);
    else
        aw_call_fail(call, AW_E_INTERNAL, "");
}

static void
answer(struct withdraw *withdraw)
{
    struct aw_buffer buffer;
    struct aw_writer writer;
    bool             ok = true;

    if (!withdraw->lines.many) {
        answer_one(withdraw);
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(&withdraw->call));
    aw_writer_init(&writer, &buffer, withdraw->media);
    for (uint32_t i = 0; ok && i < withdraw->lines.count; i++) {
        const struct aw_api_line *line = &withdraw->lines.lines[i];
        struct aw_problem         problem = make_problem(line);
        struct aw_done_answer     done;

        if (make_done(withdraw, line, &done))
            ok = aw_proto_write_done_line(&writer, line->number, 200, &done);
        else
            aw_proto_write_problem_line(&writer, &problem);
    }
    if (ok)
        aw_call_answer(&withdraw->call, 200, withdraw->media, &buffer, NULL, 0);
    else
        aw_call_fail(&withdraw->call, AW_E_INTERNAL, "");
}

/* --- looking up, then the commands -------------------------------------------------------------------------------------------- */

/* Only those that were found go to the committer; the others are refused, each for itself. */
static void
submit(struct withdraw *withdraw)
{
    struct aw_submission *submission = &withdraw->lines.submission;
    uint32_t              kept = 0;

    for (uint32_t i = 0; i < withdraw->lines.count; i++) {
        struct aw_api_line *line = &withdraw->lines.lines[i];

        if (line->entry == NULL)
            continue;
        if (line->entry->command.in.withdraw.ticket.seq == 0) {
            line->entry = NULL;
            line->problem = (struct aw_problem){.err = AW_E_NOT_FOUND};
            continue;
        }
        submission->entries[kept] = *line->entry; /* never behind where it was: lines are in order of their entries */
        line->entry = &submission->entries[kept++];
    }
    submission->count = kept;
    withdraw->is_submitted = true;
    if (kept == 0)
        answer(withdraw);
    else
        aw_call_submit(&withdraw->call, submission);
}

/* The next of those whose message is known. */
static void
read_on(struct withdraw *withdraw)
{
    uint32_t left = withdraw->lines.submission.count - withdraw->read_from;
    uint32_t count = left < LINES_PER_READ ? left : LINES_PER_READ;

    if (count == 0) {
        submit(withdraw);
        return;
    }
    withdraw->read = aw_api_read_new(&withdraw->call, count, (size_t)count * ADDRESS_BYTES);
    if (withdraw->read == NULL) {
        aw_call_fail(&withdraw->call, AW_E_MEMORY, "");
        return;
    }
    for (uint32_t i = 0; i < count; i++) /* record 0 is none: it is not found */
        withdraw->read->items[i] =
            (struct aw_read_item){.kind = AW_READ_ADDRESS, .last_seq = withdraw->seqs[withdraw->read_from + i]};
    aw_call_read(&withdraw->call, withdraw->read);
}

/* False: damage, and it is answered. */
static bool
take_addresses(struct withdraw *withdraw)
{
    for (uint32_t i = 0; i < withdraw->read->count; i++) {
        const struct aw_read_item *item = &withdraw->read->items[i];
        struct aw_in_withdraw     *in = &withdraw->lines.submission.entries[withdraw->read_from + i].command.in.withdraw;

        if (item->err != AW_OK && item->err != AW_E_NOT_FOUND) {
            aw_call_fail(&withdraw->call, AW_E_INTERNAL, "a stored message cannot be read");
            return false;
        }
        if (item->err != AW_OK)
            continue;
        in->message = item->to;
        in->ticket = item->to_ticket;
    }
    withdraw->read_from += withdraw->read->count;
    return true;
}

static void
on_back(struct aw_call *call)
{
    struct withdraw *withdraw = (struct withdraw *)call;
    enum aw_err      err = withdraw->is_submitted ? withdraw->lines.submission.err : withdraw->submission.err;
    bool             failed;

    if (err != AW_OK) {
        aw_call_fail(call, err, "");
    } else if (withdraw->is_submitted) {
        answer(withdraw);
    } else if (withdraw->read == NULL) {
        read_on(withdraw);
    } else if (!aw_api_read_again(call, withdraw->read, &failed)) {
        if (failed)
            aw_call_fail(call, AW_E_MEMORY, "");
        else if (take_addresses(withdraw))
            read_on(withdraw);
    }
}

static const struct aw_call_ops ops = {.on_back = on_back};

/* --- the request -------------------------------------------------------------------------------------------------------------- */

static void
read_line(struct aw_call *call, struct aw_api_line *line, enum aw_media media, struct aw_slice bytes, struct aw_entry *entry)
{
    struct withdraw           *withdraw = (struct withdraw *)call;
    struct aw_withdraw_request want;
    struct aw_proto_problem    problem;

    if (aw_proto_decode_withdraw(aw_call_arena(call), media, bytes, &want, &problem) != AW_OK) {
        aw_api_line_refuse(call, line, &problem);
        return;
    }
    line->problem = aw_access_account_problem(call->request, want.channel, want.account);
    line->problem.line = line->number;
    if (line->problem.err != AW_OK)
        return;
    entry->command = (struct aw_command){.kind = AW_COMMAND_WITHDRAW, .in.withdraw = {.by = withdraw->by}};
    line->entry = entry;
    line->id_hash = aw_api_source_hash(&call->io->shared->table_key, want.channel, want.account, want.source_id);
}

void
aw_api_withdraw(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct withdraw *withdraw = aw_call_new(io, request, &ops, sizeof(*withdraw));
    struct aw_entry *entries;
    uint32_t         count;
    enum aw_media    media;

    (void)id;
    if (withdraw == NULL || !aw_api_agent(&withdraw->call, &withdraw->by) || !aw_api_media(&withdraw->call, true, &media))
        return;
    withdraw->lines.many = aw_media_is_sequence(media);
    if (!aw_call_negotiate(&withdraw->call, withdraw->lines.many, &withdraw->media) ||
        !aw_api_lines_take(&withdraw->call, &withdraw->lines, media, read_line))
        return;
    entries = withdraw->lines.submission.entries;
    count = withdraw->lines.submission.count;
    if (count == 0) {
        answer(withdraw);
        return;
    }
    withdraw->hashes = aw_arena_take(&request->arena, count * sizeof(withdraw->hashes[0]));
    withdraw->seqs = aw_arena_take(&request->arena, count * sizeof(withdraw->seqs[0]));
    if (withdraw->hashes == NULL || withdraw->seqs == NULL) {
        aw_call_fail(&withdraw->call, AW_E_MEMORY, "");
        return;
    }
    for (uint32_t i = 0; i < withdraw->lines.count; i++) {
        if (withdraw->lines.lines[i].entry != NULL)
            withdraw->hashes[withdraw->lines.lines[i].entry - entries] = withdraw->lines.lines[i].id_hash;
    }
    withdraw->query =
        (struct aw_query){.kind = AW_QUERY_SOURCES, .room = count, .source_ids = withdraw->hashes, .seen = withdraw->seqs};
    withdraw->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &withdraw->query};
    aw_call_submit(&withdraw->call, &withdraw->submission);
}
