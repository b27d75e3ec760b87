/* lane.c - the lanes: making and changing one, and which of them a message goes to. */
#include "core/layout.h"

/* Names are looked up by a hash of their own; those who can make names (supervisors, agents with a token) are few and known. */
static const struct aw_hash_key name_key = {"aswolk lane name"};

static struct aw_hash128
name_hash(struct aw_slice name)
{
    return aw_hash128(&name_key, name.ptr, name.len);
}

enum aw_err
aw_state_find_lane(const struct aw_state *state, struct aw_slice name, uint32_t *ret_lane)
{
    uint32_t slot = aw_index_find(&state->by_lane_name, name_hash(name));

    for (; slot != 0; slot = aw_index_find_next(&state->by_lane_name, slot)) {
        if (aw_slice_eq(aw_lane_name(state, slot - 1), name)) {
            *ret_lane = slot - 1;
            return AW_OK;
        }
    }
    return AW_E_NOT_FOUND;
}

/* --- choosing ------------------------------------------------------------------------------------------------------------- */

static bool
holds(const struct aw_lane_row *lane, int list, struct aw_slice value)
{
    for (uint32_t i = 0; i < lane->counts[list]; i++) {
        if (aw_slice_eq(aw_slice_of(lane->match[list].values[i], lane->match[list].lens[i]), value))
            return true;
    }
    return false;
}

/* How many lists a message met: 0 when one that is not empty misses its value, or all are empty. */
static unsigned
matches(const struct aw_lane_row *lane, const struct aw_in_message *in)
{
    const struct aw_slice single[] = {
        [AW_MATCH_LANG] = in->lang, [AW_MATCH_CHANNEL] = in->channel, [AW_MATCH_ACCOUNT] = in->account};
    unsigned met = 0;

    for (int list = 0; list < AW_MATCH_TAG; list++) {
        if (lane->counts[list] == 0)
            continue;
        if (!holds(lane, list, single[list]))
            return 0;
        met++;
    }
    if (lane->counts[AW_MATCH_TAG] == 0)
        return met;
    for (uint32_t i = 0; i < in->tag_count; i++) {
        if (holds(lane, AW_MATCH_TAG, in->tags[i]))
            return met + 1;
    }
    return 0;
}

uint32_t
aw_lane_choose(const struct aw_state *state, const struct aw_in_message *in, bool *ret_unknown)
{
    uint32_t best = AW_LANE_MAIN;
    unsigned best_met = 0;

    *ret_unknown = false;
    if (in->addressed != AW_ADDRESSED_TO_US)
        return AW_LANE_LISTENING;
    if (in->lane.len > 0) {
        *ret_unknown = aw_state_find_lane(state, in->lane, &best) != AW_OK;
        return best;
    }
    for (uint32_t i = 0; i < state->matching_count; i++) {
        unsigned met = matches(aw_lane_at(state, state->matching[i]), in);

        if (met > best_met) {
            best = state->matching[i];
            best_met = met;
        }
    }
    return best;
}

uint32_t
aw_state_choose_lane(const struct aw_state *state, struct aw_slice lane, struct aw_slice lang, struct aw_slice channel,
                     struct aw_slice account)
{
    const struct aw_in_message in = {.lane = lane, .lang = lang, .channel = channel, .account = account};
    bool                       is_unknown;

    return aw_lane_choose(state, &in, &is_unknown);
}

struct aw_slice
aw_state_lane_name(const struct aw_state *state, uint32_t lane)
{
    return aw_lane_name(state, lane);
}

/* --- making and changing -------------------------------------------------------------------------------------------------- */

static bool
is_list_valid(const struct aw_slice *values, uint32_t count, uint32_t len_max)
{
    if (count > AW_LANE_MATCH_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (values[i].len == 0 || values[i].len > len_max)
            return false;
    }
    return true;
}

