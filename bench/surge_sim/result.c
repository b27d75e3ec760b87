/* result.c - quantiles and shares over the needs of a run. */
#include "bench/surge_sim/result.h"

#include "base/mem.h"

#include <stdlib.h>

static int
compare(const void *a, const void *b)
{
    double one = *(const double *)a;
    double two = *(const double *)b;

    return one < two ? -1 : one > two;
}

/* The smallest value that `share` of them do not exceed. */
static double
quantile(const double *sorted, size_t count, double share)
{
    size_t rank = (size_t)(share * (double)count);

    if (count == 0)
        return 0;
    if ((double)rank == share * (double)count && rank > 0)
        rank--;
    return sorted[rank < count ? rank : count - 1];
}

static aw_ms
waited_until(const struct sim_need *need, aw_ms end)
{
    if (need->answered_at != 0)
        return need->answered_at;
    return need->left_at != 0 ? need->left_at : end;
}

static double
wait_min(const struct sim_need *need, aw_ms end)
{
    return (double)(waited_until(need, end) - need->asked_at) / (double)SIM_MIN;
}

/* --- one class -------------------------------------------------------------------------------------------------------------- */

static void
measure_class(struct sim_result *result, enum aw_class class_, double target_min, double *waits, size_t count)
{
    double *metrics = result->of_class[class_];
    double  sum = 0;
    size_t  over = 0;

    qsort(waits, count, sizeof(waits[0]), compare);
    for (size_t i = 0; i < count; i++) {
        sum += waits[i];
        over += waits[i] > target_min;
    }
    metrics[SIM_NEEDS] = (double)count;
    metrics[SIM_P50_MIN] = quantile(waits, count, 0.5);
    metrics[SIM_P90_MIN] = quantile(waits, count, 0.9);
    metrics[SIM_MAX_MIN] = count > 0 ? waits[count - 1] : 0;
    metrics[SIM_MEAN_MIN] = count > 0 ? sum / (double)count : 0;
    metrics[SIM_OVER_TARGET] = count > 0 ? (double)over / (double)count : 0;
    metrics[SIM_P90_RATIO] = metrics[SIM_P90_MIN] / target_min;
}

static unsigned
bucket_of(aw_ms at)
{
    uint64_t bucket = (at - SIM_START) / SIM_BUCKET_MS;

    return bucket < SIM_BUCKETS_MAX ? (unsigned)bucket : SIM_BUCKETS_MAX - 1;
}

/* Needs come in order of asking, so those of a half hour are neighbours. */
static void
measure_buckets(struct sim_result *result, struct sim_crowd *crowd, enum aw_class class_, aw_ms end, double *room)
{
    uint32_t total = sim_crowd_count(crowd);
    uint32_t at = 0;

    for (unsigned bucket = 0; bucket < result->buckets; bucket++) {
        size_t count = 0;

        for (; at < total && bucket_of(sim_crowd_need(crowd, at)->asked_at) <= bucket; at++) {
            if (sim_crowd_need(crowd, at)->class_ == class_)
                room[count++] = wait_min(sim_crowd_need(crowd, at), end);
        }
        qsort(room, count, sizeof(room[0]), compare);
        result->waits[class_][bucket] = count > 0 ? quantile(room, count, 0.9) : -1;
    }
}

/* --- the run ---------------------------------------------------------------------------------------------------------------- */

static double
share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

