/* answer.h - what clients are told, as values (design: section 8, "A receipt", "A lease"). proto/ writes them as JSON or
 * MessagePack.
 *
 * Everything borrows, until the answer is written. Thread: the io thread that answers.
 */
#ifndef AW_MODEL_ANSWER_H
#define AW_MODEL_ANSWER_H

#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/time.h"
#include "model/class.h"
#include "model/ids.h"
#include "model/message.h"

/* P50 and P90 told to the customer; absolute. made_at 0: not known yet (null in the answer). */
struct aw_promise {
    aw_ms made_at;
    aw_ms half_by;
    aw_ms nine_of_ten_by;
};

/* Where in the journal a thing became durable. */
struct aw_commit_point {
    uint64_t         index;
    struct aw_sha256 hash; /* of the batch, chained over all before it */
};

struct aw_receipt {
    struct aw_message_id   message;
    struct aw_ticket_id    ticket;
    struct aw_ticket_id    related; /* another open ticket that matched; seq 0: none */
    struct aw_slice        lane;
    const struct aw_slice *reasons;
    uint32_t               reason_count;
    enum aw_class          class_;
    bool                   folded;    /* joined a ticket that was open */
    bool                   reopened;  /* joined a ticket that was closed a short while ago */
    bool                   duplicate; /* the first receipt again */
    bool                   differs;   /* with duplicate: the body was not the same */
    struct aw_promise      promise;
    struct aw_slice        notice; /* what the desk's surge has to say to this customer now; empty: nothing */
    struct aw_commit_point commit;
};

/* A stored message inside a lease or ticket: the posted fields are the stored MessagePack map, written out as it is. */
struct aw_stored_message {
    struct aw_message_id id;
    aw_ms                accepted_at;  /* 0: not even its record can be read */
    struct aw_slice      body;         /* MessagePack map of the posted fields; empty when erased or unreadable */
    aw_ms                withdrawn_at; /* its customer took it back: it is not shown; 0: he did not */
    struct aw_message_id replaced_by;  /* the customer edited it: the newest of those that say so; seq 0: none */
    bool                 erased;
    bool                 unreadable; /* what is stored of it is damaged */
};

/* Of a reply that was written. */
enum aw_note_fate { AW_NOTE_GOES, AW_NOTE_PENDING /* a colleague is to let it go */, AW_NOTE_REFUSED /* he did not */ };
/* A note by an agent, for agents. */
struct aw_stored_note {
    struct aw_message_id id;
    aw_ms                written_at;
    struct aw_slice      by;
    struct aw_slice      body; /* MessagePack map; empty when erased or unreadable */
    bool                 erased;
    bool                 unreadable;
    enum aw_note_fate    fate; /* of a reply */
};

/* Why a ticket is put off. The numbers are stored. */
enum aw_defer_reason {
    AW_DEFER_CUSTOMER = 0,    /* the customer is to answer, or asked for it */
    AW_DEFER_THIRD_PARTY = 1, /* somebody else is to answer */
    AW_DEFER_COMMITMENT = 2,  /* "I'll tell you on Friday" */
};
#define AW_DEFER_REASONS 3U
/* "customer", "third_party", "commitment" */
const char *aw_defer_reason_name(enum aw_defer_reason reason);

/* What an agent gave a customer his word for. */
struct aw_commitment {
    aw_ms                due_at; /* 0: there is none */
    aw_ms                made_at;
    uint64_t             seq; /* its record, which holds what it is */
    struct aw_slice      by;
    enum aw_defer_reason reason;
    bool                 is_broken;
};

/* What is known of who only talked about us, on one channel. */
struct aw_contact {
    bool                 is_listening; /* of a ticket: it is one that this concerns; else all of this is empty */
    aw_ms                contacted_at; /* an agent wrote to him; 0: no, or not that we know any more */
    aw_ms                until;        /* so long that counts; 0: it does not, or for good */
    aw_ms                opted_out_at; /* he wants to hear nothing; 0: he did not say so */
    struct aw_message_id reply;        /* what was written; seq 0: nothing */
};
/* Whether an agent may write to him. */
static inline bool
aw_contact_is_first(const struct aw_contact *contact)
{
    return contact->contacted_at == 0 && contact->opted_out_at == 0;
}

