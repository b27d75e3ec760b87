/* folder.c - opening and closing a data folder, and the walk through its journal. */
#include "cli/folder.h"

#include "commit/recover.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define BATCHES_A_SNAPSHOT 64U
#define BLOCK_BYTES        ((size_t)64 * 1024)
#define ARENA_BYTES_MAX    ((size_t)16 * 1024 * 1024)

static int
say_refused(struct aw_cli *cli, enum aw_err err, const struct aw_why *why)
{
    json_t *line;

    aw_cli_error(cli, "%s%s", why->text, err == AW_E_NOT_FOUND ? " (DIR is what aswolkd has as --data)" : "");
    if (err == AW_E_SEALED)
        (void)fprintf(stderr, "Nothing was changed. The way out is the newest copy of its key file: --keys FILE\n");
    if (cli->common.json) {
        line = json_pack("{s:b,s:s,s:s}", "ok", 0, "error", aw_err_problem(err), "detail", why->text);
        aw_cli_print_json(line);
        json_decref(line);
    }
    return AW_CLI_FAILED;
}

int
aw_cli_folder_open(struct aw_cli_folder *folder, struct aw_cli *cli, const char *path)
{
    struct aw_store_config config = {.access = AW_STORE_READ, .folder = path};
    enum aw_err            err;

    *folder = (struct aw_cli_folder){.journal = NULL};
    config.store_key = cli->common.store_key;
    config.keys = cli->common.keys;
    if (config.keys != NULL)
        (void)snprintf(folder->keys, sizeof(folder->keys), "%s", config.keys);
    else if (!aw_store_keys_path(path, folder->keys, sizeof(folder->keys)) || access(folder->keys, F_OK) != 0)
        folder->keys[0] = '\0'; /* what is sealed stays so */
    config.keys = folder->keys[0] == '\0' ? NULL : folder->keys;
    err = aw_lmdb_open(&folder->journal, &folder->table, &config, &folder->why);
    folder->lacks_keys = err == AW_E_SEALED;
    if (err != AW_OK)
        return say_refused(cli, err, &folder->why);
    folder->blocks = aw_blocks_new(BLOCK_BYTES, ARENA_BYTES_MAX);
    folder->reader = aw_journal_reader_new(folder->journal);
    if (folder->blocks == NULL || folder->reader == NULL) {
        aw_cli_error(cli, "out of memory, or too many readers of this store");
        return AW_CLI_FAILED;
    }
    aw_arena_init(&folder->arena, folder->blocks);
    return AW_CLI_OK;
}

void
aw_cli_folder_close(struct aw_cli_folder *folder)
{
    aw_arena_reset(&folder->arena);
    aw_blocks_free(&folder->blocks);
    aw_journal_reader_free(&folder->reader);
    aw_journal_close(&folder->journal);
}

const char *
aw_cli_folder_sealed(const struct aw_cli_folder *folder)
{
    return folder->keys[0] == '\0'
               ? "it is sealed, and its keys are not beside it: --keys FILE names the store's key file"
               : "it is sealed, and its keys are gone by retention: the key file had to make place for younger "
                 "ones (nothing says that it is damaged)";
}

enum aw_err
aw_cli_folder_begin(struct aw_cli_folder *folder)
{
    enum aw_err err = aw_journal_read_begin(folder->reader);

    return err == AW_OK ? AW_OK : aw_why(&folder->why, err, "the store can't be read: %s", aw_err_text(err));
}

enum aw_err
aw_cli_folder_anchor(struct aw_cli_folder *folder, struct aw_journal_anchor *ret_anchor)
{
    enum aw_err err = aw_cli_folder_begin(folder);

    if (err != AW_OK)
        return err;
    err = aw_check_anchor(folder->reader, ret_anchor, &folder->why);
    aw_journal_read_end(folder->reader);
    if (err == AW_E_SEALED)
        return aw_why(&folder->why, err, "%s", aw_cli_folder_sealed(folder));
    return err;
}

/* Some batches under one snapshot. *ret_end at the end of the journal too. */
static enum aw_err
walk_snapshot(struct aw_cli_folder *folder, const struct aw_cli_walk *walk, bool *ret_end)
{
    enum aw_err     err = aw_cli_folder_begin(folder);
    struct aw_slice batch;
    uint64_t        first_seq;

    if (err != AW_OK)
        return err;
    if (walk->on_snapshot != NULL)
        err = walk->on_snapshot(walk->user);
    for (unsigned i = 0; i < BATCHES_A_SNAPSHOT && err == AW_OK && !*ret_end; i++) {
        err = aw_journal_read_next(folder->reader, *walk->next_seq, &first_seq, &batch);
        if (err == AW_E_NOT_FOUND) {
            *ret_end = true;
            err = AW_OK;
        } else if (err == AW_OK) {
            err = walk->on_batch(walk->user, first_seq, batch, ret_end);
        } else {
            (void)aw_why(&folder->why, err, "the batch behind record %" PRIu64 " can't be read: %s", *walk->next_seq - 1,
                         aw_err_text(err));
        }
    }
    aw_journal_read_end(folder->reader);
    return err;
}

enum aw_err
aw_cli_folder_walk(struct aw_cli_folder *folder, const struct aw_cli_walk *walk)
{
    bool        is_end = false;
    enum aw_err err = AW_OK;

    while (err == AW_OK && !is_end)
        err = walk_snapshot(folder, walk, &is_end);
    return err;
}
