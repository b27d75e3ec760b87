/* rules_test.c - rules as the server has them: what folding keeps equal, what a file must look like, what a text gives.
 *
 * That each built-in rule finds its example and not its counter-example is proved whenever a set is made; here a wrong example must
 * be refused, with its file and line. Threads: scans go on in several threads while sets come and go (for the thread sanitizer).
 */
#include "base/hash.h"
#include "base/mem.h"
#include "rules/set.h"
#include "support/test.h"

#include "model/limits.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* --- folding ---------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *text, *folded;
} folds[] = {
    {"", " "},
    {"Heart Attack", " heart attack "},
    {"H\xC3\xA9"
     "art-attack!! #SoScared",
     " heart attack . so scared "},
    {"He\xCC\x81"
     "art",
     " heart "}, /* e and a combining accent */
    {"stra\xC3\x9F"
     "e \xC3\x9C"
     "ber",
     " strasse uber "},
    {"don't don\xE2\x80\x99t I'm l'avion qu'elle", " dont dont im l avion qu elle "},
    {"hellllp nooooo", " help no "},
    {"at 10:45, 10.45 or 1,234 p.m.", " at 10:45 , 10.45 or 1234 pm . "},
    {"see https://t.co/Heart?x=1 and www.x.org @united_air ok", " see and ok "},
    {"a &amp; b &lt;3 can&#39;t", " a b 3 cant "},
    {"no\xE2\x80\x8B"
     "pe \xF0\x9F\x98\x82!",
     " nope \xF0\x9F\x98\x82 . "},
    {"one\ntwo\n\nthree \xE2\x80\x94 four", " one two . three , four "},
    {"\xFF\xFE!\x80 x", " x "},
    {"...!!! what", " what "},
    {"\xEF\xBC\xA8\xEF\xBC\xA5\xEF\xBC\xB9", " hey "}, /* full width */
    {"\xD0\x9F\xD0\x9E\xD0\x9C", " \xD0\xBF\xD0\xBE\xD0\xBC "},
    {"ask \xEF\xBC\xA0"
     "bob heart attack",
     " ask heart attack "}, /* full width: a name ends where it does behind @ */
    {"\xEF\xBC\xA0", " "},
};

static void
test_fold(void **state)
{
    char           bytes[AW_FOLD_ROOM(256)];
    uint32_t       from[AW_FOLD_ROOM(256)];
    struct aw_fold fold = {.bytes = bytes, .from = from};

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(folds); i++) {
        struct aw_slice text = aw_slice_str(folds[i].text);

        aw_fold_text(&fold, text);
        assert_string_equal(fold.bytes, folds[i].folded);
        for (uint32_t k = 1; k < fold.len; k++)
            assert_true(fold.from[k] >= fold.from[k - 1]);
    }
}

static void
test_fold_origin(void **state)
{
    char            bytes[AW_FOLD_ROOM(64)];
    uint32_t        from[AW_FOLD_ROOM(64)];
    struct aw_fold  fold = {.bytes = bytes, .from = from};
    struct aw_slice text = AW_SLICE("Oh: C\xC5\x93ur, d\xC3\xA9"
                                    "j\xC3\xA0 vu");
    const char     *at;

    (void)state;
    aw_fold_text(&fold, text);
    at = strstr(bytes, "deja");
    assert_non_null(at);
    text = aw_fold_origin(&fold, text, (uint32_t)(at - bytes), (uint32_t)(at - bytes) + 4);
    assert_true(aw_slice_eq(text, AW_SLICE("d\xC3\xA9"
                                           "j\xC3\xA0")));
}

/* --- files ------------------------------------------------------------------------------------------------------------------ */

#define HEAD "language en\n"
#define RULE HEAD "rule a care medical\nsay ill\n+ I am ill\n- I am well\n"

