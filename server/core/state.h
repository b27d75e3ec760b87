/* state.h - the state machine: tickets, identities, leases, lanes, agents, duplicates. Everything that aswolk knows, in memory.
 *
 * Deterministic: the same commands at the same times give the same state, outcome for outcome (compare aw_state_digest). No
 * clock, no socket, no thread, no malloc after aw_state_new: time comes in with aw_state_begin, tables are reserved address space
 * that is touched as it is needed, sized by aw_state_limits; indexes are 32-bit slots, never pointers, and no decision depends on
 * the order inside a hash table. What one apply does is bounded, except EPOCH (all running leases), SETTINGS (all tickets,
 * when a setting changes from which timers follow) and FLIGHT, AIRPORT and UNDO (all tickets that name it: about 1 us each).
 *
 *   ticket  FREE -> WAITING <-> LEASED -> CLOSED -> FREE,  WAITING <-> HELD,  any open one -> CLOSED by cancel,
 *           CLOSED -> WAITING when the customer writes again within reopen_ms, LEASED -> HELD by its holder alone, who puts it off.
 *
 * Rules that the design leaves open, decided here:
 *   lane       asked for by name; one that does not exist: `main`. Else of the lanes with something to match those whose lists
 *              all hold the message's value, most lists first, then the smaller index. Else `main`. Talk about us (addressed
 *              about_us or bystander): `listening`, never folded. A paused lane (in, both) refuses to open or reopen a ticket,
 *              never a follow-up.
 *   folding    joins the open ticket opened first of those that share an identity; `related` is the next of them. With none open,
 *              reopens the one that closed last, if less than reopen_ms ago. The ticket gets the identities it did not have, up
 *              to AW_TICKET_IDENTITIES_MAX. An identity names at most AW_IDENTITY_TICKETS_MAX tickets: then the one opened last
 *              gives way.
 *   class      a message raises it, never lowers it. What a person sets stands, up or down, against all that was known then: what
 *              messages had said, what clock and events gave. What comes later and is more urgent than that raises it again;
 *              nothing lowers it but a departure that can no longer be made (IMMINENT, by a person too, is only with one that
 *              can). IMMINENT exactly while the departure lies within imminent_ms and at least
 *              the handling time away (a hint `imminent` without such a departure counts as disrupted); afterwards DISRUPTED.
 *              CARE stays. The clock works on WAITING and HELD tickets; a LEASED one hears it when it comes back.
 *   departure  of all flights that a ticket's messages name, as FLIGHT says that they go, the earliest that can still be made: not
 *              cancelled, its passengers not rebooked, and neither from nor to an airport that is closed when it departs (when it
 *              would arrive, nobody told us). When none can, the latest that goes at all. A flight is known by number and date;
 *              the newest message that names it tells its time. A ticket keeps AW_TICKET_FACTS_MAX flights, airports and
 *              bookings; then the one that was said first gives way.
 *   stranded   a ticket with a flight that is cancelled or may not leave or land is at least DISRUPTED; so is one whose departure
 *              was near, and one that names no flight but an airport, when that is closed or will be and it was named before the
 *              end. All of this follows from messages, plans and the time: undone, all is as if nothing had been said.
 *   events     FLIGHT, AIRPORT and UNDO change one row, and make the tickets due for which class or place is another one now: each
 *              then moves by a TIMER of its own. LEASED tickets hear it when they come back.
 *   undo       of the last change of a flight or airport, once. Flights are forgotten two days after they are over, when no open
 *              ticket names them.
 *   version    changes when a ticket enters or leaves a queue or moves in it: what lies in a queue with another one is stale. A
 *              message that moves nothing does not change it.
 *   place      a person moves a ticket to a lane, which must not be paused (in, both), or gives it a class: it joins the end of its
 *              tick in its queue. A LEASED one goes there when it comes back; it can't be held or let go.
 *   unfold     a person takes messages out: see unfold.c.
 *   reply_by   of the messages of a ticket that wait for an answer, the earliest time that lay ahead when the newest of them came:
 *              who writes again neither gains nor loses time. Within AW_CLOSING_MS of it, and as long as who takes the ticket can
 *              answer in time (the handling time of its class), the ticket is closing and waits in one more queue; a TIMER begins
 *              and ends it.
 *   channel    a ticket has that of its newest message, as a number: the first AW_CHANNELS_TOLD_MAX names have one, and those that
 *              agents' units name, AW_CHANNELS_MAX in all. The latter have queues of their own from then on, a shelf; a ticket that
 *              waits and changes its shelf goes to the end of its tick there.
 *   extend     the lease ends lease_ms from now, even if that is sooner than before: as the agent asks. With lease_ms 0 the end
 *              stays, and only what came meanwhile counts as seen; without any it changes nothing.
 *   aside      a ticket that not every agent may take now, as some declined it (for decline_ms) or one shall have it first
 *              (kept_ms), waits in no queue: the event ASIDE, not QUEUED. Then it goes back. Each agent has a row; a ticket at most
 *              AW_TICKET_ASIDES_MAX, and when there are no more, a decline is refused and nobody is kept for.
 *   gentle     a gentle ticket that a message opens, or reopens and is kept for nobody, is for agents marked gentle alone, for
 *              gentle_first_ms, when one of them who serves its lane is there: holds a lease, or completed one within 15 min.
 *              Never CARE and IMMINENT. At most AW_GENTLE_ASIDES_MAX at a time, and half of the rows of tickets aside: what is more
 *              goes to the queue at once. At most AW_GENTLE_AGENTS_MAX agents are so marked.
 *   units      what an agent may hold in a channel, and in all, binds LEASE, not what it holds already: a follow-up on another
 *              channel, or fewer units, leave its leases alone.
 *   classes    an agent is given tickets of those that it is set to, whatever waits: without CARE it never gets one. That binds
 *              LEASE as units do. Nothing is kept for it of a class that it does not take, nor can that be transferred to it. What
 *              was kept before it was set so stays kept until that time is over.
 *   presence   of an agent: only who is READY is given tickets, and counts as there for what is kept or gentle; what it holds it
 *              goes on with. LEAVING without a lease is shown as GONE. Who was never heard of is READY.
 *   kept       a ticket that reopens, for the agent who completed it, when that one holds a lease or completed it less than 15 min
 *              ago. Never CARE and IMMINENT: these go to the queue at once, also when they become so.
 *   transfer   an agent hands the ticket that he holds to another lane, which must not be paused (in, both), or to a colleague who
 *              is set to serve its lane: then it is kept for him (kept_transfer_ms), though he declined it before, and goes to its
 *              lane for all afterwards. CARE and IMMINENT wait for no one. Age, class and thread stay. AW_TICKET_TRANSFERS_MAX
 *              times, and never to a lane that it left so: more is for a supervisor, whose PLACE to a lane lets agents begin anew.
 *              Reopening does not.
 *   defer      the holder puts a ticket off and gives his word for a time: commitment.c. It is HELD, and DEFERRED, until
 *              defer_back_ms before, or half of the time that is left if that is later; until the customer writes; until it becomes
 *              more urgent; or until a person holds it or lets it go. Then it is for that agent first (kept_transfer_ms, and no
 *              longer than half of what is left), if he is READY and set to serve its lane.
 *   note       by any agent, of an open ticket: it moves nothing, and is no message.
 *   helpers    a lane names up to AW_LANE_HELPERS_MAX others that help when a ticket has waited so long, by its age: by its TIMER
 *              the ticket waits in these queues too (HELPED), under the same version; whoever takes it first has it. Help of help
 *              does not count, and a lane that gives nothing out is not helped. When its helpers change, or it is paused, those
 *              that were helped get a new place by a TIMER each, first without helpers; until then a lease through a lane that
 *              helps no more is refused.
 *   repeats    a command that carries an aw_once and changed something is remembered for AW_ONCE_MS: the same again changes nothing
 *              and has the first outcome. What was refused is not remembered. When no more can be remembered, a command with a
 *              new key is refused: none is forgotten early. Pulls are known by their leases instead: while one granted to a pull
 *              runs, no other pull with its key gets any.
 *   approval   what an agent who needs it writes waits for a colleague who does not need it himself (core/approve.c). Refused, the
 *              ticket that its lease closed is open again with its age, kept for who wrote it as a ticket that is handed to him.
 *   reply      core/outbox.h has the rules of replies. A message that answers one, by the id that it got at the provider, joins or
 *              reopens its ticket before its identities are asked.
 *   incident   core/incident.h has the rules of incidents.
 *   closed     kept for reopen_ms, then taken for new tickets: up to 4 with each ticket opened, up to 64 when a table is full.
 *
 * Who owns: the caller, until aw_state_free. Thread: the committer (and main before it starts); only the names that outcomes
 * borrow may be read elsewhere, as they never change. What can fail: tables at their limit (AW_E_TABLE_FULL), said before
 * anything changed.
 */
