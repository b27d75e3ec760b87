/* generator.c - the cascade of first contacts, follow-ups and redeliveries.
 *
 * Second by second, the new first contacts of that second are drawn and put into a heap of events with everything that is to
 * come of earlier ones; arrivals leave it in order. What a message is about follows from its episode and number alone
 * (describe), so that a redelivery is the same message to the last byte without having been kept.
 *
 * The figures are those of real airline messages of 2015 and 2019 where there are any, and else assumptions (marked A), to be
 * varied and not tuned to.
 */
#include "bench/arrivals/generator.h"

#include "base/mem.h"
#include "bench/arrivals/random.h"
#include "model/message.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MS_PER_MIN             60000.0
#define MS_PER_HOUR            3600000.0
#define GAP_MIN_MAX            1440.0 /* longer gaps open an episode of their own */
#define SHOTS_MAX              64U
#define NUMBER_MAX             1000U
#define MAIL_BYTES             600.0
#define TEXT_BYTES_IN_MAIL_MAX (64U * 1024U - 512U)
#define MEME_MS                (30 * 60000U) /* how long one text goes round */

enum event_flag { EVENT_REDELIVERED = 1, EVENT_SHOT = 2, EVENT_DISRUPTED = 4 };

struct event {
    aw_ms    at;
    uint64_t order; /* of making: breaks ties the same way each time */
    aw_ms    written_at;
    uint64_t message;
    uint64_t customer;
    uint64_t episode;
    float    stop; /* probability that this customer stops after each message */
    uint16_t number;
    uint8_t  kind;
    uint8_t  flags;
    uint64_t spare_; /* keeps the size at a cache line */
};
AW_STATIC_ASSERT(sizeof(struct event) == 64, "the heap moves whole cache lines");

/* What differs between a normal day and a disruption. */
struct mood {
    double beta_a, beta_b; /* of the probability to stop */
    double kinds[SURGE_KIND_COUNT];
    double excite_n, excite_min;
    double redelivered, near_duplicate, bait, flight_in_text;
    double shot_height, shot_ramp_min, shot_min;
    double channels[SURGE_CHANNEL_COUNT];
    double classes[AW_CLASS_COUNT];
};

/* Continuations are one in five of the follow-ups within the median gap (19 min): so they are 1/10 of all with a median gap of
 * 4 min, as measured, and the gaps keep their distribution. Excitation A; near-duplicates in a disruption A. */
#define CONTINUATION_OF_SHORT 0.2
#define GAP_MEDIAN_MIN        19.0
static const struct mood moods[2] = {
    {.beta_a = 3.59,
     .beta_b = 1.95,
     .kinds = {[SURGE_ANSWER] = 0.333, [SURGE_NUDGE] = 0.25, [SURGE_OTHER] = 0.317},
     .excite_n = 0.1,
     .excite_min = 20,
     .redelivered = 0.01,
     .near_duplicate = 0.013,
     .bait = 0.009,
     .flight_in_text = 0.075,
     .shot_height = 11,
     .shot_ramp_min = 5,
     .shot_min = 15,
     .channels = {50, 20, 20, 6, 4},
     .classes = {0.6, 13.5, 17, 32.5, 36.4}},
    {.beta_a = 3.11,
     .beta_b = 2.43,
     .kinds = {[SURGE_ANSWER] = 0.333, [SURGE_NUDGE] = 0.5, [SURGE_OTHER] = 0.067},
     .excite_n = 0.3,
     .excite_min = 10,
     .redelivered = 0.056,
     .near_duplicate = 0.03,
     .bait = 0.018,
     .flight_in_text = 0.16,
     .shot_height = 1,
     .shot_ramp_min = 0,
     .shot_min = 12,
     .channels = {40, 20, 30, 6, 4},
     .classes = {1.2, 23.5, 32.5, 33, 9.8}},
};
#define SHOT_NEAR_DUPLICATE 0.44
#define FLIGHT_GIVEN        0.5 /* A */
#define TWO_TENANTS         0.023
#define NOISE_SHAPE         (1 / (0.15 * 0.15)) /* gamma with CV 0.15 */

