/* users.c - gateways, agents and a supervisor, at the level of submissions: what an io thread would push for them, and what they
 * are told. They remember what they asked for and not yet got, and ask again after a crash, as clients do.
 */
#include "sim/users_parts.h"

#include <stdio.h>
#include <string.h>

static const uint32_t lanes_of_main[] = {0};
static const uint32_t lanes_of_two[] = {0, 2};
static const uint32_t lanes_of_front[] = {0, 1};

const struct aw_account_name users_account = {{"web", 3}, {"main", 4}};

uint32_t
users_below(struct world *world, uint32_t end)
{
    return random_below(&world->random, end);
}

bool
users_draw(struct world *world, uint32_t one_in)
{
    return users_below(world, one_in) == 0;
}

void
users_init(struct world *world)
{
    for (uint32_t i = 0; i < MODEL_AGENTS; i++)
        world->agent[i] = (struct agent){.name = aw_slice_str(model_agents[i]), .next_op = 1};
    world->agent[2].lanes = lanes_of_main;
    world->agent[2].lane_count = 1;
    world->agent[3].lanes = lanes_of_two;
    world->agent[3].lane_count = 2;
    for (uint32_t i = 0; world_has(world, SIM_PART_OVERFLOW) && i < MODEL_AGENTS; i++) {
        if (i == 2 || (i == 3 && users_draw(world, 2)))
            continue;
        world->agent[i].lanes = lanes_of_front;
        world->agent[i].lane_count = 2;
    }
}

/* --- submissions -------------------------------------------------------------------------------------------------------------- */

/* NULL: as many are out as may be. */
struct op *
users_new_op(struct world *world, enum op_kind kind)
{
    uint32_t end = kind == OP_CANCEL ? WORLD_OPS_MAX : WORLD_OPS_MAX - 2 * MODEL_AGENTS; /* who gives up always has a place */

    for (uint32_t i = 0; i < end; i++) {
        struct op *op = &world->op[i];

        if (op->is_out || op->is_kept)
            continue;
        op->kind = kind;
        op->parked = NULL;
        op->send = 0;
        memset(op->taken, 0, sizeof(op->taken));
        op->submission = (struct aw_submission){
            .kind = AW_SUBMIT_COMMANDS, .owner = op, .entries = op->entries, .count = 1, .woken_lane = AW_LANE_NONE};
        op->entries[0] = (struct aw_entry){.point = {.index = 0}};
        return op;
    }
    return NULL;
}

void
users_submit(struct world *world, struct op *op)
{
    op->is_out = true;
    if (!aw_ring_try_push(&world->in, &op->submission))
        sim_broken("a mailbox with a slot for each submission is full");
}

/* --- pulls -------------------------------------------------------------------------------------------------------------------- */

/* An entry out of a queue of some lane: what it was taken from goes back together. */
static void
note_queue(struct world *world, struct op *op, struct aw_in_lease *lease, const struct aw_head *head)
{
    uint32_t at = 0;

    while (at < lease->taken_count && lease->taken_from[at].lane != head->lane)
        at++;
    if (at == lease->taken_count) {
        lease->taken_from[lease->taken_count++] = (struct aw_lane_queues){.lane = (uint16_t)head->lane};
        op->submission.choices++;
        world->choices_out++;
    }
    lease->taken_from[at].queues |= (uint8_t)(1U << head->queue);
}

static void
note_taken(struct world *world, struct op *op, struct aw_in_lease *lease, const struct aw_head *head)
{
    struct model_ticket *ticket = model_in_slot(&world->model, head->slot);

    note_queue(world, op, lease, head);
    op->taken[op->submission.count] = ticket;
    if (ticket != NULL)
        ticket->in_hand++;
}