/* The same, asked for or changed. */
struct aw_contact_answer {
    struct aw_slice     channel; /* empty: a ticket was named */
    struct aw_ticket_id ticket;  /* seq 0: a customer was */
    struct aw_contact   contact;
    bool                is_change; /* duplicate is told */
    bool                duplicate; /* it was so already */
    bool                dry_run;   /* nothing was changed: as it was */
};

/* What there was of a customer, and is to be unreadable. */
struct aw_erase_answer {
    uint64_t tickets;
    uint64_t messages;   /* texts of his, */
    uint64_t replies;    /* to him, */
    uint64_t notes;      /* about him */
    bool     unreadable; /* nobody can read them any more */
    bool     dry_run;
};

struct aw_lease_answer {
    struct aw_slice                 lease; /* the opaque token's text */
    struct aw_ticket_id             ticket;
    struct aw_slice                 lane;
    const struct aw_slice          *reasons;
    uint32_t                        reason_count;
    enum aw_class                   class_;
    bool                            gentle;
    aw_ms                           opened_at;
    aw_ms                           age_from; /* what the order counts from; shown as `age_from` when it differs from opened_at */
    uint64_t                        waited_s;
    aw_ms                           expires_at;
    uint64_t                        expires_in_s;
    uint32_t                        attempt; /* 1 for the first lease of this ticket */
    struct aw_slice                 customer;
    struct aw_slice                 channel; /* reply_to: the latest message's */
    struct aw_slice                 account;
    uint8_t                         visibility;
    aw_ms                           reply_by; /* 0: none */
    struct aw_promise               promise;
    struct aw_incident_id           incident; /* seq 0: none */
    struct aw_commitment            commitment;
    struct aw_contact               contact;
    const struct aw_stored_message *messages; /* oldest first; the last ones when there are too many */
    uint32_t                        message_count;
    uint32_t                        messages_total;
    const struct aw_stored_note    *previous; /* replies by agents, as notes; the last ones when there are too many */
    uint32_t                        previous_count;
    const struct aw_stored_note    *notes; /* oldest first; the last ones when there are too many */
    uint32_t                        note_count;
    uint32_t                        notes_total;
};

enum aw_ticket_state {
    AW_TICKET_FREE = 0,    /* an unused slot; never shown */
    AW_TICKET_WAITING = 1, /* in its lane's queue */
    AW_TICKET_LEASED = 2,
    AW_TICKET_HELD = 3,   /* a person took it out of the queue for a while */
    AW_TICKET_CLOSED = 4, /* answered or cancelled; reopens for a while when the customer writes again */
};
const char *aw_ticket_state_name(enum aw_ticket_state state);

/* One of a list. */
struct aw_commitment_answer {
    struct aw_ticket_id  ticket;
    enum aw_ticket_state state;
    struct aw_slice      lane;
    enum aw_class        class_;
    struct aw_slice      holder;  /* with LEASED */
    aw_ms                back_at; /* put off until then; 0: it is not put off now */
    struct aw_commitment commitment;
    struct aw_slice      what; /* empty: it is erased, or can't be read */
};

/* Where a reply is on its way out. The numbers are stored. */
enum aw_reply_state {
    AW_REPLY_NONE = 0,
    AW_REPLY_PENDING = 1, /* until a colleague of who wrote it lets it go */
    AW_REPLY_WAITING = 2, /* for a gateway */
    AW_REPLY_LEASED = 3,  /* a gateway sends it */
    AW_REPLY_FAILED = 4,  /* waits until it is tried again */
    AW_REPLY_DEAD = 5,    /* given up, until a person redrives it */
    AW_REPLY_SENT = 6,
    AW_REPLY_DELIVERED = 7,
    AW_REPLY_READ = 8,
    AW_REPLY_REFUSED = 9, /* a colleague did not let it go */
};
#define AW_REPLY_STATES 10
const char *aw_reply_state_name(enum aw_reply_state state);

