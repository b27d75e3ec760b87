/* crowd.c - first contacts by thinning a Poisson process, or from the generator; all else by a need's own random numbers. */
#include "bench/surge_sim/crowd.h"

#include "base/mem.h"
#include "bench/arrivals/random.h"
#include "bench/surge_sim/agenda.h"

#include <math.h>
#include <stdlib.h>

#define FIRST_ROOM 4096U
/* What the random numbers of one need are for, so that no use disturbs another. */
enum purpose { FOR_KIND = 1, FOR_COPY, FOR_FOLLOW_UP, FOR_PATIENCE, FOR_HANDLING, FOR_VERIFIED, FOR_FLIGHT, FOR_WINDOW, FOR_ODD };
enum plan { PLAN_COPY, PLAN_FOLLOW_UP, PLAN_GIVE_UP };

struct sim_crowd {
    const struct sim_scenario *scenario; /* borrows */
    uint64_t                   seed;
    struct surge_random        random; /* of the first contacts */
    struct sim_need           *needs;  /* owns */
    uint32_t                  *turns;  /* owns: follow-ups so far, by need */
    uint32_t                   count;
    uint32_t                   room;
    uint64_t                   messages;
    aw_ms                      first_at; /* the next first contact; 0: none is to come */
    struct sim_agenda          agenda;   /* what those who asked will do */
    struct surge_generator    *generator;
    struct surge_arrival       arrival;  /* the next one, when first_at is set */
    uint32_t                  *episodes; /* owns: need + 1 by episode; 0: not met yet */
    uint64_t                   episode_room;
    bool                       failed;
};

static struct surge_random
random_for(const struct sim_crowd *crowd, uint32_t need, enum purpose purpose, uint64_t turn)
{
    uint64_t seed = surge_random_mix(crowd->seed, (uint64_t)need + 1);

    return surge_random_of(surge_random_mix(surge_random_mix(seed, purpose), turn));
}

static aw_ms
end_of(const struct sim_crowd *crowd)
{
    return SIM_START + (aw_ms)(crowd->scenario->hours * (double)SIM_HOUR);
}

/* --- first contacts --------------------------------------------------------------------------------------------------------- */

static void
draw_first(struct sim_crowd *crowd)
{
    const struct sim_scenario *scenario = crowd->scenario;
    double                     most = sim_scenario_load_most(scenario);
    double                     hour = (double)(crowd->first_at - SIM_START) / (double)SIM_HOUR;

    do {
        hour += surge_random_exponential(&crowd->random) / (scenario->base_per_hour * most);
        if (hour >= scenario->hours) {
            crowd->first_at = 0;
            return;
        }
    } while (!surge_random_chance(&crowd->random, sim_scenario_load(scenario, hour) / most));
    crowd->first_at = SIM_START + (aw_ms)(hour * (double)SIM_HOUR);
}

static void
draw_generated(struct sim_crowd *crowd)
{
    if (surge_generator_next(crowd->generator, &crowd->arrival)) {
        crowd->first_at = SIM_START + crowd->arrival.at;
        return;
    }
    crowd->first_at = 0;
    crowd->failed = crowd->failed || surge_generator_failed(crowd->generator);
}

static void
draw_next(struct sim_crowd *crowd)
{
    if (crowd->scenario->is_generated)
        draw_generated(crowd);
    else
        draw_first(crowd);
}

/* --- making and freeing ----------------------------------------------------------------------------------------------------- */

static bool
grow(struct sim_crowd *crowd)
{
    uint32_t         room = crowd->room == 0 ? FIRST_ROOM : crowd->room * 2;
    struct sim_need *needs = realloc(crowd->needs, room * sizeof(*needs));
    uint32_t        *turns;

    if (needs == NULL)
        return false;
    crowd->needs = needs;
    turns = realloc(crowd->turns, room * sizeof(*turns));
    if (turns == NULL)
        return false;
    crowd->turns = turns;
    crowd->room = room;
    return true;
}

