/* streams.c - streams of agents, as far as the committer has to do with them: a stream is a pull that stays parked, and is sent
 * back also when its agent's leases have changed since it looked, so that it looks again. Nobody holds a list of what happened: the
 * difference between what was told and what there is says it all.
 */
#include "commit/parts.h"

static bool
is_own(const struct aw_stream_look *look, uint64_t fence)
{
    for (uint32_t i = 0; i < look->own_count; i++) {
        if (look->own[i] == fence)
            return true;
    }
    return false;
}

void
aw_streams_answer(struct aw_committer *c, struct aw_query *query)
{
    struct aw_state       *state = c->config.state;
    struct aw_stream_look *look = query->look;
    uint32_t               agent = aw_state_find_agent(state, query->name);

    query->count = aw_state_leases_of(state, query->name, 0, query->views, query->room);
    look->seq = aw_state_seq(state);
    look->news = aw_state_agent_news(state, agent);
    look->held = aw_state_agent_held(state, agent);
    look->presence = aw_state_agent_presence(state, agent);
    for (uint32_t i = 0; i < look->told_count; i++)
        look->told[i].fate = aw_state_lease_fate(state, look->told[i].slot, look->told[i].fence, &look->told[i].end);
    if (look->stream == 0)
        look->stream = ++c->streams;
    for (uint32_t i = 0; i < query->count; i++) {
        if (!is_own(look, query->views[i].lease.fence))
            aw_state_note_told(state, &query->views[i], 1);
    }
}

uint16_t
aw_streams_full(const struct aw_committer *c, const struct aw_park *park, uint32_t agent)
{
    if (park->units != 0 && aw_state_agent_held(c->config.state, agent) >= park->units)
        return UINT16_MAX;
    return aw_state_agent_full(c->config.state, agent);
}

bool
aw_streams_is_beyond(const struct aw_committer *c, const struct aw_park *pull)
{
    return pull != NULL && pull->units != 0 &&
           aw_state_agent_held(c->config.state, aw_state_find_agent(c->config.state, pull->agent)) >= pull->units;
}

/* All streams of the agent that wait, as each is sent back with this. */
static void
send_back(struct aw_committer *c, struct aw_slice agent, uint64_t below, enum aw_park_end end)
{
    struct aw_submission *next = aw_parking_streams(&c->parking) == 0 ? NULL : aw_parking_next_of(&c->parking, agent, NULL);

    while (next != NULL) {
        struct aw_submission *pull = next;

        next = aw_parking_next_of(&c->parking, agent, pull);
        if (pull->park.stream == 0 || pull->park.stream >= below)
            continue;
        aw_parking_remove(&c->parking, pull);
        pull->park.end = end;
        aw_committer_give_back(c, pull);
    }
}

void
aw_streams_tell(struct aw_committer *c, struct aw_slice agent)
{
    send_back(c, agent, UINT64_MAX, AW_PARK_NEWS);
}

/* Whether a later stream of the same agent waits. */
static bool
is_replaced(struct aw_committer *c, const struct aw_park *park)
{
    struct aw_submission *other =
        aw_parking_streams(&c->parking) == 0 ? NULL : aw_parking_next_of(&c->parking, park->agent, NULL);

    while (other != NULL && other->park.stream <= park->stream)
        other = aw_parking_next_of(&c->parking, park->agent, other);
    return other != NULL;
}

bool
aw_streams_may_park(struct aw_committer *c, struct aw_park *park, uint32_t agent)
{
    if (park->stream == 0)
        return true;
    if (is_replaced(c, park)) {
        park->end = AW_PARK_REPLACED;
        return false;
    }
    send_back(c, park->agent, park->stream, AW_PARK_REPLACED);
    park->end = AW_PARK_NEWS;
    return park->news == aw_state_agent_news(c->config.state, agent);
}
