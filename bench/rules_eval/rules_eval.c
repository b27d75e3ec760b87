/* rules_eval - how well the rules tell urgency, and how fast.
 *
 *     rules_eval [--rules DIR] [--misses] [--all] [--seconds N] FILE     recall and precision, then messages a second on one core
 *     rules_eval [--rules DIR] --try [--lang TAG] TEXT                    what the rules say about one text
 *     rules_eval [--rules DIR] --dump FILE                                the same for each line of a file, tab-separated
 * With --replies: the rules for replies.
 *
 * FILE: one JSON object a line with `text` (or `text_repaired`), `lang`, `class`, `gentle`, `bait`, `part`: `first` (its misses
 * were looked at while rules were written), `second` (they were not, but the same hand wrote it before the rules), `fresh`
 * (written after the rules, in other words; see adr/0009-rules.md for its first run) or `held-out` (no rule is mended with it).
 * For replies `kinds` (empty: nothing is wrong with it), `channel` and `visibility`: recall and false alarms by kind and language.
 * Recall: of the messages of a class, how many got it. Precision: of those that got it, how many are.
 */
#include "base/hash.h"
#include "model/limits.h"
#include "port/clock.h"
#include "rules/outgoing.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LANGUAGES_MAX 16U
#define LINE_BYTES    (256U * 1024)

enum aim { AIM_CARE, AIM_IMMINENT, AIM_GENTLE, AIMS };
static const char *const aim_names[AIMS] = {"care", "imminent", "gentle"};

struct one {
    const char *id, *text, *lang, *channel;
    uint32_t    kinds; /* bits: that a check should find */
    bool        is_public;
    unsigned    part; /* in part_names */
    bool        is_bait, gentle;
    uint8_t     class_;
};

struct score {
    uint32_t hit, missed, false_, messages, baits, baits_taken;
};

struct options {
    const char *rules, *file, *text, *lang;
    bool        misses, all, dump, replies;
    const char *channel;
    bool        is_public;
    unsigned    seconds;
};

#define PARTS 4U
static const char *const part_names[PARTS] = {"first", "second", "held-out", "fresh"};

#define KINDS_MAX 32U
static char       *kinds[KINDS_MAX]; /* in the order in which they are met */
static unsigned    kind_count;
static struct one *ones;
static uint32_t    one_count;

static char *
copy_of(const json_t *object, const char *field, const char *fallback)
{
    const char *text = json_string_value(json_object_get(object, field));
    char       *copy = strdup(text == NULL ? fallback : text);

    AW_ASSERT(copy != NULL);
    return copy;
}

static unsigned
part_of(const char *word)
{
    unsigned part = 0;

    while (word != NULL && part < PARTS - 1 && strcmp(part_names[part], word) != 0)
        part++;
    return part;
}

static unsigned
kind_of(struct aw_slice name)
{
    unsigned kind = 0;

    while (kind < kind_count && !aw_slice_eq(aw_slice_str(kinds[kind]), name))
        kind++;
    if (kind == kind_count) {
        AW_ASSERT(kind_count < KINDS_MAX);
        kinds[kind_count] = strndup(name.ptr, name.len);
        AW_ASSERT(kinds[kind_count] != NULL);
        kind_count++;
    }
    return kind;
}

static uint32_t
read_kinds(const json_t *object)
{
    const json_t *list = json_object_get(object, "kinds");
    uint32_t      bits = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (name != NULL)
            bits |= 1U << kind_of(aw_slice_str(name));
    }
    return bits;
}

