/* rule.h - the order of pulls and the class of a ticket (design: section 6), written once more, slow and obvious: what the server's
 * choice is held against.
 *
 * Shares no line with core/order.c, core/facts.c and core/ticket.c. Thread: any. Owns nothing.
 */
#ifndef AW_TESTS_SIM_RULE_H
#define AW_TESTS_SIM_RULE_H

#include "base/time.h"
#include "model/answer.h"
#include "model/class.h"

#include <stdbool.h>

struct rule_ticket {
    enum aw_class class_;
    aw_ms         age;        /* since when it waits */
    aw_ms         departs_at; /* IMMINENT; 0: not known here */
    aw_ms         reply_by;   /* its channel takes no answer later; 0: it does, or that is not known here */
};

/* Whether a pull at `now` that takes `taken` overtakes `other`: where both are as urgent, either may go. Times count as the ticks
 * that queues are ordered by. */
bool rule_overtakes(aw_ms now, const struct rule_ticket *taken, const struct rule_ticket *other);

/* The one flight that a ticket's messages name. */
struct rule_flight {
    aw_ms departs_at; /* as they say; 0: they name none */
    aw_ms said_at;    /* by the first of them */
    /* What was said of it since. */
    bool                 is_planned;
    enum aw_flight_state state;
    aw_ms                planned_at;
    aw_ms                goes_at;     /* 0: as the messages say */
    aw_ms                closed_from; /* its airport, before closed_until; both 0: it is open */
    aw_ms                closed_until;
};

/* Its class at `now`, by what its messages said and its flight; *ret_departs_at: the departure that counts, 0 for none. */
enum aw_class rule_class(enum aw_class said, const struct rule_flight *flight, aw_ms now, aw_ms *ret_departs_at);

#endif
