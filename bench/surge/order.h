/* order.h - where each waiting ticket stands, as the server tells: its class, its age, its departure, its lane.
 *
 * Read twice and compared, it says whether something that was undone left a trace in the order.
 * The caller owns it. Thread: that of the loop.
 */
#ifndef AW_BENCH_SURGE_ORDER_H
#define AW_BENCH_SURGE_ORDER_H

#include "bench/surge/crowd.h"
#include "bench/surge/ledger.h"

struct surge_order_config {
    struct ev_loop            *loop;
    struct surge_fleet        *fleet;  /* borrows */
    const struct surge_ledger *ledger; /* borrows; its first `count` entries are read, each of a ticket of its own */
    const char                *token;
    uint32_t                   count;
    void (*finished)(void *user);
    void (*broken)(void *user, const char *why);
    void *user;
};

struct surge_order {
    struct surge_order_config config;
    struct surge_crowd        crowd;
    uint64_t                 *places[2]; /* owns: by entry, a hash; 0: it did not wait */
    unsigned                  round;
};

/* False: no memory, and nothing is left to close. */
AW_MUST_USE bool surge_order_open(struct surge_order *order, const struct surge_order_config *config);
/* Reads all places, the first time or the second. False: no memory. */
AW_MUST_USE bool surge_order_read(struct surge_order *order);
/* After the second time: over the tickets that waited both times. */
void surge_order_compare(const struct surge_order *order, uint64_t *ret_compared, uint64_t *ret_displaced,
                         uint64_t ret_digests[2]);
/* Accepts a zeroed struct. */
void surge_order_close(struct surge_order *order);

#endif
