/* request.c - the life of one request, its fields and its body.
 *
 * States, and the list of the session that holds a request in each:
 *
 *   HEAD ---> BODY ---> READY ---> AWAY ---> ANSWERING ---> LEAVING ---> (delivered, freed)
 *   (recv)    (recv)    (events)   (away) \   ^ (sending)    (leaving)
 *     |         |          |         |     v  |    |            |
 *     |         |          |         |  STREAMING  |            |
 *     v         v          |         |  (sending, events when all is on its way)
 *    REFUSED (recv, events when the answer is due, sending)     |
 *     |         |          |         |     |       |            |
 *     v         v          v         v     v       v            v
 *    DEAD (events: freed in silence)  GONE         FAILED (events: on_sent(false), freed)
 *                                     (events, then the handler's alone)
 *
 * Callbacks of the library only move requests along; aw_session's settle() tells the handlers.
 */
#include "http/internal.h"

#include <stdlib.h>

#define STATE(name) (1u << AW_REQUEST_##name)

void
aw_request_move(struct aw_request *request, enum aw_request_state state, struct aw_list *list)
{
    static const unsigned allowed[AW_REQUEST_STATES] = {
        [AW_REQUEST_HEAD] = STATE(BODY) | STATE(READY) | STATE(REFUSED) | STATE(DEAD),
        [AW_REQUEST_BODY] = STATE(BODY) | STATE(READY) | STATE(REFUSED) | STATE(DEAD),
        [AW_REQUEST_READY] = STATE(AWAY) | STATE(DEAD),
        [AW_REQUEST_AWAY] = STATE(STREAMING) | STATE(ANSWERING) | STATE(GONE) | STATE(FAILED),
        [AW_REQUEST_STREAMING] = STATE(STREAMING) | STATE(ANSWERING) | STATE(GONE) | STATE(FAILED),
        [AW_REQUEST_ANSWERING] = STATE(LEAVING) | STATE(FAILED),
        [AW_REQUEST_LEAVING] = 0,
        [AW_REQUEST_REFUSED] = STATE(REFUSED) | STATE(DEAD),
        [AW_REQUEST_GONE] = STATE(GONE) | STATE(FAILED),
        [AW_REQUEST_FAILED] = 0,
        [AW_REQUEST_DEAD] = 0,
    };

    AW_ASSERT((allowed[request->_state] & 1u << state) != 0);
    aw_list_remove(&request->_link);
    request->_state = state;
    if (list != NULL)
        aw_list_push_back(list, &request->_link);
}

struct aw_request *
aw_request_new(struct aw_session *session, int32_t stream)
{
    struct aw_edge    *edge = session->edge;
    struct aw_arena    arena;
    struct aw_request *request;

    /* The first piece opens a block; the struct, which alone would get a block of its own, then lies in it with all the fields and
     * a small body: one block a long poll. */
    aw_arena_init(&arena, edge->blocks);
    request = aw_arena_take(&arena, 1) == NULL ? NULL : aw_arena_take(&arena, sizeof(*request));
    if (request == NULL) {
        aw_arena_reset(&arena);
        return NULL;
    }
    *request = (struct aw_request){
        .arena = arena,
        .peer = session->config.peer,
        ._edge = edge,
        ._session = session,
        ._stream = stream,
        ._body_limit = AW_LENGTH_UNKNOWN,
        ._out_end = AW_OUT_END_UNKNOWN,
        ._began_at = session->now,
    };
    /* The request may outlive the connection. */
    if (!aw_arena_copy(&request->arena, session->config.peer.identity, &request->peer.identity)) {
        arena = request->arena;
        aw_arena_reset(&arena);
        return NULL;
    }
    aw_list_init(&request->node);
    aw_list_init(&request->_link);
    aw_list_push_back(&session->receiving, &request->_link);
    session->stream_count++;
    session->is_quiet_drain = false;
    edge->stats.requests_now++;
    return request;
}

