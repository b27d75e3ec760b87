/* record.c - a record of the journal as members of one object: what it is about, who did it, when. */
#include "cli/record.h"

#include "model/surge.h"

#include "base/time.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
    add_number(object, "replies_max", tables->replies_max);
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
    add_number(object, "kept_transfer_ms", settings->kept_transfer_ms);
    add_number(object, "gentle_first_ms", settings->gentle_first_ms);
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
add_classes(json_t *object, const char *name, unsigned classes)
{
    json_t *names;

    if (classes == 0)
        return;
    names = json_array();
    for (; classes != 0; classes &= classes - 1)
        (void)json_array_append_new(names, json_string(aw_class_name((enum aw_class)__builtin_ctz(classes))));
    (void)json_object_set_new(object, name, names);
}

/* Lanes by their numbers, in the order in which they were made: main is 0. */
static void
add_agent(json_t *object, const struct aw_in_agent *agent)
{
    json_t *lanes = json_array();
    json_t *units = json_object();

    add_slice(object, "agent", agent->name);
    for (uint32_t i = 0; i < agent->lane_count; i++)
        (void)json_array_append_new(lanes, json_integer((json_int_t)agent->lanes[i]));
    if (agent->lane_count > 0)
        (void)json_object_set_new(object, "lane_numbers", json_incref(lanes));
    json_decref(lanes);
    add_flag(object, "gentle", agent->is_gentle);
    add_flag(object, "approval", agent->needs_approval);
    add_classes(object, "barred_classes", agent->barred);
    for (uint32_t i = 0; i < agent->unit_count; i++) {
        char channel[AW_CHANNEL_BYTES_MAX + 1];

        (void)snprintf(channel, sizeof(channel), "%.*s", (int)agent->units[i].channel.len, agent->units[i].channel.ptr);
        add_number(units, channel, agent->units[i].units);
    }
    if (agent->unit_count > 0)
        (void)json_object_set_new(object, "units", json_incref(units));
    json_decref(units);
    if (agent->units_total != AW_UNITS_NO_TOTAL)
        add_number(object, "units_total", agent->units_total);
    add_slice(object, "by", agent->by);
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
    add_flag(object, "folded", out->folded);
    add_flag(object, "reopened", out->reopened);
    add_flag(object, "acknowledged", out->acknowledged);
    add_flag(object, "not_needed", out->not_needed);
    add_flag(object, "opted_out", out->opted_out);
    add_flag(object, "gentle", message->gentle);
    add_time(object, "half_by", out->promise.half_by);
    add_time(object, "nine_of_ten_by", out->promise.nine_of_ten_by);
    add_time(object, "received_at", message->received_at);
    add_time(object, "departs_at", message->departs_at);
    add_time(object, "reply_by", message->reply_by);
    add_number(object, "identities", message->identity_count);
    aw_cli_hex(message->body_hash.bytes, sizeof(message->body_hash.bytes), hash);
    (void)json_object_set_new(object, "body_sha256", json_string(hash));
}

/* What who comes now is told, in minutes: of imminent ones, who departs first. */
static void
add_forecast(json_t *object, const struct aw_in_forecast *forecast)
{
    json_t *lanes = json_object();

    add_number(object, "group", forecast->group);
    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
        const struct aw_told_wait *wait = &forecast->waits[aw_promise_wait_of((enum aw_class)class_, 0, 0)];
        const json_int_t           step_min = AW_PROMISE_STEP_MS / (60 * AW_MS_PER_S);

        if (wait->steps[AW_HALF] != 0)
            (void)json_object_set_new(
                object, aw_class_name((enum aw_class)class_),
                json_pack("[I, I]", wait->steps[AW_HALF] * step_min, wait->steps[AW_NINE_OF_TEN] * step_min));
    }
    for (uint32_t i = 0; i < forecast->lane_count; i++) {
        char lane[16];

        (void)snprintf(lane, sizeof(lane), "%u", forecast->lanes[i].lane);
        (void)json_object_set_new(
            lanes, lane, forecast->lanes[i].group == AW_PROMISE_NO_GROUP ? json_null() : json_integer(forecast->lanes[i].group));
    }
    (void)json_object_set_new(object, "lanes", lanes);
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
add_surge_text(json_t *object, const char *key, const char *bytes, size_t bytes_max)
{
    add_slice(object, key, aw_surge_text(bytes, bytes_max));
}

