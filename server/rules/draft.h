/* draft.h - what the files of a set say, before it is compiled: rules, conditions, examples, and every phrase spelled out.
 *
 * Who owns: everything lies in the arena of the set that is being made. Thread: the one that makes the set. Fails: AW_E_CONFIG with
 * file, line and reason; AW_E_MEMORY.
 */
#ifndef AW_RULES_DRAFT_H
#define AW_RULES_DRAFT_H

#include "base/arena.h"
#include "rules/rules.h"

#define AW_RULES_LANGUAGES_MAX  31U /* bits of a word; bit 0 is `*` */
#define AW_RULES_FILES_MAX      64U
#define AW_RULES_SETS_MAX       8192U
#define AW_RULES_FILE_BYTES_MAX (1U << 20)
#define AW_RULES_PHRASES_MAX    (1U << 18) /* spelled out, of all files */
#define AW_RULES_LINE_MAX       20000U     /* that one line may spell out */
#define AW_RULES_PHRASE_BYTES   256U
#define AW_RULES_NAME_BYTES     40U /* language.class.name, so that a reason has room for the words */
#define AW_RULES_KIND_BYTES     20U
#define AW_RULES_WEIGHT_MAX     20U
#define AW_RULES_SUM_MAX        99U

enum aw_phrase_role { AW_PHRASE_SAY, AW_PHRASE_MEMBER, AW_PHRASE_BAIT, AW_PHRASE_WORD };
/* Literals, then expressions. PREFIX: the word goes on; SUFFIX: it has begun before; INFIX: both. */
enum aw_rules_form { AW_FORM_EXACT, AW_FORM_PREFIX, AW_FORM_SUFFIX, AW_FORM_INFIX, AW_FORM_REGEX, AW_FORM_NUMBERS };
enum aw_rules_scope { AW_SCOPE_BEFORE, AW_SCOPE_AFTER, AW_SCOPE_OVER, AW_SCOPE_NEAR, AW_SCOPE_AROUND, AW_SCOPE_TEXT };

struct aw_draft_phrase {
    struct aw_slice pattern; /* folded, blanks at both ends; or a regular expression */
    struct aw_slice value;   /* of a mention; empty: its words */
    uint32_t        owner;   /* SAY: rule; MEMBER: set; BAIT and WORD: language */
    uint32_t        file, line;
    uint8_t         role;
    uint8_t         form;
};

/* A run of conditions. */
struct aw_draft_run {
    uint32_t first, count;
};
struct aw_rules_condition {
    bool     wanted; /* false: unless */
    int16_t  weight; /* 0: must be met; else what it adds to the rule's sum when it is */
    uint8_t  scope;
    uint32_t words_max; /* between; 0: no limit but the clause or sentence */
    uint32_t sets, set_count;
};
/* What the word behind a rule's name makes of it: a class, or one of these. */
enum aw_rules_guard {
    AW_GUARD_GENTLE = AW_CLASS_COUNT,
    AW_GUARD_MENTION,
    AW_GUARD_REFER,  /* of replies: sends the customer away */
    AW_GUARD_REVEAL, /* of replies: tells others too much, where they can read it */
    AW_GUARDS
};
struct aw_rules_rule {
    struct aw_slice     name; /* en.care.heart */
    struct aw_slice     kind;
    struct aw_slice     home; /* channels on which it says nothing, one blank between */
    struct aw_draft_run conditions;
    uint32_t            file, line;
    uint8_t             class_; /* AW_CLASS_NONE: gentle or a mention */
    uint8_t             language;
    bool                gentle;
    bool                mention;
    uint8_t             sum;     /* that the weights of what is met must reach; 0: the rule weighs nothing */
    uint8_t             skip;    /* words at the start that are not part of what is mentioned */
    bool                upper;   /* counts only in capitals, among small letters */
    bool                capital; /* counts only when its last word begins with one */
    uint8_t             guard;   /* a class or enum aw_rules_guard */
    bool                weighs;
    bool                has_say;
    bool                has_hit;    /* an example */
    bool                has_no_hit; /* a counter-example */
};
struct aw_draft_example {
    struct aw_slice text;
    uint32_t        rule, file, line;
    bool            must_hit;
};
struct aw_draft_set {
    struct aw_slice  name;    /* empty: of one condition */
    struct aw_slice *phrases; /* as written, alternatives spelled out */
    uint32_t         count;
    uint32_t         file;
    bool             is_used; /* by a condition: its phrases are in the draft */
};

struct aw_draft {
    struct aw_arena           *arena; /* borrows */
    struct aw_why             *why;   /* borrows */
    enum aw_rules_side         side;
    struct aw_slice            languages[AW_RULES_LANGUAGES_MAX];
    struct aw_draft_run        guards[AW_RULES_LANGUAGES_MAX][AW_GUARDS];
    struct aw_draft_phrase    *phrases;
    struct aw_rules_rule      *rules;
    struct aw_rules_condition *conditions;
    struct aw_draft_example   *examples;
    struct aw_draft_set       *sets;
    uint32_t                  *set_refs;
    uint32_t                   language_count, phrase_count, rule_count, condition_count, example_count, set_count, set_ref_count;
    /* Of the line in work. */
    const char *file_name;
    uint32_t    file, line;
    uint32_t    more; /* lines that it went on in */
};

void aw_draft_init(struct aw_draft *draft, enum aw_rules_side side, struct aw_arena *arena, struct aw_why *why);
/* Adds what one file says. Writes into the bytes, which must outlive what is made of the draft. */
AW_MUST_USE enum aw_err aw_draft_read(struct aw_draft *draft, const char *name, char *bytes, size_t len, uint32_t number);

/* --- shared by the draft's own files */

/* Sets the words, with file and line in front. */
enum aw_err aw_draft_fail(const struct aw_draft *draft, const char *format, ...) AW_PRINTF(2, 3);
/* Room for one more element of an array that has `count`; false without memory. */
AW_MUST_USE bool aw_draft_grow(struct aw_arena *arena, void *array_at, uint32_t count, size_t size);
/* Spells out the alternatives of `text`: `(a|b) $set c`. */
AW_MUST_USE enum aw_err aw_draft_expand(struct aw_draft *draft, struct aw_slice text, struct aw_slice **ret_list,
                                        uint32_t *ret_count);
/* Adds the patterns of one phrase, typos and transliterations included. */
AW_MUST_USE enum aw_err aw_draft_phrase(struct aw_draft *draft, struct aw_slice phrase, const struct aw_draft_phrase *like);
AW_MUST_USE enum aw_err aw_draft_regex(struct aw_draft *draft, struct aw_slice regex, enum aw_rules_form form,
                                       const struct aw_draft_phrase *like);
/* Adds what finds a link to `host` or below it, written with or without https://. */
AW_MUST_USE enum aw_err aw_draft_host(struct aw_draft *draft, struct aw_slice host, const struct aw_draft_phrase *like);

#endif
