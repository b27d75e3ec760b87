/* deadlines.c - everything that time does to a connection: slow peers, idle ones, the drain in two GOAWAYs. */
#include "http/internal.h"

static void
earliest(aw_ns *in_out, aw_ns at)
{
    if (at < *in_out)
        *in_out = at;
}

/* Whether an answer in `sending` owes us progress: not a streaming one that has nothing to send. */
static bool
is_pending(const struct aw_request *request)
{
    return !request->_is_reset && (request->_state != AW_REQUEST_STREAMING || request->_out.len > 0);
}

static aw_ns
window_end(const struct aw_session *session, const struct aw_request *request)
{
    if (request->_is_framed)
        return aw_after(request->_window_at, session->edge->limits.early_reset_ms);
    /* One that was not begun begins at the next step, which is due: counted from the last input, a trickle would put it off. */
    return request->_window_at == 0 ? 0 : aw_after(request->_window_at, session->edge->limits.rate_window_ms);
}

static aw_ns
idle_at(const struct aw_session *session)
{
    const struct aw_http_limits *limits = &session->edge->limits;

    if (session->stream_count > 0 || session->drain != AW_DRAIN_NONE)
        return AW_NS_NEVER;
    return aw_after(session->idle_since, session->is_known ? limits->idle_known_ms : limits->idle_ms);
}

/* Whether a client waits for us in silence: for an answer, or for more of a streaming one. It moves no bytes by which it could be
 * judged, and is not idle either. */
static bool
has_waiting(const struct aw_session *session)
{
    if (!aw_list_is_empty(&session->away))
        return true;
    for (struct aw_list *at = session->sending.next; at != &session->sending; at = at->next) {
        if (!is_pending(AW_CONTAINER(at, struct aw_request, _link)))
            return true;
    }
    return false;
}

static aw_ns
ping_due_at(const struct aw_session *session)
{
    const struct aw_http_limits *limits = &session->edge->limits;

    if (session->ping_at != 0)
        return aw_after(session->ping_at, limits->ping_ack_ms);
    return has_waiting(session) ? aw_after(session->input_at, limits->quiet_ms) : AW_NS_NEVER;
}

aw_ns
aw_session_next_deadline(const struct aw_session *session)
{
    const struct aw_http_limits *limits = &session->edge->limits;
    aw_ns                        at = session->age_at;
    aw_ns                        frame = aw_meter_open_since(&session->meter);

    if (session->phase == AW_PHASE_OVER || session->phase == AW_PHASE_HTTP1 || session->is_broken)
        return AW_NS_NEVER; /* only the owner's deadlines count now */
    if (session->drain != AW_DRAIN_NONE)
        at = session->drain_at;
    if (!session->is_hello_done)
        earliest(&at, aw_after(session->config.accept_at, limits->hello_ms));
    else if (!session->is_settings_acked)
        earliest(&at, aw_after(session->settings_at, limits->settings_ack_ms));
    if (frame != 0)
        earliest(&at, aw_after(frame, limits->frame_ms));
    earliest(&at, idle_at(session));
    earliest(&at, ping_due_at(session));
    for (struct aw_list *link = session->receiving.next; link != &session->receiving; link = link->next) {
        const struct aw_request *request = AW_CONTAINER(link, struct aw_request, _link);

        if (request->_state != AW_REQUEST_HEAD) {
            earliest(&at, window_end(session, request));
            earliest(&at, aw_after(request->_began_at, limits->body_ms_max));
        }
    }
    for (struct aw_list *link = session->sending.next; link != &session->sending; link = link->next) {
        const struct aw_request *request = AW_CONTAINER(link, struct aw_request, _link);

        if (is_pending(request))
            earliest(&at, window_end(session, request));
    }
    return at;
}

