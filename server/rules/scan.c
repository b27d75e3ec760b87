/* scan.c - one text against a set: fold, find all phrases, then ask the rules whose phrases were found; what messages give. */
#include "rules/set.h"

#include "base/mem.h"
#include "model/limits.h"

#include <stdlib.h>

#define HITS_MAX 8192U
/* Comparisons of two phrases, in one text. A condition looks at all phrases, so their cost grows with the square of the number:
 * the whole of a scratch would take half a second, for which an io thread must not stand still because of one long mail. Real
 * messages need less than 600, 16 KiB of them put together a million. All rules of the phrase in work are still asked, so that the
 * built-in ones reach three times as many: 20 ms. */
#define COMPARISONS_MAX (1U << 21)

#define SHOWN_BYTES_MAX 48U /* of a rule that weighs: what a reason has room for */

/* What stands before a place in the text, in one number each: what lies between two places is a difference. */
#define WORD   UINT64_C(1)
#define COMMA  (UINT64_C(1) << 21)
#define DOT    (UINT64_C(1) << 42)
#define WORDS  (COMMA - 1) /* its field */
#define COMMAS (DOT - COMMA)
#define DOTS   (~UINT64_C(0) - DOT + 1)
AW_STATIC_ASSERT(AW_FOLD_ROOM(AW_TEXT_BYTES_MAX) < COMMA, "a text has fewer words than a field counts");

/* A phrase that was found; in folded bytes, without the blanks around it. */
struct hit {
    uint32_t atom, begin, end;
    uint64_t before, behind; /* what the text has up to its begin, and to its end; set by count_between */
};

/* The bytes between two blanks. */
struct word {
    uint32_t begin, end;
};

struct aw_rules_scratch {
    hs_scratch_t               *scratch; /* owns */
    const void                 *made_for;
    struct aw_fold              fold;
    uint32_t                    words[AW_RULES_LANGUAGES_MAX]; /* of each language, found in this text */
    uint32_t                    hit_count;
    uint32_t                    other_count, other_next;
    uint32_t                    met_count;
    uint32_t                    comparisons;
    bool                        cut;
    bool                        is_counted; /* what lies between hits */
    uint64_t                    steps;
    struct word                 word; /* of the last match */
    uint64_t                    sets_seen[(AW_RULES_SETS_MAX + 63) / 64];
    const struct aw_rules_atom *atoms;
    struct hit                  hits[HITS_MAX];
    struct aw_word_found        others[HITS_MAX]; /* what the library found, until it is put among the hits */
    struct aw_rules_met         met[HITS_MAX];
    char                        bytes[AW_FOLD_ROOM(AW_TEXT_BYTES_MAX) + AW_WORD_TREE_SLACK];
    uint32_t                    from[AW_FOLD_ROOM(AW_TEXT_BYTES_MAX)];
    uint64_t                    before[AW_FOLD_ROOM(AW_TEXT_BYTES_MAX)]; /* of each byte, while hits get theirs */
};

struct aw_rules_scratch *
aw_rules_scratch_new(const struct aw_rules *rules)
{
    struct aw_rules_scratch *scratch = aw_new(struct aw_rules_scratch);

    if (scratch == NULL)
        return NULL;
    scratch->made_for = rules;
    scratch->fold.bytes = scratch->bytes;
    scratch->fold.from = scratch->from;
    scratch->fold.keeps = rules->side == AW_RULES_REPLIES;
    scratch->atoms = rules->atoms;
    /* The later calls let the same scratch serve all. */
    if ((rules->database != NULL && hs_alloc_scratch(rules->database, &scratch->scratch) != HS_SUCCESS) ||
        (rules->probe != NULL && hs_alloc_scratch(rules->probe, &scratch->scratch) != HS_SUCCESS) ||
        (rules->numbers != NULL && hs_alloc_scratch(rules->numbers, &scratch->scratch) != HS_SUCCESS))
        aw_rules_scratch_free(&scratch);
    return scratch;
}

void
aw_rules_scratch_free(struct aw_rules_scratch **scratch)
{
    if (*scratch == NULL)
        return;
    (void)hs_free_scratch((*scratch)->scratch); /* fails only in the middle of a scan */
    free(*scratch);
    *scratch = NULL;
}

/* --- what is found ---------------------------------------------------------------------------------------------------------- */

