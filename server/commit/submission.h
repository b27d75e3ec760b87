/* submission.h - what an io thread asks of the committer, and gets back: the unit that travels through the mailboxes.
 *
 * A submission lives in its request's memory. Pushing it to the committer gives it away, with everything it points to; the
 * committer gives the same object back by the io thread's own mailbox, exactly once, with the answer filled in. Between the two
 * the io thread must not touch it, nor free or take from the arena it lies in.
 *
 *   COMMANDS  applied in order, answered when all that changed something is durable (or refused)
 *   QUERY     looks at the state; sees everything that was acknowledged before it was pushed. An AHEAD or a SEARCH takes many steps
 *             of the committer: one is under way, the others wait for their turn
 *   PARK      a pull that found nothing: comes back WOKEN when there may be work, or CANCELLED
 *   WATCH     comes back when a record behind `seen_seq` was published: who tells others what happens sleeps until then
 *   FOLLOW    comes back with the desk's surge when that is another one than version `seen_seq`
 *   AWAIT     a gateway that found no reply: comes back when one can go out on its accounts
 *   CANCEL    ends the parking of `target`, a query that is not answered yet, a watch, a follow, or a wait for replies; both come
 *             back
 *
 * Thread: stated above. Owns: nothing beyond what its request owns.
 */
#ifndef AW_COMMIT_SUBMISSION_H
#define AW_COMMIT_SUBMISSION_H

#include "base/list.h"
#include "base/time.h"
#include "commit/present.h"
#include "core/ahead.h"
#include "core/census.h"
#include "core/order.h"
#include "core/reply_search.h"
#include "core/search.h"
#include "core/state.h"
#include "model/command.h"

enum aw_submission_kind {
    AW_SUBMIT_COMMANDS,
    AW_SUBMIT_QUERY,
    AW_SUBMIT_PARK,
    AW_SUBMIT_WATCH,
    AW_SUBMIT_FOLLOW,
    AW_SUBMIT_AWAIT,
    AW_SUBMIT_CANCEL,
};

/* A command and where it became durable. A command that changed nothing has the point of the batch that was durable when it was
 * answered. */
struct aw_entry {
    struct aw_command      command;
    struct aw_commit_point point;
};

enum aw_query_kind {
    AW_QUERY_TICKET,       /* id -> views[0]; settings, when asked for */
    AW_QUERY_AHEAD,        /* id, ahead -> views[0], and, if it waits, ahead and is_paused: in steps */
    AW_QUERY_SEARCH,       /* search, and views unless by slot -> search, views: in steps; `now` is that of the last one */
    AW_QUERY_LEASES_OF,    /* agent -> views */
    AW_QUERY_STREAM,       /* agent, look -> views, look: what a stream of this agent has to tell */
    AW_QUERY_PULL,         /* agent, pull_key -> views: what a repeated pull gets again */
    AW_QUERY_LANES,        /* -> lanes */
    AW_QUERY_LANE,         /* name -> lanes[0] */
    AW_QUERY_FLIGHT,       /* flight_hash -> flights[0] */
    AW_QUERY_FLIGHTS,      /* -> flights, next */
    AW_QUERY_AIRPORT,      /* airport -> airports[0] */
    AW_QUERY_AIRPORTS,     /* -> airports, next */
    AW_QUERY_INCIDENT,     /* incident -> incidents[0] */
    AW_QUERY_INCIDENT_TRY, /* try_ -> try_: in steps */
    AW_QUERY_INCIDENTS,    /* incident_state -> incidents, next */
    AW_QUERY_AGENT,        /* name -> agents[0] */
    AW_QUERY_AGENTS,       /* -> agents, next */
    AW_QUERY_COUNTS,       /* -> counts */
    AW_QUERY_MESSAGES,     /* messages, room -> messages */
    AW_QUERY_CONTACT,      /* contact -> contact */
    AW_QUERY_SOURCES,      /* source_ids, room -> seen: their records, or 0 */
    AW_QUERY_DUE,          /* due -> views: commitments */
    AW_QUERY_REPLY,        /* seq -> replies[0] */
    AW_QUERY_REPLIES,      /* reply_search: in steps */
    AW_QUERY_SEEN,         /* leases, room -> held */
    AW_QUERY_CHANNEL,      /* name -> channel */
    AW_QUERY_TEMPLATE,     /* reply_kind -> own_texts, count, version */
    AW_QUERY_TEXTS,        /* text_refs, room -> own_texts: len 0 for one that is gone */
    AW_QUERY_SURGE,        /* -> surge */
    AW_QUERY_CENSUS,       /* census -> census: a piece of it */
    AW_QUERY_WHO,          /* who -> who: a piece of it */
    AW_QUERY_TOLD,         /* told, skip, room -> told, count, next */
    AW_QUERY_DAY,          /* name -> days */
};
/* A lease that a stream told of. */
struct aw_told_lease {
    uint64_t           fence;
    uint32_t           slot;
    enum aw_lease_fate fate; /* the answer: what became of it, and with GONE how */
    enum aw_lease_end  end;
};
/* A stream looks at what its agent holds. The views are those of its oldest leases, as LEASES_OF has them. */
struct aw_stream_look {
    uint64_t stream; /* its number; 0: it joins, and gets one above all before it */
    /* Leases that it was granted itself, and gives back when they can't be told. Others that it is shown count as told: they are
     * not given back because the answer of a pull got lost. */
    const uint64_t       *own; /* fences */
    uint32_t              own_count;
    uint64_t              seq;  /* the last record that this takes into account */
    uint32_t              news; /* for its park */
    uint32_t              held; /* leases in all */
    enum aw_presence      presence;
    struct aw_told_lease *told;
    uint32_t              told_count;
};
/* What was done today, by one agent and by all. */
struct aw_days {
    struct aw_day own;
    struct aw_day team;
};
/* Who works in which lanes. */
struct aw_who {
    /* Asked and answered: how far it is; zeros at first. */
    uint32_t agent;  /* that was looked at last */
    uint32_t bucket; /* of parked pulls that is looked at next */
    bool     has_agents;
    bool     is_through;
    /* Answered, when it is through. */
    struct aw_lane_set      *sets;                     /* borrows: AW_LANE_SETS_MAX */
    uint32_t                 agents[AW_LANE_SETS_MAX]; /* by set; who works on several tickets at once counts as so many */
    uint32_t                 set_count;
    struct aw_census_lane   *lanes; /* borrows: lanes_max */
    uint32_t                 lane_count;
    bool                     has_order; /* a ticket was given out since the start */
    struct aw_order_settings order;     /* by which the last one was chosen */
};
/* What is told of how long it takes. */
struct aw_told_lane {
    struct aw_slice name;
    uint8_t         group; /* or AW_PROMISE_NO_GROUP */
};
/* Who only talked about us, by the hash of channel and customer. */
struct aw_contact_look {
    struct aw_hash128 hash;
    struct aw_contact now; /* the answer */
};
struct aw_told_look {
    /* Asked: of the lane that a message with these would come to, or of all. */
    bool            is_one;
    struct aw_slice lane;
    struct aw_slice lang;
    struct aw_slice channel;
    struct aw_slice account;
    /* Answered. */
    struct aw_told_group groups[AW_PROMISE_GROUPS_MAX];
    struct aw_told_lane *lanes; /* borrows: room */
};
/* Whether a message may be shown, and what its text said of itself (aw_state_message). */
struct aw_message_look {
    uint64_t            seq;
    struct aw_ticket_id ticket; /* that its record names */
    enum aw_err         err;    /* NOT_FOUND: its ticket is not shown */
    aw_ms               withdrawn_at;
};
static inline bool
aw_message_is_shown(const struct aw_message_look *look)
{
    return look->err == AW_OK && look->withdrawn_at == 0;
}

