/* lanes_directory.c - append-only table, published by its count, with an index by name. */
#include "commit/lanes_directory.h"

#include "base/hash.h"

#include <stdlib.h>

bool
aw_lanes_directory_init(struct aw_lanes_directory *directory, uint32_t lanes_max)
{
    uint32_t size = 2;

    while (size / 2 < lanes_max)
        size *= 2;
    directory->_rows = calloc(lanes_max, sizeof(directory->_rows[0]));
    directory->_max = lanes_max;
    directory->_index = calloc(size, sizeof(directory->_index[0]));
    directory->_index_mask = size - 1;
    atomic_init(&directory->_count, 0);
    atomic_init(&directory->_asides, 0);
    atomic_init(&directory->_gentle_asides, 0);
    if (directory->_rows != NULL && directory->_index != NULL)
        return true;
    aw_lanes_directory_fini(directory);
    return false;
}

void
aw_lanes_directory_fini(struct aw_lanes_directory *directory)
{
    free(directory->_rows);
    free(directory->_index);
    directory->_rows = NULL;
    directory->_index = NULL;
}

void
aw_lanes_directory_add(struct aw_lanes_directory *directory, uint32_t lane, struct aw_slice name, enum aw_lane_pause pause)
{
    struct aw_directory_row *row;
    uint32_t                 at;

    AW_ASSERT(lane < directory->_max);
    AW_ASSERT(lane == atomic_load_explicit(&directory->_count, memory_order_relaxed));
    row = &directory->_rows[lane];
    row->_name = name;
    row->_hash = aw_hash_name(name.ptr, name.len);
    atomic_init(&row->_pause, (uint32_t)pause);
    at = (uint32_t)row->_hash & directory->_index_mask;
    while (atomic_load_explicit(&directory->_index[at], memory_order_relaxed) != 0) /* the committer's own */
        at = (at + 1) & directory->_index_mask;
    /* Pairs with the acquire in find(). */
    atomic_store_explicit(&directory->_index[at], lane + 1, memory_order_release);
    /* Pairs with the acquire in count(). */
    atomic_store_explicit(&directory->_count, lane + 1, memory_order_release);
}

void
aw_lanes_directory_set_pause(struct aw_lanes_directory *directory, uint32_t lane, enum aw_lane_pause pause)
{
    AW_ASSERT(lane < atomic_load_explicit(&directory->_count, memory_order_relaxed));
    /* A hint: apply decides. So relaxed is enough. */
    atomic_store_explicit(&directory->_rows[lane]._pause, (uint32_t)pause, memory_order_relaxed);
}

void
aw_lanes_directory_set_asides(struct aw_lanes_directory *directory, uint32_t asides, uint32_t for_gentle)
{
    /* Before the answer that tells of the ticket leaves; seq_cst, so that a pull on any thread that begins after that answer came
     * sees it. Pairs with the load in asides(). */
    atomic_store_explicit(&directory->_asides, asides, memory_order_seq_cst);
    atomic_store_explicit(&directory->_gentle_asides, for_gentle, memory_order_seq_cst); /* as above */
}

uint32_t
aw_lanes_directory_asides(struct aw_lanes_directory *directory, bool is_gentle)
{
    /* Both pair with the stores in set_asides(). */
    uint32_t asides = atomic_load_explicit(&directory->_asides, memory_order_seq_cst);

    return is_gentle ? asides + atomic_load_explicit(&directory->_gentle_asides, memory_order_seq_cst) : asides;
}

uint32_t
aw_lanes_directory_count(struct aw_lanes_directory *directory)
{
    /* Pairs with the release in add(). */
    return atomic_load_explicit(&directory->_count, memory_order_acquire);
}

struct aw_slice
aw_lanes_directory_name(struct aw_lanes_directory *directory, uint32_t lane)
{
    AW_ASSERT(lane < directory->_max);
    return directory->_rows[lane]._name;
}

static bool
is_open(struct aw_lanes_directory *directory, uint32_t lane, enum aw_lane_pause shut)
{
    uint32_t pause = atomic_load_explicit(&directory->_rows[lane]._pause, memory_order_relaxed);

    return pause != (uint32_t)shut && pause != (uint32_t)AW_LANE_PAUSED_BOTH;
}

bool
aw_lanes_directory_gives(struct aw_lanes_directory *directory, uint32_t lane)
{
    return is_open(directory, lane, AW_LANE_PAUSED_OUT);
}

bool
aw_lanes_directory_takes(struct aw_lanes_directory *directory, uint32_t lane)
{
    return is_open(directory, lane, AW_LANE_PAUSED_IN);
}

uint32_t
aw_lanes_directory_find(struct aw_lanes_directory *directory, struct aw_slice name)
{
    uint64_t hash = aw_hash_name(name.ptr, name.len);
    uint32_t at = (uint32_t)hash & directory->_index_mask;
    uint32_t found;

    /* At most half of the places are taken, so a free one comes. Acquire: pairs with the release in add(). */
    while ((found = atomic_load_explicit(&directory->_index[at], memory_order_acquire)) != 0) {
        const struct aw_directory_row *row = &directory->_rows[found - 1];

        /* One that is being added is not there yet: who reads the count first finds no lane beyond it. */
        if (row->_hash == hash && aw_slice_eq(row->_name, name))
            return found - 1 < aw_lanes_directory_count(directory) ? found - 1 : UINT32_MAX;
        at = (at + 1) & directory->_index_mask;
    }
    return UINT32_MAX;
}
