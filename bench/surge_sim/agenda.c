#include "bench/surge_sim/agenda.h"

#include <stdlib.h>

static bool
is_before(const struct sim_entry *a, const struct sim_entry *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static bool
grow(struct sim_agenda *agenda)
{
    size_t            room = agenda->_room == 0 ? 256 : agenda->_room * 2;
    struct sim_entry *heap = realloc(agenda->_heap, room * sizeof(*heap));

    if (heap == NULL)
        return false;
    agenda->_heap = heap;
    agenda->_room = room;
    return true;
}

bool
sim_agenda_note(struct sim_agenda *agenda, aw_ms at, uint32_t what, uint32_t who)
{
    struct sim_entry entry = {.at = at, .order = agenda->_orders, .what = what, .who = who};
    size_t           place = agenda->_count;

    if (agenda->_count == agenda->_room && !grow(agenda))
        return false;
    agenda->_orders++;
    agenda->_count++;
    for (; place > 0 && is_before(&entry, &agenda->_heap[(place - 1) / 2]); place = (place - 1) / 2)
        agenda->_heap[place] = agenda->_heap[(place - 1) / 2];
    agenda->_heap[place] = entry;
    return true;
}

const struct sim_entry *
sim_agenda_first(const struct sim_agenda *agenda)
{
    return agenda->_count > 0 ? &agenda->_heap[0] : NULL;
}

void
sim_agenda_drop_first(struct sim_agenda *agenda)
{
    struct sim_entry last;
    size_t           place = 0;

    AW_ASSERT(agenda->_count > 0);
    last = agenda->_heap[--agenda->_count];
    for (size_t child = 1; child < agenda->_count; child = 2 * place + 1) {
        if (child + 1 < agenda->_count && is_before(&agenda->_heap[child + 1], &agenda->_heap[child]))
            child++;
        if (!is_before(&agenda->_heap[child], &last))
            break;
        agenda->_heap[place] = agenda->_heap[child];
        place = child;
    }
    agenda->_heap[place] = last;
}

void
sim_agenda_fini(struct sim_agenda *agenda)
{
    free(agenda->_heap);
    *agenda = (struct sim_agenda){0};
}
