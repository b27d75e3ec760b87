/* lmdb_kept.c - what outlives its batch: two trees that are appended to and deleted from in the middle, and the anchor.
 *
 * Deleting in the middle replaces pages that no append or trim would touch: a leaf, its neighbour, and the way to both. They are
 * counted as taken and freed by the transaction, at their worst, so that room and the free list's one page are never overrun.
 */
#include "base/hash.h"
#include "store/lmdb.h"

#include <string.h>

#define ANCHOR_TEXT  "anchor"
#define ANCHOR_BYTES 96U
/* Of the largest value, which goes as a whole. */
#define VALUE_PAGES_MAX ((AW_KEPT_BYTES_MAX / AW_PIECE_BYTES_MAX) / 2 + 2)

AW_STATIC_ASSERT(AW_KEPT_BYTES_MAX <= AW_VALUE_BYTES_MAX, "what is kept is a value");

/* The anchor as it is stored: fields in order, little-endian, then their CRC-32C. */
static void
anchor_write(const struct aw_journal_anchor *anchor, uint8_t to[ANCHOR_BYTES])
{
    uint32_t crc;

    memset(to, 0, ANCHOR_BYTES);
    memcpy(to, &anchor->index, 8);
    memcpy(to + 8, &anchor->next_seq, 8);
    memcpy(to + 16, anchor->hash.bytes, 32);
    memcpy(to + 48, &anchor->kept_seq, 8);
    memcpy(to + 56, &anchor->body_seq, 8);
    memcpy(to + 64, &anchor->kept[AW_KEPT_RECORD], 8);
    memcpy(to + 72, &anchor->kept[AW_KEPT_BODY], 8);
    crc = aw_crc32c(0, to, ANCHOR_BYTES - 4);
    memcpy(to + ANCHOR_BYTES - 4, &crc, 4);
}

static bool
anchor_read(const MDB_val *value, struct aw_journal_anchor *ret_anchor)
{
    const uint8_t *from = value->mv_data;
    uint32_t       crc;

    if (value->mv_size != ANCHOR_BYTES)
        return false;
    memcpy(&crc, from + ANCHOR_BYTES - 4, 4);
    if (aw_crc32c(0, from, ANCHOR_BYTES - 4) != crc)
        return false;
    memcpy(&ret_anchor->index, from, 8);
    memcpy(&ret_anchor->next_seq, from + 8, 8);
    memcpy(ret_anchor->hash.bytes, from + 16, 32);
    memcpy(&ret_anchor->kept_seq, from + 48, 8);
    memcpy(&ret_anchor->body_seq, from + 56, 8);
    memcpy(&ret_anchor->kept[AW_KEPT_RECORD], from + 64, 8);
    memcpy(&ret_anchor->kept[AW_KEPT_BODY], from + 72, 8);
    return true;
}

int
aw_lmdb_get_anchor(const struct aw_lmdb *store, MDB_txn *txn, struct aw_journal_anchor *ret_anchor)
{
    MDB_val key = {sizeof(ANCHOR_TEXT) - 1, (void *)(uintptr_t)ANCHOR_TEXT};
    MDB_val value;
    int     rc = mdb_get(txn, store->tree[AW_TREE_META], &key, &value);

    if (rc != MDB_SUCCESS)
        return rc;
    return anchor_read(&value, ret_anchor) ? MDB_SUCCESS : MDB_CORRUPTED;
}

enum aw_outcome
aw_lmdb_set_anchor(struct aw_journal *journal, const struct aw_journal_anchor *anchor)
{
    struct aw_lmdb *store = aw_lmdb_of(journal);
    uint8_t         bytes[ANCHOR_BYTES];
    MDB_val         key = {sizeof(ANCHOR_TEXT) - 1, (void *)(uintptr_t)ANCHOR_TEXT};
    MDB_val         value = {sizeof(bytes), bytes};

    if (!aw_lmdb_write(store))
        return AW_OUTCOME_BROKEN;
    anchor_write(anchor, bytes);
    if (mdb_put(store->txn, store->tree[AW_TREE_META], &key, &value, 0) == MDB_SUCCESS)
        return AW_OUTCOME_OK;
    aw_lmdb_break(store);
    return AW_OUTCOME_BROKEN;
}

