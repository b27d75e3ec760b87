/* parts.c - see parts.h. */
#include "proto/parts.h"

#define KEY AW_WRITER_KEY

void
aw_part_string(struct aw_writer *writer, const char *string)
{
    aw_writer_str(writer, aw_slice_str(string));
}

void
aw_part_message_id(struct aw_writer *writer, struct aw_message_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_message_id_format(id, text);
    aw_part_string(writer, text);
}

void
aw_part_reply_id(struct aw_writer *writer, struct aw_message_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_reply_id_format(id, text);
    aw_part_string(writer, text);
}

static void
write_incident_id(struct aw_writer *writer, struct aw_incident_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_incident_id_format(id, text);
    aw_part_string(writer, text);
}

void
aw_part_incident(struct aw_writer *writer, struct aw_incident_id id)
{
    KEY(writer, "incident");
    if (id.seq != 0)
        write_incident_id(writer, id);
    else
        aw_writer_null(writer);
}

void
aw_part_ticket_id(struct aw_writer *writer, struct aw_ticket_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_ticket_id_format(id, text);
    aw_part_string(writer, text);
}

void
aw_part_strings(struct aw_writer *writer, const struct aw_slice *strings, uint32_t count)
{
    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < count; i++)
        aw_writer_str(writer, strings[i]);
    aw_writer_end_array(writer);
}

void
aw_part_promise(struct aw_writer *writer, const struct aw_promise *promise)
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

void
aw_part_place(struct aw_writer *writer, struct aw_slice lane, enum aw_class class_, const struct aw_slice *reasons,
              uint32_t count)
{
    KEY(writer, "lane");
    aw_writer_str(writer, lane);
    KEY(writer, "class");
    aw_part_string(writer, aw_class_name(class_));
    KEY(writer, "reasons");
    aw_part_strings(writer, reasons, count);
}

bool
aw_part_message_fields(struct aw_writer *writer, const struct aw_stored_message *message)
{
    KEY(writer, "message");
    aw_part_message_id(writer, message->id);
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
        aw_part_message_id(writer, message->replaced_by);
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

void
aw_part_note_id(struct aw_writer *writer, struct aw_message_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_note_id_format(id, text);
    aw_part_string(writer, text);
}

static bool
write_note(struct aw_writer *writer, const struct aw_stored_note *note, struct aw_message_id before)
{
    aw_writer_begin_map(writer);
    KEY(writer, "note");
    aw_part_note_id(writer, note->id);
    KEY(writer, "written_at");
    aw_writer_time(writer, note->written_at);
    KEY(writer, "by");
    aw_writer_str(writer, note->by);
    KEY(writer, "after");
    if (before.seq != 0)
        aw_part_message_id(writer, before);
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

bool
aw_part_notes(struct aw_writer *writer, const struct aw_stored_note *notes, uint32_t count, uint32_t total,
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

bool
aw_part_messages(struct aw_writer *writer, const struct aw_stored_message *messages, uint32_t count)
{
    KEY(writer, "messages");
    aw_writer_begin_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        aw_writer_begin_map(writer);
        if (!aw_part_message_fields(writer, &messages[i]))
            return false;
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    return true;
}

void
aw_part_commitment(struct aw_writer *writer, const struct aw_commitment *commitment)
{
    if (commitment->due_at == 0)
        return;
    KEY(writer, "commitment");
    aw_writer_begin_map(writer);
    KEY(writer, "by");
    aw_writer_str(writer, commitment->by);
    KEY(writer, "reason");
    aw_part_string(writer, aw_defer_reason_name(commitment->reason));
    KEY(writer, "made_at");
    aw_writer_time(writer, commitment->made_at);
    KEY(writer, "due_at");
    aw_writer_time(writer, commitment->due_at);
    KEY(writer, "broken");
    aw_writer_bool(writer, commitment->is_broken);
    aw_writer_end_map(writer);
}

void
aw_part_times(struct aw_writer *writer, aw_ms opened_at, aw_ms age_from)
{
    KEY(writer, "opened_at");
    aw_writer_time(writer, opened_at);
    if (age_from != 0 && age_from != opened_at) {
        KEY(writer, "age_from");
        aw_writer_time(writer, age_from);
    }
}

void
aw_part_contact_fields(struct aw_writer *writer, const struct aw_contact *contact)
{
    KEY(writer, "first");
    aw_writer_bool(writer, aw_contact_is_first(contact));
    if (contact->contacted_at != 0) {
        KEY(writer, "contacted_at");
        aw_writer_time(writer, contact->contacted_at);
        KEY(writer, "reply");
        aw_part_reply_id(writer, contact->reply);
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

void
aw_part_contact(struct aw_writer *writer, const struct aw_contact *contact)
{
    if (!contact->is_listening)
        return;
    KEY(writer, "contact");
    aw_writer_begin_map(writer);
    aw_part_contact_fields(writer, contact);
    aw_writer_end_map(writer);
}

void
aw_part_begin_page(struct aw_writer *writer, uint32_t count)
{
    aw_writer_begin_map(writer);
    KEY(writer, "items");
    aw_writer_begin_array(writer, count);
}

void
aw_part_end_page(struct aw_writer *writer, struct aw_slice next)
{
    aw_writer_end_array(writer);
    KEY(writer, "next");
    if (next.len > 0)
        aw_writer_str(writer, next);
    else
        aw_writer_null(writer);
    aw_writer_end_map(writer);
}

void
aw_part_reply_state(struct aw_writer *writer, const struct aw_reply_answer *reply)
{
    KEY(writer, "reply");
    aw_part_reply_id(writer, reply->reply);
    KEY(writer, "ticket");
    aw_part_ticket_id(writer, reply->ticket);
    KEY(writer, "to");
    aw_part_message_id(writer, reply->to);
    KEY(writer, "state");
    if (reply->state == AW_REPLY_NONE)
        aw_writer_null(writer);
    else
        aw_part_string(writer, aw_reply_state_name(reply->state));
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
    aw_part_string(writer, aw_reply_kind_name(reply->kind));
    if (reply->agent.len > 0) {
        KEY(writer, "agent");
        aw_writer_str(writer, reply->agent);
    }
}

void
aw_part_by_class(struct aw_writer *writer, const uint64_t counts[AW_CLASS_COUNT])
{
    aw_writer_begin_map(writer);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        aw_writer_key(writer, aw_slice_str(aw_class_name((enum aw_class)i)));
        aw_writer_u64(writer, counts[i]);
    }
    aw_writer_end_map(writer);
}

void
aw_part_helpers(struct aw_writer *writer, const char *key, const struct aw_lane_helper *helpers, uint32_t count)
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

void
aw_part_begin_line(struct aw_writer *writer, uint32_t line, int status)
{
    aw_writer_begin_map(writer);
    if (line != 0) {
        KEY(writer, "line");
        aw_writer_u64(writer, line);
    }
    KEY(writer, "status");
    aw_writer_u64(writer, (uint64_t)status);
}

void
aw_part_end_line(struct aw_writer *writer)
{
    aw_writer_end_map(writer);
    aw_writer_end_line(writer);
}

void
aw_part_spans(struct aw_writer *writer, const struct aw_reply_span *spans, uint32_t count)
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
