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

#define COUNT 11U
static struct aw_rules_file files[COUNT];

/* An address difference is no constant in C, so the lengths are filled in before main. */
__attribute__((constructor)) static void
fill(void)
{
    uint32_t count = 0;

#define FILL(name, file)                                                                                                         \
    files[count++] = (struct aw_rules_file){                                                                                     \
        file, aw_slice_of(aw_lexicon_##name##_begin, (size_t)(aw_lexicon_##name##_end - aw_lexicon_##name##_begin))}
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
}

const struct aw_rules_file *
aw_rules_builtin(uint32_t *ret_count)
{
    *ret_count = COUNT;
    return files;
}
