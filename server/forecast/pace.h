/* pace.h - how many come and how long they take, measured: what a forecast is told of the present.
 *
 * Counted between two looks, and smoothed: arrivals of a class over `arrivals_ms`, handling times and the time that imminent ones
 * have until their departure over `habits_ms`, since these change slowly.
 * A plain value, one for each group; the caller owns it. Thread: one at a time. Nothing can fail; no clock, no memory taken.
 */
#ifndef AW_FORECAST_PACE_H
#define AW_FORECAST_PACE_H

#include "forecast/forecast.h"

struct aw_pace_settings {
    uint64_t arrivals_ms;
    uint64_t habits_ms;
    double   usual_per_hour[AW_CLASS_COUNT];
    uint64_t handling_ms[AW_CLASS_COUNT]; /* until it is measured: counts as `handling_weight` tickets */
    double   handling_weight;
};
#define AW_PACE_ARRIVALS_MS     (UINT64_C(20) * 60000)
#define AW_PACE_HABITS_MS       (UINT64_C(4) * 3600000)
#define AW_PACE_HANDLING_WEIGHT 30

struct aw_pace {
    struct aw_pace_settings _settings;
    double                  _arrived[AW_CLASS_COUNT]; /* since the last look */
    double                  _per_hour[AW_CLASS_COUNT];
    double                  _handled[AW_CLASS_COUNT]; /* fading counts and times */
    double                  _handled_ms[AW_CLASS_COUNT];
    double                  _leads[AW_FORECAST_LEADS];
};

/* Arrivals begin as usual. */
void aw_pace_init(struct aw_pace *pace, const struct aw_pace_settings *settings);
/* One came; `departs_at` of an imminent one. */
void aw_pace_add_arrival(struct aw_pace *pace, enum aw_class class_, aw_ms now, aw_ms departs_at);
/* An agent was done with one, and with what comes before the next pull. */
void aw_pace_add_handled(struct aw_pace *pace, enum aw_class class_, uint64_t ms);
/* So much time has passed since the last look. */
void                        aw_pace_look(struct aw_pace *pace, uint64_t passed_ms);
struct aw_forecast_arrivals aw_pace_arrivals(const struct aw_pace *pace, enum aw_class class_);
double                      aw_pace_handling_ms(const struct aw_pace *pace, enum aw_class class_);
/* For aw_forecast_set_leads. */
const double *aw_pace_leads(const struct aw_pace *pace);

#endif
