#include "core/timers.h"

#include "base/reserve.h"

#define CHILDREN 4U

static size_t
heap_bytes(uint32_t slots_max)
{
    return (size_t)slots_max * sizeof(struct aw_timer);
}

static size_t
position_bytes(uint32_t slots_max)
{
    return (size_t)slots_max * sizeof(uint32_t);
}

bool
aw_timers_init(struct aw_timers *timers, uint32_t slots_max)
{
    *timers = (struct aw_timers){._slots_max = slots_max};
    timers->_heap = aw_reserve_take(heap_bytes(slots_max));
    timers->_positions = aw_reserve_take(position_bytes(slots_max));
    return timers->_heap != NULL && timers->_positions != NULL;
}

void
aw_timers_fini(struct aw_timers *timers)
{
    aw_reserve_give(timers->_heap, heap_bytes(timers->_slots_max));
    aw_reserve_give(timers->_positions, position_bytes(timers->_slots_max));
    *timers = (struct aw_timers){0};
}

static bool
is_before(const struct aw_timer *a, const struct aw_timer *b)
{
    return a->at != b->at ? a->at < b->at : a->slot < b->slot;
}

static void
put(struct aw_timers *timers, uint32_t place, struct aw_timer timer)
{
    timers->_heap[place] = timer;
    timers->_positions[timer.slot] = place + 1;
}

/* Moves `timer` from the hole at `place` towards the root as far as it belongs. */
static uint32_t
rise(struct aw_timers *timers, uint32_t place, const struct aw_timer *timer)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / CHILDREN;

        if (!is_before(timer, &timers->_heap[parent]))
            break;
        put(timers, place, timers->_heap[parent]);
        place = parent;
    }
    return place;
}

static uint32_t
sink(struct aw_timers *timers, uint32_t place, const struct aw_timer *timer)
{
    for (;;) {
        uint64_t first = (uint64_t)place * CHILDREN + 1;
        uint32_t least;

        if (first >= timers->_count)
            return place;
        least = (uint32_t)first;
        for (uint64_t i = first + 1; i < first + CHILDREN && i < timers->_count; i++) {
            if (is_before(&timers->_heap[i], &timers->_heap[least]))
                least = (uint32_t)i;
        }
        if (!is_before(&timers->_heap[least], timer))
            return place;
        put(timers, place, timers->_heap[least]);
        place = least;
    }
}

static void
settle(struct aw_timers *timers, uint32_t place, struct aw_timer timer)
{
    place = rise(timers, place, &timer);
    place = sink(timers, place, &timer);
    put(timers, place, timer);
}

static void
drop(struct aw_timers *timers, uint32_t slot)
{
    uint32_t place = timers->_positions[slot] - 1;

    timers->_positions[slot] = 0;
    timers->_count--;
    if (place < timers->_count)
        settle(timers, place, timers->_heap[timers->_count]);
}

static void
unmark(struct aw_timers *timers, struct aw_timer *timer)
{
    timers->_late_count -= timer->is_late;
    timer->is_late = false;
}

void
aw_timers_set(struct aw_timers *timers, uint32_t slot, aw_ms at)
{
    uint32_t position;

    AW_ASSERT(slot < timers->_slots_max);
    position = timers->_positions[slot];
    if (position != 0)
        unmark(timers, &timers->_heap[position - 1]);
    if (at == 0) {
        if (position != 0)
            drop(timers, slot);
        return;
    }
    if (position == 0)
        position = ++timers->_count;
    else if (timers->_heap[position - 1].at == at)
        return;
    settle(timers, position - 1, (struct aw_timer){.at = at, .slot = slot});
}

void
aw_timers_mark_late(struct aw_timers *timers, uint32_t slot)
{
    struct aw_timer *timer;

    AW_ASSERT(slot < timers->_slots_max);
    AW_ASSERT(timers->_positions[slot] != 0);
    timer = &timers->_heap[timers->_positions[slot] - 1];
    timers->_late_count += !timer->is_late;
    timer->is_late = true;
}

uint32_t
aw_timers_late_count(const struct aw_timers *timers)
{
    return timers->_late_count;
}

aw_ms
aw_timers_at(const struct aw_timers *timers, uint32_t slot)
{
    AW_ASSERT(slot < timers->_slots_max);
    return timers->_positions[slot] == 0 ? 0 : timers->_heap[timers->_positions[slot] - 1].at;
}

bool
aw_timers_first(const struct aw_timers *timers, struct aw_timer *ret_timer)
{
    if (timers->_count == 0)
        return false;
    *ret_timer = timers->_heap[0];
    return true;
}

size_t
aw_timers_bytes(const struct aw_timers *timers)
{
    return heap_bytes(timers->_count);
}
