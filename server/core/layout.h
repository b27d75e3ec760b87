/* layout.h - private to core: what the state consists of, byte by byte, and the helpers that its parts share.
 *
 * The rows are stored in checkpoints as they lie here, so: natural alignment, no holes, little-endian, 0 = none. Sequence numbers
 * take 48 bits (a million a second for nine years); words that have 16 bits to spare carry small fields in them.
 *
 * To change a row: give AW_SM_VERSION (model/record.h) the next number, change the struct and its assertion of size, and convert or
 * refuse older checkpoints in aw_state_load_finish; check_header (commit/recover.c) tells how batches of older ones are replayed.
 *
 * Parts: state.c (making, dispatch, digest), message.c (MESSAGE: duplicates, folding, choice of lane), lease.c (LEASE to RELEASE,
 * TIMER, EPOCH), transfer.c (TRANSFER), commitment.c (DEFER), withdraw.c, erase.c, contact.c (OPT_OUT), note.c (NOTE), agent.c
 * (AGENT), aside.c (who may not take what), facts.c (what tickets are about), flight.c (FLIGHT, AIRPORT, UNDO), surge.c (SURGE),
 * unfold.c and told.c (UNFOLD), ticket.c (a ticket's moves, its class by the clock, hold, cancel and place), lane.c, channel.c,
 * once.c (requests known by their Idempotency-Key), outbox.h (replies), look.c (views), promise.c (FORECAST, PROMISE: what
 * customers are told), incident.h (incidents), checkpoint.c.
 */
#ifndef AW_CORE_LAYOUT_H
#define AW_CORE_LAYOUT_H

#include "core/dedupe.h"
#include "core/index.h"
#include "core/rows.h"
#include "core/state.h"
#include "core/timers.h"
#include "model/limits.h"
#include "model/promise.h"
#include "model/record.h"
#include "model/surge.h"

enum aw_table_number {
    AW_TABLE_GLOBALS = 0, /* one chunk: struct aw_globals */
    AW_TABLE_TICKETS = 1,
    AW_TABLE_IDENTITIES = 2,
    AW_TABLE_LEASES = 3,
    AW_TABLE_LANES = 4,
    AW_TABLE_AGENTS = 5,
    AW_TABLE_ONCE = 6,
    AW_TABLE_FACTS = 7,
    AW_TABLE_FLIGHTS = 8,
    AW_TABLE_AIRPORTS = 9,
    AW_TABLE_ASIDES = 10,
    AW_TABLE_CHANNELS = 11,
    AW_TABLE_AGENT_SETTINGS = 12,
    AW_TABLE_REPLIES = 13,
    AW_TABLE_ACCOUNTS = 14,
    AW_TABLE_CHANNEL_SETTINGS = 15,
    AW_TABLE_FORECAST = 16,
    AW_TABLE_INCIDENTS = 17,
    AW_TABLE_INCIDENT_KEYS = 18,
    AW_TABLE_TEXTS = 19,
    AW_TABLE_SURGE = 20,
    AW_TABLE_COMMITMENTS = 21,
    AW_TABLE_CONTACTS = 22,
};
#define AW_TABLE_COUNT 23
#define AW_ROW_SEQ_MAX ((UINT64_C(1) << 48) - 1)

enum {
    AW_TICKET_GENTLE = 1,
    AW_TICKET_CLASS_BY_PERSON = 2,
    AW_TICKET_ASIDE = 4 /* it has rows in asides */,
    AW_TICKET_CLOSING = 8
};

struct aw_ticket_row {
    uint64_t opened_seq : 48;
    uint64_t lane : 16;
    uint64_t last_seq : 48; /* newest record of this ticket */
    uint64_t state : 4;     /* enum aw_ticket_state */
    uint64_t class_ : 4;    /* as it counts now; IMMINENT only with a departure that could be made when last looked at */
    /* CLASS_BY_PERSON: what he had before him. Only what is more urgent than that is news, and counts against his word. */
    uint64_t known_said : 4;  /* what messages had said */
    uint64_t known_facts : 4; /* what clock and events gave */
    uint64_t message_seq : 48;
    uint64_t identity_count : 8;
    uint64_t flags : 4;
    uint64_t said : 4; /* the class that messages or a person give it, without clock and events: IMMINENT only by a person */
    /* The lease that ended last, so that a repeat of what ended it gets the first answer. */
    uint64_t ended_fence : 48;
    uint64_t ended_kind : 8; /* enum aw_command_kind: what its holder did, TIMER, CANCEL, WITHDRAW, ERASE */
    uint64_t channel : 4;    /* of its newest message; 0: another one than those that have numbers */
    uint64_t
        helpers : 3; /* WAITING: this many of its lane's helping lanes, from the first on, help; 0 when it leaves its queue */
    uint64_t outdated : 1; /* WAITING: its entry in a queue tells what is not so any more; its TIMER gives it a new one */
    uint64_t opened_at : 48;
    uint64_t attempt : 16; /* stays at its largest value */
    uint64_t departs_at : 48;
    uint64_t help_turn : 16; /* with helpers: what help_turn of its lane was when they began */
    aw_ms    reply_by;
    aw_ms    until;       /* CLOSED: when it closed; HELD: when the hold ends, 0: by a person; WAITING: since when in its place */
    uint32_t ended_op;    /* folded op_hash */
    uint32_t ended_agent; /* who held it */
    uint32_t version;     /* of state and place in a queue: what lies in a queue with another one is stale */
    uint32_t messages;
    uint32_t backdated_ms; /* age = opened_at - backdated_ms */
    uint32_t identities;   /* first of its identities */
    uint32_t link;         /* FREE: next free slot; LEASED: its lease; CLOSED: the ticket that closed next */
    uint32_t link_back;    /* CLOSED: the ticket that closed before */
    uint16_t from_lanes[AW_TICKET_TRANSFERS_MAX]; /* of each transfer by an agent the lane that it left, + 1; 0: none yet */
    uint16_t notes;                               /* by agents */
    uint16_t marks;                               /* AW_MARK_... */
    /* What its customer was told when it was opened, or opened again (promise.c). Steps are AW_PROMISE_STEP_MS. */
    uint64_t promised_at : 48; /* 0: nothing */
    uint64_t moved_min : 16;   /* minutes from then until it was told to take longer, the last time; 0: never */
    uint64_t raw_half_s : 20;
    uint64_t raw_nine_s : 20;
    uint64_t told_half : 12; /* steps from promised_at */
    uint64_t told_nine : 12;
    uint64_t moved_half : 16; /* the same as told last; with moved_min */
    uint64_t moved_nine : 16;
    uint64_t promised_class : 4; /* which it had then */
    uint64_t lang : 15;          /* of its newest message that names one: aw_lang_code */
    uint64_t channels : 12;      /* those that its messages came on, 1 << number each; all from 11 on share the last */
    uint64_t reserved_2 : 1;
    uint64_t incident_seq : 48; /* the record that linked it to */
    uint64_t incident : 16;     /* this incident; 0: it never was (incident.h) */
    uint32_t account;           /* that its newest message came to; 0: not kept, so the server itself writes nothing */
    uint32_t taken_s; /* seconds from opened_at until it was leased the first time since it opened last, + 1; 0: it was not */
};
AW_STATIC_ASSERT(sizeof(struct aw_ticket_row) == 144, "no holes, and no more than the backlog's memory allows");

enum {
    AW_MARK_DEFERRED = 1,    /* HELD: its holder put it off, and it comes back by itself */
    AW_MARK_LISTENING = 2,   /* its messages only talk about us */
    AW_MARK_ASKED = 4,       /* its customer was asked whether he still waits */
    AW_MARK_PARTED = 16,     /* a person took it out of the incident that it names: the server links it to none */
    AW_MARK_COMMITTED = 32,  /* it has a row in commitments */
    AW_MARK_ASK_OVER = 64,   /* its customer is not to be asked any more */
    AW_MARK_PUBLIC = 128,    /* its newest message is public, and so is what answers it */
    AW_MARK_ANSWERED = 256,  /* it was closed by an answer of an incident: none answers it again */
    AW_MARK_COMPLETED = 512, /* CLOSED: by the COMPLETE of the lease that ended last */
    AW_MARK_ERASED = 1024,   /* CLOSED, for good: what was written in it is erased */
};

/* One of a ticket's customer's names. Several tickets may hold the same one, at most AW_IDENTITY_TICKETS_MAX. */
struct aw_identity_row {
    uint32_t hash[4];
    uint32_t ticket; /* 0: a free row */
    uint32_t next;   /* of the same ticket; in a free row the next free one */
    /* derived */
    uint32_t chain;
};
AW_STATIC_ASSERT(sizeof(struct aw_identity_row) == 28, "no holes");

