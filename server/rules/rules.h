/* rules.h - urgency and entities from the text of a message: a set of rules, compiled once, then only read.
 *
 * Sets of rules over replies are made by the same calls and read by aw_outgoing_check (outgoing.h).
 *
 * A set is made of files (*.rules, one a language; format: README.md beside this) or of those built into the program. Phrases of
 * whole words of all rules lie in one tree of words, expressions and parts of words in Hyperscan databases, so that a text costs
 * the same however many rules there are. What decides, negation and bait included, stands in the files. A set proves itself when it
 * is made: the examples in its files must come out as written.
 *
 * Who owns: the caller owns sets and scratches. A set is immutable: any number of threads may scan with it, each with a scratch of
 * its own that was made for this set. A scratch belongs to one thread at a time. aw_rules_free after the last scan.
 * Memory: all of it is taken when set and scratch are made; a scan takes none.
 * Fails: making a set, with words that name file, line and reason. A scan can't fail.
 */
#ifndef AW_RULES_RULES_H
#define AW_RULES_RULES_H

#include "base/slice.h"
#include "base/why.h"
#include "model/class.h"

#include <stdbool.h>
#include <stdint.h>

#define AW_RULES_FINDINGS_MAX 4U /* reasons that are kept of one text, most urgent first */
#define AW_RULES_MENTIONS_MAX 8U
#define AW_RULES_VALUE_BYTES  16U

struct aw_rules;
struct aw_rules_scratch;

/* Whose words a set reads: files are written, compiled and proved alike. What a rule may say differs, and replies are read in all
 * languages at once, with their links, addresses and numbers. */
enum aw_rules_side { AW_RULES_MESSAGES, AW_RULES_REPLIES };

/* A set, and a scratch that was made for it. */
struct aw_rules_use {
    const struct aw_rules   *rules;
    struct aw_rules_scratch *scratch;
};

/* One file of a set, in memory. */
struct aw_rules_file {
    const char     *name; /* for errors; "en.rules" */
    struct aw_slice bytes;
};

/* A rule that was met. */
struct aw_rules_finding {
    enum aw_class   class_; /* AW_CLASS_NONE: says nothing about the class */
    bool            gentle;
    struct aw_slice kind;  /* "medical"; borrows from the set */
    struct aw_slice rule;  /* "en.care.heart"; borrows from the set */
    struct aw_slice words; /* that met it; borrows from the text */
};
/* Something that the text names: a hint, never a fact. */
struct aw_rules_mention {
    struct aw_slice kind;                        /* "flight", "airport", "booking", "time"; borrows from the set */
    struct aw_slice words;                       /* borrows from the text */
    char            value[AW_RULES_VALUE_BYTES]; /* in capitals without blanks, or what the rule says: "KL1234", "AMS" */
    uint32_t        value_len;
};
struct aw_rules_result {
    enum aw_class           class_; /* the most urgent one found; AW_CLASS_NONE: no rule was met */
    bool                    gentle;
    bool                    cut; /* more phrases than a scratch holds, or may be compared: what lies behind was not looked at */
    uint32_t                finding_count;
    uint32_t                mention_count;
    struct aw_rules_finding findings[AW_RULES_FINDINGS_MAX];
    struct aw_rules_mention mentions[AW_RULES_MENTIONS_MAX];
};

/* Makes a set of all *.rules files of `folder`, for replies of its folder `replies`; of the built-in ones when `folder` is "" or
 * has no folder `replies`. AW_E_CONFIG: a file is wrong, or an example in it does not come out; AW_E_IO: can't be read;
 * AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_rules_load(struct aw_rules **ret_rules, enum aw_rules_side side, const char *folder,
                                      struct aw_why *why);
/* The same from memory. The bytes are copied. */
AW_MUST_USE enum aw_err aw_rules_make(struct aw_rules **ret_rules, enum aw_rules_side side, const struct aw_rules_file *files,
                                      uint32_t count, struct aw_why *why);
/* Takes the address, accepts NULL, leaves NULL. */
void aw_rules_free(struct aw_rules **rules);
/* The files that are built in; borrows for ever. */
const struct aw_rules_file *aw_rules_builtin(enum aw_rules_side side, uint32_t *ret_count);

/* Of names and contents of its files; never 0. */
uint32_t aw_rules_version(const struct aw_rules *rules);
struct aw_rules_counts {
    uint32_t files, languages, rules, phrases, examples;
};
struct aw_rules_counts aw_rules_counts(const struct aw_rules *rules);

/* NULL when out of memory. */
AW_MUST_USE struct aw_rules_scratch *aw_rules_scratch_new(const struct aw_rules *rules);
void                                 aw_rules_scratch_free(struct aw_rules_scratch **scratch);
/* What a set for messages says about `text` (at most AW_TEXT_BYTES_MAX). `lang`: BCP 47, or empty; only a hint, since the words
 * themselves tell the language better. Thread: the scratch's. */
void aw_rules_scan(const struct aw_rules *rules, struct aw_rules_scratch *scratch, struct aw_slice text, struct aw_slice lang,
                   struct aw_rules_result *ret_result);

#endif
