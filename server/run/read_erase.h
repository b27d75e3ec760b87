/* read_erase.h - which texts are a customer's: those that he wrote, and what colleagues wrote in the tickets that he wrote in.
 *
 * Two walks over all records, in pieces (read_walk.h): the first finds his messages by the hash of channel and customer, and with
 * them his tickets; the second the texts in these. A message that was unfolded belongs to the ticket that it was moved to. When
 * none of its messages' records is there any more, a ticket is his by what a colleague wrote in it, which says whose it was then,
 * unless his messages were moved away since; and when it was closed for good for him, by that record. What was kept of a trimmed
 * journal does not tell so: his messages were kept with it, and that they were moved away may be trimmed.
 *
 * What can't be read is passed over, and told. Who owns: the caller, from init to fini. Thread: one at a time. Fails: AW_E_AGAIN,
 * there is more to do; AW_E_IO, AW_E_MEMORY.
 */
#ifndef AW_RUN_READ_ERASE_H
#define AW_RUN_READ_ERASE_H

#include "run/read_walk.h"

/* What is asked for by one ERASE, or by a look before. */
struct aw_erase_wish {
    struct aw_hash128 customer;
    uint64_t          through; /* what he wrote, and what was written to him, up to here */
};
/* A ticket that he wrote in; the largest of all wishes. */
struct aw_erase_ticket {
    struct aw_ticket_id id;
    uint64_t            through;
    uint64_t            seq;      /* other texts than messages: also those up to the record that closed it, when there is one */
    uint32_t            messages; /* found in it by the look, his and others', also behind `through` */
};
/* That a message belongs to a ticket, by this record. */
struct aw_erase_place {
    uint64_t            message;
    uint64_t            by;
    struct aw_ticket_id ticket;
    uint64_t            through; /* 0: it was moved there, whoever wrote it; else it is his, and what was wished */
};
/* That a ticket was his when a colleague wrote something in it. */
struct aw_erase_mention {
    struct aw_ticket_id ticket;
    uint64_t            address;
    uint64_t            through; /* what was wished */
};
/* That a ticket was closed for good by this record. */
struct aw_erase_end {
    struct aw_ticket_id ticket;
    uint64_t            seq;
    uint64_t            through; /* it was closed for him, and what was wished; 0: for somebody else */
};

struct aw_erase_look {
    const struct aw_erase_wish *wishes; /* borrows */
    uint32_t                    wish_count;
    bool                        counts; /* the texts that are there, by kind; else their numbers are collected */
    /* Found. */
    struct aw_erase_ticket *tickets; /* owns: ascending by the id's seq, each once */
    size_t                  ticket_count;
    uint64_t               *seqs; /* owns */
    size_t                  seq_count;
    uint64_t                messages, replies, notes;
    bool                    has_gaps; /* something was damaged: there may be more of his */
    /* The look under way. */
    struct aw_walk           _walk;
    bool                     _is_second;
    struct aw_erase_place   *_places; /* owns */
    size_t                   _place_count;
    struct aw_erase_mention *_mentions; /* owns */
    size_t                   _mention_count, _mention_room;
    struct aw_erase_end     *_ends; /* owns */
    size_t                   _end_count;
};

/* Records up to `until` are looked at. The wishes stay where they are until fini. */
void aw_erase_look_init(struct aw_erase_look *look, const struct aw_erase_wish *wishes, uint32_t count, uint64_t until,
                        bool counts);
void aw_erase_look_fini(struct aw_erase_look *look);
/* So many records, in a snapshot that the reader has just begun. AW_OK: it is through. */
AW_MUST_USE enum aw_err aw_erase_look_step(struct aw_erase_look *look, struct aw_journal_reader *reader, struct aw_arena *scratch,
                                           uint32_t records);

#endif
