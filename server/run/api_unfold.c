/* api_unfold.c - messages are taken out of a ticket: look at it, read what its messages tell, ask for the change.
 *
 * Between the look and the change a message may come; then the change is refused as stale and all begins anew. A request that was
 * carried out before is known by its Idempotency-Key only to the state machine: so what is refused on the way is told only after
 * the state machine was asked for a change that it can't carry out.
 */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"

#define TELLINGS_BYTES (2 * sizeof(struct aw_telling) + 64)
/* A customer who writes faster than a ticket can be read, so often in a row, writes on. */
#define TRIES_MAX 8U
#define NO_TICKET "there is no ticket by that id"

enum step { LOOKS, READS, CHANGES };
struct unfold {
    struct aw_call          call;
    enum aw_media           media;
    enum step               step;
    unsigned                tries;
    bool                    is_refused; /* `refusal` is told, unless the request was carried out before */
    struct aw_problem       refusal;
    struct aw_in_ticket     on;
    struct aw_once          once;
    uint64_t                messages[AW_UNFOLD_MESSAGES_MAX]; /* ascending */
    uint32_t                places[AW_UNFOLD_MESSAGES_MAX];   /* of each in the request */
    uint32_t                count;
    struct aw_core_settings settings;
    struct aw_ticket_view   view;
    struct aw_query         query;
    struct aw_submission    submission;
    struct aw_entry         entry;
    struct aw_read         *read;
};

static void
look(struct unfold *unfold)
{
    unfold->step = LOOKS;
    unfold->query = (struct aw_query){
        .kind = AW_QUERY_TICKET, .ticket = unfold->on.ticket, .room = 1, .views = &unfold->view, .settings = &unfold->settings};
    unfold->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &unfold->query};
    aw_call_submit(&unfold->call, &unfold->submission);
}

static void
ask(struct unfold *unfold, const struct aw_in_unfold *in)
{
    unfold->step = CHANGES;
    unfold->entry.command = (struct aw_command){.kind = AW_COMMAND_UNFOLD, .once = unfold->once, .in.unfold = *in};
    unfold->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &unfold->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&unfold->call, &unfold->submission);
}

static void
refuse(struct unfold *unfold, const struct aw_problem *problem)
{
    if (!aw_once_is_set(&unfold->once)) {
        aw_call_problem(&unfold->call, problem);
        return;
    }
    unfold->is_refused = true;
    unfold->refusal = *problem;
    ask(unfold, &(struct aw_in_unfold){.on = unfold->on}); /* no message: it changes nothing */
}

static void
refuse_message(struct unfold *unfold, enum aw_err err, uint32_t place, const char *detail)
{
    struct aw_buffer field;

    aw_buffer_init(&field, aw_call_arena(&unfold->call));
    aw_buffer_printf(&field, "messages[%u]", place);
    refuse(unfold, &(struct aw_problem){.err = err, .field = aw_buffer_slice(&field), .detail = aw_slice_str(detail)});
}

static void
read_told(struct unfold *unfold)
{
    unfold->step = READS;
    unfold->read = aw_api_read_new(&unfold->call, 1, TELLINGS_BYTES);
    if (unfold->read == NULL) {
        aw_call_fail(&unfold->call, AW_E_MEMORY, "");
        return;
    }
    unfold->read->items[0] = (struct aw_read_item){.kind = AW_READ_TOLD,
                                                   .last_seq = unfold->view.last_seq,
                                                   .ticket_seq = unfold->view.ticket.seq,
                                                   .settings = &unfold->settings,
                                                   .wanted = unfold->messages,
                                                   .wanted_count = unfold->count};
    aw_call_read(&unfold->call, unfold->read);
}

static void
on_looked(struct unfold *unfold)
{
    if (unfold->query.err == AW_OK)
        read_told(unfold);
    else
        refuse(unfold, &(struct aw_problem){.err = unfold->query.err, .detail = AW_SLICE(NO_TICKET)});
}

static void
on_read(struct unfold *unfold)
{
    const struct aw_read_item *item = &unfold->read->items[0];
    bool                       failed;

    if (aw_api_read_again(&unfold->call, unfold->read, &failed))
        return;
    if (failed) {
        aw_call_fail(&unfold->call, AW_E_MEMORY, "");
    } else if (item->err == AW_E_NOT_FOUND && item->missing == unfold->count) {
        /* Between the look and the read the ticket was closed, forgotten and trimmed. */
        refuse(unfold, &(struct aw_problem){.err = item->err, .detail = AW_SLICE(NO_TICKET)});
    } else if (item->err == AW_E_NOT_FOUND) {
        refuse_message(unfold, item->err, unfold->places[item->missing], "is no message of this ticket");
    } else if (item->err == AW_E_BAD_VALUE) {
        refuse(unfold,
               &(struct aw_problem){.err = item->err, .detail = AW_SLICE("the ticket's history is too long to be taken apart")});
    } else if (item->err != AW_OK) {
        aw_call_fail(&unfold->call, item->err, "");
    } else if (item->left->told.messages == 0) {
        refuse(unfold,
               &(struct aw_problem){.err = AW_E_BAD_VALUE,
                                    .field = AW_SLICE("messages"),
                                    .detail = AW_SLICE("must leave the ticket one message: it would only get another name")});
    } else {
        ask(unfold, &(struct aw_in_unfold){.on = unfold->on,
                                           .messages = unfold->messages,
                                           .message_count = unfold->count,
                                           .newest_seq = unfold->view.message_seq,
                                           .messages_total = unfold->view.messages_total,
                                           .taken = item->taken->told,
                                           .left = item->left->told});
    }
}

