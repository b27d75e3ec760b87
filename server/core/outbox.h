/* outbox.h - private to core: replies on their way out (design: section 8, "A reply"; issue: replies out).
 *
 *   reply  PENDING -> WAITING (approved), REFUSED
 *          WAITING <-> LEASED -> SENT -> DELIVERED -> READ
 *                      LEASED -> FAILED -> WAITING     (its retry)
 *                      LEASED, FAILED -> DEAD -> WAITING (a redrive)
 *
 * A REPLY, or a COMPLETE that has one, makes a row; its id is that record's. It goes out on the channel and account of the message
 * that it answers, which the record names. What the rules are:
 *   approval   one that is written by who needs it is PENDING until a colleague decides (approve.c). No gateway knows of it so
 *              far, nor of one that was refused: a report on these is of no lease.
 *   order      within an account: replies to care tickets, then to imminent ones, then the rest, then bulk; the oldest first. One
 *              that comes back has the place of its age. Over the accounts that a gateway names: the first of these.
 *   pace       what is given out counts, sent or not: in any stretch as long as the account's slice at most so many.
 *   lease      a gateway's, with the record of REPLY_LEASE as its fence. When it is over, nobody knows whether the reply was sent:
 *              it waits again, marked uncertain, which it stays until it is sent; also then, if another gateway holds it by then,
 *              until that one says so too, or the reply is delivered.
 *   facts      that a reply was sent, delivered or read is true whoever says it, with or without a lease: the state goes there, and
 *              never back. That it failed counts only from who holds it, or, of one that was told to be sent, from who sent it or
 *              without a lease: a provider may say so later. What it says twice counts once, also when the reply was sent again
 *              in between, if it tells the id of what failed and gateways tell those that they get; without ids that second
 *              report can't be told from one of the new attempt, and counts.
 *   failed     is tried again after reply_retry_ms, twice that, ..., at most reply_retry_ms_max, and not before what the provider
 *              asks for; after reply_attempts_max leases, or when the code says that it is no use, it is dead.
 *   opted out  the first contact of who then opts out waits no more: it is dead, and is not redriven (contact.c).
 *   erased     what is written to a customer who is erased does not go any more: it is refused or dead, and is not redriven.
 *   withdrawn  when a customer took back all that he wrote in a ticket, nobody knows to whom what the server owes him would go: it
 *              is dead, and is not redriven. What an agent wrote says so itself, and goes.
 *   memory     a row is kept for dedupe_ms after it was over, so that a late report and a customer's answer find it. When the table
 *              is full, what is over makes room early: first what was sent, longest ago first, then what is dead; while there is
 *              other, nothing that was written under a lease that still runs, whose holder may ask again. What is not over
 *              is never forgotten. Each running lease of a ticket has a row in store, so that its COMPLETE with a reply is never
 *              refused: when no more can be, LEASE is, and so are REPLY and REDRIVE.
 *
 *   owed       what the server itself writes, by texts that a template or an incident has: its row names the text and keeps what
 *              was known, so that it says the same whenever a gateway takes it. It goes behind what people wrote, unless it says
 *              that a promise to someone in a hurry moves; when there is hardly room for these any more it is left out, and
 *              counted.
 *
 * Files: outbox.c (rows), approve.c (APPROVE), outbox_queue.c (who is next, pace), outbox_out.c (gateways' commands),
 * outbox_channel.c (CHANNEL), outbox_texts.c (TEMPLATE, texts).
 * Thread: that of the state. Owns nothing: the rows are the state's.
 */
#ifndef AW_CORE_OUTBOX_H
#define AW_CORE_OUTBOX_H

#include "core/layout.h"

/* What goes first within an account: care, imminent, the rest, and then */
#define AW_REPLY_RANK_BULK 3U

static inline bool
aw_reply_is_over(const struct aw_reply_row *reply)
{
    return reply->state >= AW_REPLY_DEAD;
}

/* Whatever comes of it: it is not given to a gateway again. */
static inline bool
aw_reply_never_goes(const struct aw_reply_row *reply)
{
    return reply->is_erased || reply->is_dropped;
}

/* --- rows (outbox.c) -------------------------------------------------------------------------------------------------------- */

