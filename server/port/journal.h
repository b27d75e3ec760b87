/* journal.h - the seam to durable storage: an append-only sequence of batches, the bodies and duplicate hashes beside it, and what
 * of them outlives the batches.
 *
 * What is appended: batches (model/record.h tells their bytes; an engine treats them as opaque), each with a run of consecutive
 * record sequence numbers. Engines: store/lmdb (the real one), store/memory (tests and simulation, with a fault plan); a
 * replicated one can follow, which is why completions may arrive later and a submit has more outcomes than yes and no.
 *
 * Protocol of the one writer thread:  submit* -> flush -> poll until every submitted batch was reported.
 *   submit  the engine takes a copy or writes; the batch's memory is free again at return
 *   flush   makes all that was submitted (and the table rows put, port/table.h) durable as one unit; may return before it is
 *   poll    reports batches in index order, each once, with its outcome
 *   keep, unkeep, set_anchor, trim   join the next flush too: the copy, the anchor and what is deleted are one unit
 * A batch is acknowledged to anybody only after poll said OK. After the first BROKEN every later call says BROKEN, for ever.
 *
 * Who owns: the opener owns the engine, until aw_journal_close. Thread: writer calls by the committer; readers by any thread that
 * made one. Fails: by the outcomes below; an engine never retries a failed flush (a second fsync may lie).
 */
#ifndef AW_PORT_JOURNAL_H
#define AW_PORT_JOURNAL_H

#include "base/assert.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/time.h"
#include "base/why.h"

#include <stdbool.h>
#include <stdint.h>

enum aw_outcome {
    AW_OUTCOME_OK,       /* durable */
    AW_OUTCOME_CONFLICT, /* another writer holds the head: this node is deposed (replicated engines only) */
    AW_OUTCOME_UNKNOWN,  /* it may or may not be durable: re-read the head before anything else */
    AW_OUTCOME_FULL,     /* no room: nothing was changed */
    AW_OUTCOME_BROKEN,   /* a write or flush failed: nothing may be acknowledged any more */
};

/* Most of each, so that an engine can lay them out. */
#define AW_SEQ_MAX                 ((UINT64_C(1) << 54) - 1)
#define AW_JOURNAL_VALUE_BYTES_MAX (1536U * 1024U) /* a batch, its ids, a body */
#define AW_BATCH_FRAME_BYTES_MAX   256U            /* of a batch beside its records */
#define AW_ID_BYTES_MAX            32U             /* of the ids, for each record of the batch */

struct aw_journal_body {
    uint64_t        seq; /* of its record; ascending within a batch */
    struct aw_slice bytes;
};

struct aw_journal_batch {
    uint64_t                      index;     /* previous batch's + 1; the first batch of a store is 1 */
    uint64_t                      first_seq; /* previous batch's first_seq + count; the first record of a store is 1 */
    uint32_t                      count;     /* records, at least 1 */
    struct aw_slice               bytes;     /* header and records */
    struct aw_slice               ids;       /* hashes for the duplicate table, opaque, keyed by first_seq; may be empty */
    const struct aw_journal_body *bodies;
    uint32_t                      body_count;
};

struct aw_journal_done {
    uint64_t        index;
    enum aw_outcome outcome;
};

/* Room as the engine sees it now. Worst-case pages of trees are already taken off. No bytes when broken. */
struct aw_journal_room {
    uint64_t posts_bytes; /* for new messages: what is left above the reserve and what is owed */
    uint64_t drain_bytes; /* for everything else: with both */
    uint64_t used_bytes;
    uint64_t limit_bytes;
    uint64_t reserve_bytes; /* kept free, on real blocks of the disk */
    bool     is_broken;     /* perhaps just now, by looking: the next flush says so */
};

