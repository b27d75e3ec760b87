/* supervisors.h - the people who answer incidents: which one each of them takes up, and when the answer is approved.
 *
 * An incident comes up when the server proposes it, or when somebody sees that as many tickets of one flight wait as a proposal
 * takes; and again when as many who asked since wait. Whoever is free takes a new one first, then the one for which the most wait.
 * The first answer has to be written, a later one only looked through. They are no agents, and take no tickets.
 * The caller owns it. Thread: one at a time. Fails only for want of memory, in sim_supervisors_new.
 */
#ifndef AW_BENCH_SURGE_SIM_SUPERVISORS_H
#define AW_BENCH_SURGE_SIM_SUPERVISORS_H

#include "bench/surge_sim/scenario.h"
#include "core/state.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_supervisors;

/* What somebody works on. */
struct sim_answering {
    struct aw_incident_id incident; /* seq 0: it is to be made by hand */
    uint32_t              cluster;  /* from 1 */
    bool                  is_first; /* it is to be made or opened; else it has been answered before */
    aw_ms                 ready_at;
};

/* `scenario` is borrowed. NULL: no memory. */
AW_MUST_USE struct sim_supervisors *sim_supervisors_new(const struct sim_scenario *scenario);
/* Takes the address, accepts NULL, leaves NULL. */
void sim_supervisors_free(struct sim_supervisors **supervisors);
/* The incident of this cluster: as the server proposes it, or as it was made. */
void sim_supervisors_name(struct sim_supervisors *supervisors, uint32_t cluster, struct aw_incident_id incident);
/* Somebody who is free takes one up: *ret_who. `waiting`: tickets, by cluster. False: nobody is free, or there is nothing to
 * answer. */
AW_MUST_USE bool sim_supervisors_begin(struct sim_supervisors *supervisors, const uint32_t *waiting, aw_ms now, uint32_t *ret_who,
                                       struct sim_answering *ret_answering);
/* The answer is ready: they are free again. */
struct sim_answering sim_supervisors_end(struct sim_supervisors *supervisors, uint32_t who);

#endif
