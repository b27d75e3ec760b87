/* ids.h - the names of things, and their text form.
 *
 * Each id is a struct of its own, so that two kinds cannot be mixed up. All carry the shard. Text forms are lower-case
 * Crockford base32 with a letter in front; callers treat them as opaque.
 *   message  "m" shard(2) seq            the journal sequence of the record that accepted it
 *   reply    "r" shard(2) seq            the same of the record that wrote it
 *   note     "n" shard(2) seq            likewise
 *   ticket   "t" shard(2) slot(7) seq    table slot, and the sequence of the record that opened it (the slot may be reused, the
 *                                        pair not)
 *   incident "i" shard(2) slot(7) seq    likewise, of the record that made it
 *   change   "cf", "ca" or "cs" shard(2) slot(7) seq   row of the flight, airport or surge, and the sequence of the record that
 *                                        changed it
 *   lease    "l" base64url(shard, slot, fence, mac)   fence = sequence of the record that granted it; larger is newer (a fencing
 *                                        token, Kleppmann 2016); mac makes it unguessable
 * Thread: any. Owns nothing.
 */
#ifndef AW_MODEL_IDS_H
#define AW_MODEL_IDS_H

#include "base/assert.h"
#include "base/hash.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct aw_message_id {
    uint64_t seq; /* 0: none */
    uint8_t  shard;
};
struct aw_ticket_id {
    uint64_t seq; /* 0: none */
    uint32_t slot;
    uint8_t  shard;
};
struct aw_incident_id {
    uint64_t seq; /* 0: none */
    uint32_t slot;
    uint8_t  shard;
};
struct aw_lease_id {
    uint64_t fence; /* 0: none */
    uint32_t slot;
    uint8_t  shard;
};

/* What a change changed; the numbers are stored. */
enum aw_change_of { AW_CHANGE_FLIGHT = 0, AW_CHANGE_AIRPORT = 1, AW_CHANGE_SURGE = 2 };
struct aw_change_id {
    uint64_t          seq; /* 0: none */
    uint32_t          slot;
    uint8_t           shard;
    enum aw_change_of of;
};

#define AW_ID_TEXT_BYTES 32 /* any of them, with its NUL */

void aw_message_id_format(struct aw_message_id id, char text[AW_ID_TEXT_BYTES]);
/* Replies and notes are named by their records too, with another letter in front. */
void aw_reply_id_format(struct aw_message_id id, char text[AW_ID_TEXT_BYTES]);
void aw_note_id_format(struct aw_message_id id, char text[AW_ID_TEXT_BYTES]);
void aw_ticket_id_format(struct aw_ticket_id id, char text[AW_ID_TEXT_BYTES]);
void aw_incident_id_format(struct aw_incident_id id, char text[AW_ID_TEXT_BYTES]);
void aw_change_id_format(struct aw_change_id id, char text[AW_ID_TEXT_BYTES]);
void aw_lease_id_format(struct aw_lease_id id, const struct aw_hash_key *key, char text[AW_ID_TEXT_BYTES]);
/* False when malformed; *ret_id is then unchanged. Only the canonical form is accepted (one text for one id). */
AW_MUST_USE bool aw_message_id_parse(struct aw_slice text, struct aw_message_id *ret_id);
AW_MUST_USE bool aw_reply_id_parse(struct aw_slice text, struct aw_message_id *ret_id);
AW_MUST_USE bool aw_ticket_id_parse(struct aw_slice text, struct aw_ticket_id *ret_id);
AW_MUST_USE bool aw_incident_id_parse(struct aw_slice text, struct aw_incident_id *ret_id);
AW_MUST_USE bool aw_change_id_parse(struct aw_slice text, struct aw_change_id *ret_id);
/* Also false when the mac is not ours. */
AW_MUST_USE bool aw_lease_id_parse(struct aw_slice text, const struct aw_hash_key *key, struct aw_lease_id *ret_id);

#endif
