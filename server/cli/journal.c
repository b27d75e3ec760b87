/* journal.c - `aswolk journal`: what a data folder holds, offline: record by record as text. Works beside a running server: it only
 * reads, in snapshots of a few batches each, and sees what was durable when it got there. What it prints is checked on the way
 * (cli/chain.h); `aswolk journal --verify` is `aswolk verify`.
 */
#include "cli/chain.h"
#include "cli/record.h"
#include "cli/verify.h"

#include <string.h>

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

static bool
is_asked_for(const struct journal_options *options, const struct aw_record *record)
{
    return record->seq >= options->from && record->seq <= options->to &&
           (options->kind == NULL || strcmp(options->kind, aw_command_name(record->kind)) == 0);
}

static enum aw_err
print_record(void *user, const struct aw_batch_header *header, const struct aw_record *record, const struct aw_command *command)
{
    const struct aw_cli *cli = user;

    if (is_asked_for(cli->options, record))
        aw_cli_print_record(header, record, command, cli->common.json);
    return AW_OK;
}

static enum aw_err
look_for_end(void *user, const struct aw_batch_header *header, struct aw_slice batch, struct aw_slice ids, bool *ret_end)
{
    const struct aw_cli          *cli = user;
    const struct journal_options *options = cli->options;

    (void)batch;
    (void)ids;
    *ret_end = header->first_seq + header->count > options->to;
    return AW_OK;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    const struct journal_options *options = cli->options;
    struct aw_cli_folder          folder;
    struct aw_cli_chain           chain = {
                  .folder = &folder, .user = cli, .on_record = print_record, .on_batch = look_for_end, .next_seq = 1};
    int code;

    if (argc == 2 && strcmp(argv[0], "verify") == 0)
        return aw_cli_verify_run(cli, 1, argv + 1);
    if (options->verify)
        return aw_cli_verify_run(cli, argc, argv);
    if (argc != 1) {
        aw_cli_error(cli, "takes one data folder, that of aswolkd --data");
        return AW_CLI_USAGE;
    }
    code = aw_cli_folder_open(&folder, cli, argv[0]);
    if (code == AW_CLI_OK)
        code = aw_cli_chain_report(cli, &chain, aw_cli_chain_walk(&chain));
    aw_cli_folder_close(&folder);
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
        "With --verify (or as: aswolk journal verify DIR) nothing is printed but the verdict of aswolk verify.",
    .options = journal_options,
    .option_count = AW_ARRAY_LEN(journal_options),
    .defaults = &journal_defaults,
    .defaults_bytes = sizeof(journal_defaults),
    .offline = true,
    .run = run,
};
