/* lanes_directory.h - names and pauses of the lanes, readable by every thread without asking.
 *
 * Lanes are only ever added, so a name, once published, never changes. Owns: its rows; names borrow from the state.
 * Thread: add and set_pause by the committer (or main before the threads run); the rest by any.
 * Fails: only in init, for lack of memory.
 */
#ifndef AW_COMMIT_LANES_DIRECTORY_H
#define AW_COMMIT_LANES_DIRECTORY_H

#include "base/assert.h"
#include "base/slice.h"
#include "model/answer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct aw_directory_row {
    struct aw_slice  _name;
    uint64_t         _hash;
    _Atomic uint32_t _pause;
};
struct aw_lanes_directory {
    struct aw_directory_row *_rows;
    uint32_t                 _max;
    _Atomic uint32_t        *_index; /* lane + 1 by hash of its name, linear probing; 0: free */
    uint32_t                 _index_mask;
    _Alignas(AW_CACHE_LINE) _Atomic uint32_t _count; /* Rows below it are published. */
    _Atomic uint32_t _asides;
    _Atomic uint32_t _gentle_asides;
};

AW_MUST_USE bool aw_lanes_directory_init(struct aw_lanes_directory *directory, uint32_t lanes_max);
void             aw_lanes_directory_fini(struct aw_lanes_directory *directory);
/* `lane` is the next index. Thread: committer. */
void aw_lanes_directory_add(struct aw_lanes_directory *directory, uint32_t lane, struct aw_slice name, enum aw_lane_pause pause);
void aw_lanes_directory_set_pause(struct aw_lanes_directory *directory, uint32_t lane, enum aw_lane_pause pause);
/* How many tickets may wait aside, in no queue (commit/side.c), and how many more for agents marked gentle. Thread: committer. */
void aw_lanes_directory_set_asides(struct aw_lanes_directory *directory, uint32_t asides, uint32_t for_gentle);
/* 0: none of which anybody was told before this call, for an agent that is marked gentle or is not. */
uint32_t aw_lanes_directory_asides(struct aw_lanes_directory *directory, bool is_gentle);
uint32_t aw_lanes_directory_count(struct aw_lanes_directory *directory);
/* `lane` below a count that this thread has seen. */
struct aw_slice aw_lanes_directory_name(struct aw_lanes_directory *directory, uint32_t lane);
/* Whether the lane hands tickets out just now. */
bool aw_lanes_directory_gives(struct aw_lanes_directory *directory, uint32_t lane);
bool aw_lanes_directory_takes(struct aw_lanes_directory *directory, uint32_t lane);
/* AW_LANE_NONE's value, UINT32_MAX, when there is none by that name. A pull may name a thousand lanes: one probe or two each. */
uint32_t aw_lanes_directory_find(struct aw_lanes_directory *directory, struct aw_slice name);

#endif
