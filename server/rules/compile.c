/* compile.c - from a draft to a set: equal phrases become one atom; whole words go into a tree, all else into databases. */
#include "rules/set.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- atoms ------------------------------------------------------------------------------------------------------------------ */

static int
compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

/* Equal patterns next to each other, in an order that depends on nothing but the files. */
static int
compare_phrases(const void *left, const void *right)
{
    const struct aw_draft_phrase *a = left, *b = right;
    size_t                        len = a->pattern.len < b->pattern.len ? a->pattern.len : b->pattern.len;
    int                           order = memcmp(a->pattern.ptr, b->pattern.ptr, len);

    if (order == 0)
        order = compare_u32((uint32_t)a->pattern.len, (uint32_t)b->pattern.len);
    if (order == 0)
        order = compare_u32(a->form, b->form);
    if (order == 0)
        order = compare_u32(a->role, b->role);
    if (order == 0)
        order = compare_u32(a->owner, b->owner);
    return order != 0 ? order : compare_u32(a->line, b->line);
}

static bool
is_same_atom(const struct aw_draft_phrase *a, const struct aw_draft_phrase *b)
{
    return a->form == b->form && aw_slice_eq(a->pattern, b->pattern);
}

static bool
is_same_phrase(const struct aw_draft_phrase *a, const struct aw_draft_phrase *b)
{
    return is_same_atom(a, b) && a->role == b->role && a->owner == b->owner;
}

/* Sorts, and drops what stands there twice: alternatives and typos overlap. */
static void
sort_phrases(struct aw_draft *draft)
{
    uint32_t kept = 0;

    if (draft->phrase_count > 0)
        qsort(draft->phrases, draft->phrase_count, sizeof(draft->phrases[0]), compare_phrases);
    for (uint32_t i = 0; i < draft->phrase_count; i++) {
        if (kept == 0 || !is_same_phrase(&draft->phrases[kept - 1], &draft->phrases[i]))
            draft->phrases[kept++] = draft->phrases[i];
    }
    draft->phrase_count = kept;
}

struct tables {
    struct aw_rules_atom  *atoms;
    struct aw_rules_say   *says;
    uint32_t              *memberships;
    struct aw_word_phrase *words;         /* of the tree */
    const char           **patterns;      /* by atom; NULL: it is in the tree */
    const char           **some_patterns; /* of one database */
    unsigned              *some_flags;
    unsigned              *ids;
    uint32_t              *phrase_of; /* by atom: one that has it, for errors */
    uint32_t               atom_count, say_count, membership_count, word_count;
};

static bool
take_tables(struct tables *tables, struct aw_arena *arena, const struct aw_draft *draft)
{
    size_t phrases = draft->phrase_count + 1;

    tables->atoms = aw_arena_take_zeroed(arena, phrases, sizeof(tables->atoms[0]));
    tables->says = aw_arena_take_zeroed(arena, phrases, sizeof(tables->says[0]));
    tables->memberships = aw_arena_take_zeroed(arena, phrases, sizeof(tables->memberships[0]));
    tables->patterns = aw_arena_take_zeroed(arena, phrases, sizeof(tables->patterns[0]));
    tables->words = aw_arena_take_zeroed(arena, phrases, sizeof(tables->words[0]));
    tables->ids = aw_arena_take_zeroed(arena, phrases, sizeof(tables->ids[0]));
    tables->some_patterns = aw_arena_take_zeroed(arena, phrases, sizeof(tables->some_patterns[0]));
    tables->some_flags = aw_arena_take_zeroed(arena, phrases, sizeof(tables->some_flags[0]));
    tables->phrase_of = aw_arena_take_zeroed(arena, phrases, sizeof(tables->phrase_of[0]));
    return tables->atoms != NULL && tables->says != NULL && tables->memberships != NULL && tables->patterns != NULL &&
           tables->words != NULL && tables->some_patterns != NULL && tables->some_flags != NULL && tables->ids != NULL &&
           tables->phrase_of != NULL;
}