/* Gives the body's memory back. */
static void
drop_body(struct aw_request *request)
{
    struct aw_edge *edge = request->_edge;

    if (request->_is_body_heap) {
        union {
            const char *given;
            char       *taken;
        } body = {.given = request->body.ptr};

        edge->mem.free(body.taken, edge->mem.mem_user_data);
    }
    AW_ASSERT(edge->stats.bodies_bytes_now >= request->_body_room);
    edge->stats.bodies_bytes_now -= request->_body_room;
    if (request->_session != NULL)
        request->_session->bodies_bytes -= request->_body_room;
    request->_is_body_heap = false;
    request->_body_room = 0;
    request->body = (struct aw_slice){NULL, 0};
}

void
aw_request_detach(struct aw_request *request)
{
    struct aw_session *session = request->_session;

    if (session == NULL)
        return;
    AW_ASSERT(session->bodies_bytes >= request->_body_room);
    AW_ASSERT(session->withheld_bytes >= request->_withheld);
    session->bodies_bytes -= request->_body_room;
    session->withheld_bytes -= request->_withheld;
    request->_withheld = 0;
    session->bulk_count -= request->_is_bulk;
    request->_is_bulk = false;
    if (request->_is_parked) {
        session->parked_count--;
        request->_edge->stats.parked_now--;
        request->_is_parked = false;
    }
    request->_session = NULL;
}

void
aw_request_free(struct aw_request *request)
{
    struct aw_edge *edge = request->_edge;
    struct aw_arena arena;

    aw_request_detach(request);
    drop_body(request);
    aw_list_remove(&request->_link);
    edge->mem.free(request->_out_buffer, edge->mem.mem_user_data);
    edge->stats.requests_now--;
    arena = request->arena; /* the request lies in its own arena */
    aw_arena_reset(&arena);
}

/* Fields ---------------------------------------------------------------------------------------------------------------------- */

struct known_field {
    struct aw_slice name;
    size_t          offset;
    bool            is_list; /* may come several times: joined */
};
#define FIELD(text, member, list)                                                                                                \
    {                                                                                                                            \
        {text, sizeof(text) - 1}, offsetof(struct aw_request, member), list                                                      \
    }

static const struct known_field known_fields[] = {
    FIELD("accept", accept, true),
    FIELD("content-type", content_type, false),
    FIELD("authorization", authorization, false),
    FIELD("aswolk-agent", agent, false),
    FIELD("idempotency-key", idempotency_key, false),
    FIELD("if-match", if_match, true),
    FIELD("if-none-match", if_none_match, true),
    FIELD("prefer", prefer, true),
    FIELD("traceparent", traceparent, false),
    FIELD("last-event-id", last_event_id, false),
};

/* Remembers the first fault; the answer waits for the end of the head, or of the input. */
static void
fault(struct aw_request *request, enum aw_err err, const char *detail)
{
    if (request->_refused != AW_OK)
        return;
    request->_refused = err;
    request->_detail = detail;
}

static void
copy_field(struct aw_request *request, struct aw_slice value, struct aw_slice *ret_value)
{
    if (!aw_arena_copy(&request->arena, value, ret_value))
        fault(request, AW_E_OVERLOADED, "no memory for the header fields");
}

static void
join_field(struct aw_request *request, struct aw_slice value, struct aw_slice *in_out)
{
    size_t len = in_out->len + 2 + value.len;
    char  *joined = aw_arena_take(&request->arena, len);

    if (joined == NULL) {
        fault(request, AW_E_OVERLOADED, "no memory for the header fields");
        return;
    }
    memcpy(joined, in_out->ptr, in_out->len);
    memcpy(joined + in_out->len, ", ", 2);
    memcpy(joined + in_out->len + 2, value.ptr, value.len);
    *in_out = aw_slice_of(joined, len);
}

