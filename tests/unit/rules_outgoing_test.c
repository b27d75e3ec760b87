/* rules_outgoing_test.c - the same-channel check: what is kept of a text for it, which spans it names, where they count.
 *
 * Small sets of rules show each word of the files that only replies have. The built-in set is asked for the labelled texts, and
 * must do as well as it does; the held-out texts are for rules_eval alone.
 */
#include "base/hash.h"
#include "base/mem.h"
#include "model/limits.h"
#include "rules/fold.h"
#include "rules/outgoing.h"
#include "support/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* --- folding ---------------------------------------------------------------------------------------------------------------- */

/* `origin`: the part of the text that the first word with a mark of its own stands for. */
static const struct {
    const char *text, *folded, *origin;
} folds[] = {
    {"Pay: https://u:p@Pay.AW.example:443/x?a=1#b.", " pay , //pay.aw.example . ", "https://u:p@Pay.AW.example:443/x?a=1#b"},
    {"(www.AW.example/a)", " //www.aw.example , ", "www.AW.example/a"},
    {"http://aw.example@evil.net/", " //evil.net ", "http://aw.example@evil.net/"},
    {"http://evil.net\\@aw.example", " //evil.net ", "http://evil.net\\@aw.example"},
    {"https:// x", " x ", NULL},
    {"Mail Jan_De.Wit+a@Post.Example, please", " mail @post.example , please ", "Jan_De.Wit+a@Post.Example"},
    {"wa.me/3161 or WA.ME", " //wa.me or wa.me ", "wa.me/3161"},
    {"see B\xC3\x9C"
     "cher.example/a, or b\xC3\xBC"
     "cher.example",
     " see //b\xC3\xBC"
     "cher.example , or b\xC3\xBC"
     "cher.example ",
     "B\xC3\x9C"
     "cher.example/a"},
    {"\xD0\x9F\xD0\xBF.\xD0\xA0\xD0\xA4!", " \xD0\xBF\xD0\xBF.\xD1\x80\xD1\x84 . ", NULL},
    {"jan@B\xC3\xBC.example", " @b\xC3\xBC.example ", "jan@B\xC3\xBC.example"},
    {"pass\xC3\xA9.On va", " passe . on va ", NULL},
    {"\xE2\x82\xAC"
     "50.de \xE2\x9C\x88.de",
     " \xE2\x82\xAC"
     "50 . de \xE2\x9C\x88 . de ",
     NULL},
    {"It is late.We wait, e.g. at 10.45 a.m.", " it is late . we wait , eg . at 10.45 am . ", NULL},
    {"KB.XN--P1AI or kb.xn--P1AI/x, Not.Xn 1.mp3", " kb.xn--p1ai or //kb.xn--p1ai , not . xn 1 . mp3 ", "kb.xn--P1AI/x"},
    {"call +31 (0)20-555.01.43", " call +31 , 0 , 20 555.01.43 ", "+31"},
    {"a+b + 3", " a b 3 ", NULL},
    {"@aw_help @ home a@b", " home a ", NULL},
    {"at .. example...com", " at . example . com ", NULL},
    {"\xC2\xAB"
     "https://aw.example\xC2\xA0!",
     " //aw.example . ", "https://aw.example"},
};

static void
test_fold(void **state)
{
    char           bytes[AW_FOLD_ROOM(256)];
    uint32_t       from[AW_FOLD_ROOM(256)];
    struct aw_fold fold = {.bytes = bytes, .from = from, .keeps = true};

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(folds); i++) {
        struct aw_slice text = aw_slice_str(folds[i].text);
        size_t          at;
        size_t          len;

        aw_fold_text(&fold, text);
        assert_string_equal(fold.bytes, folds[i].folded);
        for (uint32_t k = 1; k < fold.len; k++)
            assert_true(fold.from[k] >= fold.from[k - 1]);
        if (folds[i].origin == NULL)
            continue;
        at = strcspn(bytes, "/@+");
        len = strcspn(bytes + at, " ");
        text = aw_fold_origin(&fold, text, (uint32_t)at, (uint32_t)(at + len));
        if (!aw_slice_eq(text, aw_slice_str(folds[i].origin)))
            fail_msg("case %zu: \"%.*s\"", i, AW_SLICE_ARGS(text));
    }
}