struct sim_crowd *
sim_crowd_new(const struct sim_scenario *scenario, uint64_t seed)
{
    struct sim_crowd *crowd = aw_new(struct sim_crowd);

    if (crowd == NULL)
        return NULL;
    crowd->scenario = scenario;
    crowd->seed = surge_random_mix(seed, 0x63726f7764);
    crowd->random = surge_random_of(crowd->seed);
    crowd->first_at = SIM_START;
    if (scenario->is_generated) {
        struct surge_config config = {.seed = seed, .level = scenario->level, .hours = scenario->hours, .start_hour = 12};

        crowd->generator = surge_generator_new(&config);
    }
    if (!grow(crowd) || (scenario->is_generated && crowd->generator == NULL)) {
        sim_crowd_free(&crowd);
        return NULL;
    }
    draw_next(crowd);
    return crowd;
}

void
sim_crowd_free(struct sim_crowd **crowd)
{
    if (*crowd == NULL)
        return;
    surge_generator_free(&(*crowd)->generator);
    sim_agenda_fini(&(*crowd)->agenda);
    free((*crowd)->needs);
    free((*crowd)->turns);
    free((*crowd)->episodes);
    free(*crowd);
    *crowd = NULL;
}

/* --- who asks --------------------------------------------------------------------------------------------------------------- */

static void
plan(struct sim_crowd *crowd, aw_ms at, enum plan what, uint32_t need)
{
    if (at < end_of(crowd) && !sim_agenda_note(&crowd->agenda, at, what, need))
        crowd->failed = true;
}

static aw_ms
after_min(aw_ms at, double minutes)
{
    return at + (aw_ms)(minutes * (double)SIM_MIN);
}

static void
plan_follow_up(struct sim_crowd *crowd, uint32_t need, aw_ms now)
{
    struct surge_random random = random_for(crowd, need, FOR_FOLLOW_UP, crowd->turns[need]++);
    double              minutes = surge_random_exponential(&random) * 60 / crowd->scenario->follow_ups_per_hour;

    plan(crowd, after_min(now, minutes), PLAN_FOLLOW_UP, need);
}

/* What the person will do later. */
static void
plan_need(struct sim_crowd *crowd, uint32_t number)
{
    const struct sim_scenario *scenario = crowd->scenario;
    aw_ms                      asked_at = crowd->needs[number].asked_at;
    struct surge_random        random = random_for(crowd, number, FOR_COPY, 0);

    if (surge_random_chance(&random, scenario->copies))
        plan(crowd, after_min(asked_at, surge_random_exponential(&random) * scenario->copy_min), PLAN_COPY, number);
    if (scenario->follow_ups_per_hour > 0)
        plan_follow_up(crowd, number, asked_at);
    if (scenario->patience_hours > 0) {
        random = random_for(crowd, number, FOR_PATIENCE, 0);
        plan(crowd, after_min(asked_at, surge_random_exponential(&random) * scenario->patience_hours * 60), PLAN_GIVE_UP, number);
    }
}

/* Where the flight goes, and whether it can. Who asks when that is known knows it too. */
static void
describe_flight(const struct sim_crowd *crowd, uint32_t number, struct sim_need *need)
{
    const struct sim_scenario *scenario = crowd->scenario;
    struct surge_random        random = random_for(crowd, number, FOR_FLIGHT, 0);
    aw_ms                      closes_at = after_min(SIM_START, scenario->closes_hour * 60);

    need->from = (uint16_t)surge_random_below(&random, scenario->airports);
    need->to = (uint16_t)surge_random_below(&random, scenario->airports - 1);
    if (need->to >= need->from)
        need->to++;
    if ((need->from >= scenario->closing && need->to >= scenario->closing) || need->departs_at < closes_at ||
        need->departs_at >= after_min(closes_at, scenario->closed_hours * 60))
        return;
    need->grounded_at = closes_at;
    if (need->asked_at >= closes_at)
        need->class_ = AW_CLASS_DISRUPTED;
}

