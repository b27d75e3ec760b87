/* message.c - a message arrives: known already, or it joins, reopens or opens a ticket.
 *
 * Every decision is made on const rows first (place, room); then it is carried out and cannot fail any more. The same decision,
 * asked by aw_message_admits, tells whether there is room.
 */
#include "core/incident.h"
#include "core/outbox.h"

/* Tickets closed long ago that a newly opened one takes along: more than one, so that the table shrinks after a surge; and the
 * most that are looked at when a table is full, so that one message's work stays bounded. */
#define REUSES_PER_OPENING 4U
#define REUSES_MAX         64U

enum place_kind { OPENS, JOINS, REOPENS };
struct place {
    enum place_kind kind;
    uint32_t        slot;    /* JOINS, REOPENS */
    uint32_t        related; /* another open ticket that matched; 0: none */
    uint32_t        lane;
    bool            lane_unknown;
};

/* --- finding its place ---------------------------------------------------------------------------------------------------- */

static aw_ms
ids_floor(const struct aw_state *state)
{
    uint64_t dedupe_ms = state->globals.settings.dedupe_ms;
    aw_ms    floor = state->now > dedupe_ms ? state->now - dedupe_ms : 0;

    return floor > state->globals.ids_floor ? floor : state->globals.ids_floor;
}

uint64_t
aw_state_find_message(const struct aw_state *state, struct aw_hash128 id_hash)
{
    return aw_dedupe_find(&state->ids, id_hash, ids_floor(state));
}

static uint32_t
older(const struct aw_state *state, uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return aw_ticket_at(state, a)->opened_seq < aw_ticket_at(state, b)->opened_seq ? a : b;
}

/* Of one moment, the one with the newer last record. */
static uint32_t
closed_later(const struct aw_state *state, uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    if (aw_ticket_at(state, a)->until != aw_ticket_at(state, b)->until)
        return aw_ticket_at(state, a)->until > aw_ticket_at(state, b)->until ? a : b;
    return aw_ticket_at(state, a)->last_seq > aw_ticket_at(state, b)->last_seq ? a : b;
}

struct matches {
    uint32_t oldest; /* of the open ones */
    uint32_t second;
    uint32_t closed; /* the one that closed last, of those that may still reopen */
};

static void
note_match(const struct aw_state *state, struct matches *matches, uint32_t slot)
{
    if (aw_ticket_is_open(aw_ticket_at(state, slot))) {
        if (slot == matches->oldest)
            return;
        if (older(state, slot, matches->oldest) == slot) {
            matches->second = matches->oldest;
            matches->oldest = slot;
        } else {
            matches->second = older(state, slot, matches->second);
        }
    } else if (aw_ticket_is_reopenable(state, aw_ticket_at(state, slot))) {
        matches->closed = closed_later(state, slot, matches->closed);
    }
}

static bool
has_identity(const struct aw_state *state, uint32_t ticket, struct aw_hash128 hash)
{
    uint32_t row = aw_index_find(&state->by_identity, hash);

    while (row != 0 && aw_identity_at(state, row)->ticket != ticket)
        row = aw_index_find_next(&state->by_identity, row);
    return row != 0;
}

static bool
knows_one_of(const struct aw_state *state, uint32_t ticket, const struct aw_in_message *in)
{
    uint32_t i = 0;

    while (i < in->identity_count && !has_identity(state, ticket, in->identities[i]))
        i++;
    return i < in->identity_count;
}

