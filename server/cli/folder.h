/* folder.h - a data folder as the offline commands read it: beside a running server, batch after batch, in short snapshots.
 *
 * Nothing is written. What is seen is what was durable when the reader got there; a snapshot is ended after some batches, because a
 * long one would make a running server's store grow. Who owns: the command, for its run. Thread: one. Fails: with words in `why`.
 */
#ifndef AW_CLI_FOLDER_H
#define AW_CLI_FOLDER_H

#include "base/arena.h"
#include "base/why.h"
#include "cli/cli.h"
#include "port/journal.h"
#include "port/table.h"

#define AW_CLI_PATH_BYTES 4096U

struct aw_cli_folder {
    char                      keys[AW_CLI_PATH_BYTES]; /* the key file that it was opened with; empty: none */
    struct aw_journal        *journal;                 /* owns these */
    struct aw_table          *table;
    struct aw_journal_reader *reader;
    struct aw_blocks         *blocks;
    struct aw_arena           arena;      /* for one record at a time */
    struct aw_why             why;        /* of what failed last */
    bool                      lacks_keys; /* it was not opened for that: nothing says that it is damaged */
};

/* Opens the data folder or backup at `path`. AW_CLI_OK; else it was said why not. To be closed in any case. */
AW_MUST_USE int aw_cli_folder_open(struct aw_cli_folder *folder, struct aw_cli *cli, const char *path);
void            aw_cli_folder_close(struct aw_cli_folder *folder);

/* Said where AW_E_SEALED ends a command. */
const char *aw_cli_folder_sealed(const struct aw_cli_folder *folder);

/* Begins a snapshot, which aw_journal_read_end ends. */
AW_MUST_USE enum aw_err aw_cli_folder_begin(struct aw_cli_folder *folder);
/* Where the journal begins, checked, in a snapshot of its own. */
AW_MUST_USE enum aw_err aw_cli_folder_anchor(struct aw_cli_folder *folder, struct aw_journal_anchor *ret_anchor);

/* Who goes through the journal. The calls come within a snapshot, may set *ret_end, and end the walk with anything but AW_OK. */
struct aw_cli_walk {
    void           *user;
    const uint64_t *next_seq;               /* the record behind what was read, 1 at first: on_batch moves it on */
    enum aw_err (*on_snapshot)(void *user); /* each time one has begun; may move *next_seq. NULL: nothing */
    enum aw_err (*on_batch)(void *user, uint64_t first_seq, struct aw_slice batch, bool *ret_end);
};
/* To the end of the journal, or of the walk. */
AW_MUST_USE enum aw_err aw_cli_folder_walk(struct aw_cli_folder *folder, const struct aw_cli_walk *walk);

#endif
