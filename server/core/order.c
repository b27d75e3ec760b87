#include "core/order.h"

#include "base/assert.h"

#define ALLOWED_MS_MIN UINT64_C(60000)

__extension__ typedef unsigned __int128 wide; /* products of two times in ms */

/* Time from `now` until `at`; 0 when that has passed. */
static uint64_t
until(aw_ms now, aw_ms at)
{
    return at > now ? at - now : 0;
}

static uint64_t
waited(aw_ms now, const struct aw_order_candidate *candidate)
{
    return until(candidate->age, now); /* an age ahead of us, by a slow clock, has not waited */
}

/* Rule 1: slack >= handling. */
static bool
can_be_made(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidate)
{
    return candidate->departs_at > now && until(now, candidate->departs_at) >= settings->handling_ms[AW_CLASS_IMMINENT];
}

/* The class that counts: a departure that was missed is none any more. */
static enum aw_class
class_now(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidate)
{
    if (candidate->class_ == AW_CLASS_IMMINENT && !can_be_made(settings, now, candidate))
        return AW_CLASS_DISRUPTED;
    return candidate->class_;
}

uint64_t
aw_order_allowed_ms(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidate)
{
    enum aw_class class_ = class_now(settings, now, candidate);
    uint64_t      allowed = settings->target_ms[class_];
    uint64_t      window = until(now, candidate->reply_by); /* 0: none, or over */

    if (class_ == AW_CLASS_IMMINENT) {
        uint64_t slack = until(now, candidate->departs_at);
        uint64_t usable = slack > settings->reserve_ms ? slack - settings->reserve_ms : 0;

        allowed = usable < allowed ? usable : allowed;
    }
    if (window > 0 && window >= settings->handling_ms[class_] && window < allowed)
        allowed = window;
    return allowed > ALLOWED_MS_MIN ? allowed : ALLOWED_MS_MIN;
}

uint32_t
aw_order_kappa(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidate)
{
    wide kappa = (wide)waited(now, candidate) * 1000 / aw_order_allowed_ms(settings, now, candidate);

    return kappa < UINT32_MAX ? (uint32_t)kappa : UINT32_MAX;
}

/* The rules as steps of a ladder: a lower rank goes first, whatever else. */
enum rank { RANK_CARE, RANK_DANGER, RANK_RATIO };

static enum rank
rank_of(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidate)
{
    enum aw_class class_ = class_now(settings, now, candidate);
    uint64_t      slack;

    if (class_ == AW_CLASS_CARE)
        return RANK_CARE;
    if (class_ != AW_CLASS_IMMINENT)
        return RANK_RATIO;
    slack = until(now, candidate->departs_at);
    return slack - settings->handling_ms[AW_CLASS_IMMINENT] < settings->guard_ms ? RANK_DANGER : RANK_RATIO;
}

/* Rule 3. */
static bool
is_older(const struct aw_order_candidate *a, const struct aw_order_candidate *b)
{
    return a->age != b->age ? a->age < b->age : a->id < b->id;
}

static bool
departs_before(const struct aw_order_candidate *a, const struct aw_order_candidate *b)
{
    return a->departs_at != b->departs_at ? a->departs_at < b->departs_at : is_older(a, b);
}

/* a.waited / a.allowed > b.waited / b.allowed, without dividing. */
static bool
ratio_before(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *a,
             const struct aw_order_candidate *b)
{
    wide left = (wide)waited(now, a) * aw_order_allowed_ms(settings, now, b);
    wide right = (wide)waited(now, b) * aw_order_allowed_ms(settings, now, a);

    return left != right ? left > right : is_older(a, b);
}

static bool
strict_before(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *a,
              const struct aw_order_candidate *b)
{
    enum aw_class class_a = class_now(settings, now, a);
    enum aw_class class_b = class_now(settings, now, b);

    if (class_a != class_b)
        return class_a < class_b;
    return class_a == AW_CLASS_IMMINENT ? departs_before(a, b) : is_older(a, b);
}

bool
aw_order_goes_before(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *a,
                     const struct aw_order_candidate *b)
{
    enum rank rank_a;
    enum rank rank_b;

    if (settings->order == AW_ORDER_STRICT)
        return strict_before(settings, now, a, b);
    rank_a = rank_of(settings, now, a);
    rank_b = rank_of(settings, now, b);
    if (rank_a != rank_b)
        return rank_a < rank_b;
    switch (rank_a) {
    case RANK_CARE:
        return is_older(a, b);
    case RANK_DANGER:
        return departs_before(a, b);
    case RANK_RATIO:
        return ratio_before(settings, now, a, b);
    }
    AW_UNREACHABLE();
}

size_t
aw_order_choose(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidates, size_t count)
{
    size_t best = 0;

    AW_ASSERT(count > 0);
    for (size_t i = 1; i < count; i++)
        if (aw_order_goes_before(settings, now, &candidates[i], &candidates[best]))
            best = i;
    return best;
}

enum aw_order_part
aw_order_part(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidate)
{
    if (settings->order == AW_ORDER_STRICT)
        return AW_ORDER_PART_CLASS;
    switch (rank_of(settings, now, candidate)) {
    case RANK_CARE:
        return AW_ORDER_PART_CARE;
    case RANK_DANGER:
        return AW_ORDER_PART_DEPARTURE;
    case RANK_RATIO:
        return AW_ORDER_PART_RATIO;
    }
    AW_UNREACHABLE();
}

const char *
aw_order_part_name(enum aw_order_part part)
{
    static const char *const names[] = {"care", "departure", "ratio", "class"};

    AW_ASSERT((unsigned)part < AW_ARRAY_LEN(names));
    return names[part];
}

const char *
aw_order_name(enum aw_order order)
{
    return order == AW_ORDER_STRICT ? "strict" : "ratio";
}
