/* collect.h - what came of the parts of a run, put into its result. Thread: that of the loop. Cannot fail. */
#ifndef AW_BENCH_SURGE_COLLECT_H
#define AW_BENCH_SURGE_COLLECT_H

#include "bench/surge/desk.h"
#include "bench/surge/intake.h"
#include "bench/surge/run.h"
#include "bench/surge/verify.h"

double surge_seconds(aw_ns from, aw_ns to);
void   surge_collect_intake(const struct surge_intake *intake, struct surge_result *result);
void   surge_collect_desk(const struct surge_desk *desk, struct surge_result *result);
void   surge_collect_audit(const struct surge_ledger *ledger, const struct surge_verify *verify, struct surge_result *result);

#endif