/* Puts one among the hits, which are in order of where a pattern ends. False when there is no room. */
static bool
add_hit(struct aw_rules_scratch *scratch, const struct aw_word_found *found)
{
    const struct aw_rules_atom *atom = &scratch->atoms[found->number];

    for (uint32_t bits = atom->word_languages; bits != 0; bits &= bits - 1)
        scratch->words[__builtin_ctz(bits)]++;
    if (!atom->is_kept)
        return true;
    if (scratch->hit_count == HITS_MAX) {
        scratch->cut = true;
        return false;
    }
    scratch->hits[scratch->hit_count++] = (struct hit){.atom = found->number, .begin = found->begin, .end = found->end};
    return true;
}

/* The order of hits: where the pattern ends, then the longest first. The library has none of its own where several end. */
static bool
goes_before(const struct aw_word_found *a, const struct aw_word_found *b)
{
    if (a->to != b->to)
        return a->to < b->to;
    return a->begin != b->begin ? a->begin < b->begin : a->number < b->number;
}

/* Those of the library that go before `found`; NULL: all. */
static bool
add_others(struct aw_rules_scratch *scratch, const struct aw_word_found *found)
{
    while (scratch->other_next < scratch->other_count) {
        const struct aw_word_found *other = &scratch->others[scratch->other_next];

        if (found != NULL && !goes_before(other, found))
            break;
        if (!add_hit(scratch, other))
            return false;
        scratch->other_next++;
    }
    return true;
}

static bool
on_words(void *context, const struct aw_word_found *found)
{
    struct aw_rules_scratch *scratch = context;

    return add_others(scratch, found) && add_hit(scratch, found);
}

/* The word in which `at` lies. Matches come one behind the other, so that a word is walked once, however many are in it. */
static struct word
word_at(struct aw_rules_scratch *scratch, uint32_t at)
{
    struct word *word = &scratch->word;

    if (at >= word->begin && at < word->end)
        return *word;
    *word = (struct word){.begin = at, .end = at};
    while (scratch->bytes[word->begin - 1] != ' ') /* there is a blank before the first word */
        word->begin--;
    while (scratch->bytes[word->end] != ' ') /* there is one behind the last word */
        word->end++;
    scratch->steps += word->end - word->begin;
    return *word;
}

/* Where the words of a match of the library lie. */
static struct aw_word_found
words_of_match(struct aw_rules_scratch *scratch, unsigned id, uint32_t from, uint32_t to)
{
    const struct aw_rules_atom *atom = &scratch->atoms[id];
    struct aw_word_found        found = {.number = id, .begin = from + 1, .end = to - 1, .to = to};

    if (atom->form >= AW_FORM_REGEX)
        return found;
    /* A pattern begins with a blank unless its first word may be the end of one, and ends with one unless its last may go on. */
    found.begin = atom->form >= AW_FORM_SUFFIX ? word_at(scratch, to - atom->len).begin : to - atom->len + 1;
    if (atom->form == AW_FORM_PREFIX || atom->form == AW_FORM_INFIX)
        found.end = word_at(scratch, to - 1).end;
    return found;
}

static int
on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    struct aw_rules_scratch *scratch = context;
    struct aw_word_found     found = words_of_match(scratch, id, (uint32_t)from, (uint32_t)to);
    uint32_t                 at = scratch->other_count;

    (void)flags;
    if (at == HITS_MAX) {
        scratch->cut = true;
        return 1;
    }
    for (; at > 0 && goes_before(&found, &scratch->others[at - 1]); at--)
        scratch->others[at] = scratch->others[at - 1];
    scratch->others[at] = found;
    scratch->other_count++;
    return 0;
}

static int
on_probe(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    bool *is_there = context;

    (void)id, (void)from, (void)to, (void)flags;
    *is_there = true;
    return 1;
}

/* --- languages -------------------------------------------------------------------------------------------------------------- */

static uint32_t
hinted(const struct aw_rules *rules, struct aw_slice lang)
{
    struct aw_slice primary = aw_slice_cut(&lang, '-');

    for (uint32_t i = 1; i <= rules->counts.languages; i++) {
        if (aw_slice_eq_nocase(rules->languages[i], primary))
            return 1U << i;
    }
    return 0;
}

/* Which languages have a say. Of a message: the one that the gateway names, and those whose words are in the text. A word of one
 * may be another thing in the next (German `Not`, `Gift`), so a language without words of its own has none. A reply goes out when
 * nobody objects, so all may. */
