/* journal.c - `aswolk journal`: what a data folder holds, offline: record by record as text, or checked from end to end.
 * Works beside a running server: it only reads, in snapshots of a few batches each, and sees what was durable when it got
 * there. Verifying walks every batch that is left: header, numbering, chain from the anchor on, each record's CRC and fields, each
 * body's hash; then what was kept of batches that are gone: both CRCs, and the bodies' hashes. From the first batch on, or from the
 * last checkpoint when older batches were trimmed, it replays the records into a state of its own and compares its digest with the
 * one that each batch was written on.
 */
#include "cli/folder.h"
#include "cli/record.h"
#include "commit/kept.h"
#include "commit/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_A_SNAPSHOT 4096U

struct journal_options {
    bool        verify;
    uint64_t    from;
    uint64_t    to;
    const char *kind;
};

static const struct journal_options journal_defaults = {.from = 1, .to = UINT64_MAX};

static const struct aw_cli_option journal_options[] = {
    {.name = "verify",
     .letter = 'v',
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct journal_options, verify),
     .about = "print no records, check everything"},
    {.name = "from",
     .type = AW_CLI_NUMBER,
     .value = "SEQ",
     .offset = offsetof(struct journal_options, from),
     .min = 1,
     .max = UINT64_MAX,
     .about = "print records from this sequence number on"},
    {.name = "to",
     .type = AW_CLI_NUMBER,
     .value = "SEQ",
     .offset = offsetof(struct journal_options, to),
     .min = 1,
     .max = UINT64_MAX,
     .about = "print records up to this sequence number"},
    {.name = "kind",
     .type = AW_CLI_TEXT,
     .value = "KIND",
     .offset = offsetof(struct journal_options, kind),
     .about = "print only records of this kind, such as message, lease or complete"},
};

struct walk {
    struct aw_cli                *cli;
    const struct journal_options *options;
    struct aw_cli_folder          folder;
    /* What was found. */
    uint64_t                 first_index;
    uint64_t                 last_index; /* 0: no batch yet */
    uint64_t                 next_seq;
    uint64_t                 records;
    uint64_t                 messages;
    uint64_t                 bodies;  /* found, and their hash is right */
    uint64_t                 sealed;  /* encrypted: their hash is that of the plain text */
    uint64_t                 erased;  /* a message or note without its body */
    uint64_t                 bad_seq; /* where the first damage is; 0: not in a record */
    uint64_t                 epoch;
    aw_ms                    last_at;
    struct aw_sha256         hash;   /* of the last batch */
    struct aw_journal_anchor anchor; /* as it was when the walk began */
    uint64_t                 kept[AW_KEPT_KINDS];
    aw_ms                    kept_oldest; /* 0: none */
    /* Replaying. */
    struct aw_state          *state; /* NULL: older batches were trimmed */
    struct aw_journal_head    head;
    bool                      has_mark;
    bool                      mark_met; /* the replay passed the checkpoint's cut and agreed with it */
    struct aw_checkpoint_mark mark;
};

/* --- checking ------------------------------------------------------------------------------------------------------------- */

static enum aw_err
check_body(struct walk *walk, const struct aw_command *command)
{
    struct aw_in_body content;
    struct aw_slice   body;
    struct aw_sha256  hash;
    enum aw_err       err;

    if (!aw_command_body(command, &content))
        return AW_OK;
    err = aw_journal_read_body(walk->folder.reader, command->out.seq, &body);
    if (err == AW_E_NOT_FOUND) {
        walk->erased++;
        return AW_OK;
    }
    if (err != AW_OK)
        return aw_why(&walk->folder.why, err, "the body of record %" PRIu64 " can't be read: %s", command->out.seq,
                      aw_err_text(err));
    if (content.form != AW_BODY_PLAIN) {
        walk->sealed++;
        return AW_OK;
    }
    if (!aw_sha256(&body, 1, &hash))
        return aw_why(&walk->folder.why, AW_E_MEMORY, "out of memory");
    if (memcmp(&hash, &content.hash, sizeof(hash)) != 0)
        return aw_why(&walk->folder.why, AW_E_CORRUPT, "the body of record %" PRIu64 " is not the one that was accepted",
                      command->out.seq);
    walk->bodies++;
    return AW_OK;
}

