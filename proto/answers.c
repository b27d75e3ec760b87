/* answers.c - the answers' fields, in the order that PROTOCOL.md shows. */
#include "model/surge.h"
#include "proto/proto.h"

#include "proto/msgpack_bytes.h"
#include "proto/tree.h"

#define KEY AW_WRITER_KEY

static void
write_string(struct aw_writer *writer, const char *string)
{
    aw_writer_str(writer, aw_slice_str(string));
}

static void
write_message_id(struct aw_writer *writer, struct aw_message_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_message_id_format(id, text);
    write_string(writer, text);
}

static void
write_reply_id(struct aw_writer *writer, struct aw_message_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_reply_id_format(id, text);
    write_string(writer, text);
}

static void
write_incident_id(struct aw_writer *writer, struct aw_incident_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_incident_id_format(id, text);
    write_string(writer, text);
}

static void
write_incident(struct aw_writer *writer, struct aw_incident_id id)
{
    KEY(writer, "incident");
    if (id.seq != 0)
        write_incident_id(writer, id);
    else
        aw_writer_null(writer);
}

static void
write_ticket_id(struct aw_writer *writer, struct aw_ticket_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_ticket_id_format(id, text);
    write_string(writer, text);
}

static void
write_strings(struct aw_writer *writer, const struct aw_slice *strings, uint32_t count)
{
    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < count; i++)
        aw_writer_str(writer, strings[i]);
    aw_writer_end_array(writer);
}

static void
write_promise(struct aw_writer *writer, const struct aw_promise *promise)
{
    KEY(writer, "promise");
    if (promise->made_at == 0) {
        aw_writer_null(writer);
        return;
    }
    aw_writer_begin_map(writer);
    KEY(writer, "made_at");
    aw_writer_time(writer, promise->made_at);
    KEY(writer, "half_by");
    aw_writer_time(writer, promise->half_by);
    KEY(writer, "nine_of_ten_by");
    aw_writer_time(writer, promise->nine_of_ten_by);
    aw_writer_end_map(writer);
}

static void
write_commit(struct aw_writer *writer, const struct aw_commit_point *commit)
{
    static const char digits[] = "0123456789abcdef";
    char              text[2 * sizeof(commit->hash.bytes)];

    for (size_t i = 0; i < sizeof(commit->hash.bytes); i++) {
        text[2 * i] = digits[commit->hash.bytes[i] >> 4];
        text[2 * i + 1] = digits[commit->hash.bytes[i] & 15];
    }
    KEY(writer, "commit");
    aw_writer_begin_map(writer);
    KEY(writer, "index");
    aw_writer_u64(writer, commit->index);
    KEY(writer, "hash");
    aw_writer_str(writer, aw_slice_of(text, sizeof(text)));
    aw_writer_end_map(writer);
}

/* What receipts, leases and tickets say alike. */
static void
write_place(struct aw_writer *writer, struct aw_slice lane, enum aw_class class_, const struct aw_slice *reasons, uint32_t count)
{
    KEY(writer, "lane");
    aw_writer_str(writer, lane);
    KEY(writer, "class");
    write_string(writer, aw_class_name(class_));
    KEY(writer, "reasons");
    write_strings(writer, reasons, count);
}

static void
write_receipt_fields(struct aw_writer *writer, const struct aw_receipt *receipt)
{
    KEY(writer, "message");
    write_message_id(writer, receipt->message);
    KEY(writer, "ticket");
    write_ticket_id(writer, receipt->ticket);
    if (receipt->related.seq != 0) {
        KEY(writer, "related");
        write_ticket_id(writer, receipt->related);
    }
    write_place(writer, receipt->lane, receipt->class_, receipt->reasons, receipt->reason_count);
    KEY(writer, "folded");
    aw_writer_bool(writer, receipt->folded);
    if (receipt->reopened) {
        KEY(writer, "reopened");
        aw_writer_bool(writer, true);
    }
    KEY(writer, "duplicate");
    aw_writer_bool(writer, receipt->duplicate);
    if (receipt->differs) {
        KEY(writer, "differs");
        aw_writer_bool(writer, true);
    }
    write_promise(writer, &receipt->promise);
    if (receipt->notice.len > 0) {
        KEY(writer, "notice");
        aw_writer_str(writer, receipt->notice);
    }
    write_commit(writer, &receipt->commit);
}

void
aw_proto_write_receipt(struct aw_writer *writer, const struct aw_receipt *receipt)
{
    aw_writer_begin_map(writer);
    write_receipt_fields(writer, receipt);
    aw_writer_end_map(writer);
}

/* Ours and the posted fields, into the map that is open. Ours are no names of posted fields. */
static bool
write_message_fields(struct aw_writer *writer, const struct aw_stored_message *message)
{
    KEY(writer, "message");
    write_message_id(writer, message->id);
    if (message->accepted_at != 0) {
        KEY(writer, "accepted_at");
        aw_writer_time(writer, message->accepted_at);
    }
    if (message->withdrawn_at != 0) {
        KEY(writer, "withdrawn_at");
        aw_writer_time(writer, message->withdrawn_at);
        return true;
    }
    if (message->replaced_by.seq != 0) {
        KEY(writer, "replaced_by");
        write_message_id(writer, message->replaced_by);
    }
    if (!message->erased && !message->unreadable)
        return aw_writer_copy_entries(writer, message->body);
    if (message->erased)
        KEY(writer, "erased");
    else
        KEY(writer, "unreadable");
    aw_writer_bool(writer, true);
    return true;
}

/* The last of these messages that came before the note: so the two lists make one. seq 0: none of them. */
static struct aw_message_id
message_before(const struct aw_stored_note *note, const struct aw_stored_message *messages, uint32_t count)
{
    struct aw_message_id before = {.seq = 0};

    for (uint32_t i = 0; i < count && messages[i].id.seq < note->id.seq; i++)
        before = messages[i].id;
    return before;
}

static void
write_note_id(struct aw_writer *writer, struct aw_message_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_note_id_format(id, text);
    write_string(writer, text);
}

static bool
write_note(struct aw_writer *writer, const struct aw_stored_note *note, struct aw_message_id before)
{
    aw_writer_begin_map(writer);
    KEY(writer, "note");
    write_note_id(writer, note->id);
    KEY(writer, "written_at");
    aw_writer_time(writer, note->written_at);
    KEY(writer, "by");
    aw_writer_str(writer, note->by);
    KEY(writer, "after");
    if (before.seq != 0)
        write_message_id(writer, before);
    else
        aw_writer_null(writer);
    if (note->erased || note->unreadable) {
        aw_writer_key(writer, note->erased ? AW_SLICE("erased") : AW_SLICE("unreadable"));
        aw_writer_bool(writer, true);
    } else if (!aw_writer_copy_entries(writer, note->body)) {
        return false;
    }
    aw_writer_end_map(writer);
    return true;
}

/* Nothing when there never was one. */
static bool
write_notes(struct aw_writer *writer, const struct aw_stored_note *notes, uint32_t count, uint32_t total,
            const struct aw_stored_message *messages, uint32_t message_count)
{
    if (total == 0)
        return true;
    KEY(writer, "notes_total");
    aw_writer_u64(writer, total);
    KEY(writer, "notes");
    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!write_note(writer, &notes[i], message_before(&notes[i], messages, message_count)))
            return false;
    }
    aw_writer_end_array(writer);
    return true;
}

static bool
write_messages(struct aw_writer *writer, const struct aw_stored_message *messages, uint32_t count)
{
    KEY(writer, "messages");
    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        aw_writer_begin_map(writer);
        if (!write_message_fields(writer, &messages[i]))
            return false;
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    return true;
}

/* The flights that the messages name, each once, as the latest message says it. */
struct flights {
    struct aw_slice values[AW_FLIGHTS_MAX];
    uint32_t        count;
};

static bool
is_same_flight(struct aw_slice a, struct aw_slice b)
{
    return aw_slice_eq(aw_proto_body_get(a, AW_SLICE("number")), aw_proto_body_get(b, AW_SLICE("number"))) &&
           aw_slice_eq(aw_proto_body_get(a, AW_SLICE("date")), aw_proto_body_get(b, AW_SLICE("date")));
}

static void
add_flight(struct flights *flights, struct aw_slice flight)
{
    for (uint32_t i = 0; i < flights->count; i++) {
        if (is_same_flight(flights->values[i], flight))
            return;
    }
    if (flights->count < AW_FLIGHTS_MAX)
        flights->values[flights->count++] = flight;
}

