/* users_gateway.c - see users_parts.h. A provider is behind the gateways: it sends what it is given, each time, and knows nothing
 * of the server. So whether a reply came twice is seen there. */
#include "sim/users_parts.h"

#include <string.h>

/* --- gateways ----------------------------------------------------------------------------------------------------------------- */

/* A third of the customers have a flight, and name it in every other message. */
static aw_ms
departure_of(uint32_t customer)
{
    return customer % 3 == 0 ? WORLD_WALL + (1 + customer % 9) * HOUR_MS : 0;
}

/* Something that this customer got: what he writes belongs there, whatever he wrote since. */
static void
answer_one(struct world *world, struct model_source *source)
{
    const struct model *model = &world->model;
    uint32_t            first = model->reply_count == 0 ? 0 : users_below(world, model->reply_count);

    for (uint32_t i = 0; i < model->reply_count && users_below(world, 8) != 0; i++) {
        const struct model_reply *reply = &model->replies[(first + i) % model->reply_count];

        if (reply->told_send == 0 || !reply->is_there)
            continue;
        source->customer = reply->customer;
        source->departs_at = 0;
        source->answers = reply->seq;
        source->answers_send = reply->sends;
        source->is_private = users_draw(world, 2);
        return;
    }
}

static void
make_source(struct world *world, struct model_source *source, bool is_large)
{
    static const enum aw_class classes[] = {AW_CLASS_CARE, AW_CLASS_DISRUPTED, AW_CLASS_GENERAL, AW_CLASS_GENERAL,
                                            AW_CLASS_OTHER};
    bool                       is_late = users_below(world, 6) == 0;

    *source = (struct model_source){.customer = users_below(world, world->customers),
                                    .class_ = classes[users_below(world, AW_ARRAY_LEN(classes))],
                                    .received_at = is_late ? world->now - users_below(world, 30 * (uint32_t)HOUR_MS) : 0,
                                    .body_bytes = is_large ? MODEL_BODY_BYTES_MAX : 20 + users_below(world, 300)};
    if (users_draw(world, 2))
        source->departs_at = departure_of(source->customer);
    if (world_has(world, SIM_PART_WINDOWS) && users_draw(world, 2))
        source->reply_by = world->now + users_below(world, 10 * (uint32_t)HOUR_MS);
    if (world_has(world, SIM_PART_DIALOG)) {
        source->not_needed = users_draw(world, 4);
        answer_one(world, source);
    }
    if (!world_has(world, SIM_PART_CONTACTS))
        return;
    source->is_talk = users_draw(world, 4);
    source->opts_out = !source->is_talk && users_draw(world, 6);
}

void
gateway_say(const struct world *world, uint32_t number, struct aw_hash128 *identity, struct aw_flight_fact *flight,
            struct aw_in_message *ret_in)
{
    static const struct aw_slice numbers[] = {{"KL1", 3}, {"KL4", 3}, {"KL7", 3}};
    const struct model_source   *source = &world->model.sources[number];
    uint32_t                     goes = model_flight_of(source->customer);
    struct aw_airport_code       from = model_airport_of(goes);

    *identity = (struct aw_hash128){source->customer, aw_address_of(model_contact_hash(source->customer))};
    *flight = (struct aw_flight_fact){.flight_hash = goes, .departs_at = source->departs_at, .date_days = USERS_FLIGHT_DAYS};
    memcpy(flight->from, from.letters, sizeof(flight->from));
    if (world_has(world, SIM_PART_INCIDENTS) && goes != 0)
        flight->number = numbers[goes / 3];
    *ret_in = (struct aw_in_message){.id_hash = {number, 2},
                                     .identities = identity,
                                     .identity_count = 1,
                                     .channel = users_account.channel,
                                     .account = users_account.account,
                                     .lane = source->customer % 4 == 0 ? AW_SLICE("de") : (struct aw_slice){NULL, 0},
                                     .flights = flight,
                                     .flight_count = source->departs_at != 0,
                                     .received_at = source->received_at,
                                     .departs_at = source->departs_at,
                                     .class_ = source->class_,
                                     .addressed = source->is_talk ? AW_ADDRESSED_ABOUT_US : AW_ADDRESSED_TO_US,
                                     .opts_out = source->opts_out,
                                     .not_needed = source->not_needed,
                                     .reply_by = source->reply_by,
                                     .body = model_body(number, source->body_bytes)};
    if (source->answers != 0 && !source->is_talk)
        ret_in->in_reply_to = model_provider_hash(source->answers, source->answers_send);
    ret_in->visibility = source->is_private ? AW_VISIBILITY_PRIVATE : AW_VISIBILITY_PUBLIC;
    if (world_has(world, SIM_PART_CONTACTS) || world_has(world, SIM_PART_ERASE))
        ret_in->contact = model_contact_hash(source->customer);
}