#ifndef AW_CORE_STATE_H
#define AW_CORE_STATE_H

#include "base/why.h"
#include "model/command.h"
#include "model/limits.h"
#include "model/surge.h"
#include "model/units.h"
#include "port/table.h"

struct aw_state;

struct aw_state_limits {
    uint32_t tickets_max;        /* slots; open and recently closed, one less (slot 0 is no ticket); default 12 M */
    uint32_t identities_max;     /* default 16 M */
    uint32_t ids_max;            /* source ids remembered; default 24 M */
    uint32_t leases_max;         /* running at once; default 200,000 */
    uint32_t lanes_max;          /* default 4,096; 2 to AW_STATE_LANES_MAX; index 0 is `main`, 1 `listening` */
    uint32_t agents_max;         /* default 20,000 */
    uint32_t keys_max;           /* Idempotency-Keys remembered; default 200,000 */
    uint32_t facts_max;          /* flights, airports and bookings that tickets are about; default 24 M, two a ticket */
    uint32_t flights_max;        /* flights that were ever changed and are not over; default 20,000 */
    uint32_t asides_max;         /* agents who may not take a ticket, or for whom one is kept, just now; default 4,096 */
    uint32_t replies_max;        /* on their way out, and those of the last days while there is room; default 1 M */
    uint32_t commitments_max;    /* words given to customers who have not heard yet; at most AW_COMMITMENTS_MAX; default 10,000 */
    uint32_t contacts_max;       /* who only talked about us, was written to or opted out; default 1 M */
    uint32_t preimage_bytes_max; /* rows kept for a checkpoint under way; default 64 MiB */
};
#define AW_STATE_LANES_MAX 65535U
#define AW_STATE_ROWS_MAX  ((1U << 31) - 2)
/* Wired in, so that one message's work is bounded. */
#define AW_TICKET_IDENTITIES_MAX 64U
#define AW_IDENTITY_TICKETS_MAX  8U
#define AW_TICKET_FACTS_MAX      24U
#define AW_TICKET_ASIDES_MAX     16U
#define AW_TICKET_TRANSFERS_MAX  2U
#define AW_TICKET_NOTES_MAX      500U
#define AW_TICKET_WITHDRAWN_MAX  1000U
#define AW_GENTLE_AGENTS_MAX     1024U
#define AW_GENTLE_ASIDES_MAX     256U
#define AW_STATE_LIMITS_DEFAULT                                                                                                  \
    ((struct aw_state_limits){.tickets_max = 12000000,                                                                           \
                              .identities_max = 16000000,                                                                        \
                              .ids_max = 24000000,                                                                               \
                              .leases_max = 200000,                                                                              \
                              .lanes_max = 4096,                                                                                 \
                              .agents_max = 20000,                                                                               \
                              .keys_max = 200000,                                                                                \
                              .facts_max = 24000000,                                                                             \
                              .flights_max = 20000,                                                                              \
                              .asides_max = 4096,                                                                                \
                              .replies_max = 1000000,                                                                            \
                              .commitments_max = 10000,                                                                          \
                              .contacts_max = 1000000,                                                                           \
                              .preimage_bytes_max = 64U << 20})

/* Empty, epoch 0, with the lanes `main` and `listening`. AW_E_MEMORY when the address space can't be had, AW_E_CONFIG for limits
 * out of range. aw_hash_init was called before. */
AW_MUST_USE enum aw_err aw_state_new(struct aw_state **ret_state, const struct aw_state_limits *limits, uint8_t shard,
                                     struct aw_why *why);
