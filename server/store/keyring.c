/* keyring.c - the keys as threads use them; keyfile.c has them on disk, keytree.c cuts them. */
#include "store/keyring.h"

#include "base/mem.h"
#include "base/seal.h"
#include "store/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

AW_STATIC_ASSERT(AW_SEALED_BODY_BYTES == sizeof(uint32_t) + AW_SEAL_TAG_BYTES, "what stands before and behind a body");
AW_STATIC_ASSERT(AW_SEALED_VALUE_BYTES == sizeof(uint32_t) + sizeof(uint64_t) + AW_SEAL_TAG_BYTES, "the same of a value");
AW_STATIC_ASSERT(AW_KEYRING_SECRET_BYTES_MAX == sizeof(((struct aw_key_secret *)0)->bytes), "a secret fits");

#define PATH_BYTES 4096U

/* The way from the root down to the leaf that was sealed last: the next one shares most of it. */
struct way {
    bool               is_there;
    uint64_t           leaf;
    struct aw_seal_key keys[AW_KEYTREE_LEVELS + 1]; /* by level; [0] is the leaf's */
};

/* What the committer takes when it is there. */
struct next_keys {
    uint32_t           generation; /* 0: none is ready */
    struct aw_seal_key value_key;
    struct aw_seal_key root;
};

/* Which generation the committer left, and for which record; 0: the file says of all where they ended. */
struct end {
    uint32_t generation;
    uint64_t next_seq;
};

struct aw_keyring {
    /* Set at open, then read-only for all. */
    char                 path[PATH_BYTES];
    int                  lock_fd; /* of FILE.lock; -1: read-only */
    uint8_t              uuid[16];
    struct aw_key_secret secret;
    /* Set by aw_keyring_begin, then the committer's only. */
    uint32_t           generation; /* 0: not begun */
    struct aw_seal_key value_key;
    uint64_t           value_number; /* of values sealed: the nonce */
    struct way         way;
    /* Under the lock: swapped by who erases, looked at by all. */
    pthread_mutex_t  lock;
    struct aw_keys   keys;
    struct next_keys next;  /* made by who erases, taken by the committer */
    struct end       ended; /* told by the committer, noted by who erases, before it makes another one ready */
};

/* --- opening ------------------------------------------------------------------------------------------------------------------ */

/* Where the file really lies: a link to it stays one when the file is replaced. */
static enum aw_err
resolve(const char *path, char ret_path[PATH_BYTES], struct aw_why *why)
{
    struct stat file;
    char       *real = realpath(path, NULL);
    int         len;

    if (real == NULL && errno != ENOENT)
        return aw_why_errno(why, AW_E_IO, errno, "%s", path);
    if (real == NULL && lstat(path, &file) == 0)
        return aw_why(why, AW_E_CONFIG, "%s: is a link to a file that is not there", path);
    len = snprintf(ret_path, PATH_BYTES, "%s", real != NULL ? real : path);
    free(real);
    return len > 0 && (size_t)len < PATH_BYTES ? AW_OK : aw_why(why, AW_E_CONFIG, "the key file's path is too long");
}

/* Who changes the file replaces it by what he has in memory, so there is one of them. The lock has a file of its own, because a
 * file that is replaced takes its locks with it; it stays, for who takes it away takes it from under another. */
static enum aw_err
lock_file(const char *path, int *ret_fd, struct aw_why *why)
{
    char name[PATH_BYTES];
    int  len = snprintf(name, sizeof(name), "%s.lock", path);
    int  fd, failed;

    if (len < 0 || (size_t)len >= sizeof(name))
        return aw_why(why, AW_E_CONFIG, "the key file's path is too long");
    fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "%s", name);
    if (!aw_keyfile_keep_owner(fd, path)) {
        failed = errno;
        (void)close(fd); /* nothing was written */
        return aw_why_errno(why, AW_E_IO, failed, "%s", name);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        failed = errno;
        (void)close(fd); /* nothing was written */
        return failed == EWOULDBLOCK ? aw_why(why, AW_E_IN_USE, "%s: another process uses the key file", path)
                                     : aw_why_errno(why, AW_E_IO, failed, "%s", name);
    }
    *ret_fd = fd;
    return AW_OK;
}