static void
add_surge_scope(json_t *object, const struct aw_surge *surge)
{
    json_t *lanes = json_array(), *channels = json_array(), *flights = json_array(), *airports = json_array();

    for (uint32_t i = 0; i < surge->lane_count; i++)
        (void)json_array_append_new(lanes, json_integer(surge->lanes[i]));
    for (uint32_t i = 0; i < surge->channel_count; i++) {
        struct aw_slice channel = aw_surge_text(surge->channels[i], sizeof(surge->channels[i]));

        (void)json_array_append_new(channels, json_stringn(channel.ptr, channel.len));
    }
    for (uint32_t i = 0; i < surge->flight_count; i++) {
        json_t *flight = json_object();
        char    date[11];

        aw_date_format(surge->flights[i].date_days, date);
        add_surge_text(flight, "number", surge->flights[i].number, sizeof(surge->flights[i].number));
        (void)json_object_set_new(flight, "date", json_string(date));
        (void)json_array_append_new(flights, flight);
    }
    for (uint32_t i = 0; i < surge->airport_count; i++)
        (void)json_array_append_new(airports, json_stringn(surge->airports[i].letters, sizeof(surge->airports[i].letters)));
    (void)json_object_set_new(object, "lanes", lanes);
    (void)json_object_set_new(object, "channels", channels);
    (void)json_object_set_new(object, "flights", flights);
    (void)json_object_set_new(object, "airports", airports);
}

static void
add_surge(json_t *object, const struct aw_in_surge *in)
{
    static const char *const orders[] = {NULL, "ratio", "strict"};
    const struct aw_surge   *surge = in->surge;
    json_t                  *notices;

    (void)json_object_set_new(object, "state", json_string(surge == NULL ? "off" : "on"));
    add_slice(object, "by", in->by);
    if (surge == NULL)
        return;
    add_surge_text(object, "reason", surge->reason, sizeof(surge->reason));
    add_surge_scope(object, surge);
    if (surge->order != AW_SURGE_ORDER_AS_SET)
        (void)json_object_set_new(object, "order", json_string(orders[surge->order]));
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "target_%s_s", aw_class_name((enum aw_class)i));
        if (surge->target_s[i] != 0)
            add_number(object, key, surge->target_s[i]);
    }
    if (surge->overflow_after_s != 0)
        add_number(object, "overflow_after_s", surge->overflow_after_s);
    notices = json_object();
    for (uint32_t i = 0; i < surge->notice_count; i++) {
        const struct aw_surge_notice *notice = &surge->notices[i];

        add_surge_text(notices, notice->lang, notice->text, sizeof(notice->text));
    }
    (void)json_object_set_new(object, "notice", notices);
    (void)json_object_set_new(object, "acknowledgement", json_string(surge->is_receipt != 0 ? "off" : "on"));
}