static void
use_phrase(struct tables *tables, const struct aw_draft_phrase *phrase, uint32_t number)
{
    struct aw_rules_atom *atom = &tables->atoms[number];

    switch ((enum aw_phrase_role)phrase->role) {
    case AW_PHRASE_SAY:
        if (atom->say_count == 0)
            atom->say = tables->say_count;
        atom->say_count++;
        tables->says[tables->say_count++] = (struct aw_rules_say){.rule = phrase->owner, .value = phrase->value};
        break;
    case AW_PHRASE_MEMBER:
        if (atom->member_count == 0)
            atom->member = tables->membership_count;
        atom->member_count++;
        tables->memberships[tables->membership_count++] = phrase->owner;
        break;
    case AW_PHRASE_BAIT:
        atom->bait_languages |= 1U << phrase->owner;
        break;
    case AW_PHRASE_WORD:
        atom->word_languages |= 1U << phrase->owner;
        break;
    }
    atom->is_kept |= phrase->role != AW_PHRASE_WORD;
}

/* A literal as an expression: the library takes expressions only, and has a fast path for those that are literals. */
static const char *
make_expression(struct aw_arena *arena, const struct aw_draft_phrase *phrase)
{
    static const char special[] = "\\^$.[]|()?*+{}/-";
    char             *made = aw_arena_take(arena, 2 * phrase->pattern.len + 1);
    size_t            len = 0;

    for (size_t i = 0; made != NULL && i < phrase->pattern.len; i++) {
        char c = phrase->pattern.ptr[i];

        if (phrase->form < AW_FORM_REGEX && strchr(special, c) != NULL)
            made[len++] = '\\';
        made[len++] = c;
    }
    if (made != NULL)
        made[len] = '\0';
    return made;
}

/* Sends the atom to what will find it. */
static bool
place_atom(struct tables *tables, struct aw_arena *arena, const struct aw_draft_phrase *phrase, uint32_t number)
{
    struct aw_word_phrase words = {.pattern = phrase->pattern, .number = number, .open = phrase->form == AW_FORM_PREFIX};

    if ((phrase->form == AW_FORM_EXACT || phrase->form == AW_FORM_PREFIX) && aw_word_tree_takes(&words)) {
        tables->words[tables->word_count++] = words;
        return true;
    }
    tables->patterns[number] = make_expression(arena, phrase);
    return tables->patterns[number] != NULL;
}

static bool
fill_tables(struct tables *tables, struct aw_arena *arena, const struct aw_draft *draft)
{
    for (uint32_t i = 0; i < draft->phrase_count; i++) {
        const struct aw_draft_phrase *phrase = &draft->phrases[i];

        if (i == 0 || !is_same_atom(&draft->phrases[i - 1], phrase)) {
            uint32_t number = tables->atom_count++;

            tables->atoms[number] = (struct aw_rules_atom){.len = (uint32_t)phrase->pattern.len, .form = phrase->form};
            tables->phrase_of[number] = i;
            if (!place_atom(tables, arena, phrase, number))
                return false;
        }
        use_phrase(tables, phrase, tables->atom_count - 1);
    }
    return true;
}

/* --- the database ----------------------------------------------------------------------------------------------------------- */

static enum aw_err
explain(const struct tables *tables, const struct aw_draft *draft, const struct aw_rules_file *files, int number,
        const char *reason, struct aw_why *why)
{
    const struct aw_draft_phrase *phrase;

    if (number < 0 || (uint32_t)number >= tables->atom_count)
        return aw_why(why, AW_E_CONFIG, "the rules can't be compiled: %s", reason);
    phrase = &draft->phrases[tables->phrase_of[number]];
    return aw_why(why, AW_E_CONFIG, "%s line %" PRIu32 ": '%.*s': %s", files[phrase->file].name, phrase->line,
                  AW_SLICE_ARGS(phrase->pattern), reason);
}

/* A regular expression that may match without end would make its start, and so the words of a reason, unbounded. */
static enum aw_err
check_regexes(const struct tables *tables, const struct aw_draft *draft, const struct aw_rules_file *files, struct aw_why *why)
{
    for (uint32_t i = 0; i < tables->atom_count; i++) {
        hs_expr_info_t     *info = NULL;
        hs_compile_error_t *failed = NULL;
        enum aw_err         err = AW_OK;

        if (tables->atoms[i].form < AW_FORM_REGEX)
            continue;
        if (hs_expression_info(tables->patterns[i], HS_FLAG_SOM_LEFTMOST, &info, &failed) != HS_SUCCESS) {
            err = explain(tables, draft, files, (int)i, failed == NULL ? "no memory" : failed->message, why);
            (void)hs_free_compile_error(failed); /* succeeds with what the library gave */
            return err;
        }
        if (info->max_width == UINT32_MAX && draft->phrases[tables->phrase_of[i]].role == AW_PHRASE_SAY &&
            strstr(tables->patterns[i], "(?:") == tables->patterns[i] + 1)
            err = explain(tables, draft, files, (int)i, "has no longest match; say {0,9} instead of * or +", why);
        free(info);
        if (err != AW_OK)
            return err;
    }
    return AW_OK;
}

