/* promise.h - what is told about how long it takes, as values: waits by class and departure, for a group of lanes.
 *
 * Lanes whose tickets may be taken by the same agents are one group (forecast/forecast.h). A forecaster outside of the state
 * computes what each group is told and publishes it (FORECAST); who opens a ticket is promised what stands there by then. All is
 * told in whole steps, so that apply computes in integers. Thread: any. Owns nothing.
 */
#ifndef AW_MODEL_PROMISE_H
#define AW_MODEL_PROMISE_H

#include "base/assert.h"
#include "base/time.h"
#include "model/class.h"

#include <stdint.h>

/* Half of the people wait no longer than the first, nine of ten no longer than the second. */
enum aw_share { AW_HALF, AW_NINE_OF_TEN };
#define AW_SHARES 2

#define AW_PROMISE_GROUPS_MAX 16U
/* What is told is a multiple of it, at least one, and at most so many; 0: not known. */
#define AW_PROMISE_STEP_MS   (UINT64_C(5) * 60000)
#define AW_PROMISE_STEPS_MAX 4095U
/* A forecast is good for so long; then there is no promise until the next one. */
#define AW_PROMISE_GOOD_MS (UINT64_C(5) * 60000)
/* No promise moves more often than this. */
#define AW_PROMISE_MOVES_MS (UINT64_C(2) * 3600000)
/* Nor further from now: a reply keeps how long it takes as milliseconds in 32 bits. */
#define AW_PROMISE_MOVED_MS_MAX (UINT64_C(49) * 24 * 3600000)

/* What somebody waits: as it was forecast, and what is told of it. */
struct aw_told_wait {
    uint32_t raw_s[AW_SHARES]; /* before it was corrected (forecast/trust.h); at most AW_PROMISE_RAW_S_MAX */
    uint16_t steps[AW_SHARES]; /* 0: not known */
};
#define AW_PROMISE_RAW_S_MAX ((1U << 20) - 1)

/* Of a group: for each class, and for those who depart soon by ten minutes between the forecast and their departure; who departs
 * later than the last counts as that. */
#define AW_PROMISE_LEADS   37U
#define AW_PROMISE_LEAD_MS (UINT64_C(10) * 60000)
#define AW_PROMISE_WAITS   (AW_CLASS_COUNT - 1U + AW_PROMISE_LEADS)

/* Which of the waits is that of a ticket of this class, of a forecast made at `base`; `departs_at` counts for IMMINENT. */
static inline uint32_t
aw_promise_wait_of(enum aw_class class_, aw_ms base, aw_ms departs_at)
{
    uint64_t lead = departs_at > base ? (departs_at - base) / AW_PROMISE_LEAD_MS : 0;

    AW_ASSERT((unsigned)class_ < AW_CLASS_COUNT);
    if (class_ == AW_CLASS_IMMINENT)
        return AW_CLASS_COUNT - 1U + (uint32_t)(lead < AW_PROMISE_LEADS ? lead : AW_PROMISE_LEADS - 1);
    return class_ < AW_CLASS_IMMINENT ? (uint32_t)class_ : (uint32_t)class_ - 1U;
}

/* A lane is in this group from now on. */
struct aw_lane_group {
    uint16_t lane;
    uint8_t  group; /* or AW_PROMISE_NO_GROUP: nobody is told anything there */
};
#define AW_PROMISE_NO_GROUP  UINT8_MAX
#define AW_PROMISE_LANES_MAX 100U /* of one FORECAST; more follow in the next */

#endif
