/* session.h - one HTTP/2 connection, server side, without I/O: bytes and times in, bytes out.
 *
 * Owns: the library's session and every request that its handler does not own at the moment. Borrows: its edge. Thread: the edge's.
 * Events reach the handlers from the end of aw_session_feed, _step, _wrote and _free, never from inside a library callback.
 * Fails: a session that is at fault, or without memory, says its GOAWAY and is done; nothing else notices.
 *
 * The caller's loop: feed what was read; pull and write until pull gives nothing; tell what was written; step at
 * aw_session_next_deadline or once a second; close when aw_session_is_done.
 */
#ifndef AW_HTTP_SESSION_H
#define AW_HTTP_SESSION_H

#include "base/err.h"
#include "base/slice.h"
#include "base/time.h"
#include "http/edge.h"
#include "http/request.h"

#include <stdbool.h>
#include <stddef.h>

struct aw_session;

struct aw_session_config {
    struct aw_edge *edge;      /* borrows */
    struct aw_peer  peer;      /* copies, but for the identity, which it borrows while the session lives */
    aw_ns           accept_at; /* the hello deadline runs from here */
    /* Optional: there is output after a call that was not feed, step or wrote; and: the client proved who it is. */
    void *owner;
    void (*on_output)(void *owner);
    void (*on_known)(void *owner);
};

/* AW_E_MEMORY or AW_OK. */
AW_MUST_USE enum aw_err aw_session_new(struct aw_session **ret_session, const struct aw_session_config *config);
/* Ends all streams: handlers get on_gone and on_sent(false) from inside. Takes the address, accepts NULL, leaves NULL. */
void aw_session_free(struct aw_session **ptr);

/* Takes all bytes. After the session has ended they are thrown away. */
void aw_session_feed(struct aw_session *session, struct aw_slice bytes, aw_ns now);
/* The next bytes to send, at most AW_HTTP_FRAME_BYTES_MAX; empty when there are none. Borrowed until the next call on the session.
 * Call it only when there is room for them. */
AW_MUST_USE struct aw_slice aw_session_pull(struct aw_session *session, aw_ns now);
/* `count` more bytes of those pulled were accepted by the transport. */
void aw_session_wrote(struct aw_session *session, size_t count, aw_ns now);
/* Deadlines. */
void aw_session_step(struct aw_session *session, aw_ns now);
/* When aw_session_step next has something to do; never later than that, perhaps a little earlier. AW_NS_NEVER: not by itself. */
aw_ns aw_session_next_deadline(const struct aw_session *session);
/* Begins to drain: GOAWAY that names no stream, one round trip, GOAWAY that names the last stream, open requests, end. */
void aw_session_shutdown(struct aw_session *session, aw_ns now);

bool aw_session_wants_read(const struct aw_session *session);
bool aw_session_wants_write(const struct aw_session *session);
/* Nothing more will be read or written. */
bool aw_session_is_done(const struct aw_session *session);
/* It was drained, and no stream was open from the first GOAWAY on: the peer waits for nothing. */
bool aw_session_was_quiet(const struct aw_session *session);
/* What began its end; AW_CAUSE_NONE while it goes on. For one log line a connection. */
enum aw_cause aw_session_cause(const struct aw_session *session);
/* As aw_request_mark_bulk said of a request that is under way. */
bool aw_session_is_bulk(const struct aw_session *session);
/* Streams open just now. */
size_t aw_session_streams(const struct aw_session *session);

#endif
