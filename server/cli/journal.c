/* journal.c - `aswolk journal`: what a data folder holds, offline: record by record as text, or checked from end to end.
 * Works beside a running server: it only reads, in snapshots of a few batches each, and sees what was durable when it got
 * there. Verifying walks every batch that is left: header, numbering, chain from the anchor on, each record's CRC and fields, each
 * body's hash; then what was kept of batches that are gone: both CRCs, and the bodies' hashes. From the first batch on, or from the
 * last checkpoint when older batches were trimmed, it replays the records into a state of its own and compares its digest with the
 * one that each batch was written on.
 */
#include "cli/folder.h"
#include "commit/kept.h"
#include "commit/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_A_SNAPSHOT 4096U

struct journal_options {
    bool        verify;
    uint64_t    from;
    uint64_t    to;
    const char *kind;
};

static const struct journal_options journal_defaults = {.from = 1, .to = UINT64_MAX};

static const struct aw_cli_option journal_options[] = {
    {.name = "verify",
     .letter = 'v',
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct journal_options, verify),
     .about = "print no records, check everything"},
    {.name = "from",
     .type = AW_CLI_NUMBER,
     .value = "SEQ",
     .offset = offsetof(struct journal_options, from),
     .min = 1,
     .max = UINT64_MAX,
     .about = "print records from this sequence number on"},
    {.name = "to",
     .type = AW_CLI_NUMBER,
     .value = "SEQ",
     .offset = offsetof(struct journal_options, to),
     .min = 1,
     .max = UINT64_MAX,
     .about = "print records up to this sequence number"},
    {.name = "kind",
     .type = AW_CLI_TEXT,
     .value = "KIND",
     .offset = offsetof(struct journal_options, kind),
     .about = "print only records of this kind, such as message, lease or complete"},
};

struct walk {
    struct aw_cli                *cli;
    const struct journal_options *options;
    struct aw_cli_folder          folder;
    /* What was found. */
    uint64_t                 first_index;
    uint64_t                 last_index; /* 0: no batch yet */
    uint64_t                 next_seq;
    uint64_t                 records;
    uint64_t                 messages;
    uint64_t                 bodies;  /* found, and their hash is right */
    uint64_t                 sealed;  /* encrypted: their hash is that of the plain text */
    uint64_t                 erased;  /* a message without its body */
    uint64_t                 bad_seq; /* where the first damage is; 0: not in a record */
    uint64_t                 epoch;
    aw_ms                    last_at;
    struct aw_sha256         hash;   /* of the last batch */
    struct aw_journal_anchor anchor; /* as it was when the walk began */
    uint64_t                 kept[AW_KEPT_KINDS];
    aw_ms                    kept_oldest; /* 0: none */
    /* Replaying. */
    struct aw_state          *state; /* NULL: older batches were trimmed */
    struct aw_journal_head    head;
    bool                      has_mark;
    bool                      mark_met; /* the replay passed the checkpoint's cut and agreed with it */
    struct aw_checkpoint_mark mark;
};

