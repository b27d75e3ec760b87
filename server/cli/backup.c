/* backup.c - `aswolk backup` and `aswolk restore`: a store into a new folder, checked before it gets its name.
 *
 * Both are one copy (store/copy.h), the second of what the first made, and both end with the whole check of cli/verify.h on what
 * was copied. What fails or is stopped leaves nothing behind and changes nothing.
 */
#include "cli/progress.h"
#include "cli/verify.h"
#include "port/clock.h"
#include "store/copy.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct backup_options {
    uint64_t held_mib_max;
};
static const struct backup_options backup_defaults = {.held_mib_max = 64};

static const struct aw_cli_option backup_options[] = {
    {.name = "held-mib-max",
     .type = AW_CLI_NUMBER,
     .value = "MIB",
     .offset = offsetof(struct backup_options, held_mib_max),
     .min = 1,
     .max = 1U << 20,
     .about = "give up when more of a running server's store would be kept from being used again; default 64"},
};

struct job {
    struct aw_cli         *cli;
    enum aw_copy_kind      kind;
    const char            *from;
    const char            *to;
    struct aw_cli_folder   folder;
    struct aw_copy        *copy;
    struct aw_copy_sum     sum;
    struct aw_cli_verify   verify;
    bool                   has_verify;
    aw_ns                  began_at;
    struct aw_cli_progress progress;
    aw_ms                  made_at; /* of the backup */
    struct aw_copy_note    note;    /* of the backup that is restored */
    char                   keys[AW_CLI_PATH_BYTES];
};

/* --- progress ------------------------------------------------------------------------------------------------------------- */

static void
tell(struct job *job, bool is_last)
{
    uint64_t total = job->sum.end_seq > job->sum.first_seq ? job->sum.end_seq - job->sum.first_seq : 0;
    char     behind[48];

    (void)snprintf(behind, sizeof(behind), ", %" PRIu64 " MiB", job->sum.bytes >> 20);
    aw_cli_progress_tell(&job->progress, job->kind == AW_COPY_BACKUP ? "backup" : "restore",
                         job->sum.next_seq - job->sum.first_seq, total, behind, is_last);
}

/* --- the copy ------------------------------------------------------------------------------------------------------------- */

static enum aw_err
copy_all(struct job *job)
{
    struct aw_copy_config config = {.to = job->to, .kind = job->kind, .now = aw_clock_wall(), .held_bytes_max = UINT64_MAX};
    struct aw_why        *why = &job->folder.why;
    enum aw_err           err;

    job->made_at = job->kind == AW_COPY_BACKUP ? config.now : job->note.made_at;
    if (job->kind == AW_COPY_BACKUP)
        config.held_bytes_max = ((const struct backup_options *)job->cli->options)->held_mib_max << 20;
    err = aw_copy_begin(&job->copy, job->folder.journal, &config, why);
    while (err == AW_OK && !job->sum.is_done) {
        if (aw_cli_stopped())
            return aw_why(why, AW_E_CLOSED, "stopped; nothing was left behind");
        err = aw_copy_step(job->copy, &job->sum, why);
        if (err == AW_OK && !job->sum.is_done)
            tell(job, false);
    }
    if (err == AW_OK)
        tell(job, true);
    return err;
}

static int
fail(struct job *job, enum aw_err err)
{
    json_t *line;

    aw_cli_error(job->cli, "%s", job->folder.why.text);
    if (job->cli->common.json) {
        line = json_pack("{s:b,s:s,s:s}", "ok", 0, "error", aw_err_problem(err), "detail", job->folder.why.text);
        aw_cli_print_json(line);
        json_decref(line);
    }
    return AW_CLI_FAILED;
}

/* --- the verdict ---------------------------------------------------------------------------------------------------------- */

static void
print_json(const struct job *job, const char *made_at, const char *hash)
{
    const struct aw_cli_chain *chain = &job->verify.chain;
    json_t                    *line =
        json_pack("{s:b,s:s,s:s,s:I,s:I,s:I,s:{s:I,s:s},s:I,s:I,s:I,s:s,s:I}", "ok", 1,
                  job->kind == AW_COPY_BACKUP ? "backup" : "folder", job->to, "made_at", made_at, "first_record",
                  (json_int_t)job->sum.first_seq, "last_record", (json_int_t)(job->sum.next_seq - 1), "messages",
                  (json_int_t)chain->messages, "commit", "index", (json_int_t)chain->last_index, "hash", hash, "epoch",
                  (json_int_t)chain->epoch, "bytes", (json_int_t)(job->verify.pages.pages * job->verify.pages.page_bytes), "ms",
                  (json_int_t)((aw_clock_mono() - job->began_at) / AW_NS_PER_MS), "keys", "not included", "key_generation",
                  (json_int_t)aw_lmdb_key_generation(job->verify.folder.journal));

    aw_cli_print_json(line);
    json_decref(line);
}

static void
print_done(const struct job *job)
{
    const struct aw_cli_chain *chain = &job->verify.chain;
    char hash[2 * sizeof(chain->hash.bytes) + 1], made_at[AW_TIME_TEXT_BYTES], last_at[AW_TIME_TEXT_BYTES] = "-";

    aw_cli_hex(chain->hash.bytes, sizeof(chain->hash.bytes), hash);
    aw_time_format(job->made_at, made_at);
    if (chain->last_at != 0)
        aw_time_format(chain->last_at, last_at);
    if (job->cli->common.json) {
        print_json(job, made_at, hash);
        return;
    }
    (void)printf("%s: sound, up to record %" PRIu64 " in batch %" PRIu64 " (%s) of %s\n", job->to, job->sum.next_seq - 1,
                 chain->last_index, hash, last_at);
    (void)printf("  %" PRIu64 " records and %" PRIu64 " messages, %" PRIu64 " MiB\n", chain->records, chain->messages,
                 job->verify.pages.pages * job->verify.pages.page_bytes >> 20);
    if (job->kind == AW_COPY_BACKUP) {
        (void)printf("  the store's keys are not in it: keep the key file as well, and elsewhere (generation %u or later)\n",
                     aw_lmdb_key_generation(job->verify.folder.journal));
        return;
    }
    (void)printf("  of the backup of %s: what was acknowledged later is not there; gateways post it again\n"
                 "  it needs the key file of the store that was backed up, and must not be served beside that store\n",
                 made_at);
}

