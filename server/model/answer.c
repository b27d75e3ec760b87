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

const char *
aw_reply_kind_name(enum aw_reply_kind kind)
{
    switch (kind) {
    case AW_REPLY_BY_AGENT:
        return "agent";
    case AW_REPLY_ACKNOWLEDGEMENT:
        return "acknowledgement";
    case AW_REPLY_PROMISE_MOVED:
        return "promise_moved";
    case AW_REPLY_STILL_NEEDED:
        return "still_needed";
    case AW_REPLY_INCIDENT:
        return "incident";
    }
    AW_UNREACHABLE();
}

const char *
aw_reply_state_name(enum aw_reply_state state)
{
    switch (state) {
    case AW_REPLY_NONE:
        return "none";
    case AW_REPLY_PENDING:
        return "pending";
    case AW_REPLY_WAITING:
        return "waiting";
    case AW_REPLY_LEASED:
        return "leased";
    case AW_REPLY_FAILED:
        return "failed";
    case AW_REPLY_DEAD:
        return "dead";
    case AW_REPLY_SENT:
        return "sent";
    case AW_REPLY_DELIVERED:
        return "delivered";
    case AW_REPLY_READ:
        return "read";
    case AW_REPLY_REFUSED:
        return "refused";
    }
    AW_UNREACHABLE();
}

const char *
aw_defer_reason_name(enum aw_defer_reason reason)
{
    static const char *const names[] = {"customer", "third_party", "commitment"};

    AW_ASSERT((unsigned)reason < AW_DEFER_REASONS);
    return names[reason];
}

const char *
aw_flight_state_name(enum aw_flight_state state)
{
    switch (state) {
    case AW_FLIGHT_SCHEDULED:
        return "scheduled";
    case AW_FLIGHT_DELAYED:
        return "delayed";
    case AW_FLIGHT_CANCELLED:
        return "cancelled";
    case AW_FLIGHT_REBOOKED:
        return "rebooked";
    }
    AW_UNREACHABLE();
}

const char *
aw_incident_state_name(enum aw_incident_state state)
{
    switch (state) {
    case AW_INCIDENT_NONE:
        return "none";
    case AW_INCIDENT_PROPOSED:
        return "proposed";
    case AW_INCIDENT_OPEN:
        return "open";
    case AW_INCIDENT_CLOSED:
        return "closed";
    }
    AW_UNREACHABLE();
}

const char *
aw_incident_verdict_name(enum aw_incident_verdict verdict)
{
    static const char *const names[AW_VERDICTS] = {"goes",    "care",  "gentle",   "leased",  "held",   "class",  "several",
                                                   "channel", "facts", "answered", "changed", "public", "replies"};

    AW_ASSERT((unsigned)verdict < AW_VERDICTS);
    return names[verdict];
}

const char *
aw_lane_pause_name(enum aw_lane_pause pause)
{
    switch (pause) {
    case AW_LANE_OPEN:
        return "none";
    case AW_LANE_PAUSED_IN:
        return "in";
    case AW_LANE_PAUSED_OUT:
        return "out";
    case AW_LANE_PAUSED_BOTH:
        return "both";
    }
    AW_UNREACHABLE();
}

const char *
aw_presence_name(enum aw_presence presence)
{
    static const char *const names[] = {"ready", "wrap_up", "break", "leaving", "gone"};

    AW_ASSERT((unsigned)presence < AW_PRESENCE_COUNT);
    return names[presence];
}
