/* rules_fuzz.c - any bytes as a rules file, and any bytes as a text. What lies before the first zero byte is a file; what a set was
 * made of then reads the rest. The same bytes as a whole are a text for the built-in set, whose result must lie inside them. */
#include "base/hash.h"
#include "model/limits.h"
#include "rules/rules.h"

#include "base/assert.h"

#include <stdlib.h>

#define FILE_BYTES_MAX 2048U /* compiling is slow */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_scan(const struct aw_rules *rules, struct aw_rules_scratch *scratch, struct aw_slice text)
{
    struct aw_rules_result result;

    aw_rules_scan(rules, scratch, text, AW_SLICE(""), &result);
    AW_ASSERT(result.finding_count <= AW_RULES_FINDINGS_MAX);
    AW_ASSERT(result.mention_count <= AW_RULES_MENTIONS_MAX);
    for (uint32_t i = 0; i < result.finding_count; i++) {
        AW_ASSERT(result.findings[i].words.ptr >= text.ptr && result.findings[i].words.len > 0);
        AW_ASSERT(result.findings[i].words.ptr + result.findings[i].words.len <= text.ptr + text.len);
        AW_ASSERT(result.findings[i].class_ >= result.class_);
    }
    for (uint32_t i = 0; i < result.mention_count; i++) {
        AW_ASSERT(result.mentions[i].value_len > 0 && result.mentions[i].value_len <= AW_RULES_VALUE_BYTES);
        AW_ASSERT(result.mentions[i].words.ptr + result.mentions[i].words.len <= text.ptr + text.len);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct aw_rules         *builtin;
    static struct aw_rules_scratch *builtin_scratch;
    struct aw_slice                 all = size == 0 ? AW_SLICE("") : aw_slice_of(data, size);
    struct aw_slice                 rest = all;
    struct aw_rules_file            file = {.name = "fuzz.rules"};
    struct aw_rules_scratch        *scratch;
    struct aw_rules                *rules = NULL;
    struct aw_why                   why = {.text = ""};

    if (builtin == NULL) {
        AW_ASSERT(aw_hash_init());
        AW_ASSERT(aw_rules_load(&builtin, "", &why) == AW_OK);
        builtin_scratch = aw_rules_scratch_new(builtin);
        AW_ASSERT(builtin_scratch != NULL);
    }
    if (size <= AW_TEXT_BYTES_MAX)
        check_scan(builtin, builtin_scratch, all);
    file.bytes = aw_slice_cut(&rest, '\0');
    if (file.bytes.len > FILE_BYTES_MAX || rest.len > AW_TEXT_BYTES_MAX || aw_rules_make(&rules, &file, 1, &why) != AW_OK)
        return 0;
    scratch = aw_rules_scratch_new(rules);
    AW_ASSERT(scratch != NULL);
    check_scan(rules, scratch, rest);
    aw_rules_scratch_free(&scratch);
    aw_rules_free(&rules);
    return 0;
}
