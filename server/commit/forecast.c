/* forecast.c - what a forecaster asks, in pieces: the tickets (core/census.h), who works (present.h), what is told. */
#include "commit/parts.h"

/* One piece: 0.1 ms or so, as other work waits meanwhile. */
#define CENSUS_SLOTS 4096U
#define WHO_AGENTS   512U
#define WHO_BUCKETS  1024U
#define WHO_LANES    1024U

/* How many tickets this agent works on at once; 0: it does not work. */
static uint32_t
weight_of(struct aw_committer *c, uint32_t agent, uint32_t *ret_set)
{
    const struct aw_state *state = c->config.state;
    enum aw_presence       presence = aw_state_agent_presence(state, agent);
    uint32_t               held = aw_state_agent_held(state, agent);
    aw_ms                  seen_at = aw_present_seen(&c->present, agent, ret_set);
    uint32_t               lanes[AW_LANES_PER_PULL_MAX];
    struct aw_agent_view   view;
    struct aw_submission  *pull;

    if (presence != AW_PRESENCE_READY && presence != AW_PRESENCE_WRAP_UP)
        return 0;
    if (held > 0 && seen_at == 0) {
        aw_state_agent(state, agent, &view, lanes);
        aw_present_note(&c->present, agent, view.lane_count == 0 ? NULL : lanes, view.lane_count, c->now);
        (void)aw_present_seen(&c->present, agent, ret_set);
    }
    if (held > 0)
        return held;
    pull = aw_parking_next_of(&c->parking, aw_state_agent_name(state, agent), NULL);
    if (pull != NULL) {
        aw_present_note(&c->present, agent, pull->park.lanes, pull->park.lane_count, c->now);
        (void)aw_present_seen(&c->present, agent, ret_set);
        return 1;
    }
    return seen_at != 0 && c->now - seen_at <= AW_PRESENT_AGENT_MS;
}

/* Who waits for a first ticket has no number. False: there are more. */
static bool
count_new_agents(struct aw_committer *c, struct aw_who *who)
{
    for (uint32_t i = 0; i < WHO_BUCKETS && who->bucket < AW_PARK_AGENT_BUCKETS; i++, who->bucket++) {
        struct aw_submission *pull = aw_parking_next_agent(&c->parking, who->bucket, NULL);

        for (; pull != NULL; pull = aw_parking_next_agent(&c->parking, who->bucket, pull)) {
            if (aw_state_find_agent(c->config.state, pull->park.agent) == 0)
                who->agents[aw_present_find(&c->present, pull->park.lanes, pull->park.lane_count, c->now)]++;
        }
    }
    return who->bucket == AW_PARK_AGENT_BUCKETS;
}

static void
count_agents(struct aw_committer *c, struct aw_who *who)
{
    uint32_t end = aw_state_agent_slots(c->config.state);

    if (who->agent == 0 && who->bucket == 0)
        memset(who->agents, 0, sizeof(who->agents));
    for (uint32_t i = 0; i < WHO_AGENTS && who->agent + 1 < end; i++) {
        uint32_t set;
        uint32_t weight = weight_of(c, ++who->agent, &set);

        who->agents[set] += weight;
    }
    if (who->agent + 1 < end || !count_new_agents(c, who))
        return;
    who->has_agents = true;
    who->has_order = c->has_order;
    who->order = c->order;
    who->set_count = aw_present_sets(&c->present);
    for (uint32_t set = 0; set < who->set_count; set++)
        who->sets[set] = *aw_present_set(&c->present, set);
    who->lane_count = 0;
}

/* Agents first, so that no lane is missed that one of them serves. */
static void
answer_who(struct aw_committer *c, struct aw_who *who)
{
    uint32_t lanes = aw_state_lane_count(c->config.state);

    if (!who->has_agents) {
        count_agents(c, who);
        return;
    }
    for (uint32_t i = 0; i < WHO_LANES && who->lane_count < lanes; i++, who->lane_count++)
        who->lanes[who->lane_count] = aw_census_lane(c->config.state, who->lane_count);
    who->is_through = who->lane_count == lanes;
}

/* A forecast that is too old is none. */
static void
answer_told(struct aw_committer *c, struct aw_query *query, aw_ms now)
{
    const struct aw_state *state = c->config.state;
    struct aw_told_look   *told = query->told;
    uint32_t               end = aw_state_lane_count(state);
    uint32_t               lane = query->skip;

    for (uint32_t group = 0; group < AW_PROMISE_GROUPS_MAX; group++) {
        aw_census_told(state, group, &told->groups[group]);
        if (now - told->groups[group].at > AW_PROMISE_GOOD_MS)
            told->groups[group] = (struct aw_told_group){.at = 0};
    }
    if (told->is_one) {
        if (told->lane.len > 0)
            query->err = aw_state_find_lane(state, told->lane, &lane);
        if (query->err != AW_OK)
            return;
        lane = aw_state_choose_lane(state, told->lane, told->lang, told->channel, told->account);
        end = lane + 1;
    }
    for (; lane < end && query->count < query->room; lane++)
        told->lanes[query->count++] =
            (struct aw_told_lane){.name = aw_state_lane_name(state, lane), .group = aw_census_lane(state, lane).group};
    query->next = lane < end ? lane : 0;
}

void
aw_forecast_answer(struct aw_committer *c, struct aw_query *query, aw_ms now)
{
    if (query->kind == AW_QUERY_CENSUS)
        aw_census_step(c->config.state, query->census, CENSUS_SLOTS);
    else if (query->kind == AW_QUERY_WHO)
        answer_who(c, query->who);
    else
        answer_told(c, query, now);
}
