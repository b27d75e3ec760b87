/* draft.c - reads the lines of a rules file. README.md beside this describes them. */
#include "rules/draft.h"

enum line {
    LANGUAGE,
    WORDS,
    BAIT,
    HOSTS,
    SET,
    SET_REGEX,
    GUARD,
    RULE,
    SAY,
    REGEX,
    NUMBERS,
    WITH,
    UNLESS,
    WEIGH,
    SUM,
    UPPER,
    CAPITAL,
    HOME,
    SKIP,
    PLUS,
    MINUS,
    LINES
};
static const char *const line_names[LINES] = {"language", "words", "bait",    "hosts",   "set",  "set-regex", "guard",
                                              "rule",     "say",   "regex",   "numbers", "with", "unless",    "weigh",
                                              "sum",      "upper", "capital", "home",    "skip", "+",         "-"};

/* Of the file in work. */
struct reader {
    struct aw_draft      *draft;
    uint32_t              language;
    bool                  has_language;
    struct aw_rules_rule *rule;  /* that the next lines belong to; NULL: none */
    struct aw_draft_run  *guard; /* the same */
    uint32_t              first_rule;
};

void
aw_draft_init(struct aw_draft *draft, enum aw_rules_side side, struct aw_arena *arena, struct aw_why *why)
{
    *draft = (struct aw_draft){.arena = arena, .why = why, .side = side, .language_count = 1};
    draft->languages[0] = AW_SLICE("*");
}

static struct aw_slice
take_word(struct aw_slice *rest)
{
    size_t          len = 0;
    struct aw_slice word;

    *rest = aw_slice_trim(*rest);
    while (len < rest->len && rest->ptr[len] != ' ' && rest->ptr[len] != '\t')
        len++;
    word = aw_slice_of(rest->ptr, len);
    *rest = aw_slice_trim(aw_slice_of(rest->ptr + len, rest->len - len));
    return word;
}

static bool
is_name(struct aw_slice name, size_t len_max)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return name.len > 0 && name.len <= len_max;
}

/* --- language, words, bait, set --------------------------------------------------------------------------------------------- */

static enum aw_err
read_language(struct reader *reader, struct aw_slice rest)
{
    struct aw_draft *draft = reader->draft;
    uint32_t         i = 0;

    if (reader->has_language)
        return aw_draft_fail(draft, "a file has one language");
    if (!aw_slice_eq(rest, AW_SLICE("*")) && !is_name(rest, 8))
        return aw_draft_fail(draft, "a language is a tag such as `nl`, or `*` for all");
    while (i < draft->language_count && !aw_slice_eq(draft->languages[i], rest))
        i++;
    if (i == AW_RULES_LANGUAGES_MAX)
        return aw_draft_fail(draft, "there are more than %u languages", AW_RULES_LANGUAGES_MAX - 1);
    if (i == draft->language_count)
        draft->languages[draft->language_count++] = rest;
    reader->language = i;
    reader->has_language = true;
    return AW_OK;
}

static enum aw_err
add_phrases(struct aw_draft *draft, struct aw_slice text, const struct aw_draft_phrase *like)
{
    struct aw_slice *list = NULL;
    uint32_t         count = 0;
    enum aw_err      err = aw_draft_expand(draft, text, &list, &count);

    for (uint32_t i = 0; err == AW_OK && i < count; i++)
        err = aw_draft_phrase(draft, list[i], like);
    return err;
}

static struct aw_draft_set *
find_set(const struct aw_draft *draft, struct aw_slice name)
{
    for (uint32_t i = 0; i < draft->set_count; i++) {
        if (draft->sets[i].file == draft->file && aw_slice_eq(draft->sets[i].name, name))
            return &draft->sets[i];
    }
    return NULL;
}

