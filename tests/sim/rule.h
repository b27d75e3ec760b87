/* rule.h - the order of pulls (design: section 6), written once more, slow and obvious: what the server's choice is held against.
 *
 * Shares no line with core/order.c. Thread: any. Owns nothing.
 */
#ifndef AW_TESTS_SIM_RULE_H
#define AW_TESTS_SIM_RULE_H

#include "base/time.h"
#include "model/class.h"

#include <stdbool.h>

struct rule_ticket {
    enum aw_class class_;
    aw_ms         age;        /* since when it waits */
    aw_ms         departs_at; /* IMMINENT; 0: not known here */
};

/* Whether a pull at `now` that takes `taken` overtakes `other`: where both are as urgent, either may go. Times count as the ticks
 * that queues are ordered by. */
bool rule_overtakes(aw_ms now, const struct rule_ticket *taken, const struct rule_ticket *other);

#endif
