/* answer.c - answers on their way to the library: those of the handlers, and the layer's own refusals. */
#include "http/internal.h"

#include "base/text.h"
#include "proto/proto.h"

#include <stdlib.h>

/* :status, content-type, content-length, date, and what the handler adds. */
#define OWN_FIELDS 4

struct answer_head {
    nghttp2_nv fields[OWN_FIELDS + AW_HTTP_EXTRA_FIELDS_MAX];
    size_t     count;
    char       status[AW_DECIMAL_U64_CHARS];
    char       length[AW_DECIMAL_U64_CHARS];
};
AW_STATIC_ASSERT(AW_ARRAY_LEN(((struct aw_response *)0)->fields) == AW_HTTP_EXTRA_FIELDS_MAX, "one limit, two headers");

/* The library copies names and values on submission. */
static void
add_field(struct answer_head *head, struct aw_slice name, struct aw_slice value)
{
    union {
        const char *given;
        uint8_t    *taken;
    } n = {.given = name.ptr}, v = {.given = value.ptr};

    AW_ASSERT(head->count < AW_ARRAY_LEN(head->fields));
    head->fields[head->count++] = (nghttp2_nv){n.taken, v.taken, name.len, value.len, NGHTTP2_NV_FLAG_NONE};
}

static void
fill_head(struct answer_head *head, const struct aw_edge *edge, const struct aw_response *response, bool has_length)
{
    AW_ASSERT(response->status >= 200 && response->status <= AW_STATUS_MAX);
    AW_ASSERT(response->field_count <= AW_HTTP_EXTRA_FIELDS_MAX);
    head->count = 0;
    add_field(head, AW_SLICE(":status"), aw_slice_of(head->status, aw_decimal_u64(response->status, head->status)));
    if (response->content_type.len > 0)
        add_field(head, AW_SLICE("content-type"), response->content_type);
    /* RFC 9110 section 8.6: none with 204. */
    if (has_length && response->status != 204) {
        size_t len = aw_decimal_u64(response->body.len, head->length);

        add_field(head, AW_SLICE("content-length"), aw_slice_of(head->length, len));
    }
    if (edge->date[0] != '\0')
        add_field(head, AW_SLICE("date"), aw_slice_of(edge->date, AW_DATE_BYTES));
    for (size_t i = 0; i < response->field_count; i++)
        add_field(head, response->fields[i].name, response->fields[i].value);
}

static bool
has_no_content(const struct aw_request *request, unsigned status)
{
    return request->method == AW_HEAD || status == 204 || status == 304;
}

ssize_t
aw_answer_read(nghttp2_session *h2, int32_t stream, uint8_t *buf, size_t length, uint32_t *flags, nghttp2_data_source *source,
               void *user)
{
    struct aw_request *request = source->ptr;
    struct aw_edge    *edge = request->_edge;
    size_t             count = request->_out.len < length ? request->_out.len : length;

    (void)h2;
    (void)stream;
    (void)user;
    if (count > 0) {
        memcpy(buf, request->_out.ptr, count);
        request->_out.ptr += count;
        request->_out.len -= count;
    }
    if (request->_out.len == 0 && request->_out_buffer != NULL) {
        edge->mem.free(request->_out_buffer, edge->mem.mem_user_data);
        request->_out_buffer = NULL;
        request->_out_room = 0;
    }
    if (count > 0 && request->_out.len == 0 && request->_state == AW_REQUEST_STREAMING)
        aw_request_move(request, AW_REQUEST_STREAMING, &request->_session->events); /* settle() tells the handler */
    if (request->_out.len == 0 && request->_is_ended)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (count == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)count;
}

/* False without memory; then nothing was queued. */
static bool
submit(struct aw_request *request, const struct answer_head *head, bool has_data)
{
    struct aw_session    *session = request->_session;
    nghttp2_data_provider provider = {.source.ptr = request, .read_callback = aw_answer_read};

    request->_is_answered = true;
    request->_window_at = 0;
    request->_moved = 0;
    return nghttp2_submit_response(session->h2, request->_stream, head->fields, head->count, has_data ? &provider : NULL) == 0;
}

