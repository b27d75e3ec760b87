/* command.c - names of the kinds, and what all of them have in common. */
#include "model/command.h"

/* long: one line for each kind */
const char *
aw_command_name(unsigned kind)
{
    switch (kind) {
    case AW_COMMAND_EPOCH:
        return "epoch";
    case AW_COMMAND_SETTINGS:
        return "settings";
    case AW_COMMAND_LANE:
        return "lane";
    case AW_COMMAND_FLIGHT:
        return "flight";
    case AW_COMMAND_AIRPORT:
        return "airport";
    case AW_COMMAND_UNDO:
        return "undo";
    case AW_COMMAND_AGENT:
        return "agent";
    case AW_COMMAND_PRESENCE:
        return "presence";
    case AW_COMMAND_CHANNEL:
        return "channel";
    case AW_COMMAND_MESSAGE:
        return "message";
    case AW_COMMAND_WITHDRAW:
        return "withdraw";
    case AW_COMMAND_OPT_OUT:
        return "opt_out";
    case AW_COMMAND_ERASE:
        return "erase";
    case AW_COMMAND_LEASE:
        return "lease";
    case AW_COMMAND_EXTEND:
        return "extend";
    case AW_COMMAND_COMPLETE:
        return "complete";
    case AW_COMMAND_RELEASE:
        return "release";
    case AW_COMMAND_DECLINE:
        return "decline";
    case AW_COMMAND_TRANSFER:
        return "transfer";
    case AW_COMMAND_DEFER:
        return "defer";
    case AW_COMMAND_NOTE:
        return "note";
    case AW_COMMAND_TIMER:
        return "timer";
    case AW_COMMAND_HOLD:
        return "hold";
    case AW_COMMAND_UNHOLD:
        return "unhold";
    case AW_COMMAND_CANCEL:
        return "cancel";
    case AW_COMMAND_PLACE:
        return "place";
    case AW_COMMAND_UNFOLD:
        return "unfold";
    case AW_COMMAND_REPLY:
        return "reply";
    case AW_COMMAND_REPLY_LEASE:
        return "reply_lease";
    case AW_COMMAND_REPLY_STATUS:
        return "reply_status";
    case AW_COMMAND_REPLY_TIMER:
        return "reply_timer";
    case AW_COMMAND_REDRIVE:
        return "redrive";
    case AW_COMMAND_APPROVE:
        return "approve";
    case AW_COMMAND_PROMISE:
        return "promise";
    case AW_COMMAND_FORECAST:
        return "forecast";
    case AW_COMMAND_INCIDENT:
        return "incident";
    case AW_COMMAND_INCIDENT_LINK:
        return "incident_link";
    case AW_COMMAND_INCIDENT_ANSWER:
        return "incident_answer";
    case AW_COMMAND_INCIDENT_TIMER:
        return "incident_timer";
    case AW_COMMAND_TEMPLATE:
        return "template";
    case AW_COMMAND_SURGE:
        return "surge";
    default: /* read from a journal, so any number may come */
        return "unknown";
    }
}

bool
aw_command_body(const struct aw_command *command, struct aw_in_body *ret_body)
{
    const struct aw_in_message *message = &command->in.message;
    bool                        is_reply =
        command->kind == AW_COMMAND_REPLY || (command->kind == AW_COMMAND_COMPLETE && command->in.fenced.reply.is_there);

    if (is_reply && command->out.err == AW_OK) { /* what was refused wrote nothing */
        *ret_body = command->in.fenced.reply.body;
        return true;
    }
    if (command->kind == AW_COMMAND_NOTE) {
        *ret_body = command->in.note.body;
        return true;
    }
    if (command->kind == AW_COMMAND_TRANSFER) {
        *ret_body = command->in.transfer.note;
        return ret_body->len > 0;
    }
    if (command->kind == AW_COMMAND_DEFER) {
        *ret_body = command->in.defer.what;
        return ret_body->len > 0 && command->out.err == AW_OK;
    }
    if (command->kind == AW_COMMAND_APPROVE) {
        *ret_body = command->in.approve.note;
        return ret_body->len > 0;
    }
    if (command->kind != AW_COMMAND_MESSAGE)
        return false;
    *ret_body = (struct aw_in_body){.bytes = message->body, .len = (uint32_t)message->body.len, .hash = message->body_hash};
    return true;
}

bool
aw_command_has_colleagues_text(const struct aw_command *command)
{
    struct aw_in_body body;

    return command->kind != AW_COMMAND_MESSAGE && aw_command_body(command, &body);
}

