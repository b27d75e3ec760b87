#include "forecast/trust.h"

#include "base/assert.h"
#include "forecast/forecast.h"
#include "forecast/promise.h"

#include <math.h>
#include <string.h>

#define MIDDLE ((double)(AW_TRUST_OCTAVES * AW_TRUST_STEPS))
/* Of a normal distribution: nine of ten lie below so many of its deviations. */
#define DEVIATIONS_90 1.2815515655446004

/* The share that waits longer than the second wait: between these, before it is rounded up. */
#define LONGER_LEAST 0.1
#define LONGER_MOST  0.3
/* Of those who keep what they were told: nine of ten, and this much more lets the share go from the least to the most. */
#define KEPT      0.9
#define KEPT_MORE 0.05

static double
number_of(double ratio)
{
    return fmin(fmax(MIDDLE + AW_TRUST_STEPS * log2(ratio), 0), AW_TRUST_RATIOS - 1);
}

static double
ratio_of(double number)
{
    return exp2((number - MIDDLE) / AW_TRUST_STEPS);
}

/* The place of somebody who waited so many times the forecast, as a number of the histogram. */
static double
place_of(const struct aw_trust *trust, uint64_t forecast_ms, uint64_t waited_ms)
{
    double more = (double)trust->_settings.short_ms;

    return number_of(((double)waited_ms + more) / ((double)forecast_ms + more));
}

static double
weight_of(const struct aw_trust *trust, uint64_t ms)
{
    return exp2(-(double)ms / (double)trust->_settings.half_life_ms);
}

/* A log-normal spread around the forecast. */
static double
first_of(const struct aw_trust_settings *settings, unsigned number)
{
    double deviation = AW_TRUST_STEPS * log2(settings->first_spread) / DEVIATIONS_90;
    double from = ((double)number - 0.5 - MIDDLE) / deviation, until = ((double)number + 0.5 - MIDDLE) / deviation;

    return settings->first_weight * 0.5 * (erf(until / sqrt(2)) - erf(from / sqrt(2)));
}

void
aw_trust_init(struct aw_trust *trust, const struct aw_trust_settings *settings)
{
    AW_ASSERT(settings->half_life_ms > 0 && settings->short_ms > 0);
    AW_ASSERT(settings->first_spread > 1 && settings->first_weight > 0 && settings->most >= 1);
    *trust = (struct aw_trust){._settings = *settings};
    for (unsigned i = 0; i < AW_TRUST_RATIOS; i++)
        trust->_first[i] = first_of(settings, i);
    aw_trust_learn(trust);
}

void
aw_trust_begin(struct aw_trust *trust, uint64_t passed_ms)
{
    double  left = weight_of(trust, passed_ms);
    double *done = &trust->_done[0][0][0];

    for (size_t i = 0; i < sizeof(trust->_done) / sizeof(*done); i++)
        done[i] *= left;
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        trust->_kept[i] *= left;
        trust->_broken[i] *= left;
    }
    memset(trust->_waiting, 0, sizeof(trust->_waiting));
    memset(trust->_breaking, 0, sizeof(trust->_breaking));
}

void
aw_trust_add_waiting(struct aw_trust *trust, enum aw_class class_, const struct aw_wait *forecast, uint64_t told_ms,
                     uint64_t waited_ms)
{
    double weight = weight_of(trust, waited_ms);

    for (unsigned share = 0; share < AW_SHARES; share++) {
        if (forecast->ms[share] == AW_FORECAST_NEVER) /* nobody to take it was in sight: that has no ratio to a wait */
            continue;
        trust->_waiting[class_][share][(unsigned)place_of(trust, forecast->ms[share], waited_ms)] += weight;
    }
    if (told_ms > AW_PROMISE_STEP_MS_LEAST && waited_ms > told_ms)
        trust->_breaking[class_] += weight;
}

void
aw_trust_add_taken(struct aw_trust *trust, enum aw_class class_, const struct aw_wait *forecast, uint64_t told_ms,
                   uint64_t waited_ms)
{
    double weight = weight_of(trust, waited_ms);

    for (unsigned share = 0; share < AW_SHARES; share++) {
        if (forecast->ms[share] == AW_FORECAST_NEVER) /* as above */
            continue;
        trust->_done[class_][share][(unsigned)(place_of(trust, forecast->ms[share], waited_ms) + 0.5)] += weight;
    }
    if (told_ms > AW_PROMISE_STEP_MS_LEAST)
        *(waited_ms > told_ms ? &trust->_broken[class_] : &trust->_kept[class_]) += weight;
}

/* The share that may wait longer. */
static double
longer_than(const struct aw_trust *trust, enum aw_class class_, unsigned share)
{
    double weight = trust->_settings.first_weight;
    double all = trust->_kept[class_] + trust->_broken[class_] + trust->_breaking[class_] + weight;
    double more = (trust->_kept[class_] + KEPT * weight) / all - KEPT;

    if (share == AW_HALF)
        return 0.5;
    return fmin(fmax(LONGER_LEAST + (LONGER_MOST - LONGER_LEAST) * more / KEPT_MORE, LONGER_LEAST), LONGER_MOST);
}

/* The number above which only so many of them wait; the last one when that is not known. */
static double
find_number(const struct aw_trust *trust, enum aw_class class_, unsigned share)
{
    double        longer = longer_than(trust, class_, share);
    const double *done = trust->_done[class_][share], *waiting = trust->_waiting[class_][share];
    double        at_risk = 0, still = 1; /* the share whose waits are longer */

    for (unsigned i = 0; i < AW_TRUST_RATIOS; i++)
        at_risk += done[i] + waiting[i] + trust->_first[i];
    for (unsigned i = 0; i < AW_TRUST_RATIOS; i++) {
        double taken = done[i] + trust->_first[i];
        double after = at_risk > 1e-9 ? still * (1 - taken / at_risk) : still;

        if (after <= longer)
            return i + 0.5 - (longer - after) / (still - after);
        at_risk -= taken + waiting[i];
        still = after;
    }
    return AW_TRUST_RATIOS - 1;
}

void
aw_trust_learn(struct aw_trust *trust)
{
    double most = trust->_settings.most;

    for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++) {
        for (unsigned share = 0; share < AW_SHARES; share++)
            trust->_factors[class_][share] = fmin(fmax(ratio_of(find_number(trust, class_, share)), 1 / most), most);
    }
}

double
aw_trust_factor(const struct aw_trust *trust, enum aw_class class_, enum aw_share share)
{
    return trust->_factors[class_][share];
}

static uint64_t
times(const struct aw_trust *trust, uint64_t forecast_ms, double factor)
{
    double more = (double)trust->_settings.short_ms;
    double ms = ((double)forecast_ms + more) * factor - more;

    if (forecast_ms == AW_FORECAST_NEVER || ms >= (double)INT64_MAX)
        return AW_FORECAST_NEVER;
    return ms > 0 ? (uint64_t)ms : 0;
}

struct aw_wait
aw_trust_correct(const struct aw_trust *trust, enum aw_class class_, const struct aw_wait *forecast)
{
    struct aw_wait wait;

    for (unsigned share = 0; share < AW_SHARES; share++)
        wait.ms[share] = times(trust, forecast->ms[share], trust->_factors[class_][share]);
    if (wait.ms[AW_NINE_OF_TEN] < wait.ms[AW_HALF])
        wait.ms[AW_NINE_OF_TEN] = wait.ms[AW_HALF];
    return wait;
}
