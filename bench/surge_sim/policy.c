/* policy.c - the orders. */
#include "bench/surge_sim/policy.h"

#include <string.h>

/* --- where a ticket waits --------------------------------------------------------------------------------------------------- */

static struct sim_place
by_server(const struct aw_order_settings *settings, const struct sim_waiting *ticket)
{
    (void)settings;
    return (struct sim_place){.queue = ticket->now, .key = ticket->key};
}

static struct sim_place
by_age(const struct aw_order_settings *settings, const struct sim_waiting *ticket)
{
    (void)settings;
    return (struct sim_place){.queue = 0, .key = ticket->age};
}

static struct sim_place
by_due_time(const struct aw_order_settings *settings, const struct sim_waiting *ticket)
{
    return (struct sim_place){.queue = 0, .key = ticket->age + settings->target_ms[ticket->class_]};
}

static struct sim_place
by_due_second(const struct aw_order_settings *settings, const struct sim_waiting *ticket)
{
    aw_ms due = ticket->age + settings->target_ms[ticket->class_];

    return (struct sim_place){.queue = 0, .key = due - due % AW_MS_PER_S};
}

static struct sim_place
by_class(const struct aw_order_settings *settings, const struct sim_waiting *ticket)
{
    (void)settings;
    return (struct sim_place){.queue = ticket->class_, .key = ticket->age};
}

static struct sim_place
by_two_levels(const struct aw_order_settings *settings, const struct sim_waiting *ticket)
{
    (void)settings;
    return (struct sim_place){.queue = ticket->class_ <= AW_CLASS_IMMINENT ? 0 : 1, .key = ticket->age};
}

/* --- which head goes first -------------------------------------------------------------------------------------------------- */

static unsigned
choose_one_order(const struct aw_order_settings *settings, aw_ms now, const struct sim_heads *heads, uint64_t turns)
{
    (void)turns;
    return (unsigned)aw_order_choose(settings, now, heads->candidates, heads->count);
}

/* The heads come by number of their queue. */
static unsigned
choose_first(const struct aw_order_settings *settings, aw_ms now, const struct sim_heads *heads, uint64_t turns)
{
    (void)settings;
    (void)now;
    (void)heads;
    (void)turns;
    return 0;
}

static unsigned
choose_ratio(const struct aw_order_settings *settings, aw_ms now, const struct sim_heads *heads, uint64_t turns)
{
    unsigned best = 0;

    (void)turns;
    for (unsigned i = 1; i < heads->count; i++) {
        const struct aw_order_candidate *a = &heads->candidates[i];
        const struct aw_order_candidate *b = &heads->candidates[best];

        /* Waits of days times targets of days stay far below 64 bits. */
        if ((now - a->age) * settings->target_ms[b->class_] > (now - b->age) * settings->target_ms[a->class_])
            best = i;
    }
    return best;
}

/* Two of the upper level, then one of the lower. */
static unsigned
choose_two_to_one(const struct aw_order_settings *settings, aw_ms now, const struct sim_heads *heads, uint64_t turns)
{
    (void)settings;
    (void)now;
    return heads->count == 2 && turns % 3 == 2 ? 1 : 0;
}

/* Departures that can be made before all else, even `care`. */
static unsigned
choose_departures(const struct aw_order_settings *settings, aw_ms now, const struct sim_heads *heads, uint64_t turns)
{
    for (unsigned i = 0; i < heads->count; i++) {
        if (heads->candidates[i].class_ == AW_CLASS_IMMINENT)
            return i;
    }
    return choose_one_order(settings, now, heads, turns);
}

static unsigned
choose_care_alone(const struct aw_order_settings *settings, aw_ms now, const struct sim_heads *heads, uint64_t turns)
{
    (void)settings;
    (void)now;
    (void)turns;
    return heads->candidates[0].class_ == AW_CLASS_CARE ? 0 : heads->count;
}

static const struct sim_policy table[] = {
    {"fifo", "by age alone", .folds = true, .place = by_age, .choose = choose_first},
    {"edf", "earliest deadline first: age + the class's target", .folds = true, .place = by_due_time, .choose = choose_first},
    {"strict", "by class, then age", .folds = true, .place = by_class, .choose = choose_first},
    {"ratio", "delay ratio: the largest waited/target", .folds = true, .place = by_class, .choose = choose_ratio},
    {"rabbitmq", "a classic queue with a priority for each class, prefetch 1", .place = by_class, .choose = choose_first},
    {"rabbitmq-quorum", "a quorum queue: care and imminent high, the rest normal, two to one; prefetch 1", .place = by_two_levels,
     .choose = choose_two_to_one},
    {"beanstalkd", "one tube, the class as priority, then by job id", .place = by_class, .choose = choose_first},
    {"beanstalkd-due", "one tube, the second of age + target as priority, then by job id", .place = by_due_second,
     .choose = choose_first},
    {"strict-departures", "the server with order = strict: by class, imminent by departure, missed departures are disrupted",
     .folds = true, .order = AW_ORDER_STRICT, .place = by_server},
    {"guarded", "the server with order = ratio: the guarded ratio", .folds = true, .place = by_server},
    {"guarded-one-order", "the same rule, but imminent ones are found by departure alone", .folds = true, .place = by_server,
     .choose = choose_one_order},
    {"guarded-window-heads", "the same rule, but reply_by only counts for those who have waited longest", .folds = true,
     .windows = SIM_WINDOWS_HEADS, .place = by_server},
    {"guarded-no-windows", "the same rule, but reply_by counts for nobody", .folds = true, .windows = SIM_WINDOWS_NONE,
     .place = by_server},
    {"guarded-unfolded", "the same rule, but each delivery is work of its own", .place = by_server},
    {"guarded-clusters", "the same rule, and an answer to one passenger goes to all of that flight", .folds = true,
     .answers_clusters = true, .place = by_server},
    {"guarded-incidents", "the same rule, and supervisors answer incidents, which the server proposes", .folds = true,
     .answers_incidents = true, .place = by_server},
    {"guarded-deaf", "the same rule, but nobody tells the server that airports close", .folds = true, .is_deaf = true,
     .place = by_server},
    {"guarded-literal", "the same rule, but no grounded departure is looked at while one in reach waits", .folds = true,
     .holds_grounded = true, .place = by_server},
    {"departures-first", "a bound: departures that can be made before all else, even care; then the guarded ratio", .folds = true,
     .is_bound = true, .place = by_server, .choose = choose_departures},
    {"care-alone", "a bound: care by age, and nobody answers anything else", .folds = true, .is_bound = true, .place = by_class,
     .choose = choose_care_alone},
};

const struct sim_policy *
sim_policy_find(const char *name)
{
    for (unsigned i = 0; i < AW_ARRAY_LEN(table); i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

const struct sim_policy *
sim_policy_at(unsigned number)
{
    return number < AW_ARRAY_LEN(table) ? &table[number] : NULL;
}
