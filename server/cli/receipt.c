/* receipt.c - `aswolk receipt`: whether a store has what it once gave receipts for.
 *
 * One walk along the chain of batches, from where the journal begins to the last receipt's batch; each record on the way that a
 * receipt names is compared with it, and its batch's hash with the receipt's. What was trimmed is looked for in `kept`. Last come
 * the names of lanes, of which a record has numbers: in the checkpoint, and in the records that made them.
 */
#include "cli/chain.h"
#include "cli/lines.h"
#include "cli/progress.h"
#include "cli/receipts.h"

#include "commit/kept.h"
#include "commit/recover.h"
#include "core/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_A_SNAPSHOT 4096U

struct receipt_options {
    bool quiet;
};
static const struct receipt_options receipt_defaults = {.quiet = false};

static const struct aw_cli_option receipt_options[] = {
    {.name = "quiet",
     .letter = 'q',
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct receipt_options, quiet),
     .about = "print only what is not proved, and the sums"},
};

struct job {
    struct aw_cli         *cli;
    struct aw_cli_folder   folder;
    struct aw_cli_chain    chain;
    struct aw_cli_receipts receipts;
    size_t                 next;     /* the first receipt, by record, that the walk has not come to */
    size_t                 in_batch; /* the first one of the batch under way */
    uint64_t               lines;    /* read so far, over all files */
    uint64_t               end_seq;  /* how far the walk goes */
    struct aw_cli_progress progress;
    struct aw_state       *state; /* as of the checkpoint */
    json_t                *lanes; /* owns: names by number; first those that the walk saw being made or changed */
    uint64_t               sums[AW_CLI_VERDICTS];
};

static const char *const verdict_names[AW_CLI_VERDICTS] = {
    [AW_CLI_VERDICT_OPEN] = "open",
    [AW_CLI_VERDICT_PROVED] = "proved",
    [AW_CLI_VERDICT_KEPT] = "kept",
    [AW_CLI_VERDICT_DIFFERS] = "differs",
    [AW_CLI_VERDICT_TRIMMED] = "trimmed",
    [AW_CLI_VERDICT_NOT_THERE] = "not_there",
    [AW_CLI_VERDICT_NO_RECEIPT] = "no_receipt",
};

/* --- reading the receipts ------------------------------------------------------------------------------------------------- */

static int
fail(const struct job *job, const char *words)
{
    aw_cli_error(job->cli, "%s", words);
    return AW_CLI_FAILED;
}

static int
read_lines(struct job *job, struct aw_cli_lines *lines, const char *path)
{
    struct aw_slice line;
    enum aw_err     err = AW_OK;

    while (err == AW_OK) {
        switch (aw_cli_lines_next(lines, &line)) {
        case AW_CLI_LINE_OK:
            err = aw_cli_receipts_add(&job->receipts, job->lines + lines->number, line);
            break;
        case AW_CLI_LINE_TOO_LONG:
            err = aw_cli_receipts_add(&job->receipts, job->lines + lines->number, aw_slice_of("", 0));
            break;
        case AW_CLI_LINE_END:
            job->lines += lines->number;
            return AW_CLI_OK;
        case AW_CLI_LINE_ERROR:
            aw_cli_error(job->cli, "%s: %s", path, strerror(errno));
            return AW_CLI_FAILED;
        }
    }
    return fail(job, "out of memory");
}

static int
read_file(struct job *job, const char *path)
{
    struct aw_cli_lines lines;
    struct aw_why       why = {""};
    int                 code;

    if (aw_cli_lines_open(&lines, path, &why) == AW_OK)
        code = read_lines(job, &lines, path);
    else
        code = fail(job, why.text);
    aw_cli_lines_close(&lines);
    return code;
}

static int
read_receipts(struct job *job, int argc, char **argv)
{
    int code = AW_CLI_OK;

    for (int i = 0; i < argc && code == AW_CLI_OK; i++) {
        if (argv[i][0] == '{')
            code = aw_cli_receipts_add(&job->receipts, ++job->lines, aw_slice_str(argv[i])) == AW_OK ? AW_CLI_OK
                                                                                                     : fail(job, "out of memory");
        else
            code = read_file(job, argv[i]);
    }
    if (argc == 0)
        code = read_file(job, "-");
    if (code == AW_CLI_OK && job->receipts.count == 0) {
        aw_cli_error(job->cli, "there is no receipt in what was given");
        return AW_CLI_USAGE;
    }
    return code;
}