static void
read_one(const char *line, unsigned number)
{
    json_error_t  error;
    json_t       *object = json_loads(line, 0, &error);
    struct one   *one;
    enum aw_class class_ = AW_CLASS_GENERAL;
    const char   *class_word, *visibility;

    if (object == NULL) {
        (void)fprintf(stderr, "rules_eval: line %u: %s\n", number, error.text);
        exit(2);
    }
    if ((one_count & (one_count - 1)) == 0) {
        struct one *grown = realloc(ones, (one_count == 0 ? 1 : 2 * (size_t)one_count) * sizeof(ones[0]));

        AW_ASSERT(grown != NULL);
        ones = grown;
    }
    one = &ones[one_count++];
    class_word = json_string_value(json_object_get(object, "class"));
    if (class_word != NULL && !aw_class_parse(aw_slice_str(class_word), &class_)) {
        (void)fprintf(stderr, "rules_eval: line %u: no class '%s'\n", number, class_word);
        exit(2);
    }
    one->class_ = (uint8_t)class_;
    one->id = copy_of(object, json_object_get(object, "id") != NULL ? "id" : "source_id", "");
    one->text = copy_of(object, json_object_get(object, "text_repaired") != NULL ? "text_repaired" : "text", "");
    one->lang = copy_of(object, "lang", "");
    one->channel = copy_of(object, "channel", "");
    one->kinds = read_kinds(object);
    visibility = json_string_value(json_object_get(object, "visibility"));
    one->is_public = visibility != NULL && strcmp(visibility, "public") == 0;
    one->gentle = json_is_true(json_object_get(object, "gentle"));
    one->is_bait = json_is_true(json_object_get(object, "bait"));
    one->part = part_of(json_string_value(json_object_get(object, "part")));
    json_decref(object);
}

static void
read_file(const char *path)
{
    static char line[LINE_BYTES];
    FILE       *file = fopen(path, "re");
    unsigned    number = 0;

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof(line), file) != NULL)
        read_one(line, ++number);
    (void)fclose(file); /* was only read */
}

/* --- scores ----------------------------------------------------------------------------------------------------------------- */

static void
print_finding(const struct aw_rules_result *result, const struct one *one)
{
    (void)printf("%s\t%s\t%s", one->id, result->class_ == AW_CLASS_NONE ? "none" : aw_class_name(result->class_),
                 result->gentle ? "gentle" : "-");
    for (uint32_t i = 0; i < result->finding_count; i++)
        (void)printf("\t%.*s \"%.*s\"", AW_SLICE_ARGS(result->findings[i].rule), AW_SLICE_ARGS(result->findings[i].words));
    for (uint32_t i = 0; i < result->mention_count; i++)
        (void)printf("\t%.*s=%.*s", AW_SLICE_ARGS(result->mentions[i].kind), (int)result->mentions[i].value_len,
                     result->mentions[i].value);
    (void)printf("\t| %s\n", one->text);
}

static bool
has_aim(enum aim aim, uint8_t class_, bool gentle)
{
    return aim == AIM_GENTLE ? gentle : class_ == (aim == AIM_CARE ? AW_CLASS_CARE : AW_CLASS_IMMINENT);
}

/* Whether one of the aims came out wrong. */
static bool
count_one(struct score scores[AIMS], const struct one *one, const struct aw_rules_result *result)
{
    bool wrong = false;

    for (unsigned aim = 0; aim < AIMS; aim++) {
        bool is = has_aim((enum aim)aim, one->class_, one->gentle);
        bool got = has_aim((enum aim)aim, (uint8_t)result->class_, result->gentle);

        scores[aim].messages += is;
        scores[aim].hit += is && got;
        scores[aim].missed += is && !got;
        scores[aim].false_ += !is && got;
        scores[aim].baits += one->is_bait;
        scores[aim].baits_taken += one->is_bait && got;
        wrong |= is != got;
    }
    return wrong;
}

static void
print_scores(const char *lang, const char *part, const struct score scores[AIMS])
{
    for (unsigned aim = 0; aim < AIMS; aim++) {
        const struct score *s = &scores[aim];

        if (s->messages + s->false_ == 0)
            continue;
        (void)printf("%-5s %-8s %-9s %4u messages  recall %5.3f (%u missed)  precision %5.3f (%u false, %u of %u baits)\n", lang,
                     part, aim_names[aim], s->messages, s->messages == 0 ? 1. : (double)s->hit / s->messages, s->missed,
                     s->hit + s->false_ == 0 ? 1. : (double)s->hit / (s->hit + s->false_), s->false_, s->baits_taken, s->baits);
    }
}

