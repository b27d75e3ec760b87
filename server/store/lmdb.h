/* lmdb.h - the inside of the LMDB engine: one environment, one write transaction that collects until a flush commits it.
 *
 * Files: lmdb_open.c (folder, lock, creation, opening), lmdb.c (submit, flush, trim), lmdb_seal.c (what is sealed, and how),
 * lmdb_room.c (pages: what is left, what a
 * put may take), lmdb_read.c (readers), lmdb_table.c (checkpoint generations), lmdb_kept.c (the anchor, and what outlives its
 * batch). Not for anybody outside store/.
 *
 * Owns: the environment, the lock file. Thread: everything here belongs to the committer, but `broken` (set once, read by all) and
 * what readers use: env, tree, identity (set at open, then read-only). Lasts from aw_lmdb_open to aw_journal_close.
 * Fails: any failed call of LMDB in a write breaks the engine for ever (aw_lmdb_break).
 */
#ifndef AW_STORE_LMDB_H
#define AW_STORE_LMDB_H

#include "base/latch.h"
#include "port/journal.h"
#include "port/table.h"
#include "store/keyring.h"
#include "store/store.h"
#include "store/value.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

enum aw_tree {
    AW_TREE_META,        /* text keys: "identity", "mark", "anchor", "keys", "copy"; see_note in pages.c knows each of them */
    AW_TREE_JOURNAL,     /* first_seq -> batch */
    AW_TREE_BODIES,      /* seq -> body */
    AW_TREE_IDS,         /* first_seq -> hashes of the batch's messages */
    AW_TREE_TABLE0,      /* table << 32 | chunk -> rows, generation 0 */
    AW_TREE_TABLE1,      /* generation 1 */
    AW_TREE_KEPT,        /* seq -> what is kept of a record */
    AW_TREE_KEPT_BODIES, /* seq -> kept body */
    AW_TREE_COUNT,
};
struct aw_lmdb_tree {
    const char *name;
    unsigned    flags;
};
extern const struct aw_lmdb_tree aw_lmdb_trees[AW_TREE_COUNT];
/* LMDB's own two: the free list, and the tree of trees. */
#define AW_DBI_FREE 0U
#define AW_DBI_MAIN 1U

/* Pages that one commit may give back. LMDB keeps the list of them in one page up to 509 entries; with more it would need a run of
 * adjacent pages (see value.h). The difference is for the pages that every commit replaces. */
#define AW_PAGES_FREED_MAX 400U

/* How many commits we remember the freed pages of. Older ones can only be held by a reader that has stood still meanwhile. */
#define AW_LEDGER_COMMITS 4096U

/* Where the pages are, as of the last commit, and what the transaction under way took. Counts are pages. See lmdb_room.c. */
struct aw_lmdb_room {
    uint64_t limit;      /* bytes_max */
    uint64_t reserve;    /* reserve_bytes */
    uint64_t owed;       /* kept ready beside it, as the port's set_owed says */
    uint64_t end;        /* LMDB's last page + 1 */
    uint64_t allocated;  /* the file has real blocks up to here */
    uint64_t live;       /* in use by trees and LMDB itself */
    uint64_t held;       /* free, but a reader or the next commit may still need them */
    uint64_t touched;    /* most that one commit replaces */
    uint64_t taken;      /* by the transaction under way */
    uint64_t freed;      /* by the transaction under way */
    bool     is_short;   /* the last attempt to allocate found no room, or did not come to its end */
    bool     is_serving; /* the first attempt that knew what is owed is over: others wait for the next ones */
    aw_ns    retry_at;   /* when to try again */
    uint64_t commits;    /* since open, to check for stale readers now and then */
    /* The ledger: pages freed by the commits up to `last_txn`. */
    uint64_t    first_txn;
    uint64_t    last_txn;
    uint64_t    fresh; /* freed since the look before */
    uint32_t    freed_by[AW_LEDGER_COMMITS];
    MDB_txn    *snapshot; /* read-only; renewed for a look after each commit */
    MDB_cursor *free_list;
};

/* Checkpoint generations: trees TABLE0 and TABLE1. */
#define AW_GENERATION_NONE UINT32_MAX
struct aw_lmdb_table {
    struct aw_checkpoint_mark mark; /* of `current` */
    uint32_t                  current;
    uint32_t                  growing; /* being written */
    uint32_t                  chunks;  /* put into it */
    uint64_t                  last_id;
    struct aw_checkpoint_mark next_mark; /* put, not yet durable */
    bool                      marked;
};

