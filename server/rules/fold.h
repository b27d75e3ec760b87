/* fold.h - a text as the rules see it: lower case, without accents, words with one blank between.
 *
 * The folded text begins with a blank, and every token is followed by one. A token is a word, one emoji, `,` where a clause ends or
 * `.` where a sentence does. "Héárt-attack!! #SoScared" gives " heart attack . so scared ". Composed and decomposed letters fold
 * alike. What is no language is left out: links, @names, zero-width marks; a letter written three times or more is written
 * once.
 * Rules and messages go through the same fold, so what is written in a rule is what it finds.
 *
 * Of a reply it matters where it leads, so `keeps` keeps that, each in one word: a link as `//host`, an address as `@host`, a host
 * alone (`wa.me`) as it is, accents included, a number in its international form as `+31`. The word stands for the whole of it,
 * with its path.
 * Owns nothing. Thread: any; the struct belongs to one at a time. Can't fail: bytes that are no UTF-8 count as blanks.
 */
#ifndef AW_RULES_FOLD_H
#define AW_RULES_FOLD_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Folded bytes for `len` bytes of text, at most: one letter may become a token of its own with a blank. */
#define AW_FOLD_ROOM(len) (2 * (len) + 4)

struct aw_fold {
    char     *bytes;     /* borrows: AW_FOLD_ROOM(longest text); NUL-terminated */
    uint32_t *from;      /* borrows: as many; where in the text each byte comes from */
    uint32_t  len;       /* without the NUL */
    bool      keeps;     /* set by the owner: links, addresses, `+` before a number */
    bool      has_lower; /* the text has small letters: capitals mean something */
    bool      has_digit;
};

void aw_fold_text(struct aw_fold *fold, struct aw_slice text);
/* The part of `text` that became the folded bytes [begin, end), begin < end. */
struct aw_slice aw_fold_origin(const struct aw_fold *fold, struct aw_slice text, uint32_t begin, uint32_t end);

#endif