static void
evaluate(const struct aw_rules *rules, struct aw_rules_scratch *scratch, const struct options *options)
{
    struct score           scores[LANGUAGES_MAX + 1][PARTS][AIMS] = {0};
    const char            *langs[LANGUAGES_MAX + 1] = {"all"};
    unsigned               lang_count = 1;
    struct aw_rules_result result;

    for (uint32_t i = 0; i < one_count; i++) {
        const struct one *one = &ones[i];
        unsigned          lang = 1;
        bool              wrong;

        while (lang < lang_count && strcmp(langs[lang], one->lang) != 0)
            lang++;
        if (lang == lang_count && lang_count <= LANGUAGES_MAX)
            langs[lang_count++] = one->lang;
        AW_ASSERT(lang < lang_count);
        aw_rules_scan(rules, scratch, aw_slice_str(one->text), aw_slice_str(one->lang), &result);
        wrong = count_one(scores[lang][one->part], one, &result);
        (void)count_one(scores[0][one->part], one, &result); /* the same answer */
        if (wrong && options->misses && (one->part == 0 || options->all))
            print_finding(&result, one);
    }
    for (unsigned lang = 0; lang < lang_count; lang++) {
        for (unsigned part = 0; part < PARTS; part++)
            print_scores(langs[lang], part_names[part], scores[lang][part]);
    }
}

/* --- replies ---------------------------------------------------------------------------------------------------------------- */

#define ANY KINDS_MAX /* of all kinds: a text counts once */
struct alarms {
    uint32_t texts, clean, clean_false;
    uint32_t is[KINDS_MAX + 1], found[KINDS_MAX + 1], false_[KINDS_MAX + 1];
};

static void
check_one(const struct aw_rules *rules, struct aw_rules_scratch *scratch, const struct one *one,
          struct aw_outgoing_result *ret_result)
{
    aw_outgoing_check(rules, scratch,
                      &(struct aw_outgoing_reply){.text = aw_slice_str(one->text),
                                                  .visibility = one->is_public ? AW_VISIBILITY_PUBLIC : AW_VISIBILITY_PRIVATE,
                                                  .channel = aw_slice_str(one->channel)},
                      ret_result);
}

static void
print_spans(const struct aw_outgoing_result *result, const struct one *one)
{
    (void)printf("%s\t%s\t%s", one->id, one->is_public ? "public" : "private", one->channel);
    for (unsigned kind = 0; kind < kind_count; kind++) {
        if ((one->kinds >> kind & 1) != 0)
            (void)printf("\tshould: %s", kinds[kind]);
    }
    for (uint32_t i = 0; i < result->count; i++) {
        const struct aw_outgoing_span *span = &result->spans[i];

        (void)printf("\t%.*s %.*s \"%.*s\"", AW_SLICE_ARGS(span->kind), AW_SLICE_ARGS(span->rule), (int)(span->end - span->begin),
                     one->text + span->begin);
    }
    (void)printf("%s\t| %s\n", result->cut ? "\tcut" : "", one->text);
}

static void
count_alarms(struct alarms *alarms, uint32_t is, uint32_t found)
{
    alarms->texts++;
    alarms->clean += is == 0;
    alarms->clean_false += is == 0 && found != 0;
    alarms->is[ANY] += is != 0;
    alarms->found[ANY] += is != 0 && found != 0;
    alarms->false_[ANY] += (found & ~is) != 0;
    for (unsigned kind = 0; kind < KINDS_MAX; kind++) {
        alarms->is[kind] += is >> kind & 1;
        alarms->found[kind] += (is & found) >> kind & 1;
        alarms->false_[kind] += (found & ~is) >> kind & 1;
    }
}

