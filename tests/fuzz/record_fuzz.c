/* record_fuzz.c - feeds bytes to the journal's reader. The CRCs are made right first, so that the fields behind them are reached.
 *
 * The first byte chooses: 0 one record, whose length and CRC are set (the rest of the input is what follows them); 1 a batch, whose
 * header and records are made right as far as they can be walked; 2 a record that is kept, with both CRCs set; else the rest as it
 * is. Whatever is read must be written again as the same bytes, and is told as an event, in both encodings, within its bound.
 */
#include "commit/kept.h"
#include "model/limits.h"
#include "model/record.h"
#include "proto/events.h"
#include "proto/writer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct aw_blocks *blocks;

static void
store_u32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t
load_u32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static struct aw_slice
name_lane(void *user, uint32_t lane)
{
    (void)user;
    (void)lane;
    return AW_SLICE("main");
}

static void
check_event(struct aw_arena *arena, const struct aw_command *command)
{
    static const enum aw_media   both[] = {AW_MEDIA_JSON, AW_MEDIA_MSGPACK};
    static const uint8_t         store[16] = {1};
    const struct aw_event_source source = {store, 0, name_lane, NULL};
    struct aw_buffer             buffer;
    struct aw_writer             writer;

    for (unsigned i = 0; i < AW_ARRAY_LEN(both); i++) {
        aw_buffer_init(&buffer, arena);
        aw_writer_init(&writer, &buffer, both[i]);
        aw_proto_write_event(&writer, &source, command, AW_RECORD_MS_MAX);
        AW_ASSERT(!buffer.failed);
        AW_ASSERT(aw_buffer_slice(&buffer).len <= AW_EVENT_BYTES_MAX);
    }
}

static void
check_record(const struct aw_record *record)
{
    struct aw_arena   arena;
    struct aw_command command;
    struct aw_why     why = {""};
    uint8_t           again[AW_RECORD_BYTES_MAX];

    aw_arena_init(&arena, blocks);
    if (aw_record_read(record, &arena, &command, &why) == AW_OK) {
        AW_ASSERT(aw_record_bytes_max(&command) >= record->bytes.len);
        AW_ASSERT(aw_record_write(&command, again) == record->bytes.len);
        AW_ASSERT(memcmp(again, record->bytes.ptr, record->bytes.len) == 0);
        check_event(&arena, &command);
    } else {
        AW_ASSERT(why.text[0] != '\0');
    }
    aw_arena_reset(&arena);
}

static void
check_records(struct aw_slice at)
{
    struct aw_record record;
    struct aw_why    why = {""};

    while (aw_record_next(&at, &record, &why) == AW_OK)
        check_record(&record);
}

static void
check_batch(struct aw_slice batch)
{
    struct aw_batch_header header;
    struct aw_record       record;
    struct aw_why          why = {""};

    if (aw_batch_header_read(batch, &header, &why) != AW_OK)
        return;
    if (aw_record_find(batch, header.first_seq + header.count - 1, &record, &why) == AW_OK)
        check_record(&record);
    check_records(aw_slice_of(batch.ptr + AW_BATCH_HEADER_BYTES, batch.len - AW_BATCH_HEADER_BYTES));
}

static void
fix_record(uint8_t *record, size_t len)
{
    store_u32(record, (uint32_t)len);
    store_u32(record + 4, aw_crc32c(0, record + 8, len - 8));
}

static void
check_kept(uint8_t *bytes, size_t len)
{
    struct aw_kept_record kept;
    struct aw_why         why = {""};
    uint8_t               again[AW_KEPT_RECORD_BYTES_MAX];

    if (len > AW_KEPT_HEAD_BYTES + AW_RECORD_HEADER_BYTES) {
        memcpy(bytes, "awk1", 4);
        fix_record(bytes + AW_KEPT_HEAD_BYTES, len - AW_KEPT_HEAD_BYTES);
        store_u32(bytes + 4, aw_crc32c(0, bytes + 8, len - 8));
    }
    if (aw_kept_read(aw_slice_of(bytes, len), &kept, &why) != AW_OK) {
        AW_ASSERT(why.text[0] != '\0');
        return;
    }
    check_record(&kept.record);
    AW_ASSERT(aw_kept_write(&kept, again) == len);
}

static void
fix_batch(uint8_t *bytes, size_t len)
{
    size_t at = AW_BATCH_HEADER_BYTES;

    if (len < AW_BATCH_HEADER_BYTES)
        return;
    memcpy(bytes, "awb1", 4);
    store_u32(bytes + 32, (uint32_t)len);
    store_u32(bytes + AW_BATCH_HEADER_BYTES - 4, aw_crc32c(0, bytes, AW_BATCH_HEADER_BYTES - 4));
    while (len - at >= AW_RECORD_HEADER_BYTES) {
        size_t bytes_here = load_u32(bytes + at) % AW_RECORD_BYTES_MAX;

        if (bytes_here < AW_RECORD_HEADER_BYTES || bytes_here > len - at)
            bytes_here = len - at;
        fix_record(bytes + at, bytes_here);
        at += bytes_here;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes;

    if (blocks == NULL) {
        AW_ASSERT(aw_hash_init());
        blocks = aw_blocks_new(64 * 1024, 16 * 1024 * 1024);
        AW_ASSERT(blocks != NULL);
    }
    if (size < 1)
        return 0;
    if (data[0] == 0) {
        size_t len = size - 1 + 8;

        bytes = malloc(len);
        AW_ASSERT(bytes != NULL);
        memcpy(bytes + 8, data + 1, size - 1);
        fix_record(bytes, len);
        check_records(aw_slice_of(bytes, len));
    } else {
        size_t len = size - 1;

        bytes = malloc(len + 1); /* malloc(0) may be NULL */
        AW_ASSERT(bytes != NULL);
        memcpy(bytes, data + 1, len);
        if (data[0] == 1)
            fix_batch(bytes, len);
        else if (data[0] == 2)
            check_kept(bytes, len);
        check_batch(aw_slice_of(bytes, len));
        check_records(aw_slice_of(bytes, len));
    }
    free(bytes);
    AW_ASSERT(aw_blocks_used(blocks) == 0);
    return 0;
}