struct aw_lmdb {
    struct aw_journal journal; /* first: the port's handle is this struct */
    struct aw_table   table;
    /* Set at open, then read-only for all. */
    MDB_env                 *env;
    MDB_dbi                  tree[AW_TREE_COUNT];
    struct aw_store_identity identity;
    struct aw_keyring       *keyring; /* owns; NULL: nothing is sealed, or a tool has no keys */
    bool                     is_sealed;
    char                    *keys_path;         /* owns; of a tool, to read the key file again */
    char                    *secret_path;       /* the same */
    uint32_t                 generation_sought; /* the file's last one when it was read again */
    uint32_t                 page_bytes;
    uint64_t                 pages_map; /* no page number reaches this */
    bool                     read_only;
    int                      lock_fd;
    int                      data_fd; /* borrows: LMDB's own descriptor */
    /* Committer only. */
    MDB_txn               *txn;                 /* NULL between a flush and the next put */
    uint8_t               *sealed;              /* owns: what is about to be put, sealed */
    bool                   is_generation_noted; /* a flush with the keys' generation was tried */
    uint64_t               next_seq;
    uint64_t               last_index; /* 0: not known yet */
    uint64_t               pending[AW_SUBMITS_MAX];
    uint32_t               pending_count;
    struct aw_journal_done done[AW_SUBMITS_MAX];
    uint32_t               done_at;
    uint32_t               done_count;
    struct aw_lmdb_room    room;
    struct aw_lmdb_table   generations;
    /* Set by the committer, read by readers. */
    struct aw_latch broken;
};

struct aw_lmdb *aw_lmdb_of(struct aw_journal *journal);
struct aw_lmdb *aw_lmdb_of_table(struct aw_table *table);
bool            aw_lmdb_is_broken(const struct aw_lmdb *store);
/* Aborts what is under way; from here on nothing is written or acknowledged. */
void aw_lmdb_break(struct aw_lmdb *store);
/* Begins the write transaction if there is none. False: broken. */
AW_MUST_USE bool aw_lmdb_write(struct aw_lmdb *store);
/* Puts a value into a tree as the store keeps it: sealed, if it seals. MDB codes. */
AW_MUST_USE int aw_lmdb_append(struct aw_lmdb *store, enum aw_tree tree, uint64_t id, uint32_t count, struct aw_slice bytes);
/* What the store adds to a value of this tree. */
uint32_t aw_lmdb_seal_bytes(const struct aw_lmdb *store, enum aw_tree tree);
/* What was put, out of what lies there; in `buffer`, unless it is clear. MDB codes, MDB_NOTFOUND: it was erased; and: */
#define AW_LMDB_SEALED    (MDB_LAST_ERRCODE + 1) /* there are no keys to open it with */
#define AW_LMDB_KEYS_GONE (MDB_LAST_ERRCODE + 2) /* a file that had them let them go */
AW_MUST_USE int aw_lmdb_unseal(struct aw_lmdb *store, enum aw_tree tree, uint64_t id, struct aw_slice stored,
                               struct aw_value_buffer *buffer, struct aw_slice *ret_bytes);
/* AW_OK, AW_E_NOT_FOUND, AW_E_CORRUPT, AW_E_VERSION, AW_E_SEALED, AW_E_MEMORY or AW_E_IO for a result of LMDB, with words. */
enum aw_err aw_lmdb_err(int rc, struct aw_why *why, const char *doing);
/* Gives the folder's lock back; -1 is none. */
void aw_lmdb_lock_close(int lock_fd);
/* Frees everything; accepts a half-built store. */
void aw_lmdb_free(struct aw_lmdb *store);

extern const struct aw_journal_ops aw_lmdb_journal_ops;
extern const struct aw_table_ops   aw_lmdb_table_ops;

/* lmdb_room.c */
/* Looks at the file for the first time and allocates the reserve. AW_E_IO when a new store has no room for it. */
AW_MUST_USE enum aw_err aw_lmdb_room_open(struct aw_lmdb *store, const struct aw_store_config *config, bool created,
                                          struct aw_why *why);
void                    aw_lmdb_room_close(struct aw_lmdb *store);
/* After a commit: counts anew, allocates ahead. False: the look failed or the disk did (not for being full). */
AW_MUST_USE bool aw_lmdb_room_look(struct aw_lmdb *store);
/* Tries to allocate again if the disk was full a while ago. False: the disk failed. */
AW_MUST_USE bool aw_lmdb_room_retry(struct aw_lmdb *store);
/* Pages left for puts in the transaction under way, after what commits need for themselves. */
uint64_t aw_lmdb_room_pages(const struct aw_lmdb *store);
/* Most pages that nodes of so many bytes take in appended trees. */
uint64_t aw_lmdb_room_need(const struct aw_lmdb *store, uint64_t node_bytes);
void     aw_lmdb_set_owed(struct aw_journal *journal, uint64_t bytes);
void     aw_lmdb_room(struct aw_journal *journal, struct aw_journal_room *ret_room);
uint64_t aw_lmdb_cost(struct aw_journal *journal, uint64_t record_bytes, uint64_t body_bytes);
/* Pages of one tree as the write transaction sees it. */
uint64_t aw_lmdb_tree_pages(const struct aw_lmdb *store, enum aw_tree tree);
/* Pages from the root of a tree to a leaf. */
uint32_t aw_lmdb_tree_depth(const struct aw_lmdb *store, enum aw_tree tree);
/* Takes note of what an append or a deletion did to a tree that had `before` pages. */
void aw_lmdb_room_note(struct aw_lmdb *store, enum aw_tree tree, uint64_t before);

