/* incident.c - incidents: made, proposed, changed, closed; tickets that join them. */
#include "core/incident.h"
#include "core/outbox.h"

#define ROUND_TICKETS AW_REARM_TICKETS /* looked at in one piece of a round */

/* --- rows ------------------------------------------------------------------------------------------------------------------- */

const struct aw_incident_key_row *
aw_incident_key_at(const struct aw_state *state, uint32_t slot)
{
    return aw_rows_at(&state->incident_keys, slot);
}

struct aw_incident_id
aw_incident_id_at(const struct aw_state *state, uint32_t slot)
{
    return (struct aw_incident_id){
        .seq = aw_incident_at(state, slot)->opened_seq, .slot = slot, .shard = (uint8_t)state->globals.shard};
}

uint32_t
aw_incident_find(const struct aw_state *state, struct aw_incident_id id)
{
    if (id.shard != state->globals.shard || id.seq == 0 || !aw_rows_has(&state->incidents, id.slot))
        return 0;
    return aw_incident_at(state, id.slot)->opened_seq == id.seq ? id.slot : 0;
}

/* Whether its row still is that of the incident that it was linked to. */
static bool
has_link(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    const struct aw_incident_row *row = ticket->incident == 0 ? NULL : aw_incident_at(state, ticket->incident);

    return row != NULL && row->state != AW_INCIDENT_NONE && row->opened_seq <= ticket->incident_seq;
}

uint32_t
aw_incident_of(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    return has_link(state, ticket) && (ticket->marks & AW_MARK_PARTED) == 0 ? ticket->incident : 0;
}

uint32_t
aw_incident_open_of(const struct aw_state *state, const struct aw_ticket_row *ticket)
{
    uint32_t slot = aw_incident_of(state, ticket);

    return slot != 0 && aw_incident_at(state, slot)->state == AW_INCIDENT_OPEN ? slot : 0;
}

void
aw_incident_count(struct aw_state *state, const struct aw_ticket_row *ticket, int by)
{
    uint32_t slot = aw_incident_of(state, ticket);

    if (slot != 0)
        ((struct aw_incident_links *)aw_rows_links(&state->incidents, slot))->open += (uint32_t)by;
}

/* --- keys ------------------------------------------------------------------------------------------------------------------- */

static struct aw_hash128
flight_key(uint64_t flight_hash)
{
    return (struct aw_hash128){.low = flight_hash, .high = 1 + AW_INCIDENT_FLIGHT};
}

static struct aw_hash128
airport_key(struct aw_airport_code code)
{
    return (struct aw_hash128){.low = aw_airport_number(code), .high = 1 + AW_INCIDENT_AIRPORT};
}

static struct aw_hash128
booking_key(uint64_t hash)
{
    return (struct aw_hash128){.low = hash, .high = 1 + AW_INCIDENT_BOOKING};
}

static struct aw_airport_code
code_of(struct aw_slice name)
{
    struct aw_airport_code code = {{0}};

    if (name.len == sizeof(code.letters))
        memcpy(code.letters, name.ptr, sizeof(code.letters));
    return code;
}

static struct aw_hash128
hash_of(const struct aw_incident_key *key)
{
    return key->kind == AW_INCIDENT_FLIGHT    ? flight_key(key->hash)
           : key->kind == AW_INCIDENT_BOOKING ? booking_key(key->hash)
                                              : airport_key(code_of(key->name));
}

static void
give_keys(struct aw_state *state, uint32_t slot)
{
    struct aw_incident_row *row = aw_rows_change(&state->incidents, slot);

    while (row->keys != 0) {
        uint32_t key = row->keys;

        row->keys = aw_incident_key_at(state, key)->next;
        aw_index_remove(&state->by_incident_key, key);
        aw_rows_give(&state->incident_keys, key);
    }
    row->key_count = 0;
    aw_ledger_settle(&state->ledger);
}

/* There is room. */
static void
take_keys(struct aw_state *state, uint32_t slot, const struct aw_in_incident *in, uint64_t seq)
{
    struct aw_incident_row *row = aw_rows_change(&state->incidents, slot);

    /* From the last one on: each goes before the others. */
    for (uint32_t i = in->key_count; i > 0; i--) {
        const struct aw_incident_key *key = &in->keys[i - 1];
        uint32_t                      at = aw_rows_take(&state->incident_keys);
        struct aw_incident_key_row   *taken = aw_rows_change(&state->incident_keys, at);
        struct aw_hash128             hash = hash_of(key);

        memcpy(taken->key, &hash, sizeof(taken->key));
        memcpy(taken->name, key->name.ptr, key->name.len);
        taken->date_days = key->date_days;
        taken->incident = slot;
        taken->next = row->keys;
        row->keys = at;
        aw_index_insert(&state->by_incident_key, at);
    }
    row->key_count = (uint16_t)in->key_count;
    row->keys_seq = seq & AW_ROW_SEQ_MAX;
    aw_ledger_settle(&state->ledger);
}