/* `text` has 2 * len + 1 bytes. */
static void
hex(const uint8_t *bytes, size_t len, char *text)
{
    for (size_t i = 0; i < len; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* --- a record as members -------------------------------------------------------------------------------------------------- */

static void
add_slice(json_t *object, const char *key, struct aw_slice value)
{
    json_t *text;

    if (value.len == 0)
        return;
    text = json_stringn(value.ptr, value.len);
    /* What came in was checked to be UTF-8; a journal that was damaged may hold anything. */
    (void)json_object_set_new(object, key, text == NULL ? json_string("(not UTF-8)") : text);
}

static void
add_number(json_t *object, const char *key, uint64_t value)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void
add_time(json_t *object, const char *key, aw_ms at)
{
    char text[AW_TIME_TEXT_BYTES];

    if (at == 0)
        return;
    aw_time_format(at, text);
    (void)json_object_set_new(object, key, json_string(text));
}

static void
add_flag(json_t *object, const char *key, bool value)
{
    if (value)
        (void)json_object_set_new(object, key, json_true());
}

static void
add_list(json_t *object, const char *key, const struct aw_slice *values, uint32_t count)
{
    json_t *list;

    if (count == 0)
        return;
    list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        json_t *text = json_stringn(values[i].ptr, values[i].len);

        (void)json_array_append_new(list, text == NULL ? json_string("(not UTF-8)") : text);
    }
    (void)json_object_set_new(object, key, list);
}

static void
add_ticket(json_t *object, const char *key, struct aw_ticket_id id)
{
    char text[AW_ID_TEXT_BYTES];

    if (id.seq == 0)
        return;
    aw_ticket_id_format(id, text);
    (void)json_object_set_new(object, key, json_string(text));
}

static void
add_tables(json_t *object, const struct aw_table_limits *tables)
{
    add_number(object, "tickets_max", tables->tickets_max);
    add_number(object, "identities_max", tables->identities_max);
    add_number(object, "ids_max", tables->ids_max);
    add_number(object, "leases_max", tables->leases_max);
    add_number(object, "lanes_max", tables->lanes_max);
    add_number(object, "agents_max", tables->agents_max);
    add_number(object, "idempotency_keys_max", tables->keys_max);
    add_number(object, "facts_max", tables->facts_max);
    add_number(object, "flights_max", tables->flights_max);
    add_number(object, "asides_max", tables->asides_max);
}

static void
add_settings(json_t *object, const struct aw_core_settings *settings)
{
    add_number(object, "dedupe_ms", settings->dedupe_ms);
    add_number(object, "reopen_ms", settings->reopen_ms);
    add_number(object, "backdate_ms", settings->backdate_ms);
    add_number(object, "imminent_ms", settings->imminent_ms);
    add_number(object, "lease_grace_ms", settings->lease_grace_ms);
    add_number(object, "decline_ms", settings->decline_ms);
    add_number(object, "kept_ms", settings->kept_ms);
    add_number(object, "kept_gentle_ms", settings->kept_gentle_ms);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "handling_%s_ms", aw_class_name((enum aw_class)i));
        add_number(object, key, settings->handling_ms[i]);
    }
    add_tables(object, &settings->tables);
}

static void
add_lane(json_t *object, const struct aw_in_lane *lane)
{
    const struct aw_lane_match *match = &lane->match;

    add_slice(object, "lane", lane->name);
    (void)json_object_set_new(object, "pause", json_string(aw_lane_pause_name(lane->pause)));
    add_list(object, "langs", match->langs, match->lang_count);
    add_list(object, "channels", match->channels, match->channel_count);
    add_list(object, "accounts", match->accounts, match->account_count);
    add_list(object, "tags", match->tags, match->tag_count);
    add_flag(object, "only_create", lane->only_create);
}

static void
add_message(json_t *object, const struct aw_in_message *message, const struct aw_out_message *out)
{
    char text[AW_ID_TEXT_BYTES];
    char hash[2 * sizeof(message->body_hash.bytes) + 1];

    aw_message_id_format((struct aw_message_id){.seq = aw_cli_number(object, "seq"), .shard = out->ticket.shard}, text);
    (void)json_object_set_new(object, "message", json_string(text));
    add_ticket(object, "ticket", out->ticket);
    add_ticket(object, "related", out->related);
    (void)json_object_set_new(object, "class", json_string(aw_class_name(out->class_)));
    add_slice(object, "channel", message->channel);
    add_slice(object, "account", message->account);
    add_slice(object, "lang", message->lang);
    add_slice(object, "lane_asked", message->lane);
    add_list(object, "tags", message->tags, message->tag_count);
    add_list(object, "reasons", message->reasons, message->reason_count);
    add_flag(object, "folded", out->folded);
    add_flag(object, "reopened", out->reopened);
    add_flag(object, "gentle", message->gentle);
    add_time(object, "received_at", message->received_at);
    add_time(object, "departs_at", message->departs_at);
    add_time(object, "reply_by", message->reply_by);
    add_number(object, "identities", message->identity_count);
    hex(message->body_hash.bytes, sizeof(message->body_hash.bytes), hash);
    (void)json_object_set_new(object, "body_sha256", json_string(hash));
}

