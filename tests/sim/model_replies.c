/* model_replies.c - replies on their way out, as a provider meets them; and who only talked about us. */
#include "sim/model_parts.h"

#include <string.h>

#define GIVEN_MAX 64U /* of the newest; no pace is that high */

AW_STATIC_ASSERT(GIVEN_MAX <= AW_ARRAY_LEN(((struct model *)NULL)->given_at), "they are kept");

struct model_reply *
model_find_reply(struct model *model, uint64_t seq)
{
    for (uint32_t i = 0; i < model->reply_count; i++) {
        if (model->replies[i].seq == seq)
            return &model->replies[i];
    }
    return NULL;
}

struct aw_hash128
model_contact_hash(uint32_t customer)
{
    return (struct aw_hash128){.low = customer + 1, .high = 3};
}

struct aw_hash128
model_provider_hash(uint64_t reply, uint32_t send)
{
    return (struct aw_hash128){.low = reply << 16 | send, .high = 4};
}

struct aw_hash128
model_note_key(uint32_t note)
{
    return (struct aw_hash128){.low = note, .high = 5};
}

bool
model_is_out(const struct model_reply *reply)
{
    return reply->state >= AW_REPLY_DEAD;
}

/* --- contacts ----------------------------------------------------------------------------------------------------------------- */

/* What counts of him now. */
static struct model_contact *
contact_of(struct model *model, uint32_t customer)
{
    struct model_contact *contact = &model->contacts[customer];

    AW_ASSERT(customer < MODEL_CUSTOMERS);
    if (contact->opted_out_at == 0 && contact->contacted_at != 0 &&
        model->now - contact->contacted_at >= model->settings.contact_ms)
        *contact = (struct model_contact){.reply = 0};
    return contact;
}

/* He wants to hear nothing: his first contact is not sent, if that has time. */
static bool
is_held_back(struct model *model, const struct model_reply *reply)
{
    const struct model_contact *contact = contact_of(model, reply->customer);

    return reply->is_contact && contact->reply == reply->seq && contact->opted_out_at != 0;
}

static void
let_wait(struct model *model, struct model_reply *reply)
{
    reply->state = reply->is_dropped || is_held_back(model, reply) ? AW_REPLY_DEAD : AW_REPLY_WAITING;
}

static void
opt_out(struct model *model, struct model_contact *contact)
{
    struct model_reply *reply = model_find_reply(model, contact->reply);

    contact->opted_out_at = model->now;
    if (reply != NULL && reply->state == AW_REPLY_WAITING)
        let_wait(model, reply);
}

bool
model_hear(struct model *model, const struct model_source *source)
{
    struct model_contact *contact = contact_of(model, source->customer);

    if (contact->opted_out_at != 0)
        return source->opts_out;
    if (contact->contacted_at != 0 && source->opts_out) {
        opt_out(model, contact);
        return true;
    }
    *contact = (struct model_contact){.reply = 0}; /* he wrote to us himself */
    return false;
}

void
model_on_opt_out(struct model *model, const struct aw_command *command)
{
    const struct aw_in_opt_out *in = &command->in.opt_out;
    struct model_contact       *contact = contact_of(model, (uint32_t)in->contact.low - 1);

    REQUIRE(in->is_in == (contact->opted_out_at != 0) || (in->is_in && contact->contacted_at != 0),
            "record %llu: an opt-out that changes nothing", NUM(command->out.seq));
    if (in->is_in)
        *contact = (struct model_contact){.reply = 0};
    else
        opt_out(model, contact);
}

/* --- writing ------------------------------------------------------------------------------------------------------------------ */

static struct model_reply *
new_reply(struct model *model, const struct model_ticket *ticket, uint64_t seq)
{
    struct model_reply *reply = &model->replies[model->reply_count];

    REQUIRE(model->reply_count++ < MODEL_REPLIES_MAX, "the test's list of replies is too short");
    *reply = (struct model_reply){.seq = seq, .ticket = ticket->id.seq, .customer = ticket->customer, .state = AW_REPLY_WAITING};
    return reply;
}

void
model_add_reply(struct model *model, const struct model_ticket *ticket, const struct aw_command *command)
{
    struct model_contact *contact = contact_of(model, ticket->customer);
    struct model_reply   *reply = new_reply(model, ticket, command->out.seq);

    reply->agent = model_agent_of(command->in.fenced.agent);
    reply->written_fence = command->in.fenced.lease.fence;
    reply->is_contact = ticket->is_listening;
    model_add_text(model, ticket, reply->seq, 0, 40);
    if (model->needs_approval[reply->agent])
        reply->state = AW_REPLY_PENDING;
    if (!ticket->is_listening)
        return;
    REQUIRE(contact->contacted_at == 0 && contact->opted_out_at == 0,
            "record %llu: a second word to customer %u, who only talked about us or wants to hear nothing", NUM(command->out.seq),
            ticket->customer);
    *contact = (struct model_contact){.contacted_at = model->now, .reply = reply->seq};
}

