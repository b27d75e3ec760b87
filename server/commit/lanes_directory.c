/* lanes_directory.c - append-only table, published by its count. */
#include "commit/lanes_directory.h"

#include <stdlib.h>

/* FNV-1a, 64 bits (Fowler, Noll, Vo 1991). Names come from supervisors, not from strangers, so it needs no key. */
static uint64_t
name_hash(struct aw_slice name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (uint8_t)name.ptr[i]) * UINT64_C(0x100000001b3);
    return hash;
}

bool
aw_lanes_directory_init(struct aw_lanes_directory *directory, uint32_t lanes_max)
{
    directory->_rows = calloc(lanes_max, sizeof(directory->_rows[0]));
    directory->_max = lanes_max;
    atomic_init(&directory->_count, 0);
    return directory->_rows != NULL;
}

void
aw_lanes_directory_fini(struct aw_lanes_directory *directory)
{
    free(directory->_rows);
    directory->_rows = NULL;
}

void
aw_lanes_directory_add(struct aw_lanes_directory *directory, uint32_t lane, struct aw_slice name, enum aw_lane_pause pause)
{
    struct aw_directory_row *row;

    AW_ASSERT(lane < directory->_max);
    AW_ASSERT(lane == atomic_load_explicit(&directory->_count, memory_order_relaxed));
    row = &directory->_rows[lane];
    row->_name = name;
    row->_hash = name_hash(name);
    atomic_init(&row->_pause, (uint32_t)pause);
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
    uint32_t count = aw_lanes_directory_count(directory);
    uint64_t hash = name_hash(name);

    for (uint32_t lane = 0; lane < count; lane++) {
        if (directory->_rows[lane]._hash == hash && aw_slice_eq(directory->_rows[lane]._name, name))
            return lane;
    }
    return UINT32_MAX;
}
