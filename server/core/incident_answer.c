/* incident_answer.c - one answer for all tickets of an incident: who goes and who is held out, what was approved, each ticket. */
#include "core/incident.h"
#include "core/outbox.h"

/* --- what is known ---------------------------------------------------------------------------------------------------------- */

/* The ticket's flight that is a key of the incident, of several the one that was named first; 0: none is. */
static uint32_t
find_key_fact(const struct aw_state *state, uint32_t incident, uint32_t ticket, const struct aw_incident_key_row **ret_key)
{
    uint32_t best = 0;

    for (uint32_t at = state->ticket_facts[ticket]; at != 0; at = aw_fact_at(state, at)->links.next) {
        const struct aw_fact_row         *fact = aw_fact_at(state, at);
        const struct aw_incident_key_row *key =
            fact->kind != AW_FACT_FLIGHT || fact->hash == 0 ? NULL : aw_incident_flight_key(state, incident, fact->hash);

        if (key == NULL ||
            (best != 0 && (fact->seq > aw_fact_at(state, best)->seq || (fact->seq == aw_fact_at(state, best)->seq && at > best))))
            continue;
        best = at;
        *ret_key = key;
    }
    return best;
}

/* What an answer of this incident can say to this ticket: by its flight that is a key, else as any word of the server's. */
static struct aw_reply_facts
facts_of(const struct aw_state *state, uint32_t incident, uint32_t ticket)
{
    struct aw_reply_facts             facts = aw_outbox_facts_of(state, ticket);
    const struct aw_incident_key_row *key = NULL;
    uint32_t                          at = find_key_fact(state, incident, ticket, &key);
    const struct aw_plan             *plan;

    if (at == 0)
        return facts;
    plan = aw_flight_plan(state, aw_fact_at(state, at)->hash);
    facts.flight = aw_fact_at(state, at)->hash;
    memcpy(facts.number, key->name, sizeof(facts.number));
    facts.departs_at = aw_fact_at(state, at)->departs_at;
    facts.new_departs_at = plan == NULL || plan->state == AW_FLIGHT_CANCELLED || plan->from == facts.departs_at ? 0 : plan->from;
    return facts;
}

static bool
knows(const struct aw_reply_facts *facts, unsigned needs)
{
    unsigned known = (facts->flight != 0 ? AW_NEEDS_FLIGHT : 0) | (facts->departs_at != 0 ? AW_NEEDS_DEPARTURE : 0) |
                     (facts->new_departs_at != 0 ? AW_NEEDS_NEW_DEPARTURE : 0) |
                     (facts->promise.made_at != 0 ? AW_NEEDS_PROMISE : 0);

    return (needs & ~known) == 0;
}

/* Whether it is about more than this incident: flights beside those that are keys, or when none is, several; the same of bookings
 * when one of them is a key. */
static bool
is_about_several(const struct aw_state *state, uint32_t incident, uint32_t ticket)
{
    const struct aw_incident_key_row *key = NULL;
    bool                              has_key = find_key_fact(state, incident, ticket, &key) != 0;
    uint32_t                          others = 0, bookings = 0, claimed = 0;

    for (uint32_t at = state->ticket_facts[ticket]; at != 0; at = aw_fact_at(state, at)->links.next) {
        const struct aw_fact_row *fact = aw_fact_at(state, at);

        if (fact->kind == AW_FACT_FLIGHT && fact->hash != 0 && aw_incident_flight_key(state, incident, fact->hash) == NULL)
            others++;
        if (fact->kind == AW_FACT_BOOKING) {
            bookings++;
            claimed += aw_incident_has_booking(state, incident, fact->hash) ? 1 : 0;
        }
    }
    return others > (has_key ? 0U : 1U) || (claimed > 0 && bookings > claimed);
}

/* --- verdicts --------------------------------------------------------------------------------------------------------------- */

/* Whether it still is what was shown: the keys, the flight that its answer tells, and the ticket, whatever was done to it. */
static bool
is_as_shown(const struct aw_state *state, uint32_t incident, const struct aw_ticket_row *ticket,
            const struct aw_reply_facts *facts, uint64_t through)
{
    return aw_incident_at(state, incident)->keys_seq <= through && ticket->last_seq <= through &&
           (facts->flight == 0 || aw_flight_changed_by(state, facts->flight) <= through);
}

