/* agents_directory.c - an append-only table with an index by name; each row points to settings that are replaced, never changed. */
#include "commit/agents_directory.h"

#include "base/hash.h"
#include "base/reserve.h"

#include <stdlib.h>
#include <string.h>

bool
aw_agents_directory_init(struct aw_agents_directory *directory, uint32_t agents_max, struct aw_qsbr *qsbr)
{
    size_t size = 2;

    while (size / 2 < agents_max)
        size *= 2;
    *directory = (struct aw_agents_directory){._rows_bytes = agents_max * sizeof(struct aw_agents_row),
                                              ._max = agents_max,
                                              ._index_bytes = size * sizeof(uint32_t),
                                              ._index_mask = (uint32_t)(size - 1),
                                              ._qsbr = qsbr};
    directory->_rows = aw_reserve_take(directory->_rows_bytes);
    directory->_index = aw_reserve_take(directory->_index_bytes);
    if (directory->_rows != NULL && directory->_index != NULL)
        return true;
    aw_agents_directory_fini(directory);
    return false;
}

static void
free_list(struct aw_agent_settings *first)
{
    while (first != NULL) {
        struct aw_agent_settings *next = first->_next;

        free(first);
        first = next;
    }
}

void
aw_agents_directory_fini(struct aw_agents_directory *directory)
{
    for (uint32_t row = 0; directory->_rows != NULL && row < directory->_count; row++)
        free(atomic_load_explicit(&directory->_rows[row]._settings, memory_order_relaxed)); /* nobody reads any more */
    free_list(directory->_free);
    free_list(directory->_retired);
    aw_reserve_give(directory->_rows, directory->_rows_bytes);
    aw_reserve_give(directory->_index, directory->_index_bytes);
    *directory = (struct aw_agents_directory){0};
}

/* --- any thread ----------------------------------------------------------------------------------------------------------- */

struct aw_agents_row *
aw_agents_directory_find(struct aw_agents_directory *directory, struct aw_slice name)
{
    uint64_t hash = aw_hash_name(name.ptr, name.len);
    uint32_t at = (uint32_t)hash & directory->_index_mask;
    uint32_t found;

    /* At most half of the places are taken, so a free one comes. Pairs with the release in add(). */
    while ((found = atomic_load_explicit(&directory->_index[at], memory_order_acquire)) != 0) {
        struct aw_agents_row *row = &directory->_rows[found - 1];

        if (row->_hash == hash && aw_slice_eq(row->_name, name))
            return row;
        at = (at + 1) & directory->_index_mask;
    }
    return NULL;
}

const struct aw_agent_settings *
aw_agents_row_settings(struct aw_agents_row *row)
{
    /* Pairs with the exchange in publish(). */
    return row == NULL ? NULL : atomic_load_explicit(&row->_settings, memory_order_acquire);
}

void
aw_agents_row_units(struct aw_agents_row *row, struct aw_units *ret_units)
{
    memset(ret_units, AW_UNITS_FREE_MANY, sizeof(*ret_units));
    for (uint32_t channel = 0; row != NULL && channel < AW_CHANNEL_NUMBERS; channel++) {
        /* Pairs with the release in set_units(). Each for itself: apply decides. */
        ret_units->free[channel] = atomic_load_explicit(&row->_free[channel], memory_order_acquire);
    }
}

/* --- committer ------------------------------------------------------------------------------------------------------------ */

static void
give(struct aw_agents_directory *directory, struct aw_agent_settings *settings)
{
    settings->_next = directory->_free;
    directory->_free = settings;
    directory->_free_count++;
}

/* What nobody can read any more is free again. */
static void
reclaim(struct aw_agents_directory *directory)
{
    struct aw_agent_settings *first;

    while ((first = directory->_retired) != NULL && aw_qsbr_passed(directory->_qsbr, first->_epoch)) {
        directory->_retired = first->_next;
        give(directory, first);
    }
    if (directory->_retired == NULL)
        directory->_retired_last = NULL;
}

static void
retire(struct aw_agents_directory *directory, struct aw_agent_settings *settings)
{
    settings->_next = NULL;
    settings->_epoch = aw_qsbr_retire(directory->_qsbr);
    if (directory->_retired_last != NULL)
        directory->_retired_last->_next = settings;
    else
        directory->_retired = settings;
    directory->_retired_last = settings;
}

bool
aw_agents_directory_reserve(struct aw_agents_directory *directory)
{
    struct aw_agent_settings *settings;

    reclaim(directory);
    if (directory->_reserved == directory->_free_count) {
        settings = malloc(sizeof(*settings));
        if (settings == NULL)
            return false;
        give(directory, settings);
    }
    directory->_reserved++;
    return true;
}

void
aw_agents_directory_unreserve(struct aw_agents_directory *directory)
{
    AW_ASSERT(directory->_reserved > 0);
    directory->_reserved--;
}

struct aw_agent_settings *
aw_agents_directory_begin(struct aw_agents_directory *directory)
{
    struct aw_agent_settings *settings = directory->_free;

    AW_ASSERT(directory->_reserved > 0);
    AW_ASSERT(settings != NULL);
    directory->_reserved--;
    directory->_free_count--;
    directory->_free = settings->_next;
    return settings;
}

static struct aw_agents_row *
add(struct aw_agents_directory *directory, struct aw_slice name)
{
    struct aw_agents_row *row;
    uint32_t              at;

    AW_ASSERT(directory->_count < directory->_max);
    row = &directory->_rows[directory->_count++];
    row->_name = name;
    row->_hash = aw_hash_name(name.ptr, name.len);
    atomic_init(&row->_settings, NULL);
    for (uint32_t channel = 0; channel < AW_CHANNEL_NUMBERS; channel++)
        atomic_init(&row->_free[channel], AW_UNITS_FREE_MANY);
    at = (uint32_t)row->_hash & directory->_index_mask;
    while (atomic_load_explicit(&directory->_index[at], memory_order_relaxed) != 0) /* the committer's own */
        at = (at + 1) & directory->_index_mask;
    /* Pairs with the acquire in find(). */
    atomic_store_explicit(&directory->_index[at], directory->_count, memory_order_release);
    return row;
}

struct aw_agents_row *
aw_agents_directory_publish(struct aw_agents_directory *directory, struct aw_slice name, struct aw_agent_settings *settings)
{
    struct aw_agents_row     *row = aw_agents_directory_find(directory, name);
    struct aw_agent_settings *old;

    settings->stamp = ++directory->_stamp;
    if (row == NULL)
        row = add(directory, name);
    /* Pairs with the acquire in settings(). */
    old = atomic_exchange_explicit(&row->_settings, settings, memory_order_acq_rel);
    if (old != NULL)
        retire(directory, old);
    return row;
}

void
aw_agents_row_set_units(struct aw_agents_row *row, const struct aw_units *units)
{
    for (uint32_t channel = 0; channel < AW_CHANNEL_NUMBERS; channel++) {
        /* Before the answer that tells of the lease leaves. Pairs with the acquire in units(). */
        atomic_store_explicit(&row->_free[channel], units->free[channel], memory_order_release);
    }
}
