/* keys_fuzz.c - any bytes as a key file, and any bytes as what is in one whose check comes out. What is refused is refused with
 * words; of what is taken each node stands for its leaves, and one that is cut off is gone.
 */
#include "base/assert.h"
#include "base/hash.h"
#include "store/keyfile.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAD_BYTES  64U /* as keyfile.h has it */
#define HEAD_FORMAT 12U
#define HEAD_LEN    40U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct aw_key_secret no_secret = {.len = 0};

/* The file of these bytes. */
static enum aw_err
read_bytes(const uint8_t *bytes, size_t size, struct aw_keys *ret_keys, uint8_t uuid[16])
{
    struct aw_why why = {""};
    char          path[64];
    int           fd = memfd_create("keys", MFD_CLOEXEC);
    enum aw_err   err;

    AW_ASSERT(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    err = aw_keyfile_read(path, &no_secret, ret_keys, uuid, &why);
    AW_ASSERT(err == AW_OK || why.text[0] != '\0');
    (void)close(fd); /* of memory */
    return err;
}

/* With a leaf of each node cut off, one generation after the other, as who erases does. */
static void
check_cut(const struct aw_keys *keys)
{
    for (size_t i = 0; i < keys->tree.count; i++) {
        const struct aw_keynode *node = &keys->tree.nodes[i];
        uint64_t                 leaf = node->index << (AW_KEYTREE_DIGIT_BITS * node->level);
        struct aw_keycut         cut = {.generation = node->generation, .leaves = &leaf, .count = 1};
        struct aw_keytree        tree = {.nodes = NULL};
        struct aw_seal_key       key;
        bool                     is_done;

        AW_ASSERT(aw_keytree_find(&keys->tree, node->generation, leaf) == node && aw_keytree_leaf(node, leaf, &key));
        if (i >= 16) /* each cut copies the tree */
            continue;
        is_done = aw_keytree_cut(&keys->tree, &cut, 1, &tree);
        AW_ASSERT(is_done && aw_keytree_find(&tree, node->generation, leaf) == NULL);
        aw_keytree_fini(&tree);
    }
}

/* A head and a check that fit. */
static void
take_inside(const uint8_t *data, size_t size)
{
    const uint32_t   format = 1;
    const uint64_t   rest = size;
    uint8_t         *bytes = calloc(1, HEAD_BYTES + size + AW_SEAL_TAG_BYTES);
    struct aw_sha256 check;
    struct aw_keys   keys;
    uint8_t          uuid[16];

    AW_ASSERT(bytes != NULL);
    memcpy(bytes, "aswolk keys\n", HEAD_FORMAT);
    memcpy(bytes + HEAD_FORMAT, &format, sizeof(format));
    memcpy(bytes + HEAD_LEN, &rest, sizeof(rest));
    memcpy(bytes + HEAD_BYTES, data, size);
    AW_ASSERT(aw_sha256((struct aw_slice[]){aw_slice_of(bytes, HEAD_BYTES), aw_slice_of(data, size)}, 2, &check));
    memcpy(bytes + HEAD_BYTES + size, check.bytes, AW_SEAL_TAG_BYTES);
    if (read_bytes(bytes, HEAD_BYTES + size + AW_SEAL_TAG_BYTES, &keys, uuid) == AW_OK) {
        check_cut(&keys);
        aw_keys_fini(&keys);
    }
    free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aw_keys keys;
    uint8_t        uuid[16];

    AW_ASSERT(aw_hash_init());
    if (size == 0)
        return 0;
    if (data[0] != 0) {
        take_inside(data + 1, size - 1);
    } else if (read_bytes(data + 1, size - 1, &keys, uuid) == AW_OK) {
        check_cut(&keys);
        aw_keys_fini(&keys);
    }
    return 0;
}
