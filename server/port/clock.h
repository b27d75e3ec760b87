/* clock.h - the only place that reads a clock. Everything above takes the time as an argument.
 *
 * Owns nothing. Thread: any. Cannot fail: these clocks exist on every Linux.
 */
#ifndef AW_PORT_CLOCK_H
#define AW_PORT_CLOCK_H

#include "base/time.h"

/* Nanoseconds on CLOCK_MONOTONIC: never back, starts anywhere. */
aw_ns aw_clock_mono(void);
/* Milliseconds since 1970 on CLOCK_REALTIME: may jump; 1 at least, because 0 means "not set". */
aw_ms aw_clock_wall(void);
/* Nanoseconds of processor time that the calling thread has used. */
aw_ns aw_clock_thread(void);

#endif
