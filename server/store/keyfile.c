/* keyfile.c - see keyfile.h. */
#include "store/keyfile.h"

#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

AW_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored integers are native and little-endian");

#define PATH_BYTES     4096U
#define MAGIC          "aswolk keys\n"
#define FORMAT         1U
#define SECRET_MIN     32U
#define FILE_BYTES_MAX (UINT64_C(1) << 34)
/* By which the next file may be larger on a disk that is full: at best some hundred generations, at worst one. */
#define GROWTH_BYTES     (INT64_C(64) << 10)
#define GROWTH_BYTES_MIN INT64_C(256)

static const char seal_word[] = "aswolk key file";

struct file_head {
    char     magic[12];
    uint32_t format;
    uint8_t  uuid[16];
    uint32_t is_sealed;
    uint32_t reserved;
    uint64_t rest_bytes; /* without the tag behind it */
    uint8_t  salt[16];
};
AW_STATIC_ASSERT(sizeof(struct file_head) == 64, "no holes");

struct rest_head {
    struct aw_seal_key hash_secret;
    uint64_t           erased_through;
    uint32_t           last_generation;
    uint32_t           generation_count;
    uint64_t           node_count;
};
AW_STATIC_ASSERT(sizeof(struct rest_head) == 56, "no holes");

void
aw_keys_fini(struct aw_keys *keys)
{
    if (keys->generations != NULL)
        aw_wipe(keys->generations, keys->generation_count * sizeof(keys->generations[0]));
    free(keys->generations);
    aw_keytree_fini(&keys->tree);
    aw_wipe(keys, sizeof(*keys));
}

/* --- bytes of files ----------------------------------------------------------------------------------------------------------- */

/* The whole file, of at most bytes_max. The caller frees, and wipes. */
static enum aw_err
read_file(const char *path, uint64_t bytes_max, uint8_t **ret_bytes, size_t *ret_len, struct aw_why *why)
{
    struct stat file;
    uint8_t    *bytes = NULL;
    size_t      len = 0;
    enum aw_err err = AW_OK;
    int         fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return aw_why_errno(why, errno == ENOENT ? AW_E_NOT_FOUND : AW_E_IO, errno, "%s", path);
    if (fstat(fd, &file) != 0)
        err = aw_why_errno(why, AW_E_IO, errno, "%s", path);
    else if (!S_ISREG(file.st_mode) || (uint64_t)file.st_size > bytes_max)
        err = aw_why(why, AW_E_CORRUPT, "%s: not such a file", path);
    if (err == AW_OK) {
        bytes = malloc((size_t)file.st_size + 1);
        err = bytes != NULL ? AW_OK : aw_why(why, AW_E_MEMORY, "out of memory");
    }
    while (err == AW_OK && len < (size_t)file.st_size) {
        ssize_t got = read(fd, bytes + len, (size_t)file.st_size - len);

        if (got > 0)
            len += (size_t)got;
        else if (got == 0 || errno != EINTR)
            err = aw_why_errno(why, AW_E_IO, got == 0 ? EIO : errno, "%s", path);
    }
    (void)close(fd); /* read-only: nothing to lose */
    if (err != AW_OK) {
        free(bytes);
        return err;
    }
    *ret_bytes = bytes;
    *ret_len = len;
    return AW_OK;
}

static bool
write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, bytes, len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        bytes += put;
        len -= (size_t)put;
    }
    return true;
}

static enum aw_err
sync_folder_of(const char *path, struct aw_why *why)
{
    char copy[PATH_BYTES];
    int  fd;
    int  rc;

    memcpy(copy, path, strlen(path) + 1); /* fits: FILE.new did */
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "the folder of %s", path);
    rc = fsync(fd) == 0 ? 0 : errno;
    (void)close(fd); /* read-only: nothing to lose */
    return rc == 0
               ? AW_OK
               : aw_why_errno(why, AW_E_IO, rc,
                              "%s: was replaced, but its folder can't be synced: a power cut may bring the old one back", path);
}

bool
aw_keyfile_keep_owner(int fd, const char *path)
{
    struct stat old;

    if (geteuid() != 0)
        return true;
    if (stat(path, &old) != 0)
        return errno == ENOENT;
    return fchown(fd, old.st_uid, old.st_gid) == 0;
}