static bool
add_flights_of(struct flights *flights, struct aw_slice body)
{
    struct aw_slice   list = aw_proto_body_get(body, AW_SLICE("flights"));
    const char       *at = list.ptr;
    const char       *end;
    struct aw_mp_head head;

    if (list.len == 0)
        return true;
    end = list.ptr + list.len;
    if (!aw_mp_read(&at, end, &head) || head.kind != AW_MP_ARRAY)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        size_t len = aw_msgpack_measure(aw_slice_of(at, (size_t)(end - at)));

        if (len == 0)
            return false;
        add_flight(flights, aw_slice_of(at, len));
        at += len;
    }
    return true;
}

static bool
write_flights(struct aw_writer *writer, const struct aw_stored_message *messages, uint32_t count)
{
    struct flights flights = {.count = 0};

    for (uint32_t i = count; i-- > 0 && flights.count < AW_FLIGHTS_MAX;) {
        if (messages[i].body.len > 0 && !add_flights_of(&flights, messages[i].body))
            return false;
    }
    KEY(writer, "flights");
    aw_writer_begin_array(writer, flights.count);
    for (uint32_t i = 0; i < flights.count; i++) {
        if (!aw_writer_copy(writer, flights.values[i]))
            return false;
    }
    aw_writer_end_array(writer);
    return true;
}

/* Nothing when nobody gave his word. */
static void
write_commitment(struct aw_writer *writer, const struct aw_commitment *commitment)
{
    if (commitment->due_at == 0)
        return;
    KEY(writer, "commitment");
    aw_writer_begin_map(writer);
    KEY(writer, "by");
    aw_writer_str(writer, commitment->by);
    KEY(writer, "reason");
    write_string(writer, aw_defer_reason_name(commitment->reason));
    KEY(writer, "made_at");
    aw_writer_time(writer, commitment->made_at);
    KEY(writer, "due_at");
    aw_writer_time(writer, commitment->due_at);
    KEY(writer, "broken");
    aw_writer_bool(writer, commitment->is_broken);
    aw_writer_end_map(writer);
}

static void
write_reply_to(struct aw_writer *writer, const struct aw_lease_answer *lease)
{
    KEY(writer, "reply_to");
    aw_writer_begin_map(writer);
    KEY(writer, "channel");
    aw_writer_str(writer, lease->channel);
    KEY(writer, "account");
    aw_writer_str(writer, lease->account);
    KEY(writer, "visibility");
    write_string(writer, lease->visibility == AW_VISIBILITY_PUBLIC ? "public" : "private");
    KEY(writer, "reply_by");
    aw_writer_time(writer, lease->reply_by);
    aw_writer_end_map(writer);
}

/* When the ticket began to wait. */
static void
write_times(struct aw_writer *writer, aw_ms opened_at, aw_ms age_from)
{
    KEY(writer, "opened_at");
    aw_writer_time(writer, opened_at);
    if (age_from != 0 && age_from != opened_at) {
        KEY(writer, "age_from");
        aw_writer_time(writer, age_from);
    }
}

/* What was written back to the customer so far. */
static bool
write_previous(struct aw_writer *writer, const struct aw_stored_note *replies, uint32_t count)
{
    KEY(writer, "previous");
    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        struct aw_slice content = aw_proto_body_get(replies[i].body, AW_SLICE("content"));

        aw_writer_begin_map(writer);
        KEY(writer, "reply");
        write_reply_id(writer, replies[i].id);
        KEY(writer, "written_at");
        aw_writer_time(writer, replies[i].written_at);
        KEY(writer, "agent");
        aw_writer_str(writer, replies[i].by);
        if (replies[i].fate != AW_NOTE_GOES) {
            KEY(writer, "state");
            aw_writer_str(writer, aw_slice_str(aw_reply_state_name(replies[i].fate == AW_NOTE_PENDING ? AW_REPLY_PENDING
                                                                                                      : AW_REPLY_REFUSED)));
        }
        KEY(writer, "content");
        if (content.len == 0)
            aw_writer_null(writer);
        else if (!aw_writer_copy(writer, content))
            return false;
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    return true;
}

static void
write_contact_fields(struct aw_writer *writer, const struct aw_contact *contact)
{
    KEY(writer, "first");
    aw_writer_bool(writer, aw_contact_is_first(contact));
    if (contact->contacted_at != 0) {
        KEY(writer, "contacted_at");
        aw_writer_time(writer, contact->contacted_at);
        KEY(writer, "reply");
        write_reply_id(writer, contact->reply);
    }
    if (contact->until != 0) {
        KEY(writer, "until");
        aw_writer_time(writer, contact->until);
    }
    if (contact->opted_out_at != 0) {
        KEY(writer, "opted_out_at");
        aw_writer_time(writer, contact->opted_out_at);
    }
}

/* Only of who only talked about us. */
static void
write_contact(struct aw_writer *writer, const struct aw_contact *contact)
{
    if (!contact->is_listening)
        return;
    KEY(writer, "contact");
    aw_writer_begin_map(writer);
    write_contact_fields(writer, contact);
    aw_writer_end_map(writer);
}

bool
aw_proto_write_lease(struct aw_writer *writer, const struct aw_lease_answer *lease)
{
    aw_writer_begin_map(writer);
    KEY(writer, "lease");
    aw_writer_str(writer, lease->lease);
    KEY(writer, "ticket");
    write_ticket_id(writer, lease->ticket);
    write_place(writer, lease->lane, lease->class_, lease->reasons, lease->reason_count);
    KEY(writer, "gentle");
    aw_writer_bool(writer, lease->gentle);
    write_times(writer, lease->opened_at, lease->age_from);
    KEY(writer, "waited_s");
    aw_writer_u64(writer, lease->waited_s);
    KEY(writer, "expires_at");
    aw_writer_time(writer, lease->expires_at);
    KEY(writer, "expires_in_s");
    aw_writer_u64(writer, lease->expires_in_s);
    KEY(writer, "attempt");
    aw_writer_u64(writer, lease->attempt);
    KEY(writer, "customer");
    aw_writer_str(writer, lease->customer);
    write_reply_to(writer, lease);
    write_promise(writer, &lease->promise);
    write_commitment(writer, &lease->commitment);
    write_contact(writer, &lease->contact);
    write_incident(writer, lease->incident);
    if (!write_flights(writer, lease->messages, lease->message_count))
        return false;
    if (!write_previous(writer, lease->previous, lease->previous_count))
        return false;
    KEY(writer, "messages_total");
    aw_writer_u64(writer, lease->messages_total);
    if (!write_messages(writer, lease->messages, lease->message_count) ||
        !write_notes(writer, lease->notes, lease->note_count, lease->notes_total, lease->messages, lease->message_count))
        return false;
    aw_writer_end_map(writer);
    return true;
}

static bool
write_lease_items(struct aw_writer *writer, const struct aw_lease_answer *leases, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!aw_proto_write_lease(writer, &leases[i]))
            return false;
    }
    return true;
}

bool
aw_proto_write_leases(struct aw_writer *writer, const struct aw_lease_answer *leases, uint32_t count)
{
    aw_writer_begin_map(writer);
    KEY(writer, "leases");
    aw_writer_begin_array(writer, count);
    if (!write_lease_items(writer, leases, count))
        return false;
    aw_writer_end_array(writer);
    aw_writer_end_map(writer);
    return true;
}

/* One page of a list: {items: [...], next}. */
static void
begin_page(struct aw_writer *writer, uint32_t count)
{
    aw_writer_begin_map(writer);
    KEY(writer, "items");
    aw_writer_begin_array(writer, count);
}

static void
end_page(struct aw_writer *writer, struct aw_slice next)
{
    aw_writer_end_array(writer);
    KEY(writer, "next");
    if (next.len > 0)
        aw_writer_str(writer, next);
    else
        aw_writer_null(writer);
    aw_writer_end_map(writer);
}

bool
aw_proto_write_held(struct aw_writer *writer, const struct aw_lease_answer *leases, uint32_t count, struct aw_slice next)
{
    begin_page(writer, count);
    if (!write_lease_items(writer, leases, count))
        return false;
    end_page(writer, next);
    return true;
}

static void
begin_news(struct aw_writer *writer, const struct aw_lease_news *news)
{
    aw_writer_begin_map(writer);
    KEY(writer, "lease");
    aw_writer_str(writer, news->lease);
    KEY(writer, "ticket");
    write_ticket_id(writer, news->ticket);
}

bool
aw_proto_write_news_messages(struct aw_writer *writer, const struct aw_lease_news *news)
{
    begin_news(writer, news);
    KEY(writer, "messages_total");
    aw_writer_u64(writer, news->messages_total);
    if (!write_messages(writer, news->messages, news->message_count))
        return false;
    aw_writer_end_map(writer);
    return true;
}

