/* outbox.c - the rows of replies: written, moved on, forgotten. */
#include "core/outbox.h"

/* Rows over long ago that go with each new one: more than one, so that the table shrinks after a surge. */
#define DROPS_PER_ADD 4
/* The most that are looked at when the table is full. */
#define SPARE_LOOKS_MAX 64

static struct aw_hash128
seq_key(uint64_t seq)
{
    return (struct aw_hash128){.low = seq};
}

static struct aw_hash128
provider_of(const struct aw_reply_row *reply)
{
    struct aw_hash128 provider;

    memcpy(&provider, reply->provider, sizeof(provider));
    return provider;
}

static uint32_t
fold(uint64_t op_hash)
{
    return (uint32_t)(op_hash ^ op_hash >> 32);
}

/* --- lists of those that are over ------------------------------------------------------------------------------------------- */

static struct aw_reply_list *
list_of(struct aw_state *state, enum aw_reply_state in)
{
    return in == AW_REPLY_DEAD ? &state->globals.replies_dead : &state->globals.replies_done;
}

static void
list_add(struct aw_state *state, uint32_t slot, enum aw_reply_state in)
{
    struct aw_reply_list *list = list_of(state, in);
    struct aw_reply_row  *row = aw_rows_change(&state->replies, slot);

    row->prev = list->last;
    row->next = 0;
    if (list->last != 0)
        ((struct aw_reply_row *)aw_rows_change(&state->replies, list->last))->next = slot;
    else
        list->first = slot;
    list->last = slot;
}

static void
list_remove(struct aw_state *state, uint32_t slot)
{
    struct aw_reply_row  *row = aw_rows_change(&state->replies, slot);
    struct aw_reply_list *list = list_of(state, (enum aw_reply_state)row->state);

    if (row->prev != 0)
        ((struct aw_reply_row *)aw_rows_change(&state->replies, row->prev))->next = row->next;
    else
        list->first = row->next;
    if (row->next != 0)
        ((struct aw_reply_row *)aw_rows_change(&state->replies, row->next))->prev = row->prev;
    else
        list->last = row->prev;
    row->next = 0;
    row->prev = 0;
}

/* --- moving ----------------------------------------------------------------------------------------------------------------- */

static bool
is_done(unsigned in)
{
    return in >= AW_REPLY_SENT;
}

static void
leave(struct aw_state *state, uint32_t slot, enum aw_reply_state next)
{
    unsigned in = aw_reply_at(state, slot)->state;

    if (in == AW_REPLY_WAITING)
        aw_outbox_dequeue(state, slot);
    else if (in == AW_REPLY_DEAD || (is_done(in) && !is_done(next)))
        list_remove(state, slot);
}

static void
enter(struct aw_state *state, uint32_t slot, unsigned before)
{
    unsigned in = aw_reply_at(state, slot)->state;

    if (in == AW_REPLY_WAITING)
        aw_outbox_enqueue(state, slot);
    else if (in == AW_REPLY_DEAD || (is_done(in) && !is_done(before)))
        list_add(state, slot, (enum aw_reply_state)in);
}

void
aw_outbox_set_code(struct aw_reply_row *row, struct aw_slice code)
{
    AW_ASSERT(code.len <= sizeof(row->code));
    memset(row->code, 0, sizeof(row->code));
    if (code.len > 0)
        memcpy(row->code, code.ptr, code.len);
}