struct aw_lease_links {
    uint32_t next; /* of the same agent, oldest first */
    uint32_t prev;
    uint32_t pull[4]; /* key of the index by pull: that of pull_key, and zeros */
    uint32_t chain;
    uint32_t is_told; /* to a repeat of its pull, since the start */
};
struct aw_lease_row {
    uint32_t           ticket; /* 0: a free row */
    uint32_t           agent;  /* in a free row the next free one */
    uint64_t           fence : 48;
    uint64_t           through : 16; /* as in aw_in_lease, but 0 of its own lane */
    aw_ms              expires_at;
    uint64_t           seen_seq;
    struct aw_pull_key pull_key;
    /* derived */
    struct aw_lease_links links;
};
AW_STATIC_ASSERT(offsetof(struct aw_lease_row, links) == 48, "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_lease_row) == 80, "no holes");

struct aw_match_list {
    char    values[AW_LANE_MATCH_MAX][64];
    uint8_t lens[AW_LANE_MATCH_MAX];
};
AW_STATIC_ASSERT(AW_LANG_BYTES_MAX <= 64 && AW_CHANNEL_BYTES_MAX <= 64 && AW_ACCOUNT_BYTES_MAX <= 64 && AW_TAG_BYTES_MAX <= 64,
                 "a value of a match fits");
enum { AW_MATCH_LANG, AW_MATCH_CHANNEL, AW_MATCH_ACCOUNT, AW_MATCH_TAG, AW_MATCH_COUNT };

struct aw_lane_row {
    uint64_t             version;
    char                 name[AW_LANE_BYTES_MAX];
    struct aw_match_list match[AW_MATCH_COUNT];
    uint8_t              counts[AW_MATCH_COUNT]; /* values in each list */
    uint8_t              name_len;
    uint8_t              pause;
    /* The lanes that help, ascending by time. help_turn changes with them, and when this lane stops giving: helpers that began
     * under another one help no more, and the ticket's TIMER gives it a place without them. It comes round after 65,536 changes:
     * by then every ticket has had its TIMER, and one that had not would be offered where it is refused, no more. */
    uint16_t help_turn;
    uint32_t help_after_s[AW_LANE_HELPERS_MAX];
    uint16_t help_lanes[AW_LANE_HELPERS_MAX];
    uint32_t help_count;
    uint32_t group; /* which forecast its tickets are told: row of AW_TABLE_FORECAST; 0: none */
    /* derived */
    uint32_t hash[4]; /* of the name */
    uint32_t chain;
    uint32_t padding;
};
#define AW_LANE_ROW_KEPT 4272U
AW_STATIC_ASSERT(offsetof(struct aw_lane_row, hash) == AW_LANE_ROW_KEPT, "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_lane_row) == AW_LANE_ROW_KEPT + 24, "no holes");

struct aw_agent_links {
    uint32_t hash[4]; /* of the name */
    uint32_t chain;
    uint32_t first; /* lease */
    uint32_t last;
    uint32_t held[AW_CHANNELS_MAX + 1]; /* leases, by channel of their tickets; kept up by a ticket's edit and done */
    uint32_t held_total;
    uint32_t full; /* aw_state_agent_full, as it follows from these */
    uint32_t next_changed;
    uint32_t is_changed; /* in the list of those to be published */
    uint32_t news;       /* counts the changes of what it holds; comes round */
};
/* What was done on one day, UTC; of another day nothing counts any more. */
struct aw_day_row {
    uint32_t day; /* since 1970 */
    uint32_t taken;
    uint32_t completed;
    uint32_t replied;
    uint32_t returned; /* released, declined, transferred */
    uint32_t deferred;
};
AW_STATIC_ASSERT(sizeof(struct aw_day_row) == 24, "no holes");

struct aw_agent_row {
    char              name[AW_AGENT_BYTES_MAX];
    aw_ms             completed_at; /* GENTLE: when it last completed a ticket since it is; else 0 */
    uint16_t          name_len;
    uint16_t          presence; /* enum aw_presence, but GONE */
    uint32_t          settings; /* its row; 0: it was never set */
    struct aw_day_row day;
    /* derived */
    struct aw_agent_links links;
};
AW_STATIC_ASSERT(offsetof(struct aw_agent_row, links) == AW_AGENT_BYTES_MAX + 16 + sizeof(struct aw_day_row), "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_agent_row) == AW_AGENT_BYTES_MAX + 128 + sizeof(struct aw_day_row), "no holes");

/* What an agent is set to. Never given back, as the version must go on. */
#define AW_UNITS_UNBOUND UINT8_MAX
struct aw_agent_settings_row {
    uint64_t version;
    uint32_t agent;
    uint32_t units_total; /* or AW_UNITS_NO_TOTAL */
    uint16_t is_gentle;
    uint16_t lane_count; /* 0: all lanes */
    uint8_t  barred;     /* classes that it is not given, 1 << class */
    uint8_t  needs_approval;
    uint8_t  reserved[2];
    uint8_t  units[AW_CHANNELS_MAX + 1];   /* by channel, or AW_UNITS_UNBOUND */
    uint16_t lanes[AW_LANES_PER_PULL_MAX]; /* ascending; zeros behind them */
};
AW_STATIC_ASSERT(sizeof(struct aw_agent_settings_row) == 24 + AW_CHANNELS_MAX + 1 + 2 * AW_LANES_PER_PULL_MAX, "no holes");
AW_STATIC_ASSERT(AW_AGENT_UNITS_MAX < AW_UNITS_UNBOUND, "units are a byte");

/* A request that was carried out under an Idempotency-Key, and what was answered. */
struct aw_once_row {
    uint32_t key[4];
    uint64_t request;
    aw_ms    at;       /* record time */
    uint64_t seq : 48; /* its record */
    uint64_t state : 8;
    uint64_t class_ : 8;
    uint64_t ticket_seq : 48; /* with `ticket` the id */
    uint64_t lane : 16;
    uint32_t ticket;
    uint32_t version;
    uint32_t next; /* the one that came next; in a free row the next free one */
    /* derived */
    uint32_t chain;
};
AW_STATIC_ASSERT(sizeof(struct aw_once_row) == AW_CACHE_LINE, "no holes");

/* One thing that a ticket is about: a flight, as far as its messages tell, an airport, or a booking. Of all that it is about
 * follows which departure counts (facts.c). MESSAGE is no fact, but kept like one: record `hash`, which perhaps names another
 * ticket, is one of this one; with a time it was withdrawn then. Nor is CONTACT: who only talked about us, by the hash of channel
 * and customer in `hash` and `departs_at`. */
enum aw_fact_list { AW_FACTS_BY_FLIGHT, AW_FACTS_BY_FROM, AW_FACTS_BY_TO, AW_FACT_LISTS };
struct aw_fact_link {
    uint32_t next;
    uint32_t prev;
};
struct aw_fact_links {
    uint32_t            next; /* of the same ticket */
    uint32_t            padding;
    struct aw_fact_link in[AW_FACT_LISTS];
};
struct aw_fact_row {
    uint64_t               hash;       /* of a flight or a booking; 0: none; MESSAGE, LEFT: the record */
    aw_ms                  departs_at; /* as the messages say; 0: unknown */
    aw_ms                  said_at;    /* record time of the message that said it first */
    uint64_t               seq : 48;   /* its record */
    uint64_t               kind : 16;
    struct aw_airport_code from; /* zeros: unknown; AIRPORT: this one */
    struct aw_airport_code to;
    uint8_t                reserved[2];
    uint32_t               ticket; /* 0: a free row */
    uint32_t               link;   /* in a free row the next free one */
    /* derived */
    struct aw_fact_links links;
};
AW_STATIC_ASSERT(offsetof(struct aw_fact_row, links) == 48, "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_fact_row) == 80, "no holes");

/* What a flight or an airport does; what it did before its last change, so that this can be undone. */
struct aw_plan {
    aw_ms    from; /* flight: its departure, 0 as the messages say; airport: closed from then on */
    aw_ms    until;
    uint32_t state;    /* enum aw_flight_state; airport: whether it is closed */
    uint32_t is_there; /* 0: nothing is known of it; the row is kept for its version */
    aw_ms    at;       /* record time since when */
};
struct aw_plan_row {
    uint32_t       key[4]; /* flight: its hash; airport: its code */
    uint64_t       version;
    struct aw_plan now;
    struct aw_plan before;
    uint64_t       change : 48;                      /* record of the last change */
    uint64_t       is_final : 16;                    /* which can't be undone */
    char           name[AW_FLIGHT_NUMBER_BYTES_MAX]; /* number, or code; zeros behind it */
    uint32_t       date_days;
    uint32_t       link; /* in a free row the next free one */
    /* derived */
    uint32_t chain;
    uint32_t padding;
};
AW_STATIC_ASSERT(offsetof(struct aw_plan_row, chain) == 112, "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_plan_row) == 120, "no holes");

/* Lists of facts by flight; a list holds a few flights, an event looks through all of one. */
#define AW_FLIGHT_BUCKETS 65536U

#define AW_AIRPORT_CODES (26U * 26U * 26U)
struct aw_airport_links {
    uint32_t row;
    uint32_t first[2]; /* facts with a departure from here, to here */
};

/* An agent who may not take a ticket, the only one who may, or that all who are marked gentle may, until a time. */
enum aw_aside_kind { AW_ASIDE_DECLINED = 0, AW_ASIDE_KEPT = 1, AW_ASIDE_GENTLE = 2 /* `agent` is 0 */ };
struct aw_aside_links {
    uint32_t next; /* of the same ticket, by slot */
    uint32_t padding;
};
struct aw_aside_row {
    uint32_t ticket; /* 0: a free row */
    uint32_t agent;  /* in a free row the next free one */
    uint64_t until : 48;
    uint64_t kind : 16; /* enum aw_aside_kind */
    /* derived */
    struct aw_aside_links links;
};
AW_STATIC_ASSERT(offsetof(struct aw_aside_row, links) == 16, "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_aside_row) == 24, "no holes");

/* A channel; its slot is its number. */
struct aw_channel_row {
    char     name[AW_CHANNEL_BYTES_MAX];
    uint32_t name_len;
    uint32_t is_shelved; /* its tickets wait in queues of their own */
};
AW_STATIC_ASSERT(sizeof(struct aw_channel_row) == AW_CHANNEL_BYTES_MAX + 8, "no holes");

/* A reply on its way out, and for a while after (outbox.h). */
struct aw_reply_links {
    uint32_t id[4]; /* key of the index by id: seq, and zeros */
    uint32_t id_chain;
    uint32_t ticket[4]; /* the same of its ticket */
    uint32_t ticket_chain;
    uint32_t provider_chain;
    uint32_t to[4]; /* the same of the message that it answers */
    uint32_t to_chain;
    uint32_t child; /* WAITING: in its account's heap (outbox_queue.c) */
    uint32_t next;
    uint32_t prev;
    uint32_t padding;
};
struct aw_reply_row {
    uint64_t seq : 48;         /* record that wrote it: its id */
    uint64_t state : 4;        /* enum aw_reply_state; 0: a free row */
    uint64_t rank : 4;         /* what goes first: 0 care, 1 imminent, 2 the rest, 3 bulk */
    uint64_t is_uncertain : 1; /* it may have been sent, as nobody heard of it again */
    uint64_t has_failed : 1;   /* once at least, as a report said */
    uint64_t kind : 4;         /* enum aw_reply_kind */
    uint64_t is_reviewed : 1;  /* a colleague decided on it */
    uint64_t is_withdrawn : 1; /* not BY_AGENT: the message that it answers was */
    uint64_t ticket_seq : 48;  /* with `ticket` its ticket's id */
    uint64_t attempts : 16;    /* leases since it was written or redriven; stays at its largest value */
    uint64_t to_seq : 48;      /* the message that it answers */
    uint64_t is_erased : 1;    /* what it says is: it does not go any more */
    uint64_t is_dropped : 1;   /* not BY_AGENT: all that its customer wrote was withdrawn: it does not go any more either */
    uint64_t reserved_2 : 14;
    uint64_t written_fence : 48; /* the agent's lease under which it was written */
    uint64_t reserved_3 : 16;
    uint64_t fence : 48; /* LEASED: of the gateway's lease; SENT and behind: of that which sent it; 0: not known */
    uint64_t reserved_4 : 16;
    uint64_t ended_fence : 48; /* under which it failed last; newer than `fence`: that held it when another told it sent */
    uint64_t reserved_5 : 16;
    uint64_t last_seq : 48; /* newest record of this reply */
    uint64_t reserved_6 : 16;
    aw_ms    written_at;
    aw_ms    due_at;      /* LEASED: when that ends; FAILED: when it is tried again; else 0 */
    aw_ms    over_at;     /* DEAD, SENT and behind: since when; else 0 */
    uint32_t provider[4]; /* hash of the id that it got there; zeros: not told */
    uint32_t ticket;
    uint32_t account;
    uint32_t agent; /* who wrote it */
    uint32_t op;    /* folded op_hash */
    uint32_t next;  /* over: the one that was over next; in a free row the next free one */
    uint32_t prev;
    char     code[AW_REPLY_CODE_BYTES_MAX]; /* why it failed last; zeros behind it */
    /* Not BY_AGENT: its text, and what goes into it (struct aw_reply_facts), as it was then. */
    char     number[AW_FLIGHT_NUMBER_BYTES_MAX];
    uint64_t flight;
    aw_ms    departs_at;
    aw_ms    new_departs_at;
    aw_ms    promised_at;
    uint32_t half_ms; /* from then on */
    uint32_t nine_of_ten_ms;
    uint32_t text;
    uint32_t contact; /* the row of the first contact that it makes, while that names it; 0: it makes none */
    /* derived */
    struct aw_reply_links links;
};
AW_STATIC_ASSERT(offsetof(struct aw_reply_row, links) == 176 + AW_REPLY_CODE_BYTES_MAX, "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_reply_row) == 280, "no holes");

/* A text that the server itself writes, of a set that belongs to a template or to an incident. One whose set was replaced stays for
 * the replies that name it. */
struct aw_text_links {
    uint32_t replies; /* that name it */
    uint32_t padding;
};
struct aw_text_row {
    uint64_t seq : 48;   /* record that wrote it; 0: a free row */
    uint64_t kind : 8;   /* enum aw_reply_kind */
    uint64_t is_old : 8; /* its set was replaced: it goes with the last reply that names it */
    uint32_t owner;      /* INCIDENT: which; else 0 */
    uint32_t next;       /* of its set, the first being for all other languages; in a free row the next free one */
    uint16_t lang;       /* aw_lang_code */
    uint16_t len;
    uint8_t  lang_len;
    char     lang_tag[AW_LANG_BYTES_MAX];
    char     words[AW_OWN_TEXT_BYTES_MAX];
    /* derived */
    struct aw_text_links links;
};
AW_STATIC_ASSERT(offsetof(struct aw_text_row, links) == 56 + AW_OWN_TEXT_BYTES_MAX, "no holes");

/* An account of a channel that replies name, or that has a pace. What was given out is counted by parts of a slice, one more than
 * a slice has: so the sum is never less than that of any stretch as long as a slice. */
#define AW_PACE_PARTS 8U
struct aw_account_links {
    uint32_t hash[4]; /* of its name */
    uint32_t chain;
    uint32_t first;   /* of the replies that wait, the one that goes first */
    uint32_t tickets; /* that name it */
    uint32_t padding;
};
struct aw_account_row {
    char     channel[AW_CHANNEL_BYTES_MAX];
    char     account[AW_ACCOUNT_BYTES_MAX];
    uint64_t part;    /* record time / a part's length, of the newest count */
    uint32_t replies; /* rows that name it */
    uint32_t pace;    /* replies in a slice; 0: any number */
    uint32_t slice_s;
    uint32_t given[AW_PACE_PARTS + 1]; /* by part, modulo their number */
    uint32_t link;                     /* in a free row the next free one */
    uint8_t  channel_len;              /* 0: a free row */
    uint8_t  account_len;
    uint8_t  reserved[2];
    /* derived */
    struct aw_account_links links;
};
/* Accounts that tickets name, besides those that replies name or that have a pace; beyond it tickets go without. */
#define AW_TICKET_ACCOUNTS_MAX 4096U
AW_STATIC_ASSERT(offsetof(struct aw_account_row, links) == AW_CHANNEL_BYTES_MAX + AW_ACCOUNT_BYTES_MAX + 64, "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_account_row) % 8 == 0, "no holes");

/* What a channel is set to. Never given back, as the version must go on. */
struct aw_channel_pace {
    char     account[AW_ACCOUNT_BYTES_MAX];
    uint32_t account_len;
    uint32_t replies;
    uint32_t slice_s;
};
struct aw_channel_settings_row {
    uint64_t               version;
    char                   name[AW_CHANNEL_BYTES_MAX];
    uint32_t               name_len;
    uint32_t               pace_count;
    struct aw_channel_pace paces[AW_CHANNEL_PACES_MAX];
};
AW_STATIC_ASSERT(sizeof(struct aw_channel_settings_row) == 16 + AW_CHANNEL_BYTES_MAX + 76 * AW_CHANNEL_PACES_MAX, "no holes");

/* What is told in a group of lanes. A row's slot is the group's number, + 1; never given back. */
struct aw_forecast_row {
    aw_ms               at;   /* record time */
    aw_ms               base; /* departures count from here */
    struct aw_told_wait waits[AW_PROMISE_WAITS];
    uint32_t            link; /* rows are never given back */
};
AW_STATIC_ASSERT(sizeof(struct aw_told_wait) == 12, "no holes: it lies in rows");
AW_STATIC_ASSERT(sizeof(struct aw_forecast_row) == 16 + 12 * AW_PROMISE_WAITS + 4, "no holes");
/* The desk's surge; there is one row, once one was declared. As with flights, what was before its last change is kept for UNDO. */
struct aw_surge_row {
    uint64_t        version;
    uint64_t        change; /* record of the last change; 0: it can't be undone */
    struct aw_surge now;
    struct aw_surge before;
};
AW_STATIC_ASSERT(sizeof(struct aw_surge_row) == 16 + 2 * sizeof(struct aw_surge), "no holes");

/* Tickets that one answer can resolve (incident.h). */
struct aw_incident_links {
    uint32_t open; /* tickets */
    uint32_t padding;
};
struct aw_incident_row {
    uint64_t opened_seq : 48; /* record that made or proposed it: its id */
    uint64_t state : 4;       /* enum aw_incident_state; 0: a free row */
    uint64_t follows : 1;     /* later tickets too */
    uint64_t is_answering : 1;
    uint64_t reserved : 10;
    uint64_t keys_seq : 48; /* record that set its keys */
    uint64_t key_count : 16;
    uint64_t last_seq : 48; /* its newest record; of tickets that are linked there are others */
    uint64_t title_len : 16;
    uint64_t through_seq : 48; /* answered are tickets as they were when this was the last record */
    uint64_t needs : 16;       /* AW_NEEDS_... of the texts */
    uint64_t version;
    aw_ms    opened_at;   /* or proposed */
    aw_ms    closed_at;   /* CLOSED */
    aw_ms    answered_at; /* when an answer was approved last; 0: never */
    uint32_t tickets;     /* ever linked, but for those that were taken out */
    uint32_t answered;    /* of them, ever, by its answers */
    uint32_t keys;        /* first of its keys */
    uint32_t texts;       /* of its last answer, the first; 0: there was none */
    uint32_t link;        /* in a free row the next free one */
    char     title[AW_INCIDENT_TITLE_BYTES_MAX];
    uint32_t reserved_2;
    /* derived */
    struct aw_incident_links links;
};
AW_STATIC_ASSERT(offsetof(struct aw_incident_row, links) == 88 + AW_INCIDENT_TITLE_BYTES_MAX, "no holes");
AW_STATIC_ASSERT(AW_INCIDENTS_MAX <= UINT16_MAX, "a ticket names its incident by 16 bits");

/* A flight or an airport that makes tickets part of an incident. */
struct aw_incident_key_row {
    uint32_t key[4];   /* flight, booking: its hash; airport: its number; and its kind */
    uint32_t incident; /* 0: a free row */
    uint32_t next;     /* of the same incident; in a free row the next free one */
    uint32_t date_days;
    char     name[AW_INCIDENT_KEY_BYTES_MAX]; /* number, or code; zeros behind it */
    /* derived */
    uint32_t chain;
};
AW_STATIC_ASSERT(offsetof(struct aw_incident_key_row, chain) == 28 + AW_INCIDENT_KEY_BYTES_MAX, "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_incident_key_row) == 64, "no holes");

/* What is noticed of a flight or an airport beside the state: when tickets named it last. */
#define AW_NOTICED_MAX  8192U
#define AW_NOTICED_WAYS 4U
/* So many tickets within that time, and an incident is proposed. */
#define AW_PROPOSE_TICKETS 5U
#define AW_PROPOSE_MS      (UINT64_C(10) * 60 * 1000)
struct aw_noticed {
    struct aw_incident_key key; /* its name is the one below; empty: nothing is noticed here */
    aw_ms                  at[AW_PROPOSE_TICKETS];
    uint32_t               tickets[AW_PROPOSE_TICKETS]; /* that named it then */
    uint32_t               next;                        /* of `at`, the oldest */
    uint32_t               title_len;
    char                   name[AW_FLIGHT_NUMBER_BYTES_MAX];
    char                   title[24]; /* what it would be called */
};
/* What the server does about incidents by itself: no part of the state, a start begins anew. So many tickets in one group: a pull
 * that comes meanwhile waits for 2 ms or so of them, and 10,000 take less than a hundred flushes. */
#define AW_INCIDENT_FOUND_MAX     128U
#define AW_INCIDENT_PROPOSING_MAX 64U
struct aw_incident_work {
    struct aw_noticed *noticed;                             /* owns: AW_NOTICED_MAX */
    uint32_t           proposed[AW_INCIDENT_PROPOSING_MAX]; /* places in `noticed` of which an incident is to be proposed */
    uint32_t           proposed_count;
    uint32_t           next;                         /* the round through all tickets: the one to look at, */
    uint32_t           end;                          /* the last one, */
    uint32_t           left;                         /* how many still */
    uint32_t           found[AW_INCIDENT_FOUND_MAX]; /* tickets of which something is to be done */
    uint32_t           found_at;
    uint32_t           found_count;
    uint32_t           open_count;       /* incidents that are OPEN */
    uint32_t           answering_count;  /* that are being answered */
    aw_ms              rest_until;       /* an answer found no room for its replies */
    bool               has_left_out;     /* so the round passes over tickets to be answered, and another one is due */
    aw_ms              links_rest_until; /* the store had no room for a link */
    bool               has_left_links;   /* so the round passes over tickets to be linked, and another one is due */
    uint32_t           proposed_rows;    /* that are PROPOSED */
};
/* What an agent gave a customer his word for, on a ticket that is open. */
struct aw_commitment_row {
    uint64_t seq : 48; /* the record of its DEFER */
    uint64_t reason : 8;
    uint64_t is_broken : 8;
    aw_ms    due_at;
    aw_ms    made_at;
    uint32_t ticket; /* 0: a free row */
    uint32_t agent;  /* who gave it; in a free row the next free one */
};
AW_STATIC_ASSERT(sizeof(struct aw_commitment_row) == 32, "no holes");

/* What is known of who only talked about us, on one channel (contact.c). Free: both times are 0. */
struct aw_contact_row {
    uint32_t hash[4];      /* of channel and customer */
    aw_ms    contacted_at; /* an agent wrote to him; 0: nobody did */
    aw_ms    opted_out_at; /* 0: he did not */
    uint64_t reply_seq;    /* what was written; 0: nothing */
    uint32_t next;         /* not opted out: contacted next; in a free row the next free one */
    uint32_t prev;
    /* derived */
    uint32_t chain;
    uint32_t padding;
};
AW_STATIC_ASSERT(offsetof(struct aw_contact_row, chain) == 48, "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_contact_row) == 56, "no holes");

/* Replies that are over, longest first. */
struct aw_reply_list {
    uint32_t first;
    uint32_t last;
};

/* A template. */
struct aw_text_set {
    uint64_t version; /* 0: it was never set */
    uint32_t first;   /* of its texts; 0: it is off */
    uint32_t reserved;
};

/* Everything that is one of a kind. Hashed anew for each digest. */
struct aw_globals {
    uint64_t                seq;
    uint64_t                index;
    uint64_t                epoch;
    aw_ms                   now;
    aw_ms                   ids_floor; /* source ids accepted before this stay forgotten, though dedupe_ms may have grown since */
    struct aw_core_settings settings;
    uint64_t                messages;
    uint64_t                opened;
    uint64_t                folded;
    uint64_t                reopened;
    uint64_t                completed;
    uint64_t                cancelled;
    uint64_t                expired;
    uint64_t                released;
    uint64_t                declined;
    uint64_t                transferred;
    uint64_t                deferred;
    uint64_t                commitments_kept;
    uint64_t                commitments_broken;
    uint64_t                withdrawn;             /* messages */
    uint64_t                withdrawn_tickets;     /* closed, as nothing was left of them */
    uint64_t                erased;                /* customers, each time that one was */
    uint64_t                erased_tickets;        /* of them */
    uint64_t                unfolded_seq;          /* the newest UNFOLD */
    struct aw_rows_head     heads[AW_TABLE_COUNT]; /* by table; [0] is not used */
    uint32_t                closed_first;          /* closed tickets, longest closed first */
    uint32_t                closed_last;
    uint32_t                once_first; /* requests known by their keys, oldest first */
    uint32_t                once_last;
    uint32_t                shard;
    uint32_t                flights_swept; /* the flight that was last looked at, whether it is over */
    uint64_t                replied;       /* replies written */
    struct aw_reply_list    replies_done;  /* SENT and behind */
    struct aw_reply_list    replies_dead;
    /* By the class that they were told: taken before nine of ten should have been, or later. */
    uint64_t           promises_kept[AW_CLASS_COUNT];
    uint64_t           promises_broken[AW_CLASS_COUNT];
    uint64_t           promises_moved;
    uint64_t           ticket_channels;         /* channels of each ticket, summed over all that were opened */
    uint64_t           closed;                  /* tickets, whoever did it */
    uint64_t           closes_refused;          /* of these by a reply that was refused: they are open again */
    struct aw_day_row  day;                     /* of all agents */
    struct aw_text_set templates[AW_TEMPLATES]; /* from ACKNOWLEDGEMENT on */
    uint64_t           owed[AW_REPLY_KINDS];    /* replies that the server itself wrote, by kind */
    uint64_t           not_needed;              /* tickets that their customers closed */
    uint64_t           owed_left_out;           /* as the outbox had only the room that leases need */
    uint64_t           first_contacts;          /* written to who only talked about us, let go or not */
    uint64_t           opted_out;               /* rows of contacts that are */
    uint32_t           contacts_first;          /* those that are not, contacted longest ago first */
    uint32_t           contacts_last;
};
AW_STATIC_ASSERT(sizeof(struct aw_globals) == 5 * 8 + 216 + 18 * 8 + AW_TABLE_COUNT * 16 + 24 + 24 + 12 * 8 + 24 +
                                                  AW_TEMPLATES * 16 + AW_REPLY_KINDS * 8 + 16 + 24 + 16,
                 "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_core_settings) == 216, "no holes");

struct aw_lane_load {
    uint32_t waiting[AW_CLASS_COUNT];
    uint32_t leased;
    uint32_t held;
    uint32_t helped; /* of those that wait: with helpers */
};

struct aw_state {
    struct aw_state_limits limits;
    struct aw_globals      globals;
    /* The batch under way. */
    uint64_t index;
    aw_ms    now;
    /* The rows. */
    struct aw_ledger ledger;
    struct aw_rows   tickets;
    struct aw_rows   identities;
    struct aw_rows   leases;
    struct aw_rows   lanes; /* lane n lies in slot n + 1 */
    struct aw_rows   agents;
    struct aw_rows   once;
    struct aw_rows   facts;
    struct aw_rows   flights;
    struct aw_rows   airports;
    struct aw_rows   asides;
    struct aw_rows   channels;
    struct aw_rows   agent_settings;
    struct aw_rows   replies;
    struct aw_rows   accounts;
    struct aw_rows   channel_settings;
    struct aw_rows   forecast;
    struct aw_rows   incidents;
    struct aw_rows   incident_keys;
    struct aw_rows   texts;
    struct aw_rows   surge;
    struct aw_rows   commitments;
    struct aw_rows   contacts;
    struct aw_dedupe ids;
    /* Derived from the rows. */
    struct aw_index          by_identity;
    struct aw_index          by_lane_name;
    struct aw_index          by_agent_name;
    struct aw_index          by_pull; /* leases of pulls that had a key */
    struct aw_index          by_key;
    struct aw_index          by_flight; /* rows of flights */
    struct aw_index          by_reply;
    struct aw_index          by_reply_ticket;
    struct aw_index          by_provider; /* replies whose id at the provider is known */
    struct aw_index          by_reply_to; /* by the message that it answers */
    struct aw_index          by_account;
    struct aw_index          by_incident_key;
    struct aw_index          by_contact;
    struct aw_timers         timers;
    struct aw_timers         reply_timers;
    uint32_t                 replies_in[AW_REPLY_STATES];
    uint32_t                 ticket_accounts;     /* accounts that tickets name */
    uint64_t                 replies_came;        /* how often one began to wait */
    uint32_t                *ticket_facts;        /* owns: by ticket, its first fact */
    uint32_t                *ticket_asides;       /* owns: by ticket, its first row in asides */
    uint64_t                *asides_used;         /* owns: a bit for each row of asides */
    uint32_t                *flight_facts;        /* owns: AW_FLIGHT_BUCKETS lists of facts by their flight */
    struct aw_airport_links *airport_links;       /* owns: by code */
    struct aw_lane_load     *lane_loads;          /* owns: by lane */
    uint16_t                *matching;            /* owns: lanes that match something, in order of their index */
    uint32_t                *ticket_commitments;  /* owns: by ticket, its row in commitments */
    uint32_t                 commitments_overdue; /* rows that are broken */
    uint32_t                 matching_count;
    uint16_t                 shelves;        /* by channel a bit, and that of 0 */
    uint32_t                 changed_agents; /* first of the list of those to be published; 0: none */
    uint32_t                 gentle_count;
    uint32_t                 gentle_asides;                /* rows of asides: AW_ASIDE_GENTLE */
    uint32_t                 gentle[AW_GENTLE_AGENTS_MAX]; /* agents so marked, in no order that means anything */
    uint64_t                 helped;
    uint32_t                 rearm_next; /* the ticket from which on timers are to be set anew, piece by piece, round and round */
    uint32_t                 rearm_end;  /* the last one of a round */
    uint32_t                 rearm_left; /* how many of them still */
    uint64_t                 by_presence[AW_PRESENCE_COUNT]; /* agents */
    struct aw_incident_work  incident_work;
    uint64_t                 by_state[AW_TICKET_CLOSED + 1][AW_CLASS_COUNT];
    uint64_t                 addresses[AW_TICKET_ADDRESSES_MAX]; /* that the last command's effect tells */
    /* The cut under way. */
    struct aw_globals cut_globals;
    uint32_t          cut_table; /* next to write */
    uint32_t          cut_chunks;
    uint64_t          loaded_id_seq; /* the newest source id loaded */
    _Alignas(8) char chunk[AW_CUT_BYTES];
};
AW_STATIC_ASSERT(AW_CUT_BYTES <= AW_CHUNK_BYTES_MAX, "a chunk fits the seam");
AW_STATIC_ASSERT(sizeof(struct aw_globals) <= AW_CUT_BYTES, "the globals are one chunk");

/* --- rows by their type --------------------------------------------------------------------------------------------------- */

static inline const struct aw_ticket_row *
aw_ticket_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->tickets, slot);
}
static inline const struct aw_identity_row *
aw_identity_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->identities, slot);
}
static inline const struct aw_lease_row *
aw_lease_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->leases, slot);
}
static inline const struct aw_lane_row *
aw_lane_at(const struct aw_state *state, uint32_t lane)
{
    return aw_rows_at(&state->lanes, lane + 1);
}
static inline const struct aw_agent_row *
aw_agent_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->agents, slot);
}
static inline const struct aw_agent_settings_row *
aw_agent_settings_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->agent_settings, slot);
}
static inline struct aw_slice
aw_agent_name(const struct aw_state *state, uint32_t slot)
{
    return aw_slice_of(aw_agent_at(state, slot)->name, aw_agent_at(state, slot)->name_len);
}

static inline const struct aw_once_row *
aw_once_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->once, slot);
}

