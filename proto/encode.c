/* encode.c - from a struct to JSON or MessagePack, by the table; and look-ups in what was stored. */
#include "proto/proto.h"

#include "proto/msgpack_bytes.h"
#include "proto/tree.h"

static uint64_t
load_number(const struct aw_field *field, const void *from)
{
    uint32_t half;

    switch (field->width) {
    case 1:
        return *(const uint8_t *)from;
    case 4:
        memcpy(&half, from, sizeof(half)); /* uint32_t or an enum */
        return half;
    case 8:
        return *(const uint64_t *)from;
    default:
        AW_UNREACHABLE();
    }
}

static bool is_object_sent(enum aw_object_kind kind, const char *object);

/* Whether a field is written: it differs from what its absence means. */
static bool
is_sent(const struct aw_field *field, const char *object)
{
    const void     *from = object + field->at;
    const void     *beside = object + field->beside;
    struct aw_slice text;

    if (aw_field_is_map(field) || (field->items_max > 0 && field->type != AW_TYPE_WORDS))
        return *(const uint32_t *)beside > 0;
    switch (field->type) {
    case AW_TYPE_TEXT:
    case AW_TYPE_ID:
    case AW_TYPE_NAME:
    case AW_TYPE_LANG:
    case AW_TYPE_FLIGHT:
    case AW_TYPE_AIRPORT:
        text = *(const struct aw_slice *)from;
        return text.len > 0 && (field->fallback_text == NULL || !aw_slice_eq(text, aw_slice_str(field->fallback_text)));
    case AW_TYPE_DATE:
        return *(const bool *)beside;
    case AW_TYPE_TIME:
        return *(const aw_ms *)from != 0;
    case AW_TYPE_WORD:
        return field->required || load_number(field, from) != field->fallback;
    case AW_TYPE_WORDS:
        return *(const uint8_t *)from != 0;
    case AW_TYPE_NUMBER:
        return field->beside != 0 ? *(const bool *)beside : load_number(field, from) != field->fallback;
    case AW_TYPE_FLAG:
        return field->required || *(const bool *)from || (field->beside != 0 && *(const bool *)beside);
    case AW_TYPE_OBJECT:
        return field->beside != 0 ? *(const bool *)beside : is_object_sent(field->object, from);
    case AW_TYPE_PAIRS:
    case AW_TYPE_UNITS:
        break;
    }
    AW_UNREACHABLE();
}

static bool
is_object_sent(enum aw_object_kind kind, const char *object)
{
    const struct aw_object *what = aw_object_of(kind);

    for (uint32_t i = 0; i < what->field_count; i++) {
        if (is_sent(&what->fields[i], object))
            return true;
    }
    return false;
}

static void
write_words(struct aw_writer *writer, const struct aw_words *words, uint8_t bits)
{
    aw_writer_begin_array(writer, (uint32_t)__builtin_popcount(bits));
    for (uint32_t i = 0; i < words->count; i++) {
        if ((bits & words->values[i]) != 0)
            aw_writer_str(writer, aw_slice_str(words->names[i]));
    }
    aw_writer_end_array(writer);
}

static void
write_one(struct aw_writer *writer, const struct aw_field *field, const void *from)
{
    char date[11];

    switch (field->type) {
    case AW_TYPE_TEXT:
    case AW_TYPE_ID:
    case AW_TYPE_NAME:
    case AW_TYPE_LANG:
    case AW_TYPE_FLIGHT:
    case AW_TYPE_AIRPORT:
        aw_writer_str(writer, *(const struct aw_slice *)from);
        return;
    case AW_TYPE_DATE:
        aw_date_format(*(const uint32_t *)from, date);
        aw_writer_str(writer, aw_slice_of(date, sizeof(date) - 1));
        return;
    case AW_TYPE_TIME:
        aw_writer_time(writer, *(const aw_ms *)from);
        return;
    case AW_TYPE_WORD:
        aw_writer_str(writer, aw_slice_str(aw_words_name(field->words, load_number(field, from))));
        return;
    case AW_TYPE_WORDS:
        write_words(writer, field->words, *(const uint8_t *)from);
        return;
    case AW_TYPE_NUMBER:
        aw_writer_u64(writer, load_number(field, from));
        return;
    case AW_TYPE_FLAG:
        aw_writer_bool(writer, *(const bool *)from);
        return;
    case AW_TYPE_OBJECT:
        aw_proto_write_object(writer, field->object, from);
        return;
    case AW_TYPE_PAIRS:
    case AW_TYPE_UNITS:
        break;
    }
    AW_UNREACHABLE();
}

