/* writer.c - JSON by base/json_out.h, MessagePack by msgpack-c. */
#include "proto/writer.h"

#include "model/limits.h"
#include "proto/msgpack_bytes.h"

#include <math.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>

#define FIXMAP_MAX 15U
#define MAP16_MAX  UINT16_MAX

static int
append(void *data, const char *bytes, size_t len)
{
    aw_buffer_add(data, bytes, len);
    return 0; /* the buffer remembers a failure */
}

static msgpack_packer
packer(struct aw_writer *writer)
{
    return (msgpack_packer){.data = writer->_buffer, .callback = append};
}

void
aw_writer_init(struct aw_writer *writer, struct aw_buffer *buffer, enum aw_media media)
{
    writer->_buffer = buffer;
    writer->_msgpack = aw_media_is_msgpack(media);
    writer->_named = false;
    writer->_depth = 0;
    aw_json_init(&writer->_json, buffer);
}

/* Before each MessagePack value: counts it, and checks what json_out.h checks for JSON. */
static void
count_value(struct aw_writer *writer)
{
    struct aw_writer_level *level;

    if (writer->_depth == 0)
        return;
    level = &writer->_levels[writer->_depth - 1];
    AW_ASSERT(level->map == writer->_named);
    AW_IMPLIES(!level->map, level->count < level->announced);
    level->count++;
    writer->_named = false;
}

static void
open_level(struct aw_writer *writer, bool map, uint32_t announced)
{
    AW_ASSERT(writer->_depth < AW_WRITER_DEPTH_MAX);
    count_value(writer);
    writer->_levels[writer->_depth++] =
        (struct aw_writer_level){.head = writer->_buffer->len, .announced = announced, .map = map};
}

static struct aw_writer_level *
close_level(struct aw_writer *writer, bool map)
{
    struct aw_writer_level *level;

    AW_ASSERT(writer->_depth > 0);
    AW_ASSERT(!writer->_named);
    level = &writer->_levels[--writer->_depth];
    AW_ASSERT(level->map == map);
    return level;
}

void
aw_writer_begin_map(struct aw_writer *writer)
{
    open_level(writer, true, 0);
    if (writer->_msgpack)
        aw_buffer_add(writer->_buffer, "\x80", 1);
    else
        aw_json_object_begin(&writer->_json);
}

/* The head of a map, now that its size is known. */
static void
set_map_head(struct aw_buffer *buffer, const struct aw_writer_level *level)
{
    size_t body = buffer->len - level->head - 1;
    char  *head;

    if (buffer->failed)
        return;
    head = buffer->ptr + level->head;
    if (level->count <= FIXMAP_MAX) {
        *head = (char)(0x80 | level->count);
        return;
    }
    AW_ASSERT(level->count <= MAP16_MAX); /* no answer has that many fields */
    if (aw_buffer_reserve(buffer, 2) == NULL)
        return;
    head = buffer->ptr + level->head; /* reserving may have moved it */
    memmove(head + 3, head + 1, body);
    head[0] = (char)0xde;
    head[1] = (char)(level->count >> 8);
    head[2] = (char)level->count;
    buffer->len += 2;
}

void
aw_writer_end_map(struct aw_writer *writer)
{
    const struct aw_writer_level *level = close_level(writer, true);

    if (writer->_msgpack)
        set_map_head(writer->_buffer, level);
    else
        aw_json_object_end(&writer->_json);
}

void
aw_writer_begin_array(struct aw_writer *writer, uint32_t count)
{
    msgpack_packer pack = packer(writer);

    open_level(writer, false, count);
    if (writer->_msgpack)
        (void)msgpack_pack_array(&pack, count); /* append never fails */
    else
        aw_json_array_begin(&writer->_json);
}

void
aw_writer_end_array(struct aw_writer *writer)
{
    const struct aw_writer_level *level = close_level(writer, false);

    AW_ASSERT(level->count == level->announced);
    if (!writer->_msgpack)
        aw_json_array_end(&writer->_json);
}

static void
pack_str(struct aw_writer *writer, struct aw_slice text)
{
    msgpack_packer pack = packer(writer);

    AW_ASSERT(text.len <= UINT32_MAX);
    (void)msgpack_pack_str(&pack, text.len);
    aw_buffer_add(writer->_buffer, text.ptr, text.len);
}

void
aw_writer_key(struct aw_writer *writer, struct aw_slice key)
{
    AW_ASSERT(!writer->_named);
    writer->_named = true;
    if (writer->_msgpack)
        pack_str(writer, key);
    else
        aw_json_key_slice(&writer->_json, key);
}

void
aw_writer_str(struct aw_writer *writer, struct aw_slice value)
{
    count_value(writer);
    if (writer->_msgpack)
        pack_str(writer, value);
    else
        aw_json_string(&writer->_json, value);
}

void
aw_writer_u64(struct aw_writer *writer, uint64_t value)
{
    msgpack_packer pack = packer(writer);

    count_value(writer);
    if (writer->_msgpack)
        (void)msgpack_pack_uint64(&pack, value);
    else
        aw_json_u64(&writer->_json, value);
}

void
aw_writer_i64(struct aw_writer *writer, int64_t value)
{
    msgpack_packer pack = packer(writer);

    count_value(writer);
    if (writer->_msgpack)
        (void)msgpack_pack_int64(&pack, value);
    else
        aw_json_i64(&writer->_json, value);
}

