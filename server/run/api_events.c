/* api_events.c - what happens, as a stream: told from the journal, piece by piece, and then as it is published.
 *
 * A stream is a call that never ends by itself. It reads a piece, writes it, waits until that is on its way, and reads on: so who
 * reads slowly is read for slowly, and holds up nobody else. When nothing is left it sleeps on its thread's list, and the thread
 * has a watch with the committer, which comes back with the next publication.
 *
 *   READING   a reader has it
 *   FULL      what was written is not on its way yet
 *   ASLEEP    all that is published was told
 */
#include "base/text.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/query.h"
#include "run/read_events.h"

#include <inttypes.h>

/* Of a piece; with a comment or two it stays below what a stream may have unsent (http/limits.h). */
#define PIECE_BYTES (48U * 1024U)
AW_STATIC_ASSERT(PIECE_BYTES >= AW_EVENTS_ROOM_MIN, "a piece has room for an event");

enum stream_state { READING, FULL, ASLEEP };

struct stream {
    struct aw_call        call;
    struct aw_list        link; /* ASLEEP: io->watchers */
    enum stream_state     state;
    bool                  is_counted; /* among io->event_streams */
    struct aw_read        read;
    struct aw_read_item   item;
    struct aw_events_read events;
    uint64_t              next; /* to be told */
    uint64_t              last; /* it ends behind this one */
};

static void go_on(struct stream *stream);

static aw_ns
comment_at(const struct aw_io *io)
{
    return io->now + io->shared->settings->event_comment_s * AW_NS_PER_S;
}

static bool
is_broken(const struct aw_io *io)
{
    return aw_metric_sum(io->shared->metrics, AW_METRIC_ROLE) == AW_ROLE_BROKEN;
}

/* --- the end ---------------------------------------------------------------------------------------------------------------- */

static void
leave(struct stream *stream)
{
    struct aw_io *io = stream->call.io;

    if (!stream->is_counted) /* it did not begin */
        return;
    aw_list_remove(&stream->link);
    AW_ASSERT(io->event_streams > 0);
    io->event_streams--;
    aw_metric_set(io->metrics, AW_METRIC_EVENT_STREAMS, io->event_streams);
}

/* The server drains, or the token is not what it was. */
static bool
is_to_end(const struct stream *stream)
{
    return stream->call.io->draining || aw_access_is_over(stream->call.request);
}

/* All that was to be told is, or it is to end before: then whoever asked for an end learns that this is not it. */
static void
end(struct stream *stream)
{
    leave(stream);
    if (stream->next > stream->last || stream->last == UINT64_MAX)
        aw_call_end_stream(&stream->call);
    else
        aw_call_abort_stream(&stream->call);
}

static void
cut_off(struct stream *stream)
{
    leave(stream);
    aw_call_abort_stream(&stream->call);
}

/* --- the watch -------------------------------------------------------------------------------------------------------------- */

/* `seen`: what was published when there was nothing more to tell. A watch that is out already saw no more. */
static void
watch(struct aw_io *io, uint64_t seen)
{
    if (io->is_watching)
        return;
    io->is_watching = true;
    io->watch = (struct aw_submission){.kind = AW_SUBMIT_WATCH, .io = io->number, .seen_seq = seen};
    aw_io_submit(io, &io->watch);
}

bool
aw_api_events_back(struct aw_io *io, struct aw_submission *submission)
{
    struct aw_list  asleep;
    struct aw_list *link;

    if (submission == &io->watch_cancel)
        return true;
    if (submission != &io->watch)
        return false;
    io->is_watching = false;
    aw_list_init(&asleep);
    while ((link = aw_list_first(&io->watchers)) != NULL) {
        aw_list_remove(link);
        aw_list_push_back(&asleep, link);
    }
    while ((link = aw_list_first(&asleep)) != NULL) {
        aw_list_remove(link);
        go_on(AW_CONTAINER(link, struct stream, link));
    }
    return true;
}

void
aw_api_events_drain(struct aw_io *io)
{
    if (!io->is_watching)
        return;
    io->watch_cancel = (struct aw_submission){.kind = AW_SUBMIT_CANCEL, .io = io->number, .target = &io->watch};
    aw_io_submit(io, &io->watch_cancel);
}

/* --- piece by piece --------------------------------------------------------------------------------------------------------- */

/* Nothing is out, and there is room: reads on, or sleeps, or ends. */
static void
go_on(struct stream *stream)
{
    struct aw_io *io = stream->call.io;
    uint64_t      published = aw_lanes_published(io->shared->lanes);

    if (is_broken(io)) {
        cut_off(stream);
        return;
    }
    if (is_to_end(stream) || stream->next > stream->last) {
        end(stream);
        return;
    }
    if (stream->next > published) {
        stream->state = ASLEEP;
        aw_list_push_back(&io->watchers, &stream->link);
        watch(io, published);
        return;
    }
    stream->state = READING;
    stream->events.from = stream->next;
    stream->events.until = published < stream->last ? published : stream->last;
    aw_call_read(&stream->call, &stream->read);
}

