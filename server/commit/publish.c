/* publish.c - what the world may see now that it is durable: tickets in lanes, woken pulls, answers to queries. */
#include "commit/parts.h"

static const struct aw_park_shelves all_shelves = {.of = {UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX}};

/* Adds this shelf to those of each `wanted` class of which it has tickets. */
static void
find_classes(struct aw_committer *c, uint32_t lane, uint32_t shelf, const struct aw_park_shelves *wanted,
             struct aw_park_shelves *found)
{
    unsigned queues = aw_lanes_queues(c->config.lanes, lane, shelf);

    /* Not by age or window: what waits there alone is being leased out of its class's queue. */
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        struct aw_head head;

        /* A stale head after a bounded search may hide a ticket behind it: say yes, and the pull drops the rest. */
        if ((queues & (1U << i)) != 0 && (wanted->of[i] >> shelf & 1) != 0 &&
            aw_lanes_peek(c->config.lanes, lane, shelf, i, &head))
            found->of[i] |= (uint16_t)(1U << shelf);
    }
}

/* Those of the `wanted` shelves on which this lane has tickets to give out. */
static struct aw_park_shelves
shelves_with_ticket(struct aw_committer *c, uint32_t lane, const struct aw_park_shelves *wanted)
{
    struct aw_park_shelves found = {.of = {0}};

    if (!aw_lanes_directory_gives(c->config.directory, lane))
        return found;
    for (unsigned left = aw_lanes_shelves(c->config.lanes); left != 0; left &= left - 1)
        find_classes(c, lane, (uint32_t)__builtin_ctz(left), wanted, &found);
    return found;
}

/* Whom it woke; NULL when nobody waits for one of these shelves of this lane. */
static const struct aw_submission *
wake_one(struct aw_committer *c, uint32_t lane, const struct aw_park_shelves *shelves)
{
    struct aw_submission *pull = aw_park_shelves_any(shelves) ? aw_parking_wake(&c->parking, lane, shelves) : NULL;

    if (pull != NULL)
        aw_committer_give_back(c, pull);
    return pull;
}

void
aw_publish_look_at(struct aw_committer *c, uint32_t lane)
{
    if (lane != AW_LANE_NONE && aw_parking_count(&c->parking) > 0) {
        struct aw_park_shelves shelves = shelves_with_ticket(c, lane, &all_shelves);

        (void)wake_one(c, lane, &shelves); /* nobody there is fine */
    }
}

static void
show(struct aw_committer *c, const struct aw_event *event)
{
    aw_lanes_show_window(c->config.lanes, event->slot, event->class_, event->reply_by, event->closing);
    aw_lanes_show_shelf(c->config.lanes, event->slot, event->shelf);
    aw_lanes_show(c->config.lanes, event->slot, event->version, event->age);
}

/* For the ticket of this event, which lies in a queue of this lane. */
static void
wake_for(struct aw_committer *c, uint32_t lane, const struct aw_event *event)
{
    struct aw_park_shelves shelves = {.of = {0}};

    shelves.of[event->class_] = (uint16_t)(1U << event->shelf);
    if (aw_parking_count(&c->parking) > 0 && aw_lanes_directory_gives(c->config.directory, lane))
        (void)wake_one(c, lane, &shelves); /* nobody there is fine */
}

/* Room was taken at admission, always; what comes back instead of being new uses the reserve, sized for all leases at once. */
static void
push(struct aw_committer *c, const struct aw_event *event, uint32_t lane)
{
    if (aw_lanes_push(c->config.lanes, lane, event->class_, event->key, event->slot, event->version) != AW_OK)
        AW_UNREACHABLE();
}

static void
queue(struct aw_committer *c, const struct aw_event *event)
{
    show(c, event);
    push(c, event, event->lane);
    wake_for(c, event->lane, event);
}

/* What was taken elsewhere stays in the queues of a helping lane until somebody meets it there. Nobody may pull there for days, so
 * who pushes looks: each time up to 64 in a row go. */
