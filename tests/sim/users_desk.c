/* users_desk.c - see users_parts.h. */
#include "sim/users_parts.h"

/* --- supervisors -------------------------------------------------------------------------------------------------------------- */

static bool
steer_lane(struct world *world, struct op *op)
{
    enum aw_lane_pause pause = world->heals || users_draw(world, 2) ? AW_LANE_OPEN : (enum aw_lane_pause)users_below(world, 4);
    bool               is_main = users_draw(world, 3);
    bool               is_helped = !is_main && world_has(world, SIM_PART_OVERFLOW) && (world->heals || !users_draw(world, 4));

    op->helper = (struct aw_lane_helper){.lane = AW_SLICE("main"), .after_s = world->heals ? 30 : users_below(world, 120)};
    op->entries[0].command.kind = AW_COMMAND_LANE;
    op->entries[0].command.in.lane = (struct aw_in_lane){
        .name = is_main ? AW_SLICE("main") : AW_SLICE("de"), .pause = pause, .helpers = &op->helper, .helper_count = is_helped};
    users_submit(world, op);
    return true;
}

bool
desk_steer(struct world *world)
{
    static const enum aw_command_kind kinds[] = {AW_COMMAND_HOLD, AW_COMMAND_UNHOLD, AW_COMMAND_CANCEL, AW_COMMAND_PLACE};
    struct op                        *op = users_new_op(world, OP_DESK);
    struct aw_in_ticket              *in;

    if (op == NULL)
        return false;
    if (world->model.ticket_count == 0 || users_below(world, 3) == 0)
        return steer_lane(world, op);
    op->entries[0].command.kind = world->heals ? AW_COMMAND_UNHOLD : kinds[users_below(world, AW_ARRAY_LEN(kinds))];
    in = &op->entries[0].command.in.ticket;
    *in = (struct aw_in_ticket){.ticket = world->model.tickets[users_below(world, world->model.ticket_count)].id,
                                .by = AW_SLICE("eva"),
                                .class_ = AW_CLASS_NONE};
    if (op->entries[0].command.kind == AW_COMMAND_HOLD && users_below(world, 2) == 0)
        in->until = world->now + users_below(world, 600000);
    if (op->entries[0].command.kind == AW_COMMAND_PLACE)
        in->lane = users_below(world, 2) == 0 ? AW_SLICE("main") : AW_SLICE("de");
    WORLD_TRACE(world, "%s of ticket %llu", aw_command_name(op->entries[0].command.kind), (unsigned long long)in->ticket.seq);
    users_submit(world, op);
    return true;
}

/* --- what only some histories have -------------------------------------------------------------------------------------------- */

/* The second agent may be one whose words wait for a colleague; all may be given so many tickets at once. */
static bool
set_agent(struct world *world, struct op *op)
{
    uint32_t            number = world_has(world, SIM_PART_UNITS) ? users_below(world, MODEL_AGENTS) : 1;
    const struct agent *agent = &world->agent[number];
    bool                has_units = world_has(world, SIM_PART_UNITS) && !world->heals && users_draw(world, 2);
    bool                has_total = world_has(world, SIM_PART_UNITS) && !world->heals && users_draw(world, 2);

    op->units = (struct aw_agent_units){.channel = users_account.channel, .units = users_below(world, 4)};
    op->entries[0].command.kind = AW_COMMAND_AGENT;
    op->entries[0].command.in.agent = (struct aw_in_agent){
        .name = agent->name,
        .lanes = agent->lanes,
        .lane_count = agent->lane_count,
        .needs_approval = number == 1 && world_has(world, SIM_PART_APPROVAL) && !world->heals && !users_draw(world, 4),
        .units = &op->units,
        .unit_count = has_units,
        .units_total = has_total ? 1 + users_below(world, 3) : AW_UNITS_NO_TOTAL,
        .by = AW_SLICE("eva")};
    WORLD_TRACE(world, "%s is set", model_agents[number]);
    users_submit(world, op);
    return true;
}