static void
measure_people(struct sim_result *result, const struct aw_order_settings *order, struct sim_crowd *crowd, aw_ms end)
{
    uint64_t handling = order->handling_ms[AW_CLASS_IMMINENT];
    uint64_t could = 0, missed = 0, late = 0, care = 0, care_late = 0, left = 0, gave_up = 0, windows = 0, closed = 0;

    for (uint32_t i = 0; i < sim_crowd_count(crowd); i++) {
        const struct sim_need *need = sim_crowd_need(crowd, i);

        left += need->answered_at == 0 && need->left_at == 0;
        gave_up += need->left_at != 0;
        windows += need->reply_by != 0 && need->reply_by <= end;
        closed += need->reply_by != 0 && need->reply_by <= end && waited_until(need, end) > need->reply_by;
        care += need->class_ == AW_CLASS_CARE;
        care_late += need->class_ == AW_CLASS_CARE && wait_min(need, end) > 30;
        if (need->class_ != AW_CLASS_IMMINENT || need->departs_at < need->asked_at + handling)
            continue;
        if (need->grounded_at != 0 && waited_until(need, end) >= need->grounded_at)
            continue; /* not missed: it does not go */
        could++;
        if (need->departs_at < waited_until(need, end) + handling)
            missed += need->left_at == 0;
        else
            late += need->done_at > need->departs_at;
    }
    result->of_run[SIM_MISSED] = share(missed, could);
    result->of_run[SIM_DONE_LATE] = share(late, could);
    result->of_run[SIM_CARE_OVER_30] = share(care_late, care);
    result->of_run[SIM_LEFT_WAITING] = (double)left;
    result->of_run[SIM_GAVE_UP] = (double)gave_up;
    result->of_run[SIM_WINDOWS_MISSED] = share(closed, windows);
    result->of_run[SIM_WORK_PER_NEED] = share(result->tally.work, sim_crowd_count(crowd));
}

enum fate { GOES, GROUNDED, DISRUPTED };

static bool
has_fate(const struct sim_need *need, enum fate fate)
{
    switch (fate) {
    case GOES:
        return need->departs_at != 0 && need->grounded_at == 0;
    case GROUNDED:
        return need->grounded_at != 0;
    case DISRUPTED:
        return need->class_ == AW_CLASS_DISRUPTED && need->departs_at == 0;
    }
    AW_UNREACHABLE();
}

/* Of those who waited when the airports closed or asked later. */
static double
p90_of(struct sim_crowd *crowd, enum fate fate, aw_ms closes_at, aw_ms end, double *room)
{
    size_t count = 0;

    for (uint32_t i = 0; i < sim_crowd_count(crowd); i++) {
        const struct sim_need *need = sim_crowd_need(crowd, i);

        if (has_fate(need, fate) && waited_until(need, end) >= closes_at)
            room[count++] = wait_min(need, end);
    }
    qsort(room, count, sizeof(room[0]), compare);
    return quantile(room, count, 0.9);
}

static void
measure_closure(struct sim_result *result, struct sim_crowd *crowd, aw_ms closes_at, aw_ms end, double *room)
{
    result->of_run[SIM_REACH_P90_MIN] = p90_of(crowd, GOES, closes_at, end, room);
    result->of_run[SIM_GROUNDED_P90_MIN] = p90_of(crowd, GROUNDED, closes_at, end, room);
    result->of_run[SIM_DISRUPTED_P90_MIN] = p90_of(crowd, DISRUPTED, closes_at, end, room);
}

static void
measure_pulls(struct sim_result *result)
{
    const struct sim_tally *tally = &result->tally;

    for (unsigned i = 0; i < result->buckets; i++) {
        double kappa = tally->kappa_count[i] > 0 ? tally->kappa_sum[i] / tally->kappa_count[i] : -1;
        double care = share(tally->care_count[i], (uint64_t)tally->care_count[i] + tally->kappa_count[i]);

        result->kappa[i] = kappa;
        if (kappa > result->of_run[SIM_KAPPA_PEAK])
            result->of_run[SIM_KAPPA_PEAK] = kappa;
        if (care > result->of_run[SIM_CARE_OF_PULLS])
            result->of_run[SIM_CARE_OF_PULLS] = care;
    }
    result->of_run[SIM_UTILISATION] = tally->duty_ms > 0 ? tally->busy_ms / tally->duty_ms : 0;
    result->of_run[SIM_WAITING_MOST] = tally->waiting_most;
    result->of_run[SIM_CLOSED_LEASES] = (double)tally->closed.leases;
    result->of_run[SIM_GROUNDED_LEASES] = (double)tally->closed.grounded;
    result->of_run[SIM_GROUNDED_AHEAD] = (double)tally->closed.ahead;
    result->of_run[SIM_GROUNDED_WRONG] = (double)tally->closed.wrong;
    result->of_run[SIM_GROUNDED_AS_DEPARTURE] = (double)tally->closed.departed;
}

