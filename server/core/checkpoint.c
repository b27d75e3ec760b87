/* checkpoint.c - a cut of the state written in steps while it goes on changing, and a state read back.
 *
 * Chunk 0 of table 0 is struct aw_globals. The other tables follow by number; a chunk is a run of rows (their kept bytes) from
 * slot chunk * rows a chunk + 1 on, free ones too, since the chain of free slots is part of the state.
 */
#include "core/incident.h"
#include "core/outbox.h"

/* Posts are refused when so much of the pool for old rows is used, so that draining always finds the rest. */
#define POSTS_SHARE_OF_POOL(cells) ((cells) / 4 * 3)

bool
aw_state_cut_begin(struct aw_state *state, struct aw_checkpoint_mark *ret_mark)
{
    if (state->ledger._is_cutting)
        return false;
    aw_ledger_cut_begin(&state->ledger);
    for (uint32_t table = 1; table < AW_TABLE_COUNT; table++)
        aw_rows_cut_begin(aw_state_table(state, table));
    state->cut_globals = state->globals;
    state->cut_table = AW_TABLE_GLOBALS;
    state->cut_chunks = 0;
    *ret_mark = (struct aw_checkpoint_mark){
        .seq = state->globals.seq, .index = state->globals.index, .digest = aw_state_digest(state), .sm_version = AW_SM_VERSION};
    return true;
}

uint64_t
aw_state_cut_bytes(struct aw_state *state)
{
    uint64_t bytes = sizeof(state->globals) + AW_CUT_EXTRA_BYTES;

    for (uint32_t table = 1; table < AW_TABLE_COUNT; table++)
        bytes += aw_rows_cut_bytes(aw_state_table(state, table));
    return bytes;
}

bool
aw_state_cut_is_lost(const struct aw_state *state)
{
    return state->ledger._is_lost;
}

bool
aw_state_cut_next(struct aw_state *state, struct aw_chunk *ret_chunk, struct aw_checkpoint_mark *mark)
{
    AW_ASSERT(state->ledger._is_cutting);
    if (state->ledger._is_lost)
        return false;
    if (state->cut_table == AW_TABLE_GLOBALS) {
        *ret_chunk = (struct aw_chunk){.bytes = aw_slice_of(&state->cut_globals, sizeof(state->cut_globals))};
        state->cut_table++;
        state->cut_chunks++;
        return true;
    }
    for (; state->cut_table < AW_TABLE_COUNT; state->cut_table++) {
        uint32_t chunk;
        size_t   len;

        if (aw_rows_cut_next(aw_state_table(state, state->cut_table), state->chunk, &chunk, &len)) {
            *ret_chunk = (struct aw_chunk){.table = state->cut_table, .chunk = chunk, .bytes = aw_slice_of(state->chunk, len)};
            state->cut_chunks++;
            return true;
        }
    }
    mark->chunks = state->cut_chunks;
    return false;
}

uint32_t
aw_state_cut_pressure(const struct aw_state *state)
{
    const struct aw_ledger *ledger = &state->ledger;
    uint64_t                share = POSTS_SHARE_OF_POOL(ledger->_cells_max - 1);

    if (!ledger->_is_cutting || ledger->_is_lost)
        return 0;
    if (ledger->_cells_live >= share)
        return 1000;
    return (uint32_t)(ledger->_cells_live * UINT64_C(1000) / share);
}

void
aw_state_cut_end(struct aw_state *state)
{
    for (uint32_t table = 1; table < AW_TABLE_COUNT; table++)
        aw_rows_cut_end(aw_state_table(state, table));
    aw_ledger_cut_end(&state->ledger);
}

/* --- reading one back ----------------------------------------------------------------------------------------------------- */

