/* ids.c - the text forms of ids. */
#include "model/ids.h"

#include "base/text.h"

/* Digits of base32, which survive being read out on the phone. */
#define SHARD_DIGITS   2  /* 8 bits */
#define SLOT_DIGITS    7  /* 32 bits */
#define SEQ_DIGITS_MAX 13 /* 64 bits */
/* What a lease's text encodes: shard, slot and fence, then the mac. 72 bits of it: whoever guesses tokens at a million a second
 * needs 75 million years for an even chance, and the text still fits AW_ID_TEXT_BYTES. */
#define LEASE_PLAIN_BYTES 13
#define LEASE_MAC_BYTES   9
#define LEASE_BYTES       (LEASE_PLAIN_BYTES + LEASE_MAC_BYTES)
#define LEASE_DIGITS      ((LEASE_BYTES * 8 + 5) / 6)

AW_STATIC_ASSERT(1 + SHARD_DIGITS + SLOT_DIGITS + SEQ_DIGITS_MAX < AW_ID_TEXT_BYTES, "a ticket's text fits");
AW_STATIC_ASSERT(1 + LEASE_DIGITS < AW_ID_TEXT_BYTES, "a lease's text fits");

static char *
put_fixed(char *at, unsigned digits, uint64_t value)
{
    aw_base32_fixed(value, at, digits);
    return at + digits;
}

/* Without leading zeros: one text for one number. */
static char *
put_seq(char *at, uint64_t seq)
{
    unsigned digits = 1;

    while (digits < SEQ_DIGITS_MAX && seq >> (5 * digits) != 0)
        digits++;
    return put_fixed(at, digits, seq);
}

static bool
take_fixed(struct aw_slice *text, size_t digits, uint64_t max, uint64_t *ret_value)
{
    uint64_t value;

    if (text->len < digits || !aw_base32_from_fixed(aw_slice_of(text->ptr, digits), &value) || value > max)
        return false;
    *text = aw_slice_of(text->ptr + digits, text->len - digits);
    *ret_value = value;
    return true;
}

/* All that is left. No id has the sequence 0, so a leading zero is never canonical. */
static bool
take_seq(struct aw_slice *text, uint64_t *ret_seq)
{
    if (text->len == 0 || text->len > SEQ_DIGITS_MAX || text->ptr[0] == '0')
        return false;
    return take_fixed(text, text->len, UINT64_MAX, ret_seq);
}

static bool
take_letter(struct aw_slice *text, char letter)
{
    if (text->len == 0 || text->ptr[0] != letter)
        return false;
    *text = aw_slice_of(text->ptr + 1, text->len - 1);
    return true;
}

static void
format_record(char letter, struct aw_message_id id, char text[AW_ID_TEXT_BYTES])
{
    char *at = text;

    *at++ = letter;
    at = put_fixed(at, SHARD_DIGITS, id.shard);
    at = put_seq(at, id.seq);
    *at = '\0';
}

void
aw_message_id_format(struct aw_message_id id, char text[AW_ID_TEXT_BYTES])
{
    format_record('m', id, text);
}

void
aw_reply_id_format(struct aw_message_id id, char text[AW_ID_TEXT_BYTES])
{
    format_record('r', id, text);
}

void
aw_note_id_format(struct aw_message_id id, char text[AW_ID_TEXT_BYTES])
{
    format_record('n', id, text);
}

static void
format_slot(char letter, uint8_t shard, uint32_t slot, uint64_t seq, char text[AW_ID_TEXT_BYTES])
{
    char *at = text;

    *at++ = letter;
    at = put_fixed(at, SHARD_DIGITS, shard);
    at = put_fixed(at, SLOT_DIGITS, slot);
    at = put_seq(at, seq);
    *at = '\0';
}

/* By what was changed. */
static const char change_letters[] = {'f', 'a', 's'};

void
aw_ticket_id_format(struct aw_ticket_id id, char text[AW_ID_TEXT_BYTES])
{
    format_slot('t', id.shard, id.slot, id.seq, text);
}

void
aw_incident_id_format(struct aw_incident_id id, char text[AW_ID_TEXT_BYTES])
{
    format_slot('i', id.shard, id.slot, id.seq, text);
}

void
aw_change_id_format(struct aw_change_id id, char text[AW_ID_TEXT_BYTES])
{
    char *at = text;

    *at++ = 'c';
    *at++ = change_letters[id.of];
    at = put_fixed(at, SHARD_DIGITS, id.shard);
    at = put_fixed(at, SLOT_DIGITS, id.slot);
    at = put_seq(at, id.seq);
    *at = '\0';
}

static bool
parse_record(char letter, struct aw_slice text, struct aw_message_id *ret_id)
{
    uint64_t shard;
    uint64_t seq;

    if (!take_letter(&text, letter) || !take_fixed(&text, SHARD_DIGITS, UINT8_MAX, &shard) || !take_seq(&text, &seq))
        return false;
    *ret_id = (struct aw_message_id){.seq = seq, .shard = (uint8_t)shard};
    return true;
}