static void
add_choice(struct world *world, struct op *op, const struct aw_choice *choice)
{
    const struct agent *agent = &world->agent[op->agent];
    struct aw_in_lease *lease = &op->entries[op->submission.count].command.in.lease;

    op->entries[op->submission.count].command = (struct aw_command){.kind = AW_COMMAND_LEASE};
    *lease = (struct aw_in_lease){.slot = choice->head.slot,
                                  .version = choice->head.version,
                                  .through = choice->head.lane + 1,
                                  .agent = agent->name,
                                  .lease_ms = world->heals ? HOUR_MS : 5000 + users_below(world, 120000),
                                  .choice = {.at = world->wall,
                                             .order = world->order,
                                             .seen_seq = choice->seen_seq,
                                             .taken_seq = choice->taken_seq,
                                             .queue = (uint8_t)choice->head.queue,
                                             .lanes = agent->lanes,
                                             .lane_count = agent->lane_count,
                                             .taken_at = world->mono}};
    if (choice->head.queue != AW_CHOICE_ASIDE)
        note_taken(world, op, lease, &choice->head);
    op->submission.count++;
}

/* The same ticket lies in two queues, or in those of two lanes: its other entries go back with the first. */
static bool
has_choice(struct world *world, struct op *op, const struct aw_head *head)
{
    for (uint32_t i = 0; i < op->submission.count; i++) {
        struct aw_in_lease *lease = &op->entries[i].command.in.lease;

        if (lease->slot != head->slot || lease->version != head->version ||
            (lease->taken_count == AW_TICKET_LANES_MAX && lease->taken_from[0].lane != head->lane))
            continue;
        note_queue(world, op, lease, head);
        return true;
    }
    return false;
}

/* What waits aside only the committer knows: it fills in empty choices. */
static void
ask_aside(struct world *world, struct op *op)
{
    struct aw_choice none = {.head.queue = AW_CHOICE_ASIDE, .seen_seq = aw_lanes_published(world->lanes)};

    if (aw_lanes_directory_asides(&world->directory, false) == 0 || op->submission.count == WORLD_ENTRIES_MAX)
        return;
    none.taken_seq = none.seen_seq;
    add_choice(world, op, &none);
}

static bool
park(struct world *world, uint32_t number, struct op *op)
{
    const struct aw_agent_settings *settings;
    struct agent                   *agent = &world->agent[number];
    bool                            is_new = op == NULL;

    if (is_new)
        op = users_new_op(world, OP_PARK);
    if (op == NULL)
        return false;
    if (is_new) {
        op->agent = number;
        op->submission.kind = AW_SUBMIT_PARK;
        op->submission.park = (struct aw_park){.agent = agent->name,
                                               .order = &world->order,
                                               .lanes = agent->lanes,
                                               .lane_count = agent->lane_count,
                                               .nodes = op->node,
                                               .woken_lane = AW_LANE_NONE};
        for (unsigned i = 0; i < AW_ARRAY_LEN(op->node); i++)
            aw_list_init(&op->node[i].link);
    }
    settings = aw_agents_row_settings(aw_agents_directory_find(&world->agents_directory, agent->name));
    op->submission.park.stamp = settings == NULL ? 0 : settings->stamp;
    agent->parked = op;
    op->is_kept = true;
    WORLD_TRACE(world, "%s parks", model_agents[number]);
    users_submit(world, op);
    return true;
}

/* As many as it may hold, most urgent first. What passes over channels is not judged: all come from one. */
static void
take_some(struct world *world, uint32_t number, struct op *op, uint32_t max)
{
    struct agent         *agent = &world->agent[number];
    struct aw_agents_row *row = aw_agents_directory_find(&world->agents_directory, agent->name);
    struct aw_choice_of   of = {.lanes = world->lanes,
                                .directory = &world->directory,
                                .lane_list = agent->lanes,
                                .lane_count = agent->lane_count,
                                .order = &world->order};
    struct aw_units       units;
    struct aw_choice      choice;

    aw_agents_row_units(row, &units);
    for (;;) {
        of.full = aw_units_full(&units);
        if (op->submission.count == max || world->choices_out >= WORLD_CHOICES_MAX || aw_lanes_is_shut(world->lanes) ||
            !aw_choice_take(&of, world->wall, &choice))
            break;
        WORLD_TRACE(world, "%s takes slot %u version %u", model_agents[number], choice.head.slot, choice.head.version);
        if (of.full == 0)
            model_judge_choice(&world->model, choice.head.slot, choice.head.version, world->wall, agent->lanes,
                               agent->lane_count);
        if (has_choice(world, op, &choice.head))
            continue;
        add_choice(world, op, &choice);
        op->entries[op->submission.count - 1].command.in.lease.choice.full = of.full;
        aw_units_take(&units, choice.head.shelf);
    }
}