static void
write_list(struct aw_writer *writer, const struct aw_field *field, const char *items, uint32_t count)
{
    size_t item_bytes = field->type == AW_TYPE_OBJECT ? aw_object_of(field->object)->bytes : sizeof(struct aw_slice);

    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < count; i++)
        write_one(writer, field, items + i * item_bytes);
    aw_writer_end_array(writer);
}

static void
write_pairs(struct aw_writer *writer, const struct aw_pair *pairs, uint32_t count)
{
    aw_writer_begin_map(writer);
    for (uint32_t i = 0; i < count; i++) {
        aw_writer_key(writer, pairs[i].key);
        aw_writer_str(writer, pairs[i].value);
    }
    aw_writer_end_map(writer);
}

static void
write_units(struct aw_writer *writer, const struct aw_agent_units *units, uint32_t count)
{
    aw_writer_begin_map(writer);
    for (uint32_t i = 0; i < count; i++) {
        aw_writer_key(writer, units[i].channel);
        aw_writer_u64(writer, units[i].units);
    }
    aw_writer_end_map(writer);
}

void
aw_proto_write_object(struct aw_writer *writer, enum aw_object_kind kind, const void *object)
{
    const struct aw_object *what = aw_object_of(kind);
    const char             *from = object;

    aw_writer_begin_map(writer);
    for (uint32_t i = 0; i < what->field_count; i++) {
        const struct aw_field *field = &what->fields[i];

        if (!is_sent(field, from))
            continue;
        aw_writer_key(writer, field->name);
        if (field->type == AW_TYPE_PAIRS)
            write_pairs(writer, *(const struct aw_pair *const *)(const void *)(from + field->at),
                        *(const uint32_t *)(const void *)(from + field->beside));
        else if (field->type == AW_TYPE_UNITS)
            write_units(writer, *(const struct aw_agent_units *const *)(const void *)(from + field->at),
                        *(const uint32_t *)(const void *)(from + field->beside));
        else if (field->items_max > 0 && field->type != AW_TYPE_WORDS)
            write_list(writer, field, *(const char *const *)(const void *)(from + field->at),
                       *(const uint32_t *)(const void *)(from + field->beside));
        else
            write_one(writer, field, from + field->at);
    }
    aw_writer_end_map(writer);
}

bool
aw_proto_encode_message(struct aw_buffer *buffer, const struct aw_message *message)
{
    struct aw_writer writer;

    aw_writer_init(&writer, buffer, AW_MEDIA_MSGPACK);
    aw_proto_write_object(&writer, AW_OBJECT_MESSAGE, message);
    return !buffer->failed;
}

bool
aw_proto_encode_reasons(struct aw_buffer *buffer, const struct aw_slice *reasons, uint32_t count)
{
    struct aw_writer writer;
    size_t           before = buffer->len;

    AW_ASSERT(count <= AW_REASONS_MAX);
    if (count == 0)
        return !buffer->failed;
    aw_writer_init(&writer, buffer, AW_MEDIA_MSGPACK);
    aw_writer_begin_array(&writer, count);
    for (uint32_t i = 0; i < count; i++) {
        AW_ASSERT(reasons[i].len <= AW_REASON_BYTES_MAX);
        aw_writer_str(&writer, reasons[i]);
    }
    aw_writer_end_array(&writer);
    AW_ASSERT(buffer->failed || buffer->len - before <= AW_REASONS_ENCODED_BYTES_MAX);
    return !buffer->failed;
}

