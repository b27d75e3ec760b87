/* internal.h - what the files of the http layer share and nobody else includes.
 *
 * session.c    bytes and phases; delivers the noted events to the handlers
 * deadlines.c  what time does: slow peers, idle ones, the drain
 * events.c     callbacks of the library: they note what happened and change states, nothing more
 * request.c    one request: its life, fields, body
 * answer.c     answers: the handlers' and our own refusals
 */
#ifndef AW_HTTP_INTERNAL_H
#define AW_HTTP_INTERNAL_H

#include "base/home.h"
#include "base/list.h"
#include "http/edge.h"
#include "http/limits.h"
#include "http/meter.h"
#include "http/request.h"
#include "http/session.h"

#include <nghttp2/nghttp2.h>

#define AW_OUT_END_UNKNOWN UINT64_MAX
#define AW_LENGTH_UNKNOWN  UINT64_MAX

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define AW_DATE_BYTES 29

struct aw_edge {
    struct aw_home home;
    /* Set at the start, then read-only. */
    struct aw_http_limits      limits;
    struct aw_handlers         handlers;
    struct aw_blocks          *blocks; /* borrows */
    uint64_t                   bodies_bytes_max;
    nghttp2_mem                mem;
    nghttp2_session_callbacks *callbacks; /* owns */
    nghttp2_option            *options;   /* owns */
    /* Moves. */
    uint64_t             jitter; /* state of a xorshift generator */
    struct aw_edge_stats stats;
    char                 date[AW_DATE_BYTES + 1]; /* empty until it is set */
    char                *in;                      /* owns: scratch of the read at hand, AW_HTTP_READ_CHUNK_BYTES */
    char                *out;                     /* owns: scratch of the write at hand, AW_HTTP_OUT_CHUNK_BYTES */
};

/* A number below `bound` (not 0). */
uint64_t aw_edge_random(struct aw_edge *edge, uint64_t bound);
void     aw_edge_count_answer(struct aw_edge *edge, unsigned status);

/* How far the first bytes were understood. */
enum aw_phase {
    AW_PHASE_PREFACE,
    AW_PHASE_LINE, /* no preface: is it HTTP/1.x? */
    AW_PHASE_HTTP2,
    AW_PHASE_HTTP1, /* a 505 is to be sent, or was */
    AW_PHASE_OVER   /* a final GOAWAY is queued or sent; input is thrown away */
};

enum aw_drain {
    AW_DRAIN_NONE,
    AW_DRAIN_NOTICED, /* first GOAWAY queued; new streams are still served */
    AW_DRAIN_FINAL,   /* second GOAWAY queued */
    AW_DRAIN_FORCED   /* what was unanswered got 503 */
};

struct aw_session {
    struct aw_session_config config;
    struct aw_edge          *edge; /* borrows */
    nghttp2_session         *h2;   /* owns */
    aw_ns                    now;  /* of the call at hand */
    enum aw_phase            phase;
    enum aw_drain            drain;
    enum aw_cause            cause;
    enum aw_cause            verdict; /* noted in a callback: terminate at the next safe place */
    uint32_t                 verdict_code;

    /* Input. */
    uint32_t         preface_bytes; /* matched so far */
    uint32_t         line_bytes;
    uint32_t         line_match; /* bytes of " HTTP/1." matched at the end of what was seen */
    struct aw_meter  meter;
    struct aw_bucket resets;
    struct aw_bucket glitches;
    struct aw_bucket controls;
    uint32_t         highest_stream;
    uint32_t         number_count;
    uint32_t         numbers[AW_HTTP_STREAM_NUMBERS]; /* ring of the stream numbers opened last */

    /* Requests; which states a list holds: request.c. */
    struct aw_list receiving;
    struct aw_list events;
    struct aw_list away;
    struct aw_list sending;
    struct aw_list leaving; /* in the order of their _out_end */
    uint32_t       stream_count;
    uint32_t       parked_count;
    uint32_t       bulk_count; /* requests with much that can wait */
    uint64_t       bodies_bytes;
    uint64_t       withheld_bytes;
    uint64_t       request_count;

