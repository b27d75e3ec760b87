/* copy.c - pieces of the journal, then all the rest under one snapshot.
 *
 *   PIECES  batches from next_seq on, with their source ids and bodies, a few MiB a snapshot and a commit of the copy
 *   REST    what came since, checkpoint, kept, notes: one snapshot of the source, one commit
 *   DONE    closed and synced; nothing is written any more
 * A trim that passes us leaves what we have below the source's anchor, where it is waste in the copy as it would be in the source.
 */
#include "store/copy.h"

#include "base/hash.h"
#include "base/mem.h"
#include "store/lmdb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES  4096U
#define PIECE_BYTES (UINT64_C(4) << 20)
#define LOOK_EVERY  (UINT64_C(4) << 20) /* bytes copied between two looks at what the last snapshot holds */
#define PART_TEXT   ".part"
#define NOTE_TEXT   "copy"
#define NOTE_BYTES  40U

enum phase { PHASE_PIECES, PHASE_REST, PHASE_DONE };

struct aw_copy {
    struct aw_lmdb        *from; /* borrows */
    enum aw_copy_kind      kind;
    enum phase             phase;
    aw_ms                  now;
    uint64_t               held_bytes_max;
    char                   path[PATH_BYTES]; /* of the copy, with ".part" */
    char                   to[PATH_BYTES];
    bool                   is_made; /* the folder `path` is ours */
    int                    lock_fd; /* of that folder; -1: none */
    MDB_env               *env;     /* of the copy */
    MDB_dbi                tree[AW_TREE_COUNT];
    struct aw_value_buffer buffer;
    struct aw_copy_sum     sum;
    uint64_t               looked_at; /* sum.bytes at the last look */
    /* During a step. */
    MDB_txn *read;
    MDB_txn *write;
};

/* --- folder --------------------------------------------------------------------------------------------------------------- */

static enum aw_err
set_paths(struct aw_copy *copy, const char *to, struct aw_why *why)
{
    size_t len = strlen(to);
    int    needed;

    while (len > 1 && to[len - 1] == '/')
        len--;
    needed = snprintf(copy->path, sizeof(copy->path), "%.*s" PART_TEXT, (int)len, to);
    if (len == 0 || needed < 0 || (size_t)needed >= sizeof(copy->path))
        return aw_why(why, AW_E_IO, "%s: no name for a folder", to);
    if (len >= sizeof(PART_TEXT) && memcmp(to + len - (sizeof(PART_TEXT) - 1), PART_TEXT, sizeof(PART_TEXT) - 1) == 0)
        return aw_why(why, AW_E_IN_USE, "%s: so end the names of unfinished copies, which the next one takes away", to);
    (void)snprintf(copy->to, sizeof(copy->to), "%.*s", (int)len, to);
    return AW_OK;
}

/* Only an empty folder may be there: rename replaces it, and nothing else. */
static enum aw_err
check_target(const char *to, struct aw_why *why)
{
    struct dirent *entry;
    DIR           *dir = opendir(to);
    bool           is_empty = true;

    if (dir == NULL && errno == ENOENT)
        return AW_OK;
    if (dir == NULL)
        return aw_why_errno(why, errno == ENOTDIR ? AW_E_IN_USE : AW_E_IO, errno, "%s", to);
    while ((entry = readdir(dir)) != NULL)
        is_empty = is_empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    (void)closedir(dir); /* only read */
    return is_empty ? AW_OK : aw_why(why, AW_E_IN_USE, "%s: is there and not empty; nothing is ever written over", to);
}

static void
file_path(const struct aw_copy *copy, char path[PATH_BYTES + 16])
{
    (void)snprintf(path, PATH_BYTES + 16, "%s/data.mdb", copy->path);
}

/* Whether the folder of this name is the one that is open. */
static bool
is_named(int fd, const char *path)
{
    struct stat open_one, named;

    return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 && open_one.st_dev == named.st_dev &&
           open_one.st_ino == named.st_ino;
}

/* Who has the lock makes the copy, and takes away what is there. It goes with its process. */
static enum aw_err
lock_folder(const char *path, int *ret_fd, struct aw_why *why)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return AW_E_NOT_FOUND;
    if (fd < 0)
        return aw_why_errno(why, AW_E_IN_USE, errno, "%s: is there, and is not what a copy leaves", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || !is_named(fd, path)) {
        (void)close(fd); /* only opened */
        return aw_why(why, AW_E_IN_USE, "%s: another copy is being made there", path);
    }
    *ret_fd = fd;
    return AW_OK;
}