enum aw_tree
aw_lmdb_kept_tree(enum aw_kept_kind kind)
{
    return kind == AW_KEPT_RECORD ? AW_TREE_KEPT : AW_TREE_KEPT_BODIES;
}

/* A body as it lies there: it has one key, wherever it lies, so that it is erased everywhere. */
static int
copy_body(struct aw_lmdb *store, const struct aw_kept *kept)
{
    struct aw_value_buffer buffer = {NULL, 0};
    struct aw_slice        stored;
    MDB_cursor            *cursor;
    uint32_t               count;
    int                    rc = mdb_cursor_open(store->txn, store->tree[AW_TREE_BODIES], &cursor);

    if (rc != MDB_SUCCESS)
        return rc;
    rc = aw_value_get(cursor, kept->seq, &buffer, &count, &stored);
    if (rc == MDB_SUCCESS)
        rc = aw_value_append(store->txn, store->tree[AW_TREE_KEPT_BODIES], kept->seq, kept->owner, stored);
    mdb_cursor_close(cursor);
    aw_value_buffer_fini(&buffer);
    return rc;
}

static int
append_kept(struct aw_lmdb *store, enum aw_tree tree, const struct aw_kept *kept)
{
    if (store->is_sealed && tree == AW_TREE_KEPT_BODIES)
        return copy_body(store, kept);
    return aw_lmdb_append(store, tree, kept->seq, kept->owner, kept->bytes);
}

enum aw_outcome
aw_lmdb_keep(struct aw_journal *journal, enum aw_kept_kind kind, const struct aw_kept *kept)
{
    struct aw_lmdb *store = aw_lmdb_of(journal);
    enum aw_tree    tree = aw_lmdb_kept_tree(kind);
    uint64_t        node_bytes = aw_value_node_bytes(kept->bytes.len + aw_lmdb_seal_bytes(store, tree));
    uint64_t        pages;

    if (!aw_lmdb_write(store))
        return AW_OUTCOME_BROKEN;
    /* As for a checkpoint: trimming can wait, an agent's answer cannot. */
    if (aw_lmdb_room_pages(store) < aw_lmdb_room_need(store, node_bytes) + store->room.reserve / 2)
        return AW_OUTCOME_FULL;
    pages = aw_lmdb_tree_pages(store, tree);
    if (append_kept(store, tree, kept) != MDB_SUCCESS) {
        aw_lmdb_break(store);
        return AW_OUTCOME_BROKEN;
    }
    aw_lmdb_room_note(store, tree, pages);
    return AW_OUTCOME_OK;
}

static int
delete_value(struct aw_lmdb *store, enum aw_tree tree, uint64_t seq)
{
    MDB_cursor *cursor;
    int         rc = mdb_cursor_open(store->txn, store->tree[tree], &cursor);

    if (rc != MDB_SUCCESS)
        return rc;
    rc = aw_value_delete(cursor, seq);
    mdb_cursor_close(cursor);
    return rc;
}

enum aw_outcome
aw_lmdb_unkeep(struct aw_journal *journal, enum aw_kept_kind kind, uint64_t seq)
{
    struct aw_lmdb *store = aw_lmdb_of(journal);
    enum aw_tree    tree = aw_lmdb_kept_tree(kind);
    uint64_t        touched;
    uint64_t        pages;
    int             rc;

    if (!aw_lmdb_write(store))
        return AW_OUTCOME_BROKEN;
    touched = 3U * aw_lmdb_tree_depth(store, tree) + 1U;
    if (store->room.freed + touched + VALUE_PAGES_MAX > AW_PAGES_FREED_MAX || aw_lmdb_room_pages(store) < touched)
        return AW_OUTCOME_FULL;
    pages = aw_lmdb_tree_pages(store, tree);
    rc = delete_value(store, tree, seq);
    if (rc == MDB_NOTFOUND)
        return AW_OUTCOME_OK;
    if (rc != MDB_SUCCESS) {
        aw_lmdb_break(store);
        return AW_OUTCOME_BROKEN;
    }
    aw_lmdb_room_note(store, tree, pages);
    store->room.taken += touched;
    store->room.freed += touched;
    return AW_OUTCOME_OK;
}
