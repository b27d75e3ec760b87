/* decode.c - from a tree to a struct, by the table. */
#include "proto/proto.h"

#include "proto/check.h"
#include "proto/tree.h"

struct decoder {
    struct aw_arena         *arena;
    struct aw_proto_problem *problem;
    struct aw_path           path;
    bool                     lenient;
    uint32_t                 extra_count;
    struct aw_pair           extra[AW_META_MAX]; /* unknown fields on their way to meta */
};

static enum aw_err
out_of_memory(struct decoder *decoder)
{
    return aw_fault_at(decoder->problem, AW_FAULT_MEMORY, NULL, "could not be read: out of memory");
}

/* What a value is, for people; JSON's words where MessagePack has the same thing. */
static const char *
kind_of(const msgpack_object *value)
{
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
        return "null (leave the field out instead)";
    case MSGPACK_OBJECT_BOOLEAN:
        return "true or false";
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return "a number";
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return "a number with a fraction or an exponent";
    case MSGPACK_OBJECT_STR:
        return "a text";
    case MSGPACK_OBJECT_ARRAY:
        return "a list";
    case MSGPACK_OBJECT_MAP:
        return "an object";
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        break;
    }
    AW_UNREACHABLE(); /* refused before there was a tree */
}

static enum aw_err
wrong_type(struct decoder *decoder, const char *wanted, const msgpack_object *value)
{
    return aw_fault_at(decoder->problem, AW_FAULT_TYPE, &decoder->path, "must be %s, not %s", wanted, kind_of(value));
}

static enum aw_err
wrong_value(struct decoder *decoder, const char *wanted)
{
    return aw_fault_at(decoder->problem, AW_FAULT_VALUE, &decoder->path, "must be %s", wanted);
}

static struct aw_slice
text_of(const msgpack_object *value)
{
    return aw_slice_of(value->via.str.ptr, value->via.str.size);
}

/* --- Texts ------------------------------------------------------------------------------------------------------------------ */

static enum aw_err
check_bytes(struct decoder *decoder, struct aw_slice text, bool empty_ok, uint32_t max)
{
    if (text.len == 0 && !empty_ok)
        return aw_fault_at(decoder->problem, AW_FAULT_EMPTY, &decoder->path, "must not be empty; leave the field out instead");
    if (text.len > max)
        return aw_fault_at(decoder->problem, AW_FAULT_LONG, &decoder->path, "has %zu bytes; at most %u", text.len, max);
    return AW_OK;
}

static enum aw_err
check_shape(struct decoder *decoder, enum aw_type type, struct aw_slice text)
{
    switch (type) {
    case AW_TYPE_TEXT:
        if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
            return wrong_value(decoder, "without NUL (U+0000)");
        return AW_OK;
    case AW_TYPE_ID:
        return aw_check_no_controls(text) ? AW_OK : wrong_value(decoder, "without control characters");
    case AW_TYPE_NAME:
        return aw_check_name(text) ? AW_OK : wrong_value(decoder, "of a-z, 0-9, '_', '.' and '-'");
    case AW_TYPE_LANG:
        return aw_check_lang(text) ? AW_OK : wrong_value(decoder, "a language tag such as \"en\" or \"pt-BR\"");
    case AW_TYPE_FLIGHT:
        return aw_check_flight_number(text) ? AW_OK : wrong_value(decoder, "a flight number such as \"KL1234\", in upper case");
    case AW_TYPE_AIRPORT:
        return aw_check_airport(text) ? AW_OK : wrong_value(decoder, "an IATA airport code: three upper-case letters");
    case AW_TYPE_DATE:
    case AW_TYPE_TIME:
    case AW_TYPE_WORD:
    case AW_TYPE_WORDS:
    case AW_TYPE_NUMBER:
    case AW_TYPE_FLAG:
    case AW_TYPE_OBJECT:
    case AW_TYPE_PAIRS:
    case AW_TYPE_UNITS:
        break;
    }
    AW_UNREACHABLE();
}

static enum aw_err
decode_text(struct decoder *decoder, const struct aw_field *field, const msgpack_object *value, struct aw_slice *ret)
{
    struct aw_slice text;
    enum aw_err     err;

    if (value->type != MSGPACK_OBJECT_STR)
        return wrong_type(decoder, "a text", value);
    text = text_of(value);
    if (field->bytes_max > 0) { /* airports have a length of their own */
        err = check_bytes(decoder, text, field->empty_ok, field->bytes_max);
        if (err != AW_OK)
            return err;
    }
    err = check_shape(decoder, field->type, text);
    if (err != AW_OK)
        return err;
    /* Absent and empty are the same where empty is allowed. */
    *ret = text.len == 0 ? (struct aw_slice){NULL, 0} : text;
    return AW_OK;
}

/* --- Numbers and words ------------------------------------------------------------------------------------------------------ */

static void
store_number(const struct aw_field *field, void *to, uint64_t number)
{
    switch (field->width) {
    case 1:
        *(uint8_t *)to = (uint8_t)number;
        return;
    case 4: {
        uint32_t value = (uint32_t)number;

        memcpy(to, &value, sizeof(value)); /* uint32_t or an enum */
        return;
    }
    case 8:
        *(uint64_t *)to = number;
        return;
    default:
        AW_UNREACHABLE();
    }
}