/* What identifies a store; written once when it is created. */
struct aw_store_identity {
    uint8_t            uuid[16];
    uint8_t            shard;
    uint32_t           format;    /* AW_STORE_FORMAT */
    struct aw_hash_key table_key; /* keys the hashes of identities and source ids */
    struct aw_hash_key token_key; /* makes lease tokens unguessable */
};
#define AW_STORE_FORMAT 6U

/* What is copied out of batches and bodies before they go: by their sequence number, one of each kind. */
enum aw_kept_kind { AW_KEPT_RECORD, AW_KEPT_BODY };
#define AW_KEPT_KINDS 2
struct aw_kept {
    uint64_t        seq;
    uint32_t        owner; /* whatever the caller finds by it whether the entry is needed still */
    struct aw_slice bytes;
};

/* Where the journal begins. Index 0: with its first batch. It moves only with a flush that also holds the last of what is kept of
 * the batches that it passes; what still lies below it then is waste. */
struct aw_journal_anchor {
    uint64_t         index;    /* of the last batch that is gone */
    uint64_t         next_seq; /* the first record that is left; the first of its batch */
    struct aw_sha256 hash;     /* chain hash of the batch `index` */
    uint64_t         kept_seq; /* records below were looked through, and what is needed of them is kept; at least next_seq */
    uint64_t         body_seq; /* bodies likewise; what is below is waste. At least next_seq */
    uint64_t         kept[AW_KEPT_KINDS]; /* how many there are */
};

struct aw_journal_reader; /* a snapshot of the journal; one a thread */

struct aw_journal;
struct aw_journal_ops {
    const struct aw_store_identity *(*identity)(struct aw_journal *);
    enum aw_outcome (*submit)(struct aw_journal *, const struct aw_journal_batch *);
    enum aw_outcome (*flush)(struct aw_journal *);
    bool (*poll)(struct aw_journal *, struct aw_journal_done *);
    void (*set_owed)(struct aw_journal *, uint64_t bytes);
    void (*room)(struct aw_journal *, struct aw_journal_room *);
    uint64_t (*cost)(struct aw_journal *, uint64_t record_bytes, uint64_t body_bytes);
    enum aw_err (*trim_step)(struct aw_journal *, uint64_t below_seq, uint64_t bodies_below_seq, uint32_t pages_max,
                             bool *ret_done);
    enum aw_outcome (*keep)(struct aw_journal *, enum aw_kept_kind, const struct aw_kept *);
    enum aw_outcome (*unkeep)(struct aw_journal *, enum aw_kept_kind, uint64_t seq);
    enum aw_outcome (*set_anchor)(struct aw_journal *, const struct aw_journal_anchor *);
    struct aw_journal_reader *(*reader_new)(struct aw_journal *);
    void (*reader_free)(struct aw_journal_reader *);
    enum aw_err (*read_begin)(struct aw_journal_reader *);
    void (*read_end)(struct aw_journal_reader *);
    enum aw_err (*read_batch)(struct aw_journal_reader *, uint64_t seq, struct aw_slice *);
    enum aw_err (*read_body)(struct aw_journal_reader *, uint64_t seq, struct aw_slice *);
    enum aw_err (*find_body)(struct aw_journal_reader *, uint64_t seq, uint64_t *);
    enum aw_err (*find_batch)(struct aw_journal_reader *, uint64_t first_seq, uint64_t *);
    enum aw_err (*read_next)(struct aw_journal_reader *, uint64_t first_seq, uint64_t *, struct aw_slice *);
    enum aw_err (*read_last)(struct aw_journal_reader *, uint64_t *, struct aw_slice *);
    enum aw_err (*read_ids)(struct aw_journal_reader *, uint64_t first_seq, uint64_t *, struct aw_slice *);
    enum aw_err (*read_anchor)(struct aw_journal_reader *, struct aw_journal_anchor *);
    enum aw_err (*read_kept)(struct aw_journal_reader *, enum aw_kept_kind, uint64_t seq, struct aw_kept *);
    enum aw_err (*find_kept)(struct aw_journal_reader *, enum aw_kept_kind, uint64_t seq, struct aw_kept *);
    void (*close)(struct aw_journal *);
};
/* The head of every engine's own struct. */
struct aw_journal {
    const struct aw_journal_ops *ops;
};
struct aw_journal_reader_head {
    struct aw_journal *journal;
};

