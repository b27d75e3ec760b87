/* report.h - what a run, or several in turn with a baseline, came to: as text for people and as JSON for programs.
 *
 * Borrows everything. Thread: any. Cannot fail but by the stream.
 */
#ifndef AW_BENCH_SURGE_REPORT_H
#define AW_BENCH_SURGE_REPORT_H

#include "bench/surge/run.h"

#include <stdio.h>

#define SURGE_ROUNDS_MAX 99U

struct surge_report {
    const struct surge_options *options;
    const char                 *run;
    const struct surge_result  *result; /* of the round with the median rate */
    uint32_t                    rounds;
    double                      rates[SURGE_ROUNDS_MAX]; /* messages a second, by round */
    double                      baseline[SURGE_ROUNDS_MAX];
    bool                        has_baseline;
    bool                        audits_passed; /* of all rounds */
};

double surge_median(const double *values, uint32_t count);
void   surge_report_text(const struct surge_report *report, FILE *to);
/* False: it could not be written. */
AW_MUST_USE bool surge_report_json(const struct surge_report *report, FILE *to);

#endif
