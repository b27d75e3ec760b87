/* rows.h - tables of fixed-size rows in reserved address space, and the one way to change a row.
 *
 * A row is read through a const pointer (aw_rows_at); only aw_rows_change, take and give make one writable. That is how two
 * things stay true without anybody thinking of them:
 *   digest   a sum modulo 2^128 over all rows of SipHash(table and slot, row). A changed row's old hash is taken off before its
 *            first change, its new one added when the changes are settled. Equal rows give equal sums, in whatever order they
 *            came about. The key is fixed: the digest finds our errors, it does not stop an attacker (the journal's SHA-256 chain
 *            does).
 *   cut      while a checkpoint is being written, a row that changes before its chunk was written leaves its old bytes in a pool.
 *
 * A row has two parts. The first `kept` bytes are the state: they are in the digest and in checkpoints. Behind them lie links
 * that are derived (chains of an index, lists that can be rebuilt): aw_rows_links gives them, and changing them is no change of
 * the state. Free rows are chained last in, first out, through a field of theirs, so that the choice of a slot is part of the
 * state too.
 *
 * A pointer from aw_rows_change or aw_rows_take is good until the next aw_ledger_settle: writes after it would miss the digest.
 * Slot 0 is never used; 0 in a link means none.
 *
 * Who owns: the ledger owns the pool, each table its rows; until fini. Thread: that of the state. Fails: only init; whoever takes
 * a row has asked aw_rows_room before.
 */
#ifndef AW_CORE_ROWS_H
#define AW_CORE_ROWS_H

#include "base/assert.h"
#include "base/hash.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

AW_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows are hashed and stored as they lie in memory");

/* What of a table is state itself, stored with the globals. */
struct aw_rows_head {
    uint32_t used; /* slots ever taken: 1 to used */
    uint32_t live; /* of them, not free */
    uint32_t free; /* the free slot to take next; 0: none */
    uint32_t reserved;
};

struct aw_rows_layout {
    uint32_t table;   /* number of the table: in digests and chunks, never reused */
    uint32_t stride;  /* bytes of a row */
    uint32_t kept;    /* bytes of its first part */
    uint32_t link_at; /* where a free row holds the next free slot; inside the first part */
};

struct aw_ledger;
struct aw_rows {
    char                 *_base;   /* owns */
    struct aw_rows_head  *_head;   /* borrows: in the globals */
    struct aw_ledger     *_ledger; /* borrows */
    struct aw_rows_layout _layout;
    uint32_t              _max;   /* slots, with slot 0 */
    uint32_t              _limit; /* of them, as many as may be taken now */
    /* The cut under way: slots _cut_from and the _cut_len - 1 behind it are still to be written. */
    uint32_t  _cut_from;
    uint32_t  _cut_len;
    uint32_t  _chunk_rows;
    uint64_t *_kept_bits;  /* owns: by slot, whether the pool has its old bytes */
    uint32_t *_chunk_olds; /* owns: by chunk, the first cell of its old rows */
};

#define AW_TOUCHED_MAX 128U   /* rows changed between two settles; freeing a ticket with all its identities is the most */
#define AW_CELL_BYTES  144U   /* of an old row, as a ticket has; larger rows take several cells */
#define AW_CUT_BYTES   32768U /* most bytes of a chunk: one value of the store, one step of a checkpoint */
/* What a chunk takes beside its rows, at most: heads and tags, what its last pieces leave empty of a page, a part of the branches
 * above. */
#define AW_CUT_EXTRA_BYTES 6144U

struct aw_cell;
struct aw_ledger {
    struct aw_hash128 _sum;
    struct {
        struct aw_rows *rows;
        uint32_t        slot;
    } _touched[AW_TOUCHED_MAX];
    uint32_t        _touched_count;
    struct aw_cell *_cells; /* owns; from 1 */
    uint32_t        _cells_max;
    uint32_t        _cells_used; /* ever, in this cut */
    uint32_t        _cells_live;
    uint32_t        _cells_free;
    bool            _is_cutting;
    bool            _is_lost; /* the pool was too small for this cut */
};

/* --- the ledger ----------------------------------------------------------------------------------------------------------- */

