/* facts.c - what tickets are about, and which departure follows from it.
 *
 * A ticket's departure is never stored as such: it follows from the flights that its messages name and from what FLIGHT and AIRPORT
 * said of them, before or after. So an event changes one row, its undo gives exactly what was before, and a message that comes
 * later is treated alike. Facts lie in lists by ticket, by flight and by airport, doubly linked, so that a fact leaves the list of
 * a large airport as fast as that of a small one. The lists are derived, and nothing depends on the order in one. A booking is in
 * none: no event names one, and incidents find their tickets by a round (incident.h).
 */
#include "core/incident.h"

/* --- lists ---------------------------------------------------------------------------------------------------------------- */

static struct aw_fact_links *
links_of(struct aw_state *state, uint32_t fact)
{
    return aw_rows_links(&state->facts, fact);
}

static uint32_t *
flight_list(struct aw_state *state, uint64_t flight)
{
    return &state->flight_facts[flight % AW_FLIGHT_BUCKETS];
}

/* The list of this kind that the fact belongs to; NULL: none. */
static uint32_t *
list_of(struct aw_state *state, uint32_t fact, enum aw_fact_list list)
{
    const struct aw_fact_row *row = aw_fact_at(state, fact);
    uint32_t                  airport;

    if (list == AW_FACTS_BY_FLIGHT)
        return row->hash == 0 || row->kind == AW_FACT_BOOKING || row->kind == AW_FACT_CONTACT ? NULL
                                                                                              : flight_list(state, row->hash);
    airport = aw_airport_number(list == AW_FACTS_BY_FROM ? row->from : row->to);
    return airport == AW_AIRPORT_CODES ? NULL : &state->airport_links[airport].first[list - AW_FACTS_BY_FROM];
}

static void
link_in_lists(struct aw_state *state, uint32_t fact)
{
    for (enum aw_fact_list list = AW_FACTS_BY_FLIGHT; list < AW_FACT_LISTS; list++) {
        uint32_t            *first = list_of(state, fact, list);
        struct aw_fact_link *link = &links_of(state, fact)->in[list];

        *link = (struct aw_fact_link){.next = 0};
        if (first == NULL)
            continue;
        link->next = *first;
        if (*first != 0)
            links_of(state, *first)->in[list].prev = fact;
        *first = fact;
    }
}

static void
unlink_from_lists(struct aw_state *state, uint32_t fact)
{
    for (enum aw_fact_list list = AW_FACTS_BY_FLIGHT; list < AW_FACT_LISTS; list++) {
        uint32_t           *first = list_of(state, fact, list);
        struct aw_fact_link link = links_of(state, fact)->in[list];

        if (first == NULL)
            continue;
        if (link.prev != 0)
            links_of(state, link.prev)->in[list].next = link.next;
        else
            *first = link.next;
        if (link.next != 0)
            links_of(state, link.next)->in[list].prev = link.prev;
    }
}

static void
link_to_ticket(struct aw_state *state, uint32_t fact)
{
    uint32_t *first = &state->ticket_facts[aw_fact_at(state, fact)->ticket];

    links_of(state, fact)->next = *first;
    *first = fact;
}

static void
unlink_from_ticket(struct aw_state *state, uint32_t fact)
{
    uint32_t *at = &state->ticket_facts[aw_fact_at(state, fact)->ticket];

    while (*at != fact)
        at = &links_of(state, *at)->next;
    *at = links_of(state, fact)->next;
}

void
aw_facts_load_all(struct aw_state *state)
{
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_FACTS].used; slot++) {
        if (aw_fact_at(state, slot)->ticket == 0)
            continue;
        link_to_ticket(state, slot);
        link_in_lists(state, slot);
    }
}

uint32_t
aw_facts_count(const struct aw_state *state, uint32_t ticket)
{
    uint32_t count = 0;

    for (uint32_t slot = state->ticket_facts[ticket]; slot != 0; slot = aw_fact_at(state, slot)->links.next)
        count++;
    return count;
}

/* Whether by `now` a departure had come so near that the ticket was imminent, at least had it waited: who was that near to one is
 * no ordinary question again when it is missed. This follows from times alone, not from what the ticket once was, so that an undo
 * leaves no trace. */
