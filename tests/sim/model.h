/* model.h - the reference: what must be true of tickets, leases and replies, kept by reading the journal like an outsider.
 *
 * It reads each record once that is durable, and judges it by what it knew before: whether a lease was given while another one ran,
 * whether a token was used that holds no more, whether an age moved, whether something happened twice. Then the server's own state
 * must say the same. It is plain lists that are gone through; it shares nothing with the state machine but the words of records.
 * A record that breaks a rule ends the history by sim_broken. Beside it a second state replays the journal from its first record
 * on: what a start makes of a checkpoint and the records behind it must be the same. Thread: one. Owns its lists, that state and a
 * reader of the journal.
 */
#ifndef AW_TESTS_SIM_MODEL_H
#define AW_TESTS_SIM_MODEL_H

#include "commit/recover.h"
#include "core/state.h"
#include "model/record.h"
#include "sim/rule.h"

#define MODEL_AGENTS         4U
#define MODEL_CUSTOMERS      64U
#define MODEL_SOURCES_MAX    256U
#define MODEL_MESSAGES_MAX   512U
#define MODEL_TICKETS_MAX    256U
#define MODEL_REPLIES_MAX    384U
#define MODEL_NOTES_MAX      64U
#define MODEL_TEXTS_MAX      512U
#define MODEL_INCIDENTS_MAX  64U
#define MODEL_FLIGHTS        10U /* 0 is none */
#define MODEL_AIRPORTS       2U
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
    bool          is_talk;    /* about us, not to us */
    bool          not_needed; /* all that it says is that no answer is needed any more */
    aw_ms         reply_by;   /* 0: none */
    uint64_t      answers;    /* the reply that it answers, as it was sent then; 0: none */
    uint32_t      answers_send;
    bool          is_private;
    bool          opts_out; /* all that it says is that he wants to hear nothing */
    uint64_t      seq;      /* of its record; 0: not accepted, as far as anybody can know */
    aw_ms         accepted_at;
};
/* One that was accepted. */
struct model_message {
    uint64_t            seq;
    uint32_t            source;
    struct aw_ticket_id named;  /* as its record says */
    uint64_t            ticket; /* that it is of by now */
    aw_ms               at;
    bool                is_withdrawn;
    uint64_t            erase_seq; /* the record that asks that it be unreadable; 0: none does */
};
/* What colleagues wrote in a ticket: replies and notes. */
struct model_text {
    uint64_t seq;
    uint64_t ticket;
    uint32_t number; /* of what it says */
    uint32_t bytes;
    uint64_t erase_seq; /* as above */
    bool     may_go;    /* whether it goes depends on when the eraser looks */
};
/* What a customer was told about how long it takes. */
struct model_promise {
    aw_ms made_at; /* 0: nothing */
    aw_ms told_nine_by;
    bool  has_moved;
    /* As told last. */
    aw_ms told_at, half_by, nine_by;
    bool  is_judged; /* somebody took the ticket: whether that was kept is known */
};
/* How long it takes, in steps of five minutes, by class. */
struct model_forecast {
    aw_ms    at; /* 0: nobody said yet */
    uint16_t half[AW_CLASS_COUNT];
    uint16_t nine[AW_CLASS_COUNT];
};
/* An agent's word to come back to a customer. */
struct model_word {
    aw_ms    due_at; /* 0: there is none */
    uint64_t seq;
    bool     is_broken;
};
struct model_ticket {
    struct aw_ticket_id  id;
    uint32_t             customer;
    uint32_t             lane;
    enum aw_ticket_state state;
    enum aw_class        class_;
    aw_ms                age;
    uint64_t             last_seq; /* record */
    bool                 is_known; /* by his customer: who writes again comes to it */
    /* What its messages say (retell). */
    enum aw_class said;
    aw_ms         departs_at;
    aw_ms         departs_said_at; /* when a message first named it */
    uint64_t      message_seq;     /* the newest */
    uint32_t      messages;
    uint32_t      withdrawn;
    bool          is_listening;
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
    uint64_t             incident;     /* that it was linked to last; 0: to none */
    bool                 is_parted;    /* a person took it out */
    bool                 is_answered;  /* by an incident, once for ever */
    bool                 has_account;  /* where the server itself may write */
    bool                 is_retold;    /* its class follows when something looks at it */
    bool                 is_completed; /* it closed by its holder's word */
    aw_ms                held_until;   /* 0: until a person ends it */
    bool                 is_deferred;
    aw_ms                opened_at;
    aw_ms                reply_by; /* 0: none */
    struct model_promise promise;
    bool                 is_asked; /* whether he still waits */
    bool                 ask_over;
    uint64_t             erased_at; /* the record that closed it for good; 0: none */
    struct model_word    word;
    uint32_t             notes;
    /* Who may not have it, or alone may, until when. */
    aw_ms    declined_until[MODEL_AGENTS];
    uint32_t kept_for;
    aw_ms    kept_until;
    /* As the state says, which the rules above must allow. */
    bool     is_aside;
    bool     is_closing;
    aw_ms    shown_by;    /* the reply_by that it waits with: a new one counts from when it is next looked at */
    uint32_t helped_turn; /* WAITING: another lane helps since this turn of its own lane; 0: none does */
    uint32_t version;
    aw_ms    goes_at; /* the departure that it waits by */
    uint32_t in_hand; /* choices of it that were not answered yet */
    bool     is_touched;
};
struct model_reply {
    uint64_t            seq;
    uint64_t            ticket;
    uint32_t            customer;
    enum aw_reply_kind  kind;
    uint32_t            agent; /* BY_AGENT */
    uint64_t            written_fence;
    bool                is_contact; /* the first word to who only talked about us */
    enum aw_reply_state state;      /* FAILED is WAITING */
    uint64_t            sent_seq;   /* the record that says so; 0: it was not */
    uint64_t            fence;
    aw_ms               until;
    uint32_t            given;
    bool                is_uncertain;
    /* At the provider, who is nobody of the server's. */
    uint32_t sends;        /* so often it was sent */
    bool     is_there;     /* it has it, and did not give it back */
    bool     is_delivered; /* and gives it back no more */
    uint32_t told_send;    /* the number of the send that the server knows the provider's name of; 0: none */
    uint32_t bounced;      /* the number of the send that it gave back; 0: none */
    uint32_t bounces_read; /* the newest of these that a record tells */
    bool     is_forgotten; /* when it came back nobody knew it any more */
    bool     is_erased;    /* what it says is to be unreadable */
    bool     is_dropped;   /* the server's own, to who took back all that he wrote */
    bool     is_unwelcome; /* its customer wants to hear nothing, as who would let it go was told */
};
/* What is known of who only talked about us. */
struct model_contact {
    aw_ms    contacted_at;
    aw_ms    opted_out_at;
    uint64_t reply;
};
/* What was said of a flight, or of an airport. */
struct model_said {
    bool                 is_there;
    enum aw_flight_state state;
    aw_ms                at;
    aw_ms                from; /* of a flight: when it goes; of an airport: closed from then */
    aw_ms                until;
};
struct model_plan {
    struct model_said now;
    struct model_said before;
    uint64_t          changed_seq;
    uint64_t          undo_seq; /* that can be undone; 0: nothing */
};
struct model_incident {
    struct aw_incident_id  id;
    enum aw_incident_state state;
    uint32_t               flight; /* its key; 0: none */
    uint64_t               keys_seq;
    bool                   follows;
    bool                   is_ours; /* a person made it */
    bool                   is_answering;
    uint64_t               through;
};
/* Of a lane: the one that helps. */
struct model_help {
    bool     is_there;
    uint32_t lane;
    uint64_t after_ms;
    uint32_t turn; /* how often it was set, or the lane was */
};
struct model_record {
    uint8_t kind;
};
struct model {
    struct aw_journal_reader *reader;
    struct aw_blocks         *blocks;
    struct aw_arena           arena;
    struct aw_state          *shadow; /* owns: replays the journal from its first record on, and never starts again */
    struct aw_journal_head    shadow_head;
    const struct aw_state    *state; /* borrows: of the run */
    struct aw_core_settings   settings;
    uint64_t                  read_seq; /* records up to here are read */
    aw_ms                     now;      /* of the last */
    aw_ms                     clock;    /* record time, as the committer has it: set by the world */
    bool                      is_start; /* these are what a start found */
    uint64_t                  epoch;
    struct model_source       sources[MODEL_SOURCES_MAX];
    uint32_t                  source_count;
    struct model_message      messages[MODEL_MESSAGES_MAX]; /* by seq */
    uint32_t                  message_count;
    struct model_ticket       tickets[MODEL_TICKETS_MAX];
    uint32_t                  ticket_count;
    struct model_reply        replies[MODEL_REPLIES_MAX];
    uint32_t                  reply_count;
    struct model_contact      contacts[MODEL_CUSTOMERS];
    struct model_plan         flights[MODEL_FLIGHTS];
    struct model_plan         airports[MODEL_AIRPORTS];
    struct model_incident     incidents[MODEL_INCIDENTS_MAX]; /* by seq */
    uint32_t                  incident_count;
    aw_ms                     noted_at[MODEL_NOTES_MAX]; /* when the note of this number was written; 0: it was not */
    bool                      needs_approval[MODEL_AGENTS];
    uint32_t                  units[MODEL_AGENTS]; /* tickets at once; MODEL_NOBODY: any number */
    bool                      has_contacts;
    bool                      has_room; /* the store is large: nothing is put off for lack of room */
    bool                      has_text[AW_REPLY_KINDS];
    struct model_forecast     forecast;
    bool                      is_told[MODEL_LANES_MAX]; /* customers of this lane are told how long it takes */
    uint64_t                  promises_kept, promises_broken, promises_moved;
    uint64_t                  left_out; /* what the server owed, and which there was no room */
    uint64_t                  words_kept, words_broken;
    struct model_text         texts[MODEL_TEXTS_MAX]; /* by seq */
    uint32_t                  text_count;
    uint64_t                  asked_seq;      /* the last record that asks that texts be unreadable */
    uint64_t                  erased_through; /* up to which that was done, as was judged last */
    uint32_t                  pace;           /* replies in a stretch of pace_ms; 0: as many as there are */
    uint64_t                  pace_ms;
    aw_ms                     given_at[64]; /* when replies were given out, of late */
    uint32_t                  given_count;
    struct model_record       records[MODEL_RECORDS_MAX]; /* by seq */
    enum aw_lane_pause        lanes[MODEL_LANES_MAX];
    struct model_help         help[MODEL_LANES_MAX];
    bool                      has_second_lane; /* of number 2, to which a customer in four writes */
    uint32_t                  touched[MODEL_TICKETS_MAX];
    uint32_t                  touched_count;
};