static void
drop_stale(struct aw_committer *c, uint32_t lane, uint32_t shelf)
{
    for (unsigned queues = aw_lanes_queues(c->config.lanes, lane, shelf); queues != 0; queues &= queues - 1) {
        struct aw_head head;

        if (!aw_lanes_peek(c->config.lanes, lane, shelf, (unsigned)__builtin_ctz(queues), &head))
            continue; /* either is fine: what counts is what was dropped on the way */
    }
}

static void
queue_with_helpers(struct aw_committer *c, const struct aw_event *event)
{
    for (unsigned i = 0; i < event->other_count; i++) {
        uint32_t lane = event->others[i].lane;

        drop_stale(c, lane, aw_lanes_shown_shelf(c->config.lanes, event->slot));
        push(c, event, lane);
        wake_for(c, lane, event);
    }
}

/* To the shelf that its channel has got since it was queued: all that it has in queues, also of lanes that help. */
static void
move(struct aw_committer *c, const struct aw_ticket_view *ticket)
{
    const struct aw_event event = {
        .slot = ticket->ticket.slot, .version = ticket->version, .class_ = ticket->class_, .key = ticket->key};

    aw_lanes_begin_move(c->config.lanes, event.slot, ticket->shelf);
    push(c, &event, ticket->lane);
    for (uint32_t i = 0; i < ticket->help.count; i++)
        push(c, &event, ticket->help.by[i].lane);
    aw_lanes_end_move(c->config.lanes, event.slot);
}

/* Whether it waits, or some entries of it do, where its channel had no shelf yet. */
static bool
must_move(const struct aw_committer *c, uint32_t slot, struct aw_ticket_view *ret_ticket)
{
    return aw_state_ticket_at(c->config.state, slot, ret_ticket) && ret_ticket->state == AW_TICKET_WAITING &&
           !ret_ticket->is_aside && ret_ticket->shelf != 0 &&
           (aw_lanes_shown_shelf(c->config.lanes, slot) == 0 || aw_lanes_is_moving(c->config.lanes, slot));
}

/* What was in hand has its room, but not what it has in queues besides: true when that has room as well. */
static bool
has_room_to_move(struct aw_committer *c, const struct aw_ticket_view *ticket)
{
    uint32_t others = ticket->help.count;

    if (others > 0 && c->admission.pushes < c->lanes_reserve + others)
        return false;
    c->admission.pushes -= others;
    return true;
}

static void
put_back(struct aw_committer *c, const struct aw_event *event)
{
    struct aw_ticket_view ticket;
    bool                  must = must_move(c, event->slot, &ticket) && ticket.version == event->version;
    bool                  moves = must && has_room_to_move(c, &ticket);

    /* Nobody is to take it from there in vain again. Short of room, what was in hand goes to the new shelf by itself, and so will
     * what else is taken in vain: the move is ended when aw_publish_shelve comes to this slot, which lies before it. */
    if (moves)
        move(c, &ticket);
    else if (must)
        aw_lanes_begin_move(c->config.lanes, event->slot, ticket.shelf);
    for (unsigned i = 0; i < event->other_count; i++) {
        const struct aw_lane_queues *to = &event->others[i];

        if (!moves && aw_lanes_push_back(c->config.lanes, to->lane, to->queues, event->key, event->slot, event->version) != AW_OK)
            AW_UNREACHABLE();
        wake_for(c, to->lane, event);
    }
}

/* A lane that was opened may have as many tickets as there are pulls. Waking them one after the other, each when the one before has
 * come back, would take a flush for each; the count may be too high, and who finds nothing keeps its place. */
static void
wake_all(struct aw_committer *c, uint32_t lane)
{
    struct aw_park_shelves shelves = {.of = {0}};
    uint64_t               waiting = 0;

    if (aw_parking_count(&c->parking) > 0)
        shelves = shelves_with_ticket(c, lane, &all_shelves);
    if (!aw_park_shelves_any(&shelves))
        return;
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        struct aw_lanes_count count;

        aw_lanes_count(c->config.lanes, lane, (enum aw_class)i, &count);
        waiting += count.waiting;
    }
    while (waiting-- > 0 && wake_one(c, lane, &shelves) != NULL)
        ;
}

