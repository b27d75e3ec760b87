#include "bench/surge_sim/watch.h"

#include "base/mem.h"

#include <stdlib.h>

#define TICK_MS 100U

struct waiting {
    uint32_t slot;
    aw_ms    asked_at;
    aw_ms    departs_at;
};

struct sim_watch {
    const struct aw_order_settings *order;      /* borrows */
    struct waiting                 *departures; /* owns: those that wait and are not grounded, in no order */
    uint32_t                       *places;     /* owns: place + 1 in that list, by slot; 0: not in it */
    uint32_t                        count;
    uint32_t                        slots_max;
    struct sim_watch_count          counted;
};

struct sim_watch *
sim_watch_new(uint32_t slots_max, const struct aw_order_settings *order)
{
    struct sim_watch *watch = aw_new(struct sim_watch);

    if (watch == NULL)
        return NULL;
    watch->order = order;
    watch->slots_max = slots_max;
    watch->departures = aw_new_array(struct waiting, slots_max);
    watch->places = aw_new_array(uint32_t, slots_max);
    if (watch->departures == NULL || watch->places == NULL)
        sim_watch_free(&watch);
    return watch;
}

void
sim_watch_free(struct sim_watch **watch)
{
    if (*watch == NULL)
        return;
    free((*watch)->departures);
    free((*watch)->places);
    free(*watch);
    *watch = NULL;
}

void
sim_watch_wait(struct sim_watch *watch, uint32_t slot, const struct sim_need *need)
{
    AW_ASSERT(slot < watch->slots_max);
    if (need->departs_at == 0 || need->grounded_at != 0 || watch->places[slot] != 0)
        return;
    watch->departures[watch->count] = (struct waiting){.slot = slot, .asked_at = need->asked_at, .departs_at = need->departs_at};
    watch->places[slot] = ++watch->count;
}

void
sim_watch_leave(struct sim_watch *watch, uint32_t slot)
{
    uint32_t place;

    AW_ASSERT(slot < watch->slots_max);
    place = watch->places[slot];
    if (place == 0)
        return;
    watch->places[slot] = 0;
    watch->departures[place - 1] = watch->departures[--watch->count];
    if (place - 1 < watch->count)
        watch->places[watch->departures[place - 1].slot] = place;
}

static aw_ms
end_of_tick(aw_ms at)
{
    return at - at % TICK_MS + TICK_MS - 1;
}

static aw_ms
time_between(aw_ms from, aw_ms until)
{
    return until > from ? until - from : 0;
}

static bool
is_in_reach(const struct sim_watch *watch, aw_ms now, const struct waiting *departure)
{
    return departure->departs_at >= now + watch->order->handling_ms[AW_CLASS_IMMINENT];
}

/* Whether it should go before a ticket without a departure that has waited since `asked_at`. */
static bool
has_better_claim(const struct sim_watch *watch, aw_ms now, const struct waiting *departure, aw_ms asked_at)
{
    const struct aw_order_settings *order = watch->order;
    uint64_t                        danger = order->handling_ms[AW_CLASS_IMMINENT] + order->guard_ms;

    if (time_between(now, end_of_tick(departure->departs_at)) < danger)
        return true;
    /* Waits of days times targets of days stay far below 64 bits. */
    return time_between(end_of_tick(departure->asked_at), now) * order->target_ms[AW_CLASS_DISRUPTED] >
           time_between(asked_at, now) * order->target_ms[AW_CLASS_IMMINENT];
}

void
sim_watch_lease(struct sim_watch *watch, aw_ms now, const struct sim_need *need, enum aw_class class_)
{
    bool is_ahead = false;
    bool is_wrong = false;

    if (watch->counted.at == 0)
        return;
    watch->counted.leases++;
    if (need->grounded_at == 0)
        return;
    watch->counted.grounded++;
    watch->counted.departed += class_ == AW_CLASS_IMMINENT;
    for (uint32_t i = 0; i < watch->count && !is_wrong; i++) {
        if (!is_in_reach(watch, now, &watch->departures[i]))
            continue;
        is_ahead = true;
        is_wrong = has_better_claim(watch, now, &watch->departures[i], need->asked_at);
    }
    watch->counted.ahead += is_ahead;
    watch->counted.wrong += is_wrong;
}

bool
sim_watch_has_departure(const struct sim_watch *watch, aw_ms now)
{
    for (uint32_t i = 0; i < watch->count; i++) {
        if (is_in_reach(watch, now, &watch->departures[i]))
            return true;
    }
    return false;
}

void
sim_watch_close(struct sim_watch *watch, aw_ms now)
{
    watch->counted.at = now;
}

struct sim_watch_count
sim_watch_count(const struct sim_watch *watch)
{
    return watch->counted;
}
