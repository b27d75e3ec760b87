/* ledger.c - a dense array of entries and two open-addressed indexes into it. */
#include "bench/surge/ledger.h"

#include "base/hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARD_SHIFT 56
#define ROOM_MIN    1024U

static uint32_t
slot_of(uint64_t key, uint32_t mask)
{
    return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
}

static uint64_t
message_key(const struct surge_entry *entry)
{
    return entry->message;
}

static uint64_t
source_key(const struct surge_entry *entry)
{
    return entry->source;
}

/* --- memory ----------------------------------------------------------------------------------------------------------------- */

static void
insert(const struct surge_ledger *ledger, uint32_t *index, uint64_t key, uint32_t number)
{
    uint32_t at = slot_of(key, ledger->index_mask);

    while (index[at] != 0)
        at = (at + 1) & ledger->index_mask;
    index[at] = number + 1;
}

static uint32_t
find(const struct surge_ledger *ledger, const uint32_t *index, uint64_t key, uint64_t (*key_of)(const struct surge_entry *))
{
    for (uint32_t at = slot_of(key, ledger->index_mask); index[at] != 0; at = (at + 1) & ledger->index_mask) {
        if (key_of(&ledger->entries[index[at] - 1]) == key)
            return index[at] - 1;
    }
    return UINT32_MAX;
}

/* Indexes of twice the room, so that they are at most half full. */
static bool
make_indexes(struct surge_ledger *ledger, uint32_t room)
{
    free(ledger->by_message);
    free(ledger->by_source);
    ledger->by_source = NULL;
    ledger->index_mask = 2 * room - 1;
    ledger->by_message = calloc(2 * (size_t)room, sizeof(uint32_t));
    if (ledger->keeps_sources)
        ledger->by_source = calloc(2 * (size_t)room, sizeof(uint32_t));
    if (ledger->by_message == NULL || (ledger->keeps_sources && ledger->by_source == NULL))
        return false;
    for (uint32_t i = 0; i < ledger->count; i++) {
        insert(ledger, ledger->by_message, ledger->entries[i].message, i);
        if (ledger->keeps_sources && ledger->entries[i].source != 0)
            insert(ledger, ledger->by_source, ledger->entries[i].source, i);
    }
    return true;
}

static bool
make_room(struct surge_ledger *ledger, uint64_t room)
{
    struct surge_entry *entries;

    if (room > UINT32_MAX / 2)
        return false;
    entries = realloc(ledger->entries, room * sizeof(*entries));
    if (entries == NULL)
        return false;
    ledger->entries = entries;
    ledger->room = (uint32_t)room;
    return make_indexes(ledger, (uint32_t)room);
}

bool
surge_ledger_init(struct surge_ledger *ledger, uint64_t expected, bool keeps_sources)
{
    uint64_t room = ROOM_MIN;

    *ledger = (struct surge_ledger){.keeps_sources = keeps_sources};
    while (room < expected && room < UINT32_MAX / 4)
        room *= 2;
    ledger->failed = !make_room(ledger, room);
    return !ledger->failed;
}

void
surge_ledger_fini(struct surge_ledger *ledger)
{
    free(ledger->entries);
    free(ledger->by_message);
    free(ledger->by_source);
    *ledger = (struct surge_ledger){.entries = NULL};
}

/* --- breaches --------------------------------------------------------------------------------------------------------------- */

const char *
surge_breach_name(enum surge_breach breach)
{
    static const char *const names[SURGE_BREACH_COUNT] = {"bad-id",         "reused-id",     "stored-twice",
                                                          "two-firsts",     "other-receipt", "two-holders",
                                                          "answered-again", "empty-lease",   "lost"};

    return names[breach];
}

void
surge_ledger_breach(struct surge_ledger *ledger, enum surge_breach breach, const char *format, ...)
{
    va_list args;

    if (ledger->breaches[breach]++ > 0)
        return;
    va_start(args, format);
    (void)vsnprintf(ledger->examples[breach], sizeof(ledger->examples[breach]), format, args);
    va_end(args);
}

uint64_t
surge_ledger_breaches(const struct surge_ledger *ledger)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SURGE_BREACH_COUNT; i++)
        sum += ledger->breaches[i];
    return sum;
}