/* What a copy that was killed has left is ours by its name, by nobody's lock, and by having nothing else in it. */
static enum aw_err
remove_left(struct aw_copy *copy, struct aw_why *why)
{
    char        file[PATH_BYTES + 16];
    int         fd = -1;
    enum aw_err err = lock_folder(copy->path, &fd, why);

    if (err != AW_OK)
        return err == AW_E_NOT_FOUND ? AW_OK : err;
    file_path(copy, file);
    if (unlink(file) != 0 && errno != ENOENT)
        err = aw_why_errno(why, AW_E_IO, errno, "%s", file);
    else if (rmdir(copy->path) != 0)
        err = aw_why_errno(why, AW_E_IN_USE, errno, "%s: is there, and is not what a copy leaves", copy->path);
    (void)close(fd); /* only locked */
    return err;
}

static enum aw_err
make_folder(struct aw_copy *copy, struct aw_why *why)
{
    enum aw_err err = remove_left(copy, why);

    if (err != AW_OK)
        return err;
    if (mkdir(copy->path, 0700) != 0)
        return aw_why_errno(why, errno == EEXIST ? AW_E_IN_USE : AW_E_IO, errno, "%s", copy->path);
    err = lock_folder(copy->path, &copy->lock_fd, why);
    if (err == AW_E_NOT_FOUND)
        err = aw_why(why, AW_E_IN_USE, "%s: was taken away", copy->path);
    copy->is_made = err == AW_OK;
    return err;
}

static enum aw_err
sync_path(const char *path, int flags, struct aw_why *why)
{
    int fd = open(path, flags | O_CLOEXEC);
    int errnum;

    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "%s", path);
    errnum = fsync(fd) == 0 ? 0 : errno;
    (void)close(fd); /* it was synced, or not: closing adds nothing */
    return errnum == 0 ? AW_OK : aw_why_errno(why, AW_E_IO, errnum, "%s: can't sync", path);
}

static enum aw_err
sync_parent(const char *path, struct aw_why *why)
{
    char parent[PATH_BYTES];

    (void)snprintf(parent, sizeof(parent), "%s", path);
    return sync_path(dirname(parent), O_RDONLY | O_DIRECTORY, why);
}

/* --- begin ---------------------------------------------------------------------------------------------------------------- */