/* Nothing that is longer than what is looked at ahead is taken for an address, and all of it stays in its room. */
static void
test_fold_long(void **state)
{
    static const char *const pieces[] = {"a-",
                                         "a.",
                                         "a@",
                                         "a@b.",
                                         "www.",
                                         "https://",
                                         "a.bc/",
                                         "+1",
                                         "x@y.zz",
                                         "\xC3\xA9.@",
                                         "\xC3\x89\xC3\xA9.\xC3\xA9\xC3\xA9 ",
                                         "\xC3.\xC3\xA9",
                                         "\xD0\x9F.\xF0\x9F\x98\x80"};
    char                    *text = malloc(AW_TEXT_BYTES_MAX);
    char                    *bytes = malloc(AW_FOLD_ROOM(AW_TEXT_BYTES_MAX));
    uint32_t                *from = malloc(AW_FOLD_ROOM(AW_TEXT_BYTES_MAX) * sizeof(*from));
    struct aw_fold           fold = {.bytes = bytes, .from = from, .keeps = true};

    (void)state;
    assert_non_null(text);
    assert_non_null(bytes);
    assert_non_null(from);
    for (size_t i = 0; i < AW_ARRAY_LEN(pieces); i++) {
        size_t len = strlen(pieces[i]);

        for (size_t k = 0; k < AW_TEXT_BYTES_MAX; k++)
            text[k] = pieces[i][k % len];
        aw_fold_text(&fold, aw_slice_of(text, AW_TEXT_BYTES_MAX)); /* asserts its room */
        for (uint32_t k = 1; k < fold.len; k++)
            assert_true(fold.from[k] >= fold.from[k - 1]);
    }
    free(text);
    free(bytes);
    free(from);
}

/* --- files ------------------------------------------------------------------------------------------------------------------ */

#define HEAD "language en\n"

static enum aw_err
make(struct aw_rules **rules, const char *text, struct aw_why *why)
{
    struct aw_rules_file file = {.name = "x.rules", .bytes = aw_slice_str(text)};

    return aw_rules_make(rules, AW_RULES_REPLIES, &file, 1, why);
}

static const struct {
    const char *text, *words;
} wrong[] = {
    {HEAD "rule a care medical\n", "line 2: a rule is written `rule NAME CLASS KIND`; 'care' is neither"},
    {HEAD "rule a mention flight\n", "line 2: a rule is written"},
    {HEAD "guard gentle\n", "line 2: a rule is written"},
    {HEAD "words the | a\n", "line 2: replies are read in all languages"},
    {HEAD "hosts https://aw.example\n", "line 2: a host is written"},
    {HEAD "hosts aw.example | \n", "line 2: '' is no host"},
    {HEAD "hosts localhost\n", "line 2: 'localhost' is no host"},
    {HEAD "home mail\n", "line 2: `home CHANNEL CHANNEL` stands once"},
    {HEAD "rule a reveal phone\nhome mail\n", "line 3: `home CHANNEL CHANNEL` stands once"},
    {HEAD "rule a refer phone\nhome mail\nhome web\n", "line 4: `home CHANNEL CHANNEL` stands once"},
    {HEAD "capital\n", "line 2: this line belongs below"},
    {HEAD "set-regex a b\n", "line 2: `set-regex NAME = EXPRESSION`"},
    {HEAD "set-regex a = b(\nrule x refer phone\nsay x\n+ x\n- y\n", "line 2: ' (?:b() '"},
    {HEAD "set-regex a = b\nset-regex a = c\n", "line 3: `set-regex NAME = EXPRESSION`"},
    {HEAD "set-regex a = b\nset a = c\n", "line 3: the set 'a' is in use above"},
    {HEAD "set-regex a = b\nrule x refer phone\nsay call $a\n", "line 4: the set 'a' is an expression"},
};