static void
publish_lane(struct aw_committer *c, uint32_t lane)
{
    struct aw_slice       values[4 * AW_LANE_MATCH_MAX];
    struct aw_lane_answer answer;

    aw_state_lane(c->config.state, lane, values, &answer);
    if (lane == aw_lanes_directory_count(c->config.directory))
        aw_lanes_directory_add(c->config.directory, lane, answer.name, answer.pause);
    else
        aw_lanes_directory_set_pause(c->config.directory, lane, answer.pause);
    wake_all(c, lane);
    aw_side_offer_lane(c, lane);
}

static void
tell_asides(struct aw_committer *c)
{
    uint32_t all = aw_state_aside_count(c->config.state);
    uint32_t others = aw_state_aside_count_for(c->config.state, 0);

    aw_lanes_directory_set_asides(c->config.directory, others, all - others);
}

static void
tell_watches(struct aw_committer *c)
{
    uint64_t published = aw_lanes_published(c->config.lanes);

    for (struct aw_list *at = c->watches.next, *next; at != &c->watches; at = next) {
        struct aw_submission *watch = AW_CONTAINER(at, struct aw_submission, link);

        next = at->next;
        if (watch->seen_seq >= published)
            continue;
        aw_list_remove(at);
        aw_committer_give_back(c, watch);
    }
}

void
aw_publish_watch(struct aw_committer *c, struct aw_submission *watch)
{
    watch->err = c->role == AW_ROLE_BROKEN ? AW_E_STORE_BROKEN : AW_OK;
    if (watch->err != AW_OK || watch->seen_seq < aw_lanes_published(c->config.lanes))
        aw_committer_give_back(c, watch);
    else
        aw_list_push_back(&c->watches, &watch->link);
}

/* All who follow the surge know the same one: whoever is told another one is off the list. */
static void
tell_surge(struct aw_committer *c)
{
    struct aw_list *at;

    while ((at = aw_list_first(&c->followers)) != NULL) {
        struct aw_submission *follower = AW_CONTAINER(at, struct aw_submission, link);

        if (follower->seen_seq == aw_state_surge_version(c->config.state))
            return;
        aw_list_remove(at);
        aw_state_surge(c->config.state, follower->surge);
        aw_committer_give_back(c, follower);
    }
}

void
aw_publish_follow(struct aw_committer *c, struct aw_submission *follower)
{
    follower->err = c->role == AW_ROLE_BROKEN ? AW_E_STORE_BROKEN : AW_OK;
    if (follower->err == AW_OK && follower->seen_seq == aw_state_surge_version(c->config.state)) {
        aw_list_push_back(&c->followers, &follower->link);
        return;
    }
    if (follower->err == AW_OK)
        aw_state_surge(c->config.state, follower->surge);
    aw_committer_give_back(c, follower);
}

void
aw_publish_events(struct aw_committer *c)
{
    for (uint32_t i = 0; i < c->event_count; i++) {
        const struct aw_event *event = &c->events[i];

        switch (event->kind) {
        case AW_EVENT_NONE:
            break;
        case AW_EVENT_QUEUED:
            queue(c, event);
            break;
        case AW_EVENT_HELPED:
            queue_with_helpers(c, event);
            break;
        case AW_EVENT_BACK:
            put_back(c, event);
            break;
        case AW_EVENT_HIDDEN:
            show(c, event);
            break;
        case AW_EVENT_ASIDE:
            show(c, event);
            tell_asides(c); /* who is woken asks */
            aw_side_offer(c, event->slot);
            break;
        case AW_EVENT_LANE:
            publish_lane(c, event->lane);
            break;
        case AW_EVENT_AGENT:
            aw_agents_publish(c, event);
            break;
        }
    }
    c->event_count = 0;
    if (c->shelves != aw_state_shelves(c->config.state)) {
        c->shelves = aw_state_shelves(c->config.state);
        c->shelving = 1;
    }
    aw_agents_publish_units(c);
    tell_asides(c);
    aw_lanes_set_published(c->config.lanes, aw_state_seq(c->config.state));
    tell_watches(c);
    tell_surge(c);
}

