/* parking.c - one list a lane, ordered by number. */
#include "commit/parking.h"

#include <stdlib.h>

static struct aw_park_node *
node_of(struct aw_list *link)
{
    return link == NULL ? NULL : AW_CONTAINER(link, struct aw_park_node, link);
}

bool
aw_parking_init(struct aw_parking *parking, uint32_t lanes_max)
{
    *parking = (struct aw_parking){._lanes_max = lanes_max, ._next_number = 1};
    aw_list_init(&parking->_all);
    aw_list_init(&parking->_gentle);
    aw_list_init(&parking->_freed);
    for (uint32_t i = 0; i < AW_PARK_KEY_BUCKETS; i++)
        aw_list_init(&parking->_keyed[i]);
    parking->_lanes = calloc(lanes_max, sizeof(parking->_lanes[0]));
    parking->_on_way = calloc(lanes_max, sizeof(parking->_on_way[0]));
    parking->_idle = calloc(lanes_max, sizeof(parking->_idle[0]));
    parking->_agents = calloc(AW_PARK_AGENT_BUCKETS, sizeof(parking->_agents[0]));
    if (parking->_lanes == NULL || parking->_on_way == NULL || parking->_idle == NULL || parking->_agents == NULL) {
        aw_parking_fini(parking);
        return false;
    }
    for (uint32_t lane = 0; lane < lanes_max; lane++)
        aw_list_init(&parking->_lanes[lane]);
    for (uint32_t i = 0; i < AW_PARK_AGENT_BUCKETS; i++)
        aw_list_init(&parking->_agents[i]);
    return true;
}

void
aw_parking_fini(struct aw_parking *parking)
{
    AW_ASSERT(parking->_count == 0);
    free(parking->_lanes);
    free(parking->_on_way);
    free(parking->_idle);
    free(parking->_agents);
    parking->_agents = NULL;
    parking->_lanes = NULL;
    parking->_on_way = NULL;
    parking->_idle = NULL;
}

/* Behind the last one with a smaller number. New pulls have the largest number and go to the end; one that comes back has been
 * waiting long and belongs near the front, so each looks from its own end. */
static void
insert(struct aw_list *list, struct aw_park_node *node, bool from_front)
{
    struct aw_list *at = list;

    if (from_front) {
        for (at = list->next; at != list; at = at->next) {
            if (node_of(at)->pull->park.number > node->pull->park.number)
                break;
        }
    }
    aw_list_insert_before(at, &node->link);
}

static void
insert_gentle(struct aw_parking *parking, struct aw_park *park)
{
    struct aw_list *at = &parking->_gentle;

    /* From the end, where all but those that come back belong. */
    while (at->prev != &parking->_gentle && AW_CONTAINER(at->prev, struct aw_park, gentle_link)->number > park->number)
        at = at->prev;
    aw_list_insert_before(at, &park->gentle_link);
}

/* In order of their numbers, so that the first one found is the one that waits longest. */
static void
insert_agent(struct aw_list *list, struct aw_park *park)
{
    struct aw_list *at = list;

    while (at->prev != list && AW_CONTAINER(at->prev, struct aw_park, agent_link)->number > park->number)
        at = at->prev;
    aw_list_insert_before(at, &park->agent_link);
}

static struct aw_list *
agent_list(struct aw_parking *parking, struct aw_slice agent)
{
    static const struct aw_hash_key key = {"aswolk parked by"};

    return &parking->_agents[aw_hash64(&key, agent.ptr, agent.len) % AW_PARK_AGENT_BUCKETS];
}

void
aw_parking_add(struct aw_parking *parking, struct aw_submission *pull)
{
    struct aw_park *park = &pull->park;
    bool            comes_back = park->number != 0;
    uint32_t        nodes = park->lanes == NULL ? 1 : park->lane_count;

    AW_ASSERT(!park->parked);
    AW_ASSERT(park->woken_lane == AW_LANE_NONE);
    if (!comes_back)
        park->number = parking->_next_number++;
    for (uint32_t i = 0; i < nodes; i++) {
        struct aw_list *list = park->lanes == NULL ? &parking->_all : &parking->_lanes[park->lanes[i]];

        AW_IMPLIES(park->lanes != NULL, park->lanes[i] < parking->_lanes_max);
        park->nodes[i].pull = pull;
        insert(list, &park->nodes[i], comes_back);
    }
    aw_list_init(&park->key_link);
    if (park->key.key != 0)
        aw_list_push_back(&parking->_keyed[park->key.key % AW_PARK_KEY_BUCKETS], &park->key_link);
    insert_agent(agent_list(parking, park->agent), park);
    aw_list_init(&park->freed_link);
    aw_list_init(&park->gentle_link);
    if (park->is_gentle)
        insert_gentle(parking, park);
    park->parked = true;
    parking->_streams += park->stream != 0;
    parking->_count++;
    parking->_news++;
}

