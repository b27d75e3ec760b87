/* rule.c - see rule.h. The numbers are those of the design. */
#include "sim/rule.h"

#define TICK_MS   100U
#define MINUTE_MS INT64_C(60000)

static const int64_t handling_minutes[AW_CLASS_COUNT] = {10, 5, 8, 6, 4};
static const int64_t target_minutes[AW_CLASS_COUNT] = {10, 20, 60, 240, 1440};

static int64_t
tick(aw_ms time)
{
    return (int64_t)(time - time % TICK_MS);
}

/* Can its passenger still be helped before it departs? Five minutes are what that takes. */
static bool
is_makeable(int64_t now, int64_t departs_at)
{
    return departs_at > now && departs_at - now >= 5 * MINUTE_MS;
}

static enum aw_class
class_at(int64_t now, const struct rule_ticket *ticket)
{
    if (ticket->class_ != AW_CLASS_IMMINENT || ticket->departs_at == 0 || is_makeable(now, tick(ticket->departs_at)))
        return ticket->class_;
    return AW_CLASS_DISRUPTED;
}

static bool
is_in_danger(int64_t now, const struct rule_ticket *ticket)
{
    return class_at(now, ticket) == AW_CLASS_IMMINENT && ticket->departs_at != 0 &&
           tick(ticket->departs_at) - now < (5 + 25) * MINUTE_MS;
}

static int64_t
waited(int64_t now, const struct rule_ticket *ticket)
{
    return tick(ticket->age) < now ? now - tick(ticket->age) : 0;
}

static int64_t
allowed(int64_t now, const struct rule_ticket *ticket)
{
    enum aw_class class_ = class_at(now, ticket);
    int64_t       most = target_minutes[class_] * MINUTE_MS;
    int64_t       until = tick(ticket->departs_at) - now - 15 * MINUTE_MS;
    int64_t       window = tick(ticket->reply_by) - now;

    if (class_ == AW_CLASS_IMMINENT && ticket->departs_at != 0 && until < most)
        most = until;
    if (ticket->reply_by != 0 && window > 0 && window >= handling_minutes[class_] * MINUTE_MS && window < most)
        most = window;
    return most < MINUTE_MS ? MINUTE_MS : most;
}

bool
rule_overtakes(aw_ms wall, const struct rule_ticket *taken, const struct rule_ticket *other)
{
    int64_t now = (int64_t)wall;
    bool    care = class_at(now, taken) == AW_CLASS_CARE, other_care = class_at(now, other) == AW_CLASS_CARE;
    bool    danger = is_in_danger(now, taken), other_danger = is_in_danger(now, other);

    if (care || other_care)
        return other_care && (!care || tick(other->age) < tick(taken->age));
    if (danger || other_danger)
        return other_danger && (!danger || tick(other->departs_at) < tick(taken->departs_at));
    /* Which has used up the larger part of its time? */
    return (long double)waited(now, other) * (long double)allowed(now, taken) >
           (long double)waited(now, taken) * (long double)allowed(now, other);
}

/* Who could still have been helped when he wrote, and had six hours left by `at`: he is stranded when that departure is missed. */
static bool
was_near(aw_ms departs_at, aw_ms said_at, aw_ms at)
{
    return departs_at != 0 && at >= said_at && is_makeable((int64_t)said_at, (int64_t)departs_at) &&
           departs_at <= at + 360 * (aw_ms)MINUTE_MS;
}

enum aw_class
rule_class(enum aw_class said, const struct rule_flight *flight, aw_ms now, aw_ms *ret_departs_at)
{
    bool  is_moved = flight->is_planned && (flight->state != AW_FLIGHT_SCHEDULED || flight->goes_at != 0);
    bool  goes = !flight->is_planned || (flight->state != AW_FLIGHT_CANCELLED && flight->state != AW_FLIGHT_REBOOKED);
    bool  is_stranded = flight->is_planned && flight->state == AW_FLIGHT_CANCELLED;
    aw_ms departs_at = flight->is_planned && flight->goes_at != 0 ? flight->goes_at : flight->departs_at;

    *ret_departs_at = 0;
    if (flight->departs_at == 0)
        return said;
    if (is_moved && was_near(flight->departs_at, flight->said_at, flight->planned_at < now ? flight->planned_at : now))
        is_stranded = true;
    if (goes && departs_at >= flight->closed_from && departs_at < flight->closed_until) {
        is_stranded = true;
        goes = false;
    }
    if (goes && was_near(departs_at, flight->said_at, now))
        is_stranded = true;
    *ret_departs_at = goes ? departs_at : 0;
    if (said == AW_CLASS_CARE)
        return said;
    if (goes && is_makeable((int64_t)now, (int64_t)departs_at) && departs_at <= now + 360 * (aw_ms)MINUTE_MS)
        return AW_CLASS_IMMINENT;
    return is_stranded && said > AW_CLASS_DISRUPTED ? AW_CLASS_DISRUPTED : said;
}