static void
unpark(struct aw_request *request)
{
    if (!request->_is_parked)
        return;
    request->_session->parked_count--;
    request->_edge->stats.parked_now--;
    request->_is_parked = false;
}

/* An answer to nobody. */
static void
fail_now(struct aw_request *request)
{
    const struct aw_handlers *handlers = &request->_edge->handlers;

    aw_request_move(request, AW_REQUEST_FAILED, NULL);
    request->_edge->stats.undelivered++;
    handlers->on_sent(handlers->user, request, false);
    aw_request_free(request);
}

/* The answer, or the rest of it, cannot be given: end the stream so that the client learns it. */
static void
fail_later(struct aw_request *request, enum aw_request_state state)
{
    struct aw_session *session = request->_session;

    if (nghttp2_submit_rst_stream(session->h2, NGHTTP2_FLAG_NONE, request->_stream, NGHTTP2_INTERNAL_ERROR) != 0)
        aw_session_condemn(session, AW_CAUSE_MEMORY, NGHTTP2_INTERNAL_ERROR);
    nghttp2_session_set_stream_user_data(session->h2, request->_stream, NULL);
    aw_session_end_stream(session);
    aw_request_detach(request);
    request->_stream = 0;
    aw_request_move(request, state, &session->events);
    aw_session_note_output(session);
}

void
aw_request_respond(struct aw_request *request, const struct aw_response *response)
{
    struct aw_session *session = request->_session;
    struct answer_head head;
    bool               has_data = response->body.len > 0 && !has_no_content(request, response->status);

    AW_ON(request->_edge);
    AW_ASSERT(request->_state == AW_REQUEST_AWAY || request->_state == AW_REQUEST_GONE);
    if (request->_state == AW_REQUEST_GONE) {
        fail_now(request);
        return;
    }
    fill_head(&head, request->_edge, response, true);
    unpark(request);
    request->_out = has_data ? response->body : (struct aw_slice){NULL, 0};
    request->_is_ended = true;
    aw_request_move(request, AW_REQUEST_ANSWERING, &session->sending);
    if (!submit(request, &head, has_data)) {
        fail_later(request, AW_REQUEST_FAILED);
        return;
    }
    aw_edge_count_answer(request->_edge, response->status);
    aw_session_note_output(session);
}

bool
aw_request_respond_begin(struct aw_request *request, const struct aw_response *response)
{
    struct answer_head head;

    AW_ON(request->_edge);
    AW_ASSERT(request->_state == AW_REQUEST_AWAY || request->_state == AW_REQUEST_GONE);
    AW_ASSERT(response->body.len == 0);
    if (request->_state == AW_REQUEST_GONE)
        return false;
    fill_head(&head, request->_edge, response, false);
    if (!submit(request, &head, true)) {
        fail_later(request, AW_REQUEST_GONE);
        return false;
    }
    aw_request_move(request, AW_REQUEST_STREAMING, &request->_session->sending);
    aw_edge_count_answer(request->_edge, response->status);
    aw_session_note_output(request->_session);
    return true;
}

/* Room for `more` bytes behind what waits. */
static bool
reserve_out(struct aw_request *request, size_t more)
{
    struct aw_edge *edge = request->_edge;
    size_t          need = request->_out.len + more;
    size_t          room = request->_out_room == 0 ? 1024 : request->_out_room;
    char           *ptr;

    if (need > edge->limits.stream_out_bytes_max)
        return false;
    if (request->_out.len > 0 && request->_out.ptr != request->_out_buffer)
        memmove(request->_out_buffer, request->_out.ptr, request->_out.len);
    request->_out.ptr = request->_out_buffer;
    if (need <= request->_out_room)
        return true;
    while (room < need)
        room *= 2;
    ptr = edge->mem.realloc(request->_out_buffer, room, edge->mem.mem_user_data);
    if (ptr == NULL)
        return false;
    request->_out_buffer = ptr;
    request->_out.ptr = ptr;
    request->_out_room = (uint32_t)room;
    return true;
}

