/* reader.h - a few threads that read what lies on disk, so that a cold page never stalls an event loop.
 *
 * An io thread fills a read and pushes it; a reader walks the journal in one short snapshot, writes what it found into the
 * memory that the read brought along, and gives it back by the io thread's mailbox. Between the two the io thread must not touch
 * it. When the memory is too small the read comes back with `need` above `room` and nothing else filled: the io thread brings more.
 * A long walk or list of receipts comes back unfinished, and is pushed again as it is: so no read keeps a reader from the others
 * for long.
 *
 * Who owns: the io thread owns reads and their memory; a pool owns its threads. Thread: named at each call. Fails: AW_E_NOT_FOUND,
 * AW_E_CORRUPT, AW_E_IO in the item concerned.
 */
#ifndef AW_RUN_READER_H
#define AW_RUN_READER_H

#include "base/arena.h"
#include "base/ring.h"
#include "base/wake.h"
#include "core/told.h"
#include "model/answer.h"
#include "model/command.h"
#include "port/journal.h"

enum aw_read_kind {
    AW_READ_THREAD,  /* the messages of a ticket, newest record first to last */
    AW_READ_RECEIPT, /* what was answered to the message `last_seq` */
    AW_READ_ENDING,  /* how the lease `fence` ended */
    AW_READ_NOTE,    /* what the note `last_seq` says */
    AW_READ_ADDRESS, /* where a reply to the message `last_seq` goes, and what the server itself may say in one */
    AW_READ_REPLY,   /* the reply `last_seq`, and where it goes */
    AW_READ_TOLD,    /* what some messages of a ticket tell, and what the others do (core/told.h) */
    AW_READ_EVENTS,  /* the journal from a record on, as events (read_events.h) */
    AW_READ_HISTORY, /* what happened to a ticket (read_history.h) */
    AW_READ_ERASE,   /* which texts are a customer's (read_erase.h) */
};

struct aw_events_read;
struct aw_history_read;
struct aw_erase_look;

#define AW_RELATED_MAX 8U
/* More than any thread that people read: a TOLD goes through all of it in one turn of a reader. */
#define AW_TOLD_RECORDS_MAX 8192U

