/* request.h - one request as its handler sees it, and how it is answered.
 *
 * Life of a request. It is given to the handler by on_request (edge.h), complete with its body; from then on the handler owns it,
 * may keep it, and may let another thread use it, arena included: the http layer touches neither meanwhile (except _private
 * fields). Then exactly one of these happens:
 *   answered  aw_request_respond, or aw_request_respond_begin ... aw_request_end or _abort, takes the request back. The layer calls
 *             on_sent once and frees it after that.
 *   gone      the stream or its connection ended first: on_gone is called once. The request stays the handler's, which stops its
 *             work and calls aw_request_discard as soon as no other thread uses the request. Answering instead of discarding is
 *             harmless: then on_sent(delivered = false) comes at once, from inside that call.
 * Never both: after an answer on_gone does not come, after a discard on_sent does not.
 *
 * Thread: every function here only on the io thread of the request's edge. Memory: from the arena of the request; the block pool
 * belongs to the io thread, so another thread reads what is there but takes nothing from the arena.
 */
#ifndef AW_HTTP_REQUEST_H
#define AW_HTTP_REQUEST_H

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aw_edge;
struct aw_session;

/* Methods that some path may take; any other is answered 405 by the layer. */
enum aw_method { AW_GET, AW_HEAD, AW_POST, AW_PUT, AW_PATCH, AW_DELETE };

/* Who is at the other end of the connection. */
struct aw_peer {
    uint8_t         address[16]; /* IPv6, or IPv4 mapped into it; zeros when unknown */
    uint16_t        port;
    bool            is_tls;
    struct aw_slice identity;         /* URI or DNS name of the client's certificate; empty without mutual TLS */
    aw_ms           identity_ends_at; /* until when that certificate is valid; 0: there is none */
};

/* Private to the layer; the state machine is drawn in request.c. */
enum aw_request_state {
    AW_REQUEST_HEAD,
    AW_REQUEST_BODY,
    AW_REQUEST_READY,
    AW_REQUEST_AWAY,
    AW_REQUEST_STREAMING,
    AW_REQUEST_ANSWERING,
    AW_REQUEST_LEAVING,
    AW_REQUEST_REFUSED,
    AW_REQUEST_GONE,
    AW_REQUEST_FAILED,
    AW_REQUEST_DEAD,
    AW_REQUEST_STATES
};

struct aw_request {
    struct aw_arena arena;  /* owns what follows; the handler may take from it for its answer (io thread only) */
    enum aw_method  method; /* HEAD is to be answered like GET: the layer drops the body */
    /* Borrow from the arena until the request is given back. Empty when the field was not sent. */
    struct aw_slice path;  /* undecoded, up to '?': compare bytes, then nothing can be smuggled by %2e or %00 */
    struct aw_slice query; /* undecoded, behind '?' */
    struct aw_slice authority;
    struct aw_slice content_type;
    struct aw_slice accept; /* repeated fields joined by ", ", like those of prefer and if-*match */
    struct aw_slice authorization;
    struct aw_slice agent; /* aswolk-agent */
    struct aw_slice idempotency_key;
    struct aw_slice if_match;
    struct aw_slice if_none_match;
    struct aw_slice prefer;
    struct aw_slice traceparent;
    struct aw_slice last_event_id;
    struct aw_slice body; /* in one piece, complete; writable in place through no one */
    struct aw_peer  peer;

    /* The handler's own; zeros and self-linked at first. */
    void          *user;
    void          *visit;
    uint64_t       state[6];
    struct aw_list node;