static uint32_t
languages_of(const struct aw_rules *rules, const struct aw_rules_scratch *scratch, struct aw_slice lang)
{
    uint32_t hint = hinted(rules, lang);
    uint32_t active = 1U | hint;
    uint32_t best = 0;

    if (rules->side == AW_RULES_REPLIES)
        return UINT32_MAX;
    for (uint32_t i = 1; i <= rules->counts.languages; i++)
        best = scratch->words[i] > best ? scratch->words[i] : best;
    if (best == 0)
        return hint != 0 ? active : UINT32_MAX;
    for (uint32_t i = 1; i <= rules->counts.languages; i++) {
        if (2 * scratch->words[i] >= best)
            active |= 1U << i;
    }
    return active;
}

/* --- conditions ------------------------------------------------------------------------------------------------------------- */

struct asking {
    const struct aw_rules   *rules;
    struct aw_rules_scratch *scratch;
    uint32_t                 active; /* languages */
};

static bool
is_member(const struct aw_rules *rules, const struct aw_rules_atom *atom, uint32_t set)
{
    for (uint32_t i = atom->member; i < atom->member + atom->member_count; i++) {
        if (rules->memberships[i] == set)
            return true;
    }
    return false;
}

/* Which sets have a phrase in this text: most conditions are settled by that alone. */
static void
mark_sets(const struct aw_rules *rules, struct aw_rules_scratch *scratch)
{
    memset(scratch->sets_seen, 0, (rules->set_count + 63) / 64 * sizeof(scratch->sets_seen[0]));
    for (uint32_t i = 0; i < scratch->hit_count; i++) {
        const struct aw_rules_atom *atom = &rules->atoms[scratch->hits[i].atom];

        for (uint32_t k = atom->member; k < atom->member + atom->member_count; k++)
            scratch->sets_seen[rules->memberships[k] / 64] |= UINT64_C(1) << rules->memberships[k] % 64;
    }
}

/* Tells each hit what stands before it and behind it. Once for a text, and only when it is asked: a word has no longest length, so
 * to walk from one hit to the next for each pair of them would cost what somebody who pads his words likes. */
static void
count_between(struct aw_rules_scratch *scratch)
{
    const char *bytes = scratch->bytes;
    uint64_t    before = 0;

    if (scratch->is_counted)
        return;
    for (uint32_t i = 0; i < scratch->fold.len; i++) {
        scratch->before[i] = before;
        if (bytes[i] == ' ')
            before += (bytes[i + 1] != '.' && bytes[i + 1] != ',') || bytes[i + 2] != ' ' ? WORD
                      : bytes[i + 1] == '.'                                               ? DOT
                                                                                          : COMMA;
    }
    for (uint32_t i = 0; i < scratch->hit_count; i++) {
        struct hit *hit = &scratch->hits[i];

        hit->before = scratch->before[hit->begin - 1];
        hit->behind = scratch->before[hit->end];
    }
    scratch->steps += scratch->fold.len;
    scratch->is_counted = true;
}

/* Whether nothing but at most `words_max` - 1 words lies between the two; one of the marks `ends` is too much. */
static bool
is_close(const struct hit *first, const struct hit *second, uint32_t words_max, uint64_t ends)
{
    uint64_t between = second->before > first->behind ? second->before - first->behind : 0;

    return (between & ends) == 0 && (words_max == 0 || (between & WORDS) < words_max);
}

static bool
is_beside(uint32_t words_max, const struct hit *hit, const struct hit *other, uint64_t ends)
{
    if (other->end <= hit->begin)
        return is_close(other, hit, words_max, ends);
    return other->begin < hit->end || is_close(hit, other, words_max, ends);
}

static bool
is_in_scope(const struct aw_rules_condition *condition, const struct hit *hit, const struct hit *other)
{
    uint32_t words_max = condition->words_max;

    switch ((enum aw_rules_scope)condition->scope) {
    case AW_SCOPE_TEXT:
        return true;
    case AW_SCOPE_BEFORE:
        return other->begin < hit->begin && (other->end > hit->begin || is_close(other, hit, words_max, DOTS | COMMAS));
    case AW_SCOPE_AFTER:
        return other->end > hit->end && (other->begin < hit->end || is_close(hit, other, words_max, DOTS | COMMAS));
    case AW_SCOPE_OVER:
        return other->begin < hit->end && hit->begin < other->end;
    case AW_SCOPE_NEAR:
        return is_beside(words_max, hit, other, DOTS);
    case AW_SCOPE_AROUND:
        return is_beside(words_max, hit, other, 0);
    }
    AW_UNREACHABLE();
}

