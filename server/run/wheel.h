/* wheel.h - deadlines of parked calls, in ticks of 64 ms: constant work to set and clear, whatever their number (Varghese, Lauck
 * 1987).
 *
 * Covers AW_WHEEL_SLOTS ticks (65 s), more than the longest wait; later ones are asserted against. Owns nothing: nodes sit
 * inside the calls. Thread: one io thread.
 */
#ifndef AW_RUN_WHEEL_H
#define AW_RUN_WHEEL_H

#include "base/list.h"
#include "base/time.h"

#define AW_WHEEL_SLOTS   1024U
#define AW_WHEEL_TICK_NS (UINT64_C(64) * AW_NS_PER_MS)
/* The longest wait. */
#define AW_WHEEL_WAIT_NS_MAX (UINT64_C(60) * AW_NS_PER_S)

struct aw_wheel {
    struct aw_list slots[AW_WHEEL_SLOTS];
    uint64_t       tick; /* the cursor: nothing is due before it */
    uint64_t       count;
};
struct aw_wheel_node {
    struct aw_list link;
    aw_ns          at;
};

void aw_wheel_init(struct aw_wheel *wheel, aw_ns now);
void aw_wheel_node_init(struct aw_wheel_node *node);
/* `node` is not in a wheel. `at` at most AW_WHEEL_WAIT_NS_MAX after `now`, which is never before an earlier one. */
void aw_wheel_add(struct aw_wheel *wheel, struct aw_wheel_node *node, aw_ns at, aw_ns now);
/* Harmless when it is in none. */
void aw_wheel_remove(struct aw_wheel *wheel, struct aw_wheel_node *node);
/* A node whose time has come, removed; NULL when there is none at `now`. */
struct aw_wheel_node *aw_wheel_pop(struct aw_wheel *wheel, aw_ns now);

#endif
