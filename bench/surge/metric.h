/* metric.h - one number out of the server's /metrics. Borrows the text. Thread: any. Cannot fail. */
#ifndef AW_BENCH_SURGE_METRIC_H
#define AW_BENCH_SURGE_METRIC_H

#include "base/slice.h"

/* The number behind `name`, with its labels if it has any; 0 when it is not there. */
double surge_metric_of(struct aw_slice text, const char *name);

#endif