static enum aw_err
decode_number(struct decoder *decoder, const struct aw_field *field, const msgpack_object *value, void *to)
{
    bool negative = value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;

    if (!negative && value->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return wrong_type(decoder, "a whole number", value);
    if (negative || value->via.u64 < field->number_min || value->via.u64 > field->number_max)
        return aw_fault_at(decoder->problem, AW_FAULT_RANGE, &decoder->path, "must be a whole number from %llu to %llu",
                           (unsigned long long)field->number_min, (unsigned long long)field->number_max);
    store_number(field, to, value->via.u64);
    return AW_OK;
}

static enum aw_err
decode_word(struct decoder *decoder, const struct aw_words *words, const msgpack_object *value, uint8_t *ret)
{
    char     list[AW_PROTO_DETAIL_BYTES];
    uint32_t at = 0;

    if (value->type != MSGPACK_OBJECT_STR)
        return wrong_type(decoder, "a text", value);
    for (uint32_t i = 0; i < words->count; i++) {
        if (aw_slice_eq(text_of(value), aw_slice_str(words->names[i]))) {
            *ret = words->values[i];
            return AW_OK;
        }
    }
    list[0] = '\0';
    for (uint32_t i = 0; i < words->count; i++) {
        size_t len = strlen(words->names[i]);

        AW_ASSERT(at + len + 3 < sizeof(list));
        memcpy(list + at, ", ", 2);
        memcpy(list + at + 2, words->names[i], len + 1);
        at += (uint32_t)len + 2;
    }
    return aw_fault_at(decoder->problem, AW_FAULT_VALUE, &decoder->path, "must be one of: %s", list + 2);
}

static enum aw_err
check_items(struct decoder *decoder, const struct aw_field *field, const msgpack_object *value)
{
    if (value->type != MSGPACK_OBJECT_ARRAY)
        return wrong_type(decoder, "a list", value);
    if (value->via.array.size > field->items_max)
        return aw_fault_at(decoder->problem, AW_FAULT_MANY, &decoder->path, "has %u elements; at most %u", value->via.array.size,
                           field->items_max);
    return AW_OK;
}

static enum aw_err
decode_words(struct decoder *decoder, const struct aw_field *field, const msgpack_object *value, uint8_t *ret_bits)
{
    enum aw_err err = check_items(decoder, field, value);
    uint8_t     bits = 0;

    for (uint32_t i = 0; err == AW_OK && i < value->via.array.size; i++) {
        uint8_t bit = 0;

        aw_path_push_index(&decoder->path, i);
        err = decode_word(decoder, field->words, &value->via.array.ptr[i], &bit);
        if (err != AW_OK)
            return err;
        bits |= bit;
        aw_path_pop(&decoder->path);
    }
    if (err == AW_OK)
        *ret_bits = bits;
    return err;
}

static enum aw_err
decode_time(struct decoder *decoder, const msgpack_object *value, aw_ms *ret)
{
    aw_ms at;

    if (value->type != MSGPACK_OBJECT_STR)
        return wrong_type(decoder, "a time as text", value);
    /* 0 is how "not sent" is kept, so the first millisecond of 1970 is no time of ours. */
    if (!aw_time_parse(text_of(value), &at) || at == 0)
        return wrong_value(decoder, "an RFC 3339 time after 1970 such as \"2026-04-15T08:00:00Z\"");
    *ret = at;
    return AW_OK;
}

static enum aw_err
decode_date(struct decoder *decoder, const msgpack_object *value, uint32_t *ret_days)
{
    if (value->type != MSGPACK_OBJECT_STR)
        return wrong_type(decoder, "a date as text", value);
    if (!aw_date_parse(text_of(value), ret_days))
        return wrong_value(decoder, "a date such as \"2026-04-15\"");
    return AW_OK;
}

/* Maps of texts
 * ------------------------------------------------------------------------------------------------------------------ */

static enum aw_err
check_pair(struct decoder *decoder, struct aw_slice key, struct aw_slice value)
{
    enum aw_err err = check_bytes(decoder, value, true, AW_META_VALUE_BYTES_MAX);

    if (err == AW_OK)
        err = check_shape(decoder, AW_TYPE_TEXT, value);
    if (err != AW_OK)
        return err;
    if (key.len == 0 || key.len > AW_META_KEY_BYTES_MAX)
        return aw_fault_at(decoder->problem, key.len == 0 ? AW_FAULT_EMPTY : AW_FAULT_LONG, &decoder->path,
                           "has a key of %zu bytes; 1 to %u", key.len, AW_META_KEY_BYTES_MAX);
    return aw_check_no_controls(key) ? AW_OK : wrong_value(decoder, "a key without control characters");
}

/* Sorted by insertion, so that equal maps become equal bytes. False when the key is there already. */
static bool
insert_pair(struct aw_pair *pairs, uint32_t count, struct aw_pair pair)
{
    uint32_t at = count;

    while (at > 0) {
        const struct aw_slice *before = &pairs[at - 1].key;
        size_t                 shorter = before->len < pair.key.len ? before->len : pair.key.len;
        int                    order = memcmp(before->ptr, pair.key.ptr, shorter);

        if (order == 0 && before->len == pair.key.len)
            return false;
        if (order < 0 || (order == 0 && before->len < pair.key.len))
            break;
        pairs[at] = pairs[at - 1];
        at--;
    }
    pairs[at] = pair;
    return true;
}

static enum aw_err
decode_pairs(struct decoder *decoder, const struct aw_field *field, const msgpack_object *value, const struct aw_pair **ret_pairs,
             uint32_t *ret_count)
{
    struct aw_pair *pairs;
    uint32_t        count;

    if (value->type != MSGPACK_OBJECT_MAP)
        return wrong_type(decoder, "an object", value);
    count = value->via.map.size;
    if (count > field->items_max)
        return aw_fault_at(decoder->problem, AW_FAULT_MANY, &decoder->path, "has %u keys; at most %u", count, field->items_max);
    pairs = aw_arena_take(decoder->arena, count * sizeof(*pairs));
    if (pairs == NULL)
        return out_of_memory(decoder);
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object_kv *from = &value->via.map.ptr[i];
        struct aw_pair           pair = {.key = text_of(&from->key)};
        enum aw_err              err;
        bool                     is_new;

        aw_path_push_name(&decoder->path, pair.key);
        if (from->val.type != MSGPACK_OBJECT_STR)
            return wrong_type(decoder, "a text", &from->val);
        pair.value = text_of(&from->val);
        err = check_pair(decoder, pair.key, pair.value);
        if (err != AW_OK)
            return err;
        is_new = insert_pair(pairs, i, pair);
        AW_ASSERT(is_new); /* equal keys were refused before there was a tree */
        aw_path_pop(&decoder->path);
    }
    *ret_pairs = pairs;
    *ret_count = count;
    return AW_OK;
}

