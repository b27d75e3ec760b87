/* value.h - how one value lies in an LMDB tree: cut into pieces of which two fit a page.
 *
 * LMDB puts a value of more than half a page on a run of adjacent pages. Such runs must be found in the free list, whose search is
 * what makes a large LMDB slow, and free pages that are not adjacent would be room that cannot be used. With pieces every page is
 * as good as any other: the free list is never searched, and room can be counted in pages.
 *
 * key    u64, native: id << AW_PIECE_BITS | number of the piece (MDB_INTEGERKEY)
 * value  piece 0 starts with struct aw_value_head; the rest is bytes. All pieces but the last are full.
 *
 * To change this layout: raise AW_STORE_FORMAT. Owns nothing. Thread: that of the transaction. Results are LMDB's codes; a value
 * that fails its checks is MDB_CORRUPTED.
 */
#ifndef AW_STORE_VALUE_H
#define AW_STORE_VALUE_H

#include "base/assert.h"
#include "base/slice.h"

#include <lmdb.h>
#include <stdint.h>

#define AW_PIECE_BITS 10U
#define AW_PIECES_MAX (1U << AW_PIECE_BITS)
/* LMDB keeps a value in the page up to (page - 16) / 2 - 2 bytes with its 8 bytes of node and 8 of key: two of these fill a page of
 * 4 KiB to the last byte. On larger pages more fit. */
#define AW_PIECE_BYTES_MAX 2022U
#define AW_NODE_BYTES      18U /* node header, key, and the slot that points to it */
#define AW_VALUE_ID_MAX    (UINT64_MAX >> AW_PIECE_BITS)

struct aw_value_head {
    uint32_t bytes; /* without this head */
    uint32_t count; /* the caller's: how many records a batch has, whose a kept record is */
    uint32_t crc;   /* CRC-32C of id, count and bytes: also finds a value under a wrong key */
};
#define AW_VALUE_BYTES_MAX (AW_PIECES_MAX * AW_PIECE_BYTES_MAX - (uint32_t)sizeof(struct aw_value_head))

/* Where a value of several pieces is put together. */
struct aw_value_buffer {
    char  *ptr; /* owns, until aw_value_buffer_fini */
    size_t room;
};

/* Appends; `id` is above every id in the tree. */
AW_MUST_USE int aw_value_append(MDB_txn *txn, MDB_dbi tree, uint64_t id, uint32_t count, struct aw_slice bytes);
/* The value at `id`, checked. *ret_bytes borrows from the transaction, or from `buffer` until its next use.
 * MDB_NOTFOUND; ENOMEM. */
AW_MUST_USE int aw_value_get(MDB_cursor *cursor, uint64_t id, struct aw_value_buffer *buffer, uint32_t *ret_count,
                             struct aw_slice *ret_bytes);
/* The first value at or behind `id`. */
AW_MUST_USE int aw_value_find_next(MDB_cursor *cursor, uint64_t id, uint64_t *ret_id);
/* The last value at or before `id`. */
AW_MUST_USE int aw_value_find_prev(MDB_cursor *cursor, uint64_t id, uint64_t *ret_id);
/* What the value at `id` has as count, without a look at its bytes. MDB_NOTFOUND. */
AW_MUST_USE int aw_value_count(MDB_cursor *cursor, uint64_t id, uint32_t *ret_count);
/* Deletes the value at `id` with all its pieces. MDB_NOTFOUND. */
AW_MUST_USE int aw_value_delete(MDB_cursor *cursor, uint64_t id);
/* Deletes the first value of the tree with all its pieces, if its id is below `below`; else MDB_NOTFOUND. */
AW_MUST_USE int aw_value_delete_first(MDB_cursor *cursor, uint64_t below);
/* Bytes of nodes that a value of this size takes. */
uint64_t aw_value_node_bytes(uint64_t bytes);
/* Room for so many bytes; what was in it may be lost. ENOMEM. */
AW_MUST_USE int aw_value_buffer_need(struct aw_value_buffer *buffer, size_t len);
void            aw_value_buffer_fini(struct aw_value_buffer *buffer);

#endif
