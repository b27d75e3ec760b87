/* rules_word_tree_test.c - the tree of words finds what a matcher that knows nothing of words finds.
 *
 * All phrases of the built-in rules, compiled once more by the library as plain strings, are looked for in made-up texts of phrases
 * cut, joined and lengthened, and in the texts of the evaluation sets; both must tell the same places in the same order.
 * Bounds and order are shown by hand.
 */
#include "base/hash.h"
#include "rules/set.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

#define FOUND_MAX 65536U
#define TEXT_MAX  65536U
#define TEXTS     4000

struct finds {
    struct aw_word_found all[FOUND_MAX];
    uint32_t             count, count_max;
};

static bool
note(void *context, const struct aw_word_found *found)
{
    struct finds *finds = context;

    assert_true(finds->count < FOUND_MAX);
    finds->all[finds->count++] = *found;
    return finds->count != finds->count_max;
}

/* --- the other matcher ------------------------------------------------------------------------------------------------------ */

struct other {
    const struct aw_word_tree *tree;
    hs_database_t             *database;
    hs_scratch_t              *scratch;
    const char                *text;
    struct finds               finds;
};

static int
on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    struct other                *other = context;
    const struct aw_word_phrase *phrase = &other->tree->phrases[id];
    struct aw_word_found        *found = &other->finds.all[other->finds.count++];

    (void)from, (void)flags;
    assert_true(other->finds.count < FOUND_MAX);
    *found = (struct aw_word_found){.number = phrase->number, .to = (uint32_t)to};
    found->begin = found->to - (uint32_t)phrase->pattern.len + 1;
    found->end = phrase->open ? found->to : found->to - 1;
    while (other->text[found->end] != ' ')
        found->end++;
    return 0;
}

static int
compare(const void *left, const void *right)
{
    const struct aw_word_found *a = left, *b = right;

    return a->to != b->to ? (a->to > b->to) - (a->to < b->to) : (a->begin > b->begin) - (a->begin < b->begin);
}

static void
open_other(struct other *other, const struct aw_word_tree *tree)
{
    const char        **patterns = calloc(tree->phrase_count, sizeof(patterns[0]));
    size_t             *lens = calloc(tree->phrase_count, sizeof(lens[0]));
    unsigned           *flags = calloc(tree->phrase_count, sizeof(flags[0]));
    unsigned           *ids = calloc(tree->phrase_count, sizeof(ids[0]));
    hs_compile_error_t *failed = NULL;

    AW_ASSERT(patterns != NULL && lens != NULL && flags != NULL && ids != NULL);
    for (unsigned i = 0; i < tree->phrase_count; i++) {
        patterns[i] = tree->phrases[i].pattern.ptr;
        lens[i] = tree->phrases[i].pattern.len;
        ids[i] = i;
    }
    *other = (struct other){.tree = tree};
    assert_int_equal(
        hs_compile_lit_multi(patterns, flags, ids, lens, tree->phrase_count, HS_MODE_BLOCK, NULL, &other->database, &failed),
        HS_SUCCESS);
    assert_int_equal(hs_alloc_scratch(other->database, &other->scratch), HS_SUCCESS);
    free(patterns);
    free(lens);
    free(flags);
    free(ids);
}

static void
close_other(struct other *other)
{
    assert_int_equal(hs_free_scratch(other->scratch), HS_SUCCESS);
    assert_int_equal(hs_free_database(other->database), HS_SUCCESS);
}

/* Returns how many phrases both found. */
static uint32_t
compare_on(struct other *other, const char *text, uint32_t len)
{
    static struct finds finds;

    finds.count = finds.count_max = 0;
    other->finds.count = 0;
    other->text = text;
    assert_int_equal(hs_scan(other->database, text, len, 0, other->scratch, on_match, other), HS_SUCCESS);
    qsort(other->finds.all, other->finds.count, sizeof(other->finds.all[0]), compare);
    aw_word_tree_find(other->tree, text, len, note, &finds);
    if (finds.count != other->finds.count || memcmp(finds.all, other->finds.all, finds.count * sizeof(finds.all[0])) != 0)
        fail_msg("%u places and not %u in \"%.*s\"", finds.count, other->finds.count, (int)len, text);
    return finds.count;
}