/* By their numbers: names are the state's. */
static void
add_full(json_t *object, unsigned full)
{
    json_t *channels;

    if (full == 0)
        return;
    channels = json_array();
    for (; full != 0; full &= full - 1)
        (void)json_array_append_new(channels, json_integer(__builtin_ctz(full)));
    (void)json_object_set_new(object, "full_channels", channels);
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
    add_full(object, choice->full);
    add_classes(object, "barred_classes", choice->barred);
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

/* The content lies in the bodies tree. */
static void
add_note(json_t *object, const struct aw_in_body *note)
{
    char hash[2 * sizeof(note->hash.bytes) + 1];

    if (note->len == 0)
        return;
    aw_cli_hex(note->hash.bytes, sizeof(note->hash.bytes), hash);
    (void)json_object_set_new(object, "note_sha256", json_string(hash));
}

static void
add_transfer(json_t *object, const struct aw_in_transfer *in, const struct aw_out_lease *out)
{
    add_number(object, "slot", in->fenced.lease.slot);
    add_number(object, "fence", in->fenced.lease.fence);
    add_slice(object, "agent", in->fenced.agent);
    add_slice(object, "lane", in->lane);
    add_slice(object, "to", in->to);
    add_time(object, "kept_until", out->help.kept_until);
    add_note(object, &in->note);
}

static void
add_defer(json_t *object, const struct aw_command *command)
{
    const struct aw_in_defer *in = &command->in.defer;

    add_number(object, "slot", in->fenced.lease.slot);
    add_number(object, "fence", in->fenced.lease.fence);
    add_slice(object, "agent", in->fenced.agent);
    add_time(object, "until", in->until);
    (void)json_object_set_new(object, "reason", json_string(aw_defer_reason_name(in->reason)));
    add_time(object, "held_until", command->out.u.lease.held_until);
    add_flag(object, "new_messages", command->out.err == AW_E_NEW_MESSAGES);
    add_note(object, &in->what);
}

static void
add_approve(json_t *object, const struct aw_in_approve *in)
{
    char text[AW_ID_TEXT_BYTES];

    aw_reply_id_format(in->reply, text);
    (void)json_object_set_new(object, "reply", json_string(text));
    (void)json_object_set_new(object, "goes", json_boolean(in->goes));
    add_slice(object, "by", in->by);
    add_note(object, &in->note);
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
add_message_id(json_t *object, const char *key, struct aw_message_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_message_id_format(id, text);
    (void)json_object_set_new(object, key, json_string(text));
}

static void
add_reply(json_t *object, const struct aw_in_reply *in)
{
    if (!in->is_there)
        return;
    add_message_id(object, "to", in->to);
    add_slice(object, "channel", in->channel);
    add_slice(object, "account", in->account);
    add_flag(object, "bulk", in->is_bulk);
    add_flag(object, "override", in->is_override);
    if (in->consent.seq != 0)
        add_message_id(object, "consent", in->consent);
}

static void
add_channel(json_t *object, const struct aw_in_channel *in)
{
    json_t *accounts = json_array();

    for (uint32_t i = 0; i < in->pace_count; i++) {
        json_t *account = json_object();

        add_slice(account, "account", in->paces[i].account);
        add_number(account, "replies", in->paces[i].replies);
        add_number(account, "slice_s", in->paces[i].slice_s);
        (void)json_array_append_new(accounts, account);
    }
    add_slice(object, "channel", in->name);
    (void)json_object_set_new(object, "accounts", accounts);
    add_slice(object, "by", in->by);
}

static void
add_own_texts(json_t *object, const struct aw_own_text *texts, uint32_t count)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++) {
        json_t *text = json_object();

        add_slice(text, "lang", texts[i].lang);
        add_slice(text, "text", texts[i].words);
        (void)json_array_append_new(list, text);
    }
    (void)json_object_set_new(object, "texts", list);
}

static void
add_reply_lease(json_t *object, const struct aw_in_reply_lease *in)
{
    json_t *accounts = json_array();

    for (uint32_t i = 0; i < in->account_count; i++) {
        json_t *account = json_object();

        add_slice(account, "channel", in->accounts[i].channel);
        add_slice(account, "account", in->accounts[i].account);
        (void)json_array_append_new(accounts, account);
    }
    (void)json_object_set_new(object, "accounts", accounts);
    add_number(object, "max", in->max);
    add_number(object, "lease_ms", in->lease_ms);
    add_slice(object, "gateway", in->gateway);
}

static void
add_reply_status(json_t *object, const struct aw_in_reply_status *in)
{
    char text[AW_ID_TEXT_BYTES];

    aw_reply_id_format(in->reply, text);
    (void)json_object_set_new(object, "reply", json_string(text));
    add_number(object, "fence", in->fence);
    (void)json_object_set_new(object, "state", json_string(aw_reply_state_name(in->state)));
    add_slice(object, "code", in->code);
    add_flag(object, "permanent", in->is_permanent);
    add_flag(object, "uncertain", in->is_uncertain);
    add_slice(object, "by", in->by);
}

