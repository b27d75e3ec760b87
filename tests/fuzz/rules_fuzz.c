/* rules_fuzz.c - any bytes as a rules file, and any bytes as a text. What lies before the first zero byte is a file, for messages
 * and for replies; what a set was made of then reads the rest. The same bytes as a whole are a text for the built-in sets, whose
 * results must lie inside them. */
#include "base/hash.h"
#include "model/limits.h"
#include "rules/outgoing.h"

#include "base/assert.h"

#include <stdlib.h>

#define FILE_BYTES_MAX 2048U /* compiling is slow */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct aw_rules         *builtin[2];
static struct aw_rules_scratch *builtin_scratch[2];

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

/* The same text in public and not, on a channel and on none. */
static void
check_reply(const struct aw_rules *rules, struct aw_rules_scratch *scratch, struct aw_slice text)
{
    struct aw_outgoing_result seen[2];

    for (unsigned i = 0; i < 2; i++) {
        struct aw_outgoing_reply reply = {.text = text,
                                          .visibility = i == 0 ? AW_VISIBILITY_PRIVATE : AW_VISIBILITY_PUBLIC,
                                          .channel = i == 0 ? AW_SLICE("whatsapp") : AW_SLICE("")};

        aw_outgoing_check(rules, scratch, &reply, &seen[i]);
        AW_ASSERT(seen[i].count <= AW_OUTGOING_SPANS_MAX);
        for (uint32_t k = 0; k < seen[i].count; k++) {
            AW_ASSERT(seen[i].spans[k].begin < seen[i].spans[k].end && seen[i].spans[k].end <= text.len);
            AW_IMPLIES(k > 0, seen[i].spans[k - 1].begin < seen[i].spans[k].begin);
            AW_IMPLIES(k > 0, seen[i].spans[k - 1].end < seen[i].spans[k].end);
        }
    }
    AW_IMPLIES(seen[0].count > 0, seen[1].count > 0); /* what is said in public is said to more */
}

static void
check_text(const struct aw_rules *rules, struct aw_rules_scratch *scratch, struct aw_slice text, enum aw_rules_side side)
{
    if (side == AW_RULES_REPLIES)
        check_reply(rules, scratch, text);
    else
        check_scan(rules, scratch, text);
}

static void
need_builtin(enum aw_rules_side side)
{
    struct aw_why why = {.text = ""};

    if (builtin[side] != NULL)
        return;
    AW_ASSERT(aw_hash_init());
    AW_ASSERT(aw_rules_load(&builtin[side], side, "", &why) == AW_OK);
    builtin_scratch[side] = aw_rules_scratch_new(builtin[side]);
    AW_ASSERT(builtin_scratch[side] != NULL);
}

/* By libFuzzer, before it takes the time of an input: under sanitizers the compiler takes longer than an input may. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    need_builtin(AW_RULES_MESSAGES);
    need_builtin(AW_RULES_REPLIES);
    return 0;
}

static void
check_side(enum aw_rules_side side, struct aw_slice all)
{
    struct aw_slice          rest = all;
    struct aw_rules_file     file = {.name = "fuzz.rules"};
    struct aw_rules_scratch *scratch;
    struct aw_rules         *rules = NULL;
    struct aw_why            why = {.text = ""};

    need_builtin(side);
    if (all.len <= AW_TEXT_BYTES_MAX)
        check_text(builtin[side], builtin_scratch[side], all, side);
    file.bytes = aw_slice_cut(&rest, '\0');
    if (file.bytes.len > FILE_BYTES_MAX || rest.len > AW_TEXT_BYTES_MAX || aw_rules_make(&rules, side, &file, 1, &why) != AW_OK)
        return;
    scratch = aw_rules_scratch_new(rules);
    AW_ASSERT(scratch != NULL);
    check_text(rules, scratch, rest, side);
    aw_rules_scratch_free(&scratch);
    aw_rules_free(&rules);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aw_slice all = size == 0 ? AW_SLICE("") : aw_slice_of(data, size);

    check_side(AW_RULES_MESSAGES, all);
    check_side(AW_RULES_REPLIES, all);
    return 0;
}