static void
on_piece(struct aw_call *call)
{
    struct stream *stream = (struct stream *)call;

    /* Between the read and now the store may have failed: what it held may not be what is durable. */
    if (stream->item.err != AW_OK || is_broken(call->io) || !aw_request_write(call->request, stream->events.bytes)) {
        cut_off(stream);
        return;
    }
    stream->next = stream->events.next;
    aw_metric_add(call->io->metrics, AW_METRIC_EVENTS_TOLD, stream->events.count);
    stream->state = FULL;
    if (stream->events.bytes.len == 0 || is_to_end(stream))
        go_on(stream);
}

static void
on_room(struct aw_call *call)
{
    struct stream *stream = (struct stream *)call;

    if (stream->state == FULL && !call->answered)
        go_on(stream);
}

/* A sign of life. In server-sent events it also says how far all was looked through, so that a client with a narrow filter does not
 * resume far behind. */
static void
write_comment(struct stream *stream)
{
    static const uint8_t nil = 0xc0;
    char                 text[64];
    struct aw_buffer     buffer;

    aw_buffer_init_fixed(&buffer, text, sizeof(text));
    if (stream->events.media == AW_MEDIA_EVENTS)
        aw_buffer_printf(&buffer, ":\nid: %" PRIu64 "\n\n", stream->next - 1);
    else if (stream->events.media == AW_MEDIA_NDJSON)
        aw_buffer_add_str(&buffer, "\n");
    else
        aw_buffer_add(&buffer, &nil, sizeof(nil));
    if (!aw_request_write(stream->call.request, aw_buffer_slice(&buffer)))
        return; /* its reader is slow: what is unsent is sign enough */
}

static void
on_time(struct aw_call *call)
{
    struct stream *stream = (struct stream *)call;

    if (is_to_end(stream)) {
        if (call->out == 0)
            end(stream);
        return; /* else as soon as the piece is back */
    }
    if (stream->state != FULL)
        write_comment(stream);
    aw_call_wait(call, comment_at(call->io));
}

static bool
on_gone(struct aw_call *call)
{
    leave((struct stream *)call);
    return false;
}

static const struct aw_call_ops ops = {.on_back = on_piece, .on_gone = on_gone, .on_time = on_time, .on_room = on_room};

/* --- what is asked for ------------------------------------------------------------------------------------------------------ */

static bool
set_types(struct stream *stream, struct aw_slice list)
{
    stream->events.filter.types = UINT64_C(1) << AW_EVENT_TYPE_EVENTS_GAP;
    while (list.len > 0) {
        uint64_t types = aw_event_types_named(aw_slice_cut(&list, ','));

        if (types == 0) {
            aw_api_refuse_field(&stream->call, "type",
                                "type takes event types, or what stands before a dot in them, with commas between");
            return false;
        }
        stream->events.filter.types |= types;
    }
    return true;
}

static bool
set_ticket(struct stream *stream, struct aw_slice text)
{
    if (aw_ticket_id_parse(text, &stream->events.filter.ticket) &&
        stream->events.filter.ticket.shard == stream->call.io->shared->shard)
        return true;
    aw_api_refuse_field(&stream->call, "ticket", "ticket takes the id of a ticket of this store");
    return false;
}

static bool
set_lane(struct stream *stream, struct aw_slice name)
{
    stream->events.filter.lane = aw_lanes_directory_find(stream->call.io->shared->directory, name);
    if (stream->events.filter.lane != AW_LANE_NONE)
        return true;
    aw_call_problem(&stream->call, &(struct aw_problem){.err = AW_E_NOT_FOUND,
                                                        .detail = AW_SLICE("there is no lane by that name"),
                                                        .field = AW_SLICE("lane")});
    return false;
}

/* Of `after`, `until`, and Last-Event-ID. */
static bool
set_seq(struct stream *stream, const char *field, struct aw_slice text, uint64_t *ret_seq)
{
    if (aw_slice_to_u64(text, UINT64_MAX - 1, ret_seq))
        return true;
    aw_api_refuse_field(&stream->call, field, "the id of an event is a whole number");
    return false;
}

/* One `name=value` of the query. */
static bool
set_parameter(struct stream *stream, const struct aw_parameter *parameter, uint64_t *after, uint64_t *until)
{
    struct aw_slice name = parameter->name, value = parameter->value;

    if (aw_slice_eq(name, AW_SLICE("type")))
        return set_types(stream, value);
    if (aw_slice_eq(name, AW_SLICE("ticket")))
        return set_ticket(stream, value);
    if (aw_slice_eq(name, AW_SLICE("lane")))
        return set_lane(stream, value);
    if (aw_slice_eq(name, AW_SLICE("after")))
        return set_seq(stream, "after", value, after);
    if (aw_slice_eq(name, AW_SLICE("until")))
        return set_seq(stream, "until", value, until);
    aw_call_problem(&stream->call,
                    &(struct aw_problem){.err = AW_E_UNKNOWN_FIELD,
                                         .field = aw_slice_is_utf8(name) ? name : (struct aw_slice){NULL, 0},
                                         .detail = AW_SLICE("the query takes after, until, type, ticket and lane")});
    return false;
}

