/* outgoing.c - what the rules for replies found, as spans of the text. */
#include "rules/outgoing.h"

#include "base/assert.h"
#include "rules/set.h"

/* On the channel that the customer uses anyway, naming it sends nobody away. */
static bool
is_home(struct aw_slice homes, struct aw_slice channel)
{
    while (homes.len > 0) {
        if (aw_slice_eq(aw_slice_cut(&homes, ' '), channel))
            return channel.len > 0;
    }
    return false;
}

static bool
counts(const struct aw_rules_rule *rule, const struct aw_outgoing_reply *reply)
{
    switch ((enum aw_rules_guard)rule->guard) {
    case AW_GUARD_REFER:
        return !is_home(rule->home, reply->channel) && !is_home(rule->home, reply->origin);
    case AW_GUARD_REVEAL:
        return reply->visibility == AW_VISIBILITY_PUBLIC;
    case AW_GUARD_GENTLE:
    case AW_GUARD_MENTION:
    case AW_GUARDS:
        break;
    }
    AW_UNREACHABLE(); /* no file for replies has another */
}

static void
remove_span(struct aw_outgoing_result *result, uint32_t at)
{
    result->count--;
    for (uint32_t i = at; i < result->count; i++)
        result->spans[i] = result->spans[i + 1];
}

static bool
is_inside(const struct aw_outgoing_span *span, const struct aw_outgoing_span *other)
{
    return other->begin <= span->begin && other->end >= span->end;
}

/* One thing is told once, by the rule that saw most of it: "please call" and "call us" are one call. False when it is told. */
static bool
join_spans(struct aw_outgoing_result *result, struct aw_outgoing_span *span)
{
    for (uint32_t i = result->count; i-- > 0;) {
        struct aw_outgoing_span other = result->spans[i];

        if (is_inside(span, &other))
            return false;
        if (is_inside(&other, span)) {
            remove_span(result, i);
        } else if (other.begin < span->end && span->begin < other.end && aw_slice_eq(other.kind, span->kind)) {
            if (other.end - other.begin > span->end - span->begin)
                span->rule = other.rule;
            span->begin = other.begin < span->begin ? other.begin : span->begin;
            span->end = other.end > span->end ? other.end : span->end;
            remove_span(result, i);
            i = result->count; /* it is longer now: what it met so far, it may hold */
        }
    }
    return true;
}

static void
add_span(struct aw_outgoing_result *result, struct aw_outgoing_span span)
{
    uint32_t at = 0;

    if (!join_spans(result, &span))
        return;
    while (at < result->count && result->spans[at].begin < span.begin)
        at++;
    result->more |= result->count == AW_OUTGOING_SPANS_MAX;
    if (at == AW_OUTGOING_SPANS_MAX)
        return;
    if (result->count < AW_OUTGOING_SPANS_MAX)
        result->count++;
    for (uint32_t i = result->count - 1; i > at; i--)
        result->spans[i] = result->spans[i - 1];
    result->spans[at] = span;
}

void
aw_outgoing_check(const struct aw_rules *rules, struct aw_rules_scratch *scratch, const struct aw_outgoing_reply *reply,
                  struct aw_outgoing_result *ret_result)
{
    struct aw_rules_met_list met;

    AW_ASSERT(rules->side == AW_RULES_REPLIES);
    ret_result->count = 0;
    ret_result->more = false;
    met = aw_rules_find(rules, scratch, reply->text, AW_SLICE(""));
    ret_result->cut = met.cut;
    for (uint32_t i = 0; i < met.count; i++) {
        const struct aw_rules_rule *rule = &rules->rules[met.list[i].rule];
        struct aw_slice             words = aw_rules_words(rules, scratch, reply->text, &met.list[i]);
        uint32_t                    begin = (uint32_t)(words.ptr - reply->text.ptr);

        if (counts(rule, reply))
            add_span(ret_result, (struct aw_outgoing_span){
                                     .kind = rule->kind, .rule = rule->name, .begin = begin, .end = begin + (uint32_t)words.len});
    }
}