static enum aw_err
make(struct aw_rules **rules, const char *text, struct aw_why *why)
{
    struct aw_rules_file file = {.name = "x.rules", .bytes = aw_slice_str(text)};

    return aw_rules_make(rules, AW_RULES_MESSAGES, &file, 1, why);
}

/* Each is wrong in one thing, and the words must name file, line and that. */
static const struct {
    const char *text, *words;
} wrong[] = {
    {"", "no rules"},
    {HEAD, "no rules"},
    {"rule a care medical\n", "line 1: the first line"},
    {"language EN\n", "line 1: a language is"},
    {HEAD HEAD, "line 2: a file has one language"},
    {HEAD "nonsense\n", "line 2: a line begins with"},
    {HEAD "say ill\n", "line 2: this line belongs below"},
    {HEAD "+ ill\n", "line 2: an example belongs below"},
    {HEAD "rule a urgent medical\n", "line 2: a rule is written"},
    {HEAD "rule A care medical\n", "line 2: a name is made of"},
    {HEAD "rule a care two words\n", "line 2: a rule is written"},
    {RULE "rule a care medical\n", "line 6: there is a rule en.care.a already"},
    {HEAD "rule a care medical\nsay ill\n- well\n", "line 2: rule en.care.a has no example"},
    {HEAD "rule a care medical\nsay ill\n+ ill\n", "line 2: rule en.care.a has no counter-example"},
    {HEAD "rule a care medical\n+ ill\n- well\n", "line 2: rule en.care.a has no `say`"},
    {HEAD "rule a care medical\nsay ill\n+ I am well\n- well\n", "line 4: rule en.care.a does not find this example"},
    {HEAD "rule a care medical\nsay ill\n+ ill\n- I am ill\n", "line 5: rule en.care.a finds this example"},
    {HEAD "rule a care medical\nsay (ill\n", "line 3: a bracket is not closed"},
    {HEAD "rule a care medical\nsay ill)\n", "line 3: a bracket is closed"},
    {HEAD "rule a care medical\nsay $none\n", "line 3: there is no set 'none'"},
    {HEAD "rule a care medical\nsay ill\nwith near 3 $none\n", "line 4: there is no set 'none'"},
    {HEAD "rule a care medical\nsay ill\nwith beside 3 x\n", "line 4: a condition begins with"},
    {HEAD "rule a care medical\nsay ~ill\n", "line 3: `~` is for whole words"},
    {HEAD "rule a care medical\nsay ..3 ill\n", "line 3: a gap stands between"},
    {HEAD "rule a care medical\nsay !!!\n", "line 3: nothing of '!!!' is left"},
    {HEAD "rule a care medical\nsay a | \n", "line 3: an empty phrase"},
    {HEAD "rule a care medical\nregex a(\n+ a\n- b\n", "line 3: ' (?:a() '"},
    {HEAD "rule a care medical\nregex a+\n+ a\n- b\n", "has no longest match"},
    {HEAD "rule a care medical\nskip 1\n", "line 3: `skip N` belongs"},
    {HEAD "rule a care medical\nsay a => B\n", "line 3: `=> VALUE`"},
    {HEAD "rule a care medical\nsay *ill\n", "line 3: `*` in front is for words"},
    {HEAD "rule a care medical\nsay a *pain\n", "line 3: only the first word"},
    {HEAD "rule a care medical\nsay *pain ..2 here\n", "nor a `*` in front"},
    {HEAD "rule a care medical\nweigh 0 text x\n", "line 3: `weigh` takes a number"},
    {HEAD "rule a care medical\nweigh 21 text x\n", "line 3: `weigh` takes a number"},
    {HEAD "rule a care medical\nweigh - text x\n", "line 3: `weigh` takes a number"},
    {HEAD "rule a care medical\nweigh 1 around x\n", "line 3: `around` takes a number of words"},
    {HEAD "weigh 1 text x\n", "line 2: `weigh` belongs below"},
    {HEAD "guard care\nweigh 1 text x\n", "line 3: `weigh` belongs below"},
    {HEAD "rule a care medical\nsum 0\n", "line 3: `sum N` stands once"},
    {HEAD "rule a care medical\nsum 3\nsum 3\n", "line 4: `sum N` stands once"},
    {HEAD "rule a care medical\nsay ill\nweigh 1 text x\n+ ill\n- x\n", "line 2: rule en.care.a has weights and no `sum`"},
    {HEAD "rule a care medical\nsay ill\nsum 1\n+ ill\n- x\n", "line 2: rule en.care.a has a `sum` and no weights"},
    {HEAD "guard nobody\n", "line 2: a rule is written `rule NAME CLASS KIND`; 'nobody' is no class"},
    {HEAD "set x\n", "line 2: a set is written"},
    {HEAD "rule a care medical\nsay \\\n  a \\\n | (b\n", "line 3: a bracket is not closed"},
    {HEAD "say \xFF\n", "line 2: this line is no UTF-8"},
    {HEAD
     "rule a care medical\nsay (a|b|c|d|e|f|g|h|i|j)(a|b|c|d|e|f|g|h|i|j)(a|b|c|d|e|f|g|h|i|j)(a|b|c|d|e|f|g|h|i|j)(a|b|c)\n",
     "spells out more than"},
};

