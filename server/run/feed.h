/* feed.h - an answer that goes on: events, while the client reads them.
 *
 * Server-sent events (WHATWG HTML, "Server-sent events"), or a MessagePack sequence of maps {event, id, data}; `data` is the same
 * in both. An event is written whole into a buffer and sent; what the stream's own buffer does not take at once waits in the
 * caller's memory. Then the caller's on_room is called (call.h) when all that was taken has left, it calls aw_feed_go_on, and until
 * nothing waits it sends nothing more. A client that does not read is reset by the http layer in time.
 *
 * Who owns: the caller; bytes that wait are borrowed. Thread: io. Fails: never; bytes for a request that is gone are dropped.
 */
#ifndef AW_RUN_FEED_H
#define AW_RUN_FEED_H

#include "proto/writer.h"
#include "run/call.h"

struct aw_feed {
    struct aw_call *call; /* borrows */
    enum aw_media   media;
    struct aw_slice waiting;    /* borrows: not taken by the stream's buffer yet */
    uint64_t        sent;       /* bytes given to aw_feed_send, with those that wait */
    aw_ns           comment_at; /* the next one is due */
};

/* Which encoding the client wants: text/event-stream unless it asks for the other. False: answered 406. */
AW_MUST_USE bool aw_feed_negotiate(struct aw_call *call, enum aw_media *ret_media);
/* Sends the head, status 200. HEAD: that is all, and the call is answered: false. False also when the client is gone: on_gone
 * comes, or has come. */
AW_MUST_USE bool aw_feed_begin(struct aw_feed *feed, struct aw_call *call, enum aw_media media);

/* Begins an event: then one value, its data, is to be written with `writer`, and the event ended. `name`: a literal. */
void aw_feed_begin_event(const struct aw_feed *feed, struct aw_writer *writer, struct aw_buffer *buffer, struct aw_slice name,
                         uint64_t id);
void aw_feed_end_event(const struct aw_feed *feed, struct aw_writer *writer, struct aw_buffer *buffer);

/* Whole events, one or more. Nothing may wait. True: all was taken. False: some waits, and `bytes` must stay where they are. */
bool aw_feed_send(struct aw_feed *feed, struct aw_slice bytes);
/* From on_room. True: nothing waits any more. */
bool aw_feed_go_on(struct aw_feed *feed);
bool aw_feed_is_waiting(const struct aw_feed *feed);
/* Sends a comment if it is time (setting event-comment-s) and the client has read what came before. */
void aw_feed_comment(struct aw_feed *feed);
/* Of the bytes sent so far, those that have left for the connection. Also when the request is gone. */
uint64_t aw_feed_left(const struct aw_feed *feed);
/* Ends the answer after what was taken. Nothing may wait. The call is over but for on_sent. */
void aw_feed_end(struct aw_feed *feed);

#endif
