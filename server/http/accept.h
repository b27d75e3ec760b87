/* accept.h - who may connect: limits on connections, and accept() that survives a process without descriptors.
 *
 * Handshakes are counted by the edge: accept no more while its stats' handshakes_now has reached handshakes_max.
 * Owns: a table of addresses, a spare descriptor. Thread: the one that accepts and learns of closed connections. Never blocks.
 */
#ifndef AW_HTTP_ACCEPT_H
#define AW_HTTP_ACCEPT_H

#include "base/err.h"
#include "http/edge.h"
#include "http/limits.h"
#include "http/request.h"

#include <stdbool.h>
#include <stdint.h>

/* Counts connections, in all and by address. An IPv6 client is its /64, since it has all of that. */
struct aw_gate;

enum aw_gate_answer {
    AW_GATE_OPEN,
    AW_GATE_FULL,    /* connections_max: stop accepting until one is closed */
    AW_GATE_ADDRESS, /* connections_per_address_max: close this one */
};

/* NULL without memory. per_address_max 0: not counted by address. */
AW_MUST_USE struct aw_gate *aw_gate_new(uint32_t connections_max, uint32_t per_address_max, uint64_t seed);
/* Every connection must have left. Takes the address, accepts NULL, leaves NULL. */
void aw_gate_free(struct aw_gate **gate);
/* Counts one connection when it answers AW_GATE_OPEN. */
AW_MUST_USE enum aw_gate_answer aw_gate_try_enter(struct aw_gate *gate, const struct aw_peer *peer);
/* The connection proved who it is: it counts no more for its address. Once a connection; then say so when it leaves. */
void     aw_gate_mark_known(struct aw_gate *gate, const struct aw_peer *peer);
void     aw_gate_leave(struct aw_gate *gate, const struct aw_peer *peer, bool was_known);
bool     aw_gate_is_full(const struct aw_gate *gate);
uint32_t aw_gate_count(const struct aw_gate *gate);

/* A descriptor kept back, so that a process at its limit can still take a connection from the queue and close it, instead of
 * spinning on a listener that stays readable. */
struct aw_spare {
    int fd; /* owns; -1 when it could not be had again yet */
};
void aw_spare_init(struct aw_spare *spare);
void aw_spare_fini(struct aw_spare *spare);
/* Another thread may have taken the descriptor while it was given up for a connection: looks for one again, if there is none. */
void aw_spare_renew(struct aw_spare *spare);

/* Takes one connection: non-blocking, close-on-exec, without Nagle's delay, with the sender's queue kept short and dead peers
 * noticed within 20 s. *ret_fd is the caller's.
 * AW_E_AGAIN: none is waiting. AW_E_CLOSED: that one is gone already, try the next. AW_E_OVERLOADED: no descriptors or memory; rest
 * accept_rest_ms. AW_E_IO: the listener itself fails. */
AW_MUST_USE enum aw_err aw_accept(int listener, struct aw_spare *spare, int *ret_fd, struct aw_peer *ret_peer);

#endif