static void
test_wrong_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(wrong); i++) {
        struct aw_rules *rules = NULL;
        struct aw_why    why = {.text = ""};

        if (make(&rules, wrong[i].text, &why) != AW_E_CONFIG || strstr(why.text, wrong[i].words) == NULL || rules != NULL)
            fail_msg("case %zu: \"%s\", not \"%s\"", i, why.text, wrong[i].words);
    }
}

static struct aw_rules *
made(const char *text)
{
    struct aw_rules *rules = NULL;
    struct aw_why    why = {.text = ""};

    if (make(&rules, text, &why) != AW_OK)
        fail_msg("%s", why.text);
    return rules;
}

/* The class that `text` gets, or AW_CLASS_NONE. */
static enum aw_class
class_of(const struct aw_rules *rules, const char *text)
{
    struct aw_rules_scratch *scratch = aw_rules_scratch_new(rules);
    struct aw_rules_result   result;

    assert_non_null(scratch);
    aw_rules_scan(rules, scratch, aw_slice_str(text), AW_SLICE(""), &result);
    aw_rules_scratch_free(&scratch);
    return result.class_;
}

/* The examples in the file are the test: a set whose examples do not come out is refused. */
static void
test_conditions(void **state)
{
    struct aw_rules *rules = made(
        HEAD
        "set who = my (wife|husband)\nset who = my son\n"
        "bait heart attack burger\n"
        "guard care\nunless near 2 lol\n"
        "rule before care a\nsay heart attack*\nwith before 3 $who\nunless after 2 movie | film\nunless text song\n"
        "+ my son has heart attacks\n+ my wife: my husband had a heart attack\n- a heart attack\n"
        "- my son. A heart attack\n- my son, a heart attack\n- my son is having one heart attack\n"
        "- my son heart attack burger\n- my son heart attack movie\n- my son heart attack one lol\n"
        "- a song: my son heart attack\n- my daughter heart attack\n"
        "rule typo care a\nsay ~ambulance\n+ AMBULANCE\n+ ambulence\n+ ambulnace\n+ ambulace\n+ ambullance\n- bambulance\n"
        "- amulence\n"
        "rule gap imminent b\nsay gate ..2 closes\n+ gate closes\n+ gate b 12 closes\n- gate b 12 now closes\n- gate , closes\n"
        "rule inside other c\nsay dia* pump\n+ diabetic pump\n- dia or pump\n"
        "rule caps mention code\nnumbers [a-z]{2}[0-9]{3}\nupper\n+ take KL123 now\n- take kl123 now\n- TAKE KL123\n");

    (void)state;
    assert_int_equal(class_of(rules, "ambulance"), AW_CLASS_CARE);
    assert_int_equal(class_of(rules, "gate closes, diabetic pump"), AW_CLASS_IMMINENT);
    assert_int_equal(class_of(rules, "diabetic pump"), AW_CLASS_OTHER);
    assert_int_equal(class_of(rules, "nothing"), AW_CLASS_NONE);
    aw_rules_free(&rules);
    assert_null(rules);
}