/* FILE.new as it lies there, or an empty one. One that root left when it was killed can't be opened, but be taken away. */
static int
open_fresh(const char *path, const char *fresh)
{
    int fd = open(fresh, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int failed;

    if (fd < 0 && errno == EACCES && unlink(fresh) == 0)
        fd = open(fresh, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && !aw_keyfile_keep_owner(fd, path)) {
        failed = errno;
        (void)close(fd); /* nothing was written */
        errno = failed;
        return -1;
    }
    return fd;
}

/* FILE.new gets the blocks that the next file needs: a store must start, and erase, on a disk that is full. Without room for them
 * there is none, and the next time looks for it anew. */
static void
make_ready(const char *path, const char *fresh)
{
    struct stat file;
    bool        ok = false;
    int         fd = open_fresh(path, fresh);

    if (fd < 0)
        return;
    if (ftruncate(fd, 0) == 0 && stat(path, &file) == 0) {
        for (off_t growth = GROWTH_BYTES; !ok && growth >= GROWTH_BYTES_MIN; growth /= 2)
            ok = fallocate(fd, 0, 0, file.st_size + growth) == 0;
    }
    ok = ok && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    if (!ok)
        (void)unlink(fresh); /* what stays behind at worst is written over */
}

/* Over what make_ready left, or what a power cut left of a FILE.new. */
static bool
write_over(int fd, const uint8_t *bytes, size_t len)
{
    return fchmod(fd, 0600) == 0 && write_all(fd, bytes, len) && ftruncate(fd, (off_t)len) == 0 && fsync(fd) == 0;
}

static enum aw_err
replace_file(const char *path, const uint8_t *bytes, size_t len, struct aw_why *why)
{
    char        fresh[PATH_BYTES];
    int         fresh_len = snprintf(fresh, sizeof(fresh), "%s.new", path);
    int         fd;
    bool        ok;
    int         failed;
    enum aw_err err;

    if (fresh_len < 0 || (size_t)fresh_len >= sizeof(fresh))
        return aw_why(why, AW_E_IO, "%s: the path is too long", path);
    fd = open_fresh(path, fresh);
    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "%s", fresh);
    ok = write_over(fd, bytes, len);
    failed = errno;
    ok = close(fd) == 0 && ok;
    if (!ok || rename(fresh, path) != 0) {
        failed = ok ? errno : failed;
        make_ready(path, fresh); /* empty again: no key that is not in use lies there */
        return aw_why_errno(why, AW_E_IO, failed, "%s: cannot be replaced", path);
    }
    err = sync_folder_of(path, why);
    if (err == AW_OK)
        make_ready(path, fresh); /* on a full disk, of the blocks that the old file gave back */
    return err;
}

enum aw_err
aw_key_secret_read(const char *path, struct aw_key_secret *ret_secret, struct aw_why *why)
{
    uint8_t    *bytes = NULL;
    size_t      len = 0;
    enum aw_err err;

    *ret_secret = (struct aw_key_secret){.len = 0};
    if (path == NULL)
        return AW_OK;
    err = read_file(path, sizeof(ret_secret->bytes), &bytes, &len, why);
    if (err != AW_OK)
        return err == AW_E_MEMORY ? err : AW_E_CONFIG;
    if (len < SECRET_MIN) {
        err = aw_why(why, AW_E_CONFIG, "%s: has %zu bytes, a store key at least %u", path, len, SECRET_MIN);
    } else {
        memcpy(ret_secret->bytes, bytes, len);
        ret_secret->len = len;
    }
    aw_wipe(bytes, len);
    free(bytes);
    return err;
}

/* --- reading ------------------------------------------------------------------------------------------------------------------ */

static bool
make_file_key(const struct aw_key_secret *secret, const uint8_t salt[16], struct aw_seal_key *ret_key)
{
    struct aw_slice  parts[] = {aw_slice_of(seal_word, sizeof(seal_word) - 1), aw_slice_of(salt, 16),
                                aw_slice_of(secret->bytes, secret->len)};
    struct aw_sha256 hash;

    if (!aw_sha256(parts, AW_ARRAY_LEN(parts), &hash))
        return false;
    memcpy(ret_key->bytes, hash.bytes, sizeof(ret_key->bytes));
    aw_wipe(&hash, sizeof(hash));
    return true;
}

static bool
make_check(const struct file_head *head, const uint8_t *rest, struct aw_sha256 *ret_hash)
{
    struct aw_slice parts[] = {aw_slice_of(head, sizeof(*head)), aw_slice_of(rest, head->rest_bytes)};

    return aw_sha256(parts, AW_ARRAY_LEN(parts), ret_hash);
}

