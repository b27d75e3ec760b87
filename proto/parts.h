/* parts.h - what several answers have in common (answers_*.c): ids, places, messages, notes, pages, lines of a batch.
 *
 * Each writes at the place where the writer stands: one value, or, where it says so, keys with their values into the map that is
 * open. Those that return a bool copy what is stored; false: that is no MessagePack, and the answer must be given up. Borrow what
 * they are given until they return. Thread: that of the writer. Fail otherwise only through the writer's buffer.
 */
#ifndef AW_PROTO_PARTS_H
#define AW_PROTO_PARTS_H

#include "proto/proto.h"

#include <stdbool.h>
#include <stdint.h>

/* --- one value -------------------------------------------------------------------------------------------------------------- */

void aw_part_string(struct aw_writer *writer, const char *string);
void aw_part_strings(struct aw_writer *writer, const struct aw_slice *strings, uint32_t count);
void aw_part_message_id(struct aw_writer *writer, struct aw_message_id id);
void aw_part_reply_id(struct aw_writer *writer, struct aw_message_id id);
void aw_part_note_id(struct aw_writer *writer, struct aw_message_id id);
void aw_part_ticket_id(struct aw_writer *writer, struct aw_ticket_id id);
/* A number for each class, by its name. */
void aw_part_by_class(struct aw_writer *writer, const uint64_t counts[AW_CLASS_COUNT]);

/* --- keys into the open map ------------------------------------------------------------------------------------------------- */

/* `incident`: null when seq is 0. */
void aw_part_incident(struct aw_writer *writer, struct aw_incident_id id);
/* `promise`: null while it is not known. */
void aw_part_promise(struct aw_writer *writer, const struct aw_promise *promise);
/* `lane`, `class`, `reasons`: what receipts, leases and tickets say alike. */
void aw_part_place(struct aw_writer *writer, struct aw_slice lane, enum aw_class class_, const struct aw_slice *reasons,
                   uint32_t count);
/* `opened_at`, and `age_from` where it differs. */
void aw_part_times(struct aw_writer *writer, aw_ms opened_at, aw_ms age_from);
/* Our fields of a message and the posted ones; ours are no names of posted fields. */
AW_MUST_USE bool aw_part_message_fields(struct aw_writer *writer, const struct aw_stored_message *message);
/* `messages`. */
AW_MUST_USE bool aw_part_messages(struct aw_writer *writer, const struct aw_stored_message *messages, uint32_t count);
/* `notes_total` and `notes`, each with the last of `messages` before it; nothing when there never was one (`total` 0). */
AW_MUST_USE bool aw_part_notes(struct aw_writer *writer, const struct aw_stored_note *notes, uint32_t count, uint32_t total,
                               const struct aw_stored_message *messages, uint32_t message_count);
/* `commitment`; nothing when nobody gave his word. */
void aw_part_commitment(struct aw_writer *writer, const struct aw_commitment *commitment);
/* Whether and when we wrote to who only talked about us. */
void aw_part_contact_fields(struct aw_writer *writer, const struct aw_contact *contact);
/* The same as `contact`; nothing when he wrote to us. */
void aw_part_contact(struct aw_writer *writer, const struct aw_contact *contact);
/* `reply`, `ticket`, `to`, `state`. */
void aw_part_reply_state(struct aw_writer *writer, const struct aw_reply_answer *reply);
/* `key`: a list of lanes, with the time after which each helps. */
void aw_part_helpers(struct aw_writer *writer, const char *key, const struct aw_lane_helper *helpers, uint32_t count);
/* `spans`: what a reply may not say, and where it stands. */
void aw_part_spans(struct aw_writer *writer, const struct aw_reply_span *spans, uint32_t count);

/* --- around values ---------------------------------------------------------------------------------------------------------- */

/* One page of a list, {items: [...], next}: `count` values follow, then the end. `next`: the cursor; empty on the last page. */
void aw_part_begin_page(struct aw_writer *writer, uint32_t count);
void aw_part_end_page(struct aw_writer *writer, struct aw_slice next);
/* One line of the answer to a batch, {line, status, ...}; the keys that follow go into it. `line`: 0 for one without a number. */
void aw_part_begin_line(struct aw_writer *writer, uint32_t line, int status);
void aw_part_end_line(struct aw_writer *writer);

#endif
