/* urgency.c - facts first, hint second. */
#include "run/urgency.h"

#include <stdio.h>

/* A departure within a day concerns the person today; later ones wait like any question. */
#define SOON_MS (UINT64_C(24) * 3600 * 1000)

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

bool
aw_urgency_of(struct aw_in_message *in, const struct aw_message *message, aw_ms now, uint64_t backdate_ms, struct aw_arena *arena)
{
    struct reasons          reasons = {.arena = arena, .list = aw_arena_take(arena, AW_REASONS_MAX * sizeof(reasons.list[0]))};
    const struct aw_flight *flight = read_flights(in, message, now);

    if (reasons.list == NULL)
        return false;
    if (read_care(in, message, &reasons))
        in->class_ = AW_CLASS_CARE;
    else
        in->class_ = read_hint(message, &reasons);
    if (flight != NULL) {
        reason(&reasons, "departure", flight->number);
        if (flight->departs_at - now <= SOON_MS && in->class_ > AW_CLASS_DISRUPTED)
            in->class_ = AW_CLASS_DISRUPTED;
    }
    if (message->received_at != 0 && message->received_at < now && now - message->received_at <= backdate_ms)
        reason(&reasons, "age", AW_SLICE("received_at"));
    in->reasons = reasons.list;
    in->reason_count = reasons.count;
    return !reasons.failed;
}
