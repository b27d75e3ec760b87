/* lmdb_read.c - readers: one renewed read-only transaction and one cursor a tree for each. */
#include "base/mem.h"
#include "store/lmdb.h"

#include <errno.h>
#include <stdlib.h>

/* The trees that readers read, and where the pieces of a value from each are put together. */
enum reader_tree { READ_JOURNAL, READ_BODIES, READ_IDS, READ_KEPT, READ_KEPT_BODIES, READ_TREES };

static const enum aw_tree reader_trees[READ_TREES] = {
    [READ_JOURNAL] = AW_TREE_JOURNAL, [READ_BODIES] = AW_TREE_BODIES,           [READ_IDS] = AW_TREE_IDS,
    [READ_KEPT] = AW_TREE_KEPT,       [READ_KEPT_BODIES] = AW_TREE_KEPT_BODIES,
};

struct lmdb_reader {
    struct aw_journal_reader_head head; /* first: the port's handle is this struct */
    MDB_txn                      *txn;  /* reset while no snapshot is held */
    bool                          open; /* between read_begin and read_end */
    MDB_cursor                   *cursors[READ_TREES];
    struct aw_value_buffer        buffers[READ_TREES];
    struct aw_value_buffer        opened[READ_TREES]; /* what was sealed */
};

static struct lmdb_reader *
reader_of(struct aw_journal_reader *reader)
{
    return (struct lmdb_reader *)(void *)reader;
}

static int
open_cursors(struct lmdb_reader *reader, const struct aw_lmdb *store)
{
    uint32_t i;
    int      rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &reader->txn);

    for (i = 0; rc == MDB_SUCCESS && i < READ_TREES; i++)
        rc = mdb_cursor_open(reader->txn, store->tree[reader_trees[i]], &reader->cursors[i]);
    if (rc == MDB_SUCCESS)
        mdb_txn_reset(reader->txn);
    return rc;
}

struct aw_journal_reader *
aw_lmdb_reader_new(struct aw_journal *journal)
{
    struct lmdb_reader *reader = aw_new(struct lmdb_reader);

    if (reader == NULL)
        return NULL;
    reader->head.journal = journal;
    if (open_cursors(reader, aw_lmdb_of(journal)) != MDB_SUCCESS) {
        aw_lmdb_reader_free((struct aw_journal_reader *)(void *)reader);
        return NULL;
    }
    return (struct aw_journal_reader *)(void *)reader;
}

void
aw_lmdb_reader_free(struct aw_journal_reader *handle)
{
    struct lmdb_reader *reader = reader_of(handle);
    uint32_t            i;

    for (i = 0; i < READ_TREES; i++) {
        if (reader->cursors[i] != NULL)
            mdb_cursor_close(reader->cursors[i]);
        aw_value_buffer_fini(&reader->buffers[i]);
        aw_value_buffer_fini(&reader->opened[i]);
    }
    if (reader->txn != NULL)
        mdb_txn_abort(reader->txn);
    free(reader);
}

enum aw_err
aw_lmdb_read_begin(struct aw_journal_reader *handle)
{
    struct lmdb_reader *reader = reader_of(handle);
    uint32_t            i;
    int                 rc;

    AW_ASSERT(!reader->open);
    if (aw_lmdb_is_broken(aw_lmdb_of(reader->head.journal)))
        return AW_E_IO;
    rc = mdb_txn_renew(reader->txn);
    if (rc != MDB_SUCCESS)
        return AW_E_IO;
    for (i = 0; rc == MDB_SUCCESS && i < READ_TREES; i++)
        rc = mdb_cursor_renew(reader->txn, reader->cursors[i]);
    if (rc != MDB_SUCCESS) {
        mdb_txn_reset(reader->txn);
        return AW_E_IO;
    }
    reader->open = true;
    return AW_OK;
}

void
aw_lmdb_read_end(struct aw_journal_reader *handle)
{
    struct lmdb_reader *reader = reader_of(handle);

    AW_ASSERT(reader->open);
    reader->open = false;
    mdb_txn_reset(reader->txn);
}