    /* Output. */
    uint64_t        pulled_bytes;
    uint64_t        wrote_bytes;
    uint64_t        answer_bytes; /* of DATA in this rate window of the connection */
    aw_ns           answer_window_at;
    struct aw_slice text; /* of the HTTP/1.1 answer, not pulled yet */

    /* Times. */
    aw_ns idle_since;
    aw_ns input_at;
    aw_ns age_at;
    aw_ns ping_at; /* of our PING without an ack; 0: none is out */
    aw_ns settings_at;
    aw_ns drain_at; /* end of the current step of the drain */

    bool is_hello_done;
    bool is_settings_acked;
    bool is_known;
    bool is_round_done;  /* the PING between the two GOAWAYs came back */
    bool is_quiet_drain; /* no stream was open when the drain began, and none since */
    bool is_graceful;    /* noted in a callback: begin to drain at the next safe place */
    bool is_broken;      /* the library failed: nothing can be sent any more */
    bool is_inside;      /* a call of the owner is on the stack: it will pull anyway */
};

static inline aw_ns
aw_after(aw_ns at, uint32_t ms)
{
    return at + ms * AW_NS_PER_MS;
}

/* What our PINGs carry: between the two GOAWAYs, and to find dead peers. */
#define AW_PING_DRAIN "awdrain"
#define AW_PING_ALIVE "awalive"

/* session.c */
/* Notes that the connection is at fault; acted upon when no callback is on the stack. The first verdict stays. */
void aw_session_condemn(struct aw_session *session, enum aw_cause cause, uint32_t code);
void aw_session_charge_glitch(struct aw_session *session, uint32_t units);
void aw_session_charge_control(struct aw_session *session, uint32_t units);
/* Why the connection ends; the first cause stays. */
void aw_session_set_cause(struct aw_session *session, enum aw_cause cause);
/* Acts upon what callbacks noted: verdicts, and events for the handlers. */
void aw_session_settle(struct aw_session *session);
/* One stream fewer is open. */
void aw_session_end_stream(struct aw_session *session);
/* Tells the owner that there is output, unless a call of it is on the stack. */
void aw_session_note_output(struct aw_session *session);

/* deadlines.c */
/* The second GOAWAY. */
void aw_session_end_round(struct aw_session *session);

/* events.c */
void aw_events_install(nghttp2_session_callbacks *callbacks);

/* request.c */
/* NULL without memory. */
struct aw_request *aw_request_new(struct aw_session *session, int32_t stream);
void               aw_request_free(struct aw_request *request);
/* Moves to `state` and to the end of `list` (NULL: none). Asserts that the move is in the table. */
void aw_request_move(struct aw_request *request, enum aw_request_state state, struct aw_list *list);
/* Takes the request out of the session's books, when its stream is gone. */
void aw_request_detach(struct aw_request *request);
/* One field of the head or of the trailers. False when the stream is to be reset. */
AW_MUST_USE bool aw_request_add_field(struct aw_request *request, struct aw_slice name, struct aw_slice value, bool is_trailer);
void             aw_request_end_head(struct aw_request *request);
void             aw_request_add_body(struct aw_request *request, struct aw_slice bytes);
void             aw_request_end_input(struct aw_request *request);
/* Decides that the layer answers itself; `detail` is static text. The first decision stays. */
void aw_request_refuse(struct aw_request *request, enum aw_err err, enum aw_cause cause, const char *detail);
/* Gives back of its stream window what was withheld: all, or while memory is short what is reserved for it. */
void aw_request_give_window(struct aw_request *request, bool is_short);
/* Whether more bodies are held than leaves room for those under way: then uploads wait for their windows. */
AW_MUST_USE bool aw_session_is_short_of_room(const struct aw_session *session);
/* The stream is gone, whatever the state. */
void aw_request_stream_closed(struct aw_request *request);

/* answer.c */
void aw_answer_refused(struct aw_request *request);
void aw_answer_continue(struct aw_request *request);
/* 503 on a stream that no request stands for any more. `is_head`: without content. */
void    aw_answer_drained(struct aw_session *session, int32_t stream, bool is_head);
ssize_t aw_answer_read(nghttp2_session *h2, int32_t stream, uint8_t *buf, size_t length, uint32_t *flags,
                       nghttp2_data_source *source, void *user);

#endif
