/* fleet.h - a number of connections to one server, each made anew when the server says goodbye, and when it is lost, if asked
 * for.
 *
 * The caller owns it. Thread: that of the loop. Callbacks come from the loop, never from inside a call of this file.
 */
#ifndef AW_BENCH_SURGE_FLEET_H
#define AW_BENCH_SURGE_FLEET_H

#include "client/client.h"

#include <ev.h>

struct surge_fleet;

struct surge_line {
    struct surge_fleet *fleet;
    struct aw_trunk    *trunk; /* owns; NULL between two connections */
    ev_timer            again;
    bool                open; /* takes requests */
    bool                dead; /* lost for good */
};

struct surge_fleet_config {
    struct ev_loop   *loop;
    struct aw_client *client; /* borrows; freed after the fleet is closed */
    struct aw_url     url;
    uint32_t          count;
    bool              retry;
    /* Line `line` takes requests from now on. */
    void (*opened)(void *user, uint32_t line);
    /* It is lost for good (without retry). */
    void (*died)(void *user, uint32_t line);
    void *user;
};

struct surge_fleet {
    struct surge_fleet_config config;
    struct surge_line        *lines; /* owns */
    uint32_t                  open;
    uint32_t                  dead;
    uint64_t                  losses;   /* connections that ended without a word, after they stood */
    uint64_t                  goodbyes; /* that the server asked to leave; made anew, with or without retry */
    char                      why[256]; /* of the last one that ended or never stood */
};

/* AW_E_MEMORY, AW_E_NOT_FOUND, AW_E_IO: nothing is left to close. */
AW_MUST_USE enum aw_err surge_fleet_open(struct surge_fleet *fleet, const struct surge_fleet_config *config, struct aw_why *why);
/* Exchanges under way end with AW_EXCHANGE_CLOSED. Accepts a zeroed struct. */
void surge_fleet_close(struct surge_fleet *fleet);
/* NULL while it is not open. */
struct aw_trunk *surge_fleet_trunk(const struct surge_fleet *fleet, uint32_t line);

#endif