static bool
is_set_near(const struct asking *asking, uint32_t set, const struct aw_rules_condition *condition, const struct hit *hit)
{
    struct aw_rules_scratch *scratch = asking->scratch;

    if ((scratch->sets_seen[set / 64] >> set % 64 & 1) == 0)
        return false;
    if (condition->scope == AW_SCOPE_TEXT)
        return true;
    count_between(scratch);
    scratch->comparisons += scratch->hit_count;
    for (uint32_t i = 0; i < scratch->hit_count; i++) {
        const struct hit *other = &scratch->hits[i];

        scratch->steps++;
        if (is_member(asking->rules, &asking->rules->atoms[other->atom], set) && is_in_scope(condition, hit, other))
            return true;
    }
    return false;
}

static bool
is_one_of(const struct aw_rules *rules, const struct aw_rules_atom *atom, const struct aw_rules_condition *condition)
{
    for (uint32_t i = 0; i < condition->set_count; i++) {
        if (is_member(rules, atom, rules->set_refs[condition->sets + i]))
            return true;
    }
    return false;
}

static bool
is_found(const struct asking *asking, const struct aw_rules_condition *condition, const struct hit *hit)
{
    for (uint32_t i = 0; i < condition->set_count; i++) {
        if (is_set_near(asking, asking->rules->set_refs[condition->sets + i], condition, hit))
            return true;
    }
    return false;
}

static bool
is_in_text(const struct asking *asking, const struct aw_rules_condition *condition)
{
    for (uint32_t i = 0; i < condition->set_count; i++) {
        uint32_t set = asking->rules->set_refs[condition->sets + i];

        if ((asking->scratch->sets_seen[set / 64] >> set % 64 & 1) != 0)
            return true;
    }
    return false;
}

/* Whether the text has a phrase for each condition that wants one, and weights enough, wherever they are: cheap, and mostly the
 * answer. */
static bool
can_be_met(const struct asking *asking, struct aw_draft_run run, int sum)
{
    int most = 0;

    for (uint32_t i = 0; i < run.count; i++) {
        const struct aw_rules_condition *condition = &asking->rules->conditions[run.first + i];

        if (condition->wanted && condition->weight >= 0 && !is_in_text(asking, condition)) {
            if (condition->weight == 0)
                return false;
            continue;
        }
        most += condition->weight > 0 ? condition->weight : 0;
    }
    return most >= sum;
}

/* Each condition counts once, however often its phrases are there: who repeats himself is in no greater need. */
static bool
are_met(const struct asking *asking, struct aw_draft_run run, const struct hit *hit, int sum)
{
    int reached = 0;

    for (uint32_t i = 0; i < run.count; i++) {
        const struct aw_rules_condition *condition = &asking->rules->conditions[run.first + i];
        bool                             found = is_found(asking, condition, hit);

        if (condition->weight == 0 && found != condition->wanted)
            return false;
        reached += found ? condition->weight : 0;
    }
    return reached >= sum;
}

/* A phrase inside an idiom means something else. */
static bool
is_bait(const struct asking *asking, const struct hit *hit)
{
    struct aw_rules_scratch *scratch = asking->scratch;

    scratch->comparisons += scratch->hit_count;
    for (uint32_t i = 0; i < scratch->hit_count; i++) {
        const struct hit *other = &scratch->hits[i];

        scratch->steps++;
        if (other->begin < hit->end && hit->begin < other->end &&
            (asking->rules->atoms[other->atom].bait_languages & asking->active) != 0)
            return true;
    }
    return false;
}

/* Where what is mentioned begins. */
static uint32_t
skip_words(const char *bytes, uint32_t begin, uint32_t end, uint32_t words)
{
    for (uint32_t i = begin; words > 0 && i < end; i++) {
        if (bytes[i] == ' ' && bytes[i + 1] != ',' && bytes[i + 1] != '.') { /* PNR: QX7K2P */
            begin = i + 1;
            words--;
        }
    }
    return begin;
}