static inline const struct aw_fact_row *
aw_fact_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->facts, slot);
}
/* What messages tell, and not what is only kept like it. */
static inline bool
aw_fact_is_told(const struct aw_fact_row *fact)
{
    return fact->kind == AW_FACT_FLIGHT || fact->kind == AW_FACT_AIRPORT || fact->kind == AW_FACT_BOOKING;
}
static inline const struct aw_plan_row *
aw_flight_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->flights, slot);
}
static inline const struct aw_plan_row *
aw_airport_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->airports, slot);
}

static inline const struct aw_aside_row *
aw_aside_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->asides, slot);
}

static inline const struct aw_reply_row *
aw_reply_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->replies, slot);
}
static inline const struct aw_account_row *
aw_account_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->accounts, slot);
}
static inline const struct aw_text_row *
aw_text_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->texts, slot);
}
static inline const struct aw_channel_settings_row *
aw_channel_settings_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->channel_settings, slot);
}

static inline const struct aw_incident_row *
aw_incident_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->incidents, slot);
}
static inline const struct aw_commitment_row *
aw_commitment_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->commitments, slot);
}

static inline const struct aw_surge_row *
aw_surge_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->surge, slot);
}

static inline aw_ms
aw_ticket_age(const struct aw_ticket_row *ticket)
{
    return ticket->opened_at - ticket->backdated_ms;
}
static inline uint32_t
aw_ticket_transfers(const struct aw_ticket_row *ticket)
{
    uint32_t count = 0;

    while (count < AW_TICKET_TRANSFERS_MAX && ticket->from_lanes[count] != 0)
        count++;
    return count;
}
/* What its queue is ordered by. */
static inline aw_ms
aw_ticket_key(const struct aw_ticket_row *ticket)
{
    return ticket->class_ == AW_CLASS_IMMINENT ? ticket->departs_at : aw_ticket_age(ticket);
}
/* A ticket's version is never 0, which in an If-Match is what is not there. It is only compared for equality: it comes again after
 * 2^32 moves of this ticket, or records since a ticket was in this slot; then an entry that old may count again, and who takes it
 * gets the ticket out of its turn. */
