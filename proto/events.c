/* events.c - records as CloudEvents: types, subjects, and what `data` says of each. */
#include "proto/events.h"

#include "base/time.h"
#include "model/ids.h"
#include "model/limits.h"
#include "model/surge.h"

#include <inttypes.h>
#include <stdio.h>

#define KEY AW_WRITER_KEY

#define NAME(literal)                                                                                                            \
    {                                                                                                                            \
        literal, sizeof(literal) - 1                                                                                             \
    }
static const struct aw_slice names[AW_EVENT_TYPES] = {
    [AW_EVENT_TYPE_AGENT_PRESENCE] = NAME("aswolk.agent.presence"),
    [AW_EVENT_TYPE_AGENT_SET] = NAME("aswolk.agent.set"),
    [AW_EVENT_TYPE_AIRPORT_SET] = NAME("aswolk.airport.set"),
    [AW_EVENT_TYPE_CHANGE_UNDONE] = NAME("aswolk.change.undone"),
    [AW_EVENT_TYPE_CHANNEL_SET] = NAME("aswolk.channel.set"),
    [AW_EVENT_TYPE_COMMITMENT_BROKEN] = NAME("aswolk.commitment.broken"),
    [AW_EVENT_TYPE_CONTACT_OPTED_IN] = NAME("aswolk.contact.opted_in"),
    [AW_EVENT_TYPE_CONTACT_OPTED_OUT] = NAME("aswolk.contact.opted_out"),
    [AW_EVENT_TYPE_CUSTOMER_ERASED] = NAME("aswolk.customer.erased"),
    [AW_EVENT_TYPE_EVENTS_GAP] = NAME("aswolk.events.gap"),
    [AW_EVENT_TYPE_FLIGHT_SET] = NAME("aswolk.flight.set"),
    [AW_EVENT_TYPE_FORECAST_PUBLISHED] = NAME("aswolk.forecast.published"),
    [AW_EVENT_TYPE_INCIDENT_ANSWERED] = NAME("aswolk.incident.answered"),
    [AW_EVENT_TYPE_INCIDENT_APPROVED] = NAME("aswolk.incident.approved"),
    [AW_EVENT_TYPE_INCIDENT_PROPOSED] = NAME("aswolk.incident.proposed"),
    [AW_EVENT_TYPE_INCIDENT_SET] = NAME("aswolk.incident.set"),
    [AW_EVENT_TYPE_LANE_SET] = NAME("aswolk.lane.set"),
    [AW_EVENT_TYPE_MESSAGE_WITHDRAWN] = NAME("aswolk.message.withdrawn"),
    [AW_EVENT_TYPE_PROMISE_MOVING] = NAME("aswolk.promise.moving"),
    [AW_EVENT_TYPE_REPLIES_ERASED] = NAME("aswolk.replies.erased"),
    [AW_EVENT_TYPE_REPLIES_LEASED] = NAME("aswolk.replies.leased"),
    [AW_EVENT_TYPE_REPLIES_REDRIVEN] = NAME("aswolk.replies.redriven"),
    [AW_EVENT_TYPE_REPLY_APPROVED] = NAME("aswolk.reply.approved"),
    [AW_EVENT_TYPE_REPLY_DELIVERED] = NAME("aswolk.reply.delivered"),
    [AW_EVENT_TYPE_REPLY_FAILED] = NAME("aswolk.reply.failed"),
    [AW_EVENT_TYPE_REPLY_READ] = NAME("aswolk.reply.read"),
    [AW_EVENT_TYPE_REPLY_REFUSED] = NAME("aswolk.reply.refused"),
    [AW_EVENT_TYPE_REPLY_SENT] = NAME("aswolk.reply.sent"),
    [AW_EVENT_TYPE_REPLY_TIMED] = NAME("aswolk.reply.timed"),
    [AW_EVENT_TYPE_SERVER_STARTED] = NAME("aswolk.server.started"),
    [AW_EVENT_TYPE_SETTINGS_SET] = NAME("aswolk.settings.set"),
    [AW_EVENT_TYPE_SURGE_CHANGED] = NAME("aswolk.surge.changed"),
    [AW_EVENT_TYPE_SURGE_DECLARED] = NAME("aswolk.surge.declared"),
    [AW_EVENT_TYPE_SURGE_ENDED] = NAME("aswolk.surge.ended"),
    [AW_EVENT_TYPE_TEMPLATE_SET] = NAME("aswolk.template.set"),
    [AW_EVENT_TYPE_TICKET_ANSWERED] = NAME("aswolk.ticket.answered"),
    [AW_EVENT_TYPE_TICKET_ASKED] = NAME("aswolk.ticket.asked"),
    [AW_EVENT_TYPE_TICKET_CANCELLED] = NAME("aswolk.ticket.cancelled"),
    [AW_EVENT_TYPE_TICKET_COMPLETED] = NAME("aswolk.ticket.completed"),
    [AW_EVENT_TYPE_TICKET_DECLINED] = NAME("aswolk.ticket.declined"),
    [AW_EVENT_TYPE_TICKET_DEFERRED] = NAME("aswolk.ticket.deferred"),
    [AW_EVENT_TYPE_TICKET_ERASED] = NAME("aswolk.ticket.erased"),
    [AW_EVENT_TYPE_TICKET_EXPIRED] = NAME("aswolk.ticket.expired"),
    [AW_EVENT_TYPE_TICKET_EXTENDED] = NAME("aswolk.ticket.extended"),
    [AW_EVENT_TYPE_TICKET_HELD] = NAME("aswolk.ticket.held"),
    [AW_EVENT_TYPE_TICKET_HELPED] = NAME("aswolk.ticket.helped"),
    [AW_EVENT_TYPE_TICKET_JOINED] = NAME("aswolk.ticket.joined"),
    [AW_EVENT_TYPE_TICKET_LEASED] = NAME("aswolk.ticket.leased"),
    [AW_EVENT_TYPE_TICKET_LINKED] = NAME("aswolk.ticket.linked"),
    [AW_EVENT_TYPE_TICKET_NOT_NEEDED] = NAME("aswolk.ticket.not_needed"),
    [AW_EVENT_TYPE_TICKET_NOTED] = NAME("aswolk.ticket.noted"),
    [AW_EVENT_TYPE_TICKET_OFFERED] = NAME("aswolk.ticket.offered"),
    [AW_EVENT_TYPE_TICKET_OPENED] = NAME("aswolk.ticket.opened"),
    [AW_EVENT_TYPE_TICKET_PLACED] = NAME("aswolk.ticket.placed"),
    [AW_EVENT_TYPE_TICKET_RECLASSED] = NAME("aswolk.ticket.reclassed"),
    [AW_EVENT_TYPE_TICKET_RELEASED] = NAME("aswolk.ticket.released"),
    [AW_EVENT_TYPE_TICKET_REOPENED] = NAME("aswolk.ticket.reopened"),
    [AW_EVENT_TYPE_TICKET_REPLIED] = NAME("aswolk.ticket.replied"),
    [AW_EVENT_TYPE_TICKET_RESUMED] = NAME("aswolk.ticket.resumed"),
    [AW_EVENT_TYPE_TICKET_SHOWN] = NAME("aswolk.ticket.shown"),
    [AW_EVENT_TYPE_TICKET_TRANSFERRED] = NAME("aswolk.ticket.transferred"),
    [AW_EVENT_TYPE_TICKET_UNFOLDED] = NAME("aswolk.ticket.unfolded"),
};