/* Who wrote a reply and why. The numbers are stored. */
enum aw_reply_kind {
    AW_REPLY_BY_AGENT = 0,
    AW_REPLY_ACKNOWLEDGEMENT = 1, /* from here on the server itself, by its texts: the message that opened a ticket is there */
    AW_REPLY_PROMISE_MOVED = 2,
    AW_REPLY_STILL_NEEDED = 3, /* asks whether the customer still waits */
    AW_REPLY_INCIDENT = 4,     /* the answer of an incident */
};
#define AW_REPLY_KINDS 5U
/* Those that have a template: from ACKNOWLEDGEMENT on. */
#define AW_TEMPLATES 3U
const char *aw_reply_kind_name(enum aw_reply_kind kind);

/* What the server knew when it wrote a reply; its text is made of this and of the message that it answers. */
struct aw_reply_facts {
    uint64_t          flight;                             /* hash of number and date; 0: none */
    char              number[AW_FLIGHT_NUMBER_BYTES_MAX]; /* zeros: as the message says */
    aw_ms             departs_at;                         /* 0: not known, as with the next */
    aw_ms             new_departs_at;
    struct aw_promise promise;
    bool              is_withdrawn; /* the message that it answers was: it says nothing any more */
};

/* One of those that go before a ticket. */
struct aw_before {
    struct aw_ticket_id ticket;
    enum aw_class       class_;
    aw_ms               age_from;
    aw_ms               departs_at; /* 0: none known, or it does not count */
};
/* Why a ticket is where it is; from `queued_at` on with WAITING. */
struct aw_why_answer {
    aw_ms                        as_of;
    const char                  *order;
    aw_ms                        queued_at;
    bool                         lane_paused; /* nothing is given out there */
    bool                         aside;       /* in no queue: not every agent may take it now */
    const struct aw_lane_helper *helpers;     /* lanes that help by now */
    uint32_t                     helper_count;
    uint64_t                     waited_s;
    uint64_t                     allowed_s;
    const char                  *part;    /* of the rule, that speaks for it */
    uint64_t                     in_lane; /* tickets that wait there */
    const uint64_t              *ahead;   /* by class */
    bool                         exact;   /* nothing changed while they were counted */
    const struct aw_before      *nearest; /* the last ones of these, the next to it first */
    uint32_t                     nearest_count;
};

struct aw_ticket_answer {
    struct aw_ticket_id             ticket;
    enum aw_ticket_state            state;
    struct aw_slice                 lane;
    enum aw_class                   class_;
    bool                            gentle;
    bool                            class_by_person;
    const struct aw_slice          *reasons;
    uint32_t                        reason_count;
    aw_ms                           opened_at;
    aw_ms                           age_from;
    aw_ms                           closed_at;   /* with CLOSED */
    aw_ms                           held_until;  /* with HELD; 0: until a person ends it */
    bool                            is_deferred; /* with HELD: by who held it */
    struct aw_commitment            commitment;
    struct aw_contact               contact;
    aw_ms                           departs_at; /* 0: none known */
    aw_ms                           reply_by;
    aw_ms                           expires_at; /* with LEASED */
    struct aw_slice                 holder;     /* with LEASED: the agent */
    uint32_t                        attempt;
    uint32_t                        messages_total;
    struct aw_promise               promise;
    struct aw_incident_id           incident; /* seq 0: none */
    const struct aw_stored_message *messages; /* oldest first */
    uint32_t                        message_count;
    uint64_t                        version; /* for the ETag */
    const struct aw_reply_answer   *replies; /* to it, oldest first, without what they say */
    uint32_t                        reply_count;
    const struct aw_ticket_id      *related; /* its messages matched them too, or were taken from or into them */
    uint32_t                        related_count;
    const struct aw_stored_note    *notes; /* as in a lease */
    uint32_t                        note_count;
    uint32_t                        notes_total;
    const struct aw_slice          *from_lanes; /* that agents handed it on from */
    uint32_t                        from_lane_count;
    struct aw_slice                 channel; /* in a list: of its newest message; empty: not known by name */
};
/* One page of GET /v1/tickets. Of the tickets reasons, messages, notes, replies and what is related are not told. */
struct aw_found_answer {
    const struct aw_ticket_answer *tickets;
    uint32_t                       count;
    aw_ms                          as_of; /* they are shown as they were then */
    uint64_t                       total; /* that fit, on all pages */
    bool                           exact; /* nothing changed while they were counted */
    struct aw_slice                next;  /* cursor; empty: this is the last page */
};

