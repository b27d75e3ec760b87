/* agents.c - what agents are set to, shown to all threads once it is durable: the directory follows the state. */
#include "commit/parts.h"

static void
publish_settings(struct aw_committer *c, uint32_t agent)
{
    struct aw_agent_settings *settings = aw_agents_directory_begin(c->config.agents);
    struct aw_agent_view      view;

    aw_state_agent(c->config.state, agent, &view, settings->lanes);
    settings->is_gentle = view.is_gentle;
    settings->barred = view.barred;
    settings->lane_count = view.lane_count;
    (void)aw_agents_directory_publish(c->config.agents, view.name, settings);
}

/* Pulls that wait by the old settings go by the new ones. They keep their places. */
static void
tell_waiting(struct aw_committer *c, struct aw_slice agent)
{
    struct aw_submission *next = aw_parking_next_of(&c->parking, agent, NULL);

    while (next != NULL) {
        struct aw_submission *pull = next;

        next = aw_parking_next_of(&c->parking, agent, pull);
        aw_parking_remove(&c->parking, pull);
        pull->park.end = AW_PARK_AGAIN;
        aw_committer_give_back(c, pull);
    }
}

/* Units that are taken, or free again: then there may be something for whoever waits (aw_publish_look_for_freed). */
static void
publish_units(struct aw_committer *c, uint32_t agent)
{
    struct aw_slice       name = aw_state_agent_name(c->config.state, agent);
    struct aw_agents_row *row = aw_agents_directory_find(c->config.agents, name);
    struct aw_units       units;

    aw_streams_tell(c, name);
    if (row == NULL)
        return; /* never set; or at a start, before they are loaded */
    aw_state_agent_units(c->config.state, agent, &units);
    aw_agents_row_set_units(row, &units);
    aw_parking_set_full(&c->parking, name, aw_state_agent_full(c->config.state, agent));
}

void
aw_agents_publish(struct aw_committer *c, const struct aw_event *event)
{
    publish_settings(c, event->slot);
    tell_waiting(c, aw_state_agent_name(c->config.state, event->slot));
}

void
aw_agents_publish_units(struct aw_committer *c)
{
    uint32_t agent;

    while ((agent = aw_state_take_changed_agent(c->config.state)) != 0)
        publish_units(c, agent);
}

bool
aw_agents_went_by_old(struct aw_committer *c, const struct aw_park *park)
{
    const struct aw_agent_settings *settings = aw_agents_row_settings(aw_agents_directory_find(c->config.agents, park->agent));

    return park->stamp != (settings == NULL ? 0 : settings->stamp);
}

enum aw_err
aw_agents_load(struct aw_committer *c)
{
    uint32_t lanes[AW_LANES_PER_PULL_MAX];

    for (uint32_t agent = 1; agent < aw_state_agent_slots(c->config.state); agent++) {
        struct aw_agent_view view;

        aw_state_agent(c->config.state, agent, &view, lanes);
        if (view.version == 0 && view.presence == AW_PRESENCE_READY)
            continue;
        if (!aw_agents_directory_reserve(c->config.agents))
            return AW_E_MEMORY;
        publish_settings(c, agent);
        publish_units(c, agent);
    }
    return AW_OK;
}

/* --- queries -------------------------------------------------------------------------------------------------------------- */

void
aw_agents_answer(struct aw_committer *c, struct aw_query *query)
{
    const struct aw_state *state = c->config.state;
    uint32_t               end = aw_state_agent_slots(state);

    if (query->kind == AW_QUERY_AGENT) {
        uint32_t agent = aw_state_find_agent(state, query->name);

        query->err = agent == 0 ? AW_E_NOT_FOUND : AW_OK;
        if (agent != 0)
            aw_state_agent(state, agent, &query->agents[0], query->agent_lanes);
        query->count = agent != 0;
        return;
    }
    query->next = 0;
    for (uint32_t agent = query->skip + 1; agent < end; agent++) {
        if (query->count == query->room) {
            query->next = agent - 1;
            return;
        }
        aw_state_agent(state, agent, &query->agents[query->count],
                       query->agent_lanes + (size_t)query->count * AW_LANES_PER_PULL_MAX);
        query->count++;
    }
}
