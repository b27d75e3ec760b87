/* unfold.c - some of a ticket's messages become a ticket of their own: what folding had joined, a person takes apart.
 *
 * Two tickets come out as if these messages had never joined the others, as far as later things go: class and departure,
 * identities (whom a later message joins), what flight events find. The ticket that stays keeps id, lane, age and what a person
 * said of it; the new one has the age of its own first message and waits in the same lane. Records go on naming the ticket that
 * they were written for, so the ones that move are noted (AW_FACT_MESSAGE), the record of this command with them: it begins the
 * new ticket's history. That they left is noted with the ticket that they name (AW_FACT_LEFT): the other may be forgotten first.
 *
 * A message that an agent was given is not taken from under his hands: only he may do it then, as he knows. What he was not given
 * goes without him; complete and extend need not tell of it.
 */
#include "core/incident.h"
#include "core/outbox.h"

/* The ticket that stays takes no more than it gives back, but for facts, which are put anew. */
static struct aw_need
need_of(const struct aw_in_unfold *in)
{
    return (struct aw_need){.tickets = 1,
                            .identities = in->taken.identity_count,
                            .facts = in->taken.fact_count + in->left.fact_count + 2 * in->message_count +
                                     (in->taken.is_listening ? 2 : 1)};
}

enum aw_err
aw_unfold_admits(const struct aw_state *state, const struct aw_in_unfold *in)
{
    return aw_need_check(state, need_of(in));
}

/* Whether somebody else holds the ticket and was given one of the messages. */
static bool
is_in_others_hands(const struct aw_state *state, const struct aw_ticket_row *ticket, const struct aw_in_unfold *in)
{
    const struct aw_lease_row *lease;
    const struct aw_agent_row *agent;

    if (ticket->state != AW_TICKET_LEASED)
        return false;
    lease = aw_lease_at(state, ticket->link);
    agent = aw_agent_at(state, lease->agent);
    return in->taken.first_seq <= lease->seen_seq && !aw_slice_eq(aw_slice_of(agent->name, agent->name_len), in->on.by);
}

static enum aw_err
check(const struct aw_state *state, const struct aw_ticket_row *ticket, const struct aw_in_unfold *in)
{
    if (!aw_ticket_is_open(ticket))
        return AW_E_WRONG_STATE;
    /* Messages only ever leave, or come with a higher number: with the newest and their number the same, they are the same. */
    if (in->newest_seq != ticket->message_seq || in->messages_total != ticket->messages)
        return AW_E_STALE;
    if (in->message_count == 0 || in->taken.messages != in->message_count || in->left.messages == 0 ||
        in->taken.messages + in->left.messages != ticket->messages)
        return AW_E_BAD_VALUE;
    for (uint32_t i = 0; i < in->message_count; i++) {
        if (aw_facts_withdrawn_at(state, in->messages[i]) != 0)
            return AW_E_BAD_VALUE; /* it says nothing any more */
    }
    if (aw_facts_withdrawn(state, in->on.ticket.slot) + in->message_count == ticket->messages)
        return AW_E_BAD_VALUE; /* what is left says nothing: the ticket would only get another name */
    if (is_in_others_hands(state, ticket, in))
        return AW_E_WRONG_STATE;
    return aw_unfold_admits(state, in);
}

/* Whose it is by now: of a customer who wrote to us, or of one who only talked about us. He is told nothing unasked; nor is who
 * wants to hear nothing. */
static void
tell_whom(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, const struct aw_told *told)
{
    ticket->marks &= (uint16_t)~AW_MARK_LISTENING;
    ticket->marks |= told->is_listening ? AW_MARK_LISTENING : 0;
    aw_facts_note_contact(state, slot, told->contact);
    aw_account_of_ticket(state, ticket, told->account.len > 0 ? told->channel : (struct aw_slice){NULL, 0}, told->account);
}

/* Where they go is known for as long as the other ticket is; that they are not here, for as long as this one is, which their
 * records name. Of one that was moved before, that is known already. */
static void
note_left(struct aw_state *state, uint32_t ticket, const struct aw_in_unfold *in)
{
    for (uint32_t i = 0; i < in->message_count; i++) {
        if (aw_state_moved_to(state, in->messages[i]) == 0)
            aw_facts_note_left(state, ticket, in->messages[i]);
        aw_ledger_settle(&state->ledger);
    }
}