static inline uint32_t
aw_ticket_version_at(uint64_t seq)
{
    return (uint32_t)seq == 0 ? 1 : (uint32_t)seq;
}
static inline uint32_t
aw_ticket_version_after(uint32_t version)
{
    return version == UINT32_MAX ? 1 : version + 1;
}
static inline bool
aw_ticket_is_closing(const struct aw_ticket_row *ticket)
{
    return (ticket->flags & AW_TICKET_CLOSING) != 0;
}
static inline bool
aw_ticket_is_open(const struct aw_ticket_row *ticket)
{
    return ticket->state == AW_TICKET_WAITING || ticket->state == AW_TICKET_LEASED || ticket->state == AW_TICKET_HELD;
}
/* It is still shown. */
static inline bool
aw_ticket_closed_lately(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    return ticket->state == AW_TICKET_CLOSED && state->now - ticket->until < state->globals.settings.reopen_ms;
}
static inline bool
aw_ticket_is_reopenable(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    return aw_ticket_closed_lately(state, ticket) && (ticket->marks & AW_MARK_ERASED) == 0;
}
static inline struct aw_ticket_id
aw_ticket_id_at(const struct aw_state *state, uint32_t slot)
{
    return (struct aw_ticket_id){
        .seq = aw_ticket_at(state, slot)->opened_seq, .slot = slot, .shard = (uint8_t)state->globals.shard};
}
static inline struct aw_slice
aw_lane_name(const struct aw_state *state, uint32_t lane)
{
    return aw_slice_of(aw_lane_at(state, lane)->name, aw_lane_at(state, lane)->name_len);
}