/* --- the commands --------------------------------------------------------------------------------------------------------- */

static int
check_copy(struct job *job)
{
    struct aw_why *why = &job->folder.why;
    enum aw_err    err;
    int            code;

    job->has_verify = true;
    if (job->folder.keys[0] != '\0')
        job->cli->common.keys = job->folder.keys; /* the copy's too: none lies beside it */
    code = aw_cli_verify_folder(&job->verify, job->cli, aw_copy_path(job->copy));
    if (code != AW_CLI_OK)
        return code;
    if (job->verify.chain.next_seq != job->sum.next_seq) {
        (void)aw_why(why, AW_E_CORRUPT, "the copy ends before record %" PRIu64 ", not %" PRIu64, job->verify.chain.next_seq,
                     job->sum.next_seq);
        return fail(job, AW_E_CORRUPT);
    }
    err = aw_copy_finish(job->copy, why);
    if (err != AW_OK)
        return fail(job, err);
    print_done(job);
    return AW_CLI_OK;
}

/* None lies beside a backup as a rule; but a copy for the folder that is to be made may be in its place already. */
static void
find_keys(struct job *job)
{
    if (job->kind != AW_COPY_RESTORE || job->cli->common.keys != NULL)
        return;
    if (aw_store_keys_path(job->from, job->keys, sizeof(job->keys)) && access(job->keys, F_OK) == 0)
        return;
    if (aw_store_keys_path(job->to, job->keys, sizeof(job->keys)) && access(job->keys, F_OK) == 0)
        job->cli->common.keys = job->keys;
}

static int
say_no_backup(const struct job *job, bool is_restored)
{
    aw_cli_error(
        job->cli,
        "%s: is no backup made by aswolk backup, but %s or a copy of one, which a server opens as it is, with its key file: "
        "aswolkd --data",
        job->from, is_restored ? "a data folder that was restored" : "a data folder");
    return AW_CLI_FAILED;
}

static int
run_job(struct job *job)
{
    enum aw_err err;
    int         code;

    find_keys(job);
    code = aw_cli_folder_open(&job->folder, job->cli, job->from);
    if (code != AW_CLI_OK)
        return code;
    err = aw_copy_read_note(job->folder.journal, &job->note);
    if (job->kind == AW_COPY_RESTORE && (err != AW_OK || job->note.kind != AW_COPY_BACKUP))
        return say_no_backup(job, err == AW_OK);
    err = copy_all(job);
    return err == AW_OK ? check_copy(job) : fail(job, err);
}

static int
run(struct aw_cli *cli, int argc, char **argv, enum aw_copy_kind kind)
{
    struct job job = {.cli = cli, .kind = kind, .began_at = aw_clock_mono()};
    int        code;

    if (argc != 2) {
        aw_cli_error(cli, kind == AW_COPY_BACKUP ? "takes a data folder and where the backup is to be made"
                                                 : "takes a backup and the data folder that is to be made");
        return AW_CLI_USAGE;
    }
    job.from = argv[0];
    job.to = argv[1];
    aw_cli_catch_signals(cli);
    code = run_job(&job);
    if (job.has_verify)
        aw_cli_verify_close(&job.verify);
    aw_copy_free(&job.copy);
    aw_cli_folder_close(&job.folder);
    return code;
}

static int
run_backup(struct aw_cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, AW_COPY_BACKUP);
}

static int
run_restore(struct aw_cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, AW_COPY_RESTORE);
}

const struct aw_cli_command aw_cli_backup = {
    .name = "backup",
    .arguments = "DIR BACKUP",
    .summary = "copy a data folder, also beside its running server, and check the copy",
    .about =
        "Copies the data folder DIR into the new folder BACKUP: all that was acknowledged before it began, and some that came\n"
        "meanwhile; it says up to which record. The server goes on. The copy is checked as aswolk verify does before it gets\n"
        "its name; until then it lies in BACKUP.part. Nothing is written over, and what is stopped leaves nothing behind.\n"
        "\n"
        "The store's keys are not copied: without its key file nobody can read a backup, nor check it.",
    .options = backup_options,
    .option_count = AW_ARRAY_LEN(backup_options),
    .defaults = &backup_defaults,
    .defaults_bytes = sizeof(backup_defaults),
    .offline = true,
    .run = run_backup,
};

const struct aw_cli_command aw_cli_restore = {
    .name = "restore",
    .arguments = "BACKUP DIR",
    .summary = "make a data folder of a backup, and check it",
    .about =
        "Makes the new data folder DIR of a backup; aswolkd --data DIR then goes on after the backup's last record. Nothing is\n"
        "written over. It is the same store: receipts and lease tokens from before the backup are good. What was acknowledged\n"
        "after it is not there, and ids given out after it will name other things: gateways post again what they posted since.\n"
        "So never serve the restored folder and the old one at once.\n"
        "\n"
        "A backup has no keys: --keys FILE names those of the store, which the server then needs as DIR.keys or by --keys too.",
    .offline = true,
    .run = run_restore,
};