void
aw_proto_write_news_ending(struct aw_writer *writer, const struct aw_lease_news *news)
{
    begin_news(writer, news);
    KEY(writer, "expires_at");
    aw_writer_time(writer, news->expires_at);
    KEY(writer, "expires_in_s");
    aw_writer_u64(writer, news->expires_in_s);
    aw_writer_end_map(writer);
}

void
aw_proto_write_news_lost(struct aw_writer *writer, const struct aw_lease_news *news)
{
    begin_news(writer, news);
    KEY(writer, "state");
    aw_writer_str(writer, news->state);
    aw_writer_end_map(writer);
}

void
aw_proto_write_news_withdrawn(struct aw_writer *writer, const struct aw_lease_news *news)
{
    begin_news(writer, news);
    KEY(writer, "withdrawn");
    aw_writer_u64(writer, news->withdrawn);
    aw_writer_end_map(writer);
}

void
aw_proto_write_news_incident(struct aw_writer *writer, const struct aw_lease_news *news)
{
    begin_news(writer, news);
    write_incident(writer, news->incident);
    aw_writer_end_map(writer);
}

/* What only a ticket in one of its states has. */
static void
write_state(struct aw_writer *writer, const struct aw_ticket_answer *ticket)
{
    KEY(writer, "state");
    write_string(writer, aw_ticket_state_name(ticket->state));
    if (ticket->state == AW_TICKET_CLOSED) {
        KEY(writer, "closed_at");
        aw_writer_time(writer, ticket->closed_at);
    }
    if (ticket->state == AW_TICKET_HELD) {
        KEY(writer, "held_until");
        aw_writer_time(writer, ticket->held_until);
    }
    if (ticket->is_deferred) {
        KEY(writer, "deferred");
        aw_writer_bool(writer, true);
    }
    if (ticket->state == AW_TICKET_LEASED) {
        KEY(writer, "holder");
        aw_writer_str(writer, ticket->holder);
        KEY(writer, "expires_at");
        aw_writer_time(writer, ticket->expires_at);
    }
}

/* What the state knows of it besides state, lane and class. */
static void
write_row(struct aw_writer *writer, const struct aw_ticket_answer *ticket)
{
    KEY(writer, "class_by_person");
    aw_writer_bool(writer, ticket->class_by_person);
    KEY(writer, "gentle");
    aw_writer_bool(writer, ticket->gentle);
    write_times(writer, ticket->opened_at, ticket->age_from);
    KEY(writer, "departs_at");
    aw_writer_time(writer, ticket->departs_at);
    KEY(writer, "reply_by");
    aw_writer_time(writer, ticket->reply_by);
    KEY(writer, "attempt");
    aw_writer_u64(writer, ticket->attempt);
    if (ticket->from_lane_count > 0) {
        KEY(writer, "transferred_from");
        write_strings(writer, ticket->from_lanes, ticket->from_lane_count);
    }
    write_promise(writer, &ticket->promise);
    write_commitment(writer, &ticket->commitment);
    write_contact(writer, &ticket->contact);
    write_incident(writer, ticket->incident);
    KEY(writer, "version");
    aw_writer_u64(writer, ticket->version);
}

/* What a ticket is, and why. */
static void
write_standing(struct aw_writer *writer, const struct aw_ticket_answer *ticket)
{
    KEY(writer, "ticket");
    write_ticket_id(writer, ticket->ticket);
    write_state(writer, ticket);
    write_place(writer, ticket->lane, ticket->class_, ticket->reasons, ticket->reason_count);
    write_row(writer, ticket);
    KEY(writer, "related");
    aw_writer_begin_array(writer, ticket->related_count);
    for (uint32_t i = 0; i < ticket->related_count; i++)
        write_ticket_id(writer, ticket->related[i]);
    aw_writer_end_array(writer);
    KEY(writer, "messages_total");
    aw_writer_u64(writer, ticket->messages_total);
}

static void
write_found_one(struct aw_writer *writer, const struct aw_ticket_answer *ticket)
{
    aw_writer_begin_map(writer);
    KEY(writer, "ticket");
    write_ticket_id(writer, ticket->ticket);
    write_state(writer, ticket);
    KEY(writer, "lane");
    aw_writer_str(writer, ticket->lane);
    KEY(writer, "class");
    write_string(writer, aw_class_name(ticket->class_));
    write_row(writer, ticket);
    if (ticket->channel.len > 0) {
        KEY(writer, "channel");
        aw_writer_str(writer, ticket->channel);
    }
    KEY(writer, "messages_total");
    aw_writer_u64(writer, ticket->messages_total);
    aw_writer_end_map(writer);
}

void
aw_proto_write_found(struct aw_writer *writer, const struct aw_found_answer *found)
{
    aw_writer_begin_map(writer);
    KEY(writer, "items");
    aw_writer_begin_array(writer, found->count);
    for (uint32_t i = 0; i < found->count; i++)
        write_found_one(writer, &found->tickets[i]);
    aw_writer_end_array(writer);
    KEY(writer, "as_of");
    aw_writer_time(writer, found->as_of);
    KEY(writer, "total");
    aw_writer_u64(writer, found->total);
    KEY(writer, "exact");
    aw_writer_bool(writer, found->exact);
    KEY(writer, "next");
    if (found->next.len > 0)
        aw_writer_str(writer, found->next);
    else
        aw_writer_null(writer);
    aw_writer_end_map(writer);
}

static void
write_reply_state(struct aw_writer *writer, const struct aw_reply_answer *reply)
{
    KEY(writer, "reply");
    write_reply_id(writer, reply->reply);
    KEY(writer, "ticket");
    write_ticket_id(writer, reply->ticket);
    KEY(writer, "to");
    write_message_id(writer, reply->to);
    KEY(writer, "state");
    if (reply->state == AW_REPLY_NONE)
        aw_writer_null(writer);
    else
        write_string(writer, aw_reply_state_name(reply->state));
    KEY(writer, "attempt");
    aw_writer_u64(writer, reply->attempt);
    KEY(writer, "written_at");
    aw_writer_time(writer, reply->written_at);
    if (reply->is_uncertain) {
        KEY(writer, "uncertain");
        aw_writer_bool(writer, true);
    }
    if (reply->state == AW_REPLY_FAILED) {
        KEY(writer, "retry_at");
        aw_writer_time(writer, reply->retry_at);
    }
    if (reply->code.len > 0) {
        KEY(writer, "code");
        aw_writer_str(writer, reply->code);
    }
    KEY(writer, "kind");
    write_string(writer, aw_reply_kind_name(reply->kind));
    if (reply->agent.len > 0) {
        KEY(writer, "agent");
        aw_writer_str(writer, reply->agent);
    }
}

bool
aw_proto_write_ticket(struct aw_writer *writer, const struct aw_ticket_answer *ticket)
{
    aw_writer_begin_map(writer);
    write_standing(writer, ticket);
    KEY(writer, "replies");
    aw_writer_begin_array(writer, ticket->reply_count);
    for (uint32_t i = 0; i < ticket->reply_count; i++) {
        aw_writer_begin_map(writer);
        write_reply_state(writer, &ticket->replies[i]);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    if (!write_messages(writer, ticket->messages, ticket->message_count) ||
        !write_notes(writer, ticket->notes, ticket->note_count, ticket->notes_total, ticket->messages, ticket->message_count))
        return false;
    aw_writer_end_map(writer);
    return true;
}

static void
write_by_class(struct aw_writer *writer, const uint64_t counts[AW_CLASS_COUNT])
{
    aw_writer_begin_map(writer);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        aw_writer_key(writer, aw_slice_str(aw_class_name((enum aw_class)i)));
        aw_writer_u64(writer, counts[i]);
    }
    aw_writer_end_map(writer);
}

static void
write_before(struct aw_writer *writer, const struct aw_before *before)
{
    aw_writer_begin_map(writer);
    KEY(writer, "ticket");
    write_ticket_id(writer, before->ticket);
    KEY(writer, "class");
    write_string(writer, aw_class_name(before->class_));
    KEY(writer, "age_from");
    aw_writer_time(writer, before->age_from);
    KEY(writer, "departs_at");
    aw_writer_time(writer, before->departs_at);
    aw_writer_end_map(writer);
}

static void
write_helpers(struct aw_writer *writer, const char *key, const struct aw_lane_helper *helpers, uint32_t count)
{
    aw_writer_key(writer, aw_slice_str(key));
    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        aw_writer_begin_map(writer);
        KEY(writer, "lane");
        aw_writer_str(writer, helpers[i].lane);
        KEY(writer, "after_s");
        aw_writer_u64(writer, helpers[i].after_s);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
}

