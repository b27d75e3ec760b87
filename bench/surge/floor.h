/* floor.h - what making something durable takes on this disk, whatever the program: 4 KiB behind the last ones, then fdatasync.
 *
 * Thread: the calling one, which waits. Fails: AW_E_IO, with words.
 */
#ifndef AW_BENCH_SURGE_FLOOR_H
#define AW_BENCH_SURGE_FLOOR_H

#include "base/stats.h"
#include "base/why.h"

/* Some 500 flushes in a file of its own in `folder`, which is gone afterwards; adds what each took to `histogram`. */
AW_MUST_USE enum aw_err surge_floor_measure(const char *folder, struct aw_histogram *histogram, struct aw_why *why);

#endif