static void
test_wrong_files(void **state)
{
    struct aw_rules_file file = {.name = "x.rules", .bytes = AW_SLICE(HEAD "rule a refer phone\n")};
    struct aw_why        why = {.text = ""};
    struct aw_rules     *rules = NULL;

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(wrong); i++) {
        if (make(&rules, wrong[i].text, &why) != AW_E_CONFIG || strstr(why.text, wrong[i].words) == NULL || rules != NULL)
            fail_msg("case %zu: \"%s\", not \"%s\"", i, why.text, wrong[i].words);
    }
    assert_int_equal(aw_rules_make(&rules, AW_RULES_MESSAGES, &file, 1, &why), AW_E_CONFIG);
    assert_non_null(strstr(why.text, "'refer' is no class"));
    file.bytes = AW_SLICE(HEAD "hosts aw.example\n");
    assert_int_equal(aw_rules_make(&rules, AW_RULES_MESSAGES, &file, 1, &why), AW_E_CONFIG);
    assert_non_null(strstr(why.text, "`hosts` is for replies"));
    assert_null(rules);
}

/* The examples are the test: what each condition and line is for. */
static void
test_conditions(void **state)
{
    struct aw_rules *rules = NULL;
    struct aw_why    why = {.text = ""};

    (void)state;
    if (make(&rules,
             HEAD
             "hosts aw.example | pay.other.example\n"
             "set-regex date = [0-9]{2} [0-9]{2} 20[0-9]{2}\nset-regex flight = aw[0-9]{2,4}\n"
             "rule link refer link\nregex //[^ ]{1,250}\nregex [a-z]{1,9}\\.(?:net|example)\n"
             "+ https://evil.net/a\n+ evil.net\n+ http://aw.example.evil.net\n+ https://notaw.example\n+ https://other.example\n"
             "+ www.evil.net\n- https://aw.example/a?b=c\n- http://WWW.aw.example\n- aw.example\n- "
             "https://pay.other.example:8443/\n"
             "rule number refer phone\nnumbers 0[1-9](?: ?[0-9]){7,10}\nunless over $date\n"
             "+ 020 555 01 43\n- 05 12 2026 09\n"
             "rule name reveal name\nregex (?:mr|hi)(?: \\.)? [a-z]{2,20}\ncapital\nwith text $flight\n"
             "+ Mr. Bergman, AW512 is late\n+ Hi \xC3\x89lodie, AW512 is late\n- mr bergman, AW512 is late\n- Mr. Bergman is "
             "late\n"
             "- HI BOB, AW512\n",
             &why) != AW_OK)
        fail_msg("%s", why.text);
    aw_rules_free(&rules);
}

/* --- the built-in set ------------------------------------------------------------------------------------------------------- */

struct desk {
    struct aw_rules         *rules;
    struct aw_rules_scratch *scratch;
};

static int
open_desk(void **state)
{
    static struct desk desk;
    struct aw_why      why = {.text = ""};

    if (aw_rules_load(&desk.rules, AW_RULES_REPLIES, "", &why) != AW_OK)
        fail_msg("%s", why.text);
    desk.scratch = aw_rules_scratch_new(desk.rules);
    assert_non_null(desk.scratch);
    *state = &desk;
    return 0;
}

static int
close_desk(void **state)
{
    struct desk *desk = *state;

    aw_rules_scratch_free(&desk->scratch);
    aw_rules_free(&desk->rules);
    return 0;
}

static void
check(const struct desk *desk, const char *text, enum aw_visibility visibility, const char *channel,
      struct aw_outgoing_result *ret_result)
{
    aw_outgoing_check(
        desk->rules, desk->scratch,
        &(struct aw_outgoing_reply){.text = aw_slice_str(text), .visibility = visibility, .channel = aw_slice_str(channel)},
        ret_result);
}

