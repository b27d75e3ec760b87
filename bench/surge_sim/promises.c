#include "bench/surge_sim/promises.h"

#include "base/mem.h"
#include "forecast/flow.h"
#include "forecast/forecast.h"
#include "forecast/promise.h"
#include "forecast/trust.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROUP     0U
#define HOURS_MAX 192U
/* An hour is a good one when so many were told enough. */
#define GOOD_HOUR 0.8

/* What one was told by one estimator. */
struct told {
    uint32_t raw_s[AW_SHARES]; /* before it was corrected */
    uint32_t half_s;
    uint32_t nine_s;
};

struct promise {
    struct told by[SIM_ESTIMATORS];
    bool        is_made;
};

struct sim_promises {
    const struct sim_scenario      *scenario;
    const struct aw_order_settings *order;
    double                          fade_hours;
    struct aw_forecast             *forecasts[2][AW_SHARES]; /* owns: with a roster, without; as probable, with slower fading */
    struct aw_flow                  flow;
    struct aw_trust                 trusts[SIM_ESTIMATORS];
    struct promise                 *promises; /* owns: by need */
    uint32_t                        room;
    aw_ms                           now;                    /* of the last look */
    aw_ms                           oldest[AW_CLASS_COUNT]; /* 0: nobody waits */
    uint64_t                        last_ms[AW_CLASS_COUNT];
    uint64_t                        average_ms;
};

const char *
sim_estimator_name(enum sim_estimator estimator)
{
    static const char *const names[SIM_ESTIMATORS] = {
        "forecast",      "forecast-present",        "head-of-line", "head-of-line-corrected",
        "last-to-enter", "last-to-enter-corrected", "average",      "average-corrected"};

    return names[estimator];
}

const char *
sim_told_metric_name(enum sim_told_metric metric)
{
    static const char *const names[SIM_TOLD_METRICS] = {
        "covered",         "covered_beyond_5_min", "covered_care",  "covered_imminent", "covered_disrupted",
        "covered_general", "covered_other",        "hours_covered", "p90_over_actual",  "p50_error"};

    return names[metric];
}

static bool
is_corrected(enum sim_estimator estimator)
{
    switch (estimator) {
    case SIM_FORECAST:
    case SIM_FORECAST_PRESENT:
    case SIM_HEAD_OF_LINE_CORRECTED:
    case SIM_LAST_TO_ENTER_CORRECTED:
    case SIM_AVERAGE_CORRECTED:
        return true;
    case SIM_HEAD_OF_LINE:
    case SIM_LAST_TO_ENTER:
    case SIM_AVERAGE:
    case SIM_ESTIMATORS:
        return false;
    }
    AW_UNREACHABLE();
}

enum aw_err
sim_promises_new(struct sim_promises **ret_promises, const struct sim_scenario *scenario, const struct aw_order_settings *order,
                 double fade_hours)
{
    struct sim_promises    *promises = aw_new(struct sim_promises);
    struct aw_flow_settings flow = {
        .arrivals_ms = AW_FLOW_ARRIVALS_MS, .habits_ms = AW_FLOW_HABITS_MS, .handling_weight = AW_FLOW_HANDLING_WEIGHT};
    double mix = 0;

    if (promises == NULL)
        return AW_E_MEMORY;
    promises->scenario = scenario;
    promises->order = order;
    promises->fade_hours = fade_hours;
    for (unsigned i = 0; i < 4; i++) {
        if (aw_forecast_new(&promises->forecasts[i / 2][i % 2], 1) != AW_OK) {
            sim_promises_free(&promises);
            return AW_E_MEMORY;
        }
    }
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        mix += scenario->mix[i];
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        flow.usual_per_hour[i] = mix > 0 ? scenario->base_per_hour * scenario->mix[i] / mix : 0;
        flow.handling_ms[i] = order->handling_ms[i];
    }
    aw_flow_init(&promises->flow, &flow);
    for (unsigned i = 0; i < SIM_ESTIMATORS; i++)
        aw_trust_init(&promises->trusts[i], &AW_TRUST_SETTINGS_DEFAULT);
    *ret_promises = promises;
    return AW_OK;
}

