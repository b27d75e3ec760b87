/* command.h - everything that can change the state, as values. What changed something is a record in the journal (model/record.h).
 *
 * A command has inputs (`in`), filled by an io thread, the committer's timers or replay, and an outcome (`out`), written by
 * aw_state_apply. Inputs are all that apply may look at besides the state and the batch's time: class, reasons, hashes and the body
 * are computed before and stored with the record, so that a replay never runs a rule again.
 * Strings borrow from the memory of whoever made the command, until its outcome was read; apply copies what the state keeps.
 * Thread: one at a time; commands travel between threads inside submissions (commit/submission.h).
 *
 * The kinds are stored: never change or reuse a number. A new field goes behind the others of its record with a new record version
 * (model/record.c); apply must go on reading all older versions.
 */
#ifndef AW_MODEL_COMMAND_H
#define AW_MODEL_COMMAND_H

#include "base/assert.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/time.h"
#include "model/answer.h"
#include "model/class.h"
#include "model/ids.h"
#include "model/order.h"
#include "model/promise.h"

#include <stddef.h>

enum aw_command_kind {
    AW_COMMAND_EPOCH = 1,     /* a start: epoch + 1, every running lease gets some time */
    AW_COMMAND_SETTINGS = 2,  /* the settings that apply looks at */
    AW_COMMAND_LANE = 3,      /* makes or changes a lane */
    AW_COMMAND_FLIGHT = 4,    /* what a flight does */
    AW_COMMAND_AIRPORT = 5,   /* an airport closes or opens */
    AW_COMMAND_UNDO = 6,      /* one of these two or a surge, while nothing came after it */
    AW_COMMAND_AGENT = 7,     /* what an agent is set to: lanes, gentle, units */
    AW_COMMAND_CHANNEL = 8,   /* what a channel is set to: how fast replies may go out on its accounts */
    AW_COMMAND_PRESENCE = 9,  /* whether an agent takes tickets now */
    AW_COMMAND_MESSAGE = 10,  /* accepted: opens, joins or reopens a ticket */
    AW_COMMAND_WITHDRAW = 14, /* a customer took a message back */
    AW_COMMAND_OPT_OUT = 15,  /* who only talked about us wants to hear nothing, or that is taken back */
    AW_COMMAND_ERASE = 16,    /* all that a customer wrote, and what was written to him and of him, is to be unreadable */
    AW_COMMAND_LEASE = 20,
    AW_COMMAND_EXTEND = 21,
    AW_COMMAND_COMPLETE = 22,
    AW_COMMAND_RELEASE = 23,
    AW_COMMAND_TIMER = 24, /* a ticket's time came: lease over, hold over, departure near or gone, aside no more, others help */
    AW_COMMAND_DECLINE = 25,
    AW_COMMAND_TRANSFER = 26, /* to another lane, or to a colleague */
    AW_COMMAND_DEFER = 27,    /* put off, with a word to the customer */
    AW_COMMAND_NOTE = 28,     /* an agent tells colleagues something about a ticket */
    AW_COMMAND_HOLD = 31,
    AW_COMMAND_UNHOLD = 32,
    AW_COMMAND_CANCEL = 33,
    AW_COMMAND_PLACE = 34,           /* a person gives a ticket its class or lane, and perhaps holds it or lets it go */
    AW_COMMAND_UNFOLD = 35,          /* some of a ticket's messages become a ticket of their own */
    AW_COMMAND_REPLY = 40,           /* the holder of a ticket writes back and keeps it */
    AW_COMMAND_REPLY_LEASE = 41,     /* a gateway takes replies that are due */
    AW_COMMAND_REPLY_STATUS = 42,    /* what became of one */
    AW_COMMAND_REPLY_TIMER = 43,     /* a reply's time came: its lease is over, or it is due again */
    AW_COMMAND_REDRIVE = 44,         /* dead replies are to be sent after all */
    AW_COMMAND_APPROVE = 45,         /* a colleague lets a reply go, or does not */
    AW_COMMAND_TEMPLATE = 46,        /* what the server itself writes, in which words */
    AW_COMMAND_PROMISE = 47,         /* a ticket will wait longer than was promised: another promise */
    AW_COMMAND_INCIDENT = 50,        /* makes, proposes, changes or closes an incident */
    AW_COMMAND_INCIDENT_LINK = 51,   /* a ticket joins one, or is taken out */
    AW_COMMAND_INCIDENT_ANSWER = 52, /* a person lets its tickets be answered, as they were shown */
    AW_COMMAND_INCIDENT_TIMER = 53,  /* one of these tickets is answered; or none is left */
    AW_COMMAND_SURGE = 60,           /* the desk's surge is declared, changed or ended */
    AW_COMMAND_FORECAST = 61,        /* how long it takes in a group of lanes, as told from now on */
};

/* How many rows tables may have, as decisions go by them: what is forgotten early when a table is full must be so again at a
 * replay, whatever the settings are by then. They grow, but do not shrink. 0: as many as the table was made for. */
struct aw_table_limits {
    uint32_t tickets_max; /* slots: one less, as slot 0 is no ticket */
    uint32_t identities_max;
    uint32_t ids_max;
    uint32_t leases_max;
    uint32_t lanes_max;
    uint32_t agents_max;
    uint32_t keys_max;
    uint32_t facts_max;
    uint32_t flights_max;
    uint32_t asides_max;
    uint32_t replies_max;
    uint32_t commitments_max;
    uint32_t contacts_max;
};
AW_STATIC_ASSERT(sizeof(struct aw_table_limits) == 52, "no holes: it is part of the globals' digest");

/* The settings that decide inside apply; journaled, so that a replay decides alike. Shown with unit and default. None may be above
 * AW_DURATION_MS_MAX, backdate_ms not above AW_CORE_BACKDATE_MS_MAX. */
