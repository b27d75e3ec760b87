/* model_erase.c - texts that are to be unreadable, and all others, which are not. */
#include "sim/model_parts.h"

void
model_add_text(struct model *model, const struct model_ticket *ticket, uint64_t seq, uint32_t number, uint32_t bytes)
{
    REQUIRE(model->text_count < MODEL_TEXTS_MAX, "the test's list of texts is too short");
    model->texts[model->text_count++] =
        (struct model_text){.seq = seq, .ticket = ticket->id.seq, .number = number, .bytes = bytes};
}

/* Whose tickets they are is looked for later, and may then be told by others. */
void
model_unsettle_texts(struct model *model, const struct model_ticket *from)
{
    for (uint32_t i = 0; i < model->text_count; i++) {
        struct model_text *text = &model->texts[i];

        text->may_go |= text->ticket == from->id.seq && text->erase_seq > model->erased_through;
    }
}

/* --- what is asked for -------------------------------------------------------------------------------------------------------- */

/* Also by what was asked before for the same customer, when that is looked for behind this. */
static void
close_for_good(struct model *model, struct model_ticket *ticket, uint64_t seq)
{
    if (ticket->state == AW_TICKET_LEASED)
        model_end_lease(ticket, AW_COMMAND_ERASE, 0);
    if (model_is_open(ticket))
        model_close(model, ticket);
    ticket->word.due_at = 0;
    ticket->erased_at = seq;
    ticket->is_known = false;
    for (uint32_t i = 0; i < model->text_count; i++)
        model->texts[i].may_go |= model->texts[i].ticket == ticket->id.seq;
}

/* Whether he wrote in it, as far as it was looked at. */
static bool
is_his(const struct model *model, uint64_t ticket, uint32_t customer, uint64_t through)
{
    for (uint32_t i = 0; i < model->message_count; i++) {
        const struct model_message *message = &model->messages[i];

        if (message->ticket == ticket && message->seq <= through && model->sources[message->source].customer == customer)
            return true;
    }
    return false;
}

static void
on_ticket(struct model *model, const struct aw_command *command)
{
    const struct aw_in_erase *in = &command->in.erase;
    struct model_ticket      *ticket = model_find(model, in->ticket.seq);
    uint64_t                  seq = command->out.seq, through = UINT64_MAX;

    REQUIRE(ticket != NULL, "record %llu: erases a ticket that never was", NUM(seq));
    if (!command->out.u.erase.spares) {
        REQUIRE(is_his(model, ticket->id.seq, (uint32_t)in->customer.low - 1, in->through),
                "record %llu: closes ticket %llu, in which he never wrote", NUM(seq), NUM(ticket->id.seq));
        REQUIRE(ticket->erased_at == 0, "record %llu: ticket %llu is erased once more", NUM(seq), NUM(ticket->id.seq));
        REQUIRE(ticket->message_seq <= in->through, "record %llu: closes ticket %llu over message %llu, which nobody read",
                NUM(seq), NUM(ticket->id.seq), NUM(ticket->message_seq));
        (void)model_ticket_of(model, command);
        close_for_good(model, ticket, seq);
        (void)model_erase_replies(model, ticket->id.seq, UINT64_MAX);
        return;
    }
    if (ticket->message_seq > in->through && ticket->erased_at == 0)
        through = in->through;
    REQUIRE(model_erase_replies(model, ticket->id.seq, through), "record %llu: erases nothing", NUM(seq));
}

/* Nobody is to answer what nobody can read: the ticket of this text is closed for good, or he wrote something else in it since. */
static void
judge_ticket(struct model *model, const struct model_message *message, const struct aw_command *command)
{
    const struct model_ticket *ticket = model_find(model, message->ticket);

    REQUIRE(!model_is_open(ticket) || ticket->message_seq > command->in.erase.through,
            "record %llu: message %llu is to be erased, and its ticket %llu stays open with nothing else", NUM(command->out.seq),
            NUM(message->seq), NUM(ticket->id.seq));
}