/* A new message, or one that was posted before. */
bool
gateway_post(struct world *world, bool is_large)
{
    struct model        *model = &world->model;
    struct op           *op = users_new_op(world, OP_POST);
    bool                 again = !is_large && model->source_count > 0 && users_draw(world, 4);
    struct model_source *source;
    uint32_t             number = again ? users_below(world, model->source_count) : model->source_count;

    if (op == NULL || number == MODEL_SOURCES_MAX)
        return false;
    source = &model->sources[number];
    if (!again) {
        make_source(world, source, is_large);
        model->source_count++;
    }
    op->number = number;
    op->known = model->now;
    op->entries[0].command.kind = AW_COMMAND_MESSAGE;
    gateway_say(world, number, &op->identity, &op->flight, &op->entries[0].command.in.message);
    WORLD_TRACE(world, "post %u of %u%s%s", number, source->customer, source->is_talk ? ", talk" : "",
                source->opts_out ? ", opts out" : "");
    users_submit(world, op);
    return true;
}

/* So much at once that it is more than one batch. */
bool
gateway_post_many(struct world *world)
{
    bool did = false;

    for (uint32_t i = 0; world->store_bytes == 0 && i < 5; i++)
        did |= gateway_post(world, true);
    return did;
}

/* Any of its records that counted when it was posted: an answer may be taken when it was posted again, and accepted anew. */
static bool
is_of(const struct model *model, uint64_t seq, const struct op *op)
{
    for (uint32_t i = 0; i < model->message_count; i++) {
        const struct model_message *message = &model->messages[i];

        if (message->seq == seq)
            return message->source == op->number && message->at + model->settings.dedupe_ms >= op->known;
    }
    return false;
}

void
gateway_on_post(struct world *world, struct op *op)
{
    const struct aw_outcome_of *out = &op->entries[0].command.out;
    uint64_t                    seq = out->u.message.duplicate ? out->u.message.first_seq : out->seq;
    const struct model_source  *source = &world->model.sources[op->number];

    if (out->err == AW_E_STORE_FULL)
        sim_faults_count(&world->faults, SIM_MAP_FULL);
    if (out->err == AW_E_TABLE_FULL)
        sim_faults_count(&world->faults, SIM_TABLE_FULL);
    if (out->err != AW_OK)
        return;
    if (source->seq == 0)
        sim_broken("source %u was accepted, and is not durable", op->number);
    if (!is_of(&world->model, seq, op))
        sim_broken("source %u: its receipt names %llu, its last record is %llu", op->number, (unsigned long long)seq,
                   (unsigned long long)source->seq);
}

bool
gateway_take_replies(struct world *world)
{
    struct op *op = users_new_op(world, OP_REPLY_LEASE);

    if (op == NULL)
        return false;
    op->entries[0].command.kind = AW_COMMAND_REPLY_LEASE;
    op->entries[0].command.in.reply_lease = (struct aw_in_reply_lease){.accounts = &users_account,
                                                                       .account_count = 1,
                                                                       .max = 1 + users_below(world, WORLD_ENTRIES_MAX),
                                                                       .lease_ms = 5000 + 97 * world->reply_pulls++ % 60000,
                                                                       .gateway = AW_SLICE("gate"),
                                                                       .replies = op->replies};
    users_submit(world, op);
    return true;
}

