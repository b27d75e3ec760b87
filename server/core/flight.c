/* flight.c - what flights and airports do: FLIGHT, AIRPORT and UNDO (that of a surge is surge.c's).
 *
 * Both are rows with a plan, and with the plan before it, for UNDO. What is undone to "nothing known" keeps its row for the sake of
 * its version: as long as it is remembered, no ETag comes twice. Which tickets it concerns: facts.c.
 */
#include "core/layout.h"

/* A flight is over so long after its date began, or after its new departure: late in its own time zone, and long enough for all to
 * have been said. */
#define OVER_MS (UINT64_C(84) * 3600 * 1000)
#define DAY_MS  (UINT64_C(24) * 3600 * 1000)
/* Rows looked at for each new one, whether they are over: more than one, so that the table shrinks. */
#define SWEEPS_PER_ADD 4

/* --- finding -------------------------------------------------------------------------------------------------------------- */

uint32_t
aw_airport_number(struct aw_airport_code code)
{
    uint32_t number = 0;

    for (size_t i = 0; i < sizeof(code.letters); i++) {
        if (code.letters[i] < 'A' || code.letters[i] > 'Z')
            return AW_AIRPORT_CODES;
        number = number * 26 + (uint32_t)(code.letters[i] - 'A');
    }
    return number;
}

static uint32_t
find_flight(const struct aw_state *state, uint64_t flight)
{
    return aw_index_find(&state->by_flight, (struct aw_hash128){.low = flight});
}

const struct aw_plan *
aw_flight_plan(const struct aw_state *state, uint64_t flight)
{
    uint32_t slot = find_flight(state, flight);

    return slot == 0 || aw_flight_at(state, slot)->now.is_there == 0 ? NULL : &aw_flight_at(state, slot)->now;
}

static uint32_t
find_airport(const struct aw_state *state, struct aw_airport_code code)
{
    uint32_t number = aw_airport_number(code);

    return number == AW_AIRPORT_CODES ? 0 : state->airport_links[number].row;
}

const struct aw_plan *
aw_airport_plan(const struct aw_state *state, struct aw_airport_code code)
{
    uint32_t slot = find_airport(state, code);

    return slot == 0 || aw_airport_at(state, slot)->now.is_there == 0 ? NULL : &aw_airport_at(state, slot)->now;
}

uint64_t
aw_flight_changed_by(const struct aw_state *state, uint64_t flight)
{
    uint32_t slot = find_flight(state, flight);

    return slot == 0 ? 0 : aw_flight_at(state, slot)->change;
}

/* What an undo names; 0: it can't be undone. */
static uint64_t
undo_seq(const struct aw_plan_row *row)
{
    return row->is_final != 0 ? 0 : row->change;
}

static struct aw_rows *
rows_of(struct aw_state *state, enum aw_change_of of)
{
    switch (of) {
    case AW_CHANGE_FLIGHT:
        return &state->flights;
    case AW_CHANGE_AIRPORT:
        return &state->airports;
    case AW_CHANGE_SURGE:
        return &state->surge;
    }
    AW_UNREACHABLE();
}

/* --- looking -------------------------------------------------------------------------------------------------------------- */

static struct aw_change_id
change_id(const struct aw_state *state, enum aw_change_of of, uint32_t slot, uint64_t seq)
{
    return (struct aw_change_id){.seq = seq, .slot = slot, .shard = (uint8_t)state->globals.shard, .of = of};
}

static struct aw_flight_answer
show_flight(const struct aw_state *state, uint32_t slot, const struct aw_plan_row *row)
{
    struct aw_flight_answer flight = {.state = (enum aw_flight_state)row->now.state,
                                      .date_days = row->date_days,
                                      .departs_at = row->now.from,
                                      .version = row->version,
                                      .change = change_id(state, AW_CHANGE_FLIGHT, slot, undo_seq(row))};

    memcpy(flight.number, row->name, sizeof(flight.number));
    while (flight.number_len < sizeof(flight.number) && flight.number[flight.number_len] != '\0')
        flight.number_len++;
    return flight;
}

