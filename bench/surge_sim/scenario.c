/* scenario.c - the table. Figures marked A are assumptions: vary them (surge_sim --help), do not tune to them. */
#include "bench/surge_sim/scenario.h"

#include <string.h>

/* Normal, a ramp of half an hour, held for eleven and a half, fading to twice, normal again on the second day. */
#define LOAD(times) .load = {{0, 1}, {2, 1}, {2.5, times}, {14, times}, {18, 2}, {24, 2}, {24, 1}}, .load_points = 7
/* Nobody is there when it begins; who can be called in comes over six hours. The hours after the thirtieth A. */
#define STAFF .staff = {{0, 28}, {3.5, 60}, {5, 100}, {8, 130}, {30, 90}, {36, 40}}, .staff_points = 6
#define COMMON                                                                                                                   \
    STAFF, .hours = 48, .base_per_hour = 208, .handling_min = {10, 5, 8, 6, 4}, .handling_cv = 0.7, .lead_min_least = 30,        \
           .lead_min_most = 360, .read_min = 0.25 /* A */
#define MIX        .mix = {5, 15, 35, 25, 20}
#define MIX_URGENT .mix = {8, 42, 30, 12, 8}

static const struct sim_scenario table[] = {
    {.name = "R4", .about = "four times the load, urgent mix", COMMON, LOAD(4), MIX_URGENT},
    {.name = "R8", .about = "eight times the load", COMMON, LOAD(8), MIX},
    {.name = "R8u", .about = "eight times the load, urgent mix", COMMON, LOAD(8), MIX_URGENT},
    {.name = "R16u", .about = "sixteen times the load, urgent mix", COMMON, LOAD(16), MIX_URGENT},
    {.name = "dup",
     .about = "R8, a quarter asks on two channels, who waits writes again (half a message an hour)",
     COMMON,
     LOAD(8),
     MIX,
     .copies = 0.25,
     .copy_min = 5, /* A */
     .identified = 1 /* A */,
     .follow_ups_per_hour = 0.5},
    {.name = "clu",
     .about = "R8, half of disrupted and general are passengers of 40 flights",
     COMMON,
     LOAD(8),
     MIX,
     .clusters = 40,
     .clustered = 0.5,
     .cluster_min = 5 /* A */,
     .supervisors = 4 /* A */,
     .answer_min = 10 /* A */,
     .again_min = 1 /* A */},
    /* Ten of 34 airports A: half of the flights touch the region. */
    {.name = "R8-ash",
     .about = "R8, and at hour 3 all airports of a region close for 48 hours",
     COMMON,
     LOAD(8),
     MIX,
     .airports = 34,
     .closing = 10,
     .closes_hour = 3,
     .closed_hours = 48},
    /* Half of them on a channel that lets a business answer for 24 hours, the others by mail and the like A. */
    {.name = "R8-win",
     .about = "R8, half asks on a channel that takes answers for 24 hours only",
     COMMON,
     LOAD(8),
     MIX,
     .windowed = 0.5,
     .window_hours = 24},
    {.name = "R16u-win",
     .about = "R16u, half asks on a channel that takes answers for 24 hours only",
     COMMON,
     LOAD(16),
     MIX_URGENT,
     .windowed = 0.5,
     .window_hours = 24},
    /* 130 agents from the start, as many as that airline had in 2014: what is shown is who is served, not whether all are. */
    {.name = "W",
     .about = "the generator's level W: a week's worth in the hour, with follow-ups and redeliveries",
     .hours = 48,
     .staff = {{0, 130}},
     .staff_points = 1,
     .handling_min = {10, 5, 8, 6, 4},
     .handling_cv = 0.7,
     .read_min = 0.25 /* A */,
     .is_generated = true,
     .level = SURGE_W},
};

const struct sim_scenario *
sim_scenario_find(const char *name)
{
    for (unsigned i = 0; i < AW_ARRAY_LEN(table); i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

const struct sim_scenario *
sim_scenario_at(unsigned number)
{
    return number < AW_ARRAY_LEN(table) ? &table[number] : NULL;
}

double
sim_scenario_load(const struct sim_scenario *scenario, double hour)
{
    const struct sim_point *load = scenario->load;
    unsigned                i = 1;

    while (i < scenario->load_points && load[i].hour <= hour)
        i++;
    if (i >= scenario->load_points)
        return load[scenario->load_points - 1].value;
    return load[i - 1].value +
           (load[i].value - load[i - 1].value) * (hour - load[i - 1].hour) / (load[i].hour - load[i - 1].hour);
}

double
sim_scenario_load_most(const struct sim_scenario *scenario)
{
    double most = 0;

    for (unsigned i = 0; i < scenario->load_points; i++)
        most = scenario->load[i].value > most ? scenario->load[i].value : most;
    return most;
}

unsigned
sim_scenario_staff(const struct sim_scenario *scenario, double hour)
{
    unsigned staff = 0;

    for (unsigned i = 0; i < scenario->staff_points && scenario->staff[i].hour <= hour; i++)
        staff = (unsigned)scenario->staff[i].value;
    return staff;
}

double
sim_scenario_staff_changes(const struct sim_scenario *scenario, double hour)
{
    for (unsigned i = 0; i < scenario->staff_points; i++) {
        if (scenario->staff[i].hour > hour)
            return scenario->staff[i].hour;
    }
    return -1;
}

struct aw_airport_code
sim_scenario_airport(unsigned airport)
{
    AW_ASSERT(airport < 26 * 26);
    return (struct aw_airport_code){.letters = {'A', (char)('A' + airport / 26), (char)('A' + airport % 26)}};
}

unsigned
sim_scenario_staff_most(const struct sim_scenario *scenario)
{
    unsigned most = 0;

    for (unsigned i = 0; i < scenario->staff_points; i++)
        most = (unsigned)scenario->staff[i].value > most ? (unsigned)scenario->staff[i].value : most;
    return most;
}
