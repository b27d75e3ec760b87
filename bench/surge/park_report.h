/* park_report.h - the numbers of pulls that wait, in words and as JSON. Thread: one. */
#ifndef AW_BENCH_SURGE_PARK_REPORT_H
#define AW_BENCH_SURGE_PARK_REPORT_H

#include "base/json_out.h"
#include "bench/surge/park.h"

#include <stdio.h>

void surge_park_text(const struct surge_park *park, FILE *to);
/* A value; its key stands already. */
void surge_park_json(const struct surge_park *park, struct aw_json *json);

#endif
