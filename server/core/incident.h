/* incident.h - private to core: incidents, sets of tickets that one answer can resolve (design: section 2; ADR 0023).
 *
 *   incident  PROPOSED -> OPEN <-> CLOSED,  PROPOSED -> CLOSED (dismissed)
 *
 * An incident has keys: flights (number and date), airports and bookings. The rules are:
 *   part of    an open ticket is part of one OPEN incident at most, the first that it was linked to. Its row names the incident and
 *              the record that linked it; a link to an incident that is closed, or whose row was given to another since, is none.
 *   linked     by MESSAGE, when what it tells names a key; by INCIDENT_LINK of a person, for any open ticket; and by INCIDENT_LINK
 *              of the server, for tickets that were there before: a round through all tickets, in pieces, after an incident was
 *              made, changed or closed, and after a start. Of several incidents that claim a ticket the one made first has it.
 *              An airport claims who names it, and flights from and to it.
 *   follow     AW_FOLLOW_NOT: only tickets that were opened before the keys were set are linked by them.
 *   taken out  by a person: the server links it to none, whatever it is about, until a person links it again.
 *   leaves     by UNFOLD, when the messages that named a key go: what is left may be claimed by another one.
 *   proposed   when AW_PROPOSE_TICKETS tickets name the same flight, or the same airport by itself, within AW_PROPOSE_MS, and no
 *              incident has that key, be it closed: the airports of flights do not count, as our own would be proposed every
 *              day, and bookings are never proposed, as few people share one. This is noticed beside the state, as messages come
 *              in; what is state is the record that proposes, and that it does so only once. A start forgets most of what was
 *              noticed.
 *   answered   a person is shown the texts, ticket by ticket (aw_incident_try), and approves them by INCIDENT_ANSWER. Then each
 *              ticket that goes is closed with one reply by an INCIDENT_TIMER of its own, found by a round as those to be linked
 *              are; when none is left, one without a ticket ends it. Only a ticket that waits, as it was when it was shown, goes:
 *              one that has any record since, be it a lease that is over, a note or a timer's, is held out, as are all of a
 *              flight that changed since, all when the keys did, and those that the verdicts name. A ticket is answered so
 *              once, be it moved to another incident: who writes again is for a person. When the outbox has only the room that is
 *              kept for people, the rest waits.
 *   memory     AW_INCIDENTS_MAX rows. What is closed longest makes room for a new one, of proposals (AW_INCIDENTS_PROPOSED_MAX)
 *              the one of longest ago; what is open never does.
 *
 * Files: incident.c (rows, links, rounds, proposals), incident_answer.c (verdicts, INCIDENT_ANSWER, INCIDENT_TIMER).
 * Thread: that of the state. Owns nothing: the rows are the state's. Fails: by the errors that state.h names.
 */
#ifndef AW_CORE_INCIDENT_H
#define AW_CORE_INCIDENT_H

#include "core/layout.h"

/* Its slot; 0: there is none. */
uint32_t aw_incident_find(const struct aw_state *state, struct aw_incident_id id);
/* Whether this flight is one of its keys; NULL: it is not. */
const struct aw_incident_key_row *aw_incident_flight_key(const struct aw_state *state, uint32_t incident, uint64_t flight_hash);
/* Whether this booking is. */
bool                              aw_incident_has_booking(const struct aw_state *state, uint32_t incident, uint64_t booking_hash);
const struct aw_incident_key_row *aw_incident_key_at(const struct aw_state *state, uint32_t slot);
/* All tickets are to be looked through for what is due of them. */
void aw_incident_begin_round(struct aw_state *state);
/* What was found of this ticket is under way, or needs nothing. */
void aw_incident_take_found(struct aw_state *state, uint32_t slot);
/* Whether this open ticket is to be answered now (incident_answer.c). */
bool aw_incident_is_to_be_answered(const struct aw_state *state, uint32_t slot);
/* The outcome: what the incident is. */
void aw_incident_fill_out(const struct aw_state *state, struct aw_command *command, uint32_t slot);
/* The incident whose link this ticket has, open or closed; 0: none. */
uint32_t aw_incident_of(const struct aw_state *state, const struct aw_ticket_row *ticket);
/* The same when it is OPEN. */
uint32_t              aw_incident_open_of(const struct aw_state *state, const struct aw_ticket_row *ticket);
struct aw_incident_id aw_incident_id_at(const struct aw_state *state, uint32_t slot);

/* The ticket joins the incident that claims it, if one does and it is part of none, by the record `seq`. Between edit and done. */
void aw_incident_join(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, uint64_t seq);
/* Whether what the ticket is about is a key of the incident that it is linked to. */
bool aw_incident_is_named(const struct aw_state *state, uint32_t slot);
/* The ticket, which is linked, is part of that incident no more: what it was about has left it. Between edit and done. */
void aw_incident_leave(struct aw_state *state, struct aw_ticket_row *ticket);
/* An open ticket is counted (by 1), or is not any more (-1): its count goes by the link that its row has. */
void aw_incident_count(struct aw_state *state, const struct aw_ticket_row *ticket, int by);
/* A ticket names this flight or airport, which it did not before. */
void aw_incident_notice_flight(struct aw_state *state, uint32_t ticket, const struct aw_flight_fact *flight);
void aw_incident_notice_airport(struct aw_state *state, uint32_t ticket, struct aw_airport_code code);

enum aw_err aw_incident_admits(const struct aw_state *state, const struct aw_in_incident *in);
/* What the server has to do about incidents now. Applying it makes progress. False: nothing. */
bool aw_incident_due(const struct aw_state *state, struct aw_command *ret_command);
/* When something is to be done, or looked for; 0: nothing is. */
aw_ms aw_incident_due_at(const struct aw_state *state);
/* Rebuilds what is derived from the rows; before the tickets are counted. */
void aw_incident_load_all(struct aw_state *state);

#endif