/* `parked`: the pull that was woken for it. */
static bool
pull(struct world *world, uint32_t number, struct op *parked)
{
    struct agent *agent = &world->agent[number];
    struct op    *op = users_new_op(world, OP_PULL);
    uint32_t      max = 1 + users_below(world, 2);

    if (op == NULL)
        return parked != NULL && park(world, number, parked);
    op->agent = number;
    op->parked = parked;
    op->submission.count = 0;
    take_some(world, number, op, max);
    if (op->submission.count < max)
        ask_aside(world, op);
    if (op->submission.count == 0)
        return parked != NULL || users_draw(world, 2) ? park(world, number, parked) : false;
    op->submission.pull = parked == NULL ? NULL : &parked->submission.park;
    if (parked != NULL) {
        op->submission.woken_lane = parked->submission.park.woken_lane;
        parked->submission.park.woken_lane = AW_LANE_NONE;
    }
    agent->is_pulling = true;
    users_submit(world, op);
    return true;
}

static void
on_park(struct world *world, struct op *op)
{
    struct agent *agent = &world->agent[op->agent];

    agent->parked = NULL;
    if (op->submission.err == AW_OK && op->submission.park.end != AW_PARK_CANCELLED)
        (void)pull(world, op->agent, op);
    else
        op->is_kept = false;
}

static void
on_granted(struct world *world, struct agent *agent, const struct aw_command *command)
{
    const struct aw_out_lease *out = &command->out.u.lease;
    struct token              *token = &agent->tokens[agent->token_count++ % WORLD_TOKENS_MAX];

    if (out->lease.fence > world->model.read_seq)
        sim_broken("a lease was answered, and is not durable");
    *token = (struct token){.lease = out->lease, .ticket = out->ticket, .message_seq = out->message_seq};
}

static void
on_pull(struct world *world, struct op *op)
{
    struct agent *agent = &world->agent[op->agent];
    bool          got = false;

    agent->is_pulling = false;
    world->choices_out -= op->submission.choices;
    for (uint32_t i = 0; i < op->submission.count && op->submission.err == AW_OK; i++) {
        const struct aw_command *command = &op->entries[i].command;

        if (op->taken[i] != NULL) /* the command there may be another by now: one that waits aside goes before */
            op->taken[i]->in_hand--;
        got |= command->out.err == AW_OK;
        if (command->out.err == AW_OK)
            on_granted(world, agent, command);
        else if (command->out.err != AW_E_STALE && command->out.err != AW_E_TABLE_FULL)
            sim_broken("a lease is refused: %s", aw_err_name(command->out.err));
    }
    if (op->parked != NULL && !got && op->submission.err == AW_OK)
        (void)pull(world, op->agent, op->parked); /* it keeps its place */
    else if (op->parked != NULL)
        op->parked->is_kept = false;
}

/* --- work --------------------------------------------------------------------------------------------------------------------- */

static bool
is_last_word(enum aw_command_kind kind)
{
    return kind != AW_COMMAND_EXTEND && kind != AW_COMMAND_REPLY;
}

static void
fill_reply(struct world *world, struct op *op, const struct token *token)
{
    op->entries[0].command.in.fenced.reply = (struct aw_in_reply){.is_there = true,
                                                                  .to = {.seq = token->message_seq},
                                                                  .to_ticket = token->ticket,
                                                                  .channel = users_account.channel,
                                                                  .account = users_account.account,
                                                                  .body = {.bytes = model_body(0, 40), .len = 40}};
    (void)world;
}

