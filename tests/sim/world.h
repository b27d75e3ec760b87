/* world.h - one history: a server that starts, works, breaks and starts again, and those who use it, all in one thread under a
 * clock of their own. Everything that happens follows from the seed.
 *
 * What would run beside each other is interleaved by drawing what goes on next: a step of the committer, a submission of a gateway
 * or an agent, an answer that is taken. While the engine works for the committer the others go on as well.
 * Thread: one. Owns: the engine, and the server of the moment.
 */
#ifndef AW_TESTS_SIM_WORLD_H
#define AW_TESTS_SIM_WORLD_H

#include "commit/choice.h"
#include "commit/committer.h"
#include "commit/record_clock.h"
#include "core/told.h"
#include "run/read_erase.h"
#include "sim/faults.h"
#include "sim/keys.h"
#include "sim/model.h"
#include "sim/parts.h"

#define WORLD_OPS_MAX     32U
#define WORLD_ENTRIES_MAX 3U
#define WORLD_TOKENS_MAX  8U
#define WORLD_CHOICES_MAX 16U
#define WORLD_WALL        UINT64_C(1776231000000)

struct world;

/* A submission that is out, and what it was for. */
enum op_kind {
    OP_POST,
    OP_PULL,
    OP_PARK,
    OP_FENCED,
    OP_DESK,
    OP_NOTE,
    OP_APPROVE,
    OP_UNFOLD,
    OP_TRY,
    OP_QUERY,
    OP_REPLY_LEASE,
    OP_REPLY_STATUS,
    OP_ERASE,
    OP_CANCEL
};
/* What a forecast says: lent to its command. */
struct told_waits {
    struct aw_told_wait  waits[AW_PROMISE_WAITS];
    struct aw_lane_group lanes[2];
};
struct op {
    enum op_kind          kind;
    bool                  is_out;
    bool                  is_kept; /* PARK: its pull is under way, or it waits */
    struct op            *parked;  /* PULL: that was woken for it */
    struct aw_submission  submission;
    struct aw_entry       entries[WORLD_ENTRIES_MAX];
    struct aw_hash128     identity;
    struct aw_park_node   node[2];
    struct aw_out_reply   replies[WORLD_ENTRIES_MAX];
    struct aw_flight_fact flight;
    union { /* as its kind says */
        struct aw_pace         pace;
        struct aw_incident_key key;
        struct aw_agent_units  units;
        struct aw_lane_helper  helper;
        struct aw_query        query;
        struct told_waits      told;
    };
    struct aw_ticket_view view;                     /* QUERY */
    struct model_ticket  *taken[WORLD_ENTRIES_MAX]; /* PULL: out of their queues */
    uint64_t              known;                    /* the last record of its ticket, when it was asked for; POST: record time */
    uint32_t              agent;                    /* or gateway */
    uint32_t              number;                   /* source, token, reply, note */
    uint32_t              send;                     /* REPLY_STATUS of a bounce: which one; else 0 */
};

/* A lease as its agent knows it, also when it is over. */
struct token {
    struct aw_lease_id   lease;
    struct aw_ticket_id  ticket;
    uint64_t             message_seq; /* of the ticket, as far as the agent was told */
    enum aw_command_kind last_kind;   /* what was tried last under it, and may be tried again */
    uint64_t             last_op;
    bool                 has_ended; /* the agent was told */
};
struct agent {
    struct token    tokens[WORLD_TOKENS_MAX];
    uint32_t        token_count; /* ever; the ring keeps the newest */
    const uint32_t *lanes;       /* NULL: all */
    uint32_t        lane_count;
    bool            is_pulling;
    struct op      *parked;
    struct aw_slice name;
    uint64_t        next_op;
};

/* Messages that a supervisor takes out of a ticket, as an io thread reads them for that. One at a time. */
struct unfolding {
    bool              is_out;
    uint64_t          messages[2];
    struct aw_telling taken, left;
};
/* What a supervisor is shown before an answer of an incident is approved. One at a time. */
struct showing {
    bool                    is_out;
    bool                    is_there; /* shown, and not approved yet */
    struct aw_incident_try  try_;
    struct aw_incident_item items[4];
};

