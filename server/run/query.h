/* query.h - the parameters behind the `?` of a path, and what is percent-encoded (RFC 3986 section 2.1).
 *
 * Owns nothing: what was decoded lies in the arena. Thread: any.
 */
#ifndef AW_RUN_QUERY_H
#define AW_RUN_QUERY_H

#include "base/arena.h"
#include "base/slice.h"

#include <stdbool.h>

/* `%41` becomes A; a `%` that begins nothing stays. False: no memory. */
AW_MUST_USE bool aw_percent_decode(struct aw_arena *arena, struct aw_slice text, struct aw_slice *ret_text);

struct aw_parameter {
    struct aw_slice name;
    struct aw_slice value; /* decoded, and `+` is a blank, as forms write it; without `=`: empty */
};
/* Takes the next one off the front of `query`; empty ones are passed over. False: there is none, or no memory (*ret_failed). */
AW_MUST_USE bool aw_query_take(struct aw_arena *arena, struct aw_slice *query, struct aw_parameter *ret_parameter,
                               bool *ret_failed);

#endif