/* Which atoms a database finds, and whether it tells where, or only that it met one. */
enum database { OF_NUMBERS, OF_OTHERS, PROBE_OF_OTHERS };

static unsigned
flags_of(const struct aw_rules_atom *atom, enum database which)
{
    if (which == PROBE_OF_OTHERS)
        return HS_FLAG_SINGLEMATCH; /* to look for the start is what makes expressions dear */
    return atom->form >= AW_FORM_REGEX ? HS_FLAG_SOM_LEFTMOST : 0;
}

static enum aw_err
build_database(hs_database_t **ret_database, struct tables *tables, const struct aw_draft *draft,
               const struct aw_rules_file *files, enum database which, struct aw_why *why)
{
    hs_compile_error_t *failed = NULL;
    uint32_t            count = 0;
    enum aw_err         err;

    for (uint32_t i = 0; i < tables->atom_count; i++) {
        if (tables->patterns[i] == NULL || (tables->atoms[i].form == AW_FORM_NUMBERS) != (which == OF_NUMBERS))
            continue;
        tables->some_patterns[count] = tables->patterns[i];
        tables->some_flags[count] = flags_of(&tables->atoms[i], which);
        tables->ids[count++] = i;
    }
    if (count == 0)
        return AW_OK;
    switch (hs_compile_multi(tables->some_patterns, tables->some_flags, tables->ids, count, HS_MODE_BLOCK, NULL, ret_database,
                             &failed)) {
    case HS_SUCCESS:
        return AW_OK;
    case HS_NOMEM:
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    default:
        if (failed == NULL)
            return aw_why(why, AW_E_MEMORY, "no memory for the rules");
        err = explain(tables, draft, files, failed->expression < 0 ? -1 : (int)tables->ids[failed->expression], failed->message,
                      why);
        (void)hs_free_compile_error(failed); /* succeeds with what the library gave */
        return err;
    }
}

static enum aw_err
build_databases(struct aw_rules *rules, struct tables *tables, const struct aw_draft *draft, const struct aw_rules_file *files,
                struct aw_why *why)
{
    enum aw_err err;

    if (hs_valid_platform() != HS_SUCCESS)
        return aw_why(why, AW_E_CONFIG, "this processor lacks instructions that Hyperscan needs");
    err = check_regexes(tables, draft, files, why);
    if (err == AW_OK)
        err = build_database(&rules->database, tables, draft, files, OF_OTHERS, why);
    if (err == AW_OK)
        err = build_database(&rules->probe, tables, draft, files, PROBE_OF_OTHERS, why);
    if (err == AW_OK)
        err = build_database(&rules->numbers, tables, draft, files, OF_NUMBERS, why);
    return err;
}

enum aw_err
aw_rules_compile(struct aw_rules *rules, struct aw_draft *draft, const struct aw_rules_file *files, struct aw_why *why)
{
    struct tables tables = {.atom_count = 0};
    enum aw_err   err;

    if (draft->rule_count == 0)
        return aw_why(why, AW_E_CONFIG, "the files hold no rules");
    sort_phrases(draft);
    if (!take_tables(&tables, &rules->arena, draft) || !fill_tables(&tables, &rules->arena, draft))
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    err = build_databases(rules, &tables, draft, files, why);
    if (err != AW_OK)
        return err;
    if (!aw_word_tree_init(&rules->words, &rules->arena, tables.words, tables.word_count))
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    rules->rules = draft->rules;
    rules->conditions = draft->conditions;
    rules->set_refs = draft->set_refs;
    rules->atoms = tables.atoms;
    rules->says = tables.says;
    rules->memberships = tables.memberships;
    rules->set_count = draft->set_count;
    memcpy(rules->languages, draft->languages, sizeof(rules->languages));
    memcpy(rules->guards, draft->guards, sizeof(rules->guards));
    rules->counts.languages = draft->language_count - 1;
    rules->counts.rules = draft->rule_count;
    rules->counts.phrases = tables.atom_count;
    rules->counts.examples = draft->example_count;
    return AW_OK;
}
