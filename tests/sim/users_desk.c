/* users_desk.c - see users_parts.h. */
#include "sim/users_parts.h"

/* --- supervisors -------------------------------------------------------------------------------------------------------------- */

static bool
steer_lane(struct world *world, struct op *op)
{
    enum aw_lane_pause pause =
        world->heals || users_below(world, 2) == 0 ? AW_LANE_OPEN : (enum aw_lane_pause)users_below(world, 4);

    op->entries[0].command.kind = AW_COMMAND_LANE;
    op->entries[0].command.in.lane =
        (struct aw_in_lane){.name = users_below(world, 3) == 0 ? AW_SLICE("main") : AW_SLICE("de"), .pause = pause};
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

/* The second agent may be one whose words wait for a colleague. */
static bool
set_agent(struct world *world, struct op *op)
{
    const struct agent *agent = &world->agent[1];

    op->entries[0].command.kind = AW_COMMAND_AGENT;
    op->entries[0].command.in.agent = (struct aw_in_agent){.name = agent->name,
                                                           .lanes = agent->lanes,
                                                           .lane_count = agent->lane_count,
                                                           .needs_approval = !world->heals && !users_draw(world, 4),
                                                           .units_total = AW_UNITS_NO_TOTAL,
                                                           .by = AW_SLICE("eva")};
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
                                   .goes = world->heals ? !reply->is_unwelcome : users_below(world, 3) != 0,
                                   .by = world->heals ? AW_SLICE("eva") : world->agent[users_below(world, MODEL_AGENTS)].name};
        WORLD_TRACE(world, "reply %llu %s", (unsigned long long)reply->seq,
                    op->entries[0].command.in.approve.goes ? "may go" : "is refused");
        users_submit(world, op);
        return true;
    }
    return false;
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

    op->entries[0].command.kind = AW_COMMAND_TEMPLATE;
    op->entries[0].command.in.template_ = (struct aw_in_template){
        .kind = AW_REPLY_ACKNOWLEDGEMENT, .texts = &text, .text_count = users_draw(world, 5) ? 0 : 1, .by = AW_SLICE("eva")};
    users_submit(world, op);
    return true;
}

/* Of somebody, and whether he said so or takes it back. */
static bool
opt_out(struct world *world, struct op *op)
{
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

bool
desk_act(struct world *world)
{
    static bool (*const acts[SIM_PARTS])(struct world *, struct op *) = {
        [SIM_PART_DELIVERY] = redrive, [SIM_PART_PACE] = set_pace, [SIM_PART_APPROVAL] = approve, [SIM_PART_WITHDRAW] = NULL,
        [SIM_PART_CONTACTS] = opt_out, [SIM_PART_NOTES] = note,    [SIM_PART_OWED] = set_template};
    uint32_t   part = users_below(world, SIM_PARTS);
    struct op *op;

    if (!world_has(world, (enum sim_part)part) || acts[part] == NULL)
        return false;
    if (part == SIM_PART_CONTACTS && (world->heals || !users_draw(world, 3)))
        return false;
    op = users_new_op(world, part == SIM_PART_NOTES ? OP_NOTE : part == SIM_PART_APPROVAL ? OP_APPROVE : OP_DESK);
    if (op == NULL)
        return false;
    if (part == SIM_PART_APPROVAL && users_draw(world, 4)) {
        op->kind = OP_DESK;
        return set_agent(world, op);
    }
    return acts[part](world, op);
}
