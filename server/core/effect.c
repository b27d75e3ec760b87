/* effect.c - what a command did to its ticket: noted before and after, for its record; and to whom it was written. Nothing here
 * decides anything. */
#include "core/incident.h"

#include <string.h>

void
aw_effect_begin(const struct aw_state *state, struct aw_effect *effect, uint32_t slot)
{
    const struct aw_ticket_row *ticket;

    *effect = (struct aw_effect){.class_before = AW_CLASS_NONE};
    if (!aw_rows_has(&state->tickets, slot))
        return;
    ticket = aw_ticket_at(state, slot);
    if (ticket->state == AW_TICKET_FREE)
        return;
    effect->state_before = (enum aw_ticket_state)ticket->state;
    effect->class_before = (uint8_t)ticket->class_;
    effect->lane_before = ticket->lane;
    effect->deferral_over = (ticket->marks & AW_MARK_DEFERRED) != 0;
    if (ticket->state == AW_TICKET_LEASED)
        effect->holder = aw_agent_name(state, aw_lease_at(state, ticket->link)->agent);
}

static uint64_t
address_of(const struct aw_identity_row *row)
{
    struct aw_hash128 hash;

    memcpy(&hash, row->hash, sizeof(hash));
    return hash.high;
}

static void
note_address(struct aw_state *state, struct aw_effect *effect, uint64_t address)
{
    uint32_t i = 0;

    while (i < effect->address_count && state->addresses[i] != address)
        i++;
    if (i < effect->address_count)
        return;
    AW_ASSERT(effect->address_count < AW_TICKET_ADDRESSES_MAX);
    state->addresses[effect->address_count++] = address;
}

/* Who only talks about us has no identity: nothing that he writes joins his ticket. */
static void
note_addresses(struct aw_state *state, struct aw_effect *effect, uint32_t slot)
{
    struct aw_hash128 talker = aw_facts_contact(state, slot);

    for (uint32_t at = aw_ticket_at(state, slot)->identities; at != 0; at = aw_identity_at(state, at)->next) {
        uint64_t address = address_of(aw_identity_at(state, at));

        if ((address & AW_ADDRESS_BIT) != 0)
            note_address(state, effect, address);
    }
    if (talker.low != 0 || talker.high != 0)
        note_address(state, effect, aw_address_of(talker));
    effect->addresses = state->addresses;
}

void
aw_effect_end(struct aw_state *state, struct aw_command *command)
{
    const struct aw_ticket_row *ticket;
    struct aw_effect           *effect = &command->out.effect;
    uint32_t                    slot;

    if (!command->out.changed || !aw_command_slot(command, &slot)) {
        *effect = (struct aw_effect){.ticket_seq = 0};
        return;
    }
    if (slot == 0) { /* a ticket that is forgotten */
        *effect = (struct aw_effect){.class_before = AW_CLASS_NONE};
        return;
    }
    ticket = aw_ticket_at(state, slot);
    effect->ticket_seq = ticket->opened_seq;
    effect->state = (enum aw_ticket_state)ticket->state;
    effect->class_ = (uint8_t)ticket->class_;
    effect->lane = ticket->lane;
    effect->incident = (struct aw_incident_id){.seq = 0};
    if (aw_incident_of(state, ticket) != 0)
        effect->incident = aw_incident_id_at(state, ticket->incident);
    effect->deferral_over &= (ticket->marks & AW_MARK_DEFERRED) == 0;
    if (effect->state_before == AW_TICKET_FREE)
        effect->lane_before = ticket->lane;
    if (effect->state == AW_TICKET_LEASED || aw_slice_eq(effect->holder, aw_command_by(command)))
        effect->holder = (struct aw_slice){NULL, 0};
    if (aw_command_has_colleagues_text(command))
        note_addresses(state, effect, slot);
}