/* --- the walk ------------------------------------------------------------------------------------------------------------- */

/* Its text may be gone, and its reasons with it; what is there must be what was accepted. */
static enum aw_err
compare(struct job *job, struct aw_cli_receipt *receipt, const struct aw_cli_place *place, const struct aw_command *command)
{
    struct aw_slice body;
    enum aw_err     err = aw_cli_chain_check_body(&job->chain, command, &body);
    bool            is_altered = err == AW_E_CORRUPT;

    receipt->has_body = err == AW_OK && body.len > 0;
    if (err == AW_OK || is_altered)
        err = aw_cli_receipt_compare(receipt, place, command, body, &job->folder.arena);
    if (err == AW_OK && is_altered)
        err = aw_cli_receipt_differs(receipt, "text", NULL, json_string(job->folder.why.text));
    return err;
}

static enum aw_err
note_lane(json_t *lanes, struct aw_slice name)
{
    size_t  i;
    json_t *known;

    json_array_foreach(lanes, i, known)
    {
        if (aw_slice_eq(aw_slice_of(json_string_value(known), json_string_length(known)), name))
            return AW_OK;
    }
    return json_array_append_new(lanes, json_stringn(name.ptr, name.len)) == 0 ? AW_OK : AW_E_MEMORY;
}

static enum aw_err
on_record(void *user, const struct aw_batch_header *header, const struct aw_record *record, const struct aw_command *command)
{
    struct job               *job = user;
    const struct aw_cli_place place = {.index = header->index, .at = header->now, .shard = header->shard};
    enum aw_err               err = AW_OK;

    if (record->seq == header->first_seq) {
        while (job->next < job->receipts.count && job->receipts.all[job->next].seq < record->seq)
            job->next++; /* trimmed while we walked */
        job->in_batch = job->next;
    }
    if (command->kind == AW_COMMAND_LANE)
        err = note_lane(job->lanes, command->in.lane.name);
    for (; err == AW_OK && job->next < job->receipts.count && job->receipts.all[job->next].seq == record->seq; job->next++) {
        struct aw_cli_receipt *receipt = &job->receipts.all[job->next];

        err = compare(job, receipt, &place, command);
    }
    return err == AW_E_MEMORY ? aw_why(&job->folder.why, err, "out of memory") : err;
}

static enum aw_err
on_batch(void *user, const struct aw_batch_header *header, struct aw_slice batch, struct aw_slice ids, bool *ret_end)
{
    struct job      *job = user;
    struct aw_sha256 hash;
    enum aw_err      err = AW_OK;

    (void)ids;
    if (aw_cli_stopped())
        return aw_why(&job->folder.why, AW_E_CLOSED, "stopped");
    if (job->in_batch < job->next && !aw_batch_hash(&header->previous, batch, &hash))
        return aw_why(&job->folder.why, AW_E_MEMORY, "out of memory");
    for (size_t i = job->in_batch; err == AW_OK && i < job->next; i++) {
        struct aw_cli_receipt *receipt = &job->receipts.all[i];

        err = aw_cli_receipt_compare_commit(receipt, header->index, &hash);
        if (receipt->verdict == AW_CLI_VERDICT_OPEN)
            receipt->verdict = AW_CLI_VERDICT_PROVED;
    }
    job->in_batch = job->next;
    *ret_end = job->next == job->receipts.count;
    aw_cli_progress_tell(&job->progress, "receipt", header->first_seq, job->end_seq, "", *ret_end);
    return err == AW_E_MEMORY ? aw_why(&job->folder.why, err, "out of memory") : err;
}

/* The last record, or the last one that a receipt names. A newest batch that is damaged says nothing against those before it: the
 * walk finds out whether it gets there. */
