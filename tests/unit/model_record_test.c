/* model_record_test.c - proves that what the journal holds is read back as it was written, and that nothing else is read.
 *
 * How: commands of every kind with random contents are written, read and compared field by field; every truncation and every
 * flipped bit of records and headers must be refused; the same damage with a right CRC must be refused or read as something that
 * writes the same bytes again. Golden records in tests/golden/records.txt pin the bytes of version 1: a store written by an older
 * aswolk must be readable for ever. `model_record_test --write` prints that file.
 */
#include "model/limits.h"
#include "model/record.h"
#include "model/surge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEED   UINT64_C(0x5eed0a51)
#define ROUNDS 400U

static const enum aw_command_kind kinds[] = {AW_COMMAND_EPOCH,
                                             AW_COMMAND_SETTINGS,
                                             AW_COMMAND_LANE,
                                             AW_COMMAND_MESSAGE,
                                             AW_COMMAND_LEASE,
                                             AW_COMMAND_EXTEND,
                                             AW_COMMAND_COMPLETE,
                                             AW_COMMAND_RELEASE,
                                             AW_COMMAND_TIMER,
                                             AW_COMMAND_HOLD,
                                             AW_COMMAND_UNHOLD,
                                             AW_COMMAND_CANCEL,
                                             AW_COMMAND_FLIGHT,
                                             AW_COMMAND_AIRPORT,
                                             AW_COMMAND_UNDO,
                                             AW_COMMAND_PLACE,
                                             AW_COMMAND_DECLINE,
                                             AW_COMMAND_UNFOLD,
                                             AW_COMMAND_AGENT,
                                             AW_COMMAND_CHANNEL,
                                             AW_COMMAND_REPLY,
                                             AW_COMMAND_REPLY_LEASE,
                                             AW_COMMAND_REPLY_STATUS,
                                             AW_COMMAND_REPLY_TIMER,
                                             AW_COMMAND_REDRIVE,
                                             AW_COMMAND_TRANSFER,
                                             AW_COMMAND_NOTE,
                                             AW_COMMAND_PRESENCE,
                                             AW_COMMAND_INCIDENT,
                                             AW_COMMAND_INCIDENT_LINK,
                                             AW_COMMAND_INCIDENT_ANSWER,
                                             AW_COMMAND_INCIDENT_TIMER,
                                             AW_COMMAND_FORECAST,
                                             AW_COMMAND_PROMISE,
                                             AW_COMMAND_TEMPLATE,
                                             AW_COMMAND_SURGE,
                                             AW_COMMAND_DEFER,
                                             AW_COMMAND_APPROVE,
                                             AW_COMMAND_WITHDRAW,
                                             AW_COMMAND_OPT_OUT,
                                             AW_COMMAND_ERASE};

/* --- random commands -------------------------------------------------------------------------------------------------------- */

