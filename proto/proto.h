/* proto.h - between bytes and values: what clients send, what is stored of it, what they are answered (PROTOCOL.md).
 *
 * Decoding is strict and driven by one table (fields.def), for JSON and MessagePack alike. What it returns borrows from the body
 * and from the arena: both must live as long as the value is used. On failure the arena may hold rubbish until its reset, and
 * `problem` says what is wrong and where. Errors of decoding: AW_E_MALFORMED, AW_E_UNKNOWN_FIELD, AW_E_BAD_VALUE,
 * AW_E_BODY_LARGE, AW_E_MEMORY. Thread: any; one body at a time in each thread (scratch.h). Writing fails only through the buffer
 * (`failed`).
 */
#ifndef AW_PROTO_PROTO_H
#define AW_PROTO_PROTO_H

#include "base/arena.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/answer.h"
#include "model/message.h"
#include "proto/fields.h"
#include "proto/media.h"
#include "proto/problem.h"
#include "proto/requests.h"
#include "proto/writer.h"

/* --- Decoding --------------------------------------------------------------------------------------------------------------- */

/* `media`: any; of a sequence, `body` is one line or value. `lenient`: fields of a message that we do not know go to its `meta`
 * under their path, texts as they are, other values as JSON; within the limits of meta. */
AW_MUST_USE enum aw_err aw_proto_decode_message(struct aw_arena *arena, enum aw_media media, struct aw_slice body, bool lenient,
                                                struct aw_message *ret_message, struct aw_proto_problem *problem);
/* Any other object: `ret_object` is the struct of `kind` (fields.def). An empty body counts as one without fields. Use the typed
 * forms below. */
AW_MUST_USE enum aw_err aw_proto_decode(struct aw_arena *arena, enum aw_media media, struct aw_slice body,
                                        enum aw_object_kind kind, void *ret_object, struct aw_proto_problem *problem);