/* For who reads a store without its server's settings: with the largest limits that there is address space for. */
AW_MUST_USE enum aw_err aw_state_new_largest(struct aw_state **ret_state, uint8_t shard, struct aw_why *why);
void                    aw_state_free(struct aw_state **state);

/* --- changing ------------------------------------------------------------------------------------------------------------- */

/* Every apply until the next begin happens at `now`, never before an earlier one, in the batch `index`, never below an earlier
 * one. */
void aw_state_begin(struct aw_state *state, uint64_t index, aw_ms now);
/* Whether the state would still take this command as far as tables go: called before room in the store is counted. Only posts,
 * lanes, leases and requests with a new Idempotency-Key can meet a limit. AW_OK, AW_E_TABLE_FULL. A release that gives back what
 * nobody was told of: AW_E_STALE when a repeat of that pull was told meanwhile. */
AW_MUST_USE enum aw_err aw_state_admits(const struct aw_state *state, const struct aw_command *command);
/* Starts to fetch the memory that this command will need; changes nothing. Called a few commands ahead it hides most of the time
 * that apply spends waiting for memory when the tables are large. */
void aw_state_prefetch(const struct aw_state *state, const struct aw_command *command);
/* Carries the command out and fills its outcome; returns out.err. changed is true exactly when a record must be written. An error
 * changed nothing, but for one: NEW_MESSAGES moves the lease's seen_seq, because its answer brings the messages, and after a
 * restart the holder must still have seen them. So a replay goes by `changed`, not by `err`. Errors by kind:
 *   MESSAGE  AW_OK (also duplicate: changed false, only duplicate, first_seq and record_seq are filled), LANE_PAUSED, TABLE_FULL
 *   LEASE    STALE (no longer waiting, another version, its lane gives nothing out, or not for this agent now), TABLE_FULL,
 *            BAD_VALUE (the agent's name), AGAIN (leases of another pull with this key run: aw_state_leases_of_pull has them),
 *            KEY_REUSED (of one with another body)
 *   EXTEND, COMPLETE, RELEASE, DECLINE   LEASE_LOST (out.u.lease.end tells why), NEW_MESSAGES (COMPLETE; out.u.lease.seen_seq:
 *            the newest that the holder had been given), FORBIDDEN (another agent's lease), NOT_FOUND (no such ticket any more).
 *            DECLINE also TABLE_FULL. AW_OK with changed false: COMPLETE, RELEASE, DECLINE, TRANSFER or DEFER repeated with the
 *            op_hash that ended this lease (of a ticket's leases, the one that ended last)
 *   TRANSFER as DECLINE, and LANE_PAUSED; NOT_FOUND (of lane or agent), BAD_VALUE and TRANSFER_REFUSED as out.u.lease.refusal says
 *   ERASE    TABLE_FULL; AW_OK with out.u.erase.spares when the ticket is not closed: changed only if replies of it are stopped;
 *            of the customer himself not changed when out.u.erase.moved
 *   WITHDRAW NOT_FOUND (its ticket is not shown any more), TABLE_FULL; AW_OK with changed false: withdrawn before
 *   OPT_OUT  BAD_VALUE (no hash), TABLE_FULL; AW_OK with changed false when it is so already, and with dry_run
 *   DEFER    as COMPLETE without a reply; BAD_VALUE (until: not ahead, or beyond AW_DEFER_MS_MAX), TABLE_FULL
 *   NOTE (any open one)   as HOLD; TABLE_FULL also when it has AW_TICKET_NOTES_MAX
 *   TIMER    AW_OK with changed false when the ticket moved on
 *   HOLD (WAITING, HELD), UNHOLD (HELD), CANCEL (any open one)   NOT_FOUND, PRECONDITION, WRONG_STATE; with a key also KEY_REUSED
 *            and TABLE_FULL, and AW_OK with changed false and repeated true; AW_OK with changed false with dry_run
 *   PLACE (any open one; as HOLD and UNHOLD when it does that too)   as these, NOT_FOUND also for the lane's name, LANE_PAUSED;
 *            AW_OK with changed false when it is as asked already
 *   LANE     BAD_VALUE, PRECONDITION, TABLE_FULL; AW_OK with changed false when it is as asked already
 *   AGENT    as LANE, and with dry_run
 *   PRESENCE   BAD_VALUE, TABLE_FULL; AW_OK with changed false when it is so already
 *   FLIGHT, AIRPORT   BAD_VALUE, PRECONDITION; FLIGHT also TABLE_FULL; AW_OK with changed false when it is as asked already, and
 *            with dry_run
 *   UNDO     NOT_FOUND, OVERTAKEN      all three with a key as HOLD
 *   SURGE    BAD_VALUE, PRECONDITION; AW_OK with changed false when it is as asked already, and with dry_run
 *   UNFOLD   as CANCEL, but for BAD_VALUE (no message, or none left), STALE (other messages than were read: read them again) and
 *            TABLE_FULL; WRONG_STATE also while another agent holds what he was given of it
 *   REPLY    as EXTEND; TABLE_FULL (the outbox, or AW_TICKET_REPLIES_MAX of the ticket), BAD_VALUE (it answers no message of this
 *            ticket), `refusal`, CHANNEL_CHANGE_REFUSED (the consent is none), CONTACT_REFUSED (it only talks about us); AW_OK with
 *            changed false: written before under this lease. COMPLETE with a reply: all of these too, but TABLE_FULL only when a
 *            first contact finds no room
 *   REPLY_LEASE   AW_OK with changed false: nothing is due
 *   REPLY_STATUS  NOT_FOUND; LEASE_LOST (FAILED, of another attempt than the one under way); AW_OK with changed false: nothing new
 *   REPLY_TIMER   as TIMER      REDRIVE  TABLE_FULL (nothing fits); AW_OK with changed false: none is chosen, and with dry_run
 *   CHANNEL  as AGENT
 *   FORECAST BAD_VALUE, NOT_FOUND (a lane)      PROMISE  NOT_FOUND, BAD_VALUE, STALE (it may not move, or not now)
 *   INCIDENT BAD_VALUE, NOT_FOUND, PRECONDITION, WRONG_STATE, TABLE_FULL; AW_OK with changed false when it is so already, and with
 *            dry_run; with a key as HOLD
 *   INCIDENT_ANSWER   NOT_FOUND, BAD_VALUE, WRONG_STATE (not open, or being answered), PRECONDITION (the incident or one of its
 *            flights is another by now), TABLE_FULL; with a key as HOLD
 *   INCIDENT_TIMER    TABLE_FULL (the outbox has only room kept for people); AW_OK with changed false: it does not go
 *   INCIDENT_LINK (any open ticket, an incident that is open)   NOT_FOUND (of either), WRONG_STATE, OTHER_INCIDENT (out.u.incident
 *            .other has it); AW_OK with changed false when it is so already
 *   SETTINGS BAD_VALUE; AW_OK with changed false when they are the same      EPOCH  AW_OK
 * A lease is over exactly when now >= expires_at, also before its timer was applied.
 */