static enum aw_err
new_set(struct aw_draft *draft, struct aw_slice name, struct aw_draft_set **ret_set)
{
    if (draft->set_count == AW_RULES_SETS_MAX)
        return aw_draft_fail(draft, "the files hold more than %u sets and conditions", AW_RULES_SETS_MAX);
    if (!aw_draft_grow(draft->arena, &draft->sets, draft->set_count, sizeof(draft->sets[0])))
        return AW_E_MEMORY;
    *ret_set = &draft->sets[draft->set_count++];
    **ret_set = (struct aw_draft_set){.name = name, .file = draft->file};
    return AW_OK;
}

/* A line `set NAME = ...` makes a set, or adds to it. */
static enum aw_err
read_set(struct reader *reader, struct aw_slice rest)
{
    struct aw_draft     *draft = reader->draft;
    struct aw_slice      phrases = rest;
    struct aw_slice      name = aw_slice_trim(aw_slice_cut(&phrases, '='));
    struct aw_slice     *list = NULL;
    uint32_t             count = 0;
    struct aw_draft_set *set;
    enum aw_err          err;

    if (!is_name(name, AW_RULES_NAME_BYTES) || phrases.ptr == NULL)
        return aw_draft_fail(draft, "a set is written `set NAME = phrase | phrase`");
    err = aw_draft_expand(draft, phrases, &list, &count);
    set = find_set(draft, name);
    if (err == AW_OK && set == NULL)
        err = new_set(draft, name, &set);
    if (err != AW_OK)
        return err;
    AW_ASSERT(set != NULL);
    if (set->is_used)
        return aw_draft_fail(draft, "the set '%.*s' is in use above: complete it first", AW_SLICE_ARGS(name));
    for (uint32_t i = 0; i < count; i++) {
        if (!aw_draft_grow(draft->arena, &set->phrases, set->count, sizeof(list[0])))
            return AW_E_MEMORY;
        set->phrases[set->count++] = list[i];
    }
    return AW_OK;
}

/* `set-regex NAME = R`: a set of what an expression finds. */
static enum aw_err
read_set_regex(struct reader *reader, struct aw_slice rest)
{
    struct aw_draft       *draft = reader->draft;
    struct aw_draft_phrase like = {.role = AW_PHRASE_MEMBER, .owner = draft->set_count};
    struct aw_slice        regex = rest;
    struct aw_slice        name = aw_slice_trim(aw_slice_cut(&regex, '='));
    struct aw_draft_set   *set = NULL;
    enum aw_err            err;

    if (!is_name(name, AW_RULES_NAME_BYTES) || regex.ptr == NULL || find_set(draft, name) != NULL)
        return aw_draft_fail(draft, "`set-regex NAME = EXPRESSION` makes a new set of one expression");
    err = new_set(draft, name, &set);
    if (err != AW_OK)
        return err;
    AW_ASSERT(set != NULL);
    set->is_used = true; /* its phrase is in the draft */
    return aw_draft_regex(draft, aw_slice_trim(regex), AW_FORM_REGEX, &like);
}

/* `hosts a | b`: links to them are ours. */
static enum aw_err
read_hosts(struct reader *reader, struct aw_slice rest)
{
    struct aw_draft_phrase like = {.role = AW_PHRASE_BAIT, .owner = reader->language};
    enum aw_err            err = AW_OK;

    if (reader->draft->side != AW_RULES_REPLIES)
        return aw_draft_fail(reader->draft, "`hosts` is for replies");
    while (err == AW_OK && rest.ptr != NULL)
        err = aw_draft_host(reader->draft, aw_slice_trim(aw_slice_cut(&rest, '|')), &like);
    return err;
}

/* --- rules and guards ------------------------------------------------------------------------------------------------------- */

/* A class or another word for what a rule does, as the number of its guard. */
static bool
find_guard(const struct aw_draft *draft, struct aw_slice word, uint32_t *ret_guard)
{
    static const char *const words[] = {"gentle", "mention", "refer", "reveal"};
    enum aw_class            class_;
    uint32_t                 guard = 0;

    if (aw_class_parse(word, &class_)) {
        guard = class_;
    } else {
        while (guard < AW_ARRAY_LEN(words) && !aw_slice_eq(word, aw_slice_str(words[guard])))
            guard++;
        guard += AW_GUARD_GENTLE;
    }
    *ret_guard = guard;
    return guard < AW_GUARDS && (guard >= AW_GUARD_REFER) == (draft->side == AW_RULES_REPLIES);
}