/* Wakes somebody for what `pull` may take of this lane; whether that is `pull` itself. */
static bool
wakes(struct aw_committer *c, const struct aw_submission *pull, uint32_t lane)
{
    struct aw_park_shelves wanted = aw_park_may_take(&pull->park, &all_shelves);
    struct aw_park_shelves shelves = shelves_with_ticket(c, lane, &wanted);

    return wake_one(c, lane, &shelves) == pull;
}

/* Wakes somebody for each lane of `pull` that has a ticket for it, until `pull` itself is woken. All of its lanes count, not only
 * the first with a ticket: there somebody may wait who serves no other, and is woken before it. */
static void
look_for(struct aw_committer *c, const struct aw_submission *pull)
{
    const struct aw_park *park = &pull->park;
    uint32_t              count = aw_lanes_directory_count(c->config.directory);

    if (park->lanes == NULL) {
        for (uint32_t lane = aw_lanes_find_any(c->config.lanes, 0); lane < count;
             lane = aw_lanes_find_any(c->config.lanes, lane + 1)) {
            if (wakes(c, pull, lane))
                return;
        }
        return;
    }
    for (uint32_t i = 0; i < park->lane_count; i++) {
        if (wakes(c, pull, park->lanes[i]))
            return;
    }
}

/* Pulls that one step looks for: each may mean a look at a thousand lanes. */
#define FREED_PER_STEP 64U

size_t
aw_publish_look_for_freed(struct aw_committer *c)
{
    struct aw_submission *pull;
    size_t                looked = 0;

    while (looked < FREED_PER_STEP && (pull = aw_parking_take_freed(&c->parking)) != NULL) {
        look_for(c, pull);
        if (pull->park.parked)
            aw_side_look_for(c, pull);
        looked++;
    }
    return looked;
}

void
aw_publish_park(struct aw_committer *c, struct aw_submission *pull)
{
    uint32_t woken_for = aw_parking_came_back(&c->parking, &pull->park.woken_lane);
    uint32_t agent;

    aw_side_came_back(c, &pull->park);
    if (pull->park.leaving || c->role == AW_ROLE_BROKEN) {
        pull->err = c->role == AW_ROLE_BROKEN ? AW_E_STORE_BROKEN : AW_OK;
        pull->park.end = AW_PARK_CANCELLED;
        aw_committer_give_back(c, pull);
        aw_publish_look_at(c, woken_for);
        return;
    }
    pull->err = AW_OK;
    if (aw_agents_went_by_old(c, &pull->park)) {
        pull->park.end = AW_PARK_AGAIN;
        aw_committer_give_back(c, pull);
        aw_publish_look_at(c, woken_for);
        return;
    }
    if (aw_state_pull_runs(c->config.state, &pull->park.key)) {
        pull->park.end = AW_PARK_WOKEN; /* another pull with its key was faster: there are leases to be told */
        aw_committer_give_back(c, pull);
        aw_publish_look_at(c, woken_for);
        return;
    }
    agent = aw_state_find_agent(c->config.state, pull->park.agent);
    aw_present_note(&c->present, agent, pull->park.lanes, pull->park.lane_count, c->now);
    if (!aw_streams_may_park(c, &pull->park, agent)) {
        aw_committer_give_back(c, pull);
        aw_publish_look_at(c, woken_for);
        return;
    }
    pull->park.is_gentle = aw_state_agent_is_gentle(c->config.state, agent);
    pull->park.barred = aw_state_agent_barred(c->config.state, agent);
    pull->park.full = aw_streams_full(c, &pull->park, agent);
    aw_parking_add(&c->parking, pull);
    /* Looking after it is registered closes the gap: what was published before is seen here, what comes later wakes it. */
    look_for(c, pull);
    if (pull->park.parked)
        aw_side_look_for(c, pull);
    /* What it was woken for it may be unable to take by now: its units are taken, or its agent serves other lanes. Others may. */
    aw_publish_look_at(c, woken_for);
}

