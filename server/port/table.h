/* table.h - the seam for checkpoints: the state machine's rows, lazily written, two generations, the newer valid by one mark.
 *
 * The committer writes chunks of a cut at one sequence into the generation that is not current, in bounded steps; they become
 * durable with the journal's flushes. The mark, put last, names cut and generation: only from the flush that holds the mark is the
 * new generation the current one; then the old one is deleted in bounded steps. A crash at any point leaves the last marked one.
 * Chunks are opaque; (table, chunk) is their key; each chunk is written once a generation.
 *
 * Who owns: the same engine as the journal (aw_table lives as long). Thread: the committer; reading only at start, before it runs.
 */
#ifndef AW_PORT_TABLE_H
#define AW_PORT_TABLE_H

#include "port/journal.h"

struct aw_chunk {
    uint32_t        table; /* below 1 << 22 */
    uint32_t        chunk; /* ascending within a table; tables ascending within a generation */
    struct aw_slice bytes; /* at most AW_CHUNK_BYTES_MAX */
};
#define AW_CHUNK_BYTES_MAX (64U * 1024U)

struct aw_checkpoint_mark {
    uint64_t          seq;        /* the cut: state after this record */
    uint64_t          index;      /* and after this batch */
    struct aw_sha256  hash;       /* chain hash of that batch */
    struct aw_hash128 digest;     /* of the state at the cut */
    uint32_t          sm_version; /* version of the state machine that wrote the rows */
    uint32_t          chunks;     /* how many the generation has */
};

struct aw_table;
struct aw_table_ops {
    enum aw_outcome (*put)(struct aw_table *, const struct aw_chunk *);
    enum aw_outcome (*mark)(struct aw_table *, const struct aw_checkpoint_mark *);
    enum aw_outcome (*abandon)(struct aw_table *);
    enum aw_outcome (*drop_step)(struct aw_table *, uint32_t chunks_max, bool *ret_done);
    enum aw_err (*read_mark)(struct aw_table *, struct aw_checkpoint_mark *);
    enum aw_err (*read_chunks)(struct aw_table *, enum aw_err (*each)(void *, const struct aw_chunk *), void *, struct aw_why *);
};
/* The head of every engine's own struct. */
struct aw_table {
    const struct aw_table_ops *ops;
};

/* Joins the next flush. FULL: nothing was put; the checkpoint goes on later. Only after drop_step said done since the last mark,
 * abandon or open: a generation grows in an empty place. */
AW_MUST_USE enum aw_outcome aw_table_put(struct aw_table *table, const struct aw_chunk *chunk);
/* Makes the generation written so far the current one, with the next flush; until that, no put and no abandon. mark->chunks is what
 * was put. */
AW_MUST_USE enum aw_outcome aw_table_mark(struct aw_table *table, const struct aw_checkpoint_mark *mark);
/* The cut under way is given up; its chunks are dropped by drop_step. Also to be called at start (a crash may have left some). */
AW_MUST_USE enum aw_outcome aw_table_abandon(struct aw_table *table);
/* Deletes up to chunks_max chunks (fewer when the flush would free too many pages at once) that belong to no current or growing
 * generation, with the next flush. */
AW_MUST_USE enum aw_outcome aw_table_drop_step(struct aw_table *table, uint32_t chunks_max, bool *ret_done);
/* AW_E_NOT_FOUND: no checkpoint yet; AW_E_CORRUPT, AW_E_IO. */
AW_MUST_USE enum aw_err aw_table_read_mark(struct aw_table *table, struct aw_checkpoint_mark *ret_mark);
/* Every chunk of the generation whose mark was read last, in key order; stops at the first error of `each` and returns it.
 * AW_E_CORRUPT when their number is not the mark's. AW_E_AGAIN, only beside the process that writes: it has put another in its
 * place since; nothing was given, the mark is to be read again. */
AW_MUST_USE enum aw_err aw_table_read_chunks(struct aw_table *table,
                                             enum aw_err (*each)(void *user, const struct aw_chunk *chunk), void *user,
                                             struct aw_why *why);

#endif