static void
write_queue(struct aw_writer *writer, const struct aw_why_answer *why)
{
    KEY(writer, "queued_at");
    aw_writer_time(writer, why->queued_at);
    KEY(writer, "lane_paused");
    aw_writer_bool(writer, why->lane_paused);
    KEY(writer, "aside");
    aw_writer_bool(writer, why->aside);
    write_helpers(writer, "helped_by", why->helpers, why->helper_count);
    KEY(writer, "waited_s");
    aw_writer_u64(writer, why->waited_s);
    KEY(writer, "allowed_s");
    aw_writer_u64(writer, why->allowed_s);
    KEY(writer, "part");
    write_string(writer, why->part);
    KEY(writer, "in_lane");
    aw_writer_u64(writer, why->in_lane);
    KEY(writer, "ahead");
    write_by_class(writer, why->ahead);
    KEY(writer, "exact");
    aw_writer_bool(writer, why->exact);
    KEY(writer, "nearest");
    aw_writer_begin_array(writer, why->nearest_count);
    for (uint32_t i = 0; i < why->nearest_count; i++)
        write_before(writer, &why->nearest[i]);
    aw_writer_end_array(writer);
}

void
aw_proto_write_why(struct aw_writer *writer, const struct aw_ticket_answer *ticket, const struct aw_why_answer *why)
{
    aw_writer_begin_map(writer);
    write_standing(writer, ticket);
    KEY(writer, "as_of");
    aw_writer_time(writer, why->as_of);
    KEY(writer, "order");
    write_string(writer, why->order);
    if (ticket->state == AW_TICKET_WAITING)
        write_queue(writer, why);
    aw_writer_end_map(writer);
}

static void
write_match(struct aw_writer *writer, const struct aw_lane_match *match)
{
    KEY(writer, "match");
    aw_writer_begin_map(writer);
    KEY(writer, "langs");
    write_strings(writer, match->langs, match->lang_count);
    KEY(writer, "channels");
    write_strings(writer, match->channels, match->channel_count);
    KEY(writer, "accounts");
    write_strings(writer, match->accounts, match->account_count);
    KEY(writer, "tags");
    write_strings(writer, match->tags, match->tag_count);
    aw_writer_end_map(writer);
}

void
aw_proto_write_lane(struct aw_writer *writer, const struct aw_lane_answer *lane)
{
    aw_writer_begin_map(writer);
    KEY(writer, "lane");
    aw_writer_str(writer, lane->name);
    KEY(writer, "pause");
    write_string(writer, aw_lane_pause_name(lane->pause));
    write_match(writer, &lane->match);
    write_helpers(writer, "overflow", lane->helpers, lane->helper_count);
    KEY(writer, "waiting");
    write_by_class(writer, lane->waiting);
    KEY(writer, "leased");
    aw_writer_u64(writer, lane->leased);
    KEY(writer, "held");
    aw_writer_u64(writer, lane->held);
    KEY(writer, "helped");
    aw_writer_u64(writer, lane->helped);
    KEY(writer, "version");
    aw_writer_u64(writer, lane->version);
    aw_writer_end_map(writer);
}

void
aw_proto_write_lanes(struct aw_writer *writer, const struct aw_lane_answer *lanes, uint32_t count, struct aw_slice next)
{
    begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++)
        aw_proto_write_lane(writer, &lanes[i]);
    end_page(writer, next);
}

void
aw_proto_write_commitments(struct aw_writer *writer, const struct aw_commitment_answer *commitments, uint32_t count,
                           struct aw_slice next)
{
    begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct aw_commitment_answer *answer = &commitments[i];

        aw_writer_begin_map(writer);
        KEY(writer, "ticket");
        write_ticket_id(writer, answer->ticket);
        write_commitment(writer, &answer->commitment);
        KEY(writer, "what");
        if (answer->what.len > 0)
            aw_writer_str(writer, answer->what);
        else
            aw_writer_null(writer);
        KEY(writer, "state");
        write_string(writer, aw_ticket_state_name(answer->state));
        if (answer->state == AW_TICKET_LEASED) {
            KEY(writer, "holder");
            aw_writer_str(writer, answer->holder);
        }
        if (answer->back_at != 0) {
            KEY(writer, "back_at");
            aw_writer_time(writer, answer->back_at);
        }
        KEY(writer, "lane");
        aw_writer_str(writer, answer->lane);
        KEY(writer, "class");
        write_string(writer, aw_class_name(answer->class_));
        aw_writer_end_map(writer);
    }
    end_page(writer, next);
}

static void
write_class_stats(struct aw_writer *writer, const struct aw_class_stats *stats, aw_ms as_of)
{
    aw_writer_begin_map(writer);
    KEY(writer, "waiting");
    aw_writer_u64(writer, stats->waiting);
    KEY(writer, "leased");
    aw_writer_u64(writer, stats->leased);
    KEY(writer, "held");
    aw_writer_u64(writer, stats->held);
    KEY(writer, "target_s");
    aw_writer_u64(writer, stats->target_ms / 1000);
    KEY(writer, "oldest_s");
    if (stats->oldest == 0)
        aw_writer_null(writer);
    else
        aw_writer_u64(writer, as_of > stats->oldest ? (as_of - stats->oldest) / 1000 : 0);
    KEY(writer, "kappa");
    aw_writer_real(writer, (double)stats->kappa_permille / 1000.0);
    aw_writer_end_map(writer);
}

/* `part` to one of `whole`; null without any. */
static void
write_ratio(struct aw_writer *writer, uint64_t part, uint64_t whole)
{
    if (whole == 0)
        aw_writer_null(writer);
    else
        aw_writer_real(writer, (double)part / (double)whole);
}

static void
write_day_fields(struct aw_writer *writer, const struct aw_day *day)
{
    char date[11];

    aw_date_format(day->day, date);
    KEY(writer, "date");
    write_string(writer, date);
    KEY(writer, "taken");
    aw_writer_u64(writer, day->taken);
    KEY(writer, "completed");
    aw_writer_u64(writer, day->completed);
    KEY(writer, "replied");
    aw_writer_u64(writer, day->replied);
    KEY(writer, "returned");
    aw_writer_u64(writer, day->returned);
    KEY(writer, "deferred");
    aw_writer_u64(writer, day->deferred);
}

static void
write_team(struct aw_writer *writer, const struct aw_day *day, uint64_t goal)
{
    aw_writer_begin_map(writer);
    write_day_fields(writer, day);
    KEY(writer, "goal");
    if (goal == 0)
        aw_writer_null(writer);
    else
        aw_writer_u64(writer, goal);
    aw_writer_end_map(writer);
}

static void
write_stats_more(struct aw_writer *writer, const struct aw_stats_answer *stats)
{
    KEY(writer, "replies");
    aw_writer_u64(writer, stats->replied);
    KEY(writer, "promises");
    aw_writer_begin_map(writer);
    KEY(writer, "kept");
    aw_writer_u64(writer, stats->promises_kept);
    KEY(writer, "broken");
    aw_writer_u64(writer, stats->promises_broken);
    KEY(writer, "moved");
    aw_writer_u64(writer, stats->promises_moved);
    aw_writer_end_map(writer);
    KEY(writer, "presence");
    aw_writer_begin_map(writer);
    for (unsigned i = 0; i < AW_PRESENCE_COUNT; i++) {
        aw_writer_key(writer, aw_slice_str(aw_presence_name((enum aw_presence)i)));
        aw_writer_u64(writer, stats->by_presence[i]);
    }
    aw_writer_end_map(writer);
    KEY(writer, "surge_since");
    aw_writer_time(writer, stats->surge_since);
    KEY(writer, "team");
    write_team(writer, &stats->team, stats->team_goal);
}

static void
write_lane_time(struct aw_writer *writer, const struct aw_lane_time *lane)
{
    aw_writer_begin_map(writer);
    KEY(writer, "lane");
    aw_writer_str(writer, lane->lane);
    KEY(writer, "classes");
    aw_writer_begin_map(writer);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        const struct aw_class_time *time = &lane->classes[i];

        aw_writer_key(writer, aw_slice_str(aw_class_name((enum aw_class)i)));
        if (time->half_s == 0) {
            aw_writer_null(writer);
            continue;
        }
        aw_writer_begin_map(writer);
        KEY(writer, "half_s");
        aw_writer_u64(writer, time->half_s);
        KEY(writer, "nine_of_ten_s");
        aw_writer_u64(writer, time->nine_of_ten_s);
        aw_writer_end_map(writer);
    }
    aw_writer_end_map(writer);
    KEY(writer, "sentences");
    aw_writer_begin_map(writer);
    for (uint32_t i = 0; i < lane->sentence_count; i++) {
        aw_writer_key(writer, lane->sentences[i].lang);
        aw_writer_str(writer, lane->sentences[i].text);
    }
    aw_writer_end_map(writer);
    aw_writer_end_map(writer);
}