static void
print_alarms(const char *lang, const struct alarms *alarms)
{
    (void)printf("%-4s all      %4u of %4u caught, recall %5.3f; %u of %u clean ones stopped, %5.3f\n", lang, alarms->found[ANY],
                 alarms->is[ANY], alarms->is[ANY] == 0 ? 1. : (double)alarms->found[ANY] / alarms->is[ANY], alarms->clean_false,
                 alarms->clean, alarms->clean == 0 ? 0. : (double)alarms->clean_false / alarms->clean);
    for (unsigned kind = 0; kind < kind_count; kind++) {
        if (alarms->is[kind] + alarms->false_[kind] > 0)
            (void)printf("%-4s %-8s %4u of %4u caught, recall %5.3f; %u false\n", lang, kinds[kind], alarms->found[kind],
                         alarms->is[kind], alarms->is[kind] == 0 ? 1. : (double)alarms->found[kind] / alarms->is[kind],
                         alarms->false_[kind]);
    }
}

static void
evaluate_replies(const struct aw_rules *rules, struct aw_rules_scratch *scratch, const struct options *options)
{
    static struct alarms      alarms[LANGUAGES_MAX + 1];
    const char               *langs[LANGUAGES_MAX + 1] = {"all"};
    unsigned                  lang_count = 1;
    struct aw_outgoing_result result;

    for (uint32_t i = 0; i < one_count; i++) {
        const struct one *one = &ones[i];
        uint32_t          found = 0;
        unsigned          lang = 1;

        while (lang < lang_count && strcmp(langs[lang], one->lang) != 0)
            lang++;
        if (lang == lang_count && lang_count <= LANGUAGES_MAX)
            langs[lang_count++] = one->lang;
        AW_ASSERT(lang < lang_count);
        check_one(rules, scratch, one, &result);
        for (uint32_t k = 0; k < result.count; k++)
            found |= 1U << kind_of(result.spans[k].kind);
        count_alarms(&alarms[lang], one->kinds, found);
        count_alarms(&alarms[0], one->kinds, found);
        if (found != one->kinds && options->misses)
            print_spans(&result, one);
    }
    for (unsigned lang = 0; lang < lang_count; lang++)
        print_alarms(langs[lang], &alarms[lang]);
}

/* --- speed ------------------------------------------------------------------------------------------------------------------ */

/* Of this thread: others share the machine. */
static uint64_t
processor_ns(void)
{
    struct timespec time;

    AW_ASSERT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void
measure(const struct aw_rules *rules, struct aw_rules_scratch *scratch, const struct options *options)
{
    struct aw_outgoing_result spans;
    struct aw_rules_result    result;
    uint64_t                  bytes = 0;
    double                    best = 0;

    for (uint32_t i = 0; i < one_count; i++)
        bytes += strlen(ones[i].text);
    for (unsigned round = 0; round < options->seconds; round++) {
        uint64_t began = processor_ns();
        uint64_t took = 0;
        uint64_t done = 0;

        while (took < 1000000000) {
            for (uint32_t i = 0; i < one_count && options->replies; i++)
                check_one(rules, scratch, &ones[i], &spans);
            for (uint32_t i = 0; i < one_count && !options->replies; i++)
                aw_rules_scan(rules, scratch, aw_slice_str(ones[i].text), aw_slice_str(ones[i].lang), &result);
            done += one_count;
            took = processor_ns() - began;
        }
        best = (double)done * 1e9 / (double)took > best ? (double)done * 1e9 / (double)took : best;
    }
    if (options->seconds > 0)
        (void)printf("speed %.0f texts/s a core (best of %u s), %.0f bytes a text, %.1f MB/s\n", best, options->seconds,
                     (double)bytes / one_count, best * (double)bytes / one_count / 1e6);
}

/* --- main ------------------------------------------------------------------------------------------------------------------- */

static void
usage(void)
{
    (void)fprintf(stderr, "usage: rules_eval [--rules DIR] [--misses] [--all] [--seconds N] FILE\n"
                          "       rules_eval [--rules DIR] --try [--lang TAG] TEXT\n"
                          "       rules_eval [--rules DIR] --dump FILE\n"
                          "       rules_eval [--rules DIR] --replies [--misses] [--seconds N] FILE\n"
                          "       rules_eval [--rules DIR] --replies --try [--public] [--channel NAME] TEXT\n");
    exit(2);
}

static void
read_options(struct options *options, int argc, char **argv)
{
    bool     try_text = false;
    uint64_t number;

    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;

        if (strcmp(argv[i], "--misses") == 0)
            options->misses = true;
        else if (strcmp(argv[i], "--all") == 0)
            options->all = true;
        else if (strcmp(argv[i], "--dump") == 0)
            options->dump = true;
        else if (strcmp(argv[i], "--try") == 0)
            try_text = true;
        else if (strcmp(argv[i], "--replies") == 0)
            options->replies = true;
        else if (strcmp(argv[i], "--public") == 0)
            options->is_public = true;
        else if (strcmp(argv[i], "--channel") == 0 && has_value)
            options->channel = argv[++i];
        else if (strcmp(argv[i], "--rules") == 0 && has_value)
            options->rules = argv[++i];
        else if (strcmp(argv[i], "--lang") == 0 && has_value)
            options->lang = argv[++i];
        else if (strcmp(argv[i], "--seconds") == 0 && has_value && aw_slice_to_u64(aw_slice_str(argv[i + 1]), 3600, &number))
            options->seconds = (unsigned)number, i++;
        else if (argv[i][0] == '-' || options->file != NULL)
            usage();
        else
            options->file = argv[i];
    }
    if (options->file == NULL)
        usage();
    if (try_text)
        options->text = options->file;
}