/* The ticket of the reply that it answers, while that can be joined; 0: none. */
static uint32_t
answered(const struct aw_state *state, const struct aw_in_message *in)
{
    bool                        is_told = in->in_reply_to.low != 0 || in->in_reply_to.high != 0;
    uint32_t                    slot = is_told ? aw_outbox_find_provider(state, in->in_reply_to) : 0;
    const struct aw_reply_row  *reply = slot == 0 ? NULL : aw_reply_at(state, slot);
    const struct aw_ticket_row *ticket = reply == NULL ? NULL : aw_ticket_at(state, reply->ticket);

    if (ticket == NULL || ticket->opened_seq != reply->ticket_seq)
        return 0;
    if (in->visibility == AW_VISIBILITY_PUBLIC && !knows_one_of(state, reply->ticket, in))
        return 0; /* anybody may answer what we post in public */
    return aw_ticket_is_open(ticket) || aw_ticket_is_reopenable(state, ticket) ? reply->ticket : 0;
}

static struct place
find_place(const struct aw_state *state, const struct aw_in_message *in)
{
    struct matches matches = {0};
    struct place   place = {.kind = OPENS};

    place.lane = aw_lane_choose(state, in, &place.lane_unknown);
    if (in->addressed != AW_ADDRESSED_TO_US)
        return place; /* talk about us is nobody's ticket: it is never folded */
    place.slot = answered(state, in);
    if (place.slot != 0) {
        place.kind = aw_ticket_is_open(aw_ticket_at(state, place.slot)) ? JOINS : REOPENS;
        place.lane = aw_ticket_at(state, place.slot)->lane;
        return place;
    }
    for (uint32_t i = 0; i < in->identity_count; i++) {
        uint32_t row = aw_index_find(&state->by_identity, in->identities[i]);

        for (; row != 0; row = aw_index_find_next(&state->by_identity, row))
            note_match(state, &matches, aw_identity_at(state, row)->ticket);
    }
    if (matches.oldest != 0) {
        place.kind = JOINS;
        place.slot = matches.oldest;
        place.related = matches.second;
    } else if (matches.closed != 0) {
        place.kind = REOPENS;
        place.slot = matches.closed;
    }
    if (place.kind != OPENS)
        place.lane = aw_ticket_at(state, place.slot)->lane;
    return place;
}

/* --- room ----------------------------------------------------------------------------------------------------------------- */

static struct aw_need
need_of(const struct aw_state *state, const struct aw_in_message *in, const struct place *place)
{
    struct aw_need need = {.tickets = place->kind == OPENS ? 1 : 0, .facts = aw_facts_need(in)};

    if (in->addressed != AW_ADDRESSED_TO_US)
        return need;
    for (uint32_t i = 0; i < in->identity_count; i++) {
        if (place->kind == OPENS || !has_identity(state, place->slot, in->identities[i]))
            need.identities++;
    }
    return need;
}

static bool
is_over(const struct aw_state *state, uint32_t slot)
{
    return slot != 0 && !aw_ticket_closed_lately(state, aw_ticket_at(state, slot));
}

enum aw_err
aw_need_check(const struct aw_state *state, struct aw_need need)
{
    uint32_t tickets = aw_rows_room(&state->tickets);
    uint32_t identities = aw_rows_room(&state->identities);
    uint32_t facts = aw_rows_room(&state->facts);
    uint32_t slot = state->globals.closed_first;

    for (uint32_t i = 0; tickets < need.tickets || identities < need.identities || facts < need.facts; i++) {
        if (i == REUSES_MAX || !is_over(state, slot))
            return AW_E_TABLE_FULL;
        tickets++;
        identities += aw_ticket_at(state, slot)->identity_count;
        facts += aw_facts_count(state, slot);
        slot = aw_ticket_at(state, slot)->link;
    }
    return AW_OK;
}

/* Whether it can be taken in. */
static enum aw_err
check_room(const struct aw_state *state, struct aw_need need)
{
    return aw_dedupe_has_room(&state->ids, ids_floor(state)) ? aw_need_check(state, need) : AW_E_TABLE_FULL;
}

static enum aw_err
check_lane(const struct aw_state *state, const struct place *place)
{
    unsigned pause = aw_lane_at(state, place->lane)->pause;

    if (place->kind == JOINS || pause == AW_LANE_OPEN || pause == AW_LANE_PAUSED_OUT)
        return AW_OK;
    return AW_E_LANE_PAUSED;
}