static int
open_trees(struct aw_copy *copy)
{
    MDB_txn *txn;
    uint32_t i;
    int      rc = mdb_txn_begin(copy->env, NULL, 0, &txn);

    if (rc != MDB_SUCCESS)
        return rc;
    for (i = 0; rc == MDB_SUCCESS && i < AW_TREE_COUNT; i++)
        rc = mdb_dbi_open(txn, aw_lmdb_trees[i].name, aw_lmdb_trees[i].flags | MDB_CREATE, &copy->tree[i]);
    if (rc != MDB_SUCCESS) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* Not synced at each commit: nobody trusts it before finish. */
static enum aw_err
open_env(struct aw_copy *copy, struct aw_why *why)
{
    char        file[PATH_BYTES + 16];
    MDB_envinfo info;
    int         rc = mdb_env_create(&copy->env);

    file_path(copy, file);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_info(copy->from->env, &info);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_set_mapsize(copy->env, info.me_mapsize);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_set_maxdbs(copy->env, AW_TREE_COUNT);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_open(copy->env, file, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NOSYNC, 0600);
    if (rc == MDB_SUCCESS)
        rc = open_trees(copy);
    return aw_lmdb_err(rc, why, file);
}

enum aw_err
aw_copy_begin(struct aw_copy **ret_copy, struct aw_journal *from, const struct aw_copy_config *config, struct aw_why *why)
{
    struct aw_copy *copy = aw_new(struct aw_copy);
    enum aw_err     err;

    if (copy == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    copy->from = aw_lmdb_of(from);
    copy->lock_fd = -1;
    copy->kind = config->kind;
    copy->now = config->now;
    copy->held_bytes_max = config->held_bytes_max;
    err = set_paths(copy, config->to, why);
    if (err == AW_OK)
        err = check_target(copy->to, why);
    if (err == AW_OK)
        err = make_folder(copy, why);
    if (err == AW_OK)
        err = open_env(copy, why);
    if (err != AW_OK) {
        aw_copy_free(&copy);
        return err;
    }
    *ret_copy = copy;
    return AW_OK;
}

/* --- values --------------------------------------------------------------------------------------------------------------- */

/* The copy's disk is full, or the source's value is damaged: who can tell them apart by LMDB's code alone? We can. */
static enum aw_err
failed(int rc, bool is_read, enum aw_tree tree, uint64_t id, struct aw_why *why)
{
    enum aw_err err = aw_lmdb_err(rc, NULL, "");

    return aw_why(why, err, "%s value %" PRIu64 " of the tree \"%s\": %s", is_read ? "reading" : "writing", id,
                  aw_lmdb_trees[tree].name, is_read && err == AW_E_CORRUPT ? "it fails its checks" : mdb_strerror(rc));
}

/* The value at `id`, on which the cursor stands or will. */
static enum aw_err
copy_value(struct aw_copy *copy, MDB_cursor *cursor, enum aw_tree tree, uint64_t id, uint32_t *ret_count, struct aw_why *why)
{
    struct aw_slice bytes;
    int             rc = aw_value_get(cursor, id, &copy->buffer, ret_count, &bytes);

    if (rc != MDB_SUCCESS)
        return failed(rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc, true, tree, id, why);
    rc = aw_value_append(copy->write, copy->tree[tree], id, *ret_count, bytes);
    if (rc != MDB_SUCCESS)
        return failed(rc, false, tree, id, why);
    copy->sum.bytes += bytes.len;
    return AW_OK;
}

/* Values from `first` up to `end`. */
static enum aw_err
copy_range(struct aw_copy *copy, enum aw_tree tree, uint64_t first, uint64_t end,
           enum aw_err (*look)(struct aw_copy *, struct aw_why *), struct aw_why *why)
{
    MDB_cursor *cursor;
    uint64_t    id = first;
    uint32_t    count;
    enum aw_err err = AW_OK;
    int         rc = mdb_cursor_open(copy->read, copy->from->tree[tree], &cursor);

    if (rc != MDB_SUCCESS)
        return failed(rc, true, tree, first, why);
    while (err == AW_OK && (rc = aw_value_find_next(cursor, id, &id)) == MDB_SUCCESS && id < end) {
        err = copy_value(copy, cursor, tree, id, &count, why);
        if (err == AW_OK && look != NULL)
            err = look(copy, why);
        id++;
    }
    mdb_cursor_close(cursor);
    if (err == AW_OK && rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return failed(rc, true, tree, id, why);
    return err;
}

/* --- the journal ------------------------------------------------------------------------------------------------------------ */

/* Where the journal begins and ends for the snapshot. */
static enum aw_err
look_at_journal(struct aw_copy *copy, struct aw_why *why)
{
    struct aw_journal_anchor anchor = {.next_seq = 1};
    MDB_cursor              *cursor;
    uint64_t                 last;
    uint32_t                 count = 0;
    int                      rc = aw_lmdb_get_anchor(copy->from, copy->read, &anchor);

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return aw_why(why, AW_E_CORRUPT, "the anchor, where the trimmed journal begins, fails its checks");
    if (copy->sum.next_seq < anchor.next_seq)
        copy->sum.next_seq = anchor.next_seq;
    if (copy->sum.first_seq < anchor.next_seq)
        copy->sum.first_seq = anchor.next_seq;
    rc = mdb_cursor_open(copy->read, copy->from->tree[AW_TREE_JOURNAL], &cursor);
    if (rc != MDB_SUCCESS)
        return failed(rc, true, AW_TREE_JOURNAL, 0, why);
    rc = aw_value_find_prev(cursor, AW_VALUE_ID_MAX, &last);
    if (rc == MDB_SUCCESS)
        rc = aw_value_count(cursor, last, &count);
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND)
        last = copy->sum.next_seq; /* an empty journal */
    else if (rc != MDB_SUCCESS)
        return failed(rc, true, AW_TREE_JOURNAL, last, why);
    copy->sum.end_seq = last + count;
    return AW_OK;
}

/* A batch with what hangs on it. */
static enum aw_err
copy_batch(struct aw_copy *copy, MDB_cursor *cursor, struct aw_why *why)
{
    uint64_t    first, seq = copy->sum.next_seq;
    uint32_t    count;
    enum aw_err err;
    int         rc = aw_value_find_next(cursor, seq, &first);

    if (rc != MDB_SUCCESS || first != seq)
        return aw_why(why, AW_E_CORRUPT, "the journal has no batch at record %" PRIu64 ", where one belongs", seq);
    err = copy_value(copy, cursor, AW_TREE_JOURNAL, first, &count, why);
    if (err == AW_OK && count == 0)
        return aw_why(why, AW_E_CORRUPT, "the batch at record %" PRIu64 " has no records", seq);
    if (err == AW_OK)
        err = copy_range(copy, AW_TREE_IDS, first, first + count, NULL, why);
    if (err == AW_OK)
        err = copy_range(copy, AW_TREE_BODIES, first, first + count, NULL, why);
    if (err != AW_OK)
        return err;
    copy->sum.next_seq = first + count;
    copy->sum.batches++;
    return AW_OK;
}

static enum aw_err
copy_journal(struct aw_copy *copy, uint64_t bytes_max, struct aw_why *why)
{
    uint64_t    until = bytes_max > UINT64_MAX - copy->sum.bytes ? UINT64_MAX : copy->sum.bytes + bytes_max;
    MDB_cursor *cursor;
    enum aw_err err = look_at_journal(copy, why);
    int         rc;

    if (err != AW_OK)
        return err;
    rc = mdb_cursor_open(copy->read, copy->from->tree[AW_TREE_JOURNAL], &cursor);
    if (rc != MDB_SUCCESS)
        return failed(rc, true, AW_TREE_JOURNAL, 0, why);
    while (err == AW_OK && copy->sum.next_seq < copy->sum.end_seq && copy->sum.bytes < until)
        err = copy_batch(copy, cursor, why);
    mdb_cursor_close(cursor);
    return err;
}

/* --- the rest --------------------------------------------------------------------------------------------------------------- */

/* How much the server can't use again because of our snapshot: what was freed since. Seen through a snapshot of its own. */
static enum aw_err
look_at_held(struct aw_copy *copy, struct aw_why *why)
{
    uint64_t    txn = mdb_txn_id(copy->read), pages = 0;
    MDB_val     key = {sizeof(txn), &txn}, value;
    MDB_txn    *now;
    MDB_cursor *cursor;
    int         rc;

    if (copy->sum.bytes - copy->looked_at < LOOK_EVERY)
        return AW_OK;
    copy->looked_at = copy->sum.bytes;
    rc = mdb_txn_begin(copy->from->env, NULL, MDB_RDONLY, &now);
    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, "looking at the free list");
    rc = mdb_cursor_open(now, AW_DBI_FREE, &cursor);
    if (rc == MDB_SUCCESS) {
        for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); rc == MDB_SUCCESS;
             rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
            pages += value.mv_size / sizeof(uint64_t) - 1;
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(now);
    if (rc != MDB_NOTFOUND)
        return aw_lmdb_err(rc, why, "looking at the free list");
    if (pages * copy->from->page_bytes <= copy->held_bytes_max)
        return AW_OK;
    return aw_why(why, AW_E_OVERLOADED,
                  "the server writes so much that the copy would keep %" PRIu64
                  " MiB of its store from being used; try when less is going on",
                  copy->held_bytes_max >> 20);
}

/* What the meta tree has, but for another copy's note. */
static enum aw_err
copy_notes(struct aw_copy *copy, struct aw_why *why)
{
    MDB_cursor *cursor;
    MDB_val     key, value;
    int         rc = mdb_cursor_open(copy->read, copy->from->tree[AW_TREE_META], &cursor);

    if (rc != MDB_SUCCESS)
        return failed(rc, true, AW_TREE_META, 0, why);
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); rc == MDB_SUCCESS;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if (aw_slice_eq(aw_slice_of(key.mv_data, key.mv_size), aw_slice_str(NOTE_TEXT)))
            continue;
        rc = mdb_put(copy->write, copy->tree[AW_TREE_META], &key, &value, MDB_NOOVERWRITE);
        if (rc != MDB_SUCCESS)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? AW_OK : failed(rc, false, AW_TREE_META, 0, why);
}