/* An agent does something with a ticket, or what it is no longer entitled to do. */
static bool
work(struct world *world, uint32_t number)
{
    static const enum aw_command_kind kinds[] = {AW_COMMAND_COMPLETE, AW_COMMAND_COMPLETE, AW_COMMAND_COMPLETE,
                                                 AW_COMMAND_EXTEND,   AW_COMMAND_REPLY,    AW_COMMAND_RELEASE,
                                                 AW_COMMAND_DECLINE,  AW_COMMAND_TRANSFER, AW_COMMAND_DEFER};
    struct agent                     *agent = &world->agent[number];
    uint32_t                          count = agent->token_count < WORLD_TOKENS_MAX ? agent->token_count : WORLD_TOKENS_MAX;
    struct token                     *token = count == 0 ? NULL : &agent->tokens[users_below(world, count)];
    struct op                        *op;
    enum aw_command_kind              kind = world->heals ? AW_COMMAND_COMPLETE : kinds[users_below(world, AW_ARRAY_LEN(kinds))];
    bool                 again = token != NULL && token->last_op != 0 && users_below(world, world->heals ? 8 : 3) == 0;
    struct aw_in_fenced *in;

    if (token == NULL || (token->has_ended && users_below(world, 3) != 0) || (op = users_new_op(world, OP_FENCED)) == NULL)
        return false;
    if (again)
        kind = token->last_kind;
    op->agent = number;
    op->number = (uint32_t)(token - agent->tokens);
    op->entries[0].command.kind = kind;
    in = &op->entries[0].command.in.fenced;
    *in = (struct aw_in_fenced){.lease = token->lease,
                                .agent = agent->name,
                                .op_hash = again ? token->last_op : (uint64_t)(number + 1) << 32 | agent->next_op++,
                                .lease_ms = kind == AW_COMMAND_EXTEND ? 5000 + users_below(world, 60000) : 0};
    if (kind == AW_COMMAND_REPLY ||
        (kind == AW_COMMAND_COMPLETE && (in->op_hash % 3 == 0 || world->model.needs_approval[number])))
        fill_reply(world, op, token);
    if (kind == AW_COMMAND_TRANSFER && in->op_hash % 2 == 0)
        op->entries[0].command.in.transfer.lane = AW_SLICE("de");
    else if (kind == AW_COMMAND_TRANSFER)
        op->entries[0].command.in.transfer.to = world->agent[in->op_hash % MODEL_AGENTS].name;
    if (kind == AW_COMMAND_DEFER) {
        op->entries[0].command.in.defer.until = world->now + 10000 + users_below(world, 600000);
        op->entries[0].command.in.defer.reason = AW_DEFER_CUSTOMER;
    }
    token->last_kind = kind;
    token->last_op = in->op_hash;
    WORLD_TRACE(world, "%s: %s under %llu%s", model_agents[number], aw_command_name(kind), (unsigned long long)in->lease.fence,
                again ? " again" : "");
    users_submit(world, op);
    return true;
}

/* Refused although the lease runs: `expires_at` is known to lie ahead of everything that the committer has done so far. */
static void
judge_lost(const struct world *world, const struct aw_command *command)
{
    const struct aw_in_fenced *in = &command->in.fenced;
    const struct model        *model = &world->model;

    for (uint32_t i = 0; i < model->ticket_count; i++) {
        const struct model_ticket *ticket = &model->tickets[i];

        if (ticket->state == AW_TICKET_LEASED && ticket->fence == in->lease.fence && world->now < ticket->expires_at)
            sim_broken("token %llu is told lost (%s), and its lease runs", (unsigned long long)in->lease.fence,
                       aw_err_name(command->out.err));
    }
}

