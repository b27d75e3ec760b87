/* pages.c - LMDB's pages as they lie on the disk (its data format 1, little-endian, 64 bits), and the walk.
 *
 *   page   u64 number, u16 -, u16 kind, u16 lower, u16 upper (of a run: u32 pages), then u16 places of nodes, then free, then nodes
 *   node   u16 lo, u16 hi, u16 flags, u16 key bytes, key, data: of a branch lo, hi and flags are the number of the page below; of a
 *          leaf lo and hi are the bytes of the data, which lie behind the key or, flagged, in a run of pages of their own
 *   head   pages 0 and 1: magic, version, address, map bytes, two trees (free list, tree of trees), last page, transaction
 *   tree   u32 -, u16 flags, u16 depth, branch, leaf and run pages, entries, root
 */
#include "store/pages.h"

#include "base/hash.h"
#include "base/slice.h"
#include "store/lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES_MIN  512U
#define PAGE_BYTES_MAX  65536U
#define PAGE_HEAD_BYTES 16U
#define NODE_HEAD_BYTES 8U
#define META_BYTES      152U /* with the page's head */
#define TREE_BYTES      48U
#define LMDB_MAGIC      0xBEEFC0DEU
#define LMDB_VERSION    1U
#define NO_PAGE         UINT64_MAX
#define DEPTH_MAX       32U
#define TREES_MAX       16U
#define NAME_BYTES      32U
#define HEADS_TRIES     64U
#define TELL_EVERY      1024U /* pages read */

#define KIND_BRANCH 0x01U
#define KIND_LEAF   0x02U
#define KIND_RUN    0x04U
#define KIND_META   0x08U

#define TREE_INTEGER_KEYS 0x08U
/* Of the environment, which LMDB notes with the list of free pages: that the store was made by the path of its file. */
#define ENV_NO_FOLDER 0x4000U

#define NODE_RUN  0x01U
#define NODE_TREE 0x02U

struct tree {
    char     name[NAME_BYTES];
    uint16_t flags;
    bool     has_numbers; /* for keys */
    bool     is_free_list;
    bool     is_of_trees;
    uint64_t leaves_from; /* leaves with keys below need not be read */
    uint16_t depth;
    uint64_t branches;
    uint64_t leaves;
    uint64_t runs;
    uint64_t entries;
    uint64_t root;
};

struct head {
    uint32_t    page_bytes;
    struct tree free_list;
    struct tree trees;
    uint64_t    last_page;
    uint64_t    txn;
};

struct walk {
    int                          fd;
    enum aw_pages_depth          depth;
    const struct aw_pages_watch *watch; /* borrows; NULL: nobody wants to know */
    struct aw_why               *why;   /* borrows; may be NULL */
    struct head                  head;
    uint8_t                     *seen;    /* owns: a bit a page */
    uint8_t                     *buffers; /* owns: a page for each level */
    struct tree                  found[TREES_MAX];
    uint32_t                     found_count;
    uint64_t                     mark_seq; /* of the checkpoint; 0: none */
    struct aw_pages_sum          sum;
    /* The tree under way. */
    const struct tree *tree;
    struct tree        count;   /* what was met of it */
    bool               skipped; /* some of its leaves */
};

/* --- bytes ---------------------------------------------------------------------------------------------------------------- */