static bool
is_valid(const struct aw_in_lane *in)
{
    return in->name.len > 0 && in->name.len <= AW_LANE_BYTES_MAX && (unsigned)in->pause <= AW_LANE_PAUSED_BOTH &&
           is_list_valid(in->match.langs, in->match.lang_count, AW_LANG_BYTES_MAX) &&
           is_list_valid(in->match.channels, in->match.channel_count, AW_CHANNEL_BYTES_MAX) &&
           is_list_valid(in->match.accounts, in->match.account_count, AW_ACCOUNT_BYTES_MAX) &&
           is_list_valid(in->match.tags, in->match.tag_count, AW_TAG_BYTES_MAX);
}

/* Who helps, by index. False: one is not there, or is named where it may not be. */
static bool
find_helpers(const struct aw_state *state, const struct aw_in_lane *in, uint16_t ret_lanes[AW_LANE_HELPERS_MAX])
{
    if (in->helper_count > AW_LANE_HELPERS_MAX)
        return false;
    for (uint32_t i = 0; i < in->helper_count; i++) {
        const struct aw_lane_helper *helper = &in->helpers[i];
        uint32_t                     lane;

        if (helper->after_s == 0 || helper->after_s > AW_LANE_HELP_S_MAX || aw_slice_eq(helper->lane, in->name) ||
            (i > 0 && helper->after_s < in->helpers[i - 1].after_s) || aw_state_find_lane(state, helper->lane, &lane) != AW_OK)
            return false;
        for (uint32_t k = 0; k < i; k++) {
            if (ret_lanes[k] == lane)
                return false;
        }
        ret_lanes[i] = (uint16_t)lane;
    }
    return true;
}

static bool
has_helpers(const struct aw_lane_row *lane, const struct aw_in_lane *in, const uint16_t lanes[AW_LANE_HELPERS_MAX])
{
    if (lane->help_count != in->helper_count)
        return false;
    for (uint32_t i = 0; i < in->helper_count; i++) {
        if (lane->help_lanes[i] != lanes[i] || lane->help_after_s[i] != in->helpers[i].after_s)
            return false;
    }
    return true;
}

static bool
is_list_same(const struct aw_lane_row *lane, int list, const struct aw_slice *values, uint32_t count)
{
    if (lane->counts[list] != count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!aw_slice_eq(aw_slice_of(lane->match[list].values[i], lane->match[list].lens[i]), values[i]))
            return false;
    }
    return true;
}

static bool
is_same(const struct aw_lane_row *lane, const struct aw_in_lane *in)
{
    return lane->pause == in->pause && is_list_same(lane, AW_MATCH_LANG, in->match.langs, in->match.lang_count) &&
           is_list_same(lane, AW_MATCH_CHANNEL, in->match.channels, in->match.channel_count) &&
           is_list_same(lane, AW_MATCH_ACCOUNT, in->match.accounts, in->match.account_count) &&
           is_list_same(lane, AW_MATCH_TAG, in->match.tags, in->match.tag_count);
}

static void
write_list(struct aw_lane_row *lane, int list, const struct aw_slice *values, uint32_t count)
{
    struct aw_match_list *to = &lane->match[list];

    memset(to, 0, sizeof(*to));
    for (uint32_t i = 0; i < count; i++) {
        memcpy(to->values[i], values[i].ptr, values[i].len);
        to->lens[i] = (uint8_t)values[i].len;
    }
    lane->counts[list] = (uint8_t)count;
}

/* The name is not written again: outcomes lend it to other threads. */
static void
write_lane(struct aw_lane_row *lane, const struct aw_in_lane *in)
{
    write_list(lane, AW_MATCH_LANG, in->match.langs, in->match.lang_count);
    write_list(lane, AW_MATCH_CHANNEL, in->match.channels, in->match.channel_count);
    write_list(lane, AW_MATCH_ACCOUNT, in->match.accounts, in->match.account_count);
    write_list(lane, AW_MATCH_TAG, in->match.tags, in->match.tag_count);
    lane->pause = (uint8_t)in->pause;
    lane->version++;
}

static void
write_helpers(struct aw_lane_row *lane, const struct aw_in_lane *in, const uint16_t lanes[AW_LANE_HELPERS_MAX])
{
    memset(lane->help_lanes, 0, sizeof(lane->help_lanes));
    memset(lane->help_after_s, 0, sizeof(lane->help_after_s));
    for (uint32_t i = 0; i < in->helper_count; i++) {
        lane->help_lanes[i] = lanes[i];
        lane->help_after_s[i] = in->helpers[i].after_s;
    }
    lane->help_count = in->helper_count;
}