/* What stands where a class should. */
static enum aw_err
refuse_guard(const struct aw_draft *draft, struct aw_slice word)
{
    return aw_draft_fail(draft, "a rule is written `rule NAME CLASS KIND`; '%.*s' is %s", AW_SLICE_ARGS(word),
                         draft->side == AW_RULES_REPLIES ? "neither `refer` nor `reveal`"
                                                         : "no class, nor `gentle` nor `mention`");
}

static enum aw_err
end_rule(struct reader *reader)
{
    const struct aw_rules_rule *rule = reader->rule;

    reader->guard = NULL;
    reader->rule = NULL;
    if (rule == NULL)
        return AW_OK;
    if (rule->weighs == (rule->sum != 0) && rule->has_say && rule->has_hit && rule->has_no_hit)
        return AW_OK;
    reader->draft->line = rule->line;
    if (rule->weighs != (rule->sum != 0))
        return aw_draft_fail(reader->draft, "rule %.*s has %s", AW_SLICE_ARGS(rule->name),
                             rule->weighs ? "weights and no `sum`" : "a `sum` and no weights");
    return aw_draft_fail(reader->draft, "rule %.*s has no %s", AW_SLICE_ARGS(rule->name),
                         !rule->has_say   ? "`say`, `regex` or `numbers`"
                         : !rule->has_hit ? "example: a line `+ text` that it must find"
                                          : "counter-example: a line `- text` that it must not find");
}

static enum aw_err
read_guard(struct reader *reader, struct aw_slice rest)
{
    enum aw_err err = end_rule(reader);
    uint32_t    guard;

    if (err != AW_OK)
        return err;
    if (!find_guard(reader->draft, rest, &guard))
        return refuse_guard(reader->draft, rest);
    reader->guard = &reader->draft->guards[reader->language][guard];
    if (reader->guard->count > 0)
        return aw_draft_fail(reader->draft, "there is a guard for this class already");
    reader->guard->first = reader->draft->condition_count;
    return AW_OK;
}

static enum aw_err
name_rule(struct reader *reader, struct aw_slice class_word, struct aw_slice name, struct aw_slice *ret_name)
{
    struct aw_draft *draft = reader->draft;
    struct aw_slice  language = draft->languages[reader->language];
    struct aw_buffer buffer;

    if (!is_name(name, AW_RULES_NAME_BYTES))
        return aw_draft_fail(draft, "a name is made of small letters, digits, `-` and `_`");
    aw_buffer_init(&buffer, draft->arena);
    aw_buffer_printf(&buffer, "%.*s.%.*s.%.*s", AW_SLICE_ARGS(reader->language == 0 ? AW_SLICE("all") : language),
                     AW_SLICE_ARGS(class_word), AW_SLICE_ARGS(name));
    if (buffer.failed)
        return AW_E_MEMORY;
    *ret_name = aw_buffer_slice(&buffer);
    if (ret_name->len > AW_RULES_NAME_BYTES)
        return aw_draft_fail(draft, "the name '%.*s' is longer than %u bytes", AW_SLICE_ARGS(*ret_name), AW_RULES_NAME_BYTES);
    for (uint32_t i = 0; i < draft->rule_count; i++) {
        if (aw_slice_eq(draft->rules[i].name, *ret_name))
            return aw_draft_fail(draft, "there is a rule %.*s already", AW_SLICE_ARGS(*ret_name));
    }
    return AW_OK;
}

