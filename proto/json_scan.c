/* json_scan.c - the quick reader of JSON: takes the common form of a body in one pass over its bytes.
 *
 * jansson reads a byte at a time through a callback and hashes every key into a table: several microseconds for a message, half
 * of what a message may cost in all (ADR 0002). This reader takes what well-behaved clients send and leaves every other body to
 * jansson: fractions and exponents, numbers of more than 18 digits, keys with escapes or that come twice, too many keys or
 * values, bytes that are not UTF-8, lone surrogates, and whatever is not JSON. So it never has to say what is wrong, and where it
 * says yes, jansson would have said yes with the same tree: tests/fuzz/json_fuzz.c checks both on every input.
 */
#include "proto/tree.h"

#define DIGITS_MAX 18 /* below 10^18: no overflow to look for */

struct scan {
    const char        *at;
    const char        *end;
    struct aw_arena   *arena;
    struct aw_scratch *scratch;
    uint32_t           open; /* used of scratch->open */
    uint32_t           done;
    uint32_t           depth;
};

static void
skip_space(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
}

static bool
take_byte(struct scan *scan, char byte)
{
    if (scan->at == scan->end || *scan->at != byte)
        return false;
    scan->at++;
    return true;
}

/* Whether a byte of `word` is a quote, a backslash, below 0x20 or above 0x7f. May also say yes when one only follows such a byte.
 * */
static bool
has_special(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t       quote = word ^ (ones * '"');
    uint64_t       slash = word ^ (ones * '\\');

    return ((word | (word - ones * 0x20) | (quote - ones) | (slash - ones)) & (ones * 0x80)) != 0;
}

/* From `at` on, the first quote, backslash or byte that no text may hold; `end` when there is none. */
static const char *
skip_plain(const char *at, const char *end)
{
    while (at < end) {
        unsigned char byte = (unsigned char)*at;
        uint64_t      word;
        size_t        step;

        if ((size_t)(end - at) >= sizeof(word)) {
            memcpy(&word, at, sizeof(word));
            if (!has_special(word)) {
                at += sizeof(word);
                continue;
            }
        }
        if (byte == '"' || byte == '\\' || byte < 0x20)
            return at;
        step = aw_utf8_step(at, (size_t)(end - at));
        if (step == 0)
            return at;
        at += step;
    }
    return end;
}

static bool
take_hex(struct scan *scan, uint32_t *ret_unit)
{
    uint32_t unit = 0;

    if (scan->end - scan->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = *scan->at++;

        if (c >= '0' && c <= '9')
            unit = unit << 4 | (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            unit = unit << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
    }
    *ret_unit = unit;
    return true;
}

static char *
put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        *to++ = (char)point;
    } else if (point < 0x800) {
        *to++ = (char)(0xc0 | point >> 6);
        *to++ = (char)(0x80 | (point & 63));
    } else if (point < 0x10000) {
        *to++ = (char)(0xe0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 63));
        *to++ = (char)(0x80 | (point & 63));
    } else {
        *to++ = (char)(0xf0 | point >> 18);
        *to++ = (char)(0x80 | (point >> 12 & 63));
        *to++ = (char)(0x80 | (point >> 6 & 63));
        *to++ = (char)(0x80 | (point & 63));
    }
    return to;
}

/* Behind "\u". A high surrogate must be followed by a low one (RFC 8259 section 7). */
static bool
take_point(struct scan *scan, char **to)
{
    uint32_t unit;
    uint32_t low;

    if (!take_hex(scan, &unit))
        return false;
    if (unit >= 0xd800 && unit <= 0xdfff) {
        if (unit > 0xdbff || !take_byte(scan, '\\') || !take_byte(scan, 'u') || !take_hex(scan, &low) || low < 0xdc00 ||
            low > 0xdfff)
            return false;
        unit = 0x10000 + ((unit & 0x3ff) << 10 | (low & 0x3ff));
    }
    *to = put_utf8(*to, unit);
    return true;
}

