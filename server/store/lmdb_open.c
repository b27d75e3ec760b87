/* lmdb_open.c - opening a store: its folder, its lock, its creation, and a look that touches nothing before anything is touched.
 *
 *   lock        one line, the process that serves the folder; held by flock, so that it goes with the process
 *   data.mdb    the environment; created whole under another name, then renamed: it exists complete or not at all
 *   lock.mdb    LMDB's own table of readers
 */
#include "base/hash.h"
#include "base/mem.h"
#include "store/copy.h"
#include "store/lmdb.h"
#include "store/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Address space of the map; the limit that counts is bytes_max. The thread sanitizer leaves no place for more than a part of it. */
#if defined(__SANITIZE_THREAD__)
#define MAP_BYTES_DEFAULT (UINT64_C(1) << 37)
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAP_BYTES_DEFAULT (UINT64_C(1) << 37)
#endif
#endif
#ifndef MAP_BYTES_DEFAULT
#define MAP_BYTES_DEFAULT (UINT64_C(1) << 40)
#endif

#define PATH_BYTES        4096U
#define BYTES_MAX_DEFAULT (UINT64_C(64) << 30)
#define RESERVE_DEFAULT   (UINT64_C(64) << 20)
#define READERS_DEFAULT   64U
#define READERS_OURS      8U /* the look after a commit, the start, and tools beside us */

#define SNAPSHOT_TRIES 64U

#define IDENTITY_TEXT  "identity"
#define IDENTITY_MAGIC "aswolk store\n" /* 12 letters and a line end, without its NUL */
#define IDENTITY_BYTES 80U

const struct aw_lmdb_tree aw_lmdb_trees[AW_TREE_COUNT] = {
    [AW_TREE_META] = {"meta", 0},
    [AW_TREE_JOURNAL] = {"journal", MDB_INTEGERKEY},
    [AW_TREE_BODIES] = {"bodies", MDB_INTEGERKEY},
    [AW_TREE_IDS] = {"ids", MDB_INTEGERKEY},
    [AW_TREE_TABLE0] = {"table0", MDB_INTEGERKEY},
    [AW_TREE_TABLE1] = {"table1", MDB_INTEGERKEY},
    [AW_TREE_KEPT] = {"kept", MDB_INTEGERKEY},
    [AW_TREE_KEPT_BODIES] = {"kept_bodies", MDB_INTEGERKEY},
};

/* Stored: 13 magic, 1 shard, 1 whether it is sealed, 1 zero, u32 format, 16 uuid, 16 table key, 16 token key, 8 zero, u32
 * CRC-32C. Magic and format keep their places in every later format, so that an older server can say that the store is newer. */
static void
identity_write(const struct aw_store_identity *identity, bool is_sealed, uint8_t to[IDENTITY_BYTES])
{
    uint32_t crc;

    memset(to, 0, IDENTITY_BYTES);
    memcpy(to, IDENTITY_MAGIC, sizeof(IDENTITY_MAGIC) - 1);
    to[13] = identity->shard;
    to[14] = is_sealed;
    memcpy(to + 16, &identity->format, 4);
    memcpy(to + 20, identity->uuid, 16);
    memcpy(to + 36, identity->table_key.bytes, 16);
    memcpy(to + 52, identity->token_key.bytes, 16);
    crc = aw_crc32c(0, to, IDENTITY_BYTES - 4);
    memcpy(to + IDENTITY_BYTES - 4, &crc, 4);
}

static enum aw_err
identity_read(const MDB_val *value, struct aw_store_identity *ret_identity, bool *ret_sealed, struct aw_why *why)
{
    const uint8_t *from = value->mv_data;
    uint32_t       format;
    uint32_t       crc;

    if (value->mv_size < 20 || memcmp(from, IDENTITY_MAGIC, sizeof(IDENTITY_MAGIC) - 1) != 0)
        return aw_why(why, AW_E_CORRUPT, "not a store of aswolk");
    memcpy(&format, from + 16, 4);
    if (format != AW_STORE_FORMAT)
        return aw_why(why, AW_E_VERSION, "the store has format %u, this aswolk knows %u; nothing was touched", format,
                      AW_STORE_FORMAT);
    if (value->mv_size != IDENTITY_BYTES)
        return aw_why(why, AW_E_CORRUPT, "the identity has a wrong length");
    memcpy(&crc, from + IDENTITY_BYTES - 4, 4);
    if (aw_crc32c(0, from, IDENTITY_BYTES - 4) != crc)
        return aw_why(why, AW_E_CORRUPT, "the identity fails its checksum");
    ret_identity->format = format;
    ret_identity->shard = from[13];
    *ret_sealed = from[14] != 0;
    memcpy(ret_identity->uuid, from + 20, 16);
    memcpy(ret_identity->table_key.bytes, from + 36, 16);
    memcpy(ret_identity->token_key.bytes, from + 52, 16);
    return AW_OK;
}

