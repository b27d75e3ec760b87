/* once.c - requests that were carried out under an Idempotency-Key, so that the same again has the first outcome.
 *
 * A list in order of record time with an index over it. Unlike source ids (dedupe.h) these are rows of the state: few, and they
 * hold what was answered, so that the answer needs neither the journal, which may have been trimmed, nor the ticket, which goes on
 * changing. Whether one still counts is decided by its time alone.
 */
#include "core/layout.h"

/* Those over that go with each new one: more than one, so that the table shrinks after a rush. */
#define DROPS_PER_ADD 4

static bool
counts(const struct aw_state *state, const struct aw_once_row *row)
{
    return state->now - row->at < AW_ONCE_MS;
}

static bool
has_room(const struct aw_state *state)
{
    uint32_t first = state->globals.once_first;

    return aw_rows_room(&state->once) > 0 || (first != 0 && !counts(state, aw_once_at(state, first)));
}

bool
aw_state_has_room_for_keys(const struct aw_state *state, uint32_t keys)
{
    uint32_t room = aw_rows_room(&state->once);
    uint32_t slot = state->globals.once_first;

    for (; room < keys && slot != 0 && !counts(state, aw_once_at(state, slot)); slot = aw_once_at(state, slot)->next)
        room++;
    return room >= keys;
}

/* An old one that was not dropped yet may lie beside the one that counts. */
static uint32_t
find(const struct aw_state *state, struct aw_hash128 key)
{
    uint32_t slot = aw_index_find(&state->by_key, key);

    while (slot != 0 && !counts(state, aw_once_at(state, slot)))
        slot = aw_index_find_next(&state->by_key, slot);
    return slot;
}

bool
aw_once_answers(const struct aw_state *state, struct aw_command *command)
{
    uint32_t                  slot = find(state, command->once.key);
    const struct aw_once_row *row;

    AW_ASSERT(aw_command_takes_key(command->kind));
    if (slot == 0) {
        command->out.err = has_room(state) ? AW_OK : AW_E_TABLE_FULL;
        return command->out.err != AW_OK;
    }
    row = aw_once_at(state, slot);
    if (row->request != command->once.request) {
        command->out.err = AW_E_KEY_REUSED;
        return true;
    }
    command->out.repeated = true;
    command->out.seq = row->seq;
    if (aw_command_is_change(command->kind)) {
        aw_change_repeat(state, command,
                         &(struct aw_change_kept){.slot = row->ticket,
                                                  .mark = row->ticket_seq,
                                                  .seq = row->seq,
                                                  .version = row->version,
                                                  .tickets = (uint32_t)(row->lane << 16 | row->class_ << 8 | row->state)});
        return true;
    }
    if (command->kind == AW_COMMAND_INCIDENT || command->kind == AW_COMMAND_INCIDENT_ANSWER) {
        command->out.u.incident = (struct aw_out_incident){
            .incident = {.seq = row->ticket_seq, .slot = row->ticket, .shard = (uint8_t)state->globals.shard},
            .state = (enum aw_incident_state)row->state,
            .version = row->version,
            .created = command->kind == AW_COMMAND_INCIDENT && row->version == 1};
        return true;
    }
    command->out.u.ticket =
        (struct aw_out_ticket){.ticket = {.seq = row->ticket_seq, .slot = row->ticket, .shard = (uint8_t)state->globals.shard},
                               .state = (enum aw_ticket_state)row->state,
                               .version = row->version,
                               .class_ = (enum aw_class)row->class_,
                               .lane_name = aw_lane_name(state, (uint32_t)row->lane)};
    return true;
}

bool
aw_once_is_known(const struct aw_state *state, const struct aw_once *once)
{
    return aw_once_is_set(once) && find(state, once->key) != 0;
}

enum aw_err
aw_once_admits(const struct aw_state *state, const struct aw_once *once)
{
    return !aw_once_is_set(once) || has_room(state) || aw_once_is_known(state, once) ? AW_OK : AW_E_TABLE_FULL;
}

