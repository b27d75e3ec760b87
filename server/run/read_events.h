/* read_events.h - a piece of the journal as events, in the bytes that a client is sent.
 *
 * Carried out by a reader (reader.h: AW_READ_EVENTS) and by nobody else; one piece is as much as fits into the memory that the read
 * brought along, or some thousand records. Who owns: as of all reads. Fails: AW_E_IO, AW_E_MEMORY. Records that are not there any
 * more, or damaged, are no failure: in their place a gap is told.
 */
#ifndef AW_RUN_READ_EVENTS_H
#define AW_RUN_READ_EVENTS_H

#include "port/journal.h"
#include "proto/events.h"
#include "proto/media.h"

/* Which events are told: those for which all of it holds. Gaps are told always. */
struct aw_event_filter {
    uint64_t            types;  /* 1 << type each */
    struct aw_ticket_id ticket; /* seq 0: of any, and of none */
    uint32_t            lane;   /* where the ticket is, or came from, or the lane itself; AW_EVENT_LANE_ANY */
};
#define AW_EVENT_LANE_ANY UINT32_MAX

struct aw_events_read {
    struct aw_event_source source;
    struct aw_event_filter filter;
    enum aw_media          media; /* EVENTS, NDJSON or MSGPACK_SEQ */
    uint64_t               from;
    uint64_t               until; /* published: all records up to it are there, or were */
    /* What was found. */
    struct aw_slice bytes;
    uint64_t        next; /* where to go on; above `until` at the end */
    uint32_t        count;
};

/* The least room for the bytes of a piece. */
#define AW_EVENTS_ROOM_MIN (2U * AW_EVENT_BYTES_MAX)

AW_MUST_USE enum aw_err aw_read_events(struct aw_events_read *events, struct aw_journal_reader *reader, struct aw_arena *scratch,
                                       char *memory, size_t room);

#endif
