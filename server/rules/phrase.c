/* phrase.c - from a phrase in a file to the patterns that find it. */
#include "rules/draft.h"
#include "rules/fold.h"

#include <stdarg.h>
#include <stdio.h>

#define DEPTH_MAX     8U
#define TYPO_MIN      7U /* a shorter word is one slip away from too many others */
#define TAIL_MIN      4U /* a shorter one stands in too many words */
#define WORDS_MAX     16U
#define GAP_WORDS_MAX 9U

enum aw_err
aw_draft_fail(const struct aw_draft *draft, const char *format, ...)
{
    char    words[AW_WHY_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(words, sizeof(words), format, args); /* cut when too long */
    va_end(args);
    return aw_why(draft->why, AW_E_CONFIG, "%s line %u: %s", draft->file_name, draft->line, words);
}

/* Doubles at each power of two; the old array stays in the arena. */
bool
aw_draft_grow(struct aw_arena *arena, void *array_at, uint32_t count, size_t size)
{
    void *old;
    void *more;

    if ((count & (count - 1)) != 0)
        return true;
    memcpy(&old, array_at, sizeof(old));
    more = aw_arena_take_zeroed(arena, count == 0 ? 1 : 2 * (size_t)count, size);
    if (more == NULL)
        return false;
    if (count > 0)
        memcpy(more, old, count * size);
    memcpy(array_at, &more, sizeof(more));
    return true;
}

/* --- alternatives ----------------------------------------------------------------------------------------------------------- */

struct list {
    struct aw_slice *items;
    uint32_t         count;
};

struct expander {
    struct aw_draft *draft;
    struct aw_slice  rest;
    unsigned         depth;
};

static enum aw_err
list_add(struct expander *e, struct list *list, struct aw_slice item)
{
    if (list->count >= AW_RULES_LINE_MAX)
        return aw_draft_fail(e->draft, "this line spells out more than %u phrases", AW_RULES_LINE_MAX);
    if (!aw_draft_grow(e->draft->arena, &list->items, list->count, sizeof(item)))
        return AW_E_MEMORY;
    list->items[list->count++] = item;
    return AW_OK;
}

/* Every item of `a` with every item of `b` behind it. */
static enum aw_err
list_cross(struct expander *e, struct list *a, const struct list *b, bool blank)
{
    struct list made = {0};

    for (uint32_t i = 0; i < a->count; i++) {
        for (uint32_t k = 0; k < b->count; k++) {
            struct aw_slice left = a->items[i], right = b->items[k];
            bool            gap = blank && left.len > 0 && right.len > 0;
            char           *joined;
            enum aw_err     err;

            if (left.len + right.len + 1 > AW_RULES_PHRASE_BYTES)
                return aw_draft_fail(e->draft, "a phrase has at most %u bytes", AW_RULES_PHRASE_BYTES);
            joined = aw_arena_take(e->draft->arena, left.len + right.len + 1);
            if (joined == NULL)
                return AW_E_MEMORY;
            if (left.len > 0)
                memcpy(joined, left.ptr, left.len);
            if (gap)
                joined[left.len] = ' ';
            if (right.len > 0)
                memcpy(joined + left.len + gap, right.ptr, right.len);
            err = list_add(e, &made, aw_slice_of(joined, left.len + gap + right.len));
            if (err != AW_OK)
                return err;
        }
    }
    *a = made;
    return AW_OK;
}

static struct aw_slice
take_while_plain(struct aw_slice *rest)
{
    size_t          len = 0;
    struct aw_slice word;

    while (len < rest->len && strchr(" \t()|$", rest->ptr[len]) == NULL)
        len++;
    word = aw_slice_of(rest->ptr, len);
    rest->ptr += len;
    rest->len -= len;
    return word;
}

static enum aw_err
expand_set(struct expander *e, struct list *ret_list)
{
    struct aw_draft *draft = e->draft;
    struct aw_slice  name;

    e->rest.ptr++;
    e->rest.len--;
    name = take_while_plain(&e->rest);
    for (uint32_t i = 0; i < draft->set_count; i++) {
        if (draft->sets[i].file == draft->file && name.len > 0 && aw_slice_eq(draft->sets[i].name, name)) {
            if (draft->sets[i].count == 0)
                return aw_draft_fail(draft, "the set '%.*s' is an expression: it can't be part of a phrase", AW_SLICE_ARGS(name));
            *ret_list = (struct list){draft->sets[i].phrases, draft->sets[i].count};
            return AW_OK;
        }
    }
    return aw_draft_fail(draft, "there is no set '%.*s' above this line", AW_SLICE_ARGS(name));
}

static enum aw_err expand_alternatives(struct expander *e, struct list *ret_list);

static enum aw_err
expand_group(struct expander *e, struct list *ret_list)
{
    enum aw_err err;

    if (++e->depth > DEPTH_MAX)
        return aw_draft_fail(e->draft, "brackets lie more than %u deep", DEPTH_MAX);
    e->rest.ptr++;
    e->rest.len--;
    err = expand_alternatives(e, ret_list);
    if (err != AW_OK)
        return err;
    if (e->rest.len == 0 || e->rest.ptr[0] != ')')
        return aw_draft_fail(e->draft, "a bracket is not closed");
    e->rest.ptr++;
    e->rest.len--;
    e->depth--;
    return AW_OK;
}

static enum aw_err
expand_sequence(struct expander *e, struct list *ret_list)
{
    static struct aw_slice nothing = {"", 0};
    struct list            made = {&nothing, 1};

    for (;;) {
        struct list     part = {0};
        struct aw_slice word;
        bool            blank = false;
        enum aw_err     err = AW_OK;

        while (e->rest.len > 0 && (e->rest.ptr[0] == ' ' || e->rest.ptr[0] == '\t')) {
            blank = true;
            e->rest.ptr++;
            e->rest.len--;
        }
        if (e->rest.len == 0 || e->rest.ptr[0] == '|' || e->rest.ptr[0] == ')')
            break;
        if (e->rest.ptr[0] == '(') {
            err = expand_group(e, &part);
        } else if (e->rest.ptr[0] == '$') {
            err = expand_set(e, &part);
        } else {
            word = take_while_plain(&e->rest);
            part = (struct list){&word, 1};
        }
        if (err == AW_OK)
            err = list_cross(e, &made, &part, blank);
        if (err != AW_OK)
            return err;
    }
    *ret_list = made;
    return AW_OK;
}

static enum aw_err
expand_alternatives(struct expander *e, struct list *ret_list)
{
    struct list made = {0};

    for (;;) {
        struct list one;
        enum aw_err err = expand_sequence(e, &one);

        for (uint32_t i = 0; err == AW_OK && i < one.count; i++)
            err = list_add(e, &made, one.items[i]);
        if (err != AW_OK)
            return err;
        if (e->rest.len == 0 || e->rest.ptr[0] != '|')
            break;
        e->rest.ptr++;
        e->rest.len--;
    }
    *ret_list = made;
    return AW_OK;
}

enum aw_err
aw_draft_expand(struct aw_draft *draft, struct aw_slice text, struct aw_slice **ret_list, uint32_t *ret_count)
{
    struct expander e = {.draft = draft, .rest = text};
    struct list     list = {0};
    enum aw_err     err = expand_alternatives(&e, &list);

    if (err != AW_OK)
        return err;
    if (e.rest.len > 0)
        return aw_draft_fail(draft, "a bracket is closed that was not opened");
    *ret_list = list.items;
    *ret_count = list.count;
    return AW_OK;
}

/* --- patterns --------------------------------------------------------------------------------------------------------------- */

struct pattern {
    char     bytes[8 * AW_RULES_PHRASE_BYTES];
    uint32_t len;
};

static void
pattern_add(struct pattern *pattern, const char *bytes, size_t len)
{
    AW_ASSERT(pattern->len + len <= sizeof(pattern->bytes)); /* a phrase's length is limited before */
    memcpy(pattern->bytes + pattern->len, bytes, len);
    pattern->len += (uint32_t)len;
}

static void
pattern_add_escaped(struct pattern *pattern, struct aw_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (strchr("\\^$.[]|()?*+{}/-", bytes.ptr[i]) != NULL)
            pattern_add(pattern, "\\", 1);
        pattern_add(pattern, bytes.ptr + i, 1);
    }
}