struct aw_query {
    enum aw_query_kind     kind;
    enum aw_err            err;
    struct aw_ticket_id    ticket;
    struct aw_slice        name; /* agent or lane */
    struct aw_pull_key     pull_key;
    uint64_t               above_fence; /* LEASES_OF: leases granted later than this one */
    uint64_t               flight_hash;
    struct aw_airport_code airport;
    struct aw_incident_id  incident;
    enum aw_incident_state incident_state; /* NONE: any */
    uint32_t               skip;           /* lanes to pass over; of flights, airports, agents: the row behind which to begin */
    uint32_t               next;           /* flights, airports, agents: `skip` of the page behind this one; 0: there is none */
    uint32_t               room;           /* of views, lanes, flights, airports or agents */
    uint32_t               count;          /* how many were written */
    struct aw_ticket_view *views;
    union { /* as its kind says: many wait, each with a query */
        struct aw_lane_answer     *lanes;
        struct aw_agent_view      *agents;
        struct aw_state_counts    *counts;
        struct aw_channel_view    *channel;
        struct aw_surge_view      *surge;
        struct aw_due_look        *due;
        const struct aw_hash128   *source_ids;
        struct aw_message_look    *messages;
        struct aw_ahead           *ahead;
        struct aw_incident_try    *try_;
        struct aw_search          *search;
        struct aw_stream_look     *look;
        struct aw_incident_answer *incidents;
        struct aw_census          *census;
        struct aw_who             *who;
        struct aw_told_look       *told;
        struct aw_days            *days;
        struct aw_contact_look    *contact;
    };
    struct aw_flight_answer  *flights;
    struct aw_airport_answer *airports;
    uint32_t                 *agent_lanes; /* AW_LANES_PER_PULL_MAX an agent */
    struct aw_slice          *values;      /* 4 * AW_LANE_MATCH_MAX a lane; the committer copies the texts to `texts` */
    char                     *texts;       /* AW_LANE_TEXTS_BYTES a lane */
    struct aw_core_settings  *settings;
    uint64_t                  seq;     /* REPLY: its id's */
    struct aw_reply_view     *replies; /* TICKET too, when asked for: of the ticket, AW_REPLIES_SHOWN_MAX at most */
    uint32_t                  reply_count;
    const struct aw_lease_id *leases;
    struct aw_seen           *held;
    uint64_t                 *seen; /* SOURCES */
    enum aw_reply_kind        reply_kind;
    const struct aw_text_ref *text_refs;
    struct aw_text_view      *own_texts;
    uint64_t                  version;
    struct aw_reply_search   *reply_search;
    bool                      is_paused; /* AHEAD: its lane gives nothing out */
    aw_ms                     now;       /* record time of the answer */
};
/* The newest so many of a ticket. */
#define AW_REPLIES_SHOWN_MAX 50U
/* Room for all values of one lane's match. */
#define AW_LANE_TEXTS_BYTES (4U * AW_LANE_MATCH_MAX * AW_LANE_BYTES_MAX)