/* --- commands (each fills out and returns nothing: out.err tells) ----------------------------------------------------------- */

void aw_apply_message(struct aw_state *state, struct aw_command *command);
void aw_apply_lease(struct aw_state *state, struct aw_command *command);
void aw_apply_extend(struct aw_state *state, struct aw_command *command);
void aw_apply_complete(struct aw_state *state, struct aw_command *command);
void aw_apply_release(struct aw_state *state, struct aw_command *command);
void aw_apply_decline(struct aw_state *state, struct aw_command *command);
void aw_apply_transfer(struct aw_state *state, struct aw_command *command);
void aw_apply_withdraw(struct aw_state *state, struct aw_command *command);
void aw_apply_erase(struct aw_state *state, struct aw_command *command);
void aw_apply_opt_out(struct aw_state *state, struct aw_command *command);
void aw_apply_defer(struct aw_state *state, struct aw_command *command);
void aw_apply_approve(struct aw_state *state, struct aw_command *command);
void aw_apply_note(struct aw_state *state, struct aw_command *command);
void aw_apply_timer(struct aw_state *state, struct aw_command *command);
/* Fills turn and pushes of one whose slot is set, as of the state's time. */
void aw_timer_judge(const struct aw_state *state, struct aw_in_timer *timer);
void aw_apply_epoch(struct aw_state *state, struct aw_command *command);
void aw_apply_hold(struct aw_state *state, struct aw_command *command);
void aw_apply_unhold(struct aw_state *state, struct aw_command *command);
void aw_apply_cancel(struct aw_state *state, struct aw_command *command);
void aw_apply_place(struct aw_state *state, struct aw_command *command);
void aw_apply_unfold(struct aw_state *state, struct aw_command *command);
void aw_apply_lane(struct aw_state *state, struct aw_command *command);
void aw_apply_agent(struct aw_state *state, struct aw_command *command);
void aw_apply_settings(struct aw_state *state, struct aw_command *command);
void aw_apply_flight(struct aw_state *state, struct aw_command *command);
void aw_apply_airport(struct aw_state *state, struct aw_command *command);
void aw_apply_undo(struct aw_state *state, struct aw_command *command);
void aw_apply_surge(struct aw_state *state, struct aw_command *command);
void aw_apply_channel(struct aw_state *state, struct aw_command *command);
void aw_apply_reply(struct aw_state *state, struct aw_command *command);
void aw_apply_reply_lease(struct aw_state *state, struct aw_command *command);
void aw_apply_reply_status(struct aw_state *state, struct aw_command *command);
void aw_apply_reply_timer(struct aw_state *state, struct aw_command *command);
void aw_apply_redrive(struct aw_state *state, struct aw_command *command);
void aw_apply_forecast(struct aw_state *state, struct aw_command *command);
void aw_apply_promise(struct aw_state *state, struct aw_command *command);
void aw_apply_incident(struct aw_state *state, struct aw_command *command);
void aw_apply_incident_link(struct aw_state *state, struct aw_command *command);
void aw_apply_incident_answer(struct aw_state *state, struct aw_command *command);
void aw_apply_incident_timer(struct aw_state *state, struct aw_command *command);
void aw_apply_template(struct aw_state *state, struct aw_command *command);

