/* session.c - HTTP/2 by nghttp2: callbacks note what happened, nothing is sent or told from inside them. */
#include "client/internal.h"

#include "port/clock.h"

#include <stdlib.h>
#include <string.h>

#define STREAM_WINDOW (1 << 20)
#define TRUNK_WINDOW  (16 << 20)

/* Frames and fields of one stream come in runs: the last one found saves most searches. */
static struct aw_exchange *
exchange_of(struct aw_trunk *trunk, int32_t stream_id)
{
    struct aw_exchange *exchange = trunk->recent;

    if (exchange != NULL && exchange->stream_id == stream_id)
        return exchange;
    exchange = nghttp2_session_get_stream_user_data(trunk->session, stream_id);
    trunk->recent = exchange;
    return exchange;
}

/* Too much of an answer: the stream goes, the connection stays. */
static void
refuse_answer(nghttp2_session *session, struct aw_exchange *exchange, const char *why)
{
    aw_exchange_end(exchange, AW_EXCHANGE_TOO_LARGE, why);
    (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, exchange->stream_id, NGHTTP2_CANCEL);
}

static unsigned
status_of(nghttp2_vec value)
{
    /* Three digits: nghttp2 checked (RFC 9110 section 15). */
    return value.len != 3
               ? 0
               : (unsigned)(value.base[0] - '0') * 100 + (unsigned)(value.base[1] - '0') * 10 + (unsigned)(value.base[2] - '0');
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags,
          void *user)
{
    struct aw_exchange *exchange = exchange_of(user, frame->hd.stream_id);
    nghttp2_vec         name_text = nghttp2_rcbuf_get_buf(name);
    nghttp2_vec         value_text = nghttp2_rcbuf_get_buf(value);
    uint32_t            at;

    (void)flags;
    if (exchange == NULL || exchange->state != EXCHANGE_OPEN)
        return 0;
    if (name_text.len == 7 && name_text.base[0] == ':') { /* ":status", the only one in answers */
        aw_exchange_forget_answer(exchange);              /* of a 1xx before */
        exchange->result.status = status_of(value_text);
        return 0;
    }
    exchange->field_bytes += (uint32_t)(name_text.len + value_text.len + 32);
    if (exchange->result.field_count == AW_ANSWER_FIELDS_MAX || exchange->field_bytes > AW_ANSWER_FIELD_BYTES_MAX) {
        refuse_answer(session, exchange, "the answer has too many header fields");
        return 0;
    }
    at = exchange->result.field_count++;
    nghttp2_rcbuf_incref(name);
    nghttp2_rcbuf_incref(value);
    exchange->field_bufs[2 * at] = name;
    exchange->field_bufs[2 * at + 1] = value;
    exchange->fields[at] = (struct aw_exchange_field){.name = aw_slice_of(name_text.base, name_text.len),
                                                      .value = aw_slice_of(value_text.base, value_text.len)};
    return 0;
}

static bool
body_make_room(struct aw_exchange *exchange, size_t more)
{
    size_t room = exchange->body_room < 512 ? 512 : exchange->body_room;
    char  *larger;

    while (room - exchange->body_len < more)
        room *= 2; /* answer_bytes_max bounds it */
    if (room == exchange->body_room)
        return true;
    larger = realloc(exchange->body_ptr, room);
    if (larger == NULL)
        return false;
    exchange->body_ptr = larger;
    exchange->body_room = room;
    return true;
}

/* From now on, whatever was before. */
static void
begin_timeout(struct aw_exchange *exchange)
{
    aw_ns now;

    if (exchange->timeout == 0)
        return;
    now = aw_clock_mono();
    exchange->deadline = now + exchange->timeout;
    aw_list_remove(&exchange->in_wheel);
    aw_client_watch_deadline(exchange, now);
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes, size_t len, void *user)
{
    struct aw_exchange *exchange = exchange_of(user, stream_id);
    struct aw_trunk    *trunk = user;

    (void)flags;
    if (exchange == NULL || exchange->state != EXCHANGE_OPEN)
        return 0;
    if (exchange->on_piece != NULL && exchange->result.status / 100 == 2) {
        exchange->on_piece(exchange->piece_user, aw_slice_of(bytes, len));
        begin_timeout(exchange);
        return 0;
    }
    if (len > trunk->client->answer_bytes_max - exchange->body_len) {
        refuse_answer(session, exchange, "the answer is larger than the limit");
        return 0;
    }
    if (!body_make_room(exchange, len)) {
        refuse_answer(session, exchange, "no memory for the answer");
        return 0;
    }
    memcpy(exchange->body_ptr + exchange->body_len, bytes, len);
    exchange->body_len += len;
    return 0;
}