static void
set_method(struct aw_request *request, struct aw_slice value)
{
    static const struct aw_slice names[] = {
        [AW_GET] = {"GET", 3}, [AW_HEAD] = {"HEAD", 4},   [AW_POST] = {"POST", 4},
        [AW_PUT] = {"PUT", 3}, [AW_PATCH] = {"PATCH", 5}, [AW_DELETE] = {"DELETE", 6},
    };

    for (size_t i = 0; i < AW_ARRAY_LEN(names); i++) {
        if (aw_slice_eq(value, names[i])) {
            request->method = (enum aw_method)i;
            return;
        }
    }
    request->_is_unknown_method = true;
}

static void
set_path(struct aw_request *request, struct aw_slice value)
{
    struct aw_slice rest;

    request->_has_path = true;
    if (value.len > request->_edge->limits.path_bytes_max) {
        fault(request, AW_E_HEADERS_LARGE, "the path is too long");
        return;
    }
    copy_field(request, value, &rest);
    if (request->_refused != AW_OK)
        return;
    request->path = aw_slice_cut(&rest, '?');
    request->query = rest.ptr == NULL ? (struct aw_slice){NULL, 0} : rest;
}

/* :authority comes before host; what differs may have been checked by somebody else under the other name. */
static void
set_authority(struct aw_request *request, struct aw_slice value)
{
    if (value.len > 0 && memchr(value.ptr, '@', value.len) != NULL)
        fault(request, AW_E_MALFORMED, "the authority must not hold user information");
    else if (!request->_has_host)
        copy_field(request, value, &request->authority);
    else if (!aw_slice_eq_nocase(value, request->authority))
        fault(request, AW_E_MALFORMED, "host differs from :authority");
    request->_has_host = true;
}

static void
set_known(struct aw_request *request, const struct known_field *field, struct aw_slice value)
{
    struct aw_slice *slot = (struct aw_slice *)(void *)((char *)request + field->offset);

    if (slot->ptr == NULL)
        copy_field(request, value, slot);
    else if (field->is_list)
        join_field(request, value, slot);
    else
        fault(request, AW_E_MALFORMED, "a header field that may come once came twice");
}

static void
set_field(struct aw_request *request, struct aw_slice name, struct aw_slice value)
{
    uint64_t length;

    for (size_t i = 0; i < AW_ARRAY_LEN(known_fields); i++) {
        if (aw_slice_eq(name, known_fields[i].name)) {
            set_known(request, &known_fields[i], value);
            return;
        }
    }
    if (aw_slice_eq(name, AW_SLICE("host"))) {
        set_authority(request, value);
    } else if (aw_slice_eq(name, AW_SLICE("content-length"))) {
        /* The library has checked its form, and compares it with what comes. */
        if (aw_slice_to_u64(value, INT64_MAX, &length))
            request->_body_limit = length;
    } else if (aw_slice_eq(name, AW_SLICE("content-encoding"))) {
        request->_has_encoding |= !aw_slice_eq_nocase(aw_slice_trim(value), AW_SLICE("identity"));
    } else if (aw_slice_eq(name, AW_SLICE("expect"))) {
        request->_expects |= aw_slice_eq_nocase(aw_slice_trim(value), AW_SLICE("100-continue"));
    } else if (aw_slice_eq(name, AW_SLICE("early-data"))) {
        request->_has_early_data = true;
    }
}

