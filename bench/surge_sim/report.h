/* report.h - studies in words, and as JSON. Thread: main. Nothing is kept. */
#ifndef AW_BENCH_SURGE_SIM_REPORT_H
#define AW_BENCH_SURGE_SIM_REPORT_H

#include "bench/surge_sim/study.h"

#include <stdio.h>

void sim_report_list(FILE *to);
void sim_report_text(FILE *to, const struct sim_study *study, const struct sim_options *options);
/* Returns how many targets were missed. */
unsigned sim_report_targets(FILE *to, const struct sim_study *study, const struct sim_options *options);

/* One document: begin, each study, end. False: the file could not be written. */
void             sim_report_json_begin(FILE *to, const struct sim_options *options);
void             sim_report_json_study(FILE *to, const struct sim_study *study, bool is_first);
AW_MUST_USE bool sim_report_json_end(FILE *to);

#endif