/* `rule NAME CLASS KIND` */
static enum aw_err
read_rule(struct reader *reader, struct aw_slice rest)
{
    struct aw_draft *draft = reader->draft;
    enum aw_err      err = end_rule(reader);
    struct aw_slice  name = take_word(&rest);
    struct aw_slice  class_word = take_word(&rest);
    struct aw_slice  full = {NULL, 0};
    uint32_t         guard = 0;

    if (err != AW_OK)
        return err;
    if (!find_guard(draft, class_word, &guard))
        return refuse_guard(draft, class_word);
    if (!is_name(rest, AW_RULES_KIND_BYTES))
        return aw_draft_fail(draft, "a rule is written `rule NAME CLASS KIND`, the kind in one word of at most %u letters",
                             AW_RULES_KIND_BYTES);
    err = name_rule(reader, class_word, name, &full);
    if (err != AW_OK)
        return err;
    if (!aw_draft_grow(draft->arena, &draft->rules, draft->rule_count, sizeof(draft->rules[0])))
        return AW_E_MEMORY;
    reader->rule = &draft->rules[draft->rule_count++];
    *reader->rule = (struct aw_rules_rule){.name = full,
                                           .kind = rest,
                                           .conditions = {.first = draft->condition_count},
                                           .file = draft->file,
                                           .line = draft->line,
                                           .class_ = guard < AW_CLASS_COUNT ? (uint8_t)guard : AW_CLASS_NONE,
                                           .language = (uint8_t)reader->language,
                                           .guard = (uint8_t)guard,
                                           .gentle = guard == AW_GUARD_GENTLE,
                                           .mention = guard == AW_GUARD_MENTION};
    return AW_OK;
}

/* `say a | b`, for a mention also `say a | b => VALUE` */
static enum aw_err
read_say(struct reader *reader, struct aw_slice rest, enum line kind)
{
    struct aw_draft       *draft = reader->draft;
    struct aw_draft_phrase like = {.role = AW_PHRASE_SAY};
    const char            *arrow;

    if (reader->rule == NULL)
        return aw_draft_fail(draft, "this line belongs below a `rule`");
    like.owner = (uint32_t)(reader->rule - draft->rules);
    reader->rule->has_say = true;
    if (kind != SAY)
        return aw_draft_regex(draft, rest, kind == NUMBERS ? AW_FORM_NUMBERS : AW_FORM_REGEX, &like);
    arrow = memmem(rest.ptr, rest.len, "=>", 2);
    if (arrow != NULL) {
        like.value = aw_slice_trim(aw_slice_of(arrow + 2, (size_t)(rest.ptr + rest.len - arrow) - 2));
        rest.len = (size_t)(arrow - rest.ptr);
        if (!reader->rule->mention || like.value.len == 0 || like.value.len > AW_RULES_VALUE_BYTES)
            return aw_draft_fail(draft, "`=> VALUE` gives a mention a value of 1 to %u bytes", AW_RULES_VALUE_BYTES);
    }
    return add_phrases(draft, rest, &like);
}

/* --- conditions ------------------------------------------------------------------------------------------------------------- */

static enum aw_err
add_set_ref(struct aw_draft *draft, struct aw_rules_condition *condition, uint32_t set)
{
    if (!aw_draft_grow(draft->arena, &draft->set_refs, draft->set_ref_count, sizeof(draft->set_refs[0])))
        return AW_E_MEMORY;
    draft->set_refs[draft->set_ref_count++] = set;
    condition->set_count++;
    return AW_OK;
}

/* A named set is shared by all conditions that name it: its phrases are searched for once. */
static enum aw_err
use_named_set(struct aw_draft *draft, struct aw_rules_condition *condition, struct aw_slice name)
{
    struct aw_draft_set   *set = find_set(draft, name);
    struct aw_draft_phrase like = {.role = AW_PHRASE_MEMBER};

    if (set == NULL)
        return aw_draft_fail(draft, "there is no set '%.*s' above this line", AW_SLICE_ARGS(name));
    like.owner = (uint32_t)(set - draft->sets);
    for (uint32_t i = 0; !set->is_used && i < set->count; i++) {
        enum aw_err err = aw_draft_phrase(draft, set->phrases[i], &like);

        if (err != AW_OK)
            return err;
    }
    set->is_used = true;
    return add_set_ref(draft, condition, like.owner);
}

