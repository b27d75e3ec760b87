/* urgency.h - how urgent a message is: what its gateway states as facts (care codes, flights), then what the rules find in its
 * text, then the gateway's hint.
 *
 * A text may raise to care and set gentle, and makes disrupted, general or other where no fact says more. It never makes imminent:
 * that takes a departure, which a text names only as a hint; nor does it lower what facts or the hint say.
 * Computed once, at intake, and stored with the message: a replay never runs this again. The clock's part (imminent, too late)
 * is the state machine's. Thread: io. Owns nothing: reasons borrow from the arena. Fails only for lack of memory.
 */
#ifndef AW_RUN_URGENCY_H
#define AW_RUN_URGENCY_H

#include "base/arena.h"
#include "model/command.h"
#include "model/message.h"
#include "rules/rules.h"

/* Fills class_, care, gentle, departs_at, rules_version and the reasons of `in`. `now`: the wall clock; `backdate_ms`: how far
 * received_at may lie back and count as age; `rules`: NULL reads no text. */
AW_MUST_USE bool aw_urgency_of(struct aw_in_message *in, const struct aw_message *message, aw_ms now, uint64_t backdate_ms,
                               const struct aw_rules_use *rules, struct aw_arena *arena);

#endif
