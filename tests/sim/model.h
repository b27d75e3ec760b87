/* model.h - the reference: what must be true of tickets, leases and replies, kept by reading the journal like an outsider.
 *
 * It reads each record once that is durable, and judges it by what it knew before: whether a lease was given while another one ran,
 * whether a token was used that holds no more, whether an age moved, whether something happened twice. Then the server's own state
 * must say the same. It is plain lists that are gone through; it shares nothing with the state machine but the words of records.
 * A record that breaks a rule ends the history by sim_broken. Thread: one. Owns its lists and a reader of the journal.
 */
#ifndef AW_TESTS_SIM_MODEL_H
#define AW_TESTS_SIM_MODEL_H

#include "core/state.h"
#include "model/record.h"
#include "sim/rule.h"

#define MODEL_AGENTS         4U
#define MODEL_SOURCES_MAX    256U
#define MODEL_TICKETS_MAX    256U
#define MODEL_REPLIES_MAX    256U
#define MODEL_RECORDS_MAX    8192U
#define MODEL_LANES_MAX      4U
#define MODEL_NOBODY         UINT32_MAX
#define MODEL_BODY_BYTES_MAX (120U * 1024U)

/* What a gateway posts, by the number of its source id. */
struct model_source {
    uint32_t      customer;
    enum aw_class class_;
    aw_ms         received_at;
    aw_ms         departs_at; /* of the one flight that this customer has; 0: it names none */
    uint32_t      body_bytes;
    uint64_t      seq;        /* of its record; 0: not accepted, as far as anybody can know */
    uint64_t      seq_before; /* the same of the time before, when it was posted again after it was forgotten */
    uint64_t      ticket;     /* first record of the ticket that it came to */
    aw_ms         accepted_at;
};
struct model_ticket {
    struct aw_ticket_id  id;
    uint32_t             customer;
    uint32_t             lane;
    enum aw_ticket_state state;
    enum aw_class        said;
    enum aw_class        class_;
    aw_ms                age;
    aw_ms                departs_at;
    aw_ms                departs_said_at; /* when a message first named it */
    uint64_t             message_seq;     /* the newest */
    uint32_t             messages;
    /* LEASED */
    uint64_t fence;
    uint32_t agent;
    aw_ms    expires_at;
    uint64_t seen_seq;
    /* The lease that ended last. */
    uint64_t             ended_fence;
    uint64_t             ended_op;
    enum aw_command_kind ended_kind;
    uint32_t             ended_agent;
    aw_ms                closed_at;
    aw_ms                held_until; /* 0: until a person ends it */
    bool                 is_deferred;
    /* Who may not have it, or alone may, until when. */
    aw_ms    declined_until[MODEL_AGENTS];
    uint32_t kept_for;
    aw_ms    kept_until;
    /* As the state says, which the rules above must allow. */
    bool     is_aside;
    uint32_t version;
    uint32_t in_hand; /* choices of it that were not answered yet */
    bool     is_touched;
};
struct model_reply {
    uint64_t            seq;
    uint64_t            ticket;
    enum aw_reply_state state;
    uint64_t            sent_seq; /* the record that says so; 0: it was not */
    uint64_t            fence;
    aw_ms               until;
    uint32_t            given;
};
struct model_record {
    uint8_t  kind;
    uint32_t slot;
};
struct model {
    struct aw_journal_reader *reader;
    struct aw_blocks         *blocks;
    struct aw_arena           arena;
    const struct aw_state    *state; /* borrows: of the run */
    struct aw_core_settings   settings;
    uint64_t                  read_seq; /* records up to here are read */
    aw_ms                     now;      /* of the last */
    bool                      is_start; /* these are what a start found */
    uint64_t                  epoch;
    struct model_source       sources[MODEL_SOURCES_MAX];
    uint32_t                  source_count;
    struct model_ticket       tickets[MODEL_TICKETS_MAX];
    uint32_t                  ticket_count;
    struct model_reply        replies[MODEL_REPLIES_MAX];
    uint32_t                  reply_count;
    struct model_record       records[MODEL_RECORDS_MAX]; /* by seq */
    enum aw_lane_pause        lanes[MODEL_LANES_MAX];
    bool                      has_second_lane; /* of number 2, to which a customer in four writes */
    uint32_t                  touched[MODEL_TICKETS_MAX];
    uint32_t                  touched_count;
};

extern const char *const model_agents[MODEL_AGENTS];

/* False: no memory. */
bool model_init(struct model *model, struct aw_journal *journal, const struct aw_core_settings *settings);
void model_fini(struct model *model);
/* What the source of this number says. */
struct aw_slice model_body(uint32_t number, uint32_t bytes);
/* Reads what has become durable since, judges it, and compares `state` with what follows; all of it when `is_start`. */
void model_sync(struct model *model, const struct aw_state *state, bool is_start);
/* The ticket that began with this record; NULL. */
struct model_ticket *model_find(struct model *model, uint64_t ticket_seq);
/* The one that is in this slot now; NULL. */
struct model_ticket *model_in_slot(struct model *model, uint32_t slot);
struct model_reply  *model_find_reply(struct model *model, uint64_t seq);
/* Whether a pull may be given it: it waits in a queue that gives. */
bool model_is_on_offer(const struct model *model, const struct model_ticket *ticket);
/* A pull at `now` of these lanes (NULL: all) took this ticket: whether a published one should have gone before. */
void model_judge_choice(struct model *model, uint32_t slot, uint32_t version, aw_ms now, const uint32_t *lanes, uint32_t count);
/* Whether nothing is left to be done; if not, ret_left (NULL, or MODEL_LEFT_BYTES) says what. */
#define MODEL_LEFT_BYTES 128U
bool model_is_drained(const struct model *model, char *ret_left);

/* The history is over: a rule is broken. Prints the seed and these words, and ends the process. */
__attribute__((noreturn, format(printf, 1, 2))) void sim_broken(const char *format, ...);

#endif
