/* conn.h - one accepted connection: a socket, perhaps TLS, and its session.
 *
 * Owns: the socket, the TLS state, the session. Borrows: its edge. Thread: the edge's. Knows no event loop: the owner watches
 * aw_conn_fd for aw_conn_wants, calls aw_conn_on_ready when it is ready, aw_conn_step at aw_conn_next_deadline or once a
 * second, and aw_conn_free as soon as one of them says AW_TURN_CLOSED. Each call does bounded work and never blocks. SIGPIPE
 * must be ignored: OpenSSL writes without MSG_NOSIGNAL.
 * Fails: a connection that fails is closed; its streams reach the handlers as gone from aw_conn_free.
 */
#ifndef AW_HTTP_CONN_H
#define AW_HTTP_CONN_H

#include "base/err.h"
#include "base/time.h"
#include "http/edge.h"
#include "http/request.h"

#include <stdbool.h>

struct aw_conn;
struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

struct aw_conn_config {
    struct aw_edge    *edge;    /* borrows */
    int                fd;      /* takes on success; connected, non-blocking */
    struct ssl_ctx_st *ssl_ctx; /* NULL: without TLS. The connection holds a reference of its own */
    struct aw_peer     peer;    /* copies; is_tls and identity are filled in by the connection */
    aw_ns              accept_at;
    /* on_wake: an answer was given outside of a turn; call aw_conn_on_ready(conn, false, false, ...) before the loop sleeps. It
     * comes once, however many answers follow before that call. on_known (optional): see aw_gate_mark_known. */
    void *owner;
    void (*on_wake)(void *owner, struct aw_conn *conn);
    void (*on_known)(void *owner, struct aw_conn *conn);
};

enum aw_turn {
    AW_TURN_IDLE,  /* wait for what aw_conn_wants says */
    AW_TURN_AGAIN, /* more is waiting that raises no event: call again after the other connections had their turn */
    AW_TURN_CLOSED /* nothing more will come of it: free it */
};

#define AW_WANTS_READ  1u
#define AW_WANTS_WRITE 2u

/* AW_E_MEMORY or AW_OK; on failure the caller still owns the socket. */
AW_MUST_USE enum aw_err aw_conn_new(struct aw_conn **ret_conn, const struct aw_conn_config *config);
/* Closes at once. Handlers get on_gone and on_sent(false) from inside. Takes the address, accepts NULL, leaves NULL. */
void aw_conn_free(struct aw_conn **ptr);

/* One turn: reads at most read_turn_bytes, answers and writes after every chunk. `readable` and `writable` as the loop reports
 * them; both false only flushes, or goes on with what AW_TURN_AGAIN left. */
AW_MUST_USE enum aw_turn aw_conn_on_ready(struct aw_conn *conn, bool readable, bool writable, aw_ns now);
/* Deadlines of the handshake, the session, the socket and the end. */
AW_MUST_USE enum aw_turn aw_conn_step(struct aw_conn *conn, aw_ns now);
aw_ns                    aw_conn_next_deadline(const struct aw_conn *conn);
/* AW_WANTS_READ, AW_WANTS_WRITE, both or 0. */
unsigned aw_conn_wants(const struct aw_conn *conn);
/* Begins to drain (session.h); one that has not come to a session yet is closed by its next step. */
void aw_conn_shutdown(struct aw_conn *conn, aw_ns now);

/* Whether one of its requests can wait (aw_request_mark_bulk): then a turn of it is a chunk, and the owner lets others go first. */
bool aw_conn_is_bulk(const struct aw_conn *conn);

int aw_conn_fd(const struct aw_conn *conn);
/* Why it ended; AW_CAUSE_NONE while it goes on. */
enum aw_cause         aw_conn_cause(const struct aw_conn *conn);
const struct aw_peer *aw_conn_peer(const struct aw_conn *conn);
void                 *aw_conn_owner(const struct aw_conn *conn);
/* For the owner's lists: of all connections, of those to be called in this turn. Self-linked at first; aw_conn_free unlinks. */
struct aw_list *aw_conn_all_link(struct aw_conn *conn);
struct aw_list *aw_conn_turn_link(struct aw_conn *conn);
/* The connection that such a link belongs to. */
struct aw_conn *aw_conn_of_all(struct aw_list *link);
struct aw_conn *aw_conn_of_turn(struct aw_list *link);

#endif
