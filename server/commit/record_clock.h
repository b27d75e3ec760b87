/* record_clock.h - the time that records carry: never goes back, whatever the wall clock does.
 *
 * Record time = the last record's time plus monotonic elapsed, slewed to the wall clock by at most one part in AW_SLEW_PARTS. A
 * start jumps forward to the wall clock (the downtime did pass), never back. So a lease lasts as long as was promised even when
 * somebody sets the clock, and a wrong clock corrects itself slowly. A wall clock beyond the year 2262 counts as that year.
 * Thread: the committer. Owns nothing. Reads no clock itself: both times come in.
 */
#ifndef AW_COMMIT_RECORD_CLOCK_H
#define AW_COMMIT_RECORD_CLOCK_H

#include "base/time.h"

#define AW_SLEW_PARTS 16U

struct aw_record_clock {
    aw_ns _mono; /* at the last reading */
    aw_ns _now;  /* record time then, in ns since 1970 */
    aw_ms _told; /* the largest ever returned */
};

/* `last` is the time of the last record in the journal, 0 for an empty one. */
void  aw_record_clock_start(struct aw_record_clock *clock, aw_ms last, aw_ms wall, aw_ns mono);
aw_ms aw_record_clock_now(struct aw_record_clock *clock, aw_ms wall, aw_ns mono);

#endif