#define AW_PROTO_DECODE(name, tag, KIND)                                                                                         \
    AW_MUST_USE static inline enum aw_err aw_proto_decode_##name(struct aw_arena *arena, enum aw_media media,                    \
                                                                 struct aw_slice body, struct aw_##tag *ret,                     \
                                                                 struct aw_proto_problem *problem)                               \
    {                                                                                                                            \
        return aw_proto_decode(arena, media, body, AW_OBJECT_##KIND, ret, problem);                                              \
    }
AW_PROTO_DECODE(withdraw, withdraw_request, WITHDRAW)
AW_PROTO_DECODE(opt_out, opt_out_request, OPT_OUT)
AW_PROTO_DECODE(erase, erase_request, ERASE)
AW_PROTO_DECODE(pull, pull_request, PULL)
AW_PROTO_DECODE(extend, extend_request, EXTEND)
AW_PROTO_DECODE(complete, complete_request, COMPLETE)
AW_PROTO_DECODE(release, release_request, RELEASE)
AW_PROTO_DECODE(transfer, transfer_request, TRANSFER)
AW_PROTO_DECODE(defer, defer_request, DEFER)
AW_PROTO_DECODE(note, note_request, NOTE)
AW_PROTO_DECODE(reply_check, reply_check_request, REPLY_CHECK)
AW_PROTO_DECODE(extend_line, extend_line, EXTEND_LINE)
AW_PROTO_DECODE(complete_line, complete_line, COMPLETE_LINE)
AW_PROTO_DECODE(lane_put, lane_request, LANE_PUT)
AW_PROTO_DECODE(agent_put, agent_request, AGENT_PUT)
AW_PROTO_DECODE(presence_put, presence_request, PRESENCE_PUT)
AW_PROTO_DECODE(ticket_bulk, bulk_request, TICKET_BULK)
AW_PROTO_DECODE(ticket_patch, ticket_request, TICKET_PATCH)
AW_PROTO_DECODE(ticket_cancel, cancel_request, TICKET_CANCEL)
AW_PROTO_DECODE(ticket_unfold, unfold_request, TICKET_UNFOLD)
AW_PROTO_DECODE(flight_put, flight_request, FLIGHT_PUT)
AW_PROTO_DECODE(flight_line, flight_line, FLIGHT_LINE)
AW_PROTO_DECODE(airport_put, airport_request, AIRPORT_PUT)
AW_PROTO_DECODE(undo, undo_request, UNDO)
AW_PROTO_DECODE(incident_post, incident_request, INCIDENT_POST)
AW_PROTO_DECODE(incident_patch, incident_patch, INCIDENT_PATCH)
AW_PROTO_DECODE(incident_answer, incident_answer_request, INCIDENT_ANSWER)
AW_PROTO_DECODE(incident_tickets, incident_tickets, INCIDENT_TICKETS)
AW_PROTO_DECODE(reply, reply, REPLY)
AW_PROTO_DECODE(reply_approve, approve_request, REPLY_APPROVE)
AW_PROTO_DECODE(reply_refuse, refuse_request, REPLY_REFUSE)
AW_PROTO_DECODE(reply_pull, reply_pull_request, REPLY_PULL)
AW_PROTO_DECODE(reply_status, reply_status_request, REPLY_STATUS)
AW_PROTO_DECODE(redrive, redrive_request, REDRIVE)
AW_PROTO_DECODE(channel_put, channel_request, CHANNEL_PUT)
AW_PROTO_DECODE(template_put, template_request, TEMPLATE_PUT)
AW_PROTO_DECODE(surge_put, surge_request, SURGE_PUT)
#undef AW_PROTO_DECODE
/* The same from the parameters of a query: lists by commas, numbers in digits, flags as `true` and `false`. Objects in objects
 * can't be given so. */
AW_MUST_USE enum aw_err aw_proto_decode_query(struct aw_arena *arena, const struct aw_pair *pairs, uint32_t count,
                                              enum aw_object_kind kind, void *ret_object, struct aw_proto_problem *problem);

/* The values of a body that may hold several. NDJSON: lines end with LF or CRLF, the last one need not; blank lines are skipped
 * but counted. MSGPACK_SEQ: values one after the other. Any other media: the whole body, once. */
struct aw_lines {
    enum aw_media   _media;
    struct aw_slice _body;
    size_t          _at;
    uint32_t        _line;
};
struct aw_line {
    struct aw_slice bytes;  /* borrows from the body */
    uint32_t        number; /* from 1 */
};

/* AW_E_BODY_LARGE when there are more than AW_BATCH_LINES_MAX values: none of them is to be taken. */
AW_MUST_USE enum aw_err aw_lines_init(struct aw_lines *lines, enum aw_media media, struct aw_slice body,
                                      struct aw_proto_problem *problem);
/* AW_OK with the next one; AW_E_AGAIN at the end; AW_E_MALFORMED for bytes that begin no value (MSGPACK_SEQ): nobody can tell
 * where the next would begin, so they end the sequence. ret_line->number is set with AW_E_MALFORMED too. */
AW_MUST_USE enum aw_err aw_lines_next(struct aw_lines *lines, struct aw_line *ret_line, struct aw_proto_problem *problem);

/* --- What is stored --------------------------------------------------------------------------------------------------------- */

/* The canonical MessagePack map: fields in the table's order, absent ones and defaults left out, times in UTC with milliseconds,
 * meta sorted. Equal messages have equal bytes, whatever they were posted in. aw_proto_decode_message reads it back. At most
 * AW_MESSAGE_ENCODED_BYTES_MAX bytes. False when the buffer failed. */
AW_MUST_USE bool aw_proto_encode_message(struct aw_buffer *buffer, const struct aw_message *message);
/* What is stored behind that map in one body: the reasons of the message's class, a list of texts. They quote the text, so whatever
 * takes the body away takes them with it. At most AW_REASONS_MAX of AW_REASON_BYTES_MAX; of none nothing is written. */
AW_MUST_USE bool aw_proto_encode_reasons(struct aw_buffer *buffer, const struct aw_slice *reasons, uint32_t count);
/* The body of a message, taken apart: borrows from it. */
struct aw_message_parts {
    struct aw_slice posted; /* the map */
    struct aw_slice reasons[AW_REASONS_MAX];
    uint32_t        reason_count;
};
/* `reasons_bytes`: as its record says. False: the body is broken; *ret_parts is then not set. What was posted is not looked at. */
AW_MUST_USE bool aw_proto_message_parts(struct aw_slice body, uint32_t reasons_bytes, struct aw_message_parts *ret_parts);
/* The same of a note, at most AW_NOTE_ENCODED_BYTES_MAX. */
AW_MUST_USE bool aw_proto_encode_note(struct aw_buffer *buffer, struct aw_slice text);
/* The same of a reply; at most AW_MESSAGE_ENCODED_BYTES_MAX too, or false. */
AW_MUST_USE bool aw_proto_encode_reply(struct aw_buffer *buffer, const struct aw_reply *reply);
/* The same for any object and encoding: for clients, and for tests. */
void aw_proto_write_object(struct aw_writer *writer, enum aw_object_kind kind, const void *object);
/* The bytes of one field's value in a stored body; empty with ptr NULL when it is not there (or the body is broken). Borrows from
 * `body`. */
struct aw_slice aw_proto_body_get(struct aw_slice body, struct aw_slice key);
/* The same for a text: its characters. False when it is not there or no text; *ret_text is then unchanged. */
AW_MUST_USE bool aw_proto_body_text(struct aw_slice body, struct aw_slice key, struct aw_slice *ret_text);

/* The item `index` of a list that is a value of such a body; empty with ptr NULL when there is none. */
struct aw_slice aw_proto_body_item(struct aw_slice list, uint32_t index);

/* --- Answers ---------------------------------------------------------------------------------------------------------------- */

void aw_proto_write_receipt(struct aw_writer *writer, const struct aw_receipt *receipt);
/* False when a stored body is broken: answer AW_E_CORRUPT and drop the buffer. The same for the ones below that hold messages. */
AW_MUST_USE bool aw_proto_write_lease(struct aw_writer *writer, const struct aw_lease_answer *lease);
AW_MUST_USE bool aw_proto_write_ticket(struct aw_writer *writer, const struct aw_ticket_answer *ticket);
/* Why it is where it is, without its messages. */
void aw_proto_write_why(struct aw_writer *writer, const struct aw_ticket_answer *ticket, const struct aw_why_answer *why);
void aw_proto_write_lane(struct aw_writer *writer, const struct aw_lane_answer *lane);
/* One message as it was posted, with its id, its time and under `receipt` what was answered to it. */
AW_MUST_USE bool aw_proto_write_message(struct aw_writer *writer, const struct aw_stored_message *message,
                                        const struct aw_receipt *receipt);
/* {leases: [...]}: what a pull gets. */
AW_MUST_USE bool aw_proto_write_leases(struct aw_writer *writer, const struct aw_lease_answer *leases, uint32_t count);
/* Lists, {items: [...], next}: `next` is the cursor of the page behind this one; empty: null, there is none. */
AW_MUST_USE bool aw_proto_write_held(struct aw_writer *writer, const struct aw_lease_answer *leases, uint32_t count,
                                     struct aw_slice next);
void aw_proto_write_lanes(struct aw_writer *writer, const struct aw_lane_answer *lanes, uint32_t count, struct aw_slice next);
void aw_proto_write_incidents(struct aw_writer *writer, const struct aw_incident_answer *incidents, uint32_t count,
                              struct aw_slice next);
/* One, as it is, or after a change. */
void aw_proto_write_incident(struct aw_writer *writer, const struct aw_incident_change *change);
void aw_proto_write_erase(struct aw_writer *writer, const struct aw_erase_answer *erase);
void aw_proto_write_contact(struct aw_writer *writer, const struct aw_contact_answer *contact);
void aw_proto_write_contact_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_contact_answer *contact);
void aw_proto_write_commitments(struct aw_writer *writer, const struct aw_commitment_answer *commitments, uint32_t count,
                                struct aw_slice next);