static void
add_flight(json_t *object, const struct aw_in_flight *flight)
{
    char date[11];

    aw_date_format(flight->date_days, date);
    add_slice(object, "number", flight->number);
    (void)json_object_set_new(object, "date", json_string(date));
    (void)json_object_set_new(object, "state", json_string(aw_flight_state_name(flight->state)));
    add_time(object, "departs_at", flight->departs_at);
    add_slice(object, "by", flight->by);
}

static void
add_airport(json_t *object, const struct aw_in_airport *airport)
{
    add_slice(object, "airport", aw_slice_of(airport->code.letters, sizeof(airport->code.letters)));
    (void)json_object_set_new(object, "state", json_string(airport->until != 0 ? "closed" : "open"));
    add_time(object, "from", airport->from);
    add_time(object, "until", airport->until);
    add_slice(object, "by", airport->by);
}

static void
add_undo(json_t *object, const struct aw_in_undo *undo)
{
    char text[AW_ID_TEXT_BYTES];

    aw_change_id_format(undo->change, text);
    (void)json_object_set_new(object, "change", json_string(text));
    add_slice(object, "by", undo->by);
}

static void
add_choice(json_t *object, const struct aw_lease_choice *choice)
{
    json_t *lanes;

    if (choice->at == 0)
        return;
    add_time(object, "chosen_at", choice->at);
    add_number(object, "seen", choice->seen_seq);
    add_number(object, "held_us", choice->held_us);
    if (choice->lane_count == 0)
        return;
    lanes = json_array();
    for (uint32_t i = 0; i < choice->lane_count; i++)
        (void)json_array_append_new(lanes, json_integer(choice->lanes[i]));
    (void)json_object_set_new(object, "lanes", lanes);
}

static void
add_place(json_t *object, const struct aw_in_ticket *in)
{
    add_ticket(object, "ticket", in->ticket);
    if (in->class_ != AW_CLASS_NONE)
        (void)json_object_set_new(object, "class", json_string(aw_class_name((enum aw_class)in->class_)));
    add_slice(object, "lane", in->lane);
    if (in->hold != AW_HOLD_AS_IS)
        (void)json_object_set_new(object, "hold", json_boolean(in->hold == AW_HOLD_ON));
    add_time(object, "until", in->until);
    add_slice(object, "by", in->by);
    add_slice(object, "words", in->words);
}

static void
add_unfold(json_t *object, const struct aw_in_unfold *in, struct aw_ticket_id ticket)
{
    json_t *messages = json_array();

    for (uint32_t i = 0; i < in->message_count; i++) {
        char text[AW_ID_TEXT_BYTES];

        aw_message_id_format((struct aw_message_id){.seq = in->messages[i], .shard = ticket.shard}, text);
        (void)json_array_append_new(messages, json_string(text));
    }
    add_ticket(object, "ticket", ticket);
    add_ticket(object, "from", in->on.ticket);
    (void)json_object_set_new(object, "messages", messages);
    add_slice(object, "by", in->on.by);
    add_slice(object, "words", in->on.words);
}

static void
add_fields(json_t *object, const struct aw_command *command)
{
    switch (command->kind) {
    case AW_COMMAND_EPOCH:
        add_number(object, "epoch", command->in.epoch.epoch);
        return;
    case AW_COMMAND_SETTINGS:
        add_settings(object, &command->in.settings);
        return;
    case AW_COMMAND_LANE:
        add_lane(object, &command->in.lane);
        return;
    case AW_COMMAND_FLIGHT:
        add_flight(object, &command->in.flight);
        return;
    case AW_COMMAND_AIRPORT:
        add_airport(object, &command->in.airport);
        return;
    case AW_COMMAND_UNDO:
        add_undo(object, &command->in.undo);
        return;
    case AW_COMMAND_MESSAGE:
        add_message(object, &command->in.message, &command->out.u.message);
        return;
    case AW_COMMAND_LEASE:
        add_number(object, "slot", command->in.lease.slot);
        add_number(object, "slot_version", command->in.lease.version);
        add_slice(object, "agent", command->in.lease.agent);
        add_number(object, "lease_ms", command->in.lease.lease_ms);
        add_choice(object, &command->in.lease.choice);
        return;
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
        add_number(object, "slot", command->in.fenced.lease.slot);
        add_number(object, "fence", command->in.fenced.lease.fence);
        add_slice(object, "agent", command->in.fenced.agent);
        add_slice(object, "words", command->in.fenced.words);
        if (command->kind == AW_COMMAND_EXTEND)
            add_number(object, "lease_ms", command->in.fenced.lease_ms);
        add_flag(object, "new_messages", command->out.err == AW_E_NEW_MESSAGES);
        return;
    case AW_COMMAND_TIMER:
        add_number(object, "slot", command->in.timer.slot);
        add_number(object, "slot_version", command->in.timer.version);
        return;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
        add_ticket(object, "ticket", command->in.ticket.ticket);
        add_time(object, "until", command->in.ticket.until);
        add_slice(object, "by", command->in.ticket.by);
        add_slice(object, "words", command->in.ticket.words);
        return;
    case AW_COMMAND_PLACE:
        add_place(object, &command->in.ticket);
        return;
    case AW_COMMAND_UNFOLD:
        add_unfold(object, &command->in.unfold, command->out.u.ticket.ticket);
        return;
    }
}

