#include "base/text.h"

#define NO_DIGIT 0xFF

/* An alphabet of 2^bits digits. Two tables, not a search: every request carries an id. */
struct digits {
    unsigned      bits;
    unsigned char of_value[64];
    unsigned char of_char[128]; /* value + 1; 0: not a digit */
};

/* clang-format off */
static const struct digits base32 = {
    .bits = 5,
    .of_value = "0123456789abcdefghjkmnpqrstvwxyz",
    .of_char = {
        ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
        ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['g'] = 17, ['h'] = 18, ['j'] = 19, ['k'] = 20,
        ['m'] = 21, ['n'] = 22, ['p'] = 23, ['q'] = 24, ['r'] = 25, ['s'] = 26, ['t'] = 27, ['v'] = 28, ['w'] = 29, ['x'] = 30,
        ['y'] = 31, ['z'] = 32,
    },
};
static const struct digits base64 = {
    .bits = 6,
    .of_value = { /* no room for a NUL */
        'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X',
        'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
        'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '-', '_',
    },
    .of_char = {
        ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10,
        ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20,
        ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
        ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
        ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50,
        ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
        ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
    },
};
/* clang-format on */

/* The digit's value, or NO_DIGIT. */
static unsigned
value_of(const struct digits *digits, char c)
{
    unsigned char byte = (unsigned char)c;

    return byte >= 128 || digits->of_char[byte] == 0 ? NO_DIGIT : digits->of_char[byte] - 1U;
}

/* Numbers are right-aligned: the first digit holds what is left over, and so stays small. */
static void
encode_u64(const struct digits *digits, uint64_t value, char *text, size_t chars)
{
    for (size_t i = chars; i-- > 0; value >>= digits->bits)
        text[i] = (char)digits->of_value[value & ((1U << digits->bits) - 1)];
    AW_ASSERT(value == 0);
}

static bool
decode_u64(const struct digits *digits, struct aw_slice text, size_t chars, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (text.len != chars)
        return false;
    for (size_t i = 0; i < chars; i++) {
        unsigned digit = value_of(digits, text.ptr[i]);

        if (digit == NO_DIGIT || value >> (64 - digits->bits) != 0)
            return false;
        value = value << digits->bits | digit;
    }
    *ret_value = value;
    return true;
}

/* Bytes are left-aligned: the last digit is filled up with zero bits. */
static void
encode_bytes(const struct digits *digits, struct aw_slice bytes, char *text)
{
    uint32_t held = 0;
    unsigned count = 0; /* bits in `held` that are not written yet */

    for (size_t i = 0; i < bytes.len; i++) {
        held = (held << 8 | (unsigned char)bytes.ptr[i]) & 0xFFFF;
        for (count += 8; count >= digits->bits; count -= digits->bits)
            *text++ = (char)digits->of_value[held >> (count - digits->bits) & ((1U << digits->bits) - 1)];
    }
    if (count > 0)
        *text = (char)digits->of_value[held << (digits->bits - count) & ((1U << digits->bits) - 1)];
}

static bool
decode_bytes(const struct digits *digits, struct aw_slice text, uint8_t *bytes, size_t room, size_t *ret_len)
{
    uint32_t held = 0;
    unsigned count = 0;
    size_t   len = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = value_of(digits, text.ptr[i]);

        if (digit == NO_DIGIT)
            return false;
        held = (held << digits->bits | digit) & 0xFFFF;
        count += digits->bits;
        if (count < 8)
            continue;
        if (len == room)
            return false;
        count -= 8;
        bytes[len++] = (uint8_t)(held >> count & 0xFF);
    }
    /* What is left is filling: less than a digit, and zero. */
    if (count >= digits->bits || (held & ((1U << count) - 1)) != 0)
        return false;
    *ret_len = len;
    return true;
}

void
aw_base32_u64(uint64_t value, char text[AW_BASE32_U64_CHARS])
{
    encode_u64(&base32, value, text, AW_BASE32_U64_CHARS);
}

void
aw_base64_u64(uint64_t value, char text[AW_BASE64_U64_CHARS])
{
    encode_u64(&base64, value, text, AW_BASE64_U64_CHARS);
}

bool
aw_base32_to_u64(struct aw_slice text, uint64_t *ret_value)
{
    return decode_u64(&base32, text, AW_BASE32_U64_CHARS, ret_value);
}

bool
aw_base64_to_u64(struct aw_slice text, uint64_t *ret_value)
{
    return decode_u64(&base64, text, AW_BASE64_U64_CHARS, ret_value);
}

void
aw_base32_fixed(uint64_t value, char *text, size_t chars)
{
    encode_u64(&base32, value, text, chars);
}

bool
aw_base32_from_fixed(struct aw_slice text, uint64_t *ret_value)
{
    return text.len > 0 && decode_u64(&base32, text, text.len, ret_value);
}

size_t
aw_decimal_u64(uint64_t value, char text[AW_DECIMAL_U64_CHARS])
{
    char   digits[AW_DECIMAL_U64_CHARS];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(text, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

void
aw_base32_encode(struct aw_slice bytes, char *text)
{
    encode_bytes(&base32, bytes, text);
}

void
aw_base64_encode(struct aw_slice bytes, char *text)
{
    encode_bytes(&base64, bytes, text);
}

bool
aw_base32_decode(struct aw_slice text, void *bytes, size_t room, size_t *ret_len)
{
    return decode_bytes(&base32, text, bytes, room, ret_len);
}

bool
aw_base64_decode(struct aw_slice text, void *bytes, size_t room, size_t *ret_len)
{
    return decode_bytes(&base64, text, bytes, room, ret_len);
}