/* Stored: u32 kind, u32 zero, u64 made_at, u64 copied_at, u64 next_seq, u32 zero, u32 CRC-32C. */
static enum aw_err
write_note(struct aw_copy *copy, struct aw_why *why)
{
    struct aw_copy_note note = {.made_at = copy->now};
    uint8_t             bytes[NOTE_BYTES] = {(uint8_t)copy->kind};
    MDB_val             key = {sizeof(NOTE_TEXT) - 1, (void *)(uintptr_t)NOTE_TEXT};
    MDB_val             value = {sizeof(bytes), bytes};
    uint32_t            crc;
    int                 rc;

    if (copy->kind == AW_COPY_RESTORE && aw_copy_read_note(&copy->from->journal, &note) != AW_OK)
        return aw_why(why, AW_E_CORRUPT, "the backup's note on itself fails its checks, or this is no backup");
    memcpy(bytes + 8, &note.made_at, 8);
    memcpy(bytes + 16, &copy->now, 8);
    memcpy(bytes + 24, &copy->sum.next_seq, 8);
    crc = aw_crc32c(0, bytes, NOTE_BYTES - 4);
    memcpy(bytes + NOTE_BYTES - 4, &crc, 4);
    rc = mdb_put(copy->write, copy->tree[AW_TREE_META], &key, &value, MDB_NOOVERWRITE);
    return aw_lmdb_err(rc, why, "writing the note of the copy");
}

