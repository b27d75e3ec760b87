/* outbox_channel.c - what channels are set to: how fast replies may go out on each of their accounts. */
#include "core/outbox.h"

static uint32_t
find(const struct aw_state *state, struct aw_slice name)
{
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_CHANNEL_SETTINGS].used; slot++) {
        const struct aw_channel_settings_row *row = aw_channel_settings_at(state, slot);

        if (aw_slice_eq(aw_slice_of(row->name, row->name_len), name))
            return slot;
    }
    return 0;
}

static const struct aw_channel_pace *
find_pace(const struct aw_channel_settings_row *row, struct aw_slice account)
{
    for (uint32_t i = 0; i < row->pace_count; i++) {
        if (aw_slice_eq(aw_slice_of(row->paces[i].account, row->paces[i].account_len), account))
            return &row->paces[i];
    }
    return NULL;
}

const struct aw_channel_pace *
aw_channel_pace_of(const struct aw_state *state, struct aw_slice channel, struct aw_slice account)
{
    uint32_t slot = find(state, channel);

    return slot == 0 ? NULL : find_pace(aw_channel_settings_at(state, slot), account);
}

static enum aw_err
check(const struct aw_in_channel *in)
{
    if (in->name.len == 0 || in->name.len > AW_CHANNEL_BYTES_MAX || in->pace_count > AW_CHANNEL_PACES_MAX)
        return AW_E_BAD_VALUE;
    for (uint32_t i = 0; i < in->pace_count; i++) {
        const struct aw_pace *pace = &in->paces[i];

        if (pace->account.len == 0 || pace->account.len > AW_ACCOUNT_BYTES_MAX || pace->replies == 0 ||
            pace->replies > AW_PACE_REPLIES_MAX || pace->slice_s == 0 || pace->slice_s > AW_PACE_SLICE_S_MAX)
            return AW_E_BAD_VALUE;
        for (uint32_t j = 0; j < i; j++) {
            if (aw_slice_eq(pace->account, in->paces[j].account))
                return AW_E_BAD_VALUE;
        }
    }
    return AW_OK;
}

static bool
is_same(const struct aw_channel_settings_row *row, const struct aw_in_channel *in)
{
    if (row->pace_count != in->pace_count)
        return false;
    for (uint32_t i = 0; i < in->pace_count; i++) {
        const struct aw_channel_pace *pace = &row->paces[i];

        if (!aw_slice_eq(aw_slice_of(pace->account, pace->account_len), in->paces[i].account) ||
            pace->replies != in->paces[i].replies || pace->slice_s != in->paces[i].slice_s)
            return false;
    }
    return true;
}

/* Those that have a pace no more, then those that have one: an account that nobody names is kept as long as it has one. */
static void
set_paces(struct aw_state *state, uint32_t slot, const struct aw_in_channel *in)
{
    struct aw_channel_settings_row *row = aw_rows_change(&state->channel_settings, slot);
    struct aw_channel_settings_row  old = *row;

    row->pace_count = in->pace_count;
    memset(row->paces, 0, sizeof(row->paces));
    for (uint32_t i = 0; i < in->pace_count; i++) {
        memcpy(row->paces[i].account, in->paces[i].account.ptr, in->paces[i].account.len);
        row->paces[i].account_len = (uint32_t)in->paces[i].account.len;
        row->paces[i].replies = in->paces[i].replies;
        row->paces[i].slice_s = in->paces[i].slice_s;
    }
    aw_ledger_settle(&state->ledger); /* accounts are more rows than one settle may have */
    for (uint32_t i = 0; i < old.pace_count; i++) {
        struct aw_slice account = aw_slice_of(old.paces[i].account, old.paces[i].account_len);
        uint32_t        at = aw_account_find(state, in->name, account);

        if (at != 0 && find_pace(aw_channel_settings_at(state, slot), account) == NULL)
            aw_account_set_pace(state, at, 0, 0);
        aw_ledger_settle(&state->ledger);
    }
    for (uint32_t i = 0; i < in->pace_count; i++) {
        aw_account_set_pace(state, aw_account_make(state, in->name, in->paces[i].account), in->paces[i].replies,
                            in->paces[i].slice_s);
        aw_ledger_settle(&state->ledger);
    }
}

void
aw_apply_channel(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_channel *in = &command->in.channel;
    uint32_t                    slot = find(state, in->name);
    uint64_t                    version = slot == 0 ? 0 : aw_channel_settings_at(state, slot)->version;

    command->out.err = check(in);
    if (command->out.err == AW_OK && !aw_if_match_holds(&in->if_match, version))
        command->out.err = AW_E_PRECONDITION;
    if (command->out.err == AW_OK && slot == 0 && aw_rows_room(&state->channel_settings) == 0)
        command->out.err = AW_E_TABLE_FULL;
    command->out.u.channel = (struct aw_out_channel){.version = version, .created = slot == 0};
    if (command->out.err != AW_OK || in->dry_run || (slot != 0 && is_same(aw_channel_settings_at(state, slot), in)))
        return;
    (void)aw_state_record(state, command);
    if (slot == 0) {
        struct aw_channel_settings_row *row;

        slot = aw_rows_take(&state->channel_settings);
        row = aw_rows_change(&state->channel_settings, slot);
        memcpy(row->name, in->name.ptr, in->name.len);
        row->name_len = (uint32_t)in->name.len;
    }
    ((struct aw_channel_settings_row *)aw_rows_change(&state->channel_settings, slot))->version = version + 1;
    set_paces(state, slot, in);
    command->out.u.channel.version = version + 1;
    state->replies_came++; /* a faster pace may be what a gateway waits for */
}

enum aw_err
aw_state_channel(const struct aw_state *state, struct aw_slice name, struct aw_channel_view *ret_view)
{
    uint32_t                              slot = find(state, name);
    const struct aw_channel_settings_row *row;

    if (slot == 0)
        return AW_E_NOT_FOUND;
    row = aw_channel_settings_at(state, slot);
    ret_view->version = row->version;
    ret_view->pace_count = row->pace_count;
    for (uint32_t i = 0; i < row->pace_count; i++) {
        ret_view->paces[i].account_len = (uint8_t)row->paces[i].account_len;
        memcpy(ret_view->paces[i].account, row->paces[i].account, sizeof(row->paces[i].account));
        ret_view->paces[i].replies = row->paces[i].replies;
        ret_view->paces[i].slice_s = row->paces[i].slice_s;
    }
    return AW_OK;
}