static struct aw_airport_answer
show_airport(const struct aw_state *state, uint32_t slot, const struct aw_plan_row *row)
{
    struct aw_airport_answer airport = {.closed = row->now.state != 0,
                                        .from = row->now.from,
                                        .until = row->now.until,
                                        .version = row->version,
                                        .change = change_id(state, AW_CHANGE_AIRPORT, slot, undo_seq(row))};

    memcpy(airport.code, row->name, sizeof(airport.code));
    return airport;
}

enum aw_err
aw_state_flight(const struct aw_state *state, uint64_t flight_hash, struct aw_flight_answer *ret_flight)
{
    uint32_t slot = find_flight(state, flight_hash);

    if (slot == 0 || aw_flight_at(state, slot)->now.is_there == 0)
        return AW_E_NOT_FOUND;
    *ret_flight = show_flight(state, slot, aw_flight_at(state, slot));
    return AW_OK;
}

enum aw_err
aw_state_airport(const struct aw_state *state, struct aw_airport_code code, struct aw_airport_answer *ret_airport)
{
    uint32_t slot = find_airport(state, code);

    if (slot == 0 || aw_airport_at(state, slot)->now.is_there == 0)
        return AW_E_NOT_FOUND;
    *ret_airport = show_airport(state, slot, aw_airport_at(state, slot));
    return AW_OK;
}

uint32_t
aw_state_flights(const struct aw_state *state, uint32_t after, struct aw_flight_answer *ret_flights, uint32_t room,
                 uint32_t *ret_next)
{
    uint32_t used = state->globals.heads[AW_TABLE_FLIGHTS].used;
    uint32_t count = 0;

    *ret_next = 0;
    for (uint32_t slot = after < used ? after + 1 : used + 1; slot <= used; slot++) {
        if (aw_flight_at(state, slot)->now.is_there == 0)
            continue;
        if (count == room) {
            *ret_next = slot - 1;
            break;
        }
        ret_flights[count++] = show_flight(state, slot, aw_flight_at(state, slot));
    }
    return count;
}

uint32_t
aw_state_airports(const struct aw_state *state, uint32_t after, struct aw_airport_answer *ret_airports, uint32_t room,
                  uint32_t *ret_next)
{
    uint32_t used = state->globals.heads[AW_TABLE_AIRPORTS].used;
    uint32_t count = 0;

    *ret_next = 0;
    for (uint32_t slot = after < used ? after + 1 : used + 1; slot <= used; slot++) {
        if (aw_airport_at(state, slot)->now.is_there == 0)
            continue;
        if (count == room) {
            *ret_next = slot - 1;
            break;
        }
        ret_airports[count++] = show_airport(state, slot, aw_airport_at(state, slot));
    }
    return count;
}

static void
fill_out(const struct aw_state *state, struct aw_command *command, enum aw_change_of of, uint32_t slot,
         const struct aw_plan_row *row)
{
    struct aw_change_answer *now = &command->out.u.change.now;

    now->of = of;
    if (of == AW_CHANGE_FLIGHT)
        now->flight = show_flight(state, slot, row);
    else
        now->airport = show_airport(state, slot, row);
}

/* --- flights that are over ------------------------------------------------------------------------------------------------ */

static bool
is_over(struct aw_state *state, uint32_t slot)
{
    const struct aw_plan_row *row = aw_flight_at(state, slot);
    aw_ms                     last = row->date_days * DAY_MS;

    if (row->version == 0)
        return false; /* a free row */
    if (row->now.from > last)
        last = row->now.from;
    return last + OVER_MS <= state->now && aw_facts_look_again(state, AW_CHANGE_FLIGHT, row, false) == 0;
}

static void
forget(struct aw_state *state, uint32_t slot)
{
    aw_index_remove(&state->by_flight, slot);
    aw_rows_give(&state->flights, slot);
    aw_ledger_settle(&state->ledger);
}