/* --- texts ------------------------------------------------------------------------------------------------------------------ */

/* Folded: blanks are never doubled. */
static void
put_byte(char *text, uint32_t *len, char byte)
{
    if (byte != ' ' || text[*len - 1] != ' ')
        text[(*len)++] = byte;
}

/* A phrase, often without its first or last bytes, at times with more. */
static void
put_phrase(const struct aw_word_tree *tree, uint64_t *random, char *text, uint32_t *len)
{
    struct aw_slice pattern = tree->phrases[test_random(random) % tree->phrase_count].pattern;
    size_t          from = test_random(random) % 4 == 0 ? test_random(random) % pattern.len : 0;
    size_t          to = test_random(random) % 4 == 0 ? test_random(random) % pattern.len : pattern.len;

    for (size_t i = from; i < to; i++)
        put_byte(text, len, pattern.ptr[i]);
    if (test_random(random) % 4 == 0)
        put_byte(text, len, "aes ,.\xC3\xA4"[test_random(random) % 8]);
    if (test_random(random) % 2 == 0)
        put_byte(text, len, ' ');
}

static void
test_made_up_texts(void **state)
{
    static struct other    other;
    const struct aw_rules *rules = *state;
    uint64_t               random = 90210;
    uint64_t               found = 0;

    open_other(&other, &rules->words);
    for (unsigned i = 0; i < TEXTS; i++) {
        uint32_t phrases = 1 + (uint32_t)test_random(&random) % 12;
        uint32_t len = 1;
        char    *text = malloc(phrases * 300 + 2 + AW_WORD_TREE_SLACK);

        assert_non_null(text);
        text[0] = ' ';
        for (uint32_t k = 0; k < phrases; k++)
            put_phrase(&rules->words, &random, text, &len);
        put_byte(text, &len, ' ');
        memset(text + len, ' ', AW_WORD_TREE_SLACK); /* must not be taken for words */
        found += compare_on(&other, text, len);
        free(text);
    }
    assert_true(found > TEXTS);
    close_other(&other);
}

static void
test_real_texts(void **state)
{
    static const char *const files[] = {"urgency", "needs", "held-out", "held-out-2", "messages"};
    static char              line[TEXT_MAX], bytes[AW_FOLD_ROOM(TEXT_MAX) + AW_WORD_TREE_SLACK];
    static uint32_t          from[AW_FOLD_ROOM(TEXT_MAX)];
    static struct other      other;
    const struct aw_rules   *rules = *state;
    struct aw_fold           fold = {.bytes = bytes, .from = from};
    uint64_t                 found = 0;

    open_other(&other, &rules->words);
    for (size_t i = 0; i < AW_ARRAY_LEN(files); i++) {
        char  path[512];
        FILE *file;

        (void)snprintf(path, sizeof(path), AW_SOURCE_DIR "/tests/data/%s.ndjson", files[i]);
        file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof(line), file) != NULL) {
            aw_fold_text(&fold, aw_slice_str(line));
            found += compare_on(&other, fold.bytes, fold.len);
        }
        assert_int_equal(fclose(file), 0);
    }
    assert_true(found > 10000);
    close_other(&other);
}

/* --- by hand ---------------------------------------------------------------------------------------------------------------- */

#define PHRASE(text, number, open)                                                                                               \
    {                                                                                                                            \
        {text, sizeof(text) - 1}, number, open                                                                                   \
    }

struct grove {
    struct aw_blocks   *blocks;
    struct aw_arena     arena;
    struct aw_word_tree tree;
    struct finds        finds;
};

static void
plant(struct grove *grove, const struct aw_word_phrase *phrases, uint32_t count)
{
    grove->blocks = aw_blocks_new(1U << 16, 1U << 20);
    assert_non_null(grove->blocks);
    aw_arena_init(&grove->arena, grove->blocks);
    assert_true(aw_word_tree_init(&grove->tree, &grove->arena, phrases, count));
}

static void
fell(struct grove *grove)
{
    aw_arena_reset(&grove->arena);
    aw_blocks_free(&grove->blocks);
}