/* By anybody, also by who may not. */
static bool
approve(struct world *world, struct op *op)
{
    struct model *model = &world->model;
    uint32_t      first = model->reply_count == 0 ? 0 : users_below(world, model->reply_count);

    for (uint32_t i = 0; i < model->reply_count; i++) {
        struct model_reply *reply = &model->replies[(first + i) % model->reply_count];

        if (reply->state != AW_REPLY_PENDING)
            continue;
        op->number = (uint32_t)(reply - model->replies);
        op->entries[0].command.kind = AW_COMMAND_APPROVE;
        op->entries[0].command.in.approve =
            (struct aw_in_approve){.reply = {.seq = reply->seq},
                                   .goes = world->heals ? !reply->is_unwelcome : users_draw(world, 2),
                                   .by = world->heals ? AW_SLICE("eva") : world->agent[users_below(world, MODEL_AGENTS)].name};
        WORLD_TRACE(world, "reply %llu %s", (unsigned long long)reply->seq,
                    op->entries[0].command.in.approve.goes ? "may go" : "is refused");
        users_submit(world, op);
        return true;
    }
    return false;
}

static bool
decide(struct world *world, struct op *op)
{
    op->kind = users_draw(world, 4) ? OP_DESK : OP_APPROVE;
    return op->kind == OP_DESK ? set_agent(world, op) : approve(world, op);
}

/* Whether this may be answered: what opens a ticket again is new work, for which there may be no room. */
static bool
may_be(const struct aw_command *command)
{
    switch ((unsigned)command->out.err) {
    case AW_OK:
    case AW_E_FORBIDDEN:
    case AW_E_WRONG_STATE:
    case AW_E_CONTACT_REFUSED:
        return true;
    case AW_E_STORE_FULL:
    case AW_E_TABLE_FULL:
    case AW_E_OVERLOADED:
        return !command->in.approve.goes;
    default:
        return false;
    }
}

void
desk_on_approve(struct world *world, struct op *op)
{
    const struct aw_command *command = &op->entries[0].command;
    struct model_reply      *reply = &world->model.replies[op->number];

    if (!may_be(command))
        sim_broken("reply %llu: not decided: %s", (unsigned long long)reply->seq, aw_err_name(command->out.err));
    if (command->out.err == AW_OK && command->in.approve.goes == (reply->state == AW_REPLY_REFUSED))
        sim_broken("reply %llu: told that it %s", (unsigned long long)reply->seq,
                   command->in.approve.goes ? "goes, and it is refused" : "is refused, and it goes");
    reply->is_unwelcome |= command->out.err == AW_E_CONTACT_REFUSED;
}

/* A new one, or one of which nobody knows yet whether it is written: under the same key. */
static bool
note(struct world *world, struct op *op)
{
    bool                 again = world->notes > 0 && users_draw(world, 2);
    uint32_t             number = again ? users_below(world, world->notes) : world->notes;
    struct model_ticket *ticket;

    if (world->heals || number == MODEL_NOTES_MAX || world->is_told[number] || world->model.ticket_count == 0)
        return false;
    if (!again)
        world->notes_on[world->notes++] = world->model.tickets[users_below(world, world->model.ticket_count)].id;
    ticket = model_find(&world->model, world->notes_on[number].seq);
    op->kind = OP_NOTE;
    op->number = number;
    op->entries[0].command.kind = AW_COMMAND_NOTE;
    op->entries[0].command.once = (struct aw_once){.key = model_note_key(number), .request = 7};
    op->entries[0].command.in.note =
        (struct aw_in_note){.on = {.ticket = ticket->id, .by = world->agent[number % MODEL_AGENTS].name},
                            .body = {.bytes = model_body(number, 30), .len = 30}};
    WORLD_TRACE(world, "note %u on %llu%s", number, (unsigned long long)ticket->id.seq, again ? " again" : "");
    users_submit(world, op);
    return true;
}

void
desk_on_note(struct world *world, struct op *op)
{
    const struct aw_outcome_of *out = &op->entries[0].command.out;

    if (out->err != AW_OK)
        return;
    if (world->model.noted_at[op->number] == 0)
        sim_broken("note %u is told written, and is not", op->number);
    world->is_told[op->number] = true;
}

static bool
set_pace(struct world *world, struct op *op)
{
    op->pace = (struct aw_pace){
        .account = users_account.account, .replies = 1 + users_below(world, 4), .slice_s = 1 + users_below(world, 30)};
    op->entries[0].command.kind = AW_COMMAND_CHANNEL;
    op->entries[0].command.in.channel = (struct aw_in_channel){
        .name = users_account.channel, .paces = &op->pace, .pace_count = users_draw(world, 4) ? 0 : 1, .by = AW_SLICE("eva")};
    users_submit(world, op);
    return true;
}

