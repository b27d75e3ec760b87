/* contacts.c - `aswolk contacts`: what is known of customers who only talked about us, and whether they may be written to. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#define PATH_BYTES 1200

struct contacts_options {
    const char *account;
    bool        dry_run;
};

static const struct contacts_options contacts_defaults;

static const struct aw_cli_option contacts_options[] = {
    {.name = "account",
     .type = AW_CLI_TEXT,
     .value = "ACCOUNT",
     .offset = offsetof(struct contacts_options, account),
     .about = "opt-out: to which of ours he said so"},
    {.name = "dry-run",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct contacts_options, dry_run),
     .about = "opt-out, opt-in: only show what would be"},
};

static void
print_contact(const struct aw_cli *cli, const json_t *contact)
{
    const char *contacted_at = aw_cli_text(contact, "contacted_at"), *opted_out_at = aw_cli_text(contact, "opted_out_at");

    if (cli->common.json) {
        aw_cli_print_json(contact);
        return;
    }
    if (opted_out_at[0] != '\0')
        (void)printf("opted out at %s\n", opted_out_at);
    if (contacted_at[0] != '\0')
        (void)printf("written to at %s (%s)\n", contacted_at, aw_cli_text(contact, "reply"));
    if (aw_cli_flag(contact, "first"))
        (void)printf("may be written to once\n");
}

static int
show(struct aw_cli *cli, int argc, char **argv)
{
    char    path[PATH_BYTES];
    bool    fits;
    int     code;
    json_t *contact;

    (void)snprintf(path, sizeof(path), argc == 1 ? "/v1/contacts?ticket=" : "/v1/contacts?customer=");
    fits = aw_cli_add_encoded(path, sizeof(path), argv[argc - 1]);
    if (argc == 2 && fits) {
        size_t len = strlen(path);

        (void)snprintf(path + len, sizeof(path) - len, "&channel=");
        fits = aw_cli_add_encoded(path, sizeof(path), argv[0]);
    }
    if (!fits) {
        aw_cli_error(cli, "that name is too long");
        return AW_CLI_USAGE;
    }
    contact = aw_cli_get(cli, path, &code);
    if (contact == NULL)
        return code;
    print_contact(cli, contact);
    json_decref(contact);
    return AW_CLI_OK;
}

static int
change(struct aw_cli *cli, const char *path, char **argv)
{
    const struct contacts_options *options = cli->options;
    json_t                        *body = json_pack("{s:s,s:s}", "channel", argv[0], "customer", argv[1]);
    json_t                        *contact;
    int                            code;

    if (options->account != NULL)
        (void)json_object_set_new(body, "account", json_string(options->account));
    if (options->dry_run)
        (void)json_object_set_new(body, "dry_run", json_true());
    contact = aw_cli_send(cli, "POST", path, body, NULL, &code);
    if (contact == NULL)
        return code;
    print_contact(cli, contact);
    json_decref(contact);
    return AW_CLI_OK;
}

static int
run_contacts(struct aw_cli *cli, int argc, char **argv)
{
    if ((argc == 2 || argc == 3) && strcmp(argv[0], "show") == 0)
        return show(cli, argc - 1, argv + 1);
    if (argc == 3 && strcmp(argv[0], "opt-out") == 0)
        return change(cli, "/v1/contacts/opt-out", argv + 1);
    if (argc == 3 && strcmp(argv[0], "opt-in") == 0)
        return change(cli, "/v1/contacts/opt-in", argv + 1);
    aw_cli_error(cli, "takes show, opt-out or opt-in, and a channel and a customer (show: or a ticket)");
    return AW_CLI_USAGE;
}

const struct aw_cli_command aw_cli_contacts = {
    .name = "contacts",
    .arguments = "show|opt-out|opt-in CHANNEL CUSTOMER, or show TICKET",
    .summary = "who only talked about us: whether he may be written to, and that he wants to hear nothing",
    .about =
        "Who only talked about us is written to once on a channel, until he writes to us himself. Who opted out is not, until\n"
        "opt-in takes that back; then nothing is known of him any more. Who writes to us himself is always answered.",
    .options = contacts_options,
    .option_count = AW_ARRAY_LEN(contacts_options),
    .defaults = &contacts_defaults,
    .defaults_bytes = sizeof(contacts_defaults),
    .run = run_contacts,
};
