/* api_contacts.c - customers who only talked about us: POST /v1/contacts/opt-out and opt-in, one or many; GET /v1/contacts. */
#include "proto/proto.h"
#include "run/api.h"
#include "run/api_lines.h"
#include "run/io.h"
#include "run/query.h"

/* --- opting out and in ------------------------------------------------------------------------------------------------------ */

struct opt {
    struct aw_call      call;
    enum aw_media       media; /* of the answer */
    struct aw_slice     by;
    bool                is_in;
    struct aw_api_lines lines;
};

static struct aw_contact_answer
make_answer(const struct aw_command *command)
{
    const struct aw_in_opt_out *in = &command->in.opt_out;

    return (struct aw_contact_answer){.channel = in->channel,
                                      .contact = command->out.u.contact,
                                      .is_change = true,
                                      .duplicate = !command->out.changed && !in->dry_run,
                                      .dry_run = in->dry_run};
}

static struct aw_problem
make_problem(const struct aw_api_line *line)
{
    struct aw_problem problem = line->problem;

    if (line->entry != NULL)
        problem = (struct aw_problem){.err = line->entry->command.out.err};
    if (problem.err == AW_E_TABLE_FULL)
        problem.detail = AW_SLICE("no more contacts can be kept just now (contacts-max)");
    problem.line = line->number;
    problem.retry_after_s = aw_retry_after_s(problem.err);
    return problem;
}

static void
answer(struct opt *opt)
{
    struct aw_buffer buffer;
    struct aw_writer writer;

    aw_buffer_init(&buffer, aw_call_arena(&opt->call));
    aw_writer_init(&writer, &buffer, opt->media);
    for (uint32_t i = 0; i < opt->lines.count; i++) {
        const struct aw_api_line *line = &opt->lines.lines[i];
        bool                      is_done = line->entry != NULL && line->entry->command.out.err == AW_OK;
        struct aw_problem         problem = make_problem(line);
        struct aw_contact_answer  contact = {.is_change = true};

        if (is_done)
            contact = make_answer(&line->entry->command);
        if (is_done && opt->lines.many)
            aw_proto_write_contact_line(&writer, line->number, 200, &contact);
        else if (is_done)
            aw_proto_write_contact(&writer, &contact);
        else if (opt->lines.many)
            aw_proto_write_problem_line(&writer, &problem);
        else {
            aw_call_problem(&opt->call, &problem);
            return;
        }
    }
    aw_call_answer(&opt->call, 200, opt->media, &buffer, NULL, 0);
}

static void
on_opted(struct aw_call *call)
{
    struct opt *opt = (struct opt *)call;

    if (opt->lines.submission.err != AW_OK)
        aw_call_fail(call, opt->lines.submission.err, "");
    else
        answer(opt);
}

static const struct aw_call_ops opt_ops = {.on_back = on_opted};

static void
read_line(struct aw_call *call, struct aw_api_line *line, enum aw_media media, struct aw_slice bytes, struct aw_entry *entry)
{
    struct opt               *opt = (struct opt *)call;
    struct aw_opt_out_request want;
    struct aw_proto_problem   problem;

    if (aw_proto_decode_opt_out(aw_call_arena(call), media, bytes, &want, &problem) != AW_OK) {
        aw_api_line_refuse(call, line, &problem);
        return;
    }
    line->problem = aw_access_account_problem(call->request, want.channel, want.account);
    line->problem.line = line->number;
    if (line->problem.err != AW_OK)
        return;
    entry->command = (struct aw_command){
        .kind = AW_COMMAND_OPT_OUT,
        .in.opt_out = {.contact = aw_api_contact_hash(&call->io->shared->table_key, want.channel, want.customer),
                       .channel = want.channel,
                       .account = want.account,
                       .is_in = opt->is_in,
                       .by = opt->by,
                       .dry_run = want.dry_run}};
    line->entry = entry;
}

static void
carry_out(struct aw_io *io, struct aw_request *request, bool is_in)
{
    struct opt   *opt = aw_call_new(io, request, &opt_ops, sizeof(*opt));
    enum aw_media media;

    if (opt == NULL || !aw_api_agent(&opt->call, &opt->by) || !aw_api_media(&opt->call, true, &media))
        return;
    opt->is_in = is_in;
    opt->lines.many = aw_media_is_sequence(media);
    if (!aw_call_negotiate(&opt->call, opt->lines.many, &opt->media) ||
        !aw_api_lines_take(&opt->call, &opt->lines, media, read_line))
        return;
    if (opt->lines.submission.count == 0)
        answer(opt);
    else
        aw_call_submit(&opt->call, &opt->lines.submission);
}