#define AW_CORE_BACKDATE_MS_MAX UINT64_C(0xFFFFFFFF) /* 49 days: a ticket keeps it in 32 bits */
struct aw_core_settings {
    uint64_t dedupe_ms;      /* 7 days: a source id is remembered that long */
    uint64_t reopen_ms;      /* 24 h: a message to a ticket closed less ago reopens it */
    uint64_t backdate_ms;    /* 24 h: how far received_at may lie before acceptance and count as age */
    uint64_t imminent_ms;    /* 6 h: a departure that near makes a ticket imminent */
    uint64_t lease_grace_ms; /* 30 s: least time of a running lease after a start */
    uint64_t decline_ms;     /* 10 min: a declined ticket is not offered to that agent again */
    uint64_t kept_ms;        /* 2 min: a reopened ticket is kept for the agent who closed it; 0: never */
    uint64_t kept_gentle_ms; /* 15 min: the same of a gentle one */
    uint64_t
        kept_transfer_ms;     /* 15 min: a ticket is kept for the agent whom it was transferred to, or who put it off; 0: never */
    uint64_t gentle_first_ms; /* 1 min: a gentle ticket is for agents marked gentle first; 0: never */
    uint64_t handling_ms[AW_CLASS_COUNT]; /* 10/5/8/6/4 min: handling estimate; a departure nearer than that can't be made */
    uint64_t reply_retry_ms;              /* 5 s: a reply that failed is sent again after this, then twice that, and so on */
    uint64_t reply_retry_ms_max;          /* 15 min: but never later than this */
    uint64_t defer_back_ms;   /* 1 h: a deferred ticket comes back so long before it is due, or half of what is left */
    uint64_t still_needed_ms; /* 0: who waits that long is asked whether he still does; 0: nobody is */
    uint64_t contact_ms;      /* 365 days: who only talked about us, and was written to, is not written to again for so long */
    struct aw_table_limits tables;
    uint32_t               reply_attempts_max; /* 8: so often it is given out before it is dead */
};
#define AW_CORE_SETTINGS_DEFAULT                                                                                                 \
    ((struct aw_core_settings){.dedupe_ms = UINT64_C(7) * 24 * 3600 * 1000,                                                      \
                               .reopen_ms = UINT64_C(24) * 3600 * 1000,                                                          \
                               .backdate_ms = UINT64_C(24) * 3600 * 1000,                                                        \
                               .imminent_ms = UINT64_C(6) * 3600 * 1000,                                                         \
                               .lease_grace_ms = UINT64_C(30) * 1000,                                                            \
                               .decline_ms = UINT64_C(10) * 60 * 1000,                                                           \
                               .kept_ms = UINT64_C(2) * 60 * 1000,                                                               \
                               .kept_gentle_ms = UINT64_C(15) * 60 * 1000,                                                       \
                               .kept_transfer_ms = UINT64_C(15) * 60 * 1000,                                                     \
                               .gentle_first_ms = UINT64_C(60) * 1000,                                                           \
                               .handling_ms = {600000, 300000, 480000, 360000, 240000},                                          \
                               .reply_retry_ms = UINT64_C(5) * 1000,                                                             \
                               .reply_retry_ms_max = UINT64_C(15) * 60 * 1000,                                                   \
                               .defer_back_ms = UINT64_C(3600) * 1000,                                                           \
                               .contact_ms = UINT64_C(365) * 24 * 3600 * 1000,                                                   \
                               .reply_attempts_max = 8})

/* What a request with an Idempotency-Key is known by: sent again, it is answered as the first time and changes nothing. */
struct aw_once {
    struct aw_hash128 key;     /* keyed hash of who sent it and the key; zero: none */
    uint64_t          request; /* keyed hash of path and body: tells a repeat from another request under the same key */
};

/* The same for pulls, which are not remembered beyond their leases: while a lease of one pull runs, no other pull under its key
 * gets any. */
struct aw_pull_key {
    uint64_t key;     /* keyed hash of agent and Idempotency-Key; 0: none */
    uint32_t request; /* of the body */
    uint32_t pull;    /* which pull of those sent under the key: drawn at random for each */
};
AW_STATIC_ASSERT(sizeof(struct aw_pull_key) == 16, "no holes: it lies in rows");

/* Which version a thing must have for its change to be carried out. */
#define AW_VERSION_SOME UINT64_MAX       /* any, but it must exist: `If-Match: *` */
#define AW_VERSION_NONE (UINT64_MAX - 1) /* no thing ever has it */
struct aw_if_match {
    uint64_t        version;     /* 0: nothing asked, it need not even exist */
    const uint64_t *others;      /* or one of these. Not recorded: there are records only of what matched */
    uint32_t        other_count; /* 0 when nothing is asked */
};
/* `version` of the thing; 0: it does not exist. */
static inline bool
aw_if_match_holds(const struct aw_if_match *if_match, uint64_t version)
{
    bool holds = if_match->version == 0 || if_match->version == version || (if_match->version == AW_VERSION_SOME && version != 0);

    for (uint32_t i = 0; i < if_match->other_count; i++)
        holds |= if_match->others[i] == version;
    return holds;
}

struct aw_in_epoch {
    uint64_t epoch; /* the new one; the last one + 1 */
};

struct aw_in_lane {
    struct aw_slice      name; /* makes the lane when there is none */
    enum aw_lane_pause   pause;
    struct aw_lane_match match;
    /* Ascending by after_s; each is there, is another lane, and is named once: else AW_E_BAD_VALUE. */
    const struct aw_lane_helper *helpers;
    uint32_t                     helper_count;
    struct aw_if_match           if_match;    /* else AW_E_PRECONDITION */
    bool                         only_create; /* nothing changes when the lane exists (AW_OK, changed false) */
};

/* The whole of what an agent is set to; what is left out goes back to its default. Its channels get numbers, if there are any left
 * (else AW_E_TABLE_FULL). */
struct aw_in_agent {
    struct aw_slice              name;  /* of one never seen too */
    const uint32_t              *lanes; /* ascending, each once, all of them there; NULL: all lanes */
    uint32_t                     lane_count;
    bool                         is_gentle;
    uint8_t                      barred;         /* classes that it is not given, 1 << class each; not all of them */
    bool                         needs_approval; /* what it writes waits for a colleague */
    const struct aw_agent_units *units;          /* each channel once; a channel that is not named has no bound of its own */
    uint32_t                     unit_count;
    uint32_t                     units_total; /* or AW_UNITS_NO_TOTAL */
    struct aw_slice              by;
    struct aw_if_match           if_match; /* else AW_E_PRECONDITION */
    bool                         dry_run;  /* only tells what would be; not recorded */
};

/* Only who is READY is given tickets. */
struct aw_in_presence {
    struct aw_slice  name;     /* of an agent never seen too */
    enum aw_presence presence; /* not GONE */
    struct aw_slice  by;
};