/* Opens what is behind the head, in place. */
static enum aw_err
open_rest(const char *path, const struct file_head *head, const struct aw_key_secret *secret, uint8_t *rest, struct aw_why *why)
{
    struct aw_seal_nonce nonce = {{0}}; /* the salt makes each key new */
    struct aw_seal_key   key;
    struct aw_sha256     check;
    enum aw_err          err;

    if (head->is_sealed == 0) {
        if (!make_check(head, rest, &check))
            return aw_why(why, AW_E_MEMORY, "out of memory");
        if (memcmp(check.bytes, rest + head->rest_bytes, AW_SEAL_TAG_BYTES) != 0)
            return aw_why(why, AW_E_CORRUPT, "%s: the key file fails its check", path);
        return AW_OK;
    }
    if (secret->len == 0)
        return aw_why(why, AW_E_CONFIG, "%s: a store key seals the key file, and none is given (--store-key)", path);
    if (!make_file_key(secret, head->salt, &key))
        return aw_why(why, AW_E_MEMORY, "out of memory");
    err =
        aw_unseal(&key, &nonce, aw_slice_of(head, sizeof(*head)), aw_slice_of(rest, head->rest_bytes + AW_SEAL_TAG_BYTES), rest);
    aw_wipe(&key, sizeof(key));
    return err == AW_E_CORRUPT ? aw_why(why, AW_E_CONFIG, "%s: the store key is another one, or the key file is damaged", path)
                               : err;
}

/* Whether nodes ascend, do not overlap, and lie in a tree. */
static bool
nodes_are_sane(const struct aw_keytree *tree, uint32_t last_generation)
{
    uint64_t end = 0;

    for (size_t i = 0; i < tree->count; i++) {
        const struct aw_keynode *node = &tree->nodes[i];
        bool                     is_next = i == 0 || node->generation > tree->nodes[i - 1].generation;

        if (node->level > AW_KEYTREE_LEVELS || node->generation == 0 || node->generation > last_generation ||
            node->index >= AW_KEYTREE_LEAVES >> (AW_KEYTREE_DIGIT_BITS * node->level))
            return false;
        if (!is_next &&
            (node->generation != tree->nodes[i - 1].generation || node->index << (AW_KEYTREE_DIGIT_BITS * node->level) < end))
            return false;
        end = (node->index + 1) << (AW_KEYTREE_DIGIT_BITS * node->level);
    }
    return true;
}

static enum aw_err
take_rest(const uint8_t *rest, uint64_t bytes, struct aw_keys *ret_keys)
{
    struct rest_head head;
    struct aw_keys   keys;
    const uint8_t   *at = rest + sizeof(head);

    if (bytes < sizeof(head))
        return AW_E_CORRUPT;
    memcpy(&head, rest, sizeof(head));
    bytes -= sizeof(head);
    if (head.node_count > bytes / sizeof(keys.tree.nodes[0]) ||
        bytes - head.node_count * sizeof(keys.tree.nodes[0]) != (uint64_t)head.generation_count * sizeof(keys.generations[0]))
        return AW_E_CORRUPT;
    keys = (struct aw_keys){.hash_secret = head.hash_secret,
                            .erased_through = head.erased_through,
                            .last_generation = head.last_generation,
                            .generation_count = head.generation_count};
    keys.generations = calloc(head.generation_count + UINT64_C(1), sizeof(keys.generations[0]));
    keys.tree.room = head.node_count + 1;
    keys.tree.nodes = calloc(keys.tree.room, sizeof(keys.tree.nodes[0]));
    if (keys.generations == NULL || keys.tree.nodes == NULL) {
        free(keys.generations);
        free(keys.tree.nodes);
        return AW_E_MEMORY;
    }
    memcpy(keys.generations, at, head.generation_count * sizeof(keys.generations[0]));
    keys.tree.count = head.node_count;
    memcpy(keys.tree.nodes, at + head.generation_count * sizeof(keys.generations[0]),
           head.node_count * sizeof(keys.tree.nodes[0]));
    aw_wipe(&head, sizeof(head));
    if (!nodes_are_sane(&keys.tree, keys.last_generation)) {
        aw_keys_fini(&keys);
        return AW_E_CORRUPT;
    }
    *ret_keys = keys;
    return AW_OK;
}