static bool
has_keys(const struct aw_state *state, const struct aw_incident_row *row, const struct aw_in_incident *in)
{
    uint32_t at = row->keys;

    if (row->key_count != in->key_count)
        return false;
    for (uint32_t i = 0; i < in->key_count; i++, at = aw_incident_key_at(state, at)->next) {
        struct aw_hash128 hash = hash_of(&in->keys[i]);

        if (memcmp(aw_incident_key_at(state, at)->key, &hash, sizeof(hash)) != 0)
            return false;
    }
    return true;
}

/* --- who is part of what ---------------------------------------------------------------------------------------------------- */

const struct aw_incident_key_row *
aw_incident_flight_key(const struct aw_state *state, uint32_t incident, uint64_t flight_hash)
{
    uint32_t at = aw_index_find(&state->by_incident_key, flight_key(flight_hash));

    while (at != 0 && aw_incident_key_at(state, at)->incident != incident)
        at = aw_index_find_next(&state->by_incident_key, at);
    return at == 0 ? NULL : aw_incident_key_at(state, at);
}

/* The one made first of `best` and those OPEN that have this key. */
static uint32_t
claimed_by(const struct aw_state *state, const struct aw_ticket_row *ticket, struct aw_hash128 key, uint32_t best)
{
    uint32_t at = aw_index_find(&state->by_incident_key, key);

    for (; at != 0; at = aw_index_find_next(&state->by_incident_key, at)) {
        uint32_t                      slot = aw_incident_key_at(state, at)->incident;
        const struct aw_incident_row *row = aw_incident_at(state, slot);

        if (row->state != AW_INCIDENT_OPEN || (row->follows == 0 && ticket->opened_seq >= row->keys_seq))
            continue;
        if (best == 0 || row->opened_seq < aw_incident_at(state, best)->opened_seq)
            best = slot;
    }
    return best;
}

#define FACT_KEYS_MAX 3U

/* What an incident could claim a ticket by that is about this: a flight and its two ends, an airport, a booking. */
static uint32_t
keys_of(const struct aw_fact_row *fact, struct aw_hash128 ret_keys[FACT_KEYS_MAX])
{
    uint32_t count = 0;

    if (!aw_fact_is_told(fact))
        return 0;
    if (fact->hash != 0)
        ret_keys[count++] = fact->kind == AW_FACT_BOOKING ? booking_key(fact->hash) : flight_key(fact->hash);
    if (aw_airport_number(fact->from) != AW_AIRPORT_CODES)
        ret_keys[count++] = airport_key(fact->from);
    if (aw_airport_number(fact->to) != AW_AIRPORT_CODES)
        ret_keys[count++] = airport_key(fact->to);
    return count;
}

/* The incident that claims this ticket by what it is about; 0: none, as of those that a person took out of one. */
static uint32_t
claimant_of(const struct aw_state *state, uint32_t slot)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);
    uint32_t                    best = 0;

    if ((ticket->marks & AW_MARK_PARTED) != 0)
        return 0;
    for (uint32_t at = state->ticket_facts[slot]; at != 0; at = aw_fact_at(state, at)->links.next) {
        struct aw_hash128 keys[FACT_KEYS_MAX];
        uint32_t          count = keys_of(aw_fact_at(state, at), keys);

        for (uint32_t i = 0; i < count; i++)
            best = claimed_by(state, ticket, keys[i], best);
    }
    return best;
}

static void
link_ticket(struct aw_state *state, struct aw_ticket_row *ticket, uint32_t incident, uint64_t seq)
{
    ticket->incident = (uint16_t)incident;
    ticket->incident_seq = seq & AW_ROW_SEQ_MAX;
    ticket->marks &= (uint16_t)~AW_MARK_PARTED;
    ((struct aw_incident_row *)aw_rows_change(&state->incidents, incident))->tickets++;
}

void
aw_incident_join(struct aw_state *state, uint32_t slot, struct aw_ticket_row *ticket, uint64_t seq)
{
    uint32_t incident;

    if (state->incident_work.open_count == 0 || aw_incident_open_of(state, ticket) != 0)
        return;
    incident = claimant_of(state, slot);
    if (incident != 0)
        link_ticket(state, ticket, incident, seq);
}