struct aw_slice
aw_event_type_name(enum aw_event_type type)
{
    AW_ASSERT((unsigned)type < AW_EVENT_TYPES);
    return names[type];
}

uint64_t
aw_event_types_named(struct aw_slice name)
{
    uint64_t types = 0;

    for (unsigned i = 0; i < AW_EVENT_TYPES; i++) {
        bool is_below =
            name.len > 0 && names[i].len > name.len && names[i].ptr[name.len] == '.' && aw_slice_starts(names[i], name);

        types |= (uint64_t)(is_below || aw_slice_eq(names[i], name)) << i;
    }
    return types;
}

static enum aw_event_type
type_of_message(const struct aw_out_message *out)
{
    if (out->not_needed)
        return AW_EVENT_TYPE_TICKET_NOT_NEEDED;
    if (out->reopened)
        return AW_EVENT_TYPE_TICKET_REOPENED;
    return out->folded ? AW_EVENT_TYPE_TICKET_JOINED : AW_EVENT_TYPE_TICKET_OPENED;
}

static enum aw_event_type
type_of_timer(enum aw_timer_cause cause)
{
    switch (cause) {
    case AW_TIMER_LEASE_OVER:
        return AW_EVENT_TYPE_TICKET_EXPIRED;
    case AW_TIMER_STILL_NEEDED:
        return AW_EVENT_TYPE_TICKET_ASKED;
    case AW_TIMER_HOLD_OVER:
        return AW_EVENT_TYPE_TICKET_RESUMED;
    case AW_TIMER_ASIDE_OVER:
        return AW_EVENT_TYPE_TICKET_OFFERED;
    case AW_TIMER_NOTHING: /* leaves no record */
    case AW_TIMER_CLASS_CHANGED:
        return AW_EVENT_TYPE_TICKET_RECLASSED;
    case AW_TIMER_HELPERS_VOID:
    case AW_TIMER_HELP_DUE:
        return AW_EVENT_TYPE_TICKET_HELPED;
    case AW_TIMER_COMMITMENT_DUE:
        return AW_EVENT_TYPE_COMMITMENT_BROKEN;
    }
    AW_UNREACHABLE();
}

