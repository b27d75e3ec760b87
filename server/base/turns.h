/* turns.h - whose turn it is among many that want the same: each gets its share, and who wants little hardly waits.
 *
 * Deficit round robin with newcomers first (RFC 8290, section 4.2). What waits belongs to one of `count` parties and has a cost
 * that is known when it was done. Who has not waited lately goes first, for one quantum; who goes on then has a quantum a round
 * like all others. One that does more than that owes it to the next rounds, so a cost may be any. Who is alone is never held up.
 *
 * Owns: its table. What waits is a node of the caller's, who may take it out at any time (aw_list_remove). Thread: one. Fails: in
 * init, for lack of memory.
 */
#ifndef AW_BASE_TURNS_H
#define AW_BASE_TURNS_H

#include "base/assert.h"
#include "base/list.h"

#include <stdint.h>

/* Private. */
struct aw_turns_party {
    struct aw_list link;    /* in `fresh` or `round`, while there is something, or was lately */
    struct aw_list waiting; /* oldest first */
    int64_t        credit;
    bool           is_fresh;
};

struct aw_turns {
    struct aw_turns_party *_turns; /* owns */
    uint32_t               _count;
    int64_t                _quantum;
    struct aw_list         _fresh;
    struct aw_list         _round;
};

AW_MUST_USE bool aw_turns_init(struct aw_turns *turns, uint32_t count, uint32_t quantum);
/* Nothing may wait. Accepts a zeroed one. */
void aw_turns_fini(struct aw_turns *turns);
/* Behind what waits of the same party. */
void aw_turns_add(struct aw_turns *turns, uint32_t party, struct aw_list *node);
/* What is to be done next, still linked, and whose it is; NULL: nothing waits. Do a part of it of about a quantum, then charge. */
struct aw_list *aw_turns_next(struct aw_turns *turns, uint32_t *ret_party);
/* What was just done cost so much. */
void aw_turns_charge(struct aw_turns *turns, uint32_t party, uint32_t cost);
/* Whether somebody waits who has not had his first quantum. */
bool aw_turns_has_fresh(struct aw_turns *turns);

#endif