/* --- entries ---------------------------------------------------------------------------------------------------------------- */

uint64_t
surge_source_key(struct aw_slice channel, struct aw_slice account, struct aw_slice source_id)
{
    static const struct aw_hash_key key = {{'s', 'u', 'r', 'g', 'e'}};
    const struct aw_slice           parts[] = {channel, account, source_id};
    char                            bytes[1024];
    size_t                          len = 0;
    uint64_t                        hash = 0;

    for (unsigned i = 0; i < AW_ARRAY_LEN(parts); i++) { /* lengths in front: no two lists of parts look alike */
        uint32_t part = (uint32_t)parts[i].len;

        if (len + sizeof(part) + part > sizeof(bytes)) { /* longer than the contract allows: in pieces */
            hash = aw_hash64(&key, bytes, len) ^ aw_hash64(&key, parts[i].ptr, parts[i].len);
            len = 0;
            continue;
        }
        memcpy(bytes + len, &part, sizeof(part));
        len += sizeof(part);
        if (part > 0)
            memcpy(bytes + len, parts[i].ptr, part);
        len += part;
    }
    hash ^= aw_hash64(&key, bytes, len);
    return hash == 0 ? 1 : hash;
}

static uint32_t
add(struct surge_ledger *ledger, uint64_t message, uint64_t source)
{
    uint32_t number = ledger->count;

    if (number == ledger->room && !make_room(ledger, 2 * (uint64_t)ledger->room)) {
        ledger->failed = true;
        return UINT32_MAX;
    }
    ledger->entries[number] = (struct surge_entry){.message = message, .source = source};
    ledger->count++;
    insert(ledger, ledger->by_message, message, number);
    if (ledger->keeps_sources && source != 0)
        insert(ledger, ledger->by_source, source, number);
    return number;
}

/* The entry of a message that was told of together with its source and ticket, checked against what is known of it. */
static uint32_t
entry_of(struct surge_ledger *ledger, struct aw_slice message, struct aw_slice ticket, uint64_t source)
{
    struct aw_message_id message_id;
    struct aw_ticket_id  ticket_id;
    struct surge_entry  *entry;
    uint32_t             number;

    if (ledger->failed)
        return UINT32_MAX;
    if (!aw_message_id_parse(message, &message_id) || !aw_ticket_id_parse(ticket, &ticket_id) ||
        message_id.seq >> SHARD_SHIFT != 0 || message_id.shard != ticket_id.shard) {
        surge_ledger_breach(ledger, SURGE_BREACH_BAD_ID, "message \"%.*s\" of ticket \"%.*s\"", AW_SLICE_ARGS(message),
                            AW_SLICE_ARGS(ticket));
        return UINT32_MAX;
    }
    message_id.seq |= (uint64_t)message_id.shard << SHARD_SHIFT;
    number = find(ledger, ledger->by_message, message_id.seq, message_key);
    if (number == UINT32_MAX) {
        uint32_t other = ledger->keeps_sources && source != 0 ? find(ledger, ledger->by_source, source, source_key) : UINT32_MAX;

        if (other != UINT32_MAX) {
            char text[AW_ID_TEXT_BYTES];

            surge_entry_message(&ledger->entries[other], text);
            surge_ledger_breach(ledger, SURGE_BREACH_STORED_TWICE, "%s and %.*s", text, AW_SLICE_ARGS(message));
        }
        number = add(ledger, message_id.seq, source);
        if (number == UINT32_MAX)
            return number;
    }
    entry = &ledger->entries[number];
    if (entry->source != 0 && source != 0 && entry->source != source)
        surge_ledger_breach(ledger, SURGE_BREACH_REUSED_ID, "%.*s", AW_SLICE_ARGS(message));
    if (entry->ticket == 0) {
        entry->ticket = ticket_id.seq;
        entry->slot = ticket_id.slot;
    } else if (entry->ticket != ticket_id.seq || entry->slot != ticket_id.slot) {
        surge_ledger_breach(ledger, SURGE_BREACH_OTHER_RECEIPT, "%.*s, now of ticket %.*s", AW_SLICE_ARGS(message),
                            AW_SLICE_ARGS(ticket));
    }
    return number;
}

