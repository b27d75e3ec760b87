/* lanes.h - who waits where: for each lane and class one lock-free priority queue, and a table that says which entries still
 * count. An imminent ticket waits in two queues: by departure, so that the one about to be missed is found, and by age, so that
 * the one that waits longest is. A closing one, whose channel soon lets nobody answer any more, waits by that time too. Whichever
 * entry is taken, the others are stale once the lease is published; until then somebody may take one too, and is refused the lease.
 *
 * A lane has all these queues once for each shelf: shelf 0 is for most tickets, another one for those of a channel that not every
 * agent takes at every time (ADR 0016). So whoever may not have such a ticket looks at the other shelves, and never behind a head.
 * A ticket is on one shelf. One that waits can be moved from shelf 0 to another, and keeps its version: whoever looks at shelf 0
 * first sees it here or there. A shelf that nothing was ever put on costs nothing.
 *
 * An entry is a ticket's slot and version under a key (a time, exact to 100 ms; first in first out inside that). To re-rank,
 * move, hold or cancel a ticket, the committer shows a newer version and pushes a new entry, if any; the old one is stale from
 * then on and is dropped by whoever meets it at a head.
 *
 * The bound: a pull that peeks all lanes of its agent, chooses, and takes, never overtakes an entry, in any of these lanes,
 * whose push returned before the pull began. (Not one atomic step over all lanes: an entry pushed while the pull is under way
 * may be missed.)
 *
 * Threads: the committer shows, pushes, reclaims, counts; any thread peeks and takes, and never waits, allocates or frees. A
 * thread other than the committer does that between two quiet points of the QSBR domain given at aw_lanes_new; a head is void
 * after the second. Who owns: the caller owns the lanes, and outlives them with the domain. What can fail: a push, when the
 * arena is at its limit.
 */
#ifndef AW_COMMIT_LANES_H
#define AW_COMMIT_LANES_H

#include "base/assert.h"
#include "base/err.h"
#include "base/qsbr.h"
#include "base/time.h"
#include "model/class.h"
#include "model/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aw_lanes;

/* The queues of a lane: the one of a class has its number, and two more. */
#define AW_LANES_BY_AGE    AW_CLASS_COUNT       /* imminent tickets by age; their own queue is by departure */
#define AW_LANES_BY_WINDOW (AW_CLASS_COUNT + 1) /* closing tickets of all classes, by reply_by */
#define AW_LANES_QUEUES    (AW_CLASS_COUNT + 2)

/* By the number of a channel. */
#define AW_LANES_SHELVES AW_CHANNEL_NUMBERS

/* Keys and ages are exact to this: whole ticks since 1970. */
#define AW_LANES_TICK_MS 100U

struct aw_lanes_config {
    uint32_t lanes_max;
    uint32_t tickets_max; /* slots are below this */
    aw_ms    base;        /* earlier keys and ages count as this; later ones are exact for 3.4 years of keys, 13 of ages */
    size_t   bytes_max;   /* of the arena: about 20 (dense) to 40 bytes an entry, of which a ticket has 1 to 3; 1 MiB to 16 GiB */
};

/* Address space for all of it is reserved here, and touched as it is used. AW_E_CONFIG (bytes_max), AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_lanes_new(struct aw_lanes **ret_lanes, const struct aw_lanes_config *config, struct aw_qsbr *qsbr);
/* No thread uses them any more. Takes the address, accepts NULL, leaves NULL. */
void aw_lanes_free(struct aw_lanes **lanes);
/* From here on the calling thread is the committer; before, the one that called aw_lanes_new. */
void aw_lanes_enter(struct aw_lanes *lanes);

/* --- committer ------------------------------------------------------------------------------------------------------------ */

/* Makes `version` the only valid one of this slot: its other entries are stale from here on. Before the push of an entry. */
void aw_lanes_show(struct aw_lanes *lanes, uint32_t slot, uint32_t version, aw_ms age);
/* Says of this slot's next version when its channel's window ends (0: it has none), and whether it is closing. Before
 * aw_lanes_show. */
void aw_lanes_show_window(struct aw_lanes *lanes, uint32_t slot, enum aw_class class_, aw_ms reply_by, bool closing);
/* Says on which shelf this slot's next version lies, 0 when nothing was said. Before aw_lanes_show. */
void     aw_lanes_show_shelf(struct aw_lanes *lanes, uint32_t slot, uint32_t shelf);
uint32_t aw_lanes_shown_shelf(const struct aw_lanes *lanes, uint32_t slot);
/* A ticket that waits on shelf 0 moves to another one: begin; push all that it has in queues once more, with the same version; end.
 * In between its entries count on both shelves, and new ones go to the new shelf; then they count there alone. Who has no room to
 * push all may leave it in between, and begin once more later. */
void aw_lanes_begin_move(struct aw_lanes *lanes, uint32_t slot, uint32_t shelf);
void aw_lanes_end_move(struct aw_lanes *lanes, uint32_t slot);
bool aw_lanes_is_moving(const struct aw_lanes *lanes, uint32_t slot);
/* Puts an entry behind all others of its key; an imminent one also by its age, a closing one by its window, which were shown.
 * AW_E_TABLE_FULL: the arena is at its limit, nothing changed. */
AW_MUST_USE enum aw_err aw_lanes_push(struct aw_lanes *lanes, uint32_t lane, enum aw_class class_, aw_ms key, uint32_t slot,
                                      uint32_t version);