static bool
has_key(const struct aw_state *state, uint32_t incident, struct aw_hash128 key)
{
    uint32_t at = aw_index_find(&state->by_incident_key, key);

    while (at != 0 && aw_incident_key_at(state, at)->incident != incident)
        at = aw_index_find_next(&state->by_incident_key, at);
    return at != 0;
}

bool
aw_incident_has_booking(const struct aw_state *state, uint32_t incident, uint64_t booking_hash)
{
    return has_key(state, incident, booking_key(booking_hash));
}

bool
aw_incident_is_named(const struct aw_state *state, uint32_t slot)
{
    uint32_t incident = aw_incident_of(state, aw_ticket_at(state, slot));

    for (uint32_t at = incident == 0 ? 0 : state->ticket_facts[slot]; at != 0; at = aw_fact_at(state, at)->links.next) {
        struct aw_hash128 keys[FACT_KEYS_MAX];
        uint32_t          count = keys_of(aw_fact_at(state, at), keys);

        for (uint32_t i = 0; i < count; i++) {
            if (has_key(state, incident, keys[i]))
                return true;
        }
    }
    return false;
}

void
aw_incident_leave(struct aw_state *state, struct aw_ticket_row *ticket)
{
    uint32_t incident = aw_incident_of(state, ticket);

    ((struct aw_incident_row *)aw_rows_change(&state->incidents, incident))->tickets--;
    ticket->incident = 0;
    ticket->incident_seq = 0;
}

/* --- what the server does by itself ----------------------------------------------------------------------------------------- */

/* All tickets that there are, from where it is: those that come later are linked by their messages. */
void
aw_incident_begin_round(struct aw_state *state)
{
    struct aw_incident_work *work = &state->incident_work;

    work->end = state->globals.heads[AW_TABLE_TICKETS].used;
    work->left = work->end;
    if (work->next == 0 || work->next > work->end)
        work->next = 1;
}

static bool
is_to_be_linked(const struct aw_state *state, uint32_t slot)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);

    return aw_ticket_is_open(ticket) && aw_incident_open_of(state, ticket) == 0 && claimant_of(state, slot) != 0;
}

void
aw_state_incidents_look(struct aw_state *state)
{
    struct aw_incident_work *work = &state->incident_work;
    bool                     rests = work->rest_until > state->now;
    bool                     links_rest = work->links_rest_until > state->now;

    if (work->found_at < work->found_count || aw_state_cut_pressure(state) >= 1000)
        return; /* these first; and there may be as many as posts, which wait for the checkpoint too */
    work->found_at = 0;
    work->found_count = 0;
    if (work->left == 0 && ((work->has_left_out && !rests) || (work->has_left_links && !links_rest))) {
        work->has_left_out = false;
        work->has_left_links = false;
        aw_incident_begin_round(state);
    }
    if (work->open_count == 0)
        work->left = 0;
    for (uint32_t i = 0; i < ROUND_TICKETS && work->left > 0 && work->found_count < AW_INCIDENT_FOUND_MAX; i++, work->left--) {
        bool is_answered = aw_incident_is_to_be_answered(state, work->next);

        bool is_linked = !is_answered && is_to_be_linked(state, work->next);

        work->has_left_out |= is_answered && rests;
        work->has_left_links |= is_linked && links_rest;
        if ((is_answered && !rests) || (is_linked && !links_rest))
            work->found[work->found_count++] = work->next;
        work->next = work->next < work->end ? work->next + 1 : 1;
    }
}

/* --- proposals -------------------------------------------------------------------------------------------------------------- */

static bool
is_proposing(const struct aw_incident_work *work, const struct aw_noticed *place)
{
    uint32_t i = 0;

    while (i < work->proposed_count && &work->noticed[work->proposed[i]] != place)
        i++;
    return i < work->proposed_count;
}

static aw_ms
named_at(const struct aw_noticed *place)
{
    return place->at[(place->next + AW_PROPOSE_TICKETS - 1) % AW_PROPOSE_TICKETS];
}

/* Where this key is noticed: its own place, else that of what was named longest ago, which gives way. One of which an incident is
 * about to be proposed does not: what is proposed is read from there. NULL: all of them are. */
static struct aw_noticed *
place_of(struct aw_incident_work *work, struct aw_hash128 key)
{
    struct aw_noticed *places = &work->noticed[key.low % (AW_NOTICED_MAX / AW_NOTICED_WAYS) * AW_NOTICED_WAYS];
    struct aw_noticed *oldest = NULL;

    for (uint32_t i = 0; i < AW_NOTICED_WAYS; i++) {
        if (places[i].key.name.len > 0 && aw_hash128_eq(hash_of(&places[i].key), key))
            return &places[i];
        if (!is_proposing(work, &places[i]) && (oldest == NULL || named_at(&places[i]) < named_at(oldest)))
            oldest = &places[i];
    }
    if (oldest != NULL)
        *oldest = (struct aw_noticed){.next = 0};
    return oldest;
}