static enum aw_incident_verdict
judge(const struct aw_state *state, uint32_t incident, uint32_t slot, unsigned needs, uint64_t through)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);
    struct aw_reply_facts       facts = facts_of(state, incident, slot);

    if ((ticket->marks & AW_MARK_ANSWERED) != 0)
        return AW_VERDICT_ANSWERED;
    if (ticket->state == AW_TICKET_LEASED)
        return AW_VERDICT_LEASED;
    if (ticket->state == AW_TICKET_HELD || (ticket->marks & AW_MARK_COMMITTED) != 0)
        return AW_VERDICT_HELD;
    if (!is_as_shown(state, incident, ticket, &facts, through))
        return AW_VERDICT_CHANGED;
    if (ticket->class_ == AW_CLASS_CARE)
        return AW_VERDICT_CARE;
    if ((ticket->flags & AW_TICKET_GENTLE) != 0)
        return AW_VERDICT_GENTLE;
    if ((ticket->flags & AW_TICKET_CLASS_BY_PERSON) != 0)
        return AW_VERDICT_CLASS;
    if (ticket->account == 0 || ticket->lane == AW_LANE_LISTENING)
        return AW_VERDICT_CHANNEL;
    if (is_about_several(state, incident, slot))
        return AW_VERDICT_SEVERAL;
    if ((needs & AW_NEEDS_PRIVATE) != 0 && (ticket->marks & AW_MARK_PUBLIC) != 0)
        return AW_VERDICT_PUBLIC;
    if (!knows(&facts, needs & ~AW_NEEDS_PRIVATE))
        return AW_VERDICT_FACTS;
    /* Without room for any reply it only has to wait; with room it is this ticket that has too many. */
    if (aw_outbox_admits(state) == AW_OK && !aw_outbox_may_owe(state, ticket))
        return AW_VERDICT_REPLIES;
    return AW_VERDICT_GOES;
}

bool
aw_incident_is_to_be_answered(const struct aw_state *state, uint32_t slot)
{
    const struct aw_ticket_row   *ticket = aw_ticket_at(state, slot);
    uint32_t                      incident = aw_ticket_is_open(ticket) ? aw_incident_open_of(state, ticket) : 0;
    const struct aw_incident_row *row = incident == 0 ? NULL : aw_incident_at(state, incident);

    return row != NULL && row->is_answering != 0 && judge(state, incident, slot, row->needs, row->through_seq) == AW_VERDICT_GOES;
}

/* Of what is approved beside the tickets: the incident, and what its flights do. */
static uint64_t
facts_hash(const struct aw_state *state, uint32_t incident)
{
    static const struct aw_hash_key key = {"aswolk incident"};
    const struct aw_incident_row   *row = aw_incident_at(state, incident);
    uint64_t                        words[1 + 3 * AW_INCIDENT_KEYS_MAX] = {row->version};
    uint32_t                        count = 1;

    for (uint32_t at = row->keys; at != 0; at = aw_incident_key_at(state, at)->next) {
        const struct aw_incident_key_row *flight = aw_incident_key_at(state, at);
        uint64_t                          hash = (uint64_t)flight->key[1] << 32 | flight->key[0];
        const struct aw_plan             *plan = flight->key[2] == 1 + AW_INCIDENT_FLIGHT ? aw_flight_plan(state, hash) : NULL;

        words[count++] = hash;
        words[count++] = plan == NULL ? 0 : plan->from;
        words[count++] = plan == NULL ? UINT64_MAX : plan->state;
    }
    return aw_hash64(&key, words, count * sizeof(words[0]));
}

/* --- what is shown ---------------------------------------------------------------------------------------------------------- */

enum aw_err
aw_incident_try_begin(const struct aw_state *state, struct aw_incident_try *try_)
{
    uint32_t incident = aw_incident_find(state, try_->incident);

    if (incident == 0)
        return AW_E_NOT_FOUND;
    if (aw_incident_at(state, incident)->state != AW_INCIDENT_OPEN || aw_incident_at(state, incident)->is_answering != 0)
        return AW_E_WRONG_STATE;
    try_->facts = facts_hash(state, incident);
    if (try_->through == 0)
        try_->through = state->globals.seq;
    try_->count = 0;
    try_->next = 0;
    try_->is_gone = false;
    memset(try_->verdicts, 0, sizeof(try_->verdicts));
    try_->_slot = 1;
    return AW_OK;
}

static uint32_t
choose_text(const struct aw_incident_try *try_, uint16_t lang)
{
    uint32_t i = 0;

    while (i < try_->text_count && (lang == 0 || aw_lang_code(try_->texts[i].lang) != lang))
        i++;
    return i < try_->text_count ? i : 0;
}

bool
aw_incident_try_step(const struct aw_state *state, struct aw_incident_try *try_, uint32_t work)
{
    uint32_t last = state->globals.heads[AW_TABLE_TICKETS].used;

    try_->is_gone = aw_incident_find(state, try_->incident) == 0;
    if (try_->is_gone)
        return true;
    for (; try_->_slot <= last && work > 0; try_->_slot++, work--) {
        const struct aw_ticket_row *ticket = aw_ticket_at(state, try_->_slot);
        enum aw_incident_verdict    verdict;

        if (!aw_ticket_is_open(ticket) || aw_incident_of(state, ticket) != try_->incident.slot)
            continue;
        verdict = judge(state, try_->incident.slot, try_->_slot, try_->needs, try_->through);
        try_->verdicts[verdict]++;
        if (try_->_slot <= try_->after)
            continue;
        if (try_->count == try_->room) {
            try_->next = try_->next == 0 ? try_->items[try_->count - 1].ticket.slot : try_->next;
            continue;
        }
        try_->items[try_->count++] = (struct aw_incident_item){
            .ticket = aw_ticket_id_at(state, try_->_slot),
            .to = {.seq = ticket->message_seq, .shard = (uint8_t)state->globals.shard},
            .verdict = verdict,
            .text = choose_text(try_, ticket->lang),
            .facts = facts_of(state, try_->incident.slot, try_->_slot),
        };
    }
    return try_->_slot > last;
}