enum aw_err aw_state_apply(struct aw_state *state, struct aw_command *command);
/* Whether its tables were made for the limits that these settings tell. AW_OK, AW_E_TABLE_FULL with words that name the setting. */
AW_MUST_USE enum aw_err aw_state_fits(const struct aw_state *state, const struct aw_core_settings *settings, struct aw_why *why);
/* The most overdue timer at `now` as a command. False when none is due. Applying it always makes progress. Its turn and pushes are
 * right between begin at `now` and end, until something is applied. */
AW_MUST_USE bool aw_state_due(const struct aw_state *state, aw_ms now, struct aw_command *ret_command);
/* For a caller that has no room to carry out this slot's timer now: it is due again at `at`, and until then does not stand before
 * the others. No part of the state: a start finds it due at once. */
void aw_state_put_off(struct aw_state *state, uint32_t slot, aw_ms at);
/* The same when only help is due, by a minute and more: there may be as many as tickets. What else time has to say of this one
 * keeps its moment. Between begin and end. */
void aw_state_put_off_help(struct aw_state *state, uint32_t slot);
/* The same, of one with another turn than NOW, for which a full store has no bytes: by ten seconds and more, by one and more if it
 * presses. By one flight, airport or hour as many classes change as there are tickets, and nothing was kept for their records.
 * Between begin and end. */
void aw_state_put_off_late(struct aw_state *state, const struct aw_in_timer *timer);
/* Of tickets put off so, those whose class or departure has changed: they keep their place until it is written. */
uint32_t aw_state_late_count(const struct aw_state *state);
/* A bounded piece (AW_REARM_TICKETS) of setting the timers of waiting tickets anew, after the helpers of a lane have changed; to
 * be called before aw_state_due. No part of the state: a start sets all. */
#define AW_REARM_TICKETS 4096U
void aw_state_rearm(struct aw_state *state);
/* A bounded piece of a round through the tickets, for those that an incident claims by what they are about: what it finds is due.
 * To be called before aw_state_due. No part of the state: a start begins a round. */
void aw_state_incidents_look(struct aw_state *state);
/* An answer of an incident found no room in the outbox: no ticket is answered so before `until`. No part of the state. */
void aw_state_incidents_rest(struct aw_state *state, aw_ms until);
/* The store has no room for this INCIDENT or INCIDENT_LINK that was due: a proposal is dropped, as another ticket brings it again;
 * tickets are not linked by the server before `until`, and then looked for again. No part of the state. */
void aw_state_incidents_skip(struct aw_state *state, const struct aw_command *command, aw_ms until);
/* When the next timer is due, or at once while timers are being set anew; 0: none set. */
aw_ms aw_state_next_due(const struct aw_state *state);

/* --- looking -------------------------------------------------------------------------------------------------------------- */

/* From so long before its reply_by a ticket that waits is closing: it is looked for by that time too. More than four hours before a
 * channel closes, the wait of the oldest of its class says enough. */
#define AW_CLOSING_MS (UINT64_C(4) * 3600 * 1000)

struct aw_ticket_view {
    struct aw_ticket_id   ticket;
    enum aw_ticket_state  state;
    enum aw_class         class_;
    uint32_t              lane;
    struct aw_slice       lane_name;
    struct aw_slice       holder; /* LEASED */
    struct aw_lease_id    lease;  /* LEASED */
    bool                  gentle;
    bool                  class_by_person;
    uint32_t              version;
    uint32_t              attempt;
    uint32_t              messages_total;
    uint32_t              notes_total;
    uint64_t              last_seq;
    uint64_t              message_seq; /* the newest message */
    uint64_t              seen_seq;    /* LEASED: the newest message that the holder was given */
    aw_ms                 opened_at;
    aw_ms                 age;
    aw_ms                 departs_at;
    aw_ms                 reply_by;
    aw_ms                 closed_at;
    aw_ms                 held_until;
    aw_ms                 queued_at; /* WAITING: since when it lies in this place of its queue */
    aw_ms                 expires_at;
    aw_ms                 key;              /* of its queue */
    bool                  is_aside;         /* WAITING: in no queue, as not every agent may take it */
    bool                  closing;          /* as in struct aw_event */
    uint8_t               channel;          /* number of the channel of its newest message; 0: one without a number */
    struct aw_slice       channel_name;     /* empty without a number */
    uint8_t               shelf;            /* of the queues of its lane: its channel if that has queues of its own, else 0 */
    struct aw_incident_id incident;         /* the one that it is part of; seq 0: none */
    struct aw_promise     promise;          /* as told last; made_at 0: nothing was */
    bool                  promise_breaking; /* it waits, and was told that it takes longer */
    uint32_t              transfers;        /* by agents, since it opened or a supervisor moved it */
    uint32_t              from_lanes[AW_TICKET_TRANSFERS_MAX]; /* the lane that each of these left, or left it in */
    struct aw_ticket_help help;        /* WAITING: the lanes that help; LEASED: the one through which it was given, if of these */
    bool                  is_deferred; /* HELD: by who held it, until held_until or sooner */
    struct aw_commitment  commitment;
    uint32_t              withdrawn; /* LEASED: messages that its customers took back */
    struct aw_contact     contact;
};
/* AW_E_NOT_FOUND: never was, or closed longer ago than reopen_ms and its slot is used again. */
AW_MUST_USE enum aw_err aw_state_ticket(const struct aw_state *state, struct aw_ticket_id id, struct aw_ticket_view *ret_view);
/* The ticket in a slot, for a load of the queues; false for a free one. */
AW_MUST_USE bool aw_state_ticket_at(const struct aw_state *state, uint32_t slot, struct aw_ticket_view *ret_view);
/* One above the last slot ever used: ask aw_state_ticket_at below this. Slots are from 1 and below tickets_max. */
uint32_t aw_state_ticket_slots(const struct aw_state *state);
/* Tickets that `agent` holds running leases on, oldest lease first, those with a fence above `above_fence`; returns how many were
 * written. */