static enum aw_err
add_pattern(struct aw_draft *draft, struct aw_slice pattern, enum aw_rules_form form, const struct aw_draft_phrase *like)
{
    struct aw_draft_phrase *phrase;

    if (draft->phrase_count >= AW_RULES_PHRASES_MAX)
        return aw_draft_fail(draft, "the files spell out more than %u phrases", AW_RULES_PHRASES_MAX);
    if (!aw_draft_grow(draft->arena, &draft->phrases, draft->phrase_count, sizeof(draft->phrases[0])))
        return AW_E_MEMORY;
    phrase = &draft->phrases[draft->phrase_count];
    *phrase = *like;
    phrase->form = (uint8_t)form;
    phrase->file = draft->file;
    phrase->line = draft->line;
    if (!aw_arena_copy(draft->arena, pattern, &phrase->pattern))
        return AW_E_MEMORY;
    draft->phrase_count++;
    return AW_OK;
}

/* A word of a phrase, folded; it may have become several tokens. */
struct word {
    char     bytes[AW_FOLD_ROOM(AW_RULES_PHRASE_BYTES)];
    uint32_t len;
    unsigned gap;  /* not a word: so many words may stand here */
    bool     star; /* may go on */
    bool     tail; /* may have begun before: the end of a compound */
    bool     typo; /* may have a slip */
};

