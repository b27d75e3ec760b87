/* command.c - names of the kinds, and what of each lies in the bodies tree. */
#include "model/command.h"

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
    case AW_COMMAND_MESSAGE:
        return "message";
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
    default: /* read from a journal, so any number may come */
        return "unknown";
    }
}

bool
aw_command_body(const struct aw_command *command, struct aw_in_body *ret_body)
{
    const struct aw_in_message *message = &command->in.message;

    if (command->kind != AW_COMMAND_MESSAGE)
        return false;
    *ret_body = (struct aw_in_body){.bytes = message->body,
                                    .len = (uint32_t)message->body.len,
                                    .hash = message->body_hash,
                                    .form = message->body_form,
                                    .key_number = message->key_number};
    memcpy(ret_body->nonce, message->nonce, sizeof(ret_body->nonce));
    return true;
}