/* The alternatives at the top of `rest`: `$name` alone is that set, all others together are a set of their own. */
static enum aw_err
read_members(struct aw_draft *draft, struct aw_slice rest, struct aw_rules_condition *condition)
{
    struct aw_draft_phrase like = {.role = AW_PHRASE_MEMBER, .owner = UINT32_MAX};
    enum aw_err            err = AW_OK;

    while (err == AW_OK && rest.ptr != NULL) {
        size_t               len = 0;
        unsigned             depth = 0;
        struct aw_slice      one;
        struct aw_draft_set *set;

        for (; len < rest.len && (depth > 0 || rest.ptr[len] != '|'); len++)
            depth += rest.ptr[len] == '(' ? 1U : rest.ptr[len] == ')' && depth > 0 ? UINT32_MAX : 0;
        one = aw_slice_trim(aw_slice_of(rest.ptr, len));
        rest = len < rest.len ? aw_slice_of(rest.ptr + len + 1, rest.len - len - 1) : (struct aw_slice){NULL, 0};
        if (one.len > 1 && one.ptr[0] == '$' && is_name(aw_slice_of(one.ptr + 1, one.len - 1), AW_RULES_NAME_BYTES)) {
            err = use_named_set(draft, condition, aw_slice_of(one.ptr + 1, one.len - 1));
            continue;
        }
        if (like.owner == UINT32_MAX) {
            err = new_set(draft, AW_SLICE(""), &set);
            if (err != AW_OK)
                return err;
            like.owner = draft->set_count - 1;
            err = add_set_ref(draft, condition, like.owner);
        }
        if (err == AW_OK)
            err = add_phrases(draft, one, &like);
    }
    return err;
}

/* `SCOPE [N] phrases`, of a condition that `like` begins. */
static enum aw_err
add_condition(struct reader *reader, struct aw_slice rest, const struct aw_rules_condition *like)
{
    static const char *const  scopes[] = {"before", "after", "over", "near", "around", "text"};
    struct aw_draft          *draft = reader->draft;
    struct aw_rules_condition condition = *like;
    struct aw_slice           scope = take_word(&rest);
    struct aw_slice           phrases = rest;
    struct aw_slice           number = take_word(&phrases);
    uint64_t                  words_max;
    enum aw_err               err;

    if (reader->rule == NULL && reader->guard == NULL)
        return aw_draft_fail(draft, "this line belongs below a `rule` or a `guard`");
    condition.sets = draft->set_ref_count;
    while (condition.scope < AW_ARRAY_LEN(scopes) && !aw_slice_eq(scope, aw_slice_str(scopes[condition.scope])))
        condition.scope++;
    if (condition.scope == AW_ARRAY_LEN(scopes))
        return aw_draft_fail(draft, "a condition begins with `before`, `after`, `over`, `near`, `around` or `text`, not '%.*s'",
                             AW_SLICE_ARGS(scope));
    if (condition.scope != AW_SCOPE_TEXT && condition.scope != AW_SCOPE_OVER && aw_slice_to_u64(number, 99, &words_max) &&
        words_max > 0) {
        condition.words_max = (uint32_t)words_max;
        rest = phrases;
    }
    if (condition.scope == AW_SCOPE_AROUND && condition.words_max == 0)
        return aw_draft_fail(draft, "`around` takes a number of words");
    err = read_members(draft, rest, &condition);
    if (err != AW_OK)
        return err;
    if (!aw_draft_grow(draft->arena, &draft->conditions, draft->condition_count, sizeof(condition)))
        return AW_E_MEMORY;
    draft->conditions[draft->condition_count++] = condition;
    if (reader->rule != NULL)
        reader->rule->conditions.count++;
    else
        reader->guard->count++;
    return AW_OK;
}