/* Replies that can still be written: free rows, and what is over. Always at least as many as there are leases of tickets. */
uint32_t aw_outbox_room(const struct aw_state *state);
/* Whether one more can be written, and every lease still has its own. AW_OK, AW_E_TABLE_FULL. */
enum aw_err aw_outbox_admits(const struct aw_state *state);
/* Whether the holder of this ticket may write one more: what is over counts too, until it is forgotten. AW_OK, AW_E_TABLE_FULL. */
enum aw_err aw_outbox_admits_reply(const struct aw_state *state, const struct aw_ticket_row *ticket);
/* Whether this ticket has few enough for the server itself to write one more: the other half is for who works on it. */
bool aw_outbox_may_owe(const struct aw_state *state, const struct aw_ticket_row *ticket);
/* Whether what is answered is a message of this ticket, and nothing else speaks against it. AW_OK or why not. */
enum aw_err aw_outbox_check(const struct aw_state *state, const struct aw_command *command);
/* The reply of REPLY or COMPLETE, whose record is made, on behalf of `agent`; it waits. There is room. */
void aw_outbox_add(struct aw_state *state, const struct aw_command *command, uint32_t agent);
/* What the server itself owes the customer of a ticket, by the command under way, whose record is made and is the reply's id. */
struct aw_owed {
    enum aw_reply_kind    kind;  /* not BY_AGENT */
    uint32_t              texts; /* first row of the set; 0: it is off */
    struct aw_reply_facts facts;
};
/* Whether one more finds room: what the server itself writes leaves a quarter of all rows, and those that leases need, to people,
 * as nobody may be there to send it. AW_OK, AW_E_TABLE_FULL. */
#define AW_REPLIES_SHARE_KEPT 4U
enum aw_err aw_outbox_admits_owed(const struct aw_state *state);
/* What is known of a ticket just now: its flight whose departure counts, when that goes by its messages and by now, its promise. */
struct aw_reply_facts aw_outbox_facts_of(const struct aw_state *state, uint32_t ticket);
/* Writes it, in the language of the ticket's newest message that names one, as an answer to its newest message. False: it is off,
 * or the ticket's account is not known, or there is no room for it: then nothing changes but a count. The ticket is not between
 * edit and done; settles. */
bool aw_outbox_owe(struct aw_state *state, const struct aw_command *command, uint32_t ticket, const struct aw_owed *owed);
/* This message was withdrawn: nothing that it said goes into what the server itself wrote to it. Settles. */
void aw_outbox_withdraw(struct aw_state *state, uint64_t message_seq);
/* What was written to the customer of this ticket up to record `through` is erased: what is not sent yet never goes. Settles. */
void aw_outbox_erase(struct aw_state *state, uint64_t ticket_seq, uint64_t through);
/* Whether that changes anything. */
bool aw_outbox_would_erase(const struct aw_state *state, uint64_t ticket_seq, uint64_t through);
/* Every message of this ticket was withdrawn: what the server itself wrote to its customer and is not sent yet never goes. The
 * ticket is not between edit and done; settles. */
void aw_outbox_drop_owed(struct aw_state *state, uint64_t ticket_seq);
/* What its row says of this; all zeros of one that an agent wrote. */
void aw_outbox_facts(const struct aw_reply_row *row, struct aw_reply_facts *ret_facts);
static inline struct aw_text_ref
aw_outbox_text(const struct aw_state *state, const struct aw_reply_row *row)
{
    return (struct aw_text_ref){.slot = row->text, .seq = row->text == 0 ? 0 : aw_text_at(state, row->text)->seq};
}
/* The reply that was written under this lease with this op_hash; 0: none. */
uint32_t aw_outbox_find_written(const struct aw_state *state, const struct aw_ticket_row *ticket, uint64_t fence,
                                uint64_t op_hash);
