/* record.c - the bytes of batches and records.
 *
 * Every kind's fields are written once, by a put_*, and read once, by its get_*, in the same order; the bytes that a record will
 * take are counted by the same put_*, so the two can't drift apart. Strings carry their length in front (u8, or u16 where the limit
 * is above 255), lists their count (u8). All numbers are little-endian and unaligned.
 *
 * Limits are checked on both sides: the writer asserts them (whoever made the command had to), the reader refuses what is beyond
 * them, so that a start never takes from the disk what it would not take from the network.
 */
#include "model/record.h"

#include "model/limits.h"
#include "model/surge.h"

#include <endian.h>
#include <stddef.h>

/* Where the fields of a batch header lie. The CRC keeps its place in every later version, so that damage is never taken for
 * news. */
enum batch_at {
    AT_MAGIC = 0,
    AT_HEADER_VERSION = 4,
    AT_SHARD = 6,
    AT_UUID = 8,
    AT_SM_VERSION = 24,
    AT_COUNT = 28,
    AT_BYTES = 32,
    AT_INDEX = 40,
    AT_EPOCH = 48,
    AT_NOW = 56,
    AT_FIRST_SEQ = 64,
    AT_DIGEST = 72,
    AT_PREVIOUS = 88,
    AT_CRC = 156, /* of all before it; what lies between is zero */
};
AW_STATIC_ASSERT(AW_RECORD_MS_MAX + AW_DURATION_MS_MAX <= AW_MS_MAX, "the end of any lease has a text form");
AW_STATIC_ASSERT(AT_CRC + 4 == AW_BATCH_HEADER_BYTES, "the CRC closes the header");

#define BATCH_HEADER_VERSION 1U
#define RECORD_VERSION_1     1U
/* Behind the fields of version 1, when there is one: a message's airports, a lease's choice, a complete's reply, an aw_once. */
#define RECORD_VERSION_2 2U
/* Behind its airports, if any: what a message answers. */
#define RECORD_VERSION_3 3U
/* Behind that, if any: what its ticket's customer was told. */
#define RECORD_VERSION_4 4U
#define CARE_MASK                                                                                                                \
    (AW_CARE_MEDICAL | AW_CARE_REDUCED_MOBILITY | AW_CARE_UNACCOMPANIED_MINOR | AW_CARE_BEREAVEMENT | AW_CARE_SAFETY)

static const uint8_t magic[4] = {'a', 'w', 'b', '1'};

/* --- numbers ---------------------------------------------------------------------------------------------------------------- */

static inline void
store_u16(uint8_t *to, uint16_t value)
{
    value = htole16(value);
    memcpy(to, &value, sizeof(value));
}

static inline void
store_u32(uint8_t *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static inline void
store_u64(uint8_t *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static inline uint16_t
load_u16(const uint8_t *from)
{
    uint16_t value;

    memcpy(&value, from, sizeof(value));
    return le16toh(value);
}

static inline uint32_t
load_u32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

static inline uint64_t
load_u64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return le64toh(value);
}

static bool
is_set(struct aw_hash128 hash)
{
    return hash.low != 0 || hash.high != 0;
}

/* --- batches ---------------------------------------------------------------------------------------------------------------- */

void
aw_batch_header_write(const struct aw_batch_header *header, uint8_t *to)
{
    AW_ASSERT(header->count >= 1);
    AW_ASSERT(header->bytes <= AW_BATCH_BYTES_MAX);
    AW_ASSERT(header->bytes - AW_BATCH_HEADER_BYTES >= (uint64_t)header->count * AW_RECORD_HEADER_BYTES);
    AW_ASSERT(header->index >= 1);
    AW_ASSERT(header->first_seq >= 1);
    AW_ASSERT(header->now <= AW_RECORD_MS_MAX);
    memset(to, 0, AW_BATCH_HEADER_BYTES);
    memcpy(to + AT_MAGIC, magic, sizeof(magic));
    store_u16(to + AT_HEADER_VERSION, BATCH_HEADER_VERSION);
    to[AT_SHARD] = header->shard;
    memcpy(to + AT_UUID, header->uuid, sizeof(header->uuid));
    store_u32(to + AT_SM_VERSION, header->sm_version);
    store_u32(to + AT_COUNT, header->count);
    store_u32(to + AT_BYTES, header->bytes);
    store_u64(to + AT_INDEX, header->index);
    store_u64(to + AT_EPOCH, header->epoch);
    store_u64(to + AT_NOW, header->now);
    store_u64(to + AT_FIRST_SEQ, header->first_seq);
    store_u64(to + AT_DIGEST, header->digest_before.low);
    store_u64(to + AT_DIGEST + 8, header->digest_before.high);
    memcpy(to + AT_PREVIOUS, header->previous.bytes, sizeof(header->previous.bytes));
    store_u32(to + AT_CRC, aw_crc32c(0, to, AT_CRC));
}

/* What must be right before any field is believed. */
static enum aw_err
check_batch_frame(struct aw_slice batch, struct aw_why *why)
{
    const uint8_t *from = (const uint8_t *)batch.ptr;

    if (batch.len < AW_BATCH_HEADER_BYTES)
        return aw_why(why, AW_E_CORRUPT, "batch of %zu bytes is shorter than its header", batch.len);
    if (memcmp(from + AT_MAGIC, magic, sizeof(magic)) != 0)
        return aw_why(why, AW_E_CORRUPT, "batch does not begin with \"awb1\"");
    if (load_u32(from + AT_CRC) != aw_crc32c(0, from, AT_CRC))
        return aw_why(why, AW_E_CORRUPT, "batch header fails its CRC");
    if (load_u16(from + AT_HEADER_VERSION) == 0 || load_u32(from + AT_SM_VERSION) == 0)
        return aw_why(why, AW_E_CORRUPT, "batch header has version 0");
    if (load_u16(from + AT_HEADER_VERSION) > BATCH_HEADER_VERSION)
        return aw_why(why, AW_E_VERSION, "batch header has version %u, this build knows up to %u",
                      (unsigned)load_u16(from + AT_HEADER_VERSION), BATCH_HEADER_VERSION);
    if (load_u32(from + AT_SM_VERSION) > AW_SM_VERSION)
        return aw_why(why, AW_E_VERSION, "batch was written by state machine %u, this build knows up to %u",
                      (unsigned)load_u32(from + AT_SM_VERSION), AW_SM_VERSION);
    return AW_OK;
}

enum aw_err
aw_batch_header_read(struct aw_slice batch, struct aw_batch_header *ret_header, struct aw_why *why)
{
    static const uint8_t   zeros[AT_CRC - (AT_PREVIOUS + 32)];
    const uint8_t         *from = (const uint8_t *)batch.ptr;
    struct aw_batch_header header;
    enum aw_err            err = check_batch_frame(batch, why);

    if (err != AW_OK)
        return err;
    header = (struct aw_batch_header){.shard = from[AT_SHARD],
                                      .sm_version = load_u32(from + AT_SM_VERSION),
                                      .index = load_u64(from + AT_INDEX),
                                      .epoch = load_u64(from + AT_EPOCH),
                                      .now = load_u64(from + AT_NOW),
                                      .first_seq = load_u64(from + AT_FIRST_SEQ),
                                      .count = load_u32(from + AT_COUNT),
                                      .bytes = load_u32(from + AT_BYTES),
                                      .digest_before = {load_u64(from + AT_DIGEST), load_u64(from + AT_DIGEST + 8)}};
    memcpy(header.uuid, from + AT_UUID, sizeof(header.uuid));
    memcpy(header.previous.bytes, from + AT_PREVIOUS, sizeof(header.previous.bytes));
    if (header.bytes != batch.len || header.bytes > AW_BATCH_BYTES_MAX)
        return aw_why(why, AW_E_CORRUPT, "batch says %u bytes and has %zu", header.bytes, batch.len);
    if (header.count == 0 || header.count > (header.bytes - AW_BATCH_HEADER_BYTES) / AW_RECORD_HEADER_BYTES)
        return aw_why(why, AW_E_CORRUPT, "batch of %u bytes can't hold %u records", header.bytes, header.count);
    if (header.index == 0 || header.first_seq == 0 || header.first_seq > UINT64_MAX - header.count ||
        header.now > AW_RECORD_MS_MAX)
        return aw_why(why, AW_E_CORRUPT, "batch header has an index, sequence or time out of range");
    if (from[AT_SHARD + 1] != 0 || load_u32(from + AT_BYTES + 4) != 0 ||
        memcmp(from + AT_PREVIOUS + 32, zeros, sizeof(zeros)) != 0)
        return aw_why(why, AW_E_CORRUPT, "batch header has something where zeros belong");
    *ret_header = header;
    return AW_OK;
}

bool
aw_batch_hash(const struct aw_sha256 *previous, struct aw_slice batch, struct aw_sha256 *ret_hash)
{
    const struct aw_slice parts[] = {aw_slice_of(previous->bytes, sizeof(previous->bytes)), batch};

    return aw_sha256(parts, AW_ARRAY_LEN(parts), ret_hash);
}

/* --- writing fields --------------------------------------------------------------------------------------------------------- */

/* Writes to `at`, or only counts while `at` is NULL. */
struct put {
    uint8_t *at;
    size_t   len;
};

static inline void
put_bytes(struct put *put, const void *bytes, size_t len)
{
    if (put->at != NULL && len > 0)
        memcpy(put->at + put->len, bytes, len);
    put->len += len;
}

static inline void
put_u8(struct put *put, unsigned value)
{
    uint8_t byte = (uint8_t)value;

    AW_ASSERT(value <= UINT8_MAX);
    put_bytes(put, &byte, 1);
}

static inline void
put_u32(struct put *put, uint32_t value)
{
    uint8_t bytes[4];

    store_u32(bytes, value);
    put_bytes(put, bytes, sizeof(bytes));
}

static inline void
put_u64(struct put *put, uint64_t value)
{
    uint8_t bytes[8];

    store_u64(bytes, value);
    put_bytes(put, bytes, sizeof(bytes));
}

static inline void
put_ms(struct put *put, aw_ms at)
{
    AW_ASSERT(at <= AW_MS_MAX);
    put_u64(put, at);
}

static inline void
put_duration(struct put *put, uint64_t ms)
{
    AW_ASSERT(ms <= AW_DURATION_MS_MAX);
    put_u64(put, ms);
}

static inline void
put_hash128(struct put *put, struct aw_hash128 hash)
{
    put_u64(put, hash.low);
    put_u64(put, hash.high);
}

static void
put_string(struct put *put, struct aw_slice string, size_t bytes_max)
{
    uint8_t len[2];

    AW_ASSERT(string.len <= bytes_max);
    store_u16(len, (uint16_t)string.len);
    put_bytes(put, len, bytes_max > UINT8_MAX ? 2 : 1); /* little-endian, so one byte of it is the u8 */
    put_bytes(put, string.ptr, string.len);
}

static void
put_strings(struct put *put, const struct aw_slice *strings, uint32_t count, uint32_t count_max, size_t bytes_max)
{
    AW_ASSERT(count <= count_max);
    put_u8(put, count);
    for (uint32_t i = 0; i < count; i++)
        put_string(put, strings[i], bytes_max);
}

/* In the order of the record. */
static const uint16_t table_limits[] = {
    offsetof(struct aw_table_limits, tickets_max),  offsetof(struct aw_table_limits, identities_max),
    offsetof(struct aw_table_limits, ids_max),      offsetof(struct aw_table_limits, leases_max),
    offsetof(struct aw_table_limits, lanes_max),    offsetof(struct aw_table_limits, agents_max),
    offsetof(struct aw_table_limits, keys_max),     offsetof(struct aw_table_limits, facts_max),
    offsetof(struct aw_table_limits, flights_max),  offsetof(struct aw_table_limits, asides_max),
    offsetof(struct aw_table_limits, replies_max),  offsetof(struct aw_table_limits, commitments_max),
    offsetof(struct aw_table_limits, contacts_max),
};

static void
put_settings(struct put *put, const struct aw_core_settings *settings)
{
    put_ms(put, settings->dedupe_ms);
    put_ms(put, settings->reopen_ms);
    put_ms(put, settings->backdate_ms);
    put_ms(put, settings->imminent_ms);
    put_ms(put, settings->lease_grace_ms);
    put_ms(put, settings->decline_ms);
    put_ms(put, settings->kept_ms);
    put_ms(put, settings->kept_gentle_ms);
    put_ms(put, settings->kept_transfer_ms);
    put_ms(put, settings->gentle_first_ms);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        put_ms(put, settings->handling_ms[i]);
    for (size_t i = 0; i < AW_ARRAY_LEN(table_limits); i++)
        put_u32(put, *(const uint32_t *)((const char *)&settings->tables + table_limits[i]));
    put_ms(put, settings->reply_retry_ms);
    put_ms(put, settings->reply_retry_ms_max);
    put_ms(put, settings->still_needed_ms);
    put_u32(put, settings->reply_attempts_max);
    put_ms(put, settings->defer_back_ms);
    put_ms(put, settings->contact_ms);
}

static void
put_if_match(struct put *put, const struct aw_if_match *if_match)
{
    put_u64(put, if_match->other_count > 0 ? 0 : if_match->version);
}

static void
put_lane(struct put *put, const struct aw_in_lane *lane)
{
    const struct aw_lane_match *match = &lane->match;

    AW_ASSERT(lane->name.len >= 1);
    AW_ASSERT((unsigned)lane->pause <= AW_LANE_PAUSED_BOTH);
    put_string(put, lane->name, AW_LANE_BYTES_MAX);
    put_u8(put, lane->pause);
    put_u8(put, lane->only_create);
    put_if_match(put, &lane->if_match);
    put_strings(put, match->langs, match->lang_count, AW_LANE_MATCH_MAX, AW_LANG_BYTES_MAX);
    put_strings(put, match->channels, match->channel_count, AW_LANE_MATCH_MAX, AW_CHANNEL_BYTES_MAX);
    put_strings(put, match->accounts, match->account_count, AW_LANE_MATCH_MAX, AW_ACCOUNT_BYTES_MAX);
    put_strings(put, match->tags, match->tag_count, AW_LANE_MATCH_MAX, AW_TAG_BYTES_MAX);
    AW_ASSERT(lane->helper_count <= AW_LANE_HELPERS_MAX);
    put_u8(put, lane->helper_count);
    for (uint32_t i = 0; i < lane->helper_count; i++) {
        put_string(put, lane->helpers[i].lane, AW_LANE_BYTES_MAX);
        put_u32(put, lane->helpers[i].after_s);
    }
}

static void
put_flight(struct put *put, const struct aw_in_flight *flight)
{
    AW_ASSERT(flight->number.len >= 1);
    AW_ASSERT((unsigned)flight->state <= AW_FLIGHT_REBOOKED);
    put_u64(put, flight->flight_hash);
    put_string(put, flight->number, AW_FLIGHT_NUMBER_BYTES_MAX);
    put_u32(put, flight->date_days);
    put_u8(put, flight->state);
    put_ms(put, flight->departs_at);
    put_if_match(put, &flight->if_match);
    put_string(put, flight->by, AW_AGENT_BYTES_MAX);
}

static void
put_airport(struct put *put, const struct aw_in_airport *airport)
{
    put_bytes(put, airport->code.letters, sizeof(airport->code.letters));
    put_ms(put, airport->from);
    put_ms(put, airport->until);
    put_if_match(put, &airport->if_match);
    put_string(put, airport->by, AW_AGENT_BYTES_MAX);
}

static void
put_surge_text(struct put *put, const char *bytes, size_t bytes_max)
{
    put_string(put, aw_surge_text(bytes, bytes_max), bytes_max);
}

/* What it names. */
static void
put_surge_lists(struct put *put, const struct aw_surge *surge)
{
    AW_ASSERT(surge->lane_count <= AW_SURGE_LANES_MAX);
    AW_ASSERT(surge->channel_count <= AW_CHANNELS_MAX);
    AW_ASSERT(surge->flight_count <= AW_SURGE_FLIGHTS_MAX);
    AW_ASSERT(surge->airport_count <= AW_SURGE_AIRPORTS_MAX);
    AW_ASSERT(surge->notice_count <= AW_SURGE_NOTICES_MAX);
    put_u8(put, surge->lane_count);
    for (uint32_t i = 0; i < surge->lane_count; i++)
        put_u32(put, surge->lanes[i]);
    put_u8(put, surge->channel_count);
    for (uint32_t i = 0; i < surge->channel_count; i++)
        put_surge_text(put, surge->channels[i], sizeof(surge->channels[i]));
    put_u8(put, surge->flight_count);
    for (uint32_t i = 0; i < surge->flight_count; i++) {
        put_u64(put, surge->flights[i].hash);
        put_surge_text(put, surge->flights[i].number, sizeof(surge->flights[i].number));
        put_u32(put, surge->flights[i].date_days);
    }
    put_u8(put, surge->airport_count);
    for (uint32_t i = 0; i < surge->airport_count; i++)
        put_bytes(put, surge->airports[i].letters, sizeof(surge->airports[i].letters));
    put_u8(put, surge->notice_count);
    for (uint32_t i = 0; i < surge->notice_count; i++) {
        put_surge_text(put, surge->notices[i].lang, sizeof(surge->notices[i].lang));
        put_surge_text(put, surge->notices[i].text, sizeof(surge->notices[i].text));
    }
}

static void
put_surge(struct put *put, const struct aw_in_surge *in)
{
    const struct aw_surge *surge = in->surge;

    put_if_match(put, &in->if_match);
    put_string(put, in->by, AW_AGENT_BYTES_MAX);
    put_u8(put, surge != NULL);
    if (surge == NULL)
        return;
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        put_u32(put, surge->target_s[i]);
    put_u32(put, surge->overflow_after_s);
    put_u8(put, surge->order);
    put_u8(put, surge->is_receipt);
    put_surge_text(put, surge->reason, sizeof(surge->reason));
    put_surge_lists(put, surge);
}

static void
put_undo(struct put *put, const struct aw_in_undo *undo)
{
    AW_ASSERT((unsigned)undo->change.of <= AW_CHANGE_SURGE);
    put_u8(put, undo->change.of);
    put_u8(put, undo->change.shard);
    put_u32(put, undo->change.slot);
    put_u64(put, undo->change.seq);
    put_string(put, undo->by, AW_AGENT_BYTES_MAX);
}

/* Seven bits a byte, the lowest first; the top bit says that more follow. */
static void
put_varint(struct put *put, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_u8(put, (value & 0x7f) | 0x80);
    put_u8(put, (unsigned)value);
}

static void
put_message(struct put *put, const struct aw_in_message *message)
{
    AW_ASSERT((unsigned)message->class_ < AW_CLASS_COUNT);
    AW_ASSERT((message->care & ~CARE_MASK) == 0);
    AW_ASSERT(message->visibility <= AW_VISIBILITY_PRIVATE);
    AW_ASSERT(message->addressed <= AW_ADDRESSED_BYSTANDER);
    AW_ASSERT(message->identity_count >= 1);
    AW_ASSERT(message->identity_count <= AW_IDENTITY_HASHES_MAX);
    AW_ASSERT(message->flight_count <= AW_FLIGHTS_MAX);
    AW_ASSERT(message->reasons_bytes <= AW_REASONS_ENCODED_BYTES_MAX);
    AW_ASSERT((message->reasons_bytes != 0) == (message->posted_hash != 0));
    put_u8(put, message->class_);
    put_u8(put, message->care);
    put_u8(put, message->visibility);
    put_u8(put, message->addressed);
    put_u8(put, (uint32_t)message->gentle | (uint32_t)message->not_needed << 1 | (message->booking_hash != 0 ? 4U : 0U) |
                    (uint32_t)message->opts_out << 3 | (uint32_t)is_set(message->contact) << 4 |
                    (message->reasons_bytes != 0 ? 32U : 0U));
    put_u32(put, message->rules_version);
    put_ms(put, message->received_at);
    put_ms(put, message->departs_at);
    put_ms(put, message->reply_by);
    put_hash128(put, message->id_hash);
    put_bytes(put, message->body_hash.bytes, sizeof(message->body_hash.bytes));
    put_string(put, message->channel, AW_CHANNEL_BYTES_MAX);
    put_string(put, message->account, AW_ACCOUNT_BYTES_MAX);
    put_string(put, message->lang, AW_LANG_BYTES_MAX);
    put_string(put, message->lane, AW_LANE_BYTES_MAX);
    put_u8(put, message->identity_count);
    for (uint32_t i = 0; i < message->identity_count; i++)
        put_hash128(put, message->identities[i]);
    put_strings(put, message->tags, message->tag_count, AW_TAGS_MAX, AW_TAG_BYTES_MAX);
    put_u8(put, message->flight_count);
    for (uint32_t i = 0; i < message->flight_count; i++) {
        put_u64(put, message->flights[i].flight_hash);
        put_ms(put, message->flights[i].departs_at);
        put_bytes(put, message->flights[i].from, sizeof(message->flights[i].from));
        put_bytes(put, message->flights[i].to, sizeof(message->flights[i].to));
    }
    if (message->booking_hash != 0)
        put_u64(put, message->booking_hash);
    if (is_set(message->contact))
        put_hash128(put, message->contact);
    if (message->reasons_bytes != 0) {
        put_varint(put, message->reasons_bytes);
        put_u64(put, message->posted_hash);
    }
}

/* What apply decided, so that the first receipt can be given again from the record (its reasons from the body), and a replay can be
 * compared with it. */
static void
put_message_outcome(struct put *put, const struct aw_out_message *out)
{
    AW_ASSERT((unsigned)out->class_ < AW_CLASS_COUNT);
    put_u8(put, out->class_);
    put_u8(put, (uint32_t)out->folded | (uint32_t)out->reopened << 1 | (uint32_t)out->lane_unknown << 2 |
                    (uint32_t)out->acknowledged << 3 | (uint32_t)out->not_needed << 4 | (uint32_t)out->opted_out << 5);
    put_u32(put, out->lane);
    put_u8(put, out->ticket.shard);
    put_u32(put, out->ticket.slot);
    put_u64(put, out->ticket.seq);
    put_u8(put, out->related.shard);
    put_u32(put, out->related.slot);
    put_u64(put, out->related.seq);
}

/* The settings of an order as numbers. What is usual is left out of a record, so these here never change. */
#define ORDER_NUMBERS (3U + 2U * AW_CLASS_COUNT)
static const uint64_t usual_order[ORDER_NUMBERS] = {AW_ORDER_RATIO, 600000, 1200000, 3600000, 14400000, 86400000, 600000,
                                                    300000,         480000, 360000,  240000,  1500000,  900000};

static void
order_to_numbers(const struct aw_order_settings *order, uint64_t numbers[ORDER_NUMBERS])
{
    numbers[0] = order->order;
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        numbers[1 + i] = order->target_ms[i];
        numbers[1 + AW_CLASS_COUNT + i] = order->handling_ms[i];
    }
    numbers[ORDER_NUMBERS - 2] = order->guard_ms;
    numbers[ORDER_NUMBERS - 1] = order->reserve_ms;
}

