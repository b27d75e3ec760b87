/* state.c - making a state, carrying out commands, its digest, its timers. */
#include "core/layout.h"

#include "base/reserve.h"
#include "core/incident.h"
#include "core/outbox.h"

/* --- making --------------------------------------------------------------------------------------------------------------- */

#define ROWS_LAYOUT(number, type, kept_bytes, link)                                                                              \
    {                                                                                                                            \
        .table = (number), .stride = sizeof(struct type), .kept = (kept_bytes), .link_at = offsetof(struct type, link)           \
    }

static const struct aw_rows_layout layouts[AW_TABLE_COUNT] = {
    [AW_TABLE_TICKETS] = ROWS_LAYOUT(AW_TABLE_TICKETS, aw_ticket_row, sizeof(struct aw_ticket_row), link),
    [AW_TABLE_IDENTITIES] = ROWS_LAYOUT(AW_TABLE_IDENTITIES, aw_identity_row, offsetof(struct aw_identity_row, chain), next),
    [AW_TABLE_LEASES] = ROWS_LAYOUT(AW_TABLE_LEASES, aw_lease_row, offsetof(struct aw_lease_row, links), agent),
    /* Lanes, agents, channels, settings and the surge are never given back, so these links are never used. */
    [AW_TABLE_LANES] = ROWS_LAYOUT(AW_TABLE_LANES, aw_lane_row, AW_LANE_ROW_KEPT, version),
    [AW_TABLE_AGENTS] = ROWS_LAYOUT(AW_TABLE_AGENTS, aw_agent_row, offsetof(struct aw_agent_row, links), name_len),
    [AW_TABLE_ONCE] = ROWS_LAYOUT(AW_TABLE_ONCE, aw_once_row, offsetof(struct aw_once_row, chain), next),
    [AW_TABLE_FACTS] = ROWS_LAYOUT(AW_TABLE_FACTS, aw_fact_row, offsetof(struct aw_fact_row, links), link),
    [AW_TABLE_FLIGHTS] = ROWS_LAYOUT(AW_TABLE_FLIGHTS, aw_plan_row, offsetof(struct aw_plan_row, chain), link),
    [AW_TABLE_AIRPORTS] = ROWS_LAYOUT(AW_TABLE_AIRPORTS, aw_plan_row, offsetof(struct aw_plan_row, chain), link),
    [AW_TABLE_ASIDES] = ROWS_LAYOUT(AW_TABLE_ASIDES, aw_aside_row, offsetof(struct aw_aside_row, links), agent),
    [AW_TABLE_CHANNELS] = ROWS_LAYOUT(AW_TABLE_CHANNELS, aw_channel_row, sizeof(struct aw_channel_row), name_len),
    [AW_TABLE_AGENT_SETTINGS] =
        ROWS_LAYOUT(AW_TABLE_AGENT_SETTINGS, aw_agent_settings_row, sizeof(struct aw_agent_settings_row), agent),
    [AW_TABLE_REPLIES] = ROWS_LAYOUT(AW_TABLE_REPLIES, aw_reply_row, offsetof(struct aw_reply_row, links), next),
    [AW_TABLE_ACCOUNTS] = ROWS_LAYOUT(AW_TABLE_ACCOUNTS, aw_account_row, offsetof(struct aw_account_row, links), link),
    [AW_TABLE_CHANNEL_SETTINGS] =
        ROWS_LAYOUT(AW_TABLE_CHANNEL_SETTINGS, aw_channel_settings_row, sizeof(struct aw_channel_settings_row), name_len),
    [AW_TABLE_FORECAST] = ROWS_LAYOUT(AW_TABLE_FORECAST, aw_forecast_row, sizeof(struct aw_forecast_row), link),
    [AW_TABLE_INCIDENTS] = ROWS_LAYOUT(AW_TABLE_INCIDENTS, aw_incident_row, offsetof(struct aw_incident_row, links), link),
    [AW_TABLE_INCIDENT_KEYS] =
        ROWS_LAYOUT(AW_TABLE_INCIDENT_KEYS, aw_incident_key_row, offsetof(struct aw_incident_key_row, chain), next),
    [AW_TABLE_TEXTS] = ROWS_LAYOUT(AW_TABLE_TEXTS, aw_text_row, offsetof(struct aw_text_row, links), next),
    [AW_TABLE_SURGE] = ROWS_LAYOUT(AW_TABLE_SURGE, aw_surge_row, sizeof(struct aw_surge_row), version),
    [AW_TABLE_COMMITMENTS] = ROWS_LAYOUT(AW_TABLE_COMMITMENTS, aw_commitment_row, sizeof(struct aw_commitment_row), agent),
    [AW_TABLE_CONTACTS] = ROWS_LAYOUT(AW_TABLE_CONTACTS, aw_contact_row, offsetof(struct aw_contact_row, chain), next),
};
static const struct aw_index_layout identity_index = {.stride = sizeof(struct aw_identity_row),
                                                      .key_at = offsetof(struct aw_identity_row, hash),
                                                      .link_at = offsetof(struct aw_identity_row, chain)};
