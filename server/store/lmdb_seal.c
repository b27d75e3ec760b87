/* lmdb_seal.c - what is sealed on its way into a tree, and opened on its way out (adr/0029).
 *
 *   bodies, kept bodies               a key each, by sequence number; a kept one is the same bytes
 *   journal, kept, both generations   the key of the generation that is used, which changes between two transactions
 *   ids                               clear: keyed hashes, numbers and times
 * How long a value is, its count and its checksum are clear in any case.
 */
#include "store/lmdb.h"

#include "base/hash.h"
#include "store/copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_TEXT  "keys"
#define KEYS_BYTES 8U /* u32 generation, u32 CRC-32C of it */

AW_STATIC_ASSERT(AW_JOURNAL_VALUE_BYTES_MAX + AW_SEALED_VALUE_BYTES <= AW_VALUE_BYTES_MAX, "what is sealed is a value");
AW_STATIC_ASSERT(AW_KEPT_BYTES_MAX + AW_SEALED_VALUE_BYTES <= AW_JOURNAL_VALUE_BYTES_MAX, "so is what is kept");
AW_STATIC_ASSERT(AW_TREE_COUNT <= 1U << AW_PIECE_BITS, "a tree and an id are one number");

struct aw_keyring *
aw_lmdb_keyring(struct aw_journal *journal)
{
    return aw_lmdb_of(journal)->keyring;
}

bool
aw_store_keys_path(const char *folder, char *ret_path, size_t bytes)
{
    size_t folder_len = strlen(folder);
    int    len;

    while (folder_len > 1 && folder[folder_len - 1] == '/')
        folder_len--;
    if (folder_len == 0 || folder[folder_len - 1] == '.' || folder[folder_len - 1] == '/')
        return false;
    len = snprintf(ret_path, bytes, "%.*s.keys", (int)folder_len, folder);
    return len > 0 && (size_t)len < bytes;
}

static bool
is_body(enum aw_tree tree)
{
    return tree == AW_TREE_BODIES || tree == AW_TREE_KEPT_BODIES;
}

static bool
is_clear(const struct aw_lmdb *store, enum aw_tree tree)
{
    return !store->is_sealed || tree == AW_TREE_IDS;
}

static uint64_t
place_of(enum aw_tree tree, uint64_t id)
{
    return (uint64_t)tree << (64 - AW_PIECE_BITS) | id;
}

uint32_t
aw_lmdb_seal_bytes(const struct aw_lmdb *store, enum aw_tree tree)
{
    if (is_clear(store, tree))
        return 0;
    return is_body(tree) ? AW_SEALED_BODY_BYTES : AW_SEALED_VALUE_BYTES;
}

int
aw_lmdb_append(struct aw_lmdb *store, enum aw_tree tree, uint64_t id, uint32_t count, struct aw_slice bytes)
{
    bool ok;

    if (is_clear(store, tree))
        return aw_value_append(store->txn, store->tree[tree], id, count, bytes);
    AW_ASSERT(bytes.len <= AW_JOURNAL_VALUE_BYTES_MAX);
    ok = is_body(tree) ? aw_keyring_seal_body(store->keyring, id, bytes, store->sealed)
                       : aw_keyring_seal_value(store->keyring, place_of(tree, id), bytes, store->sealed);
    if (!ok)
        return ENOMEM;
    return aw_value_append(store->txn, store->tree[tree], id, count,
                           aw_slice_of(store->sealed, bytes.len + aw_lmdb_seal_bytes(store, tree)));
}

static enum aw_err
unseal(const struct aw_lmdb *store, enum aw_tree tree, uint64_t id, struct aw_slice stored, uint8_t *to,
       struct aw_slice *ret_bytes)
{
    return is_body(tree) ? aw_keyring_unseal_body(store->keyring, id, stored, to, ret_bytes)
                         : aw_keyring_unseal_value(store->keyring, place_of(tree, id), stored, to, ret_bytes);
}

/* A tool beside a server that was started anew meanwhile, or renewed its keys: the file has a generation more than when the tool
 * read it. */
static bool
read_keys_anew(struct aw_lmdb *store, uint32_t generation)
{
    struct aw_keyring_config keys = {.path = store->keys_path, .secret_path = store->secret_path, .read_only = true};
    struct aw_keyring       *fresh = NULL;

    if (!store->read_only || generation <= store->generation_sought)
        return false;
    if (aw_keyring_open(&fresh, &keys, store->identity.uuid, NULL) != AW_OK)
        return false;
    store->generation_sought = aw_keyring_last_generation(fresh); /* what a damaged value says is no generation */
    aw_keyring_close(&store->keyring);
    store->keyring = fresh;
    return true;
}