void
aw_proto_write_response_time(struct aw_writer *writer, const struct aw_response_time_answer *answer)
{
    aw_writer_begin_map(writer);
    KEY(writer, "as_of");
    if (answer->as_of == 0)
        aw_writer_null(writer);
    else
        aw_writer_time(writer, answer->as_of);
    KEY(writer, "class");
    write_string(writer, aw_class_name(answer->class_));
    KEY(writer, "items");
    aw_writer_begin_array(writer, answer->lane_count);
    for (uint32_t i = 0; i < answer->lane_count; i++)
        write_lane_time(writer, &answer->lanes[i]);
    aw_writer_end_array(writer);
    KEY(writer, "next");
    if (answer->next.len == 0)
        aw_writer_null(writer);
    else
        aw_writer_str(writer, answer->next);
    aw_writer_end_map(writer);
}

void
aw_proto_write_stats(struct aw_writer *writer, const struct aw_stats_answer *stats)
{
    const struct {
        struct aw_slice name;
        uint64_t        count;
    } counts[] = {
        {AW_SLICE("leases"), stats->leases},
        {AW_SLICE("lanes"), stats->lanes},
        {AW_SLICE("agents"), stats->agents},
        {AW_SLICE("parked_pulls"), stats->parked_pulls},
        {AW_SLICE("messages"), stats->messages},
        {AW_SLICE("opened"), stats->opened},
        {AW_SLICE("folded"), stats->folded},
        {AW_SLICE("reopened"), stats->reopened},
        {AW_SLICE("closed"), stats->closed},
        {AW_SLICE("completed"), stats->completed},
        {AW_SLICE("cancelled"), stats->cancelled},
        {AW_SLICE("expired"), stats->expired},
        {AW_SLICE("released"), stats->released},
        {AW_SLICE("declined"), stats->declined},
        {AW_SLICE("deferred"), stats->deferred},
        {AW_SLICE("commitments"), stats->commitments},
        {AW_SLICE("commitments_overdue"), stats->commitments_overdue},
        {AW_SLICE("commitments_kept"), stats->commitments_kept},
        {AW_SLICE("commitments_broken"), stats->commitments_broken},
    };

    aw_writer_begin_map(writer);
    KEY(writer, "as_of");
    aw_writer_time(writer, stats->as_of);
    KEY(writer, "role");
    write_string(writer, stats->role);
    KEY(writer, "order");
    write_string(writer, stats->order);
    KEY(writer, "classes");
    aw_writer_begin_map(writer);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        aw_writer_key(writer, aw_slice_str(aw_class_name((enum aw_class)i)));
        write_class_stats(writer, &stats->classes[i], stats->as_of);
    }
    aw_writer_end_map(writer);
    for (size_t i = 0; i < AW_ARRAY_LEN(counts); i++) {
        aw_writer_key(writer, counts[i].name);
        aw_writer_u64(writer, counts[i].count);
    }
    KEY(writer, "messages_per_ticket");
    write_ratio(writer, stats->messages, stats->opened);
    KEY(writer, "channels_per_ticket");
    write_ratio(writer, stats->ticket_channels, stats->opened);
    KEY(writer, "recontact_rate");
    write_ratio(writer, stats->reopened, stats->closed);
    write_stats_more(writer, stats);
    aw_writer_end_map(writer);
}

void
aw_proto_write_day(struct aw_writer *writer, const struct aw_day_answer *day)
{
    aw_writer_begin_map(writer);
    KEY(writer, "agent");
    aw_writer_str(writer, day->agent);
    write_day_fields(writer, &day->own);
    KEY(writer, "team");
    write_team(writer, &day->team, day->team_goal);
    aw_writer_end_map(writer);
}

static void
write_units(struct aw_writer *writer, const struct aw_agent_answer *agent, bool held)
{
    aw_writer_begin_map(writer);
    for (uint32_t i = 0; i < agent->unit_count; i++) {
        aw_writer_key(writer, agent->units[i].channel);
        aw_writer_u64(writer, held ? agent->held[i] : agent->units[i].units);
    }
    aw_writer_end_map(writer);
}

/* null: all. */
static void
write_classes(struct aw_writer *writer, unsigned barred)
{
    unsigned taken = AW_CLASSES_ALL & ~barred;

    if (barred == 0) {
        aw_writer_null(writer);
        return;
    }
    aw_writer_begin_array(writer, (uint32_t)__builtin_popcount(taken));
    for (; taken != 0; taken &= taken - 1)
        write_string(writer, aw_class_name((enum aw_class)__builtin_ctz(taken)));
    aw_writer_end_array(writer);
}

void
aw_proto_write_agent(struct aw_writer *writer, const struct aw_agent_answer *agent)
{
    aw_writer_begin_map(writer);
    KEY(writer, "agent");
    aw_writer_str(writer, agent->name);
    KEY(writer, "lanes");
    if (agent->lane_count > 0)
        write_strings(writer, agent->lanes, agent->lane_count);
    else
        aw_writer_null(writer);
    KEY(writer, "presence");
    write_string(writer, aw_presence_name(agent->presence));
    KEY(writer, "classes");
    write_classes(writer, agent->barred);
    KEY(writer, "approval");
    aw_writer_bool(writer, agent->needs_approval);
    KEY(writer, "gentle");
    aw_writer_bool(writer, agent->is_gentle);
    KEY(writer, "units");
    write_units(writer, agent, false);
    KEY(writer, "units_total");
    if (agent->units_total != AW_UNITS_NO_TOTAL)
        aw_writer_u64(writer, agent->units_total);
    else
        aw_writer_null(writer);
    KEY(writer, "leases");
    aw_writer_u64(writer, agent->leases);
    KEY(writer, "held");
    write_units(writer, agent, true);
    KEY(writer, "version");
    aw_writer_u64(writer, agent->version);
    if (agent->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    aw_writer_end_map(writer);
}

void
aw_proto_write_agents(struct aw_writer *writer, const struct aw_agent_answer *agents, uint32_t count, struct aw_slice next)
{
    begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++)
        aw_proto_write_agent(writer, &agents[i]);
    end_page(writer, next);
}

static void
write_change_id(struct aw_writer *writer, struct aw_change_id id)
{
    char text[AW_ID_TEXT_BYTES];

    KEY(writer, "change");
    if (id.seq == 0) {
        aw_writer_null(writer);
        return;
    }
    aw_change_id_format(id, text);
    write_string(writer, text);
}

static void
write_flight_fields(struct aw_writer *writer, const struct aw_flight_answer *flight)
{
    char date[11];

    aw_date_format(flight->date_days, date);
    KEY(writer, "number");
    aw_writer_str(writer, aw_slice_of(flight->number, flight->number_len));
    KEY(writer, "date");
    write_string(writer, date);
    KEY(writer, "state");
    write_string(writer, aw_flight_state_name(flight->state));
    KEY(writer, "departs_at");
    aw_writer_time(writer, flight->departs_at);
    KEY(writer, "version");
    aw_writer_u64(writer, flight->version);
    write_change_id(writer, flight->change);
}

static void
write_airport_fields(struct aw_writer *writer, const struct aw_airport_answer *airport)
{
    KEY(writer, "airport");
    aw_writer_str(writer, aw_slice_of(airport->code, sizeof(airport->code)));
    KEY(writer, "state");
    write_string(writer, airport->closed ? "closed" : "open");
    KEY(writer, "from");
    aw_writer_time(writer, airport->from);
    KEY(writer, "until");
    aw_writer_time(writer, airport->until);
    KEY(writer, "version");
    aw_writer_u64(writer, airport->version);
    write_change_id(writer, airport->change);
}

void
aw_proto_write_flight(struct aw_writer *writer, const struct aw_flight_answer *flight)
{
    aw_writer_begin_map(writer);
    write_flight_fields(writer, flight);
    aw_writer_end_map(writer);
}

void
aw_proto_write_airport(struct aw_writer *writer, const struct aw_airport_answer *airport)
{
    aw_writer_begin_map(writer);
    write_airport_fields(writer, airport);
    aw_writer_end_map(writer);
}

void
aw_proto_write_flights(struct aw_writer *writer, const struct aw_flight_answer *flights, uint32_t count, struct aw_slice next)
{
    begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++)
        aw_proto_write_flight(writer, &flights[i]);
    end_page(writer, next);
}

void
aw_proto_write_airports(struct aw_writer *writer, const struct aw_airport_answer *airports, uint32_t count, struct aw_slice next)
{
    begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++)
        aw_proto_write_airport(writer, &airports[i]);
    end_page(writer, next);
}