/* What a flight does from now on. Its number and date are stored beside their hash, so that people can read what they changed. */
struct aw_in_flight {
    uint64_t             flight_hash; /* of number and date, keyed; not 0 */
    struct aw_slice      number;
    uint32_t             date_days;
    enum aw_flight_state state;
    aw_ms                departs_at; /* DELAYED: when; SCHEDULED: when, or 0 as the messages say; else 0 */
    struct aw_slice      by;
    struct aw_if_match   if_match; /* else AW_E_PRECONDITION */
    bool                 dry_run;  /* counts only; not recorded, as there is nothing to record */
};

struct aw_airport_code {
    char letters[3]; /* A to Z */
};

/* Closed for departures from `from` on and before `until`; both 0: open. */
struct aw_in_airport {
    struct aw_airport_code code;
    aw_ms                  from;
    aw_ms                  until;
    struct aw_slice        by;
    struct aw_if_match     if_match;
    bool                   dry_run;
};

struct aw_in_undo {
    struct aw_change_id change;
    struct aw_slice     by;
    bool                dry_run;
};

struct aw_surge;
/* The whole of it, without `since`; one that is off has nothing else set. */
struct aw_in_surge {
    const struct aw_surge *surge; /* model/surge.h; NULL: off */
    struct aw_slice        by;
    struct aw_if_match     if_match; /* else AW_E_PRECONDITION */
    bool                   dry_run;  /* counts only; not recorded */
};

/* A departure that concerns this message; kept so that flight events can find the ticket (hashes of number and date, keyed). */
struct aw_flight_fact {
    uint64_t        flight_hash; /* 0: without a date no event can name it */
    aw_ms           departs_at;  /* 0: unknown */
    char            from[3];     /* zeros: unknown */
    char            to[3];
    struct aw_slice number; /* what the hash is of, to propose an incident by; empty: unknown. Not recorded */
    uint32_t        date_days;
};

struct aw_in_message {
    struct aw_hash128             id_hash;    /* of channel, account, source_id */
    const struct aw_hash128      *identities; /* [0] channel+account+customer, then the verified ones; 1 or more */
    uint32_t                      identity_count;
    struct aw_slice               channel;
    struct aw_slice               account;
    struct aw_slice               lang;
    struct aw_slice               lane; /* asked for; empty: by match */
    const struct aw_slice        *tags;
    uint32_t                      tag_count;
    const struct aw_flight_fact  *flights;
    uint32_t                      flight_count;
    const struct aw_airport_code *airports; /* that it is about, besides those of its flights */
    uint32_t                      airport_count;
    uint64_t                      booking_hash; /* that it is about; keyed, of its code; 0: none */
    aw_ms                         received_at;  /* 0: at acceptance */
    aw_ms                         departs_at;   /* earliest departure that concerns it; 0: none */
    aw_ms                         reply_by;     /* 0: none */
    enum aw_class class_; /* by facts, hint and rules, without the clock: never IMMINENT because of departs_at alone */
    uint8_t       care;   /* bits of enum aw_care */
    uint8_t       visibility;
    uint8_t       addressed;
    bool          gentle;
    bool          not_needed; /* all that it says is that no answer is needed any more */
    bool          opts_out;   /* all that it says is that he wants to hear nothing */
    /* Keyed hash of channel and customer; zero: not told. */
    struct aw_hash128 contact;
    /* Keyed hash of channel, account and the id that a reply of ours got there, which this one answers; zero: none. */
    struct aw_hash128 in_reply_to;
    /* The content: what was posted, and behind it, when there are any, the reasons. Lies in the bodies tree, the record holds its
     * hash, where the reasons begin, and what tells the same post from another: reasons change with the rules. */
    struct aw_slice  body;
    struct aw_sha256 body_hash;     /* of the plain body */
    uint32_t         reasons_bytes; /* the last so many of the body; 0: there are none, and the body is what was posted */
    uint64_t         posted_hash;   /* keyed hash of what was posted; not 0, when there are reasons; else 0 */
    uint32_t         rules_version; /* of the rules that read the text; 0: none did */
    /* Why this class; words for people. They quote the text, so they go with it: not recorded, but in the body. */
    const struct aw_slice *reasons;
    uint32_t               reason_count;
};

/* An identity by which a customer is known at one account has this half of his address' hash, which is the same at all of them: so
 * a ticket's identities tell which addresses wrote in it. Other identities do not have the bit. */
#define AW_ADDRESS_BIT (UINT64_C(1) << 63)
static inline uint64_t
aw_address_of(struct aw_hash128 contact)
{
    return contact.low | AW_ADDRESS_BIT;
}

/* What the channel says was deleted there. */
struct aw_in_withdraw {
    struct aw_message_id message;
    struct aw_ticket_id  ticket; /* that its record names */
    struct aw_slice      by;
};

/* What a customer wrote up to a record is to be unreadable, and what else there is of the tickets that he wrote in. One for each of
 * them closes it; the last one names no ticket, and is that which the texts go by. */
struct aw_in_erase {
    struct aw_hash128   customer; /* keyed hash of channel and customer, as a message's `contact`; not zero */
    uint64_t            through;
    struct aw_ticket_id ticket;   /* slot 0: none */
    uint32_t            messages; /* whoever wrote them: as many were found in this ticket */
    /* Of the last one, when a ticket of his stays open: behind this record none was unfolded; else 0. */
    uint64_t        looked;
    struct aw_slice by;
};

/* Who only talks about us wants to hear nothing on this channel; or, with is_in, that counts no more. */
struct aw_in_opt_out {
    struct aw_hash128 contact; /* keyed hash of channel and customer; not zero */
    struct aw_slice   channel; /* for people, as the next */
    struct aw_slice   account; /* where he said so */
    bool              is_in;
    struct aw_slice   by;
    bool              dry_run; /* only tells what would be; not recorded */
};

/* Content that lies in the bodies tree, under the number of its record, which holds its hash. A message has the same fields. */
struct aw_in_body {
    struct aw_slice  bytes; /* in a command that was read from a record: empty */
    uint32_t         len;   /* 0: there is no body */
    struct aw_sha256 hash;  /* of the plain body */
};

/* How a pull came to the ticket that it asks for. Apply does not look at it: it is recorded so that an audit can tell what else
 * lay in these lanes at that moment. */