bool
aw_message_id_parse(struct aw_slice text, struct aw_message_id *ret_id)
{
    return parse_record('m', text, ret_id);
}

bool
aw_reply_id_parse(struct aw_slice text, struct aw_message_id *ret_id)
{
    return parse_record('r', text, ret_id);
}

static bool
parse_slot(char letter, struct aw_slice text, uint64_t *ret_shard, uint64_t *ret_slot, uint64_t *ret_seq)
{
    return take_letter(&text, letter) && take_fixed(&text, SHARD_DIGITS, UINT8_MAX, ret_shard) &&
           take_fixed(&text, SLOT_DIGITS, UINT32_MAX, ret_slot) && take_seq(&text, ret_seq);
}

bool
aw_ticket_id_parse(struct aw_slice text, struct aw_ticket_id *ret_id)
{
    uint64_t shard, slot, seq;

    if (!parse_slot('t', text, &shard, &slot, &seq))
        return false;
    *ret_id = (struct aw_ticket_id){.seq = seq, .slot = (uint32_t)slot, .shard = (uint8_t)shard};
    return true;
}

bool
aw_incident_id_parse(struct aw_slice text, struct aw_incident_id *ret_id)
{
    uint64_t shard, slot, seq;

    if (!parse_slot('i', text, &shard, &slot, &seq))
        return false;
    *ret_id = (struct aw_incident_id){.seq = seq, .slot = (uint32_t)slot, .shard = (uint8_t)shard};
    return true;
}

bool
aw_change_id_parse(struct aw_slice text, struct aw_change_id *ret_id)
{
    unsigned of = 0;
    uint64_t shard;
    uint64_t slot;
    uint64_t seq;

    if (!take_letter(&text, 'c'))
        return false;
    while (of < AW_ARRAY_LEN(change_letters) && !take_letter(&text, change_letters[of]))
        of++;
    if (of == AW_ARRAY_LEN(change_letters))
        return false;
    if (!take_fixed(&text, SHARD_DIGITS, UINT8_MAX, &shard) || !take_fixed(&text, SLOT_DIGITS, UINT32_MAX, &slot) ||
        !take_seq(&text, &seq))
        return false;
    *ret_id = (struct aw_change_id){.seq = seq, .slot = (uint32_t)slot, .shard = (uint8_t)shard, .of = (enum aw_change_of)of};
    return true;
}

/* shard, slot and fence big-endian, then the mac over them. */
static void
lease_bytes(struct aw_lease_id id, const struct aw_hash_key *key, uint8_t bytes[LEASE_BYTES])
{
    struct aw_hash128 mac;

    bytes[0] = id.shard;
    for (unsigned i = 0; i < 4; i++)
        bytes[1 + i] = (uint8_t)(id.slot >> (24 - 8 * i));
    for (unsigned i = 0; i < 8; i++)
        bytes[5 + i] = (uint8_t)(id.fence >> (56 - 8 * i));
    mac = aw_hash128(key, bytes, LEASE_PLAIN_BYTES);
    for (unsigned i = 0; i < 8; i++)
        bytes[LEASE_PLAIN_BYTES + i] = (uint8_t)(mac.low >> (8 * i));
    bytes[LEASE_PLAIN_BYTES + 8] = (uint8_t)mac.high;
}

void
aw_lease_id_format(struct aw_lease_id id, const struct aw_hash_key *key, char text[AW_ID_TEXT_BYTES])
{
    uint8_t bytes[LEASE_BYTES];

    lease_bytes(id, key, bytes);
    text[0] = 'l';
    aw_base64_encode(aw_slice_of(bytes, sizeof(bytes)), text + 1);
    text[1 + LEASE_DIGITS] = '\0';
}

bool
aw_lease_id_parse(struct aw_slice text, const struct aw_hash_key *key, struct aw_lease_id *ret_id)
{
    struct aw_lease_id id = {0};
    uint8_t            bytes[LEASE_BYTES];
    uint8_t            ours[LEASE_BYTES];
    uint8_t            differ = 0;
    size_t             len;

    if (!take_letter(&text, 'l') || !aw_base64_decode(text, bytes, sizeof(bytes), &len) || len != sizeof(bytes))
        return false;
    id.shard = bytes[0];
    for (unsigned i = 0; i < 4; i++)
        id.slot = id.slot << 8 | bytes[1 + i];
    for (unsigned i = 0; i < 8; i++)
        id.fence = id.fence << 8 | bytes[5 + i];
    lease_bytes(id, key, ours);
    /* All bytes, whatever differs first: how long this takes tells a guesser nothing. */
    for (unsigned i = 0; i < LEASE_BYTES; i++)
        differ |= (uint8_t)(bytes[i] ^ ours[i]);
    if (differ != 0 || id.fence == 0)
        return false;
    *ret_id = id;
    return true;
}