static const double profile[24] = {.73,  .65,  .63,  .60,  .57,  .60,  .73,  .89,  1.02, 1.08, 1.18, 1.22,
                                   1.25, 1.28, 1.27, 1.29, 1.29, 1.24, 1.18, 1.15, 1.15, 1.11, 1.03, .86};
/* People do not sleep through a disruption: the night keeps 0.8 of the day's level (1.2 of the mean). */
#define NIGHT_FLOOR 0.96

/* Shape of a surge: 1 + height * (1 - e^(-t/on)) * e^(-(t - flat)/off). A but for the height. */
#define SURGE_ON_MIN   10.0
#define SURGE_FLAT_MIN 120.0
#define SURGE_OFF_MIN  360.0

struct level {
    const char *name;
    double      first_per_s; /* mean of first contacts, before the surge */
    bool        disrupted;
    double      surge_height; /* 0: no surge, only the level */
    double      shots_per_hour;
    unsigned    shots; /* that many in the first three hours */
    uint64_t    customers;
    uint32_t    flights; /* a day */
};
/* first_per_s of N, D, K: messages a second over messages an episode. That of W is fitted to 130,000 episodes in its first
 * 12 hours. */
static const struct level levels[SURGE_LEVEL_COUNT] = {
    [SURGE_N] = {"N", 0.058 / 1.753, false, 0, 0.1 / 24, 0, 1000000, 3200},
    [SURGE_D] = {"D", 0.55 / 2.152, true, 0, 0, 0, 1000000, 3200},
    [SURGE_K] = {"K", 2.3 / 2.152, true, 0, 0, 0, 1000000, 3200},
    [SURGE_W] = {"W", 0.0264, true, 150, 0, 4, 1000000, 3200},
    [SURGE_W10] = {"W10", 0.264, true, 150, 0, 4, 10000000, 32000},
    [SURGE_W100] = {"W100", 2.64, true, 150, 0, 4, 100000000, 200000},
};
#define SHOTS_WITHIN_HOURS 3.0

struct surge_generator {
    struct surge_config config;
    const struct level *level;
    const struct mood  *mood;
    struct surge_random random;
    struct event       *heap; /* owns */
    size_t              count;
    size_t              room;
    uint64_t            orders;
    uint64_t            messages;
    uint64_t            episodes;
    uint64_t            second; /* drawn up to here */
    uint64_t            seconds;
    double              noise; /* of the hour */
    double              shots[SHOTS_MAX];
    unsigned            shot_count;
    bool                failed;
};

/* --- the heap of what is to come -------------------------------------------------------------------------------------------- */

static bool
is_before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
push(struct surge_generator *generator, struct event event)
{
    size_t at = generator->count;

    if (event.at >= (aw_ms)(generator->config.hours * MS_PER_HOUR))
        return;
    if (generator->count == generator->room) {
        size_t        room = generator->room * 2;
        struct event *heap = realloc(generator->heap, room * sizeof(*heap));

        if (heap == NULL) {
            generator->failed = true;
            return;
        }
        generator->heap = heap;
        generator->room = room;
    }
    event.order = generator->orders++;
    for (; at > 0 && is_before(&event, &generator->heap[(at - 1) / 2]); at = (at - 1) / 2)
        generator->heap[at] = generator->heap[(at - 1) / 2];
    generator->heap[at] = event;
    generator->count++;
}

