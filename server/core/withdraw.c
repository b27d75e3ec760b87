/* withdraw.c - the channel says that a customer took a message back: from then on nobody is shown what it said.
 *
 * The message stays one of its ticket's, and what it told of flights and needs stays: a class is never lowered by who it is for.
 * That it was withdrawn is noted in a row of what the ticket is about (AW_FACT_MESSAGE with a time), so it is known as long as
 * the ticket is; nothing is shown of messages of other tickets anyway. The record is one of the ticket's, open or closed:
 * readers meet it before they meet the message. One of which nothing is left is closed: there is nobody to be answered,
 * and what the server itself still owes him does not go.
 */
#include "core/outbox.h"

/* The ticket that the message belongs to by now, while it is shown; 0: none. */
static uint32_t
ticket_of(const struct aw_state *state, uint64_t seq, struct aw_ticket_id named)
{
    uint32_t                    slot = aw_state_moved_to(state, seq);
    const struct aw_ticket_row *ticket;

    if (slot == 0 && (aw_facts_has_left(state, seq) || named.shard != state->globals.shard ||
                      !aw_rows_has(&state->tickets, named.slot) || aw_ticket_at(state, named.slot)->opened_seq != named.seq))
        return 0;
    slot = slot == 0 ? named.slot : slot;
    ticket = aw_ticket_at(state, slot);
    return aw_ticket_is_open(ticket) || aw_ticket_is_reopenable(state, ticket) ? slot : 0;
}

enum aw_err
aw_state_message(const struct aw_state *state, uint64_t seq, struct aw_ticket_id named, aw_ms *ret_withdrawn_at)
{
    if (ticket_of(state, seq, named) == 0)
        return AW_E_NOT_FOUND;
    *ret_withdrawn_at = aw_facts_withdrawn_at(state, seq);
    return AW_OK;
}

static void
tell(const struct aw_state *state, struct aw_command *command, uint32_t slot)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);

    command->out.u.ticket = (struct aw_out_ticket){.ticket = aw_ticket_id_at(state, slot),
                                                   .state = (enum aw_ticket_state)ticket->state,
                                                   .version = ticket->version,
                                                   .class_ = (enum aw_class)ticket->class_,
                                                   .lane_name = aw_lane_name(state, ticket->lane)};
}

void
aw_apply_withdraw(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_withdraw *in = &command->in.withdraw;
    uint32_t                     slot = ticket_of(state, in->message.seq, in->ticket);
    struct aw_need               need = {.facts = 1};
    struct aw_ticket_row        *ticket;
    uint64_t                     seq;
    bool                         nothing_is_left;

    if (in->message.shard != state->globals.shard || slot == 0) {
        command->out.err = AW_E_NOT_FOUND;
        return;
    }
    tell(state, command, slot);
    if (aw_facts_withdrawn_at(state, in->message.seq) != 0)
        return; /* carried out before */
    command->out.err = aw_facts_withdrawn(state, slot) < AW_TICKET_WITHDRAWN_MAX ? aw_need_check(state, need) : AW_E_TABLE_FULL;
    if (command->out.err != AW_OK)
        return;
    aw_need_meet(state, need); /* not this ticket: it may reopen, or is open */
    aw_effect_begin(state, &command->out.effect, slot);
    seq = aw_state_record(state, command);
    aw_facts_withdraw(state, slot, in->message.seq);
    aw_outbox_withdraw(state, in->message.seq);
    state->globals.withdrawn++;
    ticket = aw_ticket_edit(state, slot);
    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = seq & AW_ROW_SEQ_MAX;
    nothing_is_left = aw_facts_withdrawn(state, slot) == ticket->messages;
    if (nothing_is_left) {
        if (aw_ticket_is_open(ticket)) {
            aw_ticket_end(state, command, slot, ticket);
            state->globals.withdrawn_tickets++;
        } else {
            aw_commitment_drop(state, slot, ticket); /* of a reply that waits for a colleague */
        }
    }
    aw_ticket_done(state, slot);
    if (nothing_is_left)
        aw_outbox_drop_owed(state, aw_ticket_at(state, slot)->opened_seq);
    tell(state, command, slot);
}
