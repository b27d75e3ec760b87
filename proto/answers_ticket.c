/* answers_ticket.c - tickets as supervisors see them: found ones, a whole one, why it stands there; words given; bulk changes. */
#include "proto/parts.h"

#define KEY AW_WRITER_KEY

/* What only a ticket in one of its states has. */
static void
write_state(struct aw_writer *writer, const struct aw_ticket_answer *ticket)
{
    KEY(writer, "state");
    aw_part_string(writer, aw_ticket_state_name(ticket->state));
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
    aw_part_times(writer, ticket->opened_at, ticket->age_from);
    KEY(writer, "departs_at");
    aw_writer_time(writer, ticket->departs_at);
    KEY(writer, "reply_by");
    aw_writer_time(writer, ticket->reply_by);
    KEY(writer, "attempt");
    aw_writer_u64(writer, ticket->attempt);
    if (ticket->from_lane_count > 0) {
        KEY(writer, "transferred_from");
        aw_part_strings(writer, ticket->from_lanes, ticket->from_lane_count);
    }
    aw_part_promise(writer, &ticket->promise);
    aw_part_commitment(writer, &ticket->commitment);
    aw_part_contact(writer, &ticket->contact);
    aw_part_incident(writer, ticket->incident);
    KEY(writer, "version");
    aw_writer_u64(writer, ticket->version);
}

/* What a ticket is, and why. */
static void
write_standing(struct aw_writer *writer, const struct aw_ticket_answer *ticket)
{
    KEY(writer, "ticket");
    aw_part_ticket_id(writer, ticket->ticket);
    write_state(writer, ticket);
    aw_part_place(writer, ticket->lane, ticket->class_, ticket->reasons, ticket->reason_count);
    write_row(writer, ticket);
    KEY(writer, "related");
    aw_writer_begin_array(writer, ticket->related_count);
    for (uint32_t i = 0; i < ticket->related_count; i++)
        aw_part_ticket_id(writer, ticket->related[i]);
    aw_writer_end_array(writer);
    KEY(writer, "messages_total");
    aw_writer_u64(writer, ticket->messages_total);
}

static void
write_found_one(struct aw_writer *writer, const struct aw_ticket_answer *ticket)
{
    aw_writer_begin_map(writer);
    KEY(writer, "ticket");
    aw_part_ticket_id(writer, ticket->ticket);
    write_state(writer, ticket);
    KEY(writer, "lane");
    aw_writer_str(writer, ticket->lane);
    KEY(writer, "class");
    aw_part_string(writer, aw_class_name(ticket->class_));
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

bool
aw_proto_write_ticket(struct aw_writer *writer, const struct aw_ticket_answer *ticket)
{
    aw_writer_begin_map(writer);
    write_standing(writer, ticket);
    KEY(writer, "replies");
    aw_writer_begin_array(writer, ticket->reply_count);
    for (uint32_t i = 0; i < ticket->reply_count; i++) {
        aw_writer_begin_map(writer);
        aw_part_reply_state(writer, &ticket->replies[i]);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    if (!aw_part_messages(writer, ticket->messages, ticket->message_count) ||
        !aw_part_notes(writer, ticket->notes, ticket->note_count, ticket->notes_total, ticket->messages, ticket->message_count))
        return false;
    aw_writer_end_map(writer);
    return true;
}

static void
write_before(struct aw_writer *writer, const struct aw_before *before)
{
    aw_writer_begin_map(writer);
    KEY(writer, "ticket");
    aw_part_ticket_id(writer, before->ticket);
    KEY(writer, "class");
    aw_part_string(writer, aw_class_name(before->class_));
    KEY(writer, "age_from");
    aw_writer_time(writer, before->age_from);
    KEY(writer, "departs_at");
    aw_writer_time(writer, before->departs_at);
    aw_writer_end_map(writer);
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
    aw_part_helpers(writer, "helped_by", why->helpers, why->helper_count);
    KEY(writer, "waited_s");
    aw_writer_u64(writer, why->waited_s);
    KEY(writer, "allowed_s");
    aw_writer_u64(writer, why->allowed_s);
    KEY(writer, "part");
    aw_part_string(writer, why->part);
    KEY(writer, "in_lane");
    aw_writer_u64(writer, why->in_lane);
    KEY(writer, "ahead");
    aw_part_by_class(writer, why->ahead);
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
    aw_part_string(writer, why->order);
    if (ticket->state == AW_TICKET_WAITING)
        write_queue(writer, why);
    aw_writer_end_map(writer);
}

void
aw_proto_write_commitments(struct aw_writer *writer, const struct aw_commitment_answer *commitments, uint32_t count,
                           struct aw_slice next)
{
    aw_part_begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct aw_commitment_answer *answer = &commitments[i];

        aw_writer_begin_map(writer);
        KEY(writer, "ticket");
        aw_part_ticket_id(writer, answer->ticket);
        aw_part_commitment(writer, &answer->commitment);
        KEY(writer, "what");
        if (answer->what.len > 0)
            aw_writer_str(writer, answer->what);
        else
            aw_writer_null(writer);
        KEY(writer, "state");
        aw_part_string(writer, aw_ticket_state_name(answer->state));
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
        aw_part_string(writer, aw_class_name(answer->class_));
        aw_writer_end_map(writer);
    }
    aw_part_end_page(writer, next);
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
    aw_part_end_line(writer);
}