static void
name_place(struct aw_noticed *place, const struct aw_incident_key *key)
{
    struct aw_slice title = key->name;
    char            date[11];

    memcpy(place->name, key->name.ptr, key->name.len);
    place->key = *key;
    place->key.name = aw_slice_of(place->name, key->name.len);
    memcpy(place->title, title.ptr, title.len);
    place->title_len = (uint32_t)title.len;
    if (key->kind != AW_INCIDENT_FLIGHT)
        return;
    aw_date_format(key->date_days, date);
    place->title[place->title_len++] = ' ';
    memcpy(place->title + place->title_len, date, sizeof(date) - 1);
    place->title_len += (uint32_t)sizeof(date) - 1;
}
AW_STATIC_ASSERT(AW_FLIGHT_NUMBER_BYTES_MAX + 1 + 10 <= sizeof(((struct aw_noticed *)NULL)->title), "number and date fit");

static void
notice(struct aw_state *state, uint32_t ticket, const struct aw_incident_key *key)
{
    struct aw_incident_work *work = &state->incident_work;
    struct aw_noticed       *place;

    if (aw_index_find(&state->by_incident_key, hash_of(key)) != 0)
        return;
    place = place_of(work, hash_of(key));
    if (place == NULL)
        return;
    if (place->key.name.len == 0)
        name_place(place, key);
    for (uint32_t i = 0; i < AW_PROPOSE_TICKETS; i++) {
        if (place->at[i] != 0 && state->now - place->at[i] <= AW_PROPOSE_MS && place->tickets[i] == ticket)
            return; /* it named another one in between: it is one ticket all the same */
    }
    place->at[place->next] = state->now;
    place->tickets[place->next] = ticket;
    place->next = (place->next + 1) % AW_PROPOSE_TICKETS;
    if (place->at[place->next] == 0 || state->now - place->at[place->next] > AW_PROPOSE_MS)
        return;
    /* When as many are on their way, the next ticket will bring it again. */
    if (work->proposed_count < AW_INCIDENT_PROPOSING_MAX && !is_proposing(work, place))
        work->proposed[work->proposed_count++] = (uint32_t)(place - work->noticed);
}

void
aw_incident_notice_flight(struct aw_state *state, uint32_t ticket, const struct aw_flight_fact *flight)
{
    if (flight->flight_hash == 0 || flight->number.len == 0) /* a replay does not know its number, and has nothing to propose */
        return;
    notice(state, ticket,
           &(struct aw_incident_key){
               .kind = AW_INCIDENT_FLIGHT, .hash = flight->flight_hash, .name = flight->number, .date_days = flight->date_days});
}

void
aw_incident_notice_airport(struct aw_state *state, uint32_t ticket, struct aw_airport_code code)
{
    if (aw_airport_number(code) == AW_AIRPORT_CODES)
        return;
    notice(state, ticket,
           &(struct aw_incident_key){.kind = AW_INCIDENT_AIRPORT, .name = aw_slice_of(code.letters, sizeof(code.letters))});
}

/* --- what is due ------------------------------------------------------------------------------------------------------------ */

static uint32_t
find_answering(const struct aw_state *state)
{
    uint32_t slot = 1;

    while (aw_incident_at(state, slot)->is_answering == 0)
        slot++;
    return slot;
}

bool
aw_incident_due(const struct aw_state *state, struct aw_command *ret_command)
{
    const struct aw_incident_work *work = &state->incident_work;
    uint32_t                       slot;

    if (work->proposed_count > 0) {
        const struct aw_noticed *place = &work->noticed[work->proposed[work->proposed_count - 1]];

        *ret_command = (struct aw_command){.kind = AW_COMMAND_INCIDENT,
                                           .in.incident = {.state = AW_INCIDENT_PROPOSED,
                                                           .title = aw_slice_of(place->title, place->title_len),
                                                           .has_keys = true,
                                                           .keys = &place->key,
                                                           .key_count = 1,
                                                           .follow = AW_FOLLOW_LATER}};
        return true;
    }
    if (work->found_at == work->found_count) {
        if (work->left > 0 || work->answering_count == 0 || work->has_left_out)
            return false;
        *ret_command = (struct aw_command){.kind = AW_COMMAND_INCIDENT_TIMER,
                                           .in.incident_timer = {.incident = aw_incident_id_at(state, find_answering(state))}};
        return true;
    }
    slot = work->found[work->found_at];
    if (aw_incident_is_to_be_answered(state, slot)) {
        *ret_command =
            (struct aw_command){.kind = AW_COMMAND_INCIDENT_TIMER,
                                .in.incident_timer = {.ticket = aw_ticket_id_at(state, slot),
                                                      .incident = aw_incident_id_at(state, aw_ticket_at(state, slot)->incident)}};
        return true;
    }
    *ret_command = (struct aw_command){.kind = AW_COMMAND_INCIDENT_LINK,
                                       .in.incident_link = {.ticket = aw_ticket_id_at(state, slot),
                                                            .incident = aw_incident_id_at(state, claimant_of(state, slot))}};
    return true;
}

