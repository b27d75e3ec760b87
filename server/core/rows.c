#include "core/rows.h"

#include "base/reserve.h"

#include <string.h>

/* An old row, or a piece of one. `piece` = slot * pieces of a row + which piece. */
struct aw_cell {
    uint32_t piece;
    uint32_t next; /* in the same chunk, or free */
    char     bytes[AW_CELL_BYTES];
};
AW_STATIC_ASSERT(sizeof(struct aw_cell) == AW_CELL_BYTES + 8, "no holes");

/* --- the digest ----------------------------------------------------------------------------------------------------------- */

struct aw_hash128
aw_row_hash(uint32_t table, uint32_t slot, const void *row, size_t len)
{
    /* The place goes into the key, so that the row need not be copied behind it. */
    struct aw_hash_key key = {"--------awrows01"};
    uint64_t           place = (uint64_t)table << 32 | slot;

    memcpy(key.bytes, &place, sizeof(place));
    return aw_hash128(&key, row, len);
}

void
aw_digest_add(struct aw_hash128 *sum, struct aw_hash128 part)
{
    unsigned carry = __builtin_add_overflow(sum->low, part.low, &sum->low);

    sum->high += part.high + carry;
}

static void
digest_subtract(struct aw_hash128 *sum, struct aw_hash128 part)
{
    unsigned borrow = __builtin_sub_overflow(sum->low, part.low, &sum->low);

    sum->high -= part.high + borrow;
}

static struct aw_hash128
hash_of(const struct aw_rows *rows, uint32_t slot)
{
    return aw_row_hash(rows->_layout.table, slot, rows->_base + (size_t)slot * rows->_layout.stride, rows->_layout.kept);
}

static bool
is_touched(const struct aw_ledger *ledger, const struct aw_rows *rows, uint32_t slot)
{
    for (uint32_t i = ledger->_touched_count; i-- > 0;) {
        if (ledger->_touched[i].slot == slot && ledger->_touched[i].rows == rows)
            return true;
    }
    return false;
}

static void
touch(struct aw_rows *rows, uint32_t slot)
{
    struct aw_ledger *ledger = rows->_ledger;

    AW_ASSERT(ledger->_touched_count < AW_TOUCHED_MAX);
    ledger->_touched[ledger->_touched_count].rows = rows;
    ledger->_touched[ledger->_touched_count].slot = slot;
    ledger->_touched_count++;
}

void
aw_ledger_settle(struct aw_ledger *ledger)
{
    for (uint32_t i = 0; i < ledger->_touched_count; i++)
        aw_digest_add(&ledger->_sum, hash_of(ledger->_touched[i].rows, ledger->_touched[i].slot));
    ledger->_touched_count = 0;
}

struct aw_hash128
aw_ledger_digest(const struct aw_ledger *ledger)
{
    AW_ASSERT(ledger->_touched_count == 0);
    return ledger->_sum;
}

struct aw_hash128
aw_rows_digest_slow(const struct aw_rows *rows)
{
    struct aw_hash128 sum = {0};

    for (uint32_t slot = 1; slot <= rows->_head->used; slot++)
        aw_digest_add(&sum, hash_of(rows, slot));
    return sum;
}

/* --- init ----------------------------------------------------------------------------------------------------------------- */

bool
aw_ledger_init(struct aw_ledger *ledger, size_t old_bytes_max)
{
    *ledger = (struct aw_ledger){._cells_max = (uint32_t)(old_bytes_max / sizeof(struct aw_cell)) + 1};
    ledger->_cells = aw_reserve_take(ledger->_cells_max * sizeof(struct aw_cell));
    return ledger->_cells != NULL;
}

void
aw_ledger_fini(struct aw_ledger *ledger)
{
    aw_reserve_give(ledger->_cells, ledger->_cells_max * sizeof(struct aw_cell));
    *ledger = (struct aw_ledger){0};
}

static size_t
base_bytes(const struct aw_rows *rows)
{
    return (size_t)rows->_max * rows->_layout.stride;
}

static size_t
bits_bytes(const struct aw_rows *rows)
{
    return ((size_t)rows->_max / 64 + 1) * sizeof(uint64_t);
}

static size_t
chunk_olds_bytes(const struct aw_rows *rows)
{
    return ((size_t)rows->_max / rows->_chunk_rows + 1) * sizeof(uint32_t);
}

bool
aw_rows_init(struct aw_rows *rows, struct aw_ledger *ledger, struct aw_rows_head *head, const struct aw_rows_layout *layout,
             uint32_t slots_max)
{
    AW_ASSERT(layout->kept <= layout->stride);
    AW_ASSERT(layout->stride % 4 == 0);
    AW_ASSERT(layout->link_at + sizeof(uint32_t) <= layout->kept);
    *rows = (struct aw_rows){._head = head,
                             ._ledger = ledger,
                             ._layout = *layout,
                             ._max = slots_max,
                             ._limit = slots_max,
                             ._chunk_rows = AW_CUT_BYTES / layout->kept};
    rows->_base = aw_reserve_take(base_bytes(rows));
    rows->_kept_bits = aw_reserve_take(bits_bytes(rows));
    rows->_chunk_olds = aw_reserve_take(chunk_olds_bytes(rows));
    return rows->_base != NULL && rows->_kept_bits != NULL && rows->_chunk_olds != NULL;
}

