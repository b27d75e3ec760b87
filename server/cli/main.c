/* main.c - the command `aswolk`: chooses the command, reads its options, runs it. */
#include "cli/cli.h"

#include "base/hash.h"
#include "base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_DEFAULT "http://127.0.0.1:8480"

static const struct aw_cli_command *const commands[] = {
    &aw_cli_post,   &aw_cli_work,       &aw_cli_transfer, &aw_cli_defer,    &aw_cli_commitments, &aw_cli_note,
    &aw_cli_ticket, &aw_cli_tickets,    &aw_cli_bulk,     &aw_cli_message,  &aw_cli_check,       &aw_cli_lanes,
    &aw_cli_agents, &aw_cli_presence,   &aw_cli_replies,  &aw_cli_incident, &aw_cli_journal,     &aw_cli_verify_command,
    &aw_cli_backup, &aw_cli_restore,    &aw_cli_receipt,  &aw_cli_audit,    &aw_cli_health,      &aw_cli_response_time,
    &aw_cli_surge,  &aw_cli_top,        &aw_cli_events,   &aw_cli_history,  &aw_cli_template,    &aw_cli_contacts,
    &aw_cli_erase,  &aw_cli_rotate_key, &aw_cli_token,    &aw_cli_whoami};

static void
print_overview(FILE *to)
{
    size_t width = strlen("help");

    for (size_t i = 0; i < AW_ARRAY_LEN(commands); i++)
        width = strlen(commands[i]->name) > width ? strlen(commands[i]->name) : width;
    (void)fprintf(to, "aswolk " AW_VERSION " - the command line of aswolkd, the customer-care desk for disruptions\n\n"
                      "Usage: aswolk COMMAND [OPTION...] [ARGUMENT...]\n\n");
    for (size_t i = 0; i < AW_ARRAY_LEN(commands); i++)
        (void)fprintf(to, "  %-*s  %s\n", (int)width, commands[i]->name, commands[i]->summary);
    (void)fprintf(to, "  %-*s  %s\n\n", (int)width, "help", "about one command: aswolk help COMMAND");
    (void)fprintf(to, "Exit codes: 0 done; 1 refused or failed; 2 wrong command line; 3 no server reached; 4 partly done.\n"
                      "The server is --server, $ASWOLK_SERVER, or " SERVER_DEFAULT ".\n");
}