void
aw_parking_remove(struct aw_parking *parking, struct aw_submission *pull)
{
    struct aw_park *park = &pull->park;
    uint32_t        nodes = park->lanes == NULL ? 1 : park->lane_count;

    AW_ASSERT(park->parked);
    AW_ASSERT(parking->_count > 0);
    for (uint32_t i = 0; i < nodes; i++)
        aw_list_remove(&park->nodes[i].link);
    aw_list_remove(&park->key_link);
    aw_list_remove(&park->agent_link);
    aw_list_remove(&park->gentle_link);
    aw_list_remove(&park->freed_link);
    park->parked = false;
    parking->_streams -= park->stream != 0;
    parking->_count--;
}

AW_STATIC_ASSERT(AW_CHANNEL_NUMBERS <= 16, "shelves are bits of 16");

/* Nobody waits for these, as far as that was found out since anything changed. */
static bool
is_idle(const struct aw_parking *parking, uint32_t lane, const struct aw_park_shelves *shelves)
{
    const struct aw_park_idle *idle = &parking->_idle[lane];
    unsigned                   others = 0;

    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        others |= shelves->of[i] & ~(unsigned)(idle->news == parking->_news ? idle->shelves.of[i] : 0);
    return others == 0;
}

static void
note_idle(struct aw_parking *parking, uint32_t lane, const struct aw_park_shelves *shelves)
{
    struct aw_park_idle *idle = &parking->_idle[lane];

    if (idle->news != parking->_news)
        *idle = (struct aw_park_idle){.news = parking->_news};
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        idle->shelves.of[i] |= shelves->of[i];
}

static bool
may_take(void *user, const struct aw_submission *pull)
{
    const struct aw_park_shelves may = aw_park_may_take(&pull->park, user);

    return aw_park_shelves_any(&may);
}

struct aw_submission *
aw_parking_wake(struct aw_parking *parking, uint32_t lane, const struct aw_park_shelves *shelves)
{
    struct aw_park_shelves wanted = *shelves;
    struct aw_submission  *pull;

    AW_ASSERT(lane < parking->_lanes_max);
    if (is_idle(parking, lane, shelves))
        return NULL;
    pull = aw_parking_find(parking, lane, may_take, &wanted);
    if (pull == NULL) {
        note_idle(parking, lane, shelves);
        return NULL;
    }
    aw_parking_remove(parking, pull);
    pull->park.end = AW_PARK_WOKEN;
    pull->park.woken_lane = lane;
    parking->_on_way[lane]++;
    return pull;
}

struct aw_submission *
aw_parking_wake_key(struct aw_parking *parking, const struct aw_pull_key *key)
{
    struct aw_list *list = &parking->_keyed[key->key % AW_PARK_KEY_BUCKETS];

    for (struct aw_list *at = list->next; at != list; at = at->next) {
        struct aw_submission *pull = AW_CONTAINER(at, struct aw_submission, park.key_link);

        if (pull->park.key.key != key->key)
            continue;
        aw_parking_remove(parking, pull);
        pull->park.end = AW_PARK_WOKEN;
        return pull;
    }
    return NULL;
}

/* The node behind this one in its list; NULL at the end. */
static struct aw_park_node *
next_in(const struct aw_list *list, const struct aw_park_node *node)
{
    return node->link.next == list ? NULL : node_of(node->link.next);
}

struct aw_submission *
aw_parking_find(struct aw_parking *parking, uint32_t lane, bool (*may)(void *user, const struct aw_submission *pull), void *user)
{
    struct aw_park_node *own, *all;

    AW_ASSERT(lane < parking->_lanes_max);
    own = node_of(aw_list_first(&parking->_lanes[lane]));
    all = node_of(aw_list_first(&parking->_all));
    while (own != NULL || all != NULL) {
        bool                  is_own = own != NULL && (all == NULL || own->pull->park.number < all->pull->park.number);
        struct aw_submission *pull = is_own ? own->pull : all->pull;

        if (may(user, pull))
            return pull;
        if (is_own)
            own = next_in(&parking->_lanes[lane], own);
        else
            all = next_in(&parking->_all, all);
    }
    return NULL;
}

static bool
serves(const struct aw_park *park, uint32_t lane)
{
    uint32_t first = 0, end = park->lane_count;

    if (park->lanes == NULL)
        return true;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;

        if (park->lanes[middle] < lane)
            first = middle + 1;
        else
            end = middle;
    }
    return first < park->lane_count && park->lanes[first] == lane;
}