extern const char *const model_agents[MODEL_AGENTS];

/* False: no memory. */
bool model_init(struct model *model, struct aw_journal *journal, const struct aw_core_settings *settings,
                const struct aw_state_limits *limits);
void model_fini(struct model *model);
/* What the source of this number says. */
struct aw_slice model_body(uint32_t number, uint32_t bytes);
/* Reads what has become durable since, judges it, and compares `state` with what follows; all of it when `is_start`. */
void model_sync(struct model *model, const struct aw_state *state, bool is_start);
/* The ticket that began with this record; NULL. */
struct model_ticket *model_find(struct model *model, uint64_t ticket_seq);
/* The one that is in this slot now; NULL. */
struct model_ticket   *model_in_slot(struct model *model, uint32_t slot);
struct model_reply    *model_find_reply(struct model *model, uint64_t seq);
struct model_message  *model_find_message(struct model *model, uint64_t seq);
struct model_incident *model_find_incident(struct model *model, uint64_t seq);
/* The one flight that a customer has, 0: none; and where it leaves. */
uint32_t               model_flight_of(uint32_t customer);
struct aw_airport_code model_airport_of(uint32_t flight);
/* The hashes by which the server knows a customer, a note's key, what the provider calls a reply. */
struct aw_hash128 model_contact_hash(uint32_t customer);
struct aw_hash128 model_note_key(uint32_t note);
struct aw_hash128 model_provider_hash(uint64_t reply, uint32_t send);
/* No timer is due: whether everything that follows from clock and events has come about. */
void model_judge_rest(struct model *model);
/* The key file says that all is erased up to this record: whether that is so, and, with `all`, whether nothing else is. */
void model_judge_texts(struct model *model, uint64_t erased_through, bool all);
/* A gateway was given it: whether its text is there. */
void model_judge_given_text(struct model *model, const struct model_reply *reply);
/* Nothing is left to be done: whether each reply came where it should, once. */
void model_judge_delivery(const struct model *model);
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
