/* copy.h - a whole store into a new folder, value for value as it lies: a backup, or a data folder made of one (adr/0030).
 *
 * The journal only grows, so most of it is copied in small pieces, each under a snapshot of its own, up to its end; then what
 * came since, the checkpoint, what was kept and the notes come under one last snapshot, at which the copy is what the store was. So
 * a server that works on the store meanwhile gets its old pages back soon: pieces hold next to nothing, the last snapshot is given
 * up when it holds more than `held_bytes_max`. Each value is checked by its CRC when read, and the records' numbering. Nothing is
 * decrypted.
 *
 *   begin -> step ... step (done) -> the caller looks at aw_copy_path -> finish
 * Until finish the copy lies in "TO.part" and is taken away again by free; a killed one is replaced by the next that begins there.
 * The folder is locked meanwhile, so that two never make one.
 *
 * Who owns: the caller; the source is borrowed. Thread: one. Fails: AW_E_CORRUPT with the tree and value; AW_E_IO (also no room);
 * AW_E_IN_USE `to` is there and not an empty folder, or another copy of this name is being made; AW_E_OVERLOADED the last snapshot
 * held too much; AW_E_MEMORY.
 */
#ifndef AW_STORE_COPY_H
#define AW_STORE_COPY_H

#include "base/why.h"
#include "port/journal.h"

struct aw_copy;

enum aw_copy_kind { AW_COPY_BACKUP, AW_COPY_RESTORE };

struct aw_copy_config {
    const char       *to; /* a folder; its parent is there */
    enum aw_copy_kind kind;
    aw_ms             now;
    uint64_t          held_bytes_max;
};

struct aw_copy_sum {
    uint64_t first_seq; /* that was copied; 0: none yet */
    uint64_t next_seq;
    uint64_t end_seq; /* where the journal ended when it was looked at last; the copy may go on behind it */
    uint64_t batches;
    uint64_t bytes; /* of values */
    bool     is_done;
};

/* What a copy says of itself, and what it was made of. */
struct aw_copy_note {
    enum aw_copy_kind kind;
    aw_ms             made_at;   /* of the backup */
    aw_ms             copied_at; /* now of the copy */
    uint64_t          next_seq;  /* behind the last record of the backup */
};

AW_MUST_USE enum aw_err aw_copy_begin(struct aw_copy **ret_copy, struct aw_journal *from, const struct aw_copy_config *config,
                                      struct aw_why *why);
/* A piece of a few MiB; the last one as large as checkpoint and kept are. */
AW_MUST_USE enum aw_err aw_copy_step(struct aw_copy *copy, struct aw_copy_sum *ret_sum, struct aw_why *why);
/* Where it lies until finish. */
const char *aw_copy_path(const struct aw_copy *copy);
/* Durable, under its own name, at return. */
AW_MUST_USE enum aw_err aw_copy_finish(struct aw_copy *copy, struct aw_why *why);
/* Takes the address, accepts NULL, leaves NULL. */
void aw_copy_free(struct aw_copy **copy);
/* AW_E_NOT_FOUND: neither a backup nor restored from one. AW_E_CORRUPT, AW_E_IO. */
AW_MUST_USE enum aw_err aw_copy_read_note(struct aw_journal *journal, struct aw_copy_note *ret_note);

#endif
