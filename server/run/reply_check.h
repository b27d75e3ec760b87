/* reply_check.h - the same-channel check with the rules in use, as an answer.
 *
 * Thread: io. Owns nothing: spans lie in the arena, their words in the text, kind and rule too, since the rules may be replaced
 * before the answer is written. Fails only for lack of memory.
 */
#ifndef AW_RUN_REPLY_CHECK_H
#define AW_RUN_REPLY_CHECK_H

#include "base/arena.h"
#include "model/answer.h"
#include "rules/outgoing.h"

AW_MUST_USE bool aw_reply_check(const struct aw_rules_use *rules, const struct aw_outgoing_reply *reply, struct aw_arena *arena,
                                struct aw_reply_check_answer *ret_answer);

#endif