/* After extend, complete, release, and what is done to a ticket by its id: what the ticket is now. */
struct aw_done_answer {
    struct aw_slice                 lease; /* the token's text as it was sent; empty when a ticket was named */
    struct aw_ticket_id             ticket;
    struct aw_message_id            message; /* after a withdrawal: it; else seq 0 */
    struct aw_message_id            note;    /* after a note: its id; else seq 0 */
    enum aw_ticket_state            state;
    bool                            duplicate;    /* the first answer again */
    bool                            dry_run;      /* nothing was changed: what it would be */
    struct aw_slice                 lane;         /* empty: neither lane nor class is told */
    enum aw_class                   class_;       /* with lane */
    struct aw_ticket_id             from;         /* after unfold; else seq 0. With dry_run `ticket` has no seq then */
    aw_ms                           expires_at;   /* with LEASED; 0: not told */
    uint64_t                        expires_in_s; /* with LEASED */
    aw_ms                           held_until;   /* with HELD; 0: until a person ends it */
    bool                            tells_kept;   /* after a transfer to an agent: */
    struct aw_slice                 kept_for;     /* only he may take it until kept_until; empty: it waits for no one */
    aw_ms                           kept_until;
    uint64_t                        version; /* for the ETag; 0: not told */
    struct aw_message_id            reply;   /* the one that it wrote; seq 0: none */
    enum aw_reply_state             reply_state;
    const struct aw_stored_message *messages; /* extend: those that the holder has not been given yet */
    uint32_t                        message_count;
};

/* A reply, as its gateway, its agent and supervisors see it. */
struct aw_reply_answer {
    struct aw_message_id reply;
    struct aw_ticket_id  ticket;
    struct aw_message_id to;
    enum aw_reply_state  state; /* NONE: not known any more */
    struct aw_slice      lease; /* the token's text; empty: no lease is told */
    struct aw_slice      channel;
    struct aw_slice      account;
    struct aw_slice      customer;
    struct aw_slice      source_id; /* of the message that it answers, like customer */
    struct aw_slice      agent;     /* who wrote it; empty when the server itself did */
    enum aw_reply_kind   kind;
    struct aw_slice      code;
    uint8_t              visibility;
    uint32_t             attempt;
    bool                 is_uncertain;
    bool                 duplicate; /* a report that said nothing new */
    aw_ms                written_at;
    aw_ms                expires_at; /* LEASED */
    uint64_t             expires_in_s;
    aw_ms                retry_at; /* FAILED */
    struct aw_slice      body;     /* MessagePack map of the posted fields; empty when erased */
};

/* How one change of many tickets ended. */
struct aw_bulk_answer {
    uint64_t done;
    uint64_t failed;
    bool     dry_run;
};

struct aw_redrive_answer {
    uint32_t replies;
    uint32_t left; /* chosen too, but beyond the number asked for */
    bool     dry_run;
};

/* A template. `rendered` after a dry run. */
struct aw_own_text_answer {
    struct aw_slice lang;
    struct aw_slice words;
    struct aw_slice rendered;
};
struct aw_template_answer {
    enum aw_reply_kind               kind;
    const struct aw_own_text_answer *texts;
    uint32_t                         text_count;
    uint64_t                         version; /* for the ETag; 0: it was never set */
    bool                             dry_run;
};