void
aw_message_prefetch(const struct aw_state *state, const struct aw_in_message *in)
{
    aw_dedupe_prefetch(&state->ids, in->id_hash);
    for (uint32_t i = 0; i < in->identity_count; i++)
        aw_index_prefetch(&state->by_identity, in->identities[i]);
}

enum aw_err
aw_message_admits(const struct aw_state *state, const struct aw_in_message *in)
{
    struct place place;

    if (aw_rows_room(&state->tickets) > 0 && aw_rows_room(&state->identities) >= in->identity_count &&
        aw_rows_room(&state->facts) >= aw_facts_need(in) && aw_dedupe_has_room(&state->ids, ids_floor(state)))
        return AW_OK;
    if (aw_dedupe_find(&state->ids, in->id_hash, ids_floor(state)) != 0)
        return AW_OK; /* a duplicate takes no room */
    place = find_place(state, in);
    return check_room(state, need_of(state, in, &place));
}

/* --- identities ----------------------------------------------------------------------------------------------------------- */

static void
unlink_identity(struct aw_state *state, uint32_t row)
{
    uint32_t              slot = aw_identity_at(state, row)->ticket;
    uint32_t              next = aw_identity_at(state, row)->next;
    uint32_t              at = aw_ticket_at(state, slot)->identities;
    struct aw_ticket_row *ticket = aw_rows_change(&state->tickets, slot);

    ticket->identity_count--;
    if (at == row) {
        ticket->identities = next;
        return;
    }
    while (aw_identity_at(state, at)->next != row)
        at = aw_identity_at(state, at)->next;
    ((struct aw_identity_row *)aw_rows_change(&state->identities, at))->next = next;
}

static void
drop_identity(struct aw_state *state, uint32_t row)
{
    unlink_identity(state, row);
    aw_index_remove(&state->by_identity, row);
    aw_rows_give(&state->identities, row);
}

static void
link_identity(struct aw_state *state, uint32_t slot, struct aw_hash128 hash)
{
    struct aw_ticket_row   *ticket = aw_rows_change(&state->tickets, slot);
    uint32_t                taken = aw_rows_take(&state->identities);
    struct aw_identity_row *row = aw_rows_change(&state->identities, taken);

    memcpy(row->hash, &hash, sizeof(hash));
    row->ticket = slot;
    row->next = ticket->identities;
    ticket->identities = taken;
    ticket->identity_count++;
    aw_index_insert(&state->by_identity, taken);
}

/* The rows of an identity, by slot: the order in which they are given back is part of the state, the order of a chain is not. */
static uint32_t
rows_of(const struct aw_state *state, struct aw_hash128 hash, uint32_t rows[AW_IDENTITY_TICKETS_MAX])
{
    uint32_t count = 0;

    for (uint32_t row = aw_index_find(&state->by_identity, hash); row != 0; row = aw_index_find_next(&state->by_identity, row)) {
        uint32_t at = count++;

        AW_ASSERT(count <= AW_IDENTITY_TICKETS_MAX);
        for (; at > 0 && rows[at - 1] > row; at--)
            rows[at] = rows[at - 1];
        rows[at] = row;
    }
    return count;
}

/* Gives an open ticket one more identity. Closed tickets lose it: from now on this one would always be found before them, as it
 * is open now and will close later. So an identity never names more than AW_IDENTITY_TICKETS_MAX tickets, and a lookup is
 * bounded. */