static enum aw_err
path_in(char path[PATH_BYTES], const char *folder, const char *name, struct aw_why *why)
{
    int len = snprintf(path, PATH_BYTES, "%s/%s", folder, name);

    if (len < 0 || (size_t)len >= PATH_BYTES)
        return aw_why(why, AW_E_IO, "%s: the path is too long", folder);
    return AW_OK;
}

/* Makes names that were created in `folder` durable. */
static enum aw_err
sync_folder(const char *folder, struct aw_why *why)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "%s", folder);
    rc = fsync(fd) == 0 ? 0 : errno;
    (void)close(fd); /* read-only: nothing to lose */
    return rc == 0 ? AW_OK : aw_why_errno(why, AW_E_IO, rc, "%s: cannot sync the folder", folder);
}

static enum aw_err
sync_parent(const char *folder, struct aw_why *why)
{
    char path[PATH_BYTES];

    if (strlen(folder) >= sizeof(path))
        return aw_why(why, AW_E_IO, "%s: the path is too long", folder);
    memcpy(path, folder, strlen(folder) + 1);
    return sync_folder(dirname(path), why);
}

static enum aw_err
make_folder(const char *folder, struct aw_why *why)
{
    struct stat status;

    if (mkdir(folder, 0700) == 0)
        return sync_parent(folder, why);
    if (errno != EEXIST)
        return aw_why_errno(why, AW_E_IO, errno, "%s: cannot create the folder", folder);
    if (stat(folder, &status) != 0)
        return aw_why_errno(why, AW_E_IO, errno, "%s", folder);
    if (!S_ISDIR(status.st_mode))
        return aw_why(why, AW_E_IO, "%s: not a folder", folder);
    return AW_OK;
}

static enum aw_err
lock_refused(int fd, const char *folder, struct aw_why *why)
{
    char    text[32];
    ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
    long    pid;

    text[len > 0 ? len : 0] = '\0';
    pid = strtol(text, NULL, 10);
    (void)close(fd);
    if (pid <= 0)
        return aw_why(why, AW_E_IN_USE, "%s: another server uses it", folder);
    return aw_why(why, AW_E_IN_USE, "%s: the server with process id %ld uses it", folder, pid);
}

static enum aw_err
lock_folder(struct aw_lmdb *store, const char *folder, struct aw_why *why)
{
    char        path[PATH_BYTES];
    char        text[32];
    enum aw_err err = path_in(path, folder, "lock", why);
    int         len;
    int         fd;

    if (err != AW_OK)
        return err;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "%s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return lock_refused(fd, folder, why);
        err = aw_why_errno(why, AW_E_IO, errno, "%s: cannot lock", path);
        (void)close(fd);
        return err;
    }
    store->lock_fd = fd;
    len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* The number only serves the message of the next one who tries. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return aw_why_errno(why, AW_E_IO, errno, "%s: cannot write", path);
    return AW_OK;
}

void
aw_lmdb_lock_close(int lock_fd)
{
    /* The file stays: removing it would let two servers lock two files of one name. */
    if (lock_fd >= 0)
        (void)close(lock_fd);
}

/* After this what we read is what the disk holds, not what a dead process left in memory and a failed flush called clean. */
static enum aw_err
drop_cache(const char *path, struct aw_why *why)
{
    enum aw_err err = AW_OK;
    int         fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return aw_why_errno(why, errno == ENOENT ? AW_E_NOT_FOUND : AW_E_IO, errno, "%s", path);
    if (fdatasync(fd) != 0)
        err = aw_why_errno(why, AW_E_IO, errno, "%s: cannot sync", path);
    else
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* a hint; nothing to do where it is not taken */
    (void)close(fd);
    return err;
}

static enum aw_err
env_new(MDB_env **ret_env, const struct aw_store_config *config, struct aw_why *why)
{
    MDB_env *env;
    int      rc = mdb_env_create(&env);

    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, config->folder);
    rc = mdb_env_set_mapsize(env, config->map_bytes);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_set_maxdbs(env, AW_TREE_COUNT);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_set_maxreaders(env, config->readers_max + READERS_OURS);
    if (rc != MDB_SUCCESS) {
        mdb_env_close(env);
        return aw_lmdb_err(rc, why, config->folder);
    }
    *ret_env = env;
    return AW_OK;
}

