/* feed.c - frames events, and keeps the rest of what a slow reader has not taken. */
#include "run/feed.h"

#include "run/io.h"

#include <stdio.h>

/* Given to the stream's buffer at a time; it takes all of such a piece or nothing. */
#define PIECE_BYTES 16384U

#define KEY AW_WRITER_KEY

bool
aw_feed_negotiate(struct aw_call *call, enum aw_media *ret_media)
{
    static const enum aw_media offered[] = {AW_MEDIA_EVENTS, AW_MEDIA_MSGPACK_SEQ};

    if (aw_media_negotiate(call->request->accept, offered, AW_ARRAY_LEN(offered), ret_media))
        return true;
    aw_call_fail(call, AW_E_NOT_ACCEPTABLE, "this path answers text/event-stream or application/vnd.msgpack-seq");
    return false;
}

/* While nothing else is sent, a comment leaves so often: proxies end what is silent. */
static aw_ns
next_comment(const struct aw_io *io)
{
    return io->now + io->shared->settings->event_comment_s * AW_NS_PER_S;
}

bool
aw_feed_begin(struct aw_feed *feed, struct aw_call *call, enum aw_media media)
{
    const struct aw_response head = {.status = 200,
                                     .content_type = aw_media_type(media),
                                     .field_count = 1,
                                     .fields = {{AW_SLICE("cache-control"), AW_SLICE("no-store")}}};

    *feed = (struct aw_feed){.call = call, .media = media, .comment_at = next_comment(call->io)};
    return aw_call_begin_stream(call, &head);
}

/* A MessagePack event is one map, in which its data stands last; of a server-sent one the data is a line of JSON. */
void
aw_feed_begin_event(const struct aw_feed *feed, struct aw_writer *writer, struct aw_buffer *buffer, struct aw_slice name,
                    uint64_t id)
{
    char digits[21];

    if (feed->media == AW_MEDIA_EVENTS) {
        aw_buffer_printf(buffer, "event: %.*s\nid: %llu\ndata: ", AW_SLICE_ARGS(name), (unsigned long long)id);
        aw_writer_init(writer, buffer, AW_MEDIA_JSON);
        return;
    }
    aw_writer_init(writer, buffer, AW_MEDIA_MSGPACK);
    aw_writer_begin_map(writer);
    KEY(writer, "event");
    aw_writer_str(writer, name);
    KEY(writer, "id");
    (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)id); /* it fits */
    aw_writer_str(writer, aw_slice_str(digits));
    KEY(writer, "data");
}

void
aw_feed_end_event(const struct aw_feed *feed, struct aw_writer *writer, struct aw_buffer *buffer)
{
    if (feed->media == AW_MEDIA_EVENTS)
        aw_buffer_add_str(buffer, "\n\n");
    else
        aw_writer_end_map(writer);
}

bool
aw_feed_go_on(struct aw_feed *feed)
{
    while (feed->waiting.len > 0) {
        size_t count = feed->waiting.len < PIECE_BYTES ? feed->waiting.len : PIECE_BYTES;

        if (!aw_request_write(feed->call->request, aw_slice_of(feed->waiting.ptr, count)))
            return false;
        feed->waiting = aw_slice_of(feed->waiting.ptr + count, feed->waiting.len - count);
    }
    return true;
}

bool
aw_feed_send(struct aw_feed *feed, struct aw_slice bytes)
{
    AW_ASSERT(feed->waiting.len == 0);
    feed->sent += bytes.len;
    feed->waiting = bytes;
    feed->comment_at = next_comment(feed->call->io);
    return aw_feed_go_on(feed);
}

bool
aw_feed_is_waiting(const struct aw_feed *feed)
{
    return feed->waiting.len > 0;
}

void
aw_feed_comment(struct aw_feed *feed)
{
    /* The same in MessagePack: nil, which is no event. */
    struct aw_slice bytes = feed->media == AW_MEDIA_EVENTS ? AW_SLICE(":\n\n") : AW_SLICE("\xc0");

    if (feed->call->io->now < feed->comment_at)
        return;
    feed->comment_at = next_comment(feed->call->io);
    if (aw_feed_left(feed) == feed->sent && aw_request_write(feed->call->request, bytes))
        feed->sent += bytes.len;
}

uint64_t
aw_feed_left(const struct aw_feed *feed)
{
    return feed->sent - feed->waiting.len - aw_request_unsent(feed->call->request);
}

void
aw_feed_end(struct aw_feed *feed)
{
    AW_ASSERT(feed->waiting.len == 0);
    aw_call_end_stream(feed->call);
}