/* Numbering and chain, as far as they can be checked without a state. */
static enum aw_err
check_header(struct walk *walk, const struct aw_batch_header *header)
{
    static const struct aw_sha256 zero;

    if (walk->first_index == 0)
        walk->first_index = header->index;
    if (header->index == 1 && memcmp(&header->previous, &zero, sizeof(zero)) != 0)
        return aw_why(&walk->folder.why, AW_E_CORRUPT, "the first batch claims to follow another");
    if (header->index != walk->last_index + 1 || header->first_seq != walk->next_seq)
        return aw_why(&walk->folder.why, AW_E_CORRUPT,
                      "batch %" PRIu64 " from record %" PRIu64 " where batch %" PRIu64 " from record %" PRIu64 " belongs",
                      header->index, header->first_seq, walk->last_index + 1, walk->next_seq);
    if (memcmp(&header->previous, &walk->hash, sizeof(walk->hash)) != 0)
        return aw_why(&walk->folder.why, AW_E_CORRUPT,
                      "batch %" PRIu64 " does not continue the chain: batch %" PRIu64 " was altered", header->index,
                      walk->last_index);
    return AW_OK;
}

static bool
is_asked_for(const struct journal_options *options, const struct aw_record *record)
{
    return record->seq >= options->from && record->seq <= options->to &&
           (options->kind == NULL || strcmp(options->kind, aw_command_name(record->kind)) == 0);
}

static enum aw_err
walk_records(struct walk *walk, const struct aw_batch_header *header, struct aw_slice batch)
{
    struct aw_slice   at = aw_slice_of(batch.ptr + AW_BATCH_HEADER_BYTES, batch.len - AW_BATCH_HEADER_BYTES);
    struct aw_record  record;
    struct aw_command command;
    enum aw_err       err;
    uint64_t          seq = header->first_seq;

    while ((err = aw_record_next(&at, &record, &walk->folder.why)) != AW_E_AGAIN) {
        walk->bad_seq = seq;
        if (err != AW_OK)
            return err;
        if (record.seq != seq)
            return aw_why(&walk->folder.why, AW_E_CORRUPT, "record %" PRIu64 " lies where %" PRIu64 " belongs", record.seq, seq);
        aw_arena_reset(&walk->folder.arena);
        err = aw_record_read(&record, &walk->folder.arena, &command, &walk->folder.why);
        if (err == AW_OK && walk->options->verify)
            err = check_body(walk, &command);
        if (err != AW_OK)
            return err;
        if (!walk->options->verify && is_asked_for(walk->options, &record))
            aw_cli_print_record(header, &record, &command, walk->cli->common.json);
        walk->messages += record.kind == AW_COMMAND_MESSAGE;
        walk->records++;
        seq++;
    }
    walk->bad_seq = 0;
    if (seq != header->first_seq + header->count)
        return aw_why(&walk->folder.why, AW_E_CORRUPT, "batch %" PRIu64 " holds %" PRIu64 " records, its header says %u",
                      header->index, seq - header->first_seq, header->count);
    return AW_OK;
}

/* Batch for batch into the state; at the cut of the checkpoint, that must agree. */
static enum aw_err
replay(struct walk *walk, const struct aw_batch_header *header, struct aw_slice batch)
{
    enum aw_err err;

    if (walk->state == NULL)
        return AW_OK;
    err = aw_replay_batch(walk->state, batch, &walk->head, &walk->folder.arena, NULL, &walk->folder.why);
    if (err != AW_OK)
        return err;
    if (!walk->has_mark || header->index != walk->mark.index)
        return AW_OK;
    if (memcmp(&walk->head.hash, &walk->mark.hash, sizeof(walk->mark.hash)) != 0 ||
        !aw_hash128_eq(aw_state_digest(walk->state), walk->mark.digest))
        return aw_why(&walk->folder.why, AW_E_CORRUPT, "the checkpoint at record %" PRIu64 " is not what the journal gives there",
                      walk->mark.seq);
    walk->mark_met = true;
    return AW_OK;
}