/* The pages as a snapshot has them, which is held meanwhile: a writer beside us then writes over none of them, but may over the
 * head that it began with. */
static enum aw_err
check_pages(MDB_env *env, enum aw_pages_depth depth, const struct aw_pages_watch *watch, struct aw_pages_sum *ret_sum,
            struct aw_why *why)
{
    MDB_txn    *txn;
    enum aw_err err = AW_E_AGAIN;
    int         fd;
    int         rc = mdb_env_get_fd(env, &fd);

    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, "looking at the data file");
    for (unsigned i = 0; i < SNAPSHOT_TRIES && err == AW_E_AGAIN; i++) {
        rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
        if (rc != MDB_SUCCESS)
            return aw_lmdb_err(rc, why, "looking at the data file");
        err = aw_pages_check(fd, mdb_txn_id(txn), depth, watch, ret_sum, why);
        mdb_txn_abort(txn);
    }
    return err;
}

enum aw_err
aw_lmdb_check(struct aw_journal *journal, struct aw_pages_sum *ret_sum, struct aw_why *why)
{
    return check_pages(aw_lmdb_of(journal)->env, AW_PAGES_ALL, NULL, ret_sum, why);
}

/* Lines of LMDB's list of readers: "pid thread txn", under a heading. */
static int
note_other(const char *line, void *user)
{
    bool *is_other = user;
    long  pid = strtol(line, NULL, 10);

    *is_other = *is_other || (pid > 0 && pid != (long)getpid());
    return 0;
}

bool
aw_lmdb_is_shared(struct aw_journal *journal)
{
    bool is_other = false;
    int  dead;

    /* Fails for a store without a table of readers, which nobody serves. */
    (void)mdb_reader_check(aw_lmdb_of(journal)->env, &dead);
    (void)mdb_reader_list(aw_lmdb_of(journal)->env, note_other, &is_other);
    return is_other;
}

/* Who the store in an open environment is. */
static enum aw_err
read_identity(MDB_env *env, bool may_be_backup, struct aw_lmdb *ret_store, struct aw_why *why)
{
    MDB_val             key = {sizeof(IDENTITY_TEXT) - 1, (void *)(uintptr_t)IDENTITY_TEXT};
    MDB_val             value;
    MDB_txn            *txn;
    MDB_dbi             meta;
    struct aw_copy_note note;
    enum aw_err         err = AW_OK;
    int                 rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);

    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, "reading the identity");
    rc = mdb_dbi_open(txn, aw_lmdb_trees[AW_TREE_META].name, aw_lmdb_trees[AW_TREE_META].flags, &meta);
    if (rc == MDB_SUCCESS)
        rc = mdb_get(txn, meta, &key, &value);
    if (rc == MDB_SUCCESS)
        err = identity_read(&value, &ret_store->identity, &ret_store->is_sealed, why);
    else if (rc == MDB_NOTFOUND)
        err = aw_why(why, AW_E_CORRUPT, "not a store of aswolk");
    else
        err = aw_lmdb_err(rc, why, "reading the identity");
    if (err == AW_OK && !may_be_backup && aw_lmdb_get_note(txn, meta, &note) == AW_OK && note.kind == AW_COPY_BACKUP)
        err = aw_why(why, AW_E_CONFIG, "a backup, which no server may change: aswolk restore makes a data folder of it");
    mdb_txn_abort(txn);
    return err;
}

/* The same before anything is opened for writing. Nobody else writes: the caller holds the folder's lock. */
static enum aw_err
look_identity(const char *path, const struct aw_store_config *config, struct aw_lmdb *store, struct aw_why *why)
{
    struct aw_pages_sum sum;
    MDB_env            *env = NULL;
    enum aw_err         err;
    int                 rc;

    err = env_new(&env, config, why);
    if (err != AW_OK)
        return err;
    AW_ASSERT(env != NULL);
    rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0600);
    err = rc == MDB_SUCCESS ? check_pages(env, AW_PAGES_START, config->watch, &sum, why)
                            : aw_lmdb_err(rc, why, "opening the data file");
    if (err == AW_OK)
        err = read_identity(env, false, store, why);
    mdb_env_close(env);
    if (err != AW_OK)
        aw_why_prefix(why, "%s", path);
    return err;
}