/* What was deferred for want of bytes goes on. The error for a stream that was not deferred means that it goes on anyway. */
static void
resume(struct aw_request *request)
{
    struct aw_session *session = request->_session;

    if (nghttp2_session_resume_data(session->h2, request->_stream) == NGHTTP2_ERR_NOMEM)
        aw_session_condemn(session, AW_CAUSE_MEMORY, NGHTTP2_INTERNAL_ERROR);
    aw_session_note_output(session);
}

bool
aw_request_write(struct aw_request *request, struct aw_slice bytes)
{
    AW_ON(request->_edge);
    AW_ASSERT(request->_state == AW_REQUEST_STREAMING || request->_state == AW_REQUEST_GONE);
    if (request->_state == AW_REQUEST_GONE || !reserve_out(request, bytes.len))
        return false;
    if (bytes.len == 0)
        return true;
    if (request->_out.len == 0)
        request->_window_at = 0; /* an idle stream owes nothing: its rate counts from here */
    memcpy(request->_out_buffer + request->_out.len, bytes.ptr, bytes.len);
    request->_out.len += bytes.len;
    resume(request);
    return true;
}

size_t
aw_request_unsent(const struct aw_request *request)
{
    AW_ON(request->_edge);
    return request->_out.len;
}

void
aw_request_end(struct aw_request *request)
{
    AW_ON(request->_edge);
    AW_ASSERT(request->_state == AW_REQUEST_STREAMING || request->_state == AW_REQUEST_GONE);
    if (request->_state == AW_REQUEST_GONE) {
        fail_now(request);
        return;
    }
    request->_is_ended = true;
    unpark(request);
    aw_request_move(request, AW_REQUEST_ANSWERING, &request->_session->sending);
    resume(request);
}

void
aw_request_abort(struct aw_request *request)
{
    AW_ON(request->_edge);
    AW_ASSERT(request->_state == AW_REQUEST_STREAMING || request->_state == AW_REQUEST_GONE);
    if (request->_state == AW_REQUEST_GONE)
        fail_now(request);
    else
        fail_later(request, AW_REQUEST_FAILED);
}

void
aw_request_discard(struct aw_request *request)
{
    AW_ON(request->_edge);
    AW_ASSERT(request->_state == AW_REQUEST_GONE);
    aw_request_free(request);
}

bool
aw_request_is_gone(const struct aw_request *request)
{
    AW_ON(request->_edge);
    return request->_state == AW_REQUEST_GONE;
}

bool
aw_request_try_park(struct aw_request *request)
{
    struct aw_session *session = request->_session;
    struct aw_edge    *edge = request->_edge;

    AW_ON(edge);
    AW_ASSERT(request->_state == AW_REQUEST_AWAY || request->_state == AW_REQUEST_GONE);
    if (session == NULL || request->_is_parked)
        return true;
    if (session->parked_count >= edge->limits.streams_max / 2) {
        edge->stats.causes[AW_CAUSE_POLLS]++;
        return false;
    }
    session->parked_count++;
    edge->stats.parked_now++;
    request->_is_parked = true;
    return true;
}

void
aw_request_mark_known(struct aw_request *request)
{
    struct aw_session *session = request->_session;

    AW_ON(request->_edge);
    if (session == NULL || session->is_known)
        return;
    session->is_known = true;
    if (session->config.on_known != NULL)
        session->config.on_known(session->config.owner);
}

void
aw_request_mark_bulk(struct aw_request *request)
{
    AW_ON(request->_edge);
    if (request->_session == NULL || request->_is_bulk)
        return;
    request->_is_bulk = true;
    request->_session->bulk_count++;
}