aw_ms
aw_incident_due_at(const struct aw_state *state)
{
    const struct aw_incident_work *work = &state->incident_work;
    aw_ms                          now = state->now > 0 ? state->now : 1;

    if (work->proposed_count > 0 || work->left > 0 || work->found_at < work->found_count)
        return now;
    if (work->has_left_out)
        return work->rest_until > now ? work->rest_until : now;
    if (work->answering_count > 0)
        return now;
    return !work->has_left_links ? 0 : work->links_rest_until > now ? work->links_rest_until : now;
}

/* What was found is found again by another round: links need not wait for the outbox. */
void
aw_state_incidents_rest(struct aw_state *state, aw_ms until)
{
    struct aw_incident_work *work = &state->incident_work;

    work->rest_until = until;
    work->has_left_out = true;
    work->found_at = 0;
    work->found_count = 0;
    aw_incident_begin_round(state);
}

void
aw_state_incidents_skip(struct aw_state *state, const struct aw_command *command, aw_ms until)
{
    struct aw_incident_work *work = &state->incident_work;

    if (command->kind == AW_COMMAND_INCIDENT) {
        AW_ASSERT(work->proposed_count > 0);
        work->proposed_count--; /* the next ticket that names it brings it again */
        return;
    }
    aw_incident_take_found(state, command->in.incident_link.ticket.slot);
    work->links_rest_until = until;
    work->has_left_links = true;
}

/* --- INCIDENT --------------------------------------------------------------------------------------------------------------- */

/* Of those in this state the one whose `since` is smallest: none of them is needed any more. */
static uint32_t
find_oldest(const struct aw_state *state, enum aw_incident_state in)
{
    uint32_t oldest = 0;

    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_INCIDENTS].used; slot++) {
        if (aw_incident_at(state, slot)->state != (unsigned)in)
            continue;
        if (oldest == 0 || aw_incident_at(state, slot)->last_seq < aw_incident_at(state, oldest)->last_seq)
            oldest = slot;
    }
    return oldest;
}

/* The row that gives way to a new incident; 0: there is room without. */
static uint32_t
find_way(const struct aw_state *state, enum aw_incident_state next)
{
    uint32_t slot;

    if (next == AW_INCIDENT_PROPOSED && state->incident_work.proposed_rows >= AW_INCIDENTS_PROPOSED_MAX)
        return find_oldest(state, AW_INCIDENT_PROPOSED);
    if (aw_rows_room(&state->incidents) > 0)
        return 0;
    slot = find_oldest(state, AW_INCIDENT_CLOSED);
    return slot != 0 ? slot : find_oldest(state, AW_INCIDENT_PROPOSED);
}

static bool
has_room(const struct aw_state *state, enum aw_incident_state next)
{
    return aw_rows_room(&state->incidents) > 0 || find_way(state, next) != 0;
}

enum aw_err
aw_incident_admits(const struct aw_state *state, const struct aw_in_incident *in)
{
    /* A proposal that finds no room is dropped in apply: nobody asked for it. */
    return in->incident.seq != 0 || in->dry_run || in->by.len == 0 || has_room(state, in->state) ? AW_OK : AW_E_TABLE_FULL;
}

static void
count_state(struct aw_state *state, unsigned in, int by)
{
    if (in == AW_INCIDENT_OPEN)
        state->incident_work.open_count += (uint32_t)by;
    else if (in == AW_INCIDENT_PROPOSED)
        state->incident_work.proposed_rows += (uint32_t)by;
}