/* Behind a backslash. */
static bool
take_escape(struct scan *scan, char **to)
{
    static const char from[] = "\"\\/bfnrt";
    static const char into[] = "\"\\/\b\f\n\r\t";
    const char       *found;

    if (scan->at == scan->end || *scan->at == '\0')
        return false;
    if (*scan->at == 'u') {
        scan->at++;
        return take_point(scan, to);
    }
    found = strchr(from, *scan->at);
    if (found == NULL)
        return false;
    scan->at++;
    *(*to)++ = into[found - from];
    return true;
}

/* A text with escapes: written anew, into the arena. `start` is behind its opening quote, `at` at its first backslash. */
static bool
take_escaped_text(struct scan *scan, const char *start, msgpack_object *ret)
{
    const char *quote = scan->at;
    char       *text;
    char       *to;

    while (quote < scan->end && *quote != '"')
        quote += *quote == '\\' ? 2 : 1;
    if (quote >= scan->end)
        return false;
    text = aw_arena_take(scan->arena, (size_t)(quote - start)); /* no escape is shorter than what it stands for */
    if (text == NULL)
        return false;
    to = text;
    memcpy(to, start, (size_t)(scan->at - start));
    to += scan->at - start;
    while (*scan->at != '"') {
        const char *run = scan->at;

        if (*run == '\\') {
            scan->at++;
            if (!take_escape(scan, &to))
                return false;
            continue;
        }
        scan->at = skip_plain(run, quote);
        if (scan->at == run)
            return false; /* a byte that no text may hold */
        memcpy(to, run, (size_t)(scan->at - run));
        to += scan->at - run;
    }
    AW_ASSERT(scan->at == quote);
    scan->at++;
    ret->type = MSGPACK_OBJECT_STR;
    ret->via.str.ptr = text;
    ret->via.str.size = (uint32_t)(to - text);
    return true;
}

