/* answer.c - names of states. */
#include "model/answer.h"

const char *
aw_ticket_state_name(enum aw_ticket_state state)
{
    switch (state) {
    case AW_TICKET_FREE:
        return "free";
    case AW_TICKET_WAITING:
        return "waiting";
    case AW_TICKET_LEASED:
        return "leased";
    case AW_TICKET_HELD:
        return "held";
    case AW_TICKET_CLOSED:
        return "closed";
    }
    AW_UNREACHABLE();
}
