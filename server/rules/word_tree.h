/* word_tree.h - finds thousands of phrases in a folded text, word by word.
 *
 * A phrase is a run of whole words (" heart attack "); of an open one the last word may go on (" heart attack"). The tree has a
 * node for each beginning of a phrase, in words, and one hash table leads from a node and a word to the next: a text costs a look
 * for each of its words, and more only where a phrase has begun. The hash is not trusted: what it finds is compared.
 *
 * Who owns: all lies in the arena that it was made with. Thread: any; it never changes once it is made.
 */
#ifndef AW_RULES_WORD_TREE_H
#define AW_RULES_WORD_TREE_H

#include "base/arena.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define AW_WORD_TREE_DEPTH_MAX 32U /* words of a phrase */
#define AW_WORD_TREE_OPEN_MIN  2U  /* bytes of a last word that may go on */
#define AW_WORD_TREE_OPEN_MAX  31U
#define AW_WORD_TREE_SLACK     8U /* bytes behind a text that may be read, and mean nothing */

struct aw_word_phrase {
    struct aw_slice pattern; /* borrows: a blank, words with one between, and a blank unless it is open */
    uint32_t        number;  /* what is reported */
    bool            open;
};

struct aw_word_edge;
struct aw_word_tree {
    const struct aw_word_phrase *phrases; /* borrows */
    uint32_t                     phrase_count;
    struct aw_word_edge         *edges;
    uint64_t                     edge_mask; /* their number, a power of two, less one */
    uint64_t                    *filter;    /* a bit of each key in the table: most looks end here, in the processor's cache */
    uint64_t                     filter_mask;
    uint32_t                    *open_lengths; /* by node: bits, the lengths of last words that may go on */
    uint32_t                     node_count;
    uint32_t                     open_starts[1024]; /* the same for the root, by the first two bytes of the word */
    uint64_t                     seed;
};

/* A phrase that was found: the folded bytes [begin, end) without the blanks around it, whole words. `to`: behind the last byte that
 * the pattern names. */
struct aw_word_found {
    uint32_t number, begin, end, to;
};
/* False ends the search. */
typedef bool aw_word_tree_tell(void *context, const struct aw_word_found *found);

/* Whether the tree can hold it; bounds are above. */
AW_MUST_USE bool aw_word_tree_takes(const struct aw_word_phrase *phrase);
/* Of phrases that it takes, no two alike, sorted by pattern, which must stay. False without memory. */
AW_MUST_USE bool aw_word_tree_init(struct aw_word_tree *tree, struct aw_arena *arena, const struct aw_word_phrase *phrases,
                                   uint32_t count);
/* Tells of every place of every phrase, in order of `to`; of equal ones the longest first. `bytes` are folded: a blank in front,
 * one behind each word, never two; AW_WORD_TREE_SLACK more can be read. */
void aw_word_tree_find(const struct aw_word_tree *tree, const char *bytes, uint32_t len, aw_word_tree_tell *tell, void *context);

#endif
