/* side.c - tickets that not every agent may take now: the committer's side list, which is the state's own (ADR 0012). They lie in
 * no queue, so a pull does not see them; here a lease that is asked for is compared with the best of them that this agent may have,
 * before it is applied. So a pull overtakes none, whatever it saw, and one that saw nothing asks with an empty choice.
 *
 * A look goes over all that wait aside, at most asides-max: about 20 ns each. There are few: what an agent declines is aside for
 * minutes, and what is kept for one as well. Of those for agents marked gentle there may always be some: nobody else looks at these
 * alone.
 */
#include "commit/parts.h"

#include <string.h>

#define WORD_BITS 64U

/* The lanes of a pull as a set, while its tickets are looked for. */
static void
mark(struct aw_committer *c, const struct aw_park *pull)
{
    for (uint32_t i = 0; pull->lanes != NULL && i < pull->lane_count; i++)
        c->side_lanes[pull->lanes[i] / WORD_BITS] |= UINT64_C(1) << pull->lanes[i] % WORD_BITS;
}

static void
unmark(struct aw_committer *c, const struct aw_park *pull)
{
    for (uint32_t i = 0; pull->lanes != NULL && i < pull->lane_count; i++)
        c->side_lanes[pull->lanes[i] / WORD_BITS] = 0;
}

static bool
is_marked(const struct aw_committer *c, const struct aw_park *pull, uint32_t lane)
{
    return pull->lanes == NULL || (c->side_lanes[lane / WORD_BITS] >> lane % WORD_BITS & 1) != 0;
}

/* Through which lane this pull may be given the ticket: its own, or one that helps. AW_LANE_NONE: through none. Lanes are asked as
 * apply will see them: what gives way for it must not do so in vain. */
static uint32_t
lane_for(const struct aw_committer *c, const struct aw_park *pull, const struct aw_ticket_view *ticket)
{
    const struct aw_state *state = c->config.state;

    if (!aw_state_lane_gives(state, ticket->lane))
        return AW_LANE_NONE;
    if (is_marked(c, pull, ticket->lane))
        return ticket->lane;
    for (uint32_t i = 0; i < ticket->help.count; i++) {
        if (is_marked(c, pull, ticket->help.by[i].lane) && aw_state_lane_gives(state, ticket->help.by[i].lane))
            return ticket->help.by[i].lane;
    }
    return AW_LANE_NONE;
}

static struct aw_order_candidate
candidate(const struct aw_ticket_view *ticket)
{
    return (struct aw_order_candidate){.class_ = ticket->class_,
                                       .age = ticket->age,
                                       .departs_at = ticket->departs_at,
                                       .reply_by = ticket->reply_by,
                                       .id = ticket->ticket.slot};
}

static bool
is_before(const struct aw_park *pull, aw_ms at, const struct aw_ticket_view *a, const struct aw_ticket_view *b)
{
    const struct aw_order_candidate first = candidate(a), second = candidate(b);

    return aw_order_goes_before(pull->order, at, &first, &second);
}

struct aside {
    struct aw_ticket_view ticket;
    uint32_t              lane; /* through which the pull may have it */
};

/* The most urgent ticket aside that this pull may have. */
static bool
find(struct aw_committer *c, const struct aw_park *pull, aw_ms now, struct aside *ret_best)
{
    const struct aw_state *state = c->config.state;
    uint32_t               agent;
    bool                   any = false;

    if (aw_state_aside_count(state) == 0)
        return false;
    agent = aw_state_find_agent(state, pull->agent);
    if (aw_state_aside_count_for(state, agent) == 0)
        return false;
    mark(c, pull);
    for (uint32_t at = aw_state_next_aside(state, 0); at != 0; at = aw_state_next_aside(state, at)) {
        uint32_t     slot = aw_state_aside_ticket(state, at);
        struct aside aside;

        if (!aw_state_may_take(state, slot, agent) || !aw_state_ticket_at(state, slot, &aside.ticket))
            continue;
        aside.lane = lane_for(c, pull, &aside.ticket);
        if (aside.lane == AW_LANE_NONE)
            continue;
        if (!any || is_before(pull, now, &aside.ticket, &ret_best->ticket))
            *ret_best = aside;
        any = true;
    }
    unmark(c, pull);
    return any;
}

/* --- leases --------------------------------------------------------------------------------------------------------------- */

/* Before all choices of this pull that are not applied yet: each moves to the next place, and the last one goes back to its queue.
 * An empty choice takes what comes. */
static void
insert(struct aw_committer *c, struct aw_submission *submission, const struct aside *aside)
{
    struct aw_in_lease carried = submission->entries[submission->done].command.in.lease;

    carried.slot = aside->ticket.ticket.slot;
    carried.version = aside->ticket.version;
    carried.through = aside->lane + 1;
    carried.taken_count = 0;
    carried.choice.queue = AW_CHOICE_ASIDE;
    for (uint32_t i = submission->done; i < submission->count && carried.slot != 0; i++) {
        struct aw_in_lease *lease = &submission->entries[i].command.in.lease;
        struct aw_in_lease  old = *lease;

        *lease = carried;
        carried = old;
    }
    if (aw_group_put_back(c, &carried))
        submission->entries[submission->done].command.in.lease.choice.back_slot = carried.slot;
}