struct aw_pace_answer {
    struct aw_slice account;
    uint32_t        replies;
    uint32_t        slice_s;
};
struct aw_channel_answer {
    struct aw_slice              name;
    const struct aw_pace_answer *paces;
    uint32_t                     pace_count;
    uint64_t                     version; /* for the ETag; 0: it was never set */
    bool                         dry_run;
};

enum aw_lane_pause { AW_LANE_OPEN = 0, AW_LANE_PAUSED_IN = 1, AW_LANE_PAUSED_OUT = 2, AW_LANE_PAUSED_BOTH = 3 };
/* "none", "in", "out", "both". */
const char *aw_lane_pause_name(enum aw_lane_pause pause);

/* What a lane takes: every list that is not empty must hold the message's value. */
struct aw_lane_match {
    const struct aw_slice *langs;
    const struct aw_slice *channels;
    const struct aw_slice *accounts;
    const struct aw_slice *tags; /* any one of them */
    uint32_t               lang_count;
    uint32_t               channel_count;
    uint32_t               account_count;
    uint32_t               tag_count;
};
#define AW_LANE_MATCH_MAX 16U /* values in one of the four lists */

/* A lane whose agents help with tickets that have waited so long. */
struct aw_lane_helper {
    struct aw_slice lane;
    uint32_t        after_s;
};
#define AW_LANE_HELPERS_MAX 4U                 /* of one lane */
#define AW_LANE_HELP_S_MAX  (7U * 24U * 3600U) /* after_s */

struct aw_lane_answer {
    struct aw_slice       name;
    enum aw_lane_pause    pause;
    struct aw_lane_match  match;
    uint64_t              waiting[AW_CLASS_COUNT];
    uint64_t              leased;
    uint64_t              held;
    uint64_t              helped;  /* of those that wait: tickets that agents of other lanes may be given too */
    uint64_t              version; /* for the ETag */
    struct aw_lane_helper helpers[AW_LANE_HELPERS_MAX]; /* ascending by after_s */
    uint32_t              helper_count;
};

/* Whether an agent takes tickets. GONE is LEAVING without a lease; nobody says it. */
enum aw_presence { AW_PRESENCE_READY, AW_PRESENCE_WRAP_UP, AW_PRESENCE_BREAK, AW_PRESENCE_LEAVING, AW_PRESENCE_GONE };
#define AW_PRESENCE_COUNT 5U
/* "ready", "wrap_up", "break", "leaving", "gone" */
const char *aw_presence_name(enum aw_presence presence);

/* What was done on one day, UTC. */
struct aw_day {
    uint32_t day; /* since 1970 */
    uint32_t taken;
    uint32_t completed;
    uint32_t replied;
    uint32_t returned; /* released, declined, transferred */
    uint32_t deferred;
};
/* GET /v1/agents/{agent}/day: for the agent alone. */
struct aw_day_answer {
    struct aw_slice agent;
    struct aw_day   own;
    struct aw_day   team;
    uint64_t        team_goal; /* tickets completed a day; 0: none is set */
};

/* How long it takes in a lane, as told from now on. */
struct aw_class_time {
    uint64_t half_s; /* 0: not known, like the other */
    uint64_t nine_of_ten_s;
};
struct aw_sentence {
    struct aw_slice lang;
    struct aw_slice text;
};
struct aw_lane_time {
    struct aw_slice lane;
    struct aw_class_time
        classes[AW_CLASS_COUNT]; /* IMMINENT: of the departure that can still be made for which it takes longest */
    const struct aw_sentence *sentences;
    uint32_t                  sentence_count;
};
struct aw_response_time_answer {
    aw_ms                      as_of;  /* when it was looked at last; 0: never */
    enum aw_class              class_; /* that the sentences are about */
    const struct aw_lane_time *lanes;
    uint32_t                   lane_count;
    struct aw_slice            next; /* cursor; empty: none */
};