void
model_add_owed(struct model *model, const struct model_ticket *ticket, uint64_t seq, enum aw_reply_kind kind)
{
    new_reply(model, ticket, seq)->kind = kind;
}

void
model_drop_owed(struct model *model, const struct model_ticket *ticket)
{
    for (uint32_t i = 0; i < model->reply_count; i++) {
        struct model_reply *reply = &model->replies[i];

        if (reply->ticket != ticket->id.seq || reply->kind == AW_REPLY_BY_AGENT)
            continue;
        reply->is_dropped = true;
        if (reply->state == AW_REPLY_WAITING || reply->state == AW_REPLY_FAILED)
            reply->state = AW_REPLY_DEAD;
    }
}

bool
model_erase_replies(struct model *model, uint64_t ticket_seq, uint64_t through)
{
    bool did = false;

    for (uint32_t i = 0; i < model->reply_count; i++) {
        struct model_reply   *reply = &model->replies[i];
        struct model_contact *contact = contact_of(model, reply->customer);

        if (reply->ticket != ticket_seq || reply->seq > through || reply->is_erased)
            continue;
        did = true;
        reply->is_dropped = reply->is_erased = true;
        if (reply->state == AW_REPLY_PENDING && reply->is_contact && contact->reply == reply->seq && contact->opted_out_at == 0)
            *contact = (struct model_contact){.reply = 0};
        if (reply->state == AW_REPLY_PENDING)
            reply->state = AW_REPLY_REFUSED;
        else if (reply->state == AW_REPLY_WAITING || reply->state == AW_REPLY_FAILED)
            reply->state = AW_REPLY_DEAD;
    }
    return did;
}

/* --- approval ----------------------------------------------------------------------------------------------------------------- */

/* Its ticket, which the lease under that it was written closed, is open again. */
static void
reopen(struct model *model, struct model_ticket *ticket, const struct model_reply *reply)
{
    if (ticket->state != AW_TICKET_CLOSED || !ticket->is_completed || ticket->ended_fence != reply->written_fence ||
        ticket->withdrawn == ticket->messages)
        return;
    ticket->state = AW_TICKET_WAITING;
    ticket->is_completed = false;
    ticket->kept_for = reply->agent;
    ticket->kept_until = model->now + model->settings.kept_transfer_ms;
    model_join(model, ticket);
    ticket->class_ = model_class_at(model, ticket, model->now, NULL);
}

void
model_on_approve(struct model *model, const struct aw_command *command)
{
    const struct aw_in_approve *in = &command->in.approve;
    struct model_reply         *reply = model_find_reply(model, in->reply.seq);
    uint32_t                    by = model_agent_of(in->by);
    struct model_contact       *contact;

    REQUIRE(reply != NULL && reply->state == AW_REPLY_PENDING, "record %llu: decided on a reply that does not wait for that",
            NUM(command->out.seq));
    REQUIRE(by != reply->agent && (by == MODEL_NOBODY || !model->needs_approval[by]), "record %llu: approved by who may not",
            NUM(command->out.seq));
    contact = contact_of(model, reply->customer);
    if (in->goes) {
        REQUIRE(!is_held_back(model, reply), "record %llu: goes to who wants to hear nothing", NUM(command->out.seq));
    } else if (reply->is_contact && contact->reply == reply->seq && contact->opted_out_at == 0) {
        *contact = (struct model_contact){.reply = 0};
    }
    reply->state = in->goes ? AW_REPLY_WAITING : AW_REPLY_REFUSED;
    if (command->out.effect.ticket_seq != 0) {
        struct model_ticket *ticket = model_ticket_of(model, command);

        REQUIRE(ticket->id.seq == reply->ticket, "record %llu: of another ticket", NUM(command->out.seq));
        if (in->goes && ticket->word.seq < reply->seq)
            model_answered(model, ticket);
        else if (!in->goes)
            reopen(model, ticket, reply);
    }
}

/* --- gateways ----------------------------------------------------------------------------------------------------------------- */

void
model_on_channel(struct model *model, const struct aw_command *command)
{
    const struct aw_in_channel *in = &command->in.channel;
    uint64_t                    old_ms = model->pace == 0 ? 0 : model->pace_ms;
    uint32_t                    kept = 0;

    for (uint32_t i = 0; i < model->given_count; i++) {
        if (model->given_at[i] + old_ms > model->now) /* what no pace counted does not count later */
            model->given_at[kept++] = model->given_at[i];
    }
    model->given_count = kept;
    model->pace = in->pace_count == 0 ? 0 : in->paces[0].replies;
    model->pace_ms = in->pace_count == 0 ? 0 : in->paces[0].slice_s * AW_MS_PER_S;
}

