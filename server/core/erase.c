/* erase.c - all that a customer wrote is to be unreadable, and what was written to him and about him.
 *
 * Whose texts they are, and in which tickets, is found by a look through the journal before (run/read_erase.h); the texts go by
 * their keys, when the record that names no ticket is durable (run/eraser.h). Before it tickets that are still there are closed,
 * each by a record of its own, as it has a history: nobody could answer what nobody can read. Such a ticket is never
 * reopened: he who writes again is a new customer. One in which he wrote behind the look stays, or what he asks for would be lost
 * unread. Replies that wait do not go any more, also when their ticket is forgotten: there will be nothing to send. One that lost
 * messages since the look may not be his any more, and a new one be: nothing is done, and it is looked again.
 * What he is known by stays as a hash until its ticket is forgotten, as do counts; that he opted out stays.
 */
#include "core/outbox.h"

static bool
is_there(const struct aw_state *state, struct aw_ticket_id id)
{
    const struct aw_ticket_row *ticket;

    if (!aw_rows_has(&state->tickets, id.slot))
        return false;
    ticket = aw_ticket_at(state, id.slot);
    return ticket->state != AW_TICKET_FREE && ticket->opened_seq == id.seq && (ticket->marks & AW_MARK_ERASED) == 0;
}

static void
erase_ticket(struct aw_state *state, struct aw_command *command, uint32_t slot)
{
    uint64_t              seq = aw_state_record(state, command);
    struct aw_ticket_row *ticket = aw_ticket_edit(state, slot);

    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = seq & AW_ROW_SEQ_MAX;
    if (aw_ticket_is_open(ticket))
        aw_ticket_end(state, command, slot, ticket);
    else
        aw_commitment_drop(state, slot, ticket); /* of a reply that waits for a colleague */
    ticket->marks |= AW_MARK_ERASED;
    aw_ticket_done(state, slot);
    state->globals.erased_tickets++;
}

/* Of a ticket that is not closed here: the record is none of its. */
static void
erase_replies(struct aw_state *state, struct aw_command *command, uint64_t through)
{
    uint64_t ticket_seq = command->in.erase.ticket.seq;

    command->out.u.erase.spares = true;
    if (!aw_outbox_would_erase(state, ticket_seq, through))
        return;
    (void)aw_state_record(state, command);
    aw_outbox_erase(state, ticket_seq, through);
}

/* What was unfolded from a ticket that stays, after it was looked where his messages lie, may be his, and would go on waiting. */
static void
erase_customer(struct aw_state *state, struct aw_command *command)
{
    struct aw_out_erase *out = &command->out.u.erase;

    out->moved = command->in.erase.looked != 0 && state->globals.unfolded_seq > command->in.erase.looked;
    out->spares = out->moved;
    if (out->moved)
        return;
    (void)aw_state_record(state, command);
    state->globals.erased++;
}

void
aw_apply_erase(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_erase   *in = &command->in.erase;
    struct aw_out_erase        *out = &command->out.u.erase;
    const struct aw_ticket_row *ticket;

    if (in->ticket.slot == 0) {
        erase_customer(state, command);
        return;
    }
    if (in->ticket.shard != state->globals.shard) {
        out->spares = true;
        return;
    }
    if (!is_there(state, in->ticket)) {
        erase_replies(state, command, UINT64_MAX);
        return;
    }
    ticket = aw_ticket_at(state, in->ticket.slot);
    /* Of what was trimmed fewer are found; only of an open one, of which nothing is, messages can be taken. */
    out->moved = ticket->messages < in->messages;
    out->stays = !out->moved && ticket->message_seq > in->through;
    out->spares = out->moved || out->stays;
    if (out->stays)
        erase_replies(state, command, in->through);
    if (out->spares)
        return;
    erase_ticket(state, command, in->ticket.slot);
    aw_outbox_erase(state, in->ticket.seq, UINT64_MAX);
}
