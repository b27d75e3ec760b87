#include "forecast/promise.h"

#define MIN_MS UINT64_C(60000)

static uint64_t
up_to(uint64_t wait_ms, uint64_t step_ms)
{
    return wait_ms <= step_ms ? step_ms : (wait_ms + step_ms - 1) / step_ms * step_ms;
}

uint64_t
aw_promise_round_up(uint64_t wait_ms)
{
    if (wait_ms <= 30 * MIN_MS)
        return up_to(wait_ms, 5 * MIN_MS);
    if (wait_ms <= 180 * MIN_MS)
        return up_to(wait_ms, 15 * MIN_MS);
    return wait_ms > UINT64_MAX - 60 * MIN_MS ? UINT64_MAX : up_to(wait_ms, 60 * MIN_MS);
}
