/* builtin.c - the rules that a server has without any file: the assembler puts lexicon/ in, so that there is no copy to forget.
 *
 * Another file that is built in is one more line in each of the two lists; a test compares them with the folder.
 */
#include "rules/rules.h"

#include "base/assert.h"

#define INCLUDE(name, file)                                                                                                      \
    __asm__(".section .rodata\n"                                                                                                 \
            "aw_lexicon_" #name "_begin:\n"                                                                                      \
            ".incbin \"server/rules/lexicon/" file "\"\n"                                                                        \
            "aw_lexicon_" #name "_end:\n"                                                                                        \
            ".byte 0\n"                                                                                                          \
            ".previous\n");                                                                                                      \
    extern const char aw_lexicon_##name##_begin[] __attribute__((visibility("hidden")));                                         \
    extern const char aw_lexicon_##name##_end[] __attribute__((visibility("hidden")))

INCLUDE(all, "all.rules");
INCLUDE(de_needs, "de-needs.rules");
INCLUDE(de, "de.rules");
INCLUDE(en_needs, "en-needs.rules");
INCLUDE(en, "en.rules");
INCLUDE(es_needs, "es-needs.rules");
INCLUDE(es, "es.rules");
INCLUDE(fr_needs, "fr-needs.rules");
INCLUDE(fr, "fr.rules");
INCLUDE(nl_needs, "nl-needs.rules");
INCLUDE(nl, "nl.rules");

INCLUDE(replies_all, "replies/all.rules");
INCLUDE(replies_de, "replies/de.rules");
INCLUDE(replies_en, "replies/en.rules");
INCLUDE(replies_es, "replies/es.rules");
INCLUDE(replies_fr, "replies/fr.rules");
INCLUDE(replies_nl, "replies/nl.rules");

#define COUNT       11U
#define REPLY_COUNT 6U
static struct aw_rules_file files[COUNT];
static struct aw_rules_file reply_files[REPLY_COUNT];

/* An address difference is no constant in C, so the lengths are filled in before main. */
__attribute__((constructor)) static void
fill(void)
{
    uint32_t count = 0;
    uint32_t reply_count = 0;

#define FILL_INTO(to, name, file)                                                                                                \
    to = (struct aw_rules_file){                                                                                                 \
        file, aw_slice_of(aw_lexicon_##name##_begin, (size_t)(aw_lexicon_##name##_end - aw_lexicon_##name##_begin))}
#define FILL(name, file)       FILL_INTO(files[count++], name, file)
#define FILL_REPLY(name, file) FILL_INTO(reply_files[reply_count++], replies_##name, file)
    FILL(all, "all.rules");
    FILL(de_needs, "de-needs.rules");
    FILL(de, "de.rules");
    FILL(en_needs, "en-needs.rules");
    FILL(en, "en.rules");
    FILL(es_needs, "es-needs.rules");
    FILL(es, "es.rules");
    FILL(fr_needs, "fr-needs.rules");
    FILL(fr, "fr.rules");
    FILL(nl_needs, "nl-needs.rules");
    FILL(nl, "nl.rules");
    AW_ASSERT(count == COUNT);
    FILL_REPLY(all, "all.rules");
    FILL_REPLY(de, "de.rules");
    FILL_REPLY(en, "en.rules");
    FILL_REPLY(es, "es.rules");
    FILL_REPLY(fr, "fr.rules");
    FILL_REPLY(nl, "nl.rules");
    AW_ASSERT(reply_count == REPLY_COUNT);
}

const struct aw_rules_file *
aw_rules_builtin(enum aw_rules_side side, uint32_t *ret_count)
{
    *ret_count = side == AW_RULES_REPLIES ? REPLY_COUNT : COUNT;
    return side == AW_RULES_REPLIES ? reply_files : files;
}
