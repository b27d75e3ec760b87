/* command.c - names of the kinds. */
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