void
aw_publish_leased(struct aw_committer *c, const struct aw_pull_key *key)
{
    struct aw_submission *pull;

    while (key->key != 0 && (pull = aw_parking_wake_key(&c->parking, key)) != NULL)
        aw_committer_give_back(c, pull);
}

static void
cancel_pull(struct aw_committer *c, struct aw_submission *pull)
{
    /* Only `parked`, which no io thread writes after the first push, tells whether it is still here. */
    if (!pull->park.parked)
        return;
    aw_parking_remove(&c->parking, pull);
    pull->park.end = AW_PARK_CANCELLED;
    aw_committer_give_back(c, pull);
}

static void
cancel_listed(struct aw_committer *c, struct aw_submission *query)
{
    /* As `parked`: a link that is in none of our queues is left alone by the io thread. */
    if (aw_list_is_empty(&query->link))
        return;
    aw_list_remove(&query->link);
    query->err = AW_E_CLOSED;
    aw_committer_give_back(c, query);
}

void
aw_publish_cancel(struct aw_committer *c, struct aw_submission *cancel)
{
    /* The target may be on its way back to the io thread, which then owns it. */
    if (cancel->target->kind != AW_SUBMIT_PARK)
        cancel_listed(c, cancel->target);
    else
        cancel_pull(c, cancel->target);
    aw_committer_give_back(c, cancel);
}

/* The texts of one list move to `texts`; returns how many bytes are used now. */
static size_t
copy_list(struct aw_slice *values, uint32_t count, char *texts, size_t used)
{
    for (uint32_t i = 0; i < count; i++) {
        AW_ASSERT(used + values[i].len <= AW_LANE_TEXTS_BYTES);
        memcpy(texts + used, values[i].ptr, values[i].len);
        values[i].ptr = texts + used;
        used += values[i].len;
    }
    return used;
}

/* The lane may change while its answer is written, so the answer gets texts of its own. Each list has its place in `values`. */
static void
copy_texts(const struct aw_lane_match *match, struct aw_slice *values, char *texts)
{
    size_t used = copy_list(values, match->lang_count, texts, 0);

    AW_IMPLIES(match->channel_count > 0, match->channels == values + AW_LANE_MATCH_MAX);
    AW_IMPLIES(match->tag_count > 0, match->tags == values + 3 * AW_LANE_MATCH_MAX);
    used = copy_list(values + AW_LANE_MATCH_MAX, match->channel_count, texts, used);
    used = copy_list(values + 2 * AW_LANE_MATCH_MAX, match->account_count, texts, used);
    (void)copy_list(values + 3 * AW_LANE_MATCH_MAX, match->tag_count, texts, used);
}

static void
answer_lanes(struct aw_committer *c, struct aw_query *query)
{
    uint32_t total = aw_state_lane_count(c->config.state);
    uint32_t first = query->skip;

    if (query->kind == AW_QUERY_LANE) {
        query->err = aw_state_find_lane(c->config.state, query->name, &first);
        if (query->err != AW_OK)
            return;
        total = first + 1;
    }
    for (uint32_t lane = first; lane < total && query->count < query->room; lane++) {
        struct aw_slice *values = query->values + (size_t)query->count * 4 * AW_LANE_MATCH_MAX;

        aw_state_lane(c->config.state, lane, values, &query->lanes[query->count]);
        copy_texts(&query->lanes[query->count].match, values, query->texts + (size_t)query->count * AW_LANE_TEXTS_BYTES);
        query->count++;
    }
}

