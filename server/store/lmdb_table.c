/* lmdb_table.c - checkpoint generations: two trees, of which the mark in the meta tree names the valid one.
 *
 *   none or current ---- put ----> growing ---- mark + flush ----> current; the other tree is waste
 *                                     `------- abandon ----------> waste
 * Waste is deleted by drop_step; a tree must be empty before it grows again.
 */
#include "base/hash.h"
#include "store/lmdb.h"

#include <string.h>

#define TABLE_BITS      22U /* what a key has left beside chunk and piece */
#define MARK_BYTES      96U
#define CHUNK_PAGES_MAX ((AW_CHUNK_BYTES_MAX / AW_PIECE_BYTES_MAX) / 2 + 2)

static enum aw_tree
tree_of(uint32_t generation)
{
    return generation == 0 ? AW_TREE_TABLE0 : AW_TREE_TABLE1;
}

/* The mark as it is stored: fields in order, little-endian, then their CRC-32C. */
static void
mark_write(const struct aw_checkpoint_mark *mark, uint32_t generation, uint8_t to[MARK_BYTES])
{
    uint32_t crc;

    memset(to, 0, MARK_BYTES);
    memcpy(to, &generation, 4);
    memcpy(to + 4, &mark->sm_version, 4);
    memcpy(to + 8, &mark->seq, 8);
    memcpy(to + 16, &mark->index, 8);
    memcpy(to + 24, mark->hash.bytes, 32);
    memcpy(to + 56, &mark->digest.low, 8);
    memcpy(to + 64, &mark->digest.high, 8);
    memcpy(to + 72, &mark->chunks, 4);
    crc = aw_crc32c(0, to, MARK_BYTES - 4);
    memcpy(to + MARK_BYTES - 4, &crc, 4);
}

bool
aw_lmdb_mark_read(struct aw_slice bytes, struct aw_checkpoint_mark *ret_mark, uint32_t *ret_generation)
{
    const uint8_t *from = (const uint8_t *)bytes.ptr;
    uint32_t       crc;

    if (bytes.len != MARK_BYTES)
        return false;
    memcpy(&crc, from + MARK_BYTES - 4, 4);
    if (aw_crc32c(0, from, MARK_BYTES - 4) != crc)
        return false;
    memcpy(ret_generation, from, 4);
    memcpy(&ret_mark->sm_version, from + 4, 4);
    memcpy(&ret_mark->seq, from + 8, 8);
    memcpy(&ret_mark->index, from + 16, 8);
    memcpy(ret_mark->hash.bytes, from + 24, 32);
    memcpy(&ret_mark->digest.low, from + 56, 8);
    memcpy(&ret_mark->digest.high, from + 64, 8);
    memcpy(&ret_mark->chunks, from + 72, 4);
    return *ret_generation <= 1;
}

/* As one snapshot has it. AW_GENERATION_NONE when there is none. */
static enum aw_err
find_mark(struct aw_lmdb *store, MDB_txn *txn, struct aw_checkpoint_mark *ret_mark, uint32_t *ret_generation, struct aw_why *why)
{
    MDB_val key = {sizeof(AW_MARK_TEXT) - 1, (void *)(uintptr_t)AW_MARK_TEXT};
    MDB_val value;
    int     rc = mdb_get(txn, store->tree[AW_TREE_META], &key, &value);

    if (rc == MDB_NOTFOUND) {
        *ret_generation = AW_GENERATION_NONE;
        return AW_OK;
    }
    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, "reading the checkpoint mark");
    if (!aw_lmdb_mark_read(aw_slice_of(value.mv_data, value.mv_size), ret_mark, ret_generation))
        return aw_why(why, AW_E_CORRUPT, "the checkpoint mark fails its checks");
    return AW_OK;
}

enum aw_err
aw_lmdb_table_open(struct aw_lmdb *store, struct aw_why *why)
{
    struct aw_lmdb_table *generations = &store->generations;
    MDB_txn              *txn;
    enum aw_err           err;
    int                   rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, "reading the checkpoint mark");
    generations->growing = AW_GENERATION_NONE;
    err = find_mark(store, txn, &generations->mark, &generations->current, why);
    mdb_txn_abort(txn);
    return err;
}

void
aw_lmdb_table_flushed(struct aw_lmdb *store)
{
    struct aw_lmdb_table *generations = &store->generations;

    if (!generations->marked)
        return;
    generations->mark = generations->next_mark;
    generations->current = generations->growing;
    generations->growing = AW_GENERATION_NONE;
    generations->marked = false;
}

static void
begin_generation(struct aw_lmdb *store)
{
    struct aw_lmdb_table *generations = &store->generations;
    uint32_t              next = generations->current == 0 ? 1 : 0;

    AW_ASSERT(aw_lmdb_tree_pages(store, tree_of(next)) == 0); /* drop_step said done */
    generations->growing = next;
    generations->chunks = 0;
    generations->last_id = 0;
}