/* Nothing changed and it is well: this must have been said before. */
static void
judge_repeat(const struct world *world, const struct aw_command *command)
{
    const struct aw_in_fenced *in = &command->in.fenced;
    const struct model        *model = &world->model;

    if (command->kind == AW_COMMAND_EXTEND || command->kind == AW_COMMAND_REPLY)
        return;
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        const struct model_ticket *ticket = &model->tickets[i];

        if (ticket->ended_fence == in->lease.fence &&
            (ticket->ended_kind != command->kind ||
             (uint32_t)(ticket->ended_op ^ ticket->ended_op >> 32) != (uint32_t)(in->op_hash ^ in->op_hash >> 32)))
            sim_broken("token %llu: told that a %s was done before, which it was not", (unsigned long long)in->lease.fence,
                       aw_command_name(command->kind));
    }
}

static void
on_fenced(struct world *world, struct op *op)
{
    const struct aw_command *command = &op->entries[0].command;
    struct token            *token = &world->agent[op->agent].tokens[op->number];
    enum aw_err              err = command->out.err;
    bool                     is_same = token->lease.fence == command->in.fenced.lease.fence;

    if (command->out.changed && command->out.seq > world->model.read_seq)
        sim_broken("a %s was answered, and is not durable", aw_command_name(command->kind));
    if (command->out.changed && world->model.records[command->out.seq].kind != command->kind)
        sim_broken("record %llu is no %s", (unsigned long long)command->out.seq, aw_command_name(command->kind));
    if (err == AW_OK && !command->out.changed)
        judge_repeat(world, command);
    if (err == AW_E_STORE_FULL)
        sim_broken("a %s is refused for lack of room", aw_command_name(command->kind));
    if (err == AW_E_LEASE_LOST || (err == AW_E_NOT_FOUND && command->out.u.lease.refusal == AW_TRANSFER_GOES))
        judge_lost(world, command);
    if (!is_same)
        return;
    if (err == AW_E_NEW_MESSAGES || (err == AW_OK && command->kind == AW_COMMAND_EXTEND))
        token->message_seq = command->out.u.lease.message_seq;
    if (err == AW_E_LEASE_LOST || (err == AW_OK && is_last_word(command->kind)))
        token->has_ended = true;
}

/* --- all of them -------------------------------------------------------------------------------------------------------------- */

bool
users_act(struct world *world)
{
    uint32_t what = users_below(world, world->parts == 0 ? 32 : 40), number = users_below(world, MODEL_AGENTS);

    if (aw_committer_role(world->committer) == AW_ROLE_STARTING)
        return false;
    if (what < 11 && !world->heals)
        return users_draw(world, 60) ? gateway_post_many(world) : gateway_post(world, false);
    if (what < 19)
        return !world->agent[number].is_pulling && world->agent[number].parked == NULL && pull(world, number, NULL);
    if (what < 27)
        return work(world, number);
    if (what < 30)
        return gateway_take_replies(world);
    if (what < 32)
        return desk_steer(world);
    if (what < 36)
        return users_draw(world, 3) ? gateway_withdraw(world) : gateway_hear(world);
    return desk_act(world);
}

static void
on_answer(struct world *world, struct op *op)
{
    const struct aw_command *command = &op->entries[0].command;

    if (op->submission.err != AW_OK && aw_committer_role(world->committer) != AW_ROLE_BROKEN)
        sim_broken("a submission comes back with %s", aw_err_name(op->submission.err));
    if (op->kind == OP_PULL) {
        on_pull(world, op);
        return;
    }
    if (op->kind == OP_PARK) {
        on_park(world, op);
        return;
    }
    if (op->kind == OP_UNFOLD)
        world->unfolding.is_out = false;
    if (op->kind == OP_ERASE)
        world->erasing.is_out = false;
    if (op->kind == OP_TRY)
        desk_on_try(world, op);
    if (op->kind == OP_QUERY)
        desk_on_query(world, op);
    if (op->submission.err != AW_OK)
        return;
    if (op->submission.kind == AW_SUBMIT_COMMANDS && command->out.err == AW_OK && command->out.changed &&
        command->out.seq > world->model.read_seq)
        sim_broken("a %s was answered, and is not durable", aw_command_name(command->kind));
    if (op->kind == OP_POST)
        gateway_on_post(world, op);
    else if (op->kind == OP_FENCED)
        on_fenced(world, op);
    else if (op->kind == OP_REPLY_LEASE)
        gateway_on_replies(world, op);
    else if (op->kind == OP_REPLY_STATUS)
        gateway_on_status(world, op);
    else if (op->kind == OP_ERASE)
        erase_on_answer(world, op);
    else if (op->kind == OP_NOTE)
        desk_on_note(world, op);
    else if (op->kind == OP_APPROVE)
        desk_on_approve(world, op);
}