/* In the order in which they came: they are few, and each is there once. */
static enum aw_err
decode_units(struct decoder *decoder, const struct aw_field *field, const msgpack_object *value,
             const struct aw_agent_units **ret_units, uint32_t *ret_count)
{
    struct aw_agent_units *units;
    uint32_t               count;

    if (value->type != MSGPACK_OBJECT_MAP)
        return wrong_type(decoder, "an object", value);
    count = value->via.map.size;
    if (count > field->items_max)
        return aw_fault_at(decoder->problem, AW_FAULT_MANY, &decoder->path, "has %u keys; at most %u", count, field->items_max);
    units = aw_arena_take(decoder->arena, count * sizeof(*units));
    if (units == NULL)
        return out_of_memory(decoder);
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object_kv *from = &value->via.map.ptr[i];
        struct aw_field          number = {.width = sizeof(units[i].units), .number_max = field->number_max};
        enum aw_err              err;

        units[i].channel = text_of(&from->key);
        aw_path_push_name(&decoder->path, units[i].channel);
        err = check_bytes(decoder, units[i].channel, false, field->bytes_max);
        if (err == AW_OK)
            err = check_shape(decoder, AW_TYPE_NAME, units[i].channel);
        if (err == AW_OK)
            err = decode_number(decoder, &number, &from->val, &units[i].units);
        if (err != AW_OK)
            return err;
        aw_path_pop(&decoder->path);
    }
    *ret_units = units;
    *ret_count = count;
    return AW_OK;
}

/* Unknown fields
 * ----------------------------------------------------------------------------------------------------------------- */

static void
write_tree(struct aw_writer *writer, const msgpack_object *value)
{
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
        aw_writer_null(writer);
        return;
    case MSGPACK_OBJECT_BOOLEAN:
        aw_writer_bool(writer, value->via.boolean);
        return;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        aw_writer_u64(writer, value->via.u64);
        return;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        aw_writer_i64(writer, value->via.i64);
        return;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        aw_writer_real(writer, value->via.f64);
        return;
    case MSGPACK_OBJECT_STR:
        aw_writer_str(writer, text_of(value));
        return;
    case MSGPACK_OBJECT_ARRAY:
        aw_writer_begin_array(writer, value->via.array.size);
        for (uint32_t i = 0; i < value->via.array.size; i++)
            write_tree(writer, &value->via.array.ptr[i]);
        aw_writer_end_array(writer);
        return;
    case MSGPACK_OBJECT_MAP:
        aw_writer_begin_map(writer);
        for (uint32_t i = 0; i < value->via.map.size; i++) {
            aw_writer_key(writer, text_of(&value->via.map.ptr[i].key));
            write_tree(writer, &value->via.map.ptr[i].val);
        }
        aw_writer_end_map(writer);
        return;
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        break;
    }
    AW_UNREACHABLE();
}

