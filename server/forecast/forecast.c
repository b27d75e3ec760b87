/* forecast.c - lines of cells, and the rule that takes from them.
 *
 * A line is a queue by age: cells of equal width, from the oldest to the youngest that may still come. A group has a line for each
 * class, and for imminent tickets one for each ten minutes of departure; of those the rule is shown the earliest departure and the
 * oldest ticket, which is what the server's two queues show. Time goes on in steps that grow with the distance; in a step the rule
 * sees one moment.
 *
 * `now` is the border of two cells: what waits lies before it, what comes behind it. A thousandth of a millionth of a ticket in
 * the first cell behind is the one that comes now: when it is taken, the forecast for it is known.
 */
#include "forecast/forecast.h"

#include "base/mem.h"
#include "base/reserve.h"
#include "core/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* By age. */
#define CELL_MS UINT64_C(60000)
#define BACK    ((uint32_t)(AW_FORECAST_BACK_MS / CELL_MS))
#define CELLS   (BACK + (uint32_t)(AW_FORECAST_AHEAD_MS / CELL_MS) + 2U)
/* By departure, and by age in each; who has waited longer than a day is in the first cell. */
#define BIN_MS      AW_FORECAST_LEAD_MS
#define BINS        ((uint32_t)(AW_FORECAST_AHEAD_MS / BIN_MS) + AW_FORECAST_LEADS + 2U)
#define BIN_CELL_MS (UINT64_C(2) * 60000)
#define BIN_BACK_MS (UINT64_C(24) * 3600000)
#define BIN_CELLS   ((uint32_t)((BIN_BACK_MS + BIN_MS) / BIN_CELL_MS) + 2U)
/* One that comes now, and what rounding leaves of a cell. */
#define MARK 1e-6F
#define DUST 1e-9F
/* Steps: a thirty-second of the distance, within these. */
#define STEP_MS_LEAST (UINT64_C(30) * 1000)
#define STEP_MS_MOST  (UINT64_C(10) * 60000)
#define STEP_SHARE    32U

struct cell {
    float tickets;
    float half;    /* of what waited at first */
    float taken_s; /* 1 + when no more than that was left, in s from `now` on; 0: not yet, or nobody waited there */
};

struct line {
    struct cell *cells; /* borrows from the group */
    aw_ms        start; /* age of the first */
    uint64_t     cell_ms;
    uint32_t     count;
    uint32_t     mark; /* the cell of those who come now: `now` is where it begins. count: there is none */
    uint32_t     low;  /* no cell before it was touched */
    uint32_t     head; /* nor has any before this one tickets */
    uint32_t     end;  /* nor any from here on */
};

/* What the rule is shown of a group. The queues by age first, by class. */
enum kind { BY_DEPARTURE = AW_CLASS_COUNT, BY_MISSED, KINDS };

struct choice {
    struct aw_order_candidate candidate;
    struct line              *line; /* NULL: nothing waits */
};

struct group {
    struct line                 lines[AW_CLASS_COUNT]; /* that of imminent: unused */
    struct line                 bins[BINS];            /* imminent, by departure */
    struct cell                *cells;                 /* owns, by aw_reserve */
    struct aw_forecast_arrivals arrivals[AW_CLASS_COUNT];
    uint32_t                    first_bin; /* none before it has tickets */
    uint32_t                    end_bin;   /* nor any from here on */
    /* At this step's moment. */
    struct line  *earliest; /* NULL: no departure that can be made */
    struct line  *oldest;   /* of the same; NULL as well */
    struct line  *missed;
    struct choice best;
};

struct pool {
    uint32_t                 groups;
    uint32_t                 count;
    struct aw_forecast_staff staff[AW_FORECAST_STAFF_MAX];
};

struct aw_forecast {
    struct aw_order_settings order;
    aw_ms                    now;
    uint64_t                 fade_ms;
    double                   handling_ms[AW_CLASS_COUNT];
    double                   leads[AW_FORECAST_LEADS];
    struct group            *groups; /* owns */
    uint32_t                 group_count;
    struct pool              pools[AW_FORECAST_POOLS_MAX];
    uint32_t                 pool_count;
    uint64_t                 unknown; /* cells of those who wait now or come now that were not taken yet */
    uint64_t                 picks;
};