static uint64_t
next(uint64_t *rng)
{
    uint64_t z = (*rng += UINT64_C(0x9e3779b97f4a7c15)); /* SplitMix64 (Steele, Lea, Flood 2014) */

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t
below(uint64_t *rng, uint64_t end)
{
    return next(rng) % end;
}

/* Everything that a made command points to; freed as one. */
struct maker {
    uint64_t          rng;
    bool              fullest; /* every string and list at its limit */
    struct aw_blocks *blocks;
    struct aw_arena   arena;
};

static void *
take(struct maker *maker, size_t count, size_t size)
{
    void *ptr = aw_arena_take_zeroed(&maker->arena, count == 0 ? 1 : count, size);

    assert_non_null(ptr);
    return ptr;
}

static struct aw_slice
make_string(struct maker *maker, size_t len_min, size_t len_max)
{
    size_t len = maker->fullest ? len_max : len_min + below(&maker->rng, len_max - len_min + 1);
    char  *ptr = take(maker, len, 1);

    for (size_t i = 0; i < len; i++)
        ptr[i] = (char)next(&maker->rng);
    return aw_slice_of(ptr, len);
}

static uint32_t
make_count(struct maker *maker, uint32_t max)
{
    return maker->fullest ? max : (uint32_t)below(&maker->rng, max + 1);
}

static const struct aw_slice *
make_strings(struct maker *maker, uint32_t *ret_count, uint32_t count_max, size_t len_max)
{
    struct aw_slice *strings = take(maker, count_max, sizeof(*strings));

    *ret_count = make_count(maker, count_max);
    for (uint32_t i = 0; i < *ret_count; i++)
        strings[i] = make_string(maker, 0, len_max);
    return strings;
}

static aw_ms
make_ms(struct maker *maker)
{
    return below(&maker->rng, 4) == 0 ? 0 : below(&maker->rng, AW_MS_MAX + 1);
}

static uint64_t
make_duration(struct maker *maker)
{
    return below(&maker->rng, 4) == 0 ? 0 : below(&maker->rng, AW_DURATION_MS_MAX + 1);
}

static struct aw_hash128
make_hash(struct maker *maker)
{
    uint64_t low = next(&maker->rng);

    return (struct aw_hash128){low, next(&maker->rng)};
}

static void
make_bytes(struct maker *maker, void *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = (uint8_t)next(&maker->rng);
}

static struct aw_airport_code
make_code(struct maker *maker)
{
    struct aw_airport_code code;

    for (size_t i = 0; i < sizeof(code.letters); i++)
        code.letters[i] = (char)('A' + below(&maker->rng, 26));
    return code;
}

static void
make_airports(struct maker *maker, struct aw_in_message *message)
{
    struct aw_airport_code *airports = take(maker, AW_AIRPORTS_MAX, sizeof(*airports));

    message->airport_count = make_count(maker, AW_AIRPORTS_MAX);
    for (uint32_t i = 0; i < message->airport_count; i++)
        airports[i] = make_code(maker);
    message->airports = airports;
}

static void
make_message(struct maker *maker, struct aw_in_message *message)
{
    struct aw_hash128     *identities = take(maker, AW_IDENTITY_HASHES_MAX, sizeof(*identities));
    struct aw_flight_fact *flights = take(maker, AW_FLIGHTS_MAX, sizeof(*flights));

    *message = (struct aw_in_message){.id_hash = make_hash(maker),
                                      .in_reply_to = below(&maker->rng, 2) != 0 ? make_hash(maker) : (struct aw_hash128){0},
                                      .identities = identities,
                                      .identity_count = 1 + make_count(maker, AW_IDENTITY_HASHES_MAX - 1),
                                      .channel = make_string(maker, 1, AW_CHANNEL_BYTES_MAX),
                                      .account = make_string(maker, 1, AW_ACCOUNT_BYTES_MAX),
                                      .lang = make_string(maker, 0, AW_LANG_BYTES_MAX),
                                      .lane = make_string(maker, 0, AW_LANE_BYTES_MAX),
                                      .flights = flights,
                                      .flight_count = make_count(maker, AW_FLIGHTS_MAX),
                                      .received_at = make_ms(maker),
                                      .departs_at = make_ms(maker),
                                      .reply_by = make_ms(maker),
                                      .class_ = (enum aw_class)below(&maker->rng, AW_CLASS_COUNT),
                                      .care = (uint8_t)below(&maker->rng, 32),
                                      .visibility = (uint8_t)below(&maker->rng, 2),
                                      .addressed = (uint8_t)below(&maker->rng, 3),
                                      .gentle = below(&maker->rng, 2) != 0,
                                      .not_needed = below(&maker->rng, 2) != 0,
                                      .opts_out = below(&maker->rng, 2) != 0,
                                      .contact = below(&maker->rng, 2) != 0 ? make_hash(maker) : (struct aw_hash128){0},
                                      .rules_version = (uint32_t)next(&maker->rng)};
    make_airports(maker, message);
    if (maker->fullest || below(&maker->rng, 2) != 0)
        message->booking_hash = 1 + below(&maker->rng, UINT64_MAX);
    message->tags = make_strings(maker, &message->tag_count, AW_TAGS_MAX, AW_TAG_BYTES_MAX);
    if (maker->fullest || below(&maker->rng, 2) != 0) {
        message->reasons_bytes =
            maker->fullest ? AW_REASONS_ENCODED_BYTES_MAX : 1 + (uint32_t)below(&maker->rng, AW_REASONS_ENCODED_BYTES_MAX);
        message->posted_hash = 1 + below(&maker->rng, UINT64_MAX);
    }
    for (uint32_t i = 0; i < message->identity_count; i++)
        identities[i] = make_hash(maker);
    for (uint32_t i = 0; i < message->flight_count; i++) {
        flights[i] = (struct aw_flight_fact){.flight_hash = next(&maker->rng), .departs_at = make_ms(maker)};
        make_bytes(maker, flights[i].from, sizeof(flights[i].from));
        make_bytes(maker, flights[i].to, sizeof(flights[i].to));
    }
    make_bytes(maker, message->body_hash.bytes, sizeof(message->body_hash.bytes));
}

static void
make_outcome(struct maker *maker, struct aw_out_message *out)
{
    *out = (struct aw_out_message){.class_ = (enum aw_class)below(&maker->rng, AW_CLASS_COUNT),
                                   .folded = below(&maker->rng, 2) != 0,
                                   .reopened = below(&maker->rng, 2) != 0,
                                   .lane_unknown = below(&maker->rng, 2) != 0,
                                   .opted_out = below(&maker->rng, 2) != 0,
                                   .lane = (uint32_t)next(&maker->rng),
                                   .ticket = {next(&maker->rng), (uint32_t)next(&maker->rng), (uint8_t)next(&maker->rng)},
                                   .related = {next(&maker->rng), (uint32_t)next(&maker->rng), (uint8_t)next(&maker->rng)}};
    if (maker->fullest || below(&maker->rng, 2) != 0)
        out->promise =
            (struct aw_promise){.made_at = 1 + make_ms(maker) / 2, .half_by = make_ms(maker), .nine_of_ten_by = make_ms(maker)};
}

static void
make_forecast(struct maker *maker, struct aw_in_forecast *forecast)
{
    struct aw_told_wait  *waits = take(maker, AW_PROMISE_WAITS, sizeof(*waits));
    uint32_t              count = make_count(maker, AW_PROMISE_LANES_MAX);
    struct aw_lane_group *lanes = take(maker, count, sizeof(*lanes));

    for (uint32_t i = 0; i < AW_PROMISE_WAITS; i++) {
        for (unsigned share = 0; share < AW_SHARES; share++) {
            waits[i].raw_s[share] =
                maker->fullest ? AW_PROMISE_RAW_S_MAX : (uint32_t)below(&maker->rng, AW_PROMISE_RAW_S_MAX + 1);
            waits[i].steps[share] =
                maker->fullest ? AW_PROMISE_STEPS_MAX : (uint16_t)below(&maker->rng, AW_PROMISE_STEPS_MAX + 1);
        }
    }
    for (uint32_t i = 0; i < count; i++)
        lanes[i] = (struct aw_lane_group){maker->fullest ? UINT16_MAX : (uint16_t)next(&maker->rng), (uint8_t)next(&maker->rng)};
    *forecast = (struct aw_in_forecast){.group = (uint32_t)below(&maker->rng, AW_PROMISE_GROUPS_MAX),
                                        .base = make_ms(maker),
                                        .waits = waits,
                                        .lanes = lanes,
                                        .lane_count = count};
}

static void
make_lane(struct maker *maker, struct aw_in_lane *lane)
{
    struct aw_lane_match  *match = &lane->match;
    struct aw_lane_helper *helpers = take(maker, AW_LANE_HELPERS_MAX, sizeof(*helpers));

    *lane = (struct aw_in_lane){.name = make_string(maker, 1, AW_LANE_BYTES_MAX),
                                .pause = (enum aw_lane_pause)below(&maker->rng, 4),
                                .if_match.version = next(&maker->rng),
                                .only_create = below(&maker->rng, 2) != 0,
                                .helpers = helpers,
                                .helper_count = make_count(maker, AW_LANE_HELPERS_MAX)};
    for (uint32_t i = 0; i < lane->helper_count; i++)
        helpers[i] =
            (struct aw_lane_helper){.lane = make_string(maker, 0, AW_LANE_BYTES_MAX), .after_s = (uint32_t)next(&maker->rng)};
    match->langs = make_strings(maker, &match->lang_count, AW_LANE_MATCH_MAX, AW_LANG_BYTES_MAX);
    match->channels = make_strings(maker, &match->channel_count, AW_LANE_MATCH_MAX, AW_CHANNEL_BYTES_MAX);
    match->accounts = make_strings(maker, &match->account_count, AW_LANE_MATCH_MAX, AW_ACCOUNT_BYTES_MAX);
    match->tags = make_strings(maker, &match->tag_count, AW_LANE_MATCH_MAX, AW_TAG_BYTES_MAX);
}

static void
make_agent(struct maker *maker, struct aw_in_agent *agent)
{
    struct aw_agent_units *units;
    uint32_t              *lanes, lane = 0;

    *agent = (struct aw_in_agent){.name = make_string(maker, 1, AW_AGENT_BYTES_MAX),
                                  .lane_count = maker->fullest ? AW_LANES_PER_PULL_MAX : make_count(maker, 60),
                                  .is_gentle = below(&maker->rng, 2) != 0,
                                  .barred = (uint8_t)below(&maker->rng, AW_CLASSES_ALL),
                                  .needs_approval = below(&maker->rng, 2) != 0,
                                  .unit_count = make_count(maker, AW_CHANNELS_MAX),
                                  .units_total = (uint32_t)next(&maker->rng),
                                  .by = make_string(maker, 0, AW_AGENT_BYTES_MAX),
                                  .if_match.version = next(&maker->rng)};
    lanes = take(maker, agent->lane_count, sizeof(*lanes));
    for (uint32_t i = 0; i < agent->lane_count; i++) {
        lanes[i] = lane + (uint32_t)below(&maker->rng, 60);
        lane = lanes[i] + 1;
    }
    agent->lanes = agent->lane_count > 0 ? lanes : NULL;
    units = take(maker, agent->unit_count, sizeof(*units));
    for (uint32_t i = 0; i < agent->unit_count; i++)
        units[i] = (struct aw_agent_units){.channel = make_string(maker, 0, AW_CHANNEL_BYTES_MAX),
                                           .units = (uint32_t)below(&maker->rng, AW_AGENT_UNITS_MAX + 1)};
    agent->units = units;
}

static void
make_reply(struct maker *maker, struct aw_in_reply *reply)
{
    *reply = (struct aw_in_reply){
        .is_there = true,
        .is_bulk = below(&maker->rng, 2) != 0,
        .is_override = below(&maker->rng, 2) != 0,
        .visibility = (uint8_t)below(&maker->rng, 2),
        .to = {.seq = 1 + below(&maker->rng, UINT64_MAX)},
        .to_ticket = {.seq = next(&maker->rng), .slot = (uint32_t)next(&maker->rng), .shard = (uint8_t)next(&maker->rng)},
        .channel = make_string(maker, 1, AW_CHANNEL_BYTES_MAX),
        .account = make_string(maker, 0, AW_ACCOUNT_BYTES_MAX),
        .body = {.len = (uint32_t)next(&maker->rng)},
    };
    if (maker->fullest || below(&maker->rng, 2) != 0) {
        reply->consent.seq = 1 + below(&maker->rng, UINT64_MAX);
        reply->consent_ticket = (struct aw_ticket_id){next(&maker->rng), (uint32_t)next(&maker->rng), reply->to_ticket.shard};
    }
    for (size_t i = 0; i < sizeof(reply->body.hash.bytes); i++)
        reply->body.hash.bytes[i] = (uint8_t)next(&maker->rng);
}

static void
make_channel(struct maker *maker, struct aw_in_channel *channel)
{
    uint32_t        count = make_count(maker, AW_CHANNEL_PACES_MAX);
    struct aw_pace *paces = take(maker, count, sizeof(*paces));

    for (uint32_t i = 0; i < count; i++)
        paces[i] = (struct aw_pace){.account = make_string(maker, 1, AW_ACCOUNT_BYTES_MAX),
                                    .replies = (uint32_t)next(&maker->rng),
                                    .slice_s = (uint32_t)next(&maker->rng)};
    *channel = (struct aw_in_channel){.name = make_string(maker, 1, AW_CHANNEL_BYTES_MAX),
                                      .paces = paces,
                                      .pace_count = count,
                                      .if_match.version = next(&maker->rng),
                                      .by = make_string(maker, 0, AW_AGENT_BYTES_MAX)};
}

static void
make_template(struct maker *maker, struct aw_in_template *template_)
{
    uint32_t            count = make_count(maker, AW_OWN_TEXTS_MAX);
    struct aw_own_text *texts = take(maker, count, sizeof(*texts));

    for (uint32_t i = 0; i < count; i++)
        texts[i] = (struct aw_own_text){make_string(maker, 1, AW_LANG_BYTES_MAX),
                                        make_string(maker, 1, AW_OWN_TEXTS_BYTES_MAX / AW_OWN_TEXTS_MAX)};
    *template_ = (struct aw_in_template){.kind = (enum aw_reply_kind)(1 + below(&maker->rng, AW_TEMPLATES)),
                                         .texts = texts,
                                         .text_count = count,
                                         .if_match.version = next(&maker->rng),
                                         .by = make_string(maker, 0, AW_AGENT_BYTES_MAX)};
}

static void
make_outbox(struct maker *maker, struct aw_command *command)
{
    struct aw_slice         by = make_string(maker, 0, AW_AGENT_BYTES_MAX);
    uint32_t                count = make_count(maker, AW_REPLY_ACCOUNTS_MAX);
    struct aw_account_name *accounts = take(maker, count, sizeof(*accounts));

    for (uint32_t i = 0; i < count; i++)
        accounts[i] =
            (struct aw_account_name){make_string(maker, 1, AW_CHANNEL_BYTES_MAX), make_string(maker, 1, AW_ACCOUNT_BYTES_MAX)};
    if (command->kind == AW_COMMAND_CHANNEL)
        make_channel(maker, &command->in.channel);
    else if (command->kind == AW_COMMAND_TEMPLATE)
        make_template(maker, &command->in.template_);
    else if (command->kind == AW_COMMAND_REPLY_LEASE)
        command->in.reply_lease = (struct aw_in_reply_lease){.accounts = accounts,
                                                             .account_count = count,
                                                             .max = (uint32_t)below(&maker->rng, AW_REPLIES_PER_LEASE_MAX + 1),
                                                             .lease_ms = make_duration(maker),
                                                             .gateway = by};
    else if (command->kind == AW_COMMAND_REPLY_STATUS)
        command->in.reply_status =
            (struct aw_in_reply_status){.reply = {.seq = next(&maker->rng), .shard = (uint8_t)next(&maker->rng)},
                                        .fence = next(&maker->rng),
                                        .state = (enum aw_reply_state)below(&maker->rng, AW_REPLY_STATES),
                                        .code = make_string(maker, 0, AW_REPLY_CODE_BYTES_MAX),
                                        .is_permanent = below(&maker->rng, 2) != 0,
                                        .is_uncertain = below(&maker->rng, 2) != 0,
                                        .retry_after_ms = make_duration(maker),
                                        .provider = make_hash(maker),
                                        .by = by};
    else if (command->kind == AW_COMMAND_REPLY_TIMER)
        command->in.reply_timer =
            (struct aw_in_reply_timer){.slot = (uint32_t)next(&maker->rng), .seq = next(&maker->rng), .due_at = make_ms(maker)};
    else
        command->in.redrive = (struct aw_in_redrive){
            .channel = make_string(maker, 0, AW_CHANNEL_BYTES_MAX),
            .account = make_string(maker, 0, AW_ACCOUNT_BYTES_MAX),
            .code = make_string(maker, 0, AW_REPLY_CODE_BYTES_MAX),
            .ticket = {.seq = next(&maker->rng), .slot = (uint32_t)next(&maker->rng), .shard = (uint8_t)next(&maker->rng)},
            .since = make_ms(maker),
            .max = (uint32_t)below(&maker->rng, AW_REDRIVE_MAX + 1),
            .by = by};
}

static void
make_event(struct maker *maker, struct aw_command *command)
{
    struct aw_slice by = make_string(maker, 0, AW_AGENT_BYTES_MAX);

    if (command->kind == AW_COMMAND_FLIGHT)
        command->in.flight = (struct aw_in_flight){.flight_hash = 1 + below(&maker->rng, UINT64_MAX),
                                                   .number = make_string(maker, 1, AW_FLIGHT_NUMBER_BYTES_MAX),
                                                   .date_days = (uint32_t)below(&maker->rng, AW_DAYS_MAX + 1),
                                                   .state = (enum aw_flight_state)below(&maker->rng, 4),
                                                   .departs_at = make_ms(maker),
                                                   .if_match.version = next(&maker->rng),
                                                   .by = by};
    else if (command->kind == AW_COMMAND_AIRPORT)
        command->in.airport = (struct aw_in_airport){.code = make_code(maker),
                                                     .from = make_ms(maker),
                                                     .until = make_ms(maker),
                                                     .if_match.version = next(&maker->rng),
                                                     .by = by};
    else
        command->in.undo = (struct aw_in_undo){.change = {.seq = next(&maker->rng),
                                                          .slot = (uint32_t)next(&maker->rng),
                                                          .shard = (uint8_t)next(&maker->rng),
                                                          .of = (enum aw_change_of)below(&maker->rng, 3)},
                                               .by = by};
    if (command->kind == AW_COMMAND_UNDO && command->in.undo.change.of == AW_CHANGE_SURGE)
        command->out.u.change.now.surge.turn = (enum aw_surge_turn)below(&maker->rng, AW_SURGE_ENDED + 1);
    if (below(&maker->rng, 2) != 0)
        command->once = (struct aw_once){.key = make_hash(maker), .request = next(&maker->rng)};
}

static struct aw_incident_id
make_incident_id(struct maker *maker)
{
    return (struct aw_incident_id){
        .seq = next(&maker->rng), .slot = (uint32_t)next(&maker->rng), .shard = (uint8_t)next(&maker->rng)};
}

static void
make_incident_answer(struct maker *maker, struct aw_command *command)
{
    struct aw_in_template texts;

    make_template(maker, &texts);
    command->in.incident_answer = (struct aw_in_incident_answer){.incident = make_incident_id(maker),
                                                                 .texts = texts.texts,
                                                                 .text_count = texts.text_count,
                                                                 .needs = (uint8_t)below(&maker->rng, AW_NEEDS_ALL + 1),
                                                                 .through = next(&maker->rng),
                                                                 .facts = next(&maker->rng),
                                                                 .by = make_string(maker, 0, AW_AGENT_BYTES_MAX)};
    if (below(&maker->rng, 2) != 0)
        command->once = (struct aw_once){.key = make_hash(maker), .request = next(&maker->rng)};
}

static void
make_incident(struct maker *maker, struct aw_command *command)
{
    struct aw_in_incident  *in = &command->in.incident;
    struct aw_incident_key *keys = take(maker, AW_INCIDENT_KEYS_MAX, sizeof(*keys));

    *in = (struct aw_in_incident){.state = (enum aw_incident_state)below(&maker->rng, AW_INCIDENT_CLOSED + 1),
                                  .title = make_string(maker, 0, AW_INCIDENT_TITLE_BYTES_MAX),
                                  .has_keys = below(&maker->rng, 2) != 0,
                                  .follow = (enum aw_incident_follow)below(&maker->rng, AW_FOLLOW_NOT + 1),
                                  .by = make_string(maker, 0, AW_AGENT_BYTES_MAX),
                                  .if_match.version = next(&maker->rng)};
    if (below(&maker->rng, 2) != 0)
        in->incident = make_incident_id(maker);
    in->key_count = make_count(maker, AW_INCIDENT_KEYS_MAX);
    for (uint32_t i = 0; i < in->key_count; i++)
        keys[i] = (struct aw_incident_key){.kind = (enum aw_incident_key_kind)below(&maker->rng, AW_INCIDENT_BOOKING + 1),
                                           .hash = next(&maker->rng),
                                           .name = make_string(maker, 0, AW_INCIDENT_KEY_BYTES_MAX),
                                           .date_days = (uint32_t)below(&maker->rng, AW_DAYS_MAX + 1)};
    in->keys = in->key_count == 0 ? NULL : keys;
    command->out.u.incident.incident.slot = (uint32_t)next(&maker->rng);
    if (below(&maker->rng, 2) != 0)
        command->once = (struct aw_once){.key = make_hash(maker), .request = next(&maker->rng)};
}

/* Text, with zeros behind it. */
static void
make_surge_text(struct maker *maker, char *to, size_t bytes_max)
{
    size_t len = maker->fullest ? bytes_max : below(&maker->rng, bytes_max + 1);

    for (size_t i = 0; i < len; i++)
        to[i] = (char)(1 + below(&maker->rng, UINT8_MAX));
}

static void
make_surge(struct maker *maker, struct aw_in_surge *in)
{
    struct aw_surge *surge = take(maker, 1, sizeof(*surge));

    *in = (struct aw_in_surge){.by = make_string(maker, 0, AW_AGENT_BYTES_MAX), .if_match.version = next(&maker->rng)};
    if (!maker->fullest && below(&maker->rng, 4) == 0)
        return;
    *surge = (struct aw_surge){.is_on = 1,
                               .order = (uint8_t)below(&maker->rng, AW_SURGE_ORDER_STRICT + 1),
                               .is_receipt = (uint8_t)below(&maker->rng, 2),
                               .overflow_after_s = (uint32_t)next(&maker->rng),
                               .lane_count = (uint8_t)make_count(maker, AW_SURGE_LANES_MAX),
                               .channel_count = (uint8_t)make_count(maker, AW_CHANNELS_MAX),
                               .flight_count = (uint8_t)make_count(maker, AW_SURGE_FLIGHTS_MAX),
                               .airport_count = (uint8_t)make_count(maker, AW_SURGE_AIRPORTS_MAX),
                               .notice_count = (uint8_t)make_count(maker, AW_SURGE_NOTICES_MAX)};
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        surge->target_s[i] = (uint32_t)next(&maker->rng);
    make_surge_text(maker, surge->reason, sizeof(surge->reason));
    for (uint32_t i = 0; i < surge->lane_count; i++)
        surge->lanes[i] = (uint16_t)next(&maker->rng);
    for (uint32_t i = 0; i < surge->channel_count; i++)
        make_surge_text(maker, surge->channels[i], sizeof(surge->channels[i]));
    for (uint32_t i = 0; i < surge->flight_count; i++) {
        surge->flights[i].hash = next(&maker->rng);
        surge->flights[i].date_days = (uint32_t)below(&maker->rng, AW_DAYS_MAX + 1);
        make_surge_text(maker, surge->flights[i].number, sizeof(surge->flights[i].number));
    }
    for (uint32_t i = 0; i < surge->airport_count; i++)
        surge->airports[i] = make_code(maker);
    for (uint32_t i = 0; i < surge->notice_count; i++) {
        make_surge_text(maker, surge->notices[i].lang, sizeof(surge->notices[i].lang));
        make_surge_text(maker, surge->notices[i].text, sizeof(surge->notices[i].text));
    }
    in->surge = surge;
}

static void
make_told(struct maker *maker, struct aw_told *told)
{
    struct aw_hash128   *identities = take(maker, AW_TOLD_IDENTITIES_MAX, sizeof(*identities));
    struct aw_told_fact *facts = take(maker, AW_TOLD_FACTS_MAX, sizeof(*facts));

    *told = (struct aw_told){.messages = (uint32_t)next(&maker->rng),
                             .first_seq = next(&maker->rng),
                             .last_seq = next(&maker->rng),
                             .accepted_at = make_ms(maker),
                             .received_at = make_ms(maker),
                             .reply_by = make_ms(maker),
                             .said = (enum aw_class)below(&maker->rng, AW_CLASS_COUNT),
                             .gentle = below(&maker->rng, 2) != 0,
                             .is_listening = below(&maker->rng, 2) != 0,
                             .contact = make_hash(maker),
                             .channel = make_string(maker, 0, AW_CHANNEL_BYTES_MAX),
                             .account = make_string(maker, 0, AW_ACCOUNT_BYTES_MAX),
                             .lang = make_string(maker, 0, AW_LANG_BYTES_MAX),
                             .identities = identities,
                             .identity_count = make_count(maker, AW_TOLD_IDENTITIES_MAX),
                             .facts = facts,
                             .fact_count = make_count(maker, AW_TOLD_FACTS_MAX)};
    for (uint32_t i = 0; i < told->identity_count; i++)
        identities[i] = make_hash(maker);
    for (uint32_t i = 0; i < told->fact_count; i++)
        facts[i] = (struct aw_told_fact){.hash = next(&maker->rng),
                                         .departs_at = make_ms(maker),
                                         .said_at = make_ms(maker),
                                         .seq = next(&maker->rng),
                                         .from = make_code(maker),
                                         .to = make_code(maker),
                                         .kind = (enum aw_fact_kind)below(&maker->rng, AW_FACT_BOOKING + 1)};
}

static void
make_unfold(struct maker *maker, struct aw_command *command)
{
    struct aw_in_unfold *in = &command->in.unfold;
    uint64_t            *messages = take(maker, AW_UNFOLD_MESSAGES_MAX, sizeof(*messages));

    *in = (struct aw_in_unfold){
        .on = {.ticket = {.seq = next(&maker->rng), .slot = (uint32_t)next(&maker->rng), .shard = (uint8_t)next(&maker->rng)},
               .by = make_string(maker, 0, AW_AGENT_BYTES_MAX),
               .words = make_string(maker, 0, AW_RELEASE_REASON_BYTES_MAX),
               .if_match.version = next(&maker->rng)},
        .messages = messages,
        .message_count = make_count(maker, AW_UNFOLD_MESSAGES_MAX),
        .newest_seq = next(&maker->rng),
        .messages_total = (uint32_t)next(&maker->rng)};
    for (uint32_t i = 0; i < in->message_count; i++)
        messages[i] = next(&maker->rng);
    make_told(maker, &in->taken);
    make_told(maker, &in->left);
    command->out.u.ticket.ticket.slot = (uint32_t)next(&maker->rng);
    if (below(&maker->rng, 2) != 0)
        command->once = (struct aw_once){.key = make_hash(maker), .request = next(&maker->rng)};
}

static void
make_on_ticket(struct maker *maker, struct aw_command *command)
{
    command->in.ticket = (struct aw_in_ticket){
        .ticket = {.seq = next(&maker->rng), .slot = (uint32_t)next(&maker->rng), .shard = (uint8_t)next(&maker->rng)},
        .until = make_ms(maker),
        .by = make_string(maker, 0, AW_AGENT_BYTES_MAX),
        .words = make_string(maker, 0, AW_RELEASE_REASON_BYTES_MAX),
        .if_match.version = next(&maker->rng)};
    if (command->kind == AW_COMMAND_PLACE) {
        command->in.ticket.class_ = below(&maker->rng, 2) != 0 ? AW_CLASS_NONE : (uint8_t)below(&maker->rng, AW_CLASS_COUNT);
        command->in.ticket.hold = (enum aw_hold)below(&maker->rng, AW_HOLD_OFF + 1);
        command->in.ticket.lane = make_string(maker, 0, AW_LANE_BYTES_MAX);
    }
    if (below(&maker->rng, 2) != 0)
        command->once = (struct aw_once){.key = make_hash(maker), .request = next(&maker->rng)};
}

/* Lanes ascend, with gaps of all lengths. */
static void
make_choice(struct maker *maker, struct aw_lease_choice *choice)
{
    uint32_t *lanes = take(maker, AW_LANES_PER_PULL_MAX, sizeof(*lanes));
    uint32_t  lane = 0;

    choice->at = below(&maker->rng, 4) == 0 ? 0 : make_ms(maker);
    if (choice->at == 0)
        return;
    choice->order = AW_ORDER_SETTINGS_DEFAULT;
    if (below(&maker->rng, 2) == 0) {
        choice->order.order = (enum aw_order)below(&maker->rng, 2);
        choice->order.target_ms[below(&maker->rng, AW_CLASS_COUNT)] = make_ms(maker);
        choice->order.handling_ms[below(&maker->rng, AW_CLASS_COUNT)] = make_ms(maker);
        choice->order.guard_ms = make_ms(maker);
        choice->order.reserve_ms = below(&maker->rng, 300);
    }
    choice->seen_seq = next(&maker->rng) >> 1;
    choice->taken_seq = choice->seen_seq + next(&maker->rng) % 1000;
    choice->held_us = (uint32_t)next(&maker->rng);
    choice->queue = (uint8_t)(next(&maker->rng) % (AW_CLASS_COUNT + 1));
    choice->full = (uint16_t)next(&maker->rng);
    choice->barred = (uint8_t)below(&maker->rng, AW_CLASSES_ALL);
    choice->refused_seq = below(&maker->rng, 2) == 0 ? 0 : next(&maker->rng) >> 16;
    choice->lane_count = make_count(maker, AW_LANES_PER_PULL_MAX);
    for (uint32_t i = 0; i < choice->lane_count; i++) {
        lane += (uint32_t)below(&maker->rng, below(&maker->rng, 8) == 0 ? 400 : 2);
        lanes[i] = lane++;
    }
    choice->lanes = choice->lane_count == 0 ? NULL : lanes;
}

static struct aw_in_body
make_body(struct maker *maker)
{
    struct aw_in_body body = {.len = (uint32_t)below(&maker->rng, 3) * 1000};

    if (body.len == 0)
        return body;
    for (size_t i = 0; i < sizeof(body.hash.bytes); i++)
        body.hash.bytes[i] = (uint8_t)next(&maker->rng);
    return body;
}

static void
make_fenced(struct maker *maker, struct aw_command *command)
{
    struct aw_in_transfer *transfer = &command->in.transfer;
    bool                   is_to_lane = below(&maker->rng, 2) == 0;

    transfer->fenced = (struct aw_in_fenced){
        .lease = {.fence = next(&maker->rng), .slot = (uint32_t)next(&maker->rng), .shard = (uint8_t)next(&maker->rng)},
        .agent = make_string(maker, 1, AW_AGENT_BYTES_MAX),
        .op_hash = next(&maker->rng),
        .lease_ms = make_duration(maker),
        .words = make_string(maker, 0, AW_RELEASE_REASON_BYTES_MAX)};
    if (command->kind == AW_COMMAND_REPLY || (command->kind == AW_COMMAND_COMPLETE && below(&maker->rng, 2) != 0))
        make_reply(maker, &command->in.fenced.reply);
    if (command->kind == AW_COMMAND_DEFER) {
        command->in.defer.until = make_ms(maker);
        command->in.defer.reason = (enum aw_defer_reason)below(&maker->rng, AW_DEFER_REASONS);
        command->out.err = below(&maker->rng, 2) == 0 ? AW_OK : AW_E_NEW_MESSAGES;
        if (command->out.err == AW_OK) {
            command->in.defer.what = make_body(maker);
            command->out.u.lease.held_until = make_ms(maker);
        }
    }
    command->out.u.lease.reply_state = below(&maker->rng, 2) == 0 ? AW_REPLY_WAITING : AW_REPLY_PENDING;
    if (command->kind != AW_COMMAND_TRANSFER)
        return;
    transfer->lane = is_to_lane ? make_string(maker, 1, AW_LANE_BYTES_MAX) : (struct aw_slice){NULL, 0};
    transfer->to = is_to_lane ? (struct aw_slice){NULL, 0} : make_string(maker, 1, AW_AGENT_BYTES_MAX);
    transfer->note = make_body(maker);
    command->out.u.lease.help.kept_until = make_ms(maker);
}

static void
make_withdraw(struct maker *maker, struct aw_command *command)
{
    uint8_t shard = (uint8_t)next(&maker->rng);

    command->in.withdraw = (struct aw_in_withdraw){.message = {.seq = next(&maker->rng), .shard = shard},
                                                   .ticket = {next(&maker->rng), (uint32_t)next(&maker->rng), shard},
                                                   .by = make_string(maker, 0, AW_AGENT_BYTES_MAX)};
    command->out.u.ticket.ticket = (struct aw_ticket_id){next(&maker->rng), (uint32_t)next(&maker->rng), shard};
}

static void
make_opt_out(struct maker *maker, struct aw_command *command)
{
    command->in.opt_out = (struct aw_in_opt_out){.contact = make_hash(maker),
                                                 .channel = make_string(maker, 0, AW_CHANNEL_BYTES_MAX),
                                                 .account = make_string(maker, 0, AW_ACCOUNT_BYTES_MAX),
                                                 .is_in = below(&maker->rng, 2) != 0,
                                                 .by = make_string(maker, 0, AW_AGENT_BYTES_MAX)};
}

static void
make_erase(struct maker *maker, struct aw_in_erase *erase)
{
    *erase = (struct aw_in_erase){
        .customer = make_hash(maker),
        .through = next(&maker->rng),
        .ticket = {.seq = next(&maker->rng), .slot = (uint32_t)next(&maker->rng), .shard = (uint8_t)next(&maker->rng)},
        .messages = (uint32_t)next(&maker->rng),
        .looked = next(&maker->rng),
        .by = make_string(maker, 0, AW_AGENT_BYTES_MAX)};
}

/* long: a flat switch over all kinds */
static void
make_fields(struct maker *maker, struct aw_command *command)
{
    switch (command->kind) {
    case AW_COMMAND_EPOCH:
        command->in.epoch.epoch = next(&maker->rng);
        return;
    case AW_COMMAND_SETTINGS:
        command->in.settings = (struct aw_core_settings){.dedupe_ms = make_ms(maker),
                                                         .reopen_ms = make_ms(maker),
                                                         .backdate_ms = make_ms(maker),
                                                         .imminent_ms = make_ms(maker),
                                                         .lease_grace_ms = make_ms(maker),
                                                         .decline_ms = make_ms(maker),
                                                         .kept_ms = make_ms(maker),
                                                         .kept_gentle_ms = make_ms(maker),
                                                         .kept_transfer_ms = make_ms(maker),
                                                         .gentle_first_ms = make_ms(maker),
                                                         .defer_back_ms = make_ms(maker),
                                                         .contact_ms = make_ms(maker)};
        for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
            command->in.settings.handling_ms[i] = make_ms(maker);
        for (size_t i = 0; i < sizeof(command->in.settings.tables); i++)
            ((char *)&command->in.settings.tables)[i] = (char)next(&maker->rng);
        return;
    case AW_COMMAND_LANE:
        make_lane(maker, &command->in.lane);
        return;
    case AW_COMMAND_AGENT:
        make_agent(maker, &command->in.agent);
        return;
    case AW_COMMAND_PRESENCE:
        command->in.presence = (struct aw_in_presence){.name = make_string(maker, 1, AW_AGENT_BYTES_MAX),
                                                       .presence = (enum aw_presence)below(&maker->rng, AW_PRESENCE_GONE),
                                                       .by = make_string(maker, 0, AW_AGENT_BYTES_MAX)};
        return;
    case AW_COMMAND_MESSAGE:
        make_message(maker, &command->in.message);
        make_outcome(maker, &command->out.u.message);
        return;
    case AW_COMMAND_LEASE:
        command->in.lease = (struct aw_in_lease){
            .slot = (uint32_t)next(&maker->rng),
            .version = (uint32_t)next(&maker->rng),
            .through = (uint32_t)below(&maker->rng, UINT16_MAX + 1),
            .agent = make_string(maker, 1, AW_AGENT_BYTES_MAX),
            .lease_ms = make_duration(maker),
            .pull_key = {.key = next(&maker->rng), .request = (uint32_t)next(&maker->rng), .pull = (uint32_t)next(&maker->rng)}};
        make_choice(maker, &command->in.lease.choice);
        return;
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
    case AW_COMMAND_REPLY:
    case AW_COMMAND_TRANSFER:
    case AW_COMMAND_DEFER:
        make_fenced(maker, command);
        return;
    case AW_COMMAND_OPT_OUT:
        make_opt_out(maker, command);
        return;
    case AW_COMMAND_ERASE:
        make_erase(maker, &command->in.erase);
        command->out.u.erase.spares = below(&maker->rng, 2) != 0;
        return;
    case AW_COMMAND_WITHDRAW:
        make_withdraw(maker, command);
        return;
    case AW_COMMAND_CHANNEL:
    case AW_COMMAND_REPLY_LEASE:
    case AW_COMMAND_REPLY_STATUS:
    case AW_COMMAND_REPLY_TIMER:
    case AW_COMMAND_REDRIVE:
    case AW_COMMAND_TEMPLATE:
        make_outbox(maker, command);
        return;
    case AW_COMMAND_APPROVE:
        command->in.approve = (struct aw_in_approve){.reply = {.seq = next(&maker->rng), .shard = (uint8_t)next(&maker->rng)},
                                                     .goes = below(&maker->rng, 2) != 0,
                                                     .note = make_body(maker),
                                                     .by = make_string(maker, 0, AW_AGENT_BYTES_MAX)};
        command->out.u.reply.ticket = (struct aw_ticket_id){.seq = next(&maker->rng), .slot = (uint32_t)next(&maker->rng)};
        return;
    case AW_COMMAND_FORECAST:
        make_forecast(maker, &command->in.forecast);
        return;
    case AW_COMMAND_PROMISE:
        command->in.promise =
            (struct aw_in_promise){.ticket = {next(&maker->rng), (uint32_t)next(&maker->rng), (uint8_t)next(&maker->rng)},
                                   .half_by = make_ms(maker),
                                   .nine_of_ten_by = make_ms(maker)};
        return;
    case AW_COMMAND_TIMER:
        command->in.timer = (struct aw_in_timer){.slot = (uint32_t)next(&maker->rng), .version = (uint32_t)next(&maker->rng)};
        return;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
    case AW_COMMAND_PLACE:
        make_on_ticket(maker, command);
        return;
    case AW_COMMAND_NOTE:
        make_on_ticket(maker, command);
        do
            command->in.note.body = make_body(maker);
        while (command->in.note.body.len == 0);
        return;
    case AW_COMMAND_UNFOLD:
        make_unfold(maker, command);
        return;
    case AW_COMMAND_FLIGHT:
    case AW_COMMAND_AIRPORT:
    case AW_COMMAND_UNDO:
        make_event(maker, command);
        return;
    case AW_COMMAND_INCIDENT:
        make_incident(maker, command);
        return;
    case AW_COMMAND_INCIDENT_ANSWER:
        make_incident_answer(maker, command);
        return;
    case AW_COMMAND_INCIDENT_TIMER:
        command->in.incident_timer = (struct aw_in_incident_timer){.incident = make_incident_id(maker),
                                                                   .ticket = {.seq = next(&maker->rng),
                                                                              .slot = 1 + (uint32_t)below(&maker->rng, 1000),
                                                                              .shard = (uint8_t)next(&maker->rng)}};
        return;
    case AW_COMMAND_INCIDENT_LINK:
        command->in.incident_link = (struct aw_in_incident_link){
            .ticket = {.seq = next(&maker->rng), .slot = (uint32_t)next(&maker->rng), .shard = (uint8_t)next(&maker->rng)},
            .incident = make_incident_id(maker),
            .parts = below(&maker->rng, 2) != 0,
            .by = make_string(maker, 0, AW_AGENT_BYTES_MAX)};
        return;
    case AW_COMMAND_SURGE:
        make_surge(maker, &command->in.surge);
        command->out.u.change.now.surge.turn = (enum aw_surge_turn)below(&maker->rng, AW_SURGE_ENDED + 1);
        return;
    }
    fail();
}

static const uint64_t *
make_addresses(struct maker *maker, uint32_t count)
{
    uint64_t *addresses = take(maker, AW_TICKET_ADDRESSES_MAX, sizeof(addresses[0]));

    assert_non_null(addresses);
    for (uint32_t i = 0; i < count; i++)
        addresses[i] = next(&maker->rng) | AW_ADDRESS_BIT;
    return addresses;
}

static void
make_effect(struct maker *maker, struct aw_command *command)
{
    struct aw_effect *effect = &command->out.effect;
    uint32_t          slot;

    if (!aw_command_slot(command, &slot))
        return;
    *effect = (struct aw_effect){.ticket_seq = next(&maker->rng) >> 1,
                                 .lane = (uint16_t)next(&maker->rng),
                                 .lane_before = (uint16_t)next(&maker->rng),
                                 .class_ = (uint8_t)below(&maker->rng, AW_CLASS_COUNT),
                                 .class_before = (uint8_t)below(&maker->rng, AW_CLASS_COUNT + 1),
                                 .state = (enum aw_ticket_state)below(&maker->rng, AW_TICKET_CLOSED + 1),
                                 .state_before = (enum aw_ticket_state)below(&maker->rng, AW_TICKET_CLOSED + 1),
                                 .cause = (enum aw_timer_cause)below(&maker->rng, AW_TIMER_CAUSE_MAX + 1),
                                 .deferral_over = below(&maker->rng, 2) != 0,
                                 .holder = make_string(maker, 0, AW_AGENT_BYTES_MAX)};
    if (below(&maker->rng, 2) != 0)
        effect->incident = (struct aw_incident_id){.seq = 1 + (next(&maker->rng) >> 2), .slot = (uint16_t)next(&maker->rng)};
    if (effect->class_before == AW_CLASS_COUNT)
        effect->class_before = AW_CLASS_NONE;
    if (!aw_command_has_colleagues_text(command))
        return;
    effect->address_count = (uint32_t)below(&maker->rng, AW_TICKET_ADDRESSES_MAX + 1);
    effect->addresses = make_addresses(maker, effect->address_count);
}

static struct aw_command
make_command(struct maker *maker, enum aw_command_kind kind)
{
    struct aw_command command = {.kind = kind};

    command.out.seq = 1 + below(&maker->rng, UINT64_MAX - 1);
    command.out.prev_seq = below(&maker->rng, command.out.seq);
    make_fields(maker, &command);
    make_effect(maker, &command);
    return command;
}

static int
setup(void **state)
{
    struct maker *maker = calloc(1, sizeof(*maker));

    assert_true(aw_hash_init());
    assert_non_null(maker);
    maker->rng = SEED;
    maker->blocks = aw_blocks_new(64 * 1024, 256 * 1024 * 1024);
    assert_non_null(maker->blocks);
    aw_arena_init(&maker->arena, maker->blocks);
    *state = maker;
    return 0;
}

static int
teardown(void **state)
{
    struct maker *maker = *state;

    aw_arena_reset(&maker->arena);
    aw_blocks_free(&maker->blocks);
    free(maker);
    return 0;
}

/* --- comparing -------------------------------------------------------------------------------------------------------------- */

#define SAME(member)       assert_true(a->member == b->member)
#define SAME_SLICE(member) assert_true(aw_slice_eq(a->member, b->member))
#define SAME_HASH(member)  assert_true(aw_hash128_eq(a->member, b->member))
#define SAME_BYTES(member) assert_memory_equal(a->member, b->member, sizeof(a->member))

static void
same_strings(const struct aw_slice *a, uint32_t a_count, const struct aw_slice *b, uint32_t b_count)
{
    assert_int_equal(a_count, b_count);
    for (uint32_t i = 0; i < a_count; i++)
        assert_true(aw_slice_eq(a[i], b[i]));
}

static void
same_settings(const struct aw_core_settings *a, const struct aw_core_settings *b)
{
    SAME(dedupe_ms);
    SAME(reopen_ms);
    SAME(backdate_ms);
    SAME(imminent_ms);
    SAME(lease_grace_ms);
    SAME(decline_ms);
    SAME(kept_ms);
    SAME(kept_gentle_ms);
    SAME(kept_transfer_ms);
    SAME(gentle_first_ms);
    SAME(defer_back_ms);
    SAME(contact_ms);
    SAME_BYTES(handling_ms);
    assert_memory_equal(&a->tables, &b->tables, sizeof(a->tables));
}

static void
same_lane(const struct aw_in_lane *a, const struct aw_in_lane *b)
{
    SAME_SLICE(name);
    SAME(pause);
    SAME(if_match.version);
    SAME(only_create);
    same_strings(a->match.langs, a->match.lang_count, b->match.langs, b->match.lang_count);
    same_strings(a->match.channels, a->match.channel_count, b->match.channels, b->match.channel_count);
    same_strings(a->match.accounts, a->match.account_count, b->match.accounts, b->match.account_count);
    same_strings(a->match.tags, a->match.tag_count, b->match.tags, b->match.tag_count);
    SAME(helper_count);
    for (uint32_t i = 0; i < a->helper_count; i++) {
        SAME_SLICE(helpers[i].lane);
        SAME(helpers[i].after_s);
    }
}

static void
same_message(const struct aw_in_message *a, const struct aw_in_message *b)
{
    SAME_HASH(id_hash);
    SAME(identity_count);
    for (uint32_t i = 0; i < a->identity_count; i++)
        SAME_HASH(identities[i]);
    SAME_SLICE(channel);
    SAME_SLICE(account);
    SAME_SLICE(lang);
    SAME_SLICE(lane);
    same_strings(a->tags, a->tag_count, b->tags, b->tag_count);
    SAME(reasons_bytes);
    assert_true(a->posted_hash == b->posted_hash);
    SAME(flight_count);
    for (uint32_t i = 0; i < a->flight_count; i++) {
        SAME(flights[i].flight_hash);
        SAME(flights[i].departs_at);
        SAME_BYTES(flights[i].from);
        SAME_BYTES(flights[i].to);
    }
    SAME(booking_hash);
    SAME_HASH(in_reply_to);
    SAME(airport_count);
    for (uint32_t i = 0; i < a->airport_count; i++)
        SAME_BYTES(airports[i].letters);
    SAME(received_at);
    SAME(departs_at);
    SAME(reply_by);
    SAME(class_);
    SAME(care);
    SAME(visibility);
    SAME(addressed);
    SAME(gentle);
    SAME(not_needed);
    SAME(opts_out);
    SAME_HASH(contact);
    SAME_BYTES(body_hash.bytes);
    SAME(rules_version);
    assert_int_equal(b->body.len, 0);
    assert_int_equal(b->reason_count, 0);
}

static void
same_lease(const struct aw_in_lease *a, const struct aw_in_lease *b)
{
    SAME(slot);
    SAME(version);
    SAME_SLICE(agent);
    SAME(lease_ms);
    SAME(through);
    SAME(pull_key.key);
    SAME(pull_key.request);
    SAME(pull_key.pull);
    SAME(choice.at);
    SAME(choice.refused_seq);
    SAME(choice.order.order);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        SAME(choice.order.target_ms[i]);
        SAME(choice.order.handling_ms[i]);
    }
    SAME(choice.order.guard_ms);
    SAME(choice.order.reserve_ms);
    SAME(choice.seen_seq);
    SAME(choice.taken_seq);
    SAME(choice.held_us);
    SAME(choice.queue);
    SAME(choice.full);
    SAME(choice.barred);
    SAME(choice.lane_count);
    for (uint32_t i = 0; i < a->choice.lane_count; i++)
        SAME(choice.lanes[i]);
}