static void
say(const struct aw_rules *rules, struct aw_rules_scratch *scratch, const struct options *options, const struct one *one)
{
    struct aw_outgoing_result spans;
    struct aw_rules_result    result;

    if (options->replies) {
        check_one(rules, scratch, one, &spans);
        print_spans(&spans, one);
        return;
    }
    aw_rules_scan(rules, scratch, aw_slice_str(one->text), aw_slice_str(one->lang), &result);
    print_finding(&result, one);
}

static void
run(const struct aw_rules *rules, struct aw_rules_scratch *scratch, const struct options *options)
{
    if (options->text != NULL) {
        say(rules, scratch, options,
            &(struct one){.id = "-",
                          .text = options->text,
                          .lang = options->lang,
                          .channel = options->channel,
                          .is_public = options->is_public});
        return;
    }
    if (options->dump) {
        for (uint32_t i = 0; i < one_count; i++)
            say(rules, scratch, options, &ones[i]);
        return;
    }
    if (options->replies)
        evaluate_replies(rules, scratch, options);
    else
        evaluate(rules, scratch, options);
    measure(rules, scratch, options);
}

int
main(int argc, char **argv)
{
    struct options           options = {.rules = "", .lang = "", .channel = "", .seconds = 3};
    struct aw_why            why = {.text = ""};
    struct aw_rules         *rules = NULL;
    struct aw_rules_scratch *scratch;
    struct aw_rules_counts   counts;
    aw_ns                    began = aw_clock_mono();

    read_options(&options, argc, argv);
    AW_ASSERT(aw_hash_init());
    if (aw_rules_load(&rules, options.replies ? AW_RULES_REPLIES : AW_RULES_MESSAGES, options.rules, &why) != AW_OK) {
        (void)fprintf(stderr, "rules_eval: %s\n", why.text);
        return 1;
    }
    counts = aw_rules_counts(rules);
    (void)fprintf(stderr, "rules %08x: %u files, %u rules, %u phrases, %u examples, made in %.0f ms\n", aw_rules_version(rules),
                  counts.files, counts.rules, counts.phrases, counts.examples, (double)(aw_clock_mono() - began) / 1e6);
    scratch = aw_rules_scratch_new(rules);
    AW_ASSERT(scratch != NULL);
    if (options.text == NULL)
        read_file(options.file);
    run(rules, scratch, &options);
    aw_rules_scratch_free(&scratch);
    aw_rules_free(&rules);
    return 0;
}