/* The value at exactly `id`. */
static int
read_at(struct lmdb_reader *reader, enum reader_tree tree, uint64_t id, uint32_t *ret_count, struct aw_slice *ret_bytes)
{
    struct aw_slice stored;
    int             rc;

    AW_ASSERT(reader->open);
    rc = aw_value_get(reader->cursors[tree], id, &reader->buffers[tree], ret_count, &stored);
    if (rc != MDB_SUCCESS)
        return rc;
    return aw_lmdb_unseal(aw_lmdb_of(reader->head.journal), reader_trees[tree], id, stored, &reader->opened[tree], ret_bytes);
}

enum aw_err
aw_lmdb_read_batch(struct aw_journal_reader *handle, uint64_t seq, struct aw_slice *ret_bytes)
{
    struct lmdb_reader *reader = reader_of(handle);
    struct aw_slice     bytes;
    uint64_t            first;
    uint32_t            count;
    int                 rc;

    AW_ASSERT(reader->open);
    rc = aw_value_find_prev(reader->cursors[READ_JOURNAL], seq, &first);
    if (rc == MDB_SUCCESS)
        rc = read_at(reader, READ_JOURNAL, first, &count, &bytes);
    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, NULL, "");
    if (seq - first >= count)
        return AW_E_NOT_FOUND;
    *ret_bytes = bytes;
    return AW_OK;
}

enum aw_err
aw_lmdb_read_body(struct aw_journal_reader *handle, uint64_t seq, struct aw_slice *ret_bytes)
{
    uint32_t count;

    return aw_lmdb_err(read_at(reader_of(handle), READ_BODIES, seq, &count, ret_bytes), NULL, "");
}

enum aw_err
aw_lmdb_find_body(struct aw_journal_reader *handle, uint64_t seq, uint64_t *ret_seq)
{
    struct lmdb_reader *reader = reader_of(handle);
    MDB_cursor         *cursor = reader->cursors[READ_BODIES];
    uint32_t            count;
    int                 rc;

    AW_ASSERT(reader->open);
    rc = aw_value_find_next(cursor, seq, ret_seq);
    if (rc == MDB_SUCCESS && aw_value_count(cursor, *ret_seq, &count) != MDB_SUCCESS)
        rc = MDB_CORRUPTED; /* pieces without their first */
    return aw_lmdb_err(rc, NULL, "");
}

enum aw_err
aw_lmdb_find_batch(struct aw_journal_reader *handle, uint64_t first_seq, uint64_t *ret_first_seq)
{
    struct lmdb_reader *reader = reader_of(handle);

    AW_ASSERT(reader->open);
    return aw_lmdb_err(aw_value_find_next(reader->cursors[READ_JOURNAL], first_seq, ret_first_seq), NULL, "");
}

static enum aw_err
read_from(struct lmdb_reader *reader, enum reader_tree tree, uint64_t from, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    uint64_t first;
    uint32_t count;
    int      rc;

    AW_ASSERT(reader->open);
    rc = aw_value_find_next(reader->cursors[tree], from, &first);
    if (rc == MDB_SUCCESS) {
        rc = read_at(reader, tree, first, &count, ret_bytes);
        if (rc == MDB_NOTFOUND)
            rc = MDB_CORRUPTED; /* pieces without their first */
    }
    if (rc == MDB_SUCCESS)
        *ret_first_seq = first;
    return aw_lmdb_err(rc, NULL, "");
}

enum aw_err
aw_lmdb_read_next(struct aw_journal_reader *reader, uint64_t first_seq, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    return read_from(reader_of(reader), READ_JOURNAL, first_seq, ret_first_seq, ret_bytes);
}

enum aw_err
aw_lmdb_read_ids(struct aw_journal_reader *reader, uint64_t first_seq, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    return read_from(reader_of(reader), READ_IDS, first_seq, ret_first_seq, ret_bytes);
}