/* Under the lock. */
static enum aw_err
create_file(const char *path, const struct aw_key_secret *secret, const uint8_t uuid[16], struct aw_why *why)
{
    struct aw_keys keys;
    uint8_t        other[16];
    enum aw_err    err = aw_keyfile_read(path, secret, &keys, other, why);

    if (err == AW_OK) {
        bool was_used = keys.last_generation != 0;

        aw_keys_fini(&keys);
        if (was_used)
            return aw_why(why, AW_E_IN_USE, "%s has the keys of another store, which can't be read without them: move it away",
                          path);
    } else if (err != AW_E_NOT_FOUND) {
        return err;
    }
    keys = (struct aw_keys){.erased_through = 0};
    err = aw_random(&keys.hash_secret, sizeof(keys.hash_secret)) ? aw_keyfile_replace(path, secret, &keys, uuid, why)
                                                                 : aw_why(why, AW_E_IO, "%s: no random bytes", path);
    aw_keys_fini(&keys);
    return err;
}

enum aw_err
aw_keyring_create(const struct aw_keyring_config *config, const uint8_t uuid[16], struct aw_why *why)
{
    struct aw_key_secret secret;
    char                 path[PATH_BYTES];
    int                  lock_fd = -1;
    enum aw_err          err = aw_key_secret_read(config->secret_path, &secret, why);

    if (err == AW_OK && !aw_seal_init())
        err = aw_why(why, AW_E_MEMORY, "AES-256-GCM cannot be had");
    if (err == AW_OK)
        err = resolve(config->path, path, why);
    if (err == AW_OK)
        err = lock_file(path, &lock_fd, why);
    if (err == AW_OK)
        err = create_file(path, &secret, uuid, why);
    if (lock_fd >= 0)
        (void)close(lock_fd); /* nothing was written */
    aw_wipe(&secret, sizeof(secret));
    return err;
}

static enum aw_err
open_file(struct aw_keyring *ring, const struct aw_keyring_config *config, const uint8_t uuid[16], struct aw_why *why)
{
    enum aw_err err = resolve(config->path, ring->path, why);

    if (err == AW_OK && access(ring->path, F_OK) != 0) /* no lock beside a file that is not there */
        err = aw_why_errno(why, errno == ENOENT ? AW_E_NOT_FOUND : AW_E_IO, errno, "%s", ring->path);
    if (err == AW_OK && !config->read_only)
        err = lock_file(ring->path, &ring->lock_fd, why);
    if (err == AW_OK)
        err = aw_key_secret_read(config->secret_path, &ring->secret, why);
    if (err == AW_OK)
        err = aw_keyfile_read(ring->path, &ring->secret, &ring->keys, ring->uuid, why);
    if (err == AW_OK && memcmp(ring->uuid, uuid, sizeof(ring->uuid)) != 0)
        err = aw_why(why, AW_E_CONFIG, "%s has the keys of another store", config->path);
    return err;
}