void
aw_side_choose(struct aw_committer *c, struct aw_submission *submission)
{
    const struct aw_in_lease *lease = &submission->entries[submission->done].command.in.lease;
    aw_ms                     at = lease->choice.at != 0 ? lease->choice.at : c->now;
    struct aside              best;
    struct aw_ticket_view     chosen;

    if (submission->pull == NULL || submission->none_aside)
        return;
    if (lease->slot == 0 && c->is_shut)
        return; /* nothing is given out beyond what was in hand */
    if (!find(c, submission->pull, at, &best)) {
        submission->none_aside = true; /* what comes aside later was not there when this pull began */
        return;
    }
    if (best.ticket.ticket.slot == lease->slot && best.ticket.version == lease->version)
        return;
    /* A choice that is stale says nothing of what else lies in the queues: it is refused, and the pull looks again. */
    if (lease->slot == 0 || (aw_state_ticket_at(c->config.state, lease->slot, &chosen) && chosen.version == lease->version &&
                             is_before(submission->pull, at, &best.ticket, &chosen)))
        insert(c, submission, &best);
}

/* --- waiting pulls -------------------------------------------------------------------------------------------------------- */

static void
wake(struct aw_committer *c, struct aw_submission *pull, uint32_t slot)
{
    aw_parking_wake_for(&c->parking, pull, slot);
    aw_committer_give_back(c, pull);
}

struct offer {
    const struct aw_state *state;
    uint32_t               slot;
};

static bool
may_take(void *user, const struct aw_submission *pull)
{
    const struct offer *offer = user;

    return !aw_park_is_full(&pull->park) &&
           aw_state_may_take(offer->state, offer->slot, aw_state_find_agent(offer->state, pull->park.agent));
}

/* The one that waits longest of all that serve the ticket's lane or one that helps it, and may take it. */
static struct aw_submission *
find_pull(struct aw_committer *c, const struct aw_ticket_view *ticket)
{
    struct offer          offer = {.state = c->config.state, .slot = ticket->ticket.slot};
    struct aw_slice       agent = aw_state_kept_for(c->config.state, offer.slot);
    struct aw_submission *first = NULL;

    /* Without a unit: two pulls of that agent would be woken in turn for ever. It is looked for when it has one. */
    if (agent.len > 0 && !aw_state_may_take(c->config.state, offer.slot, aw_state_find_agent(c->config.state, agent)))
        return NULL;
    for (uint32_t i = 0; i <= ticket->help.count; i++) {
        uint32_t              lane = i == 0 ? ticket->lane : ticket->help.by[i - 1].lane;
        struct aw_submission *pull;

        if (!aw_lanes_directory_gives(c->config.directory, lane))
            continue;
        if (agent.len > 0)
            pull = aw_parking_find_agent(&c->parking, lane, agent);
        else if (aw_state_is_for_gentle(c->config.state, offer.slot))
            pull = aw_parking_find_gentle(&c->parking, lane, may_take, &offer);
        else
            pull = aw_parking_find(&c->parking, lane, may_take, &offer);
        if (pull != NULL && (first == NULL || pull->park.number < first->park.number))
            first = pull;
    }
    return first;
}

void
aw_side_offer(struct aw_committer *c, uint32_t slot)
{
    struct aw_ticket_view view;
    struct aw_submission *pull;

    if (aw_parking_count(&c->parking) == 0 || !aw_state_ticket_at(c->config.state, slot, &view) ||
        view.state != AW_TICKET_WAITING || !view.is_aside || !aw_lanes_directory_gives(c->config.directory, view.lane))
        return;
    pull = find_pull(c, &view);
    if (pull != NULL)
        wake(c, pull, slot);
}

/* Of what waits aside, that one step looks at: each may mean a look at all pulls that wait. */
#define OFFERS_PER_STEP 64U

void
aw_side_offer_lane(struct aw_committer *c, uint32_t lane)
{
    c->offer_lanes[lane / WORD_BITS] |= UINT64_C(1) << lane % WORD_BITS;
    c->is_offering = true;
    c->offered = 0; /* from the first: those before were of other lanes */
}

/* Whether a lane that it waits in was opened. */
static bool
is_offered(const struct aw_committer *c, const struct aw_ticket_view *ticket)
{
    bool is = (c->offer_lanes[ticket->lane / WORD_BITS] >> ticket->lane % WORD_BITS & 1) != 0;

    for (uint32_t i = 0; i < ticket->help.count; i++)
        is |= (c->offer_lanes[ticket->help.by[i].lane / WORD_BITS] >> ticket->help.by[i].lane % WORD_BITS & 1) != 0;
    return is;
}

size_t
aw_side_offer_some(struct aw_committer *c)
{
    const struct aw_state *state = c->config.state;
    uint32_t               at = c->offered;

    if (!c->is_offering)
        return 0;
    for (unsigned i = 0; i < OFFERS_PER_STEP && aw_parking_count(&c->parking) > 0; i++) {
        struct aw_ticket_view view;

        at = aw_state_next_aside(state, at);
        if (at == 0)
            break;
        c->offered = at;
        if (aw_state_ticket_at(state, aw_state_aside_ticket(state, at), &view) && is_offered(c, &view))
            aw_side_offer(c, view.ticket.slot);
    }
    if (at != 0 && aw_parking_count(&c->parking) > 0)
        return 1;
    c->is_offering = false; /* who parks later looks for itself */
    memset(c->offer_lanes, 0, (c->config.lanes_max / WORD_BITS + 1) * sizeof(c->offer_lanes[0]));
    return 1;
}

void
aw_side_came_back(struct aw_committer *c, struct aw_park *pull)
{
    uint32_t slot = pull->offered_slot;

    pull->offered_slot = 0;
    if (slot != 0)
        aw_side_offer(c, slot); /* if it still waits, for somebody else */
}

void
aw_side_look_for(struct aw_committer *c, struct aw_submission *pull)
{
    struct aside best;

    /* A stream whose own units are taken would be woken in vain for ever. */
    if (!aw_park_is_full(&pull->park) && find(c, &pull->park, c->now, &best))
        wake(c, pull, best.ticket.ticket.slot);
}