/* By enum aw_table_number; not the globals. */
struct aw_rows *aw_state_table(struct aw_state *state, uint32_t table);
/* Of all tables without the globals, from their rows. */
struct aw_hash128 aw_state_rows_digest_slow(const struct aw_state *state);
/* Gives the tables the limits that the settings tell, which fit. */
void aw_state_use_limits(struct aw_state *state);
/* The command changes something: it gets the next sequence number. */
uint64_t aw_state_record(struct aw_state *state, struct aw_command *command);
/* effect.c: how the ticket in `slot` stands before a command, and what the command did to it. MESSAGE finds its ticket by itself,
 * and begins anew. */
void aw_effect_begin(const struct aw_state *state, struct aw_effect *effect, uint32_t slot);
void aw_effect_end(struct aw_state *state, struct aw_command *command);

void aw_message_prefetch(const struct aw_state *state, const struct aw_in_message *in);
/* AW_OK, AW_E_TABLE_FULL. */
enum aw_err aw_message_admits(const struct aw_state *state, const struct aw_in_message *in);
enum aw_err aw_lease_admits(const struct aw_state *state, const struct aw_in_lease *in);
enum aw_err aw_release_admits(const struct aw_state *state, const struct aw_in_fenced *in);
enum aw_err aw_lane_admits(const struct aw_state *state, const struct aw_in_lane *in);
/* Rows that a command takes, and whether they are there, counting what tickets closed long ago would give back: AW_OK,
 * AW_E_TABLE_FULL; then making that room. */
struct aw_need {
    uint32_t tickets;
    uint32_t identities;
    uint32_t facts;
};
enum aw_err aw_need_check(const struct aw_state *state, struct aw_need need);
void        aw_need_meet(struct aw_state *state, struct aw_need need);
/* Gives an open ticket one more identity; settles the ledger. There is room for a row. */
void aw_identity_add(struct aw_state *state, uint32_t slot, struct aw_hash128 hash);
/* Takes from a ticket all identities that `told` does not have; settles the ledger. */
void aw_identities_keep(struct aw_state *state, uint32_t ticket, const struct aw_told *told);
/* Age before acceptance. */
uint32_t    aw_backdated_ms(const struct aw_core_settings *settings, aw_ms received_at, aw_ms accepted_at);
enum aw_err aw_unfold_admits(const struct aw_state *state, const struct aw_in_unfold *in);
/* The main and the listening lane; aw_state_new only. */
#define AW_LANE_MAIN      0U
#define AW_LANE_LISTENING 1U
void aw_lane_make_first(struct aw_state *state);
/* Rebuilds what is derived from the lanes' rows; before it, unload forgets what a fresh state has. */
void aw_lane_load_all(struct aw_state *state);
void aw_lane_unload_all(struct aw_state *state);
/* Rebuilds the index of pulls and the lists of leases; uses the timers, which must be empty, to sort. */
void aw_lease_load_all(struct aw_state *state);
/* The lane of a message to us; *ret_unknown when it asked for one that does not exist. */
uint32_t aw_lane_choose(const struct aw_state *state, const struct aw_in_message *in, bool *ret_unknown);

/* How long an agent is there after it completed a ticket: presence on a connection does not follow from the journal. */
#define AW_PRESENT_MS (UINT64_C(15) * 60 * 1000)

/* --- agents (agent.c) ------------------------------------------------------------------------------------------------------ */

void        aw_apply_presence(struct aw_state *state, struct aw_command *command);
enum aw_err aw_presence_admits(const struct aw_state *state, const struct aw_in_presence *in);
/* Whether it takes tickets. */
bool        aw_agent_is_ready(const struct aw_state *state, uint32_t agent);
enum aw_err aw_agent_admits(const struct aw_state *state, const struct aw_in_agent *in);
uint32_t    aw_agent_find(const struct aw_state *state, struct aw_slice name);
/* It took a ticket, wrote a reply, or its lease ended by a command of this kind: counted for its day and everybody's. */
void aw_agent_took(struct aw_state *state, uint32_t agent);
void aw_agent_replied(struct aw_state *state, uint32_t agent);
void aw_agent_ended(struct aw_state *state, uint32_t agent, enum aw_command_kind kind);
/* There is room. */
uint32_t aw_agent_make(struct aw_state *state, struct aw_slice name);
/* Whether it is set to serve this lane, or to all. */
bool aw_agent_serves(const struct aw_state *state, uint32_t agent, uint32_t lane);
/* Whether what it writes waits for a colleague. */
bool aw_agent_needs_approval(const struct aw_state *state, uint32_t agent);
/* Whether it may be given tickets of this class. */
bool aw_agent_takes(const struct aw_state *state, uint32_t agent, enum aw_class class_);
/* It holds one lease more (by 1) or less (by -1) of a ticket of this channel. */
void aw_agent_count(struct aw_state *state, uint32_t agent, uint32_t channel, int by);
/* It is there: it completed a ticket. */
void aw_agent_completed(struct aw_state *state, uint32_t agent);
/* Whether one that is marked gentle, serves this lane, takes this class and is there. */
bool aw_agent_gentle_is_there(const struct aw_state *state, uint32_t lane, enum aw_class class_);
/* Rebuilds what is derived from the rows, but for the leases. */
void aw_agent_load_all(struct aw_state *state);

/* --- requests known by their Idempotency-Key (once.c): of commands with an aw_once ------------------------------------------ */

/* True: there is nothing to carry out any more; the outcome is that of the first time, or why not. */
bool aw_once_answers(const struct aw_state *state, struct aw_command *command);
/* Whether it was carried out under this key, if it has one, or something else was. */
bool aw_once_is_known(const struct aw_state *state, const struct aw_once *once);
/* Whether there is room for one more key, if this is one. AW_OK, AW_E_TABLE_FULL. */
enum aw_err aw_once_admits(const struct aw_state *state, const struct aw_once *once);
/* The command changed something: it is known from now on. aw_once_answers said that there is room. */
void aw_once_remember(struct aw_state *state, const struct aw_command *command);
/* Rebuilds the index. */
void aw_once_load_all(struct aw_state *state);