static void
describe(const struct sim_crowd *crowd, uint32_t number, struct sim_need *ret_need)
{
    const struct sim_scenario *scenario = crowd->scenario;
    struct surge_random        random = random_for(crowd, number, FOR_KIND, 0);
    bool                       may_cluster;

    *ret_need = (struct sim_need){.asked_at = crowd->first_at, .person = (uint64_t)number + 1};
    ret_need->class_ = (enum aw_class)surge_random_pick(&random, scenario->mix, AW_CLASS_COUNT);
    if (ret_need->class_ == AW_CLASS_IMMINENT) {
        double span = scenario->lead_min_most - scenario->lead_min_least;

        ret_need->departs_at = after_min(ret_need->asked_at, scenario->lead_min_least + span * surge_random_unit(&random));
        if (scenario->airports > 0)
            describe_flight(crowd, number, ret_need);
    }
    may_cluster = ret_need->class_ == AW_CLASS_DISRUPTED || ret_need->class_ == AW_CLASS_GENERAL;
    if (scenario->clusters > 0 && may_cluster && surge_random_chance(&random, scenario->clustered))
        ret_need->cluster = 1 + (uint32_t)surge_random_below(&random, scenario->clusters);
    random = random_for(crowd, number, FOR_ODD, 0);
    ret_need->is_odd = ret_need->cluster != 0 && surge_random_chance(&random, scenario->odd);
    random = random_for(crowd, number, FOR_WINDOW, 0);
    if (surge_random_chance(&random, scenario->windowed))
        ret_need->reply_by = after_min(ret_need->asked_at, scenario->window_hours * 60);
}

/* What the server will make of its facts, at the moment of asking. */
static void
describe_arrival(const struct sim_crowd *crowd, struct sim_need *ret_need)
{
    const struct surge_arrival *arrival = &crowd->arrival;
    int64_t                     lead = arrival->departs_ms - (int64_t)arrival->at;

    *ret_need = (struct sim_need){
        .asked_at = crowd->first_at, .person = arrival->customer * 2 + arrival->tenant + 1, .class_ = arrival->class_};
    if (arrival->flight_given && arrival->departure_given && lead > 0)
        ret_need->departs_at = ret_need->asked_at + (aw_ms)lead;
    if (ret_need->class_ != AW_CLASS_CARE && lead >= 5 * (int64_t)SIM_MIN && lead <= 6 * (int64_t)SIM_HOUR &&
        ret_need->departs_at != 0)
        ret_need->class_ = AW_CLASS_IMMINENT;
    else if (ret_need->class_ == AW_CLASS_IMMINENT)
        ret_need->class_ = AW_CLASS_DISRUPTED;
}

/* The need of the episode that the arrival belongs to; made when this is its first message. False: no memory. */
static bool
find_episode(struct sim_crowd *crowd, uint32_t *ret_number)
{
    uint64_t episode = crowd->arrival.episode;

    if (episode >= crowd->episode_room) {
        uint64_t  room = episode + episode / 2 + FIRST_ROOM;
        uint32_t *episodes = realloc(crowd->episodes, room * sizeof(*episodes));

        if (episodes == NULL)
            return false;
        for (uint64_t i = crowd->episode_room; i < room; i++)
            episodes[i] = 0;
        crowd->episodes = episodes;
        crowd->episode_room = room;
    }
    if (crowd->episodes[episode] == 0) {
        if (crowd->count == crowd->room && !grow(crowd))
            return false;
        describe_arrival(crowd, &crowd->needs[crowd->count]);
        crowd->episodes[episode] = ++crowd->count;
    }
    *ret_number = crowd->episodes[episode] - 1;
    return true;
}

static struct sim_event
take_generated(struct sim_crowd *crowd)
{
    struct sim_event event = {.at = crowd->first_at, .act = SIM_POST, .message = crowd->arrival.message + 1};

    if (!find_episode(crowd, &event.need)) {
        crowd->failed = true;
        crowd->first_at = 0;
        return event;
    }
    event.writer = crowd->needs[event.need].person * SURGE_CHANNEL_COUNT + crowd->arrival.channel;
    draw_next(crowd);
    return event;
}