void
aw_outbox_move(struct aw_state *state, uint32_t slot, enum aw_reply_state next, aw_ms due_at)
{
    static const unsigned allowed[AW_REPLY_STATES] = {
        [AW_REPLY_NONE] = 1U << AW_REPLY_PENDING | 1U << AW_REPLY_WAITING,
        [AW_REPLY_PENDING] = 1U << AW_REPLY_WAITING | 1U << AW_REPLY_REFUSED,
        [AW_REPLY_WAITING] =
            1U << AW_REPLY_LEASED | 1U << AW_REPLY_DEAD | 1U << AW_REPLY_SENT | 1U << AW_REPLY_DELIVERED | 1U << AW_REPLY_READ,
        [AW_REPLY_LEASED] = 1U << AW_REPLY_WAITING | 1U << AW_REPLY_FAILED | 1U << AW_REPLY_DEAD | 1U << AW_REPLY_SENT |
                            1U << AW_REPLY_DELIVERED | 1U << AW_REPLY_READ,
        [AW_REPLY_FAILED] =
            1U << AW_REPLY_WAITING | 1U << AW_REPLY_DEAD | 1U << AW_REPLY_SENT | 1U << AW_REPLY_DELIVERED | 1U << AW_REPLY_READ,
        [AW_REPLY_DEAD] = 1U << AW_REPLY_WAITING | 1U << AW_REPLY_SENT | 1U << AW_REPLY_DELIVERED | 1U << AW_REPLY_READ,
        [AW_REPLY_SENT] = 1U << AW_REPLY_FAILED | 1U << AW_REPLY_DEAD | 1U << AW_REPLY_DELIVERED | 1U << AW_REPLY_READ,
        [AW_REPLY_DELIVERED] = 1U << AW_REPLY_READ,
    };
    struct aw_reply_row *row = aw_rows_change(&state->replies, slot);
    unsigned             before = row->state;

    if (next == AW_REPLY_WAITING && (aw_reply_never_goes(row) || aw_contact_holds_back(state, row))) {
        next = AW_REPLY_DEAD;
        aw_outbox_set_code(row, row->is_erased    ? AW_SLICE(AW_REPLY_CODE_ERASED)
                                : row->is_dropped ? AW_SLICE(AW_REPLY_CODE_WITHDRAWN)
                                                  : AW_SLICE(AW_REPLY_CODE_OPTED_OUT));
    }
    AW_ASSERT((allowed[before] >> next & 1) != 0);
    leave(state, slot, next);
    state->replies_in[before]--;
    row->state = (unsigned)next & 0xF;
    state->replies_in[next]++;
    row->due_at = due_at;
    row->over_at = !aw_reply_is_over(row) ? 0 : is_done(before) && is_done(next) ? row->over_at : state->now;
    enter(state, slot, before);
    aw_timers_set(&state->reply_timers, slot, due_at);
}

/* --- finding ---------------------------------------------------------------------------------------------------------------- */

uint32_t
aw_outbox_find(const struct aw_state *state, uint64_t seq)
{
    return seq == 0 ? 0 : aw_index_find(&state->by_reply, seq_key(seq));
}

uint32_t
aw_outbox_find_written(const struct aw_state *state, const struct aw_ticket_row *ticket, uint64_t fence, uint64_t op_hash)
{
    uint32_t slot = aw_index_find(&state->by_reply_ticket, seq_key(ticket->opened_seq));

    for (; slot != 0; slot = aw_index_find_next(&state->by_reply_ticket, slot)) {
        const struct aw_reply_row *row = aw_reply_at(state, slot);

        if (row->written_fence == fence && row->op == fold(op_hash))
            return slot;
    }
    return 0;
}

uint32_t
aw_outbox_find_provider(const struct aw_state *state, struct aw_hash128 provider)
{
    return aw_index_find(&state->by_provider, provider);
}

/* --- room ------------------------------------------------------------------------------------------------------------------- */

uint32_t
aw_outbox_room(const struct aw_state *state)
{
    return aw_rows_room(&state->replies) + state->replies_in[AW_REPLY_DEAD] + state->replies_in[AW_REPLY_SENT] +
           state->replies_in[AW_REPLY_DELIVERED] + state->replies_in[AW_REPLY_READ] + state->replies_in[AW_REPLY_REFUSED];
}

enum aw_err
aw_outbox_admits(const struct aw_state *state)
{
    return aw_outbox_room(state) > aw_state_lease_count(state) ? AW_OK : AW_E_TABLE_FULL;
}

static uint32_t
count_of_ticket(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    uint32_t slot = aw_index_find(&state->by_reply_ticket, seq_key(ticket->opened_seq));
    uint32_t count = 0;

    for (; slot != 0; slot = aw_index_find_next(&state->by_reply_ticket, slot))
        count++;
    return count;
}