/* What is dead goes after all. */
static bool
redrive(struct world *world, struct op *op)
{
    op->entries[0].command.kind = AW_COMMAND_REDRIVE;
    op->entries[0].command.in.redrive = (struct aw_in_redrive){.max = 1 + users_below(world, 3), .by = AW_SLICE("eva")};
    users_submit(world, op);
    return true;
}

static bool
set_template(struct world *world, struct op *op)
{
    static const struct aw_own_text text = {.lang = {"en", 2}, .words = {"We have it.", 11}};
    static const enum aw_reply_kind kinds[] = {AW_REPLY_ACKNOWLEDGEMENT, AW_REPLY_PROMISE_MOVED, AW_REPLY_STILL_NEEDED};

    op->entries[0].command.kind = AW_COMMAND_TEMPLATE;
    op->entries[0].command.in.template_ = (struct aw_in_template){.kind = kinds[users_below(world, AW_ARRAY_LEN(kinds))],
                                                                  .texts = &text,
                                                                  .text_count = users_draw(world, 5) ? 0 : 1,
                                                                  .by = AW_SLICE("eva")};
    users_submit(world, op);
    return true;
}

/* Of somebody, and whether he said so or takes it back. */
static bool
opt_out(struct world *world, struct op *op)
{
    if (world->heals || !users_draw(world, 3))
        return false;
    op->entries[0].command.kind = AW_COMMAND_OPT_OUT;
    op->entries[0].command.in.opt_out =
        (struct aw_in_opt_out){.contact = model_contact_hash(users_below(world, world->customers)),
                               .channel = users_account.channel,
                               .account = users_account.account,
                               .is_in = users_draw(world, 3),
                               .by = AW_SLICE("eva")};
    users_submit(world, op);
    return true;
}

/* --- how long it takes -------------------------------------------------------------------------------------------------------- */

/* The same for all of a class; of some nobody knows. */
static void
forecast(struct world *world, struct op *op)
{
    struct told_waits *told = &op->told;

    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        uint16_t half = users_draw(world, 4) ? 0 : (uint16_t)(1 + users_below(world, 12));

        for (uint32_t lead = 0; lead < AW_PROMISE_LEADS; lead++)
            told->waits[aw_promise_wait_of((enum aw_class)i, 0, lead * AW_PROMISE_LEAD_MS)] = (struct aw_told_wait){
                .raw_s = {1, 2}, .steps = {half, half == 0 ? 0 : (uint16_t)(half + users_below(world, 12))}};
        for (uint32_t lead = 1; i == AW_CLASS_IMMINENT && lead < AW_PROMISE_LEADS; lead++)
            told->waits[AW_CLASS_COUNT - 1U + lead] = told->waits[AW_CLASS_COUNT - 1U];
    }
    for (uint32_t i = 0; i < AW_ARRAY_LEN(told->lanes); i++)
        told->lanes[i] =
            (struct aw_lane_group){.lane = (uint16_t)(2 * i), .group = users_draw(world, 6) ? AW_PROMISE_NO_GROUP : 0};
    op->entries[0].command.kind = AW_COMMAND_FORECAST;
    op->entries[0].command.in.forecast = (struct aw_in_forecast){
        .base = world->now, .waits = told->waits, .lanes = told->lanes, .lane_count = world->model.has_second_lane ? 2 : 1};
    WORLD_TRACE(world, "a forecast");
    users_submit(world, op);
}

/* A customer is told that it takes longer; the server refuses what would be no news. */
static bool
tell_waits(struct world *world, struct op *op)
{
    const struct model        *model = &world->model;
    uint32_t                   first = model->ticket_count == 0 ? 0 : users_below(world, model->ticket_count);
    const struct model_ticket *ticket = NULL;
    aw_ms                      half_by = world->now + 1 + users_below(world, 4 * (uint32_t)HOUR_MS);

    for (uint32_t i = 0; i < model->ticket_count && ticket == NULL; i++) {
        ticket = &model->tickets[(first + i) % model->ticket_count];
        if (ticket->state != AW_TICKET_WAITING || ticket->promise.made_at == 0)
            ticket = NULL;
    }
    if (ticket == NULL || users_draw(world, 2)) {
        forecast(world, op);
        return true;
    }
    op->entries[0].command.kind = AW_COMMAND_PROMISE;
    op->entries[0].command.in.promise = (struct aw_in_promise){
        .ticket = ticket->id, .half_by = half_by, .nine_of_ten_by = half_by + users_below(world, 4 * (uint32_t)HOUR_MS)};
    WORLD_TRACE(world, "ticket %llu takes longer", (unsigned long long)ticket->id.seq);
    users_submit(world, op);
    return true;
}