static enum aw_err
walk_batch(void *user, uint64_t first_seq, struct aw_slice batch, bool *ret_end)
{
    struct walk           *walk = user;
    struct aw_batch_header header;
    enum aw_err            err = aw_batch_header_read(batch, &header, &walk->folder.why);

    (void)first_seq; /* the header says it too, and the chain that it is true */
    if (err == AW_OK)
        err = check_header(walk, &header);
    if (err != AW_OK)
        return err;
    err = walk_records(walk, &header, batch);
    if (err != AW_OK)
        return err;
    if (walk->options->verify) {
        err = replay(walk, &header, batch);
        if (err != AW_OK)
            return err;
    }
    if (!aw_batch_hash(&header.previous, batch, &walk->hash))
        return aw_why(&walk->folder.why, AW_E_MEMORY, "out of memory");
    walk->last_index = header.index;
    walk->next_seq = header.first_seq + header.count;
    walk->epoch = header.epoch;
    walk->last_at = header.now;
    *ret_end = !walk->options->verify && walk->next_seq > walk->options->to;
    return AW_OK;
}

/* A running server may have trimmed what we have not come to yet: the walk goes on at its anchor. */
static enum aw_err
follow_anchor(void *user)
{
    struct walk             *walk = user;
    struct aw_journal_anchor anchor;
    enum aw_err              err = aw_check_anchor(walk->folder.reader, &anchor, &walk->folder.why);

    if (err != AW_OK || (anchor.next_seq <= walk->next_seq && walk->next_seq > 1))
        return err;
    if (walk->first_index == 0)
        walk->anchor = anchor;
    if (anchor.index > 0)
        aw_state_free(&walk->state); /* older batches are gone: the replay begins at the checkpoint, after the walk */
    walk->next_seq = anchor.next_seq;
    walk->last_index = anchor.index;
    walk->hash = anchor.hash;
    return AW_OK;
}

static enum aw_err
walk_all(struct walk *walk)
{
    const struct aw_cli_walk steps = {
        .user = walk, .next_seq = &walk->next_seq, .on_snapshot = follow_anchor, .on_batch = walk_batch};

    return aw_cli_folder_walk(&walk->folder, &steps);
}

/* --- what was kept of batches that are gone --------------------------------------------------------------------------------- */

static enum aw_err
check_kept_record(struct walk *walk, uint64_t seq)
{
    struct aw_kept_record record;
    struct aw_kept        kept;
    struct aw_command     command;
    uint32_t              slot;
    enum aw_err           err = aw_journal_read_kept(walk->folder.reader, AW_KEPT_RECORD, seq, &kept);

    if (err != AW_OK)
        return aw_why(&walk->folder.why, err, "what was kept of it can't be read: %s", aw_err_text(err));
    err = aw_kept_read(kept.bytes, &record, &walk->folder.why);
    aw_arena_reset(&walk->folder.arena);
    if (err == AW_OK)
        err = aw_record_read(&record.record, &walk->folder.arena, &command, &walk->folder.why);
    if (err != AW_OK)
        return err;
    if (record.record.seq != seq || !aw_command_slot(&command, &slot) || slot != kept.owner)
        return aw_why(&walk->folder.why, AW_E_CORRUPT, "record %" PRIu64 " was kept under the name of another",
                      record.record.seq);
    if (walk->kept_oldest == 0)
        walk->kept_oldest = record.now;
    return check_body(walk, &command);
}

/* Its hash lies in its record, which is checked where that lies; here only that it can be read. */
static enum aw_err
check_kept_body(struct walk *walk, uint64_t seq)
{
    struct aw_kept kept;
    enum aw_err    err = aw_journal_read_kept(walk->folder.reader, AW_KEPT_BODY, seq, &kept);

    return err == AW_OK ? AW_OK : aw_why(&walk->folder.why, err, "a kept body can't be read: %s", aw_err_text(err));
}

/* Some entries under one snapshot. *seq moves on; AW_E_NOT_FOUND behind the last. */
static enum aw_err
check_kept_some(struct walk *walk, enum aw_kept_kind kind, uint64_t *seq)
{
    enum aw_err err = aw_cli_folder_begin(&walk->folder);

    if (err != AW_OK)
        return err;
    for (unsigned i = 0; i < KEPT_A_SNAPSHOT && err == AW_OK; i++) {
        struct aw_kept kept;

        err = aw_journal_find_kept(walk->folder.reader, kind, *seq, &kept);
        if (err != AW_OK)
            break;
        walk->bad_seq = kept.seq;
        err = kind == AW_KEPT_RECORD ? check_kept_record(walk, kept.seq) : check_kept_body(walk, kept.seq);
        if (err != AW_OK)
            break;
        walk->bad_seq = 0;
        walk->kept[kind]++;
        *seq = kept.seq + 1;
    }
    aw_journal_read_end(walk->folder.reader);
    return err;
}