static void
order_of_numbers(const uint64_t numbers[ORDER_NUMBERS], struct aw_order_settings *order)
{
    order->order = (enum aw_order)numbers[0];
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        order->target_ms[i] = numbers[1 + i];
        order->handling_ms[i] = numbers[1 + AW_CLASS_COUNT + i];
    }
    order->guard_ms = numbers[ORDER_NUMBERS - 2];
    order->reserve_ms = numbers[ORDER_NUMBERS - 1];
}

/* A bit for each number that is not the usual one, then these. */
static void
put_order(struct put *put, const struct aw_order_settings *order)
{
    uint64_t numbers[ORDER_NUMBERS];
    uint64_t unusual = 0;

    order_to_numbers(order, numbers);
    for (unsigned i = 0; i < ORDER_NUMBERS; i++)
        unusual |= (uint64_t)(numbers[i] != usual_order[i]) << i;
    put_varint(put, unusual);
    for (unsigned i = 0; i < ORDER_NUMBERS; i++) {
        AW_ASSERT(numbers[i] <= AW_MS_MAX);
        if ((unusual >> i & 1) != 0)
            put_varint(put, numbers[i]);
    }
}

/* A list of lanes takes a byte each, as a rule: what is written of each is how far it lies behind the one before. */
static void
put_lanes(struct put *put, const uint32_t *lanes, uint32_t count)
{
    uint32_t next = 0;

    AW_ASSERT(count <= AW_LANES_PER_PULL_MAX);
    put_varint(put, count);
    for (uint32_t i = 0; i < count; i++) {
        AW_ASSERT(lanes[i] >= next);
        put_varint(put, lanes[i] - next);
        next = lanes[i] + 1;
    }
}

static void
put_agent(struct put *put, const struct aw_in_agent *agent)
{
    AW_ASSERT(agent->name.len >= 1);
    AW_ASSERT(agent->unit_count <= AW_CHANNELS_MAX);
    put_string(put, agent->name, AW_AGENT_BYTES_MAX);
    put_u8(put, agent->is_gentle);
    put_u8(put, agent->barred);
    put_u8(put, agent->needs_approval);
    put_lanes(put, agent->lanes, agent->lane_count); /* none: all */
    put_u8(put, agent->unit_count);
    for (uint32_t i = 0; i < agent->unit_count; i++) {
        put_string(put, agent->units[i].channel, AW_CHANNEL_BYTES_MAX);
        put_u8(put, agent->units[i].units);
    }
    put_u32(put, agent->units_total);
    put_if_match(put, &agent->if_match);
    put_string(put, agent->by, AW_AGENT_BYTES_MAX);
}

static void
put_presence(struct put *put, const struct aw_in_presence *in)
{
    AW_ASSERT(in->name.len >= 1);
    put_string(put, in->name, AW_AGENT_BYTES_MAX);
    put_u8(put, in->presence);
    put_string(put, in->by, AW_AGENT_BYTES_MAX);
}

static void
put_choice(struct put *put, const struct aw_lease_choice *choice)
{
    AW_ASSERT(choice->taken_seq >= choice->seen_seq);
    put_ms(put, choice->at);
    put_u64(put, choice->seen_seq);
    put_u64(put, choice->taken_seq);
    put_u32(put, choice->held_us);
    put_u8(put, choice->queue);
    if (choice->queue == AW_CHOICE_ASIDE)
        put_u32(put, choice->back_slot);
    put_order(put, &choice->order);
    put_varint(put, choice->full);
    put_u8(put, choice->barred);
    put_varint(put, choice->refused_seq);
    put_lanes(put, choice->lanes, choice->lane_count);
}

static void
put_lease(struct put *put, const struct aw_in_lease *lease)
{
    put_u32(put, lease->slot);
    put_u32(put, lease->version);
    put_varint(put, lease->through);
    put_duration(put, lease->lease_ms);
    put_u64(put, lease->pull_key.key);
    put_u32(put, lease->pull_key.request);
    put_u32(put, lease->pull_key.pull);
    put_string(put, lease->agent, AW_AGENT_BYTES_MAX);
}

static void
put_fenced(struct put *put, const struct aw_in_fenced *fenced)
{
    put_u8(put, fenced->lease.shard);
    put_u32(put, fenced->lease.slot);
    put_u64(put, fenced->lease.fence);
    put_u64(put, fenced->op_hash);
    put_duration(put, fenced->lease_ms);
    put_string(put, fenced->agent, AW_AGENT_BYTES_MAX);
    put_string(put, fenced->words, AW_RELEASE_REASON_BYTES_MAX);
}