bool
aw_departure_was_near(const struct aw_core_settings *settings, aw_ms departs_at, aw_ms said_at, aw_ms now)
{
    return departs_at != 0 && now >= said_at && settings->imminent_ms >= settings->handling_ms[AW_CLASS_IMMINENT] &&
           aw_departure_can_be_made(settings, departs_at, said_at) && now + settings->imminent_ms >= departs_at;
}

/* --- adding and dropping -------------------------------------------------------------------------------------------------- */

static void
drop_fact(struct aw_state *state, uint32_t fact)
{
    unlink_from_lists(state, fact);
    unlink_from_ticket(state, fact);
    aw_rows_give(&state->facts, fact);
}

/* Two lists of facts of one ticket, by slot each, become one. */
static uint32_t
merge(struct aw_state *state, uint32_t a, uint32_t b)
{
    uint32_t  first = 0;
    uint32_t *at = &first;

    while (a != 0 && b != 0) {
        uint32_t *least = a < b ? &a : &b;

        *at = *least;
        at = &links_of(state, *least)->next;
        *least = *at;
    }
    *at = a != 0 ? a : b;
    return first;
}

#define SORT_RUNS 16U /* run i has 1 << i facts, the last one all that are more */

static uint32_t
sort_by_slot(struct aw_state *state, uint32_t list)
{
    uint32_t runs[SORT_RUNS] = {0};
    uint32_t sorted = 0;

    while (list != 0) {
        uint32_t run = list;
        uint32_t i = 0;

        list = links_of(state, run)->next;
        links_of(state, run)->next = 0;
        for (; i < SORT_RUNS - 1 && runs[i] != 0; i++) {
            run = merge(state, runs[i], run);
            runs[i] = 0;
        }
        runs[i] = merge(state, runs[i], run);
    }
    for (uint32_t i = 0; i < SORT_RUNS; i++)
        sorted = merge(state, runs[i], sorted);
    return sorted;
}

/* By slot: the order in which rows are given back is part of the state, that of a list is not. */
void
aw_facts_drop(struct aw_state *state, uint32_t ticket)
{
    uint32_t *first = &state->ticket_facts[ticket];

    *first = sort_by_slot(state, *first);
    while (*first != 0) {
        drop_fact(state, *first);
        aw_ledger_settle(&state->ledger); /* what was withdrawn may be more than one settle can hold */
    }
}

