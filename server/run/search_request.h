/* search_request.h - which tickets a request is about: from its query or body to what the state is asked.
 *
 * Thread: io. Owns nothing; texts lie in the call's arena.
 */
#ifndef AW_RUN_SEARCH_REQUEST_H
#define AW_RUN_SEARCH_REQUEST_H

#include "core/search.h"
#include "proto/requests.h"
#include "run/call.h"

#define AW_SEARCH_ITEMS_MAX 100U /* of a page */

/* The query of GET /v1/tickets: the filter, and which page of what it finds. Writes filter, order and after of a search. False:
 * answered 400, 404 (a lane) or 503. */
AW_MUST_USE bool aw_search_request_read(struct aw_call *call, struct aw_search *ret_search, uint32_t *ret_items);
/* What the state is asked for a filter. False: answered 400 or 404 (a lane). */
AW_MUST_USE bool aw_search_request_filter(struct aw_call *call, const struct aw_ticket_filter *want,
                                          struct aw_search_filter *ret_filter);
/* The cursor of the page behind `place`, and the Link field that names it with the filter of this request; in the arena. Empty ones
 * without memory. */
struct aw_slice aw_search_request_next(struct aw_call *call, const struct aw_search_place *place,
                                       struct aw_header_field *ret_link);

#endif
