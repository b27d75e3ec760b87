/* events.c - callbacks of the library. They note what happened; settle() in session.c acts on it.
 *
 * Not set, on purpose: on_invalid_header. Unset means that the library resets the stream; a callback that returns 0 would let the
 * bad field be dropped in silence. A callback must not free the session, and none of these does.
 */
#include "http/internal.h"

static struct aw_request *
find_request(struct aw_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session->h2, stream);
}

static int
on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct aw_session *session = user;
    struct aw_request *request;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    request = aw_request_new(session, frame->hd.stream_id);
    if (request == NULL) {
        /* Nobody has looked at it, so the client may safely send it again: REFUSED_STREAM says that (RFC 9113 section 8.7). */
        session->edge->stats.causes[AW_CAUSE_MEMORY]++;
        return nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM) == 0
                   ? 0
                   : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, request);
    return 0;
}

static int
on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
          size_t value_len, uint8_t flags, void *user)
{
    struct aw_session *session = user;
    struct aw_request *request = find_request(session, frame->hd.stream_id);
    bool               is_trailer = frame->headers.cat != NGHTTP2_HCAT_REQUEST;

    (void)h2;
    (void)flags;
    if (request == NULL)
        return 0;
    if (aw_request_add_field(request, aw_slice_of(name, name_len), aw_slice_of(value, value_len), is_trailer))
        return 0;
    /* Resets the stream and skips the rest of the block without a callback for each field. */
    session->edge->stats.causes[AW_CAUSE_HEADERS]++;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int
on_data_chunk(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *user)
{
    struct aw_session *session = user;
    struct aw_request *request = find_request(session, stream);

    (void)flags;
    /* Always and at once, whatever becomes of the stream: the connection's window belongs to all of them. */
    if (nghttp2_session_consume_connection(h2, len) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (request != NULL)
        aw_request_add_body(request, aw_slice_of(data, len));
    return 0;
}

static void
note_settings(struct aw_session *session, const nghttp2_frame *frame)
{
    if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
        session->is_settings_acked = true;
    else if (!session->is_hello_done) {
        session->is_hello_done = true;
        session->idle_since = session->now;
    }
}

static void
note_input_frame(struct aw_session *session, const nghttp2_frame *frame)
{
    struct aw_request *request = find_request(session, frame->hd.stream_id);
    bool               is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    if (request == NULL)
        return;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        request->_is_input_done = is_end;
        aw_request_end_head(request);
    }
    if (frame->hd.type == NGHTTP2_DATA && !is_end && frame->hd.length <= frame->data.padlen)
        aw_session_charge_glitch(session, 1); /* carries nothing and ends nothing */
    if (is_end)
        aw_request_end_input(request);
}

static int
on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct aw_session *session = user;

    (void)h2;
    if (frame->hd.type == NGHTTP2_SETTINGS) {
        note_settings(session, frame);
    } else if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        /* Anything else is an ack of what we did not send; it is weighed as a frame and means nothing. */
        if (memcmp(frame->ping.opaque_data, AW_PING_ALIVE, sizeof(frame->ping.opaque_data)) == 0)
            session->ping_at = 0;
        else if (memcmp(frame->ping.opaque_data, AW_PING_DRAIN, sizeof(frame->ping.opaque_data)) == 0)
            session->is_round_done = true;
    } else if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
        note_input_frame(session, frame);
    }
    return 0;
}

/* The last byte of an answer is framed, and will have left when the output so far has. */
static void
note_answer_end(struct aw_session *session, struct aw_request *request)
{
    if (request->_state == AW_REQUEST_ANSWERING) {
        aw_request_move(request, AW_REQUEST_LEAVING, &session->leaving);
    } else if (!request->_is_input_done) {
        request->_is_framed = true; /* an early answer: a reset follows if the client does not end by itself */
        request->_window_at = session->now;
    }
}

static int
on_frame_send(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct aw_session *session = user;
    struct aw_request *request;

    (void)h2;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        aw_session_charge_glitch(session, 1); /* most faults of a stream end here, whoever provoked them (CVE-2025-8671) */
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR && session->verdict == AW_CAUSE_NONE) {
            session->edge->stats.causes[AW_CAUSE_PROTOCOL]++; /* the library's own verdict */
            aw_session_set_cause(session, AW_CAUSE_PROTOCOL);
        }
    } else if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
        aw_bucket_earn(&session->controls, 3, session->now);
        session->answer_bytes += frame->hd.length;
        request = find_request(session, frame->hd.stream_id);
        if (request != NULL) {
            request->_moved += (uint32_t)frame->hd.length;
            if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
                note_answer_end(session, request);
        }
    }
    return 0;
}

static int
on_stream_close(nghttp2_session *h2, int32_t stream, uint32_t code, void *user)
{
    struct aw_session *session = user;
    struct aw_request *request = find_request(session, stream);

    (void)h2;
    (void)code;
    if (request == NULL)
        return 0;
    aw_session_end_stream(session);
    aw_request_stream_closed(request);
    return 0;
}

void
aw_events_install(nghttp2_session_callbacks *callbacks)
{
    AW_ASSERT(callbacks != NULL);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
