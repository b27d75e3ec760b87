/* word_tree.c - a tree of words in one hash table. */
#include "rules/word_tree.h"

#include "base/assert.h"

#include <string.h>

#define NONE      UINT32_MAX
#define ROOT      0U
#define SEEDS_MAX 8U
#define GOLDEN    UINT64_C(0x9E3779B97F4A7C15) /* 2^64 by the golden ratio, odd */

AW_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a word's first byte is the lowest of a number");
AW_STATIC_ASSERT(AW_WORD_TREE_OPEN_MAX < 32, "a bit for each length");

/* From a node, by a word or by the beginning of one, to the node behind it, to the phrase that ends there, or to both. */
struct aw_word_edge {
    uint64_t key;    /* 0: free */
    uint32_t node;   /* ROOT: no phrase goes on */
    uint32_t phrase; /* NONE: none ends here */
};

/* --- keys ------------------------------------------------------------------------------------------------------------------- */

__extension__ typedef unsigned __int128 product_type;

/* The product folded into one word: each bit of it depends on all bits of both. */
static inline uint64_t
mix(uint64_t a, uint64_t b)
{
    product_type product = (product_type)(a ^ GOLDEN) * (b ^ UINT64_C(0xC2B2AE3D27D4EB4F));

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
load(const char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* Of `len` bytes, at least one; eight can be read. Most words are told by their first eight and their last. Length and seed go
 * through a factor that reaches all bits: were they added, "o" in 31 bytes would be "n" in 32, by any seed. */
static inline uint64_t
key_of_word(const struct aw_word_tree *tree, const char *bytes, uint32_t len)
{
    uint64_t key;

    if (len < 8)
        return mix(load(bytes) & (UINT64_MAX >> (64 - 8 * len)), len + tree->seed);
    key = mix(load(bytes), load(bytes + len - 8) ^ (len + tree->seed) * GOLDEN);
    for (uint32_t at = 8; at + 8 < len; at += 8)
        key = mix(key, load(bytes + at));
    return key;
}

/* The same word behind another node, or one that may go on, is another edge. */
static inline uint64_t
key_of_edge(uint64_t word, uint32_t node, bool open)
{
    uint64_t key = node == ROOT && !open ? word : mix(word, 2 * (uint64_t)node + open);

    return key == 0 ? 1 : key;
}

static inline uint32_t
start_of(const char *bytes)
{
    return ((uint32_t)bytes[0] & 31) << 5 | ((uint32_t)bytes[1] & 31);
}

/* Up to the next blank. */
static inline uint32_t
len_of_word(const char *bytes)
{
    for (uint32_t len = 0;; len += 8) {
        uint64_t other = load(bytes + len) ^ UINT64_C(0x2020202020202020); /* a blank becomes 0 */
        uint64_t blanks = (other - UINT64_C(0x0101010101010101)) & ~other & UINT64_C(0x8080808080808080);

        if (blanks != 0)
            return len + (uint32_t)__builtin_ctzll(blanks) / 8; /* the lowest is right, others may not be */
    }
}

/* --- making ----------------------------------------------------------------------------------------------------------------- */

/* Its words with one blank between. */
static struct aw_slice
words_of(const struct aw_word_phrase *phrase)
{
    return aw_slice_of(phrase->pattern.ptr + 1, phrase->pattern.len - (phrase->open ? 1 : 2));
}

bool
aw_word_tree_takes(const struct aw_word_phrase *phrase)
{
    struct aw_slice words = words_of(phrase);
    struct aw_slice word = words;
    unsigned        count = 0;

    for (; words.len > 0; count++)
        word = aw_slice_cut(&words, ' ');
    return count <= AW_WORD_TREE_DEPTH_MAX &&
           (!phrase->open || (word.len >= AW_WORD_TREE_OPEN_MIN && word.len <= AW_WORD_TREE_OPEN_MAX));
}

static inline bool
may_have(const struct aw_word_tree *tree, uint64_t key)
{
    uint64_t bit = key & tree->filter_mask;

    return (tree->filter[bit / 64] >> bit % 64 & 1) != 0;
}

/* Where the edge is, or a free place for it. The low bits of a key are the filter's. */
static inline struct aw_word_edge *
find_place(const struct aw_word_tree *tree, uint64_t key)
{
    uint64_t at = key >> 32 & tree->edge_mask;

    while (tree->edges[at].key != key && tree->edges[at].key != 0)
        at = (at + 1) & tree->edge_mask;
    return &tree->edges[at];
}

/* NULL: there is none. */
static inline const struct aw_word_edge *
find_edge(const struct aw_word_tree *tree, uint64_t word, uint32_t node, bool open)
{
    uint64_t                   key = key_of_edge(word, node, open);
    const struct aw_word_edge *edge = may_have(tree, key) ? find_place(tree, key) : NULL;

    return edge == NULL || edge->key == 0 ? NULL : edge;
}

static struct aw_word_edge *
make_edge(struct aw_word_tree *tree, struct aw_slice word, uint32_t node, bool open)
{
    char                 bytes[AW_WORD_TREE_SLACK] = {0};
    const char          *at = word.ptr;
    uint64_t             key;
    struct aw_word_edge *edge;

    if (word.len < sizeof(bytes)) { /* a pattern has no slack */
        memcpy(bytes, word.ptr, word.len);
        at = bytes;
    }
    key = key_of_edge(key_of_word(tree, at, (uint32_t)word.len), node, open);
    edge = find_place(tree, key);
    if (edge->key == 0)
        *edge = (struct aw_word_edge){.key = key, .node = ROOT, .phrase = NONE};
    tree->filter[(key & tree->filter_mask) / 64] |= UINT64_C(1) << key % 64;
    if (open && node == ROOT)
        tree->open_starts[start_of(word.ptr)] |= 1U << word.len;
    else if (open)
        tree->open_lengths[node] |= 1U << word.len;
    return edge;
}

/* False when its last edge is another phrase's: two keys are equal. In between that does no harm, as what is found is compared. */
static bool
add_phrase(struct aw_word_tree *tree, uint32_t number)
{
    const struct aw_word_phrase *phrase = &tree->phrases[number];
    struct aw_slice              words = words_of(phrase);
    uint32_t                     node = ROOT;

    AW_ASSERT(words.len > 0 && aw_word_tree_takes(phrase));
    for (;;) {
        struct aw_slice      word = aw_slice_cut(&words, ' ');
        struct aw_word_edge *edge = make_edge(tree, word, node, phrase->open && words.len == 0);

        if (words.len == 0) {
            bool is_free = edge->phrase == NONE;

            edge->phrase = number;
            return is_free;
        }
        if (edge->node == ROOT)
            edge->node = tree->node_count++;
        node = edge->node;
    }
}

static bool
add_phrases(struct aw_word_tree *tree, uint32_t words)
{
    memset(tree->edges, 0, (tree->edge_mask + 1) * sizeof(tree->edges[0]));
    memset(tree->filter, 0, (tree->filter_mask + 1) / 8);
    memset(tree->open_lengths, 0, ((size_t)words + 1) * sizeof(tree->open_lengths[0]));
    memset(tree->open_starts, 0, sizeof(tree->open_starts));
    tree->node_count = ROOT + 1;
    for (uint32_t i = 0; i < tree->phrase_count; i++) {
        if (!add_phrase(tree, i))
            return false;
    }
    return true;
}

static uint32_t
count_words(const struct aw_word_phrase *phrases, uint32_t count)
{
    uint32_t words = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct aw_slice rest = words_of(&phrases[i]);

        for (; rest.len > 0; words++)
            (void)aw_slice_cut(&rest, ' '); /* counted only */
    }
    return words;
}

bool
aw_word_tree_init(struct aw_word_tree *tree, struct aw_arena *arena, const struct aw_word_phrase *phrases, uint32_t count)
{
    uint32_t words = count_words(phrases, count); /* edges at most, and nodes */
    uint64_t room = 64;

    while (room < 2 * (uint64_t)words)
        room *= 2;
    *tree = (struct aw_word_tree){.phrases = phrases, .phrase_count = count, .edge_mask = room - 1, .filter_mask = 8 * room - 1};
    tree->edges = aw_arena_take(arena, room * sizeof(tree->edges[0]));
    tree->filter = aw_arena_take(arena, room);
    tree->open_lengths = aw_arena_take(arena, ((size_t)words + 1) * sizeof(tree->open_lengths[0]));
    if (tree->edges == NULL || tree->filter == NULL || tree->open_lengths == NULL)
        return false;
    while (!add_phrases(tree, words)) {
        tree->seed++;
        AW_ASSERT(tree->seed < SEEDS_MAX); /* no two phrases are alike, and keys have 64 bits */
    }
    return true;
}

/* --- finding ---------------------------------------------------------------------------------------------------------------- */

/* A phrase that may have begun. */
struct path {
    uint32_t node, begin;
};
struct walk {
    const struct aw_word_tree *tree;
    const char                *bytes;
    aw_word_tree_tell         *tell;
    void                      *context;
    uint32_t                   count;
    struct path                paths[AW_WORD_TREE_DEPTH_MAX]; /* longest first */
};

static bool
tell_of(const struct walk *walk, uint32_t phrase, uint32_t begin, uint32_t end)
{
    const struct aw_word_phrase *found = &walk->tree->phrases[phrase];
    uint32_t                     to = begin - 1 + (uint32_t)found->pattern.len;

    if (to > end + 1 || memcmp(walk->bytes + begin - 1, found->pattern.ptr, found->pattern.len) != 0)
        return true; /* other words with equal keys */
    return walk->tell(walk->context, &(struct aw_word_found){.number = found->number, .begin = begin, .end = end, .to = to});
}

static inline uint32_t
open_lengths(const struct walk *walk, uint32_t node, uint32_t begin)
{
    return node == ROOT ? walk->tree->open_starts[start_of(walk->bytes + begin)] : walk->tree->open_lengths[node];
}

/* Phrases whose last word goes on: shorter beginnings first, as they end first. */
static bool
find_open(const struct walk *walk, uint32_t begin, uint32_t end)
{
    uint32_t lengths = 0;

    for (uint32_t i = 0; i < walk->count; i++)
        lengths |= open_lengths(walk, walk->paths[i].node, begin);
    if (end - begin < AW_WORD_TREE_OPEN_MAX)
        lengths &= (UINT32_C(2) << (end - begin)) - 1;
    for (; lengths != 0; lengths &= lengths - 1) {
        uint32_t len = (uint32_t)__builtin_ctz(lengths);
        uint64_t word = key_of_word(walk->tree, walk->bytes + begin, len);

        for (uint32_t i = 0; i < walk->count; i++) {
            const struct path         *path = &walk->paths[i];
            const struct aw_word_edge *edge = find_edge(walk->tree, word, path->node, true);

            if (edge != NULL && edge->phrase != NONE && !tell_of(walk, edge->phrase, path->begin, end))
                return false;
        }
    }
    return true;
}

/* One word further. */
static bool
find_whole(struct walk *walk, uint32_t begin, uint32_t end)
{
    uint64_t word = key_of_word(walk->tree, walk->bytes + begin, end - begin);
    uint32_t kept = 0;

    for (uint32_t i = 0; i < walk->count; i++) {
        struct path                path = walk->paths[i];
        const struct aw_word_edge *edge = find_edge(walk->tree, word, path.node, false);

        if (edge == NULL)
            continue;
        if (edge->phrase != NONE && !tell_of(walk, edge->phrase, path.begin, end))
            return false;
        if (edge->node != ROOT)
            walk->paths[kept++] = (struct path){.node = edge->node, .begin = path.begin};
    }
    /* No phrase has more words than there is room for, but words with equal keys may lead in a circle. */
    walk->count = kept < AW_WORD_TREE_DEPTH_MAX ? kept : AW_WORD_TREE_DEPTH_MAX - 1;
    return true;
}

void
aw_word_tree_find(const struct aw_word_tree *tree, const char *bytes, uint32_t len, aw_word_tree_tell *tell, void *context)
{
    struct walk walk = {.tree = tree, .bytes = bytes, .tell = tell, .context = context};
    uint32_t    end;

    /* Without the last blank a word would go on into what is behind the slack; an empty word has no key. */
    AW_ASSERT(len > 0);
    AW_ASSERT(bytes[0] == ' ');
    AW_ASSERT(bytes[len - 1] == ' ');
    for (uint32_t begin = 1; begin < len; begin = end + 1) {
        end = begin + len_of_word(bytes + begin);
        AW_AUDIT(end > begin);
        walk.paths[walk.count++] = (struct path){.node = ROOT, .begin = begin};
        if (!find_open(&walk, begin, end) || !find_whole(&walk, begin, end))
            return;
    }
}
