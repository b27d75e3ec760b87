/* read_history.h - what happened to one ticket, oldest first, a page at a time: the body of an answer.
 *
 * Carried out by a reader (reader.h: AW_READ_HISTORY). Of a ticket that the state knows, its chain of records is followed down
 * from the newest; of one that is forgotten, the journal is looked through from its first record on, until the ticket can't have
 * gone on. Both in turns: the read comes back unfinished, and is pushed again. Who owns: as of all reads. Fails: AW_E_NOT_FOUND (a
 * forgotten ticket of which the journal has no beginning, or never had), AW_E_CORRUPT, AW_E_IO, AW_E_MEMORY.
 */
#ifndef AW_RUN_READ_HISTORY_H
#define AW_RUN_READ_HISTORY_H

#include "proto/events.h"
#include "run/read_find.h"

#define AW_HISTORY_PAGE_MAX 100U

struct aw_history_read {
    struct aw_event_source source;
    struct aw_ticket_id    ticket;
    bool                   is_forgotten;
    uint64_t               last_seq;  /* of a known one: its newest record */
    uint64_t               until;     /* of a forgotten one: what is published */
    uint64_t               reopen_ms; /* and how long after its end it can have gone on */
    uint64_t               above;     /* the page begins behind this record; 0: with the first */
    uint32_t               limit;     /* 1 to AW_HISTORY_PAGE_MAX */
    enum aw_media          media;     /* JSON or MSGPACK */
    /* The walk, over its turns. */
    uint64_t at;                            /* 0: it did not begin */
    uint64_t seqs[AW_HISTORY_PAGE_MAX + 1]; /* a ring: what it came to last */
    uint64_t count;                         /* how many it came to */
    uint64_t lost;                          /* this one and what lies before it is gone; 0: nothing is */
    aw_ms    closed_at;
    bool     is_walked;
    /* What was found. */
    struct aw_slice body;
    uint64_t        next; /* the page behind this one begins behind this record; 0: there is none */
};

/* AW_E_AGAIN: to be called again. `need` is set when `room` does not do: nothing else then. */
AW_MUST_USE enum aw_err aw_read_history(struct aw_history_read *history, struct aw_journal_reader *reader,
                                        struct aw_arena *scratch, char *memory, size_t room, size_t *need);

#endif
