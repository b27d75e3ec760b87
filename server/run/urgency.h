/* urgency.h - how urgent a message is, from what its gateway states as facts: care codes, flights, the hint.
 *
 * Computed once, at intake, and stored with the message: a replay never runs this again. The clock's part (imminent, too late)
 * is the state machine's. Thread: io. Owns nothing: reasons borrow from the arena. Fails only for lack of memory.
 */
#ifndef AW_RUN_URGENCY_H
#define AW_RUN_URGENCY_H

#include "base/arena.h"
#include "model/command.h"
#include "model/message.h"

/* Fills class_, care, gentle, departs_at and the reasons of `in`. `now`: the wall clock; `backdate_ms`: how far received_at may
 * lie back and count as age. */
AW_MUST_USE bool aw_urgency_of(struct aw_in_message *in, const struct aw_message *message, aw_ms now, uint64_t backdate_ms,
                               struct aw_arena *arena);

#endif
