/* scenario.h - the disruptions that judge an order: how many ask, what for, and who is there to answer.
 *
 * Plain values, all of them in one table; a caller may copy one and change it. Thread: any. Nothing can fail.
 */
#ifndef AW_BENCH_SURGE_SIM_SCENARIO_H
#define AW_BENCH_SURGE_SIM_SCENARIO_H

#include "base/assert.h"
#include "base/time.h"
#include "bench/arrivals/generator.h"
#include "model/class.h"
#include "model/command.h"

#include <stdbool.h>
#include <stdint.h>

/* When every run begins: any day will do, and 0 means "not set". */
#define SIM_START UINT64_C(1767571200000)
#define SIM_HOUR  UINT64_C(3600000)
#define SIM_MIN   UINT64_C(60000)

#define SIM_POINTS_MAX 10U

struct sim_point {
    double hour;
    double value;
};

struct sim_scenario {
    const char      *name;
    const char      *about;
    double           hours;
    double           base_per_hour;        /* tickets */
    struct sim_point load[SIM_POINTS_MAX]; /* times the base; linear between points, the last one stays */
    unsigned         load_points;
    struct sim_point staff[SIM_POINTS_MAX]; /* agents from that hour on */
    unsigned         staff_points;
    double           mix[AW_CLASS_COUNT]; /* weights */
    double           handling_min[AW_CLASS_COUNT];
    double           handling_cv;                   /* log-normal */
    double           lead_min_least, lead_min_most; /* an imminent one departs that long after asking, evenly */
    /* What people do besides asking once; 0: nothing of the kind. */
    double   copies;     /* share that asks on a second channel too ... */
    double   copy_min;   /* ... that long after on average ... */
    double   identified; /* ... and is known to be the same person, by an identity that the gateway verified */
    double   follow_ups_per_hour;
    double   patience_hours; /* mean; who has waited that long without an answer deletes the message */
    unsigned clusters;       /* flights whose passengers all have the same question */
    double   clustered;      /* share of disrupted and general that asks it */
    double   cluster_min;    /* what an answer for a whole flight takes longer than one for one passenger */
    unsigned supervisors;    /* who answer incidents, besides the staff ... */
    double   answer_min;     /* ... from taking one up to the approval of its first answer ... */
    double   again_min;      /* ... and of the same answer for those who asked since */
    double   odd;            /* share of these passengers who ask something more, which the answer for all leaves open */
    unsigned airports;       /* each departure goes from one of them to another, evenly; 0: it names none */
    unsigned closing;        /* the first so many, a region, close together ... */
    double   closes_hour;    /* ... at that hour ... */
    double   closed_hours;   /* ... for so long */
    double   windowed;       /* share that asks on a channel which takes answers only ... */
    double   window_hours;   /* ... for so long */
    double   wrap_up_min;    /* an agent's pause after each ticket */
    double   read_min;       /* reading one more message of the same customer */
    /* A level of the generator in place of base, load, mix, lead, copies and follow-ups. */
    bool             is_generated;
    enum surge_level level;
};

/* NULL: there is none of this name. */
const struct sim_scenario *sim_scenario_find(const char *name);
/* By number; NULL behind the last. */
const struct sim_scenario *sim_scenario_at(unsigned number);
/* The load at a moment since the start, times the base. */
double sim_scenario_load(const struct sim_scenario *scenario, double hour);
double sim_scenario_load_most(const struct sim_scenario *scenario);
/* Agents on duty; next change after `hour`, or a negative number when there is none. */
unsigned sim_scenario_staff(const struct sim_scenario *scenario, double hour);
/* Of an airport below `airports`; below `closing` it is one of the region. */
struct aw_airport_code sim_scenario_airport(unsigned airport);
double                 sim_scenario_staff_changes(const struct sim_scenario *scenario, double hour);
unsigned               sim_scenario_staff_most(const struct sim_scenario *scenario);

#endif
