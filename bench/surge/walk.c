/* walk.c - see walk.h. JSON: RFC 8259; MessagePack: heads by proto/msgpack_bytes.h. */
#include "bench/surge/walk.h"

#include "proto/msgpack_bytes.h"

static bool
fail(struct surge_walk *walk)
{
    walk->failed = true;
    return false;
}

static bool
down(struct surge_walk *walk, uint32_t left)
{
    if (walk->depth == SURGE_WALK_DEPTH_MAX)
        return fail(walk);
    walk->first[walk->depth] = true;
    walk->left[walk->depth] = left;
    walk->depth++;
    return true;
}

/* --- JSON ------------------------------------------------------------------------------------------------------------------- */

static void
pass_blanks(struct surge_walk *walk)
{
    while (walk->at < walk->end && (*walk->at == ' ' || *walk->at == '\n' || *walk->at == '\t' || *walk->at == '\r'))
        walk->at++;
}

/* Takes `expected` when it comes next. */
static bool
take(struct surge_walk *walk, char expected)
{
    pass_blanks(walk);
    if (walk->at == walk->end || *walk->at != expected)
        return false;
    walk->at++;
    return true;
}

/* The raw bytes of a string behind its first quote, without the last one. */
static bool
raw_string(struct surge_walk *walk, struct aw_slice *ret_raw, bool *ret_escapes)
{
    const char *start = walk->at;

    *ret_escapes = false;
    for (; walk->at < walk->end; walk->at++) {
        if (*walk->at == '"') {
            *ret_raw = aw_slice_of(start, (size_t)(walk->at - start));
            walk->at++;
            return true;
        }
        if (*walk->at == '\\') {
            *ret_escapes = true;
            walk->at++;
        }
    }
    walk->at = walk->end;
    return fail(walk);
}

static bool
hex4(const char *at, const char *end, uint32_t *ret_value)
{
    uint32_t value = 0;

    if (end - at < 4)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        char c = at[i];

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            value = value << 4 | (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
    }
    *ret_value = value;
    return true;
}