/* Weights add up, each once, those against it too; `around` reaches over a sentence's end; a compound is found by its end. */
static void
test_weights(void **state)
{
    struct aw_rules *rules =
        made(HEAD "rule supply care a\nsay insulin | *tablets | *pump* | gone\n"
                  "weigh 2 near 4 bag | lost\nweigh 2 around 9 tonight\nweigh 3 near 1 insulin\n"
                  "weigh -4 text price\nunless text joke\nsum 4\n"
                  "+ tablets in the bag, tonight\n+ tablets lost in it. Tonight\n+ hearttablets lost tonight\n"
                  "+ my feedingpumps in a bag tonight\n+ insulin lost\n+ Tonight: insulin\n- insulin lost tonight, the price?\n"
                  "- tablets in the lost bag\n- tablets. A bag tonight\n- insulin price tonight\n- insulin\n"
                  "- insulin a b c d e f g h i tonight\n- insulin lost tonight, a joke\n- tabletsoup lost tonight\n"
                  "- tonight gone, far from here: the lost bag\n"
                  "rule far general b\nsay alone\nweigh 1 around 3 child\nsum 1\n+ alone, a. A child\n- alone, a. A b child\n");
    struct aw_rules_scratch *scratch = aw_rules_scratch_new(rules);
    struct aw_rules_result   result;

    (void)state;
    assert_non_null(scratch);
    /* The reason shows the heaviest of what spoke for it, and not what is too far away to be shown. */
    aw_rules_scan(rules, scratch, AW_SLICE("Our Insulin is in the lost bag"), AW_SLICE("en"), &result);
    assert_int_equal(result.finding_count, 1);
    assert_true(aw_slice_eq(result.findings[0].words, AW_SLICE("Insulin is in the lost")));
    aw_rules_scan(rules, scratch, AW_SLICE("the insulin of Bartholomaeus-Constantinopolitanus-Maximilianus, tonight"),
                  AW_SLICE("en"), &result);
    assert_int_equal(result.finding_count, 1);
    assert_true(aw_slice_eq(result.findings[0].words, AW_SLICE("insulin")));
    aw_rules_scratch_free(&scratch);
    aw_rules_free(&rules);
}

static void
test_version(void **state)
{
    struct aw_rules *one = made(RULE), *same = made(RULE), *other = made(RULE "# another\n");

    (void)state;
    assert_int_not_equal(aw_rules_version(one), 0);
    assert_int_equal(aw_rules_version(one), aw_rules_version(same));
    assert_int_not_equal(aw_rules_version(one), aw_rules_version(other));
    aw_rules_free(&one);
    aw_rules_free(&same);
    aw_rules_free(&other);
}