/* GET /v1/stats: the desk at one moment. */
struct aw_class_stats {
    uint64_t waiting;
    uint64_t leased;
    uint64_t held;
    uint64_t target_ms;
    aw_ms    oldest;         /* age of the oldest in a queue; 0: none waits there */
    uint32_t kappa_permille; /* waited/allowed of the one in a queue that is worst off */
};
struct aw_stats_answer {
    aw_ms                 as_of;
    const char           *role;
    const char           *order;
    struct aw_class_stats classes[AW_CLASS_COUNT];
    uint64_t              leases;
    uint64_t              lanes;
    uint64_t              agents;       /* ever seen or set */
    uint64_t              parked_pulls; /* waiting for a ticket just now */
    uint64_t              by_presence[AW_PRESENCE_COUNT];
    aw_ms                 surge_since; /* 0: there is none */
    struct aw_day         team;
    uint64_t              team_goal; /* as in aw_day_answer */
    /* Since the store was made. */
    uint64_t messages;
    uint64_t opened;
    uint64_t folded;
    uint64_t reopened;
    uint64_t closed;
    uint64_t completed;
    uint64_t cancelled;
    uint64_t expired;
    uint64_t released;
    uint64_t declined;
    uint64_t deferred;
    uint64_t commitments_kept;
    uint64_t commitments_broken;
    /* On open tickets, just now. */
    uint64_t commitments;
    uint64_t commitments_overdue;
    uint64_t ticket_channels; /* channels of each ticket, summed */
    uint64_t replied;
    uint64_t promises_kept;
    uint64_t promises_broken;
    uint64_t promises_moved;
};

/* How many tickets of one channel an agent works on at once. */
struct aw_agent_units {
    struct aw_slice channel;
    uint32_t        units; /* at most AW_AGENT_UNITS_MAX; 0: none of this channel */
};
#define AW_UNITS_NO_TOTAL UINT32_MAX

struct aw_agent_answer {
    struct aw_slice              name;
    const struct aw_slice       *lanes; /* none: all */
    uint32_t                     lane_count;
    uint8_t                      barred; /* classes that it is not given, 1 << class each */
    bool                         is_gentle;
    bool                         needs_approval;
    const struct aw_agent_units *units;
    const uint32_t              *held; /* leases, in each of these channels */
    uint32_t                     unit_count;
    uint32_t                     units_total; /* or AW_UNITS_NO_TOTAL */
    uint64_t                     leases;
    enum aw_presence             presence;
    uint64_t                     version; /* for the ETag; 0: it was never set */
    bool                         dry_run; /* nothing was changed: what it would be */
};