/* The quota of a window is shared by the uploads of a connection, or an honest slow line with many of them would fail each. */
static void
step_receiving(struct aw_session *session)
{
    const struct aw_http_limits *limits = &session->edge->limits;
    uint32_t                     count = 0;
    struct aw_list              *next;

    for (struct aw_list *at = session->receiving.next; at != &session->receiving; at = at->next)
        count++;
    for (struct aw_list *at = session->receiving.next; at != &session->receiving; at = next) {
        struct aw_request *request = AW_CONTAINER(at, struct aw_request, _link);
        bool               is_late = session->now >= aw_after(request->_began_at, limits->body_ms_max);

        next = at->next;
        if (request->_state == AW_REQUEST_HEAD)
            continue; /* judged by the frame's own deadline */
        if (session->now < window_end(session, request) && !is_late)
            continue;
        AW_ASSERT(count > 0); /* this one was counted */
        if (request->_moved >= limits->rate_window_bytes / count && !is_late) {
            request->_window_at = session->now;
            request->_moved = 0;
        } else if (request->_state == AW_REQUEST_REFUSED) {
            aw_request_move(request, AW_REQUEST_REFUSED, &session->events); /* told now instead of at the end of its input */
        } else if (request->_withheld > 0 && !aw_session_is_short_of_room(session)) {
            /* One refused before it in this list has made room. */
            aw_request_give_window(request, false);
            request->_window_at = session->now;
        } else if (request->_withheld > 0) {
            aw_request_refuse(request, AW_E_OVERLOADED, AW_CAUSE_BODIES, "no room for the body came free in time");
            aw_request_move(request, AW_REQUEST_REFUSED, &session->events);
        } else {
            aw_request_refuse(request, AW_E_BODY_SLOW, AW_CAUSE_BODY_SLOW, "the body came too slowly");
        }
    }
}

/* Whether it is this stream's reader who does not read: its window is shut, or the connection's is and nothing else moved. A slow
 * line alone shows at the socket, which conn.c judges. */
static bool
is_unread(const struct aw_session *session, const struct aw_request *request)
{
    if (nghttp2_session_get_stream_remote_window_size(session->h2, request->_stream) <= 0)
        return true;
    return nghttp2_session_get_remote_window_size(session->h2) <= 0 &&
           session->answer_bytes < session->edge->limits.rate_window_bytes;
}

/* Ends a stream that has had its time: CANCEL when its reader does not read, NO_ERROR when it has its answer and only its body is
 * not wanted any more (RFC 9113 section 8.1). */
static void
reset(struct aw_session *session, struct aw_request *request, uint32_t code)
{
    if (code == NGHTTP2_CANCEL)
        session->edge->stats.causes[AW_CAUSE_ANSWER_SLOW]++;
    request->_is_reset = true;
    if (nghttp2_submit_rst_stream(session->h2, NGHTTP2_FLAG_NONE, request->_stream, code) != 0)
        aw_session_condemn(session, AW_CAUSE_MEMORY, NGHTTP2_INTERNAL_ERROR);
}

static void
step_sending(struct aw_session *session)
{
    const struct aw_http_limits *limits = &session->edge->limits;

    for (struct aw_list *at = session->sending.next; at != &session->sending; at = at->next) {
        struct aw_request *request = AW_CONTAINER(at, struct aw_request, _link);

        if (!is_pending(request))
            continue;
        if (request->_window_at == 0) {
            request->_window_at = session->now;
            request->_moved = 0;
            continue;
        }
        if (session->now < window_end(session, request))
            continue;
        if (request->_is_framed)
            reset(session, request, NGHTTP2_NO_ERROR);
        else if (request->_moved < limits->rate_window_bytes && is_unread(session, request))
            reset(session, request, NGHTTP2_CANCEL);
        request->_window_at = session->now;
        request->_moved = 0;
    }
    if (session->now >= aw_after(session->answer_window_at, limits->rate_window_ms)) {
        session->answer_window_at = session->now;
        session->answer_bytes = 0;
    }
}

static bool
submit_ping(struct aw_session *session, const char text[8])
{
    union {
        const char    *given;
        const uint8_t *taken;
    } opaque = {.given = text};

    return nghttp2_submit_ping(session->h2, NGHTTP2_FLAG_NONE, opaque.taken) == 0;
}

static void
step_ping(struct aw_session *session)
{
    if (session->now < ping_due_at(session))
        return;
    if (session->ping_at != 0) {
        aw_session_condemn(session, AW_CAUSE_PING, NGHTTP2_NO_ERROR);
        return;
    }
    /* Without memory the next step tries again. */
    if (submit_ping(session, AW_PING_ALIVE))
        session->ping_at = session->now;
}

/* Streams that a handler still has: it learns that nobody listens any more, the client that it may try again. */
static void
force_end(struct aw_session *session)
{
    struct aw_list *lists[] = {&session->away, &session->receiving};
    struct aw_list *link;

    for (size_t i = 0; i < AW_ARRAY_LEN(lists); i++) {
        while ((link = aw_list_first(lists[i])) != NULL) {
            struct aw_request *request = AW_CONTAINER(link, struct aw_request, _link);
            int32_t            stream = request->_stream;

            nghttp2_session_set_stream_user_data(session->h2, stream, NULL);
            aw_session_end_stream(session);
            aw_request_stream_closed(request);
            aw_answer_drained(session, stream, request->method == AW_HEAD);
        }
    }
}