void
aw_identity_add(struct aw_state *state, uint32_t slot, struct aw_hash128 hash)
{
    uint32_t rows[AW_IDENTITY_TICKETS_MAX];
    uint32_t count = rows_of(state, hash, rows);
    uint32_t open = 0, youngest = 0;
    bool     has = false;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t ticket = aw_identity_at(state, rows[i])->ticket;

        if (ticket == slot) {
            has = true;
        } else if (!aw_ticket_is_open(aw_ticket_at(state, ticket))) {
            drop_identity(state, rows[i]);
        } else {
            open++;
            if (youngest == 0 || older(state, aw_identity_at(state, youngest)->ticket, ticket) != ticket)
                youngest = rows[i];
        }
    }
    if (!has && aw_ticket_at(state, slot)->identity_count < AW_TICKET_IDENTITIES_MAX) {
        if (open == AW_IDENTITY_TICKETS_MAX)
            drop_identity(state, youngest); /* a message always joins the oldest, so the youngest is missed least */
        link_identity(state, slot, hash);
    }
    aw_ledger_settle(&state->ledger);
}

static bool
is_told(const struct aw_told *told, const uint32_t hash[4])
{
    for (uint32_t i = 0; i < told->identity_count; i++) {
        if (memcmp(&told->identities[i], hash, sizeof(told->identities[i])) == 0)
            return true;
    }
    return false;
}

void
aw_identities_keep(struct aw_state *state, uint32_t ticket, const struct aw_told *told)
{
    for (uint32_t row = aw_ticket_at(state, ticket)->identities; row != 0;) {
        uint32_t next = aw_identity_at(state, row)->next;

        if (!is_told(told, aw_identity_at(state, row)->hash)) {
            drop_identity(state, row);
            aw_ledger_settle(&state->ledger);
        }
        row = next;
    }
}

/* --- reuse of tickets closed long ago ------------------------------------------------------------------------------------- */

static void
reuse_oldest(struct aw_state *state)
{
    uint32_t              slot = state->globals.closed_first;
    struct aw_ticket_row *ticket;

    aw_facts_drop(state, slot);
    ticket = aw_ticket_edit(state, slot);
    while (ticket->identities != 0)
        drop_identity(state, ticket->identities);
    aw_account_of_ticket(state, ticket, (struct aw_slice){NULL, 0}, (struct aw_slice){NULL, 0});
    aw_commitment_drop(state, slot, ticket); /* its reply was never decided on */
    aw_ticket_unclose(state, ticket);
    aw_ticket_move(ticket, AW_TICKET_FREE);
    aw_ticket_done(state, slot);
    aw_rows_give(&state->tickets, slot);
    aw_ledger_settle(&state->ledger);
}

void
aw_need_meet(struct aw_state *state, struct aw_need need)
{
    for (uint32_t i = 0; is_over(state, state->globals.closed_first); i++) {
        bool is_short = aw_rows_room(&state->tickets) < need.tickets || aw_rows_room(&state->identities) < need.identities ||
                        aw_rows_room(&state->facts) < need.facts;

        if (!is_short && (need.tickets == 0 || i >= REUSES_PER_OPENING))
            return;
        reuse_oldest(state);
    }
}

/* --- carrying it out ------------------------------------------------------------------------------------------------------ */

/* Neither who talks about us is told anything unasked, nor who wants to hear nothing: then no account is known. */
static void
add_whom(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, const struct aw_command *command)
{
    const struct aw_in_message *in = &command->in.message;

    ticket->marks &= (uint16_t)~AW_MARK_LISTENING;
    if (in->addressed != AW_ADDRESSED_TO_US) {
        ticket->marks |= AW_MARK_LISTENING;
        aw_facts_note_contact(state, slot, in->contact);
    } else if (command->out.u.message.opted_out) {
        aw_account_of_ticket(state, ticket, (struct aw_slice){NULL, 0}, (struct aw_slice){NULL, 0});
    } else {
        aw_account_of_ticket(state, ticket, in->channel, in->account);
    }
}

