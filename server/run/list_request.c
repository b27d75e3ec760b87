/* list_request.c - see list_request.h. */
#include "run/list_request.h"

#include "run/api.h"
#include "run/io.h"
#include "run/query.h"

bool
aw_list_request_read(struct aw_call *call, bool takes_limit, struct aw_list_request *ret_request)
{
    struct aw_list_request *request = ret_request;
    struct aw_slice         query = call->request->query;
    struct aw_parameter     parameter;
    bool                    failed;

    *request = (struct aw_list_request){.count = 0};
    while (aw_query_take(aw_call_arena(call), &query, &parameter, &failed)) {
        if (!request->has_cursor && aw_slice_eq(parameter.name, AW_SLICE("cursor"))) {
            request->has_cursor = true;
            request->cursor = parameter.value;
        } else if (takes_limit && !request->has_limit && aw_slice_eq(parameter.name, AW_SLICE("limit"))) {
            request->has_limit = true;
            request->limit = parameter.value;
        } else if (request->count < AW_LIST_PARAMETERS_MAX) {
            request->filter[request->count++] = (struct aw_pair){parameter.name, parameter.value};
        } else {
            aw_call_fail(call, AW_E_BAD_VALUE, "the query has too many parameters");
            return false;
        }
    }
    if (failed)
        aw_call_fail(call, AW_E_MEMORY, "");
    return !failed;
}
