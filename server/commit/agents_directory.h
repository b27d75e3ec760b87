/* agents_directory.h - what agents are set to, readable by every thread without asking: lanes, `gentle`, classes, and how
 * many units they have free.
 *
 * An agent that was never set has no row: it serves all lanes, is not gentle, and is given everything. Rows are only added, so
 * one that was found stays good. The settings of a row are one block that is never changed: the committer publishes another one in
 * its place, and uses the old one again when every thread has passed a quiet point (base/qsbr.h). So who reads them copies what it
 * keeps over its next quiet point. Units are a word beside it, as they change with each lease.
 *
 * All of it is durable, and published before the answer that tells of it leaves. Who goes by settings that are changed in the same
 * moment does no harm: apply decides about units, and a pull that parks tells by which settings it went (`stamp`).
 *
 * Owns: its rows and blocks; names borrow from the state. Thread: find, settings, units and stamp by any; the rest by the committer
 * (or main before the threads run). Fails: init and reserve, for lack of memory.
 */
#ifndef AW_COMMIT_AGENTS_DIRECTORY_H
#define AW_COMMIT_AGENTS_DIRECTORY_H

#include "base/qsbr.h"
#include "base/slice.h"
#include "model/units.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One block: never changed while it can be found. */
struct aw_agent_settings {
    struct aw_agent_settings *_next; /* committer: of those that are free or retired */
    uint64_t                  _epoch;
    uint64_t                  stamp; /* of these settings: another one each time that an agent is set; never 0 */
    bool                      is_gentle;
    uint8_t                   barred;                       /* classes that it is not given, 1 << class */
    uint32_t                  lane_count;                   /* 0: it serves all lanes */
    uint32_t                  lanes[AW_LANES_PER_PULL_MAX]; /* ascending */
};

struct aw_agents_row {
    struct aw_slice                     _name;
    uint64_t                            _hash;
    _Atomic(struct aw_agent_settings *) _settings;
    _Atomic uint8_t                     _free[AW_CHANNEL_NUMBERS];
};

struct aw_agents_directory {
    struct aw_agents_row     *_rows;
    size_t                    _rows_bytes;
    uint32_t                  _max;
    uint32_t                  _count;
    _Atomic uint32_t         *_index; /* row + 1 by hash of its name, linear probing; 0: free */
    size_t                    _index_bytes;
    uint32_t                  _index_mask;
    struct aw_qsbr           *_qsbr; /* borrows */
    struct aw_agent_settings *_free;
    uint32_t                  _free_count;
    uint32_t                  _reserved; /* of the free ones, spoken for */
    struct aw_agent_settings *_retired;  /* oldest first */
    struct aw_agent_settings *_retired_last;
    uint64_t                  _stamp;
};

/* Room for the settings of so many agents, in address space that is touched as it is needed. */
AW_MUST_USE bool aw_agents_directory_init(struct aw_agents_directory *directory, uint32_t agents_max, struct aw_qsbr *qsbr);
void             aw_agents_directory_fini(struct aw_agents_directory *directory);

/* --- any thread ----------------------------------------------------------------------------------------------------------- */

/* NULL: an agent that was never set. */
struct aw_agents_row *aw_agents_directory_find(struct aw_agents_directory *directory, struct aw_slice name);
/* Good until this thread's next quiet point. `row` NULL: NULL, as for an agent that was never set. */
const struct aw_agent_settings *aw_agents_row_settings(struct aw_agents_row *row);
/* How many units of this agent are free just now. `row` NULL: many. What was taken for an answer that this thread has seen is taken
 * here. */
void aw_agents_row_units(struct aw_agents_row *row, struct aw_units *ret_units);

/* --- committer ------------------------------------------------------------------------------------------------------------ */

/* Takes a block for a publish to come, so that it can't fail: before the command is carried out. False: no memory. */
AW_MUST_USE bool aw_agents_directory_reserve(struct aw_agents_directory *directory);
/* The command changed nothing after all. */
void aw_agents_directory_unreserve(struct aw_agents_directory *directory);
/* A reserved block to fill: all but its stamp. */
struct aw_agent_settings *aw_agents_directory_begin(struct aw_agents_directory *directory);
/* Publishes it under this name, which borrows from the state; returns the row. The old block is used again when nobody reads it. */
struct aw_agents_row *aw_agents_directory_publish(struct aw_agents_directory *directory, struct aw_slice name,
                                                  struct aw_agent_settings *settings);
void                  aw_agents_row_set_units(struct aw_agents_row *row, const struct aw_units *units);

#endif