static enum aw_err
keep_unknown(struct decoder *decoder, const msgpack_object *value)
{
    struct aw_pair   pair;
    char             key[AW_PROTO_FIELD_BYTES];
    struct aw_buffer buffer;
    struct aw_writer writer;
    enum aw_err      err;

    if (decoder->extra_count == AW_META_MAX)
        return aw_fault_at(decoder->problem, AW_FAULT_MANY, &decoder->path, "has no place in meta, which holds at most %u",
                           AW_META_MAX);
    aw_path_format(&decoder->path, key, sizeof(key));
    if (!aw_arena_copy(decoder->arena, aw_slice_str(key), &pair.key))
        return out_of_memory(decoder);
    pair.value = text_of(value);
    if (value->type != MSGPACK_OBJECT_STR) {
        aw_buffer_init(&buffer, decoder->arena);
        aw_writer_init(&writer, &buffer, AW_MEDIA_JSON);
        write_tree(&writer, value);
        if (buffer.failed)
            return out_of_memory(decoder);
        pair.value = aw_buffer_slice(&buffer);
    }
    err = check_pair(decoder, pair.key, pair.value);
    if (err == AW_OK && !insert_pair(decoder->extra, decoder->extra_count, pair))
        return aw_fault_at(decoder->problem, AW_FAULT_DUPLICATE, &decoder->path, "is there twice");
    decoder->extra_count++;
    return err;
}

/* Objects
 * ------------------------------------------------------------------------------------------------------------------------ */

static enum aw_err decode_object(struct decoder *decoder, enum aw_object_kind kind, const msgpack_object *value, void *to);

static enum aw_err
decode_one(struct decoder *decoder, const struct aw_field *field, const msgpack_object *value, void *to, bool *ret_known)
{
    uint8_t     word = 0;
    enum aw_err err;

    switch (field->type) {
    case AW_TYPE_TEXT:
    case AW_TYPE_ID:
    case AW_TYPE_NAME:
    case AW_TYPE_LANG:
    case AW_TYPE_FLIGHT:
    case AW_TYPE_AIRPORT:
        return decode_text(decoder, field, value, to);
    case AW_TYPE_DATE:
        err = decode_date(decoder, value, to);
        *ret_known = err == AW_OK;
        return err;
    case AW_TYPE_TIME:
        return decode_time(decoder, value, to);
    case AW_TYPE_WORD:
        err = decode_word(decoder, field->words, value, &word);
        if (err == AW_OK)
            store_number(field, to, word);
        return err;
    case AW_TYPE_WORDS:
        return decode_words(decoder, field, value, to);
    case AW_TYPE_NUMBER:
        err = decode_number(decoder, field, value, to);
        if (field->beside != 0)
            *ret_known = err == AW_OK;
        return err;
    case AW_TYPE_FLAG:
        if (value->type != MSGPACK_OBJECT_BOOLEAN)
            return wrong_type(decoder, "true or false", value);
        *(bool *)to = value->via.boolean;
        if (field->beside != 0)
            *ret_known = true;
        return AW_OK;
    case AW_TYPE_OBJECT:
        if (field->beside != 0)
            *ret_known = true;
        return decode_object(decoder, field->object, value, to);
    case AW_TYPE_PAIRS:
    case AW_TYPE_UNITS:
        break;
    }
    AW_UNREACHABLE(); /* maps have a count: decode_field */
}

static enum aw_err
decode_list(struct decoder *decoder, const struct aw_field *field, const msgpack_object *value, void *ret_items,
            uint32_t *ret_count)
{
    size_t      item_bytes = field->type == AW_TYPE_OBJECT ? aw_object_of(field->object)->bytes : sizeof(struct aw_slice);
    enum aw_err err = check_items(decoder, field, value);
    char       *items;

    if (err != AW_OK)
        return err;
    if (value->via.array.size == 0)
        return AW_OK;
    items = aw_arena_take(decoder->arena, value->via.array.size * item_bytes);
    if (items == NULL)
        return out_of_memory(decoder);
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        bool known; /* only of single values */

        aw_path_push_index(&decoder->path, i);
        err = decode_one(decoder, field, &value->via.array.ptr[i], items + i * item_bytes, &known);
        if (err != AW_OK)
            return err;
        aw_path_pop(&decoder->path);
    }
    memcpy(ret_items, &items, sizeof(items)); /* a pointer to const of some type */
    *ret_count = value->via.array.size;
    return AW_OK;
}

static enum aw_err
decode_field(struct decoder *decoder, const struct aw_field *field, const msgpack_object *value, char *object)
{
    void *to = object + field->at;
    void *beside = object + field->beside;

    if (field->type == AW_TYPE_PAIRS)
        return decode_pairs(decoder, field, value, to, beside);
    if (field->type == AW_TYPE_UNITS)
        return decode_units(decoder, field, value, to, beside);
    if (field->given != 0)
        *(bool *)(object + field->given) = true;
    if (field->items_max > 0 && field->type != AW_TYPE_WORDS)
        return decode_list(decoder, field, value, to, beside);
    return decode_one(decoder, field, value, to, beside);
}

static void
set_defaults(const struct aw_object *object, char *to)
{
    memset(to, 0, object->bytes);
    for (uint32_t i = 0; i < object->field_count; i++) {
        const struct aw_field *field = &object->fields[i];

        if (field->fallback_text != NULL)
            *(struct aw_slice *)(void *)(to + field->at) = aw_slice_str(field->fallback_text);
        else if (field->fallback != 0)
            store_number(field, to + field->at, field->fallback);
    }
}