void aw_proto_write_incident_try(struct aw_writer *writer, const struct aw_incident_try_answer *answer);
void aw_proto_write_flight(struct aw_writer *writer, const struct aw_flight_answer *flight);
void aw_proto_write_flights(struct aw_writer *writer, const struct aw_flight_answer *flights, uint32_t count,
                            struct aw_slice next);
void aw_proto_write_response_time(struct aw_writer *writer, const struct aw_response_time_answer *answer);
void aw_proto_write_stats(struct aw_writer *writer, const struct aw_stats_answer *stats);
void aw_proto_write_day(struct aw_writer *writer, const struct aw_day_answer *day);
void aw_proto_write_agent(struct aw_writer *writer, const struct aw_agent_answer *agent);
/* A page of tickets that fit a filter, each as far as the state tells it. */
void aw_proto_write_found(struct aw_writer *writer, const struct aw_found_answer *found);
void aw_proto_write_agents(struct aw_writer *writer, const struct aw_agent_answer *agents, uint32_t count, struct aw_slice next);
void aw_proto_write_airport(struct aw_writer *writer, const struct aw_airport_answer *airport);
void aw_proto_write_airports(struct aw_writer *writer, const struct aw_airport_answer *airports, uint32_t count,
                             struct aw_slice next);
/* The flight or airport, and what its change did. */
void aw_proto_write_change(struct aw_writer *writer, const struct aw_change_answer *change);
void aw_proto_write_change_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_change_answer *change);
void aw_proto_write_surge(struct aw_writer *writer, const struct aw_surge_answer *answer);
/* The data of a stream's events `messages`, `ending` and `lost`. */
AW_MUST_USE bool aw_proto_write_news_messages(struct aw_writer *writer, const struct aw_lease_news *news);
void             aw_proto_write_news_ending(struct aw_writer *writer, const struct aw_lease_news *news);
void             aw_proto_write_news_lost(struct aw_writer *writer, const struct aw_lease_news *news);
void             aw_proto_write_news_withdrawn(struct aw_writer *writer, const struct aw_lease_news *news);
void             aw_proto_write_news_incident(struct aw_writer *writer, const struct aw_lease_news *news);
void             aw_proto_write_reply_check(struct aw_writer *writer, const struct aw_reply_check_answer *check);
void             aw_proto_write_template(struct aw_writer *writer, const struct aw_template_answer *answer);
void             aw_proto_write_channel(struct aw_writer *writer, const struct aw_channel_answer *channel);
/* What a reply's status, and the redrive of dead ones, answer. */
void aw_proto_write_reported(struct aw_writer *writer, const struct aw_reply_answer *reply);
/* {items: [...], next}: replies without what they say. `next` empty: null. */
void aw_proto_write_reply_page(struct aw_writer *writer, const struct aw_reply_answer *replies, uint32_t count,
                               struct aw_slice next);