static int
write_trees(MDB_env *env, const struct aw_store_identity *identity, bool is_sealed)
{
    uint8_t  bytes[IDENTITY_BYTES];
    MDB_val  key = {sizeof(IDENTITY_TEXT) - 1, (void *)(uintptr_t)IDENTITY_TEXT};
    MDB_val  value = {sizeof(bytes), bytes};
    MDB_txn *txn;
    MDB_dbi  tree[AW_TREE_COUNT];
    uint32_t i;
    int      rc = mdb_txn_begin(env, NULL, 0, &txn);

    if (rc != MDB_SUCCESS)
        return rc;
    for (i = 0; rc == MDB_SUCCESS && i < AW_TREE_COUNT; i++)
        rc = mdb_dbi_open(txn, aw_lmdb_trees[i].name, aw_lmdb_trees[i].flags | MDB_CREATE, &tree[i]);
    identity_write(identity, is_sealed, bytes);
    if (rc == MDB_SUCCESS)
        rc = mdb_put(txn, tree[AW_TREE_META], &key, &value, MDB_NOOVERWRITE);
    if (rc != MDB_SUCCESS) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* Makes an empty store at `path`, durable in itself; its name is not yet. */
static enum aw_err
create_file(const char *path, const struct aw_store_config *config, struct aw_why *why)
{
    struct aw_store_identity identity = {.shard = config->shard, .format = AW_STORE_FORMAT};
    struct aw_keyring_config keys = {.path = config->keys, .secret_path = config->store_key};
    MDB_env                 *env = NULL;
    enum aw_err              err;
    int                      rc;

    if (!aw_random(identity.uuid, sizeof(identity.uuid)) || !aw_random(&identity.table_key, sizeof(identity.table_key)) ||
        !aw_random(&identity.token_key, sizeof(identity.token_key)))
        return aw_why(why, AW_E_IO, "%s: no random bytes", config->folder);
    if (unlink(path) != 0 && errno != ENOENT) /* left by a creation that did not end */
        return aw_why_errno(why, AW_E_IO, errno, "%s", path);
    err = env_new(&env, config, why);
    if (err != AW_OK)
        return err;
    AW_ASSERT(env != NULL);
    rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS, 0600);
    if (rc == MDB_SUCCESS)
        rc = write_trees(env, &identity, config->keys != NULL);
    mdb_env_close(env);
    /* The keys are there before the store is. */
    if (rc == MDB_SUCCESS && config->keys != NULL)
        return aw_keyring_create(&keys, identity.uuid, why);
    return aw_lmdb_err(rc, why, path);
}

static enum aw_err
create_store(const char *path, const struct aw_store_config *config, struct aw_why *why)
{
    char        fresh[PATH_BYTES];
    enum aw_err err = path_in(fresh, config->folder, "data.mdb.new", why);

    if (err == AW_OK)
        err = create_file(fresh, config, why);
    if (err != AW_OK)
        return err;
    if (rename(fresh, path) != 0)
        return aw_why_errno(why, AW_E_IO, errno, "%s", path);
    err = sync_folder(config->folder, why);
    return err == AW_OK ? sync_parent(config->folder, why) : err;
}

static int
open_trees(struct aw_lmdb *store)
{
    MDB_txn *txn;
    uint32_t i;
    int      rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != MDB_SUCCESS)
        return rc;
    for (i = 0; rc == MDB_SUCCESS && i < AW_TREE_COUNT; i++)
        rc = mdb_dbi_open(txn, aw_lmdb_trees[i].name, aw_lmdb_trees[i].flags, &store->tree[i]);
    if (rc != MDB_SUCCESS) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn); /* a commit keeps the handles */
}

static enum aw_err
open_env(struct aw_lmdb *store, const struct aw_store_config *config, struct aw_why *why)
{
    struct aw_pages_sum sum;
    unsigned            flags = MDB_NOTLS;
    char                path[PATH_BYTES];
    MDB_stat            stat_main;
    enum aw_err         err;
    int                 dead;
    int                 rc;

    if (store->read_only) {
        flags |= MDB_RDONLY;
        err = path_in(path, config->folder, "lock.mdb", why);
        if (err != AW_OK)
            return err;
        /* Without this file no server has run here, and a tool creates nothing. */
        if (access(path, F_OK) != 0)
            flags |= MDB_NOLOCK;
    }
    err = env_new(&store->env, config, why);
    if (err != AW_OK)
        return err;
    rc = mdb_env_open(store->env, config->folder, flags, 0600);
    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, config->folder);
    err = store->read_only ? check_pages(store->env, AW_PAGES_START, config->watch, &sum, why) : AW_OK;
    if (err == AW_OK)
        err = read_identity(store->env, true, store, why);
    if (err != AW_OK)
        return err;
    rc = mdb_reader_check(store->env, &dead);
    if (rc == MDB_SUCCESS)
        rc = open_trees(store);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_stat(store->env, &stat_main);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_get_fd(store->env, &store->data_fd);
    if (rc == MDB_NOTFOUND)
        return aw_why(why, AW_E_CORRUPT, "%s: a tree is missing", config->folder);
    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, config->folder);
    store->page_bytes = stat_main.ms_psize;
    store->pages_map = config->map_bytes / store->page_bytes - 2;
    return AW_OK;
}

