/* promise.h - what is told to people: "half within X, nine of ten within Y", rounded up to steps that nobody takes for more exact
 * than they are.
 *
 * 5 minutes up to half an hour, 15 up to three hours, an hour beyond. Pure functions. Thread: any. Nothing can fail.
 */
#ifndef AW_FORECAST_PROMISE_H
#define AW_FORECAST_PROMISE_H

#include <stdint.h>

#define AW_PROMISE_STEP_MS_LEAST (UINT64_C(5) * 60000)

/* The next step at or above; at least the smallest one: nobody is told "at once". */
uint64_t aw_promise_round_up(uint64_t wait_ms);

#endif
