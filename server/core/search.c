/* search.c - see search.h. */
#include "core/search.h"

#include "core/incident.h"
#include "core/layout.h"

enum aw_err
aw_search_begin(const struct aw_state *state, struct aw_search *search)
{
    const struct aw_search_filter *filter = &search->filter;

    AW_ASSERT(search->room > 0);
    search->count = 0;
    search->total = 0;
    search->_behind = 0;
    search->has_more = false;
    search->in_one_step = true;
    search->_is_none = false;
    search->_next = search->order == AW_SEARCH_BY_SLOT ? search->after.slot + 1 : 1;
    search->_channel = aw_state_find_channel(state, filter->channel);
    search->_agent = aw_state_find_agent(state, filter->agent);
    if (search->opened_until == 0)
        search->opened_until = aw_state_seq(state);
    if (filter->channel.len > 0 && search->_channel == 0) {
        if (aw_state_channel_count(state) >= AW_CHANNELS_TOLD_MAX)
            return AW_E_BAD_VALUE;
        search->_is_none = true; /* the first ticket that came by it would have given it its number */
    }
    if (filter->agent.len > 0 && search->_agent == 0)
        search->_is_none = true;
    return AW_OK;
}

/* --- whether a ticket fits ------------------------------------------------------------------------------------------------- */

static bool
is_set(struct aw_airport_code code)
{
    return code.letters[0] != '\0';
}

static bool
is_same(struct aw_airport_code a, struct aw_airport_code b)
{
    return memcmp(a.letters, b.letters, sizeof(a.letters)) == 0;
}

/* Whether it is about the flight, the airport and the booking asked for; adds to `work` what was looked at. */
static bool
is_about(const struct aw_state *state, const struct aw_search_filter *filter, uint32_t slot, uint32_t *work)
{
    bool     flight = filter->flight == 0;
    bool     airport = !is_set(filter->airport);
    bool     booking = filter->booking == 0;
    uint32_t at = flight && airport && booking ? 0 : state->ticket_facts[slot];

    for (; at != 0; at = aw_fact_at(state, at)->links.next) {
        const struct aw_fact_row *fact = aw_fact_at(state, at);

        ++*work;
        if (!aw_fact_is_told(fact))
            continue;
        flight |= fact->kind == AW_FACT_FLIGHT && fact->hash == filter->flight;
        booking |= fact->kind == AW_FACT_BOOKING && fact->hash == filter->booking;
        airport |= is_same(fact->from, filter->airport) || is_same(fact->to, filter->airport);
    }
    return flight && airport && booking;
}

/* Whether what was promised, put off and linked is as asked. */
static bool
is_marked(const struct aw_state *state, const struct aw_search_filter *filter, const struct aw_ticket_row *row)
{
    uint32_t incident = filter->incident.seq == 0 ? 0 : aw_incident_of(state, row);

    if (filter->is_breaking && !aw_promise_is_breaking(row))
        return false;
    if (filter->asks_deferred && ((row->marks & AW_MARK_DEFERRED) != 0) != filter->is_deferred)
        return false;
    return filter->incident.seq == 0 || (incident != 0 && aw_incident_id_at(state, incident).seq == filter->incident.seq);
}

static bool
fits(const struct aw_state *state, const struct aw_search *search, uint32_t slot, uint32_t *work)
{
    const struct aw_search_filter *filter = &search->filter;
    const struct aw_ticket_row    *row = aw_ticket_at(state, slot);

    if (row->state == AW_TICKET_FREE || (filter->states >> row->state & 1) == 0 || (filter->classes >> row->class_ & 1) == 0)
        return false;
    if ((filter->lane != AW_SEARCH_LANE_ANY && row->lane != filter->lane) ||
        (search->_channel != 0 && row->channel != search->_channel) ||
        (filter->age_before != 0 && aw_ticket_age(row) >= filter->age_before))
        return false;
    if (search->_agent != 0 && (row->state != AW_TICKET_LEASED || aw_lease_at(state, row->link)->agent != search->_agent))
        return false;
    if (search->order == AW_SEARCH_BY_SLOT && row->opened_seq > search->opened_until)
        return false;
    return is_marked(state, filter, row) && is_about(state, filter, slot, work);
}

