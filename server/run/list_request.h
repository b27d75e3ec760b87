/* list_request.h - the query of a list that has a filter: which page is asked for, and what is left for the filter.
 *
 * Owns nothing: texts lie in the call's arena. Thread: io. Fails by answering the call.
 */
#ifndef AW_RUN_LIST_REQUEST_H
#define AW_RUN_LIST_REQUEST_H

#include "model/message.h"
#include "run/call.h"

/* More are no filter of ours; the one too many is told by name. */
#define AW_LIST_PARAMETERS_MAX 32U

struct aw_list_request {
    struct aw_slice cursor; /* decoded, as sent; has_cursor false: the first page */
    struct aw_slice limit;  /* likewise; has_limit false: as many as the list likes */
    bool            has_cursor;
    bool            has_limit;
    uint32_t        count;
    struct aw_pair  filter[AW_LIST_PARAMETERS_MAX]; /* in the order in which they came */
};

/* Each of the two counts once: what comes again is left to the filter, which refuses it by name, as it does a limit when the list
 * takes none. False: answered 400 or 503. */
AW_MUST_USE bool aw_list_request_read(struct aw_call *call, bool takes_limit, struct aw_list_request *ret_request);

#endif