static void
note_goaway(struct aw_trunk *trunk, const nghttp2_goaway *goaway)
{
    trunk->saw_goaway = true;
    (void)aw_why(&trunk->why, AW_E_CLOSED, "%s is closing the connection (%s%s%.*s)", trunk->url.authority,
                 nghttp2_http2_strerror(goaway->error_code), goaway->opaque_data_len > 0 ? ": " : "",
                 goaway->opaque_data_len > 200 ? 200 : (int)goaway->opaque_data_len, (const char *)goaway->opaque_data);
}

static int
on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct aw_trunk    *trunk = user;
    struct aw_exchange *exchange;

    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        note_goaway(trunk, &frame->goaway);
    if (frame->hd.type == NGHTTP2_SETTINGS)
        trunk->saw_settings = true;
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    exchange = exchange_of(user, frame->hd.stream_id);
    if (exchange != NULL)
        exchange->over = true;
    return 0;
}

static int
on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct aw_exchange *exchange;

    (void)session;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    exchange = exchange_of(user, frame->hd.stream_id);
    if (exchange != NULL)
        exchange->sent = true;
    return 0;
}

/* A request that could not be begun: after GOAWAY, or with stream numbers used up. The stream is closed next. */
static int
on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int code, void *user)
{
    struct aw_exchange *exchange;

    (void)session;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    exchange = exchange_of(user, frame->hd.stream_id);
    if (exchange != NULL)
        aw_exchange_end(exchange, AW_EXCHANGE_UNPROCESSED, nghttp2_strerror(code));
    return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user)
{
    struct aw_exchange *exchange = exchange_of(user, stream_id);

    (void)session;
    if (exchange == NULL)
        return 0;
    /* A whole answer counts, however the stream ended: a server may answer early and reset what is left of the request. */
    if (exchange->over && exchange->result.status >= 200)
        aw_exchange_end(exchange, AW_EXCHANGE_ANSWERED, "");
    else if (code == NGHTTP2_REFUSED_STREAM)
        aw_exchange_end(exchange, AW_EXCHANGE_UNPROCESSED, "the server did not take the request");
    else
        aw_exchange_end(exchange, AW_EXCHANGE_RESET, nghttp2_http2_strerror(code));
    aw_exchange_let_go(exchange);
    return 0;
}

static ssize_t
read_body(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t room, uint32_t *flags, nghttp2_data_source *source,
          void *user)
{
    struct aw_exchange *exchange = source->ptr;
    size_t              len = exchange->body.len < room ? exchange->body.len : room;

    (void)session;
    (void)stream_id;
    (void)user;
    if (exchange->state != EXCHANGE_OPEN) /* its owner took the body back; RST_STREAM is on its way */
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    memcpy(to, exchange->body.ptr, len);
    exchange->body = aw_slice_of(exchange->body.ptr + len, exchange->body.len - len);
    if (exchange->body.len == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

bool
aw_client_session_callbacks_new(struct aw_client *client)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&client->callbacks) != 0 || nghttp2_option_new(&client->options) != 0)
        return false;
    callbacks = client->callbacks;
    /* No request leaves before the server's SETTINGS said how many it takes. */
    nghttp2_option_set_peer_max_concurrent_streams(client->options, 0);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    return true;
}

void
aw_client_session_callbacks_free(struct aw_client *client)
{
    nghttp2_session_callbacks_del(client->callbacks);
    nghttp2_option_del(client->options);
}

