/* lease_view.c - fills a lease's answer. */
#include "run/lease_view.h"

#include "proto/proto.h"

static uint64_t
seconds_between(aw_ms from, aw_ms to)
{
    return to > from ? (to - from) / AW_MS_PER_S : 0;
}

static void
set_token(struct aw_lease_answer *lease, struct aw_lease_text *text, struct aw_lease_id id, const struct aw_hash_key *token_key)
{
    aw_lease_id_format(id, token_key, text->text);
    lease->lease = aw_slice_str(text->text);
}

void
aw_lease_view_of_outcome(struct aw_lease_answer *lease, struct aw_lease_text *text, const struct aw_out_lease *out,
                         const struct aw_hash_key *token_key, aw_ms now)
{
    *lease = (struct aw_lease_answer){.ticket = out->ticket,
                                      .lane = out->lane_name,
                                      .class_ = out->class_,
                                      .gentle = out->gentle,
                                      .opened_at = out->opened_at,
                                      .age_from = out->age,
                                      .waited_s = seconds_between(out->opened_at, now),
                                      .expires_at = out->expires_at,
                                      .expires_in_s = seconds_between(now, out->expires_at),
                                      .attempt = out->attempt,
                                      .reply_by = out->reply_by,
                                      .promise = out->promise,
                                      .incident = out->incident,
                                      .commitment = out->commitment,
                                      .contact = out->contact,
                                      .messages_total = out->messages_total,
                                      .notes_total = out->notes_total};
    set_token(lease, text, out->lease, token_key);
}

void
aw_lease_view_of_ticket(struct aw_lease_answer *lease, struct aw_lease_text *text, const struct aw_ticket_view *view,
                        const struct aw_hash_key *token_key, aw_ms now)
{
    *lease = (struct aw_lease_answer){.ticket = view->ticket,
                                      .lane = view->lane_name,
                                      .class_ = view->class_,
                                      .gentle = view->gentle,
                                      .opened_at = view->opened_at,
                                      .age_from = view->age,
                                      .waited_s = seconds_between(view->opened_at, now),
                                      .expires_at = view->expires_at,
                                      .expires_in_s = seconds_between(now, view->expires_at),
                                      .attempt = view->attempt,
                                      .reply_by = view->reply_by,
                                      .promise = view->promise,
                                      .incident = view->incident,
                                      .commitment = view->commitment,
                                      .contact = view->contact,
                                      .messages_total = view->messages_total,
                                      .notes_total = view->notes_total};
    set_token(lease, text, view->lease, token_key);
}

struct aw_slice
aw_lease_view_state(enum aw_lease_end end)
{
    switch (end) {
    case AW_LEASE_END_EXPIRED:
        return AW_SLICE("expired");
    case AW_LEASE_END_RELEASED:
        return AW_SLICE("released");
    case AW_LEASE_END_TAKEN_OVER:
        return AW_SLICE("taken_over");
    case AW_LEASE_END_NONE: /* the ticket is no longer known: it was closed long ago */
    case AW_LEASE_END_CLOSED:
        return AW_SLICE("closed");
    }
    AW_UNREACHABLE();
}

static struct aw_slice
text_of(struct aw_slice body, struct aw_slice key)
{
    struct aw_slice text = {NULL, 0};

    return aw_proto_body_text(body, key, &text) ? text : (struct aw_slice){NULL, 0};
}

void
aw_lease_view_fill(struct aw_lease_answer *lease, const struct aw_read_item *item)
{
    struct aw_slice newest = {NULL, 0};

    lease->messages = item->messages;
    lease->message_count = item->message_count;
    lease->notes = item->notes;
    lease->note_count = item->note_count;
    lease->previous = item->replies;
    lease->previous_count = item->reply_count;
    lease->reasons = item->reasons;
    lease->reason_count = item->reason_count;
    for (uint32_t i = item->message_count; i > 0 && newest.len == 0; i--) /* of those that can be read */
        newest = item->messages[i - 1].body;
    if (newest.len == 0)
        return;
    lease->channel = text_of(newest, AW_SLICE("channel"));
    lease->account = text_of(newest, AW_SLICE("account"));
    if (lease->account.len == 0)
        lease->account = AW_SLICE("main");
    lease->customer = text_of(newest, AW_SLICE("customer"));
    lease->visibility =
        aw_slice_eq(text_of(newest, AW_SLICE("visibility")), AW_SLICE("public")) ? AW_VISIBILITY_PUBLIC : AW_VISIBILITY_PRIVATE;
}

struct reasons {
    struct aw_slice *list;
    uint32_t         count;
    bool             failed;
};

static void
add_reason(struct reasons *reasons, struct aw_buffer *buffer)
{
    reasons->failed |= buffer->failed;
    reasons->list[reasons->count++] = aw_buffer_slice(buffer);
}

bool
aw_view_add_help(struct aw_arena *arena, struct aw_lanes_directory *directory, const struct aw_ticket_help *help,
                 const struct aw_slice **reasons, uint32_t *reason_count)
{
    struct reasons   all = {.list = aw_arena_take(arena, (*reason_count + help->count + 2) * sizeof(struct aw_slice))};
    struct aw_buffer buffer;

    if (all.list == NULL)
        return false;
    for (; all.count < *reason_count; all.count++)
        all.list[all.count] = (*reasons)[all.count];
    for (uint32_t i = 0; i < help->count; i++) {
        aw_buffer_init(&buffer, arena);
        aw_buffer_printf(&buffer, "overflow: helped by lane %.*s after %u s",
                         AW_SLICE_ARGS(aw_lanes_directory_name(directory, help->by[i].lane)), help->by[i].after_s);
        add_reason(&all, &buffer);
    }
    if (help->kept_for.len > 0) {
        aw_buffer_init(&buffer, arena);
        aw_buffer_printf(&buffer, "kept for %.*s", AW_SLICE_ARGS(help->kept_for));
        add_reason(&all, &buffer);
    }
    if (help->declined > 0) {
        aw_buffer_init(&buffer, arena);
        aw_buffer_printf(&buffer, "declined by %u agent%s", help->declined, help->declined == 1 ? "" : "s");
        add_reason(&all, &buffer);
    }
    *reasons = all.list;
    *reason_count = all.count;
    return !all.failed;
}
