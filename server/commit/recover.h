/* recover.h - a start: from what the store holds to the state as it was.
 *
 * Reads the last checkpoint, the remembered source ids, and replays every batch behind the cut, checking for each: header, chain
 * hash, numbering, and that the state's digest is the one that the batch was written on. Of a trimmed journal also that its first
 * batch continues the anchor's chain, and that the checkpoint reaches so far. Changes nothing in the store.
 * Thread: main or the starting committer, before anything else runs. Fails: AW_E_CORRUPT (says which batch or record),
 * AW_E_VERSION, AW_E_TABLE_FULL (limits set lower than what is stored), AW_E_MEMORY, AW_E_IO, AW_E_CLOSED (it was given up); the
 * state is then void.
 */
#ifndef AW_COMMIT_RECOVER_H
#define AW_COMMIT_RECOVER_H

#include "core/state.h"
#include "model/record.h"
#include "port/journal.h"
#include "port/table.h"

/* Where the journal ends. All zero in a new store. */
struct aw_journal_head {
    uint64_t         index;    /* of the last batch */
    uint64_t         next_seq; /* 1 in a new store */
    uint64_t         epoch;
    aw_ms            now; /* record time of the last batch */
    struct aw_sha256 hash;
};

struct aw_recovery {
    struct aw_journal_head head;
    uint64_t               checkpoint_seq; /* 0: none */
    uint64_t               first_seq;      /* where the journal begins: 1, or behind what was trimmed */
    uint64_t               records;        /* replayed */
    uint64_t               batches;
    uint64_t               bytes;
};

/* Both optional. */
struct aw_recover_progress {
    /* How far a start is; called every some thousand records. `done` of `total` sequence numbers; total may be 0. */
    void (*tell)(void *user, const char *phase, uint64_t done, uint64_t total);
    /* Asked at each batch and each chunk of a checkpoint: true ends the recovery with AW_E_CLOSED. */
    bool (*is_given_up)(void *user);
    void *user;
};

AW_MUST_USE enum aw_err aw_recover(struct aw_state *state, struct aw_journal *journal, struct aw_table *table,
                                   const struct aw_recover_progress *progress, struct aw_recovery *ret_recovery,
                                   struct aw_why *why);
/* The state as of the last checkpoint, for whoever replays the rest by himself: as aw_recover, but nothing behind the cut.
 * Without a checkpoint the state is left as it was, and ret_recovery's head is the journal's beginning. */
AW_MUST_USE enum aw_err aw_recover_checkpoint(struct aw_state *state, struct aw_journal *journal, struct aw_table *table,
                                              const struct aw_recover_progress *progress, struct aw_recovery *ret_recovery,
                                              struct aw_why *why);
/* Whether the oldest batch that `reader`'s snapshot holds is the one that the anchor names. AW_E_CORRUPT, AW_E_VERSION, AW_E_IO. */
AW_MUST_USE enum aw_err aw_check_anchor(struct aw_journal_reader *reader, struct aw_journal_anchor *ret_anchor,
                                        struct aw_why *why);
/* Is told of each record of a replay after it was applied, with its outcome and what it did to the queues. */
struct aw_replay_watch {
    void (*applied)(void *user, const struct aw_batch_header *header, const struct aw_command *command);
    void *user;
};
/* Replays one batch into the state, checking everything above; *head moves on. For recover and for offline audits. `arena` is reset
 * between records. `watch` may be NULL. */
AW_MUST_USE enum aw_err aw_replay_batch(struct aw_state *state, struct aw_slice batch, struct aw_journal_head *head,
                                        struct aw_arena *arena, const struct aw_replay_watch *watch, struct aw_why *why);

#endif