/* `weigh N SCOPE [N] phrases`, N from -20 to 20 without 0 */
static enum aw_err
read_weigh(struct reader *reader, struct aw_slice rest)
{
    struct aw_rules_condition like = {.wanted = true};
    struct aw_slice           number = take_word(&rest);
    bool                      is_less = number.len > 0 && number.ptr[0] == '-';
    uint64_t                  weight;

    if (reader->rule == NULL)
        return aw_draft_fail(reader->draft, "`weigh` belongs below a `rule`");
    if (!aw_slice_to_u64(aw_slice_of(number.ptr + is_less, number.len - is_less), AW_RULES_WEIGHT_MAX, &weight) || weight == 0)
        return aw_draft_fail(reader->draft, "`weigh` takes a number from -%u to %u, not 0", AW_RULES_WEIGHT_MAX,
                             AW_RULES_WEIGHT_MAX);
    like.weight = (int16_t)(is_less ? -(int)weight : (int)weight);
    reader->rule->weighs = true;
    return add_condition(reader, rest, &like);
}

/* `sum N` */
static enum aw_err
read_sum(struct reader *reader, struct aw_slice rest)
{
    uint64_t sum;

    if (reader->rule == NULL || reader->rule->sum != 0 || !aw_slice_to_u64(rest, AW_RULES_SUM_MAX, &sum) || sum == 0)
        return aw_draft_fail(reader->draft, "`sum N` stands once below a rule; N is 1 to %u", AW_RULES_SUM_MAX);
    reader->rule->sum = (uint8_t)sum;
    return AW_OK;
}

/* `skip N`: the words that lead to what is mentioned are not part of it. */
static enum aw_err
read_skip(struct reader *reader, struct aw_slice rest)
{
    uint64_t words;

    if (reader->rule == NULL || reader->rule->guard < AW_GUARD_MENTION || !aw_slice_to_u64(rest, 9, &words))
        return aw_draft_fail(reader->draft, "`skip N` belongs below a rule that shows its words; N is at most 9");
    reader->rule->skip = (uint8_t)words;
    return AW_OK;
}

/* `upper`, `capital` */
static enum aw_err
read_case(struct reader *reader, enum line kind)
{
    if (reader->rule == NULL)
        return aw_draft_fail(reader->draft, "this line belongs below a `rule`");
    reader->rule->upper |= kind == UPPER;
    reader->rule->capital |= kind == CAPITAL;
    return AW_OK;
}

/* `home a b`: on these channels the customer is not sent away by it. */
static enum aw_err
read_home(struct reader *reader, struct aw_slice rest)
{
    if (reader->rule == NULL || reader->rule->guard != AW_GUARD_REFER || rest.len == 0 || reader->rule->home.len > 0)
        return aw_draft_fail(reader->draft, "`home CHANNEL CHANNEL` stands once below a rule that is `refer`");
    reader->rule->home = rest;
    return AW_OK;
}

static enum aw_err
read_example(struct reader *reader, struct aw_slice rest, bool must_hit)
{
    struct aw_draft *draft = reader->draft;

    if (reader->rule == NULL)
        return aw_draft_fail(draft, "an example belongs below a `rule`");
    if (rest.len == 0)
        return aw_draft_fail(draft, "an empty example");
    if (!aw_draft_grow(draft->arena, &draft->examples, draft->example_count, sizeof(draft->examples[0])))
        return AW_E_MEMORY;
    draft->examples[draft->example_count++] = (struct aw_draft_example){.text = rest,
                                                                        .rule = (uint32_t)(reader->rule - draft->rules),
                                                                        .file = draft->file,
                                                                        .line = draft->line,
                                                                        .must_hit = must_hit};
    reader->rule->has_hit |= must_hit;
    reader->rule->has_no_hit |= !must_hit;
    return AW_OK;
}

/* --- lines ------------------------------------------------------------------------------------------------------------------ */