static void
list_matching(struct aw_state *state)
{
    state->matching_count = 0;
    for (uint32_t lane = 0; lane < aw_state_lane_count(state); lane++) {
        const struct aw_lane_row *row = aw_lane_at(state, lane);

        if (row->counts[AW_MATCH_LANG] + row->counts[AW_MATCH_CHANNEL] + row->counts[AW_MATCH_ACCOUNT] +
                row->counts[AW_MATCH_TAG] >
            0)
            state->matching[state->matching_count++] = (uint16_t)lane;
    }
}

static void
index_lane(struct aw_state *state, uint32_t lane)
{
    struct aw_hash128 hash = name_hash(aw_lane_name(state, lane));

    memcpy(aw_rows_links(&state->lanes, lane + 1), &hash, sizeof(hash));
    aw_index_insert(&state->by_lane_name, lane + 1);
}

static uint32_t
make_lane(struct aw_state *state, struct aw_slice name)
{
    uint32_t            slot = aw_rows_take(&state->lanes);
    struct aw_lane_row *lane = aw_rows_change(&state->lanes, slot);

    memcpy(lane->name, name.ptr, name.len);
    lane->name_len = (uint8_t)name.len;
    index_lane(state, slot - 1);
    return slot - 1;
}

void
aw_lane_make_first(struct aw_state *state)
{
    static const struct aw_in_lane plain = {.pause = AW_LANE_OPEN};

    write_lane(aw_rows_change(&state->lanes, make_lane(state, AW_SLICE("main")) + 1), &plain);
    write_lane(aw_rows_change(&state->lanes, make_lane(state, AW_SLICE("listening")) + 1), &plain);
    aw_ledger_settle(&state->ledger);
}

void
aw_lane_load_all(struct aw_state *state)
{
    for (uint32_t lane = 0; lane < aw_state_lane_count(state); lane++)
        index_lane(state, lane);
    list_matching(state);
}

void
aw_lane_unload_all(struct aw_state *state)
{
    for (uint32_t lane = 0; lane < aw_state_lane_count(state); lane++)
        aw_index_remove(&state->by_lane_name, lane + 1);
    state->matching_count = 0;
}

enum aw_err
aw_lane_admits(const struct aw_state *state, const struct aw_in_lane *in)
{
    uint32_t lane;

    /* Who changes only a lane that is there (If-Match) makes none: apply tells him so. */
    if (aw_rows_room(&state->lanes) > 0 || aw_state_find_lane(state, in->name, &lane) == AW_OK ||
        !aw_if_match_holds(&in->if_match, 0))
        return AW_OK;
    return AW_E_TABLE_FULL;
}

static enum aw_err
check_lane(const struct aw_state *state, const struct aw_in_lane *in, bool is_there, uint32_t lane,
           uint16_t ret_helpers[AW_LANE_HELPERS_MAX])
{
    uint64_t version = is_there ? aw_lane_at(state, lane)->version : 0;

    if (!is_valid(in) || !find_helpers(state, in, ret_helpers))
        return AW_E_BAD_VALUE;
    if (!aw_if_match_holds(&in->if_match, version))
        return AW_E_PRECONDITION;
    return aw_lane_admits(state, in);
}

/* Writes what is asked for. Its tickets are gone through in pieces: those that were helped get a new place, others a new time. */
static void
change(struct aw_state *state, struct aw_command *command, uint32_t lane, const uint16_t helpers[AW_LANE_HELPERS_MAX])
{
    const struct aw_in_lane *in = &command->in.lane;
    struct aw_lane_row      *row = aw_rows_change(&state->lanes, lane + 1);
    bool                     gave = aw_state_lane_gives(state, lane);
    bool                     others_help = !has_helpers(row, in, helpers);
    bool                     is_helped = row->help_count > 0 || in->helper_count > 0;

    if (row->version == 0 || row->pause != in->pause || others_help)
        command->out.event = (struct aw_event){.kind = AW_EVENT_LANE, .lane = lane, .pause = in->pause};
    write_lane(row, in);
    write_helpers(row, in, helpers);
    list_matching(state);
    if (others_help || (gave && !aw_state_lane_gives(state, lane)))
        row->help_turn++;
    if (others_help || (is_helped && gave != aw_state_lane_gives(state, lane)))
        aw_ticket_rearm_slowly(state);
}

