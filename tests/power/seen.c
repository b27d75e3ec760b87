/* seen.c - heads, the pages in use under them, and copies of both. */
#include "power/seen.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KEYS_BYTES_MAX 65536U
#define PATH_BYTES     4096U
#define TREE_FREE      0U /* LMDB's list of free pages */

struct keys {
    uint8_t bytes[KEYS_BYTES_MAX];
    size_t  len;
};

struct start {
    uint64_t    txn; /* 0: none yet */
    uint64_t    flush;
    uint64_t    next_seq;
    uint64_t    pages;   /* from page 0 to the last one */
    uint64_t    room;    /* of `bytes` and `is_used` */
    uint8_t    *bytes;   /* owns; only pages in use are copied */
    bool       *is_used; /* owns; one a page; of the heads only the one that is followed */
    struct keys keys;
};

/* A page that was pending at a flush. */
struct pending {
    uint64_t flush;
    uint64_t page;
};

struct seen {
    struct start    starts[2]; /* by the head */
    struct keys     keys;      /* of the state that is looked at */
    uint64_t        flush;
    struct pending *pending; /* owns; ascending by flush, those since the older of the two starts */
    size_t          pending_count;
    size_t          pending_room;
};

/* A data file as LMDB reads it. */
struct view {
    MDB_env       *env;
    MDB_txn       *txn;
    const uint8_t *bytes;
    uint64_t       page_bytes;
    uint64_t       pages;
};

static void AW_NORETURN
fail(int rc, const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, mdb_strerror(rc));
    exit(2);
}

static void
must(int rc, const char *what)
{
    if (rc != MDB_SUCCESS)
        fail(rc, what);
}

struct seen *
seen_new(void)
{
    struct seen *seen = calloc(1, sizeof(*seen));

    if (seen == NULL)
        fail(ENOMEM, "what was seen");
    return seen;
}

void
seen_free(struct seen **seen)
{
    if (*seen == NULL)
        return;
    for (unsigned i = 0; i < 2; i++) {
        free((*seen)->starts[i].bytes);
        free((*seen)->starts[i].is_used);
    }
    free((*seen)->pending);
    free(*seen);
    *seen = NULL;
}

void
seen_flush(struct seen *seen)
{
    uint64_t oldest = seen->starts[seen->starts[1].flush < seen->starts[0].flush].flush;
    size_t   gone = 0;

    while (gone < seen->pending_count && seen->pending[gone].flush < oldest)
        gone++;
    seen->pending_count -= gone;
    if (gone > 0)
        memmove(seen->pending, seen->pending + gone, seen->pending_count * sizeof(*seen->pending));
    seen->flush++;
}

void
seen_pending(struct seen *seen, uint64_t page)
{
    if (seen->pending_count == seen->pending_room) {
        void *more = realloc(seen->pending, (seen->pending_room * 2 + 64) * sizeof(*seen->pending));

        if (more == NULL)
            fail(ENOMEM, "what is pending");
        seen->pending = more;
        seen->pending_room = seen->pending_room * 2 + 64;
    }
    seen->pending[seen->pending_count++] = (struct pending){seen->flush, page};
}

void
seen_begin(struct seen *seen, const char *keys)
{
    int     fd = open(keys, O_RDONLY | O_CLOEXEC);
    ssize_t len = 0;

    if (fd >= 0) {
        len = read(fd, seen->keys.bytes, sizeof(seen->keys.bytes));
        (void)close(fd);
    }
    if (len < 0 || len == (ssize_t)sizeof(seen->keys.bytes))
        must(EIO, keys);
    seen->keys.len = (size_t)len;
}