/* Of what lies in the bodies tree. */
static void
put_body(struct put *put, const struct aw_in_body *body)
{
    put_u32(put, body->len);
    put_bytes(put, body->hash.bytes, sizeof(body->hash.bytes));
}

static void
put_reply(struct put *put, const struct aw_in_reply *reply, const struct aw_out_lease *out)
{
    bool is_pending = out->reply_state == AW_REPLY_PENDING; /* told, so that colleagues hear of it */

    AW_ASSERT(reply->visibility <= AW_VISIBILITY_PRIVATE);
    put_u8(put, (uint32_t)reply->is_bulk | (uint32_t)reply->is_override << 1 | (uint32_t)is_pending << 2 |
                    (uint32_t)(reply->consent.seq != 0) << 3);
    put_u8(put, reply->visibility);
    put_u64(put, reply->to.seq);
    put_u8(put, reply->to_ticket.shard);
    put_u32(put, reply->to_ticket.slot);
    put_u64(put, reply->to_ticket.seq);
    put_string(put, reply->channel, AW_CHANNEL_BYTES_MAX);
    put_string(put, reply->account, AW_ACCOUNT_BYTES_MAX);
    put_body(put, &reply->body);
    if (reply->consent.seq == 0)
        return;
    put_u64(put, reply->consent.seq);
    put_u32(put, reply->consent_ticket.slot);
    put_u64(put, reply->consent_ticket.seq);
}

static void
put_channel(struct put *put, const struct aw_in_channel *channel)
{
    AW_ASSERT(channel->name.len >= 1);
    AW_ASSERT(channel->pace_count <= AW_CHANNEL_PACES_MAX);
    put_string(put, channel->name, AW_CHANNEL_BYTES_MAX);
    put_u8(put, channel->pace_count);
    for (uint32_t i = 0; i < channel->pace_count; i++) {
        put_string(put, channel->paces[i].account, AW_ACCOUNT_BYTES_MAX);
        put_u32(put, channel->paces[i].replies);
        put_u32(put, channel->paces[i].slice_s);
    }
    put_if_match(put, &channel->if_match);
    put_string(put, channel->by, AW_AGENT_BYTES_MAX);
}

/* Also what an incident is answered with. */
static void
put_own_texts(struct put *put, const struct aw_own_text *texts, uint32_t count)
{
    AW_ASSERT(count <= AW_OWN_TEXTS_MAX);
    put_u8(put, count);
    for (uint32_t i = 0; i < count; i++) {
        put_string(put, texts[i].lang, AW_LANG_BYTES_MAX);
        put_string(put, texts[i].words, AW_OWN_TEXT_BYTES_MAX);
    }
}

static void
put_template(struct put *put, const struct aw_in_template *template_)
{
    put_u8(put, template_->kind);
    put_own_texts(put, template_->texts, template_->text_count);
    put_if_match(put, &template_->if_match);
    put_string(put, template_->by, AW_AGENT_BYTES_MAX);
}

static void
put_reply_lease(struct put *put, const struct aw_in_reply_lease *lease)
{
    AW_ASSERT(lease->account_count <= AW_REPLY_ACCOUNTS_MAX);
    AW_ASSERT(lease->max <= AW_REPLIES_PER_LEASE_MAX);
    put_u8(put, lease->account_count);
    for (uint32_t i = 0; i < lease->account_count; i++) {
        put_string(put, lease->accounts[i].channel, AW_CHANNEL_BYTES_MAX);
        put_string(put, lease->accounts[i].account, AW_ACCOUNT_BYTES_MAX);
    }
    put_u8(put, lease->max);
    put_duration(put, lease->lease_ms);
    put_string(put, lease->gateway, AW_AGENT_BYTES_MAX);
}

static void
put_reply_status(struct put *put, const struct aw_in_reply_status *status)
{
    AW_ASSERT((unsigned)status->state < AW_REPLY_STATES);
    put_u8(put, status->reply.shard);
    put_u64(put, status->reply.seq);
    put_u64(put, status->fence);
    put_u8(put, status->state);
    put_u8(put, (uint32_t)status->is_permanent | (uint32_t)status->is_uncertain << 1);
    put_string(put, status->code, AW_REPLY_CODE_BYTES_MAX);
    put_duration(put, status->retry_after_ms);
    put_hash128(put, status->provider);
    put_string(put, status->by, AW_AGENT_BYTES_MAX);
}

static void
put_reply_timer(struct put *put, const struct aw_in_reply_timer *timer)
{
    put_u32(put, timer->slot);
    put_u64(put, timer->seq);
    put_ms(put, timer->due_at);
}

static void
put_redrive(struct put *put, const struct aw_in_redrive *redrive)
{
    put_string(put, redrive->channel, AW_CHANNEL_BYTES_MAX);
    put_string(put, redrive->account, AW_ACCOUNT_BYTES_MAX);
    put_string(put, redrive->code, AW_REPLY_CODE_BYTES_MAX);
    put_u8(put, redrive->ticket.shard);
    put_u32(put, redrive->ticket.slot);
    put_u64(put, redrive->ticket.seq);
    put_ms(put, redrive->since);
    put_u32(put, redrive->max);
    put_string(put, redrive->by, AW_AGENT_BYTES_MAX);
}

static void
put_incident_id(struct put *put, struct aw_incident_id id)
{
    put_u8(put, id.shard);
    put_u32(put, id.slot);
    put_u64(put, id.seq);
}

/* Behind the inputs the slot that it has, or got: it can be named from the record alone. */
static void
put_incident(struct put *put, const struct aw_in_incident *incident, uint32_t slot)
{
    AW_ASSERT((unsigned)incident->state <= AW_INCIDENT_CLOSED);
    AW_ASSERT((unsigned)incident->follow <= AW_FOLLOW_NOT);
    AW_ASSERT(incident->key_count <= AW_INCIDENT_KEYS_MAX);
    put_incident_id(put, incident->incident);
    put_u8(put, incident->state);
    put_string(put, incident->title, AW_INCIDENT_TITLE_BYTES_MAX);
    put_u8(put, incident->follow);
    put_if_match(put, &incident->if_match);
    put_string(put, incident->by, AW_AGENT_BYTES_MAX);
    put_u8(put, incident->has_keys);
    put_u8(put, incident->key_count);
    for (uint32_t i = 0; i < incident->key_count; i++) {
        put_u8(put, incident->keys[i].kind);
        put_u64(put, incident->keys[i].hash);
        put_string(put, incident->keys[i].name, AW_INCIDENT_KEY_BYTES_MAX);
        put_u32(put, incident->keys[i].date_days);
    }
    put_u32(put, slot);
}

static void
put_incident_link(struct put *put, const struct aw_in_incident_link *link)
{
    put_u8(put, link->ticket.shard);
    put_u32(put, link->ticket.slot);
    put_u64(put, link->ticket.seq);
    put_incident_id(put, link->incident);
    put_u8(put, link->parts);
    put_string(put, link->by, AW_AGENT_BYTES_MAX);
}

static void
put_incident_answer(struct put *put, const struct aw_in_incident_answer *answer)
{
    AW_ASSERT(answer->needs <= AW_NEEDS_ALL);
    put_incident_id(put, answer->incident);
    put_own_texts(put, answer->texts, answer->text_count);
    put_u8(put, answer->needs);
    put_u64(put, answer->through);
    put_u64(put, answer->facts);
    put_string(put, answer->by, AW_AGENT_BYTES_MAX);
}

static void
put_note(struct put *put, const struct aw_in_body *note)
{
    put_u8(put, note->len > 0);
    if (note->len > 0)
        put_body(put, note);
}

/* Behind the inputs its ticket, so that it can be named from the record alone. */
static void
put_approve(struct put *put, const struct aw_in_approve *approve, struct aw_ticket_id ticket)
{
    put_u8(put, approve->reply.shard);
    put_u64(put, approve->reply.seq);
    put_u8(put, approve->goes);
    put_string(put, approve->by, AW_AGENT_BYTES_MAX);
    put_note(put, &approve->note);
    put_u32(put, ticket.slot);
    put_u64(put, ticket.seq);
}

/* Behind the inputs until when it is kept, so that the first answer can be given again from the record alone. */
static void
put_transfer(struct put *put, const struct aw_in_transfer *transfer, const struct aw_out_lease *out)
{
    AW_ASSERT((transfer->lane.len == 0) != (transfer->to.len == 0));
    put_fenced(put, &transfer->fenced);
    put_string(put, transfer->lane, AW_LANE_BYTES_MAX);
    put_string(put, transfer->to, AW_AGENT_BYTES_MAX);
    put_note(put, &transfer->note);
    put_ms(put, out->help.kept_until);
}

static void
put_opt_out(struct put *put, const struct aw_in_opt_out *opt_out)
{
    put_u8(put, opt_out->is_in);
    put_hash128(put, opt_out->contact);
    put_string(put, opt_out->channel, AW_CHANNEL_BYTES_MAX);
    put_string(put, opt_out->account, AW_ACCOUNT_BYTES_MAX);
    put_string(put, opt_out->by, AW_AGENT_BYTES_MAX);
}

static void
put_erase(struct put *put, const struct aw_in_erase *erase, const struct aw_out_erase *out)
{
    put_hash128(put, erase->customer);
    put_u64(put, erase->through);
    put_u8(put, erase->ticket.shard);
    put_u32(put, erase->ticket.slot);
    put_u64(put, erase->ticket.seq);
    put_u32(put, erase->messages);
    put_u64(put, erase->looked);
    put_string(put, erase->by, AW_AGENT_BYTES_MAX);
    put_u8(put, out->spares);
}

/* Behind the inputs the ticket that it is one of by now. */
static void
put_withdraw(struct put *put, const struct aw_in_withdraw *withdraw, struct aw_ticket_id ticket)
{
    put_u8(put, withdraw->message.shard);
    put_u64(put, withdraw->message.seq);
    put_u32(put, withdraw->ticket.slot);
    put_u64(put, withdraw->ticket.seq);
    put_string(put, withdraw->by, AW_AGENT_BYTES_MAX);
    put_u32(put, ticket.slot);
    put_u64(put, ticket.seq);
}

/* One that was refused only told its holder of new messages. Behind the inputs when the ticket comes back, as with a transfer. */
static void
put_defer(struct put *put, const struct aw_command *command)
{
    const struct aw_in_defer *defer = &command->in.defer;
    bool                      is_refused = command->out.err != AW_OK;

    AW_ASSERT((unsigned)defer->reason < AW_DEFER_REASONS);
    put_fenced(put, &defer->fenced);
    put_u8(put, is_refused);
    put_ms(put, defer->until);
    put_u8(put, defer->reason);
    put_note(put, is_refused ? &(struct aw_in_body){.len = 0} : &defer->what);
    put_ms(put, is_refused ? 0 : command->out.u.lease.held_until);
}

static void
put_timer(struct put *put, const struct aw_in_timer *timer)
{
    put_u32(put, timer->slot);
    put_u32(put, timer->version);
}

static void
put_ticket(struct put *put, const struct aw_in_ticket *ticket)
{
    put_u8(put, ticket->ticket.shard);
    put_u32(put, ticket->ticket.slot);
    put_u64(put, ticket->ticket.seq);
    put_ms(put, ticket->until);
    put_if_match(put, &ticket->if_match);
    put_string(put, ticket->by, AW_AGENT_BYTES_MAX);
    put_string(put, ticket->words, AW_RELEASE_REASON_BYTES_MAX);
}

static void
put_place(struct put *put, const struct aw_in_ticket *ticket)
{
    AW_ASSERT(ticket->class_ < AW_CLASS_COUNT || ticket->class_ == AW_CLASS_NONE);
    AW_ASSERT((unsigned)ticket->hold <= AW_HOLD_OFF);
    put_ticket(put, ticket);
    put_u8(put, ticket->class_);
    put_u8(put, ticket->hold);
    put_string(put, ticket->lane, AW_LANE_BYTES_MAX);
}

static void
put_told(struct put *put, const struct aw_told *told)
{
    AW_ASSERT(told->identity_count <= AW_TOLD_IDENTITIES_MAX);
    AW_ASSERT(told->fact_count <= AW_TOLD_FACTS_MAX);
    put_u32(put, told->messages);
    put_u64(put, told->first_seq);
    put_u64(put, told->last_seq);
    put_ms(put, told->accepted_at);
    put_ms(put, told->received_at);
    put_ms(put, told->reply_by);
    put_u8(put, told->said);
    put_u8(put, told->gentle);
    put_u8(put, told->is_listening);
    put_hash128(put, told->contact);
    put_string(put, told->channel, AW_CHANNEL_BYTES_MAX);
    put_string(put, told->account, AW_ACCOUNT_BYTES_MAX);
    put_string(put, told->lang, AW_LANG_BYTES_MAX);
    put_u8(put, told->identity_count);
    for (uint32_t i = 0; i < told->identity_count; i++)
        put_hash128(put, told->identities[i]);
    put_u8(put, told->fact_count);
    for (uint32_t i = 0; i < told->fact_count; i++) {
        const struct aw_told_fact *fact = &told->facts[i];

        AW_ASSERT((unsigned)fact->kind <= AW_FACT_BOOKING);
        put_u8(put, fact->kind);
        put_u64(put, fact->hash);
        put_ms(put, fact->departs_at);
        put_ms(put, fact->said_at);
        put_u64(put, fact->seq);
        put_bytes(put, fact->from.letters, sizeof(fact->from.letters));
        put_bytes(put, fact->to.letters, sizeof(fact->to.letters));
    }
}

