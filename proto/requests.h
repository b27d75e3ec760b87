/* requests.h - what clients ask for besides posting messages, decoded (design: section 8, "Bodies" and "Ranges").
 *
 * Their fields, limits and defaults: fields.def. An empty body stands for one without fields. All slices and arrays borrow from
 * the body and the request's arena. An optional text that was not sent has ptr NULL and len 0. Thread: any.
 */
#ifndef AW_PROTO_REQUESTS_H
#define AW_PROTO_REQUESTS_H

#include "base/slice.h"
#include "base/time.h"
#include "model/answer.h"
#include "model/command.h"

/* POST /v1/messages/withdraw, alone or as one line */
struct aw_withdraw_request {
    struct aw_slice channel; /* required, as source_id */
    struct aw_slice account;
    struct aw_slice source_id;
};

/* POST /v1/contacts/opt-out and opt-in, alone or as one line */
struct aw_opt_out_request {
    struct aw_slice channel; /* required, as customer */
    struct aw_slice account;
    struct aw_slice customer;
    bool            dry_run;
};

/* POST /v1/customers/erase */
struct aw_erase_request {
    struct aw_slice channel; /* required, as customer */
    struct aw_slice customer;
    bool            dry_run;
};

/* POST /v1/leases */
struct aw_pull_request {
    const struct aw_slice *lanes; /* none: all of the agent's */
    uint32_t               lane_count;
    uint32_t               max;
    uint32_t               wait_s;
    uint32_t               lease_s;
};

/* POST /v1/leases/{lease}/extend */
struct aw_extend_request {
    uint32_t lease_s;
};

/* POST /v1/leases/{lease}/complete */
struct aw_complete_request {
    struct aw_slice disposition;
    bool            reply_known;
    struct aw_reply reply;
};

/* POST /v1/leases/{lease}/release, /decline */
struct aw_release_request {
    struct aw_slice reason; /* required */
};

/* POST /v1/leases/{lease}/transfer: one of the first two */
struct aw_transfer_request {
    struct aw_slice lane;
    struct aw_slice agent;
    struct aw_slice note;
};

/* POST /v1/leases/{lease}/defer */
struct aw_defer_request {
    aw_ms                until; /* required, all three */
    enum aw_defer_reason reason;
    struct aw_slice      what;
};

/* POST /v1/tickets/{id}/notes, and what is stored of a note */
struct aw_note_request {
    struct aw_slice text; /* required */
};

/* POST /v1/replies/check */
struct aw_reply_check_request {
    struct aw_slice text; /* required */
    uint8_t         visibility;
    struct aw_slice channel;
};

/* One line of POST /v1/leases/extend */
struct aw_extend_line {
    struct aw_slice lease; /* required */
    uint32_t        lease_s;
};

/* One line of POST /v1/leases/complete */
struct aw_complete_line {
    struct aw_slice lease; /* required */
    struct aw_slice disposition;
    bool            reply_known;
    struct aw_reply reply;
};

/* PUT /v1/lanes/{lane}: the whole of it; what is left out goes back to its default. */
struct aw_lane_request {
    struct aw_lane_match         match;
    enum aw_lane_pause           pause;
    const struct aw_lane_helper *helpers; /* ascending by after_s, each lane once */
    uint32_t                     helper_count;
};

/* PUT /v1/agents/{agent}: as with lanes. */
struct aw_agent_request {
    const struct aw_slice       *lanes; /* none: all */
    uint32_t                     lane_count;
    uint8_t                      classes; /* 1 << class each; 0: all */
    bool                         needs_approval;
    bool                         is_gentle;
    const struct aw_agent_units *units; /* by channel, each once */
    uint32_t                     unit_count;
    bool                         units_total_known;
    uint32_t                     units_total;
    bool                         dry_run;
};

/* POST /v1/replies/{id}/approve */
struct aw_approve_request {
    struct aw_slice note;
};

/* POST /v1/replies/{id}/refuse */
struct aw_refuse_request {
    struct aw_slice reason; /* required */
};