static enum aw_event_type
type_of_status(enum aw_reply_state state)
{
    if (state == AW_REPLY_DELIVERED || state == AW_REPLY_READ)
        return state == AW_REPLY_READ ? AW_EVENT_TYPE_REPLY_READ : AW_EVENT_TYPE_REPLY_DELIVERED;
    return state == AW_REPLY_SENT ? AW_EVENT_TYPE_REPLY_SENT : AW_EVENT_TYPE_REPLY_FAILED;
}

/* An undo of a surge is told as what it does to the surge: who follows one sees its end however it came. */
static enum aw_event_type
type_of_change(const struct aw_command *command)
{
    switch (aw_command_surge_turn(command)) {
    case AW_SURGE_STAYS:
        return command->kind == AW_COMMAND_UNDO ? AW_EVENT_TYPE_CHANGE_UNDONE : AW_EVENT_TYPE_SURGE_CHANGED;
    case AW_SURGE_DECLARED:
        return AW_EVENT_TYPE_SURGE_DECLARED;
    case AW_SURGE_CHANGED:
        return AW_EVENT_TYPE_SURGE_CHANGED;
    case AW_SURGE_ENDED:
        return AW_EVENT_TYPE_SURGE_ENDED;
    }
    AW_UNREACHABLE();
}