/* Of a flight or an airport; of a surge: aw_proto_write_surge. */
static void
write_change_fields(struct aw_writer *writer, const struct aw_change_answer *change)
{
    AW_ASSERT(change->of != AW_CHANGE_SURGE);
    if (change->of == AW_CHANGE_FLIGHT)
        write_flight_fields(writer, &change->flight);
    else
        write_airport_fields(writer, &change->airport);
    KEY(writer, "tickets");
    aw_writer_u64(writer, change->tickets);
    KEY(writer, "dry_run");
    aw_writer_bool(writer, change->dry_run);
    KEY(writer, "duplicate");
    aw_writer_bool(writer, change->duplicate);
}

void
aw_proto_write_change(struct aw_writer *writer, const struct aw_change_answer *change)
{
    aw_writer_begin_map(writer);
    write_change_fields(writer, change);
    aw_writer_end_map(writer);
}

static void
write_surge_scope(struct aw_writer *writer, const struct aw_surge_answer *answer)
{
    const struct aw_surge *surge = answer->surge;

    KEY(writer, "scope");
    aw_writer_begin_map(writer);
    KEY(writer, "lanes");
    write_strings(writer, answer->lanes, surge->lane_count);
    KEY(writer, "channels");
    aw_writer_begin_array(writer, surge->channel_count);
    for (uint32_t i = 0; i < surge->channel_count; i++)
        aw_writer_str(writer, aw_surge_text(surge->channels[i], sizeof(surge->channels[i])));
    aw_writer_end_array(writer);
    KEY(writer, "flights");
    aw_writer_begin_array(writer, surge->flight_count);
    for (uint32_t i = 0; i < surge->flight_count; i++) {
        char date[11];

        aw_date_format(surge->flights[i].date_days, date);
        aw_writer_begin_map(writer);
        KEY(writer, "number");
        aw_writer_str(writer, aw_surge_text(surge->flights[i].number, sizeof(surge->flights[i].number)));
        KEY(writer, "date");
        write_string(writer, date);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    KEY(writer, "airports");
    aw_writer_begin_array(writer, surge->airport_count);
    for (uint32_t i = 0; i < surge->airport_count; i++)
        aw_writer_str(writer, aw_slice_of(surge->airports[i].letters, sizeof(surge->airports[i].letters)));
    aw_writer_end_array(writer);
    aw_writer_end_map(writer);
}

static void
write_surge_receipt(struct aw_writer *writer, const struct aw_surge *surge)
{
    KEY(writer, "receipt");
    aw_writer_begin_map(writer);
    KEY(writer, "notice");
    aw_writer_begin_array(writer, surge->notice_count);
    for (uint32_t i = 0; i < surge->notice_count; i++) {
        const struct aw_surge_notice *notice = &surge->notices[i];
        struct aw_slice               lang = aw_surge_text(notice->lang, sizeof(notice->lang));

        aw_writer_begin_map(writer);
        if (lang.len > 0) {
            KEY(writer, "lang");
            aw_writer_str(writer, lang);
        }
        KEY(writer, "text");
        aw_writer_str(writer, aw_surge_text(notice->text, sizeof(notice->text)));
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    KEY(writer, "acknowledgement");
    write_string(writer, surge->is_receipt != 0 ? "off" : "on");
    aw_writer_end_map(writer);
}

/* What the policy leaves as it is set is left out, as in a request. */
static void
write_surge_policy(struct aw_writer *writer, const struct aw_surge *surge)
{
    KEY(writer, "policy");
    aw_writer_begin_map(writer);
    if (surge->order != AW_SURGE_ORDER_AS_SET) {
        KEY(writer, "order");
        write_string(writer, surge->order == AW_SURGE_ORDER_STRICT ? "strict" : "ratio");
    }
    KEY(writer, "targets_s");
    aw_writer_begin_map(writer);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        if (surge->target_s[i] == 0)
            continue;
        aw_writer_key(writer, aw_slice_str(aw_class_name((enum aw_class)i)));
        aw_writer_u64(writer, surge->target_s[i]);
    }
    aw_writer_end_map(writer);
    if (surge->overflow_after_s != 0) {
        KEY(writer, "overflow_after_s");
        aw_writer_u64(writer, surge->overflow_after_s);
    }
    write_surge_receipt(writer, surge);
    aw_writer_end_map(writer);
}

void
aw_proto_write_surge(struct aw_writer *writer, const struct aw_surge_answer *answer)
{
    const struct aw_surge *surge = answer->surge;
    struct aw_slice        reason = aw_surge_text(surge->reason, sizeof(surge->reason));

    aw_writer_begin_map(writer);
    KEY(writer, "state");
    write_string(writer, surge->is_on != 0 ? "on" : "off");
    KEY(writer, "since");
    aw_writer_time(writer, surge->since);
    if (reason.len > 0) {
        KEY(writer, "reason");
        aw_writer_str(writer, reason);
    }
    if (surge->is_on != 0) {
        write_surge_scope(writer, answer);
        write_surge_policy(writer, surge);
    }
    KEY(writer, "version");
    aw_writer_u64(writer, answer->version);
    write_change_id(writer, answer->change);
    if (answer->is_change) {
        KEY(writer, "tickets");
        aw_writer_u64(writer, answer->tickets);
        KEY(writer, "dry_run");
        aw_writer_bool(writer, answer->dry_run);
        KEY(writer, "duplicate");
        aw_writer_bool(writer, answer->duplicate);
    }
    aw_writer_end_map(writer);
}

/* --- incidents ---------------------------------------------------------------------------------------------------------------- */

static void
write_incident_keys(struct aw_writer *writer, const struct aw_incident_answer *incident, enum aw_incident_key_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < incident->key_count; i++)
        count += incident->keys[i].kind == kind ? 1 : 0;
    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < incident->key_count; i++) {
        const struct aw_incident_key_answer *key = &incident->keys[i];
        char                                 date[11];

        if (key->kind != kind)
            continue;
        if (kind != AW_INCIDENT_FLIGHT) {
            aw_writer_str(writer, aw_slice_of(key->name, key->name_len));
            continue;
        }
        aw_date_format(key->date_days, date);
        aw_writer_begin_map(writer);
        KEY(writer, "number");
        aw_writer_str(writer, aw_slice_of(key->name, key->name_len));
        KEY(writer, "date");
        write_string(writer, date);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
}

static void
write_incident_fields(struct aw_writer *writer, const struct aw_incident_answer *incident)
{
    write_incident(writer, incident->incident);
    KEY(writer, "state");
    write_string(writer, aw_incident_state_name(incident->state));
    KEY(writer, "title");
    aw_writer_str(writer, aw_slice_of(incident->title, incident->title_len));
    KEY(writer, "flights");
    write_incident_keys(writer, incident, AW_INCIDENT_FLIGHT);
    KEY(writer, "airports");
    write_incident_keys(writer, incident, AW_INCIDENT_AIRPORT);
    KEY(writer, "bookings");
    write_incident_keys(writer, incident, AW_INCIDENT_BOOKING);
    KEY(writer, "follow");
    aw_writer_bool(writer, incident->follows);
    KEY(writer, "opened_at");
    aw_writer_time(writer, incident->opened_at);
    if (incident->state == AW_INCIDENT_CLOSED) {
        KEY(writer, "closed_at");
        aw_writer_time(writer, incident->closed_at);
    }
    KEY(writer, "tickets");
    aw_writer_u64(writer, incident->tickets);
    KEY(writer, "open");
    aw_writer_u64(writer, incident->open);
    KEY(writer, "answered");
    aw_writer_u64(writer, incident->answered);
    KEY(writer, "answered_at");
    aw_writer_time(writer, incident->answered_at);
    KEY(writer, "answering");
    aw_writer_bool(writer, incident->is_answering);
    KEY(writer, "linking");
    aw_writer_bool(writer, incident->is_linking);
    KEY(writer, "version");
    aw_writer_u64(writer, incident->version);
}

void
aw_proto_write_incidents(struct aw_writer *writer, const struct aw_incident_answer *incidents, uint32_t count,
                         struct aw_slice next)
{
    begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        aw_writer_begin_map(writer);
        write_incident_fields(writer, &incidents[i]);
        aw_writer_end_map(writer);
    }
    end_page(writer, next);
}

static void
write_try_item(struct aw_writer *writer, const struct aw_incident_try_item *item)
{
    aw_writer_begin_map(writer);
    KEY(writer, "ticket");
    write_ticket_id(writer, item->ticket);
    if (item->verdict != AW_VERDICT_GOES) {
        KEY(writer, "held_out");
        write_string(writer, aw_incident_verdict_name(item->verdict));
    } else {
        KEY(writer, "lang");
        aw_writer_str(writer, item->lang);
        KEY(writer, "text");
        aw_writer_str(writer, item->text);
    }
    aw_writer_end_map(writer);
}

