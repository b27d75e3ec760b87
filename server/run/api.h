/* api.h - from requests to calls: routes and their handlers (design: section 8).
 *
 * Each api_*.c holds the calls of one resource. Handlers run on the io thread, answer exactly once (call.h), and see only what is
 * durable. Thread: io. Owns nothing.
 */
#ifndef AW_RUN_API_H
#define AW_RUN_API_H

#include "http/edge.h"
#include "proto/events.h"
#include "proto/problem.h"
#include "run/access.h"
#include "run/call.h"

struct aw_io;

struct aw_handlers aw_api_handlers(struct aw_io *io);
/* Ends all long polls and streams: the server drains. */
void aw_api_drain(struct aw_io *io);
/* Whether the submission was a watch for streams of events (or its cancel), which no call owns. */
bool aw_api_events_back(struct aw_io *io, struct aw_submission *submission);
/* The streams have ended: nobody watches any more. */
void aw_api_events_drain(struct aw_io *io);

/* One handler a path and method. `id` is the path's variable part, borrowed from the request. */
typedef void aw_api_handler(struct aw_io *io, struct aw_request *request, struct aw_slice id);

/* A method of a path, and who may (access.h). */
struct aw_api_route {
    enum aw_method  method;
    struct aw_slice before; /* the path, or what stands before its variable part */
    struct aw_slice after;  /* what stands behind it */
    unsigned        ids;    /* parts between slashes in it: 0 to 2 */
    unsigned        roles;  /* AW_ROUTE_...; never 0 */
    aw_api_handler *handler;
};
/* All of them. Static. */
const struct aw_api_route *aw_api_routes(size_t *ret_count);

/* api_messages.c; step reads some of the posts that wait for their turn */
void           aw_api_posts_step(struct aw_io *io);
aw_api_handler aw_api_post_messages;
aw_api_handler aw_api_get_message;
aw_api_handler aw_api_pull;   /* api_pull.c */
aw_api_handler aw_api_held;   /* api_held.c */
aw_api_handler aw_api_stream; /* api_stream.c */
aw_api_handler aw_api_extend; /* api_leases.c */
aw_api_handler aw_api_complete;
aw_api_handler aw_api_release;
aw_api_handler aw_api_decline;
aw_api_handler aw_api_transfer;
aw_api_handler aw_api_defer;
aw_api_handler aw_api_withdraw;
aw_api_handler aw_api_list_commitments;
aw_api_handler aw_api_erase;   /* api_erase.c */
aw_api_handler aw_api_opt_out; /* api_contacts.c */
aw_api_handler aw_api_opt_in;
aw_api_handler aw_api_get_contact;
aw_api_handler aw_api_reply;
aw_api_handler aw_api_extend_many;
aw_api_handler aw_api_complete_many;
aw_api_handler aw_api_find_tickets; /* api_search.c */
aw_api_handler aw_api_bulk;         /* api_bulk.c */
aw_api_handler aw_api_get_ticket;   /* api_tickets.c */
aw_api_handler aw_api_why;
aw_api_handler aw_api_patch_ticket;
aw_api_handler aw_api_cancel_ticket;
aw_api_handler aw_api_unfold_ticket;
aw_api_handler aw_api_note_ticket;
aw_api_handler aw_api_take_replies; /* api_replies.c */
aw_api_handler aw_api_get_reply;
aw_api_handler aw_api_report_reply;
aw_api_handler aw_api_redrive;
aw_api_handler aw_api_list_replies; /* api_approve.c */
aw_api_handler aw_api_approve_reply;
aw_api_handler aw_api_refuse_reply;
aw_api_handler aw_api_get_channel; /* api_channels.c */
aw_api_handler aw_api_put_channel;
aw_api_handler aw_api_get_template; /* api_templates.c */
aw_api_handler aw_api_put_template;
aw_api_handler aw_api_get_surge; /* api_surge.c */
aw_api_handler aw_api_put_surge;
aw_api_handler aw_api_list_lanes; /* api_lanes.c */
aw_api_handler aw_api_get_lane;
aw_api_handler aw_api_put_lane;
aw_api_handler aw_api_list_agents; /* api_agents.c */
aw_api_handler aw_api_get_agent;
aw_api_handler aw_api_put_agent;
aw_api_handler aw_api_put_presence;
aw_api_handler aw_api_list_flights; /* api_flights.c */
aw_api_handler aw_api_post_flights;
aw_api_handler aw_api_get_flight; /* of these two the id is number/date */
aw_api_handler aw_api_put_flight;
aw_api_handler aw_api_list_airports;
aw_api_handler aw_api_get_airport;
aw_api_handler aw_api_put_airport;
aw_api_handler aw_api_undo;
aw_api_handler aw_api_list_incidents; /* api_incidents.c */
aw_api_handler aw_api_post_incident;
aw_api_handler aw_api_get_incident;
aw_api_handler aw_api_patch_incident;
aw_api_handler aw_api_answer_incident; /* api_incident_answer.c */
aw_api_handler aw_api_link_incident;
aw_api_handler aw_api_unlink_incident;
aw_api_handler aw_api_response_time; /* api_response_time.c */
aw_api_handler aw_api_response_time_svg;
aw_api_handler aw_api_check_reply; /* api_check.c */
aw_api_handler aw_api_events;      /* api_events.c */
aw_api_handler aw_api_history;     /* api_history.c */
aw_api_handler aw_api_healthz;     /* api_health.c */
aw_api_handler aw_api_readyz;
aw_api_handler aw_api_metrics;
aw_api_handler aw_api_agent_day; /* api_stats.c */
aw_api_handler aw_api_stats;
aw_api_handler aw_api_openapi;
aw_api_handler aw_api_index;
aw_api_handler aw_api_whoami; /* api_whoami.c */