static bool
is_in_capitals(const struct aw_fold *fold, struct aw_slice text, uint32_t begin, uint32_t end)
{
    struct aw_slice words = aw_fold_origin(fold, text, begin, end);

    for (size_t i = 0; i < words.len; i++) {
        if (words.ptr[i] >= 'a' && words.ptr[i] <= 'z')
            return false;
    }
    return fold->has_lower; /* where all is in capitals, they mean nothing */
}

/* Whether the last word does: a name behind a title. */
static bool
begins_with_capital(const struct aw_fold *fold, struct aw_slice text, uint32_t begin, uint32_t end)
{
    struct aw_slice words;

    for (uint32_t i = begin; i < end; i++)
        begin = fold->bytes[i] == ' ' ? i + 1 : begin;
    words = aw_fold_origin(fold, text, begin, end);
    if (words.ptr[0] >= 'A' && words.ptr[0] <= 'Z')
        return fold->has_lower;
    /* U+00C0 to U+00DE */
    return fold->has_lower && words.len > 1 && words.ptr[0] == '\xC3' && (unsigned char)words.ptr[1] < 0x9F;
}

/* The words of a rule that weighs: those that were asked about, with the heaviest of what speaks for them when it is near enough to
 * be shown in one piece. */
static struct hit
widen(const struct asking *asking, const struct aw_rules_rule *rule, const struct hit *hit)
{
    struct aw_rules_scratch *scratch = asking->scratch;
    struct hit               widest = *hit;
    int                      weight = 0;

    count_between(scratch);

    for (uint32_t i = 0; i < rule->conditions.count; i++) {
        const struct aw_rules_condition *condition = &asking->rules->conditions[rule->conditions.first + i];

        for (uint32_t k = 0; condition->weight > weight && condition->set_count > 0 && k < scratch->hit_count; k++) {
            const struct hit *other = &scratch->hits[k];
            struct hit        both = *hit;

            scratch->steps++;
            both.begin = other->begin < hit->begin ? other->begin : hit->begin;
            both.end = other->end > hit->end ? other->end : hit->end;
            if ((other->begin >= hit->begin && other->end <= hit->end) || both.end - both.begin > SHOWN_BYTES_MAX ||
                !is_one_of(asking->rules, &asking->rules->atoms[other->atom], condition) || !is_in_scope(condition, hit, other))
                continue;
            widest = both;
            weight = condition->weight;
        }
    }
    return widest;
}

static bool
is_rule_met(const struct asking *asking, const struct aw_rules_rule *rule, struct aw_slice text, const struct hit *hit)
{
    if ((asking->active >> rule->language & 1) == 0)
        return false;
    if (rule->upper || rule->capital) {
        uint32_t begin = skip_words(asking->scratch->bytes, hit->begin, hit->end, rule->skip);

        if ((rule->upper && !is_in_capitals(&asking->scratch->fold, text, begin, hit->end)) ||
            (rule->capital && !begins_with_capital(&asking->scratch->fold, text, begin, hit->end)))
            return false;
    }
    return can_be_met(asking, rule->conditions, rule->sum) && are_met(asking, rule->conditions, hit, rule->sum) &&
           are_met(asking, asking->rules->guards[rule->language][rule->guard], hit, 0) && !is_bait(asking, hit);
}

/* --- scan ------------------------------------------------------------------------------------------------------------------- */

static void
ask_rules(struct asking *asking, struct aw_slice text)
{
    const struct aw_rules   *rules = asking->rules;
    struct aw_rules_scratch *scratch = asking->scratch;

    for (uint32_t i = 0; i < scratch->hit_count; i++) {
        const struct hit           *hit = &scratch->hits[i];
        const struct aw_rules_atom *atom = &rules->atoms[hit->atom];

        if (scratch->comparisons > COMPARISONS_MAX) {
            scratch->cut = true;
            return;
        }
        for (uint32_t k = atom->say; k < atom->say + atom->say_count; k++) {
            uint32_t   rule = rules->says[k].rule;
            struct hit widest;

            if (!is_rule_met(asking, &rules->rules[rule], text, hit))
                continue;
            scratch->cut |= scratch->met_count == HITS_MAX;
            if (scratch->met_count == HITS_MAX)
                return;
            widest = widen(asking, &rules->rules[rule], hit);
            scratch->met[scratch->met_count++] =
                (struct aw_rules_met){.rule = rule, .say = k, .begin = widest.begin, .end = widest.end};
        }
    }
}