static void
judge_pace(struct model *model, const struct model_reply *reply)
{
    uint32_t count = 1;

    if (model->pace == 0)
        return;
    for (uint32_t i = 0; i < model->given_count; i++)
        count += model->given_at[i] + model->pace_ms > model->now;
    REQUIRE(count <= model->pace, "reply %llu is one of %u in %llu s, the pace is %u", NUM(reply->seq), count,
            NUM(model->pace_ms / AW_MS_PER_S), model->pace);
    if (model->given_count == GIVEN_MAX) {
        memmove(model->given_at, model->given_at + 1, (GIVEN_MAX - 1) * sizeof(model->given_at[0]));
        model->given_count--;
    }
    model->given_at[model->given_count++] = model->now;
}

/* The record does not say which were given out: the second state does, which has just followed it. */
void
model_on_reply_lease(struct model *model, const struct aw_command *command)
{
    for (uint32_t i = 0; i < model->reply_count; i++) {
        struct model_reply  *reply = &model->replies[i];
        struct aw_reply_view view;

        if (aw_state_reply(model->shadow, reply->seq, &view) != AW_OK || view.attempt == reply->given)
            continue;
        REQUIRE(reply->state == AW_REPLY_WAITING, "record %llu: reply %llu is given out in state %d", NUM(command->out.seq),
                NUM(reply->seq), (int)reply->state);
        judge_pace(model, reply);
        reply->state = AW_REPLY_LEASED;
        reply->fence = command->out.seq;
        reply->given = view.attempt;
        reply->until = model->now + command->in.reply_lease.lease_ms;
    }
}

static void
on_failure(struct model *model, const struct aw_command *command, struct model_reply *reply)
{
    const struct aw_in_reply_status *in = &command->in.reply_status;
    uint32_t                         send = (uint32_t)(in->provider.low & 0xFFFF);
    bool                             is_bounce = reply->state == AW_REPLY_SENT && in->fence == 0, is_dead;
    struct aw_reply_view             view;

    if (is_bounce) {
        REQUIRE(send > reply->bounces_read, "record %llu: reply %llu bounces a second time", NUM(command->out.seq),
                NUM(reply->seq));
        reply->bounces_read = send;
        reply->sent_seq = 0;
    } else {
        REQUIRE(reply->state == AW_REPLY_LEASED && reply->fence == in->fence, "record %llu: reply %llu failed under an old lease",
                NUM(command->out.seq), NUM(reply->seq));
    }
    reply->is_uncertain |= in->is_uncertain;
    is_dead = in->is_permanent || reply->given >= model->settings.reply_attempts_max;
    if (is_bounce && !is_dead) /* one that was sent gave its place away: there may be none to come back to */
        is_dead = aw_state_reply(model->shadow, reply->seq, &view) != AW_OK || view.state == AW_REPLY_DEAD;
    reply->state = is_dead ? AW_REPLY_DEAD : AW_REPLY_FAILED;
}

void
model_on_reply_status(struct model *model, const struct aw_command *command)
{
    const struct aw_in_reply_status *in = &command->in.reply_status;
    struct model_reply              *reply = model_find_reply(model, in->reply.seq);

    REQUIRE(reply != NULL, "record %llu: of a reply that never was", NUM(command->out.seq));
    REQUIRE(reply->state != AW_REPLY_PENDING && reply->state != AW_REPLY_REFUSED, "record %llu: nobody was given reply %llu",
            NUM(command->out.seq), NUM(reply->seq));
    if (in->state == AW_REPLY_FAILED) {
        on_failure(model, command, reply);
        return;
    }
    if ((in->provider.low != 0 || in->provider.high != 0) && in->state == AW_REPLY_SENT)
        reply->told_send = (uint32_t)(in->provider.low & 0xFFFF);
    if (in->state != AW_REPLY_SENT || (reply->state == AW_REPLY_SENT && in->fence >= reply->fence)) {
        reply->is_uncertain = false; /* it comes back no more; or who had it last says so too */
    } else if (reply->state < AW_REPLY_SENT) {
        reply->is_uncertain = reply->state == AW_REPLY_LEASED && in->fence != reply->fence; /* who holds it may send it too */
    }
    if (reply->state < in->state && reply->state < AW_REPLY_SENT)
        reply->sent_seq = command->out.seq;
    if (reply->state < in->state)
        reply->state = in->state;
}