/* A word is another thing in another language: the words around it decide, the hint when there are none. */
static void
test_languages(void **state)
{
    static const char *de = "language de\nwords ich | bin | ist | der\nrule a care a\nsay Gift\n+ das ist Gift\n- das ist gut\n";
    static const char *en = "language en\nwords the | is | a | my\nrule a general a\nsay gift\n+ the gift\n- the loss\n";
    struct aw_rules_file     files[] = {{"de.rules", aw_slice_str(de)}, {"en.rules", aw_slice_str(en)}};
    struct aw_why            why = {.text = ""};
    struct aw_rules         *rules = NULL;
    struct aw_rules_scratch *scratch;
    struct aw_rules_result   result;

    (void)state;
    assert_int_equal(aw_rules_make(&rules, AW_RULES_MESSAGES, files, 2, &why), AW_OK);
    scratch = aw_rules_scratch_new(rules);
    assert_non_null(scratch);
    aw_rules_scan(rules, scratch, AW_SLICE("the gift is a joy, my dear"), AW_SLICE(""), &result);
    assert_int_equal(result.class_, AW_CLASS_GENERAL);
    aw_rules_scan(rules, scratch, AW_SLICE("der hund ist krank, ich sehe gift"), AW_SLICE(""), &result);
    assert_int_equal(result.class_, AW_CLASS_CARE);
    aw_rules_scan(rules, scratch, AW_SLICE("gift"), AW_SLICE("en-GB"), &result);
    assert_int_equal(result.class_, AW_CLASS_GENERAL);
    aw_rules_scan(rules, scratch, AW_SLICE("gift"), AW_SLICE("xx"), &result);
    assert_int_equal(result.class_, AW_CLASS_CARE); /* nothing known: all of them */
    aw_rules_scratch_free(&scratch);
    aw_rules_free(&rules);
}

/* --- the built-in set ------------------------------------------------------------------------------------------------------- */