/* Fills `others`. */
static void
ask_library(struct aw_rules_scratch *scratch, const hs_database_t *database)
{
    hs_error_t status;

    scratch->other_count = 0;
    scratch->other_next = 0;
    if (database == NULL)
        return;
    status = hs_scan(database, scratch->bytes, scratch->fold.len, 0, scratch->scratch, on_match, scratch);
    AW_ASSERT(status == HS_SUCCESS || (status == HS_SCAN_TERMINATED && scratch->cut));
}

static bool
is_any_there(struct aw_rules_scratch *scratch, const hs_database_t *probe)
{
    bool       is_there = false;
    hs_error_t status;

    if (probe == NULL)
        return false;
    status = hs_scan(probe, scratch->bytes, scratch->fold.len, 0, scratch->scratch, on_probe, &is_there);
    AW_ASSERT(status == (is_there ? HS_SCAN_TERMINATED : HS_SUCCESS));
    return is_there;
}

static void
find_phrases(const struct aw_rules *rules, struct aw_rules_scratch *scratch)
{
    ask_library(scratch, is_any_there(scratch, rules->probe) ? rules->database : NULL);
    aw_word_tree_find(&rules->words, scratch->bytes, scratch->fold.len, on_words, scratch);
    if (!add_others(scratch, NULL) || !scratch->fold.has_digit)
        return;
    ask_library(scratch, rules->numbers);
    (void)add_others(scratch, NULL); /* what has no room is told by `cut` */
}

struct aw_rules_met_list
aw_rules_find(const struct aw_rules *rules, struct aw_rules_scratch *scratch, struct aw_slice text, struct aw_slice lang)
{
    struct asking asking = {.rules = rules, .scratch = scratch};

    AW_ASSERT(scratch->made_for == rules);
    AW_ASSERT(text.len <= AW_TEXT_BYTES_MAX);
    aw_fold_text(&scratch->fold, text);
    memset(scratch->words, 0, sizeof(scratch->words));
    scratch->hit_count = 0;
    scratch->met_count = 0;
    scratch->comparisons = 0;
    scratch->cut = false;
    scratch->is_counted = false;
    scratch->steps = 0;
    scratch->word = (struct word){0};
    find_phrases(rules, scratch);
    if (scratch->hit_count > 0) {
        asking.active = languages_of(rules, scratch, lang);
        mark_sets(rules, scratch);
        ask_rules(&asking, text);
    }
    return (struct aw_rules_met_list){.list = scratch->met, .count = scratch->met_count, .cut = scratch->cut};
}

struct aw_slice
aw_rules_words(const struct aw_rules *rules, const struct aw_rules_scratch *scratch, struct aw_slice text,
               const struct aw_rules_met *met)
{
    uint32_t begin = skip_words(scratch->bytes, met->begin, met->end, rules->rules[met->rule].skip);

    return aw_fold_origin(&scratch->fold, text, begin, met->end);
}

uint64_t
aw_rules_steps(const struct aw_rules_scratch *scratch)
{
    return scratch->steps;
}

bool
aw_rules_meets(const struct aw_rules *rules, struct aw_rules_scratch *scratch, struct aw_slice text, uint32_t rule)
{
    uint8_t                  language = rules->rules[rule].language;
    struct aw_rules_met_list met = aw_rules_find(rules, scratch, text, language == 0 ? AW_SLICE("") : rules->languages[language]);

    for (uint32_t i = 0; i < met.count; i++) {
        if (met.list[i].rule == rule)
            return true;
    }
    return false;
}

/* --- the result ------------------------------------------------------------------------------------------------------------- */

/* care, gentle, imminent, ...: what a person looks at first. */
static unsigned
weight(enum aw_class class_)
{
    return class_ == AW_CLASS_NONE ? 1 : class_ == AW_CLASS_CARE ? 0 : (unsigned)class_ + 1;
}

