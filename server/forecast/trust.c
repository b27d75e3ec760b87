#include "forecast/trust.h"

#include "base/assert.h"

#include <math.h>
#include <string.h>

#define MIDDLE ((double)(AW_TRUST_OCTAVES * AW_TRUST_STEPS))
/* Of a normal distribution: nine of ten lie below so many of its deviations. */
#define DEVIATIONS_90 1.2815515655446004

static const double longer[AW_SHARES] = {0.5, 0.1}; /* the share that waits longer */

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

void
aw_trust_init(struct aw_trust *trust, const struct aw_trust_settings *settings)
{
    AW_ASSERT(settings->half_life_ms > 0 && settings->short_ms > 0);
    AW_ASSERT(settings->first_spread > 1 && settings->first_weight > 0 && settings->most >= 1);
    *trust = (struct aw_trust){._settings = *settings};
    aw_trust_learn(trust);
}

void
aw_trust_begin(struct aw_trust *trust, uint64_t passed_ms)
{
    double  left = weight_of(trust, passed_ms);
    double *done = &trust->_done[0][0][0];

    for (size_t i = 0; i < sizeof(trust->_done) / sizeof(*done); i++)
        done[i] *= left;
    memset(trust->_waiting, 0, sizeof(trust->_waiting));
}

void
aw_trust_add_waiting(struct aw_trust *trust, enum aw_class class_, const struct aw_wait *forecast, uint64_t waited_ms)
{
    double weight = weight_of(trust, waited_ms);

    for (unsigned share = 0; share < AW_SHARES; share++)
        trust->_waiting[class_][share][(unsigned)place_of(trust, forecast->ms[share], waited_ms)] += weight;
}

void
aw_trust_add_taken(struct aw_trust *trust, enum aw_class class_, const struct aw_wait *forecast, uint64_t waited_ms)
{
    double weight = weight_of(trust, waited_ms);

    for (unsigned share = 0; share < AW_SHARES; share++)
        trust->_done[class_][share][(unsigned)(place_of(trust, forecast->ms[share], waited_ms) + 0.5)] += weight;
}

/* What is thought of a class of which nothing is known: a log-normal spread around the forecast. */
static double
first_of(const struct aw_trust_settings *settings, unsigned number)
{
    double deviation = AW_TRUST_STEPS * log2(settings->first_spread) / DEVIATIONS_90;
    double from = ((double)number - 0.5 - MIDDLE) / deviation, until = ((double)number + 0.5 - MIDDLE) / deviation;

    return settings->first_weight * 0.5 * (erf(until / sqrt(2)) - erf(from / sqrt(2)));
}

/* The number above which only `longer` of them wait; the last one when that is not known. */
static double
find_number(const struct aw_trust *trust, enum aw_class class_, unsigned share)
{
    const double *done = trust->_done[class_][share], *waiting = trust->_waiting[class_][share];
    double        at_risk = 0, still = 1; /* the share whose waits are longer */

    for (unsigned i = 0; i < AW_TRUST_RATIOS; i++)
        at_risk += done[i] + waiting[i] + first_of(&trust->_settings, i);
    for (unsigned i = 0; i < AW_TRUST_RATIOS; i++) {
        double taken = done[i] + first_of(&trust->_settings, i);
        double after = at_risk > 1e-9 ? still * (1 - taken / at_risk) : still;

        if (after <= longer[share])
            return i + 0.5 - (longer[share] - after) / (still - after);
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

    if (ms >= (double)INT64_MAX) /* also one that never ends */
        return UINT64_MAX;
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