enum aw_err
aw_lmdb_get_note(MDB_txn *txn, MDB_dbi meta, struct aw_copy_note *ret_note)
{
    MDB_val        key = {sizeof(NOTE_TEXT) - 1, (void *)(uintptr_t)NOTE_TEXT};
    MDB_val        value;
    const uint8_t *from;
    uint32_t       crc, kind;
    int            rc = mdb_get(txn, meta, &key, &value);

    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, NULL, "");
    if (value.mv_size != NOTE_BYTES)
        return AW_E_CORRUPT;
    from = value.mv_data;
    memcpy(&kind, from, 4);
    memcpy(&crc, from + NOTE_BYTES - 4, 4);
    if (aw_crc32c(0, from, NOTE_BYTES - 4) != crc || kind > AW_COPY_RESTORE)
        return AW_E_CORRUPT;
    ret_note->kind = (enum aw_copy_kind)kind;
    memcpy(&ret_note->made_at, from + 8, 8);
    memcpy(&ret_note->copied_at, from + 16, 8);
    memcpy(&ret_note->next_seq, from + 24, 8);
    return AW_OK;
}

enum aw_err
aw_copy_read_note(struct aw_journal *journal, struct aw_copy_note *ret_note)
{
    struct aw_lmdb *store = aw_lmdb_of(journal);
    MDB_txn        *txn;
    enum aw_err     err;

    if (mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn) != MDB_SUCCESS)
        return AW_E_IO;
    err = aw_lmdb_get_note(txn, store->tree[AW_TREE_META], ret_note);
    mdb_txn_abort(txn);
    return err;
}

/* The checkpoint that the snapshot's own mark names, which may be a newer one than this process saw at its opening. */
static enum aw_err
copy_checkpoint(struct aw_copy *copy, struct aw_why *why)
{
    struct aw_checkpoint_mark mark;
    MDB_val                   key = {sizeof(AW_MARK_TEXT) - 1, (void *)(uintptr_t)AW_MARK_TEXT}, value;
    uint32_t                  generation;
    int                       rc = mdb_get(copy->read, copy->from->tree[AW_TREE_META], &key, &value);

    if (rc == MDB_NOTFOUND)
        return AW_OK;
    if (rc != MDB_SUCCESS)
        return failed(rc, true, AW_TREE_META, 0, why);
    if (!aw_lmdb_mark_read(aw_slice_of(value.mv_data, value.mv_size), &mark, &generation))
        return aw_why(why, AW_E_CORRUPT, "the mark of the checkpoint fails its checks");
    return copy_range(copy, generation == 0 ? AW_TREE_TABLE0 : AW_TREE_TABLE1, 0, UINT64_MAX, look_at_held, why);
}

static enum aw_err
copy_rest(struct aw_copy *copy, struct aw_why *why)
{
    enum aw_err err = copy_journal(copy, UINT64_MAX, why);

    copy->looked_at = copy->sum.bytes;
    if (err == AW_OK)
        err = copy_range(copy, AW_TREE_KEPT, 0, UINT64_MAX, look_at_held, why);
    if (err == AW_OK)
        err = copy_range(copy, AW_TREE_KEPT_BODIES, 0, UINT64_MAX, look_at_held, why);
    if (err == AW_OK)
        err = copy_checkpoint(copy, why);
    if (err == AW_OK)
        err = copy_notes(copy, why);
    return err == AW_OK ? write_note(copy, why) : err;
}

