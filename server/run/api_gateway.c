/* api_gateway.c - the rate of posts. */
#include "run/api_gateway.h"

#include "port/clock.h"
#include "run/access.h"
#include "run/api.h"
#include "run/gateways.h"
#include "run/io.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define FIELD_BYTES 64U

/* By its address. Posts mostly come from where the one before came from, and to write an address costs more than all else here. */
static uint32_t
find_by_address(struct aw_io *io, const uint8_t address[16])
{
    char text[INET6_ADDRSTRLEN];

    AW_STATIC_ASSERT(sizeof(io->poster) == sizeof(((struct aw_peer *)0)->address), "one is kept as the other");
    if (io->has_poster && memcmp(io->poster, address, sizeof(io->poster)) == 0)
        return io->poster_gateway;
    if (inet_ntop(AF_INET6, address, text, sizeof(text)) == NULL)
        return AW_GATEWAYS_OTHERS;
    memcpy(io->poster, address, sizeof(io->poster));
    io->poster_gateway = aw_gateways_find(io->shared->gateways, aw_slice_str(text));
    io->has_poster = true;
    return io->poster_gateway;
}

uint32_t
aw_api_gateway_find(struct aw_call *call)
{
    const struct aw_request *request = call->request;
    const struct aw_token   *token = aw_access_token(request);

    if (token != NULL)
        return aw_gateways_find(call->io->shared->gateways, token->name);
    if (aw_api_is_agent(request->agent))
        return aw_gateways_find(call->io->shared->gateways, request->agent);
    return find_by_address(call->io, request->peer.address);
}

/* "messages";x=1;y=2 */
static void
add_field(struct aw_call *call, struct aw_api_rate *rate, struct aw_slice name, char first, uint32_t a, char second, uint32_t b)
{
    char *text = aw_arena_take(aw_call_arena_kept(call), FIELD_BYTES);
    int   len;

    if (text == NULL)
        return;
    len = snprintf(text, FIELD_BYTES, "\"messages\";%c=%u;%c=%u", first, a, second, b);
    rate->fields[rate->count++] = (struct aw_header_field){name, aw_slice_of(text, (size_t)len)};
}

bool
aw_api_gateway_admits(struct aw_call *call, uint32_t gateway, uint32_t count, struct aw_api_rate *ret_rate)
{
    /* The clock, not the turn's time: a client that waited as long as it was told must not be met by a time from before that. */
    struct aw_gateway_answer answer = aw_gateways_try_post(call->io->shared->gateways, gateway, count, aw_clock_mono());

    ret_rate->count = 0;
    if (answer.limit.rate_per_s > 0) {
        uint32_t window_s =
            (uint32_t)(((uint64_t)answer.limit.burst_max + answer.limit.rate_per_s - 1) / answer.limit.rate_per_s);

        add_field(call, ret_rate, AW_SLICE("ratelimit-policy"), 'q', answer.limit.burst_max, 'w', window_s);
        add_field(call, ret_rate, AW_SLICE("ratelimit"), 'r', answer.left_count, 't', answer.full_s);
    }
    if (answer.is_admitted)
        return true;
    aw_call_problem_with(call,
                         &(struct aw_problem){.err = AW_E_RATE_LIMITED,
                                              .detail = AW_SLICE("nothing of it was taken; other calls are not limited"),
                                              .retry_after_s = answer.retry_after_s},
                         ret_rate->fields, ret_rate->count);
    return false;
}