#define GROUP_CELLS ((size_t)AW_CLASS_COUNT * CELLS + (size_t)BINS * BIN_CELLS)

/* --- memory ----------------------------------------------------------------------------------------------------------------- */

static void
place_cells(struct group *group)
{
    struct cell *cells = group->cells;

    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++, cells += CELLS)
        group->lines[class_] = (struct line){.cells = cells, .cell_ms = CELL_MS, .count = CELLS};
    for (uint32_t bin = 0; bin < BINS; bin++, cells += BIN_CELLS)
        group->bins[bin] = (struct line){.cells = cells, .cell_ms = BIN_CELL_MS, .count = BIN_CELLS};
}

enum aw_err
aw_forecast_new(struct aw_forecast **ret_forecast, uint32_t groups)
{
    struct aw_forecast *forecast = aw_new(struct aw_forecast);

    AW_ASSERT(groups >= 1 && groups <= AW_FORECAST_GROUPS_MAX);
    if (forecast == NULL)
        return AW_E_MEMORY;
    forecast->groups = aw_new_array(struct group, groups);
    forecast->group_count = forecast->groups == NULL ? 0 : groups;
    for (uint32_t i = 0; i < forecast->group_count; i++) {
        forecast->groups[i].cells = aw_reserve_take(GROUP_CELLS * sizeof(struct cell));
        if (forecast->groups[i].cells == NULL)
            forecast->group_count = i;
        else
            place_cells(&forecast->groups[i]);
    }
    if (forecast->group_count < groups) {
        aw_forecast_free(&forecast);
        return AW_E_MEMORY;
    }
    *ret_forecast = forecast;
    return AW_OK;
}

void
aw_forecast_free(struct aw_forecast **forecast)
{
    struct aw_forecast *f = *forecast;

    if (f == NULL)
        return;
    for (uint32_t i = 0; i < f->group_count; i++)
        aw_reserve_give(f->groups[i].cells, GROUP_CELLS * sizeof(struct cell));
    free(f->groups);
    free(f);
    *forecast = NULL;
}

/* --- a line ----------------------------------------------------------------------------------------------------------------- */

static void
clear_line(struct line *line, aw_ms start, uint32_t mark)
{
    if (line->low < line->end)
        memset(&line->cells[line->low], 0, (line->end - line->low) * sizeof(line->cells[0]));
    line->start = start;
    line->mark = mark < line->count ? mark : line->count;
    line->low = line->count;
    line->head = line->count;
    line->end = 0;
}

static uint32_t
cell_of(const struct line *line, aw_ms age)
{
    uint64_t cell = age > line->start ? (age - line->start) / line->cell_ms : 0;

    return cell < line->count ? (uint32_t)cell : line->count - 1;
}

static void
add_to_cell(struct line *line, uint32_t cell, double tickets)
{
    line->cells[cell].tickets += (float)tickets;
    line->low = cell < line->low ? cell : line->low;
    line->head = cell < line->head ? cell : line->head;
    line->end = cell + 1 > line->end ? cell + 1 : line->end;
}

/* Since when those of a cell wait: its middle, but of those who come now, and who come later. */
static aw_ms
age_of(const struct line *line, uint32_t cell)
{
    return line->start + cell * line->cell_ms + (cell < line->mark ? line->cell_ms / 2 : 0);
}

static bool
is_empty(struct line *line)
{
    while (line->head < line->end && line->cells[line->head].tickets <= DUST)
        line->head++;
    return line->head >= line->end;
}

/* What is told of this line begins here. Returns how many cells have something to tell. */
static uint64_t
seal(struct line *line, bool is_marked)
{
    uint64_t unknown = 0;

    if (is_marked && line->mark < line->count)
        add_to_cell(line, line->mark, (double)MARK);
    for (uint32_t cell = line->low; cell < line->end; cell++) {
        line->cells[cell].half = line->cells[cell].tickets / 2;
        unknown += line->cells[cell].tickets > 0;
    }
    return unknown;
}

