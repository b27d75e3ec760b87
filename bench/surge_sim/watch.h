/* watch.h - who goes before whom after airports closed: lease by lease, whether a departure that is grounded went before one that
 * can still be made.
 *
 * It judges by what is true of the customers' flights, not by what the server knows, and over all who wait, not over the heads of
 * queues. A grounded departure is a ticket like any other `disrupted` one and may go first when it has waited more of its target;
 * it went wrongly first when a departure in reach was in danger, or had waited more of its own. Ages and departures count by the
 * tick of the server's queues, in which nobody is ahead of anybody.
 *
 * The caller owns the watch. Thread: one at a time. Fails only for want of memory, in sim_watch_new.
 */
#ifndef AW_BENCH_SURGE_SIM_WATCH_H
#define AW_BENCH_SURGE_SIM_WATCH_H

#include "bench/surge_sim/crowd.h"
#include "core/order.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_watch;

/* Leases from the moment on at which the airports closed. */
struct sim_watch_count {
    aw_ms    at; /* that moment; 0: not yet */
    uint64_t leases;
    uint64_t grounded; /* of a departure that can't go any more */
    uint64_t ahead;    /* of these: while one in reach waited */
    uint64_t wrong;    /* of these: which had the better claim */
    uint64_t departed; /* of the grounded ones: given out as a departure that can be made */
};

/* Tickets are known by slots below `slots_max`. `order` is borrowed. NULL: no memory. */
AW_MUST_USE struct sim_watch *sim_watch_new(uint32_t slots_max, const struct aw_order_settings *order);
/* Takes the address, accepts NULL, leaves NULL. */
void sim_watch_free(struct sim_watch **watch);
/* This ticket waits for an answer to that need. One that waits already is left as it is. */
void sim_watch_wait(struct sim_watch *watch, uint32_t slot, const struct sim_need *need);
/* It does not wait any more. */
void sim_watch_leave(struct sim_watch *watch, uint32_t slot);
/* An agent got the ticket of that need, which left before, as one of this class. */
void sim_watch_lease(struct sim_watch *watch, aw_ms now, const struct sim_need *need, enum aw_class class_);
/* Whether a departure waits that can be made. */
bool sim_watch_has_departure(const struct sim_watch *watch, aw_ms now);
/* The airports are closed from now on. */
void                   sim_watch_close(struct sim_watch *watch, aw_ms now);
struct sim_watch_count sim_watch_count(const struct sim_watch *watch);

#endif