bool
aw_request_add_field(struct aw_request *request, struct aw_slice name, struct aw_slice value, bool is_trailer)
{
    const struct aw_http_limits *limits = &request->_edge->limits;

    /* 32 for what an entry costs, RFC 9113 section 6.5.2; names and values are at most 64 KiB, so the sum cannot overflow before
     * the stream is reset. */
    request->_fields++;
    request->_field_bytes += (uint32_t)(name.len + value.len + 32);
    if (request->_fields > limits->header_fields_max || request->_field_bytes > limits->header_bytes_max) {
        request->_refused = request->_state == AW_REQUEST_REFUSED ? request->_refused : AW_E_HEADERS_LARGE;
        request->_detail = "too many or too long header fields";
        return request->_fields <= (uint64_t)limits->header_fields_max * limits->header_overrun_max &&
               request->_field_bytes <= (uint64_t)limits->header_bytes_max * limits->header_overrun_max;
    }
    if (is_trailer || request->_refused != AW_OK)
        return true;
    if (aw_slice_eq(name, AW_SLICE(":method")))
        set_method(request, value);
    else if (aw_slice_eq(name, AW_SLICE(":path")))
        set_path(request, value);
    else if (aw_slice_eq(name, AW_SLICE(":authority")))
        set_authority(request, value);
    else
        set_field(request, name, value);
    return true;
}

static enum aw_cause
cause_of(enum aw_err err)
{
    if (err == AW_E_HEADERS_LARGE)
        return AW_CAUSE_HEADERS;
    return err == AW_E_OVERLOADED ? AW_CAUSE_MEMORY : AW_CAUSE_REQUEST;
}

void
aw_request_end_head(struct aw_request *request)
{
    const struct aw_handlers *handlers = &request->_edge->handlers;
    enum aw_err               err;

    if (request->_refused == AW_OK && request->_body_limit != AW_LENGTH_UNKNOWN &&
        request->_body_limit > request->_edge->limits.body_bytes_max) {
        aw_request_refuse(request, AW_E_BODY_LARGE, AW_CAUSE_BODY_LARGE, "content-length is over the limit");
        return;
    }
    if (request->_is_unknown_method || !request->_has_path)
        fault(request, AW_E_METHOD, "no path takes that method");
    if (request->_has_encoding)
        fault(request, AW_E_MEDIA_TYPE, "a content-encoding is not supported: send the body as it is");
    if (request->_has_early_data && request->method != AW_GET && request->method != AW_HEAD)
        fault(request, AW_E_EARLY_DATA, "this method does not work in early data");
    if (request->_refused == AW_OK && handlers->check != NULL) {
        err = handlers->check(handlers->user, request);
        if (err != AW_OK)
            fault(request, err, "refused before its body was read");
    }
    if (request->_refused != AW_OK) {
        err = request->_refused;
        request->_refused = AW_OK;
        aw_request_refuse(request, err, cause_of(err), request->_detail);
        return;
    }
    request->_window_at = request->_session->now;
    request->_moved = 0;
    /* Only one who waits for a 100 needs an event before its body. */
    aw_request_move(request, AW_REQUEST_BODY, request->_expects ? &request->_session->events : &request->_session->receiving);
}

/* Body ------------------------------------------------------------------------------------------------------------------------ */

/* Whether `more` bytes of room fit what the connection and the thread may hold. */
static bool
has_body_room(const struct aw_request *request, uint64_t more)
{
    const struct aw_edge *edge = request->_edge;

    return request->_session->bodies_bytes + more <= edge->limits.bodies_bytes_max &&
           edge->stats.bodies_bytes_now + more <= edge->bodies_bytes_max;
}

static void
count_body_room(struct aw_request *request, uint32_t more)
{
    request->_body_room += more;
    request->_session->bodies_bytes += more;
    request->_edge->stats.bodies_bytes_now += more;
}

/* Room for `need` bytes in all. A stated length is believed only as far as bytes have come: doubling from 4 KiB, so that a header
 * alone cannot make us reserve a megabyte. */
static uint32_t
next_room(const struct aw_request *request, size_t need)
{
    uint64_t limit = request->_body_limit;
    uint64_t room = request->_body_room == 0 ? AW_HTTP_BODY_INLINE_MAX : (uint64_t)request->_body_room * 2;

    if (room < need)
        room = need;
    if (limit != AW_LENGTH_UNKNOWN && room > limit)
        room = limit;
    return (uint32_t)(room < need ? need : room);
}