/* By its id; 0: there is none, or it is forgotten. */
uint32_t aw_outbox_find(const struct aw_state *state, uint64_t seq);
/* The reply whose id at the provider has this hash: of several that got it the newest; 0: none. */
uint32_t aw_outbox_find_provider(const struct aw_state *state, struct aw_hash128 provider);
/* Why one is dead that was to go to who opted out; a code of ours. */
#define AW_REPLY_CODE_OPTED_OUT "opted-out"
/* The same when what it says is erased. */
#define AW_REPLY_CODE_ERASED "erased"
/* The same when all that its customer wrote was withdrawn. */
#define AW_REPLY_CODE_WITHDRAWN "withdrawn"
/* Why it failed last; of a row that is being changed. */
void aw_outbox_set_code(struct aw_reply_row *row, struct aw_slice code);
/* Moves it on: out of the queue, list or timer of its state, and into that of `next`, with `due_at` as its row says it. WAITING is
 * DEAD when its customer opted out, or what it says is erased, or all of his messages are withdrawn. */
void aw_outbox_move(struct aw_state *state, uint32_t slot, enum aw_reply_state next, aw_ms due_at);
/* The newest record of its ticket; 0: that is forgotten. */
static inline uint64_t
aw_outbox_chain(const struct aw_state *state, const struct aw_reply_row *row)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, row->ticket);

    return ticket->opened_seq == row->ticket_seq ? ticket->last_seq : 0;
}
/* Tells of it as it is now. */
void aw_outbox_fill_out(const struct aw_state *state, uint32_t slot, struct aw_out_reply *out);
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
/* The ticket's newest message came to this account (`channel` empty: to none that is known). Between edit and done; a ticket whose
 * row is given back names none. */
void aw_account_of_ticket(struct aw_state *state, struct aw_ticket_row *ticket, struct aw_slice channel, struct aw_slice account);
/* Sets its pace; `replies` 0: none. What was given out already counts on. */
void aw_account_set_pace(struct aw_state *state, uint32_t slot, uint32_t replies, uint32_t slice_s);
/* When one more may be given out at the earliest, as far as its pace goes: `now` or later. */
aw_ms aw_account_ready_at(const struct aw_account_row *account, aw_ms now);
/* One was given out. */
void aw_account_count(struct aw_state *state, uint32_t slot);
void aw_account_load_all(struct aw_state *state);

/* --- texts (outbox_texts.c) ------------------------------------------------------------------------------------------------- */

/* The first part of a BCP 47 tag, by which texts are chosen: "nl-BE" is "nl". 0: it has none of two or three letters. */
#define AW_LANG_CODE_MAX 0x7FFFU
uint16_t aw_lang_code(struct aw_slice tag);
/* Whether they are a set: AW_OK, AW_E_BAD_VALUE (too many, too long, empty, a language twice or none). */
enum aw_err aw_texts_check(const struct aw_own_text *texts, uint32_t count);
/* Whether there is room for so many more. AW_OK, AW_E_TABLE_FULL. */
enum aw_err aw_texts_admit(const struct aw_state *state, uint32_t count);
/* Keeps a set, which was checked and admitted, as written by record `seq`: returns its first row, 0 when it is empty. `owner` tells
 * incidents apart. Settles. */
uint32_t aw_texts_add(struct aw_state *state, enum aw_reply_kind kind, uint32_t owner, const struct aw_own_text *texts,
                      uint32_t count, uint64_t seq);
/* No more replies get texts of this set (0: none): what no reply names goes now, the rest with the last one that does. Settles. */
void aw_texts_drop(struct aw_state *state, uint32_t first);
/* The text of a set for this language; the first one for any that it has not. */
/* Whether the set that begins with `first` is these, in this order. */
bool     aw_texts_are(const struct aw_state *state, uint32_t first, const struct aw_own_text *texts, uint32_t count);
uint32_t aw_texts_choose(const struct aw_state *state, uint32_t first, uint16_t lang);
/* A reply more (by 1) or less (by -1) names it. */
void aw_text_refer(struct aw_state *state, uint32_t slot, int by);
/* First row of a template's set; 0: it is off. */
uint32_t aw_template_first(const struct aw_state *state, enum aw_reply_kind kind);

/* --- channels (outbox_channel.c) -------------------------------------------------------------------------------------------- */

/* What an account of a channel is set to; NULL: nothing. */
const struct aw_channel_pace *aw_channel_pace_of(const struct aw_state *state, struct aw_slice channel, struct aw_slice account);

#endif
