/* kept.c - the bytes of a kept record. */
#include "commit/kept.h"

#include "base/hash.h"

#include <inttypes.h>
#include <string.h>

#define MAGIC UINT32_C(0x316b7761) /* "awk1" */

enum { AT_MAGIC = 0, AT_CRC = 4, AT_INDEX = 8, AT_NOW = 16, AT_SHARD = 24, AT_HASH = 32 };
AW_STATIC_ASSERT(AT_HASH + sizeof(struct aw_sha256) == AW_KEPT_HEAD_BYTES, "the hash ends the head");
AW_STATIC_ASSERT(AW_KEPT_RECORD_BYTES_MAX <= AW_KEPT_BYTES_MAX, "a kept record fits the seam");
AW_STATIC_ASSERT(AW_MESSAGE_BODY_BYTES_MAX <= AW_KEPT_BYTES_MAX, "a kept body fits the seam");

size_t
aw_kept_write(const struct aw_kept_record *kept, uint8_t *to)
{
    size_t   bytes = AW_KEPT_HEAD_BYTES + kept->record.bytes.len;
    uint32_t magic = MAGIC, crc;

    AW_ASSERT(bytes <= AW_KEPT_RECORD_BYTES_MAX);
    AW_ASSERT(kept->now <= AW_RECORD_MS_MAX);
    memset(to, 0, AW_KEPT_HEAD_BYTES);
    memcpy(to + AT_MAGIC, &magic, sizeof(magic));
    memcpy(to + AT_INDEX, &kept->index, sizeof(kept->index));
    memcpy(to + AT_NOW, &kept->now, sizeof(kept->now));
    to[AT_SHARD] = kept->shard;
    memcpy(to + AT_HASH, kept->hash.bytes, sizeof(kept->hash.bytes));
    memcpy(to + AW_KEPT_HEAD_BYTES, kept->record.bytes.ptr, kept->record.bytes.len);
    crc = aw_crc32c(0, to + AT_INDEX, bytes - AT_INDEX);
    memcpy(to + AT_CRC, &crc, sizeof(crc));
    return bytes;
}

enum aw_err
aw_kept_read(struct aw_slice bytes, struct aw_kept_record *ret_kept, struct aw_why *why)
{
    struct aw_kept_record kept = {.index = 0};
    struct aw_slice       at;
    uint32_t              magic, crc;
    enum aw_err           err;

    if (bytes.len < AW_KEPT_HEAD_BYTES)
        return aw_why(why, AW_E_CORRUPT, "a kept record is cut short");
    memcpy(&magic, bytes.ptr + AT_MAGIC, sizeof(magic));
    memcpy(&crc, bytes.ptr + AT_CRC, sizeof(crc));
    if (magic != MAGIC || aw_crc32c(0, bytes.ptr + AT_INDEX, bytes.len - AT_INDEX) != crc)
        return aw_why(why, AW_E_CORRUPT, "a kept record fails its checks");
    memcpy(&kept.index, bytes.ptr + AT_INDEX, sizeof(kept.index));
    memcpy(&kept.now, bytes.ptr + AT_NOW, sizeof(kept.now));
    if (kept.now > AW_RECORD_MS_MAX)
        return aw_why(why, AW_E_CORRUPT, "the time of a kept record of batch %" PRIu64 " is out of range", kept.index);
    kept.shard = (uint8_t)bytes.ptr[AT_SHARD];
    memcpy(kept.hash.bytes, bytes.ptr + AT_HASH, sizeof(kept.hash.bytes));
    at = aw_slice_of(bytes.ptr + AW_KEPT_HEAD_BYTES, bytes.len - AW_KEPT_HEAD_BYTES);
    err = aw_record_next(&at, &kept.record, why);
    if (err == AW_E_AGAIN || (err == AW_OK && at.len != 0))
        return aw_why(why, AW_E_CORRUPT, "a kept entry of batch %" PRIu64 " is not one record", kept.index);
    if (err == AW_OK)
        *ret_kept = kept;
    return err;
}