enum aw_err
aw_lmdb_read_last(struct aw_journal_reader *handle, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    struct lmdb_reader *reader = reader_of(handle);
    uint64_t            first;
    uint32_t            count;
    int                 rc;

    AW_ASSERT(reader->open);
    rc = aw_value_find_prev(reader->cursors[READ_JOURNAL], AW_VALUE_ID_MAX, &first);
    if (rc == MDB_SUCCESS)
        rc = read_at(reader, READ_JOURNAL, first, &count, ret_bytes);
    if (rc == MDB_SUCCESS)
        *ret_first_seq = first;
    return aw_lmdb_err(rc, NULL, "");
}

enum aw_err
aw_lmdb_read_anchor(struct aw_journal_reader *handle, struct aw_journal_anchor *ret_anchor)
{
    struct lmdb_reader *reader = reader_of(handle);

    AW_ASSERT(reader->open);
    return aw_lmdb_err(aw_lmdb_get_anchor(aw_lmdb_of(reader->head.journal), reader->txn, ret_anchor), NULL, "");
}

static enum reader_tree
kept_tree(enum aw_kept_kind kind)
{
    return kind == AW_KEPT_RECORD ? READ_KEPT : READ_KEPT_BODIES;
}

enum aw_err
aw_lmdb_read_kept(struct aw_journal_reader *handle, enum aw_kept_kind kind, uint64_t seq, struct aw_kept *ret_kept)
{
    ret_kept->seq = seq;
    return aw_lmdb_err(read_at(reader_of(handle), kept_tree(kind), seq, &ret_kept->owner, &ret_kept->bytes), NULL, "");
}

enum aw_err
aw_lmdb_find_kept(struct aw_journal_reader *handle, enum aw_kept_kind kind, uint64_t seq, struct aw_kept *ret_kept)
{
    struct lmdb_reader *reader = reader_of(handle);
    MDB_cursor         *cursor = reader->cursors[kept_tree(kind)];
    int                 rc;

    AW_ASSERT(reader->open);
    *ret_kept = (struct aw_kept){.seq = 0};
    rc = aw_value_find_next(cursor, seq, &ret_kept->seq);
    if (rc == MDB_SUCCESS) {
        rc = aw_value_count(cursor, ret_kept->seq, &ret_kept->owner);
        if (rc == MDB_NOTFOUND)
            rc = MDB_CORRUPTED; /* pieces without their first */
    }
    return aw_lmdb_err(rc, NULL, "");
}

/* The newest batch as it is stored: where it ends is told without keys. */
static int
find_end(struct lmdb_reader *reader, uint64_t *ret_end)
{
    struct aw_slice stored;
    uint64_t        first;
    uint32_t        count;
    int             rc = aw_value_find_prev(reader->cursors[READ_JOURNAL], AW_VALUE_ID_MAX, &first);

    if (rc == MDB_SUCCESS)
        rc = aw_value_get(reader->cursors[READ_JOURNAL], first, &reader->buffers[READ_JOURNAL], &count, &stored);
    if (rc == MDB_SUCCESS)
        *ret_end = first + count;
    return rc;
}

enum aw_err
aw_lmdb_find_next_seq(struct aw_lmdb *store, uint64_t *ret_seq, struct aw_why *why)
{
    struct aw_journal_reader *handle = aw_lmdb_reader_new(&store->journal);
    enum aw_err               err;
    int                       rc;

    if (handle == NULL)
        return aw_why(why, AW_E_MEMORY, "no reader for the store");
    err = aw_lmdb_read_begin(handle);
    if (err == AW_OK) {
        rc = find_end(reader_of(handle), ret_seq);
        aw_lmdb_read_end(handle);
        if (rc == MDB_NOTFOUND)
            *ret_seq = 1;
        else if (rc != MDB_SUCCESS)
            err = aw_lmdb_err(rc, why, "reading the newest batch");
    }
    aw_lmdb_reader_free(handle);
    return err;
}
