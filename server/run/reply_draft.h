/* reply_draft.h - replies that agents send, from what was posted to what the state machine takes.
 *
 * Where a reply goes is said by the message that it answers, which lies in the journal; and that message is, unless the agent names
 * one, the newest that the holder was given, which the state knows. So all replies of a request are looked up together, first with
 * the committer, then in the journal; each ends as the `reply` of its command, with what speaks against it as `refusal`. Nothing is
 * refused here: only the state machine knows whether the same was carried out before.
 *
 * A reply may go to another address, when the customer agreed to that in a message of his: that one is looked up as well.
 *
 * Who owns: the request's arena. Thread: io. Fails: without memory the request is answered 503.
 */
#ifndef AW_RUN_REPLY_DRAFT_H
#define AW_RUN_REPLY_DRAFT_H

#include "run/call.h"

struct aw_draft {
    struct aw_command   *command; /* REPLY or COMPLETE, whose reply it becomes */
    struct aw_reply      want;
    struct aw_slice      content;     /* as it is stored: MessagePack */
    struct aw_message_id to;          /* seq 0: none was named, or it is no id */
    struct aw_message_id consent;     /* the same */
    bool                 is_moved;    /* it goes elsewhere than where that message came from */
    struct aw_slice      refused;     /* the field that speaks against it, with command->in.fenced.reply.refusal */
    const char          *why_refused; /* the same in words */

    struct aw_reply_check_answer flagged;      /* what in that field, if it is for its words */
    uint32_t                     item;         /* of the read; UINT32_MAX: none */
    uint32_t                     consent_item; /* the same */
};

/* The replies of one request; zeroed. */
struct aw_drafts {
    struct aw_draft    **list; /* room for as many as there are lines */
    uint32_t             count;
    struct aw_submission submission;
    struct aw_query      query;
    struct aw_read      *read;
};

/* Makes a draft of a reply that goes with `command`; false: no memory, or more bytes than are stored (*ret_is_large). */
AW_MUST_USE bool aw_draft_make(struct aw_call *call, const struct aw_reply *want, struct aw_command *command,
                               struct aw_draft **ret_draft, bool *ret_is_large);
/* What tells this request from another one under the same lease, besides what `op_hash` tells. */
uint64_t aw_draft_hash(const struct aw_draft *draft, const struct aw_hash_key *key, uint64_t op_hash);

enum aw_drafting { AW_DRAFTING_OUT /* something is out, or it was answered */, AW_DRAFTING_DONE };
/* There is one or more. Begins to look them up; then, whenever something came back, goes on. */
enum aw_drafting aw_drafts_begin(struct aw_call *call, struct aw_drafts *drafts);
enum aw_drafting aw_drafts_go_on(struct aw_call *call, struct aw_drafts *drafts);

#endif
