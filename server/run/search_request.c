/* search_request.c - see search_request.h. */
#include "run/search_request.h"

#include "base/text.h"
#include "proto/check.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/list_request.h"

#include <string.h>

/* Age and slot of the last ticket of a page. */
#define CURSOR_CHARS ((size_t)(2 * AW_BASE32_U64_CHARS))

/* --- from a filter to what the state is asked ------------------------------------------------------------------------------- */

/* Those that fell due before; a filter that reaches back behind 1970 finds nothing, as it should. */
static aw_ms
age_before(aw_ms now, uint64_t older_than_s)
{
    return now > older_than_s * AW_MS_PER_S ? now - older_than_s * AW_MS_PER_S : 1;
}

static bool
find_lane(struct aw_call *call, struct aw_slice name, uint32_t *ret_lane)
{
    *ret_lane = name.len == 0 ? AW_SEARCH_LANE_ANY : aw_lanes_directory_find(call->io->shared->directory, name);
    if (name.len == 0 || *ret_lane != AW_LANE_NONE)
        return true;
    aw_call_problem(call, &(struct aw_problem){.err = AW_E_NOT_FOUND,
                                               .detail = AW_SLICE("there is no lane by that name"),
                                               .field = AW_SLICE("lane")});
    return false;
}

/* A customer is known by channel and account. */
static bool
take_customer(struct aw_call *call, const struct aw_ticket_filter *want, struct aw_search_filter *filter)
{
    struct aw_slice account = want->account.len > 0 ? want->account : AW_SLICE("main");

    if (want->customer.len > 0 && want->channel.len == 0) {
        aw_api_refuse_field(call, "channel", "customer goes with the channel whose id it is");
        return false;
    }
    if (want->account.len > 0 && want->customer.len == 0) {
        aw_api_refuse_field(call, "account", "account goes with customer");
        return false;
    }
    if (want->customer.len > 0)
        filter->identity = aw_api_customer_hash(&call->io->shared->table_key, want->channel, account, want->customer);
    else
        filter->channel = want->channel;
    return true;
}

static bool
take_flight(struct aw_call *call, struct aw_slice text, struct aw_search_filter *filter)
{
    struct aw_slice number = aw_slice_cut(&text, '/');
    uint32_t        days;

    if (!aw_check_flight_number(number) || !aw_date_parse(text, &days)) {
        aw_api_refuse_field(call, "flight", "a flight and its date are like KL1234/2026-04-15");
        return false;
    }
    filter->flight = aw_api_flight_hash(&call->io->shared->table_key, number, days);
    return true;
}

static bool
take_incident(struct aw_call *call, struct aw_slice text, struct aw_search_filter *filter)
{
    if (aw_incident_id_parse(text, &filter->incident) && filter->incident.shard == call->io->shared->shard)
        return true;
    aw_api_refuse_field(call, "incident", "takes the id of an incident");
    return false;
}

bool
aw_search_request_filter(struct aw_call *call, const struct aw_ticket_filter *want, struct aw_search_filter *ret_filter)
{
    struct aw_search_filter filter = {.agent = want->agent,
                                      .states = want->states,
                                      .classes = want->classes,
                                      .is_breaking = want->promise != 0,
                                      .asks_deferred = want->deferred_known,
                                      .is_deferred = want->deferred};

    if (!find_lane(call, want->lane, &filter.lane) || !take_customer(call, want, &filter) ||
        (want->flight.len > 0 && !take_flight(call, want->flight, &filter)) ||
        (want->incident.len > 0 && !take_incident(call, want->incident, &filter)))
        return false;
    if (want->airport.len > 0)
        memcpy(filter.airport.letters, want->airport.ptr, sizeof(filter.airport.letters));
    if (want->booking.len > 0)
        filter.booking = aw_api_booking_hash(&call->io->shared->table_key, want->booking);
    if (want->older_than_s > 0)
        filter.age_before = age_before(call->io->wall, want->older_than_s);
    *ret_filter = filter;
    return true;
}

/* --- the query -------------------------------------------------------------------------------------------------------------- */

static bool
read_cursor(struct aw_call *call, struct aw_slice text, struct aw_search_place *ret_after)
{
    uint64_t age;
    uint64_t slot;

    if (text.len == CURSOR_CHARS && aw_base32_to_u64(aw_slice_of(text.ptr, CURSOR_CHARS / 2), &age) &&
        aw_base32_to_u64(aw_slice_of(text.ptr + CURSOR_CHARS / 2, CURSOR_CHARS / 2), &slot) && slot > 0 && slot <= UINT32_MAX) {
        *ret_after = (struct aw_search_place){.age = age, .slot = (uint32_t)slot};
        return true;
    }
    aw_api_refuse_field(call, "cursor", "takes what `next` gave");
    return false;
}

static bool
read_limit(struct aw_call *call, struct aw_slice text, uint32_t *ret_items)
{
    uint64_t items = 0;

    if (!aw_slice_to_u64(text, AW_SEARCH_ITEMS_MAX, &items) || items == 0) {
        aw_api_refuse_field(call, "limit", "takes 1 to 100");
        return false;
    }
    *ret_items = (uint32_t)items;
    return true;
}

bool
aw_search_request_read(struct aw_call *call, struct aw_search *ret_search, uint32_t *ret_items)
{
    struct aw_list_request  request;
    struct aw_ticket_filter want;
    struct aw_proto_problem problem;

    *ret_search = (struct aw_search){.order = AW_SEARCH_OLDEST};
    *ret_items = AW_SEARCH_ITEMS_MAX;
    if (!aw_list_request_read(call, true, &request) ||
        (request.has_cursor && !read_cursor(call, request.cursor, &ret_search->after)) ||
        (request.has_limit && !read_limit(call, request.limit, ret_items)))
        return false;
    if (aw_proto_decode_query(aw_call_arena(call), request.filter, request.count, AW_OBJECT_TICKET_FILTER, &want, &problem) !=
        AW_OK) {
        aw_api_refuse_body(call, &problem);
        return false;
    }
    return aw_search_request_filter(call, &want, &ret_search->filter);
}

struct aw_slice
aw_search_request_next(struct aw_call *call, const struct aw_search_place *place, struct aw_header_field *ret_link)
{
    struct aw_arena *arena = aw_call_arena(call);
    char             text[CURSOR_CHARS];
    struct aw_slice  cursor;
    struct aw_buffer link;

    aw_base32_u64(place->age, text);
    aw_base32_u64(place->slot, text + CURSOR_CHARS / 2);
    aw_buffer_init(&link, arena);
    aw_buffer_add_str(&link, "<");
    aw_buffer_add(&link, call->request->path.ptr, call->request->path.len);
    aw_buffer_add_str(&link, "?");
    aw_api_add_query(&link, call->request->query);
    aw_buffer_add_str(&link, "cursor=");
    aw_buffer_add(&link, text, sizeof(text));
    aw_buffer_add_str(&link, ">; rel=\"next\"");
    if (link.failed || !aw_arena_copy(arena, aw_slice_of(text, sizeof(text)), &cursor))
        return (struct aw_slice){NULL, 0};
    *ret_link = (struct aw_header_field){AW_SLICE("link"), aw_buffer_slice(&link)};
    return cursor;
}
