/* edge.h - what all connections of one io thread share: limits, handlers, memory, counters.
 *
 * Owns: scratch buffers and library options. Borrows: the block pool. Thread: one; sessions, connections and requests belong to
 * the thread of their edge. Lives longer than each of them. Fails: only at its start, without memory.
 */
#ifndef AW_HTTP_EDGE_H
#define AW_HTTP_EDGE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/time.h"
#include "http/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aw_edge;
struct aw_request;

/* Called on the io thread, never from inside a library callback (but `check`). A handler may answer, discard and write to any
 * request of the edge from inside; it must not free a session or a connection there. */
struct aw_handlers {
    void *user;
    /* Optional. Looks at the head of a request before its body is read, so that a stranger cannot make us hold one. Anything but
     * AW_OK refuses the request. Reads only: it is called in the middle of the parser. */
    enum aw_err (*check)(void *user, const struct aw_request *request);
    /* Gives the request to the handler. */
    void (*on_request)(void *user, struct aw_request *request);
    /* The stream ended before an answer: nobody will read one. Once. */
    void (*on_gone)(void *user, struct aw_request *request);
    /* After an answer, once, just before the request is freed. `delivered`: its last byte was accepted by the socket (with TLS: was
     * encrypted into it). That is all it can mean: the peer's kernel, or the peer, may still lose it, which only a later request
     * can tell. Not delivered means that END_STREAM never left, so the client cannot have seen a complete answer. */
    void (*on_sent)(void *user, struct aw_request *request, bool delivered);
    /* Optional. All that was written to a streaming answer is on its way: there is room for more. */
    void (*on_drained)(void *user, struct aw_request *request);
};

/* An allocator for the library's sessions and for big bodies; all members or none. */
struct aw_http_memory {
    void *user;
    void *(*take)(size_t size, void *user);
    void (*give)(void *ptr, void *user);
    void *(*take_zeroed)(size_t count, size_t size, void *user);
    void *(*resize)(void *ptr, size_t size, void *user);
};

struct aw_edge_config {
    struct aw_http_limits limits;
    struct aw_handlers    handlers;
    struct aw_blocks     *blocks;           /* borrows; AW_HTTP_BLOCK_BYTES is the intended size */
    uint64_t              bodies_bytes_max; /* this thread's share of the bodies that the process may hold */
    uint64_t              seed;             /* of the jitter */
    struct aw_http_memory memory;           /* zeros: malloc */
};

/* Why a request was refused, or a connection ended. */
enum aw_cause {
    AW_CAUSE_NONE,
    AW_CAUSE_PEER,  /* the peer closed, or its GOAWAY was honoured */
    AW_CAUSE_DRAIN, /* we were asked to shut down */
    AW_CAUSE_IDLE,
    AW_CAUSE_AGE,       /* by time or number of requests */
    AW_CAUSE_HELLO,     /* no handshake, preface or SETTINGS in time */
    AW_CAUSE_HANDSHAKE, /* TLS failed */
    AW_CAUSE_HTTP1,     /* answered 505 */
    AW_CAUSE_GARBAGE,   /* neither HTTP/2 nor HTTP/1 */
    AW_CAUSE_PROTOCOL,  /* an error of the connection by RFC 9113 */
    AW_CAUSE_RESET,     /* too many streams reset by the peer */
    AW_CAUSE_GLITCH,
    AW_CAUSE_CONTROL,
    AW_CAUSE_CONTINUATION,
    AW_CAUSE_OUTBOUND, /* too many frames queued for it */
    AW_CAUSE_SETTINGS, /* our SETTINGS not acked in time */
    AW_CAUSE_FRAME_SLOW,
    AW_CAUSE_BODY_SLOW,
    AW_CAUSE_ANSWER_SLOW,
    AW_CAUSE_SOCKET_SLOW,
    AW_CAUSE_PING, /* our PING not acked in time */
    AW_CAUSE_HEADERS,
    AW_CAUSE_BODY_LARGE,
    AW_CAUSE_BODIES,  /* no room for another body */
    AW_CAUSE_POLLS,   /* over half of the streams are long polls */
    AW_CAUSE_REQUEST, /* 400, 401, 405, 415, 425 by the layer */
    AW_CAUSE_MEMORY,
    AW_CAUSE_IO,
    AW_CAUSE_ADDRESS, /* a connection too many from one address: counted by who accepts */
    AW_CAUSES
};
/* "hello", "glitch": for logs and labels. */
const char *aw_cause_name(enum aw_cause cause);

#define AW_STATUS_MIN 100
#define AW_STATUS_MAX 599
/* Only ever grow, but for the last group. */
struct aw_edge_stats {
    uint64_t connections;
    uint64_t handshakes;
    uint64_t requests; /* given to on_request */
    uint64_t bytes_in; /* behind TLS */
    uint64_t bytes_out;
    uint64_t answers[AW_STATUS_MAX - AW_STATUS_MIN + 1]; /* by status; 505 of HTTP/1.x included */
    uint64_t causes[AW_CAUSES];                          /* requests refused and connections ended */
    uint64_t undelivered;                                /* answers whose last byte did not leave */
    /* Just now. */
    uint64_t connections_now;
    uint64_t handshakes_now;
    uint64_t sessions_now;
    uint64_t requests_now; /* structs alive, wherever they are */
    uint64_t parked_now;
    uint64_t bodies_bytes_now;
};

/* AW_E_MEMORY or AW_OK. */
AW_MUST_USE enum aw_err aw_edge_new(struct aw_edge **ret_edge, const struct aw_edge_config *config);
/* No session, connection or request of it may be left. Takes the address, accepts NULL, leaves NULL. */
void aw_edge_free(struct aw_edge **edge);
/* Borrowed until aw_edge_free. */
const struct aw_edge_stats  *aw_edge_stats(const struct aw_edge *edge);
const struct aw_http_limits *aw_edge_limits(const struct aw_edge *edge);
/* The thread that calls it is the edge's from now on. */
void aw_edge_enter(struct aw_edge *edge);
/* The time that answers carry in their date field; once a second is enough. Until the first call they carry none. */
void aw_edge_set_date(struct aw_edge *edge, aw_ms now);

#endif
