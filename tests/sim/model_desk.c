/* model_desk.c - what a desk does with many tickets, or with parts of one: flights and airports, incidents, unfold. */
#include "sim/model_parts.h"

uint32_t
model_flight_of(uint32_t customer)
{
    return customer % 3 == 0 ? 1 + customer % 9 : 0;
}

struct aw_airport_code
model_airport_of(uint32_t flight)
{
    return flight % 2 == 0 ? (struct aw_airport_code){{'F', 'R', 'A'}} : (struct aw_airport_code){{'A', 'M', 'S'}};
}

/* --- flights and airports ----------------------------------------------------------------------------------------------------- */

static void
change(struct model *model, struct model_plan *plan, const struct model_said *said, uint64_t seq)
{
    plan->before = plan->now;
    plan->now = *said;
    if (plan->now.at == 0)
        plan->now.at = model->now;
    plan->changed_seq = seq;
}

static struct model_plan *
airport_plan(struct model *model, struct aw_airport_code code)
{
    return &model->airports[code.letters[0] == 'F' ? 0 : 1];
}

void
model_on_flight(struct model *model, const struct aw_command *command)
{
    const struct aw_in_flight *in = &command->in.flight;
    struct model_plan         *plan = &model->flights[in->flight_hash];

    REQUIRE(in->flight_hash < MODEL_FLIGHTS, "record %llu: a flight that nobody has", NUM(command->out.seq));
    change(model, plan, &(struct model_said){.is_there = true, .state = in->state, .from = in->departs_at}, command->out.seq);
    plan->undo_seq = command->out.seq;
}

void
model_on_airport(struct model *model, const struct aw_command *command)
{
    const struct aw_in_airport *in = &command->in.airport;
    struct model_plan          *plan = airport_plan(model, in->code);

    change(model, plan, &(struct model_said){.is_there = true, .from = in->from, .until = in->until}, command->out.seq);
    plan->undo_seq = command->out.seq;
}

void
model_on_undo(struct model *model, const struct aw_command *command)
{
    uint64_t           seq = command->in.undo.change.seq;
    struct model_plan *plan = NULL;
    struct model_said  before;

    for (uint32_t i = 0; i < MODEL_FLIGHTS; i++)
        plan = model->flights[i].undo_seq == seq ? &model->flights[i] : plan;
    for (uint32_t i = 0; i < MODEL_AIRPORTS; i++)
        plan = model->airports[i].undo_seq == seq ? &model->airports[i] : plan;
    REQUIRE(plan != NULL, "record %llu: undoes what was not the last of its kind, or twice", NUM(command->out.seq));
    before = plan->before;
    change(model, plan, &before, command->out.seq);
    plan->undo_seq = 0;
}

enum aw_class
model_class_at(const struct model *model, const struct model_ticket *ticket, aw_ms now, aw_ms *ret_departs_at)
{
    uint32_t                 number = model_flight_of(ticket->customer);
    const struct model_said *said = &model->flights[number].now;
    const struct model_said *airport = &model->airports[model_airport_of(number).letters[0] == 'F' ? 0 : 1].now;
    const struct rule_flight flight = {.departs_at = ticket->departs_at,
                                       .said_at = ticket->departs_said_at,
                                       .is_planned = said->is_there,
                                       .state = said->state,
                                       .planned_at = said->at,
                                       .goes_at = said->from,
                                       .closed_from = airport->from,
                                       .closed_until = airport->until};
    aw_ms                    departs_at;

    return rule_class(ticket->said, &flight, now, ret_departs_at == NULL ? &departs_at : ret_departs_at);
}

/* --- incidents ---------------------------------------------------------------------------------------------------------------- */

struct model_incident *
model_find_incident(struct model *model, uint64_t seq)
{
    for (uint32_t i = 0; i < model->incident_count; i++) {
        if (model->incidents[i].id.seq == seq)
            return &model->incidents[i];
    }
    return NULL;
}

uint64_t
model_incident_of(const struct model_ticket *ticket)
{
    return ticket->is_parted ? 0 : ticket->incident;
}

/* The one that is open that it is part of; NULL. */
static struct model_incident *
open_incident_of(struct model *model, const struct model_ticket *ticket)
{
    struct model_incident *incident = model_find_incident(model, model_incident_of(ticket));

    return incident != NULL && incident->state == AW_INCIDENT_OPEN ? incident : NULL;
}

static bool
is_named(const struct model_incident *incident, const struct model_ticket *ticket)
{
    return incident->flight != 0 && ticket->departs_at != 0 && model_flight_of(ticket->customer) == incident->flight;
}

/* Of those that claim it by its flight the one that was made first; NULL: none does. */
static struct model_incident *
claimant_of(struct model *model, const struct model_ticket *ticket)
{
    for (uint32_t i = 0; i < model->incident_count && !ticket->is_parted; i++) {
        struct model_incident *incident = &model->incidents[i];

        if (incident->state == AW_INCIDENT_OPEN && is_named(incident, ticket) &&
            (incident->follows || ticket->id.seq < incident->keys_seq))
            return incident;
    }
    return NULL;
}