void
sim_promises_free(struct sim_promises **promises)
{
    if (*promises == NULL)
        return;
    for (unsigned i = 0; i < 4; i++)
        aw_forecast_free(&(*promises)->forecasts[i / 2][i % 2]);
    free((*promises)->promises);
    free(*promises);
    *promises = NULL;
}

/* --- telling ---------------------------------------------------------------------------------------------------------------- */

static uint64_t
estimate(const struct sim_promises *promises, enum sim_estimator estimator, enum aw_share share, const struct sim_need *need)
{
    switch (estimator) {
    case SIM_FORECAST:
    case SIM_FORECAST_PRESENT:
        return aw_forecast_wait_ms(promises->forecasts[estimator - SIM_FORECAST][share], GROUP, need->class_, need->departs_at);
    case SIM_HEAD_OF_LINE:
    case SIM_HEAD_OF_LINE_CORRECTED:
        return promises->oldest[need->class_] == 0 ? 0 : promises->now - promises->oldest[need->class_];
    case SIM_LAST_TO_ENTER:
    case SIM_LAST_TO_ENTER_CORRECTED:
        return promises->last_ms[need->class_];
    case SIM_AVERAGE:
    case SIM_AVERAGE_CORRECTED:
        return promises->average_ms;
    case SIM_ESTIMATORS:
        break;
    }
    AW_UNREACHABLE();
}

static bool
has_room(struct sim_promises *promises, uint32_t number)
{
    uint32_t        room = number + number / 2 + 4096;
    struct promise *more;

    if (number < promises->room)
        return true;
    more = realloc(promises->promises, room * sizeof(*more));
    if (more == NULL)
        return false;
    memset(more + promises->room, 0, (room - promises->room) * sizeof(*more));
    promises->promises = more;
    promises->room = room;
    return true;
}

bool
sim_promises_tell(struct sim_promises *promises, uint32_t number, const struct sim_need *need)
{
    aw_flow_add_arrival(&promises->flow, need->class_, need->asked_at, need->departs_at);
    if (!has_room(promises, number))
        return false;
    for (enum sim_estimator i = 0; i < SIM_ESTIMATORS; i++) {
        struct told   *told = &promises->promises[number].by[i];
        struct aw_wait wait;

        for (enum aw_share share = AW_HALF; share < AW_SHARES; share++) {
            uint64_t raw_ms = estimate(promises, i, share, need);

            wait.ms[share] = raw_ms < AW_FORECAST_AHEAD_MS ? raw_ms : AW_FORECAST_AHEAD_MS;
            told->raw_s[share] = (uint32_t)(wait.ms[share] / 1000);
        }
        if (is_corrected(i))
            wait = aw_trust_correct(&promises->trusts[i], need->class_, &wait);
        told->half_s = (uint32_t)(aw_promise_round_up(wait.ms[AW_HALF]) / 1000);
        told->nine_s = (uint32_t)(aw_promise_round_up(wait.ms[AW_NINE_OF_TEN]) / 1000);
    }
    promises->promises[number].is_made = true;
    return true;
}

static struct aw_wait
raw_of(const struct told *told)
{
    return (struct aw_wait){{told->raw_s[AW_HALF] * AW_MS_PER_S, told->raw_s[AW_NINE_OF_TEN] * AW_MS_PER_S}};
}

void
sim_promises_take(struct sim_promises *promises, aw_ms now, uint32_t number, const struct sim_need *need)
{
    uint64_t waited_ms = now - need->asked_at;

    promises->last_ms[need->class_] = waited_ms;
    promises->average_ms = (3 * promises->average_ms + waited_ms) / 4;
    if (number >= promises->room || !promises->promises[number].is_made)
        return;
    for (enum sim_estimator i = 0; i < SIM_ESTIMATORS; i++) {
        const struct told *told = &promises->promises[number].by[i];
        struct aw_wait     forecast = raw_of(told);

        if (is_corrected(i))
            aw_trust_add_taken(&promises->trusts[i], need->class_, &forecast, told->nine_s * AW_MS_PER_S, waited_ms);
    }
}

