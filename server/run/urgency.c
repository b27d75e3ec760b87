/* urgency.c - facts first, then the text, then the hint. */
#include "run/urgency.h"

#include <string.h>

/* A departure within a day concerns the person today; later ones wait like any question. */
#define SOON_MS (UINT64_C(24) * 3600 * 1000)

/* Of a text's mentions; the text itself is there to be read. */
#define MENTIONS_TOLD 3U

/* Mentions that count only when they are all that a customer says, who was asked whether he still waits, or was written to after he
 * had talked about us. */
#define NOT_NEEDED AW_SLICE("not_needed")
#define OPT_OUT    AW_SLICE("opt_out")

struct reasons {
    struct aw_slice *list;
    uint32_t         count;
    struct aw_arena *arena;
    bool             failed;
};

static void
reason(struct reasons *reasons, const char *word, struct aw_slice what)
{
    struct aw_buffer buffer;

    if (reasons->count == AW_REASONS_MAX)
        return;
    aw_buffer_init(&buffer, reasons->arena);
    aw_buffer_printf(&buffer, "%s:%.*s", word, AW_SLICE_ARGS(what));
    reasons->failed |= buffer.failed;
    if (!buffer.failed)
        reasons->list[reasons->count++] = aw_buffer_slice(&buffer);
}

/* Bereavement is a human need without a clock: it asks for a gentle colleague, not for speed. */
static const struct {
    uint8_t     bit;
    bool        raises;
    const char *name;
} care_codes[] = {
    {AW_CARE_MEDICAL, true, "medical"},
    {AW_CARE_REDUCED_MOBILITY, true, "reduced_mobility"},
    {AW_CARE_SAFETY, true, "safety"},
    {AW_CARE_UNACCOMPANIED_MINOR, true, "unaccompanied_minor"},
    {AW_CARE_BEREAVEMENT, false, "bereavement"},
};

static bool
read_care(struct aw_in_message *in, const struct aw_message *message, struct reasons *reasons)
{
    bool raises = false;

    in->care = message->care;
    for (size_t i = 0; i < AW_ARRAY_LEN(care_codes); i++) {
        if ((message->care & care_codes[i].bit) == 0)
            continue;
        reason(reasons, "care", aw_slice_str(care_codes[i].name));
        raises |= care_codes[i].raises;
        in->gentle |= !care_codes[i].raises;
    }
    return raises;
}

/* The earliest departure that is still ahead. */
static const struct aw_flight *
read_flights(struct aw_in_message *in, const struct aw_message *message, aw_ms now)
{
    const struct aw_flight *next = NULL;

    for (uint32_t i = 0; i < message->flight_count; i++) {
        const struct aw_flight *flight = &message->flights[i];

        if (flight->departs_at > now && (next == NULL || flight->departs_at < next->departs_at))
            next = flight;
    }
    in->departs_at = next == NULL ? 0 : next->departs_at;
    return next;
}

static enum aw_class
read_hint(const struct aw_message *message, struct reasons *reasons)
{
    if (message->class_hint == AW_CLASS_NONE)
        return AW_CLASS_GENERAL;
    /* Only listed codes raise to care, and only a departure makes imminent: a hint alone jumps no queue. */
    if (message->class_hint == AW_CLASS_CARE || message->class_hint == AW_CLASS_IMMINENT) {
        reason(reasons, "hint-needs-facts", aw_slice_str(aw_class_name((enum aw_class)message->class_hint)));
        return AW_CLASS_DISRUPTED;
    }
    reason(reasons, "hint", aw_slice_str(aw_class_name((enum aw_class)message->class_hint)));
    return (enum aw_class)message->class_hint;
}

/* --- the text --------------------------------------------------------------------------------------------------------------- */