void
aw_rows_fini(struct aw_rows *rows)
{
    if (rows->_chunk_rows == 0)
        return; /* never got as far as its init */
    aw_reserve_give(rows->_base, base_bytes(rows));
    aw_reserve_give(rows->_kept_bits, bits_bytes(rows));
    aw_reserve_give(rows->_chunk_olds, chunk_olds_bytes(rows));
    *rows = (struct aw_rows){0};
}

/* --- old rows ------------------------------------------------------------------------------------------------------------- */

static uint32_t
pieces_of(const struct aw_rows *rows)
{
    return (rows->_layout.kept + AW_CELL_BYTES - 1) / AW_CELL_BYTES;
}

static size_t
piece_bytes(const struct aw_rows *rows, uint32_t piece)
{
    uint32_t at = piece * AW_CELL_BYTES;

    return rows->_layout.kept - at < AW_CELL_BYTES ? rows->_layout.kept - at : AW_CELL_BYTES;
}

static uint32_t
chunk_of(const struct aw_rows *rows, uint32_t slot)
{
    return (slot - 1) / rows->_chunk_rows;
}

static bool
has_old(const struct aw_rows *rows, uint32_t slot)
{
    return (rows->_kept_bits[slot / 64] >> (slot % 64) & 1) != 0;
}

static uint32_t
cell_take(struct aw_ledger *ledger)
{
    uint32_t cell = ledger->_cells_free;

    if (cell != 0)
        ledger->_cells_free = ledger->_cells[cell].next;
    else
        cell = ++ledger->_cells_used;
    ledger->_cells_live++;
    return cell;
}

static void
cell_give(struct aw_ledger *ledger, uint32_t cell)
{
    ledger->_cells[cell].next = ledger->_cells_free;
    ledger->_cells_free = cell;
    ledger->_cells_live--;
}

static void
keep_old(struct aw_rows *rows, uint32_t slot)
{
    struct aw_ledger *ledger = rows->_ledger;
    uint32_t          pieces = pieces_of(rows);
    uint32_t         *olds = &rows->_chunk_olds[chunk_of(rows, slot)];
    const char       *row = aw_rows_at(rows, slot);

    if (ledger->_is_lost)
        return;
    if (ledger->_cells_max - 1 - ledger->_cells_live < pieces) {
        ledger->_is_lost = true; /* the change must go on; what is given up is the checkpoint */
        return;
    }
    for (uint32_t i = 0; i < pieces; i++) {
        uint32_t        cell = cell_take(ledger);
        struct aw_cell *old = &ledger->_cells[cell];

        old->piece = slot * pieces + i;
        memcpy(old->bytes, row + (size_t)i * AW_CELL_BYTES, piece_bytes(rows, i));
        old->next = *olds;
        *olds = cell;
    }
    rows->_kept_bits[slot / 64] |= UINT64_C(1) << (slot % 64);
}

/* --- changing ------------------------------------------------------------------------------------------------------------- */

void *
aw_rows_links(struct aw_rows *rows, uint32_t slot)
{
    AW_ASSERT(slot <= rows->_head->used);
    return rows->_base + (size_t)slot * rows->_layout.stride + rows->_layout.kept;
}

void *
aw_rows_base(struct aw_rows *rows)
{
    return rows->_base;
}

void *
aw_rows_change(struct aw_rows *rows, uint32_t slot)
{
    AW_ASSERT(aw_rows_has(rows, slot));
    if (!is_touched(rows->_ledger, rows, slot)) {
        digest_subtract(&rows->_ledger->_sum, hash_of(rows, slot));
        touch(rows, slot);
        if (slot - rows->_cut_from < rows->_cut_len && !has_old(rows, slot))
            keep_old(rows, slot);
    }
    return rows->_base + (size_t)slot * rows->_layout.stride;
}

static uint32_t *
free_link(const struct aw_rows *rows, uint32_t slot)
{
    return (uint32_t *)(void *)(rows->_base + (size_t)slot * rows->_layout.stride + rows->_layout.link_at);
}

uint32_t
aw_rows_slots_max(const struct aw_rows *rows)
{
    return rows->_max;
}

void
aw_rows_set_limit(struct aw_rows *rows, uint32_t slots_max)
{
    AW_ASSERT(slots_max > 0);
    AW_ASSERT(slots_max <= rows->_max);
    rows->_limit = slots_max;
}

uint32_t
aw_rows_room(const struct aw_rows *rows)
{
    return rows->_limit - 1 > rows->_head->live ? rows->_limit - 1 - rows->_head->live : 0;
}

