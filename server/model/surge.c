/* surge.c - what a surge means for a lane, a message, a pull. */
#include "model/surge.h"

#include "model/message.h"

#include <string.h>

struct aw_slice
aw_surge_text(const char *bytes, size_t bytes_max)
{
    return aw_slice_of(bytes, strnlen(bytes, bytes_max));
}

bool
aw_surge_is_same(const struct aw_surge *a, const struct aw_surge *b)
{
    const size_t from = offsetof(struct aw_surge, target_s);

    return memcmp((const char *)a + from, (const char *)b + from, sizeof(*a) - from) == 0;
}

bool
aw_surge_holds_in(const struct aw_surge *surge, uint32_t lane)
{
    if (surge->is_on == 0)
        return false;
    for (uint32_t i = 0; i < surge->lane_count; i++) {
        if (surge->lanes[i] == lane)
            return true;
    }
    return surge->lane_count == 0;
}

bool
aw_surge_holds_in_any(const struct aw_surge *surge, const uint32_t *lanes, uint32_t count)
{
    uint32_t i = 0, k = 0;

    if (surge->is_on == 0 || surge->lane_count == 0 || lanes == NULL)
        return surge->is_on != 0;
    while (i < count && k < surge->lane_count) {
        if (lanes[i] == surge->lanes[k])
            return true;
        if (lanes[i] < surge->lanes[k])
            i++;
        else
            k++;
    }
    return false;
}

static bool
has_channel(const struct aw_surge *surge, struct aw_slice channel)
{
    for (uint32_t i = 0; i < surge->channel_count; i++) {
        if (aw_slice_eq(aw_surge_text(surge->channels[i], sizeof(surge->channels[i])), channel))
            return true;
    }
    return surge->channel_count == 0;
}

static bool
has_airport(const struct aw_surge *surge, const char code[3])
{
    for (uint32_t i = 0; i < surge->airport_count; i++) {
        if (memcmp(surge->airports[i].letters, code, sizeof(surge->airports[i].letters)) == 0)
            return true;
    }
    return false;
}

static bool
has_flight(const struct aw_surge *surge, const struct aw_flight_fact *fact)
{
    for (uint32_t i = 0; fact->flight_hash != 0 && i < surge->flight_count; i++) {
        if (surge->flights[i].hash == fact->flight_hash)
            return true;
    }
    return has_airport(surge, fact->from) || has_airport(surge, fact->to);
}

bool
aw_surge_covers(const struct aw_surge *surge, const struct aw_in_message *message, uint32_t lane)
{
    if (message->addressed != AW_ADDRESSED_TO_US || !aw_surge_holds_in(surge, lane) || !has_channel(surge, message->channel))
        return false;
    for (uint32_t i = 0; i < message->flight_count; i++) {
        if (has_flight(surge, &message->flights[i]))
            return true;
    }
    for (uint32_t i = 0; i < message->airport_count; i++) {
        if (has_airport(surge, message->airports[i].letters))
            return true;
    }
    return surge->flight_count == 0 && surge->airport_count == 0;
}

static const struct aw_surge_notice *
find_notice(const struct aw_surge *surge, struct aw_slice lang)
{
    for (uint32_t i = 0; i < surge->notice_count; i++) {
        if (aw_slice_eq_nocase(aw_surge_text(surge->notices[i].lang, sizeof(surge->notices[i].lang)), lang))
            return &surge->notices[i];
    }
    return NULL;
}

struct aw_slice
aw_surge_notice(const struct aw_surge *surge, struct aw_slice lang)
{
    struct aw_slice               rest = lang;
    const struct aw_surge_notice *notice = find_notice(surge, lang);

    if (notice == NULL)
        notice = find_notice(surge, aw_slice_cut(&rest, '-'));
    if (notice == NULL)
        notice = find_notice(surge, (struct aw_slice){NULL, 0});
    return notice == NULL ? (struct aw_slice){NULL, 0} : aw_surge_text(notice->text, sizeof(notice->text));
}

struct aw_order_settings
aw_surge_apply_order(const struct aw_surge *surge, const struct aw_order_settings *order)
{
    struct aw_order_settings now = *order;

    if (surge->is_on == 0)
        return now;
    if (surge->order != AW_SURGE_ORDER_AS_SET)
        now.order = surge->order == AW_SURGE_ORDER_STRICT ? AW_ORDER_STRICT : AW_ORDER_RATIO;
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        if (surge->target_s[i] != 0)
            now.target_ms[i] = surge->target_s[i] * AW_MS_PER_S;
    }
    return now;
}