/* What he wrote, and what was written in the tickets of that; in those that were closed for it, up to then. */
static void
on_customer(struct model *model, const struct aw_command *command)
{
    uint32_t customer = (uint32_t)command->in.erase.customer.low - 1;
    uint64_t through = command->in.erase.through;

    for (uint32_t i = 0; i < model->message_count; i++) {
        struct model_message *message = &model->messages[i];

        if (message->seq > through || message->erase_seq != 0 || model->sources[message->source].customer != customer)
            continue;
        judge_ticket(model, message, command);
        message->erase_seq = command->out.seq;
    }
    for (uint32_t i = 0; i < model->text_count; i++) {
        struct model_text         *text = &model->texts[i];
        const struct model_ticket *ticket = model_find(model, text->ticket);

        if (text->erase_seq != 0 || (text->seq > through && text->seq > ticket->erased_at) ||
            !is_his(model, text->ticket, customer, through))
            continue;
        text->erase_seq = command->out.seq;
        text->may_go = false;
    }
    model->asked_seq = command->out.seq;
}

void
model_on_erase(struct model *model, const struct aw_command *command)
{
    if (command->in.erase.ticket.slot == 0)
        on_customer(model, command);
    else
        on_ticket(model, command);
}

/* --- what can be read --------------------------------------------------------------------------------------------------------- */

static bool
is_stored(struct model *model, uint64_t seq)
{
    struct aw_kept kept;
    uint64_t       found;

    if (aw_journal_find_body(model->reader, seq, &found) == AW_OK && found == seq)
        return true;
    return aw_journal_find_kept(model->reader, AW_KEPT_BODY, seq, &kept) == AW_OK && kept.seq == seq;
}

static void
judge_text(struct model *model, uint64_t seq, uint64_t erase_seq, struct aw_slice says)
{
    struct aw_slice body = {NULL, 0};
    enum aw_err     err = aw_journal_read_body(model->reader, seq, &body);

    if (erase_seq != 0) {
        REQUIRE(erase_seq > model->erased_through || err == AW_E_NOT_FOUND,
                "text %llu, which record %llu asked to erase, can be read", NUM(seq), NUM(erase_seq));
        return;
    }
    REQUIRE((err == AW_E_NOT_FOUND && !is_stored(model, seq)) || (err == AW_OK && aw_slice_eq(body, says)),
            "text %llu, which nobody asked to erase, cannot be read: %s", NUM(seq), aw_err_name(err));
}

void
model_judge_texts(struct model *model, uint64_t erased_through, bool all)
{
    model->erased_through = erased_through;
    if (aw_journal_read_begin(model->reader) != AW_OK)
        return; /* broken: the next start is judged */
    for (uint32_t i = 0; i < model->message_count; i++) {
        const struct model_message *message = &model->messages[i];

        if (all || message->erase_seq != 0)
            judge_text(model, message->seq, message->erase_seq,
                       model_body(message->source, model->sources[message->source].body_bytes));
    }
    for (uint32_t i = 0; i < model->text_count; i++) {
        const struct model_text *text = &model->texts[i];

        if (!text->may_go && (all || text->erase_seq != 0))
            judge_text(model, text->seq, text->erase_seq, model_body(text->number, text->bytes));
    }
    aw_journal_read_end(model->reader);
}

void
model_judge_given_text(struct model *model, const struct model_reply *reply)
{
    struct aw_slice body;
    enum aw_err     err;

    if (reply->kind != AW_REPLY_BY_AGENT || reply->is_dropped || aw_journal_read_begin(model->reader) != AW_OK)
        return;
    err = aw_journal_read_body(model->reader, reply->seq, &body);
    REQUIRE(err == AW_OK && aw_slice_eq(body, model_body(0, 40)), "reply %llu is given out, and its text cannot be read: %s",
            NUM(reply->seq), aw_err_name(err));
    aw_journal_read_end(model->reader);
}