static const struct aw_index_layout lane_index = {.stride = sizeof(struct aw_lane_row),
                                                  .key_at = offsetof(struct aw_lane_row, hash),
                                                  .link_at = offsetof(struct aw_lane_row, chain)};
static const struct aw_index_layout agent_index = {.stride = sizeof(struct aw_agent_row),
                                                   .key_at = offsetof(struct aw_agent_row, links.hash),
                                                   .link_at = offsetof(struct aw_agent_row, links.chain)};
static const struct aw_index_layout pull_index = {.stride = sizeof(struct aw_lease_row),
                                                  .key_at = offsetof(struct aw_lease_row, links.pull),
                                                  .link_at = offsetof(struct aw_lease_row, links.chain)};
static const struct aw_index_layout key_index = {.stride = sizeof(struct aw_once_row),
                                                 .key_at = offsetof(struct aw_once_row, key),
                                                 .link_at = offsetof(struct aw_once_row, chain)};
static const struct aw_index_layout flight_index = {.stride = sizeof(struct aw_plan_row),
                                                    .key_at = offsetof(struct aw_plan_row, key),
                                                    .link_at = offsetof(struct aw_plan_row, chain)};

static const struct aw_index_layout reply_index = {.stride = sizeof(struct aw_reply_row),
                                                   .key_at = offsetof(struct aw_reply_row, links.id),
                                                   .link_at = offsetof(struct aw_reply_row, links.id_chain)};
static const struct aw_index_layout reply_ticket_index = {.stride = sizeof(struct aw_reply_row),
                                                          .key_at = offsetof(struct aw_reply_row, links.ticket),
                                                          .link_at = offsetof(struct aw_reply_row, links.ticket_chain)};
static const struct aw_index_layout provider_index = {.stride = sizeof(struct aw_reply_row),
                                                      .key_at = offsetof(struct aw_reply_row, provider),
                                                      .link_at = offsetof(struct aw_reply_row, links.provider_chain)};
static const struct aw_index_layout reply_to_index = {.stride = sizeof(struct aw_reply_row),
                                                      .key_at = offsetof(struct aw_reply_row, links.to),
                                                      .link_at = offsetof(struct aw_reply_row, links.to_chain)};
static const struct aw_index_layout account_index = {.stride = sizeof(struct aw_account_row),
                                                     .key_at = offsetof(struct aw_account_row, links.hash),
                                                     .link_at = offsetof(struct aw_account_row, links.chain)};

static const struct aw_index_layout incident_key_index = {.stride = sizeof(struct aw_incident_key_row),
                                                          .key_at = offsetof(struct aw_incident_key_row, key),
                                                          .link_at = offsetof(struct aw_incident_key_row, chain)};

static const struct aw_index_layout contact_index = {.stride = sizeof(struct aw_contact_row),
                                                     .key_at = offsetof(struct aw_contact_row, hash),
                                                     .link_at = offsetof(struct aw_contact_row, chain)};

/* Accounts that have a pace, or that tickets name, besides those that replies name. */
#define ACCOUNTS_MORE_MAX (AW_CHANNELS_SET_MAX * AW_CHANNEL_PACES_MAX + AW_TICKET_ACCOUNTS_MAX)

static enum aw_err
check_limits(const struct aw_state_limits *limits, struct aw_why *why)
{
    if (limits->lanes_max < 2 || limits->lanes_max > AW_STATE_LANES_MAX)
        return aw_why(why, AW_E_CONFIG, "lanes-max must be 2 to %u", AW_STATE_LANES_MAX);
    if (limits->tickets_max < 2 || limits->identities_max == 0 || limits->ids_max == 0 || limits->leases_max == 0 ||
        limits->agents_max == 0 || limits->keys_max == 0 || limits->facts_max == 0 || limits->flights_max == 0 ||
        limits->asides_max == 0 || limits->replies_max == 0 || limits->commitments_max == 0 || limits->contacts_max == 0)
        return aw_why(why, AW_E_CONFIG, "no table may have a limit of 0, and tickets-max must be 2 or more");
    if (limits->tickets_max > AW_STATE_ROWS_MAX || limits->identities_max > AW_STATE_ROWS_MAX ||
        limits->ids_max > AW_STATE_ROWS_MAX || limits->leases_max > AW_STATE_ROWS_MAX || limits->agents_max > AW_STATE_ROWS_MAX ||
        limits->keys_max > AW_STATE_ROWS_MAX || limits->facts_max > AW_STATE_ROWS_MAX ||
        limits->flights_max > AW_STATE_ROWS_MAX || limits->asides_max > AW_STATE_ROWS_MAX ||
        limits->replies_max > AW_STATE_ROWS_MAX - ACCOUNTS_MORE_MAX || limits->contacts_max > AW_STATE_ROWS_MAX)
        return aw_why(why, AW_E_CONFIG, "no table may have more than %u rows", AW_STATE_ROWS_MAX);
    if (limits->commitments_max > AW_COMMITMENTS_MAX)
        return aw_why(why, AW_E_CONFIG, "commitments-max must be at most %u", AW_COMMITMENTS_MAX);
    return AW_OK;
}