/* The folder and the program hold the same files; a folder without rules for replies leaves the built-in ones. */
static void
test_builtin_is_the_folder(void **state)
{
    static const char *const folders[] = {AW_SOURCE_DIR "/server/rules/lexicon", AW_SOURCE_DIR "/tests/data"};
    struct desk             *desk = *state;
    struct aw_why            why = {.text = ""};

    for (size_t i = 0; i < AW_ARRAY_LEN(folders); i++) {
        struct aw_rules *outside = NULL;

        if (aw_rules_load(&outside, AW_RULES_REPLIES, folders[i], &why) != AW_OK)
            fail_msg("%s", why.text);
        assert_int_equal(aw_rules_version(desk->rules), aw_rules_version(outside));
        aw_rules_free(&outside);
    }
}

static void
assert_span(const char *text, const struct aw_outgoing_span *span, const char *kind, const char *words)
{
    if (!aw_slice_eq(span->kind, aw_slice_str(kind)) ||
        !aw_slice_eq(aw_slice_of(text + span->begin, span->end - span->begin), aw_slice_str(words)))
        fail_msg("%.*s \"%.*s\", not %s \"%s\"", AW_SLICE_ARGS(span->kind), (int)(span->end - span->begin), text + span->begin,
                 kind, words);
}

/* In the order of the text, each once, though several rules saw it. */
static void
test_spans(void **state)
{
    static const char         text[] = "H\xC3\xA9! Please call us on +31 (0)20 555 01 43, or mail Help.Desk@aw.example.";
    const struct desk        *desk = *state;
    struct aw_outgoing_result result;

    check(desk, text, AW_VISIBILITY_PUBLIC, "twitter", &result);
    assert_int_equal(result.count, 3);
    assert_false(result.more);
    assert_false(result.cut);
    assert_span(text, &result.spans[0], "phone", "Please call us");
    assert_true(aw_slice_eq(result.spans[0].rule, AW_SLICE("en.refer.call")));
    assert_span(text, &result.spans[1], "phone", "+31 (0)20 555 01 43");
    assert_span(text, &result.spans[2], "mail", "Help.Desk@aw.example");
    check(desk, "", AW_VISIBILITY_PUBLIC, "twitter", &result);
    assert_int_equal(result.count, 0);
}

/* The customer's own data may be read by the customer, a channel may be named to those who are on it. */
static void
test_where_it_counts(void **state)
{
    static const char         theirs[] = "Mr. Bergman, AW512 with booking QX7K2P: we sent it to jan@post.example";
    static const char         other[] = "Write to https://wa.me/31205550143";
    const struct desk        *desk = *state;
    struct aw_outgoing_result result;

    check(desk, theirs, AW_VISIBILITY_PRIVATE, "whatsapp", &result);
    assert_int_equal(result.count, 0);
    check(desk, theirs, AW_VISIBILITY_PUBLIC, "twitter", &result);
    assert_int_equal(result.count, 3);
    assert_span(theirs, &result.spans[0], "name", "Mr. Bergman");
    assert_span(theirs, &result.spans[1], "booking", "QX7K2P");
    assert_span(theirs, &result.spans[2], "mail", "jan@post.example");
    check(desk, other, AW_VISIBILITY_PRIVATE, "whatsapp", &result);
    assert_int_equal(result.count, 0);
    check(desk, other, AW_VISIBILITY_PRIVATE, "facebook", &result);
    assert_int_equal(result.count, 1);
    assert_span(other, &result.spans[0], "channel", "https://wa.me/31205550143");
    check(desk, other, AW_VISIBILITY_PRIVATE, "", &result); /* nobody said where: nowhere is home */
    assert_int_equal(result.count, 1);
}

