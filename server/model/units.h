/* units.h - how many more tickets an agent works on just now: a value that a pull counts down as it takes.
 *
 * Owns nothing. Thread: any. Nothing can fail.
 */
#ifndef AW_MODEL_UNITS_H
#define AW_MODEL_UNITS_H

#include "base/assert.h"
#include "model/limits.h"

#include <stdint.h>

/* No bound, or one so far away that no pull comes there. */
#define AW_UNITS_FREE_MANY UINT8_MAX
AW_STATIC_ASSERT(AW_LEASES_PER_PULL_MAX < AW_UNITS_FREE_MANY, "a pull takes fewer");

struct aw_units {
    uint8_t free[AW_CHANNEL_NUMBERS]; /* of a channel, by its number; [0]: in all */
};

static inline uint8_t
aw_units_left(uint32_t bound, uint32_t held)
{
    uint32_t left = bound > held ? bound - held : 0;

    return left < AW_UNITS_FREE_MANY ? (uint8_t)left : AW_UNITS_FREE_MANY;
}

/* The channels in which none is free, 1 << number each; all bits when none is free at all. */
static inline uint16_t
aw_units_full(const struct aw_units *units)
{
    unsigned full = 0;

    if (units->free[0] == 0)
        return UINT16_MAX;
    for (unsigned channel = 1; channel < AW_CHANNEL_NUMBERS; channel++)
        full |= (unsigned)(units->free[channel] == 0) << channel;
    return (uint16_t)full;
}

/* One ticket of this channel, which is not full. */
static inline void
aw_units_take(struct aw_units *units, uint32_t channel)
{
    AW_ASSERT(channel < AW_CHANNEL_NUMBERS);
    AW_ASSERT(units->free[0] > 0);
    AW_ASSERT(units->free[channel] > 0);
    if (units->free[0] != AW_UNITS_FREE_MANY)
        units->free[0]--;
    if (channel != 0 && units->free[channel] != AW_UNITS_FREE_MANY)
        units->free[channel]--;
}

#endif
