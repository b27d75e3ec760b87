/* slice.h - a run of bytes that somebody else owns.
 *
 * A slice borrows; the comment at each use says until when. `ptr` may be NULL only when `len` is 0. Bytes may hold NUL: compare
 * with aw_slice_eq, never with strcmp. Thread: any.
 */
#ifndef AW_BASE_SLICE_H
#define AW_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct aw_slice {
    const char *ptr;
    size_t      len;
};

/* A slice of a string literal. */
#define AW_SLICE(literal) ((struct aw_slice){(literal), sizeof(literal) - 1})
/* For printf("%.*s"). */
#define AW_SLICE_ARGS(slice) (int)(slice).len, (slice).ptr

static inline struct aw_slice
aw_slice_of(const void *ptr, size_t len)
{
    return (struct aw_slice){(const char *)ptr, len};
}

static inline struct aw_slice
aw_slice_str(const char *string)
{
    return (struct aw_slice){string, string == NULL ? 0 : strlen(string)};
}

static inline bool
aw_slice_eq(struct aw_slice a, struct aw_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII only; for header values such as media types. */
bool aw_slice_eq_nocase(struct aw_slice a, struct aw_slice b);
bool aw_slice_starts(struct aw_slice slice, struct aw_slice prefix);
/* Without blanks and tabs at both ends. */
struct aw_slice aw_slice_trim(struct aw_slice slice);
/* Cuts at the first `separator`: returns what is before it and leaves what is after it in *rest; without one, returns all and
 * leaves *rest empty with ptr NULL. */
struct aw_slice aw_slice_cut(struct aw_slice *rest, char separator);
/* Decimal digits only, no sign, no blanks. False when empty, not all digits, or over `max`; *ret_value is then unchanged. */
bool aw_slice_to_u64(struct aw_slice slice, uint64_t max, uint64_t *ret_value);
/* Well-formed UTF-8 by RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF. */
bool aw_slice_is_utf8(struct aw_slice slice);
/* How many bytes the well-formed UTF-8 sequence at `ptr` has (1 to 4), looking at no more than `len` (at least 1); 0 when there is
 * none. */
size_t aw_utf8_step(const char *ptr, size_t len);

#endif