/* long: a flat switch over all kinds */
enum aw_event_type
aw_event_type_of(const struct aw_command *command)
{
    switch (command->kind) {
    case AW_COMMAND_EPOCH:
        return AW_EVENT_TYPE_SERVER_STARTED;
    case AW_COMMAND_SETTINGS:
        return AW_EVENT_TYPE_SETTINGS_SET;
    case AW_COMMAND_LANE:
        return AW_EVENT_TYPE_LANE_SET;
    case AW_COMMAND_FLIGHT:
        return AW_EVENT_TYPE_FLIGHT_SET;
    case AW_COMMAND_AIRPORT:
        return AW_EVENT_TYPE_AIRPORT_SET;
    case AW_COMMAND_UNDO:
    case AW_COMMAND_SURGE:
        return type_of_change(command);
    case AW_COMMAND_AGENT:
        return AW_EVENT_TYPE_AGENT_SET;
    case AW_COMMAND_PRESENCE:
        return AW_EVENT_TYPE_AGENT_PRESENCE;
    case AW_COMMAND_CHANNEL:
        return AW_EVENT_TYPE_CHANNEL_SET;
    case AW_COMMAND_REPLY:
        return AW_EVENT_TYPE_TICKET_REPLIED;
    case AW_COMMAND_REPLY_LEASE:
        return AW_EVENT_TYPE_REPLIES_LEASED;
    case AW_COMMAND_REPLY_STATUS:
        return type_of_status(command->in.reply_status.state);
    case AW_COMMAND_REPLY_TIMER:
        return AW_EVENT_TYPE_REPLY_TIMED;
    case AW_COMMAND_REDRIVE:
        return AW_EVENT_TYPE_REPLIES_REDRIVEN;
    case AW_COMMAND_APPROVE:
        return command->in.approve.goes ? AW_EVENT_TYPE_REPLY_APPROVED : AW_EVENT_TYPE_REPLY_REFUSED;
    case AW_COMMAND_FORECAST:
        return AW_EVENT_TYPE_FORECAST_PUBLISHED;
    case AW_COMMAND_PROMISE:
        return AW_EVENT_TYPE_PROMISE_MOVING;
    case AW_COMMAND_INCIDENT:
        return command->in.incident.state == AW_INCIDENT_PROPOSED ? AW_EVENT_TYPE_INCIDENT_PROPOSED : AW_EVENT_TYPE_INCIDENT_SET;
    case AW_COMMAND_INCIDENT_LINK:
        return AW_EVENT_TYPE_TICKET_LINKED;
    case AW_COMMAND_INCIDENT_ANSWER:
        return AW_EVENT_TYPE_INCIDENT_APPROVED;
    case AW_COMMAND_INCIDENT_TIMER:
        return command->in.incident_timer.ticket.slot == 0 ? AW_EVENT_TYPE_INCIDENT_ANSWERED : AW_EVENT_TYPE_TICKET_ANSWERED;
    case AW_COMMAND_TEMPLATE:
        return AW_EVENT_TYPE_TEMPLATE_SET;
    case AW_COMMAND_MESSAGE:
        return type_of_message(&command->out.u.message);
    case AW_COMMAND_LEASE:
        return AW_EVENT_TYPE_TICKET_LEASED;
    case AW_COMMAND_EXTEND:
        return AW_EVENT_TYPE_TICKET_EXTENDED;
    case AW_COMMAND_COMPLETE:
        return command->out.err == AW_OK ? AW_EVENT_TYPE_TICKET_COMPLETED : AW_EVENT_TYPE_TICKET_SHOWN;
    case AW_COMMAND_RELEASE:
        return AW_EVENT_TYPE_TICKET_RELEASED;
    case AW_COMMAND_DECLINE:
        return AW_EVENT_TYPE_TICKET_DECLINED;
    case AW_COMMAND_NOTE:
        return AW_EVENT_TYPE_TICKET_NOTED;
    case AW_COMMAND_TRANSFER:
        return AW_EVENT_TYPE_TICKET_TRANSFERRED;
    case AW_COMMAND_WITHDRAW:
        return AW_EVENT_TYPE_MESSAGE_WITHDRAWN;
    case AW_COMMAND_OPT_OUT:
        return command->in.opt_out.is_in ? AW_EVENT_TYPE_CONTACT_OPTED_IN : AW_EVENT_TYPE_CONTACT_OPTED_OUT;
    case AW_COMMAND_ERASE:
        if (command->in.erase.ticket.slot == 0)
            return AW_EVENT_TYPE_CUSTOMER_ERASED;
        return command->out.u.erase.spares ? AW_EVENT_TYPE_REPLIES_ERASED : AW_EVENT_TYPE_TICKET_ERASED;
    case AW_COMMAND_DEFER:
        return command->out.err == AW_OK ? AW_EVENT_TYPE_TICKET_DEFERRED : AW_EVENT_TYPE_TICKET_SHOWN;
    case AW_COMMAND_TIMER:
        return type_of_timer(command->out.effect.cause);
    case AW_COMMAND_HOLD:
        return AW_EVENT_TYPE_TICKET_HELD;
    case AW_COMMAND_UNHOLD:
        return AW_EVENT_TYPE_TICKET_RESUMED;
    case AW_COMMAND_CANCEL:
        return AW_EVENT_TYPE_TICKET_CANCELLED;
    case AW_COMMAND_PLACE:
        return AW_EVENT_TYPE_TICKET_PLACED;
    case AW_COMMAND_UNFOLD:
        return AW_EVENT_TYPE_TICKET_UNFOLDED;
    }
    AW_UNREACHABLE();
}

/* --- members that are there only when they say something ------------------------------------------------------------------- */

static void
add_text(struct aw_writer *writer, const char *key, struct aw_slice value)
{
    if (value.len == 0)
        return;
    aw_writer_key(writer, aw_slice_str(key));
    aw_writer_str(writer, value);
}

static void
add_word(struct aw_writer *writer, const char *key, const char *value)
{
    add_text(writer, key, aw_slice_str(value));
}

static void
add_time(struct aw_writer *writer, const char *key, aw_ms at)
{
    if (at == 0)
        return;
    aw_writer_key(writer, aw_slice_str(key));
    aw_writer_time(writer, at);
}

static void
add_number(struct aw_writer *writer, const char *key, uint64_t value)
{
    aw_writer_key(writer, aw_slice_str(key));
    aw_writer_u64(writer, value);
}

static void
add_flag(struct aw_writer *writer, const char *key, bool value)
{
    if (!value)
        return;
    aw_writer_key(writer, aw_slice_str(key));
    aw_writer_bool(writer, true);
}

