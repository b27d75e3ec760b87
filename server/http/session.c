/* session.c - bytes, phases, deadlines and the drain of one connection; tells the handlers what the callbacks noted. */
#include "http/internal.h"

#include <stdlib.h>

/* RFC 9113 section 3.4. */
#define PREFACE       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_BYTES (sizeof(PREFACE) - 1)
#define HTTP1_MARK    " HTTP/1."

/* Weights: limits.h. */
#define GLITCH_CLOSED_HEADERS 5
#define CONTROL_SETTINGS      10
#define CONTROL_TINY_DATA     64
#define GRACE_PERCENT         75

#define HTTP1_BODY                                                                                                               \
    "This port speaks HTTP/2 only (RFC 9113), without an upgrade from HTTP/1.1.\n"                                               \
    "\n"                                                                                                                         \
    "curl without TLS:  curl --http2-prior-knowledge http://HOST:PORT/healthz\n"                                                 \
    "curl with TLS:     curl --http2 https://HOST:TLS_PORT/healthz\n"                                                            \
    "nghttp:            nghttp http://HOST:PORT/healthz\n"                                                                       \
    "Browsers and Prometheus speak HTTP/2 only over TLS: use the TLS port.\n"
#define HTTP1_HEAD                                                                                                               \
    "HTTP/1.1 505 HTTP Version Not Supported\r\n"                                                                                \
    "content-type: text/plain; charset=utf-8\r\n"                                                                                \
    "content-length: 332\r\n"                                                                                                    \
    "connection: close\r\n"                                                                                                      \
    "\r\n"
AW_STATIC_ASSERT(sizeof(HTTP1_BODY) - 1 == 332, "content-length of the 505 answer");

/* Start and end ----------------------------------------------------------------------------------------------------------------*/

static bool
submit_first_frames(struct aw_session *session)
{
    const struct aw_http_limits *limits = &session->edge->limits;
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_bytes_max},
    };

    return nghttp2_submit_settings(session->h2, NGHTTP2_FLAG_NONE, entries, AW_ARRAY_LEN(entries)) == 0 &&
           nghttp2_session_set_local_window_size(session->h2, NGHTTP2_FLAG_NONE, 0, (int32_t)limits->connection_window_bytes) ==
               0;
}

static aw_ns
choose_age(struct aw_edge *edge, aw_ns now)
{
    uint64_t age = edge->limits.age_ms * AW_NS_PER_MS;
    uint64_t spread = age / 100 * edge->limits.jitter_percent;

    if (age == 0)
        return AW_NS_NEVER;
    return now + age - spread + aw_edge_random(edge, 2 * spread + 1);
}

enum aw_err
aw_session_new(struct aw_session **ret_session, const struct aw_session_config *config)
{
    struct aw_edge    *edge = config->edge;
    struct aw_session *session;

    AW_ON(edge);
    session = edge->mem.calloc(1, sizeof(*session), edge->mem.mem_user_data);
    if (session == NULL)
        return AW_E_MEMORY;
    session->config = *config;
    session->edge = edge;
    session->now = session->input_at = session->idle_since = session->settings_at = config->accept_at;
    session->age_at = choose_age(edge, config->accept_at);
    aw_bucket_init(&session->resets, edge->limits.resets_burst_max, edge->limits.resets_per_s);
    aw_bucket_init(&session->glitches, edge->limits.glitches_burst_max, edge->limits.glitches_per_s);
    aw_bucket_init(&session->controls, edge->limits.controls_burst_max, edge->limits.controls_per_s);
    aw_list_init(&session->receiving);
    aw_list_init(&session->events);
    aw_list_init(&session->away);
    aw_list_init(&session->sending);
    aw_list_init(&session->leaving);
    if (nghttp2_session_server_new3(&session->h2, edge->callbacks, session, edge->options, &edge->mem) != 0) {
        edge->mem.free(session, edge->mem.mem_user_data);
        return AW_E_MEMORY;
    }
    edge->stats.sessions_now++;
    if (!submit_first_frames(session)) {
        aw_session_free(&session);
        return AW_E_MEMORY;
    }
    *ret_session = session;
    return AW_OK;
}

