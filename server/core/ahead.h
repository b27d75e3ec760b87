/* ahead.h - who goes before a ticket that waits: a look through all tickets, in steps.
 *
 * The rule is that of the pulls (order.h), by what they see of a ticket: class, age, departure, reply_by. Counted are the tickets
 * of its own lane that lie in a queue, and those of others that its lane helps with; agents of several lanes, with tickets kept for
 * them, or who are not given some classes, may be given others first. Changes nothing, so its owner may stop at any step; what
 * changes between two steps is counted as it is when its turn comes. Owns nothing.
 * Thread: that of the state. Nothing can fail.
 */
#ifndef AW_CORE_AHEAD_H
#define AW_CORE_AHEAD_H

#include "core/order.h"
#include "core/state.h"

#define AW_AHEAD_NEAREST_MAX 10U

struct aw_ahead_ticket {
    struct aw_ticket_id       ticket;
    struct aw_order_candidate candidate;
};

struct aw_ahead {
    /* Asked. */
    struct aw_order_settings order;
    aw_ms                    at; /* the time by which the rule is looked at */
    /* Answered. */
    struct aw_order_candidate own;
    uint64_t                  in_lane; /* tickets that wait there, this one too */
    uint64_t                  by_class[AW_CLASS_COUNT];
    struct aw_ahead_ticket    nearest[AW_AHEAD_NEAREST_MAX]; /* of those that go before it the last ones, the next to it first */
    uint32_t                  nearest_count;
    bool                      in_one_step; /* nothing changed meanwhile */
    /* The look under way. */
    uint32_t _lane;
    uint32_t _slot; /* of the ticket itself */
    uint32_t _next;
};

/* Starts a look for the ticket in `view`, which waits. `order` and `at` are set; in a surge that holds in its lane, `order` becomes
 * that of the surge. */
void aw_ahead_begin(const struct aw_state *state, struct aw_ahead *ahead, const struct aw_ticket_view *view);
/* Looks at up to `slots` slots. True when it is through. */
AW_MUST_USE bool aw_ahead_step(const struct aw_state *state, struct aw_ahead *ahead, uint32_t slots);

#endif