/* --- sending ------------------------------------------------------------------------------------------------------------------ */

/* Of one that never came back nobody knows more than that, and it is told again later. */
static void
report(struct world *world, const struct model_reply *reply, const struct aw_in_reply_status *status)
{
    struct op *op = users_new_op(world, OP_REPLY_STATUS);

    if (op == NULL)
        return;
    op->number = (uint32_t)(reply - world->model.replies);
    op->send = status->fence == 0 && status->state == AW_REPLY_FAILED ? reply->bounced : 0;
    op->entries[0].command.kind = AW_COMMAND_REPLY_STATUS;
    op->entries[0].command.in.reply_status = *status;
    WORLD_TRACE(world, "reply %llu: %s under %llu%s, sent %u times, bounced %u", (unsigned long long)reply->seq,
                aw_reply_state_name(status->state), (unsigned long long)status->fence,
                status->is_uncertain   ? " perhaps"
                : status->is_permanent ? " for good"
                                       : "",
                reply->sends, reply->bounced);
    users_submit(world, op);
}

static void
report_sent(struct world *world, const struct model_reply *reply, uint64_t fence)
{
    report(world, reply,
           &(struct aw_in_reply_status){.reply = {.seq = reply->seq},
                                        .fence = fence,
                                        .state = AW_REPLY_SENT,
                                        .provider = model_provider_hash(reply->seq, reply->sends),
                                        .by = AW_SLICE("gate")});
}

static void
report_failed(struct world *world, const struct model_reply *reply, uint64_t fence, bool is_uncertain)
{
    report(world, reply,
           &(struct aw_in_reply_status){.reply = {.seq = reply->seq},
                                        .fence = fence,
                                        .state = AW_REPLY_FAILED,
                                        .code = AW_SLICE("busy"),
                                        .is_uncertain = is_uncertain,
                                        .is_permanent = users_draw(world, 8),
                                        .by = AW_SLICE("gate")});
}

/* What the provider is given it sends. */
static void
send(struct model_reply *reply)
{
    if (reply->is_there)
        sim_broken("reply %llu is sent to its customer a second time", (unsigned long long)reply->seq);
    reply->is_there = true;
    reply->sends++;
}

/* A gateway asks first where it must; it sends nothing under a lease that may be over, and does not always live to tell. */
static void
deliver(struct world *world, struct model_reply *reply, const struct aw_out_reply *out)
{
    uint32_t what = world->heals ? 9 : users_below(world, world_has(world, SIM_PART_DELIVERY) ? 6 : 8);

    WORLD_TRACE(world, "reply %llu is given out under %llu%s", (unsigned long long)reply->seq, (unsigned long long)out->fence,
                out->is_uncertain ? ", perhaps sent before" : "");
    if (out->due_at <= world->now)
        return;
    if (out->is_uncertain && reply->is_there) {
        report_sent(world, reply, out->fence);
    } else if (what == 0) {
        report_failed(world, reply, out->fence, false);
    } else if (what == 1) {
        if (users_draw(world, 2))
            send(reply);
        report_failed(world, reply, out->fence, true);
    } else if (what != 2) { /* else it forgets to */
        send(reply);
        if (what != 3)
            report_sent(world, reply, out->fence);
    }
}

/* What was told before it came on its way is not known by its record. */
static void
judge_given(const struct model_reply *reply, const struct aw_out_reply *out)
{
    if (reply != NULL && reply->sent_seq != 0 && reply->sent_seq < out->fence)
        sim_broken("reply %llu was sent, and is given out once more", (unsigned long long)reply->seq);
    if (reply == NULL || reply->fence < out->fence)
        sim_broken("reply %llu was given out under %llu, durable is %llu (in state %d)", (unsigned long long)out->reply.seq,
                   (unsigned long long)out->fence, reply == NULL ? 0 : (unsigned long long)reply->fence,
                   reply == NULL ? 0 : (int)reply->state);
    if (out->kind != reply->kind)
        sim_broken("reply %llu is given out as of another kind", (unsigned long long)reply->seq);
}