#define AW_CHOICE_ASIDE (AW_CLASS_COUNT + 2U) /* in place of a queue: it lay in none, and the committer handed it out */
struct aw_lease_choice {
    aw_ms at; /* the time that the rule was given; 0: all of this is empty, as no pull chose, or for lack of room */
    struct aw_order_settings order;       /* the rule */
    uint64_t                 seen_seq;    /* records up to this one were published before the pull looked */
    uint64_t                 taken_seq;   /* the same when it had taken the ticket */
    uint32_t                 held_us;     /* from then until the lease was applied; UINT32_MAX: or longer. Set by the committer */
    uint8_t                  queue;       /* of the lane, out of which it was taken; or AW_CHOICE_ASIDE */
    uint16_t                 full;        /* channels that it passed over, 1 << number: no unit of the agent was free there */
    uint8_t                  barred;      /* classes that it passed over, 1 << class: not for this agent */
    uint32_t                 back_slot;   /* ASIDE: the pull's own last choice, which went back to its queue for it; 0: none */
    uint64_t                 refused_seq; /* choices were refused since the lease before, without a record, and their tickets went
                                          * back: the smallest seen_seq of them; 0: none. Set by the committer */
    const uint32_t          *lanes;       /* of the pull, ascending; NULL: all */
    uint32_t                 lane_count;  /* of the list; at most AW_LANES_PER_PULL_MAX */
    aw_ns                    taken_at;    /* monotonic, for held_us; not recorded */
};

/* Queues of a lane, 1 << queue each. */
struct aw_lane_queues {
    uint16_t lane;
    uint8_t  queues;
};
#define AW_TICKET_LANES_MAX (1U + AW_LANE_HELPERS_MAX) /* in which a ticket can wait at a time */

struct aw_in_lease {
    uint32_t slot; /* as taken from the lanes */
    uint32_t version;
    uint32_t through; /* the lane, + 1, in whose queue it was found: its own, or one that helps. 0: its own */
    /* Where it goes back to when refused. Not recorded. */
    struct aw_lane_queues  taken_from[AW_TICKET_LANES_MAX];
    uint32_t               taken_count;
    struct aw_slice        agent;
    uint64_t               lease_ms;
    struct aw_pull_key     pull_key;
    struct aw_lease_choice choice;
};

/* What an agent writes back (core/outbox.h). Where it goes was read from the message that it answers, and is recorded. */
struct aw_in_reply {
    bool                 is_there; /* COMPLETE may do without */
    bool                 is_bulk;  /* one of very many: behind all others */
    bool                 is_override;
    uint8_t              visibility;
    struct aw_message_id to;        /* seq 0: there is no such message */
    struct aw_ticket_id  to_ticket; /* which ticket that message's record names */
    struct aw_slice      channel;   /* the message's, or with consent another one */
    struct aw_slice      account;
    struct aw_message_id consent;        /* the customer agreed to these; seq 0: they are the message's */
    struct aw_ticket_id  consent_ticket; /* which ticket that message's record names */
    struct aw_in_body    body;
    /* AW_OK, or what is answered to who holds the lease and did not write this before. Not recorded. */
    enum aw_err refusal;
};

/* What all kinds have that name a lease; `op_hash` tells a repeat from another request with the same token. */
struct aw_in_fenced {
    struct aw_lease_id lease;
    struct aw_slice    agent;
    uint64_t           op_hash;
    uint64_t           lease_ms;   /* extend; 0: the end stays as it is, only what came meanwhile counts as seen */
    struct aw_slice    words;      /* complete: disposition; release, decline: reason */
    bool               gives_back; /* release, for a pull whose answer went nowhere; not recorded: aw_state_admits looks at it */
    struct aw_in_reply reply;      /* REPLY, COMPLETE */
};

/* What time had to say of a ticket. The numbers are recorded: never change or reuse one. */
enum aw_timer_cause {
    AW_TIMER_NOTHING = 0,
    AW_TIMER_LEASE_OVER = 1,
    AW_TIMER_HOLD_OVER = 2,
    AW_TIMER_ASIDE_OVER = 3,     /* agents who could not have it may have it now */
    AW_TIMER_CLASS_CHANGED = 4,  /* or its departure: by the clock, a flight, an airport */
    AW_TIMER_HELPERS_VOID = 5,   /* its lane has other helpers now */
    AW_TIMER_HELP_DUE = 6,       /* more lanes help */
    AW_TIMER_COMMITMENT_DUE = 7, /* what was promised was not done in time */
    AW_TIMER_STILL_NEEDED = 8,   /* its customer is asked whether he still waits */
};
#define AW_TIMER_CAUSE_MAX AW_TIMER_STILL_NEEDED

struct aw_in_transfer {
    struct aw_in_fenced fenced; /* without words. First, so that it is `in.fenced` as well */
    struct aw_slice     lane;   /* one of these two, */
    struct aw_slice     to;     /* an agent */
    struct aw_in_body   note;
};
AW_STATIC_ASSERT(offsetof(struct aw_in_transfer, fenced) == 0, "what all have that name a lease is read through in.fenced");

struct aw_in_defer {
    struct aw_in_fenced  fenced; /* without words. First, so that it is `in.fenced` as well */
    aw_ms                until;  /* when it is due */
    enum aw_defer_reason reason;
    struct aw_in_body    what; /* a note */
};
AW_STATIC_ASSERT(offsetof(struct aw_in_defer, fenced) == 0, "what all have that name a lease is read through in.fenced");

/* Who goes first when a store is full. */
enum aw_timer_turn {
    AW_TIMER_TURN_NOW = 0,  /* leases, holds, what was promised: always */
    AW_TIMER_TURN_PRESSING, /* its class changed to one that can't wait: imminent, or its customer's time runs out */
    AW_TIMER_TURN_CLASS,    /* another class or departure */
    AW_TIMER_TURN_HELP,     /* lanes begin to help, or help no more */
    AW_TIMER_TURN_QUESTION, /* whether he still waits */
};

struct aw_in_timer {
    uint32_t slot;
    uint32_t version; /* of the ticket when the timer was read; a ticket that changed since is left alone */
    /* As judged when the timer was read (aw_state_due), for who admits it; in no record, and apply judges for itself. */
    enum aw_timer_turn turn;
    uint32_t           pushes; /* at most, into queues, besides what comes back from a lease */
};

enum aw_hold { AW_HOLD_AS_IS = 0, AW_HOLD_ON = 1, AW_HOLD_OFF = 2 };