/* Looks in a copy that ends where the slack does. */
static uint32_t
look(struct grove *grove, const char *text, uint32_t count_max)
{
    size_t len = strlen(text);
    char  *copy = malloc(len + AW_WORD_TREE_SLACK);

    assert_non_null(copy);
    memset(copy, 'x', len + AW_WORD_TREE_SLACK);
    memcpy(copy, text, len);
    grove->finds.count = 0;
    grove->finds.count_max = count_max;
    aw_word_tree_find(&grove->tree, copy, (uint32_t)len, note, &grove->finds);
    free(copy);
    return grove->finds.count;
}

static void
test_order(void **state)
{
    static struct grove                grove;
    static const struct aw_word_phrase phrases[] = {
        PHRASE(" attack ", 1, false),   PHRASE(" heart attack ", 2, false), PHRASE(" att", 3, true),
        PHRASE(" heart atta", 4, true), PHRASE(" heart at", 5, true),
    };
    static const uint32_t in_order[] = {5, 3, 4, 2, 1};

    (void)state;
    plant(&grove, phrases, AW_ARRAY_LEN(phrases));
    assert_int_equal(look(&grove, " ", 0), 0);
    assert_int_equal(look(&grove, " heart ", 0), 0);
    assert_int_equal(look(&grove, " heart a ", 0), 0);
    assert_int_equal(look(&grove, " a heart attack . ", 0), 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(grove.finds.all[i].number, in_order[i]);
        assert_int_equal(grove.finds.all[i].end, 15);
        assert_int_equal(grove.finds.all[i].begin, in_order[i] % 2 == 1 && in_order[i] < 5 ? 9 : 3);
    }
    assert_int_equal(look(&grove, " a heart attack . ", 2), 2); /* who is told may end it */
    fell(&grove);
}

/* Words whose first eight and last bytes are the same are not. */
static void
test_long_words(void **state)
{
    static struct grove                grove;
    static const struct aw_word_phrase phrases[] = {
        PHRASE(" flugzeugtriebwerkausfall ", 1, false),
        PHRASE(" flugzeugfahrwerkausfall ", 2, false),
        PHRASE(" flugzeugtriebwerkausfal", 3, true),
    };

    (void)state;
    plant(&grove, phrases, AW_ARRAY_LEN(phrases));
    assert_int_equal(look(&grove, " flugzeugfahrwerkausfall ", 0), 1);
    assert_int_equal(grove.finds.all[0].number, 2);
    assert_int_equal(look(&grove, " flugzeugtriebwerkausfall ", 0), 2);
    assert_int_equal(look(&grove, " flugzeugtriebwerkausfaelle ", 0), 0);
    assert_int_equal(look(&grove, " flugzeugtreibwerkausfall ", 0), 0);
    fell(&grove);
}

/* Nor are those of which one has a byte more and, eight bytes from its end, "n" for "o": a letter was doubled. */
static void
test_doubled_letter(void **state)
{
    static struct grove                grove;
    static const struct aw_word_phrase phrases[] = {
        PHRASE(" allergionnscious", 1, true),
        PHRASE(" allergionnscious ", 2, false),
        PHRASE(" allergionscious", 3, true),
        PHRASE(" allergionscious ", 4, false),
    };

    (void)state;
    plant(&grove, phrases, AW_ARRAY_LEN(phrases));
    assert_int_equal(look(&grove, " allergionnscious ", 0), 2);
    assert_int_equal(grove.finds.all[0].number, 1);
    assert_int_equal(grove.finds.all[1].number, 2);
    assert_int_equal(look(&grove, " allergionscious ", 0), 2);
    assert_int_equal(grove.finds.all[0].number, 3);
    assert_int_equal(grove.finds.all[1].number, 4);
    fell(&grove);
}

static void
fill_words(char *pattern, unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        memcpy(pattern + 2 * (size_t)i, " a", 2);
    memcpy(pattern + 2 * (size_t)words, " ", 2);
}

