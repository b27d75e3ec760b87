/* pace.h - whose turn it is to pull: agents in rotation, at a rate that nothing slows down.
 *
 * Turn number n is due at start + n / rate and belongs to agent n modulo agents. An agent that is busy when its turn comes takes it
 * when it is free, late, and is measured from when it was due; so a server that stalls is charged for every pull that should have
 * come meanwhile. An agent that waited for work to come lets the turns of that time pass: it was not kept from pulling.
 *
 * The caller owns it. Thread: that of the loop. Callbacks come from the loop, never from inside a call of this file.
 */
#ifndef AW_BENCH_SURGE_PACE_H
#define AW_BENCH_SURGE_PACE_H

#include "base/time.h"
#include "base/why.h"

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct surge_pace {
    struct ev_loop *loop;
    void (*due)(void *user, uint32_t agent); /* its turn came; it may be busy */
    void     *user;
    uint32_t  agents;
    double    rate; /* turns a second; 0: nobody's */
    aw_ns     started_at;
    uint64_t  number; /* turns that came */
    uint64_t *taken;  /* owns: by agent, its turns that it took or let pass */
    int       timer_fd;
    ev_io     timer;
};

/* AW_E_MEMORY, AW_E_IO: nothing is left to close. At first nobody has a turn. */
AW_MUST_USE enum aw_err surge_pace_open(struct surge_pace *pace, struct ev_loop *loop, uint32_t agents,
                                        void (*due)(void *user, uint32_t agent), void *user, struct aw_why *why);
/* Begins a new schedule; what was owed of the old one is forgotten. Rate 0 stops. */
void surge_pace_start(struct surge_pace *pace, double rate, aw_ns now);
/* Whether a turn of this agent came; it is taken then, and *ret_due says when it was due. */
AW_MUST_USE bool surge_pace_take(struct surge_pace *pace, uint32_t agent, aw_ns *ret_due);
/* Lets pass what came. */
void surge_pace_pass(struct surge_pace *pace, uint32_t agent);
/* Accepts a zeroed struct. */
void surge_pace_close(struct surge_pace *pace);

#endif