static void
same_fenced(const struct aw_in_fenced *a, const struct aw_in_fenced *b)
{
    SAME(lease.fence);
    SAME(lease.slot);
    SAME(lease.shard);
    SAME_SLICE(agent);
    SAME(op_hash);
    SAME(lease_ms);
    SAME_SLICE(words);
}

static void
same_reply(const struct aw_in_reply *a, const struct aw_in_reply *b)
{
    SAME(is_there);
    SAME(is_bulk);
    SAME(is_override);
    SAME(visibility);
    SAME(to.seq);
    SAME(to_ticket.seq);
    SAME(to_ticket.slot);
    SAME(to_ticket.shard);
    SAME(consent.seq);
    SAME(consent_ticket.seq);
    SAME(consent_ticket.slot);
    SAME_SLICE(channel);
    SAME_SLICE(account);
    SAME(body.len);
    assert_memory_equal(a->body.hash.bytes, b->body.hash.bytes, sizeof(a->body.hash.bytes));
}

static void
same_channel(const struct aw_in_channel *a, const struct aw_in_channel *b)
{
    SAME_SLICE(name);
    SAME(pace_count);
    for (uint32_t i = 0; i < a->pace_count; i++) {
        SAME_SLICE(paces[i].account);
        SAME(paces[i].replies);
        SAME(paces[i].slice_s);
    }
    SAME(if_match.version);
    SAME_SLICE(by);
}