static bool
is_same_code(struct aw_airport_code a, struct aw_airport_code b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

/* The ticket's fact that is about the same thing; 0: none. */
static uint32_t
find_same(const struct aw_state *state, const struct aw_fact_row *want)
{
    for (uint32_t slot = state->ticket_facts[want->ticket]; slot != 0; slot = aw_fact_at(state, slot)->links.next) {
        const struct aw_fact_row *row = aw_fact_at(state, slot);

        if (row->kind != want->kind || row->hash != want->hash)
            continue;
        if (row->hash != 0 ||
            (row->departs_at == want->departs_at && is_same_code(row->from, want->from) && is_same_code(row->to, want->to)))
            return slot;
    }
    return 0;
}

/* The one that was said first; of one message, the one in the lower slot. Beside it how many were said. */
static uint32_t
find_oldest(const struct aw_state *state, uint32_t ticket, uint32_t *ret_count)
{
    uint32_t oldest = 0;

    *ret_count = 0;
    for (uint32_t slot = state->ticket_facts[ticket]; slot != 0; slot = aw_fact_at(state, slot)->links.next) {
        const struct aw_fact_row *fact = aw_fact_at(state, slot);

        if (!aw_fact_is_told(fact))
            continue;
        ++*ret_count;
        if (oldest == 0 || fact->seq < aw_fact_at(state, oldest)->seq ||
            (fact->seq == aw_fact_at(state, oldest)->seq && slot < oldest))
            oldest = slot;
    }
    return oldest;
}

/* What the messages said of this fact is about to go: what followed from it stays. */
static void
keep_what_was(struct aw_state *state, uint32_t slot)
{
    const struct aw_fact_row *fact = aw_fact_at(state, slot);

    if (aw_departure_was_near(&state->globals.settings, fact->departs_at, fact->said_at, state->now))
        aw_ticket_say(aw_rows_change(&state->tickets, fact->ticket), AW_CLASS_DISRUPTED);
}

/* The same flight again: what is said now counts, what is not said now stays. */
static bool
tell_again(struct aw_state *state, uint32_t slot, const struct aw_fact_row *want)
{
    static const struct aw_airport_code unknown = {{0}};
    struct aw_fact_row                  next = *aw_fact_at(state, slot);
    struct aw_fact_row                 *row;

    if (want->departs_at != 0)
        next.departs_at = want->departs_at;
    if (!is_same_code(want->from, unknown))
        next.from = want->from;
    if (!is_same_code(want->to, unknown))
        next.to = want->to;
    if (memcmp(&next, aw_fact_at(state, slot), offsetof(struct aw_fact_row, links)) == 0)
        return false;
    keep_what_was(state, slot);
    unlink_from_lists(state, slot);
    row = aw_rows_change(&state->facts, slot);
    row->departs_at = next.departs_at;
    row->from = next.from;
    row->to = next.to;
    link_in_lists(state, slot);
    return true;
}

/* Neither event nor clock could do anything with it. */
static bool
says_nothing(const struct aw_fact_row *want)
{
    return want->hash == 0 && want->departs_at == 0 && aw_airport_number(want->from) == AW_AIRPORT_CODES &&
           aw_airport_number(want->to) == AW_AIRPORT_CODES;
}

static void
take_fact(struct aw_state *state, const struct aw_fact_row *want)
{
    uint32_t slot = aw_rows_take(&state->facts);

    memcpy(aw_rows_change(&state->facts, slot), want, offsetof(struct aw_fact_row, links));
    link_to_ticket(state, slot);
    link_in_lists(state, slot);
}

/* Whether it was news. */
static bool
add_fact(struct aw_state *state, const struct aw_fact_row *want)
{
    uint32_t slot = find_same(state, want);
    uint32_t oldest, count;

    if (says_nothing(want))
        return false;
    if (slot != 0)
        return tell_again(state, slot, want);
    oldest = find_oldest(state, want->ticket, &count);
    if (count == AW_TICKET_FACTS_MAX) {
        keep_what_was(state, oldest);
        drop_fact(state, oldest);
    }
    take_fact(state, want);
    return true;
}

uint32_t
aw_facts_need(const struct aw_in_message *in)
{
    bool is_of_contact = in->addressed != AW_ADDRESSED_TO_US && (in->contact.low != 0 || in->contact.high != 0);

    return in->flight_count + in->airport_count + (in->departs_at != 0 ? 1U : 0U) + (in->booking_hash != 0 ? 1U : 0U) +
           (is_of_contact ? 1U : 0U);
}

/* A departure that no flight of the message tells. */
bool
aw_facts_has_lone_departure(const struct aw_in_message *in)
{
    for (uint32_t i = 0; i < in->flight_count; i++) {
        if (in->flights[i].departs_at == in->departs_at)
            return false;
    }
    return in->departs_at != 0;
}

bool
aw_facts_add(struct aw_state *state, uint32_t ticket, const struct aw_in_message *in, uint64_t seq)
{
    struct aw_fact_row said = {.said_at = state->now, .seq = seq & AW_ROW_SEQ_MAX, .ticket = ticket};
    bool               is_news = false;

    for (uint32_t i = 0; i < in->airport_count; i++) {
        struct aw_fact_row fact = said;

        fact.kind = AW_FACT_AIRPORT;
        fact.from = in->airports[i];
        if (find_same(state, &fact) == 0)
            aw_incident_notice_airport(state, ticket, fact.from);
        is_news |= add_fact(state, &fact);
    }
    for (uint32_t i = 0; i < in->flight_count; i++) {
        struct aw_fact_row fact = said;

        fact.hash = in->flights[i].flight_hash;
        fact.departs_at = in->flights[i].departs_at;
        memcpy(&fact.from, in->flights[i].from, sizeof(fact.from));
        memcpy(&fact.to, in->flights[i].to, sizeof(fact.to));
        if (find_same(state, &fact) == 0)
            aw_incident_notice_flight(state, ticket, &in->flights[i]);
        is_news |= add_fact(state, &fact);
    }
    if (aw_facts_has_lone_departure(in)) {
        struct aw_fact_row fact = said;

        fact.departs_at = in->departs_at;
        is_news |= add_fact(state, &fact);
    }
    if (in->booking_hash != 0) {
        struct aw_fact_row fact = said;

        fact.kind = AW_FACT_BOOKING;
        fact.hash = in->booking_hash;
        (void)add_fact(state, &fact); /* no class follows from it */
    }
    return is_news;
}

/* --- taking messages out --------------------------------------------------------------------------------------------------- */

static struct aw_fact_row
row_of(const struct aw_told_fact *fact, uint32_t ticket)
{
    return (struct aw_fact_row){.hash = fact->hash,
                                .departs_at = fact->departs_at,
                                .said_at = fact->said_at,
                                .seq = fact->seq & AW_ROW_SEQ_MAX,
                                .kind = (unsigned)fact->kind & 0xF,
                                .from = fact->from,
                                .to = fact->to,
                                .ticket = ticket};
}

/* By slot, as in aw_facts_drop. */
void
aw_facts_tell_anew(struct aw_state *state, uint32_t ticket, const struct aw_told *told)
{
    for (;;) {
        uint32_t least = 0;

        for (uint32_t slot = state->ticket_facts[ticket]; slot != 0; slot = aw_fact_at(state, slot)->links.next) {
            if (aw_fact_is_told(aw_fact_at(state, slot)) && (least == 0 || slot < least))
                least = slot;
        }
        if (least == 0)
            break;
        drop_fact(state, least);
    }
    for (uint32_t i = 0; i < told->fact_count; i++) {
        struct aw_fact_row row = row_of(&told->facts[i], ticket);

        take_fact(state, &row);
    }
}

/* The row of this kind for this message; 0: there is none. */
static uint32_t
find_for_message(const struct aw_state *state, enum aw_fact_kind kind, uint64_t seq)
{
    uint32_t slot = state->flight_facts[seq % AW_FLIGHT_BUCKETS];

    while (slot != 0 && (aw_fact_at(state, slot)->kind != (unsigned)kind || aw_fact_at(state, slot)->hash != seq))
        slot = aw_fact_at(state, slot)->links.in[AW_FACTS_BY_FLIGHT].next;
    return slot;
}

static uint32_t
find_message(const struct aw_state *state, uint64_t seq)
{
    return find_for_message(state, AW_FACT_MESSAGE, seq);
}

uint32_t
aw_state_moved_to(const struct aw_state *state, uint64_t seq)
{
    uint32_t slot = find_message(state, seq);

    return slot == 0 ? 0 : aw_fact_at(state, slot)->ticket;
}

void
aw_facts_note_left(struct aw_state *state, uint32_t ticket, uint64_t seq)
{
    struct aw_fact_row row = {.hash = seq, .seq = seq & AW_ROW_SEQ_MAX, .kind = AW_FACT_LEFT, .ticket = ticket};

    take_fact(state, &row);
}

bool
aw_facts_has_left(const struct aw_state *state, uint64_t seq)
{
    return find_for_message(state, AW_FACT_LEFT, seq) != 0;
}

void
aw_facts_move_message(struct aw_state *state, uint32_t ticket, uint64_t seq)
{
    struct aw_fact_row row = {.hash = seq, .seq = seq & AW_ROW_SEQ_MAX, .kind = AW_FACT_MESSAGE, .ticket = ticket};
    uint32_t           slot = find_message(state, seq);

    if (slot != 0) {
        row.said_at = aw_fact_at(state, slot)->said_at;
        drop_fact(state, slot);
    }
    take_fact(state, &row);
}

aw_ms
aw_facts_withdrawn_at(const struct aw_state *state, uint64_t seq)
{
    uint32_t slot = find_message(state, seq);

    return slot == 0 ? 0 : aw_fact_at(state, slot)->said_at;
}

void
aw_facts_withdraw(struct aw_state *state, uint32_t ticket, uint64_t seq)
{
    aw_facts_move_message(state, ticket, seq);
    ((struct aw_fact_row *)aw_rows_change(&state->facts, find_message(state, seq)))->said_at = state->now;
}

uint32_t
aw_facts_withdrawn(const struct aw_state *state, uint32_t ticket)
{
    uint32_t count = 0;

    for (uint32_t slot = state->ticket_facts[ticket]; slot != 0; slot = aw_fact_at(state, slot)->links.next)
        count += aw_fact_at(state, slot)->kind == AW_FACT_MESSAGE && aw_fact_at(state, slot)->said_at != 0;
    return count;
}

/* --- who only talked about us ----------------------------------------------------------------------------------------------- */

static uint32_t
find_contact(const struct aw_state *state, uint32_t ticket)
{
    uint32_t slot = state->ticket_facts[ticket];

    while (slot != 0 && aw_fact_at(state, slot)->kind != AW_FACT_CONTACT)
        slot = aw_fact_at(state, slot)->links.next;
    return slot;
}

void
aw_facts_note_contact(struct aw_state *state, uint32_t ticket, struct aw_hash128 contact)
{
    struct aw_fact_row row = {.hash = contact.low, .departs_at = contact.high, .kind = AW_FACT_CONTACT, .ticket = ticket};
    uint32_t           before = find_contact(state, ticket);

    if (before != 0)
        drop_fact(state, before);
    if (contact.low != 0 || contact.high != 0)
        take_fact(state, &row);
}

struct aw_hash128
aw_facts_contact(const struct aw_state *state, uint32_t ticket)
{
    uint32_t slot = find_contact(state, ticket);

    if (slot == 0)
        return (struct aw_hash128){.low = 0};
    return (struct aw_hash128){.low = aw_fact_at(state, slot)->hash, .high = aw_fact_at(state, slot)->departs_at};
}

/* --- what follows --------------------------------------------------------------------------------------------------------- */

static bool
is_closed_at(const struct aw_state *state, struct aw_airport_code code, aw_ms departs_at)
{
    const struct aw_plan *plan = aw_airport_plan(state, code);

    return plan != NULL && plan->state != 0 && departs_at >= plan->from && departs_at < plan->until;
}

/* Whether somebody who spoke of this airport then meant one that is closed, or soon will be. */
static bool
is_closed_for(const struct aw_state *state, struct aw_airport_code code, aw_ms said_at)
{
    const struct aw_plan *plan = aw_airport_plan(state, code);

    return plan != NULL && plan->state != 0 && said_at < plan->until;
}

/* When this flight goes, as far as is known. False: it does not. */
static bool
find_departure(const struct aw_state *state, const struct aw_fact_row *fact, aw_ms now, aw_ms *ret_departs_at,
               bool *ret_is_disrupted)
{
    const struct aw_plan *plan = fact->hash == 0 ? NULL : aw_flight_plan(state, fact->hash);
    aw_ms                 departs_at = fact->departs_at;

    /* It was near when this was said of it; had it not been, nothing would have been missed. */
    if (plan != NULL && (plan->state != AW_FLIGHT_SCHEDULED || plan->from != 0))
        *ret_is_disrupted |=
            aw_departure_was_near(&state->globals.settings, departs_at, fact->said_at, plan->at < now ? plan->at : now);
    if (plan != NULL && plan->state == AW_FLIGHT_REBOOKED)
        return false;
    if (plan != NULL && plan->state == AW_FLIGHT_CANCELLED) {
        *ret_is_disrupted = true;
        return false;
    }
    if (plan != NULL && plan->from != 0)
        departs_at = plan->from;
    if (departs_at == 0)
        *ret_is_disrupted |= is_closed_for(state, fact->from, fact->said_at) || is_closed_for(state, fact->to, fact->said_at);
    else if (is_closed_at(state, fact->from, departs_at) || is_closed_at(state, fact->to, departs_at)) {
        *ret_is_disrupted = true;
        return false;
    }
    *ret_is_disrupted |= aw_departure_was_near(&state->globals.settings, departs_at, fact->said_at, now);
    *ret_departs_at = departs_at;
    return departs_at != 0;
}

/* One more departure: of those that can be made the earliest counts, else the latest. */
static void
weigh(const struct aw_state *state, struct aw_standing *standing, aw_ms departs_at, aw_ms now)
{
    if (!aw_departure_can_be_made(&state->globals.settings, departs_at, now)) {
        if (!standing->can_be_made && departs_at > standing->departs_at)
            standing->departs_at = departs_at;
        return;
    }
    standing->has_later |= standing->can_be_made && departs_at != standing->departs_at;
    if (!standing->can_be_made || departs_at < standing->departs_at)
        standing->departs_at = departs_at;
    standing->can_be_made = true;
}

struct judgement {
    struct aw_standing standing;
    bool               has_flight;
    bool               is_airport_closed;
};

static void
judge_fact(const struct aw_state *state, const struct aw_fact_row *fact, aw_ms now, struct judgement *judgement)
{
    aw_ms departs_at;

    if (fact->kind == AW_FACT_AIRPORT) {
        judgement->is_airport_closed |= is_closed_for(state, fact->from, fact->said_at);
    } else if (fact->kind == AW_FACT_FLIGHT) {
        judgement->has_flight = true;
        if (find_departure(state, fact, now, &departs_at, &judgement->standing.is_disrupted))
            weigh(state, &judgement->standing, departs_at, now);
    }
}

static struct aw_standing
pronounce(struct judgement *judgement)
{
    judgement->standing.is_disrupted |= judgement->is_airport_closed && !judgement->has_flight;
    return judgement->standing;
}

struct aw_standing
aw_facts_judge(const struct aw_state *state, uint32_t ticket, aw_ms now)
{
    struct judgement judgement = {.has_flight = false};

    for (uint32_t slot = state->ticket_facts[ticket]; slot != 0; slot = aw_fact_at(state, slot)->links.next)
        judge_fact(state, aw_fact_at(state, slot), now, &judgement);
    return pronounce(&judgement);
}

struct aw_standing
aw_facts_judge_told(const struct aw_state *state, const struct aw_told *told, aw_ms now)
{
    struct judgement judgement = {.has_flight = false};

    for (uint32_t i = 0; i < told->fact_count; i++) {
        struct aw_fact_row row = row_of(&told->facts[i], 0);

        judge_fact(state, &row, now, &judgement);
    }
    return pronounce(&judgement);
}

/* --- who is concerned ----------------------------------------------------------------------------------------------------- */

static bool
is_named(const struct aw_fact_row *fact, enum aw_change_of of, const struct aw_plan_row *row)
{
    if (!aw_fact_is_told(fact) || fact->kind == AW_FACT_BOOKING)
        return false;
    if (of == AW_CHANGE_FLIGHT)
        return fact->hash == ((uint64_t)row->key[1] << 32 | row->key[0]);
    return memcmp(&fact->from, row->name, sizeof(fact->from)) == 0 || memcmp(&fact->to, row->name, sizeof(fact->to)) == 0;
}

/* Of several facts of a ticket that name it, one counts. */
static bool
is_first(const struct aw_state *state, uint32_t slot, enum aw_change_of of, const struct aw_plan_row *row)
{
    uint32_t at = state->ticket_facts[aw_fact_at(state, slot)->ticket];

    while (at != slot && !is_named(aw_fact_at(state, at), of, row))
        at = aw_fact_at(state, at)->links.next;
    return at == slot;
}

static uint32_t
look_through(struct aw_state *state, enum aw_fact_list list, uint32_t first, enum aw_change_of of, const struct aw_plan_row *row,
             bool rearms)
{
    uint32_t count = 0;

    for (uint32_t slot = first; slot != 0; slot = aw_fact_at(state, slot)->links.in[list].next) {
        const struct aw_fact_row *fact = aw_fact_at(state, slot);

        /* From here to here: met once already. */
        if (!is_named(fact, of, row) || (list == AW_FACTS_BY_TO && is_same_code(fact->from, fact->to)) ||
            !aw_ticket_is_open(aw_ticket_at(state, fact->ticket)) || !is_first(state, slot, of, row))
            continue;
        count++;
        if (rearms)
            aw_ticket_rearm(state, fact->ticket);
    }
    return count;
}

uint32_t
aw_facts_look_again(struct aw_state *state, enum aw_change_of of, const struct aw_plan_row *row, bool rearms)
{
    const struct aw_airport_links *links;
    struct aw_airport_code         code;

    if (of == AW_CHANGE_FLIGHT) {
        uint64_t flight = (uint64_t)row->key[1] << 32 | row->key[0];

        return look_through(state, AW_FACTS_BY_FLIGHT, *flight_list(state, flight), of, row, rearms);
    }
    memcpy(&code, row->name, sizeof(code));
    links = &state->airport_links[aw_airport_number(code)];
    return look_through(state, AW_FACTS_BY_FROM, links->first[0], of, row, rearms) +
           look_through(state, AW_FACTS_BY_TO, links->first[1], of, row, rearms);
}
