/* erase.c - `aswolk erase`: all that a customer wrote is to be unreadable. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>

struct erase_options {
    const char *channel;
    const char *customer;
    bool        dry_run;
};

static const struct erase_options erase_defaults;

static const struct aw_cli_option erase_options[] = {
    {.name = "channel",
     .type = AW_CLI_TEXT,
     .value = "CHANNEL",
     .offset = offsetof(struct erase_options, channel),
     .about = "on which he wrote"},
    {.name = "customer",
     .type = AW_CLI_TEXT,
     .value = "CUSTOMER",
     .offset = offsetof(struct erase_options, customer),
     .about = "the channel's id of the person"},
    {.name = "dry-run",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct erase_options, dry_run),
     .about = "only count what would be erased"},
};

static uint64_t
count_of(const json_t *told, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(told, name));
}

static void
print_told(const struct aw_cli *cli, const json_t *told)
{
    if (cli->common.json) {
        aw_cli_print_json(told);
        return;
    }
    (void)printf("%" PRIu64 " messages, %" PRIu64 " replies and %" PRIu64 " notes in %" PRIu64 " tickets%s\n",
                 count_of(told, "messages"), count_of(told, "replies"), count_of(told, "notes"), count_of(told, "tickets"),
                 aw_cli_flag(told, "dry_run") ? " would be erased"
                 : aw_cli_flag(told, "unreadable")
                     ? ": nobody can read them any more"
                     : " are shown to nobody; until aswolk_erasures_pending is 0 their bytes can be read");
}

static int
run_erase(struct aw_cli *cli, int argc, char **argv)
{
    const struct erase_options *options = cli->options;
    json_t                     *told;
    int                         code;

    (void)argv;
    if (argc != 0 || options->channel == NULL || options->customer == NULL) {
        aw_cli_error(cli, "takes --channel and --customer, and no arguments");
        return AW_CLI_USAGE;
    }
    told = aw_cli_send(
        cli, "POST", "/v1/customers/erase",
        json_pack("{s:s, s:s, s:b}", "channel", options->channel, "customer", options->customer, "dry_run", options->dry_run),
        NULL, &code); /* what is erased twice is erased */
    if (told == NULL)
        return code;
    print_told(cli, told);
    json_decref(told);
    return AW_CLI_OK;
}

const struct aw_cli_command aw_cli_erase = {
    .name = "erase",
    .arguments = "",
    .summary = "make all that a customer wrote unreadable, and what was written to and about him",
    .about =
        "His messages on all accounts of the channel, and replies and notes in the tickets that he wrote in, lose their keys: "
        "they\n"
        "can't be read any more from the store, from any backup, or after one was restored. His open tickets close. Counts,\n"
        "histories and the chain stay. A copy of the key file from before could still open them: make a new one.",
    .options = erase_options,
    .option_count = AW_ARRAY_LEN(erase_options),
    .defaults = &erase_defaults,
    .defaults_bytes = sizeof(erase_defaults),
    .run = run_erase,
};