/* A customer who is to be erased, as an io thread and a reader see to that. One at a time. */
struct erasing {
    bool                 is_on;
    bool                 is_looking;
    bool                 is_out;
    uint32_t             looks;
    struct aw_erase_wish wish;
    struct aw_erase_look look;
    size_t               next; /* of its tickets */
    bool                 is_last;
    uint64_t             looked; /* up to this record */
    bool                 has_moved;
    bool                 stays;
    bool                 is_second;
};

struct world {
    uint64_t             seed;
    struct random        random;
    struct sim_faults    faults;
    struct model         model;
    struct aw_journal   *journal;
    struct aw_table     *table;
    struct aw_fault_plan plan; /* of the run */
    struct aw_fault_plan left; /* of the run before, by which the last crash went */
    aw_ns                mono;
    aw_ms                wall;
    /* Of one run. */
    struct aw_state           *state;
    struct aw_qsbr             qsbr;
    struct aw_lanes           *lanes;
    struct aw_lanes_directory  directory;
    struct aw_agents_directory agents_directory;
    bool                       has_directory, has_agents_directory, has_wake;
    struct aw_committer       *committer;
    struct aw_wake             wake;
    struct aw_ring_in          in;
    struct aw_ring_out         out;
    struct aw_recovery         recovery;
    struct aw_record_clock     clock; /* as the committer's, reckoned here */
    aw_ms                      now;   /* record time */
    bool                       is_up;
    bool                       is_stepping;
    bool                       is_stopping;
    bool                       is_off;    /* the machine stopped in the middle of a step: nothing leaves it any more */
    bool                       is_faulty; /* the engine was made to fail in this run */
    /* Who uses it. */
    struct op                op[WORLD_OPS_MAX];
    struct agent             agent[MODEL_AGENTS];
    struct aw_order_settings order;
    uint64_t                 checkpoint_bytes;
    uint64_t                 store_bytes; /* 0: plenty */
    uint32_t                 choices_out;
    uint32_t                 customers;   /* how many there are */
    uint64_t                 reply_pulls; /* ever */
    uint32_t                 parts;       /* 1 << enum sim_part each */
    struct aw_ticket_id      notes_on[MODEL_NOTES_MAX];
    bool                     is_told[MODEL_NOTES_MAX]; /* who wrote this note knows that it is there */
    uint32_t                 notes;
    struct unfolding         unfolding;
    struct showing           showing;
    struct erasing           erasing;
    uint32_t                 eraser_rests; /* it has one turn in so many */
    bool                     heals;        /* phase two */
    /* For the table. */
    uint64_t steps, crashes, records;
    /* Of one history; its own are large. */
    struct sim_keys keys;
};

/* Lives through the history of this seed; a broken rule ends the process (sim_broken). `world` is used again and again. */
void world_run(struct world *world, uint64_t seed, uint64_t *reached);
/* Prints what happens. */
extern bool world_is_traced;
#define WORLD_TRACE(world, ...)                                                                                                  \
    do {                                                                                                                         \
        if (world_is_traced)                                                                                                     \
            world_trace((world), __VA_ARGS__);                                                                                   \
    } while (0)
void world_trace(const struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline bool
world_has(const struct world *world, enum sim_part part)
{
    return (world->parts >> part & 1) != 0;
}

/* --- users.c ----------------------------------------------------------------------------------------------------------------- */

void users_init(struct world *world);
/* One of them does something; false: it found nothing to do. */
bool users_act(struct world *world);
/* An answer is taken, if there is one. */
bool users_take_answer(struct world *world);
/* For the table: what is under way. */
void users_count_lost(struct world *world);
/* The server is gone, and what was out with it. */
void users_lose_all(struct world *world);
/* All parked ones give up, so that nothing is out any more once the committer has stepped. */
void users_cancel_parked(struct world *world);

#endif
