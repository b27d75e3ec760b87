/* verify.c - `aswolk verify`: a data folder or backup from end to end, offline or beside a running server.
 *
 * First the pages (store/pages.h), because LMDB takes what lies in a page for true. Then the chain with all that hangs on it, and a
 * replay from the first batch whose digest must be the one that each batch was written on; then what was kept of batches that are
 * gone; then the checkpoint, and of a trimmed journal the replay from there: what a start does. A snapshot of a running server's
 * store is never held for long: its pages are then walked as far as a start does, which is what opening it did.
 */
#include "cli/verify.h"

#include "commit/kept.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEPT_A_SNAPSHOT 4096U

/* --- the journal, into a state --------------------------------------------------------------------------------------------- */

/* Batch for batch into the state; at the cut of the checkpoint, that must agree. */
static enum aw_err
replay(void *user, const struct aw_batch_header *header, struct aw_slice batch, struct aw_slice ids, bool *ret_end)
{
    struct aw_cli_verify *verify = user;
    struct aw_why        *why = &verify->folder.why;
    enum aw_err           err;

    (void)ids;
    (void)ret_end;
    if (verify->chain.is_trimmed)
        aw_state_free(&verify->_state); /* older batches are gone: the replay begins at the checkpoint, after the walk */
    if (verify->_state == NULL)
        return AW_OK;
    err = aw_replay_batch(verify->_state, batch, &verify->_head, &verify->folder.arena, NULL, why);
    if (err != AW_OK || !verify->has_mark || header->index != verify->mark.index)
        return err;
    if (memcmp(&verify->_head.hash, &verify->mark.hash, sizeof(verify->mark.hash)) != 0 ||
        !aw_hash128_eq(aw_state_digest(verify->_state), verify->mark.digest))
        return aw_why(why, AW_E_CORRUPT, "the checkpoint at record %" PRIu64 " is not what the journal gives there",
                      verify->mark.seq);
    return AW_OK;
}

static enum aw_err
walk_journal(struct aw_cli_verify *verify)
{
    struct aw_cli_folder *folder = &verify->folder;
    enum aw_err           err = aw_table_read_mark(folder->table, &verify->mark);

    verify->has_mark = err == AW_OK;
    if (err != AW_OK && err != AW_E_NOT_FOUND)
        return aw_why(&folder->why, err, "the mark of the checkpoint can't be read: %s", aw_err_text(err));
    verify->_head.next_seq = 1;
    err = aw_state_new_largest(&verify->_state, aw_journal_identity(folder->journal)->shard, &folder->why);
    return err == AW_OK ? aw_cli_chain_walk(&verify->chain) : err;
}

/* The checkpoint's own rows; of a trimmed journal also all that came after: what a start would do. */
static enum aw_err
load_checkpoint(struct aw_cli_verify *verify)
{
    struct aw_cli_folder *folder = &verify->folder;
    struct aw_recovery    recovery;
    enum aw_err           err;

    verify->replayed = verify->_state != NULL;
    if (verify->chain.last_index == 0 || (verify->replayed && !verify->has_mark))
        return AW_OK;
    aw_state_free(&verify->_state);
    err = aw_state_new_largest(&verify->_state, aw_journal_identity(folder->journal)->shard, &folder->why);
    if (err != AW_OK)
        return err;
    return verify->replayed ? aw_recover_checkpoint(verify->_state, folder->journal, folder->table, NULL, &recovery, &folder->why)
                            : aw_recover(verify->_state, folder->journal, folder->table, NULL, &recovery, &folder->why);
}

/* --- what was kept of batches that are gone --------------------------------------------------------------------------------- */

static enum aw_err
check_kept_record(struct aw_cli_verify *verify, uint64_t seq)
{
    struct aw_cli_folder *folder = &verify->folder;
    struct aw_kept_record record;
    struct aw_kept        kept;
    struct aw_command     command;
    uint32_t              slot;
    bool                  has_owner;
    enum aw_err           err = aw_journal_read_kept(folder->reader, AW_KEPT_RECORD, seq, &kept);

    if (err != AW_OK)
        return aw_why(&folder->why, err, "what was kept of it can't be read: %s", aw_err_text(err));
    err = aw_kept_read(kept.bytes, &record, &folder->why);
    aw_arena_reset(&folder->arena);
    if (err == AW_OK)
        err = aw_record_read(&record.record, &folder->arena, &command, &folder->why);
    if (err != AW_OK)
        return err;
    has_owner = aw_command_slot(&command, &slot) || command.kind == AW_COMMAND_ERASE; /* that may be of no ticket: 0 */
    if (record.record.seq != seq || !has_owner || slot != kept.owner)
        return aw_why(&folder->why, AW_E_CORRUPT, "record %" PRIu64 " was kept under the name of another", record.record.seq);
    if (verify->kept_oldest == 0)
        verify->kept_oldest = record.now;
    return aw_cli_chain_check_body(&verify->chain, &command, NULL);
}