/* Who this store is. Borrowed until close. Thread: any. */
const struct aw_store_identity *aw_journal_identity(struct aw_journal *journal);
/* OK here means taken, not durable. FULL: not taken, as if never submitted. At most AW_SUBMITS_MAX batches that were not yet
 * reported by poll. BROKEN: this one is not reported again, those taken before it are, as BROKEN. */
AW_MUST_USE enum aw_outcome aw_journal_submit(struct aw_journal *journal, const struct aw_journal_batch *batch);
#define AW_SUBMITS_MAX 64
/* OK also when nothing was submitted. */
AW_MUST_USE enum aw_outcome aw_journal_flush(struct aw_journal *journal);
/* In order of index; a report may come twice. False when nothing (more) is to be reported just now. */
AW_MUST_USE bool aw_journal_poll(struct aw_journal *journal, struct aw_journal_done *ret_done);
/* What will be written in any case, as long as nothing new comes in: kept ready beside the reserve, on real blocks of the disk, and
 * not for posts. As much as there is, when there is less. 0 at first. */
void aw_journal_set_owed(struct aw_journal *journal, uint64_t bytes);
/* As it is after what was submitted so far. Cheap: called for each admission. An engine may have room only once it was asked for
 * it, so that a store which is opened and refused stays as it was. */
void aw_journal_room(struct aw_journal *journal, struct aw_journal_room *ret_room);
/* What a record and a body of these sizes may take at most, in bytes of room, worst-case pages included. The caller takes the room
 * anew after each flush and admits a command only if the costs of all that it admitted since then stay within it; then submit does
 * not say FULL and the flush does not fail for lack of room. Thread: any. */
uint64_t aw_journal_cost(struct aw_journal *journal, uint64_t record_bytes, uint64_t body_bytes);
/* Deletes batches, ids and bodies of records below `below_seq`, only whole batches and only a prefix, about pages_max pages in the
 * next flush (an engine may stop earlier: call again after the flush). The newest batch always stays. Bodies go first: meanwhile
 * records may be there without. *ret_done when nothing is left to delete. AW_E_IO when the engine fails (then broken). */
AW_MUST_USE enum aw_err aw_journal_trim_step(struct aw_journal *journal, uint64_t below_seq, uint32_t pages_max, bool *ret_done);
/* Of bodies alone, record by record; batches and ids stay. */
AW_MUST_USE enum aw_err aw_journal_trim_bodies_step(struct aw_journal *journal, uint64_t below_seq, uint32_t pages_max,
                                                    bool *ret_done);
/* Copies what is to outlive its batch: of a record as the caller says, of a body as it lies there. The sequence numbers of a kind
 * ascend, over restarts too. Bytes at most AW_KEPT_BYTES_MAX.
 * FULL: nothing was done; half of the reserve stays for the journal. */
AW_MUST_USE enum aw_outcome aw_journal_keep(struct aw_journal *journal, enum aw_kept_kind kind, const struct aw_kept *kept);
#define AW_KEPT_BYTES_MAX (256U * 1024U)
/* Deletes one that was kept; one that is not there is no error. FULL: not in this flush any more, call again after it. */
AW_MUST_USE enum aw_outcome aw_journal_unkeep(struct aw_journal *journal, enum aw_kept_kind kind, uint64_t seq);
/* Moves on, never back. Deletes nothing: trim_step does, up to here and not further. */
AW_MUST_USE enum aw_outcome aw_journal_set_anchor(struct aw_journal *journal, const struct aw_journal_anchor *anchor);