/* Who is still linked to it is part of none from now on. */
static void
forget(struct aw_state *state, uint32_t slot)
{
    AW_ASSERT(aw_incident_at(state, slot)->is_answering == 0);
    give_keys(state, slot);
    aw_texts_drop(state, aw_incident_at(state, slot)->texts);
    count_state(state, aw_incident_at(state, slot)->state, -1);
    *(struct aw_incident_links *)aw_rows_links(&state->incidents, slot) = (struct aw_incident_links){.open = 0};
    aw_rows_give(&state->incidents, slot);
    aw_ledger_settle(&state->ledger);
}

static bool
is_key_valid(const struct aw_incident_key *key)
{
    if (key->kind == AW_INCIDENT_FLIGHT)
        return key->hash != 0 && key->name.len > 0 && key->name.len <= AW_FLIGHT_NUMBER_BYTES_MAX;
    if (key->kind == AW_INCIDENT_BOOKING)
        return key->hash != 0 && key->name.len > 0 && key->name.len <= AW_BOOKING_BYTES_MAX;
    return aw_airport_number(code_of(key->name)) != AW_AIRPORT_CODES;
}

static bool
is_valid(const struct aw_in_incident *in)
{
    bool is_new = in->incident.seq == 0;

    if (in->title.len > AW_INCIDENT_TITLE_BYTES_MAX || in->key_count > AW_INCIDENT_KEYS_MAX)
        return false;
    if (is_new && (in->title.len == 0 || (in->state != AW_INCIDENT_OPEN && in->state != AW_INCIDENT_PROPOSED)))
        return false;
    for (uint32_t i = 0; i < in->key_count; i++) {
        if (!is_key_valid(&in->keys[i]))
            return false;
        for (uint32_t j = 0; j < i; j++) {
            if (aw_hash128_eq(hash_of(&in->keys[i]), hash_of(&in->keys[j])))
                return false;
        }
    }
    return true;
}

static bool
may_become(unsigned from, enum aw_incident_state next)
{
    static const unsigned allowed[] = {
        [AW_INCIDENT_NONE] = 1U << AW_INCIDENT_PROPOSED | 1U << AW_INCIDENT_OPEN,
        [AW_INCIDENT_PROPOSED] = 1U << AW_INCIDENT_PROPOSED | 1U << AW_INCIDENT_OPEN | 1U << AW_INCIDENT_CLOSED,
        [AW_INCIDENT_OPEN] = 1U << AW_INCIDENT_OPEN | 1U << AW_INCIDENT_CLOSED,
        [AW_INCIDENT_CLOSED] = 1U << AW_INCIDENT_OPEN | 1U << AW_INCIDENT_CLOSED,
    };

    return next == AW_INCIDENT_NONE || (allowed[from] >> next & 1) != 0;
}

void
aw_incident_fill_out(const struct aw_state *state, struct aw_command *command, uint32_t slot)
{
    const struct aw_incident_row *row = aw_incident_at(state, slot);

    command->out.u.incident = (struct aw_out_incident){.incident = aw_incident_id_at(state, slot),
                                                       .state = (enum aw_incident_state)row->state,
                                                       .version = row->version,
                                                       .created = row->version == 1 && command->out.changed};
}

/* Does to a copy of the row what is asked for, but for the keys. */
static void
change_row(const struct aw_state *state, const struct aw_in_incident *in, struct aw_incident_row *row)
{
    if (in->state != AW_INCIDENT_NONE && in->state != (enum aw_incident_state)row->state) {
        row->state = (unsigned)in->state & 0xF;
        row->closed_at = in->state == AW_INCIDENT_CLOSED ? state->now : 0;
        row->is_answering = 0; /* a close ends that too */
    }
    if (in->title.len > 0) {
        memset(row->title, 0, sizeof(row->title));
        memcpy(row->title, in->title.ptr, in->title.len);
        row->title_len = (uint16_t)in->title.len;
    }
    if (in->follow != AW_FOLLOW_AS_IS)
        row->follows = in->follow == AW_FOLLOW_LATER;
}

static uint32_t
make(struct aw_state *state, const struct aw_in_incident *in, uint64_t seq)
{
    uint32_t                way = find_way(state, in->state);
    uint32_t                slot;
    struct aw_incident_row *row;

    if (way != 0)
        forget(state, way);
    slot = aw_rows_take(&state->incidents);
    row = aw_rows_change(&state->incidents, slot);
    row->opened_seq = seq & AW_ROW_SEQ_MAX;
    row->keys_seq = row->opened_seq;
    row->opened_at = state->now;
    return slot;
}