/* --- what tickets are about (facts.c) -------------------------------------------------------------------------------------- */

/* What follows from all that a ticket is about, and from what is known of those flights and airports. */
struct aw_standing {
    aw_ms departs_at;   /* the earliest departure that can be made; when none can, the latest that goes at all; 0: none */
    bool  can_be_made;  /* departs_at */
    bool  has_later;    /* another one can be made after it */
    bool  is_disrupted; /* at least DISRUPTED: a flight does not go, or was near, or its only airport is closed */
};
struct aw_standing aw_facts_judge_told(const struct aw_state *state, const struct aw_told *told, aw_ms now);
struct aw_standing aw_facts_judge(const struct aw_state *state, uint32_t ticket, aw_ms now);
/* Most rows that this message can take. */
uint32_t aw_facts_need(const struct aw_in_message *in);
uint32_t aw_facts_count(const struct aw_state *state, uint32_t ticket);
/* There is room for aw_facts_need. Whether any of it was news. */
bool aw_facts_add(struct aw_state *state, uint32_t ticket, const struct aw_in_message *in, uint64_t seq);
/* Whether its `departs_at` is one that no flight of it tells. */
bool aw_facts_has_lone_departure(const struct aw_in_message *in);
/* Puts what is told in the place of all that was, but for moved records. There is room. */
void aw_facts_tell_anew(struct aw_state *state, uint32_t ticket, const struct aw_told *told);
/* This record belongs to this ticket from now on, whichever it names. There is room. */
void aw_facts_move_message(struct aw_state *state, uint32_t ticket, uint64_t seq);
/* This message, whose record names the ticket, is one of it no more, also when nobody knows any more where it went: noted, and
 * whether it is. There is room for a row. */
void aw_facts_note_left(struct aw_state *state, uint32_t ticket, uint64_t seq);
bool aw_facts_has_left(const struct aw_state *state, uint64_t seq);
/* So does the record of a message that its customer took back: noted, since when (0: he did not), and how many of a ticket's. There
 * is room for a row. */
void     aw_facts_withdraw(struct aw_state *state, uint32_t ticket, uint64_t seq);
aw_ms    aw_facts_withdrawn_at(const struct aw_state *state, uint64_t seq);
uint32_t aw_facts_withdrawn(const struct aw_state *state, uint32_t ticket);
/* Who only talked about us there, in the place of whom it was; zero: nobody. There is room for a row. Then the hash. */
void              aw_facts_note_contact(struct aw_state *state, uint32_t ticket, struct aw_hash128 contact);
struct aw_hash128 aw_facts_contact(const struct aw_state *state, uint32_t ticket);
/* All that is kept of a ticket; settles the ledger. */
void aw_facts_drop(struct aw_state *state, uint32_t ticket);
/* Open tickets that are about this flight or airport; with `rearms` each gets its timer anew, as its class or place may be another
 * one now. Takes as long as there are facts that name it. */
uint32_t aw_facts_look_again(struct aw_state *state, enum aw_change_of of, const struct aw_plan_row *row, bool rearms);
/* Rebuilds the lists. */
void aw_facts_load_all(struct aw_state *state);

/* --- flights and airports (flight.c) --------------------------------------------------------------------------------------- */

/* Below AW_AIRPORT_CODES; AW_AIRPORT_CODES for zeros. */
uint32_t aw_airport_number(struct aw_airport_code code);
/* What is known of a flight or an airport; NULL: nothing. */
const struct aw_plan *aw_flight_plan(const struct aw_state *state, uint64_t flight);
const struct aw_plan *aw_airport_plan(const struct aw_state *state, struct aw_airport_code code);
/* The record that changed this flight last; 0: nothing is known of it. */
uint64_t    aw_flight_changed_by(const struct aw_state *state, uint64_t flight);
enum aw_err aw_flight_admits(const struct aw_state *state, const struct aw_in_flight *in);
/* What is kept of a change that a key stands for. */
struct aw_change_kept {
    uint32_t slot;
    uint64_t mark; /* of the row's flight or airport */
    uint64_t seq;
    uint64_t version;
    uint32_t tickets;
};
/* 48 bits that tell the flight or airport of this row from another one that may have the row later. */
uint64_t aw_change_mark(const struct aw_state *state, enum aw_change_of of, uint32_t slot);
/* The outcome of a command that is known by its key, as far as the rows of keys do not hold it. OVERTAKEN: an UNDO of a flight that
 * is forgotten by now. */
void aw_change_repeat(const struct aw_state *state, struct aw_command *command, const struct aw_change_kept *kept);
/* Rebuilds what is derived from the rows. */
void aw_flight_load_all(struct aw_state *state);

/* --- the desk's surge (surge.c) --------------------------------------------------------------------------------------------- */

/* As it is now; one that is off when there is none. Borrows until the state changes. */
const struct aw_surge *aw_surge_now(const struct aw_state *state);
/* Whether a message that opens a ticket in this lane is to be acknowledged, as far as the surge says. */
bool aw_surge_acknowledges(const struct aw_state *state, const struct aw_in_message *message, uint32_t lane);
/* After how long the n-th helper of this lane helps: as the lane says, or the surge. */
uint32_t aw_surge_help_after_s(const struct aw_state *state, uint32_t lane, uint32_t helper);
/* UNDO of a change of the surge; `in.undo.change` is one. */
void aw_surge_undo(struct aw_state *state, struct aw_command *command);
/* The outcome of an undo that is known by its key: what the surge is by now. */
void aw_surge_repeat(const struct aw_state *state, struct aw_command *command, const struct aw_change_kept *kept);

/* --- who may not take what (aside.c); ticket rows between edit and done ----------------------------------------------------- */

/* Whether this agent's decline finds room. AW_OK, AW_E_TABLE_FULL. */
enum aw_err aw_aside_admits(const struct aw_state *state, uint32_t slot, uint32_t agent);
/* Not for this agent for decline_ms; aw_aside_admits said that there is room. Whoever it was kept for has it no more. */
void aw_aside_decline(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, uint32_t agent);
/* It is kept for nobody any more. */
void aw_aside_let_go(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket);
/* Then: for this agent alone for `ms`, whether it declined it before or not, as somebody says so; aw_aside_admits said that there
 * is room. */
void aw_aside_hand(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, uint32_t agent, uint64_t ms);
/* For this agent alone for kept_ms, when there is room and its class may be kept. */
void aw_aside_keep(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, uint32_t agent);
/* For agents marked gentle alone for gentle_first_ms, if it is gentle, one of them is there, and not too many are so already. */
void aw_aside_gentle_first(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket);
/* An agent got a lease of it: it is not for agents marked gentle first any more. */
void aw_aside_take(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket);
/* CARE and IMMINENT go to whoever is next. */
bool aw_aside_may_keep(const struct aw_ticket_row *ticket);
/* What does not count any more goes; the class is up to date. */
void aw_aside_prune(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket);
void aw_aside_drop(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket);
/* Until when it is kept for one agent; 0: it is not. */
aw_ms aw_aside_kept_until(const struct aw_state *state, uint32_t slot);
/* When the first of its rows ends; 0: it has none. */
aw_ms aw_aside_until(const struct aw_state *state, uint32_t slot);
/* Agents who declined it, for whom this still counts. */
uint32_t aw_aside_declined(const struct aw_state *state, uint32_t slot);
/* Rebuilds the chains. */
void aw_aside_load_all(struct aw_state *state);

/* --- what agents gave their word for (commitment.c); ticket rows between edit and done --------------------------------------- */

/* When its TIMER is to count the word as broken; 0: there is none, or it is broken. */
aw_ms aw_commitment_due(const struct aw_state *state, uint32_t slot);
bool  aw_commitment_is_due(const struct aw_state *state, uint32_t slot);
/* It is due, and counts as broken from now on. */
void aw_commitment_break(struct aw_state *state, uint32_t slot);
/* The customer heard from us: the word, if any, was kept, or not, and is no more. */
void aw_commitment_answered(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket);
/* It is no more, and nobody kept or broke it just now. */
void aw_commitment_drop(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket);
/* A DEFERRED ticket is about to come back: for who gave the word first, if he is there. Its class and lane are up to date. */
void aw_commitment_offer(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket);
/* For outcomes and views. */
struct aw_commitment aw_commitment_of(const struct aw_state *state, uint32_t slot);
/* Rebuilds what is derived from the rows. */
void aw_commitment_load_all(struct aw_state *state);

/* --- who only talked about us (contact.c) ------------------------------------------------------------------------------------- */

