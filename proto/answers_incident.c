/* answers_incident.c - incidents, and what one answer to all of them would be. */
#include "proto/parts.h"

#include <stdio.h>

#define KEY AW_WRITER_KEY

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
        aw_part_string(writer, date);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
}

static void
write_incident_fields(struct aw_writer *writer, const struct aw_incident_answer *incident)
{
    aw_part_incident(writer, incident->incident);
    KEY(writer, "state");
    aw_part_string(writer, aw_incident_state_name(incident->state));
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
    aw_part_begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        aw_writer_begin_map(writer);
        write_incident_fields(writer, &incidents[i]);
        aw_writer_end_map(writer);
    }
    aw_part_end_page(writer, next);
}

static void
write_try_item(struct aw_writer *writer, const struct aw_incident_try_item *item)
{
    aw_writer_begin_map(writer);
    KEY(writer, "ticket");
    aw_part_ticket_id(writer, item->ticket);
    if (item->verdict != AW_VERDICT_GOES) {
        KEY(writer, "held_out");
        aw_part_string(writer, aw_incident_verdict_name(item->verdict));
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
    aw_part_incident(writer, answer->incident);
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
        aw_part_string(writer, type);
        if (refusal->other.seq != 0)
            aw_part_incident(writer, refusal->other);
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
