/* eraser.h - the thread that makes texts unreadable for good, as journaled commands ask for it, and keys fresh (adr/0029).
 *
 * The committer tells when a record that asks for it is durable; the thread looks through the journal from where it was, and cuts
 * the keys of what they name off the store's key file, many at once. The file says how far that came, so what a crash interrupts is
 * done after the next start. Until then the text is there, and shown to nobody: readers meet the record that asks first.
 *
 * It looks in small pieces, rests as long as each took, and shares nothing with intake but the disk. While the file can't be
 * replaced it tries again, with longer rests. Where the journal is damaged it goes on behind, and cuts what it finds; but the
 * file's word stays before such a gap, so that it is looked for again: by and by, and by each start. Of either the log and
 * `aswolk_erasures_stuck` tell.
 *
 * From time to time it makes a generation of keys ready, which the engine uses from its next transaction on; a little later it
 * notes where the one before ended. It is the one thread that changes the file while a server runs.
 *
 * Who owns: main; borrows journal and keys, which outlive it. Thread: begin and tell by the committer, the rest by main.
 * Fails: new and start, for lack of memory.
 */
#ifndef AW_RUN_ERASER_H
#define AW_RUN_ERASER_H

#include "port/journal.h"
#include "run/metrics.h"
#include "store/keyring.h"

struct aw_eraser_config {
    struct aw_journal       *journal;
    struct aw_keyring       *keyring;
    const struct aw_metrics *metrics;   /* borrows */
    struct aw_metrics_block *committer; /* borrows: the committer's */
    struct aw_metrics_block *block;     /* borrows: this thread's */
    aw_ns                    renew_ns;  /* how long a generation of keys is used; 0: until the end */
};

struct aw_eraser;

AW_MUST_USE enum aw_err aw_eraser_new(struct aw_eraser **ret_eraser, const struct aw_eraser_config *config, struct aw_why *why);
AW_MUST_USE enum aw_err aw_eraser_start(struct aw_eraser *eraser, struct aw_why *why);
/* The journal ends with record `seq` just now, and none was told of yet; or this one, which is durable, asks for an erasure. */
void aw_eraser_tell(struct aw_eraser *eraser, uint64_t seq);
/* Waits for the thread to end. Accepts NULL. */
void aw_eraser_stop(struct aw_eraser *eraser);
/* Takes the address, accepts NULL, leaves NULL. */
void aw_eraser_free(struct aw_eraser **eraser);

/* What the thread does, in bounded pieces: for tests, which have no thread. Returns how long it may rest; AW_NS_NEVER: until it is
 * told of more. */
aw_ns aw_eraser_step(struct aw_eraser *eraser);
/* It rests behind a cut for no longer, however long that took: what is asked for meanwhile waits for that. Not so behind one that
 * failed. */
#define AW_ERASER_REST_NS_MAX (5 * AW_NS_PER_S)

#endif