/* AGAIN: its agent was set meanwhile, so that other lanes may be its own now; it was woken for nothing. Of streams also NEWS: what
 * the agent holds has changed since the stream looked; and REPLACED: the same agent has a later one. */
enum aw_park_end { AW_PARK_WOKEN, AW_PARK_CANCELLED, AW_PARK_AGAIN, AW_PARK_NEWS, AW_PARK_REPLACED };
#define AW_LANE_NONE UINT32_MAX

/* Most commands of an atomic submission. */
#define AW_ATOMIC_MAX 1000U

struct aw_submission;
/* A parked pull's place in one lane's list. */
struct aw_park_node {
    struct aw_list        link;
    struct aw_submission *pull;
};
/* Who pulls, and how it waits. */
struct aw_park {
    struct aw_slice                 agent;
    uint64_t                        stamp;       /* of the settings of its agent that it went by; 0: it was never set */
    struct aw_list                  agent_link;  /* committer only */
    struct aw_list                  gentle_link; /* committer only */
    struct aw_list                  freed_link;  /* committer only */
    bool                            is_gentle;   /* committer only: its agent, when it was parked */
    const struct aw_order_settings *order;       /* borrows: the rule by which it chooses */
    struct aw_pull_key              key;         /* is woken too when another pull with this key was given leases */
    struct aw_list                  key_link;    /* committer only */
    const uint32_t                 *lanes;       /* lane_count of them, ascending; NULL: all lanes */
    struct aw_park_node            *nodes;       /* lane_count of them, or 1 for all lanes */
    uint32_t                        lane_count;
    uint32_t                        woken_lane;   /* the lane that it was woken for, until it comes back; else AW_LANE_NONE */
    uint32_t                        offered_slot; /* the ticket aside that it was woken for, until it comes back; else 0 */
    uint64_t                        stream;       /* its number, of a stream; else 0 */
    uint32_t                        news;         /* of a stream: what it knows (aw_stream_look) */
    uint32_t                        units;        /* of a stream: it takes nothing while its agent holds so many leases; else 0 */
    uint16_t                        full;         /* committer: shelves of which it can take nothing, 1 << shelf each */
    uint8_t                         barred;       /* committer: classes that its agent is not given, when it was parked */
    uint64_t                        number;       /* its place; 0: not registered yet. Kept over a wake that found nothing */
    enum aw_park_end                end;
    bool leaving; /* was woken and gives up: comes back CANCELLED, and somebody else is woken in its place */
    bool parked;  /* committer only */
};

struct aw_submission {
    enum aw_submission_kind kind;
    uint32_t                io;    /* which io thread gets it back */
    void                   *owner; /* the io thread's own; the committer leaves it alone */
    struct aw_list          link;  /* committer's queues */
    /* AW_OK, or why none of it was looked at (STORE_BROKEN; CLOSED: what waits was cancelled). */
    enum aw_err err;
    /* COMMANDS */
    struct aw_entry *entries;
    uint32_t         count;
    uint32_t         done;       /* committer: entries[0..done) were applied */
    uint32_t         party;      /* of posts: whose they are, below parties_max; each party has its turns */
    uint32_t         woken_lane; /* LEASE commands of a pull that had been woken: for which lane; else AW_LANE_NONE */
    uint32_t         choices;    /* the io thread's own: entries taken from the lanes for it */
    bool             rests;      /* one of many pieces: its time is a part of what looks have */
    bool             is_atomic;  /* all of the commands, or none of them: aw_command_is_bulk, each of another ticket */
    struct aw_park  *pull;       /* LEASE commands: whose they are, so that tickets aside have their place; else NULL */
    bool             none_aside; /* committer: nothing that waits aside is left for this pull */
    /* PARK */
    struct aw_park park;
    /* By kind: what waits is small. */
    union {
        /* QUERY */
        struct aw_query *query;
        /* AWAIT */
        struct {
            const struct aw_account_name *accounts;
            uint32_t                      account_count;
        };
        /* WATCH, FOLLOW */
        struct {
            uint64_t              seen_seq; /* by aw_lanes_published; FOLLOW: the version of the surge that it knows */
            struct aw_surge_view *surge;    /* FOLLOW: written only when it comes back with AW_OK */
        };
        /* CANCEL */
        struct aw_submission *target;
    };
};

#endif