static const struct aw_cli_command *
find_command(const char *name)
{
    for (size_t i = 0; i < AW_ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    (void)fprintf(stderr, "aswolk: there is no command \"%s\"; see aswolk help\n", name);
    return NULL;
}

static int
help(int argc, char **argv)
{
    const struct aw_cli_command *command;

    if (argc < 3) {
        print_overview(stdout);
        return AW_CLI_OK;
    }
    command = find_command(argv[2]);
    if (command == NULL)
        return AW_CLI_USAGE;
    aw_cli_options_help(command);
    return AW_CLI_OK;
}

static const char *
first_set(const char *a, const char *b, const char *c)
{
    if (a != NULL && a[0] != '\0')
        return a;
    return b != NULL && b[0] != '\0' ? b : c;
}

/* Of the file, without blanks around it. False: said why not. */
static bool
read_token(const struct aw_cli *cli, char *text, size_t room, struct aw_slice *ret_token)
{
    FILE  *file = fopen(cli->common.token_file, "re");
    size_t len;

    if (file == NULL) {
        aw_cli_error(cli, "the token in %s: %s", cli->common.token_file, strerror(errno));
        return false;
    }
    setbuf(file, NULL); /* no second copy of it */
    len = fread(text, 1, room, file);
    (void)fclose(file); /* was only read */
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    *ret_token = aw_slice_of(text, len);
    if (len > 0 && len < room)
        return true;
    aw_cli_error(cli, "the file %s holds no token", cli->common.token_file);
    return false;
}

/* What goes out in plain text can be read on its way. */
static bool
is_safe(const struct aw_url *url)
{
    return url->tls || strcmp(url->host, "localhost") == 0 || strcmp(url->host, "::1") == 0 || strncmp(url->host, "127.", 4) == 0;
}

static int
open_link(struct aw_cli *cli)
{
    struct aw_link_config config = {.ca_file = cli->common.cacert,
                                    .insecure = cli->common.insecure,
                                    .cert_file = cli->common.cert,
                                    .key_file = cli->common.key,
                                    .connect_ns_max = cli->common.timeout_s * AW_NS_PER_S};
    char                  token[AW_CLIENT_TOKEN_BYTES_MAX + 8];
    struct aw_why         why = {""};
    enum aw_err           err;

    if (aw_url_parse(aw_slice_str(cli->common.server), &config.url, &why) != AW_OK) {
        aw_cli_error(cli, "server %s", why.text);
        return AW_CLI_USAGE;
    }
    if (cli->common.token_file != NULL) {
        if (!is_safe(&config.url)) {
            aw_cli_error(cli, "a token is not sent in plain text: the server is to be https://");
            return AW_CLI_USAGE;
        }
        if (!read_token(cli, token, sizeof(token), &config.token))
            return AW_CLI_FAILED;
    }
    if (cli->common.agent == NULL && cli->common.token_file == NULL && cli->common.cert == NULL)
        cli->common.agent = first_set(getenv("USER"), NULL, "cli");
    err = aw_link_open(&cli->link, &config, &why);
    aw_secret_wipe(token, sizeof(token));
    if (err == AW_OK)
        return AW_CLI_OK;
    aw_cli_error(cli, "%s", why.text);
    return AW_CLI_FAILED;
}

static int
run_command(struct aw_cli *cli, int argc, char **argv)
{
    char name[64];
    int  first = 0;
    int  code;
    bool wants_help;

    (void)snprintf(name, sizeof(name), "aswolk %s", cli->command->name);
    argv[0] = name; /* getopt begins its words with it */
    if (!aw_cli_options_read(cli, argc, argv, &first, &wants_help)) {
        (void)fprintf(stderr, "See aswolk help %s.\n", cli->command->name);
        return AW_CLI_USAGE;
    }
    if (wants_help) {
        aw_cli_options_help(cli->command);
        return AW_CLI_OK;
    }
    if (!cli->command->offline) {
        code = open_link(cli);
        if (code != AW_CLI_OK)
            return code;
    }
    return cli->command->run(cli, argc - first, argv + first);
}

int
main(int argc, char **argv)
{
    struct aw_cli cli = {.common = {.server = first_set(getenv("ASWOLK_SERVER"), NULL, SERVER_DEFAULT),
                                    .agent = first_set(getenv("ASWOLK_AGENT"), NULL, NULL),
                                    .token_file = first_set(getenv("ASWOLK_TOKEN_FILE"), NULL, NULL),
                                    .cert = first_set(getenv("ASWOLK_CERT"), NULL, NULL),
                                    .key = first_set(getenv("ASWOLK_KEY"), NULL, NULL),
                                    .timeout_s = 30}};
    int           code;

    if (argc < 2) {
        print_overview(stderr);
        return AW_CLI_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(argc, argv);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        (void)printf("aswolk " AW_VERSION "\n");
        return AW_CLI_OK;
    }
    cli.command = find_command(argv[1]);
    if (cli.command == NULL)
        return AW_CLI_USAGE;
    if (!aw_hash_init()) {
        aw_cli_error(&cli, "the cryptographic libraries do not start");
        return AW_CLI_FAILED;
    }
    cli.options = malloc(cli.command->defaults_bytes + 1);
    AW_ASSERT(cli.options != NULL);
    if (cli.command->defaults_bytes > 0)
        memcpy(cli.options, cli.command->defaults, cli.command->defaults_bytes);
    code = run_command(&cli, argc - 1, argv + 1);
    aw_link_close(&cli.link);
    free(cli.options);
    /* A full disk or a closed pipe must not look like success. */
    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && code == AW_CLI_OK)
        code = AW_CLI_FAILED;
    return code;
}