/* Hold, unhold, cancel and place. */
struct aw_in_ticket {
    struct aw_ticket_id ticket;
    aw_ms               until;    /* hold: 0 until a person ends it */
    struct aw_slice     by;       /* who did it */
    struct aw_slice     words;    /* why */
    struct aw_if_match  if_match; /* else AW_E_PRECONDITION */
    bool                dry_run;  /* only tells what would be; not recorded, as there is nothing to record */
    /* PLACE */
    uint8_t         class_; /* enum aw_class, or AW_CLASS_NONE: as it is */
    struct aw_slice lane;   /* empty: as it is */
    enum aw_hold    hold;
};

struct aw_in_note {
    struct aw_in_ticket on; /* without words. First, so that it is `in.ticket` as well */
    struct aw_in_body   body;
};
AW_STATIC_ASSERT(offsetof(struct aw_in_note, on) == 0, "what all have that name a ticket is read through in.ticket");

/* What a ticket is about. MESSAGE, CONTACT and LEFT are none of this (core/layout.h). */
enum aw_fact_kind {
    AW_FACT_FLIGHT = 0,
    AW_FACT_AIRPORT = 1,
    AW_FACT_BOOKING = 2,
    AW_FACT_MESSAGE = 3,
    AW_FACT_CONTACT = 4,
    AW_FACT_LEFT = 5
};
struct aw_told_fact {
    enum aw_fact_kind      kind;
    uint64_t               hash;       /* of a flight or a booking; 0: none */
    aw_ms                  departs_at; /* 0: unknown */
    aw_ms                  said_at;    /* by the first of them that said it */
    uint64_t               seq;        /* that one */
    struct aw_airport_code from;       /* zeros: unknown; AIRPORT: this one */
    struct aw_airport_code to;
};
/* What some messages of a ticket tell together: what the ticket would be made of, had only these come (core/told.h). */
struct aw_told {
    uint32_t                   messages;
    uint64_t                   first_seq; /* the oldest of them */
    uint64_t                   last_seq;
    aw_ms                      accepted_at; /* of the oldest */
    aw_ms                      received_at; /* of the oldest; 0: at acceptance */
    aw_ms                      reply_by;    /* the earliest that lay ahead when the newest came */
    enum aw_class              said;        /* never IMMINENT: that is what the clock says */
    bool                       gentle;
    bool                       is_listening; /* the newest only talks about us: then `contact` says of whom */
    struct aw_hash128          contact;      /* zeros: unknown */
    struct aw_slice            channel;      /* of the newest */
    struct aw_slice            account;      /* the same; empty: the server itself writes nothing there */
    struct aw_slice            lang;         /* of the newest that names one */
    const struct aw_hash128   *identities;
    uint32_t                   identity_count;
    const struct aw_told_fact *facts;
    uint32_t                   fact_count;
};

/* What was read of the ticket's messages is recorded, so that a replay need not read them again. */
struct aw_in_unfold {
    struct aw_in_ticket on;       /* the ticket; as with CANCEL */
    const uint64_t     *messages; /* taken out, oldest first: their records */
    uint32_t            message_count;
    uint64_t            newest_seq;     /* the newest message and */
    uint32_t            messages_total; /* how many there were when they were read: else AW_E_STALE */
    struct aw_told      taken;
    struct aw_told      left;
};

/* How many replies may go out on an account of a channel: in any stretch of slice_s seconds. */
struct aw_pace {
    struct aw_slice account;
    uint32_t        replies;
    uint32_t        slice_s;
};

/* The whole of what a channel is set to; accounts that are not named have no pace. */
struct aw_in_channel {
    struct aw_slice       name;
    const struct aw_pace *paces; /* each account once */
    uint32_t              pace_count;
    struct aw_slice       by;
    struct aw_if_match    if_match; /* else AW_E_PRECONDITION */
    bool                  dry_run;  /* only tells what would be; not recorded */
};

/* A text that the server itself writes; fields in it are for run/wording.h. */
struct aw_own_text {
    struct aw_slice lang; /* BCP 47; no two of a set have the same first part */
    struct aw_slice words;
};

/* The whole of a template; the first text is for all languages that have none. None: it is off. */
struct aw_in_template {
    enum aw_reply_kind        kind; /* one of AW_TEMPLATES */
    const struct aw_own_text *texts;
    uint32_t                  text_count;
    struct aw_slice           by;
    struct aw_if_match        if_match; /* else AW_E_PRECONDITION */
    bool                      dry_run;  /* only tells what would be; not recorded */
};

/* What was shown is approved: the texts, for tickets as they were up to `through`. */
struct aw_in_incident_answer {
    struct aw_incident_id     incident;
    const struct aw_own_text *texts; /* one or more; the first for all other languages */
    uint32_t                  text_count;
    uint8_t                   needs;   /* AW_NEEDS_... */
    uint64_t                  through; /* record up to which the tickets were looked at */
    uint64_t                  facts;   /* of the incident and its flights (aw_incident_try): else AW_E_PRECONDITION */
    struct aw_slice           by;
};

struct aw_in_incident_timer {
    struct aw_incident_id incident;
    struct aw_ticket_id   ticket; /* slot 0: none is left */
};

struct aw_account_name {
    struct aw_slice channel;
    struct aw_slice account;
};

struct aw_out_reply;
struct aw_in_reply_lease {
    const struct aw_account_name *accounts;
    uint32_t                      account_count; /* at most AW_REPLY_ACCOUNTS_MAX */
    uint32_t                      max;           /* at most AW_REPLIES_PER_LEASE_MAX */
    uint64_t                      lease_ms;
    struct aw_slice               gateway;
    struct aw_out_reply          *replies; /* room for `max`: what was given out; NULL: nobody asks. Not recorded */
};

struct aw_in_reply_status {
    struct aw_message_id reply;
    uint64_t             fence;          /* of the lease under which it was sent; 0: reported without */
    enum aw_reply_state  state;          /* SENT, DELIVERED, READ, FAILED */
    struct aw_slice      code;           /* FAILED: of the provider */
    bool                 is_permanent;   /* FAILED: to try again is no use, by what the code means */
    bool                 is_uncertain;   /* FAILED: it may have been sent all the same */
    uint64_t             retry_after_ms; /* FAILED: not before that */
    struct aw_hash128    provider;       /* keyed hash of channel, account and the id that it got there; zero: not told */
    struct aw_slice      by;
};

struct aw_in_reply_timer {
    uint32_t slot;
    uint64_t seq;    /* of the reply in it when the timer was read */
    aw_ms    due_at; /* the same */
};