int
aw_lmdb_unseal(struct aw_lmdb *store, enum aw_tree tree, uint64_t id, struct aw_slice stored, struct aw_value_buffer *buffer,
               struct aw_slice *ret_bytes)
{
    uint32_t    generation = 0;
    enum aw_err err;
    int         rc;

    if (is_clear(store, tree)) {
        *ret_bytes = stored;
        return MDB_SUCCESS;
    }
    if (store->keyring == NULL)
        return AW_LMDB_SEALED;
    rc = aw_value_buffer_need(buffer, stored.len);
    if (rc != MDB_SUCCESS)
        return rc;
    err = unseal(store, tree, id, stored, (uint8_t *)buffer->ptr, ret_bytes);
    if (stored.len >= sizeof(generation))
        memcpy(&generation, stored.ptr, sizeof(generation));
    if (err == AW_E_CORRUPT && read_keys_anew(store, generation))
        err = unseal(store, tree, id, stored, (uint8_t *)buffer->ptr, ret_bytes);
    if (err == AW_E_MEMORY)
        return ENOMEM;
    if (err == AW_E_NOT_FOUND)
        return is_body(tree) ? MDB_NOTFOUND : AW_LMDB_KEYS_GONE;
    return err == AW_OK ? MDB_SUCCESS : MDB_CORRUPTED;
}

/* For read_keys_anew. */
static bool
copy_paths(struct aw_lmdb *store, const struct aw_store_config *config)
{
    store->keys_path = strdup(config->keys);
    store->secret_path = config->store_key == NULL ? NULL : strdup(config->store_key);
    return store->keys_path != NULL && (config->store_key == NULL || store->secret_path != NULL);
}

/* Whatever is wrong with the file, the store is as it was, and is as good as the file that is put in its place. */
static enum aw_err
keys_refused(enum aw_err err, const struct aw_store_config *config, struct aw_why *why)
{
    if (err == AW_E_NOT_FOUND)
        return aw_why(why, AW_E_SEALED,
                      "%s: the key file is not there, and without it nothing of %s can be read; nothing was touched: bring it "
                      "back, or name it with --keys",
                      config->keys, config->folder);
    if (err == AW_E_MEMORY || err == AW_E_IN_USE)
        return err;
    aw_why_prefix(why, "%s: its key file can't be used", config->folder);
    return AW_E_SEALED;
}

enum aw_err
aw_lmdb_keys_open(struct aw_lmdb *store, const struct aw_store_config *config, struct aw_why *why)
{
    struct aw_keyring_config  keys = {.path = config->keys, .secret_path = config->store_key, .read_only = store->read_only};
    struct aw_store_identity *identity = &store->identity;
    enum aw_err               err;

    if (!store->is_sealed && config->keys != NULL && !store->read_only)
        return aw_why(why, AW_E_CONFIG, "%s: was made without keys", config->folder);
    if (!store->is_sealed || (config->keys == NULL && store->read_only))
        return AW_OK;
    if (config->keys == NULL)
        return aw_why(why, AW_E_SEALED, "%s: is sealed, and no key file is named", config->folder);
    if (!copy_paths(store, config))
        return aw_why(why, AW_E_MEMORY, "out of memory");
    err = aw_keyring_open(&store->keyring, &keys, identity->uuid, why);
    if (err != AW_OK)
        return keys_refused(err, config, why);
    identity->table_key = aw_keyring_hash_key(store->keyring, AW_SLICE("table"), &identity->table_key);
    identity->token_key = aw_keyring_hash_key(store->keyring, AW_SLICE("token"), &identity->token_key);
    return AW_OK;
}

/* The generation that the store saw last, 0: none; and whether it is a copy in which nothing was written yet. */
static int
read_generation(const struct aw_lmdb *store, uint32_t *ret_generation, bool *ret_is_copy)
{
    struct aw_copy_note note;
    enum aw_err         err;
    MDB_val             key = {sizeof(KEYS_TEXT) - 1, (void *)(uintptr_t)KEYS_TEXT};
    MDB_val             value;
    MDB_txn            *txn;
    uint32_t            words[2];
    int                 rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != MDB_SUCCESS)
        return rc;
    rc = mdb_get(txn, store->tree[AW_TREE_META], &key, &value);
    if (rc == MDB_SUCCESS && value.mv_size != KEYS_BYTES)
        rc = MDB_CORRUPTED;
    if (rc == MDB_SUCCESS) {
        memcpy(words, value.mv_data, sizeof(words));
        if (aw_crc32c(0, &words[0], sizeof(words[0])) != words[1])
            rc = MDB_CORRUPTED;
        *ret_generation = words[0];
    }
    err = aw_lmdb_get_note(txn, store->tree[AW_TREE_META], &note);
    *ret_is_copy = err == AW_OK ? note.next_seq == store->next_seq : err != AW_E_NOT_FOUND;
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