static enum aw_err
take_file(const char *path, const struct aw_key_secret *secret, uint8_t *bytes, size_t len, struct aw_keys *ret_keys,
          uint8_t ret_uuid[16], struct aw_why *why)
{
    struct file_head head;
    enum aw_err      err;

    if (len < sizeof(head) + AW_SEAL_TAG_BYTES)
        return aw_why(why, AW_E_CORRUPT, "%s: not a key file of aswolk", path);
    memcpy(&head, bytes, sizeof(head));
    if (memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0)
        return aw_why(why, AW_E_CORRUPT, "%s: not a key file of aswolk", path);
    if (head.format != FORMAT)
        return aw_why(why, AW_E_VERSION, "%s: has format %u, this aswolk knows %u", path, head.format, FORMAT);
    if (head.rest_bytes != len - sizeof(head) - AW_SEAL_TAG_BYTES)
        return aw_why(why, AW_E_CORRUPT, "%s: the key file has a wrong length", path);
    err = open_rest(path, &head, secret, bytes + sizeof(head), why);
    if (err != AW_OK)
        return err;
    err = take_rest(bytes + sizeof(head), head.rest_bytes, ret_keys);
    if (err != AW_OK)
        return aw_why(why, err, "%s: the key file cannot be read: %s", path, aw_err_text(err));
    memcpy(ret_uuid, head.uuid, sizeof(head.uuid));
    return AW_OK;
}

enum aw_err
aw_keyfile_read(const char *path, const struct aw_key_secret *secret, struct aw_keys *ret_keys, uint8_t ret_uuid[16],
                struct aw_why *why)
{
    uint8_t    *bytes = NULL;
    size_t      len = 0;
    enum aw_err err = read_file(path, FILE_BYTES_MAX, &bytes, &len, why);

    if (err != AW_OK)
        return err;
    err = take_file(path, secret, bytes, len, ret_keys, ret_uuid, why);
    aw_wipe(bytes, len);
    free(bytes);
    return err;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------ */

static void
put_rest(const struct aw_keys *keys, uint8_t *to)
{
    struct rest_head head = {.hash_secret = keys->hash_secret,
                             .erased_through = keys->erased_through,
                             .last_generation = keys->last_generation,
                             .generation_count = keys->generation_count,
                             .node_count = keys->tree.count};
    size_t           generation_bytes = keys->generation_count * sizeof(keys->generations[0]);

    memcpy(to, &head, sizeof(head));
    to += sizeof(head);
    if (generation_bytes > 0)
        memcpy(to, keys->generations, generation_bytes);
    if (keys->tree.count > 0)
        memcpy(to + generation_bytes, keys->tree.nodes, keys->tree.count * sizeof(keys->tree.nodes[0]));
    aw_wipe(&head, sizeof(head));
}

/* In place: the rest becomes what is stored, with its tag behind. */
static bool
close_rest(struct file_head *head, const struct aw_key_secret *secret, uint8_t *rest)
{
    struct aw_seal_nonce nonce = {{0}};
    struct aw_seal_key   key;
    struct aw_sha256     check;
    bool                 ok;

    head->is_sealed = secret->len > 0;
    if (secret->len == 0) {
        if (!make_check(head, rest, &check))
            return false;
        memcpy(rest + head->rest_bytes, check.bytes, AW_SEAL_TAG_BYTES);
        return true;
    }
    if (!aw_random(head->salt, sizeof(head->salt)) || !make_file_key(secret, head->salt, &key))
        return false;
    ok = aw_seal(&key, &nonce, aw_slice_of(head, sizeof(*head)), aw_slice_of(rest, head->rest_bytes), rest);
    aw_wipe(&key, sizeof(key));
    return ok;
}

enum aw_err
aw_keyfile_replace(const char *path, const struct aw_key_secret *secret, const struct aw_keys *keys, const uint8_t uuid[16],
                   struct aw_why *why)
{
    struct file_head head = {.magic = MAGIC, .format = FORMAT};
    size_t           len;
    uint8_t         *bytes;
    enum aw_err      err;

    head.rest_bytes = sizeof(struct rest_head) + keys->generation_count * sizeof(keys->generations[0]) +
                      keys->tree.count * sizeof(keys->tree.nodes[0]);
    memcpy(head.uuid, uuid, sizeof(head.uuid));
    len = sizeof(head) + head.rest_bytes + AW_SEAL_TAG_BYTES;
    bytes = malloc(len);
    if (bytes == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    put_rest(keys, bytes + sizeof(head));
    if (close_rest(&head, secret, bytes + sizeof(head))) {
        memcpy(bytes, &head, sizeof(head));
        err = replace_file(path, bytes, len, why);
    } else {
        err = aw_why(why, AW_E_MEMORY, "%s: cannot be sealed", path);
    }
    aw_wipe(bytes, len);
    free(bytes);
    return err;
}
