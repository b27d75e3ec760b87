#include "core/dedupe.h"

#include "base/reserve.h"

/* Ids dropped for each one added: more than one, so that a ring that was left alone for long shrinks again. */
#define DROPS_PER_ADD 4

static const struct aw_index_layout layout = {
    .stride = sizeof(struct aw_dedupe_row),
    .key_at = offsetof(struct aw_dedupe_row, hash),
    .link_at = offsetof(struct aw_dedupe_row, chain),
};

static size_t
row_bytes(uint32_t max)
{
    return ((size_t)max + 1) * sizeof(struct aw_dedupe_row);
}

bool
aw_dedupe_init(struct aw_dedupe *ids, uint32_t max)
{
    *ids = (struct aw_dedupe){._max = max};
    ids->_rows = aw_reserve_take(row_bytes(max));
    return ids->_rows != NULL && aw_index_init(&ids->_index, ids->_rows, &layout, max);
}

void
aw_dedupe_fini(struct aw_dedupe *ids)
{
    aw_index_fini(&ids->_index);
    aw_reserve_give(ids->_rows, row_bytes(ids->_max));
    *ids = (struct aw_dedupe){0};
}

static uint32_t
slot_of(const struct aw_dedupe *ids, uint64_t position)
{
    return (uint32_t)(position % ids->_max) + 1;
}

static aw_ms
accepted_at(const struct aw_dedupe_row *row)
{
    return (aw_ms)row->at_high << 16 | row->at_low;
}

static bool
is_oldest_over(const struct aw_dedupe *ids, aw_ms floor)
{
    return ids->_first < ids->_next && accepted_at(&ids->_rows[slot_of(ids, ids->_first)]) < floor;
}

uint64_t
aw_dedupe_find(const struct aw_dedupe *ids, struct aw_hash128 hash, aw_ms floor)
{
    /* An old one that was not dropped yet may lie beside the one that counts. */
    for (uint32_t slot = aw_index_find(&ids->_index, hash); slot != 0; slot = aw_index_find_next(&ids->_index, slot)) {
        if (accepted_at(&ids->_rows[slot]) >= floor)
            return ids->_rows[slot].seq;
    }
    return 0;
}

void
aw_dedupe_prefetch(const struct aw_dedupe *ids, struct aw_hash128 hash)
{
    aw_index_prefetch(&ids->_index, hash);
}

bool
aw_dedupe_has_room(const struct aw_dedupe *ids, aw_ms floor)
{
    return ids->_next - ids->_first < ids->_max || is_oldest_over(ids, floor);
}

void
aw_dedupe_add(struct aw_dedupe *ids, struct aw_hash128 hash, uint64_t seq, aw_ms at, aw_ms floor)
{
    uint32_t slot;

    AW_ASSERT(aw_dedupe_has_room(ids, floor));
    for (int i = 0; i < DROPS_PER_ADD && is_oldest_over(ids, floor); i++)
        aw_index_remove(&ids->_index, slot_of(ids, ids->_first++));
    slot = slot_of(ids, ids->_next++);
    ids->_rows[slot] = (struct aw_dedupe_row){
        .hash = hash, .seq = seq & ((UINT64_C(1) << 48) - 1), .at_low = at & 0xFFFF, .at_high = (uint32_t)(at >> 16)};
    aw_index_insert(&ids->_index, slot);
}

uint32_t
aw_dedupe_count(const struct aw_dedupe *ids)
{
    return (uint32_t)(ids->_next - ids->_first);
}

size_t
aw_dedupe_bytes(const struct aw_dedupe *ids)
{
    uint64_t ever = ids->_next < ids->_max ? ids->_next : ids->_max;

    return ever * sizeof(struct aw_dedupe_row) + aw_index_bytes(&ids->_index);
}
