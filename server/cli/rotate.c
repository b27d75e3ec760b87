/* rotate.c - `aswolk rotate-key`: the store's key file under another secret. */
#include "cli/folder.h"
#include "store/keyring.h"

#include <stdio.h>

struct rotate_options {
    const char *to;
    bool        clear;
};

static const struct rotate_options rotate_defaults;

static const struct aw_cli_option rotate_options[] = {
    {.name = "to",
     .type = AW_CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct rotate_options, to),
     .about = "the new secret: 32 random bytes or more, such as of openssl rand"},
    {.name = "clear",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct rotate_options, clear),
     .about = "without one: the key file is sealed no more"},
};

/* Under the lock of the key file, which a server has as long as it runs. */
static enum aw_err
reseal(const struct aw_keyring_config *config, const uint8_t uuid[16], const char *to, struct aw_why *why)
{
    struct aw_keyring *ring = NULL;
    enum aw_err        err = aw_keyring_open(&ring, config, uuid, why);

    if (err == AW_OK)
        err = aw_keyring_reseal(ring, to, why);
    aw_keyring_close(&ring);
    return err;
}

static int
rotate(struct aw_cli *cli, struct aw_cli_folder *folder, const char *path)
{
    const struct rotate_options   *options = cli->options;
    const struct aw_keyring_config config = {.path = folder->keys, .secret_path = cli->common.store_key};
    enum aw_err                    err;

    if (folder->keys[0] == '\0') {
        aw_cli_error(cli, "%s: there is no key file beside it: --keys FILE names it", path);
        return AW_CLI_FAILED;
    }
    err = reseal(&config, aw_journal_identity(folder->journal)->uuid, options->to, &folder->why);
    if (err != AW_OK) {
        aw_cli_error(cli, "%s%s", folder->why.text, err == AW_E_IN_USE ? ": stop the server first" : "");
        return AW_CLI_FAILED;
    }
    if (cli->common.json) {
        json_t *line = json_pack("{s:b, s:s, s:b}", "ok", 1, "keys", folder->keys, "sealed", options->to != NULL);

        aw_cli_print_json(line);
        json_decref(line);
    } else {
        (void)printf("%s %s\n", folder->keys,
                     options->to != NULL ? "is sealed by the new secret alone" : "is sealed by nothing but its permissions");
    }
    return AW_CLI_OK;
}

static int
run_rotate(struct aw_cli *cli, int argc, char **argv)
{
    const struct rotate_options *options = cli->options;
    struct aw_cli_folder         folder;
    int                          code;

    if (argc != 1 || (options->to == NULL) != options->clear) {
        aw_cli_error(cli, "takes the data folder, and --to FILE or --clear");
        return AW_CLI_USAGE;
    }
    code = aw_cli_folder_open(&folder, cli, argv[0]);
    if (code == AW_CLI_OK)
        code = rotate(cli, &folder, argv[0]);
    aw_cli_folder_close(&folder);
    return code;
}

const struct aw_cli_command aw_cli_rotate_key = {
    .name = "rotate-key",
    .arguments = "DIR",
    .summary = "put another secret over the keys of a data folder, while no server runs",
    .about =
        "The key file of the data folder DIR is written anew under the secret in --to FILE, or with --clear under none; "
        "--store-key\n"
        "names the one that seals it now, if any. From then on a server needs the new one as --store-key, and the old one opens\n"
        "nothing but old copies of the key file. What is written is sealed with fresh keys from the next start on in any case;\n"
        "what is stored keeps those that it has, until retention trims it or it is erased.",
    .options = rotate_options,
    .option_count = AW_ARRAY_LEN(rotate_options),
    .defaults = &rotate_defaults,
    .defaults_bytes = sizeof(rotate_defaults),
    .offline = true,
    .run = run_rotate,
};