enum aw_err
aw_outbox_admits_reply(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    return count_of_ticket(state, ticket) < AW_TICKET_REPLIES_MAX ? aw_outbox_admits(state) : AW_E_TABLE_FULL;
}

bool
aw_outbox_may_owe(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    return count_of_ticket(state, ticket) < AW_TICKET_REPLIES_MAX / 2;
}

static void
forget(struct aw_state *state, uint32_t slot)
{
    const struct aw_reply_row *row = aw_reply_at(state, slot);
    struct aw_hash128          provider = provider_of(row);

    AW_ASSERT(aw_reply_is_over(row));
    list_remove(state, slot);
    aw_index_remove(&state->by_reply, slot);
    aw_index_remove(&state->by_reply_ticket, slot);
    if (provider.low != 0 || provider.high != 0)
        aw_index_remove(&state->by_provider, slot);
    aw_index_remove(&state->by_reply_to, slot);
    state->replies_in[row->state]--;
    aw_account_refer(state, row->account, -1);
    if (row->text != 0)
        aw_text_refer(state, row->text, -1);
    aw_rows_give(&state->replies, slot);
    aw_ledger_settle(&state->ledger);
}

static bool
forget_outdated(struct aw_state *state, const struct aw_reply_list *list)
{
    uint32_t slot = list->first;

    if (slot == 0 || state->now - aw_reply_at(state, slot)->over_at < state->globals.settings.dedupe_ms)
        return false;
    forget(state, slot);
    return true;
}

/* Whether its agent still works under the lease that it was written in, and may ask for it again. */
static bool
is_of_running_lease(const struct aw_state *state, uint32_t slot)
{
    const struct aw_reply_row  *row = aw_reply_at(state, slot);
    const struct aw_ticket_row *ticket = aw_ticket_at(state, row->ticket);

    return ticket->opened_seq == row->ticket_seq && ticket->state == AW_TICKET_LEASED &&
           aw_lease_at(state, ticket->link)->fence == row->written_fence;
}

/* What is forgotten before its time: so that no reply is written twice, rather none of a running lease; 0: it found none. */
static uint32_t
find_spare(const struct aw_state *state, const struct aw_reply_list *list)
{
    uint32_t slot = list->first;

    for (int i = 0; slot != 0 && i < SPARE_LOOKS_MAX; i++, slot = aw_reply_at(state, slot)->next) {
        if (!is_of_running_lease(state, slot))
            return slot;
    }
    return 0;
}

static uint32_t
choose_spare(const struct aw_state *state)
{
    const struct aw_globals *globals = &state->globals;
    uint32_t                 slot = find_spare(state, &globals->replies_done);

    if (slot == 0 && globals->replies_done.first == 0)
        slot = find_spare(state, &globals->replies_dead);
    if (slot != 0)
        return slot;
    return globals->replies_done.first != 0 ? globals->replies_done.first : globals->replies_dead.first;
}

/* Settles the ledger. */
static void
make_room(struct aw_state *state)
{
    struct aw_globals *globals = &state->globals;

    for (int i = 0; i < DROPS_PER_ADD; i++) {
        if (!forget_outdated(state, &globals->replies_done) && !forget_outdated(state, &globals->replies_dead))
            break;
    }
    if (aw_rows_room(&state->replies) == 0)
        forget(state, choose_spare(state));
}

/* --- writing ---------------------------------------------------------------------------------------------------------------- */

/* Whether this message is one of this ticket's. */
static bool
is_of_ticket(const struct aw_state *state, struct aw_message_id message, struct aw_ticket_id named, uint32_t slot)
{
    uint32_t moved = aw_state_moved_to(state, message.seq);

    if (moved != 0)
        return moved == slot;
    return named.seq == aw_ticket_at(state, slot)->opened_seq && named.slot == slot && !aw_facts_has_left(state, message.seq);
}

/* Whether the customer may be answered elsewhere: he said so in this ticket, and did not take it back. Who only talked about us
 * agreed to nothing. */
