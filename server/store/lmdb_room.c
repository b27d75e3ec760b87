/* lmdb_room.c - how many pages are left, decided before a put so that no commit ever fails for lack of them.
 *
 *   | pages up to `end`: live | free, usable | free, held | allocated ahead | not allocated | ... limit
 *
 * A commit copies the pages that it changes and gives the old ones back, but they may be used again only by the commit after the
 * next one, and not while a reader stands on an older snapshot: those are `held`. What is usable = free - held, and the tail that
 * the file has real blocks for, within the limit. LMDB says after each commit what its trees take (five numbers a tree, no walk);
 * how many pages a commit freed lies under its number in LMDB's free list, and a ledger of the last commits tells what a reader's
 * snapshot still holds. Everything unknown is counted as held.
 *
 * Appended nodes of at most half a page fill pages so that any two neighbours hold more than one page together: n bytes take at
 * most 2n bytes of pages, and 1 more a tree. Branch pages add less than a hundredth.
 */
#include "port/clock.h"
#include "store/lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file grows by this much at once: at 100,000 messages a second about every second. */
#define GROW_BYTES     (UINT64_C(32) << 20)
#define GROW_BYTES_MIN (UINT64_C(64) << 10)
#define DISK_RETRY     (AW_NS_PER_S / 4)
/* Steps of one call while serving: on some file systems each takes milliseconds, and a disk that was full for long, behind a large
 * backlog, has hundreds to catch up with. */
#define GROW_STEPS_MAX  6U
#define GROW_REST       AW_NS_PER_MS
#define STALE_CHECK     1024U /* commits between two looks for readers whose process has died */
#define PAGE_HEAD_BYTES 16U
/* What one flush may take beside records, bodies and ids: for each of its batches the bytes around the records and the heads of
 * two values, each at its worst; and for each of five trees the one page that rounding up may add. */
#define BATCH_FRAME_BYTES (2U * (AW_BATCH_FRAME_BYTES_MAX + 2U * (AW_NODE_BYTES + 1U + (unsigned)sizeof(struct aw_value_head))))
#define FRAME_PAGES(page) (AW_SUBMITS_MAX * BATCH_FRAME_BYTES / ((page)-PAGE_HEAD_BYTES) + 1U + 5U)

static uint64_t
pages_of(const MDB_stat *stat)
{
    return stat->ms_branch_pages + stat->ms_leaf_pages + stat->ms_overflow_pages;
}

uint64_t
aw_lmdb_tree_pages(const struct aw_lmdb *store, enum aw_tree tree)
{
    MDB_stat stat;

    AW_ASSERT(store->txn != NULL);
    /* Reads the transaction's own copy of the tree's head: cannot fail for an open tree. */
    if (mdb_stat(store->txn, store->tree[tree], &stat) != MDB_SUCCESS)
        return 0;
    return pages_of(&stat);
}

uint32_t
aw_lmdb_tree_depth(const struct aw_lmdb *store, enum aw_tree tree)
{
    MDB_stat stat;

    AW_ASSERT(store->txn != NULL);
    return mdb_stat(store->txn, store->tree[tree], &stat) == MDB_SUCCESS ? stat.ms_depth : 0; /* as above */
}

void
aw_lmdb_room_note(struct aw_lmdb *store, enum aw_tree tree, uint64_t before)
{
    uint64_t after = aw_lmdb_tree_pages(store, tree);

    if (after >= before)
        store->room.taken += after - before;
    else
        store->room.freed += before - after;
}

/* Most pages that a commit replaces: the right edge of each tree for appending, thrice its left edge for trimming (a page, its
 * neighbour and where a merge goes), and what saving the free list needs. Depths may grow by one. */
static uint64_t
touched_pages_max(const MDB_stat trees[AW_TREE_COUNT], const MDB_stat *main_tree, const MDB_stat *free_tree)
{
    uint64_t pages = 0;
    uint32_t i;

    for (i = AW_TREE_META + 1; i < AW_TREE_COUNT; i++)
        pages += 4U * (trees[i].ms_depth + 1U);
    pages += trees[AW_TREE_META].ms_depth + 1U;
    pages += main_tree->ms_depth + 1U;
    return pages + 2U * (free_tree->ms_depth + 2U) + 8U;
}

