/* api_gateway.h - whether the gateway that sends a request may post so much now, and the fields that tell it how much more.
 *
 * A gateway is whom its token names, without one who the request says it is, and without a name its address. Thread: io. Owns
 * nothing: the fields lie in the request's arena. Fails: without memory the fields are left out.
 */
#ifndef AW_RUN_API_GATEWAY_H
#define AW_RUN_API_GATEWAY_H

#include "run/call.h"

/* RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers), on each answer while there is a limit. */
struct aw_api_rate {
    struct aw_header_field fields[2];
    size_t                 count;
};

/* Its index in run/gateways. */
uint32_t aw_api_gateway_find(struct aw_call *call);
/* Takes the tokens for `count` messages. False: answered 429. */
AW_MUST_USE bool aw_api_gateway_admits(struct aw_call *call, uint32_t gateway, uint32_t count, struct aw_api_rate *ret_rate);

#endif
