/* events.h - what happened, for other programs: a record of the journal as a CloudEvent 1.0 (PROTOCOL.md "Events").
 *
 * One record is one event; its sequence number is the event's id. No text of a message is ever in one, nor the reasons of its
 * class, which quote it: who keeps events keeps them beyond an erasure. A kind of command without a
 * type here does not compile. Thread: any. Owns nothing. Writing fails only through the buffer.
 */
#ifndef AW_PROTO_EVENTS_H
#define AW_PROTO_EVENTS_H

#include "model/command.h"
#include "proto/writer.h"

/* In the order of their names. */
enum aw_event_type {
    AW_EVENT_TYPE_AGENT_PRESENCE,
    AW_EVENT_TYPE_AGENT_SET,
    AW_EVENT_TYPE_AIRPORT_SET,
    AW_EVENT_TYPE_CHANGE_UNDONE,
    AW_EVENT_TYPE_CHANNEL_SET,
    AW_EVENT_TYPE_COMMITMENT_BROKEN, /* it was due, and the customer had not heard */
    AW_EVENT_TYPE_CONTACT_OPTED_IN,  /* who only talked about us may be written to again */
    AW_EVENT_TYPE_CONTACT_OPTED_OUT, /* or may not; when he answered so, his message says it */
    AW_EVENT_TYPE_CUSTOMER_ERASED,   /* his texts are to be unreadable */
    AW_EVENT_TYPE_EVENTS_GAP,        /* no record: what was asked for was trimmed */
    AW_EVENT_TYPE_FLIGHT_SET,
    AW_EVENT_TYPE_FORECAST_PUBLISHED, /* what is told of how long it takes, of a group of lanes */
    AW_EVENT_TYPE_INCIDENT_ANSWERED,  /* none of its tickets is left that goes */
    AW_EVENT_TYPE_INCIDENT_APPROVED,  /* a person lets its tickets be answered */
    AW_EVENT_TYPE_INCIDENT_PROPOSED,  /* by the server */
    AW_EVENT_TYPE_INCIDENT_SET,       /* made, changed or closed */
    AW_EVENT_TYPE_LANE_SET,
    AW_EVENT_TYPE_MESSAGE_WITHDRAWN, /* its customer took it back */
    AW_EVENT_TYPE_PROMISE_MOVING,    /* a ticket will wait longer than its customer was promised */
    AW_EVENT_TYPE_REPLIES_ERASED,    /* those of a ticket that is not closed with it: none that waits goes */
    AW_EVENT_TYPE_REPLIES_LEASED,    /* by a gateway */
    AW_EVENT_TYPE_REPLIES_REDRIVEN,  /* what was dead is to be sent after all */
    AW_EVENT_TYPE_REPLY_APPROVED,
    AW_EVENT_TYPE_REPLY_DELIVERED,
    AW_EVENT_TYPE_REPLY_FAILED,
    AW_EVENT_TYPE_REPLY_READ,
    AW_EVENT_TYPE_REPLY_REFUSED,
    AW_EVENT_TYPE_REPLY_SENT,
    AW_EVENT_TYPE_REPLY_TIMED, /* a gateway's lease ran out, or it is due again */
    AW_EVENT_TYPE_SERVER_STARTED,
    AW_EVENT_TYPE_SETTINGS_SET,
    AW_EVENT_TYPE_SURGE_CHANGED,
    AW_EVENT_TYPE_SURGE_DECLARED,
    AW_EVENT_TYPE_SURGE_ENDED,
    AW_EVENT_TYPE_TEMPLATE_SET,
    AW_EVENT_TYPE_TICKET_ANSWERED, /* with its incident: it is closed */
    AW_EVENT_TYPE_TICKET_ASKED,    /* whether its customer still waits */
    AW_EVENT_TYPE_TICKET_CANCELLED,
    AW_EVENT_TYPE_TICKET_COMPLETED,
    AW_EVENT_TYPE_TICKET_DECLINED,
    AW_EVENT_TYPE_TICKET_DEFERRED, /* its holder put it off */
    AW_EVENT_TYPE_TICKET_ERASED,   /* one of his: what was written in it is unreadable, and it is closed */
    AW_EVENT_TYPE_TICKET_EXPIRED,  /* a lease ran out */
    AW_EVENT_TYPE_TICKET_EXTENDED,
    AW_EVENT_TYPE_TICKET_HELD,
    AW_EVENT_TYPE_TICKET_HELPED, /* other lanes begin to help, or those that helped do so no more */
    AW_EVENT_TYPE_TICKET_JOINED, /* a message came to an open ticket */
    AW_EVENT_TYPE_TICKET_LEASED,
    AW_EVENT_TYPE_TICKET_LINKED,     /* to an incident, beside a message, or taken out of one */
    AW_EVENT_TYPE_TICKET_NOT_NEEDED, /* its customer needs no answer any more, as he was asked, or opted out: it is closed */
    AW_EVENT_TYPE_TICKET_NOTED,      /* an agent told colleagues something about it */
    AW_EVENT_TYPE_TICKET_OFFERED,    /* to agents who could not have it before */
    AW_EVENT_TYPE_TICKET_OPENED,
    AW_EVENT_TYPE_TICKET_PLACED,
    AW_EVENT_TYPE_TICKET_RECLASSED, /* class or departure, by the clock or a flight */
    AW_EVENT_TYPE_TICKET_RELEASED,
    AW_EVENT_TYPE_TICKET_REOPENED,
    AW_EVENT_TYPE_TICKET_REPLIED,     /* its holder wrote back and keeps it */
    AW_EVENT_TYPE_TICKET_RESUMED,     /* a hold ended, or what its holder put it off for */
    AW_EVENT_TYPE_TICKET_SHOWN,       /* a complete was refused: its holder was told of messages that he had not seen */
    AW_EVENT_TYPE_TICKET_TRANSFERRED, /* by its holder */
    AW_EVENT_TYPE_TICKET_UNFOLDED,
    AW_EVENT_TYPES
};
AW_STATIC_ASSERT(AW_EVENT_TYPES <= 64, "a set of types is a word");

/* "aswolk.ticket.opened" */
struct aw_slice aw_event_type_name(enum aw_event_type type);
/* The types that `name` stands for, 1 << type each: itself, or all that begin with it and a dot ("aswolk.ticket"). 0: none. */
uint64_t aw_event_types_named(struct aw_slice name);
/* Of a record, as it was read. */
enum aw_event_type aw_event_type_of(const struct aw_command *command);

/* Where events come from. */
struct aw_event_source {
    const uint8_t *store; /* UUID, 16 bytes; borrows */
    uint8_t        shard;
    /* The name of a lane; asked only for lanes that records name. */
    struct aw_slice (*lane_name)(void *user, uint32_t lane);
    void *user;
};

/* One event takes at most so many bytes, in either encoding: texts of a record, escaped, and what stands around them. */
#define AW_EVENT_BYTES_MAX (16U * 1024U)

/* The event as a value of its own. `command`: as the record was read; `at`: when it was carried out, at most
 * AW_RECORD_MS_MAX. */
void aw_proto_write_event(struct aw_writer *writer, const struct aw_event_source *source, const struct aw_command *command,
                          aw_ms at);
/* What happened from `from` to `to` was trimmed. */
void aw_proto_write_gap(struct aw_writer *writer, const struct aw_event_source *source, uint64_t from, uint64_t to);

#endif