static enum aw_err
find_end(struct job *job)
{
    struct aw_batch_header header = {.count = 0};
    struct aw_slice        batch;
    uint64_t               first_seq;
    uint64_t               asked = job->receipts.all[job->receipts.count - 1].seq;
    enum aw_err            err = aw_cli_folder_begin(&job->folder);

    if (err != AW_OK)
        return err;
    err = aw_journal_read_last(job->folder.reader, &first_seq, &batch);
    if (err == AW_OK)
        err = aw_batch_header_read(batch, &header, &job->folder.why);
    else if (err != AW_E_NOT_FOUND)
        (void)aw_why(&job->folder.why, err, "the newest batch can't be read: %s", aw_err_text(err));
    job->end_seq = asked;
    if (err == AW_OK && header.first_seq + header.count < asked)
        job->end_seq = header.first_seq + header.count;
    aw_journal_read_end(job->folder.reader);
    return err == AW_E_NOT_FOUND || err == AW_E_CORRUPT ? AW_OK : err;
}

/* --- what the walk did not come to ----------------------------------------------------------------------------------------- */

static enum aw_err
judge_kept(struct job *job, struct aw_cli_receipt *receipt, const struct aw_kept *kept)
{
    struct aw_cli_folder *folder = &job->folder;
    struct aw_kept_record record;
    struct aw_command     command;
    enum aw_err           err = aw_kept_read(kept->bytes, &record, &folder->why);

    aw_arena_reset(&folder->arena);
    if (err == AW_OK)
        err = aw_record_read(&record.record, &folder->arena, &command, &folder->why);
    if (err == AW_OK) {
        const struct aw_cli_place place = {.index = record.index, .at = record.now, .shard = record.shard};

        err = compare(job, receipt, &place, &command);
    }
    if (err == AW_OK)
        err = aw_cli_receipt_compare_commit(receipt, record.index, &record.hash);
    if (err == AW_OK && receipt->verdict == AW_CLI_VERDICT_OPEN)
        receipt->verdict = AW_CLI_VERDICT_KEPT;
    return err;
}

/* Of a trimmed batch nothing but what was kept; and of the last one that went, its hash. */
static enum aw_err
judge_trimmed(struct job *job, struct aw_cli_receipt *receipt, const struct aw_journal_anchor *anchor)
{
    struct aw_kept kept;
    enum aw_err    err = aw_journal_read_kept(job->folder.reader, AW_KEPT_RECORD, receipt->seq, &kept);

    job->chain.bad_seq = receipt->seq; /* should it turn out to be damaged */
    if (err == AW_OK)
        err = judge_kept(job, receipt, &kept);
    else if (err == AW_E_NOT_FOUND && receipt->index >= anchor->index)
        err = aw_cli_receipt_compare_commit(receipt, anchor->index, &anchor->hash);
    else if (err == AW_E_NOT_FOUND)
        err = AW_OK;
    else
        err = aw_why(&job->folder.why, err, "what was kept of it can't be read: %s", aw_err_text(err));
    if (err != AW_OK)
        return err;
    job->chain.bad_seq = 0;
    if (receipt->verdict == AW_CLI_VERDICT_OPEN)
        receipt->verdict = AW_CLI_VERDICT_TRIMMED;
    return AW_OK;
}

static enum aw_err
judge_rest(struct job *job)
{
    struct aw_journal_anchor anchor = {0};
    enum aw_err              err = aw_cli_folder_anchor(&job->folder, &anchor);
    size_t                   i = 0;

    while (err == AW_OK && i < job->receipts.count) {
        size_t end = i + KEPT_A_SNAPSHOT < job->receipts.count ? i + KEPT_A_SNAPSHOT : job->receipts.count;

        err = aw_cli_folder_begin(&job->folder);
        if (err != AW_OK)
            return err;
        for (; err == AW_OK && i < end; i++) {
            struct aw_cli_receipt *receipt = &job->receipts.all[i];

            if (receipt->verdict == AW_CLI_VERDICT_OPEN && receipt->seq >= anchor.next_seq)
                receipt->verdict = AW_CLI_VERDICT_NOT_THERE;
            else if (receipt->verdict == AW_CLI_VERDICT_OPEN)
                err = judge_trimmed(job, receipt, &anchor);
        }
        aw_journal_read_end(job->folder.reader);
    }
    return err;
}