static void
add_ticket(struct aw_writer *writer, const char *key, struct aw_ticket_id id)
{
    char text[AW_ID_TEXT_BYTES];

    if (id.seq == 0)
        return;
    aw_ticket_id_format(id, text);
    add_word(writer, key, text);
}

static void
add_incident(struct aw_writer *writer, const char *key, struct aw_incident_id id, uint8_t shard)
{
    char text[AW_ID_TEXT_BYTES];

    if (id.seq == 0)
        return;
    id.shard = shard;
    aw_incident_id_format(id, text);
    add_word(writer, key, text);
}

static void
write_message_id(struct aw_writer *writer, uint64_t seq, uint8_t shard)
{
    char text[AW_ID_TEXT_BYTES];

    aw_message_id_format((struct aw_message_id){.seq = seq, .shard = shard}, text);
    aw_writer_str(writer, aw_slice_str(text));
}

/* --- data ------------------------------------------------------------------------------------------------------------------ */

static struct aw_ticket_id
ticket_of(const struct aw_event_source *source, const struct aw_command *command)
{
    uint32_t slot;

    if (command->out.effect.ticket_seq == 0 || !aw_command_slot(command, &slot))
        return (struct aw_ticket_id){.seq = 0};
    return (struct aw_ticket_id){.seq = command->out.effect.ticket_seq, .slot = slot, .shard = source->shard};
}

/* What all events of a ticket say: where it stands now, and where it stood when that was elsewhere. */
static void
add_effect(struct aw_writer *writer, const struct aw_event_source *source, const struct aw_command *command)
{
    const struct aw_effect *effect = &command->out.effect;

    if (effect->ticket_seq == 0)
        return;
    add_ticket(writer, "ticket", ticket_of(source, command));
    add_word(writer, "state", aw_ticket_state_name(effect->state));
    add_text(writer, "lane", source->lane_name(source->user, effect->lane));
    add_word(writer, "class", aw_class_name((enum aw_class)effect->class_));
    add_incident(writer, "incident", effect->incident, source->shard);
    if (effect->state_before == AW_TICKET_FREE)
        return;
    if (effect->state_before != effect->state)
        add_word(writer, "state_before", aw_ticket_state_name(effect->state_before));
    if (effect->lane_before != effect->lane)
        add_text(writer, "lane_before", source->lane_name(source->user, effect->lane_before));
    if (effect->class_before != effect->class_ && effect->class_before != AW_CLASS_NONE)
        add_word(writer, "class_before", aw_class_name((enum aw_class)effect->class_before));
    add_flag(writer, "deferral_over", effect->deferral_over);
    add_text(writer, "taken_from", effect->holder);
}

static void
write_reply_id(struct aw_writer *writer, uint64_t seq, uint8_t shard)
{
    char text[AW_ID_TEXT_BYTES];

    aw_reply_id_format((struct aw_message_id){.seq = seq, .shard = shard}, text);
    aw_writer_str(writer, aw_slice_str(text));
}

static void
add_message(struct aw_writer *writer, const struct aw_event_source *source, const struct aw_command *command)
{
    const struct aw_in_message *in = &command->in.message;

    KEY(writer, "message");
    write_message_id(writer, command->out.seq, source->shard);
    add_ticket(writer, "related", command->out.u.message.related);
    add_text(writer, "channel", in->channel);
    add_text(writer, "account", in->account);
    add_text(writer, "lang", in->lang);
    add_flag(writer, "gentle", in->gentle);
    add_flag(writer, "opted_out", command->out.u.message.opted_out);
    if (command->out.u.message.acknowledged) {
        KEY(writer, "acknowledgement");
        write_reply_id(writer, command->out.seq, source->shard);
    }
    add_time(writer, "received_at", in->received_at);
    add_time(writer, "departs_at", in->departs_at);
    add_time(writer, "reply_by", in->reply_by);
}

static void
add_unfold(struct aw_writer *writer, const struct aw_event_source *source, const struct aw_command *command)
{
    const struct aw_in_unfold *in = &command->in.unfold;

    add_ticket(writer, "opened", command->out.u.ticket.ticket);
    KEY(writer, "messages");
    aw_writer_begin_array(writer, in->message_count);
    for (uint32_t i = 0; i < in->message_count; i++)
        write_message_id(writer, in->messages[i], source->shard);
    aw_writer_end_array(writer);
    add_text(writer, "reason", in->on.words);
}