void
aw_apply_lane(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_lane *in = &command->in.lane;
    uint32_t                 lane = 0;
    uint16_t                 helpers[AW_LANE_HELPERS_MAX] = {0};
    bool                     is_there = aw_state_find_lane(state, in->name, &lane) == AW_OK;

    command->out.err = check_lane(state, in, is_there, lane, helpers);
    if (command->out.err != AW_OK)
        return;
    if (!is_there ||
        !(in->only_create || (is_same(aw_lane_at(state, lane), in) && has_helpers(aw_lane_at(state, lane), in, helpers)))) {
        if (!is_there)
            lane = make_lane(state, in->name);
        (void)aw_state_record(state, command);
        change(state, command, lane, helpers);
    }
    command->out.u.lane = (struct aw_out_lane){.lane = lane, .version = aw_lane_at(state, lane)->version, .created = !is_there};
}

/* --- looking -------------------------------------------------------------------------------------------------------------- */

bool
aw_state_lane_gives(const struct aw_state *state, uint32_t lane)
{
    unsigned pause = aw_lane_at(state, lane)->pause;

    return pause != AW_LANE_PAUSED_OUT && pause != AW_LANE_PAUSED_BOTH;
}

uint32_t
aw_state_lane_count(const struct aw_state *state)
{
    return state->globals.heads[AW_TABLE_LANES].used;
}

static uint32_t
lend_list(const struct aw_lane_row *lane, int list, struct aw_slice *values)
{
    for (uint32_t i = 0; i < lane->counts[list]; i++)
        values[i] = aw_slice_of(lane->match[list].values[i], lane->match[list].lens[i]);
    return lane->counts[list];
}

void
aw_state_lane(const struct aw_state *state, uint32_t lane, struct aw_slice values[4 * AW_LANE_MATCH_MAX],
              struct aw_lane_answer *ret_answer)
{
    const struct aw_lane_row  *row;
    const struct aw_lane_load *load;
    struct aw_slice           *at[AW_MATCH_COUNT];

    AW_ASSERT(lane < aw_state_lane_count(state));
    row = aw_lane_at(state, lane);
    load = &state->lane_loads[lane];
    for (uint32_t list = 0; list < AW_MATCH_COUNT; list++)
        at[list] = values + list * AW_LANE_MATCH_MAX;
    *ret_answer = (struct aw_lane_answer){
        .name = aw_lane_name(state, lane),
        .pause = (enum aw_lane_pause)row->pause,
        .match = {.langs = at[AW_MATCH_LANG],
                  .channels = at[AW_MATCH_CHANNEL],
                  .accounts = at[AW_MATCH_ACCOUNT],
                  .tags = at[AW_MATCH_TAG],
                  .lang_count = lend_list(row, AW_MATCH_LANG, at[AW_MATCH_LANG]),
                  .channel_count = lend_list(row, AW_MATCH_CHANNEL, at[AW_MATCH_CHANNEL]),
                  .account_count = lend_list(row, AW_MATCH_ACCOUNT, at[AW_MATCH_ACCOUNT]),
                  .tag_count = lend_list(row, AW_MATCH_TAG, at[AW_MATCH_TAG])},
        .leased = load->leased,
        .held = load->held,
        .helped = load->helped,
        .helper_count = row->help_count,
        .version = row->version,
    };
    for (uint32_t i = 0; i < row->help_count; i++)
        ret_answer->helpers[i] =
            (struct aw_lane_helper){.lane = aw_lane_name(state, row->help_lanes[i]), .after_s = row->help_after_s[i]};
    for (int class_ = 0; class_ < AW_CLASS_COUNT; class_++)
        ret_answer->waiting[class_] = load->waiting[class_];
}