void
aw_api_opt_out(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    (void)id;
    carry_out(io, request, false);
}

void
aw_api_opt_in(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    (void)id;
    carry_out(io, request, true);
}

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

struct look {
    struct aw_call         call;
    enum aw_media          media;
    struct aw_slice        channel; /* with customer; or */
    struct aw_slice        customer;
    struct aw_ticket_id    ticket;
    struct aw_submission   submission;
    struct aw_query        query;
    struct aw_contact_look contact;
    struct aw_ticket_view  view;
};

static void
on_looked(struct aw_call *call)
{
    struct look             *look = (struct look *)call;
    enum aw_err              err = look->submission.err != AW_OK ? look->submission.err : look->query.err;
    struct aw_contact_answer contact = {.channel = look->channel,
                                        .ticket = look->ticket,
                                        .contact = look->ticket.seq != 0 ? look->view.contact : look->contact.now};
    struct aw_buffer         buffer;
    struct aw_writer         writer;

    if (err != AW_OK) {
        aw_call_fail(call, err, err == AW_E_NOT_FOUND ? "there is no ticket by that id, or not any more" : "");
        return;
    }
    if (look->ticket.seq != 0 && !look->view.contact.is_listening) {
        aw_call_fail(call, AW_E_NOT_FOUND, "the customer of this ticket wrote to us himself: he is answered");
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, look->media);
    aw_proto_write_contact(&writer, &contact);
    aw_call_answer(call, 200, look->media, &buffer, NULL, 0);
}

static const struct aw_call_ops look_ops = {.on_back = on_looked};

/* False: answered. */
static bool
set_parameter(struct look *look, const struct aw_parameter *parameter)
{
    if (aw_slice_eq(parameter->name, AW_SLICE("channel"))) {
        look->channel = parameter->value;
    } else if (aw_slice_eq(parameter->name, AW_SLICE("customer"))) {
        look->customer = parameter->value;
    } else if (aw_slice_eq(parameter->name, AW_SLICE("ticket"))) {
        if (aw_ticket_id_parse(parameter->value, &look->ticket) && look->ticket.shard == look->call.io->shared->shard)
            return true;
        aw_call_fail(&look->call, AW_E_NOT_FOUND, "there is no ticket by that id, or not any more");
        return false;
    } else {
        aw_call_problem(&look->call, &(struct aw_problem){.err = AW_E_UNKNOWN_FIELD,
                                                          .field = aw_slice_is_utf8(parameter->name) ? parameter->name
                                                                                                     : (struct aw_slice){NULL, 0},
                                                          .detail = AW_SLICE("the query takes channel, customer and ticket")});
        return false;
    }
    return true;
}

/* Who is asked for. False: answered. */
static bool
is_asked(struct look *look)
{
    if (look->ticket.seq != 0) {
        if (look->channel.len == 0 && look->customer.len == 0)
            return true;
        aw_api_refuse_field(&look->call, "ticket", "a ticket, or a channel and a customer");
    } else if (look->channel.len == 0 || look->channel.len > AW_CHANNEL_BYTES_MAX) {
        aw_api_refuse_field(&look->call, "channel", "channel has 1 to 32 bytes");
    } else if (look->customer.len == 0 || look->customer.len > AW_EXTERNAL_ID_BYTES_MAX) {
        aw_api_refuse_field(&look->call, "customer", "customer has 1 to 256 bytes");
    } else if (!aw_slice_is_utf8(look->channel)) {
        aw_api_refuse_field(&look->call, "channel", "channel is a name");
    } else {
        return true;
    }
    return false;
}

void
aw_api_get_contact(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct look        *look = aw_call_new(io, request, &look_ops, sizeof(*look));
    struct aw_slice     query = request->query;
    struct aw_parameter parameter;
    bool                failed;

    (void)id;
    if (look == NULL || !aw_call_negotiate(&look->call, false, &look->media))
        return;
    while (aw_query_take(&request->arena, &query, &parameter, &failed)) {
        if (!set_parameter(look, &parameter))
            return;
    }
    if (failed) {
        aw_call_fail(&look->call, AW_E_MEMORY, "");
        return;
    }
    if (!is_asked(look))
        return;
    if (look->ticket.seq != 0) {
        look->query = (struct aw_query){.kind = AW_QUERY_TICKET, .ticket = look->ticket, .views = &look->view, .room = 1};
    } else {
        look->contact.hash = aw_api_contact_hash(&io->shared->table_key, look->channel, look->customer);
        look->query = (struct aw_query){.kind = AW_QUERY_CONTACT, .contact = &look->contact};
    }
    look->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &look->query};
    aw_call_submit(&look->call, &look->submission);
}