/* Compiled once for all tests of the group: it takes its time. */
static int
load_builtin(void **state)
{
    struct aw_rules *rules = NULL;
    struct aw_why    why = {.text = ""};

    if (aw_rules_load(&rules, AW_RULES_MESSAGES, "", &why) != AW_OK) {
        (void)fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    *state = rules;
    return 0;
}

static int
free_builtin(void **state)
{
    struct aw_rules *rules = *state;

    aw_rules_free(&rules);
    return 0;
}

/* The folder and the program hold the same files. */
static void
test_builtin_is_the_folder(void **state)
{
    static const char      folder[] = AW_SOURCE_DIR "/server/rules/lexicon";
    const struct aw_rules *inside = *state;
    struct aw_rules       *outside = NULL;
    struct aw_why          why = {.text = ""};

    if (aw_rules_load(&outside, AW_RULES_MESSAGES, folder, &why) != AW_OK)
        fail_msg("%s", why.text);
    assert_int_equal(aw_rules_version(inside), aw_rules_version(outside));
    aw_rules_free(&outside);
    assert_int_equal(aw_rules_load(&outside, AW_RULES_MESSAGES, AW_SOURCE_DIR "/server/rules", &why), AW_E_CONFIG);
    assert_int_equal(aw_rules_load(&outside, AW_RULES_MESSAGES, AW_SOURCE_DIR "/no/such/folder", &why), AW_E_IO);
}

static void
test_findings(void **state)
{
    const struct aw_rules   *rules = *state;
    struct aw_rules_scratch *scratch = aw_rules_scratch_new(rules);
    struct aw_slice          text =
        AW_SLICE("My wife is having a HEART ATTACK at gate B12, KL 1234 from AMS, booking QX7K2P, need help now");
    struct aw_rules_result result;

    assert_non_null(scratch);
    aw_rules_scan(rules, scratch, text, AW_SLICE("en"), &result);
    assert_int_equal(result.class_, AW_CLASS_CARE);
    assert_false(result.cut);
    assert_true(result.finding_count > 0);
    assert_true(aw_slice_eq(result.findings[0].kind, AW_SLICE("medical")));
    assert_true(aw_slice_eq(result.findings[0].rule, AW_SLICE("en.care.attack")));
    assert_true(aw_slice_eq(result.findings[0].words, AW_SLICE("HEART ATTACK")));
    assert_int_equal(result.mention_count, 3);
    for (uint32_t i = 0; i < result.mention_count; i++) {
        struct aw_slice value = aw_slice_of(result.mentions[i].value, result.mentions[i].value_len);

        assert_true(aw_slice_eq(value, AW_SLICE("KL1234")) || aw_slice_eq(value, AW_SLICE("AMS")) ||
                    aw_slice_eq(value, AW_SLICE("QX7K2P")));
    }
    aw_rules_scratch_free(&scratch);
}

static void
fill_with(char *text, size_t len, const char *piece)
{
    size_t piece_len = strlen(piece);

    for (size_t i = 0; i < len; i++)
        text[i] = piece[i % piece_len];
}

/* The longest text, full of phrases: bounded in what is found and in how often two of them are compared, and it says so. */
static void
test_long_text(void **state)
{
    const struct aw_rules   *rules = *state;
    struct aw_rules_scratch *scratch = aw_rules_scratch_new(rules);
    char                    *text = malloc(AW_TEXT_BYTES_MAX);
    struct aw_rules_result   result;

    assert_non_null(scratch);
    assert_non_null(text);
    fill_with(text, AW_TEXT_BYTES_MAX, "not no never left lost help now gate KL1234 ");
    aw_rules_scan(rules, scratch, aw_slice_of(text, AW_TEXT_BYTES_MAX), AW_SLICE("en"), &result);
    assert_true(result.cut);
    /* Fewer than a scratch holds, but each asks about all others. */
    fill_with(text, AW_TEXT_BYTES_MAX / 2, "insulin no ");
    aw_rules_scan(rules, scratch, aw_slice_of(text, AW_TEXT_BYTES_MAX / 2), AW_SLICE("en"), &result);
    assert_true(result.cut);
    assert_int_equal(result.class_, AW_CLASS_CARE);
    fill_with(text, AW_TEXT_BYTES_MAX / 32, "insulin no ");
    aw_rules_scan(rules, scratch, aw_slice_of(text, AW_TEXT_BYTES_MAX / 32), AW_SLICE("en"), &result);
    assert_false(result.cut);
    memset(text, '.', AW_TEXT_BYTES_MAX);
    aw_rules_scan(rules, scratch, aw_slice_of(text, AW_TEXT_BYTES_MAX), AW_SLICE("en"), &result);
    assert_false(result.cut);
    assert_int_equal(result.class_, AW_CLASS_NONE);
    free(text);
    aw_rules_scratch_free(&scratch);
}

/* Writes a piece again and again, as a whole, up to `to`. Returns where it ended. */
static size_t
repeat(char *text, size_t at, size_t to, struct aw_slice piece)
{
    for (; at + piece.len <= to; at += piece.len)
        memcpy(text + at, piece.ptr, piece.len);
    return at;
}

/* Where a text lies in memory, and how long it is, changes nothing: from a text that one library of the kind misread. */
static void
test_every_length(void **state)
{
    static const char head[] =
        "vomi last christmas x ,  no pueden ir mitternacht feel her left arms perdi nuestra vuelo medicotions"
        " geschrupt john f kennedy airport avion equivocad minuten om mijn overstap nursing exam had cancer e"
        "ste otono given way not letting me board avale trop de boite !? rollstuhl costado  medicnia ";
    const struct aw_rules   *rules = *state;
    struct aw_rules_scratch *scratch = aw_rules_scratch_new(rules);
    char                     text[sizeof(head) + 96];
    size_t                   len = sizeof(head) - 1;

    assert_non_null(scratch);
    memcpy(text, head, len);
    len = repeat(text, len, len + 80, AW_SLICE("xy"));
    memcpy(text + len, "looprek KL 1234", 15);
    len += 15;
    for (size_t cut = 0; cut < sizeof(head) - 1; cut++) {
        struct aw_rules_result result;
        uint32_t               flights = 0;

        aw_rules_scan(rules, scratch, aw_slice_of(text + cut, len - cut), AW_SLICE("en"), &result);
        for (uint32_t i = 0; i < result.mention_count; i++)
            flights += aw_slice_eq(aw_slice_of(result.mentions[i].value, result.mentions[i].value_len), AW_SLICE("KL1234"));
        if (flights != 1)
            fail_msg("%u flights without the first %zu bytes", flights, cut);
    }
    aw_rules_scratch_free(&scratch);
}

#define STEPS_MAX (UINT64_C(1) << 23) /* four for each comparison that a text may have */

/* A word has no longest length: who pads his words, or writes them all in one, makes a text no dearer than its phrases do. Counted
 * in steps, as a machine has other things to do. */
static void
test_padded_text(void **state)
{
    static const struct {
        const char *name;   /* stands before the padding */
        size_t      pad;    /* of a word, bytes */
        size_t      padded; /* of the text */
        const char *rest;   /* fills it */
        bool        cut;
    } cases[] = {
        {" insulin", 400, 32000, "im fee lol lost ", true}, {" insulin", 400, 32000, "lost my hours ", true},
        {" insulin ", 600, 30000, "lost ", false},          {" insulin ", 600, 30000, "lost my now hours tonight ", true},
        {" ", 30000, 30001, "insulin my lost ", true},      {" ", 10, 11, "spritze", true},
    };
    static char              word[AW_TEXT_BYTES_MAX];
    const struct aw_rules   *rules = *state;
    struct aw_rules_scratch *scratch = aw_rules_scratch_new(rules);
    char                    *text = malloc(AW_TEXT_BYTES_MAX);
    struct aw_rules_result   result;

    assert_non_null(scratch);
    assert_non_null(text);
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        size_t len = strlen(cases[i].name);

        memcpy(word, cases[i].name, len);
        len = repeat(word, len, len + cases[i].pad, AW_SLICE("xy"));
        len = repeat(text, 0, cases[i].padded, aw_slice_of(word, len));
        text[len++] = ' ';
        len = repeat(text, len, AW_TEXT_BYTES_MAX, aw_slice_str(cases[i].rest));
        aw_rules_scan(rules, scratch, aw_slice_of(text, len), AW_SLICE("en"), &result);
        if (result.cut != cases[i].cut || aw_rules_steps(scratch) > STEPS_MAX)
            fail_msg("case %zu: cut %d, %" PRIu64 " steps", i, result.cut, aw_rules_steps(scratch));
    }
    free(text);
    aw_rules_scratch_free(&scratch);
}