/* A handler's request whose stream is gone. */
static void
tell_gone(struct aw_session *session, struct aw_request *request)
{
    const struct aw_handlers *handlers = &session->edge->handlers;

    aw_request_move(request, AW_REQUEST_GONE, NULL);
    handlers->on_gone(handlers->user, request);
}

/* An answered request comes to its end. */
static void
tell_sent(struct aw_session *session, struct aw_request *request, bool delivered)
{
    const struct aw_handlers *handlers = &session->edge->handlers;

    aw_list_remove(&request->_link);
    if (!delivered)
        session->edge->stats.undelivered++;
    handlers->on_sent(handlers->user, request, delivered);
    aw_request_free(request);
}

/* Ends one request with its connection. */
static void
end_request(struct aw_session *session, struct aw_request *request)
{
    aw_request_detach(request);
    switch (request->_state) {
    case AW_REQUEST_AWAY:
    case AW_REQUEST_STREAMING:
    case AW_REQUEST_GONE:
        tell_gone(session, request);
        return;
    case AW_REQUEST_ANSWERING:
    case AW_REQUEST_LEAVING:
    case AW_REQUEST_FAILED:
        tell_sent(session, request, false);
        return;
    case AW_REQUEST_HEAD:
    case AW_REQUEST_BODY:
    case AW_REQUEST_READY:
    case AW_REQUEST_REFUSED:
    case AW_REQUEST_DEAD:
        aw_request_free(request);
        return;
    case AW_REQUEST_STATES:
        break;
    }
    AW_UNREACHABLE();
}

void
aw_session_free(struct aw_session **ptr)
{
    struct aw_session *session = *ptr;
    struct aw_edge    *edge;

    if (session == NULL)
        return;
    edge = session->edge;
    AW_ON(edge);
    session->is_inside = true;
    /* A handler may answer other requests meanwhile, which moves them from list to list: until all are empty. */
    for (;;) {
        struct aw_list *lists[] = {&session->events, &session->leaving, &session->sending, &session->away, &session->receiving};
        struct aw_list *link = NULL;

        for (size_t i = 0; link == NULL && i < AW_ARRAY_LEN(lists); i++)
            link = aw_list_first(lists[i]);
        if (link == NULL)
            break;
        end_request(session, AW_CONTAINER(link, struct aw_request, _link));
    }
    AW_ASSERT(session->bodies_bytes == 0);
    AW_ASSERT(session->withheld_bytes == 0);
    AW_ASSERT(session->parked_count == 0);
    nghttp2_session_del(session->h2);
    edge->stats.sessions_now--;
    edge->mem.free(session, edge->mem.mem_user_data);
    *ptr = NULL;
}

/* Verdicts ---------------------------------------------------------------------------------------------------------------------*/

void
aw_session_condemn(struct aw_session *session, enum aw_cause cause, uint32_t code)
{
    if (session->verdict != AW_CAUSE_NONE)
        return;
    session->verdict = cause;
    session->verdict_code = code;
}

void
aw_session_set_cause(struct aw_session *session, enum aw_cause cause)
{
    if (session->cause != AW_CAUSE_NONE)
        return;
    session->cause = cause;
}

/* Says GOAWAY with the verdict and stops to listen. Not from inside a callback. */
static void
execute_verdict(struct aw_session *session)
{
    if (session->verdict == AW_CAUSE_NONE || session->phase == AW_PHASE_OVER || session->phase == AW_PHASE_HTTP1)
        return;
    if (session->cause != session->verdict)
        session->edge->stats.causes[session->verdict]++;
    aw_session_set_cause(session, session->verdict);
    session->phase = AW_PHASE_OVER;
    if (nghttp2_session_terminate_session(session->h2, session->verdict_code) != 0)
        session->is_broken = true;
}