/* Readers. A reader belongs to one thread at a time, the one that uses it, and holds a snapshot only between read_begin and
 * read_end: keep that short (a long one makes the store grow). A slice borrows until the next read of its kind (batch, body,
 * ids) by this reader, at the latest until read_end. Reads say AW_E_CORRUPT when a checksum fails, AW_E_SEALED when a tool has no
 * keys, AW_E_MEMORY. NULL when no memory or too many readers. */
AW_MUST_USE struct aw_journal_reader *aw_journal_reader_new(struct aw_journal *journal);
void                                  aw_journal_reader_free(struct aw_journal_reader **reader);
/* Sees everything durable before the call. AW_E_IO, also when the engine is broken. */
AW_MUST_USE enum aw_err aw_journal_read_begin(struct aw_journal_reader *reader);
void                    aw_journal_read_end(struct aw_journal_reader *reader);
/* The batch that holds record `seq`. AW_E_NOT_FOUND (never written or trimmed), AW_E_IO. */
AW_MUST_USE enum aw_err aw_journal_read_batch(struct aw_journal_reader *reader, uint64_t seq, struct aw_slice *ret_bytes);
/* The body of record `seq`, also a kept one. AW_E_NOT_FOUND: it has none, it is gone, or it was erased. */
AW_MUST_USE enum aw_err aw_journal_read_body(struct aw_journal_reader *reader, uint64_t seq, struct aw_slice *ret_bytes);
/* Under which number the first body at or behind `seq` lies; kept ones are not among them. AW_E_NOT_FOUND at the end. */
AW_MUST_USE enum aw_err aw_journal_find_body(struct aw_journal_reader *reader, uint64_t seq, uint64_t *ret_seq);
/* Under which number the first batch at or behind `first_seq` begins, without a look at its bytes. AW_E_NOT_FOUND at the end. */
AW_MUST_USE enum aw_err aw_journal_find_batch(struct aw_journal_reader *reader, uint64_t first_seq, uint64_t *ret_first_seq);
/* The batch whose first record is `first_seq`, or the next one behind it. AW_E_NOT_FOUND at the end. */
AW_MUST_USE enum aw_err aw_journal_read_next(struct aw_journal_reader *reader, uint64_t first_seq, uint64_t *ret_first_seq,
                                             struct aw_slice *ret_bytes);
/* The newest batch. AW_E_NOT_FOUND in an empty store. */
AW_MUST_USE enum aw_err aw_journal_read_last(struct aw_journal_reader *reader, uint64_t *ret_first_seq,
                                             struct aw_slice *ret_bytes);
/* Hashes of the batch at or behind first_seq. AW_E_NOT_FOUND at the end. */
AW_MUST_USE enum aw_err aw_journal_read_ids(struct aw_journal_reader *reader, uint64_t first_seq, uint64_t *ret_first_seq,
                                            struct aw_slice *ret_bytes);
/* Where the journal begins; index 0 and sequence numbers 1 when nothing was trimmed. AW_E_CORRUPT when what is stored fails its
 * checks. */
AW_MUST_USE enum aw_err aw_journal_read_anchor(struct aw_journal_reader *reader, struct aw_journal_anchor *ret_anchor);
/* What was kept of record `seq`. AW_E_NOT_FOUND. */
AW_MUST_USE enum aw_err aw_journal_read_kept(struct aw_journal_reader *reader, enum aw_kept_kind kind, uint64_t seq,
                                             struct aw_kept *ret_kept);
/* The first that was kept at or behind `seq`: its number and owner, without its bytes. AW_E_NOT_FOUND at the end. */
AW_MUST_USE enum aw_err aw_journal_find_kept(struct aw_journal_reader *reader, enum aw_kept_kind kind, uint64_t seq,
                                             struct aw_kept *ret_kept);
/* Takes the address, accepts NULL, leaves NULL. All readers freed before. Never flushes what was not flushed. */
void aw_journal_close(struct aw_journal **journal);

#endif
