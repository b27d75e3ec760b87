/* forecaster.h - the thread that looks how long people wait, and publishes it.
 *
 * Every so often it asks the committer who works and who waits, piece by piece, between the committer's groups; runs the forecast
 * (forecast/board.h) by itself; publishes by FORECAST what each group of lanes is told; looks through the waiting tickets once
 * more, and tells by PROMISE which promises will not be kept, the most urgent first, as many as AW_FORECASTER_MOVES_MAX a look. It
 * is to the committer what an io thread is: a mailbox with one submission out at a time.
 *
 * While the store is full or broken it publishes nothing: what is published takes room. Nor does it for AW_PRESENT_AGENT_MS behind
 * a start when something was published before that: until the agents are back that is nearer to the truth. In that time no promise
 * of before moves either.
 * Who owns: main. Thread: new, start, stop, free by main; begin by the committer. Fails: new and start, for lack of memory.
 */
#ifndef AW_RUN_FORECASTER_H
#define AW_RUN_FORECASTER_H

#include "commit/committer.h"
#include "model/order.h"
#include "run/metrics.h"

#define AW_FORECASTER_MOVES_MAX 256U

struct aw_forecaster_config {
    struct aw_committer     *committer;
    uint32_t                 mailbox; /* its number among the committer's */
    struct aw_order_settings order;   /* until a ticket was given out */
    uint32_t                 lanes_max;
    uint64_t                 every_ms;
    const struct aw_metrics *metrics; /* borrows: for the role */
    struct aw_metrics_block *block;   /* borrows: this thread's */
};

struct aw_forecaster;

AW_MUST_USE enum aw_err aw_forecaster_new(struct aw_forecaster **ret_forecaster, const struct aw_forecaster_config *config,
                                          struct aw_why *why);
AW_MUST_USE enum aw_err aw_forecaster_start(struct aw_forecaster *forecaster, struct aw_why *why);
/* The committer answers from now on. */
void aw_forecaster_begin(struct aw_forecaster *forecaster);
/* Waits for the thread to end; the committer still runs, if it ever began. Accepts NULL. */
void aw_forecaster_stop(struct aw_forecaster *forecaster);
/* Takes the address, accepts NULL, leaves NULL. */
void aw_forecaster_free(struct aw_forecaster **forecaster);

#endif