/* Which dead replies; what is empty does not choose. */
struct aw_in_redrive {
    struct aw_slice     channel;
    struct aw_slice     account;
    struct aw_slice     code;
    struct aw_ticket_id ticket; /* seq 0: any */
    aw_ms               since;  /* dead since then or later */
    uint32_t            max;    /* so many, longest dead first; at most AW_REDRIVE_MAX */
    struct aw_slice     by;
    bool                dry_run; /* counts only; not recorded */
};

/* What was written by who needs approval: by nobody who does, and not by its writer (FORBIDDEN). One that is not PENDING: as asked
 * already, or WRONG_STATE. */
struct aw_in_approve {
    struct aw_message_id reply;
    bool                 goes; /* else it is refused, and the ticket that its lease closed is open again */
    struct aw_in_body    note; /* of the ticket, as why it is refused; len 0: none */
    struct aw_slice      by;
};

/* What is told from now on in a group of lanes; and which lanes change their group. */
struct aw_in_forecast {
    uint32_t                    group;
    aw_ms                       base;  /* departures count from here */
    const struct aw_told_wait  *waits; /* AW_PROMISE_WAITS */
    const struct aw_lane_group *lanes; /* ascending by lane; they are there: else AW_E_NOT_FOUND */
    uint32_t                    lane_count;
};

/* The ticket waits, was promised something, and that did not move within AW_PROMISE_MOVES_MS: else AW_E_STALE. */
struct aw_in_promise {
    struct aw_ticket_id ticket;
    aw_ms               half_by;
    aw_ms               nine_of_ten_by; /* later than was promised */
};

/* What makes a ticket part of an incident. */
struct aw_incident_key {
    enum aw_incident_key_kind kind;
    uint64_t                  hash;      /* keyed, not 0; FLIGHT: of number and date; BOOKING: of its code */
    struct aw_slice           name;      /* FLIGHT: its number; AIRPORT, BOOKING: its code */
    uint32_t                  date_days; /* FLIGHT */
};

/* A new incident, or what becomes of one (core/incident.h). */
struct aw_in_incident {
    struct aw_incident_id         incident; /* seq 0: a new one */
    enum aw_incident_state        state;    /* NONE: as it is. A new one is OPEN or PROPOSED */
    struct aw_slice               title;    /* empty: as it is; a new one has one */
    bool                          has_keys; /* else they stay as they are */
    const struct aw_incident_key *keys;     /* each once */
    uint32_t                      key_count;
    enum aw_incident_follow       follow;
    struct aw_slice               by;       /* empty: proposed by the server */
    struct aw_if_match            if_match; /* else AW_E_PRECONDITION */
    bool                          dry_run;  /* only tells what would be; not recorded */
};

struct aw_in_incident_link {
    struct aw_ticket_id   ticket;
    struct aw_incident_id incident;
    bool                  parts; /* it is taken out, and does not come back by what it is about */
    struct aw_slice       by;    /* empty: it is linked by what it is about */
};

/* What a command does to the queues once it is durable. */
enum aw_event_kind {
    AW_EVENT_NONE,
    AW_EVENT_QUEUED, /* show `version`, then push it */
    AW_EVENT_HELPED, /* push the same version into the queues of `others` too */
    AW_EVENT_BACK,   /* was taken and not leased: push it into these queues of `others` again */
    AW_EVENT_HIDDEN, /* show `version`, push nothing: whatever lies in a queue is stale */
    AW_EVENT_ASIDE,  /* the same, and offer it to those who may take it */
    AW_EVENT_LANE,   /* a lane is new, or its pause or its helpers changed */
    AW_EVENT_AGENT,  /* an agent, `slot`, was set */
};
struct aw_event {
    enum aw_event_kind    kind;
    uint32_t              slot;
    uint32_t              version;
    uint32_t              lane;
    enum aw_class         class_;
    enum aw_lane_pause    pause;
    aw_ms                 key; /* what its queue is ordered by: departure for IMMINENT, else age */
    aw_ms                 age;
    aw_ms                 reply_by; /* 0: none */
    bool                  closing;  /* reply_by is near: it waits by that time too */
    uint8_t               shelf;    /* QUEUED, HELPED: of its lane, as in struct aw_ticket_view */
    uint8_t               other_count;
    struct aw_lane_queues others[AW_TICKET_LANES_MAX]; /* HELPED: lanes that begin to help; BACK: lanes and queues */
};