/* "17 2026-04-15T08:01:02.345Z message prev=3 batch=5 ticket=..." */
static void
print_text(const json_t *object)
{
    const char *key;
    json_t     *value;

    (void)printf("%" PRIu64 " %s %s", aw_cli_number(object, "seq"), aw_cli_text(object, "at"), aw_cli_text(object, "kind"));
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (strcmp(key, "seq") == 0 || strcmp(key, "at") == 0 || strcmp(key, "kind") == 0)
            continue;
        (void)printf(" %s=", key);
        (void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    }
    (void)fputc('\n', stdout);
}

static void
print_record(const struct walk *walk, const struct aw_batch_header *header, const struct aw_record *record,
             const struct aw_command *command)
{
    json_t *object;

    if (record->seq < walk->options->from || record->seq > walk->options->to ||
        (walk->options->kind != NULL && strcmp(walk->options->kind, aw_command_name(record->kind)) != 0))
        return;
    object = json_object();
    add_number(object, "seq", record->seq);
    add_time(object, "at", header->now);
    (void)json_object_set_new(object, "kind", json_string(aw_command_name(record->kind)));
    add_number(object, "batch", header->index);
    add_number(object, "prev", record->prev_seq);
    add_fields(object, command);
    if (walk->cli->common.json)
        aw_cli_print_json(object);
    else
        print_text(object);
    json_decref(object);
}

/* --- checking ------------------------------------------------------------------------------------------------------------- */

static enum aw_err
check_body(struct walk *walk, const struct aw_command *command)
{
    const struct aw_in_message *message = &command->in.message;
    struct aw_slice             body;
    struct aw_sha256            hash;
    enum aw_err                 err = aw_journal_read_body(walk->folder.reader, command->out.seq, &body);

    if (err == AW_E_NOT_FOUND) {
        walk->erased++;
        return AW_OK;
    }
    if (err != AW_OK)
        return aw_why(&walk->folder.why, err, "the body of message %" PRIu64 " can't be read: %s", command->out.seq,
                      aw_err_text(err));
    if (message->body_form != AW_BODY_PLAIN) {
        walk->sealed++;
        return AW_OK;
    }
    if (!aw_sha256(&body, 1, &hash))
        return aw_why(&walk->folder.why, AW_E_MEMORY, "out of memory");
    if (memcmp(&hash, &message->body_hash, sizeof(hash)) != 0)
        return aw_why(&walk->folder.why, AW_E_CORRUPT, "the body of message %" PRIu64 " is not the one that was accepted",
                      command->out.seq);
    walk->bodies++;
    return AW_OK;
}