/* --- what several handlers need (api.c) */

/* Answers 400 or 413: what decoding the body found wrong. */
void aw_api_refuse_body(struct aw_call *call, const struct aw_proto_problem *problem);
/* Answers 400: a field whose value is not allowed. The words are static. */
void aw_api_refuse_field(struct aw_call *call, const char *field, const char *detail);
/* The agent, gateway or person who asks: whom the token names, with a desk's or without one whom the request names. Borrows until
 * the request is over. False: answered 400, 401 or 403. */
AW_MUST_USE bool aw_api_agent(struct aw_call *call, struct aw_slice *ret_agent);
/* The request's Idempotency-Key, hashed with who sends it and what: what `once` of a command is for. All zero when there is none.
 * `who`: the agent. False: answered 400. */
AW_MUST_USE bool aw_api_once(struct aw_call *call, struct aw_slice who, struct aw_once *ret_once);
/* The numbers of the lanes of these names, ascending and each once; in the arena. None: NULL. False: answered 404 or 503. */
AW_MUST_USE bool aw_api_find_lanes(struct aw_call *call, const struct aw_slice *names, uint32_t count, const uint32_t **ret_lanes,
                                   uint32_t *ret_count);
/* Answers with the surge in `view`: as it is, as it would be when undone with `dry_run`, or changed (`change` of it, else NULL). */
void aw_api_answer_surge(struct aw_call *call, enum aw_media media, const struct aw_surge_view *view,
                         const struct aw_out_change *change);
/* Whether a text can be an agent's name. */
bool aw_api_is_agent(struct aw_slice name);
/* The encoding of the body; JSON when there is none. `sequence_ok`: NDJSON and MessagePack sequences too. False: answered 415. */
AW_MUST_USE bool aw_api_media(struct aw_call *call, bool sequence_ok, enum aw_media *ret_media);
/* A read of `count` items with room for `bytes` of results. NULL: no memory (nothing was answered). */
struct aw_read *aw_api_read_new(struct aw_call *call, uint32_t count, size_t bytes);
/* After a read came back: when it is unfinished, or its memory was too small, reads on (true); false: it is complete. *ret_failed
 * when there is no more memory. */
AW_MUST_USE bool aw_api_read_again(struct aw_call *call, struct aw_read *read, bool *ret_failed);
/* Lists go page by page. Where the page that the request asks for begins: behind `after`, 0 for the first one (`?cursor=`, as
 * `next` of the page before). False: answered 400. */
AW_MUST_USE bool aw_api_cursor(struct aw_call *call, uint64_t *ret_after);
/* Adds the query as it came, without its cursor; each part ends with `&`. */
void aw_api_add_query(struct aw_buffer *link, struct aw_slice query);
/* The cursor of the page behind `after`, and the Link field that names it, with what else the request's query holds; in the arena.
 * Empty ones without memory. */
struct aw_slice aw_api_next(struct aw_call *call, uint64_t after, struct aw_header_field *ret_link);
/* "t01..." quoted, for an ETag of version `version`; in the arena. */
struct aw_slice aw_api_etag(struct aw_arena *arena, uint64_t version);
/* What If-Match asks for (RFC 9110 section 13.1.1); in the arena. A weak tag and one that we never gave match nothing. False:
 * answered 400. */
AW_MUST_USE bool aw_api_if_match(struct aw_call *call, struct aw_if_match *ret_if_match);
/* Where events of this server come from. Any thread may use it. */
struct aw_event_source aw_api_event_source(const struct aw_io *io);
/* A note as it is stored; in the arena. False: no memory (nothing was answered). */
AW_MUST_USE bool aw_api_note(struct aw_call *call, struct aw_slice text, struct aw_in_body *ret_body);
/* Whether the token is for a lane in which the ticket lies, or lay until it was transferred, or the agent holds it. False: answered
 * 403 (api_tickets.c). */
AW_MUST_USE bool aw_api_may_see(struct aw_call *call, const struct aw_ticket_view *view);
/* What became of a command that names a ticket, and why nothing did; texts are static or the state's names (api_tickets.c). */
struct aw_done_answer aw_api_ticket_done(const struct aw_command *command);
struct aw_problem     aw_api_ticket_problem(const struct aw_command *command, enum aw_err err);
/* Replies as far as their rows tell (api_replies.c). */
void aw_api_reply_answers(const struct aw_reply_view *views, uint32_t count, struct aw_reply_answer *ret_answers);
/* How what a reply is called on its channel is known to the state machine (api_messages.c). */
struct aw_hash128 aw_api_provider_hash(const struct aw_hash_key *key, struct aw_slice channel, struct aw_slice account,
                                       struct aw_slice id);
/* How a customer is known to the state machine (api_messages.c). */
struct aw_hash128 aw_api_customer_hash(const struct aw_hash_key *key, struct aw_slice channel, struct aw_slice account,
                                       struct aw_slice customer);
/* The same of who only talked about us: on all accounts of the channel. */
struct aw_hash128 aw_api_contact_hash(const struct aw_hash_key *key, struct aw_slice channel, struct aw_slice customer);
/* How a message is known to it (api_messages.c). */
struct aw_hash128 aw_api_source_hash(const struct aw_hash_key *key, struct aw_slice channel, struct aw_slice account,
                                     struct aw_slice source_id);
/* How a flight is known to the state machine; never 0 (api_messages.c). */
/* Of a booking's code, which has no case. */
uint64_t aw_api_booking_hash(const struct aw_hash_key *key, struct aw_slice code);
uint64_t aw_api_flight_hash(const struct aw_hash_key *key, struct aw_slice number, uint32_t date_days);

#endif