static enum aw_err
read_kind(struct reader *reader, enum line kind, struct aw_slice rest)
{
    struct aw_draft_phrase like = {.role = kind == WORDS ? AW_PHRASE_WORD : AW_PHRASE_BAIT, .owner = reader->language};

    switch (kind) {
    case LANGUAGE:
        return read_language(reader, rest);
    case WORDS:
        if (reader->draft->side == AW_RULES_REPLIES)
            return aw_draft_fail(reader->draft, "replies are read in all languages: no `words`");
        return add_phrases(reader->draft, rest, &like);
    case BAIT:
        return add_phrases(reader->draft, rest, &like);
    case HOSTS:
        return read_hosts(reader, rest);
    case SET:
        return read_set(reader, rest);
    case SET_REGEX:
        return read_set_regex(reader, rest);
    case GUARD:
        return read_guard(reader, rest);
    case RULE:
        return read_rule(reader, rest);
    case SAY:
    case REGEX:
    case NUMBERS:
        return read_say(reader, rest, kind);
    case WITH:
    case UNLESS:
        return add_condition(reader, rest, &(struct aw_rules_condition){.wanted = kind == WITH});
    case WEIGH:
        return read_weigh(reader, rest);
    case SUM:
        return read_sum(reader, rest);
    case UPPER:
    case CAPITAL:
        return read_case(reader, kind);
    case HOME:
        return read_home(reader, rest);
    case SKIP:
        return read_skip(reader, rest);
    case PLUS:
    case MINUS:
        return read_example(reader, rest, kind == PLUS);
    case LINES:
        break;
    }
    return aw_draft_fail(reader->draft,
                         "a line begins with language, words, bait, hosts, set, set-regex, guard, rule, say, regex, numbers, "
                         "with, unless, weigh, sum, upper, capital, home, skip, `+`, `-` or `#`");
}

static enum aw_err
read_line(struct reader *reader, struct aw_slice text)
{
    struct aw_slice rest = aw_slice_trim(text);
    struct aw_slice first;
    enum line       kind = LANGUAGE;

    if (rest.len == 0 || rest.ptr[0] == '#')
        return AW_OK;
    if (!aw_slice_is_utf8(rest) || memchr(rest.ptr, '\0', rest.len) != NULL)
        return aw_draft_fail(reader->draft, "this line is no UTF-8 text");
    first = take_word(&rest);
    while (kind < LINES && !aw_slice_eq(first, aw_slice_str(line_names[kind])))
        kind++;
    if (kind != LANGUAGE && !reader->has_language)
        return aw_draft_fail(reader->draft, "the first line that says something is `language TAG`");
    return read_kind(reader, kind, rest);
}

/* Takes the next line; one that ends in `\\` goes on in the next one. */
static struct aw_slice
take_line(struct aw_draft *draft, char **at, char *end)
{
    char *begin = *at;
    char *stop;

    draft->line += 1 + draft->more;
    draft->more = 0;
    for (;;) {
        stop = memchr(*at, '\n', (size_t)(end - *at));
        if (stop == NULL || stop == begin || stop[-1] != '\\')
            break;
        stop[-1] = ' ';
        stop[0] = ' ';
        draft->more++;
        *at = stop + 1;
    }
    *at = stop == NULL ? end : stop + 1;
    if (stop == NULL)
        stop = end;
    if (stop > begin && stop[-1] == '\r')
        stop--;
    return aw_slice_of(begin, (size_t)(stop - begin));
}

enum aw_err
aw_draft_read(struct aw_draft *draft, const char *name, char *bytes, size_t len, uint32_t number)
{
    struct reader reader = {.draft = draft};
    char         *at = bytes;

    draft->file_name = name;
    draft->file = number;
    draft->line = 0;
    draft->more = 0;
    while (at < bytes + len) {
        enum aw_err err = read_line(&reader, take_line(draft, &at, bytes + len));

        if (err == AW_E_MEMORY)
            return aw_why(draft->why, err, "no memory for the rules");
        if (err != AW_OK)
            return err;
    }
    return end_rule(&reader);
}