static enum aw_err
read_word(struct aw_draft *draft, struct aw_slice text, struct word *word)
{
    uint32_t       from[AW_FOLD_ROOM(AW_RULES_PHRASE_BYTES)];
    char           bytes[AW_FOLD_ROOM(AW_RULES_PHRASE_BYTES)];
    struct aw_fold fold = {.bytes = bytes, .from = from, .keeps = draft->side == AW_RULES_REPLIES};

    *word = (struct word){.len = 0};
    if (text.len == 3 && text.ptr[0] == '.' && text.ptr[1] == '.' && text.ptr[2] >= '1' && text.ptr[2] <= '9') {
        word->gap = (unsigned)(text.ptr[2] - '0');
        return AW_OK;
    }
    if (text.ptr[0] == '~') {
        word->typo = true;
        text.ptr++;
        text.len--;
    }
    if (text.len > 0 && text.ptr[0] == '*') {
        word->tail = true;
        text.ptr++;
        text.len--;
    }
    if (text.len > 0 && text.ptr[text.len - 1] == '*') {
        word->star = true;
        text.len--;
    }
    /* A mark alone would vanish at the start of a text. */
    if (text.len == 1 && (text.ptr[0] == '.' || text.ptr[0] == ',')) {
        word->bytes[0] = text.ptr[0];
        word->len = 1;
        return AW_OK;
    }
    aw_fold_text(&fold, text);
    if (fold.len < 3)
        return aw_draft_fail(draft, "nothing of '%.*s' is left to be found", AW_SLICE_ARGS(text));
    word->len = fold.len - 2;
    memcpy(word->bytes, bytes + 1, word->len);
    if (word->tail && (word->typo || word->len < TAIL_MIN))
        return aw_draft_fail(draft, "`*` in front is for words of %u letters and more, without `~`", TAIL_MIN);
    if (word->typo && (word->star || word->len < TYPO_MIN || memchr(word->bytes, ' ', word->len) != NULL))
        return aw_draft_fail(draft, "`~` is for whole words of %u letters and more", TYPO_MIN);
    return AW_OK;
}

static enum aw_err
read_words(struct aw_draft *draft, struct aw_slice phrase, struct word words[WORDS_MAX], uint32_t *ret_count)
{
    uint32_t count = 0;

    while (phrase.len > 0) {
        struct aw_slice text = aw_slice_cut(&phrase, ' ');
        enum aw_err     err;

        if (text.len == 0)
            continue;
        if (count == WORDS_MAX)
            return aw_draft_fail(draft, "a phrase has at most %u words", WORDS_MAX);
        err = read_word(draft, text, &words[count]);
        if (err != AW_OK)
            return err;
        count++;
    }
    if (count == 0)
        return aw_draft_fail(draft, "an empty phrase");
    if (words[0].gap != 0 || words[count - 1].gap != 0)
        return aw_draft_fail(draft, "a gap stands between two words");
    for (uint32_t i = 1; i < count; i++) {
        if (words[i].tail)
            return aw_draft_fail(draft, "only the first word of a phrase may begin with `*`");
    }
    *ret_count = count;
    return AW_OK;
}