static void
add_redrive(json_t *object, const struct aw_in_redrive *in)
{
    add_slice(object, "channel", in->channel);
    add_slice(object, "account", in->account);
    add_slice(object, "code", in->code);
    add_ticket(object, "ticket", in->ticket);
    add_time(object, "since", in->since);
    add_number(object, "max", in->max);
    add_slice(object, "by", in->by);
}

static void
add_incident_id(json_t *object, struct aw_incident_id id)
{
    char text[AW_ID_TEXT_BYTES];

    aw_incident_id_format(id, text);
    (void)json_object_set_new(object, "incident", json_string(text));
}

static void
add_incident(json_t *object, const struct aw_in_incident *in, struct aw_incident_id id)
{
    static const char *const names[] = {
        [AW_INCIDENT_FLIGHT] = "flight", [AW_INCIDENT_AIRPORT] = "airport", [AW_INCIDENT_BOOKING] = "booking"};
    json_t *keys = json_array();

    add_incident_id(object, id);
    if (in->state != AW_INCIDENT_NONE)
        (void)json_object_set_new(object, "state", json_string(aw_incident_state_name(in->state)));
    add_slice(object, "title", in->title);
    for (uint32_t i = 0; i < in->key_count; i++) {
        json_t *key = json_object();
        char    date[11];

        add_slice(key, names[in->keys[i].kind], in->keys[i].name);
        if (in->keys[i].kind == AW_INCIDENT_FLIGHT) {
            aw_date_format(in->keys[i].date_days, date);
            (void)json_object_set_new(key, "date", json_string(date));
        }
        (void)json_array_append_new(keys, key);
    }
    if (in->has_keys)
        (void)json_object_set(object, "keys", keys);
    json_decref(keys);
    if (in->follow != AW_FOLLOW_AS_IS)
        (void)json_object_set_new(object, "follow", json_boolean(in->follow == AW_FOLLOW_LATER));
    add_slice(object, "by", in->by);
}