void
aw_session_end_round(struct aw_session *session)
{
    AW_ASSERT(session->drain == AW_DRAIN_NOTICED);
    /* Everything that the peer sent before it read the first GOAWAY has arrived: the number is final. */
    if (nghttp2_submit_goaway(session->h2, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session->h2),
                              NGHTTP2_NO_ERROR, NULL, 0) != 0) {
        aw_session_condemn(session, AW_CAUSE_MEMORY, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    session->drain = AW_DRAIN_FINAL;
    session->drain_at = aw_after(session->now, session->edge->limits.drain_ms);
}

static void
step_drain(struct aw_session *session)
{
    const struct aw_http_limits *limits = &session->edge->limits;

    switch (session->drain) {
    case AW_DRAIN_NONE:
        return;
    case AW_DRAIN_NOTICED:
        if (session->now >= session->drain_at)
            aw_session_end_round(session); /* one that acknowledges is not waited for: aw_session_settle */
        return;
    case AW_DRAIN_FINAL:
        if (session->now < session->drain_at)
            return;
        force_end(session);
        session->drain = AW_DRAIN_FORCED;
        session->drain_at = aw_after(session->now, limits->linger_ms);
        return;
    case AW_DRAIN_FORCED:
        if (session->now >= session->drain_at)
            aw_session_condemn(session, AW_CAUSE_DRAIN, NGHTTP2_NO_ERROR);
        return;
    }
}

static void
step_connection(struct aw_session *session)
{
    const struct aw_http_limits *limits = &session->edge->limits;
    aw_ns                        frame = aw_meter_open_since(&session->meter);

    if (!session->is_hello_done && session->now >= aw_after(session->config.accept_at, limits->hello_ms))
        aw_session_condemn(session, AW_CAUSE_HELLO, NGHTTP2_SETTINGS_TIMEOUT);
    else if (session->is_hello_done && !session->is_settings_acked &&
             session->now >= aw_after(session->settings_at, limits->settings_ack_ms))
        aw_session_condemn(session, AW_CAUSE_SETTINGS, NGHTTP2_SETTINGS_TIMEOUT);
    if (frame != 0 && session->now >= aw_after(frame, limits->frame_ms))
        aw_session_condemn(session, AW_CAUSE_FRAME_SLOW, NGHTTP2_ENHANCE_YOUR_CALM);
    if (session->drain != AW_DRAIN_NONE)
        return;
    if (session->now >= idle_at(session)) {
        session->edge->stats.causes[AW_CAUSE_IDLE]++;
        aw_session_set_cause(session, AW_CAUSE_IDLE);
        aw_session_shutdown(session, session->now);
    } else if (session->now >= session->age_at || (limits->requests_max != 0 && session->request_count >= limits->requests_max)) {
        session->edge->stats.causes[AW_CAUSE_AGE]++;
        aw_session_set_cause(session, AW_CAUSE_AGE);
        aw_session_shutdown(session, session->now);
    }
}

void
aw_session_step(struct aw_session *session, aw_ns now)
{
    AW_ON(session->edge);
    session->now = now;
    if (session->phase == AW_PHASE_OVER || session->phase == AW_PHASE_HTTP1 || session->is_broken)
        return;
    session->is_inside = true;
    step_connection(session);
    step_receiving(session);
    step_sending(session);
    step_ping(session);
    step_drain(session);
    aw_session_settle(session);
    session->is_inside = false;
}

void
aw_session_shutdown(struct aw_session *session, aw_ns now)
{
    AW_ON(session->edge);
    session->now = now;
    if (session->drain != AW_DRAIN_NONE || session->phase == AW_PHASE_OVER || session->phase == AW_PHASE_HTTP1)
        return;
    if (session->cause == AW_CAUSE_NONE)
        session->edge->stats.causes[AW_CAUSE_DRAIN]++;
    aw_session_set_cause(session, AW_CAUSE_DRAIN);
    session->drain = AW_DRAIN_NOTICED;
    session->is_round_done = false;
    session->is_quiet_drain = session->stream_count == 0;
    session->drain_at = aw_after(now, session->edge->limits.goaway_round_ms);
    /* Without memory for the PING the round ends by its deadline. */
    if (nghttp2_submit_shutdown_notice(session->h2) != 0)
        aw_session_condemn(session, AW_CAUSE_MEMORY, NGHTTP2_INTERNAL_ERROR);
    else
        (void)submit_ping(session, AW_PING_DRAIN);
    aw_session_note_output(session);
}