/* Some of the oldest, in this time; whether that tells how long its cell waits. */
static bool
take(struct line *line, double tickets, bool is_all, double from_s, double until_s)
{
    struct cell *cell = &line->cells[line->head];
    double       before = (double)cell->tickets;

    cell->tickets = is_all ? 0 : (float)(before - tickets);
    if (line->head > line->mark || cell->taken_s > 0 || cell->tickets > cell->half)
        return false;
    cell->taken_s = (float)(1 + from_s + (until_s - from_s) * fmin((before - (double)cell->half) / tickets, 1));
    return true;
}

/* --- what is told ----------------------------------------------------------------------------------------------------------- */

void
aw_forecast_begin(struct aw_forecast *forecast, const struct aw_order_settings *order, aw_ms now)
{
    forecast->order = *order;
    forecast->now = now;
    forecast->fade_ms = AW_FORECAST_AHEAD_MS;
    forecast->pool_count = 0;
    AW_ASSERT(now > AW_FORECAST_BACK_MS);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        forecast->handling_ms[i] = (double)order->handling_ms[i];
    memset(forecast->leads, 0, sizeof(forecast->leads));
    for (uint32_t i = 0; i < forecast->group_count; i++) {
        struct group *group = &forecast->groups[i];

        memset(group->arrivals, 0, sizeof(group->arrivals));
        group->first_bin = BINS;
        group->end_bin = 0;
        for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++)
            clear_line(&group->lines[class_], now - AW_FORECAST_BACK_MS, BACK);
        for (uint32_t bin = 0; bin < BINS; bin++) {
            aw_ms start = now + bin * BIN_MS - BIN_BACK_MS;

            clear_line(&group->bins[bin], start, now >= start ? (uint32_t)((now - start) / BIN_CELL_MS) : BIN_CELLS);
        }
    }
}

static uint32_t
bin_of(const struct aw_forecast *forecast, aw_ms departure)
{
    uint64_t bin = departure > forecast->now ? (departure - forecast->now) / BIN_MS : 0;

    return bin < BINS ? (uint32_t)bin : BINS - 1;
}

static struct line *
bin_to_fill(struct group *group, uint32_t bin)
{
    group->first_bin = bin < group->first_bin ? bin : group->first_bin;
    group->end_bin = bin + 1 > group->end_bin ? bin + 1 : group->end_bin;
    return &group->bins[bin];
}

static struct group *
group_at(const struct aw_forecast *forecast, uint32_t group)
{
    AW_ASSERT(group < forecast->group_count);
    return &forecast->groups[group];
}

/* Where those who wait since `age` are. */
static uint32_t
waiting_cell_of(const struct line *line, aw_ms age)
{
    uint32_t cell = cell_of(line, age);

    return cell < line->mark || line->mark == 0 ? cell : line->mark - 1;
}

void
aw_forecast_add_waiting(struct aw_forecast *forecast, uint32_t group, enum aw_class class_, aw_ms age, aw_ms departure,
                        double tickets)
{
    struct line *line = class_ == AW_CLASS_IMMINENT ? bin_to_fill(group_at(forecast, group), bin_of(forecast, departure))
                                                    : &group_at(forecast, group)->lines[class_];

    add_to_cell(line, waiting_cell_of(line, age), tickets);
}

void
aw_forecast_set_handling(struct aw_forecast *forecast, enum aw_class class_, double ms)
{
    AW_ASSERT(ms > 0);
    forecast->handling_ms[class_] = ms;
}

void
aw_forecast_set_arrivals(struct aw_forecast *forecast, uint32_t group, enum aw_class class_, struct aw_forecast_arrivals arrivals)
{
    group_at(forecast, group)->arrivals[class_] = arrivals;
}

void
aw_forecast_set_fade(struct aw_forecast *forecast, uint64_t fade_ms)
{
    AW_ASSERT(fade_ms > 0);
    forecast->fade_ms = fade_ms;
}

void
aw_forecast_set_leads(struct aw_forecast *forecast, const double shares[AW_FORECAST_LEADS])
{
    memcpy(forecast->leads, shares, sizeof(forecast->leads));
}