/* The query of GET /v1/replies; what is empty asks nothing. */
struct aw_reply_filter {
    enum aw_reply_state state; /* NONE: any */
    struct aw_slice     ticket;
    struct aw_slice     agent;
    struct aw_slice     channel;
    struct aw_slice     account;
};

/* PUT /v1/agents/{agent}/presence */
struct aw_presence_request {
    enum aw_presence presence; /* required */
};

/* The parameters of GET /v1/tickets: what is asked of a ticket, all of it. */
struct aw_ticket_filter {
    uint8_t         states;  /* 1 << enum aw_ticket_state each; those that are open */
    uint8_t         classes; /* 1 << enum aw_class each; all */
    struct aw_slice lane;
    struct aw_slice customer; /* needs the channel; account: `main` when left out */
    struct aw_slice channel;
    struct aw_slice account;
    struct aw_slice flight; /* number/date */
    struct aw_slice airport;
    struct aw_slice booking;
    struct aw_slice agent;
    uint64_t        older_than_s; /* 0: any age */
    bool            deferred_known;
    bool            deferred;
    struct aw_slice incident;
    uint8_t         promise; /* 0: any; 1: breaking */
};

/* PATCH /v1/tickets/{id} */
struct aw_ticket_request {
    uint8_t         class_; /* enum aw_class, or AW_CLASS_NONE; this, lane or hold is there */
    struct aw_slice lane;
    bool            hold_known;
    bool            hold;       /* `hold_until` only with true */
    aw_ms           hold_until; /* 0: until a person ends it */
    struct aw_slice reason;
    bool            dry_run;
};

/* POST /v1/tickets/bulk: filter or tickets; cancel, or what a patch may say. */
struct aw_bulk_request {
    const struct aw_slice  *tickets;
    uint32_t                ticket_count;
    bool                    filter_known;
    struct aw_ticket_filter filter;
    bool                    cancel;
    uint8_t                 class_; /* enum aw_class, or AW_CLASS_NONE */
    struct aw_slice         lane;
    bool                    hold_known;
    bool                    hold;
    aw_ms                   hold_until;
    struct aw_slice         reason;
    bool                    dry_run;
    bool                    is_atomic;
};

/* POST /v1/tickets/{id}/cancel */
struct aw_cancel_request {
    struct aw_slice reason;
    bool            dry_run;
};

/* POST /v1/tickets/{id}/unfold */
struct aw_unfold_request {
    const struct aw_slice *messages; /* required, one or more */
    uint32_t               message_count;
    struct aw_slice        reason;
    bool                   dry_run;
};

/* PUT /v1/flights/{number}/{date} */
struct aw_flight_request {
    enum aw_flight_state state;      /* required */
    aw_ms                departs_at; /* required with DELAYED; may be there with SCHEDULED */
    bool                 dry_run;
};

/* POST /v1/flights, alone or as one line */
struct aw_flight_line {
    struct aw_slice          number; /* required */
    uint32_t                 date_days;
    bool                     date_known; /* required */
    struct aw_flight_request want;
};

/* PUT /v1/airports/{iata} */
struct aw_airport_request {
    bool  is_closed; /* required */
    aw_ms from;      /* with is_closed; 0: from now on */
    aw_ms until;     /* required with is_closed */
    bool  dry_run;
};

/* POST /v1/changes/{id}/undo */
struct aw_undo_request {
    bool dry_run;
};

/* POST /v1/replies/leases */
struct aw_reply_pull_request {
    const struct aw_account_name *accounts; /* required, one or more */
    uint32_t                      account_count;
    uint32_t                      max;
    uint32_t                      wait_s;
    uint32_t                      lease_s;
};

/* POST /v1/replies/{reply}/status */
struct aw_reply_status_request {
    enum aw_reply_state state; /* required */
    struct aw_slice     lease;
    struct aw_slice     provider_id;
    struct aw_slice     code; /* with FAILED, like the next */
    uint32_t            retry_after_s;
};