static enum aw_err
load_globals(struct aw_state *state, struct aw_slice bytes, struct aw_why *why)
{
    struct aw_globals globals;

    if (bytes.len != sizeof(globals))
        return aw_why(why, AW_E_CORRUPT, "the globals have %zu bytes instead of %zu", bytes.len, sizeof(globals));
    memcpy(&globals, bytes.ptr, sizeof(globals));
    if (globals.shard != state->globals.shard)
        return aw_why(why, AW_E_CORRUPT, "the checkpoint is of shard %u, not %u", globals.shard, state->globals.shard);
    for (uint32_t table = 1; table < AW_TABLE_COUNT; table++) {
        uint32_t slots_max = aw_rows_slots_max(aw_state_table(state, table));

        if (globals.heads[table].used >= slots_max || globals.heads[table].live > globals.heads[table].used)
            return aw_why(why, AW_E_TABLE_FULL, "table %u has %u rows, but its limit is %u", table, globals.heads[table].used,
                          slots_max - 1);
    }
    if (aw_state_fits(state, &globals.settings, why) != AW_OK)
        return AW_E_TABLE_FULL;
    state->globals = globals;
    aw_state_use_limits(state);
    return AW_OK;
}

enum aw_err
aw_state_load_chunk(struct aw_state *state, const struct aw_chunk *chunk, struct aw_why *why)
{
    if (chunk->table == AW_TABLE_GLOBALS) {
        /* A fresh state has lanes and their index; those of the checkpoint take their place. */
        aw_lane_unload_all(state);
        return load_globals(state, chunk->bytes, why);
    }
    if (chunk->table >= AW_TABLE_COUNT)
        return aw_why(why, AW_E_VERSION, "the checkpoint has a table %u that this version does not know", chunk->table);
    if (!aw_rows_load(aw_state_table(state, chunk->table), chunk->chunk, chunk->bytes))
        return aw_why(why, AW_E_CORRUPT, "chunk %u of table %u does not fit its table", chunk->chunk, chunk->table);
    return AW_OK;
}

static void
load_identities(struct aw_state *state)
{
    aw_index_presize(&state->by_identity, state->globals.heads[AW_TABLE_IDENTITIES].live);
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_IDENTITIES].used; slot++) {
        if (aw_identity_at(state, slot)->ticket != 0)
            aw_index_insert(&state->by_identity, slot);
    }
}

enum aw_err
aw_state_load_finish(struct aw_state *state, const struct aw_checkpoint_mark *mark, struct aw_why *why)
{
    struct aw_hash128 sum = aw_state_rows_digest_slow(state);

    if (mark->sm_version != AW_SM_VERSION)
        return aw_why(why, AW_E_VERSION, "the checkpoint is of state machine %u, this one is %u", mark->sm_version,
                      AW_SM_VERSION);
    /* Before anything follows a link: rows with the right digest are rows that we wrote. */
    aw_ledger_load(&state->ledger, sum);
    aw_digest_add(&sum, aw_row_hash(AW_TABLE_GLOBALS, 0, &state->globals, sizeof(state->globals)));
    if (mark->seq != state->globals.seq || !aw_hash128_eq(mark->digest, sum))
        return aw_why(why, AW_E_CORRUPT, "the checkpoint's rows do not give its digest");
    aw_lane_load_all(state);
    load_identities(state);
    aw_facts_load_all(state);
    aw_flight_load_all(state);
    aw_aside_load_all(state);
    aw_commitment_load_all(state);
    aw_contact_load_all(state);
    aw_channel_load_all(state);
    aw_agent_load_all(state);
    aw_lease_load_all(state);
    aw_incident_load_all(state);
    aw_ticket_load_all(state);
    aw_once_load_all(state);
    aw_outbox_load_all(state);
    state->now = state->globals.now;
    state->index = state->globals.index;
    return AW_OK;
}

enum aw_err
aw_state_load_id(struct aw_state *state, struct aw_hash128 hash, uint64_t seq, aw_ms accepted_at, aw_ms now)
{
    uint64_t dedupe_ms = state->globals.settings.dedupe_ms;
    aw_ms    floor = now > dedupe_ms ? now - dedupe_ms : 0;

    if (state->globals.ids_floor > floor)
        floor = state->globals.ids_floor;
    if (accepted_at < floor || seq > state->globals.seq)
        return AW_OK; /* forgotten; or behind the cut, so that the replay brings it */
    if (seq <= state->loaded_id_seq)
        return AW_E_CORRUPT;
    if (!aw_dedupe_has_room(&state->ids, floor))
        return AW_E_TABLE_FULL;
    state->loaded_id_seq = seq;
    aw_dedupe_add(&state->ids, hash, seq, accepted_at, floor);
    return AW_OK;
}