/* long: a case for each kind */
static void
answer(struct aw_committer *c, struct aw_query *query, aw_ms now)
{
    query->err = AW_OK;
    query->count = 0;
    query->now = now;
    switch (query->kind) {
    case AW_QUERY_TICKET:
    case AW_QUERY_AHEAD:
        query->err = aw_state_ticket(c->config.state, query->ticket, &query->views[0]);
        query->count = query->err == AW_OK;
        if (query->settings != NULL)
            *query->settings = *aw_state_settings(c->config.state);
        if (query->replies != NULL)
            query->reply_count = aw_state_replies_of(c->config.state, query->ticket.seq, query->replies, AW_REPLIES_SHOWN_MAX);
        return;
    case AW_QUERY_SEARCH:
        query->err = aw_search_begin(c->config.state, query->search);
        return;
    case AW_QUERY_LEASES_OF:
        query->count = aw_state_leases_of(c->config.state, query->name, query->above_fence, query->views, query->room);
        return;
    case AW_QUERY_STREAM:
        aw_streams_answer(c, query);
        return;
    case AW_QUERY_PULL:
        query->err =
            aw_state_leases_of_pull(c->config.state, query->name, &query->pull_key, query->views, query->room, &query->count);
        return;
    case AW_QUERY_LANES:
    case AW_QUERY_LANE:
        answer_lanes(c, query);
        return;
    case AW_QUERY_FLIGHT:
        query->err = aw_state_flight(c->config.state, query->flight_hash, query->flights);
        return;
    case AW_QUERY_FLIGHTS:
        query->count = aw_state_flights(c->config.state, query->skip, query->flights, query->room, &query->next);
        return;
    case AW_QUERY_AIRPORT:
        query->err = aw_state_airport(c->config.state, query->airport, query->airports);
        return;
    case AW_QUERY_AIRPORTS:
        query->count = aw_state_airports(c->config.state, query->skip, query->airports, query->room, &query->next);
        return;
    case AW_QUERY_INCIDENT:
        query->err = aw_state_incident(c->config.state, query->incident, query->incidents);
        return;
    case AW_QUERY_INCIDENT_TRY:
        query->err = aw_incident_try_begin(c->config.state, query->try_);
        return;
    case AW_QUERY_INCIDENTS:
        query->count =
            aw_state_incidents(c->config.state, query->incident_state, query->skip, query->incidents, query->room, &query->next);
        return;
    case AW_QUERY_AGENT:
    case AW_QUERY_AGENTS:
        aw_agents_answer(c, query);
        return;
    case AW_QUERY_REPLIES:
        aw_reply_search_begin(query->reply_search);
        return;
    case AW_QUERY_REPLY:
    case AW_QUERY_SEEN:
    case AW_QUERY_CHANNEL:
    case AW_QUERY_TEMPLATE:
    case AW_QUERY_TEXTS:
        aw_outbox_answer(c, query);
        return;
    case AW_QUERY_SURGE:
        aw_state_surge(c->config.state, query->surge);
        return;
    case AW_QUERY_MESSAGES:
        for (; query->count < query->room; query->count++)
            query->messages[query->count].err =
                aw_state_message(c->config.state, query->messages[query->count].seq, query->messages[query->count].ticket,
                                 &query->messages[query->count].withdrawn_at);
        return;
    case AW_QUERY_CONTACT:
        query->contact->now = aw_state_contact(c->config.state, query->contact->hash);
        return;
    case AW_QUERY_SOURCES:
        for (; query->count < query->room; query->count++)
            query->seen[query->count] = aw_state_find_message(c->config.state, query->source_ids[query->count]);
        return;
    case AW_QUERY_DUE:
        query->count = aw_state_commitments(c->config.state, query->due, query->views, query->room);
        return;
    case AW_QUERY_CENSUS:
    case AW_QUERY_WHO:
    case AW_QUERY_TOLD:
        aw_forecast_answer(c, query, now);
        return;
    case AW_QUERY_COUNTS:
        aw_state_counts(c->config.state, query->counts);
        return;
    case AW_QUERY_DAY:
        query->err = aw_state_agent_day(c->config.state, query->name, now, &query->days->own);
        query->days->team = aw_state_day(c->config.state, now);
        return;
    }
    AW_UNREACHABLE();
}

