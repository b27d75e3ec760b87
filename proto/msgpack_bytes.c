/* msgpack_bytes.c - reads heads. */
#include "proto/msgpack_bytes.h"

static uint64_t
big_endian(const unsigned char *at, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | at[i];
    return value;
}

static double
real_of(uint64_t bits, size_t len)
{
    uint32_t half = (uint32_t)bits;
    float    single;
    double   value;

    if (len == 4) {
        memcpy(&single, &half, sizeof(single));
        return (double)single;
    }
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* What 0xc4 to 0xdf say: the kind, how many bytes of number follow, and whether that number counts content. */
struct long_form {
    enum aw_mp_kind kind;
    uint8_t         bytes;
};
static const struct long_form long_forms[] = {
    {AW_MP_BIN, 1},  {AW_MP_BIN, 2},  {AW_MP_BIN, 4},  {AW_MP_EXT, 1},   {AW_MP_EXT, 2},   {AW_MP_EXT, 4}, {AW_MP_REAL, 4},
    {AW_MP_REAL, 8}, {AW_MP_UINT, 1}, {AW_MP_UINT, 2}, {AW_MP_UINT, 4},  {AW_MP_UINT, 8},  {AW_MP_INT, 1}, {AW_MP_INT, 2},
    {AW_MP_INT, 4},  {AW_MP_INT, 8},  {AW_MP_EXT, 0},  {AW_MP_EXT, 0},   {AW_MP_EXT, 0},   {AW_MP_EXT, 0}, {AW_MP_EXT, 0},
    {AW_MP_STR, 1},  {AW_MP_STR, 2},  {AW_MP_STR, 4},  {AW_MP_ARRAY, 2}, {AW_MP_ARRAY, 4}, {AW_MP_MAP, 2}, {AW_MP_MAP, 4},
};
#define LONG_FORM_FIRST 0xc4
#define FIXEXT_FIRST    0xd4
AW_STATIC_ASSERT(AW_ARRAY_LEN(long_forms) == 0xdf - LONG_FORM_FIRST + 1, "a row for each byte");

/* Numbers: a signed form may hold a number that is not negative. */
static void
set_number(struct aw_mp_head *head, enum aw_mp_kind kind, uint64_t number, size_t bytes)
{
    head->kind = kind;
    if (kind == AW_MP_REAL) {
        head->value.real = real_of(number, bytes);
    } else if (kind == AW_MP_UINT) {
        head->value.u64 = number;
    } else {
        unsigned shift = (unsigned)(64 - 8 * bytes);

        AW_ASSERT(bytes >= 1); /* by the table: only an extension has none */
        head->value.i64 = (int64_t)(number << shift) >> shift;
        if (head->value.i64 >= 0)
            head->kind = AW_MP_UINT;
    }
}

static bool
read_long(const unsigned char first, const char **at, const char *end, struct aw_mp_head *head)
{
    struct long_form form = long_forms[first - LONG_FORM_FIRST];
    size_t           left = (size_t)(end - *at) - 1;
    uint64_t         number;
    uint64_t         content = 0;

    if (left < form.bytes)
        return false;
    number = big_endian((const unsigned char *)*at + 1, form.bytes);
    if (form.kind == AW_MP_REAL || form.kind == AW_MP_UINT || form.kind == AW_MP_INT) {
        set_number(head, form.kind, number, form.bytes);
    } else {
        if (form.kind == AW_MP_EXT) /* its type's byte counts as content here; 0xd4 to 0xd8 hold 1, 2, 4, 8, 16 bytes */
            number = 1 + (form.bytes == 0 ? UINT64_C(1) << (first - FIXEXT_FIRST) : number);
        if (form.kind != AW_MP_ARRAY && form.kind != AW_MP_MAP)
            content = number;
        head->kind = form.kind;
        if (content > left - form.bytes || number > UINT32_MAX)
            return false;
        head->count = (uint32_t)number;
    }
    *at += 1 + form.bytes;
    return true;
}

bool
aw_mp_read(const char **at, const char *end, struct aw_mp_head *ret_head)
{
    unsigned char first;

    if (*at == end)
        return false;
    first = (unsigned char)**at;
    if (first >= LONG_FORM_FIRST && first <= 0xdf)
        return read_long(first, at, end, ret_head);
    if (first <= 0x7f) {
        ret_head->kind = AW_MP_UINT;
        ret_head->value.u64 = first;
    } else if (first >= 0xe0) {
        ret_head->kind = AW_MP_INT;
        ret_head->value.i64 = (int64_t)first - 256;
    } else if (first <= 0x9f) {
        ret_head->kind = first <= 0x8f ? AW_MP_MAP : AW_MP_ARRAY;
        ret_head->count = first & 15;
    } else if (first <= 0xbf) {
        ret_head->kind = AW_MP_STR;
        ret_head->count = first & 31;
        if (ret_head->count > (size_t)(end - *at) - 1)
            return false;
    } else if (first == 0xc0) {
        ret_head->kind = AW_MP_NIL;
    } else if (first == 0xc1) {
        return false;
    } else {
        ret_head->kind = AW_MP_BOOL;
        ret_head->value.u64 = first == 0xc3;
    }
    *at += 1;
    return true;
}