void
aw_forecast_add_pool(struct aw_forecast *forecast, uint32_t groups, const struct aw_forecast_staff *staff, uint32_t count)
{
    struct pool *pool = &forecast->pools[forecast->pool_count++];

    AW_ASSERT(forecast->pool_count <= AW_FORECAST_POOLS_MAX && count <= AW_FORECAST_STAFF_MAX);
    pool->groups = groups;
    pool->count = count;
    memcpy(pool->staff, staff, count * sizeof(staff[0]));
}

/* --- the rule --------------------------------------------------------------------------------------------------------------- */

static struct aw_order_candidate
candidate_of(const struct line *line, enum aw_class class_, aw_ms departure, uint64_t id)
{
    return (struct aw_order_candidate){.class_ = class_, .age = age_of(line, line->head), .departs_at = departure, .id = id};
}

/* The middle of a bin. */
static aw_ms
departs_at(const struct aw_forecast *forecast, uint32_t bin)
{
    return forecast->now + bin * BIN_MS + BIN_MS / 2;
}

struct moment {
    const struct aw_forecast *forecast;
    aw_ms                     at;
};

static void
consider(const struct moment *moment, struct choice *best, struct line *line, struct aw_order_candidate candidate)
{
    if (best->line == NULL || aw_order_goes_before(&moment->forecast->order, moment->at, &candidate, &best->candidate))
        *best = (struct choice){candidate, line};
}

/* The earliest departure that can be made, the oldest of all such, and the oldest of those that cannot, which are `disrupted`. */
static void
scan_bins(const struct moment *moment, struct group *group)
{
    const struct aw_forecast *forecast = moment->forecast;
    aw_ms                     first_at = moment->at + forecast->order.handling_ms[AW_CLASS_IMMINENT];

    group->earliest = group->oldest = group->missed = NULL;
    for (uint32_t bin = group->first_bin; bin < group->end_bin; bin++) {
        struct line  *line = &group->bins[bin];
        struct line **oldest = departs_at(forecast, bin) < first_at ? &group->missed : &group->oldest;

        if (is_empty(line)) {
            group->first_bin += bin == group->first_bin;
            continue;
        }
        if (oldest == &group->oldest && group->earliest == NULL)
            group->earliest = line;
        if (*oldest == NULL || age_of(line, line->head) < age_of(*oldest, (*oldest)->head))
            *oldest = line;
    }
}

static void
find_best(const struct moment *moment, struct group *group)
{
    const struct aw_forecast *forecast = moment->forecast;
    uint64_t                  id = (uint64_t)(group - forecast->groups) * KINDS + 1;

    group->best.line = NULL;
    for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++) {
        if (class_ != AW_CLASS_IMMINENT && !is_empty(&group->lines[class_]))
            consider(moment, &group->best, &group->lines[class_], candidate_of(&group->lines[class_], class_, 0, id + class_));
    }
    if (group->earliest != NULL) {
        struct line *line = group->earliest;
        aw_ms        at = departs_at(forecast, (uint32_t)(line - group->bins));

        consider(moment, &group->best, line, candidate_of(line, AW_CLASS_IMMINENT, at, id + BY_DEPARTURE));
        line = group->oldest;
        consider(moment, &group->best, line, candidate_of(line, AW_CLASS_IMMINENT, AW_MS_MAX, id + AW_CLASS_IMMINENT));
    }
    if (group->missed != NULL)
        consider(moment, &group->best, group->missed, candidate_of(group->missed, AW_CLASS_DISRUPTED, 0, id + BY_MISSED));
}

static struct group *
best_group(const struct moment *moment, uint32_t groups)
{
    struct group *best = NULL;

    for (uint32_t i = 0; i < moment->forecast->group_count; i++) {
        struct group *group = &moment->forecast->groups[i];

        if ((groups >> i & 1) == 0 || group->best.line == NULL)
            continue;
        if (best == NULL ||
            aw_order_goes_before(&moment->forecast->order, moment->at, &group->best.candidate, &best->best.candidate))
            best = group;
    }
    return best;
}

/* --- forward ---------------------------------------------------------------------------------------------------------------- */