static double
ratio_spread(const struct sim_result *result)
{
    double least = result->of_class[AW_CLASS_IMMINENT][SIM_P90_RATIO];
    double most = least;

    for (enum aw_class class_ = AW_CLASS_DISRUPTED; class_ <= AW_CLASS_GENERAL; class_++) {
        double ratio = result->of_class[class_][SIM_P90_RATIO];

        least = ratio < least ? ratio : least;
        most = ratio > most ? ratio : most;
    }
    return least > 0 ? most / least - 1 : 0;
}

enum aw_err
sim_result_make(struct sim_result *ret_result, const struct aw_order_settings *order, struct sim_crowd *crowd,
                const struct sim_tally *tally, aw_ms end)
{
    uint32_t count = sim_crowd_count(crowd);
    double  *room = aw_new_array(double, (size_t)count + 1);

    if (room == NULL)
        return AW_E_MEMORY;
    *ret_result = (struct sim_result){.tally = *tally, .buckets = bucket_of(end - 1) + 1};
    for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++) {
        size_t waits = 0;

        for (uint32_t i = 0; i < count; i++) {
            if (sim_crowd_need(crowd, i)->class_ == class_)
                room[waits++] = wait_min(sim_crowd_need(crowd, i), end);
        }
        measure_class(ret_result, class_, (double)order->target_ms[class_] / (double)SIM_MIN, room, waits);
        measure_buckets(ret_result, crowd, class_, end, room);
    }
    measure_people(ret_result, order, crowd, end);
    measure_pulls(ret_result);
    if (tally->closed.at != 0)
        measure_closure(ret_result, crowd, tally->closed.at, end, room);
    ret_result->of_run[SIM_RATIO_SPREAD] = ratio_spread(ret_result);
    free(room);
    return AW_OK;
}

/* --- several runs ----------------------------------------------------------------------------------------------------------- */

void
sim_spread_add(struct sim_spread *spread, unsigned runs, double value)
{
    spread->mean += (value - spread->mean) / (runs + 1);
    spread->least = runs == 0 || value < spread->least ? value : spread->least;
    spread->most = runs == 0 || value > spread->most ? value : spread->most;
}

static void
add_point(double *mean, uint32_t *count, double value)
{
    if (*count == 0)
        *mean = -1;
    if (value < 0)
        return;
    *mean = *count == 0 ? value : *mean + (value - *mean) / (*count + 1);
    (*count)++;
}

void
sim_summary_add(struct sim_summary *summary, const struct sim_result *result)
{
    AW_IMPLIES(summary->runs > 0, summary->buckets == result->buckets);
    summary->buckets = result->buckets;
    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
        for (unsigned metric = 0; metric < SIM_CLASS_METRICS; metric++)
            sim_spread_add(&summary->of_class[class_][metric], summary->runs, result->of_class[class_][metric]);
        for (unsigned i = 0; i < result->buckets; i++)
            add_point(&summary->waits[class_][i], &summary->waits_count[class_][i], result->waits[class_][i]);
    }
    for (unsigned metric = 0; metric < SIM_RUN_METRICS; metric++)
        sim_spread_add(&summary->of_run[metric], summary->runs, result->of_run[metric]);
    for (unsigned i = 0; i < SIM_ESTIMATORS; i++) {
        for (unsigned metric = 0; metric < SIM_TOLD_METRICS; metric++)
            sim_spread_add(&summary->told[i][metric], summary->runs, result->told.of[i][metric]);
    }
    for (unsigned i = 0; i < result->buckets; i++)
        add_point(&summary->kappa[i], &summary->kappa_count[i], result->kappa[i]);
    summary->runs++;
}

const char *
sim_class_metric_name(enum sim_class_metric metric)
{
    static const char *const names[SIM_CLASS_METRICS] = {"needs",    "p50_min",     "p90_min",  "max_min",
                                                         "mean_min", "over_target", "p90_ratio"};

    return names[metric];
}

const char *
sim_run_metric_name(enum sim_run_metric metric)
{
    static const char *const names[SIM_RUN_METRICS] = {
        "missed",          "done_late",        "care_over_30",      "ratio_spread",
        "work_per_need",   "utilisation",      "kappa_peak",        "care_of_pulls_peak",
        "left_waiting",    "gave_up",          "waiting_most",      "closed_leases",
        "grounded_leases", "grounded_ahead",   "grounded_wrong",    "grounded_as_departure",
        "reach_p90_min",   "grounded_p90_min", "disrupted_p90_min", "windows_missed"};

    return names[metric];
}