/* Its hash lies in its record, which is checked where that lies; here only that it can be read. */
static enum aw_err
check_kept_body(struct aw_cli_verify *verify, uint64_t seq)
{
    struct aw_kept kept;
    enum aw_err    err = aw_journal_read_kept(verify->folder.reader, AW_KEPT_BODY, seq, &kept);

    if (err == AW_OK || err == AW_E_NOT_FOUND) /* erased: its bytes are there, its key is not */
        return AW_OK;
    return aw_why(&verify->folder.why, err, "a kept body can't be read: %s", aw_err_text(err));
}

/* Some entries under one snapshot. *seq moves on; AW_E_NOT_FOUND behind the last. */
static enum aw_err
check_kept_some(struct aw_cli_verify *verify, enum aw_kept_kind kind, uint64_t *seq)
{
    enum aw_err err = aw_cli_folder_begin(&verify->folder);

    if (err != AW_OK)
        return err;
    for (unsigned i = 0; i < KEPT_A_SNAPSHOT && err == AW_OK; i++) {
        struct aw_kept kept;

        err = aw_journal_find_kept(verify->folder.reader, kind, *seq, &kept);
        if (err != AW_OK)
            break;
        verify->chain.bad_seq = kept.seq;
        err = kind == AW_KEPT_RECORD ? check_kept_record(verify, kept.seq) : check_kept_body(verify, kept.seq);
        if (err != AW_OK)
            break;
        verify->chain.bad_seq = 0;
        verify->kept[kind]++;
        *seq = kept.seq + 1;
    }
    aw_journal_read_end(verify->folder.reader);
    return err;
}

static enum aw_err
walk_kept(struct aw_cli_verify *verify)
{
    struct aw_journal_anchor before = {0}, after = {0};
    enum aw_err              err = aw_cli_folder_anchor(&verify->folder, &before);

    for (unsigned kind = 0; err == AW_OK && kind < AW_KEPT_KINDS; kind++) {
        uint64_t seq = 0;

        while (err == AW_OK)
            err = check_kept_some(verify, (enum aw_kept_kind)kind, &seq);
        if (err == AW_E_NOT_FOUND && verify->chain.bad_seq == 0)
            err = AW_OK;
    }
    if (err == AW_OK)
        err = aw_cli_folder_anchor(&verify->folder, &after);
    if (err != AW_OK || memcmp(&before, &after, sizeof(before)) != 0)
        return err; /* with a server at work the counts have moved on */
    if (verify->kept[AW_KEPT_RECORD] != after.kept[AW_KEPT_RECORD] || verify->kept[AW_KEPT_BODY] != after.kept[AW_KEPT_BODY])
        return aw_why(&verify->folder.why, AW_E_CORRUPT,
                      "%" PRIu64 " records and %" PRIu64 " bodies were kept, the anchor says %" PRIu64 " and %" PRIu64,
                      verify->kept[AW_KEPT_RECORD], verify->kept[AW_KEPT_BODY], after.kept[AW_KEPT_RECORD],
                      after.kept[AW_KEPT_BODY]);
    return AW_OK;
}

/* --- the command ---------------------------------------------------------------------------------------------------------- */

int
aw_cli_verify_folder(struct aw_cli_verify *verify, struct aw_cli *cli, const char *path)
{
    enum aw_err err = AW_OK;
    int         code;

    *verify = (struct aw_cli_verify){.cli = cli};
    verify->chain =
        (struct aw_cli_chain){.folder = &verify->folder, .user = verify, .checks_all = true, .on_batch = replay, .next_seq = 1};
    code = aw_cli_folder_open(&verify->folder, cli, path);
    if (code != AW_CLI_OK)
        return code;
    verify->has_pages = !aw_lmdb_is_shared(verify->folder.journal);
    if (verify->has_pages)
        err = aw_lmdb_check(verify->folder.journal, &verify->pages, &verify->folder.why);
    if (err == AW_OK)
        err = walk_journal(verify);
    if (err == AW_OK)
        err = walk_kept(verify);
    if (err == AW_OK)
        err = load_checkpoint(verify);
    verify->lacks_keys = err == AW_E_SEALED;
    return aw_cli_chain_report(cli, &verify->chain, err);
}

void
aw_cli_verify_close(struct aw_cli_verify *verify)
{
    aw_state_free(&verify->_state);
    aw_cli_folder_close(&verify->folder);
}