void aw_proto_write_redriven(struct aw_writer *writer, const struct aw_redrive_answer *redrive);
/* A reply with what it says; and {replies: [...]}, what a gateway gets. False as with a lease. */
AW_MUST_USE bool aw_proto_write_reply(struct aw_writer *writer, const struct aw_reply_answer *reply);
AW_MUST_USE bool aw_proto_write_replies(struct aw_writer *writer, const struct aw_reply_answer *replies, uint32_t count);
/* What extend, complete, release, hold and cancel answer. */
AW_MUST_USE bool aw_proto_write_done(struct aw_writer *writer, const struct aw_done_answer *done);
void             aw_proto_write_problem(struct aw_writer *writer, const struct aw_problem *problem);
/* With AW_E_NEW_MESSAGES: the messages that the holder has not seen. */
AW_MUST_USE bool aw_proto_write_problem_messages(struct aw_writer *writer, const struct aw_problem *problem,
                                                 const struct aw_stored_message *messages, uint32_t count);

/* The lines of a batch's answer: {line, status, ...}. Each ends its line. A problem's `line` is set. */
void aw_proto_write_receipt_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_receipt *receipt);
AW_MUST_USE bool aw_proto_write_done_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_done_answer *done);
void             aw_proto_write_problem_line(struct aw_writer *writer, const struct aw_problem *problem);
/* The last line of a change of many tickets. */
void             aw_proto_write_bulk_end(struct aw_writer *writer, const struct aw_bulk_answer *bulk);
AW_MUST_USE bool aw_proto_write_problem_messages_line(struct aw_writer *writer, const struct aw_problem *problem,
                                                      const struct aw_stored_message *messages, uint32_t count);

/* openapi.json, as it is in the repository. */
struct aw_slice aw_proto_openapi(void);

#endif