/* The record, and what follows from it. `slot` 0: a new one, for which there is room. */
static uint32_t
carry_out(struct aw_state *state, struct aw_command *command, uint32_t slot)
{
    const struct aw_in_incident *in = &command->in.incident;
    uint64_t                     seq = aw_state_record(state, command);
    struct aw_incident_row      *row;

    if (slot == 0)
        slot = make(state, in, seq);
    row = aw_rows_change(&state->incidents, slot);
    command->out.prev_seq = row->last_seq;
    count_state(state, row->state, -1);
    state->incident_work.answering_count -= row->is_answering;
    change_row(state, in, row);
    state->incident_work.answering_count += row->is_answering;
    count_state(state, row->state, 1);
    row->last_seq = seq & AW_ROW_SEQ_MAX;
    row->version++;
    if (in->has_keys && !has_keys(state, row, in)) {
        give_keys(state, slot);
        take_keys(state, slot, in, seq);
    }
    if (state->incident_work.open_count > 0) /* also when it closes: its tickets may be claimed by another */
        aw_incident_begin_round(state);
    return slot;
}

/* Whether somebody has taken care of what the server would propose. */
static bool
is_needless(const struct aw_state *state, const struct aw_in_incident *in)
{
    return in->by.len == 0 && in->key_count > 0 && aw_index_find(&state->by_incident_key, hash_of(&in->keys[0])) != 0;
}

void
aw_apply_incident(struct aw_state *state, struct aw_command *command)
{
    struct aw_incident_work     *work = &state->incident_work;
    const struct aw_in_incident *in = &command->in.incident;
    uint32_t                     slot = aw_incident_find(state, in->incident);
    struct aw_incident_row       would = {.state = AW_INCIDENT_NONE};
    bool                         has_place = false;

    if (in->by.len == 0 && work->proposed_count > 0)
        work->proposed_count--; /* it was the last of them (aw_incident_due) */
    if (in->incident.seq != 0 && slot == 0) {
        command->out.err = AW_E_NOT_FOUND;
        return;
    }
    if (slot != 0)
        would = *aw_incident_at(state, slot);
    if (!is_valid(in))
        command->out.err = AW_E_BAD_VALUE;
    else if (!aw_if_match_holds(&in->if_match, would.version))
        command->out.err = AW_E_PRECONDITION;
    else if (!may_become(would.state, in->state))
        command->out.err = AW_E_WRONG_STATE;
    else if (slot == 0 && !in->dry_run && !has_room(state, in->state))
        command->out.err = in->by.len == 0 ? AW_OK : AW_E_TABLE_FULL;
    else
        has_place = true;
    if (slot != 0)
        aw_incident_fill_out(state, command, slot);
    if (!has_place)
        return;
    if (is_needless(state, in))
        return;
    change_row(state, in, &would);
    command->out.u.incident.state = (enum aw_incident_state)would.state;
    if (in->dry_run || (slot != 0 && memcmp(&would, aw_incident_at(state, slot), sizeof(would)) == 0 &&
                        (!in->has_keys || has_keys(state, &would, in))))
        return;
    slot = carry_out(state, command, slot);
    aw_incident_fill_out(state, command, slot);
}

/* --- INCIDENT_LINK ---------------------------------------------------------------------------------------------------------- */

/* What the server found to be done is under way. */
void
aw_incident_take_found(struct aw_state *state, uint32_t slot)
{
    struct aw_incident_work *work = &state->incident_work;

    if (work->found_at < work->found_count && work->found[work->found_at] == slot)
        work->found_at++;
}

/* AW_OK and *ret_changes: it is to be linked, or taken out. */
static enum aw_err
check_link(const struct aw_state *state, const struct aw_in_incident_link *in, uint32_t incident, bool *ret_changes)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, in->ticket.slot);
    uint32_t                    open = aw_incident_open_of(state, ticket);

    *ret_changes = false;
    if (in->parts) {
        *ret_changes = aw_incident_of(state, ticket) == incident;
        return AW_OK;
    }
    if (!aw_ticket_is_open(ticket) || aw_incident_at(state, incident)->state != AW_INCIDENT_OPEN)
        return AW_E_WRONG_STATE;
    if (open != 0 && open != incident)
        return AW_E_OTHER_INCIDENT;
    *ret_changes = open == 0;
    return AW_OK;
}

static void
change_link(struct aw_state *state, struct aw_command *command, uint32_t incident)
{
    const struct aw_in_incident_link *in = &command->in.incident_link;
    struct aw_ticket_row             *ticket = aw_ticket_edit(state, in->ticket.slot);

    command->out.prev_seq = ticket->last_seq;
    ticket->last_seq = aw_state_record(state, command) & AW_ROW_SEQ_MAX;
    if (in->parts) {
        ticket->marks |= AW_MARK_PARTED;
        ((struct aw_incident_row *)aw_rows_change(&state->incidents, incident))->tickets--;
    } else {
        link_ticket(state, ticket, incident, command->out.seq);
    }
    aw_ticket_done(state, in->ticket.slot);
}