void
aw_proto_write_incident_try(struct aw_writer *writer, const struct aw_incident_try_answer *answer)
{
    aw_writer_begin_map(writer);
    write_incident(writer, answer->incident);
    KEY(writer, "dry_run");
    aw_writer_bool(writer, true);
    KEY(writer, "digest");
    aw_writer_str(writer, answer->digest);
    KEY(writer, "goes");
    aw_writer_u64(writer, answer->verdicts[AW_VERDICT_GOES]);
    KEY(writer, "held_out");
    aw_writer_begin_map(writer);
    for (unsigned i = AW_VERDICT_GOES + 1; i < AW_VERDICTS; i++) {
        if (answer->verdicts[i] == 0)
            continue;
        aw_writer_key(writer, aw_slice_str(aw_incident_verdict_name((enum aw_incident_verdict)i)));
        aw_writer_u64(writer, answer->verdicts[i]);
    }
    aw_writer_end_map(writer);
    KEY(writer, "items");
    aw_writer_begin_array(writer, answer->item_count);
    for (uint32_t i = 0; i < answer->item_count; i++)
        write_try_item(writer, &answer->items[i]);
    aw_writer_end_array(writer);
    KEY(writer, "next");
    if (answer->next.len > 0)
        aw_writer_str(writer, answer->next);
    else
        aw_writer_null(writer);
    aw_writer_end_map(writer);
}

static void
write_refused(struct aw_writer *writer, const struct aw_incident_change *change)
{
    KEY(writer, "linked");
    aw_writer_u64(writer, change->linked);
    KEY(writer, "refused");
    aw_writer_begin_array(writer, change->refused_count);
    for (uint32_t i = 0; i < change->refused_count; i++) {
        const struct aw_incident_refusal *refusal = &change->refused[i];
        char                              type[64];

        aw_writer_begin_map(writer);
        KEY(writer, "ticket");
        aw_writer_str(writer, refusal->ticket);
        KEY(writer, "type");
        (void)snprintf(type, sizeof(type), "urn:aswolk:%s", aw_err_problem(refusal->err));
        write_string(writer, type);
        if (refusal->other.seq != 0)
            write_incident(writer, refusal->other);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
}

void
aw_proto_write_incident(struct aw_writer *writer, const struct aw_incident_change *change)
{
    aw_writer_begin_map(writer);
    write_incident_fields(writer, &change->now);
    if (change->names_tickets)
        write_refused(writer, change);
    if (change->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    if (change->duplicate) {
        KEY(writer, "duplicate");
        aw_writer_bool(writer, true);
    }
    aw_writer_end_map(writer);
}

static bool
write_done_fields(struct aw_writer *writer, const struct aw_done_answer *done)
{
    if (done->lease.len > 0) {
        KEY(writer, "lease");
        aw_writer_str(writer, done->lease);
    }
    if (done->ticket.seq != 0) {
        KEY(writer, "ticket");
        write_ticket_id(writer, done->ticket);
    }
    if (done->message.seq != 0) {
        KEY(writer, "message");
        write_message_id(writer, done->message);
    }
    if (done->note.seq != 0) {
        KEY(writer, "note");
        write_note_id(writer, done->note);
    }
    if (done->from.seq != 0) {
        KEY(writer, "from");
        write_ticket_id(writer, done->from);
    }
    KEY(writer, "state");
    write_string(writer, aw_ticket_state_name(done->state));
    if (done->lane.len > 0) {
        KEY(writer, "lane");
        aw_writer_str(writer, done->lane);
        KEY(writer, "class");
        write_string(writer, aw_class_name(done->class_));
    }
    if (done->state == AW_TICKET_LEASED && done->expires_at != 0) {
        KEY(writer, "expires_at");
        aw_writer_time(writer, done->expires_at);
        KEY(writer, "expires_in_s");
        aw_writer_u64(writer, done->expires_in_s);
    }
    if (done->state == AW_TICKET_HELD) {
        KEY(writer, "held_until");
        aw_writer_time(writer, done->held_until);
    }
    if (done->tells_kept) {
        KEY(writer, "kept_for");
        if (done->kept_for.len > 0)
            aw_writer_str(writer, done->kept_for);
        else
            aw_writer_null(writer);
        KEY(writer, "kept_until");
        aw_writer_time(writer, done->kept_until);
    }
    if (done->version != 0) {
        KEY(writer, "version");
        aw_writer_u64(writer, done->version);
    }
    if (done->reply.seq != 0) {
        KEY(writer, "reply");
        write_reply_id(writer, done->reply);
        if (done->reply_state != AW_REPLY_NONE) {
            KEY(writer, "reply_state");
            write_string(writer, aw_reply_state_name(done->reply_state));
        }
    }
    KEY(writer, "duplicate");
    aw_writer_bool(writer, done->duplicate);
    if (done->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    return done->message_count == 0 || write_messages(writer, done->messages, done->message_count);
}

bool
aw_proto_write_done(struct aw_writer *writer, const struct aw_done_answer *done)
{
    aw_writer_begin_map(writer);
    if (!write_done_fields(writer, done))
        return false;
    aw_writer_end_map(writer);
    return true;
}

/* `line` first where there is one, so that a line of a batch begins like all others. */
static void
begin_line(struct aw_writer *writer, uint32_t line, int status)
{
    aw_writer_begin_map(writer);
    if (line != 0) {
        KEY(writer, "line");
        aw_writer_u64(writer, line);
    }
    KEY(writer, "status");
    aw_writer_u64(writer, (uint64_t)status);
}

static void
end_line(struct aw_writer *writer)
{
    aw_writer_end_map(writer);
    aw_writer_end_line(writer);
}

static void
write_contact_answer(struct aw_writer *writer, const struct aw_contact_answer *answer)
{
    if (answer->channel.len > 0) {
        KEY(writer, "channel");
        aw_writer_str(writer, answer->channel);
    }
    if (answer->ticket.seq != 0) {
        KEY(writer, "ticket");
        write_ticket_id(writer, answer->ticket);
    }
    write_contact_fields(writer, &answer->contact);
    if (answer->is_change) {
        KEY(writer, "duplicate");
        aw_writer_bool(writer, answer->duplicate);
    }
    if (answer->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
}

void
aw_proto_write_contact(struct aw_writer *writer, const struct aw_contact_answer *contact)
{
    aw_writer_begin_map(writer);
    write_contact_answer(writer, contact);
    aw_writer_end_map(writer);
}

void
aw_proto_write_erase(struct aw_writer *writer, const struct aw_erase_answer *erase)
{
    aw_writer_begin_map(writer);
    KEY(writer, "tickets");
    aw_writer_u64(writer, erase->tickets);
    KEY(writer, "messages");
    aw_writer_u64(writer, erase->messages);
    KEY(writer, "replies");
    aw_writer_u64(writer, erase->replies);
    KEY(writer, "notes");
    aw_writer_u64(writer, erase->notes);
    KEY(writer, "unreadable");
    aw_writer_bool(writer, erase->unreadable);
    if (erase->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    aw_writer_end_map(writer);
}

void
aw_proto_write_contact_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_contact_answer *contact)
{
    begin_line(writer, line, status);
    write_contact_answer(writer, contact);
    end_line(writer);
}

static void
write_spans(struct aw_writer *writer, const struct aw_reply_span *spans, uint32_t count)
{
    KEY(writer, "spans");
    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        aw_writer_begin_map(writer);
        KEY(writer, "kind");
        aw_writer_str(writer, spans[i].kind);
        KEY(writer, "words");
        aw_writer_str(writer, spans[i].words);
        KEY(writer, "begin");
        aw_writer_u64(writer, spans[i].begin);
        KEY(writer, "end");
        aw_writer_u64(writer, spans[i].end);
        KEY(writer, "rule");
        aw_writer_str(writer, spans[i].rule);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
}

static void
begin_problem(struct aw_writer *writer, const struct aw_problem *problem)
{
    enum aw_err  err = aw_err_told(problem->err);
    char         type[64] = "urn:aswolk:";
    const char  *name = aw_err_problem(err);
    const size_t prefix = strlen(type);
    const size_t len = strlen(name);

    AW_ASSERT(prefix + len < sizeof(type));
    memcpy(type + prefix, name, len + 1);
    begin_line(writer, problem->line, aw_err_status(err));
    if (problem->ticket.len > 0) {
        KEY(writer, "ticket");
        aw_writer_str(writer, problem->ticket);
    }
    KEY(writer, "type");
    write_string(writer, type);
    KEY(writer, "title");
    write_string(writer, aw_err_text(err));
    if (problem->detail.len > 0) {
        KEY(writer, "detail");
        aw_writer_str(writer, problem->detail);
    }
    if (problem->field.len > 0) {
        KEY(writer, "field");
        aw_writer_str(writer, problem->field);
    }
    if (problem->state.len > 0) {
        KEY(writer, "state");
        aw_writer_str(writer, problem->state);
    }
    if (problem->retry_after_s > 0) {
        KEY(writer, "retry_after_s");
        aw_writer_u64(writer, problem->retry_after_s);
    }
    if (problem->span_count > 0)
        write_spans(writer, problem->spans, problem->span_count);
}

void
aw_proto_write_problem(struct aw_writer *writer, const struct aw_problem *problem)
{
    begin_problem(writer, problem);
    aw_writer_end_map(writer);
}

bool
aw_proto_write_problem_messages(struct aw_writer *writer, const struct aw_problem *problem,
                                const struct aw_stored_message *messages, uint32_t count)
{
    begin_problem(writer, problem);
    if (!write_messages(writer, messages, count))
        return false;
    aw_writer_end_map(writer);
    return true;
}

void
aw_proto_write_reply_check(struct aw_writer *writer, const struct aw_reply_check_answer *check)
{
    aw_writer_begin_map(writer);
    KEY(writer, "clean");
    aw_writer_bool(writer, check->span_count == 0 && !check->cut);
    write_spans(writer, check->spans, check->span_count);
    if (check->more) {
        KEY(writer, "more");
        aw_writer_bool(writer, true);
    }
    if (check->cut) {
        KEY(writer, "cut");
        aw_writer_bool(writer, true);
    }
    aw_writer_end_map(writer);
}

void
aw_proto_write_receipt_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_receipt *receipt)
{
    begin_line(writer, line, status);
    write_receipt_fields(writer, receipt);
    end_line(writer);
}

void
aw_proto_write_change_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_change_answer *change)
{
    begin_line(writer, line, status);
    write_change_fields(writer, change);
    end_line(writer);
}

bool
aw_proto_write_done_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_done_answer *done)
{
    begin_line(writer, line, status);
    if (!write_done_fields(writer, done))
        return false;
    end_line(writer);
    return true;
}

void
aw_proto_write_problem_line(struct aw_writer *writer, const struct aw_problem *problem)
{
    AW_ASSERT(problem->line > 0);
    aw_proto_write_problem(writer, problem);
    aw_writer_end_line(writer);
}

void
aw_proto_write_bulk_end(struct aw_writer *writer, const struct aw_bulk_answer *bulk)
{
    aw_writer_begin_map(writer);
    KEY(writer, "done");
    aw_writer_u64(writer, bulk->done);
    KEY(writer, "failed");
    aw_writer_u64(writer, bulk->failed);
    if (bulk->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    end_line(writer);
}

bool
aw_proto_write_problem_messages_line(struct aw_writer *writer, const struct aw_problem *problem,
                                     const struct aw_stored_message *messages, uint32_t count)
{
    AW_ASSERT(problem->line > 0);
    if (!aw_proto_write_problem_messages(writer, problem, messages, count))
        return false;
    aw_writer_end_line(writer);
    return true;
}

bool
aw_proto_write_message(struct aw_writer *writer, const struct aw_stored_message *message, const struct aw_receipt *receipt)
{
    aw_writer_begin_map(writer);
    if (!write_message_fields(writer, message))
        return false;
    KEY(writer, "receipt");
    aw_proto_write_receipt(writer, receipt);
    aw_writer_end_map(writer);
    return true;
}

/* --- replies ---------------------------------------------------------------------------------------------------------------- */

static void
write_reply_lease(struct aw_writer *writer, const struct aw_reply_answer *reply)
{
    if (reply->lease.len == 0)
        return;
    KEY(writer, "lease");
    aw_writer_str(writer, reply->lease);
    KEY(writer, "expires_at");
    aw_writer_time(writer, reply->expires_at);
    KEY(writer, "expires_in_s");
    aw_writer_u64(writer, reply->expires_in_s);
}

/* `to` and `visibility` are told by their own names: what was posted stands under `content`. */
static bool
write_reply_fields(struct aw_writer *writer, const struct aw_reply_answer *reply)
{
    write_reply_state(writer, reply);
    write_reply_lease(writer, reply);
    KEY(writer, "channel");
    aw_writer_str(writer, reply->channel);
    KEY(writer, "account");
    aw_writer_str(writer, reply->account);
    KEY(writer, "visibility");
    write_string(writer, reply->visibility == AW_VISIBILITY_PUBLIC ? "public" : "private");
    if (reply->customer.len > 0) {
        KEY(writer, "customer");
        aw_writer_str(writer, reply->customer);
    }
    if (reply->source_id.len > 0) {
        KEY(writer, "in_reply_to");
        aw_writer_str(writer, reply->source_id);
    }
    KEY(writer, "content");
    if (reply->body.len > 0)
        return aw_writer_copy(writer, reply->body);
    aw_writer_null(writer);
    return true;
}

void
aw_proto_write_reported(struct aw_writer *writer, const struct aw_reply_answer *reply)
{
    aw_writer_begin_map(writer);
    write_reply_state(writer, reply);
    KEY(writer, "duplicate");
    aw_writer_bool(writer, reply->duplicate);
    aw_writer_end_map(writer);
}

bool
aw_proto_write_reply(struct aw_writer *writer, const struct aw_reply_answer *reply)
{
    aw_writer_begin_map(writer);
    if (!write_reply_fields(writer, reply))
        return false;
    aw_writer_end_map(writer);
    return true;
}

bool
aw_proto_write_replies(struct aw_writer *writer, const struct aw_reply_answer *replies, uint32_t count)
{
    aw_writer_begin_map(writer);
    KEY(writer, "replies");
    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!aw_proto_write_reply(writer, &replies[i]))
            return false;
    }
    aw_writer_end_array(writer);
    aw_writer_end_map(writer);
    return true;
}

