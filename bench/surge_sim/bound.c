#include "bench/surge_sim/bound.h"

#include "base/mem.h"
#include "bench/surge_sim/agenda.h"

#include <math.h>
#include <stdlib.h>

#define CARE_IN_TIME_MS (30 * SIM_MIN)

/* The work that a need is for the schedule, and until when it may be done. */
struct work {
    aw_ms    asked_at;
    aw_ms    due_at;
    uint32_t minutes;
    bool     is_care;
};

struct works {
    struct work *all; /* owns; in order of asking */
    uint32_t     count;
    uint32_t     cares;
    uint32_t     departures;
};

/* All that is asked, whether or not somebody answers it. */
static bool
gather(struct sim_crowd *crowd)
{
    while (sim_crowd_next_at(crowd) != 0 && !sim_crowd_failed(crowd))
        (void)sim_crowd_take(crowd);
    return !sim_crowd_failed(crowd);
}

static uint32_t
minutes_of(const struct sim_scenario *scenario, enum aw_class class_)
{
    return (uint32_t)floor(scenario->handling_min[class_]);
}

/* A ticket is taken in time or not at all, and worked on afterwards: that work counts as done in time. */
static void
add_work(struct works *works, const struct sim_scenario *scenario, const struct aw_order_settings *order,
         const struct sim_need *need)
{
    struct work work = {.asked_at = need->asked_at, .minutes = minutes_of(scenario, need->class_)};

    work.is_care = need->class_ == AW_CLASS_CARE;
    if (work.is_care) {
        work.due_at = need->asked_at + CARE_IN_TIME_MS + work.minutes * SIM_MIN;
        works->cares++;
    } else if (need->class_ == AW_CLASS_IMMINENT && need->grounded_at == 0 &&
               need->departs_at >= need->asked_at + order->handling_ms[AW_CLASS_IMMINENT]) {
        work.due_at = need->departs_at - order->handling_ms[AW_CLASS_IMMINENT] + work.minutes * SIM_MIN;
        works->departures++;
    } else {
        return;
    }
    works->all[works->count++] = work;
}

/* The most minutes of work that can be done in time, of `care` alone or of both; false: no memory. */
static bool
most_minutes(const struct works *works, const struct sim_scenario *scenario, bool with_departures, uint64_t *ret_minutes)
{
    struct sim_agenda due = {0}; /* `what` is the minutes that are left */
    uint32_t          at = 0;
    bool              failed = false;

    *ret_minutes = 0;
    for (aw_ms now = SIM_START; (at < works->count || sim_agenda_first(&due) != NULL) && !failed; now += SIM_MIN) {
        uint32_t                work = sim_scenario_staff(scenario, (double)(now - SIM_START) / (double)SIM_HOUR);
        const struct sim_entry *first;

        for (; at < works->count && works->all[at].asked_at < now + SIM_MIN && !failed; at++) {
            if (with_departures || works->all[at].is_care)
                failed = !sim_agenda_note(&due, works->all[at].due_at, works->all[at].minutes, at);
        }
        while (work > 0 && (first = sim_agenda_first(&due)) != NULL && !failed) {
            struct sim_entry entry = *first;
            uint32_t         part = entry.what < work ? entry.what : work;

            sim_agenda_drop_first(&due);
            if (entry.at <= now)
                continue; /* too late for what is left of it */
            *ret_minutes += part;
            work -= part;
            if (entry.what > part)
                failed = !sim_agenda_note(&due, entry.at, entry.what - part, entry.who);
        }
    }
    sim_agenda_fini(&due);
    return !failed;
}

static double
share_lost(uint64_t minutes, uint32_t each, uint32_t count)
{
    double most = (double)each * count;

    return count == 0 || (double)minutes >= most ? 0 : 1 - (double)minutes / most;
}

enum aw_err
sim_bound_find(struct sim_bound *ret_bound, const struct sim_scenario *scenario, const struct aw_order_settings *order,
               uint64_t seed)
{
    struct sim_crowd *crowd = sim_crowd_new(scenario, seed);
    struct works      works = {0};
    uint64_t          care = 0;
    uint64_t          both = 0;
    bool              is_done = false;

    if (crowd != NULL && gather(crowd))
        works.all = aw_new_array(struct work, (size_t)sim_crowd_count(crowd) + 1);
    if (works.all != NULL) {
        for (uint32_t i = 0; i < sim_crowd_count(crowd); i++)
            add_work(&works, scenario, order, sim_crowd_need(crowd, i));
        is_done = most_minutes(&works, scenario, false, &care) && most_minutes(&works, scenario, true, &both);
    }
    free(works.all);
    sim_crowd_free(&crowd);
    if (!is_done)
        return AW_E_MEMORY;
    *ret_bound = (struct sim_bound){
        .care_over_30 = share_lost(care, minutes_of(scenario, AW_CLASS_CARE), works.cares),
        .missed = share_lost(both - care, minutes_of(scenario, AW_CLASS_IMMINENT), works.departures),
    };
    return AW_OK;
}

void
sim_bounds_add(struct sim_bounds *bounds, const struct sim_bound *bound)
{
    sim_spread_add(&bounds->missed, bounds->runs, bound->missed);
    sim_spread_add(&bounds->care_over_30, bounds->runs, bound->care_over_30);
    bounds->runs++;
}