void
aw_writer_real(struct aw_writer *writer, double value)
{
    msgpack_packer pack = packer(writer);
    char           text[32];

    AW_ASSERT(isfinite(value));
    count_value(writer);
    if (writer->_msgpack) {
        (void)msgpack_pack_double(&pack, value);
        return;
    }
    /* 15 digits if they are enough to read the same number back, else all 17. */
    (void)snprintf(text, sizeof(text), "%.15g", value);
    if (strtod(text, NULL) != value)
        (void)snprintf(text, sizeof(text), "%.17g", value);
    aw_json_raw(&writer->_json, aw_slice_str(text));
}

void
aw_writer_bool(struct aw_writer *writer, bool value)
{
    count_value(writer);
    if (writer->_msgpack)
        aw_buffer_add(writer->_buffer, value ? "\xc3" : "\xc2", 1);
    else
        aw_json_bool(&writer->_json, value);
}

void
aw_writer_null(struct aw_writer *writer)
{
    count_value(writer);
    if (writer->_msgpack)
        aw_buffer_add(writer->_buffer, "\xc0", 1);
    else
        aw_json_null(&writer->_json);
}

void
aw_writer_time(struct aw_writer *writer, aw_ms at)
{
    char text[AW_TIME_TEXT_BYTES];

    if (at == 0) {
        aw_writer_null(writer);
        return;
    }
    aw_time_format(at, text);
    aw_writer_str(writer, aw_slice_of(text, sizeof(text) - 1));
}

void
aw_writer_end_line(struct aw_writer *writer)
{
    AW_ASSERT(writer->_depth == 0);
    if (!writer->_msgpack)
        aw_json_newline(&writer->_json);
}

static bool copy_value(struct aw_writer *writer, const char **at, const char *end, unsigned depth);

static bool
copy_text(struct aw_slice *ret_text, const char **at, const char *end)
{
    struct aw_mp_head head;

    if (!aw_mp_read(at, end, &head) || head.kind != AW_MP_STR)
        return false;
    *ret_text = aw_slice_of(*at, head.count);
    *at += head.count;
    return true;
}

static bool
copy_pairs(struct aw_writer *writer, const char **at, const char *end, uint32_t count, unsigned depth)
{
    for (uint32_t i = 0; i < count; i++) {
        struct aw_slice key;

        if (!copy_text(&key, at, end))
            return false;
        aw_writer_key(writer, key);
        if (!copy_value(writer, at, end, depth))
            return false;
    }
    return true;
}

static bool
copy_container(struct aw_writer *writer, const struct aw_mp_head *head, const char **at, const char *end, unsigned depth)
{
    if (depth == 0 || head->count > (size_t)(end - *at))
        return false;
    if (head->kind == AW_MP_MAP) {
        if (head->count > MAP16_MAX)
            return false;
        aw_writer_begin_map(writer);
        if (!copy_pairs(writer, at, end, head->count, depth - 1))
            return false;
        aw_writer_end_map(writer);
        return true;
    }
    aw_writer_begin_array(writer, head->count);
    for (uint32_t i = 0; i < head->count; i++) {
        if (!copy_value(writer, at, end, depth - 1))
            return false;
    }
    aw_writer_end_array(writer);
    return true;
}

static bool
copy_value(struct aw_writer *writer, const char **at, const char *end, unsigned depth)
{
    struct aw_mp_head head;

    if (!aw_mp_read(at, end, &head))
        return false;
    switch (head.kind) {
    case AW_MP_NIL:
        aw_writer_null(writer);
        return true;
    case AW_MP_BOOL:
        aw_writer_bool(writer, head.value.u64 != 0);
        return true;
    case AW_MP_UINT:
        aw_writer_u64(writer, head.value.u64);
        return true;
    case AW_MP_INT:
        aw_writer_i64(writer, head.value.i64);
        return true;
    case AW_MP_REAL:
        if (!isfinite(head.value.real))
            return false;
        aw_writer_real(writer, head.value.real);
        return true;
    case AW_MP_STR:
        aw_writer_str(writer, aw_slice_of(*at, head.count));
        *at += head.count;
        return true;
    case AW_MP_ARRAY:
    case AW_MP_MAP:
        return copy_container(writer, &head, at, end, depth);
    case AW_MP_BIN:
    case AW_MP_EXT:
        return false;
    }
    AW_UNREACHABLE();
}

bool
aw_writer_copy(struct aw_writer *writer, struct aw_slice value)
{
    const char *at = value.ptr;
    const char *end;

    if (value.len == 0)
        return false;
    end = value.ptr + value.len;
    return copy_value(writer, &at, end, AW_DEPTH_MAX) && at == end;
}

bool
aw_writer_copy_entries(struct aw_writer *writer, struct aw_slice map)
{
    const char       *at = map.ptr;
    const char       *end;
    struct aw_mp_head head;

    if (map.len == 0)
        return false;
    end = map.ptr + map.len;
    if (!aw_mp_read(&at, end, &head) || head.kind != AW_MP_MAP || head.count > MAP16_MAX / 2)
        return false; /* half: the map that is open has pairs of its own */
    return copy_pairs(writer, &at, end, head.count, AW_DEPTH_MAX - 1) && at == end;
}
