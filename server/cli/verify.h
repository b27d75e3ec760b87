/* verify.h - the whole check of a data folder or backup, for `aswolk verify` and the commands that copy one.
 *
 * Pages, chain, records, bodies, source ids, what was kept, and the state that all of it comes to. Nothing is written. Who owns:
 * the command, for its run. Thread: one. Fails: with words in folder.why and the place in `chain`.
 */
#ifndef AW_CLI_VERIFY_H
#define AW_CLI_VERIFY_H

#include "cli/chain.h"
#include "commit/recover.h"
#include "core/state.h"
#include "store/pages.h"

struct aw_cli_verify {
    struct aw_cli            *cli;
    struct aw_cli_folder      folder;
    struct aw_cli_chain       chain;
    bool                      has_pages; /* not of a store that a server writes to */
    struct aw_pages_sum       pages;
    uint64_t                  kept[AW_KEPT_KINDS];
    aw_ms                     kept_oldest; /* 0: none */
    bool                      has_mark;
    struct aw_checkpoint_mark mark;
    bool                      lacks_keys; /* it is sealed: nothing says that it is damaged */
    bool                      replayed;   /* from the first batch; else from the checkpoint */
    /* Replaying. */
    struct aw_state       *_state;
    struct aw_journal_head _head;
};

/* Opens `path` and checks it all. AW_CLI_OK; else it was said why not. To be closed in any case. */
AW_MUST_USE int aw_cli_verify_folder(struct aw_cli_verify *verify, struct aw_cli *cli, const char *path);
void            aw_cli_verify_close(struct aw_cli_verify *verify);
/* Checks and prints the verdict: what `aswolk verify` and `aswolk journal --verify` do. */
int aw_cli_verify_run(struct aw_cli *cli, int argc, char **argv);

#endif