void
sim_promises_handled(struct sim_promises *promises, enum aw_class class_, uint64_t ms)
{
    aw_flow_add_handled(&promises->flow, class_, ms);
}

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

void
sim_promises_begin(struct sim_promises *promises, aw_ms now)
{
    uint64_t passed_ms = promises->now == 0 ? 0 : now - promises->now;

    promises->now = now;
    aw_flow_look(&promises->flow, passed_ms);
    for (unsigned i = 0; i < 4; i++)
        aw_forecast_begin(promises->forecasts[i / 2][i % 2], promises->order, now);
    for (unsigned i = 0; i < SIM_ESTIMATORS; i++)
        aw_trust_begin(&promises->trusts[i], passed_ms);
    memset(promises->oldest, 0, sizeof(promises->oldest));
}

void
sim_promises_add_waiting(struct sim_promises *promises, const struct aw_order_candidate *ticket, uint32_t number,
                         const struct sim_need *need)
{
    aw_ms *oldest = &promises->oldest[need->class_];

    if (*oldest == 0 || need->asked_at < *oldest)
        *oldest = need->asked_at;
    for (unsigned i = 0; i < 4; i++)
        aw_forecast_add_waiting(promises->forecasts[i / 2][i % 2], GROUP, ticket->class_, ticket->age, ticket->departs_at, 1);
    if (number >= promises->room || !promises->promises[number].is_made)
        return;
    for (enum sim_estimator i = 0; i < SIM_ESTIMATORS; i++) {
        const struct told *told = &promises->promises[number].by[i];
        struct aw_wait     forecast = raw_of(told);

        if (is_corrected(i))
            aw_trust_add_waiting(&promises->trusts[i], need->class_, &forecast, told->nine_s * AW_MS_PER_S,
                                 promises->now - need->asked_at);
    }
}

static void
forecast(struct sim_promises *promises, struct aw_forecast *by, double fade_hours, const struct aw_forecast_staff *staff,
         uint32_t count)
{
    for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++) {
        aw_forecast_set_handling(by, class_, aw_flow_handling_ms(&promises->flow, class_));
        aw_forecast_set_arrivals(by, GROUP, class_, aw_flow_arrivals(&promises->flow, class_));
    }
    aw_forecast_set_leads(by, aw_flow_leads(&promises->flow));
    aw_forecast_set_fade(by, (uint64_t)(fade_hours * (double)SIM_HOUR));
    aw_forecast_add_pool(by, 1U << GROUP, staff, count);
    aw_forecast_run(by);
}

void
sim_promises_look(struct sim_promises *promises, unsigned on_duty)
{
    const struct sim_scenario     *scenario = promises->scenario;
    const struct aw_forecast_staff present = {.agents = on_duty};
    struct aw_forecast_staff       staff[SIM_POINTS_MAX];

    for (unsigned i = 0; i < scenario->staff_points; i++)
        staff[i] = (struct aw_forecast_staff){SIM_START + (aw_ms)(scenario->staff[i].hour * (double)SIM_HOUR),
                                              floor(scenario->staff[i].value)};
    for (unsigned share = 0; share < AW_SHARES; share++) {
        double fade_hours = promises->fade_hours * (share == AW_HALF ? 1 : AW_FORECAST_SLOWER);

        forecast(promises, promises->forecasts[0][share], fade_hours, staff, scenario->staff_points);
        forecast(promises, promises->forecasts[1][share], fade_hours, &present, 1);
    }
    for (unsigned i = 0; i < SIM_ESTIMATORS; i++)
        aw_trust_learn(&promises->trusts[i]);
}