/* The ticket that stays. Its place follows by a TIMER, when it is another one. */
static void
leave(struct aw_state *state, struct aw_command *command, uint64_t seq)
{
    const struct aw_told *left = &command->in.unfold.left;
    uint32_t              slot = command->in.unfold.on.ticket.slot;
    struct aw_ticket_row *ticket = aw_ticket_edit(state, slot);
    uint32_t              shelf = aw_ticket_shelf(state, ticket);
    bool                  was_named = aw_incident_is_named(state, slot);
    bool                  is_outdated;

    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = seq & AW_ROW_SEQ_MAX;
    ticket->messages = left->messages;
    ticket->message_seq = left->last_seq & AW_ROW_SEQ_MAX;
    ticket->marks |= AW_MARK_PUBLIC; /* as far as anybody knows, until the next message */
    is_outdated = ticket->reply_by != left->reply_by;
    ticket->reply_by = left->reply_by;
    aw_channel_set(state, ticket, aw_state_find_channel(state, left->channel));
    tell_whom(state, slot, ticket, left);
    ticket->lang = aw_lang_code(left->lang) & AW_LANG_CODE_MAX;
    is_outdated |= aw_ticket_shelf(state, ticket) != shelf;
    ticket->flags &= ~(unsigned)AW_TICKET_GENTLE & 0xF;
    ticket->flags |= left->gentle ? AW_TICKET_GENTLE : 0;
    if ((ticket->flags & AW_TICKET_CLASS_BY_PERSON) == 0)
        ticket->said = (uint64_t)left->said & 0xF;
    else if ((uint64_t)left->said > ticket->known_said)
        ticket->known_said = (uint64_t)left->said & 0xF; /* what those that go have said is news again */
    aw_facts_tell_anew(state, slot, left);
    if (was_named && !aw_incident_is_named(state, slot))
        aw_incident_leave(state, ticket);
    aw_incident_join(state, slot, ticket, seq);
    if (is_outdated && ticket->state == AW_TICKET_WAITING)
        aw_ticket_outdate(ticket);
    note_left(state, slot, &command->in.unfold);
    aw_ledger_settle(&state->ledger);
    aw_identities_keep(state, slot, left);
    aw_ticket_done(state, slot);
}

static uint32_t
open_ticket(struct aw_state *state, struct aw_command *command, uint64_t seq)
{
    const struct aw_in_unfold *in = &command->in.unfold;
    const struct aw_told      *taken = &in->taken;
    uint32_t                   slot = aw_rows_take(&state->tickets);
    struct aw_ticket_row      *ticket = aw_ticket_edit(state, slot);

    ticket->opened_seq = seq & AW_ROW_SEQ_MAX;
    ticket->last_seq = seq & AW_ROW_SEQ_MAX;
    ticket->lane = aw_ticket_at(state, in->on.ticket.slot)->lane;
    ticket->opened_at = taken->accepted_at & AW_ROW_SEQ_MAX;
    ticket->backdated_ms = aw_backdated_ms(&state->globals.settings, taken->received_at, taken->accepted_at);
    ticket->messages = taken->messages;
    ticket->message_seq = taken->last_seq & AW_ROW_SEQ_MAX;
    ticket->marks |= AW_MARK_PUBLIC; /* likewise */
    ticket->reply_by = taken->reply_by;
    aw_channel_set(state, ticket, aw_state_find_channel(state, taken->channel));
    tell_whom(state, slot, ticket, taken);
    ticket->lang = aw_lang_code(taken->lang) & AW_LANG_CODE_MAX;
    ticket->flags = taken->gentle ? AW_TICKET_GENTLE : 0;
    ticket->said = (uint64_t)taken->said & 0xF;
    ticket->version = aw_ticket_version_at(seq); /* as in message.c */
    if (!taken->is_listening)
        aw_promise_share(ticket, aw_ticket_at(state, in->on.ticket.slot));
    aw_facts_tell_anew(state, slot, taken);
    for (uint32_t i = 0; i < in->message_count; i++)
        aw_facts_move_message(state, slot, in->messages[i]);
    aw_facts_move_message(state, slot, seq);
    aw_incident_join(state, slot, ticket, seq);
    aw_ticket_queue(state, slot, ticket, &command->out.event);
    aw_ticket_done(state, slot);
    aw_ledger_settle(&state->ledger);
    for (uint32_t i = 0; i < taken->identity_count; i++)
        aw_identity_add(state, slot, taken->identities[i]);
    state->globals.opened++;
    return slot;
}

void
aw_apply_unfold(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_unfold  *in = &command->in.unfold;
    struct aw_out_ticket       *out = &command->out.u.ticket;
    const struct aw_ticket_row *from;
    uint64_t                    seq;
    uint32_t                    slot;

    command->out.err = aw_ticket_find(state, &in->on);
    if (command->out.err == AW_E_NOT_FOUND)
        return;
    from = aw_ticket_at(state, in->on.ticket.slot);
    aw_ticket_fill_out(state, command, from);
    out->from = in->on.ticket;
    if (command->out.err == AW_OK)
        command->out.err = check(state, from, in);
    if (command->out.err != AW_OK)
        return;
    if (in->on.dry_run) {
        aw_ms departs_at;

        *out = (struct aw_out_ticket){.from = in->on.ticket, .state = AW_TICKET_WAITING, .lane_name = out->lane_name};
        out->class_ = aw_ticket_class_told(state, &in->taken, &departs_at);
        return;
    }
    aw_need_meet(state, need_of(in));
    seq = aw_state_record(state, command);
    state->globals.unfolded_seq = seq;
    leave(state, command, seq);
    slot = open_ticket(state, command, seq);
    *out = (struct aw_out_ticket){.from = in->on.ticket,
                                  .ticket = aw_ticket_id_at(state, slot),
                                  .state = AW_TICKET_WAITING,
                                  .version = aw_ticket_at(state, slot)->version,
                                  .class_ = (enum aw_class)aw_ticket_at(state, slot)->class_,
                                  .lane_name = aw_lane_name(state, aw_ticket_at(state, slot)->lane)};
}