static struct aw_rows *
table_of(struct aw_state *state, uint32_t table)
{
    struct aw_rows *const tables[AW_TABLE_COUNT] = {
        NULL,
        &state->tickets,
        &state->identities,
        &state->leases,
        &state->lanes,
        &state->agents,
        &state->once,
        &state->facts,
        &state->flights,
        &state->airports,
        &state->asides,
        &state->channels,
        &state->agent_settings,
        &state->replies,
        &state->accounts,
        &state->channel_settings,
        &state->forecast,
        &state->incidents,
        &state->incident_keys,
        &state->texts,
        &state->surge,
        &state->commitments,
        &state->contacts,
    };

    return tables[table];
}

struct aw_rows *
aw_state_table(struct aw_state *state, uint32_t table)
{
    AW_ASSERT(table > AW_TABLE_GLOBALS);
    AW_ASSERT(table < AW_TABLE_COUNT);
    return table_of(state, table);
}

static bool
init_tables(struct aw_state *state)
{
    const struct aw_state_limits *limits = &state->limits;
    /* Slot 0 is no row; but ticket slots stay below tickets_max, by which others size their arrays. */
    const uint32_t slots[AW_TABLE_COUNT] = {0,
                                            limits->tickets_max,
                                            limits->identities_max + 1,
                                            limits->leases_max + 1,
                                            limits->lanes_max + 1,
                                            limits->agents_max + 1,
                                            limits->keys_max + 1,
                                            limits->facts_max + 1,
                                            limits->flights_max + 1,
                                            AW_AIRPORT_CODES + 1,
                                            limits->asides_max + 1,
                                            AW_CHANNELS_MAX + 1,
                                            limits->agents_max + 1,
                                            limits->replies_max + 1,
                                            limits->replies_max + ACCOUNTS_MORE_MAX + 1,
                                            AW_CHANNELS_SET_MAX + 1,
                                            AW_PROMISE_GROUPS_MAX + 1,
                                            AW_INCIDENTS_MAX + 1,
                                            AW_INCIDENTS_MAX * AW_INCIDENT_KEYS_MAX + 1,
                                            AW_OWN_TEXT_ROWS_MAX + 1,
                                            2,
                                            limits->commitments_max + 1,
                                            limits->contacts_max + 1};

    if (!aw_ledger_init(&state->ledger, limits->preimage_bytes_max))
        return false;
    for (uint32_t table = 1; table < AW_TABLE_COUNT; table++) {
        if (!aw_rows_init(table_of(state, table), &state->ledger, &state->globals.heads[table], &layouts[table], slots[table]))
            return false;
    }
    return aw_dedupe_init(&state->ids, limits->ids_max);
}

static size_t
loads_bytes(const struct aw_state *state)
{
    return (size_t)state->limits.lanes_max * sizeof(struct aw_lane_load);
}

static size_t
matching_bytes(const struct aw_state *state)
{
    return (size_t)state->limits.lanes_max * sizeof(uint16_t);
}

/* Of ticket_facts, ticket_asides and ticket_commitments. */
static size_t
ticket_facts_bytes(const struct aw_state *state)
{
    return (size_t)state->limits.tickets_max * sizeof(uint32_t);
}
static size_t
asides_used_bytes(const struct aw_state *state)
{
    return ((size_t)state->limits.asides_max / 64 + 1) * sizeof(uint64_t);
}
#define FLIGHT_FACTS_BYTES  (AW_FLIGHT_BUCKETS * sizeof(uint32_t))
#define AIRPORT_LINKS_BYTES (AW_AIRPORT_CODES * sizeof(struct aw_airport_links))
#define NOTICED_BYTES       (AW_NOTICED_MAX * sizeof(struct aw_noticed))