bool
surge_ledger_acknowledge(struct surge_ledger *ledger, struct aw_slice message, struct aw_slice ticket, uint64_t source,
                         enum surge_receipt receipt, aw_ns at)
{
    uint32_t            number = entry_of(ledger, message, ticket, source);
    struct surge_entry *entry;
    bool                first = receipt == SURGE_RECEIPT_FIRST;

    if (number == UINT32_MAX)
        return false;
    entry = &ledger->entries[number];
    if (first && (entry->marks & SURGE_FIRST_RECEIPT) != 0)
        surge_ledger_breach(ledger, SURGE_BREACH_TWO_FIRSTS, "%.*s", AW_SLICE_ARGS(message));
    if ((entry->marks & SURGE_ACKNOWLEDGED) == 0) {
        entry->acked_at = at;
        ledger->earlier++;
    }
    entry->marks |= SURGE_ACKNOWLEDGED | (first ? (uint32_t)SURGE_FIRST_RECEIPT : 0U);
    if (receipt != SURGE_RECEIPT_DUPLICATE && (entry->marks & SURGE_OURS) == 0) {
        entry->marks |= SURGE_OURS;
        ledger->earlier--;
        ledger->acknowledged++;
        if ((entry->marks & SURGE_ANSWERED) != 0)
            ledger->answered++;
    }
    return true;
}

uint32_t
surge_ledger_show(struct surge_ledger *ledger, struct aw_slice message, struct aw_slice ticket, uint64_t source)
{
    return entry_of(ledger, message, ticket, ledger->keeps_sources ? source : 0);
}

void
surge_ledger_completing(struct surge_ledger *ledger, uint32_t entry)
{
    ledger->entries[entry].marks |= SURGE_COMPLETING;
}

void
surge_ledger_answered(struct surge_ledger *ledger, uint32_t number)
{
    struct surge_entry *entry = &ledger->entries[number];

    if ((entry->marks & (SURGE_ANSWERED | SURGE_OURS)) == SURGE_OURS)
        ledger->answered++;
    entry->marks = (entry->marks | SURGE_ANSWERED) & ~(uint32_t)(SURGE_COMPLETING | SURGE_MAYBE);
}

void
surge_ledger_refused(struct surge_ledger *ledger, uint32_t entry)
{
    ledger->entries[entry].marks &= ~(uint32_t)SURGE_COMPLETING;
}

void
surge_ledger_maybe(struct surge_ledger *ledger, uint32_t entry)
{
    ledger->entries[entry].marks = (ledger->entries[entry].marks | SURGE_MAYBE) & ~(uint32_t)SURGE_COMPLETING;
}

void
surge_ledger_answer_older(struct surge_ledger *ledger, uint32_t number)
{
    const struct surge_entry shown = ledger->entries[number];

    for (uint32_t i = 0; i < ledger->count; i++) {
        if (ledger->entries[i].ticket == shown.ticket && ledger->entries[i].message < shown.message)
            surge_ledger_answered(ledger, i);
    }
}

bool
surge_ledger_is_covered(const struct surge_ledger *ledger, uint32_t entry)
{
    return (ledger->entries[entry].marks & (SURGE_COMPLETING | SURGE_ANSWERED)) != 0;
}

uint64_t
surge_ledger_open(const struct surge_ledger *ledger)
{
    return ledger->acknowledged - ledger->answered;
}

void
surge_entry_message(const struct surge_entry *entry, char text[AW_ID_TEXT_BYTES])
{
    const struct aw_message_id id = {.seq = entry->message & ((UINT64_C(1) << SHARD_SHIFT) - 1),
                                     .shard = (uint8_t)(entry->message >> SHARD_SHIFT)};

    aw_message_id_format(id, text);
}

void
surge_entry_ticket(const struct surge_entry *entry, char text[AW_ID_TEXT_BYTES])
{
    const struct aw_ticket_id id = {.seq = entry->ticket, .slot = entry->slot, .shard = (uint8_t)(entry->message >> SHARD_SHIFT)};

    aw_ticket_id_format(id, text);
}