static void
view_begin(struct view *view, const char *folder)
{
    char        path[PATH_BYTES];
    MDB_envinfo info;
    MDB_stat    stat;
    int         fd;

    (void)snprintf(path, sizeof(path), "%s/data.mdb", folder);
    must(mdb_env_create(&view->env), path);
    must(mdb_env_open(view->env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0600), path);
    must(mdb_txn_begin(view->env, NULL, MDB_RDONLY, &view->txn), path);
    must(mdb_env_info(view->env, &info), path);
    must(mdb_env_stat(view->env, &stat), path);
    must(mdb_env_get_fd(view->env, &fd), path);
    view->page_bytes = stat.ms_psize;
    view->pages = info.me_last_pgno + 1;
    view->bytes = mmap(NULL, view->pages * view->page_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (view->bytes == MAP_FAILED)
        fail(errno, path);
}

static void
view_end(struct view *view)
{
    (void)munmap((void *)(uintptr_t)view->bytes, view->pages * view->page_bytes);
    mdb_txn_abort(view->txn);
    mdb_env_close(view->env);
}

/* The head that is followed, and all pages but the free ones. */
static void
find_used(const struct view *view, bool *is_used)
{
    MDB_cursor *cursor;
    MDB_val     key, list;
    int         rc;

    memset(is_used, true, view->pages);
    is_used[0] = is_used[1] = false;
    is_used[mdb_txn_id(view->txn) & 1] = true;
    must(mdb_cursor_open(view->txn, TREE_FREE, &cursor), "the list of free pages");
    while ((rc = mdb_cursor_get(cursor, &key, &list, MDB_NEXT)) == MDB_SUCCESS) {
        const size_t *pages = list.mv_data; /* their number, then each */

        for (size_t i = 1; i <= pages[0]; i++) {
            AW_ASSERT(pages[i] > 1 && pages[i] < view->pages);
            is_used[pages[i]] = false;
        }
    }
    mdb_cursor_close(cursor);
    must(rc == MDB_NOTFOUND ? MDB_SUCCESS : rc, "the list of free pages");
}

/* One after the other, as many as are in use together. Returns 0 behind the last. */
static uint64_t
next_used(const struct start *start, uint64_t *page)
{
    uint64_t count = 0;

    while (*page < start->pages && !start->is_used[*page])
        (*page)++;
    while (*page + count < start->pages && start->is_used[*page + count])
        count++;
    return count;
}

static bool
is_same(const struct seen *seen, const struct start *start, const struct view *view)
{
    if (start->txn != mdb_txn_id(view->txn) || start->pages != view->pages || start->keys.len != seen->keys.len ||
        memcmp(start->keys.bytes, seen->keys.bytes, seen->keys.len) != 0)
        return false;
    for (size_t i = seen->pending_count; i > 0 && seen->pending[i - 1].flush >= start->flush; i--) {
        uint64_t page = seen->pending[i - 1].page;

        if (page < start->pages && start->is_used[page] &&
            memcmp(start->bytes + page * view->page_bytes, view->bytes + page * view->page_bytes, view->page_bytes) != 0)
            return false;
    }
    return true;
}

uint64_t
seen_find(struct seen *seen, const char *folder)
{
    struct view   view;
    struct start *start;
    uint64_t      next_seq;

    view_begin(&view, folder);
    start = &seen->starts[mdb_txn_id(view.txn) & 1];
    next_seq = is_same(seen, start, &view) ? start->next_seq : 0;
    view_end(&view);
    return next_seq;
}

static void
make_room(struct start *start, const struct view *view)
{
    if (start->room >= view->pages)
        return;
    free(start->bytes);
    free(start->is_used);
    start->room = view->pages * 2;
    start->bytes = malloc(start->room * view->page_bytes);
    start->is_used = calloc(start->room, sizeof(*start->is_used));
    if (start->bytes == NULL || start->is_used == NULL)
        fail(ENOMEM, "a copy of a state");
}

void
seen_keep(struct seen *seen, const char *folder, uint64_t next_seq)
{
    struct view   view;
    struct start *start;
    uint64_t      count;

    view_begin(&view, folder);
    start = &seen->starts[mdb_txn_id(view.txn) & 1];
    make_room(start, &view);
    start->txn = mdb_txn_id(view.txn);
    start->flush = seen->flush;
    start->next_seq = next_seq;
    start->pages = view.pages;
    start->keys = seen->keys;
    find_used(&view, start->is_used);
    for (uint64_t page = 0; (count = next_used(start, &page)) > 0; page += count)
        memcpy(start->bytes + page * view.page_bytes, view.bytes + page * view.page_bytes, count * view.page_bytes);
    view_end(&view);
}