/* The first that is over behind those swept last, among `most`; 0: none. */
static uint32_t
find_over(struct aw_state *state, uint32_t most)
{
    uint32_t used = state->globals.heads[AW_TABLE_FLIGHTS].used;
    uint32_t at = state->globals.flights_swept;

    for (uint32_t i = 0; i < most && i < used; i++) {
        at = at >= used ? 1 : at + 1;
        if (is_over(state, at))
            return at;
    }
    return 0;
}

static bool
has_room(const struct aw_state *state)
{
    /* Looking changes nothing; only lists are walked, whose links are writable for others. */
    return aw_rows_room(&state->flights) > 0 || find_over((struct aw_state *)(uintptr_t)state, UINT32_MAX) != 0;
}

enum aw_err
aw_flight_admits(const struct aw_state *state, const struct aw_in_flight *in)
{
    /* A flight that is known changes in its row; what is only tried out, or is refused by its precondition, needs none. */
    if (in->dry_run || find_flight(state, in->flight_hash) != 0 || !aw_if_match_holds(&in->if_match, 0))
        return AW_OK;
    return has_room(state) ? AW_OK : AW_E_TABLE_FULL;
}

static void
make_room(struct aw_state *state)
{
    uint32_t used = state->globals.heads[AW_TABLE_FLIGHTS].used;

    for (int i = 0; i < SWEEPS_PER_ADD && used > 0; i++) {
        state->globals.flights_swept = state->globals.flights_swept >= used ? 1 : state->globals.flights_swept + 1;
        if (is_over(state, state->globals.flights_swept))
            forget(state, state->globals.flights_swept);
    }
    if (aw_rows_room(&state->flights) == 0)
        forget(state, find_over(state, UINT32_MAX));
}

/* --- changing ------------------------------------------------------------------------------------------------------------- */

static uint32_t
make_flight(struct aw_state *state, const struct aw_in_flight *in)
{
    struct aw_plan_row *row;
    uint32_t            slot;

    make_room(state);
    slot = aw_rows_take(&state->flights);
    row = aw_rows_change(&state->flights, slot);
    row->key[0] = (uint32_t)in->flight_hash;
    row->key[1] = (uint32_t)(in->flight_hash >> 32);
    memcpy(row->name, in->number.ptr, in->number.len);
    row->date_days = in->date_days;
    aw_index_insert(&state->by_flight, slot);
    return slot;
}

static uint32_t
make_airport(struct aw_state *state, struct aw_airport_code code)
{
    uint32_t            slot = aw_rows_take(&state->airports);
    struct aw_plan_row *row = aw_rows_change(&state->airports, slot);

    memcpy(row->name, code.letters, sizeof(code.letters));
    memcpy(row->key, code.letters, sizeof(code.letters));
    state->airport_links[aw_airport_number(code)].row = slot;
    return slot;
}

static bool
is_same(const struct aw_plan *a, const struct aw_plan *b)
{
    return a->from == b->from && a->until == b->until && a->state == b->state && a->is_there == b->is_there;
}

/* Gives the row another plan. Which tickets that concerns is found after the row is settled: looking again reads it. */
static void
change_row(struct aw_state *state, struct aw_command *command, enum aw_change_of of, uint32_t slot, const struct aw_plan *plan,
           bool can_be_undone)
{
    struct aw_plan_row *row = aw_rows_change(rows_of(state, of), slot);
    uint64_t            seq = aw_state_record(state, command);

    row->before = row->now;
    row->now = *plan;
    row->now.at = plan->at == 0 ? state->now : plan->at;
    row->change = seq & AW_ROW_SEQ_MAX;
    row->is_final = can_be_undone ? 0 : 1;
    row->version++;
    fill_out(state, command, of, slot, row);
    aw_ledger_settle(&state->ledger);
    command->out.u.change.now.tickets = aw_facts_look_again(state, of, aw_rows_at(rows_of(state, of), slot), true);
}

