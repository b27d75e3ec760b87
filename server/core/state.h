/* state.h - the state machine: tickets, identities, leases, lanes, agents, duplicates. Everything that aswolk knows, in memory.
 *
 * Deterministic: the same commands at the same times give the same state, outcome for outcome (compare aw_state_digest). No clock,
 * no socket, no thread, no malloc after aw_state_new: time comes in with aw_state_begin, tables are reserved address space that is
 * touched as it is needed (16 KiB at a time), sized by aw_state_limits; indexes are 32-bit slots, never pointers, and no decision
 * depends on the order inside a hash table.
 *
 *   ticket  FREE -> WAITING <-> LEASED -> CLOSED -> FREE,  WAITING <-> HELD,  LEASED -> HELD by hold,  CLOSED -> WAITING by reopening
 *
 * Who owns: the caller, until aw_state_free. Thread: the committer (and main before it starts); only the names that outcomes borrow
 * may be read elsewhere, as they never change. What can fail: tables at their limit (AW_E_TABLE_FULL), said before anything changed.
 */
#ifndef AW_CORE_STATE_H
#define AW_CORE_STATE_H

#include "base/why.h"
#include "model/command.h"
#include "port/table.h"

struct aw_state;

struct aw_state_limits {
    uint32_t tickets_max;        /* open and recently closed; default 12 M */
    uint32_t identities_max;     /* default 16 M */
    uint32_t ids_max;            /* source ids remembered; default 24 M */
    uint32_t leases_max;         /* running at once; default 200,000 */
    uint32_t lanes_max;          /* default 4,096; index 0 is the lane `main` */
    uint32_t agents_max;         /* default 20,000 */
    uint32_t preimage_bytes_max; /* rows kept for a checkpoint under way; default 64 MiB */
};
#define AW_STATE_LIMITS_DEFAULT                                                                                                  \
    ((struct aw_state_limits){.tickets_max = 12000000,                                                                           \
                              .identities_max = 16000000,                                                                        \
                              .ids_max = 24000000,                                                                               \
                              .leases_max = 200000,                                                                              \
                              .lanes_max = 4096,                                                                                 \
                              .agents_max = 20000,                                                                               \
                              .preimage_bytes_max = 64U << 20})

/* Empty, epoch 0, without lanes but `main`. AW_E_MEMORY when the address space can't be had. */
AW_MUST_USE enum aw_err aw_state_new(struct aw_state **ret_state, const struct aw_state_limits *limits, uint8_t shard,
                                     struct aw_why *why);
void                    aw_state_free(struct aw_state **state);

/* --- changing ------------------------------------------------------------------------------------------------------------- */

/* Every apply until the next begin happens at `now`, never before an earlier one, in the batch `index`. */
void aw_state_begin(struct aw_state *state, uint64_t index, aw_ms now);
/* Whether the state would still take this command as far as tables go: called before room in the store is counted. Only posts, lanes
 * and a new agent's first lease can meet a limit. AW_OK, AW_E_TABLE_FULL. */
AW_MUST_USE enum aw_err aw_state_admits(const struct aw_state *state, const struct aw_command *command);
/* Carries the command out and fills its outcome; returns out.err. changed is true exactly when a record must be written. An error
 * changed nothing. Errors by kind:
 *   MESSAGE  AW_OK (also duplicate: changed false), LANE_PAUSED, TABLE_FULL
 *   LEASE    STALE (no longer waiting, another version, or its lane gives nothing out), TABLE_FULL
 *   EXTEND, COMPLETE, RELEASE   LEASE_LOST (out.u.lease.state tells why), NEW_MESSAGES (COMPLETE; out says from which), FORBIDDEN
 *            (another agent's lease), NOT_FOUND (no such ticket any more)
 *   TIMER    AW_OK with changed false when the ticket moved on
 *   HOLD, UNHOLD, CANCEL  NOT_FOUND, WRONG_STATE, PRECONDITION
 *   LANE     PRECONDITION, TABLE_FULL      EPOCH, SETTINGS  AW_OK
 */
enum aw_err aw_state_apply(struct aw_state *state, struct aw_command *command);
/* The most overdue timer at `now` as a command. False when none is due. Applying it always makes progress. */
AW_MUST_USE bool aw_state_due(const struct aw_state *state, aw_ms now, struct aw_command *ret_command);
/* When the next timer is due; 0: none set. */
aw_ms aw_state_next_due(const struct aw_state *state);

/* --- looking -------------------------------------------------------------------------------------------------------------- */