/* Slots that one step of a look passes: 0.1 ms or so, as other work waits meanwhile. */
#define LOOK_SLOTS 4096U

/* True: it goes on in steps. */
static bool
begin_look(struct aw_committer *c, struct aw_query *query)
{
    struct aw_slice       values[4 * AW_LANE_MATCH_MAX];
    struct aw_lane_answer lane;

    if (query->kind == AW_QUERY_SEARCH || query->kind == AW_QUERY_REPLIES || query->kind == AW_QUERY_INCIDENT_TRY)
        return query->err == AW_OK;
    if (query->kind != AW_QUERY_AHEAD || query->err != AW_OK || query->views[0].state != AW_TICKET_WAITING)
        return false;
    aw_state_lane(c->config.state, query->views[0].lane, values, &lane);
    query->is_paused = lane.pause == AW_LANE_PAUSED_OUT || lane.pause == AW_LANE_PAUSED_BOTH;
    aw_ahead_begin(c->config.state, query->ahead, &query->views[0]);
    return true;
}

/* True: it is through. */
static bool
step_look(struct aw_committer *c, struct aw_query *query)
{
    if (query->kind == AW_QUERY_AHEAD)
        return aw_ahead_step(c->config.state, query->ahead, LOOK_SLOTS);
    if (query->kind == AW_QUERY_REPLIES)
        return aw_reply_search_step(c->config.state, query->reply_search, LOOK_SLOTS);
    if (query->kind == AW_QUERY_INCIDENT_TRY) {
        bool is_through = aw_incident_try_step(c->config.state, query->try_, LOOK_SLOTS);

        query->err = query->try_->is_gone ? AW_E_NOT_FOUND : AW_OK;
        return is_through;
    }
    if (!aw_search_step(c->config.state, query->search, LOOK_SLOTS))
        return false;
    query->now = c->now;
    query->count = query->views == NULL ? 0 : aw_search_views(c->config.state, query->search, query->views);
    return true;
}

/* A look has at most a quarter of the committer's time: while it rests, the processor is there for who pulls and posts. */
#define LOOK_RESTS 3U

void
aw_publish_rest(struct aw_committer *c, aw_ns began)
{
    aw_ns now = c->config.mono();

    c->look_after = (c->look_after > now ? c->look_after : now) + LOOK_RESTS * (now - began);
}

size_t
aw_publish_looks(struct aw_committer *c)
{
    struct aw_list       *link = aw_list_first(&c->looks);
    struct aw_submission *submission;
    aw_ns                 began;
    bool                  is_through;

    if (link == NULL)
        return 0;
    submission = AW_CONTAINER(link, struct aw_submission, link);
    if (c->role == AW_ROLE_BROKEN) {
        submission->err = AW_E_STORE_BROKEN;
        is_through = true;
    } else {
        began = c->config.mono();
        if (began < c->look_after)
            return 0;
        is_through = step_look(c, submission->query);
        aw_publish_rest(c, began);
    }
    if (!is_through)
        return 1;
    aw_list_remove(link);
    aw_committer_give_back(c, submission);
    return 1;
}

size_t
aw_publish_queries(struct aw_committer *c, aw_ms now)
{
    struct aw_list *link;
    size_t          answered = 0;

    while ((link = aw_list_first(&c->queries)) != NULL) {
        struct aw_submission *submission = AW_CONTAINER(link, struct aw_submission, link);

        aw_list_remove(link);
        submission->err = c->role == AW_ROLE_BROKEN ? AW_E_STORE_BROKEN : AW_OK;
        if (submission->err == AW_OK)
            answer(c, submission->query, now);
        if (submission->err == AW_OK && begin_look(c, submission->query))
            aw_list_push_back(&c->looks, &submission->link);
        else
            aw_committer_give_back(c, submission);
        answered++;
    }
    return answered;
}