static bool
init_derived(struct aw_state *state)
{
    const struct aw_state_limits *limits = &state->limits;
    /* The timers also sort leases by their slots, at a load. */
    uint32_t timers_max = limits->tickets_max > limits->leases_max ? limits->tickets_max : limits->leases_max + 1;

    state->lane_loads = aw_reserve_take(loads_bytes(state));
    state->matching = aw_reserve_take(matching_bytes(state));
    state->ticket_facts = aw_reserve_take(ticket_facts_bytes(state));
    state->ticket_asides = aw_reserve_take(ticket_facts_bytes(state));
    state->ticket_commitments = aw_reserve_take(ticket_facts_bytes(state));
    state->asides_used = aw_reserve_take(asides_used_bytes(state));
    state->flight_facts = aw_reserve_take(FLIGHT_FACTS_BYTES);
    state->airport_links = aw_reserve_take(AIRPORT_LINKS_BYTES);
    state->incident_work.noticed = aw_reserve_take(NOTICED_BYTES);
    return state->lane_loads != NULL && state->matching != NULL && state->ticket_facts != NULL && state->ticket_asides != NULL &&
           state->ticket_commitments != NULL && state->asides_used != NULL && state->flight_facts != NULL &&
           state->airport_links != NULL && state->incident_work.noticed != NULL && aw_timers_init(&state->timers, timers_max) &&
           aw_index_init(&state->by_identity, aw_rows_base(&state->identities), &identity_index, limits->identities_max) &&
           aw_index_init(&state->by_lane_name, aw_rows_base(&state->lanes), &lane_index, limits->lanes_max) &&
           aw_index_init(&state->by_agent_name, aw_rows_base(&state->agents), &agent_index, limits->agents_max) &&
           aw_index_init(&state->by_pull, aw_rows_base(&state->leases), &pull_index, limits->leases_max) &&
           aw_index_init(&state->by_key, aw_rows_base(&state->once), &key_index, limits->keys_max) &&
           aw_index_init(&state->by_flight, aw_rows_base(&state->flights), &flight_index, limits->flights_max) &&
           aw_timers_init(&state->reply_timers, limits->replies_max + 1) &&
           aw_index_init(&state->by_reply, aw_rows_base(&state->replies), &reply_index, limits->replies_max) &&
           aw_index_init(&state->by_reply_ticket, aw_rows_base(&state->replies), &reply_ticket_index, limits->replies_max) &&
           aw_index_init(&state->by_provider, aw_rows_base(&state->replies), &provider_index, limits->replies_max) &&
           aw_index_init(&state->by_reply_to, aw_rows_base(&state->replies), &reply_to_index, limits->replies_max) &&
           aw_index_init(&state->by_account, aw_rows_base(&state->accounts), &account_index,
                         limits->replies_max + ACCOUNTS_MORE_MAX) &&
           aw_index_init(&state->by_incident_key, aw_rows_base(&state->incident_keys), &incident_key_index,
                         AW_INCIDENTS_MAX * AW_INCIDENT_KEYS_MAX) &&
           aw_index_init(&state->by_contact, aw_rows_base(&state->contacts), &contact_index, limits->contacts_max);
}