static bool
needs_regex(const struct word *words, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (words[i].gap != 0 || (words[i].star && i + 1 < count))
            return true;
    }
    return false;
}

static enum aw_err
add_regex(struct aw_draft *draft, const struct word *words, uint32_t count, const struct aw_draft_phrase *like)
{
    struct pattern pattern = {.len = 0};
    char           gap[64];

    pattern_add(&pattern, " ", 1);
    for (uint32_t i = 0; i < count; i++) {
        if (words[i].gap != 0) {
            (void)snprintf(gap, sizeof(gap), "(?:[^ ,.][^ ]* ){0,%u}", words[i].gap);
            pattern_add(&pattern, gap, strlen(gap));
            continue;
        }
        if (words[i].typo || words[i].tail)
            return aw_draft_fail(draft, "a phrase with a gap or a `*` inside takes no `~`, nor a `*` in front");
        pattern_add_escaped(&pattern, aw_slice_of(words[i].bytes, words[i].len));
        if (words[i].star)
            pattern_add(&pattern, "[^ ]*", 5);
        pattern_add(&pattern, " ", 1);
    }
    return add_pattern(draft, aw_slice_of(pattern.bytes, pattern.len), AW_FORM_REGEX, like);
}

/* One literal, with `instead` for word number `at`. */
static enum aw_err
add_literal(struct aw_draft *draft, const struct word *words, uint32_t count, uint32_t at, struct aw_slice instead,
            const struct aw_draft_phrase *like)
{
    struct pattern                  pattern = {.len = 0};
    static const enum aw_rules_form forms[2][2] = {{AW_FORM_EXACT, AW_FORM_PREFIX}, {AW_FORM_SUFFIX, AW_FORM_INFIX}};
    bool                            open = words[count - 1].star;

    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 || !words[0].tail)
            pattern_add(&pattern, " ", 1);
        if (i == at)
            pattern_add(&pattern, instead.ptr, instead.len);
        else
            pattern_add(&pattern, words[i].bytes, words[i].len);
    }
    if (!open)
        pattern_add(&pattern, " ", 1);
    return add_pattern(draft, aw_slice_of(pattern.bytes, pattern.len), forms[words[0].tail][open], like);
}

/* The slips that people make in long words: a letter left out, two swapped, one doubled, one vowel for another. The first letter
 * stays: it is rarely wrong, and a word with another first letter is often another word. */
static enum aw_err
add_typos(struct aw_draft *draft, const struct word *words, uint32_t count, uint32_t at, const struct aw_draft_phrase *like)
{
    static const char  vowels[] = "aeiou";
    const struct word *word = &words[at];
    char               slip[sizeof(word->bytes)];
    enum aw_err        err = AW_OK;

    for (uint32_t i = 1; err == AW_OK && i < word->len; i++) {
        memcpy(slip, word->bytes, i);
        memcpy(slip + i, word->bytes + i + 1, word->len - i - 1);
        err = add_literal(draft, words, count, at, aw_slice_of(slip, word->len - 1), like);
        memcpy(slip + i + 1, word->bytes + i, word->len - i);
        slip[i] = word->bytes[i];
        if (err == AW_OK)
            err = add_literal(draft, words, count, at, aw_slice_of(slip, word->len + 1), like);
        memcpy(slip, word->bytes, word->len);
        if (err == AW_OK && i + 1 < word->len && slip[i] != slip[i + 1]) {
            slip[i] = word->bytes[i + 1];
            slip[i + 1] = word->bytes[i];
            err = add_literal(draft, words, count, at, aw_slice_of(slip, word->len), like);
            memcpy(slip, word->bytes, word->len);
        }
        for (const char *vowel = vowels; err == AW_OK && strchr(vowels, word->bytes[i]) != NULL && *vowel != '\0'; vowel++) {
            slip[i] = *vowel;
            if (*vowel != word->bytes[i])
                err = add_literal(draft, words, count, at, aw_slice_of(slip, word->len), like);
        }
    }
    return err;
}