static uint16_t
get_u16(const uint8_t *from)
{
    uint16_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static uint32_t
get_u32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static uint64_t
get_u64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static enum aw_err
read_at(int fd, uint64_t offset, uint8_t *to, size_t len, struct aw_why *why)
{
    size_t at = 0;

    while (at < len) {
        ssize_t got = pread(fd, to + at, len - at, (off_t)(offset + at));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return aw_why_errno(why, AW_E_IO, errno, "byte %" PRIu64 " of the data file can't be read", offset + at);
        if (got == 0)
            return aw_why(why, AW_E_CORRUPT, "the data file is cut short: it ends at byte %" PRIu64, offset + at);
        at += (size_t)got;
    }
    return AW_OK;
}

/* --- heads ---------------------------------------------------------------------------------------------------------------- */

static void
read_tree(const uint8_t *from, struct tree *ret_tree)
{
    ret_tree->flags = get_u16(from + 4);
    ret_tree->has_numbers = (ret_tree->flags & TREE_INTEGER_KEYS) != 0;
    ret_tree->depth = get_u16(from + 6);
    ret_tree->branches = get_u64(from + 8);
    ret_tree->leaves = get_u64(from + 16);
    ret_tree->runs = get_u64(from + 24);
    ret_tree->entries = get_u64(from + 32);
    ret_tree->root = get_u64(from + 40);
}

static enum aw_err
read_head(int fd, uint64_t number, uint32_t page_bytes, struct head *ret_head, struct aw_why *why)
{
    uint8_t     bytes[META_BYTES];
    enum aw_err err = read_at(fd, number * page_bytes, bytes, sizeof(bytes), why);

    if (err != AW_OK)
        return err;
    if (get_u32(bytes + 16) != LMDB_MAGIC || get_u16(bytes + 10) != KIND_META)
        return aw_why(why, AW_E_CORRUPT, "not a store of aswolk, or page %" PRIu64 ", a head of the data file, is damaged",
                      number);
    if (get_u32(bytes + 20) != LMDB_VERSION)
        return aw_why(why, AW_E_VERSION, "the data file has LMDB's format %u, this aswolk knows %u", get_u32(bytes + 20),
                      LMDB_VERSION);
    *ret_head = (struct head){.page_bytes = get_u32(bytes + 40), .last_page = get_u64(bytes + 136), .txn = get_u64(bytes + 144)};
    read_tree(bytes + 40, &ret_head->free_list);
    read_tree(bytes + 88, &ret_head->trees);
    if (get_u64(bytes) != number || ret_head->page_bytes < PAGE_BYTES_MIN || ret_head->page_bytes > PAGE_BYTES_MAX ||
        (ret_head->page_bytes & (ret_head->page_bytes - 1)) != 0 ||
        (ret_head->free_list.flags & ~ENV_NO_FOLDER) != TREE_INTEGER_KEYS || ret_head->trees.flags != 0)
        return aw_why(why, AW_E_CORRUPT, "page %" PRIu64 ", a head of the data file, is damaged", number);
    return AW_OK;
}

/* A page behind the end of the file can't be mapped: better an error here than a fault in the middle of a read. */
static enum aw_err
check_length(int fd, const struct head *head, struct aw_why *why)
{
    struct stat file;

    if (fstat(fd, &file) != 0)
        return aw_why_errno(why, AW_E_IO, errno, "the data file");
    if ((uint64_t)file.st_size / head->page_bytes <= head->last_page)
        return aw_why(why, AW_E_CORRUPT, "the data file is cut short: it is shorter than its last page, %" PRIu64,
                      head->last_page);
    return AW_OK;
}

static enum aw_err
read_heads(int fd, struct head heads[2], struct aw_why *why)
{
    enum aw_err err = read_head(fd, 0, 0, &heads[0], why);

    if (err == AW_OK)
        err = read_head(fd, 1, heads[0].page_bytes, &heads[1], why);
    if (err != AW_OK)
        return err;
    /* Each commit writes the head that is not the newest; both are zero in a file without a commit. */
    if (heads[0].page_bytes != heads[1].page_bytes || (heads[0].txn & 1) != 0 ||
        ((heads[1].txn & 1) == 0 && (heads[0].txn | heads[1].txn) != 0) ||
        (heads[0].txn > heads[1].txn ? heads[0].txn - heads[1].txn : heads[1].txn - heads[0].txn) > 1)
        return aw_why(why, AW_E_CORRUPT,
                      "the heads of the data file (pages 0 and 1) do not follow each other: commits %" PRIu64 " and %" PRIu64,
                      heads[0].txn, heads[1].txn);
    return check_length(fd, &heads[heads[0].last_page < heads[1].last_page], why);
}

enum aw_err
aw_pages_check_heads(int fd, struct aw_why *why)
{
    struct head heads[2] = {{.page_bytes = 0}};
    enum aw_err err = AW_OK;

    for (unsigned i = 0; i < HEADS_TRIES; i++) {
        err = read_heads(fd, heads, why);
        if (err != AW_E_CORRUPT)
            break;
    }
    return err;
}

/* --- one page ------------------------------------------------------------------------------------------------------------- */

static enum aw_err
damaged(const struct walk *walk, uint64_t page, const char *what)
{
    return aw_why(walk->why, AW_E_CORRUPT, "page %" PRIu64 " (byte %" PRIu64 " of the data file), of the tree \"%s\": %s", page,
                  page * walk->head.page_bytes, walk->tree->name, what);
}

/* Takes note that a page is in use or free. False: it is neither, or was met before. */
static bool
try_see(struct walk *walk, uint64_t page)
{
    uint8_t bit = (uint8_t)(1U << (page & 7));

    if (page < 2 || page > walk->head.last_page || (walk->seen[page >> 3] & bit) != 0)
        return false;
    walk->seen[page >> 3] |= bit;
    walk->sum.pages++;
    return true;
}

static enum aw_err
read_page(struct walk *walk, uint64_t page, uint8_t *to)
{
    enum aw_err err = read_at(walk->fd, page * walk->head.page_bytes, to, walk->head.page_bytes, walk->why);

    if (err != AW_OK) {
        aw_why_prefix(walk->why, "page %" PRIu64 ", of the tree \"%s\"", page, walk->tree->name);
        return err;
    }
    if (walk->watch != NULL && walk->sum.read % TELL_EVERY == 0)
        walk->watch->tell(walk->watch->user, walk->sum.pages, walk->head.last_page + 1);
    walk->sum.read++;
    return get_u64(to) == page ? AW_OK : damaged(walk, page, "it bears another number");
}

static unsigned
node_count(const uint8_t *page)
{
    return (get_u16(page + 12) - PAGE_HEAD_BYTES) / 2;
}

static const uint8_t *
node_at(const uint8_t *page, unsigned i)
{
    return page + get_u16(page + PAGE_HEAD_BYTES + (size_t)2 * i);
}

static struct aw_slice
node_key(const uint8_t *node)
{
    return aw_slice_of((const char *)node + NODE_HEAD_BYTES, get_u16(node + 6));
}

static uint32_t
node_data_bytes(const uint8_t *node)
{
    return get_u16(node) | (uint32_t)get_u16(node + 2) << 16;
}

static const uint8_t *
node_data(const uint8_t *node)
{
    return node + NODE_HEAD_BYTES + get_u16(node + 6);
}

static uint64_t
node_child(const uint8_t *node)
{
    return get_u16(node) | (uint64_t)get_u16(node + 2) << 16 | (uint64_t)get_u16(node + 4) << 32;
}

/* Nodes fill the page from `upper` to its end, each rounded up to an even number of bytes. */
static bool
is_packed(const uint8_t *page, uint32_t page_bytes, bool is_leaf)
{
    uint32_t lower = get_u16(page + 12), upper = get_u16(page + 14), used = 0;

    /* In the largest pages `upper` may be 65,536, which is stored as 0: we make none of these. */
    if (lower < PAGE_HEAD_BYTES + 2 || (lower & 1) != 0 || upper < lower || upper > page_bytes)
        return false;
    for (unsigned i = 0; i < node_count(page); i++) {
        uint32_t place = get_u16(page + PAGE_HEAD_BYTES + (size_t)2 * i), bytes = NODE_HEAD_BYTES;

        if (place < upper || (place & 1) != 0 || place + bytes > page_bytes)
            return false;
        bytes += get_u16(page + place + 6);
        if (is_leaf && (get_u16(page + place + 4) & NODE_RUN) != 0)
            bytes += 8;
        else if (is_leaf)
            bytes += node_data_bytes(page + place) < page_bytes ? node_data_bytes(page + place) : page_bytes;
        bytes += bytes & 1;
        if (place + bytes > page_bytes)
            return false;
        used += bytes;
    }
    return used == page_bytes - upper;
}

static int
compare_keys(bool has_numbers, struct aw_slice a, struct aw_slice b)
{
    int order;

    if (has_numbers) {
        uint64_t x = get_u64((const uint8_t *)a.ptr), y = get_u64((const uint8_t *)b.ptr);

        return x < y ? -1 : x > y;
    }
    order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

/* What keys a page may have: at or above `low`, below `high`; without a pointer there is no bound. */
struct bounds {
    struct aw_slice low;
    struct aw_slice high;
};

/* The first key of a branch says nothing: all that is below the second lies there. */
static bool
are_keys_right(const struct walk *walk, const uint8_t *page, bool is_leaf, const struct bounds *bounds)
{
    struct aw_slice before = bounds->low;

    for (unsigned i = is_leaf ? 0 : 1; i < node_count(page); i++) {
        struct aw_slice key = node_key(node_at(page, i));
        int             order;

        if (walk->tree->has_numbers ? key.len != sizeof(uint64_t) : key.len == 0)
            return false;
        order = before.ptr == NULL ? -1 : compare_keys(walk->tree->has_numbers, before, key);
        if (order > 0 || (order == 0 && i > (is_leaf ? 0 : 1)))
            return false;
        before = key;
    }
    return bounds->high.ptr == NULL || before.ptr == NULL || compare_keys(walk->tree->has_numbers, before, bounds->high) < 0;
}

/* --- leaves --------------------------------------------------------------------------------------------------------------- */

/* u64 count, then the pages, the highest first. */
static enum aw_err
see_free(struct walk *walk, uint64_t leaf, const uint8_t *list, uint32_t bytes)
{
    uint64_t before = NO_PAGE;

    if (bytes < 8 || bytes % 8 != 0 || get_u64(list) != bytes / 8 - 1)
        return damaged(walk, leaf, "a list of free pages has a wrong length");
    for (uint32_t at = 8; at < bytes; at += 8) {
        uint64_t page = get_u64(list + at);

        if (page >= before || !try_see(walk, page))
            return damaged(walk, leaf, "a page in the list of free ones is in use, listed twice, or none of the file's");
        before = page;
        walk->sum.free++;
    }
    return AW_OK;
}

/* A run of pages: LMDB makes one only for a list of free pages that would not fit into half a page. A shorter list that is written
 * over that one keeps the whole run, so how long it is says the run, not the list. */
static enum aw_err
see_run(struct walk *walk, uint64_t leaf, uint64_t first, uint32_t bytes)
{
    uint64_t    needed = (PAGE_HEAD_BYTES + (uint64_t)bytes + walk->head.page_bytes - 1) / walk->head.page_bytes;
    uint64_t    pages = needed;
    uint8_t    *run;
    enum aw_err err = AW_OK;

    AW_ASSERT(needed > 0);
    if (first > walk->head.last_page || walk->head.last_page - first < needed - 1)
        return damaged(walk, leaf, "a run of pages reaches behind the last page");
    run = malloc((size_t)needed * walk->head.page_bytes);
    if (run == NULL)
        return aw_why(walk->why, AW_E_MEMORY, "no memory for the walk through the pages");
    err = read_at(walk->fd, first * walk->head.page_bytes, run, (size_t)needed * walk->head.page_bytes, walk->why);
    if (err == AW_OK)
        pages = get_u32(run + 12);
    if (err == AW_OK && (get_u64(run) != first || get_u16(run + 10) != KIND_RUN || pages < needed))
        err = damaged(walk, first, "it is not the run of pages that it should be");
    for (uint64_t i = 0; err == AW_OK && i < pages; i++) {
        if (!try_see(walk, first + i))
            err = damaged(walk, leaf, "a run of pages is in use twice, or reaches behind the last page");
    }
    if (err == AW_OK)
        err = see_free(walk, leaf, run + PAGE_HEAD_BYTES, bytes);
    walk->count.runs += pages;
    walk->sum.read += needed;
    free(run);
    return err;
}

/* LMDB goes by a tree's flags: by which order its keys lie, whether one key may have several values. */
static bool
has_right_flags(const struct tree *tree)
{
    for (unsigned i = 0; i < AW_TREE_COUNT; i++) {
        if (strcmp(tree->name, aw_lmdb_trees[i].name) == 0)
            return tree->flags == aw_lmdb_trees[i].flags;
    }
    return false;
}

static enum aw_err
take_tree(struct walk *walk, uint64_t leaf, const uint8_t *node)
{
    struct aw_slice name = node_key(node);
    struct tree    *tree;

    if (get_u16(node + 4) != NODE_TREE || node_data_bytes(node) != TREE_BYTES || name.len >= NAME_BYTES)
        return damaged(walk, leaf, "an entry is not a tree");
    if (walk->found_count == TREES_MAX)
        return damaged(walk, leaf, "there are more trees than a store of aswolk has");
    tree = &walk->found[walk->found_count++];
    *tree = (struct tree){.name = ""};
    read_tree(node_data(node), tree);
    memcpy(tree->name, name.ptr, name.len);
    return has_right_flags(tree) ? AW_OK : damaged(walk, leaf, "a tree is not one that a store of aswolk has");
}

/* What the store notes of itself: fields, then their CRC-32C. Under another name nobody would look for it, and without it an older
 * key file or an older state could pass. Of the identity only who reads it knows the format. */
static enum aw_err
see_note(struct walk *walk, uint64_t leaf, struct aw_slice name, struct aw_slice note)
{
    static const char *const  names[] = {"identity", AW_MARK_TEXT, "anchor", "keys", "copy"};
    struct aw_checkpoint_mark mark;
    uint32_t                  generation;
    unsigned                  at = 0;
    char                      what[64];

    while (at < AW_ARRAY_LEN(names) && !aw_slice_eq(name, aw_slice_str(names[at])))
        at++;
    if (at == AW_ARRAY_LEN(names))
        return damaged(walk, leaf, "a note has a name that a store of aswolk does not have");
    if (at > 0 && (note.len <= 4 || aw_crc32c(0, note.ptr, note.len - 4) != get_u32((const uint8_t *)note.ptr + note.len - 4))) {
        (void)snprintf(what, sizeof(what), "the note \"%s\" fails its checksum", names[at]);
        return damaged(walk, leaf, what);
    }
    if (strcmp(names[at], AW_MARK_TEXT) == 0 && aw_lmdb_mark_read(note, &mark, &generation))
        walk->mark_seq = mark.seq;
    return AW_OK;
}

static enum aw_err
see_node(struct walk *walk, uint64_t leaf, const uint8_t *node)
{
    uint32_t bytes = node_data_bytes(node);
    uint16_t flags = get_u16(node + 4);

    if (walk->tree->is_of_trees)
        return take_tree(walk, leaf, node);
    /* By the commit that freed them; the list of one to come would be written over by it. */
    if (walk->tree->is_free_list && get_u64((const uint8_t *)node_key(node).ptr) > walk->head.txn)
        return damaged(walk, leaf, "pages are listed as freed by a commit that has not been");
    if (flags == NODE_RUN && walk->tree->is_free_list)
        return see_run(walk, leaf, get_u64(node_data(node)), bytes);
    if (flags != 0)
        return damaged(walk, leaf, "a value is of a kind that a store of aswolk does not have");
    if (walk->tree->is_free_list)
        return see_free(walk, leaf, node_data(node), bytes);
    if (strcmp(walk->tree->name, "meta") == 0)
        return see_note(walk, leaf, node_key(node), aw_slice_of(node_data(node), bytes));
    return AW_OK;
}

static enum aw_err
see_leaf(struct walk *walk, uint64_t number, const uint8_t *page)
{
    walk->count.entries += node_count(page);
    for (unsigned i = 0; i < node_count(page); i++) {
        enum aw_err err = see_node(walk, number, node_at(page, i));

        if (err != AW_OK)
            return err;
    }
    return AW_OK;
}

/* --- trees ---------------------------------------------------------------------------------------------------------------- */

/* Which pages lie below is known from the page above: a leaf that nobody reads now is still counted as in use. */
static bool
is_passed_over(const struct walk *walk, const struct bounds *bounds)
{
    if (walk->tree->leaves_from == 0)
        return false;
    return bounds->high.ptr == NULL ? walk->tree->leaves_from == UINT64_MAX
                                    : get_u64((const uint8_t *)bounds->high.ptr) <= walk->tree->leaves_from;
}

/* Of what lies below the i-th entry of a branch. */
static struct bounds
bounds_below(const uint8_t *page, unsigned i, const struct bounds *bounds)
{
    struct bounds below = *bounds;

    if (i > 0)
        below.low = node_key(node_at(page, i));
    if (i + 1 < node_count(page))
        below.high = node_key(node_at(page, i + 1));
    return below;
}

/* Asks for all pages that are read below a branch at once. A start has dropped what was cached: page by page, each would wait for
 * the disk alone. */
static void
read_ahead(const struct walk *walk, const uint8_t *page, bool are_leaves, const struct bounds *bounds)
{
    uint64_t from = 0, to = 0; /* pages that follow each other */

    for (unsigned i = 0; i <= node_count(page); i++) {
        struct bounds below;
        uint64_t      child = 0;

        if (i < node_count(page)) {
            below = bounds_below(page, i, bounds);
            child = node_child(node_at(page, i));
            if (are_leaves && is_passed_over(walk, &below))
                continue;
        }
        if (child == to && i < node_count(page)) {
            to++;
            continue;
        }
        if (to > from) /* a hint: where it is not taken, pages come one by one */
            (void)posix_fadvise(walk->fd, (off_t)(from * walk->head.page_bytes), (off_t)((to - from) * walk->head.page_bytes),
                                POSIX_FADV_WILLNEED);
        from = child;
        to = child + 1;
    }
}

static enum aw_err
see_page(struct walk *walk, uint64_t number, unsigned level, const struct bounds *bounds)
{
    uint8_t    *page = walk->buffers + (size_t)level * walk->head.page_bytes;
    bool        is_leaf = level + 1 == walk->tree->depth;
    uint64_t   *met = is_leaf ? &walk->count.leaves : &walk->count.branches;
    enum aw_err err;

    if (!try_see(walk, number))
        return damaged(walk, number, "it is in use twice, or behind the last page");
    (*met)++;
    if (is_leaf && is_passed_over(walk, bounds)) {
        walk->skipped = true;
        return AW_OK;
    }
    err = read_page(walk, number, page);
    if (err != AW_OK)
        return err;
    if (get_u16(page + 10) != (is_leaf ? KIND_LEAF : KIND_BRANCH))
        return damaged(walk, number, is_leaf ? "it is no leaf" : "it is no branch");
    if (!is_packed(page, walk->head.page_bytes, is_leaf))
        return damaged(walk, number, "its entries do not lie as they should");
    if (!are_keys_right(walk, page, is_leaf, bounds))
        return damaged(walk, number, "its keys are not in order, or not those that belong there");
    if (is_leaf)
        return see_leaf(walk, number, page);
    /* LMDB takes a branch with one entry for its own mistake and ends the process; not in the free list. */
    if (node_count(page) < 2 && !walk->tree->is_free_list)
        return damaged(walk, number, "a branch has one entry only");
    read_ahead(walk, page, level + 2 == walk->tree->depth, bounds);
    for (unsigned i = 0; err == AW_OK && i < node_count(page); i++) {
        struct bounds below = bounds_below(page, i, bounds);

        err = see_page(walk, node_child(node_at(page, i)), level + 1, &below);
    }
    return err;
}

static enum aw_err
see_tree(struct walk *walk, const struct tree *tree)
{
    static const struct bounds all;
    enum aw_err                err;

    walk->tree = tree;
    walk->count = (struct tree){.name = ""};
    walk->skipped = false;
    if ((tree->root == NO_PAGE) != (tree->depth == 0) || tree->depth > DEPTH_MAX)
        return aw_why(walk->why, AW_E_CORRUPT, "the tree \"%s\" has a wrong depth", tree->name);
    err = tree->root == NO_PAGE ? AW_OK : see_page(walk, tree->root, 0, &all);
    if (err != AW_OK)
        return err;
    if (walk->count.branches != tree->branches || walk->count.leaves != tree->leaves || walk->count.runs != tree->runs ||
        (!walk->skipped && walk->count.entries != tree->entries))
        return aw_why(walk->why, AW_E_CORRUPT,
                      "the tree \"%s\" has %" PRIu64 " pages and %" PRIu64 " entries where it should have %" PRIu64
                      " and %" PRIu64,
                      tree->name, walk->count.branches + walk->count.leaves + walk->count.runs, walk->count.entries,
                      tree->branches + tree->leaves + tree->runs, tree->entries);
    return AW_OK;
}

static uint64_t
first_leaf_read(const struct walk *walk, const char *name)
{
    if (walk->depth == AW_PAGES_ALL)
        return 0;
    if (strcmp(name, "bodies") == 0 || strcmp(name, "kept") == 0 || strcmp(name, "kept_bodies") == 0)
        return UINT64_MAX;
    return strcmp(name, "journal") == 0 ? walk->mark_seq << AW_PIECE_BITS : 0;
}

static enum aw_err
see_trees(struct walk *walk)
{
    enum aw_err err;

    memcpy(walk->head.free_list.name, "free pages", sizeof("free pages"));
    memcpy(walk->head.trees.name, "trees", sizeof("trees"));
    walk->head.free_list.is_free_list = true;
    walk->head.trees.is_of_trees = true;
    walk->sum.pages = 2;
    err = see_tree(walk, &walk->head.trees);
    if (err == AW_OK)
        err = see_tree(walk, &walk->head.free_list);
    /* First the one that says where the checkpoint is. */
    for (uint32_t i = 0; err == AW_OK && i < walk->found_count; i++) {
        if (strcmp(walk->found[i].name, "meta") == 0)
            err = see_tree(walk, &walk->found[i]);
    }
    for (uint32_t i = 0; err == AW_OK && i < walk->found_count; i++) {
        walk->found[i].leaves_from = first_leaf_read(walk, walk->found[i].name);
        if (strcmp(walk->found[i].name, "meta") != 0)
            err = see_tree(walk, &walk->found[i]);
    }
    if (err == AW_OK && walk->sum.pages != walk->head.last_page + 1)
        err = aw_why(walk->why, AW_E_CORRUPT, "%" PRIu64 " pages of the data file are neither in use nor free",
                     walk->head.last_page + 1 - walk->sum.pages);
    return err;
}

/* The head of the snapshot that is asked for. */
static enum aw_err
choose_head(struct walk *walk, uint64_t txn)
{
    struct head heads[2] = {{.page_bytes = 0}};
    enum aw_err err = aw_pages_check_heads(walk->fd, walk->why);

    if (err == AW_OK)
        err = read_heads(walk->fd, heads, walk->why);
    if (err != AW_OK)
        return err == AW_E_CORRUPT && txn != 0 ? AW_E_AGAIN : err; /* it was whole a moment ago */
    walk->head = txn == 0 ? heads[heads[0].txn < heads[1].txn] : heads[txn & 1];
    if (txn != 0 && walk->head.txn != txn)
        return aw_why(walk->why, AW_E_AGAIN, "the snapshot was written over");
    return AW_OK;
}

enum aw_err
aw_pages_check(int fd, uint64_t txn, enum aw_pages_depth depth, const struct aw_pages_watch *watch, struct aw_pages_sum *ret_sum,
               struct aw_why *why)
{
    struct walk walk = {.fd = fd, .depth = depth, .watch = watch, .why = why};
    enum aw_err err = choose_head(&walk, txn);

    if (err != AW_OK)
        return err;
    walk.seen = calloc((size_t)(walk.head.last_page / 8 + 1), 1);
    walk.buffers = calloc(DEPTH_MAX, walk.head.page_bytes);
    err = walk.seen == NULL || walk.buffers == NULL ? aw_why(why, AW_E_MEMORY, "no memory for the walk through the pages")
                                                    : see_trees(&walk);
    free(walk.seen);
    free(walk.buffers);
    if (err != AW_OK)
        return err;
    walk.sum.page_bytes = walk.head.page_bytes;
    walk.sum.txn = walk.head.txn;
    *ret_sum = walk.sum;
    return AW_OK;
}