static enum aw_err
check_required(struct decoder *decoder, const struct aw_object *object, uint32_t seen)
{
    for (uint32_t i = 0; i < object->field_count; i++) {
        if (!object->fields[i].required || (seen & (1U << i)) != 0)
            continue;
        aw_path_push_name(&decoder->path, object->fields[i].name);
        return aw_fault_at(decoder->problem, AW_FAULT_MISSING, &decoder->path, "is required in %s", object->title);
    }
    return AW_OK;
}

static enum aw_err
decode_object(struct decoder *decoder, enum aw_object_kind kind, const msgpack_object *value, void *to)
{
    const struct aw_object *object = aw_object_of(kind);
    uint32_t                seen = 0;
    uint32_t                hint = 0;

    if (value->type != MSGPACK_OBJECT_MAP)
        return wrong_type(decoder, "an object", value);
    set_defaults(object, to);
    for (uint32_t i = 0; i < value->via.map.size; i++) {
        const msgpack_object_kv *pair = &value->via.map.ptr[i];
        const struct aw_field   *field = aw_object_find_field(object, text_of(&pair->key), hint);
        enum aw_err              err;

        aw_path_push_name(&decoder->path, text_of(&pair->key));
        if (field != NULL) {
            uint32_t index = (uint32_t)(field - object->fields);

            seen |= 1U << index;
            hint = index + 1;
            err = decode_field(decoder, field, &pair->val, to);
        } else if (decoder->lenient) {
            err = keep_unknown(decoder, &pair->val);
        } else {
            err = aw_fault_at(decoder->problem, AW_FAULT_UNKNOWN, &decoder->path, "is not a field of %s", object->title);
        }
        if (err != AW_OK)
            return err;
        aw_path_pop(&decoder->path);
    }
    return check_required(decoder, object, seen);
}

/* Rules that need more than one field
 * ---------------------------------------------------------------------------------------------- */

/* The unknown fields join what was sent as meta. */
static enum aw_err
merge_extra(struct decoder *decoder, struct aw_message *message)
{
    uint32_t        count = message->meta_count;
    struct aw_pair *pairs;

    if (decoder->extra_count == 0)
        return AW_OK;
    if (count + decoder->extra_count > AW_META_MAX)
        return aw_fault_at(decoder->problem, AW_FAULT_MANY, &decoder->path,
                           "has %u unknown fields besides %u in meta, which holds at most %u", decoder->extra_count, count,
                           AW_META_MAX);
    pairs = aw_arena_take(decoder->arena, (count + decoder->extra_count) * sizeof(*pairs));
    if (pairs == NULL)
        return out_of_memory(decoder);
    if (count > 0)
        memcpy(pairs, message->meta, count * sizeof(*pairs));
    for (uint32_t i = 0; i < decoder->extra_count; i++) {
        aw_path_push_name(&decoder->path, decoder->extra[i].key);
        if (!insert_pair(pairs, count++, decoder->extra[i]))
            return aw_fault_at(decoder->problem, AW_FAULT_DUPLICATE, &decoder->path, "is an unknown field that meta holds too");
        aw_path_pop(&decoder->path);
    }
    message->meta = pairs;
    message->meta_count = count;
    return AW_OK;
}

/* Measures only what could be too long: no encoding is twice as long as what it was made from, but for unknown fields written as
 * JSON, and those are at most AW_META_MAX * AW_META_VALUE_BYTES_MAX. */
static enum aw_err
check_encoded_size(struct decoder *decoder, struct aw_slice body, const struct aw_message *message)
{
    struct aw_buffer buffer;

    AW_STATIC_ASSERT(AW_MESSAGE_ENCODED_BYTES_MAX / 4 + AW_META_MAX * AW_META_VALUE_BYTES_MAX <= AW_MESSAGE_ENCODED_BYTES_MAX / 2,
                     "a body of a quarter of the limit fits, whatever it holds");
    if (body.len <= AW_MESSAGE_ENCODED_BYTES_MAX / 4)
        return AW_OK;
    aw_buffer_init(&buffer, decoder->arena);
    if (!aw_proto_encode_message(&buffer, message))
        return out_of_memory(decoder);
    if (buffer.len > AW_MESSAGE_ENCODED_BYTES_MAX)
        return aw_fault_at(decoder->problem, AW_FAULT_LARGE, &decoder->path, "takes %zu bytes as it is stored; at most %u",
                           buffer.len, AW_MESSAGE_ENCODED_BYTES_MAX);
    return AW_OK;
}

static enum aw_err
check_message(struct decoder *decoder, struct aw_slice body, struct aw_message *message)
{
    enum aw_err err = merge_extra(decoder, message);

    if (err != AW_OK)
        return err;
    if (message->text.len == 0 && message->attachment_count == 0) {
        aw_path_push_name(&decoder->path, AW_SLICE("text"));
        return aw_fault_at(decoder->problem, AW_FAULT_MISSING, &decoder->path,
                           "or attachments must be there and not empty: a message says something");
    }
    return check_encoded_size(decoder, body, message);
}

