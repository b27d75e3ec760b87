/* chain.h - the journal of a data folder batch after batch, each checked: header, numbering, chain from the anchor on, every
 * record's CRC and fields; on demand also the body of each message and its row among the source ids.
 *
 * Beside a running server the walk sees what was durable when it got there, and goes on at the anchor when what it had not come to
 * was trimmed meanwhile. Who owns: the caller; the folder is borrowed. Thread: one. Fails: AW_E_CORRUPT and others, with words in
 * folder->why and with where it was in last_index, next_seq and bad_seq.
 */
#ifndef AW_CLI_CHAIN_H
#define AW_CLI_CHAIN_H

#include "cli/folder.h"
#include "model/record.h"

struct aw_cli_chain {
    struct aw_cli_folder *folder;
    bool                  checks_all; /* bodies and source ids as well */
    /* Each optional; anything but AW_OK ends the walk. What they are given borrows until they return. */
    void *user;
    enum aw_err (*on_record)(void *user, const struct aw_batch_header *header, const struct aw_record *record,
                             const struct aw_command *command);
    enum aw_err (*on_body)(void *user, uint64_t seq, struct aw_slice body); /* only with checks_all */
    enum aw_err (*on_batch)(void *user, const struct aw_batch_header *header, struct aw_slice batch, struct aw_slice ids,
                            bool *ret_end);
    /* Where it is; the caller starts with next_seq 1, or goes on where another walk ended. */
    uint64_t         last_index; /* 0: no batch yet */
    uint64_t         next_seq;
    uint64_t         bad_seq; /* where the first damage is; 0: not in a record */
    struct aw_sha256 hash;    /* of the last batch */
    /* What was found. */
    uint64_t                 first_index;
    uint64_t                 records;
    uint64_t                 messages;
    uint64_t                 bodies; /* found, and their hash is right */
    uint64_t                 erased; /* a message or note without its body */
    uint64_t                 epoch;
    aw_ms                    last_at;
    bool                     is_trimmed; /* older batches are gone, or went while it walked */
    struct aw_journal_anchor anchor;     /* as it was when the walk began */
    struct aw_slice          _ids;
    uint64_t                 _body_seq; /* bodies below were asked for by a record */
};

AW_MUST_USE enum aw_err aw_cli_chain_walk(struct aw_cli_chain *chain);
/* The body that a record names, also a kept one, against its hash; counts it. *ret_body (NULL: not wanted) borrows until the next
 * one, and is empty when there is none, or it is gone. */
AW_MUST_USE enum aw_err aw_cli_chain_check_body(struct aw_cli_chain *chain, const struct aw_command *command,
                                                struct aw_slice *ret_body);
/* Says on stderr, and with --json on stdout, what ended it and where. Returns the exit code. */
int aw_cli_chain_report(struct aw_cli *cli, const struct aw_cli_chain *chain, enum aw_err err);

#endif
