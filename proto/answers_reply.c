/* answers_reply.c - replies on their way out. */
#include "proto/parts.h"

#define KEY AW_WRITER_KEY

void
aw_proto_write_reply_check(struct aw_writer *writer, const struct aw_reply_check_answer *check)
{
    aw_writer_begin_map(writer);
    KEY(writer, "clean");
    aw_writer_bool(writer, check->span_count == 0 && !check->cut);
    aw_part_spans(writer, check->spans, check->span_count);
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
    aw_part_reply_state(writer, reply);
    write_reply_lease(writer, reply);
    KEY(writer, "channel");
    aw_writer_str(writer, reply->channel);
    KEY(writer, "account");
    aw_writer_str(writer, reply->account);
    KEY(writer, "visibility");
    aw_part_string(writer, reply->visibility == AW_VISIBILITY_PUBLIC ? "public" : "private");
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
    aw_part_reply_state(writer, reply);
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
    aw_part_begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        aw_writer_begin_map(writer);
        aw_part_reply_state(writer, &replies[i]);
        KEY(writer, "channel");
        aw_writer_str(writer, replies[i].channel);
        KEY(writer, "account");
        aw_writer_str(writer, replies[i].account);
        aw_writer_end_map(writer);
    }
    aw_part_end_page(writer, next);
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
