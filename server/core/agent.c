/* agent.c - agents: their rows, what each is set to, and how many tickets it works on. */
#include "core/layout.h"

static struct aw_hash128
name_hash(struct aw_slice name)
{
    static const struct aw_hash_key key = {"aswolk an agents"};

    return aw_hash128(&key, name.ptr, name.len);
}

uint32_t
aw_agent_find(const struct aw_state *state, struct aw_slice name)
{
    uint32_t slot = aw_index_find(&state->by_agent_name, name_hash(name));

    while (slot != 0 && !aw_slice_eq(aw_agent_name(state, slot), name))
        slot = aw_index_find_next(&state->by_agent_name, slot);
    return slot;
}

static void
index_agent(struct aw_state *state, uint32_t slot)
{
    struct aw_agent_links *links = aw_rows_links(&state->agents, slot);
    struct aw_hash128      hash = name_hash(aw_agent_name(state, slot));

    *links = (struct aw_agent_links){0};
    memcpy(links->hash, &hash, sizeof(hash));
    aw_index_insert(&state->by_agent_name, slot);
}

uint32_t
aw_agent_make(struct aw_state *state, struct aw_slice name)
{
    uint32_t             slot = aw_rows_take(&state->agents);
    struct aw_agent_row *agent = aw_rows_change(&state->agents, slot);

    memcpy(agent->name, name.ptr, name.len);
    agent->name_len = (uint16_t)name.len;
    index_agent(state, slot);
    state->by_presence[AW_PRESENCE_READY]++;
    return slot;
}

/* NULL: never set. */
static const struct aw_agent_settings_row *
settings_of(const struct aw_state *state, uint32_t agent)
{
    uint32_t slot = agent == 0 ? 0 : aw_agent_at(state, agent)->settings;

    return slot == 0 ? NULL : aw_agent_settings_at(state, slot);
}

/* --- presence ------------------------------------------------------------------------------------------------------------- */

static enum aw_presence
presence_of(const struct aw_state *state, uint32_t agent)
{
    const struct aw_agent_row *row = aw_agent_at(state, agent);

    if (row->presence == AW_PRESENCE_LEAVING && row->links.held_total == 0)
        return AW_PRESENCE_GONE;
    return (enum aw_presence)row->presence;
}

enum aw_presence
aw_state_agent_presence(const struct aw_state *state, uint32_t agent)
{
    return agent == 0 ? AW_PRESENCE_READY : presence_of(state, agent);
}

bool
aw_agent_is_ready(const struct aw_state *state, uint32_t agent)
{
    return agent == 0 || aw_agent_at(state, agent)->presence == AW_PRESENCE_READY;
}

/* --- units: derived, kept up by a ticket's edit and done ------------------------------------------------------------------ */

static uint16_t
full_of(const struct aw_agent_settings_row *settings, const struct aw_agent_links *links)
{
    unsigned full = 0;

    if (links->held_total >= settings->units_total)
        return UINT16_MAX;
    for (unsigned channel = 1; channel <= AW_CHANNELS_MAX; channel++) {
        bool is_bound = settings->units[channel] != AW_UNITS_UNBOUND;

        full |= (unsigned)(is_bound && links->held[channel] >= settings->units[channel]) << channel;
    }
    return (uint16_t)full;
}

static void
note_changed(struct aw_state *state, uint32_t agent, struct aw_agent_links *links)
{
    if (links->is_changed)
        return;
    links->is_changed = true;
    links->next_changed = state->changed_agents;
    state->changed_agents = agent;
}

static void
look_at_units(struct aw_state *state, uint32_t agent)
{
    const struct aw_agent_settings_row *settings = settings_of(state, agent);
    struct aw_agent_links              *links = aw_rows_links(&state->agents, agent);
    uint16_t                            full = settings == NULL ? 0 : full_of(settings, links);

    links->full = aw_agent_is_ready(state, agent) ? full : UINT16_MAX;
    if (settings != NULL)
        note_changed(state, agent, links);
}

