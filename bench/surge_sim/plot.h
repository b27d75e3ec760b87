/* plot.h - a study as pictures: SVG files of waiting over time, and of the share of its target that each class waits.
 * Each file stands alone. Thread: main. Nothing is kept. */
#ifndef AW_BENCH_SURGE_SIM_PLOT_H
#define AW_BENCH_SURGE_SIM_PLOT_H

#include "bench/surge_sim/study.h"

/* Writes FOLDER/SCENARIO-by-policy.svg, -by-class.svg, -targets.svg and -kappa.svg; makes the folder. AW_E_IO. */
AW_MUST_USE enum aw_err sim_plot_study(const char *folder, const struct sim_study *study, struct aw_why *why);

#endif