/* Whether an agent may write to the customer of this ticket. AW_OK, AW_E_CONTACT_REFUSED, AW_E_TABLE_FULL. */
enum aw_err aw_contact_check(const struct aw_state *state, uint32_t ticket);
/* He does, by this reply: the row of the first contact that it makes, of which there is room; 0: it makes none. Settles. */
uint32_t aw_contact_make(struct aw_state *state, uint32_t ticket, uint64_t reply_seq);
/* The reply makes a first contact, and is not to be sent any more. */
bool aw_contact_holds_back(const struct aw_state *state, const struct aw_reply_row *reply);
/* The reply never goes, by a colleague's word: what contact it made is none. Settles. */
void aw_contact_unmake(struct aw_state *state, const struct aw_reply_row *reply);
/* This message came. Whether its customer, who was written to, opted out with it, for the first time or again. Settles. */
bool        aw_contact_heard(struct aw_state *state, const struct aw_in_message *in);
enum aw_err aw_contact_admits(const struct aw_state *state, const struct aw_in_opt_out *in);
/* For outcomes and views. */
struct aw_contact aw_contact_of(const struct aw_state *state, uint32_t ticket);
/* Rebuilds the index. */
void aw_contact_load_all(struct aw_state *state);

/* --- channels (channel.c) --------------------------------------------------------------------------------------------------- */

/* Its number, a new one if need be and fewer than `max` are given; 0: it has none. */
uint32_t aw_channel_note(struct aw_state *state, struct aw_slice name, uint32_t max);
/* Tickets of this channel, not 0, wait in queues of their own from now on. */
void aw_channel_shelve(struct aw_state *state, uint32_t channel);
/* The channel of its newest message. Between edit and done. */
void aw_channel_set(struct aw_state *state, struct aw_ticket_row *ticket, uint32_t channel);
static inline uint32_t
aw_ticket_shelf(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    return (state->shelves >> ticket->channel & 1) != 0 ? ticket->channel : 0;
}
/* Rebuilds what is derived from the rows. */
void aw_channel_load_all(struct aw_state *state);

/* --- what customers are told (promise.c) ------------------------------------------------------------------------------------ */

/* AW_OK, BAD_VALUE, NOT_FOUND. */
enum aw_err aw_forecast_admits(const struct aw_state *state, const struct aw_in_forecast *in);
/* Of a ticket between edit and done, which is opened or opened again, and has its lane and class: what is told there now, if
 * anything; not to who wants to hear nothing (`is_told` false). */
void aw_promise_make(const struct aw_state *state, struct aw_ticket_row *ticket, bool is_told);
/* A part of `from` becomes a ticket of its own: its customer was told the same. */
void aw_promise_share(struct aw_ticket_row *ticket, const struct aw_ticket_row *from);
/* As told last, made_at up to a minute after that was (its row counts minutes); made_at 0: nothing was. */
struct aw_promise aw_promise_of(const struct aw_ticket_row *ticket);
/* It was promised something, nobody took it, and that did not move within AW_PROMISE_MOVES_MS; after 45 days, of which its row
 * counts no minutes, nothing moves. */
bool aw_promise_may_move(const struct aw_state *state, const struct aw_ticket_row *ticket);
/* Somebody takes it, or it is answered: notes when, and counts whether that is within what was told. The first time counts. */
void aw_promise_judge(struct aw_state *state, struct aw_ticket_row *ticket);
/* It waits, and its customer was told that it takes longer than was promised. */
static inline bool
aw_promise_is_breaking(const struct aw_ticket_row *ticket)
{
    return ticket->moved_min != 0 && ticket->taken_s == 0 && aw_ticket_is_open(ticket);
}

/* --- a ticket's life (ticket.c) ------------------------------------------------------------------------------------------- */

/* A ticket's row is changed only between edit and done: edit takes it out of the counts, done puts it back and sets its timer. */
struct aw_ticket_row *aw_ticket_edit(struct aw_state *state, uint32_t slot);
void                  aw_ticket_done(struct aw_state *state, uint32_t slot);
/* The allowed next states; asserts. */
void aw_ticket_move(struct aw_ticket_row *ticket, enum aw_ticket_state next);
/* The class that a departure gives at `now` to a ticket that has class `class_`. */
enum aw_class aw_class_by_clock(const struct aw_core_settings *settings, enum aw_class class_, aw_ms departs_at, aw_ms now);
/* Whether by `now` it had come so near that the ticket was imminent, at least had it waited: who was that near to one is no
 * ordinary question again when it is missed. This follows from times alone, not from what the ticket once was, so that an undo
 * leaves no trace. */
bool aw_departure_was_near(const struct aw_core_settings *settings, aw_ms departs_at, aw_ms said_at, aw_ms now);
/* Whether a departure can still be made: there is time to handle it. */
bool aw_departure_can_be_made(const struct aw_core_settings *settings, aw_ms departs_at, aw_ms now);
/* The ticket that `in` names, when it is there in the version that it asks for. AW_OK, AW_E_NOT_FOUND, AW_E_PRECONDITION. */
enum aw_err aw_ticket_find(const struct aw_state *state, const struct aw_in_ticket *in);
/* What the command's ticket, `row`, is or would be. */
void aw_ticket_fill_out(const struct aw_state *state, struct aw_command *command, const struct aw_ticket_row *row);
/* The class of a ticket of which this is told, and nothing by a person. */
enum aw_class aw_ticket_class_told(const struct aw_state *state, const struct aw_told *told, aw_ms *ret_departs_at);
/* Its messages say so: less urgent again it is only by a person's word. */
void aw_ticket_say(struct aw_ticket_row *ticket, enum aw_class class_);
/* Whether class, departure or what is closing are others by now than those in its row, or its entry in a queue is outdated.
 * *ret_presses: by now it is imminent or care, or closing. */
bool aw_ticket_has_changed(const struct aw_state *state, uint32_t slot, bool *ret_presses);
/* Its entry in a queue tells something that is not so any more: makes its TIMER due, which gives it a new one. Between edit and
 * done; it waits. */
void aw_ticket_outdate(struct aw_ticket_row *ticket);
/* Brings class and departure up to date. Between edit and done. */
void aw_ticket_refresh(const struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket);
/* Sets its timer anew: something that it follows from has changed. */
void aw_ticket_rearm(struct aw_state *state, uint32_t slot);
/* Whether the lanes that help it do so by what its lane no longer says. */
bool aw_ticket_has_void_helpers(const struct aw_state *state, const struct aw_ticket_row *ticket);
/* Whether its customer is to be asked now whether he still waits. */
bool aw_ticket_ask_is_due(const struct aw_state *state, const struct aw_ticket_row *ticket);
/* How many of its lane's helping lanes help. */
uint32_t aw_ticket_helpers(const struct aw_state *state, const struct aw_ticket_row *ticket);
/* How many of them should by now. */
uint32_t aw_ticket_helpers_due(const struct aw_state *state, const struct aw_ticket_row *ticket);
/* These help from now on; the event tells of the new ones. Between edit and done. */
void aw_ticket_help(const struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, struct aw_event *ret_event);
/* Who helps it, and who may not have it; for outcomes and views. */
void aw_ticket_fill_help(const struct aw_state *state, uint32_t slot, struct aw_ticket_help *ret_help);
/* Whether it waits in this lane: its own, or one that helps. */
bool aw_ticket_waits_in(const struct aw_state *state, const struct aw_ticket_row *ticket, uint32_t lane);
/* (Back) to its queue under a new version, with its class by the clock and without helpers: those come by its TIMER, which waits
 * until there is room for them. Between edit and done. */
void aw_ticket_queue(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, struct aw_event *ret_event);
/* Out of its queue under a new version. */
void aw_ticket_hide(struct aw_ticket_row *ticket, uint32_t slot, struct aw_event *ret_event);
/* It is not to be answered any more: closes it, whoever holds it, for this command. Between edit and done. */
void aw_ticket_end(struct aw_state *state, struct aw_command *command, uint32_t slot, struct aw_ticket_row *ticket);
/* Into and out of the list of closed ones; between edit and done. What becomes of a word to the customer is the caller's to say. */
void aw_ticket_close(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket);
void aw_ticket_unclose(struct aw_state *state, struct aw_ticket_row *ticket);
/* Refuses what names no running lease of this agent. True: it goes on; the outcome is filled with what is there now. */
bool aw_lease_is_held(const struct aw_state *state, struct aw_command *command);
/* Then, of what ends a lease: refuses it (true) while there are messages that the holder was not given. They count as given from
 * now on, as the answer brings them. */
bool aw_lease_has_news(struct aw_state *state, struct aw_command *command);
/* Then: the record, and the ticket's row to change, until done: that fills the outcome from what is now, `seen_seq` and the lease
 * being those from before. */
struct aw_ticket_row *aw_lease_begin(struct aw_state *state, struct aw_command *command);
void                  aw_lease_done(struct aw_state *state, struct aw_command *command);
/* Ends the lease of a LEASED ticket, by a command of this kind; the caller moves the ticket on. Between edit and done. */
void aw_lease_end(struct aw_state *state, struct aw_ticket_row *ticket, enum aw_command_kind kind, uint64_t op_hash);
/* Rebuilds counts and timers from the rows. */
void aw_ticket_load_all(struct aw_state *state);
/* Sets every timer anew: the settings that they follow from have changed. */
void aw_ticket_rearm_all(struct aw_state *state);
/* The same in pieces, by aw_state_rearm: a lane's helpers have changed. */
void aw_ticket_rearm_slowly(struct aw_state *state);

#endif
