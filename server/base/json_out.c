#include "base/json_out.h"

#include "base/text.h"

/* What follows the backslash for each byte below 0x20; 'u' for those that have only the long form. */
static const char escapes[0x20] = "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";

void
aw_json_init(struct aw_json *json, struct aw_buffer *buffer)
{
    *json = (struct aw_json){._buffer = buffer};
}

static bool
is_in_object(const struct aw_json *json)
{
    return json->_depth > 0 && (json->_objects & 1) != 0;
}

/* aw_buffer_reserve without a call while there is room: an answer is some fifty small pieces. NULL as there. */
static inline char *
room_for(struct aw_buffer *buffer, size_t len)
{
    if (buffer->ptr != NULL && !buffer->failed && len <= buffer->room - buffer->len)
        return buffer->ptr + buffer->len;
    return aw_buffer_reserve(buffer, len);
}

static inline void
add_byte(struct aw_buffer *buffer, char byte)
{
    char *at = room_for(buffer, 1);

    if (at == NULL)
        return;
    *at = byte;
    buffer->len++;
}

/* Before a value: its comma, and what the grammar asks for. */
static void
open_value(struct aw_json *json)
{
    AW_ASSERT(is_in_object(json) == json->_named);
    AW_IMPLIES(json->_depth == 0, !json->_comma); /* one value a document */
    if (json->_comma && !json->_named)
        add_byte(json->_buffer, ',');
    json->_named = false;
    json->_comma = true;
}

static void
begin(struct aw_json *json, bool object, char bracket)
{
    AW_ASSERT(json->_depth < AW_JSON_OUT_DEPTH_MAX);
    open_value(json);
    add_byte(json->_buffer, bracket);
    json->_objects = (json->_objects << 1) | object;
    json->_depth++;
    json->_comma = false;
}

static void
end(struct aw_json *json, bool object, char bracket)
{
    AW_ASSERT(json->_depth > 0);
    AW_ASSERT(is_in_object(json) == object);
    AW_ASSERT(!json->_named);
    add_byte(json->_buffer, bracket);
    json->_objects >>= 1;
    json->_depth--;
    json->_comma = true;
}

void
aw_json_object_begin(struct aw_json *json)
{
    begin(json, true, '{');
}

void
aw_json_object_end(struct aw_json *json)
{
    end(json, true, '}');
}

void
aw_json_array_begin(struct aw_json *json)
{
    begin(json, false, '[');
}

void
aw_json_array_end(struct aw_json *json)
{
    end(json, false, ']');
}

/* Whether a byte of `word` is below 0x20, above 0x7F, a quote or a backslash. May also say yes when one only follows such a byte,
 * because the subtractions borrow; the byte loop then decides. */
static bool
has_special(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    uint64_t       quote = word ^ (ones * '"');
    uint64_t       slash = word ^ (ones * '\\');

    return ((word | (word - ones * 0x20) | (quote - ones) | (slash - ones)) & highs) != 0;
}

/* How many bytes from `at` on can be copied as they are. */
static size_t
clean_run(const char *at, size_t len)
{
    size_t done = 0;

    while (done < len) {
        unsigned char byte = (unsigned char)at[done];
        uint64_t      word;
        size_t        step;

        if (len - done >= sizeof(word)) {
            memcpy(&word, at + done, sizeof(word));
            if (!has_special(word)) {
                done += sizeof(word);
                continue;
            }
        }
        if (byte < 0x20 || byte == '"' || byte == '\\')
            break;
        if (byte < 0x80) {
            done++;
            continue;
        }
        step = aw_utf8_step(at + done, len - done);
        if (step == 0)
            break;
        done += step;
    }
    return done;
}

static void
add_escaped(struct aw_buffer *buffer, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";

    if (byte >= 0x80) {
        aw_buffer_add(buffer, "\xEF\xBF\xBD", 3); /* U+FFFD */
    } else if (byte >= 0x20) {
        aw_buffer_add(buffer, (const char[]){'\\', (char)byte}, 2);
    } else if (escapes[byte] != 'u') {
        aw_buffer_add(buffer, (const char[]){'\\', escapes[byte]}, 2);
    } else {
        aw_buffer_add(buffer, (const char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
    }
}

static void
add_quoted(struct aw_buffer *buffer, struct aw_slice text)
{
    size_t at = 0;
    char  *room;

    /* The usual string needs no escape: one look at the room for all of it, and one copy. */
    size_t clean = clean_run(text.ptr, text.len);

    room = room_for(buffer, clean + 2);
    if (room == NULL)
        return;
    room[0] = '"';
    if (clean > 0)
        memcpy(room + 1, text.ptr, clean);
    room[1 + clean] = '"';
    buffer->len += clean + 2;
    if (clean == text.len)
        return;
    buffer->len--; /* the closing quote comes later */
    for (at = clean; at < text.len; at += clean) {
        add_escaped(buffer, (unsigned char)text.ptr[at]);
        at++;
        clean = clean_run(text.ptr + at, text.len - at);
        aw_buffer_add(buffer, text.ptr + at, clean);
    }
    add_byte(buffer, '"');
}

void
aw_json_key_slice(struct aw_json *json, struct aw_slice key)
{
    AW_ASSERT(is_in_object(json));
    AW_ASSERT(!json->_named);
    if (json->_comma)
        add_byte(json->_buffer, ',');
    add_quoted(json->_buffer, key);
    add_byte(json->_buffer, ':');
    json->_named = true;
    json->_comma = true;
}

void
aw_json_string(struct aw_json *json, struct aw_slice value)
{
    open_value(json);
    add_quoted(json->_buffer, value);
}

static void
add_u64(struct aw_buffer *buffer, uint64_t value)
{
    char digits[AW_DECIMAL_U64_CHARS];

    aw_buffer_add(buffer, digits, aw_decimal_u64(value, digits));
}

void
aw_json_u64(struct aw_json *json, uint64_t value)
{
    open_value(json);
    add_u64(json->_buffer, value);
}

void
aw_json_i64(struct aw_json *json, int64_t value)
{
    open_value(json);
    if (value < 0)
        aw_buffer_add(json->_buffer, "-", 1);
    /* Negated as unsigned: the smallest value has no positive twin. */
    add_u64(json->_buffer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void
aw_json_bool(struct aw_json *json, bool value)
{
    aw_json_raw(json, value ? AW_SLICE("true") : AW_SLICE("false"));
}

void
aw_json_null(struct aw_json *json)
{
    aw_json_raw(json, AW_SLICE("null"));
}

void
aw_json_time(struct aw_json *json, aw_ms at)
{
    char text[1 + AW_TIME_TEXT_BYTES]; /* the first quote; the last takes the place of the NUL */

    if (at == 0) {
        aw_json_null(json);
        return;
    }
    text[0] = '"';
    aw_time_format(at, text + 1);
    text[AW_TIME_TEXT_BYTES] = '"';
    aw_json_raw(json, aw_slice_of(text, sizeof(text)));
}

void
aw_json_raw(struct aw_json *json, struct aw_slice value)
{
    open_value(json);
    aw_buffer_add(json->_buffer, value.ptr, value.len);
}

void
aw_json_newline(struct aw_json *json)
{
    AW_ASSERT(json->_depth == 0);
    aw_buffer_add(json->_buffer, "\n", 1);
    json->_comma = false;
}
