/* synth.c - the generator's arrivals as messages. */
#include "bench/surge/source.h"

#include "base/mem.h"
#include "bench/arrivals/texts.h"
#include "bench/surge/ledger.h"
#include "proto/proto.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_ROOM (AW_TEXT_BYTES_MAX + 1024U)

struct synth {
    struct surge_generator *generator; /* owns */
    double                  speed;
    uint64_t                limit;
    uint64_t                number;
    aw_ms                   wall;
    bool                    received_at;
    bool                    more;
    struct surge_arrival    arrival;
    /* The texts of the one message being written. */
    char source_id[80];
    char customer[64];
    char thread[80];
    char in_reply_to[96];
    char flight_number[9];
    char from[4];
    char to[4];
    char text[TEXT_ROOM];
    char run[32];
};

static const char *const accounts[2] = {"main", "regional"};

static bool
synth_due(void *user, aw_ns *ret_due)
{
    const struct synth *synth = user;

    if (!synth->more || (synth->limit != 0 && synth->number >= synth->limit))
        return false;
    *ret_due = synth->speed > 0 ? surge_due_at(synth->arrival.at, synth->speed) : 0;
    return true;
}

static void
synth_next(void *user)
{
    struct synth *synth = user;

    synth->more = surge_generator_next(synth->generator, &synth->arrival);
    synth->number++;
}

static void
synth_fini(void *user)
{
    struct synth *synth = user;

    surge_generator_free(&synth->generator);
    free(synth);
}

/* Leads are kept whatever the speed: who flies in two hours says so at the moment of sending. */
static void
fill_flight(struct synth *synth, aw_ms written, struct aw_flight *flight)
{
    const struct surge_arrival *arrival = &synth->arrival;
    int64_t                     lead = arrival->departs_ms - (int64_t)arrival->written_at;

    surge_flight_number(arrival->flight, synth->flight_number);
    surge_flight_airports(arrival->flight, synth->from, synth->to);
    flight->number = aw_slice_str(synth->flight_number);
    flight->from = aw_slice_str(synth->from);
    flight->to = aw_slice_str(synth->to);
    flight->date_days = (uint32_t)(((int64_t)written + lead) / 86400000);
    flight->date_known = true;
    if (arrival->departure_given)
        flight->departs_at = (aw_ms)((int64_t)written + lead);
}

static void
fill_ids(struct synth *synth, struct aw_message *message)
{
    const struct surge_arrival *arrival = &synth->arrival;
    const char                 *channel = surge_channel_name((enum surge_channel)arrival->channel);

    (void)snprintf(synth->source_id, sizeof(synth->source_id), "%.2s-%s-%llu", channel, synth->run,
                   (unsigned long long)arrival->message);
    (void)snprintf(synth->customer, sizeof(synth->customer), "%.2s.%llu", channel, (unsigned long long)arrival->customer);
    (void)snprintf(synth->thread, sizeof(synth->thread), "t-%s-%llu", synth->run, (unsigned long long)arrival->episode);
    message->channel = aw_slice_str(channel);
    message->account = aw_slice_str(accounts[arrival->tenant]);
    message->source_id = aw_slice_str(synth->source_id);
    message->customer = aw_slice_str(synth->customer);
    message->thread = aw_slice_str(synth->thread);
    if (arrival->kind == SURGE_ANSWER) {
        (void)snprintf(synth->in_reply_to, sizeof(synth->in_reply_to), "r-%s-%llu-%u", synth->run,
                       (unsigned long long)arrival->episode, arrival->number);
        message->in_reply_to = aw_slice_str(synth->in_reply_to);
    }
}

static void
synth_write(void *user, struct aw_buffer *buffer, enum aw_media media, uint64_t *ret_key)
{
    struct synth               *synth = user;
    const struct surge_arrival *arrival = &synth->arrival;
    /* At full speed there is no intended time: everything is written now. */
    aw_ms written = synth->wall + (synth->speed > 0 ? surge_due_at(arrival->written_at, synth->speed) / AW_NS_PER_MS : 0);
    struct aw_flight  flight = {.departs_at = 0};
    struct aw_message message = {.lang = aw_slice_str(surge_lang_name((enum surge_lang)arrival->lang)),
                                 .visibility = arrival->channel == SURGE_TWITTER ? AW_VISIBILITY_PUBLIC : AW_VISIBILITY_PRIVATE,
                                 .class_hint = AW_CLASS_NONE,
                                 .care = arrival->care};
    struct aw_buffer  text;
    struct aw_writer  writer;

    fill_ids(synth, &message);
    if (arrival->class_ == AW_CLASS_DISRUPTED || arrival->class_ == AW_CLASS_GENERAL || arrival->class_ == AW_CLASS_OTHER)
        message.class_hint = (uint8_t)arrival->class_;
    if (synth->received_at)
        message.received_at = written;
    if (arrival->flight_given) {
        fill_flight(synth, written, &flight);
        message.flights = &flight;
        message.flight_count = 1;
    }
    aw_buffer_init_fixed(&text, synth->text, sizeof(synth->text));
    surge_texts_write(arrival, &text);
    AW_ASSERT(!text.failed && text.len <= AW_TEXT_BYTES_MAX);
    message.text = aw_buffer_slice(&text);
    aw_writer_init(&writer, buffer, media);
    aw_proto_write_object(&writer, AW_OBJECT_MESSAGE, &message);
    if (aw_media_is_sequence(media))
        aw_writer_end_line(&writer);
    *ret_key = surge_source_key(message.channel, message.account, message.source_id);
}

enum aw_err
surge_synth_open(struct surge_source *ret_source, const struct surge_options *options, const char *run, aw_ms wall,
                 struct aw_why *why)
{
    const struct surge_config config = {
        .seed = options->seed, .level = options->level, .hours = options->hours, .start_hour = options->start_hour};
    struct synth *synth = aw_new(struct synth);

    if (synth != NULL)
        synth->generator = surge_generator_new(&config);
    if (synth == NULL || synth->generator == NULL) {
        free(synth);
        return aw_why(why, AW_E_MEMORY, "out of memory");
    }
    synth->speed = options->speed;
    synth->limit = options->limit;
    synth->received_at = options->received_at;
    synth->wall = wall;
    (void)snprintf(synth->run, sizeof(synth->run), "%s", run);
    synth->more = surge_generator_next(synth->generator, &synth->arrival);
    *ret_source = (struct surge_source){.user = synth,
                                        .due = synth_due,
                                        .write = synth_write,
                                        .next = synth_next,
                                        .fini = synth_fini,
                                        .expected = options->limit != 0 ? options->limit : 100000,
                                        .is_closed_loop = options->speed == 0};
    return AW_OK;
}
