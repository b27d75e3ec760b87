/* meter.h - counts frames by their 9-byte heads, in front of the library, and leaky buckets to judge the counts by.
 *
 * The library drops some frames without a word (unknown types, DATA and HEADERS on closed streams), so a flood of them can only be
 * seen here. Owns nothing; plain values. Thread: that of the session. Cannot fail.
 */
#ifndef AW_HTTP_METER_H
#define AW_HTTP_METER_H

#include "base/slice.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A leaky bucket kept as one time: the moment at which all that was charged has leaked out. */
struct aw_bucket {
    aw_ns    _empty_at;
    uint64_t _unit_ns; /* one unit takes so long to leak out */
    uint64_t _full_ns;
};

/* per_s: 1 to 10^9. */
void aw_bucket_init(struct aw_bucket *bucket, uint32_t burst_max, uint32_t per_s);
/* Returns how full it is now, in percent of the burst; over 100 is too much. */
uint32_t aw_bucket_charge(struct aw_bucket *bucket, uint32_t units, aw_ns now);
/* Takes units out again, at most all. */
void aw_bucket_earn(struct aw_bucket *bucket, uint32_t units, aw_ns now);

/* RFC 9113 section 4.1. */
#define AW_FRAME_HEAD_BYTES 9
struct aw_frame_head {
    uint32_t length;
    uint8_t  type;
    uint8_t  flags;
    uint32_t stream;
};

struct aw_meter {
    struct aw_frame_head head;                        /* of the frame being received, once it is complete */
    uint8_t              _bytes[AW_FRAME_HEAD_BYTES]; /* of a head that came in pieces */
    uint8_t              _have;
    bool                 _in_block; /* between HEADERS and END_HEADERS */
    uint32_t             _left;     /* of the payload */
    aw_ns                _since;    /* when a frame that is not DATA, or a header block, began; 0: none is open */
};

/* How many of `bytes` (not empty) belong to the frame at hand; the next call starts behind them. *ret_is_head: its head became
 * complete just now, so `meter->head` is new. Starts behind the connection preface. */
size_t aw_meter_next(struct aw_meter *meter, struct aw_slice bytes, aw_ns now, bool *ret_is_head);
/* When the frame or header block that is still open began; 0 when there is none, or when it is DATA. */
aw_ns aw_meter_open_since(const struct aw_meter *meter);

#endif
