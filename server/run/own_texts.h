/* own_texts.h - texts that a request gives the server to write: whether they are well formed, and may go out.
 *
 * Who owns: the request's arena. Thread: io. Fails: by answering the request.
 */
#ifndef AW_RUN_OWN_TEXTS_H
#define AW_RUN_OWN_TEXTS_H

#include "run/call.h"
#include "run/wording.h"

struct aw_own_texts_rules {
    uint32_t always;     /* fields that may stand without words of their own, outside of brackets: bits */
    uint8_t  visibility; /* as whose reply they must pass the rules for replies */
};
/* Each of them as somebody will read it of whom all is known, in the arena. With `ret_is_private` it is told whether they may not
 * go out in public. NULL: answered 400, 422 or 503. */
const struct aw_slice *aw_own_texts_check(struct aw_call *call, const struct aw_own_text *texts, uint32_t count,
                                          const struct aw_own_texts_rules *rules, bool *ret_is_private);

#endif
