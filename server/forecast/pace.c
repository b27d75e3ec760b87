#include "forecast/pace.h"

#include <math.h>

#define HOUR_MS 3600000.0

void
aw_pace_init(struct aw_pace *pace, const struct aw_pace_settings *settings)
{
    *pace = (struct aw_pace){._settings = *settings};
    AW_ASSERT(settings->arrivals_ms > 0 && settings->habits_ms > 0 && settings->handling_weight > 0);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        pace->_per_hour[i] = settings->usual_per_hour[i];
}

void
aw_pace_add_arrival(struct aw_pace *pace, enum aw_class class_, aw_ms now, aw_ms departs_at)
{
    uint64_t lead = departs_at > now ? (departs_at - now) / AW_FORECAST_LEAD_MS : 0;

    pace->_arrived[class_] += 1;
    if (class_ == AW_CLASS_IMMINENT)
        pace->_leads[lead < AW_FORECAST_LEADS ? lead : AW_FORECAST_LEADS - 1] += 1;
}

void
aw_pace_add_handled(struct aw_pace *pace, enum aw_class class_, uint64_t ms)
{
    pace->_handled[class_] += 1;
    pace->_handled_ms[class_] += (double)ms;
}

void
aw_pace_look(struct aw_pace *pace, uint64_t passed_ms)
{
    double recent = exp(-(double)passed_ms / (double)pace->_settings.arrivals_ms);
    double habit = exp(-(double)passed_ms / (double)pace->_settings.habits_ms);

    if (passed_ms == 0)
        return;
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        double per_hour = pace->_arrived[i] * HOUR_MS / (double)passed_ms;

        pace->_per_hour[i] = per_hour + (pace->_per_hour[i] - per_hour) * recent;
        pace->_arrived[i] = 0;
        pace->_handled[i] *= habit;
        pace->_handled_ms[i] *= habit;
    }
    for (unsigned i = 0; i < AW_FORECAST_LEADS; i++)
        pace->_leads[i] *= habit;
}

struct aw_forecast_arrivals
aw_pace_arrivals(const struct aw_pace *pace, enum aw_class class_)
{
    return (struct aw_forecast_arrivals){pace->_per_hour[class_], pace->_settings.usual_per_hour[class_]};
}

double
aw_pace_handling_ms(const struct aw_pace *pace, enum aw_class class_)
{
    double weight = pace->_settings.handling_weight;

    return (pace->_handled_ms[class_] + weight * (double)pace->_settings.handling_ms[class_]) / (pace->_handled[class_] + weight);
}

const double *
aw_pace_leads(const struct aw_pace *pace)
{
    return pace->_leads;
}