/* Behind the inputs the slot that it got: its ticket can be named from the record alone. */
static void
put_unfold(struct put *put, const struct aw_in_unfold *unfold, uint32_t slot)
{
    AW_ASSERT(unfold->message_count <= AW_UNFOLD_MESSAGES_MAX);
    put_ticket(put, &unfold->on);
    put_u8(put, unfold->message_count);
    for (uint32_t i = 0; i < unfold->message_count; i++)
        put_u64(put, unfold->messages[i]);
    put_u64(put, unfold->newest_seq);
    put_u32(put, unfold->messages_total);
    put_told(put, &unfold->taken);
    put_told(put, &unfold->left);
    put_u32(put, slot);
}

static void
put_forecast(struct put *put, const struct aw_in_forecast *forecast)
{
    AW_ASSERT(forecast->lane_count <= AW_PROMISE_LANES_MAX);
    put_u8(put, forecast->group);
    put_ms(put, forecast->base);
    for (uint32_t i = 0; i < AW_PROMISE_WAITS; i++) {
        for (unsigned share = 0; share < AW_SHARES; share++) {
            AW_ASSERT(forecast->waits[i].raw_s[share] <= AW_PROMISE_RAW_S_MAX);
            AW_ASSERT(forecast->waits[i].steps[share] <= AW_PROMISE_STEPS_MAX);
            put_varint(put, forecast->waits[i].raw_s[share]);
            put_varint(put, forecast->waits[i].steps[share]);
        }
    }
    put_u8(put, forecast->lane_count);
    for (uint32_t i = 0; i < forecast->lane_count; i++) {
        put_varint(put, forecast->lanes[i].lane);
        put_u8(put, forecast->lanes[i].group);
    }
}

static void
put_promise(struct put *put, const struct aw_in_promise *promise)
{
    put_u8(put, promise->ticket.shard);
    put_u32(put, promise->ticket.slot);
    put_u64(put, promise->ticket.seq);
    put_ms(put, promise->half_by);
    put_ms(put, promise->nine_of_ten_by);
}

/* What an effect takes at most: a ticket's number, two lanes, classes, states, a cause, an incident, a name. */
#define EFFECT_BYTES_MAX    (10U + 3U + 3U + 1U + 1U + 1U + 3U + 10U + 1U + AW_AGENT_BYTES_MAX)
#define ADDRESSES_BYTES_MAX (1U + AW_TICKET_ADDRESSES_MAX * 8U)
/* Beside the cause: an incident follows. */
#define EFFECT_HAS_INCIDENT 0x80U
/* The deferral is over. */
#define EFFECT_DEFERRAL_OVER 0x40U
/* Addresses follow. */
#define EFFECT_HAS_ADDRESSES 0x20U

/* Classes and states share a byte each: before in the upper half. So do the cause, whether a deferral is over, and what follows. */
static void
put_effect(struct put *put, const struct aw_effect *effect)
{
    AW_ASSERT(effect->class_ < AW_CLASS_COUNT);
    AW_ASSERT(effect->class_before < AW_CLASS_COUNT || effect->class_before == AW_CLASS_NONE);
    put_varint(put, effect->ticket_seq);
    put_varint(put, effect->lane);
    put_varint(put, effect->lane_before);
    put_u8(put, effect->class_ | (effect->class_before & 0xFU) << 4);
    put_u8(put, (unsigned)effect->state | (unsigned)effect->state_before << 4);
    AW_ASSERT((unsigned)effect->cause < EFFECT_HAS_ADDRESSES);
    AW_ASSERT(effect->address_count <= AW_TICKET_ADDRESSES_MAX);
    put_u8(put, (unsigned)effect->cause | (effect->incident.seq != 0 ? EFFECT_HAS_INCIDENT : 0) |
                    (effect->deferral_over ? EFFECT_DEFERRAL_OVER : 0) | (effect->address_count > 0 ? EFFECT_HAS_ADDRESSES : 0));
    if (effect->incident.seq != 0) {
        put_varint(put, effect->incident.slot);
        put_varint(put, effect->incident.seq);
    }
    put_string(put, effect->holder, AW_AGENT_BYTES_MAX);
    if (effect->address_count == 0)
        return;
    put_u8(put, effect->address_count);
    for (uint32_t i = 0; i < effect->address_count; i++)
        put_u64(put, effect->addresses[i]);
}
AW_STATIC_ASSERT((AW_CLASS_NONE & 0xFU) >= AW_CLASS_COUNT, "no class is half of a byte that no class is");

/* long: one line for each kind */
static void
put_fields(struct put *put, const struct aw_command *command)
{
    switch (command->kind) {
    case AW_COMMAND_EPOCH:
        put_u64(put, command->in.epoch.epoch);
        return;
    case AW_COMMAND_SETTINGS:
        put_settings(put, &command->in.settings);
        return;
    case AW_COMMAND_LANE:
        put_lane(put, &command->in.lane);
        return;
    case AW_COMMAND_FLIGHT:
        put_flight(put, &command->in.flight);
        return;
    case AW_COMMAND_AIRPORT:
        put_airport(put, &command->in.airport);
        return;
    case AW_COMMAND_UNDO:
        put_undo(put, &command->in.undo);
        if (command->in.undo.change.of == AW_CHANGE_SURGE)
            put_u8(put, aw_command_surge_turn(command));
        return;
    case AW_COMMAND_SURGE:
        put_surge(put, &command->in.surge);
        put_u8(put, aw_command_surge_turn(command));
        return;
    case AW_COMMAND_AGENT:
        put_agent(put, &command->in.agent);
        return;
    case AW_COMMAND_PRESENCE:
        put_presence(put, &command->in.presence);
        return;
    case AW_COMMAND_MESSAGE:
        put_message(put, &command->in.message);
        put_message_outcome(put, &command->out.u.message);
        return;
    case AW_COMMAND_LEASE:
        put_lease(put, &command->in.lease);
        return;
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
        put_fenced(put, &command->in.fenced);
        put_u8(put, command->out.err != AW_OK); /* a complete that was refused only told its holder of new messages */
        return;
    case AW_COMMAND_TRANSFER:
        put_transfer(put, &command->in.transfer, &command->out.u.lease);
        return;
    case AW_COMMAND_WITHDRAW:
        put_withdraw(put, &command->in.withdraw, command->out.u.ticket.ticket);
        return;
    case AW_COMMAND_OPT_OUT:
        put_opt_out(put, &command->in.opt_out);
        return;
    case AW_COMMAND_ERASE:
        put_erase(put, &command->in.erase, &command->out.u.erase);
        return;
    case AW_COMMAND_DEFER:
        put_defer(put, command);
        return;
    case AW_COMMAND_TIMER:
        put_timer(put, &command->in.timer);
        return;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
        put_ticket(put, &command->in.ticket);
        return;
    case AW_COMMAND_PLACE:
        put_place(put, &command->in.ticket);
        return;
    case AW_COMMAND_NOTE:
        AW_ASSERT(command->in.note.body.len > 0);
        put_ticket(put, &command->in.note.on);
        put_note(put, &command->in.note.body);
        return;
    case AW_COMMAND_UNFOLD:
        put_unfold(put, &command->in.unfold, command->out.u.ticket.ticket.slot);
        return;
    case AW_COMMAND_CHANNEL:
        put_channel(put, &command->in.channel);
        return;
    case AW_COMMAND_REPLY:
        put_fenced(put, &command->in.fenced);
        put_reply(put, &command->in.fenced.reply, &command->out.u.lease);
        return;
    case AW_COMMAND_REPLY_LEASE:
        put_reply_lease(put, &command->in.reply_lease);
        return;
    case AW_COMMAND_REPLY_STATUS:
        put_reply_status(put, &command->in.reply_status);
        return;
    case AW_COMMAND_REPLY_TIMER:
        put_reply_timer(put, &command->in.reply_timer);
        return;
    case AW_COMMAND_APPROVE:
        put_approve(put, &command->in.approve, command->out.u.reply.ticket);
        return;
    case AW_COMMAND_REDRIVE:
        put_redrive(put, &command->in.redrive);
        return;
    case AW_COMMAND_FORECAST:
        put_forecast(put, &command->in.forecast);
        return;
    case AW_COMMAND_PROMISE:
        put_promise(put, &command->in.promise);
        return;
    case AW_COMMAND_INCIDENT:
        put_incident(put, &command->in.incident, command->out.u.incident.incident.slot);
        return;
    case AW_COMMAND_INCIDENT_LINK:
        put_incident_link(put, &command->in.incident_link);
        return;
    case AW_COMMAND_INCIDENT_ANSWER:
        put_incident_answer(put, &command->in.incident_answer);
        return;
    case AW_COMMAND_INCIDENT_TIMER:
        put_incident_id(put, command->in.incident_timer.incident);
        put_u8(put, command->in.incident_timer.ticket.shard);
        put_u32(put, command->in.incident_timer.ticket.slot);
        put_u64(put, command->in.incident_timer.ticket.seq);
        return;
    case AW_COMMAND_TEMPLATE:
        put_template(put, &command->in.template_);
        return;
    }
    AW_UNREACHABLE();
}

/* The newest version of a kind. */
static unsigned
version_max(enum aw_command_kind kind)
{
    bool has_more = kind == AW_COMMAND_LEASE || kind == AW_COMMAND_COMPLETE || aw_command_takes_key(kind);

    if (kind == AW_COMMAND_MESSAGE)
        return RECORD_VERSION_4;
    return has_more ? RECORD_VERSION_2 : RECORD_VERSION_1;
}

static unsigned
version_of(const struct aw_command *command)
{
    bool has_more = command->kind == AW_COMMAND_MESSAGE ? command->in.message.airport_count > 0
                    : command->kind == AW_COMMAND_LEASE ? command->in.lease.choice.at != 0
                    : command->kind == AW_COMMAND_COMPLETE
                        ? command->in.fenced.reply.is_there && command->out.err == AW_OK /* what was refused wrote nothing */
                        : aw_once_is_set(&command->once);

    if (command->kind == AW_COMMAND_MESSAGE && command->out.u.message.promise.made_at != 0)
        return RECORD_VERSION_4;
    if (command->kind == AW_COMMAND_MESSAGE && is_set(command->in.message.in_reply_to))
        return RECORD_VERSION_3;
    return has_more ? RECORD_VERSION_2 : RECORD_VERSION_1;
}

static void
put_airports(struct put *put, const struct aw_in_message *message)
{
    AW_ASSERT(message->airport_count <= AW_AIRPORTS_MAX);
    put_u8(put, message->airport_count);
    for (uint32_t i = 0; i < message->airport_count; i++)
        put_bytes(put, message->airports[i].letters, sizeof(message->airports[i].letters));
}

/* What versions 2 to 4 have behind the fields of version 1. */
static void
put_more(struct put *put, const struct aw_command *command)
{
    AW_IMPLIES(aw_once_is_set(&command->once), aw_command_takes_key(command->kind));
    if (version_of(command) < RECORD_VERSION_2)
        return;
    if (command->kind == AW_COMMAND_MESSAGE) {
        put_airports(put, &command->in.message);
        if (version_of(command) >= RECORD_VERSION_3)
            put_hash128(put, command->in.message.in_reply_to);
        if (version_of(command) >= RECORD_VERSION_4) {
            put_ms(put, command->out.u.message.promise.made_at);
            put_ms(put, command->out.u.message.promise.half_by);
            put_ms(put, command->out.u.message.promise.nine_of_ten_by);
        }
        return;
    }
    if (command->kind == AW_COMMAND_COMPLETE) {
        put_reply(put, &command->in.fenced.reply, &command->out.u.lease);
        return;
    }
    if (command->kind == AW_COMMAND_LEASE) {
        put_choice(put, &command->in.lease.choice);
        return;
    }
    put_hash128(put, command->once.key);
    put_u64(put, command->once.request);
}

/* What version 4 of a message takes at most beyond the other versions: no airports, an answer to nothing, three times. */
#define PROMISED_BYTES_MAX (1U + 16U + 24U)

static bool
has_effect(const struct aw_command *command)
{
    uint32_t slot;

    return aw_command_slot(command, &slot);
}

/* What apply will find is not known yet when room is asked for. */
size_t
aw_record_bytes_max(const struct aw_command *command)
{
    struct put put = {.at = NULL, .len = AW_RECORD_HEADER_BYTES};

    put_fields(&put, command);
    put.len += has_effect(command) ? EFFECT_BYTES_MAX : 0;
    put.len += aw_command_has_colleagues_text(command) ? ADDRESSES_BYTES_MAX : 0;
    put_more(&put, command);
    put.len += command->kind == AW_COMMAND_MESSAGE ? PROMISED_BYTES_MAX : 0;
    AW_ASSERT(put.len <= AW_RECORD_BYTES_MAX);
    return put.len;
}

size_t
aw_record_write(const struct aw_command *command, uint8_t *to)
{
    struct put put = {.at = to, .len = AW_RECORD_HEADER_BYTES};

    AW_ASSERT(command->out.seq >= 1);
    AW_ASSERT(command->out.prev_seq < command->out.seq);
    put_fields(&put, command);
    if (has_effect(command))
        put_effect(&put, &command->out.effect);
    put_more(&put, command);
    AW_ASSERT(put.len <= AW_RECORD_BYTES_MAX);
    store_u32(to, (uint32_t)put.len);
    store_u64(to + 8, command->out.seq);
    store_u64(to + 16, command->out.prev_seq);
    store_u16(to + 24, (uint16_t)command->kind);
    store_u16(to + 26, (uint16_t)version_of(command));
    store_u32(to + 28, 0);
    store_u32(to + 4, aw_crc32c(0, to + 8, put.len - 8));
    return put.len;
}

/* --- finding records -------------------------------------------------------------------------------------------------------- */