/* What apply found, by kind. Names of lanes and agents borrow from the state: they never change and never go away. */
struct aw_out_message {
    struct aw_ticket_id ticket;
    struct aw_ticket_id related;
    uint64_t            first_seq; /* duplicate: the message that came first */
    uint64_t            record_seq;
    uint32_t            lane;
    struct aw_slice     lane_name;
    enum aw_class       class_;
    bool                folded;
    bool                reopened;
    bool                duplicate;
    bool                lane_unknown; /* asked for one that does not exist: went to the default lane */
    struct aw_promise   promise;      /* the ticket's; made_at 0: none */
    bool                not_needed;   /* it closed the ticket, whose customer had been asked */
    bool                opted_out;    /* he, who was written to after he talked about us, wants to hear no more */
    bool                acknowledged; /* an acknowledgement waits for a gateway: its id is this record's */
};
/* Lanes beside its own through which a ticket is given, and who may not have it. */
struct aw_ticket_help {
    struct {
        uint32_t lane;
        uint32_t after_s;
    } by[AW_LANE_HELPERS_MAX];
    uint32_t        count;
    uint32_t        declined; /* agents who may not take it just now */
    struct aw_slice kept_for; /* the agent who alone may take it; empty: any */
    aw_ms           kept_until;
};
/* Why a lease is no longer held. */
enum aw_lease_end {
    AW_LEASE_END_NONE,
    AW_LEASE_END_EXPIRED,
    AW_LEASE_END_RELEASED,   /* given back, also declined, transferred or put off */
    AW_LEASE_END_CLOSED,     /* the ticket is answered or cancelled */
    AW_LEASE_END_TAKEN_OVER, /* another lease holds the ticket */
};
/* Why a ticket is not transferred. */
enum aw_transfer_refusal {
    AW_TRANSFER_GOES,
    AW_TRANSFER_NO_LANE,   /* NOT_FOUND: there is none by that name */
    AW_TRANSFER_NO_AGENT,  /* the same */
    AW_TRANSFER_TO_SELF,   /* BAD_VALUE: who holds it */
    AW_TRANSFER_SAME_LANE, /* from here on TRANSFER_REFUSED: it is there */
    AW_TRANSFER_BACK,      /* it came from there */
    AW_TRANSFER_TOO_OFTEN,
    AW_TRANSFER_NOT_SERVED, /* that agent is not set to serve its lane, or to take its class */
};
struct aw_out_lease {
    struct aw_lease_id       lease;
    struct aw_ticket_id      ticket;
    struct aw_slice          lane_name;
    struct aw_ticket_help    help; /* through which lane it was given, when that helps its own */
    enum aw_class            class_;
    enum aw_ticket_state     state;    /* what the ticket is after the command; after a failure: now */
    enum aw_transfer_refusal refusal;  /* TRANSFER */
    enum aw_lease_end        end;      /* after LEASE_LOST */
    bool                  is_last_end; /* after LEASE_LOST: of the ticket's leases this one ended last, so no repeat was missed */
    bool                  gentle;
    struct aw_incident_id incident;    /* seq 0: none */
    uint64_t              last_seq;    /* newest record of the ticket: where its chain begins */
    uint64_t              seen_seq;    /* newest message that the holder was given before this command */
    uint64_t              message_seq; /* newest message of the ticket */
    uint32_t              messages_total;
    uint32_t              notes_total;
    uint32_t              attempt;
    aw_ms                 opened_at;
    aw_ms                 age;
    aw_ms                 departs_at;
    aw_ms                 reply_by;
    aw_ms                 expires_at;
    aw_ms                 held_until; /* HELD: after a DEFER, when it comes back */
    struct aw_commitment  commitment;
    struct aw_contact     contact;
    struct aw_promise     promise;   /* made_at 0: none */
    uint64_t              reply_seq; /* REPLY, COMPLETE with one: its record; 0: none */
    enum aw_reply_state   reply_state;
};
struct aw_out_ticket {
    struct aw_ticket_id  ticket;
    enum aw_ticket_state state;
    uint64_t             version;
    enum aw_class        class_;
    struct aw_slice      lane_name;
    aw_ms                held_until;   /* with `repeated`: 0 */
    bool                 lane_unknown; /* with NOT_FOUND: the ticket is there, the lane is not */
    struct aw_ticket_id  from;         /* UNFOLD: where its messages were; with dry_run `ticket` has no seq */
};
struct aw_out_lane {
    uint32_t lane;
    uint64_t version;
    bool     created;
};

struct aw_out_agent {
    uint32_t agent; /* with dry_run of one never seen: 0 */
    uint64_t version;
    bool     created; /* it was never set before */
};

/* FLIGHT, AIRPORT, SURGE, UNDO. */
struct aw_out_change {
    struct aw_change_answer now; /* with dry_run: as it would be */
    bool                    created;
};

/* What a command did to its ticket. Recorded, so that what happened can be told from the record alone. */
struct aw_effect {
    uint64_t              ticket_seq; /* of the ticket's id; 0: the command was about no ticket */
    uint16_t              lane;
    uint16_t              lane_before; /* of a ticket that was opened: as `lane` */
    uint8_t               class_;
    uint8_t               class_before; /* AW_CLASS_NONE: the ticket was opened */
    enum aw_ticket_state  state;
    enum aw_ticket_state  state_before;  /* FREE: the ticket was opened */
    enum aw_timer_cause   cause;         /* TIMER */
    bool                  deferral_over; /* it was put off, and is so no more */
    struct aw_incident_id incident;      /* the one that it is part of; seq 0: none */
    struct aw_slice       holder; /* who held it and holds it no more, when it was somebody else who did this; else empty */
    /* Of what a colleague wrote: whom the ticket's customers are, so that the text is found when their messages' records are gone
     * (aw_address_of). Borrows from the state until its next command; read from a record, from the arena. */
    const uint64_t *addresses;
    uint32_t        address_count; /* at most AW_TICKET_ADDRESSES_MAX */
};

/* A row of texts, and the record that wrote it, by which another text that may have the row later is told from it. */
struct aw_text_ref {
    uint32_t slot; /* 0: none */
    uint64_t seq;
};

/* A reply that was given out, or of which something was reported. */
struct aw_out_reply {
    struct aw_message_id reply;
    struct aw_ticket_id  ticket;
    struct aw_message_id to;
    uint64_t             fence; /* LEASED */
    enum aw_reply_state  state;
    uint32_t             account; /* REPLY_LEASE: which of those that were asked for */
    uint32_t             attempt;
    bool                 is_uncertain; /* it may have been sent before: ask the provider first */
    aw_ms                written_at;
    aw_ms                due_at;    /* LEASED: when the lease ends; FAILED: when it is tried again; else 0 */
    uint64_t             chain_seq; /* the newest record of its ticket, while that is there; else 0 */
    /* Not BY_AGENT: the text and what goes into it. REPLY_LEASE only. */
    enum aw_reply_kind    kind;
    struct aw_text_ref    text;
    struct aw_reply_facts facts;
};
struct aw_out_reply_lease {
    uint32_t count;
};
struct aw_out_redrive {
    uint32_t count; /* to be sent again */
    uint32_t left;  /* chosen too, but beyond `max` */
};
struct aw_out_channel {
    uint64_t version;
    bool     created;
};
struct aw_out_template {
    uint64_t version;
};

struct aw_out_incident {
    struct aw_incident_id  incident; /* with dry_run of a new one: seq 0 */
    enum aw_incident_state state;
    uint64_t               version;
    bool                   created;
    struct aw_incident_id  other; /* INCIDENT_LINK, OTHER_INCIDENT: the one that has the ticket */
};

/* Of one that names a ticket. */
struct aw_out_erase {
    bool spares; /* the ticket is not closed: it is gone, was erased before, or one of the next */
    bool stays;  /* he wrote in it since: only what was written to him until then does not go any more */
    bool moved;  /* messages were taken out of it since, or of the last one out of any, maybe his: nothing was done */
};