static void
same_status(const struct aw_in_reply_status *a, const struct aw_in_reply_status *b)
{
    SAME(reply.seq);
    SAME(reply.shard);
    SAME(fence);
    SAME(state);
    SAME_SLICE(code);
    SAME(is_permanent);
    SAME(is_uncertain);
    SAME(retry_after_ms);
    SAME_HASH(provider);
    SAME_SLICE(by);
}

static void
same_template(const struct aw_in_template *a, const struct aw_in_template *b)
{
    SAME(kind);
    SAME(text_count);
    for (uint32_t i = 0; i < a->text_count; i++) {
        SAME_SLICE(texts[i].lang);
        SAME_SLICE(texts[i].words);
    }
    SAME(if_match.version);
    SAME_SLICE(by);
}

static void
same_outbox(const struct aw_command *a, const struct aw_command *b)
{
    if (a->kind == AW_COMMAND_CHANNEL) {
        same_channel(&a->in.channel, &b->in.channel);
    } else if (a->kind == AW_COMMAND_TEMPLATE) {
        same_template(&a->in.template_, &b->in.template_);
    } else if (a->kind == AW_COMMAND_REPLY_LEASE) {
        SAME(in.reply_lease.account_count);
        for (uint32_t i = 0; i < a->in.reply_lease.account_count; i++) {
            SAME_SLICE(in.reply_lease.accounts[i].channel);
            SAME_SLICE(in.reply_lease.accounts[i].account);
        }
        SAME(in.reply_lease.max);
        SAME(in.reply_lease.lease_ms);
        SAME_SLICE(in.reply_lease.gateway);
    } else if (a->kind == AW_COMMAND_REPLY_STATUS) {
        same_status(&a->in.reply_status, &b->in.reply_status);
    } else if (a->kind == AW_COMMAND_REPLY_TIMER) {
        SAME(in.reply_timer.slot);
        SAME(in.reply_timer.seq);
        SAME(in.reply_timer.due_at);
    } else {
        SAME_SLICE(in.redrive.channel);
        SAME_SLICE(in.redrive.account);
        SAME_SLICE(in.redrive.code);
        SAME(in.redrive.ticket.seq);
        SAME(in.redrive.ticket.slot);
        SAME(in.redrive.ticket.shard);
        SAME(in.redrive.since);
        SAME(in.redrive.max);
        SAME_SLICE(in.redrive.by);
    }
}

static void
same_ticket(const struct aw_in_ticket *a, const struct aw_in_ticket *b)
{
    SAME(ticket.seq);
    SAME(ticket.slot);
    SAME(ticket.shard);
    SAME(until);
    SAME(class_);
    SAME(hold);
    SAME_SLICE(lane);
    SAME_SLICE(by);
    SAME_SLICE(words);
    SAME(if_match.version);
}

static void
same_told(const struct aw_told *a, const struct aw_told *b)
{
    SAME(messages);
    SAME(first_seq);
    SAME(last_seq);
    SAME(accepted_at);
    SAME(received_at);
    SAME(reply_by);
    SAME(said);
    SAME(gentle);
    SAME(is_listening);
    SAME_HASH(contact);
    SAME_SLICE(channel);
    SAME_SLICE(account);
    SAME_SLICE(lang);
    SAME(identity_count);
    for (uint32_t i = 0; i < a->identity_count; i++)
        SAME_HASH(identities[i]);
    SAME(fact_count);
    for (uint32_t i = 0; i < a->fact_count; i++) {
        SAME(facts[i].hash);
        SAME(facts[i].departs_at);
        SAME(facts[i].said_at);
        SAME(facts[i].seq);
        SAME(facts[i].kind);
        assert_memory_equal(&a->facts[i].from, &b->facts[i].from, sizeof(a->facts[i].from));
        assert_memory_equal(&a->facts[i].to, &b->facts[i].to, sizeof(a->facts[i].to));
    }
}

static void
same_unfold(const struct aw_in_unfold *a, const struct aw_in_unfold *b)
{
    same_ticket(&a->on, &b->on);
    SAME(message_count);
    for (uint32_t i = 0; i < a->message_count; i++)
        SAME(messages[i]);
    SAME(newest_seq);
    SAME(messages_total);
    same_told(&a->taken, &b->taken);
    same_told(&a->left, &b->left);
}

static void
same_agent(const struct aw_in_agent *a, const struct aw_in_agent *b)
{
    SAME_SLICE(name);
    SAME(is_gentle);
    SAME(barred);
    SAME(needs_approval);
    SAME(lane_count);
    for (uint32_t i = 0; i < a->lane_count; i++)
        SAME(lanes[i]);
    assert_int_equal(a->lanes == NULL, b->lanes == NULL);
    SAME(unit_count);
    for (uint32_t i = 0; i < a->unit_count; i++) {
        SAME_SLICE(units[i].channel);
        SAME(units[i].units);
    }
    SAME(units_total);
    SAME(if_match.version);
    SAME_SLICE(by);
}

static void
same_event(const struct aw_command *a, const struct aw_command *b)
{
    if (a->kind == AW_COMMAND_FLIGHT) {
        SAME(in.flight.flight_hash);
        SAME_SLICE(in.flight.number);
        SAME(in.flight.date_days);
        SAME(in.flight.state);
        SAME(in.flight.departs_at);
        SAME(in.flight.if_match.version);
        SAME_SLICE(in.flight.by);
    } else if (a->kind == AW_COMMAND_AIRPORT) {
        SAME_BYTES(in.airport.code.letters);
        SAME(in.airport.from);
        SAME(in.airport.until);
        SAME(in.airport.if_match.version);
        SAME_SLICE(in.airport.by);
    } else {
        SAME(in.undo.change.of);
        SAME(in.undo.change.seq);
        SAME(in.undo.change.slot);
        SAME(in.undo.change.shard);
        SAME_SLICE(in.undo.by);
        assert_int_equal(aw_command_surge_turn(a), aw_command_surge_turn(b));
    }
    SAME_HASH(once.key);
    SAME(once.request);
}

static void
same_effect(const struct aw_effect *a, const struct aw_effect *b)
{
    SAME(ticket_seq);
    SAME(lane);
    SAME(lane_before);
    SAME(class_);
    SAME(class_before);
    SAME(state);
    SAME(state_before);
    SAME(cause);
    SAME(incident.seq);
    SAME(incident.slot);
    SAME(deferral_over);
    SAME_SLICE(holder);
    SAME(address_count);
    for (uint32_t i = 0; i < a->address_count; i++)
        SAME(addresses[i]);
}

static void
same_incident_answer(const struct aw_in_incident_answer *a, const struct aw_in_incident_answer *b)
{
    SAME(incident.seq);
    SAME(incident.slot);
    SAME(incident.shard);
    SAME(text_count);
    SAME(needs);
    SAME(through);
    SAME(facts);
    SAME_SLICE(by);
    for (uint32_t i = 0; i < a->text_count; i++) {
        SAME_SLICE(texts[i].lang);
        SAME_SLICE(texts[i].words);
    }
}