/* The oldest snapshot that any process reads, from LMDB's list of readers ("pid thread txn", "-" for one that rests). */
static int
note_reader(const char *line, void *user)
{
    uint64_t   *oldest = user;
    const char *at = strrchr(line, ' ');
    char       *end;
    uint64_t    txn;

    if (at == NULL)
        return 0;
    txn = strtoull(at + 1, &end, 10);
    if (end != at + 1 && *end == '\n' && txn < *oldest)
        *oldest = txn;
    return 0;
}

/* Pages freed by the commits from `oldest` on. */
static void
count_held(struct aw_lmdb_room *room, uint64_t oldest)
{
    uint64_t txn;

    if (oldest < room->first_txn) {
        /* A reader has stood still for longer than the ledger remembers: all that was freed since then adds up. */
        room->held += room->fresh;
        return;
    }
    room->held = 0;
    for (txn = oldest; txn <= room->last_txn; txn++)
        room->held += room->freed_by[txn % AW_LEDGER_COMMITS];
}

/* How many pages the free list holds under commit `txn`. */
static int
read_freed_by(struct aw_lmdb_room *room, uint64_t txn, uint32_t *ret_pages)
{
    MDB_val key = {sizeof(txn), &txn};
    MDB_val value;
    int     rc = mdb_cursor_get(room->free_list, &key, &value, MDB_SET_KEY);

    if (rc == MDB_NOTFOUND)
        *ret_pages = 0;
    else if (rc == MDB_SUCCESS)
        *ret_pages = (uint32_t)(value.mv_size / sizeof(size_t) - 1);
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

/* Brings the ledger up to commit `txn`. */
static int
extend_ledger(struct aw_lmdb_room *room, uint64_t txn)
{
    int rc;

    room->fresh = 0;
    while (room->last_txn < txn) {
        uint64_t next = room->last_txn + 1;

        rc = read_freed_by(room, next, &room->freed_by[next % AW_LEDGER_COMMITS]);
        if (rc != MDB_SUCCESS)
            return rc;
        room->fresh += room->freed_by[next % AW_LEDGER_COMMITS];
        room->last_txn = next;
        if (next - room->first_txn >= AW_LEDGER_COMMITS)
            room->first_txn = next - AW_LEDGER_COMMITS + 1;
    }
    return MDB_SUCCESS;
}

/* The numbers of the last commit, seen through the renewed snapshot. */
static int
look_at_trees(struct aw_lmdb *store)
{
    struct aw_lmdb_room *room = &store->room;
    MDB_stat             trees[AW_TREE_COUNT];
    MDB_stat             main_tree;
    MDB_stat             free_tree;
    MDB_envinfo          info;
    uint64_t             live = 2; /* LMDB's two heads */
    uint32_t             i;
    int                  rc;

    for (i = 0; i < AW_TREE_COUNT; i++) {
        rc = mdb_stat(room->snapshot, store->tree[i], &trees[i]);
        if (rc != MDB_SUCCESS)
            return rc;
        live += pages_of(&trees[i]);
    }
    rc = mdb_stat(room->snapshot, AW_DBI_MAIN, &main_tree);
    if (rc == MDB_SUCCESS)
        rc = mdb_stat(room->snapshot, AW_DBI_FREE, &free_tree);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_info(store->env, &info);
    if (rc != MDB_SUCCESS)
        return rc;
    room->live = live + pages_of(&main_tree) + pages_of(&free_tree);
    room->end = info.me_last_pgno + 1;
    room->touched = touched_pages_max(trees, &main_tree, &free_tree);
    return extend_ledger(room, mdb_txn_id(room->snapshot));
}

static int
look(struct aw_lmdb *store)
{
    struct aw_lmdb_room *room = &store->room;
    uint64_t             oldest;
    int                  rc;
    int                  dead;

    if (room->commits++ % STALE_CHECK == 0)
        (void)mdb_reader_check(store->env, &dead); /* only frees slots of dead processes; the next time will do */
    rc = mdb_txn_renew(room->snapshot);
    if (rc != MDB_SUCCESS)
        return rc;
    rc = mdb_cursor_renew(room->snapshot, room->free_list);
    if (rc == MDB_SUCCESS)
        rc = look_at_trees(store);
    mdb_txn_reset(room->snapshot);
    if (rc != MDB_SUCCESS)
        return rc;
    /* The next commit may use what was freed before the last one. One more is kept back for a reader that takes its snapshot just
     * while we look. */
    oldest = room->last_txn > 1 ? room->last_txn - 1 : 1;
    (void)mdb_reader_list(store->env, note_reader, &oldest); /* fails only if note_reader does */
    count_held(room, oldest);
    room->taken = 0;
    room->freed = 0;
    return MDB_SUCCESS;
}

static uint64_t
usable_pages(const struct aw_lmdb_room *room)
{
    uint64_t unused = room->end > room->live ? room->end - room->live : 0;

    return unused > room->held ? unused - room->held : 0;
}

/* Real blocks behind the last page, within the limit. */
static uint64_t
tail_pages(const struct aw_lmdb_room *room)
{
    uint64_t end = room->allocated < room->limit ? room->allocated : room->limit;

    return end > room->end ? end - room->end : 0;
}

/* Gives the file real blocks up to page `to`. 0 or an errno. */
static int
allocate(struct aw_lmdb *store, uint64_t to)
{
    uint64_t from = store->room.allocated;
    int      rc;

    do
        rc = fallocate(store->data_fd, 0, (off_t)(from * store->page_bytes), (off_t)((to - from) * store->page_bytes));
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return errno;
    store->room.allocated = to;
    return 0;
}

static bool
is_no_room(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG;
}

/* Allocates so that the reserve, what is owed and half a step lie ahead; less when the disk has less, and then tries again later,
 * also when nothing is written meanwhile. So it goes on when there was more to do than one call may. 0, or an errno that is not
 * about room. */
static int
grow(struct aw_lmdb *store)
{
    struct aw_lmdb_room *room = &store->room;
    uint64_t             step = GROW_BYTES / store->page_bytes;
    uint64_t             step_min = GROW_BYTES_MIN / store->page_bytes;
    unsigned             steps = 0, steps_max = room->is_serving ? GROW_STEPS_MAX : UINT_MAX;

    if (room->allocated < room->end)
        room->allocated = room->end;
    while (steps < steps_max && room->allocated < room->limit &&
           usable_pages(room) + tail_pages(room) < room->reserve + room->owed + step / 2) {
        uint64_t to = room->allocated + step < room->limit ? room->allocated + step : room->limit;
        int      errnum = allocate(store, to);

        if (errnum == 0) {
            steps++;
            continue;
        }
        if (!is_no_room(errnum))
            return errnum;
        step /= 2;
        if (step < step_min)
            break;
    }
    room->is_short = step < GROW_BYTES / store->page_bytes || steps == steps_max;
    if (room->is_short)
        room->retry_at = aw_clock_mono() + (steps == steps_max ? GROW_REST : DISK_RETRY);
    return 0;
}

bool
aw_lmdb_room_look(struct aw_lmdb *store)
{
    if (look(store) != MDB_SUCCESS)
        return false;
    if (store->room.is_short)
        return aw_lmdb_room_retry(store);
    return grow(store) == 0;
}

bool
aw_lmdb_room_retry(struct aw_lmdb *store)
{
    if (!store->room.is_short || aw_clock_mono() < store->room.retry_at)
        return true;
    return grow(store) == 0;
}

uint64_t
aw_lmdb_room_pages(const struct aw_lmdb *store)
{
    const struct aw_lmdb_room *room = &store->room;
    uint64_t                   have = usable_pages(room) + tail_pages(room);
    /* Twice: for this commit, and for the next, which may not yet use what this one gives back. */
    uint64_t spent = room->taken + 2 * room->touched;

    return have > spent ? have - spent : 0;
}

uint64_t
aw_lmdb_room_need(const struct aw_lmdb *store, uint64_t node_bytes)
{
    return (2 * node_bytes + node_bytes / 16) / store->page_bytes + 1;
}

void
aw_lmdb_set_owed(struct aw_journal *journal, uint64_t bytes)
{
    struct aw_lmdb *store = aw_lmdb_of(journal);

    store->room.owed = (bytes + store->page_bytes - 1) / store->page_bytes;
    /* A full disk is asked again at its time. The first time, nobody waits yet for what a backlog found at the start needs. */
    if (!aw_lmdb_is_broken(store) && (!store->room.is_serving || !store->room.is_short) && grow(store) != 0)
        aw_lmdb_break(store);
    store->room.is_serving = true; /* from here on what is owed grows with what is written */
}

void
aw_lmdb_room(struct aw_journal *journal, struct aw_journal_room *ret_room)
{
    struct aw_lmdb *store = aw_lmdb_of(journal);
    uint64_t        page = store->page_bytes;
    uint64_t        frame = FRAME_PAGES(store->page_bytes);
    uint64_t        kept = store->room.reserve + store->room.owed;
    uint64_t        drain;

    *ret_room = (struct aw_journal_room){.limit_bytes = store->room.limit * page, .reserve_bytes = store->room.reserve * page};
    if (!aw_lmdb_is_broken(store) && !aw_lmdb_room_retry(store))
        aw_lmdb_break(store);
    ret_room->is_broken = aw_lmdb_is_broken(store);
    if (ret_room->is_broken)
        return;
    drain = aw_lmdb_room_pages(store);
    drain = drain > frame ? drain - frame : 0;
    ret_room->drain_bytes = drain * page;
    ret_room->posts_bytes = drain > kept ? (drain - kept) * page : 0;
    ret_room->used_bytes = (store->room.live + store->room.taken) * page;
}

uint64_t
aw_lmdb_cost(struct aw_journal *journal, uint64_t record_bytes, uint64_t body_bytes)
{
    uint64_t nodes = aw_value_node_bytes(record_bytes); /* what sealing adds to a batch is in the frame */

    if (body_bytes != 0)
        nodes += aw_value_node_bytes(body_bytes + aw_lmdb_seal_bytes(aw_lmdb_of(journal), AW_TREE_BODIES));
    nodes += AW_ID_BYTES_MAX + 1;
    /* As aw_lmdb_room_need, whose rounding up is in the frame. */
    return 2 * nodes + nodes / 16;
}

void
aw_lmdb_set_bytes_max(struct aw_journal *journal, uint64_t bytes_max)
{
    struct aw_lmdb *store = aw_lmdb_of(journal);
    uint64_t        limit = bytes_max / store->page_bytes;

    AW_ASSERT(!store->read_only);
    store->room.limit = limit < store->pages_map ? limit : store->pages_map;
    store->room.is_short = false;
    if (!aw_lmdb_is_broken(store) && grow(store) != 0)
        aw_lmdb_break(store);
}

/* The ledger at open: what the last commits freed, as far back as it remembers. */
static enum aw_err
open_ledger(struct aw_lmdb *store, struct aw_why *why)
{
    struct aw_lmdb_room *room = &store->room;
    uint64_t             last;
    int                  rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &room->snapshot);

    if (rc == MDB_SUCCESS)
        rc = mdb_cursor_open(room->snapshot, AW_DBI_FREE, &room->free_list);
    if (rc != MDB_SUCCESS)
        return aw_lmdb_err(rc, why, "reading the free list");
    last = mdb_txn_id(room->snapshot);
    room->last_txn = last > AW_LEDGER_COMMITS ? last - AW_LEDGER_COMMITS : 0;
    room->first_txn = room->last_txn + 1;
    rc = extend_ledger(room, last);
    mdb_txn_reset(room->snapshot);
    return aw_lmdb_err(rc, why, "reading the free list");
}

