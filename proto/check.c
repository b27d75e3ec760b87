/* check.c - the shapes of names, codes and ids. */
#include "proto/check.h"

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool
is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

bool
aw_check_no_controls(struct aw_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];

        if (byte < 0x20 || byte == 0x7f)
            return false;
        /* U+0080 to U+009F are C2 80 to C2 9F. */
        if (byte == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0)
            return false;
    }
    return true;
}

bool
aw_check_name(struct aw_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!is_lower(c) && !is_digit(c) && c != '_' && c != '.' && c != '-')
            return false;
    }
    return text.len > 0;
}

bool
aw_check_lang(struct aw_slice text)
{
    bool   first = true;
    size_t part = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '-') {
            if (part == 0)
                return false;
            first = false;
            part = 0;
            continue;
        }
        if (!is_lower(c) && !is_upper(c) && (first || !is_digit(c)))
            return false;
        if (++part > 8)
            return false;
    }
    return part > 0;
}

/* 1 to 4 digits and at most one letter. */
static bool
is_flight_tail(struct aw_slice text)
{
    size_t digits = 0;

    while (digits < text.len && is_digit(text.ptr[digits]))
        digits++;
    if (digits == 0 || digits > 4)
        return false;
    return digits == text.len || (digits + 1 == text.len && is_upper(text.ptr[digits]));
}

bool
aw_check_flight_number(struct aw_slice text)
{
    const char *c = text.ptr;

    if (text.len < 3)
        return false;
    if (is_upper(c[0]) && is_upper(c[1]) && is_upper(c[2]))
        return is_flight_tail(aw_slice_of(c + 3, text.len - 3));
    if ((!is_upper(c[0]) && !is_digit(c[0])) || (!is_upper(c[1]) && !is_digit(c[1])) || (is_digit(c[0]) && is_digit(c[1])))
        return false;
    return is_flight_tail(aw_slice_of(c + 2, text.len - 2));
}

bool
aw_check_airport(struct aw_slice text)
{
    return text.len == 3 && is_upper(text.ptr[0]) && is_upper(text.ptr[1]) && is_upper(text.ptr[2]);
}
