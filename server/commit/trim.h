/* trim.h - the journal's old end: what open tickets still need is copied into `kept`, the anchor moves, the rest goes.
 *
 *   | waste | kept_seq walks here .. body_seq .. | whole batches ..................... head |
 *           ^ anchor.next_seq
 *
 * A batch goes when its source ids no longer count (so no receipt and no id is forgotten early), when the last valid checkpoint
 * reaches behind it (so no start needs it), and when every record of it was looked through: those of a ticket that is open, or was
 * closed less than reopen_ms ago, are kept, with their bodies. Copies, anchor and what is deleted share a commit; what does not fit
 * into it lies below the anchor and goes with the next ones. When the store is short of room, bodies go earlier: as soon as their
 * batch and the closing of their ticket are bodies_min_ms old; records, receipts and hashes stay.
 * So is a record by which texts are to be erased, until they are (run/eraser.h). What was kept goes when its ticket is no longer
 * needed: a sweep looks through it, some entries a flush.
 *
 * It rides on flushes that happen anyway and makes small ones of its own when it is quiet; a large group goes without it unless
 * room is short. What one flush may carry is bounded, in records, bytes and pages.
 *
 * Who owns: the committer owns its one aw_trim, that owns its reader. Thread: the committer. Fails: without room it rests and tries
 * again; a batch that fails its checks stops it for good (nothing damaged is thrown away), which is reported.
 */
#ifndef AW_COMMIT_TRIM_H
#define AW_COMMIT_TRIM_H

#include "base/arena.h"
#include "base/time.h"
#include "base/why.h"
#include "port/journal.h"

struct aw_committer;

struct aw_trim {
    struct aw_journal_reader *reader; /* owns */
    struct aw_blocks         *blocks; /* owns: of the arena */
    struct aw_arena           arena;
    struct aw_journal_anchor  anchor;   /* as it is with the next flush */
    bool                      is_moved; /* the anchor is not what was put last */
    bool                      is_waste; /* below anchor.next_seq something may be left */
    bool                      is_body_waste;
    bool                      is_busy; /* there is more to do at once */
    bool                      is_damaged;
    bool                      wants_checkpoint; /* only a newer one lets it go on */
    uint64_t                  checkpoint_seq;   /* of the last valid one */
    struct aw_sha256          hash;             /* of the batch under way */
    uint64_t                  hash_index;       /* which that is; 0: none */
    /* Record times; nothing is to do before them. */
    aw_ms walk_at;
    aw_ms bodies_at;
    aw_ms sweep_at;
    aw_ms short_until; /* short of room until then */
    /* The sweep under way. */
    bool     is_sweeping;
    unsigned sweep_kind;
    uint64_t sweep_seq;
    aw_ms    sweep_oldest; /* 0: nothing needed was met yet */
    /* For people. */
    uint64_t records_gone; /* since the start */
    uint64_t unkept;       /* since the start */
    aw_ms    oldest;       /* of the oldest kept record, as the last sweep saw it; 0: none */
};

/* What the world may know. */
struct aw_trim_stats {
    uint64_t first_seq; /* where the journal begins */
    uint64_t records_gone;
    uint64_t kept[AW_KEPT_KINDS];
    uint64_t unkept;
    aw_ms    oldest;
    bool     is_short;
    bool     is_damaged;
};

/* False: no memory, or too many readers. */
AW_MUST_USE bool aw_trim_init(struct aw_trim *trim, struct aw_journal *journal);
void             aw_trim_fini(struct aw_trim *trim);
/* Finds out where it was. Before the first step. */
AW_MUST_USE enum aw_err aw_trim_start(struct aw_committer *c, struct aw_why *why);
/* A bounded piece of work for the flush that follows. */
void aw_trim_before_flush(struct aw_committer *c, aw_ms now);
/* The flush made this the valid checkpoint. */
void aw_trim_note_checkpoint(struct aw_committer *c, uint64_t seq);
bool aw_trim_is_busy(const struct aw_committer *c);
/* Record time until which it has nothing to do; 0: never. */
aw_ms aw_trim_next_due(const struct aw_committer *c);
void  aw_trim_stats(const struct aw_committer *c, struct aw_trim_stats *ret_stats);

#endif
