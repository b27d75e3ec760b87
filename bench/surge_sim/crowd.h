/* crowd.h - the customers of a scenario: who asks what and when, who asks twice, who writes again, who gives up.
 *
 * What one customer wants to have settled is a need; it is settled once, however many messages it took. Needs, their kinds and all
 * times follow from the seed, not from what a server does, but for this: who has an answer neither nudges nor gives up.
 * The caller owns the crowd; the crowd owns the needs, whose addresses change when new ones come. Thread: one at a time.
 * Fails only for want of memory (sim_crowd_failed). All times are absolute, from SIM_START on.
 */
#ifndef AW_BENCH_SURGE_SIM_CROWD_H
#define AW_BENCH_SURGE_SIM_CROWD_H

#include "base/time.h"
#include "bench/surge_sim/scenario.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_need {
    aw_ms         asked_at;
    aw_ms         departs_at;  /* 0: none */
    aw_ms         answered_at; /* an agent took it; 0: not yet. Written by the desk */
    aw_ms         done_at;     /* and was done with it; 0: not yet. Written by the desk */
    aw_ms         left_at;     /* gave up; 0: did not */
    aw_ms         reply_by;    /* its channel takes no answer later; 0: it always does */
    aw_ms         grounded_at; /* when an airport closed that its flight needs; 0: its flight goes */
    uint64_t      person;
    enum aw_class class_;   /* when asked */
    uint32_t      cluster;  /* from 1; 0: none */
    bool          is_odd;   /* of a cluster, but asks something more */
    uint16_t      from, to; /* airports of the departure, where the scenario has some */
};

enum sim_act {
    SIM_POST, /* a message */
    SIM_GIVE_UP,
};

struct sim_event {
    aw_ms        at;
    enum sim_act act;
    uint32_t     need;
    uint64_t     message;  /* a second delivery has the number of the first */
    uint64_t     writer;   /* the person on this channel */
    uint64_t     verified; /* who it is, by the gateway; 0: not known */
};

struct sim_crowd;

/* `scenario` is borrowed. NULL: no memory. */
AW_MUST_USE struct sim_crowd *sim_crowd_new(const struct sim_scenario *scenario, uint64_t seed);
/* Takes the address, accepts NULL, leaves NULL. */
void sim_crowd_free(struct sim_crowd **crowd);
/* When the next event comes; 0: none is to come. */
aw_ms sim_crowd_next_at(struct sim_crowd *crowd);
/* There must be one to come. */
struct sim_event sim_crowd_take(struct sim_crowd *crowd);
struct sim_need *sim_crowd_need(struct sim_crowd *crowd, uint32_t need);
uint32_t         sim_crowd_count(const struct sim_crowd *crowd);
bool             sim_crowd_failed(const struct sim_crowd *crowd);
/* What an agent needs for it, the `turn`th time: the same whatever the order of the desk is. */
double sim_crowd_handling_min(const struct sim_crowd *crowd, uint32_t need, uint32_t turn);

#endif