static void
print_json(const struct aw_cli_verify *verify, const char *at)
{
    const struct aw_cli_chain *chain = &verify->chain;

    (void)printf("{\"ok\":true,\"first_batch\":%" PRIu64 ",\"last_batch\":%" PRIu64 ",\"last_record\":%" PRIu64
                 ",\"records\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"bodies\":%" PRIu64 ",\"without_body\":%" PRIu64
                 ",\"epoch\":%" PRIu64 ",\"last_at\":\"%s\",\"checkpoint\":%s,\"replayed\":%s"
                 ",\"anchor\":%" PRIu64 ",\"first_record\":%" PRIu64 ",\"kept_records\":%" PRIu64 ",\"kept_bodies\":%" PRIu64
                 ",\"pages\":%" PRIu64 ",\"pages_free\":%" PRIu64 "}\n",
                 chain->first_index, chain->last_index, chain->next_seq - 1, chain->records, chain->messages, chain->bodies,
                 chain->erased, chain->epoch, at, verify->has_mark ? "true" : "false", verify->replayed ? "true" : "false",
                 chain->anchor.index, chain->anchor.next_seq, verify->kept[AW_KEPT_RECORD], verify->kept[AW_KEPT_BODY],
                 verify->pages.pages, verify->pages.free);
}

static void
print_trimmed(const struct aw_cli_verify *verify)
{
    const struct aw_journal_anchor *anchor = &verify->chain.anchor;
    char                            at[AW_TIME_TEXT_BYTES] = "-";
    char                            hash[2 * sizeof(anchor->hash.bytes) + 1];

    if (anchor->index > 0) {
        aw_cli_hex(anchor->hash.bytes, sizeof(anchor->hash.bytes), hash);
        (void)printf("  trimmed up to batch %" PRIu64 " (%s), the journal begins with record %" PRIu64 "\n", anchor->index, hash,
                     anchor->next_seq);
    }
    if (verify->kept[AW_KEPT_RECORD] == 0 && verify->kept[AW_KEPT_BODY] == 0)
        return;
    if (verify->kept_oldest != 0)
        aw_time_format(verify->kept_oldest, at);
    (void)printf("  kept for tickets that need them: %" PRIu64 " records and %" PRIu64 " bodies, the oldest of %s\n",
                 verify->kept[AW_KEPT_RECORD], verify->kept[AW_KEPT_BODY], at);
}

static void
print_verdict(const struct aw_cli_verify *verify)
{
    const struct aw_cli_chain *chain = &verify->chain;
    char                       at[AW_TIME_TEXT_BYTES] = "-";

    if (chain->last_at != 0)
        aw_time_format(chain->last_at, at);
    if (verify->cli->common.json) {
        print_json(verify, at);
        return;
    }
    if (chain->last_index == 0) {
        (void)printf("the journal is empty\n");
        return;
    }
    (void)printf("sound: batches %" PRIu64 " to %" PRIu64 ", %" PRIu64 " records, %" PRIu64 " messages, epoch %" PRIu64
                 ", last at %s\n",
                 chain->first_index, chain->last_index, chain->records, chain->messages, chain->epoch, at);
    (void)printf("  chain and CRCs hold; %" PRIu64 " bodies match their hash, %" PRIu64 " are erased or trimmed\n", chain->bodies,
                 chain->erased);
    print_trimmed(verify);
    (void)printf("  the replay from %s gives the digest of every batch%s\n",
                 verify->replayed ? "the first batch" : "the checkpoint",
                 verify->replayed && verify->has_mark ? " and of the checkpoint" : "");
    if (verify->has_pages)
        (void)printf("  %" PRIu64 " pages, each in use once or one of %" PRIu64 " that are free\n", verify->pages.pages,
                     verify->pages.free);
    else
        (void)printf("  a server is at work here: its pages were walked as far as a start does\n");
}

int
aw_cli_verify_run(struct aw_cli *cli, int argc, char **argv)
{
    struct aw_cli_verify verify;
    int                  code;

    if (argc != 1) {
        aw_cli_error(cli, "takes one data folder (that of aswolkd --data) or backup");
        return AW_CLI_USAGE;
    }
    code = aw_cli_verify_folder(&verify, cli, argv[0]);
    if (code == AW_CLI_OK)
        print_verdict(&verify);
    else if (code == AW_CLI_FAILED && !verify.lacks_keys && !verify.folder.lacks_keys)
        (void)fprintf(stderr, "Nothing was changed. The way out is a backup: with the data folder moved away, and its keys left, "
                              "aswolk restore BACKUP DATA\n");
    aw_cli_verify_close(&verify);
    return code;
}

const struct aw_cli_command aw_cli_verify_command = {
    .name = "verify",
    .arguments = "DIR",
    .summary = "check a data folder or backup from end to end, offline or beside its server",
    .about =
        "Checks all that lies in the data folder or backup DIR: each page of its file, the chain of batches, every record's "
        "CRC,\n"
        "every body's hash, the source ids, what was kept of trimmed batches, the checkpoint, and that a replay comes to the\n"
        "state noted in each batch. Nothing is written. Exit code 1 names the first thing that is wrong.\n"
        "\n"
        "Beside a running server pages are walked only as far as a start does, so that its store does not grow meanwhile.",
    .offline = true,
    .run = aw_cli_verify_run,
};