/* --- how it came out -------------------------------------------------------------------------------------------------------- */

struct count {
    uint32_t covered;
    uint32_t all;
};

struct judged {
    struct count all;
    struct count chosen; /* less those who were told the smallest step and waited no longer */
    struct count by_class[AW_CLASS_COUNT];
    struct count by_hour[HOURS_MAX];
    double      *over;   /* owns */
    double      *errors; /* owns */
    uint32_t     count;
};

static void
add(struct count *count, bool is_covered)
{
    count->covered += is_covered;
    count->all++;
}

static double
share(const struct count *count)
{
    return count->all > 0 ? (double)count->covered / count->all : 1;
}

static int
compare(const void *a, const void *b)
{
    double one = *(const double *)a, two = *(const double *)b;

    return one < two ? -1 : one > two;
}

static double
median(double *values, uint32_t count)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(values[0]), compare);
    return values[(count - 1) / 2];
}

/* A wait below the smallest step counts as that: nobody is told less. */
static void
judge_one(struct judged *judged, const struct told *told, const struct sim_need *need, aw_ms end)
{
    double   waited_s = (double)((need->answered_at != 0 ? need->answered_at : end) - need->asked_at) / 1000;
    bool     is_covered = waited_s <= told->nine_s;
    uint64_t hour = (need->asked_at - SIM_START) / SIM_HOUR;
    double   least_s = (double)AW_PROMISE_STEP_MS_LEAST / 1000, counted_s = waited_s > least_s ? waited_s : least_s;

    if (need->left_at != 0 || (need->answered_at == 0 && is_covered))
        return;
    add(&judged->all, is_covered);
    if (!is_covered || told->nine_s > least_s)
        add(&judged->chosen, is_covered);
    add(&judged->by_class[need->class_], is_covered);
    add(&judged->by_hour[hour < HOURS_MAX ? hour : HOURS_MAX - 1], is_covered);
    if (need->answered_at == 0)
        return;
    judged->over[judged->count] = told->nine_s / counted_s;
    judged->errors[judged->count++] = fabs(told->half_s - counted_s) / counted_s;
}

static void
sum_up(struct judged *judged, double ret_metrics[SIM_TOLD_METRICS])
{
    struct count hours = {0};

    ret_metrics[SIM_TOLD_COVERED] = share(&judged->all);
    ret_metrics[SIM_TOLD_COVERED_CHOSEN] = share(&judged->chosen);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        ret_metrics[SIM_TOLD_COVERED_CLASS + i] = share(&judged->by_class[i]);
    for (unsigned i = 0; i < HOURS_MAX; i++) {
        if (judged->by_hour[i].all > 0)
            add(&hours, share(&judged->by_hour[i]) >= GOOD_HOUR);
    }
    ret_metrics[SIM_TOLD_HOURS] = share(&hours);
    ret_metrics[SIM_TOLD_OVER_ACTUAL] = median(judged->over, judged->count);
    ret_metrics[SIM_TOLD_ERROR] = median(judged->errors, judged->count);
}

enum aw_err
sim_promises_judge(const struct sim_promises *promises, struct sim_crowd *crowd, aw_ms end, struct sim_told *ret_told)
{
    uint32_t count = sim_crowd_count(crowd);
    double  *over = aw_new_array(double, (size_t)count + 1);
    double  *errors = aw_new_array(double, (size_t)count + 1);

    for (unsigned i = 0; i < SIM_ESTIMATORS && over != NULL && errors != NULL; i++) {
        struct judged judged = {.over = over, .errors = errors};

        for (uint32_t number = 0; number < count && number < promises->room; number++) {
            if (promises->promises[number].is_made)
                judge_one(&judged, &promises->promises[number].by[i], sim_crowd_need(crowd, number), end);
        }
        sum_up(&judged, ret_told->of[i]);
    }
    free(over);
    free(errors);
    return over != NULL && errors != NULL ? AW_OK : AW_E_MEMORY;
}