static enum aw_err
check_ticket_patch(struct decoder *decoder, const struct aw_ticket_request *request)
{
    if (!request->hold_known && request->class_ == AW_CLASS_NONE && request->lane.len == 0) {
        aw_path_push_name(&decoder->path, AW_SLICE("class"));
        return aw_fault_at(decoder->problem, AW_FAULT_MISSING, &decoder->path,
                           "or lane or hold must be there: else nothing changes");
    }
    if (request->hold || request->hold_until == 0)
        return AW_OK;
    aw_path_push_name(&decoder->path, AW_SLICE("hold_until"));
    return wrong_value(decoder, "left out unless hold is true");
}

static enum aw_err
check_transfer(struct decoder *decoder, const struct aw_transfer_request *request)
{
    if ((request->lane.len == 0) != (request->agent.len == 0))
        return AW_OK;
    aw_path_push_name(&decoder->path, AW_SLICE("lane"));
    if (request->lane.len == 0)
        return aw_fault_at(decoder->problem, AW_FAULT_MISSING, &decoder->path, "or agent must be there: it goes somewhere");
    return wrong_value(decoder, "left out when agent is there");
}

static enum aw_err
check_flight_request(struct decoder *decoder, const struct aw_flight_request *request)
{
    bool may = request->state == AW_FLIGHT_DELAYED || request->state == AW_FLIGHT_SCHEDULED;

    if (request->departs_at != 0 ? may : request->state != AW_FLIGHT_DELAYED)
        return AW_OK;
    aw_path_push_name(&decoder->path, AW_SLICE("departs_at"));
    return may ? aw_fault_at(decoder->problem, AW_FAULT_MISSING, &decoder->path, "is required with the state delayed")
               : wrong_value(decoder, "left out with this state: the flight does not go");
}

static enum aw_err
check_airport_put(struct decoder *decoder, const struct aw_airport_request *request)
{
    if (!request->is_closed && (request->from != 0 || request->until != 0)) {
        aw_path_push_name(&decoder->path, request->from != 0 ? AW_SLICE("from") : AW_SLICE("until"));
        return wrong_value(decoder, "left out unless state is closed");
    }
    if (!request->is_closed || request->until > request->from)
        return AW_OK;
    aw_path_push_name(&decoder->path, AW_SLICE("until"));
    if (request->until == 0)
        return aw_fault_at(decoder->problem, AW_FAULT_MISSING, &decoder->path, "is required with the state closed");
    return wrong_value(decoder, "later than from");
}

static enum aw_err
check_lane_put(struct decoder *decoder, const struct aw_lane_request *request)
{
    for (uint32_t i = 1; i < request->helper_count; i++) {
        bool is_twice = false;

        for (uint32_t k = 0; k < i; k++)
            is_twice |= aw_slice_eq(request->helpers[k].lane, request->helpers[i].lane);
        if (!is_twice && request->helpers[i].after_s >= request->helpers[i - 1].after_s)
            continue;
        aw_path_push_name(&decoder->path, AW_SLICE("overflow"));
        aw_path_push_index(&decoder->path, i);
        aw_path_push_name(&decoder->path, is_twice ? AW_SLICE("lane") : AW_SLICE("after_s"));
        return wrong_value(decoder, is_twice ? "a lane that is not named before" : "no less than the one before");
    }
    return AW_OK;
}

static enum aw_err
check_reply(struct decoder *decoder, bool is_there, bool is_inside, const struct aw_reply *reply)
{
    if (!is_there || reply->text.len > 0 || reply->attachment_count > 0 || reply->template_.len > 0)
        return AW_OK;
    if (is_inside)
        aw_path_push_name(&decoder->path, AW_SLICE("reply"));
    aw_path_push_name(&decoder->path, AW_SLICE("text"));
    return aw_fault_at(decoder->problem, AW_FAULT_MISSING, &decoder->path,
                       "or attachments or template must be there and not empty: a reply says something");
}

static enum aw_err
check_status(struct decoder *decoder, const struct aw_reply_status_request *request)
{
    if (request->state == AW_REPLY_FAILED || (request->code.len == 0 && request->retry_after_s == 0))
        return AW_OK;
    aw_path_push_name(&decoder->path, request->code.len > 0 ? AW_SLICE("code") : AW_SLICE("retry_after_s"));
    return wrong_value(decoder, "left out unless state is failed");
}

static enum aw_err
check_channel_put(struct decoder *decoder, const struct aw_channel_request *request)
{
    for (uint32_t i = 1; i < request->pace_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!aw_slice_eq(request->paces[k].account, request->paces[i].account))
                continue;
            aw_path_push_name(&decoder->path, AW_SLICE("accounts"));
            aw_path_push_index(&decoder->path, i);
            aw_path_push_name(&decoder->path, AW_SLICE("account"));
            return wrong_value(decoder, "an account that is not named before");
        }
    }
    return AW_OK;
}

