/* pull.h - how an agent takes tickets: what a POST /v1/leases and a stream have in common.
 *
 *   renew -> take -> (the committer) -> sort -> read -> views      take: from the lanes, without asking anybody
 *     ^       |                                                    the committer: its word alone counts
 *     +- woken +- nothing there: park                              read: the messages
 *
 * A pull that names no lanes goes by those that its agent is set to, as they are each time that it looks. While it waits, the
 * committer sends it back when its agent is set anew.
 *
 * Whoever leaves on the way gives back what it has: an entry taken from the lanes, a wake that was meant for somebody, a lease that
 * was granted, and a lease whose answer did not leave.
 *
 * Who owns: the handler, whose struct begins with an aw_pull; what lasts lies in the request's arena, the rest in the call's.
 * Thread: io. Fails: for lack of memory, where it says so.
 */
#ifndef AW_RUN_PULL_H
#define AW_RUN_PULL_H

#include "commit/choice.h"
#include "run/call.h"

struct aw_lease_answer;

struct aw_pull {
    struct aw_call     call;
    struct aw_slice    agent;
    const uint32_t    *lanes; /* NULL: all */
    uint32_t           lane_count;
    bool               names_lanes; /* they are the request's; else the agent's */
    const uint32_t    *bound;       /* ascending: of the agent's lanes those that its token is for; NULL: any */
    uint32_t           bound_count;
    uint32_t           max; /* tickets to take at once */
    uint64_t           lease_ms;
    struct aw_pull_key key;     /* key 0: no Idempotency-Key */
    struct aw_entry   *entries; /* room for `max` when it takes */
    uint32_t           granted; /* the leases: the first so many of `entries`, or with is_repeat of query->views */
    bool               is_repeat;
    struct aw_read    *read;
    /* The committer's, while they are out. */
    struct aw_submission submission; /* the leases, or their release, or the query */
    struct aw_submission park;
    struct aw_submission cancel;
    struct aw_query     *query;       /* owned by who pulls; only while there is one to ask: most have none */
    bool                 is_parked;   /* `park` is out */
    bool                 is_shut_out; /* the lanes are shut: it is answered so when its submission is back */

    uint32_t                *_agent_lanes; /* room for _agent_lanes_room: those of the agent, when the pull names none */
    uint32_t                 _agent_lanes_room;
    uint64_t                 _stamp; /* of the agent's settings that it goes by; 0: it was never set */
    bool                     _is_gentle;
    uint8_t                  _barred;      /* classes that the agent is not given */
    struct aw_units          _units;       /* that the agent has free for what this pull takes further */
    bool                     _asked_aside; /* for a ticket that waits aside, since it was last woken for one */
    bool                     _is_cancelling;
    struct aw_order_settings _order; /* a copy: the committer compares by it while the io thread's may change */
};

/* Whether the token is for the lanes that the request names; if it names none, which ones the token is for. After agent and lanes
 * are set. False: answered 403 or 503. */
AW_MUST_USE bool aw_pull_bound(struct aw_pull *pull);
/* After agent, lanes, bound, max, lease_ms and key are set. */
void aw_pull_init(struct aw_pull *pull);
/* Looks what the agent is set to by now. Nothing is out. False: no memory. */
AW_MUST_USE bool aw_pull_renew(struct aw_pull *pull);
/* Takes up to `max` tickets and asks for their leases (`submission`). False: there was nothing. Without a place for any it asks for
 * none, and is back with the next answers, whether those made a place or it is to be refused. */
AW_MUST_USE bool aw_pull_take(struct aw_pull *pull);
/* What the submission of a take brought. Moves what was granted to the front of `entries`; with anything granted all is well. Else
 * the first error that is not about a single choice; AW_OK: all went elsewhere. */
AW_MUST_USE enum aw_err aw_pull_sort_granted(struct aw_pull *pull);

/* Memory to wait in, once. False: none. */
AW_MUST_USE bool aw_pull_make_park(struct aw_pull *pull);
bool             aw_pull_has_park(const struct aw_pull *pull);
/* Goes (back) to waiting (`park`). `leaving`: it gives up, and what it was woken for goes to somebody else. */
void aw_pull_park(struct aw_pull *pull, bool leaving);
/* `park` is back. */
void aw_pull_parked(struct aw_pull *pull);
/* Whether it was woken for something that must go to somebody else if it takes nothing. */
bool aw_pull_has_wake(const struct aw_pull *pull);
/* Ends the waiting before its time; harmless when it does not wait. */
void aw_pull_cancel(struct aw_pull *pull);

/* Has the messages of the granted leases read (`read`). False: no memory. */
AW_MUST_USE bool aw_pull_read_messages(struct aw_pull *pull);
/* The granted leases as their agent is told of them, when their messages were read. AW_E_MEMORY, or why they can't be read. */
AW_MUST_USE enum aw_err aw_pull_make_views(struct aw_pull *pull, struct aw_lease_answer **ret_leases);
/* An agent is told that something can't be read; whoever runs the server must hear of it too. */
void aw_pull_tell_of_damage(struct aw_pull *pull);

/* Turns the granted leases into releases and submits them: the client is gone. */
void aw_pull_give_back(struct aw_pull *pull);
/* The same for leases of which the answer did not leave, when the memory of the request is about to go: it lives by itself. */
void aw_pull_give_back_later(struct aw_pull *pull, const struct aw_lease_id *leases, uint32_t count);

#endif