/* Numbering and chain, as far as they can be checked without a state. */
static enum aw_err
check_header(struct walk *walk, const struct aw_batch_header *header)
{
    static const struct aw_sha256 zero;

    if (walk->first_index == 0)
        walk->first_index = header->index;
    if (header->index == 1 && memcmp(&header->previous, &zero, sizeof(zero)) != 0)
        return aw_why(&walk->folder.why, AW_E_CORRUPT, "the first batch claims to follow another");
    if (header->index != walk->last_index + 1 || header->first_seq != walk->next_seq)
        return aw_why(&walk->folder.why, AW_E_CORRUPT,
                      "batch %" PRIu64 " from record %" PRIu64 " where batch %" PRIu64 " from record %" PRIu64 " belongs",
                      header->index, header->first_seq, walk->last_index + 1, walk->next_seq);
    if (memcmp(&header->previous, &walk->hash, sizeof(walk->hash)) != 0)
        return aw_why(&walk->folder.why, AW_E_CORRUPT,
                      "batch %" PRIu64 " does not continue the chain: batch %" PRIu64 " was altered", header->index,
                      walk->last_index);
    return AW_OK;
}

static enum aw_err
walk_records(struct walk *walk, const struct aw_batch_header *header, struct aw_slice batch)
{
    struct aw_slice   at = aw_slice_of(batch.ptr + AW_BATCH_HEADER_BYTES, batch.len - AW_BATCH_HEADER_BYTES);
    struct aw_record  record;
    struct aw_command command;
    enum aw_err       err;
    uint64_t          seq = header->first_seq;

    while ((err = aw_record_next(&at, &record, &walk->folder.why)) != AW_E_AGAIN) {
        walk->bad_seq = seq;
        if (err != AW_OK)
            return err;
        if (record.seq != seq)
            return aw_why(&walk->folder.why, AW_E_CORRUPT, "record %" PRIu64 " lies where %" PRIu64 " belongs", record.seq, seq);
        aw_arena_reset(&walk->folder.arena);
        err = aw_record_read(&record, &walk->folder.arena, &command, &walk->folder.why);
        if (err == AW_OK && walk->options->verify && record.kind == AW_COMMAND_MESSAGE)
            err = check_body(walk, &command);
        if (err != AW_OK)
            return err;
        if (!walk->options->verify)
            print_record(walk, header, &record, &command);
        walk->messages += record.kind == AW_COMMAND_MESSAGE;
        walk->records++;
        seq++;
    }
    walk->bad_seq = 0;
    if (seq != header->first_seq + header->count)
        return aw_why(&walk->folder.why, AW_E_CORRUPT, "batch %" PRIu64 " holds %" PRIu64 " records, its header says %u",
                      header->index, seq - header->first_seq, header->count);
    return AW_OK;
}

/* Batch for batch into the state; at the cut of the checkpoint, that must agree. */
static enum aw_err
replay(struct walk *walk, const struct aw_batch_header *header, struct aw_slice batch)
{
    enum aw_err err;

    if (walk->state == NULL)
        return AW_OK;
    err = aw_replay_batch(walk->state, batch, &walk->head, &walk->folder.arena, NULL, &walk->folder.why);
    if (err != AW_OK)
        return err;
    if (!walk->has_mark || header->index != walk->mark.index)
        return AW_OK;
    if (memcmp(&walk->head.hash, &walk->mark.hash, sizeof(walk->mark.hash)) != 0 ||
        !aw_hash128_eq(aw_state_digest(walk->state), walk->mark.digest))
        return aw_why(&walk->folder.why, AW_E_CORRUPT, "the checkpoint at record %" PRIu64 " is not what the journal gives there",
                      walk->mark.seq);
    walk->mark_met = true;
    return AW_OK;
}

static enum aw_err
walk_batch(void *user, uint64_t first_seq, struct aw_slice batch, bool *ret_end)
{
    struct walk           *walk = user;
    struct aw_batch_header header;
    enum aw_err            err = aw_batch_header_read(batch, &header, &walk->folder.why);

    (void)first_seq; /* the header says it too, and the chain that it is true */
    if (err == AW_OK)
        err = check_header(walk, &header);
    if (err != AW_OK)
        return err;
    err = walk_records(walk, &header, batch);
    if (err != AW_OK)
        return err;
    if (walk->options->verify) {
        err = replay(walk, &header, batch);
        if (err != AW_OK)
            return err;
    }
    if (!aw_batch_hash(&header.previous, batch, &walk->hash))
        return aw_why(&walk->folder.why, AW_E_MEMORY, "out of memory");
    walk->last_index = header.index;
    walk->next_seq = header.first_seq + header.count;
    walk->epoch = header.epoch;
    walk->last_at = header.now;
    *ret_end = !walk->options->verify && walk->next_seq > walk->options->to;
    return AW_OK;
}