/* long: one line for each kind */
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
    case AW_COMMAND_SURGE:
        add_surge(object, &command->in.surge);
        return;
    case AW_COMMAND_PRESENCE:
        add_slice(object, "agent", command->in.presence.name);
        (void)json_object_set_new(object, "presence", json_string(aw_presence_name(command->in.presence.presence)));
        add_slice(object, "by", command->in.presence.by);
        return;
    case AW_COMMAND_AGENT:
        add_agent(object, &command->in.agent);
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
    case AW_COMMAND_REPLY:
        add_number(object, "slot", command->in.fenced.lease.slot);
        add_number(object, "fence", command->in.fenced.lease.fence);
        add_slice(object, "agent", command->in.fenced.agent);
        add_slice(object, "words", command->in.fenced.words);
        if (command->kind == AW_COMMAND_EXTEND)
            add_number(object, "lease_ms", command->in.fenced.lease_ms);
        add_flag(object, "new_messages", command->out.err == AW_E_NEW_MESSAGES);
        add_reply(object, &command->in.fenced.reply);
        return;
    case AW_COMMAND_TRANSFER:
        add_transfer(object, &command->in.transfer, &command->out.u.lease);
        return;
    case AW_COMMAND_WITHDRAW:
        add_number(object, "message", command->in.withdraw.message.seq);
        add_ticket(object, "ticket", command->out.u.ticket.ticket);
        add_slice(object, "by", command->in.withdraw.by);
        return;
    case AW_COMMAND_OPT_OUT:
        add_slice(object, "channel", command->in.opt_out.channel);
        add_slice(object, "account", command->in.opt_out.account);
        add_flag(object, "in", command->in.opt_out.is_in);
        add_slice(object, "by", command->in.opt_out.by);
        return;
    case AW_COMMAND_ERASE:
        add_number(object, "through", command->in.erase.through);
        if (command->in.erase.ticket.slot != 0) {
            add_ticket(object, "ticket", command->in.erase.ticket);
            add_number(object, "messages", command->in.erase.messages);
            add_flag(object, "spares", command->out.u.erase.spares);
        }
        add_slice(object, "by", command->in.erase.by);
        return;
    case AW_COMMAND_DEFER:
        add_defer(object, command);
        return;
    case AW_COMMAND_TIMER:
        add_number(object, "slot", command->in.timer.slot);
        add_number(object, "slot_version", command->in.timer.version);
        add_number(object, "cause", command->out.effect.cause);
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
    case AW_COMMAND_NOTE:
        add_ticket(object, "ticket", command->in.note.on.ticket);
        add_slice(object, "by", command->in.note.on.by);
        add_note(object, &command->in.note.body);
        return;
    case AW_COMMAND_UNFOLD:
        add_unfold(object, &command->in.unfold, command->out.u.ticket.ticket);
        return;
    case AW_COMMAND_CHANNEL:
        add_channel(object, &command->in.channel);
        return;
    case AW_COMMAND_REPLY_LEASE:
        add_reply_lease(object, &command->in.reply_lease);
        return;
    case AW_COMMAND_REPLY_STATUS:
        add_reply_status(object, &command->in.reply_status);
        return;
    case AW_COMMAND_REPLY_TIMER:
        add_number(object, "slot", command->in.reply_timer.slot);
        add_number(object, "reply_seq", command->in.reply_timer.seq);
        return;
    case AW_COMMAND_APPROVE:
        add_approve(object, &command->in.approve);
        return;
    case AW_COMMAND_REDRIVE:
        add_redrive(object, &command->in.redrive);
        return;
    case AW_COMMAND_FORECAST:
        add_forecast(object, &command->in.forecast);
        return;
    case AW_COMMAND_PROMISE:
        add_ticket(object, "ticket", command->in.promise.ticket);
        add_time(object, "half_by", command->in.promise.half_by);
        add_time(object, "nine_of_ten_by", command->in.promise.nine_of_ten_by);
        return;
    case AW_COMMAND_INCIDENT:
        add_incident(object, &command->in.incident, command->out.u.incident.incident);
        return;
    case AW_COMMAND_INCIDENT_LINK:
        add_ticket(object, "ticket", command->in.incident_link.ticket);
        add_incident_id(object, command->in.incident_link.incident);
        add_flag(object, "taken_out", command->in.incident_link.parts);
        add_slice(object, "by", command->in.incident_link.by);
        return;
    case AW_COMMAND_INCIDENT_ANSWER:
        add_incident_id(object, command->in.incident_answer.incident);
        add_number(object, "texts", command->in.incident_answer.text_count);
        add_number(object, "through", command->in.incident_answer.through);
        add_slice(object, "by", command->in.incident_answer.by);
        return;
    case AW_COMMAND_INCIDENT_TIMER:
        add_incident_id(object, command->in.incident_timer.incident);
        if (command->in.incident_timer.ticket.slot != 0)
            add_ticket(object, "ticket", command->in.incident_timer.ticket);
        return;
    case AW_COMMAND_TEMPLATE:
        (void)json_object_set_new(object, "template", json_string(aw_reply_kind_name(command->in.template_.kind)));
        add_own_texts(object, command->in.template_.texts, command->in.template_.text_count);
        add_slice(object, "by", command->in.template_.by);
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

void
aw_cli_print_record(const struct aw_batch_header *header, const struct aw_record *record, const struct aw_command *command,
                    bool json)
{
    json_t *object = json_object();

    add_number(object, "seq", record->seq);
    add_time(object, "at", header->now);
    (void)json_object_set_new(object, "kind", json_string(aw_command_name(record->kind)));
    add_number(object, "batch", header->index);
    add_number(object, "prev", record->prev_seq);
    add_fields(object, command);
    if (json)
        aw_cli_print_json(object);
    else
        print_text(object);
    json_decref(object);
}
