/* promises.h - what people are told when they ask, by the server's forecast and by what others tell, and how it came out.
 *
 * Beside the forecast (server/forecast: with the staff of a roster, or with those on duty and nothing known of later), three
 * estimators in use: how long the oldest waiting one of the class has waited (head of line), how long the last one waited that an
 * agent took (last to enter), and one average of all classes, each new wait counting a quarter (Asterisk's hold time). These say
 * one figure, which is taken for both; and as what they say can be corrected by experience like our own, they are shown so as
 * well.
 *
 * The desk says what happens, and when to look. Owns what it keeps of each need. Thread: one at a time. Fails only for want of
 * memory.
 */
#ifndef AW_BENCH_SURGE_SIM_PROMISES_H
#define AW_BENCH_SURGE_SIM_PROMISES_H

#include "base/err.h"
#include "bench/surge_sim/crowd.h"
#include "bench/surge_sim/scenario.h"
#include "core/order.h"

#include <stdbool.h>
#include <stdint.h>

/* As often as the server. */
#define SIM_LOOK_MS (UINT64_C(30) * 1000)

enum sim_estimator {
    SIM_FORECAST,
    SIM_FORECAST_PRESENT, /* knows no roster */
    SIM_HEAD_OF_LINE,
    SIM_HEAD_OF_LINE_CORRECTED,
    SIM_LAST_TO_ENTER,
    SIM_LAST_TO_ENTER_CORRECTED,
    SIM_AVERAGE,
    SIM_AVERAGE_CORRECTED,
    SIM_ESTIMATORS
};
const char *sim_estimator_name(enum sim_estimator estimator);

enum sim_told_metric {
    SIM_TOLD_COVERED,        /* share that waited at most the P90 that it was told */
    SIM_TOLD_COVERED_CHOSEN, /* the same without those who were told the smallest step, which is no choice, and waited no longer */
    SIM_TOLD_COVERED_CLASS,  /* the first by class: five */
    SIM_TOLD_HOURS = SIM_TOLD_COVERED_CLASS + AW_CLASS_COUNT, /* share of the hours of asking in which at least 80 % was */
    SIM_TOLD_OVER_ACTUAL,                                     /* median of P90/actual */
    SIM_TOLD_ERROR,                                           /* median of |P50 - actual|/actual */
    SIM_TOLD_METRICS
};
/* Names for programs: "covered", "covered_care", ... */
const char *sim_told_metric_name(enum sim_told_metric metric);

struct sim_told {
    double of[SIM_ESTIMATORS][SIM_TOLD_METRICS];
};

struct sim_promises;

/* Borrows all it is given. AW_E_MEMORY. */
AW_MUST_USE enum aw_err sim_promises_new(struct sim_promises **ret_promises, const struct sim_scenario *scenario,
                                         const struct aw_order_settings *order, double fade_hours);
/* Takes the address, accepts NULL, leaves NULL. */
void sim_promises_free(struct sim_promises **promises);
/* A ticket was opened for this need: it is told. False: no memory. */
AW_MUST_USE bool sim_promises_tell(struct sim_promises *promises, uint32_t number, const struct sim_need *need);
/* An agent took it. */
void sim_promises_take(struct sim_promises *promises, aw_ms now, uint32_t number, const struct sim_need *need);
/* An agent was done with a ticket of this class. */
void sim_promises_handled(struct sim_promises *promises, enum aw_class class_, uint64_t ms);
/* A look: begin, all tickets that wait, with what the server holds of them, and look. */
void sim_promises_begin(struct sim_promises *promises, aw_ms now);
void sim_promises_add_waiting(struct sim_promises *promises, const struct aw_order_candidate *ticket, uint32_t number,
                              const struct sim_need *need);
void sim_promises_look(struct sim_promises *promises, unsigned on_duty);
/* A wait below the smallest step counts as that. Who still waits at the end and is not beyond what he was told is left out.
 * AW_E_MEMORY. */
AW_MUST_USE enum aw_err sim_promises_judge(const struct sim_promises *promises, struct sim_crowd *crowd, aw_ms end,
                                           struct sim_told *ret_told);

#endif
