/* api_gateway.h - whether the gateway that sends a request may post so much now, and the fields that tell it how much more.
 *
 * A gateway is whom its token names, without one who the request says it is, and without a name its address. Thread: io. Owns
 * nothing: the fields lie in the request's arena. Fails: without memory the fields are left out.
 */
#ifndef AW_RUN_API_GATEWAY_H
#define AW_RUN_API_GATEWAY_H

#include "proto/media.h"
#include "run/call.h"

/* RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers), on each answer while there is a limit. */
struct aw_api_rate {
    struct aw_header_field fields[2];
    size_t                 count;
    uint32_t               gateway; /* its index in run/gateways */
};

/* Takes the tokens for the messages in the body, which is looked at no further. False: answered 429. */
AW_MUST_USE bool aw_api_gateway_admits(struct aw_call *call, enum aw_media media, struct aw_api_rate *ret_rate);

#endif