void
model_join(struct model *model, struct model_ticket *ticket)
{
    struct model_incident *incident = claimant_of(model, ticket);

    if (open_incident_of(model, ticket) == NULL && incident != NULL)
        ticket->incident = incident->id.seq;
}

void
model_on_incident(struct model *model, const struct aw_command *command)
{
    const struct aw_in_incident *in = &command->in.incident;
    struct model_incident       *incident = model_find_incident(model, command->out.u.incident.incident.seq);

    if (in->incident.seq == 0) {
        REQUIRE(model->incident_count < MODEL_INCIDENTS_MAX, "the test's list of incidents is too short");
        incident = &model->incidents[model->incident_count++];
        *incident = (struct model_incident){.id = command->out.u.incident.incident,
                                            .keys_seq = command->out.seq,
                                            .flight = in->key_count == 0 ? 0 : (uint32_t)in->keys[0].hash,
                                            .is_ours = in->by.len > 0};
    }
    REQUIRE(incident != NULL, "record %llu: of an incident that never was", NUM(command->out.seq));
    if (in->state != AW_INCIDENT_NONE && in->state != incident->state)
        incident->is_answering = false;
    if (in->state != AW_INCIDENT_NONE)
        incident->state = in->state;
    if (in->follow != AW_FOLLOW_AS_IS)
        incident->follows = in->follow == AW_FOLLOW_LATER;
}

void
model_on_link(struct model *model, const struct aw_command *command)
{
    const struct aw_in_incident_link *in = &command->in.incident_link;
    struct model_ticket              *ticket = model_ticket_of(model, command);
    struct model_incident            *incident = model_find_incident(model, in->incident.seq);

    REQUIRE(incident != NULL, "record %llu: of an incident that never was", NUM(command->out.seq));
    if (in->parts) {
        REQUIRE(model_incident_of(ticket) == in->incident.seq, "record %llu: takes a ticket out of what it is no part of",
                NUM(command->out.seq));
        ticket->is_parted = true;
        return;
    }
    REQUIRE(model_is_open(ticket) && incident->state == AW_INCIDENT_OPEN && open_incident_of(model, ticket) == NULL,
            "record %llu: ticket %llu joins an incident out of turn", NUM(command->out.seq), NUM(ticket->id.seq));
    REQUIRE(in->by.len > 0 || claimant_of(model, ticket) == incident, "record %llu: nothing links ticket %llu to this incident",
            NUM(command->out.seq), NUM(ticket->id.seq));
    ticket->incident = in->incident.seq;
    ticket->is_parted = false;
}

/* Whether the answer that was approved is for it: it is as it was when that was shown, and nobody works on it. */
static bool
goes(struct model *model, const struct model_incident *incident, const struct model_ticket *ticket)
{
    uint32_t flight = ticket->departs_at == 0 ? 0 : model_flight_of(ticket->customer);

    return model_is_open(ticket) && open_incident_of(model, ticket) == incident && !ticket->is_answered &&
           ticket->state == AW_TICKET_WAITING && ticket->word.due_at == 0 && incident->keys_seq <= incident->through &&
           ticket->last_seq <= incident->through && (flight == 0 || model->flights[flight].changed_seq <= incident->through) &&
           ticket->class_ != AW_CLASS_CARE && ticket->has_account && ticket->lane != 1;
}

void
model_on_answer(struct model *model, const struct aw_command *command)
{
    const struct aw_in_incident_answer *in = &command->in.incident_answer;
    struct model_incident              *incident = model_find_incident(model, in->incident.seq);

    REQUIRE(incident != NULL && incident->state == AW_INCIDENT_OPEN && !incident->is_answering,
            "record %llu: an answer of what is not open, or is being answered", NUM(command->out.seq));
    incident->is_answering = true;
    incident->through = in->through;
}

void
model_on_incident_timer(struct model *model, const struct aw_command *command)
{
    const struct aw_in_incident_timer *in = &command->in.incident_timer;
    struct model_incident             *incident = model_find_incident(model, in->incident.seq);
    struct model_ticket               *ticket = in->ticket.slot == 0 ? NULL : model_find(model, in->ticket.seq);

    REQUIRE(incident != NULL && incident->is_answering, "record %llu: nobody approved an answer", NUM(command->out.seq));
    if (in->ticket.slot == 0) {
        for (uint32_t i = 0; i < model->ticket_count; i++)
            REQUIRE(!goes(model, incident, &model->tickets[i]),
                    "record %llu: the answer of incident %llu is over, and left out %llu", NUM(command->out.seq),
                    NUM(incident->id.seq), NUM(model->tickets[i].id.seq));
        incident->is_answering = false;
        return;
    }
    REQUIRE(ticket != NULL && goes(model, incident, ticket), "record %llu: ticket %llu is answered%s by incident %llu",
            NUM(command->out.seq), NUM(in->ticket.seq),
            ticket != NULL && ticket->is_answered ? " once more" : ", and should not be", NUM(incident->id.seq));
    (void)model_ticket_of(model, command);
    model_judge_promise(model, ticket);
    model_close(model, ticket);
    ticket->is_answered = true;
    model_add_owed(model, ticket, command->out.seq, AW_REPLY_INCIDENT);
}