/* Nothing is changed: how many tickets it would concern, and what would be there. */
static void
try_out(struct aw_state *state, struct aw_command *command, enum aw_change_of of, uint32_t slot, const struct aw_plan_row *would)
{
    fill_out(state, command, of, slot, would);
    command->out.u.change.now.tickets = aw_facts_look_again(state, of, would, false);
}

/* What FLIGHT and AIRPORT have in common, when the row is there: refuse, leave, or try out. True: done. */
static bool
is_done_before(struct aw_state *state, struct aw_command *command, enum aw_change_of of, uint32_t slot,
               const struct aw_plan *plan, const struct aw_if_match *if_match)
{
    static const struct aw_plan_row none = {.version = 0};
    const struct aw_plan_row       *row = slot == 0 ? &none : aw_rows_at(rows_of(state, of), slot);

    if (!aw_if_match_holds(if_match, row->now.is_there == 0 ? 0 : row->version)) {
        command->out.err = AW_E_PRECONDITION;
        return true;
    }
    if (!is_same(&row->now, plan))
        return false;
    fill_out(state, command, of, slot, row);
    return true;
}

static bool
is_flight_valid(const struct aw_in_flight *in)
{
    if (in->flight_hash == 0 || in->number.len == 0 || in->number.len > AW_FLIGHT_NUMBER_BYTES_MAX)
        return false;
    switch (in->state) {
    case AW_FLIGHT_SCHEDULED:
        return true;
    case AW_FLIGHT_DELAYED:
        return in->departs_at != 0;
    case AW_FLIGHT_CANCELLED:
    case AW_FLIGHT_REBOOKED:
        return in->departs_at == 0;
    }
    return false;
}

void
aw_apply_flight(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_flight *in = &command->in.flight;
    struct aw_plan             plan = {.from = in->departs_at, .state = (uint32_t)in->state, .is_there = 1};
    uint32_t                   slot = find_flight(state, in->flight_hash);

    if (!is_flight_valid(in)) {
        command->out.err = AW_E_BAD_VALUE;
        return;
    }
    command->out.u.change.now.dry_run = in->dry_run;
    if (is_done_before(state, command, AW_CHANGE_FLIGHT, slot, &plan, &in->if_match))
        return;
    if (in->dry_run) {
        struct aw_plan_row would = {
            .key = {(uint32_t)in->flight_hash, (uint32_t)(in->flight_hash >> 32)}, .now = plan, .date_days = in->date_days};

        memcpy(would.name, in->number.ptr, in->number.len);
        try_out(state, command, AW_CHANGE_FLIGHT, slot, &would);
        return;
    }
    if (slot == 0 && !has_room(state)) {
        command->out.err = AW_E_TABLE_FULL;
        return;
    }
    if (slot == 0)
        slot = make_flight(state, in);
    command->out.u.change.created = aw_flight_at(state, slot)->now.is_there == 0;
    change_row(state, command, AW_CHANGE_FLIGHT, slot, &plan, true);
}

void
aw_apply_airport(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_airport *in = &command->in.airport;
    struct aw_plan              plan = {.from = in->from, .until = in->until, .state = in->until != 0, .is_there = 1};
    uint32_t                    slot = find_airport(state, in->code);

    if (aw_airport_number(in->code) == AW_AIRPORT_CODES || (in->until == 0 ? in->from != 0 : in->from >= in->until)) {
        command->out.err = AW_E_BAD_VALUE;
        return;
    }
    command->out.u.change.now.dry_run = in->dry_run;
    if (is_done_before(state, command, AW_CHANGE_AIRPORT, slot, &plan, &in->if_match))
        return;
    if (in->dry_run) {
        struct aw_plan_row would = {.now = plan};

        memcpy(would.name, in->code.letters, sizeof(in->code.letters));
        try_out(state, command, AW_CHANGE_AIRPORT, slot, &would);
        return;
    }
    if (slot == 0)
        slot = make_airport(state, in->code);
    command->out.u.change.created = aw_airport_at(state, slot)->now.is_there == 0;
    change_row(state, command, AW_CHANGE_AIRPORT, slot, &plan, true);
}