static bool
is_agreed(const struct aw_state *state, const struct aw_in_reply *reply, uint32_t slot)
{
    return is_of_ticket(state, reply->consent, reply->consent_ticket, slot) &&
           aw_facts_withdrawn_at(state, reply->consent.seq) == 0 && (aw_ticket_at(state, slot)->marks & AW_MARK_LISTENING) == 0;
}

enum aw_err
aw_outbox_check(const struct aw_state *state, const struct aw_command *command)
{
    const struct aw_in_reply *reply = &command->in.fenced.reply;
    uint32_t                  slot = command->in.fenced.lease.slot;

    if (reply->refusal != AW_OK)
        return reply->refusal;
    if (reply->to.seq == 0 || reply->channel.len == 0)
        return AW_E_STALE;
    if (!is_of_ticket(state, reply->to, reply->to_ticket, slot))
        return AW_E_BAD_VALUE;
    if (reply->consent.seq != 0 && !is_agreed(state, reply, slot))
        return AW_E_CHANNEL_CHANGE_REFUSED;
    return aw_contact_check(state, slot);
}

static unsigned
rank_of(const struct aw_ticket_row *ticket, const struct aw_in_reply *in)
{
    if (in->is_bulk)
        return AW_REPLY_RANK_BULK;
    return ticket->class_ == AW_CLASS_CARE ? 0 : ticket->class_ == AW_CLASS_IMMINENT ? 1 : 2;
}

static void
index_row(struct aw_state *state, uint32_t slot)
{
    const struct aw_reply_row *row = aw_reply_at(state, slot);
    struct aw_reply_links     *links = aw_rows_links(&state->replies, slot);
    struct aw_hash128          id = seq_key(row->seq), ticket = seq_key(row->ticket_seq), provider = provider_of(row);
    struct aw_hash128          to = seq_key(row->to_seq);

    *links = (struct aw_reply_links){.child = 0};
    memcpy(links->id, &id, sizeof(id));
    memcpy(links->ticket, &ticket, sizeof(ticket));
    memcpy(links->to, &to, sizeof(to));
    aw_index_insert(&state->by_reply, slot);
    aw_index_insert(&state->by_reply_ticket, slot);
    if (provider.low != 0 || provider.high != 0)
        aw_index_insert(&state->by_provider, slot);
    aw_index_insert(&state->by_reply_to, slot);
}

/* Its row, to be filled on; there is room. It does not wait yet. */
static struct aw_reply_row *
take_row(struct aw_state *state, uint64_t seq, uint32_t ticket, uint32_t account, uint32_t *ret_slot)
{
    uint32_t             slot = aw_rows_take(&state->replies);
    struct aw_reply_row *row = aw_rows_change(&state->replies, slot);

    aw_account_refer(state, account, 1);
    row->seq = seq & AW_ROW_SEQ_MAX;
    row->last_seq = row->seq;
    row->ticket_seq = aw_ticket_at(state, ticket)->opened_seq;
    row->written_at = state->now;
    row->ticket = ticket;
    row->account = account;
    *ret_slot = slot;
    return row;
}

static void
let_wait(struct aw_state *state, uint32_t slot, enum aw_reply_state in)
{
    index_row(state, slot);
    state->replies_in[AW_REPLY_NONE]++; /* out of which it moves */
    aw_outbox_move(state, slot, in, 0);
    state->globals.replied++;
    aw_ledger_settle(&state->ledger);
}