uint32_t aw_state_leases_of(const struct aw_state *state, struct aw_slice agent, uint64_t above_fence,
                            struct aw_ticket_view *ret_views, uint32_t room);
/* Running leases that `agent` got by a pull with this key, oldest first: *ret_count of them, 0 when there are none.
 * AW_E_KEY_REUSED: that pull had another body. Notes, beside the state, that they were told. */
AW_MUST_USE enum aw_err aw_state_leases_of_pull(struct aw_state *state, struct aw_slice agent, const struct aw_pull_key *pull_key,
                                                struct aw_ticket_view *ret_views, uint32_t room, uint32_t *ret_count);
/* What the holder of a lease was given. */
struct aw_seen {
    uint64_t message_seq; /* the newest message that the holder was given; 0: the lease does not run */
    uint64_t ticket_seq;  /* of its ticket's id */
    uint64_t last_seq;    /* the newest record of that */
};
void aw_state_seen_by(const struct aw_state *state, struct aw_lease_id lease, struct aw_seen *ret_seen);
/* Whether leases run that another pull with this key got. */
bool aw_state_pull_runs(const struct aw_state *state, const struct aw_pull_key *pull_key);
/* Whether so many more requests can be known by their keys. Takes as long as there are keys to be forgotten for them. */
bool aw_state_has_room_for_keys(const struct aw_state *state, uint32_t keys);
/* The ticket that a message's record names, or that it was moved to, is shown: since when the message is withdrawn; 0: it is not.
 * AW_E_NOT_FOUND: it was closed longer than reopen_ms ago. */
AW_MUST_USE enum aw_err aw_state_message(const struct aw_state *state, uint64_t seq, struct aw_ticket_id named,
                                         aw_ms *ret_withdrawn_at);
/* What is known of the customer behind this hash, if he only talked about us. */
struct aw_contact aw_state_contact(const struct aw_state *state, struct aw_hash128 hash);
/* The record that came first under this source id; 0: none is remembered. */
uint64_t aw_state_find_message(const struct aw_state *state, struct aw_hash128 id_hash);
/* The slot of the ticket that this record was moved to, by UNFOLD, or was withdrawn in; 0: neither. */
uint32_t aw_state_moved_to(const struct aw_state *state, uint64_t seq);
/* Leases in the table: those that run, and those whose TIMER has not come round yet. */
uint32_t aw_state_lease_count(const struct aw_state *state);
uint32_t aw_state_lane_count(const struct aw_state *state);
/* Whether the ticket in `slot` waits in this lane: its own, or one that helps. */
bool aw_state_waits_in(const struct aw_state *state, uint32_t slot, uint32_t lane);
/* Whether leases are given in this lane: it is not paused (out, both). */
bool aw_state_lane_gives(const struct aw_state *state, uint32_t lane);
/* `lane` below the count. Slices of the match borrow from the state until the lane is changed. `values`: room for 4 lists of
 * AW_LANE_MATCH_MAX slices, into which ret_answer's match points. */
void aw_state_lane(const struct aw_state *state, uint32_t lane, struct aw_slice values[4 * AW_LANE_MATCH_MAX],
                   struct aw_lane_answer *ret_answer);
/* The lane that a message with these would come to, if it opened a ticket; each may be empty. */
uint32_t aw_state_choose_lane(const struct aw_state *state, struct aw_slice lane, struct aw_slice lang, struct aw_slice channel,
                              struct aw_slice account);
/* Never changes and never goes away. */
struct aw_slice aw_state_lane_name(const struct aw_state *state, uint32_t lane);
/* AW_E_NOT_FOUND. */
AW_MUST_USE enum aw_err aw_state_find_lane(const struct aw_state *state, struct aw_slice name, uint32_t *ret_lane);

/* Tickets with a commitment, the one that is due first, first: those behind `after`. A look goes over all of them. */
#define AW_DUE_LOOK_MAX 100U
struct aw_due_look {
    struct aw_slice agent;     /* who gave his word; empty: any */
    bool            is_broken; /* only those that are not kept in time */
    uint64_t        after;     /* 0: from the first */
    uint64_t        next;      /* the answer: `after` of the page behind; 0: there is none */
};
uint32_t aw_state_commitments(const struct aw_state *state, struct aw_due_look *look, struct aw_ticket_view *ret_views,
                              uint32_t room);

/* Rows of agents who may not take a ticket, or for whom one is kept. 0: no ticket waits aside. */
uint32_t aw_state_aside_count(const struct aw_state *state);
/* The same without those that only who is marked gentle may take, when this agent (0: one never seen) is not. */
uint32_t aw_state_aside_count_for(const struct aw_state *state, uint32_t agent);
/* Whether only agents marked gentle may take the ticket in `slot` now. */
bool aw_state_is_for_gentle(const struct aw_state *state, uint32_t slot);
/* The tickets that wait aside, one after the other: the row behind `after`, 0: there is none. They come in no order that means
 * anything; those of one ticket count once. */
uint32_t aw_state_next_aside(const struct aw_state *state, uint32_t after);
/* The slot of that row's ticket. */
uint32_t aw_state_aside_ticket(const struct aw_state *state, uint32_t aside);
/* The number of an agent; 0: never seen. */
uint32_t aw_state_find_agent(const struct aw_state *state, struct aw_slice name);
/* Whether this agent may take the ticket in `slot` now, as far as declines, keeping, units and classes go. `agent`
 * 0: one never seen. */
bool aw_state_may_take(const struct aw_state *state, uint32_t slot, uint32_t agent);
/* For whom alone the ticket is kept; empty: for nobody. */
struct aw_slice aw_state_kept_for(const struct aw_state *state, uint32_t slot);