/* lmdb_read.c */
struct aw_journal_reader *aw_lmdb_reader_new(struct aw_journal *journal);
void                      aw_lmdb_reader_free(struct aw_journal_reader *handle);
enum aw_err               aw_lmdb_read_begin(struct aw_journal_reader *handle);
void                      aw_lmdb_read_end(struct aw_journal_reader *handle);
enum aw_err               aw_lmdb_read_batch(struct aw_journal_reader *handle, uint64_t seq, struct aw_slice *ret_bytes);
enum aw_err               aw_lmdb_read_body(struct aw_journal_reader *handle, uint64_t seq, struct aw_slice *ret_bytes);
enum aw_err               aw_lmdb_find_body(struct aw_journal_reader *handle, uint64_t seq, uint64_t *ret_seq);
enum aw_err               aw_lmdb_find_batch(struct aw_journal_reader *handle, uint64_t first_seq, uint64_t *ret_first_seq);
enum aw_err               aw_lmdb_read_next(struct aw_journal_reader *reader, uint64_t first_seq, uint64_t *ret_first_seq,
                                            struct aw_slice *ret_bytes);
enum aw_err aw_lmdb_read_last(struct aw_journal_reader *handle, uint64_t *ret_first_seq, struct aw_slice *ret_bytes);
enum aw_err aw_lmdb_read_ids(struct aw_journal_reader *reader, uint64_t first_seq, uint64_t *ret_first_seq,
                             struct aw_slice *ret_bytes);
enum aw_err aw_lmdb_read_anchor(struct aw_journal_reader *handle, struct aw_journal_anchor *ret_anchor);
enum aw_err aw_lmdb_read_kept(struct aw_journal_reader *handle, enum aw_kept_kind kind, uint64_t seq, struct aw_kept *ret_kept);
enum aw_err aw_lmdb_find_kept(struct aw_journal_reader *handle, enum aw_kept_kind kind, uint64_t seq, struct aw_kept *ret_kept);
/* The sequence number that the next batch starts with: 1 in an empty store. */
AW_MUST_USE enum aw_err aw_lmdb_find_next_seq(struct aw_lmdb *store, uint64_t *ret_seq, struct aw_why *why);

/* lmdb_seal.c */
/* Opens the keys of the store that `identity` names, and makes its keys of hashes those that it works with. AW_E_CONFIG, ... */
AW_MUST_USE enum aw_err aw_lmdb_keys_open(struct aw_lmdb *store, const struct aw_store_config *config, struct aw_why *why);
/* Whether the key file is as young as the store; next_seq is known. Nothing is changed. */
AW_MUST_USE enum aw_err aw_lmdb_keys_check(struct aw_lmdb *store, struct aw_why *why);
/* The same of a tool's, which reads the file anew first. AW_E_SEALED. */
AW_MUST_USE enum aw_err aw_lmdb_keys_compare(struct aw_lmdb *store, struct aw_why *why);
/* Before each transaction that writes: the first begins a generation, a later one uses the next when one is ready. False: the key
 * file can't be replaced. */
AW_MUST_USE bool aw_lmdb_keys_take(struct aw_lmdb *store);
/* Joins the transaction under way: the store has seen this generation. MDB codes. */
AW_MUST_USE int aw_lmdb_note_generation(struct aw_lmdb *store);

/* lmdb_kept.c */
enum aw_tree    aw_lmdb_kept_tree(enum aw_kept_kind kind);
enum aw_outcome aw_lmdb_keep(struct aw_journal *journal, enum aw_kept_kind kind, const struct aw_kept *kept);
enum aw_outcome aw_lmdb_unkeep(struct aw_journal *journal, enum aw_kept_kind kind, uint64_t seq);
enum aw_outcome aw_lmdb_set_anchor(struct aw_journal *journal, const struct aw_journal_anchor *anchor);
/* The anchor as `txn` sees it. MDB_NOTFOUND, MDB_CORRUPTED. */
AW_MUST_USE int aw_lmdb_get_anchor(const struct aw_lmdb *store, MDB_txn *txn, struct aw_journal_anchor *ret_anchor);

/* copy.c: the note in the meta tree of what is a backup or was made of one. AW_E_NOT_FOUND, AW_E_CORRUPT. */
struct aw_copy_note;
AW_MUST_USE enum aw_err aw_lmdb_get_note(MDB_txn *txn, MDB_dbi meta, struct aw_copy_note *ret_note);

/* lmdb_table.c */
#define AW_MARK_TEXT "mark" /* its key in the meta tree */
/* Finds the current generation. AW_E_CORRUPT, AW_E_IO. */
AW_MUST_USE enum aw_err aw_lmdb_table_open(struct aw_lmdb *store, struct aw_why *why);
/* The mark as it is stored. False: it fails its checks. */
AW_MUST_USE bool aw_lmdb_mark_read(struct aw_slice bytes, struct aw_checkpoint_mark *ret_mark, uint32_t *ret_generation);
/* The flush that held the mark, if any, succeeded. */
void aw_lmdb_table_flushed(struct aw_lmdb *store);

#endif