/* The longest text, full of phrases: bounded in spans and in comparisons, and it says so. */
static void
test_long_text(void **state)
{
    static const char         many[] = "+31 20 555 01 43. ";
    static const char         dense[] = "please call us the desk ";
    const struct desk        *desk = *state;
    struct aw_outgoing_result result;
    char                     *text = malloc(AW_TEXT_BYTES_MAX + 1);

    assert_non_null(text);
    for (size_t i = 0; i < AW_TEXT_BYTES_MAX; i++)
        text[i] = many[i % (sizeof(many) - 1)];
    text[40 * (sizeof(many) - 1)] = '\0';
    check(desk, text, AW_VISIBILITY_PRIVATE, "twitter", &result);
    assert_int_equal(result.count, AW_OUTGOING_SPANS_MAX);
    assert_true(result.more);
    assert_false(result.cut);
    for (uint32_t i = 0; i < result.count; i++)
        assert_int_equal(result.spans[i].begin, i * (sizeof(many) - 1));
    for (size_t i = 0; i < AW_TEXT_BYTES_MAX; i++)
        text[i] = dense[i % (sizeof(dense) - 1)];
    text[AW_TEXT_BYTES_MAX] = '\0';
    check(desk, text, AW_VISIBILITY_PRIVATE, "twitter", &result);
    assert_int_equal(result.count, AW_OUTGOING_SPANS_MAX);
    assert_true(result.cut);
    free(text);
}

/* --- the labelled texts ----------------------------------------------------------------------------------------------------- */

struct tally {
    uint32_t texts, clean, caught, wrong;
};

static bool
has_kind(const json_t *kinds, struct aw_slice kind)
{
    for (size_t i = 0; i < json_array_size(kinds); i++) {
        if (aw_slice_eq(aw_slice_str(json_string_value(json_array_get(kinds, i))), kind))
            return true;
    }
    return false;
}

/* Caught: every kind that the label names is found. Wrong: a kind that it does not. */
static void
judge(const struct desk *desk, const json_t *one, struct tally *tally)
{
    const json_t             *kinds = json_object_get(one, "kinds");
    const char               *text = json_string_value(json_object_get(one, "text"));
    bool                      is_public = strcmp(json_string_value(json_object_get(one, "visibility")), "public") == 0;
    struct aw_outgoing_result result;
    size_t                    found = 0;

    check(desk, text, is_public ? AW_VISIBILITY_PUBLIC : AW_VISIBILITY_PRIVATE,
          json_string_value(json_object_get(one, "channel")), &result);
    for (size_t i = 0; i < json_array_size(kinds); i++) {
        uint32_t k = 0;

        while (k < result.count && !aw_slice_eq(result.spans[k].kind, aw_slice_str(json_string_value(json_array_get(kinds, i)))))
            k++;
        found += k < result.count;
    }
    tally->texts++;
    tally->clean += json_array_size(kinds) == 0;
    tally->caught += json_array_size(kinds) > 0 && found == json_array_size(kinds);
    for (uint32_t i = 0; i < result.count; i++) {
        if (!has_kind(kinds, result.spans[i].kind)) {
            print_message("%s: %.*s\n", json_string_value(json_object_get(one, "id")), AW_SLICE_ARGS(result.spans[i].rule));
            tally->wrong++;
        }
    }
}

/* As good as it is on the texts that it was made with: a change that costs one of them shows here. */
static void
test_labelled(void **state)
{
    static const char *const langs[] = {"en", "nl", "de", "fr", "es"};
    const struct desk       *desk = *state;
    struct tally             tallies[AW_ARRAY_LEN(langs)] = {{0}};
    FILE                    *file = fopen(AW_SOURCE_DIR "/tests/data/outgoing.ndjson", "re");
    char                     line[4096];

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        json_t *one = json_loads(line, 0, NULL);
        size_t  lang = 0;

        assert_non_null(one);
        while (strcmp(langs[lang], json_string_value(json_object_get(one, "lang"))) != 0) {
            lang++;
            assert_true(lang < AW_ARRAY_LEN(langs));
        }
        judge(desk, one, &tallies[lang]);
        json_decref(one);
    }
    assert_int_equal(fclose(file), 0);
    for (size_t i = 0; i < AW_ARRAY_LEN(langs); i++) {
        assert_true(tallies[i].texts >= 60);
        assert_int_equal(tallies[i].caught, tallies[i].texts - tallies[i].clean);
        assert_int_equal(tallies[i].wrong, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_fold_long),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_builtin_is_the_folder),
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_where_it_counts),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_labelled),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, open_desk, close_desk);
}