enum aw_err
aw_keyring_open(struct aw_keyring **ret_ring, const struct aw_keyring_config *config, const uint8_t uuid[16], struct aw_why *why)
{
    struct aw_keyring *ring;
    enum aw_err        err;

    if (!aw_seal_init())
        return aw_why(why, AW_E_MEMORY, "AES-256-GCM cannot be had");
    ring = aw_new(struct aw_keyring);
    if (ring == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    ring->lock_fd = -1;
    if (pthread_mutex_init(&ring->lock, NULL) != 0) {
        free(ring);
        return aw_why(why, AW_E_MEMORY, "out of memory");
    }
    err = open_file(ring, config, uuid, why);
    if (err != AW_OK) {
        aw_keyring_close(&ring);
        return err;
    }
    *ret_ring = ring;
    return AW_OK;
}

void
aw_keyring_close(struct aw_keyring **ring)
{
    if (*ring == NULL)
        return;
    aw_keys_fini(&(*ring)->keys);
    if ((*ring)->lock_fd >= 0)
        (void)close((*ring)->lock_fd); /* nothing was written */
    (void)pthread_mutex_destroy(&(*ring)->lock);
    aw_wipe(*ring, sizeof(**ring));
    free(*ring);
    *ring = NULL;
}

/* --- changing ----------------------------------------------------------------------------------------------------------------- */

static bool
copy_generations(const struct aw_keys *from, uint32_t room, struct aw_keys *ret_keys)
{
    ret_keys->hash_secret = from->hash_secret;
    ret_keys->erased_through = from->erased_through;
    ret_keys->last_generation = from->last_generation;
    ret_keys->generations = calloc(room, sizeof(ret_keys->generations[0]));
    if (ret_keys->generations == NULL)
        return false;
    if (from->generation_count > 0)
        memcpy(ret_keys->generations, from->generations, from->generation_count * sizeof(from->generations[0]));
    ret_keys->generation_count = from->generation_count;
    return true;
}

static struct end
ended(struct aw_keyring *ring)
{
    struct end end;

    (void)pthread_mutex_lock(&ring->lock); /* ours alone to misuse: it does not fail */
    end = ring->ended;
    (void)pthread_mutex_unlock(&ring->lock);
    return end;
}

static bool
has_next(struct aw_keyring *ring)
{
    bool is_there;

    (void)pthread_mutex_lock(&ring->lock);
    is_there = ring->next.generation != 0;
    (void)pthread_mutex_unlock(&ring->lock);
    return is_there;
}

/* Of one that ended below the floor nothing is stored any more. The last one goes on. */
static bool
is_below(const struct aw_keys *keys, uint32_t i, uint64_t floor_seq)
{
    return i + 1 < keys->generation_count && keys->generations[i].until <= floor_seq;
}

/* For one more, when the file is full: the oldest that may go does. */
static void
make_room(struct aw_keys *keys, uint64_t floor_seq)
{
    uint32_t count = keys->generation_count, kept = 0;
    uint32_t surplus = count < AW_KEYRING_GENERATIONS_MAX ? 0 : count + 1 - AW_KEYRING_GENERATIONS_MAX;

    for (uint32_t i = 0; i < count; i++) {
        if (surplus > 0 && is_below(keys, i, floor_seq))
            surplus--;
        else
            keys->generations[kept++] = keys->generations[i];
    }
    aw_wipe(keys->generations + kept, (count - kept) * sizeof(keys->generations[0]));
    keys->generation_count = kept;
}

/* The nodes of the generations that `to` has. */
static bool
copy_nodes(const struct aw_keytree *from, struct aw_keys *to)
{
    uint32_t at = 0;

    for (size_t i = 0; i < from->count; i++) {
        while (at < to->generation_count && to->generations[at].number < from->nodes[i].generation)
            at++;
        if (at < to->generation_count && to->generations[at].number == from->nodes[i].generation &&
            !aw_keytree_add(&to->tree, &from->nodes[i]))
            return false;
    }
    return true;
}

bool
aw_keyring_is_full(const struct aw_keyring *ring)
{
    return ring->keys.generation_count >= AW_KEYRING_GENERATIONS_MAX;
}

/* The one behind it began where it ended. */
static void
apply_end(struct aw_keys *keys, const struct end *end)
{
    for (uint32_t i = 0; end->generation != 0 && i < keys->generation_count; i++) {
        if (keys->generations[i].number == end->generation)
            keys->generations[i].until = end->next_seq;
        else if (keys->generations[i].number == end->generation + 1)
            keys->generations[i].from = end->next_seq;
    }
}

/* Makes `next` durable, in which `end` is applied, then the one that all use. Takes it in any case. */
static enum aw_err
put_in_place(struct aw_keyring *ring, struct aw_keys *next, const struct end *end, struct aw_why *why)
{
    struct aw_keys old;
    enum aw_err    err = aw_keyfile_replace(ring->path, &ring->secret, next, ring->uuid, why);

    if (err == AW_OK) {
        (void)pthread_mutex_lock(&ring->lock);
        old = ring->keys;
        ring->keys = *next;
        if (end != NULL && ring->ended.generation == end->generation)
            ring->ended = (struct end){.generation = 0};
        (void)pthread_mutex_unlock(&ring->lock);
        *next = old;
    }
    aw_keys_fini(next);
    return err;
}

/* The generation and its root. */
static bool
add_generation(struct aw_keys *keys, uint64_t next_seq, struct aw_keynode *ret_root)
{
    struct aw_key_generation *generation = &keys->generations[keys->generation_count++];

    *generation = (struct aw_key_generation){.number = ++keys->last_generation, .from = next_seq, .until = UINT64_MAX};
    *ret_root = (struct aw_keynode){.generation = generation->number, .level = AW_KEYTREE_LEVELS};
    return aw_random(&generation->value_key, sizeof(generation->value_key)) && aw_random(&ret_root->key, sizeof(ret_root->key)) &&
           aw_keytree_add(&keys->tree, ret_root);
}

/* Where the store's last generation ended. Each time the store itself goes on it says the true end; a copy of it ended earlier,
 * and was seen first perhaps: the largest counts. */
static void
note_end(struct aw_keys *keys, uint32_t store_generation, uint64_t next_seq)
{
    for (uint32_t i = 0; i < keys->generation_count; i++) {
        struct aw_key_generation *generation = &keys->generations[i];

        if (generation->number == store_generation && (generation->until == UINT64_MAX || generation->until < next_seq))
            generation->until = next_seq;
    }
}

enum aw_err
aw_keyring_check(struct aw_keyring *ring, uint64_t next_seq, uint32_t store_generation, struct aw_why *why)
{
    AW_ASSERT(ring->generation == 0 && ring->lock_fd >= 0 && next_seq > 0);
    if (store_generation > ring->keys.last_generation)
        return aw_why(
            why, AW_E_CONFIG,
            "%s is older than the store: it would bring back what was erased since, and has no key for what was written since",
            ring->path);
    (void)pthread_mutex_lock(&ring->lock);
    if (ring->keys.erased_through >= next_seq)
        ring->keys.erased_through = next_seq - 1;
    (void)pthread_mutex_unlock(&ring->lock);
    return AW_OK;
}

enum aw_err
aw_keyring_begin(struct aw_keyring *ring, uint64_t next_seq, uint32_t store_generation, bool is_copy, uint64_t floor_seq,
                 struct aw_why *why)
{
    struct aw_keys   *keys = &ring->keys;
    struct aw_keys    next = {.erased_through = 0};
    struct aw_keynode root;
    enum aw_err       err = aw_keyring_check(ring, next_seq, store_generation, why);

    if (err != AW_OK)
        return err;
    if (!copy_generations(keys, keys->generation_count + 1, &next)) {
        aw_keys_fini(&next);
        return aw_why(why, AW_E_MEMORY, "out of memory");
    }
    if (!is_copy)
        note_end(&next, store_generation, next_seq);
    make_room(&next, floor_seq);
    if (next.generation_count >= AW_KEYRING_STARTS_MAX || next.last_generation == UINT32_MAX) {
        err = aw_why(why, AW_E_TABLE_FULL, "%s: has %u generations of keys", ring->path, next.generation_count);
        aw_keys_fini(&next);
        return err;
    }
    if (!copy_nodes(&keys->tree, &next) || !add_generation(&next, next_seq, &root)) {
        aw_wipe(&root, sizeof(root));
        aw_keys_fini(&next);
        return aw_why(why, AW_E_IO, "no random bytes, or no memory");
    }
    ring->value_key = next.generations[next.generation_count - 1].value_key;
    ring->way = (struct way){.is_there = false};
    ring->way.keys[AW_KEYTREE_LEVELS] = root.key;
    aw_wipe(&root, sizeof(root));
    err = put_in_place(ring, &next, NULL, why);
    if (err == AW_OK)
        ring->generation = ring->keys.last_generation;
    return err;
}

/* --- a fresh one while it runs ------------------------------------------------------------------------------------------------ */

enum aw_err
aw_keyring_renew(struct aw_keyring *ring, uint64_t from_seq, uint64_t floor_seq, struct aw_why *why)
{
    const struct aw_keys *keys = &ring->keys; /* only this thread changes it */
    struct end            end = ended(ring);
    struct aw_keys        next = {.erased_through = 0};
    struct next_keys      made;
    struct aw_keynode     root;
    enum aw_err           err;

    AW_ASSERT(ring->lock_fd >= 0);
    if (has_next(ring))
        return AW_OK;
    if (!copy_generations(keys, keys->generation_count + 1, &next)) {
        aw_keys_fini(&next);
        return aw_why(why, AW_E_MEMORY, "out of memory");
    }
    apply_end(&next, &end);
    make_room(&next, floor_seq);
    if (next.generation_count >= AW_KEYRING_GENERATIONS_MAX || next.last_generation == UINT32_MAX) {
        err = aw_why(why, AW_E_TABLE_FULL, "%s: has %u generations of keys", ring->path, next.generation_count);
        aw_keys_fini(&next);
        return err;
    }
    if (!copy_nodes(&keys->tree, &next) || !add_generation(&next, from_seq, &root)) {
        aw_wipe(&root, sizeof(root));
        aw_keys_fini(&next);
        return aw_why(why, AW_E_MEMORY, "no memory, or no random bytes");
    }
    made = (struct next_keys){
        .generation = next.last_generation, .value_key = next.generations[next.generation_count - 1].value_key, .root = root.key};
    err = put_in_place(ring, &next, &end, why);
    if (err == AW_OK) {
        (void)pthread_mutex_lock(&ring->lock);
        ring->next = made;
        (void)pthread_mutex_unlock(&ring->lock);
    }
    aw_wipe(&made, sizeof(made));
    aw_wipe(&root, sizeof(root));
    return err;
}

bool
aw_keyring_use_next(struct aw_keyring *ring, uint64_t next_seq)
{
    struct next_keys next;

    AW_ASSERT(ring->generation != 0);
    (void)pthread_mutex_lock(&ring->lock);
    next = ring->next;
    if (next.generation != 0) {
        AW_ASSERT(ring->ended.generation == 0);
        ring->ended = (struct end){.generation = ring->generation, .next_seq = next_seq};
        aw_wipe(&ring->next, sizeof(ring->next));
    }
    (void)pthread_mutex_unlock(&ring->lock);
    if (next.generation == 0)
        return false;
    ring->generation = next.generation;
    ring->value_key = next.value_key;
    ring->way = (struct way){.is_there = false};
    ring->way.keys[AW_KEYTREE_LEVELS] = next.root;
    aw_wipe(&next, sizeof(next));
    return true;
}

bool
aw_keyring_has_ended(struct aw_keyring *ring)
{
    return ended(ring).generation != 0;
}

enum aw_err
aw_keyring_note_ended(struct aw_keyring *ring, struct aw_why *why)
{
    struct end     end = ended(ring);
    struct aw_keys next = {.erased_through = 0};

    AW_ASSERT(ring->lock_fd >= 0);
    if (end.generation == 0)
        return AW_OK;
    if (!copy_generations(&ring->keys, ring->keys.generation_count, &next) || !copy_nodes(&ring->keys.tree, &next)) {
        aw_keys_fini(&next);
        return aw_why(why, AW_E_MEMORY, "out of memory");
    }
    apply_end(&next, &end);
    return put_in_place(ring, &next, &end, why);
}

/* --- erasing ------------------------------------------------------------------------------------------------------------------ */

uint32_t
aw_keyring_generation(const struct aw_keyring *ring)
{
    return ring->generation;
}

uint32_t
aw_keyring_last_generation(struct aw_keyring *ring)
{
    uint32_t last;

    (void)pthread_mutex_lock(&ring->lock);
    last = ring->keys.last_generation;
    (void)pthread_mutex_unlock(&ring->lock);
    return last;
}

static int
compare_seqs(const void *a, const void *b)
{
    const uint64_t *first = a, *second = b;

    return *first < *second ? -1 : *first > *second;
}

/* Ascending, each once. NULL: no memory. The caller frees. */
static uint64_t *
sort_seqs(const uint64_t *seqs, size_t count, size_t *ret_count)
{
    uint64_t *sorted = calloc(count + 1, sizeof(sorted[0]));
    size_t    kept = 0;

    if (sorted == NULL)
        return NULL;
    if (count > 0) {
        memcpy(sorted, seqs, count * sizeof(sorted[0]));
        qsort(sorted, count, sizeof(sorted[0]), compare_seqs);
    }
    for (size_t i = 0; i < count; i++) {
        AW_ASSERT(sorted[i] < AW_KEYTREE_LEAVES);
        if (kept == 0 || sorted[i] != sorted[kept - 1])
            sorted[kept++] = sorted[i];
    }
    *ret_count = kept;
    return sorted;
}

/* What each generation loses: it has the records from its first on, before the next one's. Below the floor the bodies of one go
 * whole. How many cuts there are. */
static size_t
make_cuts(const struct aw_keys *keys, const uint64_t *seqs, size_t count, uint64_t floor_seq, struct aw_keycut *cuts)
{
    size_t cut_count = 0;

    for (uint32_t i = 0; i < keys->generation_count; i++) {
        const struct aw_key_generation *generation = &keys->generations[i];
        size_t                          begin = 0, end;

        if (is_below(keys, i, floor_seq))
            continue;
        while (begin < count && seqs[begin] < generation->from)
            begin++;
        for (end = begin; end < count && seqs[end] < generation->until;)
            end++;
        cuts[cut_count++] = (struct aw_keycut){.generation = generation->number,
                                               .floor = generation->from < floor_seq ? floor_seq : 0,
                                               .leaves = seqs + begin,
                                               .count = end - begin};
    }
    return cut_count;
}

enum aw_err
aw_keyring_erase(struct aw_keyring *ring, const uint64_t *seqs, size_t count, uint64_t through, uint64_t floor_seq,
                 struct aw_why *why)
{
    const struct aw_keys *keys = &ring->keys; /* only this thread changes it */
    struct end            end = ended(ring);
    struct aw_keys        next = {.erased_through = 0};
    size_t                distinct = 0;
    uint64_t             *sorted = sort_seqs(seqs, count, &distinct);
    struct aw_keycut     *cuts = calloc(keys->generation_count + UINT64_C(1), sizeof(cuts[0]));
    bool                  ok = sorted != NULL && cuts != NULL && copy_generations(keys, keys->generation_count + 1, &next);

    AW_ASSERT(ring->lock_fd >= 0);
    if (ok) {
        apply_end(&next, &end);
        ok = aw_keytree_cut(&keys->tree, cuts, make_cuts(&next, sorted, distinct, floor_seq, cuts), &next.tree);
    }
    free(sorted);
    free(cuts);
    if (!ok) {
        aw_keys_fini(&next);
        return aw_why(why, AW_E_MEMORY, "out of memory");
    }
    next.erased_through = through;
    return put_in_place(ring, &next, &end, why);
}

void
aw_keyring_take_back(struct aw_keyring *ring)
{
    const struct aw_keys *keys = &ring->keys;
    struct aw_keys        next = {.erased_through = 0};
    bool                  ok;

    if (ring->generation == 0 || has_next(ring))
        return;
    AW_ASSERT(keys->generations[keys->generation_count - 1].number == ring->generation);
    ok = copy_generations(keys, keys->generation_count, &next);
    if (ok) {
        next.last_generation--;
        next.generation_count--;
        aw_wipe(&next.generations[next.generation_count], sizeof(next.generations[0]));
        ok = copy_nodes(&keys->tree, &next);
    }
    if (ok && put_in_place(ring, &next, NULL, NULL) == AW_OK)
        ring->generation = 0;
    if (!ok)
        aw_keys_fini(&next);
}

uint64_t
aw_keyring_erased_through(struct aw_keyring *ring)
{
    uint64_t through;

    (void)pthread_mutex_lock(&ring->lock);
    through = ring->keys.erased_through;
    (void)pthread_mutex_unlock(&ring->lock);
    return through;
}

enum aw_err
aw_keyring_reseal(struct aw_keyring *ring, const char *secret_path, struct aw_why *why)
{
    struct aw_key_secret secret;
    enum aw_err          err = aw_key_secret_read(secret_path, &secret, why);

    AW_ASSERT(ring->lock_fd >= 0);
    if (err == AW_OK)
        err = aw_keyfile_replace(ring->path, &secret, &ring->keys, ring->uuid, why);
    if (err == AW_OK)
        ring->secret = secret;
    aw_wipe(&secret, sizeof(secret));
    return err;
}

struct aw_hash_key
aw_keyring_hash_key(const struct aw_keyring *ring, struct aw_slice word, const struct aw_hash_key *salt)
{
    struct aw_slice    parts[] = {aw_slice_of(ring->keys.hash_secret.bytes, sizeof(ring->keys.hash_secret.bytes)),
                                  aw_slice_of(salt->bytes, sizeof(salt->bytes)), word};
    struct aw_sha256   hash;
    struct aw_hash_key key;
    bool               ok = aw_sha256(parts, AW_ARRAY_LEN(parts), &hash);

    AW_ASSERT(ok); /* at a start: a library without memory for its first hash */
    memcpy(key.bytes, hash.bytes, sizeof(key.bytes));
    return key;
}

/* --- sealing ------------------------------------------------------------------------------------------------------------------ */

/* The key of this leaf, by as much of the way as differs from the last one's. */
static const struct aw_seal_key *
go_to(struct way *way, uint64_t leaf)
{
    uint32_t level = AW_KEYTREE_LEVELS;

    AW_ASSERT(leaf < AW_KEYTREE_LEAVES);
    if (way->is_there) {
        uint64_t differs = way->leaf ^ leaf;

        for (level = 0; differs != 0; level++)
            differs >>= AW_KEYTREE_DIGIT_BITS;
    }
    way->is_there = false; /* should the library fail on it */
    for (; level > 0; level--) {
        unsigned child = (unsigned)(leaf >> (AW_KEYTREE_DIGIT_BITS * (level - 1))) & ((1U << AW_KEYTREE_DIGIT_BITS) - 1);

        if (!aw_keytree_child(&way->keys[level], child, &way->keys[level - 1]))
            return NULL;
    }
    way->leaf = leaf;
    way->is_there = true;
    return &way->keys[0];
}

bool
aw_keyring_seal_body(struct aw_keyring *ring, uint64_t seq, struct aw_slice body, uint8_t *to)
{
    struct aw_seal_nonce      nonce = {{0}}; /* the key is for this body alone */
    const struct aw_seal_key *key = go_to(&ring->way, seq);

    AW_ASSERT(ring->generation != 0);
    memcpy(to, &ring->generation, sizeof(ring->generation));
    return key != NULL && aw_seal(key, &nonce, aw_slice_of(to, sizeof(ring->generation)), body, to + sizeof(ring->generation));
}

/* What is not written, but must be the same again: where the value lies. */
static struct aw_seal_nonce
value_nonce(uint64_t number)
{
    struct aw_seal_nonce nonce = {{0}};

    memcpy(nonce.bytes, &number, sizeof(number));
    return nonce;
}

bool
aw_keyring_seal_value(struct aw_keyring *ring, uint64_t place, struct aw_slice value, uint8_t *to)
{
    struct aw_seal_nonce nonce = value_nonce(++ring->value_number);

    AW_ASSERT(ring->generation != 0);
    memcpy(to, &ring->generation, sizeof(ring->generation));
    memcpy(to + sizeof(ring->generation), &ring->value_number, sizeof(ring->value_number));
    return aw_seal(&ring->value_key, &nonce, aw_slice_of(&place, sizeof(place)), value,
                   to + sizeof(ring->generation) + sizeof(ring->value_number));
}

/* --- unsealing ---------------------------------------------------------------------------------------------------------------- */

enum aw_err
aw_keyring_unseal_body(struct aw_keyring *ring, uint64_t seq, struct aw_slice sealed, uint8_t *to, struct aw_slice *ret_body)
{
    const struct aw_keynode *found;
    struct aw_keynode        node;
    struct aw_seal_nonce     nonce = {{0}};
    struct aw_seal_key       key;
    uint32_t                 generation, last;
    enum aw_err              err;

    if (sealed.len < AW_SEALED_BODY_BYTES || seq >= AW_KEYTREE_LEAVES)
        return AW_E_CORRUPT;
    memcpy(&generation, sealed.ptr, sizeof(generation));
    (void)pthread_mutex_lock(&ring->lock);
    found = aw_keytree_find(&ring->keys.tree, generation, seq);
    if (found != NULL)
        node = *found;
    last = ring->keys.last_generation;
    (void)pthread_mutex_unlock(&ring->lock);
    if (found == NULL)
        return generation == 0 || generation > last ? AW_E_CORRUPT : AW_E_NOT_FOUND;
    if (!aw_keytree_leaf(&node, seq, &key))
        return AW_E_MEMORY;
    err = aw_unseal(&key, &nonce, aw_slice_of(&generation, sizeof(generation)),
                    aw_slice_of(sealed.ptr + sizeof(generation), sealed.len - sizeof(generation)), to);
    aw_wipe(&key, sizeof(key));
    aw_wipe(&node, sizeof(node));
    *ret_body = aw_slice_of(to, sealed.len - AW_SEALED_BODY_BYTES);
    return err;
}

static enum aw_err
find_value_key(struct aw_keyring *ring, uint32_t number, struct aw_seal_key *ret_key)
{
    enum aw_err err;
    uint32_t    low = 0, high;

    (void)pthread_mutex_lock(&ring->lock);
    err = number == 0 || number > ring->keys.last_generation ? AW_E_CORRUPT : AW_E_NOT_FOUND;
    for (high = ring->keys.generation_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;

        if (ring->keys.generations[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < ring->keys.generation_count && ring->keys.generations[low].number == number) {
        *ret_key = ring->keys.generations[low].value_key;
        err = AW_OK;
    }
    (void)pthread_mutex_unlock(&ring->lock);
    return err;
}

enum aw_err
aw_keyring_unseal_value(struct aw_keyring *ring, uint64_t place, struct aw_slice sealed, uint8_t *to, struct aw_slice *ret_value)
{
    struct aw_seal_nonce nonce;
    struct aw_seal_key   key;
    uint32_t             generation;
    uint64_t             number;
    size_t               head = sizeof(generation) + sizeof(number);
    enum aw_err          err;

    if (sealed.len < AW_SEALED_VALUE_BYTES)
        return AW_E_CORRUPT;
    memcpy(&generation, sealed.ptr, sizeof(generation));
    memcpy(&number, sealed.ptr + sizeof(generation), sizeof(number));
    err = find_value_key(ring, generation, &key);
    if (err != AW_OK)
        return err;
    nonce = value_nonce(number);
    err = aw_unseal(&key, &nonce, aw_slice_of(&place, sizeof(place)), aw_slice_of(sealed.ptr + head, sealed.len - head), to);
    aw_wipe(&key, sizeof(key));
    *ret_value = aw_slice_of(to, sealed.len - AW_SEALED_VALUE_BYTES);
    return err;
}