/* Behind the opening quote. */
static bool
take_text(struct scan *scan, msgpack_object *ret)
{
    const char *start = scan->at;

    scan->at = skip_plain(start, scan->end);
    if (scan->at == scan->end)
        return false;
    if (*scan->at == '\\')
        return take_escaped_text(scan, start, ret);
    if (*scan->at != '"')
        return false;
    ret->type = MSGPACK_OBJECT_STR;
    ret->via.str.ptr = start;
    ret->via.str.size = (uint32_t)(scan->at - start);
    scan->at++;
    return true;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
take_number(struct scan *scan, msgpack_object *ret)
{
    bool        negative = take_byte(scan, '-');
    const char *start = scan->at;
    int64_t     value = 0;

    while (scan->at < scan->end && is_digit(*scan->at) && scan->at - start < DIGITS_MAX)
        value = value * 10 + (*scan->at++ - '0');
    if (scan->at == start || (*start == '0' && scan->at - start > 1))
        return false;
    if (scan->at < scan->end && (is_digit(*scan->at) || *scan->at == '.' || *scan->at == 'e' || *scan->at == 'E'))
        return false;
    ret->type = negative && value > 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
    ret->via.i64 = negative ? -value : value;
    return true;
}

static bool
take_word(struct scan *scan, struct aw_slice word)
{
    if ((size_t)(scan->end - scan->at) < word.len || memcmp(scan->at, word.ptr, word.len) != 0)
        return false;
    scan->at += word.len;
    return true;
}

static bool take_value(struct scan *scan, msgpack_object *ret);

/* Room for a child of the innermost value that is not finished; NULL when there is none. */
static msgpack_object_kv *
open_child(struct scan *scan)
{
    return scan->open < AW_SCRATCH_VALUES_MAX ? &scan->scratch->open[scan->open++] : NULL;
}

static bool
is_new_key(const msgpack_object_kv *pairs, uint32_t count)
{
    const msgpack_object_str *key = &pairs[count].key.via.str;

    for (uint32_t i = 0; i < count; i++) {
        if (pairs[i].key.via.str.size == key->size && memcmp(pairs[i].key.via.str.ptr, key->ptr, key->size) == 0)
            return false;
    }
    return true;
}

/* One `"key": value` behind the blanks; `first` is the index of the map's first child. */
static bool
take_pair(struct scan *scan, uint32_t first)
{
    msgpack_object_kv *child = open_child(scan);
    const char        *start = scan->at + 1;

    if (child == NULL || scan->open - first > AW_MAP_KEYS_MAX || !take_byte(scan, '"') || !take_text(scan, &child->key))
        return false;
    if (child->key.via.str.ptr != start)
        return false; /* escapes in a key: one may stand for a NUL, which jansson refuses */
    if (!is_new_key(scan->scratch->open + first, scan->open - first - 1))
        return false;
    skip_space(scan);
    if (!take_byte(scan, ':'))
        return false;
    skip_space(scan);
    return take_value(scan, &child->val);
}

/* Behind the opening brace. */
static bool
take_map(struct scan *scan, msgpack_object *ret)
{
    uint32_t first = scan->open;
    uint32_t count;

    skip_space(scan);
    if (!take_byte(scan, '}')) {
        for (;;) {
            if (!take_pair(scan, first))
                return false;
            skip_space(scan);
            if (take_byte(scan, '}'))
                break;
            if (!take_byte(scan, ','))
                return false;
            skip_space(scan);
        }
    }
    count = scan->open - first;
    if (count > AW_SCRATCH_VALUES_MAX - scan->done)
        return false;
    ret->type = MSGPACK_OBJECT_MAP;
    ret->via.map.size = count;
    ret->via.map.ptr = scan->scratch->done + scan->done;
    memcpy(ret->via.map.ptr, scan->scratch->open + first, count * sizeof(msgpack_object_kv));
    scan->done += count;
    scan->open = first;
    return true;
}

/* Behind the opening bracket. An element takes the room of a pair until the list is finished, and half a pair's then. */
static bool
take_list(struct scan *scan, msgpack_object *ret)
{
    uint32_t first = scan->open;
    uint32_t count;
    uint32_t room;

    skip_space(scan);
    if (!take_byte(scan, ']')) {
        for (;;) {
            msgpack_object_kv *child = open_child(scan);

            if (child == NULL || !take_value(scan, &child->val))
                return false;
            skip_space(scan);
            if (take_byte(scan, ']'))
                break;
            if (!take_byte(scan, ','))
                return false;
            skip_space(scan);
        }
    }
    count = scan->open - first;
    room = (count + 1) / 2;
    if (room > AW_SCRATCH_VALUES_MAX - scan->done)
        return false;
    ret->type = MSGPACK_OBJECT_ARRAY;
    ret->via.array.size = count;
    ret->via.array.ptr = &scan->scratch->done[scan->done].key;
    for (uint32_t i = 0; i < count; i++)
        ret->via.array.ptr[i] = scan->scratch->open[first + i].val;
    scan->done += room;
    scan->open = first;
    return true;
}

static bool
take_value(struct scan *scan, msgpack_object *ret)
{
    bool ok;

    if (scan->at == scan->end)
        return false;
    switch (*scan->at) {
    case '"':
        scan->at++;
        return take_text(scan, ret);
    case '{':
    case '[':
        if (scan->depth == AW_DEPTH_MAX)
            return false;
        scan->depth++;
        ok = *scan->at++ == '{' ? take_map(scan, ret) : take_list(scan, ret);
        scan->depth--;
        return ok;
    case 't':
        ret->type = MSGPACK_OBJECT_BOOLEAN;
        ret->via.boolean = true;
        return take_word(scan, AW_SLICE("true"));
    case 'f':
        ret->type = MSGPACK_OBJECT_BOOLEAN;
        ret->via.boolean = false;
        return take_word(scan, AW_SLICE("false"));
    case 'n':
        ret->type = MSGPACK_OBJECT_NIL;
        return take_word(scan, AW_SLICE("null"));
    default:
        return take_number(scan, ret);
    }
}

bool
aw_json_scan(struct aw_scratch *scratch, struct aw_arena *arena, struct aw_slice body, msgpack_object *ret_root)
{
    struct scan scan = {.at = body.ptr, .end = body.ptr + body.len, .arena = arena, .scratch = scratch};

    skip_space(&scan);
    if (!take_value(&scan, ret_root))
        return false;
    skip_space(&scan);
    return scan.at == scan.end;
}