static enum aw_err
walk_kept(struct walk *walk)
{
    struct aw_journal_anchor before = {0}, after = {0};
    enum aw_err              err = aw_cli_folder_anchor(&walk->folder, &before);

    for (unsigned kind = 0; err == AW_OK && kind < AW_KEPT_KINDS; kind++) {
        uint64_t seq = 0;

        while (err == AW_OK)
            err = check_kept_some(walk, (enum aw_kept_kind)kind, &seq);
        if (err == AW_E_NOT_FOUND && walk->bad_seq == 0)
            err = AW_OK;
    }
    if (err == AW_OK)
        err = aw_cli_folder_anchor(&walk->folder, &after);
    if (err != AW_OK || memcmp(&before, &after, sizeof(before)) != 0)
        return err; /* with a server at work the counts have moved on */
    if (walk->kept[AW_KEPT_RECORD] != after.kept[AW_KEPT_RECORD] || walk->kept[AW_KEPT_BODY] != after.kept[AW_KEPT_BODY])
        return aw_why(&walk->folder.why, AW_E_CORRUPT,
                      "%" PRIu64 " records and %" PRIu64 " bodies were kept, the anchor says %" PRIu64 " and %" PRIu64,
                      walk->kept[AW_KEPT_RECORD], walk->kept[AW_KEPT_BODY], after.kept[AW_KEPT_RECORD], after.kept[AW_KEPT_BODY]);
    return AW_OK;
}

/* With older batches trimmed: what a start would do. */
static enum aw_err
replay_from_checkpoint(struct walk *walk)
{
    struct aw_recovery recovery;
    enum aw_err        err;

    if (walk->state != NULL || walk->last_index == 0)
        return AW_OK;
    err = aw_state_new_largest(&walk->state, aw_journal_identity(walk->folder.journal)->shard, &walk->folder.why);
    if (err != AW_OK)
        return err;
    err = aw_recover(walk->state, walk->folder.journal, walk->folder.table, NULL, &recovery, &walk->folder.why);
    walk->mark_met = err == AW_OK;
    return err;
}

/* --- the command ---------------------------------------------------------------------------------------------------------- */

static void
print_verified(const struct walk *walk)
{
    char at[AW_TIME_TEXT_BYTES] = "-";

    if (walk->last_at != 0)
        aw_time_format(walk->last_at, at);
    if (walk->cli->common.json) {
        (void)printf("{\"ok\":true,\"first_batch\":%" PRIu64 ",\"last_batch\":%" PRIu64 ",\"records\":%" PRIu64
                     ",\"messages\":%" PRIu64 ",\"bodies\":%" PRIu64 ",\"sealed\":%" PRIu64 ",\"without_body\":%" PRIu64
                     ",\"epoch\":%" PRIu64 ",\"last_at\":\"%s\",\"checkpoint\":%s,\"anchor\":%" PRIu64
                     ",\"first_record\":%" PRIu64 ",\"kept_records\":%" PRIu64 ",\"kept_bodies\":%" PRIu64 "}\n",
                     walk->first_index, walk->last_index, walk->records, walk->messages, walk->bodies, walk->sealed, walk->erased,
                     walk->epoch, at, walk->mark_met ? "true" : "false", walk->anchor.index, walk->anchor.next_seq,
                     walk->kept[AW_KEPT_RECORD], walk->kept[AW_KEPT_BODY]);
        return;
    }
    if (walk->last_index == 0) {
        (void)printf("the journal is empty\n");
        return;
    }
    (void)printf("sound: batches %" PRIu64 " to %" PRIu64 ", %" PRIu64 " records, %" PRIu64 " messages, epoch %" PRIu64
                 ", last at %s\n",
                 walk->first_index, walk->last_index, walk->records, walk->messages, walk->epoch, at);
    (void)printf("  chain and CRCs hold; %" PRIu64 " bodies match their hash, %" PRIu64 " are encrypted, %" PRIu64
                 " are erased or trimmed\n",
                 walk->bodies, walk->sealed, walk->erased);
    if (walk->anchor.index > 0) {
        char hash[2 * sizeof(walk->anchor.hash.bytes) + 1];

        aw_cli_hex(walk->anchor.hash.bytes, sizeof(walk->anchor.hash.bytes), hash);
        (void)printf("  trimmed up to batch %" PRIu64 " (%s), the journal begins with record %" PRIu64 "\n", walk->anchor.index,
                     hash, walk->anchor.next_seq);
    }
    if (walk->kept[AW_KEPT_RECORD] > 0 || walk->kept[AW_KEPT_BODY] > 0) {
        at[0] = '-';
        at[1] = '\0';
        if (walk->kept_oldest != 0)
            aw_time_format(walk->kept_oldest, at);
        (void)printf("  kept for tickets that need them: %" PRIu64 " records and %" PRIu64 " bodies, the oldest of %s\n",
                     walk->kept[AW_KEPT_RECORD], walk->kept[AW_KEPT_BODY], at);
    }
    (void)printf("  the replay from %s gives the digest of every batch%s\n",
                 walk->anchor.index == 0 ? "the first batch" : "the checkpoint",
                 walk->anchor.index == 0 && walk->mark_met ? " and of the checkpoint" : "");
}