/* One thing to be found. */
struct aw_read_item {
    enum aw_read_kind kind;
    uint64_t          last_seq;   /* where the ticket's chain of records begins (its newest); RECEIPT: the message */
    uint64_t          ticket_seq; /* THREAD, TOLD, ADDRESS: of the ticket's id; 0: of no ticket, a record alone */
    uint64_t
        chain_seq; /* ADDRESS: the newest record of that ticket, 0: unknown. When what the message says is gone, another one by its
                         * customer tells his address */
    uint64_t             above_seq;    /* THREAD: only messages newer than this; 0: all */
    uint32_t             messages_max; /* THREAD: the newest so many */
    bool                 is_open;      /* THREAD: of an open ticket, whose records are there: what is missing is damage */
    uint64_t             fence;        /* ADDRESS, REPLY. AW_E_NOT_FOUND when the record is no message, or no reply */
    struct aw_slice      channel;
    struct aw_slice      account;
    struct aw_slice      customer;
    struct aw_slice      source_id;
    struct aw_slice      name;    /* ADDRESS: of the customer, as the gateway said; empty: not known */
    struct aw_slice      flights; /* ADDRESS: MessagePack list as it was posted */
    struct aw_slice      agent;   /* REPLY: who wrote it */
    struct aw_slice      body;    /* REPLY, NOTE: MessagePack map of the posted fields; empty when erased */
    uint8_t              visibility;
    uint8_t              addressed; /* ADDRESS */
    aw_ms                written_at;
    struct aw_message_id to;
    struct aw_ticket_id  to_ticket; /* as its record names it */
    /* ENDING: the record that granted the lease */
    uint64_t    resume_seq; /* ENDING: where an unfinished walk goes on; 0 at first */
    enum aw_err err;
    /* THREAD. A message that is damaged is marked; so is the first one behind which nothing can be read, and that ends the thread:
     * damage is no error, or who is given the ticket would be given nothing, again and again */
    struct aw_stored_message *messages; /* oldest first */
    uint32_t                  message_count;
    struct aw_stored_note    *notes; /* among them: the newest AW_NOTES_SHOWN_MAX, or AW_NOTES_BYTES_MAX; oldest first */
    uint32_t                  note_count;
    struct aw_stored_note    *replies; /* by agents, as notes; `body` is the stored one */
    uint32_t                  reply_count;
    struct aw_slice          *reasons; /* why the class, of the messages that were read, newest words last; no word twice */
    uint32_t                  reason_count;
    struct aw_ticket_id
             related[AW_RELATED_MAX]; /* tickets that its messages matched too, or were taken from or into; newest first */
    uint32_t related_count;
    /* TOLD: AW_E_NOT_FOUND when one of `wanted` is no message of this ticket: which one, `missing` says; `wanted_count` when
     * nothing of the ticket is left. AW_E_BAD_VALUE when the ticket has more than AW_TOLD_RECORDS_MAX records. `taken` and `left`
     * are complete (aw_telling_end) */
    const struct aw_core_settings *settings;
    const uint64_t                *wanted; /* records, ascending */
    uint32_t                       wanted_count;
    uint32_t                       missing;
    struct aw_telling             *taken;
    struct aw_telling             *left;
    /* EVENTS */
    struct aw_events_read *events;
    /* HISTORY */
    struct aw_history_read *history;
    /* ERASE */
    struct aw_erase_look *erase;
    /* RECEIPT */
    struct aw_receipt receipt; /* lane is left empty: `lane` names it. No reasons, when the text is gone */
    uint32_t          lane;
    bool              lane_unknown;
    struct aw_sha256  body_hash; /* of what was posted, if posted_hash is 0 */
    uint64_t          posted_hash;
    /* ENDING: the record that ended it; kind 0 when none did */
    unsigned            ended_kind;
    uint64_t            ended_seq;
    uint64_t            ended_op_hash;
    aw_ms               ended_at;
    enum aw_class       ended_class; /* TRANSFER, DEFER: what was answered */
    uint32_t            ended_lane;
    aw_ms               ended_kept_until;
    aw_ms               ended_held_until;
    struct aw_ticket_id ticket; /* of that lease, also when it ended long ago */
};

struct aw_read {
    uint32_t             io;
    uint8_t              shard; /* in the ids of what can't be read */
    void                *owner; /* the io thread's own */
    struct aw_read_item *items;
    uint32_t             count;
    char                *memory; /* for what the items point to */
    size_t               room;
    size_t               need;
    bool                 is_unfinished; /* comes back to be pushed again */
    uint32_t             _next;         /* then: the item that it goes on at, and the memory that those before it have */
    size_t               _used;
    size_t               bytes_max; /* of message bodies a THREAD item may hold; the oldest are left out */
};

struct aw_readers;

struct aw_readers_config {
    struct aw_journal *journal;
    uint32_t           threads;
    uint32_t           io_count;
    uint32_t           mailbox_slots; /* a power of two: reads that one io thread may have out */
};

AW_MUST_USE enum aw_err aw_readers_start(struct aw_readers **ret_readers, const struct aw_readers_config *config,
                                         struct aw_why *why);
/* All reads must have come back. Takes the address, accepts NULL, leaves NULL. */
void aw_readers_stop(struct aw_readers **readers);
/* Before the io threads run: who is roused when a read comes back. */
void aw_readers_join(struct aw_readers *readers, uint32_t io, struct aw_wake *io_wake);
/* Gives the read away. Never fails: the mailbox has room for all that may be out. Thread: io thread read->io. */
void aw_readers_push(struct aw_readers *readers, struct aw_read *read);
/* A read that came back; NULL: none. Thread: io thread `io`. */
struct aw_read *aw_readers_pop(struct aw_readers *readers, uint32_t io);

/* Whether a pop would give something. Thread: io thread `io`. */
bool aw_readers_has_back(struct aw_readers *readers, uint32_t io);

/* What a reader does with one read, in a snapshot that is open: for tests and tools, which have no pool. */
void aw_read_carry_out(struct aw_read *read, struct aw_journal_reader *reader, struct aw_arena *scratch);

#endif
