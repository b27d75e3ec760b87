#include "forecast/flow.h"

#include <math.h>

#define HOUR_MS 3600000.0

void
aw_flow_init(struct aw_flow *flow, const struct aw_flow_settings *settings)
{
    *flow = (struct aw_flow){._settings = *settings};
    AW_ASSERT(settings->arrivals_ms > 0 && settings->habits_ms > 0 && settings->handling_weight > 0);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        flow->_per_hour[i] = settings->usual_per_hour[i];
}

void
aw_flow_add_arrival(struct aw_flow *flow, enum aw_class class_, aw_ms now, aw_ms departs_at)
{
    uint64_t lead = departs_at > now ? (departs_at - now) / AW_FORECAST_LEAD_MS : 0;

    flow->_arrived[class_] += 1;
    if (class_ == AW_CLASS_IMMINENT)
        flow->_leads[lead < AW_FORECAST_LEADS ? lead : AW_FORECAST_LEADS - 1] += 1;
}

void
aw_flow_add_handled(struct aw_flow *flow, enum aw_class class_, uint64_t ms)
{
    flow->_handled[class_] += 1;
    flow->_handled_ms[class_] += (double)ms;
}

void
aw_flow_look(struct aw_flow *flow, uint64_t passed_ms)
{
    double recent = exp(-(double)passed_ms / (double)flow->_settings.arrivals_ms);
    double habit = exp(-(double)passed_ms / (double)flow->_settings.habits_ms);

    if (passed_ms == 0)
        return;
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        double per_hour = flow->_arrived[i] * HOUR_MS / (double)passed_ms;

        flow->_per_hour[i] = per_hour + (flow->_per_hour[i] - per_hour) * recent;
        flow->_arrived[i] = 0;
        flow->_handled[i] *= habit;
        flow->_handled_ms[i] *= habit;
    }
    for (unsigned i = 0; i < AW_FORECAST_LEADS; i++)
        flow->_leads[i] *= habit;
}

struct aw_forecast_arrivals
aw_flow_arrivals(const struct aw_flow *flow, enum aw_class class_)
{
    return (struct aw_forecast_arrivals){flow->_per_hour[class_], flow->_settings.usual_per_hour[class_]};
}

double
aw_flow_handling_ms(const struct aw_flow *flow, enum aw_class class_)
{
    double weight = flow->_settings.handling_weight;

    return (flow->_handled_ms[class_] + weight * (double)flow->_settings.handling_ms[class_]) / (flow->_handled[class_] + weight);
}

const double *
aw_flow_leads(const struct aw_flow *flow)
{
    return flow->_leads;
}
