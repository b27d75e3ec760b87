/* flow.h - how many come and how long they take, measured: what a forecast is told of the present.
 *
 * Counted between two looks, and smoothed: arrivals of a class over `arrivals_ms`, handling times and the time that imminent ones
 * have until their departure over `habits_ms`, since these change slowly.
 * A plain value, one for each group; the caller owns it. Thread: one at a time. Nothing can fail; no clock, no memory taken.
 */
#ifndef AW_FORECAST_FLOW_H
#define AW_FORECAST_FLOW_H

#include "forecast/forecast.h"

struct aw_flow_settings {
    uint64_t arrivals_ms;
    uint64_t habits_ms;
    double   usual_per_hour[AW_CLASS_COUNT];
    uint64_t handling_ms[AW_CLASS_COUNT]; /* until it is measured: counts as `handling_weight` tickets */
    double   handling_weight;
};
#define AW_FLOW_ARRIVALS_MS     (UINT64_C(20) * 60000)
#define AW_FLOW_HABITS_MS       (UINT64_C(4) * 3600000)
#define AW_FLOW_HANDLING_WEIGHT 30

struct aw_flow {
    struct aw_flow_settings _settings;
    double                  _arrived[AW_CLASS_COUNT]; /* since the last look */
    double                  _per_hour[AW_CLASS_COUNT];
    double                  _handled[AW_CLASS_COUNT]; /* fading counts and times */
    double                  _handled_ms[AW_CLASS_COUNT];
    double                  _leads[AW_FORECAST_LEADS];
};

/* Arrivals begin as usual. */
void aw_flow_init(struct aw_flow *flow, const struct aw_flow_settings *settings);
/* One came; `departs_at` of an imminent one. */
void aw_flow_add_arrival(struct aw_flow *flow, enum aw_class class_, aw_ms now, aw_ms departs_at);
/* An agent was done with one, and with what comes before the next pull. */
void aw_flow_add_handled(struct aw_flow *flow, enum aw_class class_, uint64_t ms);
/* So much time has passed since the last look. */
void                        aw_flow_look(struct aw_flow *flow, uint64_t passed_ms);
struct aw_forecast_arrivals aw_flow_arrivals(const struct aw_flow *flow, enum aw_class class_);
double                      aw_flow_handling_ms(const struct aw_flow *flow, enum aw_class class_);
/* For aw_forecast_set_leads. */
const double *aw_flow_leads(const struct aw_flow *flow);

#endif