struct aw_ticket_view {
    struct aw_ticket_id  ticket;
    enum aw_ticket_state state;
    enum aw_class        class_;
    uint32_t             lane;
    struct aw_slice      lane_name;
    struct aw_slice      holder; /* LEASED */
    struct aw_lease_id   lease;  /* LEASED */
    bool                 gentle;
    bool                 class_by_person;
    uint32_t             version;
    uint32_t             attempt;
    uint32_t             messages_total;
    uint64_t             last_seq;
    uint64_t             message_seq; /* the newest message */
    uint64_t             seen_seq;    /* LEASED: the newest message that the holder was given */
    aw_ms                opened_at;
    aw_ms                age;
    aw_ms                departs_at;
    aw_ms                reply_by;
    aw_ms                closed_at;
    aw_ms                held_until;
    aw_ms                expires_at;
    aw_ms                key; /* of its queue */
};
/* AW_E_NOT_FOUND: never was, or closed longer ago than reopen_ms and its slot is used again. */
AW_MUST_USE enum aw_err aw_state_ticket(const struct aw_state *state, struct aw_ticket_id id, struct aw_ticket_view *ret_view);
/* The ticket in a slot, for a load of the queues; false for a free one. */
AW_MUST_USE bool aw_state_ticket_at(const struct aw_state *state, uint32_t slot, struct aw_ticket_view *ret_view);
/* Slots ever used: aw_state_ticket_at below this. */
uint32_t aw_state_ticket_slots(const struct aw_state *state);
/* Tickets that `agent` holds leases on, oldest lease first, from `skip`; returns how many were written. */
uint32_t aw_state_leases_of(const struct aw_state *state, struct aw_slice agent, uint32_t skip, struct aw_ticket_view *ret_views,
                            uint32_t room);
/* Leases given to pulls with this key that still run. */
uint32_t aw_state_leases_of_pull(const struct aw_state *state, struct aw_slice agent, struct aw_hash128 pull_key,
                                 struct aw_ticket_view *ret_views, uint32_t room);
uint32_t aw_state_lane_count(const struct aw_state *state);
/* `lane` below the count. Slices of the match borrow from the state until the lane is changed. `values`: room for 4 lists of
 * AW_LANE_MATCH_MAX slices, into which ret_answer's match points. */
void aw_state_lane(const struct aw_state *state, uint32_t lane, struct aw_slice values[4 * AW_LANE_MATCH_MAX],
                   struct aw_lane_answer *ret_answer);
/* AW_E_NOT_FOUND. */
AW_MUST_USE enum aw_err aw_state_find_lane(const struct aw_state *state, struct aw_slice name, uint32_t *ret_lane);

struct aw_state_counts {
    uint64_t tickets[AW_TICKET_CLOSED + 1][AW_CLASS_COUNT];                     /* by state and class */
    uint64_t messages;                                                          /* accepted, ever */
    uint64_t opened, folded, reopened, completed, cancelled, expired, released; /* ever */
    uint64_t leases;
    uint64_t lanes;
    uint64_t agents;
    uint64_t ids;
    uint64_t identities;
    uint64_t tickets_used, tickets_max, ids_max;
    uint64_t bytes; /* of tables touched */
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

/* --- checkpoints ---------------------------------------------------------------------------------------------------------- */

/* From here on, rows keep the value that they have now for the checkpoint, however they change. False while one is under way. */
AW_MUST_USE bool aw_state_cut_begin(struct aw_state *state, struct aw_checkpoint_mark *ret_mark);
/* The next chunk of the cut, in key order; its bytes are valid until the next call on the state. False at the end: the mark is
 * complete then (chunks). */
AW_MUST_USE bool aw_state_cut_next(struct aw_state *state, struct aw_chunk *ret_chunk, struct aw_checkpoint_mark *mark);
/* How much room for old rows is used, per mille: the caller writes faster as this rises; at 1000 apply itself asks for nothing more:
 * aw_state_admits then refuses posts until the cut has moved on. */
uint32_t aw_state_cut_pressure(const struct aw_state *state);
void     aw_state_cut_end(struct aw_state *state);

/* Reading one back into a fresh state: all chunks in order, then the ids, then finish, which rebuilds the indexes, checks the digest
 * and returns AW_E_CORRUPT when it is another. */
AW_MUST_USE enum aw_err aw_state_load_chunk(struct aw_state *state, const struct aw_chunk *chunk, struct aw_why *why);
AW_MUST_USE enum aw_err aw_state_load_finish(struct aw_state *state, const struct aw_checkpoint_mark *mark, struct aw_why *why);
/* One remembered source id, in order of seq; those older than dedupe_ms before `now` are passed over. AW_E_TABLE_FULL. */
AW_MUST_USE enum aw_err aw_state_load_id(struct aw_state *state, struct aw_hash128 hash, uint64_t seq, aw_ms accepted_at,
                                         aw_ms now);

#endif