void
aw_session_charge_glitch(struct aw_session *session, uint32_t units)
{
    uint32_t percent = aw_bucket_charge(&session->glitches, units, session->now);

    if (percent > 100)
        aw_session_condemn(session, AW_CAUSE_GLITCH, NGHTTP2_ENHANCE_YOUR_CALM);
    else if (percent >= GRACE_PERCENT)
        session->is_graceful = true; /* a client that merely gives up a lot reconnects without losing what is under way */
}

void
aw_session_charge_control(struct aw_session *session, uint32_t units)
{
    if (aw_bucket_charge(&session->controls, units, session->now) > 100)
        aw_session_condemn(session, AW_CAUSE_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM);
}

void
aw_session_end_stream(struct aw_session *session)
{
    AW_ASSERT(session->stream_count > 0);
    session->stream_count--;
    if (session->stream_count == 0)
        session->idle_since = session->now;
}

void
aw_session_note_output(struct aw_session *session)
{
    if (!session->is_inside && session->config.on_output != NULL)
        session->config.on_output(session->config.owner);
}

/* Settling: what callbacks noted reaches the handlers --------------------------------------------------------------------------*/

static void
deliver(struct aw_session *session, struct aw_request *request)
{
    const struct aw_handlers *handlers = &session->edge->handlers;

    switch (request->_state) {
    case AW_REQUEST_READY:
        aw_request_move(request, AW_REQUEST_AWAY, &session->away);
        session->edge->stats.requests++;
        session->request_count++;
        handlers->on_request(handlers->user, request);
        return;
    case AW_REQUEST_BODY:
        aw_request_move(request, AW_REQUEST_BODY, &session->receiving);
        aw_answer_continue(request);
        return;
    case AW_REQUEST_REFUSED:
        aw_answer_refused(request);
        return;
    case AW_REQUEST_GONE:
        tell_gone(session, request);
        return;
    case AW_REQUEST_FAILED:
        tell_sent(session, request, false);
        return;
    case AW_REQUEST_DEAD:
        aw_request_free(request);
        return;
    case AW_REQUEST_STREAMING:
        aw_request_move(request, AW_REQUEST_STREAMING, &session->sending);
        if (handlers->on_drained != NULL && request->_out.len == 0) /* else more was written since */
            handlers->on_drained(handlers->user, request);
        return;
    case AW_REQUEST_HEAD:
    case AW_REQUEST_AWAY:
    case AW_REQUEST_ANSWERING:
    case AW_REQUEST_LEAVING:
    case AW_REQUEST_STATES:
        break;
    }
    AW_UNREACHABLE();
}

static void
give_windows(struct aw_session *session)
{
    if (session->withheld_bytes == 0 || aw_session_is_short_of_room(session))
        return;
    for (struct aw_list *at = session->receiving.next; at != &session->receiving; at = at->next)
        aw_request_give_window(AW_CONTAINER(at, struct aw_request, _link), false);
}

void
aw_session_settle(struct aw_session *session)
{
    struct aw_list *link;

    AW_ASSERT(session->is_inside);
    execute_verdict(session);
    while ((link = aw_list_first(&session->events)) != NULL)
        deliver(session, AW_CONTAINER(link, struct aw_request, _link));
    if (session->is_round_done && session->drain == AW_DRAIN_NOTICED && session->verdict == AW_CAUSE_NONE)
        aw_session_end_round(session);
    execute_verdict(session); /* delivering may have run out of memory */
    give_windows(session);
    if (session->is_graceful && session->drain == AW_DRAIN_NONE) {
        session->edge->stats.causes[AW_CAUSE_GLITCH]++;
        aw_session_set_cause(session, AW_CAUSE_GLITCH);
        aw_session_shutdown(session, session->now);
    }
}

/* Input ------------------------------------------------------------------------------------------------------------------------*/

