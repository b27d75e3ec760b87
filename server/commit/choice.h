/* choice.h - the choice of a pull: which of all that waits in an agent's lanes is next, and taking it.
 *
 * It peeks the head of every queue of these lanes, compares them by the rule (core/order) and takes the best, if that still is the
 * head. This is the one way to what is next: a pull takes by it, the simulator and measuring programs run it, `why` looks with it.
 * The bound is that of lanes.h: no entry of these lanes is overtaken whose push returned before the call began.
 *
 * An agent that has no unit free in some channels passes over their shelves (commit/lanes.h): it gets the most urgent of the
 * others, by heads alone. So it is with the queues of classes that it is not given. Only closing tickets of all classes share a
 * queue: there it sees the head alone, if that is for it, and what closes behind another one by its class.
 *
 * Speed: a lane without entries costs a bit of a word that eight lanes share, or a load of it when the agent's lanes are listed,
 * once for each shelf in use; each queue that has entries costs a peek and a comparison.
 * Owns nothing. Thread: any, between two quiet points of the lanes' QSBR domain; a choice is void after the second. Nothing can
 * fail; nobody waits: a lost race means that another pull took a ticket or that a more urgent one came.
 */
#ifndef AW_COMMIT_CHOICE_H
#define AW_COMMIT_CHOICE_H

#include "base/assert.h"
#include "commit/lanes.h"
#include "core/order.h"

#include <stdbool.h>
#include <stdint.h>

struct aw_lanes_directory;

/* Whose lanes, and by which rule. */
struct aw_choice_of {
    struct aw_lanes                *lanes;
    struct aw_lanes_directory      *directory;  /* lanes that are paused give nothing; NULL, only with a list: none is */
    const uint32_t                 *lane_list;  /* of the agent; NULL: all lanes of the directory */
    uint32_t                        lane_count; /* of the list */
    uint16_t                        full;       /* shelves to pass over, 1 << shelf: the agent has no unit free there */
    uint8_t                         barred;     /* classes to pass over, 1 << class: they are not for this agent */
    const struct aw_order_settings *order;
};

/* A head, and what the rule sees of it. */
struct aw_choice {
    struct aw_head            head;
    struct aw_order_candidate candidate;
    /* Of one that was taken: what was published (aw_lanes_published) before all heads were looked at, and after it was taken. */
    uint64_t seen_seq;
    uint64_t taken_seq;
};

#define AW_CHOICE_HEADS_MAX (AW_LANES_SHELVES * AW_LANES_QUEUES)

/* The queues of a lane that an agent passes over who is not given these classes. */
unsigned aw_choice_barred_queues(unsigned barred);
/* What the rule sees of a head. */
struct aw_order_candidate aw_choice_candidate(const struct aw_head *head);

/* The heads of one lane, whether it is paused or not, in the order of its shelves and their queues: what a pull of this lane
 * compares. Returns how many. An imminent or closing ticket may show more than once. */
unsigned aw_choice_look(struct aw_lanes *lanes, uint32_t lane, struct aw_choice ret_choices[AW_CHOICE_HEADS_MAX]);
/* The most urgent head, which stays where it is. False: nothing waits there. */
AW_MUST_USE bool aw_choice_find(const struct aw_choice_of *of, aw_ms now, struct aw_choice *ret_choice);
/* Takes the most urgent head. False: nothing waits there. The ticket may have changed in the meantime: only the committer's word on
 * the lease counts. Several calls may give several entries of one imminent or closing ticket. */
AW_MUST_USE bool aw_choice_take(const struct aw_choice_of *of, aw_ms now, struct aw_choice *ret_choice);

#endif