/* Each change of a ticket that it holds comes through here: edit takes it away, done gives it back. */
void
aw_agent_count(struct aw_state *state, uint32_t agent, uint32_t channel, int by)
{
    struct aw_agent_links *links = aw_rows_links(&state->agents, agent);

    AW_ASSERT(channel <= AW_CHANNELS_MAX);
    AW_IMPLIES(by<0, links->held[channel]> 0);
    state->by_presence[presence_of(state, agent)]--;
    links->held[channel] += (uint32_t)by;
    links->held_total += (uint32_t)by;
    state->by_presence[presence_of(state, agent)]++;
    links->news++;
    look_at_units(state, agent);
    note_changed(state, agent, links);
}

uint32_t
aw_state_agent_news(const struct aw_state *state, uint32_t agent)
{
    return agent == 0 ? 0 : aw_agent_at(state, agent)->links.news;
}

uint32_t
aw_state_agent_held(const struct aw_state *state, uint32_t agent)
{
    return agent == 0 ? 0 : aw_agent_at(state, agent)->links.held_total;
}

uint16_t
aw_state_agent_full(const struct aw_state *state, uint32_t agent)
{
    return agent == 0 ? 0 : (uint16_t)aw_agent_at(state, agent)->links.full;
}

void
aw_state_agent_units(const struct aw_state *state, uint32_t agent, struct aw_units *ret_units)
{
    const struct aw_agent_settings_row *settings = settings_of(state, agent);
    const struct aw_agent_links        *links;

    memset(ret_units, aw_agent_is_ready(state, agent) ? AW_UNITS_FREE_MANY : 0, sizeof(*ret_units));
    if (settings == NULL || !aw_agent_is_ready(state, agent))
        return;
    links = &aw_agent_at(state, agent)->links;
    ret_units->free[0] = aw_units_left(settings->units_total, links->held_total);
    for (uint32_t channel = 1; channel <= AW_CHANNELS_MAX; channel++) {
        if (settings->units[channel] != AW_UNITS_UNBOUND)
            ret_units->free[channel] = aw_units_left(settings->units[channel], links->held[channel]);
    }
}

uint32_t
aw_state_take_changed_agent(struct aw_state *state)
{
    uint32_t               agent = state->changed_agents;
    struct aw_agent_links *links;

    if (agent == 0)
        return 0;
    links = aw_rows_links(&state->agents, agent);
    state->changed_agents = links->next_changed;
    links->next_changed = 0;
    links->is_changed = false;
    return agent;
}

/* --- gentle --------------------------------------------------------------------------------------------------------------- */

bool
aw_state_agent_is_gentle(const struct aw_state *state, uint32_t agent)
{
    const struct aw_agent_settings_row *settings = settings_of(state, agent);

    return settings != NULL && settings->is_gentle;
}

uint8_t
aw_state_agent_barred(const struct aw_state *state, uint32_t agent)
{
    const struct aw_agent_settings_row *settings = settings_of(state, agent);

    return settings == NULL ? 0 : settings->barred;
}

/* --- days ----------------------------------------------------------------------------------------------------------------- */

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

static uint32_t
today(aw_ms now)
{
    return (uint32_t)(now / DAY_MS);
}

static void
roll(struct aw_day_row *row, uint32_t day)
{
    if (row->day != day)
        *row = (struct aw_day_row){.day = day};
}

/* Both are of today; the agent's row is to be changed. */
static void
begin_count(struct aw_state *state, uint32_t agent, struct aw_day_row *ret_days[2])
{
    ret_days[0] = &((struct aw_agent_row *)aw_rows_change(&state->agents, agent))->day;
    ret_days[1] = &state->globals.day;
    roll(ret_days[0], today(state->now));
    roll(ret_days[1], today(state->now));
}

