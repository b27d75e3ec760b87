/* lmdb.c - the writer's side: submits, table rows and trims collect in one write transaction, a flush commits it. */
#include "store/lmdb.h"

#include <errno.h>
#include <stdlib.h>

struct aw_lmdb *
aw_lmdb_of(struct aw_journal *journal)
{
    AW_ASSERT(journal->ops == &aw_lmdb_journal_ops);
    return AW_CONTAINER(journal, struct aw_lmdb, journal);
}

struct aw_lmdb *
aw_lmdb_of_table(struct aw_table *table)
{
    AW_ASSERT(table->ops == &aw_lmdb_table_ops);
    return AW_CONTAINER(table, struct aw_lmdb, table);
}

bool
aw_lmdb_is_broken(const struct aw_lmdb *store)
{
    return aw_latch_is_set(&store->broken); /* a reader that sees it set reads nothing more */
}

static void
report(struct aw_lmdb *store, uint64_t index, enum aw_outcome outcome)
{
    uint32_t at = (store->done_at + store->done_count) % AW_SUBMITS_MAX;

    AW_ASSERT(store->done_count < AW_SUBMITS_MAX);
    store->done[at] = (struct aw_journal_done){.index = index, .outcome = outcome};
    store->done_count++;
}

static void
report_pending(struct aw_lmdb *store, enum aw_outcome outcome)
{
    uint32_t i;

    for (i = 0; i < store->pending_count; i++)
        report(store, store->pending[i], outcome);
    store->pending_count = 0;
}

void
aw_lmdb_break(struct aw_lmdb *store)
{
    if (aw_lmdb_is_broken(store))
        return;
    if (store->txn != NULL)
        mdb_txn_abort(store->txn);
    store->txn = NULL;
    report_pending(store, AW_OUTCOME_BROKEN);
    aw_latch_set(&store->broken);
}

bool
aw_lmdb_write(struct aw_lmdb *store)
{
    AW_ASSERT(!store->read_only);
    if (aw_lmdb_is_broken(store))
        return false;
    if (store->txn != NULL)
        return true;
    if (!aw_lmdb_keys_take(store) || mdb_txn_begin(store->env, NULL, 0, &store->txn) != MDB_SUCCESS) {
        store->txn = NULL;
        aw_lmdb_break(store);
        return false;
    }
    if (store->is_generation_noted || aw_lmdb_note_generation(store) == MDB_SUCCESS)
        return true;
    aw_lmdb_break(store);
    return false;
}

enum aw_err
aw_lmdb_err(int rc, struct aw_why *why, const char *doing)
{
    if (rc == MDB_SUCCESS)
        return AW_OK;
    if (rc == MDB_NOTFOUND)
        return aw_why(why, AW_E_NOT_FOUND, "%s: not there", doing);
    if (rc == AW_LMDB_SEALED)
        return aw_why(why, AW_E_SEALED, "%s: it is sealed, and the keys are not here", doing);
    if (rc == AW_LMDB_KEYS_GONE)
        return aw_why(why, AW_E_SEALED, "%s: the key file let its keys go, as the store itself had trimmed it", doing);
    if (rc == ENOMEM || rc == MDB_READERS_FULL)
        return aw_why(why, AW_E_MEMORY, "%s: %s", doing, mdb_strerror(rc));
    if (rc == MDB_VERSION_MISMATCH)
        return aw_why(why, AW_E_VERSION, "%s: written by another version of LMDB", doing);
    if (rc == MDB_CORRUPTED || rc == MDB_INVALID || rc == MDB_PAGE_NOTFOUND || rc == MDB_INCOMPATIBLE)
        return aw_why(why, AW_E_CORRUPT, "%s: %s", doing, mdb_strerror(rc));
    return aw_why(why, AW_E_IO, "%s: %s", doing, mdb_strerror(rc));
}

static const struct aw_store_identity *
lmdb_identity(struct aw_journal *journal)
{
    return &aw_lmdb_of(journal)->identity;
}

static uint64_t
batch_node_bytes(const struct aw_lmdb *store, const struct aw_journal_batch *batch)
{
    uint64_t bytes = aw_value_node_bytes(batch->bytes.len + aw_lmdb_seal_bytes(store, AW_TREE_JOURNAL));
    uint32_t body_seal = aw_lmdb_seal_bytes(store, AW_TREE_BODIES);
    uint32_t i;

    if (batch->ids.len != 0)
        bytes += aw_value_node_bytes(batch->ids.len);
    for (i = 0; i < batch->body_count; i++)
        bytes += aw_value_node_bytes(batch->bodies[i].bytes.len + body_seal);
    return bytes;
}

