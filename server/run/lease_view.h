/* lease_view.h - a lease as its agent is told of it, from what the state machine says and what a reader found.
 *
 * Borrows from both until the answer is written. Thread: io. Fails: never; a lease without readable messages has none.
 */
#ifndef AW_RUN_LEASE_VIEW_H
#define AW_RUN_LEASE_VIEW_H

#include "commit/lanes_directory.h"
#include "core/state.h"
#include "model/answer.h"
#include "run/reader.h"

/* Room for the token's text beside the answer. */
struct aw_lease_text {
    char text[AW_ID_TEXT_BYTES];
};

/* From a command that was applied, or from a look at a ticket that is leased. `now`: record time, or the wall clock. */
void aw_lease_view_of_outcome(struct aw_lease_answer *lease, struct aw_lease_text *text, const struct aw_out_lease *out,
                              const struct aw_hash_key *token_key, aw_ms now);
void aw_lease_view_of_ticket(struct aw_lease_answer *lease, struct aw_lease_text *text, const struct aw_ticket_view *view,
                             const struct aw_hash_key *token_key, aw_ms now);
/* "expired", "released", "taken_over" or "closed". */
struct aw_slice aw_lease_view_state(enum aw_lease_end end);
/* Adds what the messages tell: who wrote, where an answer goes, why the class. */
void aw_lease_view_fill(struct aw_lease_answer *lease, const struct aw_read_item *item);

/* Puts behind `*reasons` which lanes help with a ticket, and who may not have it. The texts lie in `arena`. False: no memory. */
AW_MUST_USE bool aw_view_add_help(struct aw_arena *arena, struct aw_lanes_directory *directory, const struct aw_ticket_help *help,
                                  const struct aw_slice **reasons, uint32_t *reason_count);

#endif
