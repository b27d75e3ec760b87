/* crowd.h - many small requests, a bounded number at a time, an answer for each.
 *
 * A request without an answer, or with one that passes (429, 503), is made again; after many tries the crowd is broken.
 *
 * The caller owns it. Thread: that of the loop. Callbacks come from the loop, never from inside a call of this file.
 */
#ifndef AW_BENCH_SURGE_CROWD_H
#define AW_BENCH_SURGE_CROWD_H

#include "bench/surge/fleet.h"

#define SURGE_CROWD_PATH_BYTES 96U

struct surge_crowd_request {
    const char     *method;
    char            path[SURGE_CROWD_PATH_BYTES];
    struct aw_slice body; /* JSON; borrows until its answer */
};

struct surge_crowd_config {
    struct ev_loop     *loop;
    struct surge_fleet *fleet; /* borrows */
    const char         *token;
    uint64_t            count;
    void (*write)(void *user, uint64_t number, struct surge_crowd_request *request);
    void (*answered)(void *user, uint64_t number, const struct aw_exchange_result *result);
    void (*finished)(void *user);
    void (*broken)(void *user, const char *why);
    void *user;
};

struct surge_asker;

struct surge_crowd {
    struct surge_crowd_config config;
    struct surge_asker       *askers; /* owns */
    uint64_t                  next;
    uint32_t                  busy;
};

/* False: no memory, and nothing is left to close. */
AW_MUST_USE bool surge_crowd_start(struct surge_crowd *crowd, const struct surge_crowd_config *config);
/* Before the fleet is closed. Accepts a zeroed struct. */
void surge_crowd_close(struct surge_crowd *crowd);

#endif