void
aw_outbox_add(struct aw_state *state, const struct aw_command *command, uint32_t agent)
{
    const struct aw_in_fenced  *in = &command->in.fenced;
    const struct aw_ticket_row *ticket = aw_ticket_at(state, in->lease.slot);
    unsigned                    rank = rank_of(ticket, &in->reply);
    uint32_t                    slot;
    struct aw_reply_row        *row;
    uint32_t                    contact;

    aw_ledger_settle(&state->ledger);
    make_room(state);
    contact = aw_contact_make(state, in->lease.slot, command->out.seq);
    row = take_row(state, command->out.seq, in->lease.slot, aw_account_make(state, in->reply.channel, in->reply.account), &slot);
    row->rank = rank & 0xF;
    row->to_seq = in->reply.to.seq & AW_ROW_SEQ_MAX;
    row->written_fence = in->lease.fence & AW_ROW_SEQ_MAX;
    row->agent = agent;
    row->contact = contact;
    row->op = fold(in->op_hash);
    let_wait(state, slot, aw_agent_needs_approval(state, agent) ? AW_REPLY_PENDING : AW_REPLY_WAITING);
    aw_agent_replied(state, agent);
}

/* --- what the server itself writes ------------------------------------------------------------------------------------------ */

static uint32_t
wait_ms(const struct aw_promise *promise, aw_ms by)
{
    uint64_t ms = by > promise->made_at ? by - promise->made_at : 0;

    AW_ASSERT(ms <= UINT32_MAX); /* AW_PROMISE_MOVED_MS_MAX */
    return (uint32_t)ms;
}

static void
put_facts(struct aw_reply_row *row, const struct aw_reply_facts *facts)
{
    memcpy(row->number, facts->number, sizeof(row->number));
    row->flight = facts->flight;
    row->departs_at = facts->departs_at;
    row->new_departs_at = facts->new_departs_at;
    row->promised_at = facts->promise.made_at;
    row->half_ms = wait_ms(&facts->promise, facts->promise.half_by);
    row->nine_of_ten_ms = wait_ms(&facts->promise, facts->promise.nine_of_ten_by);
}

void
aw_outbox_facts(const struct aw_reply_row *row, struct aw_reply_facts *ret_facts)
{
    *ret_facts = (struct aw_reply_facts){.flight = row->flight,
                                         .departs_at = row->departs_at,
                                         .new_departs_at = row->new_departs_at,
                                         .is_withdrawn = row->is_withdrawn};
    memcpy(ret_facts->number, row->number, sizeof(row->number));
    if (row->promised_at != 0)
        ret_facts->promise = (struct aw_promise){.made_at = row->promised_at,
                                                 .half_by = row->promised_at + row->half_ms,
                                                 .nine_of_ten_by = row->promised_at + row->nine_of_ten_ms};
}

/* The flight whose departure counts, else the one in the smallest slot, as the order of the list is not the state's; 0: none. */
static uint32_t
find_flight(const struct aw_state *state, uint32_t ticket)
{
    aw_ms    departs_at = aw_ticket_at(state, ticket)->departs_at;
    uint32_t found = 0;

    for (uint32_t at = state->ticket_facts[ticket]; at != 0; at = aw_fact_at(state, at)->links.next) {
        const struct aw_fact_row *fact = aw_fact_at(state, at);
        bool                      counts = fact->departs_at == departs_at;
        bool                      found_counts = found != 0 && aw_fact_at(state, found)->departs_at == departs_at;

        if (fact->kind != AW_FACT_FLIGHT || fact->hash == 0)
            continue;
        if (found == 0 || (counts && !found_counts) || (counts == found_counts && at < found))
            found = at;
    }
    return found;
}

struct aw_reply_facts
aw_outbox_facts_of(const struct aw_state *state, uint32_t ticket)
{
    uint32_t                  slot = find_flight(state, ticket);
    const struct aw_fact_row *fact = slot == 0 ? NULL : aw_fact_at(state, slot);
    const struct aw_plan     *plan = fact == NULL ? NULL : aw_flight_plan(state, fact->hash);
    struct aw_reply_facts     facts = {.departs_at = aw_ticket_at(state, ticket)->departs_at,
                                       .promise = aw_promise_of(aw_ticket_at(state, ticket))};

    if (fact == NULL)
        return facts;
    facts.flight = fact->hash;
    if (fact->departs_at != 0)
        facts.departs_at = fact->departs_at;
    if (plan != NULL && plan->state != AW_FLIGHT_CANCELLED && plan->from != 0 && plan->from != facts.departs_at)
        facts.new_departs_at = plan->from;
    return facts;
}