/* Before LMDB sees it: it would divide by what a damaged head says. */
static enum aw_err
check_file(const char *path, struct aw_why *why)
{
    struct stat file;
    enum aw_err err;
    int         fd;

    if (stat(path, &file) != 0)
        return aw_why_errno(why, errno == ENOENT || errno == ENOTDIR ? AW_E_NOT_FOUND : AW_E_IO, errno, "%s", path);
    if (file.st_size == 0) /* LMDB would take it for one to be created */
        return aw_why(why, AW_E_CORRUPT, "%s: the data file is empty", path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "%s", path);
    err = aw_pages_check_heads(fd, why);
    (void)close(fd); /* read-only: nothing to lose */
    if (err != AW_OK)
        aw_why_prefix(why, "%s", path);
    return err;
}

static enum aw_err
open_store(struct aw_lmdb *store, const struct aw_store_config *config, struct aw_why *why)
{
    char        path[PATH_BYTES];
    bool        created = false;
    enum aw_err err = path_in(path, config->folder, "data.mdb", why);

    if (err == AW_OK && !store->read_only)
        err = make_folder(config->folder, why);
    if (err == AW_OK && !store->read_only)
        err = lock_folder(store, config->folder, why);
    if (err == AW_OK && !store->read_only)
        err = drop_cache(path, why);
    if (err == AW_E_NOT_FOUND) {
        created = true;
        err = create_store(path, config, why);
    }
    if (err == AW_OK)
        err = check_file(path, why);
    if (err == AW_OK && !store->read_only)
        err = look_identity(path, config, store, why);
    if (err == AW_OK && !store->read_only && store->identity.shard != config->shard)
        return aw_why(why, AW_E_CONFIG, "%s: the store is of shard %u, the settings say %u", config->folder,
                      store->identity.shard, config->shard);
    if (err == AW_OK)
        err = open_env(store, config, why);
    if (err == AW_OK)
        err = aw_lmdb_keys_open(store, config, why);
    if (err == AW_OK && store->read_only)
        err = aw_lmdb_keys_compare(store, why);
    if (err == AW_OK)
        err = aw_lmdb_table_open(store, why);
    if (err == AW_OK && !store->read_only) /* who looks may find that batch damaged, and all before it well */
        err = aw_lmdb_find_next_seq(store, &store->next_seq, why);
    if (err == AW_OK && !store->read_only)
        err = aw_lmdb_keys_check(store, why);
    if (err == AW_OK && !store->read_only)
        err = aw_lmdb_room_open(store, config, created, why);
    return err;
}

static struct aw_store_config
config_with_defaults(const struct aw_store_config *config)
{
    struct aw_store_config full = *config;

    if (full.bytes_max == 0)
        full.bytes_max = BYTES_MAX_DEFAULT;
    if (full.map_bytes == 0)
        full.map_bytes = MAP_BYTES_DEFAULT;
    if (full.reserve_bytes == 0)
        full.reserve_bytes = RESERVE_DEFAULT;
    if (full.readers_max == 0)
        full.readers_max = READERS_DEFAULT;
    return full;
}

enum aw_err
aw_lmdb_open(struct aw_journal **ret_journal, struct aw_table **ret_table, const struct aw_store_config *config,
             struct aw_why *why)
{
    struct aw_store_config full = config_with_defaults(config);
    struct aw_lmdb        *store;
    enum aw_err            err;

    if (full.map_bytes < full.bytes_max)
        return aw_why(why, AW_E_CONFIG, "the map of %llu bytes is smaller than the limit of %llu",
                      (unsigned long long)full.map_bytes, (unsigned long long)full.bytes_max);
    store = aw_new(struct aw_lmdb);
    if (store == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    store->journal.ops = &aw_lmdb_journal_ops;
    store->table.ops = &aw_lmdb_table_ops;
    store->read_only = config->access == AW_STORE_READ;
    store->lock_fd = -1;
    err = open_store(store, &full, why);
    if (err != AW_OK) {
        aw_lmdb_free(store);
        return err;
    }
    *ret_journal = &store->journal;
    *ret_table = &store->table;
    return AW_OK;
}