    /* The layer's. */
    struct aw_edge       *_edge;    /* borrows; outlives the request */
    struct aw_session    *_session; /* borrows; NULL once the stream is gone */
    struct aw_list        _link;    /* in the one list of the session that its state names */
    enum aw_request_state _state;
    enum aw_err           _refused; /* why the layer itself answers */
    const char           *_detail;  /* static text */
    int32_t               _stream;  /* number, 0 once closed */
    uint32_t              _fields;
    uint32_t              _field_bytes;
    uint32_t              _body_room;  /* counted against the limits on bodies */
    uint32_t              _withheld;   /* received, but its window not given back yet */
    uint32_t              _moved;      /* bytes in this rate window */
    uint64_t              _body_limit; /* content-length, or UINT64_MAX */
    uint64_t              _dropped;    /* body bytes of a refused request */
    uint64_t              _out_end;    /* position in the connection's output behind the last byte of the answer */
    aw_ns                 _began_at;
    aw_ns                 _window_at;  /* start of this rate window; 0: begins at the next step */
    struct aw_slice       _out;        /* of the answer, not framed yet */
    char                 *_out_buffer; /* owns; of a streaming answer while it has unsent bytes */
    uint32_t              _out_room;
    bool                  _has_path : 1;
    bool                  _has_host : 1;
    bool                  _is_body_heap : 1;
    bool                  _is_unknown_method : 1;
    bool                  _is_input_done : 1;
    bool                  _is_answered : 1;
    bool                  _is_ended : 1;  /* a streaming answer got its last byte */
    bool                  _is_reset : 1;  /* a reset is queued */
    bool                  _is_framed : 1; /* the whole answer is on its way, though its request is not complete */
    bool                  _is_parked : 1;
    bool                  _is_bulk : 1;
    bool                  _expects : 1; /* waits for a 100 */
    bool                  _has_early_data : 1;
    bool                  _has_encoding : 1;
};

/* A field of an answer. Names in lower case. */
struct aw_header_field {
    struct aw_slice name;
    struct aw_slice value;
};

/* What is answered. Slices are static or borrow from the request's arena; content-length and date are added by the layer. */
struct aw_response {
    uint16_t               status;       /* 200 to 599 */
    struct aw_slice        content_type; /* empty: none */
    struct aw_slice        body;         /* not sent with 204, 304 and to HEAD */
    size_t                 field_count;  /* up to AW_HTTP_EXTRA_FIELDS_MAX */
    struct aw_header_field fields[16];
};

/* Answers and takes the request back; `response` itself is copied. See the top for requests that are gone. */
void aw_request_respond(struct aw_request *request, const struct aw_response *response);

/* A streaming answer: begin sends the head and leaves the request with the handler; `response->body` must be empty. When the stream
 * ends first, on_gone comes as for any request that is away. False when the request is gone or there is no memory: then on_gone
 * has come or comes. */
AW_MUST_USE bool aw_request_respond_begin(struct aw_request *request, const struct aw_response *response);
/* Copies all of `bytes` or nothing. False when the stream's buffer is full (the client reads too slowly) or the request is gone. */
AW_MUST_USE bool aw_request_write(struct aw_request *request, struct aw_slice bytes);
/* Bytes of a streaming answer that were written and have not left for the connection; also when the request is gone. */
size_t aw_request_unsent(const struct aw_request *request);
/* Ends a streaming answer and takes the request back. */
void aw_request_end(struct aw_request *request);
/* The same by a reset, so that nobody takes what came for the whole. */
void aw_request_abort(struct aw_request *request);

/* Gives back a request after on_gone. */
void aw_request_discard(struct aw_request *request);
/* Whether its stream ended meanwhile; on_gone has come or comes. */
bool aw_request_is_gone(const struct aw_request *request);

/* Counts this request as a long poll until it is answered (a streaming one: to the end) or gone. False when half of the
 * connection's streams are polls already: answer 429, or its posts would find no stream. */
AW_MUST_USE bool aw_request_try_park(struct aw_request *request);
/* The client proved who it is: its connection may idle longer and counts no more for its address. */
void aw_request_mark_known(struct aw_request *request);
/* Until its answer is on its way its connection carries much that can wait: see aw_conn_is_bulk. */
void aw_request_mark_bulk(struct aw_request *request);

#endif