/* Only word for someone in a hurry goes with what people write. */
static unsigned
rank_owed(const struct aw_ticket_row *ticket, enum aw_reply_kind kind)
{
    if (kind != AW_REPLY_PROMISE_MOVED || ticket->class_ > AW_CLASS_IMMINENT)
        return AW_REPLY_RANK_BULK;
    return ticket->class_ == AW_CLASS_CARE ? 0 : 1;
}

enum aw_err
aw_outbox_admits_owed(const struct aw_state *state)
{
    uint64_t rows = (uint64_t)aw_rows_room(&state->replies) + state->globals.heads[AW_TABLE_REPLIES].live;

    return aw_outbox_room(state) > aw_state_lease_count(state) + rows / AW_REPLIES_SHARE_KEPT ? AW_OK : AW_E_TABLE_FULL;
}

bool
aw_outbox_owe(struct aw_state *state, const struct aw_command *command, uint32_t ticket, const struct aw_owed *owed)
{
    const struct aw_ticket_row *to = aw_ticket_at(state, ticket);
    uint32_t                    slot;
    struct aw_reply_row        *row;

    AW_ASSERT(command->out.changed);
    AW_ASSERT(owed->kind != AW_REPLY_BY_AGENT);
    if (owed->texts == 0 || to->account == 0)
        return false;
    if (aw_outbox_admits_owed(state) != AW_OK || !aw_outbox_may_owe(state, to)) {
        state->globals.owed_left_out++;
        return false;
    }
    aw_ledger_settle(&state->ledger);
    make_room(state);
    row = take_row(state, command->out.seq, ticket, to->account, &slot);
    row->kind = (unsigned)owed->kind & 0xF;
    row->rank = rank_owed(to, owed->kind) & 0xF;
    row->to_seq = to->message_seq;
    row->text = aw_texts_choose(state, owed->texts, to->lang);
    put_facts(row, &owed->facts);
    aw_text_refer(state, row->text, 1);
    let_wait(state, slot, AW_REPLY_WAITING);
    state->globals.owed[owed->kind]++;
    return true;
}

void
aw_outbox_withdraw(struct aw_state *state, uint64_t message_seq)
{
    uint32_t slot = aw_index_find(&state->by_reply_to, seq_key(message_seq));

    for (; slot != 0; slot = aw_index_find_next(&state->by_reply_to, slot)) {
        if (aw_reply_at(state, slot)->kind == AW_REPLY_BY_AGENT)
            continue;
        ((struct aw_reply_row *)aw_rows_change(&state->replies, slot))->is_withdrawn = 1;
        aw_ledger_settle(&state->ledger);
    }
}

/* Those of a ticket, as they were written: the order in which they enter a list is part of the state, that of a chain is not, as a
 * start makes the chain anew. Returns how many. */
static uint32_t
replies_of(const struct aw_state *state, uint64_t ticket_seq, uint32_t slots[AW_TICKET_REPLIES_MAX])
{
    uint32_t slot = aw_index_find(&state->by_reply_ticket, seq_key(ticket_seq));
    uint32_t count = 0;

    for (; slot != 0; slot = aw_index_find_next(&state->by_reply_ticket, slot)) {
        uint32_t at = count++;

        AW_ASSERT(count <= AW_TICKET_REPLIES_MAX);
        for (; at > 0 && aw_reply_at(state, slots[at - 1])->seq > aw_reply_at(state, slot)->seq; at--)
            slots[at] = slots[at - 1];
        slots[at] = slot;
    }
    return count;
}

/* What is under way at a gateway may still come to be sent; what comes back from there does not go again. */
static void
erase(struct aw_state *state, uint32_t slot)
{
    struct aw_reply_row *row = aw_rows_change(&state->replies, slot);

    row->is_erased = 1;
    if (row->state == AW_REPLY_PENDING) {
        aw_contact_unmake(state, row);
        aw_outbox_move(state, slot, AW_REPLY_REFUSED, 0);
    } else if (row->state == AW_REPLY_WAITING || row->state == AW_REPLY_FAILED) {
        aw_outbox_move(state, slot, AW_REPLY_DEAD, 0);
        aw_outbox_set_code(aw_rows_change(&state->replies, slot), AW_SLICE(AW_REPLY_CODE_ERASED));
    }
    aw_ledger_settle(&state->ledger);
}