bool
users_take_answer(struct world *world)
{
    struct aw_submission *submission = aw_ring_try_pop(&world->out);
    struct op            *op;

    if (submission == NULL)
        return false;
    op = submission->owner;
    if (!op->is_out)
        sim_broken("a submission comes back twice");
    op->is_out = false;
    WORLD_TRACE(world, "answer %d: %s %s %s", (int)op->kind, aw_err_name(op->submission.err),
                submission->kind == AW_SUBMIT_COMMANDS ? aw_command_name(op->entries[0].command.kind) : "",
                submission->kind == AW_SUBMIT_COMMANDS ? aw_err_name(op->entries[0].command.out.err) : "");
    on_answer(world, op);
    return true;
}

void
users_cancel_parked(struct world *world)
{
    for (uint32_t i = 0; i < MODEL_AGENTS; i++) {
        struct op *op = world->agent[i].parked == NULL ? NULL : users_new_op(world, OP_CANCEL);

        if (op == NULL)
            continue; /* nobody to give up, or all are about to */
        op->submission.kind = AW_SUBMIT_CANCEL;
        op->submission.target = &world->agent[i].parked->submission;
        users_submit(world, op);
    }
}

/* Which of the server's own doings are half done. */
static void
count_amid(struct world *world)
{
    const struct model *model = &world->model;
    bool                is_answering = false, is_sent = false, is_pending = false, is_put_off = false, is_helped = false;

    for (uint32_t i = 0; i < model->reply_count; i++) {
        is_sent |= model->replies[i].is_there && model->replies[i].sent_seq == 0;
        is_pending |= model->replies[i].state == AW_REPLY_PENDING;
    }
    for (uint32_t i = 0; i < model->ticket_count; i++) {
        is_put_off |= model->tickets[i].is_deferred;
        is_helped |= model->tickets[i].helped_turn != 0;
    }
    if (is_helped)
        sim_faults_count_amid(&world->faults, SIM_AMID_HELP);
    for (uint32_t i = 0; i < model->incident_count; i++)
        is_answering |= model->incidents[i].is_answering;
    if (is_answering)
        sim_faults_count_amid(&world->faults, SIM_AMID_ANSWER);
    if (is_sent)
        sim_faults_count_amid(&world->faults, SIM_AMID_SEND);
    if (is_pending)
        sim_faults_count_amid(&world->faults, SIM_AMID_APPROVAL);
    if (is_put_off)
        sim_faults_count_amid(&world->faults, SIM_AMID_WORD);
    if (model->asked_seq > model->erased_through && world->keys.is_there)
        sim_faults_count_amid(&world->faults, SIM_AMID_ERASURE);
}

void
users_count_lost(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_OPS_MAX; i++) {
        if (world->op[i].is_out && world->op[i].submission.kind == AW_SUBMIT_COMMANDS)
            sim_faults_count_command(&world->faults, world->op[i].entries[0].command.kind);
    }
    count_amid(world);
}

void
users_lose_all(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_OPS_MAX; i++)
        world->op[i].is_out = world->op[i].is_kept = false;
    erase_lose(world);
    world->unfolding.is_out = false;
    world->showing.is_out = world->showing.is_there = false;
    for (uint32_t i = 0; i < MODEL_AGENTS; i++) {
        world->agent[i].is_pulling = false;
        world->agent[i].parked = NULL;
    }
    for (uint32_t i = 0; i < world->model.ticket_count; i++)
        world->model.tickets[i].in_hand = 0;
    world->choices_out = 0;
}
