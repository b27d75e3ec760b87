#include "base/slice.h"

#include "base/assert.h"

static unsigned char
lower(char c)
{
    unsigned char byte = (unsigned char)c;

    return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

bool
aw_slice_eq_nocase(struct aw_slice a, struct aw_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool
aw_slice_starts(struct aw_slice slice, struct aw_slice prefix)
{
    return slice.len >= prefix.len && (prefix.len == 0 || memcmp(slice.ptr, prefix.ptr, prefix.len) == 0);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct aw_slice
aw_slice_trim(struct aw_slice slice)
{
    while (slice.len > 0 && is_blank(slice.ptr[0])) {
        slice.ptr++;
        slice.len--;
    }
    while (slice.len > 0 && is_blank(slice.ptr[slice.len - 1]))
        slice.len--;
    return slice;
}

struct aw_slice
aw_slice_cut(struct aw_slice *rest, char separator)
{
    struct aw_slice all = *rest;
    const char     *at = all.len == 0 ? NULL : memchr(all.ptr, separator, all.len);

    if (at == NULL) {
        *rest = (struct aw_slice){NULL, 0};
        return all;
    }
    *rest = (struct aw_slice){at + 1, (size_t)(all.ptr + all.len - (at + 1))};
    return (struct aw_slice){all.ptr, (size_t)(at - all.ptr)};
}

bool
aw_slice_to_u64(struct aw_slice slice, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (slice.len == 0)
        return false;
    for (size_t i = 0; i < slice.len; i++) {
        unsigned digit = (unsigned)(unsigned char)slice.ptr[i] - '0';

        if (digit > 9 || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    if (value > max)
        return false;
    *ret_value = value;
    return true;
}

static bool
is_in(const unsigned char *at, unsigned char low, unsigned char high)
{
    return *at >= low && *at <= high;
}

/* The table of well-formed sequences, RFC 3629 section 4, row by row. */
size_t
aw_utf8_step(const char *ptr, size_t len)
{
    const unsigned char *at = (const unsigned char *)ptr;
    unsigned char        low = 0x80;
    unsigned char        high = 0xBF;

    AW_ASSERT(len > 0);
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xC2 || at[0] > 0xF4)
        return 0;
    if (at[0] < 0xE0)
        return len >= 2 && is_in(at + 1, low, high) ? 2 : 0;
    if (at[0] < 0xF0) {
        if (at[0] == 0xE0)
            low = 0xA0; /* below: an overlong form */
        if (at[0] == 0xED)
            high = 0x9F; /* above: a surrogate */
        return len >= 3 && is_in(at + 1, low, high) && is_in(at + 2, 0x80, 0xBF) ? 3 : 0;
    }
    if (at[0] == 0xF0)
        low = 0x90; /* below: an overlong form */
    if (at[0] == 0xF4)
        high = 0x8F; /* above: beyond U+10FFFF */
    return len >= 4 && is_in(at + 1, low, high) && is_in(at + 2, 0x80, 0xBF) && is_in(at + 3, 0x80, 0xBF) ? 4 : 0;
}

bool
aw_slice_is_utf8(struct aw_slice slice)
{
    const char *at = slice.ptr;
    size_t      left = slice.len;

    while (left > 0) {
        uint64_t word;
        size_t   step;

        /* Most text is ASCII: eight bytes at a time while no high bit is set. */
        if (left >= sizeof(word)) {
            memcpy(&word, at, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(word);
                left -= sizeof(word);
                continue;
            }
        }
        step = aw_utf8_step(at, left);
        if (step == 0)
            return false;
        at += step;
        left -= step;
    }
    return true;
}