/* --- unfold ------------------------------------------------------------------------------------------------------------------- */

static void
move_messages(struct model *model, const struct aw_command *command, const struct model_ticket *from, uint64_t to)
{
    const struct aw_in_unfold *in = &command->in.unfold;

    for (uint32_t i = 0; i < in->message_count; i++) {
        struct model_message *message = model_find_message(model, in->messages[i]);

        REQUIRE(message != NULL && message->ticket == from->id.seq && !message->is_withdrawn,
                "record %llu: takes out message %llu, which ticket %llu does not have", NUM(command->out.seq),
                NUM(in->messages[i]), NUM(from->id.seq));
        REQUIRE(from->state != AW_TICKET_LEASED || message->seq > from->seen_seq,
                "record %llu: message %llu is taken from under its agent's hands", NUM(command->out.seq), NUM(message->seq));
        message->ticket = to;
    }
}

/* Whether the server itself may write to who wrote its newest message. */
static bool
has_account(struct model *model, const struct model_ticket *ticket)
{
    const struct model_message *newest = model_find_message(model, ticket->message_seq);

    return !model->sources[newest->source].is_talk && !model->sources[newest->source].opts_out;
}

/* Who only talks about us is not known by it. */
static bool
writes_to_us(const struct model *model, const struct model_ticket *ticket)
{
    for (uint32_t i = 0; i < model->message_count; i++) {
        const struct model_message *message = &model->messages[i];

        if (message->ticket == ticket->id.seq && !model->sources[message->source].is_talk)
            return true;
    }
    return false;
}

void
model_on_unfold(struct model *model, const struct aw_command *command)
{
    struct model_ticket        *from = model_ticket_of(model, command), *ticket;
    const struct model_message *first;
    struct model_incident      *incident = model_find_incident(model, model_incident_of(from));
    bool                        was_named = incident != NULL && is_named(incident, from);
    uint32_t                    messages = from->messages;

    REQUIRE(model_is_open(from) && command->in.unfold.message_count > 0, "record %llu: takes nothing out, or of no open ticket",
            NUM(command->out.seq));
    ticket = model_new_ticket(model, (struct aw_ticket_id){.seq = command->out.seq, .slot = command->out.u.ticket.ticket.slot},
                              from->customer, from->lane);
    move_messages(model, command, from, ticket->id.seq);
    model_unsettle_texts(model, from);
    model_retell(model, from);
    model_retell(model, ticket);
    REQUIRE(from->messages > 0 && from->messages + ticket->messages == messages, "record %llu: %u messages became %u and %u",
            NUM(command->out.seq), messages, from->messages, ticket->messages);
    first = model_find_message(model, command->in.unfold.messages[0]);
    ticket->age = model_age_of(model, &model->sources[first->source], first->at);
    ticket->opened_at = first->at;
    if (!ticket->is_listening)
        ticket->promise = from->promise;
    model_retell_window(model, from);
    model_retell_window(model, ticket);
    ticket->last_seq = command->out.seq;
    ticket->class_ = model_class_at(model, ticket, model->now, NULL);
    ticket->has_account = has_account(model, ticket);
    from->has_account = has_account(model, from);
    from->is_retold = true;
    if (writes_to_us(model, ticket))
        model_make_known(model, ticket);
    from->is_known = from->is_known && writes_to_us(model, from);
    if (was_named && !is_named(incident, from))
        from->incident = 0;
    model_join(model, from);
    model_join(model, ticket);
    model_touch(model, ticket);
}

/* --- when nothing is due ------------------------------------------------------------------------------------------------------ */

void
model_judge_rest(struct model *model)
{
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        const struct model_ticket *ticket = &model->tickets[i];
        aw_ms                      departs_at;
        enum aw_class              class_ = model_class_at(model, ticket, model->clock, &departs_at);

        if (ticket->state == AW_TICKET_WAITING || ticket->state == AW_TICKET_HELD)
            REQUIRE(ticket->class_ == class_, "ticket %llu stays of class %d, by clock and flight it is %d", NUM(ticket->id.seq),
                    (int)ticket->class_, (int)class_);
        model_judge_times(model, ticket);
        if (ticket->state == AW_TICKET_WAITING && class_ == AW_CLASS_IMMINENT)
            REQUIRE(ticket->goes_at == departs_at, "ticket %llu waits by a departure at %llu, and goes at %llu",
                    NUM(ticket->id.seq), NUM(ticket->goes_at), NUM(departs_at));
        REQUIRE(!model_is_open(ticket) || open_incident_of(model, ticket) != NULL || claimant_of(model, ticket) == NULL,
                "ticket %llu is part of no incident, and one claims it", NUM(ticket->id.seq));
    }
}