static char *
grow_body(struct aw_request *request, uint32_t room)
{
    struct aw_edge *edge = request->_edge;
    char           *ptr;

    if (request->_body_room == 0 && room <= AW_HTTP_BODY_INLINE_MAX && request->_body_limit != AW_LENGTH_UNKNOWN) {
        ptr = aw_arena_take(&request->arena, room);
    } else {
        union {
            const char *given;
            char       *taken;
        } body = {.given = request->_is_body_heap ? request->body.ptr : NULL};

        ptr = edge->mem.realloc(body.taken, room, edge->mem.mem_user_data);
        if (ptr != NULL && !request->_is_body_heap && request->body.len > 0)
            memcpy(ptr, request->body.ptr, request->body.len);
        if (ptr != NULL)
            request->_is_body_heap = true;
    }
    if (ptr == NULL)
        return NULL;
    count_body_room(request, room - request->_body_room);
    request->body.ptr = ptr;
    return ptr;
}

/* False when the request was refused instead. */
static bool
store_body(struct aw_request *request, struct aw_slice bytes)
{
    size_t need = request->body.len + bytes.len;
    union {
        const char *given;
        char       *taken;
    } body;

    if (need > request->_edge->limits.body_bytes_max) {
        aw_request_refuse(request, AW_E_BODY_LARGE, AW_CAUSE_BODY_LARGE, "the body is over the limit");
        return false;
    }
    if (need > request->_body_room) {
        uint32_t room = next_room(request, need);

        if (!has_body_room(request, room - request->_body_room)) {
            aw_request_refuse(request, AW_E_OVERLOADED, AW_CAUSE_BODIES, "too many bodies are being received");
            return false;
        }
        if (grow_body(request, room) == NULL) {
            aw_request_refuse(request, AW_E_OVERLOADED, AW_CAUSE_MEMORY, "no memory for the body");
            return false;
        }
    }
    body.given = request->body.ptr;
    memcpy(body.taken + request->body.len, bytes.ptr, bytes.len);
    request->body.len = need;
    return true;
}

bool
aw_session_is_short_of_room(const struct aw_session *session)
{
    const struct aw_edge *edge = session->edge;

    return session->bodies_bytes > edge->limits.bodies_bytes_max / 4 * 3 ||
           edge->stats.bodies_bytes_now > edge->bodies_bytes_max / 4 * 3;
}

/* While memory is short an upload may fill what is reserved for it, so that none stalls for want of what it has; beyond that it
 * waits. Half a window less, because the library announces what was given back only from there on. */
static uint32_t
window_due(const struct aw_request *request, bool is_short)
{
    uint64_t given = request->body.len - request->_withheld;
    uint64_t half = request->_edge->limits.stream_window_bytes / 2;
    uint64_t due;

    if (!is_short)
        return request->_withheld;
    due = request->_body_room > given + half ? request->_body_room - half - given : 0;
    return due < request->_withheld ? (uint32_t)due : request->_withheld;
}

void
aw_request_give_window(struct aw_request *request, bool is_short)
{
    struct aw_session *session = request->_session;
    uint32_t           due = window_due(request, is_short);

    if (due == 0)
        return;
    /* Can fail only without memory; then the stream stalls and is ended by its deadline. */
    (void)nghttp2_session_consume_stream(session->h2, request->_stream, due);
    session->withheld_bytes -= due;
    request->_withheld -= due;
}

