/* work_report.h - the numbers of a desk at work, in words and as JSON. Thread: one. */
#ifndef AW_BENCH_SURGE_WORK_REPORT_H
#define AW_BENCH_SURGE_WORK_REPORT_H

#include "base/json_out.h"
#include "bench/surge/options.h"
#include "bench/surge/work.h"

#include <stdio.h>

void surge_work_text(const struct surge_work *work, const struct surge_options *options, FILE *to);
/* A value; its key stands already. */
void surge_work_json(const struct surge_work *work, struct aw_json *json);

#endif