/* As in its path. */
static void
add_flight_subject(struct aw_writer *writer, const struct aw_in_flight *in)
{
    char date[11], text[AW_FLIGHT_NUMBER_BYTES_MAX + sizeof(date) + 1];

    aw_date_format(in->date_days, date);
    (void)snprintf(text, sizeof(text), "%.*s/%s", (int)in->number.len, in->number.ptr, date);
    add_word(writer, "subject", text);
}

static void
add_flight(struct aw_writer *writer, const struct aw_in_flight *in)
{
    char date[11];

    aw_date_format(in->date_days, date);
    add_text(writer, "number", in->number);
    add_word(writer, "date", date);
    add_word(writer, "state", aw_flight_state_name(in->state));
    add_time(writer, "departs_at", in->departs_at);
}

static void
add_airport(struct aw_writer *writer, const struct aw_in_airport *in)
{
    add_text(writer, "airport", aw_slice_of(in->code.letters, sizeof(in->code.letters)));
    add_word(writer, "state", in->until != 0 ? "closed" : "open");
    add_time(writer, "from", in->from);
    add_time(writer, "until", in->until);
}

/* What it is set to is told by GET: here only that it was. */
static void
add_agent(struct aw_writer *writer, const struct aw_in_agent *in)
{
    add_text(writer, "agent", in->name);
    add_flag(writer, "approval", in->needs_approval);
    add_flag(writer, "gentle", in->is_gentle);
}

static void
add_undone(struct aw_writer *writer, const struct aw_in_undo *in)
{
    char text[AW_ID_TEXT_BYTES];

    aw_change_id_format(in->change, text);
    add_word(writer, "change", text);
}

/* What it says in full is told by GET. */
static void
add_surge(struct aw_writer *writer, const struct aw_surge *surge)
{
    if (surge == NULL)
        return;
    add_text(writer, "reason", aw_surge_text(surge->reason, sizeof(surge->reason)));
    if (surge->order != AW_SURGE_ORDER_AS_SET)
        add_word(writer, "order", surge->order == AW_SURGE_ORDER_STRICT ? "strict" : "ratio");
}

static void
add_reply(struct aw_writer *writer, const struct aw_event_source *source, const struct aw_command *command)
{
    const struct aw_in_reply *in = &command->in.fenced.reply;

    if (!in->is_there || command->out.err != AW_OK) /* what was refused wrote nothing */
        return;
    KEY(writer, "reply");
    write_reply_id(writer, command->out.seq, source->shard);
    add_flag(writer, "pending", command->out.u.lease.reply_state == AW_REPLY_PENDING);
    KEY(writer, "answers");
    write_message_id(writer, in->to.seq, source->shard);
    if (in->consent.seq != 0) {
        KEY(writer, "consent");
        write_message_id(writer, in->consent.seq, source->shard);
    }
    add_text(writer, "channel", in->channel);
    add_text(writer, "account", in->account);
}

/* In which languages, not in which words. */
static void
add_template(struct aw_writer *writer, const struct aw_in_template *in)
{
    add_word(writer, "template", aw_reply_kind_name(in->kind));
    KEY(writer, "langs");
    aw_writer_begin_array(writer, in->text_count);
    for (uint32_t i = 0; i < in->text_count; i++)
        aw_writer_str(writer, in->texts[i].lang);
    aw_writer_end_array(writer);
}

static void
add_status(struct aw_writer *writer, const struct aw_in_reply_status *in)
{
    KEY(writer, "reply");
    write_reply_id(writer, in->reply.seq, in->reply.shard);
    add_text(writer, "code", in->code);
}

static void
add_incident_set(struct aw_writer *writer, const struct aw_event_source *source, const struct aw_command *command)
{
    const struct aw_in_incident *in = &command->in.incident;

    add_incident(writer, "incident", command->out.u.incident.incident, source->shard);
    if (in->state != AW_INCIDENT_NONE)
        add_word(writer, "state", aw_incident_state_name(in->state));
    add_text(writer, "title", in->title);
}

