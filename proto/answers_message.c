/* answers_message.c - what gateways are answered: receipts, a message, contacts, an erasure. */
#include "proto/parts.h"

#define KEY AW_WRITER_KEY

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

static void
write_receipt_fields(struct aw_writer *writer, const struct aw_receipt *receipt)
{
    KEY(writer, "message");
    aw_part_message_id(writer, receipt->message);
    KEY(writer, "ticket");
    aw_part_ticket_id(writer, receipt->ticket);
    if (receipt->related.seq != 0) {
        KEY(writer, "related");
        aw_part_ticket_id(writer, receipt->related);
    }
    aw_part_place(writer, receipt->lane, receipt->class_, receipt->reasons, receipt->reason_count);
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
    aw_part_promise(writer, &receipt->promise);
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

static void
write_contact_answer(struct aw_writer *writer, const struct aw_contact_answer *answer)
{
    if (answer->channel.len > 0) {
        KEY(writer, "channel");
        aw_writer_str(writer, answer->channel);
    }
    if (answer->ticket.seq != 0) {
        KEY(writer, "ticket");
        aw_part_ticket_id(writer, answer->ticket);
    }
    aw_part_contact_fields(writer, &answer->contact);
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
    aw_part_begin_line(writer, line, status);
    write_contact_answer(writer, contact);
    aw_part_end_line(writer);
}

void
aw_proto_write_receipt_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_receipt *receipt)
{
    aw_part_begin_line(writer, line, status);
    write_receipt_fields(writer, receipt);
    aw_part_end_line(writer);
}

bool
aw_proto_write_message(struct aw_writer *writer, const struct aw_stored_message *message, const struct aw_receipt *receipt)
{
    aw_writer_begin_map(writer);
    if (!aw_part_message_fields(writer, message))
        return false;
    KEY(writer, "receipt");
    aw_proto_write_receipt(writer, receipt);
    aw_writer_end_map(writer);
    return true;
}