void
aw_agent_took(struct aw_state *state, uint32_t agent)
{
    struct aw_day_row *days[2];

    begin_count(state, agent, days);
    for (unsigned i = 0; i < AW_ARRAY_LEN(days); i++)
        days[i]->taken++;
}

void
aw_agent_replied(struct aw_state *state, uint32_t agent)
{
    struct aw_day_row *days[2];

    begin_count(state, agent, days);
    for (unsigned i = 0; i < AW_ARRAY_LEN(days); i++)
        days[i]->replied++;
}

void
aw_agent_ended(struct aw_state *state, uint32_t agent, enum aw_command_kind kind)
{
    bool               completes = kind == AW_COMMAND_COMPLETE;
    bool               returns = kind == AW_COMMAND_RELEASE || kind == AW_COMMAND_DECLINE || kind == AW_COMMAND_TRANSFER;
    bool               defers = kind == AW_COMMAND_DEFER;
    struct aw_day_row *days[2];

    if (!completes && !returns && !defers)
        return;
    begin_count(state, agent, days);
    for (unsigned i = 0; i < AW_ARRAY_LEN(days); i++) {
        days[i]->completed += completes;
        days[i]->returned += returns;
        days[i]->deferred += defers;
    }
}

static struct aw_day
show_day(const struct aw_day_row *row, aw_ms now)
{
    if (row->day != today(now))
        return (struct aw_day){.day = today(now)};
    return (struct aw_day){.day = row->day,
                           .taken = row->taken,
                           .completed = row->completed,
                           .replied = row->replied,
                           .returned = row->returned,
                           .deferred = row->deferred};
}

enum aw_err
aw_state_agent_day(const struct aw_state *state, struct aw_slice name, aw_ms now, struct aw_day *ret_day)
{
    uint32_t agent = aw_agent_find(state, name);

    if (agent == 0)
        return AW_E_NOT_FOUND;
    *ret_day = show_day(&aw_agent_at(state, agent)->day, now);
    return AW_OK;
}

struct aw_day
aw_state_day(const struct aw_state *state, aw_ms now)
{
    return show_day(&state->globals.day, now);
}

void
aw_agent_completed(struct aw_state *state, uint32_t agent)
{
    if (aw_state_agent_is_gentle(state, agent)) /* nobody asks it of others */
        ((struct aw_agent_row *)aw_rows_change(&state->agents, agent))->completed_at = state->now;
}

static bool
serves(const struct aw_agent_settings_row *settings, uint32_t lane)
{
    uint32_t first = 0, end = settings->lane_count;

    while (first < end) {
        uint32_t middle = first + (end - first) / 2;

        if (settings->lanes[middle] < lane)
            first = middle + 1;
        else
            end = middle;
    }
    return settings->lane_count == 0 || (first < settings->lane_count && settings->lanes[first] == lane);
}

bool
aw_agent_serves(const struct aw_state *state, uint32_t agent, uint32_t lane)
{
    const struct aw_agent_settings_row *settings = settings_of(state, agent);

    return settings == NULL || serves(settings, lane);
}

bool
aw_agent_needs_approval(const struct aw_state *state, uint32_t agent)
{
    const struct aw_agent_settings_row *settings = settings_of(state, agent);

    return settings != NULL && settings->needs_approval;
}

bool
aw_agent_takes(const struct aw_state *state, uint32_t agent, enum aw_class class_)
{
    return (aw_state_agent_barred(state, agent) >> class_ & 1) == 0;
}

bool
aw_agent_gentle_is_there(const struct aw_state *state, uint32_t lane, enum aw_class class_)
{
    for (uint32_t i = 0; i < state->gentle_count; i++) {
        const struct aw_agent_row          *agent = aw_agent_at(state, state->gentle[i]);
        const struct aw_agent_settings_row *settings = aw_agent_settings_at(state, agent->settings);
        bool was_there = agent->completed_at != 0 && state->now - agent->completed_at < AW_PRESENT_MS;

        if (agent->presence == AW_PRESENCE_READY && (agent->links.first != 0 || was_there) && serves(settings, lane) &&
            (settings->barred >> class_ & 1) == 0)
            return true;
    }
    return false;
}