static enum aw_outcome
lmdb_put(struct aw_table *table, const struct aw_chunk *chunk)
{
    struct aw_lmdb       *store = aw_lmdb_of_table(table);
    struct aw_lmdb_table *generations = &store->generations;
    uint64_t              id = (uint64_t)chunk->table << 32 | chunk->chunk;
    uint64_t              node_bytes = aw_value_node_bytes(chunk->bytes.len + aw_lmdb_seal_bytes(store, AW_TREE_TABLE0));
    uint64_t              pages;
    enum aw_tree          tree;

    AW_ASSERT(chunk->table < 1U << TABLE_BITS);
    if (!aw_lmdb_write(store))
        return AW_OUTCOME_BROKEN;
    AW_ASSERT(!generations->marked);
    /* Half of the reserve stays for the journal: a checkpoint can wait, an agent's answer cannot. */
    if (aw_lmdb_room_pages(store) < aw_lmdb_room_need(store, node_bytes) + store->room.reserve / 2)
        return AW_OUTCOME_FULL;
    if (generations->growing == AW_GENERATION_NONE)
        begin_generation(store);
    AW_ASSERT(generations->chunks == 0 || id > generations->last_id);
    tree = tree_of(generations->growing);
    pages = aw_lmdb_tree_pages(store, tree);
    if (aw_lmdb_append(store, tree, id, 1, chunk->bytes) != MDB_SUCCESS) {
        aw_lmdb_break(store);
        return AW_OUTCOME_BROKEN;
    }
    aw_lmdb_room_note(store, tree, pages);
    generations->last_id = id;
    generations->chunks++;
    return AW_OUTCOME_OK;
}

static enum aw_outcome
lmdb_mark(struct aw_table *table, const struct aw_checkpoint_mark *mark)
{
    struct aw_lmdb       *store = aw_lmdb_of_table(table);
    struct aw_lmdb_table *generations = &store->generations;
    uint8_t               bytes[MARK_BYTES];
    MDB_val               key = {sizeof(AW_MARK_TEXT) - 1, (void *)(uintptr_t)AW_MARK_TEXT};
    MDB_val               value = {sizeof(bytes), bytes};

    if (!aw_lmdb_write(store))
        return AW_OUTCOME_BROKEN;
    AW_ASSERT(!generations->marked);
    if (generations->growing == AW_GENERATION_NONE)
        begin_generation(store); /* an empty state has no chunk */
    AW_ASSERT(mark->chunks == generations->chunks);
    mark_write(mark, generations->growing, bytes);
    if (mdb_put(store->txn, store->tree[AW_TREE_META], &key, &value, 0) != MDB_SUCCESS) {
        aw_lmdb_break(store);
        return AW_OUTCOME_BROKEN;
    }
    generations->next_mark = *mark;
    generations->marked = true;
    return AW_OUTCOME_OK;
}

static enum aw_outcome
lmdb_abandon(struct aw_table *table)
{
    struct aw_lmdb *store = aw_lmdb_of_table(table);

    if (aw_lmdb_is_broken(store))
        return AW_OUTCOME_BROKEN;
    AW_ASSERT(!store->generations.marked);
    store->generations.growing = AW_GENERATION_NONE;
    return AW_OUTCOME_OK;
}

/* Deletes from one tree of waste. *chunks_left goes down. MDB_NOTFOUND: it is empty. */
static int
drop_from(struct aw_lmdb *store, enum aw_tree tree, uint32_t *chunks_left)
{
    MDB_cursor *cursor;
    int         rc = mdb_cursor_open(store->txn, store->tree[tree], &cursor);

    if (rc != MDB_SUCCESS)
        return rc;
    while (rc == MDB_SUCCESS && *chunks_left != 0 && store->room.freed + CHUNK_PAGES_MAX <= AW_PAGES_FREED_MAX) {
        uint64_t before = aw_lmdb_tree_pages(store, tree);

        rc = aw_value_delete_first(cursor, UINT64_MAX);
        aw_lmdb_room_note(store, tree, before);
        (*chunks_left)--;
    }
    mdb_cursor_close(cursor);
    return rc;
}

static enum aw_outcome
lmdb_drop_step(struct aw_table *table, uint32_t chunks_max, bool *ret_done)
{
    struct aw_lmdb *store = aw_lmdb_of_table(table);
    uint32_t        generation;

    *ret_done = false;
    if (!aw_lmdb_write(store))
        return AW_OUTCOME_BROKEN;
    for (generation = 0; generation < 2; generation++) {
        int rc;

        if (generation == store->generations.current || generation == store->generations.growing)
            continue;
        if (aw_lmdb_tree_pages(store, tree_of(generation)) == 0)
            continue;
        rc = drop_from(store, tree_of(generation), &chunks_max);
        if (rc == MDB_SUCCESS)
            return AW_OUTCOME_OK; /* the step is spent */
        if (rc != MDB_NOTFOUND) {
            aw_lmdb_break(store);
            return AW_OUTCOME_BROKEN;
        }
    }
    *ret_done = true;
    return AW_OUTCOME_OK;
}