enum aw_err
aw_state_new(struct aw_state **ret_state, const struct aw_state_limits *limits, uint8_t shard, struct aw_why *why)
{
    struct aw_state *state;
    enum aw_err      err = check_limits(limits, why);

    if (err != AW_OK)
        return err;
    state = aw_reserve_take(sizeof(*state));
    if (state == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the state");
    state->limits = *limits;
    state->globals.shard = shard;
    state->globals.settings = AW_CORE_SETTINGS_DEFAULT;
    if (!init_tables(state) || !init_derived(state)) {
        aw_state_free(&state);
        return aw_why(why, AW_E_MEMORY, "no address space for tables of these limits");
    }
    aw_lane_make_first(state);
    aw_channel_load_all(state);
    *ret_state = state;
    return AW_OK;
}

enum aw_err
aw_state_new_largest(struct aw_state **ret_state, uint8_t shard, struct aw_why *why)
{
    const struct aw_state_limits usual = AW_STATE_LIMITS_DEFAULT;
    /* What run/settings.def allows. */
    const struct aw_state_limits most = {
        .tickets_max = 200000000,
        .identities_max = 400000000,
        .ids_max = 1000000000,
        .leases_max = 10000000,
        .lanes_max = AW_STATE_LANES_MAX,
        .agents_max = 1000000,
        .keys_max = 10000000,
        .facts_max = 400000000,
        .flights_max = 10000000,
        .asides_max = 65536,
        .replies_max = 20000000,
        .commitments_max = AW_COMMITMENTS_MAX,
        .contacts_max = 20000000,
        .preimage_bytes_max = usual.preimage_bytes_max,
    };
    enum aw_err err = aw_state_new(ret_state, &most, shard, why);

    return err == AW_E_MEMORY ? aw_state_new(ret_state, &usual, shard, why) : err;
}

void
aw_state_free(struct aw_state **state)
{
    struct aw_state *s = *state;

    if (s == NULL)
        return;
    aw_reserve_give(s->incident_work.noticed, NOTICED_BYTES);
    aw_reserve_give(s->airport_links, AIRPORT_LINKS_BYTES);
    aw_reserve_give(s->flight_facts, FLIGHT_FACTS_BYTES);
    aw_reserve_give(s->asides_used, asides_used_bytes(s));
    aw_reserve_give(s->ticket_commitments, ticket_facts_bytes(s));
    aw_reserve_give(s->ticket_asides, ticket_facts_bytes(s));
    aw_reserve_give(s->ticket_facts, ticket_facts_bytes(s));
    aw_timers_fini(&s->reply_timers);
    aw_index_fini(&s->by_contact);
    aw_index_fini(&s->by_incident_key);
    aw_index_fini(&s->by_account);
    aw_index_fini(&s->by_provider);
    aw_index_fini(&s->by_reply_to);
    aw_index_fini(&s->by_reply_ticket);
    aw_index_fini(&s->by_reply);
    aw_index_fini(&s->by_flight);
    aw_index_fini(&s->by_key);
    aw_index_fini(&s->by_pull);
    aw_index_fini(&s->by_agent_name);
    aw_index_fini(&s->by_lane_name);
    aw_index_fini(&s->by_identity);
    aw_timers_fini(&s->timers);
    aw_reserve_give(s->matching, matching_bytes(s));
    aw_reserve_give(s->lane_loads, loads_bytes(s));
    aw_dedupe_fini(&s->ids);
    for (uint32_t table = 1; table < AW_TABLE_COUNT; table++)
        aw_rows_fini(table_of(s, table));
    aw_ledger_fini(&s->ledger);
    aw_reserve_give(s, sizeof(*s));
    *state = NULL;
}

/* --- carrying out --------------------------------------------------------------------------------------------------------- */

void
aw_state_begin(struct aw_state *state, uint64_t index, aw_ms now)
{
    AW_ASSERT(now >= state->now);
    AW_ASSERT(now >= state->globals.now);
    AW_ASSERT(index >= state->globals.index);
    state->index = index;
    state->now = now;
}

uint64_t
aw_state_record(struct aw_state *state, struct aw_command *command)
{
    struct aw_globals *globals = &state->globals;

    AW_ASSERT(!command->out.changed);
    AW_ASSERT(globals->seq < AW_ROW_SEQ_MAX);
    globals->seq++;
    globals->index = state->index;
    globals->now = state->now;
    command->out.changed = true;
    command->out.seq = globals->seq;
    return globals->seq;
}

/* long: one line for each kind */
enum aw_err
aw_state_admits(const struct aw_state *state, const struct aw_command *command)
{
    switch (command->kind) {
    case AW_COMMAND_MESSAGE:
        if (aw_state_cut_pressure(state) >= 1000)
            return AW_E_TABLE_FULL;
        return aw_message_admits(state, &command->in.message);
    case AW_COMMAND_LEASE:
        return aw_lease_admits(state, &command->in.lease);
    case AW_COMMAND_LANE:
        return aw_lane_admits(state, &command->in.lane);
    case AW_COMMAND_AGENT:
        return aw_agent_admits(state, &command->in.agent);
    case AW_COMMAND_PRESENCE:
        return aw_presence_admits(state, &command->in.presence);
    case AW_COMMAND_FLIGHT:
        if (aw_once_is_known(state, &command->once))
            return AW_OK;
        if (aw_once_admits(state, &command->once) != AW_OK)
            return AW_E_TABLE_FULL;
        return aw_flight_admits(state, &command->in.flight);
    case AW_COMMAND_RELEASE:
        return aw_release_admits(state, &command->in.fenced);
    case AW_COMMAND_UNFOLD:
        if (aw_once_is_known(state, &command->once))
            return AW_OK;
        if (aw_once_admits(state, &command->once) != AW_OK)
            return AW_E_TABLE_FULL;
        return aw_unfold_admits(state, &command->in.unfold);
    case AW_COMMAND_OPT_OUT:
        if (aw_state_cut_pressure(state) >= 1000)
            return AW_E_TABLE_FULL;
        return aw_contact_admits(state, &command->in.opt_out);
    case AW_COMMAND_ERASE:
    case AW_COMMAND_WITHDRAW: /* apply says whether it can be noted */
        return aw_state_cut_pressure(state) >= 1000 ? AW_E_TABLE_FULL : AW_OK;
    case AW_COMMAND_NOTE:
        if (aw_once_is_known(state, &command->once))
            return AW_OK;
        if (aw_state_cut_pressure(state) >= 1000) /* there may be as many as posts */
            return AW_E_TABLE_FULL;
        return aw_once_admits(state, &command->once);
    case AW_COMMAND_INCIDENT:
        if (aw_once_is_known(state, &command->once))
            return AW_OK;
        if (aw_once_admits(state, &command->once) != AW_OK)
            return AW_E_TABLE_FULL;
        return aw_incident_admits(state, &command->in.incident);
    case AW_COMMAND_INCIDENT_ANSWER:
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
    case AW_COMMAND_PLACE:
    case AW_COMMAND_AIRPORT:
    case AW_COMMAND_UNDO:
        return aw_once_admits(state, &command->once);
    case AW_COMMAND_FORECAST:
        return aw_forecast_admits(state, &command->in.forecast);
    case AW_COMMAND_PROMISE: /* takes no room; apply says whether it still may move */
    case AW_COMMAND_EPOCH:
    case AW_COMMAND_SETTINGS:
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_SURGE: /* its row has a place */
    case AW_COMMAND_CHANNEL:
    case AW_COMMAND_REPLY: /* these say in apply whether there is room */
    case AW_COMMAND_REPLY_LEASE:
    case AW_COMMAND_REPLY_STATUS:
    case AW_COMMAND_REPLY_TIMER:
    case AW_COMMAND_REDRIVE:
    case AW_COMMAND_APPROVE:
    case AW_COMMAND_INCIDENT_LINK:
    case AW_COMMAND_INCIDENT_TIMER:
    case AW_COMMAND_TEMPLATE:
    case AW_COMMAND_DECLINE: /* only a held lease needs room, and apply says whether there is */
    case AW_COMMAND_TRANSFER:
    case AW_COMMAND_DEFER:
    case AW_COMMAND_TIMER:
        return AW_OK;
    }
    AW_UNREACHABLE();
}

void
aw_state_prefetch(const struct aw_state *state, const struct aw_command *command)
{
    if (command->kind == AW_COMMAND_MESSAGE)
        aw_message_prefetch(state, &command->in.message);
    else if (command->kind == AW_COMMAND_LEASE)
        aw_rows_prefetch(&state->tickets, command->in.lease.slot);
    else if (aw_command_is_fenced(command->kind))
        aw_rows_prefetch(&state->tickets, command->in.fenced.lease.slot);
}

/* A table, what it was made for, and what the journal says of it. */
struct told_limit {
    const char *setting;
    uint32_t    table; /* enum aw_table_number; 0: the source ids, which are no rows */
    uint32_t    made;
    uint32_t    told; /* 0: as made */
};
#define TOLD_LIMITS 14

static void
told_limits(const struct aw_state *state, const struct aw_table_limits *told, struct told_limit ret_limits[TOLD_LIMITS])
{
    const struct aw_state_limits *made = &state->limits;
    const struct told_limit       limits[TOLD_LIMITS] = {
              {"tickets-max", AW_TABLE_TICKETS, made->tickets_max, told->tickets_max},
              {"identities-max", AW_TABLE_IDENTITIES, made->identities_max, told->identities_max},
              {"ids-max", 0, made->ids_max, told->ids_max},
              {"leases-max", AW_TABLE_LEASES, made->leases_max, told->leases_max},
              {"lanes-max", AW_TABLE_LANES, made->lanes_max, told->lanes_max},
              {"agents-max", AW_TABLE_AGENTS, made->agents_max, told->agents_max},
              {"agents-max", AW_TABLE_AGENT_SETTINGS, made->agents_max, told->agents_max},
              {"idempotency-keys-max", AW_TABLE_ONCE, made->keys_max, told->keys_max},
              {"facts-max", AW_TABLE_FACTS, made->facts_max, told->facts_max},
              {"flights-max", AW_TABLE_FLIGHTS, made->flights_max, told->flights_max},
              {"asides-max", AW_TABLE_ASIDES, made->asides_max, told->asides_max},
              {"replies-max", AW_TABLE_REPLIES, made->replies_max, told->replies_max},
              {"commitments-max", AW_TABLE_COMMITMENTS, made->commitments_max, told->commitments_max},
              {"contacts-max", AW_TABLE_CONTACTS, made->contacts_max, told->contacts_max},
    };

    memcpy(ret_limits, limits, sizeof(limits));
}

enum aw_err
aw_state_fits(const struct aw_state *state, const struct aw_core_settings *settings, struct aw_why *why)
{
    struct told_limit limits[TOLD_LIMITS];

    told_limits(state, &settings->tables, limits);
    for (unsigned i = 0; i < TOLD_LIMITS; i++) {
        if (limits[i].told > limits[i].made)
            return aw_why(why, AW_E_TABLE_FULL, "this store was used with %s %u; it may grow, but not shrink to %u",
                          limits[i].setting, limits[i].told, limits[i].made);
    }
    return AW_OK;
}

void
aw_state_use_limits(struct aw_state *state)
{
    struct told_limit limits[TOLD_LIMITS];

    told_limits(state, &state->globals.settings.tables, limits);
    for (unsigned i = 0; i < TOLD_LIMITS; i++) {
        uint32_t rows = limits[i].told == 0 ? limits[i].made : limits[i].told;

        if (limits[i].table != 0)
            aw_rows_set_limit(table_of(state, limits[i].table), limits[i].table == AW_TABLE_TICKETS ? rows : rows + 1);
    }
}

static bool
are_settings_valid(const struct aw_core_settings *settings)
{
    const uint64_t all[] = {settings->dedupe_ms,        settings->reopen_ms,          settings->imminent_ms,
                            settings->lease_grace_ms,   settings->decline_ms,         settings->kept_ms,
                            settings->kept_gentle_ms,   settings->gentle_first_ms,    settings->reply_retry_ms,
                            settings->kept_transfer_ms, settings->reply_retry_ms_max, settings->defer_back_ms,
                            settings->still_needed_ms,  settings->contact_ms};

    for (size_t i = 0; i < AW_ARRAY_LEN(all); i++) {
        if (all[i] > AW_DURATION_MS_MAX)
            return false;
    }
    for (size_t i = 0; i < AW_CLASS_COUNT; i++) {
        if (settings->handling_ms[i] > AW_DURATION_MS_MAX)
            return false;
    }
    return settings->backdate_ms <= AW_CORE_BACKDATE_MS_MAX && settings->reply_attempts_max > 0;
}

void
aw_apply_settings(struct aw_state *state, struct aw_command *command)
{
    const struct aw_core_settings *in = &command->in.settings;
    struct aw_core_settings        old = state->globals.settings;

    if (!are_settings_valid(in) || aw_state_fits(state, in, NULL) != AW_OK) {
        command->out.err = AW_E_BAD_VALUE;
        return;
    }
    if (memcmp(in, &old, sizeof(old)) == 0)
        return;
    (void)aw_state_record(state, command);
    /* What is forgotten stays forgotten: whether an old id is still in the ring is nobody's to know. */
    if (state->now > old.dedupe_ms && state->now - old.dedupe_ms > state->globals.ids_floor)
        state->globals.ids_floor = state->now - old.dedupe_ms;
    state->globals.settings = *in;
    aw_state_use_limits(state);
    if (in->still_needed_ms != old.still_needed_ms || in->imminent_ms != old.imminent_ms ||
        memcmp(in->handling_ms, old.handling_ms, sizeof(old.handling_ms)) != 0)
        aw_ticket_rearm_all(state);
}

/* long: one line for each kind */
static void
dispatch(struct aw_state *state, struct aw_command *command)
{
    switch (command->kind) {
    case AW_COMMAND_EPOCH:
        aw_apply_epoch(state, command);
        return;
    case AW_COMMAND_SETTINGS:
        aw_apply_settings(state, command);
        return;
    case AW_COMMAND_LANE:
        aw_apply_lane(state, command);
        return;
    case AW_COMMAND_FLIGHT:
        aw_apply_flight(state, command);
        return;
    case AW_COMMAND_AIRPORT:
        aw_apply_airport(state, command);
        return;
    case AW_COMMAND_UNDO:
        aw_apply_undo(state, command);
        return;
    case AW_COMMAND_AGENT:
        aw_apply_agent(state, command);
        return;
    case AW_COMMAND_PRESENCE:
        aw_apply_presence(state, command);
        return;
    case AW_COMMAND_MESSAGE:
        aw_apply_message(state, command);
        return;
    case AW_COMMAND_LEASE:
        aw_apply_lease(state, command);
        return;
    case AW_COMMAND_EXTEND:
        aw_apply_extend(state, command);
        return;
    case AW_COMMAND_COMPLETE:
        aw_apply_complete(state, command);
        return;
    case AW_COMMAND_RELEASE:
        aw_apply_release(state, command);
        return;
    case AW_COMMAND_DECLINE:
        aw_apply_decline(state, command);
        return;
    case AW_COMMAND_TRANSFER:
        aw_apply_transfer(state, command);
        return;
    case AW_COMMAND_WITHDRAW:
        aw_apply_withdraw(state, command);
        return;
    case AW_COMMAND_OPT_OUT:
        aw_apply_opt_out(state, command);
        return;
    case AW_COMMAND_ERASE:
        aw_apply_erase(state, command);
        return;
    case AW_COMMAND_DEFER:
        aw_apply_defer(state, command);
        return;
    case AW_COMMAND_NOTE:
        aw_apply_note(state, command);
        return;
    case AW_COMMAND_TIMER:
        aw_apply_timer(state, command);
        return;
    case AW_COMMAND_HOLD:
        aw_apply_hold(state, command);
        return;
    case AW_COMMAND_UNHOLD:
        aw_apply_unhold(state, command);
        return;
    case AW_COMMAND_CANCEL:
        aw_apply_cancel(state, command);
        return;
    case AW_COMMAND_PLACE:
        aw_apply_place(state, command);
        return;
    case AW_COMMAND_UNFOLD:
        aw_apply_unfold(state, command);
        return;
    case AW_COMMAND_CHANNEL:
        aw_apply_channel(state, command);
        return;
    case AW_COMMAND_REPLY:
        aw_apply_reply(state, command);
        return;
    case AW_COMMAND_REPLY_LEASE:
        aw_apply_reply_lease(state, command);
        return;
    case AW_COMMAND_REPLY_STATUS:
        aw_apply_reply_status(state, command);
        return;
    case AW_COMMAND_REPLY_TIMER:
        aw_apply_reply_timer(state, command);
        return;
    case AW_COMMAND_REDRIVE:
        aw_apply_redrive(state, command);
        return;
    case AW_COMMAND_APPROVE:
        aw_apply_approve(state, command);
        return;
    case AW_COMMAND_FORECAST:
        aw_apply_forecast(state, command);
        return;
    case AW_COMMAND_PROMISE:
        aw_apply_promise(state, command);
        return;
    case AW_COMMAND_INCIDENT:
        aw_apply_incident(state, command);
        return;
    case AW_COMMAND_INCIDENT_LINK:
        aw_apply_incident_link(state, command);
        return;
    case AW_COMMAND_INCIDENT_ANSWER:
        aw_apply_incident_answer(state, command);
        return;
    case AW_COMMAND_INCIDENT_TIMER:
        aw_apply_incident_timer(state, command);
        return;
    case AW_COMMAND_TEMPLATE:
        aw_apply_template(state, command);
        return;
    case AW_COMMAND_SURGE:
        aw_apply_surge(state, command);
        return;
    }
    AW_UNREACHABLE();
}

enum aw_err
aw_state_apply(struct aw_state *state, struct aw_command *command)
{
#ifdef AW_WITH_AUDIT
    struct aw_hash128 before = aw_state_digest(state);
#endif
    uint32_t slot;

    command->out = (struct aw_outcome_of){.err = AW_OK};
    if (command->kind != AW_COMMAND_MESSAGE && command->kind != AW_COMMAND_WITHDRAW && aw_command_slot(command, &slot))
        aw_effect_begin(state, &command->out.effect, slot);
    if (!aw_once_is_set(&command->once)) {
        dispatch(state, command);
    } else if (!aw_once_answers(state, command)) {
        dispatch(state, command);
        if (command->out.changed)
            aw_once_remember(state, command);
    }
    aw_ledger_settle(&state->ledger);
    aw_effect_end(state, command);
    AW_IMPLIES(command->out.err != AW_OK && command->out.changed, command->out.err == AW_E_NEW_MESSAGES);
#ifdef AW_WITH_AUDIT
    AW_ASSERT(command->out.changed || aw_hash128_eq(before, aw_state_digest(state)));
#endif
    return command->out.err;
}

bool
aw_state_due(const struct aw_state *state, aw_ms now, struct aw_command *ret_command)
{
    struct aw_timer first, reply;
    bool            has_first = aw_timers_first(&state->timers, &first);

    if (aw_outbox_due(state, &reply) && reply.at <= now && (!has_first || reply.at < first.at)) {
        const struct aw_reply_row *row = aw_reply_at(state, reply.slot);

        *ret_command = (struct aw_command){.kind = AW_COMMAND_REPLY_TIMER,
                                           .in.reply_timer = {.slot = reply.slot, .seq = row->seq, .due_at = row->due_at}};
        return true;
    }
    if (!has_first || first.at > now)
        return aw_incident_due(state, ret_command); /* what runs out goes before it */
    *ret_command = (struct aw_command){
        .kind = AW_COMMAND_TIMER,
        .in.timer = {.slot = first.slot, .version = aw_ticket_at(state, first.slot)->version},
    };
    aw_timer_judge(state, &ret_command->in.timer);
    return true;
}

void
aw_state_put_off(struct aw_state *state, uint32_t slot, aw_ms at)
{
    AW_ASSERT(at != 0);
    aw_timers_set(&state->timers, slot, at);
}

aw_ms
aw_state_next_due(const struct aw_state *state)
{
    struct aw_timer first, reply;
    bool            has_first = aw_timers_first(&state->timers, &first);
    aw_ms           at = aw_incident_due_at(state);

    if (state->rearm_left != 0)
        return state->now > 0 ? state->now : 1;
    if (aw_outbox_due(state, &reply) && (at == 0 || reply.at < at))
        at = reply.at;
    return has_first && (at == 0 || first.at < at) ? first.at : at;
}

/* --- the digest ----------------------------------------------------------------------------------------------------------- */

static struct aw_hash128
with_globals(struct aw_hash128 sum, const struct aw_globals *globals)
{
    aw_digest_add(&sum, aw_row_hash(AW_TABLE_GLOBALS, 0, globals, sizeof(*globals)));
    return sum;
}

struct aw_hash128
aw_state_digest(const struct aw_state *state)
{
    return with_globals(aw_ledger_digest(&state->ledger), &state->globals);
}

struct aw_hash128
aw_state_rows_digest_slow(const struct aw_state *state)
{
    const struct aw_rows *const tables[] = {
        &state->tickets,     &state->identities,     &state->leases,        &state->lanes,    &state->agents,
        &state->once,        &state->facts,          &state->flights,       &state->airports, &state->asides,
        &state->channels,    &state->agent_settings, &state->replies,       &state->accounts, &state->channel_settings,
        &state->forecast,    &state->incidents,      &state->incident_keys, &state->texts,    &state->surge,
        &state->commitments, &state->contacts,
    };
    struct aw_hash128 sum = {0};

    for (size_t i = 0; i < AW_ARRAY_LEN(tables); i++)
        aw_digest_add(&sum, aw_rows_digest_slow(tables[i]));
    return sum;
}

struct aw_hash128
aw_state_digest_slow(const struct aw_state *state)
{
    return with_globals(aw_state_rows_digest_slow(state), &state->globals);
}