bool
aw_client_session_new(struct aw_trunk *trunk)
{
    static const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW}};
    struct aw_client                   *client = trunk->client;

    return nghttp2_session_client_new3(&trunk->session, client->callbacks, trunk, client->options, &client->memory) == 0 &&
           nghttp2_submit_settings(trunk->session, NGHTTP2_FLAG_NONE, settings, AW_ARRAY_LEN(settings)) == 0 &&
           nghttp2_session_set_local_window_size(trunk->session, NGHTTP2_FLAG_NONE, 0, TRUNK_WINDOW) == 0;
}

bool
aw_client_session_read(struct aw_trunk *trunk, const char *bytes, size_t len)
{
    ssize_t n = nghttp2_session_mem_recv(trunk->session, (const uint8_t *)bytes, len);

    if (n < 0) {
        (void)aw_why(&trunk->why, AW_E_PROTOCOL, "%s does not speak HTTP/2 as it should: %s", trunk->url.authority,
                     nghttp2_strerror((int)n));
        return false;
    }
    AW_ASSERT((size_t)n == len); /* no callback of ours pauses */
    return true;
}

/* --- submitting ----------------------------------------------------------------------------------------------------------- */

static nghttp2_nv
field_nv(struct aw_slice name, struct aw_slice value, uint8_t flags)
{
    /* nghttp2 only reads; its struct has no const. */
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len, value.len, flags};
}

static size_t
request_fields(const struct aw_trunk *trunk, const struct aw_exchange_request *request, nghttp2_nv *fields)
{
    const uint8_t   ours = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE; /* literals and the trunk's own */
    struct aw_slice scheme = trunk->url.tls ? AW_SLICE("https") : AW_SLICE("http");
    size_t          count = 0;

    fields[count++] = field_nv(AW_SLICE(":method"), request->method, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    fields[count++] = field_nv(AW_SLICE(":scheme"), scheme, ours);
    fields[count++] = field_nv(AW_SLICE(":authority"), aw_slice_str(trunk->url.authority), ours);
    fields[count++] = field_nv(AW_SLICE(":path"), request->path, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    if (trunk->client->bearer[0] != '\0')
        fields[count++] =
            field_nv(AW_SLICE("authorization"), aw_slice_str(trunk->client->bearer), ours | NGHTTP2_NV_FLAG_NO_INDEX);
    for (uint32_t i = 0; i < request->field_count; i++) {
        const struct aw_exchange_field *field = &request->fields[i];

        fields[count++] = field_nv(field->name, field->value, field->secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
    }
    return count;
}

struct aw_exchange *
aw_exchange_submit(struct aw_trunk *trunk, const struct aw_exchange_request *request, aw_exchange_done *done, void *user)
{
    nghttp2_nv            fields[5 + AW_EXCHANGE_FIELDS_MAX];
    struct aw_exchange   *exchange;
    nghttp2_data_provider provider;

    AW_ASSERT(request->field_count <= AW_EXCHANGE_FIELDS_MAX);
    AW_ASSERT(request->path.len > 0);
    AW_ASSERT(done != NULL);
    if (trunk->state != AW_TRUNK_CONNECTING && trunk->state != AW_TRUNK_OPEN)
        return NULL;
    exchange = aw_exchange_take(trunk);
    if (exchange == NULL)
        return NULL;
    exchange->done = done;
    exchange->user = user;
    exchange->on_piece = request->on_piece;
    exchange->piece_user = request->piece_user;
    exchange->body = request->body;
    provider = (nghttp2_data_provider){.source.ptr = exchange, .read_callback = read_body};
    exchange->stream_id = nghttp2_submit_request(trunk->session, NULL, fields, request_fields(trunk, request, fields),
                                                 request->body.len > 0 ? &provider : NULL, exchange);
    if (exchange->stream_id < 0) {
        if (exchange->stream_id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE)
            aw_trunk_drain(trunk, "its stream numbers are used up");
        exchange->stream_id = 0;
        aw_exchange_undo(exchange);
        return NULL;
    }
    exchange->timeout = request->timeout;
    begin_timeout(exchange);
    aw_client_dirty(trunk);
    return exchange;
}