/* What the message tells about the ticket: more urgent perhaps, never less. */
static void
add_facts(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, const struct aw_command *command, uint64_t seq)
{
    const struct aw_in_message *in = &command->in.message;

    uint64_t class_ = ticket->class_;

    aw_ticket_say(ticket, in->class_);
    if (aw_facts_add(state, slot, in, seq))
        ticket->known_facts = AW_CLASS_OTHER; /* news to a person who gave it a class */
    if (ticket->messages == 0 ||
        (in->reply_by > state->now && (ticket->reply_by <= state->now || in->reply_by < ticket->reply_by)))
        ticket->reply_by = in->reply_by;
    aw_ticket_refresh(state, slot, ticket);
    /* Who holds it keeps it as it was given out, unless it got more urgent; the clock has its say when it comes back. */
    if (ticket->state == AW_TICKET_LEASED && ticket->class_ > class_)
        ticket->class_ = class_ & 0xF;
    if (in->gentle)
        ticket->flags |= AW_TICKET_GENTLE;
    aw_channel_set(state, ticket, aw_channel_note(state, in->channel, AW_CHANNELS_TOLD_MAX));
    add_whom(state, slot, ticket, command);
    if (in->lang.len > 0)
        ticket->lang = aw_lang_code(in->lang) & AW_LANG_CODE_MAX;
    ticket->marks &= (uint16_t)~AW_MARK_PUBLIC;
    ticket->marks |= in->visibility == AW_VISIBILITY_PUBLIC ? AW_MARK_PUBLIC : 0;
    ticket->message_seq = seq & AW_ROW_SEQ_MAX;
    ticket->last_seq = seq & AW_ROW_SEQ_MAX;
    ticket->messages++;
}

uint32_t
aw_backdated_ms(const struct aw_core_settings *settings, aw_ms received_at, aw_ms accepted_at)
{
    if (received_at == 0 || received_at > accepted_at || accepted_at - received_at > settings->backdate_ms)
        return 0;
    return (uint32_t)(accepted_at - received_at);
}

static uint32_t
open_ticket(struct aw_state *state, struct aw_command *command, const struct place *place, uint64_t seq)
{
    const struct aw_in_message *in = &command->in.message;
    uint32_t                    slot = aw_rows_take(&state->tickets);
    struct aw_ticket_row       *ticket = aw_ticket_edit(state, slot);

    ticket->opened_seq = seq & AW_ROW_SEQ_MAX;
    ticket->lane = (uint16_t)place->lane;
    ticket->opened_at = state->now & AW_ROW_SEQ_MAX;
    ticket->backdated_ms = aw_backdated_ms(&state->globals.settings, in->received_at, state->now);
    ticket->class_ = AW_CLASS_OTHER;
    ticket->said = AW_CLASS_OTHER;
    /* A version moves by one a record at most, so this one is above all that any ticket had in this slot before: an entry of an
     * earlier one that still lies in a queue stays stale. */
    ticket->version = aw_ticket_version_at(seq);
    add_facts(state, slot, ticket, command, seq);
    aw_incident_join(state, slot, ticket, seq);
    aw_aside_gentle_first(state, slot, ticket);
    aw_ticket_queue(state, slot, ticket, &command->out.event);
    if (in->addressed == AW_ADDRESSED_TO_US)
        aw_promise_make(state, ticket, !command->out.u.message.opted_out);
    aw_ticket_done(state, slot);
    state->globals.opened++;
    return slot;
}

/* Who shall have this closed ticket again if it reopens: who closed it, when that agent is there as far as can be told: it holds a
 * lease, or closed this one a moment ago. 0: nobody. */
static uint32_t
keeper_of(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    if (ticket->ended_kind != AW_COMMAND_COMPLETE)
        return 0;
    if (!aw_agent_is_ready(state, ticket->ended_agent))
        return 0;
    if (aw_agent_at(state, ticket->ended_agent)->links.first == 0 && state->now - ticket->until >= AW_PRESENT_MS)
        return 0;
    return ticket->ended_agent;
}