static int
report(const struct walk *walk, enum aw_err err)
{
    json_t *line;

    if (err == AW_OK) {
        if (walk->options->verify)
            print_verified(walk);
        return AW_CLI_OK;
    }
    if (walk->bad_seq != 0)
        aw_cli_error(walk->cli, "first bad record: %" PRIu64 ", behind batch %" PRIu64 ": %s", walk->bad_seq, walk->last_index,
                     walk->folder.why.text);
    else
        aw_cli_error(walk->cli, "behind batch %" PRIu64 " and record %" PRIu64 ": %s", walk->last_index, walk->next_seq - 1,
                     walk->folder.why.text);
    if (walk->cli->common.json) {
        line = json_pack("{s:b,s:s,s:s,s:I,s:I}", "ok", 0, "error", aw_err_problem(err), "detail", walk->folder.why.text,
                         "last_good_batch", (json_int_t)walk->last_index, "bad_record", (json_int_t)walk->bad_seq);
        aw_cli_print_json(line);
        json_decref(line);
    }
    return AW_CLI_FAILED;
}

static enum aw_err
begin_verify(struct walk *walk)
{
    struct aw_cli_folder *folder = &walk->folder;
    enum aw_err           err = aw_table_read_mark(folder->table, &walk->mark);

    walk->has_mark = err == AW_OK;
    if (err != AW_OK && err != AW_E_NOT_FOUND)
        return aw_why(&folder->why, err, "the mark of the checkpoint can't be read: %s", aw_err_text(err));
    walk->head.next_seq = 1;
    return aw_state_new_largest(&walk->state, aw_journal_identity(folder->journal)->shard, &folder->why);
}

static enum aw_err
verify(struct walk *walk)
{
    enum aw_err err = begin_verify(walk);

    if (err == AW_OK)
        err = walk_all(walk);
    if (err == AW_OK)
        err = walk_kept(walk);
    return err == AW_OK ? replay_from_checkpoint(walk) : err;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    struct walk walk = {.cli = cli, .options = cli->options, .next_seq = 1};
    int         code = aw_cli_folder_open(&walk.folder, cli, argc, argv);

    if (code == AW_CLI_OK)
        code = report(&walk, walk.options->verify ? verify(&walk) : walk_all(&walk));
    aw_state_free(&walk.state);
    aw_cli_folder_close(&walk.folder);
    return code;
}

const struct aw_cli_command aw_cli_journal = {
    .name = "journal",
    .arguments = "DIR",
    .summary = "read a data folder offline: print its records, or verify it",
    .about =
        "Prints the journal in the data folder DIR, one record a line: sequence number, time, kind, then its fields. No message\n"
        "text is printed. A server may be running on the folder; nothing is written.\n"
        "\n"
        "With --verify nothing is printed but the verdict: the chain of batches, every CRC, every body's hash, and a replay "
        "into\n"
        "a state of its own whose digest must be the one noted in each batch. Exit code 1 names the first bad record.",
    .options = journal_options,
    .option_count = AW_ARRAY_LEN(journal_options),
    .defaults = &journal_defaults,
    .defaults_bytes = sizeof(journal_defaults),
    .offline = true,
    .run = run,
};
