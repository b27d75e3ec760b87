/* figures.c - see figures.h. */
#include "bench/surge/figures.h"

#include <stdio.h>

const uint32_t    surge_quantiles[SURGE_QUANTILES] = {500000, 900000, 990000, 999000};
const char *const surge_quantile_names[SURGE_QUANTILES] = {"p50", "p90", "p99", "p999"};

double
surge_ms_of(const struct aw_histogram_view *view, uint32_t per_million)
{
    return (double)aw_histogram_quantile(view, per_million) / 1e6;
}

void
surge_json_u64(struct aw_json *json, const char *key, uint64_t value)
{
    aw_json_key(json, key);
    aw_json_u64(json, value);
}

/* JSON has no writer for reals here on purpose: three decimals are what a figure is worth. */
void
surge_json_real(struct aw_json *json, const char *key, double value)
{
    char text[64];
    int  len = snprintf(text, sizeof(text), "%.3f", value);

    aw_json_key(json, key);
    aw_json_raw(json, aw_slice_of(text, (size_t)len));
}

void
surge_json_latency(struct aw_json *json, const char *key, const struct aw_histogram_view *view)
{
    aw_json_key(json, key);
    aw_json_object_begin(json);
    surge_json_u64(json, "count", view->count);
    for (unsigned i = 0; i < SURGE_QUANTILES; i++)
        surge_json_real(json, surge_quantile_names[i], surge_ms_of(view, surge_quantiles[i]));
    surge_json_real(json, "max", (double)view->max / 1e6);
    surge_json_real(json, "mean", view->count == 0 ? 0 : (double)view->sum / (double)view->count / 1e6);
    aw_json_object_end(json);
}