void
aw_outbox_erase(struct aw_state *state, uint64_t ticket_seq, uint64_t through)
{
    uint32_t slots[AW_TICKET_REPLIES_MAX];
    uint32_t count = replies_of(state, ticket_seq, slots);

    aw_ledger_settle(&state->ledger);
    for (uint32_t i = 0; i < count && aw_reply_at(state, slots[i])->seq <= through; i++)
        erase(state, slots[i]);
}

bool
aw_outbox_would_erase(const struct aw_state *state, uint64_t ticket_seq, uint64_t through)
{
    uint32_t slot = aw_index_find(&state->by_reply_ticket, seq_key(ticket_seq));

    while (slot != 0 && (aw_reply_at(state, slot)->seq > through || aw_reply_at(state, slot)->is_erased))
        slot = aw_index_find_next(&state->by_reply_ticket, slot);
    return slot != 0;
}

/* What is under way at a gateway is as above. What an agent wrote says itself to whom it goes. */
static void
drop(struct aw_state *state, uint32_t slot)
{
    struct aw_reply_row *row = aw_rows_change(&state->replies, slot);

    if (row->kind == AW_REPLY_BY_AGENT)
        return;
    row->is_dropped = 1;
    if (row->state == AW_REPLY_WAITING || row->state == AW_REPLY_FAILED) {
        aw_outbox_move(state, slot, AW_REPLY_DEAD, 0);
        aw_outbox_set_code(aw_rows_change(&state->replies, slot), AW_SLICE(AW_REPLY_CODE_WITHDRAWN));
    }
    aw_ledger_settle(&state->ledger);
}

void
aw_outbox_drop_owed(struct aw_state *state, uint64_t ticket_seq)
{
    uint32_t slots[AW_TICKET_REPLIES_MAX];
    uint32_t count = replies_of(state, ticket_seq, slots);

    aw_ledger_settle(&state->ledger);
    for (uint32_t i = 0; i < count; i++)
        drop(state, slots[i]);
}

/* --- starts ----------------------------------------------------------------------------------------------------------------- */

void
aw_outbox_load_all(struct aw_state *state)
{
    aw_account_load_all(state);
    aw_index_presize(&state->by_reply, state->globals.heads[AW_TABLE_REPLIES].live);
    aw_index_presize(&state->by_reply_ticket, state->globals.heads[AW_TABLE_REPLIES].live);
    aw_index_presize(&state->by_reply_to, state->globals.heads[AW_TABLE_REPLIES].live);
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_REPLIES].used; slot++) {
        const struct aw_reply_row *row = aw_reply_at(state, slot);

        if (row->state == AW_REPLY_NONE)
            continue;
        index_row(state, slot);
        if (row->text != 0)
            aw_text_refer(state, row->text, 1);
        state->replies_in[row->state]++;
        if (row->state == AW_REPLY_WAITING)
            aw_outbox_enqueue(state, slot);
        aw_timers_set(&state->reply_timers, slot, row->due_at);
    }
}

void
aw_outbox_epoch(struct aw_state *state, aw_ms least)
{
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_REPLIES].used; slot++) {
        const struct aw_reply_row *row = aw_reply_at(state, slot);

        if (row->state != AW_REPLY_LEASED || row->due_at >= least)
            continue;
        ((struct aw_reply_row *)aw_rows_change(&state->replies, slot))->due_at = least;
        aw_timers_set(&state->reply_timers, slot, least);
        aw_ledger_settle(&state->ledger);
    }
}

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

