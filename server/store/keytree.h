/* keytree.h - the nodes of a keyring: keys of bodies as leaves of trees, and how leaves are cut off.
 *
 * A generation has a tree over all sequence numbers, with four children a node. A node's key gives its children's by SHA-256, so
 * one node stands for all leaves below it, and nothing stands for a leaf that was cut off: its place is taken by the other
 * children of every node above it. Nodes are kept in order of generation and first leaf, and never overlap.
 *
 * Owns: its nodes. Thread: one. Fails: for lack of memory only.
 */
#ifndef AW_STORE_KEYTREE_H
#define AW_STORE_KEYTREE_H

#include "base/seal.h"

#include <stddef.h>

#define AW_KEYTREE_DIGIT_BITS 2U
#define AW_KEYTREE_LEVELS     24U /* of the root; a leaf has 0 */
#define AW_KEYTREE_LEAVES     (UINT64_C(1) << (AW_KEYTREE_DIGIT_BITS * AW_KEYTREE_LEVELS))

/* As it lies in the key file. */
struct aw_keynode {
    uint32_t           generation;
    uint32_t           level;
    uint64_t           index; /* of its level: its leaves begin at index << 2 * level */
    struct aw_seal_key key;
};
AW_STATIC_ASSERT(sizeof(struct aw_keynode) == 48, "no holes");

struct aw_keytree {
    struct aw_keynode *nodes; /* owns */
    size_t             count;
    size_t             room;
};

/* What a generation loses: these leaves, ascending, each once, and all below the floor. */
struct aw_keycut {
    uint32_t        generation;
    uint64_t        floor; /* 0 for one that has none below: else its root is split for nothing, level by level */
    const uint64_t *leaves;
    size_t          count;
};

void aw_keytree_fini(struct aw_keytree *tree); /* wipes */
/* Behind all that is there. False: no memory. */
AW_MUST_USE bool aw_keytree_add(struct aw_keytree *tree, const struct aw_keynode *node);
/* The node that stands for this leaf. NULL: it was cut off. Borrows until the tree changes. */
const struct aw_keynode *aw_keytree_find(const struct aw_keytree *tree, uint32_t generation, uint64_t leaf);
/* The key of a leaf below the node. False when the library fails. */
AW_MUST_USE bool aw_keytree_leaf(const struct aw_keynode *node, uint64_t leaf, struct aw_seal_key *ret_key);
/* The key of the n-th child. */
AW_MUST_USE bool aw_keytree_child(const struct aw_seal_key *parent, unsigned child, struct aw_seal_key *ret_key);
/* A copy without what is cut off, into `ret_tree`, which is empty; on failure it has a part. Cuts ascend by generation, one each: a
 * generation without one goes whole. */
AW_MUST_USE bool aw_keytree_cut(const struct aw_keytree *from, const struct aw_keycut *cuts, size_t cut_count,
                                struct aw_keytree *ret_tree);

#endif