enum aw_err
aw_record_next(struct aw_slice *at, struct aw_record *ret_record, struct aw_why *why)
{
    const uint8_t *from = (const uint8_t *)at->ptr;
    size_t         bytes;

    if (at->len == 0)
        return AW_E_AGAIN;
    if (at->len < AW_RECORD_HEADER_BYTES)
        return aw_why(why, AW_E_CORRUPT, "%zu bytes are left, too few for a record", at->len);
    bytes = load_u32(from);
    if (bytes < AW_RECORD_HEADER_BYTES || bytes > AW_RECORD_BYTES_MAX || bytes > at->len)
        return aw_why(why, AW_E_CORRUPT, "record says %zu bytes where %zu are left", bytes, at->len);
    if (load_u32(from + 4) != aw_crc32c(0, from + 8, bytes - 8))
        return aw_why(why, AW_E_CORRUPT, "record fails its CRC");
    if (load_u64(from + 8) == 0 || load_u64(from + 16) >= load_u64(from + 8) || load_u32(from + 28) != 0)
        return aw_why(why, AW_E_CORRUPT, "record has a sequence out of range");
    *ret_record = (struct aw_record){.kind = (enum aw_command_kind)load_u16(from + 24),
                                     .version = load_u16(from + 26),
                                     .seq = load_u64(from + 8),
                                     .prev_seq = load_u64(from + 16),
                                     .fields = {at->ptr + AW_RECORD_HEADER_BYTES, bytes - AW_RECORD_HEADER_BYTES},
                                     .bytes = {at->ptr, bytes}};
    at->ptr += bytes;
    at->len -= bytes;
    return AW_OK;
}

enum aw_err
aw_record_find(struct aw_slice batch, uint64_t seq, struct aw_record *ret_record, struct aw_why *why)
{
    struct aw_batch_header header = {.count = 0};
    struct aw_record       record = {.seq = 0};
    enum aw_err            err = aw_batch_header_read(batch, &header, why);

    if (err != AW_OK)
        return err;
    AW_ASSERT(header.count > 0);
    if (seq < header.first_seq || seq - header.first_seq >= header.count)
        return AW_E_NOT_FOUND;
    batch.ptr += AW_BATCH_HEADER_BYTES;
    batch.len -= AW_BATCH_HEADER_BYTES;
    /* Records are consecutive, but of different lengths: all before it must be stepped over. */
    for (uint64_t expected = header.first_seq; expected <= seq; expected++) {
        err = aw_record_next(&batch, &record, why);
        if (err == AW_E_AGAIN)
            return aw_why(why, AW_E_CORRUPT, "batch %llu ends before record %llu", (unsigned long long)header.index,
                          (unsigned long long)expected);
        if (err != AW_OK)
            return err;
        if (record.seq != expected)
            return aw_why(why, AW_E_CORRUPT, "record %llu lies where %llu belongs", (unsigned long long)record.seq,
                          (unsigned long long)expected);
    }
    *ret_record = record;
    return AW_OK;
}

/* --- reading fields --------------------------------------------------------------------------------------------------------- */

/* The first failure stays; everything read after it is zero or empty. */
struct get {
    const uint8_t   *at;
    const uint8_t   *end;
    struct aw_arena *arena;
    enum aw_err      err;
    const char      *what; /* failed */
};

static void
get_fail(struct get *get, enum aw_err err, const char *what)
{
    if (get->err != AW_OK)
        return;
    get->err = err;
    get->what = what;
}

/* NULL after a failure. */
static const uint8_t *
get_bytes(struct get *get, size_t len)
{
    const uint8_t *at = get->at;

    if (get->err != AW_OK)
        return NULL;
    if (len > (size_t)(get->end - get->at)) {
        get_fail(get, AW_E_CORRUPT, "its fields end early");
        return NULL;
    }
    get->at += len;
    return at;
}

static unsigned
get_u8(struct get *get, unsigned max, const char *what)
{
    const uint8_t *at = get_bytes(get, 1);

    if (at == NULL)
        return 0;
    if (*at > max) {
        get_fail(get, AW_E_CORRUPT, what);
        return 0;
    }
    return *at;
}

static uint32_t
get_u32(struct get *get)
{
    const uint8_t *at = get_bytes(get, 4);

    return at == NULL ? 0 : load_u32(at);
}

static uint64_t
get_u64(struct get *get)
{
    const uint8_t *at = get_bytes(get, 8);

    return at == NULL ? 0 : load_u64(at);
}

static uint32_t
get_days(struct get *get)
{
    uint32_t days = get_u32(get);

    if (days > AW_DAYS_MAX)
        get_fail(get, AW_E_CORRUPT, "a date is out of range");
    return days > AW_DAYS_MAX ? 0 : days;
}

static uint64_t
get_u64_up_to(struct get *get, uint64_t max, const char *what)
{
    uint64_t value = get_u64(get);

    if (value > max)
        get_fail(get, AW_E_CORRUPT, what);
    return value > max ? 0 : value;
}

static aw_ms
get_ms(struct get *get)
{
    return get_u64_up_to(get, AW_MS_MAX, "a time or duration is out of range");
}

/* What is added to a record's time must stay a time. */
static uint64_t
get_duration(struct get *get)
{
    return get_u64_up_to(get, AW_DURATION_MS_MAX, "a duration is longer than ten years");
}

static struct aw_hash128
get_hash128(struct get *get)
{
    uint64_t low = get_u64(get);

    return (struct aw_hash128){low, get_u64(get)};
}

static void
get_copy(struct get *get, void *to, size_t len)
{
    const uint8_t *at = get_bytes(get, len);

    if (at != NULL)
        memcpy(to, at, len);
}

static struct aw_slice
get_string(struct get *get, size_t bytes_max)
{
    const uint8_t *at = get_bytes(get, bytes_max > UINT8_MAX ? 2 : 1);
    size_t         len;

    if (at == NULL)
        return (struct aw_slice){NULL, 0};
    len = bytes_max > UINT8_MAX ? load_u16(at) : *at;
    if (len > bytes_max) {
        get_fail(get, AW_E_CORRUPT, "a string is longer than its limit");
        return (struct aw_slice){NULL, 0};
    }
    at = get_bytes(get, len);
    return at == NULL ? (struct aw_slice){NULL, 0} : aw_slice_of(at, len);
}

/* Room for a list whose count was just read; NULL for an empty one and after a failure, then *count is 0. */
static void *
get_list(struct get *get, uint32_t *count, size_t size)
{
    void *list;

    if (get->err != AW_OK)
        *count = 0;
    if (*count == 0)
        return NULL;
    list = aw_arena_take_zeroed(get->arena, *count, size);
    if (list == NULL) {
        get_fail(get, AW_E_MEMORY, "no memory for its lists");
        *count = 0;
    }
    return list;
}

static const struct aw_slice *
get_strings(struct get *get, uint32_t *ret_count, uint32_t count_max, size_t bytes_max)
{
    uint32_t         count = get_u8(get, count_max, "a list has more elements than its limit");
    struct aw_slice *strings = get_list(get, &count, sizeof(*strings));

    for (uint32_t i = 0; i < count; i++)
        strings[i] = get_string(get, bytes_max);
    *ret_count = count;
    return strings;
}

static void
get_settings(struct get *get, struct aw_core_settings *settings)
{
    settings->dedupe_ms = get_ms(get);
    settings->reopen_ms = get_ms(get);
    settings->backdate_ms = get_ms(get);
    settings->imminent_ms = get_ms(get);
    settings->lease_grace_ms = get_ms(get);
    settings->decline_ms = get_ms(get);
    settings->kept_ms = get_ms(get);
    settings->kept_gentle_ms = get_ms(get);
    settings->kept_transfer_ms = get_ms(get);
    settings->gentle_first_ms = get_ms(get);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        settings->handling_ms[i] = get_ms(get);
    for (size_t i = 0; i < AW_ARRAY_LEN(table_limits); i++)
        *(uint32_t *)((char *)&settings->tables + table_limits[i]) = get_u32(get);
    settings->reply_retry_ms = get_ms(get);
    settings->reply_retry_ms_max = get_ms(get);
    settings->still_needed_ms = get_ms(get);
    settings->reply_attempts_max = get_u32(get);
    settings->defer_back_ms = get_ms(get);
    settings->contact_ms = get_ms(get);
}

static void
get_lane(struct get *get, struct aw_in_lane *lane)
{
    struct aw_lane_match  *match = &lane->match;
    struct aw_lane_helper *helpers;

    lane->name = get_string(get, AW_LANE_BYTES_MAX);
    if (lane->name.len == 0)
        get_fail(get, AW_E_CORRUPT, "a lane without a name");
    lane->pause = (enum aw_lane_pause)get_u8(get, AW_LANE_PAUSED_BOTH, "pause is out of range");
    lane->only_create = get_u8(get, 1, "a flag is neither 0 nor 1") != 0;
    lane->if_match.version = get_u64(get);
    match->langs = get_strings(get, &match->lang_count, AW_LANE_MATCH_MAX, AW_LANG_BYTES_MAX);
    match->channels = get_strings(get, &match->channel_count, AW_LANE_MATCH_MAX, AW_CHANNEL_BYTES_MAX);
    match->accounts = get_strings(get, &match->account_count, AW_LANE_MATCH_MAX, AW_ACCOUNT_BYTES_MAX);
    match->tags = get_strings(get, &match->tag_count, AW_LANE_MATCH_MAX, AW_TAG_BYTES_MAX);
    lane->helper_count = get_u8(get, AW_LANE_HELPERS_MAX, "more helping lanes than the limit");
    helpers = get_list(get, &lane->helper_count, sizeof(*helpers));
    for (uint32_t i = 0; i < lane->helper_count; i++) {
        helpers[i].lane = get_string(get, AW_LANE_BYTES_MAX);
        helpers[i].after_s = get_u32(get);
    }
    lane->helpers = helpers;
}

static void
get_airport_code(struct get *get, struct aw_airport_code *code)
{
    get_copy(get, code->letters, sizeof(code->letters));
    for (size_t i = 0; i < sizeof(code->letters) && get->err == AW_OK; i++) {
        if (code->letters[i] < 'A' || code->letters[i] > 'Z')
            get_fail(get, AW_E_CORRUPT, "an airport is not three letters");
    }
}