static void
drop_first(struct aw_state *state)
{
    struct aw_globals *globals = &state->globals;
    uint32_t           slot = globals->once_first;

    globals->once_first = aw_once_at(state, slot)->next;
    if (globals->once_first == 0)
        globals->once_last = 0;
    aw_index_remove(&state->by_key, slot);
    aw_rows_give(&state->once, slot);
}

/* Of a change: its row, what that row was, its version, and how many tickets it concerned, in the places that a ticket has. */
static void
keep_change(const struct aw_state *state, struct aw_once_row *row, const struct aw_command *command)
{
    const struct aw_change_answer *now = &command->out.u.change.now;

    switch (now->of) {
    case AW_CHANGE_FLIGHT:
        row->ticket = now->flight.change.slot;
        row->version = (uint32_t)now->flight.version;
        break;
    case AW_CHANGE_AIRPORT:
        row->ticket = now->airport.change.slot;
        row->version = (uint32_t)now->airport.version;
        break;
    case AW_CHANGE_SURGE:
        row->ticket = now->surge.change.slot;
        row->version = (uint32_t)now->surge.version;
        break;
    }
    row->ticket_seq = aw_change_mark(state, now->of, row->ticket) & AW_ROW_SEQ_MAX;
    row->lane = (uint16_t)(now->tickets >> 16);
    row->class_ = (uint8_t)(now->tickets >> 8);
    row->state = (uint8_t)now->tickets;
}

static void
keep_ticket(const struct aw_state *state, struct aw_once_row *row, const struct aw_out_ticket *out)
{
    row->ticket = out->ticket.slot;
    row->ticket_seq = out->ticket.seq & AW_ROW_SEQ_MAX;
    row->version = (uint32_t)out->version;
    row->state = (uint8_t)out->state;
    row->class_ = (uint8_t)out->class_;
    row->lane = aw_ticket_at(state, out->ticket.slot)->lane;
}

static void
keep_incident(struct aw_once_row *row, const struct aw_out_incident *out)
{
    row->ticket = out->incident.slot;
    row->ticket_seq = out->incident.seq & AW_ROW_SEQ_MAX;
    row->version = (uint32_t)out->version;
    row->state = (uint8_t)out->state;
}

void
aw_once_remember(struct aw_state *state, const struct aw_command *command)
{
    struct aw_globals  *globals = &state->globals;
    struct aw_once_row *row;
    uint32_t            slot;

    for (int i = 0; i < DROPS_PER_ADD && globals->once_first != 0 && !counts(state, aw_once_at(state, globals->once_first)); i++)
        drop_first(state);
    slot = aw_rows_take(&state->once);
    row = aw_rows_change(&state->once, slot);
    memcpy(row->key, &command->once.key, sizeof(row->key));
    row->request = command->once.request;
    row->at = state->now;
    row->seq = command->out.seq & AW_ROW_SEQ_MAX;
    if (aw_command_is_change(command->kind))
        keep_change(state, row, command);
    else if (command->kind == AW_COMMAND_INCIDENT || command->kind == AW_COMMAND_INCIDENT_ANSWER)
        keep_incident(row, &command->out.u.incident);
    else
        keep_ticket(state, row, &command->out.u.ticket);
    aw_index_insert(&state->by_key, slot);
    if (globals->once_last != 0)
        ((struct aw_once_row *)aw_rows_change(&state->once, globals->once_last))->next = slot;
    else
        globals->once_first = slot;
    globals->once_last = slot;
}

void
aw_once_load_all(struct aw_state *state)
{
    aw_index_presize(&state->by_key, state->globals.heads[AW_TABLE_ONCE].live);
    for (uint32_t slot = state->globals.once_first; slot != 0; slot = aw_once_at(state, slot)->next)
        aw_index_insert(&state->by_key, slot);
}