static void
list_gentle(struct aw_state *state, uint32_t agent)
{
    AW_ASSERT(state->gentle_count < AW_GENTLE_AGENTS_MAX);
    state->gentle[state->gentle_count++] = agent;
}

static void
unlist_gentle(struct aw_state *state, uint32_t agent)
{
    uint32_t at = 0;

    while (state->gentle[at] != agent)
        at++;
    state->gentle[at] = state->gentle[--state->gentle_count];
}

/* --- AGENT ---------------------------------------------------------------------------------------------------------------- */

static bool
are_lanes_valid(const struct aw_state *state, const struct aw_in_agent *in)
{
    if (in->lane_count > AW_LANES_PER_PULL_MAX || (in->lanes != NULL) != (in->lane_count > 0))
        return false;
    for (uint32_t i = 0; i < in->lane_count; i++) {
        if (in->lanes[i] >= aw_state_lane_count(state) || (i > 0 && in->lanes[i] <= in->lanes[i - 1]))
            return false;
    }
    return true;
}

static bool
are_units_valid(const struct aw_in_agent *in)
{
    if (in->unit_count > AW_CHANNELS_MAX || (in->units_total > AW_AGENT_UNITS_TOTAL_MAX && in->units_total != AW_UNITS_NO_TOTAL))
        return false;
    for (uint32_t i = 0; i < in->unit_count; i++) {
        const struct aw_agent_units *units = &in->units[i];

        if (units->channel.len == 0 || units->channel.len > AW_CHANNEL_BYTES_MAX || units->units > AW_AGENT_UNITS_MAX)
            return false;
        for (uint32_t other = 0; other < i; other++) {
            if (aw_slice_eq(in->units[other].channel, units->channel))
                return false;
        }
    }
    return true;
}

static enum aw_err
check_room(const struct aw_state *state, const struct aw_in_agent *in, uint32_t agent)
{
    uint32_t channels = 0;

    for (uint32_t i = 0; i < in->unit_count; i++)
        channels += aw_state_find_channel(state, in->units[i].channel) == 0;
    if ((agent == 0 && aw_rows_room(&state->agents) == 0) || channels > aw_rows_room(&state->channels))
        return AW_E_TABLE_FULL;
    if (in->is_gentle && !aw_state_agent_is_gentle(state, agent) && state->gentle_count == AW_GENTLE_AGENTS_MAX)
        return AW_E_TABLE_FULL;
    return AW_OK;
}

static enum aw_err
check_agent(const struct aw_state *state, const struct aw_in_agent *in, uint32_t agent)
{
    const struct aw_agent_settings_row *row = settings_of(state, agent);

    if (in->name.len == 0 || in->name.len > AW_AGENT_BYTES_MAX || !are_lanes_valid(state, in) || !are_units_valid(in) ||
        in->barred >= AW_CLASSES_ALL)
        return AW_E_BAD_VALUE;
    if (!aw_if_match_holds(&in->if_match, row == NULL ? 0 : row->version))
        return AW_E_PRECONDITION;
    return check_room(state, in, agent);
}

enum aw_err
aw_agent_admits(const struct aw_state *state, const struct aw_in_agent *in)
{
    enum aw_err err = check_agent(state, in, aw_agent_find(state, in->name));

    return err == AW_E_TABLE_FULL ? err : AW_OK; /* any other is for apply to tell */
}