/* --- flights and airports ----------------------------------------------------------------------------------------------------- */

static bool
undo(struct world *world, struct op *op, struct aw_change_id change)
{
    op->entries[0].command.kind = AW_COMMAND_UNDO;
    op->entries[0].command.in.undo = (struct aw_in_undo){.change = change, .by = AW_SLICE("eva")};
    users_submit(world, op);
    return true;
}

static bool
move_flight(struct world *world, struct op *op)
{
    static const struct aw_slice numbers[] = {{"KL1", 3}, {"KL4", 3}, {"KL7", 3}};
    uint32_t                     which = users_below(world, AW_ARRAY_LEN(numbers)), flight = 1 + 3 * which;
    enum aw_flight_state         state = (enum aw_flight_state)users_below(world, 4);
    struct aw_flight_answer      now;
    bool                         is_told = state == AW_FLIGHT_DELAYED || (state == AW_FLIGHT_SCHEDULED && users_draw(world, 2));

    if (users_draw(world, 3) && aw_state_flight(world->state, flight, &now) == AW_OK && now.change.seq != 0)
        return undo(world, op, now.change);
    op->entries[0].command.kind = AW_COMMAND_FLIGHT;
    op->entries[0].command.in.flight =
        (struct aw_in_flight){.flight_hash = flight,
                              .number = numbers[which],
                              .date_days = USERS_FLIGHT_DAYS,
                              .state = state,
                              .departs_at = is_told ? world->now + users_below(world, 12 * (uint32_t)HOUR_MS) : 0,
                              .by = AW_SLICE("eva")};
    WORLD_TRACE(world, "flight %u: %s", flight, aw_flight_state_name(state));
    users_submit(world, op);
    return true;
}

static bool
close_airport(struct world *world, struct op *op)
{
    uint32_t                 number = users_below(world, MODEL_AIRPORTS);
    bool                     opens = users_draw(world, 3);
    aw_ms                    from = world->now + users_below(world, 3 * (uint32_t)HOUR_MS);
    struct aw_airport_answer now;

    if (users_draw(world, 3) && aw_state_airport(world->state, model_airport_of(number), &now) == AW_OK && now.change.seq != 0)
        return undo(world, op, now.change);
    op->entries[0].command.kind = AW_COMMAND_AIRPORT;
    op->entries[0].command.in.airport =
        (struct aw_in_airport){.code = model_airport_of(number),
                               .from = opens ? 0 : from,
                               .until = opens ? 0 : from + 1 + users_below(world, 8 * (uint32_t)HOUR_MS),
                               .by = AW_SLICE("eva")};
    WORLD_TRACE(world, "airport %u %s", number, opens ? "opens" : "closes");
    users_submit(world, op);
    return true;
}

static bool
move(struct world *world, struct op *op)
{
    return users_draw(world, 3) ? close_airport(world, op) : move_flight(world, op);
}

/* --- incidents ---------------------------------------------------------------------------------------------------------------- */

static const struct aw_own_text answer_text = {.lang = {"en", 2}, .words = {"We know of it.", 14}};

static bool
make_incident(struct world *world, struct op *op)
{
    uint32_t flight = 1 + 3 * users_below(world, 3);

    op->key = (struct aw_incident_key){
        .kind = AW_INCIDENT_FLIGHT, .hash = flight, .name = AW_SLICE("KL1"), .date_days = USERS_FLIGHT_DAYS};
    op->entries[0].command.kind = AW_COMMAND_INCIDENT;
    op->entries[0].command.in.incident = (struct aw_in_incident){.state = AW_INCIDENT_OPEN,
                                                                 .title = AW_SLICE("fog"),
                                                                 .has_keys = true,
                                                                 .keys = &op->key,
                                                                 .key_count = users_draw(world, 4) ? 0 : 1,
                                                                 .follow = users_draw(world, 3) ? AW_FOLLOW_NOT : AW_FOLLOW_LATER,
                                                                 .by = AW_SLICE("eva")};
    users_submit(world, op);
    return true;
}

