/* time.h - the two clocks as types, and RFC 3339 text.
 *
 * aw_ns  nanoseconds on CLOCK_MONOTONIC: deadlines, timers, latencies. Never stored.
 * aw_ms  milliseconds since 1970-01-01T00:00:00Z: record time, what customers see, what is stored. 0 means "not set".
 * Thread: any. Reading a clock is port/clock.h; this file only computes.
 */
#ifndef AW_BASE_TIME_H
#define AW_BASE_TIME_H

#include "base/assert.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t aw_ns;
typedef uint64_t aw_ms;

#define AW_NS_PER_US UINT64_C(1000)
#define AW_NS_PER_MS UINT64_C(1000000)
#define AW_NS_PER_S  UINT64_C(1000000000)
#define AW_MS_PER_S  UINT64_C(1000)
/* A deadline that does not come. */
#define AW_NS_NEVER UINT64_MAX
/* 9999-12-31T23:59:59.999Z, the last time that the text form can hold. */
#define AW_MS_MAX UINT64_C(253402300799999)
/* 2400-01-01: no record is younger. Clocks that tell more than 2262 count as that year: commit/record_clock.h. */
#define AW_RECORD_MS_MAX UINT64_C(13569465600000)
/* Ten years: no lease, wait or setting is longer. What is reckoned from a record's time by one of them has a text form. */
#define AW_DURATION_MS_MAX (UINT64_C(3650) * 24 * 3600 * AW_MS_PER_S)
/* 9999-12-31 in days since 1970-01-01. */
#define AW_DAYS_MAX 2932896U

/* "2026-04-15T08:01:02.345Z" and its NUL. */
#define AW_TIME_TEXT_BYTES 25

/* Writes exactly AW_TIME_TEXT_BYTES bytes with the NUL. `at` <= AW_MS_MAX. */
void aw_time_format(aw_ms at, char text[AW_TIME_TEXT_BYTES]);
/* RFC 3339 section 5.6, any offset, up to 9 digits of fraction (cut to ms), years 1970 to 9999, leap second 60 read as 59.999.
 * False when malformed or out of range; *ret_at is then unchanged. */
AW_MUST_USE bool aw_time_parse(struct aw_slice text, aw_ms *ret_at);
/* "2026-04-15" -> days since 1970-01-01. */
AW_MUST_USE bool aw_date_parse(struct aw_slice text, uint32_t *ret_days);
/* Writes "2026-04-15" and NUL (11 bytes). */
void aw_date_format(uint32_t days, char text[11]);

#endif