/* A running server may have trimmed what we have not come to yet: the walk goes on at its anchor. */
static enum aw_err
follow_anchor(void *user)
{
    struct walk             *walk = user;
    struct aw_journal_anchor anchor;
    enum aw_err              err = aw_check_anchor(walk->folder.reader, &anchor, &walk->folder.why);

    if (err != AW_OK || (anchor.next_seq <= walk->next_seq && walk->next_seq > 1))
        return err;
    if (walk->first_index == 0)
        walk->anchor = anchor;
    if (anchor.index > 0)
        aw_state_free(&walk->state); /* older batches are gone: the replay begins at the checkpoint, after the walk */
    walk->next_seq = anchor.next_seq;
    walk->last_index = anchor.index;
    walk->hash = anchor.hash;
    return AW_OK;
}

static enum aw_err
walk_all(struct walk *walk)
{
    const struct aw_cli_walk steps = {
        .user = walk, .next_seq = &walk->next_seq, .on_snapshot = follow_anchor, .on_batch = walk_batch};

    return aw_cli_folder_walk(&walk->folder, &steps);
}

/* --- what was kept of batches that are gone --------------------------------------------------------------------------------- */

static enum aw_err
check_kept_record(struct walk *walk, uint64_t seq)
{
    struct aw_kept_record record;
    struct aw_kept        kept;
    struct aw_command     command;
    uint32_t              slot;
    enum aw_err           err = aw_journal_read_kept(walk->folder.reader, AW_KEPT_RECORD, seq, &kept);

    if (err != AW_OK)
        return aw_why(&walk->folder.why, err, "what was kept of it can't be read: %s", aw_err_text(err));
    err = aw_kept_read(kept.bytes, &record, &walk->folder.why);
    aw_arena_reset(&walk->folder.arena);
    if (err == AW_OK)
        err = aw_record_read(&record.record, &walk->folder.arena, &command, &walk->folder.why);
    if (err != AW_OK)
        return err;
    if (record.record.seq != seq || !aw_kept_slot(&command, &slot) || slot != kept.owner)
        return aw_why(&walk->folder.why, AW_E_CORRUPT, "record %" PRIu64 " was kept under the name of another",
                      record.record.seq);
    if (walk->kept_oldest == 0)
        walk->kept_oldest = record.now;
    return command.kind == AW_COMMAND_MESSAGE ? check_body(walk, &command) : AW_OK;
}

/* Its hash lies in its record, which is checked where that lies; here only that it can be read. */
static enum aw_err
check_kept_body(struct walk *walk, uint64_t seq)
{
    struct aw_kept kept;
    enum aw_err    err = aw_journal_read_kept(walk->folder.reader, AW_KEPT_BODY, seq, &kept);

    return err == AW_OK ? AW_OK : aw_why(&walk->folder.why, err, "a kept body can't be read: %s", aw_err_text(err));
}

/* Some entries under one snapshot. *seq moves on; AW_E_NOT_FOUND behind the last. */
static enum aw_err
check_kept_some(struct walk *walk, enum aw_kept_kind kind, uint64_t *seq)
{
    enum aw_err err = aw_cli_folder_begin(&walk->folder);

    if (err != AW_OK)
        return err;
    for (unsigned i = 0; i < KEPT_A_SNAPSHOT && err == AW_OK; i++) {
        struct aw_kept kept;

        err = aw_journal_find_kept(walk->folder.reader, kind, *seq, &kept);
        if (err != AW_OK)
            break;
        walk->bad_seq = kept.seq;
        err = kind == AW_KEPT_RECORD ? check_kept_record(walk, kept.seq) : check_kept_body(walk, kept.seq);
        if (err != AW_OK)
            break;
        walk->bad_seq = 0;
        walk->kept[kind]++;
        *seq = kept.seq + 1;
    }
    aw_journal_read_end(walk->folder.reader);
    return err;
}