static enum aw_err
named_twice(struct decoder *decoder, const char *list, uint32_t at, const char *what)
{
    aw_path_push_name(&decoder->path, aw_slice_str(list));
    aw_path_push_index(&decoder->path, at);
    return wrong_value(decoder, what);
}

static enum aw_err
check_surge_lists(struct decoder *decoder, const struct aw_surge_request *request)
{
    const struct aw_surge_scope_request   *scope = &request->scope;
    const struct aw_surge_receipt_request *receipt = &request->policy.receipt;

    for (uint32_t i = 1; i < scope->channel_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!aw_slice_eq(scope->channels[k], scope->channels[i]))
                continue;
            aw_path_push_name(&decoder->path, AW_SLICE("scope"));
            return named_twice(decoder, "channels", i, "a channel that is not named before");
        }
    }
    for (uint32_t i = 1; i < receipt->notice_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!aw_slice_eq_nocase(receipt->notices[k].lang, receipt->notices[i].lang))
                continue;
            aw_path_push_name(&decoder->path, AW_SLICE("policy"));
            aw_path_push_name(&decoder->path, AW_SLICE("receipt"));
            return named_twice(decoder, "notice", i, "in a language that has none before");
        }
    }
    return AW_OK;
}

static enum aw_err
check_surge_put(struct decoder *decoder, const struct aw_surge_request *request)
{
    if (request->is_on != 0 || (!request->scope_known && !request->policy_known && request->reason.len == 0))
        return check_surge_lists(decoder, request);
    aw_path_push_name(&decoder->path, request->scope_known    ? AW_SLICE("scope")
                                      : request->policy_known ? AW_SLICE("policy")
                                                              : AW_SLICE("reason"));
    return wrong_value(decoder, "left out unless state is on");
}

static enum aw_err
check_together_more(struct decoder *decoder, enum aw_object_kind kind, const void *object)
{
    const struct aw_complete_request *complete = object;
    const struct aw_complete_line    *line = object;

    if (kind == AW_OBJECT_REPLY)
        return check_reply(decoder, true, false, object);
    if (kind == AW_OBJECT_COMPLETE)
        return check_reply(decoder, complete->reply_known, true, &complete->reply);
    if (kind == AW_OBJECT_COMPLETE_LINE)
        return check_reply(decoder, line->reply_known, true, &line->reply);
    if (kind == AW_OBJECT_REPLY_STATUS)
        return check_status(decoder, object);
    if (kind == AW_OBJECT_CHANNEL_PUT)
        return check_channel_put(decoder, object);
    if (kind == AW_OBJECT_SURGE_PUT)
        return check_surge_put(decoder, object);
    return AW_OK;
}

/* Rules of one kind of object that need more than one of its fields. */
static enum aw_err
check_together(struct decoder *decoder, enum aw_object_kind kind, const void *object)
{
    if (kind == AW_OBJECT_TICKET_PATCH)
        return check_ticket_patch(decoder, object);
    if (kind == AW_OBJECT_TRANSFER)
        return check_transfer(decoder, object);
    if (kind == AW_OBJECT_LANE_PUT)
        return check_lane_put(decoder, object);
    if (kind == AW_OBJECT_FLIGHT_PUT)
        return check_flight_request(decoder, object);
    if (kind == AW_OBJECT_FLIGHT_LINE)
        return check_flight_request(decoder, &((const struct aw_flight_line *)object)->want);
    if (kind == AW_OBJECT_AIRPORT_PUT)
        return check_airport_put(decoder, object);
    return check_together_more(decoder, kind, object);
}

static enum aw_err
decode_body(struct decoder *decoder, enum aw_media media, struct aw_slice body, enum aw_object_kind kind, void *to)
{
    struct aw_scratch *scratch = aw_scratch_begin();
    msgpack_object     root;
    enum aw_err        err;

    if (scratch == NULL)
        return out_of_memory(decoder);
    if (aw_media_is_msgpack(media))
        err = aw_tree_from_msgpack(scratch, body, &root, decoder->problem);
    else
        err = aw_tree_from_json(scratch, decoder->arena, body, &root, decoder->problem);
    if (err == AW_OK)
        err = decode_object(decoder, kind, &root, to);
    aw_scratch_end(scratch);
    return err;
}

/* Whether there is nothing to parse. MessagePack has no blanks. */
static bool
is_blank(enum aw_media media, struct aw_slice body)
{
    size_t at = 0;

    if (aw_media_is_msgpack(media))
        return body.len == 0;
    while (at < body.len && (body.ptr[at] == ' ' || body.ptr[at] == '\t' || body.ptr[at] == '\r' || body.ptr[at] == '\n'))
        at++;
    return at == body.len;
}

/* The decoder's list of unknown fields is large and needs no first value. */
static void
init(struct decoder *decoder, struct aw_arena *arena, bool lenient, struct aw_proto_problem *problem)
{
    decoder->arena = arena;
    decoder->problem = problem;
    decoder->path.count = 0;
    decoder->lenient = lenient;
    decoder->extra_count = 0;
}