static void
fill_view(const struct aw_state *state, const struct aw_reply_row *row, struct aw_reply_view *ret_view)
{
    *ret_view = (struct aw_reply_view){
        .reply = {.seq = row->seq, .shard = (uint8_t)state->globals.shard},
        .ticket = {.seq = row->ticket_seq, .slot = row->ticket, .shard = (uint8_t)state->globals.shard},
        .to = {.seq = row->to_seq, .shard = (uint8_t)state->globals.shard},
        .state = (enum aw_reply_state)row->state,
        .agent = row->kind == AW_REPLY_BY_AGENT ? aw_agent_name(state, row->agent) : (struct aw_slice){NULL, 0},
        .attempt = row->attempts,
        .is_uncertain = row->is_uncertain,
        .written_at = row->written_at,
        .due_at = row->due_at,
        .chain_seq = aw_outbox_chain(state, row),
        .over_at = row->over_at,
        .code_len = (uint8_t)strnlen(row->code, sizeof(row->code)),
        .kind = (enum aw_reply_kind)row->kind,
        .text = aw_outbox_text(state, row),
        .is_hidden = aw_reply_never_goes(row),
    };
    memcpy(ret_view->code, row->code, sizeof(row->code));
    aw_outbox_facts(row, &ret_view->facts);
}

enum aw_err
aw_state_reply(const struct aw_state *state, uint64_t seq, struct aw_reply_view *ret_view)
{
    uint32_t slot = aw_outbox_find(state, seq);

    if (slot == 0)
        return AW_E_NOT_FOUND;
    fill_view(state, aw_reply_at(state, slot), ret_view);
    return AW_OK;
}

uint32_t
aw_state_replies_of(const struct aw_state *state, uint64_t ticket_seq, struct aw_reply_view *ret_views, uint32_t room)
{
    uint32_t slot = aw_index_find(&state->by_reply_ticket, seq_key(ticket_seq));
    uint32_t count = 0;

    for (; slot != 0 && room > 0; slot = aw_index_find_next(&state->by_reply_ticket, slot)) {
        uint32_t             at;
        struct aw_reply_view view;

        fill_view(state, aw_reply_at(state, slot), &view);
        if (count == room && view.reply.seq < ret_views[0].reply.seq)
            continue;
        if (count == room) /* the oldest makes room */
            memmove(&ret_views[0], &ret_views[1], --count * sizeof(ret_views[0]));
        for (at = count++; at > 0 && ret_views[at - 1].reply.seq > view.reply.seq; at--)
            ret_views[at] = ret_views[at - 1];
        ret_views[at] = view;
    }
    return count;
}

bool
aw_state_ticket_awaits_approval(const struct aw_state *state, uint64_t ticket_seq)
{
    uint32_t slot = state->replies_in[AW_REPLY_PENDING] == 0 ? 0 : aw_index_find(&state->by_reply_ticket, seq_key(ticket_seq));

    while (slot != 0 && aw_reply_at(state, slot)->state != AW_REPLY_PENDING)
        slot = aw_index_find_next(&state->by_reply_ticket, slot);
    return slot != 0;
}

static bool
is_open(const struct aw_state *state, uint32_t slot)
{
    return slot != 0 && aw_reply_at(state, slot)->state <= AW_REPLY_SENT;
}

bool
aw_state_reply_is_open(const struct aw_state *state, uint64_t seq)
{
    return is_open(state, aw_outbox_find(state, seq));
}

bool
aw_state_reply_reads(const struct aw_state *state, uint64_t message_seq)
{
    uint32_t slot = aw_index_find(&state->by_reply_to, seq_key(message_seq));

    while (slot != 0 && (!is_open(state, slot) || aw_reply_at(state, slot)->kind == AW_REPLY_BY_AGENT))
        slot = aw_index_find_next(&state->by_reply_to, slot);
    return slot != 0;
}

bool
aw_state_reply_answers(const struct aw_state *state, uint64_t message_seq)
{
    uint32_t slot = aw_index_find(&state->by_reply_to, seq_key(message_seq));

    while (slot != 0 && !is_open(state, slot))
        slot = aw_index_find_next(&state->by_reply_to, slot);
    return slot != 0;
}

uint64_t
aw_state_replies_came(const struct aw_state *state)
{
    return state->replies_came;
}
