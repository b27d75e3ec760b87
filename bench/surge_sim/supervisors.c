/* supervisors.c - see supervisors.h. */
#include "bench/surge_sim/supervisors.h"

#include "base/mem.h"

#include <stdlib.h>

/* As many as a proposal takes (core/incident.h), but in any time. */
#define SEEN_LEAST 5U

struct incident {
    struct aw_incident_id id; /* seq 0: there is none of this cluster */
    bool                  is_answered;
    bool                  is_in_work;
};

struct sim_supervisors {
    const struct sim_scenario *scenario;  /* borrows */
    struct incident           *incidents; /* owns: by cluster */
    struct sim_answering      *working;   /* owns: one a supervisor; cluster 0: is free */
};

struct sim_supervisors *
sim_supervisors_new(const struct sim_scenario *scenario)
{
    struct sim_supervisors *supervisors = aw_new(struct sim_supervisors);

    if (supervisors == NULL)
        return NULL;
    supervisors->scenario = scenario;
    supervisors->incidents = aw_new_array(struct incident, scenario->clusters + 1);
    supervisors->working = aw_new_array(struct sim_answering, scenario->supervisors + 1);
    if (supervisors->incidents == NULL || supervisors->working == NULL)
        sim_supervisors_free(&supervisors);
    return supervisors;
}

void
sim_supervisors_free(struct sim_supervisors **supervisors)
{
    if (*supervisors == NULL)
        return;
    free((*supervisors)->incidents);
    free((*supervisors)->working);
    free(*supervisors);
    *supervisors = NULL;
}

void
sim_supervisors_name(struct sim_supervisors *supervisors, uint32_t cluster, struct aw_incident_id incident)
{
    AW_ASSERT(cluster >= 1);
    AW_ASSERT(cluster <= supervisors->scenario->clusters);
    supervisors->incidents[cluster].id = incident;
}

/* How much it wants an answer; 0: not now. */
static uint32_t
weight_of(const struct incident *incident, uint32_t waiting)
{
    if (incident->is_in_work)
        return 0;
    if (!incident->is_answered)
        return incident->id.seq != 0 || waiting >= SEEN_LEAST ? UINT32_MAX : 0;
    return waiting >= SEEN_LEAST ? waiting : 0;
}

static uint32_t
find_free(const struct sim_supervisors *supervisors)
{
    uint32_t who = 0;

    while (who < supervisors->scenario->supervisors && supervisors->working[who].cluster != 0)
        who++;
    return who;
}

bool
sim_supervisors_begin(struct sim_supervisors *supervisors, const uint32_t *waiting, aw_ms now, uint32_t *ret_who,
                      struct sim_answering *ret_answering)
{
    const struct sim_scenario *scenario = supervisors->scenario;
    uint32_t                   who = find_free(supervisors);
    uint32_t                   best = 0, most = 0;
    struct incident           *incident;
    double                     minutes;

    if (who == scenario->supervisors)
        return false;
    for (uint32_t cluster = 1; cluster <= scenario->clusters; cluster++) {
        uint32_t weight = weight_of(&supervisors->incidents[cluster], waiting[cluster]);

        if (weight > most) {
            most = weight;
            best = cluster;
        }
    }
    if (best == 0)
        return false;
    incident = &supervisors->incidents[best];
    minutes = incident->is_answered ? scenario->again_min : scenario->answer_min;
    incident->is_in_work = true;
    supervisors->working[who] = (struct sim_answering){.incident = incident->id,
                                                       .cluster = best,
                                                       .is_first = !incident->is_answered,
                                                       .ready_at = now + (aw_ms)(minutes * (double)SIM_MIN)};
    *ret_who = who;
    *ret_answering = supervisors->working[who];
    return true;
}

struct sim_answering
sim_supervisors_end(struct sim_supervisors *supervisors, uint32_t who)
{
    struct sim_answering answering = supervisors->working[who];

    AW_ASSERT(answering.cluster != 0);
    answering.incident = supervisors->incidents[answering.cluster].id;
    supervisors->working[who] = (struct sim_answering){.cluster = 0};
    supervisors->incidents[answering.cluster].is_answered = true;
    supervisors->incidents[answering.cluster].is_in_work = false;
    return answering;
}