/* Whether the customer says that he, who was asked, needs no answer any more. Who holds the ticket sees that himself; a grave need
 * is closed by a person, also one that only this message tells of. */
static bool
says_not_needed(const struct aw_ticket_row *ticket, const struct aw_in_message *in)
{
    return in->not_needed && (ticket->marks & AW_MARK_ASKED) != 0 && ticket->state != AW_TICKET_LEASED &&
           ticket->class_ != AW_CLASS_CARE && in->class_ != AW_CLASS_CARE && !in->gentle;
}

/* Whether there is nothing to answer in the ticket of a customer who opted out with this message: it only talked about us, or it
 * is closed and he says again what is known. */
static bool
ends_contact(const struct aw_ticket_row *ticket, const struct aw_in_message *in, bool is_known)
{
    return ((ticket->marks & AW_MARK_LISTENING) != 0 || (is_known && !aw_ticket_is_open(ticket))) &&
           ticket->state != AW_TICKET_LEASED && ticket->class_ != AW_CLASS_CARE && in->class_ != AW_CLASS_CARE && !in->gentle;
}

/* What joined it is all that changes, and it is closed; one that was already closes anew. */
static void
close_not_needed(struct aw_state *state, struct aw_command *command, const struct place *place, uint64_t seq)
{
    struct aw_ticket_row *ticket = aw_ticket_edit(state, place->slot);

    command->out.prev_seq = ticket->last_seq;
    if (place->kind == REOPENS) {
        aw_ticket_unclose(state, ticket);
        aw_ticket_move(ticket, AW_TICKET_WAITING);
        state->globals.closed--;
    }
    add_facts(state, place->slot, ticket, command, seq);
    aw_commitment_drop(state, place->slot, ticket);
    aw_ticket_close(state, place->slot, ticket);
    aw_ticket_hide(ticket, place->slot, &command->out.event);
    aw_ticket_done(state, place->slot);
    state->globals.folded++;
    state->globals.not_needed += place->kind == JOINS;
}

static void
join_ticket(struct aw_state *state, struct aw_command *command, const struct place *place, uint64_t seq)
{
    struct aw_ticket_row *ticket = aw_ticket_edit(state, place->slot);
    uint64_t              class_ = ticket->class_;
    aw_ms                 key = aw_ticket_key(ticket);
    aw_ms                 reply_by = ticket->reply_by;
    uint32_t              shelf = aw_ticket_shelf(state, ticket);
    bool                  closing = aw_ticket_is_closing(ticket);
    bool                  comes_back = (ticket->marks & AW_MARK_DEFERRED) != 0;

    uint32_t keeper = place->kind == REOPENS ? keeper_of(state, ticket) : 0;

    command->out.prev_seq = ticket->last_seq;
    if (place->kind == REOPENS) {
        aw_ticket_unclose(state, ticket);
        ticket->reply_by = 0; /* that was answered */
        ticket->marks |= AW_MARK_ASK_OVER;
        state->globals.reopened++;
    } else {
        state->globals.folded++;
    }
    add_facts(state, place->slot, ticket, command, seq);
    aw_incident_join(state, place->slot, ticket, seq);
    if (comes_back)
        aw_commitment_offer(state, place->slot, ticket);
    if (keeper != 0)
        aw_aside_keep(state, place->slot, ticket, keeper);
    if (place->kind == REOPENS && state->ticket_asides[place->slot] == 0) /* who is kept for goes before who is gentle */
        aw_aside_gentle_first(state, place->slot, ticket);
    if (comes_back || place->kind == REOPENS ||
        (ticket->state == AW_TICKET_WAITING &&
         (ticket->class_ != class_ || aw_ticket_key(ticket) != key || ticket->reply_by != reply_by ||
          aw_ticket_is_closing(ticket) != closing || aw_ticket_shelf(state, ticket) != shelf)))
        aw_ticket_queue(state, place->slot, ticket, &command->out.event);
    if (place->kind == REOPENS)
        aw_promise_make(state, ticket, !command->out.u.message.opted_out);
    aw_ticket_done(state, place->slot);
}