void
aw_apply_incident_link(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_incident_link *in = &command->in.incident_link;
    uint32_t                          incident = aw_incident_find(state, in->incident);
    enum aw_err                       err = aw_ticket_find(state, &(struct aw_in_ticket){.ticket = in->ticket});
    bool                              changes = false;

    if (in->by.len == 0)
        aw_incident_take_found(state, in->ticket.slot);
    if (err == AW_OK && incident == 0)
        err = AW_E_NOT_FOUND;
    if (err == AW_OK) {
        aw_incident_fill_out(state, command, incident);
        err = check_link(state, in, incident, &changes);
    }
    if (err == AW_E_OTHER_INCIDENT)
        command->out.u.incident.other =
            aw_incident_id_at(state, aw_incident_open_of(state, aw_ticket_at(state, in->ticket.slot)));
    if (err == AW_OK && changes)
        change_link(state, command, incident);
    /* Nobody asked for what the server found: it has changed since, and all is well. */
    command->out.err = in->by.len == 0 ? AW_OK : err;
}

/* --- loading and looking ---------------------------------------------------------------------------------------------------- */

void
aw_incident_load_all(struct aw_state *state)
{
    aw_index_presize(&state->by_incident_key, state->globals.heads[AW_TABLE_INCIDENT_KEYS].live);
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_INCIDENT_KEYS].used; slot++) {
        if (aw_incident_key_at(state, slot)->incident != 0)
            aw_index_insert(&state->by_incident_key, slot);
    }
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_INCIDENTS].used; slot++) {
        count_state(state, aw_incident_at(state, slot)->state, 1);
        state->incident_work.answering_count += aw_incident_at(state, slot)->is_answering;
    }
    if (state->incident_work.open_count > 0)
        aw_incident_begin_round(state);
}

static void
fill_view(const struct aw_state *state, uint32_t slot, struct aw_incident_answer *ret_view)
{
    const struct aw_incident_row *row = aw_incident_at(state, slot);

    *ret_view = (struct aw_incident_answer){.incident = aw_incident_id_at(state, slot),
                                            .state = (enum aw_incident_state)row->state,
                                            .follows = row->follows,
                                            .version = row->version,
                                            .opened_at = row->opened_at,
                                            .closed_at = row->closed_at,
                                            .tickets = row->tickets,
                                            .open = row->links.open,
                                            .answered = row->answered,
                                            .answered_at = row->answered_at,
                                            .is_answering = row->is_answering,
                                            .is_linking = state->incident_work.left > 0 && row->state == AW_INCIDENT_OPEN,
                                            .title_len = (uint8_t)row->title_len};
    memcpy(ret_view->title, row->title, sizeof(row->title));
    for (uint32_t at = row->keys; at != 0; at = aw_incident_key_at(state, at)->next) {
        const struct aw_incident_key_row *key = aw_incident_key_at(state, at);
        struct aw_incident_key_answer    *view = &ret_view->keys[ret_view->key_count++];

        view->kind = (enum aw_incident_key_kind)(key->key[2] - 1);
        view->date_days = key->date_days;
        memcpy(view->name, key->name, sizeof(view->name));
        view->name_len = (uint8_t)strnlen(key->name, sizeof(key->name));
    }
}

enum aw_err
aw_state_incident(const struct aw_state *state, struct aw_incident_id id, struct aw_incident_answer *ret_view)
{
    uint32_t slot = aw_incident_find(state, id);

    if (slot == 0)
        return AW_E_NOT_FOUND;
    fill_view(state, slot, ret_view);
    return AW_OK;
}

uint32_t
aw_state_incidents(const struct aw_state *state, enum aw_incident_state in, uint32_t after, struct aw_incident_answer *ret_views,
                   uint32_t room, uint32_t *ret_next)
{
    uint32_t used = state->globals.heads[AW_TABLE_INCIDENTS].used;
    uint32_t count = 0;

    *ret_next = 0;
    for (uint32_t slot = after < used ? after + 1 : used + 1; slot <= used; slot++) {
        unsigned is = aw_incident_at(state, slot)->state;

        if (is == AW_INCIDENT_NONE || (in != AW_INCIDENT_NONE && is != (unsigned)in))
            continue;
        if (count == room) {
            *ret_next = slot - 1;
            break;
        }
        fill_view(state, slot, &ret_views[count++]);
    }
    return count;
}