static bool
link_ticket(struct world *world, struct op *op, const struct model_incident *incident)
{
    if (world->model.ticket_count == 0)
        return false;
    op->entries[0].command.kind = AW_COMMAND_INCIDENT_LINK;
    op->entries[0].command.in.incident_link =
        (struct aw_in_incident_link){.ticket = world->model.tickets[users_below(world, world->model.ticket_count)].id,
                                     .incident = incident->id,
                                     .parts = users_draw(world, 3),
                                     .by = AW_SLICE("eva")};
    users_submit(world, op);
    return true;
}

/* Asks to be shown what an answer would come to. */
static bool
ask(struct world *world, struct op *op, const struct model_incident *incident)
{
    struct showing *showing = &world->showing;

    if (showing->is_out)
        return false;
    showing->is_there = false;
    showing->is_out = true;
    showing->try_ = (struct aw_incident_try){.incident = incident->id,
                                             .texts = &answer_text,
                                             .text_count = 1,
                                             .items = showing->items,
                                             .room = AW_ARRAY_LEN(showing->items)};
    op->kind = OP_TRY;
    op->query = (struct aw_query){.kind = AW_QUERY_INCIDENT_TRY, .incident = incident->id, .try_ = &showing->try_};
    op->submission.kind = AW_SUBMIT_QUERY;
    op->submission.query = &op->query;
    users_submit(world, op);
    return true;
}

void
desk_on_try(struct world *world, struct op *op)
{
    world->showing.is_out = false;
    world->showing.is_there = op->submission.err == AW_OK && op->query.err == AW_OK;
}

/* What was shown is approved, though things may have changed since. */
static bool
answer(struct world *world, struct op *op)
{
    struct showing *showing = &world->showing;

    showing->is_there = users_draw(world, 3); /* somebody else may do it too */
    op->entries[0].command.kind = AW_COMMAND_INCIDENT_ANSWER;
    op->entries[0].command.in.incident_answer = (struct aw_in_incident_answer){.incident = showing->try_.incident,
                                                                               .texts = &answer_text,
                                                                               .text_count = 1,
                                                                               .through = showing->try_.through,
                                                                               .facts = showing->try_.facts,
                                                                               .by = AW_SLICE("eva")};
    WORLD_TRACE(world, "incident %llu is answered, as of %llu", (unsigned long long)showing->try_.incident.seq,
                (unsigned long long)showing->try_.through);
    users_submit(world, op);
    return true;
}

static bool
steer_incident(struct world *world, struct op *op)
{
    struct model                *model = &world->model;
    uint32_t                     what = users_below(world, 10);
    const struct model_incident *incident;

    if (world->heals)
        return false;
    if (what < 3 && world->showing.is_there && !world->showing.is_out)
        return answer(world, op);
    if (model->incident_count == 0 || (what == 9 && model->incident_count < MODEL_INCIDENTS_MAX / 2))
        return make_incident(world, op);
    incident = &model->incidents[users_below(world, model->incident_count)];
    if (what < 6)
        return ask(world, op, incident);
    if (what < 8)
        return link_ticket(world, op, incident);
    op->entries[0].command.kind = AW_COMMAND_INCIDENT;
    op->entries[0].command.in.incident = (struct aw_in_incident){
        .incident = incident->id, .state = users_draw(world, 4) ? AW_INCIDENT_CLOSED : AW_INCIDENT_OPEN, .by = AW_SLICE("eva")};
    users_submit(world, op);
    return true;
}

/* --- unfold ------------------------------------------------------------------------------------------------------------------- */

static void
tell(struct world *world, struct aw_telling *telling, const struct model_message *message)
{
    struct aw_in_message  in;
    struct aw_hash128     identity;
    struct aw_flight_fact flight;

    gateway_say(world, message->source, &identity, &flight, &in);
    aw_telling_add(telling, &world->model.settings, &in, message->seq, message->at);
}