struct aw_submission *
aw_parking_find_agent(struct aw_parking *parking, uint32_t lane, struct aw_slice agent)
{
    struct aw_submission *pull = aw_parking_next_of(parking, agent, NULL);

    while (pull != NULL && (aw_park_is_full(&pull->park) || !serves(&pull->park, lane)))
        pull = aw_parking_next_of(parking, agent, pull);
    return pull;
}

struct aw_submission *
aw_parking_find_gentle(struct aw_parking *parking, uint32_t lane, bool (*may)(void *user, const struct aw_submission *pull),
                       void *user)
{
    for (struct aw_list *at = parking->_gentle.next; at != &parking->_gentle; at = at->next) {
        struct aw_submission *pull = AW_CONTAINER(at, struct aw_submission, park.gentle_link);

        if (serves(&pull->park, lane) && may(user, pull))
            return pull;
    }
    return NULL;
}

void
aw_parking_set_full(struct aw_parking *parking, struct aw_slice agent, uint16_t full)
{
    struct aw_list *list = agent_list(parking, agent);
    bool            has_more = false;

    for (struct aw_list *at = list->next; at != list; at = at->next) {
        struct aw_park *park = AW_CONTAINER(at, struct aw_park, agent_link);

        if (!aw_slice_eq(park->agent, agent))
            continue;
        if ((park->full & ~full) != 0) {
            has_more = true;
            if (aw_list_is_empty(&park->freed_link)) /* else it is still to be looked for */
                aw_list_push_back(&parking->_freed, &park->freed_link);
        }
        park->full = full;
    }
    parking->_news += has_more;
}

struct aw_submission *
aw_parking_take_freed(struct aw_parking *parking)
{
    struct aw_list *link = aw_list_first(&parking->_freed);

    if (link == NULL)
        return NULL;
    aw_list_remove(link);
    return AW_CONTAINER(link, struct aw_submission, park.freed_link);
}

bool
aw_parking_has_freed(const struct aw_parking *parking)
{
    return !aw_list_is_empty(&parking->_freed);
}

struct aw_submission *
aw_parking_next_of(struct aw_parking *parking, struct aw_slice agent, const struct aw_submission *behind)
{
    struct aw_list *list = agent_list(parking, agent);
    struct aw_list *at = behind == NULL ? list->next : behind->park.agent_link.next;

    for (; at != list; at = at->next) {
        struct aw_submission *pull = AW_CONTAINER(at, struct aw_submission, park.agent_link);

        if (aw_slice_eq(pull->park.agent, agent))
            return pull;
    }
    return NULL;
}

struct aw_submission *
aw_parking_next_agent(struct aw_parking *parking, uint32_t bucket, const struct aw_submission *behind)
{
    struct aw_list *list = &parking->_agents[bucket];

    AW_ASSERT(bucket < AW_PARK_AGENT_BUCKETS);
    for (struct aw_list *at = behind == NULL ? list->next : behind->park.agent_link.next; at != list; at = at->next) {
        struct aw_park       *park = AW_CONTAINER(at, struct aw_park, agent_link);
        struct aw_submission *pull = AW_CONTAINER(park, struct aw_submission, park);

        if (aw_parking_next_of(parking, park->agent, NULL) == pull)
            return pull;
    }
    return NULL;
}

void
aw_parking_wake_for(struct aw_parking *parking, struct aw_submission *pull, uint32_t slot)
{
    aw_parking_remove(parking, pull);
    pull->park.end = AW_PARK_WOKEN;
    pull->park.offered_slot = slot;
}

uint32_t
aw_parking_came_back(struct aw_parking *parking, uint32_t *woken_lane)
{
    uint32_t lane = *woken_lane;

    if (lane == AW_LANE_NONE)
        return lane;
    AW_ASSERT(parking->_on_way[lane] > 0);
    parking->_on_way[lane]--;
    *woken_lane = AW_LANE_NONE;
    return lane;
}

uint32_t
aw_parking_on_way(const struct aw_parking *parking, uint32_t lane)
{
    return parking->_on_way[lane];
}

uint64_t
aw_parking_count(const struct aw_parking *parking)
{
    return parking->_count;
}

uint64_t
aw_parking_streams(const struct aw_parking *parking)
{
    return parking->_streams;
}

struct aw_submission *
aw_parking_take_any(struct aw_parking *parking)
{
    struct aw_park_node *node = node_of(aw_list_first(&parking->_all));

    for (uint32_t lane = 0; node == NULL && lane < parking->_lanes_max; lane++)
        node = node_of(aw_list_first(&parking->_lanes[lane]));
    if (node == NULL)
        return NULL;
    aw_parking_remove(parking, node->pull);
    return node->pull;
}