/* What is known of a flight besides what messages say of it. The numbers are stored. */
/* What an incident is in. The numbers are stored. */
enum aw_incident_state { AW_INCIDENT_NONE = 0, AW_INCIDENT_PROPOSED = 1, AW_INCIDENT_OPEN = 2, AW_INCIDENT_CLOSED = 3 };
/* Whether tickets that come later join by what they are about. */
enum aw_incident_follow { AW_FOLLOW_AS_IS = 0, AW_FOLLOW_LATER = 1, AW_FOLLOW_NOT = 2 };
const char *aw_incident_state_name(enum aw_incident_state state);
/* What makes a ticket part of one. The numbers are stored. */
enum aw_incident_key_kind { AW_INCIDENT_FLIGHT = 0, AW_INCIDENT_AIRPORT = 1, AW_INCIDENT_BOOKING = 2 };
/* What becomes of a ticket when its incident is answered. */
enum aw_incident_verdict {
    AW_VERDICT_GOES = 0, /* it is answered; else it is held out, for a person: */
    AW_VERDICT_CARE,     /* by its class */
    AW_VERDICT_GENTLE,
    AW_VERDICT_LEASED,   /* an agent has it */
    AW_VERDICT_HELD,     /* or an agent gave his word to come back to it */
    AW_VERDICT_CLASS,    /* a person gave it its class */
    AW_VERDICT_SEVERAL,  /* it is about other flights too */
    AW_VERDICT_CHANNEL,  /* nobody can be answered there: it lies in `listening`, or its account is not known */
    AW_VERDICT_FACTS,    /* something that a text names is not known of it */
    AW_VERDICT_ANSWERED, /* an incident answered it before, and the customer wrote again */
    AW_VERDICT_CHANGED,  /* since the texts were shown: it, its flight or the incident's keys */
    AW_VERDICT_PUBLIC,   /* the texts tell too much for a public answer, which this one would be */
    AW_VERDICT_REPLIES,  /* it has as many replies as one ticket may have */
};
#define AW_VERDICTS 13U
/* "care"; "goes" */
const char *aw_incident_verdict_name(enum aw_incident_verdict verdict);
/* What must be known of a ticket so that all texts of an answer can be rendered. The bits are stored. */
#define AW_NEEDS_FLIGHT        1U
#define AW_NEEDS_DEPARTURE     2U
#define AW_NEEDS_NEW_DEPARTURE 4U
#define AW_NEEDS_PROMISE       8U
#define AW_NEEDS_PRIVATE       16U /* may not go out in public */
#define AW_NEEDS_ALL           31U
struct aw_incident_key_answer {
    enum aw_incident_key_kind kind;
    uint32_t                  date_days; /* FLIGHT */
    uint8_t                   name_len;
    char                      name[AW_INCIDENT_KEY_BYTES_MAX]; /* number, or code */
};
struct aw_incident_answer {
    struct aw_incident_id         incident; /* seq 0: with dry_run of a new one */
    enum aw_incident_state        state;
    bool                          follows;
    bool                          is_linking; /* tickets that were there before are still being looked through */
    uint64_t                      version;
    aw_ms                         opened_at;
    aw_ms                         closed_at;    /* CLOSED */
    uint32_t                      tickets;      /* ever linked, but for those that were taken out */
    uint32_t                      open;         /* of them, not closed */
    uint32_t                      answered;     /* closed by an answer of this incident */
    aw_ms                         answered_at;  /* when one was approved last; 0: never */
    bool                          is_answering; /* that is under way */
    uint8_t                       title_len;
    char                          title[AW_INCIDENT_TITLE_BYTES_MAX];
    uint32_t                      key_count;
    struct aw_incident_key_answer keys[AW_INCIDENT_KEYS_MAX];
};
/* What a dry run of an answer tells of one ticket. */
struct aw_incident_try_item {
    struct aw_ticket_id      ticket;
    enum aw_incident_verdict verdict;
    struct aw_slice          lang; /* GOES: of the text, */
    struct aw_slice          text; /* rendered */
};
struct aw_incident_try_answer {
    struct aw_incident_id              incident;
    struct aw_slice                    digest;
    const uint32_t                    *verdicts; /* AW_VERDICTS, of all its open tickets */
    const struct aw_incident_try_item *items;
    uint32_t                           item_count;
    struct aw_slice                    next; /* empty: there is none */
};
/* A ticket that a request could not put into an incident, or take out. */
struct aw_incident_refusal {
    struct aw_slice       ticket; /* as the request names it */
    enum aw_err           err;
    struct aw_incident_id other; /* OTHER_INCIDENT: the one that has it */
};
/* What a change of one answers. */
struct aw_incident_change {
    struct aw_incident_answer         now;
    bool                              names_tickets; /* the request did: then the next three are told */
    uint32_t                          linked;        /* or taken out, by this request */
    const struct aw_incident_refusal *refused;
    uint32_t                          refused_count;
    bool                              dry_run;
    bool                              duplicate;
};