/* What the row would be. Channels without a number so far are left out: then false. */
static bool
make_row(const struct aw_state *state, const struct aw_in_agent *in, struct aw_agent_settings_row *ret_row)
{
    bool is_whole = true;

    *ret_row = (struct aw_agent_settings_row){.units_total = in->units_total,
                                              .is_gentle = in->is_gentle,
                                              .barred = in->barred,
                                              .needs_approval = in->needs_approval,
                                              .lane_count = (uint16_t)in->lane_count};
    memset(ret_row->units, AW_UNITS_UNBOUND, sizeof(ret_row->units));
    for (uint32_t i = 0; i < in->unit_count; i++) {
        uint32_t channel = aw_state_find_channel(state, in->units[i].channel);

        if (channel == 0)
            is_whole = false;
        else
            ret_row->units[channel] = (uint8_t)in->units[i].units;
    }
    for (uint32_t i = 0; i < in->lane_count; i++)
        ret_row->lanes[i] = (uint16_t)in->lanes[i];
    return is_whole;
}

/* But for version and agent. */
static bool
is_same(const struct aw_agent_settings_row *a, const struct aw_agent_settings_row *b)
{
    return a->units_total == b->units_total && a->is_gentle == b->is_gentle && a->barred == b->barred &&
           a->needs_approval == b->needs_approval && a->lane_count == b->lane_count &&
           memcmp(a->units, b->units, sizeof(a->units)) == 0 && memcmp(a->lanes, b->lanes, sizeof(a->lanes)) == 0;
}

static uint32_t
write_agent(struct aw_state *state, uint32_t agent, const struct aw_in_agent *in)
{
    struct aw_agent_settings_row *row, would;
    struct aw_agent_row          *owner;
    uint64_t                      version;

    if (agent == 0)
        agent = aw_agent_make(state, in->name);
    owner = aw_rows_change(&state->agents, agent);
    if (owner->settings == 0)
        owner->settings = aw_rows_take(&state->agent_settings);
    row = aw_rows_change(&state->agent_settings, owner->settings);
    version = row->version + 1;
    if (row->is_gentle && !in->is_gentle)
        unlist_gentle(state, agent);
    if (!row->is_gentle && in->is_gentle)
        list_gentle(state, agent);
    if (!in->is_gentle)
        owner->completed_at = 0;
    for (uint32_t i = 0; i < in->unit_count; i++)
        aw_channel_shelve(state, aw_channel_note(state, in->units[i].channel, AW_CHANNELS_MAX));
    (void)make_row(state, in, &would); /* all have numbers by now */
    *row = would;
    row->version = version;
    row->agent = agent;
    look_at_units(state, agent);
    note_changed(state, agent, aw_rows_links(&state->agents, agent));
    return agent;
}

void
aw_apply_agent(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_agent           *in = &command->in.agent;
    uint32_t                            agent = aw_agent_find(state, in->name);
    const struct aw_agent_settings_row *row = settings_of(state, agent);
    struct aw_agent_settings_row        would;
    bool                                is_there = row != NULL;

    command->out.err = check_agent(state, in, agent);
    if (command->out.err != AW_OK)
        return;
    if (!in->dry_run && !(is_there && make_row(state, in, &would) && is_same(row, &would))) {
        agent = write_agent(state, agent, in);
        row = settings_of(state, agent);
        (void)aw_state_record(state, command);
        command->out.event = (struct aw_event){.kind = AW_EVENT_AGENT, .slot = agent};
    }
    command->out.u.agent = (struct aw_out_agent){.agent = agent, .version = row == NULL ? 0 : row->version, .created = !is_there};
}

/* --- PRESENCE ------------------------------------------------------------------------------------------------------------- */

enum aw_err
aw_presence_admits(const struct aw_state *state, const struct aw_in_presence *in)
{
    return aw_rows_room(&state->agents) == 0 && aw_agent_find(state, in->name) == 0 ? AW_E_TABLE_FULL : AW_OK;
}