/* `care: medical "heart attack" (rule en.care.attack)`; long words are cut, so that the rule's name always stands there. */
static void
reason_finding(struct reasons *reasons, const struct aw_rules_finding *finding)
{
    const char *class_word = finding->gentle ? "gentle" : aw_class_name(finding->class_);
    size_t room = AW_REASON_BYTES_MAX - (strlen(class_word) + finding->kind.len + finding->rule.len + sizeof(":  \"\" (rule )"));
    struct aw_slice  words = finding->words;
    struct aw_buffer buffer;

    if (reasons->count == AW_REASONS_MAX)
        return;
    if (words.len > room) {
        words.len = room - strlen("...");
        while (words.len > 0 && ((unsigned char)words.ptr[words.len] & 0xC0) == 0x80) /* not inside a character */
            words.len--;
    }
    aw_buffer_init(&buffer, reasons->arena);
    aw_buffer_printf(&buffer, "%s: %.*s \"%.*s%s\" (rule %.*s)", class_word, AW_SLICE_ARGS(finding->kind), AW_SLICE_ARGS(words),
                     words.len < finding->words.len ? "..." : "", AW_SLICE_ARGS(finding->rule));
    reasons->failed |= buffer.failed;
    AW_ASSERT(buffer.len <= AW_REASON_BYTES_MAX);
    if (!buffer.failed)
        reasons->list[reasons->count++] = aw_buffer_slice(&buffer);
}

/* What the text names and the gateway did not: for people and for whoever links tickets, never a fact. */
static void
reason_mentions(struct reasons *reasons, const struct aw_message *message, const struct aw_rules_result *result)
{
    uint32_t told = 0;

    for (uint32_t i = 0; i < result->mention_count && told < MENTIONS_TOLD; i++) {
        const struct aw_rules_mention *mention = &result->mentions[i];
        struct aw_buffer               buffer;

        if ((message->flight_count > 0 && aw_slice_eq(mention->kind, AW_SLICE("flight"))) ||
            ((message->airport_count > 0 || message->flight_count > 0) && aw_slice_eq(mention->kind, AW_SLICE("airport"))) ||
            (message->booking.len > 0 && aw_slice_eq(mention->kind, AW_SLICE("booking"))) ||
            aw_slice_eq(mention->kind, AW_SLICE("time")) || aw_slice_eq(mention->kind, NOT_NEEDED) ||
            aw_slice_eq(mention->kind, OPT_OUT) || reasons->count == AW_REASONS_MAX)
            continue;
        aw_buffer_init(&buffer, reasons->arena);
        aw_buffer_printf(&buffer, "mentions: %.*s %.*s", AW_SLICE_ARGS(mention->kind), (int)mention->value_len, mention->value);
        reasons->failed |= buffer.failed;
        if (!buffer.failed)
            reasons->list[reasons->count++] = aw_buffer_slice(&buffer);
        told++;
    }
}

