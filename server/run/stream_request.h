/* stream_request.h - what a GET /v1/stream asks for, out of its query and its Accept.
 *
 * Thread: io. Owns nothing; texts and lanes lie in the call's arena.
 */
#ifndef AW_RUN_STREAM_REQUEST_H
#define AW_RUN_STREAM_REQUEST_H

#include "proto/media.h"
#include "run/call.h"

#define AW_STREAM_UNITS_MAX    100U
#define AW_STREAM_ENDING_S     60U
#define AW_STREAM_ENDING_SHARE 3U /* of lease_s at most: whoever extends at each warning has done something between two */

struct aw_stream_request {
    enum aw_media media;
    uint32_t      units;
    uint64_t      lease_s;
    uint64_t      ending_s;
};

/* False: answered 400, 404 (a lane) or 406. */
AW_MUST_USE bool aw_stream_request_read(struct aw_call *call, struct aw_stream_request *ret_want, const uint32_t **ret_lanes,
                                        uint32_t *ret_lane_count);

#endif