static struct event
pop(struct surge_generator *generator)
{
    struct event *heap = generator->heap;
    struct event  first = heap[0];
    struct event  last = heap[--generator->count];
    size_t        at = 0;

    for (size_t child = 1; child < generator->count; child = 2 * at + 1) {
        if (child + 1 < generator->count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

/* --- first contacts --------------------------------------------------------------------------------------------------------- */

static unsigned
hour_of_day(const struct surge_generator *generator, double ms)
{
    return (generator->config.start_hour + (unsigned)(ms / MS_PER_HOUR)) % 24;
}

/* How many times the running level the shots add at this moment. */
static double
shots_at(const struct surge_generator *generator, double ms)
{
    const struct mood *mood = generator->mood;
    double             sum = 0;

    for (unsigned i = 0; i < generator->shot_count; i++) {
        double min = (ms - generator->shots[i]) / MS_PER_MIN;

        if (min < 0)
            continue;
        if (min < mood->shot_ramp_min)
            sum += mood->shot_height * min / mood->shot_ramp_min;
        else
            sum += mood->shot_height * exp(-(min - mood->shot_ramp_min) / mood->shot_min);
    }
    return sum;
}

static double
surge_at(const struct surge_generator *generator, double ms)
{
    double min = ms / MS_PER_MIN;
    double past = min > SURGE_FLAT_MIN ? min - SURGE_FLAT_MIN : 0;

    return 1 + generator->level->surge_height * (1 - exp(-min / SURGE_ON_MIN)) * exp(-past / SURGE_OFF_MIN);
}

static void
open_episode(struct surge_generator *generator, double at_ms, bool shot)
{
    const struct mood *mood = generator->mood;
    struct event       event = {
              .at = (aw_ms)at_ms,
              .episode = generator->episodes++,
              .customer = surge_random_below(&generator->random, generator->level->customers),
              .stop = (float)surge_random_beta(&generator->random, mood->beta_a, mood->beta_b),
              .kind = SURGE_FIRST,
              .flags = (uint8_t)((shot ? EVENT_SHOT : 0) | (generator->level->disrupted ? EVENT_DISRUPTED : 0)),
    };

    push(generator, event);
}

/* The first contacts of one second that nobody excited: fewer by the share that is excited, so that the mean stays. */
static void
draw_second(struct surge_generator *generator)
{
    double   ms = (double)generator->second * 1000;
    double   shape = profile[hour_of_day(generator, ms)];
    double   shots = shots_at(generator, ms);
    double   mean;
    uint64_t count;

    if (generator->second % 3600 == 0)
        generator->noise = surge_random_gamma(&generator->random, NOISE_SHAPE) / NOISE_SHAPE;
    if (generator->level->surge_height > 0 && shape < NIGHT_FLOOR)
        shape = NIGHT_FLOOR;
    mean = generator->level->first_per_s * (1 - generator->mood->excite_n) * shape * generator->noise * surge_at(generator, ms) *
           (1 + shots);
    count = surge_random_poisson(&generator->random, mean);
    for (uint64_t i = 0; i < count; i++)
        open_episode(generator, ms + 1000 * surge_random_unit(&generator->random),
                     shots > 0 && surge_random_chance(&generator->random, shots / (1 + shots)));
    generator->second++;
}

/* --- what follows from a message -------------------------------------------------------------------------------------------- */

static double
draw_gap_min(struct surge_random *random)
{
    double gap;

    do
        gap = surge_random_lognormal(random, 3.05, 2.35);
    while (gap > GAP_MIN_MAX);
    return gap;
}

static void
follow_up(struct surge_generator *generator, const struct event *event)
{
    struct surge_random *random = &generator->random;
    struct event         next = *event;
    double               gap = draw_gap_min(random);

    next.kind = (uint8_t)surge_random_pick(random, generator->mood->kinds, SURGE_KIND_COUNT);
    if (gap < GAP_MEDIAN_MIN && surge_random_chance(random, CONTINUATION_OF_SHORT))
        next.kind = SURGE_CONTINUATION;
    next.at = event->at + (aw_ms)(gap * MS_PER_MIN);
    next.number++;
    next.flags &= (uint8_t)~EVENT_SHOT;
    if (next.number < NUMBER_MAX)
        push(generator, next);
}

/* Within minutes to hours (A): between one minute and four hours, each factor alike. */
static void
redeliver(struct surge_generator *generator, const struct event *event)
{
    struct event again = *event;
    double       delay_min = exp(surge_random_unit(&generator->random) * log(240.0));

    again.at = event->at + (aw_ms)(delay_min * MS_PER_MIN);
    again.flags |= EVENT_REDELIVERED;
    push(generator, again);
}

static void
excite(struct surge_generator *generator, const struct event *event)
{
    struct surge_random *random = &generator->random;
    uint64_t             count = surge_random_poisson(random, generator->mood->excite_n);

    for (uint64_t i = 0; i < count; i++)
        open_episode(generator, (double)event->at + surge_random_exponential(random) * generator->mood->excite_min * MS_PER_MIN,
                     false);
}

/* --- what a message is about ------------------------------------------------------------------------------------------------ */

/* The share of flights that are hit grows over the first day of a disruption. */
static double
hit_share(const struct event *event)
{
    double day = (double)event->written_at / (24 * MS_PER_HOUR);

    if ((event->flags & EVENT_DISRUPTED) == 0)
        return 0.02;
    return 0.02 + (0.61 - 0.02) * (day < 1 ? day : 1);
}

static int
lead_min(struct surge_random *random, enum aw_class class_)
{
    if (class_ == AW_CLASS_IMMINENT)
        return 30 + (int)surge_random_below(random, 330);
    if (class_ != AW_CLASS_OTHER && surge_random_chance(random, 0.6))
        return -5 - (int)surge_random_below(random, 600);
    return 390 + (int)surge_random_below(random, 2880);
}

/* Flights depart at the minute of the day that their number says, so that all who write about one agree on it. */
static void
choose_flight(const struct surge_generator *generator, const struct event *event, struct surge_random *random,
              struct surge_arrival *arrival)
{
    int64_t  minute = (int64_t)((double)event->written_at / MS_PER_MIN) + lead_min(random, arrival->class_);
    int64_t  of_day = ((minute + 60 * (int64_t)generator->config.start_hour) % 1440 + 1440) % 1440;
    uint64_t rows = generator->level->flights / 1440;

    for (unsigned tries = 0; tries < 8; tries++) {
        uint64_t hit;

        arrival->flight = (uint32_t)(of_day + 1440 * (int64_t)surge_random_below(random, rows));
        hit = surge_random_mix(generator->config.seed ^ 0x666c7574, arrival->flight) % 10000;
        if ((double)hit < hit_share(event) * 10000)
            break;
    }
    arrival->departs_ms = minute * 60000;
}

static uint32_t
draw_text_bytes(struct surge_random *random, uint8_t channel, uint16_t number)
{
    /* Quantiles of 2019, to be read linearly. */
    static const double at[] = {0, 0.05, 0.5, 0.75, 0.95, 1};
    static const double bytes[] = {3, 11, 111, 194, 273, 282};
    double              unit;
    unsigned            i = 1;

    if (channel == SURGE_MAIL) { /* A; each follow-up is 5 % shorter */
        double mail = surge_random_lognormal(random, log(MAIL_BYTES), 1) * pow(0.95, number);

        return mail > TEXT_BYTES_IN_MAIL_MAX ? TEXT_BYTES_IN_MAIL_MAX : (uint32_t)mail + 1;
    }
    unit = surge_random_unit(random);
    while (unit > at[i])
        i++;
    return (uint32_t)(1.04 * (bytes[i - 1] + (bytes[i] - bytes[i - 1]) * (unit - at[i - 1]) / (at[i] - at[i - 1])));
}

static uint8_t
draw_care(struct surge_random *random)
{
    static const uint8_t codes[] = {AW_CARE_MEDICAL, AW_CARE_REDUCED_MOBILITY, AW_CARE_UNACCOMPANIED_MINOR, AW_CARE_SAFETY};
    static const double  weights[] = {4, 3, 2, 1}; /* A */

    return codes[surge_random_pick(random, weights, AW_ARRAY_LEN(codes))];
}

/* What belongs to the person: the same in every episode. */
static void
describe_customer(const struct surge_generator *generator, const struct mood *mood, struct surge_random *message,
                  struct surge_arrival *arrival)
{
    static const double langs[SURGE_LANG_COUNT] = {50, 35, 4, 2, 2, 1, 3, 3};
    struct surge_random random = surge_random_of(surge_random_mix(generator->config.seed ^ 0x63757374, arrival->customer));
    bool                second;

    arrival->lang = (uint8_t)surge_random_pick(&random, langs, SURGE_LANG_COUNT);
    arrival->channel = (uint8_t)surge_random_pick(&random, mood->channels, SURGE_CHANNEL_COUNT);
    second = surge_random_chance(&random, 0.2); /* A */
    if (surge_random_chance(&random, TWO_TENANTS))
        second = surge_random_chance(message, 0.5);
    arrival->tenant = second ? 1 : 0;
}

static void
describe(const struct surge_generator *generator, const struct event *event, struct surge_arrival *arrival)
{
    const struct mood  *mood = &moods[(event->flags & EVENT_DISRUPTED) != 0];
    uint64_t            seed = surge_random_mix(generator->config.seed ^ 0x6d657373, event->episode);
    struct surge_random episode = surge_random_of(seed);
    struct surge_random random = surge_random_of(surge_random_mix(seed, event->number + 1U));
    double              given;

    *arrival = (struct surge_arrival){
        .at = event->at,
        .written_at = event->written_at,
        .message = event->message,
        .customer = event->customer,
        .episode = event->episode,
        .number = event->number,
        .kind = (enum surge_kind)event->kind,
        .class_ = (enum aw_class)surge_random_pick(&episode, mood->classes, AW_CLASS_COUNT),
        .redelivered = (event->flags & EVENT_REDELIVERED) != 0,
        .shot = (event->flags & EVENT_SHOT) != 0,
    };
    describe_customer(generator, mood, &random, arrival);
    if (arrival->class_ == AW_CLASS_CARE)
        arrival->care = draw_care(&episode);
    else
        arrival->bait = surge_random_chance(&random, mood->bait);
    choose_flight(generator, event, &random, arrival);
    /* Half of all messages come with their flight; who is about to depart is known by it. */
    given = mood->classes[AW_CLASS_IMMINENT] / 100;
    given = arrival->class_ == AW_CLASS_IMMINENT ? 1 : (FLIGHT_GIVEN - given) / (1 - given);
    arrival->flight_given = surge_random_chance(&random, given);
    arrival->departure_given = arrival->class_ == AW_CLASS_IMMINENT || surge_random_chance(&random, 0.5);
    arrival->flight_in_text = surge_random_chance(&random, mood->flight_in_text);
    arrival->text_bytes = draw_text_bytes(&random, arrival->channel, event->number);
    arrival->near_duplicate = surge_random_chance(&random, arrival->shot ? SHOT_NEAR_DUPLICATE : mood->near_duplicate);
    arrival->text_seed = surge_random_u64(&random);
    if (arrival->near_duplicate)
        arrival->text_seed = surge_random_mix(generator->config.seed, event->written_at / MEME_MS);
}

/* --- outside ---------------------------------------------------------------------------------------------------------------- */

static void
place_shots(struct surge_generator *generator)
{
    const struct level *level = generator->level;
    double              hours = level->shots > 0 ? SHOTS_WITHIN_HOURS : generator->config.hours;
    uint64_t            count = level->shots;

    if (level->shots_per_hour > 0)
        count += surge_random_poisson(&generator->random, level->shots_per_hour * hours);
    for (uint64_t i = 0; i < count && generator->shot_count < SHOTS_MAX; i++)
        generator->shots[generator->shot_count++] = surge_random_unit(&generator->random) * hours * MS_PER_HOUR;
}

struct surge_generator *
surge_generator_new(const struct surge_config *config)
{
    struct surge_generator *generator = aw_new(struct surge_generator);

    AW_ASSERT(config->level < SURGE_LEVEL_COUNT && config->start_hour < 24 && config->hours > 0);
    if (generator == NULL)
        return NULL;
    generator->config = *config;
    generator->level = &levels[config->level];
    generator->mood = &moods[generator->level->disrupted];
    generator->random = surge_random_of(config->seed);
    generator->seconds = (uint64_t)ceil(config->hours * 3600);
    generator->room = 1024;
    generator->heap = malloc(generator->room * sizeof(*generator->heap));
    if (generator->heap == NULL)
        surge_generator_free(&generator);
    else
        place_shots(generator);
    return generator;
}

void
surge_generator_free(struct surge_generator **generator)
{
    if (*generator == NULL)
        return;
    free((*generator)->heap);
    free(*generator);
    *generator = NULL;
}

bool
surge_generator_next(struct surge_generator *generator, struct surge_arrival *ret_arrival)
{
    struct event event;

    while (generator->second < generator->seconds && (generator->count == 0 || generator->heap[0].at >= generator->second * 1000))
        draw_second(generator);
    if (generator->count == 0 || generator->failed)
        return false;
    event = pop(generator);
    if ((event.flags & EVENT_REDELIVERED) == 0) {
        event.message = generator->messages++;
        event.written_at = event.at;
        if (event.number == 0)
            excite(generator, &event);
        if (!surge_random_chance(&generator->random, (double)event.stop))
            follow_up(generator, &event);
        if (surge_random_chance(&generator->random, generator->mood->redelivered))
            redeliver(generator, &event);
    }
    describe(generator, &event, ret_arrival);
    return true;
}

bool
surge_generator_failed(const struct surge_generator *generator)
{
    return generator->failed;
}

bool
surge_level_parse(struct aw_slice word, enum surge_level *ret_level)
{
    for (unsigned i = 0; i < SURGE_LEVEL_COUNT; i++) {
        if (aw_slice_eq(word, aw_slice_str(levels[i].name))) {
            *ret_level = (enum surge_level)i;
            return true;
        }
    }
    return false;
}

const char *
surge_level_name(enum surge_level level)
{
    return levels[level].name;
}

const char *
surge_channel_name(enum surge_channel channel)
{
    static const char *const names[SURGE_CHANNEL_COUNT] = {"facebook", "twitter", "whatsapp", "mail", "web"};

    return names[channel];
}

const char *
surge_lang_name(enum surge_lang lang)
{
    static const char *const names[SURGE_LANG_COUNT] = {"en", "nl", "es", "fr", "de", "it", "pt", "sv"};

    return names[lang];
}

void
surge_flight_airports(uint32_t flight, char from[4], char to[4])
{
    static const char codes[][4] = {"NOR", "SUD", "LDX", "PRX", "MDX", "BRX", "CPX", "OSX",
                                    "WNX", "RMX", "LSX", "DBX", "NYX", "TKX", "JNX", "SPX"};
    uint64_t          mixed = surge_random_mix(0x61697270, flight);
    unsigned          a = 2 + (unsigned)(mixed % (AW_ARRAY_LEN(codes) - 2));
    unsigned          b = 2 + (unsigned)((mixed >> 16) % (AW_ARRAY_LEN(codes) - 2));

    if ((mixed >> 32) % 100 < 46) /* two hubs have that share of the flights */
        a = (unsigned)(mixed >> 40) % 2;
    if (a == b)
        b = b + 1 < AW_ARRAY_LEN(codes) ? b + 1 : 2;
    memcpy(from, codes[a], 4);
    memcpy(to, codes[b], 4);
}

void
surge_flight_number(uint32_t flight, char number[9])
{
    unsigned digits = 1 + flight % 9999;
    unsigned letter = flight / 9999;

    AW_ASSERT(letter <= 26);
    if (letter == 0)
        (void)snprintf(number, 9, "AW%u", digits);
    else
        (void)snprintf(number, 9, "AW%u%c", digits, (char)('A' + letter - 1));
}