/* False when the address space can't be had. */
AW_MUST_USE bool aw_ledger_init(struct aw_ledger *ledger, size_t old_bytes_max);
void             aw_ledger_fini(struct aw_ledger *ledger);
/* Brings the digest up to date with all changes; pointers to writable rows end here. */
void aw_ledger_settle(struct aw_ledger *ledger);
/* Of all rows of all tables, when settled. */
struct aw_hash128 aw_ledger_digest(const struct aw_ledger *ledger);
/* One row's part of a digest, and how parts are put together. */
struct aw_hash128 aw_row_hash(uint32_t table, uint32_t slot, const void *row, size_t len);
void              aw_digest_add(struct aw_hash128 *sum, struct aw_hash128 part);

/* --- a table -------------------------------------------------------------------------------------------------------------- */

/* `slots_max` slots, of which slot 0 is not used. False when the address space can't be had. */
AW_MUST_USE bool aw_rows_init(struct aw_rows *rows, struct aw_ledger *ledger, struct aw_rows_head *head,
                              const struct aw_rows_layout *layout, uint32_t slots_max);
void             aw_rows_fini(struct aw_rows *rows);

static inline const void *
aw_rows_at(const struct aw_rows *rows, uint32_t slot)
{
    AW_ASSERT(slot <= rows->_head->used);
    return rows->_base + (size_t)slot * rows->_layout.stride;
}
static inline bool
aw_rows_has(const struct aw_rows *rows, uint32_t slot)
{
    return slot != 0 && slot <= rows->_head->used;
}
/* Any slot number; one that is not there does no harm. */
static inline void
aw_rows_prefetch(const struct aw_rows *rows, uint32_t slot)
{
    const char *row = rows->_base + (size_t)slot * rows->_layout.stride;

    __builtin_prefetch(row);
    __builtin_prefetch(row + AW_CACHE_LINE);
}
/* For the derived part only. */
void *aw_rows_links(struct aw_rows *rows, uint32_t slot);
/* For an index: where its rows begin. */
void *aw_rows_base(struct aw_rows *rows);
void *aw_rows_change(struct aw_rows *rows, uint32_t slot);
/* Slots that it was made with, slot 0 among them. */
uint32_t aw_rows_slots_max(const struct aw_rows *rows);
/* From here on no more than so many slots, slot 0 among them, are taken; not above what it was made with. */
void aw_rows_set_limit(struct aw_rows *rows, uint32_t slots_max);
/* How many more rows can be taken. */
uint32_t aw_rows_room(const struct aw_rows *rows);
/* A row of zeros, never used or given back before. There is room. */
uint32_t aw_rows_take(struct aw_rows *rows);
void     aw_rows_give(struct aw_rows *rows, uint32_t slot);
/* The digest of this table alone, from its rows. */
struct aw_hash128 aw_rows_digest_slow(const struct aw_rows *rows);
size_t            aw_rows_bytes(const struct aw_rows *rows);

/* --- cuts ----------------------------------------------------------------------------------------------------------------- */

/* All tables of a ledger begin and end together; between them rows keep their old bytes. Settled before. */
void aw_rows_cut_begin(struct aw_rows *rows);
void aw_rows_cut_end(struct aw_rows *rows);
/* Copies the next chunk as it was at the beginning; `buffer` has AW_CUT_BYTES. False when this table is done. */
AW_MUST_USE bool aw_rows_cut_next(struct aw_rows *rows, char *buffer, uint32_t *ret_chunk, size_t *ret_len);
/* What all its chunks together take where they are stored, at most. */
uint64_t aw_rows_cut_bytes(const struct aw_rows *rows);
void     aw_ledger_cut_begin(struct aw_ledger *ledger);
void     aw_ledger_cut_end(struct aw_ledger *ledger);

/* Reads a chunk into a table that nothing was taken from; the head has its final values. False when it does not fit the table. */
AW_MUST_USE bool aw_rows_load(struct aw_rows *rows, uint32_t chunk, struct aw_slice bytes);
/* Begins the digest anew from the rows of this table; call for each after a load. */
void aw_ledger_load(struct aw_ledger *ledger, struct aw_hash128 sum);

#endif