struct aw_outcome_of {
    enum aw_err      err;
    bool             changed;  /* there is a record: seq and prev_seq are set */
    bool             repeated; /* carried out before under the same Idempotency-Key: what was answered then; seq is that record */
    uint64_t         seq;
    uint64_t         prev_seq; /* the ticket's record before; 0: none */
    struct aw_event  event;
    struct aw_effect effect;
    union {
        struct aw_out_message     message;
        struct aw_out_lease       lease;
        struct aw_out_ticket      ticket;
        struct aw_out_lane        lane;
        struct aw_out_agent       agent;
        struct aw_out_change      change;
        struct aw_out_channel     channel;
        struct aw_out_reply       reply; /* REPLY_STATUS, REPLY_TIMER, APPROVE */
        struct aw_out_reply_lease reply_lease;
        struct aw_out_redrive     redrive;
        struct aw_promise         promise;  /* PROMISE: as it is told */
        struct aw_out_incident    incident; /* INCIDENT and what follows it */
        struct aw_out_template    template_;
        struct aw_contact         contact; /* OPT_OUT: as it is now */
        struct aw_out_erase       erase;
    } u;
};

struct aw_command {
    enum aw_command_kind kind;
    struct aw_once       once; /* only with a kind that aw_command_takes_key */
    union {
        struct aw_in_epoch           epoch;
        struct aw_core_settings      settings;
        struct aw_in_lane            lane;
        struct aw_in_agent           agent;
        struct aw_in_presence        presence;
        struct aw_in_flight          flight;
        struct aw_in_airport         airport;
        struct aw_in_undo            undo;
        struct aw_in_message         message;
        struct aw_in_lease           lease;
        struct aw_in_fenced          fenced; /* EXTEND, COMPLETE, RELEASE, DECLINE, REPLY; the first part of the next two */
        struct aw_in_transfer        transfer;
        struct aw_in_defer           defer;
        struct aw_in_withdraw        withdraw;
        struct aw_in_opt_out         opt_out;
        struct aw_in_erase           erase;
        struct aw_in_timer           timer;
        struct aw_in_ticket          ticket; /* HOLD, UNHOLD, CANCEL, PLACE; the first part of the next */
        struct aw_in_note            note;
        struct aw_in_unfold          unfold;
        struct aw_in_channel         channel;
        struct aw_in_reply_lease     reply_lease;
        struct aw_in_reply_status    reply_status;
        struct aw_in_reply_timer     reply_timer;
        struct aw_in_redrive         redrive;
        struct aw_in_approve         approve;
        struct aw_in_incident        incident;
        struct aw_in_incident_link   incident_link;
        struct aw_in_incident_answer incident_answer;
        struct aw_in_incident_timer  incident_timer;
        struct aw_in_forecast        forecast;
        struct aw_in_promise         promise;
        struct aw_in_template        template_;
        struct aw_in_surge           surge;
    } in;
    struct aw_outcome_of out;
};

/* "message", "lease", ... for people; "unknown" for a number that is not a kind. */
const char *aw_command_name(unsigned kind);
/* The slot of the ticket that the command is about; of an UNFOLD, the one that stays. Of MESSAGE and APPROVE it is in the outcome,
 * of the latter 0 when the ticket is forgotten. False: it is about none. */
AW_MUST_USE bool aw_command_slot(const struct aw_command *command, uint32_t *ret_slot);
/* Who did it; empty when nobody did, as of a timer, or the record does not say. */
struct aw_slice aw_command_by(const struct aw_command *command);
/* FLIGHT, AIRPORT and UNDO: their outcome is an aw_out_change. */
static inline bool
aw_command_is_change(enum aw_command_kind kind)
{
    return kind == AW_COMMAND_FLIGHT || kind == AW_COMMAND_AIRPORT || kind == AW_COMMAND_UNDO;
}
/* What it did to the desk's surge, which its record tells: SURGE, and the UNDO of one. */
static inline enum aw_surge_turn
aw_command_surge_turn(const struct aw_command *command)
{
    bool is_surge =
        command->kind == AW_COMMAND_SURGE || (command->kind == AW_COMMAND_UNDO && command->in.undo.change.of == AW_CHANGE_SURGE);

    return is_surge ? command->out.u.change.now.surge.turn : AW_SURGE_STAYS;
}
/* Kinds that are remembered by an Idempotency-Key; their outcome is an aw_out_ticket, an aw_out_change or an aw_out_incident.
 * Messages and what is done with a lease are known by their own identity, leases by their pull. */
static inline bool
aw_command_takes_key(enum aw_command_kind kind)
{
    return kind == AW_COMMAND_HOLD || kind == AW_COMMAND_UNHOLD || kind == AW_COMMAND_CANCEL || kind == AW_COMMAND_PLACE ||
           kind == AW_COMMAND_UNFOLD || kind == AW_COMMAND_NOTE || kind == AW_COMMAND_INCIDENT ||
           kind == AW_COMMAND_INCIDENT_ANSWER || aw_command_is_change(kind);
}
/* What a person does to a ticket by its id, and may do to many at once. */
static inline bool
aw_command_is_bulk(enum aw_command_kind kind)
{
    return kind == AW_COMMAND_HOLD || kind == AW_COMMAND_UNHOLD || kind == AW_COMMAND_CANCEL || kind == AW_COMMAND_PLACE;
}
static inline bool
aw_once_is_set(const struct aw_once *once)
{
    return once->key.low != 0 || once->key.high != 0;
}
/* Kinds that name a lease: `in.fenced` and `out.u.lease` are theirs. */
static inline bool
aw_command_is_fenced(enum aw_command_kind kind)
{
    return kind == AW_COMMAND_EXTEND || kind == AW_COMMAND_COMPLETE || kind == AW_COMMAND_RELEASE || kind == AW_COMMAND_DECLINE ||
           kind == AW_COMMAND_TRANSFER || kind == AW_COMMAND_DEFER || kind == AW_COMMAND_REPLY;
}
/* Kinds after which texts are to be made unreadable (run/eraser.h). */
static inline bool
aw_command_erases(enum aw_command_kind kind)
{
    return kind == AW_COMMAND_WITHDRAW || kind == AW_COMMAND_ERASE;
}
/* What the command has in the bodies tree. False: nothing. Of one that was read from a record the bytes are empty. */
AW_MUST_USE bool aw_command_body(const struct aw_command *command, struct aw_in_body *ret_body);
/* Such of a ticket's content as a colleague wrote: a reply, a note, why it was passed on or put off. */
AW_MUST_USE bool aw_command_has_colleagues_text(const struct aw_command *command);
/* Only messages may be refused for lack of room; everything else drains and uses the reserve. */
static inline bool
aw_command_is_post(const struct aw_command *command)
{
    return command->kind == AW_COMMAND_MESSAGE;
}

#endif