/* The channels in which this agent has no free unit: a bit each, 1 << the number of the channel; bit 0: those without a number. All
 * bits when it holds as many leases as it may in all. LEASE is STALE for a ticket of such a channel. `agent` 0: 0. */
uint16_t aw_state_agent_full(const struct aw_state *state, uint32_t agent);
/* How many units it has free. `agent` 0: many. */
void aw_state_agent_units(const struct aw_state *state, uint32_t agent, struct aw_units *ret_units);
struct aw_agent_held {
    struct aw_slice channel;
    uint32_t        leases;
};
/* What an agent is set to, and how much it holds. */
struct aw_agent_view {
    struct aw_slice       name; /* never changes and never goes away, as those of channels */
    enum aw_presence      presence;
    uint64_t              version; /* of its settings; 0: it was never set */
    bool                  is_gentle;
    uint8_t               barred; /* classes that it is not given, 1 << class each */
    bool                  needs_approval;
    const uint32_t       *lanes;      /* ascending */
    uint32_t              lane_count; /* 0: all lanes */
    struct aw_agent_units units[AW_CHANNELS_MAX];
    uint32_t              held[AW_CHANNELS_MAX]; /* leases in each of these channels */
    uint32_t              unit_count;
    uint32_t              units_total; /* or AW_UNITS_NO_TOTAL */
    uint32_t              leases;
    struct aw_agent_held  held_in[AW_CHANNELS_MAX]; /* leases in every channel that has a number, bounded or not */
    uint32_t              held_in_count;
};
/* One above the number of the last agent; numbers are from 1, in the order in which they were first seen or set. */
uint32_t aw_state_agent_slots(const struct aw_state *state);
/* No number is above it, ever. */
uint32_t aw_state_agents_max(const struct aw_state *state);
/* `lanes`: room for AW_LANES_PER_PULL_MAX, lent to the view. */
void aw_state_agent(const struct aw_state *state, uint32_t agent, struct aw_agent_view *ret_view, uint32_t *lanes);
/* Never changes and never goes away. */
struct aw_slice aw_state_agent_name(const struct aw_state *state, uint32_t agent);
/* `agent` 0: READY. */
enum aw_presence aw_state_agent_presence(const struct aw_state *state, uint32_t agent);
/* Whether it is marked gentle. `agent` 0: no. */
bool aw_state_agent_is_gentle(const struct aw_state *state, uint32_t agent);
/* Classes that it is not given, 1 << class each. `agent` 0: none. */
uint8_t aw_state_agent_barred(const struct aw_state *state, uint32_t agent);

/* Leases of this agent in the table: those that run, and those whose TIMER has not come round yet. `agent` 0: none. */
uint32_t aw_state_agent_held(const struct aw_state *state, uint32_t agent);
/* Another number whenever a lease of this agent began or ended, or something about its ticket changed: a message came, its end was
 * moved. No part of the state. `agent` 0: 0. */
uint32_t aw_state_agent_news(const struct aw_state *state, uint32_t agent);

/* What became of a lease that its agent was told of. */
enum aw_lease_fate {
    AW_LEASE_RUNS,
    AW_LEASE_ENDED, /* by its holder's own word */
    AW_LEASE_GONE,  /* otherwise: *ret_end tells how. Of one that ended before the last one of its ticket nobody knows by whom */
};
enum aw_lease_fate aw_state_lease_fate(const struct aw_state *state, uint32_t slot, uint64_t fence, enum aw_lease_end *ret_end);
/* Notes, beside the state, that the agent was told of these leases: they are not given back because an earlier answer got lost. */
void aw_state_note_told(struct aw_state *state, const struct aw_ticket_view *views, uint32_t count);

/* The next agent whose settings changed, or what it holds, since it was given out here; 0: none is left. For who publishes them; no
 * part of the state. */
uint32_t aw_state_take_changed_agent(struct aw_state *state);

/* Channels have numbers from 1 to the count; 0 is every other one. */
uint32_t aw_state_channel_count(const struct aw_state *state);
/* Never changes and never goes away; empty for 0. */
struct aw_slice aw_state_channel_name(const struct aw_state *state, uint32_t channel);
/* 0: it has no number. */
uint32_t aw_state_find_channel(const struct aw_state *state, struct aw_slice name);
/* A bit a channel, 1 << number, when its tickets wait in queues of their own; bit 0, all others, is always set. */
uint16_t aw_state_shelves(const struct aw_state *state);

/* What is known of a flight or an airport. AW_E_NOT_FOUND. */
AW_MUST_USE enum aw_err aw_state_flight(const struct aw_state *state, uint64_t flight_hash, struct aw_flight_answer *ret_flight);
AW_MUST_USE enum aw_err aw_state_airport(const struct aw_state *state, struct aw_airport_code code,
                                         struct aw_airport_answer *ret_airport);
/* Those behind row `after`, in the order of their rows; returns how many were written, and where the next ones begin: 0 when there
 * are none. */
uint32_t aw_state_flights(const struct aw_state *state, uint32_t after, struct aw_flight_answer *ret_flights, uint32_t room,
                          uint32_t *ret_next);
uint32_t aw_state_airports(const struct aw_state *state, uint32_t after, struct aw_airport_answer *ret_airports, uint32_t room,
                           uint32_t *ret_next);

/* The desk's surge. */
struct aw_surge_view {
    struct aw_surge     now;     /* off: there is none */
    struct aw_surge     before;  /* what an undo of `change` would bring back */
    struct aw_change_id change;  /* the last, while it can be undone; else seq 0 */
    uint64_t            version; /* 0: there never was one */
};
void     aw_state_surge(const struct aw_state *state, struct aw_surge_view *ret_view);
uint64_t aw_state_surge_version(const struct aw_state *state);
/* How a pull of this lane alone chooses, which elsewhere does by `order`. */
struct aw_order_settings aw_state_order_in(const struct aw_state *state, const struct aw_order_settings *order, uint32_t lane);

