#include "run/own_texts.h"

#include "run/api.h"
#include "run/io.h"
#include "run/reply_check.h"
#include "run/rulebook.h"

static void
refuse_text(struct aw_call *call, uint32_t i, const char *detail)
{
    struct aw_buffer field;

    aw_buffer_init(&field, aw_call_arena(call));
    aw_buffer_printf(&field, "texts[%u].text", i);
    aw_call_problem(
        call, &(struct aw_problem){.err = AW_E_BAD_VALUE, .field = aw_buffer_slice(&field), .detail = aw_slice_str(detail)});
}

static bool
check_form(struct aw_call *call, const struct aw_own_text *text, uint32_t i, uint32_t always)
{
    struct aw_wording_flaw flaw;
    struct aw_buffer       detail;

    if (aw_wording_check(text->words, AW_WORDING_ALL, always, &flaw))
        return true;
    aw_buffer_init(&detail, aw_call_arena(call));
    if (flaw.field.len > 0)
        aw_buffer_printf(&detail, "{%.*s}: ", AW_SLICE_ARGS(flaw.field));
    aw_buffer_printf(&detail, "%s (bytes %u to %u)", flaw.why, flaw.begin, flaw.end);
    aw_buffer_add(&detail, "", 1);
    refuse_text(call, i, detail.failed ? flaw.why : detail.ptr);
    return false;
}

/* As somebody will read it of whom all is known. */
static bool
render_sample(struct aw_call *call, const struct aw_own_text *text, struct aw_slice *ret_rendered)
{
    aw_ms                         now = call->io->wall;
    const struct aw_wording_facts facts = {
        .name = AW_SLICE("Robin"),
        .ticket = AW_SLICE("t-sample"),
        .flight = AW_SLICE("KL1234"),
        .departs_at = now + UINT64_C(20) * 3600 * AW_MS_PER_S,
        .new_departs_at = now + UINT64_C(26) * 3600 * AW_MS_PER_S,
        .promise = {.made_at = now,
                    .half_by = now + UINT64_C(2) * 3600 * AW_MS_PER_S,
                    .nine_of_ten_by = now + UINT64_C(5) * 3600 * AW_MS_PER_S},
    };
    struct aw_buffer words;

    aw_buffer_init(&words, aw_call_arena(call));
    aw_wording_render(&words, aw_language_of(text->lang), text->words, &facts);
    *ret_rendered = aw_buffer_slice(&words);
    return !words.failed;
}

/* False: no memory. */
static bool
check_words(struct aw_call *call, struct aw_slice words, uint8_t visibility, struct aw_reply_check_answer *ret_answer)
{
    struct aw_outgoing_reply reply = {.text = words, .visibility = visibility};

    return aw_reply_check(&call->io->rules->replies, &reply, aw_call_arena(call), ret_answer);
}

static bool
is_clean(const struct aw_reply_check_answer *answer)
{
    return answer->span_count == 0 && !answer->cut;
}

static void
refuse_words(struct aw_call *call, uint32_t i, const struct aw_reply_check_answer *answer)
{
    struct aw_buffer field;

    aw_buffer_init(&field, aw_call_arena(call));
    aw_buffer_printf(&field, "texts[%u].text", i);
    aw_call_problem(
        call, &(struct aw_problem){
                  .err = AW_E_REPLY_CHECK,
                  .field = aw_buffer_slice(&field),
                  .detail = AW_SLICE("rendered on sample data, its words send the customer elsewhere, or tell others too much"),
                  .spans = answer->spans,
                  .span_count = answer->span_count});
}

/* False: answered. */
static bool
check_one(struct aw_call *call, const struct aw_own_text *text, uint32_t i, const struct aw_own_texts_rules *rules,
          struct aw_slice *ret_rendered, bool *ret_is_private)
{
    struct aw_reply_check_answer answer, in_public;

    if (!check_form(call, text, i, rules->always))
        return false;
    if (!render_sample(call, text, ret_rendered) || !check_words(call, *ret_rendered, rules->visibility, &answer) ||
        (ret_is_private != NULL && !check_words(call, *ret_rendered, AW_VISIBILITY_PUBLIC, &in_public))) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return false;
    }
    if (!is_clean(&answer)) {
        refuse_words(call, i, &answer);
        return false;
    }
    if (ret_is_private != NULL)
        *ret_is_private |= !is_clean(&in_public);
    return true;
}

const struct aw_slice *
aw_own_texts_check(struct aw_call *call, const struct aw_own_text *texts, uint32_t count, const struct aw_own_texts_rules *rules,
                   bool *ret_is_private)
{
    struct aw_slice *rendered = aw_arena_take_zeroed(aw_call_arena(call), count + 1, sizeof(rendered[0]));
    size_t           bytes = 0;

    if (rendered == NULL) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        bytes += texts[i].words.len;
        if (!check_one(call, &texts[i], i, rules, &rendered[i], ret_is_private))
            return NULL;
    }
    if (bytes <= AW_OWN_TEXTS_BYTES_MAX)
        return rendered;
    aw_api_refuse_field(call, "texts", "all texts together have at most 6144 bytes");
    return NULL;
}