/* POST /v1/replies/redrive */
struct aw_redrive_request {
    struct aw_slice channel;
    struct aw_slice account;
    struct aw_slice code;
    struct aw_slice ticket;
    aw_ms           since;
    uint32_t        max;
    bool            dry_run;
};

/* A flight as an incident names it. */
struct aw_incident_flight {
    struct aw_slice number; /* both required */
    uint32_t        date_days;
    bool            date_known;
};

/* POST /v1/incidents */
struct aw_incident_request {
    struct aw_slice                  title; /* required */
    const struct aw_incident_flight *flights;
    uint32_t                         flight_count;
    const struct aw_slice           *airports;
    uint32_t                         airport_count;
    const struct aw_slice           *bookings;
    uint32_t                         booking_count;
    const struct aw_slice           *tickets;
    uint32_t                         ticket_count;
    bool                             follow_known;
    bool                             follow;
    bool                             dry_run;
};

/* PATCH /v1/incidents/{id}: what is left out stays as it is; flights, airports and bookings go together. */
struct aw_incident_patch {
    uint8_t                          state; /* enum aw_incident_state; NONE */
    struct aw_slice                  title;
    const struct aw_incident_flight *flights;
    uint32_t                         flight_count;
    const struct aw_slice           *airports;
    uint32_t                         airport_count;
    const struct aw_slice           *bookings;
    uint32_t                         booking_count;
    bool                             keys_known; /* any of these three was sent, be it empty */
    bool                             follow_known;
    bool                             follow;
    bool                             dry_run;
};

/* POST /v1/incidents/{id}/answer: a dry run, or what one answered as `digest`. */
struct aw_incident_answer_request {
    const struct aw_own_text *texts; /* required, one or more */
    uint32_t                  text_count;
    bool                      dry_run;
    struct aw_slice           digest;
    struct aw_slice           cursor; /* with dry_run, like `limit` */
    uint32_t                  limit;
};

/* POST /v1/incidents/{id}/link, /unlink */
struct aw_incident_tickets {
    const struct aw_slice *tickets; /* required, one or more */
    uint32_t               ticket_count;
};

/* PUT /v1/templates/{kind} */
struct aw_template_request {
    const struct aw_own_text *texts;
    uint32_t                  text_count;
    bool                      dry_run;
};

/* PUT /v1/channels/{channel}: as with lanes. */
struct aw_channel_request {
    const struct aw_pace *paces; /* each account once */
    uint32_t              pace_count;
    bool                  dry_run;
};

/* PUT /v1/surge: the whole of it; what is left out goes back to as it is set. */
struct aw_surge_flight_request {
    struct aw_slice number; /* required */
    uint32_t        date_days;
    bool            date_known; /* required */
};
struct aw_surge_scope_request {
    const struct aw_slice                *lanes; /* none: all */
    uint32_t                              lane_count;
    const struct aw_slice                *channels; /* each once */
    uint32_t                              channel_count;
    const struct aw_surge_flight_request *flights;
    uint32_t                              flight_count;
    const struct aw_slice                *airports;
    uint32_t                              airport_count;
};
struct aw_surge_targets_request {
    uint32_t target_s[AW_CLASS_COUNT]; /* 0: as set */
};
struct aw_surge_notice_request {
    struct aw_slice lang; /* empty: any other */
    struct aw_slice text; /* required */
};
struct aw_surge_receipt_request {
    const struct aw_surge_notice_request *notices; /* each language once */
    uint32_t                              notice_count;
    uint8_t                               is_receipt; /* acknowledgement: off */
};
struct aw_surge_policy_request {
    uint8_t                         order; /* enum aw_surge_order */
    struct aw_surge_targets_request targets;
    uint32_t                        overflow_after_s; /* 0: as their lane says */
    struct aw_surge_receipt_request receipt;
};
struct aw_surge_request {
    uint8_t                        is_on; /* required; the next ones only with it */
    struct aw_slice                reason;
    bool                           scope_known;
    bool                           policy_known;
    struct aw_surge_scope_request  scope;
    struct aw_surge_policy_request policy;
    bool                           dry_run;
};

#endif