static enum aw_err
lmdb_read_mark(struct aw_table *table, struct aw_checkpoint_mark *ret_mark)
{
    struct aw_lmdb *store = aw_lmdb_of_table(table);
    enum aw_err     err;

    if (aw_lmdb_is_broken(store))
        return AW_E_IO;
    if (store->read_only) { /* a server beside us may have written another since we looked */
        err = aw_lmdb_table_open(store, NULL);
        if (err != AW_OK)
            return err;
    }
    if (store->generations.current == AW_GENERATION_NONE)
        return AW_E_NOT_FOUND;
    *ret_mark = store->generations.mark;
    return AW_OK;
}

static enum aw_err
read_each(struct aw_lmdb *store, MDB_cursor *cursor, enum aw_err (*each)(void *, const struct aw_chunk *), void *user,
          struct aw_why *why)
{
    struct aw_value_buffer buffer = {NULL, 0};
    struct aw_value_buffer opened = {NULL, 0};
    enum aw_err            err = AW_OK;
    uint64_t               id = 0;
    uint32_t               chunks = 0;
    int                    rc;

    while (err == AW_OK) {
        struct aw_chunk chunk;
        struct aw_slice stored = {NULL, 0};
        uint32_t        count;

        rc = aw_value_find_next(cursor, id, &id);
        if (rc == MDB_NOTFOUND)
            break;
        if (rc == MDB_SUCCESS)
            rc = aw_value_get(cursor, id, &buffer, &count, &stored);
        if (rc == MDB_SUCCESS)
            rc = aw_lmdb_unseal(store, tree_of(store->generations.current), id, stored, &opened, &chunk.bytes);
        if (rc != MDB_SUCCESS) {
            err = rc == MDB_NOTFOUND ? AW_E_CORRUPT : aw_lmdb_err(rc, why, "reading the checkpoint");
            break;
        }
        chunk.table = (uint32_t)(id >> 32);
        chunk.chunk = (uint32_t)id;
        err = each(user, &chunk);
        chunks++;
        id++;
    }
    aw_value_buffer_fini(&buffer);
    aw_value_buffer_fini(&opened);
    if (err == AW_OK && chunks != store->generations.mark.chunks)
        err = aw_why(why, AW_E_CORRUPT, "the checkpoint has %u chunks, its mark says %u", chunks, store->generations.mark.chunks);
    return err;
}

/* The chunks are read under the snapshot of `txn`, so its mark must be the one that the caller was told. */
static enum aw_err
check_same_mark(struct aw_lmdb *store, MDB_txn *txn, struct aw_why *why)
{
    const struct aw_checkpoint_mark *told = &store->generations.mark;
    struct aw_checkpoint_mark        mark = {.index = 0};
    uint32_t                         generation = AW_GENERATION_NONE;
    enum aw_err                      err = find_mark(store, txn, &mark, &generation, why);

    if (err != AW_OK)
        return err;
    if (generation != store->generations.current || mark.index != told->index || mark.seq != told->seq)
        return aw_why(why, AW_E_AGAIN, "the checkpoint was replaced meanwhile");
    return AW_OK;
}

static enum aw_err
lmdb_read_chunks(struct aw_table *table, enum aw_err (*each)(void *, const struct aw_chunk *), void *user, struct aw_why *why)
{
    struct aw_lmdb *store = aw_lmdb_of_table(table);
    MDB_txn        *txn;
    MDB_cursor     *cursor;
    enum aw_err     err;
    int             rc;

    if (aw_lmdb_is_broken(store))
        return aw_why(why, AW_E_IO, "the store is broken");
    if (store->generations.current == AW_GENERATION_NONE)
        return AW_E_NOT_FOUND;
    rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, "reading the checkpoint");
    err = store->read_only ? check_same_mark(store, txn, why) : AW_OK;
    if (err != AW_OK)
        goto done;
    rc = mdb_cursor_open(txn, store->tree[tree_of(store->generations.current)], &cursor);
    if (rc != MDB_SUCCESS) {
        err = aw_lmdb_err(rc, why, "reading the checkpoint");
        goto done;
    }
    err = read_each(store, cursor, each, user, why);
    mdb_cursor_close(cursor);
done:
    mdb_txn_abort(txn);
    return err;
}

const struct aw_table_ops aw_lmdb_table_ops = {
    .put = lmdb_put,
    .mark = lmdb_mark,
    .abandon = lmdb_abandon,
    .drop_step = lmdb_drop_step,
    .read_mark = lmdb_read_mark,
    .read_chunks = lmdb_read_chunks,
};