/* --- what is kept ---------------------------------------------------------------------------------------------------------- */

static bool
is_before(const struct aw_search_place *a, const struct aw_search_place *b)
{
    return a->age != b->age ? a->age < b->age : a->slot < b->slot;
}

/* The first so many in order, while they last. */
static void
keep(struct aw_search *search, const struct aw_search_place *place)
{
    struct aw_search_place *found = search->found;
    uint32_t                from = 0;
    uint32_t                end = search->count;

    if (end == search->room && !is_before(place, &found[end - 1]))
        return;
    while (from < end) {
        uint32_t middle = from + (end - from) / 2;

        if (is_before(&found[middle], place))
            from = middle + 1;
        else
            end = middle;
    }
    if (search->count < search->room)
        search->count++;
    memmove(&found[from + 1], &found[from], (search->count - 1 - from) * sizeof(found[0]));
    found[from] = *place;
}

static void
look_at(const struct aw_state *state, struct aw_search *search, uint32_t slot, uint32_t *work)
{
    const struct aw_ticket_row *row = aw_ticket_at(state, slot);
    struct aw_search_place place = {.age = aw_ticket_age(row), .seq = row->opened_seq, .slot = slot, .version = row->version};

    if (!fits(state, search, slot, work))
        return;
    search->total++;
    if (search->order == AW_SEARCH_BY_SLOT) {
        search->found[search->count++] = place;
        return;
    }
    if (search->after.slot != 0 && !is_before(&search->after, &place))
        return;
    search->_behind++;
    keep(search, &place);
}

/* --- the look -------------------------------------------------------------------------------------------------------------- */

/* All at once: an identity names AW_IDENTITY_TICKETS_MAX tickets at most. False: there is no room for more. */
static bool
look_by_identity(const struct aw_state *state, struct aw_search *search, uint32_t *work)
{
    uint32_t row = aw_index_find(&state->by_identity, search->filter.identity);
    uint32_t slots[AW_IDENTITY_TICKETS_MAX];
    uint32_t count = 0;

    for (; row != 0; row = aw_index_find_next(&state->by_identity, row)) {
        uint32_t slot = aw_identity_at(state, row)->ticket;
        uint32_t at = count++;

        AW_ASSERT(count <= AW_IDENTITY_TICKETS_MAX);
        for (; at > 0 && slots[at - 1] > slot; at--) /* the order of a chain means nothing */
            slots[at] = slots[at - 1];
        slots[at] = slot;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (slots[i] < search->_next && search->order == AW_SEARCH_BY_SLOT)
            continue;
        if (search->order == AW_SEARCH_BY_SLOT && search->count == search->room)
            return false;
        look_at(state, search, slots[i], work);
    }
    return true;
}

bool
aw_search_step(const struct aw_state *state, struct aw_search *search, uint32_t work)
{
    const struct aw_hash128 *identity = &search->filter.identity;
    uint32_t                 last = state->globals.heads[AW_TABLE_TICKETS].used;
    uint32_t                 done = 0;

    if (search->_is_none)
        return true;
    if (identity->low != 0 || identity->high != 0) {
        search->has_more = !look_by_identity(state, search, &done) || search->_behind > search->count;
        return true;
    }
    for (; search->_next <= last && done < work; search->_next++, done++) {
        if (search->order == AW_SEARCH_BY_SLOT && search->count == search->room) {
            search->has_more = true;
            return true;
        }
        look_at(state, search, search->_next, &done);
    }
    if (search->_next > last) {
        search->has_more = search->_behind > search->count;
        return true;
    }
    search->in_one_step = false;
    return false;
}

uint32_t
aw_search_views(const struct aw_state *state, const struct aw_search *search, struct aw_ticket_view *ret_views)
{
    uint32_t count = 0;
    uint32_t work = 0; /* bounded by the room */

    for (uint32_t i = 0; i < search->count; i++) {
        const struct aw_search_place *place = &search->found[i];

        if (aw_state_ticket_at(state, place->slot, &ret_views[count]) && ret_views[count].ticket.seq == place->seq &&
            fits(state, search, place->slot, &work))
            count++;
    }
    return count;
}
