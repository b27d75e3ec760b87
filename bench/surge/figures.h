/* figures.h - the numbers that every report of surge shows alike: how long things took, and numbers as JSON.
 *
 * Owns nothing. Thread: any. Nothing can fail; a buffer without memory says so itself.
 */
#ifndef AW_BENCH_SURGE_FIGURES_H
#define AW_BENCH_SURGE_FIGURES_H

#include "base/json_out.h"
#include "base/stats.h"

/* Of latencies the shown ones, in parts of a million, and their names. */
#define SURGE_QUANTILES 4U
extern const uint32_t    surge_quantiles[SURGE_QUANTILES];
extern const char *const surge_quantile_names[SURGE_QUANTILES];

double surge_ms_of(const struct aw_histogram_view *view, uint32_t per_million);

/* Members of the object that is open. */
void surge_json_u64(struct aw_json *json, const char *key, uint64_t value);
void surge_json_real(struct aw_json *json, const char *key, double value);
void surge_json_latency(struct aw_json *json, const char *key, const struct aw_histogram_view *view);

#endif
