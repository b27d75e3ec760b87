/* answers_lease.c - what agents are answered: leases, news of them, what was done with one. */
#include "proto/msgpack_bytes.h"
#include "proto/parts.h"
#include "proto/tree.h"

#define KEY AW_WRITER_KEY

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
    aw_part_string(writer, lease->visibility == AW_VISIBILITY_PUBLIC ? "public" : "private");
    KEY(writer, "reply_by");
    aw_writer_time(writer, lease->reply_by);
    aw_writer_end_map(writer);
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
        aw_part_reply_id(writer, replies[i].id);
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

bool
aw_proto_write_lease(struct aw_writer *writer, const struct aw_lease_answer *lease)
{
    aw_writer_begin_map(writer);
    KEY(writer, "lease");
    aw_writer_str(writer, lease->lease);
    KEY(writer, "ticket");
    aw_part_ticket_id(writer, lease->ticket);
    aw_part_place(writer, lease->lane, lease->class_, lease->reasons, lease->reason_count);
    KEY(writer, "gentle");
    aw_writer_bool(writer, lease->gentle);
    aw_part_times(writer, lease->opened_at, lease->age_from);
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
    aw_part_promise(writer, &lease->promise);
    aw_part_commitment(writer, &lease->commitment);
    aw_part_contact(writer, &lease->contact);
    aw_part_incident(writer, lease->incident);
    if (!write_flights(writer, lease->messages, lease->message_count))
        return false;
    if (!write_previous(writer, lease->previous, lease->previous_count))
        return false;
    KEY(writer, "messages_total");
    aw_writer_u64(writer, lease->messages_total);
    if (!aw_part_messages(writer, lease->messages, lease->message_count) ||
        !aw_part_notes(writer, lease->notes, lease->note_count, lease->notes_total, lease->messages, lease->message_count))
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

bool
aw_proto_write_held(struct aw_writer *writer, const struct aw_lease_answer *leases, uint32_t count, struct aw_slice next)
{
    aw_part_begin_page(writer, count);
    if (!write_lease_items(writer, leases, count))
        return false;
    aw_part_end_page(writer, next);
    return true;
}

static void
begin_news(struct aw_writer *writer, const struct aw_lease_news *news)
{
    aw_writer_begin_map(writer);
    KEY(writer, "lease");
    aw_writer_str(writer, news->lease);
    KEY(writer, "ticket");
    aw_part_ticket_id(writer, news->ticket);
}

bool
aw_proto_write_news_messages(struct aw_writer *writer, const struct aw_lease_news *news)
{
    begin_news(writer, news);
    KEY(writer, "messages_total");
    aw_writer_u64(writer, news->messages_total);
    if (!aw_part_messages(writer, news->messages, news->message_count))
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
    aw_part_incident(writer, news->incident);
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
        aw_part_ticket_id(writer, done->ticket);
    }
    if (done->message.seq != 0) {
        KEY(writer, "message");
        aw_part_message_id(writer, done->message);
    }
    if (done->note.seq != 0) {
        KEY(writer, "note");
        aw_part_note_id(writer, done->note);
    }
    if (done->from.seq != 0) {
        KEY(writer, "from");
        aw_part_ticket_id(writer, done->from);
    }
    KEY(writer, "state");
    aw_part_string(writer, aw_ticket_state_name(done->state));
    if (done->lane.len > 0) {
        KEY(writer, "lane");
        aw_writer_str(writer, done->lane);
        KEY(writer, "class");
        aw_part_string(writer, aw_class_name(done->class_));
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
        aw_part_reply_id(writer, done->reply);
        if (done->reply_state != AW_REPLY_NONE) {
            KEY(writer, "reply_state");
            aw_part_string(writer, aw_reply_state_name(done->reply_state));
        }
    }
    KEY(writer, "duplicate");
    aw_writer_bool(writer, done->duplicate);
    if (done->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    return done->message_count == 0 || aw_part_messages(writer, done->messages, done->message_count);
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

bool
aw_proto_write_done_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_done_answer *done)
{
    aw_part_begin_line(writer, line, status);
    if (!write_done_fields(writer, done))
        return false;
    aw_part_end_line(writer);
    return true;
}
