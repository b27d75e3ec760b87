/* store.h - opens a store: the LMDB engine for real use, the memory engine for tests and simulation. Both are one aw_journal and
 * one aw_table (port/journal.h, port/table.h).
 *
 * Who owns: the caller owns what it opened, until aw_journal_close, which closes the table too. Thread: open/close by main, before
 * and after the others run.
 */
#ifndef AW_STORE_STORE_H
#define AW_STORE_STORE_H

#include "base/why.h"
#include "port/journal.h"
#include "port/table.h"

struct aw_keyring;
struct aw_pages_watch;

enum aw_store_access {
    AW_STORE_SERVE, /* exclusive lock on the folder; created when missing */
    AW_STORE_READ,  /* for offline tools beside a running server: no lock, no write, nothing created */
};

struct aw_store_config {
    const char          *folder; /* borrowed during the call */
    enum aw_store_access access;
    uint8_t              shard;
    /* 0 in any of these: the default. */
    uint64_t bytes_max;     /* our limit, may change later (aw_lmdb_set_bytes_max); default 64 GiB */
    uint64_t map_bytes;     /* address space, fixed; at least bytes_max; default 1 TiB */
    uint64_t reserve_bytes; /* kept free, on real blocks of the disk, for draining; default 64 MiB */
    uint32_t readers_max;   /* default 64 */
    /* What is stored is sealed by the keys in this file (store/keyring.h), made with the store. NULL: a store without, as tests
     * use; with AW_STORE_READ, of one with keys only what is clear can be read (AW_E_SEALED). */
    const char *keys;
    const char *store_key; /* a file that seals that one; NULL: none */
    /* Told how far the walk through the pages is, which takes long in a large store; NULL: nobody is (store/pages.h). */
    const struct aw_pages_watch *watch;
};

/* AW_E_IN_USE another server holds the folder, or the key file; AW_E_VERSION written by a newer aswolk (nothing was touched);
 * AW_E_CORRUPT; AW_E_IO (not writable, not a folder, no room for the reserve of a new store; a store that is there opens on a full
 * disk too, and takes what its blocks have room for); AW_E_CONFIG (of another shard, map smaller than the limit, made without
 * keys); AW_E_SEALED (its key file is missing, can't be read, is damaged, of another store, older than the store, or under another
 * secret); AW_E_MEMORY; AW_E_NOT_FOUND with AW_STORE_READ. Creating fsyncs the folder and its parent. Drops cached pages of the
 * store first, so that what is verified is what the disk holds. With AW_STORE_READ only readers, identity and the table's reads may
 * be called, by one thread: the key file is read again when something is sealed by a generation that began since. */
AW_MUST_USE enum aw_err aw_lmdb_open(struct aw_journal **ret_journal, struct aw_table **ret_table,
                                     const struct aw_store_config *config, struct aw_why *why);
/* Walks through all pages of an opened store, as they are now: store/pages.h says what is checked, and fails with what. Holds one
 * snapshot meanwhile: not for a store that a server writes to, whose pages it would keep from being used again. */
struct aw_pages_sum;
AW_MUST_USE enum aw_err aw_lmdb_check(struct aw_journal *journal, struct aw_pages_sum *ret_sum, struct aw_why *why);
/* Whether another process reads or serves it just now. */
bool aw_lmdb_is_shared(struct aw_journal *journal);
/* Where the keys of a store lie by default: beside its folder, so that who copies that does not copy them. False: the path is too
 * long, or ends in a dot and has no name. */
AW_MUST_USE bool aw_store_keys_path(const char *folder, char *ret_path, size_t bytes);
/* What the first write does otherwise, with words: a generation of keys begins (store/keyring.h). Nothing when that is so, or there
 * are no keys. AW_E_SEALED, AW_E_TABLE_FULL (of the keys), AW_E_IO, AW_E_MEMORY: nothing was written. Thread: who will write. */
AW_MUST_USE enum aw_err aw_lmdb_begin(struct aw_journal *journal, struct aw_why *why);
/* The keys that it seals by; NULL: it has none. Borrowed until close. */
struct aw_keyring *aw_lmdb_keyring(struct aw_journal *journal);
/* Nothing below this record is read any more from this store, not by a start either: the last checkpoint lies at or behind the
 * anchor, and what wrote it had not ended before that. Within a snapshot of the reader, which fails with what is said there. */