enum aw_flight_state {
    AW_FLIGHT_SCHEDULED = 0, /* goes as the messages say, or at departs_at */
    AW_FLIGHT_DELAYED = 1,   /* goes at departs_at */
    AW_FLIGHT_CANCELLED = 2,
    AW_FLIGHT_REBOOKED = 3, /* its passengers go another way: it is no departure of theirs any more */
};
const char *aw_flight_state_name(enum aw_flight_state state);

struct aw_flight_answer {
    char                 number[AW_FLIGHT_NUMBER_BYTES_MAX];
    uint8_t              number_len;
    enum aw_flight_state state;
    uint32_t             date_days;
    aw_ms                departs_at; /* 0: as the messages say */
    uint64_t             version;    /* for the ETag; 0: it does not exist */
    struct aw_change_id  change;     /* the newest, while it can be undone; else seq 0 */
};
struct aw_airport_answer {
    char                code[3];
    bool                closed;
    aw_ms               from; /* with `closed`: departures from then on, and before `until` */
    aw_ms               until;
    uint64_t            version;
    struct aw_change_id change;
};
/* What a change did to the desk's surge. The numbers are stored. */
enum aw_surge_turn { AW_SURGE_STAYS = 0, AW_SURGE_DECLARED = 1, AW_SURGE_CHANGED = 2, AW_SURGE_ENDED = 3 };
/* The surge itself is looked up behind it: a change does not carry it. */
struct aw_surge_mark {
    enum aw_surge_turn  turn;
    uint64_t            version;
    struct aw_change_id change;
};
/* After a change of one of these, and after its undo. */
struct aw_change_answer {
    enum aw_change_of        of;
    struct aw_flight_answer  flight;
    struct aw_airport_answer airport;
    struct aw_surge_mark     surge;
    /* Open ones that are about it: these were looked at again. Of a surge: those that wait where it holds. */
    uint32_t tickets;
    bool     dry_run;   /* nothing was changed */
    bool     duplicate; /* the first answer again */
};

struct aw_surge;
/* The desk's surge. */
struct aw_surge_answer {
    const struct aw_surge *surge;
    const struct aw_slice *lanes;   /* names of its lanes */
    uint64_t               version; /* for the ETag; 0: there never was one */
    struct aw_change_id    change;  /* the newest, while it can be undone; else seq 0 */
    /* After a change of it. */
    bool     is_change;
    uint32_t tickets; /* that wait where it holds, or held */
    bool     dry_run;
    bool     duplicate;
};

/* RFC 9457. `field`, `line` and the ones behind are members of their own, left out when empty or 0. */
/* Words of a reply that should not go out. */
struct aw_reply_span {
    struct aw_slice kind;  /* "phone" */
    struct aw_slice rule;  /* "en.refer.call" */
    struct aw_slice words; /* of the text */
    uint32_t        begin; /* bytes of the text */
    uint32_t        end;
};
struct aw_reply_check_answer {
    const struct aw_reply_span *spans;
    uint32_t                    span_count;
    bool                        more; /* than are told */
    bool                        cut;  /* what lies behind was not looked at */
};

struct aw_problem {
    enum aw_err     err;
    struct aw_slice detail;
    struct aw_slice field;
    uint32_t        line;          /* in a batch, 1-based */
    uint32_t        retry_after_s; /* also a header */
    struct aw_slice state;         /* lease-lost: expired, taken_over, closed, released */
    struct aw_slice ticket;        /* of a line that is about one of many */

    const struct aw_reply_span *spans; /* reply-check */
    uint32_t                    span_count;
};

/* What a stream tells of a lease that its agent knows. */
struct aw_lease_news {
    struct aw_slice                 lease; /* the token */
    struct aw_ticket_id             ticket;
    aw_ms                           expires_at;
    uint64_t                        expires_in_s;
    struct aw_slice                 state;    /* how it was lost */
    struct aw_incident_id           incident; /* that its ticket is part of by now; seq 0: none */
    const struct aw_stored_message *messages;
    uint32_t                        message_count;
    uint32_t                        messages_total;
    uint32_t                        withdrawn; /* messages that are */
};

#endif
