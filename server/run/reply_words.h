/* reply_words.h - what the server itself wrote, in words: made anew whenever a reply is told of, and the same each time.
 *
 * The state keeps which text it is and what was known then; the message that it answers, which lies in the journal, has the
 * customer's name and the flight's number. So a reply is first looked up with the committer, then its texts are, then the message
 * is read; here it is put together. What is gone by then - the message, as its channel took it back - is as if it was never known.
 *
 * Who owns: the request's arena. Thread: io. Fails: without memory.
 */
#ifndef AW_RUN_REPLY_WORDS_H
#define AW_RUN_REPLY_WORDS_H

#include "commit/submission.h"
#include "core/state.h"
#include "run/reader.h"
#include "run/wording.h"

/* The texts of some replies: each once. */
struct aw_reply_texts {
    struct aw_text_ref  *refs;
    struct aw_text_view *views;
    uint32_t             count;
    struct aw_query      query;
};

/* Makes room for at most so many texts; then notes those of replies (a ref without slot is none). */
AW_MUST_USE bool aw_reply_texts_init(struct aw_reply_texts *texts, struct aw_arena *arena, uint32_t most);
void             aw_reply_texts_note(struct aw_reply_texts *texts, struct aw_text_ref ref);
/* Some were noted: makes room for what they say and the query that looks them up. */
AW_MUST_USE bool aw_reply_texts_ask(struct aw_reply_texts *texts, struct aw_arena *arena);
/* After it came back: one of them; NULL: it is gone, and the reply has no content any more. */
const struct aw_text_view *aw_reply_texts_find(const struct aw_reply_texts *texts, struct aw_text_ref ref);

/* What a text says of a ticket. `address` as an ADDRESS was read; `table_key` for hashes of flights. */
void aw_reply_words_facts(const struct aw_hash_key *table_key, const struct aw_reply_facts *facts,
                          const struct aw_read_item *address, struct aw_wording_facts *ret_facts);
/* The reply as posted fields, MessagePack, as if somebody had written it. */
AW_MUST_USE bool aw_reply_words(struct aw_arena *arena, const struct aw_hash_key *table_key, const struct aw_text_view *text,
                                struct aw_ticket_id ticket, const struct aw_reply_facts *facts,
                                const struct aw_read_item *address, struct aw_slice *ret_body);

#endif
