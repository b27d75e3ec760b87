/* note.c - an agent, the holder or not, tells colleagues something about an open ticket. It moves nothing. */
#include "core/layout.h"

static enum aw_err
check(const struct aw_ticket_row *ticket)
{
    if (!aw_ticket_is_open(ticket))
        return AW_E_WRONG_STATE;
    return ticket->notes < AW_TICKET_NOTES_MAX ? AW_OK : AW_E_TABLE_FULL;
}

void
aw_apply_note(struct aw_state *state, struct aw_command *command)
{
    uint32_t              slot = command->in.note.on.ticket.slot;
    struct aw_ticket_row *ticket;

    command->out.err = aw_ticket_find(state, &command->in.note.on);
    if (command->out.err == AW_E_NOT_FOUND)
        return;
    aw_ticket_fill_out(state, command, aw_ticket_at(state, slot));
    if (command->out.err == AW_OK)
        command->out.err = check(aw_ticket_at(state, slot));
    if (command->out.err != AW_OK)
        return;
    ticket = aw_ticket_edit(state, slot);
    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = aw_state_record(state, command) & AW_ROW_SEQ_MAX;
    ticket->notes++;
    aw_ticket_done(state, slot);
}