static void
same_incident(const struct aw_command *a, const struct aw_command *b)
{
    SAME(in.incident.incident.seq);
    SAME(in.incident.incident.slot);
    SAME(in.incident.incident.shard);
    SAME(in.incident.state);
    SAME_SLICE(in.incident.title);
    SAME(in.incident.has_keys);
    SAME(in.incident.key_count);
    SAME(in.incident.follow);
    SAME_SLICE(in.incident.by);
    SAME(in.incident.if_match.version);
    SAME(out.u.incident.incident.slot);
    SAME_HASH(once.key);
    SAME(once.request);
    for (uint32_t i = 0; i < a->in.incident.key_count; i++) {
        SAME(in.incident.keys[i].kind);
        SAME(in.incident.keys[i].hash);
        SAME_SLICE(in.incident.keys[i].name);
        SAME(in.incident.keys[i].date_days);
    }
}

/* long: one line for each kind */
static void
same_body(const struct aw_in_body *a, const struct aw_in_body *b)
{
    SAME(len);
    SAME_BYTES(hash.bytes);
}

static void
same_transfer(const struct aw_command *a, const struct aw_command *b)
{
    same_fenced(&a->in.fenced, &b->in.fenced);
    SAME_SLICE(in.transfer.lane);
    SAME_SLICE(in.transfer.to);
    same_body(&a->in.transfer.note, &b->in.transfer.note);
    SAME(out.u.lease.help.kept_until);
}

static void
same_defer(const struct aw_command *a, const struct aw_command *b)
{
    same_fenced(&a->in.fenced, &b->in.fenced);
    SAME(in.defer.until);
    SAME(in.defer.reason);
    same_body(&a->in.defer.what, &b->in.defer.what);
    SAME(out.u.lease.held_until);
}

/* long: a flat switch over all kinds */
static void
same_command(const struct aw_command *a, const struct aw_command *b)
{
    SAME(kind);
    SAME(out.seq);
    SAME(out.prev_seq);
    SAME(out.err);
    same_effect(&a->out.effect, &b->out.effect);
    switch (a->kind) {
    case AW_COMMAND_EPOCH:
        SAME(in.epoch.epoch);
        return;
    case AW_COMMAND_SETTINGS:
        same_settings(&a->in.settings, &b->in.settings);
        return;
    case AW_COMMAND_LANE:
        same_lane(&a->in.lane, &b->in.lane);
        return;
    case AW_COMMAND_AGENT:
        same_agent(&a->in.agent, &b->in.agent);
        return;
    case AW_COMMAND_PRESENCE:
        SAME_SLICE(in.presence.name);
        SAME(in.presence.presence);
        SAME_SLICE(in.presence.by);
        return;
    case AW_COMMAND_MESSAGE:
        same_message(&a->in.message, &b->in.message);
        SAME(out.u.message.class_);
        SAME(out.u.message.folded);
        SAME(out.u.message.reopened);
        SAME(out.u.message.lane_unknown);
        SAME(out.u.message.opted_out);
        SAME(out.u.message.lane);
        SAME(out.u.message.ticket.seq);
        SAME(out.u.message.ticket.slot);
        SAME(out.u.message.ticket.shard);
        SAME(out.u.message.related.seq);
        SAME(out.u.message.related.slot);
        SAME(out.u.message.related.shard);
        SAME(out.u.message.promise.made_at);
        SAME(out.u.message.promise.half_by);
        SAME(out.u.message.promise.nine_of_ten_by);
        return;
    case AW_COMMAND_LEASE:
        same_lease(&a->in.lease, &b->in.lease);
        return;
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
    case AW_COMMAND_REPLY:
        same_fenced(&a->in.fenced, &b->in.fenced);
        same_reply(&a->in.fenced.reply, &b->in.fenced.reply);
        if (a->kind == AW_COMMAND_REPLY)
            assert_int_equal(a->out.u.lease.reply_state == AW_REPLY_PENDING, b->out.u.lease.reply_state == AW_REPLY_PENDING);
        return;
    case AW_COMMAND_APPROVE:
        SAME(in.approve.reply.seq);
        SAME(in.approve.reply.shard);
        SAME(in.approve.goes);
        SAME_SLICE(in.approve.by);
        same_body(&a->in.approve.note, &b->in.approve.note);
        SAME(out.u.reply.ticket.seq);
        SAME(out.u.reply.ticket.slot);
        return;
    case AW_COMMAND_CHANNEL:
    case AW_COMMAND_REPLY_LEASE:
    case AW_COMMAND_REPLY_STATUS:
    case AW_COMMAND_REPLY_TIMER:
    case AW_COMMAND_REDRIVE:
    case AW_COMMAND_TEMPLATE:
        same_outbox(a, b);
        return;
    case AW_COMMAND_FORECAST:
        SAME(in.forecast.group);
        SAME(in.forecast.base);
        assert_memory_equal(a->in.forecast.waits, b->in.forecast.waits, AW_PROMISE_WAITS * sizeof(struct aw_told_wait));
        SAME(in.forecast.lane_count);
        for (uint32_t i = 0; i < a->in.forecast.lane_count; i++) {
            SAME(in.forecast.lanes[i].lane);
            SAME(in.forecast.lanes[i].group);
        }
        return;
    case AW_COMMAND_PROMISE:
        SAME(in.promise.ticket.seq);
        SAME(in.promise.ticket.slot);
        SAME(in.promise.ticket.shard);
        SAME(in.promise.half_by);
        SAME(in.promise.nine_of_ten_by);
        return;
    case AW_COMMAND_TRANSFER:
        same_transfer(a, b);
        return;
    case AW_COMMAND_DEFER:
        same_defer(a, b);
        return;
    case AW_COMMAND_OPT_OUT:
        SAME_HASH(in.opt_out.contact);
        SAME_SLICE(in.opt_out.channel);
        SAME_SLICE(in.opt_out.account);
        SAME(in.opt_out.is_in);
        SAME_SLICE(in.opt_out.by);
        return;
    case AW_COMMAND_ERASE:
        SAME_HASH(in.erase.customer);
        SAME(in.erase.through);
        SAME(in.erase.ticket.seq);
        SAME(in.erase.ticket.slot);
        SAME(in.erase.ticket.shard);
        SAME(in.erase.messages);
        SAME(in.erase.looked);
        SAME(out.u.erase.spares);
        SAME_SLICE(in.erase.by);
        return;
    case AW_COMMAND_WITHDRAW:
        SAME(in.withdraw.message.seq);
        SAME(in.withdraw.message.shard);
        SAME(in.withdraw.ticket.seq);
        SAME(in.withdraw.ticket.slot);
        SAME_SLICE(in.withdraw.by);
        SAME(out.u.ticket.ticket.seq);
        SAME(out.u.ticket.ticket.slot);
        return;
    case AW_COMMAND_TIMER:
        SAME(in.timer.slot);
        SAME(in.timer.version);
        return;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
    case AW_COMMAND_PLACE:
        same_ticket(&a->in.ticket, &b->in.ticket);
        SAME_HASH(once.key);
        SAME(once.request);
        return;
    case AW_COMMAND_NOTE:
        same_ticket(&a->in.ticket, &b->in.ticket);
        same_body(&a->in.note.body, &b->in.note.body);
        SAME_HASH(once.key);
        SAME(once.request);
        return;
    case AW_COMMAND_UNFOLD:
        same_unfold(&a->in.unfold, &b->in.unfold);
        SAME(out.u.ticket.ticket.slot);
        SAME_HASH(once.key);
        SAME(once.request);
        return;
    case AW_COMMAND_FLIGHT:
    case AW_COMMAND_AIRPORT:
    case AW_COMMAND_UNDO:
        same_event(a, b);
        return;
    case AW_COMMAND_INCIDENT:
        same_incident(a, b);
        return;
    case AW_COMMAND_INCIDENT_ANSWER:
        same_incident_answer(&a->in.incident_answer, &b->in.incident_answer);
        SAME_HASH(once.key);
        SAME(once.request);
        return;
    case AW_COMMAND_INCIDENT_TIMER:
        SAME(in.incident_timer.incident.seq);
        SAME(in.incident_timer.incident.slot);
        SAME(in.incident_timer.ticket.seq);
        SAME(in.incident_timer.ticket.slot);
        SAME(in.incident_timer.ticket.shard);
        return;
    case AW_COMMAND_INCIDENT_LINK:
        SAME(in.incident_link.ticket.seq);
        SAME(in.incident_link.ticket.slot);
        SAME(in.incident_link.ticket.shard);
        SAME(in.incident_link.incident.seq);
        SAME(in.incident_link.incident.slot);
        SAME(in.incident_link.incident.shard);
        SAME(in.incident_link.parts);
        SAME_SLICE(in.incident_link.by);
        return;
    case AW_COMMAND_SURGE:
        assert_int_equal(a->in.surge.surge == NULL, b->in.surge.surge == NULL);
        if (a->in.surge.surge != NULL)
            assert_memory_equal(a->in.surge.surge, b->in.surge.surge, sizeof(struct aw_surge));
        SAME(in.surge.if_match.version);
        SAME_SLICE(in.surge.by);
        assert_int_equal(aw_command_surge_turn(a), aw_command_surge_turn(b));
        return;
    }
    fail();
}

/* --- records ---------------------------------------------------------------------------------------------------------------- */

/* In a block of its own size, so that the address sanitizer sees a reader that goes one byte too far. */
static uint8_t *
write_exact(const struct aw_command *command, size_t *ret_len)
{
    size_t   room = aw_record_bytes_max(command);
    uint8_t *bytes = malloc(room);

    assert_non_null(bytes);
    *ret_len = aw_record_write(command, bytes);
    assert_in_range(*ret_len, AW_RECORD_HEADER_BYTES, room);
    return bytes;
}

static void
fix_crc(uint8_t *record, size_t len)
{
    uint32_t crc = aw_crc32c(0, record + 8, len - 8);

    for (unsigned i = 0; i < 4; i++)
        record[4 + i] = (uint8_t)(crc >> (8 * i));
}

static void
fix_len(uint8_t *record, size_t len)
{
    for (unsigned i = 0; i < 4; i++)
        record[i] = (uint8_t)(len >> (8 * i));
}

/* The first record of `bytes`, decoded. */
static enum aw_err
read_one(struct maker *maker, const uint8_t *bytes, size_t len, struct aw_command *ret_command, struct aw_why *why)
{
    struct aw_slice  at = aw_slice_of(bytes, len);
    struct aw_record record;
    enum aw_err      err = aw_record_next(&at, &record, why);

    return err != AW_OK ? err : aw_record_read(&record, &maker->arena, ret_command, why);
}

static void
test_round_trip(void **state)
{
    struct maker *maker = *state;

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < AW_ARRAY_LEN(kinds); i++) {
            struct aw_command command, copy;
            struct aw_why     why = {""};
            struct aw_record  record;
            struct aw_slice   at;
            size_t            len;
            uint8_t          *bytes;

            maker->fullest = round == 0;
            command = make_command(maker, kinds[i]);
            bytes = write_exact(&command, &len);
            at = aw_slice_of(bytes, len);
            assert_int_equal(aw_record_next(&at, &record, &why), AW_OK);
            assert_int_equal(at.len, 0);
            assert_int_equal(aw_record_next(&at, &record, &why), AW_E_AGAIN);
            assert_int_equal(record.kind, command.kind);
            assert_int_equal(record.bytes.len, len);
            assert_int_equal(record.fields.len, len - AW_RECORD_HEADER_BYTES);
            assert_int_equal(aw_record_read(&record, &maker->arena, &copy, &why), AW_OK);
            same_command(&command, &copy);
            free(bytes);
            aw_arena_reset(&maker->arena);
        }
    }
}

/* The fullest command of each kind must fit both the bound and the limit that batches are planned with. */
static void
test_bytes_max_is_a_bound(void **state)
{
    struct maker *maker = *state;

    maker->fullest = true;
    for (size_t i = 0; i < AW_ARRAY_LEN(kinds); i++) {
        struct aw_command command = make_command(maker, kinds[i]);
        uint8_t           room[AW_RECORD_BYTES_MAX + 16];
        size_t            bound = aw_record_bytes_max(&command);

        assert_in_range(bound, AW_RECORD_HEADER_BYTES, AW_RECORD_BYTES_MAX);
        memset(room, 0xa5, sizeof(room));
        assert_in_range(aw_record_write(&command, room), AW_RECORD_HEADER_BYTES, bound);
        for (size_t at = bound; at < sizeof(room); at++)
            assert_int_equal(room[at], 0xa5);
    }
}

/* A record that lies in memory of exactly `len` bytes: cut, flipped or changed. */
static enum aw_err
read_damaged(struct maker *maker, const uint8_t *bytes, size_t len, struct aw_command *ret_command)
{
    uint8_t      *copy = malloc(len == 0 ? 1 : len);
    struct aw_why why = {""};
    enum aw_err   err;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    err = read_one(maker, copy, len, ret_command, &why);
    AW_IMPLIES(err != AW_OK && err != AW_E_AGAIN, why.text[0] != '\0');
    free(copy);
    return err;
}

static void
test_truncated_is_refused(void **state)
{
    struct maker *maker = *state;

    for (size_t i = 0; i < AW_ARRAY_LEN(kinds); i++) {
        struct aw_command command = make_command(maker, kinds[i]), copy;
        size_t            len;
        uint8_t          *bytes = write_exact(&command, &len);

        assert_int_equal(read_damaged(maker, bytes, 0, &copy), AW_E_AGAIN);
        for (size_t cut = 1; cut < len; cut++)
            assert_int_equal(read_damaged(maker, bytes, cut, &copy), AW_E_CORRUPT);
        /* The length says so too, and the CRC is right: now the fields themselves end early. */
        for (size_t cut = AW_RECORD_HEADER_BYTES; cut < len; cut++) {
            uint8_t *shorter = malloc(cut);

            assert_non_null(shorter);
            memcpy(shorter, bytes, cut);
            fix_len(shorter, cut);
            fix_crc(shorter, cut);
            assert_int_equal(read_damaged(maker, shorter, cut, &copy), AW_E_CORRUPT);
            free(shorter);
        }
        free(bytes);
        aw_arena_reset(&maker->arena);
    }
}

static void
test_trailing_bytes_are_refused(void **state)
{
    struct maker *maker = *state;

    for (size_t i = 0; i < AW_ARRAY_LEN(kinds); i++) {
        struct aw_command command = make_command(maker, kinds[i]), copy;
        uint8_t           room[AW_RECORD_BYTES_MAX + 1];
        size_t            len = aw_record_write(&command, room);

        room[len++] = 0;
        fix_len(room, len);
        fix_crc(room, len);
        assert_int_equal(read_damaged(maker, room, len, &copy), AW_E_CORRUPT);
    }
}

