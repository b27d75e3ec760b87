/* why.h - the words for a failure on a cold path (open, bind, read a setting).
 *
 * The caller owns the struct; callees overwrite it only on failure; callers may put their own words in front. Thread: any.
 */
#ifndef AW_BASE_WHY_H
#define AW_BASE_WHY_H

#include "base/assert.h"
#include "base/err.h"

#define AW_WHY_BYTES 512

struct aw_why {
    char text[AW_WHY_BYTES]; /* NUL-terminated; cut at the limit, never overrun */
};

/* Sets the words and returns `err`, so that `return aw_why(why, AW_E_IO, "...")` reads well. `why` may be NULL. */
enum aw_err aw_why(struct aw_why *why, enum aw_err err, const char *format, ...) AW_PRINTF(3, 4);
/* The same with ": " and strerror(errnum) behind. */
enum aw_err aw_why_errno(struct aw_why *why, enum aw_err err, int errnum, const char *format, ...) AW_PRINTF(4, 5);
/* Puts words and ": " in front of what is there. */
void aw_why_prefix(struct aw_why *why, const char *format, ...) AW_PRINTF(2, 3);

#endif
