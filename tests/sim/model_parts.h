/* model_parts.h - private to the model: what its files share. */
#ifndef AW_TESTS_SIM_MODEL_PARTS_H
#define AW_TESTS_SIM_MODEL_PARTS_H

#include "sim/model.h"

#define REQUIRE(fact, ...)                                                                                                       \
    do {                                                                                                                         \
        if (!(fact))                                                                                                             \
            sim_broken(__VA_ARGS__);                                                                                             \
    } while (0)
#define NUM(value) ((unsigned long long)(value))

static inline bool
model_is_open(const struct model_ticket *ticket)
{
    return ticket->state != AW_TICKET_CLOSED;
}

/* --- model.c */
uint32_t model_agent_of(struct aw_slice name);
/* The ticket that this record is about; it is looked at when all are read. */
struct model_ticket *model_ticket_of(struct model *model, const struct aw_command *command);
void                 model_touch(struct model *model, struct model_ticket *ticket);
struct model_ticket *model_new_ticket(struct model *model, struct aw_ticket_id id, uint32_t customer, uint32_t lane);
/* Since when a ticket waits whose first message this is. */
aw_ms model_age_of(const struct model *model, const struct model_source *source, aw_ms accepted_at);
/* What its messages say together. */
void model_retell(const struct model *model, struct model_ticket *ticket);
/* Its customer's next message comes to this one, and to none that was closed before. */
void model_make_known(struct model *model, struct model_ticket *ticket);
void model_close(struct model *model, struct model_ticket *ticket);
void model_end_lease(struct model_ticket *ticket, enum aw_command_kind kind, uint64_t op_hash);
/* The customer hears from us: a word that was given is kept, if in time. */
void model_answered(struct model *model, struct model_ticket *ticket);

/* --- model_replies.c: replies on their way out, and contacts. */
void model_add_reply(struct model *model, const struct model_ticket *ticket, const struct aw_command *command);
/* The server itself wrote this with the record `seq`, if it says so. */
void model_add_owed(struct model *model, const struct model_ticket *ticket, uint64_t seq, enum aw_reply_kind kind);
/* All of its messages are withdrawn. */
void model_drop_owed(struct model *model, const struct model_ticket *ticket);
/* What was written in this ticket up to here goes no more. Returns whether there was something. */
bool model_erase_replies(struct model *model, uint64_t ticket_seq, uint64_t through);
void model_on_reply_lease(struct model *model, const struct aw_command *command);
void model_on_reply_status(struct model *model, const struct aw_command *command);
void model_on_reply_timer(struct model *model, const struct aw_command *command);
void model_on_redrive(struct model *model);
void model_on_approve(struct model *model, const struct aw_command *command);
void model_on_channel(struct model *model, const struct aw_command *command);
void model_on_opt_out(struct model *model, const struct aw_command *command);
/* A customer wrote to us. Returns whether he opts out by that. */
bool model_hear(struct model *model, const struct model_source *source);
/* What the state says of replies and contacts: all of it. */
void model_compare_replies(struct model *model);
/* Whether it comes to a gateway no more. */
bool model_is_out(const struct model_reply *reply);

/* --- model_erase.c: texts that are to be unreadable. */
void model_add_text(struct model *model, const struct model_ticket *ticket, uint64_t seq, uint32_t number, uint32_t bytes);
void model_on_erase(struct model *model, const struct aw_command *command);
/* Messages are taken out of it. */
void model_unsettle_texts(struct model *model, const struct model_ticket *from);

/* --- model_times.c: what customers are told and asked, and until when they can be answered. */
void model_on_forecast(struct model *model, const struct aw_command *command);
void model_on_promise(struct model *model, const struct aw_command *command);
/* Its first message, or one that opens it again, was just taken in; `is_told`: he may be. */
void model_make_promise(const struct model *model, struct model_ticket *ticket, bool is_told);
/* Somebody took it. */
void model_judge_promise(struct model *model, struct model_ticket *ticket);
/* The server owes its customer this, with the record `seq`. Returns whether there was room. */
bool model_owe(struct model *model, const struct model_ticket *ticket, uint64_t seq, enum aw_reply_kind kind);
void model_on_ask(struct model *model, const struct aw_command *command, struct model_ticket *ticket);
/* `is_first`: of the ticket's. */
void model_note_window(struct model_ticket *ticket, const struct model_source *source, aw_ms at, bool is_first);
/* By all its messages. */
void model_retell_window(const struct model *model, struct model_ticket *ticket);
/* The ticket of the reply that this answers, if the server must know it; *ret_may: the one that it may know it by. NULL: none. */
struct model_ticket *model_answered_by(struct model *model, const struct model_source *source, struct model_ticket **ret_may);
void model_compare_times(const struct model *model, const struct model_ticket *ticket, const struct aw_ticket_view *view);
/* No timer is due. */
void model_judge_times(const struct model *model, const struct model_ticket *ticket);

/* --- model_desk.c: flights and airports, incidents, unfold. */
void model_on_flight(struct model *model, const struct aw_command *command);
void model_on_airport(struct model *model, const struct aw_command *command);
void model_on_undo(struct model *model, const struct aw_command *command);
void model_on_incident(struct model *model, const struct aw_command *command);
void model_on_link(struct model *model, const struct aw_command *command);
void model_on_answer(struct model *model, const struct aw_command *command);
void model_on_incident_timer(struct model *model, const struct aw_command *command);
void model_on_unfold(struct model *model, const struct aw_command *command);
/* Its class by clock and events; *ret_departs_at (NULL: nobody asks): the departure that counts. */
enum aw_class model_class_at(const struct model *model, const struct model_ticket *ticket, aw_ms now, aw_ms *ret_departs_at);
/* That it is part of, open or closed; 0: of none. */
uint64_t model_incident_of(const struct model_ticket *ticket);
/* It joins the incident that claims it, if it is part of none that is open. */
void model_join(struct model *model, struct model_ticket *ticket);

#endif