/* --- steps ------------------------------------------------------------------------------------------------------------------ */

static enum aw_err
close_copy(struct aw_copy *copy, struct aw_why *why)
{
    char        file[PATH_BYTES + 16];
    enum aw_err err = aw_lmdb_err(mdb_env_sync(copy->env, 1), why, copy->path);

    mdb_env_close(copy->env);
    copy->env = NULL;
    if (err != AW_OK)
        return err;
    file_path(copy, file);
    err = sync_path(file, O_RDONLY, why);
    return err == AW_OK ? sync_path(copy->path, O_RDONLY | O_DIRECTORY, why) : err;
}

static enum aw_err
run_phase(struct aw_copy *copy, struct aw_why *why)
{
    enum aw_err err;

    if (copy->phase == PHASE_REST)
        return copy_rest(copy, why);
    err = copy_journal(copy, PIECE_BYTES, why);
    /* The last piece was a small one: little more has come since. */
    if (err == AW_OK && copy->sum.next_seq == copy->sum.end_seq)
        copy->phase = PHASE_REST;
    return err;
}

/* LMDB takes a write that a full disk cut short for a failing disk. */
static enum aw_err
commit(struct aw_copy *copy, struct aw_why *why)
{
    int rc = mdb_txn_commit(copy->write);

    if (rc == MDB_SUCCESS)
        return AW_OK;
    return aw_why(why, AW_E_IO, "%s: can't be written, for lack of room or for a failing disk: %s", copy->path, mdb_strerror(rc));
}

enum aw_err
aw_copy_step(struct aw_copy *copy, struct aw_copy_sum *ret_sum, struct aw_why *why)
{
    enum phase  phase = copy->phase;
    enum aw_err err;
    int         rc;

    AW_ASSERT(phase != PHASE_DONE);
    rc = mdb_txn_begin(copy->from->env, NULL, MDB_RDONLY, &copy->read);
    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, "reading the store");
    rc = mdb_txn_begin(copy->env, NULL, 0, &copy->write);
    if (rc != MDB_SUCCESS) {
        mdb_txn_abort(copy->read);
        return aw_lmdb_err(rc, why, copy->path);
    }
    err = run_phase(copy, why);
    mdb_txn_abort(copy->read);
    if (err == AW_OK)
        err = commit(copy, why);
    else
        mdb_txn_abort(copy->write);
    if (err == AW_OK && phase == PHASE_REST) {
        copy->phase = PHASE_DONE;
        copy->sum.is_done = true;
        err = close_copy(copy, why);
    }
    *ret_sum = copy->sum;
    return err;
}

const char *
aw_copy_path(const struct aw_copy *copy)
{
    return copy->path;
}

enum aw_err
aw_copy_finish(struct aw_copy *copy, struct aw_why *why)
{
    AW_ASSERT(copy->phase == PHASE_DONE);
    if (!is_named(copy->lock_fd, copy->path)) {
        copy->is_made = false;
        return aw_why(why, AW_E_IN_USE, "%s: was taken away, or is not the one that was checked", copy->path);
    }
    /* Replaces an empty folder at most. */
    if (rename(copy->path, copy->to) != 0)
        return aw_why_errno(why, errno == ENOTEMPTY || errno == EEXIST ? AW_E_IN_USE : AW_E_IO, errno, "%s", copy->to);
    copy->is_made = false;
    return sync_parent(copy->to, why);
}

void
aw_copy_free(struct aw_copy **copy)
{
    struct aw_copy *old = *copy;
    char            file[PATH_BYTES + 16];

    if (old == NULL)
        return;
    *copy = NULL;
    if (old->env != NULL)
        mdb_env_close(old->env);
    if (old->is_made) {
        file_path(old, file);
        (void)unlink(file); /* what stays is taken away by the next copy that begins here */
        (void)rmdir(old->path);
    }
    if (old->lock_fd >= 0)
        (void)close(old->lock_fd); /* only locked */
    aw_value_buffer_fini(&old->buffer);
    free(old);
}
