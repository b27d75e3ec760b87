/* record_clock.c - monotonic time with a slow pull towards the wall clock. */
#include "commit/record_clock.h"

#include "base/assert.h"

/* Nanoseconds fit 64 bits, and what is reckoned from record time (the end of a lease, of a setting's ten years) can be written as
 * text, as long as a wall clock that says more counts as this: the year 2262. */
#define WALL_MS_MAX (UINT64_MAX / AW_NS_PER_MS / 2)
AW_STATIC_ASSERT(WALL_MS_MAX < AW_RECORD_MS_MAX && AW_RECORD_MS_MAX < UINT64_MAX / AW_NS_PER_MS,
                 "records may go on after that year");

void
aw_record_clock_start(struct aw_record_clock *clock, aw_ms last, aw_ms wall, aw_ns mono)
{
    wall = wall < WALL_MS_MAX ? wall : WALL_MS_MAX;
    clock->_told = last > wall ? last : wall;
    clock->_now = clock->_told * AW_NS_PER_MS;
    clock->_mono = mono;
}

aw_ms
aw_record_clock_now(struct aw_record_clock *clock, aw_ms wall, aw_ns mono)
{
    aw_ns elapsed = mono - clock->_mono;
    aw_ns want = (wall < WALL_MS_MAX ? wall : WALL_MS_MAX) * AW_NS_PER_MS;
    aw_ns slew = elapsed / AW_SLEW_PARTS;
    aw_ns now = clock->_now + elapsed;

    AW_ASSERT(mono >= clock->_mono);
    if (now < want)
        now += want - now < slew ? want - now : slew;
    else
        now -= now - want < slew ? now - want : slew;
    clock->_now = now;
    clock->_mono = mono;
    if (now / AW_NS_PER_MS > clock->_told)
        clock->_told = now / AW_NS_PER_MS;
    return clock->_told;
}