/* Lanes are numbered as they are made, and never go. The checkpoint, read after the walk, has those that were made before it; the
 * walk saw the others. */
static enum aw_err
find_lanes(struct job *job)
{
    struct aw_cli_folder *folder = &job->folder;
    struct aw_recovery    recovery;
    json_t               *lanes = json_array(), *name;
    size_t                i;
    enum aw_err           err = aw_state_new_largest(&job->state, aw_journal_identity(folder->journal)->shard, &folder->why);

    if (err == AW_OK)
        err = aw_recover_checkpoint(job->state, folder->journal, folder->table, NULL, &recovery, &folder->why);
    for (uint32_t lane = 0; err == AW_OK && lane < aw_state_lane_count(job->state); lane++)
        err = note_lane(lanes, aw_state_lane_name(job->state, lane));
    json_array_foreach(job->lanes, i, name)
    {
        if (err == AW_OK)
            err = note_lane(lanes, aw_slice_of(json_string_value(name), json_string_length(name)));
    }
    json_decref(job->lanes);
    job->lanes = lanes;
    return err == AW_E_MEMORY ? aw_why(&folder->why, err, "out of memory") : err;
}

static enum aw_err
judge_lanes(struct job *job)
{
    enum aw_err err = find_lanes(job);

    for (size_t i = 0; err == AW_OK && i < job->receipts.count; i++) {
        struct aw_cli_receipt *receipt = &job->receipts.all[i];
        const json_t          *name = json_array_get(job->lanes, receipt->lane);

        if (receipt->verdict != AW_CLI_VERDICT_PROVED && receipt->verdict != AW_CLI_VERDICT_KEPT)
            continue;
        if (name == NULL)
            return aw_why(&job->folder.why, AW_E_CORRUPT, "record %" PRIu64 " names a lane that there is not", receipt->seq);
        err = aw_cli_receipt_compare_lane(receipt, aw_slice_of(json_string_value(name), json_string_length(name)));
    }
    return err;
}

static enum aw_err
judge(struct job *job)
{
    bool        has_lane = false;
    enum aw_err err;

    aw_cli_receipts_sort(&job->receipts, true);
    while (job->next < job->receipts.count && job->receipts.all[job->next].verdict != AW_CLI_VERDICT_OPEN)
        job->next++;
    job->in_batch = job->next;
    if (job->next == job->receipts.count)
        return AW_OK;
    job->chain =
        (struct aw_cli_chain){.folder = &job->folder, .user = job, .on_record = on_record, .on_batch = on_batch, .next_seq = 1};
    err = find_end(job);
    if (err == AW_OK)
        err = aw_cli_chain_walk(&job->chain);
    aw_cli_progress_end(&job->progress);
    if (err == AW_OK)
        err = judge_rest(job);
    for (size_t i = 0; i < job->receipts.count; i++)
        has_lane = has_lane || job->receipts.all[i].verdict == AW_CLI_VERDICT_PROVED ||
                   job->receipts.all[i].verdict == AW_CLI_VERDICT_KEPT;
    return err == AW_OK && has_lane ? judge_lanes(job) : err;
}

/* --- what is told --------------------------------------------------------------------------------------------------------- */

static void
print_receipt_json(const struct aw_cli_receipt *receipt)
{
    char    id[AW_ID_TEXT_BYTES], at[AW_TIME_TEXT_BYTES];
    json_t *line = json_pack("{s:I,s:s}", "line", (json_int_t)receipt->number, "verdict", verdict_names[receipt->verdict]);

    if (receipt->seq != 0) {
        aw_message_id_format((struct aw_message_id){.seq = receipt->seq, .shard = receipt->shard}, id);
        (void)json_object_set_new(line, "message", json_string(id));
    }
    if (receipt->words != NULL)
        (void)json_object_set_new(line, "detail", json_string(receipt->words));
    if (receipt->at != 0) {
        aw_time_format(receipt->at, at);
        (void)json_object_set_new(line, "accepted_at", json_string(at));
        (void)json_object_set_new(line, "has_text", json_boolean(receipt->has_body));
        if (receipt->lacks_reasons) /* so they were not compared */
            (void)json_object_set_new(line, "reasons_gone", json_true());
    }
    if (receipt->differs != NULL)
        (void)json_object_set(line, "differs", receipt->differs);
    aw_cli_print_json(line);
    json_decref(line);
}

