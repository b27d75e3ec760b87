/* text.h - numbers and bytes as text for ids and tokens.
 *
 * base32     Crockford's digits in lower case (no i, l, o, u), highest bits first, without padding: for ids, which people read out.
 * base64url  RFC 4648 section 5, without padding: for tokens, which nobody reads.
 * decimal    for headers and JSON; only written here.
 * Each value has exactly one text: a decoder takes neither capitals nor look-alikes nor padding nor unused bits that are set, so
 * that texts may be compared instead of values. Owns nothing. Thread: any. No text gets a NUL.
 */
#ifndef AW_BASE_TEXT_H
#define AW_BASE_TEXT_H

#include "base/assert.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fixed widths: texts of u64 sort like the numbers (base32 only; the digits of base64url are not in order). */
#define AW_BASE32_U64_CHARS  13
#define AW_BASE64_U64_CHARS  11
#define AW_DECIMAL_U64_CHARS 20 /* at most */

/* Characters for `len` bytes, len at most SIZE_MAX / 8. */
static inline size_t
aw_base32_chars(size_t len)
{
    return (len * 8 + 4) / 5;
}

static inline size_t
aw_base64_chars(size_t len)
{
    return (len * 8 + 5) / 6;
}

void aw_base32_u64(uint64_t value, char text[AW_BASE32_U64_CHARS]);
void aw_base64_u64(uint64_t value, char text[AW_BASE64_U64_CHARS]);
/* False when not exactly what the encoder writes; *ret_value is then unchanged. */
AW_MUST_USE bool aw_base32_to_u64(struct aw_slice text, uint64_t *ret_value);
AW_MUST_USE bool aw_base64_to_u64(struct aw_slice text, uint64_t *ret_value);

/* The same in a width of one's own. `value` fits into `chars` digits. False when `text` is empty, has other characters, or says
 * more than 64 bits. */
void             aw_base32_fixed(uint64_t value, char *text, size_t chars);
AW_MUST_USE bool aw_base32_from_fixed(struct aw_slice text, uint64_t *ret_value);

/* Decimal digits without zeros in front, at most AW_DECIMAL_U64_CHARS; returns how many. */
size_t aw_decimal_u64(uint64_t value, char text[AW_DECIMAL_U64_CHARS]);

/* Writes aw_base32_chars(bytes.len) or aw_base64_chars(bytes.len) characters. */
void aw_base32_encode(struct aw_slice bytes, char *text);
void aw_base64_encode(struct aw_slice bytes, char *text);
/* Writes at most `room` bytes. False when not exactly what the encoder writes, or longer than `room`; what is in `bytes` is then
 * undefined and *ret_len unchanged. */
AW_MUST_USE bool aw_base32_decode(struct aw_slice text, void *bytes, size_t room, size_t *ret_len);
AW_MUST_USE bool aw_base64_decode(struct aw_slice text, void *bytes, size_t room, size_t *ret_len);

#endif