/* A negative result of the library ends the connection; some of them without a GOAWAY, so we say one. */
static void
condemn_by_library(struct aw_session *session, int error)
{
    if (error == NGHTTP2_ERR_FLOODED)
        aw_session_condemn(session, AW_CAUSE_OUTBOUND, NGHTTP2_ENHANCE_YOUR_CALM);
    else if (error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
        aw_session_condemn(session, AW_CAUSE_CONTINUATION, NGHTTP2_ENHANCE_YOUR_CALM);
    else if (error == NGHTTP2_ERR_NOMEM || error == NGHTTP2_ERR_CALLBACK_FAILURE)
        aw_session_condemn(session, AW_CAUSE_MEMORY, NGHTTP2_INTERNAL_ERROR);
    else
        aw_session_condemn(session, AW_CAUSE_PROTOCOL, NGHTTP2_PROTOCOL_ERROR);
}

static void
note_stream_number(struct aw_session *session, uint32_t stream)
{
    session->highest_stream = stream;
    session->numbers[session->number_count % AW_HTTP_STREAM_NUMBERS] = stream;
    session->number_count++;
}

/* HEADERS on a number at or below the highest that is not open: was it closed, or never opened? The library ignores both, RFC 9113
 * section 5.1.1 makes the second an error of the connection. Numbers older than the ring count as closed. */
static void
judge_old_number(struct aw_session *session, uint32_t stream)
{
    uint32_t held = session->number_count < AW_HTTP_STREAM_NUMBERS ? session->number_count : AW_HTTP_STREAM_NUMBERS;
    uint32_t oldest = UINT32_MAX;

    for (uint32_t i = 0; i < held; i++) {
        if (session->numbers[i] == stream) {
            aw_session_charge_glitch(session, GLITCH_CLOSED_HEADERS);
            return;
        }
        if (session->numbers[i] < oldest)
            oldest = session->numbers[i];
    }
    if (stream > oldest || session->number_count <= AW_HTTP_STREAM_NUMBERS)
        aw_session_condemn(session, AW_CAUSE_PROTOCOL, NGHTTP2_PROTOCOL_ERROR);
    else
        aw_session_charge_glitch(session, GLITCH_CLOSED_HEADERS);
}

static bool
is_open(struct aw_session *session, uint32_t stream)
{
    return nghttp2_session_get_stream_user_data(session->h2, (int32_t)stream) != NULL;
}

/* Weighs one frame by its head, before the library sees it. */
static void
judge_frame(struct aw_session *session)
{
    const struct aw_frame_head *head = &session->meter.head;

    /* RFC 9113 section 4.2: no room for what its flags promise. The library would call it a PROTOCOL_ERROR. */
    if ((head->type == NGHTTP2_DATA || head->type == NGHTTP2_HEADERS) && (head->flags & NGHTTP2_FLAG_PADDED) != 0 &&
        head->length == 0) {
        aw_session_condemn(session, AW_CAUSE_PROTOCOL, NGHTTP2_FRAME_SIZE_ERROR);
        return;
    }
    switch (head->type) {
    case NGHTTP2_HEADERS:
        if (head->stream % 2 == 0)
            aw_session_charge_control(session, 1); /* no client may open it: the library ends the connection */
        else if (head->stream > session->highest_stream)
            note_stream_number(session, head->stream);
        else if (!is_open(session, head->stream))
            judge_old_number(session, head->stream);
        return;
    case NGHTTP2_DATA:
        if (head->length < CONTROL_TINY_DATA || !is_open(session, head->stream))
            aw_session_charge_control(session, 1);
        return;
    case NGHTTP2_RST_STREAM:
        aw_session_charge_glitch(session, 1);
        if (aw_bucket_charge(&session->resets, 1, session->now) > 100)
            aw_session_condemn(session, AW_CAUSE_RESET, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    case NGHTTP2_SETTINGS:
        aw_session_charge_control(session, (head->flags & NGHTTP2_FLAG_ACK) != 0 ? 1 : CONTROL_SETTINGS);
        return;
    default: /* PING, PRIORITY, WINDOW_UPDATE, CONTINUATION, and the open set of unknown types */
        aw_session_charge_control(session, 1);
        return;
    }
}

static void
feed_library(struct aw_session *session, struct aw_slice bytes)
{
    union {
        const char    *given;
        const uint8_t *taken;
    } ptr = {.given = bytes.ptr};
    ssize_t used = nghttp2_session_mem_recv(session->h2, ptr.taken, bytes.len);

    if (used < 0)
        condemn_by_library(session, (int)used);
    /* Answers, resets and acks that nobody fetches pile up here. */
    else if (nghttp2_session_get_outbound_queue_size(session->h2) > session->edge->limits.outbound_frames_max)
        aw_session_condemn(session, AW_CAUSE_OUTBOUND, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void
feed_frames(struct aw_session *session, struct aw_slice bytes)
{
    while (bytes.len > 0 && session->verdict == AW_CAUSE_NONE) {
        bool   is_head;
        size_t count = aw_meter_next(&session->meter, bytes, session->now, &is_head);

        if (is_head)
            judge_frame(session);
        if (session->verdict != AW_CAUSE_NONE)
            return;
        feed_library(session, aw_slice_of(bytes.ptr, count));
        bytes = aw_slice_of(bytes.ptr + count, bytes.len - count);
    }
}

static void
answer_http1(struct aw_session *session)
{
    session->phase = AW_PHASE_HTTP1;
    session->text = AW_SLICE(HTTP1_HEAD HTTP1_BODY);
    aw_session_set_cause(session, AW_CAUSE_HTTP1);
    session->edge->stats.causes[AW_CAUSE_HTTP1]++;
    aw_edge_count_answer(session->edge, 505);
}

/* One byte of a first line that is not the preface. */
static void
scan_line(struct aw_session *session, char byte)
{
    static const char mark[] = HTTP1_MARK;
    unsigned char     value = (unsigned char)byte;

    AW_ASSERT(session->line_match < sizeof(mark) - 1);
    /* The mark's first byte does not come again in it, so a mismatch can only begin anew. */
    if (byte == mark[session->line_match])
        session->line_match++;
    else
        session->line_match = byte == mark[0];
    session->line_bytes++;
    if (session->line_match == sizeof(mark) - 1)
        answer_http1(session);
    else if ((value < 0x20 && value != '\r' && value != '\t') || value >= 0x7f || session->line_bytes > AW_HTTP_LINE_BYTES_MAX)
        aw_session_condemn(session, AW_CAUSE_GARBAGE, NGHTTP2_PROTOCOL_ERROR); /* a line feed too: the line had no mark */
}

/* Returns what is behind the preface, or nothing. */
static struct aw_slice
feed_preface(struct aw_session *session, struct aw_slice bytes)
{
    static const char preface[] = PREFACE;
    size_t            matched = 0;

    while (matched < bytes.len && session->preface_bytes + matched < PREFACE_BYTES &&
           bytes.ptr[matched] == preface[session->preface_bytes + matched])
        matched++;
    if (matched > 0)
        feed_library(session, aw_slice_of(bytes.ptr, matched));
    session->preface_bytes += (uint32_t)matched;
    bytes = aw_slice_of(bytes.ptr + matched, bytes.len - matched);
    if (session->preface_bytes == PREFACE_BYTES) {
        session->phase = AW_PHASE_HTTP2;
    } else if (bytes.len > 0) {
        session->phase = AW_PHASE_LINE;
        for (size_t i = 0; i < session->preface_bytes && session->verdict == AW_CAUSE_NONE; i++)
            scan_line(session, preface[i]); /* "PRI * HTTP/1.1" begins like it */
    }
    return bytes;
}

void
aw_session_feed(struct aw_session *session, struct aw_slice bytes, aw_ns now)
{
    AW_ON(session->edge);
    session->now = now;
    session->input_at = now;
    session->edge->stats.bytes_in += bytes.len;
    session->is_inside = true;
    if (session->phase == AW_PHASE_PREFACE)
        bytes = feed_preface(session, bytes);
    for (size_t i = 0; i < bytes.len && session->phase == AW_PHASE_LINE && session->verdict == AW_CAUSE_NONE; i++)
        scan_line(session, bytes.ptr[i]);
    if (session->phase == AW_PHASE_HTTP2)
        feed_frames(session, bytes);
    aw_session_settle(session);
    session->is_inside = false;
}

/* Output -----------------------------------------------------------------------------------------------------------------------*/

/* Our SETTINGS wait for the preface: an HTTP/1.x client must not get them before its answer. */
static bool
is_undecided(const struct aw_session *session)
{
    return session->phase == AW_PHASE_PREFACE || session->phase == AW_PHASE_LINE;
}

struct aw_slice
aw_session_pull(struct aw_session *session, aw_ns now)
{
    const uint8_t  *ptr = NULL;
    struct aw_slice text = session->text;
    ssize_t         count;

    AW_ON(session->edge);
    session->now = now;
    if (is_undecided(session))
        return (struct aw_slice){NULL, 0};
    if (session->phase == AW_PHASE_HTTP1 || session->is_broken) {
        session->text.len = 0;
        session->pulled_bytes += text.len;
        return text;
    }
    session->is_inside = true;
    count = nghttp2_session_mem_send(session->h2, &ptr);
    if (count < 0) {
        aw_session_set_cause(session, AW_CAUSE_MEMORY);
        session->edge->stats.causes[AW_CAUSE_MEMORY]++;
        session->is_broken = true;
        count = 0;
    }
    session->pulled_bytes += (uint64_t)count;
    /* Answers whose end is in these bytes. */
    for (struct aw_list *at = session->leaving.prev; at != &session->leaving; at = at->prev) {
        struct aw_request *request = AW_CONTAINER(at, struct aw_request, _link);

        if (request->_out_end != AW_OUT_END_UNKNOWN)
            break;
        request->_out_end = session->pulled_bytes;
    }
    execute_verdict(session);
    session->is_inside = false;
    return aw_slice_of(ptr, (size_t)count);
}

void
aw_session_wrote(struct aw_session *session, size_t count, aw_ns now)
{
    struct aw_list *link;

    AW_ON(session->edge);
    session->now = now;
    session->wrote_bytes += count;
    session->edge->stats.bytes_out += count;
    AW_ASSERT(session->wrote_bytes <= session->pulled_bytes);
    session->is_inside = true;
    while ((link = aw_list_first(&session->leaving)) != NULL) {
        struct aw_request *request = AW_CONTAINER(link, struct aw_request, _link);

        if (request->_out_end > session->wrote_bytes)
            break;
        tell_sent(session, request, true);
    }
    aw_session_settle(session);
    session->is_inside = false;
}

/* What the owner asks -----------------------------------------------------------------------------------------------------------*/

bool
aw_session_wants_read(const struct aw_session *session)
{
    if (session->phase == AW_PHASE_OVER || session->phase == AW_PHASE_HTTP1 || session->is_broken)
        return false;
    return nghttp2_session_want_read(session->h2) != 0;
}

bool
aw_session_wants_write(const struct aw_session *session)
{
    if (session->phase == AW_PHASE_HTTP1 || session->is_broken)
        return session->text.len > 0;
    if (is_undecided(session))
        return false;
    return nghttp2_session_want_write(session->h2) != 0;
}

bool
aw_session_is_done(const struct aw_session *session)
{
    return !aw_session_wants_read(session) && !aw_session_wants_write(session);
}

bool
aw_session_was_quiet(const struct aw_session *session)
{
    return session->drain != AW_DRAIN_NONE && session->is_quiet_drain && session->verdict == AW_CAUSE_NONE;
}

enum aw_cause
aw_session_cause(const struct aw_session *session)
{
    return session->cause;
}

bool
aw_session_is_bulk(const struct aw_session *session)
{
    return session->bulk_count > 0;
}

size_t
aw_session_streams(const struct aw_session *session)
{
    return session->stream_count;
}
