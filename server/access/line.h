/* line.h - one line of the file of tokens, as JSON (tokens.h).
 *
 *   {"name": "ann", "role": "agent", "lanes": ["refunds"], "hash": "<64 hex digits>", "made_at": "...", "expires_at": "..."}
 *   {"name": "whatsapp", "role": "gateway", "channels": ["whatsapp", "twitter/airline"], "certificate": "spiffe://...", ...}
 *
 * Strict, as the API is: what a line holds that is not known here refuses it, since it may have been meant as a bound.
 * Thread: any. Fails: AW_E_CONFIG, AW_E_MEMORY.
 */
#ifndef AW_ACCESS_LINE_H
#define AW_ACCESS_LINE_H

#include "access/tokens.h"
#include "base/arena.h"

/* What is kept is copied into `arena`. */
AW_MUST_USE enum aw_err aw_token_line_read(struct aw_arena *arena, struct aw_slice line, struct aw_token *ret_token,
                                           struct aw_why *why);
/* Appends the line with its end. Fails through the buffer. */
void aw_token_line_write(struct aw_buffer *buffer, const struct aw_token *token);
/* False: the library has no memory, or `secret` is no secret of ours. */
AW_MUST_USE bool aw_token_hash_secret(struct aw_slice secret, struct aw_sha256 *ret_hash);

#endif