/* --- threads ---------------------------------------------------------------------------------------------------------------- */

#define THREADS 3
#define SCANS   2000

static void *
scan_on(void *arg)
{
    const struct aw_rules   *rules = arg;
    struct aw_rules_scratch *scratch = aw_rules_scratch_new(rules);
    uintptr_t                found = 0;

    AW_ASSERT(scratch != NULL);
    for (unsigned i = 0; i < SCANS; i++) {
        struct aw_rules_result result;

        aw_rules_scan(rules, scratch, i % 2 == 0 ? AW_SLICE("I am ill") : AW_SLICE("I am well"), AW_SLICE("en"), &result);
        found += result.class_ == AW_CLASS_CARE;
    }
    aw_rules_scratch_free(&scratch);
    return (void *)found;
}

static void
test_threads(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        struct aw_rules *rules = made(RULE);
        pthread_t        threads[THREADS];

        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, scan_on, rules), 0);
        for (unsigned i = 0; i < THREADS; i++) {
            void            *found;
            struct aw_rules *other = made(RULE "# meanwhile\n");

            aw_rules_free(&other);
            assert_int_equal(pthread_join(threads[i], &found), 0);
            assert_int_equal((uintptr_t)found, SCANS / 2);
        }
        aw_rules_free(&rules);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold),         cmocka_unit_test(test_fold_origin),
        cmocka_unit_test(test_wrong_files),  cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_weights),      cmocka_unit_test(test_version),
        cmocka_unit_test(test_languages),    cmocka_unit_test(test_builtin_is_the_folder),
        cmocka_unit_test(test_findings),     cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_every_length), cmocka_unit_test(test_padded_text),
        cmocka_unit_test(test_threads),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, load_builtin, free_builtin);
}