static void
test_bounds(void **state)
{
    static const char     letters[] = " abcdefghijklmnopqrstuvwxyzabcdefgh";
    char                  deep[2 * AW_WORD_TREE_DEPTH_MAX + 4], text[512];
    static struct grove   grove;
    struct aw_word_phrase phrase = {.open = true};

    (void)state;
    for (uint32_t len = 1; len < sizeof(letters) - 1; len++) {
        phrase.pattern = aw_slice_of(letters, len + 1);
        assert_int_equal(aw_word_tree_takes(&phrase), len >= AW_WORD_TREE_OPEN_MIN && len <= AW_WORD_TREE_OPEN_MAX);
        if (!aw_word_tree_takes(&phrase))
            continue;
        plant(&grove, &phrase, 1);
        (void)snprintf(text, sizeof(text), " %.*s %.*s %sx ", (int)len, letters + 1, (int)len - 1, letters + 1, letters + 1);
        assert_int_equal(look(&grove, text, 0), 2);
        fell(&grove);
    }
    fill_words(deep, AW_WORD_TREE_DEPTH_MAX + 1);
    phrase = (struct aw_word_phrase){.pattern = aw_slice_str(deep)};
    assert_false(aw_word_tree_takes(&phrase));
    fill_words(deep, AW_WORD_TREE_DEPTH_MAX);
    phrase.pattern = aw_slice_str(deep);
    assert_true(aw_word_tree_takes(&phrase));
    plant(&grove, &phrase, 1);
    fill_words(text, 100);
    assert_int_equal(look(&grove, text, 0), 100 - AW_WORD_TREE_DEPTH_MAX + 1);
    fell(&grove);
}

/* What the tree does not take goes to the library; of all that end in one place, the longest is told. */
static void
test_with_the_library(void **state)
{
    struct aw_rules_file     file = {.name = "x.rules"};
    struct aw_rules         *rules = NULL;
    struct aw_rules_scratch *scratch;
    struct aw_rules_result   result;
    struct aw_why            why = {.text = ""};

    (void)state;
    file.bytes = AW_SLICE("language en\n"
                          "rule a care medical\nsay q* | abcdefghijklmnopqrstuvwxyzabcdefgh* | *bomb | a ..2 bomb\n"
                          "+ quick\n+ an Abcdefghijklmnopqrstuvwxyzabcdefghij\n- abcdefghijklmnopqrstuvwxyzabcdefg\n"
                          "rule b care medical\nsay bomb | has a bomb\n+ it has a bomb\n- it has a bombast\n");
    if (aw_rules_make(&rules, AW_RULES_MESSAGES, &file, 1, &why) != AW_OK)
        fail_msg("%s", why.text);
    scratch = aw_rules_scratch_new(rules);
    assert_non_null(scratch);
    aw_rules_scan(rules, scratch, AW_SLICE("he has a bomb"), AW_SLICE("en"), &result);
    assert_int_equal(result.finding_count, 2);
    assert_slice(result.findings[0].words, "has a bomb");
    assert_slice(result.findings[1].words, "a bomb");
    aw_rules_scratch_free(&scratch);
    aw_rules_free(&rules);
}

/* --- the built-in sets ------------------------------------------------------------------------------------------------------ */

static int
load_side(void **state, enum aw_rules_side side)
{
    struct aw_rules *rules = NULL;
    struct aw_why    why = {.text = ""};

    if (aw_rules_load(&rules, side, "", &why) != AW_OK) {
        (void)fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    *state = rules;
    return 0;
}

static int
load_messages(void **state)
{
    return load_side(state, AW_RULES_MESSAGES);
}

static int
load_replies(void **state)
{
    return load_side(state, AW_RULES_REPLIES);
}

static int
free_side(void **state)
{
    struct aw_rules *rules = *state;

    aw_rules_free(&rules);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest by_hand[] = {
        cmocka_unit_test(test_order),  cmocka_unit_test(test_long_words),       cmocka_unit_test(test_doubled_letter),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_with_the_library),
    };
    const struct CMUnitTest on_texts[] = {
        cmocka_unit_test(test_made_up_texts),
        cmocka_unit_test(test_real_texts),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(by_hand, NULL, NULL) + cmocka_run_group_tests(on_texts, load_messages, free_side) +
           cmocka_run_group_tests(on_texts, load_replies, free_side);
}