/* long: a flat switch over all kinds */
bool
aw_command_slot(const struct aw_command *command, uint32_t *ret_slot)
{
    switch (command->kind) {
    case AW_COMMAND_EPOCH:
    case AW_COMMAND_SETTINGS:
    case AW_COMMAND_LANE:
    case AW_COMMAND_FLIGHT:
    case AW_COMMAND_AIRPORT:
    case AW_COMMAND_UNDO:
    case AW_COMMAND_AGENT:
    case AW_COMMAND_PRESENCE:
    case AW_COMMAND_CHANNEL:
    case AW_COMMAND_REPLY_LEASE:
    case AW_COMMAND_REPLY_STATUS: /* these follow their reply's record, not the ticket's */
    case AW_COMMAND_REPLY_TIMER:
    case AW_COMMAND_REDRIVE:
    case AW_COMMAND_FORECAST:
    case AW_COMMAND_INCIDENT:
    case AW_COMMAND_INCIDENT_ANSWER:
    case AW_COMMAND_TEMPLATE:
    case AW_COMMAND_SURGE:
    case AW_COMMAND_OPT_OUT:
        return false;
    case AW_COMMAND_PROMISE:
        *ret_slot = command->in.promise.ticket.slot;
        return true;
    case AW_COMMAND_APPROVE:
        *ret_slot = command->out.u.reply.ticket.slot;
        return true;
    case AW_COMMAND_MESSAGE:
        *ret_slot = command->out.u.message.ticket.slot;
        return true;
    case AW_COMMAND_WITHDRAW:
        *ret_slot = command->out.u.ticket.ticket.slot;
        return true;
    case AW_COMMAND_LEASE:
        *ret_slot = command->in.lease.slot;
        return true;
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
    case AW_COMMAND_REPLY:
    case AW_COMMAND_TRANSFER:
    case AW_COMMAND_DEFER:
        *ret_slot = command->in.fenced.lease.slot;
        return true;
    case AW_COMMAND_TIMER:
        *ret_slot = command->in.timer.slot;
        return true;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
    case AW_COMMAND_PLACE:
    case AW_COMMAND_NOTE:
        *ret_slot = command->in.ticket.ticket.slot;
        return true;
    case AW_COMMAND_UNFOLD:
        *ret_slot = command->in.unfold.on.ticket.slot;
        return true;
    case AW_COMMAND_INCIDENT_LINK:
        *ret_slot = command->in.incident_link.ticket.slot;
        return true;
    case AW_COMMAND_INCIDENT_TIMER:
        *ret_slot = command->in.incident_timer.ticket.slot;
        return *ret_slot != 0;
    case AW_COMMAND_ERASE:
        *ret_slot = command->in.erase.ticket.slot;
        return *ret_slot != 0 && !command->out.u.erase.spares;
    }
    AW_UNREACHABLE();
}

struct aw_slice
aw_command_by(const struct aw_command *command)
{
    switch (command->kind) {
    case AW_COMMAND_EPOCH:
    case AW_COMMAND_SETTINGS:
    case AW_COMMAND_LANE:
    case AW_COMMAND_MESSAGE:
    case AW_COMMAND_TIMER:
    case AW_COMMAND_INCIDENT_TIMER:
    case AW_COMMAND_REPLY_TIMER:
    case AW_COMMAND_FORECAST:
    case AW_COMMAND_PROMISE:
        return (struct aw_slice){NULL, 0};
    case AW_COMMAND_CHANNEL:
        return command->in.channel.by;
    case AW_COMMAND_REPLY_LEASE:
        return command->in.reply_lease.gateway;
    case AW_COMMAND_REPLY_STATUS:
        return command->in.reply_status.by;
    case AW_COMMAND_REDRIVE:
        return command->in.redrive.by;
    case AW_COMMAND_APPROVE:
        return command->in.approve.by;
    case AW_COMMAND_INCIDENT:
        return command->in.incident.by;
    case AW_COMMAND_INCIDENT_LINK:
        return command->in.incident_link.by;
    case AW_COMMAND_INCIDENT_ANSWER:
        return command->in.incident_answer.by;
    case AW_COMMAND_TEMPLATE:
        return command->in.template_.by;
    case AW_COMMAND_SURGE:
        return command->in.surge.by;
    case AW_COMMAND_FLIGHT:
        return command->in.flight.by;
    case AW_COMMAND_AIRPORT:
        return command->in.airport.by;
    case AW_COMMAND_UNDO:
        return command->in.undo.by;
    case AW_COMMAND_AGENT:
        return command->in.agent.by;
    case AW_COMMAND_PRESENCE:
        return command->in.presence.by;
    case AW_COMMAND_WITHDRAW:
        return command->in.withdraw.by;
    case AW_COMMAND_OPT_OUT:
        return command->in.opt_out.by;
    case AW_COMMAND_ERASE:
        return command->in.erase.by;
    case AW_COMMAND_LEASE:
        return command->in.lease.agent;
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
    case AW_COMMAND_REPLY:
    case AW_COMMAND_TRANSFER:
    case AW_COMMAND_DEFER:
        return command->in.fenced.agent;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
    case AW_COMMAND_PLACE:
    case AW_COMMAND_NOTE:
        return command->in.ticket.by;
    case AW_COMMAND_UNFOLD:
        return command->in.unfold.on.by;
    }
    AW_UNREACHABLE();
}
