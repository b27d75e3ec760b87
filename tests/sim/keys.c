/* keys.c - see keys.h. */
#include "sim/keys.h"

#include "base/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the process. */
static char folder[64];

static void
remove_file(const char *path, const char *end)
{
    char name[160];

    (void)snprintf(name, sizeof(name), "%s%s", path, end);
    (void)unlink(name); /* often it is not there */
    (void)rmdir(name);
}

static void
name_folder(char *ret_name, size_t bytes, int process)
{
    (void)snprintf(ret_name, bytes, "%s/aswolk-sim-%d", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", process);
}

void
sim_keys_leave(int process)
{
    char name[64], path[128];

    name_folder(name, sizeof(name), process);
    (void)snprintf(path, sizeof(path), "%s/keys", name);
    remove_file(path, "");
    remove_file(path, ".new");
    remove_file(path, ".lock");
    (void)rmdir(name);
    if (process == getpid())
        folder[0] = '\0';
}

static void
enter(void)
{
    sim_keys_leave(getpid()); /* of another one by this number */
    name_folder(folder, sizeof(folder), getpid());
    if (mkdir(folder, 0700) != 0 || !aw_seal_init())
        sim_broken("no folder for keys");
}

void
sim_keys_open(struct sim_keys *keys, bool is_there, uint64_t seed)
{
    struct aw_keyring_config config;
    struct aw_why            why = {.text = ""};

    memset(keys, 0, offsetof(struct sim_keys, sealed));
    keys->is_there = is_there;
    if (!is_there)
        return;
    if (folder[0] == '\0')
        enter();
    memcpy(keys->uuid, &seed, sizeof(seed));
    (void)snprintf(keys->path, sizeof(keys->path), "%s/keys", folder);
    (void)snprintf(keys->blocker, sizeof(keys->blocker), "%s.new", keys->path);
    remove_file(keys->path, "");
    remove_file(keys->path, ".new");
    config = (struct aw_keyring_config){.path = keys->path};
    if (aw_keyring_create(&config, keys->uuid, &why) != AW_OK)
        sim_broken("no key file: %s", why.text);
}

void
sim_keys_close(struct sim_keys *keys)
{
    sim_keys_stop(keys);
    aw_keyring_close(&keys->ring);
}

/* What became durable under this ring. */
static void
seal_through(struct sim_keys *keys, uint64_t seq)
{
    AW_ASSERT(seq < MODEL_RECORDS_MAX);
    while (keys->sealed_through < seq) {
        uint64_t at = ++keys->sealed_through;

        if (!aw_keyring_seal_body(keys->ring, at, aw_slice_of(&at, KEYS_WITNESS_BYTES), keys->sealed[at]))
            sim_broken("text %llu is not sealed", (unsigned long long)at);
    }
}

enum aw_err
sim_keys_start(struct sim_keys *keys, struct aw_journal *journal, uint64_t next_seq, struct aw_why *why)
{
    const struct aw_keyring_config config = {.path = keys->path};
    struct aw_eraser_config        eraser = {.journal = journal};
    enum aw_err                    err;

    if (!keys->is_there)
        return AW_OK;
    if (keys->ring != NULL && next_seq > keys->ring_from) {
        seal_through(keys, next_seq - 1);
        keys->store_generation = aw_keyring_generation(keys->ring);
    }
    aw_keyring_close(&keys->ring);
    err = aw_keyring_open(&keys->ring, &config, keys->uuid, why);
    if (err == AW_OK)
        err = aw_keyring_begin(keys->ring, next_seq, keys->store_generation, false, 0, why);
    keys->ring_from = next_seq;
    if (err != AW_OK) {
        aw_keyring_close(&keys->ring);
        return err;
    }
    keys->metrics = aw_metrics_new(2);
    if (keys->metrics == NULL)
        return AW_E_MEMORY;
    eraser.keyring = keys->ring;
    eraser.metrics = keys->metrics;
    eraser.committer = aw_metrics_block(keys->metrics, 0);
    eraser.block = aw_metrics_block(keys->metrics, 1);
    err = aw_eraser_new(&keys->eraser, &eraser, why);
    if (err == AW_OK)
        aw_eraser_tell(keys->eraser, next_seq - 1);
    return err;
}

void
sim_keys_stop(struct sim_keys *keys)
{
    aw_eraser_free(&keys->eraser);
    aw_metrics_free(&keys->metrics);
}

bool
sim_keys_open_text(struct sim_keys *keys, uint64_t seq)
{
    uint8_t         room[KEYS_WITNESS_BYTES + AW_SEALED_BODY_BYTES];
    struct aw_slice text;
    enum aw_err     err;

    if (!keys->is_there || keys->ring == NULL)
        return true;
    if (seq > keys->sealed_through)
        seal_through(keys, seq);
    err = aw_keyring_unseal_body(keys->ring, seq, aw_slice_of(keys->sealed[seq], sizeof(keys->sealed[seq])), room, &text);
    if (err != AW_OK && err != AW_E_NOT_FOUND)
        sim_broken("text %llu is not opened: %s", (unsigned long long)seq, aw_err_name(err));
    return err == AW_OK;
}

uint64_t
sim_keys_told_through(const struct sim_keys *keys)
{
    return keys->metrics == NULL ? 0 : aw_metric_sum(keys->metrics, AW_METRIC_ERASED_THROUGH);
}

uint64_t
sim_keys_erased_through(struct sim_keys *keys)
{
    return keys->ring == NULL ? 0 : aw_keyring_erased_through(keys->ring);
}

bool
sim_keys_step(struct sim_keys *keys)
{
    return keys->eraser != NULL && aw_eraser_step(keys->eraser) != AW_NS_NEVER;
}

void
sim_keys_block(struct sim_keys *keys, bool is_blocked)
{
    if (!keys->is_there || is_blocked == keys->is_blocked)
        return;
    remove_file(keys->path, ".new");
    if (is_blocked && mkdir(keys->blocker, 0700) != 0)
        sim_broken("no folder in the way of keys");
    keys->is_blocked = is_blocked;
}