bool
aw_proto_message_parts(struct aw_slice body, uint32_t reasons_bytes, struct aw_message_parts *ret_parts)
{
    const char             *at, *end;
    struct aw_mp_head       list, text;
    struct aw_message_parts parts;

    if (reasons_bytes > body.len)
        return false;
    parts.posted = aw_slice_of(body.ptr, body.len - reasons_bytes);
    parts.reason_count = 0;
    if (reasons_bytes > 0) {
        at = body.ptr + parts.posted.len;
        end = body.ptr + body.len;
        if (!aw_mp_read(&at, end, &list) || list.kind != AW_MP_ARRAY || list.count > AW_REASONS_MAX)
            return false;
        for (; parts.reason_count < list.count; parts.reason_count++) {
            if (!aw_mp_read(&at, end, &text) || text.kind != AW_MP_STR)
                return false;
            parts.reasons[parts.reason_count] = aw_slice_of(at, text.count);
            at += text.count;
        }
        if (at != end)
            return false;
    }
    *ret_parts = parts;
    return true;
}

bool
aw_proto_encode_note(struct aw_buffer *buffer, struct aw_slice text)
{
    const struct aw_note_request note = {.text = text};
    struct aw_writer             writer;

    aw_writer_init(&writer, buffer, AW_MEDIA_MSGPACK);
    aw_proto_write_object(&writer, AW_OBJECT_NOTE, &note);
    AW_ASSERT(buffer->failed || buffer->len <= AW_NOTE_ENCODED_BYTES_MAX);
    return !buffer->failed;
}

bool
aw_proto_encode_reply(struct aw_buffer *buffer, const struct aw_reply *reply)
{
    struct aw_writer writer;

    aw_writer_init(&writer, buffer, AW_MEDIA_MSGPACK);
    aw_proto_write_object(&writer, AW_OBJECT_REPLY, reply);
    return !buffer->failed && buffer->len <= AW_MESSAGE_ENCODED_BYTES_MAX;
}

struct aw_slice
aw_proto_body_get(struct aw_slice body, struct aw_slice key)
{
    const char       *at = body.ptr;
    const char       *end;
    struct aw_mp_head map;

    if (body.len == 0)
        return (struct aw_slice){NULL, 0};
    end = body.ptr + body.len;
    if (!aw_mp_read(&at, end, &map) || map.kind != AW_MP_MAP)
        return (struct aw_slice){NULL, 0};
    for (uint32_t i = 0; i < map.count; i++) {
        struct aw_mp_head head;
        bool              found;
        size_t            bytes;

        if (!aw_mp_read(&at, end, &head) || head.kind != AW_MP_STR)
            break;
        found = aw_slice_eq(aw_slice_of(at, head.count), key);
        at += head.count;
        bytes = aw_msgpack_measure(aw_slice_of(at, (size_t)(end - at)));
        if (bytes == 0)
            break;
        if (found)
            return aw_slice_of(at, bytes);
        at += bytes;
    }
    return (struct aw_slice){NULL, 0};
}

bool
aw_proto_body_text(struct aw_slice body, struct aw_slice key, struct aw_slice *ret_text)
{
    struct aw_slice   value = aw_proto_body_get(body, key);
    const char       *at = value.ptr;
    struct aw_mp_head head;

    if (value.len == 0 || !aw_mp_read(&at, value.ptr + value.len, &head) || head.kind != AW_MP_STR)
        return false;
    *ret_text = aw_slice_of(at, head.count);
    return true;
}

struct aw_slice
aw_proto_body_item(struct aw_slice list, uint32_t index)
{
    const char       *at = list.ptr, *end = list.ptr + list.len;
    struct aw_mp_head head;

    if (list.len == 0 || !aw_mp_read(&at, end, &head) || head.kind != AW_MP_ARRAY || index >= head.count)
        return (struct aw_slice){NULL, 0};
    for (;; index--) {
        size_t bytes = aw_msgpack_measure(aw_slice_of(at, (size_t)(end - at)));

        if (bytes == 0)
            return (struct aw_slice){NULL, 0};
        if (index == 0)
            return aw_slice_of(at, bytes);
        at += bytes;
    }
}
