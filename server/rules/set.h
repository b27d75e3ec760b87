/* set.h - a compiled set, as its own files see it.
 *
 * Phrase number i, whatever finds it, is atoms[i]. All arrays lie in the set's arena and never change once aw_rules_make returned.
 */
#ifndef AW_RULES_SET_H
#define AW_RULES_SET_H

#include "base/arena.h"
#include "rules/draft.h"
#include "rules/fold.h"
#include "rules/rules.h"
#include "rules/word_tree.h"

#include <hs/hs.h>

/* What to do when a phrase is found. */
struct aw_rules_atom {
    uint32_t len; /* of the pattern, when it is a literal */
    uint32_t say, say_count;
    uint32_t member, member_count; /* of which sets, in `memberships` */
    uint32_t bait_languages;       /* bits: it is bait there */
    uint32_t word_languages;       /* bits: it is a word of theirs */
    uint8_t  form;
    bool     is_kept; /* more than a word of a language */
};
struct aw_rules_say {
    uint32_t        rule;
    struct aw_slice value;
};

struct aw_rules {
    struct aw_blocks                *blocks; /* owns */
    struct aw_arena                  arena;  /* owns */
    enum aw_rules_side               side;
    struct aw_word_tree              words;    /* phrases of whole words, most of all */
    hs_database_t                   *database; /* owns: expressions and parts of words; NULL: none */
    hs_database_t                   *probe;    /* owns: whether any of these is there at all, which is much cheaper to ask */
    hs_database_t                   *numbers;  /* owns: expressions that need a digit, for texts that have one; NULL: none */
    const struct aw_rules_rule      *rules;
    const struct aw_rules_condition *conditions;
    const struct aw_rules_atom      *atoms;
    const struct aw_rules_say       *says;
    const uint32_t                  *set_refs;
    const uint32_t                  *memberships;
    uint32_t                         set_count;
    struct aw_slice                  languages[AW_RULES_LANGUAGES_MAX];
    struct aw_draft_run              guards[AW_RULES_LANGUAGES_MAX][AW_GUARDS];
    struct aw_rules_counts           counts;
    uint32_t                         version;
};

/* A rule that was met, and by which folded bytes. */
struct aw_rules_met {
    uint32_t rule, say;
    uint32_t begin, end;
};
struct aw_rules_met_list {
    const struct aw_rules_met *list; /* borrows from the scratch, until its next scan */
    uint32_t                   count;
    bool                       cut; /* what lies behind was not looked at */
};

/* Asks all rules. */
struct aw_rules_met_list aw_rules_find(const struct aw_rules *rules, struct aw_rules_scratch *scratch, struct aw_slice text,
                                       struct aw_slice lang);
/* What a rule was met by: the part of the text that was scanned last, without the words that the rule skips. */
struct aw_slice aw_rules_words(const struct aw_rules *rules, const struct aw_rules_scratch *scratch, struct aw_slice text,
                               const struct aw_rules_met *met);
/* Whether `rule` is met by `text`, with the rule's language as the hint: for its examples. */
AW_MUST_USE bool aw_rules_meets(const struct aw_rules *rules, struct aw_rules_scratch *scratch, struct aw_slice text,
                                uint32_t rule);
/* What the last scan cost, besides the passes over the text: pairs of phrases that were looked at, and bytes. For tests: unlike
 * time it can be counted. */
uint64_t aw_rules_steps(const struct aw_rules_scratch *scratch);
/* Compiles what the draft says into `rules`, whose arena holds both. */
AW_MUST_USE enum aw_err aw_rules_compile(struct aw_rules *rules, struct aw_draft *draft, const struct aw_rules_file *files,
                                         struct aw_why *why);

#endif
