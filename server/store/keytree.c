/* keytree.c - see keytree.h. */
#include "store/keytree.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define CHILDREN (1U << AW_KEYTREE_DIGIT_BITS)

static const char child_word[] = "aswolk key node"; /* with parent and digit in one block of SHA-256 */

static uint64_t
first_leaf(uint32_t level, uint64_t index)
{
    return index << (AW_KEYTREE_DIGIT_BITS * level);
}

static uint64_t
end_leaf(uint32_t level, uint64_t index)
{
    return (index + 1) << (AW_KEYTREE_DIGIT_BITS * level);
}

void
aw_keytree_fini(struct aw_keytree *tree)
{
    if (tree->nodes != NULL)
        aw_wipe(tree->nodes, tree->room * sizeof(tree->nodes[0]));
    free(tree->nodes);
    *tree = (struct aw_keytree){NULL, 0, 0};
}

/* Not by realloc, which would leave keys behind. */
static bool
grow(struct aw_keytree *tree)
{
    size_t             room = tree->room == 0 ? 128 : 2 * tree->room;
    struct aw_keynode *nodes = calloc(room, sizeof(nodes[0]));
    size_t             count = tree->count;

    if (nodes == NULL)
        return false;
    if (count > 0)
        memcpy(nodes, tree->nodes, count * sizeof(nodes[0]));
    aw_keytree_fini(tree);
    tree->nodes = nodes;
    tree->count = count;
    tree->room = room;
    return true;
}

bool
aw_keytree_add(struct aw_keytree *tree, const struct aw_keynode *node)
{
    if (tree->count == tree->room && !grow(tree))
        return false;
    tree->nodes[tree->count++] = *node;
    return true;
}

static bool
lies_behind(const struct aw_keynode *node, uint32_t generation, uint64_t leaf)
{
    return node->generation > generation || (node->generation == generation && first_leaf(node->level, node->index) > leaf);
}

const struct aw_keynode *
aw_keytree_find(const struct aw_keytree *tree, uint32_t generation, uint64_t leaf)
{
    size_t                   low = 0, high = tree->count;
    const struct aw_keynode *node;

    while (low < high) { /* the first that lies behind it */
        size_t middle = low + (high - low) / 2;

        if (lies_behind(&tree->nodes[middle], generation, leaf))
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0)
        return NULL;
    node = &tree->nodes[low - 1];
    return node->generation == generation && leaf < end_leaf(node->level, node->index) ? node : NULL;
}

bool
aw_keytree_child(const struct aw_seal_key *parent, unsigned child, struct aw_seal_key *ret_key)
{
    uint8_t          bytes[sizeof(parent->bytes) + sizeof(child_word)];
    struct aw_slice  part = aw_slice_of(bytes, sizeof(bytes));
    struct aw_sha256 hash;

    AW_STATIC_ASSERT(sizeof(bytes) < 56 && sizeof(hash) == sizeof(*ret_key), "one block, one key");
    memcpy(bytes, parent->bytes, sizeof(parent->bytes));
    memcpy(bytes + sizeof(parent->bytes), child_word, sizeof(child_word) - 1);
    bytes[sizeof(bytes) - 1] = (uint8_t)child;
    if (!aw_sha256(&part, 1, &hash))
        return false;
    memcpy(ret_key->bytes, hash.bytes, sizeof(ret_key->bytes));
    aw_wipe(bytes, sizeof(bytes));
    return true;
}

bool
aw_keytree_leaf(const struct aw_keynode *node, uint64_t leaf, struct aw_seal_key *ret_key)
{
    *ret_key = node->key;
    for (uint32_t level = node->level; level > 0; level--) {
        if (!aw_keytree_child(ret_key, (unsigned)(leaf >> (AW_KEYTREE_DIGIT_BITS * (level - 1))) % CHILDREN, ret_key))
            return false;
    }
    return true;
}

/* Adds what is left of a node. As deep as it has levels. */
static bool
add_rest(struct aw_keytree *to, const struct aw_keynode *node, const uint64_t *leaves, size_t count, uint64_t floor)
{
    if (end_leaf(node->level, node->index) <= floor)
        return true;
    if (count == 0 && first_leaf(node->level, node->index) >= floor)
        return aw_keytree_add(to, node);
    if (node->level == 0)
        return true;
    for (unsigned i = 0; i < CHILDREN; i++) {
        struct aw_keynode child = {.generation = node->generation, .level = node->level - 1, .index = node->index * CHILDREN + i};
        uint64_t          end = end_leaf(child.level, child.index);
        size_t            inside = 0;
        bool              ok;

        while (inside < count && leaves[inside] < end)
            inside++;
        ok = aw_keytree_child(&node->key, i, &child.key) && add_rest(to, &child, leaves, inside, floor);
        aw_wipe(&child, sizeof(child));
        if (!ok)
            return false;
        leaves += inside;
        count -= inside;
    }
    return true;
}

bool
aw_keytree_cut(const struct aw_keytree *from, const struct aw_keycut *cuts, size_t cut_count, struct aw_keytree *ret_tree)
{
    size_t cut = 0, at = 0;

    for (size_t i = 0; i < from->count; i++) {
        const struct aw_keynode *node = &from->nodes[i];
        uint64_t                 first = first_leaf(node->level, node->index);
        uint64_t                 end = end_leaf(node->level, node->index);
        size_t                   begin;

        while (cut < cut_count && cuts[cut].generation < node->generation) {
            cut++;
            at = 0;
        }
        if (cut == cut_count || cuts[cut].generation > node->generation)
            continue;                                                /* the generation goes */
        while (at < cuts[cut].count && cuts[cut].leaves[at] < first) /* cut off before */
            at++;
        for (begin = at; at < cuts[cut].count && cuts[cut].leaves[at] < end;)
            at++;
        if (!add_rest(ret_tree, node, cuts[cut].leaves + begin, at - begin, cuts[cut].floor))
            return false;
    }
    return true;
}
