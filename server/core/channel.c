/* channel.c - the channels that tickets came by, by number, and which of them have queues of their own.
 *
 * Names are numbered in the order in which messages or agents' units first tell them, and never forgotten: a ticket keeps the
 * number. Gateways may tell any name, so messages have AW_CHANNELS_TOLD_MAX of the numbers, units what is left. Further channels
 * are 0, another one.
 */
#include "core/layout.h"

uint32_t
aw_state_channel_count(const struct aw_state *state)
{
    return state->globals.heads[AW_TABLE_CHANNELS].used;
}

struct aw_slice
aw_state_channel_name(const struct aw_state *state, uint32_t channel)
{
    const struct aw_channel_row *row;

    if (channel == 0)
        return (struct aw_slice){NULL, 0};
    AW_ASSERT(channel <= aw_state_channel_count(state));
    row = aw_rows_at(&state->channels, channel);
    return aw_slice_of(row->name, row->name_len);
}

uint32_t
aw_state_find_channel(const struct aw_state *state, struct aw_slice name)
{
    for (uint32_t channel = 1; channel <= aw_state_channel_count(state); channel++) {
        if (aw_slice_eq(aw_state_channel_name(state, channel), name))
            return channel;
    }
    return 0;
}

uint16_t
aw_state_shelves(const struct aw_state *state)
{
    return state->shelves;
}

uint32_t
aw_channel_note(struct aw_state *state, struct aw_slice name, uint32_t max)
{
    uint32_t               channel = aw_state_find_channel(state, name);
    struct aw_channel_row *row;

    if (channel != 0 || name.len == 0 || name.len > AW_CHANNEL_BYTES_MAX || aw_state_channel_count(state) >= max)
        return channel;
    channel = aw_rows_take(&state->channels);
    row = aw_rows_change(&state->channels, channel);
    memcpy(row->name, name.ptr, name.len);
    row->name_len = (uint32_t)name.len;
    return channel;
}

void
aw_channel_shelve(struct aw_state *state, uint32_t channel)
{
    AW_ASSERT(channel > 0);
    if ((state->shelves >> channel & 1) != 0)
        return;
    ((struct aw_channel_row *)aw_rows_change(&state->channels, channel))->is_shelved = 1;
    state->shelves |= (uint16_t)(1U << channel);
}

/* Of a ticket's row: messages give numbers up to AW_CHANNELS_TOLD_MAX. */
#define CHANNEL_BITS 12U
AW_STATIC_ASSERT(AW_CHANNELS_TOLD_MAX < CHANNEL_BITS, "each has a bit of its own");

void
aw_channel_set(struct aw_state *state, struct aw_ticket_row *ticket, uint32_t channel)
{
    unsigned bit = channel < CHANNEL_BITS ? channel : CHANNEL_BITS - 1;

    AW_ASSERT(channel <= aw_state_channel_count(state));
    ticket->channel = channel & AW_CHANNELS_MAX;
    if ((ticket->channels >> bit & 1) != 0)
        return;
    ticket->channels |= 1U << bit & ((1U << CHANNEL_BITS) - 1);
    state->globals.ticket_channels++;
}

void
aw_channel_load_all(struct aw_state *state)
{
    state->shelves = 1;
    for (uint32_t channel = 1; channel <= aw_state_channel_count(state); channel++) {
        const struct aw_channel_row *row = aw_rows_at(&state->channels, channel);

        state->shelves |= (uint16_t)(row->is_shelved << channel);
    }
}