void
aw_request_add_body(struct aw_request *request, struct aw_slice bytes)
{
    struct aw_session *session = request->_session;

    request->_moved += (uint32_t)bytes.len;
    switch (request->_state) {
    case AW_REQUEST_BODY:
        if (!store_body(request, bytes))
            break;
        request->_withheld += (uint32_t)bytes.len;
        session->withheld_bytes += bytes.len;
        aw_request_give_window(request, aw_session_is_short_of_room(session));
        return;
    case AW_REQUEST_REFUSED:
        /* Thrown away, but not without end: whoever cannot be told after the end of its input is told now. */
        request->_dropped += bytes.len;
        if (!request->_is_answered && request->_dropped > request->_edge->limits.body_bytes_max)
            aw_request_move(request, AW_REQUEST_REFUSED, &session->events);
        break;
    case AW_REQUEST_HEAD:
    case AW_REQUEST_READY:
    case AW_REQUEST_AWAY:
    case AW_REQUEST_STREAMING:
    case AW_REQUEST_ANSWERING:
    case AW_REQUEST_LEAVING:
    case AW_REQUEST_GONE:
    case AW_REQUEST_FAILED:
    case AW_REQUEST_DEAD:
    case AW_REQUEST_STATES:
        return; /* the library refuses DATA before a head and after END_STREAM */
    }
    /* Can fail only without memory; then the stream stalls and is ended by its deadline. */
    if (!request->_is_answered)
        (void)nghttp2_session_consume_stream(session->h2, request->_stream, bytes.len);
}

void
aw_request_end_input(struct aw_request *request)
{
    struct aw_session *session = request->_session;

    request->_is_input_done = true;
    session->withheld_bytes -= request->_withheld; /* a stream that sends no more needs no window */
    request->_withheld = 0;
    if (request->_state == AW_REQUEST_BODY && request->_refused != AW_OK) {
        aw_request_refuse(request, request->_refused, cause_of(request->_refused), request->_detail);
    } else if (request->_state == AW_REQUEST_BODY) {
        aw_request_move(request, AW_REQUEST_READY, &session->events);
    } else if (request->_state == AW_REQUEST_REFUSED && !request->_is_answered) {
        aw_request_move(request, AW_REQUEST_REFUSED, &session->events);
    }
}

void
aw_request_refuse(struct aw_request *request, enum aw_err err, enum aw_cause cause, const char *detail)
{
    struct aw_session *session = request->_session;
    /* RFC 9113 errors of the request itself may still come, and must win; only these are worth an answer before the end. One that
     * waits for a 100 has not sent its body yet, so any final answer spares it. */
    bool is_early = err == AW_E_BODY_LARGE || err == AW_E_HEADERS_LARGE || err == AW_E_BODY_SLOW || err == AW_E_UNAUTHORIZED ||
                    request->_expects || request->_is_input_done;

    if (request->_state == AW_REQUEST_REFUSED)
        return;
    request->_refused = err;
    request->_detail = detail;
    request->_edge->stats.causes[cause]++;
    aw_request_give_window(request, false);
    drop_body(request);
    aw_request_move(request, AW_REQUEST_REFUSED, is_early ? &session->events : &session->receiving);
    if (request->_window_at == 0)
        request->_window_at = session->now;
}

void
aw_request_stream_closed(struct aw_request *request)
{
    struct aw_session *session = request->_session;

    request->_stream = 0;
    switch (request->_state) {
    case AW_REQUEST_HEAD:
    case AW_REQUEST_BODY:
    case AW_REQUEST_READY:
    case AW_REQUEST_REFUSED:
        aw_request_detach(request);
        aw_request_move(request, AW_REQUEST_DEAD, &session->events);
        return;
    case AW_REQUEST_AWAY:
    case AW_REQUEST_STREAMING:
        aw_request_detach(request);
        aw_request_move(request, AW_REQUEST_GONE, &session->events);
        return;
    case AW_REQUEST_ANSWERING:
        aw_request_detach(request);
        aw_request_move(request, AW_REQUEST_FAILED, &session->events);
        return;
    case AW_REQUEST_LEAVING: /* its bytes are still on their way to the socket */
        return;
    case AW_REQUEST_GONE:
    case AW_REQUEST_FAILED:
    case AW_REQUEST_DEAD:
    case AW_REQUEST_STATES:
        break;
    }
    AW_UNREACHABLE();
}