/* RFC 9457. Without memory the status must speak for itself. */
static void
set_problem(struct aw_request *request, struct aw_response *response)
{
    struct aw_problem problem = {.err = request->_refused,
                                 .detail = aw_slice_str(request->_detail),
                                 .retry_after_s = aw_err_retry(request->_refused) == AW_RETRY_LATER};
    enum aw_media     media = aw_media_for_problem_to(request->accept, request->content_type);
    struct aw_buffer  text;
    struct aw_writer  writer;

    aw_buffer_init(&text, &request->arena);
    aw_writer_init(&writer, &text, media);
    aw_proto_write_problem(&writer, &problem);
    if (text.failed)
        return;
    response->body = aw_buffer_slice(&text);
    response->content_type = aw_media_type(media);
}

void
aw_answer_refused(struct aw_request *request)
{
    struct aw_session *session = request->_session;
    struct aw_response response = {.status = (uint16_t)aw_err_status(request->_refused)};
    struct answer_head head;
    bool               has_data;

    AW_ASSERT(request->_state == AW_REQUEST_REFUSED);
    set_problem(request, &response);
    if (request->_refused == AW_E_METHOD)
        response.fields[response.field_count++] =
            (struct aw_header_field){AW_SLICE("allow"), AW_SLICE("GET, HEAD, POST, PUT, PATCH, DELETE")};
    if (request->_refused == AW_E_UNAUTHORIZED)
        response.fields[response.field_count++] = (struct aw_header_field){AW_SLICE("www-authenticate"), AW_SLICE("Bearer")};
    if (aw_err_retry(request->_refused) == AW_RETRY_LATER)
        response.fields[response.field_count++] = (struct aw_header_field){AW_SLICE("retry-after"), AW_SLICE("1")};
    fill_head(&head, request->_edge, &response, true);
    has_data = response.body.len > 0 && !has_no_content(request, response.status);
    request->_out = has_data ? response.body : (struct aw_slice){NULL, 0};
    request->_is_ended = true;
    aw_request_move(request, AW_REQUEST_REFUSED, &session->sending);
    if (!submit(request, &head, has_data)) {
        fail_later(request, AW_REQUEST_DEAD);
        return;
    }
    aw_edge_count_answer(request->_edge, response.status);
}

void
aw_answer_continue(struct aw_request *request)
{
    struct aw_session *session = request->_session;
    struct answer_head head = {.count = 0};

    request->_expects = false;
    add_field(&head, AW_SLICE(":status"), AW_SLICE("100"));
    /* Without memory the client waits a second and sends its body anyway. */
    (void)nghttp2_submit_headers(session->h2, NGHTTP2_FLAG_NONE, request->_stream, NULL, head.fields, head.count, NULL);
}

#define DRAINED "{\"status\":503,\"type\":\"urn:aswolk:draining\",\"title\":\"the server is shutting down\",\"retry_after_s\":1}"

/* Nobody owns this answer: its position lies in the library's own place for a descriptor. */
static ssize_t
read_drained(nghttp2_session *h2, int32_t stream, uint8_t *buf, size_t length, uint32_t *flags, nghttp2_data_source *source,
             void *user)
{
    struct aw_slice left = aw_slice_of(&DRAINED[source->fd], sizeof(DRAINED) - 1 - (size_t)source->fd);
    size_t          count = left.len < length ? left.len : length;

    (void)h2;
    (void)stream;
    (void)user;
    memcpy(buf, left.ptr, count);
    source->fd += (int)count;
    if (count == left.len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

void
aw_answer_drained(struct aw_session *session, int32_t stream, bool is_head)
{
    struct aw_response    response = {.status = (uint16_t)aw_err_status(AW_E_DRAINING),
                                      .content_type = aw_media_type(AW_MEDIA_PROBLEM_JSON),
                                      .body = AW_SLICE(DRAINED),
                                      .field_count = 1};
    nghttp2_data_provider provider = {.source.fd = 0, .read_callback = read_drained};
    struct answer_head    head;

    response.fields[0] = (struct aw_header_field){AW_SLICE("retry-after"), AW_SLICE("1")};
    fill_head(&head, session->edge, &response, true);
    if (nghttp2_submit_response(session->h2, stream, head.fields, head.count, is_head ? NULL : &provider) == 0)
        aw_edge_count_answer(session->edge, response.status);
}
