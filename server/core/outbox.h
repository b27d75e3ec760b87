/* outbox.h - private to core: replies on their way out (design: section 8, "A reply"; issue: replies out).
 *
 *   reply  WAITING <-> LEASED -> SENT -> DELIVERED -> READ
 *                      LEASED -> FAILED -> WAITING     (its retry)
 *                      LEASED, FAILED -> DEAD -> WAITING (a redrive)
 *
 * A REPLY, or a COMPLETE that has one, makes a row; its id is that record's. It goes out on the channel and account of the message
 * that it answers, which the record names. What the rules are:
 *   order      within an account: replies to care tickets, then to imminent ones, then the rest, then bulk; the oldest first. One
 *              that comes back has the place of its age. Over the accounts that a gateway names: the first of these.
 *   pace       what is given out counts, sent or not: in any stretch as long as the account's slice at most so many.
 *   lease      a gateway's, with the record of REPLY_LEASE as its fence. When it is over, nobody knows whether the reply was sent:
 *              it waits again, marked uncertain, which it stays until it is sent.
 *   facts      that a reply was sent, delivered or read is true whoever says it, with or without a lease: the state goes there, and
 *              never back. That it failed counts only from who holds it, or, of one that was told to be sent, from who sent it or
 *              without a lease: a provider may say so later. What it says twice counts once, also when the reply was sent again
 *              in between, if it tells the id of what failed and gateways tell those that they get; without ids that second
 *              report can't be told from one of the new attempt, and counts.
 *   failed     is tried again after reply_retry_ms, twice that, ..., at most reply_retry_ms_max, and not before what the provider
 *              asks for; after reply_attempts_max leases, or when the code says that it is no use, it is dead.
 *   memory     a row is kept for dedupe_ms after it was over, so that a late report and a customer's answer find it. When the table
 *              is full, what is over makes room early: first what was sent, longest ago first, then what is dead; while there is
 *              other, nothing that was written under a lease that still runs, whose holder may ask again. What is not over
 *              is never forgotten. Each running lease of a ticket has a row in store, so that its COMPLETE with a reply is never
 *              refused: when no more can be, LEASE is, and so are REPLY and REDRIVE.
 *
 * Files: outbox.c (rows), outbox_queue.c (who is next, pace), outbox_out.c (gateways' commands), outbox_channel.c (CHANNEL).
 * Thread: that of the state. Owns nothing: the rows are the state's.
 */
#ifndef AW_CORE_OUTBOX_H
#define AW_CORE_OUTBOX_H

#include "core/layout.h"

static inline bool
aw_reply_is_over(const struct aw_reply_row *reply)
{
    return reply->state >= AW_REPLY_DEAD;
}

/* --- rows (outbox.c) -------------------------------------------------------------------------------------------------------- */

/* Replies that can still be written: free rows, and what is over. Always at least as many as there are leases of tickets. */
uint32_t aw_outbox_room(const struct aw_state *state);
/* Whether one more can be written, and every lease still has its own. AW_OK, AW_E_TABLE_FULL. */
enum aw_err aw_outbox_admits(const struct aw_state *state);
/* Whether the holder of this ticket may write one more: what is over counts too, until it is forgotten. AW_OK, AW_E_TABLE_FULL. */
enum aw_err aw_outbox_admits_reply(const struct aw_state *state, const struct aw_ticket_row *ticket);
/* Whether what is answered is a message of this ticket, and nothing else speaks against it. AW_OK or why not. */
enum aw_err aw_outbox_check(const struct aw_state *state, const struct aw_command *command);
/* The reply of REPLY or COMPLETE, whose record is made, on behalf of `agent`; it waits. There is room. */
void aw_outbox_add(struct aw_state *state, const struct aw_command *command, uint32_t agent);
/* The reply that was written under this lease with this op_hash; 0: none. */
uint32_t aw_outbox_find_written(const struct aw_state *state, const struct aw_ticket_row *ticket, uint64_t fence,
                                uint64_t op_hash);
/* By its id; 0: there is none, or it is forgotten. */
uint32_t aw_outbox_find(const struct aw_state *state, uint64_t seq);
/* The reply whose id at the provider has this hash: of several that got it the newest; 0: none. */
uint32_t aw_outbox_find_provider(const struct aw_state *state, struct aw_hash128 provider);
/* Moves it on: out of the queue, list or timer of its state, and into that of `next`, with `due_at` as its row says it. */
void aw_outbox_move(struct aw_state *state, uint32_t slot, enum aw_reply_state next, aw_ms due_at);
/* Rebuilds what is derived from the rows. */
void aw_outbox_load_all(struct aw_state *state);
/* A start: running leases of gateways get some time too. */
void aw_outbox_epoch(struct aw_state *state, aw_ms least);

/* The reply whose time comes first. */
bool aw_outbox_due(const struct aw_state *state, struct aw_timer *ret_timer);

/* --- who is next (outbox_queue.c) ------------------------------------------------------------------------------------------- */

void aw_outbox_enqueue(struct aw_state *state, uint32_t slot);
void aw_outbox_dequeue(struct aw_state *state, uint32_t slot);
/* Whether the first goes before the second. */
bool aw_outbox_goes_before(const struct aw_state *state, uint32_t slot, uint32_t other);

/* The account's row; 0: there is none. */
uint32_t aw_account_find(const struct aw_state *state, struct aw_slice channel, struct aw_slice account);
/* The same; makes it when there is none, with the pace that its channel's settings give it. */
uint32_t aw_account_make(struct aw_state *state, struct aw_slice channel, struct aw_slice account);
/* It is named by one row more (by 1) or less (by -1): nobody's goes, unless it has a pace. */
void aw_account_refer(struct aw_state *state, uint32_t slot, int by);
/* Sets its pace; `replies` 0: none. What was given out already counts on. */
void aw_account_set_pace(struct aw_state *state, uint32_t slot, uint32_t replies, uint32_t slice_s);
/* When one more may be given out at the earliest, as far as its pace goes: `now` or later. */
aw_ms aw_account_ready_at(const struct aw_account_row *account, aw_ms now);
/* One was given out. */
void aw_account_count(struct aw_state *state, uint32_t slot);
void aw_account_load_all(struct aw_state *state);

/* --- channels (outbox_channel.c) -------------------------------------------------------------------------------------------- */

/* What an account of a channel is set to; NULL: nothing. */
const struct aw_channel_pace *aw_channel_pace_of(const struct aw_state *state, struct aw_slice channel, struct aw_slice account);

#endif
