/* policy.h - orders to compare: which waiting ticket is next.
 *
 * A policy says in which of five queues a ticket waits and by which key, and which head goes first; the queues are the server's
 * own. Some leave the choice to the server's pull as it stands (commit/choice), the others are what else is in use, by the best
 * setting that we know for it. Constant values. Thread: any. Nothing can fail.
 */
#ifndef AW_BENCH_SURGE_SIM_POLICY_H
#define AW_BENCH_SURGE_SIM_POLICY_H

#include "base/assert.h"
#include "base/time.h"
#include "core/order.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_QUEUES AW_CLASS_COUNT

/* A waiting ticket. */
struct sim_waiting {
    enum aw_class class_; /* the most urgent that it ever was */
    enum aw_class now;    /* with the clock: a departure that was missed is `disrupted` */
    aw_ms         age;
    aw_ms         key; /* the server's own, for its class `now` */
};

struct sim_place {
    unsigned queue; /* below AW_CLASS_COUNT */
    aw_ms    key;   /* smaller is earlier; equal ones first in, first out */
};

/* The heads of the queues that are not empty. */
struct sim_heads {
    struct aw_order_candidate candidates[SIM_QUEUES]; /* class_ is the number of the queue */
    unsigned                  count;
};

/* What is made of the time that a channel takes answers. */
enum sim_windows {
    SIM_WINDOWS_QUEUED, /* as the server does */
    SIM_WINDOWS_HEADS,  /* only the heads of queues by age are looked at */
    SIM_WINDOWS_NONE,   /* nothing */
};

struct sim_policy {
    const char      *name;
    const char      *about;
    bool             folds; /* one customer, one ticket; a second delivery is known. Else each delivery is work of its own */
    bool             answers_clusters;
    bool             answers_incidents;
    bool             is_deaf;        /* nobody tells the server that airports close */
    bool             holds_grounded; /* agents look at grounded departures only while none in reach waits */
    bool             is_bound;       /* nobody would run it: it shows what can be had at most */
    enum aw_order    order;          /* by which the server's pull chooses */
    enum sim_windows windows;
    struct sim_place (*place)(const struct aw_order_settings *settings, const struct sim_waiting *ticket);
    /* Which of the candidates, none of them by age, or their count for none: the agent stays idle. `turns` counts the pulls so far.
     * NULL: the server's pull chooses. */
    unsigned (*choose)(const struct aw_order_settings *settings, aw_ms now, const struct sim_heads *heads, uint64_t turns);
};

/* NULL: there is none of this name. */
const struct sim_policy *sim_policy_find(const char *name);
/* By number; NULL behind the last. */
const struct sim_policy *sim_policy_at(unsigned number);

#endif
