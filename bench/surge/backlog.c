/* backlog.c - what a desk has to do while its pulls are measured: many tickets that wait in its busy lanes, and then a trickle to
 * all lanes. A message follows from its number, so that it can be written twice. */
#include "bench/surge/source.h"

#include "base/mem.h"
#include "bench/arrivals/random.h"
#include "bench/surge/lane_sets.h"
#include "bench/surge/ledger.h"
#include "port/clock.h"
#include "proto/proto.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES     160U
#define HOUR_MS        (UINT64_C(3600) * AW_MS_PER_S)
#define AGE_MS_MAX     (4 * HOUR_MS) /* of the backlog */
#define NEW_AGE_MS_MAX (HOUR_MS / 6) /* of those who fly: they wrote a while ago at most, so others are before them */
#define FLIGHTS        200U
#define LEAD_MS_MIN    (2 * HOUR_MS)
#define LEAD_MS_MAX    (5 * HOUR_MS) /* inside imminent-h for as long as a run lasts */

struct backlog {
    const struct surge_options *options;
    bool                        is_trickle;
    uint64_t                    number;
    aw_ms                       wall;
    char                        run[32];
    char                        text[TEXT_BYTES];
};

static bool
backlog_due(void *user, aw_ns *ret_due)
{
    const struct backlog *backlog = user;

    *ret_due = backlog->is_trickle ? surge_due_of(backlog->number, backlog->options->rate) : 0;
    return backlog->is_trickle || backlog->number < backlog->options->tickets;
}

static uint32_t
lane_of(const struct backlog *backlog, struct surge_random *random)
{
    const struct surge_options *options = backlog->options;
    bool                        quiet = backlog->is_trickle && options->quiet_lanes > 0 && surge_random_chance(random, 0.5);

    if (quiet)
        return options->lanes + (uint32_t)surge_random_below(random, options->quiet_lanes);
    return (uint32_t)surge_random_below(random, options->lanes);
}

static void
fill_flight(const struct backlog *backlog, struct surge_random *random, char number[9], struct aw_flight *flight)
{
    flight->departs_at = backlog->wall + LEAD_MS_MIN + surge_random_below(random, LEAD_MS_MAX - LEAD_MS_MIN);
    flight->date_days = (uint32_t)(flight->departs_at / (24 * HOUR_MS));
    flight->date_known = true;
    (void)snprintf(number, 9, "AW%u", 1000 + (unsigned)surge_random_below(random, FLIGHTS));
    flight->number = aw_slice_str(number);
    flight->from = AW_SLICE(SURGE_AIRPORT);
    flight->to = AW_SLICE("JFK");
}

static void
backlog_write(void *user, struct aw_buffer *buffer, enum aw_media media, uint64_t *ret_key)
{
    const struct backlog *backlog = user;
    bool                  flies = !backlog->is_trickle && backlog->number < backlog->options->grounded;
    struct surge_random   random =
        surge_random_of(surge_random_mix(backlog->options->seed, 2 * backlog->number + backlog->is_trickle));
    struct aw_flight  flight = {.departs_at = 0};
    struct aw_message message = {.channel = AW_SLICE("web"),
                                 .account = AW_SLICE("main"),
                                 .lang = AW_SLICE("en"),
                                 .visibility = AW_VISIBILITY_PRIVATE,
                                 .class_hint = AW_CLASS_GENERAL};
    struct aw_writer  writer;
    char              id[64], lane[SURGE_LANE_NAME_BYTES], flight_number[9];

    (void)snprintf(id, sizeof(id), "%s-%c%llu", backlog->run, backlog->is_trickle ? 't' : 'b',
                   (unsigned long long)backlog->number);
    surge_lane_name(lane_of(backlog, &random), lane);
    message.source_id = aw_slice_str(id);
    message.customer = aw_slice_str(id);
    message.lane = aw_slice_str(lane);
    message.text = aw_slice_of(backlog->text, sizeof(backlog->text));
    if (flies) {
        fill_flight(backlog, &random, flight_number, &flight);
        message.flights = &flight;
        message.flight_count = 1;
        message.class_hint = AW_CLASS_NONE;
        message.received_at = backlog->wall - surge_random_below(&random, NEW_AGE_MS_MAX);
    } else if (!backlog->is_trickle) {
        message.class_hint = surge_random_chance(&random, 0.4) ? AW_CLASS_OTHER : AW_CLASS_GENERAL;
        message.received_at = backlog->wall - surge_random_below(&random, AGE_MS_MAX);
    }
    aw_writer_init(&writer, buffer, media);
    aw_proto_write_object(&writer, AW_OBJECT_MESSAGE, &message);
    if (aw_media_is_sequence(media))
        aw_writer_end_line(&writer);
    *ret_key = surge_source_key(message.channel, message.account, message.source_id);
}

static void
backlog_next(void *user)
{
    ((struct backlog *)user)->number++;
}

static void
backlog_fini(void *user)
{
    free(user);
}

static enum aw_err
backlog_open(struct surge_source *ret_source, const struct surge_options *options, const char *run, bool is_trickle,
             struct aw_why *why)
{
    struct backlog *backlog = aw_new(struct backlog);

    if (backlog == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    backlog->options = options;
    backlog->is_trickle = is_trickle;
    backlog->wall = aw_clock_wall();
    (void)snprintf(backlog->run, sizeof(backlog->run), "%s", run);
    for (unsigned i = 0; i < TEXT_BYTES; i++)
        backlog->text[i] = "we still wait at the gate and nobody tells us why. "[i % 51];
    *ret_source = (struct surge_source){.user = backlog,
                                        .due = backlog_due,
                                        .write = backlog_write,
                                        .next = backlog_next,
                                        .fini = backlog_fini,
                                        .expected = options->tickets,
                                        .is_closed_loop = !is_trickle};
    return AW_OK;
}

enum aw_err
surge_backlog_open(struct surge_source *ret_source, const struct surge_options *options, const char *run, struct aw_why *why)
{
    return backlog_open(ret_source, options, run, false, why);
}

enum aw_err
surge_trickle_open(struct surge_source *ret_source, const struct surge_options *options, const char *run, struct aw_why *why)
{
    return backlog_open(ret_source, options, run, true, why);
}