void
model_on_reply_timer(struct model *model, const struct aw_command *command)
{
    struct model_reply *reply = model_find_reply(model, command->in.reply_timer.seq);

    REQUIRE(reply != NULL, "record %llu: of a reply that never was", NUM(command->out.seq));
    if (reply->state == AW_REPLY_LEASED) {
        REQUIRE(reply->until <= model->now, "record %llu: a gateway's lease ended before its time", NUM(command->out.seq));
        reply->is_uncertain = true;
        if (reply->given >= model->settings.reply_attempts_max) {
            reply->state = AW_REPLY_DEAD;
            return;
        }
    } else {
        REQUIRE(reply->state == AW_REPLY_FAILED, "record %llu: of a reply in state %d", NUM(command->out.seq), (int)reply->state);
    }
    let_wait(model, reply);
}

/* Which ones only the state tells. */
void
model_on_redrive(struct model *model)
{
    for (uint32_t i = 0; i < model->reply_count; i++) {
        struct model_reply  *reply = &model->replies[i];
        struct aw_reply_view view;

        if (reply->state != AW_REPLY_DEAD || aw_state_reply(model->shadow, reply->seq, &view) != AW_OK ||
            view.state == AW_REPLY_DEAD)
            continue;
        REQUIRE(!is_held_back(model, reply), "reply %llu goes after all to who wants to hear nothing", NUM(reply->seq));
        REQUIRE(!reply->is_dropped, "reply %llu goes after all, and its text is erased or nobody is there", NUM(reply->seq));
        reply->state = AW_REPLY_WAITING;
        reply->given = 0;
    }
}

/* --- comparing ---------------------------------------------------------------------------------------------------------------- */

static void
compare_reply(struct model *model, struct model_reply *reply)
{
    struct aw_reply_view view;
    unsigned long long   number = NUM(reply->seq);
    enum aw_err          err = aw_state_reply(model->state, reply->seq, &view);

    if (err != AW_OK) {
        REQUIRE(model_is_out(reply), "reply %llu, which was to be sent, is lost", number);
        return;
    }
    REQUIRE(view.state == reply->state, "reply %llu is %s, not %s", number, aw_reply_state_name(view.state),
            aw_reply_state_name(reply->state));
    REQUIRE(view.kind == reply->kind, "reply %llu is of another kind", number);
    REQUIRE(view.ticket.seq == reply->ticket, "reply %llu is of another ticket", number);
    REQUIRE(view.is_uncertain == reply->is_uncertain, "reply %llu is %s", number,
            reply->is_uncertain ? "taken for one that nobody sent" : "taken for one that may have been sent");
    if (reply->state == AW_REPLY_LEASED)
        REQUIRE(view.due_at == reply->until, "reply %llu: its lease ends at %llu, not %llu", number, NUM(view.due_at),
                NUM(reply->until));
}

static void
compare_contact(struct model *model, uint32_t customer)
{
    const struct model_contact *contact = contact_of(model, customer);
    struct aw_contact           view = aw_state_contact(model->state, model_contact_hash(customer));

    if (contact->opted_out_at == 0 && model->clock - contact->contacted_at >= model->settings.contact_ms)
        return; /* it is over, whether a record says that it is so late or not */
    REQUIRE(view.opted_out_at == contact->opted_out_at, "customer %u %s", customer,
            contact->opted_out_at != 0 ? "wants to hear nothing, and that is forgotten"
                                       : "never said that he wants to hear nothing");
    REQUIRE(view.contacted_at == contact->contacted_at && view.reply.seq == contact->reply,
            "customer %u was written to at %llu, not %llu", customer, NUM(view.contacted_at), NUM(contact->contacted_at));
}

void
model_compare_replies(struct model *model)
{
    for (uint32_t i = 0; i < model->reply_count; i++) {
        if (model->is_start || !model_is_out(&model->replies[i]))
            compare_reply(model, &model->replies[i]);
    }
    for (uint32_t customer = 0; customer < MODEL_CUSTOMERS && model->has_contacts; customer++)
        compare_contact(model, customer);
}

void
model_judge_delivery(const struct model *model)
{
    for (uint32_t i = 0; i < model->reply_count; i++) {
        const struct model_reply *reply = &model->replies[i];

        if (reply->state >= AW_REPLY_SENT && reply->state <= AW_REPLY_READ)
            REQUIRE(reply->is_there || reply->is_forgotten, "reply %llu counts as sent, and its customer never got it",
                    NUM(reply->seq));
        if (reply->state == AW_REPLY_REFUSED)
            REQUIRE(reply->sends == 0, "reply %llu was refused, and is sent", NUM(reply->seq));
    }
}