static size_t
put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (char)(0xc0 | point >> 6);
        to[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        to[0] = (char)(0xe0 | point >> 12);
        to[1] = (char)(0x80 | (point >> 6 & 0x3f));
        to[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | point >> 18);
    to[1] = (char)(0x80 | (point >> 12 & 0x3f));
    to[2] = (char)(0x80 | (point >> 6 & 0x3f));
    to[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

/* One escape behind its backslash; moves *at. 0: malformed. */
static size_t
unescape_one(const char **at, const char *end, char *to)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char       *name = *at < end && **at != '\0' ? strchr(names, **at) : NULL;
    uint32_t          point;
    uint32_t          low;

    if (name != NULL) {
        *to = values[name - names];
        (*at)++;
        return 1;
    }
    if (*at == end || **at != 'u' || !hex4(*at + 1, end, &point))
        return 0;
    *at += 5;
    if (point >= 0xd800 && point < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' && hex4(*at + 2, end, &low) &&
        low >= 0xdc00 && low < 0xe000) {
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        *at += 6;
    }
    return put_utf8(to, point);
}

static bool
unescape(struct surge_walk *walk, struct aw_slice raw, struct aw_slice *ret_text)
{
    const char *at = raw.ptr;
    const char *end = raw.ptr + raw.len;
    size_t      len = 0;

    while (at < end) {
        size_t n = 1;

        if (len + 4 > sizeof(walk->text))
            return fail(walk);
        if (*at != '\\') {
            walk->text[len] = *at++;
        } else {
            at++;
            n = unescape_one(&at, end, walk->text + len);
        }
        if (n == 0)
            return fail(walk);
        len += n;
    }
    *ret_text = aw_slice_of(walk->text, len);
    return true;
}

static bool
json_string(struct surge_walk *walk, struct aw_slice *ret_text)
{
    struct aw_slice raw;
    bool            escapes;

    if (!take(walk, '"') || !raw_string(walk, &raw, &escapes))
        return fail(walk);
    if (escapes)
        return unescape(walk, raw, ret_text);
    *ret_text = raw;
    return true;
}

/* A bare word or number. */
static struct aw_slice
json_word(struct surge_walk *walk)
{
    const char *start;

    pass_blanks(walk);
    start = walk->at;
    while (walk->at < walk->end && strchr(",]} \n\r\t:\"", *walk->at) == NULL)
        walk->at++;
    return aw_slice_of(start, (size_t)(walk->at - start));
}

static void
json_skip(struct surge_walk *walk)
{
    struct aw_slice raw;
    bool            escapes;
    unsigned        depth = 0;

    do {
        pass_blanks(walk);
        if (walk->at == walk->end) {
            (void)fail(walk);
            return;
        }
        switch (*walk->at) {
        case '"':
            walk->at++;
            if (!raw_string(walk, &raw, &escapes))
                return;
            break;
        case '{':
        case '[':
            depth++;
            walk->at++;
            break;
        case '}':
        case ']':
            if (depth == 0) {
                (void)fail(walk);
                return;
            }
            depth--;
            walk->at++;
            break;
        case ',':
        case ':':
            walk->at++;
            break;
        default:
            if (json_word(walk).len == 0) {
                (void)fail(walk);
                return;
            }
        }
    } while (depth > 0);
}

/* Whether another element comes before `closing`; behind it at the end. */
static bool
json_next(struct surge_walk *walk, char closing)
{
    bool *first = &walk->first[walk->depth - 1];

    if (take(walk, closing)) {
        walk->depth--;
        return false;
    }
    if (!*first && !take(walk, ','))
        return fail(walk);
    *first = false;
    return true;
}

/* --- MessagePack ------------------------------------------------------------------------------------------------------------ */

static bool
head(struct surge_walk *walk, struct aw_mp_head *ret_head)
{
    return aw_mp_read(&walk->at, walk->end, ret_head) || fail(walk);
}

static void
msgpack_skip(struct surge_walk *walk)
{
    uint64_t          left = 1;
    struct aw_mp_head next;

    for (; left > 0; left--) {
        if (!head(walk, &next))
            return;
        if (next.kind == AW_MP_MAP)
            left += 2 * (uint64_t)next.count;
        else if (next.kind == AW_MP_ARRAY)
            left += next.count;
        else if (next.kind == AW_MP_STR || next.kind == AW_MP_BIN || next.kind == AW_MP_EXT)
            walk->at += next.count;
    }
}

static bool
msgpack_next(struct surge_walk *walk)
{
    uint32_t *left = &walk->left[walk->depth - 1];

    if (*left > 0) {
        (*left)--;
        return true;
    }
    walk->depth--;
    return false;
}

/* --- both ------------------------------------------------------------------------------------------------------------------- */

void
surge_walk_begin(struct surge_walk *walk, struct aw_slice body, bool msgpack)
{
    walk->at = body.ptr;
    walk->end = body.ptr + body.len;
    walk->msgpack = msgpack;
    walk->failed = false;
    walk->depth = 0;
}

bool
surge_walk_more(struct surge_walk *walk)
{
    if (!walk->msgpack)
        pass_blanks(walk);
    return !walk->failed && walk->depth == 0 && walk->at < walk->end;
}

static bool
enter(struct surge_walk *walk, enum aw_mp_kind kind, char opening)
{
    struct aw_mp_head next;

    if (walk->failed)
        return false;
    if (!walk->msgpack)
        return take(walk, opening) ? down(walk, 0) : fail(walk);
    return head(walk, &next) && next.kind == kind ? down(walk, next.count) : fail(walk);
}

bool
surge_walk_map(struct surge_walk *walk)
{
    return enter(walk, AW_MP_MAP, '{');
}

bool
surge_walk_list(struct surge_walk *walk)
{
    return enter(walk, AW_MP_ARRAY, '[');
}

bool
surge_walk_key(struct surge_walk *walk, struct aw_slice *ret_key)
{
    if (walk->failed)
        return false;
    AW_ASSERT(walk->depth > 0);
    if (walk->msgpack)
        return msgpack_next(walk) && surge_walk_text(walk, ret_key);
    if (!json_next(walk, '}'))
        return false;
    return (json_string(walk, ret_key) && take(walk, ':')) || fail(walk);
}

bool
surge_walk_item(struct surge_walk *walk)
{
    if (walk->failed)
        return false;
    AW_ASSERT(walk->depth > 0);
    return walk->msgpack ? msgpack_next(walk) : json_next(walk, ']');
}

bool
surge_walk_text(struct surge_walk *walk, struct aw_slice *ret_text)
{
    struct aw_mp_head next;

    if (walk->failed)
        return false;
    if (!walk->msgpack)
        return json_string(walk, ret_text);
    if (!head(walk, &next) || next.kind != AW_MP_STR)
        return fail(walk);
    *ret_text = aw_slice_of(walk->at, next.count);
    walk->at += next.count;
    return true;
}

bool
surge_walk_u64(struct surge_walk *walk, uint64_t *ret_value)
{
    struct aw_mp_head next;

    if (walk->failed)
        return false;
    if (!walk->msgpack)
        return aw_slice_to_u64(json_word(walk), UINT64_MAX, ret_value) || fail(walk);
    if (!head(walk, &next) || next.kind != AW_MP_UINT)
        return fail(walk);
    *ret_value = next.value.u64;
    return true;
}

bool
surge_walk_flag(struct surge_walk *walk, bool *ret_value)
{
    struct aw_mp_head next;

    if (walk->failed)
        return false;
    if (!walk->msgpack) {
        struct aw_slice word = json_word(walk);

        *ret_value = aw_slice_eq(word, AW_SLICE("true"));
        return *ret_value || aw_slice_eq(word, AW_SLICE("false")) || fail(walk);
    }
    if (!head(walk, &next) || next.kind != AW_MP_BOOL)
        return fail(walk);
    *ret_value = next.value.u64 != 0;
    return true;
}

void
surge_walk_skip(struct surge_walk *walk)
{
    if (walk->failed)
        return;
    if (walk->msgpack)
        msgpack_skip(walk);
    else
        json_skip(walk);
}