uint32_t
aw_rows_take(struct aw_rows *rows)
{
    uint32_t slot = rows->_head->free;

    AW_ASSERT(aw_rows_room(rows) > 0);
    if (slot != 0) {
        (void)aw_rows_change(rows, slot);
        rows->_head->free = *free_link(rows, slot);
        *free_link(rows, slot) = 0;
    } else {
        slot = ++rows->_head->used;
        touch(rows, slot); /* no part of the digest until now */
    }
    rows->_head->live++;
    return slot;
}

void
aw_rows_give(struct aw_rows *rows, uint32_t slot)
{
    memset(aw_rows_change(rows, slot), 0, rows->_layout.kept);
    *free_link(rows, slot) = rows->_head->free;
    rows->_head->free = slot;
    rows->_head->live--;
}

size_t
aw_rows_bytes(const struct aw_rows *rows)
{
    return (size_t)rows->_head->used * rows->_layout.stride;
}

/* --- cuts ----------------------------------------------------------------------------------------------------------------- */

void
aw_ledger_cut_begin(struct aw_ledger *ledger)
{
    AW_ASSERT(!ledger->_is_cutting);
    AW_ASSERT(ledger->_touched_count == 0);
    AW_ASSERT(ledger->_cells_live == 0);
    ledger->_cells_used = 0;
    ledger->_cells_free = 0;
    ledger->_is_lost = false;
    ledger->_is_cutting = true;
}

void
aw_ledger_cut_end(struct aw_ledger *ledger)
{
    AW_ASSERT(ledger->_cells_live == 0);
    ledger->_is_cutting = false;
    ledger->_is_lost = false;
}

void
aw_rows_cut_begin(struct aw_rows *rows)
{
    rows->_cut_from = 1;
    rows->_cut_len = rows->_head->used;
}

/* Gives the cells of a chunk back; with a `buffer`, what they hold goes over the rows of today that lie there. */
static void
take_olds(struct aw_rows *rows, uint32_t chunk, char *buffer)
{
    struct aw_ledger *ledger = rows->_ledger;
    uint32_t          pieces = pieces_of(rows);
    uint32_t          cell = rows->_chunk_olds[chunk];

    rows->_chunk_olds[chunk] = 0;
    while (cell != 0) {
        const struct aw_cell *old = &ledger->_cells[cell];
        uint32_t              next = old->next;
        uint32_t              slot = old->piece / pieces;
        uint32_t              piece = old->piece % pieces;
        size_t                row = slot - 1 - chunk * rows->_chunk_rows;

        if (buffer != NULL)
            memcpy(buffer + row * rows->_layout.kept + (size_t)piece * AW_CELL_BYTES, old->bytes, piece_bytes(rows, piece));
        rows->_kept_bits[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
        cell_give(ledger, cell);
        cell = next;
    }
}

void
aw_rows_cut_end(struct aw_rows *rows)
{
    while (rows->_cut_len > 0) {
        uint32_t count = rows->_cut_len < rows->_chunk_rows ? rows->_cut_len : rows->_chunk_rows;

        take_olds(rows, chunk_of(rows, rows->_cut_from), NULL);
        rows->_cut_from += count;
        rows->_cut_len -= count;
    }
}

uint64_t
aw_rows_cut_bytes(const struct aw_rows *rows)
{
    uint64_t used = rows->_head->used;

    return used * rows->_layout.kept + (used + rows->_chunk_rows - 1) / rows->_chunk_rows * AW_CUT_EXTRA_BYTES;
}

bool
aw_rows_cut_next(struct aw_rows *rows, char *buffer, uint32_t *ret_chunk, size_t *ret_len)
{
    uint32_t count = rows->_cut_len < rows->_chunk_rows ? rows->_cut_len : rows->_chunk_rows;
    uint32_t chunk;

    if (count == 0)
        return false;
    chunk = chunk_of(rows, rows->_cut_from);
    for (uint32_t i = 0; i < count; i++)
        memcpy(buffer + (size_t)i * rows->_layout.kept, aw_rows_at(rows, rows->_cut_from + i), rows->_layout.kept);
    take_olds(rows, chunk, buffer);
    rows->_cut_from += count;
    rows->_cut_len -= count;
    *ret_chunk = chunk;
    *ret_len = (size_t)count * rows->_layout.kept;
    return true;
}

/* --- loading -------------------------------------------------------------------------------------------------------------- */

bool
aw_rows_load(struct aw_rows *rows, uint32_t chunk, struct aw_slice bytes)
{
    uint64_t first = (uint64_t)chunk * rows->_chunk_rows + 1;
    uint64_t count = rows->_head->used < first ? 0 : rows->_head->used - first + 1;

    if (count > rows->_chunk_rows)
        count = rows->_chunk_rows;
    if (count == 0 || bytes.len != count * rows->_layout.kept)
        return false;
    for (uint64_t i = 0; i < count; i++)
        memcpy(rows->_base + (first + i) * rows->_layout.stride, bytes.ptr + i * rows->_layout.kept, rows->_layout.kept);
    return true;
}

void
aw_ledger_load(struct aw_ledger *ledger, struct aw_hash128 sum)
{
    AW_ASSERT(ledger->_touched_count == 0);
    ledger->_sum = sum;
}
