/* reply_search.h - which replies fit a filter: a look through all that are remembered, in steps, oldest first.
 *
 * A page costs a whole look, as it keeps the oldest behind a place. Changes nothing, so its owner may stop at any step; a reply
 * that fits all the time is found, once. Owns nothing; borrows the room for what it finds, and the names in the filter for as long
 * as it takes. Thread: that of the state. Nothing can fail.
 */
#ifndef AW_CORE_REPLY_SEARCH_H
#define AW_CORE_REPLY_SEARCH_H

#include "core/state.h"

struct aw_reply_found {
    struct aw_reply_view view;
    uint8_t              channel_len;
    uint8_t              account_len;
    char                 channel[AW_CHANNEL_BYTES_MAX];
    char                 account[AW_ACCOUNT_BYTES_MAX];
};

struct aw_reply_search {
    /* Asked: all of these; empty and 0: any. */
    enum aw_reply_state    state;
    uint64_t               ticket_seq;
    struct aw_slice        agent; /* who wrote it */
    struct aw_slice        channel;
    struct aw_slice        account;
    uint64_t               after; /* only what was written later than this one */
    struct aw_reply_found *found; /* borrows */
    uint32_t               room;  /* of it, 1 or more */
    /* Answered. */
    uint32_t count;
    bool     has_more;
    /* The look under way. */
    uint32_t _next;
};

void aw_reply_search_begin(struct aw_reply_search *search);
/* Looks at up to `slots` slots. True when it is through. */
AW_MUST_USE bool aw_reply_search_step(const struct aw_state *state, struct aw_reply_search *search, uint32_t slots);

#endif