static enum aw_err
walk_kept(struct walk *walk)
{
    struct aw_journal_anchor before = {0}, after = {0};
    enum aw_err              err = aw_cli_folder_anchor(&walk->folder, &before);

    for (unsigned kind = 0; err == AW_OK && kind < AW_KEPT_KINDS; kind++) {
        uint64_t seq = 0;

        while (err == AW_OK)
            err = check_kept_some(walk, (enum aw_kept_kind)kind, &seq);
        if (err == AW_E_NOT_FOUND && walk->bad_seq == 0)
            err = AW_OK;
    }
    if (err == AW_OK)
        err = aw_cli_folder_anchor(&walk->folder, &after);
    if (err != AW_OK || memcmp(&before, &after, sizeof(before)) != 0)
        return err; /* with a server at work the counts have moved on */
    if (walk->kept[AW_KEPT_RECORD] != after.kept[AW_KEPT_RECORD] || walk->kept[AW_KEPT_BODY] != after.kept[AW_KEPT_BODY])
        return aw_why(&walk->folder.why, AW_E_CORRUPT,
                      "%" PRIu64 " records and %" PRIu64 " bodies were kept, the anchor says %" PRIu64 " and %" PRIu64,
                      walk->kept[AW_KEPT_RECORD], walk->kept[AW_KEPT_BODY], after.kept[AW_KEPT_RECORD], after.kept[AW_KEPT_BODY]);
    return AW_OK;
}

/* With older batches trimmed: what a start would do. */
static enum aw_err
replay_from_checkpoint(struct walk *walk)
{
    struct aw_recovery recovery;
    enum aw_err        err;

    if (walk->state != NULL || walk->last_index == 0)
        return AW_OK;
    err = aw_state_new_largest(&walk->state, aw_journal_identity(walk->folder.journal)->shard, &walk->folder.why);
    if (err != AW_OK)
        return err;
    err = aw_recover(walk->state, walk->folder.journal, walk->folder.table, NULL, &recovery, &walk->folder.why);
    walk->mark_met = err == AW_OK;
    return err;
}

/* --- the command ---------------------------------------------------------------------------------------------------------- */

static void
print_verified(const struct walk *walk)
{
    char at[AW_TIME_TEXT_BYTES] = "-";

    if (walk->last_at != 0)
        aw_time_format(walk->last_at, at);
    if (walk->cli->common.json) {
        (void)printf("{\"ok\":true,\"first_batch\":%" PRIu64 ",\"last_batch\":%" PRIu64 ",\"records\":%" PRIu64
                     ",\"messages\":%" PRIu64 ",\"bodies\":%" PRIu64 ",\"sealed\":%" PRIu64 ",\"without_body\":%" PRIu64
                     ",\"epoch\":%" PRIu64 ",\"last_at\":\"%s\",\"checkpoint\":%s,\"anchor\":%" PRIu64
                     ",\"first_record\":%" PRIu64 ",\"kept_records\":%" PRIu64 ",\"kept_bodies\":%" PRIu64 "}\n",
                     walk->first_index, walk->last_index, walk->records, walk->messages, walk->bodies, walk->sealed, walk->erased,
                     walk->epoch, at, walk->mark_met ? "true" : "false", walk->anchor.index, walk->anchor.next_seq,
                     walk->kept[AW_KEPT_RECORD], walk->kept[AW_KEPT_BODY]);
        return;
    }
    if (walk->last_index == 0) {
        (void)printf("the journal is empty\n");
        return;
    }
    (void)printf("sound: batches %" PRIu64 " to %" PRIu64 ", %" PRIu64 " records, %" PRIu64 " messages, epoch %" PRIu64
                 ", last at %s\n",
                 walk->first_index, walk->last_index, walk->records, walk->messages, walk->epoch, at);
    (void)printf("  chain and CRCs hold; %" PRIu64 " bodies match their hash, %" PRIu64 " are encrypted, %" PRIu64
                 " are erased or trimmed\n",
                 walk->bodies, walk->sealed, walk->erased);
    if (walk->anchor.index > 0) {
        char hash[2 * sizeof(walk->anchor.hash.bytes) + 1];

        hex(walk->anchor.hash.bytes, sizeof(walk->anchor.hash.bytes), hash);
        (void)printf("  trimmed up to batch %" PRIu64 " (%s), the journal begins with record %" PRIu64 "\n", walk->anchor.index,
                     hash, walk->anchor.next_seq);
    }
    if (walk->kept[AW_KEPT_RECORD] > 0 || walk->kept[AW_KEPT_BODY] > 0) {
        at[0] = '-';
        at[1] = '\0';
        if (walk->kept_oldest != 0)
            aw_time_format(walk->kept_oldest, at);
        (void)printf("  kept for tickets that need them: %" PRIu64 " records and %" PRIu64 " bodies, the oldest of %s\n",
                     walk->kept[AW_KEPT_RECORD], walk->kept[AW_KEPT_BODY], at);
    }
    (void)printf("  the replay from %s gives the digest of every batch%s\n",
                 walk->anchor.index == 0 ? "the first batch" : "the checkpoint",
                 walk->anchor.index == 0 && walk->mark_met ? " and of the checkpoint" : "");
}