void
aw_apply_undo(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_undo *in = &command->in.undo;
    enum aw_change_of        of = in->change.of;
    struct aw_plan_row       would;
    struct aw_plan           plan;

    if (in->change.shard != state->globals.shard || in->change.seq == 0 || in->change.seq > state->globals.seq ||
        !aw_rows_has(rows_of(state, of), in->change.slot)) {
        command->out.err = AW_E_NOT_FOUND;
        return;
    }
    if (of == AW_CHANGE_SURGE) {
        aw_surge_undo(state, command);
        return;
    }
    would = *(const struct aw_plan_row *)aw_rows_at(rows_of(state, of), in->change.slot);
    if (undo_seq(&would) != in->change.seq) {
        command->out.err = AW_E_OVERTAKEN;
        return;
    }
    plan = would.before;
    command->out.u.change.now.dry_run = in->dry_run;
    if (in->dry_run) {
        would.now = plan;
        try_out(state, command, of, in->change.slot, &would);
        return;
    }
    change_row(state, command, of, in->change.slot, &plan, false);
}

uint64_t
aw_change_mark(const struct aw_state *state, enum aw_change_of of, uint32_t slot)
{
    const struct aw_plan_row *row;

    if (of == AW_CHANGE_SURGE)
        return 0; /* there is one */
    row = of == AW_CHANGE_FLIGHT ? aw_flight_at(state, slot) : aw_airport_at(state, slot);
    return ((uint64_t)row->key[1] << 32 | row->key[0]) & AW_ROW_SEQ_MAX;
}

/* Of an undo the outcome is not kept whole: shown is what the row is now. */
void
aw_change_repeat(const struct aw_state *state, struct aw_command *command, const struct aw_change_kept *kept)
{
    struct aw_change_answer *now = &command->out.u.change.now;
    struct aw_plan_row       row = {.version = kept->version, .change = kept->seq & AW_ROW_SEQ_MAX};
    enum aw_change_of        of = AW_CHANGE_FLIGHT;

    if (command->kind == AW_COMMAND_FLIGHT) {
        memcpy(row.name, command->in.flight.number.ptr, command->in.flight.number.len);
        row.date_days = command->in.flight.date_days;
        row.now = (struct aw_plan){.from = command->in.flight.departs_at, .state = (uint32_t)command->in.flight.state};
    } else if (command->kind == AW_COMMAND_AIRPORT) {
        of = AW_CHANGE_AIRPORT;
        memcpy(row.name, command->in.airport.code.letters, sizeof(command->in.airport.code.letters));
        row.now = (struct aw_plan){
            .from = command->in.airport.from, .until = command->in.airport.until, .state = command->in.airport.until != 0};
    } else {
        of = command->in.undo.change.of;
        if (aw_change_mark(state, of, kept->slot) != kept->mark) {
            command->out.repeated = false;
            command->out.err = AW_E_OVERTAKEN;
            return;
        }
        if (of == AW_CHANGE_SURGE) {
            aw_surge_repeat(state, command, kept);
            return;
        }
        row = of == AW_CHANGE_FLIGHT ? *aw_flight_at(state, kept->slot) : *aw_airport_at(state, kept->slot);
        row.change = 0;
    }
    fill_out(state, command, of, kept->slot, &row);
    now->tickets = kept->tickets;
    now->duplicate = true;
}

void
aw_flight_load_all(struct aw_state *state)
{
    aw_index_presize(&state->by_flight, state->globals.heads[AW_TABLE_FLIGHTS].live);
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_FLIGHTS].used; slot++) {
        if (aw_flight_at(state, slot)->version != 0)
            aw_index_insert(&state->by_flight, slot);
    }
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_AIRPORTS].used; slot++) {
        struct aw_airport_code code;

        memcpy(&code, aw_airport_at(state, slot)->name, sizeof(code));
        state->airport_links[aw_airport_number(code)].row = slot;
    }
}