/* long: a flat switch over all kinds, for what is the kind's own */
static void
add_own(struct aw_writer *writer, const struct aw_event_source *source, const struct aw_command *command, aw_ms at)
{
    switch (command->kind) {
    case AW_COMMAND_EPOCH:
        add_number(writer, "epoch", command->in.epoch.epoch);
        return;
    case AW_COMMAND_SETTINGS:
        return;
    case AW_COMMAND_LANE:
        add_text(writer, "lane", command->in.lane.name);
        add_word(writer, "pause", aw_lane_pause_name(command->in.lane.pause));
        return;
    case AW_COMMAND_FLIGHT:
        add_flight(writer, &command->in.flight);
        return;
    case AW_COMMAND_AIRPORT:
        add_airport(writer, &command->in.airport);
        return;
    case AW_COMMAND_UNDO:
        add_undone(writer, &command->in.undo);
        return;
    case AW_COMMAND_SURGE:
        add_surge(writer, command->in.surge.surge);
        return;
    case AW_COMMAND_AGENT:
        add_agent(writer, &command->in.agent);
        return;
    case AW_COMMAND_PRESENCE:
        add_text(writer, "agent", command->in.presence.name);
        add_word(writer, "presence", aw_presence_name(command->in.presence.presence));
        return;
    case AW_COMMAND_MESSAGE:
        add_message(writer, source, command);
        return;
    case AW_COMMAND_LEASE:
        if (command->in.lease.through != 0 && command->in.lease.through - 1 != command->out.effect.lane)
            add_text(writer, "through", source->lane_name(source->user, command->in.lease.through - 1));
        add_time(writer, "expires_at", at + command->in.lease.lease_ms);
        return;
    case AW_COMMAND_EXTEND:
        if (command->in.fenced.lease_ms > 0) /* else it only says that messages were seen */
            add_time(writer, "expires_at", at + command->in.fenced.lease_ms);
        return;
    case AW_COMMAND_COMPLETE:
        add_text(writer, "disposition", command->in.fenced.words);
        add_reply(writer, source, command);
        return;
    case AW_COMMAND_REPLY:
        add_reply(writer, source, command);
        return;
    case AW_COMMAND_CHANNEL:
        add_text(writer, "channel", command->in.channel.name);
        return;
    case AW_COMMAND_TEMPLATE:
        add_template(writer, &command->in.template_);
        return;
    case AW_COMMAND_APPROVE:
        KEY(writer, "reply");
        write_reply_id(writer, command->in.approve.reply.seq, command->in.approve.reply.shard);
        return;
    case AW_COMMAND_REPLY_LEASE:
        add_time(writer, "expires_at", at + command->in.reply_lease.lease_ms);
        return;
    case AW_COMMAND_REPLY_STATUS:
        add_status(writer, &command->in.reply_status);
        return;
    case AW_COMMAND_REPLY_TIMER:
        KEY(writer, "reply");
        write_reply_id(writer, command->in.reply_timer.seq, source->shard);
        return;
    case AW_COMMAND_REDRIVE:
        return;
    case AW_COMMAND_FORECAST:
        add_number(writer, "group", command->in.forecast.group);
        return;
    case AW_COMMAND_PROMISE:
        add_time(writer, "half_by", command->in.promise.half_by);
        add_time(writer, "nine_of_ten_by", command->in.promise.nine_of_ten_by);
        return;
    case AW_COMMAND_INCIDENT:
        add_incident_set(writer, source, command);
        return;
    case AW_COMMAND_INCIDENT_LINK:
        if (command->in.incident_link.parts)
            add_incident(writer, "taken_out_of", command->in.incident_link.incident, source->shard);
        return;
    case AW_COMMAND_INCIDENT_ANSWER:
        add_incident(writer, "incident", command->in.incident_answer.incident, source->shard);
        return;
    case AW_COMMAND_INCIDENT_TIMER:
        if (command->in.incident_timer.ticket.slot == 0) {
            add_incident(writer, "incident", command->in.incident_timer.incident, source->shard);
            return;
        }
        KEY(writer, "reply");
        write_reply_id(writer, command->out.seq, source->shard);
        return;
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
        add_text(writer, "reason", command->in.fenced.words);
        return;
    case AW_COMMAND_TRANSFER:
        add_text(writer, "agent", command->in.transfer.to);
        add_time(writer, "kept_until", command->out.u.lease.help.kept_until);
        return;
    case AW_COMMAND_WITHDRAW:
        KEY(writer, "message");
        write_message_id(writer, command->in.withdraw.message.seq, source->shard);
        return;
    case AW_COMMAND_OPT_OUT: /* who he is only he who knows his id can ask */
        add_text(writer, "channel", command->in.opt_out.channel);
        add_text(writer, "account", command->in.opt_out.account);
        return;
    case AW_COMMAND_ERASE: /* who he was nobody is told */
        if (command->out.u.erase.spares)
            add_ticket(writer, "ticket", command->in.erase.ticket);
        return;
    case AW_COMMAND_DEFER:
        add_word(writer, "reason", aw_defer_reason_name(command->in.defer.reason));
        add_time(writer, "until", command->in.defer.until);
        add_time(writer, "held_until", command->out.u.lease.held_until);
        return;
    case AW_COMMAND_TIMER:
    case AW_COMMAND_NOTE: /* what it says is for who works on the ticket */
        return;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
    case AW_COMMAND_PLACE:
        add_time(writer, "held_until", command->in.ticket.until);
        add_text(writer, "reason", command->in.ticket.words);
        return;
    case AW_COMMAND_UNFOLD:
        add_unfold(writer, source, command);
        return;
    }
    AW_UNREACHABLE();
}

