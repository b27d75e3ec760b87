/* builtin.c - the rules that a server has without any file: the assembler puts lexicon/ in, so that there is no copy to forget.
 *
 * Another language that is built in is one more line in each of the two lists; a test compares them with the folder.
 */
#include "rules/rules.h"

#include "base/assert.h"

#define INCLUDE(name)                                                                                                            \
    __asm__(".section .rodata\n"                                                                                                 \
            "aw_lexicon_" #name "_begin:\n"                                                                                      \
            ".incbin \"server/rules/lexicon/" #name ".rules\"\n"                                                                 \
            "aw_lexicon_" #name "_end:\n"                                                                                        \
            ".byte 0\n"                                                                                                          \
            ".previous\n");                                                                                                      \
    extern const char aw_lexicon_##name##_begin[] __attribute__((visibility("hidden")));                                         \
    extern const char aw_lexicon_##name##_end[] __attribute__((visibility("hidden")))

INCLUDE(all);
INCLUDE(de);
INCLUDE(en);
INCLUDE(es);
INCLUDE(fr);
INCLUDE(nl);

#define COUNT 6U
static struct aw_rules_file files[COUNT];

/* An address difference is no constant in C, so the lengths are filled in before main. */
__attribute__((constructor)) static void
fill(void)
{
    uint32_t count = 0;

#define FILL(name)                                                                                                               \
    files[count++] = (struct aw_rules_file){                                                                                     \
        #name ".rules", aw_slice_of(aw_lexicon_##name##_begin, (size_t)(aw_lexicon_##name##_end - aw_lexicon_##name##_begin))}
    FILL(all);
    FILL(de);
    FILL(en);
    FILL(es);
    FILL(fr);
    FILL(nl);
    AW_ASSERT(count == COUNT);
}

const struct aw_rules_file *
aw_rules_builtin(uint32_t *ret_count)
{
    *ret_count = COUNT;
    return files;
}
