/* query.c - see query.h. */
#include "run/query.h"

static int
digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* `blank`: what stands for one. */
static bool
decode(struct aw_arena *arena, struct aw_slice text, char blank, struct aw_slice *ret_text)
{
    char  *bytes = aw_arena_take(arena, text.len);
    size_t len = 0;

    if (bytes == NULL)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool is_coded = text.ptr[i] == '%' && i + 2 < text.len && digit(text.ptr[i + 1]) >= 0 && digit(text.ptr[i + 2]) >= 0;

        bytes[len] = text.ptr[i];
        if (text.ptr[i] == blank)
            bytes[len] = ' ';
        if (is_coded) {
            bytes[len] = (char)(digit(text.ptr[i + 1]) * 16 + digit(text.ptr[i + 2]));
            i += 2;
        }
        len++;
    }
    *ret_text = aw_slice_of(bytes, len);
    return true;
}

bool
aw_percent_decode(struct aw_arena *arena, struct aw_slice text, struct aw_slice *ret_text)
{
    return decode(arena, text, ' ', ret_text);
}

bool
aw_query_take(struct aw_arena *arena, struct aw_slice *query, struct aw_parameter *ret_parameter, bool *ret_failed)
{
    struct aw_slice value = {NULL, 0};

    *ret_failed = false;
    while (value.len == 0 && query->len > 0)
        value = aw_slice_cut(query, '&');
    if (value.len == 0)
        return false;
    ret_parameter->name = aw_slice_cut(&value, '=');
    *ret_failed =
        !decode(arena, ret_parameter->name, '+', &ret_parameter->name) || !decode(arena, value, '+', &ret_parameter->value);
    return !*ret_failed;
}
