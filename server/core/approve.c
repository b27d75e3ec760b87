/* approve.c - a colleague lets a reply go that was written by who needs that, or does not.
 *
 * Which ticket it belongs to is known by the reply: that may be long forgotten, and the reply is decided on all the same.
 */
#include "core/incident.h"
#include "core/outbox.h"

static enum aw_err
check(const struct aw_state *state, const struct aw_in_approve *in, const struct aw_reply_row *row)
{
    uint32_t by = aw_agent_find(state, in->by);

    if (row->state == AW_REPLY_PENDING && (by == row->agent || aw_agent_needs_approval(state, by)))
        return AW_E_FORBIDDEN; /* before anything is told of the customer */
    if (row->state == AW_REPLY_PENDING)
        return in->goes && aw_contact_holds_back(state, row) ? AW_E_CONTACT_REFUSED : AW_OK;
    return row->is_reviewed && in->goes == (row->state != AW_REPLY_REFUSED) ? AW_OK : AW_E_WRONG_STATE; /* as asked already */
}

/* NULL: it is forgotten. */
static const struct aw_ticket_row *
ticket_of(const struct aw_state *state, const struct aw_reply_row *row)
{
    const struct aw_ticket_row *ticket = aw_rows_has(&state->tickets, row->ticket) ? aw_ticket_at(state, row->ticket) : NULL;

    return ticket != NULL && ticket->state != AW_TICKET_FREE && ticket->opened_seq == row->ticket_seq ? ticket : NULL;
}

/* Whether it is closed by the lease under which it was written: then its customer waits again. Not when it was opened again since,
 * and closed by another answer, by a person or by the customer. */
static bool
was_closed_with(const struct aw_ticket_row *ticket, const struct aw_reply_row *row)
{
    return (ticket->marks & AW_MARK_COMPLETED) != 0 && ticket->ended_fence == row->written_fence;
}

/* For who wrote it, so that he can put it right, if he may have it. Whether its class waits is seen when it is queued. */
static void
reopen(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, uint32_t agent, struct aw_command *command)
{
    uint64_t ms = state->globals.settings.kept_transfer_ms;

    aw_ticket_unclose(state, ticket);
    state->globals.closes_refused++; /* its customer has heard nothing, and did not come back */
    /* An incident that was made while it was closed, or another one since its own closed: no round comes by again for that. */
    aw_incident_join(state, slot, ticket, command->out.seq);
    if (ms > 0 && aw_agent_is_ready(state, agent) && aw_agent_serves(state, agent, ticket->lane) &&
        aw_aside_admits(state, slot, agent) == AW_OK)
        aw_aside_hand(state, slot, ticket, agent, ms);
    aw_ticket_queue(state, slot, ticket, &command->out.event);
}

static void
tell_ticket(struct aw_state *state, struct aw_command *command, const struct aw_reply_row *row)
{
    const struct aw_in_approve *in = &command->in.approve;
    uint32_t                    slot = row->ticket;
    struct aw_ticket_row       *ticket;

    aw_effect_begin(state, &command->out.effect, slot);
    ticket = aw_ticket_edit(state, slot);
    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = command->out.seq & AW_ROW_SEQ_MAX;
    if (in->note.len > 0 && ticket->notes < UINT16_MAX)
        ticket->notes++;
    if (in->goes && aw_commitment_of(state, slot).seq < row->seq) /* not a word that was given since */
        aw_commitment_answered(state, slot, ticket);
    if (!in->goes && was_closed_with(ticket, row) && aw_facts_withdrawn(state, slot) < ticket->messages) /* else nobody asks */
        reopen(state, slot, ticket, row->agent, command);
    aw_ticket_done(state, slot);
}

void
aw_apply_approve(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_approve *in = &command->in.approve;
    uint32_t                    slot = in->reply.shard == state->globals.shard ? aw_outbox_find(state, in->reply.seq) : 0;
    struct aw_reply_row        *row;
    bool                        has_ticket;

    command->out.err = slot == 0 ? AW_E_NOT_FOUND : check(state, in, aw_reply_at(state, slot));
    if (slot == 0)
        return;
    if (command->out.err != AW_OK || aw_reply_at(state, slot)->state != AW_REPLY_PENDING) {
        aw_outbox_fill_out(state, slot, &command->out.u.reply);
        return;
    }
    (void)aw_state_record(state, command);
    row = aw_rows_change(&state->replies, slot);
    row->is_reviewed = 1;
    if (!in->goes)
        aw_contact_unmake(state, row);
    row = aw_rows_change(&state->replies, slot);
    has_ticket = ticket_of(state, row) != NULL;
    if (has_ticket) {
        tell_ticket(state, command, row);
    } else {
        command->out.prev_seq = row->last_seq;
        row->last_seq = command->out.seq & AW_ROW_SEQ_MAX;
    }
    aw_outbox_move(state, slot, in->goes ? AW_REPLY_WAITING : AW_REPLY_REFUSED, 0);
    aw_outbox_fill_out(state, slot, &command->out.u.reply);
    if (!has_ticket)
        command->out.u.reply.ticket.slot = 0;
}