void
aw_apply_presence(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_presence *in = &command->in.presence;
    uint32_t                     agent = aw_agent_find(state, in->name);

    if (in->name.len == 0 || in->name.len > AW_AGENT_BYTES_MAX || in->presence >= AW_PRESENCE_GONE)
        command->out.err = AW_E_BAD_VALUE;
    else
        command->out.err = aw_presence_admits(state, in);
    if (command->out.err != AW_OK)
        return;
    if (agent == 0 || aw_agent_at(state, agent)->presence != in->presence) {
        (void)aw_state_record(state, command);
        if (agent == 0)
            agent = aw_agent_make(state, in->name);
        state->by_presence[presence_of(state, agent)]--;
        ((struct aw_agent_row *)aw_rows_change(&state->agents, agent))->presence = (uint16_t)in->presence;
        state->by_presence[presence_of(state, agent)]++;
        look_at_units(state, agent);
        ((struct aw_agent_links *)aw_rows_links(&state->agents, agent))->news++;
        note_changed(state, agent, aw_rows_links(&state->agents, agent));
        command->out.event = (struct aw_event){.kind = AW_EVENT_AGENT, .slot = agent};
    }
    command->out.u.agent = (struct aw_out_agent){.agent = agent};
}

/* --- loading and looking -------------------------------------------------------------------------------------------------- */

void
aw_agent_load_all(struct aw_state *state)
{
    state->gentle_count = 0;
    state->changed_agents = 0;
    memset(state->by_presence, 0, sizeof(state->by_presence));
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_AGENTS].used; slot++) {
        index_agent(state, slot);
        if (aw_state_agent_is_gentle(state, slot))
            list_gentle(state, slot);
        if (aw_agent_at(state, slot)->settings != 0 || !aw_agent_is_ready(state, slot))
            note_changed(state, slot, aw_rows_links(&state->agents, slot));
        state->by_presence[presence_of(state, slot)]++; /* its leases are counted later, and move it then */
        look_at_units(state, slot);
    }
}

uint32_t
aw_state_agent_slots(const struct aw_state *state)
{
    return state->globals.heads[AW_TABLE_AGENTS].used + 1;
}

struct aw_slice
aw_state_agent_name(const struct aw_state *state, uint32_t agent)
{
    return aw_agent_name(state, agent);
}

void
aw_state_agent(const struct aw_state *state, uint32_t agent, struct aw_agent_view *ret_view, uint32_t *lanes)
{
    const struct aw_agent_settings_row *settings = settings_of(state, agent);
    const struct aw_agent_links        *links = &aw_agent_at(state, agent)->links;

    *ret_view = (struct aw_agent_view){.name = aw_agent_name(state, agent),
                                       .presence = presence_of(state, agent),
                                       .units_total = AW_UNITS_NO_TOTAL,
                                       .leases = links->held_total,
                                       .lanes = lanes};
    for (uint32_t channel = 1; channel <= aw_state_channel_count(state); channel++)
        ret_view->held_in[ret_view->held_in_count++] =
            (struct aw_agent_held){.channel = aw_state_channel_name(state, channel), .leases = links->held[channel]};
    if (settings == NULL)
        return;
    ret_view->version = settings->version;
    ret_view->is_gentle = settings->is_gentle;
    ret_view->barred = settings->barred;
    ret_view->needs_approval = settings->needs_approval;
    ret_view->units_total = settings->units_total;
    ret_view->lane_count = settings->lane_count;
    for (uint32_t i = 0; i < settings->lane_count; i++)
        lanes[i] = settings->lanes[i];
    for (uint32_t channel = 1; channel <= AW_CHANNELS_MAX; channel++) {
        if (settings->units[channel] == AW_UNITS_UNBOUND)
            continue;
        ret_view->units[ret_view->unit_count] =
            (struct aw_agent_units){.channel = aw_state_channel_name(state, channel), .units = settings->units[channel]};
        ret_view->held[ret_view->unit_count++] = links->held[channel];
    }
}