/* A reply as far as its row tells. */
struct aw_reply_view {
    struct aw_message_id reply;
    struct aw_ticket_id  ticket;
    struct aw_message_id to;
    enum aw_reply_state  state;
    struct aw_slice      agent; /* who wrote it; never changes and never goes away */
    uint32_t             attempt;
    bool                 is_uncertain;
    aw_ms                written_at;
    aw_ms                due_at;    /* LEASED: when that ends; FAILED: when it is tried again; else 0 */
    uint64_t             chain_seq; /* the newest record of its ticket; 0: that is forgotten */
    aw_ms                over_at;   /* DEAD, SENT and behind; else 0 */
    bool    is_hidden; /* what it says, and to whom, is erased or withdrawn: shown to nobody, though it may be there */
    uint8_t code_len;
    char    code[AW_REPLY_CODE_BYTES_MAX]; /* why it failed last */
    /* Not BY_AGENT: its text, and what goes into it. */
    enum aw_reply_kind    kind;
    struct aw_text_ref    text;
    struct aw_reply_facts facts;
};
/* A text that the server itself writes. */
struct aw_text_view {
    struct aw_text_ref ref;
    uint16_t           len;
    uint8_t            lang_len;
    char               lang[AW_LANG_BYTES_MAX];
    char               words[AW_OWN_TEXT_BYTES_MAX];
};
/* A template, one of AW_TEMPLATES: returns how many texts, the first being for all other languages; 0: it is off. */
uint32_t aw_state_template(const struct aw_state *state, enum aw_reply_kind kind, struct aw_text_view ret_views[AW_OWN_TEXTS_MAX],
                           uint64_t *ret_version);
/* The set of texts that begins with this row; there is room for AW_OWN_TEXTS_MAX. */
uint32_t aw_state_texts(const struct aw_state *state, uint32_t first, struct aw_text_view *ret_views, uint32_t room);
/* AW_E_NOT_FOUND: no reply names it any more. */
AW_MUST_USE enum aw_err aw_state_text(const struct aw_state *state, struct aw_text_ref ref, struct aw_text_view *ret_view);
/* What an agent did today, or all of them, by `now`. AW_E_NOT_FOUND: it was never seen. */
AW_MUST_USE enum aw_err aw_state_agent_day(const struct aw_state *state, struct aw_slice name, aw_ms now, struct aw_day *ret_day);
struct aw_day           aw_state_day(const struct aw_state *state, aw_ms now);

/* AW_E_NOT_FOUND: there never was one, or it is forgotten. */
AW_MUST_USE enum aw_err aw_state_reply(const struct aw_state *state, uint64_t seq, struct aw_reply_view *ret_view);
/* Those of the ticket that was opened by this record, oldest first; the newest `room` of them. Returns how many. */
uint32_t aw_state_replies_of(const struct aw_state *state, uint64_t ticket_seq, struct aw_reply_view *ret_views, uint32_t room);
/* Whether a reply of the ticket that was opened by this record waits for a colleague: when that one refuses it, the ticket may be
 * open again, however long it was closed. */
bool aw_state_ticket_awaits_approval(const struct aw_state *state, uint64_t ticket_seq);
/* Whether this record wrote a reply that is still to be sent, or may be again: it may be redriven, or fail after it was sent. */
bool aw_state_reply_is_open(const struct aw_state *state, uint64_t seq);
/* Whether what the server itself wrote to this message is still to be sent likewise: the message says to whom it goes. */
bool aw_state_reply_reads(const struct aw_state *state, uint64_t message_seq);
/* Whether anything that was written to this message is likewise: its record says whose it is, for who is to be erased. */
bool aw_state_reply_answers(const struct aw_state *state, uint64_t message_seq);
/* When a REPLY_LEASE of these accounts would get something, as things are: `now` or later; 0: not before a reply comes. */
aw_ms aw_state_replies_ready_at(const struct aw_state *state, const struct aw_account_name *accounts, uint32_t count, aw_ms now);
/* Goes up whenever a reply begins to wait for a gateway, or a pace changes. */
uint64_t aw_state_replies_came(const struct aw_state *state);
/* What a channel is set to. */
struct aw_channel_view {
    uint64_t version;
    uint32_t pace_count;
    struct {
        char     account[AW_ACCOUNT_BYTES_MAX];
        uint8_t  account_len;
        uint32_t replies;
        uint32_t slice_s;
    } paces[AW_CHANNEL_PACES_MAX];
};
/* AW_E_NOT_FOUND: it was never set. */
AW_MUST_USE enum aw_err aw_state_channel(const struct aw_state *state, struct aw_slice name, struct aw_channel_view *ret_view);

/* AW_E_NOT_FOUND: it never was, or made room for another one. */
AW_MUST_USE enum aw_err aw_state_incident(const struct aw_state *state, struct aw_incident_id id,
                                          struct aw_incident_answer *ret_view);
/* As aw_state_flights; `in` NONE: in any state. */
uint32_t aw_state_incidents(const struct aw_state *state, enum aw_incident_state in, uint32_t after,
                            struct aw_incident_answer *ret_views, uint32_t room, uint32_t *ret_next);

/* What would become of the tickets of an incident, were they answered with these texts: a look through all tickets, in steps. */
struct aw_incident_item {
    struct aw_ticket_id      ticket;
    struct aw_message_id     to; /* its newest message */
    enum aw_incident_verdict verdict;
    uint32_t                 text; /* which of the texts */
    struct aw_reply_facts    facts;
};
struct aw_incident_try {
    /* Asked. */
    struct aw_incident_id     incident;
    const struct aw_own_text *texts;
    uint32_t                  text_count;
    unsigned                  needs;   /* AW_NEEDS_... */
    uint64_t                  through; /* of a page behind the first: as that one answered; else 0 */
    uint32_t                  after;   /* only tickets above this slot are told */
    struct aw_incident_item  *items;
    uint32_t                  room; /* of them, 1 or more */
    /* Answered. `through` too: what an INCIDENT_ANSWER approves. */
    uint32_t count;
    uint32_t next; /* `after` of the next page; 0: there is none */
    uint64_t facts;
    uint32_t verdicts[AW_VERDICTS]; /* of all tickets, on all pages */
    bool     is_gone;               /* while it was looked for, the incident made room for another one: nothing is told */
    /* The look under way. */
    uint32_t _slot;
};
/* AW_E_NOT_FOUND, AW_E_WRONG_STATE (it is not open, or is being answered). */
AW_MUST_USE enum aw_err aw_incident_try_begin(const struct aw_state *state, struct aw_incident_try *try_);
/* Looks at up to `work` tickets. True when it is through. */
AW_MUST_USE bool aw_incident_try_step(const struct aw_state *state, struct aw_incident_try *try_, uint32_t work);