void
gateway_on_replies(struct world *world, struct op *op)
{
    const struct aw_outcome_of *out = &op->entries[0].command.out;
    struct aw_out_reply         replies[WORLD_ENTRIES_MAX];
    uint32_t                    count = out->u.reply_lease.count;

    if (out->err != AW_OK)
        sim_broken("replies are refused: %s", aw_err_name(out->err));
    memcpy(replies, op->replies, sizeof(replies)); /* what is submitted next may have this place */
    for (uint32_t i = 0; i < count; i++) {
        struct model_reply *reply = model_find_reply(&world->model, replies[i].reply.seq);

        judge_given(reply, &replies[i]);
        model_judge_given_text(&world->model, reply);
        deliver(world, reply, &replies[i]);
    }
}

void
gateway_on_status(struct world *world, struct op *op)
{
    const struct aw_outcome_of *out = &op->entries[0].command.out;
    struct model_reply         *reply = &world->model.replies[op->number];

    reply->is_forgotten |= op->send != 0 && out->err == AW_E_NOT_FOUND;
    /* Forgotten, or read: the provider need not say it again, but may. */
    if (op->send != 0 && (out->err == AW_OK || out->err == AW_E_NOT_FOUND)) {
        if (reply->bounced == op->send && users_draw(world, 2))
            reply->bounced = 0;
    } else if (out->err != AW_OK && out->err != AW_E_LEASE_LOST && out->err != AW_E_NOT_FOUND) {
        sim_broken("what became of reply %llu is refused: %s", (unsigned long long)reply->seq, aw_err_name(out->err));
    }
}

/* --- later -------------------------------------------------------------------------------------------------------------------- */

/* It tells of what came back until somebody hears it. */
static void
bounce(struct world *world, struct model_reply *reply)
{
    if (reply->bounced == 0) {
        reply->is_there = false;
        reply->bounced = reply->sends;
    }
    report(world, reply,
           &(struct aw_in_reply_status){.reply = {.seq = reply->seq},
                                        .state = AW_REPLY_FAILED,
                                        .code = AW_SLICE("bounced"),
                                        .provider = model_provider_hash(reply->seq, reply->bounced),
                                        .by = AW_SLICE("gate")});
}

bool
gateway_hear(struct world *world)
{
    struct model *model = &world->model;
    uint32_t      first = model->reply_count == 0 ? 0 : users_below(world, model->reply_count);

    if (!world_has(world, SIM_PART_DELIVERY))
        return false;
    for (uint32_t i = 0; i < model->reply_count; i++) {
        struct model_reply *reply = &model->replies[(first + i) % model->reply_count];

        if (reply->bounced != 0) {
            bounce(world, reply);
            return true;
        }
        if (world->heals || reply->state != AW_REPLY_SENT || !reply->is_there || reply->is_delivered)
            continue;
        if (users_draw(world, 2)) {
            bounce(world, reply);
            return true;
        }
        reply->is_delivered = true;
        report(world, reply,
               &(struct aw_in_reply_status){.reply = {.seq = reply->seq},
                                            .state = users_draw(world, 2) ? AW_REPLY_DELIVERED : AW_REPLY_READ,
                                            .by = AW_SLICE("gate")});
        return true;
    }
    return false;
}

/* What a customer deletes at the channel, perhaps more than once told. */
bool
gateway_withdraw(struct world *world)
{
    struct model         *model = &world->model;
    struct model_message *message;
    struct op            *op;

    if (!world_has(world, SIM_PART_WITHDRAW) || world->heals || model->message_count == 0)
        return false;
    message = &model->messages[users_below(world, model->message_count)];
    op = users_new_op(world, OP_DESK);
    if (op == NULL)
        return false;
    op->entries[0].command.kind = AW_COMMAND_WITHDRAW;
    op->entries[0].command.in.withdraw =
        (struct aw_in_withdraw){.message = {.seq = message->seq}, .ticket = message->named, .by = AW_SLICE("gate")};
    WORLD_TRACE(world, "message %llu is taken back", (unsigned long long)message->seq);
    users_submit(world, op);
    return true;
}
