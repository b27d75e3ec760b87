#include "http/meter.h"

#include <nghttp2/nghttp2.h>

void
aw_bucket_init(struct aw_bucket *bucket, uint32_t burst_max, uint32_t per_s)
{
    AW_ASSERT(per_s >= 1);
    *bucket = (struct aw_bucket){._unit_ns = AW_NS_PER_S / per_s};
    bucket->_full_ns = bucket->_unit_ns * burst_max;
}

uint32_t
aw_bucket_charge(struct aw_bucket *bucket, uint32_t units, aw_ns now)
{
    uint64_t level;

    if (bucket->_empty_at < now)
        bucket->_empty_at = now;
    bucket->_empty_at += bucket->_unit_ns * units;
    level = bucket->_empty_at - now;
    if (level > bucket->_full_ns)
        return 101;
    return bucket->_full_ns == 0 ? 0 : (uint32_t)(level / (bucket->_full_ns / 100 + 1));
}

void
aw_bucket_earn(struct aw_bucket *bucket, uint32_t units, aw_ns now)
{
    uint64_t earned = bucket->_unit_ns * units;

    bucket->_empty_at = bucket->_empty_at > now + earned ? bucket->_empty_at - earned : now;
}

static void
meter_read_head(struct aw_meter *meter)
{
    const uint8_t *b = meter->_bytes;

    meter->head.length = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
    meter->head.type = b[3];
    meter->head.flags = b[4];
    meter->head.stream = ((uint32_t)b[5] << 24 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 8 | b[8]) & 0x7fffffff;
    meter->_left = meter->head.length;
    if (meter->head.type == NGHTTP2_HEADERS || meter->head.type == NGHTTP2_CONTINUATION)
        meter->_in_block = (meter->head.flags & NGHTTP2_FLAG_END_HEADERS) == 0;
    /* A slow body is judged by its rate (session.c); a large DATA frame may well take longer than the limit for other frames. */
    if (meter->head.type == NGHTTP2_DATA && !meter->_in_block)
        meter->_since = 0;
}

size_t
aw_meter_next(struct aw_meter *meter, struct aw_slice bytes, aw_ns now, bool *ret_is_head)
{
    size_t used = 0;

    AW_ASSERT(bytes.len > 0);
    *ret_is_head = false;
    if (meter->_have < AW_FRAME_HEAD_BYTES) {
        size_t want = AW_FRAME_HEAD_BYTES - (size_t)meter->_have;

        used = bytes.len < want ? bytes.len : want;
        if (meter->_have == 0 && meter->_since == 0)
            meter->_since = now;
        memcpy(meter->_bytes + meter->_have, bytes.ptr, used);
        meter->_have = (uint8_t)(meter->_have + used);
        if (meter->_have < AW_FRAME_HEAD_BYTES)
            return used;
        meter_read_head(meter);
        *ret_is_head = true;
    }
    if (bytes.len - used < meter->_left) {
        meter->_left -= (uint32_t)(bytes.len - used);
        return bytes.len;
    }
    used += meter->_left;
    meter->_left = 0;
    meter->_have = 0;
    if (!meter->_in_block)
        meter->_since = 0;
    return used;
}

aw_ns
aw_meter_open_since(const struct aw_meter *meter)
{
    return meter->_since;
}