static int
report(const struct walk *walk, enum aw_err err)
{
    json_t *line;

    if (err == AW_OK) {
        if (walk->options->verify)
            print_verified(walk);
        return AW_CLI_OK;
    }
    if (walk->bad_seq != 0)
        aw_cli_error(walk->cli, "first bad record: %" PRIu64 ", behind batch %" PRIu64 ": %s", walk->bad_seq, walk->last_index,
                     walk->folder.why.text);
    else
        aw_cli_error(walk->cli, "behind batch %" PRIu64 " and record %" PRIu64 ": %s", walk->last_index, walk->next_seq - 1,
                     walk->folder.why.text);
    if (walk->cli->common.json) {
        line = json_pack("{s:b,s:s,s:s,s:I,s:I}", "ok", 0, "error", aw_err_problem(err), "detail", walk->folder.why.text,
                         "last_good_batch", (json_int_t)walk->last_index, "bad_record", (json_int_t)walk->bad_seq);
        aw_cli_print_json(line);
        json_decref(line);
    }
    return AW_CLI_FAILED;
}

static enum aw_err
begin_verify(struct walk *walk)
{
    struct aw_cli_folder *folder = &walk->folder;
    enum aw_err           err = aw_table_read_mark(folder->table, &walk->mark);

    walk->has_mark = err == AW_OK;
    if (err != AW_OK && err != AW_E_NOT_FOUND)
        return aw_why(&folder->why, err, "the mark of the checkpoint can't be read: %s", aw_err_text(err));
    walk->head.next_seq = 1;
    return aw_state_new_largest(&walk->state, aw_journal_identity(folder->journal)->shard, &folder->why);
}

static enum aw_err
verify(struct walk *walk)
{
    enum aw_err err = begin_verify(walk);

    if (err == AW_OK)
        err = walk_all(walk);
    if (err == AW_OK)
        err = walk_kept(walk);
    return err == AW_OK ? replay_from_checkpoint(walk) : err;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    struct walk walk = {.cli = cli, .options = cli->options, .next_seq = 1};
    int         code = aw_cli_folder_open(&walk.folder, cli, argc, argv);

    if (code == AW_CLI_OK)
        code = report(&walk, walk.options->verify ? verify(&walk) : walk_all(&walk));
    aw_state_free(&walk.state);
    aw_cli_folder_close(&walk.folder);
    return code;
}

const struct aw_cli_command aw_cli_journal = {
    .name = "journal",
    .arguments = "DIR",
    .summary = "read a data folder offline: print its records, or verify it",
    .about =
        "Prints the journal in the data folder DIR, one record a line: sequence number, time, kind, then its fields. No message\n"
        "text is printed. A server may be running on the folder; nothing is written.\n"
        "\n"
        "With --verify nothing is printed but the verdict: the chain of batches, every CRC, every body's hash, and a replay "
        "into\n"
        "a state of its own whose digest must be the one noted in each batch. Exit code 1 names the first bad record.",
    .options = journal_options,
    .option_count = AW_ARRAY_LEN(journal_options),
    .defaults = &journal_defaults,
    .defaults_bytes = sizeof(journal_defaults),
    .offline = true,
    .run = run,
};