enum aw_err
aw_lmdb_room_open(struct aw_lmdb *store, const struct aw_store_config *config, bool created, struct aw_why *why)
{
    struct aw_lmdb_room *room = &store->room;
    enum aw_err          err;
    int                  errnum;

    room->limit = config->bytes_max / store->page_bytes;
    room->reserve = config->reserve_bytes / store->page_bytes;
    err = open_ledger(store, why);
    if (err != AW_OK)
        return err;
    if (look(store) != MDB_SUCCESS)
        return aw_why(why, AW_E_IO, "%s: cannot count pages", config->folder);
    if (!created) {
        /* Nothing is touched before somebody asks for room: a start may still find that it must refuse this store. */
        room->is_short = true;
        room->retry_at = 0;
        return AW_OK;
    }
    errnum = grow(store);
    if (errnum != 0)
        return aw_why_errno(why, AW_E_IO, errnum, "%s: cannot allocate the reserve", config->folder);
    if (aw_lmdb_room_pages(store) <= room->reserve)
        return aw_why(why, AW_E_IO, "%s: no room on the disk (or within the limit) for the reserve of %llu bytes", config->folder,
                      (unsigned long long)config->reserve_bytes);
    return AW_OK;
}

void
aw_lmdb_room_close(struct aw_lmdb *store)
{
    if (store->room.free_list != NULL)
        mdb_cursor_close(store->room.free_list);
    if (store->room.snapshot != NULL)
        mdb_txn_abort(store->room.snapshot);
    store->room.free_list = NULL;
    store->room.snapshot = NULL;
}