static void
fill_out(const struct aw_state *state, struct aw_command *command, const struct place *place)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, place->slot);

    command->out.u.message = (struct aw_out_message){
        .ticket = aw_ticket_id_at(state, place->slot),
        .record_seq = command->out.seq,
        .lane = ticket->lane,
        .lane_name = aw_lane_name(state, ticket->lane),
        .class_ = (enum aw_class)ticket->class_,
        .folded = place->kind == JOINS,
        .reopened = place->kind == REOPENS && aw_ticket_is_open(ticket),
        .lane_unknown = place->lane_unknown,
        .promise = aw_promise_of(ticket),
    };
    if (place->related != 0)
        command->out.u.message.related = aw_ticket_id_at(state, place->related);
}

static bool
acknowledge(struct aw_state *state, const struct aw_command *command, uint32_t slot)
{
    struct aw_owed owed = {.kind = AW_REPLY_ACKNOWLEDGEMENT, .texts = aw_template_first(state, AW_REPLY_ACKNOWLEDGEMENT)};

    if (owed.texts == 0 || !aw_surge_acknowledges(state, &command->in.message, aw_ticket_at(state, slot)->lane))
        return false;
    owed.facts = aw_outbox_facts_of(state, slot);
    return aw_outbox_owe(state, command, slot, &owed);
}

void
aw_apply_message(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_message *in = &command->in.message;
    struct place                place;
    struct aw_need              need;
    uint64_t                    first_seq, seq;
    bool                        not_needed, was_out, opted_out;

    AW_ASSERT(in->identity_count > 0);
    AW_ASSERT(in->identity_count <= AW_IDENTITY_HASHES_MAX);
    aw_message_prefetch(state, in); /* all places at once, not one after the other */
    first_seq = aw_dedupe_find(&state->ids, in->id_hash, ids_floor(state));
    if (first_seq != 0) {
        command->out.u.message = (struct aw_out_message){.duplicate = true, .first_seq = first_seq, .record_seq = first_seq};
        return;
    }
    place = find_place(state, in);
    need = need_of(state, in, &place);
    command->out.err = check_lane(state, &place);
    if (command->out.err == AW_OK)
        command->out.err = check_room(state, need);
    if (command->out.err != AW_OK)
        return;
    aw_need_meet(state, need);
    seq = aw_state_record(state, command);
    was_out = aw_state_contact(state, in->contact).opted_out_at != 0;
    opted_out = aw_contact_heard(state, in);
    command->out.u.message = (struct aw_out_message){.opted_out = opted_out};
    not_needed = place.kind != OPENS && (says_not_needed(aw_ticket_at(state, place.slot), in) ||
                                         (opted_out && ends_contact(aw_ticket_at(state, place.slot), in, was_out)));
    aw_effect_begin(state, &command->out.effect, place.kind == OPENS ? 0 : place.slot);
    aw_dedupe_add(&state->ids, in->id_hash, seq, state->now, ids_floor(state));
    if (place.kind == OPENS)
        place.slot = open_ticket(state, command, &place, seq);
    else if (not_needed)
        close_not_needed(state, command, &place, seq);
    else
        join_ticket(state, command, &place, seq);
    aw_ledger_settle(&state->ledger);
    for (uint32_t i = 0; i < in->identity_count && in->addressed == AW_ADDRESSED_TO_US; i++)
        aw_identity_add(state, place.slot, in->identities[i]);
    state->globals.messages++;
    fill_out(state, command, &place);
    command->out.u.message.not_needed = not_needed;
    command->out.u.message.opted_out = opted_out;
    command->out.u.message.acknowledged = place.kind == OPENS && !opted_out && acknowledge(state, command, place.slot);
}