static double
agents_at(const struct pool *pool, aw_ms at)
{
    double agents = 0;

    for (uint32_t i = 0; i < pool->count && pool->staff[i].from <= at; i++)
        agents = pool->staff[i].agents;
    return agents;
}

/* What a pool's agents take in a step; the rule sees its middle. */
static void
spend(struct aw_forecast *forecast, const struct pool *pool, aw_ms at, uint64_t step_ms)
{
    const struct moment moment = {forecast, at + step_ms / 2};
    double              all_ms = agents_at(pool, moment.at) * (double)step_ms, left_ms = all_ms;
    double              start_s = (double)(at - forecast->now) / 1000, step_s = (double)step_ms / 1000;
    struct group       *group;

    if (all_ms <= 0)
        return;
    for (uint32_t i = 0; i < forecast->group_count; i++) {
        scan_bins(&moment, &forecast->groups[i]);
        find_best(&moment, &forecast->groups[i]);
    }
    while (left_ms > 0 && (group = best_group(&moment, pool->groups)) != NULL) {
        struct line *line = group->best.line;
        double       each_ms = forecast->handling_ms[group->best.candidate.class_];
        double       tickets = (double)line->cells[line->head].tickets, before_ms = left_ms;
        bool         is_all = tickets * each_ms <= left_ms;

        tickets = is_all ? tickets : left_ms / each_ms;
        left_ms = is_all ? left_ms - tickets * each_ms : 0;
        forecast->unknown -=
            take(line, tickets, is_all, start_s + (1 - before_ms / all_ms) * step_s, start_s + (1 - left_ms / all_ms) * step_s);
        forecast->picks++;
        if (line->cell_ms == BIN_CELL_MS)
            scan_bins(&moment, group);
        find_best(&moment, group);
    }
}

static void
add_imminent(struct aw_forecast *forecast, struct group *group, aw_ms age, double tickets)
{
    double all = 0;

    for (unsigned i = 0; i < AW_FORECAST_LEADS; i++)
        all += forecast->leads[i];
    for (unsigned i = 0; i < AW_FORECAST_LEADS; i++) {
        double       share = all > 0 ? forecast->leads[i] / all : 1.0 / AW_FORECAST_LEADS;
        struct line *line;
        uint32_t     cell;

        if (share <= 0)
            continue;
        line = bin_to_fill(group, bin_of(forecast, age + i * BIN_MS + BIN_MS / 2));
        cell = cell_of(line, age + BIN_CELL_MS);
        add_to_cell(line, cell, tickets * share);
    }
}

/* What arrives in a step, behind those who come now. */
static void
arrive(struct aw_forecast *forecast, aw_ms at, uint64_t step_ms)
{
    aw_ms  age = at + step_ms / 2;
    double faded = exp2(-(double)(age - forecast->now) / (double)forecast->fade_ms);

    for (uint32_t i = 0; i < forecast->group_count; i++) {
        struct group *group = &forecast->groups[i];

        for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++) {
            const struct aw_forecast_arrivals *arrivals = &group->arrivals[class_];
            double per_hour = arrivals->usual_per_hour + (arrivals->per_hour - arrivals->usual_per_hour) * faded;
            double tickets = per_hour * (double)step_ms / 3600000;

            if (tickets <= (double)DUST)
                continue;
            if (class_ == AW_CLASS_IMMINENT)
                add_imminent(forecast, group, age, tickets);
            else
                add_to_cell(&group->lines[class_], cell_of(&group->lines[class_], age + CELL_MS), tickets);
        }
    }
}

/* Longer ones further away; none goes over a change of the staff. */
static uint64_t
step_at(const struct aw_forecast *forecast, uint64_t distance_ms)
{
    aw_ms    at = forecast->now + distance_ms;
    uint64_t step_ms = distance_ms / STEP_SHARE;

    step_ms = step_ms > STEP_MS_LEAST ? step_ms : STEP_MS_LEAST;
    step_ms = step_ms < STEP_MS_MOST ? step_ms : STEP_MS_MOST;
    for (uint32_t i = 0; i < forecast->pool_count; i++) {
        const struct pool *pool = &forecast->pools[i];

        for (uint32_t k = 0; k < pool->count; k++) {
            if (pool->staff[k].from > at && pool->staff[k].from - at < step_ms)
                step_ms = pool->staff[k].from - at;
        }
    }
    return step_ms;
}