static int
append_bodies(struct aw_lmdb *store, const struct aw_journal_batch *batch)
{
    uint32_t i;

    for (i = 0; i < batch->body_count; i++) {
        const struct aw_journal_body *body = &batch->bodies[i];
        int                           rc = aw_lmdb_append(store, AW_TREE_BODIES, body->seq, 1, body->bytes);

        if (rc != MDB_SUCCESS)
            return rc;
    }
    return MDB_SUCCESS;
}

static int
append_batch(struct aw_lmdb *store, const struct aw_journal_batch *batch)
{
    uint64_t journal_pages = aw_lmdb_tree_pages(store, AW_TREE_JOURNAL);
    uint64_t bodies_pages = aw_lmdb_tree_pages(store, AW_TREE_BODIES);
    uint64_t ids_pages = aw_lmdb_tree_pages(store, AW_TREE_IDS);
    int      rc = aw_lmdb_append(store, AW_TREE_JOURNAL, batch->first_seq, batch->count, batch->bytes);

    if (rc == MDB_SUCCESS && batch->ids.len != 0)
        rc = aw_lmdb_append(store, AW_TREE_IDS, batch->first_seq, batch->count, batch->ids);
    if (rc == MDB_SUCCESS)
        rc = append_bodies(store, batch);
    if (rc != MDB_SUCCESS)
        return rc;
    aw_lmdb_room_note(store, AW_TREE_JOURNAL, journal_pages);
    aw_lmdb_room_note(store, AW_TREE_BODIES, bodies_pages);
    aw_lmdb_room_note(store, AW_TREE_IDS, ids_pages);
    return MDB_SUCCESS;
}

static enum aw_outcome
lmdb_submit(struct aw_journal *journal, const struct aw_journal_batch *batch)
{
    struct aw_lmdb *store = aw_lmdb_of(journal);

    if (!aw_lmdb_write(store))
        return AW_OUTCOME_BROKEN;
    if (!aw_lmdb_room_retry(store)) { /* who asked for no room before finds what an opened store has */
        aw_lmdb_break(store);
        return AW_OUTCOME_BROKEN;
    }
    AW_ASSERT(batch->first_seq == store->next_seq);
    AW_IMPLIES(store->last_index != 0, batch->index == store->last_index + 1);
    AW_ASSERT(store->pending_count + store->done_count < AW_SUBMITS_MAX);
    if (aw_lmdb_room_need(store, batch_node_bytes(store, batch)) > aw_lmdb_room_pages(store))
        return AW_OUTCOME_FULL;
    if (append_batch(store, batch) != MDB_SUCCESS) {
        aw_lmdb_break(store);
        return AW_OUTCOME_BROKEN;
    }
    store->next_seq = batch->first_seq + batch->count;
    store->last_index = batch->index;
    store->pending[store->pending_count++] = batch->index;
    return AW_OUTCOME_OK;
}

static enum aw_outcome
lmdb_flush(struct aw_journal *journal)
{
    struct aw_lmdb *store = aw_lmdb_of(journal);
    int             rc;

    if (aw_lmdb_is_broken(store))
        return AW_OUTCOME_BROKEN;
    if (store->txn == NULL)
        return AW_OUTCOME_OK;
    store->is_generation_noted = true; /* also where the commit fails: what the disk has of it only the next start knows */
    rc = mdb_txn_commit(store->txn);
    store->txn = NULL; /* also after a failure, LMDB has freed it */
    if (rc != MDB_SUCCESS) {
        aw_lmdb_break(store);
        return AW_OUTCOME_BROKEN;
    }
    /* From here on it is durable, whatever happens to our own book-keeping. */
    report_pending(store, AW_OUTCOME_OK);
    aw_lmdb_table_flushed(store);
    if (!aw_lmdb_room_look(store))
        aw_lmdb_break(store);
    return AW_OUTCOME_OK;
}

static bool
lmdb_poll(struct aw_journal *journal, struct aw_journal_done *ret_done)
{
    struct aw_lmdb *store = aw_lmdb_of(journal);

    if (store->done_count == 0)
        return false;
    *ret_done = store->done[store->done_at];
    store->done_at = (store->done_at + 1) % AW_SUBMITS_MAX;
    store->done_count--;
    return true;
}

/* Deletes values below `below` until `pages_max` pages of the transaction are spent. MDB_NOTFOUND: none is left. */
static int
trim_tree(struct aw_lmdb *store, enum aw_tree tree, uint64_t below, uint64_t pages_max)
{
    MDB_cursor *cursor;
    int         rc = mdb_cursor_open(store->txn, store->tree[tree], &cursor);

    if (rc != MDB_SUCCESS)
        return rc;
    while (rc == MDB_SUCCESS && store->room.freed < pages_max) {
        uint64_t before = aw_lmdb_tree_pages(store, tree);

        rc = aw_value_delete_first(cursor, below);
        aw_lmdb_room_note(store, tree, before);
    }
    mdb_cursor_close(cursor);
    return rc;
}