/* Puts an entry back into those queues (1 << queue each) that it was taken from; otherwise as push. */
AW_MUST_USE enum aw_err aw_lanes_push_back(struct aw_lanes *lanes, uint32_t lane, unsigned queues, aw_ms key, uint32_t slot,
                                           uint32_t version);
/* Says up to which record all is published; for aw_lanes_published. */
void aw_lanes_set_published(struct aw_lanes *lanes, uint64_t seq);
/* How many pushes surely succeed from here on, wherever they go. */
size_t aw_lanes_room(const struct aw_lanes *lanes);
/* How many more there would be, at least, if no reader were behind. */
size_t aw_lanes_room_held_up(const struct aw_lanes *lanes);
/* Of an arena in which so many pushes surely succeed while it is empty: what else lies in it comes on top. Any thread. */
size_t aw_lanes_bytes_for(size_t pushes);
/* Shut: nobody may take anything for now, as there might be no room for it to come back (see aw_lanes_is_shut). */
void aw_lanes_set_shut(struct aw_lanes *lanes, bool is_shut);
/* A bounded piece of work (some 100 us at most): unlinks what was emptied, frees what no reader can hold any more. Returns how
 * much was done; 0: nothing to do just now. */
size_t aw_lanes_reclaim(struct aw_lanes *lanes);

struct aw_lanes_count {
    uint64_t waiting; /* a little too high while pulls run; stale entries not met yet included */
    uint64_t pushed;
    uint64_t taken;
    uint64_t stale; /* dropped */
};
/* Of all shelves together. */
void aw_lanes_count(const struct aw_lanes *lanes, uint32_t lane, enum aw_class class_, struct aw_lanes_count *ret_count);
/* Memory in use: arena, queues and tables as far as they were touched. */
size_t aw_lanes_bytes(const struct aw_lanes *lanes);
/* Of it, what entries take: without the tables by slot. */
size_t aw_lanes_queue_bytes(const struct aw_lanes *lanes);

/* Many pushes at once, at a start, in any order; those of one key in the order of their adds. Each is visible at the latest
 * when finish returns. `entries_max`: how many are sorted at a time, 32 bytes each. */
struct aw_lanes_load;
/* AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_lanes_load_new(struct aw_lanes_load **ret_load, struct aw_lanes *lanes, uint32_t entries_max);
/* AW_E_TABLE_FULL: give up the load. */
AW_MUST_USE enum aw_err aw_lanes_load_add(struct aw_lanes_load *load, uint32_t lane, enum aw_class class_, aw_ms key,
                                          uint32_t slot, uint32_t version);
/* AW_E_TABLE_FULL. */
AW_MUST_USE enum aw_err aw_lanes_load_finish(struct aw_lanes_load *load);
/* Takes the address, accepts NULL, leaves NULL. */
void aw_lanes_load_free(struct aw_lanes_load **load);

/* --- any thread ----------------------------------------------------------------------------------------------------------- */

struct aw_head {
    uint32_t      lane;
    enum aw_class class_;
    unsigned      queue;
    uint32_t      shelf;
    aw_ms         key;      /* rounded down to a tick */
    aw_ms         age;      /* as above */
    aw_ms         reply_by; /* as above; 0: none */
    uint32_t      slot;
    uint32_t      version;
    bool          stale;
    uint64_t      _entry;
    uint64_t      _cursor;
};

/* What the committer said last, by aw_lanes_set_published: whatever it showed and pushed before is seen by peeks from here on. */
uint64_t aw_lanes_published(const struct aw_lanes *lanes);
/* Whether who pulls has to be refused. Asked before each take: so from when the committer shuts them on, each thread takes at most
 * one entry more, and only if it had asked before. */
bool aw_lanes_is_shut(const struct aw_lanes *lanes);
/* The shelves that ever had entries, one bit each (1 << shelf). One whose bit is clear has no entry whose push returned before this
 * call. Who looks at several lanes asks again at the end: when another one has come meanwhile, tickets may have moved there. */
unsigned aw_lanes_shelves(const struct aw_lanes *lanes);
/* The queues of a lane that may have entries on this shelf, one bit each (1 << queue): one load, for agents of many lanes. A queue
 * whose bit is clear has no entry whose push returned before this call. */
unsigned aw_lanes_queues(const struct aw_lanes *lanes, uint32_t lane, uint32_t shelf);
/* The first lane at or after `from` that may have entries on this shelf; lanes_max when there is none. For agents of all lanes. */
uint32_t aw_lanes_find(const struct aw_lanes *lanes, uint32_t from, uint32_t shelf);
/* The same for any shelf. */
uint32_t aw_lanes_find_any(const struct aw_lanes *lanes, uint32_t from);
/* The entry that is next in this queue; stale ones are dropped on the way. False when it is empty. After dropping 64 in a row
 * it returns a head with `stale` set, if the next is stale too, so that a call stays short: call again. */
AW_MUST_USE bool aw_lanes_peek(struct aw_lanes *lanes, uint32_t lane, uint32_t shelf, unsigned queue, struct aw_head *ret_head);
/* Takes it, if it still is the head. False: somebody took it, or something more urgent came; peek this queue again. The ticket
 * may have changed in the meantime: only the committer's word on the lease counts. */
AW_MUST_USE bool aw_lanes_try_take(struct aw_lanes *lanes, const struct aw_head *head);

#endif