static bool
is_of_a_word(unsigned char c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* How much of what comes now says nothing: blanks, punctuation but a question mark, to whom. */
static size_t
nothing_at(struct aw_slice text)
{
    size_t len = 1;

    if (text.ptr[0] == '?' || is_of_a_word((unsigned char)text.ptr[0]))
        return 0;
    if (text.ptr[0] == '@') {
        while (len < text.len && (is_of_a_word((unsigned char)text.ptr[len]) || text.ptr[len] == '_'))
            len++;
    }
    return len;
}

/* How much of what comes now are words of a mention of this kind. Only the first of equal ones is among the mentions. */
static size_t
words_at(struct aw_slice text, const struct aw_rules_result *result, struct aw_slice kind)
{
    size_t longest = 0;

    for (uint32_t i = 0; i < result->mention_count; i++) {
        struct aw_slice words = result->mentions[i].words;

        if (words.len > longest && words.len <= text.len && aw_slice_eq(result->mentions[i].kind, kind) &&
            aw_slice_eq_nocase(words, aw_slice_of(text.ptr, words.len)) &&
            (words.len == text.len || !is_of_a_word((unsigned char)text.ptr[words.len])))
            longest = words.len;
    }
    return longest;
}

/* Whether the text says what mentions of this kind do, however often, and nothing else. */
static bool
says_only(struct aw_slice text, const struct aw_rules_result *result, struct aw_slice kind)
{
    bool says = false;

    while (text.len > 0) {
        size_t words = words_at(text, result, kind);
        size_t len = words > 0 ? words : nothing_at(text);

        if (len == 0)
            return false;
        says |= words > 0;
        text = aw_slice_of(text.ptr + len, text.len - len);
    }
    return says;
}

/* What a gateway's button says in place of words: what was written with it counts by itself. */
static bool
is_answered_so(const struct aw_message *message, struct aw_slice answer)
{
    for (size_t i = 0; i < message->text.len; i++) {
        if ((unsigned char)message->text.ptr[i] > ' ')
            return false;
    }
    for (uint32_t i = 0; i < message->meta_count; i++) {
        if (aw_slice_eq(message->meta[i].key, AW_SLICE("answer")))
            return aw_slice_eq(message->meta[i].value, answer);
    }
    return false;
}

static bool
says(const struct aw_message *message, const struct aw_rules_result *result, struct aw_slice what)
{
    return is_answered_so(message, what) || says_only(message->text, result, what);
}

/* Without a departure there is nothing that imminent could be ordered by. */
static enum aw_class
class_of(enum aw_class by_text)
{
    return by_text == AW_CLASS_IMMINENT ? AW_CLASS_DISRUPTED : by_text;
}

static void
read_text(struct aw_in_message *in, const struct aw_message *message, const struct aw_rules_use *rules,
          struct aw_rules_result *result, struct reasons *reasons)
{
    bool is_open = message->class_hint == AW_CLASS_NONE && in->class_ != AW_CLASS_CARE;
    bool decides;

    aw_rules_scan(rules->rules, rules->scratch, message->text, message->lang, result);
    in->rules_version = aw_rules_version(rules->rules);
    in->gentle |= result->gentle;
    decides = result->class_ != AW_CLASS_NONE && (is_open || class_of(result->class_) < in->class_);
    if (decides)
        in->class_ = class_of(result->class_);
    for (uint32_t i = 0; i < result->finding_count; i++) {
        if (result->findings[i].gentle || (decides && result->findings[i].class_ == result->class_))
            reason_finding(reasons, &result->findings[i]);
    }
    if (result->cut)
        reason(reasons, "text", AW_SLICE("too many phrases, the rest was not read"));
}

bool
aw_urgency_of(struct aw_in_message *in, const struct aw_message *message, aw_ms now, uint64_t backdate_ms,
              const struct aw_rules_use *rules, struct aw_arena *arena)
{
    struct reasons          reasons = {.arena = arena, .list = aw_arena_take(arena, AW_REASONS_MAX * sizeof(reasons.list[0]))};
    struct aw_rules_result  found = {.mention_count = 0};
    const struct aw_flight *flight = read_flights(in, message, now);

    if (reasons.list == NULL)
        return false;
    if (read_care(in, message, &reasons))
        in->class_ = AW_CLASS_CARE;
    else
        in->class_ = read_hint(message, &reasons);
    if (rules != NULL && message->text.len > 0)
        read_text(in, message, rules, &found, &reasons);
    if (in->class_ != AW_CLASS_CARE && !in->gentle) {
        in->not_needed = says(message, &found, NOT_NEEDED);
        in->opts_out = says(message, &found, OPT_OUT);
    }
    if (flight != NULL) {
        reason(&reasons, "departure", flight->number);
        if (flight->departs_at - now <= SOON_MS && in->class_ > AW_CLASS_DISRUPTED)
            in->class_ = AW_CLASS_DISRUPTED;
    }
    if (message->received_at != 0 && message->received_at < now && now - message->received_at <= backdate_ms)
        reason(&reasons, "age", AW_SLICE("received_at"));
    reason_mentions(&reasons, message, &found);
    in->reasons = reasons.list;
    in->reason_count = reasons.count;
    return !reasons.failed;
}
