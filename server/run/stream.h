/* stream.h - one stream of an agent: what its files share (api_stream.c: how it goes on; stream_tell.c: what it tells).
 *
 * Who owns: the request owns the memory; `work` is reset with each turn. Thread: io. Private to these files.
 */
#ifndef AW_RUN_STREAM_H
#define AW_RUN_STREAM_H

#include "run/feed.h"
#include "run/io.h"
#include "run/pull.h"
#include "run/stream_request.h"

/* Leases that a stream tells of: the agent's oldest. One that holds more sees the others by GET /v1/leases, and here when its turn
 * comes. */
#define AW_STREAM_KNOWN_MAX AW_STREAM_UNITS_MAX
/* Told, or asked for, in one turn: what a turn needs of memory stays small. */
#define AW_STREAM_TURN_MAX 16U
/* What can't be had just now - a table is full, the lanes are shut, no room in the store - is tried again after this. */
#define AW_STREAM_REST_NS AW_NS_PER_S

enum aw_stream_step {
    AW_STREAM_NOTHING,
    AW_STREAM_LOOK,
    AW_STREAM_READ_LEASES,
    AW_STREAM_SEE,
    AW_STREAM_READ_MESSAGES,
    AW_STREAM_LEASE,
    AW_STREAM_PARK
};
enum aw_stream_end { AW_STREAM_GOES_ON, AW_STREAM_DRAINING, AW_STREAM_REPLACED, AW_STREAM_FAILED };

/* A lease that the client was told of. */
struct aw_stream_known {
    struct aw_lease_id    lease;
    struct aw_ticket_id   ticket;
    uint64_t              told_seq;  /* the newest of its messages that was told */
    bool                  is_behind; /* a message counts as unseen */
    uint32_t              withdrawn; /* of its messages */
    bool                  is_poorer; /* by one more than was told */
    bool                  is_moved;  /* its incident is another one than was told */
    struct aw_incident_id incident;  /* that its ticket is part of; seq 0: none */
    aw_ms                 expires_at;
    aw_ms                 ending_for; /* the end for which `ending` was told; 0: none */
};

/* A lease that this stream was granted, until its event has left. */
struct aw_stream_own {
    struct aw_lease_id lease;
    uint64_t end; /* of its event, as aw_feed_left counts; AW_STREAM_WRITTEN: it is in this turn's; 0: there is none so far */
};
#define AW_STREAM_WRITTEN UINT64_MAX

struct aw_stream {
    struct aw_pull           pull;
    struct aw_query          query; /* what it asks about its leases */
    struct aw_stream_request want;
    struct aw_arena          work; /* for a turn */
    struct aw_feed           feed;
    struct aw_buffer         out; /* events of this turn */
    enum aw_stream_step      step;
    enum aw_stream_end       end;
    enum aw_err              failure;
    bool                     has_begun; /* the head was sent */
    bool                     has_ended; /* the last event was */
    bool                     is_open;   /* it is counted */
    bool                     must_look;
    bool                     may_take; /* there may be something since it looked last */
    aw_ns                    rest_until;
    uint64_t                 more_above; /* fence of the last lease that `held` shows, when there are more; else 0 */
    enum aw_presence         presence;   /* that the client was told; READY at first */
    struct aw_stream_look    found;
    struct aw_stream_known  *known; /* room for known_room, in order of their telling */
    uint32_t                 known_count;
    uint32_t                 known_room;
    struct aw_stream_own    *own; /* room for want.units */
    uint32_t                 own_count;
};

static inline struct aw_io *
aw_stream_io(const struct aw_stream *stream)
{
    return stream->pull.call.io;
}

/* It asks for nothing for a while. */
static inline void
aw_stream_rest(struct aw_stream *stream)
{
    stream->rest_until = aw_stream_io(stream)->now + AW_STREAM_REST_NS;
}

/* --- api_stream.c */
/* Nothing is out. The next thing to do; until the client has read what waits, none. */
void aw_stream_go_on(struct aw_stream *stream);

/* --- stream_tell.c */
/* Looks what the agent holds, in memory of the turn. */
void aw_stream_ask(struct aw_stream *stream);
/* What is out is back: goes on with it. */
void aw_stream_looked(struct aw_stream *stream);
void aw_stream_seen(struct aw_stream *stream);
/* The messages were read. */
void aw_stream_tell_leases(struct aw_stream *stream);
void aw_stream_tell_messages(struct aw_stream *stream);
/* Nothing else writes into the turn's memory just now: nothing is out, or the stream is parked. */
void  aw_stream_tell_endings(struct aw_stream *stream);
aw_ms aw_stream_ending_at(const struct aw_stream *stream, const struct aw_stream_known *known);
/* One event of this turn, into `out`; its data is written in between. */
void aw_stream_begin_event(struct aw_stream *stream, struct aw_writer *writer, struct aw_slice name);
void aw_stream_end_event(struct aw_stream *stream, struct aw_writer *writer);
/* Sends what the turn has brought. */
void aw_stream_send(struct aw_stream *stream);
/* Leases whose event has left are the client's. */
void aw_stream_forget_told(struct aw_stream *stream);
/* Why it ends, unless it ends already; and drops what the turn has brought. */
void aw_stream_fail(struct aw_stream *stream, enum aw_err err);
void aw_stream_end_in_failure(struct aw_stream *stream, enum aw_err err);

#endif