/* --- the envelope ---------------------------------------------------------------------------------------------------------- */

/* What it is about: a ticket, or what was set. */
static void
add_subject(struct aw_writer *writer, const struct aw_event_source *source, const struct aw_command *command)
{
    if (command->out.effect.ticket_seq != 0)
        add_ticket(writer, "subject", ticket_of(source, command));
    else if (command->kind == AW_COMMAND_LANE)
        add_text(writer, "subject", command->in.lane.name);
    else if (command->kind == AW_COMMAND_AGENT)
        add_text(writer, "subject", command->in.agent.name);
    else if (command->kind == AW_COMMAND_PRESENCE)
        add_text(writer, "subject", command->in.presence.name);
    else if (command->kind == AW_COMMAND_CHANNEL)
        add_text(writer, "subject", command->in.channel.name);
    else if (command->kind == AW_COMMAND_TEMPLATE)
        add_word(writer, "subject", aw_reply_kind_name(command->in.template_.kind));
    else if (command->kind == AW_COMMAND_FLIGHT)
        add_flight_subject(writer, &command->in.flight);
    else if (command->kind == AW_COMMAND_INCIDENT)
        add_incident(writer, "subject", command->out.u.incident.incident, source->shard);
    else if (command->kind == AW_COMMAND_INCIDENT_ANSWER)
        add_incident(writer, "subject", command->in.incident_answer.incident, source->shard);
    else if (command->kind == AW_COMMAND_INCIDENT_TIMER)
        add_incident(writer, "subject", command->in.incident_timer.incident, source->shard);
    else if (command->kind == AW_COMMAND_AIRPORT)
        add_text(writer, "subject", aw_slice_of(command->in.airport.code.letters, sizeof(command->in.airport.code.letters)));
    else if (command->kind == AW_COMMAND_SURGE || aw_command_surge_turn(command) != AW_SURGE_STAYS)
        add_word(writer, "subject", "surge");
}

static void
begin(struct aw_writer *writer, const struct aw_event_source *source, enum aw_event_type type, const char *id)
{
    const uint8_t *u = source->store;
    char           text[64];

    (void)snprintf(text, sizeof(text), "urn:uuid:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
                   u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
    aw_writer_begin_map(writer);
    add_word(writer, "specversion", "1.0");
    add_word(writer, "id", id);
    add_word(writer, "source", text);
    add_text(writer, "type", names[type]);
}

static void
begin_data(struct aw_writer *writer)
{
    add_word(writer, "datacontenttype", aw_writer_is_msgpack(writer) ? "application/msgpack" : "application/json");
    KEY(writer, "data");
    aw_writer_begin_map(writer);
}

static void
end(struct aw_writer *writer)
{
    aw_writer_end_map(writer);
    aw_writer_end_map(writer);
}

void
aw_proto_write_event(struct aw_writer *writer, const struct aw_event_source *source, const struct aw_command *command, aw_ms at)
{
    char id[24];

    (void)snprintf(id, sizeof(id), "%" PRIu64, command->out.seq);
    begin(writer, source, aw_event_type_of(command), id);
    add_time(writer, "time", at);
    add_subject(writer, source, command);
    begin_data(writer);
    add_effect(writer, source, command);
    add_text(writer, "by", aw_command_by(command));
    add_own(writer, source, command, at);
    end(writer);
}

void
aw_proto_write_gap(struct aw_writer *writer, const struct aw_event_source *source, uint64_t from, uint64_t to)
{
    char id[64];

    (void)snprintf(id, sizeof(id), "gap-%" PRIu64 "-%" PRIu64, from, to);
    begin(writer, source, AW_EVENT_TYPE_EVENTS_GAP, id);
    begin_data(writer);
    add_number(writer, "from", from);
    add_number(writer, "to", to);
    end(writer);
}
