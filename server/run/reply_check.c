/* reply_check.c - spans of a reply, told. */
#include "run/reply_check.h"

bool
aw_reply_check(const struct aw_rules_use *rules, const struct aw_outgoing_reply *reply, struct aw_arena *arena,
               struct aw_reply_check_answer *ret_answer)
{
    struct aw_outgoing_result result;
    struct aw_reply_span     *spans;

    aw_outgoing_check(rules->rules, rules->scratch, reply, &result);
    spans = aw_arena_take(arena, result.count * sizeof(spans[0]));
    if (spans == NULL && result.count > 0)
        return false;
    for (uint32_t i = 0; i < result.count; i++) {
        const struct aw_outgoing_span *span = &result.spans[i];

        spans[i] = (struct aw_reply_span){
            .words = aw_slice_of(reply->text.ptr + span->begin, span->end - span->begin), .begin = span->begin, .end = span->end};
        if (!aw_arena_copy(arena, span->kind, &spans[i].kind) || !aw_arena_copy(arena, span->rule, &spans[i].rule))
            return false;
    }
    *ret_answer =
        (struct aw_reply_check_answer){.spans = spans, .span_count = result.count, .more = result.more, .cut = result.cut};
    return true;
}