static enum aw_err
add_phrase(struct aw_draft *draft, struct aw_slice phrase, const struct aw_draft_phrase *like)
{
    struct word words[WORDS_MAX] = {{.len = 0}};
    uint32_t    count = 0;
    uint32_t    typo = WORDS_MAX;
    enum aw_err err = read_words(draft, phrase, words, &count);

    if (err != AW_OK)
        return err;
    if (needs_regex(words, count))
        return add_regex(draft, words, count, like);
    for (uint32_t i = 0; i < count; i++) {
        if (words[i].typo && typo != WORDS_MAX)
            return aw_draft_fail(draft, "one word of a phrase may have a `~`");
        if (words[i].typo)
            typo = i;
    }
    err = add_literal(draft, words, count, WORDS_MAX, AW_SLICE(""), like);
    if (err == AW_OK && typo != WORDS_MAX)
        err = add_typos(draft, words, count, typo, like);
    return err;
}

/* Of the second byte of an umlaut, in capitals or not; 0: it is none. */
static char
vowel_of(char second)
{
    switch ((unsigned char)second | 0x20) {
    case 0xA4:
        return 'a';
    case 0xB6:
        return 'o';
    case 0xBC:
        return 'u';
    default:
        return 0;
    }
}

/* German without umlauts on the keyboard: ae, oe, ue. Returns how many were replaced. */
static unsigned
transliterate(struct aw_slice phrase, char *to, size_t *ret_len)
{
    unsigned replaced = 0;
    size_t   len = 0;

    for (size_t i = 0; i < phrase.len; i++) {
        const char *at = phrase.ptr + i;
        char        vowel = '\0';

        if (i + 1 < phrase.len && at[0] == '\xC3')
            vowel = vowel_of(at[1]);
        if (vowel == '\0') {
            to[len++] = *at;
            continue;
        }
        to[len++] = vowel;
        to[len++] = 'e';
        replaced++;
        i++;
    }
    *ret_len = len;
    return replaced;
}

enum aw_err
aw_draft_phrase(struct aw_draft *draft, struct aw_slice phrase, const struct aw_draft_phrase *like)
{
    char        written[AW_RULES_PHRASE_BYTES];
    size_t      len = 0;
    enum aw_err err;

    if (phrase.len > sizeof(written) / 2)
        return aw_draft_fail(draft, "a phrase has at most %zu bytes", sizeof(written) / 2);
    err = add_phrase(draft, phrase, like);
    if (err == AW_OK && transliterate(phrase, written, &len) > 0)
        err = add_phrase(draft, aw_slice_of(written, len), like);
    return err;
}

enum aw_err
aw_draft_regex(struct aw_draft *draft, struct aw_slice regex, enum aw_rules_form form, const struct aw_draft_phrase *like)
{
    struct pattern pattern = {.len = 0};

    if (regex.len == 0 || regex.len > 2 * AW_RULES_PHRASE_BYTES)
        return aw_draft_fail(draft, "a regular expression has 1 to %u bytes", 2 * AW_RULES_PHRASE_BYTES);
    pattern_add(&pattern, " (?:", 4);
    pattern_add(&pattern, regex.ptr, regex.len);
    pattern_add(&pattern, ") ", 2);
    return add_pattern(draft, aw_slice_of(pattern.bytes, pattern.len), form, like);
}

enum aw_err
aw_draft_host(struct aw_draft *draft, struct aw_slice host, const struct aw_draft_phrase *like)
{
    static const char below[] = " (?://)?(?:[^ .@/]+\\.){0,6}";
    struct pattern    pattern = {.len = 0};

    for (size_t i = 0; i < host.len; i++) {
        if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-", host.ptr[i]) == NULL)
            return aw_draft_fail(draft, "a host is written in small letters, without https:// and path");
    }
    if (host.len == 0 || host.len > AW_RULES_PHRASE_BYTES || memchr(host.ptr, '.', host.len) == NULL)
        return aw_draft_fail(draft, "'%.*s' is no host", AW_SLICE_ARGS(host));
    pattern_add(&pattern, below, strlen(below));
    pattern_add_escaped(&pattern, host);
    pattern_add(&pattern, " ", 1);
    return add_pattern(draft, aw_slice_of(pattern.bytes, pattern.len), AW_FORM_REGEX, like);
}