/* --- shelves ---------------------------------------------------------------------------------------------------------------- */

/* What one step moves: a millisecond or so. */
#define SHELVE_MOVES_MAX 1024U

size_t
aw_publish_shelve(struct aw_committer *c)
{
    uint32_t slots = aw_state_ticket_slots(c->config.state);
    uint32_t slot = c->shelving;
    uint32_t moved = 0;

    c->is_shelving_short = false;
    if (slot == 0 || c->role == AW_ROLE_BROKEN)
        return 0;
    for (; slot < slots && slot < c->shelving + LOOK_SLOTS && moved < SHELVE_MOVES_MAX; slot++) {
        struct aw_ticket_view view;

        if (!must_move(c, slot, &view))
            continue;
        if (aw_lanes_room(c->config.lanes) <= c->lanes_reserve + view.help.count) {
            c->is_shelving_short = true; /* the queues have no room to spare: it goes on when some were emptied */
            break;
        }
        move(c, &view);
        moved++;
    }
    if (moved == 0 && c->is_shelving_short)
        return 0;
    c->shelving = slot < slots ? slot : 0;
    return 1;
}

/* --- a start ---------------------------------------------------------------------------------------------------------------- */

/* Tickets sorted at a time: 32 bytes each. */
#define LOAD_ENTRIES_MAX (1U << 20)

static enum aw_err
load_tickets(struct aw_committer *c, struct aw_lanes_load *load)
{
    uint32_t    slots = aw_state_ticket_slots(c->config.state);
    enum aw_err err = AW_OK;

    for (uint32_t slot = 0; err == AW_OK && slot < slots; slot++) {
        struct aw_ticket_view view;
        bool                  is_queued;

        if (!aw_state_ticket_at(c->config.state, slot, &view))
            continue;
        aw_lanes_show_window(c->config.lanes, slot, view.class_, view.reply_by, view.closing);
        aw_lanes_show_shelf(c->config.lanes, slot, view.shelf);
        aw_lanes_show(c->config.lanes, slot, view.version, view.age);
        is_queued = view.state == AW_TICKET_WAITING && !view.is_aside;
        if (is_queued)
            err = aw_lanes_load_add(load, view.lane, view.class_, view.key, slot, view.version);
        for (uint32_t i = 0; is_queued && err == AW_OK && i < view.help.count; i++)
            err = aw_lanes_load_add(load, view.help.by[i].lane, view.class_, view.key, slot, view.version);
    }
    return err == AW_OK ? aw_lanes_load_finish(load) : err;
}

enum aw_err
aw_publish_load(struct aw_committer *c, struct aw_why *why)
{
    uint32_t              lanes = aw_state_lane_count(c->config.state);
    struct aw_lanes_load *load;
    enum aw_err           err;

    for (uint32_t lane = aw_lanes_directory_count(c->config.directory); lane < lanes; lane++)
        publish_lane(c, lane);
    if (aw_agents_load(c) != AW_OK)
        return aw_why(why, AW_E_MEMORY, "no memory for what the agents are set to");
    err = aw_lanes_load_new(&load, c->config.lanes, LOAD_ENTRIES_MAX);
    if (err != AW_OK)
        return aw_why(why, err, "no memory to fill the queues");
    err = load_tickets(c, load);
    aw_lanes_load_free(&load);
    tell_asides(c);
    if (err != AW_OK)
        return aw_why(why, err, "the queues are too small for the tickets that wait (setting tickets-max)");
    c->shelves = aw_state_shelves(c->config.state);
    c->shelving = 0; /* all lie where they belong */
    aw_lanes_set_published(c->config.lanes, aw_state_seq(c->config.state));
    return AW_OK;
}