static void
test_flipped_bits_are_refused(void **state)
{
    struct maker *maker = *state;

    for (size_t i = 0; i < AW_ARRAY_LEN(kinds); i++) {
        struct aw_command command = make_command(maker, kinds[i]), copy;
        size_t            len;
        uint8_t          *bytes = write_exact(&command, &len);

        for (size_t bit = 0; bit < len * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_equal(read_damaged(maker, bytes, len, &copy), AW_E_CORRUPT);
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        free(bytes);
        aw_arena_reset(&maker->arena);
    }
}

/* What is taken although it is damaged must at least mean what its bytes say: written again, they are the same. */
static void
test_flipped_bits_with_a_right_crc(void **state)
{
    struct maker *maker = *state;
    unsigned      taken = 0, refused = 0;

    for (size_t i = 0; i < AW_ARRAY_LEN(kinds); i++) {
        struct aw_command command = make_command(maker, kinds[i]), copy;
        size_t            len;
        uint8_t          *bytes = write_exact(&command, &len);

        for (size_t bit = 64; bit < len * 8; bit++) {
            struct aw_why why = {""};
            enum aw_err   err;

            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
            fix_crc(bytes, len);
            err = read_one(maker, bytes, len, &copy, &why);
            if (err == AW_OK) {
                size_t   again_len;
                uint8_t *again = write_exact(&copy, &again_len);

                assert_int_equal(again_len, len);
                assert_memory_equal(again, bytes, len);
                free(again);
                taken++;
            } else {
                assert_true(err == AW_E_CORRUPT || err == AW_E_VERSION);
                refused++;
            }
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        free(bytes);
        aw_arena_reset(&maker->arena);
    }
    assert_true(taken > 1000);
    assert_true(refused > 1000);
}

static void
test_unknown_kind_and_newer_version(void **state)
{
    struct maker *maker = *state;

    for (size_t i = 0; i < AW_ARRAY_LEN(kinds); i++) {
        struct aw_command command = make_command(maker, kinds[i]), copy;
        uint8_t           room[AW_RECORD_BYTES_MAX];
        size_t            len = aw_record_write(&command, room);

        bool has_more = aw_command_takes_key(kinds[i]) || kinds[i] == AW_COMMAND_LEASE || kinds[i] == AW_COMMAND_COMPLETE;

        room[26] = kinds[i] == AW_COMMAND_MESSAGE ? 5 : has_more ? 3 : 2;
        fix_crc(room, len);
        assert_int_equal(read_damaged(maker, room, len, &copy), AW_E_VERSION);
        room[26] = 0;
        fix_crc(room, len);
        assert_int_equal(read_damaged(maker, room, len, &copy), AW_E_CORRUPT);
        room[26] = 1;
        room[25] = 0x7f;
        fix_crc(room, len);
        assert_int_equal(read_damaged(maker, room, len, &copy), AW_E_VERSION);
    }
}

static void
test_version_2_holds_a_key(void **state)
{
    struct maker     *maker = *state;
    struct aw_command command = make_command(maker, AW_COMMAND_CANCEL), copy;
    uint8_t           room[AW_RECORD_BYTES_MAX];
    size_t            len;

    command.once = (struct aw_once){.request = 0};
    len = aw_record_write(&command, room);
    assert_int_equal(room[26], 1);
    command.once = (struct aw_once){.key = {.high = 1}, .request = 2};
    assert_int_equal(aw_record_write(&command, room), len + 24);
    assert_int_equal(room[26], 2);
    assert_int_equal(read_one(maker, room, len + 24, &copy, NULL), AW_OK);
    same_command(&command, &copy);
    memset(room + len, 0, 16); /* no key: then it would have been version 1 */
    fix_crc(room, len + 24);
    assert_int_equal(read_damaged(maker, room, len + 24, &copy), AW_E_CORRUPT);
    /* Of several versions asked for none is kept: that one of them was there is all that a replay needs. */
    command.in.ticket.if_match = (struct aw_if_match){.version = 5, .others = (const uint64_t[]){6}, .other_count = 1};
    len = aw_record_write(&command, room);
    assert_int_equal(read_one(maker, room, len, &copy, NULL), AW_OK);
    assert_int_equal(copy.in.ticket.if_match.version, 0);
}

/* Lists need memory; without it the answer is MEMORY, and nothing was written to the result. */
static void
test_no_memory_for_lists(void **state)
{
    struct maker     *maker = *state;
    struct aw_blocks *tight = aw_blocks_new(512, 64);
    struct aw_arena   arena;
    struct aw_command command, copy = {.kind = AW_COMMAND_EPOCH, .in.epoch.epoch = 77};
    struct aw_record  record;
    struct aw_why     why = {""};
    struct aw_slice   at;
    size_t            len;
    uint8_t          *bytes;

    maker->fullest = true;
    command = make_command(maker, AW_COMMAND_MESSAGE);
    bytes = write_exact(&command, &len);
    assert_non_null(tight);
    aw_arena_init(&arena, tight);
    at = aw_slice_of(bytes, len);
    assert_int_equal(aw_record_next(&at, &record, &why), AW_OK);
    assert_int_equal(aw_record_read(&record, &arena, &copy, &why), AW_E_MEMORY);
    assert_int_equal(copy.in.epoch.epoch, 77);
    aw_arena_reset(&arena);
    aw_blocks_free(&tight);
    free(bytes);
}

/* --- batches ---------------------------------------------------------------------------------------------------------------- */

#define BATCH_RECORDS 24U

static uint8_t *
make_batch(struct maker *maker, uint64_t first_seq, struct aw_batch_header *ret_header)
{
    uint8_t *bytes = malloc(AW_BATCH_HEADER_BYTES + BATCH_RECORDS * AW_RECORD_BYTES_MAX);
    size_t   len = AW_BATCH_HEADER_BYTES;

    assert_non_null(bytes);
    for (unsigned i = 0; i < BATCH_RECORDS; i++) {
        struct aw_command command = make_command(maker, kinds[i % AW_ARRAY_LEN(kinds)]);

        command.out.seq = first_seq + i;
        command.out.prev_seq = i == 0 ? 0 : first_seq;
        len += aw_record_write(&command, bytes + len);
    }
    *ret_header = (struct aw_batch_header){.shard = (uint8_t)next(&maker->rng),
                                           .sm_version = AW_SM_VERSION,
                                           .index = 1 + below(&maker->rng, UINT64_MAX - 1),
                                           .epoch = next(&maker->rng),
                                           .now = below(&maker->rng, AW_RECORD_MS_MAX + 1),
                                           .first_seq = first_seq,
                                           .count = BATCH_RECORDS,
                                           .bytes = (uint32_t)len,
                                           .digest_before = make_hash(maker)};
    make_bytes(maker, ret_header->uuid, sizeof(ret_header->uuid));
    make_bytes(maker, ret_header->previous.bytes, sizeof(ret_header->previous.bytes));
    aw_batch_header_write(ret_header, bytes);
    return bytes;
}

static void
test_batch_header(void **state)
{
    struct maker *maker = *state;

    for (unsigned round = 0; round < 50; round++) {
        struct aw_batch_header  header, copy;
        struct aw_batch_header *a = &header, *b = &copy;
        struct aw_why           why = {""};
        uint8_t                *bytes = make_batch(maker, 1 + below(&maker->rng, UINT64_MAX / 2), &header);

        assert_int_equal(aw_batch_header_read(aw_slice_of(bytes, header.bytes), &copy, &why), AW_OK);
        SAME_BYTES(uuid);
        SAME(shard);
        SAME(sm_version);
        SAME(index);
        SAME(epoch);
        SAME(now);
        SAME(first_seq);
        SAME(count);
        SAME(bytes);
        SAME_HASH(digest_before);
        SAME_BYTES(previous.bytes);
        for (size_t bit = 0; bit < AW_BATCH_HEADER_BYTES * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_equal(aw_batch_header_read(aw_slice_of(bytes, header.bytes), &copy, &why), AW_E_CORRUPT);
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        for (size_t cut = 0; cut < header.bytes; cut++)
            assert_int_equal(aw_batch_header_read(aw_slice_of(bytes, cut), &copy, &why), AW_E_CORRUPT);
        free(bytes);
        aw_arena_reset(&maker->arena);
    }
}

static enum aw_err
read_header_with(const uint8_t *bytes, const struct aw_batch_header *header, size_t at, uint8_t value)
{
    struct aw_batch_header copy;
    struct aw_why          why = {""};
    uint8_t               *changed = malloc(header->bytes);
    enum aw_err            err;
    uint32_t               crc;

    assert_non_null(changed);
    memcpy(changed, bytes, header->bytes);
    changed[at] = value;
    crc = aw_crc32c(0, changed, AW_BATCH_HEADER_BYTES - 4);
    for (unsigned i = 0; i < 4; i++)
        changed[AW_BATCH_HEADER_BYTES - 4 + i] = (uint8_t)(crc >> (8 * i));
    err = aw_batch_header_read(aw_slice_of(changed, header->bytes), &copy, &why);
    free(changed);
    return err;
}

static void
test_batch_header_versions_and_ranges(void **state)
{
    struct maker          *maker = *state;
    struct aw_batch_header header;
    uint8_t               *bytes = make_batch(maker, 1000, &header);

    assert_int_equal(read_header_with(bytes, &header, 4, 1), AW_OK);
    assert_int_equal(read_header_with(bytes, &header, 4, 2), AW_E_VERSION);
    assert_int_equal(read_header_with(bytes, &header, 4, 0), AW_E_CORRUPT);
    assert_int_equal(read_header_with(bytes, &header, 24, AW_SM_VERSION + 1), AW_E_VERSION);
    assert_int_equal(read_header_with(bytes, &header, 24, 0), AW_E_CORRUPT);
    assert_int_equal(read_header_with(bytes, &header, 28, 0), AW_E_CORRUPT);     /* no records */
    assert_int_equal(read_header_with(bytes, &header, 31, 1), AW_E_CORRUPT);     /* more than can lie in it */
    assert_int_equal(read_header_with(bytes, &header, 35, 1), AW_E_CORRUPT);     /* another length */
    assert_int_equal(read_header_with(bytes, &header, 36, 1), AW_E_CORRUPT);     /* reserved */
    assert_int_equal(read_header_with(bytes, &header, 7, 1), AW_E_CORRUPT);      /* reserved */
    assert_int_equal(read_header_with(bytes, &header, 120, 1), AW_E_CORRUPT);    /* reserved */
    assert_int_equal(read_header_with(bytes, &header, 63, 0x40), AW_E_CORRUPT);  /* the year 146 million */
    assert_int_equal(read_header_with(bytes, &header, 61, 0x10), AW_E_CORRUPT);  /* the year 2527 at least */
    assert_int_equal(read_header_with(bytes, &header, 155, 0xff), AW_E_CORRUPT); /* reserved */
    free(bytes);
}

static void
test_find(void **state)
{
    struct maker          *maker = *state;
    struct aw_batch_header header;
    struct aw_record       record;
    struct aw_why          why = {""};
    uint8_t               *bytes = make_batch(maker, 1000, &header);
    struct aw_slice        batch = aw_slice_of(bytes, header.bytes);

    for (unsigned i = 0; i < BATCH_RECORDS; i++) {
        assert_int_equal(aw_record_find(batch, 1000 + i, &record, &why), AW_OK);
        assert_int_equal(record.seq, 1000 + i);
        assert_int_equal(record.kind, kinds[i % AW_ARRAY_LEN(kinds)]);
    }
    assert_int_equal(aw_record_find(batch, 999, &record, &why), AW_E_NOT_FOUND);
    assert_int_equal(aw_record_find(batch, 1000 + BATCH_RECORDS, &record, &why), AW_E_NOT_FOUND);
    /* A header that promises one record more than there is, and a record in another's place. */
    header.count++;
    aw_batch_header_write(&header, bytes);
    assert_int_equal(aw_record_find(batch, 1000 + BATCH_RECORDS, &record, &why), AW_E_CORRUPT);
    header.count--;
    header.first_seq++;
    aw_batch_header_write(&header, bytes);
    assert_int_equal(aw_record_find(batch, 1003, &record, &why), AW_E_CORRUPT);
    free(bytes);
}

static void
test_hash_chains(void **state)
{
    struct maker          *maker = *state;
    struct aw_batch_header header;
    struct aw_sha256       zero = {{0}}, one = {{1}}, a, b, c;
    uint8_t               *bytes = make_batch(maker, 1, &header);
    struct aw_slice        batch = aw_slice_of(bytes, header.bytes);

    assert_true(aw_batch_hash(&zero, batch, &a));
    assert_true(aw_batch_hash(&one, batch, &b));
    assert_memory_not_equal(a.bytes, b.bytes, sizeof(a.bytes));
    bytes[header.bytes - 1] ^= 1;
    assert_true(aw_batch_hash(&zero, batch, &c));
    assert_memory_not_equal(a.bytes, c.bytes, sizeof(a.bytes));
    free(bytes);
}

static void
test_id_entry(void **state)
{
    struct maker *maker = *state;

    for (unsigned round = 0; round < 100; round++) {
        struct aw_id_entry  entry = {.hash = make_hash(maker), .seq = next(&maker->rng), .accepted_at = next(&maker->rng)};
        struct aw_id_entry  copy;
        struct aw_id_entry *a = &entry, *b = &copy;
        uint8_t             bytes[AW_ID_ENTRY_BYTES];

        aw_id_entry_write(&entry, bytes);
        aw_id_entry_read(bytes, &copy);
        SAME(seq);
        SAME(accepted_at);
        SAME_HASH(hash);
    }
}

/* --- golden records --------------------------------------------------------------------------------------------------------- */

static const struct aw_slice       golden_langs[] = {{"nl", 2}, {"nl-BE", 5}};
static const struct aw_slice       golden_tags[] = {{"vip", 3}};
static const struct aw_hash128     golden_identities[] = {{0x0102030405060708, 0x1112131415161718}, {3, 4}};
static const uint64_t              golden_addresses[] = {AW_ADDRESS_BIT | 7, AW_ADDRESS_BIT | 0x0102030405060708};
static const struct aw_agent_units golden_units[] = {{{"twitter", 7}, 3}, {{"phone", 5}, 0}};
static const uint32_t              golden_lanes[] = {0, 1, 300};
static const struct aw_lane_helper golden_helpers[] = {{{"english", 7}, 600}, {{"german", 6}, 3600}};
static const uint64_t              golden_messages[] = {4700, 4801};
static const struct aw_told_fact   golden_facts[] = {
      {.hash = 0xf00d,
       .departs_at = 1776240300000,
       .said_at = 1776240000000,
       .seq = 4700,
       .from = {{'A', 'M', 'S'}},
       .to = {{'J', 'F', 'K'}}},
      {.said_at = 1776240000001, .seq = 4801, .from = {{'L', 'H', 'R'}}, .kind = AW_FACT_AIRPORT},
      {.said_at = 1776240000001, .seq = 4801, .hash = 0xb00c, .kind = AW_FACT_BOOKING}};
static const struct aw_airport_code golden_airports[] = {{{'L', 'H', 'R'}}, {{'C', 'D', 'G'}}};
static const struct aw_flight_fact  golden_flights[] = {
     {.flight_hash = 0xf00d, .departs_at = 1776240300000, .from = {'A', 'M', 'S'}, .to = {'J', 'F', 'K'}},
     {.flight_hash = 0xbeef}};
static const struct aw_incident_key golden_keys[] = {
    {.kind = AW_INCIDENT_FLIGHT, .hash = 0xf00d, .name = {"KL641", 5}, .date_days = 20558},
    {.kind = AW_INCIDENT_AIRPORT, .name = {"AMS", 3}},
    {.kind = AW_INCIDENT_BOOKING, .hash = 0xb00c, .name = {"QX7K2P", 6}}};
#define GOLDEN_LEASE                                                                                                             \
    {                                                                                                                            \
        .fence = 4711, .slot = 0x01020304, .shard = 7                                                                            \
    }
#define GOLDEN_TICKET                                                                                                            \
    {                                                                                                                            \
        .seq = 4700, .slot = 0x01020304, .shard = 7                                                                              \
    }
#define GOLDEN_OUT .out = {.seq = 5000, .prev_seq = 4999}

/* In the order of the lines. Never change one: what they became is in somebody's store. */
static const struct aw_pace     golden_paces[] = {{{"main", 4}, 300, 900}, {{"crew", 4}, 1, 60}};
static const struct aw_own_text golden_texts[] = {{{"en", 2}, {"Still {half_in}.", 16}}, {{"nl-BE", 5}, {"Nog {half_in}.", 14}}};
static const struct aw_account_name golden_accounts[] = {{{"twitter", 7}, {"main", 4}}, {{"mail", 4}, {"care", 4}}};
#define GOLDEN_REPLY                                                                                                             \
    {                                                                                                                            \
        .is_there = true, .is_override = true, .visibility = 1, .to = {.seq = 4801, .shard = 7},                                 \
        .to_ticket = {.seq = 4700, .slot = 17, .shard = 7}, .channel = {"twitter", 7}, .account = {"main", 4}, .body = {         \
            .len = 300,                                                                                                          \
            .hash = {.bytes = {0x30}}                                                                                            \
        }                                                                                                                        \
    }

static const struct aw_told_wait  golden_waits[AW_PROMISE_WAITS] = {[0] = {.raw_s = {61, 62}, .steps = {1, 1}},
                                                                    [3] = {.raw_s = {40000, 50000}, .steps = {144, 180}},
                                                                    [40] = {.steps = {4095, 1}}};
static const struct aw_lane_group golden_groups[] = {{0, 0}, {2, 3}, {300, AW_PROMISE_NO_GROUP}};
static const struct aw_surge      golden_surge = {.target_s = {600, 1200, 7200, 0, 0},
                                                  .overflow_after_s = 900,
                                                  .is_on = 1,
                                                  .order = AW_SURGE_ORDER_STRICT,
                                                  .is_receipt = 1,
                                                  .lane_count = 2,
                                                  .channel_count = 1,
                                                  .flight_count = 1,
                                                  .airport_count = 2,
                                                  .notice_count = 2,
                                                  .lanes = {0, 7},
                                                  .flights = {{.hash = 0xf00d, .number = "KL1234", .date_days = 20558}},
                                                  .channels = {"twitter"},
                                                  .airports = {{{'A', 'M', 'S'}}, {{'R', 'T', 'M'}}},
                                                  .reason = "ash",
                                                  .notices = {{.lang = "nl", .text = "Druk"}, {.text = "Busy"}}};

static const struct aw_command golden[] = {
    {.kind = AW_COMMAND_EPOCH, .in.epoch = {.epoch = 12}, .out = {.seq = 1}},
    {.kind = AW_COMMAND_SETTINGS,
     .in.settings = {.dedupe_ms = 604800000,
                     .reopen_ms = 86400000,
                     .backdate_ms = 86400001,
                     .imminent_ms = 21600000,
                     .lease_grace_ms = 30000,
                     .decline_ms = 600000,
                     .kept_ms = 120000,
                     .kept_gentle_ms = 900000,
                     .kept_transfer_ms = 900001,
                     .gentle_first_ms = 60000,
                     .tables = {.tickets_max = 12000000,
                                .identities_max = 16000000,
                                .ids_max = 24000000,
                                .leases_max = 200000,
                                .lanes_max = 4096,
                                .agents_max = 20000,
                                .keys_max = 200001,
                                .facts_max = 16000001,
                                .flights_max = 20001,
                                .asides_max = 4097,
                                .replies_max = 1000001,
                                .commitments_max = 10001,
                                .contacts_max = 1000002},
                     .reply_retry_ms = 5000,
                     .reply_retry_ms_max = 900000,
                     .still_needed_ms = 7200000,
                     .reply_attempts_max = 8,
                     .defer_back_ms = 3600001,
                     .contact_ms = 31536000001,
                     .handling_ms = {600000, 300000, 480000, 360000, 240000}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_LANE,
     .in.lane = {.name = {"dutch", 5},
                 .pause = AW_LANE_PAUSED_OUT,
                 .match = {.langs = golden_langs, .tags = golden_tags, .lang_count = 2, .tag_count = 1},
                 .if_match.version = 3,
                 .only_create = true,
                 .helpers = golden_helpers,
                 .helper_count = 2},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_MESSAGE,
     .in.message = {.id_hash = {0x8877665544332211, 0xffeeddccbbaa9988},
                    .identities = golden_identities,
                    .identity_count = 2,
                    .channel = {"twitter", 7},
                    .account = {"main", 4},
                    .lang = {"nl", 2},
                    .lane = {"dutch", 5},
                    .tags = golden_tags,
                    .tag_count = 1,
                    .flights = golden_flights,
                    .flight_count = 2,
                    .received_at = 1776231000000,
                    .departs_at = 1776240300000,
                    .reply_by = 1776317400000,
                    .class_ = AW_CLASS_DISRUPTED,
                    .care = AW_CARE_MEDICAL | AW_CARE_SAFETY,
                    .visibility = AW_VISIBILITY_PRIVATE,
                    .addressed = AW_ADDRESSED_BYSTANDER,
                    .gentle = true,
                    .body_hash = {{1, 2, 3, [31] = 32}},
                    .reasons_bytes = 300,
                    .posted_hash = 0x0102030405060708,
                    .rules_version = 2},
     .out = {.seq = 5000,
             .prev_seq = 4999,
             .u.message = {.ticket = {4711, 17, 1},
                           .related = {4000, 9, 1},
                           .lane = 3,
                           .class_ = AW_CLASS_IMMINENT,
                           .folded = true,
                           .reopened = true,
                           .lane_unknown = true}}},
    {.kind = AW_COMMAND_MESSAGE,
     .in.message = {.identities = golden_identities,
                    .identity_count = 1,
                    .channel = {"web", 3},
                    .account = {"main", 4},
                    .class_ = AW_CLASS_OTHER},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_LEASE,
     .in.lease = {.slot = 17, .version = 4, .agent = {"mia", 3}, .lease_ms = 300000, .pull_key = {.key = 5, .request = 6}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_LEASE,
     .in.lease = {.slot = 17,
                  .version = 4,
                  .through = 301,
                  .agent = {"mia", 3},
                  .lease_ms = 300000,
                  .choice = {.at = 1776313800000,
                             .order = {.order = AW_ORDER_STRICT,
                                       .target_ms = {600000, 1200000, 3600000, 7200000, 86400000},
                                       .handling_ms = {600000, 300000, 480000, 360000, 240000},
                                       .guard_ms = 1500000,
                                       .reserve_ms = 900000},
                             .seen_seq = 4990,
                             .taken_seq = 4991,
                             .held_us = 850,
                             .queue = 5,
                             .full = 0x120,
                             .barred = 0x03,
                             .refused_seq = 4980,
                             .lanes = golden_lanes,
                             .lane_count = 3}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_EXTEND,
     .in.fenced = {.lease = GOLDEN_LEASE, .agent = {"mia", 3}, .op_hash = 0xabcdef, .lease_ms = 600000},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_COMPLETE,
     .in.fenced = {.lease = GOLDEN_LEASE, .agent = {"mia", 3}, .op_hash = 1, .words = {"rebooked", 8}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_RELEASE,
     .in.fenced = {.lease = GOLDEN_LEASE, .agent = {"mia", 3}, .op_hash = 2, .words = {"end of shift", 12}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_COMPLETE,
     .in.fenced = {.lease = GOLDEN_LEASE, .agent = {"mia", 3}, .op_hash = 1},
     .out = {.seq = 5000, .prev_seq = 4999, .err = AW_E_NEW_MESSAGES}},
    {.kind = AW_COMMAND_TIMER, .in.timer = {.slot = 17, .version = 5}, GOLDEN_OUT},
    {.kind = AW_COMMAND_HOLD,
     .in.ticket = {.ticket = GOLDEN_TICKET, .until = 1776317400000, .by = {"sam", 3}, .words = {"asked the crew", 14}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_UNHOLD, .in.ticket = {.ticket = GOLDEN_TICKET, .by = {"sam", 3}, .if_match.version = 6}, GOLDEN_OUT},
    {.kind = AW_COMMAND_CANCEL, .in.ticket = {.ticket = GOLDEN_TICKET, .by = {"sam", 3}, .words = {"spam", 4}}, GOLDEN_OUT},
    {.kind = AW_COMMAND_CANCEL,
     .once = {.key = {0x0102030405060708, 9}, .request = 10},
     .in.ticket = {.ticket = GOLDEN_TICKET, .by = {"sam", 3}, .words = {"spam", 4}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_PLACE,
     .in.ticket = {.ticket = GOLDEN_TICKET,
                   .until = 1776317400000,
                   .by = {"sam", 3},
                   .words = {"asked the crew", 14},
                   .if_match.version = 6,
                   .class_ = AW_CLASS_CARE,
                   .lane = {"dutch", 5},
                   .hold = AW_HOLD_ON},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_UNFOLD,
     .in.unfold = {.on = {.ticket = GOLDEN_TICKET, .by = {"sam", 3}, .words = {"two people", 10}, .if_match.version = 6},
                   .messages = golden_messages,
                   .message_count = 2,
                   .newest_seq = 4900,
                   .messages_total = 3,
                   .taken = {.messages = 2,
                             .first_seq = 4700,
                             .last_seq = 4801,
                             .accepted_at = 1776240000000,
                             .received_at = 1776239000000,
                             .reply_by = 1776317400000,
                             .said = AW_CLASS_DISRUPTED,
                             .gentle = true,
                             .channel = {"mail", 4},
                             .identities = golden_identities,
                             .identity_count = 2,
                             .facts = golden_facts,
                             .fact_count = 3},
                   .left = {.messages = 1,
                            .first_seq = 4900,
                            .last_seq = 4900,
                            .accepted_at = 1776240000002,
                            .said = AW_CLASS_OTHER,
                            .is_listening = true,
                            .contact = {0xc047ac7, 0x1234},
                            .channel = {"web", 3}}},
     .out = {.seq = 5000, .prev_seq = 4999, .u.ticket.ticket = {5000, 18, 1}}},
    {.kind = AW_COMMAND_MESSAGE,
     .in.message = {.identities = golden_identities,
                    .identity_count = 1,
                    .channel = {"web", 3},
                    .account = {"main", 4},
                    .airports = golden_airports,
                    .airport_count = 2,
                    .booking_hash = 0xb00c,
                    .class_ = AW_CLASS_OTHER},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_FLIGHT,
     .in.flight = {.flight_hash = 0xf00d,
                   .number = {"KL1234", 6},
                   .date_days = 20558,
                   .state = AW_FLIGHT_DELAYED,
                   .departs_at = 1776240300000,
                   .if_match.version = 2,
                   .by = {"sam", 3}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_AIRPORT,
     .once = {.key = {1, 2}, .request = 3},
     .in.airport = {.code = {{'A', 'M', 'S'}}, .from = 1776240300000, .until = 1776317400000, .by = {"sam", 3}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_UNDO,
     .in.undo = {.change = {.seq = 4800, .slot = 5, .shard = 7, .of = AW_CHANGE_AIRPORT}, .by = {"sam", 3}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_DECLINE,
     .in.fenced = {.lease = GOLDEN_LEASE, .agent = {"mia", 3}, .op_hash = 3, .words = {"not my language", 15}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_AGENT,
     .in.agent = {.name = {"mia", 3},
                  .lanes = golden_lanes,
                  .lane_count = 3,
                  .is_gentle = true,
                  .barred = 0x11,
                  .needs_approval = true,
                  .units = golden_units,
                  .unit_count = 2,
                  .units_total = 6,
                  .by = {"sam", 3},
                  .if_match.version = 6},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_AGENT, .in.agent = {.name = {"mia", 3}, .units_total = AW_UNITS_NO_TOTAL}, GOLDEN_OUT},
    {.kind = AW_COMMAND_PRESENCE,
     .in.presence = {.name = {"mia", 3}, .presence = AW_PRESENCE_LEAVING, .by = {"sam", 3}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_TIMER,
     .in.timer = {.slot = 9, .version = 4},
     .out = {.seq = 4711,
             .prev_seq = 4700,
             .effect = {.ticket_seq = 4242,
                        .lane = 300,
                        .lane_before = 1,
                        .class_ = AW_CLASS_DISRUPTED,
                        .class_before = AW_CLASS_NONE,
                        .state = AW_TICKET_WAITING,
                        .state_before = AW_TICKET_LEASED,
                        .cause = AW_TIMER_LEASE_OVER,
                        .holder = {"mia", 3}}}},
    {.kind = AW_COMMAND_CHANNEL,
     .in.channel = {.name = {"twitter", 7}, .paces = golden_paces, .pace_count = 2, .by = {"sam", 3}, .if_match.version = 6},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_REPLY,
     .in.fenced = {.lease = GOLDEN_LEASE, .agent = {"mia", 3}, .op_hash = 3, .reply = GOLDEN_REPLY},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_COMPLETE,
     .in.fenced = {.lease = GOLDEN_LEASE, .agent = {"mia", 3}, .op_hash = 3, .reply = GOLDEN_REPLY},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_REPLY_LEASE,
     .in.reply_lease = {.accounts = golden_accounts, .account_count = 2, .max = 100, .lease_ms = 60000, .gateway = {"gate-1", 6}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_REPLY_STATUS,
     .in.reply_status = {.reply = {.seq = 4801, .shard = 7},
                         .fence = 4900,
                         .state = AW_REPLY_FAILED,
                         .code = {"429", 3},
                         .is_uncertain = true,
                         .retry_after_ms = 30000,
                         .provider = {3, 4},
                         .by = {"gate-1", 6}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_REPLY_TIMER, .in.reply_timer = {.slot = 9, .seq = 4801, .due_at = 1776240300000}, GOLDEN_OUT},
    {.kind = AW_COMMAND_APPROVE,
     .in.approve = {.reply = {.seq = 4801, .shard = 7}, .goes = true, .by = {"sue", 3}},
     .out = {.seq = 5000, .prev_seq = 4900, .u.reply.ticket = {.seq = 4700, .slot = 17}}},
    {.kind = AW_COMMAND_REDRIVE,
     .in.redrive = {.channel = {"twitter", 7},
                    .account = {"main", 4},
                    .code = {"403", 3},
                    .ticket = {.seq = 4700, .slot = 17, .shard = 7},
                    .since = 1776240300000,
                    .max = 1000,
                    .by = {"sam", 3}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_MESSAGE,
     .in.message = {.identities = golden_identities,
                    .identity_count = 1,
                    .channel = {"web", 3},
                    .account = {"main", 4},
                    .class_ = AW_CLASS_OTHER,
                    .reasons_bytes = 38,
                    .posted_hash = 9,
                    .in_reply_to = {5, 6}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_TRANSFER,
     .in.transfer = {.fenced = {.lease = GOLDEN_LEASE, .agent = {"mia", 3}, .op_hash = 4},
                     .lane = {"refunds", 7},
                     .note = {.len = 300, .hash = {{1, 2, 3}}}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_TRANSFER,
     .in.transfer = {.fenced = {.lease = GOLDEN_LEASE, .agent = {"mia", 3}, .op_hash = 5}, .to = {"bob", 3}},
     .out = {.seq = 5000, .prev_seq = 4999, .u.lease.help.kept_until = 1776240300000}},
    {.kind = AW_COMMAND_NOTE,
     .once = {.key = {1, 2}, .request = 3},
     .in.note = {.on = {.ticket = GOLDEN_TICKET, .by = {"eve", 3}}, .body = {.len = 40, .hash = {{4, 5}}}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_FORECAST,
     .in.forecast = {.group = 3, .base = 1776240300000, .waits = golden_waits, .lanes = golden_groups, .lane_count = 3},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_PROMISE,
     .in.promise = {.ticket = GOLDEN_TICKET, .half_by = 1776240300000, .nine_of_ten_by = 1776317400000},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_MESSAGE,
     .in.message = {.identities = golden_identities,
                    .identity_count = 1,
                    .channel = {"web", 3},
                    .account = {"main", 4},
                    .class_ = AW_CLASS_OTHER},
     .out = {.seq = 5000,
             .prev_seq = 4999,
             .u.message.promise = {.made_at = 1776240300000, .half_by = 1776240600000, .nine_of_ten_by = 1776240900000}}},
    {.kind = AW_COMMAND_INCIDENT,
     .once = {.key = {1, 2}, .request = 3},
     .in.incident = {.state = AW_INCIDENT_OPEN,
                     .title = {"ash over AMS", 12},
                     .has_keys = true,
                     .keys = golden_keys,
                     .key_count = 3,
                     .follow = AW_FOLLOW_LATER,
                     .by = {"sam", 3}},
     .out = {.seq = 5000, .u.incident.incident.slot = 7}},
    {.kind = AW_COMMAND_INCIDENT,
     .in.incident =
         {.incident = {.seq = 4800, .slot = 7, .shard = 7}, .state = AW_INCIDENT_CLOSED, .by = {"sam", 3}, .if_match.version = 2},
     .out = {.seq = 5000, .prev_seq = 4999, .u.incident.incident.slot = 7}},
    {.kind = AW_COMMAND_INCIDENT_LINK,
     .in.incident_link = {.ticket = GOLDEN_TICKET, .incident = {.seq = 4800, .slot = 7, .shard = 7}, .by = {"sam", 3}},
     .out = {.seq = 5000, .prev_seq = 4999, .effect = {.ticket_seq = 4700, .incident = {.seq = 4800, .slot = 7}}}},
    {.kind = AW_COMMAND_INCIDENT_LINK,
     .in.incident_link = {.ticket = GOLDEN_TICKET, .incident = {.seq = 4800, .slot = 7, .shard = 7}, .parts = true},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_INCIDENT_ANSWER,
     .in.incident_answer = {.incident = {.seq = 4800, .slot = 7, .shard = 7},
                            .texts = golden_texts,
                            .text_count = 2,
                            .needs = AW_NEEDS_FLIGHT | AW_NEEDS_PRIVATE,
                            .through = 4990,
                            .facts = 0xfac7,
                            .by = {"sam", 3}},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_INCIDENT_TIMER,
     .in.incident_timer = {.incident = {.seq = 4800, .slot = 7, .shard = 7}, .ticket = GOLDEN_TICKET},
     .out = {.seq = 5000, .prev_seq = 4999, .effect = {.ticket_seq = 4700, .incident = {.seq = 4800, .slot = 7}}}},
    {.kind = AW_COMMAND_INCIDENT_TIMER, .in.incident_timer = {.incident = {.seq = 4800, .slot = 7, .shard = 7}}, GOLDEN_OUT},
    {.kind = AW_COMMAND_TEMPLATE,
     .in.template_ =
         {.kind = AW_REPLY_PROMISE_MOVED, .texts = golden_texts, .text_count = 2, .by = {"sam", 3}, .if_match.version = 6},
     GOLDEN_OUT},
    {.kind = AW_COMMAND_SURGE,
     .in.surge = {.surge = &golden_surge, .by = {"sam", 3}, .if_match.version = 2},
     .out = {.seq = 5000, .prev_seq = 4999, .u.change.now.surge.turn = AW_SURGE_DECLARED}},
    {.kind = AW_COMMAND_SURGE,
     .in.surge = {.by = {"sam", 3}},
     .out = {.seq = 5000, .prev_seq = 4999, .u.change.now.surge.turn = AW_SURGE_ENDED}},
    {.kind = AW_COMMAND_UNDO,
     .in.undo = {.change = {.seq = 4800, .slot = 1, .shard = 7, .of = AW_CHANGE_SURGE}, .by = {"sam", 3}},
     .out = {.seq = 5000, .prev_seq = 4999, .u.change.now.surge.turn = AW_SURGE_CHANGED}},
    {.kind = AW_COMMAND_DEFER,
     .in.defer = {.fenced = {.lease = GOLDEN_LEASE, .agent = {"mia", 3}, .op_hash = 6},
                  .until = 1776243900000,
                  .reason = AW_DEFER_COMMITMENT,
                  .what = {.len = 30, .hash = {{6, 7}}}},
     .out = {.seq = 5000, .prev_seq = 4999, .u.lease.held_until = 1776240300000}},
    {.kind = AW_COMMAND_WITHDRAW,
     .in.withdraw = {.message = {.seq = 4801, .shard = 7}, .ticket = GOLDEN_TICKET, .by = {"gw", 2}},
     .out = {.seq = 5000, .prev_seq = 4999, .u.ticket.ticket = {.seq = 4700, .slot = 17, .shard = 7}}},
    {.kind = AW_COMMAND_REPLY,
     .in.fenced = {.lease = GOLDEN_LEASE,
                   .agent = {"mia", 3},
                   .op_hash = 7,
                   .reply = {.is_there = true,
                             .visibility = AW_VISIBILITY_PRIVATE,
                             .to = {.seq = 4801, .shard = 7},
                             .to_ticket = GOLDEN_TICKET,
                             .channel = {"mail", 4},
                             .account = {"main", 4},
                             .consent = {.seq = 4802, .shard = 7},
                             .consent_ticket = GOLDEN_TICKET,
                             .body = {.len = 20, .hash = {{1}}}}},
     .out = {.seq = 5000, .prev_seq = 4999, .u.lease.reply_state = AW_REPLY_WAITING}},
    {.kind = AW_COMMAND_OPT_OUT,
     .in.opt_out = {.contact = {5, 6}, .channel = {"twitter", 7}, .account = {"main", 4}, .is_in = true, .by = {"sam", 3}},
     .out = {.seq = 5000}},
    {.kind = AW_COMMAND_ERASE,
     .in.erase =
         {.customer = {11, 12}, .through = 4990, .ticket = GOLDEN_TICKET, .messages = 3, .looked = 4995, .by = {"sam", 3}},
     .out = {.seq = 5000, .prev_seq = 4999}},
    {.kind = AW_COMMAND_MESSAGE,
     .in.message = {.identities = golden_identities,
                    .identity_count = 1,
                    .id_hash = {7, 8},
                    .contact = {9, 10},
                    .channel = {"twitter", 7},
                    .account = {"main", 4},
                    .class_ = AW_CLASS_OTHER,
                    .opts_out = true},
     .out = {.seq = 5000,
             .u.message = {.ticket = {.seq = 4700, .slot = 17, .shard = 7}, .class_ = AW_CLASS_OTHER, .opted_out = true}}},
    {.kind = AW_COMMAND_NOTE,
     .in.note = {.on = {.ticket = GOLDEN_TICKET, .by = {"eve", 3}}, .body = {.len = 40, .hash = {{4, 5}}}},
     .out = {.seq = 5000, .prev_seq = 4999, .effect = {.ticket_seq = 4700, .addresses = golden_addresses, .address_count = 2}}},
};

static FILE *
open_golden(void)
{
    char  path[4096];
    char *slash;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s", __FILE__);
    slash = strrchr(path, '/');
    assert_non_null(slash);
    (void)snprintf(slash, sizeof(path) - (size_t)(slash - path), "/../golden/records.txt");
    file = fopen(path, "r");
    if (file == NULL)
        fail_msg("can't open %s", path);
    return file;
}

static size_t
parse_hex(const char *hex, uint8_t *bytes, size_t room)
{
    size_t len = 0;

    for (; hex[0] != '\n' && hex[0] != '\0'; hex += 2) {
        const char pair[] = {hex[0], hex[1], '\0'};
        char      *end;

        assert_in_range(len, 0, room - 1);
        bytes[len++] = (uint8_t)strtoul(pair, &end, 16);
        assert_ptr_equal(end, pair + 2);
    }
    return len;
}

static void
test_golden(void **state)
{
    static char   line[2 * AW_RECORD_BYTES_MAX + 64];
    struct maker *maker = *state;
    size_t        number = 0;
    FILE         *file = open_golden();

    while (fgets(line, sizeof(line), file) != NULL) {
        uint8_t           stored[AW_RECORD_BYTES_MAX], written[AW_RECORD_BYTES_MAX];
        struct aw_command command;
        struct aw_why     why = {""};
        size_t            len;

        if (line[0] == '#')
            continue;
        assert_in_range(number, 0, AW_ARRAY_LEN(golden) - 1);
        len = parse_hex(strrchr(line, ' ') + 1, stored, sizeof(stored));
        if (read_one(maker, stored, len, &command, &why) != AW_OK)
            fail_msg("golden record %zu: %s", number, why.text);
        same_command(&golden[number], &command);
        assert_int_equal(aw_record_write(&golden[number], written), len);
        assert_memory_equal(written, stored, len);
        number++;
    }
    (void)fclose(file);
    assert_int_equal(number, AW_ARRAY_LEN(golden));
}

/* Only what has a text tells addresses, and each is one. */
static void
test_addresses_are_checked(void **state)
{
    static const uint64_t address = AW_ADDRESS_BIT | 5, none = 5;
    struct maker         *maker = *state;
    struct aw_command     read;
    struct aw_command     hold = {.kind = AW_COMMAND_HOLD,
                                  .in.ticket = {.ticket = GOLDEN_TICKET, .by = AW_SLICE("eve")},
                                  .out = {.seq = 5000, .effect = {.ticket_seq = 4700, .address_count = 1}}};
    struct aw_command     note = {.kind = AW_COMMAND_NOTE,
                                  .in.note = {.on = {.ticket = GOLDEN_TICKET, .by = AW_SLICE("eve")}, .body = {.len = 40}},
                                  .out = hold.out};
    uint8_t               bytes[AW_RECORD_BYTES_MAX];

    hold.out.effect.addresses = note.out.effect.addresses = &address;
    assert_int_equal(read_one(maker, bytes, aw_record_write(&note, bytes), &read, NULL), AW_OK);
    assert_int_equal(read_one(maker, bytes, aw_record_write(&hold, bytes), &read, NULL), AW_E_CORRUPT);
    note.out.effect.addresses = &none;
    assert_int_equal(read_one(maker, bytes, aw_record_write(&note, bytes), &read, NULL), AW_E_CORRUPT);
}

/* Reads the record with `to` in place of its duration `from`. */
static enum aw_err
read_with_duration(struct maker *maker, const struct aw_command *command, uint64_t from, uint64_t to)
{
    struct aw_command read;
    uint8_t           bytes[AW_RECORD_BYTES_MAX];
    size_t            len = aw_record_write(command, bytes);
    uint8_t          *at = memmem(bytes, len, &from, sizeof(from));

    assert_non_null(at);
    memcpy(at, &to, sizeof(to));
    fix_crc(bytes, len);
    return read_damaged(maker, bytes, len, &read);
}

static void
test_durations_are_bounded(void **state)
{
    static const uint64_t   ms = UINT64_C(0x1122334455); /* nothing else in these records has these bytes */
    const struct aw_command commands[] = {
        {.kind = AW_COMMAND_LEASE, .in.lease = {.slot = 17, .agent = AW_SLICE("mia"), .lease_ms = ms}, .out.seq = 5000},
        {.kind = AW_COMMAND_EXTEND,
         .in.fenced = {.lease = GOLDEN_LEASE, .agent = AW_SLICE("mia"), .lease_ms = ms},
         .out.seq = 5000},
        {.kind = AW_COMMAND_REPLY_LEASE,
         .in.reply_lease = {.max = 100, .lease_ms = ms, .gateway = AW_SLICE("g")},
         .out.seq = 5000},
        {.kind = AW_COMMAND_REPLY_STATUS,
         .in.reply_status = {.state = AW_REPLY_FAILED, .retry_after_ms = ms, .by = AW_SLICE("g")},
         .out.seq = 5000},
    };

    for (size_t i = 0; i < AW_ARRAY_LEN(commands); i++) {
        assert_int_equal(read_with_duration(*state, &commands[i], ms, AW_DURATION_MS_MAX), AW_OK);
        assert_int_equal(read_with_duration(*state, &commands[i], ms, AW_DURATION_MS_MAX + 1), AW_E_CORRUPT);
        assert_int_equal(read_with_duration(*state, &commands[i], ms, UINT64_MAX), AW_E_CORRUPT);
    }
}

static int
write_golden(void)
{
    if (!aw_hash_init())
        return 1;
    (void)printf("# Records as stores hold them: kind, version, bytes. Every later version must read them.\n");
    for (size_t number = 0; number < AW_ARRAY_LEN(golden); number++) {
        uint8_t bytes[AW_RECORD_BYTES_MAX];
        size_t  len = aw_record_write(&golden[number], bytes);

        (void)printf("%s %u ", aw_command_name(golden[number].kind), bytes[26] | bytes[27] << 8U);
        for (size_t i = 0; i < len; i++)
            (void)printf("%02x", bytes[i]);
        (void)printf("\n");
    }
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_max_is_a_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trailing_bytes_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flipped_bits_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flipped_bits_with_a_right_crc, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_kind_and_newer_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version_2_holds_a_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_for_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batch_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batch_header_versions_and_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_find, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_chains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_id_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_durations_are_bounded, setup, teardown),
    };

    if (argc > 1 && strcmp(argv[1], "--write") == 0)
        return write_golden();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