static struct sim_event
post_of(struct sim_crowd *crowd, aw_ms at, uint32_t number, bool is_copy)
{
    struct surge_random random = random_for(crowd, number, FOR_VERIFIED, 0);
    struct sim_event    event = {.at = at, .act = SIM_POST, .need = number, .message = ++crowd->messages};

    event.writer = crowd->needs[number].person * 2 + (is_copy ? 1 : 0);
    if (surge_random_chance(&random, crowd->scenario->identified))
        event.verified = crowd->needs[number].person;
    return event;
}

static struct sim_event
take_first(struct sim_crowd *crowd)
{
    uint32_t         number = crowd->count;
    struct sim_event event = {.at = crowd->first_at, .act = SIM_POST};

    if (crowd->count == crowd->room && !grow(crowd)) {
        crowd->failed = true;
        crowd->first_at = 0;
        return event;
    }
    describe(crowd, number, &crowd->needs[number]);
    crowd->turns[number] = 0;
    crowd->count++;
    event = post_of(crowd, crowd->first_at, number, false);
    plan_need(crowd, number);
    draw_next(crowd);
    return event;
}

/* --- outside ---------------------------------------------------------------------------------------------------------------- */

/* The next thing that somebody who asked will do; what an answer made void is left out. */
static const struct sim_entry *
first_planned(struct sim_crowd *crowd)
{
    const struct sim_entry *entry;

    for (; (entry = sim_agenda_first(&crowd->agenda)) != NULL; sim_agenda_drop_first(&crowd->agenda)) {
        const struct sim_need *need = &crowd->needs[entry->who];

        if (entry->what == PLAN_COPY || (need->answered_at == 0 && need->left_at == 0))
            return entry;
    }
    return NULL;
}

aw_ms
sim_crowd_next_at(struct sim_crowd *crowd)
{
    const struct sim_entry *entry = first_planned(crowd);

    if (entry == NULL || (crowd->first_at != 0 && crowd->first_at <= entry->at))
        return crowd->first_at;
    return entry->at;
}

struct sim_event
sim_crowd_take(struct sim_crowd *crowd)
{
    const struct sim_entry *first = first_planned(crowd);
    struct sim_entry        entry;

    if (first == NULL || (crowd->first_at != 0 && crowd->first_at <= first->at)) {
        AW_ASSERT(crowd->first_at != 0);
        return crowd->scenario->is_generated ? take_generated(crowd) : take_first(crowd);
    }
    entry = *first;
    sim_agenda_drop_first(&crowd->agenda);
    if (entry.what == PLAN_GIVE_UP) {
        crowd->needs[entry.who].left_at = entry.at;
        return (struct sim_event){.at = entry.at, .act = SIM_GIVE_UP, .need = entry.who};
    }
    if (entry.what == PLAN_FOLLOW_UP)
        plan_follow_up(crowd, entry.who, entry.at);
    return post_of(crowd, entry.at, entry.who, entry.what == PLAN_COPY);
}

struct sim_need *
sim_crowd_need(struct sim_crowd *crowd, uint32_t need)
{
    AW_ASSERT(need < crowd->count);
    return &crowd->needs[need];
}

uint32_t
sim_crowd_count(const struct sim_crowd *crowd)
{
    return crowd->count;
}

bool
sim_crowd_failed(const struct sim_crowd *crowd)
{
    return crowd->failed;
}

double
sim_crowd_handling_min(const struct sim_crowd *crowd, uint32_t need, uint32_t turn)
{
    const struct sim_scenario *scenario = crowd->scenario;
    struct surge_random        random = random_for(crowd, need, FOR_HANDLING, turn);
    double                     variance = log(1 + scenario->handling_cv * scenario->handling_cv);
    double                     mean = scenario->handling_min[crowd->needs[need].class_];

    return surge_random_lognormal(&random, log(mean) - variance / 2, sqrt(variance));
}