struct aw_state_counts {
    uint64_t      tickets[AW_TICKET_CLOSED + 1][AW_CLASS_COUNT]; /* by state and class */
    uint64_t      withdrawn, withdrawn_tickets; /* messages that were taken back, and tickets closed for it, ever */
    uint64_t      erased, erased_tickets;       /* customers, and of their tickets those that were still there, ever */
    uint64_t      messages;                     /* accepted, ever */
    uint64_t      opened, folded, reopened, closed, completed, cancelled, expired, released, declined, transferred; /* ever */
    uint64_t      deferred, commitments_kept, commitments_broken;                                                   /* ever */
    uint64_t      commitments;         /* whose customer has not heard yet */
    uint64_t      commitments_overdue; /* of these, broken */
    uint64_t      helped;              /* of those that wait: agents of other lanes may be given them too */
    uint64_t      leases;
    uint64_t      lanes;
    uint64_t      agents;
    uint64_t      by_presence[AW_PRESENCE_COUNT];
    uint64_t      ids;
    uint64_t      identities;
    uint64_t      keys;
    uint64_t      facts;
    uint64_t      flights;
    uint64_t      asides;
    uint64_t      channels;
    uint64_t      replies[AW_REPLY_STATES];      /* in the table, by state */
    uint64_t      replied;                       /* ever */
    uint64_t      promises_kept[AW_CLASS_COUNT]; /* ever; by the class that they were told */
    uint64_t      promises_broken[AW_CLASS_COUNT];
    uint64_t      promises_moved;       /* ever */
    uint64_t      ticket_channels;      /* channels of each ticket, summed over all that were opened */
    struct aw_day day;                  /* of all agents: the last one on which something was done */
    uint64_t      owed[AW_REPLY_KINDS]; /* of them, by the server itself, by kind */
    uint64_t      closes_refused;       /* of the closed ones by replies that were refused, ever */
    uint64_t      not_needed;           /* tickets that their customers closed, ever */
    uint64_t      owed_left_out;        /* that it did not write, for lack of room in the outbox */
    uint64_t      own_texts;            /* rows in use */
    uint64_t      contacts;             /* rows in use */
    uint64_t      opted_out;            /* of them */
    uint64_t      first_contacts;       /* let go or not, ever */
    uint64_t      tickets_used;         /* open and closed */
    uint64_t      tickets_max;
    uint64_t      ids_max;
    uint64_t      bytes; /* of tables touched */
};
void                           aw_state_counts(const struct aw_state *state, struct aw_state_counts *ret_counts);
uint64_t                       aw_state_seq(const struct aw_state *state); /* last record; 0: none */
uint64_t                       aw_state_epoch(const struct aw_state *state);
aw_ms                          aw_state_now(const struct aw_state *state); /* the time of the last begin that changed something */
const struct aw_core_settings *aw_state_settings(const struct aw_state *state);
/* Of all rows; kept up with each change, so this costs nothing. Equal states have equal digests, whatever way they came to be. */
struct aw_hash128 aw_state_digest(const struct aw_state *state);
/* The same, computed from the rows: slow, for tests and audits. */
struct aw_hash128 aw_state_digest_slow(const struct aw_state *state);
/* Of where all open tickets stand: ticket, state, lane, class and key. Two states with the same one give out the same tickets in
 * the same order. Slow, for tests and audits. */
struct aw_hash128 aw_state_order_digest(const struct aw_state *state);

/* --- checkpoints ---------------------------------------------------------------------------------------------------------- */

/* From here on, rows keep the value that they have now for the checkpoint, however they change. False while one is under way.
 * Fills all of the mark but the hash of the chain and, until the end, chunks. */
AW_MUST_USE bool aw_state_cut_begin(struct aw_state *state, struct aw_checkpoint_mark *ret_mark);
/* What all chunks of a cut begun now would take in the store, at most. */
uint64_t aw_state_cut_bytes(struct aw_state *state);
/* The next chunk of the cut, in key order; its bytes are valid until the next call on the state. False at the end: the mark is
 * complete then (chunks), unless the cut is lost. */
AW_MUST_USE bool aw_state_cut_next(struct aw_state *state, struct aw_chunk *ret_chunk, struct aw_checkpoint_mark *mark);
/* Draining goes on even when the pool of old rows has no room left (posts stop before); then the cut can't be finished: cut_next
 * returns false, the mark must not be written, and the caller ends the cut and may begin another. */
AW_MUST_USE bool aw_state_cut_is_lost(const struct aw_state *state);
/* How much of the posts' three quarters of the pool is used, per mille: the caller writes faster as this rises; at 1000
 * aw_state_admits refuses posts until the cut has moved on. */
uint32_t aw_state_cut_pressure(const struct aw_state *state);
/* At its end, or before to give it up. */
void aw_state_cut_end(struct aw_state *state);

/* Reading one back into a fresh state: all chunks in order, then the ids, then finish, which checks the digest, rebuilds what is
 * derived and returns AW_E_CORRUPT when the digest is another, AW_E_VERSION for rows of another state machine. AW_E_TABLE_FULL: a
 * limit is below what the checkpoint holds. After a failure the state is only good for aw_state_free. */
AW_MUST_USE enum aw_err aw_state_load_chunk(struct aw_state *state, const struct aw_chunk *chunk, struct aw_why *why);
AW_MUST_USE enum aw_err aw_state_load_finish(struct aw_state *state, const struct aw_checkpoint_mark *mark, struct aw_why *why);
/* One remembered source id, in order of seq; those older than dedupe_ms before `now` or behind the checkpoint are passed over
 * (the replay brings the latter). AW_E_TABLE_FULL; AW_E_CORRUPT when out of order. The ids are not in the digest: whether one
 * counts follows from its time alone, so a state that forgot an old one and a state that never read it answer alike. */
AW_MUST_USE enum aw_err aw_state_load_id(struct aw_state *state, struct aw_hash128 hash, uint64_t seq, aw_ms accepted_at,
                                         aw_ms now);

#endif