enum aw_err
aw_lmdb_keys_compare(struct aw_lmdb *store, struct aw_why *why)
{
    uint32_t generation = 0;
    bool     is_copy;

    if (store->keyring == NULL || read_generation(store, &generation, &is_copy) != MDB_SUCCESS)
        return AW_OK; /* what is damaged there does not keep a tool from looking at the rest */
    if (generation <= aw_keyring_last_generation(store->keyring))
        return AW_OK;
    if (read_keys_anew(store, generation) && generation <= aw_keyring_last_generation(store->keyring))
        return AW_OK;
    return aw_why(why, AW_E_SEALED, "%s: the key file is older: it has generation %u, and what is to be read needs generation %u",
                  store->keys_path, aw_keyring_last_generation(store->keyring), generation);
}

enum aw_err
aw_lmdb_keys_check(struct aw_lmdb *store, struct aw_why *why)
{
    uint32_t generation = 0;
    bool     is_copy;
    int      rc;

    store->is_generation_noted = !store->is_sealed;
    if (!store->is_sealed)
        return AW_OK;
    store->sealed = malloc(AW_JOURNAL_VALUE_BYTES_MAX + AW_SEALED_VALUE_BYTES);
    if (store->sealed == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    rc = read_generation(store, &generation, &is_copy);
    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, "reading the generation of the keys");
    return aw_keyring_check(store->keyring, store->next_seq, generation, why) == AW_OK ? AW_OK : AW_E_SEALED;
}

enum aw_err
aw_store_floor(struct aw_journal_reader *reader, uint64_t *ret_floor)
{
    struct aw_journal_anchor anchor;
    enum aw_err              err = aw_journal_read_anchor(reader, &anchor);
    uint64_t                 floor_seq = err == AW_OK ? anchor.next_seq - 1 : 0;

    for (unsigned kind = 0; err == AW_OK && kind < AW_KEPT_KINDS; kind++) {
        struct aw_kept kept;

        err = aw_journal_find_kept(reader, (enum aw_kept_kind)kind, 0, &kept);
        if (err == AW_OK && kept.seq < floor_seq)
            floor_seq = kept.seq;
        err = err == AW_E_NOT_FOUND ? AW_OK : err;
    }
    if (err == AW_OK)
        *ret_floor = floor_seq;
    return err;
}

/* Asked for only when the key file is full: where it can't be told, nothing goes. */
static uint64_t
floor_of(struct aw_lmdb *store)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(&store->journal);
    uint64_t                  floor_seq = 0;

    if (reader != NULL && aw_journal_read_begin(reader) == AW_OK) {
        if (aw_store_floor(reader, &floor_seq) != AW_OK)
            floor_seq = 0;
        aw_journal_read_end(reader);
    }
    aw_journal_reader_free(&reader);
    return floor_seq;
}

/* Not before something is written: a start that is killed on its way there, again and again, leaves nothing. */
static enum aw_err
begin_generation(struct aw_lmdb *store, struct aw_why *why)
{
    uint32_t    generation = 0;
    bool        is_copy;
    enum aw_err err;
    int         rc;

    if (!store->is_sealed || aw_keyring_generation(store->keyring) != 0)
        return AW_OK;
    rc = read_generation(store, &generation, &is_copy);
    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, "reading the generation of the keys");
    err = aw_keyring_begin(store->keyring, store->next_seq, generation, is_copy,
                           aw_keyring_is_full(store->keyring) ? floor_of(store) : 0, why);
    return err == AW_E_CONFIG ? AW_E_SEALED : err;
}

enum aw_err
aw_lmdb_begin(struct aw_journal *journal, struct aw_why *why)
{
    return begin_generation(aw_lmdb_of(journal), why);
}

bool
aw_lmdb_keys_take(struct aw_lmdb *store)
{
    if (!store->is_sealed)
        return true;
    if (begin_generation(store, NULL) != AW_OK)
        return false;
    if (aw_keyring_use_next(store->keyring, store->next_seq))
        store->is_generation_noted = false;
    return true;
}

uint32_t
aw_lmdb_key_generation(struct aw_journal *journal)
{
    uint32_t generation = 0;
    bool     is_copy;

    if (read_generation(aw_lmdb_of(journal), &generation, &is_copy) != MDB_SUCCESS)
        return 0; /* it was checked at the opening: the disk fails */
    return generation;
}

int
aw_lmdb_note_generation(struct aw_lmdb *store)
{
    uint32_t words[2] = {aw_keyring_generation(store->keyring), 0};
    MDB_val  key = {sizeof(KEYS_TEXT) - 1, (void *)(uintptr_t)KEYS_TEXT};
    MDB_val  value = {sizeof(words), words};

    words[1] = aw_crc32c(0, &words[0], sizeof(words[0]));
    return mdb_put(store->txn, store->tree[AW_TREE_META], &key, &value, 0);
}