/* A message or two of a ticket become a ticket of their own. How many there are is what a supervisor saw last. */
static bool
unfold(struct world *world, struct op *op)
{
    struct model        *model = &world->model;
    struct unfolding    *unfolding = &world->unfolding;
    struct model_ticket *ticket = model->ticket_count == 0 ? NULL : &model->tickets[users_below(world, model->ticket_count)];
    uint32_t             max = 1 + users_below(world, 2), count = 0;

    if (ticket == NULL || world->heals || unfolding->is_out || ticket->messages < 2)
        return false;
    *unfolding = (struct unfolding){.is_out = true};
    for (uint32_t i = 0; i < model->message_count; i++) {
        const struct model_message *message = &model->messages[i];
        bool                        goes = count < max && !message->is_withdrawn && users_draw(world, 2);

        if (message->ticket != ticket->id.seq)
            continue;
        tell(world, goes ? &unfolding->taken : &unfolding->left, message);
        if (goes)
            unfolding->messages[count++] = message->seq;
    }
    op->kind = OP_UNFOLD;
    op->entries[0].command.kind = AW_COMMAND_UNFOLD;
    op->entries[0].command.in.unfold = (struct aw_in_unfold){.on = {.ticket = ticket->id, .by = AW_SLICE("eva")},
                                                             .messages = unfolding->messages,
                                                             .message_count = count,
                                                             .newest_seq = ticket->message_seq,
                                                             .messages_total = ticket->messages,
                                                             .taken = *aw_telling_end(&unfolding->taken),
                                                             .left = *aw_telling_end(&unfolding->left)};
    WORLD_TRACE(world, "%u messages are taken out of %llu", count, (unsigned long long)ticket->id.seq);
    users_submit(world, op);
    return true;
}

/* --- looking ------------------------------------------------------------------------------------------------------------------ */

/* At a ticket: it must be known by all that was acknowledged so far. */
static bool
look(struct world *world, struct op *op)
{
    const struct model_ticket *ticket;

    if (world->model.ticket_count == 0)
        return false;
    op->number = users_below(world, world->model.ticket_count);
    ticket = &world->model.tickets[op->number];
    op->kind = OP_QUERY;
    op->known = ticket->last_seq;
    op->query = (struct aw_query){.kind = AW_QUERY_TICKET, .ticket = ticket->id, .room = 1, .views = &op->view};
    op->submission.kind = AW_SUBMIT_QUERY;
    op->submission.query = &op->query;
    users_submit(world, op);
    return true;
}

void
desk_on_query(struct world *world, struct op *op)
{
    const struct model_ticket *ticket = &world->model.tickets[op->number];

    if (op->submission.err != AW_OK)
        return;
    if (op->query.err == AW_OK && op->view.last_seq < op->known)
        sim_broken("ticket %llu is shown as of record %llu, and %llu was acknowledged", (unsigned long long)ticket->id.seq,
                   (unsigned long long)op->view.last_seq, (unsigned long long)op->known);
    if (op->query.err != AW_OK &&
        (ticket->state != AW_TICKET_CLOSED || world->now - ticket->closed_at < world->model.settings.reopen_ms))
        sim_broken("ticket %llu is not shown: %s", (unsigned long long)ticket->id.seq, aw_err_name(op->query.err));
}

/* By units, from all tickets. */
static bool
is_anybody_barred(const struct world *world)
{
    for (uint32_t i = 0; i < MODEL_AGENTS; i++) {
        if (world->heals && world->model.units[i] == 0)
            return true;
    }
    return false;
}

bool
desk_act(struct world *world)
{
    static bool (*const acts[SIM_PARTS])(struct world *, struct op *) = {
        [SIM_PART_DELIVERY] = redrive,  [SIM_PART_PACE] = set_pace,      [SIM_PART_APPROVAL] = decide,
        [SIM_PART_WITHDRAW] = NULL,     [SIM_PART_CONTACTS] = opt_out,   [SIM_PART_NOTES] = note,
        [SIM_PART_OWED] = set_template, [SIM_PART_EVENTS] = move,        [SIM_PART_INCIDENTS] = steer_incident,
        [SIM_PART_UNFOLD] = unfold,     [SIM_PART_OVERFLOW] = NULL,      [SIM_PART_UNITS] = set_agent,
        [SIM_PART_QUERIES] = look,      [SIM_PART_ERASE] = erase_act,    [SIM_PART_PROMISES] = tell_waits,
        [SIM_PART_WINDOWS] = NULL,      [SIM_PART_DIALOG] = set_template};
    uint32_t   part = users_below(world, SIM_PARTS);
    struct op *op;

    if (world->heals && is_anybody_barred(world))
        part = SIM_PART_UNITS;
    for (uint32_t i = 0; i < SIM_PARTS && (!world_has(world, (enum sim_part)part) || acts[part] == NULL); i++)
        part = (part + 1) % SIM_PARTS;
    if (!world_has(world, (enum sim_part)part) || acts[part] == NULL)
        return false;
    op = users_new_op(world, OP_DESK);
    return op != NULL && acts[part](world, op);
}