/* Where it begins and ends. False: answered. */
static bool
read_query(struct stream *stream)
{
    struct aw_call     *call = &stream->call;
    struct aw_slice     query = call->request->query;
    uint64_t            published = aw_lanes_published(call->io->shared->lanes);
    uint64_t            after = UINT64_MAX, until = UINT64_MAX;
    bool                is_whole = stream->events.media == AW_MEDIA_NDJSON, failed;
    struct aw_parameter parameter;

    stream->events.filter = (struct aw_event_filter){.types = UINT64_MAX, .lane = AW_EVENT_LANE_ANY};
    while (aw_query_take(aw_call_arena(call), &query, &parameter, &failed)) {
        if (!set_parameter(stream, &parameter, &after, &until))
            return false;
    }
    if (failed) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return false;
    }
    /* What a client saw last goes before the place where it once began (HTML, server-sent events: it sends both again). */
    if (call->request->last_event_id.len > 0 && !set_seq(stream, "last-event-id", call->request->last_event_id, &after))
        return false;
    if (after != UINT64_MAX && after > published) {
        aw_api_refuse_field(call, "after", "that event has not happened yet in this store");
        return false;
    }
    if (after == UINT64_MAX)
        after = is_whole ? 0 : published;
    stream->next = after + 1;
    stream->last = until == UINT64_MAX && is_whole ? published : until;
    return true;
}

static bool
negotiate(struct stream *stream)
{
    const enum aw_media offered[] = {AW_MEDIA_EVENTS, AW_MEDIA_NDJSON, AW_MEDIA_MSGPACK_SEQ};

    if (aw_media_negotiate(stream->call.request->accept, offered, AW_ARRAY_LEN(offered), &stream->events.media))
        return true;
    aw_call_fail(&stream->call, AW_E_NOT_ACCEPTABLE,
                 "this path answers text/event-stream, application/x-ndjson or application/vnd.msgpack-seq");
    return false;
}

static bool
has_place(struct stream *stream)
{
    struct aw_io *io = stream->call.io;

    if (io->event_streams >= io->shared->settings->event_streams_max)
        aw_call_fail(&stream->call, AW_E_TOO_MANY, "as many streams of events as there may be are open (event-streams-max)");
    else if (!aw_request_try_park(stream->call.request))
        aw_call_fail(&stream->call, AW_E_TOO_MANY, "half of this connection's streams are polls and streams already");
    else
        return true;
    return false;
}

/* --- the beginning ---------------------------------------------------------------------------------------------------------- */

static struct aw_slice
lane_name(void *user, uint32_t lane)
{
    struct aw_lanes_directory *directory = user;

    AW_ASSERT(lane < aw_lanes_directory_count(directory)); /* its record was published, and so was the lane before */
    return aw_lanes_directory_name(directory, lane);
}

struct aw_event_source
aw_api_event_source(const struct aw_io *io)
{
    const struct aw_shared *shared = io->shared;

    return (struct aw_event_source){
        .store = shared->store, .shard = shared->shard, .lane_name = lane_name, .user = shared->directory};
}

static bool
make_read(struct stream *stream)
{
    const struct aw_shared *shared = stream->call.io->shared;

    stream->events.source = aw_api_event_source(stream->call.io);
    stream->item = (struct aw_read_item){.kind = AW_READ_EVENTS, .events = &stream->events};
    stream->read = (struct aw_read){.items = &stream->item, .count = 1, .shard = shared->shard, .room = PIECE_BYTES};
    stream->read.memory = aw_arena_take(aw_call_arena(&stream->call), PIECE_BYTES);
    return stream->read.memory != NULL;
}

void
aw_api_events(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct stream     *stream = aw_call_new(io, request, &ops, sizeof(*stream));
    struct aw_response head = {.status = 200};

    (void)id;
    if (stream == NULL)
        return;
    aw_list_init(&stream->link);
    if (!negotiate(stream) || !read_query(stream))
        return;
    head.content_type = aw_media_type(stream->events.media);
    head.fields[head.field_count++] = (struct aw_header_field){AW_SLICE("cache-control"), AW_SLICE("no-store")};
    if (!has_place(stream))
        return;
    if (!make_read(stream)) {
        aw_call_fail(&stream->call, AW_E_MEMORY, "");
        return;
    }
    if (!aw_call_begin_stream(&stream->call, &head))
        return; /* only its head was asked for, or nobody is there any more */
    stream->is_counted = true;
    io->event_streams++;
    aw_metric_set(io->metrics, AW_METRIC_EVENT_STREAMS, io->event_streams);
    aw_call_wait(&stream->call, comment_at(io));
    if (stream->events.media == AW_MEDIA_EVENTS)
        write_comment(stream); /* where it begins, for who has to come again before anything happens */
    go_on(stream);
}