static void
print_differs(const struct aw_cli_receipt *receipt)
{
    size_t  i;
    json_t *row;

    json_array_foreach(receipt->differs, i, row)
    {
        char *stated = json_dumps(json_object_get(row, "receipt"), JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_COMPACT);
        char *store = json_dumps(json_object_get(row, "store"), JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_COMPACT);

        (void)printf("  %s: the receipt says %s, the store %s\n", aw_cli_text(row, "field"), stated == NULL ? "?" : stated,
                     store == NULL ? "?" : store);
        free(stated);
        free(store);
    }
}

static const char *
text_words(const struct aw_cli_receipt *receipt)
{
    if (receipt->has_body)
        return "there";
    return receipt->lacks_reasons ? "gone, and with it the reasons, which are not compared" : "gone";
}

static void
print_receipt(const struct aw_cli_receipt *receipt)
{
    char id[AW_ID_TEXT_BYTES], at[AW_TIME_TEXT_BYTES] = "-";

    aw_message_id_format((struct aw_message_id){.seq = receipt->seq, .shard = receipt->shard}, id);
    if (receipt->at != 0)
        aw_time_format(receipt->at, at);
    switch (receipt->verdict) {
    case AW_CLI_VERDICT_OPEN:
        break; /* none is left */
    case AW_CLI_VERDICT_PROVED:
        (void)printf("%s: proved; accepted at %s in batch %" PRIu64 ", its text is %s\n", id, at, receipt->index,
                     text_words(receipt));
        break;
    case AW_CLI_VERDICT_KEPT:
        (void)printf("%s: batch %" PRIu64 " was trimmed, and what was kept of it says the same; accepted at %s, its text is %s\n",
                     id, receipt->index, at, text_words(receipt));
        break;
    case AW_CLI_VERDICT_DIFFERS:
        (void)printf("%s: differs\n", id);
        print_differs(receipt);
        break;
    case AW_CLI_VERDICT_TRIMMED:
        (void)printf("%s: batch %" PRIu64 " was trimmed, and nothing was kept of it: it can't be shown any more\n", id,
                     receipt->index);
        break;
    case AW_CLI_VERDICT_NOT_THERE:
        (void)printf("%s: is not there; the journal ends before its record\n", id);
        break;
    case AW_CLI_VERDICT_NO_RECEIPT:
        (void)printf("line %" PRIu64 ": is no receipt: %s\n", receipt->number, receipt->words);
        break;
    }
}

static bool
is_well(enum aw_cli_verdict verdict)
{
    return verdict == AW_CLI_VERDICT_PROVED || verdict == AW_CLI_VERDICT_KEPT;
}

static int
exit_code(const struct job *job)
{
    const uint64_t *sums = job->sums;

    if (sums[AW_CLI_VERDICT_DIFFERS] + sums[AW_CLI_VERDICT_NOT_THERE] + sums[AW_CLI_VERDICT_NO_RECEIPT] > 0)
        return AW_CLI_FAILED;
    return sums[AW_CLI_VERDICT_TRIMMED] > 0 ? AW_CLI_PARTLY : AW_CLI_OK;
}