/* The first record of the batch that holds `seq`, or of the newest one: what is before it are whole batches. */
static int
find_cut(struct aw_lmdb *store, uint64_t seq, uint64_t *ret_cut)
{
    MDB_cursor *cursor;
    int         rc = mdb_cursor_open(store->txn, store->tree[AW_TREE_JOURNAL], &cursor);

    if (rc != MDB_SUCCESS)
        return rc;
    rc = aw_value_find_prev(cursor, seq < AW_VALUE_ID_MAX ? seq : AW_VALUE_ID_MAX, ret_cut);
    mdb_cursor_close(cursor);
    if (rc != MDB_NOTFOUND)
        return rc;
    *ret_cut = 0; /* no batch begins before it */
    return MDB_SUCCESS;
}

static enum aw_err
lmdb_trim_step(struct aw_journal *journal, uint64_t below_seq, uint64_t bodies_below_seq, uint32_t pages_max, bool *ret_done)
{
    /* Bodies first, the journal last: a batch goes only when all that hangs on it is gone. */
    static const enum aw_tree order[] = {AW_TREE_BODIES, AW_TREE_IDS, AW_TREE_JOURNAL};
    struct aw_lmdb           *store = aw_lmdb_of(journal);
    uint64_t                  cut;
    uint64_t                  budget;
    size_t                    i;
    int                       rc;

    *ret_done = false;
    if (!aw_lmdb_write(store))
        return AW_E_IO;
    rc = find_cut(store, below_seq, &cut);
    budget = store->room.freed + pages_max;
    if (budget > AW_PAGES_FREED_MAX)
        budget = AW_PAGES_FREED_MAX;
    for (i = 0; rc == MDB_SUCCESS && i < AW_ARRAY_LEN(order); i++) {
        bool is_bodies_alone = order[i] == AW_TREE_BODIES && below_seq == 0;

        rc = trim_tree(store, order[i], is_bodies_alone ? bodies_below_seq : cut, budget);
        if (rc == MDB_SUCCESS)
            return AW_OK; /* the budget is spent */
        if (rc == MDB_NOTFOUND)
            rc = MDB_SUCCESS;
    }
    if (rc != MDB_SUCCESS) {
        aw_lmdb_break(store);
        return AW_E_IO;
    }
    *ret_done = true;
    return AW_OK;
}

void
aw_lmdb_free(struct aw_lmdb *store)
{
    if (store == NULL)
        return;
    if (store->txn != NULL)
        mdb_txn_abort(store->txn);
    aw_lmdb_room_close(store);
    if (store->env != NULL)
        mdb_env_close(store->env);
    if (store->keyring != NULL && !store->is_generation_noted)
        aw_keyring_take_back(store->keyring);
    aw_keyring_close(&store->keyring);
    free(store->keys_path);
    free(store->secret_path);
    free(store->sealed);
    aw_lmdb_lock_close(store->lock_fd);
    free(store);
}

static void
lmdb_close(struct aw_journal *journal)
{
    aw_lmdb_free(aw_lmdb_of(journal));
}

const struct aw_journal_ops aw_lmdb_journal_ops = {
    .identity = lmdb_identity,
    .submit = lmdb_submit,
    .flush = lmdb_flush,
    .poll = lmdb_poll,
    .set_owed = aw_lmdb_set_owed,
    .room = aw_lmdb_room,
    .cost = aw_lmdb_cost,
    .trim_step = lmdb_trim_step,
    .keep = aw_lmdb_keep,
    .unkeep = aw_lmdb_unkeep,
    .set_anchor = aw_lmdb_set_anchor,
    .reader_new = aw_lmdb_reader_new,
    .reader_free = aw_lmdb_reader_free,
    .read_begin = aw_lmdb_read_begin,
    .read_end = aw_lmdb_read_end,
    .read_batch = aw_lmdb_read_batch,
    .read_body = aw_lmdb_read_body,
    .find_body = aw_lmdb_find_body,
    .find_batch = aw_lmdb_find_batch,
    .read_next = aw_lmdb_read_next,
    .read_last = aw_lmdb_read_last,
    .read_ids = aw_lmdb_read_ids,
    .read_anchor = aw_lmdb_read_anchor,
    .read_kept = aw_lmdb_read_kept,
    .find_kept = aw_lmdb_find_kept,
    .close = lmdb_close,
};