void
aw_forecast_run(struct aw_forecast *forecast)
{
    uint64_t distance_ms = 0;

    forecast->unknown = 0;
    forecast->picks = 0;
    for (uint32_t i = 0; i < forecast->group_count; i++) {
        struct group *group = &forecast->groups[i];

        for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++)
            forecast->unknown += seal(&group->lines[class_], class_ != AW_CLASS_IMMINENT);
        for (uint32_t bin = 0; bin <= AW_FORECAST_LEADS; bin++)
            (void)bin_to_fill(group, bin);
        for (uint32_t bin = 0; bin < BINS; bin++)
            forecast->unknown += seal(&group->bins[bin], bin <= AW_FORECAST_LEADS);
    }
    while (forecast->unknown > 0 && distance_ms < AW_FORECAST_AHEAD_MS) {
        uint64_t step_ms = step_at(forecast, distance_ms);

        arrive(forecast, forecast->now + distance_ms, step_ms);
        for (uint32_t i = 0; i < forecast->pool_count; i++)
            spend(forecast, &forecast->pools[i], forecast->now + distance_ms, step_ms);
        distance_ms += step_ms;
    }
}

/* --- what comes out --------------------------------------------------------------------------------------------------------- */

static const struct line *
line_of(const struct aw_forecast *forecast, uint32_t group, enum aw_class class_, aw_ms departure)
{
    uint32_t bin;

    if (class_ != AW_CLASS_IMMINENT)
        return &group_at(forecast, group)->lines[class_];
    bin = bin_of(forecast, departure);
    return &group_at(forecast, group)->bins[bin];
}

static uint64_t
taken_ms(const struct cell *cell)
{
    return cell->taken_s > 0 ? (uint64_t)((cell->taken_s - 1) * 1000) : AW_FORECAST_NEVER;
}

uint64_t
aw_forecast_wait_ms(const struct aw_forecast *forecast, uint32_t group, enum aw_class class_, aw_ms departure)
{
    aw_ms              furthest = forecast->now + AW_FORECAST_LEADS * BIN_MS;
    const struct line *line = line_of(forecast, group, class_, departure < furthest ? departure : furthest);

    return taken_ms(&line->cells[line->mark]);
}

uint64_t
aw_forecast_desk_wait_ms(const struct aw_forecast *forecast, enum aw_class class_, aw_ms departure, double share)
{
    double   all = 0;
    uint64_t best = AW_FORECAST_NEVER;

    AW_ASSERT(share > 0 && share <= 1);
    for (uint32_t i = 0; i < forecast->group_count; i++)
        all += forecast->groups[i].arrivals[class_].per_hour;
    for (uint32_t i = 0; i < forecast->group_count; i++) {
        uint64_t wait_ms = aw_forecast_wait_ms(forecast, i, class_, departure);
        double   within = 0;

        for (uint32_t k = 0; k < forecast->group_count; k++) {
            double weight = all > 0 ? forecast->groups[k].arrivals[class_].per_hour / all : 1.0 / forecast->group_count;

            within += aw_forecast_wait_ms(forecast, k, class_, departure) <= wait_ms ? weight : 0;
        }
        if (within >= share - 1e-9 && wait_ms < best)
            best = wait_ms;
    }
    return best;
}

bool
aw_forecast_has(const struct aw_forecast *forecast, uint32_t group, enum aw_class class_, aw_ms age, aw_ms departure)
{
    const struct line *line = line_of(forecast, group, class_, departure);

    return line->cells[waiting_cell_of(line, age)].half > 0; /* of what arrives in the run it is 0 */
}

uint64_t
aw_forecast_left_ms(const struct aw_forecast *forecast, uint32_t group, enum aw_class class_, aw_ms age, aw_ms departure)
{
    const struct line *line = line_of(forecast, group, class_, departure);

    return taken_ms(&line->cells[waiting_cell_of(line, age)]);
}

uint64_t
aw_forecast_picks(const struct aw_forecast *forecast)
{
    return forecast->picks;
}