/* One finding a rule, at most two a class, most urgent first, then in the order of the text. */
static void
add_finding(struct aw_rules_result *result, const struct aw_rules_finding *finding)
{
    uint32_t at = result->finding_count;
    uint32_t alike = 0;

    for (uint32_t i = 0; i < result->finding_count; i++) {
        if (result->findings[i].rule.ptr == finding->rule.ptr)
            return;
        alike += result->findings[i].class_ == finding->class_;
    }
    if (alike == 2)
        return;
    while (at > 0 && weight(result->findings[at - 1].class_) > weight(finding->class_))
        at--;
    if (at == AW_RULES_FINDINGS_MAX)
        return;
    if (result->finding_count < AW_RULES_FINDINGS_MAX)
        result->finding_count++;
    for (uint32_t i = result->finding_count - 1; i > at; i--)
        result->findings[i] = result->findings[i - 1];
    result->findings[at] = *finding;
}

static void
set_value(struct aw_rules_mention *mention, struct aw_slice value, const char *bytes, uint32_t len)
{
    if (value.len > 0) {
        memcpy(mention->value, value.ptr, value.len);
        mention->value_len = (uint32_t)value.len;
        return;
    }
    mention->value_len = 0;
    for (uint32_t i = 0; i < len && mention->value_len < AW_RULES_VALUE_BYTES; i++) {
        if (bytes[i] != ' ')
            mention->value[mention->value_len++] = (char)(bytes[i] >= 'a' && bytes[i] <= 'z' ? bytes[i] - 'a' + 'A' : bytes[i]);
    }
}

/* Of mentions of one kind that overlap, the longest; of equal values the first. */
static void
add_mention(struct aw_rules_result *result, const struct aw_rules_mention *mention)
{
    for (uint32_t i = 0; i < result->mention_count; i++) {
        struct aw_rules_mention *other = &result->mentions[i];
        bool                     overlaps = mention->words.ptr < other->words.ptr + other->words.len &&
                        other->words.ptr < mention->words.ptr + mention->words.len;

        if (!aw_slice_eq(other->kind, mention->kind))
            continue;
        if (overlaps && mention->words.len > other->words.len)
            *other = *mention;
        if (overlaps || aw_slice_eq(aw_slice_of(other->value, other->value_len), aw_slice_of(mention->value, mention->value_len)))
            return;
    }
    if (result->mention_count < AW_RULES_MENTIONS_MAX)
        result->mentions[result->mention_count++] = *mention;
}

static bool
has_class(const struct aw_rules_result *result, enum aw_class class_)
{
    for (uint32_t i = 0; i < result->finding_count; i++) {
        if (result->findings[i].class_ == class_)
            return true;
    }
    return false;
}

/* What the rules that weigh found, or all others. Weights are told where nothing plainer speaks for the class. */
static void
tell_met(const struct aw_rules *rules, const struct aw_rules_scratch *scratch, struct aw_slice text, bool weighs,
         struct aw_rules_result *result)
{
    const struct aw_rules_result plain = *result; /* as it was before */

    for (uint32_t i = 0; i < scratch->met_count; i++) {
        const struct aw_rules_met  *met = &scratch->met[i];
        const struct aw_rules_rule *rule = &rules->rules[met->rule];
        uint32_t                    begin = skip_words(scratch->bytes, met->begin, met->end, rule->skip);
        struct aw_slice             words = aw_rules_words(rules, scratch, text, met);
        enum aw_class               class_ = (enum aw_class)rule->class_;

        if (rule->weighs != weighs || (weighs && has_class(&plain, class_)))
            continue;
        if (rule->mention) {
            struct aw_rules_mention mention = {.kind = rule->kind, .words = words};

            set_value(&mention, rules->says[met->say].value, scratch->bytes + begin, met->end - begin);
            add_mention(result, &mention);
            continue;
        }
        if (class_ < result->class_)
            result->class_ = class_;
        result->gentle |= rule->gentle;
        add_finding(result,
                    &(struct aw_rules_finding){
                        .class_ = class_, .gentle = rule->gentle, .kind = rule->kind, .rule = rule->name, .words = words});
    }
}

void
aw_rules_scan(const struct aw_rules *rules, struct aw_rules_scratch *scratch, struct aw_slice text, struct aw_slice lang,
              struct aw_rules_result *ret_result)
{
    AW_ASSERT(rules->side == AW_RULES_MESSAGES);
    ret_result->class_ = AW_CLASS_NONE;
    ret_result->gentle = false;
    ret_result->finding_count = 0;
    ret_result->mention_count = 0;
    ret_result->cut = aw_rules_find(rules, scratch, text, lang).cut;
    tell_met(rules, scratch, text, false, ret_result);
    tell_met(rules, scratch, text, true, ret_result);
}