static void
answer(struct unfold *unfold)
{
    const struct aw_out_ticket *out = &unfold->entry.command.out.u.ticket;
    struct aw_done_answer       done = {.ticket = out->ticket,
                                        .from = unfold->on.ticket,
                                        .state = out->state,
                                        .lane = out->lane_name,
                                        .class_ = out->class_,
                                        .duplicate = unfold->entry.command.out.repeated,
                                        .dry_run = unfold->on.dry_run,
                                        .version = out->version};
    struct aw_arena            *arena = aw_call_arena(&unfold->call);
    struct aw_header_field      etag = {AW_SLICE("etag"), aw_api_etag(arena, out->version)};
    struct aw_buffer            buffer;
    struct aw_writer            writer;

    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, unfold->media);
    if (aw_proto_write_done(&writer, &done))
        aw_call_answer(&unfold->call, 200, unfold->media, &buffer, &etag, unfold->on.dry_run ? 0 : 1);
    else
        aw_call_fail(&unfold->call, AW_E_INTERNAL, "");
}

static void
on_changed(struct unfold *unfold)
{
    const struct aw_outcome_of *out = &unfold->entry.command.out;

    if (out->err == AW_OK)
        answer(unfold);
    else if (unfold->is_refused && out->err != AW_E_KEY_REUSED)
        aw_call_problem(&unfold->call, &unfold->refusal);
    else if (out->err == AW_E_STALE && ++unfold->tries < TRIES_MAX)
        look(unfold);
    else if (out->err == AW_E_WRONG_STATE)
        aw_call_problem(&unfold->call,
                        &(struct aw_problem){.err = out->err,
                                             .state = aw_slice_str(aw_ticket_state_name(out->u.ticket.state)),
                                             .detail = out->u.ticket.state == AW_TICKET_LEASED
                                                           ? AW_SLICE("its holder was given what is to go: he may do it")
                                                           : AW_SLICE("")});
    else
        aw_call_fail(&unfold->call, out->err,
                     out->err == AW_E_NOT_FOUND   ? NO_TICKET
                     : out->err == AW_E_BAD_VALUE ? "neither part may be only what its customer took back"
                                                  : "");
}

static void
on_back(struct aw_call *call)
{
    struct unfold *unfold = (struct unfold *)call;

    if (unfold->step != READS && unfold->submission.err != AW_OK) {
        aw_call_fail(call, unfold->submission.err, "");
        return;
    }
    switch (unfold->step) {
    case LOOKS:
        on_looked(unfold);
        return;
    case READS:
        on_read(unfold);
        return;
    case CHANGES:
        on_changed(unfold);
        return;
    }
    AW_UNREACHABLE();
}

static const struct aw_call_ops unfold_ops = {.on_back = on_back};

/* In order, each once; false: answered, or asked about. */
static bool
sort_messages(struct unfold *unfold, const struct aw_unfold_request *want)
{
    for (uint32_t i = 0; i < want->message_count; i++) {
        struct aw_message_id id;
        uint32_t             at = unfold->count;

        if (!aw_message_id_parse(want->messages[i], &id) || id.shard != unfold->call.io->shared->shard) {
            refuse_message(unfold, AW_E_NOT_FOUND, i, "is no message of this ticket");
            return false;
        }
        for (; at > 0 && unfold->messages[at - 1] >= id.seq; at--) {
            if (unfold->messages[at - 1] == id.seq) {
                refuse_message(unfold, AW_E_BAD_VALUE, i, "is there twice");
                return false;
            }
            unfold->messages[at] = unfold->messages[at - 1];
            unfold->places[at] = unfold->places[at - 1];
        }
        unfold->messages[at] = id.seq;
        unfold->places[at] = i;
        unfold->count++;
    }
    return true;
}

void
aw_api_unfold_ticket(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct unfold           *unfold = aw_call_new(io, request, &unfold_ops, sizeof(*unfold));
    enum aw_media            media;
    struct aw_unfold_request want;
    struct aw_proto_problem  problem;

    if (unfold == NULL || !aw_api_agent(&unfold->call, &unfold->on.by) || !aw_api_media(&unfold->call, false, &media) ||
        !aw_call_negotiate(&unfold->call, false, &unfold->media) || !aw_api_if_match(&unfold->call, &unfold->on.if_match) ||
        !aw_api_once(&unfold->call, unfold->on.by, &unfold->once))
        return;
    if (aw_proto_decode_ticket_unfold(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&unfold->call, &problem);
        return;
    }
    if (!aw_ticket_id_parse(id, &unfold->on.ticket) || unfold->on.ticket.shard != io->shared->shard) {
        aw_call_fail(&unfold->call, AW_E_NOT_FOUND, NO_TICKET);
        return;
    }
    if (want.message_count == 0) {
        aw_api_refuse_field(&unfold->call, "messages", "must name a message or more");
        return;
    }
    unfold->on.words = want.reason;
    unfold->on.dry_run = want.dry_run;
    if (sort_messages(unfold, &want))
        look(unfold);
}