static void
get_flight(struct get *get, struct aw_in_flight *flight)
{
    flight->flight_hash = get_u64(get);
    flight->number = get_string(get, AW_FLIGHT_NUMBER_BYTES_MAX);
    if (flight->number.len == 0 || flight->flight_hash == 0)
        get_fail(get, AW_E_CORRUPT, "a flight without a number");
    flight->date_days = get_days(get);
    flight->state = (enum aw_flight_state)get_u8(get, AW_FLIGHT_REBOOKED, "a flight's state is out of range");
    flight->departs_at = get_ms(get);
    flight->if_match.version = get_u64(get);
    flight->by = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_airport(struct get *get, struct aw_in_airport *airport)
{
    get_airport_code(get, &airport->code);
    airport->from = get_ms(get);
    airport->until = get_ms(get);
    airport->if_match.version = get_u64(get);
    airport->by = get_string(get, AW_AGENT_BYTES_MAX);
}

/* Texts in a surge end at their first zero, so none may be in them. */
static void
get_surge_text(struct get *get, char *to, size_t bytes_max)
{
    struct aw_slice text = get_string(get, bytes_max);

    if (text.len == 0)
        return;
    if (memchr(text.ptr, '\0', text.len) != NULL)
        get_fail(get, AW_E_CORRUPT, "a text of a surge has a zero in it");
    memcpy(to, text.ptr, text.len);
}

static void
get_surge_lists(struct get *get, struct aw_surge *surge)
{
    surge->lane_count = (uint8_t)get_u8(get, AW_SURGE_LANES_MAX, "more lanes than the limit");
    for (uint32_t i = 0; i < surge->lane_count; i++) {
        uint32_t lane = get_u32(get);

        if (lane > UINT16_MAX)
            get_fail(get, AW_E_CORRUPT, "a lane is out of range");
        surge->lanes[i] = (uint16_t)lane;
    }
    surge->channel_count = (uint8_t)get_u8(get, AW_CHANNELS_MAX, "more channels than the limit");
    for (uint32_t i = 0; i < surge->channel_count; i++)
        get_surge_text(get, surge->channels[i], sizeof(surge->channels[i]));
    surge->flight_count = (uint8_t)get_u8(get, AW_SURGE_FLIGHTS_MAX, "more flights than the limit");
    for (uint32_t i = 0; i < surge->flight_count; i++) {
        surge->flights[i].hash = get_u64(get);
        get_surge_text(get, surge->flights[i].number, sizeof(surge->flights[i].number));
        surge->flights[i].date_days = get_days(get);
    }
    surge->airport_count = (uint8_t)get_u8(get, AW_SURGE_AIRPORTS_MAX, "more airports than the limit");
    for (uint32_t i = 0; i < surge->airport_count; i++)
        get_airport_code(get, &surge->airports[i]);
    surge->notice_count = (uint8_t)get_u8(get, AW_SURGE_NOTICES_MAX, "more notices than the limit");
    for (uint32_t i = 0; i < surge->notice_count; i++) {
        get_surge_text(get, surge->notices[i].lang, sizeof(surge->notices[i].lang));
        get_surge_text(get, surge->notices[i].text, sizeof(surge->notices[i].text));
    }
}

static void
get_surge(struct get *get, struct aw_in_surge *in)
{
    uint32_t         count;
    struct aw_surge *surge;

    in->if_match.version = get_u64(get);
    in->by = get_string(get, AW_AGENT_BYTES_MAX);
    count = get_u8(get, 1, "a flag is neither 0 nor 1");
    surge = get_list(get, &count, sizeof(*surge));
    if (surge == NULL)
        return;
    surge->is_on = 1;
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        surge->target_s[i] = get_u32(get);
    surge->overflow_after_s = get_u32(get);
    surge->order = (uint8_t)get_u8(get, AW_SURGE_ORDER_STRICT, "an order is out of range");
    surge->is_receipt = (uint8_t)get_u8(get, 1, "a flag is neither 0 nor 1");
    get_surge_text(get, surge->reason, sizeof(surge->reason));
    get_surge_lists(get, surge);
    in->surge = surge;
}

static void
get_surge_turn(struct get *get, struct aw_command *command)
{
    command->out.u.change.now.surge.turn = (enum aw_surge_turn)get_u8(get, AW_SURGE_ENDED, "a surge's turn is out of range");
}

static void
get_undo(struct get *get, struct aw_in_undo *undo)
{
    undo->change.of = (enum aw_change_of)get_u8(get, AW_CHANGE_SURGE, "a change of what is unknown");
    undo->change.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    undo->change.slot = get_u32(get);
    undo->change.seq = get_u64(get);
    undo->by = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_identities(struct get *get, struct aw_in_message *message)
{
    uint32_t           count = get_u8(get, AW_IDENTITY_HASHES_MAX, "more identities than the limit");
    struct aw_hash128 *identities;

    if (count == 0)
        get_fail(get, AW_E_CORRUPT, "a message without an identity");
    identities = get_list(get, &count, sizeof(*identities));
    for (uint32_t i = 0; i < count; i++)
        identities[i] = get_hash128(get);
    message->identities = identities;
    message->identity_count = count;
}

static void
get_flights(struct get *get, struct aw_in_message *message)
{
    uint32_t               count = get_u8(get, AW_FLIGHTS_MAX, "more flights than the limit");
    struct aw_flight_fact *flights = get_list(get, &count, sizeof(*flights));

    for (uint32_t i = 0; i < count; i++) {
        flights[i].flight_hash = get_u64(get);
        flights[i].departs_at = get_ms(get);
        get_copy(get, flights[i].from, sizeof(flights[i].from));
        get_copy(get, flights[i].to, sizeof(flights[i].to));
    }
    message->flights = flights;
    message->flight_count = count;
}

static uint64_t
get_varint(struct get *get, uint64_t max, const char *what)
{
    uint64_t value = 0;
    unsigned shift = 0, byte;

    do {
        byte = get_u8(get, UINT8_MAX, "");
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0 && shift < 63);
    /* In its shortest form only: a record has one way to be written. */
    if ((byte & 0x80) != 0 || (byte == 0 && shift > 7) || value > max) {
        get_fail(get, AW_E_CORRUPT, what);
        return 0;
    }
    return value;
}

static void
get_message(struct get *get, struct aw_in_message *message)
{
    unsigned flags;

    message->class_ = (enum aw_class)get_u8(get, AW_CLASS_COUNT - 1, "class is out of range");
    message->care = (uint8_t)get_u8(get, CARE_MASK, "care has an unknown code");
    message->visibility = (uint8_t)get_u8(get, AW_VISIBILITY_PRIVATE, "visibility is out of range");
    message->addressed = (uint8_t)get_u8(get, AW_ADDRESSED_BYSTANDER, "addressed is out of range");
    flags = get_u8(get, 63, "a message has an unknown flag");
    message->gentle = (flags & 1) != 0;
    message->not_needed = (flags & 2) != 0;
    message->opts_out = (flags & 8) != 0;
    message->rules_version = get_u32(get);
    message->received_at = get_ms(get);
    message->departs_at = get_ms(get);
    message->reply_by = get_ms(get);
    message->id_hash = get_hash128(get);
    get_copy(get, message->body_hash.bytes, sizeof(message->body_hash.bytes));
    message->channel = get_string(get, AW_CHANNEL_BYTES_MAX);
    message->account = get_string(get, AW_ACCOUNT_BYTES_MAX);
    message->lang = get_string(get, AW_LANG_BYTES_MAX);
    message->lane = get_string(get, AW_LANE_BYTES_MAX);
    get_identities(get, message);
    message->tags = get_strings(get, &message->tag_count, AW_TAGS_MAX, AW_TAG_BYTES_MAX);
    get_flights(get, message);
    if ((flags & 4) != 0) {
        message->booking_hash = get_u64(get);
        if (message->booking_hash == 0)
            get_fail(get, AW_E_CORRUPT, "a booking without a hash");
    }
    if ((flags & 16) != 0) {
        message->contact = get_hash128(get);
        if (!is_set(message->contact))
            get_fail(get, AW_E_CORRUPT, "a contact without a hash");
    }
    if ((flags & 32) != 0) {
        message->reasons_bytes = (uint32_t)get_varint(get, AW_REASONS_ENCODED_BYTES_MAX, "more reasons than the limit");
        message->posted_hash = get_u64(get);
        if (message->reasons_bytes == 0 || message->posted_hash == 0)
            get_fail(get, AW_E_CORRUPT, "reasons without bytes or without a hash");
    }
}
/* A mask is a range only when its bits have no gap. */
AW_STATIC_ASSERT(((CARE_MASK + 1) & CARE_MASK) == 0, "get_message checks care against the largest value");

static void
get_message_outcome(struct get *get, struct aw_out_message *out)
{
    uint32_t flags;

    out->class_ = (enum aw_class)get_u8(get, AW_CLASS_COUNT - 1, "class given is out of range");
    flags = get_u8(get, 63, "an outcome has an unknown flag");
    out->folded = (flags & 1) != 0;
    out->reopened = (flags & 2) != 0;
    out->lane_unknown = (flags & 4) != 0;
    out->acknowledged = (flags & 8) != 0;
    out->not_needed = (flags & 16) != 0;
    out->opted_out = (flags & 32) != 0;
    out->lane = get_u32(get);
    out->ticket.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    out->ticket.slot = get_u32(get);
    out->ticket.seq = get_u64(get);
    out->related.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    out->related.slot = get_u32(get);
    out->related.seq = get_u64(get);
}

static void
get_order(struct get *get, struct aw_order_settings *order)
{
    uint64_t numbers[ORDER_NUMBERS];
    uint64_t unusual = get_varint(get, (UINT64_C(1) << ORDER_NUMBERS) - 1, "an order has settings that are unknown");

    memcpy(numbers, usual_order, sizeof(numbers));
    for (unsigned i = 0; i < ORDER_NUMBERS; i++) {
        if ((unusual >> i & 1) == 0)
            continue;
        numbers[i] = get_varint(get, i == 0 ? AW_ORDER_STRICT : AW_MS_MAX, "a setting of an order is out of range");
        if (numbers[i] == usual_order[i])
            get_fail(get, AW_E_CORRUPT, "a usual setting of an order is written out");
    }
    order_of_numbers(numbers, order);
}

/* NULL when there are none. */
static const uint32_t *
get_lanes(struct get *get, uint32_t *ret_count)
{
    uint32_t *lanes;
    uint32_t  next = 0;

    *ret_count = (uint32_t)get_varint(get, AW_LANES_PER_PULL_MAX, "more lanes than the limit");
    lanes = get_list(get, ret_count, sizeof(*lanes));
    for (uint32_t i = 0; i < *ret_count; i++) {
        lanes[i] = next + (uint32_t)get_varint(get, UINT16_MAX, "a lane is out of range");
        next = lanes[i] + 1;
    }
    return lanes;
}

static void
get_agent(struct get *get, struct aw_in_agent *agent)
{
    struct aw_agent_units *units;

    agent->name = get_string(get, AW_AGENT_BYTES_MAX);
    if (agent->name.len == 0)
        get_fail(get, AW_E_CORRUPT, "an agent without a name");
    agent->is_gentle = get_u8(get, 1, "a flag is neither 0 nor 1") != 0;
    agent->barred = (uint8_t)get_u8(get, AW_CLASSES_ALL - 1, "a class is out of range, or none is left");
    agent->needs_approval = get_u8(get, 1, "a flag is neither 0 nor 1") != 0;
    agent->lanes = get_lanes(get, &agent->lane_count);
    agent->unit_count = get_u8(get, AW_CHANNELS_MAX, "more channels than the limit");
    units = get_list(get, &agent->unit_count, sizeof(*units));
    for (uint32_t i = 0; i < agent->unit_count; i++) {
        units[i].channel = get_string(get, AW_CHANNEL_BYTES_MAX);
        units[i].units = get_u8(get, AW_AGENT_UNITS_MAX, "more units than the limit");
    }
    agent->units = units;
    agent->units_total = get_u32(get);
    agent->if_match.version = get_u64(get);
    agent->by = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_presence(struct get *get, struct aw_in_presence *in)
{
    in->name = get_string(get, AW_AGENT_BYTES_MAX);
    if (in->name.len == 0)
        get_fail(get, AW_E_CORRUPT, "an agent without a name");
    in->presence = (enum aw_presence)get_u8(get, AW_PRESENCE_LEAVING, "no presence that can be said");
    in->by = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_choice(struct get *get, struct aw_lease_choice *choice)
{
    choice->at = get_ms(get);
    if (choice->at == 0)
        get_fail(get, AW_E_CORRUPT, "version 2 without a choice");
    choice->seen_seq = get_u64(get);
    choice->taken_seq = get_u64(get);
    choice->held_us = get_u32(get);
    choice->queue = (uint8_t)get_u8(get, AW_CHOICE_ASIDE, "a queue is out of range");
    if (choice->queue == AW_CHOICE_ASIDE)
        choice->back_slot = get_u32(get);
    get_order(get, &choice->order);
    choice->full = (uint16_t)get_varint(get, UINT16_MAX, "a channel is out of range");
    choice->barred = (uint8_t)get_u8(get, AW_CLASSES_ALL - 1, "a class is out of range, or none is left");
    choice->refused_seq = get_varint(get, UINT64_MAX, "");
    if (choice->taken_seq < choice->seen_seq)
        get_fail(get, AW_E_CORRUPT, "a ticket was taken before it was looked for");
    choice->lanes = get_lanes(get, &choice->lane_count);
}

static void
get_lease(struct get *get, struct aw_in_lease *lease)
{
    lease->slot = get_u32(get);
    lease->version = get_u32(get);
    lease->through = (uint32_t)get_varint(get, UINT16_MAX, "a lane is out of range");
    lease->lease_ms = get_duration(get);
    lease->pull_key.key = get_u64(get);
    lease->pull_key.request = get_u32(get);
    lease->pull_key.pull = get_u32(get);
    lease->agent = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_fenced(struct get *get, struct aw_in_fenced *fenced)
{
    fenced->lease.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    fenced->lease.slot = get_u32(get);
    fenced->lease.fence = get_u64(get);
    fenced->op_hash = get_u64(get);
    fenced->lease_ms = get_duration(get);
    fenced->agent = get_string(get, AW_AGENT_BYTES_MAX);
    fenced->words = get_string(get, AW_RELEASE_REASON_BYTES_MAX);
}

static void
get_body(struct get *get, struct aw_in_body *body)
{
    body->len = get_u32(get);
    get_copy(get, body->hash.bytes, sizeof(body->hash.bytes));
}

static void
get_reply(struct get *get, struct aw_in_reply *reply, struct aw_out_lease *out)
{
    unsigned flags = get_u8(get, 15, "a flag is neither 0 nor 1");

    reply->is_there = true;
    reply->is_bulk = (flags & 1) != 0;
    reply->is_override = (flags & 2) != 0;
    out->reply_state = (flags & 4) != 0 ? AW_REPLY_PENDING : AW_REPLY_WAITING;
    reply->visibility = (uint8_t)get_u8(get, AW_VISIBILITY_PRIVATE, "visibility is out of range");
    reply->to.seq = get_u64(get);
    reply->to_ticket.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    reply->to_ticket.slot = get_u32(get);
    reply->to_ticket.seq = get_u64(get);
    reply->to.shard = reply->to_ticket.shard;
    reply->channel = get_string(get, AW_CHANNEL_BYTES_MAX);
    reply->account = get_string(get, AW_ACCOUNT_BYTES_MAX);
    get_body(get, &reply->body);
    if (reply->channel.len == 0 || reply->to.seq == 0)
        get_fail(get, AW_E_CORRUPT, "a reply to nothing");
    if ((flags & 8) == 0)
        return;
    reply->consent.seq = get_u64(get);
    reply->consent_ticket.slot = get_u32(get);
    reply->consent_ticket.seq = get_u64(get);
    reply->consent.shard = reply->consent_ticket.shard = reply->to.shard;
    if (reply->consent.seq == 0)
        get_fail(get, AW_E_CORRUPT, "a consent in no message");
}

/* A complete that was refused wrote nothing. */
static void
get_completing_reply(struct get *get, struct aw_command *command)
{
    get_reply(get, &command->in.fenced.reply, &command->out.u.lease);
    if (command->out.err != AW_OK)
        get_fail(get, AW_E_CORRUPT, "a reply, though new messages went before it");
}

static void
get_channel(struct get *get, struct aw_in_channel *channel)
{
    struct aw_pace *paces;

    channel->name = get_string(get, AW_CHANNEL_BYTES_MAX);
    if (channel->name.len == 0)
        get_fail(get, AW_E_CORRUPT, "a channel without a name");
    channel->pace_count = get_u8(get, AW_CHANNEL_PACES_MAX, "more accounts than the limit");
    paces = get_list(get, &channel->pace_count, sizeof(*paces));
    for (uint32_t i = 0; i < channel->pace_count; i++) {
        paces[i].account = get_string(get, AW_ACCOUNT_BYTES_MAX);
        paces[i].replies = get_u32(get);
        paces[i].slice_s = get_u32(get);
    }
    channel->paces = paces;
    channel->if_match.version = get_u64(get);
    channel->by = get_string(get, AW_AGENT_BYTES_MAX);
}

static const struct aw_own_text *
get_own_texts(struct get *get, uint32_t *ret_count)
{
    uint32_t            count = get_u8(get, AW_OWN_TEXTS_MAX, "more texts than the limit");
    struct aw_own_text *texts = get_list(get, &count, sizeof(*texts));

    for (uint32_t i = 0; i < count; i++) {
        texts[i].lang = get_string(get, AW_LANG_BYTES_MAX);
        texts[i].words = get_string(get, AW_OWN_TEXT_BYTES_MAX);
    }
    *ret_count = count;
    return texts;
}

static void
get_template(struct get *get, struct aw_in_template *template_)
{
    template_->kind = (enum aw_reply_kind)get_u8(get, AW_TEMPLATES, "there is no such template");
    if (template_->kind == AW_REPLY_BY_AGENT)
        get_fail(get, AW_E_CORRUPT, "a template for what agents write");
    template_->texts = get_own_texts(get, &template_->text_count);
    template_->if_match.version = get_u64(get);
    template_->by = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_reply_lease(struct get *get, struct aw_in_reply_lease *lease)
{
    struct aw_account_name *accounts;

    lease->account_count = get_u8(get, AW_REPLY_ACCOUNTS_MAX, "more accounts than the limit");
    accounts = get_list(get, &lease->account_count, sizeof(*accounts));
    for (uint32_t i = 0; i < lease->account_count; i++) {
        accounts[i].channel = get_string(get, AW_CHANNEL_BYTES_MAX);
        accounts[i].account = get_string(get, AW_ACCOUNT_BYTES_MAX);
    }
    lease->accounts = accounts;
    lease->max = get_u8(get, AW_REPLIES_PER_LEASE_MAX, "more replies than the limit");
    lease->lease_ms = get_duration(get);
    lease->gateway = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_reply_status(struct get *get, struct aw_in_reply_status *status)
{
    unsigned flags;

    status->reply.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    status->reply.seq = get_u64(get);
    status->fence = get_u64(get);
    status->state = (enum aw_reply_state)get_u8(get, AW_REPLY_STATES - 1, "a reply's state is out of range");
    flags = get_u8(get, 3, "a flag is neither 0 nor 1");
    status->is_permanent = (flags & 1) != 0;
    status->is_uncertain = (flags & 2) != 0;
    status->code = get_string(get, AW_REPLY_CODE_BYTES_MAX);
    status->retry_after_ms = get_duration(get);
    status->provider = get_hash128(get);
    status->by = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_reply_timer(struct get *get, struct aw_in_reply_timer *timer)
{
    timer->slot = get_u32(get);
    timer->seq = get_u64(get);
    timer->due_at = get_ms(get);
}

static void
get_redrive(struct get *get, struct aw_in_redrive *redrive)
{
    redrive->channel = get_string(get, AW_CHANNEL_BYTES_MAX);
    redrive->account = get_string(get, AW_ACCOUNT_BYTES_MAX);
    redrive->code = get_string(get, AW_REPLY_CODE_BYTES_MAX);
    redrive->ticket.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    redrive->ticket.slot = get_u32(get);
    redrive->ticket.seq = get_u64(get);
    redrive->since = get_ms(get);
    redrive->max = get_u32(get);
    if (redrive->max > AW_REDRIVE_MAX)
        get_fail(get, AW_E_CORRUPT, "more replies than the limit");
    redrive->by = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_incident_id(struct get *get, struct aw_incident_id *id)
{
    id->shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    id->slot = get_u32(get);
    id->seq = get_u64(get);
}

static void
get_incident(struct get *get, struct aw_command *command)
{
    struct aw_in_incident  *incident = &command->in.incident;
    struct aw_incident_key *keys;

    get_incident_id(get, &incident->incident);
    incident->state = (enum aw_incident_state)get_u8(get, AW_INCIDENT_CLOSED, "an incident's state is out of range");
    incident->title = get_string(get, AW_INCIDENT_TITLE_BYTES_MAX);
    incident->follow = (enum aw_incident_follow)get_u8(get, AW_FOLLOW_NOT, "whether an incident follows is out of range");
    incident->if_match.version = get_u64(get);
    incident->by = get_string(get, AW_AGENT_BYTES_MAX);
    incident->has_keys = get_u8(get, 1, "a flag is neither 0 nor 1") != 0;
    incident->key_count = get_u8(get, AW_INCIDENT_KEYS_MAX, "an incident has more keys than the limit");
    keys = get_list(get, &incident->key_count, sizeof(*keys));
    for (uint32_t i = 0; i < incident->key_count; i++) {
        keys[i].kind = (enum aw_incident_key_kind)get_u8(get, AW_INCIDENT_BOOKING, "a key of an incident is out of range");
        keys[i].hash = get_u64(get);
        keys[i].name = get_string(get, AW_INCIDENT_KEY_BYTES_MAX);
        keys[i].date_days = get_days(get);
    }
    incident->keys = keys;
    command->out.u.incident.incident =
        (struct aw_incident_id){.seq = incident->incident.seq != 0 ? incident->incident.seq : command->out.seq,
                                .slot = get_u32(get),
                                .shard = incident->incident.shard};
    command->out.u.incident.state = incident->state;
}

static void
get_incident_link(struct get *get, struct aw_in_incident_link *link)
{
    link->ticket.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    link->ticket.slot = get_u32(get);
    link->ticket.seq = get_u64(get);
    get_incident_id(get, &link->incident);
    link->parts = get_u8(get, 1, "a flag is neither 0 nor 1") != 0;
    link->by = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_incident_answer(struct get *get, struct aw_in_incident_answer *answer)
{
    get_incident_id(get, &answer->incident);
    answer->texts = get_own_texts(get, &answer->text_count);
    answer->needs = (uint8_t)get_u8(get, AW_NEEDS_ALL, "what an answer needs is out of range");
    answer->through = get_u64(get);
    answer->facts = get_u64(get);
    answer->by = get_string(get, AW_AGENT_BYTES_MAX);
}

static void
get_note(struct get *get, struct aw_in_body *note)
{
    if (get_u8(get, 1, "a flag is neither 0 nor 1") == 0)
        return;
    get_body(get, note);
    if (note->len == 0 || note->len > AW_NOTE_ENCODED_BYTES_MAX)
        get_fail(get, AW_E_CORRUPT, "a note of no length that it can have");
}

static void
get_approve(struct get *get, struct aw_in_approve *approve, struct aw_ticket_id *ret_ticket)
{
    approve->reply.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    approve->reply.seq = get_u64(get);
    approve->goes = get_u8(get, 1, "a flag is neither 0 nor 1") != 0;
    approve->by = get_string(get, AW_AGENT_BYTES_MAX);
    get_note(get, &approve->note);
    *ret_ticket = (struct aw_ticket_id){.slot = get_u32(get), .shard = approve->reply.shard};
    ret_ticket->seq = get_u64(get);
}

static void
get_transfer(struct get *get, struct aw_in_transfer *transfer, struct aw_out_lease *out)
{
    get_fenced(get, &transfer->fenced);
    transfer->lane = get_string(get, AW_LANE_BYTES_MAX);
    transfer->to = get_string(get, AW_AGENT_BYTES_MAX);
    if ((transfer->lane.len == 0) == (transfer->to.len == 0))
        get_fail(get, AW_E_CORRUPT, "a transfer goes to a lane or to an agent");
    get_note(get, &transfer->note);
    out->help.kept_until = get_ms(get);
}

static void
get_opt_out(struct get *get, struct aw_in_opt_out *opt_out)
{
    opt_out->is_in = get_u8(get, 1, "a flag is neither 0 nor 1") != 0;
    opt_out->contact = get_hash128(get);
    opt_out->channel = get_string(get, AW_CHANNEL_BYTES_MAX);
    opt_out->account = get_string(get, AW_ACCOUNT_BYTES_MAX);
    opt_out->by = get_string(get, AW_AGENT_BYTES_MAX);
    if (!is_set(opt_out->contact))
        get_fail(get, AW_E_CORRUPT, "an opt-out of nobody");
}

static void
get_erase(struct get *get, struct aw_in_erase *erase, struct aw_out_erase *out)
{
    erase->customer = get_hash128(get);
    erase->through = get_u64(get);
    erase->ticket.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    erase->ticket.slot = get_u32(get);
    erase->ticket.seq = get_u64(get);
    erase->messages = get_u32(get);
    erase->looked = get_u64(get);
    erase->by = get_string(get, AW_AGENT_BYTES_MAX);
    *out = (struct aw_out_erase){.spares = get_u8(get, 1, "a flag is neither 0 nor 1") != 0};
    if (!is_set(erase->customer))
        get_fail(get, AW_E_CORRUPT, "an erasure of nobody");
}

static void
get_withdraw(struct get *get, struct aw_command *command)
{
    struct aw_in_withdraw *withdraw = &command->in.withdraw;
    struct aw_ticket_id   *ticket = &command->out.u.ticket.ticket;

    withdraw->message.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    withdraw->message.seq = get_u64(get);
    withdraw->ticket.slot = get_u32(get);
    withdraw->ticket.seq = get_u64(get);
    withdraw->by = get_string(get, AW_AGENT_BYTES_MAX);
    ticket->slot = get_u32(get);
    ticket->seq = get_u64(get);
    withdraw->ticket.shard = ticket->shard = withdraw->message.shard;
}

static void
get_defer(struct get *get, struct aw_command *command)
{
    struct aw_in_defer *defer = &command->in.defer;

    get_fenced(get, &defer->fenced);
    command->out.err = get_u8(get, 1, "a flag is neither 0 nor 1") != 0 ? AW_E_NEW_MESSAGES : AW_OK;
    defer->until = get_ms(get);
    defer->reason = (enum aw_defer_reason)get_u8(get, AW_DEFER_REASONS - 1, "a reason is out of range");
    get_note(get, &defer->what);
    command->out.u.lease.held_until = get_ms(get);
    if (command->out.err != AW_OK && (defer->what.len > 0 || command->out.u.lease.held_until != 0))
        get_fail(get, AW_E_CORRUPT, "put off, though new messages went before it");
}

static void
get_timer(struct get *get, struct aw_in_timer *timer)
{
    timer->slot = get_u32(get);
    timer->version = get_u32(get);
}

static void
get_ticket(struct get *get, struct aw_in_ticket *ticket)
{
    ticket->ticket.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    ticket->ticket.slot = get_u32(get);
    ticket->ticket.seq = get_u64(get);
    ticket->until = get_ms(get);
    ticket->if_match.version = get_u64(get);
    ticket->by = get_string(get, AW_AGENT_BYTES_MAX);
    ticket->words = get_string(get, AW_RELEASE_REASON_BYTES_MAX);
}

static void
get_place(struct get *get, struct aw_in_ticket *ticket)
{
    get_ticket(get, ticket);
    ticket->class_ = (uint8_t)get_u8(get, AW_CLASS_NONE, "");
    if (ticket->class_ >= AW_CLASS_COUNT && ticket->class_ != AW_CLASS_NONE)
        get_fail(get, AW_E_CORRUPT, "class is out of range");
    ticket->hold = (enum aw_hold)get_u8(get, AW_HOLD_OFF, "hold is out of range");
    ticket->lane = get_string(get, AW_LANE_BYTES_MAX);
}

static void
get_told(struct get *get, struct aw_told *told)
{
    struct aw_hash128   *identities;
    struct aw_told_fact *facts;

    told->messages = get_u32(get);
    told->first_seq = get_u64(get);
    told->last_seq = get_u64(get);
    told->accepted_at = get_ms(get);
    told->received_at = get_ms(get);
    told->reply_by = get_ms(get);
    told->said = (enum aw_class)get_u8(get, AW_CLASS_COUNT - 1, "class is out of range");
    told->gentle = get_u8(get, 1, "a flag is neither 0 nor 1") != 0;
    told->is_listening = get_u8(get, 1, "a flag is neither 0 nor 1") != 0;
    told->contact = get_hash128(get);
    told->channel = get_string(get, AW_CHANNEL_BYTES_MAX);
    told->account = get_string(get, AW_ACCOUNT_BYTES_MAX);
    told->lang = get_string(get, AW_LANG_BYTES_MAX);
    told->identity_count = get_u8(get, AW_TOLD_IDENTITIES_MAX, "more identities than the limit");
    identities = get_list(get, &told->identity_count, sizeof(*identities));
    for (uint32_t i = 0; i < told->identity_count; i++)
        identities[i] = get_hash128(get);
    told->identities = identities;
    told->fact_count = get_u8(get, AW_TOLD_FACTS_MAX, "more facts than the limit");
    facts = get_list(get, &told->fact_count, sizeof(*facts));
    for (uint32_t i = 0; i < told->fact_count; i++) {
        facts[i].kind = (enum aw_fact_kind)get_u8(get, AW_FACT_BOOKING, "what a fact is about is out of range");
        facts[i].hash = get_u64(get);
        facts[i].departs_at = get_ms(get);
        facts[i].said_at = get_ms(get);
        facts[i].seq = get_u64(get);
        get_copy(get, facts[i].from.letters, sizeof(facts[i].from.letters));
        get_copy(get, facts[i].to.letters, sizeof(facts[i].to.letters));
    }
    told->facts = facts;
}

static void
get_unfold(struct get *get, struct aw_command *command)
{
    struct aw_in_unfold *unfold = &command->in.unfold;
    uint64_t            *messages;

    get_ticket(get, &unfold->on);
    unfold->message_count = get_u8(get, AW_UNFOLD_MESSAGES_MAX, "more messages than the limit");
    messages = get_list(get, &unfold->message_count, sizeof(*messages));
    for (uint32_t i = 0; i < unfold->message_count; i++)
        messages[i] = get_u64(get);
    unfold->messages = messages;
    unfold->newest_seq = get_u64(get);
    unfold->messages_total = get_u32(get);
    get_told(get, &unfold->taken);
    get_told(get, &unfold->left);
    command->out.u.ticket.ticket =
        (struct aw_ticket_id){.seq = command->out.seq, .slot = get_u32(get), .shard = unfold->on.ticket.shard};
}

static void
get_forecast(struct get *get, struct aw_in_forecast *forecast)
{
    uint32_t              count = AW_PROMISE_WAITS;
    struct aw_told_wait  *waits = get_list(get, &count, sizeof(*waits));
    struct aw_lane_group *lanes;

    forecast->group = get_u8(get, AW_PROMISE_GROUPS_MAX - 1, "a group of lanes is out of range");
    forecast->base = get_ms(get);
    for (uint32_t i = 0; i < count; i++) {
        for (unsigned share = 0; share < AW_SHARES; share++) {
            waits[i].raw_s[share] = (uint32_t)get_varint(get, AW_PROMISE_RAW_S_MAX, "a wait is out of range");
            waits[i].steps[share] = (uint16_t)get_varint(get, AW_PROMISE_STEPS_MAX, "what is told is out of range");
        }
    }
    count = get_u8(get, AW_PROMISE_LANES_MAX, "more lanes than the limit");
    lanes = get_list(get, &count, sizeof(*lanes));
    for (uint32_t i = 0; i < count; i++) {
        lanes[i].lane = (uint16_t)get_varint(get, UINT16_MAX, "a lane is out of range");
        lanes[i].group = (uint8_t)get_u8(get, UINT8_MAX, "");
    }
    forecast->waits = waits;
    forecast->lanes = lanes;
    forecast->lane_count = count;
}

static void
get_promise(struct get *get, struct aw_in_promise *promise)
{
    promise->ticket.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
    promise->ticket.slot = get_u32(get);
    promise->ticket.seq = get_u64(get);
    promise->half_by = get_ms(get);
    promise->nine_of_ten_by = get_ms(get);
}

/* False for a number that this build does not know. */
/* long: one line for each kind */
static bool
get_fields(struct get *get, struct aw_command *command)
{
    switch (command->kind) {
    case AW_COMMAND_EPOCH:
        command->in.epoch.epoch = get_u64(get);
        return true;
    case AW_COMMAND_SETTINGS:
        get_settings(get, &command->in.settings);
        return true;
    case AW_COMMAND_LANE:
        get_lane(get, &command->in.lane);
        return true;
    case AW_COMMAND_FLIGHT:
        get_flight(get, &command->in.flight);
        return true;
    case AW_COMMAND_AIRPORT:
        get_airport(get, &command->in.airport);
        return true;
    case AW_COMMAND_UNDO:
        get_undo(get, &command->in.undo);
        if (command->in.undo.change.of == AW_CHANGE_SURGE)
            get_surge_turn(get, command);
        return true;
    case AW_COMMAND_SURGE:
        get_surge(get, &command->in.surge);
        get_surge_turn(get, command);
        return true;
    case AW_COMMAND_AGENT:
        get_agent(get, &command->in.agent);
        return true;
    case AW_COMMAND_PRESENCE:
        get_presence(get, &command->in.presence);
        return true;
    case AW_COMMAND_MESSAGE:
        get_message(get, &command->in.message);
        get_message_outcome(get, &command->out.u.message);
        return true;
    case AW_COMMAND_LEASE:
        get_lease(get, &command->in.lease);
        return true;
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
        get_fenced(get, &command->in.fenced);
        command->out.err = get_u8(get, 1, "a flag is neither 0 nor 1") != 0 ? AW_E_NEW_MESSAGES : AW_OK;
        return true;
    case AW_COMMAND_TRANSFER:
        get_transfer(get, &command->in.transfer, &command->out.u.lease);
        return true;
    case AW_COMMAND_OPT_OUT:
        get_opt_out(get, &command->in.opt_out);
        return true;
    case AW_COMMAND_ERASE:
        get_erase(get, &command->in.erase, &command->out.u.erase);
        return true;
    case AW_COMMAND_WITHDRAW:
        get_withdraw(get, command);
        return true;
    case AW_COMMAND_DEFER:
        get_defer(get, command);
        return true;
    case AW_COMMAND_TIMER:
        get_timer(get, &command->in.timer);
        return true;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
        get_ticket(get, &command->in.ticket);
        return true;
    case AW_COMMAND_PLACE:
        get_place(get, &command->in.ticket);
        return true;
    case AW_COMMAND_NOTE:
        get_ticket(get, &command->in.note.on);
        get_note(get, &command->in.note.body);
        if (get->err == AW_OK && command->in.note.body.len == 0)
            get_fail(get, AW_E_CORRUPT, "a note that says nothing");
        return true;
    case AW_COMMAND_UNFOLD:
        get_unfold(get, command);
        return true;
    case AW_COMMAND_CHANNEL:
        get_channel(get, &command->in.channel);
        return true;
    case AW_COMMAND_REPLY:
        get_fenced(get, &command->in.fenced);
        get_reply(get, &command->in.fenced.reply, &command->out.u.lease);
        return true;
    case AW_COMMAND_REPLY_LEASE:
        get_reply_lease(get, &command->in.reply_lease);
        return true;
    case AW_COMMAND_REPLY_STATUS:
        get_reply_status(get, &command->in.reply_status);
        return true;
    case AW_COMMAND_REPLY_TIMER:
        get_reply_timer(get, &command->in.reply_timer);
        return true;
    case AW_COMMAND_APPROVE:
        get_approve(get, &command->in.approve, &command->out.u.reply.ticket);
        return true;
    case AW_COMMAND_REDRIVE:
        get_redrive(get, &command->in.redrive);
        return true;
    case AW_COMMAND_FORECAST:
        get_forecast(get, &command->in.forecast);
        return true;
    case AW_COMMAND_PROMISE:
        get_promise(get, &command->in.promise);
        return true;
    case AW_COMMAND_INCIDENT:
        get_incident(get, command);
        return true;
    case AW_COMMAND_INCIDENT_LINK:
        get_incident_link(get, &command->in.incident_link);
        return true;
    case AW_COMMAND_INCIDENT_ANSWER:
        get_incident_answer(get, &command->in.incident_answer);
        return true;
    case AW_COMMAND_INCIDENT_TIMER:
        get_incident_id(get, &command->in.incident_timer.incident);
        command->in.incident_timer.ticket.shard = (uint8_t)get_u8(get, UINT8_MAX, "");
        command->in.incident_timer.ticket.slot = get_u32(get);
        command->in.incident_timer.ticket.seq = get_u64(get);
        return true;
    case AW_COMMAND_TEMPLATE:
        get_template(get, &command->in.template_);
        return true;
    }
    return false;
}

static void
get_addresses(struct get *get, struct aw_effect *effect)
{
    uint64_t *addresses;

    effect->address_count = get_u8(get, AW_TICKET_ADDRESSES_MAX, "more addresses than the limit");
    if (effect->address_count == 0)
        get_fail(get, AW_E_CORRUPT, "a list of no addresses");
    addresses = get_list(get, &effect->address_count, sizeof(*addresses));
    for (uint32_t i = 0; i < effect->address_count; i++) {
        addresses[i] = get_u64(get);
        if ((addresses[i] & AW_ADDRESS_BIT) == 0)
            get_fail(get, AW_E_CORRUPT, "an address that is none");
    }
    effect->addresses = addresses;
}

static void
get_effect(struct get *get, struct aw_effect *effect)
{
    unsigned classes, states, cause;

    effect->ticket_seq = get_varint(get, UINT64_MAX >> 1, "a ticket is out of range");
    effect->lane = (uint16_t)get_varint(get, UINT16_MAX, "a lane is out of range");
    effect->lane_before = (uint16_t)get_varint(get, UINT16_MAX, "a lane is out of range");
    classes = get_u8(get, UINT8_MAX, "");
    states = get_u8(get, UINT8_MAX, "");
    cause = get_u8(get, UINT8_MAX, "");
    if ((cause & (EFFECT_HAS_ADDRESSES - 1)) > AW_TIMER_CAUSE_MAX)
        get_fail(get, AW_E_CORRUPT, "a timer's cause is out of range");
    effect->cause = (enum aw_timer_cause)(cause & (EFFECT_HAS_ADDRESSES - 1));
    effect->deferral_over = (cause & EFFECT_DEFERRAL_OVER) != 0;
    if ((cause & EFFECT_HAS_INCIDENT) != 0) {
        effect->incident.slot = (uint32_t)get_varint(get, UINT16_MAX, "an incident is out of range");
        effect->incident.seq = get_varint(get, UINT64_MAX >> 1, "an incident is out of range");
        if (effect->incident.seq == 0)
            get_fail(get, AW_E_CORRUPT, "an incident that is none");
    }
    effect->holder = get_string(get, AW_AGENT_BYTES_MAX);
    if ((cause & EFFECT_HAS_ADDRESSES) != 0)
        get_addresses(get, effect);
    if ((classes & 0xF) >= AW_CLASS_COUNT || (classes >> 4 >= AW_CLASS_COUNT && classes >> 4 != (AW_CLASS_NONE & 0xFU)))
        get_fail(get, AW_E_CORRUPT, "a class of an effect is out of range");
    if ((states & 0xF) > AW_TICKET_CLOSED || states >> 4 > AW_TICKET_CLOSED)
        get_fail(get, AW_E_CORRUPT, "a state of an effect is out of range");
    effect->class_ = classes & 0xF;
    effect->class_before = classes >> 4 == (AW_CLASS_NONE & 0xFU) ? AW_CLASS_NONE : (uint8_t)(classes >> 4);
    effect->state = (enum aw_ticket_state)(states & 0xF);
    effect->state_before = (enum aw_ticket_state)(states >> 4);
}

static void
get_airports(struct get *get, struct aw_in_message *message, bool may_be_none)
{
    uint32_t                count = get_u8(get, AW_AIRPORTS_MAX, "more airports than the limit");
    struct aw_airport_code *airports;

    if (count == 0 && !may_be_none)
        get_fail(get, AW_E_CORRUPT, "version 2 without an airport");
    airports = get_list(get, &count, sizeof(*airports));
    for (uint32_t i = 0; i < count; i++)
        get_airport_code(get, &airports[i]);
    message->airports = airports;
    message->airport_count = count;
}

static void
get_once(struct get *get, struct aw_once *once)
{
    once->key = get_hash128(get);
    once->request = get_u64(get);
    if (!aw_once_is_set(once))
        get_fail(get, AW_E_CORRUPT, "version 2 without a key");
}

static void
get_told_promise(struct get *get, struct aw_promise *promise)
{
    promise->made_at = get_ms(get);
    promise->half_by = get_ms(get);
    promise->nine_of_ten_by = get_ms(get);
    if (promise->made_at == 0)
        get_fail(get, AW_E_CORRUPT, "version 4 without a promise");
}

enum aw_err
aw_record_read(const struct aw_record *record, struct aw_arena *arena, struct aw_command *ret_command, struct aw_why *why)
{
    struct aw_command command = {.kind = record->kind, .out = {.seq = record->seq, .prev_seq = record->prev_seq}};
    const uint8_t    *fields = (const uint8_t *)record->fields.ptr;
    struct get        get = {.at = fields, .end = fields + record->fields.len, .arena = arena};

    if (record->version == 0)
        return aw_why(why, AW_E_CORRUPT, "record %llu has version 0", (unsigned long long)record->seq);
    if (record->version > version_max(record->kind))
        return aw_why(why, AW_E_VERSION, "record %llu (%s) has version %u, this build knows up to %u",
                      (unsigned long long)record->seq, aw_command_name(record->kind), record->version, version_max(record->kind));
    if (!get_fields(&get, &command))
        return aw_why(why, AW_E_VERSION, "record %llu is of kind %u, which this build does not know",
                      (unsigned long long)record->seq, (unsigned)record->kind);
    if (has_effect(&command))
        get_effect(&get, &command.out.effect);
    if (record->version >= RECORD_VERSION_2 && record->kind == AW_COMMAND_MESSAGE)
        get_airports(&get, &command.in.message, record->version >= RECORD_VERSION_3);
    else if (record->version >= RECORD_VERSION_2 && record->kind == AW_COMMAND_COMPLETE)
        get_completing_reply(&get, &command);
    else if (record->version >= RECORD_VERSION_2 && record->kind == AW_COMMAND_LEASE)
        get_choice(&get, &command.in.lease.choice);
    else if (record->version >= RECORD_VERSION_2)
        get_once(&get, &command.once);
    if (record->version >= RECORD_VERSION_3) {
        command.in.message.in_reply_to = get_hash128(&get);
        if (!is_set(command.in.message.in_reply_to) && record->version == RECORD_VERSION_3)
            get_fail(&get, AW_E_CORRUPT, "version 3 of an answer to nothing");
    }
    if (record->version >= RECORD_VERSION_4)
        get_told_promise(&get, &command.out.u.message.promise);
    if (command.out.effect.address_count > 0 && !aw_command_has_colleagues_text(&command))
        get_fail(&get, AW_E_CORRUPT, "addresses of what has no text");
    if (get.err == AW_OK && get.at != get.end)
        get_fail(&get, AW_E_CORRUPT, "something follows its fields");
    if (get.err != AW_OK)
        return aw_why(why, get.err, "record %llu (%s): %s", (unsigned long long)record->seq, aw_command_name(record->kind),
                      get.what);
    *ret_command = command;
    return AW_OK;
}

/* --- the duplicate table ---------------------------------------------------------------------------------------------------- */

void
aw_id_entry_write(const struct aw_id_entry *entry, uint8_t *to)
{
    store_u64(to, entry->seq);
    store_u64(to + 8, entry->accepted_at);
    store_u64(to + 16, entry->hash.low);
    store_u64(to + 24, entry->hash.high);
}

void
aw_id_entry_read(const uint8_t *from, struct aw_id_entry *ret_entry)
{
    *ret_entry = (struct aw_id_entry){
        .hash = {load_u64(from + 16), load_u64(from + 24)}, .seq = load_u64(from), .accepted_at = load_u64(from + 8)};
}