enum aw_err
aw_proto_decode_message(struct aw_arena *arena, enum aw_media media, struct aw_slice body, bool lenient,
                        struct aw_message *ret_message, struct aw_proto_problem *problem)
{
    struct decoder    decoder;
    struct aw_message message = {.meta_count = 0};
    enum aw_err       err;

    init(&decoder, arena, lenient, problem);
    if (is_blank(media, body))
        return aw_fault_at(problem, AW_FAULT_MALFORMED, NULL, "is empty, at byte 0");
    err = decode_body(&decoder, media, body, AW_OBJECT_MESSAGE, &message);
    if (err == AW_OK)
        err = check_message(&decoder, body, &message);
    if (err == AW_OK)
        *ret_message = message;
    return err;
}

/* --- Queries ---------------------------------------------------------------------------------------------------------------- */

/* A value as its field has it; what can't be one stays a text, which the field then refuses by its own words. */
static msgpack_object
value_of(const struct aw_field *field, struct aw_slice text)
{
    msgpack_object value = {.type = MSGPACK_OBJECT_STR, .via.str = {.ptr = text.ptr, .size = (uint32_t)text.len}};
    uint64_t       number;

    if (field != NULL && field->type == AW_TYPE_NUMBER && aw_slice_to_u64(text, UINT64_MAX, &number))
        return (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = number};
    if (field != NULL && field->type == AW_TYPE_FLAG &&
        (aw_slice_eq(text, AW_SLICE("true")) || aw_slice_eq(text, AW_SLICE("false"))))
        return (msgpack_object){.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = text.len == 4};
    return value;
}

/* "a,b" as a list. False: no memory. */
static bool
list_of(struct decoder *decoder, const struct aw_field *field, struct aw_slice text, msgpack_object *ret_list)
{
    uint32_t        count = 1;
    msgpack_object *items;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == ',';
    items = aw_arena_take(decoder->arena, count * sizeof(items[0]));
    if (items == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        items[i] = value_of(field, aw_slice_cut(&text, ','));
    *ret_list = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = count, .ptr = items}};
    return true;
}

/* What a tree is known to be: keys that are there once, texts in UTF-8. */
static enum aw_err
check_parameter(struct decoder *decoder, const struct aw_pair *pairs, uint32_t index)
{
    const struct aw_pair *pair = &pairs[index];
    enum aw_err           err = AW_OK;

    if (!aw_slice_is_utf8(pair->key))
        return aw_fault_at(decoder->problem, AW_FAULT_UTF8, NULL, "has a name in its query that is not valid UTF-8");
    aw_path_push_name(&decoder->path, pair->key);
    if (!aw_slice_is_utf8(pair->value))
        err = aw_fault_at(decoder->problem, AW_FAULT_UTF8, &decoder->path, "is not valid UTF-8");
    for (uint32_t i = 0; i < index && err == AW_OK; i++) {
        if (aw_slice_eq(pairs[i].key, pair->key))
            err = aw_fault_at(decoder->problem, AW_FAULT_DUPLICATE, &decoder->path, "is there twice");
    }
    aw_path_pop(&decoder->path);
    return err;
}

enum aw_err
aw_proto_decode_query(struct aw_arena *arena, const struct aw_pair *pairs, uint32_t count, enum aw_object_kind kind,
                      void *ret_object, struct aw_proto_problem *problem)
{
    const struct aw_object *object = aw_object_of(kind);
    msgpack_object_kv      *members = aw_arena_take(arena, count * sizeof(members[0]));
    msgpack_object          root = {.type = MSGPACK_OBJECT_MAP, .via.map = {.size = count, .ptr = members}};
    struct decoder          decoder;
    enum aw_err             err;

    init(&decoder, arena, false, problem);
    if (members == NULL && count > 0)
        return out_of_memory(&decoder);
    for (uint32_t i = 0; i < count; i++) {
        const struct aw_field *field = aw_object_find_field(object, pairs[i].key, 0);
        msgpack_object         value = value_of(field, pairs[i].value);

        err = check_parameter(&decoder, pairs, i);
        if (err != AW_OK)
            return err;
        if (field != NULL && field->items_max > 0 && !list_of(&decoder, field, pairs[i].value, &value))
            return out_of_memory(&decoder);
        members[i] = (msgpack_object_kv){.key = value_of(NULL, pairs[i].key), .val = value};
    }
    err = decode_object(&decoder, kind, &root, ret_object);
    return err == AW_OK ? check_together(&decoder, kind, ret_object) : err;
}

enum aw_err
aw_proto_decode(struct aw_arena *arena, enum aw_media media, struct aw_slice body, enum aw_object_kind kind, void *ret_object,
                struct aw_proto_problem *problem)
{
    const struct aw_object *object = aw_object_of(kind);
    struct decoder          decoder;
    enum aw_err             err;

    AW_ASSERT(kind != AW_OBJECT_MESSAGE); /* has a call of its own */
    init(&decoder, arena, false, problem);
    if (is_blank(media, body)) {
        set_defaults(object, ret_object);
        err = check_required(&decoder, object, 0);
    } else {
        err = decode_body(&decoder, media, body, kind, ret_object);
    }
    return err == AW_OK ? check_together(&decoder, kind, ret_object) : err;
}