void
aw_proto_write_reply_page(struct aw_writer *writer, const struct aw_reply_answer *replies, uint32_t count, struct aw_slice next)
{
    begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        aw_writer_begin_map(writer);
        write_reply_state(writer, &replies[i]);
        KEY(writer, "channel");
        aw_writer_str(writer, replies[i].channel);
        KEY(writer, "account");
        aw_writer_str(writer, replies[i].account);
        aw_writer_end_map(writer);
    }
    end_page(writer, next);
}

void
aw_proto_write_redriven(struct aw_writer *writer, const struct aw_redrive_answer *redrive)
{
    aw_writer_begin_map(writer);
    KEY(writer, "replies");
    aw_writer_u64(writer, redrive->replies);
    KEY(writer, "left");
    aw_writer_u64(writer, redrive->left);
    if (redrive->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    aw_writer_end_map(writer);
}

void
aw_proto_write_template(struct aw_writer *writer, const struct aw_template_answer *answer)
{
    aw_writer_begin_map(writer);
    KEY(writer, "template");
    write_string(writer, aw_reply_kind_name(answer->kind));
    KEY(writer, "texts");
    aw_writer_begin_array(writer, answer->text_count);
    for (uint32_t i = 0; i < answer->text_count; i++) {
        aw_writer_begin_map(writer);
        KEY(writer, "lang");
        aw_writer_str(writer, answer->texts[i].lang);
        KEY(writer, "text");
        aw_writer_str(writer, answer->texts[i].words);
        if (answer->dry_run) {
            KEY(writer, "rendered");
            aw_writer_str(writer, answer->texts[i].rendered);
        }
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    KEY(writer, "version");
    aw_writer_u64(writer, answer->version);
    if (answer->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    aw_writer_end_map(writer);
}

void
aw_proto_write_channel(struct aw_writer *writer, const struct aw_channel_answer *channel)
{
    aw_writer_begin_map(writer);
    KEY(writer, "channel");
    aw_writer_str(writer, channel->name);
    KEY(writer, "accounts");
    aw_writer_begin_array(writer, channel->pace_count);
    for (uint32_t i = 0; i < channel->pace_count; i++) {
        aw_writer_begin_map(writer);
        KEY(writer, "account");
        aw_writer_str(writer, channel->paces[i].account);
        KEY(writer, "replies");
        aw_writer_u64(writer, channel->paces[i].replies);
        KEY(writer, "slice_s");
        aw_writer_u64(writer, channel->paces[i].slice_s);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    KEY(writer, "version");
    aw_writer_u64(writer, channel->version);
    if (channel->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    aw_writer_end_map(writer);
}