struct aw_journal_reader;
AW_MUST_USE enum aw_err aw_store_floor(struct aw_journal_reader *reader, uint64_t *ret_floor);
/* The last generation of keys that something in the store was sealed by, so that an older key file does not do; 0: it has none.
 * Read anew at each call. */
uint32_t aw_lmdb_key_generation(struct aw_journal *journal);
/* Takes effect with the next room. Thread: the committer. */
void aw_lmdb_set_bytes_max(struct aw_journal *journal, uint64_t bytes_max);

/* What the writer asks of the engine. */
enum aw_fault_at {
    AW_FAULT_AT_SUBMIT,
    AW_FAULT_AT_FLUSH,
    AW_FAULT_AT_POLL,
    AW_FAULT_AT_PUT,
    AW_FAULT_AT_MARK,
    AW_FAULT_AT_ABANDON,
    AW_FAULT_AT_DROP,
    AW_FAULT_AT_KEEP,
    AW_FAULT_AT_UNKEEP,
    AW_FAULT_AT_ANCHOR,
    AW_FAULT_AT_TRIM,
};
#define AW_FAULT_PLACES 11U
/* What may become of that. */
enum aw_fault {
    AW_FAULT_NONE,
    AW_FAULT_BROKEN,      /* it fails, and nothing is durable that was not before */
    AW_FAULT_BROKEN_KEPT, /* FLUSH: it fails, and all of it is durable */
    AW_FAULT_FULL,        /* PUT, KEEP, UNKEEP: no room */
    AW_FAULT_LATER,       /* POLL: nothing is reported just now */
    AW_FAULT_TWICE,       /* POLL: this report comes once more */
};
#define AW_FAULT_KINDS 6U

/* What a crash leaves of the batches that were submitted and not flushed. */
enum aw_crash_leaves {
    AW_CRASH_LEAVES_BY_PLAN, /* nothing, or with lose_unflushed off all of it */
    AW_CRASH_LEAVES_SOME,    /* the first ones, without what else the flush would have held */
    AW_CRASH_LEAVES_TORN,    /* as before, and a part of the next one: an engine that lied */
    AW_CRASH_LEAVES_GAP,     /* all but the first: likewise */
};

/* What goes wrong, and when. Counts are from the opening; 0: never. */
struct aw_fault_plan {
    uint64_t             seed;          /* of the identity: the same seed, the same store */
    uint64_t             fail_flush_at; /* the nth flush says BROKEN; what it held is kept or lost by fail_flush_keeps */
    bool                 fail_flush_keeps;
    uint64_t             fail_submit_at;   /* the nth submit says BROKEN */
    uint64_t             full_from_bytes;  /* room ends here; 0: 1 TiB */
    uint64_t             reserve_bytes;    /* the last of it; 0: an eighth */
    uint64_t             ahead_bytes;      /* of that, the most that lies ready between two flushes for posts; 0: all */
    uint32_t             completion_delay; /* polls that report nothing after each flush */
    bool                 lose_unflushed;   /* at a crash (aw_memory_crash) only what was flushed remains; else all of it */
    enum aw_crash_leaves crash_leaves;
    /* Asked at each of these operations, before it begins; NULL: nobody is. It may do what other threads would do meanwhile. */
    enum aw_fault (*draw)(void *user, enum aw_fault_at at);
    /* Whether the key of this body is there: one that was erased is not found. NULL: none is sealed. */
    bool (*has_key)(void *user, uint64_t seq);
    void *user;
};

/* Empty at first, or with what `aw_memory_crash` left. Deterministic: no clock, no thread, no lock. Everything, readers too,
 * belongs to one thread, or to threads that take turns under the caller's own order. AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_memory_open(struct aw_journal **ret_journal, struct aw_table **ret_table,
                                       const struct aw_fault_plan *plan, struct aw_why *why);
/* As if the machine lost power now, then opens again: the journal's memory is what was durable. Readers must be freed before.
 * Batches not yet polled are reported no more. The table's handle stays valid as well. */
void aw_memory_crash(struct aw_journal *journal, const struct aw_fault_plan *next_plan);
/* Whether the crash left what no engine may leave (AW_CRASH_LEAVES_TORN, AW_CRASH_LEAVES_GAP, and there was something to damage).
 * aw_memory_mend takes that away, as a restore would: what was durable stays. */
bool aw_memory_is_damaged(struct aw_journal *journal);
void aw_memory_mend(struct aw_journal *journal);

#endif