static void
print_sums(const struct job *job, int code)
{
    const struct aw_cli_chain *chain = &job->chain;
    const uint64_t            *sums = job->sums;
    char                       hash[2 * sizeof(chain->hash.bytes) + 1];
    json_t                    *line;

    aw_cli_hex(chain->hash.bytes, sizeof(chain->hash.bytes), hash);
    if (!job->cli->common.json) {
        (void)printf("%zu receipts: %" PRIu64 " proved, %" PRIu64 " by what was kept, %" PRIu64 " differ, %" PRIu64
                     " trimmed, %" PRIu64 " not there, %" PRIu64 " no receipts\n",
                     job->receipts.count, sums[AW_CLI_VERDICT_PROVED], sums[AW_CLI_VERDICT_KEPT], sums[AW_CLI_VERDICT_DIFFERS],
                     sums[AW_CLI_VERDICT_TRIMMED], sums[AW_CLI_VERDICT_NOT_THERE], sums[AW_CLI_VERDICT_NO_RECEIPT]);
        if (chain->last_index > 0)
            (void)printf("  the chain holds from batch %" PRIu64 " to batch %" PRIu64 " (%s)\n", chain->first_index,
                         chain->last_index, hash);
        return;
    }
    line =
        json_pack("{s:b,s:I,s:I,s:{s:I,s:s}}", "ok", code == AW_CLI_OK, "receipts", (json_int_t)job->receipts.count,
                  "first_batch", (json_int_t)chain->first_index, "commit", "index", (json_int_t)chain->last_index, "hash", hash);
    for (unsigned i = AW_CLI_VERDICT_PROVED; i < AW_CLI_VERDICTS; i++)
        (void)json_object_set_new(line, verdict_names[i], json_integer((json_int_t)sums[i]));
    (void)json_object_set_new(line, "refused", json_integer((json_int_t)job->receipts.refused));
    aw_cli_print_json(line);
    json_decref(line);
}

static int
report(struct job *job)
{
    const struct receipt_options *options = job->cli->options;
    int                           code;

    aw_cli_receipts_sort(&job->receipts, false);
    for (size_t i = 0; i < job->receipts.count; i++) {
        const struct aw_cli_receipt *receipt = &job->receipts.all[i];

        job->sums[receipt->verdict]++;
        if (options->quiet && is_well(receipt->verdict))
            continue;
        if (job->cli->common.json)
            print_receipt_json(receipt);
        else
            print_receipt(receipt);
    }
    code = exit_code(job);
    print_sums(job, code);
    return code;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    struct job  job = {.cli = cli, .lanes = json_array()};
    enum aw_err err;
    int         code;

    if (argc < 1) {
        aw_cli_error(cli, "takes a data folder or backup, then receipts or files of them");
        return AW_CLI_USAGE;
    }
    aw_cli_catch_signals(cli);
    code = read_receipts(&job, argc - 1, argv + 1);
    if (code == AW_CLI_OK) {
        code = aw_cli_folder_open(&job.folder, cli, argv[0]);
        if (code == AW_CLI_OK) {
            err = judge(&job);
            code = err == AW_OK ? report(&job) : aw_cli_chain_report(cli, &job.chain, err);
        }
        aw_state_free(&job.state);
        aw_cli_folder_close(&job.folder);
    }
    json_decref(job.lanes);
    aw_cli_receipts_free(&job.receipts);
    return code;
}

const struct aw_cli_command aw_cli_receipt = {
    .name = "receipt",
    .arguments = "DIR [RECEIPT|FILE]...",
    .summary = "prove receipts: compare them with a data folder or backup",
    .about =
        "Compares receipts, as the server answered them to posts, with the data folder or backup DIR: one in quotes, files of "
        "one\n"
        "a line, \"-\" or nothing for standard input. A server may be running on the folder; nothing is written. Each is\n"
        "\n"
        "  proved      its record gives all that it states, in a batch with its hash, which continues those before it\n"
        "  kept        its batch was trimmed; what was kept of it, as its ticket needs it, says the same, without the chain\n"
        "  differs     something that it states is not so: named, with what the store has\n"
        "  trimmed     too old: neither shown nor disproved\n"
        "  not there   the journal ends before it, as that of an older backup does\n"
        "\n"
        "A text that was erased, withdrawn or trimmed is no difference; one that is there must be the one that was accepted.\n"
        "`reasons` quote it and go with it: they are compared as long as it is there.\n"
        "Not compared are `notice`, `duplicate`, `differs`, `line` and `status`, which tell of the answer and not of the "
        "message.\n"
        "A sealed store needs its keys. Exit codes: 0 all are proved or kept; 1 one differs, is not there or is no receipt, or\n"
        "the store is damaged; 4 some were trimmed.",
    .options = receipt_options,
    .option_count = AW_ARRAY_LEN(receipt_options),
    .defaults = &receipt_defaults,
    .defaults_bytes = sizeof(receipt_defaults),
    .offline = true,
    .run = run,
};