/* --- INCIDENT_ANSWER -------------------------------------------------------------------------------------------------------- */

static enum aw_err
check(const struct aw_state *state, const struct aw_in_incident_answer *in, uint32_t incident)
{
    enum aw_err err = aw_texts_check(in->texts, in->text_count);

    if (err != AW_OK || in->text_count == 0 || in->needs > AW_NEEDS_ALL)
        return AW_E_BAD_VALUE;
    if (aw_incident_at(state, incident)->state != AW_INCIDENT_OPEN || aw_incident_at(state, incident)->is_answering != 0)
        return AW_E_WRONG_STATE;
    if (in->through == 0 || in->through > state->globals.seq || in->facts != facts_hash(state, incident))
        return AW_E_PRECONDITION;
    if (aw_texts_are(state, aw_incident_at(state, incident)->texts, in->texts, in->text_count))
        return AW_OK; /* those rows stay */
    return aw_texts_admit(state, in->text_count);
}

void
aw_apply_incident_answer(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_incident_answer *in = &command->in.incident_answer;
    uint32_t                            incident = aw_incident_find(state, in->incident);
    struct aw_incident_row             *row;
    uint64_t                            seq;
    uint32_t                            texts;

    command->out.err = incident == 0 ? AW_E_NOT_FOUND : check(state, in, incident);
    if (incident != 0)
        aw_incident_fill_out(state, command, incident);
    if (command->out.err != AW_OK)
        return;
    seq = aw_state_record(state, command);
    texts = aw_incident_at(state, incident)->texts;
    if (!aw_texts_are(state, texts, in->texts, in->text_count)) {
        aw_texts_drop(state, texts);
        texts = aw_texts_add(state, AW_REPLY_INCIDENT, incident, in->texts, in->text_count, seq);
    }
    row = aw_rows_change(&state->incidents, incident);
    command->out.prev_seq = row->last_seq;
    row->last_seq = seq & AW_ROW_SEQ_MAX;
    row->version++;
    row->texts = texts;
    row->needs = in->needs;
    row->through_seq = in->through & AW_ROW_SEQ_MAX;
    row->answered_at = state->now;
    row->is_answering = 1;
    state->incident_work.answering_count++;
    aw_incident_begin_round(state);
    aw_incident_fill_out(state, command, incident);
}

/* --- INCIDENT_TIMER --------------------------------------------------------------------------------------------------------- */

/* None of its tickets is left that goes. */
static void
end_answer(struct aw_state *state, struct aw_command *command, uint32_t incident)
{
    struct aw_incident_row *row;

    if (aw_incident_at(state, incident)->is_answering == 0)
        return;
    row = aw_rows_change(&state->incidents, incident);
    command->out.prev_seq = row->last_seq;
    row->last_seq = aw_state_record(state, command) & AW_ROW_SEQ_MAX;
    row->is_answering = 0;
    state->incident_work.answering_count--;
}

static void
answer_ticket(struct aw_state *state, struct aw_command *command, uint32_t incident)
{
    uint32_t             slot = command->in.incident_timer.ticket.slot;
    const struct aw_owed owed = {
        .kind = AW_REPLY_INCIDENT, .texts = aw_incident_at(state, incident)->texts, .facts = facts_of(state, incident, slot)};
    struct aw_ticket_row   *ticket = aw_ticket_edit(state, slot);
    struct aw_incident_row *row = aw_rows_change(&state->incidents, incident);

    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = aw_state_record(state, command) & AW_ROW_SEQ_MAX;
    ticket->marks |= AW_MARK_ANSWERED;
    aw_promise_judge(state, ticket);
    aw_ticket_close(state, slot, ticket);
    aw_ticket_hide(ticket, slot, &command->out.event);
    row->answered++;
    aw_ticket_done(state, slot);
    if (!aw_outbox_owe(state, command, slot, &owed))
        AW_UNREACHABLE(); /* the verdict and the room were asked for */
}

void
aw_apply_incident_timer(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_incident_timer *in = &command->in.incident_timer;
    uint32_t                           incident = aw_incident_find(state, in->incident);
    bool                               goes;

    if (incident == 0)
        return;
    aw_incident_fill_out(state, command, incident);
    if (in->ticket.slot == 0) {
        end_answer(state, command, incident);
        return;
    }
    goes = aw_ticket_find(state, &(struct aw_in_ticket){.ticket = in->ticket}) == AW_OK &&
           aw_incident_open_of(state, aw_ticket_at(state, in->ticket.slot)) == incident &&
           aw_incident_is_to_be_answered(state, in->ticket.slot);
    if (goes && aw_outbox_admits_owed(state) != AW_OK) {
        command->out.err = AW_E_TABLE_FULL; /* it stays found: others make room */
        return;
    }
    aw_incident_take_found(state, in->ticket.slot);
    if (goes)
        answer_ticket(state, command, incident);
}
